"""Groups of measured processes: started, introduced to each other, timed, and always ended.

A group ends with what each process measured, or with the reason why there is nothing: too slow, too
little memory left, or an error. No process outlives its group.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import trio

ROOT = Path(__file__).resolve().parent.parent
RESERVE = 1 << 30
"""Bytes that stay free: below it a group is stopped, before the machine begins to swap or to kill."""
_MEMORY = Path("/proc/meminfo")
_LONGEST_REASON = 200


class NotRunError(Exception):
    """A group that measured nothing.

    Args:
        reason: For a cell of a table.
        failed: Whether something is wrong, rather than too large or missing.
    """

    def __init__(self, reason: str, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failed = failed


def available_memory() -> int | None:
    """Return how many bytes processes can still take; None where the system does not say."""
    if _MEMORY.exists():
        for line in _MEMORY.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return None


async def run_group(
    module: str, orders: Sequence[Mapping[str, object]], seconds: float
) -> list[dict[str, Any]]:
    """Run one process an order to their ends.

    Args:
        module: What ``python -m`` runs.
        orders: What each process is told.
        seconds: After which all are ended.

    Returns:
        What each measured.

    Raises:
        NotRunError: There is nothing; says why.
    """
    group = _Group(module, orders)
    try:
        with trio.fail_after(seconds):
            return await group.run()
    except trio.TooSlowError:
        raise NotRunError(f"not done after {seconds:.0f} s") from None
    finally:
        with trio.CancelScope(shield=True):
            await group.end()


class _Group:
    def __init__(self, module: str, orders: Sequence[Mapping[str, object]]) -> None:
        self._module = module
        self._orders = orders
        self._processes: list[trio.Process] = []
        self._errors: list[IO[bytes]] = []
        self._here: dict[int, object] = {}
        self._measured: dict[int, dict[str, Any]] = {}
        self._all_here = trio.Event()
        self._failure: NotRunError | None = None

    async def run(self) -> list[dict[str, Any]]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_memory, nursery.cancel_scope)
            async with trio.open_nursery() as working:
                for number, order in enumerate(self._orders):
                    process = await self._start()
                    working.start_soon(self._tell, process, order)
                    working.start_soon(self._follow, number, process, nursery.cancel_scope)
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        return [self._measured[number] for number in range(len(self._orders))]

    async def end(self) -> None:
        """Kill whatever still runs."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await pipe.aclose()
        for errors in self._errors:
            errors.close()

    async def _start(self) -> trio.Process:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._errors.append(errors)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            # As many threads as the machine has cores, for each of many peers, would only be in the way.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._processes.append(process)
        return process

    async def _tell(self, process: trio.Process, order: Mapping[str, object]) -> None:
        """Write the order, and once everybody is here, who is."""
        assert process.stdin is not None
        try:
            await process.stdin.send_all(json.dumps(order).encode() + b"\n")
            await self._all_here.wait()
            here = [self._here[number] for number in range(len(self._orders))]
            await process.stdin.send_all(json.dumps(here).encode() + b"\n")
        except trio.BrokenResourceError:
            return  # it ended; whoever follows it says why

    async def _follow(self, number: int, process: trio.Process, scope: trio.CancelScope) -> None:
        """Take what a process says until it ends."""
        assert process.stdout is not None
        pending = b""
        async for data in process.stdout:
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._take(number, line)
        await process.wait()
        if process.returncode != 0 or number not in self._measured:
            self._fail(NotRunError(f"failed: {self._last_words(number)}", failed=True))
            scope.cancel()

    def _take(self, number: int, line: bytes) -> None:
        try:
            content = json.loads(line)
        except ValueError:
            return  # a library's own words
        if "here" in content:
            self._here[number] = content["here"]
            if len(self._here) == len(self._orders):
                self._all_here.set()
        elif "measured" in content:
            self._measured[number] = content["measured"]

    def _last_words(self, number: int) -> str:
        errors = self._errors[number]
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        code = self._processes[number].returncode
        return (lines[-1] if lines else f"it ended with {code}")[:_LONGEST_REASON]

    def _fail(self, error: NotRunError) -> None:
        self._failure = self._failure or error

    async def _watch_memory(self, scope: trio.CancelScope) -> None:
        while True:
            available = available_memory()
            if available is not None and available < RESERVE:
                self._fail(NotRunError("stopped: less than 1 GiB of memory was left"))
                scope.cancel()
            await trio.sleep(0.1)
