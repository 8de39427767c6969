"""Join links: opening one, and what both its ends say alike."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import trio

from p2pmpc.endings import abort_message
from p2pmpc.envelope import frame_bytes, sign_before_session
from p2pmpc.errors import P2PMPCError
from p2pmpc.frames import TO_ALL
from p2pmpc.identity import Identity, certificate_key, parse_id, peer_id
from p2pmpc.links import Link, LinkEndedError, plain_reason
from p2pmpc.messages import Kind
from p2pmpc.network import Address, Network
from p2pmpc.tls import JOIN_PROTOCOL, alpn, join_context, remote_certificate, wrap_client

TOLD_TO_ALL: Final = frozenset({Kind.ROSTER, Kind.ABORT})
"""Kinds on a join link whose signature names no receiver."""


async def refuse(link: Link, me: Identity, error: P2PMPCError) -> None:
    """Tell the peer at the other end of a join link why this one ends it."""
    message = sign_before_session(me, abort_message(error), TO_ALL)
    with trio.move_on_after(1):
        try:
            await link.send(frame_bytes(message))
        except LinkEndedError:
            return


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where a joiner knocks.

    Args:
        address: Of the bootstrap peer.
        pinned: Its ID, where one is known.
    """

    address: Address
    pinned: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> Bootstrap:
        """Read ``host:port`` or ``host:port#ID``."""
        address, mark, identifier = text.partition("#")
        return cls(Address.parse(address), parse_id(identifier) if mark else None)


@dataclass(frozen=True, slots=True)
class Knock:
    """An open join link, and who answers on it.

    Args:
        link: The link.
        identifier: The ID at the other end.
        public_key: Its Ed25519 key.
        local_host: This machine's host on the link.
    """

    link: Link
    identifier: bytes
    public_key: bytes
    local_host: str


@contextlib.asynccontextmanager
async def knock_at(network: Network, address: Address) -> AsyncIterator[Knock]:
    """Open a join link.

    Raises:
        LinkEndedError: Nobody answers, or not with this protocol.
        PeerMissing: The name does not exist.
    """
    try:
        with trio.fail_after(10):
            stream, local_host = await network.connect(address)
    except trio.TooSlowError:
        raise LinkEndedError("no answer within 10 s") from None
    except OSError as error:
        raise LinkEndedError(plain_reason(error)) from None
    link: Link | None = None
    try:
        tls = wrap_client(stream, join_context())
        try:
            with trio.fail_after(10):
                await tls.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            raise LinkEndedError("what answers there is not a peer") from None
        if alpn(tls) != JOIN_PROTOCOL:
            raise LinkEndedError("what answers there is not a peer")
        link = Link(tls)
        public_key = certificate_key(remote_certificate(tls))
        yield Knock(link, peer_id(public_key), public_key, local_host)
        await link.aclose()
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
