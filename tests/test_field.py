"""Vectors over F_p against plain integers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.field import M31, M61, Accumulator, Field
from p2pmpc.product import FIELDS
from p2pmpc.weights import LARGEST_WEIGHT
from tests import reference
from tests.strategies import (
    ALL_FIELDS,
    TOYS,
    edges,
    fields,
    integers,
    residues,
    vector,
    weights,
)

every_field = pytest.mark.parametrize("field", ALL_FIELDS, ids=lambda field: field.name)


def test_fields_are_what_the_protocol_says() -> None:
    """The names, moduli and widths of the fields are fixed."""
    assert {name: (f.modulus, f.width, f.bits) for name, f in FIELDS.items()} == {
        "m31": (2147483647, 4, 31),
        "m61": (2305843009213693951, 8, 61),
        "m31xm61": (4951760154835678088235319297, 12, 92),
    }


@every_field
def test_every_pair_of_edges_obeys_the_field_laws(field: Field) -> None:
    """Sum, difference and product are right for every pair of residues at an edge."""
    p = field.modulus
    pairs = list(product(edges(field), repeat=2))
    left, right = vector([a for a, _ in pairs]), vector([b for _, b in pairs])
    assert integers(field.add(left, right)) == [(a + b) % p for a, b in pairs]
    assert integers(field.subtract(left, right)) == [(a - b) % p for a, b in pairs]
    assert integers(field.multiply(left, right)) == [a * b % p for a, b in pairs]


@given(st.data(), fields)
def test_arithmetic_agrees_with_plain_integers(data: st.DataObject, field: Field) -> None:
    """Every operation gives what plain integers give, and leaves its arguments alone."""
    p = field.modulus
    rows = data.draw(st.lists(st.tuples(residues(field), residues(field)), max_size=8))
    a, b = [x for x, _ in rows], [y for _, y in rows]
    left, right = vector(a), vector(b)
    assert integers(field.add(left, right)) == [(x + y) % p for x, y in rows]
    assert integers(field.subtract(left, right)) == [(x - y) % p for x, y in rows]
    assert integers(field.multiply(left, right)) == [x * y % p for x, y in rows]
    assert field.inner(left, right) == sum(x * y for x, y in rows) % p
    assert (integers(left), integers(right)) == (a, b)


@given(st.data(), fields, st.integers(-(2**70), 2**70))
def test_scaling_takes_any_integer(data: st.DataObject, field: Field, factor: int) -> None:
    """A factor may be negative and larger than p."""
    values = data.draw(st.lists(residues(field), min_size=1, max_size=8))
    expected = [value * factor % field.modulus for value in values]
    assert integers(field.scale(vector(values), factor)) == expected


@given(fields, st.lists(st.integers(0, 2**64 - 1), max_size=8))
def test_reduction_takes_any_word(field: Field, words: list[int]) -> None:
    """Every 64-bit word is reduced to its residue, p itself to 0."""
    words = [*words, 0, field.modulus, 2**64 - 1]
    assert integers(field.reduce(vector(words))) == [word % field.modulus for word in words]


@every_field
def test_long_inner_products_do_not_wrap(field: Field) -> None:
    """The inner product of 100,000 largest residues is exact."""
    largest = np.full(100_000, field.modulus - 1, dtype=np.uint64)
    assert field.inner(largest, largest) == 100_000 * (field.modulus - 1) ** 2 % field.modulus


def taken(total: Accumulator, length: int) -> list[int]:
    """Return what an accumulator holds, and let it begin anew."""
    out = np.full(length, 77, dtype=np.uint64)
    total.take(out)
    return integers(out)


@given(st.data(), fields, st.integers(0, 3), st.integers(0, 2))
def test_weighted_sums_agree_with_the_reference(
    data: st.DataObject, field: Field, length: int, spare: int
) -> None:
    """A running weighted sum is exact, far past what 64 bits hold unfolded, and starts at zero."""
    row = st.lists(residues(field), min_size=length, max_size=length)
    total = Accumulator(field, length + spare)
    for _ in range(2):
        terms = data.draw(st.lists(st.tuples(row, weights), max_size=24))
        for values, weight in terms:
            total.add(
                vector(values).astype(data.draw(st.sampled_from([field.word, "<u8"]))), weight
            )
        expected = reference.weighted_sum(
            [values for values, _ in terms], [weight for _, weight in terms], field.modulus
        )
        assert taken(total, length) == (expected if terms else [0] * length)


@every_field
@pytest.mark.parametrize("weight", [LARGEST_WEIGHT, -LARGEST_WEIGHT, 1 << 30, -(1 << 30)])
def test_weighted_sums_fold_past_their_capacity(field: Field, weight: int) -> None:
    """The extreme residues under the extreme weights stay exact at every number of terms."""
    values = [0, 1, field.modulus - 1]
    for count in range(1, 41):
        total = Accumulator(field, len(values))
        for _ in range(count):
            total.add(vector(values), weight)
        assert taken(total, 3) == [count * weight * v % field.modulus for v in values]


@every_field
@pytest.mark.parametrize("wide", [False, True], ids=["words", "64 bits"])
def test_weighted_sums_of_both_signs_reduce_at_every_size(field: Field, wide: bool) -> None:
    """Positive and negative sums of every size meet in one reduction, or fold where they must."""
    values = [0, 1, field.modulus // 2, field.modulus - 1]
    sizes = [1, 2, 1 << 20, 1 << 30, LARGEST_WEIGHT]
    for up, down in product(sizes, repeat=2):
        for positive, negative in product((0, 1, 3, 4), repeat=2):
            total = Accumulator(field, len(values))
            for _ in range(positive):
                total.add(vector(values), up)
            for _ in range(negative):
                total.add(vector(values[::-1]), -down)
            out = np.empty(len(values), dtype=np.uint64 if wide else field.word)
            total.take(out)
            pairs = zip(values, values[::-1], strict=True)
            expected = [(positive * up * v - negative * down * w) % field.modulus for v, w in pairs]
            assert integers(out) == expected


@every_field
def test_residues_are_added_where_they_lie(field: Field) -> None:
    """Words added into words of the wire are reduced, at every pair of edges and over several blocks."""
    p = field.modulus
    pairs = list(product(edges(field), repeat=2)) * 400
    total = np.array([a for a, _ in pairs], dtype=field.word)
    field.add_into(total, np.array([b for _, b in pairs], dtype=field.word))
    assert integers(total) == [(a + b) % p for a, b in pairs]


@given(st.integers(1, 2**33 - 1), fields)
def test_as_many_residues_fit_a_word_as_is_said(extra: int, field: Field) -> None:
    """Sums of so many of the largest residues do not wrap a word, and one more could."""
    most = (1 << 8 * field.width) - 1
    assert field.fitting * (field.modulus - 1) <= most < (field.fitting + 1) * (field.modulus - 1)
    words = np.array([field.fitting * (field.modulus - 1)], dtype=field.word)
    weight = max(1, extra // field.fitting)
    if weight <= LARGEST_WEIGHT and weight * field.fitting <= Accumulator.CAPACITY:
        total = Accumulator(field, 1)
        total.add(words, weight, summed=field.fitting)
        out = np.empty(1, dtype=field.word)
        total.take(out)
        assert int(out[0]) == weight * field.fitting * (field.modulus - 1) % field.modulus


def test_a_weighted_sum_leaves_its_terms_alone() -> None:
    """Adding with a negative weight does not change the caller's vector."""
    values = vector([0, 1, M31.modulus - 1])
    Accumulator(M31, 3).add(values, -LARGEST_WEIGHT)
    assert integers(values) == [0, 1, M31.modulus - 1]


