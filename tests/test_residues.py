"""An input as residues: the same however it is cut, with its weight and its checksum behind it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.encoding import LARGEST_SCALED, Scaled, checksum, gamma_expansion
from p2pmpc.errors import LocalProtocolError
from p2pmpc.field import M31, Words
from p2pmpc.prg import CHUNK
from p2pmpc.product import FIELDS, M31XM61, Ring
from p2pmpc.residues import fill_residues
from p2pmpc.weights import LARGEST_WEIGHT

SESSION = bytes(range(32))


def cut(values: Sequence[int], sizes: Sequence[int]) -> Iterator[Scaled]:
    """Yield values in blocks of some sizes, and the rest in one more."""
    array, start = np.array(values, dtype=np.int64), 0
    for size in sizes:
        yield array[start : start + size]
        start += size
    yield array[start:]


def gamma_of(field: Ring, number: int, length: int) -> list[int]:
    """Return a whole gamma."""
    words = np.empty(length, dtype=field.word)
    gamma = gamma_expansion(SESSION, number, field, length)
    for chunk, start in enumerate(range(0, length, CHUNK)):
        gamma.write(chunk, words[start : start + CHUNK])
    return field.integers(words)


def whole(values: Sequence[int], field: Ring, number: int) -> list[int]:
    """Return residues and their checksum in plain integers."""
    gamma = gamma_of(field, number, len(values))
    total = sum(g * v for g, v in zip(gamma, values, strict=True))
    return [*(value % field.modulus for value in values), total % field.modulus]


fields = st.sampled_from(list(FIELDS.values()))
rows = st.lists(st.integers(-(2**24), 2**24), min_size=1, max_size=9)


@given(fields, rows, st.lists(st.integers(0, 4), max_size=3), st.integers(0, 3))
def test_residues_are_those_of_the_whole_vector(
    field: Ring, values: list[int], sizes: list[int], number: int
) -> None:
    """Block by block gives the same residues and checksum as all at once, in every round."""
    found = fill_residues(cut(values, sizes), None, field, SESSION, number, len(values))
    assert field.integers(found) == whole(values, field, number)
    assert found.dtype == field.word


@given(fields, rows.map(lambda row: [value // 2**20 for value in row]), st.integers(-60, 60))
def test_private_weights_multiply_at_home_and_come_behind(
    field: Ring, values: list[int], weight: int
) -> None:
    """The weight is the last coordinate before the checksum, so that only the sum of all weights opens."""
    found = fill_residues(cut(values, [2]), weight, field, SESSION, 0, len(values))
    summed = [*(weight * value for value in values), weight]
    assert field.integers(found) == whole(summed, field, 0)


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: str(field.name))
def test_checksums_reach_over_chunks(field: Ring) -> None:
    """The checksum of a vector of several chunks is <gamma, x> with the gamma of each."""
    length = 2 * CHUNK + 7
    values = np.arange(length) - CHUNK
    gamma = field.vector(gamma_of(field, 3, length))
    residues = field.from_signed(values)
    assert checksum(residues, SESSION, 3, field) == field.inner(gamma, residues)
    words: Words = residues.astype(np.uint32) if field is M31 else residues
    assert checksum(words, SESSION, 3, field) == field.inner(gamma, residues)


@pytest.mark.parametrize("weight", [LARGEST_WEIGHT, -LARGEST_WEIGHT])
def test_products_with_private_weights_may_be_wider_than_64_bits(weight: int) -> None:
    """The largest value under the largest weight is multiplied in residues, and comes back whole."""
    values = [LARGEST_SCALED, -LARGEST_SCALED, 1]
    found = fill_residues(cut(values, [1]), weight, M31XM61, SESSION, 0, 3)
    summed = [*(weight * value for value in values), weight]
    assert M31XM61.to_signed(found[:4]).tolist() == summed
    assert M31XM61.integers(found) == whole(summed, M31XM61, 0)


@pytest.mark.parametrize("length", [2, 4])
def test_inputs_of_another_length_than_said_are_a_bug_here(length: int) -> None:
    """Sources check their lengths; residues that nobody gave would be somebody's memory."""
    with pytest.raises(LocalProtocolError, match="than it was said to be"):
        fill_residues(cut([1, 2, 3], [2]), None, M31, SESSION, 0, length)


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: str(field.name))
def test_residues_take_their_own_size_and_little_more(field: Ring) -> None:
    """Neither the values nor gamma are ever held whole."""
    length = 1 << 20

    def blocks() -> Iterator[Scaled]:
        for start in range(0, length, CHUNK):
            yield np.arange(start, start + CHUNK)

    tracemalloc.start()
    try:
        found = fill_residues(blocks(), None, field, SESSION, 0, length)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.nbytes <= peak < found.nbytes + (6 << 20)
