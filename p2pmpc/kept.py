"""What a peer keeps so that it can go on after it was killed, as facts, a line each.

Rules:

1. State, then disk, then wire: a fact is written before the message that rests on it leaves. Then
   whoever goes on never says two things in one place, which would look like a lie.
2. Within a round facts are only added. A new round begins the file anew, so that the secrets of the
   rounds before are gone with it.
3. Every line ends with a hash over itself and the line before it. A last line that was cut short is no
   fact, and what rests on it has not left; any other line that is wrong makes the whole unusable.

Inputs are no part of it: they are brought again, and a digest tells whether they are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from p2pmpc.errors import P2PMPCError
from p2pmpc.messages import Kind, Message, Signed, SignedEntry, Slot, slot_of
from p2pmpc.parameters import Parameters
from p2pmpc.ratchet import PairKeys
from p2pmpc.wire import decode_parameters, encode_parameters

FORMAT: Final = "p2pmpc-state 1"
_START: Final = "0" * 16
_LONG: Final = 1 << 14
"""Bytes of a body from which on only its digest is kept: the message can be made again."""

AT_THE_END: Final = frozenset({Kind.ECHO, Kind.OPEN, Kind.UNMASK, Kind.CONFIRM})
"""What is said again in the next round, to whoever has not done this one: by then it cannot be made again."""


@dataclass(frozen=True, slots=True)
class KeptSelf:
    """Who this peer is in a session, and what it said in its HELLO.

    Args:
        id: Its ID.
        identity: The secret of its key; empty where that is in a file of its own.
        name: For people.
        nonce: Of its JOIN.
        sealing: What its sealing key is made of; empty once it is forgotten.
        parameters: The session's.
        entry: Its HELLO, as it was signed.
        listens: Where it listens: the others dial it there again.
        where: The bootstrap addresses, or ``roster`` and its file; for people.
        log_dir: The folder of its log.
        weight: Its weight, where it was drawn.
        begun: When, as the shell writes it; for people.
    """

    id: bytes
    identity: bytes = field(repr=False)
    name: str
    nonce: bytes
    sealing: bytes = field(repr=False)
    parameters: Parameters
    entry: SignedEntry
    listens: str
    where: tuple[str, ...]
    log_dir: str
    weight: int | None = field(repr=False)
    begun: str


@dataclass(frozen=True, slots=True)
class KeptRoster:
    """The closed set.

    Args:
        entries: Everybody's, in any order.
        addresses: ``host:port`` by ID.
        founder: Whose roster it is; None with a roster file.
    """

    entries: tuple[SignedEntry, ...]
    addresses: Mapping[bytes, str]
    founder: bytes | None


@dataclass(frozen=True, slots=True)
class KeptRound:
    """Where a round begins.

    Args:
        number: The round within the session.
        seed: 32 bytes of the operating system's, from which this peer draws in this round.
        input: Keyed digests of what it brings; empty for an observer.
        acceptances: Everybody's signature on the roster; empty until this peer says something in a
            round, for then they come again.
        pairs: The ratchet's state; empty in round 0, with dense shares, and for an observer.
        last: The frames with which this peer ended the round before: somebody may still need them.
    """

    number: int
    seed: bytes = field(repr=False)
    input: bytes
    acceptances: Mapping[int, bytes]
    pairs: tuple[PairKeys, ...] = field(repr=False)
    last: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptWord:
    """One message that this peer said in the round, or was about to say.

    Args:
        slot: Its place: kind, receiver and number.
        digest: Of its body.
        signature: This peer's.
        body: As it was said; empty where that is long.
    """

    slot: Slot
    digest: bytes
    signature: bytes
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, signed: Signed[Message], receiver: int | None) -> KeptWord:
        """Return what is kept of a message.

        Args:
            signed: The message.
            receiver: A roster index; None means everybody.
        """
        kind = signed.message.kind  # sealed anew, a SHARE would be other bytes
        is_needed = kind is Kind.SHARE or kind in AT_THE_END
        body = signed.body if len(signed.body) <= _LONG or is_needed else b""
        slot = slot_of(signed.message, receiver)
        return cls(slot, signed.digest, signed.signature, bytes(body))


Fact = KeptSelf | KeptRoster | KeptRound | KeptWord


@dataclass(slots=True)
class Kept:
    """All that is kept of one session.

    Args:
        me: Who this peer is in it.
        roster: The closed set, once it is closed.
        round: Where the round that is under way began.
        words: What this peer said in it.
    """

    me: KeptSelf
    roster: KeptRoster | None = None
    round: KeptRound | None = None
    words: dict[Slot, KeptWord] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        """Take a fact."""
        match fact:
            case KeptSelf():
                self.me = fact
            case KeptRoster():
                self.roster = fact
            case KeptRound():
                self.round, self.words = fact, {}
            case KeptWord(slot):
                self.words[slot] = fact

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The same as a list, to begin a file with."""
        facts = (self.me, self.roster, self.round, *self.words.values())
        return tuple(fact for fact in facts if fact is not None)

    @property
    def said(self) -> dict[Slot, bytes]:
        """The digests of what this peer said in the round that is under way."""
        return {slot: word.digest for slot, word in self.words.items()}

    @property
    def sealed(self) -> dict[int, bytes]:
        """The sealed shares that it sent, by receiver."""
        words = self.words.items()
        return {slot.receiver: word.body for slot, word in words if slot.kind is Kind.SHARE}


# -- as text ------------------------------------------------------------------------------------


