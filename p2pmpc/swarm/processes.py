"""A swarm of processes: each peer with its own identity, entropy and address space."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import trio

from p2pmpc.errors import LocalProtocolError
from p2pmpc.inputs import WEIGHT_VARIABLE
from p2pmpc.outcome import MOST_BESIDE_A_FILE
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.watch import PeerState

_END_SECONDS = 3.0


def total_file(directory: Path, peer: PeerState) -> Path:
    """Return where a peer of a swarm writes a long total."""
    return directory / f"{peer.name}.total.npy"


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
        self._processes: list[trio.Process] = []

    async def run(self) -> None:
        """Run all peers to their ends."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_peer, self._peers[0], self._founder_arguments())
                await self._founded.wait()
                if self._bootstrap is None:
                    return
                for peer in self._peers[1:]:
                    nursery.start_soon(self._run_peer, peer, ["--bootstrap", self._bootstrap])
        finally:
            with trio.CancelScope(shield=True):
                await self._end_all()

    def _founder_arguments(self) -> list[str]:
        options = self._options
        arguments = ["--listen", "127.0.0.1:0", "--peers", str(len(self._peers))]
        arguments += ["--length", str(self._data.length), "--field", options.field]
        arguments += ["--fraction-bits", str(options.fraction_bits)]
        arguments += ["--share-mode", options.share_mode]
        arguments += ["--bound", options.bound] if options.bound is not None else []
        arguments += ["--strict"] if options.strict else []
        arguments += ["--private-weights"] if options.private_weights else []
        arguments += ["--allow-revealing-weights"] if options.allow_revealing_weights else []
        return arguments

    def _common_arguments(self, peer: PeerState) -> list[str]:
        options = self._options
        arguments = ["--name", peer.name, "--yes", *(["--input", "-"] if peer.weight else [])]
        arguments += ["--timeout", str(options.timeout), "--join-timeout", str(options.timeout)]
        arguments += ["--log-dir", str(self._directory), "--json", "--progress", "json"]
        arguments += ["--allow-two"] if options.allow_two else []
        arguments += ["--log-secrets"] if options.log_secrets else []
        arguments += ["--keep-partials"] if options.keep_partials else []
        if self._is_long:
            arguments += ["--output", str(total_file(self._directory, peer))]
        step = self._kills.get(peer.number)
        return [*arguments, "--hold", step] if step else arguments

    @property
    def _is_long(self) -> bool:
        return self._data.length > MOST_BESIDE_A_FILE

    @contextmanager
    def _input_file(self) -> Iterator[BinaryIO | None]:
        """Make a file without a name for a long input: through a pipe the peer would have to hold it."""
        if not self._is_long:
            yield None
            return
        with tempfile.TemporaryFile() as file:
            yield file

    async def _run_peer(self, peer: PeerState, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "p2pmpc.node", *arguments, *self._common_arguments(peer)]
        with self._input_file() as file:
            if file is not None and peer.weight:
                await trio.to_thread.run_sync(self._data.write_input, peer.number, file)
                file.seek(0)
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE if file is None else file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, WEIGHT_VARIABLE: str(peer.weight)},
            )
        self._processes.append(process)
        printed = bytearray()
        async with trio.open_nursery() as nursery:
            if process.stdin is not None:
                data = self._data.as_bytes(peer.number) if peer.weight else b""
                nursery.start_soon(self._feed, process, data)
            nursery.start_soon(self._collect, process, printed)
            nursery.start_soon(self._follow, process, peer)
            await process.wait()
        peer.exit_code = process.returncode
        if printed:
            peer.result = json.loads(bytes(printed))
        if peer.number == 1:
            self._founded.set()

    async def _feed(self, process: trio.Process, data: bytes) -> None:
        assert process.stdin is not None
        try:
            async with process.stdin:
                await process.stdin.send_all(data)
        except trio.BrokenResourceError:
            return  # it ended before it read its input; its exit code says why

    async def _collect(self, process: trio.Process, printed: bytearray) -> None:
        assert process.stdout is not None
        async with process.stdout:
            async for data in process.stdout:
                printed += data

    async def _follow(self, process: trio.Process, peer: PeerState) -> None:
        """Read a peer's events, a JSON object a line."""
        assert process.stderr is not None
        pending = b""
        async with process.stderr:
            async for data in process.stderr:
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._take(process, peer, line.decode(errors="replace"))

    def _take(self, process: trio.Process, peer: PeerState, line: str) -> None:
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
            process.kill()

    async def _end_all(self) -> None:
        """End whatever still runs: politely, then not."""
        running = [process for process in self._processes if process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        with trio.move_on_after(_END_SECONDS):
            for process in running:
                await process.wait()
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()
