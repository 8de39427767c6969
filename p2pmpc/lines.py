"""Text with a number a line, as blocks: plain decimals many at a time, everything else one by one.

Rules:

1. Lines end with a line feed, a carriage return, or both. Blank lines at the end are no numbers.
2. The slow way, :func:`p2pmpc.encoding.parse_scaled` line by line, says what a number is. The fast way
   takes only lines where it comes to the same, and a property holds both to that.
3. Columns count characters, and a byte order mark is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from p2pmpc.encoding import FRACTIONS_HINT, INPUT_HINT, LARGEST_SCALED, Floats, Scaled, parse_scaled
from p2pmpc.errors import InputRefused

LONGEST_LINE: Final = 1 << 20
"""Bytes; no number is that long, and a file without ends of line must not fill the memory."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINE_FEED, _POINT, _MINUS, _PLUS, _ZERO, _NINE = (ord(sign) for sign in "\n.-+09")
_MOST_DIGITS: Final = 18
"""10^18 < 2^60: so many digits fit any field and an int64."""
_POWERS: Final = np.array([10**k for k in range(_MOST_DIGITS + 1)], dtype=np.int64)
_EXACT_IN_A_FLOAT: Final = 1 << 53

Integers = npt.NDArray[np.int64]
T = TypeVar("T")


class TextBlock:
    """Numbers of a text.

    Args:
        source: Where the input came from, for messages.
        first: How many lines stand before these.
        data: Whole lines, each ended by one line feed.
    """

    def __init__(self, source: str, first: int, data: bytes) -> None:
        self.first = first
        self.size = data.count(b"\n")
        self._source = source
        self._data = data
        self._plain = _plain_decimals(data)

    def check_form(self) -> None:
        """See :meth:`p2pmpc.blocks.Block.check_form`."""
        if self._plain is None:
            for _ in self._each(_check_number):
                pass

    def scaled(self, fraction_bits: int) -> Scaled:
        """See :meth:`p2pmpc.blocks.Block.scaled`."""
        if self._plain is not None:
            scaled = _scale_plain(*self._plain, fraction_bits)
            if scaled is not None:
                return scaled
        values = self._each(lambda token: parse_scaled(token, fraction_bits))
        return np.fromiter(values, dtype=np.int64, count=self.size)

    def floats(self) -> Floats:
        """See :meth:`p2pmpc.blocks.Block.floats`."""
        if self._plain is not None:
            mantissas, decimals = self._plain
            if decimals is None:
                return mantissas.astype(np.float64)
            if int(np.abs(mantissas).max()) <= _EXACT_IN_A_FLOAT:
                # Both are exact, so that the one division rounds to the nearest double.
                return mantissas.astype(np.float64) / _POWERS[decimals].astype(np.float64)
        return np.fromiter(self._each(float), dtype=np.float64, count=self.size)

    def _each(self, convert: Callable[[str], T]) -> Iterator[T]:
        """Convert line by line.

        Raises:
            InputRefused: At the first line that is no UTF-8, or that makes ``convert`` fail.
        """
        for row, line in enumerate(self._data.split(b"\n")[: self.size], start=self.first + 1):
            try:
                yield convert(line.decode("utf-8").strip())
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                raise InputRefused(
                    f"{self._source}:{row}:{column}: this is not UTF-8 text",
                    hint="save the file as UTF-8, or give a .npy vector",
                ) from None
            except ValueError as error:
                hint = FRACTIONS_HINT if "fraction bits" in str(error) else INPUT_HINT
                raise InputRefused(f"{self._source}:{row}:1: {error}", hint=hint) from None


def text_blocks(reads: Iterable[bytes], source: str) -> Iterator[TextBlock]:
    """Cut a text into blocks of whole lines.

    Args:
        reads: The text, in pieces of any size; the first holds a byte order mark whole.
        source: Where it came from, for messages.

    Raises:
        InputRefused: It holds no number, a blank line before its end, or an endless line.
    """
    rows, blank = 0, False
    for lines in _whole_lines(reads, source):
        kept = len(lines.rstrip())
        if kept:
            if blank:
                raise _refused(source, rows + 1, "not a number")
            end = lines.find(b"\n", kept) + 1
            block = TextBlock(source, rows, lines[:end])
            yield block
            rows += block.size
            blank = end < len(lines)
        else:
            blank = True
    if rows == 0:
        raise _refused(source, 1, "there is no number in it")


