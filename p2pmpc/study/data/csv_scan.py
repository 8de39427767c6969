"""The outline of a CSV file: where its records begin, and whether all of it is well formed (RFC 4180).

Every reader of CSV is lenient in its own way: of a file that passes here they all read the same records.

Rules:

1. A quote opens a field only at its beginning, and closes it only at its end; within, it is doubled.
2. Every record has as many fields as the header.
3. Blank lines stand at the end alone; all records end in the same way, by LF or by CR LF.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from p2pmpc.sources import Watch, unwatched
from p2pmpc.study.data.faults import refused
from p2pmpc.study.data.text_source import TextSource

LONGEST_RECORD = 1 << 20
LF, CR, NUL = 10, 13, 0

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Mark:
    """A place to go on reading from: the beginning of a record.

    Args:
        record: How many records are before it, the header counted.
        offset: In the bytes of the source.
        line: Of the file.
    """

    record: int
    offset: int
    line: int


@dataclass
class Outline:
    """What is known of a file that is well formed.

    Args:
        fields: In every record.
        records: Without the header and blank lines.
        has_crlf: Records end by CR LF.
        has_inner_returns: There is a carriage return within quotes.
        marks: Beginnings of records, about one in a chunk.
    """

    fields: int = 0
    records: int = 0
    has_crlf: bool = False
    has_inner_returns: bool = False
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, order=True)
class _Problem:
    offset: int
    line: int
    text: str
    hint: str


_RAGGED_HINT = (
    "a text with a delimiter in it stands in quotes; see --delimiter, and --decimal for 1,5"
)


class _Scanner:
    """Goes through a file once, chunk by chunk, and keeps what one chunk owes the next."""

    def __init__(self, delimiter: str, quote: str, first_line: int) -> None:
        self._delimiter, self._quote = ord(delimiter), ord(quote) if quote else -1
        self.outline = Outline(fields=-1)
        self.fatal: list[_Problem] = []
        self.ragged: _Problem | None = None
        self.ragged_lines = 0
        self._base, self._line = 0, first_line  # of the chunk
        self._before = LF  # the last byte of the chunk before
        self._inside = 0  # whether that chunk ended within quotes
        self._record = Mark(0, 0, first_line)  # the record that goes on
        self._delimiters = 0  # of that record
        self._blank: _Problem | None = None
        self._opened = (0, first_line)

    def feed(self, chunk: bytes, following: int) -> None:
        """Take a chunk, and the byte behind it; -1 at the end."""
        data = np.frombuffer(chunk, dtype=np.uint8)
        newlines = np.flatnonzero(data == LF)
        self.outline.marks.append(self._record)
        inside = self._quotes(data, newlines, following)
        ends, delimiters = newlines, np.flatnonzero(data == self._delimiter)
        if inside is not None:
            ends, delimiters = ends[~inside[ends]], delimiters[~inside[delimiters]]
        self._stray(chunk, data, newlines, inside, following)
        self._records(data, newlines, ends, delimiters)
        self._base += len(chunk)
        self._line += len(newlines)
        self._before = chunk[-1]

    def finish(self) -> None:
        """Take the end of the file."""
        if self._inside:
            self._fail(
                *self._opened,
                "a quote opens a field here that never closes",
                "close it, or see --quote",
            )
        elif self._base > self._record.offset:
            self.feed(b"\r\n" if self.outline.has_crlf else b"\n", -1)

    def _fail(self, offset: int, line: int, text: str, hint: str) -> None:
        self.fatal.append(_Problem(offset, line, text, hint))

    def _at(self, newlines: Positions, position: int) -> tuple[int, int]:
        """Return the offset and the line of a position in the chunk."""
        return self._base + position, self._line + int(np.searchsorted(newlines, position))

    def _quotes(
        self, data: npt.NDArray[np.uint8], newlines: Positions, following: int
    ) -> npt.NDArray[np.bool_] | None:
        """Return which bytes are within quotes; None where none is."""
        quotes = np.flatnonzero(data == self._quote)
        if not len(quotes) and not self._inside:
            return None
        is_quote = data == self._quote
        inside = ((np.cumsum(is_quote) + self._inside) & 1).astype(bool)
        around = np.concatenate(([self._before], data, [following])).astype(np.int16)
        before, after = around[quotes], around[quotes + 2]
        opens = inside[quotes]
        good_open = np.isin(before, (self._delimiter, LF, self._quote))
        good_close = np.isin(after, (self._delimiter, LF, CR, self._quote, -1))
        # a doubled quote across two chunks closes and opens again, like any other
        for place in quotes[opens & ~good_open][:1]:
            self._fail(
                *self._at(newlines, place),
                "a quote within a field that does not begin with one",
                "write the field in quotes and double the quote, or say --quote none",
            )
        for number in np.flatnonzero(~opens & ~good_close)[:1]:
            start = self._at(newlines, quotes[number - 1]) if number else self._opened
            line = self._at(newlines, quotes[number])[1]
            self._fail(
                *start,
                f"a quote opens a field here, and on line {line} text follows its closing quote",
                "close the field, double a quote within it, or say --quote none",
            )
        for place in quotes[opens][-1:]:
            self._opened = self._at(newlines, place)
        self._inside = int(inside[-1])
        return inside

    def _stray(
        self,
        chunk: bytes,
        data: npt.NDArray[np.uint8],
        newlines: Positions,
        inside: npt.NDArray[np.bool_] | None,
        following: int,
    ) -> None:
        """Notice bytes that no text table has."""
        if (place := chunk.find(b"\0")) >= 0:
            self._fail(
                *self._at(newlines, place),
                "a NUL byte",
                "is this a text file, and --encoding right?",
            )
        if b"\r" not in chunk:
            return
        returns = np.flatnonzero(data == CR)
        if inside is not None:
            self.outline.has_inner_returns |= bool(inside[returns].any())
            returns = returns[~inside[returns]]
        after = np.append(data, following & 255 if following >= 0 else 0)[returns + 1]
        for place in returns[after != LF][:1]:
            self._fail(
                *self._at(newlines, place),
                "a carriage return without a line feed",
                "save the file with line ends of Windows (CR LF) or Unix (LF)",
            )

    def _records(
        self,
        data: npt.NDArray[np.uint8],
        newlines: Positions,
        ends: Positions,
        delimiters: Positions,
    ) -> None:
        """Count the records that end in a chunk, and notice those that are not like the header."""
        if not len(ends):
            self._delimiters += len(delimiters)
            self._check_length(self._base + len(data) - self._record.offset)
            return
        until = np.searchsorted(delimiters, ends)
        counts = np.diff(until, prepend=0)
        counts[0] += self._delimiters
        starts = np.concatenate(([self._record.offset], ends[:-1] + 1 + self._base))
        lines = np.concatenate(
            ([self._record.line], self._line + np.searchsorted(newlines, ends[:-1]) + 1)
        )
        before_end = np.where(ends > 0, data[ends - 1], self._before)
        has_cr = before_end == CR
        lengths = ends + self._base - starts
        blank = lengths - has_cr == 0
        self._check_length(int(lengths.max()))
        if self.outline.fields < 0:
            self.outline.fields = int(counts[0]) + 1
            self.outline.has_crlf = bool(has_cr[0])
        self._check_ends(starts, lines, has_cr)
        self._check_counts(starts, lines, counts, blank)
        self._check_blank(starts, lines, blank)
        seen = self._record.record + int(np.count_nonzero(~blank))
        line = self._line + int(np.searchsorted(newlines, ends[-1])) + 1
        self._record = Mark(seen, self._base + int(ends[-1]) + 1, line)
        self._delimiters = len(delimiters) - int(until[-1])
        self.outline.records = seen - 1

    def _check_length(self, length: int) -> None:
        if length > LONGEST_RECORD:
            self._fail(
                self._record.offset,
                self._record.line,
                f"a row of more than {LONGEST_RECORD} bytes begins about here",
                "is a quote left open, or --delimiter or --encoding wrong?",
            )

    def _check_ends(
        self, starts: Positions, lines: Positions, has_cr: npt.NDArray[np.bool_]
    ) -> None:
        for number in np.flatnonzero(has_cr != self.outline.has_crlf)[:1]:
            first, here = ("CR LF", "LF") if self.outline.has_crlf else ("LF", "CR LF")
            self._fail(
                int(starts[number]),
                int(lines[number]),
                f"this line ends by {here}, and the first one by {first}",
                "save the file with one kind of line end",
            )

    def _check_counts(
        self, starts: Positions, lines: Positions, counts: Positions, blank: npt.NDArray[np.bool_]
    ) -> None:
        wrong = np.flatnonzero((counts + 1 != self.outline.fields) & ~blank)
        self.ragged_lines += len(wrong)
        for number in wrong[:1] if self.ragged is None else ():
            found = int(counts[number]) + 1
            text = f"{found} fields, expected {self.outline.fields} as in the header"
            self.ragged = _Problem(int(starts[number]), int(lines[number]), text, _RAGGED_HINT)

    def _check_blank(
        self, starts: Positions, lines: Positions, blank: npt.NDArray[np.bool_]
    ) -> None:
        """Remember the first blank line of those at the end so far; refuse it where a row follows."""
        full = np.flatnonzero(~blank)
        last = int(full[-1]) if len(full) else -1
        if self._blank is not None and last >= 0:
            self.fatal.append(self._blank)
        elif self._blank is None and blank.any():
            number = int(np.argmax(blank))
            self._blank = _Problem(
                int(starts[number]), int(lines[number]), "a blank line", "remove it"
            )
            if number < last:
                self.fatal.append(self._blank)


def scan(
    source: TextSource, delimiter: str, quote: str, size: int, watch: Watch = unwatched
) -> Outline:
    """Go through a CSV file once and see that it is well formed.

    Args:
        source: The file.
        delimiter: Between fields.
        quote: Around fields; empty for none.
        size: In bytes, for the watch.
        watch: Told how far it is.

    Raises:
        InputRefused: It is not, with the line of the first place.
    """
    scanner = _Scanner(delimiter, quote, source.first_line)
    done = 0
    for chunk, following in _with_following(source.chunks()):
        scanner.feed(chunk, following)
        done += len(chunk)
        watch(min(done, size), size)
        if scanner.fatal:
            break
    else:
        scanner.finish()
    _refuse_first(scanner, source.name)
    return scanner.outline


def _refuse_first(scanner: _Scanner, name: str) -> None:
    ragged = [scanner.ragged] if scanner.ragged else []
    problems = sorted([*scanner.fatal, *ragged])
    if not problems:
        return
    first = problems[0]
    others = 0 if scanner.fatal else scanner.ragged_lines - 1
    raise refused(
        f"{name}:{first.line}:1", first.text, hint=first.hint, others=others, what_others="lines"
    )


def _with_following(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield each chunk with the first byte behind it, -1 behind the last."""
    before: bytes | None = None
    for chunk in chunks:
        if before is not None:
            yield before, chunk[0]
        before = chunk
    if before is not None:
        yield before, -1
