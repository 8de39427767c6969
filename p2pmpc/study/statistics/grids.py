"""What a grid tells: a histogram, the ends and the quantiles, each as far as the grid tells.

A value in a cell may be anything from the cell's first carried step to its last one, within the
column's bounds. So a cell of one step, a year of age, is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from p2pmpc.study.kinds import Histogram, OnGrid, Quantiles, Range
from p2pmpc.study.model import Column, ColumnType
from p2pmpc.study.result import Entry, Figure, Table
from p2pmpc.study.statistics.exact import Findings, Sums, unit_of
from p2pmpc.study.statistics.moments import nothing_counts
from p2pmpc.study.terms import Bins, terms_of


@dataclass(frozen=True)
class _Cell:
    """The values that may be in a cell, in steps, and what counts in it."""

    lowest: int
    highest: int
    count: int

    def place(self, within: int) -> tuple[Fraction, Fraction, Fraction]:
        """Return where one of its values is taken to be, and the least and most that it can be.

        Args:
            within: How many of its values are before; they are taken to be evenly spread.
        """
        width = self.highest - self.lowest
        taken = self.lowest + Fraction(width * (2 * within + 1), 2 * self.count)
        return taken, Fraction(self.lowest), Fraction(self.highest)


def _bins(statistic: OnGrid, sums: Sums) -> tuple[Bins, tuple[int, ...]]:
    (term,) = terms_of(statistic, sums.study)
    assert isinstance(term, Bins)
    return term, sums.summed.values[term]


def _cells(statistic: OnGrid, sums: Sums) -> list[_Cell]:
    column = sums.column(statistic.column)
    term, counts = _bins(statistic, sums)
    last = len(counts) - 1
    cells = []
    for place, ((low, high), count) in enumerate(zip(pairwise(term.edges), counts, strict=True)):
        top = high if place == last else high - 1
        cells.append(_Cell(max(low, column.low), min(top, column.high), count))
    return cells


def edge_entry(column: Column, edge: Fraction) -> Entry:
    """Return an edge or a value as a table shows it: a date as a date."""
    if column.type is ColumnType.DATE:
        return column.date_of(round(edge)).isoformat()
    return int(edge) if edge.denominator == 1 else float(edge)


def histogram(statistic: Histogram, sums: Sums, hidden: Sequence[bool]) -> Findings:
    """Return how many values are in each cell.

    Args:
        statistic: Which.
        sums: Of the level.
        hidden: Which counts are not shown.
    """
    column = sums.column(statistic.column)
    _, counts = _bins(statistic, sums)
    rows = tuple(
        (
            edge_entry(column, Fraction(low)),
            edge_entry(column, Fraction(high)),
            None if is_hidden else count,
        )
        for (low, high), count, is_hidden in zip(
            pairwise(statistic.edges), counts, hidden, strict=True
        )
    )
    return Findings(tables=(Table("bins", ("lower", "upper", "count"), rows),))


def smallest_and_largest(statistic: Range, sums: Sums) -> Findings:
    """Return the middle of the first and of the last cell that holds values, and half its width."""
    column = sums.column(statistic.column)
    cells = [cell for cell in _cells(statistic, sums) if cell.count]
    if not cells:
        return nothing_counts()
    scale, unit = 10**column.decimals, unit_of(column)
    figures = []
    for name, cell in (("minimum", cells[0]), ("maximum", cells[-1])):
        middle = Fraction(cell.lowest + cell.highest, 2 * scale)
        half = Fraction(cell.highest - cell.lowest, 2 * scale)
        value = int(middle) if middle.denominator == 1 else float(middle)
        figures.append(Figure(name, value, unit, float(half)))
    return Findings(tuple(figures))


def quantiles(statistic: Quantiles, sums: Sums) -> Findings:
    """Return quantiles as numpy's default does, with the values of a cell spread evenly over it."""
    column, n = sums.column(statistic.column), sums.n
    if not n:
        return nothing_counts()
    cells = _cells(statistic, sums)
    ends = list(accumulate(cell.count for cell in cells))
    scale = 10**column.decimals
    rows: list[tuple[Entry, ...]] = []
    for probability in statistic.probabilities:
        position = Fraction(probability) * (n - 1)
        before = int(position)
        below, above = (_placed(cells, ends, k) for k in (before, min(before + 1, n - 1)))
        part = position - before
        value, low, high = (one + part * (two - one) for one, two in zip(below, above, strict=True))
        if column.type is ColumnType.DATE:
            value = Fraction(round(value))
        error = max(value - low, high - value) / scale
        shown = edge_entry(column, value / scale)
        rows.append((float(probability), shown, float(error)))
    return Findings(tables=(Table("quantiles", ("probability", "value", "error"), tuple(rows)),))


def _placed(cells: Sequence[_Cell], ends: Sequence[int], k: int) -> tuple[Fraction, ...]:
    """Return the k-th smallest value, counted from 0: as taken, at least and at most."""
    place = bisect_right(ends, k)
    return cells[place].place(k - (ends[place] - cells[place].count))
