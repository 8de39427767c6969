"""The command: many seeds, or one again.

python -m tests.simulator --seeds 50000 [--start S] [--peers N|any] [--real-share 0.02] [--workers 2]
python -m tests.simulator --seed S [--real] [--trace]
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from tests.simulator.campaign import Drawing, spread
from tests.simulator.heap import HeapDriver
from tests.simulator.rows import FRAMES, ROWS, shown
from tests.simulator.scenario import KINDS
from tests.simulator.watch import ViolationError


def main(arguments: Sequence[str]) -> int:
    """Run the command; 1 when an invariant does not hold, or a claimed fault never fired."""
    options = _parser().parse_args(arguments)
    drawing = Drawing(options.peers, options.faults, options.fault, options.real)
    if options.seed is not None:
        return _replay(drawing, options)
    seeds = range(options.start, options.start + options.seeds)
    report = spread(drawing, seeds, workers=options.workers, real_share=options.real_share)
    print("\n".join(report.lines()))
    for failure in report.failures:
        print(f"\nFAILED {failure}")
    claimed = [options.fault] if options.fault else KINDS
    never = [kind for kind in claimed if not report.fired[kind]] if options.faults != 0 else []
    is_narrow = options.fault is not None or options.faults == 0
    unseen = [] if is_narrow else [row.number for row in ROWS if not report.rows[row.number]]
    unseen += (
        [] if is_narrow else [f"frames {what}" for what in FRAMES if not report.happened[what]]
    )
    if never:
        print(f"\nnever fired: {', '.join(never)}")
    if unseen:
        print(f"\nrows that no run showed: {', '.join(unseen)}")
    return 1 if report.failures or never or unseen else 0


def _replay(drawing: Drawing, options: Namespace) -> int:
    scenario = drawing.scenario(options.seed)
    print(scenario.describe())
    driver, failure = HeapDriver(scenario, real=drawing.real), None
    try:
        ends = f"rows: {', '.join(shown(driver.run())) or 'none alone'}"
    except ViolationError as error:
        failure = ends = f"FAILED {error}\n    replay: {drawing.replay_command(options.seed)}"
    if options.trace:
        print(driver.world.trace.text(times=True))
    print(f"fired: {', '.join(driver.world.fired()) or 'nothing'}")
    print(f"exit codes: {driver.world.codes()}\n{ends}")
    if failure:
        print(f"\nfor tests/simulator/kept.py, once it is understood:\n    {scenario!r}")
    return 1 if failure else 0


def _peers(text: str) -> int | None:
    return None if text == "any" else int(text)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", type=int, help="how many seeds to run")
    what.add_argument("--seed", type=int, help="the one seed to run again")
    parser.add_argument("--start", type=int, default=0, help="the first of many seeds")
    parser.add_argument("--peers", type=_peers, default=5, help="always so many peers, or any")
    parser.add_argument("--faults", type=int, help="always so many faults")
    parser.add_argument("--fault", choices=KINDS, help="no other kind of fault")
    parser.add_argument("--workers", type=int, default=2, help="how many processes")
    parser.add_argument(
        "--real-share",
        type=float,
        default=0.02,
        help="the part of many seeds with real cryptography",
    )
    parser.add_argument("--real", action="store_true", help="with real cryptography")
    parser.add_argument("--trace", action="store_true", help="show what happened")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
