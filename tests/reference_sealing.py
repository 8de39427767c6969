"""A slow reference for sealing: ML-KEM-768, X25519 and HPKE in plain integers.

Like :mod:`tests.reference` it shares no code with the package, and only AES itself comes from
elsewhere. Here the sender's randomness is an argument, so that sealed bytes can be made again.
Sources: FIPS 203, RFC 7748, RFC 9180, NIST SP 800-38D.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import operator
import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Q = 3329
RANK = 3
Polynomial = list[int]
ENCAPSULATION_BYTES = 1088 + 32
COMBINER_LABEL = bytes.fromhex("5c2e2f2f5e5c")
SUITE = b"HPKE" + struct.pack(">HHH", 0x647A, 0x0001, 0x0002)

# Root i of the transform is 17^(2 * bitrev7(i) + 1), and the powers of each root.
ROOTS = [pow(17, 2 * int(f"{i:07b}"[::-1], 2) + 1, Q) for i in range(128)]
POWERS = [[pow(root, j, Q) for j in range(128)] for root in ROOTS]
INVERSE_POWERS = [[pow(root, -j, Q) * pow(128, -1, Q) % Q for root in ROOTS] for j in range(128)]


# -- ML-KEM-768 -------------------------------------------------------------------------------


def dot(left: Polynomial, right: Polynomial) -> int:
    """Return the sum of the products of equally many numbers."""
    assert len(left) == len(right)
    total: int = sum(map(operator.mul, left, right))
    return total % Q


def transform(f: Polynomial) -> Polynomial:
    """Return the remainders of a polynomial modulo every X^2 - root."""
    even, odd = f[0::2], f[1::2]
    return [dot(half, powers) for powers in POWERS for half in (even, odd)]


def transform_back(f: Polynomial) -> Polynomial:
    """Return the polynomial with given remainders."""
    even, odd = f[0::2], f[1::2]
    return [dot(half, powers) for powers in INVERSE_POWERS for half in (even, odd)]


def multiply(f: Polynomial, g: Polynomial) -> Polynomial:
    """Return the product of two transformed polynomials."""
    product = []
    for i, root in enumerate(ROOTS):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        product += [(a0 * b0 + a1 * b1 * root) % Q, (a0 * b1 + a1 * b0) % Q]
    return product


def add(*polynomials: Polynomial) -> Polynomial:
    """Return a sum of polynomials."""
    return [sum(column) % Q for column in zip(*polynomials, strict=True)]


def inner(left: Sequence[Polynomial], right: Sequence[Polynomial]) -> Polynomial:
    """Return the inner product of two vectors of transformed polynomials."""
    return add(*(multiply(f, g) for f, g in zip(left, right, strict=True)))


def pack_bits(f: Polynomial, bits: int) -> bytes:
    """Return coefficients of a few bits each, the first in the lowest bits."""
    return sum(value << bits * i for i, value in enumerate(f)).to_bytes(32 * bits, "little")


def unpack_bits(data: bytes, bits: int) -> Polynomial:
    """Return the 256 coefficients of packed bytes."""
    number = int.from_bytes(data, "little")
    return [number >> bits * i & (1 << bits) - 1 for i in range(256)]


def compress(f: Polynomial, bits: int) -> Polynomial:
    """Return coefficients rounded to a few bits, halves upwards."""
    return [((value << bits + 1) + Q) // (2 * Q) % (1 << bits) for value in f]


def decompress(f: Polynomial, bits: int) -> Polynomial:
    """Return coefficients as near as a few bits tell them."""
    return [(2 * Q * value + (1 << bits)) >> bits + 1 for value in f]


def uniform_polynomial(seed: bytes) -> Polynomial:
    """Return a transformed polynomial from SHAKE128, skipping what is not below q."""
    stream = hashlib.shake_128(seed).digest(3 * 1024)
    f: Polynomial = []
    for a, b, c in struct.iter_unpack("BBB", stream):
        f += [value for value in (a + 256 * (b % 16), b // 16 + 16 * c) if value < Q]
    assert len(f) >= 256
    return f[:256]


def small_polynomial(seed: bytes, number: int) -> Polynomial:
    """Return a polynomial of centred binomial coefficients in -2..2."""
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([number])).digest(128), "little")
    nibbles = [bits >> 4 * i & 15 for i in range(256)]
    return [((x & 1) + (x >> 1 & 1) - (x >> 2 & 1) - (x >> 3)) % Q for x in nibbles]


@functools.cache
def matrix(rho: bytes) -> list[list[Polynomial]]:
    """Return the public matrix."""
    return [[uniform_polynomial(rho + bytes([j, i])) for j in range(RANK)] for i in range(RANK)]


@functools.cache
def lattice_key(seed: bytes) -> tuple[bytes, list[Polynomial]]:
    """Return the public key of 64 bytes, and the secret vector, transformed."""
    expanded = hashlib.sha3_512(seed[:32] + bytes([RANK])).digest()
    rho, sigma = expanded[:32], expanded[32:]
    secret = [transform(small_polynomial(sigma, i)) for i in range(RANK)]
    noise = [transform(small_polynomial(sigma, RANK + i)) for i in range(RANK)]
    rows = [add(inner(row, secret), e) for row, e in zip(matrix(rho), noise, strict=True)]
    return b"".join(pack_bits(row, 12) for row in rows) + rho, secret


def lattice_encrypt(public: bytes, message: bytes, coins: bytes) -> bytes:
    """Encrypt 32 bytes."""
    rows = [unpack_bits(public[384 * i : 384 * (i + 1)], 12) for i in range(RANK)]
    public_matrix = matrix(public[384 * RANK :])
    y = [transform(small_polynomial(coins, i)) for i in range(RANK)]
    columns = [[row[i] for row in public_matrix] for i in range(RANK)]
    u = [
        add(transform_back(inner(columns[i], y)), small_polynomial(coins, RANK + i))
        for i in range(RANK)
    ]
    shown = decompress(unpack_bits(message, 1), 1)
    v = add(transform_back(inner(rows, y)), small_polynomial(coins, 2 * RANK), shown)
    return b"".join(pack_bits(compress(f, 10), 10) for f in u) + pack_bits(compress(v, 4), 4)


def lattice_encapsulate(public: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Return the shared secret and the ciphertext for 32 chosen bytes."""
    expanded = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    return expanded[:32], lattice_encrypt(public, message, expanded[32:])


