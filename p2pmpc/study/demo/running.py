"""Runs the parties of ``p2pmpc demo`` as processes, and passes the invitation on as people would."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import trio

from p2pmpc.swarm.forked import ForkedPeer, Spawner, open_spawner

_ZYGOTE: Final = (sys.executable, "-m", "p2pmpc.study.demo.parties")
_SECONDS: Final = "60"
"""How long a party waits for the others."""

_GRACE_SECONDS: Final = 10.0
"""How long the others have to say why, once one has failed."""

_TOLD: Final = ("error:", "  revealed:", "  next:")
"""Lines of every terminal that are told as they come begin so, or with the name of the party's table."""

_TOLD_ONCE: Final = ("peers are here", "... first round", "... second round")
"""Lines that are told of the founder's terminal hold one of these."""


class Parties:
    """Five processes, each with a key and a table of its own.

    Args:
        directory: With keys, tables and the study file.
        names: Of the parties; the first one invites.
        say: Tells a line of the story.
    """

    def __init__(self, directory: Path, names: Sequence[str], say: Callable[[str], None]) -> None:
        self._directory = directory
        self._names = names
        self._say = say
        self._deadline = trio.CancelScope()
        self.result = ""
        """What the founder printed behind the invitation."""
        self.codes: dict[str, int] = {}
        """How each ended."""

    async def run(self) -> None:
        """Run all to their ends; whoever is left when this is cancelled is ended, too."""
        study, founder = self._path("study.toml"), self._names[0]
        async with open_spawner(_ZYGOTE) as spawner:
            with self._deadline:
                async with trio.open_nursery() as nursery:
                    more = ["--report", self._path("report.html")]
                    more += ["--csv", self._path("result.csv")]
                    self._say(f"{founder:8} p2pmpc invite {study} --data {self._data(founder)} ...")
                    invitation = await nursery.start(
                        self._run, spawner, founder, ["invite", study, *more]
                    )
                    for name in self._names[1:] if invitation else ():
                        data = self._data(name)
                        self._say(
                            f"{name:8} p2pmpc join INVITATION --study {study} --data {data} ..."
                        )
                        joining = ["join", invitation, "--study", study]
                        nursery.start_soon(self._run, spawner, name, joining)

    def _path(self, name: str) -> str:
        return str(self._directory / name)

    def _data(self, name: str) -> str:
        return self._path(f"data/{name}.csv")

    async def _run(
        self,
        spawner: Spawner,
        name: str,
        beginning: Sequence[str],
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run one party; it has started once it has invited, and without an invitation when it has ended."""
        command = [
            *beginning, "--data", self._data(name), "--key", self._path(f"keys/{name}.key"),
            "--name", name, "--yes", "--log-dir", self._path("evidence"), "--timeout", _SECONDS,
            "--join-timeout", _SECONDS,
        ]  # fmt: skip
        process = await spawner.fork(json.dumps(command).encode())
        await process.stdin.aclose()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, name, process)
            printed, has_invited = "", name != self._names[0]
            async with process.stdout:
                async for data in process.stdout:
                    printed += data.decode()
                    if not has_invited and "\n" in printed:
                        invitation, _, printed = printed.partition("\n")
                        task_status.started(invitation)
                        has_invited = True
            code = await process.wait()
        self._end(name, printed, code)
        if not has_invited:
            task_status.started("")

    async def _follow(self, name: str, process: ForkedPeer) -> None:
        """Keep what a party sees in its terminal, and tell the lines that tell the story."""
        pending = b""
        with self._terminal(name) as file:
            async with process.stderr:
                async for data in process.stderr:
                    file.write(data)
                    file.flush()
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self._tell(name, line.decode(errors="replace"))

    def _terminal(self, name: str) -> BinaryIO:
        return Path(self._path(f"terminals/{name}.txt")).open("ab")

    def _tell(self, name: str, line: str) -> None:
        if line.startswith((*_TOLD, f"From {self._data(name)}")):
            self._say(f"{name:8}   {line.strip()}")
        elif name == self._names[0] and any(part in line for part in _TOLD_ONCE):
            self._say(f"{'all':8}   {line.removeprefix('... ')}")

    def _end(self, name: str, printed: str, code: int) -> None:
        with self._terminal(name) as file:
            file.write(printed.encode())
        if name == self._names[0]:
            self.result = printed
        self.codes[name] = 1 if code < 0 else code
        if code:
            self._say(f"{name:8}   ended with {code}; see {self._path(f'terminals/{name}.txt')}")
            soon = trio.current_time() + _GRACE_SECONDS
            self._deadline.deadline = min(self._deadline.deadline, soon)
