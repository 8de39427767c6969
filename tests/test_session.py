"""Closing a roster, and the boundary where signatures are verified."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.encoding import automatic_bound
from p2pmpc.envelope import (
    Notary,
    SessionSealer,
    frame_bytes,
    open_before_session,
    open_join,
    sign_before_session,
)
from p2pmpc.errors import AgreementFailed, RemoteProtocolError
from p2pmpc.evidence import Dispute
from p2pmpc.field import M31
from p2pmpc.frames import HEADER, TO_ALL, Frame, Limits, body_digest, parse_frame, parse_header
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.membership import make_entry
from p2pmpc.messages import (
    PAIRWISE,
    Abort,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Join,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    SignedEntry,
    Unmask,
)
from p2pmpc.parameters import Parameters
from p2pmpc.session import Member, Session, entry_signing_input, roster_differences
from p2pmpc.wire import encode_body, encode_entry, parameters_digest
from tests import reference
from tests.frames import halves
from tests.party import identities, make_sessions

PARAMETERS = Parameters(b"\x07" * 32, 3, length=4)
KEYS, SEALING, SESSIONS = make_sessions(PARAMETERS, [5, -2, 1])
NOTARIES = [Notary(key, session) for key, session in zip(KEYS, SESSIONS, strict=True)]
BEFORE = frozenset({Kind.JOIN, Kind.PARAMETERS, Kind.HELLO, Kind.ROSTER})
ENTRIES = [member.signed for member in SESSIONS[0].members]


def entry(identity: Identity, **changes: object) -> SignedEntry:
    """Return a signed entry for the session, with changes to what make_entry is given."""
    made: dict[str, object] = {
        "nonce": os.urandom(32),
        "weight": 1,
        "name": "",
        "address": "127.0.0.1:9000",
        "parameters": PARAMETERS,
        **changes,
    }
    return make_entry(identity, SEALING[0], **made)  # type: ignore[arg-type]


def frame(data: bytes, limits: Limits) -> Frame:
    """Read a frame as a link does."""
    kind, size = parse_header(data[: HEADER.size], limits, frozenset(Kind))
    assert size == len(data) - HEADER.size
    return parse_frame(kind, *halves(data))


# -- rosters --------------------------------------------------------------------------------


def test_every_member_closes_the_same_session() -> None:
    """One set of entries, in whatever order it comes, gives one session id and one order."""
    ids = {
        Session.close(PARAMETERS, entries, key.id).id
        for entries in permutations(ENTRIES)
        for key in KEYS
    }
    assert ids == {SESSIONS[0].id}
    assert [member.id for member in SESSIONS[0].members] == sorted(key.id for key in KEYS)
    assert [session.own_index for session in SESSIONS] == [1, 2, 3]


def test_a_session_knows_its_members() -> None:
    """Indices count from 1, and what follows from the weights is at hand."""
    session = SESSIONS[1]
    assert (list(session.indices), session.others) == ([1, 2, 3], (1, 3))
    assert session.weights == (5, -2, 1)
    assert session.total_limits == (8 * session.bound, None)
    assert session.threshold == 2
    assert session.member(2).id == KEYS[1].id
    assert session.index_of(KEYS[1].certificate()) == 2
    assert session.index_of(identities(1)[0].certificate()) is None
    assert session.label(2) == f"peer-02 ({KEYS[1].id.hex()[:8]})"
    assert session.labels((1, 2)) == f"{session.label(1)}, {session.label(2)}"
    nameless = Session.close(PARAMETERS, [*ENTRIES[:2], entry(KEYS[2])], KEYS[0].id)
    assert nameless.label(3) == KEYS[2].id.hex()[:8]


def test_the_bound_is_the_agreed_one_or_the_largest() -> None:
    """Without a bound in the parameters, public weights alone decide."""
    assert SESSIONS[0].bound == automatic_bound(M31, (5, -2, 1)) == ((1 << 30) - 1) // 8
    bounded = Parameters(PARAMETERS.nonce, 3, length=4, bound=17)
    assert make_sessions(bounded, [1, 2, 3])[2][0].bound == 17


def test_the_session_id_binds_every_entry_and_the_parameters() -> None:
    """Another nonce of one member or another parameter gives another session."""
    other_entry = Session.close(PARAMETERS, [*ENTRIES[:2], entry(KEYS[2])], KEYS[0].id)
    other_parameters = make_sessions(replace(PARAMETERS, length=5), [5, -2, 1], KEYS)[2][0]
    assert len({SESSIONS[0].id, other_entry.id, other_parameters.id}) == 3


def broken_signature() -> SignedEntry:
    """Return an entry whose signature is of another one."""
    return replace(ENTRIES[2], signature=ENTRIES[1].signature)


def with_sealing_key(key: bytes) -> SignedEntry:
    """Return an entry that is well signed, and with whose key nothing can be sealed."""
    member = SESSIONS[0].member(3)
    body = encode_entry(replace(member.entry, sealing_key=key))
    agreed = member.entry.parameters_digest
    data = entry_signing_input(KEYS[2].id, agreed, body_digest(Kind.HELLO, body))
    return SignedEntry(body, KEYS[2].sign(data), "127.0.0.1:9000")


def of_another_key() -> SignedEntry:
    """Return an entry with one member's certificate and another one's signature."""
    member = SESSIONS[0].member(3)
    body = encode_entry(replace(member.entry, certificate=KEYS[1].certificate()))
    return SignedEntry(body, KEYS[2].sign(body), "127.0.0.1:9000")


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (ENTRIES[:2], "the roster lists 2 peers and the parameters 3"),
        ([*ENTRIES, entry(identities(1)[0])], "the roster lists 4 peers and the parameters 3"),
        ([*ENTRIES[:2], ENTRIES[1]], "lists one ID twice"),
        ([*ENTRIES[1:], entry(identities(1)[0])], "does not list this peer"),
        (
            [*ENTRIES[:2], entry(KEYS[2], parameters=replace(PARAMETERS, length=5))],
            "agreed to other parameters",
        ),
        ([*ENTRIES[:2], replace(ENTRIES[2], body=b"garbage")], "a line that is wrong"),
        ([*ENTRIES[:2], broken_signature()], "does not verify"),
        ([*ENTRIES[:2], of_another_key()], "does not verify"),
        ([*ENTRIES[:2], with_sealing_key(b"\xff" * 1216)], "a sealing key that cannot be used"),
    ],
    ids=[
        *("missing", "extra", "twice", "own", "parameters", "garbage", "signature", "certificate"),
        "sealing key",
    ],
)
def test_rosters_that_are_not_as_agreed_are_refused(entries: list[SignedEntry], why: str) -> None:
    """Whatever the founder sends, only the set that this peer agreed to makes a session."""
    with pytest.raises(AgreementFailed, match=why):
        Session.close(PARAMETERS, entries, KEYS[0].id)


def test_strangers_to_the_allow_list_are_refused() -> None:
    """With an allow-list in the parameters, a roster with anybody else makes no session."""
    allowed = tuple(sorted([KEYS[0].id, KEYS[1].id, b"\x01" * 32]))
    parameters = replace(PARAMETERS, allowed=allowed)
    with pytest.raises(AgreementFailed, match="not on the allow-list: peer-03"):
        make_sessions(parameters, [1, 2, 3], KEYS)
    named = replace(PARAMETERS, allowed=tuple(key.id for key in KEYS))
    assert len(make_sessions(named, [1, 2, 3], KEYS)[2]) == 3


def test_rosters_without_their_founder_are_refused() -> None:
    """Whoever gave the entries out is one of them."""
    founder = identities(1)[0].id
    with pytest.raises(AgreementFailed, match="the founder is not in its own roster"):
        Session.close(PARAMETERS, ENTRIES, KEYS[0].id, founder=founder)


def test_rosters_of_observers_only_are_refused() -> None:
    """Where nobody brings an input there is nothing to sum."""
    with pytest.raises(AgreementFailed, match="all peers observe"):
        make_sessions(PARAMETERS, [0, 0, 0], KEYS)


@pytest.mark.parametrize("weight", [2, -1])
def test_rosters_that_show_private_weights_are_refused(weight: int) -> None:
    """Where weights are private, every contributor's public one is 1, and the bound leaves room."""
    private = replace(PARAMETERS, weight_bound=10)
    session = make_sessions(private, [1, 0, 1], KEYS)[2][0]
    assert session.possible_weights == (10, 10)
    assert session.total_limits == (20 * session.bound, 20)
    with pytest.raises(AgreementFailed, match=f"a weight of {weight}, and weights are private"):
        make_sessions(private, [1, 1, weight], KEYS)


