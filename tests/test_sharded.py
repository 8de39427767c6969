"""Sharded mode: slices of masked sums go to their owners, in pieces, and the sums come back.

Pieces have two elements here, so that short vectors travel in several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pmpc import slices, steps
from p2pmpc.disputes import check_evidence
from p2pmpc.encoding import checksum
from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import (
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
    exit_code_of,
)
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement
from p2pmpc.exhibit import check_exhibit, render_evidence
from p2pmpc.field import Words
from p2pmpc.frames import body_digest
from p2pmpc.identity import format_id
from p2pmpc.messages import Kind, Message, Partial, Signed, Slice, SliceSum
from p2pmpc.summing import bytes_of, masked_sum, pieces_of
from p2pmpc.transcript import TranscriptFault, render, verify
from p2pmpc.wire import encode_body
from tests import reference, reference_messages
from tests.party import Party
from tests.reference_messages import KINDS
from tests.strategies import integers
from tests.test_observers import kinds_sent

VALUES = [[k, -k, 3 * k, 7, 0, 1, -2, 5, 11] for k in (1, 30, -500, 7000)]
"""With the checksum ten elements: slices of 3, 3 and 4 among three, all of two pieces."""
CULPRIT = 3


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Let pieces have two elements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "PIECE", 2)
        yield


def begun(peers: int = 3, **parameters: Any) -> Party:
    """Return a party in sharded mode that has signed its rosters."""
    party = Party(VALUES[:peers], sum_mode="sharded", **parameters)
    party.start()
    return party


def kind_of(frame: bytes) -> Kind:
    """Return the kind that a frame names."""
    return Kind(frame[4])


def run_until_taken(party: Party, kind: Kind, count: int = 1, receiver: int = 1) -> None:
    """Deliver until one peer has taken so many of the culprit's messages of a kind."""

    def taken() -> bool:
        frames = party.delivered.get((CULPRIT, receiver), [])
        return sum(kind_of(frame) is kind for frame in frames) == count

    party.run(
        lambda links: min(links, key=lambda link: (link != (CULPRIT, receiver), link)), until=taken
    )
    assert taken()
    assert party.members[receiver].error is None


def hand_over(party: Party, message: Message, receiver: int = 1) -> RemoteProtocolError:
    """Let the culprit say something more, and return what its hearer ends with."""
    party.hand_over(CULPRIT, receiver, party.frame(CULPRIT, message, receiver))
    error = party.members[receiver].error
    assert isinstance(error, RemoteProtocolError)
    assert exit_code_of(error) == 4
    assert error.peers == (CULPRIT,)
    assert error.revealed is Revealed.NOTHING
    return error


def proven(party: Party, error: RemoteProtocolError, claim: Claim) -> None:
    """Hold that an error brings a proof that every member, and anybody with the file, accepts."""
    assert isinstance(error, Dispute)
    assert error.evidence.claim is claim
    assert error.evidence.culprit == CULPRIT
    for member in party.members.values():
        assert check_evidence(member.session, error.evidence)
    session = party.members[1].session
    shown = check_exhibit(render_evidence(session, error.evidence))
    assert shown.culprit == format_id(session.member(CULPRIT).id)


def changed(message: Message) -> Message:
    """Return a piece that differs in its first element."""
    assert isinstance(message, Slice | SliceSum)
    first = bytes([message.vector[0] ^ 1])
    return replace(message, vector=memoryview(first + bytes(message.vector[1:])))


def lying(
    party: Party, change: Callable[[Message], Message | None], victims: tuple[int, ...] = (1, 2, 4)
) -> Callable[[int, Signed[Message]], bytes | None]:
    """Return a change of the culprit's frames; None withholds one."""

    def frame(receiver: int, signed: Signed[Message]) -> bytes | None:
        if receiver not in victims:
            return frame_bytes(signed)
        said = change(signed.message)
        return None if said is None else party.frame(CULPRIT, said, receiver)

    return frame


def blamed(party: Party) -> list[RemoteProtocolError]:
    """Hold that every honest peer ends with 4 and the culprit's name, and return their errors."""
    errors = []
    for error in party.errors(but=CULPRIT):
        assert isinstance(error, RemoteProtocolError)
        assert CULPRIT in error.peers
        errors.append(error)
    return errors


