"""Bytes <-> messages: one encoding for each message, caps before bodies, and strict shapes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc import slices
from p2pmpc.errors import AgreementFailed, RemoteProtocolError
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.frames import (
    ENVELOPE_BYTES,
    HEADER,
    TO_ALL,
    Limits,
    body_digest,
    parse_frame,
    parse_header,
    signing_input,
)
from p2pmpc.identity import SEALING_KEY_BYTES, SEALING_OVERHEAD
from p2pmpc.messages import (
    PIECEWISE,
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
from p2pmpc.parameters import MOST_PEERS, Parameters
from p2pmpc.slices import Slices
from p2pmpc.study_text import LONGEST_STUDY
from p2pmpc.weights import LARGEST_WEIGHT
from p2pmpc.wire import (
    decode_body,
    decode_entry,
    decode_evidence,
    decode_share,
    encode_body,
    encode_entry,
    encode_evidence,
    encode_parameters,
    encode_share,
    parameters_digest,
)
from tests import reference
from tests.frames import encode_frame, halves
from tests.strategies import weights

LIMITS = Limits(peers=3, length=5, width=4)
SHARDED = Limits(peers=3, length=5, width=4, sharded=True)
RAW = frozenset({Kind.SHARE, *PIECEWISE, Kind.PARTIAL})
PACKED = sorted(frozenset(Kind) - RAW - {Kind.ALIVE})
every_packed_kind = pytest.mark.parametrize("kind", PACKED, ids=lambda kind: str(kind.name))
every_kind = pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: str(kind.name))

ID, OTHER_ID = b"\x01" * 32, b"\x02" * 32
DIGEST, NONCE, SIGNATURE = b"\x03" * 32, b"\x04" * 32, b"\x05" * 64
PARAMETERS = Parameters(NONCE, 3, length=4, allowed=(ID, OTHER_ID, DIGEST))
ENTRY = Entry(b"certificate", NONCE, bytes(SEALING_KEY_BYTES), -7, "peer-01", DIGEST)
SIGNED_ENTRY = SignedEntry(encode_entry(ENTRY), SIGNATURE, "127.0.0.1:9001")

SAMPLES: dict[Kind, Message] = {
    sample.kind: sample
    for sample in (
        Join(DIGEST, NONCE),
        Offer(NONCE, ID, PARAMETERS),
        Hello(SIGNED_ENTRY),
        RosterList((SIGNED_ENTRY,) * 3),
        Accept(PARAMETERS, (AcceptedEntry(ID, -7, DIGEST, SIGNATURE),) * 3),
        Commitment(DIGEST, (DIGEST,) * 3, (DIGEST,) * 3),
        Share(b"sealed"),
        Slice(0, memoryview(bytes(8))),
        Partial(bytes(LIMITS.vector_bytes)),
        SliceSum(0, memoryview(bytes(8))),
        Echo((SIGNATURE,) * 3, (EchoEntry(DIGEST, SIGNATURE, DIGEST, SIGNATURE),) * 3),
        Open(DIGEST, (SIGNATURE,) * 3),
        Unmask(2, bytes(33)),
        Confirm(DIGEST),
        Abort(4, (1, 3), "why"),
        Relay(2, SIGNATURE, b"an OPEN"),
    )
}


# -- what messages are drawn from -----------------------------------------------------------

digests = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=32)
parameter_sets = st.builds(
    Parameters,
    nonce=digests,
    peers=st.integers(2, 1000),
    field=st.sampled_from(["m31", "m61", "m31xm61"]),
    length=st.integers(1, 1 << 27),
    fraction_bits=st.integers(0, 52),
    bound=st.integers(0, (1 << 60) - 1),
    share_mode=st.sampled_from(["seeds", "dense"]),
    sum_mode=st.sampled_from(["broadcast", "sharded"]),
    strict=st.booleans(),
    allow_two=st.booleans(),
)
entries = st.builds(
    Entry,
    certificate=st.binary(min_size=1, max_size=600),
    nonce=digests,
    sealing_key=st.binary(min_size=SEALING_KEY_BYTES, max_size=SEALING_KEY_BYTES),
    weight=weights,
    name=printable,
    parameters_digest=digests,
)
addresses = st.sampled_from(["127.0.0.1:1", "[fe80::1%eth0]:65535", "a.b-c.example.:9000", "x:1"])
signed_entries = st.builds(
    SignedEntry, body=st.binary(max_size=64), signature=signatures, address=addresses
)
accepted_entries = st.builds(
    AcceptedEntry,
    id=digests,
    weight=st.integers(-(2**63), 2**64 - 1),
    digest=digests,
    signature=signatures,
)
echo_entries = st.builds(
    EchoEntry,
    commitment=digests,
    commitment_signature=signatures,
    partial=digests,
    partial_signature=signatures,
)


piece_numbers = st.integers(0, 2**64 - 1)
piece_vectors: st.SearchStrategy[memoryview] = st.binary(max_size=8).map(memoryview)


def limits_of(kind: Kind) -> Limits:
    """Return limits under which a kind can be sent at all."""
    return SHARDED if kind in PIECEWISE else LIMITS


def three(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw one of something for each of three peers."""
    return st.tuples(strategy, strategy, strategy)


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Join, public_key=digests, nonce=digests),
    st.builds(Offer, nonce=digests, founder=digests, parameters=parameter_sets),
    st.builds(Hello, entry=signed_entries),
    st.builds(RosterList, entries=three(signed_entries)),
    st.builds(
        Accept,
        parameters=parameter_sets,
        entries=st.lists(accepted_entries, max_size=5).map(tuple),
    ),
    st.builds(
        Commitment,
        mask=digests,
        mask_shares=st.just(()) | three(digests),
        shares=three(digests),
    ),
    st.builds(Share, sealed=st.binary(max_size=64)),
    st.builds(Partial, content=st.binary(min_size=20, max_size=20)),
    st.builds(Slice, piece=piece_numbers, vector=piece_vectors),
    st.builds(SliceSum, piece=piece_numbers, vector=piece_vectors),
    st.builds(Echo, acceptances=three(signatures), entries=three(echo_entries)),
    st.builds(Open, mask_seed=digests, echoes=three(signatures)),
    st.builds(Unmask, about=st.integers(1, 3), share=st.binary(min_size=33, max_size=33)),
    st.builds(Confirm, total_digest=digests),
    st.builds(Relay, about=st.integers(1, 3), signature=signatures, body=st.binary(max_size=64)),
    st.builds(
        Abort,
        code=st.integers(1, 255),
        peers=st.lists(st.integers(1, 3), max_size=3).map(tuple),
        reason=printable,
        evidence=st.binary(max_size=40),
    ),
)