@given(st.binary(max_size=80), st.binary(min_size=64, max_size=64))
def test_entries_of_any_bytes_are_refused(body: bytes, signature: bytes) -> None:
    """No entry that nobody signed gets through, and none ends in another kind of error."""
    with pytest.raises(RemoteProtocolError):
        Member.verify(SignedEntry(body, signature, "127.0.0.1:9000"))


def test_differences_between_rosters_are_shown() -> None:
    """Every kind of difference has its line, with the short IDs of those it is about."""
    mine = SESSIONS[0]
    stranger = identities(1)[0]
    there = make_sessions(
        replace(PARAMETERS, length=5), [5, 7, 1], sorted([*KEYS[:2], stranger], key=lambda k: k.id)
    )[2][0]
    lines = roster_differences(mine, there.acceptance)
    short = [key.id.hex()[:8] for key in [*KEYS, stranger]]
    assert lines[0] == "length is 4 here and 5 there"
    assert f"{short[2]} is only in the roster here" in lines
    assert f"{short[3]} is only in the roster there" in lines
    again = Session.close(PARAMETERS, [*ENTRIES[:2], entry(KEYS[2])], KEYS[0].id)
    assert roster_differences(mine, again.acceptance) == [
        f"{short[2]} has another HELLO there (name, keys or nonce)"
    ]
    heavier = Session.close(PARAMETERS, [*ENTRIES[:2], entry(KEYS[2], weight=9)], KEYS[0].id)
    assert roster_differences(mine, heavier.acceptance) == [
        f"{short[2]} has weight 1 here and 9 there"
    ]
    turned = replace(mine.acceptance, entries=mine.acceptance.entries[::-1])
    assert roster_differences(mine, turned) == ["the order of the roster differs"]


