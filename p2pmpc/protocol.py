"""SHARE -> PARTIAL -> ECHO -> OPEN -> CONFIRM: one round of the weighted sum.

Rules:

1. Everything that decides what happens next stands in tables, the scripts of p2pmpc.script and the
   joint transitions of p2pmpc.joints; what a transition does stands in p2pmpc.steps. The machine does
   no I/O, reads no clock and draws only from the entropy it is given.
2. Each peer's link walks one script. Joint transitions fire when every link has passed a column, and
   are tried until nothing changes: so the order in which links make progress cannot matter.
3. Before this peer's ECHO has left nobody can hold an echo of every contributor, so nothing can be
   opened: until then the loss, the silence and the unproven ABORT of a contributor end the round at once,
   and reveal nothing. From then on they do not stop the finish, and an end without a total says that it
   may have been opened. A contributor's violation ends the round at any stage, an observer's never. The
   ledger is written before the ECHO leaves.
4. A mask seed b_j and a b-share leave only against everybody's equal echoes; a seed k_ij never leaves
   again.
5. A peer that was killed and goes on says in each place what it said before, or ends: what it hears again
   decides, and a difference means that somebody tells it other things than before.
6. Whoever holds the OPEN of a peer that is lost passes it on: with it come everybody's echoes, so if one
   live peer can finish, every live peer can.
7. An observer walks the same stages: it holds what contributors say to all, checks it once it has
   everything that it is checked against, and confirms the total. Else it only passes OPENs on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from p2pmpc.actions import Action, Dismissed, Failed, Send
from p2pmpc.dealing import Dealing, RoundContext, Sealer
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
from p2pmpc.joints import Joint, table_of
from p2pmpc.messages import Abort, Kind, Message, Relay, Signed, Slot, Unmask, slot_of
from p2pmpc.ratchet import PairKeys, Ratchet
from p2pmpc.script import Column, PeerLink, Stage
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.steps import Steps

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
        entropy: What this round draws from: in production one seed, expanded (p2pmpc.entropy).
        number: The round's number within the session.
        ratchet: Where the seeds of a later round come from.
        said: Digests of what this peer said in this round before it was killed.
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
        said: Mapping[Slot, bytes] = MappingProxyType({}),
    ) -> None:
        self.session = session
        self.stage = Stage.WAITING
        self.ended = False
        self._is_done = False
        self.moves = 0
        """Grows whenever this peer or another one gets further."""
        self._acceptances = acceptances
        self._notary = notary
        self._sealer = sealer
        self._said = said
        # Contributors to whom an observer passes on an echo hand out b-shares a deadline later.
        self._waits_once_more = not self.session.contributes
        self._echo_left = any(slot.kind is Kind.ECHO for slot in said)
        self._table = table_of(session)
        self._steps = Steps(
            RoundContext(session, number),
            acceptances,
            secret,
            notary=notary,
            sealer=sealer,
            entropy=entropy,
            ratchet=ratchet,
            said=frozenset(slot.kind for slot in said),
        )
        self._impatient_at = Stage.WAITING
        self._told: P2PMPCError | None = None

    @property
    def number(self) -> int:
        """The round's number within the session."""
        return self._steps.context.number

    @property
    def links(self) -> dict[int, PeerLink]:
        """What every other member has said in this round."""
        return self._steps.heard.links

    @property
    def dealing(self) -> Dealing | None:
        """What this peer drew, once it did."""
        return self._steps.dealing

    @property
    def pairs(self) -> tuple[PairKeys, ...]:
        """The ratchet's state, before the round has begun; empty where there is none."""
        ratchet = self._steps.ratchet
        return () if ratchet is None else ratchet.pairs

    def following(self, secret: Words | None, entropy: Entropy) -> Round:
        """Return the machine of the next round, once this one is done.

        Seeds go on from this round's, and masks are drawn anew.

        Args:
            secret: As for this round, with the next one's checksum coordinate.
            entropy: What the next round draws from.

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
            entropy=entropy,
            number=self.number + 1,
            ratchet=self._steps.next_ratchet(),
        )

    # -- events -----------------------------------------------------------------------------

    def start(self) -> list[Action]:
        """Begin to share; called once, when every member has signed the roster."""
        self._steps.started = True
        return self._advance()

    def recorded(self) -> list[Action]:
        """Go on: the ledger holds what RecordInput asked for."""
        self._steps.recorded = True
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
            fresh = self._steps.heard.take(peer, signed)
        except RemoteProtocolError as error:
            if self._is_without_its_words(peer, signed.message.kind):
                return self.abort(self._parted(peer))
            error = self._steps.heard.blame(peer, signed, error)
            # What a peer passes on may be the fault of the one that signed it.
            at = error.peers[0] if isinstance(signed.message, Relay) else peer
            return self.fault(at, error)
        if fresh and not isinstance(signed.message, Unmask | Relay):  # any number of these may come
            self.moves += 1
        return self._advance() if fresh else []

    def _is_without_its_words(self, peer: int, kind: Kind) -> bool:
        """Return whether a peer may have forgotten what its ECHO of this round rests on.

        Whoever was killed in the next round says only the end of this one again. The others have heard
        the rest; a peer that goes on in this round, and had echoed it, has heard it and forgotten.
        """
        is_last = kind in (Kind.ECHO, Kind.OPEN, Kind.UNMASK, Kind.CONFIRM)
        is_other = peer in self.session.places and self.links[peer].column < Column.SUMMED
        return self._echo_left and is_last and is_other

    def _parted(self, peer: int) -> PeerMissing:
        return PeerMissing(
            f"{self.session.label(peer)} has done this round, was killed as well, and has gone on without "
            "what it said before its ECHO: this peer would need it again",
            peers=(peer,),
            hint="see in its log what the total is",
        )

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
        if self.session.contributes and not self._echo_left:
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
        if self.stage is Stage.OPENED and self._waits_once_more:
            self._waits_once_more = False
            return []
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
        if self._echo_left or (self.stage >= Stage.ECHOED and self.session.contributes):
            error.revealed = Revealed.MAYBE_TOTAL
        return [Send(self._notary.sign(abort_message(error))), Failed(error)]

    def waiting_for(self) -> tuple[int, ...]:
        """Return the peers whose next message this peer cannot go on without."""
        if self.stage is Stage.OPENED:
            return tuple(
                i
                for i in self.session.other_contributors
                if i not in self._steps.heard.opening.seeds
            )
        due = self._table[self.stage].due
        if due is None:
            return ()
        peers = self.session.others if due is Column.CONFIRMED else self.session.other_contributors
        return tuple(peer for peer in peers if self.links[peer].column < due)

    def has_confirmed(self, peer: int) -> bool:
        """Return whether a peer has confirmed a total, be it one that cannot be checked yet."""
        return self.links[peer].column is Column.CONFIRMED

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
                if not joint.ready(self._steps):
                    break
                actions += self._act(joint)
                self.moves += 1
                if joint.then is Stage.DONE:
                    self.ended = self._is_done = True
                if not self.ended:
                    self.stage = joint.then
            if not self.ended:
                actions += self._help_the_others()
        except (RemoteProtocolError, VerificationFailed) as error:
            actions += self.abort(error)
        return actions

    def _act(self, joint: Joint) -> list[Action]:
        """Do what a transition does, and let out nothing that its row does not name."""
        actions = joint.act(self._steps)
        said = {action.message.message.kind for action in actions if isinstance(action, Send)}
        if said != set(joint.says):
            raise LocalProtocolError(f"stage {self.stage.name} says what its table does not")
        for observer, error in self._steps.heard.faults.items():
            actions += self._dismiss(observer, error)
        self._steps.heard.faults.clear()
        return self._as_before(actions)

    def _as_before(self, actions: list[Action]) -> list[Action]:
        """Refuse to say two things in one place: the other one left before this peer was killed.

        Raises:
            VerificationFailed: What it says now differs.
        """
        for action in actions:
            if not isinstance(action, Send):
                continue
            message = action.message
            before = self._said.get(slot_of(message.message, action.receiver), message.digest)
            if before != message.digest:
                raise VerificationFailed(
                    f"what the others say now does not lead to the {message.message.kind.name} that "
                    "this peer said before it was killed: somebody tells it other things than then",
                    hint="see in the logs of all who says what; nothing that differs was sent",
                )
        return actions

    def _help_the_others(self) -> list[Action]:
        """Hand out what the lost cannot say themselves, or did not say to all."""
        if self.stage < Stage.OPENED:
            return []
        shares = self._as_before(self._steps.release_mask_shares(self._is_missed))
        return [*self._steps.relay_openings(self._is_cut_short), *shares]

    def _is_cut_short(self, owner: int) -> bool:
        """Return whether a peer's OPEN may not have reached everybody."""
        if self._impatient_at >= Stage.OPENED:
            return True
        link = self.links[owner]
        return (link.gone or link.away) and not self.has_confirmed(owner)

    def _is_missed(self, owner: int) -> bool:
        """Return whether this peer, or for all it knows another one, may lack a mask seed."""
        if self._impatient_at is Stage.CONFIRMED:
            return True  # somebody does not confirm: perhaps a seed was kept from it alone
        link = self.links[owner]
        unreachable = link.gone or link.away or self._impatient_at is Stage.OPENED
        return unreachable and owner not in self._steps.heard.opening.seeds

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
