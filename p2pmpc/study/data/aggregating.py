"""What one party computes at home: its table is asked by Ibis, and only aggregates come back.

:func:`examine` and :func:`aggregate` take a :class:`Source`: a DuckDB with the rows of a file
(:func:`~p2pmpc.study.data.engines.duckdb_source`), or a table of a PostgreSQL server
(:func:`~p2pmpc.study.data.postgres.open_postgres`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from p2pmpc.study.data.cubes import Cube, Folding, Row, cubes_of
from p2pmpc.study.data.engines import Source, missing_extra
from p2pmpc.study.data.violations import ColumnCheck, Violations
from p2pmpc.study.model import Study
from p2pmpc.study.plan import Aggregates
from p2pmpc.study.terms import Term

if TYPE_CHECKING:
    from p2pmpc.study.data.expression import Question


def examine(source: Source, study: Study) -> Violations:
    """Return what is in a table, and what of it the study does not allow.

    Args:
        source: Where the table is.
        study: The study.

    Raises:
        ConfigurationError: The extra is not installed, or the engine refuses.
        ResourceExhausted: The engine has not enough memory.
    """
    question = _question(source, study)
    columns, rows = source.run(question.violations())
    found = dict(zip(columns, rows[0], strict=True))
    checks = tuple(
        _check(
            name,
            {key.removeprefix(f"c{k}_"): found[key] for key in found if key.startswith(f"c{k}_")},
        )
        for k, name in enumerate(study.used)
    )
    rows_in_all, filtered_out, incomplete = (
        int(found[key]) for key in ("rows", "filtered_out", "incomplete")
    )
    return Violations(source.name, rows_in_all, filtered_out, incomplete, checks)


def _check(name: str, found: dict[str, Any]) -> ColumnCheck:
    counts = {key: int(value) for key, value in found.items() if key not in {"minimum", "maximum"}}
    return ColumnCheck(
        name,
        **counts,
        minimum=_exact(found.get("minimum")),
        maximum=_exact(found.get("maximum")),
    )


def _exact(value: float | Decimal | None) -> Decimal | None:
    """Return a number of an engine with the digits that it is written with."""
    return None if value is None else Decimal(repr(value) if isinstance(value, float) else value)


def aggregate(source: Source, study: Study, terms: Sequence[Term]) -> tuple[Aggregates, Violations]:
    """Return what a party computes for a study, once its table has been found to be in order.

    Args:
        source: Where the table is.
        study: The study.
        terms: What is summed, each once: :attr:`~p2pmpc.study.plan.Plan.terms`.

    Raises:
        InputRefused: The table has what the study does not allow; says what.
        ConfigurationError: The extra is not installed, or the engine refuses.
        ResourceExhausted: The engine has not enough memory.
    """
    violations = examine(source, study)
    violations.refuse(study, source.called)
    question = _question(source, study)
    folding = Folding(study, terms)
    for place, cube in enumerate(cubes_of(study, terms)):
        _, rows = source.run(question.cube(cube))
        folding.add(cube, _rows_of(cube, question, rows), counts=place == 0)
    return folding.aggregates(), violations


def _rows_of(cube: Cube, question: Question, rows: Sequence[Sequence[Any]]) -> Iterator[Row]:
    """Yield the rows of a query with every product's parts put together."""
    parts = [question.parts(product) for product in cube.products]
    for row in rows:
        keys, numbers = row[: len(cube.keys)], iter(row[len(cube.keys) :])
        count = int(next(numbers))
        sums = tuple(
            sum(factor * int(next(numbers) or 0) for factor in factors) for factors in parts
        )
        yield tuple(keys), count, sums


def _question(source: Source, study: Study) -> Question:
    try:
        from p2pmpc.study.data.expression import Question  # noqa: PLC0415 - it imports Ibis
    except ImportError:
        raise missing_extra("data") from None
    return Question(source.table, study, has_wide_sums=source.has_wide_sums)


__all__ = ["aggregate", "examine"]
