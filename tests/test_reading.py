"""Reading while a peer is up: in a thread when it is long, told of, stopped by a signal, and mended by nobody."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from p2pmpc.blocks import Block
from p2pmpc.errors import InputRefused, ResourceExhausted
from p2pmpc.ledger import InputDigest
from p2pmpc.network import MemoryNetwork
from p2pmpc.parameters import Parameters
from p2pmpc.prg import CHUNK
from p2pmpc.progress import Callback, Meter, Silent
from p2pmpc.reading import check_values, read_residues
from p2pmpc.residues import fill_residues
from p2pmpc.sources import ArrayNumbers, Watch, numbers_of_file, unwatched
from tests.nodes import Peers, at_once
from tests.party import make_sessions
from tests.processes import Processes

KEY = bytes(range(32))
LONG = 3 * CHUNK
SECONDS = 20


class Watched(ArrayNumbers):
    """An input that tells in which thread it is read."""

    def __init__(self, length: int, on_block: Callable[[], None] = lambda: None) -> None:
        super().__init__(np.arange(length) % 100)
        self.threads: set[str] = set()
        self._on_block = on_block

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        for block in super().read(watch):
            self.threads.add(threading.current_thread().name)
            self._on_block()
            yield block


def parameters(length: int, **more: Any) -> Parameters:
    """Return the parameters of three."""
    return Parameters(bytes(32), 3, length=length, **more)


async def test_one_pass_gives_residues_and_digest() -> None:
    """What is summed is what is digested for the ledger, and what any other cut would give."""
    numbers = ArrayNumbers(np.arange(LONG) % 100)
    _, _, sessions = make_sessions(parameters(LONG), [1, 2, 3])
    residues, digest = await read_residues(numbers, sessions[0], 1, Silent(), ledger_key=KEY)
    arithmetic = sessions[0].parameters.arithmetic
    whole = [np.arange(LONG) % 100]
    expected = fill_residues(whole, None, arithmetic, sessions[0].id, 0, LONG)
    assert np.array_equal(residues, expected)
    assert residues.size == sessions[0].parameters.extended_length
    due = InputDigest(KEY)
    for block in whole:
        due.add(block.astype(float))
    assert digest == due.digest()


@pytest.mark.parametrize("length", [5, LONG])
async def test_long_inputs_are_read_in_a_thread_and_told_of(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """Links and signals are not kept waiting, and observers hear of it in their own thread."""
    monkeypatch.setattr(Meter, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(Meter, "EVERY_SECONDS", 0.0)
    here, told = threading.current_thread().name, []

    def take(event: str, fields: dict[str, object]) -> None:
        told.append((event, fields["done"], fields["of"], threading.current_thread().name))

    numbers = Watched(length)
    await check_values(numbers, parameters(length), Callback(take))
    assert (here in numbers.threads) == (length <= CHUNK)
    assert told[-1] == ("progress", length, length, here)


async def test_a_reading_ends_with_the_run() -> None:
    """A run that is cancelled does not wait for the rest of a long input."""
    started = trio.Event()
    blocks = 0

    def count() -> None:
        nonlocal blocks
        blocks += 1
        trio.from_thread.run_sync(started.set)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            check_values, Watched(200 * CHUNK, count), parameters(200 * CHUNK), Silent()
        )
        await started.wait()
        nursery.cancel_scope.cancel()
    assert blocks < 200


async def test_values_out_of_bound_are_refused_before_anything_is_agreed() -> None:
    """The bound of the parameters is held against every block, with the place in the whole input."""
    array = np.zeros(LONG, dtype=np.int64)
    array[CHUNK + 1] = 7
    with pytest.raises(InputRefused, match=f"^the array:{CHUNK + 2}:1: the value is outside"):
        await check_values(ArrayNumbers(array), parameters(LONG, bound=6), Silent())
    await check_values(ArrayNumbers(array), parameters(LONG, bound=7), Silent())
    with pytest.raises(InputRefused, match=f"{LONG} numbers, where the session sums vectors of 4"):
        await check_values(ArrayNumbers(array), parameters(4), Silent())


async def test_memory_that_runs_out_ends_the_run_in_good_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A vector that does not fit ends with 7 while nothing has been revealed."""

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("p2pmpc.reading.fill_residues", fail)
    _, _, sessions = make_sessions(parameters(5), [1, 2, 3])
    with pytest.raises(ResourceExhausted, match="no memory for 5 numbers"):
        await read_residues(ArrayNumbers(np.arange(5)), sessions[0], 1, Silent(), ledger_key=KEY)


# -- in a session ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", "txt"])
def test_a_file_that_changes_before_it_is_summed_stops_the_sum(tmp_path: Path, kind: str) -> None:
    """A vector that shrinks after its peer has joined ends that peer with 8, and nothing is opened."""
    path = tmp_path / f"input.{kind}"
    if kind == "npy":
        np.save(path, np.arange(9))
    else:
        path.write_text("".join(f"{value}\n" for value in range(9)))
    peers = Peers(tmp_path / "logs", MemoryNetwork(), length=9, timeout=5.0)
    peers.add(*range(9))
    changing = peers.add()
    changing.numbers = numbers_of_file(str(path))
    changing.on_step = lambda _, step: (
        os.truncate(path, path.stat().st_size - 2) if step == "hello" else None
    )
    peers.add(*range(9))

    @at_once
    async def run() -> None:
        await peers.run()

    run()
    assert changing.code == 8
    assert f"{path}: it changed while it was read" in changing.told
    assert "nothing about your data was revealed" in changing.told
    assert all(peer.outcome is None for peer in peers.members)


def test_long_vectors_are_summed_with_private_weights(tmp_path: Path) -> None:
    """Three nodes sum vectors of several blocks, read in threads, and hold the right total and mean."""
    peers = Peers(tmp_path, length=LONG, private_weights=True, weight_bound=10, bound="100")
    for weight in (1, 2, -5):
        peers.add(weight=weight, output=str(tmp_path / f"{weight}.npy")).numbers = Watched(LONG)
    trio.run(peers.run)
    assert peers.codes == [0, 0, 0]
    for weight in (1, 2, -5):
        assert np.array_equal(np.load(tmp_path / f"{weight}.npy"), -2 * (np.arange(LONG) % 100))
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert outcome.total_weight == -2
    assert outcome.total.means(-2, 3) == ["0", "1", "2"]


def test_a_signal_while_a_peer_reads_ends_it_in_good_order(tmp_path: Path) -> None:
    """Ctrl-C while the input is still read, before anybody is met, ends with 130 and no traceback."""
    os.mkfifo(tmp_path / "pipe")
    with Processes(tmp_path) as processes:
        node = processes.node("--peers 3 --input pipe --json")
        with (tmp_path / "pipe").open("wb"):  # it reads now, and nothing comes
            for _ in range(6):  # Python loses one that comes right before it reads
                node.signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(10)
                    break
            ended = node.end()
    assert (ended.code, ended.has_traceback) == (130, False)
    assert json.loads(ended.out)["code"] == 130
    assert "nothing about your data was revealed" in ended.err
