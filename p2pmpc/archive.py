"""Writes a finished round down: log, transcript, receipt, output."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from p2pmpc.actions import Finished
from p2pmpc.errors import ResourceExhausted, Revealed
from p2pmpc.evidence import Dispute
from p2pmpc.exhibit import render_evidence
from p2pmpc.identity import Identity, short_id
from p2pmpc.logs import NodeLog
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.receipt import make_receipt
from p2pmpc.record import Record
from p2pmpc.session import Session
from p2pmpc.storage import make_folder, write_output, write_partials, write_text
from p2pmpc.totals import OpenedTotal
from p2pmpc.transcript import digest_of, render

T = TypeVar("T")

_BYTES_A_RUN: Final = 1 << 16
_BYTES_A_PEER: Final = 1 << 13


class _Attempts:
    """Writes what can be written, and remembers what could not: the total is known by now."""

    def __init__(self) -> None:
        self.troubles: list[ResourceExhausted] = []

    def make(self, write: Callable[[], T]) -> T | None:
        """Return what a write returns, or None if it failed."""
        try:
            return write()
        except ResourceExhausted as error:
            self.failed(error)
            return None

    def failed(self, error: ResourceExhausted) -> None:
        """Remember a failure."""
        error.revealed = Revealed.TOTAL
        self.troubles.append(error)


def file_stem(name: str, identity: Identity) -> str:
    """Return what a peer's files are called: its name as far as a file may have it, or its ID."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")
    kept = re.sub(r"\.(r[0-9]{4,7})$", r"_\1", kept)  # that is how the files of rounds end
    return kept or f"peer-{short_id(identity.id)}"


def round_suffix(session: Session, number: int) -> str:
    """Return what the names of a round's files end with: nothing where there is only one round."""
    return "" if session.parameters.rounds == 1 else f".r{number + 1:04}"


def room_needed(session: Session, *, keep_partials: bool) -> int:
    """Return how many bytes the files of one round may take, generously."""
    kept = len(session.members) * session.limits.vector_bytes if keep_partials else 0
    return _BYTES_A_RUN + _BYTES_A_PEER * len(session.members) + kept


def keep_evidence(session: Session, dispute: Dispute, directory: Path, stem: str) -> Path:
    """Write down the proof of what ended a run.

    Args:
        session: The session.
        dispute: What ended it.
        directory: The run's.
        stem: What this peer's files are called.

    Returns:
        The file.

    Raises:
        ResourceExhausted: It cannot be written.
    """
    evidence = dispute.evidence
    culprit = short_id(session.member(evidence.culprit).id)
    folder = make_folder(directory / "evidence")
    path = folder / f"{stem}-{evidence.claim.value}-{culprit}.json"
    write_text(path, render_evidence(session, evidence))
    return path


def write_down(
    session: Session,
    finished: Finished,
    *,
    identity: Identity,
    options: NodeOptions,
    directory: Path,
    log: NodeLog,
    traffic: tuple[int, int],
    trouble: ResourceExhausted | None = None,
    is_last: bool = True,
) -> Outcome:
    """Write a finished round down; whatever fails here, the total stands and is returned.

    Args:
        session: The session.
        finished: Its total and public facts.
        identity: This peer's, which signs the receipt.
        options: Say which files are wanted.
        directory: Where they go.
        log: This peer's; it ends with the last round, since the receipt holds its last hash.
        traffic: Bytes sent and received on the mesh.
        trouble: What could not be written before.
        is_last: Whether no other round comes.
    """
    text = render(finished.record)
    digest = digest_of(text)
    outcome = _outcome(session, finished, digest, directory)
    sent, received = traffic
    log.info(
        "finished",
        agreed=list(outcome.agreed),
        transcript=digest.hex(),
        bytes_sent=sent,
        bytes_received=received,
    )
    if is_last:
        log.close()
    attempts = _Attempts()
    if trouble is not None:
        attempts.failed(trouble)
    suffix = round_suffix(session, finished.record.round)
    path = directory / (file_stem(options.name, identity) + suffix)
    if options.resume:
        _clear(path)
    kept = _write_record(path, finished.record, text, attempts, partials=options.keep_partials)
    _write_receipt(path, finished, attempts, identity=identity, log=log, digest=digest, kept=kept)
    if options.output is not None:
        output = Path(options.output)
        output = output.with_name(f"{output.stem}{suffix}{output.suffix}")
        attempts.make(lambda: write_output(output, outcome.total))
        outcome = replace(outcome, output=str(output))
    if log.failure is not None:
        reason = f"the log could not be written: {log.failure.strerror}"
        attempts.failed(ResourceExhausted(reason))
    return replace(outcome, trouble=next(iter(attempts.troubles), None))


def _write_record(
    path: Path, record: Record, text: str, attempts: _Attempts, *, partials: bool
) -> bytes | None:
    """Write the transcript, and if wanted the opened partial sums; return the digest of these."""
    attempts.make(lambda: write_text(_beside(path, "transcript"), text))
    if not partials:
        return None
    return attempts.make(lambda: write_partials(_beside(path, "partials.npz"), record))


def _write_receipt(
    path: Path,
    finished: Finished,
    attempts: _Attempts,
    *,
    identity: Identity,
    log: NodeLog,
    digest: bytes,
    kept: bytes | None,
) -> None:
    """Write what this peer signs of a round: its transcript, its log so far, its partial sums."""
    receipt = make_receipt(
        identity,
        finished.record,
        finished.confirmed,
        transcript_digest=digest,
        log_lines=log.file.lines,
        log_chain=log.file.last,
        partials=kept,
    )
    attempts.make(lambda: write_text(_beside(path, "receipt.json"), receipt))


def _clear(path: Path) -> None:
    """Remove what a process that was killed wrote of the same round: it is written again."""
    with contextlib.suppress(OSError):
        for ending in ("transcript", "partials.npz", "receipt.json"):
            _beside(path, ending).unlink(missing_ok=True)


def _beside(path: Path, ending: str) -> Path:
    """Return a file of a round; the name of a peer may have dots, so none is an ending."""
    return path.with_name(f"{path.name}.{ending}")


def _outcome(session: Session, finished: Finished, digest: bytes, directory: Path) -> Outcome:
    """Return what a finished round says, before anything is written."""
    parameters = session.parameters
    arithmetic, length = parameters.arithmetic, parameters.length
    total_weight = sum(session.weights)
    if parameters.private_weights:
        total_weight = int(arithmetic.to_signed(finished.total[length:])[0])
    return Outcome(
        total=OpenedTotal(arithmetic, finished.total[:length], parameters.fraction_bits),
        total_weight=total_weight,
        private_weights=parameters.private_weights,
        agreed=tuple(session.label(i) for i in sorted(finished.confirmed)),
        missing=tuple(session.label(i) for i in session.indices if i not in finished.confirmed),
        transcript=digest.hex(),
        log_dir=str(directory),
        round=finished.record.round + 1,
        rounds=parameters.rounds,
    )
