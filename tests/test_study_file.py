"""Study files: what they may say, and that everything else is refused with line and key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.study.file.places import lines_of_keys
from p2pmpc.study.file.questions import ask_study
from p2pmpc.study.file.reading import load_study
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.kinds import Quantiles, Regression, TTest
from p2pmpc.study.model import Column, Comparison, Missing, Party, Receives, WeightPolicy
from p2pmpc.study.plan import Plan
from p2pmpc.study.report.explaining import show_study

TEXT = """\
title = "Wages in five firms"
purpose = \"\"\"
Do women and men earn the same?
\"\"\"
parties = 5
receives = "parties-and-coordinator"
group_by = ["sex"]
minimum_group = 10
rows_per_coefficient = 20
maximum_rows = 50_000
missing = "refuse"
deadline = 2026-12-31T18:00:00Z

[columns.wage]
type = "number"
unit = "EUR"
minimum = 0
maximum = 10_000.5
decimals = 2

[columns.age]
type = "integer"
minimum = 16
maximum = 99

[columns.sex]
type = "category"
categories = [
  "f",
  "m",  # ]
]

[columns.ward]
type = "category"
categories = ["a", "b", "c"]

[columns.since]
type = "date"
minimum = 1990-01-01
maximum = 2026-12-31

[[filter]]
column = "age"
op = ">="
value = 18

[[filter]]
column = "ward"
op = "in"
value = ["a", "b"]

[[statistic]]
kind = "mean"
column = "wage"

[[statistic]]
kind = "quantiles"
column = "wage"
step = 100
probabilities = [0.5, 0.9]

[[statistic]]
kind = "t-test"
column = "wage"
between = "sex"

[[statistic]]
kind = "regression"
outcome = "wage"
predictors = ["age", "ward"]

[[statistic]]
kind = "weighted-mean"
column = "wage"
weight = "age"

[[statistic]]
kind = "proportion"
column = "ward"
category = "a"

[[statistic]]
kind = "histogram"
column = "since"
edges = [1990-01-01, 2000-01-01, 2027-01-01]

[[statistic]]
kind = "crosstab"
rows = "sex"
columns = "ward"

