"""What a study asks, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import prod

from p2pmpc.study.kinds import OnGrid, Quantiles, Statistic
from p2pmpc.study.model import Missing, Receives, Study, WeightPolicy
from p2pmpc.study.report.described import describe_column, describe_filter, describe_span
from p2pmpc.study.report.words import format_number, plain
from p2pmpc.study.terms import is_matrix

_MISSING = {
    Missing.LEAVE_OUT: (
        "A row in which any column of the study is missing is left out, of every statistic alike."
    ),
    Missing.REFUSE: "A row in which a column of the study is missing ends a party's part: none had one.",
}

_WEIGHTS = {
    WeightPolicy.ROWS: "Every row counts one.",
    WeightPolicy.PUBLIC: (
        "Every row of a party counts that party's weight, which the study file states. "
        "Numbers of rows are unweighted."
    ),
    WeightPolicy.PRIVATE: (
        "Every row of a party counts a weight that the party keeps to itself. "
        "Numbers of rows are unweighted."
    ),
}

_RECEIVES = {
    Receives.PARTIES: "The parties that bring data, and nobody else.",
    Receives.PARTIES_AND_COORDINATOR: "The parties that bring data, and the coordinator.",
}


def asked(study: Study) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what a study asks, as headings with their sentences.

    Args:
        study: The study.
    """
    return (
        ("Statistics", tuple(_statistics(study))),
        ("Columns", tuple(describe_column(study.columns[name]) for name in study.used)),
        ("Groups", tuple(_groups(study))),
        ("Rows", tuple(_rows(study))),
        ("Missing values", (_MISSING[study.missing],)),
        ("Weights", (_WEIGHTS[study.weights],)),
        ("Minimum group", tuple(_minimum(study))),
        ("Who receives the result", (_RECEIVES[study.receives],)),
    )


def _statistics(study: Study) -> Iterator[str]:
    for statistic in study.statistics:
        yield f"{plain(statistic.title)}{_detail(study, statistic)}"


def _detail(study: Study, statistic: Statistic) -> str:
    """Return what else was asked for: a grid, probabilities, the confidence of an interval."""
    details = []
    if isinstance(statistic, Quantiles):
        details.append(", ".join(_percent(p) for p in statistic.probabilities))
    if isinstance(statistic, OnGrid):
        column, edges = study.columns[statistic.column], statistic.edges
        span = describe_span(column, edges[0], edges[-1])
        details.append(f"on a grid of {len(edges) - 1} cells from {span}")
    confidence = getattr(statistic, "confidence", None)
    if isinstance(confidence, Decimal):
        details.append(f"with {_percent(confidence)} intervals")
    return f" ({'; '.join(details)})" if details else ""


def _percent(share: Decimal) -> str:
    return f"{format_number(float(share * 100), digits=6)} %"


def _groups(study: Study) -> Iterator[str]:
    if not study.group_by:
        yield "None: every statistic is of all rows together."
        return
    if len(study.group_by) == 1:
        (name,) = study.group_by
        yield f"Every category of {plain(name)} is a group: {len(study.columns[name].categories)} in all."
        return
    named = " and ".join(plain(name) for name in study.group_by)
    number = prod(len(study.columns[name].categories) for name in study.group_by)
    yield f"Every combination of {named} is a group: {number} in all."


def _rows(study: Study) -> Iterator[str]:
    if not study.filters:
        yield "All rows of every party."
        return
    yield f"Only rows where {', and '.join(describe_filter(one, study) for one in study.filters)}."


def _minimum(study: Study) -> Iterator[str]:
    yield (
        f"Groups of fewer than {study.minimum_group} rows over all parties are suppressed, and so is a "
        "group that a party holds back by a stricter rule of its own."
    )
    if study.minimum_parties > 1:
        yield f"So are groups of which fewer than {study.minimum_parties} parties have rows."
    if any(is_matrix(statistic) for statistic in study.statistics):
        yield (
            "A regression, covariance or correlation needs at least "
            f"{study.rows_per_coefficient} rows for each of its coefficients or columns."
        )
