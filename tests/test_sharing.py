"""Additive sharing: n shares give the secret, n - 1 say nothing."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.field import M31, M61, Field
from p2pmpc.prg import CHUNK
from p2pmpc.sharing import (
    Source,
    mask_expansion,
    share_expansion,
    uniform_vector,
    weighted_sum,
)
from tests import reference
from tests.strategies import TOYS, correction, fields, integers, residues, vector

SESSION = b"\x66" * 32
seeds = st.binary(min_size=32, max_size=32)


def words(values: list[int]) -> bytes:
    """Return 32-bit words as an entropy source plays them."""
    return reference.little_endian(values, 4)


@given(st.data(), fields, st.lists(seeds, min_size=1, max_size=5), st.integers(0, 3))
def test_all_shares_of_a_dealer_give_its_secret(
    data: st.DataObject, field: Field, drawn: list[bytes], number: int
) -> None:
    """Expanded seeds and the correction sum to the secret."""
    values = data.draw(st.lists(residues(field), min_size=1, max_size=6))
    given_away: list[Source] = [
        share_expansion(seed, SESSION, number, 1, j, field, len(values))
        for j, seed in enumerate(drawn, start=2)
    ]
    kept = correction(field, vector(values), given_away)
    terms: list[tuple[Source, int]] = [(kept, 1), *((share, 1) for share in given_away)]
    assert integers(weighted_sum(field, len(values), terms)) == values
    vectors = [weighted_sum(field, len(values), [(share, 1)]) for share in given_away]
    total = [sum(column) % field.modulus for column in zip(*map(integers, vectors), strict=True)]
    assert integers(kept) == [(v - t) % field.modulus for v, t in zip(values, total, strict=True)]


@pytest.mark.parametrize("field", TOYS, ids=lambda field: str(field.name))
def test_any_all_but_one_shares_are_uniform_whatever_the_secret(field: Field) -> None:
    """Over all draws of a dealer among three, any two shares take every pair equally often."""
    p = field.modulus
    for secret in range(p):
        shares: list[tuple[int, int, int]] = []
        for first, second in product(range(p), repeat=2):
            given_away: list[Source] = [vector([first]), vector([second])]
            kept = correction(field, vector([secret]), given_away)
            shares.append((int(kept[0]), first, second))
        for places in combinations(range(3), 2):
            views = Counter(tuple(share[place] for place in places) for share in shares)
            assert views == dict.fromkeys(product(range(p), repeat=2), 1)


@given(seeds, st.integers(0, 9), st.integers(1, 1000), st.integers(1, 1000), fields)
def test_shares_and_masks_expand_as_in_the_reference(
    seed: bytes, number: int, i: int, j: int, field: Field
) -> None:
    """A share binds dealer and receiver under its own label, a mask its owner under another."""

    def expected(purpose: str, first: int, second: int) -> list[int]:
        info = reference.expansion_info(purpose, number, first, second, field.name, 5)
        return reference.expand(seed, SESSION, info, field.modulus, field.width, 5)

    share = share_expansion(seed, SESSION, number, i, j, field, 5)
    assert integers(weighted_sum(field, 5, [(share, 1)])) == expected("share", i, j)
    mask = mask_expansion(seed, SESSION, number, i, field, 5)
    assert integers(weighted_sum(field, 5, [(mask, 1)])) == expected("mask", i, 0)


@pytest.mark.parametrize("field", [M31, M61], ids=lambda field: str(field.name))
@pytest.mark.parametrize("length", [1, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_sums_of_seeds_and_vectors_meet_at_chunks(field: Field, length: int) -> None:
    """What is expanded chunk by chunk equals the whole expansion, weighted, beside a vector."""
    seed, held = bytes(range(32)), np.arange(length, dtype=np.uint64)
    share = share_expansion(seed, SESSION, 0, 1, 2, field, length)
    total = weighted_sum(field, length, [(share, -3), (held, 5), (share, 1)])
    info = reference.expansion_info("share", 0, 1, 2, field.name, length)
    expanded = reference.expand(seed, SESSION, info, field.modulus, field.width, length)
    for place in {0, length // 2, min(CHUNK, length) - 1, length - 1}:
        assert int(total[place]) == (5 * place - 2 * expanded[place]) % field.modulus


def test_a_known_mask() -> None:
    """A mask seed gives the same mask on every machine."""
    mask = mask_expansion(bytes(range(32)), b"\x55" * 32, 0, 7, M31, 3)
    assert integers(weighted_sum(M31, 3, [(mask, 1)])) == [1846158021, 144754870, 549851420]


def test_dense_elements_are_drawn_by_rejection() -> None:
    """Words are masked to the field's bits; a word equal to p is skipped and drawn again."""
    p = M31.modulus
    played = [words([p, 5, 2**32 - 1]), words([p, 2**31 + 7]), words([p - 1])]
    sizes: list[int] = []

    def entropy(size: int) -> bytes:
        sizes.append(size)
        return played.pop(0)

    assert integers(uniform_vector(M31, 3, entropy)) == [5, 7, p - 1]
    assert sizes == [12, 8, 4]


def first_element(field: Field, word: int) -> int | None:
    """Return what a first word is drawn as, or None if another one is asked for."""
    played = [words([word]), words([0])]
    drawn = uniform_vector(field, 1, lambda _size: played.pop(0))
    return int(drawn[0]) if played else None


@pytest.mark.parametrize("field", TOYS, ids=lambda field: str(field.name))
def test_dense_elements_are_exactly_uniform(field: Field) -> None:
    """Every residue comes from the same number of words."""
    drawn = Counter(first_element(field, word) for word in range(2 << field.bits))
    drawn.pop(None, None)
    assert drawn == dict.fromkeys(range(field.modulus), 2)
