"""A dishonest peer written from docs/protocol.md alone; see tests/independent_peer.py.

python -m tests.independent_liar LIE --bootstrap HOST:PORT#ID --values 3,-4 [--name NAME]
"""

from __future__ import annotations

import struct
import sys
from typing import Final

from tests.independent_parts import ACCEPT, COMMITMENT, ECHO, OPEN, PARTIAL, Frame, pack, unpack
from tests.independent_peer import Peer, main


class TwoSums(Peer):
    """Tells one of the others another masked sum."""

    def say(self, kind: int, body: bytes) -> None:
        """Say it to all but the last one, who hears zeros."""
        super().say(kind, body)
        if kind == PARTIAL:
            self.outboxes[self.others[-1]].pop()
            going = self.links[self.others[-1]][2]
            del going[len(going) - len(self.heard[self.own][kind].bytes) :]
            self.tell(self.sign(kind, bytes(len(body))), self.others[-1:])


class OtherMask(Peer):
    """Opens another mask than the one that it committed to."""

    def say(self, kind: int, body: bytes) -> None:
        """Say another seed, with the signatures of all."""
        super().say(kind, pack([bytes(32), unpack(body)[1]]) if kind == OPEN else body)


class NotBelow(Peer):
    """Says elements that are none of the field."""

    def say(self, kind: int, body: bytes) -> None:
        """Say the largest words there are."""
        super().say(kind, b"\xff" * len(body) if kind == PARTIAL else body)


class Elsewhere(Peer):
    """Signs its COMMITMENT for another session."""

    def sign(self, kind: int, body: bytes, receiver: int | None = None) -> Frame:
        """Bind something else than the session in one signature."""
        session = self.session
        if kind == COMMITMENT:
            self.session = bytes(31) + b"\x01"
        frame = super().sign(kind, body, receiver)
        self.session = session
        return frame


class Endless(Peer):
    """Announces a frame of almost four gibibytes."""

    def tell(self, frame: Frame, receivers: list[int]) -> None:  # type: ignore[override]
        """Send a header that nobody may send, in the place of an ECHO."""
        super().tell(frame, receivers)
        if frame.kind == ECHO:
            for index in receivers:
                going = self.links[index][2]
                going[len(going) - len(frame.bytes) :] = struct.pack(">IB", 2**32 - 1, ECHO)


class OtherRoster(Peer):
    """Signs a roster in another order of its lines."""

    def say(self, kind: int, body: bytes) -> None:
        """Say what others cannot have."""
        parameters, lines = unpack(body) if kind == ACCEPT else ([], [])
        super().say(kind, pack([parameters, lines[::-1]]) if kind == ACCEPT else body)


LIES: Final[dict[str, tuple[type[Peer], int]]] = {
    "two-sums": (TwoSums, 4),
    "other-mask": (OtherMask, 4),
    "not-below": (NotBelow, 4),
    "elsewhere": (Elsewhere, 4),
    "endless": (Endless, 4),
    "other-roster": (OtherRoster, 6),
}
"""Each lie with the exit code of the honest."""

if __name__ == "__main__":
    sys.exit(main(LIES[sys.argv.pop(1)][0]))
