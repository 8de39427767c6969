"""Peers that fall silent: who is told what, which links are kept, given up and dialled anew.

Time is trio's. What a kernel would know of a connection, the tests say: memory has no TCP.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from p2pmpc import links
from p2pmpc.absence import TcpState
from p2pmpc.errors import ConfigurationError
from p2pmpc.frames import ALIVE
from p2pmpc.links import LinkEndedError
from p2pmpc.mesh import HEARTBEAT_SECONDS, RECONNECT_SECONDS, Mesh
from p2pmpc.options import NodeOptions
from p2pmpc.pulse import GIVEN_UP_BEATS, SUSPECTED_BEATS
from tests.nodes import KILLED, Peer, Peers, at_once

ANSWERED = TcpState(unacknowledged=0, probes=0, quiet=0.5)
UNANSWERED = TcpState(unacknowledged=1, probes=0, quiet=60.0)
SUSPECTED = SUSPECTED_BEATS * HEARTBEAT_SECONDS
GIVEN_UP = GIVEN_UP_BEATS * HEARTBEAT_SECONDS


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    """Three nodes, of which a test may freeze the last one."""
    made = Peers(tmp_path)
    made.add_all([1, 20, 300], weight=1, timeout=60.0)
    return made


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[TcpState | None], None]:
    """Return what lets a test say what the kernel knows of every connection."""

    def say(state: TcpState | None) -> None:
        monkeypatch.setattr(links, "tcp_state", lambda _stream: state)

    return say


def freezes(peer: Peer, seconds: float, step: str = "partial") -> list[float]:
    """Freeze a peer's wires at a step, before its message leaves; return when that was, once it is known."""
    at: list[float] = []
    has_come = trio.Event()

    def freeze(frozen: Peer, reached: str) -> None:
        if reached == step:
            frozen.wires.freeze()
            at.append(trio.current_time())
            has_come.set()

    async def thaw() -> None:
        await has_come.wait()
        await trio.sleep(seconds)
        peer.wires.thaw()

    peer.on_step = freeze
    vars(peer)["thaw"] = thaw
    return at


