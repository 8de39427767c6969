"""What drives a target: its corpus, drawn mutations, or atheris.

An input that fails is written down, its trace shown, and the run ends with 1. Whoever has mended what it found
moves it to fuzz/corpus/kept/, from where the tests show it again for ever.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FunctionType
from typing import Any, Final

LONGEST: Final = 1 << 16
"""Bytes of an input that is mutated; longer ones are only shown as they are."""
FOUND: Final = Path("fuzz-found")

_instrumented = False


def slower() -> float:
    """Return by how much code that atheris watches may be slower than it is."""
    return 20.0 if _instrumented else 1.0


@dataclass(frozen=True)
class Target:
    """Something that inputs are shown to.

    Args:
        name: Of its files.
        run: Takes an input; raises what must not happen.
        seeds: Inputs to begin with.
        mutate: Returns an input near another one.
        kept: Folder of inputs that once failed.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[bytes, Random], bytes]
    kept: Path


def main(target: Target, arguments: Sequence[str]) -> int:
    """Drive a target as its command line says."""
    parser = argparse.ArgumentParser(prog=f"python -m fuzz.{target.name}")
    parser.add_argument("--corpus", action="store_true", help="show what is known, and end")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--atheris", action="store_true", help='let coverage lead (extra "fuzz")')
    parser.add_argument("inputs", nargs="*", type=Path, help="files to show, and end")
    options = parser.parse_args(arguments)
    if options.inputs:
        return _show_all(target, [path.read_bytes() for path in options.inputs])
    if options.corpus:
        return _show_all(target, list(target.seeds()))
    if options.atheris:
        _lead(target, options.seconds, options.seed)
    return _draw(target, options.seconds, options.seed)


def _show_all(target: Target, inputs: Sequence[bytes]) -> int:
    failed = sum(not _holds(target, data) for data in inputs)
    _say(f"{target.name}: {len(inputs)} inputs, {failed} failures")
    return 1 if failed else 0


def _draw(target: Target, seconds: float, seed: int) -> int:
    """Show mutations of the seeds, and of mutations, until the time is over or one fails."""
    random, pool = Random(seed), list(target.seeds())
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = random.choice(pool)
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            data = target.mutate(data, random)[:LONGEST]
        count += 1
        if not _holds(target, data):
            _say(f"{target.name}: {count} executions, 1 failure")
            return 1
        if random.random() < 0.001:
            pool.append(data)
    _say(f"{target.name}: {count} executions in {seconds:.0f} s, 0 failures")
    return 0


def _holds(target: Target, data: bytes) -> bool:
    try:
        target.run(data)
    except Exception:
        _say(traceback.format_exc())
        _say(f"the input is kept in {_keep(target, data)}")
        return False
    return True


def _keep(target: Target, data: bytes) -> Path:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path


def _lead(target: Target, seconds: float, seed: int) -> None:
    """Hand over to libFuzzer, which ends the process."""
    global _instrumented  # noqa: PLW0603 - there is one process
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.exit('atheris is not installed: pip install -e ".[fuzz]", or leave --atheris out')
    _instrumented = True
    for function in [item for item in gc.get_objects() if isinstance(item, FunctionType)]:
        if function.__module__ and function.__module__.partition(".")[0] == "p2pmpc":
            atheris.instrument_func(function)

    def shown(data: bytes) -> None:
        try:
            target.run(data)
        except Exception:
            _say(f"the input is kept in {_keep(target, data)}")
            raise

    def near(data: bytes, longest: int, number: int) -> bytes:
        if number % 2:
            mutated: bytes = atheris.Mutate(data, longest)
            return mutated
        return target.mutate(data, Random(number))[:longest]

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(target.seeds()):
            (Path(folder) / str(number)).write_bytes(data)
        limits = [f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-rss_limit_mb=1024"]
        more = ["-print_final_stats=1", f"-seed={seed + 1}", "-artifact_prefix=fuzz-found/"]
        FOUND.mkdir(exist_ok=True)
        atheris.Setup([target.name, folder, *limits, *more], shown, custom_mutator=near)
        atheris.Fuzz()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
