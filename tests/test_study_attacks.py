"""What was tried against studies: subtraction between blocks, impossible sums, large files, false texts."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pmpc.errors import InputRefused, Revealed, VerificationFailed
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.disclosure import Opening
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.kinds import (
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Regression,
    Statistic,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import Column, ColumnType, WeightPolicy
from p2pmpc.study.plan import Aggregates, Plan
from p2pmpc.study.plausible import check_counts, check_sums
from p2pmpc.study.report.explaining import show_study
from p2pmpc.study.report.learned import not_learned
from p2pmpc.study.session.bringing import bring
from p2pmpc.study.session.command import _run_privately, run_join
from p2pmpc.study.session.evidence import verify_study
from p2pmpc.study.session.options import StudyOptions
from p2pmpc.study.terms import Bins, Is, Monomial, Value
from p2pmpc.study_text import first_difference
from tests.a_study import checked, refusal
from tests.a_study import study_of as a_study_of
from tests.nodes import at_once
from tests.study_reference import Row, Run, category, number, run, split, study_of
from tests.test_study_walk import TEXT, Gathering, Seat, rows_of

SITE, RARE = category("site", "north", "south"), category("rare", "no", "yes")
AGE, PAY, HOURS = number("age", 0, 100), number("pay", -50, 10_000, 2), number("hours", 0, 60)
EDGES = (Decimal(0), Decimal(10), Decimal(50), Decimal(100))

STEER = "\x1b]0;x\x07\x1b[2J"
"""What would clear a terminal and name its window."""


# -- what a group that is left out cannot be had from ------------------------------------------------


def people(**rare: tuple[int, int]) -> list[Row]:
    """Return by site so many rows, and so many of them that are rare."""
    return [
        {
            "site": site,
            "rare": "yes" if k < few else "no",
            "age": 7 * k % 90,
            "pay": 100 + k,
            "hours": k,
        }
        for site, (rows, few) in rare.items()
        for k in range(rows)
    ]


def test_no_two_regressions_open_a_group_and_what_holds_it() -> None:
    """One regression opens a group that another opens with the rest: what is left had one rare row."""
    statistics = (Regression("pay", ("rare",)), Regression("pay", ("rare", "age")))
    study = study_of([SITE, RARE, AGE, PAY], statistics, group_by=("site",))
    found = run(study, split(people(north=(25, 1), south=(25, 12))))
    first, second = found.opening.blocks[1:]
    assert first.own == second.own == (False, False)  # alone, the north would tell its one rare row
    assert first.rest == second.rest == (0, 1)
    assert found.answer("all", 0).rows == found.answer("all", 1).rows == 50
    assert "opened only together" in found.answer("site = south", 0).withheld


def test_no_two_covariances_open_a_group_and_what_holds_it() -> None:
    """The same with covariances of two and of three columns, and a group too small for either."""
    statistics = (Covariance(("age", "pay")), Covariance(("age", "pay", "hours")))
    study = study_of([SITE, AGE, PAY, HOURS], statistics, group_by=("site",))
    first, second = run(study, split(people(north=(8, 0), south=(25, 0)))).opening.blocks[1:]
    assert first.own == second.own == (False, False)
    assert first.rest == second.rest == (0, 1)


SIZES = st.lists(
    st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=2,
    max_size=6,
)


@given(SIZES)
@example([(25, 10), (60, 3), (12, 6)])  # each of two would take another group to the third
@example([(60, 10), (45, 10), (12, 6), (8, 0)])
def test_what_two_blocks_open_has_no_difference_that_neither_opens(
    sizes: list[tuple[int, int]],
) -> None:
    """Whatever the rows and rare rows: sets that lie within a set make all of it, or there are none."""
    counts, rare = zip(*sizes, strict=True)
    groups = range(len(sizes))
    statistics = (
        Covariance(("age", "pay")),
        Regression("pay", ("rare",)),
        Regression("pay", ("rare", "age")),
        Covariance(("age", "pay", "hours")),
    )
    site = category("site", *(f"g{k}" for k in groups))
    plan = Plan(study_of([site, RARE, AGE, PAY, HOURS], statistics, group_by=("site",)))
    by_category = {"yes": rare, "no": [n - r for n, r in sizes]}
    watched = [n for c in RARE.categories for n in by_category[c]]
    opening = plan.opening([*counts, *[0 for _ in groups], *watched])
    units = [
        [{k} for k in groups if block.own[k]] + ([set(block.rest)] if block.rest else [])
        for block in opening.blocks[1:]
    ]
    for one in units:
        for two in units:
            for whole in one:
                touched = [part for part in two if part & whole]
                made = set().union(*touched) == whole
                assert made or not any(part <= whole for part in touched)
    for block, found in zip(plan.blocks[1:], units, strict=True):
        for unit in found:
            assert sum(counts[k] for k in unit) >= block.rows_needed
            assert all(opening.shown[k] for k in unit)


def test_groups_are_opened_together_where_nothing_can_be_subtracted() -> None:
    """A single regression, or two of different columns, lose nothing."""
    rows = split(people(north=(25, 6), south=(25, 12)))
    alone = study_of(
        [SITE, RARE, AGE, PAY], [Regression("pay", ("rare", "age"))], group_by=("site",)
    )
    assert run(alone, rows).opening.blocks[1].rest == (0, 1)
    statistics = (Covariance(("pay", "hours")), Regression("age", ("rare",)), Mean("pay"))
    both = study_of([SITE, RARE, AGE, PAY, HOURS], statistics, group_by=("site",))
    small = run(both, split(people(north=(15, 6), south=(15, 6))))
    assert [block.rest for block in small.opening.blocks] == [(), (0, 1), (0, 1)]


def test_a_column_of_two_values_is_a_category_under_another_name() -> None:
    """Products with a number that is 1 for one person are that person's values: none is opened."""
    flag = number("flag", 0, 1)
    statistics = (
        WeightedMean("pay", "flag"),
        WeightedMean("flag", "hours"),
        Covariance(("pay", "flag")),
        Regression("pay", ("flag",)),
        Regression("flag", ("pay",)),
        Mean("pay"),
    )
    study = study_of([flag, PAY, HOURS], statistics)
    for few, is_opened in ((1, False), (4, False), (5, True), (295, True), (296, False), (0, True)):
        rows = [{"flag": int(k < few), "pay": 100 + k, "hours": k % 60} for k in range(300)]
        found = run(study, split(rows))
        withheld = [found.answer("all", place).withheld for place in range(5)]
        assert any("of two" in why for why in withheld) is not is_opened
        opened = [found.totals.over(block, [0]) is not None for block in range(1, 6)]
        assert opened == [is_opened] * 5
        assert found.figures("all", 5)["mean"] == 100 + 299 / 2


