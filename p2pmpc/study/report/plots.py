"""Plots of numbers: bars, dots with intervals, boxes, shares and a matrix, each as one SVG element.

They know nothing of studies. What is not shown has no mark of its own size: it is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from p2pmpc.study.report.svg import (
    NUMBERS,
    PERCENT,
    WIDTH,
    Drawing,
    Measure,
    Scale,
    covering,
    number_label,
    shortened,
    width_in_units,
)

COLOURS: Final = 6
"""Classes ``c0``.. of the page."""

_RIGHT: Final = WIDTH - 20.0
_ROW: Final = 30.0
_LABEL_ROOM: Final = 230.0
_AXIS_ROOM: Final = 46.0


@dataclass(frozen=True)
class Words:
    """What is written around a plot.

    Args:
        title: What it shows.
        description: For those who cannot see it.
        axis: Below the horizontal axis.
        upright: Beside the vertical one, where there is one.
        unit: Of the horizontal axis.
    """

    title: str
    description: str
    axis: str = ""
    upright: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Mark:
    """A dot, with an interval where low and high are given."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


# -- bars -----------------------------------------------------------------------------------------


def bars(
    words: Words,
    edges: Sequence[float],
    counts: Sequence[float | None],
    hidden: str,
    measure: Measure = NUMBERS,
) -> str:
    """Draw a histogram; bars of unequal cells have areas, not heights, of their counts.

    Args:
        words: What is written around it.
        edges: Ascending, one more than counts.
        counts: None is not shown.
        hidden: What is written where a count is not shown.
        measure: How edges are written.
    """
    widths = [high - low for low, high in pairwise(edges)]
    is_even = max(widths) - min(widths) <= 0.02 * max(widths)
    heights = [
        None if count is None else count if is_even else count / width
        for count, width in zip(counts, widths, strict=True)
    ]
    top, bottom = 28.0, 236.0
    known = [height for height in heights if height is not None]
    y = covering([*known, 0.0] if any(known) else [0.0, 1.0], bottom, top, has_zero=True)
    left = max(width_in_units(y.measure.label(tick)) for tick in y.ticks) + 20
    x = Scale(edges[0], edges[-1], left, _RIGHT, measure)
    drawing = Drawing(bottom + _AXIS_ROOM, words.title, words.description)
    for tick in y.ticks:
        drawing.line(left, y(tick), _RIGHT, y(tick), "grid")
        drawing.text(left - 8, y(tick) + 4, y.measure.label(tick), anchor="end")
    for k, height in enumerate(heights):
        begin, end = x(edges[k]), x(edges[k + 1])
        span = f"{measure.label(edges[k])} to {measure.label(edges[k + 1])}"
        if height is None:
            # As high as the plot: nothing is to be read from its height.
            drawing.rectangle(
                begin + 1, top, end - begin - 2, bottom - top, "masked", f"{span}: {hidden}"
            )
        else:
            tip = f"{span}: {number_label(counts[k] or 0)}"
            drawing.rectangle(
                begin + 0.5, y(height), end - begin - 1, bottom - y(height), "c0", tip
            )
    _axis(drawing, x, bottom, words.axis)
    per = "" if is_even else f" per {words.unit or 'unit of the axis'}"
    drawing.text(4, 14, f"{words.upright}{per}", "name")
    if any(height is None for height in heights):
        drawing.text(_RIGHT, 14, f"dashed: {hidden}", "name", "end")
    return drawing.markup()


def _axis(drawing: Drawing, x: Scale, y: float, name: str) -> None:
    drawing.line(x.start, y, x.stop, y, "axis")
    for tick in x.ticks:
        drawing.line(x(tick), y, x(tick), y + 5, "axis")
        drawing.text(
            _inside(x(tick), x.measure.label(tick)), y + 19, x.measure.label(tick), anchor="middle"
        )
    drawing.text(
        (x.start + x.stop) / 2, y + 38, shortened(name, x.stop - x.start), "name", "middle"
    )


def _inside(centre: float, label: str) -> float:
    """Return where a centred label stands, so that none of it is cut off."""
    half = width_in_units(label) / 2
    return min(max(centre, half), WIDTH - half)


# -- dots and boxes -------------------------------------------------------------------------------


