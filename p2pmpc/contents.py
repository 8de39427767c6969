"""What an input is read from, more than once: bytes in memory, or a file that may change meanwhile.

A file is read several times: for its form, against the bound, into the residues. Reading it once would
mean holding it. So its stamp (where it is, its size, when it was written) is compared at the beginning
and the end of every pass, and a run in which it differs ends before anything is revealed.

A file is read, never mapped: one that shrinks under a mapping ends the process with SIGBUS, and nobody
would be told why.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from p2pmpc.errors import InputRefused


class Pass(Protocol):
    """One reading, from the start."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes; fewer at the end alone."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill a buffer, and return how many bytes that were; fewer at the end alone."""

    def tell(self) -> int:
        """Return how many bytes were read."""


class Content(Protocol):
    """Bytes that can be read again."""

    @property
    def source(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def reading(self) -> AbstractContextManager[Pass]:
        """Read it once, from the start.

        Raises:
            InputRefused: It cannot be read, or is not what it was.
        """


def changed(source: str, how: str) -> InputRefused:
    """Return the refusal of an input that does not stay what it is."""
    return InputRefused(
        f"{source}: it changed while it was read: {how}",
        hint="run again with a file that nobody writes to, e.g. a copy",
    )


class BytesContent:
    """Bytes in memory.

    Args:
        data: The bytes.
        source: What messages call it.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self.source = source
        self.size = len(data)
        self._data = data

    @contextmanager
    def reading(self) -> Iterator[Pass]:
        """See :meth:`Content.reading`."""
        yield io.BytesIO(self._data)  # it shares the bytes


class FileContent:
    """A regular file.

    Args:
        source: What messages call it.
        open_it: Returns a descriptor of its own for one pass.
        start: Where in the file the content begins.
    """

    def __init__(self, source: str, open_it: Callable[[], int], start: int = 0) -> None:
        self.source = source
        self._open = open_it
        self._start = start
        self._stamp: tuple[int, ...] | None = None
        with self.reading():
            pass

    @property
    def size(self) -> int:
        """Bytes in all."""
        assert self._stamp is not None
        return max(0, self._stamp[2] - self._start)

    @contextmanager
    def reading(self) -> Iterator[Pass]:
        """See :meth:`Content.reading`."""
        try:
            descriptor = self._open()
            try:
                self._compare(os.fstat(descriptor))
                yield _FilePass(descriptor, self._start)
                self._compare(os.fstat(descriptor))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise cannot_read(self.source, error) from None

    def _compare(self, status: os.stat_result) -> None:
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if self._stamp is None:
            self._stamp = stamp
        if stamp == self._stamp:
            return
        if stamp[:2] != self._stamp[:2]:
            raise changed(self.source, "another file has its name now")
        if stamp[2] != self._stamp[2]:
            raise changed(self.source, f"it had {self._stamp[2]} bytes, and has {stamp[2]}")
        raise changed(self.source, "it was written to")


class _FilePass:
    """One reading of a file, which leaves the descriptor's own position alone."""

    def __init__(self, descriptor: int, start: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._read = 0

    def tell(self) -> int:
        return self._read

    def read(self, size: int, /) -> bytes:
        pieces = []
        while size > 0:
            piece = os.pread(self._descriptor, size, self._start + self._read)
            if not piece:
                break
            pieces.append(piece)
            self._read += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: memoryview, /) -> int:
        filled = 0
        while filled < len(buffer):
            count = os.preadv(self._descriptor, [buffer[filled:]], self._start + self._read)
            if count == 0:
                break
            filled += count
            self._read += count
        return filled


def content_of_file(path: Path) -> Content:
    """Return what a file holds: read in passes if it is regular, else (a pipe) read whole, now.

    Raises:
        InputRefused: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", closefd=True, buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return BytesContent(file.readall(), str(path))
    except OSError as error:
        raise cannot_read(str(path), error) from None
    return FileContent(str(path), lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def content_of_descriptor(descriptor: int, source: str) -> Content | None:
    """Return what is left of a regular file that is open already; None where it is something else.

    Args:
        descriptor: Stays open, and stays where it is in the file.
        source: What messages call it.
    """
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return None
    return FileContent(source, lambda: os.dup(descriptor), start)


def cannot_read(source: str, error: OSError) -> InputRefused:
    """Return the refusal of an input that the system does not give."""
    return InputRefused(
        f"cannot read the input {source}: {error.strerror}", hint="check the file's name"
    )
