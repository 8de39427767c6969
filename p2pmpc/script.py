"""What one peer says in a round, and in which order: the scripts, and how far a link has walked.

On an ordered stream an honest peer's messages come in one order, so any other order is a violation,
and the same message again is a repetition after a reconnection and changes nothing. Which script a
link walks follows from the roster: observers share nothing, and nobody shares with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from p2pmpc.messages import Kind, Message, SharePlain, Signed


class Column(IntEnum):
    """How far one peer's link has walked its script."""

    CONNECTED = 0
    COMMITTED = 1
    SHARED = 2
    SLICED = 3
    LISTED = 4
    SUMMED = 5
    ECHOED = 6
    OPENED = 7
    CONFIRMED = 8


class Stage(IntEnum):
    """How far this peer has come: what it has sent, or as an observer seen."""

    WAITING = 0
    DEALT = 1
    SLICED = 2
    SUMMED = 3
    RECORDING = 4
    ECHOED = 5
    OPENED = 6
    CONFIRMED = 7
    DONE = 8


Script = Mapping[Column, Mapping[Kind, Column]]
"""Column -> message -> next column. What comes in pieces leads on with its last piece."""

_FROM_ECHO: Final[Script] = {
    Column.SUMMED: {Kind.ECHO: Column.ECHOED},
    Column.ECHOED: {Kind.OPEN: Column.OPENED},
    Column.OPENED: {
        Kind.UNMASK: Column.OPENED,
        Kind.RELAY: Column.OPENED,
        Kind.CONFIRM: Column.CONFIRMED,
    },
    Column.CONFIRMED: {Kind.UNMASK: Column.CONFIRMED, Kind.RELAY: Column.CONFIRMED},
}
"""UNMASK and RELAY may come any number of times once their sender opened, each about another peer."""

AMONG_CONTRIBUTORS: Final[Script] = {
    Column.CONNECTED: {Kind.COMMITMENT: Column.COMMITTED},
    Column.COMMITTED: {Kind.SHARE: Column.SHARED},
    Column.SHARED: {Kind.PARTIAL: Column.SUMMED},
    **_FROM_ECHO,
}
"""What a contributor says to another one."""

AMONG_OWNERS: Final[Script] = {
    Column.CONNECTED: {Kind.COMMITMENT: Column.COMMITTED},
    Column.COMMITTED: {Kind.SHARE: Column.SHARED},
    Column.SHARED: {Kind.SLICE: Column.SLICED},
    Column.SLICED: {Kind.PARTIAL: Column.LISTED},
    Column.LISTED: {Kind.SLICE_SUM: Column.SUMMED},
    **_FROM_ECHO,
}
"""What a contributor says to another one in sharded mode, where each owns a slice."""

TO_AN_OBSERVER: Final[Script] = {
    Column.CONNECTED: {Kind.COMMITMENT: Column.COMMITTED},
    Column.COMMITTED: {Kind.PARTIAL: Column.SUMMED},
    **_FROM_ECHO,
}
"""What a contributor says to an observer: the same without a SHARE."""

OF_SLICES_TO_AN_OBSERVER: Final[Script] = {
    Column.CONNECTED: {Kind.COMMITMENT: Column.COMMITTED},
    Column.COMMITTED: {Kind.PARTIAL: Column.LISTED},
    Column.LISTED: {Kind.SLICE_SUM: Column.SUMMED},
    **_FROM_ECHO,
}
"""What a contributor says to an observer in sharded mode: neither SHARE nor SLICE."""

OF_AN_OBSERVER: Final[Script] = {
    Column.CONNECTED: {Kind.RELAY: Column.CONNECTED, Kind.CONFIRM: Column.CONFIRMED},
    Column.CONFIRMED: {Kind.RELAY: Column.CONFIRMED},
}
"""What an observer says to anybody."""


@dataclass(slots=True)
class PeerLink:
    """What one other peer has said in a round.

    Args:
        script: The one it walks.
    """

    script: Script
    column: Column = Column.CONNECTED
    gone: bool = False
    """It ended, or was given up; it may still have said all that is needed."""
    ended: bool = False
    """It said that it ends, or is an observer that broke the protocol: nothing it says counts now."""
    away: bool = False
    """Its connection is down and may come back."""
    said: dict[tuple[Kind, int], Signed[Message]] = field(default_factory=dict)
    """By kind, and for UNMASK and RELAY by whom they are about, for pieces by their number (without vectors)."""
    unchecked: list[Signed[Message]] = field(default_factory=list)
    """Said, and to be checked once this peer holds what it is checked against."""
    plain: SharePlain | None = field(default=None, repr=False)
    confirmed: bytes | None = None

    def message(self, kind: Kind) -> Signed[Message]:
        """Return what the peer said of one kind."""
        return self.said[kind, 0]
