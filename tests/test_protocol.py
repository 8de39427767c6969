"""One round among honest peers and lost ones; tests/test_adversary.py has the dishonest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pmpc.actions import STEPS, Action, RecordInput
from p2pmpc.endings import abort_message
from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import (
    InputRefused,
    Interrupted,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
)
from p2pmpc.joints import CONTRIBUTING, OBSERVING, SHARDING, Joint
from p2pmpc.messages import Kind, Open, Unmask
from p2pmpc.script import (
    AMONG_CONTRIBUTORS,
    AMONG_OWNERS,
    OF_AN_OBSERVER,
    OF_SLICES_TO_AN_OBSERVER,
    TO_AN_OBSERVER,
    Column,
    Script,
    Stage,
)
from p2pmpc.summing import sum_of
from p2pmpc.weights import LARGEST_WEIGHT
from tests.party import Party
from tests.strategies import integers

VALUES = [[1, -2], [30, 40], [-500, 600], [7000, 8000], [-90000, 1]]
MODES: list[dict[str, Any]] = [
    {},
    {"field": "m61"},
    {"share_mode": "dense"},
    {"strict": True},
    {"share_mode": "dense", "strict": True, "field": "m61"},
    {"sum_mode": "sharded"},
    {"sum_mode": "sharded", "strict": True, "field": "m61"},
]
every_mode = pytest.mark.parametrize("mode", MODES, ids=str)


def begun(peers: int = 3, **parameters: Any) -> Party:
    """Return a party that has signed its rosters."""
    party = Party(VALUES[:peers], **parameters)
    party.start()
    return party


def reach(party: Party, index: int, step: str) -> None:
    """Deliver until one peer has reached a step."""
    party.run(until=lambda: step in party.members[index].steps)
    assert step in party.members[index].steps


def reach_all(party: Party, step: str) -> None:
    """Deliver until every peer has reached a step, and none of them anything more."""
    party.run(
        choose=lambda links: next(k for k in links if step not in party.members[k[1]].steps),
        until=lambda: all(step in member.steps for member in party.members.values()),
    )


def deliver_all_of(party: Party, index: int) -> None:
    """Deliver everything that one peer has sent, and nothing else."""
    party.run_links(lambda sender, _receiver: sender == index)


# -- totals ---------------------------------------------------------------------------------


@every_mode
@pytest.mark.parametrize("peers", [3, 4, 5])
def test_honest_peers_end_with_the_weighted_sum(peers: int, mode: dict[str, Any]) -> None:
    """Every peer ends with the plain sum, confirmed by all, over the same steps."""
    party = begun(peers, **mode)
    party.run()
    assert party.totals() == [party.expected] * peers
    for member in party.members.values():
        assert member.finished is not None
        assert set(member.finished.confirmed) == set(party.members)
        assert tuple(member.steps) == STEPS[STEPS.index("roster") :]
        assert member.round.ended


def test_two_peers_may_sum() -> None:
    """The machine itself works with two, for those who allow it."""
    party = begun(2, allow_two=True)
    party.run()
    assert party.totals() == [party.expected] * 2


def test_extreme_weights_and_values_stay_exact() -> None:
    """The largest weights, of both signs, at the largest bound that fits m61."""
    weights = [LARGEST_WEIGHT, -LARGEST_WEIGHT, LARGEST_WEIGHT]
    bound = ((1 << 60) - 1) // (3 * LARGEST_WEIGHT)
    party = Party([[bound, 1], [-bound, 0], [bound, -1]], weights, field="m61")
    party.start()
    party.run()
    assert party.totals() == [[3 * LARGEST_WEIGHT * bound, 0]] * 3


@given(
    st.lists(
        st.tuples(st.integers(-(10**4), 10**4), st.integers(-(10**4), 10**4).filter(bool)),
        min_size=3,
        max_size=5,
    ),
    st.integers(0, 2),
    st.sampled_from(MODES),
)
@settings(max_examples=20)
def test_any_values_and_weights_give_their_sum(
    rows: list[tuple[int, int]], more: int, mode: dict[str, Any]
) -> None:
    """Whatever the values, the weights and the mode, the total is the plain sum."""
    values = [[value] + [value // 3] * more for value, _ in rows]
    party = Party(values, [weight for _, weight in rows], **mode)
    party.start()
    party.run()
    assert party.totals() == [party.expected] * len(rows)


def test_fixed_point_values_are_summed_in_scaled_units() -> None:
    """Fraction bits change what integers mean, and nothing in the round."""
    party = Party([[3 << 6], [5 << 5], [-(7 << 7)]], [1, 2, 3], fraction_bits=8, bound=1 << 12)
    party.start()
    party.run()
    assert party.totals() == [[(3 << 6) + 2 * (5 << 5) - 3 * (7 << 7)]] * 3


@pytest.mark.parametrize("length", [1, 65535, 65536])
def test_vectors_of_any_length_are_summed(length: int) -> None:
    """One element, and as many as make the extended vector end at and behind a chunk."""
    rows = [list(range(k, k + length)) for k in (1, 10, -7)]
    party = Party(rows, [1, -1, 2])
    party.start()
    party.run()
    assert party.totals() == [party.expected] * 3


@every_mode
def test_all_peers_keep_the_same_record(mode: dict[str, Any]) -> None:
    """The public facts are equal everywhere, and add up: the sums to the total, masks to E_j."""
    party = begun(3, **mode)
    party.run()
    records = [m.finished.record for m in party.members.values() if m.finished is not None]
    first = records[0]
    arithmetic = party.parameters.arithmetic
    for record in records:
        assert record.session.id == first.session.id
        assert record.acceptances == first.acceptances
        assert {i: said.body for i, said in record.commitments.items()} == {
            i: said.body for i, said in first.commitments.items()
        }
        assert (record.partials, record.masks) == (first.partials, first.masks)
        assert (record.echo_digest, record.echoes) == (first.echo_digest, first.echoes)
        assert {i: integers(s) for i, s in record.sums.items()} == {
            i: integers(s) for i, s in first.sums.items()
        }
        assert set(record.echoes) == set(record.masks) == {1, 2, 3}
        if party.parameters.is_sharded:
            assert not record.sums
            continue
        assert set(record.sums) == {1, 2, 3}
        total = sum_of(arithmetic, record.sums, 3)
        assert integers(total) == integers(record.total)


# -- repetitions, silence and the end -------------------------------------------------------


@every_mode
def test_exact_repetitions_change_nothing(mode: dict[str, Any]) -> None:
    """After every delivery all earlier frames of the link come again, as after a reconnection."""
    party = begun(3, **mode)
    while links := party.waiting():
        sender, receiver = links[-1]
        party.deliver(sender, receiver)
        for frame in list(party.delivered[sender, receiver]):
            party.hand_over(sender, receiver, frame)
    assert party.totals() == [party.expected] * 3


def test_repeated_mask_shares_change_nothing() -> None:
    """UNMASK may come for several peers, and each of them again."""
    party = begun(5)
    party.run_to_echo()
    for dead in (4, 5):
        deliver_all_of(party, dead)
        party.lose(dead)
    while links := party.waiting():
        sender, receiver = links[0]
        party.deliver(sender, receiver)
        for frame in list(party.delivered[sender, receiver]):
            party.hand_over(sender, receiver, frame)
    assert party.totals() == [party.expected] * 3


def test_nothing_happens_after_the_end() -> None:
    """An ended machine takes every event and asks for nothing."""
    party = begun(3)
    party.run()
    round_ = party.members[1].round
    signed = party.members[2].notary.sign(abort_message(PeerMissing("gone")))
    assert round_.receive(2, signed) == []
    assert round_.lost(2) == []
    assert round_.disconnected(2) == []
    assert round_.reconnected(2) == []
    assert round_.timed_out() == []
    assert round_.abort(PeerMissing("gone")) == []


def test_a_round_says_whom_it_waits_for() -> None:
    """At every stage those are named whose next message is missing, and progress is counted."""
    party = begun(3)
    round_ = party.members[1].round
    assert round_.waiting_for() == ()
    moves = [round_.moves]
    for step in ("share", "partial", "echo", "open", "confirm"):
        reach_all(party, step)
        # Whatever else may arrive, peer 3 is not heard, so it is waited for.
        party.run_links(lambda sender, receiver: receiver == 1 and sender == 2)
        assert round_.waiting_for() == (3,)
        moves.append(round_.moves)
    assert moves == sorted(set(moves))
    assert not round_.has_confirmed(3)
    party.run()
    assert round_.has_confirmed(3)
    assert round_.waiting_for() == ()


# -- a lost peer ----------------------------------------------------------------------------

BEFORE_ECHO = ("roster", "share", "partial")
FROM_ECHO = ("echo", "open", "confirm")


@pytest.mark.parametrize("dead", [1, 2, 3])
@pytest.mark.parametrize(
    ("step", "delivered"),
    [("roster", False), ("roster", True), ("share", False), ("share", True), ("partial", False)],
)
def test_a_loss_before_the_echo_reveals_nothing(step: str, dead: int, delivered: bool) -> None:
    """Who is lost is named by all the others, who know that running again is safe."""
    party = begun(3)
    reach(party, dead, step)
    if delivered:
        deliver_all_of(party, dead)
    party.lose(dead)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert error.peers == (dead,)
        assert error.revealed is Revealed.NOTHING


@pytest.mark.parametrize("step", FROM_ECHO)
@pytest.mark.parametrize("dead", [1, 2, 3, 4])
def test_a_loss_after_the_echo_does_not_stop_the_others(step: str, dead: int) -> None:
    """Once its echo reached all, a lost peer's input is in the total that the majority opens."""
    party = begun(4)
    party.run_to_echo()
    reach(party, dead, step)
    deliver_all_of(party, dead)
    party.lose(dead)
    party.run()
    assert party.totals() == [party.expected] * 3
    for member in party.members.values():
        assert member.finished is not None
        assert set(member.finished.confirmed) - {dead} == set(party.members)
        assert member.finished.record.masks.keys() == {1, 2, 3, 4}


