"""Sharded mode [11.1], written from docs/protocol.md alone; see tests/independent_peer.py.

    python -m tests.independent_sharded --bootstrap HOST:PORT#ID --values 3,-4,0 [--weight 2] [--name NAME]

Vectors are short, so that every slice is one piece.
"""

from __future__ import annotations

import struct
import sys
from typing import Final

from tests.independent_parts import PARTIAL, SLICE, SLICE_SUM, Frame, Refused, body_digest
from tests.independent_peer import Peer, main

_FIRST: Final = struct.pack(">Q", 0)


class ShardedPeer(Peer):
    """A peer that sums one slice of every vector."""

    sum_mode = "sharded"

    def _slice(self, place: int) -> slice:
        n = len(self.contributors)
        return slice(place * self.length // n, (place + 1) * self.length // n)

    def say_sum(self, masked: list[int]) -> None:
        """Give each owner its slice, sum the own one, and say the list and then the sum."""
        place = self.contributors.index(self.own)
        others = [k for k in self.contributors if k != self.own]
        for k, owner in enumerate(self.contributors):
            if owner != self.own:
                body = _FIRST + self.field.to_bytes(masked[self._slice(k)])
                self.tell(self.sign(SLICE, body, owner), [owner])
        own = masked[self._slice(place)]
        for frame in self.wait(SLICE, others).values():
            own = [a + b for a, b in zip(own, self._elements(frame, len(own)), strict=True)]
        summed = _FIRST + self.field.to_bytes(own)
        self.say(PARTIAL, body_digest(SLICE_SUM, summed))
        self.say(SLICE_SUM, summed)

    def _elements(self, frame: Frame, length: int) -> list[int]:
        if frame.body[:8] != _FIRST:
            raise Refused("a piece that a short slice does not have")
        return self.field.from_bytes(frame.body[8:], length)

    def opened(self, partials: dict[int, Frame]) -> list[int]:
        """Return the total: all slices, one behind the other, without all masks."""
        total: list[int] = []
        for place, (owner, frame) in enumerate(self.wait(SLICE_SUM, self.contributors).items()):
            if frame.digest != partials[owner].body:
                raise Refused("a piece that is not the one listed")
            bounds = self._slice(place)
            total += self._elements(frame, bounds.stop - bounds.start)
        for mask in self.masks.values():
            total = [(t - m) % self.field.modulus for t, m in zip(total, mask, strict=True)]
        return total

    def heard_all(self) -> None:
        """Wait for every piece of every slice, before any ECHO."""
        self.wait(SLICE_SUM, self.contributors)


if __name__ == "__main__":
    sys.exit(main(ShardedPeer))
