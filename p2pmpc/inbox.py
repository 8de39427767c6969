"""Where the one loop of a session takes its events from, and until when it waits for the next one."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import trio

from p2pmpc.errors import Interrupted
from p2pmpc.mesh import Event

LoopEvent = Event | Interrupted


class Inbox:
    """Events in the order in which they came.

    Args:
        size: How many may wait before whoever brings one has to.
    """

    def __init__(self, size: int) -> None:
        self.events, self._events = trio.open_memory_channel[LoopEvent](size)
        """Where events are put."""
        self._overdue: int | None = None
        """Events still to be handled that had come when the deadline passed."""

    async def next(self, deadline: float) -> LoopEvent | None:
        """Return the next event, or None at the deadline.

        Events that came before the deadline count, however late the loop gets to them; those that come
        after it do not, or a peer that repeats itself could put the end off for ever.
        """
        if trio.current_time() < deadline:
            self._overdue = None
        else:
            if self._overdue is None:
                self._overdue = self._events.statistics().current_buffer_used
            if self._overdue == 0:
                self._overdue = None
                return None
            self._overdue -= 1
        with contextlib.suppress(trio.WouldBlock):
            return self._events.receive_nowait()  # links yield often enough between events
        with trio.move_on_at(deadline):
            return await self._events.receive()
        return None

    async def discard_while(self, wait: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Wait for something while nobody reads events: readers must not stall on a full channel."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._discard)
            await wait(seconds)
            nursery.cancel_scope.cancel()

    async def _discard(self) -> None:
        async for _ in self._events:
            pass
