"""The ``p2pmpc`` command: node, swarm, verify, ledger, id."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from p2pmpc import __version__
from p2pmpc.app import run_app
from p2pmpc.errors import P2PMPCError, exit_code_of
from p2pmpc.identity import format_id
from p2pmpc.keys import load, load_or_create
from p2pmpc.ledger import ledger_json, ledger_table
from p2pmpc.ledger_file import ledger_path, read_ledger
from p2pmpc.node import run_node
from p2pmpc.swarm.command import run_swarm
from p2pmpc.verify import verify_directory

app = App(
    name="p2pmpc", help="Private weighted sums between peers, with no server.", version=__version__
)
app.command(run_node, name="node")
app.command(run_swarm, name="swarm")


def _show(error: P2PMPCError) -> int:
    """Show an error of a command that reveals nothing to anybody, and return the exit code."""
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  next: {error.hint}", file=sys.stderr)
    return exit_code_of(error)


@app.command(name="verify")
def run_verify(
    path: Annotated[
        Path, Parameter(help="The folder of a run, or one transcript or evidence.")
    ] = Path("logs/latest"),
    *,
    json: Annotated[
        bool, Parameter(help="Print the result as one JSON object.", negative="")
    ] = False,
) -> int:
    """Check every signature, sum and proof of a run, and compare transcripts, receipts and logs.

    Ends with 0 when everything holds, and with 5, naming file, line and step, when something does not.
    """
    at_terminal = sys.stderr.isatty()

    def tell(name: str) -> None:
        if at_terminal:
            print(f"checking {name}", file=sys.stderr)

    try:
        verdict = verify_directory(path, tell)
    except P2PMPCError as error:
        return _show(error)
    print(verdict.as_json() if json else verdict.as_text())
    return 0


@app.command(name="ledger")
def run_ledger(
    *,
    key: Annotated[Path, Parameter(help="The key file whose ledger is shown.")],
    json: Annotated[bool, Parameter(help="Print the entries as JSON.", negative="")] = False,
) -> int:
    """Show the sums that this key's inputs may have been opened in.

    A sum of the same input among other peers or with other weights is refused: the difference of the
    two totals would speak of few inputs, at worst of one.
    """
    try:
        load(key)
        _, entries = read_ledger(ledger_path(key))
    except P2PMPCError as error:
        return _show(error)
    print(ledger_json(entries) if json else ledger_table(entries))
    return 0


@app.command(name="id")
def run_id(*, key: Annotated[Path, Parameter(help="The key file; made if there is none.")]) -> int:
    """Show the ID of a key, for --allow, --roster and #ID; make the key if there is none."""
    try:
        identity = load_or_create(key, os.urandom)
    except P2PMPCError as error:
        return _show(error)
    print(format_id(identity.id))
    return 0


def main() -> None:
    """Run ``p2pmpc``."""
    run_app(app)