def test_weighted_means_left_out_of_a_group_cannot_be_had_from_a_rest() -> None:
    """A covariance of the same columns opens no sum from which the other groups could be taken."""
    flag = number("flag", 0, 1)
    study = study_of(
        [SITE, flag, PAY],
        [WeightedMean("pay", "flag"), Covariance(("pay", "flag"))],
        group_by=("site",),
    )
    rows = people(north=(15, 1), south=(15, 7))
    found = run(study, split([{**row, "flag": int(row["rare"] == "yes")} for row in rows]))
    assert found.opening.blocks[1].own == (False, True)
    assert found.opening.blocks[2].rest == ()
    assert found.opening.blocks[2].own == (False, False)  # each has too few rows by itself


def test_statistics_of_the_same_needs_take_the_same_groups_together() -> None:
    """None of them waits for another to give a group up first: all of each is of all rows."""
    statistics = (
        Covariance(("age", "pay")),
        Covariance(("hours", "pay")),
        Regression("pay", ("age",)),
    )
    study = study_of([SITE, AGE, PAY, HOURS], statistics, group_by=("site",))
    found = run(study, split(people(north=(12, 0), south=(25, 0))))
    assert [block.rest for block in found.opening.blocks[1:]] == [(0, 1)] * 3
    assert [found.answer("all", place).rows for place in range(3)] == [37] * 3


# -- sums that nobody can have ------------------------------------------------------------------------

EACH: tuple[Statistic, ...] = (
    Count(),
    Mean("pay"),
    Variance("pay"),
    WeightedMean("pay", "hours"),
    Proportion("rare", "yes"),
    Histogram("age", EDGES),
    Quantiles("age", EDGES, (Decimal(0), Decimal(1))),
    CrossTab("rare", "site"),
    Covariance(("age", "pay")),
    Regression("pay", ("rare", "age")),
)