# -- totals -------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(-5, 5), min_size=2, max_size=6).filter(lambda w: sum(map(bool, w)) >= 2),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from(["m31", "m61"]),
    st.sampled_from(["seeds", "dense"]),
)
@settings(max_examples=30)
def test_slices_give_the_total_of_whole_sums(
    seed: int, weights: list[int], length: int, strict: bool, field: str, share_mode: str
) -> None:
    """Any order, weights, observers, length and mode: the plain sum, and one transcript of it."""
    random = Random(seed)
    values = [[random.randint(-99, 99) * bool(w) for _ in range(length)] for w in weights]
    party = Party(
        values, weights, strict=strict, field=field, share_mode=share_mode, sum_mode="sharded",
        allow_two=True,
    )  # fmt: skip
    party.start()
    party.run(random.choice)
    assert party.totals() == [party.expected] * len(weights)
    texts = {render(m.finished.record) for m in party.members.values() if m.finished is not None}
    (text,) = texts
    shown = verify(text)
    assert shown.recomputed
    assert shown.total.values is not None
    assert list(shown.total.values[:-1]) == party.expected


def test_both_modes_give_one_total() -> None:
    """The same inputs give the same total, whole or in slices."""
    totals = []
    for mode in ("broadcast", "sharded"):
        party = Party(VALUES, sum_mode=mode)
        party.start()
        party.run()
        totals.append(party.totals())
    assert totals[0] == totals[1] == [party.expected] * 4


def test_two_contributors_own_half_each() -> None:
    """Two may sum in slices, for those who allow it."""
    party = begun(2, allow_two=True)
    party.run()
    assert party.totals() == [party.expected] * 2


@pytest.mark.parametrize("peers", [3, 5, 8])
def test_there_may_be_more_owners_than_elements(peers: int) -> None:
    """An empty slice is one empty piece, sent and listed like any other."""
    party = Party([[k] for k in range(peers)], sum_mode="sharded")
    party.start()
    party.run()
    assert party.totals() == [party.expected] * peers


def test_observers_are_told_the_sums_of_slices_and_no_slice() -> None:
    """An observer gets lists and sums, no SHARE and no SLICE, and ends with the same total."""
    party = Party([VALUES[0], [0] * 9, VALUES[1], VALUES[2]], [1, 0, -2, 3], sum_mode="sharded")
    party.start()
    party.run()
    assert party.totals() == [party.expected] * 4
    for contributor in (1, 3, 4):
        kinds = kinds_sent(party, contributor, 2)
        assert not {Kind.SHARE, Kind.SLICE} & set(kinds)
        assert kinds.count(Kind.PARTIAL) == 1
        assert kinds.count(Kind.SLICE_SUM) == 2
        assert kinds_sent(party, 2, contributor) == [Kind.ACCEPT, Kind.CONFIRM]


def test_a_lost_peer_is_finished_without() -> None:
    """Once its ECHO reached all, the others open for it in slices as they do in whole sums."""
    party = begun(4)
    party.run_to_echo()
    party.run_links(lambda sender, _receiver: sender == 4)
    party.lose(4)
    party.settle()
    assert party.totals() == [party.expected] * 3


# -- what is sent ---------------------------------------------------------------------------------


