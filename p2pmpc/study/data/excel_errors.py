"""Cells of an .xlsx file that hold an error, or a formula that was never computed.

The reader of spreadsheets gives both as empty cells, and an empty cell is a missing value: that would be
a guess.
"""

from __future__ import annotations

import html
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from p2pmpc.study.data.faults import Fault

CHUNK = 1 << 20

_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')
_ERROR = re.compile(rb'<c\b([^>]*\bt="e"[^>]*)>')
_FORMULA = re.compile(
    rb"<c\b([^>]*)>\s*<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
_NAME = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')

Marks = dict[int, dict[int, Fault]]
"""By row from 1, by column from 0."""


def errors_of(path: Path, sheet: str) -> Marks:
    """Return the cells of a sheet that hold no value although they are not empty.

    Args:
        path: An .xlsx file; of another kind nothing is found.
        sheet: Its name.
    """
    marks: Marks = {}
    try:
        with zipfile.ZipFile(path) as book:
            part = _part_of(book, sheet)
            for rows in _rows(book, part) if part else ():
                _mark(marks, rows, _ERROR, Fault.ERROR_VALUE)
                _mark(marks, rows, _FORMULA, Fault.NOT_COMPUTED)
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, UnicodeDecodeError):
        return marks
    return marks


def _part_of(book: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the part that holds a sheet."""
    names = set(book.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    targets = {
        one.get("Id"): one.get("Target", "")
        for one in _elements(book.read("xl/_rels/workbook.xml.rels"), "Relationship")
    }
    for one in _elements(book.read("xl/workbook.xml"), "sheet"):
        if html.unescape(one.get("name", "")) == sheet:
            target = targets.get(one.get("r:id"), "")
            part = (
                target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
            )
            return part if part in names else None
    return None


def _elements(text: bytes, name: str) -> Iterator[dict[str, str]]:
    for found in re.findall(rf"<(?:\w+:)?{name}\b([^>]*)>", text.decode("utf-8")):
        yield dict(_ATTRIBUTE.findall(found))


def _rows(book: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """Yield a sheet in pieces that end with a row."""
    rest = b""
    with book.open(part) as file:
        while chunk := file.read(CHUNK):
            whole, end, rest = (rest + chunk).rpartition(b"</row>")
            yield whole + end
    yield rest


def _mark(marks: Marks, rows: bytes, pattern: re.Pattern[bytes], fault: Fault) -> None:
    for found in pattern.finditer(rows):
        name = _NAME.search(found[1])
        is_text = fault is Fault.NOT_COMPUTED and b't="str"' in found[1]
        if name and not is_text:  # a formula may well come to an empty text
            row = marks.setdefault(int(name[2]), {})
            row.setdefault(_number(name[1].decode()), fault)


def _number(letters: str) -> int:
    """Return the number of a column from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
