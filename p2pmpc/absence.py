"""Why nothing comes from a peer, as far as that can be told from here, and in words.

Three things can be told apart without the peer's help. Its machine acknowledges what it is sent, and
its program is silent: the program is stopped, or very busy. Nothing comes back at all: the network to
it, or its machine, is down. Its machine refuses connections: nobody listens there any more, so the
program has ended.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Cause(Enum):
    """What is known of a peer that is waited for."""

    BEHIND = "its program answers, and has not come this far: it is busy, or waits for somebody"
    STOPPED = (
        "its machine acknowledges what is sent, and its program has been silent for {seconds:.0f} s: "
        "it is stopped, or very busy"
    )
    UNREACHABLE = (
        "nothing has come back from its machine for {seconds:.0f} s: the network to it, or the "
        "machine, is down"
    )
    ENDED = "nobody listens at {where} any more: its program has ended"
    SILENT = (
        "nothing has come from it for {seconds:.0f} s, and this kind of connection does not say "
        "whether its machine is there"
    )
    AWAY = "there has been no connection to it for {seconds:.0f} s ({detail})"


_ADVICE: Final = {
    Cause.BEHIND: "see there what it waits for",
    Cause.STOPPED: "see there whether it is stopped or overloaded",
    Cause.UNREACHABLE: "check the network between here and {where}",
    Cause.ENDED: "see there why it ended",
    Cause.SILENT: "see whether it is still running and reachable",
    Cause.AWAY: "see whether {where} can be reached from here, and this peer from there",
}


@dataclass(frozen=True, slots=True)
class Absence:
    """What is known of one peer that is waited for.

    Args:
        cause: What can be told.
        seconds: Since it was heard last.
        where: The address at which it listens.
        detail: What the system said, where there is no better cause.
    """

    cause: Cause
    seconds: float
    where: str
    detail: str = ""

    @property
    def reason(self) -> str:
        """Why nothing comes, for a sentence."""
        return self._filled(self.cause.value)

    @property
    def advice(self) -> str:
        """What a person can do."""
        return self._filled(_ADVICE[self.cause])

    def _filled(self, text: str) -> str:
        detail = self.detail or "not yet"
        return text.format(seconds=self.seconds, where=self.where, detail=detail)


_TCP_INFO: Final = struct.Struct("=8B13I")
"""The beginning of Linux's ``struct tcp_info`` (linux/tcp.h), which later versions only lengthen."""
TCP_INFO_BYTES: Final = _TCP_INFO.size
_MOST_PROBES: Final = 3
"""Probes of a window that is shut, in a row, that may be without an answer yet."""


@dataclass(frozen=True, slots=True)
class TcpState:
    """What the system knows of a TCP connection, of which a program at the other end has no part.

    Args:
        unacknowledged: Segments that were sent and not acknowledged.
        probes: Probes of a shut window, or of an idle connection, without an answer.
        quiet: Seconds since anything was acknowledged.
    """

    unacknowledged: int
    probes: int
    quiet: float

    @classmethod
    def parse(cls, data: bytes) -> TcpState | None:
        """Read what Linux answers to TCP_INFO; None where it is too short."""
        if len(data) < _TCP_INFO.size:
            return None
        fields = _TCP_INFO.unpack_from(data)
        # state ca_state retransmits probes ... | rto ato snd_mss rcv_mss unacked ... last_ack_recv
        return cls(unacknowledged=fields[12], probes=fields[3], quiet=fields[20] / 1000)

    def is_answered(self, patience: float) -> bool:
        """Return whether the machine at the other end is there.

        A stopped program's machine goes on to acknowledge, and answers probes once the window is
        shut; then nothing is left unacknowledged, however long ago the last answer was.

        Args:
            patience: Seconds that an acknowledgement may take.
        """
        is_overdue = self.unacknowledged > 0 and self.quiet >= patience
        return not is_overdue and self.probes < _MOST_PROBES