[[statistic]]
kind = "correlation"
columns = ["wage", "age"]
"""


def refused(text: str) -> InputRefused:
    """Return the refusal of a text."""
    with pytest.raises(InputRefused) as caught:
        parse_study(text.encode(), "s.toml")
    return caught.value


# -- what is read -----------------------------------------------------------------------------------


def test_everything_that_a_file_says_is_read() -> None:
    """Every key of the example has its value in the study."""
    study = parse_study(TEXT.encode())
    assert study.purpose == "Do women and men earn the same?\n"
    assert study.number_of_parties == 5
    assert study.receives is Receives.PARTIES_AND_COORDINATOR
    assert study.missing is Missing.REFUSE
    assert (study.minimum_group, study.rows_per_coefficient, study.maximum_rows) == (10, 20, 50_000)
    assert study.deadline is not None
    assert study.deadline.isoformat() == "2026-12-31T18:00:00+00:00"
    wage = study.columns["wage"]
    assert (wage.minimum, wage.maximum, wage.decimals) == (Decimal(0), Decimal("10000.5"), 2)
    assert (wage.low, wage.high, wage.centre, wage.half_range) == (0, 1000050, 500025, 500025)
    assert study.columns["sex"].categories == ("f", "m")
    assert study.columns["since"].minimum == Decimal(7305)
    assert [one.comparison for one in study.filters] == [Comparison.AT_LEAST, Comparison.IN]
    assert study.filters[1].values == ("a", "b")
    by_kind = {statistic.kind: statistic for statistic in study.statistics}
    quantiles = by_kind["quantiles"]
    assert isinstance(quantiles, Quantiles)
    assert quantiles.edges[:2] == (Decimal(0), Decimal(100))
    assert quantiles.edges[-1] >= Decimal("10000.5")
    assert quantiles.probabilities == (Decimal("0.5"), Decimal("0.9"))
    assert by_kind["t-test"] == TTest("wage", "sex", ("f", "m"))
    assert by_kind["regression"] == Regression("wage", ("age", "ward"))
    assert study.used == ("wage", "age", "sex", "ward", "since")
    assert study.text == TEXT.encode()


def test_what_a_file_leaves_out_has_a_default() -> None:
    """Five rows a group, ten a coefficient, rows that lack a value are left out, and no weights."""
    text = TEXT
    for key in ("receives", "minimum_group", "rows_per_coefficient", "missing", "deadline"):
        text = "".join(line for line in text.splitlines(True) if not line.startswith(key))
    study = parse_study(text.encode())
    assert study.receives is Receives.PARTIES
    assert (study.minimum_group, study.rows_per_coefficient) == (5, 10)
    assert study.missing is Missing.LEAVE_OUT
    assert study.deadline is None
    assert (study.weights, study.weight_bound) == (WeightPolicy.ROWS, 1)


@pytest.mark.parametrize(
    ("minimum", "maximum", "decimals"),
    [("0", "1", 9), ("0", "150", 7), ("-1e9", "1e9", 0), ("0.125", "0.5", 10), ("0", "1e12", 0)],
)
def test_decimals_are_as_fine_as_a_product_of_64_bits_allows(
    minimum: str, maximum: str, decimals: int
) -> None:
    """Where a number column says nothing, and never coarser than its bounds are written."""
    text = TEXT.replace("decimals = 2\n", "").replace("minimum = 0\n", f"minimum = {minimum}\n", 1)
    text = text.replace("maximum = 10_000.5", f"maximum = {maximum}")
    text = text.replace("step = 100\n", "bins = 4\n")
    column = parse_study(text.encode()).columns["wage"]
    assert column.decimals == decimals
    assert column.half_range < 1 << 31 or decimals == 0


def test_parties_may_be_named_with_ids_and_weights() -> None:
    """A study may be for listed parties alone, and weigh them in public."""
    ids = [f"{k:064x}" for k in range(3)]
    parties = "".join(
        f'[[party]]\nname = "P{k}"\nid = "{one}"\nweight = {k + 1}\n' for k, one in enumerate(ids)
    )
    text = TEXT.replace("parties = 5\n", 'weights = "public"\n')
    text = text.replace("[columns.wage]", f"{parties}\n[columns.wage]")
    for kind in ("t-test", "regression", "proportion", "crosstab"):
        at = text.index(f'[[statistic]]\nkind = "{kind}"')
        end = text.find("[[statistic]]", at + 1)
        text = text[:at] + text[end if end > 0 else len(text) :]
    study = parse_study(text.encode())
    assert study.parties == tuple(
        Party(f"P{k}", bytes.fromhex(one), k + 1) for k, one in enumerate(ids)
    )
    assert (study.number_of_parties, study.weight_bound) == (3, 3)


# -- what is refused --------------------------------------------------------------------------------

WRONG: list[tuple[str, str, str, str]] = [
    # what is replaced, by what, the key that is named, what is said of it
    ("title =", "titel =", "", "the key title is missing"),
    ('"Wages in five firms"', "5", "title", "a text in quotes"),
    ('"Wages in five firms"', '"a\\u0007b"', "title", "cannot be shown"),
    ("parties = 5", "parties = 2", "parties", "from 3 to 999"),
    ("parties = 5", "parties = true", "parties", "from 3 to 999"),
    ("parties = 5\n", "", "", "nobody takes part"),
    ('"parties-and-coordinator"', '"all"', "receives", "one of"),
    ('group_by = ["sex"]', 'group_by = ["age"]', "group_by", "no category column"),
    ('group_by = ["sex"]', 'group_by = ["sexe"]', "group_by", "no column 'sexe'"),
    ('group_by = ["sex"]', 'group_by = ["sex", "sex"]', "group_by", "twice"),
    ("minimum_group = 10", "minimum_group = 1", "minimum_group", "from 2 to"),
    ("minimum_group = 10", "minimum_parties = 6", "minimum_parties", "from 1 to 5"),
    ("maximum_rows = 50_000", "maximum_rows = 0", "maximum_rows", "from 1 to"),
    ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00", "deadline", "with its offset"),
    ('missing = "refuse"', 'missing = "drop"', "missing", "one of"),
    ("decimals = 2", "decimal = 2", "columns.wage.decimal", "unknown key"),
    ("decimals = 2", "decimals = 13", "columns.wage.decimals", "from 0 to 12"),
    ("decimals = 2", "decimals = 0", "columns.wage.maximum", "more decimals"),
    ('type = "number"', 'type = "float"', "columns.wage.type", "one of"),
    ("maximum = 10_000.5", "maximum = -1", "columns.wage.maximum", "not above the minimum"),
    ("maximum = 10_000.5", "maximum = nan", "columns.wage.maximum", "finite"),
    ("maximum = 10_000.5", "maximum = 1e400", "columns.wage.maximum", "too large"),
    ("maximum = 10_000.5", 'maximum = "10"', "columns.wage.maximum", "without quotes"),
    ("maximum = 99", "maximum = 99.5", "columns.age.maximum", "more decimals"),
    ("maximum = 99", "maximum = 99\ndecimals = 1", "columns.age.decimals", "number"),
    ("minimum = 1990-01-01", "minimum = 19900101", "columns.since.minimum", "a date is expected"),
    ('categories = ["a", "b", "c"]', 'categories = ["a"]', "columns.ward.categories", "from 2"),
    ('["a", "b", "c"]', '["a", " b", "c"]', "columns.ward.categories", "blanks"),
    ('["a", "b", "c"]', '["a", 2, "c"]', "columns.ward.categories", "in quotes"),
    ('op = ">="', 'op = "=>"', "filter[1].op", "one of"),
    ("value = 18", 'value = "18"', "filter[1].value", "finite number"),
    ("value = 18", "value = 18.5", "filter[1].value", "more decimals"),
    ('column = "age"', 'column = "aged"', "filter[1].column", "no column 'aged'"),
    ('value = ["a", "b"]', 'value = ["a", "z"]', "filter[2].value", "no category of 'ward'"),
    ('value = ["a", "b"]', "value = []", "filter[2].value", "empty"),
    ('op = "in"', 'op = "<"', "filter[2].op", "category column"),
    ('kind = "mean"', 'kind = "average"', "statistic[1].kind", "unknown kind 'average'"),
    (
        'kind = "mean"\ncolumn = "wage"',
        'kind = "mean"\ncolumn = "sex"',
        "statistic[1].column",
        "no numbers",
    ),
    ('kind = "mean"\n', 'kind = "mean"\nby = "sex"\n', "statistic[1].by", "unknown key"),
    ("step = 100", "step = 0", "statistic[2].step", "not positive"),
    ("step = 100", "step = 0.5", "statistic[2].step", "over 10000 cells"),
    ("step = 100", "step = 100\nbins = 3", "statistic[2].bins", "one of edges, step and bins"),
    ("step = 100\n", "", "statistic[2]", "one of edges, step and bins"),
    ("[0.5, 0.9]", "[0.5, 1.9]", "statistic[2].probabilities", "from 0 to 1"),
    ("[0.5, 0.9]", "[0.9, 0.5]", "statistic[2].probabilities", "not ascending"),
    ('between = "sex"', 'between = "ward"', "statistic[3].between", "not in group_by"),
    (
        'between = "sex"',
        'between = "sex"\ncategories = ["f", "x"]',
        "statistic[3].categories",
        "no category",
    ),
    ('between = "sex"', 'between = "sex"\nconfidence = 95', "statistic[3].confidence", "0.95"),
    ('["age", "ward"]', '["age", "wage"]', "statistic[4].predictors", "is the outcome"),
    ('["age", "ward"]', "[]", "statistic[4].predictors", "from 1"),
    ('weight = "age"', 'weight = "sex"', "statistic[5].weight", "no numbers"),
    ('category = "a"', 'category = "q"', "statistic[6].category", "no category"),
    ("2027-01-01]", "2026-01-01]", "statistic[7].edges", "do not cover"),
    ("[1990-01-01, 2000-01-01,", "[1990-01-01, 1980-01-01,", "statistic[7].edges", "not ascending"),
    ('columns = "ward"', 'columns = "sex"', "statistic[8].columns", "the same column"),
    ('["wage", "age"]', '["wage"]', "statistic[9].columns", "from 2"),
    (
        '[[statistic]]\nkind = "correlation"',
        '[[statistics]]\nkind = "correlation"',
        "statistics",
        "unknown key",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "said"), WRONG, ids=[f"{w[2]}: {w[3]}" for w in WRONG]
)
def test_what_is_impossible_is_refused_with_line_and_key(
    old: str, new: str, key: str, said: str
) -> None:
    """The line is that of the key, or of the table that lacks it."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    error = refused(text)
    assert said in error.message
    assert error.hint
    if key:
        assert f": {key}: " in error.message
        number = int(error.message.split(":")[1])
        name = key.rpartition(".")[2].partition("[")[0]
        assert name in text.splitlines()[number - 1]


