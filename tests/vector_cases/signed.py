"""Frames as they were signed, before a session and within it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import KINDS, pack
from tests.reference_session import ReferenceSession
from tests.vector_cases.bodies import bodies_of
from tests.vector_cases.case import DISAGREEMENT, Json, Topic, fixed, flipped
from tests.vector_cases.keys import ORDER, seed_of
from tests.vector_cases.world import SESSIONS, observed, sharded, three

FOUNDER, JOINER = seed_of("north"), seed_of("south")
BEFORE = {
    "JOIN": JOINER,
    "PARAMETERS": FOUNDER,
    "HELLO": JOINER,
    "ROSTER": FOUNDER,
    "ABORT": FOUNDER,
}
"""Who sends what before there is a session."""

PAIRWISE = frozenset({"JOIN", "PARAMETERS", "HELLO", "SHARE", "SLICE"})


def signed_topic() -> Topic:
    """Frames of all kinds."""
    topic = Topic(
        "signed", "5 and 6", "Frames of all kinds with their signatures, and forged ones."
    )
    sessions: Json = {}
    for name in "three peers", "observed", "sharded", "later":
        session = SESSIONS[name]()
        sessions[name] = {
            "parameters": messages.parameters_bytes(session.parameters).hex(),
            "entries": [
                {"entry": body.hex(), "signature": signature.hex()}
                for body, signature in session.entries.values()
            ],
        }
        _frames_of(topic, name, session)
    topic.shared["sessions"] = sessions
    _before(topic)
    for why, sender, receiver, data in _forged(three()):
        place = {"session": "three peers", "sender": sender, "receiver": receiver}
        topic.reject("open a frame", why, {**place, "frame": data.hex()})
    for why, receiver, data in _forged_slices(sharded()):
        place = {"session": "sharded", "sender": 1, "receiver": receiver}
        topic.reject("open a frame", why, {**place, "frame": data.hex()})
    return topic


def _frames_of(topic: Topic, name: str, session: ReferenceSession) -> None:
    """Add everything that is said in a session."""
    made = bodies_of(session)
    last = len(session.peers)
    accepted = [(i, last if i == 1 else 1, "ACCEPT", pack(session.accept)) for i in session.peers]
    said: list[tuple[int, int, str, bytes]] = list(accepted)
    for i in session.contributors:
        to = last if i == 1 else 1
        said += [
            (i, to, "COMMITMENT", session.commitments[i][0]),
            (i, to, "PARTIAL", session.partials[i]),
            (i, to, "ECHO", pack(session.echo)),
            (i, to, "OPEN", pack(session.open(i))),
        ]
    said += [(i, j, "SHARE", sealed) for (i, j), sealed in session.sealed.items()]
    said += [(i, j, "SLICE", body) for (i, j), bodies in session.slices.items() for body in bodies]
    said += [
        (i, last if i == 1 else 1, "SLICE_SUM", body)
        for i, bodies in session.slice_sums.items()
        for body in bodies
    ]
    said += [(i, last if i == 1 else 1, "CONFIRM", pack(made["CONFIRM"])) for i in session.peers]
    said += [(1, last, "UNMASK", pack(made["UNMASK"])), (last, 1, "ABORT", pack(made["ABORT"]))]
    said += [(1, last, "RELAY", pack(made["RELAY"]))]
    for sender, receiver, kind, body in said:
        data = session.frame(sender, kind, body, receiver if kind in PAIRWISE else None)
        topic.accept(
            "open a frame",
            f"{name}: {kind} from {sender} to {receiver}",
            {"session": name, "sender": sender, "receiver": receiver, "frame": data.hex()},
            {
                "kind": kind,
                "round": session.round_of(kind),
                "digest": reference.body_digest(KINDS[kind], body).hex(),
            },
        )


# -- before a session -------------------------------------------------------------------------


def _before(topic: Topic) -> None:
    """Add the frames of join links."""
    made = bodies_of(three())
    made["JOIN"] = [1, reference.ed25519_public_key(JOINER), fixed("join")]
    made["ABORT"] = [6, [], "the allow-list here does not have this ID", b""]
    for kind, seed in BEFORE.items():
        other = FOUNDER if seed is JOINER else JOINER
        body, receiver = pack(made[kind]), messages.identifier(other)
        number = KINDS[kind]
        to = receiver if kind in PAIRWISE else messages.TO_ALL
        signature = messages.sign(seed, number, body, receiver=to)
        data = messages.frame(number, 0, signature, body)
        sender_key = reference.ed25519_public_key(seed)
        case = topic.accept(
            "open a frame of a join link",
            kind,
            {"public_key": sender_key.hex(), "receiver": receiver.hex(), "frame": data.hex()},
            {"kind": kind},
        )
        signatures = list(_wrong_before(kind, seed, receiver, body).items())
        for why, wrong in signatures[: 2 if kind == "ROSTER" else None]:  # a ROSTER is large
            name = f"{kind}: {why}"
            topic.reject_changed(case, name, frame=messages.frame(number, 0, wrong, body).hex())
        later = messages.sign(seed, number, body, receiver=to, number=1)
        why = f"{kind}: of round 1, and rightly signed"
        topic.reject_changed(case, why, frame=messages.frame(number, 1, later, body).hex())
        why = f"{kind}: it comes from another peer"
        topic.reject_changed(case, why, public_key=reference.ed25519_public_key(other).hex())
        if kind in PAIRWISE:
            topic.reject_changed(case, f"{kind}: it is to another peer", receiver=fixed("x").hex())
        if kind == "JOIN":
            later = pack([2, *made["JOIN"][1:]])
            data = messages.frame(number, 0, messages.sign(seed, number, later, receiver=to), later)
            why = "JOIN: of version 2, and rightly signed"
            topic.reject_changed(case, why, DISAGREEMENT, frame=data.hex())


def _wrong_before(kind: str, seed: bytes, receiver: bytes, body: bytes) -> dict[str, bytes]:
    """Return wrong signatures of a frame of a join link."""
    number, session = KINDS[kind], three().id
    to = receiver if kind in PAIRWISE else messages.TO_ALL
    others = messages.TO_ALL if kind in PAIRWISE else receiver
    return {
        "signed within a session": messages.sign(seed, number, body, session=session, receiver=to),
        "signed to all where one is meant, or to one where all are": messages.sign(
            seed, number, body, receiver=others
        ),
        "signed as another kind": messages.sign(seed, number % 4 + 1, body, receiver=to),
        "signed for round 1": messages.sign(seed, number, body, receiver=to, number=1),
        "the signature is zero": bytes(64),
    }


# -- within a session -------------------------------------------------------------------------


def _forged(session: ReferenceSession) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield why, sender, receiver and frame of what no member said."""
    body = pack(bodies_of(session)["CONFIRM"])
    confirm = KINDS["CONFIRM"]
    good = session.sign(1, "CONFIRM", body)
    for why, signature in _wrong_confirms(session, body, good):
        yield f"CONFIRM: {why}", 1, 2, messages.frame(confirm, 0, signature, body)
    frame = session.frame(1, "CONFIRM", body)
    yield "CONFIRM: it comes over another member's link", 2, 1, frame
    yield "CONFIRM: the frame says round 1", 1, 2, messages.frame(confirm, 1, good, body)
    yield "CONFIRM: the frame says OPEN", 1, 2, messages.frame(KINDS["OPEN"], 0, good, body)
    yield "CONFIRM: one bit of the body", 1, 2, messages.frame(confirm, 0, good, flipped(body, -1))
    share = session.sealed[1, 2]
    number = KINDS["SHARE"]
    for why, to in {
        "signed to all": None,
        "signed to the third peer": 3,
        "signed to its own sender": 1,
    }.items():
        wrong = messages.frame(number, 0, session.sign(1, "SHARE", share, to), share)
        yield f"SHARE: {why}", 1, 2, wrong
    wrong = messages.frame(number, 0, session.sign(1, "SHARE", share, 2), share)
    yield "SHARE: shown to a third peer", 1, 3, wrong
    accept = pack(session.accept)
    seed, five = session.peers[1].seed, KINDS["ACCEPT"]
    bound = messages.sign(seed, five, accept, session=session.id)
    yield "ACCEPT: signed within the session", 1, 2, messages.frame(five, 0, bound, accept)
    later = messages.sign(seed, five, accept, number=1)
    yield "ACCEPT: of round 1, and rightly signed", 1, 2, messages.frame(five, 1, later, accept)
    yield from _forged_later(session)


