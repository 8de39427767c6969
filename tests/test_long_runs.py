"""Long vectors and many rounds, as nodes run them: beside the loop, in files, and with flat memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc import runner, slices, steps
from p2pmpc.progress import Meter
from p2pmpc.sources import ArrayNumbers, PartOfNumbers
from p2pmpc.summing import masked_sum
from p2pmpc.verify import verify_directory
from tests.liars import runner_of
from tests.nodes import Peers, at_once, numbers
from tests.processes import Processes

THREE = ["1\n2\n3\n4\n5\n6\n", "10\n20\n30\n40\n50\n60\n", "0\n0\n0\n0\n0\n-1\n"]
"""Inputs of three rounds of two elements."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    with Processes(tmp_path, forks=True) as started:
        yield started


# -- beside the loop --------------------------------------------------------------------------


async def test_long_sums_are_computed_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a long vector is summed the loop goes on: here it must, for the sum waits for it."""
    token, served = trio.lowlevel.current_trio_token(), threading.Event()

    def waits_for_the_loop(*arguments: Any) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        token.run_sync_soon(served.set)
        assert served.wait(30)
        return masked_sum(*arguments)

    monkeypatch.setattr(runner, "LONG", 1)
    monkeypatch.setattr(steps, "masked_sum", waits_for_the_loop)
    peers = Peers(tmp_path)
    for k in (1, 2, 3):
        peers.add(k, 2 * k)

    with trio.fail_after(60):
        await peers.run()
    assert peers.codes == [0, 0, 0]


@at_once
async def test_short_sums_do_without_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread for every message would cost a short vector more than the sum itself."""
    threads = set()

    def note(*arguments: Any) -> Any:
        threads.add(threading.current_thread())
        return masked_sum(*arguments)

    monkeypatch.setattr(steps, "masked_sum", note)
    peers = Peers(tmp_path)
    peers.add_all([1, 2, 3])
    await peers.run()
    assert threads == {threading.main_thread()}


@pytest.mark.parametrize("mode", ["broadcast", "sharded"])
async def test_a_long_exchange_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Progress goes from nothing to everything, in bytes, and never beyond."""
    monkeypatch.setattr(runner, "LONG", 1)
    monkeypatch.setattr(slices, "PIECE", 64)
    monkeypatch.setattr(Meter, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(Meter, "EVERY_SECONDS", 0.0)
    peers = Peers(tmp_path, mode=mode)
    members = [peers.add(*range(4000)) for _ in range(3)]
    await peers.run()
    assert peers.codes == [0, 0, 0]
    for member in members:
        seen = member.exchanged
        assert seen[0][0] == 0
        assert max(done for done, _ in seen) > 0.9 * seen[0][1]
        assert all(0 <= done <= of for done, of in seen)


# -- inputs of several rounds -----------------------------------------------------------------


@given(st.integers(1, 7), st.integers(1, 9), st.data())
def test_a_part_of_an_input_is_its_own_numbers(
    length: int, rounds: int, data: st.DataObject
) -> None:
    """Every round reads its own vector, whatever the blocks are, and the places are those of the file."""
    whole = ArrayNumbers(np.arange(length * rounds) - 3)
    number = data.draw(st.integers(0, rounds - 1))
    part = PartOfNumbers(whole, number * length, length)
    read = np.concatenate(list(part.blocks(0)))
    assert read.tolist() == list(range(number * length - 3, (number + 1) * length - 3))
    assert np.concatenate(list(part.float_blocks())).tolist() == read.tolist()
    assert [block.first for block in part.read()] == [number * length]


def test_three_nodes_sum_three_times(processes: Processes, tmp_path: Path) -> None:
    """--rounds 3: a total a line as it comes, files with the round in their names, and `verify` likes them."""
    for number, text in enumerate(THREE):
        (tmp_path / f"{number}.txt").write_text(text)
    founder, bootstrap = processes.founder(
        3, "--rounds 3 --input 0.txt --yes --json --log-dir logs --name a --output t.npy"
    )
    others = [
        processes.node(
            f"--bootstrap {bootstrap} --input {k}.txt --log-dir logs --name {name} --keep-partials"
        )
        for k, name in ((1, "b"), (2, "c"))
    ]
    ended = [process.end() for process in (founder, *others)]
    assert [end.code for end in ended] == [0, 0, 0], [end.err for end in ended]
    lines = [json.loads(line) for line in ended[0].out.splitlines()]
    assert [line["total"] for line in lines] == [[11, 22], [33, 44], [55, 65]]
    assert [line["round"] for line in lines] == [1, 2, 3]
    assert np.load(tmp_path / "t.r0003.npy").tolist() == [55, 65]
    assert "round          3 of 3\ntotal          55 65" in ended[1].out
    verdict = verify_directory(tmp_path / "logs")
    assert (verdict.rounds, verdict.peers, verdict.total) == (3, ("a", "b", "c"), ("55", "65"))


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("--rounds 0 --value 1", 2, "--rounds is a whole number above zero"),
        ("--rounds 4 --input 0.txt", 2, "the input's 6 numbers are not 4 vectors of one length"),
        ("--rounds 2 --length 2 --input 0.txt", 8, "the session sums 2 vectors of 2 each"),
    ],
)
def test_inputs_that_do_not_fit_the_rounds_are_refused(
    processes: Processes, tmp_path: Path, line: str, code: int, told: str
) -> None:
    """What cannot be is refused before anybody is waited for."""
    (tmp_path / "0.txt").write_text(THREE[0])
    end = processes.node(f"--listen 127.0.0.1:0 --peers 3 --yes {line}").end()
    assert end.code == code
    assert told in end.err


@at_once
async def test_another_number_of_rounds_ends_with_6(tmp_path: Path) -> None:
    """--rounds is a parameter like others: what a joiner states must be what was founded."""
    peers = Peers(tmp_path, rounds=2, join_timeout=5)
    peers.add(1, 2, 3, 4)
    joiner = peers.add(1, 2, 3, 4, rounds=4)
    peers.add(1, 2, 3, 4)
    await peers.run()
    assert joiner.code == 6
    assert "--rounds 4 here, 2 at the founder" in joiner.told


# -- flat memory ------------------------------------------------------------------------------


@at_once
async def test_what_was_said_in_past_rounds_is_let_go(tmp_path: Path) -> None:
    """After fifty rounds a peer holds no more frames for another than after two."""
    held: dict[int, int] = {}
    peers = Peers(tmp_path, rounds=50)
    members = [peers.add(*range(50)) for _ in range(3)]

    def note(peer: Any, step: str) -> None:
        if step == "confirm" and peer is members[0]:
            running = runner_of(peer)
            assert running._round is not None
            outboxes = running.mesh._outboxes.values()
            held[running._round.number] = sum(len(outbox.frames) for outbox in outboxes)

    members[0].on_step = note
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert sorted(held) == list(range(50))
    assert max(held.values()) <= 3 * min(held.values())
    assert held[49] <= held[1]


def test_numbers_of_a_text_are_parts_too() -> None:
    """A text input holds the vectors of all rounds, a number a line."""
    part = PartOfNumbers(numbers(1, 2.5, 3, 4), 2, 2)
    assert np.concatenate(list(part.blocks(1))).tolist() == [6, 8]
