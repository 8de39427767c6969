"""The driver in virtual time: one heap of events, links that are cut and come back, and deadlines.

Rules, as p2pmpc.mesh has them:

1. Each pair of peers has one connection, and each direction of it is an ordered stream: a frame
   arrives no sooner than the one before it.
2. When a connection is cut, what is under way is lost. When it comes back, everything that was ever
   said is said again from the start.
3. A connection that stays down for RECONNECT_SECONDS makes each end report the other one lost; the
   end with the higher index is the one that dials, and it dials only until then.
4. A peer that ended closes its links once what it said is written; then nobody can reach it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import combinations
from random import Random
from typing import Final

from p2pmpc.frames import Frame
from p2pmpc.protocol import Round
from tests.simulator.fakes import cheap_signatures, known_gammas, small_pieces
from tests.simulator.faults import Behaviour
from tests.simulator.scenario import Scenario
from tests.simulator.watch import ViolationError
from tests.simulator.world import Step, World

MOST_EVENTS: Final = 50_000
RECONNECT_SECONDS: Final = 3.0
"""Shorter than by default, so that scenarios hold both links that come back and peers that are lost."""
_CLOSE_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 0.02
_NOTICE_SECONDS: Final = 0.01

Pair = tuple[int, int]


@dataclass(slots=True)
class Connection:
    """What there is between two peers.

    Args:
        up: Whether bytes flow.
        generation: Grows with every cut; what was under way before belongs to an older one.
    """

    up: bool = False
    generation: int = 0


class HeapDriver:
    """Runs one scenario.

    Args:
        scenario: What was drawn.
        real: Whether with real cryptography.
        planted: Faulty machines, for tests.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        real: bool = False,
        planted: dict[int, type[Round]] | None = None,
    ) -> None:
        with small_pieces(), known_gammas():  # the limits of a session follow from them
            self.world = World(scenario, real=real, planted=planted)
        self.world.driver = self
        self.schedule: list[Step] = []
        """What happened to whom, in order: enough for another driver to do the same."""
        self.now = 0.0
        self._random = Random(scenario.seed ^ 0x5EED)
        self._heap: list[tuple[float, int, str, int, int, int, Frame | None]] = []
        self._count = 0
        self._latest = dict.fromkeys(scenario.indices, 0)
        self._spread, self._biases = scenario.spread, dict(scenario.biases)
        indices = scenario.indices
        self._links: dict[Pair, Connection] = {}
        for a, b in combinations(indices, 2):
            self._links[a, b] = self._links[b, a] = Connection()
        ordered = [(a, b) for a in indices for b in indices if a != b]
        self._outboxes: dict[Pair, list[Frame]] = {pair: [] for pair in ordered}
        self._arrives: dict[Pair, float] = dict.fromkeys(ordered, 0.0)
        self._awake = dict.fromkeys(indices, 0.0)
        """Until when each peer is stopped."""
        self._closed: set[int] = set()
        """Those that nobody can reach any more."""
        self._abrupt: set[int] = set()

    def run(self) -> World:
        """Run to the end.

        Raises:
            ViolationError: An invariant does not hold.
        """
        with cheap_signatures(), small_pieces(), known_gammas():
            self._run()
        return self.world

    def _run(self) -> None:
        for index in self.world.scenario.indices:
            self._at(self._soon(_CONNECT_SECONDS), "begin", index)
        for a, b in combinations(self.world.scenario.indices, 2):
            self._at(self._soon(2 * _CONNECT_SECONDS), "up", a, b)
        while self._heap and self.world.living:
            self.now, number, what, a, b, generation, frame = heappop(self._heap)
            if self._awake[a] > self.now and what not in {"up", "down", "close", "eof"}:
                # Stopped: it finds everything when it goes on, in order, and its deadline last.
                later = self._awake[a] + (1e-6 if what == "wake" else 0.0)
                self._push(later, what, a, b, generation, frame)
                continue
            if what != "frame":
                self._happens(what, a, b, generation)
            elif self._links[a, b].generation == generation:
                self.world.happened["overtaken"] += number < self._latest[a]
                self._latest[a] = max(number, self._latest[a])
                self._step("frame", a, b, generation, frame)
            else:
                self.world.happened["lost"] += 1
            if self._count > MOST_EVENTS:
                raise ViolationError(6, f"more than {MOST_EVENTS} events, and no end")
        self.world.watch.closes()

    def _happens(self, what: str, a: int, b: int, generation: int) -> None:
        match what:
            case "begin" | "restart" | "connected" | "disconnected":
                self._step(what, a, b)
            case "wake":
                self._wake(a)
            case "up":
                self._comes_up(a, b)
            case "down":
                self._goes_down(a, b)
            case "eof":
                if self._links[a, b].generation == generation:
                    self._goes_down(a, b)
            case "give up":
                link = self._links[a, b]
                if link.generation == generation and not link.up:
                    self._gives_up(a, b)
            case "close":
                self._close(a)

    def _step(
        self,
        what: str,
        peer: int,
        other: int = 0,
        generation: int = 0,
        frame: Frame | None = None,
    ) -> None:
        """Let something happen to a peer, and see when it has to be woken next."""
        machines = self.world.peers[peer]
        if not machines.live and what != "restart":
            return
        before = machines.deadline
        step = Step(self.now, what, peer, other, generation)
        self.schedule.append(step)
        self.world.step(step, frame)
        if machines.live and (
            what in {"begin", "restart", "timeout"} or machines.deadline < before
        ):
            self._push(machines.deadline, "wake", peer)

    def _wake(self, peer: int) -> None:
        machines = self.world.peers[peer]
        if machines.deadline > self.now:
            if machines.live:
                self._push(machines.deadline, "wake", peer)
            return
        self._step("timeout", peer)

    # -- what the world asks for ------------------------------------------------------------

    def carry(self, sender: int, receiver: int, frame: Frame) -> None:
        """Put a frame at the end of a link; one that is down carries it when it comes back."""
        self._outboxes[sender, receiver].append(frame)
        link = self._links[sender, receiver]
        if link.up:
            self._send(sender, receiver, frame, link.generation)

    def ended(self, peer: int) -> None:
        """Let a peer that ended close its links; after an error it waits a little for the others."""
        failed = self.world.codes()[peer] != 0
        self._at(_CLOSE_SECONDS if failed else _NOTICE_SECONDS, "close", peer)

    def restarted(self, peer: int, retold: dict[int, Callable[[Frame], Frame]]) -> None:
        """Let a new process dial and be dialled; it says everything anew, and is told everything."""
        self._closed.discard(peer)
        self._abrupt.discard(peer)
        self._awake[peer] = 0.0
        for other in self.world.peers[peer].others:
            self._goes_down(peer, other)
            self._outboxes[peer, other].clear()
            if other in retold:
                said = self._outboxes[other, peer]
                said[:] = map(retold[other], said)
            self._at(self._soon(2 * _CONNECT_SECONDS), "up", peer, other)

    def strike(self, behaviour: Behaviour) -> None:  # noqa: C901, PLR0912 - a case a kind
        """Let a fault strike a link or a process."""
        fault = behaviour.fault
        peer, other = fault.culprit, fault.other
        match fault.kind:
            case "short cut" | "long cut":
                behaviour.fired = self._cut([(peer, other)], fault.seconds)
            case "flapping":
                for k in range(1 + fault.variant % 5):
                    self._at(2 * k * fault.seconds, "down", peer, other)
                    self._at((2 * k + 1) * fault.seconds, "up", peer, other)
                behaviour.fired = True
            case "late stage":
                behaviour.fired = True
                for victim in fault.victims:
                    late = max(self._arrives[peer, victim], self.now) + fault.seconds
                    self._arrives[peer, victim] = late
            case "partition" | "healing partition" | "lasting partition":
                here = {peer, *fault.victims} - {other}
                there = [i for i in self.world.scenario.indices if i not in here]
                pairs = [(a, b) for a in sorted(here) for b in there]
                behaviour.fired = self._cut(pairs, fault.seconds)
            case "stall":
                behaviour.fired = True
                self._arrives[peer, other] = (
                    max(self._arrives[peer, other], self.now) + fault.seconds
                )
            case "slow link":
                behaviour.fired = True
                self._biases[peer, other] = fault.seconds
            case "pause":
                behaviour.fired = True
                self._awake[peer] = max(self._awake[peer], self.now + fault.seconds)
            case "abrupt close":
                behaviour.fired = True
                self._abrupt.add(peer)
            case "lossy crash":
                self._abrupt.add(peer)
                self._at(0.0, "close", peer)
            case "crash" | "crash in ECHO" | "crash in OPEN" | "mass crash":
                self._at(0.0, "close", peer)
            case "silent crash":
                self._closed.add(peer)
            case "quick restart" | "late restart":
                if fault.variant // 2 % 2:
                    self._abrupt.add(peer)
                self._at(0.0, "close", peer)
                self._at(fault.seconds, "restart", peer)
            case _:
                pass  # time and links know nothing of lies

    def _cut(self, pairs: list[Pair], seconds: float) -> bool:
        """Cut links for a while; return whether any was up."""
        up = [pair for pair in pairs if self._links[pair].up]
        for a, b in up:
            self._at(0.0, "down", a, b)
            self._at(seconds, "up", a, b)
        return bool(up)

    # -- links ------------------------------------------------------------------------------

    def _send(self, sender: int, receiver: int, frame: Frame, generation: int) -> None:
        pair = sender, receiver
        delay = self._random.random() * self._spread + self._biases.get(pair, 0.0)
        arrives = max(self._arrives[pair], self.now + delay) + 1e-9
        self.world.happened["late"] += arrives > self.now + 1.0
        self._arrives[pair] = arrives
        self._push(arrives, "frame", receiver, sender, generation, frame)

    def _comes_up(self, a: int, b: int) -> None:
        """Connect two peers, unless one of them is gone or the one that dials gave up."""
        link, dialler = self._links[a, b], max(a, b)
        gone = {a, b} & self._closed
        if gone and not link.up:  # it refuses, or is silent
            self._at(RECONNECT_SECONDS, "give up", dialler, min(a, b), link.generation)
        if link.up or gone or min(a, b) in self.world.peers[dialler].retired:
            return
        link.up = True
        for sender, receiver in ((a, b), (b, a)):
            self._arrives[sender, receiver] = self.now
            if link.generation:  # the first time is news to nobody
                self._at(0.0, "connected", receiver, sender)
            self.world.happened["said again"] += len(self._outboxes[sender, receiver])
            for frame in self._outboxes[sender, receiver]:
                self._send(sender, receiver, frame, link.generation)

    def _goes_down(self, a: int, b: int) -> None:
        """Cut two peers; each notices at once, and gives the other one up later."""
        link = self._links[a, b]
        if not link.up:
            return
        link.up = False
        link.generation += 1
        for peer, other in ((a, b), (b, a)):
            self._at(0.0, "disconnected", peer, other)
            if other not in self.world.peers[peer].retired:
                self._at(RECONNECT_SECONDS, "give up", peer, other, link.generation)

    def _gives_up(self, peer: int, other: int) -> None:
        retired = self.world.peers[peer].retired
        if other not in retired:
            retired.add(other)
            self._step("lost", peer, other)

    def _close(self, peer: int) -> None:
        """Close all links of a peer that ended; abruptly, what it said last is lost."""
        self._closed.add(peer)
        for other in self.world.scenario.indices:
            if other == peer:
                continue
            link = self._links[peer, other]
            if not link.up:
                continue
            if peer in self._abrupt:
                self._goes_down(other, peer)
                continue
            last = max(self._arrives[peer, other], self.now) + _NOTICE_SECONDS
            self._push(last, "eof", other, peer, link.generation)

    # -- time -------------------------------------------------------------------------------

    def _soon(self, seconds: float) -> float:
        return self._random.random() * seconds

    def _at(self, seconds: float, what: str, a: int, b: int = 0, generation: int = 0) -> None:
        self._push(self.now + seconds, what, a, b, generation)

    def _push(
        self,
        when: float,
        what: str,
        a: int,
        b: int = 0,
        generation: int = 0,
        frame: Frame | None = None,
    ) -> None:
        self._count += 1
        heappush(self._heap, (when, self._count, what, a, b, generation, frame))
