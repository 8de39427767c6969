"""Kills, stops, interrupts and resumes real processes, and holds every ending against the one that is due.

    python -m tests.kills [--runs N] [--seed S] [--jobs N]

Each run draws peers, options, who is struck, how, and where. Ends with 1 if a run does not end as the page
of faults says, or if a kind of fault never struck. `--only KIND` plays one kind.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests.kills.runs import KINDS, TOO_LATE, Result, play


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the runs, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--only", choices=list(KINDS), help="one kind")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    failures: list[Result] = []
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    with ThreadPoolExecutor(options.jobs) as pool:
        seeds = range(options.seed, options.seed + options.runs)
        playing = [pool.submit(play, seed, options.only) for seed in seeds]
        try:
            for done in as_completed(playing):
                result = done.result()
                outcomes[result.kind][result.outcome] += 1
                _tell(result, options.only)
                if result.wrong:
                    failures.append(result)
        finally:  # Ctrl-C: what runs is ended in good order, and nothing more begins
            pool.shutdown(cancel_futures=True)
    _report(outcomes)
    took = time.monotonic() - started
    _say(f"{options.runs - len(failures)} of {options.runs} as they must in {took:.0f} s")
    wanted = [options.only] if options.only else list(KINDS)
    unseen = [name for name in wanted if not _struck(outcomes[name])]
    is_short = options.runs < 4 * len(wanted)
    if unseen:
        _say(f"never struck: {', '.join(unseen)}{' (too few runs to tell)' * is_short}")
    return 1 if failures or (unseen and not is_short) else 0


def _struck(outcomes: Counter[str]) -> int:
    return sum(count for what, count in outcomes.items() if not what.startswith(TOO_LATE))


def _tell(result: Result, only: str | None) -> None:
    what = "; ".join(result.wrong) or result.outcome
    _say(f"seed {result.seed}: {result.kind}: {result.named}: {what}")
    if result.wrong:
        again = f" --only '{only}'" if only else ""
        _say(f"    again: python -m tests.kills --runs 1 --seed {result.seed}{again}")
        _say("".join(f"    | {line}\n" for line in result.shown.splitlines()))


def _report(outcomes: dict[str, Counter[str]]) -> None:
    _say("| row | fault | struck | outcomes |\n|---|---|---|---|")
    for name, kind in KINDS.items():
        told = "; ".join(f"{what}: {count}" for what, count in outcomes[name].most_common())
        _say(f"| {kind} | {name} | {_struck(outcomes[name])} | {told} |")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
