"""The commands that look at what is there: ``verify``, ``ledger``, ``id``."""

from __future__ import annotations

import json as json_module
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from p2pmpc.app import show_error
from p2pmpc.errors import P2PMPCError
from p2pmpc.identity import format_id
from p2pmpc.identity_file import default_key, lasting_key
from p2pmpc.keys import load
from p2pmpc.ledger import ledger_json, ledger_table
from p2pmpc.ledger_file import ledger_path, read_ledger
from p2pmpc.study.session.evidence import verify_study
from p2pmpc.verify import verify_directory


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
        study = verify_study(path) if path.is_dir() else None
    except P2PMPCError as error:
        return show_error(error)
    if json:
        content = json_module.loads(verdict.as_json())
        print(json_module.dumps({**content, "study": study.content() if study else None}))
    else:
        print("\n".join([verdict.as_text(), *([study.as_text()] if study else [])]))
    return 0


def run_ledger(
    *,
    key: Annotated[
        Path | None,
        Parameter(help="The key file whose ledger is shown; by default the one of `p2pmpc init`."),
    ] = None,
    json: Annotated[bool, Parameter(help="Print the entries as JSON.", negative="")] = False,
) -> int:
    """Show the sums that this key's inputs may have been opened in.

    A sum of the same input among other peers or with other weights is refused: the difference of the
    two totals would speak of few inputs, at worst of one.
    """
    try:
        key = key or default_key()
        load(key)
        _, entries = read_ledger(ledger_path(key))
    except P2PMPCError as error:
        return show_error(error)
    print(ledger_json(entries) if json else ledger_table(entries))
    return 0


def run_id(
    *,
    key: Annotated[
        Path | None,
        Parameter(help="The key file, made if there is none; by default the one of `p2pmpc init`."),
    ] = None,
) -> int:
    """Show the ID of a key, for a study, --allow, --roster and #ID."""
    try:
        identity = load(lasting_key(key, os.urandom))
    except P2PMPCError as error:
        return show_error(error)
    print(format_id(identity.id))
    return 0
