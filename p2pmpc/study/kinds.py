"""The kinds of statistics that a study can ask for, each with the columns that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar


@dataclass(frozen=True)
class Statistic:
    """The base of all statistics; each names the columns that it needs."""

    kind: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return ()

    @property
    def title(self) -> str:
        """What people call it."""
        named = ", ".join(self.columns)
        return f"{self.kind} of {named}" if named else self.kind


@dataclass(frozen=True)
class _OfOne(Statistic):
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return (self.column,)


@dataclass(frozen=True)
class Count(Statistic):
    """How many rows."""

    kind: ClassVar[str] = "count"


@dataclass(frozen=True)
class Sum(_OfOne):
    """The sum of a numeric column."""

    kind: ClassVar[str] = "sum"


@dataclass(frozen=True)
class Mean(_OfOne):
    """The mean of a numeric column."""

    kind: ClassVar[str] = "mean"


@dataclass(frozen=True)
class Variance(_OfOne):
    """Variance and standard deviation, of the sample and of the population."""

    kind: ClassVar[str] = "variance"


@dataclass(frozen=True)
class WeightedMean(_OfOne):
    """sum(w x) / sum(w), with another column as w.

    Args:
        weight: A column whose minimum is not negative.
    """

    kind: ClassVar[str] = "weighted-mean"
    weight: str

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return (self.column, self.weight)

    @property
    def title(self) -> str:
        """See :class:`Statistic`."""
        return f"mean of {self.column}, weighted by {self.weight}"


@dataclass(frozen=True)
class Proportion(_OfOne):
    """The share of rows with one category, and its Wilson interval.

    Args:
        category: Which.
        confidence: Of the interval, 0.95 for 95 %.
    """

    kind: ClassVar[str] = "proportion"
    category: str
    confidence: Decimal = Decimal("0.95")

    @property
    def title(self) -> str:
        """See :class:`Statistic`."""
        return f"proportion of {self.column} = {self.category}"


@dataclass(frozen=True)
class OnGrid(_OfOne):
    """A statistic that is made of how many values are in each cell of a grid.

    Args:
        edges: Ascending; cell k holds edges[k] <= x < edges[k + 1], the last one its upper edge, too.
            They cover the column's bounds. Dates are days since 1970-01-01.
    """

    edges: tuple[Decimal, ...]


@dataclass(frozen=True)
class Histogram(OnGrid):
    """How many values are in each cell of the grid."""

    kind: ClassVar[str] = "histogram"


@dataclass(frozen=True)
class Range(OnGrid):
    """The smallest and the largest value, as far as the grid tells."""

    kind: ClassVar[str] = "range"


@dataclass(frozen=True)
class Quantiles(OnGrid):
    """Quantiles, as far as the grid tells.

    Args:
        probabilities: Ascending, within 0..1.
    """

    kind: ClassVar[str] = "quantiles"
    probabilities: tuple[Decimal, ...]


@dataclass(frozen=True)
class CrossTab(Statistic):
    """How many rows have each pair of categories, and the chi-square test of independence.

    Args:
        rows: A category column.
        across: Another one.
    """

    kind: ClassVar[str] = "crosstab"
    rows: str
    across: str

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return (self.rows, self.across)

    @property
    def title(self) -> str:
        """See :class:`Statistic`."""
        return f"crosstab of {self.rows} by {self.across}"


@dataclass(frozen=True)
class _OfSeveral(Statistic):
    of: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return self.of


@dataclass(frozen=True)
class Covariance(_OfSeveral):
    """The sample covariance matrix of numeric columns."""

    kind: ClassVar[str] = "covariance"


@dataclass(frozen=True)
class Correlation(_OfSeveral):
    """Pearson's correlation matrix of numeric columns."""

    kind: ClassVar[str] = "correlation"


@dataclass(frozen=True)
class TTest(_OfOne):
    """Welch's t-test of a numeric column between two categories of a column of ``group_by``.

    Args:
        between: The column.
        categories: Its two categories; the difference is the first's mean less the second's.
        confidence: Of the interval of the difference.
    """

    kind: ClassVar[str] = "t-test"
    between: str
    categories: tuple[str, str]
    confidence: Decimal = Decimal("0.95")

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return (self.column, self.between)

    @property
    def title(self) -> str:
        """See :class:`Statistic`."""
        first, second = self.categories
        return f"t-test of {self.column} between {self.between} = {first} and {second}"


@dataclass(frozen=True)
class Regression(Statistic):
    """Linear regression by ordinary least squares, with an intercept.

    Args:
        outcome: A numeric column.
        predictors: Numeric columns, and category columns: these become an indicator for every
            category but the first.
        confidence: Of the intervals of the coefficients.
    """

    kind: ClassVar[str] = "regression"
    outcome: str
    predictors: tuple[str, ...]
    confidence: Decimal = Decimal("0.95")

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Statistic`."""
        return (self.outcome, *self.predictors)

    @property
    def title(self) -> str:
        """See :class:`Statistic`."""
        return f"regression of {self.outcome} on {', '.join(self.predictors)}"
