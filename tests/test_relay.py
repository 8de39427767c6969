"""An OPEN that reached only some is passed on: if one live peer can finish, every live peer does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.identity import SIGNATURE_BYTES
from p2pmpc.messages import Kind, Message, Open, Partial, Relay, Signed, Unmask
from p2pmpc.wire import HEADER, encode_body
from tests.party import Party

FROM_ECHO = frozenset({Kind.OPEN, Kind.UNMASK, Kind.CONFIRM, Kind.RELAY})


def cut_short(party: Party, culprit: int, reached: set[int], *kinds: Kind) -> None:
    """Let a peer's messages of some kinds reach only some, and what it says after ECHO nobody else."""
    honest = party.tamper

    def tamper(sender: int, receiver: int, signed: Signed[Message]) -> bytes | None:
        kind = signed.message.kind
        if sender == culprit and (kind in kinds or kind in FROM_ECHO):
            return frame_bytes(signed) if kind in kinds and receiver in reached else None
        return honest(sender, receiver, signed)

    party.tamper = tamper


def begun(*weights: int, **parameters: Any) -> Party:
    """Return peers that have agreed to begin."""
    party = Party(
        [[10**k, k] if w else [0, 0] for k, w in enumerate(weights)], weights, **parameters
    )
    party.start()
    return party


@pytest.mark.parametrize("sum_mode", ["broadcast", "sharded"])
def test_an_observer_that_alone_holds_an_open_passes_it_on(sum_mode: str) -> None:
    """Row 4: the lost peer's ECHO and OPEN reached only an observer; with it everybody finishes."""
    party = begun(1, 1, 1, 0, sum_mode=sum_mode)
    cut_short(party, 1, {4}, Kind.ECHO, Kind.OPEN)
    party.run()
    assert [m.opened for m in party.members.values()] == [True, False, False, False]
    party.lose(1)
    party.settle()
    assert party.totals(but=1) == [party.expected] * 3


@pytest.mark.parametrize("sum_mode", ["broadcast", "sharded"])
@pytest.mark.parametrize("holder", [3, 4])
def test_below_a_majority_an_open_that_reached_one_still_serves_all(
    sum_mode: str, holder: int
) -> None:
    """Row 4: two of four are lost, each OPEN at one of the others: too few for b-shares, and both finish."""
    party = begun(1, 2, 3, 4, sum_mode=sum_mode)
    cut_short(party, 1, {holder}, Kind.OPEN)
    cut_short(party, 2, {3, 4} - {holder}, Kind.OPEN)
    party.run()
    for index in (1, 2):
        party.lose(index)
    party.settle()
    assert party.totals() == [party.expected] * 2


@pytest.mark.parametrize("sum_mode", ["broadcast", "sharded"])
def test_an_observer_that_alone_holds_an_echo_passes_it_on(sum_mode: str) -> None:
    """Row 4: the lost peer's ECHO reached only an observer; with it the majority opens."""
    party = begun(1, 1, 1, 0, sum_mode=sum_mode)
    cut_short(party, 1, {4}, Kind.ECHO)
    party.run()
    party.lose(1)
    party.settle()
    assert party.totals(but=1) == [party.expected] * 3


@pytest.mark.parametrize("sender", [2, 4])
def test_a_relayed_echo_that_its_owner_did_not_sign_is_its_senders_fault(sender: int) -> None:
    """4: whoever made it up is named, not the peer it is about; an observer is only left out."""
    party = begun(1, 1, 1, 0)
    cut_short(party, 1, {2}, Kind.ECHO)
    party.run()
    relayed(party, sender, Relay(1, bytes(SIGNATURE_BYTES), b""), to=3)
    error = party.members[3].error
    if sender == 4:
        assert error is None
        assert party.members[3].dismissed
    else:
        assert isinstance(error, RemoteProtocolError)
        assert error.peers == (2,)
        assert "did not sign" in error.message


def test_what_was_passed_on_is_passed_on_again() -> None:
    """A peer that has an OPEN only from one that is lost as well passes it on."""
    party = begun(1, 1, 1, 0, 0)
    cut_short(party, 1, {4}, Kind.ECHO, Kind.OPEN)
    cut_short(party, 4, {5}, Kind.RELAY)
    party.run()
    party.lose(1)
    party.run()
    assert party.members[5].round._steps.heard.opened_by(1) is not None
    party.lose(4)
    party.settle()
    assert party.totals() == [party.expected] * 3


