"""A party's file: what is read of it, what is refused, and where."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pmpc.errors import InputRefused
from p2pmpc.study.data import csv_file, csv_scan, sql, text_source
from p2pmpc.study.data.cells import read_text
from p2pmpc.study.data.csv_records import RecordReader
from p2pmpc.study.data.engines import open_duckdb
from p2pmpc.study.data.faults import Fault
from p2pmpc.study.data.files import load
from p2pmpc.study.data.options import DataOptions, Writing
from p2pmpc.study.data.rejected import path_of
from p2pmpc.study.data.text_source import TextSource
from p2pmpc.study.kinds import Count
from p2pmpc.study.model import Column, Missing, Study
from tests.a_study import (
    AGE,
    BORN,
    EVERYTHING,
    GOOD,
    HEADER,
    SECRET,
    SEX,
    WEIGHT,
    checked,
    refusal,
    rows_of,
    study_of,
    written,
)

pytest.importorskip("duckdb")

# -- cells of a CSV file ---------------------------------------------------------------------------

NUMBER = "a number from 0 to 300 kg"
INTEGER = "an integer from 0 to 120 years"
DATE = "a date from 1900-01-01 to 2025-12-31"

BAD_CELLS = {
    "a text in an integer column": ("x77777,1,1990-01-31,f", 1, Fault.NOT_AN_INTEGER, INTEGER),
    "a fraction in an integer column": ("30.5,1,1990-01-31,f", 1, Fault.NOT_AN_INTEGER, INTEGER),
    "above the maximum": ("121,1,1990-01-31,f", 1, Fault.ABOVE, INTEGER),
    "below the minimum": ("30,-0.1,1990-01-31,f", 4, Fault.BELOW, NUMBER),
    "a total": ("30,Total 77777,1990-01-31,f", 4, Fault.NOT_A_NUMBER, NUMBER),
    "a unit": ("30,77777 kg,1990-01-31,f", 4, Fault.UNIT, NUMBER),
    "a percentage": ("30,77777%,1990-01-31,f", 4, Fault.UNIT, NUMBER),
    "a decimal comma": ('30,"7,5",1990-01-31,f', 4, Fault.DECIMAL_COMMA, NUMBER),
    "a thousands comma": ('30,"1,234.5",1990-01-31,f', 4, Fault.THOUSANDS, NUMBER),
    "a thousands space": ("30,1 234.5,1990-01-31,f", 4, Fault.THOUSANDS, NUMBER),
    "NaN": ("30,NaN,1990-01-31,f", 4, Fault.NOT_FINITE, NUMBER),
    "an infinity": ("30,-inf,1990-01-31,f", 4, Fault.NOT_FINITE, NUMBER),
    "1e400": ("30,1e400,1990-01-31,f", 4, Fault.TOO_LARGE, NUMBER),
    "an integer of 100 digits": (f"{'9' * 100},1,1990-01-31,f", 1, Fault.TOO_LARGE, INTEGER),
    "an underscore": ("30,1_0,1990-01-31,f", 4, Fault.NOT_A_NUMBER, NUMBER),
    "a hexadecimal number": ("0x10,1,1990-01-31,f", 1, Fault.UNIT, INTEGER),
    "a blank": ("30, 1,1990-01-31,f", 4, Fault.BLANKS, NUMBER),
    "another date format": ("30,1,31.01.1990,f", 6, Fault.NOT_A_DATE, DATE),
    "a date without zeros": ("30,1,1990-1-31,f", 6, Fault.NOT_A_DATE, DATE),
    "a special date": ("30,1,infinity,f", 6, Fault.NOT_A_DATE, DATE),
    "no such date": ("30,1,1990-02-30,f", 6, Fault.NO_SUCH_DATE, DATE),
    "a date out of bounds": ("30,1,2026-01-01,f", 6, Fault.ABOVE, DATE),
    "an unknown category": ("30,1,1990-01-31,77777", 17, Fault.NOT_A_CATEGORY, "one of f, m"),
    "another case": ("30,1,1990-01-31,F", 17, Fault.ANOTHER_CASE, "one of f, m"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_cell_is_told_at_its_line_and_column(tmp_path: Path, name: str) -> None:
    """It is told what is wrong and what was expected, and never what stands there."""
    row, column, fault, expected = BAD_CELLS[name]
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n{row}\n{GOOD}\n")
    report = checked(path)
    (finding,) = report.rejections.listed
    assert finding.text == f"{path}:3:{column}: {finding.column}: {fault}; expected {expected}"
    assert (report.counts.read, report.counts.rejected, report.exit_code) == (3, 1, 8)
    assert SECRET not in report.to_text() + json.dumps(report.to_json()) + repr(report)


def test_a_hint_says_which_option_would_read_a_decimal_comma(tmp_path: Path) -> None:
    """The option is named, and nothing is guessed."""
    path = written(tmp_path, f'{HEADER}\n{GOOD}\n30,"7,5",1990-01-31,f\n{GOOD}\n')
    assert "--decimal ," in checked(path).to_text()


def test_a_total_at_the_foot_is_told_as_what_it_may_be(tmp_path: Path) -> None:
    """A bad cell in the last row comes with the hint that totals are no rows."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\nTotal,70.5,,\n")
    report = checked(path)
    assert report.rejections.listed[0].place.text == f"{path}:3:1"
    assert "if the last row is a total" in report.to_text()