def test_an_unknown_key_is_compared_with_the_known_ones() -> None:
    """Whoever mistypes is told what may have been meant."""
    assert refused(TEXT.replace("decimals = 2", "decimal = 2")).hint == "did you mean decimals?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"title = ", "not TOML"),
        (b'title = "x"\nparties = .5', "s.toml:2:11: this is not TOML: Invalid value"),
        (b"a = 1\na = 2", "not TOML"),
        (b'title = "x"\npurpose = "\xff"', "s.toml:2: the text is not UTF-8"),
        (b"#" * 70_000, "at most 65535 bytes"),
        (b"[" * 5_000, "not TOML"),
    ],
)
def test_what_is_no_toml_is_refused(text: bytes, said: str) -> None:
    """Bytes that are no text, or no TOML, or too many."""
    with pytest.raises(InputRefused) as caught:
        parse_study(text, "s.toml")
    assert said in caught.value.message


def test_a_weight_policy_rules_out_p_values() -> None:
    """Whatever takes each row for one observation needs rows that count one."""
    text = TEXT.replace("parties = 5", 'parties = 5\nweights = "private"\nweight_bound = 5')
    error = refused(text)
    assert "statistic[3].kind: t-test takes every row for one observation" in error.message
    assert "weight_bound is missing" in refused(text.replace("weight_bound = 5\n", "")).message


