"""A node that stops itself at a step, as `kill -STOP` would, before its message of that step leaves.

    python -m tests.stopping STEP[:TIME] [the options of a node]

What a test does while it stands still happens at a known point of the protocol; SIGCONT lets it go on.
TIME counts: with 2 it stops when it comes to the step for the second time, as in a second round. With
`--hold STEP` it stops where all that it said before has left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from p2pmpc.node import main
from p2pmpc.progress import TextLines


class Stopping(TextLines):
    """Tells what happens, and stops this process, once, when a step is reached."""

    step = ""
    times = 1

    def tell(self, event: str, **fields: object) -> None:
        """Take an event."""
        super().tell(event, **fields)
        kind = type(self)
        if event == "step" and fields["step"] == kind.step:
            kind.times -= 1
            if kind.times == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
        elif event == "holding":
            os.kill(os.getpid(), signal.SIGSTOP)


_PR_SET_PDEATHSIG = 1


def run() -> None:
    """Run the node of this process's command line."""
    # Nobody would let it go on whose test was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    Stopping.step, _, times = sys.argv.pop(1).partition(":")
    Stopping.times = int(times or 1)
    sys.modules["p2pmpc.node"].TextLines = Stopping  # type: ignore[attr-defined]
    main()


if __name__ == "__main__":
    run()
