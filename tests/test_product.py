"""Vectors over a product of prime fields against plain integers, and exhaustively over toy primes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.field import M31, M61, Field
from p2pmpc.product import FIELDS, M31XM61, ProductField, Ring
from p2pmpc.sharing import weighted_sum
from p2pmpc.weights import LARGEST_WEIGHT
from tests import reference
from tests import reference_messages as messages
from tests.strategies import PRODUCTS, TOY_PRODUCTS, TOYS, edges, residues, weights

every_product = pytest.mark.parametrize("field", PRODUCTS, ids=lambda field: str(field.name))
every_toy = pytest.mark.parametrize("field", TOY_PRODUCTS, ids=lambda field: str(field.name))
products = st.sampled_from(PRODUCTS)
P, Q = M31.modulus, M61.modulus


def wide(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Return integers of any size as an array."""
    return np.array(values, dtype=object)


def test_the_product_is_what_the_protocol_says() -> None:
    """Name, modulus, width and component names are fixed, and it is the widest field."""
    assert list(FIELDS) == ["m31", "m61", "m31xm61"]
    assert FIELDS["m31xm61"] is M31XM61
    assert (M31XM61.modulus, M31XM61.width, M31XM61.bits) == (P * Q, 12, 92)
    assert {key: field.name for key, field in M31XM61.components.items()} == {
        "m31": "m31xm61.m31",
        "m61": "m31xm61.m61",
    }
    assert M31XM61.word.itemsize == 12


@every_toy
def test_every_element_is_one_pair_of_residues(field: ProductField) -> None:
    """CRT, exhaustively: every integer has another pair of residues, and comes back from it."""
    everything = list(range(field.modulus))
    words = field.vector(everything)
    assert len({tuple(word) for word in words.tolist()}) == field.modulus
    assert field.integers(words) == everything
    signed = [reference.centred(value, field.modulus) for value in everything]
    assert field.to_signed(words).tolist() == signed
    assert field.from_signed(np.array(signed)).tolist() == words.tolist()


@every_toy
def test_every_pair_of_elements_obeys_the_ring_laws(field: ProductField) -> None:
    """Sum, difference, weighted sum and inner product are those of the integers mod the product."""
    m = field.modulus
    pairs = list(product(range(m), repeat=2))
    left, right = field.vector(a for a, _ in pairs), field.vector(b for _, b in pairs)
    assert field.integers(field.add(left, right)) == [(a + b) % m for a, b in pairs]
    assert field.integers(field.subtract(left, right)) == [(a - b) % m for a, b in pairs]
    for weight in (1, -1, 7, -m, LARGEST_WEIGHT):
        total = weighted_sum(field, left.size, [(left, weight), (right, -2)])
        assert field.integers(total) == [(weight * a - 2 * b) % m for a, b in pairs]
    assert field.inner(left, right) == sum(a * b for a, b in pairs) % m
    for k in range(0, len(pairs), 7):
        assert field.inner(left[k : k + 1], right[k : k + 1]) == pairs[k][0] * pairs[k][1] % m


@pytest.mark.parametrize("field", [*TOYS, *TOY_PRODUCTS], ids=lambda field: str(field.name))
def test_every_limit_is_held_exactly(field: Ring) -> None:
    """An element is beyond a limit exactly when its centred value is, for every value and limit."""
    words = field.vector(range(field.modulus))
    signed = field.to_signed(words).tolist()
    for limit in range(field.largest_magnitude + 3):
        assert field.beyond(words, limit).tolist() == [abs(value) > limit for value in signed]


@given(products, st.data())
def test_arithmetic_agrees_with_plain_integers(field: ProductField, data: st.DataObject) -> None:
    """A running weighted sum is what plain integers give, and leaves its terms alone."""
    m, length = field.modulus, data.draw(st.integers(0, 20))
    row = st.lists(residues(field), min_size=length, max_size=length)
    rows = data.draw(st.lists(row, min_size=1, max_size=8))
    drawn = data.draw(st.lists(weights, min_size=len(rows), max_size=len(rows)))
    vectors = [field.vector(values) for values in rows]
    total = weighted_sum(field, length, list(zip(vectors, drawn, strict=True)))
    assert field.integers(total) == reference.weighted_sum(rows, drawn, m)
    assert [field.integers(vector) for vector in vectors] == rows
    inner = sum(a * b for a, b in zip(rows[0], rows[-1], strict=True)) % m
    assert field.inner(vectors[0], vectors[-1]) == inner


@given(st.integers(0, P - 1), st.integers(0, Q - 1))
def test_any_two_residues_are_joined_as_in_the_reference(first: int, second: int) -> None:
    """CRT finds the one element with two given residues."""
    words = np.array([(first, second)], dtype=M31XM61.word)
    assert M31XM61.integers(words) == [messages.joined("m31xm61", (first, second))]


