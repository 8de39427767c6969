"""Frames: what stands before a body, how large each kind may be, and what its signature covers.

A frame is

    length     4 bytes, big-endian: the number of bytes after the kind
    kind       1 byte
    round      4 bytes, big-endian
    signature  64 bytes
    body       the rest

ALIVE has one frame, in which all but length and kind is zero: nothing in it has to be verified.

Rules:

1. The cap of a kind follows from the session's limits and is checked before a body is buffered.
2. Everything wrong raises :class:`RemoteProtocolError` without a name; the boundary adds it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.hashing import DIGEST_BYTES, label, labelled_hash
from p2pmpc.identity import SEALING_OVERHEAD, SIGNATURE_BYTES
from p2pmpc.messages import Kind
from p2pmpc.parameters import MOST_PEERS, Parameters
from p2pmpc.prg import SEED_BYTES
from p2pmpc.shamir import SHARE_BYTES
from p2pmpc.slices import Slices
from p2pmpc.study_text import LONGEST_STUDY

_PROVABLE: Final = tuple(kind for kind in Kind if Kind.ACCEPT <= kind < Kind.ABORT)

HEADER: Final = struct.Struct(">IB")
_ROUND: Final = struct.Struct(">I")
PIECE_NUMBER: Final = struct.Struct(">Q")
"""As wide as the widest element, so that the elements behind it are aligned."""
ENVELOPE_BYTES: Final = _ROUND.size + SIGNATURE_BYTES
TO_ALL: Final = bytes(32)
"""Stands for the receiver in what is signed to everybody."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may send, derived from what is agreed so far.

    Args:
        peers: Members of the roster; the largest possible before parameters are known.
        length: Elements of a vector, the checksum coordinate included; 0 before a session.
        width: Bytes an element.
        share_mode: ``seeds`` or ``dense``.
        sharded: Whether masked sums are added up slice by slice.
        contributors: Members whose inputs are summed; None before the roster is known.
    """

    peers: int = MOST_PEERS
    length: int = 0
    width: int = 4
    share_mode: str = "seeds"
    sharded: bool = False
    contributors: int | None = None

    @classmethod
    def of(cls, parameters: Parameters, *, contributors: int | None = None) -> Limits:
        """Return the limits of a session."""
        return cls(
            parameters.peers,
            parameters.extended_length,
            parameters.arithmetic.width,
            parameters.share_mode,
            parameters.is_sharded,
            contributors,
        )

    @property
    def inputs(self) -> int:
        """How many inputs are summed, as far as is known."""
        return self.peers if self.contributors is None else self.contributors

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector."""
        return self.length * self.width

    def body_cap(self, kind: Kind) -> int:
        """Return the largest body a kind may have."""
        slices = Slices(self.length, self.inputs)
        return _body_caps(self, slices.largest_piece, slices.most_pieces)[kind]


@lru_cache(maxsize=64)  # asked for every frame
def _body_caps(limits: Limits, largest_piece: int, most_pieces: int) -> dict[Kind, int]:
    n, c = limits.peers, limits.inputs
    piece = PIECE_NUMBER.size + largest_piece * limits.width if limits.sharded else 0
    listed = DIGEST_BYTES * most_pieces
    share = limits.vector_bytes if limits.share_mode == "dense" else SEED_BYTES
    parameters = 290 + 34 * MOST_PEERS
    caps = {
        Kind.JOIN: 128,
        Kind.PARAMETERS: parameters + 101 + LONGEST_STUDY,
        Kind.HELLO: 3072,
        Kind.ROSTER: 16 + 3072 * n,
        Kind.ACCEPT: parameters + 16 + 160 * n,
        Kind.COMMITMENT: 64 + 68 * c,
        Kind.SHARE: SEALING_OVERHEAD + share + SHARE_BYTES + 16,
        Kind.SLICE: piece,
        Kind.PARTIAL: listed if limits.sharded else limits.vector_bytes,
        Kind.SLICE_SUM: piece,
        Kind.ECHO: 16 + 66 * n + 208 * c,
        Kind.OPEN: 64 + 66 * c,
        Kind.UNMASK: 64,
        Kind.CONFIRM: 48,
        Kind.RELAY: 64 + 66 * c + SIGNATURE_BYTES + 32,
        Kind.ALIVE: 0,
    }
    told = 512
    if limits.length:  # in a session it may carry messages as evidence
        told = 2048 + 35 * c + 2 * max(caps[kind] for kind in _PROVABLE)
    return {**caps, Kind.ABORT: told + 3 * n}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as read, unverified.

    Args:
        kind: What the body claims to be.
        round: The round it claims to belong to.
        signature: 64 bytes.
        body: Not yet decoded.
    """

    kind: Kind
    round: int
    signature: bytes
    body: bytes


def parse_header(header: bytes, limits: Limits, accepted: frozenset[Kind]) -> tuple[Kind, int]:
    """Check the first five bytes of a frame, before anything else is read.

    Args:
        header: HEADER.size bytes.
        limits: Of this connection.
        accepted: Kinds that this connection may send now.

    Returns:
        The kind, and how many bytes follow.

    Raises:
        RemoteProtocolError: The kind has no business here, or the size is over its cap.
    """
    size, number = HEADER.unpack(header)
    try:
        kind = Kind(number)
    except ValueError:
        raise RemoteProtocolError(f"a message of unknown kind {number}") from None
    if kind not in accepted:
        raise RemoteProtocolError(f"{kind.name} has no place on this connection")
    if not ENVELOPE_BYTES <= size <= ENVELOPE_BYTES + limits.body_cap(kind):
        raise RemoteProtocolError(f"{kind.name} of {size} bytes is over its cap")
    return kind, size


def parse_frame(kind: Kind, envelope: bytes, body: bytes) -> Frame:
    """Take a frame apart, given what :func:`parse_header` allowed.

    Args:
        kind: From the header.
        envelope: The ENVELOPE_BYTES behind the header.
        body: The rest.
    """
    (round_number,) = _ROUND.unpack_from(envelope)
    return Frame(kind, round_number, envelope[_ROUND.size :], body)


def frame_head(kind: Kind, round_number: int, signature: bytes, size: int) -> bytes:
    """Return what stands before a body of ``size`` bytes in its frame."""
    return HEADER.pack(ENVELOPE_BYTES + size, kind) + _ROUND.pack(round_number) + signature


ALIVE: Final = frame_head(Kind.ALIVE, 0, bytes(SIGNATURE_BYTES), 0)
"""The frame that says that a link is alive."""


def check_alive(frame: Frame) -> None:
    """Refuse an ALIVE that says anything.

    Raises:
        RemoteProtocolError: It does.
    """
    if frame.round or any(frame.signature) or frame.body:
        raise RemoteProtocolError("an ALIVE that is not zeros alone")


def body_digest(kind: Kind, body: bytes) -> bytes:
    """Return the digest of a body, which signatures and echoes cover."""
    return labelled_hash("body", bytes([kind]), body)


def signing_input(
    session_id: bytes, round_number: int, kind: Kind, sender: bytes, receiver: bytes, digest: bytes
) -> bytes:
    """Return what a signature covers.

    Args:
        session_id: 32 bytes; zero before there is a session.
        round_number: The round within the session.
        kind: The kind of message.
        sender: The signer's ID.
        receiver: The receiver's ID, or TO_ALL.
        digest: Of the body.
    """
    numbers = _ROUND.pack(round_number) + bytes([kind])
    return label("message") + session_id + numbers + sender + receiver + digest
