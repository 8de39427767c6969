"""Private weighted sums between peers, with no server.

The library's names are loaded when they are first used, so that nobody pays for what is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from p2pmpc.library import Member, Options, Session, Sum, open_session

__all__ = ["Member", "Options", "Session", "Sum", "__version__", "open_session"]


def __dir__() -> list[str]:
    """Return the names of the library, for those who look around."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Load a name of the library."""
    if name in __all__:
        from p2pmpc import library  # noqa: PLC0415 - half a second that a node should not wait for

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
