"""Peers of weight 0: they see a sum, add nothing to it, and nobody depends on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pmpc.endings import abort_message
from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import PeerMissing, RemoteProtocolError, Revealed, exit_code_of
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.messages import (
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
    Unmask,
)
from p2pmpc.transcript import render
from tests.nodes import KILLED, Peers, at_once
from tests.party import Party

VALUES = [[1, -2], [0, 0], [30, 40], [-500, 600], [0, 0]]
WEIGHTS = [3, 0, -2, 5, 0]
TOTAL = [3 - 60 - 2500, -6 - 80 + 3000]
CONTRIBUTORS, OBSERVERS = (1, 3, 4), (2, 5)
ZEROS, SIGNATURE = bytes(32), bytes(64)


def watched(**parameters: Any) -> Party:
    """Return three contributors and two observers, started."""
    party = Party(VALUES, WEIGHTS, **parameters)
    party.start()
    return party


def agreed() -> Party:
    """Return the same with everybody's signature on the roster, and no message of the round read."""
    party = watched()
    party.run_links(lambda *link: party.queues[link][0][4] == Kind.ACCEPT)
    return party


def kinds_sent(party: Party, sender: int, receiver: int) -> list[Kind]:
    """Return what kinds of messages one peer has sent another one."""
    frames = [*party.delivered.get((sender, receiver), ())]
    frames += party.queues.get((sender, receiver), ())
    return [Kind(frame[4]) for frame in frames]


def transcripts(party: Party) -> set[str]:
    """Return the different transcripts of those who finished."""
    return {render(m.finished.record) for m in party.members.values() if m.finished is not None}


def run_until_heard(party: Party, sender: int, kind: Kind, receiver: int) -> None:
    """Deliver until one peer has taken a message of a kind, that link first."""
    party.run(
        lambda links: min(links, key=lambda link: (link != (sender, receiver), link)),
        until=lambda: any(f[4] == kind for f in party.delivered.get((sender, receiver), ())),
    )


# -- what works -------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32),
    st.permutations([2, -7, 5, 0, 0]),
    st.sampled_from([{}, {"strict": True}, {"share_mode": "dense", "field": "m61"}]),
)
def test_everybody_ends_with_the_same_total_in_every_order(
    seed: int, weights: list[int], mode: dict[str, Any]
) -> None:
    """Wherever observers stand and whatever arrives first: one total, one transcript, no error."""
    values = [[k, -k] if weight else [0, 0] for k, weight in enumerate(weights, 10)]
    party = Party(values, weights, **mode)
    party.start()
    party.run(Random(seed).choice)
    assert party.totals() == [party.expected] * 5
    assert len(transcripts(party)) == 1


def test_observers_of_all_kinds_of_crowds() -> None:
    """One observer among three, and seven among four: contributors alone make the total."""
    for weights in ([1, 1, 1, 0], [0, 1, 0, 2, 0, 0, 3, 0, 4, 0, 0]):
        party = Party([[10 * bool(weight)] for weight in weights], weights)
        party.start()
        party.run()
        assert party.totals() == [[10 * sum(weights)]] * len(weights)


def test_an_observer_is_sent_no_share_and_says_little() -> None:
    """No SHARE goes to an observer or comes from one; all it says is ACCEPT and CONFIRM."""
    party = watched()
    party.run()
    for observer in OBSERVERS:
        for other in party.members:
            if other != observer:
                assert Kind.SHARE not in kinds_sent(party, other, observer)
                assert kinds_sent(party, observer, other) == [Kind.ACCEPT, Kind.CONFIRM]
    for one in CONTRIBUTORS:
        for other in CONTRIBUTORS:
            assert one == other or kinds_sent(party, one, other).count(Kind.SHARE) == 1


def test_an_observer_brings_nothing_to_commitments_echoes_or_openings() -> None:
    """Threshold, b-shares, echoes and openings count contributors alone; rosters count everybody."""
    party = watched()
    party.run()
    session = party.members[2].session
    assert session.contributors == CONTRIBUTORS
    assert session.threshold == 2
    assert party.members[2].round.dealing is None
    said = party.members[2].round.links[3].said
    commitment, echo, opened = (
        said[kind, 0].message for kind in (Kind.COMMITMENT, Kind.ECHO, Kind.OPEN)
    )
    assert isinstance(commitment, Commitment)
    assert isinstance(echo, Echo)
    assert isinstance(opened, Open)
    assert len(commitment.shares) == len(commitment.mask_shares) == 3
    assert (len(echo.acceptances), len(echo.entries), len(opened.echoes)) == (5, 3, 3)


