"""A node that stops itself at a step, as `kill -STOP` would, before its message of that step leaves.

    python -m tests.stopping STEP [the options of a node]

What a test does while it stands still happens at a known point of the protocol; SIGCONT lets it go on.
"""

from __future__ import annotations

import os
import signal
import sys

from p2pmpc.node import main
from p2pmpc.progress import TextLines


class Stopping(TextLines):
    """Tells what happens, and stops this process, once, when a step is reached."""

    step = ""

    def tell(self, event: str, **fields: object) -> None:
        """Take an event."""
        super().tell(event, **fields)
        if event == "step" and fields["step"] == type(self).step:
            type(self).step = ""
            os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    Stopping.step = sys.argv.pop(1)
    sys.modules["p2pmpc.node"].TextLines = Stopping  # type: ignore[attr-defined]
    main()
