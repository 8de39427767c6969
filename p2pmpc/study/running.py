"""Runs one peer of a study as a process: signals, the terminal, the result and its files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from p2pmpc.errors import Interrupted, LocalProtocolError, P2PMPCError
from p2pmpc.network import TcpNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.peer import Peer
from p2pmpc.progress import Observer
from p2pmpc.start import peer_of
from p2pmpc.study.evidence import keep_study
from p2pmpc.study.options import StudyOptions
from p2pmpc.study.report import report
from p2pmpc.study.result import Result
from p2pmpc.study.result_csv import as_csv
from p2pmpc.study.result_json import as_json
from p2pmpc.study.showing import as_text
from p2pmpc.study.walk import Part, Walked, walk


async def run_until_signal(options: NodeOptions, part: Part, observer: Observer) -> Walked:
    """Take part in a study; SIGINT and SIGTERM end it in good order, and the others are told.

    Args:
        options: Of the session below.
        part: What this peer brings.
        observer: Told of progress.

    Raises:
        P2PMPCError: Why there is no result.
    """
    walked: Walked | None = None
    failure: P2PMPCError | None = None
    async with trio.open_nursery() as nursery:

        async def watch(peer: Peer) -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    await peer.interrupt(Interrupted(number))

        try:
            with peer_of(
                options,
                None,
                network=TcpNetwork(),
                entropy=os.urandom,
                observer=observer,
                brings_later=True,
            ) as peer:
                nursery.start_soon(watch, peer)
                walked = await walk(peer, part, observer)
        except P2PMPCError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if walked is None:
        raise failure or LocalProtocolError("the study ended without a result")
    return walked