@given(st.integers(0, 2**32))
@settings(max_examples=15)
def test_echoes_and_openings_may_reach_an_observer_before_its_partial_sums(seed: int) -> None:
    """Whatever contributors were quick to say waits at an observer until it can be checked."""
    party, random = watched(), Random(seed)
    slow = (3, 2)
    party.run_links(lambda *link: link != slow)
    early = party.members[2].round.links[4]
    assert {Kind.ECHO, Kind.OPEN, Kind.CONFIRM} <= {kind for kind, _ in early.said}
    assert party.members[2].steps == ["roster"]
    assert party.members[4].finished is None
    party.run(random.choice)
    assert party.totals() == [TOTAL] * 5


def test_an_observer_records_nothing_and_hands_out_nothing() -> None:
    """Only whose input is summed has a ledger to write, and only contributors hold b-shares."""
    party = watched()
    party.run_to_echo()
    party.run_links(lambda sender, _receiver: sender == 4)
    party.lose(4)
    party.settle()
    assert [party.members[i].recorded for i in (1, 2, 3, 5)] == [True, False, True, False]
    assert [bool(party.members[i].unmasked) for i in (1, 2, 3, 5)] == [True, False, True, False]
    assert party.totals() == [TOTAL] * 4


# -- somebody dies ----------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(0, 120), st.sets(st.sampled_from(OBSERVERS), min_size=1))
@settings(max_examples=30)
def test_an_observer_that_dies_never_stops_the_sum(seed: int, moment: int, dead: set[int]) -> None:
    """Once the roster is agreed, observers may die at any moment: the others end with the total."""
    party, random, steps = agreed(), Random(seed), iter(range(moment))
    party.run(random.choice, until=lambda: next(steps, None) is None)
    for index in dead:
        party.lose(index)
    party.run(random.choice)
    party.settle()
    assert party.totals() == [TOTAL] * (5 - len(dead))
    assert len(transcripts(party)) == 1


def test_an_observer_that_dies_before_the_agreement_is_missed() -> None:
    """Row 1: an observer belongs to the roster, so without its signature nobody shares anything."""
    party = watched()
    party.lose(2)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert "peer-02 (" in error.message
        assert error.revealed is Revealed.NOTHING


def test_an_observer_that_falls_silent_is_done_without() -> None:
    """An observer that never confirms delays the others, and is named in nobody's error."""
    party = watched()
    party.corrupt(5, {Kind.CONFIRM: lambda _receiver, _signed: None})
    party.settle()
    assert party.totals(but=5) == [TOTAL] * 4
    finished = party.members[1].finished
    assert finished is not None
    assert sorted(finished.confirmed) == [1, 2, 3, 4]


def test_an_observer_that_gives_up_does_not_stop_the_sum() -> None:
    """An ABORT of an observer, whatever its reason, ends nobody else's run."""
    party = agreed()
    error = PeerMissing("I saw enough", peers=(3,))
    party.perform(2, party.members[2].round.abort(error))
    party.settle()
    assert party.totals() == [TOTAL] * 4


@given(st.integers(0, 2**32), st.integers(0, 120), st.sampled_from(CONTRIBUTORS))
@settings(max_examples=30)
def test_an_observer_ends_like_the_contributors_when_one_of_them_dies(
    seed: int, moment: int, dead: int
) -> None:
    """Rows 1 to 4: with a contributor lost at any moment, everybody ends with the total, or with 3."""
    party, random, steps = watched(), Random(seed), iter(range(moment))
    party.run(random.choice, until=lambda: next(steps, None) is None)
    party.lose(dead)
    party.run(random.choice)
    party.settle()
    assert all(total == TOTAL for total in party.totals())
    assert len(transcripts(party)) <= 1
    for member in party.members.values():
        assert member.finished is not None or isinstance(member.error, PeerMissing)
    contributors = [party.members[i] for i in CONTRIBUTORS if i != dead]
    if all(member.finished is not None for member in contributors):
        for member in (party.members[i] for i in OBSERVERS):
            # Only what the dead one had not yet said to an observer alone can be missed there.
            assert member.error is None or dead in member.error.peers


