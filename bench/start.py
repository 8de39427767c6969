"""How long a swarm of ten takes, against what starting ten such processes costs anyway.

    python bench/start.py [--runs 5] [--json FILE]

Prints, as medians of several runs on this machine: ten processes that import the same packages and
do nothing; ``swarm.py 10`` from start to exit; its scalar round, from the first SHARE sent to the last
CONFIRM complete; and ``swarm.py 50 --in-process``. Beside each stands the goal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = (
    "import cryptography.hazmat.primitives.hpke, cryptography.x509, cyclopts, msgpack, numpy, "
    "rich.live, rich.table, structlog, trio"
)


def ten_imports() -> float:
    """Return the seconds that ten processes take to import the packages, side by side."""
    started = time.monotonic()
    processes = [subprocess.Popen([sys.executable, "-c", IMPORTS]) for _ in range(10)]
    for process in processes:
        process.wait()
    return time.monotonic() - started


def swarm(*arguments: str) -> tuple[float, dict[str, float]]:
    """Return the seconds of a whole swarm run, and those that it reports itself."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        command = [sys.executable, str(ROOT / "swarm.py"), *arguments, "--json"]
        done = subprocess.run(
            [*command, "--log-dir", directory], capture_output=True, check=True, cwd=ROOT
        )
        return time.monotonic() - started, json.loads(done.stdout)["seconds"]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    imports, whole, rounds, memory = [], [], [], []
    for _ in range(options.runs):
        imports.append(ten_imports())
        seconds, reported = swarm("10")
        whole.append(seconds)
        rounds.append(reported["round"])
        memory.append(swarm("50", "--in-process")[0])
    base = statistics.median(imports)
    rows = {
        "ten processes importing": (base, None),
        "swarm.py 10": (statistics.median(whole), 1.2 * base + 2),
        "scalar round of ten": (statistics.median(rounds), 0.150),
        "swarm.py 50 --in-process": (statistics.median(memory), 10.0),
    }
    print(f"{'median of ' + str(options.runs):<28}{'seconds':>9}{'goal':>9}")
    for name, (seconds, goal) in rows.items():
        print(f"{name:<28}{seconds:>9.3f}{'' if goal is None else f'{goal:.3f}':>9}")
    if options.json:
        content = {name: {"seconds": s, "goal": g} for name, (s, g) in rows.items()}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
