"""Test data of a swarm: drawn or read, and the plain sum that the peers' total is held against."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from p2pmpc.encoding import LARGEST_SCALED, Scaled, format_scaled, parse_scaled
from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.field import M61
from p2pmpc.hashing import label, labelled_hash
from p2pmpc.inputs import LARGEST_DRAWN
from p2pmpc.npy import write_header
from p2pmpc.options import DEFAULT_WEIGHT_BOUND
from p2pmpc.prg import CHUNK, Expansion, expand
from p2pmpc.product import FIELDS
from p2pmpc.shamir import Entropy
from p2pmpc.sources import Numbers, ScaledNumbers
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.weights import total_magnitude

_EXACT_IN_A_FLOAT = 1 << 53


@dataclass(frozen=True, slots=True)
class Row:
    """What one peer brings; a drawn row is drawn again whenever it is read, and held nowhere.

    Args:
        length: Elements.
        largest: No magnitude is larger.
        blocks: Yields scaled values, CHUNK at a time.
    """

    length: int
    largest: int
    blocks: Callable[[], Iterator[Scaled]]

    @classmethod
    def of(cls, values: Scaled) -> Row:
        """Return a row that is held."""

        def blocks() -> Iterator[Scaled]:
            for start in range(0, values.size, CHUNK):
                yield values[start : start + CHUNK]

        return cls(int(values.size), int(np.abs(values).max()), blocks)

    @classmethod
    def drawn(cls, seed: bytes, peer: int, length: int, limit: int) -> Row:
        """Return a row that follows from a seed.

        Args:
            seed: 32 bytes.
            peer: From 1.
            length: Elements.
            limit: The largest magnitude.
        """
        expansion = Expansion(seed, b"", label("test values") + peer.to_bytes(2, "big"), M61)

        def blocks() -> Iterator[Scaled]:
            for chunk, start in enumerate(range(0, length, CHUNK)):
                words = np.empty(min(CHUNK, length - start), dtype=np.uint64)
                expansion.write(chunk, words)
                yield (words % np.uint64(2 * limit + 1)).astype(np.int64) - np.int64(limit)

        return cls(length, limit, blocks)


@dataclass(frozen=True, slots=True)
class SwarmData:
    """What every peer of a swarm brings.

    Args:
        weights: One a peer.
        rows: Scaled values, one row a peer.
        fraction_bits: f.
    """

    weights: tuple[int, ...]
    rows: tuple[Row, ...]
    fraction_bits: int

    @property
    def length(self) -> int:
        """Elements of every vector."""
        return self.rows[0].length

    @property
    def largest_total(self) -> int:
        """No element of the total is larger in size, in scaled units."""
        return total_magnitude(self.weights) * max(row.largest for row in self.rows)

    def expected_blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the plain weighted sum, in scaled units: what the peers must find without us."""
        kind = np.int64 if self.largest_total < 1 << 62 else object
        for blocks in zip(*(row.blocks() for row in self.rows), strict=True):
            total = np.zeros(blocks[0].size, dtype=kind)
            for weight, block in zip(self.weights, blocks, strict=True):
                total += block.astype(kind, copy=False) * weight
            yield total

    def expected(self, first: int | None = None) -> tuple[int, ...]:
        """Return the plain weighted sum as integers.

        Args:
            first: How many elements; all by default, which is for short vectors.
        """
        values = (int(value) for block in self.expected_blocks() for value in block)
        return tuple(islice(values, first))

    def numbers(self, peer: int) -> Numbers:
        """Return the input of a peer, from 1, as a node takes it."""
        row, source = self.rows[peer - 1], f"test data of peer {peer}"
        return ScaledNumbers(source, row.length, self.fraction_bits, row.blocks)

    def as_bytes(self, peer: int) -> bytes:
        """Return the input of a peer as it is written to its standard input."""
        buffer = io.BytesIO()
        self.write_input(peer, buffer)
        return buffer.getvalue()

    def write_input(self, peer: int, file: BinaryIO) -> None:
        """Write the input of a peer, a block at a time: a ``.npy`` vector where that is exact, else text.

        Args:
            peer: From 1.
            file: Open for writing.
        """
        row, bits = self.rows[peer - 1], self.fraction_bits
        if bits and row.largest >= _EXACT_IN_A_FLOAT:
            for block in row.blocks():
                lines = (f"{format_scaled(value, bits)}\n" for value in block.tolist())
                file.write("".join(lines).encode())
            return
        write_header(file, np.dtype("<f8" if bits else "<i8"), row.length)
        for block in row.blocks():
            values = np.ldexp(block.astype("<f8"), -bits) if bits else block.astype("<i8")
            file.write(values.tobytes())
        file.flush()


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
        return SwarmData(tuple(weights), tuple(map(Row.of, given)), fraction_bits)
    length = 1 if options.length is None else options.length
    if length < 1:
        raise ConfigurationError("--length is at least 1")
    limit = _largest_value(options, weights)
    rows = tuple(Row.drawn(seed, peer, length, limit) for peer in range(1, count + 1))
    return SwarmData(tuple(weights), rows, fraction_bits)


def _largest_value(options: SwarmOptions, weights: Sequence[int]) -> int:
    """Return the largest magnitude to draw: within the bound, readable, and sure to fit."""
    together = total_magnitude(weights) or 1
    if options.private_weights:
        together = DEFAULT_WEIGHT_BOUND * len(weights)
    fitting = FIELDS[options.field].largest_magnitude // together
    limit = min(fitting, LARGEST_SCALED, LARGEST_DRAWN << options.fraction_bits)
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
