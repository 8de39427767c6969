"""Where numbers stand, what fits, and what the second round may open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.encoding import LARGEST_SCALED
from p2pmpc.errors import InputRefused
from p2pmpc.study.disclosure import holds_back
from p2pmpc.study.kinds import (
    Correlation,
    Count,
    CrossTab,
    Histogram,
    Mean,
    Regression,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
from p2pmpc.study.levels import levels_of
from p2pmpc.study.model import Column, Comparison, Filter, Study, WeightPolicy
from p2pmpc.study.plan import Plan, rounded
from p2pmpc.study.terms import (
    ROWS,
    Bins,
    Is,
    Monomial,
    Pairs,
    Value,
    blocks_of,
    coefficients_of,
    size_of,
    terms_of,
)
from tests.study_reference import Row, aggregates_of, category, number, run, split, study_of

SEX, REGION = category("sex", "f", "m"), category("region", "north", "south", "west")
AGE, PAY = number("age", 18, 99), number("pay", 0, 100_000, 2)
COLUMNS: list[Column] = [SEX, REGION, AGE, PAY]
GRID = tuple(Decimal(edge) for edge in (18, 40, 65, 99))
MANY: tuple[Statistic, ...] = (
    Count(),
    Mean("pay"),
    Variance("pay"),
    Histogram("age", GRID),
    CrossTab("sex", "region"),
    Correlation(("pay", "age")),
    Regression("pay", ("age", "sex", "region")),
    TTest("pay", "sex", ("f", "m")),
)


def grouped(**changed: Any) -> Study:
    """Return a study of many statistics by two columns."""
    return study_of(COLUMNS, **({"statistics": MANY, "group_by": ("sex", "region")} | changed))


def people(counts: dict[tuple[str, str], int]) -> list[Row]:
    """Return so many rows of each group."""
    groups = [group for group, n in counts.items() for _ in range(n)]
    return [
        {"sex": s, "region": r, "age": 18 + 7 * k % 80, "pay": 100.25 * (k * k % 97)}
        for k, (s, r) in enumerate(groups)
    ]


# -- terms ----------------------------------------------------------------------------------------


def test_the_order_of_factors_does_not_matter() -> None:
    """A product is one term, whoever asks for it."""
    assert Monomial.of(Value("a"), Is("b", "x")) == Monomial.of(Is("b", "x"), Value("a"))
    assert Monomial.of(Value("b"), Value("a")) == Monomial.of(Value("a"), Value("b"))
    assert Monomial.of() == ROWS


def test_simple_statistics_share_their_terms() -> None:
    """A sum that several need is opened once."""
    simple = blocks_of(grouped())[0]
    assert len(set(simple.terms)) == len(simple.terms)
    assert simple.terms.count(Monomial.of(Value("pay"))) == 1
    assert Bins("age", (18, 40, 65, 99)) in simple.terms
    assert Pairs("sex", "region") in simple.terms


def test_a_regression_opens_no_term_that_is_known() -> None:
    """An indicator's square is itself, and two of one column exclude each other."""
    terms = terms_of(Regression("pay", ("age", "region")), grouped())
    south, west = Is("region", "south"), Is("region", "west")
    assert Monomial.of(south) in terms
    assert Monomial.of(south, south) not in terms
    assert Monomial.of(south, west) not in terms
    assert len(terms) == 4 + 3 + 4  # firsts, products of numbers, of indicators with numbers


def test_matrices_need_rows_for_every_coefficient() -> None:
    """Ten for each by default, the intercept and every indicator included."""
    study = grouped()
    needed = {b.statistics[0].kind: b.rows_needed for b in blocks_of(study)[1:]}
    assert needed == {"correlation": 20, "regression": 50}
    assert coefficients_of(MANY[6], study) == 5


