"""A slow reference for what peers send and write down: msgpack, entries, frames, transcripts.

It continues :mod:`tests.reference` and shares no code with the package either. Where the protocol
gives a list of elements, so does this: parameters are a dictionary in their order, and everything
else is a list of plain values, so that a test can put a wrong one anywhere.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests import reference

TO_ALL = bytes(32)
NO_SESSION = bytes(32)
KINDS = {
    "JOIN": 1,
    "PARAMETERS": 2,
    "HELLO": 3,
    "ROSTER": 4,
    "ACCEPT": 5,
    "COMMITMENT": 6,
    "SHARE": 7,
    "SLICE": 8,
    "PARTIAL": 9,
    "SLICE_SUM": 10,
    "ECHO": 11,
    "OPEN": 12,
    "UNMASK": 13,
    "CONFIRM": 14,
    "ABORT": 15,
    "RELAY": 17,
}
MODULI = {"m31": 2**31 - 1, "m61": 2**61 - 1}
WIDTHS = {"m31": 4, "m61": 8}
PRODUCTS = {"m31xm61": ("m31", "m61")}
"""Fields of which an element is a residue mod each of several primes."""
PIECE = 262144


# -- msgpack ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raw:
    """Bytes that stand in a structure as they are: an encoding that is not the canonical one."""

    data: bytes


Value = bool | int | bytes | str | Raw | Sequence["Value"]


def shortest(size: int, *forms: tuple[int, int, str]) -> bytes:
    """Return the head of the first form whose limit a size does not exceed."""
    for limit, first, form in forms:
        if size <= limit:
            return struct.pack(">B" + form, first, *([size] if form else []))
    raise ValueError(size)


def pack_integer(value: int) -> bytes:
    """Return the shortest encoding of an integer."""
    if -32 <= value < 128:
        return struct.pack("b", value)
    if value > 0:
        forms = (0xFF, 0xCC, "B"), (0xFFFF, 0xCD, "H"), (2**32 - 1, 0xCE, "I")
        return shortest(value, *forms, (2**64 - 1, 0xCF, "Q"))
    for bits, first, form in (8, 0xD0, "b"), (16, 0xD1, "h"), (32, 0xD2, "i"), (64, 0xD3, "q"):
        if value >= -(1 << bits - 1):
            return struct.pack(">B" + form, first, value)
    raise ValueError(value)


def pack(value: Value) -> bytes:
    """Return the canonical msgpack of a value."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_integer(value)
    if isinstance(value, bytes):
        forms = (0xFF, 0xC4, "B"), (0xFFFF, 0xC5, "H"), (2**32 - 1, 0xC6, "I")
        return shortest(len(value), *forms) + value
    if isinstance(value, str):
        text, size = value.encode(), len(value.encode())
        longer = (0xFF, 0xD9, "B"), (0xFFFF, 0xDA, "H"), (2**32 - 1, 0xDB, "I")
        return shortest(size, (31, 0xA0 | size & 31, ""), *longer) + text
    size = len(value)
    arrays = (0xFFFF, 0xDC, "H"), (2**32 - 1, 0xDD, "I")
    return shortest(size, (15, 0x90 | size & 15, ""), *arrays) + b"".join(map(pack, value))


# -- identities -------------------------------------------------------------------------------


def identifier(seed: bytes) -> bytes:
    """Return the ID of a seed's key."""
    return hashlib.sha256(reference.ed25519_public_key(seed)).digest()


def shown_id(value: bytes) -> str:
    """Return an ID in groups."""
    return "-".join(value.hex()[8 * k : 8 * k + 8] for k in range(8))


def certificate(
    seed: bytes, changes: Mapping[str, str] | None = None, name: str | None = None
) -> bytes:
    """Return a certificate, signed whatever changes are made to its hex before.

    Args:
        seed: The key's.
        changes: Pieces of hex to replace; each must be there.
        name: In the place of the ID, 64 characters.
    """
    public = reference.ed25519_public_key(seed)
    digits = (name or hashlib.sha256(public).hexdigest()).encode().hex()
    body = (
        "30820109a003020102020101300506032b6570"
        f"304b3149304706035504030c40{digits}"
        "3020170d3230303130313030303030305a180f32313030303130313030303030305a"
        f"304b3149304706035504030c40{digits}"
        f"302a300506032b6570032100{public.hex()}"
        "a310300e300c0603551d130101ff04023000"
    )
    for old, new in (changes or {}).items():
        assert old in body
        body = body.replace(old, new)
    signature = reference.ed25519_sign(seed, bytes.fromhex(body))
    size = len(body) // 2 + 7 + 67
    return bytes.fromhex(f"3082{size:04x}{body}300506032b6570034100{signature.hex()}")


