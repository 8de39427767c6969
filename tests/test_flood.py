"""Real nodes in a flood, and where descriptors are few: row 23 as far as seconds go.

The large flood is ``python -m tests.flood``.
"""

from __future__ import annotations

import re
import resource
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import flood
from tests.processes import Ended, Processes, Running, wait_for
from tests.strangers import KINDS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="memory and descriptors are read from /proc"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    with Processes(tmp_path) as started:
        yield started


def limited(processes: Processes, limit: str, line: str) -> Running:
    """Start a node under a limit of descriptors, as `ulimit -n` sets it."""
    node = shlex.join([sys.executable, "-m", "p2pmpc.node", *shlex.split(line)])
    return processes.start("sh", "-c", f"ulimit {limit} && exec {node}")


def three(processes: Processes, limit: str) -> tuple[Running, str]:
    """Start a founder of three under a limit, and return it with its HOST:PORT#ID."""
    founder = limited(
        processes, limit, "--listen 127.0.0.1:0 --peers 3 --value 1 --log-dir founder"
    )
    return founder, founder.line(r"--bootstrap (\S+)$")[1]


def joined_by_two(processes: Processes, founder: Running, where: str) -> list[Ended]:
    """Let two others join, and return how all three ended."""
    nodes = [founder, *(processes.node(f"--bootstrap {where} --value 2") for _ in range(2))]
    return [node.end() for node in nodes]


def log_of_founder(processes: Processes) -> Path:
    """Return the founder's log."""
    (path,) = (processes.cwd / "founder").glob("*.log")
    return path


def test_a_session_forms_and_sums_in_a_flood(tmp_path: Path) -> None:
    """Rows 15, 16 and 23: strangers of every kind, new ones all the time: joins, memory and sum hold."""
    measured = flood.run(tmp_path, connections=240, rate=300, kinds=list(KINDS), rounds=5)
    assert measured.faults(5) == []
    assert set(measured.came) == set(KINDS)
    assert measured.refused < 200


def test_a_session_that_just_fits_and_one_that_does_not(processes: Processes) -> None:
    """Row 23: too few descriptors: 7 before anything is said, with the number; with that number it works."""
    refused = limited(processes, "-n 30", "--peers 3").end()
    assert refused.code == 7
    assert "listening" not in refused.err
    needed = re.search(r"a session of 3 peers needs (\d+) file descriptors", refused.err)
    assert needed, refused.err
    assert f"ulimit -Hn {needed[1]}" in refused.err
    one_less = limited(processes, f"-n {int(needed[1]) - 1}", "--peers 3")
    founder, where = three(processes, f"-n {needed[1]}")
    with flood.crowd(processes, where.partition("#")[0], 60, 300, ["idle", "slow", "stalled"]) as (
        strangers,
        _,
    ):
        strangers.line("all came", of="out")
        ended = joined_by_two(processes, founder, where)
    assert one_less.end().code == 7
    assert [end.code for end in ended] == [0, 0, 0], [end.err for end in ended]
    assert ended[0].out.splitlines()[0].split() == ["total", "5"]
    assert "no descriptor" not in log_of_founder(processes).read_text()


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 512, reason="the hard limit here is low itself"
)
def test_running_out_of_descriptors_is_survived(processes: Processes) -> None:
    """Row 23: a soft limit is raised; with no descriptor left strangers are turned away, members get in."""
    founder, where = three(processes, "-Sn 30")
    soft, hard = resource.prlimit(founder.process.pid, resource.RLIMIT_NOFILE)
    assert soft > 300
    # What neither caps nor head-room can foresee: the limit falls below what is in use.
    opened = len(list(Path(f"/proc/{founder.process.pid}/fd").iterdir()))
    resource.prlimit(founder.process.pid, resource.RLIMIT_NOFILE, (opened + 8, hard))
    with flood.crowd(processes, where.partition("#")[0], 100, 500, ["idle"]) as (strangers, _):
        strangers.line("all came", of="out")
        log = log_of_founder(processes)
        wait_for(lambda: "no descriptor for it" in log.read_text())
        resource.prlimit(founder.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        ended = joined_by_two(processes, founder, where)
    assert [end.code for end in ended] == [0, 0, 0], [end.err for end in ended]
    assert log.read_text().count("no descriptor for it") < 100
