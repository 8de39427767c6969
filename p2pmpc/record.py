"""The public facts of a round, as they are collected and later written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2pmpc.field import Words
from p2pmpc.session import Session


@dataclass(frozen=True, slots=True)
class Heard:
    """What one peer said, with its signature.

    Args:
        body: The message's body, or its digest where the body is a vector.
        signature: The sender's.
    """

    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """Everything public that led to a total.

    Args:
        session: The roster and parameters.
        round: The round's number.
        acceptances: Every member's signature on the roster, by index.
        commitments: Body and signature of every COMMITMENT, by index.
        partials: Digest and signature of every PARTIAL, by index.
        echo_digest: Of the echo that all n signed.
        echoes: Every member's signature on it, by index.
        masks: Every opened mask seed b_j, by index.
        sums: Every S_j, by index; none in sharded mode, where nobody knows them.
        total: T, the checksum coordinate included.
        total_digest: Of its bytes; what every CONFIRM signs.
    """

    session: Session
    round: int
    acceptances: Mapping[int, bytes]
    commitments: Mapping[int, Heard]
    partials: Mapping[int, Heard]
    echo_digest: bytes
    echoes: Mapping[int, bytes]
    masks: Mapping[int, bytes]
    sums: Mapping[int, Words] = field(repr=False)
    total: Words = field(repr=False)
    total_digest: bytes
