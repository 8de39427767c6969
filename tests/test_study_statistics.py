"""Every statistic from totals alone says what numpy and scipy say of the pooled rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy import stats

from p2pmpc.study.kinds import (
    Correlation,
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Range,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import EPOCH, Column, WeightPolicy
from tests.study_reference import Row, category, date, number, run, split, study_of

SEX, REGION = category("sex", "f", "m"), category("region", "north", "south", "west")
AGE = number("age", 18, 99)
INCOME = number("income", 0, 100_000, 2, "EUR")
HOURS = number("hours", 0, 60, 1)
JOINED = date("joined", dt.date(1999, 1, 1), dt.date(2029, 12, 31))
COLUMNS: list[Column] = [SEX, REGION, AGE, INCOME, HOURS, JOINED]


def people(rows: int = 240, seed: int = 7) -> list[Row]:
    """Return made-up rows."""
    rng = np.random.default_rng(seed)
    found: list[Row] = []
    for _ in range(rows):
        age, hours = int(rng.integers(18, 99)), round(float(rng.uniform(5, 60)), 1)
        sex = str(rng.choice(["f", "m"], p=[0.6, 0.4]))
        income = round(500 * hours + 90 * age + 2000 * (sex == "m") + rng.normal(0, 4000), 2)
        found.append(
            {
                "sex": sex,
                "region": str(rng.choice(["north", "south", "west"], p=[0.5, 0.3, 0.2])),
                "age": age,
                "income": min(max(income, 0.0), 100_000.0),
                "hours": hours,
                "joined": dt.date(2000, 1, 1) + dt.timedelta(days=int(rng.integers(0, 9000))),
            }
        )
    return found


PEOPLE = people()
LABELS = ("all", "sex = f", "region = west", "sex = m, region = south")


def of(name: str, label: str = "all", rows: Sequence[Row] = PEOPLE) -> Any:
    """Return a column of the rows of a level."""
    fixed = dict(part.split(" = ") for part in label.split(", ")) if label != "all" else {}
    return np.array([r[name] for r in rows if all(r[k] == v for k, v in fixed.items())])


def close(one: Any, two: Any) -> bool:
    """Return whether numbers are equal to twelve digits."""
    return bool(np.allclose(np.array(one, dtype=float), two, rtol=1e-12, atol=0))


GROUPED: tuple[Statistic, ...] = (
    Count(),
    Sum("income"),
    Mean("income"),
    Variance("income"),
    WeightedMean("income", "hours"),
    Covariance(("income", "age", "hours")),
    Correlation(("income", "age", "hours")),
    Sum("age"),
)


@pytest.fixture(scope="module")
def grouped() -> Any:
    """Return a run over made-up rows by two columns."""
    return run(study_of(COLUMNS, GROUPED, group_by=("sex", "region")), split(PEOPLE))


@pytest.mark.parametrize("label", LABELS)
def test_moments_are_those_of_the_pooled_rows(grouped: Any, label: str) -> None:
    """Counts, sums, means, variances and weighted means, of all rows, margins and groups."""
    x, w = of("income", label), of("hours", label)
    assert grouped.figures(label, 0) == {"count": len(x)}
    assert close(grouped.figures(label, 1)["sum"], x.sum())
    assert close(grouped.figures(label, 2)["mean"], x.mean())
    names = ("variance_sample", "sd_sample", "variance_population", "sd_population")
    assert close(
        [grouped.figures(label, 3)[name] for name in names],
        [x.var(ddof=1), x.std(ddof=1), x.var(), x.std()],
    )
    assert close(grouped.figures(label, 4)["weighted_mean"], np.average(x, weights=w))
    assert grouped.figures(label, 7) == {"sum": of("age", label).sum()}
    assert not any(any(grouped.errors(label, k).values()) for k in range(5))


@pytest.mark.parametrize("label", ["all", "sex = f, region = north"])
def test_matrices_are_those_of_the_pooled_rows(grouped: Any, label: str) -> None:
    """Sample covariance and Pearson's correlation."""
    data = np.array([of(name, label) for name in ("income", "age", "hours")])
    for place, name, expected in (
        (5, "covariance", np.cov(data)),
        (6, "correlation", np.corrcoef(data)),
    ):
        table = grouped.table(name, label, place)
        assert table.columns == ("column", "income", "age", "hours")
        assert [row[0] for row in table.rows] == ["income", "age", "hours"]
        assert close([row[1:] for row in table.rows], expected)


