"""Vectors over a product of two prime fields: residues mod both primes, joined by CRT.

Rules:

1. A word holds one residue for each prime, side by side. Addition, multiplication by a public weight and
   the inner product act on each component alone, so everything is done in the prime fields, and nothing
   is ever carried from one component to the other: a carry would be a part of a secret.
2. A vector is an array of a packed structured type with a name for each component: ``words[key]`` is
   that component's vector, where it lies.
3. Components meet where a total that is open already is read as integers, and there alone.

Source: for CRT in mixed radix, Knuth, The Art of Computer Programming 2, 4.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import LocalProtocolError
from p2pmpc.field import M31, M61, Field, Words, read_words
from p2pmpc.hashing import Bytes

_INT64: Final = (1 << 63) - 1


@dataclass(frozen=True)
class ProductField:
    """The integers mod the product of two primes, stored as their residues mod each.

    Args:
        first: A prime field of at most 32 bits.
        second: Another one, of at most 61 bits.
    """

    first: Field
    second: Field

    @property
    def name(self) -> str:
        """How parameters and transcripts call it."""
        return f"{self.first.name}x{self.second.name}"

    @cached_property
    def components(self) -> dict[str, Field]:
        """The prime fields by their keys in a word; each has a name, and so key streams, of its own."""
        return {
            part.name: replace(part, name=f"{self.name}.{part.name}")
            for part in (self.first, self.second)
        }

    @cached_property
    def modulus(self) -> int:
        """The product of the primes."""
        return self.first.modulus * self.second.modulus

    @cached_property
    def width(self) -> int:
        """Bytes an element takes on the wire: those of all components, one after another."""
        return self.first.width + self.second.width

    @cached_property
    def word(self) -> np.dtype[np.void]:
        """The type of an element on the wire."""
        return np.dtype([(key, field.word) for key, field in self.components.items()])

    @property
    def bits(self) -> int:
        """Bits of the modulus."""
        return self.modulus.bit_length()

    @property
    def largest_magnitude(self) -> int:
        """The largest |v| that a pair of residues can stand for."""
        return (self.modulus - 1) // 2

    # -- residues ---------------------------------------------------------------------------

    def vector(self, values: Iterable[int]) -> Words:
        """Return integers of any size as a vector."""
        first, second = self.first.modulus, self.second.modulus
        return np.array([(value % first, value % second) for value in values], dtype=self.word)

    def integers(self, words: Words) -> list[int]:
        """Return the elements as plain integers in [0, modulus)."""
        return [value % self.modulus for value in self.to_signed(words).tolist()]

    def holds(self, words: Words) -> bool:
        """Return whether words are of this type and every component is reduced."""
        return words.dtype == self.word and all(
            field.holds(words[key]) for key, field in self.components.items()
        )

    def zeros(self, length: int) -> Words:
        """Return the zero vector."""
        return np.zeros(length, dtype=self.word)

    def add(self, left: Words, right: Words) -> Words:
        """Return left + right."""
        out = self.zeros(left.size)
        for key, field in self.components.items():
            out[key] = field.add(left[key], right[key])
        return out

    def add_into(self, total: Words, words: Words) -> None:
        """Add words to a total where it lies."""
        for key, field in self.components.items():
            field.add_into(total[key], words[key])

    def subtract(self, left: Words, right: Words) -> Words:
        """Return left - right."""
        out = self.zeros(left.size)
        for key, field in self.components.items():
            out[key] = field.subtract(left[key], right[key])
        return out

    def inner(self, left: Words, right: Words) -> int:
        """Return the inner product <left, right> as an integer in [0, modulus)."""
        products = self.zeros(1)
        for key, field in self.components.items():
            products[key] = field.inner(left[key], right[key])
        return self.integers(products)[0]

    # -- signed integers --------------------------------------------------------------------

    def from_signed(self, values: npt.NDArray[Any]) -> Words:
        """Return the residues of signed integers with |v| <= (modulus - 1) / 2.

        Args:
            values: Of type int64, or Python integers as objects.

        Raises:
            LocalProtocolError: A value is out of range; callers check the bit budget first.
        """
        limit = self.largest_magnitude
        if values.size and (int(values.max()) > limit or int(values.min()) < -limit):
            raise LocalProtocolError(f"a value does not fit into {self.name}")
        out = np.empty(values.size, dtype=self.word)
        for key, field in self.components.items():
            out[key] = values % field.modulus
        return out

    def to_signed(self, words: Words) -> npt.NDArray[Any]:
        """Return the centred integers: int64 where they are sure to fit, else Python integers."""
        high, low = self._digits(words)
        modulus = self.second.modulus
        if int(np.abs(high).max(initial=0)) <= (_INT64 - modulus // 2) // modulus:
            return high * modulus + low
        joined: npt.NDArray[Any] = high.astype(object) * modulus + low.astype(object)
        return joined

    def beyond(self, words: Words, limit: int) -> npt.NDArray[np.bool_]:
        """Return where centred values are larger in size than a limit."""
        limit = min(limit, self.largest_magnitude)
        modulus = self.second.modulus
        due = (limit + modulus // 2) // modulus
        rest = limit - due * modulus
        high, low = self._digits(words)
        beyond = np.zeros(words.size, dtype=np.bool_)
        for sign in (1, -1):  # digits of a negated value are negated, since they are centred
            beyond |= (sign * high > due) | ((sign * high == due) & (sign * low > rest))
        return beyond

    def _digits(self, words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return both digits of value = high * p2 + low, both centred, and so is the value."""
        first, second = (words[key] for key in self.components)
        p, q = self.first.modulus, self.second.modulus
        low = self.second.to_signed(second)
        difference = (first.astype(np.int64) - low) % p  # |low| < 2^60
        high = self.first.scale(difference.astype(np.uint64), pow(q, -1, p))
        return self.first.to_signed(high), low

    # -- bytes ------------------------------------------------------------------------------

    def encode(self, words: Words) -> bytes:
        """Return the canonical bytes: each element's components in order, little-endian."""
        return np.ascontiguousarray(words, dtype=self.word).tobytes()

    def decode(self, data: Bytes, length: int) -> Words:
        """Decode the canonical bytes of a vector.

        Args:
            data: ``length * width`` bytes.
            length: The number of elements that the parameters call for.

        Returns:
            The words where they lie; read-only where the bytes are.

        Raises:
            RemoteProtocolError: The size is wrong or a component is >= its prime; says where.
        """
        words = read_words(data, self.word, length)
        for key, field in self.components.items():
            field.check_reduced(words[key])
        return words


Ring = Field | ProductField
"""What vectors are over."""

M31XM61: Final = ProductField(M31, M61)
FIELDS: Final[dict[str, Ring]] = {field.name: field for field in (M31, M61, M31XM61)}
"""Every field of a session by its name, from the narrowest to the widest."""