def test_an_observer_has_revealed_nothing() -> None:
    """Whenever an observer's run ends, nothing about its data was revealed: it has none."""
    party = watched()
    party.run_to_echo()
    party.run_links(lambda *link: party.queues[link][0][4] == Kind.ECHO)
    for index in CONTRIBUTORS:
        party.lose(index)
    party.settle()
    assert [error.revealed for error in party.errors()] == [Revealed.NOTHING] * 2


# -- a contributor that breaks the rules --------------------------------------------------------


def end_of(party: Party, frame: bytes, sender: int = 3, observer: int = 2) -> RemoteProtocolError:
    """Let an observer read a frame of a contributor, and return what it ends with."""
    party.hand_over(sender, observer, frame)
    error = party.members[observer].error
    assert isinstance(error, RemoteProtocolError)
    assert exit_code_of(error) == 4
    assert error.peers == (sender,)
    assert f"peer-{sender:02} (" in error.message
    return error


ANY_ECHO = Echo((SIGNATURE,) * 5, (EchoEntry(ZEROS, SIGNATURE, ZEROS, SIGNATURE),) * 3)
EARLY: list[Message] = [
    Partial(bytes(12)),
    ANY_ECHO,
    Open(ZEROS, (SIGNATURE,) * 3),
    Unmask(1, bytes(33)),
    Confirm(ZEROS),
]


@pytest.mark.parametrize("message", EARLY, ids=lambda message: str(message.kind.name))
def test_an_observer_names_who_leaves_a_step_out(message: Message) -> None:
    """What comes at an observer before the COMMITMENT of its sender convicts the sender."""
    party = agreed()
    error = end_of(party, party.frame(3, message))
    assert "too early, or at the wrong place (CONNECTED)" in error.message


def test_a_share_for_an_observer_convicts_its_sender() -> None:
    """There is no place for a SHARE on an observer's link, before the COMMITMENT or after it."""
    for heard in (Kind.ACCEPT, Kind.COMMITMENT):
        party = agreed()
        if heard is Kind.COMMITMENT:
            party.deliver(3, 2)
        assert "at the wrong place" in end_of(party, party.frame(3, Share(b"sealed"), 2)).message


def test_an_observer_proves_two_contents_in_one_place() -> None:
    """Row 11: two different COMMITMENTs at an observer convict their signer with a proof."""
    party = watched()
    run_until_heard(party, 3, Kind.COMMITMENT, 2)
    known = party.members[2].round.links[3].message(Kind.COMMITMENT).message
    assert isinstance(known, Commitment)
    error = end_of(party, party.frame(3, replace(known, mask=ZEROS)))
    assert isinstance(error, Dispute)
    assert error.evidence.claim is Claim.EQUIVOCATION


Change = Callable[[Message], Message]


def lied_to(party: Party, victims: set[int], kind: Kind, change: Change) -> None:
    """Let contributor 3 tell some peers something else."""

    def frame(receiver: int, signed: Signed[Message]) -> bytes:
        if receiver not in victims:
            return frame_bytes(signed)
        return party.frame(3, change(signed.message), receiver)

    party.corrupt(3, {kind: frame})


def other_mask(message: Message) -> Message:
    """Return a COMMITMENT to another mask."""
    assert isinstance(message, Commitment)
    return replace(message, mask=ZEROS)


@pytest.mark.parametrize("victims", [{2}, {2, 5}, {1, 2}, {1, 4}], ids=str)
@pytest.mark.parametrize("kind", [Kind.COMMITMENT, Kind.PARTIAL])
def test_equivocation_towards_observers_names_its_author_everywhere(
    victims: set[int], kind: Kind
) -> None:
    """Row 12: what an observer alone was told otherwise convicts whoever said it, at everybody."""
    party = Party(VALUES, WEIGHTS)
    change: Change = other_mask if kind is Kind.COMMITMENT else lambda _message: Partial(bytes(12))
    lied_to(party, victims, kind, change)
    party.start()
    party.run_to_echo()
    party.settle()
    ended = [m for i, m in party.members.items() if i != 3 and m.error is not None]
    assert ended
    for member in ended:
        assert isinstance(member.error, Dispute)
        assert member.error.peers == (3,)
    if victims & set(CONTRIBUTORS):
        assert len(ended) == 4
    assert all(total == TOTAL for total in party.totals(but=3))


