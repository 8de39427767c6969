"""Whole swarms, as a user runs them: real processes, real files, the numbers checked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.actions import STEPS
from p2pmpc.verify import verify_directory

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Done:
    """A swarm run that ended."""

    code: int
    out: str
    err: str
    directory: Path

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content


def swarm(directory: Path, *arguments: str) -> Done:
    """Run ``python swarm.py`` to its end."""
    command = [sys.executable, str(ROOT / "swarm.py"), *arguments, "--log-dir", str(directory)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, cwd=ROOT, check=False
    )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr, directory)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return swarm(tmp_path_factory.mktemp("swarm") / "logs", "4", "--length", "3", "--json")


def test_the_total_is_the_plain_sum_and_every_field_is_there(honest: Done) -> None:
    """--json prints one object with all fields, and the total is the plain sum of the inputs."""
    content = honest.json
    assert honest.code == 0
    assert content["total"] == content["expected"]
    assert [type(value) for value in content["total"]] == [int] * 3
    assert (content["peers"], content["length"], content["field"]) == (4, 3, "m31")
    assert len(content["weights"]) == 4
    assert all(1 <= weight <= 10 for weight in content["weights"])
    assert content["verified"] == 4
    assert content["exit_codes"] == [0] * 4
    assert len(content["bytes_sent"]) == 4
    assert min(content["bytes_sent"]) > 1000
    assert re.fullmatch(r"[0-9a-f]{64}", content["transcript"])
    assert set(content["seconds"]) == {*STEPS, "round", "wall"}
    assert 0 < content["seconds"]["round"] < content["seconds"]["wall"]
    assert json.loads((honest.directory / "swarm.json").read_text())["total"] == content["total"]


def test_every_step_is_told_in_one_line(honest: Done) -> None:
    """Where standard error is no terminal, each step is one line."""
    told = re.findall(r"^ *[0-9.]+ s +(\w+) +4 of 4 peers$", honest.err, re.MULTILINE)
    assert told == list(STEPS)


def test_transcripts_are_equal_to_the_byte_and_verify(honest: Done) -> None:
    """All peers leave the same transcript, and the run's folder verifies."""
    names = sorted(path.name for path in honest.directory.iterdir())
    kinds = ("log", "receipt.json", "transcript")
    assert names == sorted(
        [f"peer-{k:02}.{kind}" for k in range(1, 5) for kind in kinds] + ["swarm.json"]
    )
    texts = {path.read_bytes() for path in honest.directory.glob("*.transcript")}
    assert len(texts) == 1
    verdict = verify_directory(honest.directory)
    assert verdict.transcript == honest.json["transcript"]
    assert list(verdict.total or ()) == [str(value) for value in honest.json["total"]]


def test_a_peer_killed_while_sharing_stops_the_sum_and_reveals_nothing(tmp_path: Path) -> None:
    """Row 2: the others end with 3, name the lost peer, and no total is printed."""
    done = swarm(tmp_path / "logs", "3", "--kill", "3@share", "--json", "--timeout", "15")
    assert done.code == 3
    assert done.json["exit_codes"] == [3, 3, -9]
    assert done.json["total"] is None
    assert done.json["verified"] == 0
    assert "peer-03" in done.err
    assert "nothing about your data was revealed" in done.err


def test_a_majority_finishes_without_a_peer_killed_before_opening(tmp_path: Path) -> None:
    """Row 3: once its echo is out, a lost peer's data are in the total that the others verify."""
    done = swarm(tmp_path / "logs", "4", "--kill", "2@open", "--timeout", "15")
    assert done.code == 0
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["total"] == lines["expected"]
    assert lines["verified"] == "3 of 4"
    assert lines["logs"] == str(done.directory)
    assert verify_directory(done.directory).peers == ("peer-01", "peer-03", "peer-04")


