"""The yardstick for single numbers: as many messages of the same sizes, and nothing in them.

A scalar round sends six messages to each other peer in five steps (COMMITMENT and SHARE leave together),
and each step waits for everybody's message of the one before. This does the same without cryptography.
"""

from __future__ import annotations

from typing import Any, Final

from bench.child import Stopwatch, report, take_part
from bench.mesh import bytes_sent, close, empty_frame, open_links
from p2pmpc.frames import Limits
from p2pmpc.messages import Kind

STEPS: Final = (
    (Kind.COMMITMENT, Kind.SHARE),
    (Kind.PARTIAL,),
    (Kind.ECHO,),
    (Kind.OPEN,),
    (Kind.CONFIRM,),
)


async def _run(order: dict[str, Any], stopwatch: Stopwatch) -> None:
    # One element more, for the checksum.
    limits = Limits(peers=order["peers"], length=order["length"] + 1, contributors=order["peers"])
    links = await open_links(order["own"])
    before = bytes_sent(links)
    stopwatch.start()
    for step in STEPS:
        sizes = {kind: limits.body_cap(kind) for kind in step}
        said = b"".join(empty_frame(kind, size) + bytes(size) for kind, size in sizes.items())
        for link in links.values():
            await link.send(said)
        for link in links.values():
            for kind in step:
                await link.receive(limits, frozenset({kind}))
    stopwatch.stop()
    report(stopwatch, sent=bytes_sent(links) - before, right=True)
    await close(links)


if __name__ == "__main__":
    take_part(_run)
