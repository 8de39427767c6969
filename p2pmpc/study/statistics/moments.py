"""Counts, sums, means and variances."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from p2pmpc.study.kinds import Mean, Sum, Variance, WeightedMean
from p2pmpc.study.result import Figure
from p2pmpc.study.statistics.exact import (
    Findings,
    Measured,
    Numbers,
    Sums,
    measured,
    resolution_remarks,
    root,
    unit_of,
    unit_of_difference,
    unit_of_square,
)
from p2pmpc.study.terms import Monomial, Value


def count(sums: Sums) -> Findings:
    """Return how many rows there are, or what they count together."""
    return Findings((Figure("count", sums.n),))


def sum_of(statistic: Sum, sums: Sums) -> Findings:
    """Return the sum of a column."""
    column = sums.column(statistic.column)
    total = sums.total(Value(column.name))
    value = int(total) if column.decimals == 0 else float(total)
    return Findings((Figure("sum", value, unit_of_difference(column)),))


def mean(statistic: Mean, sums: Sums) -> Findings:
    """Return the mean of a column."""
    column = sums.column(statistic.column)
    value = sums.mean(Value(column.name))
    if value is None:
        return nothing_counts()
    return Findings((Figure("mean", float(value), unit_of(column)),))


def nothing_counts() -> Findings:
    """Return what is said where the weights of all rows are zero."""
    return Findings(withheld="the rows count nothing: their weights are zero")


def spread(comoment: Fraction, n: int) -> Numbers:
    """Return variances and standard deviations.

    Args:
        comoment: n * sum((x - mean)^2).
        n: How many rows there are.
    """
    squares = max(comoment, Fraction(0))
    sample = squares / (n * (n - 1)) if n > 1 else None
    population = squares / (n * n)
    return {
        "variance_sample": None if sample is None else float(sample),
        "sd_sample": None if sample is None else root(sample),
        "variance_population": float(population),
        "sd_population": root(population),
    }


def variance(statistic: Variance, sums: Sums) -> Findings:
    """Return variance and standard deviation of a column, of the sample and of the population."""
    column, n = sums.column(statistic.column), sums.n
    factor = Value(column.name)
    if not n:
        return nothing_counts()

    def compute(values: Sequence[Fraction]) -> Numbers:
        return spread(values[0], n)

    found = measured(
        compute, [sums.comoment(factor, factor)], [sums.comoment_error(factor, factor)]
    )
    units = {"variance": unit_of_square(column), "sd": unit_of_difference(column)}
    remarks = resolution_remarks(sums.study, statistic.columns, list(found.values()))
    if n == 1:
        remarks.append("one row has no variance of the sample")
    figures = [m.figure(name, units[name.split("_", maxsplit=1)[0]]) for name, m in found.items()]
    return Findings(tuple(figures), remarks=tuple(remarks))


def weighted_mean(statistic: WeightedMean, sums: Sums) -> Findings:
    """Return sum(w x) / sum(w)."""
    column, by = sums.column(statistic.column), sums.column(statistic.weight)
    x, w = Value(column.name), Value(by.name)
    steps_of_w = sums.first(w) + sums.n * by.centre
    if not steps_of_w:
        return Findings(withheld=f"the sum of {by.name} is zero")
    products = (
        sums.second(x, w)
        + by.centre * sums.first(x)
        + column.centre * sums.first(w)
        + sums.n * column.centre * by.centre
    )
    below = steps_of_w * sums.scale(x)
    error = Fraction(sums.summed.error[Monomial.of(x, w)], below)
    found = Measured(float(Fraction(products, below)), float(error))
    total = Figure("sum_of_weights", float(sums.total(w)), unit_of_difference(by))
    remarks = resolution_remarks(sums.study, statistic.columns, [found])
    return Findings((found.figure("weighted_mean", unit_of(column)), total), remarks=tuple(remarks))
