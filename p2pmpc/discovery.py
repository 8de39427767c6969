"""How peers find each other: what founder, joiner and roster file have in common, and the founder.

All three end with the same thing, a :class:`Found`: a closed session, everybody's address, and the
HPKE key that this peer put into its HELLO.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import trio

from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.errors import (
    AgreementFailed,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
)
from p2pmpc.identity import Identity, SealingKey, peer_id, short_id
from p2pmpc.knock import refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.logs import NodeLog
from p2pmpc.membership import Admission, make_entry
from p2pmpc.messages import Hello, Kind, RosterList, SignedEntry
from p2pmpc.network import Address
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.wire import TO_ALL

Checkpoint = Callable[[str], Awaitable[None]]
"""Called when a step is reached, before its message leaves."""


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of discovery.

    Args:
        session: Closed, as this peer sees it.
        addresses: ``host:port`` by ID.
        sealing_key: The one of this peer's HELLO.
        objection: Why this peer does not take part, which the members are to be told.
    """

    session: Session
    addresses: Mapping[bytes, str]
    sealing_key: SealingKey
    objection: P2PMPCError | None = None


@dataclass(frozen=True, slots=True)
class Self:
    """What a peer says about itself.

    Args:
        identity: Its key.
        weight: Its weight; 0 observes. Secret where the session's weights are private.
        name: For people.
        entropy: The operating system's.
    """

    identity: Identity
    weight: int = field(repr=False)
    name: str
    entropy: Entropy = field(repr=False)

    def entry(self, parameters: Parameters, key: SealingKey, address: Address) -> SignedEntry:
        """Return its signed entry."""
        return make_entry(
            self.identity,
            key,
            parameters,
            nonce=self.entropy(NONCE_BYTES),
            weight=int(self.weight != 0) if parameters.private_weights else self.weight,
            name=self.name,
            address=str(address),
        )


class Founder:
    """Serves joiners until the set is full.

    Args:
        me: The founder.
        parameters: The session's.
        address: Where joiners and members reach it.
        log: For what happens.
    """

    def __init__(self, me: Self, parameters: Parameters, address: Address, log: NodeLog) -> None:
        self._me = me
        self._log = log
        self._key = SealingKey(me.entropy)
        entry = me.entry(parameters, self._key, address)
        self._admission = Admission(parameters, me.identity.id, entry)
        self._changed = trio.Event()
        self._closed = trio.Event()
        self._roster: RosterList | None = None
        self._waiting: dict[bytes, Link] = {}
        self._came_and_went: set[bytes] = set()
        self.on_joined: Callable[[int], None] = lambda _count: None

    async def found(self, join_timeout: float) -> Found:
        """Wait until everybody has joined, and close the set.

        Raises:
            PeerMissing: They did not in time; says who did.
            AgreementFailed: They make no session, e.g. since nobody brings an input.
        """
        with trio.move_on_after(join_timeout):
            while not self._admission.is_full:
                self._changed = trio.Event()
                await self._changed.wait()
        if not self._admission.is_full:
            error = self._incomplete()
            await self.dismiss(error)
            raise error
        try:
            session, self._roster = self._admission.close()
        except AgreementFailed as error:
            await self.dismiss(error)
            raise
        self._closed.set()
        return Found(session, {m.id: m.signed.address for m in session.members}, self._key)

    def _incomplete(self) -> PeerMissing:
        here = set(self._admission.joined)
        joined = [short_id(i) for i in here - {self._me.identity.id}]
        gone = [short_id(i) for i in self._came_and_went - here]
        names = f"joined: {', '.join(joined) or 'nobody'}"
        if gone:
            names += f"; came and went: {', '.join(gone)}"
        return PeerMissing(
            f"{len(here)} of {self._admission.parameters.peers} peers are here, this one included, "
            f"and no more came in time ({names})",
            hint="start the missing peers, or wait longer with --join-timeout",
        )

    async def dismiss(self, error: P2PMPCError) -> None:
        """Tell everybody who waits that there will be no session."""
        async with trio.open_nursery() as nursery:
            for link in list(self._waiting.values()):
                nursery.start_soon(refuse, link, self._me.identity, error)

    async def serve(self, link: Link, unverified: trio.CancelScope) -> None:
        """Serve one join link; the scope's deadline falls away once its HELLO is verified."""
        identity, limits = self._me.identity, self._admission.limits
        frame = await link.receive(limits, frozenset({Kind.JOIN}))
        try:
            join = open_join(frame, limits, receiver=identity.id)
            identifier = peer_id(join.public_key)
            offer = sign_before_session(identity, self._admission.offer(join), identifier)
            await link.send(frame_bytes(offer))
            hello = open_before_session(
                await link.receive(limits, frozenset({Kind.HELLO})),
                limits,
                sender=identifier,
                public_key=join.public_key,
                receiver=identity.id,
            )
            assert isinstance(hello, Hello)
            self._admission.enter(join, hello)
        except (AgreementFailed, RemoteProtocolError) as error:
            await refuse(link, identity, error)
            raise
        unverified.deadline = float("inf")
        await self._wait_with(link, identifier)

    async def _wait_with(self, link: Link, identifier: bytes) -> None:
        """Hold a joiner's link until the set is closed, and tell it the roster."""
        self._waiting[identifier] = link
        count = len(self._admission.joined)
        self._log.info("joined", id=short_id(identifier), count=count)
        self.on_joined(count)
        self._changed.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, link, nursery.cancel_scope)
            await self._closed.wait()
            nursery.cancel_scope.cancel()
        if self._waiting.get(identifier) is link:
            del self._waiting[identifier]
            if self._roster is None:
                self._came_and_went.add(identifier)
                self._admission.leave(identifier)
        if self._roster is not None:
            roster = sign_before_session(self._me.identity, self._roster, TO_ALL)
            await link.send(frame_bytes(roster))
            with trio.move_on_after(5):  # the joiner closes first, so nothing is cut off
                await self._watch(link, trio.CancelScope())

    async def _watch(self, link: Link, scope: trio.CancelScope) -> None:
        """Notice the end of a link on which nothing more is due."""
        try:
            await link.receive(self._admission.limits, frozenset())
        except (LinkEndedError, RemoteProtocolError):
            scope.cancel()
