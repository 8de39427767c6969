"""A result as text for the terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.study.report.result_csv import COLUMNS, to_csv
from p2pmpc.study.report.result_json import FORMAT, to_json
from p2pmpc.study.report.showing import show
from p2pmpc.study.report.words import day, format_error, format_number, plain, width_of
from p2pmpc.study.result import Answer, Figure, Level, Result, Table
from tests.made_up_study import (
    ALL,
    COUNT,
    EVIL,
    FORMULA,
    HISTOGRAM,
    LINE,
    MEAN,
    TABLE,
    a_result,
    a_study,
)

STUDY = a_study()
RESULT = a_result(STUDY)


def with_answers(*answers: Answer, **changed: Any) -> Result:
    """Return the made-up result with other answers."""
    return dataclasses.replace(RESULT, answers=answers, **changed)


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (12345678901234567890, 0.0, "12345678901234567890"),
        (0.1 + 0.2, 0.0, "0.3"),
        (51234.56789123, 0.0037, "51234.5679"),
        (52500.0, 2500.0, "52500"),
        (52512, 2500.0, "52500"),
        (117.5, 10.0, "118"),
        (1.5e-17, 0.0, "1.5e-17"),
        (-0.0, 0.0, "0"),
        (-1e-9, 0.01, "0"),
        (133380, 0.0, "133380"),
        (None, 0.0, "-"),
        (math.nan, 0.0, "-"),
        (math.inf, 0.0, "-"),
    ],
)
def test_a_number_has_the_digits_that_are_known(
    value: float | None, error: float, shown: str
) -> None:
    """Integers are whole, and no digit stands behind the error's second."""
    assert format_number(value, error) == shown


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e6))
def test_a_printed_number_is_off_by_no_more_than_its_error_allows(
    value: float, error: float
) -> None:
    """Rounding for print adds at most a twentieth of the error, or half a unit in the tenth digit."""
    shown = Decimal(format_number(value, error))
    allowed = max(Decimal(error) / 20, abs(Decimal(value)) * Decimal("5.01e-10"))
    assert abs(shown - Decimal(value)) <= allowed


@given(st.floats(1e-300, 1e300))
def test_a_printed_error_is_never_too_small(error: float) -> None:
    """It is rounded up, by less than a tenth."""
    shown = Decimal(format_error(error))
    assert Decimal(repr(error)) <= shown <= Decimal(repr(error)) * Decimal("1.11")


def test_long_numbers_are_parted_on_paper_only() -> None:
    """Groups of three digits have a narrow space between them where that is asked for."""
    assert format_number(1234567.25, is_grouped=True) == "1\u202f234\u202f567.25"
    assert format_number(-12345, is_grouped=True) == "-12\u202f345"
    assert format_number(9999, is_grouped=True) == "9999"


def test_days_become_dates() -> None:
    """Days since 1970-01-01 are shown as a date, and as a number where no date is so far."""
    assert day(18262.4) == "2020-01-01"
    assert day(1e9) == "1000000000"


# -- terminal -------------------------------------------------------------------------------------


def test_the_terminal_shows_every_answer() -> None:
    """Title, figures with units, tables, reasons, remarks, suppressed groups and evidence are there."""
    text = show(STUDY, RESULT)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "Blood pressure in five hospitals",
        "2100 rows of 5 parties, opened 2031-04-01T12:00:00Z",
        "sex rows mean [mmHg]",
        "all 2100 132.4170312",
        "female 1040 128.25",
        "lower [mmHg] upper [mmHg] count",
        "100 120 700",
        "sex rows 25 % [mmHg] 50 % [mmHg] 75 % [mmHg]",
        "* quantiles: off by at most 10 mmHg",
        "male 811 240 9 1060",
        "age 0.4123457 1 0.05",
        "age 0.5123 0.03 17.0766 1.2e-60 0.4535",
        "* not answered for sex = female: too few rows: 40 where 50 are needed",
        "* difference: off by at most 0.0037 mmHg",
        "* sex = diverse: fewer than 5 rows",
        f"study {STUDY.digest.hex()}",
        "verify it with: p2pmpc verify results/2031-04-01",
    ):
        assert line in lines, f"{line!r} is missing"


@pytest.mark.parametrize("width", [72, 80, 100])
def test_the_terminal_keeps_its_width(width: int) -> None:
    """No line is wider than asked, however many columns a table has."""
    result = with_answers(*(a for a in RESULT.answers if a.statistic is not TABLE))
    assert max(map(width_of, show(STUDY, result, width).splitlines())) <= width


