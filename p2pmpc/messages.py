"""What peers say to each other: one frozen, validated class a message.

Rules:

1. A message checks its own shape when it is made, so nothing ill-formed exists, whichever side made
   it. What depends on the session (indices, counts, lengths) is in the codec's limits.
2. Secrets never stand in a repr.
3. A message has no sender field: the sender is the identity of its link or of its signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.identity import (
    ID_BYTES,
    PUBLIC_KEY_BYTES,
    SEALING_KEY_BYTES,
    SIGNATURE_BYTES,
)
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.shamir import SECRET_BYTES, SHARE_BYTES
from p2pmpc.study_text import LONGEST_STUDY
from p2pmpc.weights import LARGEST_WEIGHT

LONGEST_NAME: Final = 32
LONGEST_REASON: Final = 300
LONGEST_ADDRESS: Final = 255
LONGEST_CERTIFICATE: Final = 600

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ADDRESS: Final = re.compile(
    rf"(?:\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]|{_LABEL}(?:\.{_LABEL})*\.?):([0-9]{{1,5}})", re.ASCII
)

NO_SESSION: Final = bytes(32)
"""Stands for the session in messages from before there is one."""
NO_FOUNDER: Final = bytes(ID_BYTES)
"""In the place of a founder's ID where a roster file makes the parameters."""


class Kind(IntEnum):
    """The kinds of messages, as they stand in a frame; ALIVE is a sign of life of a link, and no message."""

    JOIN = 1
    PARAMETERS = 2
    HELLO = 3
    ROSTER = 4
    ACCEPT = 5
    COMMITMENT = 6
    SHARE = 7
    SLICE = 8
    PARTIAL = 9
    SLICE_SUM = 10
    ECHO = 11
    OPEN = 12
    UNMASK = 13
    CONFIRM = 14
    ABORT = 15
    ALIVE = 16
    RELAY = 17


PAIRWISE: Final = frozenset({Kind.JOIN, Kind.PARAMETERS, Kind.HELLO, Kind.SHARE, Kind.SLICE})
"""Kinds whose signature names its receiver; all others are signed to everybody."""

PIECEWISE: Final = frozenset({Kind.SLICE, Kind.SLICE_SUM})
"""Kinds that come in pieces, each a message of its own."""


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise RemoteProtocolError(what)