def _refused(source: str, row: int, why: str) -> InputRefused:
    return InputRefused(f"{source}:{row}:1: {why}", hint=INPUT_HINT)


def _whole_lines(reads: Iterable[bytes], source: str) -> Iterator[bytes]:
    """Yield whole lines, some at a time, each ended by one line feed."""
    rest, rows, first = b"", 0, True
    for data in reads:
        piece = rest + (data.removeprefix(_BYTE_ORDER_MARK) if first else data)
        first = False
        # A carriage return at the very end may be the first half of an end of line.
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, len(piece) - 1)) + 1
        lines, rest = piece[:end], piece[end:]
        if len(rest) > LONGEST_LINE:
            raise _refused(source, rows + _ended(lines).count(b"\n") + 1, "an endless line")
        if lines:
            lines = _ended(lines)
            rows += lines.count(b"\n")
            yield lines
    if rest:
        lines = _ended(rest)
        yield lines if lines.endswith(b"\n") else lines + b"\n"


def _ended(lines: bytes) -> bytes:
    """Return lines with line feeds for all ends of line."""
    if b"\r" not in lines:
        return lines
    return lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _check_number(token: str) -> None:
    """Refuse what is no number under any parameters; whether fractions are allowed is agreed later."""
    try:
        parse_scaled(token, 0)
    except ValueError as error:
        if "fraction bits" not in str(error):
            raise


# -- the fast way -------------------------------------------------------------------------------


def _plain_decimals(data: bytes) -> tuple[Integers, Integers | None] | None:
    """Read lines of a sign, digits and a point, where they are no more than 18 digits.

    Returns:
        Every line's digits as an integer, and how many of them stand behind a point (None where no line
        has one); None where any line is something else.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(text == _LINE_FEED)
    starts = np.concatenate(([0], ends[:-1] + 1))
    heads = text[starts]
    negative = heads == _MINUS
    signed = negative | (heads == _PLUS)
    points = np.flatnonzero(text == _POINT)
    digits = np.count_nonzero((text >= _ZERO) & (text <= _NINE))
    if digits + np.count_nonzero(signed) + points.size + ends.size != text.size:
        return None
    decimals = None
    if points.size:
        rows = np.searchsorted(ends, points)
        if (rows[1:] == rows[:-1]).any():
            return None
        decimals = np.zeros(ends.size, dtype=np.int64)
        decimals[rows] = ends[rows] - points - 1
        text = text[text != _POINT]
        ends = np.flatnonzero(text == _LINE_FEED)
        starts = np.concatenate(([0], ends[:-1] + 1))
    counts = ends - starts - signed
    if int(counts.min()) < 1 or int(counts.max()) > _MOST_DIGITS:
        return None
    mantissas = _integers(text, ends, counts)
    np.negative(mantissas, out=mantissas, where=negative)
    return mantissas, decimals


def _integers(
    text: npt.NDArray[np.uint8], ends: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
) -> Integers:
    """Return the integers whose digits end where lines do."""
    values = np.zeros(ends.size, dtype=np.int64)
    fewest = int(counts.min())
    for place in range(int(counts.max())):
        here = slice(None) if place < fewest else np.flatnonzero(counts > place)
        digits = text[ends[here] - (place + 1)].astype(np.int64) - _ZERO
        values[here] += digits * _POWERS[place]
    return values


def _scale_plain(
    mantissas: Integers, decimals: Integers | None, fraction_bits: int
) -> Scaled | None:
    """Return mantissa / 10^decimals * 2^f, rounded once, ties to even.

    Returns:
        None where that takes more than 62 bits or has to be refused: the slow way says why.
    """
    sizes = np.abs(mantissas)
    if int(sizes.max()) >> (62 - fraction_bits):
        return None
    shifted = sizes << np.int64(fraction_bits)
    if decimals is not None:
        divisors = _POWERS[decimals]
        shifted, rest = np.divmod(shifted, divisors)
        if fraction_bits == 0 and rest.any():
            return None
        double = 2 * rest  # < 2 * 10^18 < 2^62
        shifted += (double > divisors) | ((double == divisors) & (shifted % 2 == 1))
    if int(shifted.max()) > LARGEST_SCALED:
        return None
    np.negative(shifted, out=shifted, where=mantissas < 0)
    return shifted
