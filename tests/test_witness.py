"""A witness: what it offers, whom it refuses, what counts as an objection."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from p2pmpc.errors import AgreementFailed, RemoteProtocolError
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.identity import Identity, SealingKey, short_id
from p2pmpc.membership import make_entry
from p2pmpc.messages import Abort, Hello, Join, Offer, RosterList, SignedEntry
from p2pmpc.parameters import Parameters
from p2pmpc.session import Session
from p2pmpc.witness import Witness, describe_difference
from tests.party import identities

KEYS = identities(4)
FOUNDER, WITNESS, JOINER, STRANGER = KEYS
PARAMETERS = Parameters(b"\x07" * 32, 3, length=4, bound=100)
SEALING = SealingKey(os.urandom)
NONCE, OTHER_NONCE = b"\x01" * 32, b"\x02" * 32


def entry(identity: Identity, parameters: Parameters = PARAMETERS, port: int = 9) -> SignedEntry:
    """Return a new signed entry of a peer."""
    nonce, address = os.urandom(32), f"192.0.2.1:{port}"
    return make_entry(
        identity, SEALING, parameters, nonce=nonce, weight=1, name="", address=address
    )


def witness(**changes: Any) -> Witness:
    """Return a witness of a founder, with changes to the parameters."""
    return Witness(Offer(NONCE, FOUNDER.id, replace(PARAMETERS, **changes)), WITNESS.id)


def knock(identity: Identity, nonce: bytes = NONCE) -> Join:
    """Return a peer's JOIN."""
    return Join(identity.public_key, nonce)


def closed(*entries: SignedEntry) -> Session:
    """Return the session of a roster, as the witness sees it."""
    return Session.close(PARAMETERS, entries, WITNESS.id, founder=FOUNDER.id)


def test_a_witness_offers_what_the_founder_offered() -> None:
    """PARAMETERS of a witness name the founder, and answer the joiner's own nonce."""
    assert witness().offer(knock(JOINER, OTHER_NONCE)) == Offer(OTHER_NONCE, FOUNDER.id, PARAMETERS)


def test_a_witness_refuses_what_the_founder_would() -> None:
    """Keys of the founder and its own, IDs that are not allowed, and late ones do not pass."""
    for identity in (FOUNDER, WITNESS):
        with pytest.raises(AgreementFailed, match="two nodes with one key"):
            witness().offer(knock(identity))
    listed = witness(allowed=tuple(sorted(key.id for key in (FOUNDER, WITNESS, JOINER))))
    listed.offer(knock(JOINER))
    with pytest.raises(AgreementFailed, match="does not list the ID"):
        listed.offer(knock(STRANGER))
    late = witness()
    late.close(closed(entry(FOUNDER), entry(WITNESS), entry(JOINER)))
    late.offer(knock(JOINER))
    with pytest.raises(AgreementFailed, match="session is closed"):
        late.offer(knock(STRANGER))


def test_a_witness_tells_two_nodes_with_one_key_apart() -> None:
    """Row 27: an ID that is here comes again with its own nonce alone, until it has left."""
    here = witness()
    here.enter(knock(JOINER), Hello(entry(JOINER)))
    here.offer(knock(JOINER))
    with pytest.raises(AgreementFailed, match="two nodes with one key"):
        here.offer(knock(JOINER, OTHER_NONCE))
    with pytest.raises(AgreementFailed, match="two nodes with one key"):
        here.enter(knock(JOINER, OTHER_NONCE), Hello(entry(JOINER)))
    here.leave(JOINER.id)
    here.offer(knock(JOINER, OTHER_NONCE))


def test_a_witness_holds_a_hello_to_its_link_and_the_parameters() -> None:
    """A HELLO in another's name, or under other parameters, is not taken."""
    with pytest.raises(RemoteProtocolError, match="somebody else's name"):
        witness().enter(knock(JOINER), Hello(entry(STRANGER)))
    with pytest.raises(AgreementFailed, match="other parameters"):
        witness().enter(knock(JOINER), Hello(entry(JOINER, replace(PARAMETERS, bound=5))))


def test_only_a_six_after_the_roster_objects() -> None:
    """A last word of any other code, or before there is a roster, says that its sender left."""
    here = witness()
    here.enter(knock(JOINER), Hello(entry(JOINER)))
    assert here.objection(JOINER.id, Abort(6, (), "why")) is None
    here.close(closed(entry(FOUNDER), entry(WITNESS), entry(STRANGER)))
    assert here.objection(JOINER.id, Abort(3, (), "why")) is None
    left_out = here.objection(JOINER.id, Abort(6, (), "why"))
    assert isinstance(left_out, AgreementFailed)
    assert "out of the roster" in left_out.message
    assert short_id(FOUNDER.id) in left_out.message
    assert short_id(JOINER.id) in left_out.message


def test_rosters_are_compared_line_by_line() -> None:
    """Equal sets in any order are no difference; another peer, HELLO or address is shown."""
    lines = entry(FOUNDER), entry(WITNESS), entry(JOINER)
    session = closed(*lines)
    assert describe_difference(session, RosterList(lines[::-1])) == ""
    other = describe_difference(session, RosterList((*lines[:2], entry(STRANGER))))
    assert f"{short_id(STRANGER.id)} is only in the roster there" in other
    assert f"{short_id(JOINER.id)} is only in the roster here" in other
    again = describe_difference(session, RosterList((*lines[:2], entry(JOINER))))
    assert "another HELLO there" in again
    moved = replace(lines[2], address="192.0.2.9:9")
    told = describe_difference(session, RosterList((*lines[:2], moved)))
    assert told == f"{short_id(JOINER.id)} has another address there"
    forged = replace(lines[2], signature=bytes(64))
    assert "wrong there" in describe_difference(session, RosterList((*lines[:2], forged)))
    assert describe_difference(session, RosterList((*lines, lines[2]))) == "a line is double there"


def test_another_hello_in_the_roster_is_a_proof() -> None:
    """Row 12: two entries of one owner convict it together with the founder; one alone says nothing."""
    here, said = witness(), entry(JOINER)
    here.enter(knock(JOINER), Hello(said))
    assert here.proof is None
    here.close(closed(entry(FOUNDER), entry(WITNESS), said))
    assert here.proof is None
    here.close(closed(entry(FOUNDER), entry(WITNESS), entry(JOINER)))
    proof = here.proof
    assert isinstance(proof, Dispute)
    assert proof.evidence.claim is Claim.TWO_ENTRIES
    assert len(proof.peers) == 2
