"""A result as grids of text, statistic by statistic: what the terminal and the report both print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from p2pmpc.study.kinds import Quantiles, Statistic
from p2pmpc.study.model import Column, ColumnType, Study
from p2pmpc.study.report.remarks import remarks_of, said_of, shared
from p2pmpc.study.report.words import (
    HIDDEN,
    NOT_SHOWN,
    day,
    digits_of,
    format_error,
    format_number,
    hidden_note,
    is_defined,
    plain,
    read_as,
)
from p2pmpc.study.result import Answer, Entry, Figure, Level, Result, Table
from p2pmpc.study.statistics.exact import DATES

COUNTS: Final = frozenset({"bins", "counts"})
"""Tables that count rows: an entry that is not shown is one of fewer rows than the minimum."""


@dataclass(frozen=True)
class Grid:
    """A table of texts.

    Args:
        caption: Above it.
        headings: Of its columns.
        rows: As many texts each as there are headings.
        numeric: Whether each column holds numbers.
        is_one_kind: Whether the numbers of a column are alike, so that their points are aligned.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    is_one_kind: bool = True

    @property
    def labels(self) -> int:
        """How many of its first columns say what a row is about."""
        return next((k for k, is_numeric in enumerate(self.numeric) if is_numeric), 1) or 1

    def turned(self) -> Grid:
        """Return the same with rows as columns."""
        lines = zip(self.headings, *self.rows, strict=True)
        headings, *rows = (tuple(line) for line in lines)
        numeric = (False, *(True for _ in self.rows))
        return Grid(self.caption, headings, tuple(rows), numeric, is_one_kind=False)

    def columns(self, places: Sequence[int]) -> Grid:
        """Return some of its columns."""
        return Grid(
            self.caption,
            tuple(self.headings[k] for k in places),
            tuple(tuple(row[k] for k in places) for row in self.rows),
            tuple(self.numeric[k] for k in places),
            self.is_one_kind,
        )


@dataclass(frozen=True)
class Part:
    """What a level has to itself: its tables.

    Args:
        answer: The answer that it is of.
        grids: As many as the answer has tables.
    """

    answer: Answer
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Section:
    """All that is said of one statistic.

    Args:
        statistic: Which.
        answers: Its answers, in the order of the result.
        figures: Levels as rows and figures as columns; None where there are none.
        parts: The answers that have tables.
        resolution: How fine figures are that are not exact, a line each.
        withheld: Label and reason of every level without an answer.
        remarks: Each once, with the levels that it is of.
        hidden: What the mark of a hidden count means, where there is one.
    """

    statistic: Statistic
    answers: tuple[Answer, ...]
    figures: Grid | None
    parts: tuple[Part, ...]
    resolution: tuple[str, ...]
    withheld: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    hidden: tuple[str, ...]

    @property
    def title(self) -> str:
        """What people call the statistic."""
        return plain(self.statistic.title)


def sections_of(study: Study, result: Result, *, is_grouped: bool = False) -> tuple[Section, ...]:
    """Return a result statistic by statistic, in its own order.

    Args:
        study: What was asked.
        result: What was answered.
        is_grouped: Part long numbers by narrow spaces.
    """
    said = {(remark, label) for remark, labels in shared(result) for label in labels}
    by_statistic: dict[Statistic, list[Answer]] = {}
    for answer in result.answers:
        by_statistic.setdefault(answer.statistic, []).append(answer)
    return tuple(
        Section(
            statistic=statistic,
            answers=tuple(answers),
            figures=_quantiles(study, answers, is_grouped=is_grouped)
            or _figures(study, answers, is_grouped=is_grouped),
            parts=tuple(
                _part(study, a, is_grouped=is_grouped)
                for a in answers
                if a.tables and not isinstance(statistic, Quantiles)
            ),
            resolution=_resolution(study, answers),
            withheld=tuple(
                (plain(a.level.label), plain(a.withheld)) for a in answers if a.withheld
            ),
            remarks=tuple(said_of(remarks_of(answers, said), len(answers))),
            hidden=(hidden_note(study.minimum_group),) if any(map(_has_hidden, answers)) else (),
        )
        for statistic, answers in by_statistic.items()
    )


def aligned(texts: Sequence[str], filler: str = " ") -> list[str]:
    """Return numbers filled on the right, so that their points stand below each other."""
    tails = [len(text) - _point_of(text) if _is_number(text) else 0 for text in texts]
    longest = max(tails, default=0)
    return [
        text + filler * (longest - tail if _is_number(text) else 0)
        for text, tail in zip(texts, tails, strict=True)
    ]


def _is_number(text: str) -> bool:
    return text[-1:].isdigit() and not text.startswith("<") and "-" not in text[1:-4]


