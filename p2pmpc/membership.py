"""HELLO -> ROSTER: how a set of strangers becomes a session.

Three machines, all without I/O:

* :class:`Admission` is the founder's: it answers JOINs with the parameters, collects entries, and
  closes the set when it is full.
* :class:`Candidate` is the joiner's: it knocks, checks what it is offered, and checks the roster.
* :class:`Agreement` is everybody's: each member signs the roster it sees to all others, over links
  that are already authenticated, and nobody shares anything before n equal signatures.

With a roster file there is no founder: every peer asks every other one for its entry over a link
whose server side is authenticated by its ID, and goes straight to the Agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from p2pmpc.actions import Action, Agreed, Failed, Reached, Send
from p2pmpc.disputes import check_evidence
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    InputRefused,
    Interrupted,
    LocalProtocolError,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    ResourceExhausted,
    VerificationFailed,
    error_for_code,
)
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement
from p2pmpc.identity import Identity, SealingKey, peer_id, short_id
from p2pmpc.messages import (
    LONGEST_REASON,
    Abort,
    Accept,
    AcceptedEntry,
    Entry,
    Hello,
    Join,
    Kind,
    Message,
    Offer,
    RosterList,
    Signed,
    SignedEntry,
    is_display_text,
)
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.session import Member, Session, entry_signing_input, roster_differences
from p2pmpc.wire import (
    Limits,
    body_digest,
    decode_evidence,
    encode_entry,
    encode_evidence,
    parameters_digest,
)


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
    """

    def __init__(self, parameters: Parameters, own: bytes, entry: SignedEntry) -> None:
        self.parameters = parameters
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
        return Offer(join.nonce, self.parameters)

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
                hint="give the founder's address, and each peer a --key of its own",
            )
        if pinned is not None and identifier != pinned:
            raise AgreementFailed(
                f"the peer at the bootstrap address is {short_id(identifier)}, not the pinned "
                f"{short_id(pinned)}",
                hint="ask the founder for its ID over another channel",
            )
        allowed = self._stated.allowed
        if allowed and identifier not in allowed:
            raise AgreementFailed(
                f"the founder {short_id(identifier)} is not among the IDs given with --allow"
            )

    def accept_offer(self, offer: Offer) -> Parameters:
        """Check the offered parameters.

        Raises:
            AgreementFailed: They contradict what this peer states, or do not allow it.
            RemoteProtocolError: The answer is to somebody else's knock.
        """
        if offer.nonce != self._nonce:
            raise RemoteProtocolError("PARAMETERS that answer another JOIN")
        self._stated.check(offer.parameters)
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


def check_allowed(session: Session, allowed: tuple[bytes, ...]) -> None:
    """Hold a roster against the IDs this peer itself is ready to sum with.

    Raises:
        AgreementFailed: Somebody in the roster is not among them.
    """
    own = session.member(session.own_index).id
    strangers = [m.label for m in session.members if allowed and m.id not in (*allowed, own)]
    if strangers:
        raise AgreementFailed(
            f"in the roster, but not among the IDs this peer allows: {', '.join(strangers)}",
            hint="find out who they are; with --allow ID for each of them the sum can go on",
        )