@pytest.mark.parametrize("peers", [4, 5])
def test_below_a_majority_a_total_may_have_been_opened(peers: int) -> None:
    """Too few to open the lost masks end with 3 when time is up, and say what may have happened."""
    party = begun(peers)
    party.run_to_echo()
    dead = range(peers // 2 + 1, peers + 1)
    party.run_links(lambda sender, receiver: sender in dead and receiver not in dead)
    for index in dead:
        party.lose(index)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert error.revealed is Revealed.MAYBE_TOTAL
        assert error.peers == tuple(dead)


def test_in_strict_mode_a_lost_mask_stops_everybody() -> None:
    """Nobody can open for a peer that is lost after its echo; all say that a total may be open."""
    party = begun(4, strict=True)
    party.run_to_echo()
    deliver_all_of(party, 4)
    party.lose(4)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert error.peers == (4,)
        assert error.revealed is Revealed.MAYBE_TOTAL


def test_an_open_completes_a_peer_that_missed_an_echo() -> None:
    """The n signatures in one OPEN stand for the echo that a lost peer sent to only some."""
    party = begun(3)
    party.run_to_echo()
    party.run_links(lambda _sender, receiver: receiver == 2)
    party.lose(3)
    assert party.members[1].round.links[3].column < Column.ECHOED
    party.settle()
    assert party.totals() == [party.expected] * 2
    for member in party.members.values():
        assert member.finished is not None
        assert member.finished.record.echoes.keys() == {1, 2, 3}


def test_a_silent_peer_does_not_hold_up_a_total() -> None:
    """A peer that said everything but its CONFIRM is left out of the receipt when time is up."""
    party = begun(3)
    party.tamper = lambda sender, receiver, signed: (
        None
        if sender == 3 and signed.message.kind is Kind.CONFIRM
        else party.honest(sender, receiver, signed)
    )
    party.run()
    assert [member.finished is None for member in party.members.values()] == [True, True, False]
    assert party.members[1].round.waiting_for() == (3,)
    party.settle()
    assert party.totals() == [party.expected] * 3
    finished = party.members[1].finished
    assert finished is not None
    assert set(finished.confirmed) == {1, 2}


def test_silence_before_the_echo_ends_with_nothing_revealed() -> None:
    """When time is up before the own echo, those who are silent are named."""
    party = begun(3)
    party.run(
        choose=lambda links: min(links, key=lambda link: link == (3, 1)),
        until=lambda: party.waiting() == [(3, 1)],
    )
    party.time_out()
    error = party.members[1].error
    assert isinstance(error, PeerMissing)
    assert error.peers == (3,)
    assert error.revealed is Revealed.NOTHING


def test_b_shares_of_a_peer_that_is_away_are_released() -> None:
    """A peer whose connection is down is opened for; when it is back, it ends like the others."""
    party = begun(3)
    party.run_to_echo()
    deliver_all_of(party, 3)
    for index in (1, 2):
        party.perform(index, party.members[index].round.disconnected(3))
    party.run_links(lambda sender, receiver: 3 not in {sender, receiver})
    # Both hold the total; they still wait for peer 3 to confirm it.
    for index in (1, 2):
        assert "confirm" in party.members[index].steps
        assert party.members[index].round.waiting_for() == (3,)
        assert party.members[index].round.reconnected(3) == []
    party.run()
    assert party.totals() == [party.expected] * 3


def test_b_shares_of_a_peer_that_is_back_are_kept() -> None:
    """A connection that was down only for a while costs nobody's mask."""
    party = begun(3)
    party.run_to_echo()
    for index in (1, 2):
        party.perform(index, party.members[index].round.disconnected(3))
        party.perform(index, party.members[index].round.reconnected(3))
    party.run()
    assert party.totals() == [party.expected] * 3
    assert not any(member.unmasked for member in party.members.values())


def test_a_peer_that_somebody_waits_for_is_helped_by_all() -> None:
    """Who lacks an OPEN that the others have gets the mask from them, as soon as one is impatient."""
    party = begun(4)
    party.corrupt(
        3,
        {
            kind: lambda receiver, signed: None if receiver == 4 else frame_bytes(signed)
            for kind in (Kind.OPEN, Kind.CONFIRM, Kind.UNMASK)
        },
    )
    party.run()
    assert [index for index, m in party.members.items() if "confirm" in m.steps] == [1, 2, 3]
    assert party.members[4].round.waiting_for() == (3,)
    party.perform(1, party.members[1].round.timed_out())
    party.run()
    assert [party.members[index].finished is not None for index in (1, 2)] == [True, True]
    assert "confirm" in party.members[4].steps
    party.settle()
    assert party.totals() == [party.expected] * 4


def test_only_what_is_new_counts_as_a_move() -> None:
    """A message and a step of one's own are moves; repetitions and mask shares are none."""
    party = begun(3)
    round_ = party.members[1].round
    assert round_.moves == 0
    party.run(until=lambda: party.members[1].agreement.agreed)
    assert round_.moves == 1
    party.run_to_echo()
    # Three messages of each other peer, and the steps to DEALT, SUMMED, RECORDING and ECHOED.
    assert round_.moves == 10
    party.hand_over(2, 1, party.delivered[2, 1][-1])
    assert round_.moves == 10
    party.run_links(lambda sender, receiver: receiver == 1 and sender != 3)
    party.die(3)
    party.give_up(3, 1)
    assert round_.moves == 11


def test_hope_ends_with_those_who_are_gone() -> None:
    """Waiting is little use where all that is missing is missing from peers that ended."""
    party = begun(4)
    party.run_to_echo()
    party.run_links(lambda _sender, receiver: receiver in {1, 2})
    round_ = party.members[1].round
    assert round_.waiting_for() == (3, 4)
    assert not round_.only_the_gone_are_missing
    party.lose(3)
    assert not round_.only_the_gone_are_missing
    party.lose(4)
    assert round_.only_the_gone_are_missing


# -- an end on purpose ----------------------------------------------------------------------


@pytest.mark.parametrize("step", BEFORE_ECHO[1:])
@pytest.mark.parametrize(
    "reason", [InputRefused("why"), PeerMissing("why", peers=(2,)), Interrupted(2)], ids=repr
)
def test_an_abort_before_the_echo_ends_everybody(step: str, reason: P2PMPCError) -> None:
    """The others end with the code that they are told, and with nothing revealed."""
    party = begun(3)
    reach(party, 3, step)
    party.perform(3, party.members[3].round.abort(reason))
    party.run()
    assert party.members[3].error is reason
    for error in party.errors(but=3):
        assert type(error) in {type(reason), PeerMissing}
        assert error.revealed is Revealed.NOTHING
        assert "ended the session" in error.message


def test_an_abort_after_the_echo_does_not_stop_the_others() -> None:
    """A peer that is stopped by a signal after its echo says so, and the others finish."""
    party = begun(3)
    party.run_to_echo()
    party.perform(3, party.members[3].round.abort(Interrupted(15)))
    error = party.members[3].error
    assert error is not None
    assert error.revealed is Revealed.MAYBE_TOTAL
    party.run()
    assert party.totals() == [party.expected] * 2


# -- a total that does not hold -------------------------------------------------------------


def shifted(party: Party, culprit: int, shift: list[int]) -> None:
    """Let one peer add something to its partial sum, consistently and before it is fixed."""
    party.dishonest.add(culprit)
    reach(party, culprit, "share")
    secret = party.members[culprit].round._steps._secret
    assert secret is not None
    p = party.parameters.arithmetic.modulus
    secret[:] = party.parameters.arithmetic.add(
        secret, np.array([value % p for value in shift], dtype=np.uint64)
    )


@pytest.mark.parametrize("mode", MODES[:3], ids=str)
@pytest.mark.parametrize("shift", [[1, 0, 0], [0, 0, 1], [5, -5, 7]], ids=str)
def test_a_wrong_partial_sum_gives_no_total_at_all(mode: dict[str, Any], shift: list[int]) -> None:
    """A partial sum that is wrong, told to all alike, breaks the checksum: nobody has a number."""
    party = begun(3, **mode)
    shifted(party, 2, shift)
    party.run()
    assert party.totals() == []
    for error in party.errors():
        assert isinstance(error, VerificationFailed)
        assert error.revealed is Revealed.MAYBE_TOTAL


def test_a_total_beyond_the_bound_is_not_shown() -> None:
    """An input beyond the agreed bound, which only its owner could see, ends with no number."""
    party = Party([[5], [5], [1000]], [1, 1, 1], bound=10)
    party.start()
    party.run()
    assert party.totals() == []
    for error in party.errors():
        assert isinstance(error, VerificationFailed)
        assert "1000" not in error.describe()
        assert "1010" not in error.describe()


# -- the tables -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", [CONTRIBUTING, SHARDING, OBSERVING], ids=["all", "slices", "none"]
)
def test_the_tables_lead_from_the_first_stage_to_the_last(table: dict[Stage, Joint]) -> None:
    """Every stage of a table leads to a later one of it, and all are on the way from first to last."""
    stage, walked = Stage.WAITING, []
    while stage is not Stage.DONE:
        walked.append(stage)
        assert table[stage].needs
        assert table[stage].then > stage
        stage = table[stage].then
    assert set(walked) == set(table)


