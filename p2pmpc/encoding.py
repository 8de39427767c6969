"""Numbers as people write them, as scaled integers, and back; bounds and the bit budget.

A value v with f fraction bits is carried as the integer round(v * 2^f), ties to even, and an
integer as its centred residue. The budget sum_i |w_i| * bound * 2^f <= (p - 1) / 2 makes sure that
no total can wrap around p. A bound is a public limit on |v|, held in scaled units.

No message here repeats a value: the input is secret, its place in the file is not.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import InputRefused
from p2pmpc.field import FIELDS, Field, Words
from p2pmpc.hashing import labelled_hash
from p2pmpc.prg import CHUNK, Expansion, expansion_info
from p2pmpc.weights import total_magnitude

Scaled = npt.NDArray[np.int64]
"""Values times 2^f, one-dimensional."""

LARGEST_SCALED: Final = (1 << 60) - 1
"""(p - 1) / 2 of the largest field; no input beyond it can ever fit."""

MOST_FRACTION_BITS: Final = 52

_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?", re.ASCII)
_NPY_FAULTS: Final = (
    ValueError, EOFError, OSError, SyntaxError, TypeError, OverflowError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises on a damaged header: it is read as a Python literal."""
_NPY_MAGIC: Final = b"\x93NUMPY"


