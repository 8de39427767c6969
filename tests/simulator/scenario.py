"""What one seed draws: who takes part with which input, the pace of every link, and the faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from p2pmpc.encoding import automatic_bound
from p2pmpc.product import FIELDS
from p2pmpc.weights import opening_threshold

HARMLESS: Final = (
    "repeated",
    "short cut",
    "stall",
    "abrupt close",
    "flapping",
    "healing partition",
    "late stage",
)
"""Whatever of these happens, and nothing else: everybody ends with the total."""

CRASHES: Final = (
    "crash",
    "lossy crash",
    "silent crash",
    "crash in ECHO",
    "crash in OPEN",
    "mass crash",
)
"""The culprit dies; they differ in when, in what still arrives, and in whether anybody notices."""

RESTARTS: Final = ("quick restart", "late restart")
"""The culprit is killed and comes back: before the others give it up, or whenever it is."""

BENIGN: Final = (
    *HARMLESS,
    *CRASHES,
    *RESTARTS,
    "pause",
    "long cut",
    "partition",
    "lasting partition",
    "slow link",
    "interrupt",
    "refusal",
    "failed record",
)
"""No peer is dishonest: nobody may be accused of anything."""

MALICIOUS: Final = (
    "equivocation in ACCEPT",
    "equivocation in COMMITMENT",
    "equivocation in PARTIAL",
    "equivocation in ECHO",
    "equivocation in OPEN",
    "equivocation in CONFIRM",
    "contradiction",
    "two signatures",
    "early OPEN",
    "early UNMASK",
    "misplaced",
    "wrong mask seed",
    "wrong mask",
    "wrong UNMASK",
    "needless UNMASK",
    "forged signature",
    "forged name",
    "forged body",
    "another session",
    "another round",
    "reflection",
    "misdirected share",
    "wrong share",
    "uncommitted share",
    "other share",
    "wrong element",
    "wrong length",
    "wrong sum",
    "shifted sum",
    "made-up echo",
    "withheld kind",
    "silence",
    "false ABORT",
    "false evidence",
    "junk",
    "other parameters",
    "other story",
    "equivocation in SLICE_SUM",
    "contradiction in pieces",
    "misdirected slice",
    "missing piece",
    "reordered pieces",
    "wrong slice sum",
    "shifted slice sum",
    "listed otherwise",
)
"""The culprit is dishonest, and held to no rule."""

IN_SLICES: Final = frozenset(MALICIOUS[MALICIOUS.index("equivocation in SLICE_SUM") :])
"""These are of pieces, or of sums of slices: a scenario with one of them is in sharded mode."""

KINDS: Final = (*BENIGN, *MALICIOUS)

FOR_EVER: Final = 1e6
"""Seconds that no run lasts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with all that is drawn about it.

    Args:
        kind: One of KINDS.
        culprit: Whose.
        other: Another peer that it concerns.
        victims: To whom, where only some are meant.
        moment: When: after so many events at the culprit, or messages from it.
        seconds: How long.
        variant: Any number; what it chooses is up to the kind.
    """

    kind: str
    culprit: int
    other: int
    victims: tuple[int, ...]
    moment: int
    seconds: float
    variant: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a run depends on.

    Args:
        seed: What it was drawn from; entropy and delays follow from it as well.
        weights: One a peer.
        values: One row a peer.
        strict: No b-shares.
        share_mode: ``seeds`` or ``dense``.
        field: ``m31`` or ``m61``.
        spread: Seconds by which the delay of a message varies.
        biases: Seconds that single links, from sender to receiver, take longer.
        faults: In the order in which they were drawn.
        dishonest: The peers that are held to no rule.
        sum_mode: ``broadcast`` or ``sharded``.
    """

    seed: int
    weights: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]
    strict: bool
    share_mode: str
    field: str
    spread: float
    biases: dict[tuple[int, int], float]
    faults: tuple[Fault, ...]
    dishonest: frozenset[int]
    sum_mode: str = "broadcast"

    @property
    def peers(self) -> int:
        """How many take part."""
        return len(self.weights)

    @property
    def indices(self) -> range:
        """All roster indices."""
        return range(1, self.peers + 1)

    @property
    def contributors(self) -> tuple[int, ...]:
        """The roster indices of those whose inputs are summed; the others observe."""
        return tuple(index for index, weight in enumerate(self.weights, start=1) if weight)

    @property
    def plain_total(self) -> list[int]:
        """The total of all inputs, in plain integers."""
        return [
            sum(w * v for w, v in zip(self.weights, column, strict=True))
            for column in zip(*self.values, strict=True)
        ]

    def describe(self) -> str:
        """Return the lines that say what is special about this run."""
        mode = (
            f"{'strict, ' if self.strict else ''}{self.share_mode}, {self.sum_mode}, {self.field}"
        )
        lines = [f"seed {self.seed}: {self.peers} peers, weights {self.weights}, {mode}"]
        lines += [f"  {fault}" for fault in self.faults]
        return "\n".join(lines)


