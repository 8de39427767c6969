"""The tables that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.goals import Goal
from bench.kernels import GOALS
from bench.rounds import Cell

_BASELINES = ("plain all-reduce", "bare exchange")
_HEAD = (
    f"{'':<24}{'wall s':>9}{'best-worst':>17}{'skew s':>9}{'runs':>5}{'CPU s':>9}{'MB sent':>11}"
    f"{'peak MB':>9}{'wall / plain':>14}"
)


def kernels_table(figures: Mapping[str, tuple[float, float]]) -> str:
    """Return nanoseconds an element; the goals of the inner loops stand beside them."""
    lines = [f"{'ns an element':<32}{'median':>8}{'best':>8}{'goal':>8}"]
    for name, (median, best) in figures.items():
        goal = f"{GOALS[name]:.1f}" if name in GOALS else ""
        lines.append(f"{name:<32}{median:>8.2f}{best:>8.2f}{goal:>8}")
    return "\n".join(lines)


def rounds_table(cells: Sequence[Cell]) -> str:
    """Return the cells of one shape: medians, the spread of the wall time, and the ratio.

    The skew is how much later the last peer starts than the first; it is part of the wall time.
    """
    first = cells[0]
    lines = [f"{first.peers} peers, {first.length:,} elements", _HEAD]
    baseline = next(
        (cell.median("wall") for cell in cells if cell.case in _BASELINES and cell.runs), None
    )
    for cell in cells:
        lines.append(_row(cell, baseline))
        if cell.runs and cell.not_run:
            lines.append(f"{'':<26}then {cell.not_run}")
    return "\n".join(lines)


def _row(cell: Cell, baseline: float | None) -> str:
    if not cell.runs:
        return f"{cell.case:<24}  not run: {cell.not_run}"
    walls = cell.values("wall")
    wall, skew, cpu, sent, memory = (
        cell.median(name) or 0.0 for name in ("wall", "skew", "cpu", "sent", "memory")
    )
    spread = f"{min(walls):.4f}-{max(walls):.4f}"
    against = f"{wall / baseline:.2f}" if baseline else ""
    return (
        f"{cell.case:<24}{wall:>9.4f}{spread:>17}{skew:>9.4f}{len(walls):>5}{cpu:>9.4f}{sent / 1e6:>11.4g}"
        f"{memory / 1e6:>9.4g}{against:>14}"
    )


def goals_table(goals: Sequence[Goal]) -> str:
    """Return a line a goal."""
    lines = [f"{'':<58}{'measured':>10}{'of bests':>10}{'goal':>10}"]
    for goal in goals:
        shown = (goal.shown(value) for value in (goal.measured, goal.best, goal.limit))
        columns = "".join(f"{text:>10}" for text in shown)
        lines.append(f"{goal.name:<58}{columns}  {goal.verdict}")
    return "\n".join(lines)
