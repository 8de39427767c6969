"""On which line of a TOML text each key stands: the standard library's reader does not say.

The text is TOML already; this reads headers and keys, and passes over values.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Final

Path = tuple[str | int, ...]
"""Keys from the top, and numbers of tables in arrays of tables, from 0."""

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_ARRAY_HEADER: Final = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]")
_HEADER: Final = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_PIECE: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""|' + r"'''(?:[^']|'(?!''))*'''|"
    r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'|#[^\n]*|[\[\]{}\n]|[^\[\]{}\n\"'#]+",
    re.DOTALL,
)


def lines_of_keys(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every key and every header of a TOML text."""
    places: dict[Path, int] = {}
    arrays: Counter[tuple[str, ...]] = Counter()
    table: Path = ()
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if match := _ARRAY_HEADER.match(text, at):
            names = _names(match[1])
            table = (*names, arrays[names])
            arrays[names] += 1
            places[table] = line + match[0].count("\n")
        elif match := _HEADER.match(text, at):
            table = _names(match[1])
            places[table] = line + match[0].count("\n")
        elif match := _ASSIGNMENT.match(text, at):
            places[*table, *_names(match[1])] = line + match[0].count("\n")
        at = _end_of_value(text, match.end() if match else at)
    return places


def _names(dotted: str) -> tuple[str, ...]:
    """Return the parts of a dotted key."""
    content = tomllib.loads(f"{dotted} = 1")
    names = []
    while isinstance(content, dict):
        ((name, content),) = content.items()
        names.append(name)
    return tuple(names)


def _end_of_value(text: str, at: int) -> int:
    """Return where the line after a value begins: a value may span several."""
    depth = 0
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            return len(text)
        piece, at = match[0], match.end()
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        elif piece == "\n" and depth <= 0:
            break
    return at
