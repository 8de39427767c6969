"""What a fault makes its culprit do: the frame of all faults, and those in which nobody is dishonest.

A culprit runs an honest machine that does not know of the fault. A behaviour stands between that
machine and the world: it may change, add or withhold what is said to each receiver, and it tells
the driver when a link or the process itself is struck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from p2pmpc.frames import Frame
from p2pmpc.messages import Kind, Message, Signed
from tests.simulator.cast import Cast
from tests.simulator.peer import SimPeer
from tests.simulator.scenario import Fault, Scenario


class Behaviour:
    """One fault at work.

    Args:
        fault: What was drawn.
        cast: For sessions and keys.
        peer: The culprit.
    """

    is_deadly = False
    restarts = False
    """Whether the culprit comes back after its death."""

    def __init__(self, fault: Fault, cast: Cast, peer: SimPeer) -> None:
        self.fault = fault
        self.cast = cast
        self.peer = peer
        self.fired = False
        """Whether it made a difference to what anybody sees."""
        self._struck = False
        self.prepare()

    def prepare(self) -> None:
        """Set up what has to be set up before the run."""

    def hears(self, other: int, frame: Frame) -> None:
        """Learn what the culprit is told."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:  # noqa: ARG002
        """Return what really goes to one receiver in place of a message."""
        return [frame]

    def order(self, receivers: Sequence[int]) -> Sequence[int]:
        """Return the receivers in the order in which a broadcast reaches their links."""
        shuffled = list(receivers)
        Random(self.fault.variant).shuffle(shuffled)
        return shuffled

    @property
    def is_time(self) -> bool:
        """Whether the moment has come."""
        return self.peer.handled > self.fault.moment

    def due(self) -> bool:
        """Return whether the moment came just now; true only once."""
        if self._struck or not self.is_time:
            return False
        self._struck = True
        return True

    def injections(self) -> Iterable[tuple[int, Frame]]:
        """Return what is said at the moment beside everything else, and to whom."""
        return ()

    def kills(self, broadcast: bool) -> bool:  # noqa: ARG002
        """Return whether the culprit dies right after what it just said to one receiver."""
        return False

    def retells(self, index: int) -> Callable[[Frame], Frame] | None:  # noqa: ARG002
        """Return what becomes of all that was said to a peer when it has started again."""
        return None


class Struck(Behaviour):
    """The driver does it: to a link, to a process, or when links are closed."""


class Crash(Behaviour):
    """The culprit is killed after so many frames, be it between two receivers of one message."""

    is_deadly = True

    def prepare(self) -> None:
        """Count from nothing."""
        self._left = self.fault.moment + 1

    def due(self) -> bool:
        """Its moment is not one between events."""
        return False

    def kills(self, broadcast: bool) -> bool:  # noqa: ARG002
        """Return whether this was the last frame."""
        self._left -= 1
        if self._left == 0:
            self.fired = True
        return self._left == 0


class CrashWithin(Crash):
    """The culprit is killed while it says one kind to all: only some are told, observers first or last."""

    def prepare(self) -> None:
        """Draw how many are told before."""
        self._kind = Kind[self.fault.kind.rsplit(" ", 1)[1]]
        self._left = 1 + self.fault.variant // 2 % len(self.peer.others)
        self._saying = False

    def order(self, receivers: Sequence[int]) -> Sequence[int]:
        """Return the receivers, with the observers at one end."""
        places, sign = self.peer.session.places, 1 if self.fault.variant % 2 else -1
        return sorted(super().order(receivers), key=lambda index: sign * (index in places))

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:  # noqa: ARG002
        """Note what is said."""
        self._saying = signed.message.kind is self._kind
        return [frame]

    def kills(self, broadcast: bool) -> bool:
        """Return whether enough were told."""
        return self._saying and super().kills(broadcast)


class Restart(Crash):
    """The culprit is killed, between two frames or two events, and comes back after a while."""

    restarts = True

    def due(self) -> bool:
        """Return whether this is the event after which it is killed."""
        if self.fault.variant % 2 or not super(Crash, self).due():
            return False
        self.fired = True
        return True

    def kills(self, broadcast: bool) -> bool:
        """Return whether this is the frame after which it is killed."""
        return bool(self.fault.variant % 2) and super().kills(broadcast)


class LateStage(Behaviour):
    """From one kind on, all that goes to some is late, while the others have it in time."""

    def prepare(self) -> None:
        """Draw the kind."""
        self._kind = Kind(Random(self.fault.variant).randint(Kind.ACCEPT, Kind.CONFIRM))
        self._said = False

    @property
    def is_time(self) -> bool:
        """Whether the message before it was said; what is struck is what comes next."""
        return self._said

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:  # noqa: ARG002
        """Wait for the kind before."""
        self._said |= signed.message.kind >= self._kind - 1
        return [frame]


class Repeated(Behaviour):
    """Everything is said twice from the moment on, each frame right after itself."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:  # noqa: ARG002
        """Return the frame, and again."""
        if not self.is_time:
            return [frame]
        self.fired = True
        return [frame, frame]


class Refusal(Behaviour):
    """The culprit refuses to share its input, and says so instead of signing the roster."""

    def prepare(self) -> None:
        """It always does."""
        self.fired = True


class FailedRecord(Behaviour):
    """The ledger cannot be written, so the culprit's input must not be opened."""

    def prepare(self) -> None:
        """It never can; an observer has nothing to write."""
        self.peer.cannot_record = self.fired = self.peer.session.contributes


BENIGN_BEHAVIOURS: dict[str, type[Behaviour]] = {
    "repeated": Repeated,
    "short cut": Struck,
    "stall": Struck,
    "abrupt close": Struck,
    "crash": Crash,
    "lossy crash": Crash,
    "silent crash": Crash,
    "crash in ECHO": CrashWithin,
    "crash in OPEN": CrashWithin,
    "mass crash": Crash,
    "quick restart": Restart,
    "late restart": Restart,
    "flapping": Struck,
    "healing partition": Struck,
    "lasting partition": Struck,
    "late stage": LateStage,
    "pause": Struck,
    "long cut": Struck,
    "partition": Struck,
    "slow link": Struck,
    "interrupt": Struck,
    "refusal": Refusal,
    "failed record": FailedRecord,
}


def behaviours_of(
    scenario: Scenario, cast: Cast, peers: Mapping[int, SimPeer]
) -> tuple[Behaviour, ...]:
    """Return the behaviours of all faults of a scenario."""
    from tests.simulator.lies import MALICIOUS_BEHAVIOURS  # it builds on the classes above

    known = BENIGN_BEHAVIOURS | MALICIOUS_BEHAVIOURS
    return tuple(known[f.kind](f, cast, peers[f.culprit]) for f in scenario.faults)
