"""Slices and their pieces, the ratchet, and the SHAREs of later rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests import reference
from tests import reference_messages as messages
from tests import reference_sealing as sealing
from tests.reference_messages import KINDS, MODULI, PIECE, WIDTHS, pack, piece_body
from tests.reference_session import ReferenceSession
from tests.vector_cases.arithmetic import SESSION
from tests.vector_cases.case import Json, Topic, fixed, flipped
from tests.vector_cases.world import later, narrow, sharded, three

# -- slices -----------------------------------------------------------------------------------


def slices_topic() -> Topic:
    """How vectors are cut, and which pieces are none."""
    topic = Topic("slices", "11.1", "Slices, their pieces, and the lists of what they sum to.")
    for length, owners in (
        (2, 2), (2, 3), (3, 2), (4, 3), (5, 3), (7, 3), (8, 4), (2, 1000), (1001, 1000),
        (2 * PIECE, 2), (2 * PIECE + 1, 2), (3 * PIECE + 2, 3), (10_000_001, 7), (1 << 27, 2),
    ):  # fmt: skip
        if owners > 10:
            continue
        _cut(topic, length, owners)
    for length, owners, place in ((2, 1000, 499), (2, 1000, 998), (1001, 1000, 999)):
        start, stop = messages.slice_bounds(length, owners, place)
        topic.accept(
            "find a slice",
            f"the slice {place} of {owners}, {length} elements",
            {"length": length, "contributors": owners, "place": place},
            {"slice": [start, stop], "pieces": [list(p) for p in messages.pieces(stop - start)]},
        )
    for name, session in ("sharded", sharded()), ("narrow", narrow()):
        _sums(topic, name, session)
    _wrong_pieces(topic)
    return topic


def _cut(topic: Topic, length: int, owners: int) -> None:
    for place in range(owners):
        start, stop = messages.slice_bounds(length, owners, place)
        cut = messages.pieces(stop - start)
        if len(cut) > 8:  # the first and the last ones show the rest
            cut = cut[:2] + cut[-2:]
        topic.accept(
            "find a slice",
            f"the slice {place} of {owners}, {length} elements",
            {"length": length, "contributors": owners, "place": place},
            {"slice": [start, stop], "pieces": [list(piece) for piece in cut]},
        )


def _sums(topic: Topic, name: str, session: ReferenceSession) -> None:
    """Add what each owner is sent and says, and the total that follows."""
    for place, owner in enumerate(session.contributors):
        given = {
            "field": session.field,
            "masked": [
                reference.little_endian(session.masked[i], session.width).hex()
                for i in session.contributors
            ],
            "place": place,
        }
        topic.accept(
            "sum a slice",
            f"{name}: the slice {place}",
            given,
            {
                "slices": [
                    body.hex()
                    for i in session.contributors
                    if i != owner
                    for body in session.slices[i, owner]
                ],
                "partial": session.partials[owner].hex(),
                "sums": [body.hex() for body in session.slice_sums[owner]],
            },
        )


def _elements(count: int, field: str = "m31", first: int | None = None) -> bytes:
    p, values = MODULI[field], [k + 1 for k in range(count)]
    if first is not None and values:
        values[0] = first
    return reference.little_endian([value % (p + 2) for value in values], WIDTHS[field])


def _given(
    kind: str, body: bytes, *, weights: Sequence[int], length: int, sender: int, receiver: int = 0,
    field: str = "m31", sum_mode: str = "sharded",
) -> Json:  # fmt: skip
    return {
        "kind": kind,
        "body": body.hex(),
        "weights": list(weights),
        "length": length,
        "field": field,
        "sum_mode": sum_mode,
        "sender": sender,
        "receiver": receiver,
    }


WEIGHTS = (3, 0, -1, 2)
"""The second peer observes: contributors 1, 3 and 4 own the slices 0, 1 and 2."""


def _right_pieces() -> Iterator[tuple[str, Json, int, int]]:
    """Yield a name, a piece, its number and how many elements it has."""
    for kind, sender, receiver in (("SLICE", 1, 4), ("SLICE_SUM", 4, 0)):
        place: Json = {"sender": sender, "receiver": receiver, "weights": WEIGHTS}
        body = piece_body(0, _elements(4))
        yield f"{kind} of 4 elements", _given(kind, body, length=10, **place), 0, 4
        body = piece_body(0, _elements(4, "m61"))
        more: Json = {**place, "field": "m61"}
        yield f"{kind} of 4 elements in m61", _given(kind, body, length=10, **more), 0, 4
        long = 3 * PIECE + 3  # every slice has a piece of 2^18 elements, and one of 1
        body = piece_body(1, _elements(1))
        yield f"{kind}, its second piece", _given(kind, body, length=long, **place), 1, 1
    empty = piece_body(0, b"")
    owned: Json = {"weights": WEIGHTS, "length": 2, "sender": 1}
    yield "an empty slice", _given("SLICE", empty, **{**owned, "sender": 3, "receiver": 1}), 0, 0
    yield "an empty sum", _given("SLICE_SUM", empty, **owned), 0, 0


def _wrong_pieces(topic: Topic) -> None:
    """Add pieces that a slice has, and those that it does not have."""
    for name, given, number, count in _right_pieces():
        shown: Json = {"piece": number, "elements": count}
        topic.accept("check a piece", name, given, shown)
    p = MODULI["m31"]
    for kind, sender, receiver in (("SLICE", 1, 4), ("SLICE_SUM", 4, 0)):
        place: Json = {"weights": WEIGHTS, "length": 10, "sender": sender, "receiver": receiver}
        long: Json = {**place, "length": 3 * PIECE + 3}
        wrong: dict[str, tuple[bytes, Json]] = {
            "the piece 1 of a slice that has one": (piece_body(1, _elements(4)), place),
            "the empty piece 1 of a slice that has one": (piece_body(1, b""), place),
            "the piece 2^64 - 1": (piece_body(2**64 - 1, _elements(4)), place),
            "the piece 2 of a slice that has two": (piece_body(2, _elements(1)), long),
            "the second piece has two elements": (piece_body(1, _elements(2)), long),
            "the second piece is empty": (piece_body(1, b""), long),
            "an element is missing": (piece_body(0, _elements(3)), place),
            "an element too many": (piece_body(0, _elements(5)), place),
            "a byte is missing": (piece_body(0, _elements(4)[:-1]), place),
            "a byte too many": (piece_body(0, _elements(4) + b"\x00"), place),
            "no elements": (piece_body(0, b""), place),
            "the first element is p": (piece_body(0, _elements(4, first=p)), place),
            "the first element is p + 1": (piece_body(0, _elements(4, first=p + 1)), place),
            "the last element is all ones": (
                piece_body(0, _elements(4)[:-4] + b"\xff" * 4),
                place,
            ),
            "the number is little-endian": (
                (1).to_bytes(8, "little") + _elements(1),
                long,
            ),
            "the number has four bytes": (bytes(4) + _elements(4), place),
            "the number is cut short": (bytes(7), place),
            "an empty body": (b"", place),
            "where whole sums are sent to all": (
                piece_body(0, _elements(4)),
                {**place, "sum_mode": "broadcast"},
            ),
            "from an observer": (piece_body(0, _elements(4)), {**place, "sender": 2}),
        }
        if kind == "SLICE":
            to_observer = {**place, "receiver": 2}
            wrong["to an observer"] = (piece_body(0, _elements(3)), to_observer)
            other = {**place, "receiver": 3}
            wrong["of the size of another slice"] = (piece_body(0, _elements(4)), other)
        for why, (body, at) in wrong.items():
            topic.reject("check a piece", f"{kind}: {why}", _given(kind, body, **at))
    _wrong_lists(topic)


def _wrong_lists(topic: Topic) -> None:
    place: Json = {"weights": WEIGHTS, "length": 3 * PIECE + 3, "sender": 4}
    good = fixed("a list", 64)
    shown: Json = {"piece": 0, "elements": 0}
    topic.accept("check a piece", "a list of two", _given("PARTIAL", good, **place), shown)
    for why, body in {
        "a digest is missing": good[:32],
        "a digest too many": good + good[:32],
        "a byte is missing": good[:-1],
        "it is empty": b"",
        "it is msgpack": pack([good[:32], good[32:]]),
    }.items():
        topic.reject("check a piece", f"a list: {why}", _given("PARTIAL", body, **place))
    wrong = _given("PARTIAL", good, **{**place, "sender": 2})
    topic.reject("check a piece", "a list of an observer", wrong)


# -- the ratchet ------------------------------------------------------------------------------


def ratchet_topic() -> Topic:
    """Steps of the ratchet, and what is sealed under its keys."""
    topic = Topic("ratchet", "10.7", "Steps of the ratchet, and the SHAREs of later rounds.")
    for number, dealer, receiver in (1, 1, 2), (1, 2, 1), (2, 1, 2), (258, 999, 1000):
        link = fixed(f"a link from {dealer} to {receiver}")
        place: Json = {"session": SESSION.hex(), "round": number}
        place |= {"dealer": dealer, "receiver": receiver}
        seed, key, following = messages.ratchet(SESSION, number, dealer, receiver, link)
        topic.accept(
            "take a step",
            f"to round {number}, from {dealer} to {receiver}",
            {**place, "link": link.hex()},
            {"seed": seed.hex(), "key": key.hex(), "next_link": following.hex()},
        )
    link = fixed("the seed of round 0")
    chain: list[Json] = []
    for number in range(1, 5):
        seed, key, link = messages.ratchet(SESSION, number, 1, 2, link)
        chain.append({"seed": seed.hex(), "key": key.hex()})
    given: Json = {"session": SESSION.hex(), "dealer": 1, "receiver": 2, "rounds": 4}
    topic.accept(
        "go on for rounds",
        "four rounds",
        {**given, "seed": fixed("the seed of round 0").hex()},
        {"steps": chain, "next_link": link.hex()},
    )
    for strict in (False, True):
        _shares(topic, strict=strict)
    _of_a_session(topic, later())
    return topic


def _shares(topic: Topic, *, strict: bool) -> None:
    """Add a SHARE of round 1, and what does not open or says too much."""
    link, mask_share = fixed("a link"), b"" if strict else b"\x00" + fixed("a b-share")
    place: Json = {"session": SESSION.hex(), "round": 1, "dealer": 1, "receiver": 2}
    place |= {"strict": strict, "field": "m31", "length": 4}
    seed, key, following = messages.ratchet(SESSION, 1, 1, 2, link)
    info = messages.sealing_info(SESSION, 1, 1, 2)

    def sealed(plaintext: bytes, *, key: bytes = key, info: bytes = info) -> str:
        return sealing.seal_once(key, plaintext, info).hex()

    good = pack([b"", mask_share])
    name = "strict" if strict else "with a b-share"
    case = topic.accept(
        "open a later share",
        name,
        {**place, "link": link.hex(), "sealed": sealed(good)},
        {"plaintext": good.hex(), "seed": seed.hex(), "mask_share": mask_share.hex()},
    )
    data = bytes.fromhex(sealed(good))
    other = fixed("another key")
    wrong: dict[str, str] = {
        "sealed under another key": sealed(good, key=other),
        "sealed under the seed": sealed(good, key=seed),
        "sealed under the next link": sealed(good, key=following),
        "sealed under the link": sealed(good, key=link),
        "sealed under the key of the next round": sealed(
            good, key=messages.ratchet(SESSION, 2, 1, 2, following)[1]
        ),
        "sealed under the key of the other direction": sealed(
            good, key=messages.ratchet(SESSION, 1, 2, 1, link)[1]
        ),
        "sealed for round 0": sealed(good, info=messages.sealing_info(SESSION, 0, 1, 2)),
        "sealed for round 2": sealed(good, info=messages.sealing_info(SESSION, 2, 1, 2)),
        "sealed for another receiver": sealed(good, info=messages.sealing_info(SESSION, 1, 1, 3)),
        "sealed without an info": sealed(good, info=b""),
        "a bit of the ciphertext": flipped(data, 0).hex(),
        "a bit of the tag": flipped(data, -1).hex(),
        "a byte is missing": data[:-1].hex(),
        "a byte too many": data.hex() + "00",
        "empty": "",
        "it brings the right seed": sealed(pack([seed, mask_share])),
        "it brings another seed": sealed(pack([fixed("another seed"), mask_share])),
        "it brings one byte": sealed(pack([b"\x00", mask_share])),
        "it has no seed where an empty one is due": sealed(pack([mask_share])),
        "a byte behind it": sealed(good + b"\x00"),
        "the b-share of the other mode": sealed(pack([b"", bytes(33) if strict else b""])),
    }
    for why, text in wrong.items():
        topic.reject_changed(case, f"{name}: {why}", sealed=text)
    changes: dict[str, Json] = {
        "of the round after it": {"round": 2},
        "from another dealer": {"dealer": 3},
        "to another receiver": {"receiver": 3},
        "of another session": {"session": fixed("another session").hex()},
        "with another link": {"link": fixed("another link").hex()},
    }
    for why, change in changes.items():
        topic.reject_changed(case, f"{name}: opened as one {why}", **change)


def _of_a_session(topic: Topic, session: ReferenceSession) -> None:
    """Add the SHAREs of round 2 of a whole session, whose frames are in signed.json."""
    for (dealer, receiver), body in session.sealed.items():
        link = session.draw(f"share from {dealer} to {receiver}", 32)
        for number in range(1, session.round):
            link = messages.ratchet(session.id, number, dealer, receiver, link)[2]
        topic.accept(
            "open a later share",
            f'round {session.round} of "later", from {dealer} to {receiver}',
            {
                "session": session.id.hex(),
                "round": session.round,
                "dealer": dealer,
                "receiver": receiver,
                "strict": False,
                "field": session.field,
                "length": len(session.total),
                "link": link.hex(),
                "sealed": body.hex(),
            },
            {
                "plaintext": session.plaintext(dealer, receiver).hex(),
                "seed": session.sent[dealer, receiver].hex(),
                "mask_share": session.mask_shares[dealer][receiver].hex(),
            },
        )
    assert KINDS["SHARE"] == 7
    assert session.round > three().round
