"""Which plots go with a result: from answers to drawings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date

from p2pmpc.study.kinds import (
    Correlation,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Regression,
    Statistic,
    TTest,
    WeightedMean,
)
from p2pmpc.study.model import EPOCH, ColumnType, Study, WeightPolicy
from p2pmpc.study.report.plots import Mark, Words, bars, boxes, dots, matrix, shares
from p2pmpc.study.report.sections import Section, measured_by
from p2pmpc.study.report.svg import DAYS, NUMBERS, Measure, number_label
from p2pmpc.study.report.words import HIDDEN, format_number, plain, read_as
from p2pmpc.study.result import Answer, Entry, Level, Table

_ESTIMATES = {
    Mean.kind: "mean",
    WeightedMean.kind: "weighted_mean",
    Proportion.kind: "proportion",
    TTest.kind: "difference",
}
"""The figure of each statistic that is drawn as a dot."""

_LOW_AND_HIGH = (("low", "high"), ("lower", "upper"))
_OWN_SCALES_FROM = 30
"""A forest plot whose rows reach so differently far has a scale for every row."""


def pictures_of_section(study: Study, section: Section) -> Iterator[str]:
    """Yield the plots of a statistic that compare its levels.

    Args:
        study: What was asked.
        section: What was answered.
    """
    statistic = section.statistic
    if statistic.kind in _ESTIMATES:
        yield from _estimates(study, section, _ESTIMATES[statistic.kind])
    elif isinstance(statistic, Quantiles):
        yield from _quantiles(study, section)


def pictures_of_answer(study: Study, answer: Answer) -> Iterator[str]:
    """Yield the plots of one level's tables.

    Args:
        study: What was asked.
        answer: What was answered.
    """
    statistic = answer.statistic
    for table in answer.tables:
        if isinstance(statistic, Histogram) and table.name == "bins":
            yield from _histogram(study, statistic, answer, table)
        elif isinstance(statistic, CrossTab) and table.name == "counts":
            yield from _crosstab(study, statistic, answer, table)
        elif isinstance(statistic, Correlation) and table.name == "correlation":
            yield from _correlation(answer, table)
        elif isinstance(statistic, Regression) and table.name == "coefficients":
            yield from _forest(answer, table)


# -- levels compared ------------------------------------------------------------------------------


def _estimates(study: Study, section: Section, name: str) -> Iterator[str]:
    marks = []
    for answer in section.answers:
        figures = {figure.name: _number(figure.value) for figure in answer.figures}
        value = figures.get(name)
        if value is not None:
            low, high = _interval(figures)
            marks.append(Mark(_short(answer.level), value, low, high))
    has_intervals = any(mark.low is not None for mark in marks)
    if len(marks) < 2 and not has_intervals:
        return
    what = f"{section.title}, by group" if len(marks) > 1 else section.title
    words = Words(what, _listed(marks), _axis(study, section.statistic, name))
    yield dots(words, marks, _measure(study, section.statistic), zero=name == "difference")


def _quantiles(study: Study, section: Section) -> Iterator[str]:
    rows = []
    for answer in section.answers:
        for table in answer.tables:
            points = [
                (p, value)
                for p, value in zip(
                    _column(table, "probability"), _column(table, "value", "quantile"), strict=True
                )
                if p is not None and value is not None
            ]
            if points:
                rows.append((_short(answer.level), sorted(points)))
    if rows:
        listed = "; ".join(
            f"{name}: " + ", ".join(f"{number_label(p)}: {number_label(v)}" for p, v in points)
            for name, points in rows
        )
        words = Words(section.title, listed, _axis(study, section.statistic, ""))
        yield boxes(words, rows, _measure(study, section.statistic))


# -- one level ------------------------------------------------------------------------------------


def _histogram(study: Study, statistic: Histogram, answer: Answer, table: Table) -> Iterator[str]:
    counts = _column(table, "rows", "count")
    if len(counts) != len(statistic.edges) - 1:
        return
    words = Words(
        _of(answer),
        f"{len(counts)} bars; the numbers are in the table",
        _axis(study, statistic, ""),
        "rows" if study.weights is WeightPolicy.ROWS else "weighted rows",
        "day"
        if _measure(study, statistic) is DAYS
        else plain(study.columns[statistic.column].unit),
    )
    edges = [float(edge) for edge in statistic.edges]
    yield bars(words, edges, counts, HIDDEN, _measure(study, statistic))


def _crosstab(study: Study, statistic: CrossTab, answer: Answer, table: Table) -> Iterator[str]:
    across = study.columns[statistic.across].categories
    down = study.columns[statistic.rows].categories
    rows = []
    for row in table.rows[: len(down)]:
        counts, total = row[1 : len(across) + 1], _number(row[-1])
        if total:
            rows.append((plain(str(row[0])), [_number(entry) for entry in counts], total))
    if not rows:
        return
    words = Words(
        _of(answer),
        "the counts are in the table",
        f"share of the rows of each {plain(statistic.rows)}",
    )
    yield shares(words, across, rows, HIDDEN)


def _correlation(answer: Answer, table: Table) -> Iterator[str]:
    names = [str(row[0]) for row in table.rows]
    if list(table.columns[1:]) == names:
        values = [[_number(entry) for entry in row[1:]] for row in table.rows]
        yield matrix(Words(_of(answer), "the numbers are in the table"), names, values)


def _forest(answer: Answer, table: Table) -> Iterator[str]:
    marks = []
    values = _column(table, "coefficient", "estimate")
    lows, highs = (_column(table, *names) for names in zip(*_LOW_AND_HIGH, strict=True))
    for row, value, low, high in zip(table.rows, values, lows, highs, strict=True):
        name = str(row[0])
        if value is not None and name.strip("()").lower() not in {"intercept", "const"}:
            marks.append(Mark(plain(name), value, low, high, format_number(value, digits=4)))
    if not marks:
        return
    reaches = [max(abs(v) for v in (m.value, m.low, m.high) if v is not None) for m in marks]
    is_uneven = min(reaches) * _OWN_SCALES_FROM < max(reaches)
    axis = "coefficient with its interval"
    axis += "; each row has a scale of its own" if is_uneven else ""
    words = Words(_of(answer), _listed(marks), axis)
    yield dots(words, marks, zero=True, own_scales=is_uneven)


# -- words and numbers ----------------------------------------------------------------------------


def _of(answer: Answer) -> str:
    return f"{plain(answer.statistic.title)}: {plain(answer.level.label)}"


def _listed(marks: Sequence[Mark]) -> str:
    return "; ".join(f"{mark.label}: {number_label(mark.value)}" for mark in marks)


def _number(entry: Entry) -> float | None:
    if isinstance(entry, str):
        return _days(entry)
    return entry if entry is not None and math.isfinite(entry) else None


def _days(text: str) -> float | None:
    """Return a date as a number; None of any other text."""
    try:
        return float((date.fromisoformat(text) - EPOCH).days)
    except ValueError:
        return None


def _interval(figures: dict[str, float | None]) -> tuple[float | None, float | None]:
    for low, high in _LOW_AND_HIGH:
        if figures.get(low) is not None and figures.get(high) is not None:
            return figures[low], figures[high]
    return None, None


def _column(table: Table, *names: str) -> list[float | None]:
    """Return the numbers of the first column that is called so; as many None where there is none."""
    for name in names:
        if name in table.columns:
            place = table.columns.index(name)
            return [_number(row[place]) for row in table.rows]
    return [None] * len(table.rows)


def _axis(study: Study, statistic: Statistic, figure: str) -> str:
    column = measured_by(study, statistic)
    if column is None:
        return read_as(figure)
    name = f"{read_as(figure)} of {plain(column.name)}" if figure else plain(column.name)
    unit = "days" if column.type is ColumnType.DATE and figure == "difference" else column.unit
    return f"{name} [{plain(unit)}]" if unit else name


def _measure(study: Study, statistic: Statistic) -> Measure:
    """Return how values of a statistic's column are written: dates as dates."""
    column = measured_by(study, statistic)
    is_date = column is not None and column.type is ColumnType.DATE
    return DAYS if is_date and not isinstance(statistic, TTest) else NUMBERS


def _short(level: Level) -> str:
    """Return what a level is called at an axis: its categories, without the columns' names."""
    return plain(" · ".join(category for _, category in level.fixed) or "all")
