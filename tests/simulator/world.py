"""The peers of a run together: what happens to one of them, and what is said because of it.

A world does not know when anything happens or how bytes travel: a driver hands it one step after
another, and carries what is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from p2pmpc.actions import Action, Failed, Finished, Send
from p2pmpc.errors import exit_code_of
from p2pmpc.frames import Frame
from p2pmpc.messages import Kind, Message, Signed, slot_of
from p2pmpc.protocol import Round
from tests.simulator.cast import Cast
from tests.simulator.fakes import frame_of
from tests.simulator.faults import Behaviour, behaviours_of
from tests.simulator.peer import SimPeer
from tests.simulator.scenario import Scenario
from tests.simulator.trace import Trace
from tests.simulator.watch import ViolationError, Watch


class Step(NamedTuple):
    """One thing that happens to one peer.

    Args:
        now: When.
        what: ``begin``, ``restart``, ``frame``, ``connected``, ``disconnected``, ``lost``, ``timeout``.
        peer: To whom.
        other: The other end of the link, or 0.
        generation: Of the connection over which a frame comes.
    """

    now: float
    what: str
    peer: int
    other: int
    generation: int = 0


class Death(NamedTuple):
    """A peer was killed.

    Args:
        peer: Which.
        agreed: Whether it had everybody's signature on the roster.
        said: The kinds of which it had said something, be it to one peer.
    """

    peer: int
    agreed: bool
    said: frozenset[Kind]


class Driver(Protocol):
    """Decides what happens when."""

    def carry(self, sender: int, receiver: int, frame: Frame) -> None:
        """Put a frame at the end of a link."""

    def strike(self, behaviour: Behaviour) -> None:
        """Let happen what a fault does to time, links or processes."""

    def ended(self, peer: int) -> None:
        """Note that a peer has ended, and will close its links."""

    def restarted(self, peer: int, retold: dict[int, Callable[[Frame], Frame]]) -> None:
        """Let a peer that was killed be reached again.

        Args:
            peer: Which.
            retold: Who from now on says something else of all that it said to this peer.
        """


class World:
    """All peers, whoever watches them, and the trace.

    Args:
        scenario: What was drawn.
        real: Whether with real cryptography.
        planted: A faulty machine in place of the production one, by index; for tests.
    """

    def __init__(
        self, scenario: Scenario, *, real: bool = False, planted: dict[int, type[Round]] | None
    ) -> None:
        self.scenario = scenario
        cast = Cast(scenario, real=real)
        planted = planted or {}
        self.peers = {
            index: SimPeer(
                index,
                cast,
                scenario.seed * 100 + index,
                planted.get(index, Round),
            )
            for index in scenario.indices
        }
        self.behaviours = behaviours_of(scenario, cast, self.peers)
        self._of = {
            index: [b for b in self.behaviours if b.fault.culprit == index]
            for index in scenario.indices
        }
        self.watch = Watch(scenario, cast, self.peers)
        self.trace = Trace()
        self._note = self.trace.lines.append
        self.driver: Driver | None = None
        self.living = scenario.peers
        """Peers that something can still happen to."""
        self.deaths: list[Death] = []
        self.reached: dict[tuple[int, Kind], set[int]] = {}
        """Who took a message, by its sender and kind."""
        self.happened: Counter[str] = Counter()
        """What became of frames: those lost in cuts, said again, late, or overtaken by others."""
        self._now = 0.0
        self._quiet_from = 0.0
        """When the last fault that struck was over."""

    def fired(self) -> list[str]:
        """Return the kinds of the faults that really happened."""
        return [b.fault.kind for b in self.behaviours if b.fired]

    def codes(self) -> dict[int, int]:
        """Return the exit code of every peer that ended by itself."""
        ends = {index: peer.end for index, peer in self.peers.items()}
        return {
            index: exit_code_of(end.error) if isinstance(end, Failed) else 0
            for index, end in ends.items()
            if end is not None
        }

    def dissolve(self) -> None:
        """Cut what refers to each other, when nobody wants to know more.

        Then memory is free at once; looking for cycles would take a quarter of a campaign's time.
        """
        self.driver = None
        for peer in self.peers.values():
            vars(peer.round).clear()
            peer.notary.lie = peer.sealer.lie = None
            if isinstance(peer.end, Failed):
                peer.end.error.__traceback__ = None

    # -- events -----------------------------------------------------------------------------

    def step(self, step: Step, frame: Frame | None = None) -> None:
        """Let one thing happen."""
        peer = self.peers[step.peer]
        self._now = step.now
        what, mine = step.what, self._of[step.peer]
        if what == "restart":
            self._restart(peer)
        if not peer.live:
            return
        if what == "begin" and any(b.fault.kind == "refusal" for b in mine):
            what = "refusal"
        for behaviour in mine:
            if frame is not None:
                behaviour.hears(step.other, frame)
        self._handle(peer, what, step.other, frame)
        for behaviour in mine:
            if peer.live:
                self._strike(peer, behaviour)
        if what == "timeout":
            self.watch.times_out(peer, step.now)
        if frame is not None:
            self._took(peer, step.other, frame.kind)

    def _took(self, peer: SimPeer, other: int, kind: Kind) -> None:
        """Note that a peer took a message."""
        self.reached.setdefault((other, kind), set()).add(peer.index)
        if kind is Kind.ABORT:
            self.watch.was_told(peer, other)

    def _restart(self, peer: SimPeer) -> None:
        """Bring a peer back that was killed, with what it had stored."""
        if peer.live or not peer.may_restart:
            return
        peer.restart(self._now)
        retold = {b.fault.culprit: b.retells(peer.index) for b in self.behaviours}
        assert self.driver is not None
        self.driver.restarted(peer.index, {i: tell for i, tell in retold.items() if tell})

    def _handle(self, peer: SimPeer, what: str, other: int, frame: Frame | None) -> None:
        self._note((self._now, peer.index, what, other, frame or ""))
        try:
            peer.handle(self._now, what, other, frame, self._perform)
        except ViolationError:
            raise
        except Exception as error:  # a machine may raise nothing at all
            raise ViolationError(0, f"{peer.index} raises {error!r} on {what}") from error

    def _strike(self, peer: SimPeer, behaviour: Behaviour) -> None:
        """Let a fault happen whose moment has come."""
        if behaviour.due():
            self._quiet_from = max(self._quiet_from, self._now + behaviour.fault.seconds)
            for receiver, frame in behaviour.injections():
                self._carry(peer.index, receiver, frame)
            if behaviour.is_deadly:
                self._die(peer, behaviour)
                return
            assert self.driver is not None
            self.driver.strike(behaviour)
            if behaviour.fault.kind == "pause":
                self.watch.paused[peer.index] += behaviour.fault.seconds
            if behaviour.fault.kind == "interrupt":
                behaviour.fired = True
                self._handle(peer, "interrupt", 0, None)

    # -- actions ----------------------------------------------------------------------------

    def _perform(self, peer: SimPeer, actions: list[Action]) -> None:
        for action in actions:
            if not peer.live:
                return  # killed between two messages, or ended
            match action:
                case Send(signed, receiver):
                    peer.stored.setdefault(slot_of(signed.message, receiver), signed.digest)
                    self.watch.says(peer.index, signed, receiver)
                    self._say(peer, signed, receiver)
                case Finished() | Failed():
                    self._end(peer, action)
                case _:
                    self._perform(peer, peer.expand(action))

    def _end(self, peer: SimPeer, end: Finished | Failed) -> None:
        if peer.end is not None:
            raise ViolationError(0, f"{peer.index} ends twice")
        peer.ends(end)
        self.living -= 1
        told = f"{exit_code_of(end.error)} {end.error.peers}" if isinstance(end, Failed) else "0"
        self._note((self._now, peer.index, "ends with", 0, told))
        self.watch.ends(peer, self._now, self._quiet_from)
        assert self.driver is not None
        self.driver.ended(peer.index)

    def _say(self, peer: SimPeer, signed: Signed[Message], receiver: int | None) -> None:
        frame, mine = frame_of(signed), self._of[peer.index]
        receivers = peer.others if receiver is None else (receiver,)
        if not mine:
            for other in receivers:
                self._carry(peer.index, other, frame)
            return
        for other in mine[0].order(receivers):
            frames = [frame]
            for behaviour in mine:
                if frames == [frame]:
                    frames = behaviour.says(other, signed, frame)
            for each in frames:
                self._carry(peer.index, other, each)
            killer = next((each for each in mine if each.kills(receiver is None)), None)
            if killer is not None:
                self._die(peer, killer)
                return

    def _die(self, peer: SimPeer, killer: Behaviour) -> None:
        peer.live = False
        comes_back = killer.restarts and peer.may_restart
        self.living -= not comes_back
        self._quiet_from = max(self._quiet_from, self._now + killer.fault.seconds)
        self._note((self._now, peer.index, "dies", 0, ""))
        self.deaths.append(Death(peer.index, peer.agreement.agreed, frozenset(peer.kinds_said)))
        assert self.driver is not None
        self.driver.strike(killer)

    def _carry(self, sender: int, receiver: int, frame: Frame) -> None:
        self._note((self._now, sender, "says", receiver, frame))
        assert self.driver is not None
        self.driver.carry(sender, receiver, frame)
