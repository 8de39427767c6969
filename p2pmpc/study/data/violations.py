"""What a party's table has that the study does not allow, as counts: nothing of it leaves the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from p2pmpc.errors import InputRefused
from p2pmpc.study.model import Column, ColumnType, Missing, Study

MOST_NAMED: Final = 5
"""Complaints in one message; the others are counted."""


@dataclass(frozen=True)
class ColumnCheck:
    """What was found in one column, over all rows of the table.

    Args:
        name: As the study calls it.
        missing: Rows without a value.
        not_finite: Rows with a NaN or an infinity.
        outside: Rows with a value outside the column's bounds.
        unknown: Rows with a category that the study does not declare.
        rounded: Rows with more decimals than the study carries.
        minimum: The smallest value, a date as days since 1970-01-01; None where there is none.
        maximum: The largest value.
    """

    name: str
    missing: int = field(repr=False)
    not_finite: int = field(default=0, repr=False)
    outside: int = field(default=0, repr=False)
    unknown: int = field(default=0, repr=False)
    rounded: int = field(default=0, repr=False)
    minimum: Decimal | None = field(default=None, repr=False)
    maximum: Decimal | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Violations:
    """What was found in a table.

    Args:
        table: What people call it.
        rows: All of them.
        filtered_out: Rows for which a filter does not hold.
        incomplete: Rows that no filter leaves out, but that lack a value.
        columns: Those that the study uses, in its order.
    """

    table: str
    rows: int = field(repr=False)
    filtered_out: int = field(repr=False)
    incomplete: int = field(repr=False)
    columns: tuple[ColumnCheck, ...]

    @property
    def used(self) -> int:
        """The rows that the study uses."""
        return self.rows - self.filtered_out - self.incomplete

    def complaints(self, study: Study, called: Mapping[str, str] | None = None) -> list[str]:
        """Return what is not allowed, one sentence each; empty where all is well.

        Args:
            study: The study.
            called: By column of the study, what the table calls it, where that differs.
        """
        refuses_missing = study.missing is Missing.REFUSE and self.incomplete > 0
        found = []
        for check in self.columns:
            there = (called or {}).get(check.name, check.name)
            other = f" (there: {there})" if there != check.name else ""
            where = f"{self.table}: column {check.name}{other}"
            column = study.columns[check.name]
            if check.not_finite:
                found.append(f"{where}: {_rows(check.not_finite)} not finite (NaN or infinity)")
            if check.outside:
                expected = f"expected {_bounds(column)}"
                found.append(f"{where}: {_rows(check.outside)} outside the bounds, {expected}")
            if check.unknown:
                known = ", ".join(column.categories)
                found.append(
                    f"{where}: {_rows(check.unknown)} of no declared category, expected one of {known}"
                )
            if refuses_missing and check.missing:
                found.append(f"{where}: {_rows(check.missing)} missing, and the study refuses that")
        if self.used > study.maximum_rows:
            found.append(
                f"{self.table}: {self.used} rows are used, and maximum_rows is {study.maximum_rows}"
            )
        return found

    def refuse(self, study: Study, called: Mapping[str, str] | None = None) -> None:
        """Refuse a table in which something is not allowed.

        Args:
            study: The study.
            called: See :meth:`complaints`.

        Raises:
            InputRefused: Something is not allowed; says table, column, how many rows, what was expected.
        """
        found = self.complaints(study, called)
        if not found:
            return
        more = len(found) - MOST_NAMED
        named = found[:MOST_NAMED] + ([f"and {more} more of the kind"] if more > 0 else [])
        raise InputRefused(
            "; ".join(named),
            hint="mend these rows at their source, or leave them out of what is read",
        )


def _rows(count: int) -> str:
    return f"{count} value is" if count == 1 else f"{count} values are"


def _bounds(column: Column) -> str:
    assert column.minimum is not None
    assert column.maximum is not None
    if column.type is ColumnType.DATE:
        return f"{column.date_of(int(column.minimum))} to {column.date_of(int(column.maximum))}"
    return f"{column.minimum} to {column.maximum}" + (f" {column.unit}" if column.unit else "")


__all__ = ["ColumnCheck", "Violations"]
