"""`swarm.py`: peers as processes, or all in one, held against the plain sum of their inputs.

The runs that these tests look at are started together, since most of their time is waiting.
"""

from __future__ import annotations

import gc
import io
import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from p2pmpc.actions import STEPS
from p2pmpc.field import M61
from p2pmpc.prg import CHUNK
from p2pmpc.storage import write_output
from p2pmpc.swarm.command import main as swarm_main
from p2pmpc.swarm.data import Row, SwarmData
from p2pmpc.swarm.processes import result_of
from p2pmpc.swarm.report import _right_ones
from p2pmpc.swarm.watch import Lines, PeerState
from p2pmpc.totals import OpenedTotal
from p2pmpc.verify import verify_directory
from tests.processes import Ended, Processes, Running, children_of, is_running

RUNS = {
    "plain": "4 --seed 7 --length 2 --json",
    "in process": "4 --seed 7 --length 2 --json --in-process",
    "unseeded": "3 --json --in-process",
    "lost while sharing": "4 --kill 3@share --timeout 20 --json",
    "lost at the end": "4 --kill 3@open --timeout 20",
    "lost at the end, in process": "4 --kill 3@open --timeout 20 --json --in-process",
    "two lost": "4 --kill 3@open --kill 4@open --timeout 20 --json --in-process",
    "strict": "4 --strict --kill 2@open --timeout 20 --json --in-process",
    "table": "3 --values {cwd}/values.csv --weights 2,-1,3 --fraction-bits 8 --bound 100 --json --in-process",
    "large": "3 --values {cwd}/large.csv --weights 1,1,1 --field m61 --json --in-process",
    "two alone": "2 --timeout 20 --json --in-process",
    "two allowed": "2 --allow-two --timeout 20 --json --in-process",
    "long": "3 --length 70000 --seed 7 --fraction-bits 4 --json",
    "long, in process": "3 --length 70000 --seed 7 --fraction-bits 4 --json --in-process",
    "kept": "3 --length 100 --keep-partials --log-dir {cwd}/kept/here --json --in-process",
}

TABLE = "1.5, -2\n-0.25,100\n3,0.00390625\n"
EXPECTED = ["12.25", "-103.98828125"]


def in_this_process(line: str) -> bool:
    """Return whether a run needs no process of its own, and does not wait for anybody."""
    return "--in-process" in line and "--kill" not in line


def run_here(line: str, cwd: Path) -> Ended:
    """Run a swarm in this process, as its command would in a folder."""
    out, err = io.StringIO(), io.StringIO()
    thresholds, started = gc.get_threshold(), time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["swarm.py", *shlex.split(line)])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
            swarm_main()
    gc.set_threshold(*thresholds)
    assert isinstance(caught.value.code, int)
    took = time.monotonic() - started
    return Ended(caught.value.code, out.getvalue(), err.getvalue(), took)


class Swarms:
    """Runs in folders of their own, and how each of them ended."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        (cwd / "values.csv").write_text(TABLE)
        (cwd / "large.csv").write_text("288230376151711743\n1\n-2\n")
        self.folders = {name: cwd / name.replace(" ", "-") for name in RUNS}
        for folder in self.folders.values():
            folder.mkdir()
        lines = {name: line.format(cwd=cwd) for name, line in RUNS.items()}
        quick = {name for name, line in lines.items() if in_this_process(line)}
        with Processes(cwd, forks=True) as processes:
            running: dict[str, Running] = {}
            for name in lines.keys() - quick:
                processes.cwd = self.folders[name]
                running[name] = processes.swarm(lines[name])
            self.ended = {name: run_here(lines[name], self.folders[name]) for name in quick}
            self.ended |= {name: process.end() for name, process in running.items()}

    def __getitem__(self, name: str) -> Ended:
        return self.ended[name]

    def logs(self, name: str) -> Path:
        """Return the folder of a run's files."""
        return self.folders[name] / "logs" / "latest"


@pytest.fixture(scope="module")
def swarms(tmp_path_factory: pytest.TempPathFactory) -> Swarms:
    """All runs, ended."""
    return Swarms(tmp_path_factory.mktemp("swarms"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("plain", 0),
        ("in process", 0),
        ("unseeded", 0),
        ("lost while sharing", 3),
        ("lost at the end", 0),
        ("lost at the end, in process", 0),
        ("two lost", 3),
        ("strict", 3),
        ("table", 0),
        ("large", 0),
        ("two alone", 8),
        ("two allowed", 0),
        ("kept", 0),
        ("long", 0),
        ("long, in process", 0),
    ],
)
def test_every_run_ends_with_its_code(swarms: Swarms, name: str, code: int) -> None:
    """The exit code is the highest among the peers that were not killed, and nothing shows a traceback."""
    ended = swarms[name]
    assert ended.code == code, ended.err
    assert not ended.has_traceback, ended.err
    if "--json" in RUNS[name]:
        codes = [peer for peer in ended.json["exit_codes"] if peer != -9]
        assert max(codes) == code


