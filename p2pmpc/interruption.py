"""Runs a peer until it ends or a signal comes: then the others are told, and it ends in good order."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from p2pmpc.errors import Interrupted, P2PMPCError
from p2pmpc.peer import Peer

T = TypeVar("T")


async def until_signal(run: Callable[[Callable[[Peer], None]], Awaitable[T]]) -> T:
    """Run a peer; SIGINT and SIGTERM interrupt it.

    Args:
        run: Given a function that it calls with the peer as soon as there is one.

    Returns:
        What it returns.

    Raises:
        P2PMPCError: As it raises; Interrupted where a signal ended it.
    """
    results: list[T] = []
    failures: list[P2PMPCError] = []
    async with trio.open_nursery() as nursery:

        async def watch(peer: Peer) -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    await peer.interrupt(Interrupted(number))

        try:
            results.append(await run(lambda peer: nursery.start_soon(watch, peer)))
        except P2PMPCError as error:  # as it is: a nursery would wrap it
            failures.append(error)
        nursery.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return results[0]
