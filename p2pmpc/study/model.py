"""What a study asks: columns, groups, filters and statistics, as plain values that have been checked.

Every value of a number, integer or date column is carried as a *scaled integer*: the value times
10^decimals, rounded; a date is its days since 1970-01-01. All sums are of scaled integers, so they are
exact.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final

from p2pmpc.study.kinds import Statistic

EPOCH: Final = dt.date(1970, 1, 1)

DEFAULT_MINIMUM_GROUP: Final = 5
DEFAULT_ROWS_PER_COEFFICIENT: Final = 10
DEFAULT_MAXIMUM_ROWS: Final = 10_000_000


class ColumnType(StrEnum):
    """What the cells of a column hold."""

    NUMBER = "number"
    INTEGER = "integer"
    DATE = "date"
    CATEGORY = "category"


class Missing(StrEnum):
    """What is done with a row in which a column that the study uses is missing."""

    LEAVE_OUT = "leave-out"
    REFUSE = "refuse"


class WeightPolicy(StrEnum):
    """What a row of a party counts."""

    ROWS = "rows"
    PUBLIC = "public"
    PRIVATE = "private"


class Receives(StrEnum):
    """Who receives the result."""

    PARTIES = "parties"
    PARTIES_AND_COORDINATOR = "parties-and-coordinator"


@dataclass(frozen=True)
class Column:
    """One column of every party's table.

    Args:
        name: As the study calls it.
        type: Of its cells.
        unit: For people: ``EUR``, ``mmHg``.
        minimum: The smallest value allowed; a date as days since 1970-01-01. None for a category.
        maximum: The largest.
        decimals: Digits behind the point that are carried.
        categories: Of a category column, in the order of the study.
        description: For people.
    """

    name: str
    type: ColumnType
    unit: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    decimals: int = 0
    categories: tuple[str, ...] = ()
    description: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether its values can be summed."""
        return self.type is not ColumnType.CATEGORY

    @property
    def is_flag(self) -> bool:
        """Whether it has two values: then its sum counts rows, and a sum of products is over these."""
        return self.is_numeric and self.high - self.low == 1

    @cached_property
    def low(self) -> int:
        """The smallest scaled integer."""
        assert self.minimum is not None
        return self.scaled(self.minimum)

    @cached_property
    def high(self) -> int:
        """The largest scaled integer."""
        assert self.maximum is not None
        return self.scaled(self.maximum)

    @cached_property
    def centre(self) -> int:
        """What is subtracted from every scaled integer before it is summed: the middle of its bounds."""
        return (self.low + self.high) // 2

    @cached_property
    def half_range(self) -> int:
        """The largest magnitude of a scaled integer less the centre."""
        return max(self.high - self.centre, self.centre - self.low)

    def scaled(self, value: Decimal) -> int:
        """Return the smallest scaled integer that is not below a value."""
        return int(value.scaleb(self.decimals).to_integral_value(rounding=ROUND_CEILING))

    def date_of(self, days: int) -> dt.date:
        """Return the date of a scaled integer of a date column."""
        return EPOCH + dt.timedelta(days=days)


class Comparison(StrEnum):
    """How a filter compares a cell with a declared value."""

    EQUAL = "="
    UNEQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    IN = "in"


@dataclass(frozen=True)
class Filter:
    """Rows are used only where this holds.

    Args:
        column: Whose cell is compared.
        comparison: How.
        values: With what: one value, or for ``in`` several. Texts of a category column, decimals of
            another (a date as days since 1970-01-01).
    """

    column: str
    comparison: Comparison
    values: tuple[str, ...] | tuple[Decimal, ...]


@dataclass(frozen=True)
class Party:
    """One that brings data.

    Args:
        name: For people.
        id: Its ID, 32 bytes; None where anybody may come in this place.
        weight: What each of its rows counts, where weights are public.
    """

    name: str
    id: bytes | None = None
    weight: int = 1


@dataclass(frozen=True)
class Study:
    """A whole study.

    Args:
        title: For people.
        purpose: For people.
        parties: Those that are named; empty where the study is open.
        number_of_parties: How many bring data.
        receives: Who receives the result.
        columns: By name, in the order of the file.
        group_by: Category columns whose combinations are the groups.
        filters: All of them must hold.
        statistics: In the order of the file.
        weights: What a row of a party counts.
        weight_bound: The largest weight of a party; 1 where every row counts one.
        minimum_group: Groups of fewer rows are suppressed.
        minimum_parties: Groups of which fewer parties have rows are suppressed; 1 does not look.
        rows_per_coefficient: A regression, covariance or correlation of k coefficients or columns is
            computed only for groups of at least k times as many rows.
        maximum_rows: The most rows of one party.
        missing: What is done with rows that lack a value.
        deadline: After which nobody founds or joins the study; None for none.
        text: The file itself.
    """

    title: str
    purpose: str
    parties: tuple[Party, ...]
    number_of_parties: int
    receives: Receives
    columns: Mapping[str, Column]
    group_by: tuple[str, ...]
    filters: tuple[Filter, ...]
    statistics: tuple[Statistic, ...]
    weights: WeightPolicy
    weight_bound: int
    minimum_group: int
    minimum_parties: int
    rows_per_coefficient: int
    maximum_rows: int
    missing: Missing
    deadline: dt.datetime | None
    text: bytes

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text).digest()

    @cached_property
    def used(self) -> tuple[str, ...]:
        """The columns that rows are read for: of statistics, groups and filters, in the file's order."""
        needed = {name for statistic in self.statistics for name in statistic.columns}
        needed |= set(self.group_by) | {one.column for one in self.filters}
        return tuple(name for name in self.columns if name in needed)