class Agreement:
    """Everybody's side of R0c: n equal signatures on one roster.

    Args:
        session: As this peer sees it.
        notary: Signs and verifies.
    """

    def __init__(self, session: Session, notary: Notary) -> None:
        self._session = session
        self._notary = notary
        self._own = notary.sign(session.acceptance)
        self.signatures: dict[int, bytes] = {}
        self.agreed = False
        self.ended = False

    def start(self) -> list[Action]:
        """Sign the roster to everybody."""
        self.signatures[self._session.own_index] = self._own.signature
        return [Reached("roster"), Send(self._own), *self._advance()]

    def receive(self, peer: int, signed: Signed[Message]) -> list[Action]:
        """Take a member's ACCEPT, or its ABORT."""
        if self.ended:
            return []
        message = signed.message
        if isinstance(message, Abort):
            return self._aborted(peer, message)
        assert isinstance(message, Accept)
        if peer in self.signatures:
            contradiction = self.contradiction(peer, signed)
            return [] if contradiction is None else self.abort(contradiction)
        if message != self._session.acceptance:
            return self.abort(self._difference(peer, message))
        self.signatures[peer] = signed.signature
        return self._advance()

    def contradiction(self, peer: int, signed: Signed[Message]) -> P2PMPCError | None:
        """Return what another ACCEPT of a peer means, unless it is the one that came before.

        It proves itself only where both hold one entry of the peer: with another one it could be of
        another session, and whoever showed it as a proof would be taken for a false accuser.
        """
        before = Statement.of(peer, self._own, receiver=TO_EVERYBODY)
        before = replace(before, signature=self.signatures[peer])
        after = Statement.of(peer, signed)
        if (before.digest, before.signature) == (after.digest, after.signature):
            return None
        reason = f"{self._session.label(peer)} signed another roster than before"
        return vetted(
            self._session, Dispute(reason, Evidence(Claim.EQUIVOCATION, peer, (before, after)))
        )

    def fault(self, _peer: int, error: P2PMPCError) -> list[Action]:
        """Note what is wrong with what a member sent: nobody can be left out of an agreement."""
        return self.abort(error)

    def lost(self, peer: int) -> list[Action]:
        """Give a member up."""
        if self.ended:
            return []
        return self.abort(
            PeerMissing(
                f"{self._session.label(peer)} was lost before everybody agreed",
                peers=(peer,),
                hint="start again with everyone; no share was sent",
            )
        )

    def timed_out(self) -> list[Action]:
        """End: somebody did not sign in time."""
        if self.ended:
            return []
        silent = self.waiting_for()
        return self.abort(
            PeerMissing(
                f"no agreement in time: {self._session.labels(silent)} did not answer",
                peers=silent,
                hint="see that every peer reaches every other one; no share was sent",
            )
        )

    def waiting_for(self) -> tuple[int, ...]:
        """Return the members that have not signed."""
        return tuple(i for i in self._session.others if i not in self.signatures)

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and tell the others."""
        self.ended = True
        error = vetted(self._session, error)
        return [Send(self._notary.sign(abort_message(error))), Failed(error)]

    def _advance(self) -> list[Action]:
        if len(self.signatures) < len(self._session.members):
            return []
        self.agreed = self.ended = True
        return [Agreed()]

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:
        error = error_of_abort(self._session, peer, abort)
        if isinstance(error, Dispute):  # the proof goes on to those who do not have it
            return self.abort(error)
        self.ended = True
        return [Failed(error)]

    def _difference(self, peer: int, theirs: Accept) -> P2PMPCError:
        """Return the error for a roster that is not ours: equivocation where it can be proven."""
        mine = {line.id: line for line in self._session.acceptance.entries}
        for line in theirs.entries:
            if line.id not in mine or mine[line.id].digest == line.digest:
                continue
            index = [m.id for m in self._session.members].index(line.id) + 1
            if self._notary.is_signed_by(index, Kind.HELLO, 0, line.digest, line.signature):
                return self._two_entries(index, line, peer)
        shown = "; ".join(roster_differences(self._session, theirs))
        return AgreementFailed(
            f"{self._session.label(peer)} sees another roster: {shown}",
            peers=(peer,),
            hint="the founder may be faulty or dishonest; no share was sent",
        )

    def _two_entries(self, owner: int, line: AcceptedEntry, witness: int) -> RemoteProtocolError:
        """Return the error for two entries of one owner, naming those among whom the fault is.

        Both are signed by the owner for these parameters, and still it may be honest: a peer that
        started again with the same key has signed two. Then whoever gave the old one out is at fault:
        the founder; or with a roster file, where everybody asks the owner itself and the parameters
        are those of every run, the peer that shows it.
        """
        if self._session.founder is None:
            return RemoteProtocolError(
                f"{self._session.label(owner)} signed another HELLO, or "
                f"{self._session.label(witness)} shows an old one",
                peers=tuple(sorted({owner, witness})),
                hint="no share was sent; ask both, and start again",
            )
        mine = self._session.member(owner)
        statements = (
            _entry_statement(owner, mine.digest, mine.signed.signature),
            _entry_statement(owner, line.digest, line.signature),
        )
        return two_entries(self._session, Evidence(Claim.TWO_ENTRIES, owner, statements))


def _entry_statement(owner: int, digest: bytes, signature: bytes) -> Statement:
    return Statement(owner, TO_EVERYBODY, Kind.HELLO, 0, digest, signature)


def two_entries(session: Session, evidence: Evidence) -> Dispute:
    """Return the error for two entries that a founder gave out, naming owner and founder."""
    assert session.founder is not None
    owner, suspect = evidence.culprit, session.founder
    peers = tuple(sorted({owner, suspect}))
    other = "" if suspect == owner else f", or {session.label(suspect)} gave an old one out"
    return Dispute(
        f"{session.label(owner)} signed two different HELLOs for this session{other}",
        evidence,
        peers=peers,
        hint="no share was sent; ask both, and start again without whoever is at fault",
    )


_TOLD_INSTEAD: Final = {
    InputRefused: "it refused to share its input",
    ConfigurationError: "its options do not allow it to go on",
    ResourceExhausted: "it ran out of disk, descriptors or memory",
    Interrupted: "it was interrupted",
    LocalProtocolError: "it found a fault in itself",
}


def abort_message(error: P2PMPCError) -> Abort:
    """Return what the others are told about an error.

    Only reasons that concern peers are told. What went wrong with this peer's own input, files or
    options is not theirs to know.
    """
    reason = error.message
    for kind, told in _TOLD_INSTEAD.items():
        if isinstance(error, kind):
            reason = told
    printable = "".join(c if is_display_text(c, 1) else "?" for c in reason)[:LONGEST_REASON]
    evidence = encode_evidence(error.evidence) if isinstance(error, Dispute) else b""
    return Abort(error.exit_code, tuple(sorted(set(error.peers))), printable, evidence)


def error_of_abort(session: Session, peer: int, abort: Abort) -> P2PMPCError:
    """Return the error a peer ends with when another one says that it ends.

    Returns:
        A Dispute where the ABORT carries evidence that holds: then it does not matter who says so.
    """
    if abort.evidence:
        return _shown(session, peer, abort.evidence)
    peers = tuple(dict.fromkeys(abort.peers)) or (peer,)
    if abort.code == RemoteProtocolError.exit_code and len(peers) == 1:
        # Only the accuser saw it, so either of the two may lie. More than one name is such a pair
        # already, handed on.
        peers = tuple(dict.fromkeys((peer, *peers)))
    return error_for_code(abort.code)(
        f"{session.label(peer)} ended the session: {abort.reason}", peers=peers
    )


def vetted(session: Session, error: P2PMPCError) -> P2PMPCError:
    """Return an error as it may be told: proof that others would not accept is none."""
    if not isinstance(error, Dispute):
        return error
    try:
        check_evidence(session, error.evidence)
    except VerificationFailed:
        return RemoteProtocolError(error.message, peers=error.peers, hint=error.hint)
    return error


def _shown(session: Session, peer: int, shown: bytes) -> P2PMPCError:
    """Judge the evidence that an ABORT carries; one that proves nothing speaks against its sender."""
    witness = session.label(peer)
    try:
        evidence = decode_evidence(shown)
        if evidence.claim is Claim.TWO_ENTRIES and session.founder is None:
            raise VerificationFailed("with a roster file an entry binds no session")
        proven = check_evidence(session, evidence)
    except (RemoteProtocolError, VerificationFailed) as error:
        return RemoteProtocolError(
            f"{witness} accuses without proof: {error.message}", peers=(peer,)
        )
    if evidence.claim is Claim.TWO_ENTRIES:
        return two_entries(session, evidence)
    culprit = session.label(evidence.culprit)
    return Dispute(f"{culprit} {proven} (shown by {witness})", evidence)