@pytest.mark.parametrize(
    "arguments",
    [("4", "--kill", "2@open", "--kill", "3@open"), ("4", "--strict", "--kill", "2@open")],
    ids=["below-the-majority", "strict"],
)
def test_without_a_majority_or_in_strict_mode_a_late_loss_ends_with_3(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Row 3: below the majority nothing is printed, and the total may have been opened."""
    done = swarm(tmp_path / "logs", *arguments, "--in-process", "--json", "--timeout", "4")
    assert done.code == 3
    assert done.json["total"] is None
    assert "may have been opened" in done.err


def test_given_data_in_fixed_point_are_summed_exactly(tmp_path: Path) -> None:
    """--values and --weights are summed as written, and fixed-point totals are decimal strings."""
    rows = tmp_path / "rows.csv"
    rows.write_text("1.5,-2\n0.25,1e2\n-3,0.125\n")
    done = swarm(
        tmp_path / "logs", "3", "--in-process", "--values", str(rows), "--weights", "1,2,-3",
        "--fraction-bits", "8", "--field", "m61", "--share-mode", "dense", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert done.json["total"] == ["11", "197.625"]
    assert done.json["weights"] == [1, 2, -3]
    assert done.json["length"] == 2


def test_a_seed_draws_the_same_data_again_and_never_the_same_session(tmp_path: Path) -> None:
    """--seed repeats the test data; the protocol's randomness is new every time."""
    runs = [
        swarm(tmp_path / str(k), "3", "--in-process", "--seed", "7", "--json").json for k in (1, 2)
    ]
    assert runs[0]["total"] == runs[1]["total"]
    assert runs[0]["weights"] == runs[1]["weights"]
    assert runs[0]["transcript"] != runs[1]["transcript"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("1",), 2, "2..1000 peers"),
        (("3", "--kill", "4@share"), 2, "no such peer or step"),
        (("3", "--kill", "1@lunch"), 2, "no such peer or step"),
        (("3", "--weights", "1,2"), 2, "2 weights for 3 peers"),
        (("3", "--weights", "1,2,0"), 2, "contributes nothing"),
        (("3", "--field", "m7"), 2, "m31"),
        (("3", "--nonsense"), 2, "nonsense"),
        (("3", "--values", "/nonexistent"), 2, "cannot read"),
        (("2", "--in-process"), 8, "each learns the other's input"),
        (("3", "--in-process", "--bound", "1000000000", "--weights", "9,9,9"), 8, "--field m61"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_options_are_refused_in_words(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """Each impossible option ends with its code and says what would do."""
    done = swarm(tmp_path / "logs", *arguments)
    assert done.code == code
    assert told in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("text", "place"),
    [("1\n2\nx\n", ":3:1:"), ("1,2\n3\n4,5\n", ":2:1:"), ("1\nnan\n3\n", ":2:1:"), ("1,2\n3,4.5\n5,6\n", ":2:2:")],
)  # fmt: skip
def test_bad_values_are_refused_with_their_place(tmp_path: Path, text: str, place: str) -> None:
    """Row 20: a value that is none ends with 8 and file, line and column."""
    rows = tmp_path / "rows.csv"
    rows.write_text(text)
    done = swarm(tmp_path / "logs", "3", "--values", str(rows))
    assert done.code == 8
    assert f"{rows}{place}" in done.err


def test_two_peers_may_sum_when_that_is_said(tmp_path: Path) -> None:
    """--allow-two lets two peers sum."""
    done = swarm(tmp_path / "logs", "2", "--in-process", "--allow-two", "--json")
    assert done.code == 0
    assert done.json["verified"] == 2


def test_an_interrupt_ends_all_children(tmp_path: Path) -> None:
    """Row 8: SIGINT at the launcher ends every peer, and the launcher with 130."""
    command = [sys.executable, str(ROOT / "swarm.py"), "4", "--kill", "4@join"]
    with subprocess.Popen(
        [*command, "--log-dir", str(tmp_path / "logs"), "--timeout", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # the joiners knock, and wait for one that never comes
        children = _children(process.pid)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert children
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def _children(parent: int) -> list[int]:
    """Return the processes that a process started; some within a deadline, since they start late."""
    deadline = time.monotonic() + 10
    found: list[int] = []
    while not found and time.monotonic() < deadline:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(stat.parent.name))
    return found


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    """Without --log-dir, logs/<UTC time>/ is made and logs/latest points at it."""
    command = [sys.executable, str(ROOT / "swarm.py"), "3", "--in-process", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    directory = tmp_path / json.loads(done.stdout)["log_dir"]
    assert re.fullmatch(r"\d{8}T\d{6}Z", directory.name)
    assert (tmp_path / "logs" / "latest").resolve() == directory
