"""What must be refused: attacks on bodies, headers and vectors, each with a name.

They are made with the reference encoder of the tests, which shares no code with the package. What
tests/vectors holds already is not repeated here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from fuzz.hexfiles import Part
from tests.reference_messages import KINDS, Raw, Value, pack
from tests.vector_cases.wrong_bodies import at, item

Attack = tuple[str, list[Part]]
"""What it tries, and the bytes."""

FOREVER: Final = b"\xff\xff\xff\xff"

TEXTS: Final = {
    "nul-inside": "a\x00b",
    "nul-behind": "a:1\x00",
    "line-feed": "a\nb:1",
    "carriage-return-that-overwrites": "good\rbad:1",
    "backspaces": "bad\b\b\bgood:1",
    "bell": "\x07:1",
    "escape-that-clears-the-screen": "\x1b[2J\x1b[H:1",
    "escape-that-colours": "\x1b[31mred\x1b[0m:1",
    "escape-that-sets-the-title": "\x1b]0;owned\x07:1",
    "escape-that-links": "\x1b]8;;http://x\x1b\\click\x1b]8;;\x1b\\:1",
    "c1-control-sequence-introducer": "\u009b2J:1",
    "next-line-of-c1": "a\u0085b:1",
    "right-to-left-override": "\u202egnp.exe:1",
    "isolates": "\u2066a\u2069:1",
    "zero-width-joiner": "a\u200db:1",
    "byte-order-mark": "\ufeffa:1",
    "line-separator": "a\u2028b:1",
    "letter-that-looks-latin": "\u0430nn:1",
    "full-width-digits": "host:\uff11",
    "combining-marks": "a" + "\u0300" * 30 + ":1",
    "emoji": "\U0001f511:1",
    "tag-characters": "a\U000e0041:1",
    "no-break-space": "a\u00a0b:1",
    "very-long": "a" * 2000,
}
ENCODINGS: Final = {
    "stray-continuation": b"\x80:1",
    "cut-sequence": b"a\xe2\x82",
    "overlong-slash": b"a\xc0\xaf:1",
    "overlong-nul": b"a\xe0\x80\x80:1",
    "surrogate": b"\xed\xa0\xbd\xed\xb2\xa9:1",
    "beyond-unicode": b"\xf4\x90\x80\x80:1",
    "five-byte-sequence": b"\xf8\x88\x80\x80\x80:1",
    "utf-16": "host:1".encode("utf-16"),
    "latin-1": b"h\xf6st:1",
}


def on_any(value: list[Value]) -> Iterator[Attack]:
    """Yield attacks on a body as a whole."""
    good = pack(value)
    head, count = good[:1], len(value)
    assert head[0] == 0x90 | count
    inner = good[1:]
    yield "array-with-a-length-of-four-bytes", [b"\xdd" + struct.pack(">I", count), inner]
    yield "promise-of-four-billion-values", [b"\xdd" + FOREVER, inner]
    yield "promise-of-65535-values", [b"\xdc\xff\xff", inner]
    yield "promise-of-four-gibibytes", [b"\xc6" + FOREVER, inner]
    yield "promise-of-a-text-of-four-gibibytes", [b"\xdb" + FOREVER, inner]
    yield "promise-of-a-map-of-four-billion-pairs", [b"\xdf" + FOREVER, inner]
    yield "promise-of-an-extension-of-four-gibibytes", [b"\xc9" + FOREVER + b"\x01", inner]
    yield "map-with-the-same-key-twice", [b"\x82\x00" + good + b"\x00" + good]
    yield "map-with-an-array-as-key", [b"\x81" + good + b"\xc0"]
    yield "empty-map", [b"\x80"]
    yield "empty-extension", [b"\xc7\x00\x05"]
    yield "extension-around-it", [b"\xc8" + struct.pack(">H", len(good)) + b"\x05", good]
    yield "timestamp-of-twelve-bytes", [b"\xc7\x0c\xff", bytes(12)]
    yield "bin-around-it", [pack(good)]
    yield "twice", [good, good]
    yield "line-feed-behind-it", [good, b"\n"]
    yield "nil-behind-it", [good, b"\xc0"]
    yield "unused-byte-behind-it", [good, b"\xc1"]
    yield "empty-array-behind-it", [good, b"\x90"]
    yield "nil-before-it", [b"\xc0", good]
    yield "only-its-first-half", [good[: len(good) // 2]]
    yield "only-its-head", [head]
    yield "head-cut-within-its-length", [b"\xdd\x00\x00"]
    yield "nested-60-deep", [b"\x91" * 60, good]
    yield "nested-2000-deep", [(2000, b"\x91"), b"\x90"]
    yield "nested-100000-deep", [(100_000, b"\x91")]
    yield "arrays-of-two-nested-1500-deep", [(1500, b"\x92\x90")]
    yield "nothing-but-nil", [b"\xc0"]
    yield "64-zero-bytes", [bytes(64)]
    yield "every-byte-from-255-down", [bytes(range(255, -1, -1))]
    yield "json", [b'[1,"","",[]]']
    yield "pickle", [b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93."]
    yield "http-request", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    yield "first-value-is-nil", [pack([Raw(b"\xc0"), *value[1:]])]
    yield "last-value-is-nil", [pack([*value[:-1], Raw(b"\xc0")])]
    yield "values-in-reverse", [pack(value[::-1])]
    yield "all-values-are-empty-arrays", [pack([[]] * count)]


def _bytes(good: bytes) -> Iterator[tuple[str, Value]]:
    yield "empty-bytes", b""
    yield "twice-as-many-bytes", good * 2
    yield "half-as-many-bytes", good[: len(good) // 2]
    yield "array-of-its-bytes", list(good[:40])
    yield "extension-of-its-bytes", Raw(b"\xc8" + struct.pack(">H", len(good)) + b"\x01" + good)
    yield "text-of-its-hex-digits", good.hex()
    yield "bytes-in-an-array", [good]
    yield "length-of-four-bytes", Raw(b"\xc6" + struct.pack(">I", len(good)) + good)
    yield "length-beyond-the-end", Raw(b"\xc5\xff\xff" + good)
    yield "length-of-four-gibibytes", Raw(b"\xc6" + FOREVER + good)
    yield "zero", 0
    yield "false", False


def _integer(good: int) -> Iterator[tuple[str, Value]]:
    yield "nan", Raw(b"\xcb\x7f\xf8" + bytes(6))
    yield "float-of-the-same-value", Raw(b"\xcb" + struct.pack(">d", good))
    yield "uint-64-of-the-same-value", Raw(b"\xcf" + struct.pack(">Q", good))
    yield "uint-32-of-the-same-value", Raw(b"\xce" + struct.pack(">I", good))
    yield "int-64-of-the-same-value", Raw(b"\xd3" + struct.pack(">q", good))
    yield "text-of-its-digits", str(good)
    yield "bytes-of-it", bytes([good & 255])
    yield "true", True
    yield "number-in-an-array", [good]
    yield "empty-extension", Raw(b"\xc7\x00\x01")


def _text(good: str) -> Iterator[tuple[str, Value]]:
    data = good.encode()
    yield "bytes-of-the-text", data
    yield "length-of-one-byte", Raw(b"\xd9" + bytes([len(data)]) + data)
    yield "length-of-four-bytes", Raw(b"\xdb" + struct.pack(">I", len(data)) + data)
    yield "length-beyond-the-end", Raw(b"\xda\xff\xff" + data)
    for name, data in ENCODINGS.items():
        yield f"text-{name}", Raw(bytes([0xA0 | len(data)]) + data)
    for name, text in TEXTS.items():
        yield f"text-{name}", text


def _list(good: list[Value]) -> Iterator[tuple[str, Value]]:
    yield "map-in-place-of-the-list", Raw(b"\x81\x00\x00")
    yield "list-in-a-list", [good]
    yield "list-with-nil-in-it", [*good[:-1], Raw(b"\xc0")]
    yield "list-of-a-million-promised", Raw(b"\xdd\x00\x0f\x42\x40")
    yield "bytes-of-the-list", pack(good)
    yield "list-of-true", [True] * max(1, len(good))
    yield (
        "list-with-a-length-of-four-bytes",
        Raw(b"\xdd" + struct.pack(">I", len(good)) + b"".join(map(pack, good))),
    )


def _boolean(good: bool) -> Iterator[tuple[str, Value]]:
    yield "number-for-a-truth-value", int(good)
    yield "nil-for-a-truth-value", Raw(b"\xc0")
    yield "text-for-a-truth-value", "true"
    yield "float-for-a-truth-value", Raw(b"\xca" + bytes(4))


def within(value: list[Value], places: dict[str, tuple[int, ...]]) -> Iterator[Attack]:
    """Yield attacks on one value of a body, for each place that is named."""
    for name, path in places.items():
        good = item(value, *path)
        if isinstance(good, bool):
            wrong = _boolean(good)
        elif isinstance(good, bytes):
            wrong = _bytes(good)
        elif isinstance(good, int):
            wrong = _integer(good)
        elif isinstance(good, str):
            wrong = _text(good)
        else:
            assert isinstance(good, list)
            wrong = _list(good)
        for what, by in wrong:
            yield f"{name}-{what}", [pack(at(value, path, by))]


# -- headers, vectors, and what is large ------------------------------------------------------


def on_headers(largest: dict[str, int]) -> Iterator[Attack]:
    """Yield headers that end a connection before anything is buffered.

    Args:
        largest: The cap of every kind.
    """
    for kind, number in KINDS.items():
        code, low = bytes([number]), kind.lower()
        sizes = {
            "of-sixteen-mebibytes-of-empty-arrays": 68 + (16 << 20),
            "of-two-gibibytes": 1 << 31,
            "of-almost-four-gibibytes": (1 << 32) - 1,
            "one-byte-over-its-cap": 69 + largest[kind],
            "without-a-whole-signature": 67,
            "of-no-bytes": 0,
        }
        for what, size in sizes.items():
            yield f"{low}-{what}", [struct.pack(">I", size) + code]
    for number in (0, 16, 18, 64, 127, 128, 254, 255):
        yield f"kind-{number}-which-is-none", [struct.pack(">IB", 100, number)]
    greetings = {
        "http": b"GET /",
        "http-2": b"PRI *",
        "ssh": b"SSH-2",
        "tls-in-tls": b"\x16\x03\x01\x02\x00",
        "smtp": b"EHLO ",
        "redis": b"*1\r\n$",
        "five-zero-bytes": bytes(5),
        "five-ff": b"\xff" * 5,
    }
    for what, data in greetings.items():
        yield f"greeting-of-{what}", [data]


def on_vectors(words: list[tuple[int, int]], length: int) -> Iterator[Attack]:
    """Yield vectors in which one component is not reduced.

    Args:
        words: Of one element: the prime, and how many bytes its residue takes.
        length: Elements.
    """
    width = sum(size for _, size in words)
    for place in range(length):
        offset = place * width
        for number, (prime, size) in enumerate(words):
            component = f"component-{number}-of-" if len(words) > 1 else ""
            wrong = {"p": prime, "p-plus-1": prime + 1, "all-ones": (1 << 8 * size) - 1}
            for what, word in wrong.items():
                data = bytearray(length * width)
                data[offset : offset + size] = word.to_bytes(size, "little")
                yield f"{component}element-{place}-is-{what}", [bytes(data)]
            offset += size
    for what, size in {
        "one-byte-short": length * width - 1,
        "one-byte-long": length * width + 1,
        "one-element-short": (length - 1) * width,
        "one-element-long": (length + 1) * width,
        "empty": 0,
        "a-thousand-times-as-long": 1000 * length * width,
    }.items():
        yield what, [(size, b"\x00")]


UNITS: Final = {
    "empty-arrays": b"\x90",
    "nils": b"\xc0",
    "truth-values": b"\xc3",
    "small-numbers": b"\x01",
    "empty-texts": b"\xa0",
    "empty-byte-strings": b"\xc4\x00",
    "arrays-in-arrays": b"\x91\x90",
    "byte-strings-of-13": b"\xc4\x0d" + bytes(13),
    "byte-strings-of-14": b"\xc4\x0e" + bytes(14),
    "empty-maps": b"\x80",
    "empty-extensions": b"\xc7\x00\x05",
    "floats": b"\xcb" + bytes(8),
    "numbers-of-nine-bytes": b"\xcf" + b"\xff" * 8,
}
"""What costs memory, or time, by its number."""


def at_the_cap(cap: int) -> Iterator[Attack]:
    """Yield bodies as large as they may be, filled with what costs most."""
    for what, unit in UNITS.items():
        count = (cap - 5) // len(unit)
        yield f"full-of-{what}", [b"\xdd" + struct.pack(">I", count), (count, unit)]
    yield (
        "one-byte-string-that-fills-it",
        [
            b"\x91\xc6" + struct.pack(">I", cap - 6),
            (cap - 6, b"\x00"),
        ],
    )
    yield "nested-as-deep-as-it-is-long", [(cap - 1, b"\x91"), b"\x90"]
    yield "full-of-unfinished-arrays", [(cap // 5, b"\xdd\xff\xff\xff\xff")]
