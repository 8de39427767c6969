"""The zygote and what it forks: nothing drawn is shared, nothing told is passed on, nobody is left over."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pmpc.errors import ResourceExhausted
from p2pmpc.swarm.forked import ForkedPeer, Spawner, open_spawner
from tests.processes import Processes, Running, children_of, is_running

LIVES = (sys.executable, "-m", "tests.forked_lives")
SECONDS = 5.0
"""Row 30: nobody is left after this."""


def wait_until_gone(pids: list[int]) -> None:
    """Wait until no process is left, for as long as row 30 allows."""
    deadline = time.monotonic() + SECONDS
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "somebody is left over"
        time.sleep(0.02)


async def told(peer: ForkedPeer) -> bytes:
    """Return what a child prints until its end."""
    await peer.stdin.aclose()
    printed = b""
    async with peer.stdout, peer.stderr:
        async for data in peer.stdout:
            printed += data
        await peer.wait()
    return printed


async def lives(spawner: Spawner, *tasks: str) -> list[bytes]:
    """Return what each of several children prints, forked one after the other, alive together."""
    return [await told(peer) for peer in [await spawner.fork(task.encode()) for task in tasks]]


# -- what a fork shares -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["fresh", "used"])
async def test_forked_peers_never_draw_equal_randomness(state: str) -> None:
    """Twenty siblings draw different values from every generator, even where the zygote has used it."""
    async with open_spawner([*LIVES[:3], state]) as spawner:
        printed = await lives(spawner, *["draw"] * 20)
    drawn = [json.loads(text) for text in printed]
    for name in drawn[0]:
        assert len({draws[name] for draws in drawn}) == len(drawn), f"{name} repeats after a fork"


async def test_what_one_peer_is_told_never_reaches_the_next() -> None:
    """A child's memory holds its own task, and not that of the sibling forked before it."""
    canary = "-".join(("the", "canary", "of", "a", "sibling"))
    async with open_spawner(LIVES) as spawner:
        printed = await lives(spawner, f"scan 0 {canary}", "scan")
    assert [text.strip() for text in printed] == [b"True", b"False"]


async def test_the_zygote_holds_no_generator_that_others_could_share() -> None:
    """numpy.random, whose state a fork copies, is not even imported."""
    async with open_spawner(LIVES) as spawner:
        (printed,) = await lives(spawner, "modules")
    assert "numpy.random" not in json.loads(printed)


# -- how a child lives and ends ---------------------------------------------------------------


async def test_a_forked_child_has_streams_of_its_own() -> None:
    """Its standard input, output and error are pipes to the launcher, and its exit code comes back."""
    async with open_spawner(LIVES) as spawner:
        peer = await spawner.fork(b"echo 7")
        await peer.stdin.send_all(b"for one alone")
        await peer.stdin.aclose()
        async with peer.stdout, peer.stderr:
            assert b"for one alone" in await peer.stderr.receive_some()
            assert await peer.stdout.receive_some() == b""
        assert await peer.wait() == peer.returncode == 7
        await peer.send_signal(signal.SIGKILL)  # it has ended: nothing happens


async def test_a_child_that_fails_ends_alone() -> None:
    """An exception ends the child with 1 and a traceback, and the zygote forks on."""
    async with open_spawner(LIVES) as spawner:
        peer = await spawner.fork(b"fail")
        async with peer.stdin, peer.stdout, peer.stderr:
            shown = b"".join([data async for data in peer.stderr])
            assert b"on purpose" in shown
            assert await peer.wait() == 1
        assert await lives(spawner, "draw")


async def test_a_signal_reaches_its_child() -> None:
    """A killed child is told of with minus the signal; its sibling lives on."""
    async with open_spawner(LIVES) as spawner:
        first, second = [await spawner.fork(b"wait") for _ in "ab"]
        for peer in (first, second):
            assert await peer.stdout.receive_some()
        await first.send_signal(signal.SIGKILL)
        assert await first.wait() == -signal.SIGKILL
        assert second.returncode is None
        for peer in (first, second):
            for stream in (peer.stdin, peer.stdout, peer.stderr):
                await stream.aclose()
    assert not is_running(second.pid)  # whoever leaves the block leaves nobody behind


async def test_without_a_zygote_there_are_no_peers() -> None:
    """When the zygote is killed its children end, are told of as killed, and no more can be forked."""
    async with open_spawner(LIVES) as spawner:
        peer = await spawner.fork(b"wait")
        (zygote,) = [pid for pid in children_of(os.getpid()) if peer.pid in children_of(pid)]
        os.kill(zygote, signal.SIGKILL)
        assert await peer.wait() == -signal.SIGKILL
        with pytest.raises(ResourceExhausted, match="has ended"):
            await spawner.fork(b"draw")
        wait_until_gone([peer.pid])
        for stream in (peer.stdin, peer.stdout, peer.stderr):
            await stream.aclose()


# -- a whole swarm ----------------------------------------------------------------------------


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Running]:
    """A swarm whose first three peers wait for the fourth, which was killed before its HELLO."""
    with Processes(tmp_path, forks=True) as started:
        swarm = started.swarm("4 --kill 4@join --weights 12345,12346,12347,12348")
        swarm.line(r"join +4 of 4 peers")
        yield swarm


def descendants(swarm: Running) -> tuple[int, list[int]]:
    """Return the zygote of a swarm, and its peers."""
    (zygote,) = children_of(swarm.process.pid)
    return zygote, children_of(zygote)


def test_nobody_outlives_a_killed_launcher(swarm: Running) -> None:
    """Row 30: SIGKILL to the launcher, and within 5 s neither the zygote nor a peer is left."""
    zygote, peers = descendants(swarm)
    assert len(peers) >= 3
    swarm.signal(signal.SIGKILL)
    wait_until_gone([zygote, *peers])


def test_nobody_outlives_a_killed_zygote(swarm: Running) -> None:
    """Row 30: SIGKILL to the zygote, and its peers go with it; the launcher says so and ends with 7."""
    zygote, peers = descendants(swarm)
    os.kill(zygote, signal.SIGKILL)
    wait_until_gone([zygote, *peers])
    ended = swarm.end()
    assert ended.code == 7
    assert "the peers are forked from" in ended.err
    assert not ended.has_traceback


def test_the_system_shows_peers_by_name_and_no_secret(swarm: Running) -> None:
    """Row 29: ps tells the peers apart, and neither arguments nor environments tell a weight."""
    zygote, peers = descendants(swarm)
    assert "Threads:\t1\n" in Path(f"/proc/{zygote}/status").read_text()
    names = {peer: Path(f"/proc/{peer}/comm").read_text().strip() for peer in peers}
    waiting = sorted(peer for peer, name in names.items() if name != "peer-04")  # it was killed
    assert sorted(names[peer] for peer in waiting) == ["peer-01", "peer-02", "peer-03"]
    for pid in (zygote, *waiting):
        for file in ("cmdline", "environ"):
            assert b"1234" not in Path(f"/proc/{pid}/{file}").read_bytes()
