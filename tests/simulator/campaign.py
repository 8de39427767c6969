"""Many seeds: how fast they run, which faults fired, and how the runs ended."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.simulator.heap import HeapDriver
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
        options = [f"--seed {seed}"]
        if self.peers is not None:
            options.append(f"--peers {self.peers}")
        if self.faults is not None:
            options.append(f"--faults {self.faults}")
        if self.only is not None:
            options.append(f"--fault '{self.only}'")
        if self.real:
            options.append("--real")
        return " ".join(["python -m tests.simulator", *options, "--trace"])


@dataclass
class Report:
    """What many runs came to.

    Args:
        runs: How many.
        seconds: Processor time.
        fired: How often each kind of fault happened.
        codes: How often an honest peer ended with each exit code; None for the killed.
        failures: What went wrong, with the command that shows it.
    """

    runs: int = 0
    seconds: float = 0.0
    fired: Counter[str] = field(default_factory=Counter)
    codes: Counter[int | None] = field(default_factory=Counter)
    by_kind: dict[str, Counter[int | None]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, world: World) -> None:
        """Count one run."""
        kinds = world.fired()
        codes = world.codes()
        self.fired.update(kinds)
        ends = [codes.get(index) for index in world.watch.honest]
        self.codes.update(ends)
        for kind in kinds if len(kinds) == 1 else ():
            self.by_kind.setdefault(kind, Counter()).update(ends)

    def lines(self) -> list[str]:
        """Return what people read."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        shown = [f"{self.runs} runs, {rate:.0f} a second of one core"]
        shown += ["", "fault                         fired   ends of honest peers when alone"]
        for kind in KINDS:
            ends = self.by_kind.get(kind, Counter())
            shown.append(f"{kind:28} {self.fired[kind]:6}   {_shown(ends)}".rstrip())
        shown += ["", f"ends of honest peers: {_shown(self.codes)}"]
        return shown


_RUNS_A_COLLECTION: Final = 500


def _shown(codes: Counter[int | None]) -> str:
    ordered = sorted(codes.items(), key=lambda item: -1 if item[0] is None else item[0])
    return ", ".join(f"{'killed' if code is None else code} x {n}" for code, n in ordered)


def campaign(drawing: Drawing, seeds: Iterable[int]) -> Report:
    """Run many seeds; a failure does not stop the others."""
    report, began = Report(), time.process_time()
    collected = gc.isenabled()
    gc.disable()  # a run that is counted dissolves itself, and leaves next to nothing
    try:
        for seed in seeds:
            report.runs += 1
            _run(drawing, seed, report)
            if report.runs % _RUNS_A_COLLECTION == 0:
                gc.collect()
    finally:
        if collected:
            gc.enable()
    report.seconds = time.process_time() - began
    return report


def _run(drawing: Drawing, seed: int, report: Report) -> None:
    try:
        world = drawing.run(seed)
    except ViolationError as error:
        report.failures.append(f"seed {seed}: {error}\n    replay: {drawing.replay_command(seed)}")
    else:
        report.count(world)
        world.dissolve()
