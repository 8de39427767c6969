"""What is known of each peer while a swarm runs, and how it is shown: a live table, or lines."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from p2pmpc.actions import STEPS
from p2pmpc.totals import OpenedTotal

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


@dataclass(slots=True)
class PeerState:
    """What is known of one peer.

    Args:
        number: From 1.
        weight: Its weight.
        reached: When it reached each step, on the machine's monotonic clock.
        complete: When it held every CONFIRM.
        bytes_sent: On the mesh.
        exit_code: When it ended.
        result: What it printed.
        opened: The total itself, where the peer lives in this process.
        errors: Lines it wrote that are no events.
    """

    number: int
    weight: int
    reached: dict[str, float] = field(default_factory=dict)
    complete: float | None = None
    bytes_sent: int | None = None
    exit_code: int | None = None
    result: dict[str, object] = field(default_factory=dict)
    opened: OpenedTotal | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the peer and its files are called."""
        return f"peer-{self.number:02}"

    @property
    def has_total(self) -> bool:
        """Whether it found a total."""
        return self.result.get("transcript") is not None

    @property
    def step(self) -> str:
        """The last step it reached, or how it ended."""
        if self.exit_code is not None and self.exit_code < 0:
            return "killed"
        if self.exit_code:
            return f"ended with {self.exit_code}"
        if self.complete is not None:
            return "done"
        return next(reversed(self.reached), "starting")

    def take(self, event: str, fields: dict[str, object]) -> None:
        """Take an event of the peer."""
        at = float(str(fields["at"]))
        if "bytes_sent" in fields:
            self.bytes_sent = int(str(fields["bytes_sent"]))
        if event == "step":
            self.reached[str(fields["step"])] = at
        elif event == "complete":
            self.complete = at


class Display(Protocol):
    """Shows a swarm while it runs."""

    def refresh(self) -> None:
        """Show what is known now."""

    def close(self) -> None:
        """Show it a last time."""


class Lines:
    """One line a step, for logs and pipes.

    Args:
        peers: All peers.
    """

    def __init__(self, peers: list[PeerState]) -> None:
        self._peers = peers
        self._started = time.monotonic()
        self._shown: set[str] = set()

    def refresh(self) -> None:
        """Write the line of every step that all peers have reached by now."""
        for step in STEPS:
            reached = [peer.reached[step] for peer in self._peers if step in peer.reached]
            if reached and step not in self._shown and len(reached) == self._expected(step):
                self._write(step, max(reached), len(reached))

    def close(self) -> None:
        """Write the lines of steps that not all peers reached."""
        for step in STEPS:
            reached = [peer.reached[step] for peer in self._peers if step in peer.reached]
            if reached and step not in self._shown:
                self._write(step, max(reached), len(reached))

    def _expected(self, step: str) -> int:
        """Return how many peers ever reach a step: observers neither share nor sum."""
        if step in ("share", "partial"):
            return sum(peer.weight != 0 for peer in self._peers)
        return len(self._peers)

    def _write(self, step: str, at: float, count: int) -> None:
        self._shown.add(step)
        seconds, expected = at - self._started, self._expected(step)
        who = "peers" if expected == len(self._peers) else "contributors"
        print(f"{seconds:7.2f} s  {step:<8} {count} of {expected} {who}", file=sys.stderr)


class LiveTable:
    """A table that redraws itself, for a terminal.

    Args:
        peers: All peers.
    """

    def __init__(self, peers: list[PeerState]) -> None:
        from rich.console import Console  # noqa: PLC0415 - costs time that only terminals need
        from rich.live import Live  # noqa: PLC0415

        self._peers = peers
        self._started = time.monotonic()
        self._live: Live = Live(
            console=Console(stderr=True), auto_refresh=False, vertical_overflow="crop"
        )
        self._live.start()

    def refresh(self) -> None:
        """Redraw."""
        self._live.update(self._table(), refresh=True)

    def close(self) -> None:
        """Draw a last time and leave the table standing."""
        self._live.vertical_overflow = "visible"
        self.refresh()
        self._live.stop()

    def _table(self) -> Table:
        from rich.table import Table  # noqa: PLC0415

        table = Table(box=None, pad_edge=False)
        table.add_column("peer")
        table.add_column("weight", justify="right")
        table.add_column("step", min_width=13)
        table.add_column("bytes", justify="right", min_width=10)
        table.add_column("time", justify="right", min_width=8)
        for peer in self._peers:
            last = peer.complete or max(peer.reached.values(), default=self._started)
            sent = "" if peer.bytes_sent is None else f"{peer.bytes_sent:,}"
            style = {"done": "green", "killed": "red"}.get(peer.step)
            if peer.exit_code:
                style = "red"
            time_shown = f"{max(0.0, last - self._started):.2f} s"
            table.add_row(peer.name, str(peer.weight), peer.step, sent, time_shown, style=style)
        return table


def make_display(peers: list[PeerState]) -> Display:
    """Return a live table when standard error is a terminal, else lines."""
    return LiveTable(peers) if sys.stderr.isatty() else Lines(peers)
