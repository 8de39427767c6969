"""Labelled hashes, and the expansion of seeds, against the reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.field import M31, M61, Field
from p2pmpc.hashing import label, labelled_hash
from p2pmpc.prg import CHUNK, expand, expansion_info
from tests import reference
from tests.strategies import TOYS, fields, integers

SEED = bytes(range(32))
SALT = b"\x55" * 32
INDICES = (1, 2, 3)


def expanded(field: Field, length: int, seed: bytes = SEED) -> list[int]:
    """Return what the package makes of a seed."""
    info = expansion_info("share", *INDICES, field, length)
    return integers(expand(seed, SALT, info, field, length))


def referred(field: Field, length: int, seed: bytes = SEED) -> list[int]:
    """Return what the reference makes of a seed."""
    info = reference.expansion_info("share", *INDICES, field.name, length)
    return reference.expand(seed, SALT, info, field.modulus, field.width, length)


def test_the_reference_holds_the_vector_of_rfc_5869() -> None:
    """The reference's HKDF gives the output of test case 1 in RFC 5869."""
    output = reference.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert output.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize(
    ("parts", "digest"),
    [
        ((), "e85f0b1f0aa47c997892839e8089e99141473b79ec8018f7cd467a010145a167"),
        ((b"",), "61321d6fbc3af55efd220eed68a86833484f234585c92a97324a42bbba626299"),
        ((b"ab", b"c"), "b0439aabdba9d32c0204318ace5a1deaf270fe40dd88df080862045a5c6480af"),
    ],
)
def test_labelled_hashes_are_known(parts: tuple[bytes, ...], digest: str) -> None:
    """The hash of a label and its parts is fixed."""
    assert labelled_hash("test", *parts).hex() == digest
    assert reference.labelled_hash("test", *parts).hex() == digest


@given(
    st.text("abcdefgh ", max_size=12), st.lists(st.binary(max_size=12), max_size=4), st.integers(0)
)
def test_labelled_hashes_agree_with_the_reference(
    name: str, parts: list[bytes], place: int
) -> None:
    """Any label and parts hash as in the reference, and moving a boundary changes the hash."""
    digest = labelled_hash(name, *parts)
    assert digest == reference.labelled_hash(name, *parts)
    joined = b"".join(parts)
    cut = place % (len(joined) + 1)
    if [joined[:cut], joined[cut:]] != parts:
        assert labelled_hash(name, joined[:cut], joined[cut:]) != digest


def test_a_label_carries_the_protocol_and_its_own_length() -> None:
    """Labels are prefix-free: their length comes first."""
    assert label("seal") == b"\x0dp2pmpc/1 seal"


def test_the_info_of_an_expansion_is_known() -> None:
    """Every index has its place in the bytes that HKDF binds."""
    info = "0e7032706d70632f312073686172650000000100020003036d33310000000000000005"
    assert expansion_info("share", *INDICES, M31, 5).hex() == info
    assert reference.expansion_info("share", *INDICES, "m31", 5).hex() == info


@pytest.mark.parametrize(
    ("field", "vector"),
    [
        (M31, [126063548, 1824900952, 1445932063, 1301908745, 1142240321]),
        (
            M61,
            [
                154948354903832281,
                1189306744407097722,
                979100845345175547,
                770040290730131404,
                473681712792147243,
            ],
        ),
        (TOYS[0], [1, 1, 1, 0, 0]),
        (TOYS[1], [0, 1, 1, 1, 2]),
    ],
)
def test_expansions_are_known(field: Field, vector: list[int]) -> None:
    """A seed gives the same vector on every machine."""
    assert expanded(field, len(vector)) == vector
    assert referred(field, len(vector)) == vector


@given(
    fields,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32 - 1),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 40),
)
def test_expansions_agree_with_the_reference(
    field: Field, seed: bytes, number: int, i: int, j: int, length: int
) -> None:
    """Any seed and indices expand as in the reference."""
    info = expansion_info("mask", number, i, j, field, length)
    assert info == reference.expansion_info("mask", number, i, j, field.name, length)
    expected = reference.expand(seed, SALT, info, field.modulus, field.width, length)
    assert integers(expand(seed, SALT, info, field, length)) == expected


@pytest.mark.parametrize("field", [M31, M61], ids=lambda field: str(field.name))
@pytest.mark.parametrize("length", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1])
def test_chunk_boundaries_agree_with_the_reference(field: Field, length: int) -> None:
    """The stream changes exactly where a chunk of 2^16 elements ends."""
    assert expanded(field, length) == referred(field, length)


@pytest.mark.parametrize("field", TOYS, ids=lambda field: str(field.name))
def test_words_that_are_no_residues_are_skipped(field: Field) -> None:
    """Where many words are rejected, the accepted ones follow each other, over chunks as well."""
    length = CHUNK + 100
    info = expansion_info("share", *INDICES, field, length)
    assert reference.skipped_words(SEED, SALT, info, field.modulus, 1000) > 80
    vector = expanded(field, length)
    assert vector == referred(field, length)
    assert set(vector) == set(range(field.modulus))


def test_whatever_an_expansion_binds_changes_it() -> None:
    """Another seed, session, purpose, round, index, field or length gives another vector."""
    base = ("share", 1, 2, 3, M31, 8)
    variants = [
        base,
        ("mask", 1, 2, 3, M31, 8),
        ("share", 2, 2, 3, M31, 8),
        ("share", 1, 3, 2, M31, 8),
        ("share", 1, 2, 4, M31, 8),
        ("share", 1, 2, 3, M61, 8),
        ("share", 1, 2, 3, M31, 9),
    ]
    infos = [expansion_info(*variant) for variant in variants]
    vectors = {tuple(integers(expand(SEED, SALT, info, M31, 8))) for info in infos}
    vectors.add(tuple(integers(expand(SEED[::-1], SALT, infos[0], M31, 8))))
    vectors.add(tuple(integers(expand(SEED, bytes(32), infos[0], M31, 8))))
    assert len(vectors) == len(variants) + 2
