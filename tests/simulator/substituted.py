"""Messages in place of others: what some receivers are told instead, signed as well as the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from p2pmpc.frames import Frame
from p2pmpc.messages import (
    PIECEWISE,
    Accept,
    Commitment,
    Confirm,
    Echo,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    Signed,
    Slice,
    SliceSum,
    Unmask,
)
from tests.simulator.faults import Behaviour
from tests.simulator.peer import SimPeer

ZEROS, NO_SIGNATURE = bytes(32), bytes(64)


def _replaced(items: tuple[Any, ...], place: int, item: object) -> tuple[Any, ...]:
    return (*items[:place], item, *items[place + 1 :])


# -- other messages of the same kind ----------------------------------------------------------


def changed(message: Message, peer: SimPeer, variant: int) -> Message:  # noqa: C901, PLR0912 - a case a kind
    """Return another message of the same kind and shape, in one of several ways."""
    place = variant // 4 % len(peer.session.members)
    match message:
        case Accept():
            return _other_accept(message, peer, variant, place)
        case Commitment(mask_shares=shares) if variant % 3 == 0 and shares:
            return replace(message, mask_shares=_replaced(shares, place % len(shares), ZEROS))
        case Commitment(shares=digests) if variant % 3 == 1:
            ones = b"\x01" * 32
            return replace(message, shares=_replaced(digests, place % len(digests), ones))
        case Commitment():
            return replace(message, mask=ZEROS)
        case Share():
            return Share(message.sealed[:-1] if variant % 2 else message.sealed + b"\x00")
        case Slice(piece, vector) | SliceSum(piece, vector) if not vector:
            return replace(message, piece=piece + 1)
        case Slice(_, vector) | SliceSum(_, vector):
            other = bytes(len(vector)) if any(vector) else b"\x01" + bytes(vector[1:])
            return replace(message, vector=memoryview(other))
        case Partial(vector):
            return Partial(bytes(len(vector)) if any(vector) else b"\x01" + vector[1:])
        case Echo():
            return _other_echo(message, variant, place)
        case Open(echoes=echoes) if variant % 2:
            return replace(message, echoes=_replaced(echoes, place % len(echoes), NO_SIGNATURE))
        case Open():
            return replace(message, mask_seed=ZEROS)
        case Unmask():
            return replace(message, share=bytes(33))
        case Confirm():
            return Confirm(ZEROS)
        case _:
            return message


def _other_echo(message: Echo, variant: int, place: int) -> Echo:
    if variant % 4 == 3:
        return replace(message, acceptances=_replaced(message.acceptances, place, NO_SIGNATURE))
    name = ("partial", "commitment", "partial_signature")[variant % 4]
    place %= len(message.entries)
    nothing = NO_SIGNATURE if name.endswith("signature") else ZEROS
    entry = replace(message.entries[place], **{name: nothing})
    return replace(message, entries=_replaced(message.entries, place, entry))


def _other_accept(message: Accept, peer: SimPeer, variant: int, place: int) -> Accept:
    if variant % 3 == 0:
        entry = peer.notary.second_entry(77_777)
        return replace(message, entries=_replaced(message.entries, peer.index - 1, entry))
    if variant % 3 == 1:
        entry = replace(message.entries[place], weight=77_777, digest=ZEROS)
        return replace(message, entries=_replaced(message.entries, place, entry))
    strict = not message.parameters.strict
    return replace(message, parameters=replace(message.parameters, strict=strict))


class Equivocation(Behaviour):
    """Some receivers are shown another message of one kind, as well signed; never all of them."""

    kind: Kind

    def prepare(self) -> None:
        """Choose: with two peers there is one victim, who alone hears the lie."""
        self.kind = Kind[self.fault.kind.rsplit(" ", 1)[1]]
        others = len(self.peer.session.others)
        self._victims = self.fault.victims[: max(1, others - 1)]

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the other message to victims."""
        if signed.message.kind is not self.kind or other not in self._victims:
            return [frame]
        self.fired = True
        lie = changed(signed.message, self.peer, self.fault.variant)
        return [self.peer.notary.frame(lie, other)]


class Contradiction(Behaviour):
    """Victims are told one thing, and right after it another one in the same place."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return both messages, once the moment has come."""
        is_said = signed.message.kind is not Kind.ABORT and other in self.fault.victims
        if self.fault.kind == "contradiction in pieces":
            is_said = signed.message.kind in PIECEWISE and other in self.fault.victims
            if not is_said:
                return [frame]
            self.fired = True
            lie = changed(signed.message, self.peer, self.fault.variant)
            return [frame, self.peer.notary.frame(lie, other)]
        if not is_said or not self.is_time:
            return [frame]
        self.fired = True
        lie = changed(signed.message, self.peer, self.fault.variant)
        return [frame, self.peer.notary.frame(lie, other)]


class TwoSignatures(Behaviour):
    """One echo is signed in two ways, and both verify."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the second way to victims."""
        if signed.message.kind is not Kind.ECHO or other not in self.fault.victims:
            return [frame]
        self.fired = True
        return [self.peer.notary.forge(Kind.ECHO, signed.body, other, way=1)]


class WrongSeed(Behaviour):
    """The mask is opened wrongly to victims, against n good echoes."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return an OPEN with another seed."""
        message = signed.message
        if not isinstance(message, Open) or other not in self.fault.victims:
            return [frame]
        self.fired = True
        flipped = bytes([message.mask_seed[0] ^ 1]) + message.mask_seed[1:]
        return [self.peer.notary.frame(replace(message, mask_seed=flipped), other)]


