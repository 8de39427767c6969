"""How a run ended, and how that is shown: on stdout for people, as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from p2pmpc.encoding import format_scaled
from p2pmpc.errors import P2PMPCError

SHOWN_VALUES = 16
"""Longer totals are shown shortened to people; --json and --output hold all."""
_MEAN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verified total.

    Args:
        total: In scaled units.
        fraction_bits: f.
        total_weight: The sum of the weights, signs included.
        private_weights: Whether nothing but their sum is known of the weights.
        agreed: Names of the peers that confirmed it.
        missing: Names of those that did not.
        transcript: The transcript's digest, hex.
        log_dir: Where the files are.
        trouble: What went wrong after the total was known, if anything did.
    """

    total: tuple[int, ...] = field(repr=False)
    fraction_bits: int
    total_weight: int
    agreed: tuple[str, ...]
    missing: tuple[str, ...]
    transcript: str
    log_dir: str
    private_weights: bool = False
    trouble: P2PMPCError | None = None

    @property
    def total_texts(self) -> list[str]:
        """The total as exact decimal texts."""
        return [format_scaled(value, self.fraction_bits) for value in self.total]

    @property
    def mean_texts(self) -> list[str] | None:
        """The weighted mean, to 12 significant digits; None when the weights sum to zero."""
        if self.total_weight == 0:
            return None
        divisor = self.total_weight << self.fraction_bits
        return [format_fraction(Fraction(value, divisor)) for value in self.total]

    def as_json(self) -> str:
        """Return one JSON object: integers as integers, fixed-point values as decimal texts."""
        content: dict[str, Any] = {
            "total": json_values(self.total, self.fraction_bits),
            "mean": self.mean_texts,
            "total_weight": self.total_weight,
            "agreed": list(self.agreed),
            "missing": list(self.missing),
            "transcript": self.transcript,
            "log_dir": self.log_dir,
        }
        return json.dumps(content)

    def as_text(self) -> str:
        """Return the lines that people read."""
        peers = len(self.agreed) + len(self.missing)
        agreed = f"{len(self.agreed)} of {peers}"
        if self.missing:
            agreed += f" (missing: {', '.join(self.missing)})"
        mean = self.mean_texts
        lines = [
            f"total          {shortened(self.total_texts)}",
            f"weighted mean  {'undefined (the weights sum to zero)' if mean is None else shortened(mean)}",
            f"agreed         {agreed}",
            f"transcript     {self.transcript}",
        ]
        if self.private_weights:
            lines.insert(1, f"total weight   {self.total_weight} (of private weights)")
        return "\n".join(lines)


def json_values(values: tuple[int, ...], fraction_bits: int) -> list[int] | list[str]:
    """Return scaled values as JSON holds them."""
    if fraction_bits == 0:
        return list(values)
    return [format_scaled(value, fraction_bits) for value in values]


def shortened(texts: list[str]) -> str:
    """Return a vector for a line of text, shortened when it is long."""
    if len(texts) <= SHOWN_VALUES:
        return " ".join(texts)
    return f"{' '.join(texts[:SHOWN_VALUES])} ... ({len(texts)} values; --output FILE holds all)"


def format_fraction(value: Fraction) -> str:
    """Return a fraction as a decimal text: exact where that is short, else to 12 digits."""
    if value.denominator == 1:
        return str(value.numerator)
    text = f"{float(value):.{_MEAN_DIGITS}g}"
    if "e" in text or "." not in text:
        return text
    return text.rstrip("0").rstrip(".")
