"""A table of a PostgreSQL server, opened to be read and for nothing else.

Everything that is asked runs in one transaction that may only read and that sees one state of the table.
Names are quoted; nothing of a study and nothing of a peer becomes SQL by itself. A password is never taken
from an address: it would stand in the list of processes. libpq finds it in ``~/.pgpass``, in a service file
or in ``PGPASSWORD``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from p2pmpc.errors import ConfigurationError, InputRefused, P2PMPCError, ResourceExhausted
from p2pmpc.study.data.engines import Source, missing_extra
from p2pmpc.study.model import ColumnType, Study

if TYPE_CHECKING:
    import psycopg

DEFAULT_TIMEOUT: Final = 600
"""Seconds that one query may take."""

CONNECT_SECONDS: Final = 10

APPLICATION: Final = "p2pmpc"

_SAFER: Final = "put the password into ~/.pgpass, a service file or PGPASSWORD"

_WHOLE: Final = {"int2": "int64", "int4": "int64", "int8": "int64"}
_REAL: Final = {"float4": "float32", "float8": "float64", "numeric": "decimal"}
_TEXTS: Final = ("text", "varchar", "bpchar", "name", "bool", *_WHOLE)

_FITTING: Final = {
    ColumnType.NUMBER: "smallint, integer, bigint, real, double precision or numeric",
    ColumnType.INTEGER: "smallint, integer, bigint or numeric without decimals",
    ColumnType.DATE: "date",
    ColumnType.CATEGORY: "text, varchar, char, an enum, boolean or an integer",
}


@dataclass(frozen=True)
class _Column:
    """A column of the server's table: its name, its type, and of a numeric its decimals."""

    name: str
    type: str
    is_enum: bool
    scale: int | None


@contextmanager
def open_postgres(
    address: str,
    table: str,
    study: Study,
    columns: Mapping[str, str] | None = None,
    *,
    timeout: float = DEFAULT_TIMEOUT,
) -> Iterator[Source]:
    """Open a table of a PostgreSQL server.

    Args:
        address: ``postgresql://user@host:port/database``, or ``service=NAME``, or empty: then libpq's
            environment says where. Without a password.
        table: ``schema.table``, or ``table`` where the server's search path finds it; a view will do.
        study: Whose columns are read.
        columns: By column of the study, what the table calls it; by default the same.
        timeout: Seconds that one query may take.

    Raises:
        ConfigurationError: psycopg is not installed; the address is none, or has a password; the server
            is not reached, knows no such user, or does not let it read; a query took too long.
        InputRefused: There is no such table or column, or a column is of another type.
        ResourceExhausted: The server has not enough memory or disk.
    """
    try:
        import ibis  # noqa: F401, PLC0415 - the extra need not be installed
        import psycopg  # noqa: PLC0415 - likewise
    except ImportError:
        raise missing_extra("postgres") from None
    called = {name: (columns or {}).get(name, name) for name in study.used}
    connection = _connected(address)
    try:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        limit = str(max(1, round(timeout * 1000)))
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [limit])
        yield _source(connection, table, study, called)
    except psycopg.Error as error:
        raise _refusal(error, table, timeout) from None
    finally:
        connection.close()


def _connected(address: str) -> psycopg.Connection[Any]:
    from psycopg import Error, connect  # noqa: PLC0415 - the extra need not be installed

    target = _target(address)
    try:
        return connect(target)
    except Error as error:
        raise ConfigurationError(
            f"cannot connect to PostgreSQL: {_said(error)}",
            hint="check the address, the user and its password (~/.pgpass, a service file or PGPASSWORD)",
        ) from None


def _target(address: str) -> str:
    """Return what psycopg connects to: an address that has been checked, and how long to wait for it."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - the extra need not be installed
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - likewise

    try:
        parts = conninfo_to_dict(address)
    except ProgrammingError:
        # What libpq says of it may quote the password.
        raise ConfigurationError(
            "the address of the PostgreSQL server cannot be read",
            hint="write it like postgresql://user@host:5432/database or service=NAME",
        ) from None
    if parts.get("password") or parts.get("sslpassword"):
        raise ConfigurationError(
            "the address of the PostgreSQL server has a password, which others on this machine can read "
            "in the list of processes",
            hint=_SAFER,
        )
    ours: dict[str, str | int] = {"application_name": APPLICATION, "client_encoding": "utf8"}
    if "connect_timeout" not in parts and not os.environ.get("PGCONNECT_TIMEOUT"):
        ours["connect_timeout"] = CONNECT_SECONDS
    return make_conninfo(address, **ours)


def _said(error: psycopg.Error) -> str:
    """Return an error of libpq in one line, without the password, should it ever stand there."""
    text = " ".join(str(error).split())
    password = os.environ.get("PGPASSWORD")
    return text.replace(password, "***") if password else text


def _refusal(error: psycopg.Error, table: str, timeout: float) -> P2PMPCError:
    """Return what is raised where a query fails; of the server's words only what has no value in it."""
    from psycopg import errors  # noqa: PLC0415 - the extra need not be installed

    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(
            f"PostgreSQL does not let this user read {table}",
            hint=f"GRANT SELECT ON {table} TO the user, or a view of the columns of the study",
        )
    if isinstance(error, errors.QueryCanceled):
        return ConfigurationError(
            f"PostgreSQL ended a query on {table} that took more than {timeout:g} s",
            hint="allow it more time",
        )
    state = error.sqlstate or ""
    if state.startswith("53"):
        return ResourceExhausted(
            f"PostgreSQL has not enough memory or disk for a query on {table} (SQLSTATE {state})",
            hint="ask whoever runs the server",
        )
    if not state or state.startswith(("08", "57")):
        return ConfigurationError(
            f"the connection to PostgreSQL was lost while {table} was read",
            hint="see whether the server runs, and start again",
        )
    return InputRefused(
        f"PostgreSQL could not compute what the study asks of {table} (SQLSTATE {state}: "
        f"{type(error).__name__})",
        hint="see whether the table is a view that fails for some of its rows",
    )


