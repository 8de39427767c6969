"""Which counts of a table are not shown, so that no count of fewer rows than the minimum can be had.

Rules:

1. A table is looked at together with all its totals, and with the same table of every other group that is
   shown: whoever reads one reads the others. Along every axis the entries before the last add up to the last.
2. Counts of 1 up to the minimum less 1 are hidden. Zeros are shown.
3. Every hidden entry is the corner of a box of hidden entries, one or two places along each axis, in which one
   row more and one row fewer by turns leave all totals as they are, and every entry of the box above zero. So for each
   hidden entry there is another table with the same entries shown. (Repsilber's method of hypercubes.) Where there is no
   such box, one with zeros is taken, which are then hidden, too.
4. Hidden entries of one line that together are fewer than the minimum, and whose total is shown, get
   the line's smallest other entry hidden with them.

The number of rows of a group is public: it opened in the first round.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

Index = int | slice

FEW: Final = 4
"""So many of the smallest entries of each line are tried first."""

MOST_BOXES: Final = 1 << 18

MOST_SMALL: Final = 5_000
"""Where more entries than these are small, the table says little, and all of it is hidden."""

_LARGE: Final = 1 << 40


def with_totals(counts: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return counts with one more entry along each axis: the total."""
    for axis in range(counts.ndim):
        counts = np.concatenate([counts, counts.sum(axis=axis, keepdims=True)], axis=axis)
    return counts


def masked(
    counts: npt.NDArray[np.object_],
    minimum: int,
    table_axes: int | None = None,
    absent: Mask | None = None,
) -> Mask:
    """Return which entries of a table with its totals are not shown.

    Args:
        counts: Without totals; first the axes of groups, then those of the table.
        minimum: The least count that is shown, beside zero.
        table_axes: How many axes the table itself has; all of them by default.
        absent: Which groups have no table, by the axes of groups.

    Returns:
        By entry of :func:`with_totals`.
    """
    axes = counts.ndim if table_axes is None else table_axes
    masking = _Masking(with_totals(counts), minimum, axes, absent)
    masking.run()
    return masking.mask


class _Masking:
    def __init__(
        self, counts: npt.NDArray[np.object_], minimum: int, axes: int, absent: Mask | None
    ) -> None:
        self.counts: Counts = np.minimum(counts, _LARGE).astype(np.int64)
        self.minimum = minimum
        groups = counts.ndim - axes
        of_table: tuple[Index, ...] = (slice(None),) * groups
        rows = self.counts[of_table + (slice(-1, None),) * axes]
        public = np.zeros(counts.shape, dtype=bool)
        public[of_table + (-1,) * axes] = True
        self.can_hide: Mask = ~public
        if absent is not None:
            inner = (slice(-1),) * groups
            self.can_hide[inner] &= ~absent.reshape((*absent.shape, *[1] * axes))
        is_small = (self.counts > 0) & (self.counts < minimum)
        self.mask: Mask = is_small & self.can_hide & (self.counts < rows)
        self.is_covered: Mask = np.zeros(counts.shape, dtype=bool)

    def run(self) -> None:
        """Hide what has to be hidden, until nothing changes."""
        if np.count_nonzero(self.mask) > MOST_SMALL:
            self.mask = self.can_hide
            return
        while True:
            for position in np.argwhere(self.mask & ~self.is_covered).tolist():
                if not self.is_covered[tuple(position)]:
                    self._cover(position)
            if not self._widen():
                return

    def _cover(self, position: Sequence[int]) -> None:
        """Hide a box with a hidden entry as its corner, or everything where there is none."""
        for few, with_zeros in ((FEW, False), (None, False), (FEW, True), (None, True)):
            others = self._others(position, few, with_zeros=with_zeros)
            box = self._best_box(position, others, with_zeros=with_zeros)
            if box is not None:
                for corner in product(*zip(position, box, strict=True)):
                    self.mask[corner] = self.is_covered[corner] = True
                return
        self.mask |= self.can_hide
        self.is_covered |= self.can_hide

    def _others(
        self, position: Sequence[int], few: int | None, *, with_zeros: bool
    ) -> list[npt.NDArray[np.intp]]:
        """Return for each axis where the box may end: at the smallest entries of the line, or its total."""
        found = []
        for axis, own in enumerate(position):
            total = self.counts.shape[axis] - 1
            along: list[Index] = [*position[:axis], slice(None), *position[axis + 1 :]]
            line = self.counts[tuple(along)]
            order = np.argsort(line[:total], kind="stable")
            order = order[(order != own) & ((line[order] > 0) | with_zeros)]
            ends = [*order[:few].tolist(), *([total] if own != total else [])]
            found.append(np.array(ends, dtype=np.intp))
        while np.prod([len(ends) for ends in found]) > MOST_BOXES:
            longest = max(range(len(found)), key=lambda axis: len(found[axis]))
            found[longest] = found[longest][len(found[longest]) // 2 :]
        return found

    def _best_box(
        self, position: Sequence[int], others: list[npt.NDArray[np.intp]], *, with_zeros: bool
    ) -> tuple[int, ...] | None:
        """Return the far corner of the box that hides the least beside what is hidden anyway."""
        ends = [grid.ravel() for grid in np.meshgrid(*others, indexing="ij")]
        if not ends[0].size:
            return None
        least, left = (0, 1) if with_zeros else (1, 2)
        works = np.ones(ends[0].size, dtype=bool)
        can_lose = {1: works.copy(), -1: works.copy()}
        cost = np.zeros(ends[0].size, dtype=np.int64)
        for moved in product((False, True), repeat=len(position)):
            corner = tuple(
                end if is_moved else np.full_like(end, own)
                for end, own, is_moved in zip(ends, position, moved, strict=True)
            )
            value = self.counts[corner]
            works &= self.can_hide[corner] & (value >= least)
            cost += np.where(self.mask[corner], 0, value)
            totals = sum(
                (at == size - 1).astype(np.int64)
                for at, size in zip(corner, self.counts.shape, strict=True)
            )
            sign = 1 - 2 * ((sum(moved) + totals) % 2)
            for direction in (1, -1):
                can_lose[direction] &= (sign != direction) | (value >= left)
        works &= can_lose[1] | can_lose[-1]
        if not works.any():
            return None
        best = int(np.argmin(np.where(works, cost, np.iinfo(np.int64).max)))
        return tuple(int(end[best]) for end in ends)

    def _widen(self) -> bool:
        """Hide one more entry in each line whose hidden ones are too few together; return whether any was."""
        has_changed = False
        for axis in range(self.counts.ndim):
            counts = np.moveaxis(self.counts, axis, -1)
            mask = np.moveaxis(self.mask, axis, -1)
            can_hide = np.moveaxis(self.can_hide, axis, -1)
            together = np.where(mask, counts, 0)[..., :-1].sum(axis=-1)
            few = (together > 0) & (together < self.minimum) & ~mask[..., -1]
            for line in map(tuple, np.argwhere(few).tolist()):
                free = (can_hide[line] & ~mask[line] & (counts[line] > 0))[:-1]
                if free.any():
                    values = np.where(free, counts[line][:-1], _LARGE * 2)
                    mask[line][int(np.argmin(values))] = True
                    has_changed = True
        return has_changed
