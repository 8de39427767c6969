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
from p2pmpc.product import FIELDS, M31XM61, Ring
from p2pmpc.sharing import (
    Source,
    mask_expansion,
    share_expansion,
    uniform_vector,
    weighted_sum,
)
from tests import reference
from tests import reference_messages as messages
from tests.strategies import (
    TOY_PRODUCTS,
    TOYS,
    correction,
    expanded,
    fields,
    integers,
    residues,
    rings,
)

SESSION = b"\x66" * 32
seeds = st.binary(min_size=32, max_size=32)


def words(values: list[int]) -> bytes:
    """Return 32-bit words as an entropy source plays them."""
    return reference.little_endian(values, 4)


@given(st.data(), rings, st.lists(seeds, min_size=1, max_size=5), st.integers(0, 3))
def test_all_shares_of_a_dealer_give_its_secret(
    data: st.DataObject, field: Ring, drawn: list[bytes], number: int
) -> None:
    """Expanded seeds and the correction sum to the secret."""
    values = data.draw(st.lists(residues(field), min_size=1, max_size=6))
    given_away: list[Source] = [
        share_expansion(seed, SESSION, number, 1, j, field, len(values))
        for j, seed in enumerate(drawn, start=2)
    ]
    kept = correction(field, field.vector(values), given_away)
    terms: list[tuple[Source, int]] = [(kept, 1), *((share, 1) for share in given_away)]
    assert field.integers(weighted_sum(field, len(values), terms)) == values
    vectors = [field.integers(expanded(field, len(values), share)) for share in given_away]
    total = [sum(column) % field.modulus for column in zip(*vectors, strict=True)]
    due = [(v - t) % field.modulus for v, t in zip(values, total, strict=True)]
    assert field.integers(kept) == due


@pytest.mark.parametrize("field", [*TOYS, TOY_PRODUCTS[0]], ids=lambda field: str(field.name))
def test_any_all_but_one_shares_are_uniform_whatever_the_secret(field: Ring) -> None:
    """Over all draws of a dealer among three, any two shares take every pair equally often."""
    p = field.modulus
    for secret in range(p):
        shares: list[tuple[int, int, int]] = []
        for first, second in product(range(p), repeat=2):
            given_away: list[Source] = [field.vector([first]), field.vector([second])]
            kept = correction(field, field.vector([secret]), given_away)
            shares.append((field.integers(kept)[0], first, second))
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


@given(seeds, st.integers(0, 9), st.integers(1, 1000), st.integers(1, 1000))
def test_each_component_of_a_product_is_a_stream_of_its_own(
    seed: bytes, number: int, i: int, j: int
) -> None:
    """Over a product both components expand under their own names, as in the reference."""
    share = share_expansion(seed, SESSION, number, i, j, M31XM61, 5)
    due = messages.expanded(SESSION, number, "share", i, j, "m31xm61", seed, 5)
    assert M31XM61.integers(expanded(M31XM61, 5, share)) == due
    mask = mask_expansion(seed, SESSION, number, i, M31XM61, 5)
    due = messages.expanded(SESSION, number, "mask", i, 0, "m31xm61", seed, 5)
    assert M31XM61.integers(expanded(M31XM61, 5, mask)) == due


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: str(field.name))
@pytest.mark.parametrize("length", [1, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_sums_of_seeds_and_vectors_meet_at_chunks(field: Ring, length: int) -> None:
    """What is expanded chunk by chunk equals the whole expansion, weighted, beside a vector."""
    seed, held = bytes(range(32)), field.from_signed(np.arange(length))
    share = share_expansion(seed, SESSION, 0, 1, 2, field, length)
    total = weighted_sum(field, length, [(share, -3), (held, 5), (share, 1)])
    due = messages.expanded(SESSION, 0, "share", 1, 2, field.name, seed, length)
    for place in {0, length // 2, min(CHUNK, length) - 1, length - 1}:
        found = field.integers(total[place : place + 1])
        assert found == [(5 * place - 2 * due[place]) % field.modulus]


def test_a_sum_over_a_product_may_be_written_over_one_of_its_terms() -> None:
    """As in a prime field: masks are taken off a vector where it lies."""
    length = CHUNK + 5
    held = M31XM61.from_signed(np.arange(length) << 40)
    whole, part = held.copy(), held.copy()
    assert weighted_sum(M31XM61, length, [(held, -(10**9))], held) is held
    assert M31XM61.to_signed(held[-1:]).tolist() == [-(10**9) * (length - 1) << 40]
    piece = part[7:40]
    weighted_sum(M31XM61, piece.size, [(piece, 1), (whole[:33], 3)], piece)
    assert M31XM61.to_signed(part[6:9]).tolist() == [6 << 40, 7 << 40, 8 + 3 << 40]


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


def test_dense_elements_over_a_product_are_drawn_a_component_at_a_time() -> None:
    """Each component is drawn by rejection of its own, the narrower one for all elements first."""
    p, q = M31.modulus, M61.modulus
    played = [words([p, 5]), words([7]), reference.little_endian([q, 2**64 - 1], 8)]
    played += [reference.little_endian([q, 2**61 + 9], 8), reference.little_endian([q - 1], 8)]
    drawn = uniform_vector(M31XM61, 2, lambda _size: played.pop(0))
    assert drawn.tolist() == [(5, 9), (7, q - 1)]


def test_dense_elements_over_a_product_are_exactly_uniform() -> None:
    """Every element comes from the same number of pairs of words."""
    field, drawn = TOY_PRODUCTS[0], Counter[int]()
    for first, second in product(range(4), range(8)):
        played = [words([first]), words([second])]
        if first < 3 and second < 5:
            drawn.update(field.integers(uniform_vector(field, 1, lambda _size: played.pop(0))))  # noqa: B023
    assert drawn == dict.fromkeys(range(field.modulus), 1)


@pytest.mark.parametrize("field", TOYS, ids=lambda field: str(field.name))
def test_dense_elements_are_exactly_uniform(field: Field) -> None:
    """Every residue comes from the same number of words."""
    drawn = Counter(first_element(field, word) for word in range(2 << field.bits))
    drawn.pop(None, None)
    assert drawn == dict.fromkeys(range(field.modulus), 2)
