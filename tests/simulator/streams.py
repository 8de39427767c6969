"""The driver that carries a schedule over real streams, frame by frame, as bytes.

Which peer takes what next is decided by the schedule, which a seed and the heap driver made. Here
every peer is a task, every direction of every connection is a stream with a task that writes to it
what its sender ever said, from the start, and bytes arrive in pieces that fit no frame. If the
machines depended on anything but what they are told in which order, the traces would differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import trio
import trio.testing

from p2pmpc.frames import Frame
from p2pmpc.links import Link
from p2pmpc.mesh import SESSION_KINDS
from tests.frames import encode_frame
from tests.simulator.fakes import cheap_signatures, small_pieces
from tests.simulator.faults import Behaviour
from tests.simulator.scenario import Scenario
from tests.simulator.watch import ViolationError
from tests.simulator.world import Step, World

_LONGEST_PIECE = 97


class Pieces(trio.abc.Stream):
    """A stream that hands bytes over in pieces of drawn sizes.

    Args:
        stream: Where they come from and go to.
        random: Draws.
    """

    def __init__(self, stream: trio.abc.Stream, random: Random) -> None:
        self._stream = stream
        self._random = random

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:  # noqa: ARG002
        """Read a piece."""
        return await self._stream.receive_some(self._random.randint(1, _LONGEST_PIECE))

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


class StreamDriver:
    """Runs one scenario over streams.

    Args:
        scenario: The same as that of the heap driver.
        schedule: What happens to whom, in order.
        real: Whether with real cryptography.
    """

    def __init__(self, scenario: Scenario, schedule: Sequence[Step], *, real: bool = False) -> None:
        with small_pieces():  # the limits of a session follow from them
            self.world = World(scenario, real=real, planted=None)
        self.world.driver = self
        self._schedule = schedule
        self._random = Random(scenario.seed)
        self._outboxes: dict[tuple[int, int], list[Frame]] = {}
        self._grown = trio.Event()
        self._readers: dict[tuple[int, int, int], Link] = {}
        self._nursery: trio.Nursery | None = None
        self._violation: ViolationError | None = None

    # -- what the world asks for ------------------------------------------------------------

    def carry(self, sender: int, receiver: int, frame: Frame) -> None:
        """Let the writers of a link have one frame more."""
        self._outboxes.setdefault((sender, receiver), []).append(frame)
        self._grown.set()
        self._grown = trio.Event()

    def strike(self, behaviour: Behaviour) -> None:
        """Leave it to the schedule, which holds all that follows."""

    def ended(self, peer: int) -> None:
        """Leave it to the schedule."""

    def restarted(self, peer: int, retold: dict[int, Callable[[Frame], Frame]]) -> None:
        """Forget what the process said that was killed: the new one says everything anew."""
        for other in self.world.peers[peer].others:
            self._outboxes[peer, other] = []
            if other in retold:
                said = self._outboxes.get((other, peer), [])
                self._outboxes[other, peer] = [retold[other](frame) for frame in said]

    # -- tasks ------------------------------------------------------------------------------

    async def run(self) -> World:
        """Run to the end.

        Raises:
            ViolationError: An invariant does not hold.
        """
        with cheap_signatures(), small_pieces():
            await self._run()
        if self._violation is not None:
            raise self._violation
        self.world.watch.closes()
        return self.world

    async def _run(self) -> None:
        """Lead every peer through the schedule."""
        tasks = {}
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for index in self.world.scenario.indices:
                steps, mine = trio.open_memory_channel[Step](0)
                done, taken = trio.open_memory_channel[None](0)
                tasks[index] = steps, taken
                nursery.start_soon(self._peer, mine, done)
            for step in self._schedule:
                steps, taken = tasks[step.peer]
                await steps.send(step)
                await taken.receive()
            nursery.cancel_scope.cancel()

    async def _peer(
        self, steps: trio.MemoryReceiveChannel[Step], done: trio.MemorySendChannel[None]
    ) -> None:
        """Be one peer: read what comes next, let the machines have it, and say so."""
        async for step in steps:
            frame = None
            if step.what == "frame":
                limits = self.world.peers[step.peer].notary.limits
                reader = self._reader(step.other, step.peer, step.generation)
                frame = await reader.receive(limits, SESSION_KINDS)
            try:
                self.world.step(step, frame)
            except ViolationError as error:
                self._violation = self._violation or error
            await done.send(None)

    def _reader(self, sender: int, receiver: int, generation: int) -> Link:
        """Return the reading end of one direction of a connection, newly made where it is new."""
        key = sender, receiver, generation
        if key not in self._readers:
            near, far = trio.testing.memory_stream_pair()
            self._readers[key] = Link(Pieces(far, self._random))
            assert self._nursery is not None
            self._nursery.start_soon(self._write, Link(near), (sender, receiver))
        return self._readers[key]

    async def _write(self, link: Link, pair: tuple[int, int]) -> None:
        """Write everything that was ever said on a link, and then whatever is said."""
        position = 0
        while True:
            grown, outbox = self._grown, self._outboxes.get(pair, [])
            while position < len(outbox):
                frame = outbox[position]
                data = encode_frame(frame.kind, frame.round, frame.signature, frame.body)
                await link.send(data)
                position += 1
            await grown.wait()
