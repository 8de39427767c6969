"""Scenarios that failed once, with what went wrong. They run with the normal tests.

Each stands here whole, as the replay of a failing seed prints it: what a seed draws changes whenever
a kind of fault is added, and what was found should stay found.
"""

from __future__ import annotations

from typing import Final

from tests.simulator.scenario import Fault, Scenario

KEPT: Final[tuple[tuple[str, Scenario], ...]] = (
    (
        "an ABORT that names one honest peer twice passed for a pair",
        Scenario(
            seed=219,
            weights=(-21541, 1, 8, -1, 3, -1, 7),
            values=(
                (646, 835),
                (947, 132),
                (-854, 722),
                (69, 482),
                (-797, 2),
                (-342, 438),
                (445, 610),
            ),
            strict=False,
            share_mode="seeds",
            field="m31",
            spread=0.001,
            biases={
                (7, 4): 0.7022633686559558,
                (7, 6): 0.324310680324839,
                (7, 5): 0.24349089555565318,
            },
            faults=(
                Fault(
                    kind="false ABORT",
                    culprit=6,
                    other=5,
                    victims=(1, 4, 5, 7),
                    moment=22,
                    seconds=0.0,
                    variant=47418,
                ),
            ),
            dishonest=frozenset({6}),
        ),
    ),
    (
        "an honest peer blamed itself alone for such an ABORT",
        Scenario(
            seed=692,
            weights=(33014, 1),
            values=((-944,), (571,)),
            strict=False,
            share_mode="dense",
            field="m31",
            spread=0.05,
            biases={(1, 2): 1.77095237720758, (2, 1): 1.167536713988835},
            faults=(
                Fault(
                    kind="false ABORT",
                    culprit=1,
                    other=2,
                    victims=(2,),
                    moment=2,
                    seconds=0.0,
                    variant=20651,
                ),
            ),
            dishonest=frozenset({1}),
        ),
    ),
    (
        "an observer that confirmed before the echoes made contributors raise KeyError",
        Scenario(
            seed=206011,
            weights=(-7802, -22580, 7, -3922, 0),
            values=((-310, -216), (949, -499), (-910, 422), (-728, -732), (-537, 240)),
            strict=False,
            share_mode="seeds",
            field="m31",
            spread=1.0,
            biases={(3, 2): 0.7532374996794511},
            faults=(
                Fault(
                    kind="misplaced",
                    culprit=5,
                    other=4,
                    victims=(1, 3),
                    moment=13,
                    seconds=0.0,
                    variant=60032,
                ),
            ),
            dishonest=frozenset({5}),
        ),
    ),
    (
        "two ACCEPTs with two entries of their signer were shown as a proof, which they are not",
        Scenario(
            seed=400606,
            weights=(-7879, 4, 5, -2, 1),
            values=((-697,), (563,), (248,), (-869,), (464,)),
            strict=False,
            share_mode="seeds",
            field="m61",
            spread=0.001,
            biases={
                (2, 1): 0.14721708452387183,
                (5, 2): 0.6775957194000859,
                (5, 1): 1.2311578436218715,
                (2, 5): 0.8770184889942128,
                (5, 4): 0.5845024962155392,
            },
            faults=(
                Fault(
                    kind="contradiction",
                    culprit=1,
                    other=4,
                    victims=(3,),
                    moment=0,
                    seconds=0.0,
                    variant=31713,
                ),
                Fault(
                    kind="long cut",
                    culprit=4,
                    other=2,
                    victims=(1, 3),
                    moment=9,
                    seconds=10.221500374748011,
                    variant=64196,
                ),
            ),
            dishonest=frozenset({1}),
        ),
    ),
    (
        "an observer's proof of two entries reached a contributor that had agreed already",
        Scenario(
            seed=7003915,
            weights=(0, 6, 0, -1),
            values=((474, 929), (-243, -537), (-73, -956), (115, 845)),
            strict=False,
            share_mode="seeds",
            field="m61",
            spread=1.0,
            biases={},
            faults=(
                Fault(
                    kind="equivocation in ACCEPT",
                    culprit=2,
                    other=4,
                    victims=(1,),
                    moment=2,
                    seconds=0.0,
                    variant=36879,
                ),
                Fault(
                    kind="another round",
                    culprit=2,
                    other=4,
                    victims=(1, 3, 4),
                    moment=7,
                    seconds=0.0,
                    variant=51443,
                ),
            ),
            dishonest=frozenset({2}),
        ),
    ),
)
"""What failed, and the scenario."""
