"""A swarm of processes: each peer with its own identity, entropy and address space."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

import trio

from p2pmpc.errors import LocalProtocolError, ResourceExhausted
from p2pmpc.outcome import MOST_BESIDE_A_FILE
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.forked import ForkedPeer, Spawner, no_zygote, open_spawner
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.orders import peer_options
from p2pmpc.swarm.watch import PeerState


def total_file(directory: Path, peer: PeerState) -> Path:
    """Return where a peer of a swarm writes a long total."""
    return directory / f"{peer.name}.total.npy"


def result_of(printed: bytes) -> dict[str, object]:
    """Return the result that a peer printed; an empty one where it printed none, or was killed meanwhile."""
    if not printed.endswith(b"\n"):
        return {}
    content: dict[str, object] = json.loads(printed)
    return content


class ProcessSwarm:
    """Starts the peers, watches them, strikes those that are to be killed, and collects results.

    Args:
        options: Of the swarm.
        data: What every peer brings.
        directory: Where their logs go.
        peers: What is known of each, kept up to date.
    """

    def __init__(
        self, options: SwarmOptions, data: SwarmData, directory: Path, peers: list[PeerState]
    ) -> None:
        self._options = options
        self._data = data
        self._directory = directory
        self._peers = peers
        self._kills = options.kills(len(peers))
        self._bootstrap: str | None = None
        self._founded = trio.Event()

    async def run(self) -> None:
        """Run all peers to their ends.

        Raises:
            ResourceExhausted: The process that they are forked from has ended before them.
        """
        async with open_spawner() as spawner:
            await self._run_peers(spawner)
        if spawner.has_ended:
            raise no_zygote()

    async def _run_peers(self, spawner: Spawner) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_peer, self._peers[0], spawner)
            await self._founded.wait()
            if self._bootstrap is not None:
                for peer in self._peers[1:]:
                    nursery.start_soon(self._run_peer, peer, spawner)

    def _task(self, peer: PeerState, source: str | None) -> bytes:
        """Return what a peer is told; see :func:`p2pmpc.swarm.zygote.live_as_peer`."""
        options = replace(
            peer_options(self._options, peer, self._peers, self._data, self._bootstrap),
            listen="127.0.0.1:0" if peer.number == 1 else None,
            input=source,
            output=str(total_file(self._directory, peer)) if self._is_long else None,
            log_dir=str(self._directory),
            json=True,
            progress="json",
        )
        told = {name: value for name, value in asdict(options).items() if value != b""}
        return json.dumps({"options": told, "weight": str(peer.weight)}).encode()

    @property
    def _is_long(self) -> bool:
        return self._data.length > MOST_BESIDE_A_FILE

    @contextmanager
    def _input_file(self, peer: PeerState) -> Iterator[BinaryIO | None]:
        """Make a file for a long input: through a pipe the peer would have to hold it."""
        if not self._is_long or not peer.weight:
            yield None
            return
        with tempfile.NamedTemporaryFile(prefix="p2pmpc-", suffix=".npy") as file:
            yield file  # type: ignore[misc]

    async def _run_peer(self, peer: PeerState, spawner: Spawner) -> None:
        with self._input_file(peer) as file:
            if file is None:
                data = self._data.as_bytes(peer.number) if peer.weight else b""
                await self._run_with(peer, spawner, "-" if peer.weight else None, data)
                return
            await trio.to_thread.run_sync(self._data.write_input, peer.number, file)
            file.flush()
            await self._run_with(peer, spawner, file.name, b"")

    async def _run_with(
        self, peer: PeerState, spawner: Spawner, source: str | None, data: bytes
    ) -> None:
        printed = bytearray()
        try:
            process = await spawner.fork(self._task(peer, source))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._feed, process, data)
                nursery.start_soon(self._collect, process, printed)
                nursery.start_soon(self._follow, process, peer)
                peer.exit_code = await process.wait()
        except ResourceExhausted as error:
            peer.errors.append(error.message)
        peer.result = result_of(bytes(printed))
        if peer.number == 1:
            self._founded.set()

    async def _feed(self, process: ForkedPeer, data: bytes) -> None:
        try:
            async with process.stdin:
                await process.stdin.send_all(data)
        except trio.BrokenResourceError:
            return  # it ended before it read its input; its exit code says why

    async def _collect(self, process: ForkedPeer, printed: bytearray) -> None:
        async with process.stdout:
            async for data in process.stdout:
                printed += data

    async def _follow(self, process: ForkedPeer, peer: PeerState) -> None:
        """Read a peer's events, a JSON object a line."""
        pending = b""
        async with process.stderr:
            async for data in process.stderr:
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    await self._take(process, peer, line.decode(errors="replace"))

    async def _take(self, process: ForkedPeer, peer: PeerState, line: str) -> None:
        try:
            fields = json.loads(line)
            event = fields.pop("event")
        except (ValueError, KeyError, AttributeError):
            peer.errors.append(line)
            return
        peer.take(event, fields)
        if event == "founded":
            self._bootstrap = str(fields["bootstrap"])
            self._founded.set()
        elif event == "holding":
            if peer.number not in self._kills:
                raise LocalProtocolError("a peer waits to be killed that nobody asked to kill")
            await process.send_signal(signal.SIGKILL)
