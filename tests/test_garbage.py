"""Garbage inside valid frames: signed by its sender's own key, so that it meets what lies behind the signature."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import session as scripts
from fuzz.mutation import mutated
from p2pmpc.endings import error_of_abort
from p2pmpc.envelope import open_before_session
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError, exit_code_of
from p2pmpc.evidence import Claim, Dispute, Evidence, Statement
from p2pmpc.frames import Frame, Limits, body_digest, parse_frame, signing_input
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.membership import Admission, Candidate, make_entry
from p2pmpc.messages import (
    NO_SESSION,
    Abort,
    Hello,
    Join,
    Kind,
    Partial,
    RosterList,
    SignedEntry,
    is_display_text,
)
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.session import Session
from p2pmpc.wire import decode_entry, encode_body, encode_evidence, parameters_digest
from tests.frames import halves
from tests.party import Party, identities

FOUNDER, JOINER, THIRD = identities(3)
SEALING = SealingKey(os.urandom)
PARAMETERS = Parameters(b"\x07" * 32, 3, length=4)
ADDRESS = "127.0.0.1:9000"
CULPRIT, VICTIM = 3, 2

JOIN = Join(JOINER.public_key, bytes(32))

many = settings(max_examples=120)
randoms = st.integers(0, 2**32).map(Random)


def own_entry(key: Identity) -> SignedEntry:
    """Return the rightful entry of a peer."""
    return make_entry(
        key,
        SEALING,
        PARAMETERS,
        nonce=bytes(32),
        weight=1,
        name="somebody",
        address=ADDRESS,
    )


def signed_entry(body: bytes) -> SignedEntry:
    """Return any bytes as an entry that the joiner signed, under the parameters that they name."""
    agreed = parameters_digest(PARAMETERS)
    with suppress(RemoteProtocolError):  # as if it named those of the session
        agreed = decode_entry(body).parameters_digest
    digest = body_digest(Kind.HELLO, body)
    data = signing_input(agreed, 0, Kind.HELLO, JOINER.id, NO_SESSION, digest)
    return SignedEntry(body, JOINER.sign(data), ADDRESS)


def can_be_shown(error: P2PMPCError) -> bool:
    """Return whether an error holds nothing that a terminal would take for a command."""
    return all(is_display_text(line, 2000) for line in error.describe().splitlines())


def refusal(attempt: Callable[[], object]) -> P2PMPCError | None:
    """Return what an attempt is refused with, in words that can be shown; anything else is raised."""
    refused: P2PMPCError | None = None
    try:
        attempt()
    except (RemoteProtocolError, AgreementFailed) as error:
        refused = error
    assert refused is None or can_be_shown(refused)
    return refused


# -- before there is a session ------------------------------------------------------------------


@many
@given(randoms)
def test_entries_near_a_rightful_one_are_taken_or_refused(random: Random) -> None:
    """Whatever a joiner signs about itself, it gets in under its own name, or is refused in plain words."""
    hello = Hello(signed_entry(mutated(own_entry(JOINER).body, random)))
    founder = Admission(PARAMETERS, FOUNDER.id, own_entry(FOUNDER))
    refused = refusal(lambda: founder.enter(JOIN, hello))
    assert founder.joined == ((FOUNDER.id, JOINER.id) if refused is None else (FOUNDER.id,))


@many
@given(randoms)
def test_a_hello_of_any_bytes_is_taken_or_refused(random: Random) -> None:
    """A frame with a good signature and any body gets its sender in, or refused in plain words."""
    body = mutated(encode_body(Hello(own_entry(JOINER))), random)
    digest = body_digest(Kind.HELLO, body)
    data = signing_input(NO_SESSION, 0, Kind.HELLO, JOINER.id, FOUNDER.id, digest)
    frame = Frame(Kind.HELLO, 0, JOINER.sign(data), body)
    founder = Admission(PARAMETERS, FOUNDER.id, own_entry(FOUNDER))
    who = {"sender": JOINER.id, "public_key": JOINER.public_key, "receiver": FOUNDER.id}

    def enter() -> None:
        said = open_before_session(frame, founder.limits, **who)
        assert isinstance(said, Hello)
        founder.enter(JOIN, said)

    refused = refusal(enter)
    assert founder.joined == ((FOUNDER.id, JOINER.id) if refused is None else (FOUNDER.id,))


@many
@given(randoms)
def test_a_roster_of_any_bytes_is_taken_or_refused(random: Random) -> None:
    """Whatever list a founder signs, a joiner closes a session with itself in it, or refuses it in plain words."""
    own, sessions = own_entry(JOINER), list[Session]()
    rightful = RosterList((own_entry(FOUNDER), own, own_entry(THIRD)))
    body = mutated(encode_body(rightful), random)
    digest = body_digest(Kind.ROSTER, body)
    data = signing_input(NO_SESSION, 0, Kind.ROSTER, FOUNDER.id, NO_SESSION, digest)
    frame = Frame(Kind.ROSTER, 0, FOUNDER.sign(data), body)
    who = {"sender": FOUNDER.id, "public_key": FOUNDER.public_key, "receiver": NO_SESSION}

    def close() -> None:
        roster = open_before_session(frame, Limits(peers=3), **who)
        assert isinstance(roster, RosterList)
        candidate = Candidate(JOINER, bytes(32), Stated())
        sessions.append(candidate.accept_roster(PARAMETERS, own, roster, FOUNDER.id)[0])

    if refusal(close) is None:
        (session,) = sessions
        assert [member.id for member in session.members] == [k.id for k in (FOUNDER, JOINER, THIRD)]
        assert session.member(session.own_index).signed.body == own.body


# -- in a session -------------------------------------------------------------------------------


@many
@given(st.binary(max_size=80))
def test_whatever_one_peer_does_honest_ones_end_well(script: bytes) -> None:
    """In sessions of all modes a script lies for one peer: no wrong total, an end, and the right name."""
    scripts.run(script)


@many
@given(randoms, st.integers(0, 60))
def test_messages_near_a_rightful_one_never_make_a_wrong_total(random: Random, moment: int) -> None:
    """One message of one peer is altered within its structure, and signed again, for some or for all."""
    cast, culprit = random.randrange(5), random.randrange(4)
    lie = random.choice((10, 14, 17, 19))
    scripts.run(
        bytes([cast, culprit, *(0,) * moment, lie, *random.randbytes(2), lie, *random.randbytes(8)])
    )


@cache
def proofs() -> tuple[Party, tuple[bytes, ...]]:
    """Return a session, and evidence in it: against its culprit, and in the same form against a victim."""
    party = Party([[1, -2], [30, 40], [-500, 600]])
    party.start()
    party.run_to_echo()
    both = [party.member(CULPRIT).notary.sign(Partial(bytes([k]) * 12)) for k in (0, 1)]
    said = tuple(Statement.of(CULPRIT, signed) for signed in both)
    summed = party.member(1).round.links[VICTIM].message(Kind.PARTIAL)
    honest = Statement.of(VICTIM, summed)
    found = (
        Evidence(Claim.EQUIVOCATION, CULPRIT, said),
        Evidence(Claim.EQUIVOCATION, VICTIM, (honest, honest)),
        Evidence(Claim.ILL_FORMED, VICTIM, (honest,)),
        Evidence(Claim.FALSE_ECHO, VICTIM, (honest,)),
    )
    return party, tuple(map(encode_evidence, found))


def shown(party: Party, evidence: bytes) -> P2PMPCError:
    """Return what the first peer makes of evidence that the culprit shows against a victim."""
    member = party.members[1]
    body = encode_body(Abort(4, (VICTIM,), "look", evidence))
    frame = party.forge(CULPRIT, Kind.ABORT, body)
    signed = member.notary.open(CULPRIT, parse_frame(Kind.ABORT, *halves(frame)))
    assert isinstance(signed.message, Abort)
    return error_of_abort(member.session, CULPRIT, signed.message)


@many
@given(randoms)
def test_no_evidence_of_any_bytes_convicts_an_honest_peer(random: Random) -> None:
    """Evidence that is altered speaks against who shows it, or proves what the culprit signed; nothing else."""
    party, known = proofs()
    told = shown(party, mutated(random.choice(known), random))
    assert exit_code_of(told) == 4
    assert CULPRIT in told.peers
    assert can_be_shown(told)
    if isinstance(told, Dispute):
        assert told.evidence.culprit == CULPRIT


def test_the_evidence_that_is_altered_is_judged_rightly() -> None:
    """As it is, the first convicts the culprit; the others, against a victim, speak against who shows them."""
    party, (good, *false) = proofs()
    assert isinstance(shown(party, good), Dispute)
    for evidence in false:
        told = shown(party, evidence)
        assert not isinstance(told, Dispute)
        assert told.peers == (CULPRIT,)


@pytest.mark.parametrize("number", range(5))
def test_a_session_left_alone_ends_with_its_total(number: int) -> None:
    """A script without a lie ends with the right total everywhere: what lies are tried on is a sum that works."""
    stage = scripts.Stage(scripts.Script(bytes([number, 0])))
    stage.play()
    stage.check()
    assert all(member.finished is not None for member in stage.members.values())
