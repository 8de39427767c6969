"""Frames taken apart, as a link reads them."""

from __future__ import annotations

from p2pmpc.wire import ENVELOPE_BYTES, HEADER


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Return the envelope and the body of a whole frame."""
    rest = data[HEADER.size :]
    return rest[:ENVELOPE_BYTES], rest[ENVELOPE_BYTES:]