def edges(*values: float) -> tuple[Decimal, ...]:
    """Return the edges of a grid."""
    return tuple(Decimal(str(value)) for value in values)


def test_a_histogram_counts_as_numpy_does() -> None:
    """Cells hold their lower edge, the last one both."""
    rows = [{"hours": h} for h in [*of("hours"), 0, 10, 10, 10, 10, 10, 20, 40, 60, 60, 60, 60, 60]]
    grid = edges(0, 10, 20, 40, 60)
    ran = run(study_of([HOURS], [Histogram("hours", grid)]), split(rows))
    expected, _ = np.histogram([r["hours"] for r in rows], bins=[float(e) for e in grid])
    table = ran.table("bins")
    assert table.columns == ("lower", "upper", "count")
    assert [row[2] for row in table.rows] == expected.tolist()
    assert [row[:2] for row in table.rows] == [(0, 10), (10, 20), (20, 40), (40, 60)]


@pytest.mark.parametrize("seed", range(8))
def test_ends_and_quantiles_are_within_the_error_that_is_told(seed: int) -> None:
    """The grid decides how far they may be off, and the true ones are never farther."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(5, 60))
    x = np.round(rng.gamma(2, 8, size).clip(0, 60), 1)
    grid = edges(0, *sorted({round(float(e), 2) for e in rng.uniform(0.5, 59, 9)}), 60)
    chances = edges(0, 0.05, 0.25, 0.5, 0.9, 1)
    study = study_of([HOURS], [Range("hours", grid), Quantiles("hours", grid, chances)])
    ran = run(study, split([{"hours": float(v)} for v in x]))
    figures, errors = ran.figures(), ran.errors()
    for name, true in (("minimum", x.min()), ("maximum", x.max())):
        assert abs(figures[name] - true) <= errors[name] + 1e-9
    assert all(error <= 60 for error in errors.values())
    for (chance, value, error), true in zip(
        ran.table("quantiles", place=1).rows,
        np.quantile(x, [float(c) for c in chances]),
        strict=True,
    ):
        assert isinstance(value, float | int)
        assert isinstance(error, float)
        assert abs(value - true) <= error + 1e-9, chance


def test_a_grid_of_single_steps_is_exact() -> None:
    """A cell of one year of age holds one value, so that nothing is left open."""
    grid = edges(*range(18, 99), 99)
    chances = edges(0.1, 0.5, 0.77)
    study = study_of([AGE], [Range("age", grid), Quantiles("age", grid, chances)])
    rows = [{"age": min(int(v), 97)} for v in of("age")]
    ran, x = run(study, split(rows)), np.array([r["age"] for r in rows])
    assert ran.figures() == {"minimum": x.min(), "maximum": x.max()}
    assert set(ran.errors().values()) == {0.0}
    found = ran.table("quantiles", place=1).rows
    assert [row[2] for row in found] == [0, 0, 0]
    assert close([row[1] for row in found], np.quantile(x, [0.1, 0.5, 0.77]))


def test_dates_are_days() -> None:
    """A mean of dates is one of days since 1970, and tables show dates."""
    grid = tuple(Decimal((dt.date(year, 1, 1) - EPOCH).days) for year in range(1999, 2031))
    statistics = [
        Mean("joined"),
        Variance("joined"),
        Histogram("joined", grid),
        Range("joined", grid),
    ]
    statistics.append(Quantiles("joined", grid, edges(0.5)))
    ran = run(study_of([JOINED], statistics), split(PEOPLE))
    days = np.array([(day - EPOCH).days for day in of("joined")])
    assert close(ran.figures()["mean"], days.mean())
    assert ran.answer().figures[0].unit == "days since 1970-01-01"
    assert close(ran.figures(place=1)["sd_sample"], days.std(ddof=1))
    assert [f.unit for f in ran.answer(place=1).figures] == ["days²", "days"] * 2
    assert ran.table("bins", place=2).rows[1][:2] == ("2000-01-01", "2001-01-01")
    for name, true in (("minimum", days.min()), ("maximum", days.max())):
        assert abs(ran.figures(place=3)[name] - true) <= ran.errors(place=3)[name] <= 366
    ((_, median, error),) = ran.table("quantiles", place=4).rows
    assert isinstance(median, str)
    assert abs((dt.date.fromisoformat(median) - EPOCH).days - np.median(days)) <= float(str(error))


@pytest.mark.parametrize("label", ["all", "region = north"])
def test_a_crosstab_is_tested_as_scipy_does(label: str) -> None:
    """Counts with totals, chi-square, p and Cramer's V."""
    rows = [
        row | {"works": "full" if row["hours"] > 25 + 9 * (row["sex"] == "f") else "part"}
        for row in PEOPLE
    ]
    works = category("works", "full", "part", "none")
    study = study_of([*COLUMNS, works], [CrossTab("sex", "works")], group_by=("region",))
    ran = run(study, split(rows))
    sex, work = of("sex", label, rows), of("works", label, rows)
    counts = np.array([[np.sum((sex == s) & (work == w)) for w in ("full", "part")] for s in "fm"])
    table, figures = ran.table("counts", label), ran.figures(label)
    assert table.columns == ("sex", "full", "part", "none", "total")
    expected = [["f", *counts[0], 0, counts[0].sum()], ["m", *counts[1], 0, counts[1].sum()]]
    assert [list(row) for row in table.rows[:2]] == expected
    assert table.rows[2] == ("total", *counts.sum(axis=0), 0, counts.sum())
    chi = stats.chi2_contingency(counts, correction=False)
    assert close([figures["chi_square"], figures["p"]], [chi.statistic, chi.pvalue])
    assert figures["degrees_of_freedom"] == chi.dof
    assert close(figures["cramers_v"], stats.contingency.association(counts))
    assert "works = none is in no row" in " ".join(ran.answer(label).remarks)


