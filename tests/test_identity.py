"""Keys, IDs, signatures, certificates and the sealing of shares."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import AgreementFailed, ConfigurationError, RemoteProtocolError
from p2pmpc.identity import (
    SEALING_KEY_BYTES,
    SEALING_OVERHEAD,
    Identity,
    SealingKey,
    SealingPublicKey,
    certificate_key,
    format_id,
    parse_id,
    peer_id,
    short_id,
    verify_signature,
)
from tests import reference

# RFC 8032, section 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
    "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
PEER_ID = "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"

IDENTITY = Identity(SEED)
SEALING_KEY = SealingKey(Random(7).randbytes)
SEALED = SealingPublicKey(SEALING_KEY.public_bytes).seal(b"a seed", b"info")


# -- IDs ------------------------------------------------------------------------------------


def test_a_known_seed_has_a_known_key_and_id() -> None:
    """The ID is the SHA-256 of the raw Ed25519 public key."""
    assert IDENTITY.public_key == PUBLIC_KEY
    assert IDENTITY.id.hex() == hashlib.sha256(PUBLIC_KEY).hexdigest() == PEER_ID
    assert peer_id(PUBLIC_KEY) == IDENTITY.id


@given(st.binary(min_size=32, max_size=32))
def test_ids_survive_every_way_to_write_them(identifier: bytes) -> None:
    """An ID reads back with its groups, without, in capitals and behind a #."""
    shown = format_id(identifier)
    assert [len(group) for group in shown.split("-")] == [8] * 8
    assert shown.startswith(short_id(identifier))
    for text in (shown, identifier.hex(), shown.upper(), f" #{shown}\n", shown.replace("-", ":")):
        assert parse_id(text) == identifier


