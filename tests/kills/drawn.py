"""What one run is: who sums what under which options, and where somebody is struck. All by seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

NAMES: Final = ("ann", "bob", "cid", "dan", "eve", "fay")
STEPS: Final = ("roster", "share", "partial", "echo", "open", "confirm")
OBSERVED: Final = ("roster", "echo", "open", "confirm")
"""The steps of an observer, which neither shares nor sums."""
MOMENTS: Final = {
    "start": r"^this peer is ",
    "roster": r"^\.\.\. signing",
    "share": r"^\.\.\. sharing",
    "echo": r"^\.\.\. comparing",
    "open": r"^\.\.\. opening",
    "confirm": r"^\.\.\. confirming",
}
"""Lines that a peer prints, from which a moment to strike is counted."""


@dataclass(frozen=True)
class Times:
    """Options of all nodes, in seconds.

    Args:
        timeout: As in --timeout.
        reconnect: As in --reconnect.
        heartbeat: As in --heartbeat.
        join: As in --join-timeout.
    """

    timeout: float
    reconnect: float
    heartbeat: float = 1.0
    join: float = 120.0

    @property
    def words(self) -> list[str]:
        """As on the command line."""
        given = {
            "--timeout": self.timeout,
            "--reconnect": self.reconnect,
            "--heartbeat": self.heartbeat,
            "--join-timeout": self.join,
        }
        return [word for name, value in given.items() for word in (name, f"{value:g}")]


AWAIT: Final = Times(timeout=60.0, reconnect=45.0)
"""Where somebody comes back: nobody is given up before, however busy the machine is."""
GIVE_UP: Final = Times(timeout=15.0, reconnect=5.0)
"""Where nobody does: the others shall end soon."""


@dataclass(frozen=True)
class Sum:
    """Who sums what.

    Args:
        weights: One a peer; 0 observes.
        values: By peer, then by round, then by element; empty for an observer.
        options: The founder's, beside the number of peers.
        rounds: How many sums.
        length: Of every vector.
        is_strict: Whether nobody's mask can be opened by others.
        has_keys: Whether every peer has a key file.
    """

    weights: tuple[int, ...]
    values: tuple[tuple[tuple[int, ...], ...], ...]
    options: tuple[str, ...]
    rounds: int
    length: int
    is_strict: bool
    has_keys: bool

    @classmethod
    def draw(cls, random: Random, least: int = 3) -> Sum:
        """Draw one of three to six peers.

        Args:
            random: Draws.
            least: How many contributors there are at least.
        """
        count = random.randint(least, 6)
        observers = random.choice((0, 0, 0, 1, 2)) if count >= least + 2 else 0
        weights = [random.randint(1, 5) for _ in range(count)]
        for index in random.sample(range(count), observers):
            weights[index] = 0
        rounds, length = random.choice((1, 1, 1, 2, 3)), random.choice((1, 1, 4, 1000, 9000))
        is_strict = random.random() < 0.2
        options = ["--length", str(length), "--rounds", str(rounds)]
        options += ["--strict"] if is_strict else []
        options += ["--share-mode", "dense"] if random.random() < 0.3 else []
        options += ["--mode", "sharded"] if random.random() < 0.3 else []
        options += ["--private-weights"] if random.random() < 0.15 else []
        options += ["--field", random.choice(("m31", "m31", "m61", "m31xm61"))]
        values = tuple(
            tuple(tuple(random.randint(-9999, 9999) for _ in range(length)) for _ in range(rounds))
            if weight
            else ()
            for weight in weights
        )
        has_keys = random.random() < 0.3
        return cls(tuple(weights), values, tuple(options), rounds, length, is_strict, has_keys)

    @property
    def count(self) -> int:
        """How many peers there are."""
        return len(self.weights)

    @property
    def contributors(self) -> tuple[int, ...]:
        """Those who bring something."""
        return tuple(k for k, weight in enumerate(self.weights) if weight)

    @property
    def majority(self) -> int:
        """How many contributors can finish without the others."""
        return len(self.contributors) // 2 + 1

    def total(self, number: int) -> list[int]:
        """Return the right total of a round, summed as one would on paper."""
        return [
            sum(self.weights[k] * self.values[k][number][e] for k in self.contributors)
            for e in range(self.length)
        ]


@dataclass(frozen=True)
class Case:
    """One run.

    Args:
        kind: What happens; a key of :data:`tests.kills.faults.KINDS`.
        seed: All is drawn from this alone.
        sum: Who sums what.
        times: Of all nodes.
        victims: Who is struck.
        steps: Where each of them is, for each time.
        round: In which round, from 1.
        delay: Seconds after a line, where it is struck at a moment and not at a step.
    """

    kind: str
    seed: int
    sum: Sum
    times: Times
    victims: tuple[int, ...]
    steps: tuple[str, ...]
    round: int
    delay: float

    @property
    def is_before_the_roster(self) -> bool:
        """Whether somebody is struck before all know who takes part: a founder closes the roster."""
        return self.steps[0] == "start" or (self.steps[0] == "roster" and 0 in self.victims)

    @property
    def named(self) -> str:
        """What was drawn, for people."""
        who = "+".join(
            NAMES[k] + ("" if self.sum.weights[k] else " (observer)") for k in self.victims
        )
        options = [word.removeprefix("--") for word in self.sum.options]
        return (
            f"{self.sum.count} peers, {' '.join(options)}{', keys' * self.sum.has_keys}; "
            f"{who} at {', '.join(self.steps)} of round {self.round}"
        )
