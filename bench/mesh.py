"""The links of the yardsticks: the same mutual TLS 1.3 and framing as a peer's, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import trio

from bench.child import introduce, read_line
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, Limits
from p2pmpc.gate import SATISFIED
from p2pmpc.identity import Identity
from p2pmpc.links import Link
from p2pmpc.messages import Kind
from p2pmpc.network import Address, Listener, Stream, TcpNetwork
from p2pmpc.tls import mesh_context, remote_certificate, server_context, wrap_client, wrap_server

_DIALLED_AT_ONCE = 8
_READY = Kind.CONFIRM
_SMALL = Limits(peers=2, length=1)


def empty_frame(kind: Kind, size: int) -> bytes:
    """Return the beginning of a frame whose body of ``size`` bytes follows, with no signature."""
    return HEADER.pack(ENVELOPE_BYTES + size, kind) + bytes(ENVELOPE_BYTES)


async def open_links(own: int) -> dict[int, Link]:
    """Introduce this process, and return its links to all others once every link is up everywhere.

    Args:
        own: This process's index; the higher one of a pair dials, as peers do.
    """
    identity = Identity.generate(os.urandom)
    listener = await TcpNetwork().listen(Address("127.0.0.1", 0))
    introduce(address=str(listener.address), certificate=identity.certificate().hex())
    members = read_line()
    links = await _connect(own, identity, listener, members)
    await listener.aclose()
    for link in links.values():
        await link.send(empty_frame(_READY, 0))
    for link in links.values():
        await link.receive(_SMALL, frozenset({_READY}))
    return dict(sorted(links.items()))


def bytes_sent(links: Mapping[int, Link]) -> int:
    """Return how many bytes all links have sent, framing included."""
    return sum(link.bytes_sent for link in links.values())


async def close(links: Mapping[int, Link]) -> None:
    """Close all links."""
    async with trio.open_nursery() as nursery:
        for link in links.values():
            nursery.start_soon(link.aclose)


async def _connect(
    own: int, identity: Identity, listener: Listener, members: Sequence[Mapping[str, str]]
) -> dict[int, Link]:
    anchors = [bytes.fromhex(member["certificate"]) for member in members]
    server, client = server_context(identity, anchors), mesh_context(identity, anchors)
    links: dict[int, Link] = {}
    limiter = trio.CapacityLimiter(_DIALLED_AT_ONCE)

    async def dial(index: int) -> None:
        async with limiter:
            stream, _ = await TcpNetwork().connect(Address.parse(members[index]["address"]))
            tls = wrap_client(stream, client)
            await tls.do_handshake()
            link = Link(tls)
            if anchors.index(remote_certificate(tls)) != index:
                raise RuntimeError("another process answers")
            if await link.receive_byte() != SATISFIED[0]:
                raise RuntimeError("it is not satisfied")
            links[index] = link

    async def welcome(stream: Stream) -> None:
        tls = wrap_server(stream, server)
        await tls.do_handshake()
        link = Link(tls)
        await link.send(SATISFIED)
        links[anchors.index(remote_certificate(tls))] = link

    async with trio.open_nursery() as nursery:
        for index in range(own):
            nursery.start_soon(dial, index)
        for _ in range(own + 1, len(members)):
            nursery.start_soon(welcome, await listener.accept())
    return links
