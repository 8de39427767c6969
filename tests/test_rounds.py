"""Several rounds of one session: each draws afresh, and nothing of one has a place in another."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from p2pmpc import slices
from p2pmpc.envelope import frame_bytes
from p2pmpc.errors import (
    ConfigurationError,
    LocalProtocolError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    exit_code_of,
)
from p2pmpc.messages import Commitment, Kind, Share, Unmask
from p2pmpc.parameters import Parameters
from p2pmpc.transcript import render, verify
from p2pmpc.wire import decode_share, encode_share
from tests import reference_messages
from tests.party import Member, Party
from tests.test_protocol import MODES

ROUNDS = 5
every_mode = pytest.mark.parametrize("mode", MODES, ids=str)


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Let pieces have two elements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "PIECE", 2)
        yield


def values_of(number: int, peers: int = 4) -> list[list[int]]:
    """Return what peers bring to a round; the third one observes."""
    rows = [[100 * number + k, -k, number, k * k] for k in range(peers)]
    return [row if k != 2 else [0] * 4 for k, row in enumerate(rows)]


WEIGHTS = [1, -2, 0, 3]


def seeds_of(member: Member) -> dict[tuple[int, int], bytes]:
    """Return the seeds, or elements, that a peer dealt in its round."""
    dealing, own = member.round.dealing, member.session.own_index
    assert dealing is not None
    return {(own, other): plain.share for other, plain in dealing.plains.items()}


def dealt(party: Party) -> dict[tuple[int, int], bytes]:
    """Return every seed of the round."""
    found: dict[tuple[int, int], bytes] = {}
    for member in party.members.values():
        if member.session.contributes:
            found |= seeds_of(member)
    return found


def drawn(party: Party) -> list[bytes]:
    """Return every secret that somebody drew or derived for the round."""
    secrets = list(dealt(party).values())
    for member in party.members.values():
        dealing = member.round.dealing
        if dealing is not None:
            secrets.append(dealing.mask_seed)
            secrets += [p.mask_share for p in dealing.plains.values() if p.mask_share]
    return secrets


# -- totals -------------------------------------------------------------------------------------


@every_mode
def test_every_round_has_its_own_total(mode: dict[str, Any]) -> None:
    """Five rounds in any order of arrival: each total is the plain sum of what it was brought."""
    random = Random(7)
    party = Party(values_of(0), WEIGHTS, **mode)
    party.start()
    secrets: list[bytes] = []
    texts: set[str] = set()
    for number in range(ROUNDS):
        if number:
            party.next_round(values_of(number))
        party.run(random.choice)
        assert party.totals() == [party.expected] * 4
        secrets += drawn(party)
        shown = set()
        for member in party.members.values():
            assert member.finished is not None
            assert member.round.number == member.finished.record.round == number
            shown.add(render(member.finished.record))
        (text,) = shown
        proven = verify(text)
        assert (proven.round, proven.recomputed) == (number, True)
        texts.add(text)
    assert len(texts) == ROUNDS
    assert len(set(secrets)) == len(secrets), "something was drawn twice"


def test_two_contributors_go_on_for_many_rounds() -> None:
    """A session has no end of its own."""
    party = Party([[1], [2]], [1, 1], allow_two=True, sum_mode="sharded")
    party.start()
    party.run()
    for number in range(1, 20):
        party.next_round([[number], [2 * number]])
        party.run()
        assert party.totals() == [[3 * number]] * 2


def test_a_peer_lost_in_a_later_round_is_opened_for() -> None:
    """b-shares are dealt afresh, so a majority finishes a later round as it does the first."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    party.next_round(values_of(1))
    party.run_to_echo()
    party.run_links(lambda sender, _receiver: sender == 4)
    party.lose(4)
    party.settle()
    assert party.totals() == [party.expected] * 3


