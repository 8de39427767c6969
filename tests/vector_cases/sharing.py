"""Shares by seeds and by elements, mask seeds, and the b-shares of mask seeds."""

from __future__ import annotations

import hashlib
from typing import Any

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import MODULI, PRODUCTS, Raw, pack
from tests.vector_cases.arithmetic import SESSION, words
from tests.vector_cases.case import Json, Topic, decimals, fixed, flipped

PRIME = reference.SHAMIR_PRIME
PEERS = 3
WEIGHTS = [3, -1, 2]
VALUES = [[1, -2, 3], [-40, 50, 60], [700, 800, -900]]
LENGTH = 4


def secrets(field: str) -> list[list[int]]:
    """Return the peers' vectors, with their checksum coordinates."""
    return [messages.with_checksum(SESSION, 0, field, values) for values in VALUES]


def kept(secret: list[int], given: list[list[int]], p: int) -> list[int]:
    """Return what a dealer keeps."""
    return [(x - sum(others)) % p for x, *others in zip(secret, *given, strict=True)]


# -- sharing ----------------------------------------------------------------------------------


def seeds_topic() -> Topic:
    """Shares that receivers expand from seeds."""
    topic = Topic(
        "seeds", "10.4 and 10.6", "Shares in the share mode `seeds`, and their plaintexts."
    )
    for field in (*MODULI, *PRODUCTS):
        _dealings(topic, field, "seeds")
    for strict in False, True:
        _plaintexts(topic, "seeds", "m31", strict=strict)
    return topic


def dense_topic() -> Topic:
    """Shares that are sent element by element."""
    topic = Topic(
        "dense", "10.4 and 10.6", "Shares in the share mode `dense`, and their plaintexts."
    )
    for field in (*MODULI, *PRODUCTS):
        _dealings(topic, field, "dense")
    for field, strict in ("m31", False), ("m61", True):
        _plaintexts(topic, "dense", field, strict=strict)
        _wrong_elements(topic, field, strict=strict)
    return topic


def _shares(field: str, mode: str, dealer: int) -> tuple[dict[str, str], list[list[int]]]:
    """Return what a dealer sends to the others, and what it stands for."""
    sent, vectors, p = {}, [], messages.modulus(field)
    for receiver in range(1, PEERS + 1):
        if receiver == dealer:
            continue
        seed = fixed(f"share from {dealer} to {receiver}")
        if mode == "seeds":
            vector = messages.expanded(SESSION, 0, "share", dealer, receiver, field, seed, LENGTH)
            sent[str(receiver)] = seed.hex()
        else:
            drawn = fixed(f"elements from {dealer} to {receiver}", 16 * LENGTH)
            vector = [int.from_bytes(drawn[16 * k : 16 * k + 16], "big") % p for k in range(LENGTH)]
            sent[str(receiver)] = words(field, vector).hex()
        vectors.append(vector)
    return sent, vectors


def _dealings(topic: Topic, field: str, mode: str) -> None:
    """Let every peer deal, and then sum."""
    p, held = messages.modulus(field), [[[0] * LENGTH] * PEERS for _ in range(PEERS)]
    place: Json = {"session": SESSION.hex(), "round": 0, "field": field, "share_mode": mode}
    for dealer, secret in enumerate(secrets(field), start=1):
        sent, vectors = _shares(field, mode, dealer)
        receivers = [int(receiver) for receiver in sent]
        for receiver, vector in zip(receivers, vectors, strict=True):
            held[receiver - 1][dealer - 1] = vector
        held[dealer - 1][dealer - 1] = kept(secret, vectors, p)
        topic.accept(
            "deal",
            f"{field}, dealer {dealer}",
            {**place, "dealer": dealer, "secret": decimals(secret), "shares": sent},
            {
                "vectors": {
                    str(receiver): decimals(vector)
                    for receiver, vector in zip(receivers, vectors, strict=True)
                },
                "kept": decimals(held[dealer - 1][dealer - 1]),
            },
        )
    _sums(topic, field, held)


def _sums(topic: Topic, field: str, held: list[list[list[int]]]) -> None:
    """Let every peer sum what it holds, and mask it."""
    p = messages.modulus(field)
    for owner, column in enumerate(held, start=1):
        seed = fixed(f"mask of {owner}")
        total = reference.weighted_sum(column, WEIGHTS, p)
        mask = messages.expanded(SESSION, 0, "mask", owner, 0, field, seed, LENGTH)
        masked = [(a + b) % p for a, b in zip(total, mask, strict=True)]
        topic.accept(
            "sum and mask",
            f"{field}, peer {owner}",
            {
                "session": SESSION.hex(),
                "round": 0,
                "field": field,
                "peer": owner,
                "weights": decimals(WEIGHTS),
                "vectors": [decimals(vector) for vector in column],
                "mask_seed": seed.hex(),
            },
            {
                "sum": decimals(total),
                "mask": decimals(mask),
                "partial": words(field, masked).hex(),
            },
        )


