"""Linear regression by ordinary least squares, with an intercept and treatment-coded categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from p2pmpc.study.kinds import Regression
from p2pmpc.study.model import ColumnType
from p2pmpc.study.result import Entry, Figure, Table
from p2pmpc.study.statistics.exact import Findings, Measured, Sums, resolution_remarks
from p2pmpc.study.statistics.inference import f_above, t_quantile, t_two_sided
from p2pmpc.study.statistics.sweeping import ZERO, Fit, context, decimal, fit
from p2pmpc.study.terms import Factor, Is, Value, regressors_of

HEADINGS = ("name", "estimate", "standard_error", "t", "p", "low", "high")

PERFECT = Decimal("1e-40")
"""1 - R^2 below this is what sixty digits leave of a perfect fit."""


def regression(statistic: Regression, sums: Sums) -> Findings:
    """Return coefficients, their tests and how much they explain."""
    with localcontext(context()):
        return _regression(statistic, sums)


def _regression(statistic: Regression, sums: Sums) -> Findings:
    factors = (*regressors_of(statistic, sums.study), Value(statistic.outcome))
    names = [name_of(factor) for factor in factors]
    found = fit(
        [[sums.comoment(a, b) for b in factors] for a in factors],
        [[sums.comoment_error(a, b) for b in factors] for a in factors],
    )
    if found.unclear:
        return Findings(withheld=_too_coarse(statistic, [names[k] for k in found.unclear]))
    estimates = _Estimates(statistic, sums, factors, found)
    lines = estimates.lines()
    figures = estimates.figures()
    remarks = [*_remarks(statistic, sums, found, names), *estimates.remarks]
    tables = [_coefficients(names, found, lines)]
    if not found.is_exact:
        tables.append(_errors(names, found, lines))
        numbers = [Measured(f.value, f.error) for f in figures]
        numbers += [m for line in lines for m in (line.estimate, line.error)]
        remarks += resolution_remarks(sums.study, statistic.columns, numbers)
    return Findings(tuple(figures), tuple(tables), remarks=tuple(remarks))


def name_of(factor: Factor) -> str:
    """Return what a coefficient is called."""
    return f"{factor.column} = {factor.category}" if isinstance(factor, Is) else factor.column


def _too_coarse(statistic: Regression, names: Sequence[str]) -> str:
    wide = ", ".join(dict.fromkeys((*names, statistic.outcome)))
    return (
        f"sums of products were rounded too coarsely to tell {', '.join(names)} from a constant or "
        f"from the other predictors: narrow the bounds of {wide}, or lower maximum_rows"
    )


@dataclass(frozen=True)
class Line:
    """One coefficient, in the units of its columns."""

    estimate: Measured
    error: Measured
    entries: tuple[Entry, ...]


class _Estimates:
    """A fit, back in the units of its columns."""

    def __init__(
        self, statistic: Regression, sums: Sums, factors: Sequence[Factor], found: Fit
    ) -> None:
        self.statistic, self.sums, self.fit = statistic, sums, found
        self.n = sums.n
        self.degrees = self.n - 1 - len(found.kept)
        self.means = [sums.total(factor) / self.n for factor in factors]
        self.height = found.sizes[found.outcome]
        residual = found.residual
        self.lost = found.residual_error()
        self.is_flat = not sums.comoment(factors[-1], factors[-1])
        self.is_perfect = residual < PERFECT or residual <= self.lost
        self.remarks = self._remarks()

    def _remarks(self) -> list[str]:
        if self.is_flat:
            return [
                f"{self.statistic.outcome} is the same in all rows: there is nothing to explain"
            ]
        if self.degrees <= 0:
            return ["as many coefficients as rows: there are no standard errors"]
        if self.is_perfect:
            return ["the fit is perfect, as far as is known: there are no tests"]
        return []

    def lines(self) -> list[Line]:
        """Return the coefficients: the intercept, then the kept columns."""
        found, n = self.fit, self.n
        sizes = [found.sizes[k] for k in found.kept]
        means = [decimal(self.means[k]) for k in found.kept]
        slopes = [b * self.height / s for b, s in zip(found.coefficients, sizes, strict=True)]
        moved = [
            e * self.height / s for e, s in zip(found.coefficient_errors(), sizes, strict=True)
        ]
        # the inverse of the centred sums of squares, which are the comoments over n
        inverse = [[found.matrix[i][j] * n for j in found.kept] for i in found.kept]
        doubt = [[value * n for value in row] for row in found.inverse_error()]
        scaled = [m / s for m, s in zip(means, sizes, strict=True)]
        around = sum(
            (
                a * b * v
                for a, r in zip(scaled, inverse, strict=True)
                for b, v in zip(scaled, r, strict=True)
            ),
            ZERO,
        )
        around_doubt = sum(
            (
                abs(a * b) * v
                for a, r in zip(scaled, doubt, strict=True)
                for b, v in zip(scaled, r, strict=True)
            ),
            ZERO,
        )
        level = decimal(self.means[-1]) - sum(
            (b * m for b, m in zip(slopes, means, strict=True)), ZERO
        )
        level_moved = sum((e * abs(m) for e, m in zip(moved, means, strict=True)), ZERO)
        lines = [self._line(level, level_moved, around + 1 / Decimal(n), around_doubt)]
        for k, size in enumerate(sizes):
            square, its_doubt = inverse[k][k] / size**2, doubt[k][k] / size**2
            lines.append(self._line(slopes[k], moved[k], square, its_doubt))
        return lines

    def _line(self, value: Decimal, moved: Decimal, square: Decimal, doubt: Decimal) -> Line:
        """Return a coefficient with its test.

        Args:
            value: The estimate.
            moved: How far it may be off.
            square: Its variance over that of the residuals.
            doubt: How far that may be off.
        """
        estimate = Measured(float(value), float(moved))
        error = self._standard_error(square, doubt)
        if error.value is None or not error.value:
            return Line(estimate, error, (estimate.value, error.value, None, None, None, None))
        t = float(value / Decimal(error.value))
        reach = t_quantile(self.statistic.confidence, self.degrees) * error.value
        low, high = float(value) - reach, float(value) + reach
        entries = (float(value), error.value, t, t_two_sided(t, self.degrees), low, high)
        return Line(estimate, error, entries)

    def _standard_error(self, square: Decimal, doubt: Decimal) -> Measured:
        if self.degrees <= 0 or (self.is_perfect and self.lost):
            return Measured(None)
        if self.is_perfect:
            return Measured(0.0)
        value = (self.fit.residual * self.height**2 / self.n / self.degrees * square).sqrt()
        relative = self.lost / self.fit.residual + doubt / square
        return Measured(float(value), float(value * relative / 2))

    def figures(self) -> list[Figure]:
        """Return what is said of the whole regression."""
        found, n, degrees, k = self.fit, self.n, self.degrees, len(self.fit.kept)
        rows = [Figure("rows", n), Figure("degrees_of_freedom", degrees)]
        names = ("r_squared", "adjusted_r_squared", "residual_standard_error", "f", "f_p")
        if self.is_flat:
            return [*(Figure(name, None) for name in names), *rows]
        left = found.residual if not self.is_perfect else ZERO
        doubt = self.lost + found.residual * found.error[found.outcome][found.outcome]
        measures = {"r_squared": Measured(float(1 - left), float(doubt))}
        if degrees > 0:
            ratio = Decimal(n - 1) / degrees
            measures["adjusted_r_squared"] = Measured(float(1 - left * ratio), float(doubt * ratio))
            measures["residual_standard_error"] = self._standard_error(Decimal(1), ZERO)
        if degrees > 0 and k and not self.is_perfect:
            explained = 1 - left
            f = explained / left * degrees / k
            moved = f * (doubt / explained + doubt / left) if explained > 0 else ZERO
            p = f_above(float(f), k, degrees)
            measures["f"] = Measured(float(f), float(moved))
            ends = [f_above(max(0.0, float(f + e)), k, degrees) for e in (-moved, moved)]
            measures["f_p"] = Measured(p, max(abs(end - p) for end in ends))
        figures = [measures.get(name, Measured(None)).figure(name) for name in names]
        return [*figures, *rows]


def _coefficients(names: Sequence[str], found: Fit, lines: Sequence[Line]) -> Table:
    """Return the table of all coefficients; those of dropped columns have no numbers."""
    by_place = dict(zip(found.kept, lines[1:], strict=True))
    rows: list[tuple[Entry, ...]] = [("intercept", *lines[0].entries)]
    for place, name in enumerate(names[:-1]):
        line = by_place.get(place)
        rows.append((name, *(line.entries if line else (None,) * (len(HEADINGS) - 1))))
    return Table("coefficients", HEADINGS, tuple(rows))


def _errors(names: Sequence[str], found: Fit, lines: Sequence[Line]) -> Table:
    """Return how far rounding may have moved estimates and standard errors."""
    called = ["intercept", *(names[k] for k in found.kept)]
    rows = tuple(
        (name, line.estimate.error, line.error.error)
        for name, line in zip(called, lines, strict=True)
    )
    return Table("coefficients_error", ("name", "estimate", "standard_error"), rows)


def _remarks(statistic: Regression, sums: Sums, found: Fit, names: Sequence[str]) -> list[str]:
    """Return what is to be said of the columns."""
    remarks = []
    for name in statistic.predictors:
        column = sums.column(name)
        if not column.is_numeric:
            remarks.append(f"{name}: each coefficient compares with {column.categories[0]}")
    dates = [name for name in statistic.columns if sums.column(name).type is ColumnType.DATE]
    if dates:
        remarks.append(f"{', '.join(dates)}: in days, from 1970-01-01 on")
    remarks += [f"{names[k]} is the same in all rows and was dropped" for k in found.constant]
    for k, others in found.dependent:
        on = ", ".join(names[other] for other in others)
        remarks.append(f"{names[k]} was dropped, since it follows from {on}")
    remarks += [
        f"{names[k]} nearly follows from the predictors before it: its coefficient is uncertain"
        for k in found.near
    ]
    return remarks
