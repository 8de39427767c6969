"""What the package makes of the vectors about messages, rosters and transcripts."""

from __future__ import annotations

from typing import Any

from p2pmpc.envelope import Notary, open_before_session, open_join
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import HEADER, TO_ALL, Frame, Limits, body_digest, parse_frame, parse_header
from p2pmpc.identity import Identity, peer_id
from p2pmpc.knock import TOLD_TO_ALL
from p2pmpc.messages import (
    Abort,
    Accept,
    Commitment,
    Confirm,
    Echo,
    Hello,
    Join,
    Kind,
    Message,
    Offer,
    Open,
    Partial,
    Relay,
    RosterList,
    Share,
    SignedEntry,
    Slice,
    SliceSum,
    Unmask,
    is_address,
)
from p2pmpc.parameters import PROTOCOL_VERSION, Parameters
from p2pmpc.product import FIELDS
from p2pmpc.session import Member, Session
from p2pmpc.transcript import digest_of, verify
from p2pmpc.wire import (
    decode_body,
    decode_parameters,
    encode_body,
    encode_parameters,
    parameters_digest,
)
from tests.frames import halves
from tests.vector_operations import Json, limits, operation, unhex

NOWHERE = "0.0.0.0:1"


# -- what messages say ------------------------------------------------------------------------


def shown_parameters(made: Parameters) -> Json:
    """Return parameters by name."""
    shown = {name: getattr(made, name) for name in made.__dataclass_fields__}
    allowed = [identifier.hex() for identifier in made.allowed]
    return {
        **shown,
        "nonce": made.nonce.hex(),
        "bound": str(made.bound),
        "allowed": allowed,
        "study": made.study.hex(),
    }


def shown_entry(entry: SignedEntry) -> Json:
    """Return an entry as it travels."""
    return {
        "entry": entry.body.hex(),
        "signature": entry.signature.hex(),
        "address": entry.address,
    }


def hexed(values: tuple[bytes, ...]) -> list[str]:
    """Return byte strings in hex."""
    return [value.hex() for value in values]


def shown_message(message: Message) -> Json:  # noqa: C901, PLR0912 - one case a kind
    """Return what a message says."""
    version = {"version": PROTOCOL_VERSION}
    match message:
        case Join(public_key, nonce):
            return {**version, "public_key": public_key.hex(), "nonce": nonce.hex()}
        case Offer(nonce, founder, parameters, study):
            shown = shown_parameters(parameters)
            return {
                **version,
                "nonce": nonce.hex(),
                "founder": founder.hex(),
                "parameters": shown,
                "study": study.hex(),
            }
        case Hello(entry):
            return shown_entry(entry)
        case RosterList(entries):
            return {"entries": [shown_entry(entry) for entry in entries]}
        case Accept(parameters, lines):
            return {
                "parameters": shown_parameters(parameters),
                "entries": [
                    {
                        "id": line.id.hex(),
                        "weight": line.weight,
                        "digest": line.digest.hex(),
                        "signature": line.signature.hex(),
                    }
                    for line in lines
                ],
            }
        case Commitment(mask, mask_shares, shares):
            lists = {"mask_shares": hexed(mask_shares), "shares": hexed(shares)}
            return {"mask": mask.hex(), **lists}
        case Share(sealed):
            return {"sealed": sealed.hex()}
        case Partial(content):
            return {"content": content.hex()}
        case Slice(piece, vector) | SliceSum(piece, vector):
            return {"piece": piece, "vector": vector.hex()}
        case Echo(acceptances, heard):
            names = ("commitment", "commitment_signature", "partial", "partial_signature")
            said = [dict(zip(names, hexed(tuple(entry.as_list())), strict=True)) for entry in heard]
            return {"acceptances": hexed(acceptances), "entries": said}
        case Relay(about, signature, body):
            return {"about": about, "signature": signature.hex(), "body": body.hex()}
        case Open(mask_seed, echoes):
            return {"mask_seed": mask_seed.hex(), "echoes": hexed(echoes)}
        case Unmask(about, share):
            return {"about": about, "share": share.hex()}
        case Confirm(digest):
            return {"total_digest": digest.hex()}
        case Abort(code, peers, reason, evidence):
            blamed = {"code": code, "peers": list(peers)}
            return {**blamed, "reason": reason, "evidence": evidence.hex()}


@operation("decode a body")
def _(given: Json) -> Json:
    kind, (body,) = Kind[given["kind"]], unhex(given, "body")
    message = decode_body(kind, body, limits(given))
    assert encode_body(message) == body
    if isinstance(message, Partial) and given["sum_mode"] == "broadcast":
        FIELDS[given["field"]].decode(message.content, given["length"])
    return shown_message(message)


