"""What may be opened in the second round, once the first has told how many rows each group has.

Everybody draws the same conclusions from the same totals, so nobody has to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pmpc.study.model import Study
from p2pmpc.study.partition import Units, partition
from p2pmpc.study.terms import Block, Monomial, Value


@dataclass(frozen=True)
class BlockOpening:
    """Which groups of one block are opened.

    Args:
        own: Whether each group is opened by itself.
        rest: The groups that are opened together, since some of them have too few rows; empty where they
            have too few even together.
        few: The groups that would have enough rows, but few of some category.
    """

    own: tuple[bool, ...]
    rest: tuple[int, ...] = ()
    few: tuple[int, ...] = ()

    @property
    def groups(self) -> frozenset[int]:
        """All groups whose rows are in the block, by themselves or with others."""
        return frozenset(k for k, is_own in enumerate(self.own) if is_own) | frozenset(self.rest)


@dataclass(frozen=True)
class Opening:
    """What is opened of each block, and why not more.

    Args:
        counts: Rows of each group, over all parties.
        held_back: How many parties hold each group back by a rule of their own.
        parties: How many parties have rows of each group; empty where the study does not look.
        shown: Whether each group takes part in the second round at all.
        blocks: What is opened of each block.
    """

    counts: tuple[int, ...]
    held_back: tuple[int, ...]
    parties: tuple[int, ...]
    shown: tuple[bool, ...]
    blocks: tuple[BlockOpening, ...]

    @property
    def suppressed(self) -> tuple[int, ...]:
        """The groups that have rows and are left out."""
        return tuple(k for k, n in enumerate(self.counts) if n and not self.shown[k])

    @property
    def rows(self) -> int:
        """Rows of all groups that are shown."""
        return sum(n for n, shown in zip(self.counts, self.shown, strict=True) if shown)


def open_groups(
    study: Study,
    blocks: Sequence[Block],
    counts: Sequence[int],
    held_back: Sequence[int],
    parties: Sequence[int],
    watched: Mapping[Monomial, Sequence[int]],
) -> Opening:
    """Return what the second round opens.

    Args:
        study: The study.
        blocks: Its blocks.
        counts: Rows of each group, over all parties.
        held_back: How many parties hold each group back.
        parties: How many parties have rows of each group; empty where the study does not look.
        watched: For each watched term, how many rows of each group it counts.
    """
    groups = range(len(counts))
    shown = tuple(
        counts[k] >= study.minimum_group
        and held_back[k] == 0
        and (not parties or parties[k] >= study.minimum_parties)
        for k in groups
    )

    def is_opened(block: Block, together: Sequence[int]) -> bool:
        """Return whether some groups together have enough rows, and not few of any category."""
        rows, numbers = sum(counts[k] for k in together), []
        for term in block.watched:
            number = sum(watched[term][k] for k in together)
            # A column of two values is watched by how many rows have one of them.
            numbers += [number, rows - number] if isinstance(term.factors[0], Value) else [number]
        few = any(0 < number < study.minimum_group for number in numbers)
        return rows >= block.rows_needed and not few

    owns = [frozenset(k for k in groups if shown[k] and is_opened(block, [k])) for block in blocks]
    units = partition(blocks, owns, shown, counts, is_opened)
    opened = [
        _block_opening(block, own, unit, shown, counts)
        for block, own, unit in zip(blocks, owns, units, strict=True)
    ]
    return Opening(tuple(counts), tuple(held_back), tuple(parties), shown, tuple(opened))


def _block_opening(
    block: Block,
    own: frozenset[int],
    units: Units,
    shown: Sequence[bool],
    counts: Sequence[int],
) -> BlockOpening:
    """Return what a block opens, given which groups it could open by themselves, and what it does open."""
    groups = range(len(counts))
    alone = {k for unit in units if len(unit) == 1 for k in unit}
    together = next((tuple(sorted(unit)) for unit in units if len(unit) > 1), ())
    few = tuple(
        k
        for k in groups
        if shown[k] and counts[k] >= block.rows_needed and k not in own and k not in together
    )
    return BlockOpening(tuple(k in alone for k in groups), together, few)


def holds_back(count: int, own_minimum: int) -> bool:
    """Return whether a party holds a group back, by a stricter rule of its own.

    Args:
        count: Its rows of the group.
        own_minimum: The fewest that it lets go, where it has any at all.
    """
    return 0 < count < own_minimum