@pytest.mark.parametrize("name", ["plain", "in process"])
def test_the_json_of_a_run_holds_everything(swarms: Swarms, name: str) -> None:
    """--json prints one object with all fields, of the right types and consistent with each other."""
    ended = swarms[name]
    assert ended.out.count("\n") == 1
    content = ended.json
    assert content["peers"] == 4
    assert content["length"] == 2
    assert content["field"] == "m31"
    assert len(content["weights"]) == 4
    assert all(type(weight) is int and 1 <= weight <= 10 for weight in content["weights"])
    assert all(type(value) is int for value in content["total"] + content["expected"])
    assert content["total"] == content["expected"]
    assert len(content["total"]) == 2
    assert content["verified"] == 4
    assert re.fullmatch("[0-9a-f]{64}", content["transcript"])
    assert content["exit_codes"] == [0, 0, 0, 0]
    assert all(type(sent) is int and sent > 1000 for sent in content["bytes_sent"])
    assert len(content["bytes_sent"]) == 4
    seconds = content["seconds"]
    assert set(seconds) == {*STEPS, "round", "wall"}
    assert all(type(took) is float and took >= 0 for took in seconds.values())
    assert seconds["round"] <= seconds["wall"] <= ended.seconds


@pytest.mark.parametrize("name", ["plain", "in process"])
def test_the_files_of_a_run_are_where_they_belong(swarms: Swarms, name: str) -> None:
    """Logs go to logs/<UTC time>, logs/latest points there, and every peer leaves three files."""
    content = swarms[name].json
    latest = swarms.logs(name)
    assert latest.is_symlink()
    assert re.fullmatch(r"\d{8}T\d{6}Z", latest.resolve().name)
    assert (swarms.folders[name] / content["log_dir"]).resolve() == latest.resolve()
    names = {f"peer-{k:02}.{end}" for k in range(1, 5) for end in ("log", "transcript")}
    names |= {f"peer-{k:02}.receipt.json" for k in range(1, 5)} | {"swarm.json"}
    assert {path.name for path in latest.iterdir()} == names
    summary = json.loads((latest / "swarm.json").read_text())
    assert {key: value for key, value in summary.items() if key != "sha256"} == content


@pytest.mark.parametrize("name", ["plain", "in process", "table", "large", "kept", "two allowed"])
def test_the_transcripts_of_a_run_are_equal_and_verify(swarms: Swarms, name: str) -> None:
    """All peers write the same bytes, the digest is the one printed, and `verify` passes."""
    content = swarms[name].json
    folder = swarms.folders[name] / content["log_dir"]
    texts = {path.read_bytes() for path in folder.glob("*.transcript")}
    assert len(texts) == 1
    verdict = verify_directory(folder)
    assert verdict.transcript == content["transcript"]
    assert verdict.recomputed
    if verdict.total is not None:
        assert list(verdict.total) == list(map(str, content["total"]))


def test_processes_and_tasks_give_the_same_total(swarms: Swarms) -> None:
    """--seed draws the same weights and values again; only keys and randomness differ."""
    first, second = swarms["plain"].json, swarms["in process"].json
    for field in ("weights", "expected", "total"):
        assert first[field] == second[field]
    assert first["transcript"] != second["transcript"]
    assert swarms["unseeded"].json["expected"] != first["expected"]


def test_progress_is_a_line_a_step(swarms: Swarms) -> None:
    """Away from a terminal stderr has one line a step, in order, and stdout none of them."""
    for name in ("plain", "in process"):
        lines = [line for line in swarms[name].err.splitlines() if " of 4 peers" in line]
        assert [line.split()[2] for line in lines] == list(STEPS)
        assert all(line.endswith("4 of 4 peers") for line in lines)