def test_a_hidden_count_is_called_hidden_and_explained() -> None:
    """It is neither empty nor a number, and the note says why it is hidden."""
    lines = [" ".join(line.split()) for line in show(STUDY, RESULT).splitlines()]
    assert "180 200 hidden" in lines
    assert "female 842 195 hidden hidden" in lines
    note = (
        "hidden: fewer than 5 rows, or a number from which such a one could be found by subtraction"
    )
    assert note in lines


def test_nothing_is_printed_as_none_or_nan() -> None:
    """Numbers that there are not are a dash, in figures as in tables."""
    text = show(STUDY, RESULT)
    assert "None" not in text
    assert "nan" not in text.split()
    answer = Answer(MEAN, ALL, 5, (Figure("mean", None, "mmHg"), Figure("sd_sample", math.nan)))
    assert "all     5            -" in show(STUDY, with_answers(answer))


def test_signs_that_steer_a_terminal_are_not_printed() -> None:
    """Escape sequences, returns and signs that turn the direction of text are replaced."""
    evil = "a\x1b[31mb\rc\u202ed\x00e"
    assert plain(evil) == "a\ufffd[31mb c\ufffdd\ufffde"
    study = a_study(title=evil)
    result = with_answers(Answer(COUNT, Level((("sex", evil),), (0,)), 7, withheld=evil))
    text = show(study, result) + show(study, a_result(study))
    assert not set(text) & set("\x1b\r\u202e\x00")


def test_a_remark_on_everything_stands_once() -> None:
    """What more than two statistics remark on a level is said before them all, with the level."""
    answers = [Answer(s, ALL, 9, remarks=("without A", s.kind)) for s in (COUNT, MEAN, TABLE)]
    text = show(STUDY, with_answers(*answers))
    assert text.count("without A") == 1
    assert "* without A (all)" in text
    assert all(f"* {s.kind}" in text for s in (COUNT, MEAN, TABLE))


def test_errors_that_show_in_no_digit_are_left_out() -> None:
    """An error below the digits that are printed is not listed, and a larger one is."""
    small = Answer(MEAN, ALL, 9, (Figure("mean", 100.0, "mmHg", 1e-12),))
    large = Answer(MEAN, ALL, 9, (Figure("mean", 100.0, "mmHg", 0.01),))
    assert "off by" not in show(STUDY, with_answers(small))
    assert "* mean: off by at most 0.01 mmHg" in show(STUDY, with_answers(large))


def test_rows_are_told_once_and_weighted_rows_beside_them() -> None:
    """A count that is the number of rows has no column of its own; one of weights has."""
    heads = [line.split() for line in show(STUDY, RESULT).splitlines()]
    assert ["sex", "rows"] in heads
    weighted = Answer(COUNT, ALL, 9, (Figure("count", 42),))
    assert "all     9     42" in show(STUDY, with_answers(weighted))


# -- JSON -----------------------------------------------------------------------------------------


def test_json_has_every_number_as_it_is() -> None:
    """Integers stay integers, floats come back the same, and what is not shown is null."""
    found = json.loads(to_json(STUDY, RESULT))
    assert len(found["answers"]) == len(RESULT.answers)
    for answer, read in zip(RESULT.answers, found["answers"], strict=True):
        assert read["rows"] == answer.rows
        assert read["level"] == {"label": answer.level.label, "fixed": dict(answer.level.fixed)}
        assert read["withheld"] == (answer.withheld or None)
        for figure in answer.figures:
            shown = read["figures"][figure.name]
            is_number = figure.value is not None and math.isfinite(figure.value)
            assert shown["shown"] == is_number
            assert shown["value"] == (figure.value if is_number else None)
            assert type(shown["value"]) is type(figure.value) or not is_number
            assert (shown["unit"], shown["error"]) == (figure.unit, figure.error)
        for table in answer.tables:
            assert read["tables"][table.name]["columns"] == list(table.columns)
            assert read["tables"][table.name]["rows"] == [list(row) for row in table.rows]


