"""Row 9 with real processes: SIGSTOP in the middle of a sum, with and without SIGCONT in time."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.processes import Ended, Processes, Running

TIMES = "--heartbeat 0.4"
STOPPED = (
    "its machine acknowledges what is sent, and its program has been silent for "
    r"\d+ s: it is stopped, or very busy"
)


class Stopped:
    """Two sessions at a time: in one eve stands still for a while, in the other for ever."""

    def __init__(self, cwd: Path) -> None:
        for name in ("returns", "stays"):
            (cwd / name).mkdir()
        first, second = (Processes(cwd / name, forks=True) for name in ("returns", "stays"))
        with first, second:
            returns, stays = _three(first, "--timeout 60"), _three(second, "--timeout 4")
            for eve in (returns[2], stays[2]):
                eve.stands_still()
            for other in returns[:2]:
                other.line(rf"^\.\.\. eve \(\w+\) is silent: {STOPPED}$")
            returns[2].signal(signal.SIGCONT)
            self.returned = [process.end() for process in returns]
            self.stayed = [process.end() for process in stays[:2]]
        self.log = [
            json.loads(line)
            for line in (cwd / "returns" / "ann" / "ann.log").read_text().splitlines()
        ]


def _three(processes: Processes, timeout: str) -> list[Running]:
    founder, where = processes.founder(
        3, f"--name ann --value 1 --weight 1 {TIMES} {timeout} --log-dir ann"
    )
    given = f"--bootstrap {where} --weight 1 {TIMES} {timeout}"
    bob = processes.node(f"{given} --name bob --value 20 --log-dir bob")
    eve = processes.stopping("partial", f"{given} --name eve --value 300 --log-dir eve")
    return [founder, bob, eve]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """Both sessions, run to their ends."""
    return Stopped(tmp_path_factory.mktemp("stopped"))


def sound(ended: list[Ended]) -> list[int]:
    """Return the exit codes of processes that show no traceback."""
    assert not any(end.has_traceback for end in ended)
    return [end.code for end in ended]


def test_a_stopped_process_that_goes_on_in_time_ends_with_0(stopped: Stopped) -> None:
    """Row 9: SIGSTOP while summing, SIGCONT once the others report it: everybody ends with the total."""
    assert sound(stopped.returned) == [0, 0, 0]
    for end in stopped.returned:
        assert end.out.split()[:2] == ["total", "321"]
    for other in stopped.returned[:2]:
        assert "is heard again" in other.err


def test_a_stopped_process_keeps_its_links(stopped: Stopped) -> None:
    """Row 9: its machine acknowledges, so nobody hangs up, and nothing has to be said again."""
    events = {line["event"] for line in stopped.log}
    assert {"silent", "heard again"} <= events
    assert not events & {"disconnected", "reconnected", "lost"}


def test_a_stopped_process_that_does_not_go_on_is_named(stopped: Stopped) -> None:
    """Row 9: SIGSTOP without SIGCONT: the others end with 3 and say who, why, and what to look at."""
    assert sound(stopped.stayed) == [3, 3]
    for end in stopped.stayed:
        told = end.err[end.err.index("error: ") :]
        assert re.search(rf"eve \(\w+\) said nothing more: {STOPPED}", told)
        assert "next: " in told
        assert "nothing about your data was revealed" in told
        assert end.out == ""
