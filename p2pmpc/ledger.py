"""The sums that an input may have been opened in, and what another one would give away.

Two sums of one input among different peers, or with other weights, are more than two sums: their
difference speaks of few inputs, at worst of one. So each peer remembers every input that a sum may
have opened, as a digest under a key of its own, and takes part with it again only in the same sum.

What is held here is one peer's own memory. It knows nothing of other peers' inputs, and an input that
was changed, if only by rounding, is another input.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from p2pmpc.encoding import Floats
from p2pmpc.errors import InputRefused
from p2pmpc.hashing import DIGEST_BYTES, label
from p2pmpc.identity import ID_BYTES, short_id
from p2pmpc.messages import is_display_text
from p2pmpc.session import Session
from p2pmpc.weights import LARGEST_WEIGHT

FORMAT: Final = "p2pmpc-ledger 1"
_LONGEST_DATE: Final = 32
_MEMBERS: Final = ("date", "session", "input", "contributors", "weights", "own_weight", "accepted")


@dataclass(frozen=True, slots=True)
class OpenedSum:
    """One sum that may have been opened.

    Args:
        date: When, as the shell writes it; for people.
        session: The session id.
        input: Keyed digest of this peer's input.
        contributors: IDs, ascending.
        weights: Theirs, in the same order; None where weights are private.
        own_weight: Keyed digest of this peer's weight, where weights are private.
        accepted: Whether this sum was let through although it differs from an earlier one.
    """

    date: str
    session: bytes
    input: bytes
    contributors: tuple[bytes, ...]
    weights: tuple[int, ...] | None
    own_weight: bytes | None
    accepted: bool = False

    @classmethod
    def of(
        cls,
        session: Session,
        digest: bytes,
        weight: int,
        key: bytes,
        *,
        date: str,
    ) -> OpenedSum:
        """Return the entry of a sum.

        Args:
            session: Whose input is to be summed with whose.
            digest: Of this peer's input, by :class:`InputDigest`.
            weight: This peer's.
            key: 32 bytes that only this peer has, so that nobody can try values out on a digest.
            date: Of today.
        """
        private = session.parameters.private_weights
        return cls(
            date=date,
            session=session.id,
            input=digest,
            contributors=tuple(session.member(index).id for index in session.contributors),
            weights=None if private else session.weights,
            own_weight=keyed_digest(key, "ledger weight", str(weight).encode())
            if private
            else None,
        )

    def is_same_sum(self, other: OpenedSum) -> bool:
        """Return whether two sums of one input say nothing more together than each alone."""
        if self.contributors != other.contributors:
            return False
        if self.weights is None or other.weights is None:
            return self.own_weight is not None and self.own_weight == other.own_weight
        return _are_proportional(self.weights, other.weights)


def keyed_digest(key: bytes, name: str, data: bytes) -> bytes:
    """Return a digest that only this peer can make, so that nobody can try values out on it.

    Args:
        key: 32 bytes.
        name: What it is of.
        data: That.
    """
    return hmac.digest(key, label(name) + data, "sha256")


class InputDigest:
    """The keyed digest of an input: the same whatever field and fraction bits carry it.

    The founder chooses how values are rounded, so a digest of rounded values would let a founder
    have one input summed as two.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._digest = hmac.new(key, label("ledger input"), "sha256")

    def add(self, values: Floats) -> None:
        """Take the next values, as they were read: before anything rounds or multiplies them."""
        plain = values + 0.0  # -0.0 is 0.0
        self._digest.update(plain.astype("<f8").tobytes())

    def digest(self) -> bytes:
        """Return the digest of all values so far; how they were cut into blocks is no part of it."""
        return self._digest.digest()


def _are_proportional(one: Sequence[int], two: Sequence[int]) -> bool:
    return all(a * two[0] == b * one[0] for a, b in zip(one, two, strict=True))


def check_differencing(
    earlier: Sequence[OpenedSum], entry: OpenedSum, names: Mapping[bytes, str], *, accept: bool
) -> OpenedSum:
    """Refuse a sum that together with an earlier one would say more than a sum.

    Args:
        earlier: The ledger.
        entry: The sum to come.
        names: What the present members are called, by ID.
        accept: Take the risk; the entry then says so.

    Returns:
        The entry to write.

    Raises:
        InputRefused: Says what an attacker would learn from both.
    """
    sums = [known for known in earlier if known.input == entry.input]
    if not sums or any(known.is_same_sum(entry) for known in sums):
        return entry
    if accept:
        return replace(entry, accepted=True)
    raise InputRefused(
        f"this input may have been opened in another sum on {sums[0].date}: "
        + _what_both_say(sums[0], entry, names),
        hint="sum again with the same peers and weights, or an input that has changed; "
        "--accept-differencing overrides, and is recorded in the ledger",
    )


