"""A PostgreSQL server gives what DuckDB gives, is only read, and its password is nowhere to be seen."""

from __future__ import annotations

import datetime as dt
import random
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from p2pmpc.errors import ConfigurationError, InputRefused, P2PMPCError
from p2pmpc.study.data.aggregating import aggregate, examine
from p2pmpc.study.data.engines import open_duckdb
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.postgres import open_postgres
from p2pmpc.study.data.tables import check_table
from p2pmpc.study.data.violations import ColumnCheck
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.kinds import (
    Count,
    CrossTab,
    Histogram,
    Mean,
    Quantiles,
    Regression,
    Sum,
    Variance,
)
from p2pmpc.study.model import ColumnType, Study
from p2pmpc.study.plan import Plan
from p2pmpc.study.session.bringing import bring
from tests.postgres_server import PASSWORD, READER, Server, running
from tests.processes import free_port
from tests.study_tables import (
    COLUMNS,
    Row,
    category,
    date,
    grid,
    in_duckdb,
    integer,
    made_up_rows,
    made_up_study,
    number,
    plainly,
    study_of,
)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests of a process."""
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


_USUAL = {
    ColumnType.NUMBER: "double precision",
    ColumnType.INTEGER: "bigint",
    ColumnType.DATE: "date",
    ColumnType.CATEGORY: "text",
}


def _in_postgres(
    server: Server,
    study: Study,
    rows: Sequence[Row],
    kinds: Mapping[str, str] | None = None,
    table: str = "made_up",
) -> None:
    """Put rows into a new table that the reader may read."""
    known = {name: _USUAL[c.type] for name, c in study.columns.items()} | dict(kinds or {})
    declared = SQL(", ").join(
        SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in known.items()
    )
    name = Identifier(table)
    with server.connect() as connection:
        connection.execute(SQL("DROP TABLE IF EXISTS {} CASCADE").format(name))
        connection.execute(SQL("CREATE TABLE {} ({})").format(name, declared))
        connection.execute(SQL("GRANT SELECT ON {} TO {}").format(name, Identifier(READER)))
        with connection.cursor().copy(SQL("COPY {} FROM STDIN").format(name)) as copy:
            for row in rows:
                copy.write_row([row[column] for column in known])


_TYPES: tuple[dict[str, str], ...] = (
    {},
    {"money": "numeric", "wide": "numeric(20, 6)", "age": "smallint", "ward": "varchar(9)"},
    {"debt": "numeric(12, 3)", "age": "numeric(5, 0)", "sex": "character(4)", "weight": "numeric"},
)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_numbers_as_on_duckdb(server: Server, seed: int) -> None:
    """One expression, two engines: floats with ties, numerics, dates and missing cells give equal sums."""
    draw = random.Random(seed)
    study, rows, kinds = made_up_study(draw), made_up_rows(draw, 60), _TYPES[seed % len(_TYPES)]
    decimals = {name: kind for name, kind in kinds.items() if "numeric" in kind and name != "age"}
    rows = [
        {
            name: round(Decimal(cell), 3) if name in decimals and cell is not None else cell
            for name, cell in row.items()
        }
        for row in rows
    ]
    terms = Plan(study).terms
    _in_postgres(server, study, rows, kinds)
    with open_duckdb(threads=1) as connection:
        here = in_duckdb(connection, study, rows, dict.fromkeys(decimals, "DECIMAL(18, 3)"))
        expected, expected_violations = aggregate(here, study, terms)
    with open_postgres(server.address, "public.made_up", study) as source:
        found, violations = aggregate(source, study, terms)
    assert found == expected == plainly(study, terms, rows)
    assert replace(violations, table="") == replace(expected_violations, table="")


def test_fine_grids_and_wide_products_are_the_same(server: Server) -> None:
    """Hundreds of edges, even or not, and products of 104 bits are what DuckDB makes of them."""
    top = 2**51 - 1
    columns = [
        number("x", "-5", "5"),
        number("y", str(-top), str(top), 0),
        integer("n", 0, 100_000),
    ]
    even = tuple(Decimal(k) / 100 for k in range(-500, 501, 2))
    uneven = tuple(sorted({Decimal(k * k) / 10 for k in range(0, 1001, 4)}))
    study = study_of(
        columns,
        Histogram("x", even),
        Quantiles("n", uneven, grid("0.5")),
        Variance("y"),
        maximum_rows=300,
    )
    draw = random.Random(5)
    rows: list[Row] = [
        {
            "x": draw.choice([-5.0, 5.0, draw.randint(-500, 500) / 100]),
            "y": float(draw.choice([-top, top, 1 - top, 2**26, -1, draw.randint(-top, top)])),
            "n": draw.choice([0, 100_000, draw.randint(0, 316) ** 2]),
        }
        for _ in range(300)
    ]
    terms = Plan(study).terms
    _in_postgres(server, study, rows)
    with open_postgres(server.address, "made_up", study) as source:
        assert aggregate(source, study, terms)[0] == plainly(study, terms, rows)


def test_types_that_stand_for_categories(server: Server) -> None:
    """An enum, a boolean, an integer, padded text and a domain are categories by how they are written."""
    columns = [
        category("e", "low", "high"),
        category("b", "true", "false"),
        category("n", "1", "2"),
        category("c", "x", "yy"),
        category("d", "p", "q"),
        number("r", "0", "1", 1),
    ]
    study = study_of(columns, CrossTab("e", "b"), CrossTab("n", "c"), Sum("r"), group_by=("d",))
    server.execute(
        "DROP TYPE IF EXISTS level CASCADE; CREATE TYPE level AS ENUM ('low', 'high', 'never')",
        "DROP DOMAIN IF EXISTS letter CASCADE; CREATE DOMAIN letter AS text CHECK (length(value) = 1)",
    )
    kinds = {
        "e": "level",
        "b": "boolean",
        "n": "smallint",
        "c": "char(3)",
        "d": "letter",
        "r": "real",
    }
    rows: list[Row] = [
        {"e": "low", "b": "true", "n": "1", "c": "x", "d": "q", "r": 0.1},
        {"e": "high", "b": "false", "n": "2", "c": "yy", "d": "p", "r": 0.7},
    ]
    _in_postgres(server, study, rows, kinds)
    terms = Plan(study).terms
    with open_postgres(server.address, "made_up", study) as source:
        assert aggregate(source, study, terms)[0] == plainly(study, terms, rows)
    _in_postgres(server, study, [{**rows[0], "e": "never"}], kinds)
    with open_postgres(server.address, "made_up", study) as source:
        assert examine(source, study).columns[0] == ColumnCheck("e", 0, unknown=1)


def test_everything_that_is_wrong_is_counted(server: Server) -> None:
    """NaN, infinities and numbers that no float holds are counted, in floats, numerics and dates."""
    columns = [
        number("x", "0", "9", 1),
        number("y", "0", "9", 1),
        date("d", dt.date(2000, 1, 1), dt.date(2000, 12, 31)),
        integer("n", 0, 9),
    ]
    study = study_of(columns, Mean("x"), Mean("y"), Mean("d"), Mean("n"))
    cells = [
        ("NaN", "NaN", "infinity", 2**63 - 1),
        ("-Infinity", "1e400", "-infinity", None),
        ("1e300", "Infinity", "4713-01-01 BC", -1),
        ("0.15", "0.15", "2000-12-31", 0),
        ("9", "9.0001", "2001-01-01", 9),
        (None, "3.0000", None, 9),
    ]
    rows = [dict(zip("xydn", row, strict=True)) for row in cells]
    _in_postgres(server, study, rows, {"y": "numeric"})
    with open_postgres(server.address, "made_up", study) as source:
        found = examine(source, study)
        with pytest.raises(InputRefused, match="made_up: column x: 2 values are not finite"):
            aggregate(source, study, Plan(study).terms)
    first, last = Decimal(11322), Decimal(11323)
    assert found.columns == (
        ColumnCheck("x", 1, 2, 1, 0, 1, minimum=Decimal("0.15"), maximum=Decimal("1e300")),
        ColumnCheck("y", 0, 3, 1, 0, 1, minimum=Decimal("0.15"), maximum=Decimal("9.0001")),
        ColumnCheck("d", 1, 3, 1, 0, 0, minimum=first, maximum=last),
        ColumnCheck("n", 1, 0, 2, 0, 0, minimum=Decimal(-1), maximum=Decimal(2**63 - 1)),
    )


def test_columns_are_called_what_the_table_calls_them(server: Server) -> None:
    """Names are quoted, whatever is in them, and a refusal says both."""
    study = study_of([number("x", "0", "9"), category("c", "a", "b")], Sum("x"), group_by=("c",))
    server.execute(
        'DROP SCHEMA IF EXISTS "Odd ""one" CASCADE; CREATE SCHEMA "Odd ""one"',
        'CREATE TABLE "Odd ""one"."select; --" ("a""b; DROP TABLE x" float, "Ort" text)',
        """INSERT INTO "Odd ""one"."select; --" VALUES (1, 'a'), (2, 'b'), (10, 'b')""",
        f'GRANT USAGE ON SCHEMA "Odd ""one" TO {READER}',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA "Odd ""one" TO {READER}',
    )
    called = {"x": 'a"b; DROP TABLE x', "c": "Ort"}
    with open_postgres(server.address, 'Odd "one.select; --', study, called) as source:
        found = examine(source, study)
        assert (found.rows, found.columns[0].outside) == (3, 1)
        with pytest.raises(InputRefused, match=r"column x \(there: a\"b; DROP TABLE x\): 1 value"):
            aggregate(source, study, Plan(study).terms)


def test_a_study_that_only_counts_needs_no_column(server: Server) -> None:
    """The number of rows is asked of a table whatever its columns are."""
    study = study_of(COLUMNS, Count())
    _in_postgres(server, _SMALL, [{"x": 1.0}, {"x": None}])
    with open_postgres(server.address, "made_up", study) as source:
        found, violations = aggregate(source, study, Plan(study).terms)
    assert found.counts == (2,)
    assert violations.columns == ()


# -- only read ------------------------------------------------------------------------------------

_SMALL = study_of([number("x", "0", "9")], Sum("x"))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE kept (x int)",
        "DELETE FROM made_up",
        "INSERT INTO made_up VALUES (1)",
        "SELECT * FROM leaking",
    ],
)
def test_nothing_is_written(server: Server, statement: str) -> None:
    """The transaction may only read, even where the user may write and a view tries to."""
    _in_postgres(server, _SMALL, [{"x": 1.0}])
    server.execute(
        f"GRANT ALL ON made_up TO {READER}; GRANT ALL ON SCHEMA public TO {READER}",
        "CREATE OR REPLACE FUNCTION leak() RETURNS int LANGUAGE sql AS"
        " 'INSERT INTO made_up VALUES (2) RETURNING 1'",
        f"CREATE OR REPLACE VIEW leaking AS SELECT leak(); GRANT SELECT ON leaking TO {READER}",
    )
    with (
        pytest.raises(InputRefused, match="SQLSTATE 25006"),
        open_postgres(server.address, "made_up", _SMALL) as source,
    ):
        source.execute(statement)
    with server.connect() as connection:
        assert connection.execute("SELECT x FROM made_up").fetchall() == [(1.0,)]


def test_all_queries_see_one_state_of_the_table(server: Server) -> None:
    """What is added once the table has been opened is neither checked nor summed."""
    _in_postgres(server, _SMALL, [{"x": 1.0}])
    with open_postgres(server.address, "made_up", _SMALL) as source:
        assert examine(source, _SMALL).rows == 1
        server.execute("INSERT INTO made_up VALUES (99)")
        found, _ = aggregate(source, _SMALL, Plan(_SMALL).terms)
    assert found.counts == (1,)


def test_the_server_sees_who_reads(server: Server) -> None:
    """The session is called p2pmpc, and ends with the block."""
    _in_postgres(server, _SMALL, [])
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'p2pmpc'"
    with open_postgres(server.address, "made_up", _SMALL) as source:
        assert source.execute(asked)[1] == [(1,)]
        shown = source.execute("SELECT current_setting('transaction_read_only')")
        assert shown[1] == [("on",)]


def test_a_query_that_takes_too_long_is_ended(server: Server) -> None:
    """The statement timeout is the server's, and the error says what to do."""
    _in_postgres(server, _SMALL, [])
    with (
        pytest.raises(ConfigurationError, match=r"took more than 0\.2 s"),
        open_postgres(server.address, "made_up", _SMALL, timeout=0.2) as source,
    ):
        source.execute("SELECT pg_sleep(60)")