def dots(
    words: Words,
    marks: Sequence[Mark],
    measure: Measure = NUMBERS,
    *,
    zero: bool = False,
    own_scales: bool = False,
) -> str:
    """Draw a row with a dot for every mark, its interval as a line, and its note at the right.

    Args:
        words: What is written around it.
        marks: From top to bottom.
        measure: How values are written.
        zero: Draw a line at zero.
        own_scales: Every row has a scale of its own around a common zero, and the axis has no numbers.
    """
    left = _label_room([mark.label for mark in marks])
    notes = max((width_in_units(mark.note) for mark in marks), default=0.0)
    right = _RIGHT - (notes + 12 if notes else 0)
    bottom = 12 + _ROW * len(marks)
    drawing = Drawing(bottom + _AXIS_ROOM, words.title, words.description)
    scales = [covering(_ends(mark), left, right, measure, has_zero=zero) for mark in marks]
    if own_scales:
        scales = [_around_zero(mark, left, right) for mark in marks]
        drawing.line(left, bottom, right, bottom, "axis")
        drawing.text((left + right) / 2, bottom + 19, "0", anchor="middle")
        drawing.text(
            (left + right) / 2, bottom + 38, shortened(words.axis, right - left), "name", "middle"
        )
    else:
        every = [value for mark in marks for value in _ends(mark)]
        scales = [covering(every, left, right, measure, has_zero=zero)] * len(marks)
        _verticals(drawing, scales[0], bottom)
        _axis(drawing, scales[0], bottom, words.axis)
    if zero:
        drawing.line(scales[0](0), 4, scales[0](0), bottom, "zero")
    for k, (mark, scale) in enumerate(zip(marks, scales, strict=True)):
        _dot(drawing, mark, scale, 12 + _ROW * (k + 0.5))
    return drawing.markup()


def _dot(drawing: Drawing, mark: Mark, scale: Scale, y: float) -> None:
    drawing.text(scale.start - 10, y + 4, shortened(mark.label, scale.start - 14), anchor="end")
    label = scale.measure.label
    tip = f"{mark.label}: {label(mark.value)}"
    if mark.low is not None and mark.high is not None:
        drawing.line(scale(mark.low), y, scale(mark.high), y, "interval")
        for end in (mark.low, mark.high):
            drawing.line(scale(end), y - 5, scale(end), y + 5, "interval")
        tip += f" ({label(mark.low)} to {label(mark.high)})"
    drawing.dot(scale(mark.value), y, "c0", tip)
    if mark.note:
        drawing.text(WIDTH - 8, y + 4, mark.note, anchor="end")


def _ends(mark: Mark) -> list[float]:
    return [value for value in (mark.value, mark.low, mark.high) if value is not None]


def _around_zero(mark: Mark, left: float, right: float) -> Scale:
    reach = max(map(abs, _ends(mark))) * 1.06 or 1.0
    return Scale(-reach, reach, left, right)


def _label_room(labels: Sequence[str]) -> float:
    widest = max(map(width_in_units, labels), default=0.0)
    return min(widest + 20, _LABEL_ROOM)


def _verticals(drawing: Drawing, scale: Scale, bottom: float) -> None:
    for tick in scale.ticks:
        drawing.line(scale(tick), 4, scale(tick), bottom, "grid")


def boxes(
    words: Words,
    rows: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    measure: Measure = NUMBERS,
) -> str:
    """Draw a row for every label: a line from its first to its last quantile, a box between quartiles.

    Args:
        words: What is written around it.
        rows: Label, and probability and value of each quantile, ascending.
        measure: How values are written.
    """
    left = _label_room([name for name, _ in rows])
    bottom = 12 + _ROW * len(rows)
    drawing = Drawing(bottom + _AXIS_ROOM, words.title, words.description)
    x = covering([value for _, points in rows for _, value in points], left, _RIGHT, measure)
    _verticals(drawing, x, bottom)
    _axis(drawing, x, bottom, words.axis)
    for k, (name, points) in enumerate(rows):
        y = 12 + _ROW * (k + 0.5)
        drawing.text(left - 10, y + 4, shortened(name, left - 14), anchor="end")
        values = dict(points)
        if not values:
            continue
        drawing.line(x(min(values.values())), y, x(max(values.values())), y, "interval")
        if 0.25 in values and 0.75 in values:
            begin, end = x(values[0.25]), x(values[0.75])
            drawing.rectangle(begin, y - 9, end - begin, 18, "box", f"{name}: half of the values")
        for probability, value in points:
            kind = "median" if probability == 0.5 else "interval"
            reach = 9 if probability in {0.25, 0.5, 0.75} else 5
            drawing.line(x(value), y - reach, x(value), y + reach, kind)
    return drawing.markup()


