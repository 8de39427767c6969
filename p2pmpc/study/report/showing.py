"""A result as plain text for the terminal, within a given width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from p2pmpc.study.model import Study
from p2pmpc.study.report.remarks import shared_remarks
from p2pmpc.study.report.sections import Grid, Section, aligned, sections_of
from p2pmpc.study.report.words import format_number, plain, width_of
from p2pmpc.study.result import Result

WIDTH: Final = 100

_GAP: Final = "  "
_WIDEST_LABEL: Final = 40


def show(study: Study, result: Result, width: int = WIDTH) -> str:
    """Return a result as text that ends with a line feed.

    Args:
        study: What was asked.
        result: What was answered.
        width: Columns of the terminal; no line is longer, save for words that are.
    """
    lines = list(_head(study, result, width))
    for remark in shared_remarks(result):
        lines += _item(remark, width)
    for section in sections_of(study, result):
        lines += ["", *_section(section, width)]
    lines += [*_suppressed(study, result, width), "", *_foot(result)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(study: Study, result: Result, width: int) -> Iterator[str]:
    yield from textwrap.wrap(plain(study.title), width) or [""]
    bringing = sum(one.brings_data for one in result.participants)
    rows = format_number(result.rows)
    yield from textwrap.wrap(
        f"{rows} rows of {bringing} parties, opened {plain(result.date)}", width
    )


def _section(section: Section, width: int) -> Iterator[str]:
    title = textwrap.wrap(section.title, width) or [""]
    yield from title
    yield "-" * max(map(width_of, title))
    if section.figures is not None:
        yield from lines_of(section.figures, width)
    is_first = section.figures is None
    for part in section.parts:
        for grid in part.grids:
            if not is_first:
                yield ""
            is_first = False
            yield from textwrap.wrap(grid.caption, width)
            yield from lines_of(grid, width)
    for label, reason in section.withheld:
        yield from _item(f"not answered for {label}: {reason}", width)
    for line in section.resolution:
        yield from _item(line, width)
    for remark in section.remarks:
        yield from _item(remark, width)
    for note in section.hidden:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")


def _suppressed(study: Study, result: Result, width: int) -> Iterator[str]:
    if result.suppressed:
        yield ""
        yield f"Suppressed groups (the minimum is {study.minimum_group} rows)"
        for label, reason in result.suppressed:
            yield from _item(f"{plain(label)}: {plain(reason)}", width)


def _foot(result: Result) -> Iterator[str]:
    yield f"study {result.study_digest}"
    yield f"session {result.session}"
    if result.files:
        yield f"verify it with: p2pmpc verify {plain(result.files)}"


def _item(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False
    )


# -- grids ----------------------------------------------------------------------------------------


def lines_of(grid: Grid, width: int) -> list[str]:
    """Return the lines of a grid: turned, or in several pieces, where it is too wide."""
    for widest_label in (width, _WIDEST_LABEL):
        widths = _widths(grid, widest_label)
        if _total(widths) <= width:
            return _drawn(grid, widths)
    turned = grid.turned()
    if len(grid.rows) < len(grid.headings) and _total(_widths(turned)) <= width:
        return _drawn(turned, _widths(turned))
    lines: list[str] = []
    for places in _pieces(widths, width, grid.labels):
        piece = grid.columns(places)
        lines += [*([""] if lines else []), *_drawn(piece, _widths(piece))]
    return lines


def _texts(grid: Grid, place: int) -> list[str]:
    texts = [row[place] for row in grid.rows]
    return aligned(texts) if grid.numeric[place] and grid.is_one_kind else texts


def _widths(grid: Grid, widest_label: int = _WIDEST_LABEL) -> list[int]:
    """Return the columns that each column of a grid takes; longer labels are broken."""
    widths = []
    for place, heading in enumerate(grid.headings):
        widest = max(map(width_of, (heading, *_texts(grid, place))))
        widths.append(widest if grid.numeric[place] else min(widest, widest_label))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _pieces(widths: Sequence[int], width: int, labels: int) -> Iterator[list[int]]:
    """Yield the columns of each piece, the first few in all of them."""
    piece = [*range(labels)]
    for place in range(labels, len(widths)):
        if len(piece) > labels and _total([widths[k] for k in (*piece, place)]) > width:
            yield piece
            piece = [*range(labels)]
        piece.append(place)
    yield piece


def _drawn(grid: Grid, widths: Sequence[int]) -> list[str]:
    lines = list(_line(grid.headings, widths, grid.numeric))
    columns = [_texts(grid, place) for place in range(len(widths))]
    for row in zip(*columns, strict=True):
        lines += _line(row, widths, grid.numeric)
    return lines


def _line(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> Iterator[str]:
    """Yield a row: more than one line where a label is broken."""
    broken = [
        [text] if is_numeric else textwrap.wrap(text, width) or [""]
        for text, width, is_numeric in zip(texts, widths, numeric, strict=True)
    ]
    for line in range(max(map(len, broken))):
        cells = []
        for parts, width, is_numeric in zip(broken, widths, numeric, strict=True):
            text = parts[line] if line < len(parts) else ""
            space = " " * (width - width_of(text))
            cells.append(space + text if is_numeric else text + space)
        yield _GAP.join(cells)
