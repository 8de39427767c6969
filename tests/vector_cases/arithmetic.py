"""Vectors of residues, labelled hashes, expansion, checksum and totals."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Literal

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import MODULI, WIDTHS
from tests.vector_cases.case import FAILED, Json, Topic, decimals, fixed

SESSION = fixed("session")


def words(field: str, values: Sequence[int]) -> bytes:
    """Return the bytes of a vector in a field, whatever the values."""
    return messages.vector_bytes(field, values)


# -- vectors ----------------------------------------------------------------------------------


def field_topic() -> Topic:
    """Bytes and residues, signed integers, and weighted sums."""
    topic = Topic("field", "10.1 and 10.4", "Vectors of residues, their bytes, and their sums.")
    for field, p in MODULI.items():
        edges = [0, 1, 2, p // 2, p // 2 + 1, p - 2, p - 1]
        many = [int.from_bytes(fixed(f"residue {k}", 8), "big") % p for k in range(9)]
        for name, values in ("edges", edges), ("made up", many), ("one element", [p - 1]):
            given = {"field": field, "length": len(values), "bytes": words(field, values).hex()}
            signed = [reference.centred(value, p) for value in values]
            yields = {"elements": decimals(values), "signed": decimals(signed)}
            topic.accept("decode a vector", f"{field}, {name}", given, yields)
        _wrong_vectors(topic, field, p)
        largest = 2**31 - 2
        weights = [largest, -largest, 1, -1, largest, 7]
        rows = [edges[k:] + edges[:k] for k in range(len(weights))]
        topic.accept(
            "sum weighted vectors",
            f"{field}, the largest weights and residues",
            {
                "field": field,
                "weights": decimals(weights),
                "vectors": [decimals(row) for row in rows],
            },
            {"sum": decimals(reference.weighted_sum(rows, weights, p))},
        )
    return topic


def _wrong_vectors(topic: Topic, field: str, p: int) -> None:
    width = WIDTHS[field]
    top = 2 ** (8 * width) - 1
    good = words(field, [1, 2, 3])
    wrong = {
        "the last element is p": words(field, [1, 2, p]),
        "the first element is p": words(field, [p, 2, 3]),
        "an element is p + 1": words(field, [1, p + 1, 3]),
        "an element has only the bit above the field's set": words(field, [1, p + 1 + 2, 3]),
        "an element is the largest word": words(field, [1, 2, top]),
        "one byte is missing": good[:-1],
        "one byte too many": good + b"\x00",
        "one element is missing": good[:-width],
        "one element too many": good + bytes(width),
        "there are no bytes": b"",
    }
    for why, data in wrong.items():
        given = {"field": field, "length": 3, "bytes": data.hex()}
        topic.reject("decode a vector", f"{field}: {why}", given)


# -- hashes and expansion ---------------------------------------------------------------------


def hashes_topic() -> Topic:
    """H(name, parts)."""
    topic = Topic("hashes", "2", "Labels and labelled hashes.")
    cases: list[tuple[str, list[bytes]]] = [
        ("parameters", [b"abc"]),
        ("session", [b""]),
        ("mask commitment", [SESSION, bytes.fromhex("000000000001"), fixed("mask")]),
        ("total", [SESSION, bytes(4), b""]),
        ("public vector", [bytes(range(256)) * 3]),
    ]
    for label, parts in cases:
        topic.accept(
            "hash",
            f"{label}, {len(parts)} parts",
            {"label": label, "parts": [part.hex() for part in parts]},
            {
                "label_bytes": reference.label(label).hex(),
                "digest": reference.labelled_hash(label, *parts).hex(),
            },
        )
    for why, data in _wrong_hash_inputs(*cases[2]):
        label, hexed = cases[2][0], [part.hex() for part in cases[2][1]]
        wrong = {"label": label, "parts": hexed, "digest": hashlib.sha256(data).hexdigest()}
        topic.reject("compare a hash", why, wrong, FAILED)
    return topic


def _wrong_hash_inputs(label: str, parts: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield what readers of the specification may hash who overlook something."""
    text = reference.label(label)
    lengths = [len(part).to_bytes(8, "big") for part in parts]
    mixed = b"".join(a + b for a, b in zip(lengths, parts, strict=True))
    short = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    little = b"".join(a[::-1] + b for a, b in zip(lengths, parts, strict=True))
    joined = b"".join(parts)
    yield "the lengths of the parts are missing", text + joined
    yield "the lengths have four bytes", text + short
    yield "the lengths are little-endian", text + little
    yield "the label's length is missing", text[1:] + mixed
    yield "the label has no prefix", bytes([len(label)]) + label.encode() + mixed
    yield "the label's length has eight bytes", bytes(7) + text + mixed
    yield "the parts are joined into one", text + len(joined).to_bytes(8, "big") + joined
    yield "the lengths stand together in front", text + b"".join(lengths) + joined


SKIPPING = {434169: 10931, 572853: 4992}
"""Seeds (as 256-bit numbers) whose m31 streams hold a word equal to p, and at which place."""


