"""Peers as the launcher holds them: forked by the zygote, fed and read through pipes.

Between the launcher and the zygote go records of one size, REPORT: what, a process, a number. With FORK
go four descriptors: the pipe with what the child is told, and its stdin, stdout and stderr.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

import trio

from p2pmpc.errors import ResourceExhausted

REPORT: Final = struct.Struct("=cii")
FORK, SIGNAL, FORKED, EXITED = b"f", b"s", b"F", b"E"
PASSED: Final = 4
"""Descriptors that go with FORK."""

_COMMAND: Final = (sys.executable, "-m", "p2pmpc.swarm.zygote")


class ForkedPeer:
    """One child of the zygote.

    Args:
        pid: Its process.
        control: To the zygote, which signals it.
        pipes: The launcher's ends of its stdin, stdout and stderr.
    """

    def __init__(self, pid: int, control: trio.socket.SocketType, pipes: Sequence[int]) -> None:
        self.pid = pid
        self._control = control
        self.stdin, self.stdout, self.stderr = (trio.lowlevel.FdStream(fd) for fd in pipes)
        self.returncode: int | None = None
        self._ended = trio.Event()

    async def wait(self) -> int:
        """Wait for its end, and return its exit code, minus the signal where one ended it."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def send_signal(self, number: signal.Signals) -> None:
        """Have the zygote signal it, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(OSError):  # no zygote, no peers
                await self._control.send(REPORT.pack(SIGNAL, self.pid, number))

    def ended(self, code: int) -> None:
        """Take its exit code."""
        self.returncode = code
        self._ended.set()


class Spawner:
    """Has peers forked, and learns how they end.

    Args:
        control: Connected to the zygote.
    """

    def __init__(self, control: trio.socket.SocketType) -> None:
        self._control = control
        self._one_at_a_time = trio.Lock()
        self._send_forked, self._forked = trio.open_memory_channel[int](1)
        self._peers: dict[int, ForkedPeer] = {}
        self._early: dict[int, int] = {}
        self.has_ended = False
        """Whether there is no zygote any more."""

    async def fork(self, task: bytes) -> ForkedPeer:
        """Have one peer forked.

        Args:
            task: What only it is told; less than a pipe holds.

        Raises:
            ResourceExhausted: There is no zygote any more.
        """
        async with self._one_at_a_time:
            pairs = [os.pipe() for _ in range(PASSED)]
            (told, tell), (stdin, feed), (out, stdout), (err, stderr) = pairs
            os.write(tell, task)
            os.close(tell)
            theirs = (told, stdin, stdout, stderr)
            try:
                await self._ask(theirs)
                pid = await self._forked.receive()
            except (OSError, trio.EndOfChannel):
                raise no_zygote() from None
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            peer = self._peers[pid] = ForkedPeer(pid, self._control, (feed, out, err))
        if pid in self._early:
            self._peers.pop(pid).ended(self._early.pop(pid))
        return peer

    async def _ask(self, descriptors: Sequence[int]) -> None:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        await self._control.sendmsg([REPORT.pack(FORK, 0, 0)], [rights])

    async def listen(self) -> None:
        """Take reports until cancelled, or until the zygote has ended, and with it all peers."""
        pending = b""
        with self._send_forked:
            while data := await self._receive():
                pending += data
                while len(pending) >= REPORT.size:
                    self._take(*REPORT.unpack(pending[: REPORT.size]))
                    pending = pending[REPORT.size :]
        self.has_ended = True
        for peer in self._peers.values():
            peer.ended(-signal.SIGKILL)

    async def _receive(self) -> bytes:
        try:
            return await self._control.recv(1024)
        except OSError:
            return b""

    def _take(self, what: bytes, pid: int, number: int) -> None:
        if what == FORKED:
            self._send_forked.send_nowait(pid)
        elif pid in self._peers:
            self._peers.pop(pid).ended(number)
        else:  # it ended before the task that asked for it has gone on
            self._early[pid] = number


def no_zygote() -> ResourceExhausted:
    """Return the error for a zygote that is no more."""
    return ResourceExhausted(
        "the process that the peers are forked from has ended, and all peers with it",
        hint="if nobody killed it, the machine may be out of memory: start fewer peers",
    )


@contextlib.asynccontextmanager
async def open_spawner(command: Sequence[str] = _COMMAND) -> AsyncIterator[Spawner]:
    """Start a zygote, and end it and every child that is left when the block is left.

    Args:
        command: Runs the zygote, given the number of its end of the socket.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = await trio.lowlevel.open_process(
            [*command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            # The numbers here are integers, which need no BLAS, and a process is forked safely
            # only while it has one thread.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
    try:
        with trio.socket.from_stdlib_socket(ours) as control:
            spawner = Spawner(control)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(spawner.listen)
                yield spawner
                nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await process.wait()
