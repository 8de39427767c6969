"""Vectors over F_p for Mersenne and toy primes, on numpy.

Rules:

1. A vector is a one-dimensional array of residues in ``[0, p)``: of ``uint64`` where it is computed
   with, of words as wide as on the wire where it is kept or sent. Every function takes and returns
   reduced vectors, and leaves its arguments alone but for those it is to write into.
2. Nothing may wrap around 2^64. Where a sum of products could, it is folded first; each bound is
   written beside the line that needs it.
3. Bytes are little-endian and of fixed width, and decoding refuses every element >= p: a residue
   has exactly one encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.hashing import Bytes

Vector = npt.NDArray[np.uint64]
"""Residues in [0, p), one-dimensional."""

Words = npt.NDArray[Any]
"""Residues as they are kept and sent: of the type of the wire. In a prime field these are unsigned
integers, and a Vector may stand for them; over a product, records of them (p2pmpc/product.py)."""

_U = np.uint64
_LOW: Final = _U((1 << 31) - 1)
_LOW32: Final = _U((1 << 32) - 1)
_BLOCK: Final = 1 << 14
"""Elements whose intermediate values stay in a core's own cache."""
_FOLDED: Final = {31: 2, 61: 1}
"""Folds that bring any 64-bit value near a Mersenne prime, by its bits."""