def test_a_bad_row_does_not_hide_the_next(tmp_path: Path) -> None:
    """Every bad cell of every row is counted by column and reason; the first ones are listed."""
    path = written(tmp_path, f"{HEADER}\n" + "x,1,1990-01-31,q\n" * 30 + f"{GOOD}\n")
    report = checked(path)
    assert report.rejections.counts == {
        ("age", Fault.NOT_AN_INTEGER): 30,
        ("sex", Fault.NOT_A_CATEGORY): 30,
    }
    assert len(report.rejections.listed) == report.rejections.LISTED
    assert "and 40 more" in report.to_text()


def test_missing_values_are_left_out_or_refused_as_the_study_says(tmp_path: Path) -> None:
    """An empty cell and a declared text are missing; a study that refuses them names the place."""
    path = written(tmp_path, f'{HEADER}\n{GOOD}\n,70,1990-01-31,f\n30,NA,"",m\n')
    assert checked(path, missing=["NA"]).counts.missing == 2
    assert checked(path).rejections.listed[0].place.text == f"{path}:4:4"
    report = checked(path, study_of(missing=Missing.REFUSE), missing=["NA"])
    assert [(one.place.text, one.fault) for one in report.rejections.listed] == [
        (f"{path}:3:1", Fault.MISSING),
        (f"{path}:4:4", Fault.MISSING),
        (f"{path}:4:7", Fault.MISSING),
    ]


