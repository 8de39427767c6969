"""A result as grids of text, statistic by statistic: what the terminal and the report both print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from p2pmpc.study.model import Statistic, Study
from p2pmpc.study.result import Answer, Figure, Result, Table
from p2pmpc.study.words import (
    NOT_SHOWN,
    digits_of,
    format_entry,
    format_error,
    format_number,
    is_defined,
    plain,
    read_as,
)

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
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def turned(self) -> Grid:
        """Return the same with rows as columns."""
        lines = zip(self.headings, *self.rows, strict=True)
        headings, *rows = (tuple(line) for line in lines)
        return Grid(self.caption, headings, tuple(rows), (False, *(True for _ in self.rows)))

    def columns(self, places: Sequence[int]) -> Grid:
        """Return some of its columns."""
        return Grid(
            self.caption,
            tuple(self.headings[k] for k in places),
            tuple(tuple(row[k] for k in places) for row in self.rows),
            tuple(self.numeric[k] for k in places),
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
    """

    statistic: Statistic
    answers: tuple[Answer, ...]
    figures: Grid | None
    parts: tuple[Part, ...]
    resolution: tuple[str, ...]
    withheld: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]

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
    by_statistic: dict[Statistic, list[Answer]] = {}
    for answer in result.answers:
        by_statistic.setdefault(answer.statistic, []).append(answer)
    return tuple(
        Section(
            statistic=statistic,
            answers=tuple(answers),
            figures=_figures(answers, is_grouped=is_grouped),
            parts=tuple(_part(study, a, is_grouped=is_grouped) for a in answers if a.tables),
            resolution=_resolution(answers),
            withheld=tuple(
                (plain(a.level.label), plain(a.withheld)) for a in answers if a.withheld
            ),
            remarks=_remarks(answers),
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
    return text[-1:].isdigit() and not text.startswith("<")


def _point_of(text: str) -> int:
    ends = [text.find(sign) for sign in ".e" if sign in text]
    return min(ends, default=len(text))


def _figures(answers: Sequence[Answer], *, is_grouped: bool) -> Grid | None:
    """Return the figures of all levels, one row each; None where there are none."""
    with_some = [answer for answer in answers if answer.figures]
    if not with_some:
        return None
    names: dict[str, str] = {}
    for answer in with_some:
        for figure in answer.figures:
            names.setdefault(figure.name, figure.unit)
    has_count = "rows" in names or "count" in names
    heads = ("group", *(() if has_count else ("rows",)), *(heading(n, u) for n, u in names.items()))
    rows = []
    for answer in with_some:
        own = {figure.name: figure for figure in answer.figures}
        start = (
            plain(answer.level.label),
            *(() if has_count else (_count(answer, is_grouped=is_grouped),)),
        )
        rows.append((*start, *(_shown(own.get(name), is_grouped=is_grouped) for name in names)))
    return Grid("", heads, tuple(rows), (False, *(True for _ in heads[1:])))


def _count(answer: Answer, *, is_grouped: bool) -> str:
    return format_number(answer.rows, is_grouped=is_grouped)


def _shown(figure: Figure | None, *, is_grouped: bool) -> str:
    if figure is None:
        return NOT_SHOWN
    digits = digits_of(figure.name)
    return format_number(figure.value, figure.error, digits, is_grouped=is_grouped)


def heading(name: str, unit: str) -> str:
    """Return what stands above a column of figures."""
    return f"{read_as(name)} [{plain(unit)}]" if unit else read_as(name)


def _part(study: Study, answer: Answer, *, is_grouped: bool) -> Part:
    grids = tuple(_grid(study, answer, table, is_grouped=is_grouped) for table in answer.tables)
    return Part(answer, grids)


def _grid(study: Study, answer: Answer, table: Table, *, is_grouped: bool) -> Grid:
    minimum = study.minimum_group if table.name in COUNTS else None
    numeric = tuple(
        all(not isinstance(row[place], str) for row in table.rows)
        for place in range(len(table.columns))
    )
    rows = tuple(
        tuple(
            format_entry(entry, name, minimum, is_grouped=is_grouped)
            for entry, name in zip(row, table.columns, strict=True)
        )
        for row in table.rows
    )
    caption = f"{read_as(table.name)}: {plain(answer.level.label)}, {_count(answer, is_grouped=is_grouped)} rows"
    return Grid(caption, tuple(read_as(name) for name in table.columns), rows, numeric)


def _resolution(answers: Iterable[Answer]) -> tuple[str, ...]:
    """Return for every figure that is not exact how far it may be off at most, over all levels."""
    largest: dict[tuple[str, str], float] = {}
    for answer in answers:
        for figure in answer.figures:
            if figure.error > 0 and is_defined(figure.value):
                key = (figure.name, figure.unit)
                largest[key] = max(largest.get(key, 0.0), figure.error)
    return tuple(
        f"{read_as(name)}: within {format_error(error)} {plain(unit)}".rstrip()
        for (name, unit), error in largest.items()
    )


def _remarks(answers: Iterable[Answer]) -> tuple[str, ...]:
    found: dict[str, list[str]] = {}
    answers = tuple(answers)
    for answer in answers:
        for remark in dict.fromkeys(answer.remarks):
            found.setdefault(plain(remark), []).append(plain(answer.level.label))
    return tuple(
        remark if len(labels) == len(answers) else f"{remark} ({'; '.join(labels)})"
        for remark, labels in found.items()
    )
