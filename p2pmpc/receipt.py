"""A peer's signed statement of how a run ended: who confirmed, who was missing, and which files.

It stands beside the transcript, since it may differ between peers when somebody is lost at the end.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from p2pmpc.errors import P2PMPCError, RemoteProtocolError, VerificationFailed
from p2pmpc.frames import TO_ALL, body_digest, signing_input
from p2pmpc.hashing import label
from p2pmpc.identity import Identity, format_id, parse_id, verify_signature
from p2pmpc.messages import Confirm, Kind
from p2pmpc.record import Record
from p2pmpc.transcript import Verified
from p2pmpc.wire import encode_body

FORMAT = "p2pmpc-receipt 1"

_FIELDS = frozenset(
    {
        "format", "peer", "name", "session", "round", "transcript", "total_digest", "confirmed",
        "missing", "log", "partials", "signature",
    }
)  # fmt: skip


def make_receipt(
    identity: Identity,
    record: Record,
    confirmed: Mapping[int, bytes],
    *,
    transcript_digest: bytes,
    log_lines: int,
    log_chain: str,
    partials: bytes | None = None,
) -> str:
    """Return a signed receipt as JSON text.

    Args:
        identity: The peer's.
        record: Of the round.
        confirmed: CONFIRM signatures by roster index.
        transcript_digest: SHA-256 of the transcript.
        log_lines: Lines of the log so far.
        log_chain: The hash at its last line.
        partials: SHA-256 of the file of partial sums, where it is kept.
    """
    session = record.session
    content: dict[str, Any] = {
        "format": FORMAT,
        "peer": format_id(identity.id),
        "name": session.member(session.own_index).entry.name,
        "session": session.id.hex(),
        "round": record.round,
        "transcript": transcript_digest.hex(),
        "total_digest": record.total_digest.hex(),
        "confirmed": {
            format_id(session.member(index).id): signature.hex()
            for index, signature in sorted(confirmed.items())
        },
        "missing": [format_id(session.member(i).id) for i in session.indices if i not in confirmed],
        "log": {"lines": log_lines, "chain": log_chain},
        "partials": None if partials is None else partials.hex(),
    }
    content["signature"] = identity.sign(_signed_bytes(content)).hex()
    return _render(content)


def check_receipt(text: str, proven: Verified) -> dict[str, Any]:
    """Verify a receipt against the transcript it stands beside.

    Args:
        text: The receipt.
        proven: What that transcript proves.

    Returns:
        The receipt's content.

    Raises:
        VerificationFailed: Something in it does not hold; says what.
    """
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or _render(content) != text:
            raise VerificationFailed("the receipt is not in its canonical form")
        _check(content, proven)
    except VerificationFailed:
        raise
    except RemoteProtocolError:
        raise VerificationFailed("a signature in the receipt does not verify") from None
    except (
        P2PMPCError, LookupError, TypeError, ValueError, AttributeError, RecursionError, struct.error
    ):  # fmt: skip
        raise VerificationFailed("the receipt is not one") from None
    return content


def _check(content: dict[str, Any], proven: Verified) -> None:
    session = proven.session
    if set(content) != _FIELDS or set(content["log"]) != {"lines", "chain"}:
        raise VerificationFailed("the receipt has other fields")
    by_id = {format_id(member.id): member for member in session.members}
    if content["format"] != FORMAT or content["peer"] not in by_id:
        raise VerificationFailed("the receipt is of another format, or of nobody in the roster")
    peer = by_id[content["peer"]]
    signature = bytes.fromhex(content["signature"])
    unsigned = {name: value for name, value in content.items() if name != "signature"}
    verify_signature(peer.public_key, signature, _signed_bytes(unsigned))
    if content["signature"] != signature.hex():
        raise VerificationFailed("the receipt's signature is not in its canonical form")
    if content["session"] != session.id.hex():
        raise VerificationFailed("the receipt is of another session")
    if content["transcript"] != proven.digest.hex():
        raise VerificationFailed("the receipt is of another transcript")
    if content["total_digest"] != proven.total.digest.hex() or content["round"] != proven.round:
        raise VerificationFailed("the receipt is of another total than the transcript")
    digest = body_digest(Kind.CONFIRM, encode_body(Confirm(bytes.fromhex(content["total_digest"]))))
    for shown, confirmation in content["confirmed"].items():
        member = by_id[format_id(parse_id(shown))]
        data = signing_input(session.id, content["round"], Kind.CONFIRM, member.id, TO_ALL, digest)
        verify_signature(member.public_key, bytes.fromhex(confirmation), data)
    if sorted([*content["confirmed"], *content["missing"]]) != sorted(by_id):
        raise VerificationFailed("the receipt does not account for every peer")


def _signed_bytes(content: Mapping[str, Any]) -> bytes:
    return label("receipt") + json.dumps(content, separators=(",", ":")).encode()


def _render(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
