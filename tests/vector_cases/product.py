"""The field m31xm61: two residues an element, two key streams a seed, and totals of up to 2^91."""

from __future__ import annotations

import functools
import hashlib
import struct

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import MODULI, PRODUCTS, WIDTHS, pack
from tests.reference_session import ReferenceSession, transcript
from tests.vector_cases.arithmetic import SESSION, good_total, words
from tests.vector_cases.case import FAILED, Json, Topic, decimals, fixed
from tests.vector_cases.transcripts import field_of, verified, with_field
from tests.vector_cases.world import make

FIELD = "m31xm61"
P, Q = MODULI["m31"], MODULI["m61"]
M = P * Q


def product_topic() -> Topic:
    """All that is another thing over a product than in a prime field."""
    topic = Topic("product", "10.1 to 10.4 and 14.1", "The field of residues mod two primes.")
    _vectors(topic)
    _sums(topic)
    _expansions(topic)
    for values in ([3 * 2**60, -5, 2**84], [-(2**89)]):
        good_total(topic, FIELD, 1, [2**31 - 2, -(2**31 - 2), 1], 0, 2**59, values)
    good_total(topic, FIELD, 0, [1, 1, 0, 1], 2**31 - 2, 2**58, [2**89, -(2**61), 3 * (2**31 - 2)])
    _dense_shares(topic)
    _transcripts(topic)
    return topic


# -- vectors ----------------------------------------------------------------------------------


def pair(first: int, second: int) -> bytes:
    """Return the bytes of an element, whatever its residues."""
    return struct.pack("<IQ", first, second)


