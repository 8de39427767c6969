"""Faulty machines, each of which breaks one invariant: the watch must report every one.

What they do is what a bug in the production machine could do; nothing else about them differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from p2pmpc.actions import Action, Finished, Send
from p2pmpc.errors import (
    LocalProtocolError,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
)
from p2pmpc.messages import Abort, Confirm, Message, Open, Partial, Share, Unmask
from p2pmpc.protocol import JOINT, Joint, Round, Stage

NO_SIGNATURE = bytes(64)

T = TypeVar("T")


def overridable() -> dict[Stage, Joint]:
    """Return the table of joint transitions with every function looked up in the machine's class.

    The production table names the functions of Round themselves, so a subclass changes nothing.
    """

    def looked_up(function: Callable[[Round], T]) -> Callable[[Round], T]:
        def call(round_: Round) -> T:
            found: Callable[[], T] | None = getattr(round_, function.__name__, None)
            return found() if found else function(round_)

        return call

    return {
        stage: replace(joint, ready=looked_up(joint.ready), act=looked_up(joint.act))
        for stage, joint in JOINT.items()
    }


class Impatient(Round):
    """Opens when it holds n-1 echoes."""

    def _echoes_complete(self) -> bool:
        super()._echoes_complete()
        if len(self._echoes) < len(self.session.members) - 1:
            return False
        for index in self.session.indices:
            self._echoes.setdefault(index, NO_SIGNATURE)
        return True


class Forgetful(Round):
    """Leaves the echo of one other peer out of its OPEN."""

    def _say(self, message: Message) -> Send:
        if isinstance(message, Open):
            other = self.session.others[0] - 1
            echoes = (*message.echoes[:other], NO_SIGNATURE, *message.echoes[other + 1 :])
            message = replace(message, echoes=echoes)
        return super()._say(message)


class Miscounting(Round):
    """Confirms, and shows, a total that is one too large."""

    def _finish(self) -> list[Action]:
        actions = super()._finish()
        assert self._total is not None
        arithmetic = self.session.parameters.arithmetic
        one = arithmetic.zeros(len(self._total))
        one[0] = 1
        self._total = arithmetic.add(self._total, one)
        digest = self._context.total_digest(arithmetic.encode(self._total))
        return [*actions[:-1], self._say(Confirm(digest))]


class Boastful(Round):
    """Shows another total than it confirmed."""

    def _done(self) -> list[Action]:
        (finished,) = super()._done()
        assert isinstance(finished, Finished)
        one = self.session.parameters.arithmetic.zeros(len(finished.total)) + 1
        total = self.session.parameters.arithmetic.add(finished.total, one)
        return [replace(finished, total=total)]


class Endless(Round):
    """Goes on waiting when nothing has moved for too long."""

    def timed_out(self) -> list[Action]:
        """Do nothing."""
        return []


class Generous(Round):
    """Hands out a b-share as soon as it has echoed."""

    def _echo(self) -> list[Action]:
        actions = super()._echo()
        other = self.session.others[0]
        plain = self.links[other].plain
        assert plain is not None
        unmask = Unmask(other, plain.mask_share or bytes(33))
        return [*actions, Send(self._notary.sign(unmask))]


class Indiscreet(Round):
    """Says a seed of a pair where a digest belongs."""

    def _say(self, message: Message) -> Send:
        if isinstance(message, Confirm) and self.dealing is not None:
            share = self.dealing.plains[self.session.others[0]].share
            message = Confirm(share[:32].ljust(32, b"\x00"))
        return super()._say(message)


class Careless(Round):
    """Sends a share to another peer than it was sealed for."""

    def _deal(self) -> list[Action]:
        others = self.session.others
        astray = dict(zip(others, (*others[1:], others[0]), strict=True))
        return [
            replace(action, receiver=astray[action.receiver])
            if isinstance(action, Send)
            and isinstance(action.message.message, Share)
            and action.receiver is not None
            else action
            for action in super()._deal()
        ]


class Bare(Round):
    """Says its partial sum without the mask."""

    def _say(self, message: Message) -> Send:
        if isinstance(message, Partial):
            total = self._sums[self.session.own_index]
            message = Partial(self.session.parameters.arithmetic.encode(total))
        return super()._say(message)


class Suspicious(Round):
    """Blames the first other peer for whatever anybody aborts for."""

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:  # noqa: ARG002
        self.links[peer].gone = True
        return self.abort(RemoteProtocolError("it was you", peers=(self.session.others[0],)))


class Reassuring(Round):
    """Says that nothing was revealed, whatever was."""

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and say something comforting."""
        actions = super().abort(error)
        error.revealed = Revealed.NOTHING
        return actions


class Broken(Round):
    """Raises what nothing catches."""

    def _sum(self) -> list[Action]:
        raise KeyError(self.session.own_index)


class Ashamed(Round):
    """Ends with a fault of its own."""

    def _sum(self) -> list[Action]:
        return self.abort(LocalProtocolError("a bug"))


class Faint(Round):
    """Gives up for no reason."""

    def _open(self) -> list[Action]:
        return self.abort(PeerMissing("enough"))
