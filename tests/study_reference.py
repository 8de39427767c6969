"""What a party computes at home, in plain Python and row by row: slow, and easy to believe.

Rows are dicts by column name; numbers may be int, float or Decimal, dates are dates, None is missing.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from p2pmpc.study.answers import answer
from p2pmpc.study.disclosure import Opening
from p2pmpc.study.kinds import Statistic
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
from p2pmpc.study.plan import Aggregates, Plan, Totals
from p2pmpc.study.result import Answer, Table
from p2pmpc.study.terms import Bins, Factor, Is, Monomial, Pairs, Term, size_of

Row = dict[str, Any]

COMPARED: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.UNEQUAL: operator.ne,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
}


# -- studies --------------------------------------------------------------------------------------


def number(
    name: str, low: float | str, high: float | str, decimals: int = 0, unit: str = ""
) -> Column:
    """Return a number column."""
    bounds = Decimal(str(low)), Decimal(str(high))
    return Column(name, ColumnType.NUMBER, unit, *bounds, decimals)


def category(name: str, *categories: str) -> Column:
    """Return a category column."""
    return Column(name, ColumnType.CATEGORY, categories=categories)


def date(name: str, low: dt.date, high: dt.date) -> Column:
    """Return a date column."""
    first, last = (Decimal((day - EPOCH).days) for day in (low, high))
    return Column(name, ColumnType.DATE, "", first, last)


def study_of(columns: Iterable[Column], statistics: Iterable[Statistic], **changed: Any) -> Study:
    """Return a study of three parties."""
    given: dict[str, Any] = {
        "title": "a study",
        "purpose": "",
        "parties": (),
        "number_of_parties": 3,
        "receives": Receives.PARTIES,
        "columns": {column.name: column for column in columns},
        "group_by": (),
        "filters": (),
        "statistics": tuple(statistics),
        "weights": WeightPolicy.ROWS,
        "weight_bound": 1,
        "minimum_group": 5,
        "minimum_parties": 1,
        "rows_per_coefficient": 10,
        "maximum_rows": 10_000,
        "missing": Missing.LEAVE_OUT,
        "deadline": None,
        "text": b"",
    }
    return Study(**(given | changed))


# -- at home --------------------------------------------------------------------------------------


def steps_of(column: Column, value: Any) -> int:
    """Return the scaled integer of a cell: rounded, halves away from zero."""
    if isinstance(value, dt.date):
        value = (value - EPOCH).days
    exact = Decimal(value) if isinstance(value, Decimal | int) else Decimal(repr(float(value)))
    return int(exact.scaleb(column.decimals).to_integral_value(rounding=ROUND_HALF_UP))


def holds(study: Study, one: Filter, row: Row) -> bool:
    """Return whether a filter holds for a row."""
    column, cell = study.columns[one.column], row[one.column]
    values: list[Any] = list(one.values)
    if column.is_numeric:
        cell = steps_of(column, cell)
        values = [Decimal(value).scaleb(column.decimals) for value in values]
    if one.comparison is Comparison.IN:
        return cell in values
    return COMPARED[one.comparison](cell, values[0])


def used_rows(study: Study, rows: Iterable[Row]) -> list[Row]:
    """Return the rows in which nothing is missing and for which all filters hold."""
    whole = [row for row in rows if all(row[name] is not None for name in study.used)]
    return [row for row in whole if all(holds(study, one, row) for one in study.filters)]


def group_of(plan: Plan, row: Row) -> int:
    """Return the number of a row's group."""
    wanted = tuple(row[name] for name in plan.study.group_by)
    return next(cell.index for cell in plan.cells if cell.categories == wanted)


def _factor(study: Study, factor: Factor, row: Row) -> int:
    if isinstance(factor, Is):
        return int(row[factor.column] == factor.category)
    column = study.columns[factor.column]
    return steps_of(column, row[factor.column]) - column.centre


