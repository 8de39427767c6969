"""Who sums which part of the vectors in sharded mode, and in which pieces the parts travel.

Contributor number k of n owns the slice from k*N/n to (k+1)*N/n of the N elements, rounded down. The
others send it that slice of their masked sums; it sends back the sum of what they sent. A slice
travels in pieces of PIECE elements, the last one shorter, in order; an empty slice is one empty piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PIECE: Final = 1 << 18
"""Elements of a piece: 1 MiB in m31, as much as a TLS link takes well at once."""


@dataclass(frozen=True, slots=True)
class Slices:
    """How vectors are cut.

    Args:
        length: Elements of a vector, the checksum coordinate included.
        owners: How many contributors own a slice.
    """

    length: int
    owners: int

    def bounds(self, place: int) -> slice:
        """Return where the slice of a contributor lies, by its place among them, from 0."""
        return slice(place * self.length // self.owners, (place + 1) * self.length // self.owners)

    def size(self, place: int) -> int:
        """Return how many elements a slice has."""
        bounds = self.bounds(place)
        return int(bounds.stop - bounds.start)

    def pieces(self, place: int) -> int:
        """Return in how many pieces a slice travels."""
        return max(1, (self.size(place) + PIECE - 1) // PIECE)

    def piece(self, place: int, number: int) -> slice:
        """Return where a piece lies within its slice."""
        return slice(number * PIECE, min((number + 1) * PIECE, self.size(place)))

    @property
    def largest_piece(self) -> int:
        """What no piece has more elements than."""
        return min(PIECE, self.length // self.owners + 1)

    @property
    def most_pieces(self) -> int:
        """What no slice has more pieces than."""
        return self.length // (self.owners * PIECE) + 1
