"""How far a long piece of work is: seldom, with rate and time left, and nothing of short ones."""

from __future__ import annotations

import io
import json

import pytest

from p2pmpc.progress import JsonLines, Meter, TextLines


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_short_work_is_not_mentioned() -> None:
    """Nothing is said of what is done within a second."""
    clock, said = Clock(), []
    meter = Meter(lambda *args, **fields: said.append((args, fields)), "reading", clock=clock)
    for step in range(10):
        clock.now = step / 10
        meter.at(step, 10)
    assert said == []


def test_long_work_is_told_twice_a_second() -> None:
    """After the first second at most two events a second, with how far, how fast and how long."""
    clock, said = Clock(), []
    meter = Meter(lambda event, **fields: said.append((event, fields)), "reading", clock=clock)
    for step in range(1, 301):
        clock.now = step / 100
        meter.at(1000 * step, 400_000)
    assert [fields["done"] for _, fields in said] == [100_000, 150_000, 200_000, 250_000, 300_000]
    event, last = said[-1]
    assert (event, last["what"], last["unit"], last["of"]) == (
        "progress",
        "reading",
        "bytes",
        400_000,
    )
    assert last["rate"] == pytest.approx(100_000)
    assert last["left"] == pytest.approx(1)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """Work that stalls after a fast start is seen to stall, and has no time left to tell."""
    clock, said = Clock(), []
    meter = Meter(lambda _, **fields: said.append(fields), "sending", clock=clock)
    for half in range(2, 30):
        clock.now = half / 2
        meter.at(1000 if half < 10 else 9000, 10_000)
    assert said[8]["rate"] > 0
    assert (said[-1]["rate"], said[-1]["left"]) == (0, None)


def test_progress_is_a_line_for_people_and_fields_for_programs() -> None:
    """Text says share, rate and time left; JSON has the numbers."""
    text, lines = io.StringIO(), io.StringIO()
    known: dict[str, object] = {"done": 34, "of": 100, "rate": 12_340_000.0, "left": 8.2}
    for observer in (TextLines(text), JsonLines(lines)):
        observer.tell("progress", what="reading", unit="bytes", **known)
    assert text.getvalue() == "reading input: 34 % (12.3 MB/s, 8 s left)\n"
    told = json.loads(lines.getvalue())
    assert {name: told[name] for name in known} == known
    stalled = io.StringIO()
    known |= {"rate": 0.0, "left": None}
    TextLines(stalled).tell("progress", what="sending", unit="numbers", **known)
    assert stalled.getvalue() == "sending: 34 % (0.0 million numbers/s, stalled)\n"


def test_what_becomes_of_a_connection_is_a_line() -> None:
    """Who waits reads at whose door, why nobody comes, and how long it still has."""
    text = io.StringIO()
    lines = TextLines(text)
    lines.tell("knocking again", where="127.0.0.1:9", reason="connection refused")
    lines.tell("disconnected", peer="ben (0a1b2c3d)", reason="it was cut", seconds=15.0)
    lines.tell("reconnected", peer="ben (0a1b2c3d)")
    assert text.getvalue().splitlines() == [
        "... no way in at 127.0.0.1:9 yet: connection refused; knocking again",
        "... ben (0a1b2c3d) is not connected: it was cut; it has 15 s to come back",
        "... ben (0a1b2c3d) is connected again",
    ]
