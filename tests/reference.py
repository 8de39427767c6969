"""A slow reference: plain integers, hashlib, hmac and struct, sharing no code with the package.

Only AES itself comes from elsewhere. Everything is written from the protocol's description, a
second time and in the plainest way, so that a slip in one of the two shows as a difference.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import struct
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SHAMIR_PRIME = 2**256 + 297
ELEMENTS_IN_A_CHUNK = 65536


def label(name: str) -> bytes:
    """Return a label: one byte of length, then the name under the protocol's prefix."""
    text = b"p2pmpc/1 " + name.encode()
    return struct.pack("B", len(text)) + text


def sha256(data: bytes) -> bytes:
    """Return a plain SHA-256."""
    return hashlib.sha256(data).digest()


def labelled_hash(name: str, *parts: bytes) -> bytes:
    """Return SHA-256 of a label and of parts, each behind its length."""
    return hashlib.sha256(
        label(name) + b"".join(struct.pack(">Q", len(part)) + part for part in parts)
    ).digest()


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Return HKDF-SHA256 (RFC 5869): extract, then expand."""
    key = hmac.new(salt, secret, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


def expansion_info(purpose: str, round_number: int, i: int, j: int, field: str, n: int) -> bytes:
    """Return the HKDF info of an expansion."""
    indices = struct.pack(">IHH", round_number, i, j)
    name = field.encode()
    return label(purpose) + indices + struct.pack("B", len(name)) + name + struct.pack(">Q", n)


def key_stream(key: bytes, chunk: int) -> Iterator[bytes]:
    """Yield the blocks of AES-256-CTR for one chunk, by encrypting one counter after another."""
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    counter = 0
    while True:
        # Many blocks a call, only because a call a block would take minutes.
        blocks = b"".join(struct.pack(">QQ", chunk, counter + k) for k in range(1024))
        yield cipher.update(blocks)
        counter += 1024


def expand(
    seed: bytes, salt: bytes, info: bytes, modulus: int, width: int, length: int
) -> list[int]:
    """Return the uniform vector of a seed, and skip every word that is no residue."""
    key = hkdf(seed, salt, info, 32)
    mask = 2 ** modulus.bit_length() - 1
    word = {4: "<I", 8: "<Q"}[width]
    vector: list[int] = []
    for chunk in range(-(-length // ELEMENTS_IN_A_CHUNK)):
        due = min(length, (chunk + 1) * ELEMENTS_IN_A_CHUNK)
        for blocks in key_stream(key, chunk):
            for (value,) in struct.iter_unpack(word, blocks):
                if value & mask < modulus and len(vector) < due:
                    vector.append(value & mask)
            if len(vector) == due:
                break
    return vector


def skipped_words(seed: bytes, salt: bytes, info: bytes, modulus: int, words: int) -> int:
    """Return how many of the first 32-bit words of an expansion are no residues."""
    stream = next(key_stream(hkdf(seed, salt, info, 32), 0))
    mask = 2 ** modulus.bit_length() - 1
    values = struct.unpack_from(f"<{words}I", stream)
    return sum(value & mask >= modulus for value in values)


def shamir_share(secret: bytes, coefficients: Sequence[int], x: int) -> bytes:
    """Return the value at x of the polynomial with the secret at 0."""
    polynomial = [int.from_bytes(secret, "big"), *coefficients]
    value = sum(a * pow(x, power, SHAMIR_PRIME) for power, a in enumerate(polynomial))
    value %= SHAMIR_PRIME
    return value.to_bytes(33, "big")


def shamir_value(shares: Mapping[int, bytes]) -> int:
    """Return the value at 0 of the polynomial through all shares, with exact fractions."""
    value = Fraction(0)
    for i, share in shares.items():
        factor = Fraction(int.from_bytes(share, "big"))
        for k in shares:
            if k != i:
                factor *= Fraction(k, k - i)
        value += factor
    return value.numerator * pow(value.denominator, -1, SHAMIR_PRIME) % SHAMIR_PRIME


def weighted_sum(
    vectors: Sequence[Sequence[int]], weights: Sequence[int], modulus: int
) -> list[int]:
    """Return sum_i w_i * v_i mod p."""
    return [
        sum(weight * value for weight, value in zip(weights, column, strict=True)) % modulus
        for column in zip(*vectors, strict=True)
    ]


def centred(residue: int, modulus: int) -> int:
    """Return the integer nearest to zero with a residue."""
    return residue - modulus if residue > modulus // 2 else residue


def fixed_point(text: str, fraction_bits: int) -> int:
    """Return a decimal text times 2^f, rounded to the nearest, ties to even."""
    return round(Fraction(text) * (1 << fraction_bits))


def little_endian(values: Sequence[int], width: int) -> bytes:
    """Return the canonical bytes of a vector."""
    return b"".join(value.to_bytes(width, "little") for value in values)


ED25519_PRIME = 2**255 - 19
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ED25519_D = -121665 * pow(121666, -1, ED25519_PRIME) % ED25519_PRIME
ED25519_BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)

Point = tuple[int, int]


def ed25519_add(a: Point, b: Point) -> Point:
    """Return the sum of two points of the twisted Edwards curve of RFC 8032."""
    p, product = ED25519_PRIME, ED25519_D * a[0] * a[1] * b[0] * b[1]
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, p)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, p)
    return x % p, y % p


@functools.cache
def ed25519_doubled(times: int) -> Point:
    """Return the base point, doubled a number of times."""
    if times == 0:
        return ED25519_BASE
    half = ed25519_doubled(times - 1)
    return ed25519_add(half, half)


@functools.cache
def ed25519_times(scalar: int) -> bytes:
    """Return the encoding of a multiple of the base point."""
    total = (0, 1)
    for bit in range(scalar.bit_length()):
        doubled = ed25519_doubled(bit)
        if scalar >> bit & 1:
            total = ed25519_add(total, doubled)
    return (total[1] | (total[0] & 1) << 255).to_bytes(32, "little")


def ed25519_public_key(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    return ed25519_times(ed25519_secret(seed)[0])


def ed25519_secret(seed: bytes) -> tuple[int, bytes]:
    """Return the secret scalar of a seed, and the prefix of its nonces."""
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254, digest[32:]


def ed25519_sign(seed: bytes, data: bytes, nonce: int | None = None) -> bytes:
    """Return a signature of RFC 8032, or with a nonce of one's own another one that verifies."""
    secret, prefix = ed25519_secret(seed)
    if nonce is None:
        nonce = int.from_bytes(hashlib.sha512(prefix + data).digest(), "little")
    commitment = ed25519_times(nonce % ED25519_ORDER)
    public = ed25519_times(secret)
    challenge = int.from_bytes(hashlib.sha512(commitment + public + data).digest(), "little")
    return commitment + ((nonce + challenge * secret) % ED25519_ORDER).to_bytes(32, "little")


def signing_input(
    session_id: bytes, round_number: int, kind: int, sender: bytes, receiver: bytes, digest: bytes
) -> bytes:
    """Return what a signature covers."""
    head = label("message") + session_id + struct.pack(">IB", round_number, kind)
    return head + sender + receiver + digest


def body_digest(kind: int, body: bytes) -> bytes:
    """Return the digest of a message's body."""
    return labelled_hash("body", bytes([kind]), body)
