"""Additive sharing of a vector among the contributors.

Dealer i splits its vector x_i into s_i1 .. s_in with sum x_i. In ``seeds`` mode each other
contributor gets a 32-byte seed that it expands itself; in ``dense`` mode it gets the elements. In
both the dealer keeps the correction s_ii = x_i - sum of the others, so any n-1 shares are uniform
and independent of x_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from p2pmpc.field import Accumulator, Field, Vector
from p2pmpc.prg import CHUNK, Expansion, expansion_info
from p2pmpc.shamir import Entropy

_FEW: Final = 16
"""So few elements cost less as plain integers than the calls that arrays would take."""

Source = Expansion | Vector
"""Where a vector comes from: a seed, chunk by chunk, or memory."""


def share_expansion(
    seed: bytes, session_id: bytes, round_number: int, i: int, j: int, field: Field, length: int
) -> Expansion:
    """Return the share s_ij that dealer i gives to receiver j, as its expansion.

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
    return Expansion(seed, session_id, info, field)


def mask_expansion(
    seed: bytes, session_id: bytes, round_number: int, j: int, field: Field, length: int
) -> Expansion:
    """Return the mask that peer j hides its partial sum under, as the expansion of b_j."""
    info = expansion_info("mask", round_number, j, 0, field, length)
    return Expansion(seed, session_id, info, field)


def expanded(field: Field, length: int, source: Source) -> Vector:
    """Return a whole vector."""
    return weighted_sum(field, length, [(source, 1)])


def weighted_sum(field: Field, length: int, terms: Sequence[tuple[Source, int]]) -> Vector:
    """Return the sum of weight * vector over all terms.

    Each chunk is expanded, weighted and added while it is in the cache; nothing but the result is as
    long as the vectors.

    Args:
        field: Of the vectors.
        length: Their length.
        terms: Vectors and their weights, |weight| < 2^31 - 1.
    """
    if length <= _FEW:
        return _sum_of_few(field, length, terms)
    out = np.empty(length, dtype=np.uint64)
    total = Accumulator(field, min(length, CHUNK))
    buffer = np.empty(min(length, CHUNK), dtype=field.word)
    for chunk, start in enumerate(range(0, length, CHUNK)):
        part = out[start : start + CHUNK]
        words = buffer[: part.size]
        for source, weight in terms:
            if isinstance(source, Expansion):
                source.write(chunk, words)
                total.add(words, weight)
            else:
                total.add(source[start : start + part.size], weight)
        total.take(part)
    return out


def _sum_of_few(field: Field, length: int, terms: Sequence[tuple[Source, int]]) -> Vector:
    """Return the same in plain integers."""
    totals = [0] * length
    words = np.empty(length, dtype=field.word)
    for source, weight in terms:
        if isinstance(source, Expansion):
            source.write(0, words)
            values = words.tolist()
        else:
            values = source.tolist()
        totals = [total + weight * value for total, value in zip(totals, values, strict=True)]
    return np.array([total % field.modulus for total in totals], dtype=np.uint64)


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


def correction(field: Field, secret: Vector, others: Sequence[Source]) -> Vector:
    """Return s_ii = x_i - sum of the shares of the others."""
    return weighted_sum(field, secret.size, [(secret, 1), *((share, -1) for share in others)])
