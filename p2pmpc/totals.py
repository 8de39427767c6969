"""An opened total: residues, read as signed values a block at a time.

A total may have a hundred million elements, so it is never turned whole into integers or texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy.typing as npt

from p2pmpc.encoding import format_scaled
from p2pmpc.field import Words
from p2pmpc.prg import CHUNK
from p2pmpc.product import Ring


@dataclass(frozen=True, slots=True, eq=False)
class OpenedTotal:
    """A total that holds.

    Args:
        field: The field.
        residues: One for every element of the vector; neither a weight nor a checksum.
        fraction_bits: f.
    """

    field: Ring
    residues: Words = dataclass_field(repr=False)
    fraction_bits: int

    @property
    def length(self) -> int:
        """How many elements it has."""
        return int(self.residues.size)

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Yield it as signed values in scaled units, a block at a time: int64, or Python integers."""
        for start in range(0, self.length, CHUNK):
            yield self.field.to_signed(self.residues[start : start + CHUNK])

    @property
    def fits_int64(self) -> bool:
        """Whether no value in scaled units is beyond 64 bits."""
        return self.field.largest_magnitude < 1 << 63 or all(
            block.dtype != object or all(-(1 << 63) <= value < 1 << 63 for value in block.tolist())
            for block in self.blocks()
        )

    def values(self, first: int | None = None) -> tuple[int, ...]:
        """Return signed values in scaled units.

        Args:
            first: How many; all by default, which is for short totals.
        """
        return tuple(self.field.to_signed(self.residues[:first]).tolist())

    def texts(self, first: int | None = None) -> list[str]:
        """Return values as exact decimal texts.

        Args:
            first: How many; all by default, which is for short totals.
        """
        return [format_scaled(value, self.fraction_bits) for value in self.values(first)]

    def means(self, total_weight: int, first: int | None = None) -> list[str] | None:
        """Return values divided by a weight, as texts; None when it is zero.

        Args:
            total_weight: The sum of the weights.
            first: How many; all by default, which is for short totals.
        """
        if total_weight == 0:
            return None
        divisor = total_weight << self.fraction_bits
        return [format_quotient(value, divisor) for value in self.values(first)]


def format_quotient(value: int, divisor: int) -> str:
    """Return a quotient as a decimal text: exact where it is whole, else to 12 digits."""
    whole, rest = divmod(value, divisor)
    if rest == 0:
        return str(whole)
    text = f"{value / divisor:.12g}"
    if "e" in text or "." not in text:
        return text
    return text.rstrip("0").rstrip(".")
