"""The rules for cells in SQL, so that the engine holds millions of them against the study at once."""

from __future__ import annotations

from dataclasses import dataclass

from p2pmpc.study.data.options import ISO_DATE, Writing
from p2pmpc.study.model import Column, ColumnType, Comparison, Filter, Missing, Study


@dataclass(frozen=True)
class Reading:
    """How one column is read.

    Args:
        value: SQL for its typed value, NULL where it is missing or cannot be read.
        missing: SQL for whether the cell is empty, or means that.
        extra: SQL for what is wrong beside that and the bounds; empty for nothing.
    """

    value: str
    missing: str
    extra: str = ""


def text(value: str) -> str:
    """Return a literal of a text."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """Return a quoted name."""
    return '"' + value.replace('"', '""') + '"'


def reading_of_text(column: Column, cell: str, writing: Writing) -> Reading:
    """Return how a column of texts is read.

    Args:
        column: The study's.
        cell: SQL for the text, which may be NULL.
        writing: How the file is written.
    """
    bare = f"coalesce({cell}, '')"
    if writing.trim:
        bare = f"trim({bare}, ' ' || chr(9))"
    signs = ", ".join(text(sign) for sign in ("", *sorted(writing.missing)))
    missing = f"{bare} IN ({signs})"
    digits = f"replace({bare}, {text(writing.thousands)}, '')" if writing.thousands else bare
    match column.type:
        case ColumnType.CATEGORY:
            return Reading(f"CASE WHEN NOT {missing} THEN {bare} END", missing)
        case ColumnType.DATE:
            parsed = f"CAST(try_strptime({bare}, {text(writing.date_format)}) AS DATE)"
            if writing.date_format == ISO_DATE:
                parsed = f"TRY_CAST({bare} AS DATE)"
            value = _matched(bare, missing, writing.date_pattern, parsed)
        case ColumnType.INTEGER:
            whole = f"TRY_CAST(split_part({digits}, {text(writing.decimal)}, 1) AS BIGINT)"
            value = _matched(bare, missing, writing.integer_pattern, whole)
        case _:
            plain = digits if writing.decimal == "." else f"replace({digits}, ',', '.')"
            number = f"TRY_CAST({plain} AS DOUBLE)"
            value = _matched(bare, missing, writing.number_pattern, number)
    return Reading(value, missing)


def _matched(cell: str, missing: str, pattern: str, value: str) -> str:
    matches = f"regexp_full_match({cell}, {text(pattern)})"
    return f"CASE WHEN NOT {missing} AND {matches} THEN {value} END"


def is_bad(column: Column, value: str, missing: str, extra: str, policy: Missing) -> str:
    """Return SQL for whether a cell is to be rejected.

    Args:
        column: The study's.
        value: SQL for the typed value.
        missing: SQL for whether it is missing.
        extra: SQL for what else is wrong, or nothing.
        policy: What the study says of missing values.
    """
    if column.type is ColumnType.CATEGORY:
        known = ", ".join(text(category) for category in column.categories)
        good = f"{value} IN ({known})"
    else:
        good = (
            f"{value} BETWEEN {bound(column, column.minimum)} AND {bound(column, column.maximum)}"
        )
    if extra:
        good = f"({good} AND NOT ({extra}))"
    when_missing = "true" if policy is Missing.REFUSE else "false"
    return f"CASE WHEN {missing} THEN {when_missing} ELSE NOT coalesce({good}, false) END"


def bound(column: Column, value: object) -> str:
    """Return a literal of a bound, or of a value that a filter compares with."""
    if column.type is ColumnType.DATE:
        return f"DATE {text(column.date_of(int(str(value))).isoformat())}"
    return f"{value:f}" if column.type is ColumnType.INTEGER else f"CAST('{value}' AS DOUBLE)"


def condition(one: Filter, column: Column) -> str:
    """Return SQL for whether a filter holds; NULL where the cell is missing."""
    numeric = column.is_numeric
    values = [bound(column, v) if numeric else text(str(v)) for v in one.values]
    if one.comparison is Comparison.IN:
        return f"{name(one.column)} IN ({', '.join(values)})"
    sign = "<>" if one.comparison is Comparison.UNEQUAL else one.comparison.value
    return f"{name(one.column)} {sign} {values[0]}"


def filtered_out(study: Study) -> str:
    """Return SQL for whether some filter says that a row does not count."""
    tests = [f"NOT ({condition(one, study.columns[one.column])})" for one in study.filters]
    return f"coalesce({' OR '.join(tests)}, false)" if tests else "false"
