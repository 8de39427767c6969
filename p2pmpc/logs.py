"""A peer's log: JSON lines by structlog, an allow-list before the renderer, and a chain of hashes.

Rules:

1. Only the names in ALLOWED reach the file, and only as text, numbers or lists of them: a secret
   that is handed to a log call by mistake is dropped, and the line says that something was.
2. ``--log-secrets`` adds the names in SECRETS and nothing else.
3. Every line ends with a hash over itself and the line before it, so that `p2pmpc verify` can name a
   line that was changed. The last one stands in the signed receipt.
4. What strangers bring about is logged sparingly: they cannot fill the disk.
5. A full disk never stops a round: the writer remembers that it failed, and the run ends with 7.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO, cast

import structlog

from p2pmpc.errors import ResourceExhausted

ALLOWED: Final = frozenset(
    {
        "event", "level", "time", "address", "agreed", "bytes_received", "bytes_sent", "claim", "code",
        "count", "error", "file", "id", "name", "peer", "peers", "reason", "revealed", "session", "step",
        "transcript", "version", "warning", "weights", "withheld",
    }
)  # fmt: skip
SECRETS: Final = frozenset({"secret", "share", "mask"})

CHAIN_DIGITS: Final = 16
CHAIN_START: Final = "0" * CHAIN_DIGITS


def chain(previous: str, line: str) -> str:
    """Return the hash that ends a line: 16 hex digits over the hash before it and the line."""
    return hashlib.sha256(f"{previous}{line}".encode()).hexdigest()[:CHAIN_DIGITS]


class ChainedFile:
    """Writes lines, each with its hash, and remembers a failure instead of raising it.

    Args:
        path: A new file.
        mode: Its permissions.
        goes_on: The file may be there, of a process that was killed: its chain goes on.
    """

    def __init__(self, path: Path, mode: int = 0o644, *, goes_on: bool = False) -> None:
        self.path = path
        self.failure: OSError | None = None
        self.last = CHAIN_START
        self.lines = 0
        flags = os.O_RDWR | os.O_CREAT | (0 if goes_on else os.O_EXCL)
        descriptor = os.open(path, flags, mode)
        if goes_on:
            os.fchmod(descriptor, os.fstat(descriptor).st_mode & mode)
        self._file: TextIO = os.fdopen(descriptor, "r+", encoding="ascii", buffering=1)
        if goes_on:
            self._take_up()

    def _take_up(self) -> None:
        """Go behind the last whole line: one that was cut short is cut off, since it is no line."""
        whole = 0
        for line in self._file.buffer:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self.lines += 1
            mark = line.rpartition(b'"chain": "')[2]
            self.last = mark[:CHAIN_DIGITS].decode("ascii", "replace")
        self._file.seek(whole)
        self._file.truncate()

    def msg(self, line: str) -> None:
        """Write one JSON object as a line; after the end, nothing."""
        if self._file.closed:
            return
        self.last = chain(self.last, line)
        self.lines += 1
        try:
            self._file.write(f'{line[:-1]}, "chain": "{self.last}"}}\n')
        except OSError as error:
            self.failure = error

    debug = info = warning = error = msg

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.failure = error


def _allow_list(names: frozenset[str]) -> structlog.typing.Processor:
    def keep(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        kept = {name: value for name, value in event.items() if name in names and _is_plain(value)}
        if len(kept) < len(event):
            kept["withheld"] = len(event) - len(kept)
        return kept

    return keep


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | int | float)


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return json.dumps(event)


class NodeLog:
    """One peer's log.

    Args:
        path: The new file.
        secrets: Whether ``--log-secrets`` was given.
        goes_on: The file may be there: a process that was killed began it.

    Raises:
        ResourceExhausted: The file cannot be made.
    """

    def __init__(self, path: Path, *, secrets: bool, goes_on: bool = False) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = ChainedFile(path, 0o600 if secrets else 0o644, goes_on=goes_on)
        except FileExistsError:
            raise ResourceExhausted(
                f"the log {path} exists already, and nothing is overwritten",
                hint="name another folder with --log-dir, or this peer with another --name",
            ) from None
        except OSError as error:
            raise ResourceExhausted(
                f"cannot write the log {path}: {error.strerror}",
                hint="name a folder that can be written with --log-dir",
            ) from None
        self.secrets = secrets
        self._last_words: list[Callable[[], None]] = []
        names = ALLOWED | SECRETS if secrets else ALLOWED
        self._logger = cast(
            structlog.typing.FilteringBoundLogger,
            structlog.wrap_logger(
                self.file,
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                    _allow_list(names),
                    _render,
                ],
                wrapper_class=structlog.make_filtering_bound_logger(0),
            ),
        )

    def info(self, event: str, **fields: object) -> None:
        """Write down something that happened."""
        self._logger.info(event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write down something that a person should look at."""
        self._logger.warning(event, **fields)

    def secret(self, event: str, **fields: object) -> None:
        """Write down a secret, if and only if ``--log-secrets`` was given."""
        if self.secrets:
            self._logger.info(event, **fields)

    def before_the_end(self, tell: Callable[[], None]) -> None:
        """Call something that has a last line to write before the log is closed."""
        self._last_words.append(tell)

    def close(self) -> None:
        """Close the log; lines that come afterwards are lost."""
        for tell in self._last_words:
            tell()
        self._last_words.clear()
        self.file.close()

    @property
    def failure(self) -> OSError | None:
        """Why writing failed, if it did."""
        return self.file.failure


class Sparing:
    """Logs an event that others bring about as often as they like: the first times, then at a slow pace.

    What is not logged is counted, and the next line says how often it happened in between.

    Args:
        log: Where to.
        event: What it is called.
        clock: Seconds.
    """

    AT_ONCE: Final = 64
    EVERY_SECONDS: Final = 5.0

    def __init__(self, log: NodeLog, event: str, clock: Callable[[], float]) -> None:
        self._log = log
        self._event = event
        self._clock = clock
        self._tokens = float(self.AT_ONCE)
        self._since: float | None = None
        self._untold = 0
        log.before_the_end(self._tell_the_rest)

    def info(self, **fields: object) -> None:
        """Log it, unless it comes too often."""
        self._tell(self._log.info, fields)

    def warning(self, **fields: object) -> None:
        """Log it as something to look at, unless it comes too often."""
        self._tell(self._log.warning, fields)

    def _tell_the_rest(self) -> None:
        if self._untold:
            self._log.warning(f"{self._event}: more", count=self._untold)
        self._untold = 0

    def _tell(self, tell: Callable[..., None], fields: dict[str, object]) -> None:
        now = self._clock()
        earned = 0.0 if self._since is None else (now - self._since) / self.EVERY_SECONDS
        self._tokens = min(self._tokens + earned, self.AT_ONCE)
        self._since = now
        if self._tokens < 1:
            self._untold += 1
            return
        self._tokens -= 1
        self._tell_the_rest()
        tell(self._event, **fields)
