"""HELLO: how a set of strangers becomes a closed set of entries.

Two machines, both without I/O:

* :class:`Admission` is the founder's: it answers JOINs with the parameters, collects entries, and
  closes the set when it is full.
* :class:`Candidate` is the joiner's: it knocks, checks what it is offered, and checks the roster.

With a roster file there is no founder: every peer asks every other one for its entry over a link
whose server side is authenticated by its ID. What follows is :class:`p2pmpc.agreement.Agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping

from p2pmpc.errors import (
    AgreementFailed,
    RemoteProtocolError,
)
from p2pmpc.frames import Limits, body_digest
from p2pmpc.identity import Identity, SealingKey, peer_id, short_id
from p2pmpc.messages import (
    NO_FOUNDER,
    Entry,
    Hello,
    Join,
    Kind,
    Offer,
    RosterList,
    SignedEntry,
)
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.session import Member, Session, entry_signing_input
from p2pmpc.wire import encode_entry, parameters_digest


def make_entry(
    identity: Identity,
    sealing_key: SealingKey,
    parameters: Parameters,
    *,
    nonce: bytes,
    weight: int,
    name: str,
    address: str,
) -> SignedEntry:
    """Sign what a peer says about itself.

    Args:
        identity: The peer's key.
        sealing_key: Its HPKE key, new for this session.
        parameters: Those it agrees to.
        nonce: 32 bytes, new for this session.
        weight: Its public weight.
        name: For people; may be empty.
        address: Where the others reach it.
    """
    agreed = parameters_digest(parameters)
    entry = Entry(
        certificate=identity.certificate(),
        nonce=nonce,
        sealing_key=sealing_key.public_bytes,
        weight=weight,
        name=name,
        parameters_digest=agreed,
    )
    body = encode_entry(entry)
    data = entry_signing_input(identity.id, agreed, body_digest(Kind.HELLO, body))
    return SignedEntry(body, identity.sign(data), address)


class Admission:
    """The founder's side of discovery.

    Args:
        parameters: The session's.
        own: The founder's ID.
        entry: The founder's own entry.
        study: The text of which the parameters hold the digest.
    """

    def __init__(
        self, parameters: Parameters, own: bytes, entry: SignedEntry, study: bytes = b""
    ) -> None:
        self.parameters = parameters
        self._study = study
        self._own = own
        self._nonces: dict[bytes, bytes] = {}
        self._entries: dict[bytes, SignedEntry] = {own: entry}
        self.session: Session | None = None

    @property
    def limits(self) -> Limits:
        """What a joiner may send."""
        return Limits(peers=self.parameters.peers)

    def offer(self, join: Join) -> Offer:
        """Answer a knock.

        Args:
            join: Verified to be signed by its key.

        Raises:
            AgreementFailed: The ID is this one's, somebody else's who is here, or not allowed; or
                the session is closed and it is not in it.
        """
        identifier = peer_id(join.public_key)
        if identifier == self._own:
            raise AgreementFailed(
                "two nodes with one key: the joiner has the founder's ID",
                hint="give each peer a --key of its own, or none",
            )
        known = self._nonces.get(identifier)
        if known is not None and known != join.nonce:
            raise self._two_nodes(identifier)
        if self.parameters.allowed and identifier not in self.parameters.allowed:
            raise AgreementFailed(
                f"the founder does not list the ID {short_id(identifier)}",
                hint="ask the founder to start with --allow and your ID (`p2pmpc id`)",
            )
        if self.session is not None and identifier not in self._entries:
            raise AgreementFailed(
                "the session is closed: all its peers have joined",
                hint="ask the founder for a new session",
            )
        return Offer(join.nonce, self._own, self.parameters, self._study)

    def enter(self, join: Join, hello: Hello) -> None:
        """Take a joiner's entry; the same one again changes nothing.

        Args:
            join: The JOIN on this link, which proved the ID.
            hello: With the joiner's entry.

        Raises:
            AgreementFailed: The entry is another's, under other parameters, or too late.
            RemoteProtocolError: It is ill-formed or not signed.
        """
        identifier, member = peer_id(join.public_key), Member.verify(hello.entry)
        if self._nonces.get(identifier, join.nonce) != join.nonce:
            raise self._two_nodes(identifier)
        if member.id != identifier:
            raise RemoteProtocolError("a HELLO in somebody else's name")
        if member.entry.parameters_digest != parameters_digest(self.parameters):
            raise AgreementFailed("the joiner agreed to other parameters")
        if self.session is not None:
            if self._entries.get(identifier) != hello.entry:
                raise AgreementFailed("the session is closed: all its peers have joined")
            return
        if identifier not in self._entries and self.is_full:
            raise AgreementFailed("the session is full")
        self._nonces[identifier] = join.nonce
        self._entries[identifier] = hello.entry

    def _two_nodes(self, identifier: bytes) -> AgreementFailed:
        return AgreementFailed(
            f"two nodes with one key: {short_id(identifier)} has joined already",
            hint="give each peer a --key of its own, or none",
        )

    def leave(self, identifier: bytes) -> None:
        """Forget a joiner whose link ended before the set was closed."""
        if self.session is None:
            self._nonces.pop(identifier, None)
            self._entries.pop(identifier, None)

    def go_on(self, session: Session) -> RosterList:
        """Take up a set that a process before this one closed, and return what joiners are told."""
        self._entries = {member.id: member.signed for member in session.members}
        self.session = session
        return RosterList(tuple(self._entries.values()))

    @property
    def is_full(self) -> bool:
        """Whether every peer has an entry."""
        return len(self._entries) == self.parameters.peers

    @property
    def joined(self) -> tuple[bytes, ...]:
        """IDs with an entry, the founder's included."""
        return tuple(self._entries)

    def close(self) -> tuple[Session, RosterList]:
        """Close the full set, and return the session and what the joiners are told."""
        entries = tuple(self._entries.values())
        self.session = Session.close(self.parameters, entries, self._own, founder=self._own)
        return self.session, RosterList(entries)