def _forged_later(session: ReferenceSession) -> Iterator[tuple[str, int, int, bytes]]:
    seed = session.peers[1].seed
    abort = pack(bodies_of(session)["ABORT"])
    number = KINDS["ABORT"]
    signature = messages.sign(seed, number, abort, session=session.id, number=1)
    yield "ABORT: of round 1, and rightly signed", 1, 2, messages.frame(number, 1, signature, abort)
    signature = messages.sign(seed, number, abort)
    yield "ABORT: signed as on a join link", 1, 2, messages.frame(number, 0, signature, abort)
    # Rightly signed, and still nothing that anybody can read.
    echo = pack(session.echo)
    for kind, body, why in (
        ("ECHO", echo + b"\x00", "rightly signed, with a byte behind it"),
        ("ECHO", pack([session.echo]), "rightly signed, in another array"),
        ("PARTIAL", session.partials[1][:-4], "rightly signed, an element short"),
        ("CONFIRM", b"", "rightly signed, without a body"),
    ):
        yield f"{kind}: {why}", 1, 2, session.frame(1, kind, body)


def _forged_slices(session: ReferenceSession) -> Iterator[tuple[str, int, bytes]]:
    """Yield why, receiver and frame of pieces that the first peer did not sign like that."""
    body, kind = session.slices[1, 2][0], KINDS["SLICE"]
    for why, to in {"signed to all": None, "signed to the fourth peer": 4}.items():
        data = messages.frame(kind, 0, session.sign(1, "SLICE", body, to), body)
        yield f"SLICE: {why}", 2, data
    signature = session.sign(1, "SLICE", body, 2)
    yield "SLICE: shown to the fourth peer", 4, messages.frame(kind, 0, signature, body)
    other = flipped(body, 7)
    yield "SLICE: another piece's number", 2, messages.frame(kind, 0, signature, other)
    yield (
        "SLICE: the frame says SLICE_SUM",
        2,
        messages.frame(KINDS["SLICE_SUM"], 0, session.sign(1, "SLICE", body), body),
    )
    body = session.slice_sums[1][0]
    yield "SLICE_SUM: signed to one", 2, session.frame(1, "SLICE_SUM", body, 2)
    yield "SLICE_SUM: rightly signed, without a number", 2, session.frame(1, "SLICE_SUM", b"")