def lattice_decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """Return the shared secret of a ciphertext, or what stands for none."""
    public, secret = lattice_key(seed)
    u = [decompress(unpack_bits(ciphertext[320 * i : 320 * (i + 1)], 10), 10) for i in range(RANK)]
    v = decompress(unpack_bits(ciphertext[320 * RANK :], 4), 4)
    shared = transform_back(inner(secret, [transform(f) for f in u]))
    noisy = [(a - b) % Q for a, b in zip(v, shared, strict=True)]
    message = pack_bits(compress(noisy, 1), 1)
    expected, again = lattice_encapsulate(public, message)
    if again != ciphertext:
        return hashlib.shake_256(seed[32:] + ciphertext).digest(32)
    return expected


# -- X25519 -----------------------------------------------------------------------------------

CURVE_PRIME = 2**255 - 19
CURVE_BASE = (9).to_bytes(32, "little")


def x25519(scalar: bytes, point: bytes) -> bytes:
    """Return a multiple of a point, by the ladder of RFC 7748."""
    p = CURVE_PRIME
    k = int.from_bytes(scalar, "little") & ((1 << 254) - 8) | 1 << 254
    x1 = int.from_bytes(point, "little") % (1 << 255)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in range(254, -1, -1):
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, (aa - bb) * (aa + 121665 * (aa - bb)) % p
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, -1, p) % p).to_bytes(32, "little")


# -- AES-256-GCM ------------------------------------------------------------------------------


def galois_hash(key: int, data: bytes) -> int:
    """Return GHASH of whole blocks."""
    total = 0
    for start in range(0, len(data), 16):
        x, total = total ^ int.from_bytes(data[start : start + 16], "big"), 0
        v = key
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                total ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    return total


