"""What can be wrong with a cell or a file, where it is, and how it is said without repeating any value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from p2pmpc.errors import InputRefused
from p2pmpc.study.model import Column, ColumnType


class Fault(StrEnum):
    """What is wrong with a cell."""

    MISSING = "missing"
    NOT_A_NUMBER = "not a number"
    NOT_AN_INTEGER = "not an integer"
    NOT_A_DATE = "not a date"
    NO_SUCH_DATE = "no such date"
    NOT_MIDNIGHT = "a time of day in a date"
    NOT_FINITE = "not a finite number"
    TOO_LARGE = "too large for a number of 64 bits"
    DECIMAL_COMMA = "another decimal sign"
    THOUSANDS = "a thousands separator"
    UNIT = "text behind the number"
    BLANKS = "blanks around the value"
    ERROR_VALUE = "an error value of the spreadsheet"
    NOT_COMPUTED = "a formula without a result"
    MERGED = "within merged cells"
    NOT_A_CATEGORY = "not a category"
    ANOTHER_CASE = "a category but for blanks or upper and lower case"
    BELOW = "below the minimum"
    ABOVE = "above the maximum"
    TEXT = "a number that is held as text"
    UNREADABLE = "cannot be read"


HINTS = {
    Fault.MISSING: "the study refuses missing values: complete the row, or leave it out of the file",
    Fault.NOT_A_NUMBER: "if the text stands for a missing value, say it by --missing, as in --missing NA",
    Fault.DECIMAL_COMMA: "say --decimal , (and --thousands . for groups of digits) if the file is written so",
    Fault.THOUSANDS: "say --thousands , or another sign if the file is written so",
    Fault.UNIT: "leave the unit out of the cells",
    Fault.BLANKS: "remove the blanks, or say --trim",
    Fault.NOT_A_DATE: "say how dates are written, for example --date-format %d.%m.%Y",
    Fault.NOT_MIDNIGHT: "leave the time out of the cells",
    Fault.NOT_COMPUTED: "open the file in a spreadsheet program and save it there",
    Fault.MERGED: "split the merged cells, and fill in each",
    Fault.TEXT: "store the column as numbers",
    Fault.ANOTHER_CASE: "write categories as the study does",
}

TOTAL_HINT = "if the last row is a total, delete it, or go on without it by --skip-rejected"
_OF_TOTALS = {
    Fault.NOT_A_NUMBER,
    Fault.NOT_AN_INTEGER,
    Fault.NOT_A_DATE,
    Fault.NOT_A_CATEGORY,
    Fault.MISSING,
    Fault.ABOVE,
}


@dataclass(frozen=True)
class Place:
    """Where a cell is.

    Args:
        text: For people: ``file:line:column``, ``file: Sheet1!C7`` or ``file: row 3``.
        row: The row's number in the data, from 1; of a text file the line.
        cell: The column within the line, or the cell's name; empty where it has none.
    """

    text: str
    row: int
    cell: str = ""


@dataclass(frozen=True)
class Finding:
    """One bad cell.

    Args:
        place: Where.
        column: Of the study.
        fault: What is wrong.
        expected: What was expected, in words.
        at_foot: It is in the last row of a file that people make.
    """

    place: Place
    column: str
    fault: Fault
    expected: str
    at_foot: bool = False

    @property
    def text(self) -> str:
        """What people read."""
        return f"{self.place.text}: {self.column}: {self.fault}; expected {self.expected}"

    @property
    def hint(self) -> str:
        """What to do."""
        if self.at_foot and self.fault in _OF_TOTALS:
            return TOTAL_HINT
        return HINTS.get(self.fault, "")


@dataclass
class Rejections:
    """The rows that are rejected.

    Args:
        listed: The first of them, one finding a bad cell.
        counts: By column and fault, how many cells.
        rows: How many rows.
    """

    listed: list[Finding] = field(default_factory=list)
    counts: dict[tuple[str, Fault], int] = field(default_factory=dict)
    rows: int = 0

    LISTED = 20

    def add(self, findings: list[Finding]) -> None:
        """Count one row with its bad cells."""
        self.rows += 1
        for finding in findings:
            if len(self.listed) < self.LISTED:
                self.listed.append(finding)
            key = (finding.column, finding.fault)
            self.counts[key] = self.counts.get(key, 0) + 1


def expected_of(column: Column) -> str:
    """Return in words what a cell of a column may hold."""
    if column.type is ColumnType.CATEGORY:
        shown = ", ".join(column.categories[:12])
        more = len(column.categories) - 12
        return f"one of {shown}" + (f" and {more} more" if more > 0 else "")
    low, high = (bound_text(column, bound) for bound in (column.minimum, column.maximum))
    article = "an" if column.type is ColumnType.INTEGER else "a"
    unit = f" {column.unit}" if column.unit else ""
    return f"{article} {column.type} from {low} to {high}{unit}"


def bound_text(column: Column, bound: object) -> str:
    """Return a bound as people write it."""
    if column.type is ColumnType.DATE and bound is not None:
        return column.date_of(int(str(bound))).isoformat()
    return f"{bound}"


def refused(
    where: str, what: str, *, hint: str = "", others: int = 0, what_others: str = "places"
) -> InputRefused:
    """Return the refusal of a file.

    Args:
        where: The place.
        what: What is wrong, and what was expected.
        hint: What to do.
        others: How many more of it there are.
        what_others: Their name.
    """
    more = f", and {others} more {what_others} like it" if others else ""
    return InputRefused(f"{where}: {what}{more}", hint=hint)
