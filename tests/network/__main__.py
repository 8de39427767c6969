"""Plays drawn scenes on bad networks, and holds every ending against the one that is due.

    python -m tests.network [--runs N] [--seed S] [--jobs N]

Each run draws peers, delay, loss, duplication and reordering, what happens, and at which step. Ends with 1
if a run does not end as the page of faults says, if a scene never came, or if nothing was done to packets.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.network.forwarder import Conditions
from tests.network.net import Net, why_not
from tests.network.scenes import (
    GONE,
    Played,
    Scene,
    Times,
    forgotten_connection,
    goes_on,
    partition_that_heals,
    partition_that_stays,
)
from tests.processes import Running

MOST_SECONDS: Final = 110.0
STOPPED: Final = "its machine acknowledges what is sent"
STEPS: Final = ("share", "partial", "echo", "open")


def machine_that_dies(net: Net, nodes: list[Running]) -> None:
    """Let eve's machine go away with all that runs on it: nobody says goodbye."""
    last = len(nodes)
    net.cut(range(1, last), [last])
    nodes[-1].signal(signal.SIGKILL)


def program_that_stands_still(_net: Net, nodes: list[Running]) -> None:
    """Let eve go on once somebody has reported her."""
    nodes[0].line(rf"^\.\.\. eve \(\w+\) is silent: {STOPPED}")
    goes_on(nodes)


def program_that_stays_still(_net: Net, nodes: list[Running]) -> None:
    """Let eve go on when all others have ended."""
    for node in nodes[:-1]:
        node.process.wait(MOST_SECONDS)
    goes_on(nodes)


@dataclass(frozen=True)
class Kind:
    """A kind of scene.

    Args:
        row: Of the page of faults.
        happens: What does; None for nothing but the network itself.
        lasts: Whether eve does not come back: then the others need her, or they do not.
        reason: What the others must say of her, if they need her.
    """

    row: str
    happens: Callable[[Net, list[Running]], None] | None
    lasts: bool = False
    reason: str = ""


KINDS: Final = {
    "long and lossy way": Kind("10", None),
    "partition that heals": Kind("10", partition_that_heals),
    "partition that stays": Kind("10", partition_that_stays, lasts=True, reason=GONE),
    "half-open connection": Kind("9", forgotten_connection),
    "machine that dies": Kind("9", machine_that_dies, lasts=True, reason=GONE),
    "program that stands still": Kind("9", program_that_stands_still),
    "program that stays still": Kind("9", program_that_stays_still, lasts=True, reason=STOPPED),
}


@dataclass(frozen=True)
class Drawn:
    """One run.

    Args:
        name: The kind's.
        seed: It is drawn from this alone.
        step: Where eve stops herself.
        conditions: Of the network.
        times: Of all nodes.
    """

    name: str
    seed: int
    step: str
    conditions: Conditions
    times: Times

    @classmethod
    def of(cls, seed: int) -> Drawn:
        """Draw a run."""
        random = Random(seed)
        conditions = Conditions(
            count=random.choice((3, 3, 4, 5)),
            seed=seed,
            delay=random.uniform(0.0, 0.15),
            loss=random.uniform(0.0, 0.03),
            duplication=random.uniform(0.0, 0.05),
            reordering=random.uniform(0.0, 0.1),
        )
        fast = Times(heartbeat=1.0, reconnect=6.0, timeout=20.0)
        times = random.choice((fast, fast, Times(timeout=30.0)))
        return cls(list(KINDS)[seed % len(KINDS)], seed, random.choice(STEPS), conditions, times)

    def play(self) -> tuple[Played, list[str]]:
        """Play it, and return what was wrong with how it ended."""
        kind = KINDS[self.name]
        with tempfile.TemporaryDirectory() as directory:
            rounds = 1 if kind.happens else 5
            scene = Scene(Path(directory), self.conditions, self.times, self.step, rounds)
            try:
                played = scene.play(kind.happens)
                played.check()
            except AssertionError as error:
                return Played([], {}, 0, Path(directory)), [str(error)]
        return played, self._wrong(kind, played)

    def _wrong(self, kind: Kind, played: Played) -> list[str]:
        *others, eve = played.codes
        wrong = []
        needed = kind.lasts and self.step != "open"
        if others != [3 if needed else 0] * len(others):
            wrong.append(f"the others ended with {others}")
        if not kind.lasts and eve != 0:
            wrong.append(f"eve ended with {eve}")
        # At "open" all that she needs may have come before the network changed.
        alone = (3, -signal.SIGKILL) if needed else (0, 3, -signal.SIGKILL)
        if kind.lasts and eve not in alone:
            wrong.append(f"eve ended with {eve}, all alone")
        if needed:
            wrong += [
                f"no reason: {error}"
                for error in played.errors[:-1]
                if "eve" not in error or not re.search(kind.reason, error)
            ]
        if max(end.seconds for end in played.ended) > MOST_SECONDS:
            wrong.append("it took too long")
        return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the runs, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.network", description=__doc__)
    parser.add_argument("--runs", type=int, default=56)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    options = parser.parse_args(arguments)
    if reason := why_not():
        _say(f"skipped: {reason}")
        return 1
    runs = [Drawn.of(seed) for seed in range(options.seed, options.seed + options.runs)]
    started = time.monotonic()
    played: Counter[str] = Counter()
    packets: Counter[str] = Counter()
    failures = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        playing = {pool.submit(run.play): run for run in runs}
        for done in as_completed(playing):
            run, (scene, wrong) = playing[done], done.result()
            packets.update(scene.counts)
            failures += bool(wrong)
            played[run.name] += not wrong
            _say(f"seed {run.seed}: {run.name} at {run.step}: {'; '.join(wrong) or 'as it must'}")
    _report(played, packets)
    _say(
        f"{len(runs) - failures} of {len(runs)} as they must in {time.monotonic() - started:.0f} s"
    )
    unseen = [name for name in KINDS if not played[name]]
    unseen += [what for what in ("lost", "duplicated", "reordered", "cut") if not packets[what]]
    if unseen:
        _say(f"never seen: {', '.join(unseen)}")
    return 1 if failures or unseen else 0


def _report(played: Counter[str], packets: Counter[str]) -> None:
    for name, kind in KINDS.items():
        _say(f"| {kind.row} | {name} | {played[name]} |")
    _say("packets: " + ", ".join(f"{count} {what}" for what, count in sorted(packets.items())))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
