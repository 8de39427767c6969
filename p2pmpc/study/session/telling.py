"""What a study tells people on standard error while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from p2pmpc.progress import TextLines
from p2pmpc.study.model import Study
from p2pmpc.study.session.invitation import Invitation


class StudyLines:
    """Writes the lines of a node's progress, in the words of a study.

    Args:
        file: Standard error.
        study: The study.
        invite: Given the invitation, once this peer has founded the session.
        asks: The roster is part of a question that is asked.
    """

    def __init__(
        self,
        file: TextIO,
        study: Study,
        invite: Callable[[Invitation], None],
        *,
        asks: bool = False,
    ) -> None:
        self._file = file
        self._study = study
        self._invite = invite
        self._lines = TextLines(file)
        self._asks = asks

    def tell(self, event: str, **fields: object) -> None:
        """Write the lines of one event."""
        match event:
            case "founded":
                address, _, identifier = str(fields["bootstrap"]).partition("#")
                self._invite(Invitation.parse(f"{address}#{identifier}/{self._study.digest.hex()}"))
            case "study" if fields["step"] == "counts":
                self._say("... first round: how many rows each group has")
            case "study":
                of = f" of {fields['shown']} of {fields['groups']} groups"
                self._say(f"... second round: the sums{of if fields['groups'] != 1 else ''}")
            case "roster" if self._asks:
                pass  # the question shows it
            case _:
                self._lines.tell(event, **fields)

    def _say(self, line: str) -> None:
        print(line, file=self._file, flush=True)
