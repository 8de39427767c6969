"""Additive sharing of a vector among the contributors.

Dealer i splits its vector x_i into s_i1 .. s_in with sum x_i. In ``seeds`` mode each other
contributor gets a 32-byte seed that it expands itself; in ``dense`` mode it gets the elements. In
both the dealer keeps the correction s_ii = x_i - sum of the others, so any n-1 shares are uniform
and independent of x_i. The correction is never made by itself: it is part of the one sum that
:func:`p2pmpc.summing.masked_sum` makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np

from p2pmpc.field import Accumulator, Field, Words
from p2pmpc.prg import CHUNK, Expansion, JointExpansion, expansion
from p2pmpc.product import ProductField, Ring
from p2pmpc.shamir import Entropy

_FEW: Final = 16
"""So few elements cost less as plain integers than the calls that arrays would take."""

Source = Expansion | JointExpansion | Words
"""Where a vector comes from: a seed, chunk by chunk, or memory."""

_Plain = Expansion | Words
"""The same in a prime field."""


def share_expansion(
    seed: bytes, session_id: bytes, round_number: int, i: int, j: int, field: Ring, length: int
) -> Source:
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
    return expansion("share", seed, session_id, field, length, round_number=round_number, i=i, j=j)


def mask_expansion(
    seed: bytes, session_id: bytes, round_number: int, j: int, field: Ring, length: int
) -> Source:
    """Return the mask that peer j hides its partial sum under, as the expansion of b_j."""
    return expansion("mask", seed, session_id, field, length, round_number=round_number, i=j)


def weighted_sum(
    field: Ring, length: int, terms: Sequence[tuple[Source, int]], out: Words | None = None
) -> Words:
    """Return the sum of weight * vector over all terms.

    Each chunk is expanded, weighted and added while it is in the cache; nothing but the result is as
    long as the vectors.

    Args:
        field: Of the vectors.
        length: Their length.
        terms: Vectors and their weights, |weight| < 2^31 - 1.
        out: Where to write the sum; it may be one of the vectors. None makes a new one.
    """
    if out is None:
        out = np.empty(length, dtype=field.word)
    if isinstance(field, ProductField):
        for key, component in field.components.items():
            _sum_into(out[key], component, [(_part(v, key), weight) for v, weight in terms])
    else:
        _sum_into(out, field, cast("Sequence[tuple[_Plain, int]]", terms))
    return out


def _part(source: Source, key: str) -> _Plain:
    """Return one component of a vector over a product."""
    return cast("Mapping[str, _Plain]", source)[key]


def _sum_into(out: Words, field: Field, terms: Sequence[tuple[_Plain, int]]) -> None:
    """Write the sum of weight * vector over all terms, in a prime field."""
    length = out.size
    if length <= _FEW:
        out[:] = _sum_of_few(field, length, terms)
        return
    size = min(length, CHUNK)
    total = Accumulator(field, size)
    buffers = np.empty((2, size), dtype=field.word)
    groups = _by_weight(field, terms)
    for chunk, start in enumerate(range(0, length, CHUNK)):
        part = out[start : start + CHUNK]
        for weight, sources in groups:
            words = _sum_of_words(chunk, sources, buffers[:, : part.size])
            total.add(words, weight, summed=len(sources))
        total.take(part)


def _by_weight(field: Field, terms: Sequence[tuple[_Plain, int]]) -> list[tuple[int, list[_Plain]]]:
    """Put terms of one weight together, as many as can be summed within a word: one product for all."""
    groups: list[tuple[int, list[_Plain]]] = []
    open_groups: dict[int, list[_Plain]] = {}
    for source, weight in terms:
        group = open_groups.get(weight)
        if group is None or len(group) >= min(
            field.fitting, Accumulator.CAPACITY // max(abs(weight), 1)
        ):
            group = open_groups[weight] = []
            groups.append((weight, group))
        group.append(source)
    return groups


def _sum_of_words(chunk: int, sources: Sequence[_Plain], buffers: Words) -> Words:
    """Return the unreduced sum of one chunk of some vectors, in the first buffer or where it lies."""
    total, spare = buffers
    first, *others = sources
    words = _words(chunk, first, total)
    for source in others:
        np.add(words, _words(chunk, source, spare), out=total, casting="same_kind")
        words = total
    return words


def _words(chunk: int, source: _Plain, buffer: Words) -> Words:
    """Return one chunk of a vector, in the buffer if it is to be expanded."""
    if isinstance(source, Expansion):
        source.write(chunk, buffer)
        return buffer
    return source[chunk * CHUNK : chunk * CHUNK + buffer.size]


def _sum_of_few(field: Field, length: int, terms: Sequence[tuple[_Plain, int]]) -> list[int]:
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
    return [total % field.modulus for total in totals]


def uniform_vector(field: Ring, length: int, entropy: Entropy) -> Words:
    """Draw a uniform vector straight from the entropy source, by rejection, a component at a time."""
    if isinstance(field, ProductField):
        joint = np.empty(length, dtype=field.word)
        for key, component in field.components.items():
            joint[key] = uniform_vector(component, length, entropy)
        return joint
    out = np.empty(length, dtype=np.uint64)
    filled = 0
    while filled < length:
        words = np.frombuffer(entropy((length - filled) * field.width), f"<u{field.width}")
        masked = words & words.dtype.type((1 << field.bits) - 1)
        accepted = masked[masked < field.modulus]
        out[filled : filled + accepted.size] = accepted
        filled += accepted.size
    return out
