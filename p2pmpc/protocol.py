"""SHARE -> PARTIAL -> ECHO -> OPEN -> CONFIRM: one round of the weighted sum.

Rules:

1. Everything that decides what happens next stands in tables, the scripts of p2pmpc.script and the
   joint transitions at the end of this file; the rest computes. The machine does no I/O, reads no
   clock and draws only from the entropy it is given.
2. Each peer's link walks one script. Joint transitions fire when every link has passed a column, and
   are tried until nothing changes: so the order in which links make progress cannot matter.
3. Before this peer's ECHO has left nobody can hold an echo of every contributor, so nothing can be
   opened: until then the loss, the silence and the unproven ABORT of a contributor end the round at once,
   and reveal nothing. From then on they do not stop the finish, and an end without a total says that it
   may have been opened. A contributor's violation ends the round at any stage, an observer's never. The
   ledger is written before the ECHO leaves.
4. A mask seed b_j and a b-share leave only against everybody's equal echoes; a seed k_ij never leaves
   again.
5. An observer walks the same stages without sending: it holds what contributors say to all, checks it
   once it has everything that it is checked against, and confirms the total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from p2pmpc.actions import Action, Dismissed, Failed, Finished, Reached, RecordInput, Send
from p2pmpc.dealing import Dealing, RoundContext, Sealer, deal
from p2pmpc.endings import abort_message, error_of_abort, vetted
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    LocalProtocolError,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
)
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.field import Words
from p2pmpc.hearing import Hearing
from p2pmpc.messages import (
    Abort,
    Confirm,
    Kind,
    Message,
    Open,
    Partial,
    Signed,
    Slice,
    Unmask,
)
from p2pmpc.ratchet import Ratchet
from p2pmpc.record import Heard, Record
from p2pmpc.script import (
    Column,
    Stage,
)
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.summing import (
    bytes_of,
    check_total,
    masked_sum,
    pieces_of,
    sum_of,
    take_masks_off,
    unmasked,
)

_NO_REASONS: Final[Mapping[int, str]] = MappingProxyType({})
_LEFT: Final = (
    "it may have left because it was done: all members sum equally often. Without it, start anew with "
    "other inputs: two totals that differ by one member give its input away"
)


class Round:
    """One peer's side of one round.

    Args:
        session: The agreed session.
        acceptances: Every member's signature on the roster, for the record.
        secret: This peer's residues, the checksum coordinate included; None observes.
        notary: Signs messages.
        sealer: Seals and opens shares.
        entropy: The operating system's, in production.
        number: The round's number within the session.
        ratchet: Where the seeds of a later round come from.
    """

    def __init__(
        self,
        session: Session,
        acceptances: dict[int, bytes],
        secret: Words | None,
        *,
        notary: Notary,
        sealer: Sealer,
        entropy: Entropy,
        number: int = 0,
        ratchet: Ratchet | None = None,
    ) -> None:
        self.session = session
        self.stage = Stage.WAITING
        self.ended = False
        self._is_done = False
        self.moves = 0
        """Grows whenever this peer or another one gets further."""
        self.dealing: Dealing | None = None
        self._acceptances = acceptances
        self._secret = secret
        self._table = _table_of(session)
        self._context = RoundContext(session, number)
        self._notary = notary
        self._sealer = sealer
        self._entropy = entropy
        self._started = False
        self._recorded = False
        self._ratchet = ratchet
        self._heard = Hearing(self._context, acceptances, notary, sealer, ratchet)
        self.links = self._heard.links
        self._opening = self._heard.opening
        self._impatient_at = Stage.WAITING
        self._told: P2PMPCError | None = None
        self._sums: dict[int, Words] = {}
        self._total: Words | None = None

    @property
    def number(self) -> int:
        """The round's number within the session."""
        return self._context.number

    def following(self, secret: Words | None) -> Round:
        """Return the machine of the next round, once this one is done.

        Seeds go on from this round's, and masks are drawn anew.

        Args:
            secret: As for this round, with the next one's checksum coordinate.

        Raises:
            LocalProtocolError: This one is not done.
        """
        if not self._is_done:
            raise LocalProtocolError("a round was begun before the one before it had ended")
        return type(self)(
            self.session,
            self._acceptances,
            secret,
            notary=self._notary,
            sealer=self._sealer,
            entropy=self._entropy,
            number=self.number + 1,
            ratchet=self._next_ratchet(),
        )

    def _next_ratchet(self) -> Ratchet | None:
        """Return the ratchet, one step on; dense shares, and observers, have none."""
        session, ratchet, dealing = self.session, self._ratchet, self.dealing
        if dealing is None or session.parameters.share_mode == "dense":
            return None
        if ratchet is None:
            given = {other: plain.share for other, plain in dealing.plains.items()}
            plains = {i: link.plain for i, link in self.links.items()}
            received = {i: plain.share for i, plain in plains.items() if plain is not None}
            ratchet = Ratchet(session.id, session.own_index, given, received)
            self._sealer.forget()  # with it, the SHAREs of round 0 would give every later link
        ratchet.advance(self.number + 1)
        return ratchet

    # -- events -----------------------------------------------------------------------------

    def start(self) -> list[Action]:
        """Begin to share; called once, when every member has signed the roster."""
        self._started = True
        return self._advance()

    def recorded(self) -> list[Action]:
        """Go on: the ledger holds what RecordInput asked for."""
        self._recorded = True
        return self._advance()

    def receive(self, peer: int, signed: Signed[Message]) -> list[Action]:
        """Take a message of a peer.

        Args:
            peer: Its roster index.
            signed: Verified by the notary.

        Returns:
            What to do.
        """
        if self.ended or self.links[peer].ended:
            return []
        if isinstance(signed.message, Abort):
            return self._aborted(peer, signed.message)
        try:
            fresh = self._heard.take(peer, signed)
        except RemoteProtocolError as error:
            return self.fault(peer, self._heard.blame(peer, signed, error))
        if fresh and not isinstance(signed.message, Unmask):  # any number of these may come
            self.moves += 1
        return self._advance() if fresh else []

    def fault(self, peer: int, error: P2PMPCError) -> list[Action]:
        """Note what is wrong with what a peer sent: a contributor's fault ends the round."""
        if self.ended or self.links[peer].ended:
            return []
        if peer in self.session.places:
            return self.abort(error)
        return [*self._dismiss(peer, error), *self._advance()]

    def _dismiss(self, observer: int, error: P2PMPCError) -> list[Action]:
        """Go on without an observer: nothing rests on it, and it must not be able to stop a sum."""
        link = self.links[observer]
        link.ended = link.gone = True
        link.confirmed = None
        return [Dismissed(vetted(self.session, error))]

    def disconnected(self, peer: int) -> list[Action]:
        """Note that a peer's connection is down; it may come back."""
        self.links[peer].away = True
        return self._advance()

    def reconnected(self, peer: int) -> list[Action]:
        """Note that a peer is back."""
        self.links[peer].away = False
        return []

    def lost(self, peer: int, reason: str = "") -> list[Action]:
        """Give a peer up.

        Args:
            peer: Its roster index.
            reason: What is known of why, for people.
        """
        self.links[peer].gone = True
        if self.ended:
            return []
        if self._depends_on(peer, until=Column.SUMMED):
            return self.abort(
                PeerMissing(
                    f"{self.session.label(peer)} was lost before the sum was complete"
                    f"{self.session.because({peer: reason})}",
                    peers=(peer,),
                    hint="start again, with or without it" if self.number == 0 else _LEFT,
                )
            )
        return self._advance()

    def _depends_on(self, peer: int, *, until: Column) -> bool:
        """Return whether the end of a peer is the end of the round.

        Args:
            peer: Its roster index.
            until: How far a contributor must have come for an observer to go on without it.
        """
        if peer not in self.session.places:
            return False
        if self.session.contributes:
            return self.stage < Stage.ECHOED
        return self.links[peer].column < until

    def timed_out(self, reasons: Mapping[int, str] = _NO_REASONS) -> list[Action]:
        """Nothing has moved for too long: finish without the silent peers, or end.

        Args:
            reasons: What is known of why, by the index of those who are waited for.
        """
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
                f"too late: {self.session.labels(silent)} said nothing more"
                f"{self.session.because(reasons)}",
                peers=silent,
                hint=""
                if any(reasons.values())
                else "see whether it is still running and reachable",
            )
        )

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and tell the others."""
        if self.ended:
            return []
        self.ended = True
        error = vetted(self.session, error)
        if self.number and error.revealed is Revealed.NOTHING:
            error.revealed = Revealed.EARLIER
        if self.stage >= Stage.ECHOED and self.session.contributes:
            error.revealed = Revealed.MAYBE_TOTAL
        return [Send(self._notary.sign(abort_message(error))), Failed(error)]

    def waiting_for(self) -> tuple[int, ...]:
        """Return the peers whose next message this peer cannot go on without."""
        if self.stage is Stage.OPENED:
            return tuple(i for i in self.session.other_contributors if i not in self._opening.seeds)
        due = self._table[self.stage].due
        if due is None:
            return ()
        peers = self.session.others if due is Column.CONFIRMED else self.session.other_contributors
        return tuple(peer for peer in peers if self.links[peer].column < due)

    def has_confirmed(self, peer: int) -> bool:
        """Return whether a peer has confirmed a total."""
        return self.links[peer].confirmed is not None

    @property
    def only_the_gone_are_missing(self) -> bool:
        """Whether all that is missing is missing from peers that ended: little use in waiting."""
        missing = self.waiting_for()
        return bool(missing) and all(self.links[peer].gone for peer in missing)

    # -- joint transitions ------------------------------------------------------------------

    def _advance(self) -> list[Action]:
        actions: list[Action] = []
        try:
            while not self.ended:
                joint = self._table[self.stage]
                if not joint.ready(self):
                    break
                actions += self._act(joint)
                self.moves += 1
                if not self.ended:
                    self.stage = joint.then
            if not self.ended:
                actions += self._release_mask_shares()
        except (RemoteProtocolError, VerificationFailed) as error:
            actions += self.abort(error)
        return actions

    def _act(self, joint: Joint) -> list[Action]:
        """Do what a transition does, and let out nothing that its row does not name."""
        actions = joint.act(self)
        said = {action.message.message.kind for action in actions if isinstance(action, Send)}
        if said != set(joint.says):
            raise LocalProtocolError(f"stage {self.stage.name} says what its table does not")
        return actions

    def _say(self, message: Message) -> Send:
        signed = self._notary.sign(message, round_number=self._context.number)
        self._heard.own[message.kind] = signed
        return Send(signed)

    def _deal(self) -> list[Action]:
        self.dealing = deal(self._context, self._sealer, self._entropy, self._ratchet)
        actions: list[Action] = [Reached("share"), self._say(self.dealing.commitment)]
        for receiver, share in self.dealing.shares.items():
            signed = self._notary.sign(share, round_number=self._context.number, receiver=receiver)
            actions.append(Send(signed, receiver))
        return actions

    def _masked_sum(self) -> Words:
        """Return E_j, and forget the secret: it is not needed again, and may be large."""
        dealing, secret = self.dealing, self._secret
        assert dealing is not None
        assert secret is not None
        self._secret = None
        plains = {i: link.plain for i, link in self.links.items() if link.plain is not None}
        for index, plain in plains.items():
            self._opening.hold(index, plain.mask_share)
        return masked_sum(self._context, secret, dealing, plains)

    def _sum(self) -> list[Action]:
        hidden = self._masked_sum()
        arithmetic = self.session.parameters.arithmetic
        return [Reached("partial"), self._say(Partial(arithmetic.encode(hidden)))]

    def _slice(self) -> list[Action]:
        """Send every other contributor its slice of the masked sum, and keep the own one."""
        hidden, session = self._masked_sum(), self.session
        actions: list[Action] = [Reached("partial")]
        for owner, place in session.places.items():
            part = hidden[session.slices.bounds(place)]
            for piece in range(session.slices.pieces(place)):
                words = part[session.slices.piece(place, piece)]
                if owner == session.own_index:
                    self._heard.slices.add(words, piece)
                    continue
                signed: Signed[Message] = self._notary.sign(
                    Slice(piece, bytes_of(words)),
                    round_number=self._context.number,
                    receiver=owner,
                )
                actions.append(Send(signed, owner))
        return actions

    def _sum_slice(self) -> list[Action]:
        """Tell all what the own slice sums to, after the digests of the pieces that say it."""
        session, own = self.session, self.session.own_index
        words = self._heard.slices.own_sum()
        self._heard.slices.put(own, words)
        pieces: list[Signed[Message]] = [
            self._notary.sign(message, round_number=self._context.number)
            for message in pieces_of(session, own, words)
        ]
        listed = Partial(b"".join(signed.digest for signed in pieces))
        return [self._say(listed), *(Send(signed) for signed in pieces)]

    def _listen(self) -> list[Action]:
        """Hold what everybody said against the echoes that came; record the input if they agree."""
        self._heard.conclude()
        return [RecordInput()]

    def _echo(self) -> list[Action]:
        echo, _ = self._heard.echo
        send = self._say(echo)
        self._heard.echoes[self.session.own_index] = send.message.signature
        return [Reached("echo"), send]

    def _observe_echo(self) -> list[Action]:
        self._heard.conclude()
        return [Reached("echo")]

    def _open(self) -> list[Action]:
        assert self.dealing is not None
        self._opening.open(self.session.own_index, self.dealing.mask_seed)
        signatures = tuple(self._heard.echoes[index] for index in self.session.contributors)
        return [Reached("open"), self._say(Open(self.dealing.mask_seed, signatures))]

    def _observe_open(self) -> list[Action]:
        return [Reached("open")]

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
        if self.session.parameters.is_sharded:
            total = self._heard.slices.hidden
            take_masks_off(self._context, total, self._opening.seeds)
        else:
            total = self._open_sums()
        check_total(self._context, total)
        self._total = total
        digest = self._context.total_digest(bytes_of(total))
        return [Reached("confirm"), self._say(Confirm(digest))]

    def _open_sums(self) -> Words:
        """Open every S_j, and return their sum."""
        parameters = self.session.parameters
        arithmetic, length = parameters.arithmetic, parameters.extended_length
        for index in self.session.contributors:
            partial = self._heard.said(index, Kind.PARTIAL).message
            assert isinstance(partial, Partial)
            hidden = arithmetic.decode(partial.content, length)
            seed = self._opening.seeds[index]
            self._sums[index] = unmasked(self._context, index, hidden, seed)
        return sum_of(arithmetic, self._sums, length)

    def _everybody_confirmed(self) -> bool:
        confirm = self._heard.own[Kind.CONFIRM].message
        assert isinstance(confirm, Confirm)
        for index, link in self.links.items():
            if link.confirmed is not None and link.confirmed != confirm.total_digest:
                if index not in self.session.places:  # it counts as missing
                    link.ended, link.gone, link.confirmed = True, True, None
                    continue
                raise RemoteProtocolError(
                    f"{self.session.label(index)} signed another total", peers=(index,)
                )
        return all(link.confirmed is not None or link.gone for link in self.links.values())

    def _done(self) -> list[Action]:
        self.ended = self._is_done = True
        total = self._total
        assert total is not None
        length = self.session.parameters.summed_length
        confirmed = {
            index: self._heard.said(index, Kind.CONFIRM).signature
            for index in self.session.indices
            if index == self.session.own_index or self.links[index].confirmed is not None
        }
        return [Finished(total[:length], self._record(total), confirmed)]

    def _record(self, total: Words) -> Record:
        confirm = self._heard.own[Kind.CONFIRM].message
        assert isinstance(confirm, Confirm)
        contributors = self.session.contributors
        commitments = {index: self._heard.said(index, Kind.COMMITMENT) for index in contributors}
        partials = {index: self._heard.said(index, Kind.PARTIAL) for index in contributors}
        return Record(
            session=self.session,
            round=self._context.number,
            acceptances=dict(self._acceptances),
            commitments={i: Heard(said.body, said.signature) for i, said in commitments.items()},
            partials={i: Heard(said.digest, said.signature) for i, said in partials.items()},
            echo_digest=self._heard.echo[1],
            echoes=dict(self._heard.echoes),
            masks=dict(self._opening.seeds),
            sums=dict(self._sums),
            total=total,
            total_digest=confirm.total_digest,
        )

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:
        """Take another peer's end: what it proves, or what cannot go on without it, ends this one."""
        link = self.links[peer]
        link.ended = link.gone = True
        error = error_of_abort(self.session, peer, abort)
        if isinstance(error, Dispute) and error.evidence.claim is Claim.TWO_ENTRIES:
            # It concerns the agreement, and is no reason to end what all have agreed on.
            error = RemoteProtocolError(error.message, peers=error.peers)
        dismissed: list[Action] = []
        if isinstance(error, Dispute):
            culprit = error.evidence.culprit
            if culprit in self.session.places or culprit == self.session.own_index:
                return self.abort(error)
            # The observer is left out, and whoever told of it has ended all the same.
            dismissed = self._dismiss(culprit, error)
        if self._depends_on(peer, until=Column.ECHOED):
            return [*dismissed, *self.abort(error)]
        if peer in self.session.places:  # an observer's word decides nothing
            self._told = self._told or error
        return [*dismissed, *self._advance()]


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint transition.

    Args:
        needs: When it fires, in words, for the documentation.
        due: The column that the others' links must have passed: the contributors', and for
            CONFIRMED everybody's. None where it is not a matter of columns.
        ready: The same as a condition.
        act: What it does.
        says: The kinds of messages that it lets out, in this order; nothing else can leave.
        then: The stage it leads to.
    """

    needs: str
    due: Column | None
    ready: Callable[[Round], bool]
    act: Callable[[Round], list[Action]]
    says: tuple[Kind, ...]
    then: Stage


_FROM_OPENED: Final = {
    Stage.OPENED: Joint(
        "every mask seed known",
        None,
        Round._masks_complete,
        Round._finish,
        (Kind.CONFIRM,),
        Stage.CONFIRMED,
    ),
    Stage.CONFIRMED: Joint(
        "every link CONFIRMED or gone",
        Column.CONFIRMED,
        Round._everybody_confirmed,
        Round._done,
        (),
        Stage.DONE,
    ),
}

CONTRIBUTING: Final[dict[Stage, Joint]] = {
    Stage.WAITING: Joint(
        "everybody signed the same roster",
        None,
        lambda r: r._started,
        Round._deal,
        (Kind.COMMITMENT, Kind.SHARE),
        Stage.DEALT,
    ),
    Stage.DEALT: Joint(
        "every contributor's link SHARED",
        Column.SHARED,
        lambda r: r._heard.all_contributors(Column.SHARED),
        Round._sum,
        (Kind.PARTIAL,),
        Stage.SUMMED,
    ),
    Stage.SUMMED: Joint(
        "every contributor's link SUMMED",
        Column.SUMMED,
        lambda r: r._heard.all_contributors(Column.SUMMED),
        Round._listen,
        (),
        Stage.RECORDING,
    ),
    Stage.RECORDING: Joint(
        "the ledger is written",
        None,
        lambda r: r._recorded,
        Round._echo,
        (Kind.ECHO,),
        Stage.ECHOED,
    ),
    Stage.ECHOED: Joint(
        "every contributor's equal echo held",
        Column.ECHOED,
        lambda r: r._heard.echoes_are_complete,
        Round._open,
        (Kind.OPEN,),
        Stage.OPENED,
    ),
    **_FROM_OPENED,
}
"""Stage -> what leads a contributor on from it, in broadcast mode."""

SHARDING: Final[dict[Stage, Joint]] = {
    **CONTRIBUTING,
    Stage.DEALT: Joint(
        "every contributor's link SHARED",
        Column.SHARED,
        lambda r: r._heard.all_contributors(Column.SHARED),
        Round._slice,
        (Kind.SLICE,),
        Stage.SLICED,
    ),
    Stage.SLICED: Joint(
        "every contributor's link SLICED",
        Column.SLICED,
        lambda r: r._heard.all_contributors(Column.SLICED),
        Round._sum_slice,
        (Kind.PARTIAL, Kind.SLICE_SUM),
        Stage.SUMMED,
    ),
}
"""Stage -> what leads a contributor on from it, in sharded mode."""

OBSERVING: Final[dict[Stage, Joint]] = {
    Stage.WAITING: Joint(
        "everybody signed the same roster",
        None,
        lambda r: r._started,
        lambda _: [],
        (),
        Stage.DEALT,
    ),
    Stage.DEALT: Joint(
        "every contributor's link SUMMED",
        Column.SUMMED,
        lambda r: r._heard.all_contributors(Column.SUMMED),
        Round._observe_echo,
        (),
        Stage.ECHOED,
    ),
    Stage.ECHOED: Joint(
        "every contributor's equal echo held",
        Column.ECHOED,
        lambda r: r._heard.echoes_are_complete,
        Round._observe_open,
        (),
        Stage.OPENED,
    ),
    **_FROM_OPENED,
}
"""Stage -> what leads an observer on from it."""


def _table_of(session: Session) -> dict[Stage, Joint]:
    """Return the table that this peer follows."""
    if not session.contributes:
        return OBSERVING
    return SHARDING if session.parameters.is_sharded else CONTRIBUTING
