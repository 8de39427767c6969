"""Runs one peer of a study as a process: signals, the terminal, the result and its files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from p2pmpc.archive import file_stem
from p2pmpc.errors import P2PMPCError, ResourceExhausted, Revealed
from p2pmpc.identity import Identity
from p2pmpc.interruption import until_signal
from p2pmpc.network import TcpNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.peer import Peer
from p2pmpc.progress import Observer
from p2pmpc.start import peer_of
from p2pmpc.study.model import Study
from p2pmpc.study.report.page import report
from p2pmpc.study.report.result_csv import to_csv
from p2pmpc.study.report.result_json import to_json
from p2pmpc.study.report.showing import show
from p2pmpc.study.result import Result
from p2pmpc.study.session.evidence import keep_study
from p2pmpc.study.session.options import StudyOptions
from p2pmpc.study.session.walk import Part, Walked, walk


async def take_part(
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

    async def run(on_peer: Callable[[Peer], None]) -> Walked:
        with peer_of(
            options,
            None,
            network=TcpNetwork(),
            entropy=os.urandom,
            observer=observer,
            brings_later=True,
        ) as peer:
            on_peer(peer)
            walked = await walk(peer, part, observer)
            return _kept(walked, options, identity, part, peer)

    return await until_signal(run)


def _kept(
    walked: Walked, options: NodeOptions, identity: Identity, part: Part, peer: Peer
) -> Walked:
    """Write down what a study came to; the result stands whatever cannot be written."""
    stem, session = file_stem(options.name, identity), peer.runner.session
    folder, study = Path(walked.result.files), part.plan.study
    try:
        keep_study(folder, stem, identity, session, study, walked.result)
    except ResourceExhausted as error:
        error.revealed = Revealed.TOTAL
        return replace(walked, unkept=error)
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
