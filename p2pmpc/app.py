"""How every command line of this project is parsed: usage errors end with 2, codes are returned."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError, Token

from p2pmpc.errors import P2PMPCError, ResourceExhausted, exit_code_of


def whole_number(_type: object, tokens: Sequence[Token]) -> int:
    """Read an option's whole number; the parser alone would round 0.5 to 0.

    Raises:
        ValueError: It is none; the parser then shows which option it was.
    """
    text = tokens[0].value
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def show_error(error: P2PMPCError) -> int:
    """Show an error of a command that reveals nothing to anybody, and return the exit code."""
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  next: {error.hint}\n")
    return exit_code_of(error)


def leave_at_once(code: int) -> None:
    """End the process without taking the interpreter apart, which costs a peer 0.1 s for nothing.

    Args:
        code: The exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_app(app: App, *, leave: Callable[[int], None] = sys.exit) -> None:
    """Parse the process's command line, run the command, and exit with the code that it returns.

    Args:
        app: The command or group of commands.
        leave: How to exit.
    """
    try:
        code = app(
            sys.argv[1:],
            exit_on_error=False,
            print_error=True,
            result_action="return_value",
        )
    except CycloptsError:
        sys.exit(2)
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        sys.stderr.write(f"error: the output cannot be written: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ResourceExhausted.exit_code)
    leave(code if isinstance(code, int) else 0)