def test_nothing_is_passed_on_while_nobody_is_lost() -> None:
    """Nor when peers leave because they are done."""
    party = begun(1, 1, 1, 0)
    said: list[Kind] = []

    def tamper(_sender: int, _receiver: int, signed: Signed[Message]) -> bytes:
        said.append(signed.message.kind)
        return frame_bytes(signed)

    party.tamper = tamper
    party.run(until=lambda: any(member.finished for member in party.members.values()))
    done = next(index for index, member in party.members.items() if member.finished)
    party.run_links(lambda sender, _receiver: sender == done)
    for other in party.members:
        if other != done:
            party.give_up(done, other)
    party.run()
    assert party.totals() == [party.expected] * 4
    assert Kind.CONFIRM in said
    assert Kind.RELAY not in said


def opened(party: Party, owner: int) -> Signed[Message]:
    """Return the OPEN of a peer that has said it."""
    heard = party.members[next(i for i in party.members if i != owner)].round._steps.heard
    signed = heard.opened_by(owner)
    assert signed is not None
    return signed


@pytest.fixture
def party() -> Party:
    """Four contributors and an observer, of whom 4 lacks the OPEN of 1."""
    party = begun(1, 1, 1, 1, 0)
    cut_short(party, 1, {2, 3, 5}, Kind.OPEN)
    party.run()
    assert party.members[4].round._steps.heard.opened_by(1) is None
    return party


def relayed(party: Party, sender: int, relay: Relay, to: int = 4) -> None:
    """Let a peer pass something on to another one."""
    party.hand_over(sender, to, party.frame(sender, relay))


@pytest.mark.parametrize("sender", [2, 5])
def test_a_relay_that_its_owner_did_not_sign_is_its_senders_fault(
    party: Party, sender: int
) -> None:
    """4: whoever passes on what was not signed is named; an observer is only left out."""
    honest = opened(party, 1)
    relayed(party, sender, Relay(1, bytes(SIGNATURE_BYTES), honest.body))
    error = party.members[4].error
    if sender == 5:
        assert error is None
        assert party.members[4].dismissed
    else:
        assert isinstance(error, RemoteProtocolError)
        assert error.peers == (2,)
        assert "did not sign" in error.message


def test_a_relay_of_an_observer_or_of_the_receiver(party: Party) -> None:
    """An observer has no OPEN, and a peer knows its own."""
    own = opened(party, 4)
    relayed(party, 2, Relay(4, own.signature, own.body))
    assert party.members[4].error is None
    relayed(party, 2, Relay(5, own.signature, own.body))
    error = party.members[4].error
    assert error is not None
    assert "observer" in error.message


@pytest.mark.parametrize("sender", [2, 5])
def test_a_wrong_opening_that_is_passed_on_is_its_owners_fault(party: Party, sender: int) -> None:
    """4: the owner is named with proof, whoever passed it on, an observer too."""
    honest = opened(party, 1).message
    assert isinstance(honest, Open)
    frame = party.frame(1, replace(honest, mask_seed=bytes(32)))
    body = frame[HEADER.size + 4 + SIGNATURE_BYTES :]
    signature = frame[HEADER.size + 4 : HEADER.size + 4 + SIGNATURE_BYTES]
    relayed(party, sender, Relay(1, signature, body))
    error = party.members[4].error
    assert isinstance(error, Dispute)
    assert error.evidence.claim is Claim.WRONG_OPENING
    assert error.evidence.culprit == 1


@pytest.mark.parametrize("sender", [2, 5])
def test_two_opens_of_one_owner_prove_themselves(party: Party, sender: int) -> None:
    """4: one from the owner, another one passed on: both are kept as evidence."""
    honest = opened(party, 2)
    assert isinstance(honest.message, Open)
    frame = party.frame(2, replace(honest.message, mask_seed=bytes(32)))
    body = frame[HEADER.size + 4 + SIGNATURE_BYTES :]
    signature = frame[HEADER.size + 4 : HEADER.size + 4 + SIGNATURE_BYTES]
    relayed(party, 3 if sender == 2 else 5, Relay(2, signature, body))
    error = party.members[4].error
    assert isinstance(error, Dispute)
    assert error.evidence.claim is Claim.EQUIVOCATION
    assert error.evidence.culprit == 2


