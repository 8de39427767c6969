"""Where connections wait until it is known who they are, and who has to go when it is full.

Rules:

1. There are three rooms, by what a connection has shown: nothing yet, bytes, TLS done. Each has its
   own places, so a crowd in one costs nobody a place in another: thousands that say nothing never
   push out one in the middle of a handshake, and those that shake hands and then say nothing
   never keep a new one from beginning.
2. Whoever comes always gets in. Where the room is full, one of those who were there before is dropped
   at random, as sshd drops: a peer that means it is through a room in milliseconds, and whoever
   stays long is the likeliest to go.
3. What a connection sends before it is known is counted below TLS, and is bounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final

import trio

from p2pmpc.links import LinkEndedError
from p2pmpc.network import Stream

UNVERIFIED_BYTES: Final = 8192
"""What a stranger may send in all, TLS included: a ClientHello of post-quantum size twice, and at most
3346 bytes of JOIN and HELLO."""

_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_BEGINS: Final = b"\x16\x03"
"""The kind of a handshake, and the major version that every version of TLS shows there."""


class Shown(IntEnum):
    """What a connection has shown so far."""

    NOTHING = 0
    BYTES = 1
    TLS = 2


class Visit:
    """One connection that waits.

    Args:
        scope: Ends it. Its deadline is taken away once it is known who this is.
    """

    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope
        self.shown = Shown.NOTHING
        self.dropped = False

    @property
    def is_known(self) -> bool:
        """Whether it is known who this is: then no limit of this module holds."""
        return self._scope.deadline == float("inf")

    def drop(self) -> None:
        """End it, to make room."""
        self.dropped = True
        self._scope.cancel()


class Lobby:
    """Holds the connections of strangers.

    Args:
        places: In all rooms together.
        draw: Returns a number below the one it is given, at random.
    """

    def __init__(self, places: int, draw: Callable[[int], int]) -> None:
        self.places = places
        self._draw = draw
        self._rooms: dict[Shown, list[Visit]] = {shown: [] for shown in Shown}

    def __len__(self) -> int:
        return sum(not visit.is_known for room in self._rooms.values() for visit in room)

    @contextlib.contextmanager
    def visit(self, scope: trio.CancelScope) -> Iterator[Visit]:
        """Hold a place for a connection for the length of the block."""
        visit = Visit(scope)
        self._enter(visit)
        try:
            yield visit
        finally:
            self._leave(visit)

    def move(self, visit: Visit, shown: Shown) -> None:
        """Note what a connection has shown."""
        if shown > visit.shown and not visit.dropped:
            self._leave(visit)
            visit.shown = shown
            self._enter(visit)

    def drop_one(self) -> bool:
        """Drop one at random of those that have shown least; return whether there was one."""
        return any(self._make_room(shown, 1) for shown in Shown)

    def _enter(self, visit: Visit) -> None:
        room = self._rooms[visit.shown]
        while len(room) >= self.places // len(Shown):
            self._make_room(visit.shown, len(room))
        room.append(visit)

    def _make_room(self, shown: Shown, least: int) -> bool:
        """Take one out of a room that holds at least so many; return whether it was dropped."""
        room = self._rooms[shown]
        while len(room) >= least:
            visit = room.pop(self._draw(len(room)))
            if not visit.is_known:  # whoever is known has only not left yet
                visit.drop()
                return True
        return False

    def _leave(self, visit: Visit) -> None:
        with contextlib.suppress(ValueError):  # dropped, or found to be known
            self._rooms[visit.shown].remove(visit)


class MeteredStream(trio.abc.Stream):
    """A stranger's stream below TLS: what comes is counted until it is known who sends it.

    Args:
        stream: As accepted.
        lobby: Told of the first byte.
        visit: The stranger's.
    """

    def __init__(self, stream: Stream, lobby: Lobby, visit: Visit) -> None:
        self.transport_stream = stream
        self._lobby = lobby
        self._visit = visit
        self._first = b""
        self.on_answer: Callable[[], None] = lambda: None
        """Called when something is about to be sent."""
        self._left = UNVERIFIED_BYTES

    async def first_message(self) -> bytes:
        """Wait for the first message of TLS, and return what has come without taking it.

        Until it is whole, in however many records, there is nothing to do for it: who sends it a byte at
        a time costs those bytes, and no state of a handshake. What is no such message comes back as soon
        as that shows.

        Raises:
            LinkEndedError: It is longer than a stranger may send, or not said to its end.
        """
        while not _is_whole(self._first):
            data = await self._receive(UNVERIFIED_BYTES)
            if not data:
                break
            self._first += data
        return self._first

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what has come.

        Raises:
            LinkEndedError: It is more than a stranger may send.
        """
        if self._first:
            most = max_bytes or len(self._first)
            taken, self._first = self._first[:most], self._first[most:]
            return taken
        if self._visit.is_known:
            return await self.transport_stream.receive_some(max_bytes)
        return await self._receive(max_bytes or UNVERIFIED_BYTES)

    async def _receive(self, most: int) -> bytes | bytearray:
        if self._left == 0:
            raise LinkEndedError(f"{UNVERIFIED_BYTES} bytes, and it has not said who it is")
        data = await self.transport_stream.receive_some(min(most, self._left))
        self._left -= len(data)
        if data:
            self._lobby.move(self._visit, Shown.BYTES)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write."""
        self.on_answer()  # the work for it is done, and who reads slowly would hold it up
        await self.transport_stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until writing might not block."""
        await self.transport_stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self.transport_stream.aclose()


def is_hello(data: bytes) -> bool:
    """Return whether bytes are the beginning of a TLS handshake, as far as they go."""
    return len(data) > 0 and _BEGINS.startswith(data[: len(_BEGINS)])


def _is_whole(data: bytes) -> bool:
    """Return whether the first message of a handshake is there, or something that is none.

    Raises:
        LinkEndedError: Something else comes in the middle of it.
    """
    said = b""
    while data:
        if not is_hello(data):
            if said:
                raise LinkEndedError("it begins a handshake, and breaks off")
            return True
        size = int.from_bytes(data[_RECORD_HEADER - 2 : _RECORD_HEADER], "big")
        end = _RECORD_HEADER + size if len(data) >= _RECORD_HEADER else len(data)
        said, data = said + data[_RECORD_HEADER:end], data[end:]
        whole = _MESSAGE_HEADER + int.from_bytes(said[1:_MESSAGE_HEADER], "big")
        if len(said) >= _MESSAGE_HEADER and len(said) >= whole:
            return True
    return False
