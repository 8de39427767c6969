"""How often one member may come back: at once a few times, then at a pace, and at last no more.

Every return of a peer costs a handshake and says everything again, so one that returns in a loop
would have this peer work for it for ever.
"""

from __future__ import annotations

from typing import Final

AT_ONCE: Final = 16
"""Links that come one right after the other before the pace holds."""
EVERY_SECONDS: Final = 1.0
"""The pace: an honest peer whose links keep breaking tries no faster."""
MOST_AHEAD: Final = 32
"""Links ahead of the pace at which a peer is given up: it did not wait for those before to begin."""


class Returns:
    """Counts the links of one member."""

    def __init__(self) -> None:
        self._tokens = float(AT_ONCE)
        self._last: float | None = None

    def pause(self, now: float) -> float | None:
        """Take note of a link.

        Args:
            now: Seconds, monotonic.

        Returns:
            How long to let it wait before it is served; None to give the peer up.
        """
        if self._last is not None:
            self._tokens = min(self._tokens + (now - self._last) / EVERY_SECONDS, AT_ONCE)
        self._last = now
        self._tokens -= 1
        if self._tokens < -MOST_AHEAD:
            return None
        return max(0.0, -self._tokens * EVERY_SECONDS)
