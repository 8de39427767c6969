"""What several test modules draw from: fields, toy fields, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from p2pmpc.encoding import Scaled
from p2pmpc.field import M31, M61, Field, Vector, Words
from p2pmpc.product import M31XM61, ProductField, Ring
from p2pmpc.residues import fill_residues
from p2pmpc.sharing import Source, weighted_sum
from p2pmpc.weights import LARGEST_WEIGHT

TOYS = (Field("toy3", 3, 4), Field("toy5", 5, 4), Field("toy7", 7, 4))
ALL_FIELDS = (M31, M61, *TOYS)

fields = st.sampled_from(ALL_FIELDS)

TOY_PRODUCTS = (ProductField(TOYS[0], TOYS[1]), ProductField(TOYS[2], TOYS[0]))
PRODUCTS = (M31XM61, *TOY_PRODUCTS)
ALL_RINGS: tuple[Ring, ...] = (*ALL_FIELDS, *PRODUCTS)

rings = st.sampled_from(ALL_RINGS)

weights = st.one_of(
    st.sampled_from([1, -1, LARGEST_WEIGHT, -LARGEST_WEIGHT]),
    st.integers(-LARGEST_WEIGHT, LARGEST_WEIGHT),
).filter(bool)


def edges(field: Ring) -> list[int]:
    """Return the residues at which arithmetic goes wrong first."""
    p = field.modulus
    near = [0, 1, 2, p // 2, p // 2 + 1, p - 2, p - 1]
    limbs = [(1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 60) - 1, 1 << 60]
    if isinstance(field, ProductField):
        limbs += [q + k for q in (field.first.modulus, field.second.modulus) for k in (-1, 0, 1)]
    return sorted({value for value in near + limbs if 0 <= value < p})


def residues(field: Ring) -> st.SearchStrategy[int]:
    """Draw a residue, often one at an edge."""
    return st.one_of(st.sampled_from(edges(field)), st.integers(0, field.modulus - 1))


def vector(values: Sequence[int]) -> Vector:
    """Return integers as a vector."""
    return np.array(values, dtype=np.uint64)


def integers(values: Words) -> list[int]:
    """Return a vector as plain integers."""
    return [int(value) for value in values]


def expanded(field: Ring, length: int, source: Source) -> Words:
    """Return a whole vector of what may be a seed's expansion."""
    return weighted_sum(field, length, [(source, 1)])


def correction(field: Ring, secret: Words, others: Sequence[Source]) -> Words:
    """Return the share that a dealer keeps: its secret without the shares of the others."""
    return weighted_sum(field, secret.size, [(secret, 1), *((share, -1) for share in others)])


def with_checksum(values: Scaled, session_id: bytes, round_number: int, field: Ring) -> Words:
    """Return the residues of an input with its checksum coordinate behind them."""
    return fill_residues([values], None, field, session_id, round_number, values.size)
