"""The links of one session without TLS: what a cut, a flood or a reader that does not read does to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import memory_stream_pair

from p2pmpc.absence import TcpState
from p2pmpc.frames import ALIVE
from p2pmpc.links import Link
from p2pmpc.mesh import Connected, Disconnected, Event, Mesh, Received
from p2pmpc.messages import Kind
from p2pmpc.network import MemoryNetwork
from p2pmpc.returns import Returns
from tests.frames import encode_frame
from tests.nodes import at_once
from tests.party import Party

HERE, THERE, OTHER = 1, 2, 3
CAPACITY = 1000
VALUES = [[1], [20], [300]]
BODIES = (b"first", b"", b"the last")
KINDS = (Kind.COMMITMENT, Kind.SHARE, Kind.PARTIAL)


def frames(number: int = 0) -> list[bytes]:
    """Return a frame of each kind, of a round."""
    return [
        encode_frame(kind, number, bytes([k]) * 64, body)
        for k, (kind, body) in enumerate(zip(KINDS, BODIES, strict=True))
    ]


FRAMES = frames()


class Meshes:
    """Two members' links, joined by streams that a test makes."""

    def __init__(self) -> None:
        party = Party(VALUES)
        self.meshes: dict[int, Mesh] = {}
        self.events: dict[int, trio.MemoryReceiveChannel[Event]] = {}
        for index in (HERE, THERE, OTHER):
            member = party.members[index]
            send, self.events[index] = trio.open_memory_channel[Event](CAPACITY)
            self.meshes[index] = Mesh(
                member.session,
                member.identity,
                MemoryNetwork(),
                {other.id: "memory:1" for other in member.session.members},
                send,
                reconnect=15.0,
                heartbeat=2.0,
                entropy=bytes,
            )

    def taken(self, index: int) -> list[Event]:
        """Return the events at one end so far."""
        taken: list[Event] = []
        try:
            while True:
                taken.append(self.events[index].receive_nowait())
        except trio.WouldBlock:
            return taken

    def bodies(self, index: int) -> list[bytes]:
        """Return what came in messages at one end so far, in order."""
        return [event.frame.body for event in self.taken(index) if isinstance(event, Received)]


