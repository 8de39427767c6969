"""A party's rows in a database: they stay there, and it is asked for counts and sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.study.data.aggregating import examine
from p2pmpc.study.data.engines import Source
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.postgres import open_postgres
from p2pmpc.study.data.violations import ColumnCheck, Violations
from p2pmpc.study.model import EPOCH, ColumnType, Study

_SCHEMES: Final = ("postgresql:", "postgres:")


def is_in_database(options: DataOptions) -> bool:
    """Return whether ``--data`` names a database and not a file."""
    return (options.data or "").startswith(_SCHEMES)


@contextmanager
def open_table(study: Study, options: DataOptions) -> Iterator[Source]:
    """Open the table that the options name.

    Args:
        study: Whose columns are read.
        options: Address, table and columns.

    Raises:
        ConfigurationError: No table is named, or an option is for files; else as
            :func:`~p2pmpc.study.data.postgres.open_postgres`.
    """
    if options.table is None:
        raise ConfigurationError(
            "no table of the database is named", hint="say --table schema.table"
        )
    if options.skip_rejected:
        raise ConfigurationError(
            "--skip-rejected is for files", hint="name a view that leaves such rows out"
        )
    address = (options.data or "").replace("postgres:", "postgresql:", 1)
    with open_postgres(address, options.table, study, options.renamed) as source:
        yield source


@dataclass(frozen=True)
class TableReport:
    """What a check of a database's table tells, to the party alone.

    Args:
        study: The study.
        violations: What was found.
        called: By column of the study, what the table calls it.
    """

    study: Study
    violations: Violations = field(repr=False)
    called: dict[str, str]

    @property
    def complaints(self) -> list[str]:
        """What keeps the table out of a session."""
        found = self.violations.complaints(self.study, self.called)
        if not found and not self.violations.used:
            found = [f"{self.violations.table}: no row can be used"]
        return found

    @property
    def exit_code(self) -> int:
        """8 where a session would be refused, else 0."""
        return InputRefused.exit_code if self.complaints else 0

    def to_json(self) -> dict[str, Any]:
        """Return what scripts read."""
        found = self.violations
        return {
            "source": found.table,
            "rows": {
                "read": found.rows,
                "filtered_out": found.filtered_out,
                "missing": found.incomplete,
                "used": found.used,
            },
            "columns": [
                {
                    "name": one.name,
                    "missing": one.missing,
                    "not_finite": one.not_finite,
                    "outside": one.outside,
                    "unknown": one.unknown,
                    "rounded": one.rounded,
                    "minimum": self._shown(one, one.minimum),
                    "maximum": self._shown(one, one.maximum),
                }
                for one in found.columns
            ],
            "refused": self.complaints,
            "exit_code": self.exit_code,
        }

    def to_text(self) -> str:
        """Return what people read."""
        found = self.violations
        lines = [
            f"{found.table}: {found.rows:,} rows",
            f"  {found.used:>12,} used",
            f"  {found.filtered_out:>12,} left out by the study's filters",
            f"  {found.incomplete:>12,} left out because a value is missing",
            "",
        ]
        for one in found.columns:
            seen = ""
            if one.minimum is not None:
                low, high = self._shown(one, one.minimum), self._shown(one, one.maximum)
                seen = f" {low} to {high},"
            lines.append(f"  {one.name}:{seen} {one.missing:,} missing, {one.rounded:,} rounded")
        lines += ["", *(f"Refused: {complaint}" for complaint in self.complaints)]
        return "\n".join(lines).rstrip()

    def _shown(self, one: ColumnCheck, value: Decimal | None) -> str | None:
        if value is None:
            return None
        if self.study.columns[one.name].type is ColumnType.DATE:
            return (EPOCH + timedelta(days=int(value))).isoformat()
        return f"{value.normalize():f}"


def check_table(study: Study, options: DataOptions) -> TableReport:
    """Check a table against a study.

    Args:
        study: The study.
        options: Address, table and columns.

    Raises:
        ConfigurationError: It cannot be read.
        InputRefused: It has not the study's columns.
    """
    with open_table(study, options) as source:
        return TableReport(study, examine(source, study), dict(source.called))
