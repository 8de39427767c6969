"""Every command in the README works as it is written."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BINARIES = Path(sys.executable).parent

BLOCKS = [
    (
        re.findall(r"^Terminal (\d):$", README[: match.start()].rstrip()[-20:], re.MULTILINE),
        match[1],
    )
    for match in re.finditer(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]
QUICK_START, *OTHERS = [block.splitlines() for number, block in BLOCKS if not number]
TERMINALS = [block.strip() for number, block in BLOCKS if number]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone after the first command of the quick start."""
    (tmp_path / "swarm.py").symlink_to(ROOT / "swarm.py")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    command = tmp_path / ".venv" / "bin" / "p2pmpc"
    command.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "from p2pmpc.cli import main; main()" "$@"\n'
    )
    command.chmod(0o755)
    (tmp_path / "logs").mkdir()
    return tmp_path


def run(command: str, clone: Path) -> subprocess.Popen[str]:
    """Start a command of the README as a shell would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    mapped = command.replace(".venv/bin/python", sys.executable)
    return subprocess.Popen(
        ["bash", "-c", mapped],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_quick_start_is_two_commands() -> None:
    """The first block under "Quick start" holds the two commands that .ci/run and users rely on."""
    assert README.index("## Quick start") < README.index("```sh")
    install = "python3 -m venv .venv && .venv/bin/pip install --quiet "
    assert [
        f"{install}. && .venv/bin/python swarm.py 10",
        f"{install}'.[test]' && .venv/bin/python -m pytest",
    ] == QUICK_START
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "Quick start" in script


@pytest.mark.parametrize("block", OTHERS, ids=lambda block: block[0])
def test_every_command_ends_well(block: list[str], clone: Path) -> None:
    """The commands of a block work one after the other in a fresh clone."""
    for command in block:
        process = run(command, clone)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{command}\n{out}{err}"


def test_the_three_terminals_agree(clone: Path) -> None:
    """The walk through three terminals prints the same four lines at all three, with the right sum."""
    assert len(TERMINALS) == 3
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    commands = [command.replace("127.0.0.1:9000", f"127.0.0.1:{port}") for command in TERMINALS]
    assert all(f":{port}" in command for command in commands)
    processes = [run(command, clone) for command in commands]
    results = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert "total          91\n" in results[0][0]


def test_files_that_the_readme_points_at_are_there() -> None:
    """Every relative link leads to a file of the repository."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
