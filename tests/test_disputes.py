"""Who is to blame: evidence proves what it claims to anybody, and honest statements prove nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from p2pmpc.dealing import RoundContext
from p2pmpc.disputes import check_evidence, who_lied
from p2pmpc.endings import error_of_abort
from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError, VerificationFailed
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement
from p2pmpc.exhibit import check_exhibit, render_evidence
from p2pmpc.frames import body_digest
from p2pmpc.identity import format_id
from p2pmpc.messages import (
    Abort,
    Accept,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    Signed,
    Slice,
    SliceSum,
    Unmask,
)
from p2pmpc.parameters import Parameters
from p2pmpc.session import Session
from p2pmpc.wire import decode_evidence, encode_evidence
from tests.party import Party, make_sessions

ZEROS = bytes(32)
CULPRIT = 2


def finished_party(**parameters: Any) -> Party:
    """Return three contributors and an observer after an honest round in which 3 was recovered."""
    party = Party([[1], [2], [0], [4]], [1, 2, 0, 4], **parameters)
    party.start()
    party.run()
    assert party.totals() == [[21]] * 4
    return party


PARTY = finished_party()
SESSION = PARTY.members[1].session
SHARDED = finished_party(sum_mode="sharded")


def said_by(index: int, kind: Kind, receiver: int = TO_EVERYBODY) -> Statement:
    """Return what a peer honestly said in the round."""
    if kind is Kind.HELLO:
        member = SESSION.member(index)
        signature = member.signed.signature
        return Statement(index, 0, Kind.HELLO, 0, member.digest, signature, member.signed.body)
    if kind is Kind.ACCEPT:
        signed: Signed[Message] = PARTY.members[index].notary.sign(SESSION.acceptance)
        return Statement.of(index, signed)
    hearer = receiver or next(other for other in SESSION.contributors if other != index)
    signed = PARTY.members[hearer].round.links[index].message(kind)
    return Statement.of(index, signed, receiver=receiver)


def said_falsely(index: int, message: Message, receiver: int = TO_EVERYBODY) -> Statement:
    """Return anything at all, signed by a peer."""
    notary = PARTY.members[index].notary
    return Statement.of(index, notary.sign(message, receiver=receiver or None), receiver=receiver)


def forged(index: int, kind: Kind, body: bytes) -> Statement:
    """Return any bytes, signed by a peer as if they were a message of the kind."""
    frame = PARTY.forge(index, kind, body)
    return Statement(index, 0, kind, 0, body_digest(kind, body), frame[9:73], body)


def unmasked(index: int, about: int) -> Statement:
    """Return the mask share that a peer would honestly hand out."""
    plain = PARTY.members[index].round.links[about].plain
    assert plain is not None
    return said_falsely(index, Unmask(about, plain.mask_share))


def commitment_of(index: int) -> Commitment:
    """Return what a peer committed to."""
    message = PARTY.members[1 if index != 1 else 2].round.links[index].message(Kind.COMMITMENT)
    assert isinstance(message.message, Commitment)
    return message.message


def echo_of(index: int) -> Echo:
    """Return what a peer echoed."""
    message = PARTY.members[1 if index != 1 else 2].round.links[index].message(Kind.ECHO).message
    assert isinstance(message, Echo)
    return message


def opening_of(index: int) -> Open:
    """Return what a peer opened."""
    message = PARTY.members[1 if index != 1 else 2].round.links[index].message(Kind.OPEN).message
    assert isinstance(message, Open)
    return message


def wrong_dealing() -> Evidence:
    """Return a commitment whose mask shares are good and whose mask is another."""
    shares = {holder: bytes([holder]) * 33 for holder in SESSION.contributors}
    shares = {holder: b"\x00" + share[1:] for holder, share in shares.items()}
    context = RoundContext(SESSION, 0)
    hashes = tuple(context.mask_share_hash(CULPRIT, h, s) for h, s in shares.items())
    commitment = replace(commitment_of(CULPRIT), mask_shares=hashes)
    chosen = tuple(list(shares.items())[: SESSION.threshold])
    return Evidence(Claim.WRONG_DEALING, CULPRIT, (said_falsely(CULPRIT, commitment),), chosen)


def another_roster() -> Statement:
    """Return an ACCEPT of the culprit for another roster in which its own entry is the same."""
    lines = SESSION.acceptance.entries
    return said_falsely(CULPRIT, Accept(SESSION.parameters, lines[1:] + lines[:1]))


def another_entry() -> Statement:
    """Return another HELLO of the culprit for the same parameters."""
    keys = [PARTY.members[index].identity for index in SESSION.indices]
    other = make_sessions(SESSION.parameters, [1, 5, 0, 4], keys)[2][0].member(CULPRIT)
    return Statement(CULPRIT, 0, Kind.HELLO, 0, other.digest, other.signed.signature)


def of(claim: Claim, *statements: Statement) -> Evidence:
    """Return evidence against the culprit."""
    return Evidence(claim, CULPRIT, statements)


def proofs() -> Iterator[tuple[str, Evidence]]:
    """Yield evidence of everything that can be proven."""
    honest = {kind: said_by(CULPRIT, kind) for kind in (Kind.COMMITMENT, Kind.ECHO, Kind.OPEN)}
    other_mask = replace(commitment_of(CULPRIT), mask=ZEROS)
    for name, message in (
        ("commitments", other_mask),
        ("partials", Partial(bytes(8))),
        ("echoes", Echo(echo_of(1).acceptances[::-1], echo_of(1).entries)),
        ("openings", replace(opening_of(CULPRIT), mask_seed=ZEROS)),
        ("totals", Confirm(ZEROS)),
    ):
        one, two = said_by(CULPRIT, message.kind), said_falsely(CULPRIT, message)
        yield f"two {name}", of(Claim.EQUIVOCATION, one, two)
    shares = said_by(CULPRIT, Kind.SHARE, 1), said_falsely(CULPRIT, Share(b"other"), 1)
    yield "two shares", of(Claim.EQUIVOCATION, *shares)
    shares = unmasked(CULPRIT, 1), said_falsely(CULPRIT, Unmask(1, bytes(33)))
    yield "two mask shares", of(Claim.EQUIVOCATION, *shares)
    yield "two rosters", of(Claim.EQUIVOCATION, said_by(CULPRIT, Kind.ACCEPT), another_roster())
    yield "two entries", of(Claim.TWO_ENTRIES, said_by(CULPRIT, Kind.HELLO), another_entry())
    yield "garbage", of(Claim.ILL_FORMED, forged(CULPRIT, Kind.OPEN, b"\xc1"))
    yield "an element >= p", of(Claim.ILL_FORMED, forged(CULPRIT, Kind.PARTIAL, b"\xff" * 8))
    yield "a short partial", of(Claim.ILL_FORMED, forged(CULPRIT, Kind.PARTIAL, bytes(4)))
    for_itself = replace(commitment_of(CULPRIT), shares=(b"\x01" * 32,) * 3)
    yield "a share for itself", of(Claim.ILL_FORMED, said_falsely(CULPRIT, for_itself))
    strict = replace(commitment_of(CULPRIT), mask_shares=())
    yield "no mask shares", of(Claim.ILL_FORMED, said_falsely(CULPRIT, strict))
    entries = echo_of(CULPRIT).entries
    made_up = Echo(echo_of(1).acceptances, (*entries[:2], replace(entries[2], partial=ZEROS)))
    yield "a false echo", of(Claim.FALSE_ECHO, said_falsely(CULPRIT, made_up))
    turned = Echo(echo_of(1).acceptances[::-1], entries)
    yield "false acceptances", of(Claim.FALSE_ECHO, said_falsely(CULPRIT, turned))
    other_share = said_falsely(CULPRIT, Share(b"other"), 1)
    yield "another share", of(Claim.WRONG_SHARE, honest[Kind.COMMITMENT], other_share)
    wrong = said_falsely(CULPRIT, replace(opening_of(CULPRIT), mask_seed=ZEROS))
    yield "another mask", of(Claim.WRONG_OPENING, honest[Kind.COMMITMENT], wrong)
    echoes = opening_of(CULPRIT).echoes
    early = said_falsely(CULPRIT, replace(opening_of(CULPRIT), echoes=(echoes[0], *echoes[:2])))
    yield "too early", of(Claim.EARLY_OPENING, honest[Kind.ECHO], early)
    of_one = said_by(1, Kind.COMMITMENT)
    share = said_falsely(CULPRIT, Unmask(1, bytes(33)))
    echo = honest[Kind.ECHO]
    yield "a wrong mask share", of(Claim.WRONG_MASK_SHARE, of_one, echo, share)
    yield "wrong dealing", wrong_dealing()


def sharded_proofs() -> Iterator[tuple[str, Evidence]]:
    """Yield evidence of what can be proven in sharded mode alone."""
    links, notary = SHARDED.members[1].round.links, SHARDED.members[CULPRIT].notary
    listed = Statement.of(CULPRIT, links[CULPRIT].message(Kind.PARTIAL))

    def said(message: Message, receiver: int | None = None) -> Statement:
        signed = notary.sign(message, receiver=receiver)
        return Statement.of(CULPRIT, signed, receiver=receiver or TO_EVERYBODY)

    other = said(SliceSum(0, memoryview(bytes(4))))
    yield "a piece that was not listed", of(Claim.WRONG_PIECE, listed, other)
    lists = listed, said(Partial(ZEROS))
    yield "two lists", of(Claim.EQUIVOCATION, *lists)
    yield "half a digest", of(Claim.ILL_FORMED, said(Partial(bytes(16))))
    too_large = said(Slice(0, memoryview(b"\xff" * 4)), 1)
    yield "a slice of no elements of the field", of(Claim.ILL_FORMED, too_large)
    to_observer = said(Slice(0, memoryview(bytes(4))), 3)
    yield "a slice for an observer", of(Claim.ILL_FORMED, to_observer)
    yield "a piece that no slice has", of(Claim.ILL_FORMED, said(SliceSum(1, memoryview(bytes(4)))))


PROOFS = dict(proofs())
SHARDED_PROOFS = dict(sharded_proofs())
PROOFS |= SHARDED_PROOFS


def party_of(name: str) -> Party:
    """Return the party in which a proof's statements were made."""
    return SHARDED if name in SHARDED_PROOFS else PARTY


