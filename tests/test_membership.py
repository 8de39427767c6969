"""HELLO -> ROSTER: who gets in, and what a difference between two rosters proves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from p2pmpc.actions import Action, Agreed, Failed, Reached, Send
from p2pmpc.agreement import Agreement, check_allowed
from p2pmpc.disputes import check_evidence
from p2pmpc.endings import abort_message, error_of_abort
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    InputRefused,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    ResourceExhausted,
    Revealed,
)
from p2pmpc.evidence import Dispute
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.membership import Admission, Candidate, make_entry
from p2pmpc.messages import Abort, Accept, Hello, Join, Message, RosterList, Signed, SignedEntry
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.session import Session
from tests.party import identities, make_sessions

KEYS = identities(4)
FOUNDER, JOINER, THIRD, STRANGER = KEYS
PARAMETERS = Parameters(b"\x07" * 32, 3, length=4, bound=100)
SEALING = SealingKey(os.urandom)
NONCE, OTHER_NONCE = b"\x01" * 32, b"\x02" * 32


def entry(
    identity: Identity, parameters: Parameters = PARAMETERS, weight: int = 1, port: int = 9000
) -> SignedEntry:
    """Return a new signed entry of a peer."""
    return make_entry(
        identity,
        SEALING,
        parameters,
        nonce=os.urandom(32),
        weight=weight,
        name="",
        address=f"127.0.0.1:{port}",
    )


def admission(**changes: Any) -> Admission:
    """Return the founder's machine, with changes to the parameters."""
    parameters = replace(PARAMETERS, **changes)
    return Admission(parameters, FOUNDER.id, entry(FOUNDER, parameters))


def knock(identity: Identity, nonce: bytes = NONCE) -> Join:
    """Return the JOIN of a peer's process."""
    return Join(identity.public_key, nonce)


def let_in(founder: Admission, *joiners: Identity) -> list[SignedEntry]:
    """Let peers join, and return their entries."""
    entries = []
    for joiner in joiners:
        founder.offer(knock(joiner))
        entries.append(entry(joiner, founder.parameters))
        founder.enter(knock(joiner), Hello(entries[-1]))
    return entries


# -- the founder ----------------------------------------------------------------------------


def test_strangers_become_a_session() -> None:
    """JOIN, HELLO and the closed set give founder and joiners the same session."""
    founder = admission()
    joiners = [JOINER, THIRD]
    candidates = [Candidate(key, bytes([k]) * 32, Stated()) for k, key in enumerate(joiners)]
    entries = []
    for candidate, key in zip(candidates, joiners, strict=True):
        assert not founder.is_full
        parameters = candidate.accept_offer(founder.offer(candidate.join()))
        assert parameters == PARAMETERS
        entries.append(entry(key, parameters))
        founder.enter(candidate.join(), Hello(entries[-1]))
    assert founder.is_full
    assert set(founder.joined) == {FOUNDER.id, JOINER.id, THIRD.id}
    session, roster = founder.close()
    for candidate, own in zip(candidates, entries, strict=True):
        theirs, addresses = candidate.accept_roster(PARAMETERS, own, roster, FOUNDER.id)
        assert theirs.id == session.id
        assert addresses == dict.fromkeys((FOUNDER.id, JOINER.id, THIRD.id), "127.0.0.1:9000")
    assert session.member(session.own_index).id == FOUNDER.id


def test_two_nodes_with_one_key_are_refused() -> None:
    """Neither the founder's ID nor that of somebody who is here may join once more."""
    founder = admission()
    with pytest.raises(AgreementFailed, match="the joiner has the founder's ID"):
        founder.offer(knock(FOUNDER))
    # Both of two processes may knock; the one whose HELLO comes first is the peer.
    founder.offer(knock(JOINER, OTHER_NONCE))
    let_in(founder, JOINER)
    twice = f"{JOINER.id.hex()[:8]} has joined already"
    with pytest.raises(AgreementFailed, match=twice) as caught:
        founder.offer(knock(JOINER, OTHER_NONCE))
    assert "--key" in caught.value.hint
    with pytest.raises(AgreementFailed, match=twice):
        founder.enter(knock(JOINER, OTHER_NONCE), Hello(entry(JOINER)))