def test_steps_that_observers_never_reach_count_contributors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An observer neither shares nor sums, and nobody waits for it to."""
    peers = [PeerState(number, weight) for number, weight in enumerate((1, 0, 2), 1)]
    lines = Lines(peers)
    for step in ("roster", "share", "partial", "echo"):
        for peer in peers:
            if peer.weight or step in ("roster", "echo"):
                peer.take("step", {"step": step, "at": 1e9})
        lines.refresh()
    told = [line.split(" s  ")[1].split() for line in capsys.readouterr().err.splitlines()]
    assert told == [
        ["roster", "3", "of", "3", "peers"],
        ["share", "2", "of", "2", "contributors"],
        ["partial", "2", "of", "2", "contributors"],
        ["echo", "3", "of", "3", "peers"],
    ]


def test_the_last_lines_tell_the_result(swarms: Swarms) -> None:
    """Without --json stdout ends with total, expected, verified, transcript and log directory."""
    lines = swarms["lost at the end"].out.splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines[-5:])
    assert list(rows) == ["total", "expected", "verified", "transcript", "logs"]
    assert rows["total"] == rows["expected"]
    assert rows["verified"] == "3 of 4"
    assert re.fullmatch("[0-9a-f]{64}", rows["transcript"])
    assert (swarms.folders["lost at the end"] / rows["logs"]).is_dir()


def test_a_peer_killed_while_sharing_stops_the_sum(swarms: Swarms) -> None:
    """Row 2: nothing is opened, the others end with 3 and name the peer, and no transcript is left."""
    name = "lost while sharing"
    content = swarms[name].json
    assert content["exit_codes"] == [3, 3, -9, 3]
    assert content["total"] is None
    assert content["transcript"] is None
    assert content["verified"] == 0
    assert len(content["expected"]) == 1
    assert not list(swarms.logs(name).glob("*.transcript"))
    assert len(list(swarms.logs(name).glob("*.log"))) == 4
    errors = [line for line in swarms[name].err.splitlines() if "error: " in line]
    assert len(errors) == 3
    assert all("peer-03" in line for line in errors)
    assert content["seconds"]["round"] is None


def test_a_peer_killed_at_the_end_is_done_without(swarms: Swarms) -> None:
    """Row 3: the majority opens the sum with the lost peer's data in it, and it is right."""
    content = swarms["lost at the end, in process"].json
    assert content["exit_codes"] == [0, 0, -9, 0]
    assert content["total"] == content["expected"]
    assert content["verified"] == 3
    for name in ("lost at the end", "lost at the end, in process"):
        verdict = verify_directory(swarms.logs(name))
        assert verdict.peers == ("peer-01", "peer-02", "peer-04")
        assert len(verdict.confirmed) == 3


@pytest.mark.parametrize(("name", "killed"), [("two lost", [3, 4]), ("strict", [2])])
def test_what_cannot_be_opened_is_said_to_be_perhaps_opened(
    swarms: Swarms, name: str, killed: list[int]
) -> None:
    """Row 3: below a majority, and with --strict, the rest ends with 3: it may have been opened."""
    content = swarms[name].json
    assert [k for k, code in enumerate(content["exit_codes"], 1) if code == -9] == killed
    assert content["total"] is None
    assert swarms[name].err.count("may have been opened") == 4 - len(killed)


def test_fixed_point_values_are_exact_texts(swarms: Swarms) -> None:
    """Signed decimals from a table are summed exactly, and shown as decimal texts."""
    content = swarms["table"].json
    assert content["weights"] == [2, -1, 3]
    assert content["total"] == content["expected"] == EXPECTED
    assert content["length"] == 2


def test_large_integers_are_exact(swarms: Swarms) -> None:
    """Integers beyond what a float holds come out exactly."""
    assert swarms["large"].json["total"] == [288230376151711743 - 1]


def test_two_peers_need_a_word(swarms: Swarms) -> None:
    """Row 18: two peers end with 8 at both unless --allow-two is given."""
    assert swarms["two alone"].json["exit_codes"] == [8, 8]
    assert "--allow-two" in swarms["two alone"].err
    assert swarms["two allowed"].json["verified"] == 2


def test_an_explicit_log_directory_is_used(swarms: Swarms) -> None:
    """--log-dir makes the folder it names, and logs/ is left alone."""
    content = swarms["kept"].json
    assert content["log_dir"] == str(swarms.cwd / "kept" / "here")
    assert len(list(Path(content["log_dir"]).glob("*.partials.npz"))) == 3
    assert not (swarms.folders["kept"] / "logs").exists()


# -- signals ----------------------------------------------------------------------------------


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    with Processes(tmp_path, forks=True) as started:
        yield started


def test_a_signal_ends_the_swarm_and_its_peers(processes: Processes) -> None:
    """Row 8: SIGINT to the swarm ends it with 130, and none of its peers is left running."""
    swarm = processes.swarm("4 --kill 4@join --json")
    swarm.line(r"join +4 of 4 peers")  # the others wait for one that never says HELLO
    (zygote,) = children_of(swarm.process.pid)
    children = [zygote, *children_of(zygote)]
    assert len(children) >= 4
    swarm.signal(signal.SIGINT)
    ended = swarm.end()
    assert ended.code == 130, ended.err
    assert not ended.has_traceback
    assert ended.out == ""
    assert not any(is_running(child) for child in children)
    assert children_of(swarm.process.pid) == []


