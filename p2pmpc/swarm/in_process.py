"""A swarm in one process: the same nodes over memory streams, each with its own identity."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import trio

from p2pmpc.errors import P2PMPCError, exit_code_of
from p2pmpc.network import MemoryNetwork
from p2pmpc.node import run_options
from p2pmpc.progress import Callback
from p2pmpc.shamir import Entropy
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.orders import peer_options
from p2pmpc.swarm.watch import PeerState

_KILLED = -9


class MemorySwarm:
    """Runs the peers as tasks; see :class:`p2pmpc.swarm.processes.ProcessSwarm`.

    Args:
        options: Of the swarm.
        data: What every peer brings.
        directory: Where their logs go.
        peers: What is known of each, kept up to date.
        entropy: The operating system's.
    """

    def __init__(
        self,
        options: SwarmOptions,
        data: SwarmData,
        directory: Path,
        peers: list[PeerState],
        entropy: Entropy,
    ) -> None:
        self._options = options
        self._data = data
        self._directory = directory
        self._peers = peers
        self._entropy = entropy
        self._network = MemoryNetwork()
        self._bootstrap: str | None = None
        self._founded = trio.Event()

    async def run(self) -> None:
        """Run all peers to their ends."""
        # n peers keep n^2 links alive in one heap: collecting it as often as a small program would
        # costs a quarter of the run.
        gc.set_threshold(50_000, 50, 50)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_peer, self._peers[0])
            await self._founded.wait()
            if self._bootstrap is not None:
                for peer in self._peers[1:]:
                    nursery.start_soon(self._run_peer, peer)

    async def _run_peer(self, peer: PeerState) -> None:
        with trio.CancelScope() as scope:

            def take(event: str, fields: dict[str, object]) -> None:
                peer.take(event, fields)
                if event == "founded":
                    self._bootstrap = str(fields["bootstrap"])
                    self._founded.set()
                elif event == "holding":
                    scope.cancel()

            try:
                outcome = await run_options(
                    replace(
                        peer_options(self._options, peer, self._peers, self._data, self._bootstrap),
                        listen="memory:0",
                        weight=peer.weight,
                        log_dir=str(self._directory),
                    ),
                    self._data.numbers(peer.number) if peer.weight else None,
                    network=self._network,
                    entropy=self._entropy,
                    observer=Callback(take),
                )
                peer.exit_code = 0 if outcome.trouble is None else exit_code_of(outcome.trouble)
                peer.opened = outcome.total
                peer.result = {
                    "transcript": outcome.transcript,
                    "total_weight": outcome.total_weight,
                }
            except P2PMPCError as error:
                peer.exit_code = exit_code_of(error)
                peer.errors.append(error.describe())
        if scope.cancelled_caught:
            peer.exit_code = _KILLED
        if peer.number == 1:
            self._founded.set()
