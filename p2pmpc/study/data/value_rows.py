"""Rows that come as values which have types already, from a spreadsheet or a database, one at a time."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from p2pmpc.sources import Watch
from p2pmpc.study.data.cells import Value, value_reader
from p2pmpc.study.data.faults import Fault, Finding, Place, expected_of, refused
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.rejected import RejectedRows
from p2pmpc.study.data.staging import ENGINE_TYPES, show
from p2pmpc.study.model import Column, ColumnType, Study

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 20_000

Row = tuple[int, Sequence[object]]
"""The number by which its source knows it, and all of its cells."""


class ValueFile(ABC):
    """A file whose cells have types of their own.

    Args:
        study: The study.
        options: Where the rows are.
        watch: Told how far the reading is.
    """

    delimiter, quote = ",", '"'
    has_foot = False
    """Whether people write totals below its rows."""

    def __init__(self, study: Study, options: DataOptions, watch: Watch) -> None:
        self._study, self._options = study, options
        size = options.path.stat().st_size
        self._watch: Watch = lambda done, of: watch(size * min(done, of) // max(of, 1), size)
        self._name = str(options.data)
        self._columns = [study.columns[name] for name in study.used]
        self._places: dict[str, int] = {}
        self._headers: list[str] = []
        self._last = 0

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the rows, the same ones every time."""

    @abstractmethod
    def place(self, number: int, cell: int) -> Place:
        """Return where a cell of a row is."""

    def close(self) -> None:
        """Let go of the file."""
        return

    def load(self, connection: DuckDBPyConnection) -> None:
        """Make ``read_rows`` and ``data``."""
        kinds = [f"v{at} {ENGINE_TYPES[c.type]}" for at, c in enumerate(self._columns)]
        connection.execute(f"CREATE TABLE read_rows ({', '.join([*kinds, 'rejected BOOLEAN'])})")
        batch: list[list[Value]] = []
        for number, cells in self.rows():
            self._last = number
            batch.append(self._typed(cells))
            if len(batch) == BATCH:
                self._insert(connection, batch)
        self._insert(connection, batch)
        if not self._last:
            raise refused(
                self.place(0, 0).text, "there is a header and no row, expected at least one row"
            )
        show(connection, self._study)

    def check_count(self, rows: int) -> None:
        """Know of no number but that of the rows themselves."""
        assert rows >= 0

    def rejections(
        self,
        connection: DuckDBPyConnection,  # noqa: ARG002 - the rows are read once more from their source
        rejected: RejectedRows | None,
    ) -> Iterator[list[Finding]]:
        """Yield what is wrong with each rejected row, and write the row down."""
        if rejected:
            rejected.head(rejected.cells(self._headers))
        for number, cells in self.rows():
            findings = self._findings(number, cells)
            if findings:
                if rejected:
                    rejected.add(findings, rejected.cells([_written(cell) for cell in cells]))
                yield findings

    def _typed(self, cells: Sequence[object]) -> list[Value]:
        """Return the values of a row and whether it is rejected."""
        cells = (*cells, *self._padding) if len(cells) < len(self._headers) else cells
        found = [read(cells[at]) for at, read in self._readers]
        if any(isinstance(value, Fault) for value in found):
            return [*(None for _ in found), True]
        return [*found, False]

    @cached_property
    def _padding(self) -> tuple[None, ...]:
        return (None,) * len(self._headers)

    @cached_property
    def _readers(self) -> list[tuple[int, Callable[[object], Value | Fault]]]:
        """By used column, where it stands and what reads it."""
        writing, missing = self._options.writing, self._study.missing
        return [
            (self._places[column.name], value_reader(column, writing, missing))
            for column in self._columns
        ]

    def _findings(self, number: int, cells: Sequence[object]) -> list[Finding]:
        at_foot = self.has_foot and number == self._last
        found = []
        cells = (*cells, *self._padding)
        for column, (at, read) in zip(self._columns, self._readers, strict=True):
            value = read(cells[at])
            if isinstance(value, Fault):
                where = self.place(number, at)
                found.append(Finding(where, column.name, value, expected_of(column), at_foot))
        return found

    def _insert(self, connection: DuckDBPyConnection, batch: list[list[Value]]) -> None:
        if not batch:
            return
        *cells, rejected = zip(*batch, strict=True)
        columns: dict[str, Any] = {
            f"v{at}": _array(column, values)
            for at, (column, values) in enumerate(zip(self._columns, cells, strict=True))
        }
        columns["rejected"] = np.array(rejected, dtype=bool)
        selected = [
            f"DATE '1970-01-01' + v{at}" if column.type is ColumnType.DATE else f"v{at}"
            for at, column in enumerate(self._columns)
        ]
        connection.register("batch", columns)
        connection.execute(
            f"INSERT INTO read_rows SELECT {', '.join([*selected, 'rejected'])} FROM batch"
        )
        connection.unregister("batch")
        batch.clear()


def _array(column: Column, values: Sequence[Value]) -> Any:
    """Return a column as the engine takes it."""
    if column.type is ColumnType.CATEGORY:
        return np.array(values, dtype=object)
    kind = {ColumnType.NUMBER: np.float64, ColumnType.DATE: np.int32}.get(column.type, np.int64)
    absent = [value is None for value in values]
    return np.ma.array(np.array([value or 0 for value in values], dtype=kind), mask=absent)


def _written(cell: object) -> str:
    """Return a cell as text, as the file of rejected rows has it."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1 << 53:
        return str(int(cell))
    return "" if cell is None else cell.isoformat() if isinstance(cell, dt.date) else str(cell)
