"""Sees everything in a run, and holds every honest peer to the invariants, as things happen.

1. No two honest peers confirm different totals, and their records of the round are equal.
2. Every confirmed total is the plain sum of the inputs as committed (see ``committed``).
3. Nothing opens without the equal echoes of all contributors: all signatures hold, and every honest
   one did sign it; and no echo leaves before the ledger holds its peer's input.
4. No b-share leaves before its holder opened, and none twice.
5. Between two honest peers mask and seeds never both become known: no seed, share or mask stands in
   the clear in anything an honest peer says, but for its own mask in its OPEN (3) and b-shares in
   UNMASKs (4); and what is sealed goes to nobody but the one it was sealed for.
6. Every live peer ends, within the timeout since it last made progress; and where nobody lies and no
   link stays slow, within twice the timeout after the last fault was over.
7. No honest peer is alone named as a culprit; where nobody is dishonest, nobody is accused; and no
   evidence proves anything of an honest peer.
8. Who ends without a total says truthfully whether one may have been opened.
9. Where nothing but harmless faults happens, everybody ends with the total.
10. Where nothing but crashes happens and a majority of the contributors lives, either all of it ends
    with the total, or nobody does; without b-shares (strict) that is not promised.
11. What an honest peer proves, every honest peer believes that is told of it and has not ended.
12. No honest peer signs two contents in one place, be it killed and started again.
13. Where nothing but crashes happens and a majority of the contributors lives, all end with the total
    if any peer that lives, observers included, holds every contributor's echo when it ends. It is held
    only where RELAYED says so, and without b-shares (strict) not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from p2pmpc.actions import Failed, Finished
from p2pmpc.disputes import check_evidence
from p2pmpc.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
    exit_code_of,
)
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.field import Words
from p2pmpc.hashing import Bytes
from p2pmpc.messages import (
    Confirm,
    Echo,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    Signed,
    Slice,
    Unmask,
    slot_of,
)
from p2pmpc.script import Stage
from p2pmpc.sharing import Source, weighted_sum
from p2pmpc.weights import opening_threshold
from tests.simulator.cast import Cast
from tests.simulator.committed import Committed
from tests.simulator.peer import TIMEOUT, SimPeer
from tests.simulator.scenario import BENIGN, CRASHES, HARMLESS, Scenario

RELAYED: Final = True
"""Whether peers hand on the OPENs of those that were lost (Kind.RELAY): invariant 13 is held then."""

_QUIET_SECONDS: Final = 2 * TIMEOUT
_ACCUSATIONS = frozenset({4, 5, 6})
_SLACK = 1e-6


class ViolationError(Exception):
    """An invariant that does not hold.

    Args:
        invariant: Its number in this module's list; 0 for an exception that nothing catches.
        what: What happened.
    """

    def __init__(self, invariant: int, what: str) -> None:
        super().__init__(f"invariant {invariant}: {what}")
        self.invariant = invariant


class Watch:
    """The omniscient observer of one run.

    Args:
        scenario: Who is dishonest.
        cast: Gives the context to compute with.
        peers: All peers.
    """

    def __init__(self, scenario: Scenario, cast: Cast, peers: Mapping[int, SimPeer]) -> None:
        self._scenario = scenario
        self._peers = peers
        self.honest = [i for i in scenario.indices if i not in scenario.dishonest]
        self._contributors = [i for i in scenario.contributors if i not in scenario.dishonest]
        self._committed = Committed(scenario, peers, cast.context(1))
        kinds = {fault.kind for fault in scenario.faults}
        self._nobody_lies = kinds <= set(BENIGN)
        self._only_crashes = kinds <= {*CRASHES, *HARMLESS} and not scenario.strict
        self._all_must_finish = kinds <= {*HARMLESS, "quick restart"}
        self._goes_quiet = kinds <= set(BENIGN) - {"slow link"}
        self.longest = 0.0
        """Seconds that an honest peer took to end once the last fault was over."""
        self.paused = dict.fromkeys(scenario.indices, 0.0)
        """Seconds for which a peer was stopped: it cannot have ended meanwhile."""
        self._signed: dict[tuple[int, Kind, int, int], bytes] = {}
        """The digest of what each honest peer signed, by its place."""
        self._echoes: dict[int, bytes] = {}
        self._opened: set[int] = set()
        self._unmasked: set[tuple[int, int]] = set()
        self._confirmed: tuple[int, bytes] | None = None
        self._finished: tuple[int, Finished] | None = None
        self._secrets: dict[int, list[bytes]] = {}
        self._bare: dict[int, Words] = {}
        """What each contributor hides under its mask."""

    # -- what honest peers say --------------------------------------------------------------

    def says(self, index: int, signed: Signed[Message], receiver: int | None) -> None:
        """Look at what a peer's machine sends, before anything is made of it."""
        if index in self._scenario.dishonest:
            return
        message = signed.message
        self._signs_once(index, signed, receiver)
        if isinstance(message, Share):
            self._is_sealed_for(index, message, receiver)
            return
        if isinstance(message, Partial | Slice) and index not in self._secrets:
            self._secrets[index] = self._secrets_of(self._peers[index])
            self._bare[index] = self._bare_sum(self._peers[index])
        if isinstance(message, Partial | Slice):
            self._is_masked(self._peers[index], message, receiver)
        self._is_free_of_secrets(index, message, signed.body)
        match message:
            case Echo():
                if not self._peers[index].recorded:
                    raise ViolationError(3, f"{index} echoes before its ledger is written")
                self._echoes[index] = signed.digest
            case Open():
                self._opens(index, message)
            case Unmask():
                self._unmasks(index, message)
            case Confirm(digest):
                self._confirms(index, digest)
            case _:
                pass

    def _signs_once(self, index: int, signed: Signed[Message], receiver: int | None) -> None:
        slot = index, *slot_of(signed.message, receiver)
        if self._signed.setdefault(slot, signed.digest) != signed.digest:
            kind = signed.message.kind.name
            raise ViolationError(12, f"{index} signs another {kind} than before")

    def _is_sealed_for(self, index: int, share: Share, receiver: int | None) -> None:
        if receiver is None or self._peers[index].sealer.sealed[receiver][1] != share.sealed:
            raise ViolationError(5, f"a share of {index} goes to {receiver}, unsealed or astray")

    def _opens(self, index: int, message: Open) -> None:
        mine = self._echoes.get(index)
        contributors = self._scenario.contributors
        if mine is None or len(message.echoes) != len(contributors):
            raise ViolationError(3, f"{index} opens without everybody's echoes")
        notary = self._peers[index].notary
        for other, signature in zip(contributors, message.echoes, strict=True):
            if other in self._contributors and self._echoes.get(other) != mine:
                raise ViolationError(3, f"{index} opens, and {other} did not echo the same")
            if not notary.is_signed_by(other, Kind.ECHO, 0, mine, signature):
                raise ViolationError(3, f"{index} opens without a good echo of {other}")
        self._opened.add(index)

    def _unmasks(self, index: int, message: Unmask) -> None:
        if index not in self._opened:
            raise ViolationError(4, f"{index} hands out a b-share before it opened")
        before = (index, message.about) in self._unmasked and not self._peers[index].restarts
        if before or self._scenario.strict:
            raise ViolationError(4, f"{index} hands out a b-share of {message.about} for no reason")
        self._unmasked.add((index, message.about))

    def _confirms(self, index: int, digest: bytes) -> None:
        if self._confirmed is not None and self._confirmed[1] != digest:
            raise ViolationError(1, f"{index} and {self._confirmed[0]} confirm different totals")
        self._confirmed = index, digest
        if self._committed.digest(self._peers[index]) != digest:
            raise ViolationError(2, f"{index} confirms a total that is not the sum of the inputs")

    # -- what stays secret --------------------------------------------------------------------

    def _secrets_of(self, peer: SimPeer) -> list[bytes]:
        """Return what a peer knows that nobody else may learn from it in the clear.

        Its own mask comes first, and is left out in its OPEN.
        """
        dealing = peer.round.dealing
        assert dealing is not None
        plains = [dealing.plains[i] for i in self._contributors if i != peer.index]
        plains += [
            plain
            for i in self._contributors
            if i != peer.index and (plain := peer.round.links[i].plain) is not None
        ]
        shares = [plain.mask_share for plain in plains]
        seeds = [plain.share for plain in plains]
        return [dealing.mask_seed, *seeds, *(share for share in shares if share)]

    def _is_masked(self, peer: SimPeer, message: Partial | Slice, receiver: int | None) -> None:
        """Hold a partial sum against its mask: what is said is not the sum itself."""
        session, bare = peer.session, self._bare[peer.index]
        said: Bytes = message.content if isinstance(message, Partial) else message.vector
        if isinstance(message, Slice):
            assert receiver is not None
            place = session.places[receiver]
            bare = bare[session.slices.bounds(place)]
            bare = bare[session.slices.piece(place, message.piece)]
        if said and bytes(said) == session.parameters.arithmetic.encode(bare):
            raise ViolationError(5, f"{peer.index} says its partial sum without a mask")

    def _bare_sum(self, peer: SimPeer) -> Words:
        """Return the partial sum of a peer."""
        session = peer.session
        dealing, secret = peer.round.dealing, peer.secret
        assert dealing is not None
        assert secret is not None
        context = peer.round._steps.context
        terms: list[tuple[Source, int]] = [(secret, session.member(peer.index).weight)]
        for index in session.other_contributors:
            own, other = session.member(peer.index).weight, session.member(index).weight
            given, held = dealing.plains[index], peer.round.links[index].plain
            assert held is not None
            terms.append((context.share(given, peer.index, index), -own))
            terms.append((context.share(held, index, peer.index), other))
        return weighted_sum(session.parameters.arithmetic, secret.size, terms)

    def _is_free_of_secrets(self, index: int, message: Message, body: bytes) -> None:
        if isinstance(message, Unmask):
            return  # nothing but a b-share, which has rules of its own
        secrets = self._secrets.get(index, [])
        for secret in secrets[1:] if isinstance(message, Open) else secrets:
            if secret in body:
                raise ViolationError(5, f"{index} says a secret in {message.kind.name}")

    # -- time -----------------------------------------------------------------------------------

    def times_out(self, peer: SimPeer, now: float) -> None:
        """Look at a peer after nothing moved for too long."""
        if peer.live and now - peer.moved > TIMEOUT + self.paused[peer.index] + _SLACK:
            raise ViolationError(6, f"{peer.index} does not end: it moved last at {peer.moved:.3f}")

    # -- ends -----------------------------------------------------------------------------------

    def ends(self, peer: SimPeer, now: float, quiet_from: float) -> None:
        """Look at a peer that ends.

        Args:
            peer: Which.
            now: When.
            quiet_from: When the last fault that struck so far was over.
        """
        if peer.index in self._scenario.dishonest:
            return
        if now - peer.moved > TIMEOUT + self.paused[peer.index] + _SLACK:
            raise ViolationError(6, f"{peer.index} ends {now - peer.moved:.3f} s after progress")
        if self._goes_quiet:
            self.longest = max(self.longest, now - quiet_from)
            if now - quiet_from > _QUIET_SECONDS:
                raise ViolationError(
                    6, f"{peer.index} ends {now - quiet_from:.3f} s after all faults"
                )
        if isinstance(peer.end, Finished):
            self._finishes(peer, peer.end)
        elif isinstance(peer.end, Failed):
            self._fails(peer, peer.end)

    def _finishes(self, peer: SimPeer, end: Finished) -> None:
        confirmed = self._confirmed
        context = peer.round._steps.context
        arithmetic = peer.session.parameters.arithmetic
        digest = context.total_digest(arithmetic.encode(end.record.total))
        if confirmed is None or confirmed[1] != digest or not self._may_finish(peer):
            raise ViolationError(1, f"{peer.index} finishes with what nobody confirmed")
        if end.total.tolist() != end.record.total[: len(end.total)].tolist():
            raise ViolationError(1, f"{peer.index} shows another total than it records")
        signed = [int(v) for v in arithmetic.to_signed(end.total)]
        if self._nobody_lies and signed != self._scenario.plain_total:
            raise ViolationError(2, f"{peer.index} finishes with {signed}")
        if self._finished is not None:
            self._is_the_same_record(peer.index, end)
        self._finished = peer.index, end

    def _may_finish(self, peer: SimPeer) -> bool:
        """Return whether a peer has opened, or observes what others opened."""
        return peer.index in self._opened or not peer.session.contributes

    def _is_the_same_record(self, index: int, end: Finished) -> None:
        assert self._finished is not None
        other, first = self._finished
        mine, theirs = end.record, first.record
        for name in ("acceptances", "commitments", "partials", "echo_digest", "echoes", "masks"):
            if getattr(mine, name) != getattr(theirs, name):
                raise ViolationError(1, f"{index} and {other} record different {name}")

    def _fails(self, peer: SimPeer, end: Failed) -> None:
        error, index = end.error, peer.index
        code = exit_code_of(error)
        if isinstance(error, LocalProtocolError) or code == 1:
            raise ViolationError(0, f"{index} ends with a bug: {error.message}")
        named = set(error.peers)
        if isinstance(error, RemoteProtocolError) and len(named) == 1 and named <= set(self.honest):
            raise ViolationError(7, f"{index} blames {named}, which is honest: {error.message}")
        if isinstance(error, Dispute):
            self._is_proven(index, error)
        if self._nobody_lies and code in _ACCUSATIONS:
            raise ViolationError(7, f"{index} ends with {code} among honest peers: {error.message}")
        echoed = index in self._echoes
        at = peer.round.stage >= Stage.ECHOED and peer.session.contributes
        if at != echoed and not peer.restarts:  # who starts again is not yet there again
            raise ViolationError(8, f"{index} is at {peer.round.stage.name} as to its echo")
        if (error.revealed is Revealed.NOTHING) == echoed:
            raise ViolationError(8, f"{index} says {error.revealed.name} with echo {echoed}")
        if self._all_must_finish and not peer.restarts:
            raise ViolationError(9, f"{index} ends with {code}: {error.message}")

    def _is_proven(self, index: int, dispute: Dispute) -> None:
        """Let evidence be judged by a member that has not ended for it."""
        culprit = dispute.evidence.culprit
        if culprit in self.honest:
            raise ViolationError(7, f"{index} proves something of {culprit}, which is honest")
        judge = next((i for i in self.honest if i != index), index)
        try:
            check_evidence(self._peers[judge].session, dispute.evidence)
        except VerificationFailed as error:
            raise ViolationError(11, f"{index} shows what proves nothing: {error}") from error

    def was_told(self, peer: SimPeer, other: int) -> None:
        """Look at an honest peer that has just taken the ABORT of another honest one."""
        if peer.index in self._scenario.dishonest or other in self._scenario.dishonest:
            return
        theirs, mine = self._peers[other].end, peer.end
        if mine is None and not peer.live:
            return  # killed while it took it
        if not isinstance(theirs, Failed) or not isinstance(theirs.error, Dispute):
            return
        evidence = theirs.error.evidence
        culprit = evidence.culprit
        # What concerns the agreement, or an observer, ends nobody who has agreed: but the end of a
        # contributor does, before the own ECHO, whatever it tells.
        late = evidence.claim is Claim.TWO_ENTRIES or culprit not in self._scenario.contributors
        pair = {peer.index, other} <= set(self._scenario.contributors)
        needed = pair and peer.index not in self._echoes
        if not isinstance(mine, Failed) and peer.agreement.agreed and late and not needed:
            return
        if not isinstance(mine, Failed) or culprit not in mine.error.peers:
            raise ViolationError(11, f"{peer.index} does not believe what {other} proves")

    def closes(self) -> None:
        """Look at what is left when nothing more can happen."""
        for index in self.honest:
            if self._peers[index].live:
                raise ViolationError(6, f"{index} never ends")
        ends = [self._peers[i].end for i in self._scenario.contributors]
        finished = sum(isinstance(end, Finished) for end in ends)
        failed = sum(isinstance(end, Failed) for end in ends)
        majority = finished + failed >= opening_threshold(len(ends))
        if self._only_crashes and majority and finished and failed:
            raise ViolationError(10, f"{finished} end with a total and {failed} without")
        if RELAYED and self._only_crashes and majority:
            self._is_relayed()

    def _is_relayed(self) -> None:
        """Hold all who live to the echoes that any of them holds."""
        alive = [index for index in self.honest if self._peers[index].end is not None]
        count = len(self._scenario.contributors)
        holders = [i for i in alive if len(self._peers[i].round._steps.heard.echoes) == count]
        without = [i for i in alive if not isinstance(self._peers[i].end, Finished)]
        # Nobody passes on what an observer was not told before a contributor died.
        without = [i for i in without if self._peers[i].has_heard_all_sums]
        if holders and without:
            raise ViolationError(
                13, f"{holders} hold all echoes, and {without} end without a total"
            )