@every_field
@pytest.mark.parametrize("length", [(1 << 14) - 1, (1 << 14) + 1, 3 << 14])
def test_products_of_many_blocks_are_exact(field: Field, length: int) -> None:
    """Blocks of a product meet without a gap."""
    left = field.reduce(np.arange(length, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    right = left[::-1]
    places = [0, 1, length // 2, (1 << 14) - 2, length - 1]
    product = field.multiply(left, right)
    expected = [int(left[k]) * int(right[k]) % field.modulus for k in places]
    assert [int(product[k]) for k in places] == expected


@given(st.data(), fields)
def test_sums_of_many_vectors_are_exact(data: st.DataObject, field: Field) -> None:
    """The plain sum is the weighted one with weights of 1; the sum of nothing is zero."""
    rows = data.draw(st.lists(st.lists(residues(field), min_size=2, max_size=2), max_size=6))
    expected = [sum(row[k] for row in rows) % field.modulus for k in range(2)]
    total = Accumulator(field, 2)
    for row in rows:
        total.add(vector(row), 1)
    out = field.zeros(2)
    total.take(out)
    assert integers(out) == expected


@given(st.data(), fields)
def test_signed_integers_survive(data: st.DataObject, field: Field) -> None:
    """Signed integers up to (p - 1) / 2 come back from their residues."""
    limit = (field.modulus - 1) // 2
    drawn = data.draw(st.lists(st.integers(-limit, limit), max_size=6))
    values = [*drawn, -limit, -1, 0, limit]
    encoded = field.from_signed(np.array(values, dtype=np.int64))
    assert integers(encoded) == [value % field.modulus for value in values]
    assert field.to_signed(encoded).tolist() == values


@every_field
@pytest.mark.parametrize("sign", [1, -1])
def test_signed_integers_beyond_half_of_p_are_refused(field: Field, sign: int) -> None:
    """The first integer that would come back as another one is a local error."""
    values = np.array([0, sign * ((field.modulus - 1) // 2 + 1)], dtype=np.int64)
    with pytest.raises(LocalProtocolError, match=field.name):
        field.from_signed(values)


@pytest.mark.parametrize(
    ("field", "values", "data"),
    [
        (M31, [0, 1, 2147483646], "0000000001000000feffff7f"),
        (M31, [305419896], "78563412"),
        (M61, [1, 2305843009213693950], "0100000000000000feffffffffffff1f"),
        (TOYS[0], [2, 0, 1], "020000000000000001000000"),
        (M31, [], ""),
    ],
)
def test_vectors_have_known_bytes(field: Field, values: list[int], data: str) -> None:
    """An element is little-endian and of fixed width."""
    assert field.encode(vector(values)).hex() == data
    assert reference.little_endian(values, field.width).hex() == data
    assert integers(field.decode(bytes.fromhex(data), len(values))) == values


@given(st.data(), fields)
def test_vectors_survive_their_bytes(data: st.DataObject, field: Field) -> None:
    """Decoding gives back what was encoded, from any kind of buffer."""
    values = data.draw(st.lists(residues(field), max_size=8))
    encoded = field.encode(vector(values))
    for buffer in (encoded, bytearray(encoded), memoryview(encoded)):
        assert integers(field.decode(buffer, len(values))) == values


@every_field
def test_elements_not_below_p_are_refused(field: Field) -> None:
    """A residue has one encoding: p and everything above it is refused, by place."""
    for value in (field.modulus, field.modulus + 1, 2 ** (8 * field.width) - 1):
        data = reference.little_endian([0, 1, value, value], field.width)
        with pytest.raises(RemoteProtocolError, match="element 2 ") as caught:
            field.decode(data, 4)
        assert f"{value}" not in caught.value.message.replace(field.name, "")


@given(fields, st.binary(max_size=40), st.integers(0, 8))
def test_decoding_refuses_or_is_exact(field: Field, data: bytes, length: int) -> None:
    """Any bytes either are the one encoding of a vector or raise RemoteProtocolError."""
    try:
        decoded = field.decode(data, length)
    except RemoteProtocolError:
        return
    assert decoded.size == length
    assert field.encode(decoded) == data


@every_field
@pytest.mark.parametrize("change", [-1, 1])
def test_vectors_of_another_size_are_refused(field: Field, change: int) -> None:
    """A byte too many or too few is refused with both sizes."""
    size = 3 * field.width
    with pytest.raises(RemoteProtocolError, match=f"{size + change} bytes where {size} "):
        field.decode(bytes(size + change), 3)