class Budgeted(trio.abc.Stream):
    """A stream that is cut, in both directions, once so many bytes have come in."""

    def __init__(self, stream: trio.abc.Stream, budget: int) -> None:
        self._stream = stream
        self._budget = budget

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive up to the cut, and there fail as a stream does that is cut."""
        if self._budget == 0:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError
        most = self._budget if max_bytes is None else min(self._budget, max_bytes)
        data = await self._stream.receive_some(most)
        self._budget -= len(data)
        return bytes(data)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()


@pytest.mark.parametrize("how", ["cut", "closed"])
@at_once
async def test_a_cut_at_any_byte_loses_and_invents_nothing(how: str) -> None:
    """Row 14: wherever a stream ends, whole frames were read, and the next stream brings all of them.

    That it was closed in good order, in the middle of a frame, makes it no end of data either.
    """
    whole = b"".join(FRAMES)
    meshes = Meshes()
    here, there = meshes.meshes[HERE], meshes.meshes[THERE]
    for frame in FRAMES:
        there.send([frame], HERE)
    starts = [sum(map(len, FRAMES[:k])) for k in range(len(FRAMES) + 1)]
    for cut in range(len(whole) + 1):
        here._returns[THERE] = there._returns[HERE] = Returns()  # so many at once are given up
        near, far = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            if how == "cut":
                nursery.start_soon(here.attach, THERE, Link(Budgeted(near, cut)))
                nursery.start_soon(there.attach, HERE, Link(far))
                if cut == len(whole):  # what was due has come; then nothing comes, and it is cut
                    await trio.testing.wait_all_tasks_blocked()
                    await far.aclose()
            else:
                nursery.start_soon(here.attach, THERE, Link(near))
                await far.send_all(whole[:cut])
                await trio.testing.wait_all_tasks_blocked()
                await far.aclose()
        events = meshes.taken(HERE)
        complete = max(k for k, start in enumerate(starts) if start <= cut)
        assert [e.frame.body for e in events if isinstance(e, Received)] == [*BODIES[:complete]]
        assert isinstance(events[0], Connected)
        assert isinstance(events[-1], Disconnected)
        assert len(events) == complete + 2
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.attach, THERE, Link(near))
        nursery.start_soon(there.attach, HERE, Link(far))
        await trio.testing.wait_all_tasks_blocked()
        assert meshes.bodies(HERE) == [*BODIES]
        nursery.cancel_scope.cancel()


@at_once
async def test_an_idle_link_says_that_it_is_alive() -> None:
    """Where nothing is said for two seconds an ALIVE is, and where something is, none."""
    meshes = Meshes()
    near, far = memory_stream_pair()
    came = bytearray()

    async def read() -> None:
        while True:
            came.extend(await far.receive_some())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(meshes.meshes[HERE].attach, THERE, Link(near))
        nursery.start_soon(read)
        await trio.sleep(7.5)
        assert bytes(came) == ALIVE * 3
        came.clear()
        for _ in range(5):
            meshes.meshes[HERE].send([FRAMES[0]], THERE)
            await trio.sleep(1.5)
        assert bytes(came) == FRAMES[0] * 5
        nursery.cancel_scope.cancel()


@at_once
async def test_signs_of_life_reach_nobody() -> None:
    """An ALIVE is read and forgotten: the loop, which may be far behind, hears nothing of it."""
    meshes = Meshes()
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(meshes.meshes[HERE].attach, THERE, Link(near))
        await far.send_all(ALIVE * 5 + FRAMES[0] + ALIVE)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(event) for event in meshes.taken(HERE)] == [Connected, Received]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("away", [10.0, 20.0])
@at_once
async def test_a_peer_is_lost_when_its_link_stays_down(away: float) -> None:
    """A link that comes back within --reconnect was only down; after it the peer is lost, and says so once."""
    meshes = Meshes()
    here = meshes.meshes[HERE]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        for _ in "ab":
            near, far = memory_stream_pair()
            nursery.start_soon(here.attach, THERE, Link(near))
            await trio.sleep(1)
            await far.aclose()
            await trio.sleep(away)
        near, far = memory_stream_pair()
        nursery.start_soon(here.attach, THERE, Link(near))
        await trio.sleep(30)
        events = [type(event).__name__ for event in meshes.taken(HERE) if event.peer == THERE]
        once = ["Connected", "Disconnected", *(["Lost"] if away > 15 else [])]
        assert events == [*once, *once, "Connected", "Silent"]
        nursery.cancel_scope.cancel()


@at_once
async def test_a_slow_reader_holds_nobody_up() -> None:
    """Row 9: while one peer reads nothing at all, another one gets everything, and is heard."""
    meshes = Meshes()
    here = meshes.meshes[HERE]
    shut, _ = trio.testing.lockstep_stream_pair()  # a write to it ends only when somebody reads
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.attach, THERE, Link(shut))
        nursery.start_soon(here.attach, OTHER, Link(near))
        nursery.start_soon(meshes.meshes[OTHER].attach, HERE, Link(far))
        for number in range(100):
            here.send([bytes(0), *frames(number)], None)
            meshes.meshes[OTHER].send([frames(number)[0]], HERE)
        await trio.sleep(10)
        assert len(meshes.bodies(OTHER)) == 100 * len(FRAMES)
        assert len(meshes.bodies(HERE)) == 100
        nursery.cancel_scope.cancel()


@at_once
async def test_a_half_open_link_is_closed_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 9: a link that is given up is closed without the goodbye that nobody would hear."""
    gone = TcpState(unacknowledged=1, probes=0, quiet=60.0)
    monkeypatch.setattr("p2pmpc.links.tcp_state", lambda _stream: gone)
    closed: list[str] = []
    monkeypatch.setattr(Link, "aclose", _noting(closed, "in good order"))
    monkeypatch.setattr(Link, "abandon", _noting(closed, "abandoned"))
    meshes = Meshes()
    here = meshes.meshes[HERE]
    near, _far = memory_stream_pair()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here._watch)
            await here.attach(THERE, Link(near))
            nursery.cancel_scope.cancel()
    assert 8.0 <= trio.current_time() - here._down[THERE].since <= 10.0
    assert closed == ["abandoned"]


def _noting(closed: list[str], how: str) -> Callable[[Link], object]:
    async def close(_link: Link) -> None:
        await trio.lowlevel.checkpoint()
        closed.append(how)

    return close


@at_once
async def test_a_late_loop_is_told_of_silence_later() -> None:
    """A loop that reads no events cannot keep links from being watched; it hears once it reads again."""
    meshes = Meshes()
    here = meshes.meshes[HERE]
    near, _far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here._watch)
        nursery.start_soon(here.attach, THERE, Link(near))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(CAPACITY - 1):
            here._events.send_nowait(Connected(OTHER))
        await trio.sleep(20)
        assert {type(event) for event in meshes.taken(HERE)} == {Connected}
        await trio.sleep(1)
        (told,) = meshes.taken(HERE)
        assert type(told).__name__ == "Silent"
        nursery.cancel_scope.cancel()
