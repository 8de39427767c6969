"""Row 30 and row 8: launchers of swarms that are killed, and what may be left of what they started."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.kills.scene import SLACK_SECONDS, in_sessions, still_there
from tests.processes import Ended, Processes, children_of

STEPS: Final = ("join", "roster", "share", "partial", "echo", "open")


@dataclass(frozen=True)
class Launch:
    """One run.

    Args:
        kind: "launcher killed", "launcher interrupted", or "forking process killed".
        seed: All is drawn from this alone.
        peers: How many.
        options: Of the swarm.
        step: What some peer has reached when it is struck; a swarm may be done then.
        delay: Seconds after that.
        stops: Whether a peer is stopped at that moment, and so cannot end by itself.
        number: With which it is interrupted.
    """

    kind: str
    seed: int
    peers: int
    options: str
    step: str
    delay: float
    stops: bool
    number: signal.Signals

    @classmethod
    def draw(cls, seed: int, kind: str) -> Launch:
        """Draw a run."""
        random = Random(seed)
        peers = random.randint(3, 12)
        step = random.choice(STEPS)
        options = f"--length {random.choice((1, 100, 20000))}"
        # Where one peer is killed the others wait for it, and do not end by themselves.
        if step in ("join", "share", "partial") and random.random() < 0.7:
            options += f" --kill {peers}@{step}"
        number = random.choice((signal.SIGINT, signal.SIGTERM))
        delay = min(random.expovariate(10.0), 1.0)
        stops = kind == "launcher killed" and random.random() < 0.5
        return cls(kind, seed, peers, options, step, delay, stops, number)

    @property
    def named(self) -> str:
        """What was drawn, for people."""
        return f"{self.peers} peers, {self.options}, at {self.step}{', one stopped' * self.stops}"

    def play(self, processes: Processes) -> tuple[Ended, int, list[int], bool]:
        """Return how the launcher ended, how many it had started, what was left, whether it was struck."""
        swarm = processes.swarm(f"{self.peers} {self.options} --json")
        swarm.line(rf"\b{self.step} +\d+ of {self.peers} ")
        time.sleep(self.delay)
        zygotes = children_of(swarm.process.pid)
        children = [child for zygote in zygotes for child in children_of(zygote)]
        is_struck = bool(children) and swarm.process.poll() is None
        if is_struck:
            self._strike(swarm.process.pid, zygotes[0], children[0])
        ended = swarm.end(SLACK_SECONDS)
        return ended, len(children), still_there({swarm.process.pid}), is_struck

    def _strike(self, launcher: int, zygote: int, child: int) -> None:
        if self.stops:
            _signal(child, signal.SIGSTOP, launcher)
        if self.kind == "forking process killed":
            _signal(zygote, signal.SIGKILL, launcher)
        elif self.kind == "launcher killed":
            _signal(launcher, signal.SIGKILL, launcher)
        else:
            _signal(launcher, self.number, launcher)

    def wrong(self, ended: Ended, orphans: list[int], *, is_struck: bool) -> list[str]:
        """Return all that is not as it must be."""
        found = []
        codes = {
            "launcher killed": -signal.SIGKILL,
            "launcher interrupted": 128 + self.number,
            "forking process killed": 7,
        }
        # It may have been done a moment before; and a peer that was killed makes it 3.
        allowed = {0, 3, codes[self.kind]} if is_struck else {0, 3}
        if ended.code not in allowed:
            found.append(f"the launcher ended with {ended.code}, and not one of {sorted(allowed)}")
        if ended.has_traceback:
            found.append("a traceback")
        if orphans:
            found.append(f"{len(orphans)} processes were left")
        for line in ended.out.splitlines():
            content = json.loads(line)
            if content["total"] not in (None, content["expected"]):
                found.append("a wrong total")
        return found


def _signal(pid: int, number: signal.Signals, launcher: int) -> None:
    """Signal a process, if it is one of a launcher that was started here."""
    if pid in in_sessions({launcher}):
        os.kill(pid, number)