def session_of(name: str) -> Session:
    """Return the session of a proof, as its first member sees it."""
    return party_of(name).members[1].session


@pytest.mark.parametrize("name", PROOFS)
def test_evidence_proves_its_claim_to_every_member(name: str) -> None:
    """Every member, the culprit and the observer included, comes to the same verdict."""
    evidence = decode_evidence(encode_evidence(PROOFS[name]))
    assert evidence == PROOFS[name]
    members = party_of(name).members.values()
    verdicts = {check_evidence(member.session, evidence) for member in members}
    assert len(verdicts) == 1


def test_every_claim_is_proven_above() -> None:
    """No judge goes without a proof that it accepts."""
    assert {evidence.claim for evidence in PROOFS.values()} == set(Claim)


def honest_statements() -> list[Statement]:
    """Return everything that was honestly signed in the round, and mask shares that could be."""
    to_all = [Kind.COMMITMENT, Kind.PARTIAL, Kind.ECHO, Kind.OPEN]
    said = [said_by(i, kind) for i, kind in product(SESSION.contributors, to_all)]
    said += [said_by(i, Kind.CONFIRM) for i in SESSION.contributors]
    said += [said_by(i, kind) for i, kind in product(SESSION.indices, (Kind.ACCEPT, Kind.HELLO))]
    pairs = [(i, j) for i, j in product(SESSION.contributors, repeat=2) if i != j]
    said += [said_by(i, Kind.SHARE, j) for i, j in pairs]
    return said + [unmasked(i, j) for i, j in pairs]


