"""One dishonest peer among honest ones: it is named, nothing leaks, and no wrong total is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from p2pmpc.dealing import RoundContext
from p2pmpc.endings import abort_message
from p2pmpc.envelope import SessionSealer, frame_bytes
from p2pmpc.errors import AgreementFailed, PeerMissing, RemoteProtocolError, Revealed, exit_code_of
from p2pmpc.evidence import Claim, Dispute, Evidence, Statement
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
    SharePlain,
    Signed,
    Unmask,
)
from p2pmpc.parameters import Parameters
from p2pmpc.session import Session
from p2pmpc.wire import encode_body, encode_share
from tests import reference
from tests.party import Party, make_sessions

VALUES = [[1, -2], [30, 40], [-500, 600], [7000, 8000]]
CULPRIT = 3
ZEROS, SIGNATURE = bytes(32), bytes(64)


def begun(peers: int = 3, **parameters: Any) -> Party:
    """Return a party that has signed its rosters."""
    party = Party(VALUES[:peers], **parameters)
    party.start()
    return party


def blamed(party: Party, *, for_sure: bool = True) -> None:
    """Hold that every honest peer ends with 4 and names the culprit.

    Args:
        party: After its run.
        for_sure: It alone; a peer that only heard of it names the one who told as well.
    """
    assert party.totals(but=CULPRIT) == []
    for error in party.errors(but=CULPRIT):
        assert exit_code_of(error) == 4
        assert CULPRIT in error.peers
        assert not for_sure or error.peers == (CULPRIT,)
        assert f"peer-{CULPRIT:02} (" in error.message


def hand_over(party: Party, frame: bytes, receiver: int = 1) -> RemoteProtocolError:
    """Let a frame come over the culprit's link, and return what its receiver ends with."""
    party.hand_over(CULPRIT, receiver, frame)
    error = party.members[receiver].error
    assert isinstance(error, RemoteProtocolError)
    assert CULPRIT in error.peers
    return error


def run_until_taken(party: Party, kind: Kind, receiver: int = 1) -> None:
    """Deliver until one peer has taken the culprit's message of a kind, and has not ended."""

    def taken() -> bool:
        return any(frame[4] == kind for frame in party.delivered.get((CULPRIT, receiver), []))

    def culprit_first(links: list[tuple[int, int]]) -> tuple[int, int]:
        return min(links, key=lambda link: (link != (CULPRIT, receiver), link))

    party.run(culprit_first, until=taken)
    assert taken()
    assert party.members[receiver].error is None
    assert party.members[receiver].finished is None


def changed(message: Message) -> Message:
    """Return another message of the same kind and shape."""
    match message:
        case Commitment():
            return replace(message, mask=ZEROS)
        case Share():
            return Share(message.sealed[:-1])
        case Partial(vector):
            return Partial(bytes(len(vector)))
        case Echo(acceptances, entries):
            return Echo(acceptances, (replace(entries[0], partial=ZEROS), *entries[1:]))
        case Open():
            return replace(message, mask_seed=ZEROS)
        case Unmask():
            return replace(message, share=bytes(33))
        case Confirm():
            return Confirm(ZEROS)
        case _:
            raise AssertionError(message)


def lying_to(
    party: Party, victims: Iterable[int], change: Callable[[Message], Message]
) -> Callable[[int, Signed[Message]], bytes]:
    """Return a change of the culprit's frames that shows only some receivers another message."""

    def frame(receiver: int, signed: Signed[Message]) -> bytes:
        message = change(signed.message) if receiver in victims else signed.message
        return party.frame(CULPRIT, message, receiver)

    return frame


# -- two different things in one place ------------------------------------------------------

ROUND_KINDS = (
    Kind.COMMITMENT,
    Kind.SHARE,
    Kind.PARTIAL,
    Kind.ECHO,
    Kind.OPEN,
    Kind.CONFIRM,
)
every_round_kind = pytest.mark.parametrize("kind", ROUND_KINDS, ids=lambda kind: str(kind.name))


