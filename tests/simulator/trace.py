"""Who did what in a run, in one canonical text.

Two runs have the same trace when every peer did the same, in the same order among all peers: took
the same bytes from the same peer, said the same bytes to the same peers, and ended alike. When it
did so is left out, since a driver need not know any time; and so is how the bytes travelled.
"""

from __future__ import annotations

from hashlib import blake2b

from p2pmpc.frames import Frame

Line = tuple[float, int, str, int, Frame | str]
"""Time, peer, event, the other peer or 0, and the message or any detail."""


class Trace:
    """Collects what happens; digests are made only when somebody reads them."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def text(self, *, times: bool = False) -> str:
        """Return one line an event, with the digest of every message.

        Args:
            times: Begin each line with its virtual time, for people.
        """
        return "\n".join(
            (f"{line[0]:10.6f}  " if times else "") + _shown(line, _digest(line[4]))
            for line in self.lines
        )

    def shape(self) -> str:
        """Return the same with messages numbered as they appear, in place of their digests.

        Hybrid encryption takes its randomness from the operating system, so the bytes of no two real
        runs are alike; their shapes are.
        """
        numbers: dict[str, str] = {}
        shown = []
        for line in self.lines:
            digest = _digest(line[4])
            if isinstance(line[4], Frame):
                digest = numbers.setdefault(digest, f"#{len(numbers)}")
            shown.append(_shown(line, digest))
        return "\n".join(shown)


def _digest(what: Frame | str) -> str:
    if isinstance(what, str):
        return what
    numbers = bytes([what.kind]) + what.round.to_bytes(4, "big")
    return blake2b(numbers + what.signature + what.body, digest_size=8).hexdigest()


def _shown(line: Line, digest: str) -> str:
    _, peer, event, other, what = line
    kind = f" {what.kind.name}" if isinstance(what, Frame) else ""
    return f"{peer} {event}{kind}{f' {other}' if other else ''} {digest}".rstrip()
