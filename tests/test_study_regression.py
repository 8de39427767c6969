"""Linear regression from totals alone says what statsmodels says of the pooled rows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from p2pmpc.study.kinds import Correlation, Count, Covariance, Regression
from p2pmpc.study.statistics.sweeping import Fit, context, fit
from tests.study_reference import Row, category, date, number, run, split, study_of

SEX, REGION = category("sex", "f", "m", "x"), category("region", "north", "south")
X, Z, Y = number("x", -100, 100, 3), number("z", 0, 50, 2), number("y", -1000, 1000, 3)
DAY = date("day", dt.date(2000, 1, 1), dt.date(2030, 1, 1))
COLUMNS = [SEX, REGION, X, Z, Y, DAY]
PREDICTORS = ("x", "z", "sex")


def rows_of(size: int = 150, seed: int = 3) -> list[Row]:
    """Return made-up rows."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for _ in range(size):
        x, z = round(float(rng.normal(10, 20)), 3), round(float(rng.uniform(0, 50)), 2)
        sex = str(rng.choice(["f", "m", "x"], p=[0.5, 0.4, 0.1]))
        y = 3 + 2 * x - z + 7 * (sex == "m") + float(rng.normal(0, 15))
        day = dt.date(2010, 1, 1) + dt.timedelta(days=int(rng.integers(3000)))
        region = str(rng.choice(["north", "south"], p=[0.85, 0.15]))
        rows.append({"x": x, "z": z, "sex": sex, "y": round(y, 3), "day": day, "region": region})
    return rows


ROWS = rows_of()


def design(rows: list[Row]) -> Any:
    """Return the matrix of x, z and the categories of sex but the first."""
    return np.array([[1, r["x"], r["z"], r["sex"] == "m", r["sex"] == "x"] for r in rows], float)


def ols(rows: list[Row], matrix: Any = None) -> Any:
    """Return what statsmodels makes of pooled rows."""
    return OLS(np.array([r["y"] for r in rows]), design(rows) if matrix is None else matrix).fit()


def close(one: Any, two: Any, relative: float = 1e-9) -> bool:
    """Return whether numbers are equal to nine digits, as far as statsmodels' doubles go."""
    return bool(np.allclose(np.array(one, dtype=float), two, rtol=relative, atol=0))


def assert_equal(ran: Any, expected: Any, label: str = "all", alpha: float = 0.05) -> None:
    """Compare a whole regression with one of statsmodels."""
    lines = ran.table("coefficients", label)
    assert lines.columns == ("name", "estimate", "standard_error", "t", "p", "low", "high")
    numbers = np.array([row[1:] for row in lines.rows], dtype=float)
    of_all = (expected.params, expected.bse, expected.tvalues, expected.pvalues)
    wanted = np.column_stack([*of_all, expected.conf_int(alpha)])
    assert close(numbers, wanted)
    figures = ran.figures(label)
    names = ("r_squared", "adjusted_r_squared", "f", "f_p", "rows", "degrees_of_freedom")
    whole = (expected.rsquared, expected.rsquared_adj, expected.fvalue, expected.f_pvalue)
    assert close([figures[n] for n in names], (*whole, expected.nobs, expected.df_resid))
    assert close(figures["residual_standard_error"], np.sqrt(expected.mse_resid))


def test_a_regression_is_that_of_the_pooled_rows() -> None:
    """Coefficients with their tests, R2 and F, with a category among the predictors."""
    ran = run(study_of(COLUMNS, [Regression("y", PREDICTORS, Decimal("0.9"))]), split(ROWS))
    assert_equal(ran, ols(ROWS), alpha=0.1)
    names = [row[0] for row in ran.table("coefficients").rows]
    assert names == ["intercept", "x", "z", "sex = m", "sex = x"]
    assert ran.answer().remarks == ("sex: each coefficient compares with f",)
    assert [table.name for table in ran.answer().tables] == ["coefficients"]


def test_a_group_of_too_few_rows_counts_in_all_and_has_no_answer_of_its_own() -> None:
    """Fewer rows than ten a coefficient; were the other group opened, it could be had by subtraction."""
    rows = ROWS + [row | {"region": "south"} for row in rows_of(15, seed=4)]
    ran = run(study_of(COLUMNS, [Regression("y", PREDICTORS)], group_by=("region",)), split(rows))
    north = [row for row in rows if row["region"] == "north"]
    few = len(rows) - len(north)
    assert 5 <= few < 50
    south = ran.answer("region = south")
    assert south.withheld == f"{few} rows are fewer than the 50 that this needs"
    assert not south.figures
    assert "opened only together (region = north" in ran.answer("region = north").withheld
    assert_equal(ran, ols(rows))