# -- refusals -------------------------------------------------------------------------------------


def _error(address: str, table: str = "made_up", study: Study = _SMALL, **more: Any) -> P2PMPCError:
    with (
        pytest.raises(P2PMPCError) as caught,
        open_postgres(address, table, study, **more) as source,
    ):
        examine(source, study)
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.describe()
    for secret in (PASSWORD, "hunter2", "hunt%er2"):
        assert secret not in shown
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hunter2@127.0.0.1/x",
        "postgresql://127.0.0.1/x?user=me&password=hunter2",
        "host=127.0.0.1 password=hunter2",
        "host=127.0.0.1 sslpassword=hunter2",
    ],
)
def test_an_address_with_a_password_is_refused(address: str) -> None:
    """Others on the machine would see it in the list of processes; the error does not repeat it."""
    error = _error(address)
    assert isinstance(error, ConfigurationError)
    assert "has a password" in error.message
    assert "~/.pgpass" in error.hint


@pytest.mark.parametrize("address", ["postgresql://me:hunt%er2@h/x", "host='hunter2", "hunter2"])
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    """What libpq says of it may quote a password."""
    error = _error(address)
    assert error.message == "the address of the PostgreSQL server cannot be read"


def test_a_wrong_password_is_refused_and_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says whose password it is, and where it is looked for."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    error = _error(server.address)
    assert isinstance(error, ConfigurationError)
    assert f'password authentication failed for user "{READER}"' in error.message
    assert "~/.pgpass" in error.hint