def test_a_reconnection_is_told_by_its_nonce() -> None:
    """The same process may knock and enter again: before the set is closed, and after it."""
    founder = admission()
    own, _ = let_in(founder, JOINER, THIRD)
    assert founder.offer(knock(JOINER)).parameters == PARAMETERS
    founder.enter(knock(JOINER), Hello(own))
    _, roster = founder.close()
    assert founder.offer(knock(JOINER)).nonce == NONCE
    founder.enter(knock(JOINER), Hello(own))
    assert own in roster.entries


def test_who_leaves_before_the_close_may_come_back_as_another_process() -> None:
    """A joiner whose link ended is forgotten, and its place is free again."""
    founder = admission()
    let_in(founder, JOINER, THIRD)
    founder.leave(JOINER.id)
    assert not founder.is_full
    founder.offer(knock(JOINER, OTHER_NONCE))
    founder.enter(knock(JOINER, OTHER_NONCE), Hello(entry(JOINER)))
    founder.close()
    founder.leave(THIRD.id)
    assert THIRD.id in founder.joined


def test_only_listed_ids_may_join() -> None:
    """With an allow-list a stranger is refused by its short ID, and told what to ask for."""
    founder = admission(allowed=tuple(key.id for key in KEYS[:3]))
    assert founder.offer(knock(JOINER)).nonce == NONCE
    with pytest.raises(AgreementFailed, match=STRANGER.id.hex()[:8]) as caught:
        founder.offer(knock(STRANGER))
    assert "--allow" in caught.value.hint


def test_a_full_session_takes_nobody_else() -> None:
    """Whoever comes when all places are taken is refused, whether the set is closed or not."""
    founder = admission()
    let_in(founder, JOINER, THIRD)
    founder.offer(knock(STRANGER))
    with pytest.raises(AgreementFailed, match="the session is full"):
        founder.enter(knock(STRANGER), Hello(entry(STRANGER)))
    founder.close()
    with pytest.raises(AgreementFailed, match="the session is closed"):
        founder.offer(knock(STRANGER))
    with pytest.raises(AgreementFailed, match="the session is closed"):
        founder.enter(knock(STRANGER), Hello(entry(STRANGER)))


def test_a_closed_session_takes_no_other_entry_of_a_member() -> None:
    """Once the set is closed, a member's entry is the one that stands in it."""
    founder = admission()
    let_in(founder, JOINER, THIRD)
    founder.close()
    with pytest.raises(AgreementFailed, match="the session is closed"):
        founder.enter(knock(JOINER), Hello(entry(JOINER)))


def test_entries_are_held_to_their_link_and_the_parameters() -> None:
    """A HELLO in another name, under other parameters or without a signature does not enter."""
    founder = admission()
    with pytest.raises(RemoteProtocolError, match="in somebody else's name"):
        founder.enter(knock(JOINER), Hello(entry(THIRD)))
    with pytest.raises(AgreementFailed, match="agreed to other parameters"):
        founder.enter(knock(JOINER), Hello(entry(JOINER, replace(PARAMETERS, length=5))))
    unsigned = replace(entry(JOINER), signature=bytes(64))
    with pytest.raises(RemoteProtocolError, match="does not verify"):
        founder.enter(knock(JOINER), Hello(unsigned))
    assert founder.joined == (FOUNDER.id,)


def test_a_set_that_is_not_full_cannot_be_closed() -> None:
    """Closing too early is an error, and leaves the session open."""
    founder = admission()
    let_in(founder, JOINER)
    with pytest.raises(AgreementFailed, match="lists 2 peers and the parameters 3"):
        founder.close()
    assert founder.session is None


def test_joiners_may_send_what_the_parameters_call_for() -> None:
    """The limits of the join link know the number of peers and no vectors."""
    limits = admission(peers=7).limits
    assert (limits.peers, limits.vector_bytes) == (7, 0)


# -- the joiner -----------------------------------------------------------------------------


def test_the_bootstrap_address_leads_to_the_pinned_id() -> None:
    """A wrong pin shows both IDs; without a pin, or with the right one, the server is taken."""
    candidate = Candidate(JOINER, NONCE, Stated())
    candidate.check_server(FOUNDER.id, None)
    candidate.check_server(FOUNDER.id, FOUNDER.id)
    with pytest.raises(AgreementFailed, match="not the pinned"):
        candidate.check_server(FOUNDER.id, FOUNDER.id[:31] + bytes([FOUNDER.id[31] ^ 1]))
    with pytest.raises(AgreementFailed) as caught:
        candidate.check_server(FOUNDER.id, THIRD.id)
    assert FOUNDER.id.hex()[:8] in caught.value.message
    assert THIRD.id.hex()[:8] in caught.value.message


