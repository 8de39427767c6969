"""The ratchet: keys that go on from round to round, and leave nothing of the way back."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.ratchet import Ratchet
from tests import reference_messages, reference_sealing

SESSION = b"\x0a" * 32


def chain(i: int, j: int, seed: bytes, rounds: int) -> list[tuple[bytes, bytes, bytes]]:
    """Return seed, key and link of rounds 1, 2, ... as the reference makes them."""
    made, link = [], seed
    for number in range(1, rounds + 1):
        made.append(reference_messages.ratchet(SESSION, number, i, j, link))
        link = made[-1][2]
    return made


def pair(seeds: tuple[bytes, bytes] | None = None) -> tuple[Ratchet, Ratchet, bytes, bytes]:
    """Return the ratchets of peers 1 and 2, and the two seeds that they dealt each other."""
    there, back = seeds or (os.urandom(32), os.urandom(32))
    one = Ratchet(SESSION, 1, {2: there}, {2: back})
    return one, Ratchet(SESSION, 2, {1: back}, {1: there}), there, back


def held(ratchet: Ratchet) -> set[bytes]:
    """Return every byte string in a ratchet's state."""

    def within(value: object) -> Iterable[bytes]:
        if isinstance(value, bytes):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from within(item)

    return {found for value in vars(ratchet).values() for found in within(value)}


def test_both_ends_take_the_steps_of_the_reference() -> None:
    """Seeds and keys of every round are those that the protocol's description gives."""
    one, two, there, back = pair()
    for number, (forth, home) in enumerate(
        zip(chain(1, 2, there, 6), chain(2, 1, back, 6), strict=True), start=1
    ):
        for ratchet in (one, two):
            ratchet.advance(number)
            assert ratchet.seed(1, 2) == forth[0]
            assert ratchet.seed(2, 1) == home[0]
        assert one.seal(2, b"a share", b"info") == reference_sealing.seal_once(
            forth[1], b"a share", b"info"
        )
        assert two.seal(1, b"a share", b"info") == reference_sealing.seal_once(
            home[1], b"a share", b"info"
        )


@given(st.integers(1, 2**32 - 1), st.integers(1, 1000), st.integers(1, 1000))
def test_a_step_binds_round_and_direction(number: int, i: int, j: int) -> None:
    """Every other round, dealer, receiver, session or purpose gives something else."""
    link = bytes(range(32))
    made = {
        value
        for session, at, dealer, receiver in {
            (SESSION, number, i, j),
            (bytes(32), number, i, j),
            (SESSION, number - 1, i, j),
            (SESSION, number, i + 1, j),
            (SESSION, number, i, j + 1),
        }
        for value in reference_messages.ratchet(session, at, dealer, receiver, link)
    }
    assert len(made) == 15
    ratchet = Ratchet(SESSION, i, {j: link}, {})
    ratchet.advance(number)
    assert ratchet.seed(i, j) in made


def test_what_is_sealed_opens_at_the_other_end_in_its_round() -> None:
    """A SHARE opens once both ends stand in its round, and under its own info alone."""
    one, two, *_ = pair()
    for number in (1, 2, 3):
        one.advance(number)
        two.advance(number)
        sealed, back = one.seal(2, b"forth", b"info"), two.seal(1, b"back", b"info")
        assert two.open(1, sealed, b"info") == b"forth"
        assert one.open(2, back, b"info") == b"back"
        for data, info in (
            (sealed, b"other info"),
            (sealed[:-1], b"info"),
            (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"info"),
            (bytes([sealed[0] ^ 1]) + sealed[1:], b"info"),
            (back, b"info"),
            (b"", b"info"),
            (b"short", b"info"),
        ):
            with pytest.raises(RemoteProtocolError, match="does not open"):
                two.open(1, data, info)
    two.advance(4)
    with pytest.raises(RemoteProtocolError, match="does not open"):
        two.open(1, sealed, b"info")


def test_a_key_seals_once() -> None:
    """One nonce serves because no key is used again: the second time there is none."""
    one, *_ = pair()
    one.advance(1)
    one.seal(2, b"a share", b"info")
    with pytest.raises(KeyError):
        one.seal(2, b"another", b"info")


def test_a_step_forgets_what_was_before() -> None:
    """No link, seed or key of an earlier round is in the state, nor what they follow from."""
    one, two, there, back = pair()
    links = {there, back}
    rounds = list(zip(chain(1, 2, there, 5), chain(2, 1, back, 5), strict=True))
    for number, (forth, home) in enumerate(rounds, start=1):
        for ratchet in (one, two):
            ratchet.advance(number)
            assert not held(ratchet) & links
            assert held(ratchet) == {SESSION, *forth, *home}
        links |= {*forth, *home}


def test_a_stolen_state_opens_nothing_of_the_rounds_before() -> None:
    """From link r come all later rounds, and by no step in either direction an earlier one.

    A state holds three values a chain: whoever has it can make every later value, which the
    reference shows, and none of what was sealed before opens under any of them.
    """
    one, two, there, _ = pair()
    sealed = []
    for number in (1, 2, 3):
        one.advance(number)
        two.advance(number)
        sealed.append(one.seal(2, b"a share", b"info"))
    stolen = held(two)
    later = chain(1, 2, there, 3)[2][2]
    assert later in stolen
    reach = set(stolen)
    for at in range(8):  # whatever anybody can derive with the ratchet's own step
        for i, j in ((1, 2), (2, 1)):
            for link in tuple(stolen):
                reach |= set(reference_messages.ratchet(SESSION, at, i, j, link))
    for message in sealed[:2]:
        for key in reach:
            assert not opens(key, message)
    assert opens(chain(1, 2, there, 3)[2][1], sealed[2])
    assert reference_messages.ratchet(SESSION, 4, 1, 2, later) == chain(1, 2, there, 4)[3]


def opens(key: bytes, sealed: bytes) -> bool:
    """Return whether a key opens what was sealed."""
    try:
        AESGCM(key).decrypt(bytes(12), sealed, b"info")
    except (InvalidTag, ValueError):
        return False
    return True