def test_a_peer_lost_before_the_echo_of_a_later_round_reveals_nothing_of_it() -> None:
    """The earlier totals stand; of this round nothing is said."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    party.next_round(values_of(1))
    party.lose(4)
    party.settle()
    for error in party.errors():
        assert isinstance(error, PeerMissing)
        assert error.revealed is Revealed.EARLIER


# -- seeds --------------------------------------------------------------------------------------


def test_seeds_go_on_as_the_reference_says() -> None:
    """Every pair's seed in round r is r steps from the one that was sealed in round 0."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    session, links = party.members[1].session.id, dealt(party)
    for number in (1, 2, 3):
        party.next_round(values_of(number))
        party.run()
        for (i, j), seed in dealt(party).items():
            expected, _, links[i, j] = reference_messages.ratchet(
                session, number, i, j, links[i, j]
            )
            assert seed == expected
            plain = party.members[j].round.links[i].plain
            assert plain is not None
            assert plain.share == seed


def test_a_share_of_a_later_round_brings_no_seed_and_is_small() -> None:
    """It is sealed under a key of the ratchet, without a public-key operation."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    sizes = {len(f) for fs in party.delivered.values() for f in fs if f[4] == Kind.SHARE}
    assert min(sizes) > 1000
    party.delivered.clear()
    party.next_round(values_of(1))
    party.run()
    sizes = {len(f) for fs in party.delivered.values() for f in fs if f[4] == Kind.SHARE}
    assert max(sizes) < 200


def test_dense_shares_have_no_ratchet() -> None:
    """Elements are drawn and sealed anew every round, so the sealing key is kept."""
    party = Party(values_of(0), WEIGHTS, share_mode="dense")
    party.start()
    party.run()
    party.next_round(values_of(1))
    assert party.members[1].round._steps.ratchet is None
    party.run()
    assert party.totals() == [party.expected] * 4


def reachable(root: object) -> set[bytes]:
    """Return all byte strings that can be reached from an object's state."""
    seen: set[int] = set()
    found: set[bytes] = set()
    todo = [root]
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(
            value, type | ModuleType | FunctionType | BuiltinFunctionType
        ):
            continue
        seen.add(id(value))
        if isinstance(value, bytes):
            found.add(value)
        elif isinstance(value, MethodType):
            todo.append(value.__self__)
        else:
            todo += gc.get_referents(value)
    return found


@pytest.mark.parametrize("mode", [{}, {"strict": True}, {"sum_mode": "sharded"}], ids=str)
def test_a_round_holds_nothing_that_gives_an_earlier_one(mode: dict[str, Any]) -> None:
    """Neither seeds nor links nor masks of earlier rounds are in reach of the machine."""
    party = Party(values_of(0), WEIGHTS, **mode)
    party.start()
    party.run()
    first = party.members[1].round
    plains = [link.plain for link in first.links.values() if link.plain is not None]
    before = {*seeds_of(party.members[1]).values(), *(plain.share for plain in plains)}
    assert before <= reachable(first)  # the search finds what is there
    assert first.dealing is not None
    before.add(first.dealing.mask_seed)
    for number in (1, 2, 3):
        party.next_round(values_of(number))
        machine = party.members[1].round
        assert not reachable(machine) & before
        party.run()
        assert not reachable(machine) & before
        assert machine.dealing is not None
        before.add(machine.dealing.mask_seed)
        before |= set(seeds_of(party.members[1]).values())


