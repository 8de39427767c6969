"""A network for a test: started, disturbed while nodes run on it, and always ended again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.network.forwarder import Conditions, address
from tests.processes import ROOT, Processes, Running

ENTER = Path(__file__).with_name("enter.py")


class Net:
    """Hosts 1..count, each a network namespace, and what is between them.

    Args:
        conditions: Of the network.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.network.forwarder", json.dumps(asdict(conditions))],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not first:
            _, said = self._process.communicate()
            raise OSError(said.strip().splitlines()[-1])
        self._namespaces: list[int] = json.loads(first)["namespaces"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # its input ends, and so does it

    def order(self, **what: Any) -> dict[str, int]:
        """Give the forwarder an order, and return what it has counted so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        return counts

    def cut(self, *groups: Sequence[int]) -> None:
        """Let groups of hosts not reach each other."""
        self.order(cut=[list(group) for group in groups])

    def heal(self) -> None:
        """Let all hosts reach each other again."""
        self.order(heal=True)

    def forget(self, *pairs: tuple[int, int]) -> None:
        """Let the present connections of two hosts get nowhere, and new ones through."""
        self.order(forget=[list(pair) for pair in pairs])

    # -- nodes --------------------------------------------------------------------------------

    def on(self, host: int, *command: str) -> list[str]:
        """Return the command that runs another one on a host."""
        namespace = f"/proc/{self._process.pid}/fd/{self._namespaces[host - 1]}"
        return [sys.executable, "-I", "-S", str(ENTER), namespace, *command]

    def founder(self, processes: Processes, peers: int, *options: str) -> tuple[Running, str]:
        """Start a founder on host 1, and return it with its HOST:PORT#ID."""
        listen = ["--listen", f"{address(1)}:0", "--peers", str(peers)]
        node = [sys.executable, "-m", "p2pmpc.node", *listen, *options]
        founder = processes.start(*self.on(1, *node))
        return founder, founder.line(r"--bootstrap (\S+)$")[1]

    def node(
        self, processes: Processes, host: int, bootstrap: str, *options: str, stops: str = ""
    ) -> Running:
        """Start a node on a host; it may stop itself at a step."""
        module = ["tests.stopping", stops] if stops else ["p2pmpc.node"]
        return processes.start(
            *self.on(host, sys.executable, "-m", *module, "--bootstrap", bootstrap, *options)
        )


@lru_cache(maxsize=1)
def why_not() -> str:
    """Return why there can be no such network here; empty where there can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    try:
        with Net(Conditions(count=2)):
            return ""
    except OSError as error:
        return f"network namespaces or TUN devices are not allowed here: {error}"