# -- the notary -----------------------------------------------------------------------------


@pytest.mark.parametrize("message", [Confirm(b"\x01" * 32), Share(b"sealed")])
def test_signed_messages_open_at_their_receiver(message: Message) -> None:
    """What one member signs opens at another as the same message with the same bytes."""
    receiver = 2 if message.kind in PAIRWISE else None
    signed = NOTARIES[0].sign(message, round_number=3, receiver=receiver)
    opened = NOTARIES[1].open(1, frame(frame_bytes(signed), NOTARIES[1].limits))
    assert opened == signed
    assert opened.round == 3


def test_signatures_are_over_the_reference_input() -> None:
    """A signature covers exactly what the protocol says, and nothing is signed twice."""
    session, message = SESSIONS[0], Confirm(b"\x01" * 32)
    signed = NOTARIES[0].sign(message, round_number=3)
    digest = reference.body_digest(14, signed.body)
    data = reference.signing_input(session.id, 3, 14, KEYS[0].id, bytes(32), digest)
    assert signed.signature == KEYS[0].sign(data)
    accepted = NOTARIES[0].sign(session.acceptance)
    digest = reference.body_digest(5, accepted.body)
    data = reference.signing_input(bytes(32), 0, 5, KEYS[0].id, bytes(32), digest)
    assert accepted.signature == KEYS[0].sign(data)