def test_the_rows_are_typed_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Numbers, integers, dates and categories arrive as such, a missing value as NULL."""
    path = written(
        tmp_path, f"note,{HEADER}\nhm,12.0,7.25,2000-02-29,m\n,,,,\n,1,.5,1970-01-01,f\n"
    )
    assert rows_of(path) == [
        (12, 7.25, dt.date(2000, 2, 29), "m"),
        (None, None, None, None),
        (1, 0.5, dt.date(1970, 1, 1), "f"),
    ]
    with load(study_of(), DataOptions(data=str(path))) as (engine, report):
        described = engine.execute("DESCRIBE data").fetchall()
    assert [row[:2] for row in described] == [
        ("age", "BIGINT"),
        ("weight", "DOUBLE"),
        ("born", "DATE"),
        ("sex", "VARCHAR"),
    ]
    assert [(one.minimum, one.maximum, one.missing, one.rounded) for one in report.columns] == [
        ("1", "12", 1, 0),
        ("0.5", "7.25", 1, 1),
        ("1970-01-01", "2000-02-29", 1, 0),
        (None, None, 1, 0),
    ]


def test_a_file_is_read_as_the_options_say(tmp_path: Path) -> None:
    """Separator, decimal and thousands signs, dates, names, encoding, lines above, blanks: all said."""
    text = "Export\n\nAlter;Gewicht;geb;sex\n30; 1.234,5;5.1.1990;f\n"
    study = study_of(AGE, Column("weight", WEIGHT.type, "", Decimal(0), Decimal(5000)), BORN, SEX)
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"):
        path = written(tmp_path, text.encode(encoding))
        rows = rows_of(
            path,
            study,
            encoding=encoding,
            delimiter=";",
            decimal=",",
            thousands=".",
            date_format="%d.%m.%Y",
            header_row=3,
            trim=True,
            column=["age=Alter", "weight=Gewicht", "born=geb"],
        )
        assert rows == [(30, 1234.5, dt.date(1990, 1, 5), "f")]


def test_bounds_are_inclusive(tmp_path: Path) -> None:
    """The smallest and the largest value that the study declares are taken."""
    path = written(tmp_path, f"{HEADER}\n0,0,1900-01-01,f\n120,300,2025-12-31,m\n")
    assert checked(path).counts.used == 2


def test_a_file_that_the_engine_reads_differently_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's rows are counted against those of the scan: a row that it skips ends the check."""
    whole = csv_file.CSVFile._read_csv
    monkeypatch.setattr(
        csv_file.CSVFile, "_read_csv", lambda file: f"(SELECT * FROM {whole(file)} OFFSET 1)"
    )
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n{GOOD}\n")
    assert "one reader finds 1 rows in this file and another 2" in refusal(path).message


def test_groups_of_thousands_are_of_three_digits(tmp_path: Path) -> None:
    """1.23 is no 123, also where the point stands between thousands."""
    path = written(tmp_path, "weight\n1.23\n12.3456\n")
    report = checked(path, study_of(WEIGHT), thousands=".", decimal=",")
    assert report.counts.rejected == 2


def test_a_category_in_another_encoding_is_read(tmp_path: Path) -> None:
    """Latin letters in Latin-1 are the study's categories."""
    column = Column("city", SEX.type, categories=("Köln", "Bonn"))
    path = written(tmp_path, "city\nKöln\nBonn\n".encode("latin-1"))
    assert rows_of(path, study_of(column), encoding="latin-1") == [("Köln",), ("Bonn",)]


# -- the table ------------------------------------------------------------------------------------