def read_words(data: Bytes, word: np.dtype[Any], length: int) -> Words:
    """Return the words of a vector where its bytes lie, without looking at their values.

    Args:
        data: ``length`` words of that type.
        word: The type of an element on the wire.
        length: The number of elements that the parameters call for.

    Raises:
        RemoteProtocolError: The size is wrong.
    """
    if len(data) != length * word.itemsize:
        raise RemoteProtocolError(
            f"a vector of {len(data)} bytes where {length * word.itemsize} were due"
        )
    return np.frombuffer(data, dtype=word)


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
    def word(self) -> np.dtype[np.uint32] | np.dtype[np.uint64]:
        """The type of an element on the wire and in a key stream."""
        return np.dtype(f"<u{self.width}")

    @property
    def bits(self) -> int:
        """Bits of the largest residue."""
        return self.modulus.bit_length()

    @property
    def largest_magnitude(self) -> int:
        """The largest |v| that a centred residue can stand for: (p - 1) / 2."""
        return (self.modulus - 1) // 2

    # -- residues ---------------------------------------------------------------------------

    def reduce(self, values: Vector) -> Vector:
        """Return ``values`` mod p, for any uint64 values."""
        out = np.empty_like(values)
        self.reduce_into(values, out, np.empty_like(values))
        return out

    def reduce_into(self, values: Vector, out: Vector, scratch: Vector) -> None:
        """Write ``values`` mod p, for any uint64 values.

        Args:
            values: Of any size.
            out: As large; may be ``values``.
            scratch: As large, and neither of them.
        """
        if self.bits not in _FOLDED:
            np.remainder(values, _U(self.modulus), out=out)
            return
        # Mersenne: 2^bits = 1 mod p. One fold of 61 bits leaves at most p + 7; two of 31 bits leave
        # at most p + 2^33, then p + 4.
        p, bits = _U(self.modulus), _U(self.bits)
        for _ in range(_FOLDED[self.bits]):
            np.right_shift(values, bits, out=scratch)
            np.bitwise_and(values, p, out=out)
            np.add(out, scratch, out=out)
            values = out
        # v - p wraps to something huge where v < p, so the smaller of the two is v mod p.
        np.subtract(out, p, out=scratch)
        np.minimum(out, scratch, out=out)

    @property
    def fitting(self) -> int:
        """How many residues can be summed in one word."""
        return ((1 << 8 * self.width) - 1) // (self.modulus - 1)

    def zeros(self, length: int) -> Vector:
        """Return the zero vector."""
        return np.zeros(length, dtype=np.uint64)

    def vector(self, values: Iterable[int]) -> Words:
        """Return integers of any size as a vector."""
        return np.array([value % self.modulus for value in values], dtype=self.word)

    def integers(self, words: Words) -> list[int]:
        """Return the elements as plain integers in [0, p)."""
        found: list[int] = words.tolist()
        return found

    def holds(self, words: Words) -> bool:
        """Return whether words are unsigned integers, and all are reduced."""
        return words.dtype.kind == "u" and int(words.max(initial=0)) < self.modulus

    def add(self, left: Words, right: Words) -> Vector:
        """Return left + right."""
        return self.reduce(left.astype(np.uint64) + right)  # < 2p < 2^62

    def add_into(self, total: Words, words: Words) -> None:
        """Add words to a total where it lies; both are as wide as on the wire."""
        p, scratch = self.word.type(self.modulus), np.empty(min(_BLOCK, total.size), self.word)
        for start in range(0, total.size, _BLOCK):
            part = total[start : start + _BLOCK]
            less = scratch[: part.size]
            np.add(part, words[start : start + _BLOCK], out=part)  # < 2p, which fits
            # v - p wraps to something huge where v < p, so the smaller of the two is v mod p.
            np.subtract(part, p, out=less)
            np.minimum(part, less, out=part)

    def subtract(self, left: Words, right: Words) -> Vector:
        """Return left - right."""
        return self.reduce(left + (_U(self.modulus) - right))  # < 2p + 1

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
        left, right = np.broadcast_arrays(np.atleast_1d(left), right)
        out = np.empty(left.size, dtype=np.uint64)
        scratch = np.empty((5, min(_BLOCK, left.size)), dtype=np.uint64)
        for start in range(0, left.size, _BLOCK):
            part = slice(start, min(start + _BLOCK, left.size))
            size = part.stop - part.start
            self._multiply_block(left[part], right[part], out[part], scratch[:, :size])
        return out

    def _multiply_block(
        self, left: Vector, right: Vector, out: Vector, scratch: npt.NDArray[np.uint64]
    ) -> None:
        """Write the product of a cache-sized block in the 61-bit field."""
        # p = 2^61 - 1. With a = a1*2^31 + a0 and b likewise (a1, b1 < 2^30; a0, b0 < 2^31):
        #   a*b = a1*b1*2^62 + (a1*b0 + a0*b1)*2^31 + a0*b0,  2^62 = 2 and 2^61 = 1 mod p.
        low = _U((1 << 31) - 1)
        a0, a1, b0, b1, middle = scratch
        np.bitwise_and(left, low, out=a0)
        np.right_shift(left, _U(31), out=a1)
        np.bitwise_and(right, low, out=b0)
        np.right_shift(right, _U(31), out=b1)
        np.multiply(a0, b0, out=out)  # < 2^62
        np.multiply(a0, b1, out=a0)
        np.multiply(a1, b0, out=middle)
        np.add(middle, a0, out=middle)  # < 2^62
        np.multiply(a1, b1, out=a1)
        np.left_shift(a1, _U(1), out=a1)  # < 2^61
        np.add(out, a1, out=out)
        np.right_shift(middle, _U(30), out=a1)  # < 2^32
        np.add(out, a1, out=out)
        np.bitwise_and(middle, _U((1 << 30) - 1), out=middle)
        np.left_shift(middle, _U(31), out=middle)  # < 2^61
        np.add(out, middle, out=out)  # all together < 2^63 + 2^32
        self.reduce_into(out, out, middle)

    def scale(self, vector: Vector, factor: int) -> Vector:
        """Return factor * vector for any integer factor."""
        residue = np.array([factor % self.modulus], dtype=np.uint64)
        return self.multiply(vector, residue)

    def inner(self, left: Words, right: Words) -> int:
        """Return the inner product <left, right> as an integer in [0, p)."""
        total = 0
        for start in range(0, left.size, _BLOCK):
            a = left[start : start + _BLOCK].astype(np.uint64)
            b = right[start : start + _BLOCK].astype(np.uint64)
            if self.bits > 32:
                products = self.multiply(a, b)
                low, high = products & _LOW32, products >> _U(32)
                total += int(low.sum()) + (int(high.sum()) << 32)
                continue
            # Halves of 16 bits: a block sums 2^14 products below 2^48.
            low, high = b & _U(0xFFFF), b >> _U(16)
            total += int(np.einsum("i,i->", a, low)) + (int(np.einsum("i,i->", a, high)) << 16)
        return total % self.modulus

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

    def to_signed(self, vector: Words) -> npt.NDArray[np.int64]:
        """Return the centred integers of residues: |v| <= (p - 1) / 2."""
        signed = vector.astype(np.int64)
        return np.where(signed > self.largest_magnitude, signed - np.int64(self.modulus), signed)

    def beyond(self, words: Words, limit: int) -> npt.NDArray[np.bool_]:
        """Return where centred residues are larger in size than a limit."""
        limit = min(limit, self.largest_magnitude)
        beyond: npt.NDArray[np.bool_] = (words > limit) & (words < self.modulus - limit)
        return beyond

    # -- bytes ------------------------------------------------------------------------------

    def encode(self, vector: Words) -> bytes:
        """Return the canonical bytes: ``width`` bytes an element, little-endian."""
        return np.ascontiguousarray(vector, dtype=self.word).tobytes()

    def decode(self, data: Bytes, length: int) -> Words:
        """Decode the canonical bytes of a vector.

        Args:
            data: ``length * width`` bytes.
            length: The number of elements that the parameters call for.

        Returns:
            The words where they lie; read-only where the bytes are.

        Raises:
            RemoteProtocolError: The size is wrong or an element is >= p; says which.
        """
        words = read_words(data, self.word, length)
        self.check_reduced(words)
        return words

    def check_reduced(self, words: Words) -> None:
        """Refuse words of the wire that are no residues.

        Raises:
            RemoteProtocolError: An element is >= p; says which.
        """
        if words.size and int(words.max()) >= self.modulus:
            where = int(np.argmax(words >= self.modulus))
            raise RemoteProtocolError(f"element {where} of a vector is not below p ({self.name})")