# -- round trips ----------------------------------------------------------------------------


@given(messages)
def test_messages_survive_their_bytes(message: Message) -> None:
    """Every message decodes from its body to an equal one, of a size below its cap."""
    body = encode_body(message)
    limits = limits_of(message.kind)
    assert decode_body(message.kind, body, limits) == message
    assert len(body) <= limits.body_cap(message.kind)


@given(entries)
def test_entries_survive_their_bytes(entry: Entry) -> None:
    """A roster entry decodes to an equal one."""
    assert decode_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (Confirm(DIGEST), "91c420" + "03" * 32),
        (Unmask(2, bytes(33)), "9202c421" + "00" * 33),
        (Abort(4, (1, 3), "why"), "9404920103a3776879c400"),
        (Relay(2, bytes(64), b"\x01"), "9302c440" + "00" * 64 + "c40101"),
        (Join(DIGEST, NONCE), "9301c420" + "03" * 32 + "c420" + "04" * 32),
        (Share(b"sealed"), "7365616c6564"),
        (Partial(b"vector"), "766563746f72"),
        (Slice(1, memoryview(b"vector")), "0000000000000001766563746f72"),
        (SliceSum(2**64 - 1, memoryview(b"")), "ff" * 8),
    ],
)
def test_bodies_are_known(message: Message, body: str) -> None:
    """The bytes of a message are fixed."""
    assert encode_body(message).hex() == body


def test_the_bytes_of_parameters_are_known() -> None:
    """Parameters are one array in the order of their fields, and hash under their own label."""
    body = (
        "9fc420"
        + "04" * 32
        + "03"
        + "a36d3631"
        + "04"
        + "01"
        + "08"
        + "cd0140"
        + "00"
        + "a564656e7365"
        "a962726f616463617374" + "c3c2c2" + "90" + "c400"
    )
    made = Parameters(
        NONCE, 3, "m61", length=4, fraction_bits=8, bound=320, share_mode="dense", strict=True
    )
    assert encode_parameters(made).hex() == body
    expected = reference.labelled_hash("parameters", bytes.fromhex(body))
    assert parameters_digest(made) == expected


@given(st.sampled_from(Kind), st.integers(0, 2**32 - 1), digests, digests, digests, st.binary())
def test_signing_inputs_agree_with_the_reference(
    kind: Kind, number: int, session: bytes, sender: bytes, receiver: bytes, body: bytes
) -> None:
    """What is signed binds session, round, kind, sender, receiver and the body as sent."""
    digest = body_digest(kind, body)
    assert digest == reference.body_digest(kind, body)
    expected = reference.signing_input(session, number, kind, sender, receiver, digest)
    assert signing_input(session, number, kind, sender, receiver, digest) == expected


