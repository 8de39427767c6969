"""A session without a bootstrap peer: everybody holds the same TOML list of IDs and addresses.

    [parameters]            # optional; options on the command line go before
    field = "m61"
    length = 3

    [[peer]]
    id = "0123abcd-..."
    address = "192.0.2.7:9000"

Every peer asks every other one for its HELLO, over a link whose server side is the expected ID. So no
old HELLO can be played back, and certificates need no file: they travel in the HELLOs and must match.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from p2pmpc.discovery import Checkpoint, Found, Self
from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    error_for_code,
)
from p2pmpc.frames import TO_ALL, Limits
from p2pmpc.identity import parse_id, peer_id, short_id
from p2pmpc.knock import knock_at, refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.membership import Candidate
from p2pmpc.messages import NO_FOUNDER, Abort, Hello, Kind, Offer, SignedEntry
from p2pmpc.network import Address, Network
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.patience import Backoff
from p2pmpc.session import Member, Session

_LINGER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class RosterFile:
    """What a roster file says.

    Args:
        path: For messages.
        peers: Address by ID.
        parameters: The ``[parameters]`` table, as written.
    """

    path: str
    peers: Mapping[bytes, Address]
    parameters: Mapping[str, object]

    @classmethod
    def load(cls, path: Path) -> RosterFile:
        """Read a roster file.

        Raises:
            ConfigurationError: It cannot be read or says something else.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}") from None
        unknown = set(content) - {"parameters", "peer"}
        if unknown:
            raise ConfigurationError(f"{path}: unknown key {sorted(unknown)[0]!r}")
        peers: dict[bytes, Address] = {}
        lines = content.get("peer", [])
        for number, line in enumerate(lines if isinstance(lines, list) else [], start=1):
            if not isinstance(line, dict) or set(line) - {"name"} != {"id", "address"}:
                raise ConfigurationError(f"{path}: peer {number} needs an id and an address")
            try:
                identifier, address = parse_id(str(line["id"])), Address.parse(str(line["address"]))
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"{path}: peer {number}: {error.message}", hint=error.hint
                ) from None
            if identifier in peers:
                raise ConfigurationError(f"{path}: peer {number} repeats an ID")
            peers[identifier] = address
        if len(peers) < 2:
            raise ConfigurationError(
                f"{path} lists {len(peers)} peers", hint="write a [[peer]] table for each of them"
            )
        table = content.get("parameters", {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: [parameters] is a table")
        return cls(str(path), peers, table)

    def own_address(self, identifier: bytes) -> Address:
        """Return the address listed for this peer.

        Raises:
            AgreementFailed: It is not listed.
        """
        address = self.peers.get(identifier)
        if address is None:
            raise AgreementFailed(
                f"{self.path} does not list this peer's ID {short_id(identifier)}",
                hint="see your ID with `p2pmpc id --key FILE`, and start with that --key",
            )
        return address


class Gathering:
    """Gives this peer's entry to every listed peer, and asks each of them for theirs.

    Args:
        me: This peer.
        roster: The file.
        parameters: What this peer takes the session's parameters to be.
        address: The one listed for it.
        network: TCP, or memory.
        checkpoint: Told of steps.
    """

    def __init__(
        self,
        me: Self,
        roster: RosterFile,
        parameters: Parameters,
        address: Address,
        network: Network,
        *,
        checkpoint: Checkpoint,
    ) -> None:
        self._me = me
        self._roster = roster
        self._parameters = parameters
        self._network = network
        self._checkpoint = checkpoint
        self._entry, self._key = me.hello(parameters, address)
        self._entries: dict[bytes, SignedEntry] = {me.identity.id: self._entry}
        self._candidate = Candidate(me.identity, me.memory.nonce, Stated())
        self._reasons: dict[bytes, str] = {}

    async def serve(self, link: Link, unverified: trio.CancelScope) -> None:
        """Answer a listed peer that asks for this one's entry."""
        identity, limits = self._me.identity, Limits(peers=self._parameters.peers)
        frame = await link.receive(limits, frozenset({Kind.JOIN}))
        try:
            join = open_join(frame, limits, receiver=identity.id)
            asker = peer_id(join.public_key)
            if asker not in self._roster.peers:
                raise AgreementFailed(f"the roster file here does not list {short_id(asker)}")
        except (AgreementFailed, RemoteProtocolError) as error:
            await refuse(link, identity, error)
            raise
        offer = Offer(join.nonce, NO_FOUNDER, self._parameters)
        for message in (offer, Hello(self._entry)):
            await link.send(frame_bytes(sign_before_session(identity, message, asker)))
        try:
            await link.receive(limits, frozenset())  # the asker closes first
        except (LinkEndedError, RemoteProtocolError):
            unverified.deadline = float("inf")

    async def gather(self, join_timeout: float) -> Found:
        """Collect everybody's entry.

        Raises:
            PeerMissing: Somebody did not answer in time.
            AgreementFailed: Somebody agrees to other parameters, or is somebody else.
        """
        await self._checkpoint("join")
        try:
            with trio.move_on_after(join_timeout):
                await self._ask_all()
        except P2PMPCError:
            # The others must see the difference as well, and they see it by asking here.
            await trio.sleep(min(_LINGER_SECONDS, join_timeout))
            raise
        missing = [i for i in self._roster.peers if i not in self._entries]
        if missing:
            names = (
                f"{short_id(i)} at {self._roster.peers[i]} ({self._reasons.get(i, 'no answer')})"
                for i in missing
            )
            raise PeerMissing(
                f"not reached within {join_timeout:g} s: {', '.join(names)}",
                hint="see that they run, and that the addresses in the roster file are right",
            )
        session = Session.close(
            self._parameters, tuple(self._entries.values()), self._me.identity.id
        )
        addresses = {i: str(address) for i, address in self._roster.peers.items()}
        return Found(session, addresses, self._key)

    async def _ask_all(self) -> None:
        failures: list[P2PMPCError] = []

        async def ask(identifier: bytes, scope: trio.CancelScope) -> None:
            try:
                await self._ask(identifier)
            except P2PMPCError as error:
                failures.append(error)
                scope.cancel()

        async with trio.open_nursery() as nursery:
            for identifier in self._roster.peers:
                if identifier != self._me.identity.id:
                    nursery.start_soon(ask, identifier, nursery.cancel_scope)
        if failures:
            raise failures[0]

    async def _ask(self, identifier: bytes) -> None:
        backoff = Backoff(0.05, 2.0, self._me.entropy)
        while identifier not in self._entries:
            try:
                await self._ask_once(identifier)
            except LinkEndedError as error:
                self._reasons[identifier] = error.reason
            except (PeerMissing, RemoteProtocolError) as error:
                self._reasons[identifier] = error.message
            else:
                return
            await trio.sleep(backoff.next())

    async def _ask_once(self, identifier: bytes) -> None:
        identity, limits = self._me.identity, Limits(peers=self._parameters.peers)
        async with knock_at(self._network, self._roster.peers[identifier]) as knock:
            if knock.identifier != identifier:
                raise AgreementFailed(
                    f"at {self._roster.peers[identifier]} is {short_id(knock.identifier)}, and "
                    f"{self._roster.path} lists {short_id(identifier)} there",
                    hint="correct the address in the roster file, or see who runs there",
                )
            join = sign_before_session(identity, self._candidate.join(), identifier)
            await knock.link.send(frame_bytes(join))
            for kind in (Kind.PARAMETERS, Kind.HELLO):
                frame = await knock.link.receive(limits, frozenset({kind, Kind.ABORT}))
                message = open_before_session(
                    frame,
                    limits,
                    sender=identifier,
                    public_key=knock.public_key,
                    receiver=TO_ALL if frame.kind is Kind.ABORT else identity.id,
                )
                if isinstance(message, Abort):
                    raise error_for_code(message.code)(
                        f"{short_id(identifier)} refuses: {message.reason}"
                    )
                self._take(identifier, message)

    def _take(self, identifier: bytes, message: object) -> None:
        name = short_id(identifier)
        if isinstance(message, Offer) and message.parameters != self._parameters:
            differing = self._parameters.differences(
                message.parameters, here="here", there=f"at {name}"
            )
            raise AgreementFailed(
                "the parameters differ: " + "; ".join(differing),
                hint="give everybody the same roster file and options",
            )
        if isinstance(message, Hello):
            if Member.verify(message.entry).id != identifier:
                raise RemoteProtocolError(f"{name} sent somebody else's HELLO")
            self._entries[identifier] = message.entry