@pytest.mark.parametrize(
    "script",
    [AMONG_CONTRIBUTORS, AMONG_OWNERS, TO_AN_OBSERVER, OF_SLICES_TO_AN_OBSERVER, OF_AN_OBSERVER],
    ids=["contributors", "owners", "observer", "slices to an observer", "of an observer"],
)
def test_the_scripts_lead_from_the_first_column_to_the_last(script: Script) -> None:
    """Every column of a script has one message that leads on, and all are on the way to the last."""
    column, walked = Column.CONNECTED, []
    while column is not Column.CONFIRMED:
        walked.append(column)
        (following,) = {c for c in script[column].values() if c is not column}
        assert following > column
        column = following
    assert set(script) - {Column.CONFIRMED} == set(walked)


# -- secrets --------------------------------------------------------------------------------


class WatchedParty(Party):
    """A party that remembers what could be printed, and which secrets were still secret then."""

    seen: list[tuple[int, str]]

    def perform(self, index: int, actions: Any) -> None:
        """Note how the machine and its actions look, and do what it asks for."""
        actions = list(actions)
        member = self.members[index]
        round_ = member.round
        things = (round_, round_._steps, round_.links, round_.dealing, member.agreement)
        errors = (member.error, member.notary, member.identity, member.sealing_key)
        self.seen.append((index, repr((actions, things, errors))))
        super().perform(index, actions)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_no_repr_shows_a_secret(mode: dict[str, Any]) -> None:
    """Seeds, shares, inputs and unopened masks stand in no repr of a machine, action or message."""
    canary = 271828
    party = WatchedParty([[canary, -canary]] * 4, **mode)
    party.seen = []
    party.start()
    party.run_to_echo()
    masks = {i: m.round.dealing.mask_seed for i, m in party.members.items() if m.round.dealing}
    assert len(masks) == 4
    closed = "\n".join(shown for _, shown in party.seen)
    deliver_all_of(party, 4)
    party.lose(4)
    party.settle()
    assert len(party.totals()) == (0 if party.parameters.strict else 3)
    whole = "\n".join(shown for _, shown in party.seen)
    for member in [*party.members.values(), *party.gone.values()]:
        dealing = member.round.dealing
        assert dealing is not None
        for plain in dealing.plains.values():
            assert_hidden(plain.share, whole)
            if plain.mask_share:
                assert_hidden(plain.mask_share, closed)
        assert_hidden(dealing.mask_seed, closed)
        assert_hidden(member.kept.tobytes(), whole)
        assert_hidden(member.identity._seed, whole)
    assert str(canary) not in whole


