"""Messages beside others: what a dishonest peer says at a drawn moment, and nobody asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.frames import Frame, body_digest
from p2pmpc.hashing import labelled_hash
from p2pmpc.messages import (
    Abort,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    Slice,
    SliceSum,
    Unmask,
)
from p2pmpc.wire import encode_evidence
from tests.simulator.faults import Behaviour
from tests.simulator.substituted import NO_SIGNATURE, ZEROS


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
        own = list(self.peer.round._steps.heard.own.values())
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
        if self.cast.parameters.is_sharded:
            made_up[2] = Partial(ZEROS)
            made_up += [Slice(0, memoryview(bytes(8))), SliceSum(1, memoryview(bytes(4)))]
        return random.choice(made_up)

    def _early_open(self, victim: int) -> Frame | None:
        """Return an OPEN as good as it can be made before n echoes are held."""
        round_ = self.peer.round
        if round_.dealing is None or Kind.OPEN in round_._steps.heard.own:
            return None
        echoes = dict(round_._steps.heard.echoes)
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
        if plain is None or Kind.OPEN in round_._steps.heard.own:
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
                self.peer.index if frame.kind in (Kind.SHARE, Kind.SLICE) else 0,
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
