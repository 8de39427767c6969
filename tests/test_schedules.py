"""The order of arrival never matters, and no moment of a peer's loss splits those who remain.

A machine is a function of the events on its links, so one member has few states: it is replayed
along one path of events to each, and states that look alike inside and out are one. The states of a
whole party are tuples of those, few enough to visit every one that any order of events leads to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MethodType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.actions import Action, Failed, Finished, Send
from p2pmpc.errors import P2PMPCError, PeerMissing, Revealed
from p2pmpc.messages import Kind, Message, Signed
from p2pmpc.parameters import Parameters
from p2pmpc.script import Stage
from tests.party import Member, Party, PlainSealer, make_sessions

VALUES = [[1, -20], [300, 4000], [-50000, 600000]]
WEIGHTS = [2, -3, 5]
TOTAL = [-250898, 2987960]
INDICES = (1, 2, 3)


@dataclass(frozen=True)
class Taken:
    """A member takes the next message of another one."""

    sender: int
    signature: bytes
    message: Signed[Message] = field(compare=False)


@dataclass(frozen=True)
class Lost:
    """A member gives another one up."""

    peer: int


@dataclass(frozen=True)
class TimedOut:
    """Nothing has moved at a member for too long."""


Event = Taken | Lost | TimedOut


@dataclass(eq=False)
class State:
    """One state of one member.

    Args:
        events: One order of events that leads to it.
        taken: How many messages it has taken of each other one.
        sent: What it has sent to each other one, in order.
        total: What it ended with; or
        error: why it ended without.
        following: The states that single events lead to.
    """

    events: tuple[Event, ...]
    taken: dict[int, int]
    sent: dict[int, list[Signed[Message]]]
    total: list[int] | None = None
    error: P2PMPCError | None = None
    following: dict[Event, State] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.total is not None or self.error is not None

    def has_sent(self, kind: Kind) -> bool:
        """Return whether it has sent a message of a kind."""
        return any(s.message.kind is kind for messages in self.sent.values() for s in messages)


PartyState = tuple[State, ...]


class Explorer:
    """All states of three members whose every draw is the same in each replay."""

    def __init__(self, **parameters: Any) -> None:
        agreed = Parameters(os.urandom(32), len(INDICES), length=2, **parameters)
        self._cast = list(zip(*make_sessions(agreed, WEIGHTS), VALUES, strict=True))
        self._states: dict[str, State] = {}
        self.start = tuple(self._replay(index, ()) for index in INDICES)

    def _replay(self, index: int, events: tuple[Event, ...]) -> State:
        """Walk a member through events from its beginning."""
        key, sealing, session, row = self._cast[index - 1]
        member = Member.create(
            key, sealing, session, row, sealer=PlainSealer(), entropy=Random(index).randbytes
        )
        actions: list[Action] = member.begin()
        state = State(events, dict.fromkeys(INDICES, 0), {})
        for event in events:
            match event:
                case Taken(sender, _, message):
                    actions += member.take(sender, message)
                    state.taken[sender] += 1
                    if member.round.stage is Stage.RECORDING:
                        actions += member.round.recorded()
                case Lost(peer):
                    actions += member.machine.lost(peer)
                case TimedOut():
                    actions += member.machine.timed_out()
        for action in actions:
            if isinstance(action, Finished):
                state.total = session.parameters.arithmetic.to_signed(action.total).tolist()
            elif isinstance(action, Failed):
                assert not state.ended
                state.error = action.error
        sends = [action for action in actions if isinstance(action, Send)]
        for other in INDICES:
            state.sent[other] = [s.message for s in sends if s.receiver in {None, other}]
        said = [[message.signature for message in state.sent[other]] for other in INDICES]
        return self._states.setdefault(
            repr((index, state.taken, said, picture(member.agreement), picture(member.round))),
            state,
        )

    def after(self, party: PartyState, index: int, event: Event) -> PartyState:
        """Return the party after one event at one member."""
        state = party[index - 1]
        if event not in state.following:
            state.following[event] = self._replay(index, (*state.events, event))
        return (*party[: index - 1], state.following[event], *party[index:])

    def deliveries(self, party: PartyState, dead: int = 0) -> Iterator[PartyState]:
        """Yield the party after each delivery that is possible; a dead member takes nothing."""
        for receiver, state in zip(INDICES, party, strict=True):
            for sender in INDICES:
                if receiver in {dead, sender} or Lost(sender) in state.events:
                    continue
                messages, place = party[sender - 1].sent[receiver], state.taken[sender]
                if place < len(messages):
                    event = Taken(sender, messages[place].signature, messages[place])
                    yield self.after(party, receiver, event)

    def honest(self) -> tuple[set[PartyState], list[PartyState]]:
        """Return every state of a party that loses nobody, and those where it ends."""
        seen, left, ends = {self.start}, [self.start], []
        while left:
            party = left.pop()
            following = list(self.deliveries(party))
            ends += [] if following else [party]
            left += [new for new in following if new not in seen]
            seen.update(following)
        return seen, ends

    def without(self, dead: int, parties: Iterable[PartyState]) -> list[PartyState]:
        """Return where a party ends that loses one member at any of some states.

        What the dead one had sent may still arrive, in part or whole; then it is given up, sooner at
        one member than at another. Time runs out only where nothing else can happen.
        """
        seen = set(parties)
        left, ends = list(seen), []
        while left:
            party = left.pop()
            living = [index for index in INDICES if index != dead]
            following = list(self.deliveries(party, dead))
            following += [
                self.after(party, index, Lost(dead))
                for index in living
                if Lost(dead) not in party[index - 1].events
            ]
            waiting = [index for index in living if not party[index - 1].ended]
            if not following and waiting:
                for index in waiting:
                    party = self.after(party, index, TimedOut())
                following = [party]
            elif not following:
                ends.append(party)
            left += [new for new in following if new not in seen]
            seen.update(following)
        return ends


MACHINES = (
    "p2pmpc.agreement",
    "p2pmpc.joints",
    "p2pmpc.protocol",
    "p2pmpc.steps",
    "p2pmpc.hearing",
    "p2pmpc.opening",
    "p2pmpc.script",
)


def picture(value: object) -> object:
    """Return everything that a machine may decide by, in a form that can be compared."""
    match value:
        case Signed():
            return value.signature
        case np.ndarray():
            return value.tolist()
        case Mapping():
            return sorted((repr(key), picture(item)) for key, item in value.items())
        case set():
            return sorted(map(repr, value))
        case None | bool() | int() | bytes():
            return value
    if type(value).__module__ not in MACHINES or isinstance(value, MethodType):
        return type(value).__name__  # the same at all times, or not asked again
    names = getattr(value, "__slots__", None) or vars(value)
    return {name: picture(getattr(value, name)) for name in sorted(names)}


@pytest.mark.parametrize("mode", [{}, {"strict": True}], ids=str)
def test_every_order_among_three_peers_gives_the_total(mode: dict[str, Any]) -> None:
    """From the first ACCEPT to the last CONFIRM, every order of arrival ends in one same state."""
    seen, ends = Explorer(**mode).honest()
    assert len(ends) == 1
    assert [state.total for state in ends[0]] == [TOTAL] * 3
    # The order of arrival left no trace: as many states a member as there are counts of messages.
    for place in range(3):
        states = {party[place] for party in seen}
        assert len(states) == len({tuple(state.taken.items()) for state in states})


@pytest.mark.parametrize("dead", INDICES)
def test_whenever_a_peer_is_lost_the_others_end_alike(dead: int) -> None:
    """Two of three end with the total, both, or without it, both; and say what was revealed."""
    explorer = Explorer()
    ends = explorer.without(dead, explorer.honest()[0])
    outcomes = set()
    for party in ends:
        living = [state for index, state in enumerate(party, start=1) if index != dead]
        opened = any(state.has_sent(Kind.OPEN) for state in living)
        # Whoever held n echoes told them to the other one, and two of three open the third's mask.
        assert [state.total for state in living] == [TOTAL if opened else None] * 2
        for state in living:
            if state.total is None:
                assert isinstance(state.error, PeerMissing)
                echoed = state.has_sent(Kind.ECHO)
                assert state.error.revealed is (
                    Revealed.MAYBE_TOTAL if echoed else Revealed.NOTHING
                )
                assert echoed or state.error.peers == (dead,)
        outcomes.add((opened, tuple(state.has_sent(Kind.ECHO) for state in living)))
    assert len(outcomes) == 5


def test_in_strict_mode_a_lost_mask_stays_closed() -> None:
    """Without b-shares a total takes every OPEN; nobody's mask is opened by others."""
    explorer = Explorer(strict=True)
    ends = explorer.without(3, explorer.honest()[0])
    finished = set()
    for party in ends:
        opened = any(state.taken[3] >= 6 for state in party[:2])  # one passes it on to the other
        for state in party[:2]:
            assert state.total == (TOTAL if opened else None)
            assert not state.has_sent(Kind.UNMASK)
            if state.error is not None and state.has_sent(Kind.ECHO):
                assert state.error.revealed is Revealed.MAYBE_TOTAL
        finished.add(tuple(state.total is not None for state in party[:2]))
    assert (False, False) in finished
    assert (True, True) in finished


