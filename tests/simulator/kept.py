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
    (
        "a contributor that came back took the ECHOs of others, from before its death, for made up",
        Scenario(
            seed=0,
            weights=(-5, 26538, 6),
            values=((979, 131, -24), (-94, 772, 67), (-467, -873, 648)),
            strict=False,
            share_mode="seeds",
            field="m61",
            spread=0.001,
            biases={(3, 2): 1.2237941696282901, (1, 2): 1.6561265568077976},
            faults=(
                Fault(
                    kind="quick restart",
                    culprit=2,
                    other=1,
                    victims=(1, 3),
                    moment=9,
                    seconds=1.8027346615375872,
                    variant=26801,
                ),
            ),
            dishonest=frozenset(),
            sum_mode="broadcast",
        ),
    ),
    (
        "a contributor that came back after its ECHO, and too late, said that nothing was revealed",
        Scenario(
            seed=0,
            weights=(-5, 26538, 6),
            values=((979, 131, -24), (-94, 772, 67), (-467, -873, 648)),
            strict=False,
            share_mode="seeds",
            field="m61",
            spread=0.001,
            biases={(3, 2): 1.2237941696282901, (1, 2): 1.6561265568077976},
            faults=(
                Fault(
                    kind="late restart",
                    culprit=2,
                    other=1,
                    victims=(1, 3),
                    moment=9,
                    seconds=74.71774967381987,
                    variant=26801,
                ),
            ),
            dishonest=frozenset(),
            sum_mode="broadcast",
        ),
    ),
    (
        "one that came back and was told otherwise held honest ECHOs against what it had not said",
        Scenario(
            seed=291,
            weights=(-25576, 7693, 0, 5, 2),
            values=((68, -731), (674, 858), (298, -441), (478, -81), (110, 333)),
            strict=False,
            share_mode="dense",
            field="m61",
            spread=0.001,
            biases={},
            faults=(
                Fault(
                    kind="other story",
                    culprit=4,
                    other=5,
                    victims=(1, 5),
                    moment=25,
                    seconds=0.0,
                    variant=20490,
                ),
                Fault(
                    kind="quick restart",
                    culprit=5,
                    other=2,
                    victims=(1, 2, 3, 4),
                    moment=17,
                    seconds=1.884105412106996,
                    variant=15970,
                ),
            ),
            dishonest=frozenset({4}),
            sum_mode="sharded",
        ),
    ),
)
"""What failed, and the scenario."""

TO_BE_RELAYED: Final[tuple[tuple[str, Scenario], ...]] = (
    (
        "two observers alone get the ECHO of a contributor that dies",
        Scenario(
            seed=20,
            weights=(-6, -1769, 0, -1, 0),
            values=(
                (-428, -720, 422),
                (324, -313, 228),
                (477, -84, 856),
                (-687, 889, 307),
                (-440, 138, 705),
            ),
            strict=False,
            share_mode="seeds",
            field="m31",
            spread=0.05,
            biases={(2, 1): 1.992004674371662},
            faults=(
                Fault(
                    kind="crash in ECHO",
                    culprit=4,
                    other=2,
                    victims=(1, 2),
                    moment=0,
                    seconds=0.0,
                    variant=39419,
                ),
            ),
            dishonest=frozenset(),
            sum_mode="broadcast",
        ),
    ),
    (
        "two observers do not get the OPEN of a contributor that dies",
        Scenario(
            seed=26,
            weights=(9, -1, 0, 0, -1),
            values=(
                (775, -124, 243),
                (61, -681, -880),
                (-797, -847, -743),
                (116, 123, 462),
                (595, -909, -904),
            ),
            strict=False,
            share_mode="seeds",
            field="m31",
            spread=1.0,
            biases={(5, 2): 0.6535803840187964},
            faults=(
                Fault(
                    kind="crash in OPEN",
                    culprit=1,
                    other=3,
                    victims=(4,),
                    moment=6,
                    seconds=0.0,
                    variant=50372,
                ),
            ),
            dishonest=frozenset(),
            sum_mode="sharded",
        ),
    ),
)
"""What ends some who live without the total that others could tell them, until OPENs are relayed."""
