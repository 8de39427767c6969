"""What each peer remembers of the inputs that a sum may have opened, to refuse differencing.

Two totals over rosters that differ by one peer differ by that peer's input. So an input that took part
in a sum that may have been opened takes part again only with the same contributors and proportional
weights. The ledger holds no input: each line has a digest keyed with the peer's own secret, and says
with whom and under which weights. It is kept beside the key, and written before an ECHO leaves.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import gcd

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.hashing import label

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One sum that may have opened an input.

    Args:
        input: Keyed digest of the input, hex.
        session: The session id, hex.
        ids: The contributors' IDs, hex, in roster order.
        weights: Their weights, in the same order.
        accepted: Whether this line was written although it differences an earlier one.
    """

    input: str
    session: str
    ids: tuple[str, ...]
    weights: tuple[int, ...]
    accepted: bool = False

    def is_like(self, other: LedgerLine) -> bool:
        """Return whether another sum tells nothing new: same contributors, proportional weights."""
        return self.ids == other.ids and _reduced(self.weights) == _reduced(other.weights)


def _reduced(weights: Sequence[int]) -> tuple[int, ...]:
    """Return weights without their common factor, the first one positive."""
    factor = gcd(*weights) or 1
    sign = -1 if weights and weights[0] < 0 else 1
    return tuple(sign * weight // factor for weight in weights)


def input_digest(key: bytes, values: bytes, fraction_bits: int) -> str:
    """Return the keyed digest of an input.

    Args:
        key: A secret of this peer's, so that nobody else can try inputs against the ledger.
        values: The scaled values, 8 bytes each, little-endian.
        fraction_bits: f; the same numbers in another scale are told apart.
    """
    message = label("ledger input") + fraction_bits.to_bytes(1, "big") + values
    return hmac.new(key, message, sha256).hexdigest()


def check_differencing(
    lines: Sequence[LedgerLine], new: LedgerLine, *, accepted: bool
) -> LedgerLine:
    """Refuse a sum whose total, with an earlier one, would speak of single inputs.

    Args:
        lines: The ledger.
        new: The sum about to begin.
        accepted: Whether ``--accept-differencing`` was given.

    Returns:
        The line to write, which records whether differencing was accepted.

    Raises:
        InputRefused: An earlier sum had this input with other contributors or weights.
    """
    earlier = [line for line in lines if line.input == new.input and not line.is_like(new)]
    if not earlier:
        return new
    if accepted:
        return LedgerLine(new.input, new.session, new.ids, new.weights, accepted=True)
    old = earlier[-1]
    came = sorted(set(new.ids) - set(old.ids))
    left = sorted(set(old.ids) - set(new.ids))
    what = "the weights changed"
    if came or left:
        parts = [f"{i[:8]} is new" for i in came] + [f"{i[:8]} is gone" for i in left]
        what = ", ".join(parts)
    raise InputRefused(
        f"this input was summed before, in session {old.session[:16]}, and now {what}: the "
        "difference of the two totals would speak of single inputs",
        hint="sum again only with the same peers and weights; --accept-differencing overrides and "
        "is written down",
    )


def parse_ledger(text: str, source: str) -> list[LedgerLine]:
    """Read a ledger.

    Raises:
        ConfigurationError: A line is not one of a ledger; nothing is guessed.
    """
    return [_parse_line(line, f"{source}:{k}") for k, line in enumerate(text.splitlines(), 1)]


def _parse_line(text: str, place: str) -> LedgerLine:
    try:
        fields = json.loads(text)
        line = LedgerLine(
            input=fields["input"],
            session=fields["session"],
            ids=tuple(fields["ids"]),
            weights=tuple(fields["weights"]),
            accepted=fields["accepted"],
        )
        hexes = (line.input, line.session, *line.ids)
        sound = (
            all(_HEX.fullmatch(value) for value in hexes)
            and all(type(weight) is int for weight in line.weights)
            and len(line.ids) == len(line.weights) > 0
            and type(line.accepted) is bool
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ConfigurationError(
            f"{place}: this is no line of a ledger",
            hint="restore the ledger from a copy; without it past sums cannot be held against "
            "new ones",
        )
    return line


def render_line(line: LedgerLine) -> str:
    """Return a line as it is written."""
    return json.dumps(asdict(line), separators=(",", ":")) + "\n"
