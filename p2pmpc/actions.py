"""What the machines ask the shell to do, in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2pmpc.errors import P2PMPCError
from p2pmpc.field import Words
from p2pmpc.messages import Message, Signed
from p2pmpc.record import Record

STEPS = ("join", "hello", "roster", "share", "partial", "echo", "open", "confirm")
"""The steps of a run, in order, as progress, logs and the swarm name them."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message.

    Args:
        message: Signed; its bytes are never made again.
        receiver: A roster index; None means everybody else.
    """

    message: Signed[Message]
    receiver: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """A step begins; its messages come next.

    Args:
        step: One of STEPS.
    """

    step: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """Every member signed the same roster; shares may leave."""


@dataclass(frozen=True, slots=True)
class RecordInput:
    """Write into the ledger that a sum of this input may be opened, and say so when it is done.

    Nothing that lets anybody open it has left before. Once it is written for good, the machine is
    told with :meth:`p2pmpc.protocol.Round.recorded`; when it cannot be written, the round is aborted.
    """


@dataclass(frozen=True, slots=True)
class Finished:
    """The total is open and holds.

    Args:
        total: Residues, without the checksum coordinate; a total of private weights comes last.
        record: The public facts of the round.
        confirmed: The CONFIRM signature of everybody who signed this total, by roster index.
    """

    total: Words = field(repr=False)
    record: Record = field(repr=False)
    confirmed: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Dismissed:
    """An observer broke the protocol; the round goes on without it.

    Args:
        error: What it did.
    """

    error: P2PMPCError


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ends with an error.

    Args:
        error: Why.
    """

    error: P2PMPCError


Action = Send | Reached | Agreed | RecordInput | Dismissed | Finished | Failed