def test_messages_of_others_do_not_open() -> None:
    """Reflected, relayed, redirected or replayed messages convict the link they came over."""
    confirm = frame_bytes(NOTARIES[0].sign(Confirm(b"\x01" * 32)))
    share = frame_bytes(NOTARIES[0].sign(Share(b"sealed"), receiver=3))
    elsewhere = Notary(KEYS[0], make_sessions(PARAMETERS, [5, -2, 1], KEYS)[2][0])
    replayed = frame_bytes(elsewhere.sign(Confirm(b"\x01" * 32)))
    cases = [
        (NOTARIES[0], 2, confirm),  # reflected to its sender
        (NOTARIES[1], 3, confirm),  # in another peer's name
        (NOTARIES[1], 1, share),  # meant for somebody else
        (NOTARIES[1], 1, replayed),  # from another session
    ]
    for notary, link, data in cases:
        with pytest.raises(RemoteProtocolError, match="does not verify") as caught:
            notary.open(link, frame(data, notary.limits))
        assert caught.value.peers == (link,)
        assert caught.value.message.startswith(f"peer-0{link} (")


SAID: list[Message] = [
    SESSIONS[0].acceptance,
    Commitment(bytes(32), (bytes(32),) * 3, (bytes(32),) * 3),
    Share(b"sealed"),
    Partial(bytes(20)),
    Echo((bytes(64),) * 3, (EchoEntry(bytes(32), bytes(64), bytes(32), bytes(64)),) * 3),
    Open(bytes(32), (bytes(64),) * 3),
    Unmask(1, bytes(33)),
    Confirm(bytes(32)),
    Abort(3, (), ""),
]


@pytest.mark.parametrize("message", SAID, ids=lambda message: message.kind.name)
def test_no_kind_of_message_goes_unverified(message: Message) -> None:
    """Whatever a session has to say opens under the signature of its sender, and no other one."""
    signed = NOTARIES[0].sign(message, receiver=2 if message.kind in PAIRWISE else None)
    good = frame(frame_bytes(signed), NOTARIES[1].limits)
    assert NOTARIES[1].open(1, good).message == message
    unbound = sign_before_session(KEYS[0], message, TO_ALL).signature
    for signature in (bytes(64), *([unbound] if message.kind is not Kind.ACCEPT else [])):
        with pytest.raises(RemoteProtocolError, match="does not verify"):
            NOTARIES[1].open(1, replace(good, signature=signature))


def test_whatever_a_frame_says_about_itself_is_signed() -> None:
    """Another round, kind or body under the same signature does not open."""
    signed = NOTARIES[0].sign(Confirm(b"\x01" * 32))
    good = frame(frame_bytes(signed), NOTARIES[1].limits)
    others = (
        replace(good, round=1),
        replace(good, kind=Kind.PARTIAL, body=bytes(20)),
        replace(good, kind=Kind.OPEN),
        replace(good, body=good.body[:-1] + b"\x02"),
        replace(good, signature=bytes(64)),
        replace(good, signature=b""),
    )
    for other in others:
        with pytest.raises(RemoteProtocolError, match="does not verify"):
            NOTARIES[1].open(1, other)


def raw_frame(kind: Kind, body: bytes) -> Frame:
    """Return a frame that member 1 signs to member 2, or to all, with any body."""
    session = SESSIONS[0]
    to = KEYS[1].id if kind in PAIRWISE else TO_ALL
    session_id = bytes(32) if kind is Kind.ACCEPT else session.id
    digest = body_digest(kind, body)
    data = reference.signing_input(session_id, 0, kind, KEYS[0].id, to, digest)
    return Frame(kind, 0, KEYS[0].sign(data), body)


