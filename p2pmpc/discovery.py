"""How peers find each other: the founder's table, the joiner's knock, or a roster file.

All three end with the same thing, a :class:`Found`: a closed session, everybody's address, and the
HPKE key that this peer put into its HELLO.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from p2pmpc.endings import abort_message
from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.errors import (
    AgreementFailed,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    error_for_code,
)
from p2pmpc.identity import (
    SEALING_SEED_BYTES,
    Identity,
    SealingKey,
    certificate_key,
    parse_id,
    peer_id,
    short_id,
)
from p2pmpc.links import Link, LinkEndedError, plain_reason
from p2pmpc.logs import NodeLog, Sparing
from p2pmpc.membership import Admission, Candidate, make_entry
from p2pmpc.messages import Abort, Hello, Kind, Message, Offer, RosterList, SignedEntry
from p2pmpc.network import Address, Network
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.patience import Backoff
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.tls import JOIN_PROTOCOL, alpn, join_context, remote_certificate, wrap_client
from p2pmpc.wire import TO_ALL, Limits

Checkpoint = Callable[[str], Awaitable[None]]
"""Called when a step is reached, before its message leaves."""


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of discovery.

    Args:
        session: Closed, as this peer sees it.
        addresses: ``host:port`` by ID.
        sealing_key: The one of this peer's HELLO.
    """

    session: Session
    addresses: Mapping[bytes, str]
    sealing_key: SealingKey


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

TOLD_TO_ALL: Final = frozenset({Kind.ROSTER, Kind.ABORT})
"""Kinds on a join link whose signature names no receiver."""


async def refuse(link: Link, me: Identity, error: P2PMPCError) -> None:
    """Tell a peer on a join link why it is refused."""
    message = sign_before_session(me, abort_message(error), TO_ALL)
    with trio.move_on_after(1):
        try:
            await link.send(frame_bytes(message))
        except LinkEndedError:
            return


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
        entry, self._key = me.hello(parameters, address)
        self._admission = Admission(parameters, me.identity.id, entry)
        self._changed = trio.Event()
        self._closed = trio.Event()
        self._roster: RosterList | None = None
        self._waiting: dict[bytes, Link] = {}
        self._came_and_went: dict[bytes, None] = {}
        """The last few."""
        self._joined = Sparing(log, "joined", trio.current_time)
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
        if self._roster is None:  # afterwards there is nothing to wait for
            unverified.deadline = float("inf")
        await self._wait_with(link, identifier)

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


class Joiner:
    """Knocks at the bootstrap peer until it is let in, refused, or out of time.

    Args:
        me: The joiner.
        candidate: Its side of the protocol.
        network: TCP, or memory.
        bootstrap: Where to knock.
        listen: Opens this peer's own listener, given the host that reaches the founder.
        check: Holds the parameters against this peer's input, before its HELLO.
        checkpoint: Told of steps.
    """

    def __init__(
        self,
        me: Self,
        candidate: Candidate,
        network: Network,
        bootstrap: Bootstrap,
        *,
        listen: Callable[[str], Awaitable[Address]],
        check: Callable[[Parameters], Awaitable[None]],
        checkpoint: Checkpoint,
    ) -> None:
        self._me = me
        self._candidate = candidate
        self._network = network
        self._bootstrap = bootstrap
        self._listen = listen
        self._check = check
        self._checkpoint = checkpoint
        self._address: Address | None = None
        # One HELLO for one set of parameters, however often the link is cut: two would look as if
        # this peer told different peers different things.
        self._said: dict[Parameters, tuple[SignedEntry, SealingKey]] = {}

    async def join(self, join_timeout: float) -> Found:
        """Join.

        Raises:
            PeerMissing: The founder is not there, went away, or never closed the set.
            AgreementFailed: It refused, or it is not whom or what this peer agreed to.
        """
        reason = "it did not close the roster"
        backoff = Backoff(0.1, 5.0, self._me.entropy)
        with trio.move_on_after(join_timeout):
            while True:
                try:
                    async with knock_at(self._network, self._bootstrap.address) as knock:
                        reason = "it answered, and never closed the roster"
                        return await self._talk(knock)
                except LinkEndedError as error:
                    reason = error.reason
                await trio.sleep(backoff.next())
        raise PeerMissing(
            f"the bootstrap peer at {self._bootstrap.address} let nobody in within "
            f"{join_timeout:g} s: {reason}",
            hint="see that the founder runs there, and that all its peers are started",
        )

    async def _talk(self, knock: Knock) -> Found:
        identity = self._me.identity
        self._candidate.check_server(knock.identifier, self._bootstrap.pinned)
        if self._address is None:
            self._address = await self._listen(knock.local_host)
        await self._checkpoint("join")
        join = sign_before_session(identity, self._candidate.join(), knock.identifier)
        await knock.link.send(frame_bytes(join))
        offer = await self._hear(knock, Kind.PARAMETERS, Limits())
        assert isinstance(offer, Offer)
        parameters = self._candidate.accept_offer(offer)
        await self._check(parameters)
        if parameters not in self._said:
            self._said[parameters] = self._me.hello(parameters, self._address)
        entry, key = self._said[parameters]
        await self._checkpoint("hello")
        hello = sign_before_session(identity, Hello(entry), knock.identifier)
        await knock.link.send(frame_bytes(hello))
        roster = await self._hear(knock, Kind.ROSTER, Limits(peers=parameters.peers))
        assert isinstance(roster, RosterList)
        session, addresses = self._candidate.accept_roster(
            parameters, entry, roster, knock.identifier
        )
        # Whoever reached the founder here reaches it here again, whatever it thinks its name is.
        return Found(session, {**addresses, knock.identifier: str(self._bootstrap.address)}, key)

    async def _hear(self, knock: Knock, kind: Kind, limits: Limits) -> Message:
        """Read one message of the founder, or its refusal."""
        frame = await knock.link.receive(limits, frozenset({kind, Kind.ABORT}))
        message = open_before_session(
            frame,
            limits,
            sender=knock.identifier,
            public_key=knock.public_key,
            receiver=TO_ALL if frame.kind in TOLD_TO_ALL else self._me.identity.id,
        )
        if isinstance(message, Abort):
            raise error_for_code(message.code)(
                f"the bootstrap peer refuses: {message.reason}",
                hint="the reason is the founder's; ask there",
            )
        return message
