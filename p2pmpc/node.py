"""One peer as a process: ``python -m p2pmpc.node``.

Reads options, input and key, runs the :class:`~p2pmpc.peer.Peer`, and ends with its exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace

import trio
from cyclopts import App

from p2pmpc import __version__
from p2pmpc.app import leave_at_once, run_app
from p2pmpc.consent import Ask
from p2pmpc.errors import (
    ConfigurationError,
    Interrupted,
    P2PMPCError,
    ResourceExhausted,
    exit_code_of,
)
from p2pmpc.inputs import (
    read_numbers,
    read_weight,
)
from p2pmpc.interruption import until_signal
from p2pmpc.network import Network, TcpNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.peer import Peer
from p2pmpc.progress import JsonLines, Meter, Observer, Silent, TextLines
from p2pmpc.shamir import Entropy
from p2pmpc.sources import Numbers
from p2pmpc.start import peer_of


async def run_options(
    options: NodeOptions,
    numbers: Numbers | None,
    *,
    network: Network,
    entropy: Entropy,
    observer: Observer,
    ask: Ask | None = None,
    on_peer: Callable[[Peer], None] = lambda _peer: None,
    told: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """Make a peer from its options, and run it.

    Args:
        options: What it is told to do.
        numbers: Its input; None draws one.
        network: TCP, or memory.
        entropy: The operating system's.
        observer: Told of progress.
        ask: Asks the person at the terminal.
        on_peer: Given the peer before it runs, for signals.
        told: Called with the total of every round.

    Raises:
        P2PMPCError: Why there is no total.
    """
    with peer_of(
        options, numbers, network=network, entropy=entropy, observer=observer, ask=ask
    ) as peer:
        on_peer(peer)
        return await peer.run(told)


def _observer(kind: str) -> Observer:
    """Return whoever is told of progress, as ``--progress`` says."""
    observers: dict[str, Observer] = {
        "text": TextLines(sys.stderr),
        "json": JsonLines(sys.stderr),
        "none": Silent(),
    }
    return observers[kind]


async def _run_until_signal(
    options: NodeOptions, numbers: Numbers | None, observer: Observer, results: _Results
) -> Outcome:
    """Run a peer; SIGINT and SIGTERM end it in good order."""
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    return await until_signal(
        lambda on_peer: run_options(
            options,
            numbers,
            network=TcpNetwork(),
            entropy=os.urandom,
            observer=observer,
            ask=ask_at_terminal if at_terminal else None,
            on_peer=on_peer,
            told=results.take,
        )
    )


class _Results:
    """Shows totals on standard output: one at the end of the run, several as they come.

    Args:
        as_json: One JSON object a total, each on a line.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.trouble: P2PMPCError | None = None
        """The first thing that went wrong after a total was known."""

    def take(self, outcome: Outcome) -> None:
        """Take the total of a round."""
        self.trouble = self.trouble or outcome.trouble
        if outcome.rounds != 1:
            self.show(outcome)

    def show(self, outcome: Outcome) -> None:
        """Write a total."""
        if self._as_json:
            sys.stdout.writelines(outcome.json_pieces())
        print("" if self._as_json else outcome.as_text(), flush=True)


async def ask_at_terminal(question: str) -> bool:
    """Ask a yes-or-no question on standard error."""
    print(question, end="", file=sys.stderr, flush=True)
    answer = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return answer.strip().lower() in ("y", "yes")


def run_node(options: NodeOptions | None = None) -> int:
    """Run one peer of a private weighted sum.

    Found a session with --listen and --peers, or join one with --bootstrap or --roster. Without
    --value or --input the peer draws a random number and a random weight, to try things out. The
    result goes to standard output, everything else to standard error and the log.
    """
    options = options or NodeOptions()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every secret
    try:
        if options.rounds is not None and options.rounds < 1:
            raise ConfigurationError("--rounds is a whole number above zero")
        if options.value is not None:
            print(
                "warning: others on this machine can see --value; use --input or P2PMPC_VALUE",
                file=sys.stderr,
            )
        weight, visible = read_weight(options.weight)
        options = replace(options, weight=weight, weight_is_visible=visible)
        observer = _observer(options.progress)
        meter = Meter(observer.tell, "reading")
        numbers = read_numbers(options.value, options.input, meter.at)
        results = _Results(as_json=options.json)
        outcome = trio.run(_run_until_signal, options, numbers, observer, results)
    except P2PMPCError as error:
        return report_failure(error, as_json=options.json, debug=options.debug)
    except KeyboardInterrupt:  # while it reads, nothing is up that would take the signal
        return report_failure(Interrupted(signal.SIGINT), as_json=options.json, debug=options.debug)
    except MemoryError:
        exhausted = ResourceExhausted("out of memory", hint="use a shorter vector")
        return report_failure(exhausted, as_json=options.json, debug=options.debug)
    if outcome.rounds == 1:
        results.show(outcome)
    if results.trouble is not None:
        print(results.trouble.describe(), file=sys.stderr)
        return exit_code_of(results.trouble)
    return 0


def report_failure(error: P2PMPCError, *, as_json: bool, debug: bool) -> int:
    """Show an error to people and, where asked, to programs; return the exit code."""
    code = exit_code_of(error)
    if debug:
        traceback.print_exception(error)
    print(error.describe(), file=sys.stderr, flush=True)
    if as_json:
        told = {"total": None, "error": error.message, "code": code}
        print(json.dumps({**told, "revealed": error.revealed_text, "hint": error.hint}), flush=True)
    return code


def main(leave: Callable[[int], None] = sys.exit) -> None:
    """Run ``python -m p2pmpc.node``.

    Args:
        leave: How to exit.
    """
    app = App(name="python -m p2pmpc.node", default_command=run_node, version=__version__)
    run_app(app, leave=leave)


if __name__ == "__main__":
    main(leave_at_once)
