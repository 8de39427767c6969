"""The goals, as ratios between things that were measured in one run on one machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.rounds import Cell

AES_GOAL: Final = 0.10
"""CPU seconds a peer at (10, 1e6), on a core that expands AES-256-CTR at AES_RATE."""
AES_RATE: Final = 8e9
"""Bytes a second."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Something to stay below.

    Args:
        name: What is held against what.
        limit: The goal.
        measured: None where something that it needs was not run.
        unit: Of both; a ratio has none.
    """

    name: str
    limit: float
    measured: float | None
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


class _Figures:
    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = {(cell.case, cell.peers, cell.length): cell for cell in cells}

    def median(self, attribute: str, case: str, peers: int, length: int) -> float | None:
        cell = self._cells.get((case, peers, length))
        return None if cell is None else cell.median(attribute)

    def ratio(self, attribute: str, case: str, other: str, shape: tuple[int, int]) -> float | None:
        """Return the ratio of two medians; None where one is missing."""
        above, below = (self.median(attribute, name, *shape) for name in (case, other))
        return above / below if above is not None and below else None


def reached(cells: Sequence[Cell], aes_rate: float) -> list[Goal]:
    """Return every goal with what was measured.

    Args:
        cells: The table.
        aes_rate: Bytes a second of AES-256-CTR on one core.
    """
    figures = _Figures(cells)
    ratio: Callable[..., float | None] = figures.ratio
    large = (10, 1_000_000)
    sharded, plain = "p2pmpc, sharded", "plain all-reduce"
    memory = figures.median("memory", sharded, 10, 10_000_000)
    return [
        Goal(
            "(10, 1e6) sharded, wall, against the plain all-reduce",
            2.0,
            ratio("wall", sharded, plain, large),
        ),
        Goal(
            "(10, 1e6) sharded, bytes, against the plain all-reduce",
            1.02,
            ratio("sent", sharded, plain, large),
        ),
        Goal(
            f"(10, 1e6) sharded, CPU a peer, scaled to AES at {aes_rate / 1e9:.1f} GB/s",
            AES_GOAL * AES_RATE / aes_rate,
            figures.median("cpu", sharded, *large),
            " s",
        ),
        Goal(
            "(10, 1e5) wall, against MPyC", 1 / 60, ratio("wall", "p2pmpc", "MPyC", (10, 100_000))
        ),
        Goal(
            "(3, 1e6) wall, against MPyC", 1 / 40, ratio("wall", "p2pmpc", "MPyC", (3, 1_000_000))
        ),
        Goal(
            "(10, 1e6) wall, broadcast against sharded",
            2.6,
            ratio("wall", "p2pmpc, broadcast", sharded, large),
        ),
        Goal(
            "(10, 1) wall, against a bare exchange of as many messages",
            2.5,
            ratio("wall", "p2pmpc", "bare exchange", (10, 1)),
        ),
        Goal(
            "(10, 1e6) sharded, wall, m61 against m31",
            2.6,
            ratio("wall", "p2pmpc, sharded, m61", sharded, large),
        ),
        Goal(
            "(10, 1e7) sharded, peak memory a peer beyond the imports",
            200.0,
            None if memory is None else memory / 1e6,
            " MB",
        ),
    ]
