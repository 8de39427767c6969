"""Where a peer's own numbers come from: the command line, the environment, a file, or a draw."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np

from p2pmpc.contents import BytesContent, content_of_descriptor
from p2pmpc.encoding import Scaled
from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.prg import CHUNK
from p2pmpc.shamir import Entropy, uniform_below
from p2pmpc.sources import (
    Numbers,
    ScaledNumbers,
    Watch,
    numbers_of,
    numbers_of_bytes,
    numbers_of_file,
    unwatched,
)
from p2pmpc.weights import parse_weight

VARIABLE = "P2PMPC_VALUE"
WEIGHT_VARIABLE = "P2PMPC_WEIGHT"
LARGEST_DRAWN = 1000
"""Drawn demonstration values stay readable: at most this, in whole units."""


def read_numbers(value: str | None, file: str | None, watch: Watch = unwatched) -> Numbers | None:
    """Read this peer's input, and remove it from the environment.

    Args:
        value: Of ``--value``.
        file: Of ``--input``; ``-`` is standard input.
        watch: Told how far the reading is.

    Returns:
        The numbers; None when none were given.

    Raises:
        ConfigurationError: More than one source is named.
        InputRefused: The content cannot be used, with its place.
    """
    variable = os.environ.pop(VARIABLE, None)
    given = [source for source in (value, file, variable) if source is not None]
    if len(given) > 1:
        raise ConfigurationError(
            "the input is given more than once",
            hint=f"use one of --value, --input and {VARIABLE}",
        )
    if value is not None:
        return numbers_of_bytes(value.encode(), "--value")
    if variable is not None:
        return numbers_of_bytes(variable.encode(), VARIABLE)
    if file is None:
        return None
    if file == "-":
        return _read_standard_input(watch)
    return numbers_of_file(file, watch)


def _read_standard_input(watch: Watch) -> Numbers:
    """Return the numbers of standard input: streamed when it is a file, else held as they came."""
    source = "standard input"
    content = content_of_descriptor(sys.stdin.fileno(), source) if _has_descriptor() else None
    return numbers_of(content or BytesContent(sys.stdin.buffer.read(), source), watch)


def _has_descriptor() -> bool:
    try:
        return sys.stdin.fileno() >= 0
    except (AttributeError, OSError, ValueError):
        return False


def read_weight(weight: int | None) -> tuple[int | None, bool]:
    """Read this peer's weight, and remove it from the environment.

    Args:
        weight: Of ``--weight``.

    Returns:
        The weight, None when none was given; and whether others on this machine could see it.

    Raises:
        ConfigurationError: It is given twice, or is no weight.
    """
    variable = os.environ.pop(WEIGHT_VARIABLE, None)
    if variable is None:
        return weight, weight is not None
    if weight is not None:
        raise ConfigurationError(
            "the weight is given more than once", hint=f"use --weight or {WEIGHT_VARIABLE}"
        )
    try:
        return parse_weight(variable), False
    except InputRefused as error:
        raise ConfigurationError(f"{WEIGHT_VARIABLE}: {error.message}", hint=error.hint) from None


def draw_numbers(length: int, bound: int, fraction_bits: int, entropy: Entropy) -> Numbers:
    """Return demonstration values within the bound, drawn anew whenever they are read.

    Args:
        length: How many.
        bound: The agreed bound, in scaled units.
        fraction_bits: f.
        entropy: The operating system's.
    """
    limit = min(bound, LARGEST_DRAWN << fraction_bits)

    def make() -> Iterator[Scaled]:
        for start in range(0, length, CHUNK):
            size = min(CHUNK, length - start)
            # Not exactly uniform, since 63 bits are taken modulo the range: these are made-up data.
            words = np.frombuffer(entropy(8 * size), dtype="<u8") >> np.uint64(1)
            yield (words % np.uint64(2 * limit + 1)).astype(np.int64) - np.int64(limit)

    return ScaledNumbers("drawn numbers", length, fraction_bits, make)


def draw_weight(entropy: Entropy) -> int:
    """Draw a demonstration weight, 1..10."""
    return 1 + uniform_below(10, entropy)
