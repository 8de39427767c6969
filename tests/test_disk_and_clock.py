"""Disks that are full or turn read-only, and clocks that are years off and step: rows 22 and 24.

The disk is a small tmpfs in a mount namespace of one node. The clock is shifted within the process, for
everything in Python that reads it; nobody touches the clock of the machine.
"""

from __future__ import annotations

import io
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Ended, Processes, Running, together

SIZE = 256 << 10
"""Of a disk, in bytes: room for a run of three, and not for much else."""


def may_mount() -> bool:
    """Return whether this process may make mount namespaces and mount a tmpfs in them."""
    try:
        command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


needs_mounts = pytest.mark.skipif(not may_mount(), reason="mount namespaces are not allowed here")


def _fits(file: io.FileIO) -> bool:
    """Write another page, and return whether there was room for it."""
    try:
        return file.write(bytes(4096)) > 0
    except OSError:
        return False


class Disk:
    """A node whose logs, and key where it has one, lie on a small disk of its own."""

    def __init__(self, processes: Processes, name: str, line: str) -> None:
        self.path = processes.cwd / name
        self.path.mkdir()
        node = [sys.executable, "-m", "p2pmpc.node", "--name", name, "--log-dir", str(self.path)]
        mount = f"mount -t tmpfs -o size={SIZE} none {shlex.quote(str(self.path))}"
        script = f"{mount} && exec {shlex.join([*node, *shlex.split(line)])}"
        self.node = processes.start("unshare", "--mount", "sh", "-c", script)

    @property
    def seen(self) -> Path:
        """The disk, as its node sees it."""
        return Path(f"/proc/{self.node.process.pid}/root{self.path}")

    def fill(self) -> None:
        """Write until there is no room left."""
        with (self.seen / "full").open("wb", buffering=0) as file:
            while _fits(file):
                pass

    def make_read_only(self) -> None:
        """Let no other file be made, by means of a second disk over the first; the log stays open."""
        enter = ["nsenter", "--mount", f"--target={self.node.process.pid}"]
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(self.path)]
        subprocess.run([*enter, *mount], check=True, capture_output=True)


def ends(*running: Running) -> list[Ended]:
    """Return how nodes end, none of them with a traceback."""
    ended = [node.end() for node in running]
    assert not any(end.has_traceback for end in ended), [end.err for end in ended]
    return ended


@needs_mounts
@together
def test_a_disk_that_is_full_before_a_share_leaves(processes: Processes) -> None:
    """Row 24: no room for log and transcript: 7 before any share; the others end with 3."""
    disk = Disk(processes, "full", "--listen 127.0.0.1:0 --peers 3 --value 1")
    where = disk.node.line(r"--bootstrap (\S+)$")[1]
    other = processes.node(f"--bootstrap {where} --value 2")
    disk.node.line("2 of 3 peers are here")
    disk.fill()
    ended = ends(disk.node, other, processes.node(f"--bootstrap {where} --value 2"))
    assert [end.code for end in ended] == [7, 3, 3], [end.err for end in ended]
    assert "No space left on device" in ended[0].err
    assert "nothing about your data was revealed" in ended[0].err
    assert "sharing" not in ended[0].err + ended[1].err
    assert all(end.out == "" for end in ended)


@needs_mounts
@together
def test_a_disk_that_fails_later(processes: Processes) -> None:
    """Row 24: a full disk and a read-only one after shares left: the round goes on, the total is shown, 7."""
    full = Disk(processes, "full", "--listen 127.0.0.1:0 --peers 3 --value 1 --timeout 9")
    where = full.node.line(r"--bootstrap (\S+)$")[1]
    line = f"--bootstrap {where} --value 2"
    fixed = Disk(processes, "fixed", f"{line} --timeout 9")
    victim = processes.node(f"{line} --hold open")
    for node in (full.node, fixed.node, victim):
        node.line("opening")
    full.fill()
    fixed.make_read_only()
    victim.signal(signal.SIGKILL)
    ended = ends(full.node, fixed.node)
    assert [end.code for end in ended] == [7, 7], [end.err for end in ended]
    for end, reason in zip(ended, ("No space left", "Read-only file system"), strict=True):
        assert end.out.splitlines()[0].split() == ["total", "5"]
        assert reason in end.err
        assert "the total was opened, and nothing beyond it" in end.err


# -- clocks -----------------------------------------------------------------------------------

NAMES = ("ahead", "behind", "stepping")
YEAR = re.compile(r'"time": "([0-9]{4})-')
SHIFTED = '''\
"""Shifts every clock of this process that shows a date, by YEARS years, and back, from one look to the next."""

import datetime
import itertools
import os
import time

_years = float(os.environ["YEARS"])
_steps = itertools.cycle([_years, -_years] if os.environ["STEPS"] else [_years])


def _shift():
    return next(_steps) * 365.25 * 86400


def _shifted(function, unit):
    return lambda: function() + int(_shift() * unit) if unit > 1 else function() + _shift()


class _Datetime(datetime.datetime):
    __slots__ = ()

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = _shifted(time.time, 1)
time.time_ns = _shifted(time.time_ns, 10**9)
datetime.datetime = _Datetime
for _name in ("gmtime", "localtime"):
    _plain = getattr(time, _name)
    setattr(time, _name, lambda at=None, plain=_plain: plain(time.time() if at is None else at))
_strftime = time.strftime
time.strftime = lambda form, at=None: _strftime(form, time.localtime() if at is None else at)
'''


@together
def test_clocks_that_are_years_off_and_step(processes: Processes) -> None:
    """Row 22: one clock ten years ahead, one ten behind, one that steps back and forth: 0, equal, verified."""
    (processes.cwd / "clock").mkdir()
    (processes.cwd / "clock" / "sitecustomize.py").write_text(SHIFTED)

    def node(line: str, years: int, steps: str = "") -> Running:
        given = {"PYTHONPATH": f"{processes.cwd / 'clock'}:{ROOT}", "YEARS": str(years)}
        return processes.node(f"{line} --log-dir logs --key key{years}.pem", STEPS=steps, **given)

    (processes.cwd / "numbers.txt").write_text("1\n2\n3\n")
    line = "--input numbers.txt --rounds 3"
    founder = node(f"--listen 127.0.0.1:0 --peers 3 {line} --name ahead", 10)
    where = founder.line(r"--bootstrap (\S+)$")[1]
    others = [
        node(f"--bootstrap {where} {line} --name behind", -10),
        node(f"--bootstrap {where} {line} --name stepping", 12, "yes"),
    ]
    ended = ends(founder, *others)
    assert [end.code for end in ended] == [0, 0, 0], [end.err for end in ended]
    assert {end.out for end in ended} == {ended[0].out}
    logs = {name: (processes.cwd / "logs" / f"{name}.log").read_text() for name in NAMES}
    years = {name: set(YEAR.findall(log)) for name, log in logs.items()}
    assert len(years["stepping"]) >= 2
    assert max(years["behind"]) < min(years["ahead"])
    assert ends(processes.cli("verify logs"))[0].code == 0
