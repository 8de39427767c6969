"""How a run ended, and how that is shown: on stdout for people, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from p2pmpc.encoding import format_scaled
from p2pmpc.errors import ConfigurationError, P2PMPCError
from p2pmpc.totals import OpenedTotal, format_quotient

SHOWN_VALUES: Final = 16
"""Longer totals are shown shortened to people; --output holds all."""
MOST_IN_JSON: Final = 1 << 20
"""Longer totals are null in JSON."""
MOST_BESIDE_A_FILE: Final = 1 << 16
"""Likewise where --output holds the total anyway."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verified total.

    Args:
        total: The total.
        total_weight: The sum of the weights, signs included.
        private_weights: Whether nothing but their sum is known of the weights.
        agreed: Names of the peers that confirmed it.
        missing: Names of those that did not.
        transcript: The transcript's digest, hex.
        log_dir: Where the files are.
        output: The file that was to hold the total, where one was asked for.
        round: Which sum of the session it is, from 1.
        rounds: How many there are; 0 where that is open.
        trouble: What went wrong after the total was known, if anything did.
    """

    total: OpenedTotal = field(repr=False)
    total_weight: int
    agreed: tuple[str, ...]
    missing: tuple[str, ...]
    transcript: str
    log_dir: str
    private_weights: bool = False
    output: str | None = None
    round: int = 1
    rounds: int = 1
    trouble: P2PMPCError | None = None

    def as_json(self) -> str:
        """Return one JSON object: integers as integers, fixed-point values as decimal texts."""
        return "".join(self.json_pieces())

    def json_pieces(self) -> Iterator[str]:
        """Yield the same in pieces: a total of a million numbers makes a text of 30 MB."""
        held = self.output is not None and self.trouble is None
        shown = self.total.length <= (MOST_BESIDE_A_FILE if held else MOST_IN_JSON)
        bits, weight = self.total.fraction_bits, self.total_weight
        yield '{"total": '
        yield from self._array(lambda value: _json_value(value, bits)) if shown else ("null",)
        yield ', "mean": '
        divisor = weight << bits
        if shown and weight != 0:
            yield from self._array(lambda value: f'"{format_quotient(value, divisor)}"')
        else:
            yield "null"
        content = {
            "total_weight": weight,
            "agreed": list(self.agreed),
            "missing": list(self.missing),
            "transcript": self.transcript,
            "log_dir": self.log_dir,
            "length": self.total.length,
            "output": self.output,
            "round": self.round,
            "rounds": self.rounds,
        }
        yield f", {json.dumps(content)[1:]}"

    def _array(self, shown: Callable[[int], str]) -> Iterator[str]:
        separator = "["
        for block in self.total.blocks():
            yield separator + ", ".join(map(shown, block.tolist()))
            separator = ", "
        yield "]"

    def as_text(self) -> str:
        """Return the lines that people read."""
        peers = len(self.agreed) + len(self.missing)
        agreed = f"{len(self.agreed)} of {peers}"
        if self.missing:
            agreed += f" (missing: {', '.join(self.missing)})"
        length, where = self.total.length, self.output or "--output FILE"
        mean = self.total.means(self.total_weight, SHOWN_VALUES)
        shown = (
            "undefined (the weights sum to zero)"
            if mean is None
            else shortened(mean, length, where)
        )
        lines = [
            f"total          {shortened(self.total.texts(SHOWN_VALUES), length, where)}",
            f"weighted mean  {shown}",
            f"agreed         {agreed}",
            f"transcript     {self.transcript}",
        ]
        if self.rounds != 1:
            of = f" of {self.rounds}" if self.rounds else ""
            lines.insert(0, f"round          {self.round}{of}")
        if self.private_weights:
            lines.insert(-3, f"total weight   {self.total_weight} (of private weights)")
        return "\n".join(lines)


def check_shown(length: int, *, as_json: bool, output: str | None) -> None:
    """Refuse a total that nothing would show, before anything leaves.

    Raises:
        ConfigurationError: It is too long for JSON, and no file is named.
    """
    if as_json and output is None and length > MOST_IN_JSON:
        raise ConfigurationError(
            f"a total of {length} numbers is too long for --json, which prints up to {MOST_IN_JSON}",
            hint="name a file with --output; --json then prints the rest",
        )


def json_values(values: Sequence[int], fraction_bits: int) -> list[int] | list[str]:
    """Return scaled values as JSON holds them."""
    if fraction_bits == 0:
        return list(values)
    return [format_scaled(value, fraction_bits) for value in values]


def _json_value(value: int, fraction_bits: int) -> str:
    return str(value) if fraction_bits == 0 else f'"{format_scaled(value, fraction_bits)}"'


def shortened(texts: Sequence[str], length: int, where: str) -> str:
    """Return a vector for a line of text, shortened when it is long.

    Args:
        texts: Its first values, SHOWN_VALUES of them where it has so many.
        length: How many it has.
        where: What holds all of them.
    """
    if length <= SHOWN_VALUES:
        return " ".join(texts)
    return f"{' '.join(texts[:SHOWN_VALUES])} ... ({length} values; {where} holds all)"
