"""What a party computes at home is what plain Python computes, row by row, to the last digit."""

from __future__ import annotations

import datetime as dt
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

from p2pmpc.errors import ConfigurationError, InputRefused, Revealed
from p2pmpc.study.data.aggregating import aggregate, examine
from p2pmpc.study.data.cubes import MOST_GROUPS, cubes_of
from p2pmpc.study.data.engines import Source, duckdb_source, open_duckdb
from p2pmpc.study.data.violations import ColumnCheck
from p2pmpc.study.kinds import (
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Regression,
    Statistic,
    Sum,
    Variance,
)
from p2pmpc.study.model import Comparison, Filter, Missing, Study
from p2pmpc.study.plan import Aggregates, Plan
from p2pmpc.study.terms import Bins
from tests.study_tables import (
    COLUMNS,
    Row,
    category,
    date,
    grid,
    in_duckdb,
    integer,
    is_wide,
    made_up_rows,
    made_up_study,
    number,
    plainly,
    scaled,
    study_of,
    used_rows,
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB without a file."""
    with open_duckdb(threads=1) as opened:
        yield opened


def _same(connection: duckdb.DuckDBPyConnection, study: Study, rows: list[Row]) -> Aggregates:
    """Check that DuckDB gives what plain Python gives, and return it."""
    terms = Plan(study).terms
    found, violations = aggregate(in_duckdb(connection, study, rows), study, terms)
    assert found == plainly(study, terms, rows)
    assert violations.used == len(used_rows(study, rows))
    assert all(type(n) is int for groups in found.sums.values() for one in groups for n in one)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_every_term_is_what_plain_python_computes(
    connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """Groups, filters, missing cells, ties and products of every size: all sums are equal."""
    draw = random.Random(seed)
    _same(connection, made_up_study(draw), made_up_rows(draw, draw.choice([1, 30, 200])))


@pytest.mark.parametrize(
    ("column", "cells", "comparison", "values", "left"),
    [
        ("x", [1.0, 2.0, 2.5], "<", ["2"], 1),
        ("x", [1.0, 2.0, 2.5], "<=", ["2"], 2),
        ("x", [0.1, 0.3, 0.1 + 0.2], "=", ["0.3"], 1),
        ("x", [0.1, 0.3, 0.1 + 0.2], "!=", ["0.3"], 2),
        ("x", [1.0, 2.0, 2.5], "in", ["1", "2.50"], 2),
        ("n", [1, 2, 3], ">", ["2"], 1),
        ("n", [1, 2, 3], ">=", ["2"], 2),
        ("n", [1, 2, 3], ">", ["1.5"], 2),
        ("n", [1, 2, 3], "=", ["1.5"], 0),
        ("n", [1, 2, 3], "in", ["1", "3", "9"], 2),
        ("d", [dt.date(1969, 12, 31), dt.date(1970, 1, 2)], "<", ["0"], 1),
        ("d", [dt.date(1969, 12, 31), dt.date(1970, 1, 2)], "in", ["-1", "1"], 2),
        ("c", ["a", "b", "it's"], "=", ["it's"], 1),
        ("c", ["a", "b", "it's"], "!=", ["a"], 2),
        ("c", ["a", "b", "it's"], "in", ["a", "b"], 2),
    ],
)
def test_filters_leave_the_rows_for_which_they_hold(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    cells: list[object],
    comparison: str,
    values: list[str],
    left: int,
) -> None:
    """Every comparison, on every type of column; a missing cell is no row, not one filtered out."""
    columns = [
        number("x", "0", "10"),
        integer("n", 0, 10),
        date("d", dt.date(1960, 1, 1), dt.date(1980, 1, 1)),
        category("c", "a", "b", "it's"),
    ]
    usual: Row = {"x": 1.0, "n": 1, "d": dt.date(1970, 1, 1), "c": "a"}
    given = tuple(values) if column == "c" else tuple(Decimal(v) for v in values)
    study = study_of(columns, Sum("x"), filters=(Filter(column, Comparison(comparison), given),))
    rows: list[Row] = [{**usual, column: cell} for cell in (*cells, None)]
    found = examine(in_duckdb(connection, study, rows), study)
    assert (found.used, found.filtered_out, found.incomplete) == (left, len(cells) - left, 1)
    assert _same(connection, study, rows).counts == (left,)


def test_a_row_that_one_filter_leaves_out_is_not_incomplete(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A row is filtered out by any filter that does not hold, whatever else it lacks."""
    filters = (
        Filter("x", Comparison.ABOVE, (Decimal(1),)),
        Filter("n", Comparison.ABOVE, (Decimal(1),)),
    )
    study = study_of([number("x", "0", "9"), integer("n", 0, 9)], Sum("x"), filters=filters)
    rows: list[Row] = [{"x": None, "n": 0}, {"x": None, "n": 5}, {"x": 0.0, "n": None}]
    found = examine(in_duckdb(connection, study, rows), study)
    assert (found.rows, found.filtered_out, found.incomplete, found.used) == (3, 2, 1, 0)


def test_columns_that_no_statistic_needs_may_be_missing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Only columns of statistics, groups and filters decide which rows are used."""
    study = study_of([number("x", "0", "9"), number("y", "0", "1")], Sum("x"))
    rows: list[Row] = [{"x": 1.0, "y": None}, {"x": 2.0, "y": math.nan}]
    assert _same(connection, study, rows).counts == (2,)


def test_halves_are_rounded_up_as_floats_and_as_decimals(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The scaled integer is floor(x 10^d + 1/2), also below zero; a decimal is rounded exactly."""
    texts = [
        "1.005",
        "-1.005",
        "0.125",
        "-0.125",
        "2.675",
        "-0.001",
        "0.005",
        "-9.995",
        "10",
        "-10",
    ]
    columns = [number("x", "-10", "10"), category("text", *texts)]
    study = study_of(columns, Sum("x"), group_by=("text",))
    _same(connection, study, [{"x": float(text), "text": text} for text in texts])
    terms = Plan(study).terms
    rows: list[Row] = [{"x": Decimal(text), "text": text} for text in texts]
    for kind in ("DECIMAL(18, 4)", "DECIMAL(38, 3)", "DECIMAL(6, 4)"):
        table = in_duckdb(connection, study, rows, {"x": kind})
        assert aggregate(table, study, terms)[0] == plainly(study, terms, rows), kind
    assert scaled(Decimal("-1.005"), study.columns["x"]) == -100
    assert scaled(Decimal("1.005"), study.columns["x"]) == 101


def test_whole_numbers_stand_for_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """A number column may be held as whole numbers."""
    study = study_of([number("x", "-10.5", "10")], Variance("x"))
    rows: list[Row] = [{"x": -10}, {"x": 3}]
    table = in_duckdb(connection, study, rows, {"x": "BIGINT"})
    terms = Plan(study).terms
    assert aggregate(table, study, terms)[0] == plainly(study, terms, rows)


def test_products_beyond_62_bits_are_exact(connection: duckdb.DuckDBPyConnection) -> None:
    """Products of two values of 52 bits, of either sign, are summed to the last digit."""
    top = 2**51 - 1
    wide = number("x", str(-top), str(top), 0), number("y", str(-top), str(top), 0)
    study = study_of(wide, Covariance(("x", "y")), maximum_rows=4)
    terms = Plan(study).terms
    assert all(is_wide(term, study) for term in terms[-3:])
    ends = [float(-top), float(1 - top), -1.0, 0.0, 1.0, float(2**26), float(2**26 - 1), float(top)]
    draw = random.Random(1)
    rows: list[Row] = [{"x": draw.choice(ends), "y": draw.choice(ends)} for _ in range(60)]
    study = study_of(wide, Covariance(("x", "y")), maximum_rows=60)
    _same(connection, study, rows)


def test_engines_whose_sums_overflow_are_asked_for_decimals(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sums of integers have 64 bits, everything is summed as decimals, with the same result."""
    monkeypatch.setattr(Source, "has_wide_sums", False)
    columns = [number("x", "-2147483647", "2147483647", 0), number("y", "-9e14", "9e14", 0)]
    study = study_of(columns, Covariance(("x", "y")))
    rows: list[Row] = [{"x": 2147483647.0, "y": -9e14}, {"x": 2147483646.0, "y": 9e14}] * 40
    _same(connection, study, rows)
    assert not Source("visits", "trino", None, lambda _: ([], [])).has_wide_sums


@pytest.mark.parametrize("dialect", ["trino", "bigquery"])
def test_engines_that_no_test_runs_are_at_least_written_for(dialect: str) -> None:
    """Ibis can write the SQL of every kind of term for them; that it runs is not said."""
    import ibis

    from p2pmpc.study.data.expression import Question

    kinds = {"number": "float64", "integer": "int64", "date": "date", "category": "string"}
    table = ibis.table({c.name: kinds[c.type] for c in COLUMNS}, name="visits")
    study = study_of(COLUMNS, *_statistics(), group_by=("sex",))
    question = Question(table, study, has_wide_sums=False)
    assert ibis.to_sql(question.violations(), dialect=dialect)
    for cube in cubes_of(study, Plan(study).terms):
        written = str(ibis.to_sql(question.cube(cube), dialect=dialect))
        assert "NUMERIC" in written or "DECIMAL(38, 0)" in written


def _counted(bins: tuple[Decimal, ...], low: str, high: str, decimals: int = 2) -> Study:
    return study_of([number("x", low, high, decimals)], Histogram("x", bins), maximum_rows=10_000)


@pytest.mark.parametrize(
    "edges",
    [
        grid("-5", "5"),
        grid("-5", "0", "5"),
        grid("-5", "-4.99", "-0.01", "0", "0.01", "3", "5"),
        grid("-5", "-1.111", "-1.1105", "0", "4.999", "5"),  # two that round to one edge
        tuple(Decimal(k) / 100 for k in range(-500, 501)),
        tuple(Decimal(k * abs(k)) / 50000 for k in range(-500, 501)),
        tuple(Decimal(-5) + Decimal(10 * k) / 7 for k in range(7)) + grid("5"),
    ],
    ids=["one", "two", "uneven", "empty", "thousand", "thousand uneven", "thirds"],
)
def test_values_on_edges_are_counted_above_them(
    connection: duckdb.DuckDBPyConnection, edges: tuple[Decimal, ...]
) -> None:
    """A cell holds its lower edge, and the last one its upper edge, too, even or not."""
    study = _counted(edges, "-5", "5")
    values = {float(edge) for edge in edges} | {k / 10 for k in range(-50, 51)} | {4.994, -4.995}
    near = {v + d for v in values for d in (-0.01, 0.01) if abs(v + d) <= 5}
    found = _same(connection, study, [{"x": value} for value in sorted(values | near)])
    (term,) = (term for term in found.sums if isinstance(term, Bins))
    assert sum(found.sums[term][0]) == found.counts[0]


def test_an_even_grid_of_large_numbers_is_counted_exactly(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Where a float could not divide exactly, values beside an edge are still in their cells."""
    top = 2**55
    study = _counted(tuple(Decimal(top // 8 * k) for k in range(9)), "0", str(top), 0)
    rows = [{"x": top // 8 * k + d} for k in range(1, 8) for d in (-1, 0, 1)]
    terms = Plan(study_of(list(study.columns.values()), *study.statistics, maximum_rows=30)).terms
    table = in_duckdb(connection, study, rows, {"x": "BIGINT"})
    assert aggregate(table, study, terms)[0] == plainly(study, terms, rows)


def test_a_table_without_rows_has_sums_of_zero(connection: duckdb.DuckDBPyConnection) -> None:
    """No rows at all, and none that a filter leaves, are zeros in every place."""
    for groups in ((), ("ward", "sex")):
        study = study_of(COLUMNS, Variance("wide"), CrossTab("ward", "smokes"), group_by=groups)
        found = _same(connection, study, [])
        assert set(found.counts) == {0}
    nobody = (Filter("age", Comparison.ABOVE, (Decimal(120),)),)
    study = study_of(
        COLUMNS, Mean("money"), Histogram("money", grid("-250.5", "1000")), filters=nobody
    )
    assert _same(connection, study, made_up_rows(random.Random(1), 20)).counts == (0,)
    found_in_none = examine(in_duckdb(connection, study, []), study)
    assert found_in_none.columns[0] == ColumnCheck("money", missing=0)


def test_a_study_that_only_counts_needs_no_column(connection: duckdb.DuckDBPyConnection) -> None:
    """Without a column that is used, every row counts."""
    study = study_of(COLUMNS, Count())
    rows = made_up_rows(random.Random(4), 9, missing=0.5)
    assert _same(connection, study, rows).counts == (9,)


def test_groups_without_rows_are_zeros_in_their_place(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Every declared combination has its number, whether a row is in it or not."""
    study = study_of(COLUMNS, Mean("age"), group_by=("ward", "sex"))
    row = {**made_up_rows(random.Random(2), 1, missing=0)[0], "ward": "süd", "sex": "f"}
    assert _same(connection, study, [row, row]).counts == (0, 0, 0, 0, 2, 0)


# -- what a table may not have --------------------------------------------------------------------


def test_everything_that_is_wrong_is_counted(connection: duckdb.DuckDBPyConnection) -> None:
    """Missing, not finite, outside, unknown and rounded cells are told apart; ranges are of finite ones."""
    columns = [
        number("x", "-1", "10.5", 1),
        integer("n", 0, 9),
        date("d", dt.date(2000, 1, 1), dt.date(2000, 12, 31)),
        category("c", "a", "b"),
    ]
    study = study_of(columns, Mean("x"), Mean("n"), Mean("d"), group_by=("c",))
    connection.execute("CREATE OR REPLACE TABLE data (x DOUBLE, n BIGINT, d DATE, c VARCHAR)")
    connection.execute(
        """INSERT INTO data VALUES
        (NULL, 9223372036854775807, '2000-01-01', 'a'), ('NaN', 0, '2001-01-01', 'A'),
        ('inf', -1, 'infinity', ''), ('-inf', 3, '-infinity', NULL), (1e300, 10, '1999-12-31', 'b'),
        (10.51, 1, NULL, 'a '), (10.5, 1, '2000-06-01', 'b'), (0.1, NULL, '2000-06-01', 'b'),
        (0.15, 1, '2000-06-01', 'b'), (0.3, 1, '2000-06-01', 'b'), (-1.0, 1, '2000-06-01', 'b')"""
    )
    found = examine(duckdb_source(connection, "made-up.csv"), study)
    first, last = Decimal(10956), Decimal(11323)
    assert found.columns == (
        ColumnCheck("x", 1, 3, 2, 0, 1, minimum=Decimal(-1), maximum=Decimal("1e300")),
        ColumnCheck("n", 1, 0, 3, 0, 0, minimum=Decimal(-1), maximum=Decimal(2**63 - 1)),
        ColumnCheck("d", 1, 2, 2, 0, 0, minimum=first, maximum=last),
        ColumnCheck("c", 1, unknown=3),
    )
    assert (found.rows, found.filtered_out, found.incomplete) == (11, 0, 4)


def _refused(table: Source, study: Study) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        aggregate(table, study, Plan(study).terms)
    return caught.value


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"x": 10.25}, "column x: 1 value is outside the bounds, expected -1.5 to 10 EUR"),
        ({"x": math.nan}, "column x: 1 value is not finite (NaN or infinity)"),
        ({"n": 7}, "column n: 1 value is outside the bounds, expected 0 to 5"),
        (
            {"d": dt.date(1999, 1, 1)},
            "column d: 1 value is outside the bounds, expected 2000-01-01 to 2000-12-31",
        ),
        ({"c": "z"}, "column c: 1 value is of no declared category, expected one of a, b"),
    ],
)
def test_a_table_with_a_wrong_cell_is_refused(
    connection: duckdb.DuckDBPyConnection, cells: dict[str, object], said: str
) -> None:
    """One such cell in a column that is used, and nothing is computed; the cell itself is not shown."""
    columns = [
        number("x", "-1.5", "10"),
        integer("n", 0, 5),
        date("d", dt.date(2000, 1, 1), dt.date(2000, 12, 31)),
        category("c", "a", "b"),
    ]
    study = study_of(columns, Mean("x"), Mean("n"), Mean("d"), group_by=("c",))
    good: Row = {"x": 1.0, "n": 1, "d": dt.date(2000, 2, 29), "c": "a"}
    error = _refused(in_duckdb(connection, study, [good, {**good, **cells}]), study)
    assert error.message == f"made-up.csv: {said}"
    assert error.exit_code == 8
    assert error.revealed is Revealed.NOTHING


def test_missing_cells_are_refused_where_the_study_says_so(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The policy ``refuse`` lets no row be left out for a missing cell, save one that is filtered out."""
    columns = [number("x", "0", "9"), integer("n", 0, 9)]
    filters = (Filter("n", Comparison.ABOVE, (Decimal(0),)),)
    study = study_of(columns, Sum("x"), missing=Missing.REFUSE, filters=filters)
    _same(connection, study, [{"x": None, "n": 0}, {"x": 1.0, "n": 1}])
    error = _refused(in_duckdb(connection, study, [{"x": None, "n": 1}]), study)
    assert error.message == "made-up.csv: column x: 1 value is missing, and the study refuses that"


def test_more_rows_than_declared_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """maximum_rows is of the rows that are used."""
    filters = (Filter("x", Comparison.ABOVE, (Decimal(0),)),)
    study = study_of([number("x", "0", "9")], Sum("x"), maximum_rows=2, filters=filters)
    _same(connection, study, [{"x": 0.0}, {"x": 1.0}, {"x": 1.0}])
    error = _refused(in_duckdb(connection, study, [{"x": 1.0}] * 3), study)
    assert error.message == "made-up.csv: 3 rows are used, and maximum_rows is 2"


def test_many_complaints_are_told_in_one_message(connection: duckdb.DuckDBPyConnection) -> None:
    """The first five are named and the others counted."""
    columns = [integer(f"n{k}", 0, 1) for k in range(7)]
    study = study_of(columns, *(Sum(column.name) for column in columns))
    error = _refused(in_duckdb(connection, study, [{c.name: 2 for c in columns}]), study)
    assert error.message.endswith(
        "column n4: 1 value is outside the bounds, expected 0 to 1; and 2 more of the kind"
    )


def test_counts_are_in_no_repr(connection: duckdb.DuckDBPyConnection) -> None:
    """What is printed of a check by accident has no number of the party."""
    study = study_of([integer("n", 0, 99)], Sum("n"))
    found = examine(in_duckdb(connection, study, [{"n": 77}] * 31), study)
    assert "31" not in repr(found)
    assert "77" not in repr(found)


def test_a_column_of_another_type_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """What brings a file into DuckDB gives columns of the study's types."""
    connection.execute("CREATE OR REPLACE TABLE data (x TIMESTAMP)")
    with pytest.raises(InputRefused, match=r"made-up\.csv: column x is of the type TIMESTAMP"):
        duckdb_source(connection, "made-up.csv")


# -- how it is asked ------------------------------------------------------------------------------


def _statistics() -> tuple[Statistic, ...]:
    return (
        Regression("wide", ("money", "age", "smokes", "born")),
        CrossTab("ward", "smokes"),
        CrossTab("sex", "ward"),
        Histogram("age", tuple(Decimal(k) for k in range(0, 121, 5))),
    )


def test_few_queries_answer_a_study() -> None:
    """Terms of few groups share one query; a fine grid has one of its own, so groups stay few."""
    study = study_of(COLUMNS, *_statistics(), group_by=("sex",))
    assert len(cubes_of(study, Plan(study).terms)) == 1
    fine = Histogram("born", tuple(Decimal(-14125 + 34000 * k // 999) for k in range(1000)))
    study = study_of(COLUMNS, *_statistics(), fine, group_by=("sex",))
    cubes = cubes_of(study, Plan(study).terms)
    assert [len(cube.keys) for cube in cubes] == [4, 2]
    assert cubes[1].products == ()
    assert MOST_GROUPS > 2 * 999


def test_only_aggregates_leave_the_engine(connection: duckdb.DuckDBPyConnection) -> None:
    """The rows that come back are groups, not rows of the table: as many for a larger table."""
    study = study_of(COLUMNS, Variance("money"), CrossTab("ward", "smokes"), group_by=("sex",))
    fetched = []
    for size in (200, 400):
        table = in_duckdb(connection, study, made_up_rows(random.Random(3), size))
        came: list[int] = []

        def execute(query: str, table: Source = table, came: list[int] = came) -> object:
            names, rows = table.execute(query)
            came.append(len(rows))
            return names, rows

        spied = Source(table.name, table.dialect, table.table, execute)  # type: ignore[arg-type]
        aggregate(spied, study, Plan(study).terms)
        fetched.append(came)
    assert fetched == [[1, 2 * 3 * 3]] * 2


def test_neither_pandas_nor_pyarrow_is_needed() -> None:
    """What reads a file at home starts without the two largest packages that DuckDB and Ibis know."""
    code = """
import sys
sys.modules |= dict.fromkeys(("pandas", "pyarrow", "psycopg"))
from tests.study_tables import *
from p2pmpc.study.data.aggregating import aggregate
from p2pmpc.study.data.engines import open_duckdb
from p2pmpc.study.plan import Plan
study = study_of([number("x", "0", "9")], Mean("x"))
with open_duckdb(threads=1) as connection:
    aggregate(in_duckdb(connection, study, [{"x": 1.0}]), study, Plan(study).terms)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_ibis_the_command_to_install_it_is_named(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Ibis is not installed, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "ibis", None)
    with pytest.raises(ConfigurationError) as caught:
        duckdb_source(connection, "made-up.csv")
    assert caught.value.hint == "in the folder of the README: pip install '.[data]'"