def _point_of(text: str) -> int:
    ends = [text.find(sign) for sign in ".e" if sign in text]
    return min(ends, default=len(text))


def _figures(study: Study, answers: Sequence[Answer], *, is_grouped: bool) -> Grid | None:
    """Return the figures of all levels, one row each; None where there are none."""
    with_some = [answer for answer in answers if answer.figures]
    if not with_some:
        return None
    units = {figure.name: figure.unit for answer in with_some for figure in answer.figures}
    # How many rows there are stands in every table, and not twice: unless weights make it another number.
    told = {
        name
        for name in ("count", "rows")
        if all(f.value == a.rows for a in with_some for f in a.figures if f.name == name)
    }
    names = [name for name in units if name not in told]
    heads = (*_heads(study), "rows", *(heading(_weighted(name), units[name]) for name in names))
    rows = []
    for answer in with_some:
        own = {figure.name: figure for figure in answer.figures}
        each = (_shown(own.get(name), is_grouped=is_grouped) for name in names)
        rows.append((*_cells(study, answer.level), _count(answer, is_grouped=is_grouped), *each))
    return _by_level(study, heads, rows)


def _heads(study: Study) -> tuple[str, ...]:
    """Return what stands above the names of levels: the columns of groups."""
    return tuple(map(plain, study.group_by)) or ("group",)


def _cells(study: Study, level: Level) -> tuple[str, ...]:
    """Return the name of a level, in as many texts as there are columns of groups."""
    fixed = dict(level.fixed)
    return tuple(plain(fixed.get(name, "all")) for name in study.group_by) or ("all",)


