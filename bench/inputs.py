"""Inputs of measured sums, as files, and the plain sum that every total is held against."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 100_000
"""Of a value: small enough that fifty peers of weights 1 to 50 fit into m31."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One vector a peer, in files; peer k has weight k + 1.

    Args:
        directory: Where the files are.
        peers: How many.
        length: Elements of each.
    """

    directory: Path
    peers: int
    length: int

    @classmethod
    def make(cls, directory: Path, peers: int, length: int) -> Inputs:
        """Draw the vectors, the same ones each time, and add them up."""
        directory.mkdir()
        inputs = cls(directory, peers, length)
        total = np.zeros(length, dtype=np.int64)
        for peer in range(peers):
            draws = np.random.default_rng(peer)
            values = draws.integers(-LARGEST, LARGEST, length, dtype=np.int32, endpoint=True)
            np.save(inputs._path(peer), values)
            total += np.int64(peer + 1) * values
        np.save(inputs._expected, total)
        return inputs

    def order(self, peer: int) -> dict[str, Any]:
        """Return what a measured process is told of its input."""
        return {
            "own": peer,
            "peers": self.peers,
            "length": self.length,
            "weight": peer + 1,
            "input": str(self._path(peer)),
            "expected": str(self._expected),
        }

    def remove(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.directory)

    def _path(self, peer: int) -> Path:
        return self.directory / f"{peer}.npy"

    @property
    def _expected(self) -> Path:
        return self.directory / "expected.npy"
