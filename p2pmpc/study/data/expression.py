"""What a study asks of one table, as Ibis expressions: any engine that Ibis knows can run them.

The table's columns are named as the study's, and typed: a number is float64, decimal or int64, an integer
int64, a date date, a category string; NULL is a missing value. Everything that leaves the engine is a
count, a smallest or largest value, or an exact sum of integers.

What must be equal on all engines is not left to them: products are integers of 64 bits that cannot
overflow, a decimal is rounded by comparing, and a value outside its bounds is never converted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, Final

import ibis

from p2pmpc.study.data.cubes import Cube, Product
from p2pmpc.study.model import EPOCH, Column, ColumnType, Comparison, Filter, Study
from p2pmpc.study.terms import Bins

MOST_PRODUCT: Final = 1 << 62
"""Where a product of values may be larger, they are split."""

SPLIT: Final = 1 << 26

EXACT_IN_FLOATS: Final = 1 << 52
"""Whole numbers below it are divided without an error that matters."""

Expr = Any
"""An Ibis expression; Ibis has no types that a checker knows."""

CHECKS: Final = ("missing", "not_finite", "outside", "unknown", "rounded", "minimum", "maximum")


class Question:
    """A study's questions to one table.

    Args:
        table: An Ibis table, see the module.
        study: The study.
        has_wide_sums: Whether the engine sums integers of 64 bits without an overflow. Where it does
            not, they are summed as decimals.
    """

    def __init__(self, table: Expr, study: Study, *, has_wide_sums: bool = True) -> None:
        self._table = table
        self._study = study
        self._has_wide_sums = has_wide_sums
        self._cells = {name: _Cell(table[name], study.columns[name]) for name in study.used}

    # -- what is in the table -----------------------------------------------------------------

    def violations(self) -> Expr:
        """Return a table of one row: rows, filtered_out, incomplete, and for each column the checks.

        Those of the k-th column are called ``ck_missing`` and so on; see :data:`CHECKS`.
        """
        table, holds = self._table, self._holds()
        incomplete = reduce(
            lambda a, b: a | b, [c.cell.isnull() for c in self._cells.values()], _no()
        )
        numbers = {
            "rows": table.count(),
            "filtered_out": table.count(where=~holds),
            "incomplete": table.count(where=holds.fill_null(True) & incomplete),
        }
        for place, cell in enumerate(self._cells.values()):
            checks = cell.checks(table)
            numbers |= {f"c{place}_{check}": value for check, value in checks.items()}
        return table.aggregate(**numbers)

    # -- what leaves it -----------------------------------------------------------------------

    def cube(self, cube: Cube) -> Expr:
        """Return a table of one row for every group of a query: its keys, ``n`` and the sums.

        The keys are called ``k0`` and so on. A product that may need more than 62 bits has four
        columns of sums, one otherwise; see :meth:`parts`.

        Args:
            cube: The query; the table must have no violations.
        """
        used = self._used(cube)
        sums: dict[str, Expr] = {"n": used.count()}
        for number, product in enumerate(cube.products):
            for part, expression in enumerate(self._factors(used, cube, product)):
                summed = expression if self._has_wide_sums else expression.cast("decimal(38, 0)")
                sums[f"s{number}_{part}"] = summed.sum()
        keys = [f"k{number}" for number in range(len(cube.keys))]
        return used.group_by(keys).aggregate(**sums) if keys else used.aggregate(**sums)

    def parts(self, product: Product) -> tuple[int, ...]:
        """Return what the sums of a product are multiplied with before they are added up."""
        return (SPLIT * SPLIT, SPLIT, SPLIT, 1) if self._is_split(product) else (1,)

    def _is_split(self, product: Product) -> bool:
        return math.prod(
            self._study.columns[name].half_range for name in product
        ) >= MOST_PRODUCT and (len(product) > 1)

    def _factors(self, used: Expr, cube: Cube, product: Product) -> list[Expr]:
        places = [_values_of(cube).index(name) for name in product]
        if not self._is_split(product):
            return [math.prod((used[f"v{k}"] for k in places[1:]), start=used[f"v{places[0]}"])]
        highs, lows = ([used[f"{half}{k}"] for k in places] for half in ("h", "l"))
        return [
            highs[0] * highs[1],
            highs[0] * lows[1],
            lows[0] * highs[1],
            lows[0] * lows[1],
        ]

    def _used(self, cube: Cube) -> Expr:
        """Return the used rows with the keys of a query and the centred values that it multiplies."""
        present = [cell.cell.notnull() for cell in self._cells.values()]
        rows = self._table.filter(self._holds(), *present)
        grids = [key.column for key in cube.keys if isinstance(key, Bins)]
        numbers = list(dict.fromkeys((*_values_of(cube), *grids)))
        place = {name: f"x{number}" for number, name in enumerate(numbers)}
        columns = {place[name]: self._cells[name].scaled() for name in numbers}
        columns |= {f"k{n}": rows[key] for n, key in enumerate(cube.keys) if isinstance(key, str)}
        rows = rows.select(**(columns or {"one": ibis.literal(1)}))
        # A second step, so that no engine is told to compute a value once for every use.
        columns = {
            f"k{n}": rows[f"k{n}"] if isinstance(key, str) else bin_of(rows[place[key.column]], key)
            for n, key in enumerate(cube.keys)
        }
        for number, name in enumerate(_values_of(cube)):
            value = rows[place[name]] - self._study.columns[name].centre
            columns[f"v{number}"] = value
            columns[f"l{number}"] = value % SPLIT
            columns[f"h{number}"] = ((value - value % SPLIT) / SPLIT).cast("int64")
        return rows.select(**columns) if columns else rows

    def _holds(self) -> Expr:
        """Return whether all filters hold: NULL where that cannot be said."""
        parts = [self._cells[one.column].compared(one) for one in self._study.filters]
        return reduce(lambda a, b: a & b, parts, ibis.literal(True))


class _Cell:
    """What is said of one column."""

    def __init__(self, cell: Expr, column: Column) -> None:
        self.cell = cell
        self.column = column
        self._type = cell.type()

    def compared(self, condition: Filter) -> Expr:
        """Return whether a filter holds."""
        values = [self._literal(value) for value in condition.values]
        match condition.comparison:
            case Comparison.EQUAL:
                return self.cell == values[0]
            case Comparison.UNEQUAL:
                return self.cell != values[0]
            case Comparison.BELOW:
                return self.cell < values[0]
            case Comparison.AT_MOST:
                return self.cell <= values[0]
            case Comparison.ABOVE:
                return self.cell > values[0]
            case Comparison.AT_LEAST:
                return self.cell >= values[0]
            case Comparison.IN:
                return self.cell.isin(values)

    def _literal(self, value: str | Decimal) -> Expr:
        """Return a declared value in the column's type."""
        if isinstance(value, str):
            return ibis.literal(value)
        if self.column.type is ColumnType.DATE:
            return ibis.literal(self.column.date_of(int(value)))
        if self._type.is_floating():
            return real(float(value))
        is_whole = value == int(value) and abs(value) < MOST_PRODUCT
        return ibis.literal(int(value)) if is_whole else _decimal(value)

    # -- numbers ------------------------------------------------------------------------------

    def scaled(self) -> Expr:
        """Return the scaled integer of a value within the bounds."""
        if self.column.type is ColumnType.DATE:
            return self.cell.delta(EPOCH, unit="day").cast("int64")
        factor = 10**self.column.decimals
        if self._type.is_integer():
            return self.cell * factor
        if self._type.is_floating():
            return (self.cell * real(float(factor)) + real(0.5)).floor()
        # Engines round a decimal to an integer in ways of their own; each is at most one too high.
        moved = self.cell * factor + _decimal(Decimal("0.5"))
        whole = moved.cast("int64")
        return whole - (whole > moved).ifelse(1, 0)

    def _within(self) -> Expr:
        low, high = self.column.minimum, self.column.maximum
        assert low is not None
        assert high is not None
        if self.column.type is ColumnType.DATE or self._type.is_integer():
            low, high = Decimal(math.ceil(low)), Decimal(math.floor(high))
        return self.cell.between(self._literal(low), self._literal(high))

    def _finite(self) -> Expr:
        """Return whether a value is one that Python has, too: no NaN, no infinity; NULL if missing."""
        if self._type.is_floating():
            return self.cell.between(real(-_LARGEST_FLOAT), real(_LARGEST_FLOAT))
        if self._type.is_date():
            return self.cell.between(ibis.date("0001-01-01"), ibis.date("9999-12-31"))
        if self._type.is_decimal() and self._type.precision is None:
            largest = _decimal(_LARGEST_DECIMAL)
            return self.cell.between(-largest, largest)
        return ibis.literal(True)

    def checks(self, table: Expr) -> dict[str, Expr]:
        """Return the aggregates of :data:`CHECKS`, as far as they concern the column."""
        missing = {"missing": table.count(where=self.cell.isnull())}
        if not self.column.is_numeric:
            unknown = self.cell.notin(list(self.column.categories))
            return missing | {"unknown": table.count(where=unknown)}
        # Nothing else than a guard keeps engines from converting what does not fit.
        finite = self._finite()
        scaled = ibis.ifelse(self._within(), self.scaled(), ibis.null("int64"))
        allowed = scaled.between(self.column.low, self.column.high).fill_null(False)
        kept = ibis.ifelse(finite, self._shown(), ibis.null())
        return missing | {
            "not_finite": table.count(where=~finite),
            "outside": table.count(where=self.cell.notnull() & finite & ~allowed),
            "rounded": table.count(where=self._is_rounded(scaled)),
            "minimum": kept.min(),
            "maximum": kept.max(),
        }

    def _shown(self) -> Expr:
        return self.scaled() if self._type.is_date() else self.cell

    def _is_rounded(self, scaled: Expr) -> Expr:
        """Return whether a value has more decimals than its scaled integer; NULL outside the bounds."""
        factor = 10**self.column.decimals
        if self._type.is_floating():
            return scaled.cast("float64") / real(float(factor)) != self.cell
        if self._type.is_decimal():
            return scaled.notnull() & (self.cell * factor != scaled)
        return _no()


