"""Bodies <-> messages, strictly.

Bodies are arrays of canonical msgpack (:mod:`p2pmpc.canonical`), but for those that are raw: SHARE
(HPKE bytes), PARTIAL (vector bytes, or digests), SLICE and SLICE_SUM (the piece's number in 8 bytes,
big-endian, and vector bytes). What evidence, entries, parameters and the plaintext of a SHARE look
like stands here, too.

Everything wrong raises :class:`RemoteProtocolError` without a name; the boundary adds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pmpc.canonical import LONGEST_VALUE, array, byte_string, pack, several, typed, unpack
from p2pmpc.errors import AgreementFailed, ConfigurationError, RemoteProtocolError
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.frames import PIECE_NUMBER, Limits
from p2pmpc.hashing import labelled_hash
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
from p2pmpc.study_text import LONGEST_STUDY


def _versioned(body: bytes, size: int, *, longest: int = LONGEST_VALUE) -> list[object]:
    """Read an array that begins with the version, which counts before its size does."""
    value = array(unpack(body, longest=longest))
    version = typed(value[0], int) if value else 0
    if version != PROTOCOL_VERSION:
        raise AgreementFailed(
            f"this peer speaks protocol version {PROTOCOL_VERSION}, the other one {version}",
            hint="install the same version of p2pmpc on all peers",
        )
    return array(value, size)


# -- parameters -----------------------------------------------------------------------------


def encode_parameters(parameters: Parameters) -> bytes:
    """Return the canonical bytes of parameters."""
    return pack(_parameter_list(parameters))


def decode_parameters(body: bytes) -> Parameters:
    """Decode the canonical bytes of parameters.

    Raises:
        RemoteProtocolError: They are not shaped as agreed, or impossible.
    """
    return _read_parameters(unpack(body))


def parameters_digest(parameters: Parameters) -> bytes:
    """Return the digest that every HELLO signs."""
    return labelled_hash("parameters", encode_parameters(parameters))


def _parameter_list(p: Parameters) -> list[object]:
    flags = [p.strict, p.allow_two, p.allow_revealing_weights]
    sizes = [p.peers, p.field, p.length, p.rounds, p.fraction_bits, p.bound, p.weight_bound]
    return [p.nonce, *sizes, p.share_mode, p.sum_mode, *flags, list(p.allowed), p.study]


def _read_parameters(value: object) -> Parameters:
    nonce, peers, field, *sizes, share, summing, strict, two, revealing, allowed, study = array(
        value, 15
    )
    length, rounds, fraction, bound, weight_bound = sizes
    try:
        return Parameters(
            nonce=byte_string(nonce),
            peers=typed(peers, int),
            field=typed(field, str),
            length=typed(length, int),
            rounds=typed(rounds, int),
            fraction_bits=typed(fraction, int),
            bound=typed(bound, int),
            weight_bound=typed(weight_bound, int),
            share_mode=typed(share, str),
            sum_mode=typed(summing, str),
            strict=typed(strict, bool),
            allow_two=typed(two, bool),
            allow_revealing_weights=typed(revealing, bool),
            allowed=tuple(byte_string(item) for item in array(allowed)),
            study=byte_string(study),
        )
    except ConfigurationError as error:
        raise RemoteProtocolError(f"impossible parameters: {error.message}") from None


# -- entries --------------------------------------------------------------------------------


def encode_entry(entry: Entry) -> bytes:
    """Return the body that a peer signs about itself."""
    key, weight, name = entry.sealing_key, entry.weight, entry.name
    return pack([entry.certificate, entry.nonce, key, weight, name, entry.parameters_digest])


def decode_entry(body: bytes) -> Entry:
    """Decode a signed entry.

    Raises:
        RemoteProtocolError: It is not shaped as agreed.
    """
    certificate, nonce, key, weight, name, digest = array(unpack(body), 6)
    return Entry(
        certificate=byte_string(certificate),
        nonce=byte_string(nonce),
        sealing_key=byte_string(key),
        weight=typed(weight, int),
        name=typed(name, str),
        parameters_digest=byte_string(digest),
    )


def _read_signed_entry(value: object) -> SignedEntry:
    body, signature, address = array(value, 3)
    return SignedEntry(byte_string(body), byte_string(signature), typed(address, str))


def _read_accepted_entry(value: object) -> AcceptedEntry:
    identifier, weight, digest, signature = array(value, 4)
    return AcceptedEntry(
        byte_string(identifier), typed(weight, int), byte_string(digest), byte_string(signature)
    )


def _read_echo_entry(value: object) -> EchoEntry:
    return EchoEntry(*several(value, 4, byte_string))


# -- bodies ---------------------------------------------------------------------------------


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
            return pack([PROTOCOL_VERSION, public_key, nonce])
        case Offer(nonce, founder, parameters, study):
            return pack([PROTOCOL_VERSION, nonce, founder, _parameter_list(parameters), study])
        case Hello(entry):
            return pack([entry.body, entry.signature, entry.address])
        case RosterList(entries):
            return pack([[e.body, e.signature, e.address] for e in entries])
        case Accept(parameters, accepted):
            lines = [[a.id, a.weight, a.digest, a.signature] for a in accepted]
            return pack([_parameter_list(parameters), lines])
        case Commitment(mask, mask_shares, shares):
            return pack([mask, list(mask_shares), list(shares)])
        case Echo(acceptances, heard):
            return pack([list(acceptances), [entry.as_list() for entry in heard]])
        case Open(mask_seed, echoes):
            return pack([mask_seed, list(echoes)])
        case Unmask(about, share):
            return pack([about, share])
        case Relay(about, signature, body):
            return pack([about, signature, body])
        case Confirm(digest):
            return pack([digest])
        case Abort(code, peers, reason, evidence):
            return pack([code, list(peers), reason, evidence])


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
    _, public_key, nonce = _versioned(body, 3)
    return Join(byte_string(public_key), byte_string(nonce))


def _read_offer(body: bytes, _limits: Limits) -> Message:
    _, nonce, founder, parameters, study = _versioned(body, 5, longest=LONGEST_STUDY)
    agreed = _read_parameters(parameters)
    return Offer(byte_string(nonce), byte_string(founder), agreed, byte_string(study))


def _read_hello(body: bytes, _limits: Limits) -> Message:
    return Hello(_read_signed_entry(unpack(body)))


def _read_roster(body: bytes, limits: Limits) -> Message:
    return RosterList(several(unpack(body), limits.peers, _read_signed_entry))


def _read_accept(body: bytes, _limits: Limits) -> Message:
    # A differing roster may have another length; the difference is what the reader wants to see.
    parameters, entries = array(unpack(body), 2)
    lines = array(entries)
    return Accept(_read_parameters(parameters), several(lines, len(lines), _read_accepted_entry))


def _read_commitment(body: bytes, limits: Limits) -> Message:
    mask, mask_shares, shares = array(unpack(body), 3)
    hashes = tuple(byte_string(item) for item in array(mask_shares))
    return Commitment(byte_string(mask), hashes, several(shares, limits.inputs, byte_string))


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
    acceptances, heard = array(unpack(body), 2)
    return Echo(
        several(acceptances, limits.peers, byte_string),
        several(heard, limits.inputs, _read_echo_entry),
    )


def _read_open(body: bytes, limits: Limits) -> Message:
    mask_seed, echoes = array(unpack(body), 2)
    return Open(byte_string(mask_seed), several(echoes, limits.inputs, byte_string))


def _read_unmask(body: bytes, limits: Limits) -> Message:
    about, share = array(unpack(body), 2)
    index = typed(about, int)
    if not 1 <= index <= limits.peers:
        raise RemoteProtocolError("UNMASK about nobody in the roster")
    return Unmask(index, byte_string(share))


def _read_relay(body: bytes, limits: Limits) -> Message:
    about, signature, opening = array(unpack(body, longest=len(body)), 3)
    index = typed(about, int)
    if not 1 <= index <= limits.peers:
        raise RemoteProtocolError("RELAY of nobody in the roster")
    return Relay(index, byte_string(signature), byte_string(opening))


def _read_confirm(body: bytes, _limits: Limits) -> Message:
    return Confirm(*several(unpack(body), 1, byte_string))


def _read_abort(body: bytes, limits: Limits) -> Message:
    code, peers, reason, evidence = array(unpack(body, longest=len(body)), 4)
    blamed = tuple(typed(item, int) for item in array(peers))
    if any(not 1 <= index <= limits.peers for index in blamed):
        raise RemoteProtocolError("ABORT about nobody in the roster")
    return Abort(typed(code, int), blamed, typed(reason, str), byte_string(evidence))


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
    return pack([evidence.claim.value, evidence.culprit, said, shares])


def decode_evidence(data: bytes) -> Evidence:
    """Decode evidence; what it proves is not looked at.

    Raises:
        RemoteProtocolError: It is not shaped as agreed.
    """
    claim, culprit, said, shares = array(unpack(data, longest=len(data)), 4)
    if len(array(said)) > _MOST_STATEMENTS or len(array(shares)) > MOST_PEERS:
        raise RemoteProtocolError("evidence of more statements than any claim needs")
    try:
        return Evidence(
            Claim(typed(claim, str)),
            typed(culprit, int),
            tuple(_read_statement(item) for item in array(said)),
            tuple(_read_mask_share(item) for item in array(shares)),
        )
    except ValueError:
        raise RemoteProtocolError("a claim or a kind that does not exist") from None


def _read_statement(value: object) -> Statement:
    sender, receiver, kind, round_number, digest, signature, body = array(value, 7)
    if kind == Kind.ALIVE:
        raise RemoteProtocolError("a statement of a kind that nobody signs")
    return Statement(
        typed(sender, int),
        typed(receiver, int),
        Kind(typed(kind, int)),
        typed(round_number, int),
        byte_string(digest),
        byte_string(signature),
        byte_string(body),
    )


def _read_mask_share(value: object) -> tuple[int, bytes]:
    holder, share = array(value, 2)
    return typed(holder, int), byte_string(share)


def encode_share(plain: SharePlain) -> bytes:
    """Return the plaintext that a SHARE seals."""
    return pack([plain.share, plain.mask_share])


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
    plain = SharePlain(*several(unpack(data, longest=len(data)), 2, byte_string))
    due = limits.vector_bytes if limits.share_mode == "dense" else SEED_BYTES * (not ratcheted)
    if len(plain.share) != due or bool(plain.mask_share) == strict:
        raise RemoteProtocolError("a share of a wrong length")
    return plain
