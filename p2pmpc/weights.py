"""Public weights: how they are written, which are allowed, and what follows from their number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
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
        InputRefused: It is no integer, or too large.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text.strip(), re.ASCII):
        raise InputRefused(
            "a weight is not an integer",
            hint="weights are whole numbers; scale them, e.g. 0.5, 1.5 becomes 1, 3",
        )
    return check_weight(int(text))


def check_weight(weight: int) -> int:
    """Return a weight that is allowed; with 0 a peer observes.

    Raises:
        InputRefused: It is too large; it may be private, and is not repeated.
    """
    if abs(weight) > LARGEST_WEIGHT:
        raise InputRefused(
            f"a weight is too large: magnitudes end at {LARGEST_WEIGHT}",
            hint="divide all weights by a common factor",
        )
    return weight


def total_magnitude(weights: Sequence[int]) -> int:
    """Return the sum of |w_i|, which the bit budget and the accumulators need."""
    return sum(abs(weight) for weight in weights)


def check_private_weight(weight: int, bound: int) -> None:
    """Refuse a private weight that is larger than agreed.

    Raises:
        InputRefused: It is; the weight itself is not repeated.
    """
    if abs(weight) > bound:
        raise InputRefused(
            f"this peer's private weight is larger than the agreed bound of {bound}",
            hint="agree on a larger --weight-bound at the founder, or scale all weights down",
        )


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
        f"a sum needs at least {FEWEST_CONTRIBUTORS} contributors, not {contributors}: with one, the "
        "total is its input",
        hint="peers of weight 0 only observe; start the founder with more --peers",
    )


# -- what a total says about its inputs -------------------------------------------------------

COUNTED_VALUES: Final = 1000
"""R_i counts at most this many values: real data use far fewer than a wide bound allows."""

_COMFORTABLE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Exposure:
    """What weights and a bound let a total say.

    Args:
        counted: R, how many values an input is counted to take.
        vectors: How many input vectors there are: R^n.
        totals: How many totals there can be: sum |w_i| * (R - 1) + 1.
        equal: Whether all weights are equal in size.
        exposed: Pairs of a position (from 0) and a factor of all weights but that one.
        unique_pairs: Pairs of positions whose two inputs n-2 colluders could read off.
    """

    counted: int
    vectors: int
    totals: int
    equal: bool
    exposed: tuple[tuple[int, int], ...]
    unique_pairs: tuple[tuple[int, int], ...]

    @property
    def reveals(self) -> bool:
        """Whether there are too few input vectors a total for it not to spell them out."""
        return not self.equal and self.vectors < 2 * self.totals

    @property
    def is_thin(self) -> bool:
        """Whether fewer than 2^16 input vectors share a total on average."""
        return self.vectors < _COMFORTABLE * self.totals


def exposure(weights: Sequence[int], bound: int) -> Exposure:
    """Count what a total under these weights can say about the inputs.

    Args:
        weights: The contributors', none of them 0.
        bound: The largest magnitude of an input, in scaled units.
    """
    counted = min(COUNTED_VALUES, 2 * bound + 1)
    sizes = [abs(weight) for weight in weights]
    exposed = []
    for position in range(len(sizes)):
        factor = gcd(*(size for k, size in enumerate(sizes) if k != position))
        if factor > 1 and sizes[position] % factor:
            exposed.append((position, factor))
    unique = [
        (i, j)
        for i in range(len(sizes))
        for j in range(i + 1, len(sizes))
        # w_i*a + w_j*b = 0 has its smallest solution at a = w_j/g, b = w_i/g: beyond the range no
        # two pairs of inputs share a sum.
        if max(sizes[i], sizes[j]) // gcd(sizes[i], sizes[j]) > counted - 1
    ]
    return Exposure(
        counted=counted,
        vectors=prod([counted] * len(sizes)),
        totals=sum(sizes) * (counted - 1) + 1,
        equal=len(set(sizes)) == 1,
        exposed=tuple(exposed),
        unique_pairs=tuple(unique),
    )


def check_exposure(found: Exposure, names: Sequence[str], *, allowed: bool) -> list[str]:
    """Refuse weights that spell the inputs out, and return the warnings about others.

    Args:
        found: What the weights and the bound let a total say.
        names: The contributors', for messages.
        allowed: Whether the parameters allow revealing weights.

    Returns:
        Warnings, a sentence each.

    Raises:
        InputRefused: A total could spell out every input.
    """
    warnings = []
    if found.reveals:
        reason = (
            f"these weights reveal inputs: with {found.counted} values each there are "
            f"{found.vectors} possible inputs and {found.totals} possible totals, so that whoever "
            "sees the total can work out everybody's input"
        )
        if not allowed:
            raise InputRefused(
                reason,
                hint="use equal or smaller weights, or a wider bound; --allow-revealing-weights at the "
                "founder overrides",
            )
        warnings.append(reason)
    elif found.is_thin:
        warnings.append(
            f"only {found.vectors // found.totals} inputs share a total on average (with "
            f"{found.counted} values each): whoever knows much about the others may guess the rest"
        )
    for position, factor in found.exposed:
        warnings.append(
            f"all weights but that of {names[position]} are divisible by {factor}: the total "
            f"modulo {factor} speaks of its input alone"
        )
    if found.unique_pairs:
        i, j = found.unique_pairs[0]
        more = f" (and {len(found.unique_pairs) - 1} more pairs)" * (len(found.unique_pairs) > 1)
        warnings.append(
            f"if all others collude, the inputs of {names[i]} and {names[j]}{more} can both be read "
            "off the total"
        )
    return warnings
