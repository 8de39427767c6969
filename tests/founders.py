"""A founder that lies: to its joiners it is an honest one, until it tells them who takes part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import trio

from p2pmpc.discovery import Self
from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.frames import TO_ALL, Limits
from p2pmpc.gate import Gate
from p2pmpc.identity import Identity, SealingKey, peer_id
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.logs import NodeLog
from p2pmpc.messages import Hello, Kind, Offer, RosterList, SignedEntry
from p2pmpc.network import Address, Network
from p2pmpc.parameters import Parameters
from tests.nodes import Peers, no_memory


class LyingFounder:
    """A founder that takes joiners in as an honest one does, and then tells each what it likes.

    Args:
        directory: For its log.
        parameters: Offered to everybody.
        rosters: Makes the list that each joiner is shown from everybody's entries, by name; an empty
            one is never shown.
    """

    def __init__(
        self,
        directory: Path,
        parameters: Parameters,
        rosters: Callable[[str, Mapping[str, SignedEntry]], Sequence[SignedEntry]],
    ) -> None:
        self.identity = Identity.generate(os.urandom)
        self.parameters = parameters
        self.log = NodeLog(directory / "founder.log", secrets=False)
        self.entries: dict[str, SignedEntry] = {}
        self.rosters = rosters
        self.full = trio.Event()
        self.offered: Callable[[bytes], Parameters] = lambda _joiner: parameters

    def entry(self, weight: int, parameters: Parameters | None = None) -> SignedEntry:
        """Return an entry of the founder's own, signed as it should be."""
        me = Self(self.identity, weight, "founder", os.urandom, no_memory(self.identity))
        return me.entry(parameters or self.parameters, SealingKey(os.urandom), self.address)

    async def serve(self, link: Link, unverified: trio.CancelScope) -> None:
        """Take one joiner in."""
        limits, own = Limits(peers=self.parameters.peers), self.identity
        join = open_join(
            await link.receive(limits, frozenset({Kind.JOIN})), limits, receiver=own.id
        )
        joiner = peer_id(join.public_key)
        offer = sign_before_session(own, Offer(join.nonce, own.id, self.offered(joiner)), joiner)
        await link.send(frame_bytes(offer))
        hello = open_before_session(
            await link.receive(limits, frozenset({Kind.HELLO})),
            limits,
            sender=joiner,
            public_key=join.public_key,
            receiver=own.id,
        )
        assert isinstance(hello, Hello)
        unverified.deadline = float("inf")
        name = msgpack.unpackb(hello.entry.body)[4]
        self.entries[name] = hello.entry
        if len(self.entries) == self.parameters.peers - 1:
            self.full.set()
        await self.full.wait()
        entries = tuple(self.rosters(name, self.entries))
        if entries:
            shown = sign_before_session(own, RosterList(entries), TO_ALL)
            await link.send(frame_bytes(shown))
        with contextlib.suppress(LinkEndedError):
            await link.receive(limits, frozenset())

    @property
    def bootstrap(self) -> str:
        """Where it is reached, and its ID."""
        return f"{self.address}#{self.identity.id.hex()}"

    async def listen(self, network: Network, host: str, nursery: trio.Nursery) -> None:
        """Take joiners in from now on."""
        listener = await network.listen(Address(host, 0))
        self.address = listener.address
        gate = Gate(self.identity, self.log)
        gate.join_handler = self.serve
        nursery.start_soon(gate.serve, listener)

    async def lie_to(self, peers: Peers) -> None:
        """Run the peers as its joiners."""
        async with trio.open_nursery() as nursery:
            await self.listen(peers.network, "memory", nursery)
            async with trio.open_nursery() as running:
                for peer in peers.members:
                    peer.options["bootstrap"] = self.bootstrap
                    running.start_soon(peers.run_one, peer)
            nursery.cancel_scope.cancel()
        self.log.file.close()


def offered(count: int, **more: Any) -> Parameters:
    """Return parameters for a lying founder's session."""
    return Parameters(nonce=os.urandom(32), peers=count, **more)
