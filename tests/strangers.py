"""Strangers that come in crowds: what a node on an open port has to stand.

    python -m tests.strangers HOST:PORT --count 10000 [--rate 500] [--kinds idle,slow,...]

Opens so many connections, each of one kind, and opens another for each that is ended, until its standard
input is closed. Prints a line when all were opened once, and at the end one JSON object: how
many connections of each kind there were. Knows nothing but the address.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import resource
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import trio

from p2pmpc.frames import HEADER
from p2pmpc.identity import Identity
from p2pmpc.messages import Kind
from p2pmpc.network import Address
from p2pmpc.tls import JOIN_PROTOCOL, join_context, mesh_context
from tests.frames import encode_frame

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))
"""The beginning of a ClientHello."""
DRIP_SECONDS = 0.5


async def _until_ended(stream: trio.abc.Stream) -> None:
    """Read until the other side ends it."""
    while await stream.receive_some(1 << 16):
        pass


async def idle(stream: trio.SocketStream) -> None:
    """Say nothing."""
    await _until_ended(stream)


async def slow(stream: trio.SocketStream) -> None:
    """Say a byte of a handshake now and then, for ever."""
    for byte in itertools.cycle(HELLO):
        await stream.send_all(bytes([byte]))
        await trio.sleep(DRIP_SECONDS)


async def garbage(stream: trio.SocketStream) -> None:
    """Say what means nothing, as fast as it is taken."""
    while True:
        await stream.send_all(os.urandom(1 << 14))


async def records(stream: trio.SocketStream) -> None:
    """Say what looks like TLS and never comes to an end, as fast as it is taken."""
    while True:
        await stream.send_all(b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" + bytes(0x3FFC))


async def http(stream: trio.SocketStream) -> None:
    """Ask for a page."""
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    await _until_ended(stream)


async def ssh(stream: trio.SocketStream) -> None:
    """Greet as a client of SSH does."""
    await stream.send_all(b"SSH-2.0-OpenSSH_9.6\r\n")
    await _until_ended(stream)


async def _shake(stream: trio.SocketStream, context: ssl.SSLContext) -> trio.abc.Stream:
    tls: trio.SSLStream[trio.SocketStream] = trio.SSLStream(stream, context)
    await tls.do_handshake()
    return tls


def _old_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([JOIN_PROTOCOL])
    return context


def _unknown_context() -> ssl.SSLContext:
    context = mesh_context(Identity.generate(os.urandom), ())
    context.verify_mode = ssl.CERT_NONE
    return context


OLD, UNKNOWN, JOIN = _old_context(), _unknown_context(), join_context()


async def old_tls(stream: trio.SocketStream) -> None:
    """Offer nothing newer than TLS 1.2."""
    await _until_ended(await _shake(stream, OLD))


async def unknown(stream: trio.SocketStream) -> None:
    """Show a certificate that nobody knows."""
    await _until_ended(await _shake(stream, UNKNOWN))


async def half(stream: trio.SocketStream) -> None:
    """Begin a handshake as it should be, and leave the rest unsaid."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        JOIN.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    await stream.send_all(outgoing.read())
    await _until_ended(stream)


async def stalled(stream: trio.SocketStream) -> None:
    """Shake hands as a joiner does, and say nothing more."""
    await _until_ended(await _shake(stream, JOIN))


async def oversized(stream: trio.SocketStream) -> None:
    """Shake hands as a joiner does, and announce two gigabytes."""
    tls = await _shake(stream, JOIN)
    await tls.send_all(HEADER.pack(1 << 31, Kind.JOIN))
    await _until_ended(tls)


async def arrays(stream: trio.SocketStream) -> None:
    """Shake hands as a joiner does, and send 16 MiB of empty arrays."""
    tls = await _shake(stream, JOIN)
    await tls.send_all(HEADER.pack(1 << 24, Kind.JOIN) + b"\x90" * (1 << 24))
    await _until_ended(tls)


async def nested(stream: trio.SocketStream) -> None:
    """Shake hands as a joiner does, and send as deep a nesting as a JOIN may be long."""
    tls = await _shake(stream, JOIN)
    await tls.send_all(encode_frame(Kind.JOIN, 0, bytes(64), b"\x91" * 128))
    await _until_ended(tls)


Stranger = Callable[[trio.SocketStream], Awaitable[None]]
KINDS: dict[str, Stranger] = {
    stranger.__name__: stranger
    for stranger in (
        idle, slow, garbage, records, http, ssh, old_tls, unknown, half, stalled, oversized, arrays, nested,
    )
}  # fmt: skip


class Crowd:
    """Some strangers, each of which comes again as soon as it is sent away.

    Args:
        address: Where they go.
        rate: How many come in a second, at most, all together.
    """

    def __init__(self, address: Address, rate: float) -> None:
        self._address = address
        self._pause = 1 / rate
        self._turn = trio.Lock()
        self.came: Counter[str] = Counter()
        self.not_let_in = 0
        self._missing = 0
        self._complete = trio.Event()

    async def run(self, kinds: Iterator[str], count: int) -> None:
        """Send all of them; returns never."""
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(self._come, next(kinds))
            self._missing = count
            await self._complete.wait()
            print("all came", flush=True)  # noqa: T201 - the launcher reads it

    async def _come(self, kind: str) -> None:
        while True:
            async with self._turn:
                await trio.sleep(self._pause)
            try:
                stream = await trio.open_tcp_stream(self._address.host, self._address.port)
            except OSError:
                self.not_let_in += 1
                continue
            self.came[kind] += 1
            self._missing -= 1
            if self._missing == 0:
                self._complete.set()
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                await KINDS[kind](stream)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)


async def _run(crowd: Crowd, kinds: Iterator[str], count: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd.run, kinds, count)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    told = {"came": dict(crowd.came), "not let in": crowd.not_let_in}
    print(json.dumps(told), flush=True)  # noqa: T201


def main() -> None:
    """Send a crowd until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.strangers", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=500.0, help="connections a second, at most")
    parser.add_argument("--kinds", default=",".join(KINDS), help="drawn from in turn")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(Address.parse(options.address), options.rate)
    trio.run(_run, crowd, itertools.cycle(options.kinds.split(",")), options.count)


if __name__ == "__main__":
    main()