# -- the table ------------------------------------------------------------------------------------


def _source(
    connection: psycopg.Connection[Any], table: str, study: Study, called: Mapping[str, str]
) -> Source:
    import ibis  # noqa: PLC0415 - the extra need not be installed

    schema, name = _parts(table)
    there = _columns(connection, table, schema, name)
    missing = [theirs for theirs in called.values() if theirs not in there]
    if missing:
        raise InputRefused(
            f"{table} has no column {' or '.join(missing)}; it has {', '.join(there)}",
            hint="say what the table calls a column of the study, or make a view with its names",
        )
    kinds, casts = {}, {}
    for ours, theirs in called.items():
        kinds[theirs], casts[ours] = _read_as(there[theirs], ours, study.columns[ours].type, table)
    # Where only rows are counted, any column stands for the table.
    base = ibis.table(kinds or {next(iter(there)): "int64"}, name=name, database=schema)
    columns = {ours: cast(base[called[ours]]) for ours, cast in casts.items()}

    def execute(query: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
        done = connection.execute(query)
        return [column.name for column in done.description or ()], done.fetchall()

    # Selecting every column as it is would become SELECT *: more than the user may be allowed to read.
    is_plain = list(columns) == list(kinds) and all(
        column.equals(base[ours]) for ours, column in columns.items()
    )
    expression = base.select(**columns) if columns and not is_plain else base
    return Source(table, "postgres", expression, execute, called)


def _parts(table: str) -> tuple[str | None, str]:
    parts = table.split(".")
    if len(parts) > 2 or not all(parts) or "\0" in table:
        raise ConfigurationError(
            f"{table!r} names no table", hint="write schema.table; a name with a dot needs a view"
        )
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


_FIND: Final = """
SELECT a.attname, coalesce(base.typname, t.typname),
       coalesce(base.typtype, t.typtype) = 'e',
       CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 4 THEN (a.atttypmod - 4) & 65535 END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type base ON t.typtype = 'd' AND base.oid = t.typbasetype
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def _columns(
    connection: psycopg.Connection[Any], table: str, schema: str | None, name: str
) -> dict[str, _Column]:
    from psycopg.sql import Identifier  # noqa: PLC0415 - the extra need not be installed

    parts = (schema, name) if schema else (name,)
    found = connection.execute(_FIND, [Identifier(*parts).as_string(connection)]).fetchall()
    if not found:
        raise InputRefused(
            f"there is no table or view {table} in the database {connection.info.dbname}",
            hint="write schema.table as the server spells it, small and capital letters alike",
        )
    return {row[0]: _Column(*row) for row in found}


def _read_as(
    column: _Column, ours: str, wanted: ColumnType, table: str
) -> tuple[str, Callable[[Any], Any]]:
    """Return what Ibis takes a column for, and how it becomes what the study's column is."""
    kind = column.type
    if wanted is ColumnType.CATEGORY and (column.is_enum or kind in _TEXTS):
        # Taken for a number so that the cast to a text is written, where a text would need none.
        return ("string", _same) if kind == "text" else ("int64", lambda cell: cell.cast("string"))
    if wanted is ColumnType.DATE and kind == "date":
        return "date", _same
    if wanted is ColumnType.NUMBER and kind in _WHOLE | _REAL:
        return (_WHOLE | _REAL)[kind], (
            lambda cell: cell.cast("float64")
        ) if kind == "float4" else _same
    if wanted is ColumnType.INTEGER and (
        kind in _WHOLE or (kind == "numeric" and column.scale == 0)
    ):
        return _WHOLE.get(kind, "decimal"), _same
    where = f" (there: {column.name})" if column.name != ours else ""
    raise InputRefused(
        f"{table}: column {ours}{where} is of the type {kind}, and the study expects {wanted}: "
        f"{_FITTING[wanted]}",
        hint="make a view that casts it, so that it is you who decides how",
    )


def _same(cell: Any) -> Any:
    return cell


__all__ = ["DEFAULT_TIMEOUT", "open_postgres"]
