"""The network between the namespaces: a process that carries packets late, twice, out of order or not at all.

    python -m tests.network.forwarder '{"count": 3, "seed": 1, "delay": 0.1, "loss": 0.01}'

It prints one line of JSON when the namespaces are there, and then one for every command that it reads: a
line of JSON with ``cut`` (groups of hosts that do not reach each other), ``heal``, or ``forget`` (pairs of
hosts whose present connections get nowhere any more, while new ones do, as behind a router that was
started anew). Every answer counts what was done to packets so far. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Final

from tests.network.kernel import new_namespace

_LARGEST: Final = 1 << 16
_TCP: Final = 6
_SYN_ALONE: Final = 0x02
_SYN_OR_ACK: Final = 0x12

Flow = tuple[int, int, bytes]
"""From, to, and both ports."""


@dataclass
class Conditions:
    """What happens to packets.

    Args:
        count: Hosts, numbered from 1.
        seed: What is drawn is drawn from this.
        delay: Seconds, one way.
        loss: The share of packets that is lost.
        duplication: The share that comes twice.
        reordering: The share that comes up to `lag` later than the others.
        lag: Seconds.
    """

    count: int
    seed: int = 0
    delay: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    lag: float = 0.05


def address(host: int) -> str:
    """Return the address of a host."""
    return f"10.77.0.{host}"


@dataclass
class Wire:
    """Decides what becomes of every packet.

    Args:
        conditions: As they are from the start.
    """

    conditions: Conditions
    counts: Counter[str] = field(default_factory=Counter)
    _cut: set[tuple[int, int]] = field(default_factory=set)
    _dead: set[Flow] = field(default_factory=set)
    _seen: set[Flow] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = Random(self.conditions.seed)

    def cut(self, groups: list[list[int]]) -> None:
        """Let no packet from one group reach another one."""
        for here in groups:
            for there in groups:
                if here is not there:
                    self._cut |= {(a, b) for a in here for b in there}

    def heal(self) -> None:
        """Let all packets through again, but for those of forgotten connections."""
        self._cut.clear()

    def forget(self, pairs: list[list[int]]) -> None:
        """Let nothing through of the connections that two hosts have now."""
        among = {(a, b) for a, b in pairs} | {(b, a) for a, b in pairs}
        self._dead |= {flow for flow in self._seen if flow[:2] in among}

    def fate(self, packet: bytes, sender: int, receiver: int) -> list[float]:
        """Return after how many seconds a packet arrives: never, once or twice."""
        given, random = self.conditions, self._random
        self.counts["packets"] += 1
        flow = self._flow(packet, sender, receiver)
        if (sender, receiver) in self._cut:
            self.counts["cut"] += 1
            return []
        if flow in self._dead:
            self.counts["forgotten"] += 1
            return []
        if random.random() < given.loss:
            self.counts["lost"] += 1
            return []
        after = given.delay
        if random.random() < given.reordering:
            self.counts["reordered"] += 1
            after += random.uniform(0, given.lag)
        if random.random() < given.duplication:
            self.counts["duplicated"] += 1
            return [after, after + random.uniform(0, given.lag)]
        return [after]

    def _flow(self, packet: bytes, sender: int, receiver: int) -> Flow | None:
        """Return the connection of a TCP packet, known from now on; a new one may have old ports."""
        start = 4 * (packet[0] & 0x0F)
        if packet[9] != _TCP or len(packet) < start + 20:
            return None
        flow = sender, receiver, packet[start : start + 4]
        if packet[start + 13] & _SYN_OR_ACK == _SYN_ALONE and flow not in self._seen:
            self.counts["connections"] += 1
        self._seen.add(flow)
        return flow


class Forwarder:
    """Carries packets between devices.

    Args:
        conditions: Of the network.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._wire = Wire(conditions)
        self._devices: dict[int, int] = {}
        self.namespaces: list[int] = []
        for host in range(1, conditions.count + 1):
            namespace, device = new_namespace(address(host))
            self.namespaces.append(namespace)
            self._devices[host] = device
        self._hosts = {device: host for host, device in self._devices.items()}
        self._due: list[tuple[float, int, int, bytes]] = []
        self._order = 0

    def run(self) -> None:
        """Carry packets until the input ends."""
        poll = select.poll()
        for descriptor in (*self._hosts, 0):
            poll.register(descriptor, select.POLLIN)
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) * 1000 if self._due else None
            for descriptor, _ in poll.poll(wait):
                if descriptor:
                    self._take(descriptor)
                elif not self._obey():
                    return
            self._deliver()

    def _take(self, device: int) -> None:
        now, sender = time.monotonic(), self._hosts[device]
        for _ in range(64):
            try:
                packet = os.read(device, _LARGEST)
            except BlockingIOError:
                return
            receiver = packet[19] if packet[0] >> 4 == 4 else 0
            if receiver not in self._devices:
                continue  # IPv6 looks for neighbours; there are none
            for after in self._wire.fate(packet, sender, receiver):
                self._order += 1
                heappush(self._due, (now + after, self._order, receiver, packet))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, receiver, packet = heappop(self._due)
            try:
                os.write(self._devices[receiver], packet)
            except OSError:
                self._wire.counts["refused"] += 1  # its queue is full, as a router's may be

    def _obey(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        order = json.loads(line)
        self._wire.cut(order.get("cut", []))
        if order.get("heal"):
            self._wire.heal()
        self._wire.forget(order.get("forget", []))
        _say(dict(self._wire.counts))
        return True


def _say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Carry packets."""
    forwarder = Forwarder(Conditions(**json.loads(sys.argv[1])))
    _say({"namespaces": forwarder.namespaces})
    forwarder.run()


if __name__ == "__main__":
    main()
