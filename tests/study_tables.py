"""Made-up tables for studies, and what a study computes of them in plain Python, one row at a time."""

from __future__ import annotations

import datetime as dt
import math
import operator
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb

from p2pmpc.study.data.engines import Source, duckdb_source
from p2pmpc.study.kinds import (
    Correlation,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Regression,
    Statistic,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import (
    EPOCH,
    Column,
    ColumnType,
    Comparison,
    Filter,
    Missing,
    Receives,
    Study,
    WeightPolicy,
)
from p2pmpc.study.plan import Aggregates
from p2pmpc.study.terms import Bins, Is, Monomial, Pairs, Term, cells_of, size_of

Row = Mapping[str, Any]
"""By column, its cell: float, Decimal, int, date, str, or None where it is missing."""


def number(name: str, low: str, high: str, decimals: int = 2) -> Column:
    """Return a number column."""
    return Column(name, ColumnType.NUMBER, "EUR", Decimal(low), Decimal(high), decimals)


def integer(name: str, low: int, high: int) -> Column:
    """Return an integer column."""
    return Column(name, ColumnType.INTEGER, "", Decimal(low), Decimal(high))


def date(name: str, low: dt.date, high: dt.date) -> Column:
    """Return a date column."""
    first, last = (Decimal((day - EPOCH).days) for day in (low, high))
    return Column(name, ColumnType.DATE, "", first, last)


def category(name: str, *categories: str) -> Column:
    """Return a category column."""
    return Column(name, ColumnType.CATEGORY, categories=categories)


def study_of(columns: Sequence[Column], *statistics: Statistic, **more: Any) -> Study:
    """Return a study of three parties, with groups, filters and so on where they are given."""
    usual = Study(
        title="Made up",
        purpose="",
        parties=(),
        number_of_parties=3,
        receives=Receives.PARTIES,
        columns={column.name: column for column in columns},
        group_by=(),
        filters=(),
        statistics=tuple(statistics),
        weights=WeightPolicy.ROWS,
        weight_bound=1,
        minimum_group=5,
        minimum_parties=1,
        rows_per_coefficient=10,
        maximum_rows=1000,
        missing=Missing.LEAVE_OUT,
        deadline=None,
        text=b"",
    )
    return replace(usual, **more)


# -- in plain Python ------------------------------------------------------------------------------

_COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.UNEQUAL: operator.ne,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
}


def scaled(cell: Any, column: Column) -> int:
    """Return the scaled integer of a cell: a float as floats are computed, all else exactly."""
    if isinstance(cell, dt.date):
        return int((cell - EPOCH).days)
    if isinstance(cell, float):
        return math.floor(cell * 10.0**column.decimals + 0.5)
    exact: Fraction = Fraction(cell) * 10**column.decimals + Fraction(1, 2)
    return math.floor(exact)


def _holds(one: Filter, row: Row) -> bool:
    cell = row[one.column]
    value = (cell - EPOCH).days if isinstance(cell, dt.date) else cell
    values: list[Any] = [
        float(v) if isinstance(value, float) and isinstance(v, Decimal) else v for v in one.values
    ]
    if one.comparison is Comparison.IN:
        return value in values
    return _COMPARE[one.comparison](value, values[0])


def used_rows(study: Study, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that a study uses."""
    complete = [row for row in rows if all(row[name] is not None for name in study.used)]
    return [row for row in complete if all(_holds(one, row) for one in study.filters)]


def _slot(term: Term, row: Row, study: Study) -> tuple[int, int]:
    """Return which of a term's numbers a row adds to, and how much."""
    if isinstance(term, Bins):
        value = scaled(row[term.column], study.columns[term.column])
        return min(bisect_right(term.edges, value), len(term.edges) - 1) - 1, 1
    if isinstance(term, Pairs):
        across = study.columns[term.across].categories
        first = study.columns[term.rows].categories.index(row[term.rows])
        return first * len(across) + across.index(row[term.across]), 1
    amount = 1
    for factor in term.factors:
        column = study.columns[factor.column]
        if isinstance(factor, Is):
            amount *= row[factor.column] == factor.category
        else:
            amount *= scaled(row[factor.column], column) - column.centre
    return 0, amount


def plainly(study: Study, terms: Sequence[Term], rows: Sequence[Row]) -> Aggregates:
    """Return a party's aggregates, row by row and term by term."""
    cells = {cell.categories: cell.index for cell in cells_of(study)}
    counts = [0] * len(cells)
    sums = {term: [[0] * size_of(term, study) for _ in cells] for term in terms}
    for row in used_rows(study, rows):
        cell = cells[tuple(row[name] for name in study.group_by)]
        counts[cell] += 1
        for term in terms:
            slot, amount = _slot(term, row, study)
            sums[term][cell][slot] += amount
    return Aggregates(
        tuple(counts), {term: tuple(map(tuple, groups)) for term, groups in sums.items()}
    )


# -- in DuckDB ------------------------------------------------------------------------------------

_KINDS = {
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DATE: "DATE",
    ColumnType.CATEGORY: "VARCHAR",
}


def in_duckdb(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    rows: Sequence[Row],
    kinds: Mapping[str, str] | None = None,
) -> Source:
    """Put rows into a table of DuckDB."""
    known = {name: _KINDS[column.type] for name, column in study.columns.items()} | dict(
        kinds or {}
    )
    declared = ", ".join(f'"{name}" {kind}' for name, kind in known.items())
    connection.execute(f"CREATE OR REPLACE TABLE data ({declared})")
    lists = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in known.values())
    if rows:
        values = [[row[name] for row in rows] for name in known]
        connection.execute(f"INSERT INTO data SELECT {lists}", values)
    return duckdb_source(connection, "made-up.csv")