def test_all_that_is_sent_follows_from_what_broadcast_mode_sends_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every SLICE, PARTIAL and SLICE_SUM is made again from the E_j alone, by the reference.

    In broadcast mode everybody is sent every E_j. All other kinds of messages are made before, or of
    digests: so no coalition's view in this mode holds anything that its view in the other does not give.
    """
    hidden: dict[int, list[int]] = {}

    def watched(context: Any, *arguments: Any) -> Words:
        made = masked_sum(context, *arguments)
        hidden[context.session.own_index] = integers(made)
        return made

    monkeypatch.setattr(steps, "masked_sum", watched)
    said: list[tuple[int, int, Signed[Message]]] = []
    party = Party([VALUES[0], [0] * 9, VALUES[1], VALUES[2]], [1, 0, -2, 3], sum_mode="sharded")

    def note(sender: int, receiver: int, signed: Signed[Message]) -> bytes:
        said.append((sender, receiver, signed))
        return frame_bytes(signed)

    party.tamper = note
    party.start()
    party.run()
    assert party.totals() == [party.expected] * 4
    p, contributors = party.parameters.arithmetic.modulus, [1, 3, 4]
    total = reference.weighted_sum([hidden[i] for i in contributors], [1] * 3, p)

    def bodies(vector: list[int], owner: int) -> list[bytes]:
        place = contributors.index(owner)
        start, stop = reference_messages.slice_bounds(len(vector), 3, place)
        part = vector[start:stop]
        return [
            reference_messages.piece_body(k, reference.little_endian(part[2 * k : 2 * k + 2], 4))
            for k in range((len(part) + 1) // 2)
        ]

    due: dict[tuple[int, int, Kind], list[bytes]] = {}
    for sender in contributors:
        listed = [reference.body_digest(KINDS["SLICE_SUM"], b) for b in bodies(total, sender)]
        for receiver in {1, 2, 3, 4} - {sender}:
            due[sender, receiver, Kind.PARTIAL] = [b"".join(listed)]
            due[sender, receiver, Kind.SLICE_SUM] = bodies(total, sender)
            if receiver in contributors:
                due[sender, receiver, Kind.SLICE] = bodies(hidden[sender], receiver)
    sent: dict[tuple[int, int, Kind], list[bytes]] = {}
    for sender, receiver, signed in said:
        kind = signed.message.kind
        if kind in {Kind.SLICE, Kind.PARTIAL, Kind.SLICE_SUM}:
            sent.setdefault((sender, receiver, kind), []).append(signed.body)
    assert sent == due
    whole = Party(VALUES[:3])
    kinds: set[Kind] = set()
    whole.tamper = lambda *said: kinds.add(said[2].message.kind) or frame_bytes(said[2])  # type: ignore[func-returns-value]
    whole.start()
    whole.run()
    assert {s.message.kind for *_, s in said} - {Kind.SLICE, Kind.SLICE_SUM} == kinds


# -- pieces of slices ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.SLICE, Kind.SLICE_SUM])
def test_a_piece_that_comes_twice_is_passed_over(kind: Kind) -> None:
    """An exact repetition is not summed again, after one piece or after all of them."""
    for count in (1, 2):
        party = begun()
        run_until_taken(party, kind, count)
        before = party.members[1].round.moves
        frames = [f for f in party.delivered[CULPRIT, 1] if kind_of(f) is kind]
        for frame in frames * 2:
            party.hand_over(CULPRIT, 1, frame)
        assert party.members[1].round.moves == before
        party.run()
        assert party.totals() == [party.expected] * 3


def said_before(party: Party, kind: Kind) -> Message:
    """Return the culprit's first message of a kind as it came to peer 1."""
    frame = next(f for f in party.delivered[CULPRIT, 1] if kind_of(f) is kind)
    piece = Slice if kind is Kind.SLICE else SliceSum
    body = frame[73:]
    return piece(int.from_bytes(body[:8], "big"), memoryview(body)[8:])


@pytest.mark.parametrize("count", [1, 2])
def test_a_slice_that_differs_from_the_one_before_is_a_violation(count: int) -> None:
    """Row 11: it names its sender, and no proof is made, since what was used is not kept."""
    party = begun()
    run_until_taken(party, Kind.SLICE, count)
    error = hand_over(party, changed(said_before(party, Kind.SLICE)))
    assert "another piece of this number came before" in error.message
    assert not isinstance(error, Dispute)


@pytest.mark.parametrize("count", [1, 2])
def test_a_sum_that_differs_from_the_one_before_is_not_the_one_listed(count: int) -> None:
    """Row 11: whichever of the two was not listed proves itself."""
    party = begun()
    run_until_taken(party, Kind.SLICE_SUM, count)
    error = hand_over(party, changed(said_before(party, Kind.SLICE_SUM)))
    proven(party, error, Claim.WRONG_PIECE)


@pytest.mark.parametrize("kind", [Kind.SLICE, Kind.SLICE_SUM])
def test_pieces_come_in_order(kind: Kind) -> None:
    """A piece before the one before it is a violation: streams keep their order."""
    party = begun()

    def drop_first(message: Message) -> Message | None:
        assert isinstance(message, Slice | SliceSum)
        return message if message.piece else None

    party.corrupt(CULPRIT, {kind: lying(party, drop_first)})
    party.run()
    for error in blamed(party):
        assert (
            "ended the session" in error.message or "came before the one before it" in error.message
        )


