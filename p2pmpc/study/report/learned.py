"""What the participants of a study learned, what nobody did, and how exact the numbers are, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from p2pmpc.study.kinds import (
    Correlation,
    Covariance,
    CrossTab,
    Mean,
    OnGrid,
    Proportion,
    Regression,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import Study, WeightPolicy
from p2pmpc.study.report.described import describe_watched
from p2pmpc.study.report.words import plain

Point = tuple[str, tuple[str, ...]]
"""A sentence, and what is listed below it."""


def learned(study: Study) -> tuple[Point, ...]:
    """Return what every participant learned.

    Args:
        study: The study.
    """
    return tuple(_learned(study))


def _learned(study: Study) -> Iterator[Point]:
    number = prod(len(study.columns[name].categories) for name in study.group_by)
    if study.group_by:
        first = (
            f"First, for each of the {number} groups: how many rows all parties have together, and how "
            "many parties hold the group back. That is so for small groups, too: this page does not print "
            "their numbers, but every participant's program has seen them."
        )
    else:
        first = (
            "First: how many rows all parties have together, and how many parties hold them back."
        )
    if study.minimum_parties > 1:
        first += " And how many parties have rows of it."
    if counted := describe_watched(study):
        first += f" The same {counted}, so that no sum over few rows had to be opened."
    yield first, ()
    totals = [opened_for(statistic) for statistic in study.statistics]
    if study.weights is not WeightPolicy.ROWS:
        totals.append("the sum of the weights of the rows")
    second = (
        "Then, for every group that is not suppressed, or for several that are opened together, totals "
        "over all parties:"
    )
    yield second, tuple(dict.fromkeys(filter(None, totals)))
    hidden = (
        "The results on this page, which follow from these totals. Counts that are hidden in a table are "
        "hidden on this page: they follow from totals that every participant's program has seen."
    )
    yield hidden, ()
    yield "Who took part, under which name and ID, and the study file.", ()


def opened_for(statistic: Statistic) -> str:
    """Return what totals a statistic opens, beside the number of rows; empty where there are none."""
    match statistic:
        case Sum(column) | Mean(column):
            return f"the sum of {plain(column)}"
        case Variance(column) | TTest(column):
            return f"the sums of {plain(column)} and of its square"
        case WeightedMean(column, weight):
            return f"the sums of {plain(column)}, of {plain(weight)} and of their product"
        case Proportion(column, category):
            return f"the number of rows where {plain(column)} is {plain(category)}"
        case OnGrid(column, edges):
            return f"the number of rows in each of {len(edges) - 1} intervals of {plain(column)}"
        case CrossTab(rows, across):
            return f"the number of rows with each pair of {plain(rows)} and {plain(across)}"
        case Covariance(of) | Correlation(of):
            return f"the sums of {_named(of)}, of their squares and of the product of every two"
        case Regression():
            return (
                f"the sums of {_named(statistic.columns)}, of their squares and of the product of every two "
                "(of a category column: for every category but the first)"
            )
    return ""


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(map(plain, names))


def not_learned(study: Study) -> tuple[str, ...]:
    """Return what nobody learned, one thing each.

    Args:
        study: The study.
    """
    out = [
        "A row or a cell of any party's table: the tables never left the parties' machines.",
        "A party's own count, sum or mean: each was split into random shares before it left, and only "
        "the totals over all parties were opened.",
    ]
    if study.group_by:
        out[-1] += (
            " Where all rows of a group are one party's, though, the totals of that group are that party's."
        )
    if study.weights is WeightPolicy.PRIVATE:
        out.append("A party's weight.")
    return tuple(out)


LIMIT_OF_SECRECY: Final = (
    "A total is a total: if all parties but one put their own numbers together and subtract them, "
    "they have that one's. No method that tells a total can prevent it. Nor did anybody check that the "
    "numbers that a party brought are true. A total may say something of a single person where it is over "
    "few, or where one value is far from all others."
)
"""Where that ends."""


def exactness(study: Study) -> tuple[str, ...]:
    """Return how exact the numbers are, whatever the statistics.

    Args:
        study: The study.
    """
    names = [name for name in study.used if study.columns[name].is_numeric]
    carried = ", ".join(f"{plain(name)} {study.columns[name].decimals}" for name in names)
    out = [
        "Counts are exact. Sums are of whole multiples of the columns' smallest steps, and are exact; "
        "noise is never added."
    ]
    if carried:
        out.append(
            f"Decimals that are carried: {carried}. Finer values were rounded to these at home."
        )
    out.append(
        "Sums of products are exact as well, save where a column's bounds are so wide that the parties had "
        "to round them; then the figures they enter are listed here with how far they may be off at most."
    )
    out.append("No number on this page has more digits than its error allows.")
    return tuple(out)