# -- made-up studies ------------------------------------------------------------------------------

FIRST, LAST = dt.date(1931, 5, 1), dt.date(2024, 2, 29)

COLUMNS = (
    number("money", "-250.5", "1000"),
    number("wide", "-90000000", "400000000", 6),
    number("debt", "-5000", "-10", 1),
    number("weight", "0", "2.5", 3),
    integer("age", 0, 120),
    date("born", FIRST, LAST),
    category("ward", "north", "it's", "süd"),
    category("sex", "f", "m"),
    category("smokes", "yes", "no", "was"),
)

_FILTERS = (
    Filter("money", Comparison.BELOW, (Decimal("900.25"),)),
    Filter("age", Comparison.AT_LEAST, (Decimal(1),)),
    Filter("born", Comparison.ABOVE, (Decimal(-13000),)),
    Filter("smokes", Comparison.UNEQUAL, ("was",)),
    Filter("ward", Comparison.IN, ("it's", "süd")),
)


def grid(*edges: str) -> tuple[Decimal, ...]:
    """Return the edges of a grid."""
    return tuple(Decimal(edge) for edge in edges)


def made_up_study(draw: random.Random) -> Study:
    """Return a study with every kind of term, and some groups and filters."""
    statistics: list[Statistic] = [
        Mean("money"),
        Variance("debt"),
        WeightedMean("wide", "weight"),
        Proportion("smokes", "was"),
        Histogram("money", grid("-250.5", "-0.01", "0", "0.005", "0.02", "999.999", "1000")),
        Histogram("debt", grid("-5000", "-2010", "-10")),
        Quantiles("age", tuple(Decimal(edge) for edge in range(0, 121, 5)), grid("0.5")),
        CrossTab("ward", "smokes"),
        CrossTab("sex", "ward"),
        Correlation(("money", "wide", "born")),
        Regression("wide", ("money", "age", "smokes", "born")),
    ]
    return study_of(
        COLUMNS,
        *draw.sample(statistics, draw.randint(1, len(statistics))),
        group_by=draw.choice([(), ("sex",), ("ward", "sex")]),
        filters=tuple(draw.sample(_FILTERS, draw.randint(0, 3))),
    )


def made_up_rows(draw: random.Random, count: int, missing: float = 0.02) -> list[Row]:
    """Return rows with missing cells, values on bounds and edges, and ties of the rounding."""
    kinds: dict[str, Callable[[], Any]] = {
        "money": lambda: draw.choice(
            [-250.5, 1000.0, -0.01, 0.0, 0.005, 1.005, -1.005, draw.uniform(-250.5, 1000)]
        ),
        "wide": lambda: draw.choice([-9e7, 4e8, draw.uniform(-9e7, 4e8)]),
        "debt": lambda: draw.choice([-5000.0, -2010.0, -10.25, -10.0, draw.uniform(-5000, -10)]),
        "weight": lambda: draw.choice([0.0, 2.5, 0.0005, draw.uniform(0, 2.5)]),
        "age": lambda: draw.choice([0, 120, draw.randint(0, 120)]),
        "born": lambda: draw.choice(
            [FIRST, LAST, EPOCH, FIRST + dt.timedelta(days=draw.randint(0, (LAST - FIRST).days))]
        ),
        "ward": lambda: draw.choice(["north", "it's", "süd"]),
        "sex": lambda: draw.choice("fm"),
        "smokes": lambda: draw.choice(["yes", "no", "was"]),
    }
    return [
        {name: None if draw.random() < missing else make() for name, make in kinds.items()}
        for _ in range(count)
    ]


def is_wide(term: Term, study: Study) -> bool:
    """Return whether a term's products may need more than 62 bits."""
    return isinstance(term, Monomial) and (
        math.prod(study.columns[f.column].half_range for f in term.factors if not isinstance(f, Is))
        >= 1 << 62
    )
