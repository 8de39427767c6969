"""Covariance and correlation matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from p2pmpc.study.kinds import Correlation, Covariance
from p2pmpc.study.result import Entry, Table
from p2pmpc.study.statistics.exact import (
    Findings,
    Measured,
    Numbers,
    Sums,
    measured,
    resolution_remarks,
)
from p2pmpc.study.terms import Value


def covariance(statistic: Covariance, sums: Sums) -> Findings:
    """Return the sample covariance matrix."""
    below = sums.n * (sums.n - 1)

    def of(one: str, two: str) -> Measured:
        if sums.n < 2:
            return Measured(None)
        x, y = Value(one), Value(two)
        value, error = sums.comoment(x, y) / below, sums.comoment_error(x, y) / below
        return Measured(float(max(value, Fraction(0)) if one == two else value), float(error))

    entries = _mirrored(statistic.of, of)
    remarks = [] if sums.n > 1 else ["fewer than two rows have no covariance"]
    return _matrix("covariance", statistic.of, entries, sums, remarks)


def correlation(statistic: Correlation, sums: Sums) -> Findings:
    """Return Pearson's correlation matrix."""
    entries = _mirrored(statistic.of, lambda a, b: _pearson(sums, Value(a), Value(b)))
    remarks = [
        f"{name} is the same in all rows, as far as is known, and has no correlation"
        for place, name in enumerate(statistic.of)
        if entries[place][place].value is None
    ]
    return _matrix("correlation", statistic.of, entries, sums, remarks)


def _mirrored(
    columns: Sequence[str], compute: Callable[[str, str], Measured]
) -> list[list[Measured]]:
    """Return a symmetric matrix, of which one half is computed."""
    pairs = [(one, two) for k, two in enumerate(columns) for one in columns[: k + 1]]
    half = {pair: compute(*pair) for pair in pairs}
    return [
        [half[a, b] if i <= j else half[b, a] for j, b in enumerate(columns)]
        for i, a in enumerate(columns)
    ]


def _pearson(sums: Sums, x: Value, y: Value) -> Measured:
    pairs = ((x, x), (y, y), (x, y))
    values = [sums.comoment(*pair) for pair in pairs]
    errors = [sums.comoment_error(*pair) for pair in pairs]
    if values[0] <= errors[0] or values[1] <= errors[1]:
        return Measured(None)
    if x == y:
        return Measured(1.0)
    return measured(_quotient, values, errors)["r"]


def _quotient(values: Sequence[Fraction]) -> Numbers:
    xx, yy, xy = values
    size = math.sqrt(xy * xy / (xx * yy))
    return {"r": min(1.0, size) * (1 if xy >= 0 else -1)}


def _matrix(
    name: str,
    columns: Sequence[str],
    entries: Sequence[Sequence[Measured]],
    sums: Sums,
    remarks: Sequence[str],
) -> Findings:
    """Return a matrix as a table, and its errors as another one where there are any."""
    tables = [_table(name, columns, [[m.value for m in row] for row in entries])]
    flat = [m for row in entries for m in row]
    if any(m.error for m in flat):
        tables.append(_table(f"{name}_error", columns, [[m.error for m in row] for row in entries]))
    coarse = resolution_remarks(sums.study, columns, flat)
    return Findings(tables=tuple(tables), remarks=(*remarks, *coarse))


def _table(name: str, columns: Sequence[str], rows: Sequence[Sequence[Entry]]) -> Table:
    named = tuple((column, *row) for column, row in zip(columns, rows, strict=True))
    return Table(name, ("column", *columns), named)
