"""Drawings in SVG, as text: signs, scales and ticks, with everything escaped.

Colours and fonts are classes, whose rules stand in the page (:mod:`p2pmpc.study.report.style`), so that a drawing
follows its light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape
from typing import Final

from p2pmpc.study.model import EPOCH
from p2pmpc.study.report.words import day, format_number, plain, width_of

WIDTH: Final = 600

_WIDTH_OF_A_SIGN: Final = 7.2
"""Of an average sign at the 12 px of the labels, a little generous."""


class Drawing:
    """A drawing that grows by the things put on it.

    Args:
        height: In units; it is :data:`WIDTH` wide.
        title: What it shows: its name for those who cannot see it.
        description: What can be read from it.
    """

    def __init__(self, height: float, title: str, description: str) -> None:
        self.height = height
        self._head = f"<title>{clean(title)}</title><desc>{clean(description)}</desc>"
        self._parts: list[str] = []

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str,
        tip: str = "",
        shade: float = 1,
    ) -> None:
        """Draw a rectangle of a class, with what it says when it is pointed at."""
        opacity = "" if shade == 1 else f' fill-opacity="{shade:.2f}"'
        self._parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
            f'height="{max(height, 0):.1f}"{opacity}>{_tip(tip)}</rect>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line of a class."""
        self._parts.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )

    def dot(self, x: float, y: float, kind: str, tip: str = "") -> None:
        """Draw a dot of a class, with what it says when it is pointed at."""
        self._parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{_tip(tip)}</circle>'
        )

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Write a text whose base line begins, ends or is centred at a place."""
        style = f' class="{kind}"' if kind else ""
        self._parts.append(
            f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{clean(text)}</text>'
        )

    def markup(self) -> str:
        """Return the drawing as one element."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} '
            f'{self.height:.0f}">{self._head}{"".join(self._parts)}</svg>'
        )


def _tip(text: str) -> str:
    return f"<title>{clean(text)}</title>" if text else ""


def clean(text: str) -> str:
    """Return a text that others wrote as it may stand in the page."""
    return escape(plain(text), quote=True)


def shortened(text: str, room: float) -> str:
    """Return a text that takes at most so many units, its end replaced by dots if need be."""
    text = plain(text)
    if width_in_units(text) <= room:
        return text
    while text and width_in_units(text) + _WIDTH_OF_A_SIGN > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def width_in_units(text: str) -> float:
    """Return about how wide a label is."""
    return width_of(text) * _WIDTH_OF_A_SIGN


# -- scales ---------------------------------------------------------------------------------------


def ticks_between(low: float, high: float, at_most: int = 7) -> list[float]:
    """Return round numbers within an interval: multiples of 1, 2 or 5 times a power of ten."""
    span = Decimal(high) - Decimal(low)
    if span <= 0:
        return [low]
    power = Decimal(10) ** (span / at_most).adjusted()
    steps = (power * k for k in (1, 2, 5, 10, 20))
    step = next(step for step in steps if span / step <= at_most)
    first, last = math.ceil(Decimal(low) / step), math.floor(Decimal(high) / step)
    return [float(step * k) for k in range(first, last + 1)]


def days_between(low: float, high: float, at_most: int = 7) -> list[float]:
    """Return first days of years, or of months, within an interval of days since 1970-01-01."""
    ends = [_month_of(value) for value in (low, high)]
    if ends[1] - ends[0] < 2:
        return [float(round(tick)) for tick in ticks_between(low, high, at_most)]
    step = next(
        step for step in _MONTHS if (ends[1] - ends[0]) / step <= at_most or step == _MONTHS[-1]
    )
    months = range(-(-ends[0] // step) * step, ends[1] + 1, step)
    days = ((date(month // 12, month % 12 + 1, 1) - EPOCH).days for month in months)
    return [float(day) for day in days if low <= day <= high]


_MONTHS: Final = (1, 2, 3, 6, *(12 * years for years in (1, 2, 5, 10, 20, 50, 100, 200, 500)))


def _month_of(days: float) -> int:
    """Return the months from the year 0 to that of a day."""
    within = min(max(EPOCH.toordinal() + math.floor(days), 1), date.max.toordinal() - 366)
    day = date.fromordinal(within)
    return 12 * day.year + day.month - 1


def number_label(value: float) -> str:
    """Return a number as it stands at an axis."""
    return format_number(value, digits=6, is_grouped=True)


@dataclass(frozen=True)
class Measure:
    """How the numbers of an axis are written.

    Args:
        label: One of them.
        ticks: Round ones within an interval, at most so many.
    """

    label: Callable[[float], str]
    ticks: Callable[[float, float, int], list[float]]


NUMBERS: Final = Measure(number_label, ticks_between)
DAYS: Final = Measure(day, days_between)
"""Of dates, as days since 1970-01-01."""
PERCENT: Final = Measure(lambda share: f"{number_label(share)} %", ticks_between)


@dataclass(frozen=True)
class Scale:
    """Where numbers stand along an axis.

    Args:
        low: The number at the beginning.
        high: The number at the end, larger.
        start: Where the axis begins.
        stop: Where it ends.
        measure: How its numbers are written.
    """

    low: float
    high: float
    start: float
    stop: float
    measure: Measure = NUMBERS

    def __call__(self, value: float) -> float:
        """Return where a number stands; one beyond the axis stands at its end."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers along the axis, few enough for their labels."""
        room = abs(self.stop - self.start)
        for at_most in (7, 5, 4, 3):
            ticks = self.measure.ticks(self.low, self.high, at_most)
            widest = max((width_in_units(self.measure.label(tick)) for tick in ticks), default=0)
            if len(ticks) * (widest + 14) <= room:
                break
        return ticks


def covering(
    values: Sequence[float],
    start: float,
    stop: float,
    measure: Measure = NUMBERS,
    *,
    has_zero: bool = False,
) -> Scale:
    """Return a scale with all values within, and a little room at its ends.

    Args:
        values: Some numbers; none at all give 0..1.
        start: Where the axis begins.
        stop: Where it ends.
        measure: How its numbers are written.
        has_zero: It holds zero, too, and begins or ends there where all values are on one side.
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    if has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = high - low or abs(high) or 1.0
    ends_at_zero = has_zero and low < high  # where all are zero there is room on both sides
    below = 0.0 if ends_at_zero and low == 0 else 0.06
    above = 0.0 if ends_at_zero and high == 0 else 0.06
    return Scale(low - span * below, high + span * above, start, stop, measure)
