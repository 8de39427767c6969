"""The process that the peers of a swarm are forked from: ``python -m p2pmpc.swarm.zygote FD``.

It imports once what every peer needs, which takes longer than all that a peer does otherwise, and then
forks a child for each that the launcher asks for.

Rules:

1. Before a fork there is no thread, no event loop, no key and nothing drawn: a child shares code with
   its siblings, and no secret, nonce or generator that has been used.
2. What a peer is told comes through a pipe that only the child reads. Nothing of one peer ever is
   in the memory that the next one is forked from.
3. Nobody outlives the launcher: its end of the socket closes, and the zygote ends every child and
   itself. Nobody outlives the zygote: the kernel kills the children with it.
4. Only the zygote signals its children, and only those it has not reaped, so a signal never
   reaches a process that got the number of an ended one.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from p2pmpc.app import leave_at_once
from p2pmpc.inputs import WEIGHT_VARIABLE
from p2pmpc.node import run_node
from p2pmpc.options import NodeOptions
from p2pmpc.swarm.forked import EXITED, FORK, FORKED, PASSED, REPORT, SIGNAL

_PR_SET_PDEATHSIG: Final = 1
_END_SECONDS: Final = 3.0
_LATE: Final = (
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.ascii",
    "encodings.idna",
)
"""What libraries import when they are first used: 8 ms in every peer otherwise."""

Life = Callable[[bytes], int]
"""What a child does with what it is told; returns its exit code."""


class Zygote:
    """Forks children on request, tells how they end, and never lets one outlive the launcher.

    Args:
        control: Connected to the launcher.
        life: What every child does.
    """

    def __init__(self, control: socket.socket, life: Life) -> None:
        self._control = control
        self._life = life
        self._running: set[int] = set()
        self._bell, self._ring = socket.socketpair()

    def serve(self) -> None:
        """Serve the launcher until it closes its end or is no more; then end every child."""
        self._ring.setblocking(False)
        signal.set_wakeup_fd(self._ring.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        # Ctrl-C reaches every process of the terminal: the peers end by it, and somebody must reap.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()
        gc.freeze()  # collections would write to pages that the children share
        try:
            while self._answer():
                pass
        except OSError:
            pass  # the launcher is no more
        self._end_all()

    def _answer(self) -> bool:
        """Wait for a request or a child's end, and see to it; return whether the launcher lives."""
        ready, _, _ = select.select([self._control, self._bell], [], [])
        if self._bell in ready:
            self._bell.recv(1024)
            self._reap()
        if self._control not in ready:
            return True
        data, descriptors, _, _ = socket.recv_fds(
            self._control, REPORT.size, PASSED, socket.MSG_WAITALL
        )
        if len(data) < REPORT.size:
            return False
        what, pid, number = REPORT.unpack(data)
        if what == FORK:
            self._fork(descriptors)
        elif what == SIGNAL and pid in self._running:
            os.kill(pid, number)
        return True

    def _fork(self, descriptors: list[int]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(parent, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._running.add(pid)
        self._control.sendall(REPORT.pack(FORKED, pid, 0))

    def _become(self, parent: int, descriptors: list[int]) -> None:
        """Live as a child, and never return."""
        code = 1
        try:
            _die_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for inherited in (self._control, self._bell, self._ring):
                inherited.close()
            told, *streams = descriptors
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
                os.close(descriptor)
            with os.fdopen(told, "rb") as file:
                task = file.read()
            code = self._life(task)
        except BaseException:  # whatever it is, it ends this process and not the zygote's loop
            traceback.print_exc()
        finally:
            try:
                leave_at_once(code)
            finally:  # the launcher reads no more
                os._exit(code)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._running.discard(pid)
            self._control.sendall(REPORT.pack(EXITED, pid, os.waitstatus_to_exitcode(status)))

    def _end_all(self) -> None:
        """End the children, politely for a while; nobody is left to tell."""
        for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
            for pid in self._running:
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while self._running and time.monotonic() < deadline:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                self._running.discard(pid)
                if pid == 0:
                    time.sleep(0.01)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, where the kernel can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before it was asked for
            os.kill(os.getpid(), signal.SIGKILL)


def live_as_peer(task: bytes) -> int:
    """Run a peer as ``python -m p2pmpc.node`` does, and return its exit code.

    Args:
        task: JSON, of :meth:`p2pmpc.swarm.processes.ProcessSwarm`.
    """
    told = json.loads(task)
    options = NodeOptions(**told["options"])
    if sys.platform == "linux":
        Path("/proc/self/comm").write_text(options.name[:15])  # what ps and top show
    os.environ[WEIGHT_VARIABLE] = told["weight"]
    return run_node(options)


def main() -> None:
    """Run the zygote."""
    for name in _LATE:
        importlib.import_module(name)
    Zygote(socket.socket(fileno=int(sys.argv[1])), live_as_peer).serve()
    leave_at_once(0)


if __name__ == "__main__":
    main()