@pytest.mark.parametrize("kind", [Kind.SLICE, Kind.SLICE_SUM])
def test_there_is_no_piece_behind_the_last(kind: Kind) -> None:
    """After the last piece no further one has a place."""
    party = begun()
    run_until_taken(party, kind, 2)
    piece = Slice if kind is Kind.SLICE else SliceSum
    error = hand_over(party, piece(2, memoryview(bytes(8))))
    assert "at the wrong place" in error.message


def bad_pieces() -> Iterator[tuple[str, Callable[[Message], Message]]]:
    """Yield what is wrong with a piece, whichever it is."""

    def of(change: Callable[[memoryview], bytes], number: int = 0) -> Callable[[Message], Message]:
        def made(message: Message) -> Message:
            assert isinstance(message, Slice | SliceSum)
            vector = memoryview(change(message.vector))
            return replace(message, piece=message.piece + number, vector=vector)

        return made

    yield "a byte short", of(lambda v: bytes(v[:-1]))
    yield "an element short", of(lambda v: bytes(v[:-4]))
    yield "an element too long", of(lambda v: bytes(v) + bytes(4))
    yield "empty", of(lambda _: b"")
    yield "p", of(lambda v: b"\xff\xff\xff\x7f" + bytes(v[4:]))
    yield "above p", of(lambda v: b"\xff" * len(v))
    yield "far away", of(bytes, 1 << 40)


BAD_PIECES = dict(bad_pieces())


@pytest.mark.parametrize("name", BAD_PIECES)
@pytest.mark.parametrize("kind", [Kind.SLICE, Kind.SLICE_SUM])
def test_a_piece_that_nobody_could_have_sent_proves_itself(kind: Kind, name: str) -> None:
    """Row 19: a wrong number, size or element ends with 4 and a proof that anybody accepts."""
    party = begun()
    party.corrupt(CULPRIT, {kind: lying(party, BAD_PIECES[name])})
    party.run()
    errors = blamed(party)
    assert errors
    for error in errors:
        if "over its cap" not in error.message:  # the header is not signed
            proven(party, error, Claim.ILL_FORMED)


@pytest.mark.parametrize("size", [0, 7])
@pytest.mark.parametrize("kind", [Kind.SLICE, Kind.SLICE_SUM])
def test_a_piece_without_a_number_proves_itself(kind: Kind, size: int) -> None:
    """A body that does not hold a whole number is refused where frames are opened."""
    party = begun()
    run_until_taken(party, kind, 1)
    to = 1 if kind is Kind.SLICE else None
    party.hand_over(CULPRIT, 1, party.forge(CULPRIT, kind, bytes(size), receiver=to))
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    proven(party, error, Claim.ILL_FORMED)


def test_a_piece_of_another_owner_is_of_a_wrong_size() -> None:
    """A slice is signed to its owner; as many elements as another one's slice has do not fit."""
    party = begun()
    run_until_taken(party, Kind.SLICE, 1)
    frame = next(f for f in party.queues[CULPRIT, 2] if kind_of(f) is Kind.SLICE)
    party.hand_over(CULPRIT, 1, frame)  # signed to 2
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (CULPRIT,)
    assert "signature" in error.message


def test_an_observer_is_sent_no_slice() -> None:
    """A SLICE has no place on a link to an observer, nor a SLICE or a list on one from it."""
    party = Party([VALUES[0], [0] * 9, VALUES[1], VALUES[2]], [1, 0, -2, 3], sum_mode="sharded")
    party.start()
    party.run_to_echo()
    to_observer = party.frame(3, Slice(0, memoryview(bytes(8))), 2)
    party.hand_over(3, 2, to_observer)
    error = party.members[2].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (3,)
    for message in (Slice(0, memoryview(bytes(8))), SliceSum(0, memoryview(bytes(8)))):
        party.hand_over(2, 1, party.frame(2, message, 1))
    assert len(party.members[1].dismissed) == 1  # and nothing that it says counts any more
    party.settle()
    assert party.totals() == [party.expected] * 3