HONEST = honest_statements()


@pytest.mark.parametrize("claim", Claim)
def test_honest_statements_prove_nothing(claim: Claim) -> None:
    """No statement or pair of statements of honest peers, in either order, convicts anybody."""
    links = {holder: PARTY.members[holder].round.links for holder in (2, 4)}
    plains = {holder: link[1].plain for holder, link in links.items()}
    shares = tuple((holder, plain.mask_share) for holder, plain in plains.items() if plain)
    singles = [(statement,) for statement in HONEST]
    pairs = [
        (one, two)
        for one, two in product(HONEST, repeat=2)
        if one.sender == two.sender or one.kind is Kind.COMMITMENT or two.kind is Kind.COMMITMENT
    ]
    for statements in [*singles, *pairs, ()]:
        for culprit in {1, *(statement.sender for statement in statements)}:
            given = shares if claim is Claim.WRONG_DEALING else ()
            evidence = Evidence(claim, culprit, statements, given)
            with pytest.raises(VerificationFailed, match=f"not prove {claim.value}"):
                check_evidence(SESSION, evidence)


def other_end(data: bytes) -> bytes:
    """Return bytes with another last one."""
    return data[:-1] + bytes([data[-1] ^ 1]) if data else b"?"


def changed(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Yield evidence with one thing changed that makes it prove nothing."""
    yield "another culprit", replace(evidence, culprit=1)
    yield "nobody", replace(evidence, culprit=9)
    yield "an observer", replace(evidence, culprit=3)
    for place, statement in enumerate(evidence.statements):
        for name, other in (
            ("signature", replace(statement, signature=bytes(64))),
            ("digest", replace(statement, digest=ZEROS)),
            ("sender", replace(statement, sender=4)),
            ("no sender", replace(statement, sender=0)),
            ("round", replace(statement, round=1)),
            ("receiver", replace(statement, receiver=4)),
            ("no receiver", replace(statement, receiver=77)),
            ("kind", replace(statement, kind=Kind.JOIN)),
            ("body", replace(statement, body=other_end(statement.body))),
        ):
            statements = list(evidence.statements)
            statements[place] = other
            yield f"{name} of {place}", replace(evidence, statements=tuple(statements))
    yield "nothing", replace(evidence, statements=())
    yield "too much", replace(evidence, statements=evidence.statements * 2)
    if evidence.mask_shares:
        yield "fewer shares", replace(evidence, mask_shares=evidence.mask_shares[:-1])
        (holder, share), *others = evidence.mask_shares
        other_shares = ((holder, other_end(share)), *others)
        yield "another share", replace(evidence, mask_shares=other_shares)
        yield "of nobody", replace(evidence, mask_shares=((9, share), *others))
        yield "of an observer", replace(evidence, mask_shares=((3, share), *others))


@pytest.mark.parametrize("name", PROOFS)
def test_evidence_with_anything_changed_proves_nothing(name: str) -> None:
    """Signatures, senders, rounds, receivers, kinds, bodies, culprits: all of them are held."""
    for what, evidence in changed(PROOFS[name]):
        with pytest.raises(VerificationFailed):
            pytest.fail(f"{what}: {check_evidence(session_of(name), evidence)}")


def test_evidence_of_another_session_proves_nothing() -> None:
    """A statement binds its session: what two sessions saw is no equivocation."""
    other = finished_party()
    for evidence in PROOFS.values():
        with pytest.raises(VerificationFailed):
            check_evidence(other.members[1].session, evidence)


def test_acceptances_of_two_runs_prove_nothing() -> None:
    """A peer that is started again signs another roster, with another entry of its own."""
    keys = [PARTY.members[index].identity for index in SESSION.indices]
    again = make_sessions(SESSION.parameters, [1, 2, 0, 4], keys)[2][0]
    signed = Notary(keys[CULPRIT - 1], again).sign(again.acceptance)
    both = said_by(CULPRIT, Kind.ACCEPT), Statement.of(CULPRIT, signed)
    with pytest.raises(VerificationFailed, match="of different sessions"):
        check_evidence(SESSION, of(Claim.EQUIVOCATION, *both))


def test_messages_of_two_rounds_prove_nothing() -> None:
    """What is said in one round stands in another place than what is said in the next."""
    notary = PARTY.members[CULPRIT].notary
    summed = Statement.of(CULPRIT, notary.sign(Partial(bytes(8)), round_number=1))
    opened = replace(opening_of(CULPRIT), mask_seed=ZEROS)
    later = Statement.of(CULPRIT, notary.sign(opened, round_number=1))
    for claim, one, two in (
        (Claim.EQUIVOCATION, said_by(CULPRIT, Kind.PARTIAL), summed),
        (Claim.WRONG_OPENING, said_by(CULPRIT, Kind.COMMITMENT), later),
    ):
        with pytest.raises(VerificationFailed, match=r"different (places|rounds)"):
            check_evidence(SESSION, of(claim, one, two))


def test_shares_for_nobody_prove_nothing() -> None:
    """A SHARE has one receiver, and nothing else has."""
    both = [forged(CULPRIT, Kind.SHARE, body) for body in (b"one", b"another")]
    with pytest.raises(VerificationFailed, match="a receiver that messages of this kind"):
        check_evidence(SESSION, of(Claim.EQUIVOCATION, *both))


def test_two_reasons_to_end_prove_nothing() -> None:
    """A peer may say more than once that it ends."""
    said = [said_falsely(CULPRIT, Abort(3, (), reason)) for reason in ("one", "another")]
    with pytest.raises(VerificationFailed, match="may be said twice"):
        check_evidence(SESSION, of(Claim.EQUIVOCATION, *said))


@pytest.mark.parametrize("name", PROOFS)
def test_files_of_evidence_are_judged_as_evidence_is(name: str) -> None:
    """A file needs nothing beside it, has one form, and convicts nobody of what is not proven."""
    session = session_of(name)
    text = render_evidence(session, PROOFS[name])
    proven = check_exhibit(text)
    assert proven.culprit == format_id(session.member(CULPRIT).id)
    assert proven.what == check_evidence(session, PROOFS[name])
    with pytest.raises(VerificationFailed, match="not in its canonical form"):
        check_exhibit(json.dumps(json.loads(text)))
    with pytest.raises(VerificationFailed, match="does not prove"):
        check_exhibit(render_evidence(session, replace(PROOFS[name], culprit=1)))


@pytest.mark.parametrize("name", PROOFS)
def test_an_accusation_that_proves_nothing_speaks_against_who_makes_it(name: str) -> None:
    """Evidence that travels in an ABORT is judged by everybody who takes it."""
    session = replace(session_of(name), founder=4)
    for culprit, named in ((CULPRIT, CULPRIT), (1, 4)):
        evidence = encode_evidence(replace(PROOFS[name], culprit=culprit))
        error = error_of_abort(session, 4, Abort(4, (culprit,), "it lied", evidence))
        assert isinstance(error, Dispute) == (culprit == CULPRIT)
        assert named in error.peers
        assert len(error.peers) == 1 or error.peers == (CULPRIT, 4)


def test_without_the_body_nothing_is_read_into_a_digest() -> None:
    """A claim about what a message says needs the message."""
    for name, evidence in PROOFS.items():
        bare = tuple(replace(statement, body=b"") for statement in evidence.statements)
        try:
            check_evidence(session_of(name), replace(evidence, statements=bare))
        except VerificationFailed:
            continue
        assert evidence.claim in {Claim.EQUIVOCATION, Claim.TWO_ENTRIES}


def test_mask_shares_in_strict_mode_prove_themselves() -> None:
    """In a strict session nobody has a mask share to hand out."""
    party = finished_party(strict=True)
    session, notary = party.members[1].session, party.members[CULPRIT].notary
    committed = Statement.of(1, party.members[CULPRIT].round.links[1].message(Kind.COMMITMENT))
    echo = Statement.of(CULPRIT, party.members[1].round.links[CULPRIT].message(Kind.ECHO))
    share = Statement.of(CULPRIT, notary.sign(Unmask(1, bytes(33))))
    assert check_evidence(session, of(Claim.WRONG_MASK_SHARE, committed, echo, share))


def test_a_dealer_cannot_change_what_a_holder_was_dealt() -> None:
    """Another commitment, signed later, says nothing of a mask share that was dealt before."""
    later = said_falsely(CULPRIT, replace(commitment_of(CULPRIT), mask_shares=(ZEROS,) * 3))
    honest = said_by(1, Kind.ECHO), unmasked(1, CULPRIT)
    for claim in Claim:
        with pytest.raises(VerificationFailed):
            check_evidence(SESSION, Evidence(claim, 1, (later, *honest)))


def test_entries_of_a_roster_file_prove_nothing() -> None:
    """The parameters of a roster file are those of every run, and an old entry is no fault."""
    keys = [PARTY.members[index].identity for index in SESSION.indices]
    parameters = Parameters(bytes(32), 4)
    old, new = (make_sessions(parameters, [1, 2, 0, 4], keys)[2][0] for _ in range(2))
    entries = (
        Statement(CULPRIT, 0, Kind.HELLO, 0, member.digest, member.signed.signature)
        for member in (old.member(CULPRIT), new.member(CULPRIT))
    )
    with pytest.raises(VerificationFailed, match="with a roster file"):
        check_evidence(new, of(Claim.TWO_ENTRIES, *entries))


def test_entries_that_are_not_in_the_roster_prove_nothing() -> None:
    """One of the two must be the entry by which the culprit takes part."""
    with pytest.raises(VerificationFailed, match="neither is in the roster"):
        check_evidence(SESSION, of(Claim.TWO_ENTRIES, another_entry(), another_entry()))


def test_an_acceptance_of_another_version_proves_nothing() -> None:
    """An ACCEPT binds no session, so that one that cannot be read may be from anywhere."""
    with pytest.raises(VerificationFailed, match="no such message proves itself"):
        check_evidence(SESSION, of(Claim.ILL_FORMED, forged(CULPRIT, Kind.ACCEPT, b"\xc1")))


def test_evidence_has_no_room_for_more_than_it_needs() -> None:
    """Statements and mask shares beyond what a claim needs are refused before any is verified."""
    evidence = PROOFS["two commitments"]
    with pytest.raises(VerificationFailed, match="another number of statements"):
        check_evidence(SESSION, replace(evidence, statements=evidence.statements * 2))
    with pytest.raises(VerificationFailed, match="mask shares prove that claim alone"):
        check_evidence(SESSION, replace(evidence, mask_shares=((1, bytes(33)),)))
    many = replace(evidence, statements=evidence.statements * 2)
    with pytest.raises(RemoteProtocolError, match="more statements than any claim needs"):
        decode_evidence(encode_evidence(many))


# -- two echoes that differ ---------------------------------------------------------------------

KEYS, _, SESSIONS = make_sessions(Parameters(b"\x07" * 32, 4), [1, 2, 3, 4])
NOTARIES = [Notary(key, session) for key, session in zip(KEYS, SESSIONS, strict=True)]
ME, WITNESS = 1, 2


def heard(index: int, commitment: int = 0, partial: int = 0, round_number: int = 0) -> EchoEntry:
    """Return what a member was heard to say: its signature on one of several versions."""
    digest = bytes([commitment]) * 32
    notary = NOTARIES[index - 1]
    said = notary.sign(Commitment(digest, (), (digest,) * 4), round_number=round_number)
    summed = notary.sign(Partial(bytes([partial]) * 8), round_number=round_number)
    return EchoEntry(said.digest, said.signature, summed.digest, summed.signature)


ENTRIES = tuple(heard(index) for index in range(1, 5))
ACCEPTED = tuple(n.sign(SESSIONS[0].acceptance).signature for n in NOTARIES)


def verdict(acceptances: tuple[bytes, ...] = ACCEPTED, **other: EchoEntry) -> Dispute:
    """Return what member 1 decides when member 2 echoes other entries, named ``m<index>``."""
    entries = list(ENTRIES)
    for name, entry in other.items():
        entries[int(name[1:]) - 1] = entry
    echo = Echo(acceptances, tuple(entries))
    said = Statement.of(WITNESS, NOTARIES[WITNESS - 1].sign(echo))
    dispute = who_lied(SESSIONS[0], 0, Echo(ACCEPTED, ENTRIES), said, echo)
    assert check_evidence(SESSIONS[3], dispute.evidence)
    assert dispute.peers == (dispute.evidence.culprit,)
    return dispute


@pytest.mark.parametrize("version", [heard(3, commitment=1), heard(3, partial=1)])
def test_two_signed_versions_convict_their_signer(version: EchoEntry) -> None:
    """Who signed two commitments or two partial sums is named, and who showed it is told."""
    error = verdict(m3=version)
    assert error.peers == (3,)
    assert error.message == (
        f"{SESSIONS[0].label(3)} told different peers different things "
        f"(shown by {SESSIONS[0].label(2)})"
    )


def test_a_witness_can_convict_itself() -> None:
    """Two versions of the witness's own message, both signed by it, name it."""
    assert verdict(m2=heard(2, partial=1)).peers == (WITNESS,)


MADE_UP = [
    replace(ENTRIES[2], commitment=ZEROS),
    replace(ENTRIES[2], partial=ZEROS),
    replace(ENTRIES[2], commitment_signature=bytes(64)),
    replace(ENTRIES[2], partial_signature=ENTRIES[2].commitment_signature),
    heard(3, commitment=1, round_number=1),
    heard(4, commitment=1),
]


@pytest.mark.parametrize("version", MADE_UP)
def test_what_nobody_signed_convicts_the_witness(version: EchoEntry) -> None:
    """A version without good signatures of the one it is about was made up by who shows it."""
    error = verdict(m3=version)
    assert error.peers == (WITNESS,)
    assert error.message == f"{SESSIONS[0].label(2)} echoes what nobody signed"


def test_acceptances_that_nobody_signed_convict_the_witness() -> None:
    """The signatures on the roster are echoed as well."""
    assert verdict((*ACCEPTED[:2], bytes(64), ACCEPTED[3])).peers == (WITNESS,)


def test_nobody_is_convicted_by_what_this_peer_said_itself() -> None:
    """A differing entry about this peer, which knows what it said, convicts the witness."""
    assert verdict(m1=replace(ENTRIES[0], partial=ZEROS)).peers == (WITNESS,)


def test_a_proof_counts_beside_something_made_up() -> None:
    """A signed difference is found behind an unsigned one."""
    assert verdict(m3=MADE_UP[0], m4=heard(4, partial=1)).peers == (4,)