def _by_level(study: Study, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Grid:
    labels = len(_heads(study))
    numeric = tuple(place >= labels for place in range(len(heads)))
    return Grid("", heads, tuple(rows), numeric)


def _weighted(name: str) -> str:
    return "rows, weighted" if name == "rows" else name


def _count(answer: Answer, *, is_grouped: bool) -> str:
    return format_number(answer.rows, is_grouped=is_grouped)


def _shown(figure: Figure | None, *, is_grouped: bool) -> str:
    if figure is None:
        return NOT_SHOWN
    unit = figure.unit
    return _written(figure.name, figure.value, figure.error, unit, is_grouped=is_grouped)


def _written(name: str, value: float | None, error: float, unit: str, *, is_grouped: bool) -> str:
    if value is None or not is_defined(value):
        return NOT_SHOWN
    if unit == DATES:
        return day(value)
    if name == "p" and value == 0:
        return "<1e-300"
    return format_number(value, error, digits_of(name), is_grouped=is_grouped)


def heading(name: str, unit: str) -> str:
    """Return what stands above a column of figures."""
    unit = "date" if unit == DATES else plain(unit)
    return f"{read_as(name)} [{unit}]" if unit else read_as(name)


def _quantiles(study: Study, answers: Sequence[Answer], *, is_grouped: bool) -> Grid | None:
    """Return the quantiles of all levels, one row each; None of other statistics."""
    statistic = answers[0].statistic
    with_some = [answer for answer in answers if answer.tables]
    if not isinstance(statistic, Quantiles) or not with_some:
        return None
    unit = _unit(study, statistic, "value")
    heads = [heading(f"{format_number(float(p) * 100)} %", unit) for p in statistic.probabilities]
    rows = []
    for answer in with_some:
        grid = _grid(study, answer, answer.tables[0], is_grouped=is_grouped)
        values = tuple(row[1] for row in grid.rows)
        rows.append((*_cells(study, answer.level), _count(answer, is_grouped=is_grouped), *values))
    return _by_level(study, (*_heads(study), "rows", *heads), rows)


# -- tables ---------------------------------------------------------------------------------------


def _part(study: Study, answer: Answer, *, is_grouped: bool) -> Part:
    tables = [_without_idle_errors(answer, table) for table in answer.tables]
    grids = [_grid(study, answer, table, is_grouped=is_grouped) for table in tables if table]
    return Part(answer, tuple(grids))


def _shows(name: str, error: float, value: float | None) -> bool:
    """Return whether an error shows in the digits that are printed of a number."""
    return error * 10.0 ** digits_of(name) > abs(value or 0.0)


def _without_idle_errors(answer: Answer, table: Table) -> Table | None:
    """Return a table without errors that show in no digit; None where it holds nothing else."""
    if table.name.endswith("_error"):
        of = next((t for t in answer.tables if t.name == table.name.removesuffix("_error")), None)
        return table if of and any(_shown_errors(answer, of)) else None
    if (
        table.name == "groups"
        and "sd_error" in table.columns
        and not any(_shown_errors(answer, table))
    ):
        kept = [k for k, name in enumerate(table.columns) if name != "sd_error"]
        rows = tuple(tuple(row[k] for k in kept) for row in table.rows)
        return Table(table.name, tuple(table.columns[k] for k in kept), rows)
    return table


def _shown_errors(answer: Answer, table: Table) -> Iterator[bool]:
    for line, row in enumerate(table.rows):
        for name, entry in zip(table.columns, row, strict=True):
            if isinstance(entry, int | float):
                yield _shows(name, _error_of(answer, table, line, name), entry)


def _grid(study: Study, answer: Answer, table: Table, *, is_grouped: bool) -> Grid:
    mark = HIDDEN if table.name in COUNTS else NOT_SHOWN
    is_named = table.name in _NAMED_BY_US
    units = [_unit(study, answer.statistic, name) for name in table.columns]
    rows = []
    for line, row in enumerate(table.rows):
        texts = []
        for entry, name, unit in zip(row, table.columns, units, strict=True):
            if isinstance(entry, str):
                texts.append(plain(entry))
            elif not is_defined(entry):
                texts.append(mark)
            elif table.name.endswith("_error") or (is_named and name in _ERRORS):
                texts.append(format_error(entry or 0.0))
            else:
                error = _error_of(answer, table, line, name)
                naming = name if is_named else table.name
                texts.append(_written(naming, entry, error, unit, is_grouped=is_grouped))
        rows.append(tuple(texts))
    numeric = tuple(
        all(not isinstance(row[place], str) for row in table.rows)
        for place in range(len(table.columns))
    )
    caption = f"{read_as(table.name)}: {plain(answer.level.label)}, {_count(answer, is_grouped=is_grouped)} rows"
    heads = tuple(
        heading(name, unit) if is_named else plain(name)
        for name, unit in zip(table.columns, units, strict=True)
    )
    return Grid(caption, heads, tuple(rows), numeric)


_NAMED_BY_US = frozenset({"bins", "quantiles", "groups", "coefficients", "coefficients_error"})
"""Tables whose headings are words of this program; those of others are names of columns and categories."""
_ERRORS = frozenset({"error", "sd_error"})
_IN_THE_UNIT = frozenset({"lower", "upper", "value", "error", "mean", "sd", "sd_error"})
_DIFFERENCES = frozenset({"error", "sd", "sd_error"})


def _unit(study: Study, statistic: Statistic, name: str) -> str:
    """Return the unit of a column of a table: of what is measured, where the column holds that."""
    measured = measured_by(study, statistic)
    if measured is None or name not in _IN_THE_UNIT:
        return ""
    if measured.type is ColumnType.DATE:
        return "days" if name in _DIFFERENCES else DATES
    return measured.unit


def measured_by(study: Study, statistic: Statistic) -> Column | None:
    """Return the numeric column that a statistic measures; None where it has none, or several."""
    name = getattr(statistic, "column", None)
    column = study.columns[name] if isinstance(name, str) else None
    return column if column is not None and column.is_numeric else None


def _error_of(answer: Answer, table: Table, line: int, name: str) -> float:
    """Return how far an entry may be off: as a column beside it, or a table of errors, says."""
    row = table.rows[line]
    beside = "error" if name == "value" else f"{name}_error"
    found: Entry = None
    if beside in table.columns:
        found = row[table.columns.index(beside)]
    for other in answer.tables:
        if other.name == f"{table.name}_error" and name in other.columns:
            same = [one for one in other.rows if one[0] == row[0]]
            found = same[0][other.columns.index(name)] if same else None
    return 0.0 if found is None or isinstance(found, str) else float(found)


def _has_hidden(answer: Answer) -> bool:
    return any(
        entry is None
        for table in answer.tables
        if table.name in COUNTS
        for row in table.rows
        for entry in row
    )


# -- remarks --------------------------------------------------------------------------------------


def _resolution(study: Study, answers: Iterable[Answer]) -> tuple[str, ...]:
    """Return for every figure that is not exact how far it may be off at most, over all levels."""
    largest: dict[tuple[str, str], float] = {}
    for answer in answers:
        for figure in answer.figures:
            if is_defined(figure.value) and _shows(figure.name, figure.error, figure.value):
                key = (figure.name, figure.unit)
                largest[key] = max(largest.get(key, 0.0), figure.error)
        if isinstance(answer.statistic, Quantiles):
            key = ("quantiles", _unit(study, answer.statistic, "value"))
            errors = [
                _error_of(answer, t, k, "value") for t in answer.tables for k in range(len(t.rows))
            ]
            largest[key] = max(largest.get(key, 0.0), *errors, 0.0)
    return tuple(
        f"{read_as(name)}: off by at most {format_error(error)} {_unit_of_error(unit)}".rstrip()
        for (name, unit), error in largest.items()
        if error > 0
    )


def _unit_of_error(unit: str) -> str:
    return "days" if unit == DATES else plain(unit)
