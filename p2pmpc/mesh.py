"""The links among the members of a session: dialled, kept, reconnected, written to in order.

One ordered stream of messages goes to each member. Everything said is kept, and after a reconnection
said again from the start: the receiver passes over what it has, so no acknowledgements are needed.
The member with the higher index dials. Where nothing is to be said, an ALIVE is; what silence means is
for :mod:`p2pmpc.pulse` to say.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import trio

from p2pmpc.absence import Absence, Cause
from p2pmpc.dialling import Dialler, UnreachedError
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError
from p2pmpc.frames import ALIVE, ENVELOPE_BYTES, HEADER, Frame
from p2pmpc.identity import Identity
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.messages import Kind
from p2pmpc.network import Network
from p2pmpc.patience import Backoff, doze
from p2pmpc.pulse import TURNS_A_BEAT, Pulse
from p2pmpc.quota import Quota
from p2pmpc.returns import Returns
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy

SESSION_KINDS: Final = frozenset(kind for kind in Kind if kind >= Kind.ACCEPT)
RECONNECT_SECONDS: Final = 15.0
"""How long a link may be down before its peer is given up, unless something else is said."""
HEARTBEAT_SECONDS: Final = 2.0
"""After how long a link on which nothing was said says that it is alive, likewise."""
_PROBE_AFTER: Final = 2.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_COALESCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Received:
    """A frame of a peer, not yet verified."""

    peer: int
    frame: Frame = field(repr=False)


@dataclass(frozen=True, slots=True)
class Violated:
    """Bytes of an authenticated peer that no honest peer sends."""

    peer: int
    error: P2PMPCError


@dataclass(frozen=True, slots=True)
class Connected:
    """A link is up."""

    peer: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A link is down, and may come back."""

    peer: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A link stayed down too long."""

    peer: int


@dataclass(frozen=True, slots=True)
class Silent:
    """A link is up, and nothing comes on it; or what is known of the reason has changed."""

    peer: int
    absence: Absence


@dataclass(frozen=True, slots=True)
class HeardAgain:
    """Something came on a link that was silent."""

    peer: int


Event = Received | Violated | Connected | Disconnected | Lost | Silent | HeardAgain


@dataclass(slots=True)
class _Outbox:
    """What was said to one peer: frames in parts, so that a long body is held once for all.

    Positions count all frames that were ever said; those that the peer is done with are let go. That
    may happen while they are written again, so no position lies within a frame.
    """

    frames: deque[tuple[bytes, ...]] = field(default_factory=deque)
    first: int = 0
    """The position of the first frame that is still held."""
    begun: dict[int, int] = field(default_factory=dict)
    """By round, the position of its first frame."""
    grown: trio.Event = field(default_factory=trio.Event)
    flushed: trio.Event = field(default_factory=trio.Event)

    @property
    def end(self) -> int:
        return self.first + len(self.frames)

    def forget(self, round_number: int) -> None:
        """Let go what was said before a round."""
        while self.first < self.begun.get(round_number, 0):
            self.frames.popleft()
            self.first += 1
        self.begun = {number: at for number, at in self.begun.items() if number >= round_number}

    def say(self, parts: Sequence[bytes]) -> None:
        self.frames.append(tuple(parts))
        self.flushed = trio.Event()
        self.grown.set()
        self.grown = trio.Event()


@dataclass(slots=True)
class _Line:
    """A link that is up."""

    scope: trio.CancelScope
    pulse: Pulse
    told: Cause | None = None
    """What people know of its silence."""


@dataclass(slots=True)
class _Down:
    """What is known of a peer to which there is no link."""

    since: float
    cause: Cause = Cause.AWAY
    detail: str = "none came about"


class Mesh:
    """This peer's links to all other members.

    Args:
        session: The closed session.
        identity: This peer's.
        network: TCP, or memory.
        addresses: Where each member listens, by ID.
        events: Where events go, in the order in which they happen on each link.
        reconnect: Seconds that a link may be down before its peer is lost.
        heartbeat: Seconds after which an idle link says that it is alive.
        entropy: The operating system's; pauses between attempts are drawn from it.
    """

    def __init__(
        self,
        session: Session,
        identity: Identity,
        network: Network,
        addresses: Mapping[bytes, str],
        events: trio.MemorySendChannel[Event],
        *,
        reconnect: float,
        heartbeat: float,
        entropy: Entropy,
    ) -> None:
        self._session = session
        self._events = events
        self._reconnect = reconnect
        self._heartbeat = heartbeat
        self._entropy = entropy
        self._dialler = Dialler(session, identity, network, addresses)
        self._limits = session.limits
        self._outboxes = {index: _Outbox() for index in session.others}
        self._links: dict[int, _Line] = {}
        self._down: dict[int, _Down] = {}
        self._generation = dict.fromkeys(session.others, 0)
        self._heard = dict.fromkeys(session.others, 0)
        """How many messages came from each, on whatever link."""
        self._retired: set[int] = set()
        self._barred: set[int] = set()
        self._returns = {index: Returns() for index in session.others}
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.bytes_sent = 0
        self.bytes_received = 0

    # -- sending ------------------------------------------------------------------------------

    def send(self, parts: Sequence[bytes], receiver: int | None) -> None:
        """Queue a frame, in one part or several, for one peer or for all."""
        for index in self._session.others if receiver is None else (receiver,):
            self._outboxes[index].say(parts)

    def begin_round(self, number: int) -> None:
        """Note that what is said from now on belongs to a round."""
        for outbox in self._outboxes.values():
            outbox.begun[number] = outbox.end
            outbox.forget(number - 1)  # whoever is further behind cannot take part any more

    def is_in_round(self, peer: int, number: int) -> None:
        """Note that a peer has come to a round: it needs nothing of the rounds before it again."""
        self._outboxes[peer].forget(number)

    async def drain(self, seconds: float) -> None:
        """Wait until everything queued is written to every link that is up."""
        with trio.move_on_after(seconds):
            for index in list(self._links):
                if self._outboxes[index].end:
                    await self._outboxes[index].flushed.wait()

    async def wait_until_closed(self, seconds: float) -> None:
        """Wait until the others have closed every link."""
        with trio.move_on_after(seconds):
            while self._links:
                await self._changed.wait()

    def retire(self, peer: int) -> None:
        """Expect nothing more of a peer: do not dial it again, do not report it lost."""
        self._retired.add(peer)

    def bar(self, peer: int) -> None:
        """End a peer's link, and let it in no more."""
        self.retire(peer)
        self._barred.add(peer)
        if peer in self._links:
            self._links[peer].scope.cancel()

    # -- links --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dial every member with a lower index, and keep all links until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._dialler.run)
            nursery.start_soon(self._watch)
            for index in self._session.others:
                self._down.setdefault(index, _Down(trio.current_time()))
                if index < self._session.own_index:
                    nursery.start_soon(self._keep_dialling, index)
            await trio.sleep_forever()

    async def attach(self, index: int, link: Link) -> None:
        """Serve an authenticated link until it ends; a newer one of the same peer replaces it."""
        pause = self._returns[index].pause(trio.current_time())
        if pause is None and index not in self._barred:
            self.bar(index)
            await self._report(Disconnected(index, "it came back too often, and is given up"))
            await self._report(Lost(index))
        if pause is None or index in self._barred:
            await link.aclose()
            return
        older = self._links.get(index)
        if older is not None:
            older.scope.cancel()
        self._generation[index] += 1
        generation = self._generation[index]
        reason = "replaced by a newer link"
        pulse = Pulse(link, self._heartbeat, self._dialler.where(index), trio.current_time())
        line = _Line(trio.CancelScope(), pulse)
        try:
            with line.scope:
                self._links[index] = line
                await trio.sleep(pause)
                await self._events.send(Connected(index))
                reason = await self._converse(index, link, line)
        finally:
            if pulse.is_half_open:
                reason = f"the connection is given up: {pulse.absence().reason}"
            is_newest = self._links.get(index) is line
            if is_newest:
                del self._links[index]
                self._note_down(index, pulse, reason)
                self._changed.set()
                self._changed = trio.Event()
            with trio.CancelScope(shield=True):
                await (link.abandon() if pulse.is_half_open else link.aclose())
        if is_newest:
            await self._events.send(Disconnected(index, reason))
            if self._nursery is not None and index not in self._retired:
                self._nursery.start_soon(self._give_up_later, index, generation)

    def _note_down(self, index: int, pulse: Pulse, reason: str) -> None:
        """Remember what is known of a peer whose link ends."""
        cause = Cause.UNREACHABLE if pulse.is_half_open else Cause.AWAY
        self._down[index] = _Down(trio.current_time() - pulse.silent, cause, reason)

    async def _converse(self, index: int, link: Link, line: _Line) -> str:
        """Read and write until one of the two ends; return why."""
        reasons: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, index, link, reasons, nursery.cancel_scope)
            await self._read(index, link, line, reasons, nursery.cancel_scope)
        return reasons[0] if reasons else "cut"

    async def _read(
        self, index: int, link: Link, line: _Line, reasons: list[str], scope: trio.CancelScope
    ) -> None:
        try:
            quota = Quota(self._session, index)
            while True:
                frame = await link.receive(self._limits, SESSION_KINDS)
                if line.told is not None:
                    line.pulse.turn()
                    self._tell(index, line)
                if frame.kind is Kind.ALIVE:
                    line.pulse.take_alive(frame, trio.current_time())
                    continue
                self._heard[index] += 1
                self.bytes_received += HEADER.size + ENVELOPE_BYTES + len(frame.body)
                quota.take(frame)
                await self._report(Received(index, frame))
        except LinkEndedError as error:
            reasons.append(error.reason)
        except RemoteProtocolError as error:
            self._barred.add(index)
            self.retire(index)
            reasons.append(error.message)
            said = f"{self._session.label(index)} sent what no peer sends: {error.message}"
            await self._events.send(Violated(index, error.restated(said).blaming(index)))
        scope.cancel()

    async def _report(self, event: Event) -> None:
        """Hand an event over; it waits only when the loop is far behind."""
        try:
            self._events.send_nowait(event)
        except trio.WouldBlock:
            await self._events.send(event)

    async def _write(
        self, index: int, link: Link, reasons: list[str], scope: trio.CancelScope
    ) -> None:
        outbox = self._outboxes[index]
        position = outbox.first
        try:
            while True:
                grown = outbox.grown
                # What was let go meanwhile need not be written any more, and may have been the rest.
                while (position := max(position, outbox.first)) < outbox.end:
                    batch, position = _batch(outbox, position)
                    for data in batch:
                        await link.send(data)
                        self.bytes_sent += len(data)
                outbox.flushed.set()
                with trio.move_on_after(self._heartbeat) as waiting:
                    await grown.wait()
                if waiting.cancelled_caught:
                    await link.send(ALIVE)
        except LinkEndedError as error:
            reasons.append(error.reason)
        finally:
            outbox.flushed.set()
        scope.cancel()

    # -- silence ------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Count the silence of every link, tell of it, and give up those that are half-open."""
        while True:
            await trio.sleep(self._heartbeat / TURNS_A_BEAT)
            for index, line in list(self._links.items()):
                line.pulse.turn()
                if line.pulse.suspected is not line.told:
                    self._tell(index, line)
                if line.pulse.is_half_open:
                    line.scope.cancel()

    def _tell(self, index: int, line: _Line) -> None:
        """Tell what is suspected now; where the loop is far behind, at a later turn."""
        pulse = line.pulse
        event = HeardAgain(index) if pulse.suspected is None else Silent(index, pulse.absence())
        with contextlib.suppress(trio.WouldBlock):
            self._events.send_nowait(event)
            line.told = pulse.suspected

    def absence(self, peer: int) -> Absence:
        """Return what is known of a peer that is waited for."""
        line, where = self._links.get(peer), self._dialler.where(peer)
        if line is not None:
            return line.pulse.absence()
        now = trio.current_time()
        down = self._down.get(peer, _Down(now))
        return Absence(down.cause, now - down.since, where, down.detail)

    def _learn(self, index: int, error: UnreachedError) -> None:
        """Remember what an attempt to reach a peer came to, unless there is a link meanwhile."""
        if index not in self._links and (down := self._down.get(index)) is not None:
            down.cause = error.cause
            down.detail = error.detail or down.detail

    async def _give_up_later(self, index: int, generation: int) -> None:
        """Report a peer lost, unless it comes back in time."""
        first = min(_PROBE_AFTER, self._reconnect / 2)
        for seconds in (first, self._reconnect - first):
            await doze(seconds)
            if self._generation[index] != generation or index in self._retired:
                return
            if index > self._session.own_index:  # it dials, so nothing else tells what is wrong
                error = await self._dialler.probe(index)
                if error is not None:
                    self._learn(index, error)
        if self._generation[index] == generation and index not in self._retired:
            await self._events.send(Lost(index))

    # -- dialling -----------------------------------------------------------------------------

    async def _keep_dialling(self, index: int) -> None:
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, self._entropy)
        refused_since = float("inf")
        while index not in self._retired:
            heard = self._heard[index]
            try:
                link = await self._dialler.dial(index)
            except UnreachedError as error:
                self._learn(index, error)
                now, refused = trio.current_time(), error.cause is Cause.ENDED
                refused_since = min(refused_since, now) if refused else float("inf")
                if now - refused_since > self._reconnect:
                    self.retire(index)
                    await self._report(Lost(index))
                    return
                await trio.sleep(backoff.next())
                continue
            except AgreementFailed as error:
                await self._events.send(Violated(index, error))
                return
            refused_since = float("inf")
            await self.attach(index, link)
            if self._heard[index] > heard:
                backoff.reset()  # whoever lets this peer in only to hang up is not dialled any faster
            await trio.sleep(backoff.next())


def _batch(outbox: _Outbox, position: int) -> tuple[tuple[bytes, ...], int]:
    """Return what to write next, small frames as one and a large one in parts, and where it ends."""
    batch: list[bytes] = []
    size = count = 0
    for frame in islice(outbox.frames, position - outbox.first, None):
        size += sum(map(len, frame))
        if size > _COALESCE:
            break
        batch += frame
        count += 1
    if count == 0:
        return outbox.frames[position - outbox.first], position + 1
    return (b"".join(batch),), position + count
