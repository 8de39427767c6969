"""Inputs of the codec that are as they should be: what mutations begin with."""

from __future__ import annotations

from collections.abc import Iterator

from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.frames import ENVELOPE_BYTES
from p2pmpc.messages import Kind
from p2pmpc.wire import encode_evidence
from tests.frames import encode_frame
from tests.reference_messages import pack
from tests.vector_cases.bodies import bodies_of
from tests.vector_cases.case import fixed
from tests.vector_cases.world import observed, sharded, three

SIGNATURE = fixed("signature", 64)


def rightful() -> Iterator[tuple[str, str, bytes]]:
    """Yield what reads an input, under which limits, and the input."""
    for limits, session in ("three", three()), ("product", observed()):
        for kind, value in bodies_of(session).items():
            yield kind, limits, pack(value)
            yield "frame", limits, encode_frame(Kind[kind], 0, SIGNATURE, pack(value))
    yield "SHARE", "three", next(iter(three().sealed.values()))
    yield "PARTIAL", "three", bytes(20)
    yield "SLICE", "sharded", sharded().slices[1, 2][0]
    yield "SLICE_SUM", "sharded", bytes(8) + bytes(4)
    yield "header", "three", (ENVELOPE_BYTES + 10).to_bytes(4, "big") + bytes([Kind.ABORT])
    yield "address", "three", b"[fe80::1%eth0]:9000"
    yield "vector", "three", bytes(20)
    yield "vector", "wide", bytes(40)
    yield "vector", "product", bytes(60)
    yield "parameters", "three", pack(list(three().parameters.values()))
    yield "entry", "three", three().entries[1][0]
    statement = Statement(1, 2, Kind.SHARE, 0, fixed("digest"), SIGNATURE, b"a body")
    shares = ((1, fixed("b-share", 33)), (3, fixed("another", 33)))
    claim = Claim.EQUIVOCATION
    yield "evidence", "three", encode_evidence(Evidence(claim, 1, (statement,) * 2, shares))
    yield "share", "three", pack([fixed("seed"), fixed("b-share", 33)])
    yield "strict", "three", pack([fixed("seed"), b""])
    yield "ratcheted", "three", pack([b"", fixed("b-share", 33)])
    yield "share", "wide", pack([bytes(40), fixed("b-share", 33)])