# -- shares ---------------------------------------------------------------------------------------


def shares(
    words: Words,
    categories: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None], float]],
    hidden: str,
) -> str:
    """Draw a row for every label, divided as its counts are; what is not shown is one dashed rest.

    Args:
        words: What is written around it.
        categories: Of the counts.
        rows: Label, a count for every category, and their total.
        hidden: What is written in the rest.
    """
    left = _label_room([name for name, _, _ in rows])
    legend = _legend_places(categories)
    head = 10 + 20 * (1 + max(line for line, _ in legend))
    bottom = head + _ROW * len(rows) + 6
    drawing = Drawing(bottom + _AXIS_ROOM, words.title, words.description)
    for k, (line, at) in enumerate(legend):
        drawing.rectangle(at, 6 + 20 * line, 12, 12, f"c{k % COLOURS}")
        drawing.text(at + 17, 16 + 20 * line, shortened(categories[k], _LABEL_ROOM))
    x = Scale(0, 100, left, _RIGHT - 8, PERCENT)
    for k, (name, counts, total) in enumerate(rows):
        y = head + _ROW * k + 4
        drawing.text(left - 10, y + 15, shortened(name, left - 14), anchor="end")
        named = list(zip(categories, counts, strict=True))
        end = _divided(drawing, x, y, named, total, name)
        if any(count is None for count in counts):
            drawing.rectangle(end + 1, y + 1, x.stop - end - 1, 20, "masked", f"{name}: {hidden}")
            if x.stop - end > width_in_units(hidden) + 4:
                drawing.text((end + x.stop) / 2, y + 15, hidden, "name", "middle")
    _axis(drawing, x, bottom, words.axis)
    return drawing.markup()


def _divided(
    drawing: Drawing,
    x: Scale,
    y: float,
    counts: Sequence[tuple[str, float | None]],
    total: float,
    name: str,
) -> float:
    """Draw the parts of a row that are known, and return where they end."""
    before = 0.0
    for k, (category, count) in enumerate(counts):
        if not count:
            continue
        begin, end = x(100 * before / total), x(100 * (before + count) / total)
        before += count
        share = f"{100 * count / total:.0f} %"
        tip = f"{name}, {category}: {number_label(count)} ({share})"
        drawing.rectangle(begin, y, end - begin, 22, f"c{k % COLOURS}", tip)
        if end - begin > width_in_units(share) + 4:
            drawing.text((begin + end) / 2, y + 15, share, "on", "middle")
    return x(100 * before / total)


def _legend_places(categories: Sequence[str]) -> list[tuple[int, float]]:
    """Return line and place of every entry of a legend."""
    places, line, at = [], 0, 8.0
    for category in categories:
        width = min(width_in_units(category), _LABEL_ROOM) + 34
        if at + width > WIDTH and at > 8:
            line, at = line + 1, 8.0
        places.append((line, at))
        at += width
    return places


# -- matrices -------------------------------------------------------------------------------------


def matrix(words: Words, names: Sequence[str], values: Sequence[Sequence[float | None]]) -> str:
    """Draw a square of correlations: the stronger, the fuller the colour, and the number within.

    Args:
        words: What is written around it.
        names: Of rows and columns.
        values: Within -1..1; None is not shown.
    """
    left = _label_room(names)
    side = min(64.0, (_RIGHT - left) / len(names))
    height = min(side, 40.0)
    top = 28.0
    drawing = Drawing(top + height * len(names) + 12, words.title, words.description)
    for k, name in enumerate(names):
        drawing.text(left + side * (k + 0.5), 18, shortened(name, side - 4), anchor="middle")
        drawing.text(
            left - 10, top + height * (k + 0.5) + 4, shortened(name, left - 14), anchor="end"
        )
        for j, value in enumerate(values[k]):
            x, y = left + side * j, top + height * k
            shown = "" if value is None else f"{value:.2f}"
            kind = "masked" if value is None else "negative" if value < 0 else "positive"
            tip = f"{name}, {names[j]}: {shown or 'not shown'}"
            shade = 1 if value is None else 0.08 + 0.5 * min(abs(value), 1)
            drawing.rectangle(x + 1, y + 1, side - 2, height - 2, kind, tip, shade)
            if side >= width_in_units(shown):
                drawing.text(x + side / 2, y + height / 2 + 4, shown, anchor="middle")
    return drawing.markup()
