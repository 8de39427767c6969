"""Framed messages over one stream, with caps checked before anything is buffered."""

from __future__ import annotations

from typing import Final

import trio

from p2pmpc.absence import TcpState
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, Frame, Limits, parse_frame, parse_header
from p2pmpc.messages import Kind
from p2pmpc.network import Stream, tcp_state

_READ: Final = 1 << 18
_WRITE: Final = 1 << 20


class LinkEndedError(Exception):
    """A link that carries no more: closed by the other side, cut, or never good.

    Args:
        reason: For a log line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Link:
    """One stream that carries frames.

    Args:
        stream: TLS in production.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.bytes_sent = 0
        self.bytes_received = 0
        self.is_waiting = False
        """Whether somebody waits here for bytes to come."""

    async def send(self, data: bytes) -> None:
        """Write frames.

        Raises:
            LinkEndedError: The link is no more.
        """
        try:
            if len(data) <= _WRITE:
                await self._stream.send_all(data)
            else:
                view = memoryview(data)
                for start in range(0, len(data), _WRITE):
                    await self._stream.send_all(view[start : start + _WRITE])
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkEndedError(plain_reason(error)) from None
        self.bytes_sent += len(data)

    async def receive(self, limits: Limits, accepted: frozenset[Kind]) -> Frame:
        """Read one frame.

        Args:
            limits: What the sizes are held against.
            accepted: Kinds that may come now.

        Raises:
            RemoteProtocolError: A frame that has no business here; nothing of it is buffered.
            LinkEndedError: The link is no more.
        """
        header = await self._exactly(HEADER.size)
        kind, size = parse_header(header, limits, accepted)
        envelope = await self._exactly(ENVELOPE_BYTES)
        return parse_frame(kind, envelope, await self._exactly(size - ENVELOPE_BYTES))

    async def receive_byte(self) -> int:
        """Read the one byte with which a mesh link's accepting side says that it is satisfied.

        Raises:
            LinkEndedError: It closed instead.
        """
        return (await self._exactly(1))[0]

    async def _exactly(self, size: int) -> bytes:
        buffer, missing = self._buffer, size - len(self._buffer)
        if missing <= 0:
            taken = bytes(memoryview(buffer)[:size])
            del buffer[:size]
            return taken
        parts = [bytes(buffer)]
        buffer.clear()
        while missing > 0:
            self.is_waiting = True
            try:
                data = await self._stream.receive_some(_READ)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise LinkEndedError(plain_reason(error)) from None
            finally:
                self.is_waiting = False
            if not data:
                raise LinkEndedError("closed by the other side")
            self.bytes_received += len(data)
            if len(data) > missing:
                buffer += memoryview(data)[missing:]
                data = data[:missing]
            parts.append(bytes(data))
            missing -= len(data)
        return b"".join(parts)

    def tcp_state(self) -> TcpState | None:
        """Return what the system knows of the connection, where it is one of TCP and it says so."""
        return tcp_state(self._stream)

    async def abandon(self) -> None:
        """Close the stream without a word: nobody is there to hear one."""
        await trio.aclose_forcefully(self._stream)

    async def aclose(self) -> None:
        """Close the stream, in good order if that is quick."""
        with trio.move_on_after(1) as scope:
            scope.shield = True
            try:
                await self._stream.aclose()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
        if scope.cancelled_caught:
            await trio.aclose_forcefully(self._stream)


def plain_reason(error: BaseException) -> str:
    """Return the plainest reason in an exception, without what the other side wrote."""
    for cause in (error.__cause__, error):
        reason = getattr(cause, "reason", None) or getattr(cause, "strerror", None)
        if reason == "UNEXPECTED_EOF_WHILE_READING":  # of TLS, which ends with a goodbye
            return "it was cut"
        if reason:
            return str(reason).lower().replace("_", " ")
    return "it was refused" if isinstance(error, OSError) else "it was cut"
