"""Where every number of a study stands in the vectors of its two rounds, and what carries it.

The first round opens, for every group, how many rows it has and how many parties hold it back. The second
one opens the terms of every block. Both have vectors of one length, since they are rounds of one session;
what is not used is zero.

A party's number has at most 60 bits, and a total of m31xm61 has 91. What is larger at a party is rounded
to a multiple of 2^shift: only sums of products come to that, and the result says how fine they are. A plain
sum is never rounded; where it does not fit, the study is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from p2pmpc.encoding import LARGEST_SCALED
from p2pmpc.errors import InputRefused
from p2pmpc.product import FIELDS
from p2pmpc.study.disclosure import Opening, holds_back, open_groups
from p2pmpc.study.model import Study
from p2pmpc.study.terms import (
    Block,
    Cell,
    Monomial,
    Term,
    Value,
    blocks_of,
    cells_of,
    coefficients_of,
    is_matrix,
    largest_of,
    size_of,
)

LARGEST_HALF_RANGE: Final = 1 << 52
"""Of a column that is multiplied: an engine splits its values at 2^26, and either half is small."""

MOST_NUMBERS: Final = 1 << 22
"""In a vector: whoever reads a study, and every party, must have room for it."""

MOST_PRODUCTS: Final = 1 << 18
"""Of the regressions, covariances and correlations of a study, for one group."""

ROUNDS: Final = 2


@dataclass(frozen=True)
class Aggregates:
    """What one party computed at home.

    Args:
        counts: Rows of each group.
        sums: By term, for each group the term's numbers.
    """

    counts: tuple[int, ...] = field(repr=False)
    sums: Mapping[Term, tuple[tuple[int, ...], ...]] = field(repr=False)


@dataclass(frozen=True)
class Summed:
    """Opened numbers of one block, over some of its groups.

    Args:
        rows: How many rows they are of.
        values: By term.
        error: By term, how far each number may be off because it was rounded; 0 where it is exact.
    """

    rows: int
    values: Mapping[Term, tuple[int, ...]]
    error: Mapping[Term, int]

    def number(self, term: Term) -> int:
        """Return the number of a term that has one."""
        (value,) = self.values[term]
        return value


class Totals:
    """What the second round opened.

    Args:
        plan: The plan.
        opening: What was to be opened.
        total: The opened vector.
    """

    def __init__(self, plan: Plan, opening: Opening, total: Sequence[int]) -> None:
        self.plan = plan
        self.opening = opening
        self._total = total
        self._found: dict[tuple[int, tuple[int, ...]], Summed | None] = {}

    def over(self, block: int, groups: Sequence[int]) -> Summed | None:
        """Return a block's numbers over some groups that are opened by themselves, or all that are opened.

        Args:
            block: Its number.
            groups: Which; those that are opened with the rest count only where all of them are here.

        Returns:
            The numbers; None where none of the groups is opened.
        """
        key = block, tuple(groups)
        if key not in self._found:  # many statistics ask for the same
            self._found[key] = self._over(block, groups)
        return self._found[key]

    def _over(self, block: int, groups: Sequence[int]) -> Summed | None:
        opened = self.opening.blocks[block]
        parts = [k for k in groups if opened.own[k]]
        has_rest = 0 < len(opened.rest) <= len(groups) and set(groups).issuperset(opened.rest)
        if not parts and not has_rest:
            return None
        within = [*parts, *(opened.rest if has_rest else ())]
        places: list[int] = [*parts, *([len(self.plan.cells)] if has_rest else [])]
        values, error = {}, {}
        for term in self.plan.blocks[block].terms:
            slots = [self._numbers(block, place, term) for place in places]
            values[term] = tuple(map(sum, zip(*slots, strict=True)))
            error[term] = self.plan.error_of(block, term) * len(places)
        return Summed(sum(self.opening.counts[k] for k in within), values, error)

    def _numbers(self, block: int, place: int, term: Term) -> list[int]:
        start = self.plan.slot(block, place, term)
        shift = self.plan.shifts[block][term]
        stop = start + size_of(term, self.plan.study)
        return [int(value) << shift for value in self._total[start:stop]]


class Plan:
    """The layout of a study's vectors.

    Args:
        study: The study.

    Raises:
        InputRefused: Something does not fit; names the column and the bound at fault.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        _check_products(study)
        self.cells: tuple[Cell, ...] = cells_of(study)
        self.blocks: tuple[Block, ...] = blocks_of(study)
        self.shifts: tuple[dict[Term, int], ...] = tuple(
            {term: self._shift(term) for term in block.terms} for block in self.blocks
        )
        if self.length > MOST_NUMBERS:
            raise InputRefused(
                f"the study opens {self.length} numbers, and {MOST_NUMBERS} are the most",
                hint="declare fewer groups, coarser grids or fewer statistics",
            )

    # -- how large ----------------------------------------------------------------------------

    def _largest(self, term: Term) -> int:
        """Return the largest magnitude of a party's number of a term."""
        study = self.study
        return study.maximum_rows * study.weight_bound * max(1, largest_of(term, study))

    def _shift(self, term: Term) -> int:
        self._check_factors(term)
        largest = self._largest(term)
        shift = max(0, largest.bit_length() - LARGEST_SCALED.bit_length())
        shift += rounded(largest, shift) > LARGEST_SCALED  # rounding up may need one bit more
        if shift and not (isinstance(term, Monomial) and len(term.factors) > 1):
            raise self._does_not_fit(term)
        return shift

    def _check_factors(self, term: Term) -> None:
        if not isinstance(term, Monomial) or len(term.factors) < 2:
            return
        for factor in term.factors:
            column = self.study.columns[factor.column]
            if isinstance(factor, Value) and column.half_range > LARGEST_HALF_RANGE:
                raise InputRefused(
                    f"columns.{column.name}: from {column.minimum} to {column.maximum} with "
                    f"{column.decimals} decimals are more than 2^53 steps, too many to be multiplied",
                    hint="lower the maximum or the decimals of the column",
                )

    def _does_not_fit(self, term: Term) -> InputRefused:
        study, bits = self.study, self._largest(term).bit_length()
        room = LARGEST_SCALED.bit_length()
        names = [factor.column for factor in term.factors] if isinstance(term, Monomial) else []
        if not names:
            return InputRefused(
                f"maximum_rows: {study.maximum_rows} rows that count up to {study.weight_bound} need "
                f"{bits} bits, and a party's number has {room}",
                hint="lower maximum_rows or weight_bound",
            )
        column = study.columns[names[0]]
        return InputRefused(
            f"columns.{column.name}: up to {study.maximum_rows} rows of values from {column.minimum} to "
            f"{column.maximum} with {column.decimals} decimals need {bits} bits, and a party's number "
            f"has {room}",
            hint="lower the maximum or the decimals of the column, or maximum_rows",
        )

    def error_of(self, block: int, term: Term) -> int:
        """Return how far an opened number may be off because parties rounded it."""
        shift = self.shifts[block][term]
        return (self.study.number_of_parties << shift >> 1) if shift else 0

    @cached_property
    def bound(self) -> int:
        """The public limit on every number of a party."""
        largest = self.study.maximum_rows
        for block, shifts in zip(self.blocks, self.shifts, strict=True):
            for term in block.terms:
                shift = shifts[term]
                largest = max(largest, -(-self._largest(term) >> shift))
        return min(largest, LARGEST_SCALED)

    @cached_property
    def field(self) -> str:
        """The smallest field that every total fits."""
        needed = self.bound * self.study.number_of_parties
        fitting = [name for name, ring in FIELDS.items() if needed <= ring.largest_magnitude]
        assert fitting, "a total of 60 bits from at most 1000 parties fits m31xm61"
        return fitting[0]

    # -- where --------------------------------------------------------------------------------

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """How many numbers one group of each block has."""
        return tuple(sum(size_of(t, self.study) for t in block.terms) for block in self.blocks)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        """Where each block begins; behind the last, where it ends."""
        starts = [0]
        for block, size in zip(self.blocks, self._sizes, strict=True):
            starts.append(starts[-1] + size * (len(self.cells) + block.has_rest))
        return tuple(starts)

    @cached_property
    def _offsets(self) -> tuple[dict[Term, int], ...]:
        offsets = []
        for block in self.blocks:
            places, at = {}, 0
            for term in block.terms:
                places[term] = at
                at += size_of(term, self.study)
            offsets.append(places)
        return tuple(offsets)

    @property
    def length(self) -> int:
        """Numbers in each vector."""
        return max(self.first_length, self._starts[-1])

    @property
    def first_length(self) -> int:
        """Numbers that the first round uses."""
        return len(self.cells) * (2 + self.counts_parties + len(self.watched))

    @property
    def counts_parties(self) -> bool:
        """Whether the first round counts how many parties have rows of each group."""
        return self.study.minimum_parties > 1

    @cached_property
    def watched(self) -> tuple[Monomial, ...]:
        """What the first round counts beside the rows of each group."""
        return tuple(dict.fromkeys(term for block in self.blocks for term in block.watched))

    def slot(self, block: int, place: int, term: Term) -> int:
        """Return where the numbers of a term begin.

        Args:
            block: The block's number.
            place: The group's number; as many as there are groups for the rest.
            term: Which.
        """
        return self._starts[block] + place * self._sizes[block] + self._offsets[block][term]

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """All terms, each once: what a party computes for every group."""
        opened = [term for block in self.blocks for term in block.terms]
        return tuple(dict.fromkeys([*opened, *self.watched]))

    # -- the two rounds -----------------------------------------------------------------------

    def first_round(self, aggregates: Aggregates, own_minimum: int = 0) -> list[int]:
        """Return what a party sums in the first round.

        Args:
            aggregates: Its own.
            own_minimum: It holds groups back of which it has fewer rows, but some.
        """
        counts = list(aggregates.counts)
        held_back = [int(holds_back(count, own_minimum)) for count in counts]
        watched = [
            0 if held else aggregates.sums[term][group][0]  # what is held back is left out anyway
            for term in self.watched
            for group, held in enumerate(held_back)
        ]
        present = [int(count > 0) for count in counts] if self.counts_parties else []
        return self._padded([*counts, *held_back, *present, *watched])

    def opening(self, total: Sequence[int]) -> Opening:
        """Return what the first round's total lets the second open."""
        counts, held_back, parties, *numbers = self.first_parts(total)
        watched = dict(zip(self.watched, numbers, strict=True))
        return open_groups(self.study, self.blocks, counts, held_back, parties, watched)

    def first_parts(self, total: Sequence[int]) -> list[list[int]]:
        """Return the parts of the first round's total, each with a number for every group.

        Args:
            total: Opened.

        Returns:
            Rows, parties that hold back, parties that have rows (empty where these are not counted), and
            behind these a part for each watched term.
        """
        groups, used = len(self.cells), self.first_length
        parts = [list(total[k : k + groups]) for k in range(0, used, groups)]
        return parts if self.counts_parties else [*parts[:2], [], *parts[2:]]

    def second_round(self, aggregates: Aggregates, opening: Opening, weight: int = 1) -> list[int]:
        """Return what a party sums in the second round.

        Args:
            aggregates: Its own.
            opening: What the first round left.
            weight: What each of its rows counts.
        """
        out: list[int] = []
        for block, opened, shifts in zip(self.blocks, opening.blocks, self.shifts, strict=True):
            for group in range(len(self.cells)):
                chosen = (group,) if opened.own[group] else ()
                out += _numbers(block, shifts, aggregates, chosen, weight, self.study)
            if block.has_rest:
                out += _numbers(block, shifts, aggregates, opened.rest, weight, self.study)
        return self._padded(out)

    def totals(self, opening: Opening, total: Sequence[int]) -> Totals:
        """Return the second round's total, by block, group and term."""
        return Totals(self, opening, total)

    def _padded(self, numbers: list[int]) -> list[int]:
        return numbers + [0] * (self.length - len(numbers))


def _check_products(study: Study) -> None:
    """Refuse more products than anybody has room for, before any of them is made."""
    sizes = [coefficients_of(s, study) for s in study.statistics if is_matrix(s)]
    products = sum(size * (size + 1) // 2 for size in sizes)
    if products > MOST_PRODUCTS:
        raise InputRefused(
            f"the regressions, covariances and correlations need up to {products} sums of products, and "
            f"{MOST_PRODUCTS} are the most",
            hint="leave some of their columns out, or join categories of the predictors",
        )


def _numbers(
    block: Block,
    shifts: Mapping[Term, int],
    aggregates: Aggregates,
    groups: Sequence[int],
    weight: int,
    study: Study,
) -> list[int]:
    """Return a block's numbers over some groups, rounded as agreed."""
    out = []
    for term in block.terms:
        exact = [0] * size_of(term, study)
        for group in groups:
            for place, number in enumerate(aggregates.sums[term][group]):
                exact[place] += number * weight
        out += [rounded(number, shifts[term]) for number in exact]
    return out


def rounded(number: int, shift: int) -> int:
    """Return number / 2^shift, rounded half up."""
    return (number + (1 << shift >> 1)) >> shift
