"""How cost grows, as two small SVG files: with the number of peers, and with the length.

Points are medians as measured and lines only join them; nothing is fitted. Both axes are logarithmic, so
that a slope of 1 is proportional and a slope of 2 is quadratic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.rounds import Cell

_COLOURS: Final = ("#1f5fa8", "#c2571a")
_PANELS: Final = (
    ("wall", 1.0, "wall time of a round, s"),
    ("cpu", 1.0, "CPU time a peer, s"),
    ("memory", 1e6, "peak memory a peer beyond the imports, MB"),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a plot.

    Args:
        label: Stands at its end.
        belongs: Which cells are its points.
    """

    label: str
    belongs: Callable[[Cell], bool]


_BY_PEERS: Final = (
    _Line("1 element", lambda cell: cell.length == 1),
    _Line("100,000", lambda cell: cell.length == 100_000),
)
_BY_LENGTH: Final = (
    _Line("3 peers", lambda cell: cell.peers == 3),
    _Line("10 peers", lambda cell: cell.peers == 10),
)


def draw(cells: Sequence[Cell], directory: Path) -> list[Path]:
    """Draw both plots.

    Args:
        cells: Of GROWTH_SHAPES.
        directory: Where to.

    Returns:
        The files.
    """
    made = directory / "growth-peers.svg", directory / "growth-length.svg"
    _draw(cells, _BY_PEERS, "peers", "peers", made[0])
    _draw(cells, _BY_LENGTH, "length", "elements of the vector", made[1])
    return list(made)


def _draw(
    cells: Sequence[Cell], lines: Sequence[_Line], across: str, title: str, path: Path
) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - of the bench extra, and slow to import

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - likewise

    settings = {"svg.fonttype": "none", "svg.hashsalt": "p2pmpc", "font.size": 9.0}
    with mpl.rc_context(settings):
        figure, axes = plt.subplots(1, len(_PANELS), figsize=(10.5, 3.4), layout="constrained")
        for axis, (attribute, unit, label) in zip(axes, _PANELS, strict=True):
            for colour, line in zip(_COLOURS, lines, strict=True):
                points = sorted(
                    (float(getattr(cell, across)), (cell.median(attribute) or 0.0) / unit)
                    for cell in cells
                    if cell.runs and line.belongs(cell)
                )
                _plot(axis, points, line.label, colour, beside=across == "peers")
            _dress(axis, title, label, [float(getattr(cell, across)) for cell in cells])
        # No date, version or random identifier: the same figures give the same file.
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _plot(
    axis: Any, points: Sequence[tuple[float, float]], label: str, colour: str, *, beside: bool
) -> None:
    if not points:
        return
    across, up = zip(*points, strict=True)
    axis.plot(across, up, color=colour, marker="o", markersize=3.5, linewidth=1.2)
    # Where lines run side by side the label follows the last point; where they are steep it stands above.
    offset, align = ((6, -3), "left") if beside else ((-4, 5), "right")
    axis.annotate(
        label, points[-1], xytext=offset, textcoords="offset points", ha=align, color=colour
    )


def _dress(axis: Any, title: str, label: str, across: Sequence[float]) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.margins(x=0.06, y=0.12)
    axis.set_xlabel(title)
    axis.set_title(label, fontsize=9, loc="left")
    if max(across, default=1.0) < 1000:  # so few decades that the points themselves are the ticks
        ticks = sorted(set(across))
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_xlim(right=ticks[-1] * (ticks[-1] / ticks[0]) ** 0.35)  # room for labels
    axis.minorticks_off()  # most of a file would be these
    axis.yaxis.set_major_formatter(lambda value, _: _number(value))
    if max(across, default=1.0) >= 1000:
        axis.xaxis.set_major_formatter(lambda value, _: _number(value))
    axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _number(value: float) -> str:
    """Return a power of ten as people write it: 0.01, 100, 10k, 1M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
