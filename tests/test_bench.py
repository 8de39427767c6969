"""The measurement runs, measures what it says, and leaves no process behind. Speed is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from bench import goals, plots, processes, rounds, tables
from bench.all_reduce import weighted
from bench.inputs import Inputs
from bench.processes import NotRunError, _Group, run_group
from p2pmpc.field import M31
from tests.processes import ROOT


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the small version writes and prints."""
    path = tmp_path_factory.mktemp("bench") / "small.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--small", "--runs", "1", "--json", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text(encoding="utf-8")), done.stdout


def test_the_small_version_measures_everything(small: tuple[dict[str, Any], str]) -> None:
    """Every cell has runs with the right totals, or says what is not there to run it."""
    content, _ = small
    assert set(content) == {"machine", "kernels", "aes_rate", "rounds", "goals"}
    cells = {(c["case"], c["peers"], c["length"]): c for c in content["rounds"]}
    assert set(cells) == {
        (case, *shape) for shape, cases in rounds.SMALL_SHAPES.items() for case in cases
    }
    for (case, _, length), cell in cells.items():
        missing = rounds.CASES[case].missing()
        assert not cell["failed"]
        assert cell["not_run"] == missing
        assert bool(cell["runs"]) == (missing is None)
        for run in cell["runs"]:
            assert run["right"]
            assert run["wall"] > 0
            assert 0 <= run["skew"] < run["wall"]
            assert run["cpu"] > 0
            assert run["sent"] >= 4 * length
            assert run["memory"] > 0


def test_the_small_version_prints_tables(small: tuple[dict[str, Any], str]) -> None:
    """People see every case, and every goal with a verdict."""
    content, printed = small
    assert "3 peers, 1,000 elements" in printed
    for name in (*rounds.SMALL_SHAPES[3, 1000], *(goal["name"] for goal in content["goals"])):
        assert name in printed
    assert {goal["verdict"] for goal in content["goals"]} == {"not measured"}


def test_the_bare_exchange_sends_as_much_as_a_round(small: tuple[dict[str, Any], str]) -> None:
    """What the scalar round is held against has messages of about the same sizes."""
    content, _ = small
    sent = {c["case"]: c["median"]["sent"] for c in content["rounds"] if c["length"] == 1}
    assert sent["bare exchange"] == pytest.approx(sent["p2pmpc"], rel=0.15)


def test_an_interrupted_measurement_clears_up(tmp_path: Path) -> None:
    """A signal ends the processes, removes the inputs, and says so without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench", "--small", "--shape", "3x1", "--runs", "50"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("(3, 1) p2pmpc: 1 of 50")
        process.terminate()
        assert process.wait(60) == 1
        assert process.stderr.read().startswith("interrupted")
    assert not list(tmp_path.iterdir())


def cell(case: str, peers: int, length: int, walls: Sequence[float]) -> rounds.Cell:
    """Return a cell as if it had been measured."""
    runs = [
        rounds.Run(wall, 0.0, wall / 10, 4.0 * length, 100_000_000, right=True) for wall in walls
    ]
    return rounds.Cell(case, peers, length, runs)


def test_goals_are_ratios_of_medians() -> None:
    """A goal says that it is reached, by how much it is missed, or that something was not run."""
    large = (10, 1_000_000)
    cells = [
        cell("p2pmpc, sharded", *large, [0.5, 0.3, 0.4]),
        cell("plain all-reduce", *large, [0.1, 0.1, 0.3]),
        cell("p2pmpc, broadcast", *large, [0.8, 0.8, 0.8]),
    ]
    found = {goal.name: goal for goal in goals.reached(cells, 4e9)}
    wall = found["(10, 1e6) sharded: wall / plain all-reduce"]
    assert wall.measured == pytest.approx(4.0)
    assert wall.best == pytest.approx(3.0)
    assert wall.verdict == "missed by a factor of 2.00"
    assert found["(10, 1e6): wall, broadcast / sharded"].verdict == "reached"
    assert found["(3, 1e6): wall / MPyC"].verdict == "not measured"
    assert found["(3, 1e6): wall / MPyC"].shown(1 / 40) == "1/40"
    cpu = found["(10, 1e6) sharded: CPU a peer, with AES at 4.0 GB/s"]
    assert cpu.limit == pytest.approx(0.2)
    assert cpu.measured == pytest.approx(0.04)


def test_what_was_not_run_says_why() -> None:
    """A row without runs holds the reason instead of figures."""
    empty = rounds.Cell("MPyC", 3, 10, not_run="mpyc is not installed")
    assert "not run: mpyc is not installed" in tables.rounds_table([empty])


def test_a_wrong_total_is_a_failure(tmp_path: Path) -> None:
    """Totals are held against the plain sum, and a wrong one is never a mere figure."""
    inputs = Inputs.make(tmp_path / "inputs", 3, 5)
    np.save(tmp_path / "inputs" / "expected.npy", np.arange(5))
    measured = rounds.Cell("plain all-reduce", 3, 5)
    rounds._run_once(measured, inputs, 60, "1 of 1")
    assert measured.failed
    assert measured.not_run == "failed: a total is not the plain sum"
    inputs.remove()
    assert not list(tmp_path.iterdir())


async def test_a_process_that_fails_says_why() -> None:
    """The last line of a failing process stands in the table, and the others are ended."""
    with pytest.raises(NotRunError, match="failed: KeyError") as caught:
        await run_group("bench.exchange", [{"own": 0, "peers": 2}, {}], 60)
    assert caught.value.failed


async def test_a_group_leaves_memory_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the machine runs out of memory a group is stopped, and that is no failure."""
    monkeypatch.setattr(processes, "available_memory", lambda: 1000)
    with pytest.raises(NotRunError, match="stopped: less than 1 GiB of memory was left") as caught:
        await run_group("bench.exchange", [{"own": 0, "peers": 2}] * 2, 60)
    assert not caught.value.failed


