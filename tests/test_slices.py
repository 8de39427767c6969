"""Slices and their sums: every element lies in one piece of one slice, and is summed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc import slices
from p2pmpc.dealing import RoundContext
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.field import Words
from p2pmpc.frames import Limits
from p2pmpc.messages import Accept, Commitment, Kind, Message, Partial, Slice, SliceSum
from p2pmpc.parameters import Parameters
from p2pmpc.product import FIELDS, Ring
from p2pmpc.session import Member, Session
from p2pmpc.slices import Slices
from p2pmpc.summing import (
    SliceSums,
    bytes_of,
    check_content,
    pieces_of,
    slice_digests,
    subtract_masks_in_place,
    with_masks,
)
from p2pmpc.wire import encode_body
from tests import reference, reference_messages
from tests.reference_messages import KINDS
from tests.strategies import integers

WEIGHTS = (3, 0, -1, 2)
"""The second member observes, so the places of those behind it differ from their indices."""

lengths = st.integers(2, 400)
counts = st.integers(2, 60)
sizes = st.integers(1, 50)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pieces have two elements, so that short vectors have several."""
    monkeypatch.setattr(slices, "PIECE", 2)


def session_of(
    length: int, *, own: int = 1, weights: Sequence[int] = WEIGHTS, **parameters: str
) -> Session:
    """Return a session of which no more is known than how vectors are cut."""
    shape: dict[str, Any] = {"sum_mode": "sharded", **parameters}
    made = Parameters(bytes(32), len(weights), length=length - 1, **shape)
    members = tuple(cast(Member, SimpleNamespace(weight=weight)) for weight in weights)
    contributing = [index for index, weight in enumerate(weights, 1) if weight]
    places = {index: place for place, index in enumerate(contributing)}
    return Session(made, members, own, Accept(made, ()), b"\x0a" * 32, places)


def drawn(field: Ring, length: int) -> Words:
    """Return random residues, as wide as on the wire."""
    values = [int.from_bytes(os.urandom(16), "big") % field.modulus for _ in range(length)]
    return field.vector(values)


# -- where slices and pieces lie --------------------------------------------------------------


@given(lengths, counts)
def test_slices_follow_each_other_and_give_the_whole(length: int, owners: int) -> None:
    """Every element has one owner, whatever the numbers; no two slices differ by more than one."""
    cut = Slices(length, owners)
    owned = [element for place in range(owners) for element in range(length)[cut.bounds(place)]]
    assert owned == list(range(length))
    found = [cut.size(place) for place in range(owners)]
    assert sum(found) == length
    assert max(found) - min(found) <= 1
    expected = [reference_messages.slice_bounds(length, owners, place) for place in range(owners)]
    assert [(s.start, s.stop) for s in map(cut.bounds, range(owners))] == expected