# -- the layout -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "study",
    [
        grouped(),
        grouped(group_by=()),
        grouped(statistics=(Count(),)),
        grouped(statistics=(Regression("pay", ("age",)),), group_by=("sex",)),
        grouped(statistics=MANY[:4], weights=WeightPolicy.PRIVATE, weight_bound=9),
    ],
)
def test_no_number_stands_where_another_does(study: Study) -> None:
    """Every term of every group of every block has places of its own, within the vectors."""
    plan = Plan(study)
    taken: list[int] = []
    for k, block in enumerate(plan.blocks):
        for place in range(len(plan.cells) + block.has_rest):
            for term in block.terms:
                start = plan.slot(k, place, term)
                taken += range(start, start + size_of(term, study))
    assert sorted(taken) == list(range(len(taken)))
    assert plan.length == max(len(taken), 2 * len(plan.cells))


def test_both_rounds_have_vectors_of_one_length() -> None:
    """A round is no longer than the other, and what is not used is zero."""
    ran = run(grouped(), split(people({("f", "north"): 60, ("m", "south"): 60})))
    assert len(ran.vectors[0]) == len(ran.vectors[1]) == ran.plan.length
    assert not any(ran.vectors[0][ran.plan.first_length :])


# -- what fits ------------------------------------------------------------------------------------


def test_a_column_too_wide_to_be_summed_is_refused() -> None:
    """The refusal names the column, its bounds and what to change."""
    wide = number("wealth", 0, "1e15", 2)
    with pytest.raises(InputRefused) as refused:
        Plan(study_of([wide], [Sum("wealth")], maximum_rows=10_000_000))
    text = refused.value.message
    assert "columns.wealth: up to 10000000 rows of values from 0 to 1E+15 with 2 decimals" in text
    assert "maximum" in refused.value.hint


def test_a_column_too_wide_to_be_multiplied_is_refused() -> None:
    """Products have to fit what engines sum exactly."""
    wide = number("wealth", 0, "1e14", 2)
    assert Plan(study_of([wide], [Sum("wealth")], maximum_rows=100))
    with pytest.raises(InputRefused, match=r"columns\.wealth: .* too many to be multiplied"):
        Plan(study_of([wide], [Variance("wealth")], maximum_rows=100))


def test_too_many_rows_are_refused() -> None:
    """The refusal names the bound at fault."""
    changed = {"weights": WeightPolicy.PRIVATE, "weight_bound": 1 << 40, "maximum_rows": 10**9}
    with pytest.raises(InputRefused, match="maximum_rows: 1000000000 rows that count up to"):
        Plan(study_of([AGE], [Count()], **changed))


def test_too_many_numbers_are_refused(monkeypatch: Any) -> None:
    """The refusal says how many and what makes fewer."""
    monkeypatch.setattr("p2pmpc.study.plan.MOST_NUMBERS", 20)
    with pytest.raises(InputRefused, match="and 20 are the most") as refused:
        Plan(grouped())
    assert "fewer groups" in refused.value.hint


def test_the_narrowest_field_that_fits_carries_the_numbers() -> None:
    """Counts of a few rows fit m31, sums of money m61, sums of squares need m31xm61."""
    few = {"maximum_rows": 10_000}
    assert Plan(study_of([AGE], [Count()], **few)).field == "m31"
    assert Plan(study_of([PAY], [Sum("pay")], **few)).field == "m61"
    assert Plan(study_of([PAY], [Variance("pay")], maximum_rows=10_000_000)).field == "m31xm61"


@given(
    half=st.integers(1, 1 << 47),
    rows=st.integers(1, 200),
    parties=st.integers(2, 1000),
    weight=st.integers(1, 20),
)
def test_every_number_of_a_party_is_within_the_bound(
    half: int, rows: int, parties: int, weight: int
) -> None:
    """Products are rounded just so far that they fit, and sums not at all."""
    wide = Column("w", number("w", 0, 1).type, "", Decimal(-half), Decimal(half))
    changed = {"maximum_rows": rows, "weight_bound": weight, "number_of_parties": parties}
    plan = Plan(study_of([wide], [Variance("w")], weights=WeightPolicy.PRIVATE, **changed))
    square = Monomial.of(Value("w"), Value("w"))
    shift = plan.shifts[0][square]
    largest = rows * weight * half * half
    assert rounded(largest, shift) <= plan.bound <= LARGEST_SCALED
    assert not shift or rounded(largest, shift - 1) > LARGEST_SCALED
    assert parties * abs((rounded(largest, shift) << shift) - largest) <= plan.error_of(0, square)
    assert plan.shifts[0][Monomial.of(Value("w"))] == plan.shifts[0][ROWS] == 0


