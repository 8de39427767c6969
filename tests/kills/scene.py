"""Real nodes of one sum: started, struck, started again, and what they leave behind."""

from __future__ import annotations

import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.drawn import MOMENTS, NAMES, Case
from tests.processes import Ended, Processes, Running, all_processes, wait_for

SLACK_SECONDS = 30.0
"""What a process may take beyond what it is promised to, on a busy machine: to start, to compute, to end."""
ORPHAN_SECONDS = 5.0


@dataclass
class Played:
    """How a run ended.

    Args:
        case: The run.
        lives: By peer, every process that was this peer, in order.
        fates: By peer, what was done to it; see :mod:`tests.kills.judge`.
        directory: Where logs and state are.
        orphans: Processes that were left.
    """

    case: Case
    lives: list[list[Ended]]
    fates: list[str]
    directory: Path
    orphans: list[int] = field(default_factory=list)

    def log_dir(self, peer: int) -> Path:
        """Return where a peer logs."""
        return self.directory / NAMES[peer]

    def state_dir(self, peer: int) -> Path:
        """Return where a peer keeps state."""
        return self.directory / f"{NAMES[peer]}.state"


class Scene:
    """The processes of one run.

    Args:
        case: What is summed, and by whom.
        processes: Starts them, and ends what is left.
    """

    def __init__(self, case: Case, processes: Processes) -> None:
        self.case = case
        self.processes = processes
        self.lives: list[list[Running]] = [[] for _ in NAMES[: case.sum.count]]
        self.fates = ["untouched"] * case.sum.count
        self._where: list[str] = []
        for peer, rows in enumerate(case.sum.values):
            self._write(self._input(peer), rows)

    def _input(self, peer: int) -> Path:
        return self.processes.cwd / f"{NAMES[peer]}.txt"

    def _write(self, path: Path, rows: tuple[tuple[int, ...], ...]) -> None:
        path.write_text("".join(f"{value}\n" for row in rows for value in row))

    # -- starting ---------------------------------------------------------------------------

    def begin(self, stops: str = "", hold: str = "") -> None:
        """Start everybody.

        Args:
            stops: Where the victims stop themselves, as for :mod:`tests.stopping`.
            hold: The same, for when all that they said before is to have left.
        """
        count = self.case.sum.count
        for peer in range(count):
            words = ["--name", NAMES[peer], "--log-dir", NAMES[peer]]
            words += [*self.case.times.words]
            if peer == 0:
                words += ["--listen", "127.0.0.1:0", "--peers", str(count), *self.case.sum.options]
            is_struck = peer in self.case.victims and bool(stops or hold)
            if is_struck and hold:
                words += ["--hold", hold]
            self._start(peer, [*words, *self._where], (stops or "none") if is_struck else "")
            if peer == 0:
                founder = self.lives[0][0]
                self._where = ["--bootstrap", founder.line(r"--bootstrap (\S+)$")[1]]

    def resume(self, peer: int, *, stops: str = "", changed: bool = False) -> Running:
        """Start a peer that was killed again.

        Args:
            peer: Which.
            stops: Where it stops itself this time.
            changed: Whether it brings another input than before.
        """
        words = ["--resume", "--name", NAMES[peer], *self.case.times.words]
        return self._start(peer, words, stops, changed=changed)

    def _start(self, peer: int, words: list[str], stops: str, *, changed: bool = False) -> Running:
        given = [*words, "--state-dir", f"{NAMES[peer]}.state", "--json"]
        if self.case.sum.has_keys:
            given += ["--key", f"{NAMES[peer]}.pem"]
        path = self._input(peer)
        if changed:
            path = path.with_suffix(".changed")
            rows = self.case.sum.values[peer]
            self._write(path, tuple((row[0] + 1, *row[1:]) for row in rows))
        if self.case.sum.weights[peer]:
            given += ["--input", str(path)]
        program = ["tests.stopping", stops] if stops else ["p2pmpc.node"]
        command = (sys.executable, "-m", *program, *given)
        running = self.processes.start(*command, P2PMPC_WEIGHT=str(self.case.sum.weights[peer]))
        self.lives[peer].append(running)
        return running

    # -- striking ---------------------------------------------------------------------------

    def now(self, peer: int) -> Running:
        """Return the process that is a peer now."""
        return self.lives[peer][-1]

    def kill(self, peer: int) -> None:
        """Kill a peer's process, unless it has ended."""
        running = self.now(peer)
        running.signal(signal.SIGKILL)
        if running.process.wait(SLACK_SECONDS) == -signal.SIGKILL:
            self.fates[peer] = "dead"

    def stands_still(self, peer: int) -> bool:
        """Return whether a peer is stopped now."""
        running = self.now(peer)
        assert running.process.poll() is None, f"it ended before it was stopped:\n{running.err}"
        return running.proc("stat").rpartition(b")")[2].split()[0] == b"T"

    def await_moment(self, peer: int) -> bool:
        """Wait for the drawn moment of a peer; return whether it still runs then."""
        self.now(peer).line(MOMENTS[self.case.steps[0]])
        time.sleep(self.case.delay)
        return self.now(peer).process.poll() is None

    def kept(self, peer: int) -> bool:
        """Return whether a peer that was killed has left something to go on with."""
        folder = self.processes.cwd / f"{NAMES[peer]}.state"
        return any(folder.glob("*.state"))

    def has_returned(self, peer: int) -> bool:
        """Return whether somebody has told that a peer is connected again."""
        said = rf"^\.\.\. {NAMES[peer]} \(\w+\) is connected again$"
        return any(
            re.search(said, lives[-1].err, re.MULTILINE)
            for other, lives in enumerate(self.lives)
            if other != peer
        )

    def end(self, *, but: tuple[int, ...] = ()) -> None:
        """Wait for the end of all processes but some, for as long as they are promised to take."""
        times, rounds = self.case.times, self.case.sum.rounds
        patience = times.timeout * min(rounds, 2)
        if self.case.is_before_the_roster:
            patience += times.join
        deadline = time.monotonic() + patience + SLACK_SECONDS
        for peer, lives in enumerate(self.lives):
            if peer not in but:
                lives[-1].end(max(deadline - time.monotonic(), 1.0))

    def played(self) -> Played:
        """Return how all ended; what is left of processes is counted."""
        lives = [[life.end(SLACK_SECONDS) for life in peer] for peer in self.lives]
        sessions = {life.process.pid for peer in self.lives for life in peer}
        left = still_there(sessions)
        return Played(self.case, lives, self.fates, self.processes.cwd, left)


def in_sessions(sessions: set[int]) -> list[int]:
    """Return the processes that run in some of these sessions, as the system counts them."""
    running = (process for process in all_processes() if process[1] not in "ZX")
    return [pid for pid, _, _, session in running if session in sessions]


def still_there(sessions: set[int]) -> list[int]:
    """Return what is left of these sessions after the time in which nothing may be."""
    try:
        wait_for(lambda: not in_sessions(sessions), ORPHAN_SECONDS)
    except AssertionError:
        return in_sessions(sessions)
    return []