def test_in_broadcast_mode_there_are_no_pieces() -> None:
    """A SLICE does not even fit its cap where whole sums are sent to all."""
    party = Party(VALUES[:3])
    party.start()
    party.run_to_echo()
    body = encode_body(Slice(0, memoryview(bytes(8))))
    party.hand_over(CULPRIT, 1, party.forge(CULPRIT, Kind.SLICE, body, receiver=1))
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (CULPRIT,)


# -- lists and sums of slices -----------------------------------------------------------------------


@pytest.mark.parametrize("victims", [(1, 2), (1,), (2,)])
@pytest.mark.parametrize("number", [0, 1])
def test_a_sum_that_was_not_listed_convicts_its_owner(
    number: int, victims: tuple[int, ...]
) -> None:
    """Row 12: all honest peers end with 4 and its name, with a proof of list and piece."""
    party = begun()

    def other(message: Message) -> Message:
        assert isinstance(message, SliceSum)
        return changed(message) if message.piece == number else message

    party.corrupt(CULPRIT, {Kind.SLICE_SUM: lying(party, other, victims)})
    party.run()
    for error in blamed(party):
        proven(party, error, Claim.WRONG_PIECE)


@pytest.mark.parametrize("size", [0, 1, 32, 63])
def test_a_list_of_another_number_of_pieces_proves_itself(size: int) -> None:
    """A list has one digest for every piece of its owner's slice."""
    party = begun()
    party.corrupt(CULPRIT, {Kind.PARTIAL: lying(party, lambda _: Partial(bytes(size)))})
    party.run()
    for error in blamed(party):
        proven(party, error, Claim.ILL_FORMED)


def test_a_list_is_in_the_order_of_the_pieces() -> None:
    """The digest of a piece in the place of another one is not its own."""
    party = begun()

    def turned(message: Message) -> Message:
        assert isinstance(message, Partial)
        return Partial(message.content[32:] + message.content[:32])

    party.corrupt(CULPRIT, {Kind.PARTIAL: lying(party, turned)})
    party.run()
    for error in blamed(party):
        proven(party, error, Claim.WRONG_PIECE)


def test_different_lists_for_different_peers_are_equivocation() -> None:
    """Each with its fitting sums: the echoes differ, and the two lists prove it."""
    party = begun()
    made: dict[int, bytes] = {}

    def other_sum(receiver: int, signed: Signed[Message]) -> bytes:
        message = signed.message
        assert isinstance(message, SliceSum)
        if receiver == 2:
            return frame_bytes(signed)
        return party.frame(CULPRIT, changed(message), receiver)

    def other_list(receiver: int, signed: Signed[Message]) -> bytes:
        if receiver == 2:
            return frame_bytes(signed)
        own = party.members[CULPRIT].round
        words = own._steps.heard.slices.own_sum()
        pieces = [changed(m) for m in pieces_of(own.session, CULPRIT, words)]
        made[receiver] = b"".join(body_digest(m.kind, encode_body(m)) for m in pieces)
        return party.frame(CULPRIT, Partial(made[receiver]), receiver)

    party.corrupt(CULPRIT, {Kind.PARTIAL: other_list, Kind.SLICE_SUM: other_sum})
    party.run()
    assert made.keys() == {1}
    for error in blamed(party):
        proven(party, error, Claim.EQUIVOCATION)


@pytest.mark.parametrize(
    "first", [Kind.SLICE, Kind.PARTIAL, Kind.SLICE_SUM], ids=lambda kind: str(kind.name)
)
def test_an_owner_that_is_silent_is_named(first: Kind) -> None:
    """Row 2: whoever keeps slices or sums back is missing at everybody, and nothing is revealed."""
    party = begun()
    party.corrupt(
        CULPRIT, {kind: lambda _receiver, _signed: None for kind in Kind if kind >= first}
    )
    party.run()
    party.time_out()
    for error in party.errors(but=CULPRIT):
        assert isinstance(error, PeerMissing)
        assert error.peers == (CULPRIT,)
        assert error.revealed is Revealed.NOTHING


def test_an_owner_that_is_lost_before_its_sum_ends_the_round() -> None:
    """Row 2: without the sum of its slice there is no total, and a rerun is safe."""
    party = begun()
    party.run_links(lambda *link: kind_of(party.queues[link][0]) < Kind.SLICE)
    party.run(until=lambda: party.members[1].round.links[CULPRIT].column.name == "SLICED")
    party.lose(CULPRIT)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert error.peers == (CULPRIT,)
        assert error.revealed is Revealed.NOTHING


