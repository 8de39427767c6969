"""What a peer is made of, written from docs/protocol.md alone: no code is shared with the package.

Numbers in brackets are sections of the document. The peer itself stands in tests/independent_peer.py.
"""

from __future__ import annotations

import secrets
import socket
import ssl
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

JOIN, PARAMETERS, HELLO, ROSTER, ACCEPT, COMMITMENT, SHARE = range(1, 8)
SLICE, PARTIAL, SLICE_SUM, ECHO, OPEN, UNMASK, CONFIRM, ABORT = range(8, 16)
NOBODY = bytes(32)
PAIRWISE = (JOIN, PARAMETERS, HELLO, SHARE, SLICE)
MODULI = {"m31": ((1 << 31) - 1, 4), "m61": ((1 << 61) - 1, 8)}
MASK_PRIME = (1 << 256) + 297
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
MOST_BYTES = 1 << 24
SECONDS = 60.0


class Refused(Exception):
    """Somebody said what no honest peer says, or ended the run."""


# -- hashes, bytes and signatures [2, 5, 6.1] -------------------------------------------------


def label(name: str) -> bytes:
    text = b"p2pmpc/1 " + name.encode()
    return bytes([len(text)]) + text


def labelled(name: str, *parts: bytes) -> bytes:
    framed = b"".join(struct.pack(">Q", len(part)) + part for part in parts)
    return sha256(label(name) + framed).digest()


def body_digest(kind: int, body: bytes) -> bytes:
    return labelled("body", bytes([kind]), body)


def covered(bound: bytes, kind: int, sender: bytes, receiver: bytes, digest: bytes) -> bytes:
    return label("message") + bound + bytes(4) + bytes([kind]) + sender + receiver + digest


