"""The lies of a peer that is its own process: each is one change of what an honest peer says.

A lie is installed in a node before it runs. Those of tests/test_evidence.py, which prove themselves, are taken
over from there; the others stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from p2pmpc.envelope import Notary, frame_bytes
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.frames import HEADER, Frame, frame_head, parse_frame
from p2pmpc.hashing import labelled_hash
from p2pmpc.messages import (
    Abort,
    Commitment,
    Confirm,
    Echo,
    Kind,
    Message,
    Partial,
    Share,
    SharePlain,
    Signed,
)
from p2pmpc.wire import decode_body, encode_evidence
from tests.frames import encode_frame, halves
from tests.liars import Change, corrupt, deal_otherwise, runner_of
from tests.nodes import Peer
from tests.test_evidence import IN_SLICES, LIES

Frames = Callable[[Peer, int, bytes], list[bytes]]
"""What becomes of a frame on its way to the peer with an index."""

NOTHING: Final = frozenset[str]()
HONEST: Final = ("peer-01", "peer-02", "peer-03")
VICTIM: Final = "peer-02"


@dataclass(frozen=True)
class Lie:
    """One lie, and how every honest peer must end.

    Args:
        install: Makes a node lie.
        code: The exit code of the others.
        claim: Of the proof that each of them keeps, if there is one.
        pair: Who may be named beside the culprit, where it is word against word.
        options: Of all nodes.
        killed: An honest peer that dies before it opens, so that it is missed.
    """

    install: Callable[[Peer], None]
    code: int = 4
    claim: Claim | None = None
    pair: frozenset[str] = NOTHING
    options: str = ""
    killed: str = ""


def changing(kind: Kind, change: Change) -> Callable[[Peer], None]:
    """Return a lie that changes messages of one kind, and signs them again."""
    return lambda peer: corrupt(peer, {kind: change})


def framing(kind: Kind, make: Frames) -> Callable[[Peer], None]:
    """Return a lie that puts any bytes in the place of frames of one kind."""

    def lie(peer: Peer) -> None:
        def install(_peer: Peer, step: str) -> None:
            if step != "roster":
                return
            runner = runner_of(peer)
            honest = runner.mesh.send

            def send(parts: Sequence[bytes], receiver: int | None) -> None:
                frame = b"".join(parts)
                for index in runner.session.others if receiver is None else (receiver,):
                    changed = frame[HEADER.size - 1] == kind
                    for made in make(peer, index, frame) if changed else [frame]:
                        honest((made,), index)

            vars(runner.mesh)["send"] = send

        peer.on_step = install

    return lie


# -- replays, reflections, other names ----------------------------------------------------------


def elsewhere(peer: Peer, _index: int, frame: bytes) -> list[bytes]:
    """Return a message that its author signed in another session with the same members."""
    session = runner_of(peer).session
    other = replace(session, id=labelled_hash("session", session.id))
    signed = _opened(peer, frame)
    assert peer.node is not None
    return [frame_bytes(Notary(peer.node._identity, other).sign(signed))]


def _opened(peer: Peer, frame: bytes) -> Message:
    kind = Kind(frame[HEADER.size - 1])
    body = parse_frame(kind, *halves(frame)).body
    return decode_body(kind, body, runner_of(peer).session.limits)


def in_round(number: int) -> Frames:
    """Return a change of the round of a message."""

    def make(peer: Peer, _index: int, frame: bytes) -> list[bytes]:
        signed = runner_of(peer)._notary.sign(_opened(peer, frame), round_number=number)
        return [frame_bytes(signed)]

    return make


def overheard(author: str | None) -> Callable[[Peer], None]:
    """Return a lie that says what somebody said as its own; None: to everybody what they said themselves."""
    heard: dict[int, Frame] = {}

    def make(peer: Peer, index: int, frame: bytes) -> list[bytes]:
        session = runner_of(peer).session
        names = {session.member(k).entry.name: k for k in session.indices}
        said = heard.get(index if author is None else names[author])
        if said is None or index == names.get(author or ""):
            return [frame]
        return [encode_frame(said.kind, said.round, said.signature, said.body)]

    lie = framing(Kind.PARTIAL, make)  # by then everybody's COMMITMENT has come

    def install(peer: Peer) -> None:
        lie(peer)
        inner = peer.on_step

        def listen(given: Peer, step: str) -> None:
            inner(given, step)
            if step != "roster":
                return
            runner = runner_of(peer)
            honest = runner._notary.open

            def opened(sender: int, frame: Frame) -> Signed[Message]:
                if frame.kind is Kind.COMMITMENT:
                    heard[sender] = frame
                return honest(sender, frame)

            vars(runner._notary)["open"] = opened

        peer.on_step = listen

    return install


def again(peer: Peer, _index: int, frame: bytes) -> list[bytes]:
    """Return a message twice, as often as one connection may bring it."""
    assert peer.node is not None
    return [frame] * 2


# -- sizes, and what is no message --------------------------------------------------------------


def resized(by: int) -> Change:
    """Return a PARTIAL of another length."""

    def change(_name: str, message: Message) -> Message:
        assert isinstance(message, Partial)
        content = message.content
        return Partial(content + bytes(by) if by > 0 else content[:by])

    return change


def unheard(number: int, size: int) -> Frames:
    """Return frames of a kind, and of a size, that nobody may send."""
    return lambda _peer, _index, _frame: [
        frame_head(Kind.ABORT, 0, bytes(64), size)[:4] + bytes([number, *bytes(size + 68)])
    ]


def not_frames(_peer: Peer, _index: int, _frame: bytes) -> list[bytes]:
    """Return what is no frame at all."""
    return [b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n"]


# -- words against others -----------------------------------------------------------------------


def accusing(peer: Peer, index: int, frame: bytes) -> list[bytes]:
    """Return an accusation of an honest peer in front of a message."""
    session = runner_of(peer).session
    blamed = next(k for k in session.indices if session.member(k).entry.name == VICTIM)
    said = Abort(4, (blamed,), "it said two things")
    return [frame_bytes(runner_of(peer)._notary.sign(said)), frame] if index else []


def falsely_proving(peer: Peer, _index: int, frame: bytes) -> list[bytes]:
    """Return evidence against an honest peer that is none in front of a message."""
    runner = runner_of(peer)
    session = runner.session
    victim = next(k for k in session.indices if session.member(k).entry.name == VICTIM)
    said = Statement.of(session.own_index, runner._notary.sign(Confirm(bytes(32))))
    forged = Evidence(Claim.EQUIVOCATION, victim, (replace(said, sender=victim), said))
    abort = Abort(4, (victim,), "look", encode_evidence(forged))
    return [frame_bytes(runner._notary.sign(abort)), frame]


def dealing(make: Callable[[SharePlain], SharePlain | bytes]) -> Callable[[Peer], None]:
    """Return a lie that deals one peer another share than is good, and commits to it."""
    return lambda peer: deal_otherwise(peer, VICTIM, make)


def _twice_summed(_name: str, message: Message) -> list[Message]:
    assert isinstance(message, Echo)
    return [message, Partial(bytes(48))]


def _without_masks(_name: str, message: Message) -> Message:
    assert isinstance(message, Commitment)
    return replace(message, mask_shares=())


def _not_committed(_name: str, message: Message) -> Message:
    assert isinstance(message, Share)
    return Share(message.sealed + b"\x00") if len(message.sealed) < 1100 else Share(b"short")


TABLE: Final[dict[str, Lie]] = {
    name: Lie(
        changing(kind, change),
        claim=claim,
        options="--mode sharded" if name in IN_SLICES else "",
        killed="peer-03" if kind is Kind.UNMASK else "",
    )
    for name, (claim, kind, change) in LIES.items()
} | {
    "a message of another session": Lie(framing(Kind.COMMITMENT, elsewhere)),
    "a total of another session": Lie(framing(Kind.CONFIRM, elsewhere)),
    "a message of a later round": Lie(framing(Kind.PARTIAL, in_round(7))),
    "their own message to each": Lie(overheard(None)),
    "the message of another one": Lie(overheard("peer-01")),
    "everything twice": Lie(framing(Kind.COMMITMENT, again), code=0),
    "a sum that is short": Lie(changing(Kind.PARTIAL, resized(-8)), claim=Claim.ILL_FORMED),
    "a sum by a byte short": Lie(changing(Kind.PARTIAL, resized(-1)), claim=Claim.ILL_FORMED),
    "a sum over its cap": Lie(changing(Kind.PARTIAL, resized(8))),
    "another sum after the echo": Lie(changing(Kind.ECHO, _twice_summed), claim=Claim.EQUIVOCATION),
    "a kind that is none": Lie(framing(Kind.COMMITMENT, unheard(99, 10))),
    "a JOIN in a session": Lie(framing(Kind.COMMITMENT, unheard(Kind.JOIN, 10))),
    "four gibibytes": Lie(framing(Kind.ECHO, lambda *_: [b"\xff\xff\xff\xff\x09" + bytes(80)])),
    "what is no frame": Lie(framing(Kind.PARTIAL, not_frames)),
    "a false accusation": Lie(framing(Kind.COMMITMENT, accusing), pair=frozenset({VICTIM})),
    "a false proof": Lie(framing(Kind.ECHO, falsely_proving)),
    "another total": Lie(changing(Kind.CONFIRM, lambda *_: Confirm(bytes(32)))),
    "no b-shares": Lie(changing(Kind.COMMITMENT, _without_masks), claim=Claim.ILL_FORMED),
    "a seal that does not open": Lie(
        dealing(lambda _plain: b"garbage" * 30), pair=frozenset({VICTIM})
    ),
    "a seed that is short": Lie(
        dealing(lambda plain: replace(plain, share=plain.share[:-1])), pair=frozenset({VICTIM})
    ),
    "a b-share of another mask": Lie(
        dealing(lambda plain: replace(plain, mask_share=bytes(33))), pair=frozenset({VICTIM})
    ),
    "a share whose element is p": Lie(
        dealing(lambda plain: replace(plain, share=b"\xff" * len(plain.share))),
        pair=frozenset({VICTIM}),
        options="--share-mode dense",
    ),
    "shares cut short": Lie(changing(Kind.SHARE, _not_committed), claim=Claim.WRONG_SHARE),
}

QUICK: Final = (
    *("two commitments", "two rosters", "different echoes", "a wrong mask share", "two lists"),
    *("a message of another session", "their own message to each", "the message of another one"),
    *("everything twice", "a sum over its cap", "another sum after the echo"),
    *("what is no frame", "a false proof", "another total"),
    *("a seal that does not open", "a share whose element is p"),
)
"""One lie of each sort, for the tests."""

ROWS: Final = {
    "everything twice": 11,
    "two in one place": 11,
    "another sum after the echo": 11,
    "two rosters": 11,
    "two lists": 11,
    "two commitments": 12,
    "two partial sums": 12,
    "different echoes": 12,
    "a message of another session": 13,
    "a total of another session": 13,
    "a message of a later round": 13,
    "their own message to each": 13,
    "the message of another one": 13,
    "a false accusation": 13,
    "a false proof": 13,
    "garbage": 15,
    "a sum over its cap": 15,
    "a kind that is none": 15,
    "a JOIN in a session": 15,
    "four gibibytes": 15,
    "what is no frame": 15,
}
"""Rows of the list of faults; all other lies are of row 19."""