def draw(
    seed: int, *, peers: int | None = None, faults: int | None = None, only: str | None = None
) -> Scenario:
    """Draw a scenario.

    Args:
        seed: Any integer; the same one and the same options give the same scenario.
        peers: How many; drawn when None.
        faults: How many; drawn when None.
        only: The one kind of fault to draw.
    """
    random = Random(seed)
    count = peers or random.choice((2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 7))
    field = random.choice(("m31", "m31", "m31", "m61"))
    weights = _weights(random, count)
    limit = min(1000, automatic_bound(FIELDS[field], [w for w in weights if w]))
    sharded = random.random() < 0.3
    length = random.choice((1, 2, 3))
    longer = random.choice((0, 3, 7))
    wanted = random.choice((0, 1, 1, 1, 1, 2, 2, 3)) if faults is None else faults
    drawn = _faults(random, weights, wanted, only)
    sharded = sharded or any(fault.kind in IN_SLICES for fault in drawn)
    length += longer * sharded
    values = tuple(tuple(random.randint(-limit, limit) for _ in range(length)) for _ in weights)
    return Scenario(
        seed=seed,
        weights=weights,
        values=values,
        strict=random.random() < 0.25,
        share_mode=random.choice(("seeds", "seeds", "dense")),
        field=field,
        spread=random.choice((0.001, 0.05, 1.0)),
        biases=_biases(random, count),
        faults=drawn,
        dishonest=frozenset(f.culprit for f in drawn if f.kind in MALICIOUS),
        sum_mode="sharded" if sharded else "broadcast",
    )


def _weights(random: Random, peers: int) -> tuple[int, ...]:
    """Draw weights; in some runs a few peers have none and observe, and at least two contribute."""
    weights = [_weight(random) for _ in range(peers)]
    if peers > 2 and random.random() < 0.25:
        for index in random.sample(range(peers), random.randint(1, min(2, peers - 2))):
            weights[index] = 0
    return tuple(weights)


def _weight(random: Random) -> int:
    largest = random.choice((1, 9, 9, 9, 50_000))
    return random.choice((-1, 1)) * random.randint(1, largest)


def _biases(random: Random, peers: int) -> dict[tuple[int, int], float]:
    if random.random() < 0.5:
        return {}
    links = [(i, j) for i in range(1, peers + 1) for j in range(1, peers + 1) if i != j]
    return {link: 2 * random.random() for link in random.sample(links, random.randint(1, peers))}


def _faults(
    random: Random, weights: tuple[int, ...], wanted: int, only: str | None
) -> tuple[Fault, ...]:
    """Draw faults: fewer dishonest peers than the threshold, which is all that is promised for."""
    peers, threshold = len(weights), opening_threshold(sum(map(bool, weights)))
    drawn: list[Fault] = []
    dishonest: set[int] = set()
    while len(drawn) < wanted:
        fault = _fault(random, peers, only)
        if fault.kind == "shifted slice sum":  # the checksum is in the hands of the last owner
            last = max(index for index, weight in enumerate(weights, start=1) if weight)
            fault = _fault(random, peers, fault.kind, culprit=last)
        if fault.kind in MALICIOUS:
            if len(dishonest | {fault.culprit}) >= threshold:
                fault = _fault(random, peers, only, culprit=min(dishonest))
            dishonest.add(fault.culprit)
        drawn += [fault, *_with(random, peers, fault)]
    return tuple(drawn)


def _with(random: Random, peers: int, fault: Fault) -> list[Fault]:
    """Return what comes with a fault: the others that die as well, or the restart it waits for."""
    match fault.kind:
        case "mass crash":
            together = random.random() < 0.5
            others = [_fault(random, peers, fault.kind, culprit=v) for v in fault.victims[:-1]]
            return [replace(o, moment=fault.moment) if together else o for o in others]
        case "other story":
            return [_fault(random, peers, "quick restart", culprit=fault.other)]
        case _:
            return []


def _fault(random: Random, peers: int, only: str | None, culprit: int | None = None) -> Fault:
    kind = only or random.choice(MALICIOUS if culprit else KINDS)
    culprit = culprit or random.randint(1, peers)
    others = [index for index in range(1, peers + 1) if index != culprit]
    steps = 7 * len(others)
    seconds = {
        "short cut": random.uniform(0.05, 2.5),
        "stall": random.uniform(0.5, 5.0),
        "long cut": random.uniform(2.5, 30.0),
        "partition": random.uniform(0.5, 30.0),
        "slow link": random.uniform(2.0, 90.0),
        "pause": random.choice((1.0, 10.0, 90.0)) * random.uniform(0.5, 1.5),
        "flapping": random.uniform(0.05, 1.0),
        "healing partition": random.uniform(0.05, 2.5),
        "lasting partition": FOR_EVER,
        "late stage": random.uniform(1.0, 15.0),
        "quick restart": random.uniform(0.05, 2.0),
        "late restart": random.choice((4.0, 20.0, 90.0)) * random.uniform(0.5, 1.5),
    }
    return Fault(
        kind=kind,
        culprit=culprit,
        other=random.choice(others),
        victims=tuple(sorted(random.sample(others, random.randint(1, len(others))))),
        moment=random.randrange(steps),
        seconds=seconds.get(kind, 0.0),
        variant=random.randrange(1 << 16),
    )
