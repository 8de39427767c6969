"""A session of real processes in the middle of a flood: who gets in, how fast, and at what price.

    python -m tests.flood [--connections 10000] [--rate 2000] [--kinds idle,slow,...]

Three nodes on loopback form a session and sum several rounds while so many connections of strangers
(:mod:`tests.strangers`) are held open at the founder, and opened anew as fast as the rate says. Prints
what came, how long the joins and the rounds took, the largest memory and log of the founder, and
ends with 1 if a limit of row 23 is passed: a join takes 2 s, the memory reaches 200 MiB, or a total is
wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import Processes, Running
from tests.strangers import KINDS

MOST_JOIN_SECONDS = 2.0
MOST_MEMORY = 200 << 20
_PATIENCE = 300.0


@dataclass
class Measured:
    """What a flood came to.

    Args:
        came: Connections of strangers by kind.
        not_let_in: Connections that the system itself refused.
        joins: Seconds from a joiner's first step to its place at the founder.
        session: Seconds from the last join to the last total.
        memory: The founder's largest, in bytes.
        log: Bytes of its log.
        refused: Lines of refusals in it.
        codes: How the nodes ended.
        totals: What each of them printed.
    """

    came: dict[str, int] = field(default_factory=dict)
    not_let_in: int = 0
    joins: list[float] = field(default_factory=list)
    session: float = 0.0
    memory: int = 0
    log: int = 0
    refused: int = 0
    codes: list[int] = field(default_factory=list)
    totals: list[list[int]] = field(default_factory=list)

    def faults(self, rounds: int) -> list[str]:
        """Return what is not as row 23 wants it."""
        told = []
        if self.codes != [0, 0, 0] or self.totals != [[6] * rounds] * 3:
            told.append(f"codes {self.codes}, totals {self.totals}")
        if max(self.joins) >= MOST_JOIN_SECONDS:
            told.append(f"a join took {max(self.joins):.2f} s")
        if self.memory >= MOST_MEMORY:
            told.append(f"the founder took {self.memory >> 20} MiB")
        return told


@contextmanager
def crowd(
    processes: Processes, address: str, count: int, rate: float, kinds: Sequence[str]
) -> Iterator[tuple[Running, Measured]]:
    """Keep strangers at an address for the length of the block, and count them at its end."""
    measured = Measured()
    strangers = processes.start(
        *(sys.executable, "-m", "tests.strangers", address, "--count", str(count)),
        *("--rate", str(rate), "--kinds", ",".join(kinds)),
        stdin=b"",
    )
    yield strangers, measured
    assert strangers.process.stdin is not None
    strangers.process.stdin.close()
    told = json.loads(strangers.end().out.splitlines()[-1])
    measured.came, measured.not_let_in = told["came"], told["not let in"]


def told_at(running: Running, event: str, *, count: int | None = None) -> float:
    """Wait for an event of a node, and return when it was, on the machine's monotonic clock."""
    wanted = "" if count is None else rf'.*"count": {count}\b'
    told = json.loads(running.line(rf'^{{.*"event": "{event}"{wanted}.*$', _PATIENCE)[0])
    return float(told["at"])


def largest_memory(running: Running) -> int:
    """Return the most memory that a process that still runs has had, in bytes."""
    for line in running.proc("status").decode().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0  # it has just ended, and is not waited for yet


def run(cwd: Path, *, connections: int, rate: float, kinds: Sequence[str], rounds: int) -> Measured:
    """Form a session in a flood, sum in it, and return what was measured."""
    (cwd / "input.txt").write_text("2\n" * rounds)
    line = f"--rounds {rounds} --input input.txt --weight 1 --json --progress json"
    with Processes(cwd) as processes:
        founder = processes.node(f"--listen 127.0.0.1:0 --peers 3 --log-dir founder {line}")
        where = founder.line(r'"bootstrap": "([^"]+)"')[1]
        address = where.partition("#")[0]
        with crowd(processes, address, connections, rate, kinds) as (strangers, measured):
            strangers.line("all came", _PATIENCE, of="out")
            nodes = [founder]
            for count in (2, 3):
                nodes.append(processes.node(f"--bootstrap {where} --log-dir joiner-{count} {line}"))
                joined = told_at(founder, "joined", count=count)
                measured.joins.append(joined - told_at(nodes[-1], "identity"))
            while founder.process.poll() is None:
                measured.memory = max(measured.memory, largest_memory(founder))
                time.sleep(0.02)
            measured.session = told_at(nodes[-1], "finished") - joined
            ended = [node.end(_PATIENCE) for node in nodes]
        measured.codes = [end.code for end in ended]
        measured.totals = [
            [total for told in end.out.splitlines() for total in json.loads(told)["total"]]
            for end in ended
        ]
    (log,) = (cwd / "founder").glob("*.log")
    measured.log = log.stat().st_size
    measured.refused = log.read_text().count('"connection refused"')
    return measured


def report(measured: Measured) -> str:
    """Return what people want to know of a flood."""
    came = ", ".join(f"{count} {kind}" for kind, count in sorted(measured.came.items()))
    joins = " and ".join(f"{seconds:.2f} s" for seconds in measured.joins)
    return "\n".join(
        (
            f"came        {sum(measured.came.values())}: {came}",
            f"not let in  {measured.not_let_in}",
            f"joins       {joins}",
            f"session     {measured.session:.2f} s",
            f"memory      {measured.memory / (1 << 20):.0f} MiB",
            f"log         {measured.log / 1000:.1f} kB, {measured.refused} lines of refusals",
            f"ended       {measured.codes}",
        )
    )


def main() -> int:
    """Run one flood, and say what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.flood", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000, help="held open at a time")
    parser.add_argument("--rate", type=float, default=2000.0, help="new ones a second, at most")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of strangers")
    parser.add_argument("--rounds", type=int, default=50, help="sums in the session")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = run(
            Path(folder),
            connections=options.connections,
            rate=options.rate,
            kinds=options.kinds.split(","),
            rounds=options.rounds,
        )
    faults = measured.faults(options.rounds)
    for text in (report(measured), *(f"FAULT: {fault}" for fault in faults)):
        print(text)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
