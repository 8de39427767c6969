"""What the others say in a round: each link walks its script, and every message is checked.

A message is checked as soon as this peer holds what it is checked against: a COMMITMENT by itself, a
SHARE against the COMMITMENT, an ECHO and all that follows against what this peer has heard itself.
What is wrong and signed becomes a :class:`~p2pmpc.evidence.Dispute`, which proves it to anybody; what only
this peer can see names the sender, and the others are told of the pair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from p2pmpc.dealing import RoundContext, Sealer, check_sealed, open_share
from p2pmpc.disputes import who_lied
from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement, proven_by
from p2pmpc.field import Words
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.messages import (
    PAIRWISE,
    PIECEWISE,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Kind,
    Message,
    Open,
    Partial,
    Relay,
    Share,
    Signed,
    Slice,
    SliceSum,
    Unmask,
    number_of,
)
from p2pmpc.opening import Opening
from p2pmpc.ratchet import Ratchet
from p2pmpc.script import (
    AMONG_CONTRIBUTORS,
    AMONG_OWNERS,
    OF_AN_OBSERVER,
    OF_SLICES_TO_AN_OBSERVER,
    TO_AN_OBSERVER,
    Column,
    PeerLink,
    Script,
)
from p2pmpc.session import Session
from p2pmpc.summing import SliceSums, check_content


class _OfAnotherEchoError(RemoteProtocolError):
    """What was passed on rests on another echo than this peer's: its sender's fault, its owner's or neither's."""


class Hearing:
    """All that is said in one round, this peer's own words included.

    Args:
        context: The round.
        acceptances: Every member's signature on the roster.
        notary: Verifies signatures.
        sealer: Opens shares, where there is no ratchet.
        ratchet: Opens them in later rounds.
        said: What kinds of messages this peer said in this round before it was killed.
    """

    def __init__(
        self,
        context: RoundContext,
        acceptances: dict[int, bytes],
        notary: Notary,
        sealer: Sealer,
        ratchet: Ratchet | None = None,
        said: frozenset[Kind] = frozenset(),
    ) -> None:
        self.session = session = context.session
        self.links = {index: PeerLink(_script_of(session, index)) for index in session.others}
        self.own: dict[Kind, Signed[Message]] = {}
        """What this peer said to all."""
        self.echoes: dict[int, bytes] = {}
        """Every contributor's signature on the echo that this peer makes itself."""
        self.slices = SliceSums(session)
        self.opening = Opening(context, lambda peer: self.said(peer, Kind.COMMITMENT))
        self._context = context
        self._acceptances = acceptances
        self._notary = notary
        self._sealer = sealer
        self._ratchet = ratchet
        self._said_before = said
        self._relayed: dict[int, Signed[Message]] = {}
        self._echo: tuple[Echo, bytes] | None = None
        self.faults: dict[int, RemoteProtocolError] = {}
        """By observer: what it had said that did not hold, once that could be checked."""

    def said(self, index: int, kind: Kind) -> Signed[Message]:
        """Return what a peer, this one included, said of one kind."""
        if index == self.session.own_index:
            return self.own[kind]
        return self.links[index].message(kind)

    @property
    def echo(self) -> tuple[Echo, bytes]:
        """What this peer heard, and its digest; there once :meth:`conclude` was called."""
        assert self._echo is not None
        return self._echo

    def all_contributors(self, column: Column) -> bool:
        """Return whether every other contributor's link has passed a column."""
        return all(self.links[i].column >= column for i in self.session.other_contributors)

    @property
    def echoes_are_complete(self) -> bool:
        """Whether every contributor signed the same echo."""
        return len(self.echoes) == len(self.session.places)

    def conclude(self) -> None:
        """Fix what this peer heard, and check what had to wait for that.

        Raises:
            RemoteProtocolError: Somebody echoes something else, or worse; says who lied.
        """
        echo = self._what_was_heard()
        self._echo = echo, self._notary.digest_of(echo)
        # The contributors come first: by what they echo it shows who told different peers different things.
        for peer in sorted(self.links, key=lambda index: index not in self.session.places):
            unchecked = self.links[peer].unchecked
            while unchecked:
                signed = unchecked.pop(0)
                try:
                    self._check(peer, signed)
                except RemoteProtocolError as error:
                    error = self.blame(peer, signed, error)
                    if error.peers[0] in self.session.places:
                        raise error from None
                    self.faults[peer] = error
                    unchecked.clear()

    def take(self, peer: int, signed: Signed[Message]) -> bool:
        """Walk a link's script by one message.

        Returns:
            Whether it is new.

        Raises:
            RemoteProtocolError: It has no place here, or does not hold.
        """
        link, message = self.links[peer], signed.message
        if signed.round != self._context.number:
            raise RemoteProtocolError(f"a message of round {signed.round}")
        slot = (message.kind, number_of(message))
        known = link.said.get(slot)
        if known is not None:
            return not isinstance(message, Relay) and self._repeated(peer, known, signed)
        column = link.script.get(link.column, {}).get(message.kind)
        if column is None:
            raise RemoteProtocolError(
                f"it comes too early, or at the wrong place ({link.column.name})"
            )
        needs_echo = message.kind >= Kind.ECHO and peer in self.session.places
        if self._echo is not None or not (needs_echo or isinstance(message, Relay)):
            self._check(peer, signed)
        elif self._may_come_first(message.kind):
            link.unchecked.append(signed)
        else:
            raise self._too_early(peer, signed)
        if message.kind in PIECEWISE:
            link.said[slot] = _without_vector(signed)
            if not self._is_last_piece(peer, message):
                return True
        else:
            link.said[slot] = signed
        link.column = column
        return True

    def _is_last_piece(self, peer: int, message: Message) -> bool:
        owner = self.session.own_index if isinstance(message, Slice) else peer
        return number_of(message) + 1 == self.session.slices.pieces(self.session.places[owner])

    def _repeated(self, peer: int, known: Signed[Message], signed: Signed[Message]) -> bool:
        """Pass over what was said before; two things in one place prove themselves."""
        if known.digest == signed.digest and known.signature == signed.signature:
            return False
        message = signed.message
        if isinstance(message, SliceSum):
            self._check_listed(peer, signed, message.piece)
        if message.kind in PIECEWISE:  # what the first one said was used, and is not kept
            raise RemoteProtocolError("another piece of this number came before, and it differs")
        receiver = self._receiver(signed)
        both = tuple(Statement.of(peer, said, receiver=receiver) for said in (known, signed))
        raise Dispute(
            "another one of this kind came before, and it differs",
            Evidence(Claim.EQUIVOCATION, peer, both),
        )

    def _may_come_first(self, kind: Kind) -> bool:
        """Return whether a message may come before this peer holds what it is checked against.

        Others echo what this contributor has said, and open what it has echoed, if only before it was
        killed. An observer says nothing, and nobody waits for it.
        """
        if not self.session.contributes or Kind.ECHO in self._said_before:
            return True
        has_summed = Kind.PARTIAL in self.own or Kind.PARTIAL in self._said_before
        return kind is Kind.ECHO and has_summed

    def _too_early(self, peer: int, signed: Signed[Message]) -> RemoteProtocolError:
        """Return what it proves to echo, or open, what this peer has not signed yet."""
        reason = "it came before this peer had said what it rests on"
        if signed.message.kind is Kind.RELAY:
            return RemoteProtocolError(reason)
        claim, proof = Claim.FALSE_ECHO, [Statement.of(peer, signed)]
        if signed.message.kind is not Kind.ECHO:
            echo = Statement.of(peer, self.links[peer].message(Kind.ECHO))
            claim, proof = Claim.EARLY_OPENING, [echo, *proof]
        return Dispute(reason, Evidence(claim, peer, tuple(proof)))

    def _check(self, peer: int, signed: Signed[Message]) -> None:
        """Check what can be checked of a message by itself, and keep what it brings."""
        link, message = self.links[peer], signed.message

        def itself() -> tuple[Statement, ...]:
            return (Statement.of(peer, signed, receiver=self._receiver(signed)),)

        with proven_by(Claim.ILL_FORMED, peer, itself):
            check_content(self._context, peer, self.session.own_index, message)
        match message:
            case Commitment() | Partial():
                pass  # its content is all there is to check
            case Share():
                self._check_share(peer, signed, message)
            case Slice() | SliceSum():
                self._take_piece(peer, signed, message)
            case Echo():
                self._compare_echo(peer, signed, message)
                self._hold_echo(peer, signed.signature)
            case Open():
                self._check_open(peer, signed, message)
            case Unmask():
                self._take_mask_share(peer, signed, message)
            case Relay():
                self._take_relay(message)
            case Confirm(digest):
                link.confirmed = digest
            case _:
                raise RemoteProtocolError("it has no place in a round")

    def _receiver(self, signed: Signed[Message]) -> int:
        """Return to whom a message that this peer got was signed."""
        return self.session.own_index if signed.message.kind in PAIRWISE else TO_EVERYBODY

    def _take_piece(self, peer: int, signed: Signed[Message], message: Slice | SliceSum) -> None:
        """Use a piece, which must follow the one before it: streams keep their order."""
        number, arithmetic = message.piece, self.session.parameters.arithmetic
        if number and (message.kind, number - 1) not in self.links[peer].said:
            raise RemoteProtocolError(f"piece {number} came before the one before it")
        words: Words = np.frombuffer(message.vector, dtype=arithmetic.word)
        if isinstance(message, Slice):
            self.slices.add(words, number)
            return
        self._check_listed(peer, signed, number)
        self.slices.put(peer, words, number)

    def _check_listed(self, peer: int, signed: Signed[Message], piece: int) -> None:
        """Hold a piece of a slice's sum against the list of digests that its owner signed before."""
        listed = self.links[peer].message(Kind.PARTIAL)
        assert isinstance(listed.message, Partial)
        digests = listed.message.content
        if digests[piece * DIGEST_BYTES : (piece + 1) * DIGEST_BYTES] != signed.digest:
            both = (Statement.of(peer, listed), Statement.of(peer, signed))
            raise Dispute(
                "a piece other than the one it listed", Evidence(Claim.WRONG_PIECE, peer, both)
            )

    def _committed(self, peer: int) -> Statement:
        """Return a contributor's COMMITMENT as a statement."""
        return Statement.of(peer, self.said(peer, Kind.COMMITMENT))

    def _check_share(self, peer: int, signed: Signed[Message], share: Share) -> None:
        own, commitment = self.session.own_index, self._commitment(peer)
        with proven_by(
            Claim.WRONG_SHARE,
            peer,
            lambda: (self._committed(peer), Statement.of(peer, signed, receiver=own)),
        ):
            check_sealed(self._context, peer, own, commitment, share)
        # What only this peer can see proves nothing to others: they are told of the pair.
        plain = open_share(self._context, peer, commitment, share, self._sealer, self._ratchet)
        self.links[peer].plain = plain

    def _check_open(self, peer: int, signed: Signed[Message], message: Open) -> None:
        _, digest = self.echo
        number = self._context.number
        for index, signature in zip(self.session.contributors, message.echoes, strict=True):
            if self.echoes.get(index) == signature:
                continue
            if not self._notary.is_signed_by(index, Kind.ECHO, number, digest, signature):
                reason = "opened without everybody's signature on one echo"
                if (Kind.ECHO, 0) not in self.links[peer].said:  # it was passed on
                    raise _OfAnotherEchoError(reason)
                echo = Statement.of(peer, self.links[peer].message(Kind.ECHO))
                raise Dispute(
                    reason,
                    Evidence(Claim.EARLY_OPENING, peer, (echo, Statement.of(peer, signed))),
                )
            self._hold_echo(index, signature)
        with proven_by(
            Claim.WRONG_OPENING, peer, lambda: (self._committed(peer), Statement.of(peer, signed))
        ):
            self.opening.open(peer, message.mask_seed)

    def _take_mask_share(self, peer: int, signed: Signed[Message], message: Unmask) -> None:
        if message.about not in self.session.places:
            raise RemoteProtocolError("a mask share of an observer, who has none")
        with proven_by(
            Claim.WRONG_MASK_SHARE,
            peer,
            lambda: (
                self._committed(message.about),
                Statement.of(peer, self.links[peer].message(Kind.ECHO)),
                Statement.of(peer, signed),
            ),
        ):
            self.opening.take(message.about, peer, message.share)

    def _take_relay(self, relay: Relay) -> None:
        """Take the OPEN of a contributor, or its ECHO, from a peer that passes it on."""
        owner = relay.about
        if owner not in self.session.places:
            raise RemoteProtocolError("an OPEN of an observer, who has none")
        try:
            if relay.body:
                self._take_relayed_open(relay)
            else:
                self._take_relayed_echo(owner, relay.signature)
        except _OfAnotherEchoError:
            if Kind.ECHO in self.own:
                raise
            # All that it proves to one that has signed no echo is that somebody was told other things
            # than it was; who is at fault shows in the ECHOs.

    def _take_relayed_open(self, relay: Relay) -> None:
        owner, number = relay.about, self._context.number
        if not self._notary.is_of(owner, Kind.OPEN, number, relay.body, relay.signature):
            raise RemoteProtocolError(f"an OPEN that {self.session.label(owner)} did not sign")
        if owner == self.session.own_index:
            return
        try:
            signed = self._notary.open_relayed(
                owner, Kind.OPEN, number, relay.body, relay.signature
            )
            known = self.opened_by(owner)
            if known is not None:
                self._repeated(owner, known, signed)
                return
            assert isinstance(signed.message, Open)
            self._check_open(owner, signed, signed.message)
        except RemoteProtocolError as error:  # it is the owner's fault, whoever passes it on
            raise error.blaming(*(error.peers or (owner,))) from None
        self._relayed[owner] = signed

    def _take_relayed_echo(self, owner: int, signature: bytes) -> None:
        _, digest = self.echo
        if not self._notary.is_signed_by(owner, Kind.ECHO, self._context.number, digest, signature):
            raise _OfAnotherEchoError(f"an ECHO that {self.session.label(owner)} did not sign")
        self._hold_echo(owner, signature)

    def opened_by(self, owner: int) -> Signed[Message] | None:
        """Return another contributor's OPEN, from itself or from a peer that passed it on."""
        return self.links[owner].said.get((Kind.OPEN, 0)) or self._relayed.get(owner)

    def _commitment(self, peer: int) -> Commitment:
        message = self.said(peer, Kind.COMMITMENT).message
        assert isinstance(message, Commitment)
        return message

    def blame(
        self, peer: int, signed: Signed[Message], error: RemoteProtocolError
    ) -> RemoteProtocolError:
        """Return an error about a message with the names of who sent it and who is at fault."""
        name, blamed = self.session.label(peer), error.peers or (peer,)
        return error.restated(f"{name} sent {signed.message.kind.name}: {error.message}").blaming(
            *blamed
        )

    def _what_was_heard(self) -> Echo:
        acceptances = tuple(self._acceptances[index] for index in self.session.indices)
        entries = []
        for index in self.session.contributors:
            commitment = self.said(index, Kind.COMMITMENT)
            partial = self.said(index, Kind.PARTIAL)
            entries.append(
                EchoEntry(
                    commitment.digest, commitment.signature, partial.digest, partial.signature
                )
            )
        return Echo(acceptances, tuple(entries))

    def _hold_echo(self, index: int, signature: bytes) -> None:
        """Keep a valid echo signature; another valid one was signed by somebody who signs twice."""
        held = self.echoes.setdefault(index, signature)
        if held != signature:
            _, digest = self.echo
            number = self._context.number
            both = tuple(
                Statement(index, TO_EVERYBODY, Kind.ECHO, number, digest, s)
                for s in (held, signature)
            )
            raise Dispute(
                f"{self.session.label(index)} signed one echo in two ways",
                Evidence(Claim.EQUIVOCATION, index, both),
            )

    def _compare_echo(self, peer: int, signed: Signed[Message], theirs: Echo) -> None:
        """Refuse an echo that is not the own one, naming who lied."""
        mine, _ = self.echo
        if mine != theirs:
            said = Statement.of(peer, signed)
            raise who_lied(self.session, self._context.number, mine, said, theirs)


def _script_of(session: Session, peer: int) -> Script:
    """Return the script that a peer's link walks towards this one."""
    if peer not in session.places:
        return OF_AN_OBSERVER
    if session.parameters.is_sharded:
        return AMONG_OWNERS if session.contributes else OF_SLICES_TO_AN_OBSERVER
    return AMONG_CONTRIBUTORS if session.contributes else TO_AN_OBSERVER


def _without_vector(signed: Signed[Message]) -> Signed[Message]:
    """Return what is kept of a piece that was used: enough to know it again."""
    message = signed.message
    assert isinstance(message, Slice | SliceSum)
    return replace(signed, message=replace(message, vector=memoryview(b"")), body=b"")