def test_a_known_signing_input() -> None:
    """Label, session, round, kind, sender, receiver and digest follow each other."""
    data = signing_input(b"\x0a" * 32, 258, Kind.ECHO, ID, TO_ALL, DIGEST)
    assert data.hex() == (
        "10"
        + b"p2pmpc/1 message".hex()
        + "0a" * 32
        + "00000102"
        + "0b"
        + "01" * 32
        + "00" * 32
        + "03" * 32
    )


# -- frames and caps ------------------------------------------------------------------------


@given(st.sampled_from(Kind), st.integers(0, 2**32 - 1), signatures, st.binary(max_size=40))
def test_frames_survive_their_bytes(kind: Kind, number: int, signature: bytes, body: bytes) -> None:
    """A frame is length, kind, round, signature and body, and comes apart as it was made."""
    data = encode_frame(kind, number, signature, body)
    expected = struct.pack(">IBI", 68 + len(body), kind, number) + signature + body
    assert data == expected
    frame = parse_frame(kind, *halves(data))
    assert (frame.kind, frame.round, frame.signature, frame.body) == (
        kind,
        number,
        signature,
        body,
    )


@every_kind
def test_headers_are_checked_against_the_cap(kind: Kind) -> None:
    """The largest body of a kind is accepted; one byte more, or less than an envelope, is not."""
    largest = ENVELOPE_BYTES + LIMITS.body_cap(kind)
    for size in (ENVELOPE_BYTES, largest):
        assert parse_header(HEADER.pack(size, kind), LIMITS, frozenset(Kind)) == (kind, size)
    for size in (0, ENVELOPE_BYTES - 1, largest + 1, 2**32 - 1):
        with pytest.raises(RemoteProtocolError, match=f"{kind.name} of {size} bytes"):
            parse_header(HEADER.pack(size, kind), LIMITS, frozenset(Kind))


@every_kind
def test_kinds_out_of_place_are_refused_by_their_header(kind: Kind) -> None:
    """A connection that does not expect a kind refuses it before its body."""
    with pytest.raises(RemoteProtocolError, match=f"{kind.name} has no place"):
        parse_header(HEADER.pack(ENVELOPE_BYTES, kind), LIMITS, frozenset(Kind) - {kind})


@pytest.mark.parametrize("number", [0, 18, 255])
def test_unknown_kinds_are_refused(number: int) -> None:
    """A number that is no kind is refused, whatever its size."""
    with pytest.raises(RemoteProtocolError, match=f"unknown kind {number}"):
        parse_header(HEADER.pack(ENVELOPE_BYTES, number), LIMITS, frozenset(Kind))


@every_kind
def test_sixteen_mebibytes_of_empty_arrays_end_at_the_header(kind: Kind) -> None:
    """No kind may be that large, even in the largest session, so nothing is ever decoded."""
    limits = Limits(peers=MOST_PEERS, length=1001, width=8)
    frame = encode_frame(kind, 0, SIGNATURE, b"\x90" * (16 << 20))
    with pytest.raises(RemoteProtocolError, match="over its cap"):
        parse_header(frame[: HEADER.size], limits, frozenset(Kind))


def largest_messages(peers: int) -> Iterator[Message]:
    """Yield the largest message of each kind that packs its body, for a number of peers."""
    ids = tuple(k.to_bytes(32, "big") for k in range(MOST_PEERS))
    nonce = b"\xff" * 32
    parameters = Parameters(
        nonce,
        peers,
        "m61",
        1 << 27,
        1_000_000,
        52,
        (1 << 60) - 1,
        LARGEST_WEIGHT,
        "seeds",
        "broadcast",
        True,
        True,
        True,
        ids,
        DIGEST,
    )
    entry = Entry(bytes(600), nonce, bytes(SEALING_KEY_BYTES), -LARGEST_WEIGHT, "n" * 32, DIGEST)
    signed = SignedEntry(encode_entry(entry), SIGNATURE, ".".join(["a" * 62] * 4)[:249] + ":65535")
    yield Join(DIGEST, nonce)
    yield Offer(nonce, DIGEST, parameters, bytes(LONGEST_STUDY))
    yield Hello(signed)
    yield RosterList((signed,) * peers)
    yield Accept(parameters, (AcceptedEntry(ID, -LARGEST_WEIGHT, DIGEST, SIGNATURE),) * peers)
    yield Commitment(DIGEST, (DIGEST,) * peers, (DIGEST,) * peers)
    heard = EchoEntry(DIGEST, SIGNATURE, DIGEST, SIGNATURE)
    yield Echo((SIGNATURE,) * peers, (heard,) * peers)
    yield Open(DIGEST, (SIGNATURE,) * peers)
    yield Unmask(peers, bytes(33))
    yield Confirm(DIGEST)
    yield Relay(peers, SIGNATURE, encode_body(Open(DIGEST, (SIGNATURE,) * peers)))
    yield Abort(255, tuple(range(1, peers + 1)), "r" * 300)


