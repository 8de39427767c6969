"""How long somebody is waited for, when it may be this process that is late.

A deadline by the clock also counts the time in which this process has not come round to reading what
has long arrived: with hundreds of handshakes on one core that is most of it, and honest peers were
turned away. So the seconds are counted in turns of the loop: a loop that is free takes as many as the
clock, and one that is busy takes longer, in proportion to how late it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import trio

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
