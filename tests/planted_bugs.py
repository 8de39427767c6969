"""Plants one bug at a time in a copy of the project, and says which test catches it.

    python -m tests.planted_bugs [--only TEXT] [--list] [--jobs N]

Each bug is first shown to the tests that should catch it, then to all other tests of the core.
Ends with 1 if a bug survives, if one cannot be planted, or if the tests fail without any.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue
from typing import Final

from tests.planted import ROOT, Bug
from tests.planted.table import ALL

_COPIED: Final = ("bench", "examples", "fuzz", "p2pmpc", "tests", "pyproject.toml", "swarm.py")
_LEFT_OUT: Final = frozenset(
    [
        "admission",
        "architecture",
        "bench",
        "byzantine",
        "canary",
        "disk_and_clock",
        "documents",
        "flood",
        "gate",
        "independent_peer",
        "inputs",
        "links",
        "lobby",
        "logs",
        "lying_founders",
        "mesh",
        "network",
        "planted_bugs",
        "processes",
        "readme",
        "resume",
        "sessions_in_memory",
        "silence",
        "stopped",
        "study_demo",
        "study_documents",
        "study_engines",
        "study_expression",
        "study_files",
        "study_postgres",
        "study_sheets",
        "study_tutorials",
        "swarm",
        "witnesses",
    ]
)
"""Tests of the shell, and of this table; the core must catch its bugs without them."""

_PATIENCE: Final = 300
"""Seconds for one run of pytest; a run that takes longer has caught nothing."""

_CAUGHT: Final = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)


class Copies:
    """Copies of the project to plant bugs in, as many as bugs are planted at a time."""

    def __init__(self, directory: Path, count: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(count):
            copy = directory / str(number)
            copy.mkdir()
            for name in _COPIED:
                _copy(ROOT / name, copy / name)
            # By hash: a file that is changed twice within a second must not be taken for the old one.
            compileall.compile_dir(
                copy / "p2pmpc", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH
            )
            self._free.put(copy)

    def try_out(self, bug: Bug | None) -> tuple[str, float]:
        """Plant a bug, run the tests, and take it out again.

        Args:
            bug: None to run the tests as they are.

        Returns:
            The test that fails, empty where none does, and the seconds it took.
        """
        copy = self._free.get()
        started = time.monotonic()
        try:
            if bug is None:
                return _first_failure(copy, _core_tests(copy)), time.monotonic() - started
            return _plant(copy, bug), time.monotonic() - started
        finally:
            self._free.put(copy)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _core_tests(copy: Path) -> list[str]:
    return [
        f"tests/{path.name}"
        for path in sorted((copy / "tests").glob("test_*.py"))
        if path.stem.removeprefix("test_") not in _LEFT_OUT
    ]


def _plant(copy: Path, bug: Bug) -> str:
    path = copy / bug.file
    source = path.read_text(encoding="utf-8")
    path.write_text(bug.planted(source), encoding="utf-8")
    try:
        rest = [name for name in _core_tests(copy) if name not in bug.tests]
        return _first_failure(copy, bug.tests) or _first_failure(copy, rest)
    except subprocess.TimeoutExpired:
        return ""
    finally:
        path.write_text(source, encoding="utf-8")


def _first_failure(copy: Path, tests: Sequence[str]) -> str:
    """Run tests in a copy until one fails, and return its name; empty where none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
    command += ["--hypothesis-profile", "planted"]
    environment = {**os.environ, "CI": "1", "PYTHONPATH": str(copy), "COLUMNS": "1000"}
    run = subprocess.run(
        [*command, *tests],
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    caught = _CAUGHT.search(run.stdout)
    if run.returncode in (1, 2) and caught:
        return caught[1] if "::" in caught[1] else f"{caught[1]} as it is collected"
    if run.returncode == 0:
        return ""
    raise RuntimeError(f"pytest ended with {run.returncode}:\n{run.stdout[-2000:]}")


def _chosen(only: str | None) -> list[Bug]:
    wanted = (only or "").lower()
    return [bug for bug in ALL if wanted in bug.name.lower() or wanted in bug.file]


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the chosen bugs and report what catches them."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted_bugs", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="bugs whose name or file holds a text")
    parser.add_argument("--list", action="store_true", help="show the bugs, plant none")
    parser.add_argument("--jobs", type=int, default=2, help="bugs planted at a time")
    options = parser.parse_args(arguments)
    chosen = _chosen(options.only)
    try:  # before anything is run: a table that has rotted proves nothing
        for bug in chosen:
            bug.planted((ROOT / bug.file).read_text(encoding="utf-8"))
    except ValueError as error:
        _say(str(error))
        return 1
    if options.list or not chosen:
        for bug in chosen:
            _say(f"{bug.file}: {bug.name}")
        return 0 if chosen else 1
    return _report(chosen, options.jobs)


def _report(chosen: Sequence[Bug], jobs: int) -> int:
    started = time.monotonic()
    survivors: list[str] = []
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(jobs) as pool:
        copies = Copies(Path(directory), jobs)
        sound = pool.submit(copies.try_out, None)
        running = {pool.submit(copies.try_out, bug): bug for bug in chosen}
        try:
            for done in as_completed(running):
                bug, (test, seconds) = running[done], done.result()
                outcome = f"caught by {test} in {seconds:.1f} s" if test else "SURVIVED"
                _say(f"{bug.file}: {bug.name}: {outcome}")
                if not test:
                    survivors.append(bug.name)
            failing, _ = sound.result()
        finally:
            pool.shutdown(cancel_futures=True)
    caught = len(chosen) - len(survivors)
    _say(f"{caught} of {len(chosen)} bugs caught in {time.monotonic() - started:.0f} s")
    if failing:
        _say(f"and {failing} fails without any bug")
    return 1 if survivors or failing else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
