"""Canonical msgpack: one value, one encoding. The only importer of msgpack.

What does not re-encode to the same bytes is refused, and with it every non-minimal integer, extension
type, trailing byte and map; then each part is taken with the type that it must have, so that a truth
value is no number. Long bodies are counted before any value of them is made.

Everything wrong raises :class:`RemoteProtocolError` without a name; the boundary adds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgpack

from p2pmpc.errors import RemoteProtocolError

T = TypeVar("T")

_COUNTED_BYTES: Final = 4096
_FEWEST_BYTES_A_VALUE: Final = 16
_MOST_VALUES: Final = 8192
"""More than any body holds: an ACCEPT of 1000 peers, all of them allowed by name, has 6017."""

LONGEST_VALUE: Final = 4096
"""More than any byte string has, but for evidence, dense shares, a study and an OPEN that is passed on."""

_FIXED: Final = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}  # fmt: skip
_COUNTED: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS: Final = {0xDC: 2, 0xDD: 4}


def _count_values(body: bytes) -> None:
    """Refuse a long body of very many values before any of them is made.

    The long bodies of this protocol hold digests, keys and signatures: 16 bytes a value and more. One
    that holds more values is meant to cost memory: a megabyte of empty arrays takes 75. And counting takes
    time, so it ends where no honest body goes on.

    Raises:
        RemoteProtocolError: There are too many values, or kinds that no body has.
    """
    position, left = 0, min(len(body) // _FEWEST_BYTES_A_VALUE, _MOST_VALUES) + 64
    while position < len(body):
        if left == 0:
            raise RemoteProtocolError("a body of too many values")
        left -= 1
        byte = body[position]
        position += 1
        if byte <= 0x7F or byte >= 0xE0 or 0x90 <= byte <= 0x9F:  # fixint, fixarray
            continue
        if 0xA0 <= byte <= 0xBF:  # fixstr
            position += byte & 0x1F
        elif byte in _FIXED:
            position += _FIXED[byte]
        elif byte in _ARRAYS:
            position += _ARRAYS[byte]
        elif byte in _COUNTED:
            width = _COUNTED[byte]
            position += width + int.from_bytes(body[position : position + width], "big")
        else:
            raise RemoteProtocolError("a body that is not msgpack as agreed")


def unpack(body: bytes, *, longest: int = LONGEST_VALUE) -> object:
    """Read the one value of a body, in which no text or byte string is longer than stated.

    Raises:
        RemoteProtocolError: It is not msgpack as agreed, or not in its one encoding.
    """
    if len(body) > _COUNTED_BYTES:
        _count_values(body)
    sizes = {"max_bin_len": longest, "max_str_len": longest, "max_ext_len": 0, "max_map_len": 0}
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=True, **sizes)
        canonical = msgpack.packb(value)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        raise RemoteProtocolError("a body that is not msgpack as agreed") from None
    if canonical != body:
        raise RemoteProtocolError("a body that is not in its one canonical encoding")
    return value


def array(value: object, size: int | None = None) -> list[object]:
    """Take a value that must be an array, of a size where one is due.

    Raises:
        RemoteProtocolError: It is another one.
    """
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise RemoteProtocolError("an array of a wrong type or size")
    return value


def typed(value: object, kind: type[T]) -> T:
    """Take a value that must be of exactly one type: a subclass, as bool of int, is another one.

    Raises:
        RemoteProtocolError: It is another one.
    """
    if type(value) is not kind:
        raise RemoteProtocolError(f"a value that is no {kind.__name__}")
    return value


def several(value: object, size: int, read: Callable[[object], T]) -> tuple[T, ...]:
    """Take an array of a size, each of whose values is read in one way.

    Raises:
        RemoteProtocolError: It is another one.
    """
    return tuple(read(item) for item in array(value, size))


def byte_string(value: object) -> bytes:
    """Take a value that must be a byte string.

    Raises:
        RemoteProtocolError: It is another one.
    """
    return typed(value, bytes)


def pack(value: object) -> bytes:
    """Return the one encoding of a value."""
    packed: bytes = msgpack.packb(value)
    return packed