def test_a_bound_of_weights_is_for_private_ones() -> None:
    """Nobody states a bound by mistake."""
    assert (
        "private" in refused(TEXT.replace("parties = 5", "parties = 5\nweight_bound = 5")).message
    )


def test_parties_are_listed_once() -> None:
    """Names and IDs are not given twice, and a number is not given beside the list."""
    party = '[[party]]\nname = "A"\nid = "{}"\n'
    listed = "".join(
        party.replace('"A"', f'"{n}"').format(f"{k:064x}") for k, n in enumerate("ABC")
    )
    text = TEXT.replace("parties = 5\n", "").replace("[columns.wage]", f"{listed}\n[columns.wage]")
    parse_study(text.encode())
    assert "another party has this name" in refused(text.replace('"B"', '"A"')).message
    assert "another party has this ID" in refused(text.replace(f"{1:064x}", f"{0:064x}")).message
    assert "64 hex digits" in refused(text.replace(f"{1:064x}", "12")).message
    assert "listed, too" in refused(text.replace("group_by", "parties = 3\ngroup_by")).message
    two = text.replace(party.replace('"A"', '"C"').format(f"{2:064x}"), "")
    assert "2 parties" in refused(two).message
    half = text.replace(f'id = "{1:064x}"\n', "")
    assert "others have none" in refused(half).message
    assert "public" in refused(text.replace('name = "A"', 'name = "A"\nweight = 2')).message


def test_columns_that_differ_by_capital_letters_are_one() -> None:
    """Engines and people take them for the same."""
    text = TEXT.replace("[columns.age]", "[columns.WAGE]").replace('"age"', '"WAGE"')
    assert "another column has this name" in refused(text).message


def test_a_statistic_is_asked_once() -> None:
    """The same again is a slip."""
    again = '\n[[statistic]]\nkind = "mean"\ncolumn = "wage"\n'
    error = refused(TEXT + again)
    assert "this statistic is there already" in error.message
    assert f"s.toml:{TEXT.count(chr(10)) + 2}:" in error.message


def test_what_does_not_fit_is_refused_with_the_column(tmp_path: Path) -> None:
    """The plan's refusal names the file, the column and its bounds."""
    text = TEXT.replace("maximum = 10_000.5", "maximum = 1e17").replace("step = 100", "bins = 9")
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputRefused, match=r"study\.toml: columns\.wage: .*bits"):
        load_study(path)