# -- more peers, drawn orders ---------------------------------------------------------------


def party_of(peers: int, **parameters: Any) -> Party:
    """Return a party that has begun."""
    party = Party([[10**k, -k] for k in range(peers)], **parameters)
    party.start()
    return party


@given(st.integers(0, 2**32), st.integers(2, 5), st.sampled_from([{}, {"strict": True}]))
def test_drawn_orders_among_more_peers_give_the_total(
    seed: int, peers: int, mode: dict[str, Any]
) -> None:
    """Whatever link is served next, all peers of a larger party end with the right total."""
    party = party_of(peers, allow_two=peers == 2, **mode)
    party.run(Random(seed).choice)
    assert party.totals() == [party.expected] * peers


@given(st.permutations([(i, j) for i in range(1, 5) for j in range(1, 5) if i != j]))
def test_no_preference_among_links_matters(order: list[tuple[int, int]]) -> None:
    """Served by fixed priorities, so that some links starve as long as they can, all is the same."""
    party = party_of(4)
    party.run(lambda links: min(links, key=order.index))
    assert party.totals() == [party.expected] * 4


@given(st.integers(0, 2**32), st.integers(4, 5), st.integers(1, 2))
def test_drawn_losses_among_more_peers_do_not_split_them(
    seed: int, peers: int, losses: int
) -> None:
    """One or two peers are lost at drawn moments: the majority ends alike, and truthfully."""
    party, random = party_of(peers), Random(seed)
    dead = random.sample(range(1, peers + 1), losses)
    moments = [random.randrange(10 * peers * (peers - 1)) for _ in dead]
    to_notice: list[tuple[int, int]] = []
    for moment in range(10 * peers * (peers - 1)):
        for index in [index for index, due in zip(dead, moments, strict=True) if due == moment]:
            party.die(index)
            to_notice = [pair for pair in to_notice if pair[1] != index]
            to_notice += [(index, by) for by in party.members]
        if to_notice and random.random() < 0.1:
            party.give_up(*to_notice.pop(random.randrange(len(to_notice))))
        if links := party.waiting():
            party.deliver(*random.choice(links))
    for index, by in to_notice:
        party.give_up(index, by)
    for _ in range(4):
        party.run(random.choice)
        party.time_out()
    totals = party.totals()
    assert all(total == party.expected for total in totals)
    if len(party.members) > peers // 2:
        assert len(totals) in {0, len(party.members)}
    for member in party.members.values():
        if member.finished is None:
            assert isinstance(member.error, PeerMissing)
            echoed = member.echo is not None
            assert member.error.revealed is (Revealed.MAYBE_TOTAL if echoed else Revealed.NOTHING)