@given(st.sampled_from(sorted(frozenset(Kind) - BEFORE)), st.binary(max_size=80))
def test_signed_garbage_names_its_sender(kind: Kind, body: bytes) -> None:
    """Garbage under a good signature is a message, or a violation of the one who signed it."""
    error: RemoteProtocolError | None = None
    try:
        opened = NOTARIES[1].open(1, raw_frame(kind, body))
    except RemoteProtocolError as raised:
        error = raised
    if error is None:
        assert encode_body(opened.message) == body
    else:
        assert isinstance(error, Dispute) == (
            kind not in {Kind.ACCEPT, Kind.ABORT, Kind.ALIVE, Kind.RELAY}
        )
        assert error.peers == (1,)
        assert kind.name in error.message


def test_signatures_of_others_can_be_judged() -> None:
    """A member's signature on a digest is told from everything else, without an exception."""
    notary = NOTARIES[1]
    signed = NOTARIES[0].sign(Partial(bytes(20)))
    assert notary.is_signed_by(1, Kind.PARTIAL, 0, signed.digest, signed.signature)
    assert not notary.is_signed_by(3, Kind.PARTIAL, 0, signed.digest, signed.signature)
    assert not notary.is_signed_by(1, Kind.COMMITMENT, 0, signed.digest, signed.signature)
    assert not notary.is_signed_by(1, Kind.PARTIAL, 1, signed.digest, signed.signature)
    assert not notary.is_signed_by(1, Kind.PARTIAL, 0, bytes(32), signed.signature)
    assert not notary.is_signed_by(1, Kind.PARTIAL, 0, signed.digest, b"")


def test_acceptances_can_be_judged() -> None:
    """A member's signature on the roster as it is seen here is told from everything else."""
    accepted = NOTARIES[0].sign(SESSIONS[0].acceptance)
    notary, digest = NOTARIES[1], NOTARIES[1].digest_of(SESSIONS[0].acceptance)
    assert notary.is_signed_by(1, Kind.ACCEPT, 0, digest, accepted.signature)
    assert not notary.is_signed_by(3, Kind.ACCEPT, 0, digest, accepted.signature)
    elsewhere = make_sessions(PARAMETERS, [5, -2, 1], KEYS)[2][0]
    other = Notary(KEYS[0], elsewhere).sign(elsewhere.acceptance)
    assert not notary.is_signed_by(1, Kind.ACCEPT, 0, digest, other.signature)


@pytest.mark.parametrize("message", [SESSIONS[0].acceptance, Abort(3, (), "gone")])
def test_what_belongs_to_no_round_says_none(message: Message) -> None:
    """An ACCEPT or ABORT that was signed for a round is refused: a transcript could not hold it."""
    signed = NOTARIES[0].sign(message, round_number=1)
    with pytest.raises(RemoteProtocolError, match="belongs to no round") as caught:
        NOTARIES[1].open(1, frame(frame_bytes(signed), NOTARIES[1].limits))
    assert caught.value.peers == (1,)


def test_entries_are_signed_for_their_parameters() -> None:
    """An entry's signature covers its digest, under the parameters in the place of a session."""
    signed = entry(KEYS[0])
    digest = reference.body_digest(3, signed.body)
    agreed = parameters_digest(PARAMETERS)
    data = reference.signing_input(agreed, 0, 3, KEYS[0].id, bytes(32), digest)
    assert signed.signature == KEYS[0].sign(data)


def test_signatures_on_entries_can_be_judged() -> None:
    """A second entry that a member signed convicts it; one that it did not sign does not."""
    second = Member.verify(entry(KEYS[2]))
    notary = NOTARIES[0]
    assert notary.is_signed_by(3, Kind.HELLO, 0, second.digest, second.signed.signature)
    assert not notary.is_signed_by(2, Kind.HELLO, 0, second.digest, second.signed.signature)
    assert not notary.is_signed_by(3, Kind.HELLO, 0, bytes(32), second.signed.signature)
    elsewhere = Member.verify(entry(KEYS[2], parameters=replace(PARAMETERS, nonce=bytes(32))))
    assert not notary.is_signed_by(3, Kind.HELLO, 0, elsewhere.digest, elsewhere.signed.signature)