BAD_TABLES: dict[str, tuple[str | bytes, str, str]] = {
    "an empty file": ("", ":1:1", "the file is empty"),
    "blank lines alone": ("\n\n", ":1:1", "the file is empty"),
    "a header alone": (f"{HEADER}\n", ":1:1", "a header and no row"),
    "a header without an end": (HEADER, ":1:1", "a header and no row"),
    "a missing column": (f"age,weight,sex\n1,{SECRET},f\n", ":1:1", "'age', 'weight', 'sex'"),
    "a name twice": (f"age,{HEADER}\n1,{GOOD}\n", ":1:5", "'age' is there twice"),
    "no header": (f"{SECRET},2,1990-01-31,f\n{GOOD}\n", ":1:1", "expected the names"),
    "too few fields": (f"{HEADER}\n{GOOD}\n1,{SECRET},x\n", ":3:1", "3 fields, expected 4"),
    "too many fields": (f"{HEADER}\n{GOOD}\n{GOOD},\n", ":3:1", "5 fields, expected 4"),
    "ragged lines": (f"{HEADER}\n1\n{GOOD}\n2\n3\n", ":2:1", "and 2 more lines like it"),
    "a blank line between": (f"{HEADER}\n{GOOD}\n\n{GOOD}\n", ":3:1", "a blank line"),
    "an unclosed quote": (f'{HEADER}\n{GOOD}\n1,"{SECRET}\n{GOOD}\n', ":3:1", "never closes"),
    "a quote closed late": (
        f'{HEADER}\n1,"2,3,f\n1,"{SECRET}",3,f\n',
        ":2:1",
        "on line 3 text follows",
    ),
    "a quote within": (f'{HEADER}\n{GOOD}\n1,7" tall,3,f\n', ":3:1", "a quote within a field"),
    "a blank before a quote": (f'{HEADER}\n1, "2",3,f\n', ":2:1", "a quote within a field"),
    "a NUL byte": (f"{HEADER}\n{GOOD}\n1,\0,3,f\n", ":3:1", "a NUL byte"),
    "a lone carriage return": (f"{HEADER}\r{GOOD}\r", ":1:1", "a carriage return without"),
    "mixed line ends": (f"{HEADER}\n{GOOD}\n{GOOD}\r\n", ":3:1", "ends by CR LF, and the first"),
    "Latin-1 in UTF-8": (f"{HEADER}\n{GOOD}\nKö".encode() + b"K\xf6ln,,,\n", ":3:4", "not utf-8"),
    "UTF-16 as UTF-8": (f"{HEADER}\n{GOOD}\n".encode("utf-16"), ":1:1", "not utf-8"),
    "a row without end": (f'{HEADER}\n"{"x" * 1_200_000}",,,\n', ":2:1", "more than 1048576 bytes"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    """The whole file is refused, at the first place where it goes wrong."""
    content, place, words = BAD_TABLES[name]
    path = written(tmp_path, content)
    error = refusal(path)
    assert error.message.startswith(f"{path}{place}: "), error.message
    assert words in error.message
    assert error.exit_code == 8


def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    """Neither in a table of several columns nor in one of a single column."""
    assert checked(written(tmp_path, f"{HEADER}\n{GOOD}\n\n\n")).counts.read == 1
    assert checked(written(tmp_path, "age\r\n1\r\n\r\n"), study_of(AGE)).counts.read == 1


def test_a_wrong_delimiter_is_hinted_at(tmp_path: Path) -> None:
    """Where all of the header is one field, the likely option is named."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n".replace(",", ";"))
    assert "--delimiter ';'" in refusal(path).hint
    assert "--encoding utf-16" in refusal(written(tmp_path, "a\n1\n".encode("utf-16"))).hint


def test_a_tab_separates_in_a_tsv_file(tmp_path: Path) -> None:
    """And the word tab means one elsewhere."""
    text = f"{HEADER}\n{GOOD}\n".replace(",", "\t")
    assert checked(written(tmp_path, text, "data.tsv")).counts.used == 1
    assert checked(written(tmp_path, text, "data.txt"), delimiter="tab").counts.used == 1


def test_quotes_may_mean_nothing(tmp_path: Path) -> None:
    """With --quote none an inch sign is a character like any other."""
    path = written(tmp_path, f'note,{HEADER}\n7" tall,{GOOD}\n')
    assert checked(path, quote="none").counts.used == 1


def test_lines_are_those_of_the_file_where_fields_have_line_breaks(tmp_path: Path) -> None:
    """A bad cell behind fields of several lines is told where an editor shows it."""
    row = '"a\nb ""x"", c\n",x,1,1990-01-31,f'
    path = written(tmp_path, f'"no\nte",{HEADER}\n{row}\n"",{GOOD}\n{row}\n')
    report = checked(path)
    assert [one.place.text for one in report.rejections.listed] == [f"{path}:5:3", f"{path}:9:3"]
    text = path_of(path).read_text()
    assert text.count(row) == 2


def test_a_large_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of the scan and the engine's threads change no line and no row."""
    monkeypatch.setattr(text_source, "CHUNK", 997)
    monkeypatch.setattr(csv_file, "COPIED_BYTES", 0)
    bad = {3, 500, 501, 4000}
    lines = [f'{"x" if n in bad else n % 100},"é,\n{n}"' for n in range(1, 4001)]
    path = written(tmp_path, "age,note\n" + "\n".join(lines) + "\n")
    report = checked(path, study_of(AGE, maximum_rows=4000))
    assert [one.place.row for one in report.rejections.listed] == [2 * n for n in sorted(bad)]
    rows = rows_of(path, study_of(AGE, maximum_rows=4000), skip_rejected=True)
    assert rows == [(n % 100,) for n in range(1, 4001) if n not in bad]


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff"no\nte",age\na,1\n"b",2\n',
        '"no\r\nte",age\r\na,1\r\n"b",2\r\n',
        'note,age\r\n"a\r",1\r\n"\r\n",2\r\n',
        'note,age,"a\r"\r\n"a,b",1,"x\ny"\r\nb,2,x\r\n',
        'a,age,note\n"a\r",1,c\n"x\ny",2,"\r\n"\n',
    ],
)
def test_what_the_engine_would_read_wrongly_is_read(tmp_path: Path, text: str) -> None:
    """Line breaks in names, and carriage returns in fields: Python's csv reads such files instead."""
    assert rows_of(written(tmp_path, text), study_of(AGE)) == [(1,), (2,)]