@pytest.mark.parametrize(
    "text", ["", "12345678", PEER_ID[:-1], PEER_ID + "0", "g" + PEER_ID[1:], "\u0661" * 64]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Anything but 64 hex digits is refused, with the number of digits there are."""
    with pytest.raises(ConfigurationError, match=f"there are {len(text)}$"):
        parse_id(text)


def test_generated_identities_use_the_given_entropy() -> None:
    """Entropy is an argument, asked once for 32 bytes."""
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return SEED

    assert Identity.generate(entropy).id == IDENTITY.id
    assert asked == [32]


# -- signatures -----------------------------------------------------------------------------


def test_signatures_are_those_of_rfc_8032() -> None:
    """The signature of the empty message under the RFC's key is the RFC's."""
    assert IDENTITY.sign(b"") == reference.ed25519_sign(SEED, b"") == SIGNATURE
    verify_signature(PUBLIC_KEY, SIGNATURE, b"")


def test_one_key_can_sign_one_thing_in_two_ways() -> None:
    """With a nonce of its own choice a signer makes another signature, which verifies as well."""
    other = reference.ed25519_sign(SEED, b"data", nonce=12345)
    assert other != IDENTITY.sign(b"data")
    verify_signature(PUBLIC_KEY, other, b"data")


@pytest.mark.parametrize(
    ("key", "signature", "data"),
    [
        (PUBLIC_KEY, SIGNATURE, b"x"),
        (PUBLIC_KEY, bytes(64), b""),
        (PUBLIC_KEY, SIGNATURE[:-1], b""),
        (PUBLIC_KEY, SIGNATURE + b"\x00", b""),
        (PUBLIC_KEY, b"", b""),
        (PUBLIC_KEY[:-1], SIGNATURE, b""),
        (b"\xff" * 32, SIGNATURE, b""),
        (Identity(bytes(32)).public_key, SIGNATURE, b""),
    ],
)
def test_other_signatures_do_not_verify(key: bytes, signature: bytes, data: bytes) -> None:
    """Another message, signature or key, of whatever size, is a violation and nothing else."""
    with pytest.raises(RemoteProtocolError, match="does not verify"):
        verify_signature(key, signature, data)


# -- keys as files --------------------------------------------------------------------------


def test_keys_survive_their_pem() -> None:
    """A key file gives back the same identity."""
    assert Identity.from_private_pem(IDENTITY.private_pem()).id == IDENTITY.id


def encrypted_pem() -> bytes:
    """Return an Ed25519 key under a password."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def curve_pem() -> bytes:
    """Return a key of another kind."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"garbage",
        lambda: IDENTITY.private_pem()[:40],
        encrypted_pem,
        curve_pem,
    ],
    ids=["empty", "garbage", "cut", "encrypted", "another-curve"],
)
def test_other_files_are_no_keys(make: Callable[[], bytes]) -> None:
    """Anything but an unencrypted Ed25519 key is refused."""
    with pytest.raises(ConfigurationError, match="not an Ed25519 key"):
        Identity.from_private_pem(make())


def test_secret_keys_are_in_no_repr() -> None:
    """The repr of an identity is its short ID, and that of a sealing key nothing."""
    assert repr(IDENTITY) == f"Identity({PEER_ID[:8]})"
    assert repr(SEALING_KEY) == "SealingKey()"


# -- certificates ---------------------------------------------------------------------------


def test_a_certificate_carries_the_id_and_nothing_that_varies() -> None:
    """Unique CN = ID, CA:FALSE, fixed dates; the same key always makes the same bytes."""
    der = IDENTITY.certificate()
    assert Identity(SEED).certificate() == der
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.subject.rfc4514_string() == f"CN={PEER_ID}"
    assert certificate.issuer == certificate.subject
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    assert certificate.not_valid_before_utc.year == 2020
    assert certificate.not_valid_after_utc.year == 2100
    assert certificate_key(der) == PUBLIC_KEY


def certificate_with(
    *,
    key: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey,
    signer: ed25519.Ed25519PrivateKey | None = None,
    subject: str = PEER_ID,
    issuer: str = PEER_ID,
    authority: bool | None = False,
) -> bytes:
    """Return a certificate that may differ from an honest one in each respect."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    )
    if authority is not None:
        basic = x509.BasicConstraints(ca=authority, path_length=None)
        builder = builder.add_extension(basic, critical=True)
    by = signer or key
    algorithm = hashes.SHA256() if isinstance(by, ec.EllipticCurvePrivateKey) else None
    return builder.sign(by, algorithm).public_bytes(serialization.Encoding.DER)


OWN = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))