def summing_otherwise(party: Party, owner: int, shift: dict[int, int]) -> None:
    """Let an owner add something to the sum of its slice, by places within it, before it lists it."""
    party.dishonest.add(owner)
    round_ = party.members[owner].round
    sums, arithmetic = round_._steps.heard.slices, party.parameters.arithmetic
    honest = sums.own_sum

    def own_sum() -> Words:
        words = honest().copy()
        for place, by in shift.items():
            words[place] = (int(words[place]) + by) % arithmetic.modulus
        return words

    vars(sums)["own_sum"] = own_sum


def test_a_wrong_sum_that_is_listed_gives_no_total() -> None:
    """What its owner tells all alike breaks the checksum: no number, and nobody is named."""
    party = begun()
    summing_otherwise(party, 1, {0: 1})
    party.run()
    assert party.totals() == []
    for error in party.errors():
        assert isinstance(error, VerificationFailed)
        assert error.revealed is Revealed.MAYBE_TOTAL


def test_the_owner_of_the_last_slice_may_add_what_it_chose_blind() -> None:
    """With a fitting checksum, which lies in its own slice, the total is honest + D.

    D is fixed before anything is open, as if it had brought another input: this is what is promised
    and no more, and docs/attacks.md says so.
    """
    party = begun()
    session = party.members[1].session
    arithmetic, length = party.parameters.arithmetic, party.parameters.length
    start = session.slices.bounds(2).start
    one = arithmetic.zeros(length)
    one[start] = 5
    last = session.slices.size(2) - 1
    summing_otherwise(party, 3, {0: 5, last: checksum(one, session.id, 0, arithmetic)})
    party.run()
    expected = [*party.expected]
    expected[start] += 5
    assert party.totals() == [expected] * 3


def test_any_owner_may_make_its_shift_fit() -> None:
    """The checksum's owner is honest, and is sent a SLICE in which the checksum is shifted likewise."""
    party = begun()
    session, arithmetic = party.members[1].session, party.parameters.arithmetic
    one = arithmetic.zeros(party.parameters.length)
    one[0] = 5
    shift = checksum(one, session.id, 0, arithmetic)
    last = session.slices.pieces(2) - 1

    def shifted(receiver: int, signed: Signed[Message]) -> bytes:
        message = signed.message
        assert isinstance(message, Slice)
        if receiver != 3 or message.piece != last:
            return frame_bytes(signed)
        words = arithmetic.decode(message.vector, 2).copy()
        words[-1] = (int(words[-1]) + shift) % arithmetic.modulus
        return party.frame(1, replace(message, vector=bytes_of(words)), receiver)

    party.corrupt(1, {Kind.SLICE: shifted})
    summing_otherwise(party, 1, {0: 5})
    party.run()
    assert party.totals() == [[party.expected[0] + 5, *party.expected[1:]]] * 3


# -- evidence ------------------------------------------------------------------------------------------


def honest_pieces(party: Party) -> list[Statement]:
    """Return every PARTIAL, SLICE and SLICE_SUM of an honest round, as its signer said it."""
    statements = []
    for (sender, receiver), frames in party.delivered.items():
        for frame in frames:
            kind = kind_of(frame)
            if kind in {Kind.PARTIAL, Kind.SLICE, Kind.SLICE_SUM}:
                to = receiver if kind is Kind.SLICE else TO_EVERYBODY
                body = frame[73:]
                digest = body_digest(kind, body)
                statements.append(Statement(sender, to, kind, 0, digest, frame[9:73], body))
    return statements


def test_honest_pieces_prove_nothing() -> None:
    """No piece, list, or two of them in either order convict anybody of anything."""
    party = begun()
    party.run()
    session, said = party.members[1].session, honest_pieces(party)
    assert len(said) == 6 * (1 + 2 + 2)
    for claim in (Claim.EQUIVOCATION, Claim.ILL_FORMED, Claim.WRONG_PIECE, Claim.WRONG_SHARE):
        for one in said:
            for others in ((), *((two,) for two in said if two.sender == one.sender)):
                evidence = Evidence(claim, one.sender, (one, *others))
                with pytest.raises(VerificationFailed, match=f"not prove {claim.value}"):
                    check_evidence(session, evidence)


