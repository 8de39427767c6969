"""One measured peer: ``run_options`` as in production, over TLS, with a clock beside it.

The clock starts when the peer begins to deal its shares: the step ``share`` is told only once they are
dealt, so it is the first entropy drawn after the roster is signed that marks the beginning. It stops
when every CONFIRM is there. Finding each other, reading the input and writing the transcript are not
timed, but the peak of memory covers the whole run.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from bench.child import Stopwatch, introduce, is_expected, read_line, report
from p2pmpc.inputs import read_numbers
from p2pmpc.network import TcpNetwork
from p2pmpc.node import run_options
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.product import FIELDS

_PATIENCE = 900.0


class Clock:
    """An observer and a source of entropy that start and stop a stopwatch.

    Args:
        stopwatch: Not started.
    """

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._signing = False
        self._sent_before = 0
        self.sent = 0

    def entropy(self, size: int) -> bytes:
        """Draw from the operating system."""
        if self._signing:
            self._stopwatch.start()
        return os.urandom(size)

    def tell(self, event: str, **fields: object) -> None:
        """Take an event of the run."""
        if event == "founded":
            introduce(bootstrap=fields["bootstrap"])
        elif event == "step" and fields["step"] == "roster":
            self._signing = True
        elif event == "step" and fields["step"] == "share":
            self._stopwatch.start()
            self._sent_before = int(str(fields["bytes_sent"]))
        elif event == "complete":
            self._stopwatch.stop()
        elif event == "finished":
            self.sent = int(str(fields["bytes_sent"])) - self._sent_before


def node_options(order: dict[str, Any], directory: str, bootstrap: str | None) -> NodeOptions:
    """Return the options of a founder, or of a joiner."""
    session: dict[str, Any] = {"bootstrap": bootstrap}
    if bootstrap is None:
        session = {"peers": order["peers"], "length": order["length"], **order["session"]}
    return NodeOptions(
        listen="127.0.0.1:0",
        weight=order["weight"],
        name=f"peer-{order['own'] + 1:02}",
        yes=True,
        timeout=_PATIENCE,
        join_timeout=_PATIENCE,
        log_dir=directory,
        progress="none",
        **session,
    )


async def _run(options: NodeOptions, clock: Clock, path: str) -> Outcome:
    return await run_options(
        options,
        read_numbers(None, path),
        network=TcpNetwork(),
        entropy=clock.entropy,
        observer=clock,
    )


def main() -> None:
    """Take part in one sum."""
    stopwatch = Stopwatch()
    clock = Clock(stopwatch)
    order = read_line()
    bootstrap = None
    if order["own"]:
        introduce()
        bootstrap = read_line()[0]["bootstrap"]
    with TemporaryDirectory() as directory:
        options = node_options(order, str(Path(directory)), bootstrap)
        outcome = trio.run(_run, options, clock, order["input"])
    stopwatch.note_memory()
    modulus = FIELDS[order["session"].get("field", "m31")].modulus
    right = outcome.trouble is None and is_expected(
        outcome.total.residues, order["expected"], modulus
    )
    report(stopwatch, sent=clock.sent, right=right)


if __name__ == "__main__":
    main()
