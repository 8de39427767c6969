"""The whole measurement, as a table and as JSON.

    python -m bench                      the table and the goals; some minutes
    python -m bench --growth             how cost grows, as plots in docs/
    python -m bench --small              seconds, only to show that it runs

    --json FILE  writes everything measured   --runs N       medians of N runs
    --shape 10x1000000  only this shape        --seconds S    gives a run up after S seconds
    --plots-from FILE   draws the plots of an earlier --growth again

Run it from the root of the repository, with the extra ``bench`` installed, on a machine that has nothing else
to do: absolute times differ from machine to machine, and busy neighbours distort even ratios. It ends
with 1 if a total was wrong or a run failed, never because a goal was missed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import goals, kernels, machine, plots, tables
from bench.processes import ROOT
from bench.rounds import GROWTH_SHAPES, SHAPES, SMALL_SHAPES, Cell, measure

_KERNEL_LENGTH, _SMALL_KERNEL_LENGTH = 1 << 20, 1 << 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code.
    """
    options = _options(arguments)
    if options.plots_from:
        return _draw_again(options.plots_from, options.plots)
    shapes = SMALL_SHAPES if options.small else GROWTH_SHAPES if options.growth else SHAPES
    if options.shape:
        shapes = {shape: cases for shape, cases in shapes.items() if shape in options.shape}
    content: dict[str, Any] = {"machine": machine.describe()}
    print(machine.as_line(content["machine"]), end="\n\n")
    aes_rate = _measure_kernels(options, content)
    cells: list[Cell] = []
    with TemporaryDirectory(prefix="p2pmpc-bench-") as directory:
        for measured in measure(shapes, options.runs, options.seconds, Path(directory)):
            cells += measured
            print(tables.rounds_table(measured), end="\n\n", flush=True)
            content["rounds"] = [cell.as_json() for cell in cells]
            _write(options.json, content)  # so that an interrupted measurement is not lost
    if options.growth:
        _draw(cells, options.plots)
    else:
        found = goals.reached(cells, aes_rate)
        content["goals"] = [goal.as_json() for goal in found]
        print(tables.goals_table(found))
    _write(options.json, content)
    failed = [cell for cell in cells if cell.failed]
    for cell in failed:
        print(f"({cell.peers}, {cell.length}) {cell.case}: {cell.not_run}", file=sys.stderr)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--small", action="store_true")
    what.add_argument("--growth", action="store_true")
    what.add_argument("--plots-from", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--shape", type=_shape, action="append")
    parser.add_argument("--plots", type=Path, default=ROOT / "docs", help="where plots go")
    options = parser.parse_args(arguments)
    if options.runs is None:
        options.runs = 1 if options.small else 3 if options.growth else 5
    return options


def _shape(text: str) -> tuple[int, int]:
    peers, _, length = text.partition("x")
    return int(peers), int(float(length))


def _measure_kernels(options: argparse.Namespace, content: dict[str, Any]) -> float:
    """Measure and print the inner loops, and return AES-256-CTR in bytes a second."""
    length = _SMALL_KERNEL_LENGTH if options.small else _KERNEL_LENGTH
    figures = kernels.measure(length, 2 if options.small else 15)
    content["kernels"] = figures
    content["aes_rate"] = 4e9 / figures[kernels.AES][1]
    print(tables.kernels_table(figures), end="\n\n", flush=True)
    return float(content["aes_rate"])


def _draw(cells: Sequence[Cell], directory: Path) -> None:
    try:
        made = plots.draw(cells, directory)
    except ImportError:
        print("no plots: matplotlib is not installed (pip install '.[bench]')", file=sys.stderr)
        return
    for path in made:
        print(f"drawn: {path}")


def _draw_again(path: Path, directory: Path) -> int:
    content = json.loads(path.read_text(encoding="utf-8"))
    _draw([Cell.from_json(cell) for cell in content["rounds"]], directory)
    return 0


def _write(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _interrupted(*_: object) -> None:
    """End as by Ctrl-C, in which trio stops what it runs, and processes and files are cleared away."""
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    signal.signal(signal.SIGTERM, _interrupted)
    ended: int | str = "interrupted; the file of --json holds the shapes that were done"
    try:
        ended = main()
    except* KeyboardInterrupt:  # alone, or in a group of exceptions
        pass
    sys.exit(ended)
