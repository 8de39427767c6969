"""The links among the members of a session: dialled, kept, reconnected, written to in order.

One ordered stream of messages goes to each member. Everything said is kept, and after a reconnection
said again from the start: the receiver passes over what it has, so no acknowledgements are needed.
The member with the higher index dials.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import trio

from p2pmpc.errors import AgreementFailed, P2PMPCError, PeerMissing, RemoteProtocolError
from p2pmpc.gate import SATISFIED
from p2pmpc.identity import Identity
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.messages import Kind
from p2pmpc.network import Address, Network
from p2pmpc.patience import Patience
from p2pmpc.session import Session
from p2pmpc.tls import mesh_context, remote_certificate, wrap_client
from p2pmpc.wire import Frame

SESSION_KINDS: Final = frozenset(kind for kind in Kind if kind >= Kind.ACCEPT)
RECONNECT_SECONDS: Final = 3.0
"""How long a link may be down before its peer is given up."""
_DIALLED_AT_ONCE: Final = 8
"""Handshakes are work for both sides: all at once, on a busy machine, each would take too long."""
_DIAL_SECONDS: Final = 10.0
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


Event = Received | Violated | Connected | Disconnected | Lost


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


class Mesh:
    """This peer's links to all other members.

    Args:
        session: The closed session.
        identity: This peer's.
        network: TCP, or memory.
        addresses: Where each member listens, by ID.
        events: Where events go, in the order in which they happen on each link.
    """

    def __init__(
        self,
        session: Session,
        identity: Identity,
        network: Network,
        addresses: Mapping[bytes, str],
        events: trio.MemorySendChannel[Event],
    ) -> None:
        self._session = session
        self._network = network
        self._addresses = addresses
        self._events = events
        anchors = [member.entry.certificate for member in session.members]
        self._context = mesh_context(identity, anchors)
        self._limits = session.limits
        self._outboxes = {index: _Outbox() for index in session.others}
        self._links: dict[int, trio.CancelScope] = {}
        self._generation = dict.fromkeys(session.others, 0)
        self._retired: set[int] = set()
        self._dialling = trio.CapacityLimiter(_DIALLED_AT_ONCE)
        self._patience = Patience(_DIAL_SECONDS)
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

    # -- links --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dial every member with a lower index, and keep all links until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._patience.run)
            for index in self._session.others:
                if index < self._session.own_index:
                    nursery.start_soon(self._keep_dialling, index)
            await trio.sleep_forever()

    async def attach(self, index: int, link: Link) -> None:
        """Serve an authenticated link until it ends; a newer one of the same peer replaces it."""
        older = self._links.get(index)
        if older is not None:
            older.cancel()
        self._generation[index] += 1
        generation = self._generation[index]
        reason = "replaced by a newer link"
        is_newest = False
        try:
            with trio.CancelScope() as scope:
                self._links[index] = scope
                await self._events.send(Connected(index))
                reason = await self._converse(index, link)
        finally:
            is_newest = self._links.get(index) is scope
            if is_newest:
                del self._links[index]
                self._changed.set()
                self._changed = trio.Event()
            with trio.CancelScope(shield=True):
                await link.aclose()
        if is_newest:
            await self._events.send(Disconnected(index, reason))
            if self._nursery is not None and index not in self._retired:
                self._nursery.start_soon(self._give_up_later, index, generation)

    async def _converse(self, index: int, link: Link) -> str:
        """Read and write until one of the two ends; return why."""
        reasons: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, index, link, reasons, nursery.cancel_scope)
            await self._read(index, link, reasons, nursery.cancel_scope)
        return reasons[0] if reasons else "cut"

    async def _read(
        self, index: int, link: Link, reasons: list[str], scope: trio.CancelScope
    ) -> None:
        try:
            while True:
                before = link.bytes_received
                frame = await link.receive(self._limits, SESSION_KINDS)
                self.bytes_received += link.bytes_received - before
                await self._report(Received(index, frame))
        except LinkEndedError as error:
            reasons.append(error.reason)
        except RemoteProtocolError as error:
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
                await grown.wait()
        except LinkEndedError as error:
            reasons.append(error.reason)
        finally:
            outbox.flushed.set()
        scope.cancel()

    async def _give_up_later(self, index: int, generation: int) -> None:
        await trio.sleep(RECONNECT_SECONDS)
        if self._generation[index] == generation and index not in self._retired:
            await self._events.send(Lost(index))

    # -- dialling -----------------------------------------------------------------------------

    async def _keep_dialling(self, index: int) -> None:
        pause, refused_since = 0.05, float("inf")
        while index not in self._retired:
            try:
                async with self._dialling:
                    link = await self._dial(index)
            except (LinkEndedError, OSError, trio.TooSlowError, PeerMissing) as error:
                # A member listens before it says HELLO: where nobody listens any more, it ended.
                now, refused = trio.current_time(), isinstance(error, ConnectionRefusedError)
                refused_since = min(refused_since, now) if refused else float("inf")
                if now - refused_since > RECONNECT_SECONDS:
                    self.retire(index)
                    await self._report(Lost(index))
                    return
                await trio.sleep(pause)
                pause = min(2 * pause, 1.0)
                continue
            except AgreementFailed as error:
                await self._events.send(Violated(index, error))
                return
            refused_since = float("inf")
            await self.attach(index, link)
            # Whoever lets this peer in only to hang up is not dialled any faster for it.
            pause = 0.05 if link.bytes_received > 1 else min(2 * pause, 1.0)
            await trio.sleep(pause)

    async def _dial(self, index: int) -> Link:
        member = self._session.member(index)
        address = Address.parse(self._addresses[member.id])
        with self._patience.limit():
            stream, _ = await self._network.connect(address)
            tls = wrap_client(stream, self._context)
            link = Link(tls)
            try:
                await tls.do_handshake()
                if remote_certificate(tls) != member.entry.certificate:
                    raise AgreementFailed(
                        f"at the address of {member.label} answers another member of the roster",
                        peers=(index,),
                        hint="check --advertise there",
                    )
                # Under TLS 1.3 a refused client learns of it only when it reads: trio sends no
                # alert, so the refusal is an end where this byte was due.
                if await link.receive_byte() != SATISFIED[0]:
                    raise LinkEndedError("it does not say that it is satisfied")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await trio.aclose_forcefully(stream)
                raise LinkEndedError("the handshake failed") from None
            except BaseException:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
                raise
            return link
        raise trio.TooSlowError


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
