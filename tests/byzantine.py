"""Dishonest peers as real processes, over sockets and TLS: each lie once, held to how every honest peer ends.

    python -m tests.byzantine [--only TEXT] [--quick] [--jobs N] [--list]

Three honest nodes and one that lies sum in every session. They are forked from this process, which has imported
once, and run what `python -m p2pmpc.node` runs. The last line says how many lies ended as they must; a lie that
did not ends this with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from p2pmpc import node
from p2pmpc.cli import main as cli_main
from p2pmpc.outcome import Outcome
from p2pmpc.peer import Peer as RunningPeer
from p2pmpc.progress import Observer
from tests.byzantine_lies import HONEST, QUICK, ROWS, TABLE, Lie
from tests.nodes import Peer
from tests.test_canary import CANARIES, canary_forms, leaks

CULPRIT: Final = "culprit"
SECONDS: Final = 60.0
_LENGTH: Final = 5
_LIAR: Final = 1234567890123456
_TOTAL: Final = sum(CANARIES) + _LIAR


class _Told:
    """An observer that lets a lie know of steps, and passes everything on."""

    def __init__(self, inner: Observer, peer: Peer) -> None:
        self._inner = inner
        self._peer = peer

    def tell(self, event: str, **fields: Any) -> None:
        """Take an event."""
        if event == "step":
            self._peer.on_step(self._peer, str(fields["step"]))
        self._inner.tell(event, **fields)


def lying(lie: Lie) -> None:
    """Let the node of this process lie."""
    honest = node.run_options

    async def run_options(*arguments: Any, **given: Any) -> Outcome:
        peer = Peer(CULPRIT, None, {}, None)  # type: ignore[arg-type]
        lie.install(peer)
        met: Callable[[RunningPeer], None] = given["on_peer"]

        def on_peer(running: RunningPeer) -> None:
            peer.node = running
            met(running)

        observer = _Told(given["observer"], peer)
        return await honest(*arguments, **{**given, "observer": observer, "on_peer": on_peer})

    node.run_options = run_options


# -- processes ----------------------------------------------------------------------------------


@dataclass
class Process:
    """A forked process, and where it writes.

    Args:
        name: Of the peer.
        folder: Holds what it writes.
        number: Its process ID.
    """

    name: str
    folder: Path
    number: int
    code: int | None = None

    def read(self, stream: str) -> str:
        """Return what it wrote to a stream so far."""
        return (self.folder / f"{self.name}.{stream}").read_text(errors="replace")

    def poll(self) -> bool:
        """Return whether it has ended."""
        if self.code is None:
            done, status = os.waitpid(self.number, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code is not None

    def kill(self) -> None:
        """End it at once."""
        if not self.poll():
            os.kill(self.number, signal.SIGKILL)
            _, status = os.waitpid(self.number, 0)
            self.code = os.waitstatus_to_exitcode(status)


def forked(name: str, folder: Path, arguments: Sequence[str], run: Callable[[], None]) -> Process:
    """Run something in a process of its own."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return Process(name, folder, number)
    code = 70
    try:
        os.chdir(folder)
        for stream, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{name}.{stream}", os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.pop("P2PMPC_VALUE", None)
        sys.argv = ["node", *arguments]
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 71
    except BaseException:  # a test's own process: whatever it was is shown, and ends it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# -- one session --------------------------------------------------------------------------------


