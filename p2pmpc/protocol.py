"""SHARE -> PARTIAL -> ECHO -> OPEN -> CONFIRM: one round of the weighted sum.

Rules:

1. Everything that decides what happens next stands in the two tables below; the rest of the file
   computes. The machine does no I/O, reads no clock and draws only from the entropy it is given.
2. Each peer's link walks one script (SCRIPT): on an ordered stream an honest peer's messages come in
   this order, so any other order is a violation, and the same message again is a repetition after a
   reconnection and changes nothing.
3. Joint transitions (JOINT) fire when every link has passed a column, and are tried until nothing
   changes: so the order in which links make progress cannot matter.
4. Before this peer's ECHO has left nobody can hold n echoes, so nothing can be opened: until then
   every failure ends the round at once and reveals nothing. From then on a failure of others does not
   stop the finish, and an end without a total says that it may have been opened.
5. A mask seed b_j and a b-share leave only against n equal echoes; a seed k_ij never leaves again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from p2pmpc.actions import Action, Failed, Finished, Reached, Send
from p2pmpc.dealing import (
    Dealing,
    RoundContext,
    Sealer,
    check_commitment,
    check_total,
    deal,
    open_share,
    partial_sum,
)
from p2pmpc.disputes import who_lied
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
)
from p2pmpc.field import Vector
from p2pmpc.membership import abort_message, error_of_abort
from p2pmpc.messages import (
    Abort,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    SharePlain,
    Signed,
    Unmask,
)
from p2pmpc.opening import Opening
from p2pmpc.record import Heard, Record
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy


class Column(IntEnum):
    """How far one peer's link has walked its script."""

    CONNECTED = 0
    COMMITTED = 1
    SHARED = 2
    SUMMED = 3
    ECHOED = 4
    OPENED = 5
    CONFIRMED = 6


class Stage(IntEnum):
    """How far this peer has come: what it has sent."""

    WAITING = 0
    DEALT = 1
    SUMMED = 2
    ECHOED = 3
    OPENED = 4
    CONFIRMED = 5
    DONE = 6


SCRIPT: Final[dict[Column, dict[Kind, Column]]] = {
    Column.CONNECTED: {Kind.COMMITMENT: Column.COMMITTED},
    Column.COMMITTED: {Kind.SHARE: Column.SHARED},
    Column.SHARED: {Kind.PARTIAL: Column.SUMMED},
    Column.SUMMED: {Kind.ECHO: Column.ECHOED},
    Column.ECHOED: {Kind.OPEN: Column.OPENED},
    Column.OPENED: {Kind.CONFIRM: Column.CONFIRMED, Kind.UNMASK: Column.OPENED},
    Column.CONFIRMED: {Kind.UNMASK: Column.CONFIRMED},
}
"""Column -> message -> next column. UNMASK may come any number of times once its sender opened."""


@dataclass(slots=True)
class Link:
    """What one other peer has said in this round."""

    column: Column = Column.CONNECTED
    gone: bool = False
    """It ended, or was given up; it may still have said all that is needed."""
    away: bool = False
    """Its connection is down and may come back."""
    said: dict[tuple[Kind, int], Signed[Message]] = field(default_factory=dict)
    plain: SharePlain | None = field(default=None, repr=False)
    confirmed: bytes | None = None

    def message(self, kind: Kind) -> Signed[Message]:
        """Return what the peer said of one kind."""
        return self.said[kind, 0]