@every_round_kind
def test_another_message_in_the_same_place_names_its_sender(kind: Kind) -> None:
    """Row 11: a second message of a kind, signed as well as the first, is a violation of its sender."""
    party = begun()
    run_until_taken(party, kind)
    signed = party.members[1].round.links[CULPRIT].message(kind)
    error = hand_over(party, party.frame(CULPRIT, changed(signed.message), 1))
    assert error.peers == (CULPRIT,)
    assert "another one of this kind came before" in error.message
    assert party.members[1].finished is None


def test_another_mask_share_in_the_same_place_names_its_sender() -> None:
    """An UNMASK about one peer may be repeated, and not changed."""
    party = begun(4)
    party.run_to_echo()
    party.run_links(lambda sender, _receiver: sender == 4)
    party.lose(4)
    run_until_taken(party, Kind.UNMASK)
    known = party.members[1].round.links[CULPRIT].said[Kind.UNMASK, 4]
    error = hand_over(party, party.frame(CULPRIT, changed(known.message)))
    assert error.peers == (CULPRIT,)
    assert "another one of this kind came before" in error.message


@pytest.mark.parametrize("kind", [Kind.COMMITMENT, Kind.PARTIAL], ids=str)
@pytest.mark.parametrize(
    ("peers", "victims"),
    [(3, {1}), (3, {2}), (3, {1, 2}), (4, {1}), (4, {4}), (4, {1, 2}), (4, {1, 2, 4})],
    ids=str,
)
def test_equivocation_names_its_author_everywhere(
    kind: Kind, peers: int, victims: set[int]
) -> None:
    """Row 12: different commitments or partial sums to different peers end with 4 at all honest ones."""
    party = Party(VALUES[:peers])
    party.corrupt(CULPRIT, {kind: lying_to(party, victims, changed)})
    party.start()
    party.run_to_echo()
    party.settle()
    blamed(party)


@given(st.integers(0, 2**32), st.sampled_from([Kind.COMMITMENT, Kind.PARTIAL]))
def test_equivocation_is_found_in_every_order(seed: int, kind: Kind) -> None:
    """Whatever the order of arrival, every honest peer of four ends with 4 and the right name."""
    random = Random(seed)
    party = Party(VALUES)
    victims = random.sample([1, 2, 4], random.choice([1, 2]))
    party.corrupt(CULPRIT, {kind: lying_to(party, victims, changed)})
    party.start()
    for _ in range(4):
        party.run(random.choice)
        party.time_out()
    blamed(party, for_sure=False)


@pytest.mark.parametrize("field", ["commitment", "partial"])
def test_an_echo_of_what_nobody_signed_names_its_sender(field: str) -> None:
    """A peer that makes up what it heard of another one is convicted by the missing signature."""

    def made_up(message: Message) -> Message:
        assert isinstance(message, Echo)
        first, *others = message.entries
        return replace(message, entries=(replace(first, **{field: ZEROS}), *others))

    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.ECHO: lying_to(party, {1, 2}, made_up)})
    party.start()
    party.run_to_echo()
    party.settle()
    blamed(party)


def test_an_echo_of_acceptances_that_nobody_made_names_its_sender() -> None:
    """The signatures on the roster are part of what everybody heard."""

    def made_up(message: Message) -> Message:
        assert isinstance(message, Echo)
        return replace(message, acceptances=(SIGNATURE, *message.acceptances[1:]))

    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.ECHO: lying_to(party, {1, 2}, made_up)})
    party.start()
    party.run_to_echo()
    party.settle()
    blamed(party)
    assert all("echoes what nobody signed" in e.message for e in party.errors(but=CULPRIT))


@pytest.mark.parametrize("kind", [Kind.COMMITMENT, Kind.PARTIAL], ids=["COMMITMENT", "PARTIAL"])
def test_one_message_signed_in_two_ways_names_its_signer(kind: Kind) -> None:
    """An honest peer has one signature on what it says, and repeats that one."""
    party = begun()
    run_until_taken(party, kind)
    said, member = party.members[1].round.links[CULPRIT].message(kind), party.members[CULPRIT]
    ids = (member.identity.id, bytes(32))
    data = reference.signing_input(member.session.id, 0, kind, *ids, said.digest)
    other = replace(said, signature=reference.ed25519_sign(member.identity._seed, data, nonce=1))
    assert "another one of this kind came before" in hand_over(party, frame_bytes(other)).message


