"""What may be opened in the second round, once the first has told how many rows each group has.

Everybody draws the same conclusions from the same totals, so nobody has to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pmpc.study.model import Study
from p2pmpc.study.terms import Block, Monomial, Value


@dataclass(frozen=True)
class BlockOpening:
    """Which groups of one block are opened.

    Args:
        own: Whether each group is opened by itself.
        rest: The groups that are opened together, since each alone has too few rows; empty where they
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

    owns = [tuple(shown[k] and is_opened(block, [k]) for k in groups) for block in blocks]
    opened = []
    for place, (block, own) in enumerate(zip(blocks, owns, strict=True)):
        left = _left_together(blocks, owns, shown, place) if block.has_rest else ()
        rest = left if left and is_opened(block, left) else ()
        few = tuple(
            k
            for k in groups
            if shown[k] and counts[k] >= block.rows_needed and not own[k] and k not in rest
        )
        opened.append(BlockOpening(own, rest, few))
    return Opening(tuple(counts), tuple(held_back), tuple(parties), shown, tuple(opened))


def _left_together(
    blocks: Sequence[Block], owns: Sequence[Sequence[bool]], shown: Sequence[bool], place: int
) -> tuple[int, ...]:
    """Return the groups that a block may open as one.

    Were some of them, and not all, opened by themselves in another block, the difference of the two blocks
    would be what neither opens. So it is all that the block leaves, where other blocks treat all of these
    alike; and otherwise those that no block opens by itself.
    """

    def opening(group: int) -> tuple[bool, ...]:
        return tuple(
            own[group]
            for block, own in zip(blocks, owns, strict=True)
            if block.watched or block.has_rest
        )

    left = [k for k, is_own in enumerate(owns[place]) if shown[k] and not is_own]
    if len({opening(k) for k in left}) > 1:
        left = [k for k in left if not any(opening(k))]
    return tuple(left)


def holds_back(count: int, own_minimum: int) -> bool:
    """Return whether a party holds a group back, by a stricter rule of its own.

    Args:
        count: Its rows of the group.
        own_minimum: The fewest that it lets go, where it has any at all.
    """
    return 0 < count < own_minimum
