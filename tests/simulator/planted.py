"""Faulty machines, each of which breaks one invariant: the watch must report every one.

What they do is what a bug in the production machine could do; nothing else about them differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, TypeVar

from p2pmpc.actions import Action, Finished, Send
from p2pmpc.dealing import RoundContext, Sealer
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    LocalProtocolError,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
)
from p2pmpc.evidence import Dispute
from p2pmpc.field import Words
from p2pmpc.joints import Joint
from p2pmpc.messages import Abort, Confirm, Kind, Message, Open, Share, Slot, Unmask
from p2pmpc.protocol import Round
from p2pmpc.ratchet import Ratchet
from p2pmpc.script import Stage
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.steps import Steps
from p2pmpc.summing import without_mask
from p2pmpc.wire import decode_evidence

NO_SIGNATURE = bytes(64)

T = TypeVar("T")


class Planted(Round):
    """A machine whose own steps stand in its table of joint transitions.

    The production table names the functions of Steps itself, so a subclass alone changes nothing.
    """

    OwnSteps: ClassVar[type[Steps]] = Steps

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
        super().__init__(
            session,
            acceptances,
            secret,
            notary=notary,
            sealer=sealer,
            entropy=entropy,
            number=number,
            ratchet=ratchet,
            said=said,
        )
        self._steps = self.OwnSteps(
            RoundContext(session, number),
            acceptances,
            secret,
            notary=notary,
            sealer=sealer,
            entropy=entropy,
            ratchet=ratchet,
            said=frozenset(slot.kind for slot in said),
        )
        self._table = {
            stage: replace(joint, ready=_looked_up(joint.ready), act=_looked_up(joint.act))
            for stage, joint in self._table.items()
        }

    def _act(self, joint: Joint) -> list[Action]:
        return joint.act(self._steps)  # without the guard that holds the machine to its table


def _looked_up(function: Callable[[Steps], T]) -> Callable[[Steps], T]:
    def call(steps: Steps) -> T:
        found: Callable[[], T] | None = getattr(steps, function.__name__, None)
        return found() if found else function(steps)

    return call


class Impatient(Planted):
    """Opens when it holds all echoes but one."""

    def _advance(self) -> list[Action]:
        echoes = self._steps.heard.echoes
        if self.stage is Stage.ECHOED and len(echoes) == len(self.session.contributors) - 1:
            for index in self.session.contributors:
                echoes.setdefault(index, NO_SIGNATURE)
        return super()._advance()


class Unrecorded(Planted):
    """Echoes before the ledger is written."""

    class OwnSteps(Steps):
        def listen(self) -> list[Action]:
            super().listen()
            self.recorded = True
            return []


class Forgetful(Planted):
    """Leaves the echo of one other peer out of its OPEN."""

    class OwnSteps(Steps):
        def _say(self, message: Message) -> Send:
            if isinstance(message, Open):
                other = self.session.places[self.session.other_contributors[0]]
                echoes = (*message.echoes[:other], NO_SIGNATURE, *message.echoes[other + 1 :])
                message = replace(message, echoes=echoes)
            return super()._say(message)


class Miscounting(Planted):
    """Confirms, and shows, a total that is one too large."""

    class OwnSteps(Steps):
        def finish(self) -> list[Action]:
            actions = super().finish()
            assert self._total is not None
            arithmetic = self.session.parameters.arithmetic
            one = arithmetic.zeros(len(self._total))
            one[0] = 1
            self._total = arithmetic.add(self._total, one)
            digest = self.context.total_digest(arithmetic.encode(self._total))
            return [*actions[:-1], self._say(Confirm(digest))]


class Boastful(Planted):
    """Shows another total than it confirmed."""

    class OwnSteps(Steps):
        def done(self) -> list[Action]:
            (finished,) = super().done()
            assert isinstance(finished, Finished)
            one = self.session.parameters.arithmetic.zeros(len(finished.total)) + 1
            total = self.session.parameters.arithmetic.add(finished.total, one)
            return [replace(finished, total=total)]


class Endless(Planted):
    """Goes on waiting when nothing has moved for too long."""

    def timed_out(self, reasons: Mapping[int, str] | None = None) -> list[Action]:  # noqa: ARG002
        """Do nothing."""
        return []


class Dawdling(Planted):
    """Takes every deadline for a reason to wait once more, a few times."""

    _left = 5

    def timed_out(self) -> list[Action]:
        """Make believe that something moved."""
        if not self._left:
            return super().timed_out()
        self._left -= 1
        self.moves += 1
        return []


class Generous(Planted):
    """Hands out a b-share as soon as it has echoed."""

    class OwnSteps(Steps):
        def echo(self) -> list[Action]:
            actions = super().echo()
            other = self.session.other_contributors[0]
            plain = self.heard.links[other].plain
            assert plain is not None
            unmask = Unmask(other, plain.mask_share or bytes(33))
            return [*actions, Send(self._notary.sign(unmask))]


class Indiscreet(Planted):
    """Says a seed of a pair where a digest belongs."""

    class OwnSteps(Steps):
        def _say(self, message: Message) -> Send:
            if isinstance(message, Confirm) and self.dealing is not None:
                share = self.dealing.plains[self.session.other_contributors[0]].share
                message = Confirm(share[:32].ljust(32, b"\x00"))
            return super()._say(message)


class Careless(Planted):
    """Sends a share to another peer than it was sealed for."""

    class OwnSteps(Steps):
        def deal(self) -> list[Action]:
            others = self.session.other_contributors
            astray = dict(zip(others, (*others[1:], others[0]), strict=True))
            return [
                replace(action, receiver=astray[action.receiver])
                if isinstance(action, Send)
                and isinstance(action.message.message, Share)
                and action.receiver is not None
                else action
                for action in super().deal()
            ]


class Bare(Planted):
    """Says its partial sum without the mask."""

    class OwnSteps(Steps):
        def _masked_sum(self) -> Words:
            hidden, own = super()._masked_sum(), self.session.own_index
            assert self.dealing is not None
            return without_mask(self.context, own, hidden, self.dealing.mask_seed)


class Suspicious(Planted):
    """Blames the first other peer for whatever anybody aborts for."""

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:  # noqa: ARG002
        self.links[peer].gone = True
        return self.abort(RemoteProtocolError("it was you", peers=(self.session.others[0],)))


class Credulous(Planted):
    """Takes any evidence for good, and hands it on as its own."""

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:
        try:
            evidence = decode_evidence(abort.evidence)
        except RemoteProtocolError:
            return super()._aborted(peer, abort)
        return self.abort(Dispute("so they say", evidence))


class Sceptical(Planted):
    """Believes no evidence."""

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:  # noqa: ARG002
        self.links[peer].gone = True
        return self._advance()


class Reassuring(Planted):
    """Says that nothing was revealed, whatever was."""

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and say something comforting."""
        actions = super().abort(error)
        error.revealed = Revealed.NOTHING
        return actions


class Broken(Planted):
    """Raises what nothing catches."""

    class OwnSteps(Steps):
        def sum_up(self) -> list[Action]:
            raise KeyError(self.session.own_index)


class Ashamed(Planted):
    """Ends with a fault of its own."""

    def _act(self, joint: Joint) -> list[Action]:
        if Kind.PARTIAL in joint.says:
            return self.abort(LocalProtocolError("a bug"))
        return super()._act(joint)


class Faint(Planted):
    """Gives up for no reason."""

    def _act(self, joint: Joint) -> list[Action]:
        if Kind.OPEN in joint.says:
            return self.abort(PeerMissing("enough"))
        return super()._act(joint)