class ExtraUnmask(Behaviour):
    """A b-share is handed out right after the OPEN, wanted or not, right or wrong."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the OPEN, and the b-share behind it."""
        if not isinstance(signed.message, Open) or other not in self.fault.victims:
            return [frame]
        self.fired = True
        about = self.fault.other
        plain = self.peer.round.links[about].plain  # none of an observer
        share = plain.mask_share if plain is not None and plain.mask_share else bytes(33)
        if self.fault.kind == "wrong UNMASK":
            share = share[:-1] + bytes([share[-1] ^ 1])
        return [frame, self.peer.notary.frame(Unmask(about, share), other)]


class Forged(Behaviour):
    """From the moment on, one frame to each victim has a bad signature or another body."""

    def prepare(self) -> None:
        """Each victim is served once."""
        self._left = set(self.fault.victims)

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:  # noqa: ARG002
        """Return a frame that its signature does not cover."""
        if other not in self._left or not self.is_time:
            return [frame]
        self._left.discard(other)
        self.fired = True
        if self.fault.kind == "forged body":
            return [replace(frame, body=frame.body[:-1] + bytes([frame.body[-1] ^ 1]))]
        flipped = bytes([frame.signature[0] ^ 1]) + frame.signature[1:]
        return [replace(frame, signature=flipped)]


class Misdirected(Behaviour):
    """Victims get the share, or piece of a slice, that another receiver was to have."""

    def prepare(self) -> None:
        """Nothing was said yet."""
        self._before: Frame | None = None

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the share, or the piece, before this one."""
        kind = Kind.SLICE if self.fault.kind == "misdirected slice" else Kind.SHARE
        if signed.message.kind is not kind:
            return [frame]
        before, self._before = self._before, frame
        if before is None:
            return [frame]
        self.fired = True
        if self.fault.variant % 2:
            return [before]  # signed to its receiver
        return [self.peer.notary.forge(kind, before.body, other)]


class Uncommitted(Behaviour):
    """Victims get a share that is not the one committed to."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return another share."""
        if signed.message.kind is not Kind.SHARE or other not in self.fault.victims:
            return [frame]
        self.fired = True
        return [
            self.peer.notary.frame(changed(signed.message, self.peer, self.fault.variant), other)
        ]


class MissingPiece(Behaviour):
    """Victims do not get one piece, of a slice or of its sum, or get it behind the next one."""

    def prepare(self) -> None:
        """Draw which."""
        self._kind = (Kind.SLICE, Kind.SLICE_SUM)[self.fault.variant % 2]
        self._held: dict[int, Frame] = {}

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return nothing, or the next piece and the one before it."""
        message, session = signed.message, self.peer.session
        if message.kind is not self._kind or other not in self.fault.victims:
            return [frame]
        assert isinstance(message, Slice | SliceSum)
        owner = other if isinstance(message, Slice) else self.peer.index
        pieces = session.slices.pieces(session.places[owner])
        if self.fault.kind == "missing piece":
            missing = message.piece == self.fault.variant // 2 % pieces
            self.fired = self.fired or missing
            return [] if missing else [frame]
        if other in self._held:
            self.fired = True
            return [frame, self._held.pop(other)]
        if message.piece == 0 and pieces > 1:
            self._held[other] = frame
            return []
        return [frame]


class Withheld(Behaviour):
    """Victims do not get one kind of message, or nothing more at all from some kind on."""

    def prepare(self) -> None:
        """Draw the kind."""
        random = Random(self.fault.variant)
        self._kind = Kind(random.randint(Kind.ACCEPT, Kind.CONFIRM))
        self._silent: set[int] = set()

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return nothing where something is withheld."""
        if other in self._silent:
            return []
        if signed.message.kind is not self._kind or other not in self.fault.victims:
            return [frame]
        self.fired = True
        if self.fault.kind == "silence":
            self._silent.add(other)
        return []


class OtherParameters(Behaviour):
    """The roster is signed with other parameters than everybody else's, to all."""

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the other roster."""
        message = signed.message
        if not isinstance(message, Accept):
            return [frame]
        self.fired = True
        parameters = replace(message.parameters, strict=not message.parameters.strict)
        return [self.peer.notary.frame(replace(message, parameters=parameters), other)]


class OtherStory(Behaviour):
    """A peer that was killed and comes back is told one kind otherwise than before."""

    def prepare(self) -> None:
        """Draw the kind: most often one on which what the victim signs next rests."""
        kinds = [Kind(number) for number in range(Kind.ACCEPT, Kind.CONFIRM + 1)]
        random = Random(self.fault.variant)
        self._kind = random.choice((random.choice(kinds), Kind.PARTIAL, Kind.PARTIAL, Kind.SLICE))

    def retells(self, index: int) -> Callable[[Frame], Frame] | None:
        """Return what becomes of all that was said to the victim."""
        return self._retell if index == self.fault.other else None

    def _retell(self, frame: Frame) -> Frame:
        if frame.kind is not self._kind:
            return frame
        victim = self.fault.other
        said = self.cast.notary(victim).open(self.peer.index, frame).message
        self.fired = True
        return self.peer.notary.frame(changed(said, self.peer, self.fault.variant), victim)
