"""Nodes forked from a process that has imported what a node needs, which is most of what a node costs.

``python -m tests.forking FD`` is that process. Its children are processes like any other, each in a session of
its own; only `/proc/PID/cmdline` and `environ` are those of the process that they were forked from.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from p2pmpc import node
from p2pmpc.app import leave_at_once
from p2pmpc.swarm.command import main as swarm_main
from p2pmpc.swarm.forked import EXITED, FORK, FORKED, REPORT
from p2pmpc.swarm.zygote import Zygote
from tests import stopping

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAMS: Final[dict[str, Callable[[], None]]] = {
    "p2pmpc.node": lambda: node.main(leave_at_once),
    "tests.stopping": stopping.run,
    "swarm.py": swarm_main,
}
"""What can be forked: modules that ``python -m`` runs, and a program."""

SECONDS: Final = 60.0


class Forked:
    """A forked process, as far as a :class:`subprocess.Popen` is asked of it here.

    Args:
        pid: Its process ID.
        changed: Notified of its end.
    """

    def __init__(self, pid: int, changed: threading.Condition) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self._changed = changed

    def poll(self) -> int | None:
        """Return its exit code once it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code, minus the signal where one ended it."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.returncode is not None, timeout):
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)


class Forker:
    """Starts one process that forks others, and learns how they end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._living: dict[int, Forked] = {}
        self._forked: list[Forked] = []
        self._one_at_a_time = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self._close)

    def fork(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: dict[str, str],
        *,
        has_stdin: bool,
        stdout: IO[bytes] | None,
    ) -> Forked:
        """Fork a process that runs one of PROGRAMS with arguments."""
        task = json.dumps([list(arguments), str(cwd), environment]).encode()
        told, telling = os.pipe()
        reading, into = os.pipe() if has_stdin else (os.open(os.devnull, os.O_RDONLY), None)
        out, writing = (None, os.dup(stdout.fileno())) if stdout is not None else os.pipe()
        err, complaining = os.pipe()
        passed = (told, reading, writing, complaining)
        with self._one_at_a_time, self._changed:
            socket.send_fds(self._control, [REPORT.pack(FORK, 0, 0)], passed)
            for descriptor in passed:
                os.close(descriptor)
            with os.fdopen(telling, "wb") as file:
                file.write(task)
            assert self._changed.wait_for(lambda: self._forked, SECONDS), "nothing was forked"
            forked = self._forked.pop()
        forked.stdin = None if into is None else os.fdopen(into, "wb")
        forked.stdout = None if out is None else os.fdopen(out, "rb")
        forked.stderr = os.fdopen(err, "rb")
        return forked

    def _listen(self) -> None:
        while len(data := self._control.recv(REPORT.size, socket.MSG_WAITALL)) == REPORT.size:
            what, pid, number = REPORT.unpack(data)
            with self._changed:
                if what == FORKED:
                    self._living[pid] = Forked(pid, self._changed)
                    self._forked.append(self._living[pid])
                elif what == EXITED:
                    self._living.pop(pid).returncode = number
                self._changed.notify_all()

    def _close(self) -> None:
        self._control.shutdown(socket.SHUT_RDWR)  # all children end with it
        self._process.wait(SECONDS)


_ONE_AT_A_TIME: Final = threading.Lock()


def forker() -> Forker:
    """Return the one of this process, whichever thread asks; it ends with this process."""
    with _ONE_AT_A_TIME:
        return _forker()


@functools.cache
def _forker() -> Forker:
    return Forker()


def forkable(command: Sequence[str]) -> Sequence[str]:
    """Return what to fork in the place of a command, and its arguments; nothing where it has to be started."""
    python, *rest = command
    if rest[:1] == ["-m"]:
        rest = rest[1:]
    elif rest:
        rest[0] = rest[0].removeprefix(f"{ROOT}/")
    return rest if python == sys.executable and rest and rest[0] in PROGRAMS else []


def live(task: bytes) -> int:
    """Run a program as its command would, in a folder and with an environment of its own."""
    (program, *arguments), cwd, environment = json.loads(task)
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [program, *arguments]
    try:
        PROGRAMS[program]()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    Zygote(socket.socket(fileno=int(sys.argv[1])), live).serve()
    leave_at_once(0)
