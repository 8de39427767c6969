"""Rows within the engine: held against the study, counted, and shown to the rest as ``data``.

``read_rows`` has the used columns as v0, v1, ... and whether the row is rejected; ``data`` has the others
under the study's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pmpc.study.data import sql
from p2pmpc.study.data.report import ColumnSummary, Counts
from p2pmpc.study.data.sql import Reading
from p2pmpc.study.model import Column, ColumnType, Study

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OK = '" good"'
"""Whether a row is not rejected, quoted: no column of a study has a name that begins with a blank."""

ENGINE_TYPES = {
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DATE: "DATE",
    ColumnType.CATEGORY: "VARCHAR",
}


def stage(
    connection: DuckDBPyConnection,
    study: Study,
    readings: Mapping[str, Reading],
    source: str,
    *,
    copied: bool,
    number: str = "",
) -> None:
    """Make ``read_rows`` and ``data`` of a source.

    Args:
        connection: The engine.
        study: The study.
        readings: How each used column is read.
        source: SQL of what it is read from.
        copied: Keep the typed rows in memory, or read the source again for every query.
        number: SQL for the number of a row in the source, where it has one.
    """
    inner, bad = [], []
    for place, column in enumerate(study.columns[name] for name in study.used):
        reading = readings[column.name]
        inner += [f"{reading.value} AS v{place}", f"{reading.missing} AS m{place}"]
        if reading.extra:
            inner.append(f"{reading.extra} AS x{place}")
        extra = f"x{place}" if reading.extra else ""
        bad.append(sql.is_bad(column, f"v{place}", f"m{place}", extra, study.missing))
    values = ", ".join(f"v{place}" for place in range(len(study.used)))
    numbered = f"{number} AS n, " if number else ""
    kept = "n, " if number else ""
    selected = ", ".join(inner) or "1 AS v"
    query = (
        f"CREATE {'TABLE' if copied else 'VIEW'} read_rows AS "
        f"SELECT {kept}{values + ', ' if values else ''}{' OR '.join(bad) or 'false'} AS rejected "
        f"FROM (SELECT {numbered}{selected} FROM {source})"
    )
    connection.execute(query)
    show(connection, study)


def show(connection: DuckDBPyConnection, study: Study) -> None:
    """Make ``data`` of ``read_rows``."""
    named = [f"v{place} AS {sql.name(name)}" for place, name in enumerate(study.used)]
    connection.execute(
        f"CREATE VIEW data AS SELECT {', '.join(named) or 'CAST(1 AS BIGINT) AS one'} "
        "FROM read_rows WHERE NOT rejected"
    )


def rejected_rows(
    connection: DuckDBPyConnection, number: str = "row_number() OVER ()"
) -> npt.NDArray[np.int64]:
    """Return the numbers of the rows that are rejected, ascending, from 1."""
    found = connection.execute(
        f"SELECT n FROM (SELECT {number} AS n, rejected FROM read_rows) WHERE rejected ORDER BY n"
    ).fetchnumpy()["n"]
    return np.asarray(found, dtype=np.int64)


def summarise(
    connection: DuckDBPyConnection, study: Study
) -> tuple[Counts, tuple[ColumnSummary, ...]]:
    """Return how many rows there are of each kind, and what the columns of the others hold.

    Args:
        connection: With ``read_rows``.
        study: The study.
    """
    columns = [study.columns[name] for name in study.used]
    gone = sql.filtered_out(study)
    absent = " OR ".join(f"{sql.name(c.name)} IS NULL" for c in columns) or "false"
    parts = [
        "count(*)",
        f"count(*) FILTER (WHERE {OK})",
        f"count(*) FILTER (WHERE {OK} AND {gone})",
        f"count(*) FILTER (WHERE {OK} AND NOT ({gone}) AND ({absent}))",
    ]
    for column in columns:
        parts += _numbers_of(column)
    named = [f"v{place} AS {sql.name(name)}" for place, name in enumerate(study.used)]
    rows = f"SELECT {', '.join([*named, f'NOT rejected AS {OK}'])} FROM read_rows"
    (found,) = connection.execute(f"SELECT {', '.join(parts)} FROM ({rows})").fetchall()
    read, good, filtered, missing, *rest = found
    counts = Counts(
        read=read,
        rejected=read - good,
        filtered=filtered,
        missing=missing,
        used=good - filtered - missing,
    )
    summaries = [
        _summary(column, rest[4 * place : 4 * place + 4]) for place, column in enumerate(columns)
    ]
    return counts, tuple(summaries)


def _numbers_of(column: Column) -> list[str]:
    cell = sql.name(column.name)
    missing = f"count(*) FILTER (WHERE {OK} AND {cell} IS NULL)"
    if not column.is_numeric:
        return [missing, "NULL", "NULL", "0"]
    rounded = "0"
    if column.type is ColumnType.NUMBER:
        factor = f"1e{column.decimals}"
        rounded = (
            f"count(*) FILTER (WHERE {OK} AND floor({cell} * {factor} + 0.5) / {factor} <> {cell})"
        )
    ends = [f"{end}({cell}) FILTER (WHERE {OK})" for end in ("min", "max")]
    return [missing, *ends, rounded]


def _summary(column: Column, found: list[object]) -> ColumnSummary:
    missing, low, high, rounded = found
    assert isinstance(missing, int)
    assert isinstance(rounded, int)
    return ColumnSummary(
        column.name,
        column.type.value,
        column.unit,
        missing,
        minimum=_shown(low),
        maximum=_shown(high),
        rounded=rounded,
    )


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return f"{value:.15g}" if isinstance(value, float) else str(value)
