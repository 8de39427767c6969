"""Real nodes and swarms as processes: started, read line by line, and always ended again.

Everything waits for an event with a deadline: a line that a process prints, or its end. Only
processes that were started here are ever signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pytest

from tests.forking import Forked, forkable, forker

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60.0
"""How long anything may take on a busy machine before a test gives up."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def has_ipv6() -> bool:
    """Return whether this machine has the IPv6 loopback address."""
    try:
        free_port("::1")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Args:
        code: Its exit code; minus the signal where one ended it.
        out: Its standard output.
        err: Its standard error.
        seconds: From its start to its end.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """Its standard output as one JSON object."""
        content: dict[str, Any] = json.loads(self.out)
        return content

    @property
    def has_traceback(self) -> bool:
        """Whether it showed one."""
        return "Traceback" in self.err + self.out


class Running:
    """A process and what it has printed so far."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        stdin: bytes | None,
        environment: dict[str, str],
        stdout: IO[bytes] | None,
        fork: Sequence[str] = (),
    ) -> None:
        self._started = time.monotonic()
        self.process: subprocess.Popen[bytes] | Forked
        if fork:
            self.process = forker().fork(
                fork, cwd, environment, has_stdin=stdin is not None, stdout=stdout
            )
        else:
            self.process = subprocess.Popen(
                list(arguments),
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._changed = threading.Condition()
        self._texts = {"out": b"", "err": b""}
        self._threads = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
            if stream is not None
        ]
        for thread in self._threads:
            thread.start()
        if self.process.stdin is not None and stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def _read(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._texts[name] += line
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._texts["out"].decode(errors="replace")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._texts["err"].decode(errors="replace")

    def line(self, pattern: str, seconds: float = SECONDS, *, of: str = "err") -> re.Match[str]:
        """Wait until a line of standard error, or of ``out``, matches, and return the match."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                text = self.err if of == "err" else self.out
                match = re.search(pattern, text, re.MULTILINE)
                if match is not None:
                    return match
                left = deadline - time.monotonic()
                ended = not any(thread.is_alive() for thread in self._threads)
                assert left > 0, f"{pattern!r} did not come; there is:\n{text}"
                assert not ended, f"it ended before {pattern!r} came; there is:\n{self.err}"
                self._changed.wait(min(left, 0.2))

    def stands_still(self, seconds: float = SECONDS) -> None:
        """Wait until it is stopped, as by SIGSTOP."""
        deadline = time.monotonic() + seconds
        while (state := self.proc("stat").rpartition(b")")[2].split()[0]) != b"T":
            assert state != b"Z", f"it ended before it was stopped; there is:\n{self.err}"
            assert time.monotonic() < deadline, f"it was not stopped; there is:\n{self.err}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {seconds} s:\n{self.err}") from None
        finished = time.monotonic() - self._started
        for thread in self._threads:
            thread.join(seconds)
        return Ended(code, self.out, self.err, finished)

    def discard(self) -> None:
        """Kill it, and what it started, if any of them still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own
        self.process.wait(SECONDS)
        for thread in self._threads:
            thread.join(SECONDS)
        if self.process.stdin is not None:
            self.process.stdin.close()

    # -- what /proc knows of it ---------------------------------------------------------------

    def proc(self, name: str) -> bytes:
        """Return a file of its folder in /proc."""
        return Path(f"/proc/{self.process.pid}/{name}").read_bytes()


class Processes:
    """Starts processes in one folder, and kills at the end what has not ended by itself.

    Args:
        cwd: Where they run, and where logs/ goes by default.
        forks: Whether nodes may be forked from a process that has imported all they need; see
            :mod:`tests.forking`.
    """

    def __init__(self, cwd: Path, *, forks: bool = False) -> None:
        self.cwd = cwd
        self._forks = forks
        self._all: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for running in self._all:
            running.discard()

    def start(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        stdout: IO[bytes] | None = None,
        **variables: str,
    ) -> Running:
        """Start a command.

        Args:
            arguments: The command.
            stdin: What it reads; None gives it an empty input, b"" one that stays open.
            stdout: Where its output goes instead of being kept.
            variables: Added to its environment.
        """
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("P2PMPC")
        }
        environment |= {"PYTHONPATH": str(ROOT), **variables}
        of_its_own = any(name.startswith("PYTHON") for name in variables)  # read as Python starts
        fork = forkable(arguments) if self._forks and not of_its_own else ()
        running = Running(arguments, self.cwd, stdin, environment, stdout, fork)
        self._all.append(running)
        return running

    def node(self, line: str, **more: Any) -> Running:
        """Start a node with the options of a line."""
        return self.start(sys.executable, "-m", "p2pmpc.node", *shlex.split(line), **more)

    def stopping(self, step: str, line: str, **more: Any) -> Running:
        """Start a node that stops itself at a step; see :mod:`tests.stopping`."""
        return self.start(sys.executable, "-m", "tests.stopping", step, *shlex.split(line), **more)

    def founder(self, peers: int, line: str = "", **more: Any) -> tuple[Running, str]:
        """Start a founder on a free port, and return it with its HOST:PORT#ID."""
        founder = self.node(f"--listen 127.0.0.1:0 --peers {peers} {line}", **more)
        return founder, founder.line(r"--bootstrap (\S+)$")[1]

    def swarm(self, line: str, **more: Any) -> Running:
        """Start a swarm with the options of a line."""
        return self.start(sys.executable, str(ROOT / "swarm.py"), *shlex.split(line), **more)

    def cli(self, line: str, **more: Any) -> Running:
        """Start the `p2pmpc` command with the arguments of a line."""
        program = "from p2pmpc.cli import main; main()"
        return self.start(sys.executable, "-c", program, *shlex.split(line), **more)


def together(test: Callable[[Processes], None]) -> Callable[..., None]:
    """Play a test's processes at the same time as others of its module that mostly wait, too.

    The test must use nothing but its processes: it runs in a thread, in a folder of its own.
    """

    def play(cwd: Path) -> None:
        with Processes(cwd, forks=True) as processes:
            test(processes)

    def come_to_its_end(scenes: Mapping[str, Future[None]]) -> None:
        scenes[test.__name__].result()

    come_to_its_end.__name__, come_to_its_end.__doc__ = test.__name__, test.__doc__
    come_to_its_end.__qualname__, come_to_its_end.__module__ = test.__qualname__, test.__module__
    vars(come_to_its_end)["play"] = play
    return come_to_its_end


class Shell:
    """Runs the commands in this process, as a shell would in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, main: Callable[[], None], line: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command line."""
        self._monkeypatch.setattr(sys, "argv", ["program", *shlex.split(line)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = self._capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err


def all_processes() -> Iterator[tuple[int, str, int, int]]:
    """Yield the ID, state, parent and session of every process, as the system counts them."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            state, parent, _, session = stat.rpartition(")")[2].split()[:4]
            yield int(folder.name), state, int(parent), int(session)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started and that still run."""
    return [child for child, state, parent, _ in all_processes() if parent == pid and state != "Z"]


def is_running(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for(holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until something holds that no process prints."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
