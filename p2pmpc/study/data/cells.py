"""One cell at a time: what its value is for a column of the study, or what is wrong with it.

The engine decides over millions of cells at once, by the same rules in SQL; what it rejects is told apart here.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from p2pmpc.study.data.faults import Fault
from p2pmpc.study.data.options import Writing
from p2pmpc.study.model import EPOCH, Column, ColumnType, Missing

LARGEST = 1 << 63
EXACT = float(1 << 53)

AS_TEXT = {
    Fault.BELOW,
    Fault.ABOVE,
    Fault.TOO_LARGE,
    Fault.DECIMAL_COMMA,
    Fault.THOUSANDS,
    Fault.BLANKS,
}
"""What is wrong with texts that would be numbers: where numbers have a type, that they are texts."""

Value = float | int | str | None
"""A date as days since 1970-01-01."""


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def read_text(
    text: str | None, column: Column, writing: Writing, missing: Missing
) -> Value | Fault:
    """Return what a text means for a column.

    Args:
        text: The cell; None for an empty one.
        column: The study's.
        writing: How the file is written.
        missing: The study's policy.

    Returns:
        The value, None where it is missing; or what is wrong.
    """
    text = text or ""
    if writing.trim:
        text = text.strip(" \t")
    if not text or text in writing.missing:
        return Fault.MISSING if missing is Missing.REFUSE else None
    match column.type:
        case ColumnType.CATEGORY:
            return _category(text, column)
        case ColumnType.DATE:
            return _date_of_text(text, column, writing)
        case ColumnType.INTEGER if _compiled(writing.integer_pattern).fullmatch(text):
            whole, _, _ = _plain(text, writing).partition(".")
            return within(int(whole), column) if len(whole) < 400 else Fault.TOO_LARGE
        case ColumnType.INTEGER if _compiled(writing.number_pattern).fullmatch(text):
            return Fault.NOT_AN_INTEGER
        case ColumnType.NUMBER if _compiled(writing.number_pattern).fullmatch(text):
            return within(float(_plain(text, writing)), column)
    return _why_no_number(text, column, writing)


def read_value(value: object, column: Column, writing: Writing, missing: Missing) -> Value | Fault:
    """Return what a value that has a type already means for a column; a text is no number.

    Args:
        value: As the spreadsheet or the database gives it; or what is known to be wrong with it.
        column: The study's.
        writing: Texts that mean a missing value; how dates are written.
        missing: The study's policy.

    Returns:
        The value, None where it is missing; or what is wrong.
    """
    if isinstance(value, Fault):
        return value
    if value is None or isinstance(value, str):
        found = read_text(value, column, writing, missing)
        if column.type in {ColumnType.CATEGORY, ColumnType.DATE} or found is None:
            return found
        return Fault.TEXT if found in AS_TEXT or not isinstance(found, Fault) else found
    match column.type:
        case ColumnType.CATEGORY:
            return _category(_label(value), column)
        case ColumnType.DATE:
            return _date_of_value(value, column)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return Fault.NOT_A_NUMBER if column.type is ColumnType.NUMBER else Fault.NOT_AN_INTEGER
    return _number(value, column)


def value_reader(
    column: Column, writing: Writing, missing: Missing
) -> Callable[[object], Value | Fault]:
    """Return :func:`read_value` for one column, quick where a value is as most of them are."""

    def slowly(value: object) -> Value | Fault:
        return read_value(value, column, writing, missing)

    def number(value: object) -> Value | Fault:
        return value if type(value) is float and low <= value <= high else slowly(value)

    def integer(value: object) -> Value | Fault:
        is_whole = type(value) is int or (type(value) is float and value.is_integer())
        return int(value) if is_whole and low <= value <= high else slowly(value)  # type: ignore[operator, call-overload]

    def category(value: object) -> Value | Fault:
        return value if type(value) is str and value in known else slowly(value)

    if column.type is ColumnType.DATE:
        return slowly
    if column.type is ColumnType.CATEGORY:
        known = frozenset(column.categories) - writing.missing
        return category
    low, high = float(column.minimum or 0), float(column.maximum or 0)
    is_small = -EXACT <= low <= high <= EXACT
    if column.type is ColumnType.INTEGER:
        return integer if is_small else slowly
    return number


def within(value: float, column: Column) -> float | int | Fault:
    """Return a number that is finite and within the bounds of a column, or what is wrong with it."""
    if isinstance(value, float) and not math.isfinite(value):
        return Fault.TOO_LARGE if math.isinf(value) else Fault.NOT_FINITE
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return Fault.TOO_LARGE
    low, high = column.minimum, column.maximum
    exact = column.type is not ColumnType.NUMBER
    if low is not None and value < (low if exact else float(low)):
        return Fault.BELOW
    if high is not None and value > (high if exact else float(high)):
        return Fault.ABOVE
    return value


def _number(value: float | Decimal, column: Column) -> float | int | Fault:
    if isinstance(value, float) and not math.isfinite(value):
        return Fault.NOT_FINITE
    if column.type is ColumnType.NUMBER:
        return within(float(value), column)
    if value != int(value):
        return Fault.NOT_AN_INTEGER
    return within(int(value), column)


def _label(value: object) -> str:
    """Return what a category is called that a spreadsheet or a database holds as a number: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _category(text: str, column: Column) -> str | Fault:
    if text in column.categories:
        return text
    folded = {category.strip().casefold() for category in column.categories}
    return Fault.ANOTHER_CASE if text.strip().casefold() in folded else Fault.NOT_A_CATEGORY


