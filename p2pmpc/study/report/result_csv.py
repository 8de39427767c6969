"""A result as CSV in long form, for spreadsheets: one line for every number.

Rules:

1. RFC 4180: commas, quotes doubled, lines end with CR LF, the first one names the columns.
2. Texts come from other people, and a spreadsheet runs what looks like a formula: a text that begins
   with one of ``= + - @``, a tab or a line end gets an apostrophe before it, which spreadsheets take for
   "this is text". Quotes alone would not help. Numbers are never touched.
3. What is not shown is empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from p2pmpc.study.report.words import is_defined
from p2pmpc.study.result import Answer, Entry, Result, Table

COLUMNS: Final = (
    *("statistic", "columns", "level", "table", "row", "name", "value", "unit", "error", "rows"),
)

_RUN_BY_SPREADSHEETS: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001

Line = tuple[Entry, ...]


def to_csv(result: Result) -> str:
    """Return a result as CSV.

    Args:
        result: What was answered.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for answer in result.answers:
        writer.writerows([_cell(entry) for entry in line] for line in _lines(answer))
    for label, reason in result.suppressed:
        line = ("", "", label, "", "", "suppressed", reason, "", "", "")
        writer.writerow([_cell(entry) for entry in line])
    return out.getvalue()


def _lines(answer: Answer) -> Iterator[Line]:
    statistic = answer.statistic
    start = (statistic.kind, " ".join(statistic.columns), answer.level.label)
    if answer.withheld:
        yield (*start, "", "", "withheld", answer.withheld, "", "", answer.rows)
    for one in answer.figures:
        error = one.error if is_defined(one.value) else None
        yield (*start, "", "", one.name, one.value, one.unit, error, answer.rows)
    for table in answer.tables:
        for row, name, entry in _entries(table):
            yield (*start, table.name, row, name, entry, "", "", answer.rows)


def _entries(table: Table) -> Iterator[tuple[Entry, str, Entry]]:
    """Yield row, heading and entry: a row is called by its first entry where that is a text."""
    for place, row in enumerate(table.rows, start=1):
        is_named = isinstance(row[0], str)
        label = row[0] if is_named else place
        for name, entry in list(zip(table.columns, row, strict=True))[is_named:]:
            yield label, name, entry


def _cell(entry: Entry) -> Entry:
    if isinstance(entry, str):
        return f"'{entry}" if entry.lstrip(" ").startswith(_RUN_BY_SPREADSHEETS) else entry
    return entry if is_defined(entry) else ""
