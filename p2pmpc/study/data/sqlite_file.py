"""SQLite files, opened for reading alone; any cell may hold any type there, so each one is looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote as quoted_url

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.sources import Watch
from p2pmpc.study.data import sql
from p2pmpc.study.data.faults import Place
from p2pmpc.study.data.headers import find_columns
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.value_rows import Row, ValueFile
from p2pmpc.study.model import Study
from p2pmpc.study.report.words import plain

TOLD = 50_000

_STEPS = 1 << 20


class SQLiteFile(ValueFile):
    """A table or view of a SQLite file.

    Args:
        path: Where it is.
        study: The study.
        options: Which table.
        watch: Told how far the reading is.

    Raises:
        ConfigurationError: There are several tables, or not the one that is named.
        InputRefused: It is no SQLite file, or the table lacks a column.
    """

    def __init__(self, path: Path, study: Study, options: DataOptions, watch: Watch) -> None:
        super().__init__(study, options, watch)
        self._database = self._open(path)
        try:
            self._table = self._chosen()
            self._numbered = self._has_row_numbers()
            self._headers = self._names()
            self._count = int(str(self._one(f"SELECT count(*) FROM {sql.name(self._table)}")[0]))
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        where = f"{self._name}:{plain(self._table)}"
        self._places = find_columns(study, options.renamed, self._headers, lambda _: where)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def rows(self) -> Iterator[Row]:
        """See :class:`ValueFile`."""
        table = sql.name(self._table)
        query = f"SELECT * FROM {table}"
        if self._numbered:
            query = f"SELECT _rowid_, * FROM {table} ORDER BY _rowid_"
        try:
            for place, cells in enumerate(self._database.execute(query), start=1):
                if place % TOLD == 0:
                    self._watch(place, self._count)
                yield (cells[0], cells[1:]) if self._numbered else (place, cells)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def place(self, number: int, cell: int) -> Place:
        """See :class:`ValueFile`."""
        where = f"{self._name}:{plain(self._table)}"
        if not number:
            return Place(where, 0)
        kind = "rowid" if self._numbered else "row"
        return Place(f"{where}:{kind} {number}", number, plain(self._headers[cell]))

    def _open(self, path: Path) -> sqlite3.Connection:
        address = f"file:{quoted_url(str(path.resolve()))}?mode=ro"
        try:
            database = sqlite3.connect(address, uri=True, isolation_level=None)
            database.text_factory = _text
            # A view may never end: only between such steps does an interrupt from the terminal reach it.
            database.set_progress_handler(lambda: 0, _STEPS)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA query_only = ON")
            database.execute("BEGIN")  # all that is read is of one moment
            database.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        return database

    def _chosen(self) -> str:
        found = self._database.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
        tables = [str(name) for (name,) in found]
        chosen = self._options.table
        if chosen is None and len(tables) == 1:
            return tables[0]
        if chosen in tables:
            return str(chosen)
        shown = ", ".join(repr(name) for name in tables) or "none"
        what = f"no table {chosen!r}" if chosen else "which table is not said"
        raise ConfigurationError(
            f"{self._name}: {what}; it has {shown}", hint="name a table or view with --table"
        )

    def _has_row_numbers(self) -> bool:
        """Return whether rows have numbers of their own: a view has none, nor a table without rowid."""
        (kind,) = self._one("SELECT type FROM sqlite_master WHERE name = ?", self._table)
        if kind != "table":
            return False
        try:
            self._database.execute(f"SELECT _rowid_ FROM {sql.name(self._table)} LIMIT 0")
        except sqlite3.OperationalError:
            return False
        least = self._one(f"SELECT min(_rowid_) FROM {sql.name(self._table)}")[0]
        return isinstance(least, int) and least > 0

    def _names(self) -> list[str]:
        cursor = self._database.execute(f"SELECT * FROM {sql.name(self._table)} LIMIT 0")
        return [str(description[0]) for description in cursor.description]

    def _one(self, query: str, *values: object) -> tuple[object, ...]:
        row: tuple[object, ...] = self._database.execute(query, values).fetchone()
        return row

    def _unreadable(self, error: sqlite3.Error) -> InputRefused:
        return InputRefused(
            f"{self._name}: SQLite cannot read this file ({error.sqlite_errorname})",
            hint="is it a whole SQLite database, and does nobody write to it?",
        )


def _text(raw: bytes) -> str | bytes:
    """Return a text; bytes that are none, as they are, and no column of the study takes them."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
