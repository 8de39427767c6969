"""How one link is known to be alive: how long it has been silent, and what that means.

Rules:

1. Each side says something at least every *beat*: a message, or where there is none an ALIVE.
2. Silence is counted in turns of the loop, and only while this side waits for bytes: a process that was
   stopped itself, or is busy, has not listened, and suspects nobody for it.
3. A link that is silent for SUSPECTED_BEATS is suspected; people are told, and nothing else happens.
4. Only a link at whose other end no machine answers is given up, after GIVEN_UP_BEATS: it is half-open,
   and a new one may find another way. A stopped peer keeps its link, and so its place.
5. ALIVE frames may come in a crowd, after a standstill, and never faster than MOST_A_SECOND on average:
   whoever sends more means to keep this peer busy.
"""

from __future__ import annotations

from typing import Final, Protocol

from p2pmpc.absence import Absence, Cause, TcpState
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import Frame, check_alive

SUSPECTED_BEATS: Final = 3
GIVEN_UP_BEATS: Final = 4
TURNS_A_BEAT: Final = 4
MOST_A_SECOND: Final = 20
MOST_AT_ONCE: Final = 64
FASTEST_HEARTBEAT: Final = 0.1
"""The shortest beat, with which a peer stays well below that."""
_LATE_BEATS: Final = 1.5
"""From when on silence says more than that nothing was due."""
_ACKNOWLEDGED_BEATS: Final = 2
"""Within how many beats a machine that is there acknowledges; the next beat asks again."""


class Watched(Protocol):
    """What is watched of a link."""

    bytes_received: int
    is_waiting: bool
    """Whether this side waits for bytes now, and has handled those that came."""

    def tcp_state(self) -> TcpState | None:
        """Return what the system knows of the connection."""


class Pulse:
    """One link, watched.

    Args:
        link: The link.
        beat: Seconds after which each side says something.
        where: The address of the peer, for people.
        now: When it came up, on the monotonic clock.
    """

    def __init__(self, link: Watched, beat: float, where: str, now: float) -> None:
        self._link = link
        self._beat = beat
        self._where = where
        self._since = now
        self._seen = -1
        self._alive = 0
        self.silent = 0.0
        """Seconds of silence, counted in turns."""
        self.suspected: Cause | None = None

    def take_alive(self, frame: Frame, now: float) -> None:
        """Take an ALIVE, of which there is nothing to keep.

        Raises:
            RemoteProtocolError: It is not one, or there are far too many.
        """
        check_alive(frame)
        self._alive += 1
        if self._alive > MOST_AT_ONCE + MOST_A_SECOND * (now - self._since):
            raise RemoteProtocolError("a flood of ALIVE")

    def turn(self) -> None:
        """Count one turn of silence, or note that something came."""
        if self._link.bytes_received != self._seen or not self._link.is_waiting:
            self._seen, self.silent, self.suspected = self._link.bytes_received, 0.0, None
        else:
            self.silent += self._beat / TURNS_A_BEAT
            if self.silent >= SUSPECTED_BEATS * self._beat:
                self.suspected = self._cause()

    @property
    def is_half_open(self) -> bool:
        """Whether nobody is at the other end any more, for long enough to try another way."""
        is_long = self.silent >= GIVEN_UP_BEATS * self._beat
        return is_long and self.suspected is Cause.UNREACHABLE

    def absence(self) -> Absence:
        """Return what is known of the peer, which is waited for."""
        return Absence(self.suspected or self._cause(), self.silent, self._where)

    def _cause(self) -> Cause:
        if self.silent < _LATE_BEATS * self._beat:
            return Cause.BEHIND
        state = self._link.tcp_state()
        if state is None:
            return Cause.SILENT
        is_there = state.is_answered(_ACKNOWLEDGED_BEATS * self._beat)
        return Cause.STOPPED if is_there else Cause.UNREACHABLE