@operation("read an address")
def _(given: Json) -> Json:
    if not is_address(given["text"]):
        raise RemoteProtocolError("an impossible address")
    return {}


# -- agreement --------------------------------------------------------------------------------


@operation("decode parameters")
def _(given: Json) -> Json:
    (data,) = unhex(given, "bytes")
    made = decode_parameters(data)
    assert encode_parameters(made) == data
    return {"parameters": shown_parameters(made), "digest": parameters_digest(made).hex()}


@operation("verify an entry")
def _(given: Json) -> Json:
    member = Member.verify(signed_entry(given))
    return {
        "id": member.id.hex(),
        "nonce": member.entry.nonce.hex(),
        "sealing_key": member.entry.sealing_key.hex(),
        "weight": member.weight,
        "name": member.entry.name,
        "parameters_digest": member.entry.parameters_digest.hex(),
        "digest": member.digest.hex(),
    }


def signed_entry(shown: Json) -> SignedEntry:
    """Return an entry from a file."""
    body, signature = unhex(shown, "entry", "signature")
    return SignedEntry(body, signature, NOWHERE)


@operation("close a session")
def _(given: Json) -> Json:
    parameters, own = decode_parameters(unhex(given, "parameters")[0]), unhex(given, "own")[0]
    entries = [signed_entry(given["shared"]["entries"][name]) for name in given["entries"]]
    session = Session.close(parameters, entries, own)
    accept = encode_body(session.acceptance)
    return {
        "order": [member.id.hex() for member in session.members],
        "contributors": list(session.contributors),
        "accept": accept.hex(),
        "accept_digest": body_digest(Kind.ACCEPT, accept).hex(),
        "session": session.id.hex(),
    }


# -- signed frames ----------------------------------------------------------------------------

SESSIONS: dict[tuple[str, int], Session] = {}
"""Sessions as their members see them, closed once."""


def session_of(given: Json, own: int) -> Session:
    """Return a session of the file as one member sees it."""
    name = given["session"]
    if (name, own) not in SESSIONS:
        shown = given["shared"]["sessions"][name]
        parameters = decode_parameters(bytes.fromhex(shown["parameters"]))
        entries = [signed_entry(entry) for entry in shown["entries"]]
        ids = [Member.verify(entry).id for entry in entries]
        SESSIONS[name, own] = Session.close(parameters, entries, ids[own - 1])
    return SESSIONS[name, own]


def frame_of(given: Json, expected: Limits) -> Frame:
    """Read a frame as a link does."""
    (data,) = unhex(given, "frame")
    kind, size = parse_header(data[: HEADER.size], expected, frozenset(Kind))
    assert size == len(data) - HEADER.size
    return parse_frame(kind, *halves(data))


@operation("open a frame")
def _(given: Json) -> Json:
    session = session_of(given, given["receiver"])
    notary = Notary(Identity(bytes(32)), session)
    signed = notary.open(given["sender"], frame_of(given, notary.limits))
    shown = {"kind": signed.message.kind.name, "round": signed.round}
    return {**shown, "digest": signed.digest.hex()}


@operation("open a frame of a join link")
def _(given: Json) -> Json:
    public_key, receiver = unhex(given, "public_key", "receiver")
    expected = Limits(peers=3)
    frame, sender = frame_of(given, expected), peer_id(public_key)
    if frame.kind is Kind.JOIN:
        joined = open_join(frame, expected, receiver=receiver)
        if joined.public_key != public_key:
            raise RemoteProtocolError("another key than the link's")
        return {"kind": "JOIN"}
    to = TO_ALL if frame.kind in TOLD_TO_ALL else receiver
    message = open_before_session(
        frame, expected, sender=sender, public_key=public_key, receiver=to
    )
    return {"kind": message.kind.name}


# -- transcripts ------------------------------------------------------------------------------


def edited(given: Json) -> str:
    """Return the text of a transcript with a case's edits made."""
    lines: list[Any] = [[line] for line in given["shared"]["transcripts"][given["transcript"]]]
    for edit in given["edits"]:
        lines[edit["line"] - 1] = edit["by"]
    separator = given.get("separator", "\n")
    text: str = separator.join(line for replaced in lines for line in replaced)
    return text + str(given.get("ending", separator))


@operation("verify a transcript")
def _(given: Json) -> Json:
    text = edited(given)
    proven = verify(text)
    values = proven.total.values
    return {
        "sha256": digest_of(text).hex(),
        "session": proven.session.id.hex(),
        "round": proven.round,
        "total_digest": proven.total.digest.hex(),
        "values": None if values is None else [str(value) for value in values],
        "recomputed": proven.recomputed,
    }
