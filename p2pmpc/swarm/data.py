"""Test data of a swarm: drawn or read, and the plain sum that the peers' total is held against."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pmpc.encoding import Numbers, Scaled, format_scaled, parse_scaled
from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.field import FIELDS, M61
from p2pmpc.hashing import label, labelled_hash
from p2pmpc.inputs import LARGEST_DRAWN
from p2pmpc.options import DEFAULT_WEIGHT_BOUND
from p2pmpc.prg import expand
from p2pmpc.shamir import Entropy
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.weights import total_magnitude

_EXACT_IN_A_FLOAT = 1 << 53


@dataclass(frozen=True, slots=True)
class SwarmData:
    """What every peer of a swarm brings.

    Args:
        weights: One a peer.
        values: One row of scaled values a peer.
        fraction_bits: f.
    """

    weights: tuple[int, ...]
    values: tuple[Scaled, ...]
    fraction_bits: int

    @property
    def length(self) -> int:
        """Elements of every vector."""
        return int(self.values[0].size)

    def expected(self) -> tuple[int, ...]:
        """Return the plain weighted sum, in scaled units: what the peers must find without us."""
        largest = max(int(np.abs(row).max()) for row in self.values)
        if total_magnitude(self.weights) * largest < 1 << 62:
            total = np.zeros(self.length, dtype=np.int64)
            for weight, row in zip(self.weights, self.values, strict=True):
                total += weight * row
            return tuple(int(v) for v in total)
        columns = zip(*(row.tolist() for row in self.values), strict=True)
        return tuple(
            sum(w * v for w, v in zip(self.weights, column, strict=True)) for column in columns
        )

    def numbers(self, peer: int) -> Numbers:
        """Return the input of a peer, from 1, as a node takes it."""
        return Numbers.from_bytes(self.as_bytes(peer), f"test data of peer {peer}")

    def as_bytes(self, peer: int) -> bytes:
        """Return the input of a peer as it is written to its standard input."""
        row = self.values[peer - 1]
        if self.fraction_bits and int(np.abs(row).max()) >= _EXACT_IN_A_FLOAT:
            return "\n".join(format_scaled(int(v), self.fraction_bits) for v in row).encode()
        exact = row if not self.fraction_bits else np.ldexp(row.astype(float), -self.fraction_bits)
        buffer = io.BytesIO()
        np.save(buffer, exact, allow_pickle=False)
        return buffer.getvalue()


def make_data(count: int, options: SwarmOptions, entropy: Entropy) -> SwarmData:
    """Read or draw the test data.

    Args:
        count: Peers.
        options: Of the swarm.
        entropy: Seeds the draw when --seed does not.

    Raises:
        ConfigurationError: A file that cannot be read, or a wrong number of rows or weights.
        InputRefused: A value that is none, with its place.
    """
    fraction_bits = options.fraction_bits
    if not 0 <= fraction_bits <= 52:
        raise ConfigurationError("--fraction-bits is 0..52")
    seed = entropy(32)
    if options.seed is not None:
        seed = labelled_hash("swarm test data", str(options.seed).encode())
    weights = options.weight_list(count)
    if weights is None:
        draws = expand(seed, b"", label("test weights"), M61, count)
        weights = [1 + int(v) % 10 for v in draws]
    if options.values is not None:
        given = _read_rows(Path(options.values), count, fraction_bits)
        if options.length not in (None, given[0].size):
            raise ConfigurationError(
                f"--length {options.length} and rows of {given[0].size} values in {options.values}"
            )
        return SwarmData(tuple(weights), tuple(given), fraction_bits)
    length = 1 if options.length is None else options.length
    if length < 1:
        raise ConfigurationError("--length is at least 1")
    limit = _largest_value(options, weights)
    rows: list[Scaled] = []
    for peer in range(1, count + 1):
        draws = expand(seed, b"", label("test values") + peer.to_bytes(2, "big"), M61, length)
        rows.append((draws % np.uint64(2 * limit + 1)).astype(np.int64) - np.int64(limit))
    return SwarmData(tuple(weights), tuple(rows), fraction_bits)


def _largest_value(options: SwarmOptions, weights: Sequence[int]) -> int:
    """Return the largest magnitude to draw: within the bound, readable, and sure to fit."""
    together = total_magnitude(weights) or 1
    if options.private_weights:
        together = DEFAULT_WEIGHT_BOUND * len(weights)
    fitting = FIELDS[options.field].largest_magnitude // together
    limit = min(fitting, LARGEST_DRAWN << options.fraction_bits)
    if options.bound is not None:
        try:
            limit = min(limit, parse_scaled(options.bound, options.fraction_bits))
        except ValueError as error:
            raise ConfigurationError(f"--bound: {error}") from None
    return max(limit, 0)


def _read_rows(path: Path, count: int, fraction_bits: int) -> list[Scaled]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputRefused(f"{path}:1:1: this is not UTF-8 text") from None
    rows: list[Scaled] = []
    for number, cells in enumerate(csv.reader(io.StringIO(text)), start=1):
        row = []
        for column, cell in enumerate(cells, start=1):
            try:
                row.append(parse_scaled(cell.strip(), fraction_bits))
            except ValueError as error:
                raise InputRefused(f"{path}:{number}:{column}: {error}") from None
        if not row or (rows and len(row) != rows[0].size):
            raise InputRefused(f"{path}:{number}:1: a row of another length than the first")
        rows.append(np.array(row, dtype=np.int64))
    if len(rows) != count:
        raise ConfigurationError(f"{path} has {len(rows)} rows for {count} peers")
    return rows
