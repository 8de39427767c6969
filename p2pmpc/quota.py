"""What one connection of a member may bring: as many frames as the rounds of the session can hold.

An honest peer says everything once on a connection, and the rounds in their order; only after a
reconnection does it begin again. A frame that comes a second time still passes, since the round
tells a repetition, which changes nothing, from a contradiction, which proves itself. A third one is
a flood. Together with the caps of :mod:`p2pmpc.frames` this bounds the bytes of a connection too.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import Frame
from p2pmpc.messages import Kind
from p2pmpc.session import Session

_TIMES: Final = 2
_OF_NO_ROUND: Final = frozenset({Kind.ACCEPT, Kind.ABORT})


def most_frames(session: Session, peer: int, kind: Kind) -> int:
    """Return how many frames of a kind a peer says to this one in a round, on one connection.

    A frame that has no place at all ends its sender's part wherever the round hears it, so it counts
    as one.

    Args:
        session: The session.
        peer: The sender's roster index.
        kind: Of the frames.
    """
    if peer not in session.places:  # it passes on ECHOs, too
        return 2 * len(session.places) if kind is Kind.RELAY else 1
    several = {
        Kind.UNMASK: len(session.places) - 1,  # about every contributor but itself
        Kind.RELAY: len(session.places) - 1,
        Kind.SLICE: _pieces(session, session.own_index),
        Kind.SLICE_SUM: _pieces(session, peer),
    }
    return max(1, several.get(kind, 1))


def _pieces(session: Session, owner: int) -> int:
    """Return in how many pieces a contributor's slice travels."""
    if not session.parameters.is_sharded or owner not in session.places:
        return 1
    return session.slices.pieces(session.places[owner])


class Quota:
    """Counts what comes over one connection.

    Args:
        session: The session.
        peer: Who is at the other end.
    """

    def __init__(self, session: Session, peer: int) -> None:
        self._session = session
        self._peer = peer
        self._round = 0
        self._of_no_round: Counter[Kind] = Counter()
        self._of_this_round: Counter[Kind] = Counter()

    def take(self, frame: Frame) -> None:
        """Count a frame.

        Raises:
            RemoteProtocolError: No honest peer says so much.
        """
        if frame.kind in _OF_NO_ROUND:
            self._count(self._of_no_round, frame.kind, 1)
            return
        if self._of_no_round[Kind.ABORT]:
            raise RemoteProtocolError(f"{frame.kind.name} after it had said that it ends")
        if frame.round < self._round:
            raise RemoteProtocolError(
                f"{frame.kind.name} of round {frame.round} after something of round {self._round}"
            )
        if frame.round > self._round:
            self._round = frame.round
            self._of_this_round.clear()
        most = most_frames(self._session, self._peer, frame.kind)
        self._count(self._of_this_round, frame.kind, most)

    def _count(self, counted: Counter[Kind], kind: Kind, most: int) -> None:
        counted[kind] += 1
        if counted[kind] > _TIMES * most:
            raise RemoteProtocolError(
                f"it sent {kind.name} {counted[kind]} times on one connection, where a round holds "
                f"at most {most}"
            )
