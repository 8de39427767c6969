"""The process that the parties of ``p2pmpc demo`` are forked from: ``python -m p2pmpc.study.demo.parties FD``.

It imports once what all of them need; see :mod:`p2pmpc.swarm.zygote` for its rules. Each child then is a
process with a memory of its own that runs a command as it would be typed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import socket
import sys
from typing import Final

from cyclopts import App

from p2pmpc.app import leave_at_once
from p2pmpc.study.session.command import run_invite, run_join
from p2pmpc.swarm.zygote import Zygote

_LATE: Final = (
    "cryptography.hazmat.backends.openssl.backend",
    "duckdb",
    "encodings.idna",
    "ibis.backends.duckdb",
    "p2pmpc.study.data.expression",
    "scipy.special",
)
"""What is imported when it is first used, and takes long; those of the extra "data" may be missing."""


def live_as_party(task: bytes) -> int:
    """Run ``p2pmpc invite`` or ``p2pmpc join``, and return its exit code.

    Args:
        task: JSON, what stands behind ``p2pmpc``.
    """
    app = App(name="p2pmpc")
    app.command(run_invite, name="invite")
    app.command(run_join, name="join")
    code = app(json.loads(task), exit_on_error=False, result_action="return_value")
    return int(code or 0)


def main() -> None:
    """Run the zygote."""
    for name in _LATE:
        with contextlib.suppress(ImportError):  # the party that needs it says so
            importlib.import_module(name)
    Zygote(socket.socket(fileno=int(sys.argv[1])), live_as_party).serve()
    leave_at_once(0)


if __name__ == "__main__":
    main()
