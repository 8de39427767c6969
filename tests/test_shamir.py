"""Shamir's sharing of a mask seed against the reference."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.shamir import PRIME, Entropy, check_share, combine, split, uniform_below
from tests import reference

SECRET = bytes(range(32))
secrets = st.one_of(st.sampled_from([bytes(32), b"\xff" * 32]), st.binary(min_size=32, max_size=32))


def playing(*strings: bytes) -> Entropy:
    """Return an entropy source that plays the given strings, and nothing after them."""
    left = list(strings)

    def entropy(size: int) -> bytes:
        string = left.pop(0)
        assert len(string) == size
        return string

    return entropy


def drawn(coefficient: int) -> bytes:
    """Return the 33 bytes from which 257 bits of a coefficient are drawn."""
    return (coefficient << 7).to_bytes(33, "big")


def test_the_prime_is_the_first_above_32_bytes() -> None:
    """2^256 + 297 is a (probable) prime and no smaller number above 2^256 is one."""
    assert PRIME == reference.SHAMIR_PRIME
    passing = [n for n in range(2**256 + 1, PRIME + 1, 2) if pow(3, n - 1, n) == 1]
    assert passing == [PRIME]


@pytest.mark.parametrize(
    ("x", "share"),
    [
        (1, "00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d4e57"),
        (2, "00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1ddf01"),
        (1000, "00000102030405060708090a0b0c0d0e0f101112131415161718191a1dfbeeda77"),
    ],
)
def test_shares_are_known(x: int, share: str) -> None:
    """Known coefficients give known shares: x = roster index, 33 bytes, big-endian."""
    coefficients = (PRIME - 1, 12345)
    shares = split(SECRET, 3, range(1, 1001), playing(*map(drawn, coefficients)))
    assert shares[x].hex() == share
    assert reference.shamir_share(SECRET, coefficients, x).hex() == share


@given(secrets, st.data())
def test_shares_agree_with_the_reference(secret: bytes, data: st.DataObject) -> None:
    """Every share is the value of the one polynomial that the entropy draws."""
    count = data.draw(st.integers(1, 7))
    threshold = data.draw(st.integers(1, count))
    coefficients = data.draw(
        st.lists(st.integers(0, PRIME - 1), min_size=threshold - 1, max_size=threshold - 1)
    )
    points = data.draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count, unique=True))
    shares = split(secret, threshold, points, playing(*map(drawn, coefficients)))
    assert shares == {x: reference.shamir_share(secret, coefficients, x) for x in points}


@given(secrets, st.integers(1, 5), st.randoms(use_true_random=False))
def test_any_threshold_of_shares_gives_the_secret(
    secret: bytes, threshold: int, random: Random
) -> None:
    """Every set of t shares or more, in any order, gives back the secret."""
    shares = split(secret, threshold, range(1, 6), random.randbytes)
    for size in range(threshold, 6):
        for chosen in combinations(shares, size):
            held = {x: shares[x] for x in random.sample(chosen, len(chosen))}
            assert combine(held) == secret
            assert reference.shamir_value(held) == int.from_bytes(secret, "big")


def test_fewer_shares_do_not_give_the_secret() -> None:
    """Every set of t - 1 shares leads to another value, or to none of 32 bytes."""
    shares = split(SECRET, 4, range(1, 7), Random(1).randbytes)
    for chosen in combinations(shares, 3):
        held = {x: shares[x] for x in chosen}
        try:
            assert combine(held) != SECRET
        except RemoteProtocolError:
            assert reference.shamir_value(held) >= 2**256


def test_a_polynomial_without_32_bytes_at_0_is_refused() -> None:
    """Shares of a number above 2^256 come from no honest dealer."""
    with pytest.raises(RemoteProtocolError, match="no 32-byte secret"):
        combine({1: (2**256).to_bytes(33, "big")})


@pytest.mark.parametrize(
    "share",
    [b"", bytes(32), bytes(34), PRIME.to_bytes(33, "big"), b"\xff" * 33],
    ids=["empty", "short", "long", "p", "largest"],
)
def test_what_is_no_element_is_no_share(share: bytes) -> None:
    """A share has 33 bytes and is below the prime, alone and among others."""
    with pytest.raises(RemoteProtocolError):
        check_share(share)
    with pytest.raises(RemoteProtocolError):
        combine({1: bytes(33), 2: share})


def test_the_largest_element_is_a_share() -> None:
    """p - 1 is the last value that is taken."""
    assert check_share((PRIME - 1).to_bytes(33, "big")) == PRIME - 1


@pytest.mark.parametrize(
    ("secret", "threshold", "points"),
    [
        (bytes(31), 1, [1]),
        (bytes(33), 1, [1]),
        (SECRET, 0, [1, 2, 3]),
        (SECRET, 4, [1, 2, 3]),
        (SECRET, 3, [1, 2, 2]),
        (SECRET, 1, [0, 1]),
    ],
)
def test_impossible_sharings_are_local_errors(
    secret: bytes, threshold: int, points: list[int]
) -> None:
    """A wrong secret or threshold, or a share at 0, is this program's own mistake."""
    with pytest.raises(LocalProtocolError):
        split(secret, threshold, points, bytes)


def first_draw(limit: int, byte: int) -> int | None:
    """Return what a first byte is drawn as, or None if a second one is asked for."""
    source = [bytes([byte]), bytes(1)]
    value = uniform_below(limit, lambda _size: source.pop(0))
    return value if source else None


@pytest.mark.parametrize("limit", [2, 3, 5, 7, 128, 200, 256])
def test_draws_below_a_limit_are_exactly_uniform(limit: int) -> None:
    """Over all bytes that a draw can meet, every value below the limit comes equally often."""
    values = Counter(first_draw(limit, byte) for byte in range(256))
    values.pop(None, None)
    assert values == dict.fromkeys(range(limit), 256 >> (limit - 1).bit_length())


def test_draws_that_are_too_large_are_rejected() -> None:
    """257 bits that are not below the prime are drawn again, not reduced."""
    entropy = playing(drawn(PRIME), b"\xff" * 33, drawn(PRIME - 1))
    assert uniform_below(PRIME, entropy) == PRIME - 1
