"""Public weights: how they are written, which are allowed, and what follows from their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from p2pmpc.errors import InputRefused

LARGEST_WEIGHT: Final = (1 << 31) - 2
"""|w| < 2^31 - 1, so that a weighted 31-bit element fits 62 bits."""

FEWEST_CONTRIBUTORS: Final = 3


def parse_weight(text: str) -> int:
    """Read a weight as a person writes it.

    Args:
        text: An integer, with or without sign.

    Raises:
        InputRefused: It is no integer, zero or too large.
    """
    try:
        weight = int(text)
    except ValueError:
        raise InputRefused(
            f"the weight {text!r} is not an integer",
            hint="weights are whole numbers; scale them, e.g. 0.5, 1.5 becomes 1, 3",
        ) from None
    return check_weight(weight)


def check_weight(weight: int) -> int:
    """Return a weight that is allowed.

    Raises:
        InputRefused: It is zero or too large.
    """
    if weight == 0:
        raise InputRefused(
            "a weight of 0 contributes nothing",
            hint="give a weight other than 0, or leave this peer out of the sum",
        )
    if abs(weight) > LARGEST_WEIGHT:
        raise InputRefused(
            f"the weight {weight} is too large: magnitudes end at {LARGEST_WEIGHT}",
            hint="divide all weights by a common factor",
        )
    return weight


def total_magnitude(weights: Sequence[int]) -> int:
    """Return the sum of |w_i|, which the bit budget and the accumulators need."""
    return sum(abs(weight) for weight in weights)


def opening_threshold(contributors: int) -> int:
    """Return t = floor(n/2) + 1: how many peers open a missing peer's mask."""
    return contributors // 2 + 1


def check_contributors(contributors: int, *, allow_two: bool) -> None:
    """Refuse sums among too few.

    Raises:
        InputRefused: There are fewer than three contributors and two are not explicitly allowed.
    """
    if contributors >= FEWEST_CONTRIBUTORS or (contributors == 2 and allow_two):
        return
    if contributors == 2:
        raise InputRefused(
            "with two contributors each learns the other's input: it is the total minus one's own",
            hint="add a third peer, or say --allow-two at both if that is meant",
        )
    raise InputRefused(
        f"a sum needs at least {FEWEST_CONTRIBUTORS} contributors, not {contributors}",
        hint="start the founder with --peers 3 or more",
    )