def test_a_small_expected_count_is_told() -> None:
    """The p value of a sparse table is a rough one, and a column of one category has no test."""
    rows = [
        {"sex": s, "smokes": k}
        for s, k, n in (("f", "y", 7), ("f", "n", 30), ("m", "n", 9))
        for _ in range(n)
    ]
    rows += [{"sex": "m", "smokes": "y"}] * 5
    smokes = category("smokes", "y", "n")
    ran = run(study_of([SEX, smokes], [CrossTab("sex", "smokes")]), split(rows))
    assert any("below 5" in remark for remark in ran.answer().remarks)
    even = [
        {"sex": s, "smokes": k}
        for s in "fm"
        for k in "yn"
        for _ in range(8 + ((s == "m") ^ (k == "y")))
    ]
    ran = run(study_of([SEX, smokes], [CrossTab("sex", "smokes")]), split(even))
    assert not any("below 5" in remark for remark in ran.answer().remarks)
    ran = run(study_of([SEX, smokes], [CrossTab("sex", "smokes")]), split([rows[0]] * 20))
    assert set(ran.figures().values()) == {None}


@pytest.mark.parametrize("label", ["all", "region = north"])
def test_a_t_test_is_welchs(label: str) -> None:
    """Difference, t, degrees of freedom, p and interval, at every level that has both groups."""
    test = TTest("income", "sex", ("m", "f"), Decimal("0.9"))
    ran = run(study_of(COLUMNS, [test], group_by=("sex", "region")), split(PEOPLE))
    sex, income = of("sex", label), of("income", label)
    one, two = income[sex == "m"], income[sex == "f"]
    expected = stats.ttest_ind(one, two, equal_var=False)
    low, high = expected.confidence_interval(0.9)
    figures = ran.figures(label)
    assert close(
        [figures[k] for k in ("difference", "t", "degrees_of_freedom", "p", "low", "high")],
        [one.mean() - two.mean(), expected.statistic, expected.df, expected.pvalue, low, high],
    )
    groups = [(name, len(x), x.mean(), x.std(ddof=1)) for name, x in (("m", one), ("f", two))]
    for row, (name, size, *moments) in zip(ran.table("groups", label).rows, groups, strict=True):
        assert row[:2] == (name, size)
        assert close(row[2:], moments)
    labels = {a.level.label for a in ran.answers}
    assert labels == {"all", "region = north", "region = south", "region = west"}