def parse_scaled(text: str, fraction_bits: int) -> int:
    """Read a decimal number exactly and scale it.

    Args:
        text: A decimal number; ``1e3`` is one too, ``nan``, ``1,5`` and ``0x10`` are not.
        fraction_bits: f; with 0 only integers are accepted.

    Returns:
        round(value * 2^f), ties to even.

    Raises:
        ValueError: Says what is wrong, without the text.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(_why_no_number(text))
    sign, whole, fraction, exponent = match[1], match[2] or "", match[3] or "", match[4] or "0"
    digits = (whole + fraction).lstrip("0")
    power = int(exponent) - len(fraction)
    if not digits:
        return 0
    if len(digits) + power > 20 or len(digits) > 400:
        raise ValueError("the number is too large for any field")
    if power < -400:
        raise ValueError("the number has more decimals than can be read")
    numerator = int(digits) << fraction_bits
    scaled: int
    if power >= 0:
        scaled = numerator * 10**power
    else:
        scaled, rest = divmod(numerator, 10**-power)
        if rest and fraction_bits == 0:
            raise ValueError("not a whole number, and this sum has no fraction bits")
        double = 2 * rest
        if double > 10**-power or (double == 10**-power and scaled % 2 == 1):
            scaled += 1
    if scaled > LARGEST_SCALED:
        raise ValueError("the number is too large for any field")
    return -scaled if sign == "-" else scaled


def _why_no_number(text: str) -> str:
    lowered = text.lower().lstrip("+-")
    if lowered in ("nan", "inf", "infinity"):
        return "NaN and infinity cannot be summed"
    if lowered in ("true", "false"):
        return "a truth value is not a number; write 1 or 0"
    if len(text.split()) > 1 or ";" in text:
        return "more than one number on a line"
    if "," in text:
        return "not a number; decimals take a point, and a line holds one number"
    return "not a number"


def format_scaled(value: int, fraction_bits: int) -> str:
    """Return value / 2^f as its exact decimal text."""
    magnitude = abs(value)
    whole = magnitude >> fraction_bits
    rest = (magnitude & ((1 << fraction_bits) - 1)) * 5**fraction_bits  # rest / 2^f * 10^f
    text = str(whole)
    if rest:
        text += "." + str(rest).zfill(fraction_bits).rstrip("0")
    return f"-{text}" if value < 0 else text


@dataclass(frozen=True, slots=True)
class Numbers:
    """One peer's input as read, before the agreed number of fraction bits is known.

    Args:
        source: Where it came from, for messages.
        tokens: The numbers as text, a line each; or
        array: the numbers as a one-dimensional array.
    """

    source: str
    tokens: tuple[str, ...] | None = dataclass_field(default=None, repr=False)
    array: npt.NDArray[Any] | None = dataclass_field(default=None, repr=False)

    @property
    def length(self) -> int:
        """How many numbers there are."""
        if self.tokens is not None:
            return len(self.tokens)
        return 0 if self.array is None else int(self.array.size)

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Numbers:
        """Read a file's content: a ``.npy`` vector, or text with a number a line.

        Raises:
            InputRefused: It is empty, ragged, of a wrong encoding or type, with its place.
        """
        if data.startswith(_NPY_MAGIC):
            return cls._from_npy(data, source)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
            raise InputRefused(
                f"{source}:{line}:{column}: this is not UTF-8 text",
                hint="save the file as UTF-8, or give a .npy vector",
            ) from None
        tokens = text.rstrip().splitlines()
        if not tokens:
            raise InputRefused(f"{source}:1:1: there is no number in it", hint=_INPUT_HINT)
        numbers = cls(source, tokens=tuple(token.strip() for token in tokens))
        # Only the form is checked now; whether fractions are allowed is agreed later.
        numbers.scale(0, form_only=True)
        return numbers

    @classmethod
    def _from_npy(cls, data: bytes, source: str) -> Numbers:
        try:
            array = np.load(io.BytesIO(data), allow_pickle=False)
        except _NPY_FAULTS as error:
            raise InputRefused(
                f"{source}:1:1: this .npy file cannot be read ({type(error).__name__})",
                hint="save a one-dimensional array of integers or floats with numpy.save",
            ) from None
        if array.ndim != 1 or array.dtype.kind not in "iuf" or array.size == 0:
            raise InputRefused(
                f"{source}:1:1: an array of type {array.dtype} and shape {array.shape}, where a "
                "vector of integers or floats is needed",
                hint="flatten it, and convert truth values with .astype(int)",
            )
        numbers = cls(source, array=array)
        numbers.scale(0, form_only=True)
        return numbers

    def scale(self, fraction_bits: int, *, form_only: bool = False) -> Scaled:
        """Return the values times 2^f.

        Args:
            fraction_bits: The agreed f.
            form_only: Accept sizes and fractions that only the parameters can judge.

        Raises:
            InputRefused: A value cannot be used; says where, never what.
        """
        if self.tokens is None:
            return self._scale_array(fraction_bits, form_only)
        scaled = np.empty(len(self.tokens), dtype=np.int64)
        for row, token in enumerate(self.tokens):
            try:
                scaled[row] = parse_scaled(token, 1 if form_only else fraction_bits)
            except ValueError as error:
                hint = _INPUT_HINT
                if "fraction bits" in str(error):
                    hint = "the founder's --fraction-bits F allows fractions"
                raise InputRefused(f"{self.source}:{row + 1}:1: {error}", hint=hint) from None
        return scaled

    def _scale_array(self, fraction_bits: int, form_only: bool) -> Scaled:
        array = self.array
        assert array is not None
        if array.dtype.kind == "f":
            floats = array.astype(np.float64)
            self._refuse_where(~np.isfinite(floats), "NaN and infinity cannot be summed")
            if form_only:
                return np.zeros(0, dtype=np.int64)
            if fraction_bits == 0:
                self._refuse_where(
                    floats != np.rint(floats),
                    "not a whole number, and this sum has no fraction bits",
                )
            scaled = np.rint(np.ldexp(floats, fraction_bits))  # exact, then ties to even
            self._refuse_where(
                np.abs(scaled) > float(LARGEST_SCALED), "the number is too large for any field"
            )
            return scaled.astype(np.int64)
        limit = LARGEST_SCALED >> fraction_bits
        outside = array > limit
        if array.dtype.kind == "i":
            outside |= array < -limit
        self._refuse_where(outside, "the number is too large for any field")
        return array.astype(np.int64) << np.int64(fraction_bits)

    def _refuse_where(self, bad: npt.NDArray[np.bool_], why: str) -> None:
        if bad.any():
            raise InputRefused(
                f"{self.source}:{int(np.argmax(bad)) + 1}:1: {why} (element {int(np.argmax(bad))})",
                hint=_INPUT_HINT,
            )

    def as_floats(self) -> npt.NDArray[np.float64]:
        """Return the values as they were read, to the nearest double: whatever carries them later."""
        if self.tokens is not None:
            return np.array([float(token) for token in self.tokens])
        assert self.array is not None
        return self.array.astype(np.float64)

    def check_length(self, length: int) -> None:
        """Refuse an input that is not as long as agreed.

        Raises:
            InputRefused: Both lengths are shown.
        """
        if self.length != length:
            raise InputRefused(
                f"{self.source}:{min(self.length, length) + 1}:1: {self.length} numbers, where "
                f"the session sums vectors of {length}",
                hint="every peer's vector has the length that the founder's --length says",
            )


_INPUT_HINT: Final = "write one decimal number a line, or save a vector of numbers as .npy"


def automatic_bound(field: Field, weights: Sequence[int]) -> int:
    """Return the largest scaled bound that fits the roster's weights: from public data only."""
    return field.largest_magnitude // total_magnitude(weights)


