"""How every command line of this project is parsed: usage errors end with 2, codes are returned."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError


def run_app(app: App, arguments: Sequence[str] | None = None) -> None:
    """Parse a command line, run the command, and exit with the code that it returns.

    Args:
        app: The command or group of commands.
        arguments: Without the program's name; those of the process by default.
    """
    try:
        code = app(
            list(sys.argv[1:] if arguments is None else arguments),
            exit_on_error=False,
            print_error=True,
            result_action="return_value",
        )
    except CycloptsError:
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
