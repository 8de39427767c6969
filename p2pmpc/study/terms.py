"""What is summed for a study: the terms that each party computes at home, for every group.

Rules:

1. A row is used where all filters hold and no column of the study is missing; the same rows serve all
   statistics, so that no two of them differ by a few rows.
2. A term is a sum over the used rows of one group, in exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

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


@dataclass(frozen=True, order=True)
class Value:
    """The scaled integer of a numeric column, less the column's centre."""

    column: str


@dataclass(frozen=True, order=True)
class Is:
    """1 where a category column has a category, else 0."""

    column: str
    category: str


Factor = Value | Is


@dataclass(frozen=True)
class Monomial:
    """The sum of a product of at most two factors; of none, the number of rows."""

    factors: tuple[Factor, ...]

    @classmethod
    def of(cls, *factors: Factor) -> Monomial:
        """Return a monomial, whatever the order of its factors."""
        return cls(tuple(sorted(factors, key=lambda f: (type(f).__name__, f.column, str(f)))))


@dataclass(frozen=True)
class Bins:
    """How many values of a numeric column are in each cell of a grid.

    Args:
        column: Which.
        edges: Scaled integers, ascending: cell k holds edges[k] <= x < edges[k + 1], the last one its
            upper edge, too.
    """

    column: str
    edges: tuple[int, ...]


@dataclass(frozen=True)
class Pairs:
    """How many rows have each pair of categories: by the first column's, then by the second's."""

    rows: str
    across: str


Term = Monomial | Bins | Pairs

ROWS = Monomial(())


def size_of(term: Term, study: Study) -> int:
    """Return how many numbers a term has."""
    match term:
        case Monomial():
            return 1
        case Bins(_, edges):
            return len(edges) - 1
        case Pairs(rows, across):
            return len(study.columns[rows].categories) * len(study.columns[across].categories)


def largest_of(term: Term, study: Study) -> int:
    """Return the largest magnitude that one row can add to a number of a term."""
    if isinstance(term, Monomial):
        return prod(
            study.columns[factor.column].half_range
            for factor in term.factors
            if isinstance(factor, Value)
        )
    return 1


@dataclass(frozen=True)
class Cell:
    """One group: a category for every column of ``group_by``.

    Args:
        index: Its number.
        categories: In the order of ``group_by``; empty where there are no groups.
    """

    index: int
    categories: tuple[str, ...]


def cells_of(study: Study) -> tuple[Cell, ...]:
    """Return the groups of a study, in the order of its categories; without groups, one of all rows."""
    lists = [study.columns[name].categories for name in study.group_by]
    return tuple(Cell(index, chosen) for index, chosen in enumerate(product(*lists)))


@dataclass(frozen=True)
class Block:
    """Terms that are opened for the same groups.

    Args:
        statistics: Those that need them.
        terms: Each once.
        rows_needed: Groups of fewer rows are not opened by themselves.
        has_rest: Those groups are opened together, where they have enough rows together.
        watched: Numbers of rows that the first round opens, since none may be small: a sum over few rows
            speaks of these.
    """

    statistics: tuple[Statistic, ...]
    terms: tuple[Term, ...]
    rows_needed: int
    has_rest: bool
    watched: tuple[Monomial, ...] = ()


def regressors_of(statistic: Regression, study: Study) -> tuple[Factor, ...]:
    """Return the columns of a regression's design matrix, without the intercept."""
    factors: list[Factor] = []
    for name in statistic.predictors:
        column = study.columns[name]
        if column.is_numeric:
            factors.append(Value(name))
        else:
            factors += [Is(name, category) for category in column.categories[1:]]
    return tuple(factors)