@given(products, st.data())
def test_signed_integers_survive(field: ProductField, data: st.DataObject) -> None:
    """Signed integers up to half of the modulus come back from their residues, as int64 or wider."""
    limit = field.largest_magnitude
    drawn = data.draw(st.lists(st.integers(-limit, limit), max_size=6))
    values = [*drawn, -limit, -1, 0, limit]
    words = field.from_signed(wide(values))
    assert field.integers(words) == [value % field.modulus for value in values]
    assert field.to_signed(words).tolist() == values


def test_narrow_values_are_read_as_int64() -> None:
    """What is sure to fit 64 bits is read as such; a block with one larger value as Python integers."""
    narrow = [3 * Q + Q // 2, -3 * Q - Q // 2, 2**60, -(2**62)]
    found = M31XM61.to_signed(M31XM61.vector(narrow))
    assert found.dtype == np.int64
    assert found.tolist() == narrow
    for value in (3 * Q + Q // 2 + 1, 2**63, -(2**63), 2**91 - 2**60 - 2**30):
        found = M31XM61.to_signed(M31XM61.vector([*narrow, value]))
        assert found.dtype == object
        assert found.tolist() == [*narrow, value]
        assert all(type(each) is int for each in found.tolist())


@every_product
@pytest.mark.parametrize("sign", [1, -1])
def test_signed_integers_beyond_half_are_refused(field: ProductField, sign: int) -> None:
    """The first integer that would come back as another one is a local error."""
    with pytest.raises(LocalProtocolError, match=field.name):
        field.from_signed(wide([0, sign * (field.largest_magnitude + 1)]))


@given(st.lists(residues(M31XM61), max_size=8), st.integers(0, 2**92))
def test_limits_agree_with_plain_integers(values: list[int], limit: int) -> None:
    """The range check is exact for any limit, also where neither component could tell."""
    signed = [reference.centred(value, M31XM61.modulus) for value in values]
    for near in (limit, *(abs(value) for value in signed), *(abs(value) - 1 for value in signed)):
        if near >= 0:
            found = M31XM61.beyond(M31XM61.vector(values), near)
            assert found.tolist() == [abs(value) > near for value in signed]


# -- bytes ----------------------------------------------------------------------------------


@given(products, st.data())
def test_vectors_survive_their_bytes(field: ProductField, data: st.DataObject) -> None:
    """Decoding gives back what was encoded, from any kind of buffer."""
    values = data.draw(st.lists(residues(field), max_size=8))
    encoded = field.encode(field.vector(values))
    if field is M31XM61:
        assert encoded == messages.vector_bytes("m31xm61", values)
    for buffer in (encoded, bytearray(encoded), memoryview(b"x" + encoded)[1:]):
        assert field.integers(field.decode(buffer, len(values))) == values
    assert field.encode(field.decode(encoded, len(values))) == encoded


@every_product
def test_components_not_below_their_primes_are_refused(field: ProductField) -> None:
    """An element has one encoding: a component of p and above is refused, by place and by name."""
    for key, part in field.components.items():
        for value in (part.modulus, part.modulus + 1, 2 ** (8 * part.width) - 1):
            words = field.zeros(4)
            words[key][2:] = value
            with pytest.raises(RemoteProtocolError, match=f"element 2 .*{part.name}") as caught:
                field.decode(words.tobytes(), 4)
            assert f"{value}" not in caught.value.message.replace(part.name, "")
            assert not field.holds(words)


@given(products, st.binary(max_size=60), st.integers(0, 6))
def test_decoding_refuses_or_is_exact(field: ProductField, data: bytes, length: int) -> None:
    """Any bytes either are the one encoding of a vector or raise RemoteProtocolError."""
    try:
        decoded = field.decode(data, length)
    except RemoteProtocolError:
        return
    assert decoded.size == length
    assert field.encode(decoded) == data


@every_product
@pytest.mark.parametrize("change", [-1, 1])
def test_vectors_of_another_size_are_refused(field: ProductField, change: int) -> None:
    """A byte too many or too few is refused with both sizes."""
    size = 3 * field.width
    with pytest.raises(RemoteProtocolError, match=f"{size + change} bytes where {size} "):
        field.decode(bytes(size + change), 3)


def test_only_words_of_the_field_are_its_words() -> None:
    """Integers, other records and records of two dimensions are no vectors over the product."""
    assert M31XM61.holds(M31XM61.zeros(3))
    assert not M31XM61.holds(np.zeros(3, dtype=np.uint64))
    assert not M31XM61.holds(np.zeros(3, dtype=[("m61", "<u8"), ("m31", "<u4")]))
    assert not M61.holds(M31XM61.zeros(3))
    assert not M61.holds(np.array([Q], dtype=np.uint64))
    assert edges(M31XM61)[-1] == M31XM61.modulus - 1
    assert ProductField(Field("toy3", 3, 4), Field("toy5", 5, 4)) in TOY_PRODUCTS
