"""Who a peer is: Ed25519 keys and IDs, signatures, certificates, and the sealing of shares.

A peer's ID is the SHA-256 of its raw Ed25519 public key. Its TLS certificate is self-signed with
the same key, CN = the ID in hex: OpenSSL finds trust anchors by name, so a name that two peers
share would verify only one of them. CA:FALSE, so that no member can mint certificates for others.

Shares are sealed with HPKE (RFC 9180) under the hybrid KEM of ML-KEM-768 and X25519: recorded
traffic stays unreadable when either of the two falls.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    LocalProtocolError,
    RemoteProtocolError,
)
from p2pmpc.hashing import label
from p2pmpc.shamir import Entropy

ID_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SEED_BYTES: Final = 32

_MLKEM_PUBLIC_BYTES: Final = 1184
_MLKEM_SEED_BYTES: Final = 64
SEALING_SEED_BYTES: Final = _MLKEM_SEED_BYTES + 32
SEALING_KEY_BYTES: Final = _MLKEM_PUBLIC_BYTES + 32
SEALING_OVERHEAD: Final = 1088 + 32 + 16
"""ML-KEM ciphertext, X25519 key and AES-GCM tag."""

_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_VALID_FROM: Final = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_VALID_UNTIL: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


def peer_id(public_key: bytes) -> bytes:
    """Return the ID of a raw Ed25519 public key: its SHA-256."""
    return hashlib.sha256(public_key).digest()


def format_id(identifier: bytes) -> str:
    """Return an ID in eight groups of eight hex digits, for people to compare."""
    text = identifier.hex()
    return "-".join(text[k : k + 8] for k in range(0, len(text), 8))


def short_id(identifier: bytes) -> str:
    """Return the first group of an ID, enough to tell the peers of one roster apart."""
    return identifier.hex()[:8]


def parse_id(text: str) -> bytes:
    """Read an ID in hex, with or without its groups.

    Raises:
        ConfigurationError: It is not 64 hex digits.
    """
    digits = re.sub(r"[-:\s#]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ConfigurationError(
            f"{text!r} is not an ID: 64 hex digits are needed, and there are {len(digits)}",
            hint="copy the ID that the other peer's start prints, or its `p2pmpc id`",
        )
    return bytes.fromhex(digits)


class Identity:
    """A peer's Ed25519 key. The secret leaves it only towards TLS and a key file.

    Args:
        seed: 32 secret bytes.
    """

    __slots__ = ("_key", "_seed", "id", "public_key")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key: bytes = self._key.public_key().public_bytes_raw()
        self.id: bytes = peer_id(self.public_key)

    @classmethod
    def generate(cls, entropy: Entropy) -> Identity:
        """Make a new identity."""
        return cls(entropy(SEED_BYTES))

    def __repr__(self) -> str:
        return f"Identity({short_id(self.id)})"

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature (RFC 8032) of ``data``."""
        return self._key.sign(data)

    def ledger_key(self) -> bytes:
        """Return the key of this peer's ledger: HKDF-SHA256 (RFC 5869) of the secret."""
        kdf = HKDF(hashes.SHA256(), length=32, salt=None, info=label("ledger key"))
        return kdf.derive(self._seed)

    def private_pem(self) -> bytes:
        """Return the secret key as PKCS#8 PEM, for a TLS context or a key file."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @classmethod
    def from_private_pem(cls, pem: bytes) -> Identity:
        """Read a key from PKCS#8 PEM.

        Raises:
            ConfigurationError: It is no unencrypted Ed25519 key.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(
                "this is not an Ed25519 key in PEM", hint="make one with `p2pmpc id --key FILE`"
            )
        return cls(key.private_bytes_raw())

    def certificate(self) -> bytes:
        """Return the DER certificate; the same key always gives the same bytes."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.id.hex())])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(_VALID_FROM)
            .not_valid_after(_VALID_UNTIL)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        return builder.sign(self._key, algorithm=None).public_bytes(serialization.Encoding.DER)


def verify_signature(public_key: bytes, signature: bytes, data: bytes) -> None:
    """Verify an Ed25519 signature.

    Raises:
        RemoteProtocolError: It does not verify; the caller knows whose it claimed to be.
    """
    try:
        _verify_once(public_key, signature, data)
    except (InvalidSignature, ValueError):
        raise RemoteProtocolError("a signature that does not verify") from None


@functools.lru_cache(maxsize=4096)
def _verify_once(public_key: bytes, signature: bytes, data: bytes) -> None:
    """Verify a signature, unless these very bytes have verified before.

    What is said to all comes again: in echoes, in evidence, and to every other peer of the same
    process, where n verify the same. Only what verified is remembered, since an exception is not; and
    no more of it than a few megabytes.
    """
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)


@functools.cache
def _template() -> tuple[bytes, bytes, bytes]:
    """Return the certificate of a fixed key, that key, and its ID in hex.

    All other certificates differ from it where these two stand, and in the signature.
    """
    sample = Identity(bytes(SEED_BYTES))
    return sample.certificate(), sample.public_key, sample.id.hex().encode()


def certificate_key(der: bytes) -> bytes:
    """Return the raw Ed25519 public key of a peer's certificate.

    Every certificate is what :meth:`Identity.certificate` makes: one fixed encoding with the key, its
    ID (as issuer and as subject) and the self-signature filled in. So a peer's bytes are compared with
    the only certificate its key can have, and no X.509 parser ever sees them.

    Raises:
        AgreementFailed: It is not the certificate of its key.
    """
    template, sample_key, sample_id = _template()
    place = template.index(sample_key)
    key = der[place : place + PUBLIC_KEY_BYTES]
    expected = template.replace(sample_key, key)
    expected = expected.replace(sample_id, peer_id(key).hex().encode())
    if der[:-SIGNATURE_BYTES] != expected[:-SIGNATURE_BYTES] or len(der) != len(expected):
        raise AgreementFailed("a certificate that is not the one of its key")
    try:
        verify_signature(key, der[-SIGNATURE_BYTES:], _signed_part(der))
    except RemoteProtocolError:
        raise AgreementFailed("a certificate whose signature does not verify") from None
    return key


def _signed_part(der: bytes) -> bytes:
    """Return the part of a certificate of our one shape that its signature covers."""
    start = 4  # the outer SEQUENCE: a tag and a length in three bytes
    return der[start : start + 4 + int.from_bytes(der[start + 2 : start + 4], "big")]


class SealingKey:
    """The HPKE key of one session, made fresh for it and sent, signed, in the HELLO.

    Args:
        entropy: Where the key comes from: SEALING_SEED_BYTES in all.
    """

    __slots__ = ("_key", "public_bytes")

    def __init__(self, entropy: Entropy) -> None:
        lattice = MLKEM768PrivateKey.from_seed_bytes(entropy(_MLKEM_SEED_BYTES))
        curve = X25519PrivateKey.from_private_bytes(entropy(32))
        self._key: hpke.MLKEM768X25519PrivateKey | None = hpke.MLKEM768X25519PrivateKey(
            lattice, curve
        )
        self.public_bytes: bytes = (
            lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        )

    def __repr__(self) -> str:
        return "SealingKey()"

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to this key under the same ``info``.

        Raises:
            RemoteProtocolError: It does not open.
        """
        if self._key is None:
            raise LocalProtocolError("the sealing key was forgotten")
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise RemoteProtocolError("a sealed share that does not open") from None

    def forget(self) -> None:
        """Give the key up: nothing more is to be opened with it, whoever comes by this process."""
        self._key = None