def test_a_node_that_dials_itself_is_refused() -> None:
    """The own ID at the bootstrap address is this peer itself, or one with its key."""
    with pytest.raises(AgreementFailed, match="leads to this peer itself"):
        Candidate(JOINER, NONCE, Stated()).check_server(JOINER.id, None)


def test_the_founder_is_on_the_joiners_allow_list() -> None:
    """A joiner that says whom it sums with does not join anybody else."""
    candidate = Candidate(JOINER, NONCE, Stated(allowed=(FOUNDER.id, THIRD.id)))
    candidate.check_server(FOUNDER.id, None)
    with pytest.raises(AgreementFailed, match=f"{STRANGER.id.hex()[:8]} is not among the IDs"):
        candidate.check_server(STRANGER.id, None)


def test_offered_parameters_are_held_against_the_stated_ones() -> None:
    """What differs from this peer's options is refused with both values."""
    candidate = Candidate(JOINER, NONCE, Stated(length=5, bound="100"))
    with pytest.raises(AgreementFailed, match=r"--length 5 here, 4 at the founder$"):
        candidate.accept_offer(admission().offer(candidate.join()))
    with pytest.raises(AgreementFailed, match=r"--bound 100 here, 7 at the founder$"):
        candidate.accept_offer(admission(length=5, bound=7).offer(candidate.join()))
    offered = candidate.accept_offer(admission(length=5).offer(candidate.join()))
    assert offered.length == 5


def test_an_offer_answers_the_own_knock() -> None:
    """PARAMETERS that answer another JOIN are a violation: they may be replayed."""
    offer = admission().offer(knock(JOINER, OTHER_NONCE))
    with pytest.raises(RemoteProtocolError, match="answer another JOIN"):
        Candidate(JOINER, NONCE, Stated()).accept_offer(offer)


def test_a_peer_with_a_roster_file_founds_nothing() -> None:
    """PARAMETERS that name no founder come from a peer with a roster file, and end with 6."""
    candidate = Candidate(JOINER, NONCE, Stated())
    offer = replace(admission().offer(candidate.join()), founder=bytes(32))
    with pytest.raises(AgreementFailed, match="started with a roster file"):
        candidate.accept_offer(offer)


def test_an_offer_for_others_is_refused() -> None:
    """An allow-list without this peer's ID is found before anything else is sent."""
    founder = admission(allowed=tuple(key.id for key in (FOUNDER, JOINER, THIRD)))
    offer = founder.offer(knock(THIRD))
    with pytest.raises(AgreementFailed, match="does not hold this peer's ID"):
        Candidate(STRANGER, NONCE, Stated()).accept_offer(offer)


def accept(entries: Sequence[SignedEntry], own: SignedEntry) -> Session:
    """Let the joiner check a roster, and return its session."""
    candidate, roster = Candidate(JOINER, NONCE, Stated()), RosterList(tuple(entries))
    return candidate.accept_roster(PARAMETERS, own, roster, FOUNDER.id)[0]


def test_rosters_that_the_joiner_did_not_agree_to_are_refused() -> None:
    """Somebody missing, extra, without the founder, or with another HELLO of this peer."""
    founder, own, third, stranger = (entry(key) for key in KEYS)
    assert accept([founder, own, third], own).own_index == 2
    for entries, why in (
        ([founder, own], "lists 2 peers and the parameters 3"),
        ([founder, own, third, stranger], "lists 4 peers and the parameters 3"),
        ([founder, third, stranger], "does not list this peer"),
        ([own, third, stranger], "the founder is not in its own roster"),
        ([founder, entry(JOINER), third], "another HELLO of this peer than it sent"),
        ([founder, own, entry(THIRD, replace(PARAMETERS, length=5))], "agreed to other parameters"),
    ):
        with pytest.raises(AgreementFailed, match=why):
            accept(entries, own)


