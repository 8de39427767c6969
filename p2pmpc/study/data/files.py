"""A party's file, of whatever kind, as typed rows that have been held against the study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from p2pmpc.errors import InputRefused
from p2pmpc.sources import Watch, unwatched
from p2pmpc.study.data.csv_file import CSVFile
from p2pmpc.study.data.engines import missing_extra, open_duckdb
from p2pmpc.study.data.excel_file import ExcelFile
from p2pmpc.study.data.faults import Finding, Rejections
from p2pmpc.study.data.options import DataOptions, Format
from p2pmpc.study.data.parquet_file import ParquetFile
from p2pmpc.study.data.rejected import RejectedRows, forget_rejected, path_of, rejected_file
from p2pmpc.study.data.report import Report
from p2pmpc.study.data.sqlite_file import SQLiteFile
from p2pmpc.study.data.staging import summarise
from p2pmpc.study.model import Study

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class DataFile(Protocol):
    """A file of one kind."""

    delimiter: str
    quote: str

    def close(self) -> None:
        """Let go of the file."""

    def load(self, connection: DuckDBPyConnection) -> None:
        """Make ``read_rows`` and ``data``."""

    def check_count(self, rows: int) -> None:
        """Refuse a file of which the engine sees another number of rows."""

    def rejections(
        self, connection: DuckDBPyConnection, rejected: RejectedRows | None
    ) -> Iterator[list[Finding]]:
        """Yield what is wrong with each rejected row, and write the row down."""


@contextlib.contextmanager
def load(
    study: Study,
    options: DataOptions,
    watch: Watch = unwatched,
    computing: Watch = unwatched,
) -> Iterator[tuple[DuckDBPyConnection, Report]]:
    """Open a party's file for a session: its good rows are ``data``, with the study's used columns.

    Args:
        study: The study.
        options: Where the rows are, and how they are written.
        watch: Told how far the reading is.
        computing: Told how far the engine's queries are, in hundredths.

    Yields:
        An engine that reaches this file alone, and what was found.

    Raises:
        ConfigurationError: The options or the installation do not fit.
        InputRefused: The file is not what the study declares; rows are rejected, and not skipped.
    """
    with opened(study, options, watch, computing, writes=False) as (connection, report):
        if refusal := report.refusal():
            raise refusal
        yield connection, report


@contextlib.contextmanager
def opened(
    study: Study, options: DataOptions, watch: Watch, computing: Watch, *, writes: bool
) -> Iterator[tuple[DuckDBPyConnection, Report]]:
    """Open a party's file, whether or not rows are rejected.

    Args:
        study: The study.
        options: Where the rows are, and how they are written.
        watch: Told how far the reading is.
        computing: Told how far the engine's queries are, in hundredths.
        writes: List what is rejected, and write the rows beside the file.

    Yields:
        An engine that reaches this file alone, with ``data``, and what was found.

    Raises:
        ConfigurationError: The options or the installation do not fit.
        InputRefused: The file cannot be read as a table with the study's columns.
        ResourceExhausted: The rejected rows cannot be written, or the memory does not suffice.
    """
    options.check()
    path = options.path
    before = _signature(path)
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(open_duckdb(path, memory=options.memory, watch=computing))
        stack.enter_context(_no_values_told(options))
        file = stack.enter_context(contextlib.closing(_file(path, study, options, watch)))
        file.load(connection)
        counts, columns = summarise(connection, study)
        file.check_count(counts.read)
        report = Report(
            str(options.data),
            counts,
            columns,
            Rejections(),
            skip_rejected=options.skip_rejected,
            maximum_rows=study.maximum_rows,
        )
        if counts.rejected:
            report = _with_rejections(report, file, connection, path, writes=writes)
        elif writes:
            forget_rejected(path)
        _check_unchanged(path, before, options)
        yield connection, report
        _check_unchanged(path, before, options)


def _with_rejections(
    report: Report, file: DataFile, connection: DuckDBPyConnection, path: Path, *, writes: bool
) -> Report:
    rejections = report.rejections
    if not writes:  # a session needs the first of them alone
        for findings in islice(file.rejections(connection, None), 1):
            rejections.add(findings)
        return report
    with rejected_file(path, file.delimiter, file.quote) as rejected:
        for findings in file.rejections(connection, rejected):
            rejections.add(findings)
    return replace(report, rejected_file=str(path_of(Path(str(report.source)))))


def _file(path: Path, study: Study, options: DataOptions, watch: Watch) -> DataFile:
    kinds: dict[Format, type[CSVFile | ParquetFile | ExcelFile | SQLiteFile]] = {
        "csv": CSVFile,
        "parquet": ParquetFile,
        "excel": ExcelFile,
        "sqlite": SQLiteFile,
    }
    return kinds[options.kind](path, study, options, watch)


def _signature(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _check_unchanged(path: Path, before: tuple[int, ...], options: DataOptions) -> None:
    try:
        changed = _signature(path) != before
    except OSError:
        changed = True
    if changed:
        raise InputRefused(
            f"{options.data}: the file changed while it was read",
            hint="let whatever writes it finish, then run again",
        )


@contextlib.contextmanager
def _no_values_told(options: DataOptions) -> Iterator[None]:
    """Say that the engine failed, in words of its own: its messages repeat lines of the data."""
    try:
        import duckdb  # noqa: PLC0415 - the extra need not be installed
    except ImportError:
        raise missing_extra("data") from None
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise InputRefused(
            f"{options.data}: the engine cannot read this file ({type(error).__name__})",
            hint="is it what its ending says, and whole? see --format",
        ) from None