def test_a_proof_ends_the_round_of_everybody_who_is_shown_it() -> None:
    """After the ECHO an accusation changes nothing, and a proof that holds ends the round."""
    party = begun(4)
    party.run_to_echo()
    party.hand_over(4, 1, party.frame(4, Abort(4, (CULPRIT,), "it said two things")))
    assert party.members[1].error is None
    summed = [Partial(bytes([k]) * 12) for k in (0, 1)]
    signed = [party.members[CULPRIT].notary.sign(message) for message in summed]
    both = tuple(Statement.of(CULPRIT, said) for said in signed)
    dispute = Dispute("it said two things", Evidence(Claim.EQUIVOCATION, CULPRIT, both))
    party.hand_over(2, 1, party.frame(2, abort_message(dispute)))
    error = party.members[1].error
    assert isinstance(error, Dispute)
    assert error.peers == (CULPRIT,)
    assert error.revealed is Revealed.MAYBE_TOTAL


@pytest.mark.parametrize(("peers", "victim"), [(3, 1), (3, 2), (4, 4)])
def test_an_echo_for_one_alone_names_its_sender_to_it(peers: int, victim: int) -> None:
    """A peer that is shown another echo than the others names who signed two; no total is wrong."""
    party = Party(VALUES[:peers])
    party.corrupt(CULPRIT, {Kind.ECHO: lying_to(party, {victim}, changed)})
    party.start()
    party.run_to_echo()
    party.settle()
    error = party.members[victim].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (CULPRIT,)
    assert all(total == party.expected for total in party.totals())


def test_a_key_that_cannot_seal_is_refused_in_the_roster() -> None:
    """A key of small order, whose owner nobody could seal to, is found before anybody shares."""
    keys, sealing, _ = make_sessions(Parameters(ZEROS, 3), [1, 1, 1])
    sealing[2].public_bytes = sealing[2].public_bytes[:-32] + bytes(32)
    parameters = Parameters(ZEROS, 3)
    entries = [
        make_entry(key, seal, parameters, nonce=key.id, weight=1, name="", address="localhost:9000")
        for key, seal in zip(keys, sealing, strict=True)
    ]
    with pytest.raises(AgreementFailed, match="a sealing key that cannot be used"):
        Session.close(parameters, entries, keys[0].id)


# -- what is wrong by itself ----------------------------------------------------------------


def dealing_otherwise(
    party: Party, victim: int, make: Callable[[SharePlain], SharePlain | bytes]
) -> None:
    """Let the culprit deal one peer another share than it should, and commit to it before all.

    Args:
        party: Not yet started.
        victim: The receiver.
        make: Returns the plaintext to seal, or the bytes to send instead of a seal.
    """
    member = party.members[CULPRIT]
    context = RoundContext(member.session, 0)
    sealed: list[bytes] = []

    def wrong_share() -> bytes:
        if not sealed:
            assert member.round.dealing is not None
            made = make(member.round.dealing.plains[victim])
            if isinstance(made, SharePlain):
                info = context.sealing_info(CULPRIT, victim)
                made = SessionSealer(member.session, member.sealing_key).seal(
                    victim, encode_share(made), info
                )
            sealed.append(made)
        return sealed[0]

    def commitment(message: Message) -> Message:
        assert isinstance(message, Commitment)
        digests = list(message.shares)
        digests[victim - 1] = context.sealed_digest(CULPRIT, victim, wrong_share())
        return replace(message, shares=tuple(digests))

    changes = {
        Kind.COMMITMENT: lying_to(party, party.members, commitment),
        Kind.SHARE: lying_to(party, {victim}, lambda _message: Share(wrong_share())),
    }
    party.corrupt(CULPRIT, changes)


BAD_SHARES: dict[str, Callable[[SharePlain], SharePlain | bytes]] = {
    "no seal": lambda _plain: b"garbage",
    "empty": lambda _plain: b"",
    "short seed": lambda plain: replace(plain, share=plain.share[:-1]),
    "other mask share": lambda plain: replace(plain, mask_share=bytes(33)),
    "no mask share": lambda plain: replace(plain, mask_share=b""),
    "mask share not below its prime": lambda plain: replace(plain, mask_share=b"\xff" * 33),
}


