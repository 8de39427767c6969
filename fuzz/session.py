"""Whole sessions in memory, in which the input decides what one dishonest peer does to its frames.

    python -m fuzz.session --seconds 60 [--seed 1]    scripts that are drawn
    python -m fuzz.session --corpus                   all that was ever found, and a few to begin with
    python -m fuzz.session --seconds 600 --atheris    led by what the code does with them (extra "fuzz")

The first two bytes choose the session and the culprit. Then every frame that leaves the culprit takes a byte, most
of which leave it as it is: the others alter it and sign it again, or do not, drop it, repeat it, hold it back, put
another one in its place or before it. Between them bytes choose what is delivered next, and when links break.

Held: nothing is raised but what the program raises on purpose; no honest peer shows a wrong total; every honest
peer ends; one that ends with 4 names the culprit, alone or beside whoever told of it; and what it shows as a proof
is one.
"""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from fuzz import engine
from fuzz.mutation import mutated
from p2pmpc.actions import Action
from p2pmpc.disputes import check_evidence
from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import P2PMPCError, RemoteProtocolError, exit_code_of
from p2pmpc.evidence import Claim, Dispute
from p2pmpc.frames import HEADER, parse_frame, parse_header
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.membership import make_entry
from p2pmpc.mesh import SESSION_KINDS
from p2pmpc.messages import PAIRWISE, Kind, Message, Signed, is_display_text
from p2pmpc.parameters import Parameters
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from tests.frames import halves
from tests.party import Member, Party, PlainSealer

KEPT: Final = Path(__file__).parent / "corpus" / "kept" / "session"
_MOST_STEPS: Final = 3000
_MOST_TIMEOUTS: Final = 8
_EXPECTED: Final = frozenset({3, 4, 5, 6})
"""How an honest peer with no fault of its own may end without a total."""

_CASTS: Final[tuple[tuple[tuple[int, ...], dict[str, object]], ...]] = (
    ((1, 2, 3), {}),
    ((2, 0, -1, 1), {}),
    ((1, 1, 1), {"field": "m61", "share_mode": "dense", "strict": True}),
    ((1, -2, 3), {"sum_mode": "sharded"}),
    ((1, 1, 0, 2), {"sum_mode": "sharded", "field": "m31xm61"}),
)
"""Sessions to choose from: weights, and parameters that are not the default."""
_VALUES: Final = ((1, -2, 3), (40, 50, -60), (-700, 800, 9), (5, 6, 7))


