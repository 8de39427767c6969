"""Addresses, and the two networks a node can live in: TCP, and memory within one process."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from p2pmpc.absence import TCP_INFO_BYTES, TcpState
from p2pmpc.descriptors import MOST_PENDING, Spare, places_beside
from p2pmpc.errors import ConfigurationError, PeerMissing

_ACCEPTED_AT_ONCE: Final = 8
_TURN_AWAY_SECONDS: Final = 0.01

Stream = trio.abc.HalfCloseableStream | trio.abc.Stream


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens.

    Args:
        host: A name or an IPv4 or IPv6 address, without brackets.
        port: 0 lets the system choose one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``host:port`` or ``[v6]:port``.

        Raises:
            ConfigurationError: It is neither.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        number = int(port) if port.isascii() and port.isdigit() else -1
        if not colon or not host or not 0 <= number <= 65535 or (":" in host and not bracketed):
            raise ConfigurationError(
                f"{text!r} is not an address",
                hint="write host:port, e.g. 127.0.0.1:9000 or [::1]:9000",
            )
        return cls(host.strip("[]"), number)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of the machine, and so cannot be dialled."""
        return self.host in ("0.0.0.0", "::", "*")  # noqa: S104 - compared, not bound


class NoDescriptorsError(Exception):
    """Somebody connected, and this process had no descriptor left for it."""


class Listener(Protocol):
    """Accepts connections until it is closed."""

    address: Address

    async def accept(self) -> Stream:
        """Return the next connection.

        Raises:
            NoDescriptorsError: It had to be turned away; the next one may find room.
        """

    async def aclose(self) -> None:
        """Stop listening."""


class Network(Protocol):
    """How a node listens and connects."""

    async def listen(self, address: Address) -> Listener:
        """Listen at an address."""

    async def connect(self, address: Address) -> tuple[Stream, str]:
        """Connect; return the stream, and this machine's host on it."""

    def places_beside(self, peers: int) -> int:
        """Return how many strangers' connections there is room for beside a session of so many peers.

        Raises:
            ResourceExhausted: The session itself does not fit.
        """


class TcpListener:
    """A listening TCP socket."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self._spare = Spare()
        self._plain = socket.socket(fileno=os.dup(listener.socket.fileno()))
        self._plain.setblocking(False)
        self._accepted: deque[trio.SocketStream] = deque()
        host, port = listener.socket.getsockname()[:2]
        self.address = Address(host, port)

    async def accept(self) -> Stream:
        """Return the next connection; connections that broke while queueing are passed over.

        Raises:
            NoDescriptorsError: It had to be turned away.
        """
        if not self._accepted:
            try:
                self._accepted.append(await self._listener.accept())
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                await self._turn_away()
                raise NoDescriptorsError(f"no descriptor for it: {error.strerror}") from None
            self._spare.take()
            self._accept_more()
        stream = self._accepted.popleft()
        tune(stream)
        return stream

    def _accept_more(self) -> None:
        """Take what else has queued: one a turn of the loop would let a crowd queue for seconds."""
        with contextlib.suppress(OSError):  # usually BlockingIOError: that was all
            for _ in range(_ACCEPTED_AT_ONCE - 1):
                connection, _ = self._plain.accept()
                self._accepted.append(trio.SocketStream(trio.socket.from_stdlib_socket(connection)))

    async def _turn_away(self) -> None:
        """Close the next connection, by means of the spare descriptor.

        Left in the queue it would be accepted in vain again and again.
        """
        self._spare.give()
        with trio.move_on_after(_TURN_AWAY_SECONDS), contextlib.suppress(OSError):
            await (await self._listener.accept()).aclose()
        self._spare.take()
        await trio.sleep(_TURN_AWAY_SECONDS)

    async def aclose(self) -> None:
        """Close the socket."""
        self._spare.give()
        self._plain.close()
        for stream in self._accepted:
            await trio.aclose_forcefully(stream)
        await self._listener.aclose()


class TcpNetwork:
    """The machine's TCP."""

    async def listen(self, address: Address) -> Listener:
        """Listen at an address.

        Raises:
            ConfigurationError: The port is taken, or the address is not this machine's.
        """
        host = None if address.host == "*" else address.host
        try:
            listeners = await trio.open_tcp_listeners(address.port, host=host, backlog=1024)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {address}: {error.strerror or error}",
                hint="choose another port with --listen, or 0 for a free one",
            ) from None
        for extra in listeners[1:]:
            await extra.aclose()
        return TcpListener(listeners[0])

    async def connect(self, address: Address) -> tuple[Stream, str]:
        """Connect.

        Raises:
            PeerMissing: The name does not exist.
            OSError: Nobody answers there now.
        """
        try:
            stream = await trio.open_tcp_stream(address.host, address.port)
        except socket.gaierror as error:
            raise PeerMissing(
                f"the name in {address} cannot be found: {error.strerror}",
                hint="check the address for a typing error, and this machine's name service",
            ) from None
        except UnicodeError:
            raise PeerMissing(f"the name in {address} cannot be one") from None
        except OSError as error:
            raise _plainest(error) from None
        tune(stream)
        return stream, stream.socket.getsockname()[0]

    def places_beside(self, peers: int) -> int:
        """See :func:`p2pmpc.descriptors.places_beside`."""
        return places_beside(peers)


