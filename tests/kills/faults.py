"""What is done to the processes of a sum, and in which row of the page of faults that stands."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.kills.drawn import AWAIT, GIVE_UP, MOMENTS, OBSERVED, STEPS, Case, Sum, Times
from tests.kills.scene import Scene
from tests.processes import wait_for

SHORTEST_JOIN: Final = 25.0
"""Where somebody dies before the roster is closed, the others wait for no longer."""
_OTHER_VICTIM_SECONDS: Final = 3.0


def _step(scene: Scene, which: int = 0) -> str:
    return f"{scene.case.steps[which]}:{scene.case.round}"


def _kill_at_the_step(scene: Scene) -> None:
    """Kill the victims where they stand still.

    What the first of them has not said yet may keep a second one from coming as far: it is killed where
    it is then.
    """
    scene.begin(stops=_step(scene))
    first, *others = scene.case.victims
    if not others:
        scene.now(first).stands_still()
    else:
        wait_for(lambda: any(map(scene.stands_still, scene.case.victims)))
        with contextlib.suppress(AssertionError):
            wait_for(
                lambda: all(map(scene.stands_still, scene.case.victims)), _OTHER_VICTIM_SECONDS
            )
    for victim in scene.case.victims:
        scene.kill(victim)


def killed_at_a_step(scene: Scene) -> None:
    """Kill the victims where their message of a step has not left, and leave them dead."""
    _kill_at_the_step(scene)
    scene.end()


def killed_once_all_had_left(scene: Scene) -> None:
    """Kill the victim where all that it said before a step has reached everybody."""
    scene.begin(hold=scene.case.steps[0])
    (victim,) = scene.case.victims
    scene.now(victim).stands_still()
    scene.kill(victim)
    scene.end()


def killed_at_a_moment(scene: Scene) -> None:
    """Kill the victim wherever it is, and leave it dead."""
    scene.begin()
    (victim,) = scene.case.victims
    if scene.await_moment(victim):
        scene.kill(victim)
    scene.end()


def resumed_at_a_step(scene: Scene) -> None:
    """Kill the victims at a step, and let them go on."""
    _kill_at_the_step(scene)
    for victim in scene.case.victims:
        scene.resume(victim)
        scene.fates[victim] = "returned"
    scene.end()


def resumed_at_a_moment(scene: Scene) -> None:
    """Kill the victim wherever it is, and let it go on if it has begun."""
    scene.begin()
    (victim,) = scene.case.victims
    if scene.await_moment(victim):
        scene.kill(victim)
        if scene.fates[victim] == "dead" and scene.kept(victim):
            scene.resume(victim)
            scene.fates[victim] = "returned somewhen"
    scene.end()


def killed_twice(scene: Scene) -> None:
    """Kill the victim at a step, let it go on, kill it at a later one, and let it go on again."""
    scene.begin(stops=_step(scene))
    (victim,) = scene.case.victims
    scene.now(victim).stands_still()
    scene.kill(victim)
    scene.resume(victim, stops=scene.case.steps[1])
    scene.now(victim).stands_still()
    scene.kill(victim)
    scene.resume(victim)
    scene.fates[victim] = "returned"
    scene.end()


def another_input(scene: Scene) -> None:
    """Kill the victim, resume it with another input, which must be refused, then with its own."""
    scene.begin(stops=_step(scene))
    (victim,) = scene.case.victims
    scene.now(victim).stands_still()
    scene.kill(victim)
    scene.resume(victim, changed=True).end()
    assert not scene.has_returned(victim), "it connected, and was to refuse before a byte left"
    scene.resume(victim)
    scene.fates[victim] = "returned after a refusal"
    scene.end()


def stopped_in_time(scene: Scene) -> None:
    """Stop the victim until somebody reports it, and let it go on."""
    scene.begin(stops=_step(scene))
    (victim,) = scene.case.victims
    scene.now(victim).stands_still()
    others = [k for k in range(scene.case.sum.count) if k != victim]
    told = r"^\.\.\. \w+ \(\w+\) is silent: its machine acknowledges"
    if (
        scene.case.steps[0] == "roster"
    ):  # it may have had no link yet: of that nobody tells for long
        with contextlib.suppress(AssertionError):
            scene.now(others[0]).line(told, _OTHER_VICTIM_SECONDS)
    else:
        scene.now(others[0]).line(told)
    scene.now(victim).signal(signal.SIGCONT)
    scene.fates[victim] = "stopped in time"
    scene.end()


def stopped_for_too_long(scene: Scene) -> None:
    """Stop the victim until all others have ended, and let it go on then."""
    scene.begin(stops=_step(scene))
    (victim,) = scene.case.victims
    scene.now(victim).stands_still()
    scene.end(but=(victim,))
    scene.now(victim).signal(signal.SIGCONT)
    scene.fates[victim] = "late"
    scene.end()


def interrupted(scene: Scene) -> None:
    """Send the victim SIGINT or SIGTERM while it stands at a step, and let it go on with that."""
    scene.begin(stops=_step(scene))
    (victim,) = scene.case.victims
    running = scene.now(victim)
    running.stands_still()
    number = Random(scene.case.seed).choice((signal.SIGINT, signal.SIGTERM))
    running.signal(number)
    running.signal(signal.SIGCONT)
    scene.fates[victim] = number.name
    scene.end()


def several_at_a_time(scene: Scene) -> None:
    """Strike every victim in a way and at a moment of its own."""
    random = Random(scene.case.seed)
    scene.begin()
    scene.now(scene.case.sum.contributors[0]).line(MOMENTS[scene.case.steps[0]])
    begun = time.monotonic()
    plan: list[tuple[float, int, str]] = []
    for victim in scene.case.victims:
        at = min(random.expovariate(8.0), 2.0)
        what = random.choice(("kill", "kill and resume", "kill and resume", "stop", "interrupt"))
        plan.append((at, victim, what.split()[0]))
        if what == "kill and resume":
            plan.append((at + random.uniform(0.0, 1.5), victim, "resume"))
        elif what == "stop":
            plan.append((at + random.uniform(0.0, 3.0), victim, "continue"))
    for at, victim, what in sorted(plan):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        _strike(scene, victim, what)
    scene.end()


def _strike(scene: Scene, victim: int, what: str) -> None:
    running = scene.now(victim)
    if what == "kill":
        scene.kill(victim)
    elif what == "resume":
        if scene.fates[victim] == "dead" and scene.kept(victim):
            scene.resume(victim)
            scene.fates[victim] = "returned somewhen"
    elif running.process.poll() is None:
        numbers = {
            "stop": signal.SIGSTOP,
            "continue": signal.SIGCONT,
            "interrupt": signal.SIGTERM,
        }
        running.signal(numbers[what])
        scene.fates[victim] = "SIGTERM" if what == "interrupt" else "late"


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        rows: Of the page of faults.
        play: What happens.
        times: Of all nodes.
        steps: Where; the names of moments where it is not at a step.
        victims: How many are struck.
        often: Into how many of the draws it goes.
    """

    rows: str
    play: Callable[[Scene], None]
    times: Times
    steps: tuple[str, ...] = STEPS
    victims: int = 1
    often: int = 1


