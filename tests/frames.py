"""Frames in one piece, and taken apart as a link reads them."""

from __future__ import annotations

from p2pmpc.frames import ENVELOPE_BYTES, HEADER, frame_head
from p2pmpc.messages import Kind


def encode_frame(kind: Kind, round_number: int, signature: bytes, body: bytes) -> bytes:
    """Return the bytes of a frame."""
    return frame_head(kind, round_number, signature, len(body)) + body


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Return the envelope and the body of a whole frame."""
    rest = data[HEADER.size :]
    return rest[:ENVELOPE_BYTES], rest[ENVELOPE_BYTES:]
