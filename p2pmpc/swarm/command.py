"""``python swarm.py N``: start N peers, watch them, compare what they found."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter

from p2pmpc import __version__
from p2pmpc.app import run_app, whole_number
from p2pmpc.errors import Interrupted, P2PMPCError, ResourceExhausted, exit_code_of
from p2pmpc.storage import new_run_directory, write_text
from p2pmpc.swarm.data import make_data
from p2pmpc.swarm.in_process import MemorySwarm
from p2pmpc.swarm.options import SwarmOptions, check_count
from p2pmpc.swarm.processes import ProcessSwarm
from p2pmpc.swarm.report import SwarmReport, make_report, render_summary
from p2pmpc.swarm.watch import Display, PeerState, make_display

_REFRESH_SECONDS = 0.1


def run_swarm(
    peers: Annotated[int, Parameter(help="How many peers.", converter=whole_number)] = 10,
    options: SwarmOptions | None = None,
) -> int:
    """Run N peers on this machine, and hold their total against the plain sum of the inputs.

    Every peer is a process of its own, with its own identity, random input and random weight.
    Logs, transcripts and receipts go to logs/UTC-TIME/; the result goes to standard output.
    """
    options = options or SwarmOptions()
    try:
        report = _run(peers, options)
    except P2PMPCError as error:
        print(error.describe(), file=sys.stderr)
        return exit_code_of(error)
    for fault in report.faults:
        print(f"fault: {fault}", file=sys.stderr)
    print(json.dumps(report.content) if options.json else report.as_text())
    return report.exit_code


def _run(count: int, options: SwarmOptions) -> SwarmReport:
    check_count(count)
    options.kills(count)
    data = make_data(count, options, os.urandom)
    if options.log_dir:
        directory = Path(options.log_dir)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceExhausted(f"cannot make {directory}: {error.strerror}") from None
    else:
        directory = new_run_directory(Path("logs"))
    states = [PeerState(k, weight) for k, weight in enumerate(data.weights, start=1)]
    swarm = (
        MemorySwarm(options, data, directory, states, os.urandom)
        if options.in_process
        else ProcessSwarm(options, data, directory, states)
    )
    started = time.monotonic()
    trio.run(_watch, swarm, make_display(states))
    report = make_report(options, data, states, directory, time.monotonic() - started)
    for state in states:
        for line in state.errors if state.exit_code else ():
            print(f"{state.name}: {line}", file=sys.stderr)
    write_text(directory / "swarm.json", render_summary(report.content))
    return report


async def _watch(swarm: ProcessSwarm | MemorySwarm, display: Display) -> None:
    """Run a swarm until it ends or a signal comes, and show it meanwhile."""
    caught: list[int] = []
    failure: P2PMPCError | None = None

    async def catch(scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                caught.append(number)
                scope.cancel()

    async def refresh() -> None:
        while True:
            display.refresh()
            await trio.sleep(_REFRESH_SECONDS)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(catch, nursery.cancel_scope)
            nursery.start_soon(refresh)
            try:
                await swarm.run()
            except P2PMPCError as error:
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        display.close()
    if caught:
        raise Interrupted(caught[0])
    if failure is not None:
        raise failure


def main() -> None:
    """Run ``python swarm.py``."""
    run_app(App(name="python swarm.py", default_command=run_swarm, version=__version__))
