"""Lies that everybody is told, and which behaviour each kind of dishonest fault has.

A lie is *consistent* where the culprit's own machine is told it as well, so that its echo bears it
out. A *dealer* seals something else than it drew, and commits to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from p2pmpc.encoding import checksum
from p2pmpc.field import Vector
from p2pmpc.messages import (
    Commitment,
    Echo,
    Message,
    Partial,
    SharePlain,
)
from p2pmpc.wire import decode_share, encode_share
from tests.simulator.faults import Behaviour
from tests.simulator.injected import Injected
from tests.simulator.peer import SimPeer
from tests.simulator.substituted import (
    ZEROS,
    Contradiction,
    Equivocation,
    ExtraUnmask,
    Forged,
    Misdirected,
    TwoSignatures,
    Uncommitted,
    Withheld,
    WrongSeed,
    changed,
)


def shift_of_one(peer: SimPeer, *, checked: bool) -> Vector:
    """Return a vector that is one in its first element; with the checksum that fits it, or without."""
    parameters = peer.session.parameters
    arithmetic, length = parameters.arithmetic, parameters.length
    shift = arithmetic.zeros(parameters.extended_length)
    shift[0] = 1
    if checked:
        shift[length] = checksum(shift[:length], peer.session.id, 0, arithmetic)
    return shift


class Consistent(Behaviour):
    """Says something wrong to all, and bears it out in its own echo."""

    def prepare(self) -> None:
        """Stand between the machine and its notary, behind any other lie."""
        before = self.peer.notary.lie
        self.peer.notary.lie = lambda said: self._lie(before(said) if before else said)

    def _lie(self, message: Message) -> Message:
        lie = _LIES[self.fault.kind](self, message)
        self.fired = self.fired or lie is not message
        return lie

    def wrong_mask(self, message: Message) -> Message:
        """Commit to another mask than the one whose b-shares are dealt."""
        if not isinstance(message, Commitment):
            return message
        context = self.cast.context(self.peer.index)
        return replace(message, mask=context.mask_commitment(self.peer.index, ZEROS))

    def made_up_echo(self, message: Message) -> Message:
        """Echo what nobody said, to everybody."""
        if not isinstance(message, Echo):
            return message
        return changed(message, self.peer, self.fault.variant)

    def wrong_element(self, message: Message) -> Message:
        """Say a sum with an element that is no residue."""
        if not isinstance(message, Partial):
            return message
        arithmetic = self.cast.parameters.arithmetic
        width = arithmetic.width
        return Partial(arithmetic.modulus.to_bytes(width, "little") + message.content[width:])

    def wrong_length(self, message: Message) -> Message:
        """Say a sum that is too short."""
        if not isinstance(message, Partial):
            return message
        return Partial(message.content[: -self.cast.parameters.arithmetic.width])

    def wrong_sum(self, message: Message) -> Message:
        """Say another sum, which the checksum does not fit."""
        return self._shifted(message, checked=False)

    def shifted_sum(self, message: Message) -> Message:
        """Say another sum with its checksum: as good as another input, chosen blind."""
        return self._shifted(message, checked=True)

    def _shifted(self, message: Message, *, checked: bool) -> Message:
        if not isinstance(message, Partial):
            return message
        parameters = self.cast.parameters
        arithmetic = parameters.arithmetic
        shift = shift_of_one(self.peer, checked=checked)
        vector = arithmetic.decode(message.content, parameters.extended_length)
        return Partial(arithmetic.encode(arithmetic.add(vector, shift)))


_LIES: dict[str, Callable[[Consistent, Message], Message]] = {
    "wrong mask": Consistent.wrong_mask,
    "made-up echo": Consistent.made_up_echo,
    "wrong element": Consistent.wrong_element,
    "wrong length": Consistent.wrong_length,
    "wrong sum": Consistent.wrong_sum,
    "shifted sum": Consistent.shifted_sum,
}


class Dealer(Behaviour):
    """Seals something else than it drew, and commits to that."""

    def prepare(self) -> None:
        """Stand between the machine and its sealer."""
        self.peer.sealer.lie = self._seal

    def _seal(self, receiver: int, plaintext: bytes, really: Callable[[bytes], bytes]) -> bytes:
        if receiver not in self.fault.victims:
            return really(plaintext)
        self.fired = True
        parameters = self.cast.parameters
        plain = decode_share(plaintext, self.peer.session.limits, strict=parameters.strict)
        if self.fault.kind == "other share":
            return really(encode_share(self._other(plain)))
        return self._bad(plain, really)

    def _other(self, plain: SharePlain) -> SharePlain:
        """Return a share that is as good by itself, so that the secret is another one."""
        if self.cast.parameters.share_mode == "seeds":
            return replace(plain, share=bytes([plain.share[0] ^ 1]) + plain.share[1:])
        arithmetic = self.cast.parameters.arithmetic
        vector = arithmetic.decode(plain.share, self.cast.parameters.extended_length)
        shift = shift_of_one(self.peer, checked=bool(self.fault.variant % 2))
        return replace(plain, share=arithmetic.encode(arithmetic.add(vector, shift)))

    def _bad(self, plain: SharePlain, really: Callable[[bytes], bytes]) -> bytes:
        match self.fault.variant % 5:
            case 0:
                return b"garbage"
            case 1:
                return really(b"garbage")
            case 2:
                return really(encode_share(replace(plain, share=plain.share[:-1])))
            case 3 if self.cast.parameters.share_mode == "dense":
                p = np.array([self.cast.parameters.arithmetic.modulus], dtype=np.uint64)
                width = self.cast.parameters.arithmetic.width
                bad = self.cast.parameters.arithmetic.encode(p) + plain.share[width:]
                return really(encode_share(replace(plain, share=bad)))
            case _:
                other = b"" if plain.mask_share else bytes(33)
                return really(encode_share(replace(plain, mask_share=other)))


MALICIOUS_BEHAVIOURS: dict[str, type[Behaviour]] = {
    "equivocation in ACCEPT": Equivocation,
    "equivocation in COMMITMENT": Equivocation,
    "equivocation in PARTIAL": Equivocation,
    "equivocation in ECHO": Equivocation,
    "equivocation in OPEN": Equivocation,
    "equivocation in CONFIRM": Equivocation,
    "contradiction": Contradiction,
    "two signatures": TwoSignatures,
    "early OPEN": Injected,
    "early UNMASK": Injected,
    "misplaced": Injected,
    "wrong mask seed": WrongSeed,
    "wrong mask": Consistent,
    "wrong UNMASK": ExtraUnmask,
    "needless UNMASK": ExtraUnmask,
    "forged signature": Forged,
    "forged name": Injected,
    "forged body": Forged,
    "another session": Injected,
    "another round": Injected,
    "reflection": Injected,
    "misdirected share": Misdirected,
    "wrong share": Dealer,
    "uncommitted share": Uncommitted,
    "other share": Dealer,
    "wrong element": Consistent,
    "wrong length": Consistent,
    "wrong sum": Consistent,
    "shifted sum": Consistent,
    "made-up echo": Consistent,
    "withheld kind": Withheld,
    "silence": Withheld,
    "false ABORT": Injected,
    "false evidence": Injected,
    "junk": Injected,
}
