"""How long somebody is waited for, when it may be this process that is late.

A deadline by the clock also counts the time in which this process has not come round to reading what
has long arrived: with hundreds of handshakes on one core that is most of it, and honest peers were
turned away. So the seconds are counted in turns of the loop: a loop that is free takes as many as the
clock, and one that is busy takes longer, in proportion to how late it is. The same holds for a process
that was stopped for a while: on its return nothing is overdue.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import trio

from p2pmpc.shamir import Entropy

TURN_SECONDS: Final = 0.1
LONGEST: Final = 60.0
"""Seconds by the clock after which nobody is waited for, however late this process may be."""


class Patience:
    """Limits how long blocks may take, all to the same number of seconds.

    Args:
        seconds: As a loop counts them that is free.
    """

    def __init__(self, seconds: float) -> None:
        self._turns = round(seconds / TURN_SECONDS) + 1  # the first may have begun already
        self._left: dict[trio.CancelScope, int] = {}
        self._wanted = trio.Event()

    @contextlib.contextmanager
    def limit(self) -> Iterator[trio.CancelScope]:
        """Cancel the block when it takes too long, unless its deadline is taken away before."""
        with trio.CancelScope(deadline=trio.current_time() + LONGEST) as scope:
            self._left[scope] = self._turns
            self._wanted.set()
            try:
                yield scope
            finally:
                self._left.pop(scope, None)

    async def run(self) -> None:
        """Count turns until cancelled; without this no block ends before the longest time."""
        while True:
            if not self._left:
                self._wanted = trio.Event()
                await self._wanted.wait()
            await trio.sleep(TURN_SECONDS)
            for scope in list(self._left):
                self._left[scope] -= 1
                if scope.deadline == float("inf"):
                    del self._left[scope]
                elif self._left[scope] == 0:
                    scope.cancel()
                    del self._left[scope]


_DOZE_TURNS: Final = 10


async def doze(seconds: float) -> None:
    """Sleep for as many turns of the loop as take these seconds where it is free."""
    for _ in range(_DOZE_TURNS):
        await trio.sleep(seconds / _DOZE_TURNS)


class Backoff:
    """Pauses between attempts: twice as long each time, and never two peers in step.

    A pause is drawn from the upper half of what is due, so that many peers that lost each other at one
    moment do not come back at one moment.

    Args:
        first: The first pause, in seconds, at most.
        most: What pauses grow to.
        entropy: The operating system's.
    """

    def __init__(self, first: float, most: float, entropy: Entropy) -> None:
        self._first = first
        self._most = most
        self._entropy = entropy
        self._due = first

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._due = self._first

    def next(self) -> float:
        """Return how long to pause now."""
        due, self._due = self._due, min(2 * self._due, self._most)
        return due * (1 + self._entropy(1)[0] / 255) / 2