def drawn(name: str) -> Entropy:
    """Return entropy that is the same for ever, so that an input is all that a failure needs."""
    count = 0

    def entropy(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{name} {count}".encode()).digest(size)

    return entropy


@cache
def _cast(number: int) -> tuple[Parameters, list[Identity], list[SealingKey], list[Session]]:
    weights, given = _CASTS[number]
    parameters = Parameters(bytes(32), len(weights), length=3, allow_two=True, **given)  # type: ignore[arg-type]
    keys = [Identity.generate(drawn(f"identity {k}")) for k in range(len(weights))]
    keys.sort(key=lambda key: key.id)
    sealing = [SealingKey(drawn(f"sealing {number} {k}")) for k in range(len(weights))]
    entries = [
        make_entry(
            key,
            seal,
            parameters,
            nonce=bytes([place]) * 32,
            weight=weight,
            name=f"peer-{place:02}",
            address=f"127.0.0.1:{9000 + place}",
        )
        for place, (key, seal, weight) in enumerate(zip(keys, sealing, weights, strict=True), 1)
    ]
    return parameters, keys, sealing, [Session.close(parameters, entries, key.id) for key in keys]


class Script:
    """Bytes that choose; once they are used up everything is as it should be."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def next(self) -> int:
        """Return the next byte."""
        self._place += 1
        return self._data[self._place - 1] if self._place <= len(self._data) else 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to choose."""
        return self._place >= len(self._data)

    def random(self) -> Random:
        """Return a generator that two bytes choose."""
        return Random(self.next() << 8 | self.next())


class Stage(Party):
    """A session whose peers are the same every time, and whose culprit follows a script."""

    def __init__(self, script: Script) -> None:
        number = script.next() % len(_CASTS)
        self.parameters, keys, sealing, sessions = _cast(number)
        self.weights = _CASTS[number][0]
        self.values = _VALUES[: len(keys)]
        self.members = {
            place: Member.create(
                key,
                seal,
                session,
                self.values[place - 1],
                sealer=PlainSealer(),
                entropy=drawn(f"{number} {place}"),
            )
            for place, (key, seal, session) in enumerate(
                zip(keys, sealing, sessions, strict=True), 1
            )
        }
        self.gone, self.queues, self.delivered = {}, {}, {}
        self.culprit = 1 + script.next() % len(keys)
        self.dishonest = {self.culprit}
        self._script = script
        self._buffers: dict[tuple[int, int], bytearray] = {}
        self._closed: set[tuple[int, int]] = set()
        self._held: deque[tuple[int, bytes]] = deque()
        self._altered: dict[Kind, bytes] = {}
        """Bodies that all are told from now on in the place of the rightful one."""
        self._heard: list[bytes] = []
        """Every frame that was ever sent, for the culprit to say again."""
        self.tamper = self._tampered

    # -- what the culprit does ----------------------------------------------------------------

    def _tampered(self, sender: int, receiver: int, signed: Signed[Message]) -> bytes | None:
        frame = frame_bytes(signed)
        self._heard.append(frame)
        if sender != self.culprit or signed.message.kind is Kind.ABORT:
            return frame
        for said in self._lies(receiver, signed, frame, self._script.next()):
            self.send(sender, receiver, said)
        return None

    def _lies(
        self, receiver: int, signed: Signed[Message], frame: bytes, choice: int
    ) -> Iterable[bytes]:
        """Return what is sent in the place of a frame."""
        kind = signed.message.kind
        if kind in self._altered and kind not in PAIRWISE:
            return (self._signed(kind, self._altered[kind], receiver, signed.round),)
        match choice % 20:
            case 11:
                return ()
            case 12:
                return (frame, frame)
            case 13:
                self._held.append((receiver, frame))
                return ()
            case 15:
                return (mutated(frame, self._script.random()),)
            case 16:
                return (frame, self._heard[self._script.next() % len(self._heard)])
            case 18:
                return (self._signed(kind, signed.body, receiver, self._script.next()),)
            case 10 | 14 | 17 | 19 as lie:
                return self._altered_well(receiver, signed, frame, lie)
            case _:
                return (frame,)

    def _altered_well(
        self, receiver: int, signed: Signed[Message], frame: bytes, lie: int
    ) -> Iterable[bytes]:
        """Return frames whose body nobody honest says, under the culprit's own signature."""
        kind, number = signed.message.kind, signed.round
        body = mutated(signed.body, self._script.random())
        match lie:
            case 10:
                self._altered[kind] = body
                return (self._signed(kind, body, receiver, number),)
            case 14:
                return (self._signed(kind, body, receiver, number),)
            case 17:
                other = Kind(self._script.next() % 11 + Kind.ACCEPT)
                return (self._signed(other, body, receiver, number), frame)
            case _:
                return (frame, self._signed(kind, body, receiver, number))

    def _signed(self, kind: Kind, body: bytes, receiver: int, number: int) -> bytes:
        to = receiver if kind in PAIRWISE else None
        return self.forge(self.culprit, kind, body, receiver=to, round_number=number)

    # -- streams, as links read them ----------------------------------------------------------

    def hand_over(self, sender: int, receiver: int, data: bytes) -> None:
        """Let bytes come over a link; whoever has ended reads them no more."""
        link = sender, receiver
        buffer = self._buffers.setdefault(link, bytearray())
        buffer += data
        while not self._is_over(receiver) and link not in self._closed:
            if len(buffer) < HEADER.size:
                return
            limits = self.members[receiver].notary.limits
            try:
                kind, size = parse_header(bytes(buffer[: HEADER.size]), limits, SESSION_KINDS)
            except RemoteProtocolError as error:
                self._closed.add(link)
                self._fault(sender, receiver, error)
                return
            if len(buffer) < HEADER.size + size:
                return
            whole = bytes(buffer[: HEADER.size + size])
            del buffer[: HEADER.size + size]
            self._read(sender, receiver, kind, whole)

    def _read(self, sender: int, receiver: int, kind: Kind, whole: bytes) -> None:
        member, frame = self.members[receiver], parse_frame(kind, *halves(whole))
        in_round = kind not in (Kind.ACCEPT, Kind.ABORT)
        if in_round and frame.round and member.agreement.agreed:  # there is one round alone
            self._fault(sender, receiver, RemoteProtocolError("it speaks of another round"))
            return
        try:
            signed = member.notary.open(sender, frame)
        except P2PMPCError as error:
            self._fault(sender, receiver, error)
            return
        actions: list[Action] = []
        if kind is Kind.ACCEPT and member.agreement.agreed:
            contradiction = member.agreement.contradiction(sender, signed)
            if contradiction is not None:
                actions = member.round.fault(sender, contradiction)
        else:
            actions = member.take(sender, signed)
        self.perform(receiver, actions)

    def _fault(self, sender: int, receiver: int, error: P2PMPCError) -> None:
        error.peers = error.peers or (sender,)
        self.perform(receiver, self.members[receiver].machine.fault(sender, error))

    def _is_over(self, index: int) -> bool:
        member = self.members[index]
        return member.finished is not None or member.error is not None

    # -- one run ------------------------------------------------------------------------------

    def play(self) -> None:
        """Follow the script, then let everything arrive, and time pass."""
        self.start()
        for _ in range(_MOST_STEPS):
            links = self.waiting()
            if not links:
                break
            choice = self._script.next()
            self._break_a_link(choice)
            self.deliver(*links[choice % len(links)])
        while self._held:
            receiver, frame = self._held.popleft()
            self.send(self.culprit, receiver, frame)
        for _ in range(_MOST_TIMEOUTS):
            self.run()
            self.time_out()

    def _break_a_link(self, choice: int) -> None:
        """Let the culprit's link to somebody go down, come back, or be given up."""
        receiver = 1 + choice % len(self.members)
        if choice < 244 or receiver == self.culprit or self._is_over(receiver):
            return
        machine = self.members[receiver].machine
        if choice >= 252:
            self.perform(receiver, machine.lost(self.culprit))
        else:
            self.perform(receiver, self.members[receiver].round.disconnected(self.culprit))
            self.perform(receiver, self.members[receiver].round.reconnected(self.culprit))

    def check(self) -> None:
        """Hold every honest peer to how it may end."""
        arithmetic = self.parameters.arithmetic
        for index, member in self.members.items():
            if index == self.culprit:
                continue
            assert self._is_over(index), f"peer {index} has not ended"
            if member.finished is not None:
                total = [int(v) for v in arithmetic.to_signed(member.finished.total)]
                assert total == self.expected, f"peer {index} shows {total}"
            if member.error is not None:
                self._check_error(member, member.error)

    def _check_error(self, member: Member, error: P2PMPCError) -> None:
        assert exit_code_of(error) in _EXPECTED, repr(error)
        assert is_display_text(error.message, 1000), ascii(error.message)
        if exit_code_of(error) == 4:
            assert self.culprit in error.peers, (
                f"{error.peers} for what {self.culprit} did: {error}"
            )
        if isinstance(error, Dispute):
            assert error.evidence.culprit == self.culprit, error
            assert check_evidence(member.session, error.evidence)
            assert error.evidence.claim is not Claim.TWO_ENTRIES


def run(data: bytes) -> None:
    """Play one session, and hold what must hold."""
    stage = Stage(Script(data))
    stage.play()
    stage.check()


def seeds() -> Iterator[bytes]:
    """Yield scripts to begin with: each session and culprit left alone, and each lie at each moment."""
    for path in sorted(KEPT.glob("*.bin")):
        yield path.read_bytes()
    for number, (weights, _) in enumerate(_CASTS):
        for culprit in range(len(weights)):
            yield bytes([number, culprit])
            for lie in range(10, 20):
                random = Random(lie)
                yield bytes(
                    [number, culprit, *(0,) * random.randrange(40), lie, *random.randbytes(4)]
                )


def mutate(data: bytes, random: Random) -> bytes:
    """Return another script: mostly honest bytes, and now and then a lie."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(len(made) + 1)
        match random.randrange(6):
            case 0:
                made[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                made[place:place] = bytes([random.randrange(10, 20)])
            case 2:
                made[place:place] = bytes(random.randrange(12))
            case 3:
                del made[place : place + random.choice((1, 2, 8))]
            case 4:
                made += bytes(random.randrange(40)) + random.randbytes(4)
            case _:
                made[place:place] = random.randbytes(random.choice((1, 2, 4, 16)))
    return bytes(made[:400])


TARGET: Final = engine.Target("session", run, seeds, mutate, KEPT)

if __name__ == "__main__":
    sys.exit(engine.main(TARGET, sys.argv[1:]))