# -- before there is a session --------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [Join(KEYS[0].public_key, b"\x01" * 32), Abort(6, (), "not listed")]
)
def test_messages_before_a_session_bind_sender_and_receiver(message: Message) -> None:
    """A message of discovery opens for the one it was signed to, and for nobody else."""
    limits = Limits(peers=3)
    signed = sign_before_session(KEYS[0], message, KEYS[1].id)
    read = frame(frame_bytes(signed), limits)

    def opened(sender: Identity, receiver: Identity) -> Message:
        return open_before_session(
            read,
            limits,
            sender=sender.id,
            public_key=sender.public_key,
            receiver=receiver.id,
        )

    assert opened(KEYS[0], KEYS[1]) == message
    for sender, receiver in ((KEYS[0], KEYS[2]), (KEYS[1], KEYS[1]), (KEYS[1], KEYS[0])):
        with pytest.raises(RemoteProtocolError, match="does not verify"):
            opened(sender, receiver)


def test_a_join_verifies_under_the_key_it_brings() -> None:
    """A JOIN needs no known sender: its key signs it, to one receiver."""
    limits, join = Limits(peers=3), Join(KEYS[0].public_key, b"\x01" * 32)
    read = frame(frame_bytes(sign_before_session(KEYS[0], join, KEYS[1].id)), limits)
    assert open_join(read, limits, receiver=KEYS[1].id) == join
    foreign = sign_before_session(KEYS[2], join, KEYS[1].id)
    for other, receiver in ((read, KEYS[2]), (frame(frame_bytes(foreign), limits), KEYS[1])):
        with pytest.raises(RemoteProtocolError, match="does not verify"):
            open_join(other, limits, receiver=receiver.id)


def test_a_join_of_another_version_shows_both() -> None:
    """Versions are compared before signatures, which another version may make otherwise."""
    read = Frame(Kind.JOIN, 0, bytes(64), bytes([0x91, 7]))
    with pytest.raises(AgreementFailed, match=r"version 1, the other one 7$"):
        open_join(read, Limits(), receiver=KEYS[1].id)


@given(st.sampled_from(Kind), st.binary(max_size=80), st.booleans())
def test_garbage_before_a_session_is_refused(kind: Kind, body: bytes, signed: bool) -> None:
    """Garbage of a stranger, signed or not, ends in a refusal, and nothing else."""
    digest = body_digest(kind, body)
    data = reference.signing_input(bytes(32), 0, kind, KEYS[0].id, KEYS[1].id, digest)
    signature = KEYS[0].sign(data) if signed else bytes(64)
    try:
        message = open_before_session(
            Frame(kind, 0, signature, body),
            Limits(peers=3, length=5),
            sender=KEYS[0].id,
            public_key=KEYS[0].public_key,
            receiver=KEYS[1].id,
        )
    except (RemoteProtocolError, AgreementFailed):
        return
    assert signed
    assert encode_body(message) == body


# -- sealing in a session -------------------------------------------------------------------


def test_sealers_of_a_session_reach_the_member_they_mean() -> None:
    """What is sealed to a roster index opens with the key of its HELLO, and with no other."""
    sealers = [SessionSealer(s, key) for s, key in zip(SESSIONS, SEALING, strict=True)]
    sealed = sealers[0].seal(2, b"a seed", b"info")
    assert sealers[1].open(1, sealed, b"info") == b"a seed"
    for sealer in (sealers[0], sealers[2], SessionSealer(SESSIONS[1], SealingKey(os.urandom))):
        with pytest.raises(RemoteProtocolError, match="does not open"):
            sealer.open(1, sealed, b"info")


def test_bodies_stay_out_of_the_repr_of_signed_messages() -> None:
    """The bytes of a message are not shown with it."""
    signed = NOTARIES[0].sign(Open(b"\xab" * 32, (bytes(64),) * 3))
    assert "body" not in repr(signed)
