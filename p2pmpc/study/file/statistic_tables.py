"""Reads the [[statistic]] tables of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Final

from p2pmpc.study.file.parsing import Table
from p2pmpc.study.kinds import (
    Correlation,
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Range,
    Regression,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import Column, ColumnType, WeightPolicy

MOST_GRID_CELLS: Final = 10_000
MOST_MATRIX_COLUMNS: Final = 50

KINDS: Final = (
    Count, Sum, Mean, Variance, WeightedMean, Proportion, Histogram, Range, Quantiles, CrossTab,
    Covariance, Correlation, TTest, Regression,
)  # fmt: skip

_NEEDS_ROWS: Final = (Proportion, CrossTab, TTest, Regression)
"""Their intervals and p values take every row for one observation."""


class _Reader:
    """Reads one table.

    Args:
        table: The table.
        columns: The study's.
        group_by: The study's.
    """

    def __init__(
        self, table: Table, columns: Mapping[str, Column], group_by: tuple[str, ...]
    ) -> None:
        self._table = table
        self._columns = columns
        self._group_by = group_by

    def read(self, kind: type[Statistic]) -> Statistic:  # noqa: C901 - a case each
        """Return the statistic."""
        table = self._table
        if kind is Count:
            return Count()
        if kind in (Sum, Mean, Variance):
            return kind(self._numeric())
        if kind is WeightedMean:
            weight = self._numeric("weight")
            if self._columns[weight].low < 0:
                table.refuse("weight", f"{weight!r} may be negative: a weight may not")
            return WeightedMean(self._numeric(), weight)
        if kind is Proportion:
            return self._proportion()
        if kind in (Histogram, Range):
            column = self._numeric()
            return kind(column, self._edges(column))
        if kind is Quantiles:
            column = self._numeric()
            return Quantiles(column, self._edges(column), self._probabilities())
        if kind is CrossTab:
            rows, across = self._category("rows"), self._category("columns")
            if rows == across:
                table.refuse("columns", "rows and columns are the same column")
            return CrossTab(rows, across)
        if kind in (Covariance, Correlation):
            return kind(self._several("columns", least=2))
        if kind is TTest:
            return self._t_test()
        return self._regression()

    # -- columns ------------------------------------------------------------------------------

    def _existing(self, key: str, name: str) -> Column:
        if name not in self._columns:
            self._table.refuse(
                key,
                f"there is no column {name!r}",
                f"the columns are {', '.join(self._columns)}",
            )
        return self._columns[name]

    def _numeric(self, key: str = "column") -> str:
        name = self._table.text(key)
        if not self._existing(key, name).is_numeric:
            self._table.refuse(key, f"{name!r} is a category column, and has no numbers")
        return name

    def _category(self, key: str) -> str:
        name = self._table.text(key)
        if self._existing(key, name).is_numeric:
            self._table.refuse(key, f"{name!r} is no category column")
        return name

    def _several(self, key: str, *, least: int) -> tuple[str, ...]:
        names = self._table.texts(key)
        for name in names:
            if not self._existing(key, name).is_numeric:
                self._table.refuse(key, f"{name!r} is a category column, and has no numbers")
        if not least <= len(names) <= MOST_MATRIX_COLUMNS:
            self._table.refuse(key, f"from {least} to {MOST_MATRIX_COLUMNS} columns are expected")
        return names

    # -- kinds --------------------------------------------------------------------------------

    def _proportion(self) -> Proportion:
        name, category = self._category("column"), self._table.text("category")
        if category not in self._columns[name].categories:
            self._table.refuse("category", f"{category!r} is no category of {name!r}")
        return Proportion(name, category, self._confidence())

    def _t_test(self) -> TTest:
        table = self._table
        column, between = self._numeric(), self._category("between")
        if between not in self._group_by:
            table.refuse(
                "between",
                f"{between!r} is not in group_by",
                f'write group_by = ["{between}"]: a t-test compares groups, whose sizes are looked '
                "at first",
            )
        known = self._columns[between].categories
        categories = table.texts("categories", known)
        for category in categories:
            if category not in known:
                table.refuse("categories", f"{category!r} is no category of {between!r}")
        if len(categories) != 2:
            table.refuse(
                "categories" if table.has("categories") else None,
                f"two categories of {between!r} are expected",
                'say which: categories = ["a", "b"]',
            )
        return TTest(column, between, (categories[0], categories[1]), self._confidence())

    def _regression(self) -> Regression:
        table = self._table
        outcome, predictors = self._numeric("outcome"), table.texts("predictors")
        if not 1 <= len(predictors) <= MOST_MATRIX_COLUMNS:
            table.refuse("predictors", f"from 1 to {MOST_MATRIX_COLUMNS} predictors are expected")
        for name in predictors:
            self._existing("predictors", name)
            if name == outcome:
                table.refuse("predictors", f"{name!r} is the outcome")
        return Regression(outcome, predictors, self._confidence())

    # -- numbers ------------------------------------------------------------------------------

    def _confidence(self) -> Decimal:
        value = self._table.number("confidence", Decimal("0.95"))
        if not Decimal("0.5") <= value <= Decimal("0.9999"):
            self._table.refuse(
                "confidence", "a number from 0.5 to 0.9999 is expected, such as 0.95"
            )
        return value

    def _probabilities(self) -> tuple[Decimal, ...]:
        if not self._table.has("probabilities"):
            return (Decimal("0.25"), Decimal("0.5"), Decimal("0.75"))
        values = self._table.numbers("probabilities")
        if not values or not all(0 <= value <= 1 for value in values):
            self._table.refuse("probabilities", "numbers from 0 to 1 are expected")
        if list(values) != sorted(set(values)):
            self._table.refuse("probabilities", "they are not ascending")
        return values

    def _edges(self, name: str) -> tuple[Decimal, ...]:
        """Return the edges of a grid: written out, or in equal steps over the column's bounds."""
        table, column = self._table, self._columns[name]
        given = [key for key in ("edges", "step", "bins") if table.has(key)]
        if len(given) != 1:
            table.refuse(
                given[1] if given else None,
                "the grid is given by one of edges, step and bins",
                "write edges = [0, 10, 20], or step = 10, or bins = 20",
            )
        minimum, maximum = column.minimum, column.maximum
        assert minimum is not None
        assert maximum is not None
        is_date = column.type is ColumnType.DATE
        if given == ["edges"]:
            edges = table.numbers("edges", dates=is_date)
        elif given == ["step"]:
            step = table.number("step")
            if step <= 0 or (maximum - minimum) / step > MOST_GRID_CELLS:
                table.refuse("step", f"it is not positive, or makes over {MOST_GRID_CELLS} cells")
            whole, rest = divmod(maximum - minimum, step)
            cells = int(whole) + (rest > 0)  # the last one may reach beyond the maximum
            edges = tuple(minimum + step * k for k in range(cells + 1))
        else:
            bins = table.whole("bins", least=1, most=MOST_GRID_CELLS)
            span = maximum - minimum
            edges = (*(minimum + span * k / bins for k in range(bins)), maximum)
        self._check_edges(given[0], edges, column)
        return edges

    def _check_edges(self, key: str, edges: tuple[Decimal, ...], column: Column) -> None:
        table = self._table
        if not 2 <= len(edges) <= MOST_GRID_CELLS + 1:
            table.refuse(key, f"from 1 to {MOST_GRID_CELLS} cells are expected")
        scaled = [column.scaled(edge) for edge in edges]
        if any(one >= two for one, two in pairwise(scaled)):
            table.refuse(
                key, f"the edges are not ascending in steps of at least 1e-{column.decimals}"
            )
        if scaled[0] > column.low or scaled[-1] < column.high:
            table.refuse(
                key,
                f"the edges do not cover the bounds of {column.name!r}",
                "the first is at most its minimum, and the last at least its maximum",
            )


def read_statistic(
    table: Table,
    columns: Mapping[str, Column],
    group_by: tuple[str, ...],
    weights: WeightPolicy,
) -> Statistic:
    """Read one table.

    Args:
        table: The table.
        columns: The study's.
        group_by: The study's.
        weights: The study's.

    Raises:
        InputRefused: It cannot be used; names line and key.
    """
    by_name = {kind.kind: kind for kind in KINDS}
    name = table.text("kind")
    if name not in by_name:
        table.refuse("kind", f"unknown kind {name!r}", f"the kinds are {', '.join(by_name)}")
    kind = by_name[name]
    if weights is not WeightPolicy.ROWS and kind in _NEEDS_ROWS:
        table.refuse(
            "kind",
            f'{name} takes every row for one observation, which only weights = "rows" says',
            "leave the weights out, or ask for sums and means",
        )
    statistic = _Reader(table, columns, group_by).read(kind)
    table.finish()
    return statistic
