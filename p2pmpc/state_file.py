"""What a peer keeps of a session, on disk: one file a session, in a folder that nobody else may read.

The process that lives in a session holds a lock on its file, so nobody goes on with it a second time.
A file is begun anew by putting a whole one in its place, and grows by lines that are on the disk before
:meth:`StateFile.add` returns. It is removed when the session ends in whatever way a process can end by
itself: what is left belongs to a process that was killed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from p2pmpc.errors import ConfigurationError, InputRefused, ResourceExhausted
from p2pmpc.identity import short_id
from p2pmpc.kept import Fact, Kept, Lines, parse_kept
from p2pmpc.storage import sync_folder

_SUFFIX: Final = ".state"


def default_state_folder() -> Path:
    """Return where state is kept unless ``--state-dir`` says otherwise (XDG Base Directory)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "p2pmpc"


def open_folder(folder: Path) -> Path:
    """Make the folder, unless it is there, and return it.

    Raises:
        ConfigurationError: Others can look into it.
        ResourceExhausted: It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise ResourceExhausted(
            f"cannot make the folder {folder}, where state is kept: {error.strerror}",
            hint="name another one with --state-dir, or run with --no-state (and never --resume)",
        ) from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"others can look into {folder}, where secrets of sessions are kept (mode {mode:04o})",
            hint=f"chmod 700 {folder}, or name a folder of your own with --state-dir",
        )
    return folder


class StateFile:
    """The file of one session, locked.

    Args:
        path: The file.
        descriptor: Open for writing at its end, and locked.
        lines: Chained up to its last line.
        kept: What it holds; None where it is new.
    """

    def __init__(self, path: Path, descriptor: int, lines: Lines, kept: Kept | None) -> None:
        self.path = path
        self.kept = kept
        self._descriptor = descriptor
        self._lines = lines

    @classmethod
    def create(cls, folder: Path, identifier: bytes, *facts: Fact) -> StateFile:
        """Make the file of a new session.

        Args:
            folder: Where state is kept.
            identifier: The peer's ID.
            facts: What it begins with.

        Raises:
            ResourceExhausted: It cannot be made.
        """
        path = folder / f"{short_id(identifier)}-{secrets.token_hex(4)}{_SUFFIX}"
        return cls(path, *_put(path, facts), None)

    def add(self, *facts: Fact) -> None:
        """Write facts at the end; they are on the disk when this returns.

        Raises:
            ResourceExhausted: They cannot be written.
        """
        data = self._lines.of(facts).encode("ascii")
        with _disk(self.path):
            _write(self._descriptor, data)
            os.fsync(self._descriptor)

    def begin(self, *facts: Fact) -> None:
        """Put a new file with these facts alone in the place of the old one.

        Raises:
            ResourceExhausted: It cannot be written; the old one still stands.
        """
        descriptor, lines = _put(self.path, facts)
        os.close(self._descriptor)
        _clear(self.path)
        self._descriptor, self._lines = descriptor, lines

    def release(self) -> None:
        """Let the file be."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the file: there is nothing to go on with."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        _clear(self.path)
        os.close(self._descriptor)


def _put(path: Path, facts: Iterable[Fact]) -> tuple[int, Lines]:
    """Put a whole new file, locked, at a path; return it open, and its chain of lines."""
    lines = Lines()
    data = (lines.head() + lines.of(facts)).encode("ascii")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with _disk(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write(descriptor, data)
            os.fsync(descriptor)
            temporary.replace(path)
            sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
    return descriptor, lines


def _clear(path: Path) -> None:
    """Remove what a process was killed over before it stood at a path: it holds the same secrets."""
    with suppress(OSError):
        for left in path.parent.glob(f".{path.name}.*"):
            left.unlink(missing_ok=True)


def find_state(
    folder: Path, *, identifier: bytes | None = None, name: str = ""
) -> Iterator[StateFile]:
    """Yield the sessions that no living process is in, locked.

    Args:
        folder: Where state is kept.
        identifier: Only of this ID.
        name: Only of peers that call themselves so.

    Raises:
        InputRefused: A file is damaged.
        ConfigurationError: A file cannot be read.
    """
    owner = "" if identifier is None else f"{short_id(identifier)}-"
    for path in sorted(folder.glob(f"{owner}*{_SUFFIX}")):
        file = _take(path)
        if file is None:
            continue
        assert file.kept is not None
        me = file.kept.me
        if identifier in (None, me.id) and name in ("", me.name):
            yield file
        else:
            file.release()


def _take(path: Path) -> StateFile | None:
    """Lock and read a file, unless its process lives or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_APPEND)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(path, descriptor):  # it was begun anew, or removed, meanwhile
            os.close(descriptor)
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            text = file.read().decode("ascii")
        kept, check, whole = parse_kept(text)
        os.ftruncate(descriptor, whole)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except ValueError as error:
        os.close(descriptor)
        reason = "it is not ASCII" if isinstance(error, UnicodeDecodeError) else error
        raise InputRefused(
            f"the state {path} is damaged: {reason}",
            hint="it cannot be gone on with; remove it, and tell the others to start anew",
        ) from None
    return StateFile(path, descriptor, Lines(check), kept)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceExhausted(
            f"cannot write the state {path}: {error.strerror}",
            hint="make room, name another folder with --state-dir, or run with --no-state",
        ) from None
