"""Expansion of a 32-byte seed into a uniform vector.

key = HKDF-SHA256(seed, salt = session id, info = label | round | i | j | field | length);
the stream is AES-256-CTR over zeros, in chunks of 2^16 elements, each with its own initial
counter block (chunk index in 8 bytes, big-endian, then 8 zero bytes), so that chunks can be sought
and made in parallel. Words are masked to the bits of the field and words >= p are skipped: exactly
uniform. Without the skip, each m31 element would be 2^-31 away from uniform, too much for a million.
Over a product of fields every component is a stream of its own, under the component's name.

Source: HKDF is RFC 5869; counter mode is NIST SP 800-38A.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pmpc.field import Field, Vector, Words
from p2pmpc.hashing import label
from p2pmpc.product import ProductField, Ring

SEED_BYTES: Final = 32
CHUNK: Final = 1 << 16
_ZEROS: Final = memoryview(bytes(8 * CHUNK))


def expansion_info(purpose: str, round_number: int, i: int, j: int, field: Field, n: int) -> bytes:
    """Return the HKDF info of one expansion.

    Args:
        purpose: The label: ``share``, ``mask`` or ``gamma``.
        round_number: The round within the session.
        i: Dealer (or owner of the mask), a roster index.
        j: Receiver, a roster index; 0 for a mask.
        field: The field.
        n: Elements.
    """
    numbers = round_number.to_bytes(4, "big") + i.to_bytes(2, "big") + j.to_bytes(2, "big")
    name = field.name.encode("ascii")
    return label(purpose) + numbers + bytes([len(name)]) + name + n.to_bytes(8, "big")


class Expansion:
    """One seed's uniform vector, made chunk by chunk, in any order.

    Args:
        seed: 32 bytes; secret, but for ``gamma``.
        salt: The session id.
        info: From :func:`expansion_info`.
        field: The field to be uniform in.
    """

    def __init__(self, seed: bytes, salt: bytes, info: bytes, field: Field) -> None:
        self._key = HKDF(hashes.SHA256(), length=32, salt=salt, info=info).derive(seed)
        self._field = field

    def write(self, chunk: int, out: Words) -> None:
        """Write the first elements of one chunk.

        Args:
            chunk: Its index.
            out: At most CHUNK words as wide as the field's, contiguous.
        """
        counter = chunk.to_bytes(8, "big") + bytes(8)
        stream = Cipher(algorithms.AES(self._key), modes.CTR(counter)).encryptor()
        modulus, mask = self._field.modulus, (1 << self._field.bits) - 1
        filled = 0
        while filled < out.size:
            words = out[filled:]
            view = words.data.cast("B")
            stream.update_into(_ZEROS[: view.nbytes], view)
            np.bitwise_and(words, out.dtype.type(mask), out=words)
            if int(words.max()) < modulus:
                return
            accepted = words[words < modulus]
            words[: accepted.size] = accepted
            filled += accepted.size


class JointExpansion:
    """One seed's uniform vector over a product of fields: an expansion for each component.

    Args:
        parts: By the components' keys.
    """

    def __init__(self, parts: Mapping[str, Expansion]) -> None:
        self._parts = parts

    def __getitem__(self, key: str) -> Expansion:
        """Return a component's expansion, as a vector's component is had."""
        return self._parts[key]

    def write(self, chunk: int, out: Words) -> None:
        """Write the first elements of one chunk.

        Args:
            chunk: Its index.
            out: At most CHUNK words of the product.
        """
        for key, part in self._parts.items():
            words = np.empty(out.size, dtype=out.dtype[key])
            part.write(chunk, words)
            out[key] = words


def expansion(
    purpose: str,
    seed: bytes,
    salt: bytes,
    field: Ring,
    length: int,
    *,
    round_number: int,
    i: int = 0,
    j: int = 0,
) -> Expansion | JointExpansion:
    """Return the expansion of a seed for a purpose; see :func:`expansion_info`.

    Args:
        purpose: The label.
        seed: 32 bytes; secret, but for ``gamma``.
        salt: The session id.
        field: What to be uniform in.
        length: Elements.
        round_number: The round within the session.
        i: A roster index, or 0.
        j: Likewise.
    """

    def of(part: Field) -> Expansion:
        info = expansion_info(purpose, round_number, i, j, part, length)
        return Expansion(seed, salt, info, part)

    if isinstance(field, ProductField):
        return JointExpansion({key: of(part) for key, part in field.components.items()})
    return of(field)


def expand(seed: bytes, salt: bytes, info: bytes, field: Field, length: int) -> Vector:
    """Expand a seed into a uniform vector.

    Args:
        seed: 32 bytes; secret, but for ``gamma``.
        salt: The session id.
        info: From :func:`expansion_info`.
        field: The field to be uniform in.
        length: Elements.

    Returns:
        A vector of ``length`` residues.
    """
    expansion = Expansion(seed, salt, info, field)
    out = np.empty(length, dtype=np.uint64)
    words = np.empty(min(length, CHUNK), dtype=field.word)
    for chunk, start in enumerate(range(0, length, CHUNK)):
        part = out[start : start + CHUNK]
        expansion.write(chunk, words[: part.size])
        part[:] = words[: part.size]
    return out
