"""Proportions and cross-tabulations: counts of categories, those of few rows hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress
from statistics import NormalDist

from p2pmpc.study.kinds import CrossTab, Proportion
from p2pmpc.study.masking import Mask
from p2pmpc.study.result import Entry, Figure, Table
from p2pmpc.study.statistics.exact import Findings, Sums
from p2pmpc.study.statistics.inference import chi_square_above
from p2pmpc.study.statistics.moments import nothing_counts
from p2pmpc.study.terms import Is, Monomial, Pairs

Rows = Sequence[Sequence[int]]


def proportion(statistic: Proportion, sums: Sums, *, is_hidden: bool) -> Findings:
    """Return the share of rows with a category, and its Wilson interval.

    Args:
        statistic: Which.
        sums: Of the level.
        is_hidden: Whether the count is not shown.
    """
    n, names = sums.n, ("count", "proportion", "low", "high")
    if is_hidden:
        few = f"hidden: it, or what is left, may be fewer than {sums.study.minimum_group} rows"
        return Findings(tuple(Figure(name, None) for name in names), remarks=(few,))
    if not n:
        return nothing_counts()
    count = sums.summed.number(Monomial.of(Is(statistic.column, statistic.category)))
    z = NormalDist().inv_cdf(float((1 + statistic.confidence) / 2))
    share, below = count / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / below
    reach = z / below * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    values = (count, share, max(0.0, middle - reach), min(1.0, middle + reach))
    return Findings(tuple(Figure(name, v) for name, v in zip(names, values, strict=True)))


def crosstab(statistic: CrossTab, sums: Sums, hidden: Mask) -> Findings:
    """Return how many rows have each pair of categories, and the chi-square test of independence.

    Args:
        statistic: Which.
        sums: Of the level.
        hidden: Which entries are not shown, the totals included.
    """
    down = sums.column(statistic.rows).categories
    across = sums.column(statistic.across).categories
    flat = sums.summed.values[Pairs(statistic.rows, statistic.across)]
    counts = [flat[k : k + len(across)] for k in range(0, len(flat), len(across))]
    full = [[*row, sum(row)] for row in counts]
    full.append([sum(column) for column in zip(*full, strict=True)])
    rows: list[tuple[Entry, ...]] = []
    for label, numbers, is_hidden in zip((*down, "total"), full, hidden, strict=True):
        shown = (None if h else v for v, h in zip(numbers, is_hidden, strict=True))
        rows.append((label, *shown))
    table = Table("counts", (statistic.rows, *across, "total"), tuple(rows))
    figures, remarks = _independence(statistic, counts, down, across)
    if any(map(any, hidden)):  # one number more about the table: it would tell the hidden ones
        figures = tuple(Figure(one.name, None) for one in figures)
        remarks = ["the test is not shown: hidden counts could be computed from it"]
    return Findings(figures, (table,), remarks=tuple(remarks))


def _independence(
    statistic: CrossTab, counts: Rows, down: Sequence[str], across: Sequence[str]
) -> tuple[tuple[Figure, ...], list[str]]:
    """Return the test over the rows and columns that are not all zero, and what is to be said of it."""
    sums_down = [sum(row) for row in counts]
    sums_across = [sum(column) for column in zip(*counts, strict=True)]
    remarks = [
        f"{name} = {category} is in no row and left out of the test"
        for name, categories, sums in (
            (statistic.rows, down, sums_down),
            (statistic.across, across, sums_across),
        )
        for category, total in zip(categories, sums, strict=True)
        if not total
    ]
    kept = [list(compress(row, sums_across)) for row in compress(counts, sums_down)]
    names = ("chi_square", "degrees_of_freedom", "p", "cramers_v")
    smallest = min(len(kept), sum(map(bool, sums_across)))
    if smallest < 2:
        remarks.append("a test needs two categories of each column that have rows")
        return tuple(Figure(name, None) for name in names), remarks
    chi_square, least = _chi_square(kept)
    degrees = (len(kept) - 1) * (len(kept[0]) - 1)
    if least < 5:
        remarks.append("some expected counts are below 5: the p value is a rough one")
    v = math.sqrt(chi_square / (sum(sums_down) * (smallest - 1)))
    values = (chi_square, degrees, chi_square_above(chi_square, degrees), min(1.0, v))
    return tuple(Figure(name, value) for name, value in zip(names, values, strict=True)), remarks


def _chi_square(counts: Rows) -> tuple[float, float]:
    """Return chi-square and the smallest expected count; the differences are taken in integers."""
    down, across = [sum(row) for row in counts], [sum(c) for c in zip(*counts, strict=True)]
    n = sum(down)
    parts = [
        (count * n - of_row * of_column) ** 2 / (n * of_row * of_column)
        for row, of_row in zip(counts, down, strict=True)
        for count, of_column in zip(row, across, strict=True)
    ]
    return math.fsum(parts) / 1.0, min(down) * min(across) / n