_MOMENTS: Final = tuple(MOMENTS)

KINDS: Final[dict[str, Kind]] = {
    "killed at a step": Kind("1-4", killed_at_a_step, GIVE_UP, often=2),
    "killed once all had left": Kind(
        "1-3", killed_once_all_had_left, GIVE_UP, ("share", "partial", "echo", "open", "confirm")
    ),
    "killed at a moment": Kind("1-4", killed_at_a_moment, GIVE_UP, _MOMENTS, often=2),
    "two killed at a step": Kind("1-4", killed_at_a_step, GIVE_UP, victims=2),
    "killed and resumed": Kind("5", resumed_at_a_step, AWAIT, often=2),
    "two killed and resumed": Kind("5", resumed_at_a_step, AWAIT, victims=2),
    "killed at a moment and resumed": Kind("5", resumed_at_a_moment, AWAIT, _MOMENTS, often=2),
    "killed twice and resumed": Kind("5", killed_twice, AWAIT),
    "resumed with another input": Kind("6", another_input, AWAIT, STEPS[1:]),
    "stopped, continued in time": Kind("9", stopped_in_time, AWAIT),
    "stopped for too long": Kind("9", stopped_for_too_long, GIVE_UP),
    "interrupted": Kind("8", interrupted, GIVE_UP),
    "several at a time": Kind(
        "1-5, 8, 9", several_at_a_time, GIVE_UP, ("roster", "share", "echo"), victims=2, often=2
    ),
}


def draw(seed: int, name: str) -> Case:
    """Draw a run.

    Args:
        seed: All follows from it.
        name: The kind's.
    """
    random, kind = Random(seed), KINDS[name]
    drawn = Sum.draw(random, least=kind.victims + 2)
    only_contributors = kind.steps == STEPS[1:] or kind.victims > 1
    peers = drawn.contributors if only_contributors else tuple(range(drawn.count))
    victims = tuple(sorted(random.sample(peers, kind.victims)))
    if name == "several at a time":
        victims = tuple(sorted(random.sample(range(drawn.count), random.randint(1, 3))))
    possible = kind.steps
    if any(drawn.weights[k] == 0 for k in victims):
        possible = tuple(s for s in kind.steps if s in OBSERVED or s == "start")
    first = random.randrange(len(possible))
    steps = (possible[first], random.choice(possible[first:]))
    number = random.randint(1, drawn.rounds)
    if kind.play is killed_once_all_had_left or steps[0] in ("roster", "start"):
        number = 1  # the agreement comes once, and a peer holds at the first of its steps
    if kind.steps == _MOMENTS or name == "several at a time":
        number = 1
    delay = min(random.expovariate(50.0), 0.5)
    if steps[0] == "start":
        delay *= 20
    case = Case(name, seed, drawn, kind.times, victims, steps, number, delay)
    if case.is_before_the_roster and (kind.times is GIVE_UP or steps[0] == "start"):
        join = SHORTEST_JOIN if kind.times is GIVE_UP else 2 * SHORTEST_JOIN
        return replace(case, times=replace(kind.times, join=join))
    return case
