"""What the inner loops cost, in nanoseconds an element, beside memcpy and bare AES-CTR.

    python bench/kernels.py [--runs 7] [--length 1048576] [--json FILE]

One core. Each figure is the median of several runs; the best of them stands beside it, since other work
on the machine only ever adds. A share or mask is expanded, weighted and added in one pass; its cost is
per element and pair of peers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from p2pmpc.field import M31, M61, Field
from p2pmpc.prg import CHUNK, expansion
from p2pmpc.product import M31XM61, Ring
from p2pmpc.sharing import Source, weighted_sum

AES = "AES-256-CTR of 4 bytes"
PAIRS = 9
"""Of one peer among ten."""
GOALS = {
    "m31 expand and add, weighted": 1.5,
    "m61 expand and add, weighted": 3.0,
    "m61 multiply": 6.0,
}


def timed(work: Callable[[], object], elements: int, runs: int) -> tuple[float, float]:
    """Return the median and the best of several runs, in nanoseconds an element."""
    work()
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) / elements * 1e9)
    return statistics.median(taken), min(taken)


def aes(size: int) -> Callable[[], object]:
    """Return bare AES-256-CTR over zeros, in blocks of a chunk of m31."""
    zeros, out = bytes(4 * CHUNK), bytearray(4 * CHUNK)
    key = os.urandom(32)

    def work() -> None:
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        for _ in range(size // len(zeros)):
            stream.update_into(zeros, out)

    return work


def kernels(field: Ring, length: int, runs: int) -> dict[str, tuple[float, float]]:
    """Return what one field's loops cost."""
    seeds = [os.urandom(32) for _ in range(PAIRS)]
    weights = [7, 3, -9, 5, 2, 8, 6, -4, 1000]
    made = [
        expansion("share", seed, b"", field, length, round_number=0, i=1, j=2) for seed in seeds
    ]
    weighted: list[tuple[Source, int]] = list(zip(made, weights, strict=True))
    encoded = field.encode(weighted_sum(field, length, [(made[0], 1)]))
    left, right = (weighted_sum(field, length, [(source, 1)]) for source in made[:2])
    figures = {
        f"{field.name} expand and add, weighted": timed(
            lambda: weighted_sum(field, length, weighted), PAIRS * length, runs
        )
    }
    if isinstance(field, Field):
        left, right = left.astype(np.uint64), right.astype(np.uint64)
        figures[f"{field.name} multiply"] = timed(lambda: field.multiply(left, right), length, runs)
    else:
        figures[f"{field.name} read as integers"] = timed(
            lambda: field.to_signed(left), length, runs
        )
    figures[f"{field.name} encode"] = timed(lambda: field.encode(left), length, runs)
    figures[f"{field.name} decode"] = timed(lambda: field.decode(encoded, length), length, runs)
    return figures


def measure(length: int, runs: int) -> dict[str, tuple[float, float]]:
    """Return the median and the best of everything, in nanoseconds an element.

    Args:
        length: Elements.
        runs: How often.
    """
    source, target = np.ones(length, dtype=np.uint32), np.empty(length, dtype=np.uint32)
    figures = {
        "memcpy of 4 bytes": timed(lambda: np.copyto(target, source), length, runs),
        AES: timed(aes(4 * length), length, runs),
    }
    for field in (M31, M61, M31XM61):
        figures |= kernels(field, length, runs)
    return figures


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--length", type=int, default=1 << 20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.length, options.runs)
    print(f"{'ns an element':<32}{'median':>8}{'best':>8}{'goal':>8}")
    for name, (median, best) in figures.items():
        goal = GOALS.get(name)
        print(f"{name:<32}{median:>8.2f}{best:>8.2f}{'' if goal is None else f'{goal:.1f}':>8}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