@pytest.mark.parametrize("make", BAD_SHARES.values(), ids=BAD_SHARES)
@pytest.mark.parametrize("mode", [{}, {"share_mode": "dense", "field": "m61"}], ids=str)
def test_a_bad_share_names_its_dealer_and_to_the_others_the_pair(
    make: Callable[[SharePlain], SharePlain | bytes], mode: dict[str, Any]
) -> None:
    """Row 19: only the receiver sees that a share is bad; the others are told of it and of the dealer."""
    party = Party(VALUES, **mode)
    dealing_otherwise(party, 1, make)
    party.start()
    party.settle()
    first, *others = party.errors(but=CULPRIT)
    assert first.peers == (CULPRIT,)
    for error in others:
        assert exit_code_of(error) == 4
        assert set(error.peers) == {1, CULPRIT}
        assert error.revealed is Revealed.NOTHING


@pytest.mark.parametrize(("field", "width"), [("m31", 4), ("m61", 8)])
@pytest.mark.parametrize("place", [0, 2])
def test_a_dense_element_not_below_p_names_its_dealer(field: str, width: int, place: int) -> None:
    """Row 19: an element equal to p, in the vector or its checksum, is refused before it is summed."""

    def with_p(plain: SharePlain) -> SharePlain:
        elements = [1, 2, 3]
        elements[place] = party.parameters.arithmetic.modulus
        return replace(plain, share=reference.little_endian(elements, width))

    party = Party(VALUES[:3], share_mode="dense", field=field)
    dealing_otherwise(party, 1, with_p)
    party.start()
    party.settle()
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (CULPRIT,)
    assert f"element {place} of a vector is not below p" in error.message


def test_a_share_that_was_not_committed_to_names_its_dealer() -> None:
    """A SHARE whose digest is not the one in the COMMITMENT is refused unopened."""
    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.SHARE: lying_to(party, {1}, changed)})
    party.start()
    party.settle()
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (CULPRIT,)
    assert "not the one committed to" in error.message


def test_a_dealer_that_commits_to_a_share_for_itself_is_named() -> None:
    """A commitment has nothing in its dealer's own place."""
    party = Party(VALUES[:3])

    def selfish(message: Message) -> Message:
        assert isinstance(message, Commitment)
        return replace(message, shares=(*message.shares[:2], b"\x01" * 32))

    party.corrupt(CULPRIT, {Kind.COMMITMENT: lying_to(party, {1, 2}, selfish)})
    party.start()
    party.settle()
    blamed(party, for_sure=False)


@pytest.mark.parametrize(("field", "width"), [("m31", 4), ("m61", 8)])
@pytest.mark.parametrize("place", [0, 2])
def test_an_element_not_below_p_in_a_partial_sum_names_its_sender(
    field: str, width: int, place: int
) -> None:
    """An element equal to p in E_j is refused by everybody, by its place."""
    party = Party(VALUES[:3], field=field)
    elements = [1, 2, 3]
    elements[place] = party.parameters.arithmetic.modulus
    partial = Partial(reference.little_endian(elements, width))
    party.corrupt(CULPRIT, {Kind.PARTIAL: lying_to(party, {1, 2}, lambda _message: partial)})
    party.start()
    party.settle()
    blamed(party, for_sure=False)
    errors = party.errors(but=CULPRIT)
    assert any(f"element {place} of a vector is not below p" in e.message for e in errors)


def test_a_partial_sum_of_another_length_names_its_sender() -> None:
    """The length of a PARTIAL is held to the parameters before it is looked into."""
    party = begun()
    error = hand_over(party, party.forge(CULPRIT, Kind.PARTIAL, bytes(8)))
    assert "PARTIAL of 8 bytes where 12 were due" in error.message


def test_a_wrong_mask_seed_names_its_sender() -> None:
    """An OPEN whose seed is not the one committed to ends with 4, and opens nothing wrong."""
    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.OPEN: lying_to(party, {1, 2}, changed)})
    party.start()
    party.settle()
    blamed(party)
    for error in party.errors(but=CULPRIT):
        assert "opened another mask seed than it had committed to" in error.message or (
            "the mask seed is not the one committed to" in error.message
        )
        assert error.revealed is Revealed.MAYBE_TOTAL