def test_what_is_left_counts_where_it_is_enough_together() -> None:
    """Two groups that are too small each are opened as one, and only in all."""
    size = category("size", "s", "m", "l")
    rows = [row | {"size": "sml"[k % 7 % 3 if k % 7 < 3 else 2]} for k, row in enumerate(ROWS)]
    study = study_of([*COLUMNS, size], [Regression("y", ("x", "z"))], group_by=("size",))
    ran = run(study, split(rows), own_minima=[1, 1, 1])
    sizes = [sum(r["size"] == s for r in rows) for s in "sml"]
    assert sizes[0] < 30
    assert sizes[1] < 30
    assert sum(sizes[:2]) >= 30
    matrix = np.array([[1, r["x"], r["z"]] for r in rows], float)
    assert_equal(ran, ols(rows, matrix))
    assert "fewer than the 30" in ran.answer("size = s").withheld
    assert ran.answer("size = l").rows == sizes[2]


@pytest.mark.parametrize(
    ("changed", "dropped"),
    [
        ({"z": 4.0}, "z is the same in all rows and was dropped"),
        ({"sex": "f"}, "sex = m is the same in all rows and was dropped"),
    ],
)
def test_a_predictor_that_does_not_vary_is_dropped(changed: Row, dropped: str) -> None:
    """It has no coefficient, and the others are those of a regression without it."""
    rows = [row | changed for row in ROWS]
    ran = run(study_of(COLUMNS, [Regression("y", PREDICTORS)]), split(rows))
    assert dropped in ran.answer().remarks
    expected = ols(rows, design(rows)[:, [0, *np.flatnonzero(design(rows).std(axis=0))]])
    found = [row[1:4] for row in ran.table("coefficients").rows if row[1] is not None]
    assert close(found, np.column_stack([expected.params, expected.bse, expected.tvalues]))


def test_collinear_predictors_are_dropped() -> None:
    """The later one is, as R does it, and the remark says what it follows from."""
    w = number("w", -1000, 1000, 3)
    rows = [row | {"w": round(2 * row["x"] - row["z"] + 5, 3)} for row in ROWS]
    study = study_of([*COLUMNS, w], [Regression("y", ("x", "z", "w", "sex"))])
    ran = run(study, split(rows))
    assert "w was dropped, since it follows from x, z" in ran.answer().remarks
    kept = [row[1:] for row in ran.table("coefficients").rows if row[0] != "w"]
    assert close([row[0] for row in kept], ols(rows).params)
    assert next(row for row in ran.table("coefficients").rows if row[0] == "w")[1:] == (None,) * 6
    assert ran.figures()["degrees_of_freedom"] == len(rows) - 5


def test_a_category_without_rows_is_dropped() -> None:
    """Where the first one has none, the last one is what is compared with."""
    rows = [row | {"sex": "m" if row["sex"] == "f" else row["sex"]} for row in ROWS]
    ran = run(study_of(COLUMNS, [Regression("y", PREDICTORS)]), split(rows))
    assert "sex = x was dropped, since it follows from sex = m" in ran.answer().remarks
    expected = ols(rows, design(rows)[:, :4])
    assert close([row[1] for row in ran.table("coefficients").rows[:4]], expected.params)


def test_an_ill_conditioned_regression_is_solved() -> None:
    """Two predictors that differ in the sixth digit, far from zero, and a date."""
    wide = number("wide", 999_900, 1_000_100, 3)
    twin = number("twin", 999_900, 1_000_100, 3)
    rng = np.random.default_rng(5)
    rows = [
        row
        | {
            "wide": round(1e6 + row["x"] / 10, 3),
            "twin": round(1e6 + row["x"] / 10 + float(rng.normal(0, 0.01)), 3),
        }
        for row in ROWS
    ]
    study = study_of([*COLUMNS, wide, twin], [Regression("y", ("wide", "twin", "day"))])
    ran = run(study, split(rows))
    day = np.array([(r["day"] - dt.date(1970, 1, 1)).days for r in rows], float)
    pooled = np.array([[r["wide"] - 1e6, r["twin"] - 1e6] for r in rows])
    expected = ols(rows, np.column_stack([np.ones(len(rows)), pooled, day - day.mean()]))
    found = [row[1:4] for row in ran.table("coefficients").rows[1:]]
    wanted = np.column_stack([expected.params, expected.bse, expected.tvalues])[1:]
    assert close(found, wanted, 1e-6)
    assert close(ran.figures()["r_squared"], expected.rsquared)
    assert "day: in days, from 1970-01-01 on" in ran.answer().remarks


