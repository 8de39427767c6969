"""What happens on a network while three and more nodes sum on it.

In every scene but the first the last peer, eve, stops itself before its masked sum leaves; then the
network changes; then she goes on. So the change comes at one point of the protocol, not at one time.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.network.forwarder import Conditions
from tests.network.net import Net
from tests.processes import Ended, Processes, Running

NAMES = ("ann", "bob", "cid", "dan", "eve")
VALUES = (1, 20, 300, 4000, 50000)
GONE = (
    r"nothing has come back from its machine for \d+ s: the network to it, or the machine, is down"
)


@dataclass
class Times:
    """Options of all nodes.

    Args:
        heartbeat: Seconds.
        reconnect: Seconds.
        timeout: Seconds.
    """

    heartbeat: float = 2.0
    reconnect: float = 15.0
    timeout: float = 60.0

    @property
    def options(self) -> list[str]:
        """As on the command line."""
        given = {
            "heartbeat": self.heartbeat,
            "reconnect": self.reconnect,
            "timeout": self.timeout,
        }
        return [word for name, value in given.items() for word in (f"--{name}", f"{value:g}")]


@dataclass
class Scene:
    """A session that runs on a network.

    Args:
        directory: Where logs go.
        conditions: Of the network; its count is that of the peers.
        times: Of all nodes.
        step: Where eve stops herself.
        rounds: How many sums.
    """

    directory: Path
    conditions: Conditions
    times: Times
    step: str = "partial"
    rounds: int = 1

    def play(self, happens: Callable[[Net, list[Running]], None] | None = None) -> Played:
        """Run it to its end.

        Args:
            happens: What happens while eve stands still, and after she was told to go on; None lets
                her never stop.
        """
        count = self.conditions.count
        names = [*NAMES[: count - 1], NAMES[-1]]
        with Processes(self.directory) as processes, Net(self.conditions) as net:
            said = [self._options(name, value) for name, value in zip(names, VALUES, strict=False)]
            founder, where = net.founder(processes, count, "--rounds", str(self.rounds), *said[0])
            nodes = [founder]
            for host in range(2, count + 1):
                stops = self.step if happens is not None and host == count else ""
                nodes.append(net.node(processes, host, where, *said[host - 1], stops=stops))
            if happens is not None:
                nodes[-1].stands_still()
                happens(net, nodes)
            ended = [node.end(120) for node in nodes]
            return Played(ended, net.order(), sum(VALUES[:count]), self.directory)

    def _options(self, name: str, value: int) -> list[str]:
        path = self.directory / f"{name}.txt"
        path.write_text(f"{value}\n" * self.rounds)
        given = [
            "--name",
            name,
            "--weight",
            "1",
            "--input",
            str(path),
            "--log-dir",
            name,
        ]
        return [*given, *self.times.options]


@dataclass
class Played:
    """How a scene ended.

    Args:
        ended: The processes, in the order of their hosts.
        counts: What was done to packets.
        total: The right one.
        directory: Where logs are.
    """

    ended: list[Ended]
    counts: dict[str, int]
    total: int
    directory: Path

    @property
    def codes(self) -> list[int]:
        """Exit codes."""
        return [end.code for end in self.ended]

    @property
    def totals(self) -> list[set[str]]:
        """What each printed as its totals."""
        lines = ([line.split() for line in end.out.splitlines()] for end in self.ended)
        return [{words[1] for words in printed if words[0] == "total"} for printed in lines]

    @property
    def errors(self) -> list[str]:
        """What each said at its end."""
        return [end.err[end.err.find("error: ") :] for end in self.ended]

    def check(self) -> None:
        """See that nobody printed a wrong total, and nobody showed a traceback."""
        for end, totals in zip(self.ended, self.totals, strict=True):
            assert not end.has_traceback, end.err
            assert totals <= {str(self.total)}
            assert bool(totals) == (end.code == 0), (end.code, end.out, end.err)


def goes_on(nodes: list[Running]) -> None:
    """Let eve go on."""
    nodes[-1].signal(signal.SIGCONT)


def given_up(node: Running, peer: str) -> None:
    """Wait until a node has given a link up because nobody is at its other end."""
    says = "is not connected: the connection is given up"
    node.line(rf"^\.\.\. {peer} \(\w+\) {says}: {GONE}; it has \d+ s to come back$")


def partition_that_heals(net: Net, nodes: list[Running]) -> None:
    """Cut eve off, until the others have given their links to her up."""
    last = len(nodes)
    net.cut(range(1, last), [last])
    goes_on(nodes)
    for node in nodes[:-1]:
        given_up(node, "eve")
    net.heal()


def partition_that_stays(net: Net, nodes: list[Running]) -> None:
    """Cut eve off for good."""
    last = len(nodes)
    net.cut(range(1, last), [last])
    goes_on(nodes)


def forgotten_connection(net: Net, nodes: list[Running]) -> None:
    """Let the connection between the last two get nowhere, while all others and new ones do."""
    last = len(nodes)
    net.forget((last - 1, last))
    goes_on(nodes)
