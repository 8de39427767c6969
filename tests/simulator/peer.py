"""One peer of a simulated run: its machines and its deadlines, as p2pmpc.runner drives them.

The two follow the same rules, which are few: which machine an event is for, when the next deadline
is, and that a peer that said ABORT is not waited for. Where the runner awaits, this one returns.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from p2pmpc.actions import Action, Agreed, Failed, Finished, RecordInput, Send
from p2pmpc.agreement import Agreement
from p2pmpc.errors import (
    InputRefused,
    Interrupted,
    P2PMPCError,
    ResourceExhausted,
)
from p2pmpc.frames import Frame
from p2pmpc.messages import Kind, Slice, SliceSum, Slot
from p2pmpc.protocol import Round
from p2pmpc.runner import GONE_SECONDS
from p2pmpc.script import Column, Stage
from tests.simulator.cast import Cast

TIMEOUT = 60.0
"""The default of --timeout."""


class SimPeer:
    """A peer's machines, and what a runner knows beside them.

    Args:
        index: Its roster index.
        cast: Where its keys come from.
        entropy: The seed of what it draws from; it is stored, so that a restart draws the same.
        round_class: The production one; tests plant faulty ones.
    """

    def __init__(
        self, index: int, cast: Cast, entropy: int, round_class: type[Round] = Round
    ) -> None:
        self.index = index
        self._cast, self._entropy, self._round_class = cast, entropy, round_class
        self.session = cast.sessions[index]
        self.others = self.session.others
        self.notary = cast.notary(index)
        self.sealer = cast.sealer(index)
        self.secret = cast.secrets.get(index)
        self.stored: dict[Slot, bytes] = {}
        """On its disk: what it ever signed, by its place, written before it leaves."""
        self._make_machines()
        self.pieces: dict[tuple[int, Kind, int], bytes] = {}
        """Of slices, and of their sums, by who said them and their number: the first that came."""
        self._stale: set[tuple[int, Kind, int]] = set()
        """Those from before a restart, on which nothing rests that was said."""
        self.retired: set[int] = set()
        """Peers of which nothing more is expected."""
        self.cannot_record = False
        self.recorded = False
        """Whether the ledger holds its input: only then may a sum with it be opened."""
        self.end: Finished | Failed | None = None
        self.live = True
        """Whether it still takes part; one that was killed, or has ended, takes nothing more."""
        self.deadline = TIMEOUT
        self.handled = 0
        """Events so far."""
        self._somebody_is_gone = False
        self.moved = 0.0
        """When it last made progress."""
        self.restarts = 0
        """How often it was killed and came back."""

    def _make_machines(self) -> None:
        """Make the machines: the same ones as ever, from what is stored."""
        self.agreement = Agreement(self.session, self.notary)
        self.round = self._cast.equip(
            self._round_class(
                self.session,
                self.agreement.signatures,
                self.secret,
                notary=self.notary,
                sealer=self.sealer,
                entropy=Random(self._entropy).randbytes,
                said=dict(self.stored),
            )
        )

    # -- what is stored, and comes back ---------------------------------------------------------

    @property
    def kinds_said(self) -> set[Kind]:
        """The kinds of which it ever signed something."""
        return {slot.kind for slot in self.stored}

    @property
    def has_heard_all_sums(self) -> bool:
        """Whether it agreed, and has what every other contributor said of the sum."""
        heard = self.round._steps.heard
        return self.agreement.agreed and heard.all_contributors(Column.SUMMED)

    @property
    def may_restart(self) -> bool:
        """Whether it has neither ended nor told anybody that it does."""
        return self.end is None and Kind.ABORT not in self.kinds_said

    def restart(self, now: float) -> None:
        """Come back after a death: nothing is left but what was stored."""
        said = self.kinds_said - {Kind.ACCEPT}
        signatures = self.agreement.signatures
        self.sealer.is_fixed = bool(said & {Kind.PARTIAL, Kind.SLICE})
        self._stale = set() if Kind.PARTIAL in said else set(self.pieces)
        self.sealer.comes_back = self.live = True
        self.restarts += 1
        self.moved, self.deadline = now, now + TIMEOUT
        self._somebody_is_gone = self.recorded = False
        self.retired = set()
        self._make_machines()
        if said:
            self.agreement.go_on(signatures)

    def ends(self, end: Finished | Failed) -> None:
        """Take an end."""
        self.end, self.live = end, False

    # -- events -----------------------------------------------------------------------------

    @property
    def machine(self) -> Agreement | Round:
        """The machine that decides now."""
        return self.round if self.agreement.agreed else self.agreement

    def handle(
        self,
        now: float,
        step: str,
        other: int,
        frame: Frame | None,
        perform: Callable[[SimPeer, list[Action]], None],
    ) -> None:
        """Take one event, let its actions be performed, and set the next deadline."""
        round_, signatures = self.round, self.agreement.signatures
        before = round_.moves + len(signatures)  # both only grow
        perform(self, self._take(other, frame) if frame else self._react(step, other))
        self.handled += 1
        progress = round_.moves + len(signatures) != before
        if progress:
            self.moved = now
        if progress or step in {"begin", "restart", "timeout"}:
            late = round_.stage >= Stage.OPENED
            self.deadline = now + (TIMEOUT / 3 if late else TIMEOUT)
        self._somebody_is_gone |= step in {"lost", "timeout"} or bool(self.retired)
        if self._somebody_is_gone and self.round.only_the_gone_are_missing:
            self.deadline = min(self.deadline, now + GONE_SECONDS)

    def _react(self, step: str, other: int) -> list[Action]:
        match step:
            case "restart" if self.agreement.agreed:
                return [Send(self.agreement.go_on({})), *self.round.start()]
            case "begin" | "restart":
                return self.agreement.start()
            case "refusal":
                return self.agreement.abort(InputRefused("the input is refused"))
            case "interrupt":
                return self.machine.abort(Interrupted(15))
            case "connected":
                return self.round.reconnected(other)
            case "disconnected":
                return self.round.disconnected(other)
            case "lost":
                return self.machine.lost(other)
            case _:
                assert step == "timeout"
                return self.machine.timed_out()

    def _take(self, other: int, frame: Frame) -> list[Action]:
        try:
            signed = self.notary.open(other, frame)
        except P2PMPCError as error:
            return self.machine.fault(other, error)
        if isinstance(signed.message, Slice | SliceSum):
            place = other, frame.kind, signed.message.piece
            if place in self._stale:
                self._stale.discard(place)
                del self.pieces[place]
            self.pieces.setdefault(place, bytes(signed.message.vector))
        if frame.kind is Kind.ABORT:
            self.retired.add(other)
            return self.machine.receive(other, signed)
        if frame.kind is not Kind.ACCEPT:
            return self.round.receive(other, signed)
        if not self.agreement.agreed:
            return self.agreement.receive(other, signed)
        contradiction = self.agreement.contradiction(other, signed)
        return [] if contradiction is None else self.machine.fault(other, contradiction)

    def expand(self, action: Action) -> list[Action]:
        """Return what an action leads to at once, at this peer itself."""
        match action:
            case Agreed():
                return self.round.start()
            case RecordInput():
                return self._record()
            case _:
                return []

    def _record(self) -> list[Action]:
        """Write the ledger, if it can be written."""
        if self.cannot_record:
            return self.round.abort(ResourceExhausted("the ledger cannot be written"))
        self.recorded = True
        return self.round.recorded()
