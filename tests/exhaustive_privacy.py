"""What every coalition can tell apart, over all strings of randomness: `python -m tests.exhaustive_privacy`.

A line a case, moment and coalition. It ends with 1 if a coalition tells more apart than promised, or
less than it must be able to, which would mean that the comparison is blind. See tests/views.py.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.enumeration import TOY2, TOY3, TOY5, Case, Coalition, Expansion, Inputs, Plan
from tests.views import (
    Classes,
    Run,
    may_learn,
    nothing,
    the_sum,
    told_apart,
)

WEIGHTS = ((1, 2, 1), (1, -1, 2), (1, 3, 2))
"""Equal ones, unequal ones, a negative one, and for p = 3 one that is 0 mod p."""

WHOLE = tuple(
    Case(TOY3, weights, strict, mode)
    for mode in ("dense", "seeds")
    for weights in WEIGHTS
    for strict in (False, True)
)
FOUR = (Case(TOY2, (1, -1, 3, 1)), Case(TOY2, (1, -1, 2, 1), strict=True))
LARGE = (Case(TOY5, (1, 2, -1), strict=True),)


@dataclass(frozen=True)
class Finding:
    """What one coalition can tell apart in one case.

    Args:
        case: What was summed.
        early: Whether the run stopped before any ECHO; else it finished.
        coalition: Roster indices.
        found: The inputs that it cannot tell apart.
    """

    case: Case
    early: bool
    coalition: Coalition
    found: Classes

    @property
    def promised(self) -> Classes:
        """What it may and must be able to tell apart."""
        return may_learn(self.case, self.coalition, early=self.early)

    @property
    def holds(self) -> bool:
        """Whether it learns as much as promised."""
        return self.found == self.promised

    @property
    def learns(self) -> str:
        """What it learns beyond its own inputs."""
        if self.found == nothing(self.case, self.coalition):
            return "nothing"
        return "the sum" if self.found == the_sum(self.case, self.coalition) else "SOMETHING ELSE"

    @property
    def compared(self) -> int:
        """How many inputs were compared with another one that must look the same."""
        return sum(len(alike) for alike in self.promised if len(alike) > 1)


def run_of(plan: Plan) -> Run:
    """Start a run."""
    return Run(plan, Expansion(plan))


def examine(case: Case, *, one_by_one: bool = False) -> list[Finding]:
    """Run a case over all strings and inputs.

    Args:
        case: What is summed.
        one_by_one: Whether each input has a run of its own, for want of memory. The runs must then
            also look alike from outside.
    """
    moments = [(early, c) for early in (True, False) for c in case.coalitions()]
    seen: dict[tuple[bool, Coalition], dict[Inputs, bytes]] = {moment: {} for moment in moments}
    traffic = None
    for inputs in case.inputs() if one_by_one else [None]:
        run = run_of(Plan(case, inputs))
        for early, coalition in moments:
            if not early and not run.finished:
                run.finish()
                run.check()
            seen[early, coalition] |= run.distributions(run.view(coalition))
        assert traffic is None or traffic == run.traffic, "inputs change what is sent"
        traffic = run.traffic
        del run
        gc.collect()  # a party and its links hold each other, and gigabytes of vectors
    return [Finding(case, *moment, told_apart(moment[1], seen[moment])) for moment in moments]


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        case = finding.case
        columns = (
            f"{case.field.modulus}",
            " ".join(map(str, case.weights)),
            f"{case.share_mode}{', strict' if case.strict else ''}",
            " ".join(map(str, finding.coalition)),
            "before ECHO" if finding.early else "finished",
            f"{finding.compared}",
            f"{case.strings}",
            finding.learns,
            "ok" if finding.holds else "FAILS",
        )
        yield _row(columns)


def _row(columns: Sequence[str]) -> str:
    widths = (2, 9, 14, 9, 12, 9, 8, 14, 7)
    return " ".join(f"{column:<{width}}" for column, width in zip(columns, widths, strict=True))


def main() -> int:
    """Print the table; return 0 if everything holds."""
    parser = argparse.ArgumentParser(description="Compare every coalition's views, exhaustively.")
    parser.add_argument("--quick", action="store_true", help="leave out p = 5, which takes minutes")
    quick = parser.parse_args().quick
    print(
        _row(
            ("p", "weights", "mode", "coalition", "run", "compared", "strings", "learns", "verdict")
        )
    )
    failed = 0
    for case in (*WHOLE, *FOUR, *(() if quick else LARGE)):
        began = time.monotonic()
        findings = examine(case, one_by_one=case in LARGE)
        for line in _lines(findings):
            print(line)
        print(f"{time.monotonic() - began:.1f} s", flush=True)
        failed += sum(not finding.holds for finding in findings)
    print(
        f"{failed} verdicts fail"
        if failed
        else "every coalition learns what is promised, and no more"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