def numbers_of(study: Study, term: Term, row: Row) -> list[int]:
    """Return what one row adds to the numbers of a term."""
    out = [0] * size_of(term, study)
    match term:
        case Monomial(factors):
            out[0] = 1
            for factor in factors:
                out[0] *= _factor(study, factor, row)
        case Bins(name, edges):
            steps = steps_of(study.columns[name], row[name])
            inside = [k for k in range(len(out)) if edges[k] <= steps < edges[k + 1]]
            out[inside[0] if inside else -1] = 1
        case Pairs(down, across):
            width = len(study.columns[across].categories)
            place = study.columns[down].categories.index(row[down]) * width
            out[place + study.columns[across].categories.index(row[across])] = 1
    return out


def aggregates_of(plan: Plan, rows: Iterable[Row]) -> Aggregates:
    """Return what a party computes of its rows."""
    study = plan.study
    groups: list[list[Row]] = [[] for _ in plan.cells]
    for row in used_rows(study, rows):
        groups[group_of(plan, row)].append(row)
    sums = {}
    for term in plan.terms:
        by_group = []
        for within in groups:
            total = [0] * size_of(term, study)
            for row in within:
                total = [a + b for a, b in zip(total, numbers_of(study, term, row), strict=True)]
            by_group.append(tuple(total))
        sums[term] = tuple(by_group)
    return Aggregates(tuple(map(len, groups)), sums)


# -- both rounds ----------------------------------------------------------------------------------


@dataclass
class Run:
    """Both rounds of a study, without the peers."""

    plan: Plan
    opening: Opening
    totals: Totals
    vectors: tuple[list[int], list[int]]
    """The sums of both rounds, as everybody sees them."""
    answers: tuple[Answer, ...]

    def answer(self, label: str = "all", place: int = 0) -> Answer:
        """Return what a statistic, by its place in the study, says of a level, by its label."""
        statistic = self.plan.study.statistics[place]
        found = [a for a in self.answers if a.statistic == statistic and a.level.label == label]
        assert len(found) == 1, f"{len(found)} answers of {label}"
        return found[0]

    def figures(self, label: str = "all", place: int = 0) -> dict[str, Any]:
        """Return the figures of an answer by name."""
        answer = self.answer(label, place)
        assert not answer.withheld, answer.withheld
        return {figure.name: figure.value for figure in answer.figures}

    def errors(self, label: str = "all", place: int = 0) -> dict[str, float]:
        """Return the errors of an answer's figures by name."""
        return {figure.name: figure.error for figure in self.answer(label, place).figures}

    def table(self, name: str, label: str = "all", place: int = 0) -> Table:
        """Return a table of an answer by name."""
        answer = self.answer(label, place)
        assert not answer.withheld, answer.withheld
        return next(table for table in answer.tables if table.name == name)


def run(
    study: Study,
    tables: Sequence[Iterable[Row]],
    weights: Sequence[int] | None = None,
    own_minima: Sequence[int] | None = None,
) -> Run:
    """Return both rounds of a study over the parties' tables."""
    plan = Plan(study)
    local = [aggregates_of(plan, rows) for rows in tables]
    minima = own_minima or [0] * len(local)
    first = [plan.first_round(a, m) for a, m in zip(local, minima, strict=True)]
    counts = [sum(column) for column in zip(*first, strict=True)]
    opening = plan.opening(counts)
    weighed = weights or [1] * len(local)
    second = [plan.second_round(a, opening, w) for a, w in zip(local, weighed, strict=True)]
    for vector in (*first, *second):
        assert len(vector) == plan.length
        assert max(map(abs, vector)) <= plan.bound
    opened = [sum(column) for column in zip(*second, strict=True)]
    totals = plan.totals(opening, opened)
    return Run(plan, opening, totals, (counts, opened), answer(plan, totals))


def split(rows: Sequence[Row], parties: int = 3) -> list[list[Row]]:
    """Return rows dealt out to parties."""
    return [list(rows[k::parties]) for k in range(parties)]
