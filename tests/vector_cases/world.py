"""The sessions that vectors are about: peers with test keys, and everything they draw."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

from tests import reference_messages as messages
from tests.reference_messages import Value
from tests.reference_session import Peer, ReferenceSession
from tests.vector_cases.case import Json, fixed
from tests.vector_cases.keys import seed_of

NAMES = ("north", "south", "west", "east")
STUDY = b'title = "Wages"\n'
ADDRESSES = ("127.0.0.1:9001", "[::1]:9002", "west.example:65535", "e-a_st:1")


def identifiers(count: int) -> list[str]:
    """Return the names of the first peers in the order of their IDs."""
    return sorted(NAMES[:count], key=lambda name: messages.identifier(seed_of(name)))


def make(
    name: str,
    weights: Sequence[int],
    values: Sequence[Sequence[int]],
    number: int = 0,
    **parameters: Value,
) -> ReferenceSession:
    """Return a session.

    Args:
        name: Of the session; what it draws follows from it.
        weights: In roster order.
        values: Likewise, scaled; empty for an observer.
        number: Of the round.
        parameters: Those that are not the default.
    """
    made = messages.parameters(fixed(f"nonce of {name}"), len(weights), **parameters)
    peers = [
        Peer(
            seed=seed_of(peer),
            sealing_seed=fixed(f"sealing key of {peer} in {name}", 96),
            nonce=fixed(f"nonce of {peer} in {name}"),
            name=peer if peer != "south" else "",
            address=ADDRESSES[NAMES.index(peer)],
            weight=weight,
            values=row,
        )
        for peer, weight, row in zip(identifiers(len(weights)), weights, values, strict=True)
    ]
    return ReferenceSession(
        made, peers, lambda what, size: fixed(f"{what} in {name}", size), number
    )


@functools.cache
def three() -> ReferenceSession:
    """Three peers with seeds and public weights."""
    values = [[1, -2, 3], [-40, 50, 60], [700, 800, -900]]
    return make("three peers", [3, -1, 2], values, length=3)


@functools.cache
def dense() -> ReferenceSession:
    """Three peers with dense shares of fixed-point numbers, strict, and a list of allowed IDs."""
    allowed = sorted(messages.identifier(seed_of(name)) for name in NAMES)
    return make(
        "dense",
        [2**31 - 2, -(2**31 - 2), 1],
        [[320, -1], [0, 319], [-320, 7]],
        field="m61",
        length=2,
        fraction_bits=8,
        bound=320,
        share_mode="dense",
        strict=True,
        allow_revealing_weights=True,
        allowed=list[Value](allowed),
    )


@functools.cache
def observed() -> ReferenceSession:
    """Four peers with private weights, of whom the second only observes, and a study."""
    inputs = [([5, -6], 10), ([], 0), ([100, 0], -3), ([-7, 99], 0)]
    values = [[*(value * weight for value in row), weight] for row, weight in inputs]
    study = hashlib.sha256(STUDY).digest()
    return make("observed", [1, 0, 1, 1], values, length=2, bound=100, weight_bound=10, study=study)


@functools.cache
def long() -> ReferenceSession:
    """Two peers whose vectors are too long for a transcript."""
    values = [[k * k for k in range(64)], [-k for k in range(64)]]
    return make("long", [1, 1], values, length=64, strict=True, allow_two=True)


@functools.cache
def sharded() -> ReferenceSession:
    """Four peers whose sums travel in slices of unequal sizes; the third only observes."""
    values = [[1, -2, 3, 4], [-40, 50, 60, 70], [], [700, 800, -900, 1000]]
    return make("sharded", [3, -1, 0, 2], values, length=4, sum_mode="sharded")


@functools.cache
def narrow() -> ReferenceSession:
    """Four peers whose vectors have fewer elements than there are slices, in 61 bits."""
    values = [[5], [-6], [7], [-8]]
    return make("narrow", [1, 1, 1, 1], values, field="m61", sum_mode="sharded", strict=True)


@functools.cache
def sharded_long() -> ReferenceSession:
    """Two peers in sharded mode whose vectors are too long for a transcript."""
    values = [[k * k for k in range(64)], [-k for k in range(64)]]
    return make("sharded long", [1, 1], values, length=64, allow_two=True, sum_mode="sharded")


@functools.cache
def later() -> ReferenceSession:
    """Three peers in the third round of their session."""
    values = [[1, -2, 3], [-40, 50, 60], [700, 800, -900]]
    return make("later", [3, -1, 2], values, number=2, length=3)


@functools.cache
def later_sharded() -> ReferenceSession:
    """Three peers in the second round of a session in sharded mode."""
    values = [[1, -2, 3], [-40, 50, 60], [700, 800, -900]]
    return make("later, sharded", [3, -1, 2], values, 1, length=3, sum_mode="sharded")


SESSIONS = {
    "three peers": three,
    "dense": dense,
    "observed": observed,
    "long": long,
    "sharded": sharded,
    "narrow": narrow,
    "sharded long": sharded_long,
    "later": later,
    "later, sharded": later_sharded,
}


def limits_of(session: ReferenceSession) -> Json:
    """Return what the sizes of bodies depend on."""
    return {
        "peers": len(session.peers),
        "contributors": len(session.contributors),
        "length": len(session.total),
        "field": session.field,
        "share_mode": session.parameters["share_mode"],
        "sum_mode": session.parameters["sum_mode"],
    }