def test_an_allow_list_of_ones_own_holds_for_the_whole_roster() -> None:
    """Somebody whom this peer does not name is shown by its short ID; it need not name itself."""
    entries = [entry(key) for key in KEYS[:3]]
    session = accept(entries, entries[1])
    check_allowed(session, ())
    check_allowed(session, (FOUNDER.id, THIRD.id))
    with pytest.raises(AgreementFailed, match=f"this peer allows: {THIRD.id.hex()[:8]}$"):
        check_allowed(session, (FOUNDER.id, STRANGER.id))


# -- n equal signatures ---------------------------------------------------------------------


class Member:
    """One member's machine, and what it did last.

    Args:
        session: As it sees it.
        identity: Its key.
    """

    def __init__(self, session: Session, identity: Identity) -> None:
        self.session = session
        self.notary = Notary(identity, session)
        self.agreement = Agreement(session, self.notary)
        self.own = self._sent(self.agreement.start())

    @staticmethod
    def _sent(actions: list[Action]) -> Signed[Message]:
        reached, send = actions
        assert reached == Reached("roster")
        assert isinstance(send, Send)
        return send.message

    def error(self, actions: list[Action]) -> P2PMPCError:
        """Return the error of a machine that ended with one, and told the others."""
        *sends, failed = actions
        assert isinstance(failed, Failed)
        assert failed.error.revealed is Revealed.NOTHING
        assert self.agreement.ended
        assert not self.agreement.agreed
        for send in sends:
            assert isinstance(send, Send)
            assert isinstance(send.message.message, Abort)
        return failed.error


def members(*sessions: Session) -> list[Member]:
    """Return the machines of the founder, the joiner and the third, started."""
    return [Member(session, key) for session, key in zip(sessions, KEYS, strict=False)]


def agreeing() -> list[Member]:
    """Return three members that see one roster."""
    return members(*make_sessions(PARAMETERS, [1, 2, 3], KEYS[:3])[2])


def test_n_equal_signatures_agree() -> None:
    """The last of n equal signatures makes everybody agree, once; later copies change nothing."""
    everybody = agreeing()
    for own, member in enumerate(everybody):
        first, second = (k for k in range(3) if k != own)
        assert member.agreement.receive(first + 1, everybody[first].own) == []
        assert member.agreement.receive(first + 1, everybody[first].own) == []
        assert member.agreement.waiting_for() == (second + 1,)
        assert not member.agreement.agreed
        assert member.agreement.receive(second + 1, everybody[second].own) == [Agreed()]
        assert member.agreement.receive(second + 1, everybody[second].own) == []
        assert member.agreement.agreed
        expected = {index: other.own.signature for index, other in enumerate(everybody, 1)}
        assert member.agreement.signatures == expected


def differing(mine: Sequence[SignedEntry], theirs: Sequence[SignedEntry]) -> P2PMPCError:
    """Return how the founder ends when the joiner signs another roster than it sees."""
    here, _ = members(
        Session.close(PARAMETERS, mine, FOUNDER.id), Session.close(PARAMETERS, mine, JOINER.id)
    )
    there = Session.close(PARAMETERS, theirs, JOINER.id)
    signed = here_signed(there)
    assert here.session.acceptance != there.acceptance
    return here.error(here.agreement.receive(2, signed))


def here_signed(session: Session) -> Signed[Message]:
    """Return the joiner's signature on a roster."""
    return Notary(JOINER, session).sign(session.acceptance)


def test_a_roster_with_other_members_is_shown() -> None:
    """Who is only here and who is only there stands in the error, which is one of agreement."""
    founder, own, third, stranger = (entry(key) for key in KEYS)
    error = differing([founder, own, third], [founder, own, stranger])
    assert isinstance(error, AgreementFailed)
    assert error.peers == (2,)
    assert f"{THIRD.id.hex()[:8]} is only in the roster here" in error.message
    assert f"{STRANGER.id.hex()[:8]} is only in the roster there" in error.message


def test_a_roster_under_other_parameters_is_shown() -> None:
    """Parameters that differ are shown with both values."""
    entries = [entry(key) for key in KEYS[:3]]
    here = members(Session.close(PARAMETERS, entries, FOUNDER.id))[0]
    accepted = Accept(replace(PARAMETERS, length=5), here.session.acceptance.entries)
    error = here.error(here.agreement.receive(2, Notary(JOINER, here.session).sign(accepted)))
    assert isinstance(error, AgreementFailed)
    assert "length is 4 here and 5 there" in error.message