def prg_topic() -> Topic:
    """expand()."""
    topic = Topic("prg", "10.3", "Expansion of seeds into vectors of residues.")
    for field in MODULI:
        for purpose, number, i, j, length in (
            ("share", 0, 1, 2, 1),
            ("share", 0, 1, 2, 8),
            ("share", 0, 2, 1, 8),
            ("share", 1, 1, 2, 8),
            ("share", 0xFFFFFFFF, 1000, 999, 8),
            ("mask", 0, 1, 0, 8),
            ("mask", 7, 1000, 0, 3),
            ("gamma", 0, 0, 0, 8),
        ):
            _expansion(topic, field, purpose, number, i, j, length, fixed("seed"))
        for length in (65535, 65536, 65537, 131073):
            _expansion(topic, field, "share", 0, 3, 1, length, fixed("seed"))
    for seed, place in SKIPPING.items():
        case = _expansion(topic, "m31", "share", 0, 1, 2, 16384, seed.to_bytes(32, "big"))
        case["name"] += f", where the stream's word {place} is skipped because it is p"
    _wrong_expansions(topic)
    return topic


def _wrong_expansions(topic: Topic) -> None:
    """Add what readers of the specification may make of it who overlook something."""
    seed = fixed("seed")
    for field in MODULI:
        _wrong_expansions_of(topic, field, seed)
    number, place = next(iter(SKIPPING.items()))
    skipping = number.to_bytes(32, "big")
    info = reference.expansion_info("share", 0, 1, 2, "m31", 16384)
    stream = b"".join(
        block
        for block, _ in zip(reference.key_stream(hkdf(skipping, info), 0), range(4), strict=False)
    )
    taken = [int.from_bytes(stream[4 * k : 4 * k + 4], "little") % 2**31 for k in range(16385)]
    assert taken[place] == 2**31 - 1
    reduced = [value % (2**31 - 1) for value in taken]
    for why, vector in {
        "the word that is p is taken as 0": reduced[:16384],
        "the word that is p is taken as it is": taken[:16384],
        "the element after the word that is p is skipped too": (
            taken[:place] + taken[place + 2 :] + taken[:1]
        ),
    }.items():
        given = _expansion_input(skipping, "share", 0, 1, 2, "m31", 16384)
        digest = hashlib.sha256(words("m31", vector)).hexdigest()
        topic.reject("compare an expansion", why, {**given, "sha256_of_bytes": digest}, FAILED)


def hkdf(seed: bytes, info: bytes) -> bytes:
    """Return the key of an expansion."""
    return reference.hkdf(seed, SESSION, info, 32)


Order = Literal["little", "big"]


