"""What may be opened in the second round, once the first has told how many rows each group has.

Everybody draws the same conclusions from the same totals, so nobody has to be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2pmpc.study.model import Study
from p2pmpc.study.terms import Block


@dataclass(frozen=True)
class BlockOpening:
    """Which groups of one block are opened.

    Args:
        own: Whether each group is opened by itself.
        rest: The groups that are opened together, since each alone has too few rows; empty where they
            have too few even together.
    """

    own: tuple[bool, ...]
    rest: tuple[int, ...] = ()

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
    study: Study, blocks: Sequence[Block], counts: Sequence[int], held_back: Sequence[int]
) -> Opening:
    """Return what the second round opens.

    Args:
        study: The study.
        blocks: Its blocks.
        counts: Rows of each group, over all parties.
        held_back: How many parties hold each group back.
    """
    shown = tuple(
        n >= study.minimum_group and held == 0 for n, held in zip(counts, held_back, strict=True)
    )
    return Opening(
        counts=tuple(counts),
        held_back=tuple(held_back),
        shown=shown,
        blocks=tuple(_open_block(block, counts, shown) for block in blocks),
    )


def _open_block(block: Block, counts: Sequence[int], shown: Sequence[bool]) -> BlockOpening:
    own = tuple(
        is_shown and n >= block.rows_needed for n, is_shown in zip(counts, shown, strict=True)
    )
    if not block.has_rest:
        return BlockOpening(own)
    rest = tuple(k for k in range(len(own)) if shown[k] and not own[k])
    enough = sum(counts[k] for k in rest) >= block.rows_needed
    return BlockOpening(own, rest if enough else ())


def holds_back(count: int, own_minimum: int) -> bool:
    """Return whether a party holds a group back, by a stricter rule of its own.

    Args:
        count: Its rows of the group.
        own_minimum: The fewest that it lets go, where it has any at all.
    """
    return 0 < count < own_minimum