_P25519: Final = 2**255 - 19
_SMALL_ORDER: Final = frozenset(
    u.to_bytes(32, "little")
    for u in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P25519 - 1,
        _P25519,
        _P25519 + 1,
    )
)
"""The u-coordinates of Curve25519 with points of order 1, 2, 4 and 8, also unreduced (RFC 7748, 6.1)."""


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """A peer's public HPKE key.

    Args:
        raw: ML-KEM-768 key (1184 bytes), then X25519 key (32 bytes).
    """

    raw: bytes

    def parse(self) -> hpke.MLKEM768X25519PublicKey:
        """Return the key itself.

        Raises:
            RemoteProtocolError: The bytes are none, or the X25519 part is of small order: whatever is
                exchanged with such a point is zero.
        """
        point = bytearray(self.raw[_MLKEM_PUBLIC_BYTES:])
        point[-1:] = bytes(
            byte & 0x7F for byte in point[-1:]
        )  # RFC 7748: the top bit is no part of it
        if bytes(point) in _SMALL_ORDER:
            raise RemoteProtocolError("a sealing key that cannot be used")
        try:
            return hpke.MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]),
                X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:]),
            )
        except ValueError:
            raise RemoteProtocolError("a sealing key that cannot be used") from None

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """Seal a plaintext so that only the owner of the key can read it.

        HPKE draws its own randomness from the operating system: sealing again gives other bytes,
        so what was sent must be stored as sent.

        Raises:
            RemoteProtocolError: The key is not one.
        """
        return _SUITE.encrypt(plaintext, self.parse(), info=info)
