"""Least squares from a matrix of centred sums of products, in sixty digits, with first-order errors.

Rules:

1. The matrix is scaled to correlations, so that units do not matter, and swept column by column
   (Goodnight, "A tutorial on the SWEEP operator", 1979). A column's pivot is 1 - R^2 of its regression
   on the columns kept before.
2. A column whose pivot is below TOLERANCE depends on those before it and is dropped, as R does it.
   Sixty digits leave the answer exact far below what doubles can tell apart.
3. A column whose pivot is not above what rounding may have made of it ends the regression: whether it
   depends on the others cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Final

DIGITS: Final = 60
TOLERANCE: Final = Decimal("1e-20")
NEARLY: Final = Decimal("1e-10")

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

Matrix = list[list[Decimal]]


def context() -> Context:
    """Return the context that everything here is computed in."""
    return Context(prec=DIGITS, Emin=-999_999, Emax=999_999)


def decimal(value: Fraction | int) -> Decimal:
    """Return a fraction to the digits of the current context."""
    value = Fraction(value)
    return Decimal(value.numerator) / Decimal(value.denominator)


@dataclass
class Fit:
    """A regression in scaled units: every column's and the outcome's sum of squares is 1.

    Args:
        sizes: The root of each column's sum of squares, the outcome's last.
        matrix: Swept: the inverse among the kept columns, their coefficients in the last column, and
            1 - R^2 in the last corner.
        error: How far each entry of the scaled matrix may be off.
        kept: Columns that are in the regression.
        constant: Columns that do not vary.
        dependent: Columns that depend on those before them: each with these.
        near: Columns that nearly do.
        unclear: Columns of which rounding leaves open whether they do.
    """

    sizes: list[Decimal]
    matrix: Matrix
    error: Matrix
    kept: list[int] = field(default_factory=list)
    constant: list[int] = field(default_factory=list)
    dependent: list[tuple[int, list[int]]] = field(default_factory=list)
    near: list[int] = field(default_factory=list)
    unclear: list[int] = field(default_factory=list)

    @property
    def outcome(self) -> int:
        """The outcome's place."""
        return len(self.sizes) - 1

    @property
    def coefficients(self) -> list[Decimal]:
        """Of the kept columns, in scaled units."""
        return [self.matrix[k][self.outcome] for k in self.kept]

    @property
    def residual(self) -> Decimal:
        """1 - R^2."""
        return max(ZERO, self.matrix[self.outcome][self.outcome])

    @property
    def is_exact(self) -> bool:
        """Whether nothing was rounded."""
        return not any(any(row) for row in self.error)

    def inverse_error(self) -> Matrix:
        """Return how far the entries of the kept columns' inverse may be off."""
        if self.is_exact:
            return [[ZERO] * len(self.kept) for _ in self.kept]
        size = [[abs(self.matrix[i][j]) for j in self.kept] for i in self.kept]
        inner = [[self.error[i][j] for j in self.kept] for i in self.kept]
        return _times(_times(size, inner), size)

    def coefficient_errors(self) -> list[Decimal]:
        """Return how far the coefficients may be off."""
        slopes = list(zip(self.kept, self.coefficients, strict=True))
        moved = [
            self.error[i][self.outcome] + sum((self.error[i][j] * abs(b) for j, b in slopes), ZERO)
            for i in self.kept
        ]
        return [
            sum((abs(self.matrix[i][j]) * m for j, m in zip(self.kept, moved, strict=True)), ZERO)
            for i in self.kept
        ]

    def residual_error(self) -> Decimal:
        """Return how far 1 - R^2 may be off, but for the outcome's own sum of squares."""
        weights = [(self.outcome, ONE), *zip(self.kept, self.coefficients, strict=True)]
        return _form(self.error, weights)


def _times(one: Matrix, two: Matrix) -> Matrix:
    columns = list(zip(*two, strict=True))
    return [
        [sum((a * b for a, b in zip(row, column, strict=True)), ZERO) for column in columns]
        for row in one
    ]


def _form(matrix: Matrix, weights: Sequence[tuple[int, Decimal]]) -> Decimal:
    """Return the quadratic form of a matrix with the magnitudes of some weights."""
    return sum((abs(a) * abs(b) * matrix[i][j] for i, a in weights for j, b in weights), ZERO)


def fit(comoments: Sequence[Sequence[Fraction]], errors: Sequence[Sequence[Fraction]]) -> Fit:
    """Return the regression of the last column on the others, within the current context.

    Args:
        comoments: Centred sums of products, each times the same number.
        errors: How far each may be off.
    """
    last = len(comoments) - 1
    sizes = [decimal(row[k]).sqrt() if row[k] > 0 else ONE for k, row in enumerate(comoments)]
    matrix = [
        [decimal(v) / (sizes[i] * sizes[j]) for j, v in enumerate(row)]
        for i, row in enumerate(comoments)
    ]
    error = [
        [decimal(v) / (sizes[i] * sizes[j]) for j, v in enumerate(row)]
        for i, row in enumerate(errors)
    ]
    result = Fit(sizes, matrix, error)
    for column in range(last):
        _take(result, column, is_constant=not comoments[column][column])
    return result


def _take(result: Fit, column: int, *, is_constant: bool) -> None:
    """Sweep a column, or say why not."""
    matrix = result.matrix
    weights = [(k, matrix[k][column]) for k in result.kept]
    doubt = 2 * _form(result.error, [(column, ONE), *weights])
    pivot = matrix[column][column]
    if doubt and pivot <= doubt:
        result.unclear.append(column)
    elif is_constant:
        result.constant.append(column)
    elif pivot < TOLERANCE:
        result.dependent.append((column, [k for k, weight in weights if abs(weight) > NEARLY]))
    else:
        if pivot < NEARLY:
            result.near.append(column)
        result.kept.append(column)
        _sweep(matrix, column)


def _sweep(matrix: Matrix, k: int) -> None:
    pivot = matrix[k][k]
    row = [value / pivot for value in matrix[k]]
    for i, other in enumerate(matrix):
        if i != k:
            factor = other[k]
            if factor:
                matrix[i] = [a - factor * b for a, b in zip(other, row, strict=True)]
            matrix[i][k] = -factor / pivot
    row[k] = 1 / pivot
    matrix[k] = row


__all__ = ["DIGITS", "Fit", "context", "decimal", "fit", "localcontext"]