def test_a_proportion_has_wilsons_interval() -> None:
    """Count, share and interval, as scipy gives them."""
    statistic = Proportion("sex", "f", Decimal("0.99"))
    ran = run(study_of(COLUMNS, [statistic], group_by=("region",)), split(PEOPLE))
    for label in ("all", "region = south"):
        sex = of("sex", label)
        test = stats.binomtest(int(np.sum(sex == "f")), len(sex))
        interval = test.proportion_ci(0.99, method="wilson")
        found = ran.figures(label)
        assert found["count"] == test.k
        assert close(
            [found[k] for k in ("proportion", "low", "high")],
            [test.statistic, interval.low, interval.high],
        )


@pytest.mark.parametrize(("few", "many"), [(0, 20), (20, 0)])
def test_a_proportion_of_none_or_all_is_shown(few: int, many: int) -> None:
    """Zero rows are nobody's, and the interval stays within 0 and 1."""
    rows: list[Row] = [{"sex": "f"}] * few + [{"sex": "m"}] * many
    found = run(study_of([SEX], [Proportion("sex", "f")]), split(rows)).figures()
    assert found["count"] == few
    assert 0 <= found["low"] <= found["proportion"] <= found["high"] <= 1


@pytest.mark.parametrize(("few", "many"), [(3, 40), (40, 3)])
def test_a_proportion_of_few_or_all_but_few_is_hidden(few: int, many: int) -> None:
    """Both tell of a few rows."""
    rows: list[Row] = [{"sex": "f"}] * few + [{"sex": "m"}] * many
    ran = run(study_of([SEX], [Proportion("sex", "f")]), split(rows))
    assert set(ran.figures().values()) == {None}
    assert any("fewer than 5" in remark for remark in ran.answer().remarks)


def test_proportions_of_one_column_are_hidden_together() -> None:
    """Where one of three is small, the others do not tell it."""
    rows: list[Row] = [
        {"region": r} for r, n in (("north", 3), ("south", 20), ("west", 30)) for _ in range(n)
    ]
    statistics = [Proportion("region", name) for name in REGION.categories]
    ran = run(study_of([REGION], statistics), split(rows))
    assert [ran.figures(place=k)["count"] for k in range(3)] == [None, None, 30]


def test_small_bins_are_hidden_at_every_level() -> None:
    """Neither a group's other bins nor all less the other group tell of three rows."""
    grid = edges(0, 20, 40, 60)
    filled = {"f": (3, 30, 40), "m": (20, 35, 50)}
    rows = [
        {"sex": s, "hours": 20 * bin_ + 7}
        for s, counts in filled.items()
        for bin_, n in enumerate(counts)
        for _ in range(n)
    ]
    ran = run(study_of([SEX, HOURS], [Histogram("hours", grid)], group_by=("sex",)), split(rows))
    found = {
        k: [row[2] for row in ran.table("bins", k).rows] for k in ("all", "sex = f", "sex = m")
    }
    assert found == {"all": [23, 65, 90], "sex = f": [None, None, 40], "sex = m": [None, None, 50]}


def test_small_cells_of_a_crosstab_are_hidden_and_with_them_the_test() -> None:
    """Three others hide one, totals stay where they are not small; chi-square would tell them all."""
    rows = [
        {"sex": s, "region": r}
        for s, counts in (("f", (2, 20, 30)), ("m", (40, 25, 60)))
        for r, n in zip(REGION.categories, counts, strict=True)
        for _ in range(n)
    ]
    ran = run(study_of([SEX, REGION], [CrossTab("sex", "region")]), split(rows))
    assert [row[1:] for row in ran.table("counts").rows] == [
        (None, None, 30, 52),
        (None, None, 60, 125),
        (42, 45, 90, 177),
    ]
    assert set(ran.figures().values()) == {None}
    assert "hidden counts could be computed" in ran.answer().remarks[0]