# -- usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("1", 2, "2..1000 peers"),
        ("ten", 2, "ten"),
        ("3 --kill 4@share", 2, "no such peer or step"),
        ("3 --kill 1@lunch", 2, "no such peer or step"),
        ("3 --weights 1,2", 2, "2 weights for 3 peers"),
        ("3 --weights 1,x,2", 2, "--weights"),
        ("3 --length 0", 2, "--length"),
        ("3 --field m32", 2, "m32"),
        ("3 --fraction-bits 99", 2, "--fraction-bits"),
        ("3 --bound lots", 2, "--bound"),
        ("3 --values missing.csv", 2, "missing.csv"),
        ("2 --values values.csv", 2, "3 rows for 2 peers"),
        ("3 --values values.csv --length 5", 2, "--length 5"),
        ("3 --values wrong.csv", 8, "wrong.csv:2:2: "),
        ("3 --values ragged.csv", 8, "ragged.csv:3:1: "),
        ("3 --values latin.csv", 8, "latin.csv:1:"),
        ("3 --frobnicate", 2, "--frobnicate"),
        ("3 --log-dir values.csv/logs", 7, "values.csv"),
    ],
)
def test_what_makes_no_swarm_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    code: int,
    says: str,
) -> None:
    """Bad options end with 2 and bad values with 8 at file:line:column, before any peer is started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "values.csv").write_text("1\n2\n3\n")
    (tmp_path / "wrong.csv").write_text("1,2\n3,four\n5,6\n")
    (tmp_path / "ragged.csv").write_text("1,2\n3,4\n5\n")
    (tmp_path / "latin.csv").write_bytes(b"1,\xe9\n2,3\n")
    monkeypatch.setattr(sys, "argv", ["swarm.py", *shlex.split(line)])
    with pytest.raises(SystemExit) as caught:
        swarm_main()
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    assert out == ""
    assert says in err


def test_half_a_result_is_none() -> None:
    """A peer that is killed while it prints its result has none, and does not end the launcher with 1."""
    assert result_of(b'{"total": ') == {}
    assert result_of(b"") == {}
    assert result_of(b'{"total": [1]}\n') == {"total": [1]}


@pytest.mark.parametrize("name", ["long", "long, in process"])
def test_long_totals_are_in_one_file(swarms: Swarms, name: str) -> None:
    """Beyond a block the total is kept once, as total.npy, and JSON still prints what is not too long."""
    content, folder = swarms[name].json, swarms.logs(name)
    assert content["verified"] == 3
    assert content["total"] == content["expected"]
    kept = np.load(folder / "total.npy")
    assert kept.tolist() == [float(value) for value in content["total"]]
    assert [path.name for path in folder.glob("*.npy")] == ["total.npy"]
    assert content["total"] == swarms["long"].json["total"]


def test_wrong_totals_are_told_from_right_ones(tmp_path: Path) -> None:
    """A total in this process, printed or in a file is compared to its last element, and must be there."""
    length = CHUNK + 2
    row = np.arange(length)
    data = SwarmData((1, 2), (Row.of(row), Row.of(row)), 1)
    values = 3 * row
    wrong = values.copy()
    wrong[-1] += 1

    def state(number: int, **known: Any) -> PeerState:
        return PeerState(number, 1, **known)

    def opened(total: npt.NDArray[np.int64]) -> OpenedTotal:
        return OpenedTotal(M61, M61.from_signed(total), 1)

    def printed(total: npt.NDArray[np.int64]) -> dict[str, object]:
        return {"total": opened(total).texts()}

    def written(name: str, total: npt.NDArray[np.int64]) -> dict[str, object]:
        write_output(tmp_path / name, opened(total))
        return {"total": None, "output": str(tmp_path / name)}

    states = [
        state(1, opened=opened(values)),
        state(2, opened=opened(wrong)),
        state(3, opened=opened(values[:-1])),
        state(4, result=printed(values)),
        state(5, result=printed(wrong)),
        state(6, result=printed(values[:-1])),
        state(7, result=written("7.npy", values)),
        state(8, result=written("8.npy", wrong)),
        state(9, result=written("9.npy", np.append(values, 0))),
        state(10, result={"total": None, "output": str(tmp_path / "missing.npy")}),
    ]
    assert [peer.number for peer in _right_ones(states, data)] == [1, 4, 7]
