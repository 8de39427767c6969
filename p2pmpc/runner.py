"""The one loop of a session: events from all links in, what the machines ask for out."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import trio

from p2pmpc.absence import Absence
from p2pmpc.actions import (
    Action,
    Agreed,
    Dismissed,
    Failed,
    Finished,
    Reached,
    RecordInput,
    Send,
)
from p2pmpc.agreement import Agreement
from p2pmpc.discovery import Found
from p2pmpc.early import EarlyFrames
from p2pmpc.entropy import SeededEntropy
from p2pmpc.envelope import Notary, SessionSealer, frame_bytes, frame_parts
from p2pmpc.errors import (
    AgreementFailed,
    InputRefused,
    Interrupted,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    ResourceExhausted,
    Revealed,
)
from p2pmpc.evidence import Dispute
from p2pmpc.field import Words
from p2pmpc.frames import Frame
from p2pmpc.identity import Identity
from p2pmpc.inbox import Inbox, LoopEvent
from p2pmpc.kept import KeptRound
from p2pmpc.logs import NodeLog
from p2pmpc.memory import Memory
from p2pmpc.mesh import (
    Connected,
    Disconnected,
    HeardAgain,
    Lost,
    Mesh,
    Received,
    Silent,
    Violated,
)
from p2pmpc.messages import Kind, Message, Signed, Slot
from p2pmpc.network import Network
from p2pmpc.options import NodeOptions
from p2pmpc.prg import CHUNK
from p2pmpc.progress import Meter, Observer
from p2pmpc.protocol import Round
from p2pmpc.ratchet import Ratchet
from p2pmpc.script import Stage
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy

LONG = 1 << 24
"""Elements, of all contributors together, from which on a machine computes beside the loop."""

GONE_SECONDS = 3.0
"""How long to hope for a way to finish when all who are missing have ended."""

_MEETING_SECONDS = 10.0
_DRAIN_SECONDS = 2.0
_CLOSE_SECONDS = 1.0


class SessionRunner:
    """The one loop of a session: events in, actions out.

    Args:
        found: What discovery came to.
        identity: This peer's.
        network: TCP, or memory.
        options: Deadlines.
        log: This peer's.
        observer: Told of progress.
        checkpoint: Awaited when a step is reached, before its messages leave.
        commit: Called when the ledger is to be written, before the ECHO leaves.
        dismissed: Told of observers that broke the protocol.
        memory: Of what this peer says, for when it is killed.
        entropy: The operating system's, for the pauses between attempts to reach a peer.
    """

    def __init__(
        self,
        found: Found,
        identity: Identity,
        network: Network,
        *,
        options: NodeOptions,
        log: NodeLog,
        observer: Observer,
        checkpoint: Callable[[str], Awaitable[None]],
        commit: Callable[[], None],
        dismissed: Callable[[P2PMPCError], None],
        memory: Memory,
        entropy: Entropy,
    ) -> None:
        self.session = found.session
        self._options = options
        self._log = log
        self._observer = observer
        self._checkpoint = checkpoint
        self._commit = commit
        self._dismissed = dismissed
        self._notary = Notary(identity, self.session)
        self._memory = memory
        kept = memory.kept
        sealed = kept.sealed if memory.is_resumed and kept is not None else {}
        self._sealer = SessionSealer(self.session, found.sealing_key, sealed)
        self._agreement = Agreement(self.session, self._notary)
        self._round: Round | None = None
        self._early = EarlyFrames(self.session)
        self._away: set[int] = set()
        self._lost: set[int] = set()
        size = self.session.parameters.extended_length * len(self.session.places)
        self._computes_long = size >= LONG
        self._inbox = Inbox(2 * len(self.session.members))
        self.mesh = Mesh(
            self.session,
            identity,
            network,
            found.addresses,
            self._inbox.events,
            reconnect=options.reconnect_seconds,
            heartbeat=options.heartbeat,
            entropy=entropy,
        )
        self._met: set[int] = set()
        self._refusal: P2PMPCError | None = None
        self._end: Finished | Failed | None = None

    def prepare(self, secret: Words | None, *, seed: bytes, digest: bytes) -> None:
        """Set the first round up, or the next one.

        Args:
            secret: This peer's residues, their checksum included; None observes.
            seed: 32 bytes that this peer draws from in this round.
            digest: Of what it brings, keyed, to know it again.

        Raises:
            ResourceExhausted: It cannot be remembered that the round begins.
        """
        if secret is not None and self._log.secrets:
            self._log_input(secret[:-1])
        entropy = SeededEntropy(seed, "round entropy")
        before = self._memory.last_frames()
        if self._round is not None:
            self._round, self._end = self._round.following(secret, entropy), None
        else:
            self._round = self._first_round(secret, entropy)
        number = self._round.number
        if number == 0:
            self._memory.begin_round(KeptRound(0, seed, digest, {}, (), ()))
            return
        known = self._memory.round(number)
        if known is not None:  # somebody may not have come to this round yet
            for frame in known.last:
                self.mesh.send((frame,), None)
        self.mesh.begin_round(number)
        signatures, pairs = self._agreement.signatures, self._round.pairs
        self._memory.begin_round(KeptRound(number, seed, digest, signatures, pairs, before))

    def _first_round(self, secret: Words | None, entropy: Entropy) -> Round:
        """Return the round that this process begins with: the first one, or one that it goes on with."""
        number, ratchet = self._memory.first_round, None
        known = self._memory.round(number)
        said: dict[Slot, bytes] = {}
        if known is not None:
            assert self._memory.kept is not None
            said = self._memory.kept.said
            if known.acceptances:
                accept = self._agreement.go_on(known.acceptances)
                self.mesh.send((frame_bytes(accept),), None)
            if known.pairs:
                ratchet = Ratchet.restored(self.session.id, self.session.own_index, known.pairs)
        return Round(
            self.session,
            self._agreement.signatures,
            secret,
            notary=self._notary,
            sealer=self._sealer,
            entropy=entropy,
            number=number,
            ratchet=ratchet,
            said=said,
        )

    def _log_input(self, summed: Words) -> None:
        """Log what is summed, a line a block."""
        arithmetic = self.session.parameters.arithmetic
        for start in range(0, summed.size, CHUNK):
            values = arithmetic.to_signed(summed[start : start + CHUNK])
            self._log.secret("secret input", secret=values.tolist())

    def refuse(self, error: P2PMPCError) -> None:
        """Take part only to tell the others that this peer does not."""
        self._refusal = error

    async def interrupt(self, error: Interrupted) -> None:
        """Break into the loop with a signal."""
        await self._inbox.events.send(error)

    async def run(self) -> Finished:
        """Run the round that was prepared to its end, the first one from the agreement on.

        Raises:
            P2PMPCError: Why there is no total.
        """
        if self._refusal is not None:
            if self._round is not None and self._refusal.revealed is Revealed.NOTHING:
                self._refusal.revealed = Revealed.EARLIER
            await self._perform(self._agreement.abort(self._refusal))
            await self._end_with_failure(self._refusal)
            raise self._refusal
        if self._agreement.agreed:
            await self._begin_next_round()
        else:
            await self._perform(self._agreement.start())
        deadline = self._deadline()
        meter, of = Meter(self._observer.tell, "exchanging"), _bulk_bytes(self.session)
        before_this = self.mesh.bytes_sent + self.mesh.bytes_received
        while self._end is None:
            if self._computes_long:
                done = self.mesh.bytes_sent + self.mesh.bytes_received - before_this
                meter.at(min(done, of), of)
            event = await self._inbox.next(deadline)
            before = self._progress()
            actions = self._timed_out() if event is None else await self._handle(event)
            await self._perform(actions)
            if event is None or self._progress() != before:
                deadline = self._deadline()
            if self._round is not None and self._round.only_the_gone_are_missing:
                deadline = min(deadline, trio.current_time() + GONE_SECONDS)
        if isinstance(self._end, Failed):
            await self._end_with_failure(self._end.error)
            raise self._end.error
        self._observer.tell("complete")
        return self._end

    async def close(self) -> None:
        """Let what was said last reach the others, after the last round."""
        await self._inbox.discard_while(self.mesh.drain, _DRAIN_SECONDS)

    async def _begin_next_round(self) -> None:
        """Start a later round: tell the machine what has become of the others, and what they said."""
        assert self._round is not None
        await self._start_round()
        for peer in self._away:
            await self._perform(self._round.disconnected(peer))
        for peer in self._lost:
            await self._perform(self._round.lost(peer))
        for peer, frames in self._early.take().items():
            for frame in frames:
                await self._perform(await self._received(peer, frame))

    # -- events -------------------------------------------------------------------------------

    @property
    def _machine(self) -> Agreement | Round:
        """The machine that decides now."""
        if self._agreement.agreed and self._round is not None:
            return self._round
        return self._agreement

    async def _handle(self, event: LoopEvent) -> list[Action]:
        match event:
            case Received(peer, frame):
                return await self._received(peer, frame)
            case Violated(peer, error):
                return self._machine.fault(peer, error)
            case Connected(peer):
                self._connected(peer)
                self._away.discard(peer)
                return self._round.reconnected(peer) if self._round else []
            case Disconnected(peer, reason):
                self._away.add(peer)
                return self._disconnected(peer, reason)
            case Lost(peer):
                return self._give_up(peer)
            case Silent(peer, absence):
                self._tell_of_silence(peer, absence)
                return []
            case HeardAgain(peer):
                self._tell_of_return(peer)
                return []
            case Interrupted():
                return self._machine.abort(event)

    async def _received(self, peer: int, frame: Frame) -> list[Action]:
        number = 0 if self._round is None else self._round.number
        if frame.kind not in (Kind.ACCEPT, Kind.ABORT):
            if frame.round > number:
                return self._keep_for_later(peer, frame)
            if frame.round < number:
                return []  # of a round that is done: said again after a reconnection
            if number:
                self.mesh.is_in_round(peer, number)
        if self._computes_long:
            # Hashing and summing release the lock of the interpreter, so the links go on meanwhile.
            return await trio.to_thread.run_sync(self._take, peer, frame)
        return self._take(peer, frame)

    def _take(self, peer: int, frame: Frame) -> list[Action]:
        """Verify a frame and let the machine take it."""
        try:
            signed = self._notary.open(peer, frame)
        except P2PMPCError as error:
            is_early = frame.kind is Kind.ABORT and not self._agreement.agreed
            return self._machine.fault(peer, self._other_session(peer) if is_early else error)
        if frame.kind is Kind.ABORT:
            self.mesh.retire(peer)
            self._lost.add(peer)
            return self._machine.receive(peer, signed)
        if frame.kind is Kind.ACCEPT:
            return self._accepted(peer, signed)
        assert self._round is not None
        return self._round.receive(peer, signed)

    def _other_session(self, peer: int) -> AgreementFailed:
        """Return what an ABORT that is not signed for this session means before all agree on one.

        Its sender may be honest, and refuse another roster that a founder has shown it.
        """
        return AgreementFailed(
            f"{self.session.label(peer)} ended, and speaks of another session: it may have been "
            "shown another roster",
            peers=(peer,),
            hint="no share was sent; ask there what it was shown",
        )

    def _keep_for_later(self, peer: int, frame: Frame) -> list[Action]:
        """Keep what a peer says that is a round ahead."""
        assert self._round is not None
        current, confirmed = self._round.number, self._round.has_confirmed(peer)
        try:
            self._early.keep(peer, frame, current=current, has_confirmed=confirmed)
        except RemoteProtocolError as error:
            return self._machine.fault(peer, error)
        return []

    def _accepted(self, peer: int, signed: Signed[Message]) -> list[Action]:
        if not self._agreement.agreed:
            return self._agreement.receive(peer, signed)
        contradiction = self._agreement.contradiction(peer, signed)
        return [] if contradiction is None else self._machine.fault(peer, contradiction)

    def _connected(self, peer: int) -> None:
        """Log the first moment when everybody is connected, and every return of a peer."""
        if peer in self._met:
            self._log.info("reconnected", peer=self.session.label(peer))
            self._observer.tell("reconnected", peer=self.session.label(peer))
            return
        self._met.add(peer)
        if len(self._met) == len(self.session.others):
            self._log.info("connected", count=len(self._met))

    def _disconnected(self, peer: int, reason: str) -> list[Action]:
        label = self.session.label(peer)
        assert self._round is not None
        if not self._round.has_confirmed(peer):
            self._log.info("disconnected", peer=label, reason=reason)
            if peer not in self._lost:  # who has said that it ends does not come back
                seconds = self._options.reconnect_seconds
                self._observer.tell("disconnected", peer=label, reason=reason, seconds=seconds)
        return self._round.disconnected(peer)

    def _give_up(self, peer: int) -> list[Action]:
        self._lost.add(peer)
        absence = self.mesh.absence(peer)
        self._log.warning("lost", peer=self.session.label(peer), reason=absence.reason)
        return _advised(self._machine.lost(peer, absence.reason), [absence])

    def _timed_out(self) -> list[Action]:
        absences = {peer: self.mesh.absence(peer) for peer in self._machine.waiting_for()}
        reasons = {peer: absence.reason for peer, absence in absences.items()}
        for peer, reason in reasons.items():
            self._log.warning("waited for", peer=self.session.label(peer), reason=reason)
        return _advised(self._machine.timed_out(reasons), list(absences.values()))

    def _tell_of_silence(self, peer: int, absence: Absence) -> None:
        assert self._round is not None
        if self._round.has_confirmed(peer):
            return
        label = self.session.label(peer)
        self._log.warning("silent", peer=label, reason=absence.reason)
        self._observer.tell("silent", peer=label, reason=absence.reason, seconds=absence.seconds)

    def _tell_of_return(self, peer: int) -> None:
        label = self.session.label(peer)
        self._log.info("heard again", peer=label)
        self._observer.tell("heard again", peer=label)

    # -- deadlines ----------------------------------------------------------------------------

    def _progress(self) -> object:
        """Return something that changes whenever a peer or this one gets further."""
        moves = 0 if self._round is None else self._round.moves
        return len(self._agreement.signatures), moves

    def _deadline(self) -> float:
        """Return when to stop waiting for the next progress.

        The last two stages have two deadlines each within the one that was promised: one to give
        the silent up, one for what follows from it.
        """
        patience = self._options.timeout
        if self._round is not None and self._round.stage >= Stage.OPENED:
            patience /= 3
        begins = self._round is None or self._round.stage <= Stage.DEALT
        parameters = self.session.parameters
        if begins and (parameters.rounds == 0 or parameters.study):
            # An open session waits for programs that compute between their sums, a study for people
            # who read what they agree to.
            patience = max(patience, self._options.join_timeout)
        return trio.current_time() + patience

    # -- actions ------------------------------------------------------------------------------

    async def _perform(self, actions: list[Action]) -> None:
        for action in self._remembered(actions):
            match action:
                case Send(message, receiver):
                    self.mesh.send(frame_parts(message), receiver)
                case Reached(step):
                    await self._checkpoint(step)
                case Agreed():
                    self._memory.keep_agreement(self._agreement.signatures)
                    await self._start_round()
                case RecordInput():
                    await self._record_input()
                case Dismissed(error):
                    for observer in set(error.peers) - set(self.session.places):
                        self._lost.add(observer)
                        self.mesh.bar(observer)
                    self._dismissed(error)
                case Finished() | Failed():
                    self._end = self._end or action

    def _remembered(self, actions: list[Action]) -> list[Action]:
        """Write down what is about to be said: state, then disk, then wire."""
        try:
            self._memory.say(actions)
        except ResourceExhausted as error:  # no share has left
            return self._machine.abort(error)
        return actions

    async def _start_round(self) -> None:
        assert self._round is not None
        if self._log.failure is not None:
            error = ResourceExhausted(
                f"the log cannot be written: {self._log.failure.strerror}",
                hint="make room, or name another folder with --log-dir; no share was sent",
            )
            await self._perform(self._round.abort(error))
            return
        actions = self._round.start()
        dealing = self._round.dealing
        if self._log.secrets and dealing is not None:
            self._log.secret("secret mask", mask=dealing.mask_seed.hex())
            for receiver, plain in dealing.plains.items():
                label = self.session.label(receiver)
                self._log.secret("secret share", peer=label, share=plain.share.hex())
        await self._perform(actions)

    async def _record_input(self) -> None:
        assert self._round is not None
        try:
            self._commit()
        except P2PMPCError as error:
            await self._perform(self._round.abort(error))
        else:
            await self._perform(self._round.recorded())

    async def _end_with_failure(self, error: P2PMPCError) -> None:
        """Let what was said last reach the others, without waiting for the dead.

        Before the agreement some links may not be up yet, and their peers would wait in vain; after
        an error the others end as well, and closing before they do could cut off what they read.
        """
        told = AgreementFailed | InputRefused | ResourceExhausted | Dispute
        if not self._agreement.agreed and isinstance(error, told):
            with trio.move_on_after(min(self._options.timeout, _MEETING_SECONDS)):
                while len(self._met) < len(self.session.others):
                    event = await self._inbox.next(math.inf)
                    if isinstance(event, Connected):
                        self._met.add(event.peer)
        await self._inbox.discard_while(self.mesh.drain, _DRAIN_SECONDS)
        await self._inbox.discard_while(self.mesh.wait_until_closed, _CLOSE_SECONDS)


def _advised(actions: list[Action], absences: list[Absence]) -> list[Action]:
    """Say in an error that ends the run what can be done about those who are missing."""
    advice = list(dict.fromkeys(absence.advice for absence in absences))[:2]
    for action in actions:
        if isinstance(action, Failed) and isinstance(action.error, PeerMissing):
            action.error.hint = "; ".join(filter(None, (*advice, action.error.hint)))
    return actions


def _bulk_bytes(session: Session) -> int:
    """Return how many bytes of vectors a peer sends and receives in a round, for its progress."""
    parameters, n = session.parameters, len(session.places)
    vector = parameters.extended_length * parameters.arithmetic.width
    listeners = len(session.members) - 1
    if not session.contributes:
        return vector * (1 if parameters.is_sharded else n)
    shares = 2 * vector * (n - 1) if parameters.share_mode == "dense" else 0
    if parameters.is_sharded:
        return shares + 3 * vector * (n - 1) // n + vector * listeners // n
    return shares + vector * (n - 1 + listeners)