def answered(policy: WeightPolicy, statistic: Statistic) -> Run:
    """Return a run of one statistic over two groups, of which a third one is left out."""
    sites = category("site", "north", "south", "west")
    changed: dict[str, Any] = {"group_by": ("site",), "weights": policy}
    if policy is not WeightPolicy.ROWS:
        changed["weight_bound"] = 4
    study = study_of([sites, RARE, AGE, PAY, HOURS], [statistic], **changed)
    rows = people(north=(40, 12), south=(45, 9), west=(3, 0))
    return run(study, split(rows), weights=None if policy is WeightPolicy.ROWS else [2, 3, 1])


@pytest.mark.parametrize("policy", [WeightPolicy.ROWS, WeightPolicy.PRIVATE])
@pytest.mark.parametrize("statistic", EACH, ids=lambda statistic: statistic.kind)
def test_impossible_sums_are_refused(policy: WeightPolicy, statistic: Statistic) -> None:
    """What honest parties bring passes; no number of it can be replaced by one beyond all bounds."""
    found = answered(policy, statistic)
    plan, opening, (counts, sums) = found.plan, found.opening, found.vectors
    check_counts(plan, counts)
    check_sums(plan, opening, sums)
    for place in range(plan.length):
        for wrong in (1 << 58, -(1 << 58)):
            with pytest.raises(VerificationFailed, match="second round") as refused:
                check_sums(plan, opening, [*sums[:place], wrong, *sums[place + 1 :]])
            assert refused.value.revealed is Revealed.TOTAL


def _changed(term: Any, value: Callable[[int], int], *, group: int = 0) -> None:
    statistic = next(s for s in EACH if _has(s, term))
    found = answered(WeightPolicy.ROWS, statistic)
    block = next(k for k, b in enumerate(found.plan.blocks) if term in b.terms)
    place, sums = found.plan.slot(block, group, term), list(found.vectors[1])
    sums[place] = value(sums[place])
    check_sums(found.plan, found.opening, sums)


def _has(statistic: Statistic, term: Any) -> bool:
    blocks = answered(WeightPolicy.ROWS, statistic).plan.blocks
    return any(term in block.terms for block in blocks)


def test_sums_just_beyond_what_is_possible_are_refused() -> None:
    """A category of more rows than there are, squares below the mean's, a number for a group left out."""
    rare, pay = Monomial.of(Is("rare", "yes")), Monomial.of(Value("pay"))
    squares = Monomial.of(Value("pay"), Value("pay"))
    cells = Bins("age", tuple(map(int, EDGES)))
    _changed(rare, lambda _: 40)
    for term, value, group in (
        (rare, 41, 0),
        (rare, -1, 0),
        (rare, 1, 2),
        (pay, 40 * PAY.half_range + 1, 0),
        (squares, 0, 0),
        (cells, 0, 0),  # fewer than there are rows: a quantile would look for the others in vain
    ):
        with pytest.raises(VerificationFailed):
            _changed(term, lambda _, value=value: value, group=group)  # type: ignore[misc]


@at_once
async def test_a_party_with_impossible_sums_ends_the_study_with_5(tmp_path: Path) -> None:
    """Numbers in the place of a suppressed group show in nobody's result, which there is none of."""

    def overdo(plan: Plan) -> None:
        honest = plan.second_round

        def second_round(aggregates: Aggregates, opening: Opening, weight: int = 1) -> list[int]:
            return [n or 1 for n in honest(aggregates, opening, weight)]

        plan.second_round = second_round  # type: ignore[method-assign]

    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(0)), Seat(rows_of(1), vector=overdo), Seat(rows_of(2))])
    assert gathering.codes() == [5, 5, 5]
    assert "sums of the second round" in gathering.errors[0].message
    assert gathering.errors[0].revealed is Revealed.TOTAL


# -- what is left behind ------------------------------------------------------------------------------


