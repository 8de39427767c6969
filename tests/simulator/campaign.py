"""Many seeds: how fast they run, which faults fired, which rows they show, and how the runs ended."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from tests.simulator.heap import HeapDriver
from tests.simulator.rows import ROWS, shown
from tests.simulator.scenario import KINDS, Scenario, draw
from tests.simulator.watch import ViolationError
from tests.simulator.world import World


@dataclass(frozen=True)
class Drawing:
    """How scenarios are drawn: all that a replay needs beside the seed.

    Args:
        peers: How many; drawn when None.
        faults: How many in each run; drawn when None.
        only: The one kind of fault to draw.
        real: Whether with real cryptography.
    """

    peers: int | None = None
    faults: int | None = None
    only: str | None = None
    real: bool = False

    def scenario(self, seed: int) -> Scenario:
        """Return the scenario of a seed."""
        return draw(seed, peers=self.peers, faults=self.faults, only=self.only)

    def run(self, seed: int) -> World:
        """Run a seed.

        Raises:
            ViolationError: An invariant does not hold.
        """
        return HeapDriver(self.scenario(seed), real=self.real).run()

    def replay_command(self, seed: int) -> str:
        """Return the one command that runs a seed again, and shows what happens."""
        options = [f"--seed {seed}", f"--peers {self.peers or 'any'}"]
        if self.faults is not None:
            options.append(f"--faults {self.faults}")
        if self.only is not None:
            options.append(f"--fault '{self.only}'")
        if self.real:
            options.append("--real")
        return " ".join(["python -m tests.simulator", *options, "--trace"])


Codes = Counter[int | None]


@dataclass
class Report:
    """What many runs came to.

    Args:
        runs: How many.
        real: How many of them with real cryptography.
        seconds: Processor time, of all workers together.
        elapsed: Time by the clock.
        fired: How often each kind of fault happened.
        codes: How often an honest peer ended with each exit code; None for the killed.
        by_kind: The same of the runs in which nothing fired but one kind.
        rows: How many runs showed each row of the page of faults.
        by_row: How honest peers ended in these.
        happened: What became of frames.
        longest: The most seconds that a peer took to end once the last fault was over.
        failures: What went wrong, with the command that shows it.
    """

    runs: int = 0
    real: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    fired: Counter[str] = field(default_factory=Counter)
    codes: Codes = field(default_factory=Counter)
    by_kind: dict[str, Codes] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    by_row: dict[str, Codes] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    failures: list[str] = field(default_factory=list)

    def count(self, world: World) -> None:
        """Count one run.

        Raises:
            RowError: It did not end as a row that it shows requires.
        """
        kinds, codes = world.fired(), world.codes()
        ends = [codes.get(index) for index in world.watch.honest]
        self.fired.update(kinds)
        self.codes.update(ends)
        self.happened.update(world.happened)
        self.longest = max(self.longest, world.watch.longest)
        for kind in kinds if len(kinds) == 1 else ():
            self.by_kind.setdefault(kind, Counter()).update(ends)
        for row in shown(world):
            self.rows[row] += 1
            self.by_row.setdefault(row, Counter()).update(ends)

    def add(self, other: Report) -> None:
        """Add what other runs came to."""
        self.runs += other.runs
        self.real += other.real
        self.seconds += other.seconds
        self.longest = max(self.longest, other.longest)
        self.failures += other.failures
        for mine, theirs in (
            (self.fired, other.fired),
            (self.rows, other.rows),
            (self.happened, other.happened),
        ):
            mine.update(theirs)
        self.codes.update(other.codes)
        for table, more in ((self.by_kind, other.by_kind), (self.by_row, other.by_row)):
            for name, ends in more.items():
                table.setdefault(name, Counter()).update(ends)

    def lines(self) -> list[str]:
        """Return what people read."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.runs} runs, {self.real} of them with real cryptography, in {self.elapsed:.0f} s: "
            f"{self.seconds:.0f} s of processors, {rate:.0f} runs a second of one core"
        ]
        lines += ["", f"{'fault':28}  fired   ends of honest peers when alone"]
        for kind in KINDS:
            ends = self.by_kind.get(kind, Counter())
            lines.append(f"{kind:28} {self.fired[kind]:6}   {_shown(ends)}".rstrip())
        lines += ["", f"{'row':20} {'alone':>6} {'in all':>7}   ends of honest peers when alone"]
        for row in ROWS:
            ends = self.by_row.get(row.number, Counter())
            fired = sum(self.fired[kind] for kind in row.kinds)
            counts = f"{self.rows[row.number]:6} {fired:7}"
            lines.append(f"{row.number:20} {counts}   {_shown(ends)}".rstrip())
            lines.append(f"    {row.fault}: {row.required}")
        frames = ", ".join(f"{n} {what}" for what, n in sorted(self.happened.items()))
        lines += ["", f"frames: {frames}", f"ends of honest peers: {_shown(self.codes)}"]
        lines.append(
            f"longest from the end of the last fault to the end of a peer: {self.longest:.1f} s"
        )
        return lines


_RUNS_A_COLLECTION: Final = 500
_RUNS_A_CHUNK: Final = 250


def _shown(codes: Codes) -> str:
    ordered = sorted(codes.items(), key=lambda item: -1 if item[0] is None else item[0])
    return ", ".join(f"{'killed' if code is None else code} x {n}" for code, n in ordered)


def campaign(drawing: Drawing, seeds: Iterable[int], *, real_share: float = 0.0) -> Report:
    """Run many seeds; a failure does not stop the others.

    Args:
        drawing: How.
        seeds: Which.
        real_share: For which part of them real cryptography is used, evenly spread.
    """
    report, began, clock = Report(), time.process_time(), time.monotonic()
    collected = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()  # a run that is counted dissolves itself, and leaves next to nothing
    try:
        for seed in seeds:
            report.runs += 1
            is_real = int((seed + 1) * real_share) > int(seed * real_share)
            _run(replace(drawing, real=True) if is_real else drawing, seed, report)
            if report.runs % _RUNS_A_COLLECTION == 0:
                gc.collect()
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()
    report.seconds = time.process_time() - began
    report.elapsed = time.monotonic() - clock
    return report


def spread(drawing: Drawing, seeds: Sequence[int], *, workers: int, real_share: float) -> Report:
    """Run many seeds in several processes; few seeds in this one.

    Args:
        drawing: How.
        seeds: Which.
        workers: How many processes.
        real_share: See :func:`campaign`.
    """
    chunks = [seeds[k : k + _RUNS_A_CHUNK] for k in range(0, len(seeds), _RUNS_A_CHUNK)]
    if workers < 2 or len(chunks) < 2:
        return campaign(drawing, seeds, real_share=real_share)
    report, clock = Report(), time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(partial(campaign, drawing, real_share=real_share), chunks):
            report.add(part)
    report.elapsed = time.monotonic() - clock
    return report


def _run(drawing: Drawing, seed: int, report: Report) -> None:
    report.real += drawing.real
    try:
        world = drawing.run(seed)
        report.count(world)
    except ViolationError as error:
        report.failures.append(f"seed {seed}: {error}\n    replay: {drawing.replay_command(seed)}")
    else:
        world.dissolve()