class Round:
    """One peer's side of one round.

    Args:
        session: The agreed session.
        acceptances: Every member's signature on the roster, for the record.
        secret: This peer's residues, the checksum coordinate included.
        notary: Signs messages.
        sealer: Seals and opens shares.
        entropy: The operating system's, in production.
        number: The round's number within the session.
    """

    def __init__(
        self,
        session: Session,
        acceptances: dict[int, bytes],
        secret: Vector,
        *,
        notary: Notary,
        sealer: Sealer,
        entropy: Entropy,
        number: int = 0,
    ) -> None:
        self.session = session
        self.stage = Stage.WAITING
        self.ended = False
        self.moves = 0
        """Grows whenever this peer or another one gets further."""
        self.dealing: Dealing | None = None
        self.links = {index: Link() for index in session.others}
        self._acceptances = acceptances
        self._secret = secret
        self._context = RoundContext(session, number)
        self._notary = notary
        self._sealer = sealer
        self._entropy = entropy
        self._started = False
        self._own: dict[Kind, Signed[Message]] = {}
        self._echoes: dict[int, bytes] = {}
        self._opening = Opening(self._context, self._commitment)
        self._impatient_at = Stage.WAITING
        self._told: P2PMPCError | None = None
        self._sums: dict[int, Vector] = {}
        self._total: Vector | None = None

    # -- events -----------------------------------------------------------------------------

    def start(self) -> list[Action]:
        """Begin to share; called once, when every member has signed the roster."""
        self._started = True
        return self._advance()

    def receive(self, peer: int, signed: Signed[Message]) -> list[Action]:
        """Take a message of a peer.

        Args:
            peer: Its roster index.
            signed: Verified by the notary.

        Returns:
            What to do.
        """
        if self.ended:
            return []
        if isinstance(signed.message, Abort):
            return self._aborted(peer, signed.message)
        try:
            fresh = self._take(peer, signed)
        except RemoteProtocolError as error:
            blamed = error.peers or (peer,)
            reason = f"{self.session.label(peer)} sent {signed.message.kind.name}: {error.message}"
            return self.abort(RemoteProtocolError(reason, peers=blamed))
        return self._advance() if fresh else []

    def disconnected(self, peer: int) -> list[Action]:
        """Note that a peer's connection is down; it may come back."""
        self.links[peer].away = True
        return self._advance()

    def reconnected(self, peer: int) -> list[Action]:
        """Note that a peer is back."""
        self.links[peer].away = False
        return []

    def lost(self, peer: int) -> list[Action]:
        """Give a peer up."""
        self.links[peer].gone = True
        if self.ended:
            return []
        if self.stage < Stage.ECHOED:
            return self.abort(
                PeerMissing(
                    f"{self.session.label(peer)} was lost before the sum was complete",
                    peers=(peer,),
                    hint="start again, with or without it",
                )
            )
        return self._advance()

    def timed_out(self) -> list[Action]:
        """Nothing has moved for too long: finish without the silent peers, or end."""
        if self.ended:
            return []
        silent = self.waiting_for()
        if self.stage >= Stage.OPENED and self._impatient_at < self.stage:
            # First hand out every b-share that somebody may miss; give up only after that.
            self._impatient_at = self.stage
            return self._advance()
        if self.stage is Stage.CONFIRMED:
            for peer in silent:
                self.links[peer].gone = True
            return self._advance()
        if self._told is not None:
            return self.abort(self._told)
        return self.abort(
            PeerMissing(
                f"too late: {self.session.labels(silent)} said nothing more",
                peers=silent,
                hint="see whether it is still running and reachable",
            )
        )

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and tell the others."""
        if self.ended:
            return []
        self.ended = True
        if self.stage >= Stage.ECHOED:
            error.revealed = Revealed.MAYBE_TOTAL
        return [Send(self._notary.sign(abort_message(error))), Failed(error)]

    def waiting_for(self) -> tuple[int, ...]:
        """Return the peers whose next message this peer cannot go on without."""
        if self.stage is Stage.OPENED:
            return tuple(i for i in self.session.others if i not in self._opening.seeds)
        due = {
            Stage.WAITING: Column.CONNECTED,
            Stage.DEALT: Column.SHARED,
            Stage.SUMMED: Column.SUMMED,
            Stage.ECHOED: Column.ECHOED,
        }.get(self.stage, Column.CONFIRMED)
        return tuple(i for i, link in self.links.items() if link.column < due)

    def has_confirmed(self, peer: int) -> bool:
        """Return whether a peer said everything it ever has to say."""
        return self.links[peer].confirmed is not None

    @property
    def hopes_for_the_gone(self) -> bool:
        """Whether all that is missing is missing from peers that ended: little use in waiting."""
        missing = self.waiting_for()
        return bool(missing) and all(self.links[peer].gone for peer in missing)

    # -- the script of a link ---------------------------------------------------------------

    def _take(self, peer: int, signed: Signed[Message]) -> bool:
        """Walk a link's script by one message; return whether anything is new."""
        link, message = self.links[peer], signed.message
        if signed.round != self._context.number:
            raise RemoteProtocolError(f"a message of round {signed.round}")
        slot = (message.kind, message.about if isinstance(message, Unmask) else 0)
        known = link.said.get(slot)
        if known is not None:
            if known.digest == signed.digest and known.signature == signed.signature:
                return False
            raise RemoteProtocolError("another one of this kind came before, and it differs")
        column = SCRIPT[link.column].get(message.kind)
        if column is None:
            raise RemoteProtocolError(
                f"it comes too early, or at the wrong place ({link.column.name})"
            )
        self._check(peer, message)
        if isinstance(message, Echo) and self.stage >= Stage.ECHOED:
            self._hold_echo(peer, signed.signature)
        if not isinstance(message, Unmask):  # any number of these may come
            self.moves += 1
        link.said[slot] = signed
        link.column = column
        return True

    def _check(self, peer: int, message: Message) -> None:
        """Check what can be checked of a message by itself, and keep what it brings."""
        link = self.links[peer]
        match message:
            case Commitment():
                check_commitment(self._context, peer, message)
            case Share():
                commitment = link.message(Kind.COMMITMENT).message
                assert isinstance(commitment, Commitment)
                link.plain = open_share(self._context, peer, commitment, message, self._sealer)
            case Partial(vector):
                parameters = self.session.parameters
                parameters.arithmetic.decode(vector, parameters.extended_length)
            case Echo():
                if self.stage < Stage.SUMMED:
                    raise RemoteProtocolError("an echo before this peer's sum could be held")
                if self.stage >= Stage.ECHOED:
                    self._compare_echo(peer, message)
            case Open():
                self._check_open(peer, message)
            case Unmask(about, share):
                self._opening.take(about, peer, share)
            case Confirm(digest):
                link.confirmed = digest
            case _:
                raise RemoteProtocolError("it has no place in a round")

    def _check_open(self, peer: int, message: Open) -> None:
        if self.stage < Stage.ECHOED:
            raise RemoteProtocolError("opened before this peer's echo could be held")
        digest = self._own[Kind.ECHO].digest
        number = self._context.number
        for index, signature in enumerate(message.echoes, start=1):
            if self._echoes.get(index) == signature:
                continue
            if not self._notary.is_signed_by(index, Kind.ECHO, number, digest, signature):
                raise RemoteProtocolError("opened without n equal echoes")
            self._hold_echo(index, signature)
        self._opening.open(peer, message.mask_seed)

    def _commitment(self, peer: int) -> Commitment:
        message = self._said(peer, Kind.COMMITMENT).message
        assert isinstance(message, Commitment)
        return message

    def _said(self, index: int, kind: Kind) -> Signed[Message]:
        """Return what a peer, this one included, said of one kind."""
        if index == self.session.own_index:
            return self._own[kind]
        return self.links[index].message(kind)

    # -- joint transitions ------------------------------------------------------------------

    def _advance(self) -> list[Action]:
        actions: list[Action] = []
        try:
            while not self.ended:
                joint = JOINT.get(self.stage)
                if joint is None or not joint.ready(self):
                    break
                actions += joint.act(self)
                self.moves += 1
                if not self.ended:
                    self.stage = joint.then
            if not self.ended:
                actions += self._release_mask_shares()
        except (RemoteProtocolError, VerificationFailed) as error:
            actions += self.abort(error)
        return actions

    def _all_links(self, column: Column) -> bool:
        return all(link.column >= column for link in self.links.values())

    def _say(self, message: Message) -> Send:
        signed = self._notary.sign(message, round_number=self._context.number)
        self._own[message.kind] = signed
        return Send(signed)

    def _deal(self) -> list[Action]:
        self.dealing = deal(self._context, self._secret, self._sealer, self._entropy)
        actions: list[Action] = [Reached("share"), self._say(self.dealing.commitment)]
        for receiver, share in self.dealing.shares.items():
            signed = self._notary.sign(share, round_number=self._context.number, receiver=receiver)
            actions.append(Send(signed, receiver))
        return actions

    def _sum(self) -> list[Action]:
        dealing = self.dealing
        assert dealing is not None
        own, parameters = self.session.own_index, self.session.parameters
        plains = {i: link.plain for i, link in self.links.items() if link.plain is not None}
        total = partial_sum(self._context, dealing.kept, plains)
        self._sums[own] = total
        masked = parameters.arithmetic.add(total, self._context.expand_mask(own, dealing.mask_seed))
        for index, plain in plains.items():
            self._opening.hold(index, plain.mask_share)
        return [Reached("partial"), self._say(Partial(parameters.arithmetic.encode(masked)))]

    def _echo(self) -> list[Action]:
        entries = []
        for index in self.session.indices:
            commitment = self._said(index, Kind.COMMITMENT)
            partial = self._said(index, Kind.PARTIAL)
            entries.append(
                EchoEntry(
                    self._acceptances[index],
                    commitment.digest,
                    commitment.signature,
                    partial.digest,
                    partial.signature,
                )
            )
        send = self._say(Echo(tuple(entries)))
        self._echoes[self.session.own_index] = send.message.signature
        for index, link in self.links.items():
            if link.column >= Column.ECHOED:
                self._compare_echo(index, link.message(Kind.ECHO).message)
        return [Reached("echo"), send]

    def _echoes_complete(self) -> bool:
        """Take the echoes that came, and return whether n equal ones are held."""
        for index, link in self.links.items():
            if link.column >= Column.ECHOED:
                self._hold_echo(index, link.message(Kind.ECHO).signature)
        return len(self._echoes) == len(self.session.members)

    def _hold_echo(self, index: int, signature: bytes) -> None:
        """Keep a verified signature on the own echo; nobody honest makes two."""
        if self._echoes.setdefault(index, signature) != signature:
            raise RemoteProtocolError(
                f"{self.session.label(index)} signed one echo in two ways", peers=(index,)
            )

    def _compare_echo(self, peer: int, theirs: Message) -> None:
        """Refuse an echo that is not the own one, naming who lied."""
        mine = self._own[Kind.ECHO].message
        assert isinstance(mine, Echo)
        assert isinstance(theirs, Echo)
        if mine != theirs:
            number = self._context.number
            raise who_lied(self.session, self._notary, number, mine, theirs, peer)

    def _open(self) -> list[Action]:
        assert self.dealing is not None
        self._opening.open(self.session.own_index, self.dealing.mask_seed)
        signatures = tuple(self._echoes[index] for index in self.session.indices)
        return [Reached("open"), self._say(Open(self.dealing.mask_seed, signatures))]

    def _release_mask_shares(self) -> list[Action]:
        """Hand out b-shares of peers that cannot open themselves, or that others miss."""
        if self.stage < Stage.OPENED:
            return []
        return [
            Send(self._notary.sign(Unmask(owner, share), round_number=self._context.number))
            for owner, share in self._opening.release(self._is_missed)
        ]

    def _is_missed(self, owner: int) -> bool:
        """Return whether this peer, or for all it knows another one, may lack a mask seed."""
        if self._impatient_at is Stage.CONFIRMED:
            return True  # somebody does not confirm: perhaps a seed was kept from it alone
        link = self.links[owner]
        unreachable = link.gone or link.away or self._impatient_at is Stage.OPENED
        return unreachable and owner not in self._opening.seeds

    def _masks_complete(self) -> bool:
        """Recover what can be recovered, and return whether every mask seed is known."""
        self._opening.recover()
        return self._opening.complete

    def _finish(self) -> list[Action]:
        parameters = self.session.parameters
        arithmetic, length = parameters.arithmetic, parameters.extended_length
        for index, link in self.links.items():
            partial = link.message(Kind.PARTIAL).message
            assert isinstance(partial, Partial)
            masked = arithmetic.decode(partial.vector, length)
            mask = self._context.expand_mask(index, self._opening.seeds[index])
            self._sums[index] = arithmetic.subtract(masked, mask)
        total = arithmetic.sum((self._sums[i] for i in self.session.indices), length)
        check_total(self._context, total)
        self._total = total
        digest = self._context.total_digest(arithmetic.encode(total))
        return [Reached("confirm"), self._say(Confirm(digest))]

    def _everybody_confirmed(self) -> bool:
        confirm = self._own[Kind.CONFIRM].message
        assert isinstance(confirm, Confirm)
        for index, link in self.links.items():
            if link.confirmed is not None and link.confirmed != confirm.total_digest:
                raise RemoteProtocolError(
                    f"{self.session.label(index)} signed another total", peers=(index,)
                )
        return all(link.confirmed is not None or link.gone for link in self.links.values())

    def _done(self) -> list[Action]:
        self.ended = True
        total = self._total
        assert total is not None
        length = self.session.parameters.length
        confirmed = {
            index: self._said(index, Kind.CONFIRM).signature
            for index in self.session.indices
            if index == self.session.own_index or self.links[index].confirmed is not None
        }
        return [Finished(total[:length], self._record(total), confirmed)]

    def _record(self, total: Vector) -> Record:
        indices = self.session.indices
        commitments = {index: self._said(index, Kind.COMMITMENT) for index in indices}
        partials = {index: self._said(index, Kind.PARTIAL) for index in indices}
        return Record(
            session=self.session,
            round=self._context.number,
            acceptances=dict(self._acceptances),
            commitments={i: Heard(said.body, said.signature) for i, said in commitments.items()},
            partials={i: Heard(said.digest, said.signature) for i, said in partials.items()},
            echo_digest=self._own[Kind.ECHO].digest,
            echoes=dict(self._echoes),
            masks=dict(self._opening.seeds),
            sums=dict(self._sums),
            total=total,
        )

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:
        """Take another peer's end: before the own echo it is ours too, afterwards it is not."""
        self.links[peer].gone = True
        if self.stage < Stage.ECHOED:
            return self.abort(error_of_abort(self.session, peer, abort))
        self._told = self._told or error_of_abort(self.session, peer, abort)
        return self._advance()


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint transition.

    Args:
        needs: When it fires, in words, for the documentation.
        ready: The same as a condition.
        act: What it does.
        then: The stage it leads to.
    """

    needs: str
    ready: Callable[[Round], bool]
    act: Callable[[Round], list[Action]]
    then: Stage


JOINT: Final[dict[Stage, Joint]] = {
    Stage.WAITING: Joint(
        "n equal roster signatures", lambda r: r._started, Round._deal, Stage.DEALT
    ),
    Stage.DEALT: Joint(
        "every link SHARED", lambda r: r._all_links(Column.SHARED), Round._sum, Stage.SUMMED
    ),
    Stage.SUMMED: Joint(
        "every link SUMMED", lambda r: r._all_links(Column.SUMMED), Round._echo, Stage.ECHOED
    ),
    Stage.ECHOED: Joint("n equal echoes held", Round._echoes_complete, Round._open, Stage.OPENED),
    Stage.OPENED: Joint(
        "every mask seed known", Round._masks_complete, Round._finish, Stage.CONFIRMED
    ),
    Stage.CONFIRMED: Joint(
        "every link CONFIRMED or gone", Round._everybody_confirmed, Round._done, Stage.DONE
    ),
}
"""Stage -> what leads on from it."""
