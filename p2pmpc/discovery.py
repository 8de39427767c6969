"""How peers find each other: what founder, joiner and roster file have in common, and the founder.

All three end with the same thing, a :class:`Found`: a closed session, everybody's address, and the
HPKE key that this peer put into its HELLO.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.errors import (
    AgreementFailed,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
)
from p2pmpc.frames import TO_ALL
from p2pmpc.identity import (
    SEALING_SEED_BYTES,
    Identity,
    SealingKey,
    format_id,
    peer_id,
    short_id,
)
from p2pmpc.knock import TOLD_TO_ALL, refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.logs import NodeLog, Sparing
from p2pmpc.membership import Admission, make_entry
from p2pmpc.messages import Abort, Hello, Kind, RosterList, SignedEntry
from p2pmpc.network import Address
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy

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


class HelloMemory(Protocol):
    """Remembers what a peer says about itself: two HELLOs of one peer would look like a lie."""

    nonce: bytes
    """Of its JOINs."""

    def hello(self, parameters: Parameters) -> tuple[SignedEntry, SealingKey] | None:
        """Return what it said under these parameters, if it did."""

    def keep_hello(self, parameters: Parameters, entry: SignedEntry, sealing: bytes) -> None:
        """Remember what it is about to say."""


@dataclass(frozen=True, slots=True)
class Self:
    """What a peer says about itself.

    Args:
        identity: Its key.
        weight: Its weight; 0 observes. Secret where the session's weights are private.
        name: For people.
        entropy: The operating system's.
        memory: Of what it said.
    """

    identity: Identity
    weight: int = field(repr=False)
    name: str
    entropy: Entropy = field(repr=False)
    memory: HelloMemory = field(repr=False)

    def hello(self, parameters: Parameters, address: Address) -> tuple[SignedEntry, SealingKey]:
        """Return its signed entry under some parameters, always the same one, and its sealing key.

        Args:
            parameters: What it agrees to.
            address: Where the others reach it.

        Raises:
            ResourceExhausted: It cannot be remembered.
        """
        known = self.memory.hello(parameters)
        if known is not None:
            return known
        seed = self.entropy(SEALING_SEED_BYTES)
        key = SealingKey(io.BytesIO(seed).read)
        entry = self.entry(parameters, key, address)
        self.memory.keep_hello(parameters, entry, seed)
        return entry, key

    def entry(self, parameters: Parameters, key: SealingKey, address: Address) -> SignedEntry:
        """Return a new signed entry."""
        return make_entry(
            self.identity,
            key,
            parameters,
            nonce=self.entropy(NONCE_BYTES),
            weight=int(self.weight != 0) if parameters.private_weights else self.weight,
            name=self.name,
            address=str(address),
        )


_MOST_GONE: Final = 16


class Founder:
    """Serves joiners until the set is full.

    Args:
        me: The founder.
        parameters: The session's.
        address: Where joiners and members reach it.
        log: For what happens.
        study: The text of which the parameters hold the digest.
    """

    def __init__(
        self,
        me: Self,
        parameters: Parameters,
        address: Address,
        log: NodeLog,
        *,
        study: bytes = b"",
    ) -> None:
        self._me = me
        entry, self._key = me.hello(parameters, address)
        self._admission = Admission(parameters, me.identity.id, entry, study)
        self._changed = trio.Event()
        self._closed = trio.Event()
        self._roster: RosterList | None = None
        self._waiting: dict[bytes, Link] = {}
        self._came_and_went: dict[bytes, None] = {}
        """The last few."""
        self._joined = Sparing(log, "joined", trio.current_time)
        self._refused = Sparing(log, "refused", trio.current_time)
        self._told_refusals = 0
        self.on_joined: Callable[[int], None] = lambda _count: None
        self.on_refused: Callable[[str, str], None] = lambda _peer, _reason: None
        """Given the ID of a joiner that does not take the offer, and its reason."""

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

    def go_on(self, session: Session) -> None:
        """Take up a session that was closed before this process was killed: some may not know it."""
        self._roster = self._admission.go_on(session)
        self._closed.set()

    def _incomplete(self) -> PeerMissing:
        here = set(self._admission.joined)
        joined = [short_id(i) for i in here - {self._me.identity.id}]
        gone = [short_id(i) for i in self._came_and_went if i not in here]
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
            answer = await link.receive(limits, frozenset({Kind.HELLO, Kind.ABORT}))
            hello = open_before_session(
                answer,
                limits,
                sender=identifier,
                public_key=join.public_key,
                receiver=TO_ALL if answer.kind in TOLD_TO_ALL else identity.id,
            )
            if isinstance(hello, Abort):
                self._hear_refusal(identifier, hello)
                return
            assert isinstance(hello, Hello)
            self._admission.enter(join, hello)
        except (AgreementFailed, RemoteProtocolError) as error:
            await refuse(link, identity, error)
            raise
        if self._roster is None:  # afterwards there is nothing to wait for
            unverified.deadline = float("inf")
        await self._wait_with(link, identifier)

    def _hear_refusal(self, identifier: bytes, abort: Abort) -> None:
        """Tell of a joiner that does not take the offer; not of all that ever come."""
        self._refused.info(id=short_id(identifier), code=abort.code, reason=abort.reason)
        self._told_refusals += 1
        if self._told_refusals <= _MOST_GONE:
            self.on_refused(format_id(identifier), abort.reason)

    async def _wait_with(self, link: Link, identifier: bytes) -> None:
        """Hold a joiner's link until the set is closed, and tell it the roster."""
        older = self._waiting.get(identifier)
        self._waiting[identifier] = link
        if older is not None:  # one link a joiner
            await older.aclose()
        count = len(self._admission.joined)
        self._joined.info(id=short_id(identifier), count=count)
        self.on_joined(count)
        self._changed.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, link, nursery.cancel_scope)
            await self._closed.wait()
            nursery.cancel_scope.cancel()
        if self._waiting.get(identifier) is link:
            del self._waiting[identifier]
            if self._roster is None:
                self._note_gone(identifier)
                self._admission.leave(identifier)
        if self._roster is not None:
            roster = sign_before_session(self._me.identity, self._roster, TO_ALL)
            await link.send(frame_bytes(roster))
            with trio.move_on_after(5):  # the joiner closes first, so nothing is cut off
                await self._watch(link, trio.CancelScope())

    def _note_gone(self, identifier: bytes) -> None:
        """Remember who left, but not everybody that ever came."""
        self._came_and_went.pop(identifier, None)
        self._came_and_went[identifier] = None
        if len(self._came_and_went) > _MOST_GONE:
            del self._came_and_went[next(iter(self._came_and_went))]

    async def _watch(self, link: Link, scope: trio.CancelScope) -> None:
        """Notice the end of a link on which nothing more is due."""
        try:
            await link.receive(self._admission.limits, frozenset())
        except (LinkEndedError, RemoteProtocolError):
            scope.cancel()
