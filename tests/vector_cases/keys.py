"""Identities and certificates, signatures, and sealing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tests import reference, reference_sealing
from tests import reference_messages as messages
from tests.vector_cases.arithmetic import SESSION
from tests.vector_cases.case import DISAGREEMENT, UNUSABLE, Json, Topic, fixed, flipped

ORDER = reference.ED25519_ORDER


def seed_of(peer: str) -> bytes:
    """Return the private seed of a peer of the vectors; a test seed and nothing else."""
    return fixed(f"identity of {peer}")


# -- identities -------------------------------------------------------------------------------


def identities_topic() -> Topic:
    """Keys, IDs and certificates."""
    topic = Topic("identities", "3", "Keys, IDs and certificates. All seeds are test seeds.")
    seeds = [bytes(range(32)), bytes(32), *(seed_of(name) for name in ("north", "south", "west"))]
    for seed in seeds:
        public, made = reference.ed25519_public_key(seed), messages.certificate(seed)
        identifier = messages.identifier(seed)
        name = f"test seed {seed.hex()[:8]}"
        topic.accept(
            "make an identity",
            name,
            {"test_seed": seed.hex()},
            {
                "public_key": public.hex(),
                "id": identifier.hex(),
                "shown_id": messages.shown_id(identifier),
                "certificate": made.hex(),
            },
        )
        topic.accept(
            "read a certificate",
            name,
            {"certificate": made.hex()},
            {"public_key": public.hex(), "id": identifier.hex()},
        )
    _written_ids(topic, messages.identifier(seeds[0]))
    case = next(c for c in topic.must_accept if c["operation"] == "read a certificate")
    for why, data in wrong_certificates(seeds[0], seeds[1]):
        topic.reject_changed(case, why, DISAGREEMENT, certificate=data.hex())
    return topic


def _written_ids(topic: Topic, identifier: bytes) -> None:
    shown = messages.shown_id(identifier)
    ways = {
        "in groups": shown,
        "without groups": identifier.hex(),
        "in capitals": shown.upper(),
        "with colons and spaces": f" {shown.replace('-', ': ')} ",
        "with a number sign": f"#{shown}",
    }
    for name, text in ways.items():
        topic.accept("read an ID", name, {"text": text}, {"id": identifier.hex()})
    for why, text in {
        "63 digits": identifier.hex()[:-1],
        "65 digits": identifier.hex() + "0",
        "a letter that is no hex digit": "g" + identifier.hex()[1:],
        "digits of another script": "\u0665" + identifier.hex()[1:],
        "a prefix 0x": "0x" + identifier.hex(),
        "groups joined by _": shown.replace("-", "_"),
        "the short ID alone": shown[:8],
        "no text": "",
    }.items():
        topic.reject("read an ID", why, {"text": text}, UNUSABLE)


def wrong_certificates(seed: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield certificates with one thing wrong, those of the first half properly signed."""
    identifier, another = messages.identifier(seed).hex(), messages.identifier(other).hex()
    yield "the names are another key's ID", messages.certificate(seed, name=another)
    yield "the names are the ID in capitals", messages.certificate(seed, name=identifier.upper())
    key, other_key = (reference.ed25519_public_key(s).hex() for s in (seed, other))
    digits, other_digits = identifier.encode().hex(), another.encode().hex()
    signed: dict[str, dict[str, str]] = {
        "the issuer alone is another key's ID": {f"{digits}3020": f"{other_digits}3020"},
        "the subject alone is another key's ID": {f"{digits}302a": f"{other_digits}302a"},
        "version 2": {"a003020102": "a003020101"},
        "serial number 2": {"020101300506": "020102300506"},
        "serial number -1": {"020101300506": "0201ff300506"},
        "valid from 2021": {b"200101000000Z".hex(): b"210101000000Z".hex()},
        "valid until 2099": {b"21000101".hex(): b"20990101".hex()},
        "CA:TRUE, not critical, in the same length": {
            "300c0603551d130101ff04023000": "300c0603551d13040530030101ff"
        },
        "CA:TRUE, critical": {
            "30820109": "3082010c",
            "a310300e300c0603551d130101ff04023000": "a3133011300f0603551d130101ff040530030101ff",
        },
        "basicConstraints is not critical": {"0603551d130101ff": "0603551d13010100"},
        "another extension": {"0603551d13": "0603551d0f"},
        "the key is said to be of Ed448": {"302a300506032b6570": "302a300506032b6571"},
        "the inner algorithm is Ed448": {"020101300506032b6570": "020101300506032b6571"},
        "names as PrintableString": {"5504030c40": "5504031340"},
        "names are an organisation's": {"5504030c40": "55040a0c40"},
        "the key's bit string has an unused bit": {"032100": "032101"},
        "another key, with the ID left as it was": {key: other_key},
    }
    for why, changes in signed.items():
        yield why, messages.certificate(seed, changes)
    yield from _damaged_certificates(seed, other)


