"""A party's spreadsheet, database file or Parquet file, and what a check of any file comes to."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sqlite3
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.study.data.check import check
from p2pmpc.study.data.command import run_check
from p2pmpc.study.data.faults import Fault
from p2pmpc.study.data.files import load
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.rejected import path_of
from p2pmpc.study.model import Comparison, Filter
from tests.a_study import (
    GOOD,
    HEADER,
    SECRET,
    checked,
    refusal,
    rows_of,
    study_of,
    written,
)

pytest.importorskip("duckdb")

# -- other files ----------------------------------------------------------------------------------


def a_book(folder: Path, *rows: list[Any], sheets: tuple[str, ...] = ("Sheet1",)) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    path = folder / "data.xlsx"
    book.save(path)
    return path


NAMES = HEADER.split(",")
DAY = dt.date(1990, 1, 31)


def test_a_sheet_is_read_by_the_types_of_its_cells(tmp_path: Path) -> None:
    """Numbers are numbers, dates are dates, an empty cell is missing, other columns do not matter."""
    path = a_book(
        tmp_path,
        ["Export"],
        ["note", *NAMES],
        ["x", 30, 70.5, DAY, "f"],
        [None, 31.0, 70, dt.datetime(1990, 1, 31), "m"],
        ["y", None, None, "1990-01-31", None],
        [None],
    )
    assert rows_of(path, header_row=2) == [
        (30, 70.5, DAY, "f"),
        (31, 70.0, DAY, "m"),
        (None, None, DAY, None),
    ]


BAD_SHEET_CELLS: dict[str, tuple[list[Any], str, Fault]] = {
    "a number as text": (["30", 1, DAY, "f"], "A3", Fault.TEXT),
    "a decimal comma": ([30, "7,5", DAY, "f"], "B3", Fault.TEXT),
    "a unit": ([30, "77777 kg", DAY, "f"], "B3", Fault.UNIT),
    "a fraction": ([30.5, 1, DAY, "f"], "A3", Fault.NOT_AN_INTEGER),
    "a truth value": ([True, 1, DAY, "f"], "A3", Fault.NOT_AN_INTEGER),
    "a date as a number": ([DAY, 1, DAY, "f"], "A3", Fault.NOT_AN_INTEGER),
    "a number as a date": ([30, 1, 77777, "f"], "C3", Fault.NOT_A_DATE),
    "a time of day": ([30, 1, dt.datetime(1990, 1, 31, 8), "f"], "C3", Fault.NOT_MIDNIGHT),
    "above the maximum": ([30, 77777, DAY, "f"], "B3", Fault.ABOVE),
    "an unknown category": ([30, 1, DAY, 77777], "D3", Fault.NOT_A_CATEGORY),
    "an error value": ([30, "#DIV/0!", DAY, "f"], "B3", Fault.ERROR_VALUE),
    "a formula without a result": ([30, "=1+1", DAY, "f"], "B3", Fault.NOT_COMPUTED),
}


@pytest.mark.parametrize("name", BAD_SHEET_CELLS)
def test_a_bad_cell_of_a_sheet_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    """As the spreadsheet program calls it; an error value is no empty cell."""
    row, cell, fault = BAD_SHEET_CELLS[name]
    path = a_book(tmp_path, NAMES, [30, 70.5, DAY, "f"], row, [30, 70.5, DAY, "f"])
    report = checked(path)
    (finding,) = report.rejections.listed
    assert (finding.place.text, finding.fault) == (f"{path}:Sheet1!{cell}", fault)
    assert SECRET not in report.to_text()
    rejected = list(csv.reader(path_of(path).read_text().splitlines()))
    assert rejected[0] == ["line", "column", "reason", *NAMES]
    assert rejected[1][:2] == ["3", f"Sheet1!{cell}"]


def test_a_merged_cell_is_no_empty_cell(tmp_path: Path) -> None:
    """What other cells were merged over is told, and not taken for missing."""
    from openpyxl import load_workbook

    path = a_book(tmp_path, NAMES, [30, 70.5, DAY, "f"], [31, 71, DAY, "m"])
    book = load_workbook(path)
    book.worksheets[0].merge_cells("B2:B3")
    book.save(path)
    (finding,) = checked(path).rejections.listed
    assert (finding.place.cell, finding.fault) == ("Sheet1!B3", Fault.MERGED)


def test_the_sheet_of_several_is_said(tmp_path: Path) -> None:
    """None is chosen by itself, and their names are told."""
    path = a_book(tmp_path, NAMES, [30, 70.5, DAY, "f"], sheets=("One & all", "Two"))
    assert "'One & all', 'Two'" in refusal(path).message
    assert "no sheet 'Three'" in refusal(path, sheet="Three").message
    assert checked(path, sheet="One & all").counts.used == 1


def test_a_sheet_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """A blank row between, no row, no header, a missing column, or no spreadsheet at all."""
    good: list[Any] = [30, 70.5, DAY, "f"]
    path = a_book(tmp_path, NAMES, good, [], good)
    assert refusal(path).message == f"{path}:Sheet1!A3: a blank row"
    assert "a header and no row" in refusal(a_book(tmp_path, NAMES)).message
    assert "Sheet1!A1: this row is empty" in refusal(a_book(tmp_path)).message
    assert "no column 'sex'" in refusal(a_book(tmp_path, NAMES[:3], good)).message
    assert "Sheet1!B1: the column 'age'" in refusal(a_book(tmp_path, ["age", *NAMES], good)).message
    assert "spreadsheet" in refusal(written(tmp_path, b"PK\3\4 no", "other.xlsx")).message


def a_database(folder: Path, *rows: tuple[Any, ...], kind: str = "") -> Path:
    path = folder / "data.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE people (age, weight, born, sex{kind})")
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
        database.execute("CREATE VIEW few AS SELECT * FROM people WHERE age < 31")
    database.close()
    return path


def test_a_table_or_view_of_sqlite_is_read_by_name(tmp_path: Path) -> None:
    """Which one is said where there are several; the file is opened for reading alone."""
    rows = [(30, 70.5, "1990-01-31", "f"), (31.0, 70, None, "m")]
    path = a_database(tmp_path, *rows)
    before = path.read_bytes()
    assert rows_of(path, table="people") == [(30, 70.5, DAY, "f"), (31, 70.0, None, "m")]
    assert rows_of(path, table="few") == [(30, 70.5, DAY, "f")]
    assert "'few', 'people'" in refusal(path).message
    assert "no table 'others'" in refusal(path, table="others").message
    assert path.read_bytes() == before
    assert "SQLite cannot read" in refusal(written(tmp_path, "no database at all", "x.db")).message


def test_a_cell_of_sqlite_that_is_of_another_type_is_told_by_its_row(tmp_path: Path) -> None:
    """Any cell may hold anything there; each one is looked at."""
    good = (30, 70.5, "1990-01-31", "f")
    bad = [
        ("30", 1, "1990-01-31", "f"),
        (30, "77777 kg", "1990-01-31", "f"),
        (30, float("inf"), "1990-01-31", "f"),
        (30, 1, 77777, "f"),
        (30, 1, "1990-02-30", "f"),
        (30, 1, "1990-01-31", b"\xff77777"),
        (2**62, 1, "1990-01-31", "f"),
    ]
    path = a_database(tmp_path, good, *bad)
    report = checked(path, table="people")
    assert [(one.place.text, one.fault) for one in report.rejections.listed] == [
        (f"{path}:people:rowid {number}", fault)
        for number, fault in enumerate(
            [
                Fault.TEXT,
                Fault.UNIT,
                Fault.NOT_FINITE,
                Fault.NOT_A_DATE,
                Fault.NO_SUCH_DATE,
                Fault.NOT_A_CATEGORY,
                Fault.ABOVE,
            ],
            start=2,
        )
    ]
    assert SECRET not in report.to_text()


def a_parquet(folder: Path, **columns: Any) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / "data.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_a_parquet_file_is_read_by_the_types_of_its_columns(tmp_path: Path) -> None:
    """Decimals, small integers, whole doubles, moments at midnight and dictionaries fit, too."""
    import pyarrow as pa

    path = a_parquet(
        tmp_path,
        age=[30.0, None],
        weight=pa.array([Decimal("70.5"), Decimal(1)], pa.decimal128(9, 2)),
        born=pa.array([dt.datetime(1990, 1, 31), None], pa.timestamp("ns")),
        sex=pa.array(["f", "m"]).dictionary_encode(),
        other=[b"x", b"y"],
    )
    assert rows_of(path) == [(30, 70.5, DAY, "f"), (None, 1.0, None, "m")]


def test_a_bad_cell_of_a_parquet_file_is_told_by_its_row(tmp_path: Path) -> None:
    """NaN and infinities, fractions, bounds, times of day and unknown categories."""
    path = a_parquet(
        tmp_path,
        age=[1.0, 1.5, 1.0, 1.0, float("nan"), 1.0, 1.0],
        weight=[1.0, 1.0, float("nan"), float("-inf"), 1.0, 77777.0, 1.0],
        born=[dt.datetime(1990, 1, 31, n == 6) for n in range(7)],
        sex=["x77777", *["f"] * 6],
    )
    report = checked(path)
    assert [(one.place.text, one.column, one.fault) for one in report.rejections.listed] == [
        (f"{path}:row 1", "sex", Fault.NOT_A_CATEGORY),
        (f"{path}:row 2", "age", Fault.NOT_AN_INTEGER),
        (f"{path}:row 3", "weight", Fault.NOT_FINITE),
        (f"{path}:row 4", "weight", Fault.NOT_FINITE),
        (f"{path}:row 5", "age", Fault.NOT_FINITE),
        (f"{path}:row 6", "weight", Fault.ABOVE),
        (f"{path}:row 7", "born", Fault.NOT_MIDNIGHT),
    ]
    assert SECRET not in report.to_text()
    assert len(path_of(path).read_text().splitlines()) == 8


def test_a_parquet_column_of_another_type_is_refused_whole(tmp_path: Path) -> None:
    """Numbers as texts, moments with a time zone; a file that is none; one without rows."""
    good: dict[str, Any] = {"age": [1], "weight": [1.0], "born": [DAY], "sex": ["f"]}
    path = a_parquet(tmp_path, **good | {"weight": [SECRET]})
    assert (
        "column weight: it holds values of type VARCHAR, expected numbers" in refusal(path).message
    )
    zoned = dt.datetime(1990, 1, 31, tzinfo=dt.UTC)
    assert "WITH TIME ZONE" in refusal(a_parquet(tmp_path, **good | {"born": [zoned]})).message
    assert (
        "there is no row"
        in refusal(a_parquet(tmp_path, **{k: v[:0] for k, v in good.items()})).message
    )
    assert (
        "no column 'sex'" in refusal(a_parquet(tmp_path, age=[1], weight=[1], born=[DAY])).message
    )
    assert "the engine cannot read" in refusal(written(tmp_path, SECRET, "x.parquet")).message


# -- the check ------------------------------------------------------------------------------------


def test_every_row_is_of_one_kind(tmp_path: Path) -> None:
    """Rejected, filtered out, incomplete or used; the kinds add up."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n17,1,,m\n40,,1990-01-31,m\nx,1,1990-01-31,f\n")
    adults = Filter("age", Comparison.AT_LEAST, (Decimal(18),))
    counts = checked(path, study_of(filters=(adults,)), skip_rejected=True).counts
    assert (counts.read, counts.rejected, counts.filtered, counts.missing, counts.used) == (
        5 - 1,
        1,
        1,
        1,
        1,
    )


