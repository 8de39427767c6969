"""Columns, values and filters of a study in words: the same before it and in its report."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from p2pmpc.study.model import Column, ColumnType, Comparison, Filter, Study
from p2pmpc.study.report.words import plain
from p2pmpc.study.terms import watched_columns

_COMPARED: Final = {
    Comparison.EQUAL: "is",
    Comparison.UNEQUAL: "is not",
    Comparison.BELOW: "is below",
    Comparison.AT_MOST: "is at most",
    Comparison.ABOVE: "is above",
    Comparison.AT_LEAST: "is at least",
    Comparison.IN: "is one of",
}


def describe_column(column: Column) -> str:
    """Return a column in words: name, type, bounds or categories, unit, decimals, description."""
    about = f" - {plain(column.description)}" if column.description else ""
    if column.minimum is None or column.maximum is None:
        return f"{plain(column.name)}: one of {', '.join(map(plain, column.categories))}{about}"
    span = describe_span(column, column.minimum, column.maximum)
    plural = "" if column.decimals == 1 else "s"
    digits = f", {column.decimals} decimal{plural}" if column.type is ColumnType.NUMBER else ""
    return f"{plain(column.name)}: {column.type} from {span}{digits}{about}"


def describe_span(column: Column, low: Decimal, high: Decimal) -> str:
    """Return two values of a column, and what is between them, in words: the unit once."""
    return f"{_bare(column, low)} to {describe_value(column, high)}"


def describe_value(column: Column, value: Decimal) -> str:
    """Return a value of a column as people write it: with its unit, or as a date."""
    has_unit = column.unit and column.type is not ColumnType.DATE
    return f"{_bare(column, value)} {plain(column.unit)}" if has_unit else _bare(column, value)


def _bare(column: Column, value: Decimal) -> str:
    if column.type is ColumnType.DATE:
        return column.date_of(int(value)).isoformat()
    return f"{value.normalize():f}"


def describe_filter(one: Filter, study: Study) -> str:
    """Return a filter in words."""
    column = study.columns[one.column]
    values = [
        describe_value(column, value) if isinstance(value, Decimal) else plain(value)
        for value in one.values
    ]
    return f"{plain(one.column)} {_COMPARED[one.comparison]} {', '.join(values)}"


def describe_watched(study: Study) -> str:
    """Return by what the first round counts rows beside their groups, in words; empty where by nothing."""
    names = watched_columns(study)
    categories = [plain(name) for name in names if not study.columns[name].is_numeric]
    flags = [plain(name) for name in names if study.columns[name].is_numeric]
    parts = [f"by each category of {' and of '.join(categories)}"] if categories else []
    parts += [f"by the two values of {' and of '.join(flags)}"] if flags else []
    return " and ".join(parts)