class Lines:
    """Writes facts as lines, each with the hash that chains it to the one before.

    Args:
        check: The hash of the line before.
    """

    def __init__(self, check: str = _START) -> None:
        self.check = check

    def head(self) -> str:
        """Return the first line of a file."""
        return self._line({"format": FORMAT})

    def of(self, facts: Iterable[Fact]) -> str:
        """Return the lines of some facts."""
        return "".join(self._line(_content(fact)) for fact in facts)

    def _line(self, content: Mapping[str, Any]) -> str:
        text = json.dumps(content)
        self.check = _check(self.check, text)
        return f"{self.check} {text}\n"


def _check(before: str, text: str) -> str:
    return hashlib.sha256(f"{before}{text}".encode()).hexdigest()[:16]


def parse_kept(text: str) -> tuple[Kept, str, int]:
    """Read what was kept.

    Returns:
        It, the hash of its last line, and how many characters are whole lines.

    Raises:
        ValueError: Says which line is wrong, never what it holds.
    """
    whole = text.rfind("\n") + 1
    lines = text[:whole].split("\n")[:-1]
    check, kept = _START, None
    for number, line in enumerate(lines, start=1):
        stands, _, content = line.partition(" ")
        check = _check(check, content)
        if stands != check:
            raise ValueError(f"line {number}: it was altered, or lines are missing before it")
        try:
            kept = _take(kept, number, json.loads(content))
        except (LookupError, TypeError, ValueError, AttributeError, P2PMPCError):
            raise ValueError(f"line {number}: it is not a fact of a session") from None
    if kept is None:
        raise ValueError("it holds no session")
    return kept, check, whole


def _take(kept: Kept | None, number: int, content: dict[str, Any]) -> Kept | None:
    if number == 1:
        if content != {"format": FORMAT}:
            raise ValueError
        return None
    fact = _parse(content)
    if kept is None:
        if not isinstance(fact, KeptSelf):
            raise ValueError
        return Kept(fact)
    kept.add(fact)
    return kept


def _content(fact: Fact) -> dict[str, Any]:
    match fact:
        case KeptSelf():
            return {
                "fact": "self",
                "id": fact.id.hex(),
                "identity": fact.identity.hex(),
                "name": fact.name,
                "nonce": fact.nonce.hex(),
                "sealing": fact.sealing.hex(),
                "parameters": encode_parameters(fact.parameters).hex(),
                "entry": _entry_content(fact.entry),
                "listens": fact.listens,
                "where": list(fact.where),
                "log_dir": fact.log_dir,
                "weight": fact.weight,
                "begun": fact.begun,
            }
        case KeptRoster():
            return {
                "fact": "roster",
                "entries": [_entry_content(entry) for entry in fact.entries],
                "addresses": {who.hex(): where for who, where in fact.addresses.items()},
                "founder": None if fact.founder is None else fact.founder.hex(),
            }
        case KeptRound():
            return {
                "fact": "round",
                "number": fact.number,
                "seed": fact.seed.hex(),
                "input": fact.input.hex(),
                "acceptances": {str(i): said.hex() for i, said in fact.acceptances.items()},
                "pairs": [
                    [pair.dealer, pair.receiver, pair.link.hex(), pair.seed.hex(), pair.key.hex()]
                    for pair in fact.pairs
                ],
                "last": [frame.hex() for frame in fact.last],
            }
        case KeptWord(slot):
            return {
                "fact": "word",
                "slot": [slot.kind.name, slot.receiver, slot.number],
                "digest": fact.digest.hex(),
                "signature": fact.signature.hex(),
                "body": fact.body.hex(),
            }


def _parse(content: dict[str, Any]) -> Fact:
    match content["fact"]:
        case "self":
            weight = content["weight"]
            return KeptSelf(
                id=bytes.fromhex(content["id"]),
                identity=bytes.fromhex(content["identity"]),
                name=str(content["name"]),
                nonce=bytes.fromhex(content["nonce"]),
                sealing=bytes.fromhex(content["sealing"]),
                parameters=decode_parameters(bytes.fromhex(content["parameters"])),
                entry=_parse_entry(content["entry"]),
                listens=str(content["listens"]),
                where=tuple(map(str, content["where"])),
                log_dir=str(content["log_dir"]),
                weight=None if weight is None else int(weight),
                begun=str(content["begun"]),
            )
        case "roster":
            founder = content["founder"]
            return KeptRoster(
                entries=tuple(map(_parse_entry, content["entries"])),
                addresses={
                    bytes.fromhex(who): str(where) for who, where in content["addresses"].items()
                },
                founder=None if founder is None else bytes.fromhex(founder),
            )
        case "round":
            return KeptRound(
                number=int(content["number"]),
                seed=bytes.fromhex(content["seed"]),
                input=bytes.fromhex(content["input"]),
                acceptances={
                    int(i): bytes.fromhex(said) for i, said in content["acceptances"].items()
                },
                pairs=tuple(
                    PairKeys(dealer, receiver, *map(bytes.fromhex, keys))
                    for dealer, receiver, *keys in content["pairs"]
                ),
                last=tuple(map(bytes.fromhex, content["last"])),
            )
        case "word":
            kind, receiver, number = content["slot"]
            return KeptWord(
                slot=Slot(Kind[kind], int(receiver), int(number)),
                digest=bytes.fromhex(content["digest"]),
                signature=bytes.fromhex(content["signature"]),
                body=bytes.fromhex(content["body"]),
            )
    raise ValueError


def _entry_content(entry: SignedEntry) -> list[str]:
    return [entry.body.hex(), entry.signature.hex(), entry.address]


def _parse_entry(content: list[str]) -> SignedEntry:
    body, signature, address = content
    return SignedEntry(bytes.fromhex(body), bytes.fromhex(signature), address)
