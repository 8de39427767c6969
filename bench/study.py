"""How long a joint study takes, from five tables to the report: `python -m bench.study`.

    --rows N      rows of each of five parties (200,000)
    --parquet N   rows of one party's Parquet file, for its memory (5,000,000); 0 leaves it out
    --json        print what was measured as JSON

Six real processes on this machine: a coordinator without data, and five parties with ten columns each. Needs the
extra `data`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

PARTIES: Final = 5

_PROGRAM: Final = "from p2pmpc.cli import main; main()"
_PATIENCE: Final = 600

_NUMBERS: Final = {
    "salary": ("EUR", 0, 200_000, 2),
    "pressure": ("mmHg", 0, 300, 1),
    "cholesterol": ("mmol/l", 0, 20, 2),
    "bmi": ("kg/m2", 0, 100, 1),
}
_REST: Final = """
[columns.age]
type = "integer"
minimum = 0
maximum = 120
[columns.stay]
type = "integer"
minimum = 0
maximum = 1000
[columns.admitted]
type = "date"
minimum = 2000-01-01
maximum = 2030-01-01
[columns.sex]
type = "category"
categories = ["f", "m"]
[columns.region]
type = "category"
categories = ["n", "s", "e", "w"]
[columns.smoker]
type = "category"
categories = ["no", "yes"]
[[filter]]
column = "admitted"
op = ">="
value = 2020-02-01
[[statistic]]
kind = "mean"
column = "salary"
[[statistic]]
kind = "variance"
column = "pressure"
[[statistic]]
kind = "quantiles"
column = "salary"
step = 500
[[statistic]]
kind = "histogram"
column = "pressure"
bins = 30
[[statistic]]
kind = "range"
column = "stay"
step = 10
[[statistic]]
kind = "crosstab"
rows = "sex"
columns = "smoker"
[[statistic]]
kind = "correlation"
columns = ["pressure", "cholesterol", "bmi", "age"]
[[statistic]]
kind = "t-test"
column = "pressure"
between = "sex"
[[statistic]]
kind = "regression"
outcome = "pressure"
predictors = ["age", "bmi", "cholesterol", "smoker"]
[[statistic]]
kind = "proportion"
column = "smoker"
category = "yes"
"""

_ROWS: Final = """
SELECT round(50000 + 9000 * (random() + random() - 1) * 3, 2) AS salary,
    round(120 + 30 * (random() + random() - 1), 1) AS pressure,
    round(5 + 2 * (random() + random() - 1), 2) AS cholesterol,
    round(26 + 8 * (random() + random() - 1), 1) AS bmi,
    18 + (random() * 62)::INTEGER AS age, (random() * 60)::INTEGER AS stay,
    DATE '2020-01-01' + (random() * 2000)::INTEGER AS admitted,
    CASE WHEN random() < 0.5 THEN 'f' ELSE 'm' END AS sex,
    ['n', 's', 'e', 'w'][1 + (random() * 3.999)::INTEGER % 4] AS region,
    CASE WHEN random() < 0.5 THEN 'no' ELSE 'yes' END AS smoker
FROM range({rows})
"""


def study_text() -> str:
    """Return the study file."""
    columns = "".join(
        f'[columns.{name}]\ntype = "number"\nunit = "{unit}"\nminimum = {low}\nmaximum = {high}\n'
        f"decimals = {decimals}\n"
        for name, (unit, low, high, decimals) in _NUMBERS.items()
    )
    head = 'title = "Ten columns"\npurpose = "To be measured."\nparties = 5\n'
    receives = 'receives = "parties-and-coordinator"\ngroup_by = ["sex", "region"]\n'
    return f"{head}{receives}maximum_rows = 6_000_000\n{columns}{_REST}"


def make_table(path: Path, rows: int) -> None:
    """Write made-up rows, as CSV or Parquet by the file's ending."""
    kind = "(FORMAT parquet)" if path.suffix == ".parquet" else "(FORMAT csv, HEADER)"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_ROWS.format(rows=rows)}) TO '{path}' {kind}")


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start one `p2pmpc`, its output in files of its name."""
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
        )


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return a process's exit code, and the most memory it had, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024


def _invitation(folder: Path) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        line = (folder / "coordinator.out").read_text().partition("\n")
        if line[1]:
            return line[0]
        time.sleep(0.02)
    raise SystemExit((folder / "coordinator.err").read_text())


def measure_study(folder: Path, rows: int) -> dict[str, Any]:
    """Run a study of five parties, from join to report.

    Args:
        folder: Empty; takes tables, keys and results.
        rows: Of each party.
    """
    (folder / "study.toml").write_text(study_text())
    for number in range(PARTIES):
        make_table(folder / f"{number}.csv", rows)
    common = ("--study", "study.toml", "--log-dir", "evidence")
    coordinator = _start(
        folder, "coordinator", "invite", "study.toml", "--key", "c.key", "--name", "c", *common[2:]
    )
    invitation = _invitation(folder)
    started = time.monotonic()
    parties = [
        _start(
            folder,
            f"party-{k}",
            *("join", invitation, *common, "--data", f"{k}.csv", "--key", f"{k}.key"),
            *("--name", f"p{k}", "--yes", "--report", f"{k}.html"),
        )
        for k in range(PARTIES)
    ]
    ends = [_ended(process) for process in (*parties, coordinator)]
    seconds = time.monotonic() - started
    if any(code for code, _ in ends):
        raise SystemExit((folder / "party-0.err").read_text())
    return {"rows": rows, "seconds": seconds, "memory": max(memory for _, memory in ends)}


def measure_parquet(folder: Path, rows: int) -> dict[str, Any]:
    """Compute one party's sums of a Parquet file.

    Args:
        folder: Takes the file.
        rows: Of the file.
    """
    text = study_text()
    (folder / "study.toml").write_text(text)
    make_table(folder / "large.parquet", rows)
    nowhere = f"127.0.0.1:9#{'00' * 32}/{hashlib.sha256(text.encode()).hexdigest()}"
    started = time.monotonic()
    process = _start(folder, "large", "join", nowhere, "--data", "large.parquet", "--dry-run")
    code, memory = _ended(process)
    if code:
        raise SystemExit((folder / "large.err").read_text())
    return {"rows": rows, "seconds": time.monotonic() - started, "memory": memory}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--parquet", type=int, default=5_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    measured = {}
    with TemporaryDirectory() as folder:
        measured["study"] = measure_study(Path(folder), options.rows)
    if options.parquet:
        with TemporaryDirectory() as folder:
            measured["parquet"] = measure_parquet(Path(folder), options.parquet)
    if options.json:
        print(json.dumps(measured))
        return 0
    for name, one in measured.items():
        megabytes = one["memory"] / (1 << 20)
        print(f"{name:8} {one['rows']:>10,} rows  {one['seconds']:7.1f} s  {megabytes:6.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