@pytest.mark.parametrize("change", ["missing", "extra", "weight", "unsigned"])
def test_a_roster_with_other_lines_is_shown(change: str) -> None:
    """A line too few, too many, with another weight or that nobody signed proves nothing more."""
    session = agreeing()[0].session
    lines = list(session.acceptance.entries)
    short = THIRD.id.hex()[:8]
    shown = {
        "missing": f"{short} is only in the roster here",
        "extra": f"{STRANGER.id.hex()[:8]} is only in the roster there",
        "weight": f"{short} has weight 3 here and 4 there",
        "unsigned": f"{short} has another HELLO there",
    }
    if change == "missing":
        del lines[2]
    elif change == "extra":
        lines.append(replace(lines[2], id=STRANGER.id))
    elif change == "weight":
        lines[2] = replace(lines[2], weight=4)
    else:
        lines[2] = replace(lines[2], digest=bytes(32))
    here = Member(session, FOUNDER)
    accepted = Notary(JOINER, session).sign(Accept(PARAMETERS, tuple(lines)))
    error = here.error(here.agreement.receive(2, accepted))
    assert isinstance(error, AgreementFailed)
    assert shown[change] in error.message
    assert error.peers == (2,)


@pytest.mark.parametrize("weight", [1, 5])
def test_two_signed_hellos_name_their_owner_and_the_witness(weight: int) -> None:
    """Two HELLOs of one peer for one session are a violation: its own, or by who shows an old one."""
    founder, own = entry(FOUNDER), entry(JOINER)
    error = differing([founder, own, entry(THIRD)], [founder, own, entry(THIRD, weight=weight)])
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (2, 3)
    assert "signed another HELLO, or" in error.message
    assert not isinstance(
        error, Dispute
    )  # with a roster file these parameters are those of every run


def test_two_hellos_that_a_founder_gave_out_name_owner_and_founder() -> None:
    """With a founder's nonce two HELLOs are a proof, which names the same two at every member."""
    own, others = entry(JOINER), [entry(FOUNDER), entry(THIRD)]
    mine = Session.close(PARAMETERS, [own, *others], FOUNDER.id, founder=FOUNDER.id)
    restarted = [entry(JOINER), *others]
    theirs = Session.close(PARAMETERS, restarted, THIRD.id, founder=FOUNDER.id)
    here, there = Member(mine, FOUNDER), Member(theirs, THIRD)
    error = here.error(here.agreement.receive(there.session.own_index, there.own))
    assert isinstance(error, Dispute)
    named = {mine.member(index).id for index in error.peers}
    assert named == {JOINER.id, FOUNDER.id}
    assert check_evidence(mine, error.evidence)


def test_a_hello_of_another_session_convicts_nobody() -> None:
    """An entry signed under another session's parameters is a difference and no proof."""
    session = agreeing()[0].session
    elsewhere = make_sessions(replace(PARAMETERS, nonce=NONCE), [1, 2, 3], KEYS[:3])[2][0]
    lines = [*session.acceptance.entries[:2], elsewhere.acceptance.entries[2]]
    here = Member(session, FOUNDER)
    accepted = Notary(JOINER, session).sign(Accept(PARAMETERS, tuple(lines)))
    error = here.error(here.agreement.receive(2, accepted))
    assert isinstance(error, AgreementFailed)


def test_a_later_acceptance_that_differs_is_noticed() -> None:
    """After the agreement the same ACCEPT again is no contradiction; any other one is."""
    here, joiner, third = agreeing()
    here.agreement.receive(2, joiner.own)
    here.agreement.receive(3, third.own)
    assert here.agreement.agreed
    assert here.agreement.contradiction(2, joiner.own) is None
    lines = here.session.acceptance.entries
    other = joiner.notary.sign(Accept(PARAMETERS, lines[:2]))
    for again in (other, replace(joiner.own, signature=third.own.signature)):
        contradiction = here.agreement.contradiction(2, again)
        assert contradiction is not None
        assert contradiction.peers == (2,)