def _words_of_a_stream(field: str, key: bytes, chunk: int, count: int, order: Order) -> bytes:
    """Return the first words of a stream, masked, none of which is p."""
    width, p = WIDTHS[field], MODULI[field]
    blocks = reference.key_stream(key, chunk)
    stream = b"".join(next(blocks) for _ in range(1 + width * count // 16384))
    cut = [stream[width * k : width * (k + 1)] for k in range(count)]
    return words(field, [int.from_bytes(word, order) & p for word in cut])


def _wrong_expansions_of(topic: Topic, field: str, seed: bytes) -> None:
    width, length = WIDTHS[field], 65537
    info = reference.expansion_info("share", 0, 3, 1, field, length)
    given = _expansion_input(seed, "share", 0, 3, 1, field, length)

    def drawn(key: bytes, chunk: int, count: int, order: Order = "little") -> bytes:
        return _words_of_a_stream(field, key, chunk, count, order)

    def chunks(key: bytes, order: Order = "little") -> bytes:
        return drawn(key, 0, 65536, order) + drawn(key, 1, 1, order)

    key = hkdf(seed, info)
    right = chunks(key)
    assert right == words(field, messages.expanded(SESSION, 0, "share", 3, 1, field, seed, length))
    label = reference.label("share")
    for why, data in {
        "the second chunk goes on with the stream of the first": drawn(key, 0, length),
        "the second chunk begins the stream of the first again": drawn(key, 0, 65536)
        + drawn(key, 0, 1),
        "the words are big-endian": chunks(key, "big"),
        "the elements are stored big-endian": b"".join(
            right[width * k : width * (k + 1)][::-1] for k in range(length)
        ),
        "the chunks come in the wrong order": drawn(key, 1, 1) + drawn(key, 0, 65536),
        "the session is not the salt": chunks(reference.hkdf(seed, b"", info, 32)),
        "the seed is the salt and the session the secret": chunks(
            reference.hkdf(SESSION, seed, info, 32)
        ),
        "the info has no label": chunks(hkdf(seed, info[len(label) :])),
        "the info has no length of the label": chunks(hkdf(seed, info[1:])),
        "the info has no length of the vector": chunks(hkdf(seed, info[:-8])),
        "HKDF is expanded without being extracted": chunks(
            hmac.new(seed, info + b"\x01", hashlib.sha256).digest()
        ),
        "the seed is the key": chunks(seed),
    }.items():
        digest = hashlib.sha256(data).hexdigest()
        wrong = {**given, "sha256_of_bytes": digest}
        topic.reject("compare an expansion", f"{field}: {why}", wrong, FAILED)


def _expansion_input(
    seed: bytes, purpose: str, number: int, i: int, j: int, field: str, length: int
) -> Json:
    return {
        "seed": seed.hex(),
        "session": SESSION.hex(),
        "purpose": purpose,
        "round": number,
        "i": i,
        "j": j,
        "field": field,
        "length": length,
    }


def _expansion(
    topic: Topic, field: str, purpose: str, number: int, i: int, j: int, length: int, seed: bytes
) -> Json:
    info = reference.expansion_info(purpose, number, i, j, field, length)
    vector = messages.expanded(SESSION, number, purpose, i, j, field, seed, length)
    yields: Json = {"info": info.hex(), "key": reference.hkdf(seed, SESSION, info, 32).hex()}
    if length <= 8:
        yields["elements"] = decimals(vector)
    yields["first"], yields["last"] = str(vector[0]), str(vector[-1])
    yields["sha256_of_bytes"] = hashlib.sha256(words(field, vector)).hexdigest()
    given = _expansion_input(seed, purpose, number, i, j, field, length)
    name = f"{field}, {purpose}, round {number}, {i} to {j}, {length} elements"
    return topic.accept("expand", name, given, yields)


# -- checksum and total -----------------------------------------------------------------------


def totals() -> Iterator[tuple[str, int, list[int], int, int, list[int]]]:
    """Yield field, round, weights, weight bound, bound and elements of good totals."""
    yield "m31", 0, [3, -1, 2], 0, 100, [600, -600, 0, 1]
    yield "m61", 2, [3, -1, 0, 2], 0, 2**50, [6 * 2**50, -6 * 2**50, 5]
    yield "m31", 0, [1, 1, 1], 0, (2**31 - 2) // 6, [3 * ((2**31 - 2) // 6), 0]
    yield "m61", 0, [1, -1], 0, 1, [-2]
    yield "m31", 0, [1, 0, 1, 1], 50, 100, [15000, -15000, 7, -150]
    yield "m61", 1, [1, 1, 1], 2**31 - 2, 1, [3, 3 * (2**31 - 2)]


def totals_topic() -> Topic:
    """The checksum coordinate, and the checks on a total."""
    topic = Topic(
        "totals", "10.2 and 11 (CONFIRM)", "The checksum coordinate, and a total's checks."
    )
    for total in totals():
        good_total(topic, *total)
    case = next(c for c in topic.must_accept if c["operation"] == "check a total")
    topic.reject_changed(case, "the checksum of another round", FAILED, round=1)
    return topic


def good_total(
    topic: Topic,
    field: str,
    number: int,
    weights: list[int],
    weight_bound: int,
    bound: int,
    values: list[int],
) -> None:
    """Add a total that holds, and what is wrong with others."""
    vector = messages.with_checksum(SESSION, number, field, values)
    gamma = messages.checksum_vector(SESSION, number, field, len(values))
    seed = reference.labelled_hash("gamma seed", SESSION, messages.numbers(number))
    place = {"session": SESSION.hex(), "round": number, "field": field}
    name = f"{field}, round {number}, {len(values)} elements"
    if weight_bound:
        name += ", private weights"
    topic.accept(
        "add the checksum",
        name,
        {**place, "values": decimals(values)},
        {"gamma_seed": seed.hex(), "gamma": decimals(gamma), "elements": decimals(vector)},
    )
    policy = {**place, "weights": decimals(weights), "weight_bound": str(weight_bound)}
    policy["bound"] = str(bound)
    data = words(field, vector)
    digest = messages.total_digest(SESSION, number, data)
    case = topic.accept(
        "check a total",
        name,
        {**policy, "total": data.hex()},
        {"values": decimals(values), "digest": digest.hex()},
    )
    _wrong_totals(topic, case, vector)


def _wrong_totals(topic: Topic, case: Json, vector: list[int]) -> None:
    """Add totals off by one, and totals just beyond what inputs within the bound can give."""
    name, given = case["name"], case["input"]
    field, p = given["field"], messages.modulus(given["field"])
    for where in range(len(vector)):
        off = [*vector[:where], (vector[where] + 1) % p, *vector[where + 1 :]]
        what = f"element {where}" if where + 1 < len(vector) else "the checksum coordinate"
        why = f"{name}: {what} is off by one, so that the checksum does not fit"
        topic.reject_changed(case, why, FAILED, total=words(field, off).hex())
    values = [int(value) for value in case["output"]["values"]]
    weight = sum(abs(int(w)) for w in given["weights"]) * max(1, int(given["weight_bound"]))
    limits = [(0, weight * int(given["bound"]))]
    if int(given["weight_bound"]):
        limits.append((len(values) - 1, weight))
    for where, limit in limits:
        for beyond in (limit + 1, -limit - 1) if limit < p // 2 else ():
            changed = [*values[:where], beyond, *values[where + 1 :]]
            large = messages.with_checksum(SESSION, given["round"], field, changed)
            why = f"{name}: element {where} is {beyond}, and {limit} is the limit of its size"
            topic.reject_changed(case, why, FAILED, total=words(field, large).hex())