@given(lengths, counts, sizes)
def test_pieces_follow_each_other_and_give_their_slice(length: int, owners: int, size: int) -> None:
    """No piece is longer than allowed, only the last is shorter, and an empty slice has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "PIECE", size)
        cut = Slices(length, owners)
        for place in range(owners):
            pieces = [cut.piece(place, number) for number in range(cut.pieces(place))]
            covered = [element for piece in pieces for element in range(length)[piece]]
            assert covered == list(range(cut.size(place)))
            assert pieces
            assert all(piece.stop - piece.start == size for piece in pieces[:-1])
            assert 0 <= pieces[-1].stop - pieces[-1].start <= min(size, cut.largest_piece)
            assert len(pieces) <= cut.most_pieces


@pytest.mark.parametrize(
    ("length", "owners", "pieces"),
    [
        (1 << 18, 1, 1),
        ((1 << 18) + 1, 1, 2),
        (3 << 18, 3, 1),
        ((3 << 18) + 1, 3, 2),
        (2, 1000, 1),
    ],
)
def test_pieces_of_a_mebibyte(length: int, owners: int, pieces: int) -> None:
    """The size of a piece is part of the protocol: 2^18 elements."""
    assert slices.PIECE == reference_messages.PIECE == 1 << 18
    assert Slices(length, owners).pieces(owners - 1) == pieces


# -- sums of slices -----------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("length", [2, 3, 4, 7, 40])
@pytest.mark.usefixtures("small")
def test_sums_of_slices_put_together_are_the_sum(field: str, length: int) -> None:
    """What owners sum piece by piece and an observer puts together is the sum of all vectors."""
    arithmetic = FIELDS[field]
    hidden = {i: drawn(arithmetic, length) for i in (1, 3, 4)}
    total = SliceSums(session_of(length, own=2, field=field))
    for owner in hidden:
        session = session_of(length, own=owner, field=field)
        place, cut, sums = session.places[owner], session.slices, SliceSums(session)
        for vector in hidden.values():
            part = vector[cut.bounds(place)]
            for number in range(cut.pieces(place)):
                sums.add(part[cut.piece(place, number)], number)
        for message in pieces_of(session, owner, sums.own_sum()):
            size = len(message.vector) // arithmetic.width
            words = arithmetic.decode(message.vector, size)
            total.put(owner, words, message.piece)
        sums.put(owner, sums.own_sum())
        assert arithmetic.integers(sums.hidden[cut.bounds(place)]) == arithmetic.integers(
            sums.own_sum()
        )
    expected = reference.weighted_sum(
        [arithmetic.integers(vector) for vector in hidden.values()], [1] * 3, arithmetic.modulus
    )
    assert arithmetic.integers(total.hidden) == expected


@pytest.mark.usefixtures("small")
def test_a_list_is_of_the_digests_of_the_pieces_that_follow() -> None:
    """What a PARTIAL lists is what anybody makes of the sum again, with the reference."""
    session, hidden = session_of(17), drawn(FIELDS["m31"], 17)
    for owner, place in session.places.items():
        part = integers(hidden[session.slices.bounds(place)])
        bodies = [
            reference_messages.piece_body(
                number, reference.little_endian(part[first : first + 2], 4)
            )
            for number, first in enumerate(range(0, len(part), 2))
        ]
        said = [
            encode_body(m) for m in pieces_of(session, owner, hidden[session.slices.bounds(place)])
        ]
        assert said == bodies
        digests = [reference.body_digest(KINDS["SLICE_SUM"], body) for body in bodies]
        assert slice_digests(session, owner, hidden) == b"".join(digests)


@pytest.mark.parametrize("field", FIELDS)
def test_masks_that_are_taken_off_go_on_again(field: str) -> None:
    """Verification gets back to the sum of the masked sums, and leaves the total as it is."""
    context, arithmetic = RoundContext(session_of(30, field=field), 5), FIELDS[field]
    seeds = {index: os.urandom(32) for index in (1, 3, 4)}
    hidden = drawn(arithmetic, 30)
    total = hidden.copy()
    subtract_masks_in_place(context, total, seeds)
    assert arithmetic.integers(total) != arithmetic.integers(hidden)
    before = total.copy()
    again = with_masks(context, arithmetic.from_signed(arithmetic.to_signed(total)), seeds)
    assert arithmetic.integers(again) == arithmetic.integers(hidden)
    assert arithmetic.integers(total) == arithmetic.integers(before)


def test_bytes_of_words_lie_where_the_words_do() -> None:
    """Nothing is copied where words follow each other in memory."""
    words = drawn(FIELDS["m31"], 8)
    view = bytes_of(words[2:5])
    assert view == FIELDS["m31"].encode(words)[8:20]
    words[2] = 7
    assert bytes(view[:4]) == b"\x07\x00\x00\x00"


# -- what nobody could have sent ------------------------------------------------------------------


def piece(kind: type[Slice] | type[SliceSum], number: int, *elements: int) -> Message:
    """Return a piece of 4-byte elements."""
    return kind(number, memoryview(reference.little_endian(elements, 4)))


def wrong_pieces() -> Iterator[tuple[str, int, int, Message]]:
    """Yield why, sender, receiver and what none of them could have sent; slices have 3, 3 and 4."""
    p = FIELDS["m31"].modulus
    for kind, sender, receiver in ((Slice, 1, 4), (SliceSum, 4, 0)):
        yield "fewer", sender, receiver, piece(kind, 2, 1)
        yield "fewer", sender, receiver, piece(kind, (1 << 64) - 1, 1, 2)
        yield "bytes where 8 were due", sender, receiver, piece(kind, 0, 1)
        yield "bytes where 8 were due", sender, receiver, piece(kind, 0, 1, 2, 3)
        yield "bytes where 8 were due", sender, receiver, piece(kind, 1)
        yield "not below p", sender, receiver, piece(kind, 1, p, 2)
        yield "not below p", sender, receiver, piece(kind, 0, 1, p + 1)
        yield "bytes where 8 were due", sender, receiver, kind(0, memoryview(bytes(7)))
    yield "bytes where 4 were due", 4, 3, piece(Slice, 1, 1, 2)
    yield "no part", 1, 2, piece(Slice, 0, 1, 2)
    yield "no part", 2, 1, piece(Slice, 0, 1, 2)
    yield "no part", 2, 0, piece(SliceSum, 0, 1, 2)
    yield "no part", 2, 0, Partial(bytes(64))
    yield "no part", 2, 0, Commitment(bytes(32), (), (bytes(32),) * 3)
    for size in (0, 32, 63, 65, 96, 16 * 4):
        if size != 64:
            yield "another number of pieces", 1, 0, Partial(bytes(size))


@pytest.mark.parametrize(
    ("why", "sender", "receiver", "message"),
    [pytest.param(*case, id=f"{k}-{case[0]}") for k, case in enumerate(wrong_pieces())],
)
@pytest.mark.usefixtures("small")
def test_what_nobody_could_have_sent_is_refused(
    why: str, sender: int, receiver: int, message: Message
) -> None:
    """Numbers, sizes, elements, senders and receivers of pieces are those of the slices."""
    context = RoundContext(session_of(10), 0)
    with pytest.raises(RemoteProtocolError, match=why):
        check_content(context, sender, receiver, message)


@pytest.mark.usefixtures("small")
def test_what_could_have_been_sent_is_not() -> None:
    """The pieces beside those that are refused are taken, empty ones included."""
    context = RoundContext(session_of(10), 0)
    for message in (piece(Slice, 0, 1, 2), piece(Slice, 1, 3, 4)):
        check_content(context, 1, 4, message)
    for message in (piece(SliceSum, 0, 1, 2), piece(SliceSum, 1, 3)):
        check_content(context, 1, 0, message)
    check_content(context, 1, 0, Partial(bytes(64)))
    narrow = RoundContext(session_of(2), 0)
    check_content(narrow, 3, 1, piece(Slice, 0))
    check_content(narrow, 1, 0, piece(SliceSum, 0))
    check_content(narrow, 1, 0, Partial(bytes(32)))
    with pytest.raises(RemoteProtocolError, match="fewer"):
        check_content(narrow, 1, 0, piece(SliceSum, 1))


@pytest.mark.parametrize("kind", [Slice, SliceSum])
def test_where_sums_are_whole_there_are_no_pieces(
    kind: Callable[[int, memoryview], Message],
) -> None:
    """In broadcast mode no piece is right, whatever it says."""
    context = RoundContext(session_of(10, sum_mode="broadcast"), 0)
    with pytest.raises(RemoteProtocolError, match="whole sums are sent to all"):
        check_content(context, 1, 3, kind(0, memoryview(bytes(40))))


@given(lengths, counts, st.sampled_from(["m31", "m61"]))
def test_every_piece_fits_its_cap(length: int, owners: int, field: str) -> None:
    """Caps follow from the session alone, and no honest piece or list is over them."""
    session = session_of(length, weights=(1,) * owners, field=field)
    limits = Limits.of(session.parameters, contributors=owners)
    hidden = np.zeros(length, dtype=session.parameters.arithmetic.word)
    for owner, place in session.places.items():
        for message in pieces_of(session, owner, hidden[session.slices.bounds(place)]):
            assert len(encode_body(message)) <= limits.body_cap(Kind.SLICE_SUM)
            assert limits.body_cap(Kind.SLICE) == limits.body_cap(Kind.SLICE_SUM)
        assert len(slice_digests(session, owner, hidden)) <= limits.body_cap(Kind.PARTIAL)
