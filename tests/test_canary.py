"""Known secrets are planted, and every artefact of a run is searched for them."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CANARIES = (1618033988, 1414213562, 1732050807)
"""Inputs that nothing else brings forth; with m61 their weighted sums fit."""

WEIGHTS = (3, 5, 7)
TOTAL = sum(w * v for w, v in zip(WEIGHTS, CANARIES, strict=True))


def traces(value: int) -> list[bytes]:
    """Return how a value could stand in a file: in decimal, in hex, and as bytes of both orders."""
    texts = [str(value), f"{value:x}", f"{value:X}"]
    return [text.encode() for text in texts] + [
        struct.pack("<Q", value),
        struct.pack(">Q", value),
        struct.pack("<Q", value).hex().encode(),
        struct.pack(">Q", value).hex().encode(),
    ]


@dataclass
class Run:
    """A session of three processes that ended."""

    directory: Path
    codes: list[int] = field(default_factory=list)
    out: list[bytes] = field(default_factory=list)
    err: list[bytes] = field(default_factory=list)
    command_lines: list[bytes] = field(default_factory=list)

    def artefacts(self) -> dict[str, bytes]:
        """Return everything that the run left, by name."""
        found = {
            str(path): path.read_bytes() for path in self.directory.rglob("*") if path.is_file()
        }
        for kind, outputs in (
            ("stdout", self.out),
            ("stderr", self.err),
            ("argv", self.command_lines),
        ):
            found |= {f"{kind} {k}": output for k, output in enumerate(outputs, start=1)}
        return found

    def finds(self) -> list[str]:
        """Return where a planted secret stands."""
        return [
            f"{name}: {value}"
            for name, content in self.artefacts().items()
            for value in CANARIES
            if any(trace in content for trace in traces(value))
        ]


def session(directory: Path, *founding: str, everywhere: tuple[str, ...] = ()) -> Run:
    """Run three nodes whose inputs come from the environment, standard input and a file."""
    run = Run(directory)
    secret = directory.parent / "input.txt"
    secret.write_text(f"{CANARIES[2]}\n")
    sources: list[tuple[list[str], bytes, dict[str, str]]] = [
        ([], b"", {"P2PMPC_VALUE": str(CANARIES[0])}),
        (["--input", "-"], f"{CANARIES[1]}\n".encode(), {}),
        (["--input", str(secret)], b"", {}),
    ]
    processes: list[subprocess.Popen[bytes]] = []
    role = ["--listen", "127.0.0.1:0", "--peers", "3", *founding]
    for number, (source, data, variables) in enumerate(sources, start=1):
        command = [sys.executable, "-m", "p2pmpc.node", *role, *source, *everywhere]
        command += ["--weight", str(WEIGHTS[number - 1]), "--name", f"peer-{number:02}"]
        command += ["--log-dir", str(directory), "--timeout", "20", "--join-timeout", "20"]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        run.command_lines.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()
        process.stdin = None
        if number == 1:
            run.err.append(b"")
            assert process.stderr is not None
            while b"--bootstrap" not in run.err[0]:
                line = process.stderr.readline()
                assert line, "the founder ended early"
                run.err[0] += line
            match = re.search(rb"--bootstrap (\S+)", run.err[0])
            assert match is not None
            role = ["--bootstrap", match[1].decode()]
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=60)
        run.out.append(out)
        if number == 0:
            run.err[0] += err
        else:
            run.err.append(err)
        run.codes.append(process.returncode)
    return run


FIELD = ("--field", "m61")


def test_a_finished_run_shows_no_input_anywhere(tmp_path: Path) -> None:
    """Row 29: no file, output or command line of a run that ends well holds an input."""
    run = session(tmp_path / "logs", *FIELD, everywhere=("--keep-partials", "--debug"))
    assert run.codes == [0, 0, 0], run.err
    assert all(f"total          {TOTAL}\n".encode() in out for out in run.out)
    assert run.finds() == []
    logs = [path.read_text() for path in (tmp_path / "logs").glob("*.log")]
    assert len(logs) == 3
    for line in "".join(logs).splitlines():
        assert not set(json.loads(line)) & {"secret", "share", "seed", "mask"}


@pytest.mark.parametrize(
    ("founding", "code"),
    [((*FIELD, "--bound", "1000"), 8), (("--field", "m31"), 8)],
    ids=["out-of-bound", "budget"],
)
def test_a_refused_input_is_shown_nowhere(
    tmp_path: Path, founding: tuple[str, ...], code: int
) -> None:
    """Row 29: a refusal names the place of a value and never the value, also with --debug."""
    directory = tmp_path / "logs"
    secret = tmp_path / "input.txt"
    secret.write_text(f"{CANARIES[0]}\n")
    command = [sys.executable, "-m", "p2pmpc.node", "--peers", "3", *founding, "--debug", "--json"]
    done = subprocess.run(
        [*command, "--input", str(secret), "--log-dir", str(directory), "--join-timeout", "1"],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code
    run = Run(directory, out=[done.stdout], err=[done.stderr])
    assert b"input.txt:1:1" in done.stderr
    assert b"Traceback" in done.stderr  # --debug: the frames, without their values
    assert run.finds() == []


def test_the_scan_finds_what_log_secrets_writes(tmp_path: Path) -> None:
    """With --log-secrets the scan finds every input, so it can find; and the log is the owner's."""
    run = session(tmp_path / "logs", *FIELD, everywhere=("--log-secrets",))
    assert run.codes == [0, 0, 0], run.err
    found = {place.rpartition(": ")[2] for place in run.finds()}
    assert found == {str(value) for value in CANARIES}
    log = tmp_path / "logs" / "peer-01.log"
    assert log.stat().st_mode & 0o077 == 0
    names = set().union(*(json.loads(line) for line in log.read_text().splitlines()))
    assert {"secret", "share", "mask"} <= names