# -- parameters and entries -------------------------------------------------------------------


def parameters(nonce: bytes, peers: int, **changes: Value) -> dict[str, Value]:
    """Return parameters in their order, those by default but for changes."""
    made: dict[str, Value] = {
        "nonce": nonce,
        "peers": peers,
        "field": "m31",
        "length": 1,
        "rounds": 1,
        "fraction_bits": 0,
        "bound": 0,
        "weight_bound": 0,
        "share_mode": "seeds",
        "sum_mode": "broadcast",
        "strict": False,
        "allow_two": False,
        "allow_revealing_weights": False,
        "allowed": [],
        "study": b"",
    }
    assert changes.keys() <= made.keys()
    return {**made, **changes}


def parameters_bytes(made: Mapping[str, Value]) -> bytes:
    """Return the bytes of parameters."""
    return pack(list(made.values()))


def parameters_digest(made: Mapping[str, Value]) -> bytes:
    """Return the digest that entries agree to."""
    return reference.labelled_hash("parameters", parameters_bytes(made))


def sign(
    seed: bytes,
    kind: int,
    body: bytes,
    *,
    session: bytes = NO_SESSION,
    number: int = 0,
    receiver: bytes = TO_ALL,
) -> bytes:
    """Return the signature of a message."""
    digest = reference.body_digest(kind, body)
    return reference.ed25519_sign(
        seed,
        reference.signing_input(session, number, kind, identifier(seed), receiver, digest),
    )


def frame(kind: int, number: int, signature: bytes, body: bytes) -> bytes:
    """Return a frame."""
    return struct.pack(">IBI", 68 + len(body), kind, number) + signature + body


def session_id(accept_body: bytes) -> bytes:
    """Return the session that an ACCEPT makes."""
    return reference.labelled_hash("session", accept_body)


# -- caps -------------------------------------------------------------------------------------


