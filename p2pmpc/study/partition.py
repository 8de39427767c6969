"""Which groups each block of a study opens by themselves, and which as one.

Rules:

1. "All" is to be of all rows. A group that is too small for a block is opened as one with others that are,
   and where these are too few with the smallest that is not.
2. No difference of what two blocks open is what neither opens: of each two sets that overlap, one is
   made of sets of the other block. So blocks decide one after the other, and agree with those before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from p2pmpc.study.terms import Block

_MOST_GIVEN_UP: Final = 8
"""Groups that are no longer opened by themselves so that smaller ones count in "all"."""

Units = frozenset[frozenset[int]]
"""The sets of groups that a block opens, each as one."""


IsOpened = Callable[[Block, Sequence[int]], bool]
"""Says whether a block may open some groups as one."""


def partition(
    blocks: Sequence[Block],
    owns: Sequence[frozenset[int]],
    shown: Sequence[bool],
    counts: Sequence[int],
    is_opened: IsOpened,
) -> list[Units]:
    """Return what each block opens.

    Args:
        blocks: Of the study.
        owns: For each block, the groups that it could open by themselves.
        shown: Whether each group takes part at all.
        counts: Rows of each group.
        is_opened: Whether a block may open some groups as one.
    """
    units = [frozenset(frozenset({k}) for k in own) for own in owns]
    matrices = [place for place, block in enumerate(blocks) if block.watched or block.has_rest]
    decided: list[Units] = []
    # Blocks without a rest cannot give way, so they come first.
    for place in sorted(matrices, key=lambda place: blocks[place].has_rest):
        block = blocks[place]
        for rest in _rests(block, owns, matrices, counts, shown, place):
            found = _with_rest(units[place], rest)
            is_enough = not rest or is_opened(block, sorted(rest))
            if is_enough and all(_agree(found, other) for other in decided):
                units[place] = found
                break
        else:
            several = {k for other in decided for unit in other if len(unit) > 1 for k in unit}
            units[place] = frozenset(unit for unit in units[place] if not unit & several)
        decided.append(units[place])
    return units


def _with_rest(units: Units, rest: frozenset[int]) -> Units:
    """Return a block's units with some groups as one, which are then no units by themselves."""
    return frozenset(unit for unit in units if not unit & rest) | (
        frozenset({rest}) if rest else frozenset()
    )


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
