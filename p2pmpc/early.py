"""What peers say of the next round before this one has come to it: kept, as far as that is possible.

Whoever is done with a round has confirmed its total, and on a stream that came before. It goes on
alone only as far as it needs nothing of this peer; so what it can say early is bounded.
"""

from __future__ import annotations

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import Frame
from p2pmpc.messages import Kind
from p2pmpc.session import Session


class EarlyFrames:
    """Keeps frames of the next round until it begins.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: dict[int, list[Frame]] = {}

    def keep(self, peer: int, frame: Frame, *, current: int, has_confirmed: bool) -> None:
        """Keep a frame; one that comes again changes nothing.

        Args:
            peer: Its sender's roster index.
            frame: Of a round behind the current one.
            current: The round that this peer is in.
            has_confirmed: Whether the sender has confirmed that round.

        Raises:
            RemoteProtocolError: No honest peer says that now.
        """
        kept = self._kept.setdefault(peer, [])
        if frame in kept:
            return  # said again after a reconnection
        most, rounds = self._most(frame.kind), self._session.parameters.rounds
        ahead = frame.round > current + 1 or not has_confirmed
        same_kind = sum(other.kind is frame.kind for other in kept)
        if ahead or 0 < rounds <= frame.round or same_kind >= most:
            raise RemoteProtocolError(
                f"{self._session.label(peer)} speaks of round {frame.round} during round {current}",
                peers=(peer,),
            )
        kept.append(frame)

    def take(self) -> dict[int, list[Frame]]:
        """Return what was kept, by sender: its round begins."""
        early, self._kept = self._kept, {}
        return early

    def _most(self, kind: Kind) -> int:
        """Return how many frames of a kind a peer can say of the next round before this one is in it.

        A contributor waits for this one's shares; an observer is not waited for until the end.
        """
        if self._session.contributes:
            return 1 if kind in (Kind.COMMITMENT, Kind.SHARE) else 0
        several = {
            Kind.UNMASK: len(self._session.places),
            Kind.RELAY: 2 * len(self._session.places),
            Kind.SLICE_SUM: self._session.slices.most_pieces,
            Kind.SHARE: 0,
            Kind.SLICE: 0,
        }
        return several.get(kind, 1)
