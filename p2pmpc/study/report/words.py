"""Numbers and names of a result, as people read them.

Rules:

1. No digit is shown that the error does not support: a number ends where the two leading digits of its
   error end, as measurements are reported (JCGM 100:2008, 7.2.6).
2. Integers are exact, and shown whole.
3. Names, units and titles were written by others: signs that would steer a terminal are made visible.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Final

from p2pmpc.study.model import EPOCH

NOT_SHOWN: Final = "-"
"""For a number that there is not; remarks say why."""
HIDDEN: Final = "hidden"
"""For a count. Not "<5": larger ones are hidden, too, where such a one would follow from them."""

_DIGITS: Final = 10
_OTHER_DIGITS: Final = {
    "sum": 15,
    "p": 4,
    "f_p": 4,
    "probability": 4,
    **dict.fromkeys(
        (
            *("t", "z", "f", "statistic", "chi_square", "cramers_v", "correlation", "proportion"),
            *(
                "degrees_of_freedom",
                "low",
                "high",
                "standard_error",
                "r_squared",
                "adjusted_r_squared",
                "cohens_d",
            ),
        ),
        7,
    ),
}
_READ_AS: Final = {
    "f": "F",
    "f_p": "p of F",
    "r_squared": "R²",
    "adjusted_r_squared": "adjusted R²",
    "sd": "standard deviation",
    "sd_error": "its error",
    "sd_sample": "standard deviation, sample",
    "sd_population": "standard deviation, population",
    "variance_sample": "variance, sample",
    "variance_population": "variance, population",
    "chi_square": "chi²",
    "cramers_v": "Cramér's V",
}

NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"


def read_as(name: str) -> str:
    """Return what people read for a name of figures, tables and headings."""
    return _READ_AS.get(name, plain(name).replace("_", " "))


def digits_of(name: str) -> int:
    """Return how many significant digits of a figure are worth reading."""
    return _OTHER_DIGITS.get(name, _DIGITS)


def is_defined(value: float | int | None) -> bool:
    """Return whether there is a number to be shown: neither None nor NaN nor infinite."""
    return value is not None and math.isfinite(value)


def format_number(
    value: float | int | None,
    error: float = 0.0,
    digits: int = _DIGITS,
    *,
    is_grouped: bool = False,
) -> str:
    """Return a number with as many digits as are known.

    Args:
        value: The number.
        error: How far it may be off; 0 where it is exact.
        digits: The most significant digits of one that is not an integer.
        is_grouped: Part groups of three digits of 10000 and more by a narrow space.
    """
    if value is None or not math.isfinite(value):
        return NOT_SHOWN
    exact = Decimal(value)
    place = None if isinstance(value, int) else exact.adjusted() - digits + 1
    if error > 0 and math.isfinite(error):
        resolved = Decimal(error).adjusted() - 1
        place = resolved if place is None else max(place, resolved)
    rounded = exact if place is None else _rounded(exact, place)
    return _written(rounded, digits, is_integer=isinstance(value, int), is_grouped=is_grouped)


def format_error(error: float) -> str:
    """Return an error, rounded up to two significant digits, so that it is not understated."""
    if not (error > 0 and math.isfinite(error)):
        return "0"
    # As people wrote it: the float 0.1 is a little more than that, and must not become 0.11.
    exact = Decimal(repr(float(error)))
    unit = Decimal(10) ** (exact.adjusted() - 1)
    shown = (exact / unit).to_integral_value(rounding=ROUND_CEILING) * unit
    return _written(shown, 2, is_integer=False, is_grouped=False)


def _rounded(value: Decimal, place: int) -> Decimal:
    unit = Decimal(10) ** place
    return (value / unit).to_integral_value(rounding=ROUND_HALF_EVEN) * unit


def _written(value: Decimal, digits: int, *, is_integer: bool, is_grouped: bool) -> str:
    if value == 0:
        return "0"
    magnitude = value.adjusted()
    if not is_integer and not -6 < magnitude < max(16, digits):
        mantissa = f"{value.scaleb(-magnitude):f}"
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{magnitude:+03d}"
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _grouped(text) if is_grouped else text


def _grouped(text: str) -> str:
    whole, point, fraction = text.partition(".")
    if len(whole.lstrip("-")) < 5:
        return text
    return f"{int(whole):,}".replace(",", NARROW_SPACE) + point + fraction


def hidden_note(minimum_group: int) -> str:
    """Return what :data:`HIDDEN` means: that there are few, or that it would tell where there are few."""
    return (
        f"{HIDDEN}: fewer than {minimum_group} rows, or a number from which such a one could be found "
        "by subtraction"
    )


def day(days: float) -> str:
    """Return the date of so many days since 1970-01-01; as a number beyond all dates."""
    if not 1 <= EPOCH.toordinal() + round(days) <= date.max.toordinal():
        return format_number(days)
    return (EPOCH + timedelta(days=round(days))).isoformat()


def plain(text: str) -> str:
    """Return a text in one line, with every sign that has no shape of its own replaced."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign)[0] == "C" else sign
        for sign in " ".join(text.split())
    )


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    width = 0
    for sign in text:
        if not unicodedata.combining(sign):
            width += 1 + (unicodedata.east_asian_width(sign) in "WF")
    return width