@at_once
async def test_a_result_without_its_receipt_or_under_another_name_is_found(tmp_path: Path) -> None:
    """Whoever removes a receipt proves nothing, and nobody's result stands for two."""
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k)) for k in range(3)])
    folder = tmp_path / "log"
    for gone in ("member-1*", "*"):
        bare = tmp_path / f"bare-{len(gone)}"
        shutil.copytree(folder, bare)
        for path in bare.glob(f"{gone}.study-receipt.json"):
            path.unlink()
        with pytest.raises(VerificationFailed, match="nobody signed it"):
            verify_study(bare)
    for path in list(folder.glob("member-2.*")):
        path.unlink()
    for path in list(folder.glob("member-1.*")):
        shutil.copy(path, folder / path.name.replace("member-1", "member-2"))
    with pytest.raises(VerificationFailed, match=r"member-1 \(.*\) signed member-1"):
        verify_study(folder)


@pytest.mark.parametrize(
    ("outputs", "what"),
    [
        ({"csv": "data.csv"}, "the data"),
        ({"report": "study.toml"}, "the study file"),
        ({"report": "my.key"}, "the key"),
        ({"csv": "one", "report": "one"}, "what --csv writes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_result_is_not_written_over_what_it_is_made_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outputs: dict[str, str], what: str
) -> None:
    """Ends with 2 before anything is read."""
    study, data = tmp_path / "study.toml", tmp_path / "data.csv"
    study.write_text(TEXT)
    data.write_text("wage,sex\n1,f\n")
    paths: dict[str, Any] = {name: tmp_path / file for name, file in outputs.items()}
    options = StudyOptions(key=tmp_path / "my.key", **paths)
    invitation = f"127.0.0.1:1#{'0' * 64}/{parse_study(TEXT.encode()).digest.hex()}"
    code = run_join(invitation, study=study, options=options, data=DataOptions(data=str(data)))
    assert code == 2
    assert f"would overwrite {what}" in capsys.readouterr().err
    assert data.read_text() == "wage,sex\n1,f\n"


# -- large files --------------------------------------------------------------------------------------


def test_evidence_is_for_its_owner_alone(monkeypatch: Any) -> None:
    """What a party keeps tells small counts: nobody else on the machine may read it."""
    seen = []

    def ran(*_: object) -> None:
        seen.append(os.umask(0o077))

    monkeypatch.setattr("p2pmpc.study.session.command.trio.run", ran)
    before = os.umask(0o022)
    try:
        nothing: Any = None
        _run_privately(nothing, nothing, nothing, nothing)
        assert seen == [0o077]
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_regression_of_very_many_categories_is_refused_at_once(monkeypatch: Any) -> None:
    """The products of three columns of 900 categories each would take minutes and gigabytes."""
    columns = [PAY, *(category(name, *(f"{k}" for k in range(900))) for name in "abc")]
    monkeypatch.setattr("p2pmpc.study.plan.blocks_of", lambda _: pytest.fail("products were made"))
    with pytest.raises(InputRefused, match="sums of products, and 262144 are the most"):
        Plan(study_of(columns, [Regression("pay", ("a", "b", "c"))]))


def test_long_studies_are_compared_in_one_pass(monkeypatch: Any) -> None:
    """A founder whose text is thousands of lines does not keep a joiner busy."""
    monkeypatch.setattr("difflib.SequenceMatcher", lambda *_, **__: pytest.fail("compared"))
    here = b"\n" * 20_000
    assert first_difference(here, here + b"x") == "line 20001 is '' here and 'x' there"
    assert first_difference(b"a" + here, b"b" + here) == "line 1 is 'a' here and 'b' there"
    assert first_difference(here, here + b"\n") == "line 20002 is '' here and '' there"


def test_a_sheet_that_merges_all_cells_is_read_at_once(tmp_path: Path) -> None:
    """Only cells that hold something are marked: a file can merge seventeen billion."""
    from openpyxl import Workbook

    book = Workbook()
    book.worksheets[0].append(["age", "weight", "born", "sex"])
    book.worksheets[0].append([30, 70.5, None, "f"])
    book.worksheets[0].merged_cells.add("F3:XFD1048576")
    book.save(tmp_path / "data.xlsx")
    assert checked(tmp_path / "data.xlsx").counts.used == 0


def test_a_view_that_never_ends_can_be_interrupted(tmp_path: Path) -> None:
    """SQLite would count its rows for ever, and hear no signal meanwhile."""
    path = tmp_path / "data.sqlite"
    endless = (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS age FROM r"
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE VIEW endless AS {endless}")

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises((KeyboardInterrupt, InputRefused)):
            checked(path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- names of others, within the engine -----------------------------------------------------------


NAMES = (
    'a"; DROP TABLE data; --',
    "x' OR '1'='1",
    "row_is_good",
    "rejected",
    "v0",
    "rows",
    "*",
    "?",
)


def test_no_name_of_a_column_means_anything_to_the_engine(tmp_path: Path) -> None:
    """Nor does any category, nor the name of the file: all are read as they are written."""
    categories = ("it's", 'say "x"', "a;--", "NULL", "%")
    columns = [Column(n, ColumnType.INTEGER, "", Decimal(0), Decimal(100)) for n in NAMES]
    columns.append(Column("c'\";", ColumnType.CATEGORY, categories=categories))
    rows = [
        [str((k * 7 + j) % 100) for j in range(len(NAMES))] + [categories[k % 5]] for k in range(20)
    ]
    (tmp_path / "a.csv").write_text("another file, which the name is a pattern of")
    path = tmp_path / "[a].csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[column.name for column in columns], *rows])
    study = a_study_of(*columns)
    assert checked(path, study).counts.used == 20
    plan = Plan(study)
    sums = bring(plan, DataOptions(data=str(path))).aggregates.sums
    for place, column in enumerate(columns[:-1]):
        wanted = sum(int(row[place]) - column.centre for row in rows)
        assert sums[Monomial.of(Value(column.name))] == ((wanted,),)
    assert sums[Monomial.of(Is(columns[-1].name, "it's"))] == ((4,),)


# -- texts of others ----------------------------------------------------------------------------------


def test_keys_of_a_study_do_not_steer_a_terminal() -> None:
    """TOML takes any sign in a quoted key; a message shows those without a shape as replaced."""
    quoted = STEER.replace("\x1b", "\\u001b").replace("\x07", "\\u0007")
    for line in (f'"{quoted}" = 1\n', f'[columns."{quoted}"]\ntype = "date"\n'):
        with pytest.raises(InputRefused) as refused:
            parse_study((line + TEXT if line.startswith('"') else TEXT + line).encode())
        assert "\N{REPLACEMENT CHARACTER}]0;x" in refused.value.message
        assert not set("\x1b\x07") & set(refused.value.describe())


def test_names_in_a_database_do_not_steer_a_terminal(tmp_path: Path) -> None:
    """A table and a column of SQLite may be called anything."""
    path = tmp_path / "data.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f'CREATE TABLE "t{STEER}" ("age{STEER}", weight, born, sex)')
        database.execute(f"INSERT INTO \"t{STEER}\" VALUES (999, 1, NULL, 'f')")
        database.commit()
    assert not set("\x1b\x07") & set(refusal(path).describe())
    report = checked(path, column=[f"age=age{STEER}"])
    assert report.counts.rejected == 1
    assert not set("\x1b\x07") & set(report.to_text())


def test_what_the_coordinator_writes_cannot_pass_for_what_the_program_says() -> None:
    """Purpose and descriptions may have several lines; none of them begins like a heading of ours."""
    false = "What leaves your machine\\n------------------------\\nNothing."
    text = TEXT.replace('purpose = "Who earns what?"', f'purpose = "Wages.\\n\\n{false}"')
    text = text.replace('unit = "EUR"', f'unit = "EUR"\ndescription = "Pay.\\n\\n{false}"')
    lines = show_study(Plan(parse_study(text.encode()))).split("\n")
    assert lines.count("What leaves your machine") == 1
    assert "| What leaves your machine" in lines
    assert "Nothing." not in lines


def test_a_group_of_one_party_is_said_to_tell_that_partys_totals() -> None:
    """Nobody looks at how many parties share a group, so whoever agrees, and whoever reads, is told."""
    grouped = study_of([SITE, PAY], [Mean("pay")], group_by=("site",))
    for study, is_said in ((grouped, True), (study_of([PAY], [Mean("pay")]), False)):
        shown = " ".join(show_study(Plan(study)).split())
        assert ("a group whose rows are all one party's" in shown) is is_said
        report = " ".join(not_learned(study))
        assert ("all rows of a group are one party's" in report) is is_said