def is_address(text: str) -> bool:
    """Return whether a text is ``host:port``, with a host that can be a name or an IP address."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and len(text) <= LONGEST_ADDRESS and 0 < int(match[1]) < 1 << 16


def is_display_text(text: str, longest: int) -> bool:
    """Return whether a text is short, printable ASCII: safe in a log and on a terminal."""
    return len(text) <= longest and text.isascii() and text.isprintable()


@dataclass(frozen=True, slots=True)
class Join:
    """R0a, joiner to founder: I would like to take part.

    Args:
        public_key: The joiner's raw Ed25519 key.
        nonce: 32 bytes, new for every process; tells a reconnection from a second peer.
    """

    kind: ClassVar[Kind] = Kind.JOIN
    public_key: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        _need(len(self.public_key) == PUBLIC_KEY_BYTES, "JOIN: a public key of a wrong size")
        _need(len(self.nonce) == NONCE_BYTES, "JOIN: a nonce of a wrong size")


@dataclass(frozen=True, slots=True)
class Offer:
    """R0a, to a joiner: these are the parameters (kind PARAMETERS).

    Args:
        nonce: The joiner's, returned.
        founder: The ID of whoever made them: the sender's own, or where a witness sends it its
            founder's; zeros with a roster file.
        parameters: The session's.
        study: The text that the sums are for, of which the parameters hold the digest; empty where
            there is none.
    """

    kind: ClassVar[Kind] = Kind.PARAMETERS
    nonce: bytes
    founder: bytes
    parameters: Parameters
    study: bytes = b""

    def __post_init__(self) -> None:
        _need(len(self.nonce) == NONCE_BYTES, "PARAMETERS: a nonce of a wrong size")
        _need(len(self.founder) == ID_BYTES, "PARAMETERS: an ID of a wrong size")
        _need(len(self.study) <= LONGEST_STUDY, "PARAMETERS: a study that is too long")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a peer signs about itself; n entries make the roster.

    Args:
        certificate: DER; its key is the peer's identity.
        nonce: 32 bytes, new for every session.
        sealing_key: Public HPKE key, new for every session.
        weight: The public weight; 0 observes.
        name: For people; may be empty.
        parameters_digest: Of the parameters this peer agrees to.
    """

    certificate: bytes
    nonce: bytes
    sealing_key: bytes
    weight: int
    name: str
    parameters_digest: bytes

    def __post_init__(self) -> None:
        _need(0 < len(self.certificate) <= LONGEST_CERTIFICATE, "HELLO: a certificate too long")
        _need(len(self.nonce) == NONCE_BYTES, "HELLO: a nonce of a wrong size")
        _need(len(self.sealing_key) == SEALING_KEY_BYTES, "HELLO: a sealing key of a wrong size")
        _need(abs(self.weight) <= LARGEST_WEIGHT, "HELLO: a weight that is too large")
        _need(is_display_text(self.name, LONGEST_NAME), "HELLO: a name that cannot be shown")
        _need(len(self.parameters_digest) == DIGEST_BYTES, "HELLO: a digest of a wrong size")


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry as its owner signed it, and beside it the address, which nobody signs for good.

    Args:
        body: The bytes that were signed.
        signature: Over (digest of the parameters, round 0, HELLO, owner, all, body).
        address: ``host:port``; a wrong one only fails to connect.
    """

    body: bytes
    signature: bytes
    address: str

    def __post_init__(self) -> None:
        _need(len(self.signature) == SIGNATURE_BYTES, "HELLO: a signature of a wrong size")
        _need(is_address(self.address), "HELLO: an impossible address")


@dataclass(frozen=True, slots=True)
class Hello:
    """R0b, joiner to founder: my signed entry."""

    kind: ClassVar[Kind] = Kind.HELLO
    entry: SignedEntry


@dataclass(frozen=True, slots=True)
class RosterList:
    """R0c, founder to joiners: the set is closed, and these are its entries (kind ROSTER)."""

    kind: ClassVar[Kind] = Kind.ROSTER
    entries: tuple[SignedEntry, ...]


@dataclass(frozen=True, slots=True)
class AcceptedEntry:
    """One roster line as it is signed for: enough to show a difference, and to prove it.

    Args:
        id: Whose.
        weight: The public weight.
        digest: Of the entry.
        signature: The owner's, over the entry.
    """

    id: bytes
    weight: int
    digest: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _need(len(self.id) == ID_BYTES, "ACCEPT: an ID of a wrong size")
        _need(len(self.digest) == DIGEST_BYTES, "ACCEPT: a digest of a wrong size")
        _need(len(self.signature) == SIGNATURE_BYTES, "ACCEPT: a signature of a wrong size")


@dataclass(frozen=True, slots=True)
class Accept:
    """R0c, to all: this is the roster I see, in order of IDs. The session id is its hash."""

    kind: ClassVar[Kind] = Kind.ACCEPT
    parameters: Parameters
    entries: tuple[AcceptedEntry, ...]


@dataclass(frozen=True, slots=True)
class Commitment:
    """R1, to all: what the dealer is bound to before anything is summed.

    Args:
        mask: com_i, the commitment to the mask seed b_i.
        mask_shares: Hashes of the contributors' b-shares, in roster order; none in strict mode.
        shares: Digests of the contributors' sealed shares, in roster order; zero bytes at the
            dealer's own place.
    """

    kind: ClassVar[Kind] = Kind.COMMITMENT
    mask: bytes
    mask_shares: tuple[bytes, ...]
    shares: tuple[bytes, ...]

    def __post_init__(self) -> None:
        for digest in (self.mask, *self.mask_shares, *self.shares):
            _need(len(digest) == DIGEST_BYTES, "COMMITMENT: a digest of a wrong size")
        _need(
            len(self.mask_shares) in (0, len(self.shares)), "COMMITMENT: lists of different lengths"
        )


@dataclass(frozen=True, slots=True)
class Share:
    """R1, dealer to receiver: the sealed share.

    Args:
        sealed: HPKE encapsulation and ciphertext of a :class:`SharePlain`.
    """

    kind: ClassVar[Kind] = Kind.SHARE
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SharePlain:
    """What is sealed in a SHARE.

    Args:
        share: The 32-byte seed k_ij (``seeds``), or the vector's bytes (``dense``).
        mask_share: The receiver's share of b_i; empty in strict mode.
    """

    share: bytes = field(repr=False)
    mask_share: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _need(len(self.mask_share) in (0, SHARE_BYTES), "SHARE: a mask share of a wrong size")


@dataclass(frozen=True, slots=True)
class Slice:
    """R2 in sharded mode, to a slice's owner: a piece of that slice of the masked sum E_j.

    Args:
        piece: Its number, from 0.
        vector: Canonical vector bytes; empty where they were used and are not kept.
    """

    kind: ClassVar[Kind] = Kind.SLICE
    piece: int
    vector: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """R2, to all: what this contributor adds to the sum.

    Args:
        content: The masked partial sum E_j, as canonical vector bytes. In sharded mode the digests of
            the SLICE_SUM messages to come, one after the other.
    """

    kind: ClassVar[Kind] = Kind.PARTIAL
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SliceSum:
    """R2 in sharded mode, to all: a piece of the sum of the sender's slice over all masked sums.

    Args:
        piece: Its number, from 0.
        vector: Canonical vector bytes; empty where they were used and are not kept.
    """

    kind: ClassVar[Kind] = Kind.SLICE_SUM
    piece: int
    vector: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class EchoEntry:
    """What one contributor was heard to say, signed, so that a difference is its own proof.

    Args:
        commitment: Digest of the COMMITMENT's body.
        commitment_signature: Its sender's signature.
        partial: Digest of the PARTIAL's body.
        partial_signature: Its sender's signature.
    """

    commitment: bytes
    commitment_signature: bytes
    partial: bytes
    partial_signature: bytes

    def __post_init__(self) -> None:
        for digest in (self.commitment, self.partial):
            _need(len(digest) == DIGEST_BYTES, "ECHO: a digest of a wrong size")
        for signature in (self.commitment_signature, self.partial_signature):
            _need(len(signature) == SIGNATURE_BYTES, "ECHO: a signature of a wrong size")

    def as_list(self) -> list[bytes]:
        """Return the fields in the order in which they are sent."""
        return [
            self.commitment,
            self.commitment_signature,
            self.partial,
            self.partial_signature,
        ]


@dataclass(frozen=True, slots=True)
class Echo:
    """R3, to all: this is what I heard, in roster order.

    Args:
        acceptances: Every member's ACCEPT signature.
        entries: What every contributor said.
    """

    kind: ClassVar[Kind] = Kind.ECHO
    acceptances: tuple[bytes, ...]
    entries: tuple[EchoEntry, ...]

    def __post_init__(self) -> None:
        for signature in self.acceptances:
            _need(len(signature) == SIGNATURE_BYTES, "ECHO: a signature of a wrong size")


@dataclass(frozen=True, slots=True)
class Open:
    """R4, to all: my mask seed, with the contributors' echo signatures that allow it.

    Args:
        mask_seed: b_j; public from here on.
        echoes: Every contributor's signature on the one echo, in roster order.
    """

    kind: ClassVar[Kind] = Kind.OPEN
    mask_seed: bytes
    echoes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _need(len(self.mask_seed) == SECRET_BYTES, "OPEN: a mask seed of a wrong size")
        for signature in self.echoes:
            _need(len(signature) == SIGNATURE_BYTES, "OPEN: a signature of a wrong size")


@dataclass(frozen=True, slots=True)
class Unmask:
    """R4, to all: my share of a missing peer's mask seed.

    Args:
        about: The missing peer's roster index.
        share: b_(about, sender); public from here on.
    """

    kind: ClassVar[Kind] = Kind.UNMASK
    about: int
    share: bytes

    def __post_init__(self) -> None:
        _need(len(self.share) == SHARE_BYTES, "UNMASK: a mask share of a wrong size")


@dataclass(frozen=True, slots=True)
class Relay:
    """R4, to all: the OPEN of a peer that is lost, for those whom it did not reach, or its ECHO.

    Args:
        about: Whose it is, a roster index.
        signature: Its owner's.
        body: The OPEN's, as its owner signed it; empty for an ECHO, of which all have the same.
    """

    kind: ClassVar[Kind] = Kind.RELAY
    about: int
    signature: bytes
    body: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _need(len(self.signature) == SIGNATURE_BYTES, "RELAY: a signature of a wrong size")


@dataclass(frozen=True, slots=True)
class Confirm:
    """R5, to all: the digest of the total I hold."""

    kind: ClassVar[Kind] = Kind.CONFIRM
    total_digest: bytes

    def __post_init__(self) -> None:
        _need(len(self.total_digest) == DIGEST_BYTES, "CONFIRM: a digest of a wrong size")


@dataclass(frozen=True, slots=True)
class Abort:
    """At any time: I end, for this reason.

    Args:
        code: The exit code I end with.
        peers: Roster indices of those I blame or miss.
        reason: One line for people.
        evidence: Encoded :class:`p2pmpc.evidence.Evidence`, where there is some.
    """

    kind: ClassVar[Kind] = Kind.ABORT
    code: int
    peers: tuple[int, ...]
    reason: str
    evidence: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        _need(0 < self.code < 256, "ABORT: an impossible code")
        _need(is_display_text(self.reason, LONGEST_REASON), "ABORT: a reason that cannot be shown")


Message = (
    Join
    | Offer
    | Hello
    | RosterList
    | Accept
    | Commitment
    | Share
    | Slice
    | Partial
    | SliceSum
    | Echo
    | Open
    | Unmask
    | Relay
    | Confirm
    | Abort
)


M_co = TypeVar("M_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Signed(Generic[M_co]):
    """A message with the signature that makes it verifiable by anybody, anywhere, later.

    Args:
        message: What was said.
        round: The round it belongs to.
        digest: Labelled hash of the body as sent; what the signature and later echoes cover.
        signature: Of the sender, over :func:`p2pmpc.frames.signing_input`.
        body: The bytes as sent; never made again from the message.
    """

    message: M_co
    round: int
    digest: bytes
    signature: bytes
    body: bytes = field(repr=False)


class Slot(NamedTuple):
    """A place in a round in which a peer says one thing.

    Args:
        kind: Of the message.
        receiver: A roster index; 0 means everybody.
        number: Which one of its kind, where there are several: whose mask share or OPEN, or which piece.
    """

    kind: Kind
    receiver: int
    number: int


def slot_of(message: Message, receiver: int | None) -> Slot:
    """Return the place of a message.

    Args:
        message: What is said.
        receiver: A roster index; None means everybody.
    """
    return Slot(message.kind, receiver or 0, number_of(message))


def number_of(message: Message) -> int:
    """Return which one of its kind a message is, where a peer says several."""
    match message:
        case Relay(about, _, b""):
            return -about
        case Unmask(about, _) | Relay(about, _, _):
            return about
        case Slice(piece, _) | SliceSum(piece, _):
            return piece
        case _:
            return 0
