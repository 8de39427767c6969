"""Which queries give a study's terms, and how their rows become the terms' numbers.

A query groups the used rows by category columns and grids, and has for every group how many rows there are
and sums of products of values. One that groups more finely than a term needs gives that term as well, so
terms share queries as long as the groups stay few: an indicator is never a column of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from p2pmpc.errors import InputRefused
from p2pmpc.study.model import Study
from p2pmpc.study.plan import Aggregates
from p2pmpc.study.terms import (
    Bins,
    Is,
    Monomial,
    Pairs,
    Term,
    Value,
    cells_of,
    size_of,
)

MOST_GROUPS: Final = 4096
"""Queries are joined into one while it has at most so many groups."""

Key = str | Bins
"""What rows are grouped by: a category column, or a grid."""

Product = tuple[str, ...]
"""The columns whose values are multiplied: one or two."""


@dataclass(frozen=True)
class Cube:
    """One query.

    Args:
        keys: What it groups by; the study's groups come first.
        products: What is summed, beside the number of rows.
        terms: Those that it gives.
    """

    keys: tuple[Key, ...]
    products: tuple[Product, ...]
    terms: tuple[Term, ...]


def keys_of(term: Term) -> tuple[Key, ...]:
    """Return what rows must be grouped by for a term, beside the study's groups."""
    match term:
        case Monomial(factors):
            return tuple(factor.column for factor in factors if isinstance(factor, Is))
        case Pairs(rows, across):
            return (rows, across)
        case Bins():
            return (term,)


def product_of(term: Term) -> Product:
    """Return whose values are multiplied for a term; nothing where rows are counted."""
    if not isinstance(term, Monomial):
        return ()
    return tuple(sorted(factor.column for factor in term.factors if isinstance(factor, Value)))


def cubes_of(study: Study, terms: Sequence[Term]) -> tuple[Cube, ...]:
    """Return the queries that give some terms and the number of rows of every group.

    Args:
        study: The study.
        terms: Each once.
    """
    base = tuple(dict.fromkeys(study.group_by))
    joined: list[tuple[dict[Key, None], list[Term]]] = [(dict.fromkeys(base), [])]
    order = sorted(terms, key=lambda term: (isinstance(term, Bins), -_groups(keys_of(term), study)))
    for term in order:
        needed = dict.fromkeys((*base, *keys_of(term)))
        place = next((p for p in joined if _may_join(p[0], needed, study)), None)
        if place is None:
            joined.append((needed, [term]))
        else:
            place[0].update(needed)
            place[1].append(term)
    return tuple(
        Cube(
            tuple(keys),
            tuple(dict.fromkeys(p for term in of if (p := product_of(term)))),
            tuple(of),
        )
        for keys, of in joined
    )


def _groups(keys: Iterable[Key], study: Study) -> int:
    return prod(
        len(study.columns[key].categories) if isinstance(key, str) else len(key.edges) - 1
        for key in keys
    )


def _may_join(keys: dict[Key, None], needed: dict[Key, None], study: Study) -> bool:
    both = {**keys, **needed}
    return both.keys() == keys.keys() or _groups(both, study) <= MOST_GROUPS


Row = tuple[tuple[str | int, ...], int, tuple[int, ...]]
"""One group of a query: its keys, how many rows, and the sums; in the order of the cube."""

_Slot = Callable[[tuple[str | int, ...]], int | None]


class Folding:
    """Adds rows of queries up to a study's aggregates.

    Args:
        study: The study.
        terms: Each once.
    """

    def __init__(self, study: Study, terms: Sequence[Term]) -> None:
        self._study = study
        self._cells = {cell.categories: cell.index for cell in cells_of(study)}
        self._counts = [0] * len(self._cells)
        self._sums = {term: [[0] * size_of(term, study) for _ in self._cells] for term in terms}

    def add(self, cube: Cube, rows: Iterable[Row], *, counts: bool) -> None:
        """Add all rows of one query.

        Args:
            cube: The query.
            rows: What it gave.
            counts: Whether the number of rows of every group is taken from this query.

        Raises:
            InputRefused: There is a category that the study does not declare.
        """
        groups = [cube.keys.index(name) for name in self._study.group_by]
        plans = [self._plan(cube, term) for term in cube.terms]
        for keys, count, sums in rows:
            cell = self._cells.get(tuple(str(keys[place]) for place in groups))
            if cell is None:
                raise _undeclared(self._study.group_by)
            if counts:
                self._counts[cell] += count
            for cells, place_of_sum, slot_of in plans:
                slot = slot_of(keys)
                if slot is not None:
                    cells[cell][slot] += count if place_of_sum is None else sums[place_of_sum]

    def _plan(self, cube: Cube, term: Term) -> tuple[list[list[int]], int | None, _Slot]:
        """Return where a term is added up, the place of its sum, and what finds its number."""
        of = product_of(term)
        place = cube.products.index(of) if of else None
        return self._sums[term], place, self._slot_of(cube, term)

    def _slot_of(self, cube: Cube, term: Term) -> _Slot:
        """Return what tells which of a term's numbers a row belongs to; None for none."""
        match term:
            case Monomial(factors):
                wanted = [
                    (cube.keys.index(f.column), f.category) for f in factors if isinstance(f, Is)
                ]
                return lambda keys: 0 if all(keys[at] == name for at, name in wanted) else None
            case Bins():
                at = cube.keys.index(term)
                return lambda keys: int(keys[at])
            case Pairs(rows, across):
                return self._pair_slot(cube, (rows, across))

    def _pair_slot(self, cube: Cube, names: tuple[str, str]) -> _Slot:
        at = [cube.keys.index(name) for name in names]
        rows, across = (self._study.columns[name].categories for name in names)
        slots = {pair: number for number, pair in enumerate(product(rows, across))}

        def slot_of(keys: tuple[str | int, ...]) -> int:
            slot = slots.get((str(keys[at[0]]), str(keys[at[1]])))
            if slot is None:
                raise _undeclared(names)
            return slot

        return slot_of

    def aggregates(self) -> Aggregates:
        """Return what has been added up."""
        sums = {term: tuple(map(tuple, cells)) for term, cells in self._sums.items()}
        return Aggregates(tuple(self._counts), sums)


def _undeclared(columns: Iterable[str]) -> InputRefused:
    return InputRefused(
        f"a value of {' or '.join(columns)} is none of the declared categories, although the database "
        "takes it for one",
        hint="the column's collation may ignore case or accents: give it a deterministic one in a view",
    )