def _date_of_text(text: str, column: Column, writing: Writing) -> int | Fault:
    if text != text.strip() and _compiled(writing.date_pattern).fullmatch(text.strip()):
        return Fault.BLANKS
    if not _compiled(writing.date_pattern).fullmatch(text):
        return Fault.NOT_A_DATE
    try:
        found = dt.datetime.strptime(text, writing.date_format)
    except ValueError:
        return Fault.NO_SUCH_DATE
    return _day(found.date(), column)


def _date_of_value(value: object, column: Column) -> int | Fault:
    if isinstance(value, dt.datetime):
        if value.time() != dt.time():
            return Fault.NOT_MIDNIGHT
        return _day(value.date(), column)
    return _day(value, column) if isinstance(value, dt.date) else Fault.NOT_A_DATE


def _day(value: dt.date, column: Column) -> int | Fault:
    found = within((value - EPOCH).days, column)
    return found if isinstance(found, Fault) else int(found)


def _plain(text: str, writing: Writing) -> str:
    """Return a number as Python and SQL write it."""
    bare = text.replace(writing.thousands, "") if writing.thousands else text
    return bare.replace(writing.decimal, ".")


def _why_no_number(text: str, column: Column, writing: Writing) -> Fault:
    """Return what is wrong with a text that should be a number and is not written as one."""
    stripped = text.strip()
    if stripped != text and _compiled(writing.number_pattern).fullmatch(stripped):
        return Fault.BLANKS
    if stripped.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
        return Fault.NOT_FINITE
    other = "," if writing.decimal == "." else "."
    swapped = Writing(decimal=other, thousands=writing.decimal)
    if re.fullmatch(
        f"[+-]?[0-9]{{1,3}}(?:{re.escape(other)}[0-9]{{3}})+(?:{re.escape(writing.decimal)}[0-9]*)?",
        text,
    ):
        # 1,234 may be either: both ways of writing it are told, and none is chosen.
        sure = writing.decimal in text or text.count(other) > 1
        return Fault.THOUSANDS if sure else Fault.DECIMAL_COMMA
    if _compiled(swapped.number_pattern).fullmatch(text):
        return Fault.DECIMAL_COMMA
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:['\u2019 \u00a0\u202f][0-9]{3})+(?:[.,][0-9]*)?", text):
        return Fault.THOUSANDS
    if re.match(r"[+-]?[0-9]+(?:[.,][0-9]+)*\s*[^\W\d_%]|.*[%\u20ac$\u00a3]", text):
        return Fault.UNIT
    return Fault.NOT_A_NUMBER if column.type is ColumnType.NUMBER else Fault.NOT_AN_INTEGER
