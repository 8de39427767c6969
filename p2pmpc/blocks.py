"""A block of an input: some numbers as they were read, scaled and judged when the sum is known.

Vectors may be far longer than what fits beside them in memory, so nothing ever holds a whole one but
the residues that are summed. A block knows its place, and its refusals name it, never a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from p2pmpc.encoding import FRACTIONS_HINT, INPUT_HINT, LARGEST_SCALED, Floats, Scaled
from p2pmpc.errors import InputRefused

NOT_FINITE = "NaN and infinity cannot be summed"
NOT_WHOLE = "not a whole number, and this sum has no fraction bits"
TOO_LARGE = "the number is too large for any field"


class Block(Protocol):
    """Some of the numbers of an input, in order."""

    @property
    def first(self) -> int:
        """How many numbers stand before these."""

    @property
    def size(self) -> int:
        """How many they are."""

    def check_form(self) -> None:
        """Refuse what no parameters could make usable.

        Raises:
            InputRefused: Says where, never what.
        """

    def scaled(self, fraction_bits: int) -> Scaled:
        """Return the values times 2^f, rounded once, ties to even.

        Args:
            fraction_bits: The agreed f.

        Raises:
            InputRefused: A value cannot be used; says where, never what.
        """

    def floats(self) -> Floats:
        """Return the values as they were read, to the nearest double: whatever carries them later."""


@dataclass(frozen=True, slots=True)
class ArrayBlock:
    """Numbers of an array.

    Args:
        source: Where the input came from, for messages.
        first: How many numbers stand before these.
        array: One-dimensional, of integers or floats of any byte order.
    """

    source: str
    first: int
    array: npt.NDArray[Any] = field(repr=False)

    @property
    def size(self) -> int:
        """How many they are."""
        return int(self.array.size)

    def check_form(self) -> None:
        """See :meth:`Block.check_form`."""
        if self.array.dtype.kind == "f":
            self._refuse_where(~np.isfinite(self.floats()), NOT_FINITE)

    def scaled(self, fraction_bits: int) -> Scaled:
        """See :meth:`Block.scaled`."""
        if self.array.dtype.kind == "f":
            return self._scaled_floats(fraction_bits)
        limit = LARGEST_SCALED >> fraction_bits
        outside = self.array > limit
        if self.array.dtype.kind == "i":
            outside |= self.array < -limit
        self._refuse_where(outside, TOO_LARGE)
        return self.array.astype(np.int64) << np.int64(fraction_bits)

    def _scaled_floats(self, fraction_bits: int) -> Scaled:
        floats = self.floats()
        self._refuse_where(~np.isfinite(floats), NOT_FINITE)
        if fraction_bits == 0:
            self._refuse_where(floats != np.rint(floats), NOT_WHOLE, FRACTIONS_HINT)
        # The largest doubles overflow to infinity here, which is beyond every field like the rest.
        with np.errstate(over="ignore"):
            scaled = np.rint(np.ldexp(floats, fraction_bits))  # exact, then ties to even
        self._refuse_where(np.abs(scaled) > float(LARGEST_SCALED), TOO_LARGE)
        return scaled.astype(np.int64)

    def floats(self) -> Floats:
        """See :meth:`Block.floats`."""
        with np.errstate(
            over="ignore"
        ):  # floats wider than doubles become infinite, and are refused
            return self.array.astype(np.float64)

    def _refuse_where(self, bad: npt.NDArray[np.bool_], why: str, hint: str = INPUT_HINT) -> None:
        if bad.any():
            element = self.first + int(np.argmax(bad))
            raise InputRefused(
                f"{self.source}:{element + 1}:1: {why} (element {element})", hint=hint
            )


@dataclass(frozen=True, slots=True)
class PartOfBlock:
    """Some numbers of a block, which keep their places.

    Args:
        whole: The block.
        part: Which of its numbers.
    """

    whole: Block
    part: slice

    @property
    def first(self) -> int:
        """How many numbers stand before these."""
        return self.whole.first + int(self.part.start)

    @property
    def size(self) -> int:
        """How many they are."""
        return int(self.part.stop - self.part.start)

    def check_form(self) -> None:
        """See :meth:`Block.check_form`."""
        self.whole.check_form()

    def scaled(self, fraction_bits: int) -> Scaled:
        """See :meth:`Block.scaled`."""
        return self.whole.scaled(fraction_bits)[self.part]

    def floats(self) -> Floats:
        """See :meth:`Block.floats`."""
        return self.whole.floats()[self.part]


@dataclass(frozen=True, slots=True)
class ScaledBlock:
    """Numbers that are scaled from the start: drawn ones.

    Args:
        first: How many numbers stand before these.
        values: In scaled units.
        fraction_bits: f.
    """

    first: int
    values: Scaled = field(repr=False)
    fraction_bits: int

    @property
    def size(self) -> int:
        """How many they are."""
        return int(self.values.size)

    def check_form(self) -> None:
        """See :meth:`Block.check_form`: there is nothing to refuse."""

    def scaled(self, fraction_bits: int) -> Scaled:
        """See :meth:`Block.scaled`; they were drawn for the agreed f."""
        assert fraction_bits == self.fraction_bits
        return self.values

    def floats(self) -> Floats:
        """See :meth:`Block.floats`."""
        return np.ldexp(self.values.astype(np.float64), -self.fraction_bits)