def test_a_perfect_fit_has_no_tests() -> None:
    """Standard errors are zero, and nothing is divided by them."""
    rows = [row | {"y": round(2 * row["x"] + 1, 3)} for row in ROWS]
    ran = run(study_of(COLUMNS, [Regression("y", ("x", "z"))]), split(rows))
    lines = ran.table("coefficients").rows
    assert close([lines[0][1], lines[1][1]], [1, 2])
    assert lines[1][2:] == (0.0, None, None, None, None)
    assert ran.figures()["r_squared"] == 1.0
    assert ran.figures()["f"] is None
    assert any("perfect" in remark for remark in ran.answer().remarks)


def test_an_outcome_that_does_not_vary_has_nothing_to_explain() -> None:
    """R2 is not defined, and the slopes are zero."""
    rows = [row | {"y": 7.0} for row in ROWS]
    ran = run(study_of(COLUMNS, [Regression("y", ("x", "z"))]), split(rows))
    assert [row[1] for row in ran.table("coefficients").rows] == [7.0, 0.0, 0.0]
    assert ran.figures()["r_squared"] is None
    assert any("nothing to explain" in remark for remark in ran.answer().remarks)


def test_as_many_coefficients_as_rows_have_no_errors() -> None:
    """Two points make a line and leave nothing over."""
    changed = {"minimum_group": 1, "rows_per_coefficient": 1}
    rows = [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 10.0}]
    statistics = [Regression("y", ("x",)), Covariance(("x", "y")), Count()]
    ran = run(study_of([X, Y], statistics, **changed), split(rows, 2))
    lines = ran.table("coefficients").rows
    assert [row[1] for row in lines] == [-2.0, 4.0]
    assert {value for row in lines for value in row[2:]} == {None}
    assert ran.figures()["f"] is None
    assert ran.figures()["adjusted_r_squared"] is None
    assert ran.table("covariance", place=1).rows == (("x", 2.0, 8.0), ("y", 8.0, 32.0))


WIDE = [number("x", 0, "1e9", 2), number("z", 0, 50, 2), number("y", 0, "1e9", 2)]


def wide_rows(size: int, spread: float, seed: int = 11) -> list[Row]:
    """Return rows of money in wide bounds."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(size):
        x, z = round(float(rng.uniform(0, spread)), 2), round(float(rng.uniform(0, 50)), 2)
        noise = float(rng.uniform(0, spread / 4))
        rows.append({"x": x, "z": z, "y": round(x / 2 + spread * z / 200 + noise, 2)})
    return rows


def test_rounded_sums_move_a_regression_by_no_more_than_is_told() -> None:
    """Wide money columns are rounded; the errors hold, and are far below a millionth."""
    rows = wide_rows(200, 9e8)
    study = study_of(
        WIDE, [Regression("y", ("x", "z")), Correlation(("x", "y"))], maximum_rows=10_000_000
    )
    ran = run(study, split(rows))
    assert any(any(shifts.values()) for shifts in ran.plan.shifts)
    expected = ols(rows, np.array([[1, r["x"], r["z"]] for r in rows]))
    errors = ran.table("coefficients_error").rows
    for line, error, b, se in zip(
        ran.table("coefficients").rows, errors, expected.params, expected.bse, strict=True
    ):
        assert isinstance(line[1], float)
        assert isinstance(line[2], float)
        assert isinstance(error[1], float)
        assert isinstance(error[2], float)
        assert abs(line[1] - b) <= error[1] + 1e-9 * abs(b)
        assert abs(line[2] - se) <= error[2] + 1e-9 * se
        assert 0 < error[1] < 1e-6 * abs(b)
    assert close(ran.figures()["r_squared"], expected.rsquared)
    assert 0 < ran.errors()["r_squared"] < 1e-9
    r = np.corrcoef([row["x"] for row in rows], [row["y"] for row in rows])[0, 1]
    assert close(ran.table("correlation", place=1).rows[0][2], r)
    assert not any("rounded" in remark for remark in ran.answer().remarks)


@pytest.mark.parametrize("spread", [3e3, 3e4])
def test_coarse_errors_are_told_and_hold(spread: float) -> None:
    """Small values in wide bounds: the remark says why, and the true numbers are within the errors."""
    rows = wide_rows(200, spread)
    study = study_of(WIDE, [Regression("y", ("x", "z"))], maximum_rows=10_000_000)
    ran = run(study, split(rows))
    assert any("narrower bounds" in remark for remark in ran.answer().remarks)
    expected = ols(rows, np.array([[1, r["x"], r["z"]] for r in rows]))
    found = ran.table("coefficients").rows
    for line, error, b in zip(
        found, ran.table("coefficients_error").rows, expected.params, strict=True
    ):
        assert isinstance(line[1], float)
        assert isinstance(error[1], float)
        assert abs(line[1] - b) <= 1.01 * error[1] + 1e-9 * abs(b)


def test_what_rounding_leaves_open_is_withheld() -> None:
    """Values of cents in bounds of billions: the answer names the column and what to do."""
    study = study_of(WIDE, [Regression("y", ("x", "z"))], maximum_rows=10_000_000)
    ran = run(study, split(wide_rows(200, 2.0)))
    assert "narrow the bounds of x, y" in ran.answer().withheld
    assert not ran.answer().figures


@pytest.mark.parametrize(("rare", "size"), [("f", 1), ("x", 1), ("f", 4), ("x", 3)])
def test_a_predictor_with_a_rare_category_opens_nothing(rare: str, size: int) -> None:
    """The sum of the outcome over one row is that row's outcome: so no sum of the block is opened."""
    rows = [row | {"sex": rare if k < size else "m"} for k, row in enumerate(ROWS)]
    ran = run(study_of(COLUMNS, [Regression("y", PREDICTORS)]), split(rows))
    assert "a category, or a value of two, has fewer than 5 rows" in ran.answer().withheld
    assert not any(ran.vectors[1])