def test_the_sealing_key_is_given_up_once_rounds_go_on_from_its_shares() -> None:
    """Whoever takes a process in a later round cannot open the recorded SHAREs of round 0."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    member, context = party.members[1], party.members[1].round._steps.context
    share = member.round.links[2].message(Kind.SHARE).message
    assert isinstance(share, Share)
    info = context.sealing_info(2, 1)
    opened = member.sealing_key.open(share.sealed, info)
    plain = decode_share(opened, member.session.limits, strict=False)
    assert plain.share == dealt(party)[2, 1]
    party.next_round(values_of(1))
    with pytest.raises(LocalProtocolError, match="forgotten"):
        member.sealing_key.open(share.sealed, info)
    party.run()
    assert party.totals() == [party.expected] * 4


# -- messages of other rounds -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in Kind if Kind.ACCEPT < k < Kind.ABORT], ids=str)
def test_a_message_of_an_earlier_round_has_no_place(kind: Kind) -> None:
    """The machine refuses what the runner passes over: it counts for nothing in a later round."""
    sharded = kind in {Kind.SLICE, Kind.SLICE_SUM}
    party = Party(values_of(0, 5), [*WEIGHTS, 1], sum_mode="sharded" if sharded else "broadcast")
    party.start()
    if kind is Kind.UNMASK:
        frame = party.frame(4, Unmask(2, bytes(33)))
    party.run()
    if kind is not Kind.UNMASK:
        frame = next(f for f in party.delivered[4, 1] if f[4] == kind)
    party.next_round(values_of(1, 5))
    party.hand_over(4, 1, frame)
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert error.peers == (4,)
    assert "a message of round 0" in error.message


def test_a_message_signed_for_another_round_is_not_one_of_this() -> None:
    """A frame says its round, and the signature covers it: neither can be changed."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    frame = next(f for f in party.delivered[4, 1] if f[4] == Kind.COMMITMENT)
    party.next_round(values_of(1))
    moved = frame[:5] + (1).to_bytes(4, "big") + frame[9:]
    party.hand_over(4, 1, moved)
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert "signature" in error.message
    assert exit_code_of(error) == 4


def test_a_share_of_another_round_does_not_open() -> None:
    """A dealer that seals for round 1 what it sealed for round 0 names the pair."""
    party = Party(values_of(0), WEIGHTS)
    party.start()
    party.run()
    old = party.members[1].round.links[4].message(Kind.SHARE).message
    assert isinstance(old, Share)
    party.dishonest.add(4)
    committed: list[Commitment] = []

    def tamper(sender: int, receiver: int, signed: Any) -> bytes | None:
        message = signed.message
        if sender != 4 or (receiver != 1 and not isinstance(message, Commitment)):
            return frame_bytes(signed)
        if isinstance(message, Commitment):
            context = party.members[4].round._steps.context
            digest = context.sealed_digest(4, 1, old.sealed)
            committed.append(message)
            shares = (digest, *message.shares[1:])
            return party.frame(4, Commitment(message.mask, message.mask_shares, shares))
        if isinstance(message, Share):
            return party.frame(4, old, 1)
        return frame_bytes(signed)

    party.tamper = tamper
    party.next_round(values_of(1))
    party.run()
    assert committed
    error = party.members[1].error
    assert isinstance(error, RemoteProtocolError)
    assert "does not open" in error.message
    assert 4 in error.peers


def test_the_number_of_rounds_is_agreed_or_open() -> None:
    """It is one by default, a parameter that all sign, and 0 where a session goes on as long as all do."""
    assert Parameters(bytes(32), 3).rounds == 1
    assert Parameters(bytes(32), 3, rounds=0).shown("rounds") == "open"
    with pytest.raises(ConfigurationError, match="rounds"):
        Parameters(bytes(32), 3, rounds=-1)


@pytest.mark.parametrize("strict", [False, True])
def test_a_share_of_a_later_round_that_brings_a_seed_is_refused(strict: bool) -> None:
    """Even the right seed: what follows from the ratchet is not said again."""
    party = Party(values_of(0), WEIGHTS, strict=strict)
    party.start()
    party.run()
    rows = values_of(1)
    party.values = rows
    for member, row in zip(party.members.values(), rows, strict=True):
        member.go_on(row)
    ratchet = party.members[4].round._steps.ratchet
    assert ratchet is not None
    honest = ratchet.seal

    def seal(receiver: int, plaintext: bytes, info: bytes) -> bytes:
        limits = party.members[4].session.limits
        plain = decode_share(plaintext, limits, strict=strict, ratcheted=True)
        told = replace(plain, share=ratchet.seed(4, receiver))
        return honest(receiver, encode_share(told), info)

    vars(ratchet)["seal"] = seal
    for index, member in party.members.items():
        party.perform(index, member.round.start())
    party.run()
    for index in (1, 2):
        error = party.members[index].error
        assert isinstance(error, RemoteProtocolError)
        assert 4 in error.peers
    assert party.totals() == []
