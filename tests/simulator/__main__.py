"""The command: many seeds, or one again.

python -m tests.simulator --seeds 2000 [--start S] [--real]
python -m tests.simulator --seed S [--real] [--trace]
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from tests.simulator.campaign import Drawing, campaign
from tests.simulator.heap import HeapDriver
from tests.simulator.scenario import KINDS
from tests.simulator.watch import ViolationError


def main(arguments: Sequence[str]) -> int:
    """Run the command; 1 when an invariant does not hold, or a claimed fault never fired."""
    options = _parser().parse_args(arguments)
    drawing = Drawing(options.peers, options.faults, options.fault, options.real)
    if options.seed is not None:
        return _replay(drawing, options)
    report = campaign(drawing, range(options.start, options.start + options.seeds))
    print("\n".join(report.lines()))
    for failure in report.failures:
        print(f"\nFAILED {failure}")
    claimed = [options.fault] if options.fault else KINDS
    never = [kind for kind in claimed if not report.fired[kind]] if options.faults != 0 else []
    if never:
        print(f"\nnever fired: {', '.join(never)}")
    return 1 if report.failures or never else 0


def _replay(drawing: Drawing, options: Namespace) -> int:
    scenario = drawing.scenario(options.seed)
    print(scenario.describe())
    driver = HeapDriver(scenario, real=drawing.real)
    try:
        driver.run()
    except ViolationError as error:
        failure = f"\nFAILED {error}\n    replay: {drawing.replay_command(options.seed)}"
    else:
        failure = ""
    if options.trace:
        print(driver.world.trace.text(times=True))
    print(f"fired: {', '.join(driver.world.fired()) or 'nothing'}")
    print(f"exit codes: {driver.world.codes()}{failure}")
    if failure:
        print(f"\nfor tests/simulator/kept.py, once it is understood:\n    {scenario!r}")
    return 1 if failure else 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", type=int, help="how many seeds to run")
    what.add_argument("--seed", type=int, help="the one seed to run again")
    parser.add_argument("--start", type=int, default=0, help="the first of many seeds")
    parser.add_argument("--peers", type=int, help="always so many peers")
    parser.add_argument("--faults", type=int, help="always so many faults")
    parser.add_argument("--fault", choices=KINDS, help="no other kind of fault")
    parser.add_argument("--real", action="store_true", help="with real cryptography")
    parser.add_argument("--trace", action="store_true", help="show what happened")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
