"""Sums from scripts and notebooks: the session of :mod:`p2pmpc.library`, without an event loop.

    with Session(Options(bootstrap="host:9000#ID", weight=3)) as session:
        print(session.sum(gradient).mean)

The session lives in a thread of its own, so links are served while the program computes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any

import numpy.typing as npt
import trio

from p2pmpc import library
from p2pmpc.errors import LocalProtocolError
from p2pmpc.library import Member, Options, Sum

_Request = tuple[npt.ArrayLike | None, "Future[Sum]"]


class Session:
    """A session that this program is a member of, until the end of its ``with`` block.

    Args:
        options: As for a node; ``value`` and ``input`` are of no use here.
        on_founded: Given ``HOST:PORT#ID``, which the others join with, once this peer listens. It is
            called in the session's thread.
        on_event: Given every step of progress, by name, with its fields; likewise.
    """

    def __init__(
        self,
        options: Options,
        *,
        on_founded: Callable[[str], None] = lambda _bootstrap: None,
        on_event: Callable[[str, dict[str, Any]], None] = lambda _event, _fields: None,
    ) -> None:
        self._open = partial(
            library.open_session, options, on_founded=on_founded, on_event=on_event
        )
        self._opened: Future[library.Session] = Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._requests: trio.MemorySendChannel[_Request] | None = None
        self._leaving = trio.CancelScope()
        self._lock = threading.Lock()
        """Guards what follows, which both threads look at."""
        self._has_ended = False
        self._answer: Future[Sum] | None = None
        self._thread = threading.Thread(target=self._live, name="p2pmpc session", daemon=True)

    def __enter__(self) -> Session:
        """Found or join, and wait until the roster is closed.

        Raises:
            P2PMPCError: Why there is no session.
        """
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self._leave(signal.SIGINT)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the session; whoever is in the middle of a sum is told."""
        self._leave(None if kind is None else signal.SIGINT)

    @property
    def id(self) -> str:
        """The session id, hex."""
        self._check_open()
        return self._opened.result().id

    @property
    def members(self) -> tuple[Member, ...]:
        """Who takes part, in roster order: look before you sum."""
        self._check_open()
        return self._opened.result().members

    @property
    def length(self) -> int:
        """Elements of a vector."""
        self._check_open()
        return self._opened.result().length

    def sum(self, vector: npt.ArrayLike | None = None) -> Sum:
        """Take part in the next sum; see :meth:`p2pmpc.library.Session.sum`.

        Args:
            vector: Integers or floats of any shape, as many as the session's length.

        Raises:
            P2PMPCError: Why there is no total; the session ends with it.
        """
        self._check_open()
        answer: Future[Sum] = Future()
        with self._lock:
            if self._answer is not None and not self._answer.done():
                raise LocalProtocolError("a sum is under way; wait for it before the next one")
            if self._has_ended or self._token is None or self._requests is None:
                raise LocalProtocolError("the session has ended")
            self._answer = answer
            self._token.run_sync_soon(self._requests.send_nowait, (vector, answer))
        return answer.result()

    def _check_open(self) -> None:
        if not self._opened.done():
            raise LocalProtocolError(
                "the session is not open yet",
                hint="use it in a block: with Session(...) as session:",
            )

    # -- the session's thread -------------------------------------------------------------------

    def _live(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
        finally:
            with self._lock:
                self._has_ended = True
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(LocalProtocolError("the session has ended"))

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._requests, requests = trio.open_memory_channel[_Request](1)
        with self._leaving:
            async with self._open() as session:
                self._opened.set_result(session)
                async for vector, answer in requests:
                    await self._sum(session, vector, answer)

    async def _sum(
        self, session: library.Session, vector: npt.ArrayLike | None, answer: Future[Sum]
    ) -> None:
        try:
            opened = await session.sum(vector)
        except BaseException as error:
            with self._lock:
                self._has_ended = True
            left = LocalProtocolError("the session was left")
            answer.set_exception(left if isinstance(error, trio.Cancelled) else error)
            raise
        answer.set_result(opened)

    def _leave(self, number: int | None) -> None:
        """End the thread: in good order, or as a signal would."""

        async def interrupt() -> None:
            with trio.move_on_after(1):
                await self._opened.result().interrupt(number or 0)

        def leave() -> None:
            if number is not None and self._opened.done() and not self._opened.exception():
                trio.lowlevel.spawn_system_task(interrupt)
            if self._requests is not None:
                self._requests.close()
            if not self._opened.done():
                self._leaving.cancel()

        if self._token is not None:
            try:
                self._token.run_sync_soon(leave)
            except trio.RunFinishedError:
                return
        self._thread.join()