# -- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [WeightPolicy.PUBLIC, WeightPolicy.PRIVATE])
def test_weights_count_rows_that_often(policy: WeightPolicy) -> None:
    """Every statistic is that of rows written down as often as they count."""
    grid, chances = edges(0, 12, 24, 36, 48, 60), edges(0.2, 0.5)
    statistics = [*GROUPED[:7], Histogram("hours", grid), Quantiles("hours", grid, chances)]
    weights, parties = (3, 1, 2), split(PEOPLE)
    study = study_of(COLUMNS, statistics, weights=policy, weight_bound=3)
    ran = run(study, parties, weights)
    rows = [row for rows, w in zip(parties, weights, strict=True) for row in rows for _ in range(w)]
    income, hours, age = (of(name, rows=rows) for name in ("income", "hours", "age"))
    assert ran.answer().rows == len(PEOPLE)
    assert ran.figures() == {"count": len(rows)}
    assert close(ran.figures(place=1)["sum"], income.sum())
    assert close(ran.figures(place=2)["mean"], income.mean())
    assert close(ran.figures(place=3)["variance_sample"], income.var(ddof=1))
    assert close(ran.figures(place=4)["weighted_mean"], np.average(income, weights=hours))
    for place, expected in (
        (5, np.cov([income, age, hours])),
        (6, np.corrcoef([income, age, hours])),
    ):
        assert close([row[1:] for row in ran.answer(place=place).tables[0].rows], expected)
    assert [r[2] for r in ran.table("bins", place=7).rows] == np.histogram(
        hours, [float(e) for e in grid]
    )[0].tolist()
    for row, true in zip(
        ran.table("quantiles", place=8).rows, np.quantile(hours, [0.2, 0.5]), strict=True
    ):
        assert abs(float(str(row[1])) - true) <= float(str(row[2]))


def test_a_weighted_bin_may_be_of_few_rows() -> None:
    """Four rows that count three each are twelve, and not shown as that."""
    grid = edges(0, 20, 40, 60)
    rows = [{"hours": h} for h, n in ((7, 4), (27, 30), (47, 40)) for _ in range(n)]
    study = study_of(
        [HOURS], [Histogram("hours", grid)], weights=WeightPolicy.PRIVATE, weight_bound=3
    )
    ran = run(study, [rows, [], []], (3, 1, 1))
    assert [row[2] for row in ran.table("bins").rows] == [None, None, 120]


def test_rows_that_count_nothing_have_no_mean() -> None:
    """Weights of zero are no division by zero."""
    grid = edges(0, 20, 40, 60)
    statistics: list[Statistic] = [
        Mean("hours"),
        Variance("hours"),
        Range("hours", grid),
        Quantiles("hours", grid, edges(0.5)),
    ]
    statistics += [
        WeightedMean("hours", "hours"),
        Covariance(("hours", "age")),
        Count(),
        Correlation(("hours", "age")),
    ]
    study = study_of(COLUMNS, statistics, weights=WeightPolicy.PRIVATE, weight_bound=3)
    ran = run(study, split(PEOPLE), (0, 0, 0))
    assert all(ran.answer(place=k).withheld for k in range(5))
    for place in (5, 7):
        entries = [v for row in ran.answer(place=place).tables[0].rows for v in row[1:]]
        assert set(entries) == {None}
    assert ran.figures(place=6) == {"count": 0}


# -- what is not defined, and what rounding leaves -------------------------------------------------


def test_values_that_do_not_vary_have_no_test() -> None:
    """Zero variance is a variance of zero; a correlation or a t of it is not defined."""
    rows = [row | {"hours": 38.5, "weight": 0} for row in PEOPLE]
    weight = number("weight", 0, 10)
    statistics = [
        Variance("hours"),
        Correlation(("hours", "age")),
        TTest("hours", "sex", ("f", "m")),
    ]
    statistics.append(WeightedMean("age", "weight"))
    study = study_of([*COLUMNS, weight], statistics, group_by=("sex",))
    ran = run(study, split(rows))
    assert set(ran.figures().values()) == {0.0}
    assert ran.table("correlation", place=1).rows == (("hours", None, None), ("age", None, 1.0))
    assert any("hours is the same" in remark for remark in ran.answer(place=1).remarks)
    assert ran.figures(place=2)["difference"] == 0.0
    assert ran.figures(place=2)["p"] is None
    assert "the sum of weight is zero" in ran.answer(place=3).withheld


