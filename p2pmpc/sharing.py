"""Additive sharing of a vector among the contributors.

Dealer i splits its vector x_i into s_i1 .. s_in with sum x_i. In ``seeds`` mode each other
contributor gets a 32-byte seed that it expands itself; in ``dense`` mode it gets the elements. In
both the dealer keeps the correction s_ii = x_i - sum of the others, so any n-1 shares are uniform
and independent of x_i.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from p2pmpc.field import Field, Vector
from p2pmpc.prg import expand, expansion_info
from p2pmpc.shamir import Entropy


def share_from_seed(
    seed: bytes, session_id: bytes, round_number: int, i: int, j: int, field: Field, length: int
) -> Vector:
    """Expand the share s_ij that dealer i gives to receiver j.

    Args:
        seed: k_ij, 32 bytes.
        session_id: 32 bytes.
        round_number: The round within the session.
        i: The dealer's roster index.
        j: The receiver's roster index.
        field: The field.
        length: Elements, the checksum coordinate included.
    """
    info = expansion_info("share", round_number, i, j, field, length)
    return expand(seed, session_id, info, field, length)


def mask_from_seed(
    seed: bytes, session_id: bytes, round_number: int, j: int, field: Field, length: int
) -> Vector:
    """Expand the mask that peer j hides its partial sum under, from b_j."""
    info = expansion_info("mask", round_number, j, 0, field, length)
    return expand(seed, session_id, info, field, length)


def uniform_vector(field: Field, length: int, entropy: Entropy) -> Vector:
    """Draw a uniform vector straight from the entropy source, by rejection."""
    out = np.empty(length, dtype=np.uint64)
    filled = 0
    while filled < length:
        words = np.frombuffer(entropy((length - filled) * field.width), f"<u{field.width}")
        masked = words & words.dtype.type((1 << field.bits) - 1)
        accepted = masked[masked < field.modulus]
        out[filled : filled + accepted.size] = accepted
        filled += accepted.size
    return out


def correction(field: Field, secret: Vector, others: Iterable[Vector]) -> Vector:
    """Return s_ii = x_i - sum of the shares of the others."""
    return field.subtract(secret, field.sum(others, secret.size))


def combine(field: Field, shares: Iterable[Vector], length: int) -> Vector:
    """Return the vector that all n shares together stand for."""
    return field.sum(shares, length)