@pytest.mark.parametrize("peers", [2, 3, 15, 16, 17, 128, 1000])
def test_the_largest_honest_messages_fit_their_caps(peers: int) -> None:
    """No honest message is ever refused by its size, and the caps are not far above."""
    limits = Limits(peers=peers)
    for message in largest_messages(peers):
        body, cap = encode_body(message), limits.body_cap(message.kind)
        assert len(body) <= cap < 2 * len(body) + 600, message.kind
        assert decode_body(message.kind, body, limits) == message


def test_an_abort_has_room_for_two_messages_as_evidence() -> None:
    """Two dense shares, the longest that can contradict each other, fit into an ABORT."""
    limits = Limits(3, 10_000, 8, "dense")
    body = bytes(limits.body_cap(Kind.SHARE))
    statement = Statement(1, 2, Kind.SHARE, 0, DIGEST, SIGNATURE, body)
    evidence = encode_evidence(Evidence(Claim.EQUIVOCATION, 1, (statement, statement)))
    abort = encode_body(Abort(4, (1, 2, 3), "r" * 300, evidence))
    assert len(abort) <= limits.body_cap(Kind.ABORT)


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_evidence_names_rounds_that_frames_can_have(number: int) -> None:
    """A round that no signature can cover is refused before one is looked at."""
    statement = [1, 2, Kind.SHARE.value, number, DIGEST, SIGNATURE, b""]
    with pytest.raises(RemoteProtocolError, match="a round that no frame can name"):
        decode_evidence(msgpack.packb(["equivocation", 1, [statement], []]))


@pytest.mark.parametrize(("mode", "share"), [("seeds", 32), ("dense", 4000)])
@pytest.mark.parametrize("strict", [False, True])
def test_the_caps_of_raw_bodies_follow_from_the_mode(mode: str, share: int, strict: bool) -> None:
    """A SHARE and a PARTIAL of the agreed length fit, with hardly a byte to spare."""
    limits = Limits(3, 500, 8, mode)
    plain = encode_share(SharePlain(bytes(share), b"" if strict else bytes(33)))
    assert 0 <= limits.body_cap(Kind.SHARE) - SEALING_OVERHEAD - len(plain) < 60
    assert limits.body_cap(Kind.PARTIAL) == 4000


def test_limits_follow_from_the_parameters() -> None:
    """The limits of a session are its own: peers, the extended length, the width and the mode."""
    made = Parameters(NONCE, 5, "m61", length=9, share_mode="dense")
    assert Limits.of(made) == Limits(5, 10, 8, "dense")
    sharded = Limits.of(replace(made, sum_mode="sharded"), contributors=4)
    assert sharded == Limits(5, 10, 8, "dense", sharded=True, contributors=4)


# -- garbage inside valid frames ------------------------------------------------------------


def refuse_or_be_canonical(kind: Kind, body: bytes) -> bool:
    """Decode a body that may be anything, and return whether it was accepted."""
    try:
        message = decode_body(kind, body, limits_of(kind))
    except (RemoteProtocolError, AgreementFailed):
        return False
    assert message.kind == kind
    assert encode_body(message) == body
    return True


@given(st.sampled_from(Kind), st.binary(max_size=80))
def test_random_bytes_are_refused_or_canonical(kind: Kind, body: bytes) -> None:
    """Whatever bytes a peer sends, nothing but its refusal or its message comes of them."""
    refuse_or_be_canonical(kind, body)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.sampled_from([DIGEST, SIGNATURE, 1, 2, "m31", "seeds"]),
)
structures = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=11) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(st.sampled_from(PACKED), structures)
def test_random_structures_are_refused_or_canonical(kind: Kind, structure: object) -> None:
    """Whatever a peer packs, nothing but its refusal or its message comes of it."""
    refuse_or_be_canonical(kind, msgpack.packb(structure))


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_messages_are_refused_or_canonical(kind: Kind, data: st.DataObject) -> None:
    """A valid body with a few bytes changed, cut or added is refused, or another message."""
    body = bytearray(encode_body(SAMPLES[kind]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 2))
        body[place : place + cut] = data.draw(st.binary(max_size=2))
    refuse_or_be_canonical(kind, bytes(body))