def _vectors(topic: Topic) -> None:
    edges = [0, 1, P, Q, M // 2, M // 2 + 1, M - 2, M - 1, 2**61, 2**63 - 1, 2**64, M - 2**63]
    many = [int.from_bytes(fixed(f"wide residue {k}", 16), "big") % M for k in range(9)]
    for name, values in ("edges", edges), ("made up", many), ("one element", [M - 1]):
        given = {"field": FIELD, "length": len(values), "bytes": words(FIELD, values).hex()}
        signed = [reference.centred(value, M) for value in values]
        yields = {"elements": decimals(values), "signed": decimals(signed)}
        topic.accept("decode a vector", name, given, yields)
    good = words(FIELD, [1, 2, 3])
    wrong = {
        "the last first residue is 2^31 - 1": good[:24] + pair(P, 3),
        "the first second residue is 2^61 - 1": pair(1, Q) + good[12:],
        "a first residue is 2^31": good[:12] + pair(P + 1, 2) + good[24:],
        "a second residue is 2^61": good[:12] + pair(2, Q + 1) + good[24:],
        "a first residue is the largest word": good[:12] + pair(2**32 - 1, 2) + good[24:],
        "a second residue is the largest word": good[:12] + pair(2, 2**64 - 1) + good[24:],
        "both residues are their primes": pair(P, Q) + good[12:],
        "a residue mod 2^61 - 1 stands first": struct.pack("<QI", Q - 1, 5) + good[12:],
        "the elements have 16 bytes": b"".join(struct.pack("<QQ", k, k) for k in (1, 2, 3)),
        "the elements have 8 bytes": b"".join(struct.pack("<Q", k) for k in (1, 2, 3)),
        "the elements have 4 bytes": struct.pack("<3I", 1, 2, 3),
        "one byte is missing": good[:-1],
        "one byte too many": good + b"\x00",
        "one element is missing": good[:-12],
        "one element too many": good + bytes(12),
        "there are no bytes": b"",
    }
    for why, data in wrong.items():
        given = {"field": FIELD, "length": 3, "bytes": data.hex()}
        topic.reject("decode a vector", why, given)


def _sums(topic: Topic) -> None:
    largest = 2**31 - 2
    weights = [largest, -largest, 1, -1, largest, 7]
    edges = [0, 1, P, Q, M // 2, M // 2 + 1, M - 2, M - 1]
    rows = [edges[k:] + edges[:k] for k in range(len(weights))]
    given: Json = {"field": FIELD, "weights": decimals(weights)}
    topic.accept(
        "sum weighted vectors",
        "the largest weights and residues",
        {**given, "vectors": [decimals(row) for row in rows]},
        {"sum": decimals(reference.weighted_sum(rows, weights, M))},
    )


# -- expansion --------------------------------------------------------------------------------


def _expansions(topic: Topic) -> None:
    seed = fixed("seed")
    for purpose, number, i, j, length in (
        ("share", 0, 1, 2, 1),
        ("share", 1, 2, 1, 8),
        ("mask", 7, 1000, 0, 3),
        ("gamma", 0, 0, 0, 8),
        ("share", 0, 3, 1, 65537),
    ):
        place = (number, purpose, i, j, FIELD)
        vector = messages.expanded(SESSION, *place, seed, length)
        infos = {
            name: reference.expansion_info(purpose, number, i, j, name, length).hex()
            for name in (f"{FIELD}.{part}" for part in PRODUCTS[FIELD])
        }
        digest = hashlib.sha256(words(FIELD, vector)).hexdigest()
        yields: Json = {"infos": infos, "sha256_of_bytes": digest}
        if length <= 8:
            yields["elements"] = decimals(vector)
        name = f"{purpose}, round {number}, {i} to {j}, {length} elements"
        given = _expansion_input(seed, purpose, number, i, j, length)
        topic.accept("expand over a product", name, given, yields)
    for why, data in _wrong_expansions(seed).items():
        given = _expansion_input(seed, "share", 0, 3, 1, 4)
        digest = hashlib.sha256(data).hexdigest()
        wrong = {**given, "sha256_of_bytes": digest}
        topic.reject("compare an expansion over a product", why, wrong, FAILED)


def _expansion_input(seed: bytes, purpose: str, number: int, i: int, j: int, length: int) -> Json:
    made: Json = {"seed": seed.hex(), "session": SESSION.hex(), "purpose": purpose}
    return {**made, "round": number, "i": i, "j": j, "field": FIELD, "length": length}


def _wrong_expansions(seed: bytes) -> dict[str, bytes]:
    """Return what readers of the specification may make of four elements who overlook something."""

    def column(name: str, part: str) -> list[int]:
        info = reference.expansion_info("share", 0, 3, 1, name, 4)
        return reference.expand(seed, SESSION, info, MODULI[part], WIDTHS[part], 4)

    def stored(first: list[int], second: list[int]) -> bytes:
        return b"".join(map(pair, first, second))

    first, second = column(f"{FIELD}.m31", "m31"), column(f"{FIELD}.m61", "m61")
    vector = messages.expanded(SESSION, 0, "share", 3, 1, FIELD, seed, 4)
    assert stored(first, second) == words(FIELD, vector)
    return {
        "the streams are those of the prime fields": stored(
            column("m31", "m31"), column("m61", "m61")
        ),
        "both streams are named m31xm61": stored(column(FIELD, "m31"), column(FIELD, "m61")),
        "the names of the streams are exchanged": stored(
            column(f"{FIELD}.m61", "m31"), column(f"{FIELD}.m31", "m61")
        ),
        "the first residue is the second one mod 2^31 - 1": stored([v % P for v in second], second),
        "the components stand one after the other": struct.pack("<4I4Q", *first, *second),
        "the second residue stands first": b"".join(
            struct.pack("<QI", b, a) for a, b in zip(first, second, strict=True)
        ),
        "the numbers are stored, not their residues": b"".join(
            value.to_bytes(12, "little") for value in vector
        ),
    }


# -- shares -----------------------------------------------------------------------------------


def _dense_shares(topic: Topic) -> None:
    place = {"share_mode": "dense", "strict": True, "field": FIELD, "length": 4}
    good = words(FIELD, [1, 2, 3, M - 1])
    case = topic.accept(
        "decode a share",
        "dense, strict",
        {**place, "plaintext": pack([good, b""]).hex()},
        {"share": good.hex(), "mask_share": ""},
    )
    wrong = {
        "a first residue is 2^31 - 1": pair(P, 1) + good[12:],
        "a second residue is 2^61 - 1": pair(1, Q) + good[12:],
        "the checksum coordinate's second residue is 2^61 - 1": good[:-12] + pair(1, Q),
        "the share has the width of m61": good[:32],
        "the share is a seed": fixed("a seed"),
        "the share is one byte short": good[:-1],
    }
    for why, share in wrong.items():
        topic.reject_changed(case, f"dense: {why}", plaintext=pack([share, b""]).hex())


# -- a session --------------------------------------------------------------------------------


@functools.cache
def wide(sum_mode: str) -> ReferenceSession:
    """Three peers whose totals fit neither prime, with private weights near the largest."""
    weights = [2**31 - 2, -(2**31 - 3), 2**31 - 5]
    inputs = [[2**57, -1, 2**57], [-(2**57), 7, 2**57], [2**57, 0, 2**57 - 1]]
    values = [
        [*(value * weight for value in row), weight]
        for row, weight in zip(inputs, weights, strict=True)
    ]
    return make(
        f"wide, {sum_mode}", [1, 1, 1], values,
        field=FIELD, length=3, bound=2**57, weight_bound=2**31 - 2, sum_mode=sum_mode,
    )  # fmt: skip


def _transcripts(topic: Topic) -> None:
    lines = {mode: transcript(wide(mode)) for mode in ("broadcast", "sharded")}
    topic.shared["transcripts"] = {f"wide, {mode}": text for mode, text in lines.items()}
    for mode, text in lines.items():
        verified(topic, f"wide, {mode}", wide(mode), text)
    good = lines["sharded"]
    totals = [reference.centred(value, M) for value in wide("sharded").total]
    assert totals[0] > 2**61
    values = field_of(good[-1], "values").split(",")
    for why, value in {
        "an element of the total is one more": str(totals[0] + 1),
        "an element of the total is its residue mod 2^61 - 1": str(totals[0] % Q),
        "an element of the total stands there uncentred": str(totals[0] - M),
        "an element of the total is the first that no residue stands for": str(M // 2 + 1),
        "an element of the total has 5000 digits": "1" * 5000,
    }.items():
        line = with_field(good[-1], "values", ",".join([value, *values[1:]]))
        edits = [{"line": len(good), "by": [line]}]
        given: Json = {"transcript": "wide, sharded", "edits": edits}
        topic.reject("verify a transcript", why, given, FAILED)
