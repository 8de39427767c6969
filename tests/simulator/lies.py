"""What dishonest peers do.

There are four ways. A *changed* message goes to some receivers in place of what the machine said,
signed as well as it. An *injected* one is said beside it, at a drawn moment. A *consistent* lie is
told to everybody, the culprit's own machine included, so that its echo bears it out. And a dealer
may *seal* something else than it drew, and commit to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from p2pmpc.encoding import checksum_vector
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.hashing import labelled_hash
from p2pmpc.messages import (
    Abort,
    Accept,
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
from p2pmpc.wire import Frame, body_digest, decode_share, encode_evidence, encode_share
from tests.simulator.faults import Behaviour
from tests.simulator.peer import SimPeer

ZEROS, NO_SIGNATURE = bytes(32), bytes(64)


def _replaced(items: tuple[Any, ...], place: int, item: object) -> tuple[Any, ...]:
    return (*items[:place], item, *items[place + 1 :])


# -- other messages of the same kind ----------------------------------------------------------


def changed(message: Message, peer: SimPeer, variant: int) -> Message:  # noqa: C901 - a case a kind
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
    """Victims get the share that another receiver was to have."""

    def prepare(self) -> None:
        """Nothing was said yet."""
        self._before: Frame | None = None

    def says(self, other: int, signed: Signed[Message], frame: Frame) -> list[Frame]:
        """Return the share before this one."""
        if signed.message.kind is not Kind.SHARE:
            return [frame]
        before, self._before = self._before, frame
        if before is None:
            return [frame]
        self.fired = True
        if self.fault.variant % 2:
            return [before]  # signed to its receiver
        return [self.peer.notary.frame(Share(before.body), other)]


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


# -- injected beside everything else ------------------------------------------------------------


class Injected(Behaviour):
    """Says something at its moment, to all victims."""

    def prepare(self) -> None:
        """Nothing was heard yet."""
        self._heard: dict[int, Frame] = {}
        self._all: list[tuple[int, Frame]] = []

    def hears(self, other: int, frame: Frame) -> None:
        """Remember all that was said, and the last thing that each other peer said."""
        self._heard[other] = frame
        self._all.append((other, frame))

    def injections(self) -> Iterable[tuple[int, Frame]]:
        """Return what is said to whom."""
        said = [(victim, self._frame(victim)) for victim in self.fault.victims]
        real = [(victim, frame) for victim, frame in said if frame is not None]
        self.fired = bool(real)
        return real

    def _frame(self, victim: int) -> Frame | None:
        notary, kind = self.peer.notary, self.fault.kind
        match kind:
            case "forged name":
                return self._heard.get(self.fault.other)
            case "reflection":
                return self._heard.get(victim)
            case "another session":
                session = self.peer.session
                elsewhere = replace(session, id=labelled_hash("session", session.id))
                other = self.cast.notary(self.peer.index, elsewhere)
                return other.frame(self._any_message(victim), victim)
            case "another round":
                return notary.frame(self._any_message(victim), victim, round_number=1)
            case "misplaced":
                return notary.frame(self._any_message(victim), victim)
            case "early OPEN":
                return self._early_open(victim)
            case "early UNMASK":
                return self._early_unmask(victim)
            case "false ABORT":
                return notary.frame(self._abort(), victim)
            case "false evidence":
                return notary.frame(Abort(4, (), "look at this", self._evidence()), victim)
            case _:
                assert kind == "junk"
                return self._junk(victim)

    def _any_message(self, victim: int) -> Message:
        """Return any message of a round: what the culprit said last, or something made up."""
        own = list(self.peer.round._heard.own.values())
        random = Random(self.fault.variant + victim)
        if own and random.random() < 0.5:
            return random.choice(own).message
        peers, length = self.cast.scenario.peers, self.peer.notary.limits.vector_bytes
        inputs = len(self.cast.scenario.contributors)
        entry = EchoEntry(ZEROS, NO_SIGNATURE, ZEROS, NO_SIGNATURE)
        shares = () if self.cast.scenario.strict else (ZEROS,) * inputs
        made_up: list[Message] = [
            Commitment(ZEROS, shares, (ZEROS,) * inputs),
            Share(b"sealed"),
            Partial(bytes(length)),
            Echo((NO_SIGNATURE,) * peers, (entry,) * inputs),
            Confirm(ZEROS),
        ]
        return random.choice(made_up)

    def _early_open(self, victim: int) -> Frame | None:
        """Return an OPEN as good as it can be made before n echoes are held."""
        round_ = self.peer.round
        if round_.dealing is None or Kind.OPEN in round_._heard.own:
            return None
        echoes = dict(round_._heard.echoes)
        for index, link in round_.links.items():
            if (Kind.ECHO, 0) in link.said:
                echoes[index] = link.message(Kind.ECHO).signature
        mine = echoes.get(self.peer.index, NO_SIGNATURE)
        signatures = tuple(echoes.get(index, mine) for index in self.peer.session.contributors)
        return self.peer.notary.frame(Open(round_.dealing.mask_seed, signatures), victim)

    def _early_unmask(self, victim: int) -> Frame | None:
        """Return the culprit's b-share of another peer before anything may be opened."""
        round_, about = self.peer.round, self.fault.other
        plain = round_.links[about].plain
        if plain is None or Kind.OPEN in round_._heard.own:
            return None
        return self.peer.notary.frame(Unmask(about, plain.mask_share or bytes(33)), victim)

    def _abort(self) -> Abort:
        random = Random(self.fault.variant)
        code = random.choice((1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 130, 255))
        names = [random.choice(self.peer.session.indices) for _ in range(random.randint(0, 3))]
        return Abort(code, tuple(names), random.choice(("", "because", "x" * 300)))

    def _evidence(self) -> bytes:
        """Return evidence against somebody that proves nothing, made of what was really said."""
        random = Random(self.fault.variant)
        if not self._all or random.random() < 0.1:
            return random.randbytes(40)
        culprit = random.choice(self._all)[0]
        said = [frame for other, frame in self._all if other == culprit]
        statements = tuple(
            Statement(
                culprit,
                self.peer.index if frame.kind is Kind.SHARE else 0,
                frame.kind,
                frame.round,
                body_digest(frame.kind, frame.body),
                frame.signature,
                random.choice((frame.body, b"")),
            )
            for frame in random.choices(said, k=random.randint(1, 2))
        )
        return encode_evidence(Evidence(random.choice(list(Claim)), culprit, statements))

    def _junk(self, victim: int) -> Frame:
        """Return a frame that is signed well, and whose body means nothing."""
        random = Random(self.fault.variant + victim)
        kind = Kind(random.randint(Kind.ACCEPT, Kind.ABORT))
        cap = self.peer.notary.limits.body_cap(kind)
        bodies = (
            b"",
            b"\xc0",
            b"\x90",
            b"\xdc\xff\xff",
            b"\xc7\x05\x01hello",
            random.randbytes(40),
        )
        return self.peer.notary.forge(kind, random.choice(bodies)[:cap], victim)


# -- lies that everybody is told ----------------------------------------------------------------


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
        return Partial(arithmetic.modulus.to_bytes(width, "little") + message.vector[width:])

    def wrong_length(self, message: Message) -> Message:
        """Say a sum that is too short."""
        if not isinstance(message, Partial):
            return message
        return Partial(message.vector[: -self.cast.parameters.arithmetic.width])

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
        arithmetic, length = parameters.arithmetic, parameters.length
        shift = arithmetic.zeros(parameters.extended_length)
        shift[0] = 1
        if checked:
            shift[length] = checksum_vector(self.peer.session.id, 0, arithmetic, length)[0]
        vector = arithmetic.decode(message.vector, parameters.extended_length)
        sums, own = self.peer.round._sums, self.peer.index
        sums[own] = arithmetic.add(sums[own], shift)  # it believes in its own lie, and confirms it
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
        return replace(plain, share=bytes(len(plain.share)))

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
