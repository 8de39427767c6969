"""A peer's signed statement of what a study came to: which study, which two sums, which result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from p2pmpc.errors import RemoteProtocolError, VerificationFailed
from p2pmpc.hashing import label
from p2pmpc.identity import Identity, format_id, verify_signature
from p2pmpc.session import Session

FORMAT: Final = "p2pmpc-study-receipt 1"

_FIELDS: Final = ("format", "peer", "session", "study", "counts", "sums", "result", "signature")


def make_study_receipt(
    identity: Identity,
    session: Session,
    *,
    study: bytes,
    transcripts: tuple[str, str],
    result: bytes,
) -> str:
    """Return a signed receipt as JSON text.

    Args:
        identity: The peer's.
        session: The session of both rounds.
        study: SHA-256 of the study file.
        transcripts: Digests of the transcripts of both rounds, hex.
        result: SHA-256 of the result as JSON.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "peer": format_id(identity.id),
        "session": session.id.hex(),
        "study": study.hex(),
        "counts": transcripts[0],
        "sums": transcripts[1],
        "result": result.hex(),
    }
    content["signature"] = identity.sign(_signed_bytes(content)).hex()
    return _render(content)


def check_study_receipt(text: str, session: Session) -> dict[str, str]:
    """Verify a receipt against the session that it names.

    Args:
        text: The receipt.
        session: As the transcripts beside it prove.

    Returns:
        Its content.

    Raises:
        VerificationFailed: Something in it does not hold; says what.
    """
    try:
        content = json.loads(text)
        is_one = isinstance(content, dict) and tuple(content) == _FIELDS
        if not is_one or not all(isinstance(value, str) for value in content.values()):
            raise VerificationFailed("it is no receipt of a study")
        if _render(content) != text or content["format"] != FORMAT:
            raise VerificationFailed("it is not in its canonical form, or of another version")
        signature = bytes.fromhex(content["signature"])
    except (ValueError, RecursionError):
        raise VerificationFailed("it is no receipt of a study") from None
    by_id = {format_id(member.id): member for member in session.members}
    if content["peer"] not in by_id or content["session"] != session.id.hex():
        raise VerificationFailed("it is of another session, or of nobody in the roster")
    unsigned = {name: value for name, value in content.items() if name != "signature"}
    try:
        verify_signature(by_id[content["peer"]].public_key, signature, _signed_bytes(unsigned))
    except RemoteProtocolError:
        raise VerificationFailed("its signature does not verify") from None
    return {name: str(value) for name, value in content.items()}


def _signed_bytes(content: Mapping[str, Any]) -> bytes:
    return label("study receipt") + json.dumps(content, separators=(",", ":")).encode()


def _render(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