def _what_both_say(known: OpenedSum, entry: OpenedSum, names: Mapping[bytes, str]) -> str:
    """Return, in plain words, what an attacker learns from two totals."""
    odd = sorted(set(known.contributors) ^ set(entry.contributors))
    shown = ", ".join(names.get(identifier, short_id(identifier)) for identifier in odd)
    if len(odd) == 1:
        return (
            f"{shown} is in only one of the two, so whoever sees both totals can subtract one from "
            "the other, and what is left is the input of that one peer"
        )
    if odd:
        return (
            f"only {shown} differ between the two, so whoever sees both totals can subtract one "
            f"from the other, and what is left speaks of these {len(odd)} inputs alone"
        )
    return (
        "the same peers with other weights, or with weights that one of the two keeps private, so whoever sees both totals has two equations for the same "
        "inputs; with as many such totals as there are peers every input is known"
    )


# -- as text ------------------------------------------------------------------------------------


def render_ledger(entries: Sequence[OpenedSum]) -> str:
    """Return a ledger's text: its format, then a JSON object a line."""
    return "".join(f"{line}\n" for line in (FORMAT, *map(_line, entries)))


def ledger_json(entries: Sequence[OpenedSum]) -> str:
    """Return a ledger as one JSON array."""
    return json.dumps([_content(entry) for entry in entries])


def ledger_table(entries: Sequence[OpenedSum]) -> str:
    """Return a ledger as people read it: equal inputs have equal numbers."""
    if not entries:
        return "nothing is remembered here, and so nothing would be refused"
    numbers: dict[bytes, int] = {}
    rows = ["input  date                  session   contributors (weights)"]
    for entry in entries:
        number = numbers.setdefault(entry.input, len(numbers) + 1)
        weights = entry.weights or ("private",) * len(entry.contributors)
        who = ", ".join(
            f"{short_id(identifier)} ({weight})"
            for identifier, weight in zip(entry.contributors, weights, strict=True)
        )
        note = "  differencing accepted" if entry.accepted else ""
        rows.append(f"{number:>5}  {entry.date:<20}  {entry.session.hex()[:8]}  {who}{note}")
    return "\n".join(rows)


def _line(entry: OpenedSum) -> str:
    return json.dumps(_content(entry))


def _content(entry: OpenedSum) -> dict[str, Any]:
    own_weight = entry.own_weight.hex() if entry.own_weight is not None else None
    return {
        "date": entry.date,
        "session": entry.session.hex(),
        "input": entry.input.hex(),
        "contributors": [identifier.hex() for identifier in entry.contributors],
        "weights": None if entry.weights is None else list(entry.weights),
        "own_weight": own_weight,
        "accepted": entry.accepted,
    }


def parse_ledger(text: str) -> tuple[OpenedSum, ...]:
    """Read a ledger's text.

    Raises:
        ValueError: Says which line is not one.
    """
    head, *lines = text.split("\n")
    if head != FORMAT or lines.pop() != "":
        raise ValueError("line 1: it is not a ledger of this version, or its end is missing")
    entries = []
    for number, line in enumerate(lines, start=2):
        try:
            entries.append(_parse_line(line))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise ValueError(f"line {number}: it is not an entry of a ledger") from None
        if _line(entries[-1]) != line:
            raise ValueError(f"line {number}: it is not written as entries are")
    return tuple(entries)


def _parse_line(line: str) -> OpenedSum:
    content = json.loads(line)
    if list(content) != list(_MEMBERS):
        raise ValueError
    weights, own_weight = content["weights"], content["own_weight"]
    entry = OpenedSum(
        date=str(content["date"]),
        session=_sized(content["session"], DIGEST_BYTES),
        input=_sized(content["input"], DIGEST_BYTES),
        contributors=tuple(_sized(text, ID_BYTES) for text in content["contributors"]),
        weights=None if weights is None else tuple(_weight(weight) for weight in weights),
        own_weight=None if own_weight is None else _sized(own_weight, DIGEST_BYTES),
        accepted=content["accepted"] is True,
    )
    if not is_display_text(entry.date, _LONGEST_DATE):
        raise ValueError
    if not entry.contributors or (entry.weights is None) == (entry.own_weight is None):
        raise ValueError
    if entry.weights is not None and len(entry.weights) != len(entry.contributors):
        raise ValueError
    return entry


def _sized(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size:
        raise ValueError
    return data


def _weight(value: object) -> int:
    if type(value) is not int or not 0 < abs(value) <= LARGEST_WEIGHT:
        raise ValueError
    return value
