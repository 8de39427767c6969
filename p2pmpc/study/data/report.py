"""What a check of a party's data tells: to the party alone, on its own terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from p2pmpc.errors import InputRefused
from p2pmpc.study.data.faults import Rejections


@dataclass(frozen=True)
class Counts:
    """How many rows there are of each kind; every row is of one.

    Args:
        read: All of them.
        rejected: With a bad cell.
        filtered: That a filter of the study leaves out.
        missing: That lack a value that the study uses.
        used: The others.
    """

    read: int
    rejected: int
    filtered: int
    missing: int
    used: int


@dataclass(frozen=True)
class ColumnSummary:
    """What one column holds, in rows that are not rejected.

    Args:
        name: Of the study.
        type: Of its cells.
        unit: For people.
        missing: How many cells are empty.
        minimum: The smallest value; None for a category, or where there is none.
        maximum: The largest.
        rounded: How many values have more decimals than the study carries.
    """

    name: str
    type: str
    unit: str
    missing: int
    minimum: str | None = field(repr=False)
    maximum: str | None = field(repr=False)
    rounded: int


@dataclass(frozen=True)
class Report:
    """What a check found.

    Args:
        source: The data, as the party named it.
        counts: Rows.
        columns: Those that the study uses.
        rejections: The bad cells.
        rejected_file: Where the rejected rows are; None where there are none, or nothing was written.
        skip_rejected: Whether the party goes on without them.
        maximum_rows: The most that the study takes of one party.
    """

    source: str
    counts: Counts = field(repr=False)
    columns: tuple[ColumnSummary, ...] = field(repr=False)
    rejections: Rejections = field(repr=False)
    rejected_file: str | None = None
    skip_rejected: bool = False
    maximum_rows: int = 0

    @property
    def exit_code(self) -> int:
        """8 where a session would be refused, else 0."""
        return InputRefused.exit_code if self.refusal() else 0

    def refusal(self) -> InputRefused | None:
        """Return what keeps these rows out of a session; None where nothing does."""
        counts = self.counts
        if counts.rejected and not self.skip_rejected:
            return self._rejection()
        if counts.used > self.maximum_rows:
            return InputRefused(
                f"{self.source}: {counts.used} rows would be used, and the study takes at most "
                f"{self.maximum_rows} of one party",
                hint="ask for a study with a larger maximum_rows",
            )
        if not counts.used:
            return InputRefused(
                f"{self.source}: none of its {_rows(counts.read)} can be used: {counts.rejected} "
                f"rejected, {counts.filtered} left out by filters, {counts.missing} lack a value",
                hint="compare the columns with `p2pmpc study show`",
            )
        return None

    def _rejection(self) -> InputRefused:
        """Return the first place, and how many more rows there are like it."""
        first, rows = self.rejections.listed[0], self.counts.rejected
        more = f" (the first of {_rows(rows)} that are rejected)" if rows > 1 else ""
        hint = first.hint or "correct the file, or go on without such rows by --skip-rejected"
        return InputRefused(
            f"{first.text}{more}", hint=f"{hint}; `p2pmpc data check` lists what is rejected"
        )

    def to_json(self) -> dict[str, Any]:
        """Return what scripts read."""
        counts = self.counts
        return {
            "source": self.source,
            "rows": {
                "read": counts.read,
                "rejected": counts.rejected,
                "filtered_out": counts.filtered,
                "missing": counts.missing,
                "used": counts.used,
            },
            "columns": [
                {
                    "name": one.name,
                    "type": one.type,
                    "unit": one.unit,
                    "missing": one.missing,
                    "minimum": one.minimum,
                    "maximum": one.maximum,
                    "rounded": one.rounded,
                }
                for one in self.columns
            ],
            "rejected": [
                {"column": column, "reason": fault.value, "cells": cells}
                for (column, fault), cells in sorted(self.rejections.counts.items())
            ],
            "first_rejected": [
                {
                    "place": one.place.text,
                    "column": one.column,
                    "reason": one.fault.value,
                    "expected": one.expected,
                }
                for one in self.rejections.listed
            ],
            "rejected_file": self.rejected_file,
            "exit_code": self.exit_code,
        }

    def to_text(self) -> str:
        """Return what people read."""
        counts = self.counts
        lines = [
            f"{self.source}: {_rows(counts.read)} read",
            f"  {counts.used:>12,} used",
            f"  {counts.rejected:>12,} rejected",
            f"  {counts.filtered:>12,} left out by the study's filters",
            f"  {counts.missing:>12,} left out because a value is missing",
            "",
            *_table(self.columns),
        ]
        if self.counts.rejected:
            lines += ["", *self._rejected_lines()]
        elif refusal := self.refusal():
            lines += ["", f"Refused: {refusal.message}", f"  next: {refusal.hint}"]
        return "\n".join(lines)

    def _rejected_lines(self) -> list[str]:
        found = self.rejections
        lines = ["Rejected:", *(f"  {finding.text}" for finding in found.listed)]
        cells = sum(found.counts.values())
        if cells > len(found.listed):
            lines.append(f"  ... and {cells - len(found.listed):,} more; by column and reason:")
            lines += [
                f"  {count:>12,}  {column}: {fault.value}"
                for (column, fault), count in sorted(found.counts.items())
            ]
        for hint in dict.fromkeys(finding.hint for finding in found.listed if finding.hint):
            lines.append(f"  next: {hint}")
        if self.rejected_file:
            lines.append(f"The rejected rows are in {self.rejected_file}")
        return lines


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _table(columns: tuple[ColumnSummary, ...]) -> list[str]:
    head = ("column", "type", "smallest", "largest", "missing", "rounded")
    rows = [
        (
            f"{one.name} ({one.unit})" if one.unit else one.name,
            one.type,
            one.minimum or "-",
            one.maximum or "-",
            f"{one.missing:,}",
            f"{one.rounded:,}",
        )
        for one in columns
    ]
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
