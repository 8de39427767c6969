"""Opened sums as exact numbers in real units, and how far rounding may have moved what follows from them.

Rules:

1. Sums are of scaled integers less the column's centre. What is centred by the mean is centred in
   integers: n * sum(x y) - sum(x) * sum(y), in which the centre no longer shows. So nothing cancels in
   floats.
2. Where parties had to round sums of products, every figure that depends on them is computed at the
   ends of what they may be, too; the furthest of these is its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final

from p2pmpc.study.model import Column, ColumnType, Study, WeightPolicy
from p2pmpc.study.plan import Summed
from p2pmpc.study.result import Figure, Table
from p2pmpc.study.terms import ROWS, Factor, Is, Monomial, Value

DAYS: Final = "days"
DATES: Final = "days since 1970-01-01"
"""The unit of a date as a number."""

FINE: Final = 1e-6
"""A relative error above this is worth a remark."""


@dataclass(frozen=True)
class Findings:
    """What a statistic says, without the level that it says it of.

    Args:
        figures: Its numbers.
        tables: Its tables.
        withheld: Why there is no answer; empty where there is one.
        remarks: What whoever reads it should know.
    """

    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    withheld: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sums:
    """Opened sums over the rows of one level.

    Args:
        study: The study.
        summed: What was opened.
    """

    study: Study
    summed: Summed

    @property
    def n(self) -> int:
        """What the rows count together: how many they are, or the sum of their weights."""
        if self.study.weights is WeightPolicy.ROWS:
            return self.summed.rows
        return self.summed.number(ROWS)

    def column(self, name: str) -> Column:
        """Return a column of the study."""
        return self.study.columns[name]

    def scale(self, factor: Factor) -> int:
        """Return how many steps of a factor make one of its unit."""
        return 10 ** self.column(factor.column).decimals if isinstance(factor, Value) else 1

    def first(self, factor: Factor) -> int:
        """Return the sum of a factor, in steps, less the column's centre in every row."""
        return self.summed.number(Monomial.of(factor))

    def second(self, one: Factor, two: Factor) -> int:
        """Return the sum of the product of two factors, in steps, less the columns' centres."""
        if isinstance(one, Is) and isinstance(two, Is) and one.column == two.column:
            return self.first(one) if one == two else 0
        return self.summed.number(Monomial.of(one, two))

    def total(self, factor: Factor) -> Fraction:
        """Return the sum of a factor in its unit."""
        centre = self.column(factor.column).centre if isinstance(factor, Value) else 0
        return Fraction(self.first(factor) + self.n * centre, self.scale(factor))

    def mean(self, factor: Factor) -> Fraction | None:
        """Return the mean of a factor in its unit; None where nothing counts."""
        return self.total(factor) / self.n if self.n else None

    def comoment(self, one: Factor, two: Factor) -> Fraction:
        """Return n * sum((x - mean x) (y - mean y)) in their units."""
        steps = self.n * self.second(one, two) - self.first(one) * self.first(two)
        return Fraction(steps, self.scale(one) * self.scale(two))

    def comoment_error(self, one: Factor, two: Factor) -> Fraction:
        """Return how far :meth:`comoment` may be off."""
        error = self.summed.error.get(Monomial.of(one, two), 0)
        return Fraction(self.n * error, self.scale(one) * self.scale(two))


def unit_of(column: Column) -> str:
    """Return the unit of a column's values."""
    return DATES if column.type is ColumnType.DATE else column.unit


def unit_of_difference(column: Column) -> str:
    """Return the unit of the difference of two values of a column."""
    return DAYS if column.type is ColumnType.DATE else column.unit


def unit_of_square(column: Column) -> str:
    """Return the unit of the square of such a difference."""
    unit = unit_of_difference(column)
    return f"{unit}²" if unit else ""


Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Measured:
    """A number and how far it may be off.

    Args:
        value: None where it is not defined, or where the rounding leaves open whether it is.
        error: 0 where it is exact.
    """

    value: float | None
    error: float = 0.0

    def figure(self, name: str, unit: str = "") -> Figure:
        """Return it as a figure of an answer."""
        return Figure(name, self.value, unit, self.error)


def measured(
    compute: Callable[[Sequence[Fraction]], Numbers],
    values: Sequence[Fraction],
    errors: Sequence[Fraction],
) -> dict[str, Measured]:
    """Return what is computed from some values, and how far it may be off.

    Args:
        compute: Gives every number by name, None where it is not defined.
        values: What it is computed from.
        errors: How far each value may be off.
    """
    central = compute(values)
    if not any(errors):
        return {name: Measured(value) for name, value in central.items()}
    ends = [{value - error, value + error} for value, error in zip(values, errors, strict=True)]
    others = [compute(corner) for corner in product(*ends)]
    return {name: _furthest(value, [o[name] for o in others]) for name, value in central.items()}


def _furthest(value: float | None, others: Sequence[float | None]) -> Measured:
    if value is None:
        return Measured(None)
    distances = [math.inf if other is None else abs(other - value) for other in others]
    furthest = max(distances)
    return Measured(value, furthest) if math.isfinite(furthest) else Measured(None)


def root(value: Fraction) -> float:
    """Return the square root of a number; 0 of what only rounding made negative."""
    return math.sqrt(max(value, Fraction(0)))


def resolution_remarks(
    study: Study, columns: Sequence[str], numbers: Sequence[Measured]
) -> list[str]:
    """Return what is to be said where rounding shows in what is printed.

    Args:
        study: The study.
        columns: Whose products were rounded.
        numbers: What was computed.
    """
    coarse = [m for m in numbers if m.error > FINE * abs(m.value or 0.0) and m.value is not None]
    if not coarse:
        return []
    named = ", ".join(dict.fromkeys(c for c in columns if study.columns[c].is_numeric))
    return [
        f"rounded, since the bounds of {named} are wide: each number may be off by its error; "
        "narrower bounds, fewer decimals or a lower maximum_rows make it finer"
    ]