def check(public_key: bytes, signature: bytes, data: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except InvalidSignature:
        raise Refused("a signature that does not hold") from None


def pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def unpack(body: bytes) -> Any:
    value = msgpack.unpackb(body)
    if pack(value) != body:
        raise Refused("a body that is not canonical")
    return value


def in_groups(identifier: bytes) -> str:
    digits = identifier.hex()
    return "-".join(digits[k : k + 8] for k in range(0, 64, 8))


# -- identities [3] ---------------------------------------------------------------------------

_BEFORE_ID = bytes.fromhex("30820109a003020102020101300506032b6570304b3149304706035504030c40")
_BETWEEN = bytes.fromhex(
    "3020170d3230303130313030303030305a180f32313030303130313030303030305a304b3149304706035504030c40"
)
_BEFORE_KEY = bytes.fromhex("302a300506032b6570032100")
_BEHIND_KEY = bytes.fromhex("a310300e300c0603551d130101ff04023000")
_BEFORE_SIGNATURE = bytes.fromhex("300506032b6570034100")


def unsigned_certificate(public_key: bytes) -> bytes:
    name = sha256(public_key).hexdigest().encode()
    return _BEFORE_ID + name + _BETWEEN + name + _BEFORE_KEY + public_key + _BEHIND_KEY


def key_in(certificate: bytes) -> bytes:
    """Return the raw public key of a certificate, every byte of which is as it must be."""
    place = 4 + len(_BEFORE_ID + _BETWEEN + _BEFORE_KEY) + 128
    key = certificate[place : place + 32]
    signed = unsigned_certificate(key)
    if certificate[:-64] != bytes.fromhex("30820157") + signed + _BEFORE_SIGNATURE:
        raise Refused("a certificate of another form")
    check(key, certificate[-64:], signed)
    return key


class Keys:
    """The keys of this peer: its identity, and what shares are sealed to."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()
        self.id = sha256(self.public).digest()
        signed = unsigned_certificate(self.public)
        head = bytes.fromhex("30820157")
        self.certificate = head + signed + _BEFORE_SIGNATURE + self.sign(signed)
        self._mlkem, self._x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        public = self._mlkem.public_key().public_bytes_raw()
        self.sealing = public + self._x25519.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        private = hpke.MLKEM768X25519PrivateKey(self._mlkem, self._x25519)
        return SUITE.decrypt(sealed, private, info)

    def show_in(self, context: ssl.SSLContext) -> None:
        """Let a TLS context show this peer's certificate."""
        private = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "both.pem"
            path.write_text(private.decode() + ssl.DER_cert_to_PEM_cert(self.certificate))
            context.load_cert_chain(path)


def seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    mlkem = MLKEM768PublicKey.from_public_bytes(public[:1184])
    x25519 = X25519PublicKey.from_public_bytes(public[1184:])
    return SUITE.encrypt(plaintext, hpke.MLKEM768X25519PublicKey(mlkem, x25519), info)


# -- arithmetic [10] --------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    name: str

    @property
    def modulus(self) -> int:
        return MODULI[self.name][0]

    def to_bytes(self, values: Sequence[int]) -> bytes:
        return b"".join((v % self.modulus).to_bytes(MODULI[self.name][1], "little") for v in values)

    def from_bytes(self, data: bytes, length: int) -> list[int]:
        width = MODULI[self.name][1]
        values = [int.from_bytes(data[k : k + width], "little") for k in range(0, len(data), width)]
        if len(data) != width * length or any(v >= self.modulus for v in values):
            raise Refused("a vector of another size, or an element that is not below p")
        return values

    def signed(self, value: int) -> int:
        return value if value <= (self.modulus - 1) // 2 else value - self.modulus

    def expand(
        self, sid: bytes, seed: bytes, purpose: str, i: int, j: int, length: int
    ) -> list[int]:
        """Return the residues that a seed stands for [10.3]."""
        name, width = self.name.encode(), MODULI[self.name][1]
        info = label(purpose) + struct.pack(">IHHB", 0, i, j, len(name)) + name
        info += struct.pack(">Q", length)
        key = HKDF(hashes.SHA256(), 32, sid, info).derive(seed)
        values: list[int] = []
        for chunk in range(-(-length // (1 << 16))):
            start = struct.pack(">QQ", chunk, 0)
            stream = Cipher(algorithms.AES256(key), modes.CTR(start)).encryptor()
            wanted = min(length, (chunk + 1) << 16)
            while len(values) < wanted:
                word = int.from_bytes(stream.update(bytes(width)), "little") & self.modulus
                if word != self.modulus:
                    values.append(word)
        return values


def split(secret: bytes, threshold: int, points: Sequence[int]) -> list[bytes]:
    """Return Shamir shares of a mask seed [10.5]."""
    coefficients = [int.from_bytes(secret, "big")]
    coefficients += [secrets.randbelow(MASK_PRIME) for _ in range(threshold - 1)]
    values = [sum(c * x**k for k, c in enumerate(coefficients)) % MASK_PRIME for x in points]
    return [value.to_bytes(33, "big") for value in values]


# -- frames and links [4, 5] ------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    kind: int
    signature: bytes
    body: bytes

    @property
    def digest(self) -> bytes:
        return body_digest(self.kind, self.body)

    @property
    def bytes(self) -> bytes:
        head = struct.pack(">IBI", 68 + len(self.body), self.kind, 0)
        return head + self.signature + self.body


@dataclass
class Buffer:
    """Bytes that came, and the frames in them."""

    data: bytearray = field(default_factory=bytearray)

    def frames(self) -> Iterator[Frame]:
        while len(self.data) >= 5:
            length, kind = struct.unpack_from(">IB", self.data)
            if not 68 <= length <= MOST_BYTES:
                raise Refused("a frame of an impossible size")
            if len(self.data) < 5 + length:
                return
            whole = bytes(self.data[: 5 + length])
            del self.data[: 5 + length]
            if whole[5:9] != bytes(4):
                raise Refused("a frame of another round")
            yield Frame(kind, whole[9:73], whole[73:])


def tls(keys: Keys, *, server: bool, alpn: str, anchors: bytes = b"") -> ssl.SSLContext:
    """Return a context [4.1]; without anchors it is that of a joiner."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn])
    if server:
        context.num_tickets = 0
    else:
        context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if anchors else ssl.CERT_NONE
    if anchors:
        context.load_verify_locations(cadata=anchors)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        keys.show_in(context)
    return context


def dialled(context: ssl.SSLContext, address: str) -> ssl.SSLSocket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
    return context.wrap_socket(connection)


def certificate_of(connection: ssl.SSLSocket) -> bytes:
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        raise Refused("no certificate")
    return certificate


def close(connection: ssl.SSLSocket) -> None:
    """End a link in good order: a stream without close_notify was cut."""
    try:
        connection.settimeout(2)
        connection.unwrap()
    except OSError:
        pass
    connection.close()


# -- joining [8.1] ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One entry of the roster [6.3]."""

    body: bytes
    signature: bytes
    address: str

    @property
    def entry(self) -> list[Any]:
        values: list[Any] = unpack(self.body)
        return values

    @property
    def key(self) -> bytes:
        return key_in(self.entry[0])

    @property
    def id(self) -> bytes:
        return sha256(self.key).digest()

    @property
    def weight(self) -> int:
        weight: int = self.entry[3]
        return weight

    def check(self, parameters_digest: bytes) -> None:
        if self.entry[5] != parameters_digest:
            raise Refused("an entry under other parameters")
        digest = body_digest(HELLO, self.body)
        check(self.key, self.signature, covered(parameters_digest, HELLO, self.id, NOBODY, digest))


@dataclass
class Founder:
    """The join link, on which nothing is bound to a session."""

    keys: Keys
    connection: ssl.SSLSocket
    buffer: Buffer = field(default_factory=Buffer)

    def __post_init__(self) -> None:
        self.key = key_in(certificate_of(self.connection))
        self.id = sha256(self.key).digest()

    def tell(self, kind: int, body: bytes) -> None:
        data = covered(NOBODY, kind, self.keys.id, self.id, body_digest(kind, body))
        self.connection.sendall(Frame(kind, self.keys.sign(data), body).bytes)

    def hear(self, kind: int) -> Any:
        while True:
            for frame in self.buffer.frames():
                to = self.keys.id if frame.kind in PAIRWISE else NOBODY
                check(
                    self.key,
                    frame.signature,
                    covered(NOBODY, frame.kind, self.id, to, frame.digest),
                )
                if frame.kind != kind:
                    raise Refused(f"{unpack(frame.body)} instead of kind {kind}")
                return unpack(frame.body)
            if not (data := self.connection.recv(1 << 16)):
                raise Refused("the founder closed the link")
            self.buffer.data += data