def signing_twice(party: Party, victims: Iterable[int]) -> None:
    """Let the culprit sign its one ECHO in another way, as valid, for some receivers."""
    member = party.members[CULPRIT]

    def signed_again(receiver: int, signed: Signed[Message]) -> bytes:
        if receiver not in victims:
            return frame_bytes(signed)
        ids = (member.identity.id, bytes(32))
        data = reference.signing_input(member.session.id, 0, Kind.ECHO, *ids, signed.digest)
        other = reference.ed25519_sign(member.identity._seed, data, nonce=1)
        return frame_bytes(replace(signed, signature=other))

    party.corrupt(CULPRIT, {Kind.ECHO: signed_again})
    party.start()


def test_one_echo_signed_in_two_ways_names_its_signer() -> None:
    """Both signatures verify, and still nobody honest makes two: the first OPEN shows it."""
    party = Party(VALUES[:3])
    signing_twice(party, {2})
    party.run_to_echo()
    party.run_links(lambda *link: party.queues[link][0][4] == Kind.ECHO)
    party.settle()
    blamed(party)
    errors = party.errors(but=CULPRIT)
    assert all("signed one echo in two ways" in error.message for error in errors)


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_records_of_those_who_finish_never_differ(seed: int) -> None:
    """Where two signatures on one echo go unnoticed, nobody that finishes holds the other one."""
    random = Random(seed)
    party = Party(VALUES)
    signing_twice(party, random.sample([1, 2, 4], random.randint(1, 2)))
    for _ in range(4):
        party.run(random.choice)
        party.time_out()
    del party.members[CULPRIT]
    records = [m.finished.record for m in party.members.values() if m.finished is not None]
    assert all(record.echoes == records[0].echoes for record in records)
    assert all(total == party.expected for total in party.totals())


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_an_open_needs_n_equal_echoes(wrong: int) -> None:
    """An OPEN with a signature that is none, whosever it should be, convicts its sender."""

    def with_one_missing(message: Message) -> Message:
        assert isinstance(message, Open)
        echoes = list(message.echoes)
        echoes[wrong] = echoes[wrong - 1]
        return replace(message, echoes=tuple(echoes))

    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.OPEN: lying_to(party, {1, 2}, with_one_missing)})
    party.start()
    party.settle()
    blamed(party)
    for error in party.errors(but=CULPRIT):
        assert "without everybody's signature on " in error.message


def test_a_false_confirmation_names_its_sender() -> None:
    """Who signs another total than its own sums give is named; nobody shows a number."""
    party = Party(VALUES[:3])
    party.corrupt(CULPRIT, {Kind.CONFIRM: lying_to(party, {1, 2}, changed)})
    party.start()
    party.settle()
    blamed(party)
    assert all("signed another total" in error.message for error in party.errors(but=CULPRIT))


def test_mask_shares_of_another_mask_name_their_dealer() -> None:
    """Who commits to one mask and deals shares of another is named when its mask is to be opened."""
    party = Party(VALUES)
    culprit = party.members[CULPRIT]
    commitments: list[Signed[Message]] = []

    def other_mask(_receiver: int, signed: Signed[Message]) -> bytes:
        if not commitments:
            context = RoundContext(culprit.session, 0)
            assert isinstance(signed.message, Commitment)
            mask = context.mask_commitment(CULPRIT, ZEROS)
            commitments.append(culprit.notary.sign(replace(signed.message, mask=mask)))
        return frame_bytes(commitments[0])

    def consistently(message: Message) -> Message:
        assert isinstance(message, Echo)
        entries = list(message.entries)
        own = entries[CULPRIT - 1]
        entries[CULPRIT - 1] = replace(
            own,
            commitment=commitments[0].digest,
            commitment_signature=commitments[0].signature,
        )
        return replace(message, entries=tuple(entries))

    party.corrupt(
        CULPRIT,
        {Kind.COMMITMENT: other_mask, Kind.ECHO: lying_to(party, party.members, consistently)},
    )
    party.start()
    party.run_to_echo()
    party.run()
    party.lose(CULPRIT)
    party.settle()
    blamed(party)
    errors = party.errors()
    assert any("dealt mask shares that do not give its mask" in e.message for e in errors)