def test_too_many_groups_are_refused() -> None:
    """Groups are the product of their columns' categories."""
    many = ", ".join(f'"{k}"' for k in range(200))
    text = TEXT.replace('["a", "b", "c"]', f'["a", "b", {many}]')
    text = text.replace('[\n  "f",\n  "m",  # ]\n]', f"[{many}]").replace(
        '["sex"]', '["sex", "ward"]'
    )
    assert "make 40400 groups" in refused(text).message


def test_a_file_that_is_not_there_is_no_study(tmp_path: Path) -> None:
    """A wrong path is an error of the command line, and says how to write a study."""
    with pytest.raises(ConfigurationError, match="cannot read the study file") as caught:
        load_study(tmp_path / "none.toml")
    assert "study new" in caught.value.hint


# -- lines of keys ----------------------------------------------------------------------------------


def test_lines_are_those_of_keys_whatever_the_values_are() -> None:
    """Values over several lines, brackets in texts and comments do not mislead."""
    text = (
        'a = """\nb = 1\n[c]\n"""\n'
        "d = [ # [\n  1,\n  ['x]', \"]\"],\n]\n"
        "'e f'.g = {h = 1}\n\n[i.j]\nk = '''\nl = 2'''\n[[m]]\nn = 1\n[[m]]\nn = 2\n[m.o]\np = 3\n"
    )
    tomllib.loads(text)
    assert lines_of_keys(text) == {
        ("a",): 1,
        ("d",): 5,
        ("e f", "g"): 9,
        ("i", "j"): 11,
        ("i", "j", "k"): 12,
        ("m", 0): 14,
        ("m", 0, "n"): 15,
        ("m", 1): 16,
        ("m", 1, "n"): 17,
        ("m", "o"): 18,
        ("m", "o", "p"): 19,
    }


KEYS = st.text("abcdef_-", min_size=1, max_size=4)
VALUES = st.sampled_from(
    ["1", '"x = 1"', '"""\ny = 1\n"""', "[\n 1, # ]\n 2]", "'[z]'", "{q = [1, 2]}", "1979-05-27"]
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=8, unique_by=lambda pair: pair[0]))
def test_every_key_has_the_line_it_stands_on(pairs: list[tuple[str, str]]) -> None:
    """For any keys and values, in order."""
    text, due, line = "", {}, 1
    for key, value in pairs:
        due[key,] = line
        text += f"{key} = {value}\n"
        line += value.count("\n") + 1
    tomllib.loads(text)
    assert lines_of_keys(text) == due


# -- in words ---------------------------------------------------------------------------------------


def test_a_study_is_told_in_words() -> None:
    """Who, which rows, what is computed, what leaves, who learns what, and what nobody learns."""
    text = show_study(Plan(parse_study(TEXT.encode())))
    flat = " ".join(text.split())
    for part in (
        "5 parties bring data",
        "The coordinator, who invites, brings no data and receives the result as well.",
        "wage: number from 0 to 10000.5 EUR, 2 decimals",
        "since: date from 1990-01-01 to 2026-12-31",
        "age is at least 18",
        "ward is one of a, b",
        "A row that lacks any of these values is an error",
        "Welch's t-test of wage between sex = f and m",
        "quantiles of wage (50 %, 90 %), from a grid of 101 cells",
        "also by each category of ward",
        "the sum of squares of wage",
        "A group of fewer than 10 rows",
        "if all 4 others pool what they know",
        "fewer than 20 rows for each of its coefficients",
    ):
        assert part in flat, part
    assert all(len(line) <= 100 for line in text.splitlines())


def test_every_used_column_and_statistic_is_in_the_words() -> None:
    """Nothing that is asked is left unsaid."""
    study = parse_study(TEXT.encode())
    text = " ".join(show_study(Plan(study)).split())
    for name in study.used:
        assert f"- {name}: " in text
    assert text.count(" - ") >= len(study.used) + len(study.statistics) + len(study.filters)


# -- questions --------------------------------------------------------------------------------------


def answering(answers: list[str]) -> tuple[Callable[[str], str], list[str]]:
    """Return what answers questions in order, and what was said."""
    waiting: Iterator[str] = iter(answers)

    def read(_question: str) -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    return read, []