def terms_of(statistic: Statistic, study: Study) -> tuple[Term, ...]:
    """Return the terms that a statistic needs beside the number of rows."""
    match statistic:
        case Sum(column) | Mean(column):
            return (Monomial.of(Value(column)),)
        case TTest(column) | Variance(column):
            return (Monomial.of(Value(column)), Monomial.of(Value(column), Value(column)))
        case WeightedMean(column, weight):
            both = Monomial.of(Value(column), Value(weight))
            return (Monomial.of(Value(column)), Monomial.of(Value(weight)), both)
        case Proportion(column, category):
            return (Monomial.of(Is(column, category)),)
        case OnGrid(name, edges):
            scaled = study.columns[name].scaled
            return (Bins(name, tuple(scaled(edge) for edge in edges)),)
        case CrossTab(rows, across):
            return (Pairs(rows, across),)
        case Covariance(of) | Correlation(of):
            return _moments(tuple(Value(name) for name in of))
        case Regression():
            return _moments((Value(statistic.outcome), *regressors_of(statistic, study)))
    return ()


def _moments(factors: tuple[Factor, ...]) -> tuple[Term, ...]:
    """Return all first and second moments of some factors, without what is zero or known anyway."""
    terms: dict[Term, None] = {Monomial.of(factor): None for factor in factors}
    for place, one in enumerate(factors):
        for two in factors[place:]:
            if isinstance(one, Is) and isinstance(two, Is) and one.column == two.column:
                continue  # an indicator's square is itself, and two of one column exclude each other
            terms[Monomial.of(one, two)] = None
    return tuple(terms)


def blocks_of(study: Study) -> tuple[Block, ...]:
    """Return the blocks of a study: one for all simple statistics, one for each that may be left out."""
    weighted: tuple[Term, ...] = () if study.weights is WeightPolicy.ROWS else (ROWS,)
    simple = [s for s in study.statistics if not is_matrix(s) and not _has_flag(s, study)]
    shared = dict.fromkeys(weighted)
    for statistic in simple:
        shared |= dict.fromkeys(terms_of(statistic, study))
    blocks = [Block(tuple(simple), tuple(shared), study.minimum_group, has_rest=False)]
    for statistic in study.statistics:
        if statistic not in simple:
            rows, has_rest = study.minimum_group, False
            if is_matrix(statistic):
                needed = study.rows_per_coefficient * coefficients_of(statistic, study)
                rows, has_rest = max(rows, needed), bool(study.group_by)
            terms = tuple(dict.fromkeys((*weighted, *terms_of(statistic, study))))
            watched = watched_of(statistic, study)
            blocks.append(Block((statistic,), terms, rows, has_rest, watched))
    return tuple(blocks)


def _has_flag(statistic: Statistic, study: Study) -> bool:
    """Return whether products with a column of two values are summed for a weighted mean."""
    columns = [study.columns[name] for name in statistic.columns]
    return isinstance(statistic, WeightedMean) and any(column.is_flag for column in columns)


def watched_of(statistic: Statistic, study: Study) -> tuple[Monomial, ...]:
    """Return how many rows each value of a statistic's columns has, where these are few.

    The sum of the outcome over the rows of a category is opened for its coefficient; of one row, it
    is that row's outcome. A column of two values is a category under another name.
    """
    terms: list[Monomial] = []
    if not (is_matrix(statistic) or _has_flag(statistic, study)):
        return ()
    for name in statistic.columns:
        column = study.columns[name]
        if column.is_numeric:
            terms += [Monomial.of(Value(name))] if column.is_flag else []
        else:
            terms += [Monomial.of(Is(name, category)) for category in column.categories]
    return tuple(terms)


def watched_columns(study: Study) -> tuple[str, ...]:
    """Return the columns whose values the first round counts, in every group."""
    watched = (term for block in blocks_of(study) for term in block.watched)
    return tuple(dict.fromkeys(factor.column for term in watched for factor in term.factors))


def is_matrix(statistic: Statistic) -> bool:
    """Return whether a statistic needs more rows, the more columns it has."""
    return isinstance(statistic, Regression | Covariance | Correlation)


def coefficients_of(statistic: Statistic, study: Study) -> int:
    """Return how many coefficients or columns a statistic of :func:`is_matrix` has."""
    if isinstance(statistic, Regression):
        return 1 + len(regressors_of(statistic, study))
    return len(statistic.columns)
