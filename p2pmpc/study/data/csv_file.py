"""CSV files: their outline is checked first, then the engine reads them, and what it rejects is found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from p2pmpc.sources import Watch
from p2pmpc.study.data import sql
from p2pmpc.study.data.cells import read_text
from p2pmpc.study.data.csv_records import Record, RecordReader
from p2pmpc.study.data.csv_scan import LONGEST_RECORD, Outline, scan
from p2pmpc.study.data.engines import name_for_duckdb
from p2pmpc.study.data.faults import Fault, Finding, Place, expected_of, refused
from p2pmpc.study.data.headers import find_columns
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.rejected import RejectedRows
from p2pmpc.study.data.staging import rejected_rows, stage
from p2pmpc.study.data.text_source import TextSource
from p2pmpc.study.model import Study

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COPIED_BYTES = 64 << 20
"""A file of at most so many bytes is parsed once and kept; a larger one is read again for every query."""

BATCH = 50_000


class CSVFile:
    """A party's CSV file.

    Args:
        path: Where it is.
        study: The study.
        options: How it is written.
        watch: Told how far the reading is.

    Raises:
        InputRefused: It is not well formed, empty, or lacks a column.
    """

    def __init__(self, path: Path, study: Study, options: DataOptions, watch: Watch) -> None:
        self._path, self._study, self._options = path, study, options
        self._name, self._size = str(options.data), path.stat().st_size
        self._source = TextSource(path, self._name, options.encoding, options.header_row - 1)
        separator, quote = options.separator, options.quote_sign
        self.delimiter, self.quote = separator, quote
        self._outline: Outline = scan(self._source, separator, quote, self._size, watch)
        self._refuse_empty()
        self._reader = RecordReader(self._source, self._outline, separator, quote)
        self._header = next(self._reader.all())
        self._places = find_columns(
            study,
            options.renamed,
            self._header.fields,
            self._header_place,
            trim=options.trim,
            hint=self._hint(),
        )

    @property
    def _engine_reads(self) -> bool:
        """Whether DuckDB reads the file itself; what it is known to read wrongly, Python's csv reads."""
        if not self._source.is_utf8 or self._options.header_row > 1:
            return False
        return not self._outline.has_inner_returns and "\n" not in self._header.raw

    def load(self, connection: DuckDBPyConnection) -> None:
        """Make ``read_rows`` and ``data``."""
        if self._engine_reads:
            source, copied = self._read_csv(), self._size <= COPIED_BYTES
        else:
            source, copied = self._texts(connection), True
        writing = self._options.writing
        readings = {
            name: sql.reading_of_text(self._study.columns[name], f"c{place}", writing)
            for name, place in self._places.items()
        }
        stage(connection, self._study, readings, source, copied=copied)
        if not self._engine_reads:
            connection.execute("DROP TABLE texts")

    def check_count(self, rows: int) -> None:
        """Refuse a file that two readers of CSV read differently."""
        if rows != self._outline.records:
            raise refused(
                self._name,
                f"one reader finds {rows} rows in this file and another {self._outline.records}, "
                "expected a table that is read in one way only",
                hint="save it again as CSV with a text in quotes where it needs them",
            )

    def close(self) -> None:
        """Let go of the file."""

    def rejections(
        self, connection: DuckDBPyConnection, rejected: RejectedRows | None
    ) -> Iterator[list[Finding]]:
        """Yield what is wrong with each rejected row, and write the row down."""
        if rejected:
            rejected.head(self._header.raw)
        numbers = rejected_rows(connection)
        for record in self._reader.some(int(number) for number in numbers):
            findings = self._findings(record)
            if rejected:
                rejected.add(findings, record.raw)
            yield findings

    def _findings(self, record: Record) -> list[Finding]:
        study, found = self._study, []
        at_foot = record.number == self._outline.records
        for name, place in self._places.items():
            column = study.columns[name]
            value = read_text(record.fields[place], column, self._options.writing, study.missing)
            if isinstance(value, Fault):
                line, character = self._reader.place(record, place)
                where = Place(f"{self._name}:{line}:{character}", line, str(character))
                found.append(Finding(where, name, value, expected_of(column), at_foot))
        if not found:  # the engine is stricter; none of its rules is known to be
            where = Place(f"{self._name}:{record.line}:1", record.line, "1")
            found.append(
                Finding(where, "row", Fault.UNREADABLE, "what the study declares", at_foot)
            )
        return found

    def _header_place(self, number: int) -> str:
        line, character = self._reader.place(self._header, number)
        return f"{self._name}:{line}:{character}"

    def _refuse_empty(self) -> None:
        line = self._source.first_line
        if self._outline.records < 0 or self._outline.fields < 1:
            raise refused(
                f"{self._name}:{line}:1", "the file is empty, expected a line with column names"
            )
        if self._outline.records == 0:
            raise refused(
                f"{self._name}:{line}:1", "there is a header and no row, expected at least one row"
            )

    def _hint(self) -> str:
        """Return what is likely wrong where all of the header is one field."""
        if len(self._header.fields) > 1:
            return ""
        likely = [sign for sign in ";\t|," if sign in self._header.raw and sign != self.delimiter]
        named = ["tab" if sign == "\t" else f"'{sign}'" for sign in likely]
        return f"say how fields are separated: --delimiter {named[0]}" if named else ""

    def _read_csv(self) -> str:
        """Return SQL of the file, with nothing left to be guessed.

        How lines end is left out: DuckDB 2.0 reads no row where CR LF is said and strict mode, too. It
        makes no difference in a file that passed the scan.
        """
        quote = sql.text(self.quote)
        columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(self._outline.fields))
        options = {
            "auto_detect": "false",
            "header": "true",
            "skip": "0",
            "columns": f"{{{columns}}}",
            "delim": sql.text(self.delimiter),
            "quote": quote,
            "escape": quote,
            "encoding": "'utf-8'",
            "compression": "'none'",
            "comment": "''",
            "nullstr": "''",
            "max_line_size": str(2 * LONGEST_RECORD),
            "null_padding": "false",
            "ignore_errors": "false",
            "strict_mode": "true",
        }
        said = ", ".join(f"{key} = {value}" for key, value in options.items())
        # a blank line at the end of a file of one column is no row, which the engine does not know
        path = sql.text(name_for_duckdb(self._path))
        limit = f" LIMIT {self._outline.records}" if self._outline.fields == 1 else ""
        return f"(SELECT * FROM read_csv({path}, {said}){limit})"

    def _texts(self, connection: DuckDBPyConnection) -> str:
        """Copy the used columns of a file that the engine cannot read itself."""
        places = sorted(set(self._places.values()))
        columns = ", ".join(f"c{place} VARCHAR" for place in places)
        connection.execute(f"CREATE TABLE texts ({columns or 'c VARCHAR'})")
        batch: list[list[str]] = []
        for record in self._reader.all():
            if record.number:
                batch.append([record.fields[place] for place in places] or [""])
            if len(batch) == BATCH:
                _insert(connection, batch)
        _insert(connection, batch)
        return "texts"


def _insert(connection: DuckDBPyConnection, batch: list[list[str]]) -> None:
    if not batch:
        return
    columns = {
        f"c{place}": np.array(cells, dtype=object)
        for place, cells in enumerate(zip(*batch, strict=True))
    }
    connection.register("batch", columns)
    connection.execute("INSERT INTO texts SELECT * FROM batch")
    connection.unregister("batch")
    batch.clear()