def opened_wrongly(message: Message) -> Message:
    """Return an OPEN of another mask seed."""
    assert isinstance(message, Open)
    return replace(message, mask_seed=ZEROS)


def opened_early(message: Message) -> Message:
    """Return an OPEN without signatures."""
    assert isinstance(message, Open)
    return replace(message, echoes=(SIGNATURE,) * 3)


FALSE_TO_OBSERVERS: dict[str, tuple[Kind, Change]] = {
    "an echo of what nobody signed": (Kind.ECHO, lambda _message: ANY_ECHO),
    "another mask": (Kind.OPEN, opened_wrongly),
    "too early": (Kind.OPEN, opened_early),
}


@pytest.mark.parametrize("name", FALSE_TO_OBSERVERS)
@pytest.mark.parametrize("early", [False, True])
def test_what_is_false_is_found_by_an_observer_early_or_late(name: str, early: bool) -> None:
    """A false ECHO or OPEN convicts its sender, also where it waited for a slow PARTIAL."""
    party = Party(VALUES, WEIGHTS)
    kind, change = FALSE_TO_OBSERVERS[name]
    lied_to(party, {2}, kind, change)
    party.start()
    if early:
        party.run_links(lambda *link: link != (4, 2))
    party.settle()
    error = party.members[2].error
    assert isinstance(error, Dispute)
    assert error.peers == (3,)
    assert all(total == TOTAL for total in party.totals(but=3))


# -- an observer that breaks the rules ------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [Commitment(ZEROS, (ZEROS,) * 3, (ZEROS,) * 3), Share(b"sealed"), *EARLY[:4]],
    ids=lambda message: str(message.kind.name),
)
@pytest.mark.parametrize("receiver", [1, 5])
def test_an_observer_has_no_say_in_a_round(message: Message, receiver: int) -> None:
    """Any message of the round but its CONFIRM leaves an observer out, and the others go on."""
    party = agreed()
    party.dishonest.add(2)
    party.hand_over(2, receiver, party.frame(2, message, receiver))
    (error,) = party.members[receiver].dismissed
    assert "at the wrong place" in error.message
    assert error.peers == (2,)
    party.lose(2)
    party.settle()
    assert party.totals() == [TOTAL] * 4


@pytest.mark.parametrize("at", ["roster", "share", "partial", "echo", "open", "confirm"])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind >= Kind.COMMITMENT])
def test_whatever_an_observer_says_at_any_time_stops_nobody(kind: Kind, at: str) -> None:
    """Garbage of every kind, signed by an observer, at every stage of a contributor."""
    party = agreed()
    party.run(until=lambda: at in party.members[1].steps)
    party.dishonest.add(2)
    receiver = 1 if kind is Kind.SHARE else None
    party.hand_over(2, 1, party.forge(2, kind, b"\xc1", receiver=receiver))
    party.hand_over(2, 1, party.frame(2, Confirm(ZEROS)))
    party.lose(2)
    party.settle()
    assert party.totals() == [TOTAL] * 4


@pytest.mark.parametrize("receiver", [1, 2])
def test_a_mask_share_about_an_observer_convicts_its_sender(receiver: int) -> None:
    """Nobody was dealt a b-share of an observer, so an UNMASK about one was made up."""
    party = watched()
    run_until_heard(party, 3, Kind.OPEN, receiver)
    error = end_of(party, party.frame(3, Unmask(5, bytes(33))), 3, receiver)
    assert "a mask share of an observer" in error.message


def test_a_false_confirmation_of_an_observer_counts_as_none() -> None:
    """An observer that signs another total is missing among those who confirmed the right one."""
    party = watched()
    party.corrupt(2, {Kind.CONFIRM: lambda _receiver, _signed: party.frame(2, Confirm(ZEROS))})
    party.settle()
    assert party.totals(but=2) == [TOTAL] * 4
    for index in (1, 3, 4, 5):
        finished = party.members[index].finished
        assert finished is not None
        assert 2 not in finished.confirmed