def test_a_product_that_is_rounded_up_is_within_the_bound() -> None:
    """(2^47 - 1)(2^47 + 1) has 94 bits, and rounded to the upper 60 of them it would have 61."""
    low, high = ((1 << 47) + step for step in (-1, 1))
    one, two = (number(name, -half, half) for name, half in (("a", low), ("b", high)))
    plan = Plan(study_of([one, two], [Correlation(("a", "b"))], maximum_rows=1))
    product = Monomial.of(Value("a"), Value("b"))
    assert plan.shifts[1][product] == 35
    assert rounded(low * high, 35) <= plan.bound


def test_what_parties_round_adds_up_over_groups() -> None:
    """Half a step for each party and group."""
    study = study_of([SEX, PAY], [Variance("pay")], group_by=("sex",), maximum_rows=10_000_000)
    rows: list[Row] = [{"sex": "fm"[k % 2], "pay": 1.5 * k} for k in range(60)]
    ran, square = run(study, split(rows)), Monomial.of(Value("pay"), Value("pay"))
    shift = ran.plan.shifts[0][square]
    assert shift > 0
    errors = [ran.totals.over(0, groups) for groups in ([0], [0, 1])]
    assert [s.error[square] if s else 0 for s in errors] == [3 << shift - 1, 6 << shift - 1]


# -- what is opened -------------------------------------------------------------------------------

COUNTS = {
    ("f", "north"): 60,
    ("f", "south"): 3,
    ("f", "west"): 12,
    ("m", "north"): 70,
    ("m", "south"): 40,
}


WITHOUT = "without suppressed groups: sex = f,"


def test_a_stricter_rule_of_a_party_holds_a_group_back() -> None:
    """Where it has any rows of the group, and fewer than it lets go."""
    assert [holds_back(n, 4) for n in range(6)] == [False, True, True, True, False, False]
    assert not any(holds_back(n, 0) for n in range(6))


def test_groups_are_suppressed_by_the_minimum_and_by_a_party() -> None:
    """By the total over all, and by one party's own count; an empty group is not worth a word."""
    parties = split(people(COUNTS))
    ran = run(grouped(), parties, own_minima=[0, 5, 0])
    assert ran.opening.counts == (60, 3, 12, 70, 40, 0)
    assert ran.opening.held_back == (0, 1, 1, 0, 0, 0)
    assert ran.opening.suppressed == (1, 2)
    assert ran.opening.rows == 170
    labels = [level.label for level in levels_of(ran.plan.study, ran.opening)]
    assert labels == [
        *("all", "sex = f", "sex = m", "region = north", "region = south"),
        *("sex = f, region = north", "sex = m, region = north", "sex = m, region = south"),
    ]


def test_of_a_group_that_it_holds_back_a_party_tells_no_categories() -> None:
    """Since the group is left out anyway, nobody needs to know how its rows are spread over predictors."""
    plan = Plan(grouped())
    (own, *_) = split(people(COUNTS))
    local = aggregates_of(plan, own)
    held = local.counts[2]
    assert held
    open_handed, strict = plan.first_round(local), plan.first_round(local, held + 1)
    groups = len(plan.cells)
    assert strict[:groups] == open_handed[:groups] == list(local.counts)
    of_group = [k for k in range(2 * groups, plan.first_length) if k % groups == 2]
    assert any(open_handed[k] for k in of_group)
    assert not any(strict[k] for k in of_group)


