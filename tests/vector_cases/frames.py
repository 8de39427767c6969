"""Frames: their parts, their caps, and which kinds may come."""

from __future__ import annotations

import struct

from tests import reference_messages as messages
from tests.reference_messages import KINDS, WIDTHS
from tests.vector_cases.case import Json, Topic, fixed

ENVELOPE = 68


def limits_of(
    peers: int,
    contributors: int,
    length: int,
    field: str,
    share_mode: str,
    sum_mode: str = "broadcast",
) -> Json:
    """Return what the caps depend on."""
    made: Json = {"peers": peers, "contributors": contributors, "length": length}
    return {**made, "field": field, "share_mode": share_mode, "sum_mode": sum_mode}


LIMITS: dict[str, Json] = {
    "three peers, seeds, m31": limits_of(3, 3, 5, "m31", "seeds"),
    "five peers of whom four contribute, long vectors": limits_of(5, 4, 100_000, "m31", "seeds"),
    "1000 peers, dense, m61": limits_of(1000, 1000, 1001, "m61", "dense"),
    "four of five, sharded": limits_of(5, 4, 100_000, "m31", "seeds", "sharded"),
    "two, sharded, slices of two pieces": limits_of(2, 2, 524_288, "m61", "seeds", "sharded"),
    "three, sharded, an element more than two pieces each": limits_of(
        3, 3, 3 * 524_288 + 1, "m31", "dense", "sharded"
    ),
    "1000, sharded, most slices empty": limits_of(1000, 1000, 2, "m31", "seeds", "sharded"),
    "no session yet": limits_of(1000, 1000, 0, "m31", "seeds"),
}
BEFORE = ("JOIN", "PARAMETERS", "HELLO", "ROSTER", "ABORT")
MESH = [kind for kind, number in KINDS.items() if number >= KINDS["ACCEPT"]]


def header(size: int, kind: int) -> str:
    """Return the first five bytes of a frame in hex."""
    return struct.pack(">IB", size, kind).hex()


def frames_topic() -> Topic:
    """The first five bytes of frames, and what follows them."""
    topic = Topic("frames", "5 and 6.2", "Frames, the caps of all kinds, and which kinds may come.")
    for name, limits in LIMITS.items():
        length, width = limits["length"], WIDTHS[limits["field"]]
        of = limits["peers"], limits["contributors"], length, width
        caps = messages.caps(*of, limits["share_mode"], limits["sum_mode"])
        for kind, cap in caps.items():
            if not length and kind not in BEFORE:
                continue
            given = {**limits, "accepted": list(KINDS)}
            topic.accept(
                "read a header",
                f"{name}: the largest {kind}",
                {**given, "header": header(ENVELOPE + cap, KINDS[kind])},
                {"kind": kind, "following": ENVELOPE + cap},
            )
            topic.reject(
                "read a header",
                f"{name}: {kind}, one byte over its cap",
                {**given, "header": header(ENVELOPE + cap + 1, KINDS[kind])},
            )
    limits = next(iter(LIMITS.values()))
    _wrong_headers(topic, limits)
    for kind, size, round_number in (
        ("CONFIRM", 35, 0),
        ("PARTIAL", 20, 0xFFFFFFFF),
        ("OPEN", 0, 1),
    ):
        signature, body = fixed(f"a signature of {kind}", 64), fixed(f"a body of {kind}", size)
        data = messages.frame(KINDS[kind], round_number, signature, body)
        shown: Json = {"kind": kind, "round": round_number}
        topic.accept(
            "take a frame apart",
            f"{kind} of round {round_number}, body of {size} bytes",
            {**limits, "frame": data.hex()},
            {**shown, "signature": signature.hex(), "body": body.hex()},
        )
    return topic


def _wrong_headers(topic: Topic, limits: Json) -> None:
    """Add headers of unknown kinds, impossible sizes, and kinds out of place."""
    for number in (0, 16, 127, 255):
        wrong = {**limits, "accepted": list(KINDS), "header": header(ENVELOPE + 40, number)}
        topic.reject("read a header", f"the unknown kind {number}", wrong)
    for size in (0, 4, ENVELOPE - 1, 2**31, 2**32 - 1):
        wrong = {**limits, "accepted": list(KINDS), "header": header(size, KINDS["CONFIRM"])}
        topic.reject("read a header", f"a CONFIRM whose header says {size} bytes", wrong)
    little = struct.pack("<IB", ENVELOPE + 35, KINDS["CONFIRM"]).hex()
    wrong = {**limits, "accepted": list(KINDS), "header": little}
    topic.reject("read a header", "a little-endian length", wrong)
    for kind, accepted, where in (
        *((kind, MESH, "on a mesh link") for kind in KINDS if kind not in MESH),
        ("HELLO", ["JOIN"], "before the JOIN"),
        ("JOIN", ["HELLO"], "after the JOIN"),
        ("ABORT", ["JOIN"], "from a joiner"),
        ("SHARE", ["PARAMETERS", "ABORT"], "on a join link"),
        ("ROSTER", ["PARAMETERS", "ABORT"], "before the PARAMETERS"),
    ):
        wrong = {**limits, "accepted": accepted, "header": header(ENVELOPE + 1, KINDS[kind])}
        topic.reject("read a header", f"{kind} {where}", wrong)
