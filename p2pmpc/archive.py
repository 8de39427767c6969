"""Writes a finished round down: log, transcript, receipt, output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from p2pmpc.actions import Finished
from p2pmpc.errors import ResourceExhausted, Revealed
from p2pmpc.evidence import Dispute
from p2pmpc.exhibit import render_evidence
from p2pmpc.identity import Identity, short_id
from p2pmpc.logs import NodeLog
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.receipt import make_receipt
from p2pmpc.session import Session
from p2pmpc.storage import make_folder, write_output, write_partials, write_text
from p2pmpc.transcript import digest_of, render

T = TypeVar("T")


def file_stem(name: str, identity: Identity) -> str:
    """Return what a peer's files are called: its name as far as a file may have it, or its ID."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")
    return kept or f"peer-{short_id(identity.id)}"


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
) -> Outcome:
    """Write a finished round down; whatever fails here, the total stands and is returned.

    Args:
        session: The session.
        finished: Its total and public facts.
        identity: This peer's, which signs the receipt.
        options: Say which files are wanted.
        directory: Where they go.
        log: This peer's; it ends here, since the receipt holds its last hash.
        traffic: Bytes sent and received on the mesh.
    """
    parameters = session.parameters
    fraction_bits = parameters.fraction_bits
    opened = tuple(int(v) for v in parameters.arithmetic.to_signed(finished.total))
    total = opened[: parameters.length]
    weight = opened[-1] if parameters.private_weights else sum(session.weights)
    text = render(finished.record)
    digest = digest_of(text)
    agreed = tuple(session.label(i) for i in sorted(finished.confirmed))
    missing = tuple(session.label(i) for i in session.indices if i not in finished.confirmed)
    sent, received = traffic
    log.info(
        "finished",
        agreed=list(agreed),
        transcript=digest.hex(),
        bytes_sent=sent,
        bytes_received=received,
    )
    log.file.close()
    stem = file_stem(options.name, identity)
    troubles: list[ResourceExhausted] = []

    def attempt(write: Callable[[], T]) -> T | None:
        """Write what can be written, and remember what could not."""
        try:
            return write()
        except ResourceExhausted as error:
            error.revealed = Revealed.TOTAL
            troubles.append(error)
            return None

    attempt(lambda: write_text(directory / f"{stem}.transcript", text))
    kept: bytes | None = None
    if options.keep_partials:
        path = directory / f"{stem}.partials.npz"
        kept = attempt(lambda: write_partials(path, finished.record))
    receipt = make_receipt(
        identity,
        finished.record,
        finished.confirmed,
        transcript_digest=digest,
        log_lines=log.file.lines,
        log_chain=log.file.last,
        partials=kept,
    )
    attempt(lambda: write_text(directory / f"{stem}.receipt.json", receipt))
    if options.output is not None:
        output = Path(options.output)
        attempt(lambda: write_output(output, total, fraction_bits))
    if log.failure is not None:
        reason = f"the log could not be written: {log.failure.strerror}"
        troubles.append(ResourceExhausted(reason, revealed=Revealed.TOTAL))
    return Outcome(
        total=total,
        fraction_bits=fraction_bits,
        total_weight=weight,
        private_weights=parameters.private_weights,
        agreed=agreed,
        missing=missing,
        transcript=digest.hex(),
        log_dir=str(directory),
        trouble=troubles[0] if troubles else None,
    )
