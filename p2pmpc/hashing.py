"""Labelled SHA-256: the one way this project hashes.

Every hash starts with its own label, and every part is preceded by its length, so two different
lists of parts can never meet in one input, whatever bytes they hold.
"""

from __future__ import annotations

import hashlib
from typing import Final

Bytes = bytes | bytearray | memoryview

DIGEST_BYTES: Final = 32
PREFIX: Final = "p2pmpc/1 "
"""What every label of this protocol version starts with."""


def label(name: str) -> bytes:
    """Return the bytes of a label: its length in one byte, then the prefixed name in ASCII."""
    text = (PREFIX + name).encode("ascii")
    return bytes([len(text)]) + text


def labelled_hash(name: str, *parts: Bytes) -> bytes:
    """Hash parts under a label.

    Args:
        name: The label, unique to the place that hashes.
        parts: Byte strings; each is preceded by its length as 8 bytes, big-endian.

    Returns:
        32 bytes of SHA-256.
    """
    digest = hashlib.sha256(label(name))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
