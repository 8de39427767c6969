"""Vectors over F_p for Mersenne and toy primes, on numpy.

Rules:

1. A vector is a one-dimensional ``uint64`` array of residues in ``[0, p)``; every function takes
   and returns reduced vectors and leaves its arguments alone.
2. Nothing may wrap around 2^64. Where a sum of products could, it is folded first; each bound is
   written beside the line that needs it.
3. Bytes are little-endian and of fixed width, and decoding refuses every element >= p: a residue
   has exactly one encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.hashing import Bytes

Vector = npt.NDArray[np.uint64]
"""Residues in [0, p), one-dimensional."""

_U = np.uint64


@dataclass(frozen=True, slots=True)
class Field:
    """A prime field and how its vectors are stored.

    Args:
        name: How parameters and transcripts call it.
        modulus: The prime p; a Mersenne prime, or any prime below 2^16 (for exhaustive tests).
        width: Bytes an element takes on the wire, 4 or 8.
    """

    name: str
    modulus: int
    width: int

    @property
    def bits(self) -> int:
        """Bits of the largest residue."""
        return self.modulus.bit_length()

    @property
    def is_mersenne(self) -> bool:
        """Whether p = 2^bits - 1, so that a fold replaces a division."""
        return self.modulus == (1 << self.bits) - 1

    @property
    def largest_magnitude(self) -> int:
        """The largest |v| that a centred residue can stand for: (p - 1) / 2."""
        return (self.modulus - 1) // 2

    # -- residues ---------------------------------------------------------------------------

    def reduce(self, values: Vector) -> Vector:
        """Return ``values`` mod p, for any uint64 values."""
        if not self.is_mersenne:
            return values % _U(self.modulus)
        p = _U(self.modulus)
        bits = _U(self.bits)
        # Mersenne: 2^bits = 1 mod p. The first fold leaves < 2^bits + 2^(64-bits); fields below
        # 32 bits may need several.
        folded = (values & p) + (values >> bits)
        while folded.size and int(folded.max()) > self.modulus:
            folded = (folded & p) + (folded >> bits)
        folded[folded == p] = 0
        return folded

    def zeros(self, length: int) -> Vector:
        """Return the zero vector."""
        return np.zeros(length, dtype=np.uint64)

    def add(self, left: Vector, right: Vector) -> Vector:
        """Return left + right."""
        return self.reduce(left + right)  # < 2p < 2^62

    def subtract(self, left: Vector, right: Vector) -> Vector:
        """Return left - right."""
        return self.reduce(left + (_U(self.modulus) - right))  # < 2p + 1

    def negate(self, vector: Vector) -> Vector:
        """Return -vector."""
        return self.reduce(_U(self.modulus) - vector)

    def multiply(self, left: Vector, right: Vector) -> Vector:
        """Return the elementwise product.

        Args:
            left: Reduced, any shape that broadcasts.
            right: Reduced, likewise.

        Returns:
            left * right mod p.
        """
        if self.bits <= 32:
            return self.reduce(np.atleast_1d(left * right))  # < 2^64
        # p = 2^61 - 1. With a = a1*2^31 + a0 and b likewise (a1, b1 < 2^30; a0, b0 < 2^31):
        #   a*b = a1*b1*2^62 + (a1*b0 + a0*b1)*2^31 + a0*b0,  2^62 = 2 and 2^61 = 1 mod p.
        low = _U((1 << 31) - 1)
        a1, a0 = left >> _U(31), left & low
        b1, b0 = right >> _U(31), right & low
        middle = a1 * b0 + a0 * b1  # < 2^62
        carried = (middle >> _U(30)) + ((middle & _U((1 << 30) - 1)) << _U(31))  # < 2^32 + 2^61
        # 2*a1*b1 < 2^61 and a0*b0 < 2^62, so the sum stays below 2^63 + 2^32.
        return self.reduce(np.atleast_1d(((a1 * b1) << _U(1)) + carried + a0 * b0))

    def scale(self, vector: Vector, factor: int) -> Vector:
        """Return factor * vector for any integer factor."""
        residue = np.array([factor % self.modulus], dtype=np.uint64)
        return self.multiply(vector, residue)

    def inner(self, left: Vector, right: Vector) -> int:
        """Return the inner product <left, right> as an integer in [0, p)."""
        products = self.multiply(left, right)
        # Halves of 32 bits: their sums cannot wrap below 2^32 elements.
        low = int((products & _U(0xFFFFFFFF)).sum(dtype=np.uint64))
        high = int((products >> _U(32)).sum(dtype=np.uint64))
        return (low + (high << 32)) % self.modulus

    def sum(self, vectors: Iterable[Vector], length: int) -> Vector:
        """Return the sum of vectors of one length."""
        total = WeightedSum(self, length)
        for vector in vectors:
            total.add(vector, 1)
        return total.value()

    # -- signed integers --------------------------------------------------------------------

    def from_signed(self, values: npt.NDArray[np.int64]) -> Vector:
        """Return the residues of signed integers with |v| <= (p - 1) / 2.

        Raises:
            LocalProtocolError: A value is out of range; callers check the bit budget first.
        """
        limit = self.largest_magnitude
        if values.size and (int(values.max()) > limit or int(values.min()) < -limit):
            raise LocalProtocolError(f"a value does not fit into {self.name}")
        return np.where(values < 0, values + np.int64(self.modulus), values).astype(np.uint64)

    def to_signed(self, vector: Vector) -> npt.NDArray[np.int64]:
        """Return the centred integers of residues: |v| <= (p - 1) / 2."""
        signed = vector.astype(np.int64)
        return np.where(signed > self.largest_magnitude, signed - np.int64(self.modulus), signed)

    # -- bytes ------------------------------------------------------------------------------

    def encode(self, vector: Vector) -> bytes:
        """Return the canonical bytes: ``width`` bytes an element, little-endian."""
        return vector.astype(f"<u{self.width}").tobytes()

    def decode(self, data: Bytes, length: int) -> Vector:
        """Decode the canonical bytes of a vector.

        Args:
            data: ``length * width`` bytes.
            length: The number of elements that the parameters call for.

        Returns:
            The vector.

        Raises:
            RemoteProtocolError: The size is wrong or an element is >= p; says which.
        """
        if len(data) != length * self.width:
            raise RemoteProtocolError(
                f"a vector of {len(data)} bytes where {length * self.width} were due"
            )
        vector = np.frombuffer(data, dtype=f"<u{self.width}").astype(np.uint64)
        too_large = vector >= _U(self.modulus)
        if too_large.any():
            where = int(np.argmax(too_large))
            raise RemoteProtocolError(f"element {where} of a vector is not below p ({self.name})")
        return vector


class WeightedSum:
    """A running sum of w_i * v_i, folded only when it could wrap.

    Signs are handled apart from magnitudes: |w| * (p - v) for a negative weight. A negative
    weight taken as a residue would be near p and overflow after four terms.

    Args:
        field: The field of the vectors.
        length: Their length.
    """

    __slots__ = ("_field", "_room", "_total")

    _CAPACITY: Final = 1 << 33
    """Sum of |w| that unreduced 31-bit products may reach: 2^33 * 2^31 = 2^64."""

    def __init__(self, field: Field, length: int) -> None:
        self._field = field
        self._total = field.zeros(length)
        self._room = self._CAPACITY

    def add(self, vector: Vector, weight: int) -> None:
        """Add weight * vector.

        Args:
            vector: Reduced, of the agreed length.
            weight: Any integer with |weight| < 2^31 - 1.
        """
        field = self._field
        magnitude = abs(weight)
        if weight < 0:
            vector = _U(field.modulus) - vector  # in [1, p]; congruent to -v
        if field.bits > 32:
            self._total = field.reduce(self._total + field.scale(field.reduce(vector), magnitude))
            return
        # One unit of room stays for the reduced total itself.
        if magnitude >= self._room:
            self._total = field.reduce(self._total)
            self._room = self._CAPACITY - 1
        self._total += vector * _U(magnitude)
        self._room -= magnitude

    def value(self) -> Vector:
        """Return the sum so far, reduced."""
        return self._field.reduce(self._total)


M31: Final = Field("m31", (1 << 31) - 1, 4)
M61: Final = Field("m61", (1 << 61) - 1, 8)
FIELDS: Final = {field.name: field for field in (M31, M61)}
