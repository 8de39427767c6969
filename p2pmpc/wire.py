"""Bytes <-> messages: frames, caps, strict shapes. The only importer of msgpack.

A frame is

    length     4 bytes, big-endian: the number of bytes after the kind
    kind       1 byte
    round      4 bytes, big-endian
    signature  64 bytes
    body       the rest

Bodies are msgpack arrays, but for those that are raw: SHARE (HPKE bytes), PARTIAL (vector bytes, or
digests), SLICE and SLICE_SUM (the piece's number in 8 bytes, big-endian, and vector bytes). ALIVE has
one frame, in which all but length and kind is zero: nothing in it has to be verified.

Rules:

1. The cap of a kind follows from the session's limits and is checked before a body is buffered.
2. One message has one encoding: what does not re-encode to the same bytes is refused, and with it
   every non-minimal integer, extension type, trailing byte, map and truth value for a number.
3. Everything wrong raises :class:`RemoteProtocolError` without a name; the boundary adds it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import msgpack

from p2pmpc.errors import AgreementFailed, ConfigurationError, RemoteProtocolError
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.hashing import DIGEST_BYTES, label, labelled_hash
from p2pmpc.identity import SEALING_OVERHEAD, SIGNATURE_BYTES
from p2pmpc.messages import (
    Abort,
    Accept,
    AcceptedEntry,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Entry,
    Hello,
    Join,
    Kind,
    Message,
    Offer,
    Open,
    Partial,
    Relay,
    RosterList,
    Share,
    SharePlain,
    SignedEntry,
    Slice,
    SliceSum,
    Unmask,
)
from p2pmpc.parameters import MOST_PEERS, PROTOCOL_VERSION, Parameters
from p2pmpc.prg import SEED_BYTES
from p2pmpc.shamir import SHARE_BYTES
from p2pmpc.slices import Slices

_PROVABLE: Final = tuple(kind for kind in Kind if Kind.ACCEPT <= kind < Kind.ABORT)

HEADER: Final = struct.Struct(">IB")
_ROUND: Final = struct.Struct(">I")
PIECE_NUMBER: Final = struct.Struct(">Q")
"""As wide as the widest element, so that the elements behind it are aligned."""
ENVELOPE_BYTES: Final = _ROUND.size + SIGNATURE_BYTES
TO_ALL: Final = bytes(32)
"""Stands for the receiver in what is signed to everybody."""

T = TypeVar("T")


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
    parameters = 256 + 34 * MOST_PEERS
    caps = {
        Kind.JOIN: 128,
        Kind.PARAMETERS: parameters + 98,
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


_COUNTED_BYTES: Final = 4096
_FEWEST_BYTES_A_VALUE: Final = 16
_MOST_VALUES: Final = 8192
"""More than any body holds: an ACCEPT of 1000 peers, all of them allowed by name, has 6017."""

_LONGEST_VALUE: Final = 4096
"""More than any byte string has, but for evidence, dense shares and an OPEN that is passed on."""

_FIXED: Final = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}  # fmt: skip
_COUNTED: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS: Final = {0xDC: 2, 0xDD: 4}


def _count_values(body: bytes) -> None:
    """Refuse a long body of very many values before any of them is made.

    The long bodies of this protocol hold digests, keys and signatures: 16 bytes a value and more. One
    that holds more values is meant to cost memory: a megabyte of empty arrays takes 75. And counting takes
    time, so it ends where no honest body goes on.

    Raises:
        RemoteProtocolError: There are too many values, or kinds that no body has.
    """
    position, left = 0, min(len(body) // _FEWEST_BYTES_A_VALUE, _MOST_VALUES) + 64
    while position < len(body):
        if left == 0:
            raise RemoteProtocolError("a body of too many values")
        left -= 1
        byte = body[position]
        position += 1
        if byte <= 0x7F or byte >= 0xE0 or 0x90 <= byte <= 0x9F:  # fixint, fixarray
            continue
        if 0xA0 <= byte <= 0xBF:  # fixstr
            position += byte & 0x1F
        elif byte in _FIXED:
            position += _FIXED[byte]
        elif byte in _ARRAYS:
            position += _ARRAYS[byte]
        elif byte in _COUNTED:
            width = _COUNTED[byte]
            position += width + int.from_bytes(body[position : position + width], "big")
        else:
            raise RemoteProtocolError("a body that is not msgpack as agreed")


# -- reading, strictly ----------------------------------------------------------------------


def _unpack(body: bytes, *, longest: int = _LONGEST_VALUE) -> object:
    """Read the one value of a body, in which no text or byte string is longer than stated."""
    if len(body) > _COUNTED_BYTES:
        _count_values(body)
    sizes = {"max_bin_len": longest, "max_str_len": longest, "max_ext_len": 0, "max_map_len": 0}
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=True, **sizes)
        canonical = msgpack.packb(value)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        raise RemoteProtocolError("a body that is not msgpack as agreed") from None
    if canonical != body:
        raise RemoteProtocolError("a body that is not in its one canonical encoding")
    return value


def _array(value: object, size: int | None = None) -> list[object]:
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise RemoteProtocolError("an array of a wrong type or size")
    return value


def _typed(value: object, kind: type[T]) -> T:
    if type(value) is not kind:  # a bool is an int, but not here
        raise RemoteProtocolError(f"a value that is no {kind.__name__}")
    return value


def _many(value: object, size: int, read: Callable[[object], T]) -> tuple[T, ...]:
    return tuple(read(item) for item in _array(value, size))


def _bytes(value: object) -> bytes:
    return _typed(value, bytes)


def _check_version(body: bytes) -> None:
    value = _array(_unpack(body))
    version = _typed(value[0], int) if value else 0
    if version != PROTOCOL_VERSION:
        raise AgreementFailed(
            f"this peer speaks protocol version {PROTOCOL_VERSION}, the other one {version}",
            hint="install the same version of p2pmpc on all peers",
        )


# -- parameters -----------------------------------------------------------------------------


def encode_parameters(parameters: Parameters) -> bytes:
    """Return the canonical bytes of parameters."""
    return _pack(_parameter_list(parameters))


def decode_parameters(body: bytes) -> Parameters:
    """Decode the canonical bytes of parameters.

    Raises:
        RemoteProtocolError: They are not shaped as agreed, or impossible.
    """
    return _read_parameters(_unpack(body))


def parameters_digest(parameters: Parameters) -> bytes:
    """Return the digest that every HELLO signs."""
    return labelled_hash("parameters", encode_parameters(parameters))


def _parameter_list(p: Parameters) -> list[object]:
    flags = [p.strict, p.allow_two, p.allow_revealing_weights]
    sizes = [p.peers, p.field, p.length, p.rounds, p.fraction_bits, p.bound, p.weight_bound]
    return [p.nonce, *sizes, p.share_mode, p.sum_mode, *flags, list(p.allowed)]


def _read_parameters(value: object) -> Parameters:
    nonce, peers, field, *sizes, share, summing, strict, two, revealing, allowed = _array(value, 14)
    length, rounds, fraction, bound, weight_bound = sizes
    try:
        return Parameters(
            nonce=_bytes(nonce),
            peers=_typed(peers, int),
            field=_typed(field, str),
            length=_typed(length, int),
            rounds=_typed(rounds, int),
            fraction_bits=_typed(fraction, int),
            bound=_typed(bound, int),
            weight_bound=_typed(weight_bound, int),
            share_mode=_typed(share, str),
            sum_mode=_typed(summing, str),
            strict=_typed(strict, bool),
            allow_two=_typed(two, bool),
            allow_revealing_weights=_typed(revealing, bool),
            allowed=tuple(_bytes(item) for item in _array(allowed)),
        )
    except ConfigurationError as error:
        raise RemoteProtocolError(f"impossible parameters: {error.message}") from None


# -- entries --------------------------------------------------------------------------------


def encode_entry(entry: Entry) -> bytes:
    """Return the body that a peer signs about itself."""
    key, weight, name = entry.sealing_key, entry.weight, entry.name
    return _pack([entry.certificate, entry.nonce, key, weight, name, entry.parameters_digest])


def decode_entry(body: bytes) -> Entry:
    """Decode a signed entry.

    Raises:
        RemoteProtocolError: It is not shaped as agreed.
    """
    certificate, nonce, key, weight, name, digest = _array(_unpack(body), 6)
    return Entry(
        certificate=_bytes(certificate),
        nonce=_bytes(nonce),
        sealing_key=_bytes(key),
        weight=_typed(weight, int),
        name=_typed(name, str),
        parameters_digest=_bytes(digest),
    )


def _read_signed_entry(value: object) -> SignedEntry:
    body, signature, address = _array(value, 3)
    return SignedEntry(_bytes(body), _bytes(signature), _typed(address, str))


def _read_accepted_entry(value: object) -> AcceptedEntry:
    identifier, weight, digest, signature = _array(value, 4)
    return AcceptedEntry(_bytes(identifier), _typed(weight, int), _bytes(digest), _bytes(signature))


def _read_echo_entry(value: object) -> EchoEntry:
    return EchoEntry(*_many(value, 4, _bytes))


# -- bodies ---------------------------------------------------------------------------------


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def encode_body(message: Message) -> bytes:  # noqa: C901, PLR0912 - one case a kind
    """Return the body of a message."""
    match message:
        case Share(sealed):
            return sealed
        case Partial(content):
            return content
        case Slice(piece, vector) | SliceSum(piece, vector):
            return PIECE_NUMBER.pack(piece) + vector
        case Join(public_key, nonce):
            return _pack([PROTOCOL_VERSION, public_key, nonce])
        case Offer(nonce, founder, parameters):
            return _pack([PROTOCOL_VERSION, nonce, founder, _parameter_list(parameters)])
        case Hello(entry):
            return _pack([entry.body, entry.signature, entry.address])
        case RosterList(entries):
            return _pack([[e.body, e.signature, e.address] for e in entries])
        case Accept(parameters, accepted):
            lines = [[a.id, a.weight, a.digest, a.signature] for a in accepted]
            return _pack([_parameter_list(parameters), lines])
        case Commitment(mask, mask_shares, shares):
            return _pack([mask, list(mask_shares), list(shares)])
        case Echo(acceptances, heard):
            return _pack([list(acceptances), [entry.as_list() for entry in heard]])
        case Open(mask_seed, echoes):
            return _pack([mask_seed, list(echoes)])
        case Unmask(about, share):
            return _pack([about, share])
        case Relay(about, signature, body):
            return _pack([about, signature, body])
        case Confirm(digest):
            return _pack([digest])
        case Abort(code, peers, reason, evidence):
            return _pack([code, list(peers), reason, evidence])


def decode_body(kind: Kind, body: bytes, limits: Limits) -> Message:
    """Decode a body strictly.

    Args:
        kind: As the frame says.
        body: As received.
        limits: Of the session; counts and sizes must fit them exactly.

    Returns:
        The message.

    Raises:
        RemoteProtocolError: It is not shaped as agreed.
        AgreementFailed: It speaks another version of the protocol.
    """
    return _READERS[kind](body, limits)


def _read_join(body: bytes, _limits: Limits) -> Message:
    _check_version(body)
    _, public_key, nonce = _array(_unpack(body), 3)
    return Join(_bytes(public_key), _bytes(nonce))


def _read_offer(body: bytes, _limits: Limits) -> Message:
    _check_version(body)
    _, nonce, founder, parameters = _array(_unpack(body), 4)
    return Offer(_bytes(nonce), _bytes(founder), _read_parameters(parameters))


def _read_hello(body: bytes, _limits: Limits) -> Message:
    return Hello(_read_signed_entry(_unpack(body)))


def _read_roster(body: bytes, limits: Limits) -> Message:
    return RosterList(_many(_unpack(body), limits.peers, _read_signed_entry))


def _read_accept(body: bytes, _limits: Limits) -> Message:
    # A differing roster may have another length; the difference is what the reader wants to see.
    parameters, entries = _array(_unpack(body), 2)
    lines = _array(entries)
    return Accept(_read_parameters(parameters), _many(lines, len(lines), _read_accepted_entry))


def _read_commitment(body: bytes, limits: Limits) -> Message:
    mask, mask_shares, shares = _array(_unpack(body), 3)
    hashes = tuple(_bytes(item) for item in _array(mask_shares))
    return Commitment(_bytes(mask), hashes, _many(shares, limits.inputs, _bytes))


def _read_share(body: bytes, _limits: Limits) -> Message:
    return Share(body)


def _read_slice(body: bytes, limits: Limits) -> Message:
    return Slice(*_read_piece(body, limits))


def _read_slice_sum(body: bytes, limits: Limits) -> Message:
    return SliceSum(*_read_piece(body, limits))


def _read_piece(body: bytes, limits: Limits) -> tuple[int, memoryview]:
    if not limits.sharded or len(body) < PIECE_NUMBER.size:
        raise RemoteProtocolError("a piece of a slice where there is none")
    (piece,) = PIECE_NUMBER.unpack_from(body)
    return piece, memoryview(body)[PIECE_NUMBER.size :]


def _read_partial(body: bytes, limits: Limits) -> Message:
    if not limits.sharded and len(body) != limits.vector_bytes:
        raise RemoteProtocolError(
            f"PARTIAL of {len(body)} bytes where {limits.vector_bytes} were due"
        )
    return Partial(body)


def _read_echo(body: bytes, limits: Limits) -> Message:
    acceptances, heard = _array(_unpack(body), 2)
    return Echo(
        _many(acceptances, limits.peers, _bytes),
        _many(heard, limits.inputs, _read_echo_entry),
    )


def _read_open(body: bytes, limits: Limits) -> Message:
    mask_seed, echoes = _array(_unpack(body), 2)
    return Open(_bytes(mask_seed), _many(echoes, limits.inputs, _bytes))


def _read_unmask(body: bytes, limits: Limits) -> Message:
    about, share = _array(_unpack(body), 2)
    index = _typed(about, int)
    if not 1 <= index <= limits.peers:
        raise RemoteProtocolError("UNMASK about nobody in the roster")
    return Unmask(index, _bytes(share))


def _read_relay(body: bytes, limits: Limits) -> Message:
    about, signature, opening = _array(_unpack(body, longest=len(body)), 3)
    index = _typed(about, int)
    if not 1 <= index <= limits.peers:
        raise RemoteProtocolError("RELAY of nobody in the roster")
    return Relay(index, _bytes(signature), _bytes(opening))


def _read_confirm(body: bytes, _limits: Limits) -> Message:
    return Confirm(*_many(_unpack(body), 1, _bytes))


def _read_abort(body: bytes, limits: Limits) -> Message:
    code, peers, reason, evidence = _array(_unpack(body, longest=len(body)), 4)
    blamed = tuple(_typed(item, int) for item in _array(peers))
    if any(not 1 <= index <= limits.peers for index in blamed):
        raise RemoteProtocolError("ABORT about nobody in the roster")
    return Abort(_typed(code, int), blamed, _typed(reason, str), _bytes(evidence))


def _read_alive(_body: bytes, _limits: Limits) -> Message:
    raise RemoteProtocolError("ALIVE is no message: nobody signs it")


_READERS: Final[dict[Kind, Callable[[bytes, Limits], Message]]] = {
    Kind.JOIN: _read_join,
    Kind.PARAMETERS: _read_offer,
    Kind.HELLO: _read_hello,
    Kind.ROSTER: _read_roster,
    Kind.ACCEPT: _read_accept,
    Kind.COMMITMENT: _read_commitment,
    Kind.SHARE: _read_share,
    Kind.SLICE: _read_slice,
    Kind.PARTIAL: _read_partial,
    Kind.SLICE_SUM: _read_slice_sum,
    Kind.ECHO: _read_echo,
    Kind.OPEN: _read_open,
    Kind.UNMASK: _read_unmask,
    Kind.RELAY: _read_relay,
    Kind.CONFIRM: _read_confirm,
    Kind.ABORT: _read_abort,
    Kind.ALIVE: _read_alive,
}


_MOST_STATEMENTS: Final = 3


def encode_evidence(evidence: Evidence) -> bytes:
    """Return the bytes in which evidence travels in an ABORT."""
    said = [
        [s.sender, s.receiver, s.kind.value, s.round, s.digest, s.signature, s.body]
        for s in evidence.statements
    ]
    shares = [list(share) for share in evidence.mask_shares]
    return _pack([evidence.claim.value, evidence.culprit, said, shares])


def decode_evidence(data: bytes) -> Evidence:
    """Decode evidence; what it proves is not looked at.

    Raises:
        RemoteProtocolError: It is not shaped as agreed.
    """
    claim, culprit, said, shares = _array(_unpack(data, longest=len(data)), 4)
    if len(_array(said)) > _MOST_STATEMENTS or len(_array(shares)) > MOST_PEERS:
        raise RemoteProtocolError("evidence of more statements than any claim needs")
    try:
        return Evidence(
            Claim(_typed(claim, str)),
            _typed(culprit, int),
            tuple(_read_statement(item) for item in _array(said)),
            tuple(_read_mask_share(item) for item in _array(shares)),
        )
    except ValueError:
        raise RemoteProtocolError("a claim or a kind that does not exist") from None


def _read_statement(value: object) -> Statement:
    sender, receiver, kind, round_number, digest, signature, body = _array(value, 7)
    if kind == Kind.ALIVE:
        raise RemoteProtocolError("a statement of a kind that nobody signs")
    return Statement(
        _typed(sender, int),
        _typed(receiver, int),
        Kind(_typed(kind, int)),
        _typed(round_number, int),
        _bytes(digest),
        _bytes(signature),
        _bytes(body),
    )


def _read_mask_share(value: object) -> tuple[int, bytes]:
    holder, share = _array(value, 2)
    return _typed(holder, int), _bytes(share)


def encode_share(plain: SharePlain) -> bytes:
    """Return the plaintext that a SHARE seals."""
    return _pack([plain.share, plain.mask_share])


def decode_share(
    data: bytes, limits: Limits, *, strict: bool, ratcheted: bool = False
) -> SharePlain:
    """Decode the plaintext of a SHARE.

    Args:
        data: As opened.
        limits: Of the session.
        strict: Whether there are no b-shares.
        ratcheted: Whether the seed follows from an earlier round, and is not in it.

    Raises:
        RemoteProtocolError: It is not shaped as the parameters say.
    """
    plain = SharePlain(*_many(_unpack(data, longest=len(data)), 2, _bytes))
    due = limits.vector_bytes if limits.share_mode == "dense" else SEED_BYTES * (not ratcheted)
    if len(plain.share) != due or bool(plain.mask_share) == strict:
        raise RemoteProtocolError("a share of a wrong length")
    return plain