OTHERS: dict[str, Callable[[], bytes]] = {
    "authority": lambda: certificate_with(key=OWN, authority=True),
    "no constraints": lambda: certificate_with(key=OWN, authority=None),
    "subject": lambda: certificate_with(key=OWN, subject="0" * 64),
    "issuer": lambda: certificate_with(key=OWN, issuer="0" * 64),
    "key": lambda: certificate_with(key=OTHER),
    "signer": lambda: certificate_with(key=OWN, signer=OTHER),
    "p256": lambda: certificate_with(key=ec.generate_private_key(ec.SECP256R1())),
    "ed448": lambda: certificate_with(key=ed448.Ed448PrivateKey.generate()),
    "empty": lambda: b"",
    "cut": lambda: IDENTITY.certificate()[:-1],
    "trailing": lambda: IDENTITY.certificate() + b"\x00",
    "zeros": lambda: bytes(len(IDENTITY.certificate())),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_other_certificates_are_refused(make: Callable[[], bytes]) -> None:
    """A certificate that differs from an honest one in any single respect is refused."""
    assert certificate_with(key=OWN) == IDENTITY.certificate()
    with pytest.raises(AgreementFailed, match="a certificate"):
        certificate_key(make())


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_byte_of_a_certificate_matters(flip: int) -> None:
    """With any one byte changed it is refused as such, whatever an X.509 parser makes of it."""
    der = IDENTITY.certificate()
    for place in range(len(der)):
        changed = der[:place] + bytes([der[place] ^ flip]) + der[place + 1 :]
        with pytest.raises(AgreementFailed, match="a certificate"):
            certificate_key(changed)


@given(st.binary(min_size=32, max_size=32))
def test_every_identity_has_its_own_certificate(seed: bytes) -> None:
    """The certificate of any key is accepted, and gives that key."""
    identity = Identity(seed)
    assert certificate_key(identity.certificate()) == identity.public_key


# -- sealing --------------------------------------------------------------------------------


def test_what_is_sealed_opens_under_the_same_info() -> None:
    """Sealing adds a fixed number of bytes, never the same ones, and opens to the plaintext."""
    key = SealingPublicKey(SEALING_KEY.public_bytes)
    assert len(SEALING_KEY.public_bytes) == SEALING_KEY_BYTES
    assert SEALING_KEY.open(SEALED, b"info") == b"a seed"
    assert len(SEALED) == SEALING_OVERHEAD + len(b"a seed")
    assert key.seal(b"a seed", b"info") != SEALED


def test_sealing_keys_come_from_the_given_entropy() -> None:
    """The same entropy makes the same key, other entropy another."""
    assert SealingKey(Random(7).randbytes).public_bytes == SEALING_KEY.public_bytes
    other = SealingKey(os.urandom).public_bytes
    for half in (slice(None, 1184), slice(1184, None)):
        assert other[half] != SEALING_KEY.public_bytes[half]


def test_nobody_else_has_the_key_of_a_ledger() -> None:
    """Each identity has a ledger key of its own, which is not the secret that it comes from."""
    one, two = bytes(32), bytes(31) + b"\x01"
    keys = {Identity(seed).ledger_key() for seed in (one, two)}
    assert Identity(one).ledger_key() in keys
    assert len(keys - {one, two}) == 2


def test_a_seal_binds_its_info_and_its_receiver() -> None:
    """Neither under another info nor with another key does a seal open."""
    with pytest.raises(RemoteProtocolError, match="does not open"):
        SEALING_KEY.open(SEALED, b"other info")
    with pytest.raises(RemoteProtocolError, match="does not open"):
        SealingKey(Random(8).randbytes).open(SEALED, b"info")


@given(st.binary(max_size=64) | st.integers(0, len(SEALED) - 1))
def test_damaged_seals_do_not_open(damage: bytes | int) -> None:
    """Bytes of any length and any single changed byte are a violation, and nothing else."""
    sealed = damage
    if isinstance(damage, int):
        sealed = SEALED[:damage] + bytes([SEALED[damage] ^ 1]) + SEALED[damage + 1 :]
    assert isinstance(sealed, bytes)
    with pytest.raises(RemoteProtocolError, match="does not open"):
        SEALING_KEY.open(sealed, b"info")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(SEALING_KEY_BYTES - 1),
        b"\xff" * SEALING_KEY_BYTES,
        SEALING_KEY.public_bytes[:-32] + bytes(32),
    ],
    ids=["empty", "short", "no-lattice-key", "low-order-point"],
)
def test_keys_that_cannot_seal_are_a_violation(raw: bytes) -> None:
    """A peer's public key that is none is refused when something is to be sealed to it."""
    with pytest.raises(RemoteProtocolError, match="cannot be used"):
        SealingPublicKey(raw).seal(b"a seed", b"info")


SMALL_ORDER = [
    0,
    1,
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    2**255 - 20,
    2**255 - 19,
    2**255 - 18,
]


@pytest.mark.parametrize("u", [*SMALL_ORDER, *(u | 1 << 255 for u in SMALL_ORDER)])
def test_sealing_keys_of_small_order_are_refused(u: int) -> None:
    """Whatever is exchanged with such a point is zero, as the library finds too; so no key has one."""
    raw = SEALING_KEY.public_bytes[:-32] + u.to_bytes(32, "little")
    with pytest.raises(RemoteProtocolError, match="a sealing key that cannot be used"):
        SealingPublicKey(raw).parse()
    point = X25519PublicKey.from_public_bytes(u.to_bytes(32, "little"))
    with pytest.raises(ValueError, match="shared key"):
        X25519PrivateKey.generate().exchange(point)