_LARGEST_FLOAT: Final = 1.7976931348623157e308
_LARGEST_DECIMAL: Final = Decimal(10) ** 100


def bin_of(value: Expr, bins: Bins) -> Expr:
    """Return the number of the grid's cell that a scaled integer is in.

    Args:
        value: The scaled integer; the grid covers it.
        bins: The grid.
    """
    edges = bins.edges
    last, width = len(edges) - 2, edges[1] - edges[0]
    is_even = all(high - low == width for low, high in itertools.pairwise(edges))
    if is_even and width > 0 and edges[-1] - edges[0] < EXACT_IN_FLOATS:
        return ibis.least(((value - edges[0]) // width).cast("int64"), last)
    return _tree(value, edges[1:-1], 0)


def _tree(value: Expr, inner: Sequence[int], first: int) -> Expr:
    """Return ``first`` plus how many of the inner edges are at most a value: few comparisons each."""
    if not inner:
        return ibis.literal(first, "int64")
    middle = len(inner) // 2
    below = _tree(value, inner[:middle], first)
    above = _tree(value, inner[middle + 1 :], first + middle + 1)
    return ibis.ifelse(value < inner[middle], below, above)


def _values_of(cube: Cube) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for product in cube.products for name in product))


def real(value: float) -> Expr:
    """Return a float64 that every engine reads to the last bit."""
    return ibis.literal(repr(value)).cast("float64")


def _decimal(value: Decimal) -> Expr:
    places = max(0, -int(value.as_tuple().exponent))
    is_usual = abs(value) < Decimal(10) ** (38 - places)
    kind = f"decimal(38, {places})" if is_usual else "decimal"
    return ibis.literal(format(value, "f")).cast(kind)


def _no() -> Expr:
    return ibis.literal(False)


__all__ = ["CHECKS", "Expr", "Question", "bin_of"]