def _wrong_confirms(
    session: ReferenceSession, body: bytes, good: bytes
) -> Iterator[tuple[str, bytes]]:
    peer, kind = session.peers[1], KINDS["CONFIRM"]
    digest = reference.body_digest(kind, body)
    covered = reference.signing_input(session.id, 0, kind, peer.id, bytes(32), digest)

    def signed(data: bytes) -> bytes:
        return reference.ed25519_sign(peer.seed, data)

    yield "signed by another member", session.sign(2, "CONFIRM", body)
    yield (
        "signed by another member in this one's name",
        reference.ed25519_sign(session.peers[2].seed, covered),
    )
    yield "signed in another session", messages.sign(peer.seed, kind, body, session=observed().id)
    yield "signed before the session", messages.sign(peer.seed, kind, body)
    yield (
        "signed for round 1",
        messages.sign(peer.seed, kind, body, session=session.id, number=1),
    )
    yield "signed as an OPEN", messages.sign(peer.seed, KINDS["OPEN"], body, session=session.id)
    to = session.peers[2].id
    yield (
        "signed to its receiver",
        messages.sign(peer.seed, kind, body, session=session.id, receiver=to),
    )
    yield "signed without the label", signed(covered[17:])
    yield "signed without the label's length", signed(covered[1:])
    yield "signed under the label of version 2", signed(covered.replace(b"p2pmpc/1", b"p2pmpc/2"))
    yield "the body is signed, not its digest", signed(covered[:-32] + body)
    plain = reference.labelled_hash("body", body)
    yield "the digest leaves the kind out", signed(covered[:-32] + plain)
    kind_of_open = reference.body_digest(KINDS["OPEN"], body)
    yield "the digest is one of an OPEN", signed(covered[:-32] + kind_of_open)
    wide = struct.pack(">II", 0, kind)
    little = covered.replace(struct.pack(">IB", 0, kind), wide, 1)
    assert little != covered
    yield "the kind takes four bytes", signed(little)
    yield "one bit of R", flipped(good, 0)
    yield "one bit of S", flipped(good, 63)
    high = int.from_bytes(good[32:], "little") + ORDER
    yield "S is not below the order", good[:32] + high.to_bytes(32, "little")
    yield "zeros", bytes(64)
    yield "the signature of the COMMITMENT", session.commitments[1][1]