def check_budget(field: Field, weights: Sequence[int], bound: int, fraction_bits: int) -> None:
    """Refuse a sum whose total could wrap around p.

    Args:
        field: The agreed field.
        weights: Every contributor's.
        bound: In scaled units.
        fraction_bits: For the message.

    Raises:
        InputRefused: Says which field or which bound would do.
    """
    needed = total_magnitude(weights) * bound
    if 0 < needed <= field.largest_magnitude:
        return
    fitting = automatic_bound(field, weights)
    if fitting == 0:
        wider = [f.name for f in FIELDS.values() if automatic_bound(f, weights)]
        raise InputRefused(
            f"the weights, {total_magnitude(weights)} together, leave no room for values in "
            f"{field.name}",
            hint=f"--field {wider[0]} at the founder would do, or smaller weights"
            if wider
            else "use smaller weights",
        )
    others = [f.name for f in FIELDS.values() if needed <= f.largest_magnitude]
    way_out = f"--field {others[0]} at the founder" if others and needed else "a smaller bound"
    raise InputRefused(
        f"the total does not fit {field.name}: weights of {total_magnitude(weights)} together and "
        f"values up to {format_scaled(bound, fraction_bits)} need {(2 * needed).bit_length()} "
        f"bits, and there are {field.bits}",
        hint=f"{way_out} would do; with {field.name} the bound can be at most "
        f"{format_scaled(fitting, fraction_bits)} with {fraction_bits} fraction bits",
    )


def check_bound(values: Scaled, bound: int, fraction_bits: int, source: str) -> None:
    """Refuse an input that is outside the agreed bound, by place and not by value.

    Raises:
        InputRefused: Names the first place.
    """
    outside = np.abs(values) > bound
    if outside.any():
        where = int(np.argmax(outside))
        raise InputRefused(
            f"{source}:{where + 1}:1: the value is outside the agreed bound of "
            f"{format_scaled(bound, fraction_bits)}",
            hint="agree on a larger --bound or --field at the founder, or correct the value",
        )


def with_weight(values: Scaled, weight: int) -> Scaled:
    """Return what a contributor with a private weight sums: weighted values, and the weight.

    Both open only as totals: sum w_i * x_i and sum w_i, which give the weighted mean.

    Args:
        values: Within the bound.
        weight: Within the weight bound; the bit budget covers their product.
    """
    return np.append(values * np.int64(weight), np.int64(weight))


def checksum(session_id: bytes, round_number: int, field: Field, residues: Words) -> int:
    """Return the checksum coordinate <gamma, x>, with the public gamma of a round.

    Gamma is known to everybody, so it says no more than the total does: it catches faults, not malice.
    """
    seed = labelled_hash("gamma seed", session_id, round_number.to_bytes(4, "big"))
    info = expansion_info("gamma", round_number, 0, 0, field, residues.size)
    gamma = Expansion(seed, session_id, info, field)
    words = np.empty(min(residues.size, CHUNK), dtype=field.word)
    total = 0
    for chunk, start in enumerate(range(0, residues.size, CHUNK)):
        part = residues[start : start + CHUNK]
        gamma.write(chunk, words[: part.size])
        total += field.inner(words[: part.size], part)
    return total % field.modulus


def with_checksum(values: Scaled, session_id: bytes, round_number: int, field: Field) -> Words:
    """Return the residues of an input with its checksum coordinate behind them."""
    residues = np.empty(values.size + 1, dtype=field.word)
    residues[:-1] = field.from_signed(values)
    residues[-1] = checksum(session_id, round_number, field, residues[:-1])
    return residues
