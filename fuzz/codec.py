"""The codec, shown bytes that nobody meant.

    python -m fuzz.codec --corpus                   all that must be refused, and all that was ever found
    python -m fuzz.codec --seconds 60 [--seed 1]    drawn mutations of what is known
    python -m fuzz.codec --seconds 600 --atheris    led by what the code does with them (extra "fuzz")

The first byte of an input says what reads the rest, the second one under which limits. Held: nothing comes
out but a message or its refusal, of the classes that the codec documents and in words that can be shown; what
is accepted has one encoding; and every answer comes in time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from fuzz import engine, hexfiles
from fuzz.mutation import mutated
from fuzz.rightful import rightful
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, Limits, parse_frame, parse_header
from p2pmpc.messages import Kind, is_address, is_display_text
from p2pmpc.product import FIELDS
from p2pmpc.wire import (
    decode_body,
    decode_entry,
    decode_evidence,
    decode_parameters,
    decode_share,
    encode_body,
    encode_entry,
    encode_evidence,
    encode_parameters,
    encode_share,
)

CORPUS: Final = Path(__file__).parent / "corpus"
REFUSED: Final = CORPUS / "reject"
KEPT: Final = CORPUS / "kept" / "codec"
MOST_SECONDS: Final = 0.010
"""Of this thread, for one answer."""

LIMITS: Final = {
    "three": Limits(peers=3, length=5, width=4),
    "wide": Limits(peers=3, length=5, width=8, share_mode="dense"),
    "product": Limits(peers=4, length=5, width=12, contributors=3),
    "sharded": Limits(peers=3, length=5, width=4, sharded=True),
    "thousand": Limits(peers=1000, length=1001, width=8),
    "joining": Limits(),
}
_FIELDS: Final = {4: "m31", 8: "m61", 12: "m31xm61"}


def _body(kind: Kind) -> Callable[[bytes, Limits], bytes]:
    def read(data: bytes, limits: Limits) -> bytes:
        message = decode_body(kind, data, limits)
        assert message.kind is kind
        return encode_body(message)

    return read


def _header(data: bytes, limits: Limits) -> bytes:
    """Read what a link reads before anything else; what is too short for a header is none."""
    if len(data) < HEADER.size:
        raise RemoteProtocolError("too short for a header")
    kind, size = parse_header(data[: HEADER.size], limits, frozenset(Kind))
    assert size <= ENVELOPE_BYTES + limits.body_cap(kind)
    return HEADER.pack(size, kind) + data[HEADER.size :]


def _frame(data: bytes, limits: Limits) -> bytes:
    """Read a whole frame, as a link does."""
    head = _header(data, limits)
    kind, size = parse_header(head[: HEADER.size], limits, frozenset(Kind))
    if size != len(data) - HEADER.size:
        raise RemoteProtocolError("the stream goes on, or ended")
    rest = data[HEADER.size :]
    frame = parse_frame(kind, rest[:ENVELOPE_BYTES], rest[ENVELOPE_BYTES:])
    body = encode_body(decode_body(frame.kind, frame.body, limits))
    return head[: HEADER.size] + frame.round.to_bytes(4, "big") + frame.signature + body


def _address(data: bytes, _limits: Limits) -> bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError("no text") from None
    if not is_address(text):
        raise RemoteProtocolError("an impossible address")
    assert is_display_text(text, 255)
    return data


def _vector(data: bytes, limits: Limits) -> bytes:
    field = FIELDS[_FIELDS[limits.width]]
    return bytes(field.encode(field.decode(data, limits.length)))


READERS: Final[dict[str, Callable[[bytes, Limits], bytes]]] = {
    **{kind.name: _body(kind) for kind in Kind},
    "header": _header,
    "frame": _frame,
    "address": _address,
    "vector": _vector,
    "parameters": lambda data, _limits: encode_parameters(decode_parameters(data)),
    "entry": lambda data, _limits: encode_entry(decode_entry(data)),
    "evidence": lambda data, _limits: encode_evidence(decode_evidence(data)),
    "share": lambda data, limits: encode_share(decode_share(data, limits, strict=False)),
    "strict": lambda data, limits: encode_share(decode_share(data, limits, strict=True)),
    "ratcheted": lambda data, limits: encode_share(
        decode_share(data, limits, strict=False, ratcheted=True)
    ),
}
"""What reads bytes, by name; each returns what it read as bytes again."""

_MAY_DISAGREE: Final = frozenset({"JOIN", "PARAMETERS", "frame"})


class TooSlowError(Exception):
    """An answer that took longer than anything a peer sends may take."""


def answer(name: str, data: bytes, limits: Limits) -> P2PMPCError | None:
    """Return the refusal of some bytes, or None where they were accepted.

    Args:
        name: Of the reader.
        data: What it reads.
        limits: Of the connection.

    Raises:
        AssertionError: They were accepted, and are not the one encoding of what they say; or the
            refusal is of a class, or in words, that it should not be.
    """
    refusal: P2PMPCError | None = None
    try:
        again = READERS[name](data, limits)
    except P2PMPCError as error:
        refusal = error
    if refusal is not None:
        documented = AgreementFailed if name in _MAY_DISAGREE else RemoteProtocolError
        assert type(refusal) in (RemoteProtocolError, documented), refusal
        assert is_display_text(refusal.message, 400), ascii(refusal.message)
        return refusal
    assert again == data, f"{name} read {len(data)} bytes, and says them otherwise"
    return None


def run(data: bytes) -> None:
    """Show one input to what its first byte names."""
    if len(data) < 2:
        return
    name = list(READERS)[data[0] % len(READERS)]
    limits = list(LIMITS.values())[data[1] % len(LIMITS)]
    for attempt in (1, 2, 3):
        started = time.thread_time()
        answer(name, data[2:], limits)
        seconds = time.thread_time() - started
        if seconds < MOST_SECONDS * engine.slower():
            return
        if attempt == 3:
            raise TooSlowError(f"{name} took {1000 * seconds:.0f} ms for {len(data) - 2} bytes")


def refused_files() -> Iterator[tuple[Path, str, Limits]]:
    """Yield every file of the corpus that must be refused, what reads it, and under which limits."""
    for path in sorted(REFUSED.rglob("*.hex")):
        name, _, limits = path.parent.name.partition("@")
        yield path, name, LIMITS[limits or "three"]


def seeds() -> Iterator[bytes]:
    """Yield inputs to begin with: what must be refused, what was found, and what is rightful."""
    readers, limits = list(READERS), list(LIMITS.values())
    for path, name, given in refused_files():
        if len(data := hexfiles.read(path)) <= engine.LONGEST:
            yield bytes([readers.index(name), limits.index(given)]) + data
    for path in sorted(KEPT.glob("*.bin")):
        yield path.read_bytes()
    for name, given_name, data in rightful():
        yield bytes([readers.index(name), list(LIMITS).index(given_name)]) + data


def mutate(data: bytes, random: Random) -> bytes:
    """Return an input that differs in what is read; seldom in what reads it."""
    if random.random() < 0.05 or len(data) < 2:
        return bytes([random.randrange(256), random.randrange(256)]) + data[2:]
    return data[:2] + mutated(data[2:], random)


TARGET: Final = engine.Target("codec", run, seeds, mutate, KEPT)

if __name__ == "__main__":
    sys.exit(engine.main(TARGET, sys.argv[1:]))
