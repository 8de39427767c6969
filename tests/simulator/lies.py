"""Lies that everybody is told, and which behaviour each kind of dishonest fault has.

A lie is *consistent* where the culprit's own machine is told it as well, so that its echo bears it
out. A *dealer* seals something else than it drew, and commits to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from p2pmpc.encoding import checksum
from p2pmpc.field import Vector, Words
from p2pmpc.messages import (
    Commitment,
    Echo,
    Message,
    Partial,
    SharePlain,
    Slice,
    SliceSum,
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
    MissingPiece,
    OtherParameters,
    OtherStory,
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
        shifts = {"wrong sum": False, "shifted sum": True}
        if self.cast.parameters.is_sharded and self.fault.kind in shifts:
            self._shift_slices(checked=shifts[self.fault.kind])
            return
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
        arithmetic = self.cast.parameters.arithmetic
        width, p = arithmetic.width, arithmetic.modulus.to_bytes(arithmetic.width, "little")
        if isinstance(message, Slice | SliceSum) and message.vector:
            return replace(message, vector=memoryview(p + bytes(message.vector[width:])))
        if not isinstance(message, Partial) or self.cast.parameters.is_sharded:
            return message
        return Partial(p + message.content[width:])

    def wrong_length(self, message: Message) -> Message:
        """Say a sum that is too short."""
        width = self.cast.parameters.arithmetic.width
        if isinstance(message, Slice | SliceSum) and message.vector:
            return replace(message, vector=message.vector[:-width])
        if not isinstance(message, Partial):
            return message
        return Partial(message.content[: -self.cast.parameters.arithmetic.width])

    def listed_otherwise(self, message: Message) -> Message:
        """List other pieces than are sent."""
        if not isinstance(message, Partial):
            return message
        return changed(message, self.peer, self.fault.variant)

    def _shift_slices(self, *, checked: bool) -> None:
        """Let the machine cut another masked sum into slices than it should."""
        steps, shift = self.peer.round._steps, shift_of_one(self.peer, checked=checked)
        if not self.peer.session.contributes:
            return
        honest = steps._masked_sum

        def masked_sum() -> Words:
            self.fired = True
            hidden = honest()
            hidden[:] = self.cast.parameters.arithmetic.add(hidden, shift)
            return hidden

        vars(steps)["_masked_sum"] = masked_sum

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
    "listed otherwise": Consistent.listed_otherwise,
}


class OwnerOfLies(Behaviour):
    """Sums its slice wrongly, and lists what it says: with a fitting checksum if that is in its slice."""

    def prepare(self) -> None:
        """Stand between the machine and what it has summed."""
        session = self.peer.session
        if not session.contributes:
            return
        sums, bounds = (
            self.peer.round._steps.heard.slices,
            session.slices.bounds(session.places[session.own_index]),
        )
        parameters, arithmetic = self.cast.parameters, self.cast.parameters.arithmetic
        checked = self.fault.kind == "shifted slice sum"
        size, length = bounds.stop - bounds.start, parameters.summed_length
        if size <= checked or (checked and bounds.stop <= length):
            return  # nothing to change, or the checksum is in another's hands
        shift = arithmetic.zeros(parameters.extended_length)
        shift[bounds.start] = 1
        if checked:
            shift[length] = checksum(shift[:length], session.id, 0, arithmetic)
        honest = sums.own_sum

        def own_sum() -> Words:
            self.fired = True
            words = honest().copy()
            words[:] = arithmetic.add(words, shift[bounds])
            return words

        vars(sums)["own_sum"] = own_sum


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
    "other parameters": OtherParameters,
    "other story": OtherStory,
    "equivocation in SLICE_SUM": Equivocation,
    "contradiction in pieces": Contradiction,
    "misdirected slice": Misdirected,
    "missing piece": MissingPiece,
    "reordered pieces": MissingPiece,
    "wrong slice sum": OwnerOfLies,
    "shifted slice sum": OwnerOfLies,
    "listed otherwise": Consistent,
}