def test_an_accusation_by_an_observer_without_proof_ends_nobody() -> None:
    """An observer's word alone stops no sum; only what it can prove does."""
    party = agreed()
    party.dishonest.add(2)
    accusation = abort_message(RemoteProtocolError("peer-03 lied", peers=(3,)))
    for receiver in (1, 3, 4, 5):
        party.hand_over(2, receiver, party.frame(2, accusation))
    party.lose(2)
    party.settle()
    assert party.totals() == [TOTAL] * 4


# -- whole nodes ------------------------------------------------------------------------------


@at_once
async def test_an_observing_node_learns_the_total(tmp_path: Path) -> None:
    """A node with --weight 0 needs no input, is told that it observes, and holds the same files."""
    peers = Peers(tmp_path)
    peers.add_all([10, 20, 30], weight=2)
    observer = peers.add(weight=0)
    await peers.run()
    assert peers.codes == [0] * 4
    assert observer.total == [120]
    assert len(peers.transcripts()) == 1
    assert any("observes" in warning for warning in observer.warnings)
    assert observer.steps == ["join", "hello", "roster", "echo", "open", "confirm"]


@at_once
async def test_a_founder_may_observe(tmp_path: Path) -> None:
    """The founder that only brings others together needs no input of its own."""
    peers = Peers(tmp_path, length=2)
    peers.add(weight=0)
    for row in ((1, 2), (3, 4), (5, 6)):
        peers.add(*row)
    await peers.run()
    assert peers.codes == [0] * 4
    assert peers.members[0].total == [9, 12]


@pytest.mark.parametrize("step", ["echo", "open", "confirm"])
@at_once
async def test_an_observing_node_that_is_killed_is_only_missing(tmp_path: Path, step: str) -> None:
    """An observer killed at any step of the round leaves three confirmations and a total."""
    peers = Peers(tmp_path)
    peers.add_all([1, 2, 3], weight=1)
    peers.add(weight=0, kill=step)
    await peers.run()
    assert peers.codes == [0, 0, 0, KILLED]
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert (outcome.total.values(), len(outcome.missing)) == ((6,), 1)


@pytest.mark.parametrize(
    ("weights", "code", "why"),
    [
        ([1, 0, 0], 8, "at least 3 contributors, not 1"),
        ([1, 1, 0, 0], 8, "with two contributors each learns"),
        ([0, 0, 0], 6, "all peers observe"),
    ],
)
@at_once
async def test_observers_do_not_count_as_contributors(
    tmp_path: Path, weights: list[int], code: int, why: str
) -> None:
    """Row 18: fewer than three contributors end with 8, and none at all with 6, however many watch."""
    peers = Peers(tmp_path, join_timeout=5.0)
    for weight in weights:
        peers.add(*[7] * bool(weight), weight=weight, join_timeout=5.0)
    await peers.run()
    assert peers.codes == [code] * len(weights)
    assert any(why in peer.told for peer in peers.members)
    assert peers.reached("share") == []
    assert peers.transcripts() == set()


@pytest.mark.parametrize(("allowed", "codes"), [(True, [0, 0, 0]), (None, [8, 8, 8])])
@at_once
async def test_two_contributors_before_an_audience_need_the_word_of_both(
    tmp_path: Path, allowed: bool | None, codes: list[int]
) -> None:
    """Row 18: an observer, who shows nothing, need not say --allow-two; both contributors must."""
    peers = Peers(tmp_path, allow_two=True)
    peers.add(1, weight=1)
    peers.add(2, weight=1, allow_two=allowed)
    peers.add(weight=0)
    await peers.run()
    assert peers.codes == codes
    if allowed is None:
        assert peers.reached("share") == []


def test_a_contributor_that_ends_over_an_observer_is_not_waited_for() -> None:
    """An observer that contradicts itself to one who still agrees ends all, named and with the proof."""
    party = Party([[1], [2], [3], [0]], [1, 2, 3, 0])
    party.dishonest.add(4)
    party.start()
    party.run_links(lambda *link: link != (2, 1))
    assert not party.members[1].agreement.agreed
    roster = party.members[4].session.acceptance
    lines = [replace(line, weight=line.weight + (line.weight == 2)) for line in roster.entries]
    party.send(4, 1, party.frame(4, replace(roster, entries=tuple(lines))))
    party.run_links(lambda *link: link == (4, 1))
    party.run()
    for error in party.errors(but=4):
        assert isinstance(error, Dispute)
        assert error.peers == (4,)
        assert error.revealed is Revealed.NOTHING
