"""How a run is told to whoever watches: lines for people, JSON lines for the swarm, or a callback."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, TextIO


class Observer(Protocol):
    """Is told what happens, as it happens."""

    def tell(self, event: str, **fields: object) -> None:
        """Take an event."""


class Silent:
    """Tells nobody."""

    def tell(self, event: str, **fields: object) -> None:
        """Take an event, and forget it."""


class JsonLines:
    """Writes every event as a line of JSON, with the machine's monotonic clock.

    Args:
        file: Standard error, in a peer of a swarm.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def tell(self, event: str, **fields: object) -> None:
        """Write one event."""
        line = json.dumps({"event": event, "at": time.monotonic(), **fields})
        self._file.write(line + "\n")
        self._file.flush()


class Callback:
    """Hands every event to a function, with the machine's monotonic clock.

    Args:
        function: Takes the event's name and fields.
    """

    def __init__(self, function: Callable[[str, dict[str, object]], None]) -> None:
        self._function = function

    def tell(self, event: str, **fields: object) -> None:
        """Hand one event over."""
        self._function(event, {"at": time.monotonic(), **fields})


class Meter:
    """Says how far a long piece of work is, at which rate, and how long the rest will take.

    Nothing is said of work that is done within a second, and afterwards at most something every half
    second. The rate is that of the last seconds, so that a link that stalls is seen to stall.

    Args:
        tell: Takes the events: an observer's :meth:`Observer.tell`.
        what: The work: ``reading``, for example.
        unit: What is counted: ``bytes`` or ``numbers``.
        clock: Seconds, monotonic.
    """

    QUIET_SECONDS: Final = 1.0
    EVERY_SECONDS: Final = 0.5
    _WINDOW: Final = 10

    def __init__(
        self,
        tell: Callable[..., None],
        what: str,
        *,
        unit: str = "bytes",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._what = what
        self._unit = unit
        self._clock = clock
        now = clock()
        self._next = now + self.QUIET_SECONDS
        self._seen: deque[tuple[float, int]] = deque([(now, 0)], maxlen=self._WINDOW)

    def at(self, done: int, of: int) -> None:
        """Take how far the work is.

        Args:
            done: So much of it.
            of: All of it.
        """
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self.EVERY_SECONDS
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        left = (of - done) / rate if rate > 0 else None
        self._seen.append((now, done))
        self._tell(
            "progress", what=self._what, unit=self._unit, done=done, of=of, rate=rate, left=left
        )


_STEPS = {
    "join": "knocking",
    "hello": "introducing this peer",
    "roster": "signing the roster",
    "share": "sharing",
    "partial": "summing",
    "echo": "comparing what everybody heard",
    "open": "opening",
    "confirm": "confirming the total",
}


_OF_OTHERS = {
    "knocking again": "... no way in at {where} yet: {reason}; knocking again",
    "disconnected": "... {peer} is not connected: {reason}; it has {seconds:g} s to come back",
    "silent": "... {peer} is silent: {reason}",
    "reconnected": "... {peer} is connected again",
    "heard again": "... {peer} is heard again",
    "refused": "... {peer} does not take part, and says: {reason}",
}


class TextLines:
    """Writes what people want to know, a line each.

    Args:
        file: Standard error.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._founds = False

    def tell(self, event: str, **fields: object) -> None:
        """Write the lines of one event."""
        for line in self._lines(event, fields):
            print(line, file=self._file, flush=True)

    def _lines(self, event: str, fields: dict[str, object]) -> list[str]:
        match event:
            case "identity":
                return [f"this peer is {fields['id']}"]
            case "founded":
                self._founds = True
                return [
                    f"listening on {fields['address']}; the others type",
                    "",
                    f"    {fields['command']}",
                    "",
                ]
            case "joined":
                return [f"{fields['count']} of {fields['peers']} peers are here"]
            case "roster":
                return [str(fields["text"])]
            case "step" if self._founds and fields["step"] in ("join", "hello"):
                return []  # it waits for others to do so
            case "step":
                return [f"... {_STEPS[str(fields['step'])]}"]
            case "warning":
                return [f"warning: {fields['warning']}"]
            case "progress":
                return [progress_text(fields)]
            case _ if event in _OF_OTHERS:
                return [_OF_OTHERS[event].format(**fields)]
            case _:
                return []


_WORK = {"reading": "reading input"}


def progress_text(fields: dict[str, object]) -> str:
    """Return the line of a ``progress`` event: how far, how fast, how long."""
    done, of, rate = (float(str(fields[name])) for name in ("done", "of", "rate"))
    share = int(100 * done / of) if of else 100
    if fields["unit"] == "percent":
        return f"{fields['what']}: {share} %"
    speed = f"{rate / 1e6:.1f} MB/s"
    if fields["unit"] != "bytes":
        speed = f"{rate / 1e6:.1f} million {fields['unit']}/s"
    left = "stalled" if fields["left"] is None else f"{float(str(fields['left'])):.0f} s left"
    what = str(fields["what"])
    return f"{_WORK.get(what, what)}: {share} % ({speed}, {left})"
