"""Parquet files: the engine streams them, and every query reads them anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pmpc.sources import Watch
from p2pmpc.study.data import sql
from p2pmpc.study.data.cells import read_value
from p2pmpc.study.data.engines import name_for_duckdb
from p2pmpc.study.data.faults import Fault, Finding, Place, expected_of, refused
from p2pmpc.study.data.headers import find_columns
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.rejected import RejectedRows
from p2pmpc.study.data.sql import Reading
from p2pmpc.study.data.staging import rejected_rows, stage
from p2pmpc.study.model import Column, ColumnType, Study

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 2_000
NUMBER = "file_row_number"
"""What the engine calls the number of a row in the file, from 0."""

WHOLE = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")}
WHOLE |= {"INTEGER", "UINTEGER"}
BROKEN = {"FLOAT", "DOUBLE"}
MOMENTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}


class ParquetFile:
    """A Parquet file.

    Args:
        path: Where it is.
        study: The study.
        options: How its columns are called.
        watch: Told nothing here: the engine alone reads the file.
    """

    delimiter, quote = ",", '"'

    def __init__(self, path: Path, study: Study, options: DataOptions, watch: Watch) -> None:  # noqa: ARG002 - like the other kinds of files
        self._study, self._options = study, options
        self._name = str(options.data)
        self._source = f"read_parquet({sql.text(name_for_duckdb(path))}, {NUMBER} = true)"
        self._places: dict[str, int] = {}
        self._headers: list[str] = []

    def load(self, connection: DuckDBPyConnection) -> None:
        """Make ``read_rows`` and ``data``."""
        described = connection.execute(f"DESCRIBE SELECT * FROM {self._source}").fetchall()
        types = {str(row[0]): str(row[1]) for row in described if row[0] != NUMBER}
        self._headers = list(types)
        found = find_columns(
            self._study, self._options.renamed, self._headers, lambda _: self._name
        )
        self._places = found
        readings = {}
        for name, place in found.items():
            header = self._headers[place]
            readings[name] = self._reading(self._study.columns[name], header, types[header])
        (rows,) = connection.execute(f"SELECT count(*) FROM {self._source}").fetchone() or (0,)
        if not rows:
            raise refused(self._name, "there is no row, expected at least one")
        number = f"{NUMBER} + 1"
        stage(connection, self._study, readings, self._source, copied=False, number=number)

    def close(self) -> None:
        """Let go of the file."""

    def check_count(self, rows: int) -> None:
        """Know of no other number."""

    def rejections(
        self, connection: DuckDBPyConnection, rejected: RejectedRows | None
    ) -> Iterator[list[Finding]]:
        """Yield what is wrong with each rejected row, and write the row down."""
        headers = [self._headers[place] for place in self._places.values()]
        if rejected:
            rejected.head(rejected.cells(headers))
        numbers = iter(rejected_rows(connection, "n"))
        while batch := list(islice(numbers, BATCH)):
            for number, cells in self._fetched(connection, headers, np.asarray(batch)):
                findings = self._findings(number, cells)
                if rejected:
                    shown = ["" if cell is None else str(cell) for cell in cells]
                    rejected.add(findings, rejected.cells(shown))
                yield findings

    def _fetched(
        self, connection: DuckDBPyConnection, headers: list[str], numbers: npt.NDArray[np.int64]
    ) -> list[tuple[int, tuple[object, ...]]]:
        connection.register("wanted", {"n": numbers - 1})
        columns = ", ".join(sql.name(header) for header in headers)
        rows = connection.execute(
            f"SELECT {NUMBER}, {columns} FROM {self._source} WHERE {NUMBER} BETWEEN "
            f"{numbers[0] - 1} AND {numbers[-1] - 1} AND {NUMBER} IN (SELECT n FROM wanted) "
            f"ORDER BY {NUMBER}"
        ).fetchall()
        connection.unregister("wanted")
        return [(row[0] + 1, row[1:]) for row in rows]

    def _findings(self, number: int, cells: tuple[object, ...]) -> list[Finding]:
        found = []
        writing, missing = self._options.writing, self._study.missing
        for (name, place), cell in zip(self._places.items(), cells, strict=True):
            column = self._study.columns[name]
            value = read_value(cell, column, writing, missing)
            if isinstance(value, Fault):
                where = Place(f"{self._name}:row {number}", number, self._headers[place])
                found.append(Finding(where, name, value, expected_of(column)))
        if not found:
            where = Place(f"{self._name}:row {number}", number)
            found.append(Finding(where, "row", Fault.UNREADABLE, "what the study declares"))
        return found

    def _reading(self, column: Column, header: str, kind: str) -> Reading:
        """Return how a column is read.

        Raises:
            InputRefused: It holds values of another type.
        """
        cell = sql.name(header)
        missing = f"{cell} IS NULL"
        whole, broken = kind in WHOLE, kind in BROKEN
        number = whole or broken or kind.startswith("DECIMAL")
        if kind == '"NULL"':
            return Reading("NULL", "true")
        match column.type:
            case ColumnType.NUMBER if number:
                return Reading(f"CAST({cell} AS DOUBLE)", missing)  # NaN is above every bound
            case ColumnType.INTEGER if number:
                extra = "" if whole else f"{cell} <> trunc({cell})"
                return Reading(f"TRY_CAST({cell} AS BIGINT)", missing, extra)
            case ColumnType.DATE if kind == "DATE":
                return Reading(cell, missing)
            case ColumnType.DATE if kind in MOMENTS:
                day = f"CAST({cell} AS DATE)"
                return Reading(
                    day, missing, f"CAST({day} AS TIMESTAMP) <> CAST({cell} AS TIMESTAMP)"
                )
            case ColumnType.CATEGORY if kind == "VARCHAR" or kind.startswith("ENUM"):
                return sql.reading_of_text(
                    column, f"CAST({cell} AS VARCHAR)", self._options.writing
                )
            case ColumnType.CATEGORY if whole or kind == "BOOLEAN":
                return Reading(f"CAST({cell} AS VARCHAR)", missing)
        wanted = {ColumnType.NUMBER: "numbers", ColumnType.INTEGER: "whole numbers"}
        wanted |= {ColumnType.DATE: "dates", ColumnType.CATEGORY: "texts"}
        raise refused(
            f"{self._name}:column {header}",
            f"it holds values of type {kind}, expected {wanted[column.type]}",
            hint="convert the column when the file is written",
        )
