"""The errors a person or a script can meet, and the exit code each one ends the program with.

Rules:

1. Everything raised on purpose derives from :class:`P2PMPCError`; anything else that escapes is a
   bug in this program and ends it with 1.
2. An error says what happened, which peers it concerns, what it reveals about the data and what to
   do next. It never carries a value, share, seed or mask.
3. Blame is decided once: code that reads bytes of a peer raises :class:`RemoteProtocolError`
   without a name, and the boundary that knows whose bytes they were adds it (:meth:`blaming`).
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Self


class Revealed(Enum):
    """What an ended run has told others about this peer's input."""

    NOTHING = "nothing about your data was revealed"
    EARLIER = "of this round nothing; the totals of earlier rounds were opened, so sum again only with everyone"
    MAYBE_TOTAL = (
        "the total may have been opened by others; run this sum again only with the same peers "
        "and the same input"
    )
    TOTAL = "the total was opened, and nothing beyond it"


class P2PMPCError(Exception):
    """The base of every error this package raises on purpose.

    Args:
        message: What happened, where and why, in one sentence without a final stop.
        hint: What to do next.
        peers: The roster indices the error is about, where there are any.
        revealed: What others have learned.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        peers: tuple[int, ...] = (),
        revealed: Revealed = Revealed.NOTHING,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.peers = peers
        self.revealed = revealed
        self.is_anothers = False
        """Whether another peer told of it: then its words are not about this one."""

    def blaming(self, *peers: int) -> Self:
        """Set the peers an error is about, and return the same error."""
        self.peers = peers
        return self

    def restated(self, message: str) -> Self:
        """Say the same in other words, and return the same error."""
        self.args, self.message = (message,), message
        return self

    @property
    def revealed_text(self) -> str:
        """What is said of it: also whether to run again, where it is not that which is refused."""
        if self.revealed is Revealed.NOTHING and not isinstance(self, InputRefused):
            return f"{self.revealed.value}; running again is safe"
        return self.revealed.value

    def describe(self) -> str:
        """Return the lines a person reads: what, what was revealed, what next."""
        lines = [f"error: {self.message}", f"  revealed: {self.revealed_text}"]
        if self.hint:
            lines.append(f"  next: {self.hint}")
        return "\n".join(lines)


class LocalProtocolError(P2PMPCError):
    """This program broke its own rules: a bug here, never the fault of a peer."""

    exit_code = 1


class ConfigurationError(P2PMPCError):
    """An option, a file name or an address that cannot be used."""

    exit_code = 2


class PeerMissing(P2PMPCError):
    """A peer that is gone, unreachable or too late."""

    exit_code = 3


class RemoteProtocolError(P2PMPCError):
    """A peer said something that no honest peer says."""

    exit_code = 4


class VerificationFailed(P2PMPCError):
    """A total, a transcript or a log that does not hold. No number is printed."""

    exit_code = 5


class AgreementFailed(P2PMPCError):
    """Identities, roster, weights or parameters that differ between peers."""

    exit_code = 6


class ResourceExhausted(P2PMPCError):
    """Disk, descriptors or memory that ran out."""

    exit_code = 7


class InputRefused(P2PMPCError):
    """An input, or a policy about inputs, that this peer will not share under."""

    exit_code = 8


class Declined(InputRefused):
    """The person at the terminal does not take part; the others are told so."""


class Interrupted(P2PMPCError):
    """A signal ended the run; the exit code is 128 plus its number.

    Args:
        signal_number: SIGINT (2) or SIGTERM (15).
        revealed: What others have learned.
    """

    def __init__(self, signal_number: int, revealed: Revealed = Revealed.NOTHING) -> None:
        super().__init__(f"stopped by signal {signal_number}", revealed=revealed)
        self.signal_number = signal_number


_BY_CODE: dict[int, type[P2PMPCError]] = {
    error.exit_code: error
    for error in (
        PeerMissing,
        RemoteProtocolError,
        VerificationFailed,
        AgreementFailed,
        InputRefused,
    )
}


def exit_code_of(error: P2PMPCError) -> int:
    """Return the exit code an error ends the program with."""
    if isinstance(error, Interrupted):
        return 128 + error.signal_number
    return error.exit_code


def error_for_code(code: int) -> type[P2PMPCError]:
    """Return the class for a code another peer ended with; unknown codes mean that it is gone."""
    return _BY_CODE.get(code, PeerMissing)
