"""What every measured process has in common: its order, its introduction, its clock, its report.

The harness (:mod:`bench.processes`) writes one JSON line with the order. The process introduces itself
with one line (its address, say), reads one line with everybody's introductions, and at its end writes
one line with what it measured.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trio

_STATUS = Path("/proc/self/status")


def read_line() -> Any:
    """Return the next line of the harness: the order, then the introductions of all."""
    return json.loads(sys.stdin.readline())


def introduce(**fields: object) -> None:
    """Tell the harness, and through it the others, where this process is reached."""
    print(json.dumps({"here": fields}), flush=True)


def report(stopwatch: Stopwatch, *, sent: int, right: bool) -> None:
    """Tell the harness what was measured.

    Args:
        stopwatch: Stopped.
        sent: Bytes, framing included.
        right: Whether the total is the plain sum of the inputs.
    """
    measured = {
        "started": stopwatch.started,
        "ended": stopwatch.ended,
        "cpu": stopwatch.cpu,
        "memory": stopwatch.memory,
        "sent": sent,
        "right": right,
    }
    print(json.dumps({"measured": measured}), flush=True)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes.

    ``ru_maxrss`` survives ``exec``: a process that a large one starts begins with the large one's peak. The
    high-water mark that Linux keeps with the address space does not.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


class Stopwatch:
    """The wall clock, the CPU time and the peak memory of this process. Make it after the imports.

    ``CLOCK_MONOTONIC`` is one clock for all processes of a machine, so that the first start and the last
    end among several processes can be compared. The CPU time includes all threads.
    """

    def __init__(self) -> None:
        self._imported = peak_memory()
        self._cpu = 0.0
        self.started: float | None = None
        self.ended: float | None = None
        self.cpu = 0.0
        self.memory = 0

    def start(self) -> None:
        """Start, unless it runs already."""
        if self.started is None:
            self._cpu = time.process_time()
            self.started = time.monotonic()

    def stop(self) -> None:
        """Stop; what happens from now on only :meth:`note_memory` sees."""
        self.ended = time.monotonic()
        self.cpu = time.process_time() - self._cpu
        self.note_memory()

    def note_memory(self) -> None:
        """Note the peak so far, beyond the imports."""
        self.memory = peak_memory() - self._imported


def take_part(run: Callable[[dict[str, Any], Stopwatch], Awaitable[None]]) -> None:
    """Be a measured process: read the order, and carry it out.

    Args:
        run: Given the order and a stopwatch that was made after the imports.
    """
    stopwatch = Stopwatch()
    trio.run(run, read_line(), stopwatch)


def is_expected(total: npt.ArrayLike, expected: str, modulus: int) -> bool:
    """Return whether a total is the plain sum.

    Args:
        total: Residues, or centred integers.
        expected: A ``.npy`` file of the plain sum, centred.
        modulus: The field's.
    """
    found = np.asarray(total, dtype=np.int64)
    return bool(np.array_equal(found % modulus, np.load(expected) % modulus))
