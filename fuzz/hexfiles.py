"""Files of bytes that people can read: hex, with comments and repetitions.

A line that starts with ``#`` is a comment. All other lines hold tokens: hex digits stand for bytes, and
``N*HEX`` for N times those bytes. So sixteen mebibytes of empty arrays are a line of eleven characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LINE = 96

Part = bytes | tuple[int, bytes]
"""Bytes, or how often which bytes."""


def read(path: Path) -> bytes:
    """Return the bytes that a file stands for."""
    parts = []
    for line in path.read_text(encoding="ascii").splitlines():
        for token in () if line.startswith("#") else line.split():
            count, found, unit = token.rpartition("*")
            parts.append(bytes.fromhex(unit) * (int(count) if found else 1))
    return b"".join(parts)


def render(about: str, parts: Sequence[Part]) -> str:
    """Return the text of a file."""
    lines = [f"# {about}"]
    for part in parts:
        if isinstance(part, tuple):
            lines.append(f"{part[0]}*{part[1].hex()}")
            continue
        digits = part.hex()
        lines += [digits[k : k + _LINE] for k in range(0, len(digits), _LINE)]
    return "\n".join(lines) + "\n"


def whole(parts: Sequence[Part]) -> bytes:
    """Return the bytes of some parts."""
    return b"".join(part if isinstance(part, bytes) else part[0] * part[1] for part in parts)