def test_an_open_without_everybodys_echo_is_its_owners_fault(party: Party) -> None:
    """4: an OPEN carries n echoes, also when it is passed on."""
    honest = opened(party, 1).message
    assert isinstance(honest, Open)
    echoes = (honest.echoes[1], *honest.echoes[1:])
    frame = party.frame(1, replace(honest, echoes=echoes))
    body = frame[HEADER.size + 4 + SIGNATURE_BYTES :]
    signature = frame[HEADER.size + 4 : HEADER.size + 4 + SIGNATURE_BYTES]
    relayed(party, 2, Relay(1, signature, body))
    error = party.members[4].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (1,)


def test_a_relay_that_comes_too_early_is_refused() -> None:
    """Before this peer's echo nobody can hold an OPEN."""
    for sender in (2, 4):
        party = begun(1, 1, 1, 0)
        party.run(until=lambda p=party: p.members[1].agreement.agreed)  # type: ignore[misc]
        party.run_links(lambda sender, receiver: receiver == 4 and sender == 4)
        relay = Relay(3, bytes(SIGNATURE_BYTES), encode_body(Unmask(1, bytes(33))))
        party.hand_over(sender, 1, party.frame(sender, relay))
        member = party.members[1]
        assert (member.error is not None) == (sender == 2)
        assert bool(member.dismissed) == (sender == 4)


def test_repetitions_are_passed_over(party: Party) -> None:
    """The same relay again, from the same and from others, changes nothing."""
    honest = opened(party, 1)
    before = None
    for sender, _ in itertools.product((2, 3, 5), range(2)):
        relayed(party, sender, Relay(1, honest.signature, honest.body))
        moves = party.members[4].round.moves
        assert before in (None, moves)
        before = moves
    assert party.members[4].error is None
    assert not party.members[4].dismissed


def lied_to(*lost: Kind) -> tuple[Party, bytes]:
    """Return peers of whom 4 tells observer 5 another sum, and that frame, which has not come yet.

    Contributor 2 is cut off from observer 5 from its ECHO on, and from observer 1 for some kinds.
    """
    party = begun(0, 1, 1, 1, 0)
    frames: list[bytes] = []
    party.dishonest.add(4)

    def tamper(sender: int, receiver: int, signed: Signed[Message]) -> bytes | None:
        message = signed.message
        if (sender, receiver) == (4, 5) and message.kind >= Kind.PARTIAL:
            if isinstance(message, Partial):
                frames.append(party.frame(4, Partial(bytes(4) + message.content[4:])))
            return None
        is_cut = sender == 2 and receiver == 5 and message.kind >= Kind.ECHO
        is_cut |= sender == 2 and receiver == 1 and message.kind in lost
        return None if is_cut else frame_bytes(signed)

    party.tamper = tamper
    party.run()
    return party, frames[0]


def told_apart(party: Party, frame: bytes) -> None:
    """Hold that the observer that was lied to names the liar, and nobody else."""
    party.hand_over(4, 5, frame)
    error = party.members[5].error
    assert isinstance(error, Dispute)
    assert error.evidence.culprit == 4
    assert not party.members[5].dismissed


def test_an_open_of_another_echo_accuses_neither_its_owner_nor_its_sender() -> None:
    """Row 12: an observer that was lied to, and is shown an honest OPEN before any ECHO of its owner."""
    party, frame = lied_to()
    honest = opened(party, 2)
    relayed(party, 1, Relay(2, honest.signature, honest.body), to=5)
    told_apart(party, frame)


def test_a_relayed_echo_of_another_view_accuses_nobody() -> None:
    """Row 12: the same with an ECHO that an honest observer passes on for a peer that is lost."""
    party, frame = lied_to(Kind.OPEN, Kind.CONFIRM)
    party.die(2)
    party.give_up(2, by=1)
    party.run()
    told_apart(party, frame)


def test_what_an_observer_passes_on_too_early_ends_nobodys_round() -> None:
    """What is wrong with it shows later, when its sender is left out, and the sum goes on without it."""
    party = begun(1, 1, 1, 0, 0)
    party.run(until=lambda: party.members[5].agreement.agreed)
    body = encode_body(Open(bytes(32), (bytes(SIGNATURE_BYTES),) * 3))
    relayed(party, 4, Relay(1, bytes(SIGNATURE_BYTES), body), to=5)
    party.run()
    assert party.members[5].error is None
    assert [error.peers for error in party.members[5].dismissed] == [(4,)]
    assert party.totals(but=4) == [party.expected] * 4