@dataclass
class Session:
    """One lie among honest peers, and what came of it.

    Args:
        name: Of the lie.
        folder: Its own.
    """

    name: str
    folder: Path
    processes: dict[str, Process] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def lie(self) -> Lie:
        """What is told."""
        return TABLE[self.name]

    def run(self) -> None:
        """Start all peers, and wait for their ends."""
        started = time.monotonic()
        try:
            founder = self._start(HONEST[0], CANARIES[0], "--listen 127.0.0.1:0 --peers 4")
            where = self._line(founder, r"--bootstrap (\S+)$")
            for name, value in zip((*HONEST[1:], CULPRIT), (*CANARIES[1:], _LIAR), strict=True):
                self._start(name, value, f"--bootstrap {where}")
            if self.lie.killed:
                self._line(self.processes[self.lie.killed], r"^\.\.\. (opening)")
                self.processes[self.lie.killed].kill()
            self._wait(lambda: all(self.processes[name].poll() for name in self.honest))
        finally:
            for process in self.processes.values():
                process.kill()
        self.seconds = time.monotonic() - started

    @property
    def honest(self) -> list[str]:
        """Those who end by themselves, and tell no lie."""
        return [name for name in HONEST if name != self.lie.killed]

    def _start(self, name: str, value: int, options: str) -> Process:
        (self.folder / f"{name}.txt").write_text(f"{value}\n" * _LENGTH)
        held = "--hold open" if name == self.lie.killed else ""
        line = (
            f"{options} --input {name}.txt --weight 1 --name {name} --log-dir {name}.logs "
            f"--timeout 20 {held}"
        )
        if name == HONEST[0]:
            line += f" --field m61 {self.lie.options or '--mode broadcast'}"

        def run() -> None:
            if name == CULPRIT:
                lying(self.lie)
            node.main()

        process = forked(name, self.folder, line.split(), run)
        self.processes[name] = process
        return process

    def _line(self, process: Process, pattern: str) -> str:
        found: list[str] = []

        def there() -> bool:
            found[:] = re.findall(pattern, process.read("err"), re.MULTILINE)
            return bool(found) or process.poll()

        self._wait(lambda: (self.folder / f"{process.name}.err").exists() and there())
        assert found, f"{process.name} ended: {process.read('err')}"
        return found[0]

    def _wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name}: {[p.name for p in self._left()]} did not end")
            time.sleep(0.02)

    def _left(self) -> list[Process]:
        return [process for process in self.processes.values() if not process.poll()]

    # -- how it must end ------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """Return everything that is not as it must be."""
        found = [problem for name in self.honest for problem in self._problems_of(name)]
        if self.lie.code and {CULPRIT} not in [self._named_by(name) for name in self.honest]:
            found.append("nobody names the culprit alone")
        told = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix != ".txt" and CULPRIT not in path.parts[-2:][0]
        }
        found += leaks({k: v for k, v in told.items() if CULPRIT not in k}, canary_forms())
        return found

    def _problems_of(self, name: str) -> list[str]:
        process, lie = self.processes[name], self.lie
        out, err = process.read("out"), process.read("err")
        found = []
        if process.code != lie.code:
            found.append(f"{name} ended with {process.code}, not {lie.code}")
        if "Traceback" in err:
            found.append(f"{name} shows a traceback")
        if lie.code == 0:
            return found if str(_TOTAL) in out else [*found, f"{name} shows another total"]
        if out or any(self.folder.glob(f"{name}.logs/*.transcript")):
            found.append(f"{name} shows a total")
        named = self._named_by(name)
        if named != {CULPRIT} and not (named and named <= lie.pair):
            found.append(f"{name} names {sorted(named)}")
        return found + self._wrong_proof(name, err)

    def _named_by(self, name: str) -> set[str]:
        """Return whom a peer's error names as the one at fault: not who told of it, or showed it."""
        err = self.processes[name].read("err")
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        text = re.sub(r" \(shown by .*", "", lines[-1].removeprefix("error: ")) if lines else ""
        reason = re.sub(r"^(\S+ \(\w+\) ended the session: )+", "", text)
        if self.lie.claim is not None:
            reason = text.partition(" sent ECHO: ")[2] or text
        first_teller = re.findall(r"(\S+ \(\w+\)) ended the session: ", text)[-1:]
        return _names_in(reason) or _names_in(*(first_teller or [text]))

    def _wrong_proof(self, name: str, err: str) -> list[str]:
        files = list((self.folder / f"{name}.logs").rglob("evidence/*.json"))
        if self.lie.claim is None:
            return [f"{name} claims to prove it"] if files else []
        if len(files) != 1 or f"-{self.lie.claim.value}-" not in files[0].name:
            return [f"{name} keeps {[path.name for path in files]}"]
        if f"p2pmpc verify {files[0].relative_to(self.folder)}" not in err:
            return [f"{name} does not say how its proof is verified"]
        judge = forked(f"verify-{name}", self.folder, ["verify", str(files[0])], cli_main)
        self._wait(judge.poll)
        said = judge.read("out")
        if judge.code != 0 or CULPRIT not in said:
            return [f"verify ends with {judge.code}: {said}{judge.read('err')}"]
        return []


def _names_in(text: str) -> set[str]:
    return {name for name in (*HONEST, CULPRIT) if f"{name} (" in text}


# -- all of them --------------------------------------------------------------------------------


def directed(names: Sequence[str], folder: Path, jobs: int) -> Iterator[dict[str, object]]:
    """Play lies, each of them directed by a process of its own, and yield what came of them."""
    left, running = list(names), dict[str, Process]()
    while left or running:
        while left and len(running) < jobs:
            name, place = left.pop(0), folder / str(len(left))
            place.mkdir()
            running[name] = forked("director", place, [], partial(_direct, name, place))
        time.sleep(0.02)
        for name in [name for name, process in running.items() if process.poll()]:
            process = running.pop(name)
            failed = {"lie": name, "seconds": 0.0, "problems": [process.read("err")]}
            yield failed if process.code else json.loads(process.read("out"))


def _direct(name: str, place: Path) -> None:
    sys.stdout.write(json.dumps(play(name, place)))


def play(name: str, folder: Path) -> dict[str, object]:
    """Play one lie, and return what came of it."""
    session = Session(name, folder)
    try:
        session.run()
        problems = session.problems()
    except (TimeoutError, AssertionError) as error:
        problems = [str(error)]
    if problems:
        problems += [process.read("err")[-600:] for process in session.processes.values()]
    return {"lie": name, "seconds": round(session.seconds, 1), "problems": problems}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the chosen lies, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.byzantine", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="lies whose name holds a text")
    parser.add_argument("--quick", action="store_true", help="one lie of each sort")
    parser.add_argument("--jobs", type=int, default=3, help="sessions at a time")
    parser.add_argument("--list", action="store_true", help="name the lies, and end")
    options = parser.parse_args(arguments)
    chosen = [name for name in (QUICK if options.quick else TABLE) if options.only in name]
    if options.list:
        sys.stdout.write("".join(f"{name}\n" for name in chosen))
        return 0
    failed, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for told in directed(chosen, Path(folder), options.jobs):
            failed += bool(told["problems"])
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
    seconds, rows = time.monotonic() - started, Counter(ROWS.get(name, 19) for name in chosen)
    by_row = ", ".join(f"row {row}: {count}" for row, count in sorted(rows.items()))
    ended = f"{len(chosen) - failed} of {len(chosen)} lies ended as they must"
    sys.stdout.write(f"{ended} ({by_row}), {seconds:.0f} s\n")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
