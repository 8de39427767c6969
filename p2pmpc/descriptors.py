"""File descriptors: how many a session needs, and how many strangers may hold beside it."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

from p2pmpc.errors import ResourceExhausted

MOST_PENDING: Final = 384
"""Connections whose other side is not known yet, where descriptors are plenty."""
FEWEST_PENDING: Final = 12
"""As many, where they are few; with less, a handful of idle ones would keep members out."""
_FILES: Final = 16
"""A listener and its spare, a transcript or ledger being written, name look-ups, links being closed."""


def needed(peers: int, opened: int) -> int:
    """Return how many descriptors a process needs for a session.

    Args:
        peers: Of the session. To each other one there may be two links at a time, one of discovery
            and one of the mesh, or one that goes while the next one comes.
        opened: By this process, before there is a session.
    """
    return opened + 2 * (peers - 1) + _FILES + FEWEST_PENDING


def places_beside(peers: int) -> int:
    """Return how many connections of strangers there is room for beside a session.

    The soft limit of the process is raised where that helps, as far as the hard one allows.

    Raises:
        ResourceExhausted: The session itself does not fit.
    """
    least = needed(peers, _opened())
    plenty = least + MOST_PENDING - FEWEST_PENDING
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < plenty:
        limit = plenty if hard == resource.RLIM_INFINITY else min(plenty, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit == resource.RLIM_INFINITY or limit >= plenty:
        return MOST_PENDING
    if limit < least:
        raise ResourceExhausted(
            f"a session of {peers} peers needs {least} file descriptors, and this process may have "
            f"{limit}",
            hint=f"raise the hard limit to {least} (`ulimit -Hn {least}` as root, LimitNOFILE= in a "
            "service, nofile in limits.conf), or close what this program's parent left open",
        )
    return FEWEST_PENDING + limit - least


def _opened() -> int:
    """Return how many descriptors this process has open."""
    for folder in (Path("/proc/self/fd"), Path("/dev/fd")):
        if folder.is_dir():
            return len(os.listdir(folder)) - 1  # the one that lists them  # noqa: PTH208
    return 32


class Spare:
    """A descriptor that is held only to be given up when there are no others."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self.take()

    def take(self) -> None:
        """Take one, if there is one to be had."""
        if self._descriptor is None:
            try:
                self._descriptor = os.open(os.devnull, os.O_RDONLY)
            except OSError:
                self._descriptor = None

    def give(self) -> None:
        """Give it up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
