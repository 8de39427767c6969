"""Numbers as people write them, as scaled integers, and back; bounds and the bit budget.

A value v with f fraction bits is carried as the integer round(v * 2^f), ties to even, and an
integer as its centred residue. The budget sum_i |w_i| * bound * 2^f <= (p - 1) / 2 makes sure that
no total can wrap around p. A bound is a public limit on |v|, held in scaled units.

No message here repeats a value: the input is secret, its place in the file is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import InputRefused
from p2pmpc.field import Words
from p2pmpc.hashing import labelled_hash
from p2pmpc.prg import CHUNK, Expansion, JointExpansion, expansion
from p2pmpc.product import FIELDS, Ring
from p2pmpc.weights import total_magnitude

Scaled = npt.NDArray[np.int64]
"""Values times 2^f, one-dimensional."""

Floats = npt.NDArray[np.float64]
"""Values as they were read, to the nearest double, one-dimensional."""

LARGEST_SCALED: Final = (1 << 60) - 1
"""(p - 1) / 2 of m61: inputs end here in every field, and only totals go beyond."""

MOST_FRACTION_BITS: Final = 52

INPUT_HINT: Final = "write one decimal number a line, or save a vector of numbers as .npy"
FRACTIONS_HINT: Final = "the founder's --fraction-bits F allows fractions"

_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?", re.ASCII)


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


def automatic_bound(field: Ring, weights: Sequence[int]) -> int:
    """Return the largest scaled bound that fits the roster's weights: from public data only."""
    return min(LARGEST_SCALED, field.largest_magnitude // total_magnitude(weights))


def check_budget(field: Ring, weights: Sequence[int], bound: int, fraction_bits: int) -> None:
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
        due = max(needed, total_magnitude(weights))
        wider = [f.name for f in FIELDS.values() if due <= f.largest_magnitude]
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


def check_bound(
    values: Scaled, bound: int, fraction_bits: int, source: str, *, first: int = 0
) -> None:
    """Refuse an input that is outside the agreed bound, by place and not by value.

    Args:
        values: Some of it, scaled.
        bound: In scaled units.
        fraction_bits: For the message.
        source: Where it came from, for the message.
        first: How many values stand before these.

    Raises:
        InputRefused: Names the first place.
    """
    outside = np.abs(values) > bound
    if outside.any():
        row = first + int(np.argmax(outside)) + 1
        raise InputRefused(
            f"{source}:{row}:1: the value is outside the agreed bound of "
            f"{format_scaled(bound, fraction_bits)}",
            hint="agree on a larger --bound or --field at the founder, or correct the value",
        )


def gamma_expansion(
    session_id: bytes, round_number: int, field: Ring, length: int
) -> Expansion | JointExpansion:
    """Return the public gamma of the checksum coordinate <gamma, x>, chunk by chunk.

    It is known to everybody, so it says no more than the total does: it catches faults, not malice.

    Args:
        session_id: 32 bytes.
        round_number: The round within the session.
        field: The field.
        length: Elements, the checksum coordinate not included.
    """
    seed = labelled_hash("gamma seed", session_id, round_number.to_bytes(4, "big"))
    return expansion("gamma", seed, session_id, field, length, round_number=round_number)


def checksum(residues: Words, session_id: bytes, round_number: int, field: Ring) -> int:
    """Return the checksum coordinate <gamma, x>, without ever holding a whole gamma.

    Args:
        residues: x, reduced.
        session_id: 32 bytes.
        round_number: The round within the session.
        field: The field.
    """
    gamma = gamma_expansion(session_id, round_number, field, residues.size)
    words = np.empty(min(residues.size, CHUNK), dtype=field.word)
    total = 0
    for chunk, start in enumerate(range(0, residues.size, CHUNK)):
        part = residues[start : start + CHUNK]
        gamma.write(chunk, words[: part.size])
        total += field.inner(words[: part.size], part)
    return total % field.modulus