def _plaintexts(topic: Topic, mode: str, field: str, *, strict: bool) -> None:
    share = fixed("a seed")
    if mode == "dense":
        share = words(field, [1, 2, 3, MODULI[field] - 1])
    mask_share = b"" if strict else b"\x00" + fixed("a b-share")
    place = {"share_mode": mode, "strict": strict, "field": field, "length": LENGTH}
    name = f"{mode}, {field}, {'strict' if strict else 'not strict'}"
    case = topic.accept(
        "decode a share",
        name,
        {**place, "plaintext": pack([share, mask_share]).hex()},
        {"share": share.hex(), "mask_share": mask_share.hex()},
    )
    wrong: dict[str, bytes] = {
        "the share is one byte short": pack([share[:-1], mask_share]),
        "the share is one byte too long": pack([share + b"\x00", mask_share]),
        "the share is empty": pack([b"", mask_share]),
        "the share is a str": pack(["a" * len(share), mask_share]),
        "the b-share is nil": pack([share, Raw(b"\xc0")]),
        "the b-share is missing": pack([share]),
        "a third value": pack([share, mask_share, b""]),
        "a map in place of the array": b"\x81" + pack(share) + pack(mask_share),
        "a bin with a length of two bytes": pack(
            [Raw(b"\xc5" + len(share).to_bytes(2, "big") + share), mask_share]
        ),
        "an array with a length of two bytes": b"\xdc\x00\x02" + pack(share) + pack(mask_share),
        "a byte behind the array": pack([share, mask_share]) + b"\x00",
        "the last byte is missing": pack([share, mask_share])[:-1],
        "no msgpack, but the share alone": share,
    }
    if strict:
        wrong["a b-share in a strict session"] = pack([share, bytes(33)])
    else:
        wrong["no b-share in a session that is not strict"] = pack([share, b""])
        wrong["a b-share of 32 bytes"] = pack([share, mask_share[1:]])
        wrong["a b-share of 34 bytes"] = pack([share, b"\x00" + mask_share])
    for why, data in wrong.items():
        topic.reject_changed(case, f"{name}: {why}", plaintext=data.hex())


def _wrong_elements(topic: Topic, field: str, *, strict: bool) -> None:
    mask_share = b"" if strict else b"\x00" + fixed("a b-share")
    p = MODULI[field]
    place = {"share_mode": "dense", "strict": strict, "field": field, "length": LENGTH}
    for why, elements in {
        "the first element is p": [p, 2, 3, 4],
        "an element is p + 1": [1, p + 1, 3, 4],
        "the checksum coordinate is p": [1, 2, 3, p],
        "the checksum coordinate is the largest word": [1, 2, 3, 256 ** messages.WIDTHS[field] - 1],
    }.items():
        data = pack([words(field, elements), mask_share])
        topic.reject("decode a share", f"{field}: {why}", {**place, "plaintext": data.hex()})


# -- masks ------------------------------------------------------------------------------------


def masks_topic() -> Topic:
    """Commitments to mask seeds, and what opens them."""
    topic = Topic("masks", "10.3 and 11", "Commitments to mask seeds, and opening them.")
    cases = []
    for number, owner in (0, 1), (0, 2), (1, 1), (0xFFFFFFFF, 1000):
        seed = fixed(f"mask of {owner}")
        commitment = messages.mask_commitment(SESSION, number, owner, seed)
        given = {"session": SESSION.hex(), "round": number, "owner": owner, "seed": seed.hex()}
        topic.accept(
            "commit to a mask",
            f"round {number}, peer {owner}",
            given,
            {"commitment": commitment.hex()},
        )
        cases.append(
            topic.accept(
                "open a mask",
                f"round {number}, peer {owner}",
                {**given, "commitment": commitment.hex()},
                {},
            )
        )
    _wrong_openings(topic, cases[0])
    return topic


def _wrong_openings(topic: Topic, case: Json) -> None:
    commitment, seed = (bytes.fromhex(case["input"][name]) for name in ("commitment", "seed"))
    changes: dict[str, Json] = {
        "another seed": {"seed": fixed("another mask").hex()},
        "the last bit of the seed is another": {"seed": flipped(seed, -1).hex()},
        "the commitment of another peer": {"owner": 2},
        "the commitment of another round": {"round": 1},
        "the commitment of another session": {"session": fixed("another session").hex()},
        "the first bit of the commitment is another": {
            "commitment": flipped(commitment, 0, 128).hex()
        },
        "the commitment is the plain SHA-256 of the seed": {
            "commitment": hashlib.sha256(seed).hexdigest()
        },
        "the commitment is hashed under the label of b-shares": {
            "commitment": reference.labelled_hash(
                "mask share", SESSION, messages.numbers(0, 1), seed
            ).hex()
        },
    }
    for why, changed in changes.items():
        topic.reject_changed(case, why, **changed)


