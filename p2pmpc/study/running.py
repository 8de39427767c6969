"""Runs one peer of a study as a process: signals, the terminal, the result and its files."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

from p2pmpc.archive import file_stem
from p2pmpc.errors import Interrupted, LocalProtocolError, P2PMPCError, ResourceExhausted, Revealed
from p2pmpc.identity import Identity
from p2pmpc.network import TcpNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.peer import Peer
from p2pmpc.progress import Observer
from p2pmpc.start import peer_of
from p2pmpc.study.evidence import keep_study
from p2pmpc.study.model import Study
from p2pmpc.study.options import StudyOptions
from p2pmpc.study.report import report
from p2pmpc.study.result import Result
from p2pmpc.study.result_csv import to_csv
from p2pmpc.study.result_json import to_json
from p2pmpc.study.showing import show
from p2pmpc.study.walk import Part, Walked, walk


async def run_until_signal(
    options: NodeOptions, identity: Identity, part: Part, observer: Observer
) -> Walked:
    """Take part in a study; SIGINT and SIGTERM end it in good order, and the others are told.

    Args:
        options: Of the session below.
        identity: This peer's, which signs the receipt.
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
                keep_study(
                    Path(walked.result.files),
                    file_stem(options.name, identity),
                    identity,
                    peer.runner.session,
                    part.plan.study,
                    walked.result,
                )
        except P2PMPCError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if walked is None:
        raise failure or LocalProtocolError("the study ended without a result")
    return walked


def write_result(study: Study, result: Result, options: StudyOptions) -> P2PMPCError | None:
    """Show a result, and write the files that were asked for.

    Args:
        study: What was asked.
        result: What was answered.
        options: How it is shown.

    Returns:
        What could not be written, if anything: the result itself stands.
    """
    trouble: P2PMPCError | None = None
    wanted = {options.csv: to_csv(result)} if options.csv else {}
    if options.report:
        wanted[options.report] = report(study, result)
    for path, text in wanted.items():
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            trouble = trouble or ResourceExhausted(
                f"cannot write {path}: {error.strerror}", revealed=Revealed.TOTAL
            )
    sys.stdout.write(to_json(study, result) if options.json else show(study, result))
    sys.stdout.flush()
    return trouble
