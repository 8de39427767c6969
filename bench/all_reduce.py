"""The yardstick for long vectors: the same weighted sum in the clear, over the same links.

Each process sends slice k of its weighted residues to process k, adds up what comes for its own slice,
and sends the sum to all: a reduce-scatter and an all-gather, as anybody would write them who trusts the
others. There are no seeds, masks, hashes or signatures. What is left is what the links cost.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import trio

from bench.child import Stopwatch, is_expected, report, take_part
from bench.mesh import bytes_sent, close, empty_frame, open_links
from p2pmpc.field import M31
from p2pmpc.frames import Limits
from p2pmpc.links import Link
from p2pmpc.messages import Kind

Words = npt.NDArray[np.uint32]

_ACCEPTED: Final = frozenset({Kind.PARTIAL})


def weighted(values: npt.NDArray[np.int32], weight: int) -> Words:
    """Return weight * values as residues, where |weight * value| < p."""
    products = values.astype(np.int64)
    products *= weight
    products += (products >> 63) & M31.modulus
    return products.astype(np.uint32)


class AllReduce:
    """One process's side.

    Args:
        own: Its index.
        links: To all others.
        values: Its vector.
        weight: Its weight.
    """

    def __init__(
        self, own: int, links: Mapping[int, Link], values: npt.NDArray[np.int32], weight: int
    ) -> None:
        count, length = len(links) + 1, values.size
        edges = [length * k // count for k in range(count + 1)]
        self._slices = [slice(*pair) for pair in itertools.pairwise(edges)]
        self._own = own
        self._links = links
        self._values = values
        self._weight = weight
        self._limits = Limits(peers=count, length=length)
        self._missing = len(links)
        self._summed = trio.Event()
        self._total = np.empty(length, dtype=np.uint32)
        self._sum = np.zeros(0, dtype=np.uint64)

    async def run(self) -> Words:
        """Return the weighted sum of all."""
        self._sum = weighted(self._values[self._slices[self._own]], self._weight).astype(np.uint64)
        async with trio.open_nursery() as nursery:
            for index, link in self._links.items():
                nursery.start_soon(self._speak, index, link)
                nursery.start_soon(self._listen, index, link)
        return self._total

    async def _speak(self, index: int, link: Link) -> None:
        await _send(link, weighted(self._values[self._slices[index]], self._weight))
        await self._summed.wait()
        await _send(link, self._total[self._slices[self._own]])

    async def _listen(self, index: int, link: Link) -> None:
        words = await self._receive(link)
        np.add(self._sum, words, out=self._sum)  # of fewer than 2^33 words, so nothing wraps
        self._missing -= 1
        if not self._missing:
            M31.reduce_into(self._sum, self._sum, np.empty_like(self._sum))
            self._total[self._slices[self._own]] = self._sum
            self._summed.set()
        words = await self._receive(link)
        self._total[self._slices[index]] = words

    async def _receive(self, link: Link) -> Words:
        frame = await link.receive(self._limits, _ACCEPTED)
        return np.frombuffer(frame.body, dtype="<u4")


async def _send(link: Link, words: Words) -> None:
    """Send words as they lie in memory."""
    await link.send(empty_frame(Kind.PARTIAL, words.nbytes))
    if words.size:
        await link.send(cast("bytes", words.data.cast("B")))


async def _run(order: dict[str, Any], stopwatch: Stopwatch) -> None:
    values = np.load(order["input"])
    links = await open_links(order["own"])
    before = bytes_sent(links)
    stopwatch.start()
    total = await AllReduce(order["own"], links, values, order["weight"]).run()
    stopwatch.stop()
    right = is_expected(total, order["expected"], M31.modulus)
    report(stopwatch, sent=bytes_sent(links) - before, right=right)
    await close(links)


if __name__ == "__main__":
    take_part(_run)