def test_one_row_has_no_sample_variance() -> None:
    """Where groups of one row are allowed, what needs two of them is not shown."""
    statistics = [Variance("age"), TTest("age", "sex", ("f", "m")), Covariance(("age", "hours"))]
    changed = {"minimum_group": 1, "rows_per_coefficient": 1, "group_by": ("sex",)}
    rows = [row | {"sex": "f" if k else "m"} for k, row in enumerate(PEOPLE[:9])]
    ran = run(study_of(COLUMNS, statistics, **changed), split(rows))
    assert ran.figures("sex = m") == {
        "variance_sample": None,
        "sd_sample": None,
        "variance_population": 0.0,
        "sd_population": 0.0,
    }
    assert "one row" in ran.answer(place=1).withheld


BILLIONS = number("worth", "-1e9", "1e9", 2, "EUR")


@pytest.mark.parametrize(("spread", "is_fine"), [(9e8, True), (5e4, False)])
def test_rounded_squares_are_within_the_error_that_is_told(spread: float, is_fine: bool) -> None:
    """Money in wide bounds: means are exact, and variances say how fine they are."""
    rng = np.random.default_rng(1)
    rows = [
        row | {"worth": round(float(rng.normal(0.05 * spread, 0.2 * spread)), 2)} for row in PEOPLE
    ]
    statistics = [
        Mean("worth"),
        Variance("worth"),
        TTest("worth", "sex", ("f", "m")),
        WeightedMean("age", "worth"),
        Covariance(("worth", "age")),
    ]
    study = study_of([*COLUMNS, BILLIONS], statistics, group_by=("sex",), maximum_rows=10_000_000)
    ran = run(study, split(rows))
    worth, sex, age = of("worth", rows=rows), of("sex"), of("age")
    assert close(ran.figures()["mean"], worth.mean())
    test = stats.ttest_ind(worth[sex == "f"], worth[sex == "m"], equal_var=False)
    low, high = test.confidence_interval()
    pairs = [
        (1, "variance_sample", worth.var(ddof=1)),
        (1, "sd_population", worth.std()),
        *((2, name, value) for name, value in (("t", test.statistic), ("p", test.pvalue))),
        *((2, name, value) for name, value in (("low", low), ("high", high))),
        (2, "degrees_of_freedom", test.df),
        (3, "weighted_mean", np.average(age, weights=worth)),
    ]
    for place, name, true in pairs:
        value, error = ran.figures(place=place)[name], ran.errors(place=place)[name]
        assert error > 0
        assert abs(value - true) <= 1.01 * error + 1e-11 * abs(true), name
        assert not is_fine or error < 1e-6 * abs(true), name
    assert is_fine != any("narrower bounds" in r for r in ran.answer(place=1).remarks)
    found, error_table = ran.table("covariance", place=4), ran.table("covariance_error", place=4)
    for row, errors, true_row in zip(
        found.rows, error_table.rows, np.cov([worth, age]), strict=True
    ):
        for value, off, true in zip(row[1:], errors[1:], true_row, strict=True):
            assert abs(float(str(value)) - true) <= float(str(off)) + 1e-11 * abs(true)


def test_cents_in_bounds_of_billions_are_exact_in_sums() -> None:
    """What is not multiplied is never rounded, and a variance that is lost says so."""
    rows = [{"worth": round(0.01 * k, 2)} for k in range(60)]
    study = study_of([BILLIONS], [Mean("worth"), Variance("worth")], maximum_rows=10_000_000)
    ran = run(study, split(rows))
    assert close(ran.figures()["mean"], 0.295)
    assert abs(ran.figures(place=1)["sd_sample"] - 0.1746) < ran.errors(place=1)["sd_sample"]
    assert any("narrower bounds" in remark for remark in ran.answer(place=1).remarks)