def caps(
    peers: int, inputs: int, length: int, width: int, share_mode: str, sum_mode: str = "broadcast"
) -> dict[str, int]:
    """Return the largest body of every kind.

    Args:
        peers: n.
        inputs: How many of them contribute; n as long as that is not known.
        length: L'; 0 before there is a session.
        width: Bytes an element.
        share_mode: ``seeds`` or ``dense``.
        sum_mode: ``broadcast`` or ``sharded``.
    """
    vector_bytes, sharded = length * width, sum_mode == "sharded"
    piece = 8 + width * min(PIECE, length // inputs + 1) if sharded else 0
    share = vector_bytes if share_mode == "dense" else 32
    made = {
        "JOIN": 128,
        "PARAMETERS": 99926,
        "HELLO": 3072,
        "ROSTER": 16 + 3072 * peers,
        "ACCEPT": 34306 + 160 * peers,
        "COMMITMENT": 64 + 68 * inputs,
        "SHARE": 1136 + 49 + share,
        "SLICE": piece,
        "PARTIAL": 32 * (length // (inputs * PIECE) + 1) if sharded else vector_bytes,
        "SLICE_SUM": piece,
        "ECHO": 16 + 66 * peers + 208 * inputs,
        "OPEN": 64 + 66 * inputs,
        "UNMASK": 64,
        "CONFIRM": 48,
        "RELAY": 160 + 66 * inputs,
    }
    shown = max(made[kind] for kind in KINDS if 5 <= KINDS[kind] <= 14)
    # In a session an ABORT may carry messages and mask shares as evidence.
    told = 2048 + 35 * inputs + 2 * shown if vector_bytes else 512
    return {**made, "ABORT": 3 * peers + told}


# -- vectors ----------------------------------------------------------------------------------


def modulus(field: str) -> int:
    """Return p, or the product of the primes."""
    return math.prod(MODULI[part] for part in PRODUCTS.get(field, (field,)))


def width(field: str) -> int:
    """Return the bytes of an element."""
    return sum(WIDTHS[part] for part in PRODUCTS.get(field, (field,)))


def vector_bytes(field: str, values: Sequence[int]) -> bytes:
    """Return the bytes of a vector: in a prime field of any values, over a product of residues."""
    if field not in PRODUCTS:
        return reference.little_endian(values, WIDTHS[field])
    parts = PRODUCTS[field]
    return b"".join(
        (value % MODULI[part]).to_bytes(WIDTHS[part], "little")
        for value in values
        for part in parts
    )


def joined(field: str, residues: Sequence[int]) -> int:
    """Return the number below the modulus with these residues mod the primes of a product."""
    value = 0
    for part, residue in zip(PRODUCTS[field], residues, strict=True):
        others = modulus(field) // MODULI[part]
        value += residue * others * pow(others, -1, MODULI[part])
    return value % modulus(field)


# -- slices -----------------------------------------------------------------------------------


def slice_bounds(length: int, owners: int, place: int) -> tuple[int, int]:
    """Return where the slice of an owner begins and ends."""
    return place * length // owners, (place + 1) * length // owners


def pieces(size: int) -> list[tuple[int, int]]:
    """Return where the pieces of a slice begin and end, within it."""
    cut = [(start, min(start + PIECE, size)) for start in range(0, size, PIECE)]
    return cut or [(0, 0)]


def piece_body(number: int, elements: bytes) -> bytes:
    """Return the body of a SLICE, or of a SLICE_SUM."""
    return struct.pack(">Q", number) + elements


# -- the ratchet ------------------------------------------------------------------------------


def ratchet(
    session: bytes, round_number: int, dealer: int, receiver: int, link: bytes
) -> tuple[bytes, bytes, bytes]:
    """Return the seed, the key and the next link that a link gives in a round."""
    bound = numbers(round_number, dealer, receiver)
    made = [
        reference.hkdf(link, session, reference.label(f"ratchet {purpose}") + bound, 32)
        for purpose in ("seed", "key", "link")
    ]
    return made[0], made[1], made[2]


# -- one round --------------------------------------------------------------------------------


def numbers(round_number: int, *indices: int) -> bytes:
    """Return the round and the indices that a hash binds."""
    return struct.pack(f">I{len(indices)}H", round_number, *indices)


def mask_commitment(session: bytes, round_number: int, owner: int, seed: bytes) -> bytes:
    """Return com_i."""
    return reference.labelled_hash("mask commitment", session, numbers(round_number, owner), seed)


def mask_share_hash(
    session: bytes, round_number: int, owner: int, holder: int, share: bytes
) -> bytes:
    """Return the published hash of a b-share."""
    bound = numbers(round_number, owner, holder)
    return reference.labelled_hash("mask share", session, bound, share)


def sealed_digest(
    session: bytes, round_number: int, dealer: int, receiver: int, sealed: bytes
) -> bytes:
    """Return the published digest of a sealed share."""
    bound = numbers(round_number, dealer, receiver)
    return reference.labelled_hash("sealed share", session, bound, sealed)


def sealing_info(session: bytes, round_number: int, dealer: int, receiver: int) -> bytes:
    """Return the info that a share is sealed under."""
    return reference.label("seal") + session + numbers(round_number, dealer, receiver)


def expanded(
    session: bytes,
    round_number: int,
    purpose: str,
    i: int,
    j: int,
    field: str,
    seed: bytes,
    length: int,
) -> list[int]:
    """Return the vector of a seed for a purpose."""
    if field in PRODUCTS:
        place = session, round_number, purpose, i, j
        columns = [component(*place, field, part, seed, length) for part in PRODUCTS[field]]
        return [joined(field, residues) for residues in zip(*columns, strict=True)]
    info = reference.expansion_info(purpose, round_number, i, j, field, length)
    return reference.expand(seed, session, info, MODULI[field], WIDTHS[field], length)


def component(
    session: bytes,
    round_number: int,
    purpose: str,
    i: int,
    j: int,
    field: str,
    part: str,
    seed: bytes,
    length: int,
) -> list[int]:
    """Return the residues mod one prime of a vector over a product: a stream of its own."""
    info = reference.expansion_info(purpose, round_number, i, j, f"{field}.{part}", length)
    return reference.expand(seed, session, info, MODULI[part], WIDTHS[part], length)


def checksum_vector(session: bytes, round_number: int, field: str, length: int) -> list[int]:
    """Return gamma."""
    seed = reference.labelled_hash("gamma seed", session, numbers(round_number))
    return expanded(session, round_number, "gamma", 0, 0, field, seed, length)


def with_checksum(
    session: bytes, round_number: int, field: str, values: Sequence[int]
) -> list[int]:
    """Return the residues of values and the checksum coordinate."""
    p = modulus(field)
    gamma = checksum_vector(session, round_number, field, len(values))
    residues = [value % p for value in values]
    return [*residues, sum(a * b for a, b in zip(gamma, residues, strict=True)) % p]


def total_digest(session: bytes, round_number: int, total: bytes) -> bytes:
    """Return the digest of a total's bytes."""
    return reference.labelled_hash("total", session, numbers(round_number), total)
