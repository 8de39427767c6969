"""How a run is told to whoever watches: lines for people, JSON lines for the swarm, or a callback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Protocol, TextIO


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
            case "disconnected":
                return [f"... {fields['peer']}: {fields['reason']}"]
            case _:
                return []