def test_rejected_rows_go_to_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    """As they stand in the data, with line, column and reason; a later check replaces or removes it."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\nx,1,1990-01-31,f\n")
    report = checked(path)
    beside = tmp_path / "data.csv.rejected.csv"
    assert report.rejected_file == str(beside)
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    reason = "age: not an integer, expected an integer from 0 to 120 years"
    assert beside.read_text().splitlines() == [
        f"line,column,reason,{HEADER}",
        f'3,1,"{reason}",x,1,1990-01-31,f',
    ]
    written(tmp_path, f"{HEADER}\n{GOOD}\n")
    assert checked(path).rejected_file is None
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_session_is_refused_where_rows_are_rejected(tmp_path: Path) -> None:
    """With the first place and how many more, writing nothing; or it goes on without them when told to."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\nx,1,1990-01-31,f\ny,1,1990-01-31,f\n")
    with pytest.raises(InputRefused) as caught, load(study_of(), DataOptions(data=str(path))):
        pass
    assert f"{path}:3:1: age: not an integer" in caught.value.message
    assert "the first of 2 rows" in caught.value.message
    assert "p2pmpc data check" in caught.value.hint
    assert rows_of(path, skip_rejected=True) == [(30, 70.5, DAY, "f")]
    assert sorted(tmp_path.iterdir()) == [path]


