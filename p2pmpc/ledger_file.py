"""A peer's ledger on disk, beside its key; for a key of one run, in memory.

The new ledger is written whole before any share leaves, and takes its name before the ECHO leaves. So
a full disk is noticed while nothing is lost, and there is never half a ledger.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from p2pmpc.errors import ConfigurationError, InputRefused, ResourceExhausted
from p2pmpc.ledger import OpenedSum, check_differencing, parse_ledger, render_ledger
from p2pmpc.storage import sync_folder


class Ledger(Protocol):
    """Where a peer remembers the sums that its inputs may have been opened in."""

    def prepare(
        self, entries: Sequence[OpenedSum], names: Mapping[bytes, str], *, accept: bool
    ) -> bool:
        """Check a sum to come against all earlier ones, and make ready to write it.

        Args:
            entries: The sum: of its input, and of what the input was made of.
            names: What the present members are called, by ID.
            accept: Let it through although it differs from an earlier one.

        Returns:
            Whether it was let through although it differs from an earlier one.
        """

    def commit(self) -> None:
        """Write it: from now on the sum may be opened."""

    def discard(self) -> None:
        """Forget what was prepared and not committed."""


class MemoryLedger:
    """Lasts as long as a key that is thrown away after one run."""

    def __init__(self) -> None:
        self.entries: tuple[OpenedSum, ...] = ()
        self._next: tuple[OpenedSum, ...] | None = None

    def prepare(
        self, entries: Sequence[OpenedSum], names: Mapping[bytes, str], *, accept: bool
    ) -> bool:
        """See :meth:`Ledger.prepare`."""
        checked = _checked(self.entries, entries, names, accept=accept)
        self._next = (*self.entries, *checked)
        return any(entry.accepted for entry in checked)

    def commit(self) -> None:
        """See :meth:`Ledger.commit`."""
        assert self._next is not None
        self.entries = self._next

    def discard(self) -> None:
        """See :meth:`Ledger.discard`."""
        self._next = None


class LedgerFile:
    """A ledger on disk, which nobody else may read.

    Args:
        path: The file; it need not exist.
        lock: An existing file to lock while the ledger is replaced: the key.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._seen = ""
        self._asked: tuple[Sequence[OpenedSum], Mapping[bytes, str], bool] | None = None

    def prepare(
        self, entries: Sequence[OpenedSum], names: Mapping[bytes, str], *, accept: bool
    ) -> bool:
        """See :meth:`Ledger.prepare`.

        Raises:
            InputRefused: The sum would give away more than a sum, or the ledger is damaged.
            ConfigurationError: Others can read it.
            ResourceExhausted: It cannot be written.
        """
        self._asked = entries, names, accept
        self._seen, earlier = read_ledger(self._path)
        checked = _checked(earlier, entries, names, accept=accept)
        self._write((*earlier, *checked))
        return any(entry.accepted for entry in checked)

    def commit(self) -> None:
        """See :meth:`Ledger.commit`.

        Raises:
            InputRefused: Meanwhile another run with this key has written a sum that differs.
            ResourceExhausted: It cannot be written.
        """
        assert self._asked is not None
        entries, names, accept = self._asked
        with self._locked():
            seen, earlier = read_ledger(self._path)
            if seen != self._seen:
                checked = _checked(earlier, entries, names, accept=accept)
                self.discard()
                self._write((*earlier, *checked))
            with self._disk():
                self._temporary.replace(self._path)
                sync_folder(self._path.parent)

    def discard(self) -> None:
        """See :meth:`Ledger.discard`."""
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _write(self, entries: tuple[OpenedSum, ...]) -> None:
        with self._disk():
            descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as file:
                file.write(render_ledger(entries))
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs with this key from replacing the ledger at the same time."""
        with self._disk():
            descriptor = os.open(self._lock, os.O_RDONLY)
        try:
            with self._disk():
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # held for milliseconds at most
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            raise ResourceExhausted(
                f"cannot write the ledger {self._path}: {error.strerror}",
                hint="make room, or see that the folder of the key can be written; without a ledger "
                "nothing is opened",
            ) from None


def _checked(
    earlier: Sequence[OpenedSum],
    entries: Sequence[OpenedSum],
    names: Mapping[bytes, str],
    *,
    accept: bool,
) -> tuple[OpenedSum, ...]:
    return tuple(check_differencing(earlier, entry, names, accept=accept) for entry in entries)


def ledger_path(key: Path) -> Path:
    """Return where the ledger of a key is kept: beside the key itself, whatever links lead to it."""
    real = key.resolve()
    return real.with_name(real.name + ".ledger")


def read_ledger(path: Path) -> tuple[str, tuple[OpenedSum, ...]]:
    """Read a ledger; one that does not exist is empty.

    Returns:
        Its text, and its entries.

    Raises:
        ConfigurationError: It cannot be read, or others can read it.
        InputRefused: It is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            mode, is_file = stat.S_IMODE(status.st_mode), stat.S_ISREG(status.st_mode)
            data = file.read() if is_file else b""
    except FileNotFoundError:
        return "", ()
    except OSError as error:
        raise ConfigurationError(f"cannot read the ledger {path}: {error.strerror}") from None
    if not is_file:
        raise ConfigurationError(f"the ledger {path} is no file", hint="move it away")
    if mode & 0o077:
        raise ConfigurationError(
            f"the ledger {path} can be read by others (mode {mode:04o})",
            hint=f"chmod 600 {path}",
        )
    try:
        text = data.decode("ascii")
        return text, parse_ledger(text)
    except ValueError as error:
        reason = "it is not ASCII" if isinstance(error, UnicodeDecodeError) else error
        raise InputRefused(
            f"the ledger {path} is damaged: {reason}",
            hint="restore it from a copy; without it nobody knows what may be summed again. Moved away, "
            "it starts anew",
        ) from None