# -- b-shares ---------------------------------------------------------------------------------


def coefficients(name: str, count: int) -> list[int]:
    """Return coefficients of a polynomial."""
    return [
        int.from_bytes(fixed(f"{name}, coefficient {k}", 40), "big") % PRIME for k in range(count)
    ]


def bshares_topic() -> Topic:
    """Shamir's scheme over 2^256 + 297, and the hashes of b-shares."""
    topic = Topic("bshares", "10.5 and 11", "Shares of mask seeds, their hashes, and recovery.")
    for secret, threshold, points in (
        (fixed("mask of 1"), 2, [1, 2, 3]),
        (fixed("mask of 2"), 3, [1, 2, 4, 5, 7]),
        (bytes(32), 2, [2, 1000]),
        (b"\xff" * 32, 6, list(range(1, 11))),
        (fixed("mask of 3"), 1, [1]),
    ):
        name = f"{threshold} of the peers {points}, secret {secret.hex()[:8]}"
        drawn = coefficients(name, threshold - 1)
        shares = {str(x): reference.shamir_share(secret, drawn, x).hex() for x in points}
        topic.accept(
            "split a seed",
            name,
            {
                "seed": secret.hex(),
                "threshold": threshold,
                "points": points,
                "coefficients": [value.to_bytes(33, "big").hex() for value in drawn],
            },
            {"shares": shares},
        )
        topic.accept(
            "recover a seed",
            name,
            {"shares": dict(list(shares.items())[-threshold:])},
            {"seed": secret.hex()},
        )
    _wrong_points(topic)
    _hashes(topic)
    return topic


def _wrong_points(topic: Topic) -> None:
    secret = fixed("mask of 1")
    good = {x: reference.shamir_share(secret, coefficients("wrong", 1), x) for x in (1, 2)}
    wrong = {
        "the value is the prime": PRIME.to_bytes(33, "big"),
        "the value is the prime + 1": (PRIME + 1).to_bytes(33, "big"),
        "the value is the good one plus the prime": (
            (int.from_bytes(good[2], "big") + PRIME).to_bytes(33, "big")
        ),
        "the value is the largest of 33 bytes": b"\xff" * 33,
        "a share of 32 bytes": good[2][1:],
        "a share of 34 bytes": b"\x00" + good[2],
        "an empty share": b"",
    }
    for why, share in wrong.items():
        shares = {"1": good[1].hex(), "2": share.hex()}
        topic.reject("recover a seed", why, {"shares": shares})
    for value in (2**256, PRIME - 1):
        # A polynomial whose value at 0 is an element, and no 32 bytes.
        points = {x: (value + 5 * x) % PRIME for x in (1, 2)}
        topic.reject(
            "recover a seed",
            f"the value at 0 is 2^256 + {value - 2**256}, and no 32 bytes hold it",
            {"shares": {str(x): y.to_bytes(33, "big").hex() for x, y in points.items()}},
        )


def _hashes(topic: Topic) -> None:
    share = reference.shamir_share(fixed("mask of 1"), coefficients("hashed", 1), 2)
    cases = []
    for number, owner, holder in (0, 1, 2), (0, 2, 1), (3, 1, 1000):
        digest = messages.mask_share_hash(SESSION, number, owner, holder, share)
        given: dict[str, Any] = {"session": SESSION.hex(), "round": number}
        given |= {"owner": owner, "holder": holder, "share": share.hex()}
        name = f"round {number}, dealt by {owner} to {holder}"
        topic.accept("hash a b-share", name, given, {"hash": digest.hex()})
        cases.append(topic.accept("check a b-share", name, {**given, "hash": digest.hex()}, {}))
    case = cases[0]
    published = bytes.fromhex(case["input"]["hash"])
    changes: dict[str, Json] = {
        "the hash of another holder's share": {"holder": 3},
        "the hash of another owner's share": {"owner": 3},
        "owner and holder are exchanged": {"owner": 2, "holder": 1},
        "the hash of another round": {"round": 1},
        "the hash of another session": {"session": fixed("another session").hex()},
        "the last bit of the share is another": {"share": flipped(share, -1).hex()},
        "one bit of the hash is another": {"hash": flipped(published, 7).hex()},
    }
    for why, changed in changes.items():
        topic.reject_changed(case, why, **changed)
    for why, wrong in {
        "a share with the right hash whose value is the prime": PRIME.to_bytes(33, "big"),
        "a share with the right hash that is all ones": b"\xff" * 33,
        "a share with the right hash of 32 bytes": share[1:],
        "a share with the right hash of 34 bytes": share + b"\x00",
    }.items():
        digest = messages.mask_share_hash(SESSION, 0, 1, 2, wrong)
        topic.reject_changed(case, why, share=wrong.hex(), hash=digest.hex())
