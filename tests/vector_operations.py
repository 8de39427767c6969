"""What the package makes of the known-answer vectors: one function an operation.

Each takes a case's input and returns what stands under ``output``, or raises the package's error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from p2pmpc.dealing import RoundContext, check_mask_share
from p2pmpc.encoding import gamma_expansion
from p2pmpc.errors import VerificationFailed
from p2pmpc.field import Field, Words
from p2pmpc.frames import HEADER, Limits, body_digest, parse_frame, parse_header, signing_input
from p2pmpc.hashing import label, labelled_hash
from p2pmpc.identity import (
    Identity,
    SealingKey,
    SealingPublicKey,
    certificate_key,
    format_id,
    parse_id,
    peer_id,
    verify_signature,
)
from p2pmpc.messages import Accept, Commitment, Kind, Message, SharePlain, Signed
from p2pmpc.opening import Opening
from p2pmpc.parameters import Parameters
from p2pmpc.prg import expand, expansion, expansion_info
from p2pmpc.product import FIELDS, ProductField, Ring
from p2pmpc.session import Member, Session
from p2pmpc.shamir import Entropy, combine, split
from p2pmpc.sharing import Source, weighted_sum
from p2pmpc.summing import check_total
from p2pmpc.wire import decode_share
from tests import reference, reference_sealing
from tests.frames import encode_frame, halves
from tests.strategies import correction, expanded, with_checksum

Json = dict[str, Any]
Operation = Callable[[Json], Json]

OPERATIONS: dict[str, Operation] = {}


def operation(name: str) -> Callable[[Operation], Operation]:
    """Register what the package does for an operation."""

    def register(function: Operation) -> Operation:
        assert name not in OPERATIONS
        OPERATIONS[name] = function
        return function

    return register


def unhex(given: Json, *names: str) -> list[bytes]:
    """Return members of an input as bytes."""
    return [bytes.fromhex(given[name]) for name in names]


def vector(field: Ring, values: list[str]) -> Words:
    """Return decimal texts as residues."""
    return field.vector(map(int, values))


def decimals(values: Any) -> list[str]:
    """Return integers as decimal texts."""
    return [str(int(value)) for value in values]


def context(given: Json, weights: Sequence[int] = (1,) * 1000, **parameters: Any) -> RoundContext:
    """Return a round of a session of which no more is known than this."""
    peers = len(weights)
    made = Parameters(bytes(32), peers, given.get("field", "m31"), **parameters)
    members = tuple(cast(Member, SimpleNamespace(weight=weight)) for weight in weights)
    contributing = (index for index, weight in enumerate(weights, 1) if weight)
    places = {index: place for place, index in enumerate(contributing)}
    session_id = bytes.fromhex(given["session"])
    session = Session(made, members, 1, Accept(made, ()), session_id, places)
    return RoundContext(session, given["round"])


def scripted(data: bytes) -> Entropy:
    """Return a source of these bytes and no others."""
    left = bytearray(data)

    def draw(size: int) -> bytes:
        assert len(left) >= size
        drawn = bytes(left[:size])
        del left[:size]
        return drawn

    return draw


# -- frames -----------------------------------------------------------------------------------


def limits(given: Json) -> Limits:
    """Return the limits of a session."""
    width = FIELDS[given["field"]].width
    return Limits(
        given["peers"],
        given["length"],
        width,
        given["share_mode"],
        sharded=given["sum_mode"] == "sharded",
        contributors=given["contributors"],
    )


@operation("read a header")
def _(given: Json) -> Json:
    accepted = frozenset(Kind[name] for name in given["accepted"])
    kind, size = parse_header(bytes.fromhex(given["header"]), limits(given), accepted)
    return {"kind": kind.name, "following": size}


@operation("take a frame apart")
def _(given: Json) -> Json:
    (data,) = unhex(given, "frame")
    kind, size = parse_header(data[: HEADER.size], limits(given), frozenset(Kind))
    assert size == len(data) - HEADER.size
    frame = parse_frame(kind, *halves(data))
    assert encode_frame(frame.kind, frame.round, frame.signature, frame.body) == data
    shown = {"kind": frame.kind.name, "round": frame.round}
    return {**shown, "signature": frame.signature.hex(), "body": frame.body.hex()}


# -- arithmetic -------------------------------------------------------------------------------


@operation("hash")
def _(given: Json) -> Json:
    parts = [bytes.fromhex(part) for part in given["parts"]]
    digest = labelled_hash(given["label"], *parts)
    return {"label_bytes": label(given["label"]).hex(), "digest": digest.hex()}


@operation("compare a hash")
def _(given: Json) -> Json:
    digest = labelled_hash(given["label"], *(bytes.fromhex(part) for part in given["parts"]))
    if digest.hex() != given["digest"]:
        raise VerificationFailed("another hash")
    return {}


@operation("decode a vector")
def _(given: Json) -> Json:
    field = FIELDS[given["field"]]
    decoded = field.decode(bytes.fromhex(given["bytes"]), given["length"])
    assert field.encode(decoded).hex() == given["bytes"]
    elements = decimals(field.integers(decoded))
    return {"elements": elements, "signed": decimals(field.to_signed(decoded))}


def given_sum(field: Ring, given: Json) -> Words:
    """Return the weighted sum of the vectors of a case."""
    terms: list[tuple[Source, int]] = [
        (vector(field, row), int(weight))
        for weight, row in zip(given["weights"], given["vectors"], strict=True)
    ]
    return weighted_sum(field, len(given["vectors"][0]), terms)


@operation("sum weighted vectors")
def _(given: Json) -> Json:
    field = FIELDS[given["field"]]
    return {"sum": decimals(field.integers(given_sum(field, given)))}


@operation("expand")
def _(given: Json) -> Json:
    field, length = FIELDS[given["field"]], given["length"]
    assert isinstance(field, Field)
    seed, session = unhex(given, "seed", "session")
    info = expansion_info(given["purpose"], given["round"], given["i"], given["j"], field, length)
    made = expand(seed, session, info, field, length)
    shown = {
        "info": info.hex(),
        # The package never shows the key; a wrong one would show in the elements.
        "key": reference.hkdf(seed, session, info, 32).hex(),
        "first": str(made[0]),
        "last": str(made[-1]),
        "sha256_of_bytes": hashlib.sha256(field.encode(made)).hexdigest(),
    }
    return {**shown, "elements": decimals(made)} if length <= 8 else shown


@operation("expand over a product")
def _(given: Json) -> Json:
    field, length = FIELDS[given["field"]], given["length"]
    assert isinstance(field, ProductField)
    seed, session = unhex(given, "seed", "session")
    place = {"round_number": given["round"], "i": given["i"], "j": given["j"]}
    made = expanded(
        field, length, expansion(given["purpose"], seed, session, field, length, **place)
    )
    shown = {
        "infos": {
            part.name: expansion_info(
                given["purpose"], given["round"], given["i"], given["j"], part, length
            ).hex()
            for part in field.components.values()
        },
        "sha256_of_bytes": hashlib.sha256(field.encode(made)).hexdigest(),
    }
    return {**shown, "elements": decimals(field.integers(made))} if length <= 8 else shown


@operation("compare an expansion over a product")
def _(given: Json) -> Json:
    if OPERATIONS["expand over a product"](given)["sha256_of_bytes"] != given["sha256_of_bytes"]:
        raise VerificationFailed("another vector")
    return {}


@operation("compare an expansion")
def _(given: Json) -> Json:
    if OPERATIONS["expand"](given)["sha256_of_bytes"] != given["sha256_of_bytes"]:
        raise VerificationFailed("another vector")
    return {}


@operation("add the checksum")
def _(given: Json) -> Json:
    field, values = FIELDS[given["field"]], np.array([int(v) for v in given["values"]])
    (session,) = unhex(given, "session")
    seed = labelled_hash("gamma seed", session, given["round"].to_bytes(4, "big"))
    gamma = gamma_expansion(session, given["round"], field, values.size)
    extended = with_checksum(values, session, given["round"], field)
    return {
        "gamma_seed": seed.hex(),
        "gamma": decimals(field.integers(expanded(field, values.size, gamma))),
        "elements": decimals(field.integers(extended)),
    }


@operation("check a total")
def _(given: Json) -> Json:
    field, (data,) = FIELDS[given["field"]], unhex(given, "total")
    summed, weight_bound = len(data) // field.width - 1, int(given["weight_bound"])
    round_ = context(
        given,
        [int(weight) for weight in given["weights"]],
        length=summed - bool(weight_bound),
        bound=int(given["bound"]),
        weight_bound=weight_bound,
    )
    total = field.decode(data, round_.session.parameters.extended_length)
    check_total(round_, total)
    shown = decimals(field.to_signed(total[:summed]))
    return {"values": shown, "digest": round_.total_digest(data).hex()}


# -- sharing ----------------------------------------------------------------------------------


@operation("deal")
def _(given: Json) -> Json:
    field, dealer = FIELDS[given["field"]], given["dealer"]
    secret = vector(field, given["secret"])
    round_ = context(given, length=secret.size - 1, share_mode=given["share_mode"])
    vectors = {
        receiver: expanded(
            field,
            secret.size,
            round_.share(SharePlain(bytes.fromhex(share), b""), dealer, int(receiver)),
        )
        for receiver, share in given["shares"].items()
    }
    kept = correction(field, secret, list(vectors.values()))
    shown = {receiver: decimals(field.integers(share)) for receiver, share in vectors.items()}
    return {"vectors": shown, "kept": decimals(field.integers(kept))}


@operation("sum and mask")
def _(given: Json) -> Json:
    field, length = FIELDS[given["field"]], len(given["vectors"][0])
    total = given_sum(field, given)
    source = context(given, length=length - 1).mask(given["peer"], *unhex(given, "mask_seed"))
    mask = expanded(field, length, source)
    masked = field.encode(field.add(total, mask)).hex()
    shown = [decimals(field.integers(words)) for words in (total, mask)]
    return {"sum": shown[0], "mask": shown[1], "partial": masked}


@operation("decode a share")
def _(given: Json) -> Json:
    (data,), field = unhex(given, "plaintext"), FIELDS[given["field"]]
    mode, length = given["share_mode"], given["length"]
    limits = Limits(peers=3, length=length, width=field.width, share_mode=mode)
    plain = decode_share(data, limits, strict=given["strict"])
    if mode == "dense":
        field.decode(plain.share, length)
    return {"share": plain.share.hex(), "mask_share": plain.mask_share.hex()}


@operation("commit to a mask")
def _(given: Json) -> Json:
    commitment = context(given).mask_commitment(given["owner"], *unhex(given, "seed"))
    return {"commitment": commitment.hex()}


@operation("open a mask")
def _(given: Json) -> Json:
    seed, commitment = unhex(given, "seed", "commitment")
    message = Commitment(commitment, (), ())
    signed: Signed[Message] = Signed(message, 0, bytes(32), bytes(64), b"")
    Opening(context(given), lambda _: signed).open(given["owner"], seed)
    return {}


@operation("split a seed")
def _(given: Json) -> Json:
    # A coefficient is drawn as 33 bytes, of which the first 257 bits count.
    drawn = [int(coefficient, 16) << 7 for coefficient in given["coefficients"]]
    entropy = scripted(b"".join(value.to_bytes(33, "big") for value in drawn))
    shares = split(bytes.fromhex(given["seed"]), given["threshold"], given["points"], entropy)
    return {"shares": {str(x): share.hex() for x, share in shares.items()}}


@operation("recover a seed")
def _(given: Json) -> Json:
    shares = {int(x): bytes.fromhex(share) for x, share in given["shares"].items()}
    return {"seed": combine(shares).hex()}


@operation("hash a b-share")
def _(given: Json) -> Json:
    place = given["owner"], given["holder"]
    return {"hash": context(given).mask_share_hash(*place, *unhex(given, "share")).hex()}


@operation("check a b-share")
def _(given: Json) -> Json:
    share, digest = unhex(given, "share", "hash")
    commitment = Commitment(bytes(32), (digest,) * 1000, (bytes(32),) * 1000)
    check_mask_share(context(given), given["owner"], given["holder"], commitment, share)
    return {}


# -- keys -------------------------------------------------------------------------------------


@operation("make an identity")
def _(given: Json) -> Json:
    identity = Identity(*unhex(given, "test_seed"))
    return {
        "public_key": identity.public_key.hex(),
        "id": identity.id.hex(),
        "shown_id": format_id(identity.id),
        "certificate": identity.certificate().hex(),
    }


@operation("read a certificate")
def _(given: Json) -> Json:
    key = certificate_key(*unhex(given, "certificate"))
    return {"public_key": key.hex(), "id": peer_id(key).hex()}


@operation("read an ID")
def _(given: Json) -> Json:
    return {"id": parse_id(given["text"]).hex()}


@operation("sign")
def _(given: Json) -> Json:
    seed, data = unhex(given, "test_seed", "data")
    return {"signature": Identity(seed).sign(data).hex()}


@operation("verify a signature")
def _(given: Json) -> Json:
    verify_signature(*unhex(given, "public_key", "signature", "data"))
    return {}


@operation("cover a message")
def _(given: Json) -> Json:
    kind = Kind[given["kind"]]
    session, sender, receiver, body = unhex(given, "session", "sender", "receiver", "body")
    digest = body_digest(kind, body)
    covered = signing_input(session, given["round"], kind, sender, receiver, digest)
    return {"digest": digest.hex(), "covered": covered.hex()}


# -- sealing ----------------------------------------------------------------------------------


@operation("make a sealing key")
def _(given: Json) -> Json:
    return {"public_key": SealingKey(scripted(*unhex(given, "test_seed"))).public_bytes.hex()}


@operation("seal")
def _(given: Json) -> Json:
    round_ = context(given)
    place = given["dealer"], given["receiver"]
    info = round_.sealing_info(*place)
    # The package's seals are different every time; these are checked by opening them.
    public, plaintext, randomness = unhex(given, "public_key", "plaintext", "randomness")
    sealed = reference_sealing.seal(public, plaintext, info, randomness)
    digest = round_.sealed_digest(*place, sealed)
    return {"info": info.hex(), "sealed": sealed.hex(), "sealed_digest": digest.hex()}


@operation("open a seal")
def _(given: Json) -> Json:
    seed, sealed = unhex(given, "test_seed", "sealed")
    info = context(given).sealing_info(given["dealer"], given["receiver"])
    return {"plaintext": SealingKey(scripted(seed)).open(sealed, info).hex()}


@operation("use a sealing key")
def _(given: Json) -> Json:
    (key,) = unhex(given, "public_key")
    SealingPublicKey(key).seal(b"", b"")
    return {}
