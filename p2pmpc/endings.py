"""How a peer tells the others that it ends, and what they make of it.

An ABORT can carry evidence. Then it does not matter who says it: everybody judges it alike.
"""

from __future__ import annotations

from typing import Final

from p2pmpc.disputes import check_evidence
from p2pmpc.errors import (
    ConfigurationError,
    Declined,
    InputRefused,
    Interrupted,
    LocalProtocolError,
    P2PMPCError,
    RemoteProtocolError,
    ResourceExhausted,
    VerificationFailed,
    error_for_code,
)
from p2pmpc.evidence import Claim, Dispute, Evidence
from p2pmpc.messages import (
    LONGEST_REASON,
    Abort,
    is_display_text,
)
from p2pmpc.session import Session
from p2pmpc.wire import decode_evidence, encode_evidence

_TOLD_INSTEAD: Final = {
    InputRefused: "it refused to share its input",
    Declined: "its owner declined to take part",
    ConfigurationError: "its options do not allow it to go on",
    ResourceExhausted: "it ran out of disk, descriptors or memory",
    Interrupted: "it was interrupted",
    LocalProtocolError: "it found a fault in itself",
}


def abort_message(error: P2PMPCError) -> Abort:
    """Return what the others are told about an error.

    Only reasons that concern peers are told. What went wrong with this peer's own input, files or
    options is not theirs to know.
    """
    reason = error.message
    for kind, told in _TOLD_INSTEAD.items():
        if isinstance(error, kind) and not error.is_anothers:
            reason = told
    printable = "".join(c if is_display_text(c, 1) else "?" for c in reason)[:LONGEST_REASON]
    evidence = encode_evidence(error.evidence) if isinstance(error, Dispute) else b""
    return Abort(error.exit_code, tuple(sorted(set(error.peers))), printable, evidence)


def error_of_abort(session: Session, peer: int, abort: Abort) -> P2PMPCError:
    """Return the error a peer ends with when another one says that it ends.

    Returns:
        A Dispute where the ABORT carries evidence that holds: then it does not matter who says so.
    """
    if abort.evidence:
        return _judged(session, peer, abort.evidence)
    peers = tuple(dict.fromkeys(abort.peers)) or (peer,)
    if abort.code == RemoteProtocolError.exit_code and len(peers) == 1:
        # Only the accuser saw it, so either of the two may lie. More than one name is such a pair
        # already, handed on.
        peers = tuple(dict.fromkeys((peer, *peers)))
    error = error_for_code(abort.code)(
        f"{session.label(peer)} ended the session: {abort.reason}",
        peers=peers,
        hint="the reason is that peer's own: ask there, then start again with everybody",
    )
    error.is_anothers = True
    return error


def vetted(session: Session, error: P2PMPCError) -> P2PMPCError:
    """Return an error as it may be told: proof that others would not accept is none."""
    if not isinstance(error, Dispute):
        return error
    try:
        check_evidence(session, error.evidence)
    except VerificationFailed:
        return RemoteProtocolError(error.message, peers=error.peers, hint=error.hint)
    return error


def _judged(session: Session, peer: int, shown: bytes) -> P2PMPCError:
    """Judge the evidence that an ABORT carries; one that proves nothing speaks against its sender."""
    witness = session.label(peer)
    try:
        evidence = decode_evidence(shown)
        if evidence.claim is Claim.TWO_ENTRIES and session.founder is None:
            raise VerificationFailed("with a roster file an entry binds no session")
        proven = check_evidence(session, evidence)
    except (RemoteProtocolError, VerificationFailed) as error:
        return RemoteProtocolError(
            f"{witness} accuses without proof: {error.message}", peers=(peer,)
        )
    if evidence.claim is Claim.TWO_ENTRIES:
        return two_entries(session, evidence)
    culprit = session.label(evidence.culprit)
    return Dispute(f"{culprit} {proven} (shown by {witness})", evidence)


def two_entries(session: Session, evidence: Evidence) -> Dispute:
    """Return the error for two entries that a founder gave out, naming owner and founder."""
    assert session.founder is not None
    owner, suspect = evidence.culprit, session.founder
    peers = tuple(sorted({owner, suspect}))
    other = "" if suspect == owner else f", or {session.label(suspect)} gave an old one out"
    return Dispute(
        f"{session.label(owner)} signed two different HELLOs for this session{other}",
        evidence,
        peers=peers,
        hint="no share was sent; ask both, and start again without whoever is at fault",
    )