async def run(peers: Peers, frozen: Peer) -> None:
    """Run all peers, and thaw the frozen one when its time has come."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vars(frozen)["thaw"])
        await peers.run()
        nursery.cancel_scope.cancel()


def told(peer: Peer, event: str) -> list[tuple[float, str]]:
    """Return when a peer told of an event, and in which words."""
    return [(when, why) for name, when, why in peer.silences if name == event]


# -- a program that is stopped --------------------------------------------------------------------


@pytest.mark.parametrize("state", [ANSWERED, None])
@at_once
async def test_a_peer_that_returns_in_time_costs_nothing(
    peers: Peers, kernel: Callable[[TcpState | None], None], state: TcpState | None
) -> None:
    """Row 9: a peer that stands still for 40 s is reported after 6 s, keeps its links, and all end with 0."""
    kernel(state)
    frozen = peers.members[2]
    at = freezes(frozen, 40)
    await run(peers, frozen)
    assert peers.codes == [0, 0, 0]
    assert all(peer.total == [321] for peer in peers.members)
    words = "its machine acknowledges" if state else "does not say whether its machine is there"
    for other in peers.members[:2]:
        ((when, why),) = told(other, "silent")
        assert SUSPECTED - 1 <= when - at[0] <= SUSPECTED + HEARTBEAT_SECONDS
        assert why.startswith(frozen.name)
        assert words in why
        ((when, why),) = told(other, "heard again")
        assert 39 <= when - at[0] <= 42
        assert told(other, "disconnected") == []
        assert [line["reason"] for line in peers.log(other, "silent")] != []


@at_once
async def test_a_peer_that_does_not_return_is_named_with_the_reason(
    peers: Peers, kernel: Callable[[TcpState | None], None]
) -> None:
    """Row 9: whoever stands still for longer than --timeout ends the others with 3, and they say why."""
    kernel(ANSWERED)
    frozen = peers.members[2]
    at = freezes(frozen, 100)
    with trio.move_on_after(90):
        await run(peers, frozen)
    for other in peers.members[:2]:
        assert other.code == 3
        assert frozen.name in other.told
        assert "its machine acknowledges what is sent" in other.told
        assert "stopped, or very busy" in other.told
        assert "next: see there whether it is stopped" in other.told
        assert told(other, "disconnected") == []
    assert trio.current_time() - at[0] <= 91


@at_once
async def test_a_peer_that_lives_and_lags_is_told_from_a_stopped_one(tmp_path: Path) -> None:
    """A peer whose signs of life come is never silent; when it is too late, the error says that it answers."""
    peers = Peers(tmp_path)
    others = [peers.add(1), peers.add(2)]
    peers.add(3, stall="partial")
    await peers.run()
    for other in others:
        assert other.code == 3
        assert told(other, "silent") == []
        assert "its program answers, and has not come this far" in other.told


# -- a network that is down -----------------------------------------------------------------------


@at_once
async def test_a_half_open_link_is_dialled_anew(
    peers: Peers, kernel: Callable[[TcpState | None], None]
) -> None:
    """Row 9: a link at whose other end no machine answers is given up after 8 s; a new one ends with 0."""
    kernel(UNANSWERED)
    frozen = peers.members[2]
    at = freezes(frozen, 12)
    await run(peers, frozen)
    assert peers.codes == [0, 0, 0]
    for other in peers.members[:2]:
        assert "the network to it, or the machine, is down" in told(other, "silent")[0][1]
        ((when, why),) = told(other, "disconnected")
        assert GIVEN_UP - 1 <= when - at[0] <= GIVEN_UP + HEARTBEAT_SECONDS
        assert "nothing has come back from its machine" in why
        assert frozen.name in [line["peer"].split()[0] for line in peers.log(other, "reconnected")]


@at_once
async def test_a_network_that_stays_down_ends_with_3(
    peers: Peers, kernel: Callable[[TcpState | None], None]
) -> None:
    """Row 10: a peer that cannot be reached for --reconnect after its link was given up is lost."""
    kernel(UNANSWERED)
    frozen = peers.members[2]
    at = freezes(frozen, 100)
    with trio.move_on_after(90):
        await run(peers, frozen)
    first = min(peers.members[:2], key=lambda peer: peer.told)
    assert [peer.code for peer in peers.members[:2]] == [3, 3]
    assert frozen.name in first.told
    assert "was lost before the sum was complete" in first.told
    assert at


@pytest.mark.parametrize(("reconnect", "codes"), [(15.0, [0, 0, 0]), (5.0, [3, 3, 3])])
@at_once
async def test_how_long_a_link_may_be_down_is_an_option(
    peers: Peers,
    kernel: Callable[[TcpState | None], None],
    reconnect: float,
    codes: list[int],
) -> None:
    """--reconnect: a partition of 18 s heals by default, and does not for whoever waits only 5 s."""
    kernel(UNANSWERED)
    for peer in peers.members:
        peer.options["reconnect"] = reconnect
    frozen = peers.members[2]
    freezes(frozen, 18)
    await run(peers, frozen)
    assert peers.codes == codes


# -- a program that has ended ---------------------------------------------------------------------


@at_once
async def test_a_program_that_ended_is_called_so(tmp_path: Path) -> None:
    """Row 2: where nobody listens any more both those who dial and those who do not say that it ended."""
    peers = Peers(tmp_path, peers=3)
    others = [peers.add(1), peers.add(2)]
    killed = peers.add(3, kill="partial")
    await peers.run()
    assert killed.code == KILLED
    for other in others:
        assert other.code == 3
        assert killed.name in other.told
        assert "nobody listens at memory:" in other.told
        assert "its program has ended" in other.told


# -- signs of life --------------------------------------------------------------------------------


@at_once
async def test_a_flood_of_signs_of_life_is_a_violation(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 23: a member that floods others with ALIVE is named, and the run ends with 4."""
    honest = Mesh._write
    victim = peers.members[1]

    async def flood(mesh: Mesh, index: int, link: Any, *more: Any) -> None:
        if mesh is victim_mesh():
            with suppress(LinkEndedError):
                await link.send(ALIVE * 1000)
        await honest(mesh, index, link, *more)

    def victim_mesh() -> Mesh | None:
        node = victim.node
        return None if node is None or node._runner is None else node._runner.mesh

    monkeypatch.setattr(Mesh, "_write", flood)
    await peers.run()
    for peer in (peers.members[0], peers.members[2]):
        assert peer.code == 4
        assert "flood of ALIVE" in peer.told
        assert victim.name in peer.told


async def test_signs_of_life_are_no_traffic(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Bytes are counted of messages alone, so that a run that waits longer says the same."""
    sent = []
    for seconds in (0.5, 60.0):
        peers = Peers(tmp_path / str(seconds))
        peers.add_all([1, 2, 3], weight=1, heartbeat=seconds)
        at = freezes(peers.members[2], 20)
        await run(peers, peers.members[2])
        assert peers.codes == [0, 0, 0]
        assert at
        sent.append([peer.node.runner.mesh.bytes_sent for peer in peers.members if peer.node])
    assert sent[0] == sent[1]
    assert autojump_clock.autojump_threshold == 0


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reconnect": 0.0}, "--reconnect is a positive"),
        ({"reconnect": float("nan")}, "--reconnect is a positive"),
        ({"reconnect": float("inf")}, "--reconnect is a positive"),
        ({"reconnect": 61.0}, "longer than --timeout 60"),
        ({"heartbeat": -1.0}, "--heartbeat is a positive"),
        ({"heartbeat": 0.05}, "too fast"),
    ],
)
def test_times_that_make_no_sense_are_refused(given: dict[str, float], words: str) -> None:
    """--reconnect and --heartbeat are positive and finite, and no longer or faster than what they serve."""
    with pytest.raises(ConfigurationError, match=words):
        NodeOptions(peers=3, **given).check()  # type: ignore[arg-type]


def test_a_short_timeout_shortens_the_wait_for_connections() -> None:
    """Whoever says only --timeout 5 gets a wait for connections that fits into it."""
    options = NodeOptions(peers=3, timeout=5.0)
    options.check()
    assert options.reconnect_seconds == 5.0
    assert NodeOptions(peers=3).reconnect_seconds == RECONNECT_SECONDS
