"""DuckDB for a party's file: in memory, and with that file as the only thing within its reach.

Nothing is spilled to the disk: no row of a party is left behind, and what does not fit the memory limit
is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from p2pmpc.errors import ConfigurationError, InputRefused, ResourceExhausted
from p2pmpc.sources import Watch, unwatched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_MEMORY: Final = "512MB"

_POLL_SECONDS: Final = 0.5

_AT_START: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
}


def missing_extra(extra: str) -> ConfigurationError:
    """Return what is raised where a package of an extra cannot be imported.

    Args:
        extra: ``data`` or ``postgres``.
    """
    return ConfigurationError(
        f"what reads data of this kind is not installed: the extra {extra!r}",
        hint=f"in the folder of the README: pip install '.[{extra}]'",
    )


def name_for_duckdb(path: Path) -> str:
    """Return what DuckDB reads as the name of one file, whatever characters are in it.

    DuckDB takes a name with ``*``, ``?`` or ``[`` as a pattern: ``[a].csv`` would be read from ``a.csv``.

    Args:
        path: The file.
    """
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path.resolve()))


@dataclass(frozen=True)
class Source:
    """A table in an engine.

    Args:
        name: What people call it.
        dialect: What Ibis calls the engine's SQL.
        table: The Ibis table; its columns are named as the study's.
        execute: Runs SQL; returns the names of the columns, and the rows.
        called: By column of the study, what the table calls it, where that differs.
    """

    name: str
    dialect: str
    table: Any
    execute: Callable[[str], tuple[list[str], Sequence[Sequence[Any]]]]
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_wide_sums(self) -> bool:
        """Whether the engine is known to sum integers of 64 bits without an overflow."""
        return self.dialect in {"duckdb", "postgres"}

    def run(self, expression: Any) -> tuple[list[str], Sequence[Sequence[Any]]]:
        """Return what an Ibis expression gives: the names of its columns, and its rows.

        Args:
            expression: Of :attr:`table`.
        """
        import ibis  # noqa: PLC0415 - the extra need not be installed

        return self.execute(str(ibis.to_sql(expression, dialect=self.dialect, pretty=False)))


@contextmanager
def open_duckdb(
    path: Path | None = None,
    *,
    memory: str = DEFAULT_MEMORY,
    threads: int | None = None,
    watch: Watch = unwatched,
) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB in memory that can read one file and reach nothing else.

    Its settings are locked: no other file, no address, no extension, no export.

    Args:
        path: The file, to be named in queries by :func:`name_for_duckdb`; None for none.
        memory: The most it may use, as DuckDB writes it: ``512MB``.
        threads: How many it uses; None for one per core.
        watch: Told how far a long query is, in hundredths of its work.

    Raises:
        ConfigurationError: DuckDB is not installed, or does not know the limit.
        ResourceExhausted: What is done within needs more memory than that.
    """
    try:
        import duckdb  # noqa: PLC0415 - the extra need not be installed
    except ImportError:
        raise missing_extra("data") from None
    options: dict[str, str | bool | int | float | list[str]] = {**_AT_START, "memory_limit": memory}
    if threads is not None:
        options["threads"] = str(threads)
    try:
        connection = duckdb.connect(":memory:", config=options)
    except duckdb.Error:
        raise ConfigurationError(
            f"DuckDB cannot start with a memory limit of {memory!r} and threads {threads}",
            hint="write the limit like 512MB or 2GB, and at least one thread",
        ) from None
    with connection:
        _lock(connection, path)
        try:
            with _watched(connection, watch):
                yield connection
        except duckdb.OutOfMemoryException:
            raise ResourceExhausted(
                f"the table needs more than the {memory} of memory that DuckDB may use",
                hint="allow it more memory, or convert the file to Parquet, which is read in parts",
            ) from None


def _lock(connection: DuckDBPyConnection, path: Path | None) -> None:
    # allowed_paths must be set before external access ends, and the lock comes last.
    if path is not None:
        names = list(dict.fromkeys((str(path.resolve()), name_for_duckdb(path))))
        connection.execute("SET allowed_paths = $names", {"names": names})
    connection.execute("SET temp_directory = ''")
    # How far a query is can only be asked where it is measured; DuckDB itself would print it to stdout.
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET enable_progress_bar_print = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def _watched(connection: DuckDBPyConnection, watch: Watch) -> Iterator[None]:
    """Tell how far queries are, from a thread of its own: a query keeps its own one busy."""
    if watch is unwatched:
        yield
        return
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_POLL_SECONDS):
            done = connection.query_progress()
            if done > 0:  # else nothing runs, or nobody knows
                watch(int(done), 100)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


_TYPES: Final = {"DOUBLE": "float64", "BIGINT": "int64", "DATE": "date", "VARCHAR": "string"}


def duckdb_source(connection: DuckDBPyConnection, name: str, table: str = "data") -> Source:
    """Return a table or view of an open DuckDB.

    Args:
        connection: Of :func:`open_duckdb`.
        name: What people call it: the file.
        table: What DuckDB calls it. Its columns are those of the study, as DOUBLE, DECIMAL, BIGINT, DATE
            or VARCHAR.

    Raises:
        ConfigurationError: Ibis is not installed.
        InputRefused: A column is of another type.
    """
    try:
        import ibis  # noqa: PLC0415 - the extra need not be installed
    except ImportError:
        raise missing_extra("data") from None

    def execute(query: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
        done = connection.execute(query)
        return [column[0] for column in done.description or ()], done.fetchall()

    quoted = table.replace('"', '""')
    schema = {}
    for column, kind, *_ in execute(f'DESCRIBE "{quoted}"')[1]:
        is_decimal = kind.startswith("DECIMAL(")
        if not is_decimal and kind not in _TYPES:
            raise InputRefused(
                f"{name}: column {column} is of the type {kind}, which no study uses"
            )
        # Without its scale, which Ibis would want to be the same on both sides of a comparison.
        schema[column] = ibis.dtype("decimal").copy(precision=38) if is_decimal else _TYPES[kind]
    return Source(name, "duckdb", ibis.table(schema, name=table), execute)
