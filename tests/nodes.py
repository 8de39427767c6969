"""Whole nodes in one process, each on wires of its own that a test can cut.

A :class:`Peers` starts nodes as `python -m p2pmpc.node` would, but over one memory network: the first
one founds the session, and the others join with the address and ID that it announces. How each of them
ended stays in its :class:`Peer`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock

from p2pmpc.actions import STEPS
from p2pmpc.errors import P2PMPCError, exit_code_of
from p2pmpc.identity import Identity, format_id
from p2pmpc.memory import Memory
from p2pmpc.network import Address, Listener, MemoryNetwork, Stream
from p2pmpc.node import run_options
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.peer import Peer as RunningPeer
from p2pmpc.progress import Callback
from p2pmpc.sources import Numbers, numbers_of_bytes

KILLED = -9


def at_once(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on a clock that jumps to the next deadline whenever everybody waits.

    It is the `autojump_clock` of pytest-trio for tests that never look at the clock itself.
    """

    @functools.wraps(test)
    def run(**arguments: object) -> None:
        trio.run(partial(test, **arguments), clock=MockClock(autojump_threshold=0))

    return run


def no_memory(identity: Identity) -> Memory:
    """Return a memory that keeps nothing."""
    return Memory(identity, NodeOptions(), Path(), os.urandom)


def numbers(*values: object) -> Numbers:
    """Return an input as a node takes it from a text file."""
    return numbers_of_bytes("\n".join(map(str, values)).encode(), "input.txt")


class _Wire(trio.abc.Stream):
    """One stream of a peer; what it sends counts against the peer's wires."""

    def __init__(self, stream: Stream, wires: Wires) -> None:
        assert isinstance(stream, trio.StapledStream)
        self._stream = stream
        self._wires = wires

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._wires.pass_through()
        allowed = self._wires.spend(len(data))
        await self._stream.send_all(memoryview(data)[:allowed])
        if allowed < len(data):
            self._wires.cut()
            raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        await self._wires.pass_through()
        return bytes(data)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def cut(self) -> None:
        """End both directions at once, without a word: the other side sees the end of its data."""
        send, receive = self._stream.send_stream, self._stream.receive_stream
        assert isinstance(send, MemorySendStream)
        assert isinstance(receive, MemoryReceiveStream)
        send.close()
        receive.close()


class _WireListener:
    """A listener whose connections are wires."""

    def __init__(self, listener: Listener, wires: Wires) -> None:
        self.address = listener.address
        self._listener = listener
        self._wires = wires

    async def accept(self) -> Stream:
        return self._wires.add(await self._listener.accept())

    async def aclose(self) -> None:
        await self._listener.aclose()