def test_too_many_rows_or_none_are_refused(tmp_path: Path) -> None:
    """A party brings at most maximum_rows, and at least one."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n{GOOD}\n")
    assert checked(path, study_of(maximum_rows=2)).exit_code == 0
    report = checked(path, study_of(maximum_rows=1))
    assert "at most 1 of one party" in report.to_text()
    nobody = Filter("age", Comparison.ABOVE, (Decimal(100),))
    with (
        pytest.raises(InputRefused, match="none of its 2 rows"),
        load(study_of(filters=(nobody,)), DataOptions(data=str(path))),
    ):
        pass
    assert report.exit_code == 8


def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path: Path) -> None:
    """What was checked is what is summed."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n")
    with (
        pytest.raises(InputRefused, match="changed while it was read"),
        load(study_of(), DataOptions(data=str(path))),
    ):
        written(tmp_path, f"{HEADER}\n{GOOD}\n{GOOD}\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "nothing.csv"}, "is not there"),
        ({"data": None}, "no data is named"),
        ({"format": None, "data": "data.bin"}, "what kind of file"),
        ({"encoding": "klingon"}, "not an encoding"),
        ({"encoding": "base64"}, "not an encoding"),
        ({"delimiter": ";;"}, "one ASCII character"),
        ({"quote": ","}, "--quote"),
        ({"thousands": "."}, "both ."),
        ({"thousands": "_"}, "--thousands is none"),
        ({"date_format": "%d.%m.%y"}, "%y is not known"),
        ({"date_format": "%d.%m."}, "each once"),
        ({"header_row": 0}, "counts from 1"),
        ({"column": ["age"]}, "not NAME=HEADER"),
        ({"column": ["age=a", "age=b"]}, "age twice"),
        ({"column": ["height=a"]}, "no column height"),
        ({"memory": "much"}, "memory limit"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """They end with 2 and say what would do."""
    written(tmp_path, "x", "data.bin")
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n")
    named = options.pop("data", path.name)
    with pytest.raises(ConfigurationError, match=words):
        check(study_of(), DataOptions(data=named and str(tmp_path / named), **options))


def test_the_command_prints_a_report_and_ends_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where all rows do, 8 where some are rejected or the file is refused, 2 for bad options."""
    monkeypatch.setattr("p2pmpc.study.data.command.load_study", lambda _: study_of())
    study = tmp_path / "study.toml"
    good = written(tmp_path, f"{HEADER}\n{GOOD}\n")
    assert run_check(str(good), study=study) == 0
    assert "1 used" in capsys.readouterr().out
    bad = written(tmp_path, f"{HEADER}\n{GOOD}\nx,1,1990-01-31,f\n", "bad.csv")
    assert run_check(str(bad), study=study, json=True) == 8
    assert json.loads(capsys.readouterr().out)["rows"]["rejected"] == 1
    assert run_check(str(bad), study=study, options=DataOptions(skip_rejected=True)) == 0
    assert run_check(str(written(tmp_path, "", "no.csv")), study=study) == 8
    assert "no.csv:1:1: the file is empty" in capsys.readouterr().err
    assert run_check(str(tmp_path / "none.csv"), study=study) == 2


def test_long_work_is_told(tmp_path: Path) -> None:
    """Whoever watches hears how many bytes of the file are read, up to all of them."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n")
    heard: list[tuple[int, int]] = []
    check(study_of(), DataOptions(data=str(path)), lambda done, of: heard.append((done, of)))
    assert heard[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine the command says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert "pip install '.[data]'" in refusal(written(tmp_path, f"{HEADER}\n{GOOD}\n")).hint