def test_a_wrong_mask_share_names_its_holder() -> None:
    """An UNMASK that is not the b-share committed to convicts who hands it out."""
    party = Party(VALUES)
    party.corrupt(CULPRIT, {Kind.UNMASK: lying_to(party, {1, 2}, changed)})
    party.start()
    party.run_to_echo()
    party.run_links(lambda sender, _receiver: sender == 4)
    party.lose(4)
    party.settle()
    blamed(party)


def test_mask_shares_have_no_place_in_strict_mode() -> None:
    """In strict mode an UNMASK convicts its sender: nobody was dealt one."""
    party = begun(strict=True)
    run_until_taken(party, Kind.OPEN)
    error = hand_over(party, party.frame(CULPRIT, Unmask(2, bytes(33))))
    assert "a mask share in strict mode" in error.message


@pytest.mark.parametrize("strict", [False, True])
def test_commitments_of_the_other_mode_name_their_dealer(strict: bool) -> None:
    """With or without hashes of b-shares: the parameters decide."""
    party = begun(strict=strict)
    run_until_taken(party, Kind.ACCEPT)
    digests = (ZEROS,) * 3
    frame = party.frame(CULPRIT, Commitment(ZEROS, digests if strict else (), digests))
    assert "does not fit the mode" in hand_over(party, frame).message


# -- the wrong time, session, sender or receiver --------------------------------------------


ANY_ECHO = Echo((SIGNATURE,) * 3, (EchoEntry(ZEROS, SIGNATURE, ZEROS, SIGNATURE),) * 3)
ANY_OPEN = Open(ZEROS, (SIGNATURE,) * 3)
MISPLACED: list[Message] = [
    Share(b"sealed"),
    Partial(bytes(12)),
    ANY_ECHO,
    ANY_OPEN,
    Unmask(2, bytes(33)),
    Confirm(ZEROS),
]


@pytest.mark.parametrize("message", MISPLACED, ids=lambda message: str(message.kind.name))
def test_no_step_can_be_left_out(message: Message) -> None:
    """Whatever comes before the COMMITMENT is out of place, and convicts its sender."""
    party = begun()
    run_until_taken(party, Kind.ACCEPT)
    error = hand_over(party, party.frame(CULPRIT, message, 1))
    assert error.peers == (CULPRIT,)
    assert "too early, or at the wrong place (CONNECTED)" in error.message
    assert error.revealed is Revealed.NOTHING


@pytest.mark.parametrize("message", MISPLACED[3:], ids=lambda message: str(message.kind.name))
def test_nothing_is_opened_before_the_echo(message: Message) -> None:
    """An OPEN, UNMASK or CONFIRM of a peer that has not echoed convicts it."""
    party = begun()
    run_until_taken(party, Kind.PARTIAL)
    assert "(SUMMED)" in hand_over(party, party.frame(CULPRIT, message)).message


def test_a_mask_share_before_its_holder_opens_names_its_sender() -> None:
    """Even a true mask share is handed out only by a peer that holds n equal echoes, and says so."""
    party = begun()
    run_until_taken(party, Kind.ECHO)
    plain = party.members[CULPRIT].round.links[2].plain
    assert plain is not None
    error = hand_over(party, party.frame(CULPRIT, Unmask(2, plain.mask_share)))
    assert "(ECHOED)" in error.message


def test_a_mask_share_of_an_observer_names_its_sender() -> None:
    """Observers have no mask, so nobody has a share of one."""
    party = Party(VALUES, [1, 0, 2, 3])
    party.start()
    run_until_taken(party, Kind.OPEN)
    error = hand_over(party, party.frame(CULPRIT, Unmask(2, bytes(33))))
    assert "a mask share of an observer" in error.message


def test_an_echo_before_the_own_sum_names_its_sender() -> None:
    """Nobody can have heard this peer's sum before it was sent."""
    party = begun()
    party.run_links(lambda *link: party.queues[link][0][4] == Kind.ACCEPT)
    party.run_links(lambda *link: link != (2, 1))
    assert "partial" not in party.members[1].steps
    error = hand_over(party, party.frame(CULPRIT, ANY_ECHO))
    assert "before this peer had said what it rests on" in error.message


