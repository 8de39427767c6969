"""Signed statements that together prove something of a peer to anybody.

A :class:`Statement` is a message as its sender signed it. :class:`Evidence` is one to three of them
under a claim; whether the claim holds is decided by :func:`p2pmpc.disputes.check_evidence` alone, from
the roster and the statements, without trust in whoever shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.identity import SIGNATURE_BYTES
from p2pmpc.messages import Kind, Message, Signed

TO_EVERYBODY = 0
"""Stands for the receiver of a statement that was signed to all."""


class Claim(Enum):
    """What a peer did; the values stand in messages and files."""

    EQUIVOCATION = "equivocation"
    """Two different messages, or two signatures, in one place of its script."""
    TWO_ENTRIES = "two-entries"
    """Two entries for one session: its own doing, or a restart that a founder made use of."""
    ILL_FORMED = "ill-formed"
    """A signed body that nobody can read, or with an element >= p."""
    FALSE_ECHO = "false-echo"
    """An echo of signatures that nobody made."""
    WRONG_SHARE = "wrong-share"
    """A sealed share other than the one committed to."""
    WRONG_PIECE = "wrong-piece"
    """A piece of its slice's sum other than the one it had listed."""
    WRONG_OPENING = "wrong-opening"
    """A mask seed other than the one committed to."""
    EARLY_OPENING = "early-opening"
    """An opening without everybody's signature on its own echo."""
    WRONG_MASK_SHARE = "wrong-mask-share"
    """A b-share handed out that is not the one its owner committed to."""
    WRONG_DEALING = "wrong-dealing"
    """b-shares as committed to that do not give the mask seed committed to."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One message as its sender signed it.

    Args:
        sender: Its roster index.
        receiver: A roster index; TO_EVERYBODY for most kinds.
        kind: Of the message; HELLO stands for the entry inside it.
        round: The round it belongs to.
        digest: Of the body; what the signature covers.
        signature: The sender's.
        body: As sent; empty where only the digest is known.
    """

    sender: int
    receiver: int
    kind: Kind
    round: int
    digest: bytes
    signature: bytes
    body: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        sizes = len(self.digest), len(self.signature)
        if sizes != (DIGEST_BYTES, SIGNATURE_BYTES):
            raise RemoteProtocolError("a statement with a digest or signature of a wrong size")
        if not 0 <= self.round < 1 << 32:
            raise RemoteProtocolError("a statement of a round that no frame can name")

    @classmethod
    def of(cls, sender: int, signed: Signed[Message], *, receiver: int = TO_EVERYBODY) -> Statement:
        """Return a message that was heard as a statement."""
        kind = signed.message.kind
        return cls(
            sender, receiver, kind, signed.round, signed.digest, signed.signature, signed.body
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """A claim about one peer, and the statements that prove it.

    Args:
        claim: What it did.
        culprit: Its roster index.
        statements: One to three.
        mask_shares: b-shares by holder, for WRONG_DEALING.
    """

    claim: Claim
    culprit: int
    statements: tuple[Statement, ...]
    mask_shares: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)


class Dispute(RemoteProtocolError):
    """A violation that can be proven to anybody.

    Args:
        message: What happened.
        evidence: The proof.
        peers: Who is named: the culprit, or for TWO_ENTRIES those among whom it is.
        hint: What to do next.
    """

    def __init__(
        self, message: str, evidence: Evidence, *, peers: tuple[int, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, peers=peers or (evidence.culprit,), hint=hint)
        self.evidence = evidence


@contextmanager
def proven_by(
    claim: Claim, culprit: int, statements: Callable[[], tuple[Statement, ...]]
) -> Iterator[None]:
    """Turn a violation noticed inside into one that is proven.

    Args:
        claim: What it amounts to.
        culprit: Whose it is.
        statements: Makes the proof; called only when there is something to prove.

    Raises:
        Dispute: In the place of a RemoteProtocolError.
    """
    try:
        yield
    except RemoteProtocolError as error:
        raise Dispute(error.message, Evidence(claim, culprit, statements())) from None
