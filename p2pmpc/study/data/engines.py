"""DuckDB for a party's file: in memory, and with that file as the only thing within its reach.

Nothing is spilled to the disk: no row of a party is left behind, and what does not fit the memory limit
is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from p2pmpc.errors import ConfigurationError, ResourceExhausted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_MEMORY: Final = "512MB"

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
        hint=f"pip install 'p2pmpc[{extra}]'",
    )


def name_for_duckdb(path: Path) -> str:
    """Return what DuckDB reads as the name of one file, whatever characters are in it.

    DuckDB takes a name with ``*``, ``?`` or ``[`` as a pattern: ``[a].csv`` would be read from ``a.csv``.

    Args:
        path: The file.
    """
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path.resolve()))


@contextmanager
def open_duckdb(
    path: Path | None = None, *, memory: str = DEFAULT_MEMORY, threads: int | None = None
) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB in memory that can read one file and reach nothing else.

    Its settings are locked: no other file, no address, no extension, no export.

    Args:
        path: The file, to be named in queries by :func:`name_for_duckdb`; None for none.
        memory: The most it may use, as DuckDB writes it: ``512MB``.
        threads: How many it uses; None for one per core.

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
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
