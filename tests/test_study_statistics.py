"""Every statistic from totals alone says what numpy and scipy say of the pooled rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy import stats

from p2pmpc.study.model import (
    EPOCH,
    Column,
    Correlation,
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Quantiles,
    Range,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
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
