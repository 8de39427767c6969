"""What may be opened in the second round, once the first has told how many rows each group has.

Everybody draws the same conclusions from the same totals, so nobody has to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from p2pmpc.study.model import Study
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
    units = [frozenset(frozenset({k}) for k in own) for own in owns]
    matrices = [place for place, block in enumerate(blocks) if block.watched or block.has_rest]
    decided: list[Units] = []
    for place in sorted(
        matrices, key=lambda place: blocks[place].has_rest
    ):  # others cannot give way
        for rest in _rests(blocks[place], owns, matrices, counts, shown, place):
            found = frozenset({rest} | {unit for unit in units[place] if not unit & rest}) - {
                frozenset()
            }
            is_enough = not rest or is_opened(blocks[place], sorted(rest))
            if is_enough and all(_agree(found, other) for other in decided):
                units[place] = found
                break
        else:
            several = {k for other in decided for unit in other if len(unit) > 1 for k in unit}
            units[place] = frozenset(unit for unit in units[place] if not unit & several)
        decided.append(units[place])
    opened = []
    for block, own, unit in zip(blocks, owns, units, strict=True):
        alone = {k for one in unit if len(one) == 1 for k in one}
        together = next((tuple(sorted(one)) for one in unit if len(one) > 1), ())
        few = tuple(
            k
            for k in groups
            if shown[k] and counts[k] >= block.rows_needed and k not in own and k not in together
        )
        opened.append(BlockOpening(tuple(k in alone for k in groups), together, few))
    return Opening(tuple(counts), tuple(held_back), tuple(parties), shown, tuple(opened))


_MOST_GIVEN_UP: Final = 8
"""Groups that are no longer opened by themselves so that smaller ones count in "all"."""

Units = frozenset[frozenset[int]]
"""The sets of groups that a block opens, each as one."""


def _rests(
    block: Block,
    owns: Sequence[frozenset[int]],
    matrices: Sequence[int],
    counts: Sequence[int],
    shown: Sequence[bool],
    place: int,
) -> Iterator[frozenset[int]]:
    """Yield sets of groups that a block may open as one, the best first; an empty one for none.

    All that it does not open by themselves; where these are too few, the smallest others with them, so that
    "all" is of all rows; then those that no block opens by itself.
    """
    left = frozenset(k for k, is_shown in enumerate(shown) if is_shown) - owns[place]
    if block.has_rest and left:
        smallest = sorted(owns[place], key=lambda k: (counts[k], k))
        for given_up in range(min(len(smallest), _MOST_GIVEN_UP) + 1):
            yield left.union(smallest[:given_up])
        yield left - frozenset().union(*(owns[other] for other in matrices))
    yield frozenset()


def _agree(one: Units, two: Units) -> bool:
    """Return whether no difference of what two blocks open is what neither opens.

    So it is where of each two sets that overlap one is made of sets of the other block.
    """
    in_one = {group: unit for unit in one for group in unit}
    in_two = {group: unit for unit in two for group in unit}
    for unit in one:
        touched = {in_two[group] for group in unit if group in in_two}
        if not (_is_made_of(unit, in_two) or all(_is_made_of(o, in_one) for o in touched)):
            return False
    return True


def _is_made_of(whole: frozenset[int], within: Mapping[int, frozenset[int]]) -> bool:
    return all(group in within and within[group] <= whole for group in whole)


def holds_back(count: int, own_minimum: int) -> bool:
    """Return whether a party holds a group back, by a stricter rule of its own.

    Args:
        count: Its rows of the group.
        own_minimum: The fewest that it lets go, where it has any at all.
    """
    return 0 < count < own_minimum
