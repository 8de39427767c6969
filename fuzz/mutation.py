"""Mutations that know msgpack: a value is changed within its structure as often as bytes are."""

from __future__ import annotations

from random import Random
from typing import Any

import msgpack

FOREIGN: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 4, 127, 128, 255, 256, 2**16, 2**31 - 1, 2**32, 2**63),
    *(2**64 - 1, -(2**31), -(2**63), 1.5, float("nan"), "", "m31", "seeds", "x" * 400, "\u202e"),
    *("\x00", "\x1b[2J", b"", b"\x00", bytes(31), bytes(32), bytes(33), bytes(64), bytes(65)),
    *([], [[]], [0] * 20, {}, {"a": 1}, msgpack.ExtType(1, b"x"), msgpack.ExtType(5, b"")),
)
_HEADS = b"\x80\x90\x91\x9f\xa0\xbf\xc0\xc1\xc2\xc4\xc5\xc6\xc7\xc9\xca\xcb\xcc\xcf\xd0\xd3\xd4\xd9\xdb\xdc\xdd\xde\xdf\xff"


def mutated(data: bytes, random: Random) -> bytes:
    """Return other bytes, near the given ones."""
    if random.random() < 0.5:
        try:
            value = msgpack.unpackb(data, strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError):
            return _bytewise(data, random)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            value = _changed(value, random)
        try:
            packed: bytes = msgpack.packb(value)
        except (ValueError, TypeError, OverflowError):
            return _bytewise(data, random)
        return packed
    return _bytewise(data, random)


def _changed(value: Any, random: Random) -> Any:
    """Return a structure with one value changed."""
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        others: dict[int, list[Any]] = {0: [], 1: [value[place]] * 2, 2: [random.choice(value)]}
        drawn = random.randrange(12)
        by = others[drawn] if drawn in others else [_changed(value[place], random)]
        return [*value[:place], *by, *value[place + 1 :]]
    match value, random.randrange(4):
        case bool(), 1:
            return int(value)
        case int(), 1:
            return value + random.choice((-1, 1, 2**8, -(2**8), 2**32))
        case bytes(), 1 | 2:
            return _bytewise(value, random)
        case str(), 1:
            return value + random.choice(("\x00", "\n", "a", "\u00e9", ":1"))
        case str(), 2:
            return value.encode()
        case list(), 1:
            return [value]
        case _:
            return random.choice(FOREIGN)


def _bytewise(data: bytes, random: Random) -> bytes:
    """Return bytes with a few places changed, cut, repeated or added."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(made) + 1)
        match random.randrange(7):
            case 0:
                made[place:place] = bytes([random.choice(_HEADS)])
            case 1:
                made[place : place + 1] = bytes([random.choice(_HEADS)])
            case 2:
                del made[place : place + random.choice((1, 1, 2, 8))]
            case 3:
                made[place : place + 1] = random.randbytes(1)
            case 4 if place < len(made):
                made[place] ^= 1 << random.randrange(8)
            case 5:
                made[place:place] = made[place : place + random.choice((1, 4, 32))]
            case _:
                made[place : place + 4] = random.choice(
                    (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff")
                )
    return bytes(made)
