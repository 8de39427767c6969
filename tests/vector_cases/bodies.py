"""Bodies of all kinds, and values that have no place in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import Raw, Value, pack
from tests.reference_session import ReferenceSession
from tests.vector_cases.case import Json, Topic, fixed
from tests.vector_cases.world import STUDY, limits_of, narrow, observed, sharded, three
from tests.vector_cases.wrong_bodies import WRONG, at, item, misshapen

PIECES = ("SLICE", "SLICE_SUM")
ENTRY = ("entry", "signature", "address")
LINE = ("id", "weight", "digest", "signature")
HEARD = ("commitment", "commitment_signature", "partial", "partial_signature")
FIELDS = {
    "JOIN": ("version", "public_key", "nonce"),
    "PARAMETERS": ("version", "nonce", "founder", "parameters", "study"),
    "HELLO": ENTRY,
    "ACCEPT": ("parameters", "entries"),
    "COMMITMENT": ("mask", "mask_shares", "shares"),
    "ECHO": ("acceptances", "entries"),
    "OPEN": ("mask_seed", "echoes"),
    "UNMASK": ("about", "share"),
    "CONFIRM": ("total_digest",),
    "RELAY": ("about", "signature", "body"),
    "ABORT": ("code", "peers", "reason", "evidence"),
}


def named(names: Sequence[str], values: Value) -> Json:
    """Return the elements of an array by their names."""
    assert isinstance(values, Sequence)
    return dict(zip(names, map(jsonable, values), strict=True))


def jsonable(value: Value) -> Any:
    """Return a value as it stands in a file: bytes in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | int | str):
        return value
    assert not isinstance(value, Raw)
    return [jsonable(item) for item in value]


def named_parameters(values: Value) -> Json:
    """Return parameters by their names; the bounds, which may be large, as texts."""
    shown = named(tuple(messages.parameters(bytes(32), 3)), values)
    return {**shown, "bound": str(shown["bound"])}


def shown_body(kind: str, value: Value) -> Json:
    """Return what a body says."""
    if isinstance(value, bytes) and kind in PIECES:
        return {"piece": int.from_bytes(value[:8], "big"), "vector": value[8:].hex()}
    if isinstance(value, bytes):
        return {"sealed" if kind == "SHARE" else "content": value.hex()}
    assert isinstance(value, Sequence)
    if kind == "ROSTER":
        return {"entries": [named(ENTRY, line) for line in value]}
    shown = named(FIELDS[kind], value)
    if kind in {"PARAMETERS", "ACCEPT"}:
        shown["parameters"] = named_parameters(value[FIELDS[kind].index("parameters")])
    if kind in {"ACCEPT", "ECHO"}:
        lines = value[1]
        assert isinstance(lines, Sequence)
        shown["entries"] = [named(LINE if kind == "ACCEPT" else HEARD, line) for line in lines]
    return shown


def bodies_of(session: ReferenceSession) -> dict[str, list[Value]]:
    """Return the packed bodies of a session by kind, as the first contributor says them."""
    first = session.contributors[0]
    signed: list[Value] = [[*session.entries[i], peer.address] for i, peer in session.peers.items()]
    line = signed[0]
    assert isinstance(line, list)
    parameters = list(session.parameters.values())
    study = STUDY if session.parameters["study"] else b""
    made: dict[str, list[Value]] = {
        "JOIN": [1, reference.ed25519_public_key(session.peers[1].seed), fixed("join")],
        "PARAMETERS": [1, fixed("join"), fixed("founder"), parameters, study],
        "HELLO": line,
        "ROSTER": signed,
        "ACCEPT": session.accept,
        "COMMITMENT": session.commitment(first),
        "ECHO": session.echo,
        "OPEN": session.open(first),
        "CONFIRM": [session.total_digest],
        "ABORT": [4, [1, len(session.peers)], "peer 1 sent SHARE: it does not open", b""],
    }
    if not session.strict:
        owner, holder = session.contributors[-1], first
        made["UNMASK"] = [owner, session.mask_shares[owner][holder]]
    last = session.contributors[-1]
    opened = pack(session.open(last))
    made["RELAY"] = [last, session.sign(last, "OPEN", opened), opened]
    return made


# -- the file ---------------------------------------------------------------------------------


def messages_topic() -> Topic:
    """Bodies of all kinds."""
    topic = Topic("messages", "6", "Bodies of all kinds, and values that have no place in them.")
    for name, session in ("three peers", three()), ("observed", observed()):
        given = limits_of(session)
        for kind, value in bodies_of(session).items():
            if name == "observed" and kind in {"JOIN", "HELLO", "ROSTER", "CONFIRM"}:
                continue
            body = pack(value).hex()
            shown = shown_body(kind, value)
            case = {**given, "kind": kind, "body": body}
            topic.accept("decode a body", f"{name}: {kind}", case, shown)
        raw = {"SHARE": next(iter(session.sealed.values())), "PARTIAL": session.partials[1]}
        for kind, data in raw.items():
            case = {**given, "kind": kind, "body": data.hex()}
            topic.accept("decode a body", f"{name}: {kind}", case, shown_body(kind, data))
    _sharded(topic)
    _largest(topic)
    given = limits_of(three())
    for kind, body_value in bodies_of(three()).items():
        shapes = list(misshapen(body_value))
        if kind in {"HELLO", "ROSTER"}:  # these are large, and one shape is like another
            shapes = shapes[:5:2]
        for why, data, code in [*shapes, *WRONG[kind](body_value)]:
            case = {**given, "kind": kind, "body": data.hex()}
            topic.reject("decode a body", f"{kind}: {why}", case, code)
    for why, data in _wrong_partials():
        case = {**given, "kind": "PARTIAL", "body": data.hex()}
        topic.reject("decode a body", f"PARTIAL: {why}", case)
    for why, kind, wrong in _counts_of_members():
        case = {**limits_of(observed()), "kind": kind, "body": pack(wrong).hex()}
        topic.reject("decode a body", f"{kind} with an observer: {why}", case)
    _addresses(topic)
    return topic