def test_an_open_before_the_own_echo_names_its_sender() -> None:
    """Nobody can hold n echoes before this peer's was sent."""
    party = begun()
    run_until_taken(party, Kind.PARTIAL)
    assert "echo" not in party.members[1].steps
    assert "partial" in party.members[1].steps
    party.hand_over(CULPRIT, 1, party.frame(CULPRIT, ANY_ECHO))
    error = hand_over(party, party.frame(CULPRIT, ANY_OPEN))
    assert "before this peer had said what it rests on" in error.message


@every_round_kind
def test_a_message_of_another_session_convicts_who_sends_it(kind: Kind) -> None:
    """Row 13: among the same peers, what was signed in one session does not verify in the next."""
    earlier = begun()
    keys = [member.identity for member in earlier.members.values()]
    earlier.run()
    frame = next(f for f in earlier.delivered[CULPRIT, 1] if f[4] == kind)
    party = Party(VALUES[:3], keys=keys)
    party.start()
    run_until_taken(party, Kind.ACCEPT)
    error = hand_over(party, frame)
    assert error.peers == (CULPRIT,)
    assert "a signature that does not verify" in error.message


def test_a_roster_of_another_session_is_not_this_one() -> None:
    """An ACCEPT binds no session; one of an earlier session differs, and is shown to."""
    earlier = begun()
    keys = [member.identity for member in earlier.members.values()]
    earlier.run()
    party = Party(VALUES[:3], keys=keys)
    party.start()
    party.hand_over(CULPRIT, 1, earlier.delivered[CULPRIT, 1][0])
    error = party.members[1].error
    assert isinstance(error, AgreementFailed)
    assert "nonce is " in error.message


@every_round_kind
@pytest.mark.parametrize("author", [1, 2])
def test_a_message_of_somebody_else_convicts_who_sends_it(kind: Kind, author: int) -> None:
    """Row 13: reflected to its author or sent in another peer's name, it does not verify."""
    party = begun()
    party.run(until=lambda: any(m.finished for m in party.members.values()))
    receiver = 2 if author == 1 else 1
    sent = party.delivered[author, receiver] + list(party.queues[author, receiver])
    frame = next(f for f in sent if f[4] == kind)
    fresh = party.members[1] if party.members[1].finished is None else party.members[2]
    victim = fresh.session.own_index
    error = hand_over(party, frame, victim)
    assert error.peers == (CULPRIT,)
    assert "a signature that does not verify" in error.message


def test_a_share_for_somebody_else_convicts_who_sends_it() -> None:
    """Row 13: a SHARE names its receiver, and does not verify at another one."""
    party = begun()
    party.run(until=lambda: party.members[CULPRIT].round.dealing is not None)
    frame = next(f for f in party.queues[CULPRIT, 2] if f[4] == Kind.SHARE)
    assert "a signature that does not verify" in hand_over(party, frame).message


@every_round_kind
def test_a_message_of_another_round_convicts_its_sender(kind: Kind) -> None:
    """The round is signed, and is the one that is running."""
    party = begun()
    party.run(until=lambda: party.members[CULPRIT].round.dealing is not None)
    member = party.members[CULPRIT]
    message = {m.kind: m for m in (Commitment(ZEROS, (), (ZEROS,) * 3), *MISPLACED)}[kind]
    pairwise = 1 if kind in PAIRWISE else None
    signed = member.notary.sign(message, round_number=1, receiver=pairwise)
    assert "a message of round 1" in hand_over(party, frame_bytes(signed)).message


def test_a_message_of_discovery_has_no_place_in_a_round() -> None:
    """A JOIN among members, well signed, convicts its sender."""
    party = begun()
    join = Join(party.members[CULPRIT].identity.public_key, ZEROS)
    error = hand_over(party, party.forge(CULPRIT, Kind.JOIN, encode_body(join), receiver=1))
    assert "at the wrong place" in error.message


# -- aborts ---------------------------------------------------------------------------------


