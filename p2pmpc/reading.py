"""Reads an input while a peer is up: held against the bound, digested, and turned into residues.

A long input is read in a thread, so that links and signals are not kept waiting; a short one at once.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
import trio

from p2pmpc.encoding import Scaled, automatic_bound, check_bound
from p2pmpc.errors import ResourceExhausted
from p2pmpc.field import Words
from p2pmpc.hashing import label
from p2pmpc.ledger import InputDigest
from p2pmpc.parameters import Parameters
from p2pmpc.prg import CHUNK
from p2pmpc.progress import Meter, Observer
from p2pmpc.residues import fill_residues
from p2pmpc.session import Session
from p2pmpc.sources import Numbers

T = TypeVar("T")


async def check_values(
    numbers: Numbers, parameters: Parameters, observer: Observer, *, rounds: int = 1
) -> None:
    """Hold an input against parameters, as far as they are known before the roster is.

    Args:
        numbers: The input.
        parameters: Offered, or this peer's own.
        observer: Told how far the reading is.
        rounds: How many vectors it holds.

    Raises:
        InputRefused: The length differs, or a value cannot be used; says where, never what.
    """
    numbers.check_length(parameters.length, rounds)
    bound = parameters.bound or automatic_bound(parameters.arithmetic, [1])

    def check() -> None:
        for _ in _values(numbers, bound, parameters.fraction_bits, observer):
            pass

    await _aside(numbers, check)


async def read_residues(
    numbers: Numbers,
    session: Session,
    weight: int,
    observer: Observer,
    *,
    ledger_key: bytes,
    round_number: int = 0,
) -> tuple[Words, bytes]:
    """Return an input as the residues that are summed, and its digest for the ledger.

    One pass does both and holds the values against the bound, so that they are the same values.

    Args:
        numbers: The input.
        session: Closed.
        weight: This peer's; it is summed with the values where it is private.
        observer: Told how far the reading is.
        ledger_key: 32 bytes.
        round_number: The round within the session.

    Raises:
        InputRefused: A value is out of bound, or the input has changed.
    """
    parameters, digest = session.parameters, InputDigest(ledger_key)
    fill = partial(
        fill_residues,
        _values(numbers, session.bound, parameters.fraction_bits, observer, digest),
        weight if parameters.private_weights else None,
        parameters.arithmetic,
        session.id,
        round_number,
        parameters.length,
    )
    residues = await _aside(numbers, fill)
    return residues, digest.digest()


async def digest_of_residues(residues: Words, key: bytes) -> bytes:
    """Return a keyed digest of what is summed: the private weight is in it, and every digit.

    The ledger knows inputs as doubles; two that are one as doubles are still two under the same masks.

    Args:
        residues: Their checksum included.
        key: 32 bytes that only this peer has.
    """
    digest = hmac.new(key, label("summed input"), "sha256")
    data = np.ascontiguousarray(residues).data.cast("B")
    if residues.size <= CHUNK:
        digest.update(data)
    else:
        await trio.to_thread.run_sync(digest.update, data)
    return digest.digest()


def _values(
    numbers: Numbers,
    bound: int,
    fraction_bits: int,
    observer: Observer,
    digest: InputDigest | None = None,
) -> Iterator[Scaled]:
    """Yield scaled values within the bound; the digest takes them as they were read."""
    meter = Meter(partial(_tell, observer), "reading", unit=numbers.unit)

    def watch(done: int, of: int) -> None:
        if not trio.lowlevel.in_trio_run():
            trio.from_thread.check_cancelled()
        meter.at(done, of)

    for block in numbers.read(watch):
        values = block.scaled(fraction_bits)
        check_bound(values, bound, fraction_bits, numbers.source, first=block.first)
        if digest is not None:
            digest.add(block.floats())
        yield values


async def _aside(numbers: Numbers, work: Callable[[], T]) -> T:
    try:
        if numbers.length <= CHUNK:
            return work()
        return await trio.to_thread.run_sync(work)
    except MemoryError:
        raise ResourceExhausted(
            f"there is no memory for {numbers.length} numbers", hint="use a shorter vector"
        ) from None


def _tell(observer: Observer, event: str, **fields: object) -> None:
    """Tell an observer, which lives in the event loop."""
    tell = partial(observer.tell, event, **fields)
    if trio.lowlevel.in_trio_run():
        tell()
    else:
        trio.from_thread.run_sync(tell)