FIELDS = st.text(alphabet="ax1é ,;\"'\\#\n\t", max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.lists(FIELDS, min_size=3, max_size=3), min_size=2, max_size=8),
    ages=st.lists(st.sampled_from(["5", "x", ""]), min_size=8, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    chunk=st.sampled_from([1, 5, 1 << 20]),
)
def test_what_a_csv_writer_writes_is_found_on_its_lines(
    tmp_path: Path, rows: list[list[str]], ages: list[str], end: str, chunk: int
) -> None:
    """Whatever is in the fields, the engine sees as many rows as were written, and bad cells are found."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["c,0", 'c"1', "c2", "age"])
    expected = []
    for row, age in zip(rows, ages, strict=False):
        writer.writerow([*row, age])
        if age == "x":
            expected.append(text.getvalue().removesuffix(end).count("\n") + 1)
    path = written(tmp_path, text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_source, "CHUNK", chunk)
        report = checked(path, study_of(AGE))
    assert report.counts.read == len(rows)
    assert [one.place.row for one in report.rejections.listed] == expected


PIECES = st.sampled_from(
    ["a", " ", ",", '"', "\n", "\r\n", "\r", '""', '"x\ny"', '"a\r"', '"a,b"', "\\"]
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.lists(PIECES, min_size=3, max_size=14).map("".join), quote=st.sampled_from('"~'))
def test_the_engine_reads_the_records_that_python_reads(
    tmp_path: Path, text: str, quote: str
) -> None:
    """Of whatever passes the scan; what they would read in two ways does not pass it."""
    path = written(tmp_path, f"a,b\n{text}")
    source = TextSource(path, "data.csv", "utf-8")
    try:
        outline = csv_scan.scan(source, ",", quote, 1)
    except InputRefused:
        return
    reader = RecordReader(source, outline, ",", quote)
    records = list(reader.all())
    assert len(records) == outline.records + 1
    if outline.records == 0:
        return
    column = Column("a", SEX.type, categories=("a",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "find_columns", lambda *_, **__: {"a": 0, "b": 1})
        patch.setattr(csv_file, "stage", _stage_texts)
        options = DataOptions(data=str(path), quote=quote)
        file = csv_file.CSVFile(path, study_of(column), options, lambda *_: None)
        with open_duckdb(path) as engine:
            patch.setattr(sql, "reading_of_text", lambda _column, cell, _writing: cell)
            file._study.columns["b"] = column  # type: ignore[index]
            file.load(engine)
            found = engine.execute("SELECT * FROM read_rows").fetchall()
    assert [[cell or "" for cell in row] for row in found] == [one.fields for one in records[1:]]


def _stage_texts(
    engine: Any, _study: Study, cells: dict[str, str], source: str, **_: object
) -> None:
    engine.execute(f"CREATE TABLE read_rows AS SELECT {', '.join(cells.values())} FROM {source}")


@pytest.mark.parametrize("column", EVERYTHING, ids=lambda column: column.name)
def test_sql_and_python_agree_on_every_cell(column: Column) -> None:
    """What the engine rejects is what can be said to be wrong, under every way of writing."""
    import duckdb

    cells = [
        *(
            "",
            "NA",
            " ",
            "0",
            "-0",
            "+5",
            "5",
            "05",
            "5.",
            ".5",
            ".",
            "-",
            "5.0",
            "5.50",
            "5,0",
            "5,5",
        ),
        *("1e2", "1e-400", "1e400", "1E2", "e2", "1_0", "nan", "inf", "Infinity", "0x1", "1.000"),
        *(
            "1,000",
            "1.000,5",
            "1,000.5",
            "12,34",
            "1 000",
            "1'000",
            " 5",
            "5 ",
            "5\t",
            "\u0663",
            "\uff15",
        ),
        *("120", "120.0", "120.1", "300.05", "9" * 30, "1990-01-31", "1990-1-31", "31.01.1990"),
        *("1.2.1990", "1990-02-29", "30.02.1990", "0000-01-01", "epoch", "1990-01-31 00:00:00"),
        *("f", "m", "F", " f", "ff", "f\n", "5\n", "1990-01-31\n", "12 kg", "100%"),
    ]
    ways = [
        Writing(),
        Writing(missing=frozenset({"NA", "m"})),
        Writing(decimal=",", thousands=".", date_format="%d.%m.%Y"),
        Writing(thousands=","),
        Writing(thousands=" ", trim=True),
        Writing(thousands="'", date_format="%Y-%m-%d %H:%M:%S"),
    ]
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE cells AS SELECT unnest($cells) AS cell", {"cells": cells})
        for way in ways:
            for policy in Missing:
                reading = sql.reading_of_text(column, "cell", way)
                bad = sql.is_bad(column, "v", "m", "", policy)
                found = engine.execute(
                    f"SELECT cell, v, {bad} FROM (SELECT cell, {reading.value} AS v, "
                    f"{reading.missing} AS m FROM cells)"
                ).fetchall()
                for cell, value, is_rejected in found:
                    told = read_text(cell, column, way, policy)
                    assert isinstance(told, Fault) == is_rejected, (cell, way, told)
                    if not is_rejected:
                        days = (
                            (value - dt.date(1970, 1, 1)).days
                            if column is BORN and value
                            else value
                        )
                        assert told == days, (cell, way)


def test_a_study_that_only_counts_reads_no_column(tmp_path: Path) -> None:
    """Every row counts, whatever the columns are called."""
    study = replace(study_of(), statistics=(Count(),))
    path = written(tmp_path, 'a,b\n1,2\n"3",4\n')
    assert checked(path, study).counts.used == 2
    assert len(rows_of(path, study)) == 2


def test_blanks_around_cells_and_names_are_taken_off_when_told_to(tmp_path: Path) -> None:
    """They are refused otherwise; a code like -9 is a missing value when it is said to be one."""
    path = written(tmp_path, "age ,sex\n -9,f \n 30,m\n")
    study = study_of(AGE, SEX)
    assert "no column 'age'" in refusal(path, study).message
    assert rows_of(path, study, trim=True, missing=["-9"]) == [(None, "f"), (30, "m")]


def test_a_text_for_a_missing_value_is_said_by_an_option(tmp_path: Path) -> None:
    """Whoever wrote NA is told of --missing, and with it the row counts as one that lacks a value."""
    path = written(tmp_path, f"{HEADER}\n{GOOD}\n30,NA,1990-01-31,f\n{GOOD}\n")
    assert "--missing NA" in checked(path).to_text()
    assert "--missing NA" not in checked(path, missing=("NA",)).to_text()