def test_the_keys_of_json_are_those_of_the_documents() -> None:
    """Programs find the same keys in every result; a change is a new format."""
    found = json.loads(to_json(STUDY, RESULT))
    assert found["format"] == FORMAT == "p2pmpc study result 1"
    assert list(found) == [
        *("format", "study", "session", "date", "field", "transcripts", "files", "participants"),
        *("rows", "levels", "suppressed", "answers"),
    ]
    assert list(found["study"]) == [
        *("title", "purpose", "digest", "group_by", "minimum_group", "minimum_parties")
    ]
    assert list(found["participants"][0]) == ["name", "id", "brings_data", "confirmed", "invited"]
    assert list(found["suppressed"][0]) == ["group", "reason"]
    answer = found["answers"][0]
    assert list(answer) == [
        *("statistic", "level", "rows", "withheld", "remarks", "figures", "tables"),
    ]
    assert list(answer["figures"]["count"]) == ["value", "unit", "error", "shown"]
    histogram = next(a for a in found["answers"] if a["statistic"]["kind"] == "histogram")
    assert list(histogram["tables"]["bins"]) == ["columns", "rows", "shown"]
    assert histogram["statistic"]["edges"] == [80, 100, 120, 140, 160, 180, 200]
    assert histogram["tables"]["bins"]["shown"] is False


def test_json_knows_no_nan_and_no_steering_signs() -> None:
    """NaN and infinity are null, and the text is ASCII."""
    answer = Answer(MEAN, ALL, 5, (Figure("mean", math.inf, "\x1bé"), Figure("sd", math.nan)))
    text = to_json(STUDY, with_answers(answer))
    assert text.isascii()
    assert "\x1b" not in text
    figures = json.loads(text)["answers"][0]["figures"]
    assert [one["value"] for one in figures.values()] == [None, None]


# -- CSV ------------------------------------------------------------------------------------------


def read_csv(text: str) -> list[dict[str, str]]:
    """Return the lines of a CSV by heading."""
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_csv_has_a_line_for_every_number() -> None:
    """Figures and entries come back the same, a row of a table under its label or place."""
    text = to_csv(RESULT)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    lines = read_csv(text)
    mean = [line for line in lines if line["name"] == "mean" and line["level"] == "all"]
    assert [float(line["value"]) for line in mean] == [132.4170312]
    assert (mean[0]["unit"], mean[0]["rows"], mean[0]["columns"]) == ("mmHg", "2100", "pressure")
    bins = [line for line in lines if line["table"] == "bins" and line["level"] == "all"]
    assert [line["row"] for line in bins[:3]] == ["1", "1", "1"]
    assert [line["value"] for line in bins if line["name"] == "count"] == [
        *("0", "700", "800", "420", "170", ""),
    ]
    women = [line for line in lines if line["table"] == "counts" and line["row"] == "female"]
    assert [line["value"] for line in women] == ["842", "195", "", ""]
    numbers = sum(
        len(answer.figures)
        + sum(len(row) - isinstance(row[0], str) for table in answer.tables for row in table.rows)
        for answer in RESULT.answers
    )
    withheld = [line for line in lines if line["name"] == "withheld"]
    suppressed = [line for line in lines if line["name"] == "suppressed"]
    assert len(lines) == numbers + len(withheld) + len(suppressed)
    assert [line["value"] for line in withheld] == ["too few rows: 40 where 50 are needed"]
    assert [line["level"] for line in suppressed] == ["sex = diverse", f"sex = {EVIL}"]


def test_csv_is_rfc_4180() -> None:
    """Lines end with CR LF, quotes are doubled, and every line has as many fields."""
    text = to_csv(RESULT)
    assert text.count("\r\n") == text.count("\n") == len(read_csv(text)) + 1
    assert '""quoted""' in text
    assert all(None not in line and None not in line.values() for line in read_csv(text))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])  # noqa: RUF001
def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text(start: str) -> None:
    """Labels, headings and reasons of others get an apostrophe before what begins a formula."""
    evil = start + FORMULA[1:]
    table = Table("counts", ("sex", evil), ((evil, 5),))
    level = Level(((evil, "x"),), (0,))
    answers = (
        Answer(TABLE, level, 5, tables=(table,)),
        Answer(MEAN, ALL, 5, withheld=evil),
        Answer(MEAN, ALL, 5, (Figure("mean", -4.5, evil),)),
    )
    text = to_csv(with_answers(*answers, suppressed=((evil, evil),)))
    fields = [field for line in read_csv(text) for field in line.values()]
    assert sum(field == f"'{evil}" for field in fields) == 6
    assert all(field.startswith("'") for field in fields if FORMULA[1:] in field), (
        "some formula would run"
    )
    assert "-4.5" in fields, "a negative number is a number"


def test_every_kind_of_answer_is_among_the_made_up_ones() -> None:
    """The tests above see figures, tables, hidden counts, withheld answers and remarks."""
    assert any(a.withheld for a in RESULT.answers)
    assert any(a.remarks for a in RESULT.answers)
    assert {HISTOGRAM, LINE} <= {a.statistic for a in RESULT.answers if a.tables}