def test_nothing_of_a_suppressed_group_is_in_what_is_opened() -> None:
    """Whatever its rows hold, the second round and all answers are the same."""
    rows = people(COUNTS)
    changed = [
        row | {"age": 99, "pay": 99_999.0}
        if row["sex"] == "f" and row["region"] == "south"
        else row
        for row in rows
    ]
    one, two = run(grouped(), split(rows)), run(grouped(), split(changed))
    assert rows != changed
    assert one.vectors == two.vectors
    assert one.answers == two.answers
    assert one.figures("region = south")["count"] == one.figures("sex = m, region = south")["count"]
    assert one.answer().rows == 182
    for label in ("all", "sex = f", "region = south"):
        remark = f"{WITHOUT} region = south"
        assert remark in one.answer(label).remarks
    assert not one.answer("sex = m").remarks


def test_a_t_test_is_between_groups_that_are_shown() -> None:
    """Where one side is suppressed there is nothing to compare."""
    ran = run(grouped(), split(people(COUNTS)))
    place = MANY.index(TTest("pay", "sex", ("f", "m")))
    assert ran.answer("region = south", place).withheld == "no group with sex = f is shown"
    assert ran.answer("all", place).rows == 182
    remark = f"{WITHOUT} region = south"
    assert remark in ran.answer("all", place).remarks


def test_a_t_test_lacks_no_group_that_it_does_not_compare() -> None:
    """Only suppressed groups of its two categories are remarked on."""
    test = TTest("pay", "region", ("north", "west"))
    counts = {(s, r): 20 for s in "fm" for r in ("north", "west")}
    for group, remarks in ((("f", "south"), ()), (("f", "west"), (f"{WITHOUT} region = west",))):
        ran = run(grouped(statistics=(test,)), split(people(counts | {group: 3})))
        assert ran.answer().remarks == remarks


def test_where_every_group_is_suppressed_every_answer_says_so() -> None:
    """There is one level, and nothing in it."""
    ran = run(grouped(), split(people({("f", "north"): 2})))
    assert [a.level.label for a in ran.answers] == ["all"] * len(MANY)
    assert all(a.withheld and not a.figures and not a.tables for a in ran.answers)
    assert not any(ran.vectors[1])


def test_what_is_left_is_opened_as_one_where_it_is_enough() -> None:
    """Groups with too few rows for a matrix are summed in one place, and in none where they are too few."""
    ran = run(grouped(), split(people({("f", "north"): 60, ("f", "west"): 30, ("m", "north"): 25})))
    correlation, regression = ran.opening.blocks[1:]
    assert [k for k, own in enumerate(correlation.own) if own] == [0, 2, 3]
    assert correlation.rest == ()
    assert [k for k, own in enumerate(regression.own) if own] == [0]
    assert regression.rest == (2, 3)
    assert regression.groups == {0, 2, 3}
    over = ran.totals.over
    assert [s.rows if s else 0 for s in (over(2, [0, 2, 3]), over(2, [2, 3]), over(2, [2]))] == [
        115,
        55,
        0,
    ]
    apart = over(2, [0, 2])
    assert apart is not None
    assert apart.rows == 60
    few = run(grouped(), split(people({("f", "north"): 30, ("f", "west"): 15})))
    assert few.opening.blocks[2].rest == ()
    assert few.totals.over(2, [0, 2]) is None


def test_a_group_too_small_takes_the_smallest_other_with_it() -> None:
    """So that all is of all rows, and what is left of all is not the small group."""
    rows = people({("f", "north"): 60, ("f", "west"): 45, ("m", "north"): 12})
    ran = run(grouped(), split(rows))
    correlation, regression = ran.opening.blocks[1:]
    assert [k for k, own in enumerate(correlation.own) if own] == [0]
    assert [k for k, own in enumerate(regression.own) if own] == [0]
    assert correlation.rest == regression.rest == (2, 3)
    assert ran.answer("all", 5).rows == ran.answer("all", 6).rows == len(rows)
    assert "opened only together" in ran.answer("sex = f, region = west", 5).withheld


