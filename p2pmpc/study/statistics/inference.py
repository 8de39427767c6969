"""Welch's t-test, and the distributions that tests and intervals need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from p2pmpc.study.kinds import TTest
from p2pmpc.study.result import Entry, Table
from p2pmpc.study.statistics.exact import (
    Findings,
    Measured,
    Numbers,
    Sums,
    measured,
    resolution_remarks,
    root,
    unit_of_difference,
)
from p2pmpc.study.terms import Value


def t_two_sided(t: float, degrees: float) -> float:
    """Return how likely a magnitude of at least t is under Student's distribution."""
    from scipy.special import stdtr  # noqa: PLC0415  of the extra "data"

    return float(2 * stdtr(degrees, -abs(t)))


def t_quantile(confidence: Decimal, degrees: float) -> float:
    """Return t such that a magnitude of at most t has the given probability."""
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(-stdtrit(degrees, float((1 - confidence) / 2)))


def chi_square_above(chi_square: float, degrees: int) -> float:
    """Return how likely at least this chi-square is."""
    from scipy.special import chdtrc  # noqa: PLC0415

    return float(chdtrc(degrees, chi_square))


def f_above(f: float, degrees: int, degrees_below: int) -> float:
    """Return how likely at least this quotient of variances is."""
    from scipy.special import fdtrc  # noqa: PLC0415

    return float(fdtrc(degrees, degrees_below, f))


def t_test(statistic: TTest, first: Sums, second: Sums) -> Findings:
    """Return Welch's comparison of the means of two groups.

    Args:
        statistic: Which.
        first: The sums of the first group.
        second: Of the second.
    """
    column, factor = first.column(statistic.column), Value(statistic.column)
    sides = (first, second)
    if min(first.n, second.n) < 2:
        return Findings(withheld="a group of one row has no variance")
    means = [side.total(factor) / side.n for side in sides]
    below = [side.n * (side.n - 1) for side in sides]
    variances = [s.comoment(factor, factor) / b for s, b in zip(sides, below, strict=True)]
    errors = [s.comoment_error(factor, factor) / b for s, b in zip(sides, below, strict=True)]

    def compute(values: Sequence[Fraction]) -> Numbers:
        return _welch(means[0] - means[1], values, (first.n, second.n), statistic.confidence)

    found = measured(compute, variances, errors)
    unit = unit_of_difference(column)
    units = dict.fromkeys(("difference", "standard_error", "low", "high"), unit)
    figures = tuple(m.figure(name, units.get(name, "")) for name, m in found.items())
    remarks = resolution_remarks(first.study, [column.name], list(found.values()))
    if found["t"].value is None:
        remarks.append("neither group varies as far as is known, so that there is no test")
    sds = [
        measured(lambda v: {"sd": root(v[0])}, [value], [error])["sd"]
        for value, error in zip(variances, errors, strict=True)
    ]
    return Findings(figures, (_groups(statistic, sides, means, sds),), remarks=tuple(remarks))


def _welch(
    difference: Fraction, variances: Sequence[Fraction], sizes: Sequence[int], confidence: Decimal
) -> Numbers:
    parts = [max(v, Fraction(0)) / n for v, n in zip(variances, sizes, strict=True)]
    square = sum(parts)
    names = ("standard_error", "t", "degrees_of_freedom", "p", "low", "high")
    if not square:
        return {"difference": float(difference), **dict.fromkeys(names)}
    degrees = float(
        square**2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    )
    error = math.sqrt(square)
    t = math.copysign(math.sqrt(difference**2 / square), difference)
    reach = t_quantile(confidence, degrees) * error
    p = t_two_sided(t, degrees)
    low, high = float(difference) - reach, float(difference) + reach
    figures = dict(zip(names, (error, t, degrees, p, low, high), strict=True))
    return {"difference": float(difference), **figures}


def _groups(
    statistic: TTest,
    sides: Sequence[Sums],
    means: Sequence[Fraction],
    sds: Sequence[Measured],
) -> Table:
    headings: tuple[str, ...] = (statistic.between, "rows", "mean", "sd")
    is_rounded = any(sd.error for sd in sds)
    rows: list[tuple[Entry, ...]] = []
    for category, side, mean, sd in zip(statistic.categories, sides, means, sds, strict=True):
        row: tuple[Entry, ...] = (category, side.summed.rows, float(mean), sd.value)
        rows.append((*row, sd.error) if is_rounded else row)
    return Table("groups", (*headings, "sd_error") if is_rounded else headings, tuple(rows))
