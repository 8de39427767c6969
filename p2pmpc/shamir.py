"""Shamir's t-of-n sharing of a 32-byte mask seed.

The prime is 2^256 + 297, the smallest above 2^256, so that every 32-byte string is an element.
Party j's share is the value at x = j, its roster index. A share is 33 bytes, big-endian.

Source: A. Shamir, "How to share a secret", CACM 22 (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from p2pmpc.errors import LocalProtocolError, RemoteProtocolError

PRIME: Final = (1 << 256) + 297
SECRET_BYTES: Final = 32
SHARE_BYTES: Final = 33

Entropy = Callable[[int], bytes]
"""A source of uniform bytes; the operating system's in production."""


def uniform_below(limit: int, entropy: Entropy) -> int:
    """Draw a uniform integer in [0, limit) by rejection."""
    bits = (limit - 1).bit_length()
    size = (bits + 7) // 8
    while True:
        value = int.from_bytes(entropy(size), "big") >> (8 * size - bits)
        if value < limit:
            return value


def split(
    secret: bytes, threshold: int, points: Sequence[int], entropy: Entropy
) -> dict[int, bytes]:
    """Split a secret so that any ``threshold`` shares give it back and fewer say nothing.

    Args:
        secret: 32 bytes.
        threshold: t, at most as many as there are points.
        points: Where the polynomial is evaluated: roster indices, from 1.
        entropy: Where the coefficients come from.

    Returns:
        The share at each point, 33 bytes.
    """
    if len(secret) != SECRET_BYTES or not 1 <= threshold <= len(set(points)) or min(points) < 1:
        raise LocalProtocolError("a 32-byte secret and threshold points other than 0 are needed")
    coefficients = [int.from_bytes(secret, "big")]
    coefficients += [uniform_below(PRIME, entropy) for _ in range(threshold - 1)]
    shares = {}
    for x in points:
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * x + coefficient) % PRIME
        shares[x] = value.to_bytes(SHARE_BYTES, "big")
    return shares


def combine(shares: Mapping[int, bytes]) -> bytes:
    """Return the secret from shares, by Lagrange interpolation at 0.

    Args:
        shares: Party index to share; exactly the threshold's number or more.

    Returns:
        The secret, 32 bytes.

    Raises:
        RemoteProtocolError: The points lie on no polynomial that hides 32 bytes.
    """
    secret = 0
    for i, share in shares.items():
        numerator, denominator = 1, 1
        for k in shares:
            if k != i:
                numerator = numerator * k % PRIME
                denominator = denominator * (k - i) % PRIME
        value = check_share(share)
        secret = (secret + value * numerator * pow(denominator, -1, PRIME)) % PRIME
    if secret >> (8 * SECRET_BYTES):
        raise RemoteProtocolError("mask shares that give back no 32-byte secret")
    return secret.to_bytes(SECRET_BYTES, "big")


def check_share(share: bytes) -> int:
    """Return the value of a share.

    Raises:
        RemoteProtocolError: The size is wrong or the value is not below the prime.
    """
    value = int.from_bytes(share, "big")
    if len(share) != SHARE_BYTES or value >= PRIME:
        raise RemoteProtocolError("a mask share that is not an element of its field")
    return value