def test_filters_and_missing_values_leave_rows_out_of_everything() -> None:
    """The same rows serve all statistics, so that no two of them differ by a few rows."""
    rows = people({("f", "north"): 40, ("m", "north"): 40})
    gaps = [row | ({"pay": None} if k % 10 == 0 else {}) for k, row in enumerate(rows)]
    young = Filter("age", Comparison.BELOW, (Decimal(60),))
    ran = run(grouped(filters=(young,)), split(gaps))
    used = [row for row in gaps if row["pay"] is not None and row["age"] < 60]
    assert ran.figures() == {"count": len(used)}
    assert ran.answer(place=4).rows == len(used)


def test_secrets_are_not_in_what_aggregates_print() -> None:
    """Local counts and sums stay out of logs and tracebacks."""
    from p2pmpc.study.plan import Aggregates

    assert repr(Aggregates((1234567,), {ROWS: ((7654321,),)})) == "Aggregates()"


def test_a_weighted_mean_needs_what_undoes_the_centres() -> None:
    """Both sums and their product."""
    found = terms_of(WeightedMean("pay", "age"), grouped())
    pay, age = Value("pay"), Value("age")
    assert set(found) == {Monomial.of(pay), Monomial.of(age), Monomial.of(pay, age)}


@pytest.mark.parametrize(("rows", "shown"), [(4, False), (5, True)])
def test_a_group_of_the_minimum_is_shown_and_one_row_fewer_is_not(rows: int, shown: bool) -> None:
    """The minimum is the fewest rows that are shown, over all parties."""
    ran = run(grouped(), split(people({("f", "north"): 60, ("m", "south"): rows})))
    few = [k for k, n in enumerate(ran.opening.counts) if n == rows]
    assert [ran.opening.shown[k] for k in few] == [shown]
    assert bool(ran.opening.suppressed) is not shown


@pytest.mark.parametrize(("rows", "opened"), [(19, False), (20, True)])
def test_a_matrix_of_just_enough_rows_is_opened(rows: int, opened: bool) -> None:
    """Ten rows for each of two columns, and not one fewer."""
    study = grouped(statistics=(MANY[5],), group_by=("sex",))
    (matrix,) = [block for block in blocks_of(study) if block.watched or block.has_rest]
    assert matrix.rows_needed == 20
    ran = run(study, split(people({("f", "north"): 60, ("m", "south"): rows})))
    assert ran.opening.blocks[-1].own == (opened, opened)
    assert ran.opening.blocks[-1].rest == (() if opened else (0, 1))


@pytest.mark.parametrize("parties", [1, 2, 3])
def test_a_group_is_held_back_by_however_many(parties: int) -> None:
    """One party is enough, and more are no fewer."""
    study = grouped()
    plan = Plan(study)
    counts = [50] * len(plan.cells)
    held = [0] * len(counts)
    held[1] = parties
    watched = [50] * (len(plan.watched) * len(counts))
    assert plan.opening([*counts, *held, *watched]).shown == tuple(h == 0 for h in held)


@pytest.mark.parametrize(("least", "shown"), [(1, True), (2, True), (3, False)])
def test_a_group_needs_rows_of_as_many_parties_as_the_study_says(least: int, shown: bool) -> None:
    """The totals of a group that few parties have are these parties' own; 1 does not even count them."""
    study = grouped(minimum_parties=least)
    everywhere = people({("f", "north"): 30})
    tables = [everywhere, [*everywhere, *people({("m", "west"): 30})]] * 2
    ran = run(study, [tables[0], tables[1], tables[3]])
    few = next(k for k, n in enumerate(ran.opening.counts) if n == 60)
    assert ran.opening.shown[few] is shown
    assert bool(ran.opening.parties) is (least > 1)
    if least > 1:
        assert ran.opening.parties[few] == 2
    assert ran.plan.first_length == len(ran.plan.cells) * (2 + (least > 1) + len(ran.plan.watched))
