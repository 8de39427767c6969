"""The goals, as ratios between things that were measured in one run on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.rounds import Cell

AES_GOAL: Final = 0.10
"""CPU seconds a peer at (10, 1e6), on a core that expands AES-256-CTR at AES_RATE."""
AES_RATE: Final = 8e9
"""Bytes a second."""

Cells = Mapping[tuple[str, int, int], Cell]
"""By case, peers and elements."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Something to stay below.

    Args:
        name: What is held against what.
        limit: The goal.
        measured: Of medians; None where something that it needs was not run.
        best: Of the best runs.
        unit: Of both; a ratio has none.
    """

    name: str
    limit: float
    measured: float | None
    best: float | None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Whether it is reached, or by how much it is missed."""
        if self.measured is None:
            return "not measured"
        if self.measured <= self.limit:
            return "reached"
        return f"missed by a factor of {self.measured / self.limit:.2f}"

    def shown(self, value: float | None) -> str:
        """Return a value as the table holds it: small ratios as fractions of one."""
        if value is None:
            return "-"
        if not self.unit and 0 < value < 0.1:
            return f"1/{1 / value:.0f}"
        return f"{value:.3g}{self.unit}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class _Ratio:
    """One case against another at the same shape.

    Args:
        name: For people.
        limit: The goal.
        attribute: Of a run.
        case: A key of CASES.
        other: What it is divided by.
        shape: Peers and elements.
    """

    name: str
    limit: float
    attribute: str
    case: str
    other: str
    shape: tuple[int, int]

    def goal(self, cells: Cells) -> Goal:
        """Return the goal with what was measured."""
        above, below = (cells.get((case, *self.shape)) for case in (self.case, self.other))
        if above is None or below is None or not above.runs or not below.runs:
            return Goal(self.name, self.limit, None, None)
        # The medians of both, and the best of both; their difference says how far to trust either.
        median, best = (
            pick(above.values(self.attribute)) / pick(below.values(self.attribute))
            for pick in (statistics.median, min)
        )
        return Goal(self.name, self.limit, median, best)


_LARGE: Final = (10, 1_000_000)
_SHARDED: Final = "p2pmpc, sharded"
_PLAIN: Final = "plain all-reduce"
_RATIOS: Final = (
    _Ratio("(10, 1e6) sharded: wall / plain all-reduce", 2.0, "wall", _SHARDED, _PLAIN, _LARGE),
    _Ratio("(10, 1e6) sharded: bytes / plain all-reduce", 1.02, "sent", _SHARDED, _PLAIN, _LARGE),
    _Ratio("(10, 1e5): wall / MPyC", 1 / 60, "wall", "p2pmpc", "MPyC", (10, 100_000)),
    _Ratio("(3, 1e6): wall / MPyC", 1 / 40, "wall", "p2pmpc", "MPyC", (3, 1_000_000)),
    _Ratio(
        "(10, 1e6): wall, broadcast / sharded", 2.6, "wall", "p2pmpc, broadcast", _SHARDED, _LARGE
    ),
    _Ratio("(10, 1): wall / bare exchange", 2.5, "wall", "p2pmpc", "bare exchange", (10, 1)),
    _Ratio(
        "(10, 1e6) sharded: wall, m61 / m31", 2.6, "wall", "p2pmpc, sharded, m61", _SHARDED, _LARGE
    ),
)


def reached(cells: Sequence[Cell], aes_rate: float) -> list[Goal]:
    """Return every goal with what was measured.

    Args:
        cells: The table.
        aes_rate: Bytes a second of AES-256-CTR on one core.
    """
    found = {(cell.case, cell.peers, cell.length): cell for cell in cells}
    cpu = f"(10, 1e6) sharded: CPU a peer, with AES at {aes_rate / 1e9:.1f} GB/s"
    memory = "(10, 1e7) sharded: peak memory a peer beyond the imports"
    return [
        *(ratio.goal(found) for ratio in _RATIOS),
        _absolute(cpu, AES_GOAL * AES_RATE / aes_rate, found.get((_SHARDED, *_LARGE)), "cpu", " s"),
        _absolute(memory, 200.0, found.get((_SHARDED, 10, 10_000_000)), "memory", " MB"),
    ]


def _absolute(name: str, limit: float, cell: Cell | None, attribute: str, unit: str) -> Goal:
    if cell is None or not cell.runs:
        return Goal(name, limit, None, None, unit)
    scale = 1e6 if unit == " MB" else 1.0
    values = [value / scale for value in cell.values(attribute)]
    return Goal(name, limit, statistics.median(values), min(values), unit)