def _sharded(topic: Topic) -> None:
    """Add what is said in sharded mode alone, and what is no piece."""
    for name, session in ("sharded", sharded()), ("narrow", narrow()):
        given = limits_of(session)
        first, second = session.contributors[:2]
        raw = {
            "SLICE": session.slices[first, second][0],
            "PARTIAL": session.partials[second],
            "SLICE_SUM": session.slice_sums[second][0],
        }
        for kind, data in raw.items():
            case = {**given, "kind": kind, "body": data.hex()}
            topic.accept("decode a body", f"{name}: {kind}", case, shown_body(kind, data))
    slice_, given = sharded().slices[1, 2][0], limits_of(sharded())
    for kind in PIECES:
        for size in range(8):
            case = {**given, "kind": kind, "body": slice_[:size].hex()}
            topic.reject("decode a body", f"{kind}: the number has {size} bytes of 8", case)
        broadcast = {**limits_of(three()), "kind": kind, "body": slice_.hex()}
        topic.reject("decode a body", f"{kind} where whole sums are sent to all", broadcast)


def _largest(topic: Topic) -> None:
    """Add values at the edge of what may come."""
    given = limits_of(three())
    reasons = {"a reason of 300 characters": "~" * 300, "no reason": " "}
    for name, reason in reasons.items():
        value: list[Value] = [255, [], reason, fixed("evidence", 300)]
        case = {**given, "kind": "ABORT", "body": pack(value).hex()}
        topic.accept("decode a body", f"ABORT: {name}", case, shown_body("ABORT", value))
    commitment = at(three().commitment(1), (1,), [])
    case = {**given, "kind": "COMMITMENT", "body": pack(commitment).hex()}
    shown = shown_body("COMMITMENT", commitment)
    topic.accept("decode a body", "COMMITMENT: as in a strict session", case, shown)


def _wrong_partials() -> Iterator[tuple[str, bytes]]:
    good = three().partials[1]
    yield "a byte is missing", good[:-1]
    yield "a byte too many", good + b"\x00"
    yield "an element is missing", good[:-4]
    yield "an element too many", good + bytes(4)
    yield "it is empty", b""
    yield "it is msgpack", pack(good)
    yield "the first element is p", b"\xff\xff\xff\x7f" + good[4:]
    yield "the checksum coordinate is p + 1", good[:-4] + b"\x00\x00\x00\x80"


def _counts_of_members() -> Iterator[tuple[str, str, Value]]:
    """Yield lists that are as long as the roster where they must be as long as the contributors."""
    made = bodies_of(observed())
    for kind, place in ("COMMITMENT", 1), ("COMMITMENT", 2), ("OPEN", 1), ("ECHO", 1):
        good = item(made[kind], place)
        assert isinstance(good, list)
        why = f"list {place} has a place for the observer"
        yield why, kind, at(made[kind], (place,), [*good, good[-1]])
    accepted = item(made["ECHO"], 0)
    assert isinstance(accepted, list)
    yield "no ACCEPT signature of the observer", "ECHO", at(made["ECHO"], (0,), accepted[:-1])


def _addresses(topic: Topic) -> None:
    labels = ".".join(["a" * 63] * 3)
    for text in (
        "127.0.0.1:1",
        "[::1]:65535",
        "[2001:db8::ff]:9000",
        "localhost:80",
        "a.b-c.d_e.example:9000",
        f"{labels}.{'b' * 57}:65535",
    ):
        topic.accept("read an address", f"{len(text)} characters: {text[:30]}", {"text": text}, {})
    for why, text in {
        "no port": "127.0.0.1",
        "an empty port": "127.0.0.1:",
        "the port 0": "127.0.0.1:0",
        "the port 65536": "127.0.0.1:65536",
        "a negative port": "127.0.0.1:-1",
        "a port with a sign": "127.0.0.1:+80",
        "a port in hex": "127.0.0.1:0x50",
        "a port in digits of another script": "127.0.0.1:\u0661",
        "no host": ":9000",
        "a space in front": " 127.0.0.1:9000",
        "a line feed behind": "127.0.0.1:9000\n",
        "an IPv6 address without brackets": "::1:9000",
        "brackets around nothing": "[]:9000",
        "a bracket that is not closed": "[::1:9000",
        "a URL": "https://127.0.0.1:9000",
        "a user": "me@127.0.0.1:9000",
        "a path": "127.0.0.1:9000/",
        "a label that begins with a hyphen": "-a.example:9000",
        "a label that ends with a hyphen": "a-.example:9000",
        "a label of 64 characters": "a" * 64 + ":9000",
        "an empty label": "a..b:9000",
        "letters beyond ASCII": "caf\u00e9.example:9000",
        "256 characters": f"{labels}.{'b' * 58}:65535",
        "no text": "",
    }.items():
        topic.reject("read an address", why, {"text": text})