class Wires:
    """One peer's side of a memory network."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._wires: list[_Wire] = []
        self._budget: int | None = None
        self._thawed: trio.Event | None = None
        self.cuts = 0
        self.sent = 0

    def freeze(self) -> None:
        """Let nothing through in either direction, as if this process were stopped."""
        self._thawed = trio.Event()

    def thaw(self) -> None:
        """Let everything through again that is still wanted."""
        assert self._thawed is not None
        self._thawed.set()

    async def pass_through(self) -> None:
        """Wait while the wires are frozen."""
        if self._thawed is not None:
            await self._thawed.wait()

    async def listen(self, address: Address) -> Listener:
        return _WireListener(await self._network.listen(address), self)

    async def connect(self, address: Address) -> tuple[Stream, str]:
        await self.pass_through()
        stream, host = await self._network.connect(address)
        return self.add(stream), host

    def places_beside(self, peers: int) -> int:
        return self._network.places_beside(peers)

    def add(self, stream: Stream) -> _Wire:
        wire = _Wire(stream, self)
        self._wires.append(wire)
        return wire

    def cut(self) -> None:
        """Cut every stream there is; later ones work again."""
        self.cuts += 1
        for wire in self._wires:
            wire.cut()
        self._wires.clear()

    def cut_after(self, sent: int) -> None:
        """Cut every stream once this many bytes have been sent over them together."""
        self._budget = sent

    def spend(self, size: int) -> int:
        """Return how many of these bytes may still leave."""
        self.sent += size
        if self._budget is None:
            return size
        allowed = min(size, self._budget)
        self._budget = None if allowed < size else self._budget - size
        return allowed


@dataclass
class Peer:
    """One node: what it is told, and how it ended."""

    name: str
    numbers: Numbers | None
    options: dict[str, Any]
    wires: Wires
    kill: str | None = None
    stall: str | None = None
    on_step: Callable[[Peer, str], None] = lambda _peer, _step: None
    node: RunningPeer | None = None
    outcome: Outcome | None = None
    error: P2PMPCError | None = None
    killed: bool = False
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    silences: list[tuple[str, float, str]] = field(default_factory=list)
    """What it told of silent peers: the event, when, and why."""
    exchanged: list[tuple[int, int]] = field(default_factory=list)
    """What it told of its progress with vectors: bytes done, and of how many."""
    answer: bool | None = None
    """What the person at the terminal answers; None where there is nobody."""
    ended: trio.Event = field(default_factory=trio.Event)
    joined: trio.Event = field(default_factory=trio.Event)
    """Set at the founder when somebody joined."""

    @property
    def code(self) -> int:
        """The exit code its process would have."""
        if self.killed:
            return KILLED
        if self.error is not None:
            return exit_code_of(self.error)
        assert self.outcome is not None
        return 0 if self.outcome.trouble is None else exit_code_of(self.outcome.trouble)

    @property
    def total(self) -> list[int]:
        """Its total, in scaled units."""
        assert self.outcome is not None, self.error
        return list(self.outcome.total.values())

    @property
    def told(self) -> str:
        """Everything its error says to a person."""
        assert self.error is not None, f"{self.name} ended with a total"
        return self.error.describe()


class Peers:
    """Some nodes of one session.

    Args:
        directory: Where their logs go.
        network: Shared with others, if anybody else lives in it.
        parameters: The founder's options.
    """

    def __init__(
        self, directory: Path, network: MemoryNetwork | None = None, **parameters: Any
    ) -> None:
        self.directory = directory
        self.network = network or MemoryNetwork()
        self.parameters = parameters
        self.members: list[Peer] = []
        self.bootstrap: str | None = None
        self._founded = trio.Event()
        self._running: dict[str, trio.CancelScope] = {}

    def add(
        self,
        *values: object,
        kill: str | None = None,
        stall: str | None = None,
        answer: bool | None = None,
        **options: Any,
    ) -> Peer:
        """Add a node; the first one founds unless it is told to join.

        Args:
            values: Its input; none lets it draw one.
            kill: The step at which it dies, before its message of that step leaves.
            stall: The step at which it falls silent, and lives on until the others have ended.
            answer: Of the person at its terminal, if there is one.
            options: As on the command line.
        """
        name = options.pop("name", f"peer-{len(self.members) + 1:02}")
        given = numbers(*values) if values else None
        peer = Peer(name, given, options, Wires(self.network), kill, stall)
        peer.answer = answer
        self.members.append(peer)
        return peer

    def add_all(self, rows: Sequence[object], **options: Any) -> list[Peer]:
        """Add a node with one value each."""
        return [self.add(value, **options) for value in rows]

    async def run(
        self, count: int | None = None, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Run all nodes to their ends.

        Args:
            count: How many the founder waits for; as many as there are by default.
            meanwhile: What happens while the founder listens, before the others start.
        """
        first, *others = self.members
        founds = "bootstrap" not in first.options and "roster" not in first.options
        if founds:
            first.options = {
                "peers": count or len(self.members),
                **self.parameters,
                **first.options,
            }
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(self._run, first, founds=founds))
            if founds:
                await self._founded.wait()
            if meanwhile is not None:
                await meanwhile()
            for peer in others:
                nursery.start_soon(self.run_one, peer)

    async def run_one(self, peer: Peer) -> None:
        """Run a node that founds nothing to its end."""
        await self._run(peer, founds=False)

    async def _run(self, peer: Peer, *, founds: bool) -> None:
        async def ask(question: str) -> bool:
            await trio.lowlevel.checkpoint()
            peer.asked.append(question)
            return bool(peer.answer)

        with trio.CancelScope() as scope:
            self._running[peer.name] = scope
            try:
                peer.outcome = await run_options(
                    self._given(peer, founds=founds),
                    peer.numbers,
                    network=peer.wires,
                    entropy=os.urandom,
                    observer=Callback(partial(self._take, peer, scope)),
                    ask=None if peer.answer is None else ask,
                    on_peer=partial(setattr, peer, "node"),
                )
            except P2PMPCError as error:
                peer.error = error
        peer.killed = scope.cancelled_caught
        peer.ended.set()
        del self._running[peer.name]
        stalled = {other.name for other in self.members if other.stall is not None}
        if self._running.keys() <= stalled:
            for left in self._running.values():
                left.cancel()
        if founds:
            self._founded.set()

    def _given(self, peer: Peer, *, founds: bool) -> NodeOptions:
        given: dict[str, Any] = {
            "name": peer.name,
            "log_dir": str(self.directory),
            "timeout": 30.0,
            "join_timeout": 60.0,
            "hold": peer.kill or peer.stall,
            **peer.options,
        }
        beside = given.pop("beside", ())
        if "roster" not in given:
            given = {"listen": "memory:0", **given}
            if not founds:
                given.setdefault("bootstrap", self.bootstrap)
            if beside:  # the witnesses that it names, too
                given["bootstrap"] = (given["bootstrap"], *beside)
        return NodeOptions(**given)

    def _take(
        self, peer: Peer, scope: trio.CancelScope, event: str, fields: dict[str, object]
    ) -> None:
        """Take what a node tells of itself."""
        if event == "step":
            peer.steps.append(str(fields["step"]))
            peer.on_step(peer, str(fields["step"]))
        elif event == "warning":
            peer.warnings.append(str(fields["warning"]))
        elif event == "progress" and fields["what"] == "exchanging":
            peer.exchanged.append((int(str(fields["done"])), int(str(fields["of"]))))
        elif event in ("silent", "heard again", "disconnected"):
            reason = str(fields.get("reason", ""))
            peer.silences.append((event, trio.current_time(), f"{fields['peer']}: {reason}"))
        elif event == "joined":
            peer.joined.set()
        elif event == "founded":
            self.bootstrap = str(fields["bootstrap"])
            self._founded.set()
        elif event == "holding" and peer.kill is not None:
            peer.wires.cut()
            scope.cancel()

    @property
    def address(self) -> Address:
        """Where the founder listens."""
        assert self.bootstrap is not None
        return Address.parse(self.bootstrap.partition("#")[0])

    # -- what they left behind --------------------------------------------------------------

    @property
    def codes(self) -> list[int]:
        """All exit codes, in order."""
        return [peer.code for peer in self.members]

    def transcripts(self) -> set[bytes]:
        """Return the different transcripts that were written."""
        return {path.read_bytes() for path in self.directory.glob("*.transcript")}

    def texts(self) -> list[str]:
        """Return the content of every file that was written."""
        return [path.read_text(errors="replace") for path in self.directory.iterdir()]

    def log(self, peer: Peer, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of a peer's log, all or those of one event."""
        lines = (self.directory / f"{peer.name}.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if event in (None, line["event"])]

    def reached(self, step: str) -> list[str]:
        """Return the names of the peers that reached a step."""
        assert step in STEPS
        return [peer.name for peer in self.members if step in peer.steps]


def key_file(path: Path) -> Identity:
    """Write a new key where a node can use it."""
    identity = Identity.generate(os.urandom)
    path.touch(mode=0o600)
    path.write_bytes(identity.private_pem())
    return identity


class Listed:
    """Nodes that hold a roster file each."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.directory = directory
        self.peers = Peers(directory / "logs")
        self.keys = {name: key_file(directory / f"{name}.pem") for name in names}

    def write(self, name: str, parameters: str = "", but: str = "") -> str:
        """Write a roster file, in which somebody may be missing."""
        tables = [
            f'[[peer]]\nid = "{format_id(key.id)}"\naddress = "memory:{number}"\n'
            for number, (other, key) in enumerate(self.keys.items(), start=100)
            if other != but
        ]
        path = self.directory / f"{name}.toml"
        path.write_text("\n".join([f"[parameters]\n{parameters}", *tables]))
        return str(path)

    def add(self, name: str, *values: object, roster: str, **options: Any) -> Peer:
        """Add a node with its key and a roster."""
        key = str(self.directory / f"{name}.pem")
        return self.peers.add(*values, key=key, name=name, roster=roster, **options)
