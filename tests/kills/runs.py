"""Runs of every kind, played and judged."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.kills import faults
from tests.kills.drawn import Case
from tests.kills.judge import MAYBE, Judge
from tests.kills.launchers import Launch
from tests.kills.scene import Played, Scene
from tests.processes import Processes

LAUNCHERS: Final = {
    "launcher killed": "30",
    "launcher interrupted": "8, 30",
    "forking process killed": "30",
}
KINDS: Final = {name: kind.rows for name, kind in faults.KINDS.items()} | LAUNCHERS
"""Every kind, and the rows of the page of faults that it is held against."""
TURNS: Final = [
    *[name for name, kind in faults.KINDS.items() for _ in range(kind.often)],
    *LAUNCHERS,
]


TOO_LATE: Final = "too late to strike"


@dataclass(frozen=True)
class Result:
    """What one run came to.

    Args:
        seed: It was drawn from this alone.
        kind: A key of KINDS.
        named: What was drawn.
        outcome: How it ended, in a few words.
        wrong: All that was not as it must be.
        shown: What the processes printed, for whoever looks for the cause.
    """

    seed: int
    kind: str
    named: str
    outcome: str
    wrong: list[str]
    shown: str = field(default="", repr=False)


def play(seed: int, only: str | None = None) -> Result:
    """Draw a run, play it, and judge it.

    Args:
        seed: All is drawn from it.
        only: A kind; by default they take turns.
    """
    kind = only or TURNS[seed % len(TURNS)]
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        if kind in LAUNCHERS:
            return _launch(Launch.draw(seed, kind), processes)
        return play_case(faults.draw(seed, kind), processes)


def play_case(case: Case, processes: Processes) -> Result:
    """Play a run of nodes."""
    scene = Scene(case, processes)
    try:
        faults.KINDS[case.kind].play(scene)
        played = scene.played()
        wrong = Judge(played).wrong()
    except (AssertionError, ValueError) as error:  # it lasts too long, or prints no JSON
        return Result(case.seed, case.kind, case.named, "failed", [str(error)], _shown(scene))
    outcome = "failed" if wrong else _outcome(played)
    return Result(case.seed, case.kind, case.named, outcome, wrong, _shown(scene))


def _outcome(played: Played) -> str:
    """Say in a few words how a run ended: the others first, then those that were struck and ended."""
    told: dict[bool, set[str]] = {False: set(), True: set()}
    for lives, fate in zip(played.lives, played.fates, strict=True):
        if fate != "dead":
            end = lives[-1]
            is_maybe = end.code == 3 and MAYBE in end.err
            told[fate != "untouched"].add(f"{end.code}{' (maybe opened)' * is_maybe}")
    if all(fate == "untouched" for fate in played.fates):
        return f"{TOO_LATE}: all {' and '.join(sorted(told[False]))}"
    others, struck = (" and ".join(sorted(told[who])) for who in (False, True))
    if others == struck:
        return f"all {others}"
    return f"the others {others or 'none'}" + (f", itself {struck}" if struck else "")


def _launch(launch: Launch, processes: Processes) -> Result:
    try:
        ended, count, orphans, is_struck = launch.play(processes)
    except AssertionError as error:
        return Result(launch.seed, launch.kind, launch.named, "failed", [str(error)])
    wrong = launch.wrong(ended, orphans, is_struck=is_struck)
    outcome = f"ended with {ended.code}, nobody left" if is_struck else TOO_LATE
    shown = f"{count} children\n{ended.err}"
    return Result(
        launch.seed, launch.kind, launch.named, "failed" if wrong else outcome, wrong, shown
    )


def _shown(scene: Scene) -> str:
    """Return what all processes printed."""
    texts = []
    for peer, lives in enumerate(scene.lives):
        for number, life in enumerate(lives):
            texts.append(f"== {peer}.{number} ({scene.fates[peer]}), {life.process.poll()}")
            texts.append(life.err + life.out[:500])
    return "\n".join(texts)
