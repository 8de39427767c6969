"""Where strangers wait: who has to go when a room is full, and what they may send until they are known."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from p2pmpc.links import LinkEndedError
from p2pmpc.lobby import UNVERIFIED_BYTES, Lobby, MeteredStream, Shown, Visit, is_hello
from p2pmpc.network import Stream
from tests.nodes import Peers, at_once
from tests.strangers import HELLO

PLACES = 4 * len(Shown)
FRAGMENT = b"\x16\x03\x01\x00\x06\x01\x00\x02\x00\x03\x03"
"""A whole record of TLS that holds the first six bytes of a ClientHello."""


class Crowd:
    """Visits that stay until they are dropped, or until the test is over.

    Args:
        draws: What is drawn when somebody has to go, as a position in the room.
    """

    def __init__(self, draws: Iterator[int] = itertools.repeat(0)) -> None:  # noqa: B008
        self.asked: list[int] = []

        def draw(below: int) -> int:
            self.asked.append(below)
            return next(draws)

        self.lobby = Lobby(PLACES, draw)
        self.visits: list[Visit] = []

    def enter(self, shown: Shown = Shown.NOTHING, *, known: bool = False) -> Visit:
        """Let one in, which shows so much at once."""
        scope = trio.CancelScope(deadline=1000.0)
        visit = Visit(scope)
        self.lobby._enter(visit)
        self.lobby.move(visit, shown)
        if known:
            scope.deadline = float("inf")
        self.visits.append(visit)
        return visit

    @property
    def dropped(self) -> list[int]:
        """Who was dropped, by the order of coming."""
        return [number for number, visit in enumerate(self.visits) if visit.dropped]


def test_one_at_random_goes_when_a_room_is_full() -> None:
    """Whoever comes gets in, and one of those who were there, as drawn, has to go."""
    crowd = Crowd(iter([2, 0]))
    for _ in range(4):
        crowd.enter()
    assert crowd.dropped == []
    crowd.enter()
    assert (crowd.dropped, crowd.asked) == ([2], [4])
    crowd.enter()
    assert crowd.dropped == [0, 2]
    assert len(crowd.lobby) == 4


def test_a_crowd_that_says_nothing_pushes_out_nobody_else() -> None:
    """Row 23: a thousand idle connections drop one another, and none that is in a handshake."""
    crowd = Crowd()
    busy = [crowd.enter(Shown.BYTES) for _ in range(4)] + [crowd.enter(Shown.TLS) for _ in range(4)]
    for _ in range(1000):
        crowd.enter()
    assert not any(visit.dropped for visit in busy)
    assert len(crowd.lobby) == PLACES
    assert len(crowd.dropped) == 1000 - 4


def test_a_crowd_that_stalls_keeps_nobody_from_beginning() -> None:
    """Row 23: any number that shook hands and say no more leave the places for those who come."""
    crowd = Crowd()
    for _ in range(1000):
        crowd.enter(Shown.TLS)
    new = [crowd.enter() for _ in range(4)]
    assert not any(visit.dropped for visit in new)
    crowd.lobby.move(new[0], Shown.BYTES)
    crowd.lobby.move(new[0], Shown.TLS)
    assert not new[0].dropped


def test_those_who_are_known_are_never_dropped_and_take_no_place() -> None:
    """A member or a joiner whose deadline is taken away stays, whatever comes."""
    crowd = Crowd()
    known = [crowd.enter(Shown.TLS, known=True) for _ in range(100)]
    for _ in range(1000):
        crowd.enter(Shown.TLS)
    assert not any(visit.dropped for visit in known)
    assert len(crowd.lobby) == 4


def test_one_that_has_shown_least_goes_where_one_must() -> None:
    """When descriptors run out, who said nothing goes before who said something, and so on."""
    crowd = Crowd()
    visits = [crowd.enter(shown) for shown in (Shown.TLS, Shown.NOTHING, Shown.BYTES)]
    visits.insert(0, crowd.enter(Shown.NOTHING, known=True))
    for expected in ([2], [2, 3], [1, 2, 3]):
        assert crowd.lobby.drop_one()
        assert [k for k, visit in enumerate(visits) if visit.dropped] == expected
    assert not crowd.lobby.drop_one()


async def test_a_place_is_given_back() -> None:
    """Whoever leaves by itself, dropped or not, leaves a place."""
    lobby = Lobby(PLACES, lambda _below: 0)
    with trio.CancelScope() as scope:
        scope.deadline = trio.current_time() + 1000
        with lobby.visit(scope) as one:
            assert len(lobby) == 1
            one.drop()
            lobby.move(one, Shown.BYTES)
            assert len(lobby) == 1
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert len(lobby) == 0


# -- what a stranger may send -----------------------------------------------------------------


def metered(stream: Stream, *, known: bool = False) -> tuple[MeteredStream, Visit]:
    scope = trio.CancelScope(deadline=float("inf") if known else 1000.0)
    visit = Visit(scope)
    return MeteredStream(stream, Lobby(PLACES, lambda _below: 0), visit), visit


async def test_a_stranger_may_send_so_much_and_no_more() -> None:
    """Row 23: what comes before a HELLO is verified is bounded, TLS included, in whatever pieces."""
    here, there = memory_stream_pair()
    stream, visit = metered(here)
    await there.send_all(bytes(UNVERIFIED_BYTES + 1))
    taken = len(await stream.receive_some(100)) + len(await stream.receive_some())
    assert taken == UNVERIFIED_BYTES
    assert visit.shown is Shown.BYTES
    with pytest.raises(LinkEndedError, match="8192 bytes, and it has not said who it is"):
        await stream.receive_some()


async def test_who_is_known_may_send_on() -> None:
    """Once somebody is known there is no budget."""
    here, there = memory_stream_pair()
    stream, _ = metered(here, known=True)
    await there.send_all(bytes(3 * UNVERIFIED_BYTES))
    taken = 0
    while taken < 3 * UNVERIFIED_BYTES:
        taken += len(await stream.receive_some())


@given(
    cuts=st.lists(st.integers(0, 600), max_size=6).map(sorted),
    most=st.integers(1, 700),
    records=st.lists(st.integers(0, 512), max_size=3).map(sorted),
)
async def test_the_first_message_is_read_whole_and_given_on(
    cuts: list[int], most: int, records: list[int]
) -> None:
    """Until the first message is whole nothing is made of it, and then every byte of it is there."""
    message = b"\x01" + (508).to_bytes(3, "big") + bytes(range(254)) * 2
    said = b"".join(
        b"\x16\x03\x01" + (end - start).to_bytes(2, "big") + message[start:end]
        for start, end in itertools.pairwise([0, *records, len(message)])
    )
    here, there = memory_stream_pair()
    stream, _ = metered(here)

    async def write() -> None:
        for start, end in itertools.pairwise([0, *cuts, len(said) + 7]):
            await there.send_all((said + b"further")[start:end])
            await wait_all_tasks_blocked()
        await there.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        first = await stream.first_message()
        assert (said + b"further").startswith(first)
        assert len(first) >= len(said)
        got = b""
        while piece := await stream.receive_some(most):
            assert len(piece) <= most
            got += piece
    assert got == said + b"further"


@pytest.mark.parametrize("said", [b"", b"G", b"\x16\x04", b"\x16\x02\x01" + bytes(9000)])
async def test_what_is_no_message_is_not_waited_for(said: bytes) -> None:
    """The end, and other bytes, come back at once."""
    here, there = memory_stream_pair()
    stream, _ = metered(here)
    await there.send_all(said)
    if not said:
        await there.aclose()
    with trio.fail_after(1):
        assert await stream.first_message() == said[:UNVERIFIED_BYTES]


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\xff\xff\x01\x00" + bytes([255]) * 9000, FRAGMENT + b"\x15\x03\x03"]
)
async def test_a_first_message_that_cannot_end_is_refused(said: bytes) -> None:
    """One that is longer than a stranger may send, and one with something else in its middle."""
    here, there = memory_stream_pair()
    stream, _ = metered(here)
    await there.send_all(said)
    with trio.fail_after(1), pytest.raises(LinkEndedError):
        await stream.first_message()


def test_a_hello_is_told_by_its_first_bytes() -> None:
    """A TLS handshake begins with 22 and 3, whatever its version."""
    assert all(is_hello(HELLO[:size]) for size in (1, 2, 3, 100))
    assert not any(map(is_hello, (b"", b"\x15\x03", b"\x16\x02", b"GET / HTTP/1.1")))


# -- among real nodes -------------------------------------------------------------------------

Attack = Callable[[Stream], Awaitable[None]]


async def say_nothing(stream: Stream) -> None:
    assert await stream.receive_some() == b""


async def drip(stream: Stream) -> None:
    for byte in itertools.cycle(HELLO):
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.05)


async def say(what: bytes, stream: Stream) -> None:
    await stream.send_all(what)
    await say_nothing(stream)


@pytest.mark.parametrize(
    "attack",
    [say_nothing, drip, partial(say, b"G"), partial(say, FRAGMENT)],
    ids=["nothing", "drip", "a byte that is no TLS", "a piece of a hello"],
)
@at_once
async def test_a_crowd_costs_a_joiner_no_time(tmp_path: Path, attack: Attack) -> None:
    """Row 23: with hundreds of idle or slow connections, new ones all the time, peers join at once."""
    peers = Peers(tmp_path)
    founder, *_ = peers.add_all([1, 2, 3], weight=1)

    async def come() -> None:
        while True:
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                stream, _ = await peers.network.connect(peers.address)
                await attack(stream)
            await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            for _ in range(400):
                nursery.start_soon(come)
            await trio.sleep(0.2)

        with trio.fail_after(10):
            await peers.run(meanwhile=meanwhile)
        nursery.cancel_scope.cancel()
    assert peers.codes == [0, 0, 0]
    assert len(peers.log(founder, "connection refused")) < 100
    assert sum(line["count"] for line in peers.log(founder, "connection refused: more")) > 200
