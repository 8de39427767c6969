"""What a peer draws in one round, drawn again: bytes expanded from a seed of the operating system.

A peer that was killed goes on with the same masks, coefficients and seeds, or what it says would
contradict what it said. So each round has one seed of 32 bytes, drawn from the operating system when the
round begins and forgotten with it, and what the round draws is its expansion: HKDF-SHA256 under a label
for each purpose gives a key, and AES-256 in counter mode under that key the bytes.

Source: HKDF is RFC 5869; counter mode is NIST SP 800-38A, and as a generator the CTR_DRBG of
NIST SP 800-90A without reseeding.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pmpc.hashing import label

ROUND_SEED_BYTES: Final = 32
_COUNTER: Final = bytes(16)


class SeededEntropy:
    """A source of bytes that gives the same ones again: call it for the next ``n``.

    Args:
        seed: 32 secret bytes, used in one round only.
        purpose: What the bytes are for; other purposes give others.
    """

    def __init__(self, seed: bytes, purpose: str) -> None:
        key = HKDF(hashes.SHA256(), length=32, salt=None, info=label(purpose)).derive(seed)
        self._stream = Cipher(algorithms.AES(key), modes.CTR(_COUNTER)).encryptor()

    def __call__(self, size: int) -> bytes:
        """Return the next bytes."""
        return self._stream.update(bytes(size))