def test_what_failed_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken port costs a retry, not the cell; a second failure is reported."""
    inputs = Inputs.make(tmp_path / "inputs", 3, 5)
    fails = [True, False, True, True]

    async def run(*_: object) -> list[dict[str, Any]]:
        if fails.pop(0):
            raise NotRunError("failed: taken", failed=True)
        same = {"started": 1.0, "ended": 2.0, "cpu": 1.0, "sent": 1, "memory": 1, "right": True}
        return [same] * 3

    monkeypatch.setattr(rounds, "run_group", run)
    measured = rounds.Cell("plain all-reduce", 3, 5)
    rounds._run_once(measured, inputs, 60, "1 of 2")
    assert (len(measured.runs), measured.retried, measured.failed) == (1, 1, False)
    rounds._run_once(measured, inputs, 60, "2 of 2")
    assert (len(measured.runs), measured.retried, measured.failed) == (1, 2, True)
    assert measured.not_run == "failed: taken"


async def test_no_process_outlives_its_group(tmp_path: Path) -> None:
    """Processes that wait for ever are ended with the time that a group has."""
    order = {**Inputs.make(tmp_path / "inputs", 3, 5).order(0), "session": {}}
    group = _Group("bench.peers", [order])  # it founds, and nobody joins
    with trio.move_on_after(0.5):
        await group.run()
    assert [process.returncode for process in group._processes] == [None]
    await group.end()
    assert [process.returncode for process in group._processes] == [-9]


def test_the_plain_sum_weighs_as_the_field_does() -> None:
    """What the plain all-reduce sends are the residues of weight * value."""
    values = np.array([0, 1, -1, 100_000, -100_000], dtype=np.int32)
    expected = [7 * int(value) % M31.modulus for value in values]
    assert weighted(values, 7).tolist() == expected


def test_plots_are_the_same_for_the_same_figures(tmp_path: Path) -> None:
    """Both plots are drawn from what --growth measures, with no date or random names in them."""
    pytest.importorskip("matplotlib")
    cells = [cell("p2pmpc", n, length, [n * length * 1e-6]) for n, length in rounds.GROWTH_SHAPES]
    cells = [rounds.Cell.from_json(json.loads(json.dumps(c.as_json()))) for c in cells]
    drawn = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drawn.append([path.read_bytes() for path in plots.draw(cells, tmp_path / name)])
    assert drawn[0] == drawn[1]
    assert all(b"<svg" in content and len(content) < 100_000 for content in drawn[0])