class Accumulator:
    """Sums weighted blocks with no reduction on the way, but where a sum could wrap.

    Words of 61 bits are cut at 31 bits, so that a limb times a weight fits 62 bits. Signs are handled
    apart from sizes: a negative weight taken as a residue would be near p and overflow after four terms.
    What a limb can have grown to is counted in units of 2^31, so that no more is folded at the end than
    must be.

    Args:
        field: The field of the blocks.
        size: The largest block.
    """

    __slots__ = ("_field", "_limbs", "_narrow", "_part", "_scratch", "_size", "_used")

    CAPACITY: Final = (1 << 33) - 1
    """Sum of |w| that limbs below 2^31 may reach: (2^33 - 1) * 2^31 < 2^64."""

    def __init__(self, field: Field, size: int) -> None:
        self._field = field
        self._size = size
        self._scratch = np.empty(size, dtype=np.uint64)
        self._part = np.empty(size, dtype=np.uint64)
        self._narrow = np.empty(size, dtype=field.word)
        self._limbs: dict[int, list[Vector]] = {}
        """By the sign of the weight: the low limbs, and in a field of 61 bits the high ones."""
        self._used: dict[int, int] = {}
        """By sign, the sum of |w| so far; no entry where nothing was added yet."""

    def add(self, words: Words, weight: int, *, summed: int = 1) -> None:
        """Add weight * words.

        Args:
            words: As many as in every other block since the last :meth:`take`.
            weight: Any integer with |weight| < 2^31 - 1.
            summed: How many residues each word is the sum of, at most :attr:`Field.fitting`.
        """
        sign, size, n = (1 if weight > 0 else -1), abs(weight), words.size
        used = self._used.get(sign)
        if used is not None and used + size * summed > self.CAPACITY:
            self._fold(sign, n)
            used = 1
        self._used[sign] = (used or 0) + size * summed
        factor, scratch = _U(size), self._scratch[:n]
        low, *high = (limb[:n] for limb in self._limbs_of(sign))
        if not high:
            if used is None:
                np.multiply(words, factor, out=low, dtype=np.uint64)
            elif size == 1:
                np.add(low, words, out=low)
            else:
                np.multiply(words, factor, out=scratch, dtype=np.uint64)
                np.add(low, scratch, out=low)
            return
        for limb, cut in ((low, np.bitwise_and), (high[0], np.right_shift)):
            target = limb if used is None else scratch
            cut(words, _LOW if limb is low else _U(31), out=target)
            if size != 1:
                np.multiply(target, factor, out=target)
            if used is not None:
                np.add(limb, scratch, out=limb)

    def take(self, out: Words) -> None:
        """Write the sum, reduced, and begin anew.

        Args:
            out: As large as the blocks that were added.
        """
        n, used = out.size, self._used
        self._used = {}
        if -1 not in used:
            if 1 in used:
                self._write(1, used[1], out)
            else:
                out[:] = 0
            return
        # A multiple of p that no negative sum exceeds: what is left of it is no less than zero.
        modulus = self._field.modulus
        least = -(-(used[-1] << 31) // modulus) * modulus
        if (used.get(1, 0) << 31) + least >> 64:
            self._fold(-1, n)
            if 1 in used:
                self._fold(1, n)
            used = dict.fromkeys(used, 1)
            least = -(-(1 << 31) // modulus) * modulus
        for low, negative in zip(self._limbs_of(1), self._limbs_of(-1), strict=True):
            limb, minus = low[:n], negative[:n]
            np.subtract(_U(least), minus, out=minus)
            if 1 in used:
                np.add(limb, minus, out=limb)
            else:
                limb[:] = minus
        self._write(1, used.get(1, 0) + (least >> 31) + 1, out)

    def _limbs_of(self, sign: int) -> list[Vector]:
        if sign not in self._limbs:
            count = 1 if self._field.bits <= 32 else 2
            self._limbs[sign] = [np.empty(self._size, dtype=np.uint64) for _ in range(count)]
        return self._limbs[sign]

    def _fold(self, sign: int, n: int) -> None:
        """Bring the limbs of one sign back below 2^31, the room of a weight of 1."""
        low, *high = (limb[:n] for limb in self._limbs_of(sign))
        whole = self._part[:n]
        self._join(sign, self.CAPACITY, whole)
        if high:
            np.right_shift(whole, _U(31), out=high[0])
            np.bitwise_and(whole, _LOW, out=low)
        else:
            low[:] = whole

    def _write(self, sign: int, used: int, out: Words) -> None:
        """Write what the limbs of one sign stand for, reduced; they are of no use any more."""
        field, n = self._field, out.size
        if field.bits != 31 or used >= field.modulus or out.dtype != field.word:
            whole = self._part[:n]
            self._join(sign, used, whole)
            np.copyto(out, whole, casting="same_kind")
            return
        # One fold leaves at most p + used < 2p, which fits 32 bits; v - p wraps where v < p.
        (low,), p = self._limbs_of(sign), np.uint32(field.modulus)
        limb, scratch, narrow = low[:n], self._scratch[:n], self._narrow[:n]
        np.right_shift(limb, _U(31), out=scratch)
        np.bitwise_and(limb, _U(field.modulus), out=limb)
        np.add(limb, scratch, out=out, casting="same_kind")
        np.subtract(out, p, out=narrow)
        np.minimum(out, narrow, out=out)

    def _join(self, sign: int, used: int, out: Vector) -> None:
        """Write what the limbs of one sign stand for, reduced."""
        n, field = out.size, self._field
        scratch = self._scratch[:n]
        low, *high = (limb[:n] for limb in self._limbs_of(sign))
        if not high:
            field.reduce_into(low, out, scratch)
            return
        # h * 2^31 mod p for h < 2^61: the upper 31 bits of h come round to the bottom.
        top = high[0]
        if used >= 1 << 30:
            field.reduce_into(top, top, scratch)
            field.reduce_into(low, low, scratch)
        np.right_shift(top, _U(30), out=scratch)
        np.bitwise_and(top, _U((1 << 30) - 1), out=out)
        np.left_shift(out, _U(31), out=out)
        np.add(out, scratch, out=out)  # < 2^61 + 2^31
        np.add(out, low, out=out)  # < 2^62 + 2^31
        field.reduce_into(out, out, scratch)


M31: Final = Field("m31", (1 << 31) - 1, 4)
M61: Final = Field("m61", (1 << 61) - 1, 8)