def test_a_password_is_found_where_libpq_looks(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A password file and a service file do, and so does an empty address with an environment."""
    _in_postgres(server, _SMALL, [{"x": 1.0}])
    monkeypatch.delenv("PGPASSWORD")
    passwords, services = tmp_path / "pgpass", tmp_path / "services"
    passwords.write_text(f"127.0.0.1:{server.port}:*:{READER}:{PASSWORD}\n")
    passwords.chmod(0o600)
    services.write_text(
        f"[made]\nhost=127.0.0.1\nport={server.port}\nuser={READER}\ndbname=postgres\npassword={PASSWORD}\n"
    )
    with monkeypatch.context() as environment:
        environment.setenv("PGPASSFILE", str(passwords))
        with open_postgres(server.address, "made_up", _SMALL) as source:
            assert examine(source, _SMALL).rows == 1
    with monkeypatch.context() as environment:
        environment.setenv("PGSERVICEFILE", str(services))
        for address in ("service=made", "postgresql://?service=made"):
            with open_postgres(address, "made_up", _SMALL) as source:
                assert examine(source, _SMALL).rows == 1
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": READER,
        "PGDATABASE": "postgres",
        "PGPASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    with open_postgres("postgresql://", "made_up", _SMALL) as source:
        assert examine(source, _SMALL).rows == 1


def test_a_server_that_is_not_there_is_named() -> None:
    """Nobody listens: the error says so and where."""
    port = free_port()
    error = _error(f"postgresql://{READER}@127.0.0.1:{port}/x")
    assert isinstance(error, ConfigurationError)
    assert "cannot connect to PostgreSQL" in error.message
    assert str(port) in error.message


def test_a_table_that_the_user_may_not_read_is_refused(server: Server) -> None:
    """No permission is the server's decision; a grant of the study's columns alone is enough."""
    _in_postgres(server, _SMALL, [{"x": 1.0}])
    server.execute(
        f"REVOKE ALL ON made_up FROM {READER}; ALTER TABLE made_up ADD COLUMN secret text"
    )
    error = _error(server.address)
    assert isinstance(error, ConfigurationError)
    assert error.message == "PostgreSQL does not let this user read made_up"
    server.execute(f"GRANT SELECT (x) ON made_up TO {READER}")
    with open_postgres(server.address, "made_up", _SMALL) as source:
        assert examine(source, _SMALL).rows == 1


def test_a_table_or_column_that_is_not_there_is_refused(server: Server) -> None:
    """The error names the columns that there are."""
    _in_postgres(server, _SMALL, [])
    error = _error(server.address, "public.nothing")
    assert isinstance(error, InputRefused)
    assert "no table or view public.nothing" in error.message
    error = _error(server.address, columns={"x": "X"})
    assert isinstance(error, InputRefused)
    assert error.message == "made_up has no column X; it has x"
    assert isinstance(_error(server.address, "a.b.c"), ConfigurationError)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (number("x", "0", "9"), "text"),
        (number("x", "0", "9"), "money"),
        (integer("x", 0, 9), "numeric(9,2)"),
        (integer("x", 0, 9), "numeric"),
        (integer("x", 0, 9), "float8"),
        (date("x", dt.date(2000, 1, 1), dt.date(2001, 1, 1)), "timestamp"),
        (date("x", dt.date(2000, 1, 1), dt.date(2001, 1, 1)), "text"),
        (category("x", "a", "b"), "date"),
        (category("x", "a", "b"), "float8"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.type,
)
def test_a_column_of_another_type_is_refused(server: Server, column: Any, kind: str) -> None:
    """Nothing is converted by guessing: the error names the column, its type and what would do."""
    study = study_of([column], *([Mean("x")] if column.is_numeric else []))
    study = study if column.is_numeric else replace(study, group_by=("x",))
    _in_postgres(server, study, [], {"x": kind})
    error = _error(server.address, study=study)
    assert isinstance(error, InputRefused)
    assert (
        f"column x is of the type {kind.partition('(')[0]}, and the study expects" in error.message
    )


def test_a_collation_that_takes_one_text_for_another_is_noticed(server: Server) -> None:
    """Where the database says that A equals a, the row is refused and not counted somewhere."""
    study = study_of([category("c", "a", "b"), integer("n", 0, 1)], Sum("n"), group_by=("c",))
    server.execute(
        "CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    _in_postgres(server, study, [{"c": "A", "n": 1}], {"c": "text COLLATE loose"})
    with (
        open_postgres(server.address, "made_up", study) as source,
        pytest.raises(InputRefused, match="although the database takes it for one"),
    ):
        aggregate(source, study, Plan(study).terms)


def test_without_psycopg_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where psycopg is not installed, the error says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    error = _error("")
    assert error.hint == "in the folder of the README: pip install '.[postgres]'"


def test_a_whole_regression_by_groups(server: Server) -> None:
    """All kinds of terms at once, by the groups of two columns, of rows in random order."""
    study = study_of(COLUMNS, Regression("wide", ("money", "smokes")), group_by=("ward", "sex"))
    rows = made_up_rows(random.Random(8), 150)
    terms = Plan(study).terms
    _in_postgres(server, study, rows)
    with open_postgres(server.address, "made_up", study) as source:
        assert aggregate(source, study, terms)[0] == plainly(study, terms, rows)


# -- the commands ---------------------------------------------------------------------------------

_ASKED = """\
title = "Costs"
purpose = "What a stay costs."
parties = 3
[columns.cost]
type = "number"
minimum = 0
maximum = 100
decimals = 1
[columns.since]
type = "date"
minimum = 2020-01-01
maximum = 2026-12-31
[[filter]]
column = "since"
op = ">="
value = 2021-01-01
[[statistic]]
kind = "mean"
column = "cost"
"""


def _costs(server: Server, last: str) -> DataOptions:
    server.execute(
        "DROP TABLE IF EXISTS costs",
        'CREATE TABLE costs ("Betrag" double precision, since date)',
        "INSERT INTO costs VALUES (1.5, '2022-01-01'), (2.5, '2020-01-01'), (NULL, '2023-01-01')",
        f"INSERT INTO costs VALUES {last}",
        f"GRANT SELECT ON costs TO {READER}",
    )
    return DataOptions(data=server.address, table="costs", column=["cost=Betrag"])


def test_a_table_is_checked_where_it_is(server: Server) -> None:
    """`data check` of a database tells rows, ranges and missing values, and ends with 0."""
    found = check_table(parse_study(_ASKED.encode()), _costs(server, "(9.25, '2024-01-01')"))
    assert found.exit_code == 0
    content = found.to_json()
    assert content["rows"] == {"read": 4, "filtered_out": 1, "missing": 1, "used": 2}
    cost, since = content["columns"]
    assert (cost["minimum"], cost["maximum"], cost["rounded"]) == ("1.5", "9.25", 1)
    assert since["minimum"] == "2020-01-01"
    assert "2 used" in found.to_text()


def test_a_table_that_is_not_as_declared_is_refused(server: Server) -> None:
    """A value out of bounds ends with 8, at the check and before a study alike."""
    plan = Plan(parse_study(_ASKED.encode()))
    options = _costs(server, "(900, '2024-01-01')")
    found = check_table(plan.study, options)
    assert found.exit_code == 8
    assert "column cost (there: Betrag): 1 value is outside the bounds" in found.to_text()
    with pytest.raises(InputRefused, match="outside the bounds"):
        bring(plan, options)


def test_a_party_brings_what_its_database_has(server: Server) -> None:
    """The sums of a table come home without its rows."""
    plan = Plan(parse_study(_ASKED.encode()))
    home = bring(plan, _costs(server, "(9.25, '2024-01-01')"))
    assert (home.rows_used, home.rows_read) == (2, 4)
    (term,) = plan.terms
    centre = plan.study.columns["cost"].centre
    assert home.aggregates.sums[term] == ((15 + 93 - 2 * centre,),)


def test_a_database_needs_its_table(server: Server) -> None:
    """No table, or an option that is for files, is an error of the command line."""
    options = _costs(server, "(1, '2024-01-01')")
    study = parse_study(_ASKED.encode())
    with pytest.raises(ConfigurationError, match="no table"):
        check_table(study, replace(options, table=None))
    with pytest.raises(ConfigurationError, match="for files"):
        check_table(study, replace(options, skip_rejected=True))