def wrong_piece(party: Party) -> Evidence:
    """Return the proof that the culprit sent another piece than it listed."""
    notary = party.members[CULPRIT].notary
    listed = party.members[1].round.links[CULPRIT].message(Kind.PARTIAL)
    other = changed(said_before(party, Kind.SLICE_SUM))
    both = Statement.of(CULPRIT, listed), Statement.of(CULPRIT, notary.sign(other))
    return Evidence(Claim.WRONG_PIECE, CULPRIT, both)


def forged_pieces(party: Party, good: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Yield evidence of a wrong piece that proves nothing."""
    listed, piece = good.statements
    notary, other = party.members[CULPRIT].notary, party.members[1].notary

    def signed(message: Message, number: int = 0) -> Statement:
        return Statement.of(CULPRIT, notary.sign(message, round_number=number))

    def of(*statements: Statement) -> Evidence:
        return replace(good, statements=statements)

    right = said_before(party, Kind.SLICE_SUM)
    assert isinstance(right, SliceSum)
    yield "the piece that was listed", of(listed, signed(right))
    yield "in the other order", of(piece, listed)
    yield "one alone", of(piece)
    of_round_1 = changed(right)
    yield "a piece of another round", of(listed, signed(of_round_1, 1))
    yield (
        "a list of another peer",
        of(Statement.of(1, party.members[2].round.links[1].message(Kind.PARTIAL)), piece),
    )
    yield "a piece of another peer", of(listed, Statement.of(1, other.sign(changed(right))))
    yield "of another peer, both", replace(good, culprit=1)
    yield "a piece behind the list", of(listed, signed(replace(right, piece=2)))
    yield "a list of a wrong size", of(signed(Partial(bytes(32))), piece)
    yield "no list", of(signed(changed(right)), piece)
    yield "a body left out", of(replace(listed, body=b""), piece)
    yield "the piece's body left out", of(listed, replace(piece, body=b""))
    yield "another body", of(listed, replace(piece, body=encode_body(right)))


def test_forged_evidence_of_a_wrong_piece_proves_nothing() -> None:
    """Only a piece with a place in the list, both signed by the culprit in one round, convicts it."""
    party = begun()
    party.run()
    session, good = party.members[1].session, wrong_piece(party)
    assert (
        check_evidence(session, good) == "sent another piece of its slice's sum than it had listed"
    )
    for why, evidence in forged_pieces(party, good):
        with pytest.raises(VerificationFailed):
            pytest.fail(f"{why}: {check_evidence(session, evidence)}")


# -- transcripts ---------------------------------------------------------------------------------------


def test_a_transcript_holds_the_total_to_what_was_listed() -> None:
    """No S_j is in it; another total, even with a fitting digest and checksum, is noticed."""
    party = begun()
    party.run()
    finished = party.members[1].finished
    assert finished is not None
    text = render(finished.record)
    assert " sum digest=" not in text
    assert "sum-mode=sharded" in text
    record, arithmetic = finished.record, party.parameters.arithmetic
    shift = arithmetic.zeros(10)
    shift[0] = 1
    shift[9] = checksum(shift[:9], record.session.id, 0, arithmetic)
    other = replace(record, total=arithmetic.add(record.total, shift))
    with pytest.raises(TranscriptFault, match="masked slices were signed"):
        verify(render(other))


def test_a_long_total_is_held_to_the_lists_where_it_was_kept() -> None:
    """Without the vector only digests are compared; with it, all of it is computed again."""
    party = Party([[k * n for n in range(70)] for k in (1, 2, 3)], sum_mode="sharded")
    party.start()
    party.run()
    finished = party.members[1].finished
    assert finished is not None
    text = render(finished.record)
    assert not verify(text).recomputed
    assert verify(text, {0: finished.record.total}).recomputed
    wrong = finished.record.total.copy()
    wrong[3] += np.uint32(1)
    with pytest.raises(TranscriptFault, match="masked slices were signed"):
        verify(text, {0: wrong})
    with pytest.raises(TranscriptFault, match="another length"):
        verify(text, {0: wrong[1:]})
