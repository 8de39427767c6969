"""Whole rounds: which ones, how often, and what came out.

A *case* is a way to the sum: p2pmpc in one of its modes, or something it is held against. A *cell* is a
case at a number of peers and a length. The cells of one shape are run in turn, again and again, so that whatever
else the machine does meets all of them alike.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio

from bench.inputs import Inputs
from bench.processes import NotRunError, run_group

_BUDGET: Final = 90.0
"""Seconds after which a cell is not run again, however many runs were asked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A way to the sum.

    Args:
        module: Of the processes.
        session: Options of a founder, for p2pmpc.
        needs: A package that may not be there.
    """

    module: str
    session: dict[str, str] = field(default_factory=dict)
    needs: str | None = None

    def missing(self) -> str | None:
        """Return why it cannot be run here, if so."""
        if self.needs is not None and importlib.util.find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return None


CASES: Final = {
    "p2pmpc": Case("bench.peers"),
    "p2pmpc, sharded": Case("bench.peers", {"mode": "sharded"}),
    "p2pmpc, broadcast": Case("bench.peers", {"mode": "broadcast"}),
    "p2pmpc, sharded, m61": Case("bench.peers", {"mode": "sharded", "field": "m61"}),
    "p2pmpc, dense": Case("bench.peers", {"share_mode": "dense"}),
    "plain all-reduce": Case("bench.all_reduce"),
    "bare exchange": Case("bench.exchange"),
    "MPyC": Case("bench.mpyc_sum", needs="mpyc"),
}
"""The first is what users get: the mode that follows from the size."""

_ONE: Final = ("p2pmpc", "p2pmpc, dense", "bare exchange", "MPyC")
_LONG: Final = ("p2pmpc", "p2pmpc, dense", "plain all-reduce", "MPyC")
SHAPES: Final[dict[tuple[int, int], tuple[str, ...]]] = {
    (3, 1): _ONE,
    (10, 1): _ONE,
    (3, 100_000): _LONG,
    (10, 100_000): _LONG,
    (3, 1_000_000): _LONG,
    (10, 1_000_000): (
        "p2pmpc, sharded",
        "p2pmpc, broadcast",
        "p2pmpc, sharded, m61",
        "p2pmpc, dense",
        "plain all-reduce",
        "MPyC",
    ),
    (10, 10_000_000): ("p2pmpc, sharded",),
}
"""The table."""
SMALL_SHAPES: Final[dict[tuple[int, int], tuple[str, ...]]] = {
    (3, 1): ("p2pmpc", "bare exchange"),
    (3, 1000): ("p2pmpc", "p2pmpc, sharded", "p2pmpc, dense", "plain all-reduce", "MPyC"),
}
"""To show that it runs."""
GROWTH_SHAPES: Final[dict[tuple[int, int], tuple[str, ...]]] = {
    **{(n, length): ("p2pmpc",) for n in (3, 5, 10, 20, 50) for length in (1, 100_000)},
    **{(3, 10**k): ("p2pmpc",) for k in range(8)},
    **{(10, 10**k): ("p2pmpc",) for k in range(7)},
}
"""How cost grows."""


@dataclass(frozen=True, slots=True)
class Run:
    """One round of all processes.

    Args:
        wall: Seconds from the first start to the last end.
        skew: Seconds from the first start to the last start; part of ``wall``.
        cpu: Seconds a peer, mean.
        sent: Bytes a peer, mean.
        memory: Bytes beyond the imports, of the peer that took most.
        right: Whether every total was the plain sum.
    """

    wall: float
    skew: float
    cpu: float
    sent: float
    memory: int
    right: bool

    @classmethod
    def of(cls, measured: Sequence[dict[str, Any]]) -> Run:
        """Return what one group of processes measured."""
        starts = [m["started"] for m in measured]
        return cls(
            wall=max(m["ended"] for m in measured) - min(starts),
            skew=max(starts) - min(starts),
            cpu=statistics.mean(m["cpu"] for m in measured),
            sent=statistics.mean(m["sent"] for m in measured),
            memory=max(m["memory"] for m in measured),
            right=all(m["right"] for m in measured),
        )


@dataclass(slots=True)
class Cell:
    """A case at a shape, and what came out.

    Args:
        case: A key of CASES.
        peers: How many.
        length: Elements.
        runs: What was measured.
        not_run: Why there is less than was asked for, if so.
        failed: Whether that means that something is wrong.
        retried: How many runs failed and were tried once more.
        seconds: Spent on it, starting the processes included.
    """

    case: str
    peers: int
    length: int
    runs: list[Run] = field(default_factory=list)
    not_run: str | None = None
    failed: bool = False
    retried: int = 0
    seconds: float = 0.0

    def values(self, attribute: str) -> list[float]:
        """Return one figure of every run."""
        return [float(getattr(run, attribute)) for run in self.runs]

    def median(self, attribute: str) -> float | None:
        """Return the median of one figure; None without runs."""
        values = self.values(attribute)
        return statistics.median(values) if values else None

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        content = dataclasses.asdict(self)
        names = ("wall", "skew", "cpu", "sent", "memory")
        content["median"] = {name: self.median(name) for name in names} if self.runs else None
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Cell:
        """Return a cell as it was written."""
        known = {name: content[name] for name in ("case", "peers", "length", "not_run", "failed")}
        return cls(**known, runs=[Run(**run) for run in content["runs"]])


def measure(
    shapes: dict[tuple[int, int], tuple[str, ...]], runs: int, seconds: float, directory: Path
) -> Iterator[list[Cell]]:
    """Measure shape after shape.

    Args:
        shapes: The cases of each.
        runs: How often.
        seconds: After which a run is given up.
        directory: For inputs; they are removed again.

    Yields:
        The cells of each shape.
    """
    for (peers, length), cases in shapes.items():
        cells = [Cell(case, peers, length) for case in cases]
        inputs = Inputs.make(directory / f"{peers}-{length}", peers, length)
        try:
            for number in range(runs):
                for cell in cells:
                    _run_once(cell, inputs, seconds, f"{number + 1} of {runs}")
        finally:
            inputs.remove()
        yield cells


def _run_once(cell: Cell, inputs: Inputs, seconds: float, which: str) -> None:
    case = CASES[cell.case]
    cell.not_run = cell.not_run or case.missing()
    if cell.not_run is not None or cell.seconds > _BUDGET:
        return
    print(f"({cell.peers}, {cell.length}) {cell.case}: {which}", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        run = _run_or_retry(cell, inputs, seconds)
    except NotRunError as error:
        cell.not_run, cell.failed = error.reason, error.failed
        return
    finally:
        cell.seconds += time.monotonic() - started
    cell.runs.append(run)
    if not run.right:
        cell.not_run, cell.failed = "failed: a total is not the plain sum", True


def _run_or_retry(cell: Cell, inputs: Inputs, seconds: float) -> Run:
    """Run a cell; what failed is tried once more, since a port may be taken, or a handshake too slow.

    Raises:
        NotRunError: There is nothing; says why.
    """
    case = CASES[cell.case]
    orders = [{**inputs.order(k), "session": case.session} for k in range(cell.peers)]
    try:
        return Run.of(trio.run(run_group, case.module, orders, seconds))
    except NotRunError as error:
        if not error.failed:
            raise
        cell.retried += 1
        print(f"again, since it {error.reason}", file=sys.stderr, flush=True)
        return Run.of(trio.run(run_group, case.module, orders, seconds))
