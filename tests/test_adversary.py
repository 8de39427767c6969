"""One dishonest peer among honest ones: it is named, nothing leaks, and no wrong total is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.dealing import RoundContext
from p2pmpc.errors import AgreementFailed, PeerMissing, RemoteProtocolError, Revealed, exit_code_of
from p2pmpc.membership import abort_message
from p2pmpc.messages import (
    PAIRWISE,
    Abort,
    Commitment,
    Confirm,
    Echo,
    EchoEntry,
    Join,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    SharePlain,
    Signed,
    Unmask,
)
from p2pmpc.wire import encode_body, encode_share
from tests import reference
from tests.party import Party

VALUES = [[1, -2], [30, 40], [-500, 600], [7000, 8000]]
CULPRIT = 3
ZEROS, SIGNATURE = bytes(32), bytes(64)


def begun(peers: int = 3, **parameters: Any) -> Party:
    """Return a party that has signed its rosters."""
    party = Party(VALUES[:peers], **parameters)
    party.start()
    return party


def blamed(party: Party, *, for_sure: bool = True) -> None:
    """Hold that every honest peer ends with 4 and names the culprit.

    Args:
        party: After its run.
        for_sure: It alone; a peer that only heard of it names the one who told as well.
    """
    assert party.totals() == []
    for error in party.errors(but=CULPRIT):
        assert exit_code_of(error) == 4
        assert CULPRIT in error.peers
        assert not for_sure or error.peers == (CULPRIT,)
        assert f"peer-{CULPRIT:02} (" in error.message


def hand_over(party: Party, frame: bytes, receiver: int = 1) -> RemoteProtocolError:
    """Let a frame come over the culprit's link, and return what its receiver ends with."""
    party.hand_over(CULPRIT, receiver, frame)
    error = party.members[receiver].error
    assert isinstance(error, RemoteProtocolError)
    assert CULPRIT in error.peers
    return error


def run_until_taken(party: Party, kind: Kind, receiver: int = 1) -> None:
    """Deliver until one peer has taken the culprit's message of a kind, and has not ended."""

    def taken() -> bool:
        return any(frame[4] == kind for frame in party.delivered.get((CULPRIT, receiver), []))

    def culprit_first(links: list[tuple[int, int]]) -> tuple[int, int]:
        return min(links, key=lambda link: (link != (CULPRIT, receiver), link))

    party.run(culprit_first, until=taken)
    assert taken()
    assert party.members[receiver].error is None
    assert party.members[receiver].finished is None


def changed(message: Message) -> Message:
    """Return another message of the same kind and shape."""
    match message:
        case Commitment():
            return replace(message, mask=ZEROS)
        case Share():
            return Share(message.sealed[:-1])
        case Partial(vector):
            return Partial(bytes(len(vector)))
        case Echo(entries):
            return Echo((replace(entries[0], partial=ZEROS), *entries[1:]))
        case Open():
            return replace(message, mask_seed=ZEROS)
        case Unmask():
            return replace(message, share=bytes(33))
        case Confirm():
            return Confirm(ZEROS)
        case _:
            raise AssertionError(message)


def lying_to(
    party: Party, victims: Iterable[int], change: Callable[[Message], Message]
) -> Callable[[int, Signed[Message]], bytes]:
    """Return a change of the culprit's frames that shows only some receivers another message."""

    def frame(receiver: int, signed: Signed[Message]) -> bytes:
        message = change(signed.message) if receiver in victims else signed.message
        return party.frame(CULPRIT, message, receiver)

    return frame


# -- two different things in one place ------------------------------------------------------

ROUND_KINDS = (
    Kind.COMMITMENT,
    Kind.SHARE,
    Kind.PARTIAL,
    Kind.ECHO,
    Kind.OPEN,
    Kind.CONFIRM,
)
every_round_kind = pytest.mark.parametrize("kind", ROUND_KINDS, ids=lambda kind: str(kind.name))


@every_round_kind
def test_another_message_in_the_same_place_names_its_sender(kind: Kind) -> None:
    """A second message of a kind, signed as well as the first, is a violation of its sender."""
    party = begun()
    run_until_taken(party, kind)
    signed = party.members[1].round.links[CULPRIT].message(kind)
    error = hand_over(party, party.frame(CULPRIT, changed(signed.message), 1))
    assert error.peers == (CULPRIT,)
    assert "another one of this kind came before" in error.message
    assert party.members[1].finished is None


def test_another_mask_share_in_the_same_place_names_its_sender() -> None:
    """An UNMASK about one peer may be repeated, and not changed."""
    party = begun(4)
    run_until_taken(party, Kind.ECHO)
    party.run(until=lambda: all("echo" in member.steps for member in party.members.values()))
    party.run(lambda links: next(link for link in links if link[0] == 4),
              until=lambda: not any(link[0] == 4 for link in party.waiting()))
    party.lose(4)
    run_until_taken(party, Kind.UNMASK)
    known = party.members[1].round.links[CULPRIT].said[Kind.UNMASK, 4]
    error = hand_over(party, party.frame(CULPRIT, changed(known.message)))
    assert error.peers == (CULPRIT,)
    assert "another one of this kind came before" in error.message


@pytest.mark.parametrize("kind", [Kind.COMMITMENT, Kind.PARTIAL], ids=str)
@pytest.mark.parametrize("victims", [{1}, {2}, {1, 2}, {4}], ids=str)
@pytest.mark.parametrize("peers", [3, 4])
def test_equivocation_names_its_author_everywhere(
    kind: Kind, victims: set[int], peers: int
) -> None:
    """Different commitments or partial sums to different peers end with 4 at all honest ones."""
    party = Party(VALUES[:peers])
    honest = set(party.members) - {CULPRIT}
    party.corrupt(CULPRIT, {kind: lying_to(party, victims, changed)})
    party.start()
    party.settle()
    if victims & honest not in ({}, honest):
        blamed(party)


@given(st.integers(0, 2**32), st.sampled_from([Kind.COMMITMENT, Kind.PARTIAL]))
def test_equivocation_is_found_in_every_order(seed: int, kind: Kind) -> None:
    """Whatever the order of arrival, every honest peer of four ends with 4 and the right name."""
    random = Random(seed)
    party = Party(VALUES)
    victims = set(random.sample([1, 2, 4], random.choice([1, 2])))
    party.corrupt(CULPRIT, {kind: lying_to(party, victims, changed)})
    party.start()
    for _ in range(4):
        party.run(random.choice)
        party.time_out()
    blamed(party, for_sure=False)