def test_a_member_that_is_lost_ends_the_agreement() -> None:
    """Who is lost is named, and the others are told that no share was sent."""
    here = agreeing()[0]
    error = here.error(here.agreement.lost(3))
    assert isinstance(error, PeerMissing)
    assert error.peers == (3,)
    assert "no share was sent" in error.hint
    assert here.agreement.lost(2) == []
    assert here.agreement.timed_out() == []


def test_silent_members_are_named_when_time_is_up() -> None:
    """Those who did not sign in time are named, and only those."""
    here, joiner, _ = agreeing()
    here.agreement.receive(2, joiner.own)
    error = here.error(here.agreement.timed_out())
    assert isinstance(error, PeerMissing)
    assert error.peers == (3,)
    assert here.session.label(3) in error.message


# -- telling others why ---------------------------------------------------------------------


def test_an_abort_ends_the_agreement_of_others() -> None:
    """Another peer's reason becomes this peer's error, of the same kind, and is told on."""
    here, joiner, _ = agreeing()
    told = joiner.notary.sign(abort_message(AgreementFailed("weights differ", peers=(3,))))
    sent, failed = here.agreement.receive(2, told)
    assert isinstance(sent, Send)
    assert isinstance(sent.message.message, Abort)
    assert (
        sent.message.message.reason == f"{here.session.label(2)} ended the session: weights differ"
    )
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AgreementFailed)
    assert failed.error.message == f"{here.session.label(2)} ended the session: weights differ"
    assert failed.error.peers == (3,)
    assert here.agreement.receive(2, told) == []


def test_an_end_that_is_told_on_stays_that_of_its_peer() -> None:
    """Who passes on that another one refuses its input does not say that it refuses its own."""
    here, joiner, _ = agreeing()
    told = joiner.notary.sign(abort_message(InputRefused("data.txt:7:1: secret")))
    sent, failed = here.agreement.receive(2, told)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, InputRefused)
    assert isinstance(sent, Send)
    assert isinstance(sent.message.message, Abort)
    reason = f"{here.session.label(2)} ended the session: it refused to share its input"
    assert sent.message.message.reason == reason
    assert sent.message.message.peers == (2,)


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (PeerMissing("peer-02 is gone", peers=(2,)), "peer-02 is gone", 3),
        (RemoteProtocolError("peer-02 lied", peers=(2,)), "peer-02 lied", 4),
        (AgreementFailed("rosters differ"), "rosters differ", 6),
        (InputRefused("data.txt:7:1: secret"), "it refused to share its input", 8),
        (ResourceExhausted("/home/me is full"), "it ran out of disk, descriptors or memory", 7),
        (ConfigurationError("--weight x"), "its options do not allow it to go on", 2),
    ],
)
def test_only_reasons_that_concern_others_are_told(
    error: P2PMPCError, reason: str, code: int
) -> None:
    """What is wrong with this peer's own input, files or options stays here."""
    message = abort_message(error)
    assert (message.reason, message.code, message.peers) == (reason, code, error.peers)


def test_reasons_are_made_printable_and_short() -> None:
    """Whatever an error says, what is told fits an ABORT, and blame is sorted."""
    message = abort_message(RemoteProtocolError("caf\u00e9\n" * 200, peers=(3, 1, 3)))
    assert message.reason == ("caf??" * 200)[:300]
    assert message.peers == (1, 3)


@pytest.mark.parametrize(
    ("code", "blamed", "kind", "peers"),
    [
        (3, (3,), PeerMissing, (3,)),
        (3, (), PeerMissing, (2,)),
        (4, (3,), RemoteProtocolError, (2, 3)),
        (4, (2,), RemoteProtocolError, (2,)),
        (4, (1, 3), RemoteProtocolError, (1, 3)),
        (4, (), RemoteProtocolError, (2,)),
        (6, (), AgreementFailed, (2,)),
        (8, (), InputRefused, (2,)),
        (130, (), PeerMissing, (2,)),
    ],
)
def test_the_end_of_another_peer_is_understood(
    code: int, blamed: tuple[int, ...], kind: type[P2PMPCError], peers: tuple[int, ...]
) -> None:
    """An accusation names the pair, since either could be lying; all else names whom it is about."""
    session = agreeing()[0].session
    error = error_of_abort(session, 2, Abort(code, blamed, "why"))
    assert type(error) is kind
    assert error.peers == peers
    assert error.message == f"{session.label(2)} ended the session: why"
