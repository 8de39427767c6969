"""Evidence as a file that anybody can check: the roster, the statements, and what they claim.

JSON in one canonical form. Nothing in it is secret: statements are what somebody said, and what is
shown of masks is shown only where its owner or holder broke the protocol with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from p2pmpc.disputes import check_evidence
from p2pmpc.errors import P2PMPCError, VerificationFailed
from p2pmpc.evidence import Claim, Evidence, Statement
from p2pmpc.identity import format_id
from p2pmpc.messages import Kind, SignedEntry
from p2pmpc.session import Member, Session
from p2pmpc.transcript import NOWHERE
from p2pmpc.wire import decode_parameters, encode_parameters

FORMAT: Final = "p2pmpc-evidence 1"


@dataclass(frozen=True, slots=True)
class Proven:
    """What evidence proves.

    Args:
        culprit: The ID of who did it, in groups.
        name: What messages to people call it.
        what: What it did, as the rest of a sentence.
        session: The session id, hex.
    """

    culprit: str
    name: str
    what: str
    session: str


def render_evidence(session: Session, evidence: Evidence) -> str:
    """Write evidence down, with the roster that it is judged by.

    Args:
        session: The session in which it happened.
        evidence: The proof.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "claim": evidence.claim.value,
        "culprit": format_id(session.member(evidence.culprit).id),
        "session": session.id.hex(),
        "parameters": encode_parameters(session.parameters).hex(),
        "roster": [
            {"entry": member.signed.body.hex(), "signature": member.signed.signature.hex()}
            for member in session.members
        ],
        "statements": [_shown(statement) for statement in evidence.statements],
        "mask_shares": [
            {"holder": holder, "share": share.hex()} for holder, share in evidence.mask_shares
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def _shown(statement: Statement) -> dict[str, Any]:
    return {
        "sender": statement.sender,
        "receiver": statement.receiver,
        "kind": statement.kind.name,
        "round": statement.round,
        "digest": statement.digest.hex(),
        "signature": statement.signature.hex(),
        "body": statement.body.hex(),
    }


def check_exhibit(text: str) -> Proven:
    """Judge a file of evidence without trust in whoever shows it.

    Args:
        text: The file.

    Raises:
        VerificationFailed: It proves nothing; says why.
    """
    try:
        content = json.loads(text)
        session, evidence = _read(content)
        canonical = render_evidence(session, evidence)
    except VerificationFailed:
        raise
    except P2PMPCError as error:
        raise VerificationFailed(f"the evidence is not one: {error.message}") from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise VerificationFailed("the evidence is not one") from None
    if canonical != text:
        raise VerificationFailed("the evidence is not in its canonical form")
    what = check_evidence(session, evidence)
    member = session.member(evidence.culprit)
    return Proven(format_id(member.id), member.label, what, session.id.hex())


def _read(content: dict[str, Any]) -> tuple[Session, Evidence]:
    parameters = decode_parameters(bytes.fromhex(content["parameters"]))
    entries = [
        SignedEntry(bytes.fromhex(line["entry"]), bytes.fromhex(line["signature"]), NOWHERE)
        for line in content["roster"]
    ]
    session = Session.close(parameters, entries, Member.verify(entries[0]).id)
    by_id = {format_id(member.id): index for index, member in enumerate(session.members, 1)}
    culprit = by_id.get(content["culprit"])
    if culprit is None:
        raise VerificationFailed("the evidence names nobody in its roster")
    statements = tuple(
        Statement(
            int(said["sender"]),
            int(said["receiver"]),
            Kind[said["kind"]],
            int(said["round"]),
            bytes.fromhex(said["digest"]),
            bytes.fromhex(said["signature"]),
            bytes.fromhex(said["body"]),
        )
        for said in content["statements"]
    )
    shares = tuple(
        (int(line["holder"]), bytes.fromhex(line["share"])) for line in content["mask_shares"]
    )
    return session, Evidence(Claim(content["claim"]), culprit, statements, shares)