def test_an_accusation_names_the_pair() -> None:
    """Who is told that a peer broke the rules ends with 4, and names accuser and accused."""
    party = begun()
    run_until_taken(party, Kind.COMMITMENT)
    accusation = abort_message(RemoteProtocolError("peer-02 lied", peers=(2,)))
    error = hand_over(party, party.frame(CULPRIT, accusation))
    assert error.peers == (CULPRIT, 2)


@given(st.integers(1, 255), st.sets(st.integers(1, 3)).map(sorted))
def test_an_abort_cannot_make_others_print_a_total(code: int, peers: list[int]) -> None:
    """Whatever code an ABORT claims, before the echo it ends the others with an error."""
    party = begun()
    run_until_taken(party, Kind.COMMITMENT)
    party.dishonest.add(CULPRIT)
    for receiver in (1, 2):
        frame = party.frame(CULPRIT, Abort(code, tuple(peers), "why"))
        party.hand_over(CULPRIT, receiver, frame)
    party.lose(CULPRIT)
    party.settle()
    for error in party.errors():
        assert exit_code_of(error) in {3, 4, 5, 6, 8}
        assert error.revealed is Revealed.NOTHING
        assert error.peers


# -- anything at all ------------------------------------------------------------------------


@given(
    st.sampled_from([*ROUND_KINDS, Kind.ACCEPT, Kind.UNMASK]),
    st.binary(max_size=60),
    st.integers(0, 40),
    st.integers(0, 1),
)
def test_signed_garbage_at_any_time_is_a_violation(
    kind: Kind, body: bytes, moment: int, round_number: int
) -> None:
    """Garbage under a good signature, at any moment, ends with 4 and its sender's name."""
    party, steps = begun(), iter(range(moment))
    party.run(until=lambda: next(steps, None) is None)
    receiver = 1 if kind in PAIRWISE else None
    frame = party.forge(CULPRIT, kind, body, receiver=receiver, round_number=round_number)
    member = party.members[1]
    assume(member.finished is None)
    party.hand_over(CULPRIT, 1, frame)
    if member.error is None:
        # Any bytes of the right number can be a partial sum, if one is due.
        assert (kind, len(body), round_number) == (Kind.PARTIAL, 12, 0)
    else:
        assert isinstance(member.error, RemoteProtocolError)
        assert member.error.peers == (CULPRIT,)


def spoiled(party: Party, receiver: int, signed: Signed[Message], how: str) -> bytes | None:
    """Return what becomes of a frame of the culprit: nothing, another message, or garbage."""
    message, body, random = signed.message, signed.body, Random(receiver)
    if how == "drop":
        return None
    if how == "change":
        return party.frame(CULPRIT, changed(message), receiver)
    garbage = {
        "zeros": bytes(len(body)),
        "cut": body[: random.randrange(len(body))],
        "noise": random.randbytes(len(body)),
    }
    to = receiver if message.kind in PAIRWISE else None
    return party.forge(CULPRIT, message.kind, garbage[how], receiver=to)


@given(
    st.integers(0, 2**32),
    st.sampled_from(ROUND_KINDS),
    st.sampled_from(["drop", "change", "zeros", "cut", "noise"]),
    st.sampled_from([{}, {"strict": True}, {"share_mode": "dense"}]),
)
def test_one_dishonest_peer_never_makes_a_wrong_total(
    seed: int, kind: Kind, how: str, mode: dict[str, Any]
) -> None:
    """Whatever one peer does to some of its messages, honest ones end right, or with an error."""
    random = Random(seed)
    party = Party(VALUES, **mode)
    victims = random.sample([1, 2, 4], random.randint(1, 3))
    party.corrupt(
        CULPRIT,
        {
            kind: lambda receiver, signed: (
                spoiled(party, receiver, signed, how)
                if receiver in victims
                else frame_bytes(signed)
            )
        },
    )
    party.start()
    for _ in range(4):
        party.run(random.choice)
        party.time_out()
    assert all(total == party.expected for total in party.totals(but=CULPRIT))
    for index, member in party.members.items():
        if index == CULPRIT or member.finished is not None:
            continue
        assert isinstance(member.error, RemoteProtocolError | PeerMissing)
        # Nobody honest is accused without the one who is not.
        assert isinstance(member.error, PeerMissing) or CULPRIT in member.error.peers