_KEPT_ALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""Seconds before the first probe of an idle connection and between further ones, and how many; the
first under its name on Linux and on macOS. Machines answer, so a stopped program keeps its connections."""


def tune(stream: trio.SocketStream) -> None:
    """Send small frames at once, and notice within 30 s that nobody is at the other end any more.

    Mesh links have signs of life of their own; a join link may wait for minutes without a word.
    """
    with contextlib.suppress(
        OSError
    ):  # some systems refuse it on a connection that was reset already
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEPT_ALIVE.items():
            if hasattr(socket, name):
                stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def tcp_state(stream: Stream) -> TcpState | None:
    """Return what the system knows of a connection; None where there is no TCP, or no Linux."""
    inner: object = stream
    while not isinstance(inner, trio.SocketStream) and hasattr(inner, "transport_stream"):
        inner = inner.transport_stream  # of TLS, and of what counts a stranger's bytes below it
    if sys.platform != "linux" or not isinstance(inner, trio.SocketStream):
        return None
    try:
        data = inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return None
    return TcpState.parse(data) if isinstance(data, bytes) else None


def _plainest(error: OSError) -> OSError:
    """Return the error of the first attempt, where trio reports that all attempts failed."""
    cause: BaseException | None = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else error


def own_host() -> str:
    """Return the address this machine shows to others by default; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737)
            host: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
    return host


class MemoryListener:
    """Accepts connections of a :class:`MemoryNetwork`."""

    def __init__(self, address: Address, registry: dict[Address, MemoryListener]) -> None:
        self.address = address
        self._registry = registry
        self.arrivals, self._accepted = trio.open_memory_channel[Stream](1024)

    async def accept(self) -> Stream:
        """Return the next connection."""
        try:
            return await self._accepted.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    async def aclose(self) -> None:
        """Stop listening: later connections are refused."""
        self._registry.pop(self.address, None)
        self.arrivals.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Connections within one process, for tests and in-process swarms."""

    def __init__(self) -> None:
        self._listeners: dict[Address, MemoryListener] = {}
        self._next_port = 1

    @property
    def listeners(self) -> Mapping[Address, MemoryListener]:
        """Who listens where."""
        return self._listeners

    async def listen(self, address: Address) -> Listener:
        """Listen at an address; port 0 takes the next free one."""
        await trio.lowlevel.checkpoint()
        if address.port == 0:
            address = Address(address.host, self._next_port)
            self._next_port += 1
        if address in self._listeners:
            raise ConfigurationError(f"cannot listen on {address}: it is taken")
        listener = MemoryListener(address, self._listeners)
        self._listeners[address] = listener
        return listener

    async def connect(self, address: Address) -> tuple[Stream, str]:
        """Connect to a listener of this network.

        Raises:
            OSError: Nobody listens there.
        """
        from trio.testing import memory_stream_pair  # noqa: PLC0415 - not needed outside one process

        await trio.lowlevel.checkpoint()
        listener = self._listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there")
        here, there = memory_stream_pair()
        await listener.arrivals.send(there)
        return here, "memory"

    def places_beside(self, peers: int) -> int:  # noqa: ARG002 - memory takes no descriptors
        """Return how many strangers may wait: there is nothing to run out of."""
        return MOST_PENDING
