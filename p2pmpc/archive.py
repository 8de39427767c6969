"""Writes a finished round down: log, transcript, receipt, output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from p2pmpc.actions import Finished
from p2pmpc.errors import ResourceExhausted, Revealed
from p2pmpc.identity import Identity, short_id
from p2pmpc.logs import NodeLog
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.receipt import make_receipt
from p2pmpc.session import Session
from p2pmpc.storage import write_output, write_partials, write_text
from p2pmpc.transcript import digest_of, render


def file_stem(name: str, identity: Identity) -> str:
    """Return what a peer's files are called: its name as far as a file may have it, or its ID."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")
    return kept or f"peer-{short_id(identity.id)}"


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
    fraction_bits = session.parameters.fraction_bits
    total = tuple(int(v) for v in session.parameters.arithmetic.to_signed(finished.total))
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
    receipt = make_receipt(
        identity,
        finished.record,
        finished.confirmed,
        transcript_digest=digest,
        log_lines=log.file.lines,
        log_chain=log.file.last,
    )
    log.file.close()
    stem = file_stem(options.name, identity)
    writes: list[Callable[[], None]] = [
        lambda: write_text(directory / f"{stem}.transcript", text),
        lambda: write_text(directory / f"{stem}.receipt.json", receipt),
    ]
    if options.keep_partials:
        path = directory / f"{stem}.partials.npz"
        writes.append(lambda: write_partials(path, finished.record))
    if options.output is not None:
        output = Path(options.output)
        writes.append(lambda: write_output(output, total, fraction_bits))
    return Outcome(
        total=total,
        fraction_bits=fraction_bits,
        total_weight=sum(session.weights),
        agreed=agreed,
        missing=missing,
        transcript=digest.hex(),
        log_dir=str(directory),
        trouble=_first_trouble(writes, log),
    )


def _first_trouble(writes: list[Callable[[], None]], log: NodeLog) -> ResourceExhausted | None:
    """Write everything that can be written, and return the first thing that could not."""
    troubles = []
    for write in writes:
        try:
            write()
        except ResourceExhausted as error:
            troubles.append(error)
    if log.failure is not None:
        troubles.append(ResourceExhausted(f"the log could not be written: {log.failure.strerror}"))
    if not troubles:
        return None
    troubles[0].revealed = Revealed.TOTAL
    return troubles[0]
