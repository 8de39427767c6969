"""Dishonest peers as processes: one lie of each sort; `python -m tests.byzantine` tells them all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.byzantine_lies import QUICK, ROWS, TABLE
from tests.processes import Processes


def test_dishonest_processes_are_named_by_every_honest_one(tmp_path: Path) -> None:
    """Rows 11, 12, 13, 15 and 19, over sockets and TLS: codes, culprits, proofs that verify, no total, no secret."""
    with Processes(tmp_path) as processes:
        ended = processes.start(sys.executable, "-m", "tests.byzantine", "--quick").end(240)
    assert ended.code == 0, ended.out + ended.err
    told = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    assert {line["lie"] for line in told} == set(QUICK)
    assert all(line["problems"] == [] for line in told)


def test_the_lies_are_of_every_sort() -> None:
    """Every row has lies, and every one of the quick ones stands in the table."""
    assert set(QUICK) | set(ROWS) <= set(TABLE)
    assert {ROWS.get(name, 19) for name in QUICK} == {11, 12, 13, 15, 19}
    assert len(TABLE) >= 35
    assert {lie.code for lie in TABLE.values()} == {0, 4}