def places(value: object, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Yield the path of every value in a structure of lists."""
    yield path
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def replaced(value: Any, path: tuple[int, ...], by: object) -> object:
    """Return a structure with the value at a path replaced."""
    if not path:
        return by
    return [replaced(v, path[1:], by) if k == path[0] else v for k, v in enumerate(value)]


FOREIGN: tuple[object, ...] = (
    *(None, True, 1.5, 10**12, -1, "x" * 400, "\u20ac", b"", bytes(31), [], [[]], {}, {"a": 1}),
    *(msgpack.ExtType(1, b"x"), msgpack.ExtType(5, b"")),
)
FREE: dict[Kind, set[tuple[int, ...]]] = {
    # The bounds, the switches, and the allow-list, which may be empty.
    Kind.PARAMETERS: {(3, 6), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (4,)},
    # An entry is only decoded once its signature is looked at.
    Kind.HELLO: {(0,)},
    Kind.ROSTER: {(0, 0), (1, 0), (2, 0)},
    # As in PARAMETERS; the lines, and the weights in them, are compared with the own ones.
    Kind.ACCEPT: {
        *((0, 6), (0, 10), (0, 11), (0, 12), (0, 13), (0, 14)),
        *((1,), (1, 0, 1), (1, 1, 1), (1, 2, 1)),
    },
    # No mask shares in strict mode, and nobody to blame.
    Kind.COMMITMENT: {(1,)},
    # What it carries is looked at in the round.
    Kind.RELAY: {(2,)},
    # Evidence is judged, and not only decoded.
    Kind.ABORT: {(1,), (3,)},
}
"""The only places where a foreign value can be a rightful one."""


@every_packed_kind
def test_every_value_of_a_message_has_its_type_and_size(kind: Kind) -> None:
    """A foreign value in any place but the few free ones makes a message a violation."""
    structure = msgpack.unpackb(encode_body(SAMPLES[kind]))
    accepted = set()
    for path in places(structure):
        for foreign in FOREIGN:
            body = msgpack.packb(replaced(structure, path, foreign))
            if refuse_or_be_canonical(kind, body):
                accepted.add(path)
    assert accepted == FREE.get(kind, set())


@every_packed_kind
def test_a_missing_or_additional_value_is_refused(kind: Kind) -> None:
    """Every array has its exact number of values, but for the open lists."""
    structure = msgpack.unpackb(encode_body(SAMPLES[kind]))
    open_lists = {
        (Kind.ACCEPT, (1,)),
        (Kind.ABORT, (1,)),
        (Kind.PARAMETERS, (3, 13)),
        (Kind.ACCEPT, (0, 13)),
    }
    for path in places(structure):
        value = structure
        for index in path:
            value = value[index]
        if not isinstance(value, list) or (kind, path) in open_lists:
            continue
        for other in (value[:-1], [*value, value[-1] if value else 0]):
            with pytest.raises(RemoteProtocolError):
                decode_body(kind, msgpack.packb(replaced(structure, path, other)), LIMITS)


@every_packed_kind
def test_bytes_behind_a_message_are_refused(kind: Kind) -> None:
    """Nothing may follow the one value of a body, and nothing of it may be missing."""
    body = encode_body(SAMPLES[kind])
    for other in (body + b"\x00", body + body, body[:-1], b""):
        with pytest.raises(RemoteProtocolError):
            decode_body(kind, other, LIMITS)


def packed(value: object, wide: type) -> bytes:
    """Pack a structure, with the values of one type in their longest form."""
    head = {int: b"\xd3", bytes: b"\xc6", str: b"\xdb", list: b"\xdd"}
    if isinstance(value, list):
        items = b"".join(packed(item, wide) for item in value)
        short = bytes([0x90 | len(value)])
        return (head[list] + struct.pack(">I", len(value)) if wide is list else short) + items
    if type(value) is not wide:
        return bytes(msgpack.packb(value))
    if isinstance(value, int):
        return head[int] + struct.pack(">q", value)
    assert isinstance(value, str | bytes)
    data = value.encode() if isinstance(value, str) else value
    return head[wide] + struct.pack(">I", len(data)) + data


@every_packed_kind
def test_other_encodings_of_the_same_values_are_refused(kind: Kind) -> None:
    """Arrays, integers, texts and byte strings take the fewest bytes, as the one encoding says."""
    body = encode_body(SAMPLES[kind])
    structure = msgpack.unpackb(body)
    others = {packed(structure, wide) for wide in (int, bytes, str, list)} - {body}
    assert len(others) >= 2
    for other in others:
        assert msgpack.unpackb(other) == structure
        with pytest.raises(RemoteProtocolError, match="canonical"):
            decode_body(kind, other, LIMITS)


@every_packed_kind
@pytest.mark.parametrize("depth", [3, 600, 100_000])
@pytest.mark.parametrize("end", [b"", b"\x90", b"\x01"])
def test_deep_nesting_is_refused(kind: Kind, depth: int, end: bytes) -> None:
    """Arrays within arrays, whole or cut, end with a refusal and not with a deep stack."""
    with pytest.raises(RemoteProtocolError):
        decode_body(kind, b"\x91" * depth + end, LIMITS)


@every_packed_kind
@pytest.mark.parametrize(
    "value",
    [b"\x90", b"\x00", b"\xff", b"\xa0", b"\xc0", b"\xc2", b"\xc4\x00", b"\xcc\xff", b"\x91"],
)
def test_long_bodies_of_very_many_values_are_refused_uncounted(kind: Kind, value: bytes) -> None:
    """A body that would cost memory by the number of its values is refused before they are made."""
    count = (Limits(peers=MOST_PEERS).body_cap(kind) + 4096) // len(value)
    body = b"\xdd" + struct.pack(">I", count) + value * count
    with pytest.raises(RemoteProtocolError, match="too many values"):
        decode_body(kind, body, Limits(peers=MOST_PEERS))


@pytest.mark.parametrize("code", [0x80, 0x8F, 0xC1, 0xC7, 0xC9, 0xCA, 0xCB, 0xD4, 0xD8, 0xDE, 0xDF])
def test_long_bodies_of_foreign_types_are_refused(code: int) -> None:
    """Maps, floats and extensions are refused where a long body is only counted."""
    body = b"\x92" + b"\xc5\x13\x88" + bytes(5000) + bytes([code]) + bytes(40)
    with pytest.raises(RemoteProtocolError, match="not msgpack as agreed"):
        decode_body(Kind.ROSTER, body, Limits(peers=MOST_PEERS))


@every_packed_kind
def test_a_promise_of_many_values_is_refused(kind: Kind) -> None:
    """An array, map or string that claims 2^32 - 1 values of which none comes is refused."""
    for code in (0xDD, 0xDF, 0xDB, 0xC6, 0xC9):
        with pytest.raises(RemoteProtocolError):
            decode_body(kind, bytes([code]) + b"\xff" * 4, LIMITS)


def test_truth_values_are_no_numbers() -> None:
    """True stands for 1 in most decoders, and is refused here: by its type, not by its value."""
    for kind, structure in (
        (Kind.UNMASK, [True, bytes(33)]),
        (Kind.ABORT, [True, [], "why", b""]),
        (Kind.ABORT, [4, [True], "why", b""]),
        (Kind.JOIN, [True, DIGEST, NONCE]),
    ):
        with pytest.raises(RemoteProtocolError, match="no int"):
            decode_body(kind, msgpack.packb(structure), LIMITS)
    flags = msgpack.unpackb(encode_parameters(PARAMETERS))
    with pytest.raises(RemoteProtocolError, match="no bool"):
        decode_body(
            Kind.PARAMETERS,
            msgpack.packb([1, NONCE, ID, [*flags[:10], 1, *flags[11:]], b""]),
            LIMITS,
        )


@pytest.mark.parametrize("kind", [Kind.JOIN, Kind.PARAMETERS])
@pytest.mark.parametrize("version", [0, 2, 2**32])
def test_other_versions_are_shown_beside_ours(kind: Kind, version: int) -> None:
    """A peer of another version is told both, even where its message has another shape."""
    for structure in ([version], [version, "a message of the future"]):
        body = msgpack.packb(structure)
        with pytest.raises(AgreementFailed, match=f"version 1, the other one {version}$"):
            decode_body(kind, body, LIMITS)


@pytest.mark.parametrize("about", [0, 4, -1, 2**40])
def test_indices_outside_the_roster_are_refused(about: int) -> None:
    """A message about somebody names a member of the roster."""
    with pytest.raises(RemoteProtocolError, match="nobody in the roster"):
        decode_body(Kind.UNMASK, msgpack.packb([about, bytes(33)]), LIMITS)
    with pytest.raises(RemoteProtocolError, match="nobody in the roster"):
        decode_body(Kind.ABORT, msgpack.packb([4, [1, about], "why", b""]), LIMITS)


@pytest.mark.parametrize("kind", sorted(PIECEWISE))
def test_pieces_have_a_whole_number_and_a_place(kind: Kind) -> None:
    """A piece's number takes 8 bytes, and there is none where whole sums are sent to all."""
    whole = encode_body(SAMPLES[kind])
    assert decode_body(kind, whole, SHARDED) == SAMPLES[kind]
    assert decode_body(kind, whole[:8], SHARDED)
    for body in (b"", whole[:1], whole[:7]):
        with pytest.raises(RemoteProtocolError, match="piece of a slice where there is none"):
            decode_body(kind, body, SHARDED)
    with pytest.raises(RemoteProtocolError, match="piece of a slice where there is none"):
        decode_body(kind, whole, LIMITS)
    with pytest.raises(RemoteProtocolError, match="over its cap"):
        parse_header(HEADER.pack(ENVELOPE_BYTES + len(whole), kind), LIMITS, frozenset(Kind))


@pytest.mark.parametrize("owners", [2, 3, 7])
@pytest.mark.parametrize("length", [2, 5, 6, 7, 100])
def test_the_caps_of_sharded_bodies_follow_from_the_slices(
    owners: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every piece and list fits its cap, and the largest one hardly leaves room."""
    monkeypatch.setattr(slices, "PIECE", 4)
    limits, cut = Limits(9, length, 8, sharded=True, contributors=owners), Slices(length, owners)
    pieces = [
        cut.piece(place, number) for place in range(owners) for number in range(cut.pieces(place))
    ]
    largest = 8 + 8 * max(piece.stop - piece.start for piece in pieces)
    for kind in PIECEWISE:
        assert largest <= limits.body_cap(kind) <= largest + 8
    listed = 32 * max(map(cut.pieces, range(owners)))
    assert listed <= limits.body_cap(Kind.PARTIAL) <= listed + 32


@pytest.mark.parametrize("size", [0, 19, 21])
def test_partial_sums_have_the_agreed_size(size: int) -> None:
    """A PARTIAL has exactly the bytes of one vector."""
    with pytest.raises(RemoteProtocolError, match=f"PARTIAL of {size} bytes where 20 were due"):
        decode_body(Kind.PARTIAL, bytes(size), LIMITS)


@pytest.mark.parametrize("code", [0, 256, -1])
def test_aborts_have_possible_codes(code: int) -> None:
    """A process ends with 1 to 255, if it ends with an error."""
    for possible in (1, 255):
        assert decode_body(Kind.ABORT, msgpack.packb([possible, [], " ~", b""]), LIMITS)
    with pytest.raises(RemoteProtocolError, match="impossible code"):
        decode_body(Kind.ABORT, msgpack.packb([code, [], "why", b""]), LIMITS)


@pytest.mark.parametrize("reason", ["a\nb", "\x1b[31m", "caf\u00e9", "\x7f", "r" * 301])
def test_texts_that_cannot_be_shown_are_refused(reason: str) -> None:
    """Reasons, names and addresses are short printable ASCII: nothing reaches a terminal raw."""
    with pytest.raises(RemoteProtocolError, match="cannot be shown"):
        decode_body(Kind.ABORT, msgpack.packb([4, [], reason, b""]), LIMITS)
    entry = msgpack.unpackb(encode_entry(ENTRY))
    with pytest.raises(RemoteProtocolError, match="cannot be shown"):
        decode_entry(msgpack.packb([*entry[:4], reason, entry[5]]))
    with pytest.raises(RemoteProtocolError, match="impossible address"):
        decode_body(Kind.HELLO, msgpack.packb([b"", SIGNATURE, f"{reason}:1"]), LIMITS)


@pytest.mark.parametrize(
    "address",
    [
        *("", "host", ":1", "host:", "host:0", "host:65536", "host:-1", "host:1x", "ho st:1"),
        *("http://host:1", "host:1/", "-host:1", "host-:1", "a..b:1", "[::1:1", "[host]:1"),
        *("host:1\n", "h\u00f6st:1", "host:\u0661", "$(id):1", "a" * 64 + ":1", "a." * 127 + "a:1"),
    ],
)
def test_impossible_addresses_are_refused(address: str) -> None:
    """An address is a host name or an IP address and a port, and nothing that could be more."""
    with pytest.raises(RemoteProtocolError, match="impossible address"):
        decode_body(Kind.HELLO, msgpack.packb([b"", SIGNATURE, address]), LIMITS)


@pytest.mark.parametrize("weight", [LARGEST_WEIGHT + 1, -LARGEST_WEIGHT - 1])
def test_entries_with_impossible_weights_are_refused(weight: int) -> None:
    """A weight that no honest peer has is refused in the entry itself."""
    entry = msgpack.unpackb(encode_entry(ENTRY))
    with pytest.raises(RemoteProtocolError, match="a weight that is too large"):
        decode_entry(msgpack.packb([*entry[:3], weight, *entry[4:]]))


@pytest.mark.parametrize(
    ("place", "fitting", "others"),
    [
        (0, (bytes(1), bytes(600)), (b"", bytes(601))),
        (1, (NONCE,), (NONCE[1:], NONCE + b"x")),
        (2, (bytes(SEALING_KEY_BYTES),), (bytes(SEALING_KEY_BYTES - 1), b"")),
        (4, ("", "n" * 32), ("n" * 33,)),
        (5, (DIGEST,), (DIGEST[1:], DIGEST + b"x")),
    ],
    ids=["certificate", "nonce", "sealing key", "name", "digest"],
)
def test_every_part_of_an_entry_has_its_size(
    place: int, fitting: tuple[object, ...], others: tuple[object, ...]
) -> None:
    """The sizes of an entry are exact, or have an end."""
    values = msgpack.unpackb(encode_entry(ENTRY))
    for value in fitting:
        decode_entry(msgpack.packb([*values[:place], value, *values[place + 1 :]]))
    for value in others:
        with pytest.raises(RemoteProtocolError, match="HELLO: "):
            decode_entry(msgpack.packb([*values[:place], value, *values[place + 1 :]]))


@given(st.binary(max_size=60) | structures.map(msgpack.packb))
def test_entries_are_refused_or_canonical(body: bytes) -> None:
    """Whatever bytes a peer signs as its entry, it is refused or has one encoding."""
    try:
        entry = decode_entry(body)
    except RemoteProtocolError:
        return
    assert encode_entry(entry) == body


@pytest.mark.parametrize(
    "change",
    [
        {2: 1},
        {3: "m127"},
        {4: 0},
        {5: -1},
        {6: 53},
        {7: -1},
        {8: -1},
        {9: "plain"},
        {10: "tree"},
        {14: [ID]},
        {15: b"short"},
    ],
    ids=str,
)
def test_impossible_parameters_of_others_are_a_violation(change: dict[int, object]) -> None:
    """What would be a configuration error here is a protocol violation of whoever sent it."""
    values = [None, *msgpack.unpackb(encode_parameters(PARAMETERS))]
    for place, value in change.items():
        values[place] = value
    with pytest.raises(RemoteProtocolError, match="impossible parameters"):
        decode_body(Kind.PARAMETERS, msgpack.packb([1, NONCE, ID, values[1:], b""]), LIMITS)


# -- the plaintext of a SHARE ---------------------------------------------------------------


@pytest.mark.parametrize(("mode", "size"), [("seeds", 32), ("dense", 20)])
@pytest.mark.parametrize("strict", [False, True])
def test_plain_shares_survive_and_have_exact_sizes(mode: str, size: int, strict: bool) -> None:
    """A share has the size of its mode, and a mask share exactly where masks can be opened."""
    limits = Limits(3, 5, 4, mode)
    mask_share = b"" if strict else bytes(33)
    plain = SharePlain(bytes(size), mask_share)
    assert decode_share(encode_share(plain), limits, strict=strict) == plain
    for other in (bytes(size - 1), bytes(size + 1), b""):
        with pytest.raises(RemoteProtocolError, match="wrong length"):
            decode_share(encode_share(SharePlain(other, mask_share)), limits, strict=strict)
    with pytest.raises(RemoteProtocolError, match="wrong length"):
        decode_share(encode_share(plain), limits, strict=not strict)


@pytest.mark.parametrize("strict", [False, True])
def test_plain_shares_of_later_rounds_hold_no_seed(strict: bool) -> None:
    """A seed follows from the ratchet, so a SHARE that brings one is refused, even the right one."""
    mask_share = b"" if strict else bytes(33)
    plain = SharePlain(b"", mask_share)
    assert decode_share(encode_share(plain), LIMITS, strict=strict, ratcheted=True) == plain
    for seed in (bytes(1), bytes(32)):
        data = encode_share(SharePlain(seed, mask_share))
        with pytest.raises(RemoteProtocolError, match="wrong length"):
            decode_share(data, LIMITS, strict=strict, ratcheted=True)


@given(st.binary(max_size=60) | structures.map(msgpack.packb), st.booleans())
def test_plain_shares_are_refused_or_canonical(data: bytes, strict: bool) -> None:
    """Whatever a dealer seals, it is refused or has one encoding."""
    try:
        plain = decode_share(data, LIMITS, strict=strict)
    except RemoteProtocolError:
        return
    assert encode_share(plain) == data


@pytest.mark.parametrize("size", [1, 32, 34])
def test_mask_shares_have_one_size(size: int) -> None:
    """A mask share has 33 bytes, sealed in a SHARE as well as open in an UNMASK."""
    with pytest.raises(RemoteProtocolError, match="mask share of a wrong size"):
        decode_share(msgpack.packb([bytes(32), bytes(size)]), LIMITS, strict=False)
    with pytest.raises(RemoteProtocolError, match="mask share of a wrong size"):
        decode_body(Kind.UNMASK, msgpack.packb([1, bytes(size)]), LIMITS)


# -- secrets --------------------------------------------------------------------------------


def test_secrets_are_in_no_repr() -> None:
    """Sealed bytes, partial sums, shares and mask shares never stand in a repr."""
    secret = b"\xc5secret\xc5" * 5
    pieces = Slice(0, memoryview(secret)), SliceSum(0, memoryview(secret))
    plain = SharePlain(secret, secret[:33])
    shown = repr((Share(secret), Partial(secret), *pieces, plain, SIGNED_ENTRY))
    assert "secret" not in shown
    assert secret.hex() not in shown