def assert_hidden(secret: bytes, text: str) -> None:
    """Hold that a secret stands in a text neither as hex nor as a bytes literal."""
    assert len(secret) >= 12
    assert secret.hex() not in text
    assert repr(secret)[2:-1] not in text


def test_opened_masks_are_public() -> None:
    """What an OPEN or an UNMASK says may be printed: it left against n echoes."""
    seed, share = os.urandom(32), os.urandom(33)
    assert repr(seed) in repr(Open(seed, ()))
    assert repr(share) in repr(Unmask(1, share))


def test_errors_of_a_round_are_made_for_people() -> None:
    """The names of peers stand in the error, and no bytes."""
    party = begun(3)
    party.lose(2)
    for error in party.errors():
        assert "peer-02 (" in error.message
        assert "b'" not in error.describe()
        assert not isinstance(error, RemoteProtocolError)


# -- before the ECHO --------------------------------------------------------------------------


class WithoutLedger(Party):
    """Honest peers whose ledgers are never done."""

    def perform(self, index: int, actions: Iterable[Action]) -> None:
        """Do what a machine asks for, but for the ledger."""
        super().perform(index, [a for a in actions if not isinstance(a, RecordInput)])


def test_no_echo_leaves_before_the_ledger_is_written() -> None:
    """A machine asks for the ledger and then waits, however much it hears from others."""
    party = WithoutLedger(VALUES[:3])
    party.start()
    party.run()
    assert all(m.round.stage is Stage.RECORDING for m in party.members.values())
    assert not any("echo" in member.steps for member in party.members.values())


def test_nothing_is_dealt_before_everybody_agreed() -> None:
    """Until it is started a round stays silent, whatever happens to its links."""
    party = Party(VALUES[:3])
    round_ = party.members[1].round
    assert round_.disconnected(2) == round_.reconnected(2) == []
    assert (round_.stage, round_.dealing) == (Stage.WAITING, None)
