"""Single records of a CSV file that is well formed: as they stand in the file, with their lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from p2pmpc.errors import LocalProtocolError
from p2pmpc.study.data.csv_scan import LONGEST_RECORD, Mark, Outline
from p2pmpc.study.data.text_source import TextSource


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Args:
        number: The header is 0.
        line: Where it begins.
        raw: As it stands in the file, without its end.
        fields: What it means.
    """

    number: int
    line: int
    raw: str
    fields: list[str]


class RecordReader:
    """Reads records of a file that :func:`scan` went through.

    Args:
        source: The file.
        outline: What the scan found.
        delimiter: Between fields.
        quote: Around fields; empty for none.
    """

    def __init__(self, source: TextSource, outline: Outline, delimiter: str, quote: str) -> None:
        self._source, self._outline = source, outline
        self._delimiter, self._quote = delimiter, quote
        sign = re.escape(delimiter)
        bare = f"[^{sign}\r\n]*"
        q = re.escape(quote)
        token = f"{q}(?:[^{q}]|{q}{q})*{q}|{bare}" if quote else bare
        self._token = re.compile(token)

    def all(self, mark: Mark | None = None) -> Iterator[Record]:
        """Yield all records, or those from a mark on, the header first."""
        start = mark or Mark(0, 0, self._source.first_line)
        held: list[str] = []

        def told() -> Iterator[str]:
            for line in self._source.lines(start.offset):
                held.append(line)
                yield line

        csv.field_size_limit(LONGEST_RECORD)
        number, line = start.record, start.line
        for fields in self._reader(told()):
            raw = "".join(held)
            if fields:  # a blank line at the end has none
                yield Record(number, line, raw.rstrip("\r\n"), fields)
                number += 1
            line += len(held)
            held.clear()

    def some(self, numbers: Iterable[int]) -> Iterator[Record]:
        """Yield the records of ascending numbers."""
        marks = self._outline.marks
        records: Iterator[Record] = iter(())
        current, at = -1, -1
        for number in numbers:
            best = max(current, 0)
            while best + 1 < len(marks) and marks[best + 1].record <= number:
                best += 1
            if current < 0 or (best > current and self._source.is_utf8):
                records, current = self.all(marks[best]), best
            record = next((one for one in records if one.number == number), None)
            if record is None or record.number <= at:
                raise LocalProtocolError(f"{self._source.name}: row {number} is not found again")
            at = record.number
            yield record

    def place(self, record: Record, field: int) -> tuple[int, int]:
        """Return the line and the column, from 1, where a field of a record begins."""
        position = 0
        for _ in range(field):
            found = self._token.match(record.raw, position)
            assert found is not None, "every position begins a field, if an empty one"
            position = found.end() + 1
        before = record.raw[:position]
        return record.line + before.count("\n"), position - (before.rfind("\n") + 1) + 1

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        if not self._quote:
            return csv.reader(lines, delimiter=self._delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(
            lines, delimiter=self._delimiter, quotechar=self._quote, doublequote=True, strict=True
        )