def _damaged_certificates(seed: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    good = messages.certificate(seed)
    body, signature = good[:-64], good[-64:]
    signed_part = body[4 : body.index(bytes.fromhex("04023000")) + 4]
    yield "signed by another key", body + reference.ed25519_sign(other, signed_part)
    yield "the signature covers the whole file", body + reference.ed25519_sign(seed, body)
    yield "one bit of R in the signature is another", flipped(good, len(body) + 3)
    yield "one bit of S in the signature is another", flipped(good, len(body) + 40)
    high = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    yield "S of the signature is not below the order", body + signature[:32] + high
    yield "the signature is zero", body + bytes(64)
    yield "the outer length is one too large", flipped(good, 3, 0x57 ^ 0x58)
    yield "the outer length has a byte more than it needs", b"\x30\x83\x00" + good[2:]
    yield "the outer tag is a SET", flipped(good, 0, 1)
    # The bytes before the signature: ... 06 03 2b 65 70 (the algorithm), 03 41 00.
    yield "the outer algorithm is Ed448", flipped(body, -4) + signature
    yield "the signature's bit string has an unused bit", flipped(body, -1) + signature
    yield "a byte behind the certificate", good + b"\x00"
    yield "the last byte is missing", good[:-1]
    yield "the first byte is missing", good[1:]
    yield "two certificates", good + good
    yield "the key alone", reference.ed25519_public_key(seed)
    yield "no bytes", b""
    yield "zeros", bytes(len(good))


# -- signatures -------------------------------------------------------------------------------


def signatures_topic() -> Topic:
    """Ed25519, and what signatures of messages cover."""
    topic = Topic("signatures", "3 and 5", "Ed25519, and the bytes that signatures cover.")
    seed, other = seed_of("north"), seed_of("south")
    for text in (b"", b"p2pmpc", bytes(range(150))):
        public, signature = reference.ed25519_public_key(seed), reference.ed25519_sign(seed, text)
        given = {"public_key": public.hex(), "data": text.hex(), "signature": signature.hex()}
        name = f"{len(text)} bytes"
        topic.accept(
            "sign",
            name,
            {"test_seed": seed.hex(), "data": text.hex()},
            {"signature": signature.hex()},
        )
        case = topic.accept("verify a signature", name, given, {})
    own_nonce = reference.ed25519_sign(seed, text, nonce=12345)
    topic.accept(
        "verify a signature",
        "150 bytes, signed with a nonce that is not the one of RFC 8032",
        {**case["input"], "signature": own_nonce.hex()},
        {},
    )
    for why, changed in _wrong_signatures(seed, other, text).items():
        topic.reject_changed(case, f"the signature: {why}", signature=changed.hex())
    for why, key in {
        "another key": reference.ed25519_public_key(other),
        "31 bytes": public[:-1],
        "33 bytes": public + b"\x00",
        "no bytes": b"",
        "not a point of the curve": (2).to_bytes(32, "little"),
        "the ID in its place": hashlib.sha256(public).digest(),
    }.items():
        topic.reject_changed(case, f"the public key: {why}", public_key=key.hex())
    _covered(topic)
    return topic


def _wrong_signatures(seed: bytes, other: bytes, text: bytes) -> dict[str, bytes]:
    """Return what is no signature of a text, by what is wrong with it."""
    signature = reference.ed25519_sign(seed, text)
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    neutral_point = (1).to_bytes(32, "little")
    return {
        "S + the order": r + (s + ORDER).to_bytes(32, "little"),
        "S + 2 times the order": r + (s + 2 * ORDER).to_bytes(32, "little"),
        "S is the order": r + ORDER.to_bytes(32, "little"),
        "S is all ones": r + b"\xff" * 32,
        "the order - S": r + (ORDER - s).to_bytes(32, "little"),
        "R and S exchanged": signature[32:] + r,
        "the sign of R's x is the other one": flipped(signature, 31, 0x80),
        "one bit of R": flipped(signature, 0),
        "one bit of S": flipped(signature, 32),
        "63 bytes": signature[:-1],
        "65 bytes": signature + b"\x00",
        "no bytes": b"",
        "zeros": bytes(64),
        "R is the neutral point and S is 0": neutral_point + bytes(32),
        "by another key": reference.ed25519_sign(other, text),
        "of other bytes": reference.ed25519_sign(seed, text[:-1]),
        "of the SHA-512 of the bytes (Ed25519ph without its prefix)": reference.ed25519_sign(
            seed, hashlib.sha512(text).digest()
        ),
    }


def _covered(topic: Topic) -> None:
    sender, receiver = (messages.identifier(seed_of(name)) for name in ("north", "south"))
    for kind, number in messages.KINDS.items():
        session = bytes(32) if number <= 5 else SESSION
        to = receiver if kind in {"JOIN", "PARAMETERS", "HELLO", "SHARE"} else bytes(32)
        round_number = 258 if 6 <= number <= 12 else 0
        body = fixed(f"a body of {kind}", 20 + number)
        digest = reference.body_digest(number, body)
        covered = reference.signing_input(session, round_number, number, sender, to, digest)
        topic.accept(
            "cover a message",
            kind,
            {
                "kind": kind,
                "session": session.hex(),
                "round": round_number,
                "sender": sender.hex(),
                "receiver": to.hex(),
                "body": body.hex(),
            },
            {"digest": digest.hex(), "covered": covered.hex()},
        )


# -- sealing ----------------------------------------------------------------------------------


def sealing_topic() -> Topic:
    """HPKE under ML-KEM-768 and X25519."""
    topic = Topic(
        "sealing",
        "10.6",
        "Keys and seals. `randomness` is what the sender drew: 32 bytes for ML-KEM, 32 for X25519.",
    )
    plain = messages.pack([fixed("a seed"), b"\x00" + fixed("a b-share")])
    case = _seal(topic, plain, 0, 1, 2)
    _seal(topic, b"", 0, 2, 1)
    _seal(topic, plain[:33], 1, 1, 1000)
    _wrong_seals(topic, case)
    for why, data in _other_suites(case):
        topic.reject_changed(case, why, sealed=data.hex())
    _wrong_sealing_keys(topic)
    return topic


def sealing_seed(peer: int) -> bytes:
    """Return the secret bytes of a peer's sealing key; a test seed and nothing else."""
    return fixed(f"sealing key of {peer}", 96)


def _seal(topic: Topic, plaintext: bytes, number: int, dealer: int, receiver: int) -> Json:
    """Add a key, a seal, and its opening, and return the last."""
    seed = sealing_seed(receiver)
    public = reference_sealing.sealing_public_key(seed)
    name = f"peer {receiver}"
    yields: Json = {"public_key": public.hex()}
    topic.accept("make a sealing key", name, {"test_seed": seed.hex()}, yields)
    info = messages.sealing_info(SESSION, number, dealer, receiver)
    place = {"session": SESSION.hex(), "round": number, "dealer": dealer, "receiver": receiver}
    randomness = fixed(f"randomness of a seal from {dealer} to {receiver}", 64)
    sealed = reference_sealing.seal(public, plaintext, info, randomness)
    digest = messages.sealed_digest(SESSION, number, dealer, receiver, sealed)
    name = f"round {number}, {dealer} to {receiver}, {len(plaintext)} bytes"
    topic.accept(
        "seal",
        name,
        {
            **place,
            "public_key": public.hex(),
            "plaintext": plaintext.hex(),
            "randomness": randomness.hex(),
        },
        {"info": info.hex(), "sealed": sealed.hex(), "sealed_digest": digest.hex()},
    )
    return topic.accept(
        "open a seal",
        name,
        {**place, "test_seed": seed.hex(), "sealed": sealed.hex()},
        {"plaintext": plaintext.hex()},
    )


def _wrong_seals(topic: Topic, case: Json) -> None:
    sealed = bytes.fromhex(case["input"]["sealed"])
    lattice, curve = sealing_seed(1), sealing_seed(2)
    places: dict[str, Json] = {
        "another round": {"round": 1},
        "another dealer": {"dealer": 3},
        "another receiver, with the same key": {"receiver": 3},
        "dealer and receiver exchanged": {"dealer": 2, "receiver": 1},
        "another session": {"session": fixed("another session").hex()},
        "another receiver's key": {"test_seed": sealing_seed(1).hex()},
        "the key has another ML-KEM part": {"test_seed": (lattice[:64] + curve[64:]).hex()},
        "the key has another X25519 part": {"test_seed": (curve[:64] + lattice[64:]).hex()},
    }
    for why, changed in places.items():
        topic.reject_changed(case, why, **changed)
    for why, data in {
        "one bit of the ML-KEM ciphertext's first part": flipped(sealed, 0),
        "one bit of the ML-KEM ciphertext's last byte": flipped(sealed, 1087),
        "one bit of the ephemeral X25519 key": flipped(sealed, 1088),
        "the ephemeral X25519 key is zero": sealed[:1088] + bytes(32) + sealed[1120:],
        "one bit of the ciphertext": flipped(sealed, 1120),
        "one bit of the tag": flipped(sealed, -1),
        "the tag is cut to 15 bytes": sealed[:-1],
        "the tag alone is missing": sealed[:-16],
        "the ciphertext is cut by a byte": sealed[:-17] + sealed[-16:],
        "a byte behind the tag": sealed + b"\x00",
        "the encapsulation alone": sealed[:1120],
        "a byte less than an encapsulation": sealed[:1119],
        "no bytes": b"",
        "the X25519 key stands before the ML-KEM ciphertext": (
            sealed[1088:1120] + sealed[:1088] + sealed[1120:]
        ),
    }.items():
        topic.reject_changed(case, why, sealed=data.hex())


def _other_suites(case: Json) -> Iterator[tuple[str, bytes]]:
    """Yield what one would seal who reads the specification a little differently."""
    given = case["input"]
    seed = bytes.fromhex(given["test_seed"])
    public = reference_sealing.sealing_public_key(seed)
    plaintext, randomness = (
        bytes.fromhex(case["output"]["plaintext"]),
        fixed("randomness of a seal from 1 to 2", 64),
    )
    info = messages.sealing_info(SESSION, 0, 1, 2)
    yield "sealed under an empty info", reference_sealing.seal(public, plaintext, b"", randomness)
    bare = info.removeprefix(reference.label("seal"))
    yield (
        "sealed under the info without its label",
        reference_sealing.seal(public, plaintext, bare, randomness),
    )
    text = reference.label("seal")[1:] + bare
    yield (
        "sealed under the info without the label's length",
        reference_sealing.seal(public, plaintext, text, randomness),
    )
    lattice, ciphertext = reference_sealing.lattice_encapsulate(public[:1184], randomness[:32])
    ephemeral = reference_sealing.x25519(randomness[32:], reference_sealing.CURVE_BASE)
    curve = reference_sealing.x25519(randomness[32:], public[1184:])
    for why, shared in {
        "the KEM's secret is ML-KEM's alone": lattice,
        "the KEM's secret is X25519's alone": curve,
        "the KEM's secret is hashed without its label": hashlib.sha3_256(
            lattice + curve + ephemeral + public[1184:]
        ).digest(),
        "the KEM's secret is hashed with the label first": hashlib.sha3_256(
            reference_sealing.COMBINER_LABEL + lattice + curve + ephemeral + public[1184:]
        ).digest(),
    }.items():
        key, nonce = reference_sealing.schedule(shared, info)
        data, tag = reference_sealing.gcm(key, nonce, plaintext, opens=False)
        yield why, ciphertext + ephemeral + data + tag


def _wrong_sealing_keys(topic: Topic) -> None:
    public = reference_sealing.sealing_public_key(sealing_seed(2))
    case = topic.accept("use a sealing key", "peer 2", {"public_key": public.hex()}, {})
    high = (int.from_bytes(public[:3], "little") & ~0xFFF | 3329).to_bytes(3, "little")
    for why, key in {
        "the first coefficient is q (3329)": high + public[3:],
        "the first coefficient is 4095": b"\xff"
        + flipped(public[1:2], 0, 0x0F ^ (public[1] & 0x0F))
        + public[2:],
        "the coefficients are all ones": b"\xff" * 1152 + public[1152:],
        "the X25519 key is zero": public[:1184] + bytes(32),
        "the X25519 key is 1, a point of small order": public[:1184] + (1).to_bytes(32, "little"),
        "one byte is missing": public[:-1],
        "one byte too many": public + b"\x00",
        "the ML-KEM key alone": public[:1184],
        "the X25519 key alone": public[1184:],
        "no bytes": b"",
    }.items():
        topic.reject_changed(case, f"the sealing key: {why}", public_key=key.hex())
