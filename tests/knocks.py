"""A joiner by hand: it says to one bootstrap peer what a test likes, and nothing to the others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

import trio

from p2pmpc.discovery import Self
from p2pmpc.envelope import frame_bytes, open_before_session, sign_before_session
from p2pmpc.frames import TO_ALL, Limits
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.knock import TOLD_TO_ALL, Knock, knock_at
from p2pmpc.links import LinkEndedError
from p2pmpc.messages import Abort, Hello, Join, Kind, Message, Offer, SignedEntry
from p2pmpc.network import Address, Network
from p2pmpc.parameters import Parameters
from tests.nodes import no_memory

HOME = Address("memory", 900)
"""Where a joiner by hand says that it listens, and does not."""


class ByHand:
    """Someone who knocks.

    Args:
        identity: Its key; a new one by default.
        peers: How many the session is for.
        name: What it calls itself.
    """

    def __init__(
        self, identity: Identity | None = None, *, peers: int = 3, name: str = "by-hand"
    ) -> None:
        self.peers = peers
        self.identity = identity or Identity.generate(os.urandom)
        self.nonce = os.urandom(32)
        self.name = name

    def entry(self, parameters: Parameters) -> SignedEntry:
        """Return a new entry of its own."""
        me = Self(self.identity, 1, self.name, os.urandom, no_memory(self.identity))
        return me.entry(parameters, SealingKey(os.urandom), HOME)

    async def say(self, knock: Knock, message: Message, receiver: bytes | None = None) -> None:
        """Send a message, signed to the other side unless another receiver is given."""
        to = knock.identifier if receiver is None else receiver
        await knock.link.send(frame_bytes(sign_before_session(self.identity, message, to)))

    async def hear(self, knock: Knock) -> Message:
        """Receive the answer to what was said last."""
        kinds = frozenset({Kind.PARAMETERS, Kind.ROSTER, Kind.ABORT})
        frame = await knock.link.receive(Limits(peers=self.peers), kinds)
        return open_before_session(
            frame,
            Limits(peers=self.peers),
            sender=knock.identifier,
            public_key=knock.public_key,
            receiver=TO_ALL if frame.kind in TOLD_TO_ALL else self.identity.id,
        )

    async def knock(self, knock: Knock) -> Message:
        """Say JOIN, and return the answer."""
        await self.say(knock, Join(self.identity.public_key, self.nonce))
        return await self.hear(knock)

    async def enter(self, knock: Knock, entry: SignedEntry | None = None) -> None:
        """Say JOIN and HELLO."""
        offer = await self.knock(knock)
        assert isinstance(offer, Offer)
        await self.say(knock, Hello(entry or self.entry(offer.parameters)))

    async def end(self, knock: Knock, code: int) -> None:
        """Say a last word."""
        await self.say(knock, Abort(code, (), "by hand"), TO_ALL)


@contextlib.asynccontextmanager
async def let_in(network: Network, address: Address) -> AsyncIterator[Knock]:
    """Open a join link as soon as somebody listens there; its end is no error."""
    while True:
        with contextlib.suppress(LinkEndedError):
            async with contextlib.AsyncExitStack() as stack:
                knock = await stack.enter_async_context(knock_at(network, address))
                kept = stack.pop_all()
                break
        await trio.sleep(0.1)
    with contextlib.suppress(LinkEndedError):
        async with kept:
            yield knock
