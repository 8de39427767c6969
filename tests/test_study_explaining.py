"""What a party reads before it agrees names everything that would be opened."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

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
)
from p2pmpc.study.model import Study, WeightPolicy
from p2pmpc.study.plan import Plan
from p2pmpc.study.report.described import describe_column
from p2pmpc.study.report.explaining import show_study
from tests.study_reference import category, number, study_of

SEX, REGION = category("sex", "f", "m"), category("region", "north", "south", "west")
NUMBERS = [number(f"x{k}", 0, 100) for k in range(9)]
COLUMNS = [SEX, REGION, *NUMBERS]
COARSE = tuple(Decimal(edge) for edge in (0, 50, 100))
FINE = tuple(map(Decimal, range(101)))
PROBABILITIES = (Decimal("0.5"),)


def _section(study: Study, heading: str) -> str:
    """Return a section of what is shown, in one line."""
    text = show_study(Plan(study))
    return " ".join(text.split(f"{heading}\n{'-' * len(heading)}\n")[1].split("\n\n")[0].split())


def _leaves(*statistics: Statistic, group_by: tuple[str, ...] = ()) -> str:
    return _section(study_of(COLUMNS, statistics, group_by=group_by), "What leaves your machine")


def test_every_grid_and_table_is_named_however_many_sums_there_are() -> None:
    """Fine grids and tables of pairs are no "more sums of products"."""
    text = _leaves(
        Covariance(tuple(column.name for column in NUMBERS)),
        Histogram("x1", COARSE),
        Quantiles("x2", FINE, PROBABILITIES),
        CrossTab("sex", "region"),
    )
    assert "how many values of x1 are in each of 2 cells of a grid" in text
    assert "how many values of x2 are in each of 100 cells of a grid" in text
    assert "how many rows have each pair of sex and region" in text
    assert "45 sums of squares, and of products of two, of x0, x1, x2," in text


def test_what_only_the_first_round_counts_is_not_listed_for_the_second() -> None:
    """The first round counts all categories of a predictor, the second all but the first."""
    text = _leaves(Regression("x0", ("region",)))
    first, second = text.split("Second round")
    assert "also by each category of region" in first
    assert "region = south, with region = west" in second
    assert "region = north" not in second
    assert "the sum of x0 where region = south" in second


def test_a_study_that_opens_no_sums_says_so() -> None:
    """With counts alone the second round opens nothing."""
    assert _leaves(Count()).endswith("- nothing")


@pytest.mark.parametrize("weights", [WeightPolicy.PRIVATE, WeightPolicy.ROWS])
def test_private_weights_are_among_what_nobody_learns(weights: WeightPolicy) -> None:
    """A party's weight is said to stay secret just where it does."""
    study = replace(
        study_of(COLUMNS, [Mean("x0")]),
        weights=weights,
        weight_bound=9 if weights is WeightPolicy.PRIVATE else 1,
    )
    is_said = "counts, sums and weight" in _section(study, "What nobody learns")
    assert is_said == (weights is WeightPolicy.PRIVATE)


def test_small_groups_that_are_put_together_are_mentioned() -> None:
    """A matrix of groups too small for it is opened for all of them as one, and that is said."""
    together = "put together as one"
    heading = "What everybody who takes part learns"
    matrix, simple = Covariance(("x0", "x1")), Proportion("region", "west")
    assert together in _section(study_of(COLUMNS, [matrix], group_by=("sex",)), heading)
    assert together not in _section(study_of(COLUMNS, [simple], group_by=("sex",)), heading)
    assert together not in _section(study_of(COLUMNS, [matrix]), heading)


def test_one_decimal_is_not_plural() -> None:
    """A column says how many decimals it carries."""
    assert describe_column(number("x", 0, 9, 1)).endswith(", 1 decimal")
    assert describe_column(number("x", 0, 9, 2)).endswith(", 2 decimals")