@pytest.mark.parametrize(("rare", "together"), [("f", True), ("x", False)])
def test_a_group_with_a_rare_category_is_opened_with_others_or_not_at_all(
    rare: str, together: bool
) -> None:
    """By itself it would tell of few; with others it does not, unless these have none of it either."""
    north = [row | {"region": "north", "sex": "fm"[k % 2]} for k, row in enumerate(rows_of(80))]
    south = [
        row | {"region": "south", "sex": rare if k < 2 else "m"}
        for k, row in enumerate(rows_of(80))
    ]
    study = study_of(COLUMNS, [Regression("y", ("x", "sex"))], group_by=("region",))
    ran = run(study, split(north + south))
    block, every = ran.opening.blocks[-1], ran.answer()
    assert block.rest == ((0, 1) if together else ())
    assert block.few == (() if together else (1,))
    assert every.rows == (160 if together else 80)
    assert ("rare category" in " ".join(every.remarks)) is not together
    assert ran.answer("region = south").withheld


def test_errors_of_a_fit_hold_and_are_not_much_too_large() -> None:
    """Whatever the sums are within their errors, inverse, slopes and residuals are within theirs."""
    rng = np.random.default_rng(2)
    data = rng.normal(size=(80, 4)) @ np.array(
        [[1, 0.95, 0.2, 1], [0, 0.2, 0.1, 2], [0, 0, 1, -1], [0, 0, 0, 1]]
    )
    centred = data - data.mean(axis=0)
    sums = np.round(centred.T @ centred * 1e9).astype(np.int64)
    doubt = np.full((4, 4), 10_000)

    def fitted(matrix: Any) -> Fit:
        exact = [[Fraction(int(v)) for v in row] for row in matrix]
        return fit(exact, [[Fraction(int(v)) for v in row] for row in doubt])

    def numbers(found: Fit) -> Any:
        """Return the inverse's diagonal, the slopes and the residuals, in units of the columns."""
        sizes = [float(size) for size in found.sizes]
        diagonal = [float(found.matrix[k][k]) / sizes[k] ** 2 for k in found.kept]
        slopes = [float(b) / sizes[k] for k, b in enumerate(found.coefficients)]
        return np.array(
            [*diagonal, *[b * sizes[-1] for b in slopes], float(found.residual) * sizes[-1] ** 2]
        )

    with localcontext(context()):
        found = fitted(sums)
        sizes = [float(size) for size in found.sizes]
        told = [float(v[k]) / sizes[k] ** 2 for k, v in enumerate(found.inverse_error())]
        told += [float(e) * sizes[-1] / sizes[k] for k, e in enumerate(found.coefficient_errors())]
        told.append(float(found.residual_error()) * sizes[-1] ** 2)
        moved = np.zeros(len(told))
        for signs in product((-1, 1), repeat=10):
            change = np.zeros((4, 4), dtype=np.int64)
            change[np.triu_indices(4)] = signs
            change = np.triu(change) + np.triu(change, 1).T
            other = numbers(fitted(sums + change * doubt))
            moved = np.maximum(moved, np.abs(other - numbers(found)))
    assert np.all(moved <= 1.01 * np.array(told))
    assert np.all(moved >= 0.5 * np.array(told))