def gcm(
    key: bytes, nonce: bytes, data: bytes, *, opens: bool, beside: bytes = b""
) -> tuple[bytes, bytes]:
    """Return data encrypted (or decrypted), and the tag of the ciphertext and what stands beside it."""
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    count = -(-len(data) // 16)
    blocks = b"".join(nonce + struct.pack(">I", 1 + k) for k in range(count + 1))
    stream = cipher.update(blocks)
    out = bytes(a ^ b for a, b in zip(data, stream[16:], strict=False))
    ciphertext = data if opens else out
    hashed = beside + bytes(-len(beside) % 16) + ciphertext + bytes(-len(data) % 16)
    hashed += struct.pack(">QQ", 8 * len(beside), 8 * len(data))
    hash_key = int.from_bytes(cipher.update(bytes(16)), "big")
    tag = galois_hash(hash_key, hashed) ^ int.from_bytes(stream[:16], "big")
    return out, tag.to_bytes(16, "big")


# -- HPKE -------------------------------------------------------------------------------------


def extract(salt: bytes, name: bytes, data: bytes) -> bytes:
    """Return LabeledExtract of RFC 9180."""
    return hmac.new(salt or bytes(32), b"HPKE-v1" + SUITE + name + data, hashlib.sha256).digest()


def expand(key: bytes, name: bytes, info: bytes, length: int) -> bytes:
    """Return LabeledExpand of RFC 9180, at most one block of it."""
    data = struct.pack(">H", length) + b"HPKE-v1" + SUITE + name + info
    return hmac.new(key, data + b"\x01", hashlib.sha256).digest()[:length]


def schedule(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return the key and the nonce of the first message of a context in base mode."""
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


def combine(lattice: bytes, curve: bytes, ephemeral: bytes, receiver: bytes) -> bytes:
    """Return the KEM's shared secret from those of its two parts."""
    return hashlib.sha3_256(lattice + curve + ephemeral + receiver + COMBINER_LABEL).digest()


@functools.cache
def sealing_public_key(seed: bytes) -> bytes:
    """Return the public key of 96 secret bytes: 64 of ML-KEM, 32 of X25519."""
    return lattice_key(seed[:64])[0] + x25519(seed[64:], CURVE_BASE)


def seal(public: bytes, plaintext: bytes, info: bytes, randomness: bytes) -> bytes:
    """Seal a plaintext, with 64 chosen bytes in place of fresh ones.

    Args:
        public: The receiver's key, 1216 bytes.
        plaintext: What only the receiver shall read.
        info: What it is bound to.
        randomness: The message of ML-KEM's encapsulation, then the ephemeral X25519 key.
    """
    lattice, ciphertext = lattice_encapsulate(public[:1184], randomness[:32])
    ephemeral = x25519(randomness[32:], CURVE_BASE)
    curve = x25519(randomness[32:], public[1184:])
    key, nonce = schedule(combine(lattice, curve, ephemeral, public[1184:]), info)
    sealed, tag = gcm(key, nonce, plaintext, opens=False)
    return ciphertext + ephemeral + sealed + tag


def seal_once(key: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal a plaintext under a key that seals nothing else."""
    return b"".join(gcm(key, bytes(12), plaintext, opens=False, beside=info))


def unseal(seed: bytes, sealed: bytes, info: bytes) -> bytes | None:
    """Open sealed bytes with 96 secret bytes, or return None where they do not open."""
    if len(sealed) < ENCAPSULATION_BYTES + 16:
        return None
    ciphertext, ephemeral = sealed[:1088], sealed[1088:ENCAPSULATION_BYTES]
    receiver = x25519(seed[64:], CURVE_BASE)
    curve = x25519(seed[64:], ephemeral)
    shared = combine(lattice_decapsulate(seed[:64], ciphertext), curve, ephemeral, receiver)
    key, nonce = schedule(shared, info)
    plaintext, tag = gcm(key, nonce, sealed[ENCAPSULATION_BYTES:-16], opens=True)
    return plaintext if tag == sealed[-16:] else None