def test_questions_make_a_study() -> None:
    """Answers, some of them wrong at first, become a file that reads back."""
    read, said = answering(
        [
            *("", "Pay", 'Who earns "what"?', "two", "4", "no", "6", "1000", "leave-out"),
            *("wage", "money", "number", "EUR", "nan", "0", "5000", "2", "wage"),
            *(
                "sex",
                "category",
                "f",
                "f, m",
                "since",
                "date",
                "1.1.2020",
                "2020-01-01",
                "2026-01-01",
            ),
            *("", "age", "sex", "sex", "=", "f", ""),
            *("", "mean", "wage", "t-test", "wage", "sex", "crosstab"),
        ]
    )
    with pytest.raises(EOFError):
        ask_study(read, said.append)
    read, said = answering(
        [
            *("Pay", 'Who earns "what"?', "4", "no", "6", "1000", "leave-out"),
            *("wage", "number", "EUR", "0", "5000", "2", "sex", "category", "f, m", ""),
            *("sex", ""),
            *("", "mean", "wage", "t-test", "wage", "sex", "quantiles", "wage", "10"),
            *("regression", "wage", "sex", ""),
        ]
    )
    study = parse_study(ask_study(read, said.append).encode())
    assert study.purpose == 'Who earns "what"?'
    assert study.number_of_parties == 4
    assert study.receives is Receives.PARTIES_AND_COORDINATOR
    assert study.group_by == ("sex",)
    kinds = [statistic.kind for statistic in study.statistics]
    assert kinds == ["count", "mean", "t-test", "quantiles", "regression"]


_HEAD = ("Pay", "Why", "4", "no", "6", "1000", "leave-out")


def test_questions_take_numbers_as_people_write_them() -> None:
    """What Python reads and TOML does not is written as TOML; bounds the wrong way round are asked again."""
    read, said = answering(
        [
            *(*_HEAD, "x", "number", "", "9", ".5", ".5", "+007", "1", ""),
            *("x", ">", "1e0", "", "mean", "x", ""),
        ]
    )
    study = parse_study(ask_study(read, said.append).encode())
    assert (study.columns["x"].minimum, study.columns["x"].maximum) == (Decimal("0.5"), Decimal(7))
    assert [one.values for one in study.filters] == [(Decimal(1),)]
    assert "  the largest value is to be above the smallest" in said


@pytest.mark.parametrize(
    "kind", ["crosstab", "proportion", "covariance", "correlation", "t-test", "regression"]
)
def test_questions_offer_no_statistic_that_lacks_its_columns(kind: str) -> None:
    """A statistic without columns to choose from is not asked for: there would be no way out."""
    read, said = answering(
        [*_HEAD, "x", "number", "", "0", "9", "1", "", "", kind, "mean", "x", ""]
    )
    study = parse_study(ask_study(read, said.append).encode())
    assert [statistic.kind for statistic in study.statistics] == ["mean"]
    assert any(line.startswith("  that takes ") for line in said)


def test_questions_drop_only_the_statistic_that_does_not_do() -> None:
    """A refused statistic is told at once, and those before it stay."""
    read, said = answering(
        [
            *(*_HEAD, "x", "number", "", "0", "9", "1", "g", "category", "a, b, c", "", "g", ""),
            *("mean", "x", "regression", "x", "x, g"),
            *("t-test", "x", "g", "b", "b", "a", ""),
        ]
    )
    text = ask_study(read, said.append)
    study = parse_study(text.encode())
    assert [statistic.kind for statistic in study.statistics] == ["mean", "t-test"]
    assert study.statistics[1] == TTest("x", "g", ("b", "a"))
    assert any(line.startswith("This does not do: ") for line in said)


def test_questions_whose_head_does_not_do_still_write_a_file() -> None:
    """What was typed is not lost where something at the top is refused."""
    read, said = answering(
        ["t" * 200, *_HEAD[1:], "x", "number", "", "0", "9", "1", "", "", "mean", "x", ""]
    )
    assert 'kind = "mean"' in ask_study(read, said.append)
    assert "The file is written as it is: correct it there." in said


def test_a_column_scales_towards_its_bounds() -> None:
    """Bounds and edges are the smallest scaled integers that are not below them."""
    column = Column(
        "x", parse_study(TEXT.encode()).columns["wage"].type, "", Decimal("-1.5"), Decimal(2), 0
    )
    assert (column.low, column.high, column.centre) == (-1, 2, 0)
