"""What may be opened in the second round, once the first has told how many rows each group has.

Everybody draws the same conclusions from the same totals, so nobody has to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pmpc.study.model import Study
from p2pmpc.study.terms import Block, Monomial


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
        shown: Whether each group takes part in the second round at all.
        blocks: What is opened of each block.
    """

    counts: tuple[int, ...]
    held_back: tuple[int, ...]
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
    watched: Mapping[Monomial, Sequence[int]],
) -> Opening:
    """Return what the second round opens.

    Args:
        study: The study.
        blocks: Its blocks.
        counts: Rows of each group, over all parties.
        held_back: How many parties hold each group back.
        watched: For each watched term, how many rows of each group it counts.
    """
    shown = tuple(
        n >= study.minimum_group and held == 0 for n, held in zip(counts, held_back, strict=True)
    )
    of_block = [[watched[term] for term in block.watched] for block in blocks]
    opened = [
        _open_block(block, counts, shown, few, study.minimum_group)
        for block, few in zip(blocks, of_block, strict=True)
    ]
    for place, (block, few) in enumerate(zip(blocks, of_block, strict=True)):
        if not _is_rest_safe(blocks, opened, place, counts, few, study.minimum_group):
            opened[place] = _without_rest(block, opened[place], counts)
    return Opening(
        counts=tuple(counts), held_back=tuple(held_back), shown=shown, blocks=tuple(opened)
    )


def _is_rest_safe(
    blocks: Sequence[Block],
    opened: Sequence[BlockOpening],
    place: int,
    counts: Sequence[int],
    watched: Sequence[Sequence[int]],
    minimum: int,
) -> bool:
    """Return whether a block's rest may be opened beside what other blocks open of the same terms.

    Another block may open some of the rest's groups by themselves. Whoever subtracts these has the
    terms of what is left of the rest, so that must be enough by itself.
    """
    block, rest = blocks[place], opened[place].rest
    for term in block.terms:
        known = [o.own for b, o in zip(blocks, opened, strict=True) if term in b.place]
        left = [k for k in rest if not any(own[k] for own in known)]
        if left and (
            sum(counts[k] for k in left) < block.rows_needed or _has_few(watched, left, minimum)
        ):
            return False
    return True


def _without_rest(block: Block, opened: BlockOpening, counts: Sequence[int]) -> BlockOpening:
    few = {k for k in opened.rest if counts[k] >= block.rows_needed}
    return BlockOpening(opened.own, (), tuple(sorted(few.union(opened.few))))


def _has_few(watched: Sequence[Sequence[int]], groups: Sequence[int], minimum: int) -> bool:
    return any(0 < sum(numbers[k] for k in groups) < minimum for numbers in watched)


def _open_block(
    block: Block,
    counts: Sequence[int],
    shown: Sequence[bool],
    watched: Sequence[Sequence[int]],
    minimum: int,
) -> BlockOpening:
    groups = range(len(counts))
    enough = [shown[k] and counts[k] >= block.rows_needed for k in groups]
    own = tuple(enough[k] and not _has_few(watched, [k], minimum) for k in groups)
    rest = tuple(k for k in groups if shown[k] and not own[k]) if block.has_rest else ()
    if sum(counts[k] for k in rest) < block.rows_needed or _has_few(watched, rest, minimum):
        rest = ()
    few = tuple(k for k in groups if enough[k] and not own[k] and k not in rest)
    return BlockOpening(own, rest, few)


def holds_back(count: int, own_minimum: int) -> bool:
    """Return whether a party holds a group back, by a stricter rule of its own.

    Args:
        count: Its rows of the group.
        own_minimum: The fewest that it lets go, where it has any at all.
    """
    return 0 < count < own_minimum