class Candidate:
    """The joiner's side of discovery.

    Args:
        identity: The joiner's key.
        nonce: 32 bytes, new for this process.
        stated: Parameters that the joiner's options state.
    """

    def __init__(self, identity: Identity, nonce: bytes, stated: Stated) -> None:
        self._identity = identity
        self._nonce = nonce
        self._stated = stated

    def join(self) -> Join:
        """Knock."""
        return Join(self._identity.public_key, self._nonce)

    def check_server(self, identifier: bytes, pinned: bytes | None) -> None:
        """Check whom the bootstrap address leads to.

        Args:
            identifier: The ID of the certificate that the other side showed.
            pinned: The ID after ``#``, where one was given.

        Raises:
            AgreementFailed: It is this peer itself, or not the pinned one.
        """
        if identifier == self._identity.id:
            raise AgreementFailed(
                "the bootstrap address leads to this peer itself, or to one with the same key",
                hint="give the addresses of others, and each peer a --key of its own",
            )
        if pinned is not None and identifier != pinned:
            raise AgreementFailed(
                f"the peer at the bootstrap address is {short_id(identifier)}, not the pinned "
                f"{short_id(pinned)}",
                hint="ask its owner for the ID over another channel",
            )
        allowed = self._stated.allowed
        if allowed and identifier not in allowed:
            raise AgreementFailed(
                f"the bootstrap peer {short_id(identifier)} is not among the IDs given with --allow"
            )

    def accept_offer(self, offer: Offer) -> Parameters:
        """Check the offered parameters.

        Raises:
            AgreementFailed: They contradict what this peer states, or do not allow it.
            RemoteProtocolError: The answer is to somebody else's knock.
        """
        if offer.nonce != self._nonce:
            raise RemoteProtocolError("PARAMETERS that answer another JOIN")
        if offer.founder == NO_FOUNDER:
            raise AgreementFailed(
                "the peer at the bootstrap address was started with a roster file, and founds nothing",
                hint="start with the same roster file, or give the founder's address",
            )
        self._stated.check(offer.parameters, offer.study)
        if offer.parameters.allowed and self._identity.id not in offer.parameters.allowed:
            raise AgreementFailed("the founder's allow-list does not hold this peer's ID")
        return offer.parameters

    def accept_roster(
        self, parameters: Parameters, entry: SignedEntry, roster: RosterList, founder: bytes
    ) -> tuple[Session, Mapping[bytes, str]]:
        """Check the closed set.

        Args:
            parameters: Those accepted before.
            entry: This peer's own, as sent.
            roster: What the founder sent.
            founder: The founder's ID.

        Returns:
            The session, and every member's address by ID.

        Raises:
            AgreementFailed: The set is not one this peer agreed to.
        """
        session = Session.close(parameters, roster.entries, self._identity.id, founder=founder)
        by_id = {member.id: member for member in session.members}
        if by_id[self._identity.id].signed.body != entry.body:
            raise AgreementFailed("the roster holds another HELLO of this peer than it sent")
        return session, {identifier: m.signed.address for identifier, m in by_id.items()}
