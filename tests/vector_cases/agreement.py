"""Parameters, entries, and the roster that makes a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import KINDS, Raw, Value, pack
from tests.reference_session import Peer, ReferenceSession
from tests.vector_cases.bodies import named_parameters
from tests.vector_cases.case import DISAGREEMENT, VIOLATION, Json, Topic, fixed, flipped
from tests.vector_cases.keys import ORDER, seed_of
from tests.vector_cases.world import SESSIONS, dense, observed, three
from tests.vector_cases.wrong_bodies import foreign, misshapen

IDS = [fixed(f"an ID, {k}") for k in range(4)]
NONCE = fixed("nonce")


# -- parameters -------------------------------------------------------------------------------


def parameters_topic() -> Topic:
    """Parameters."""
    topic = Topic("parameters", "7", "Parameters, their bytes and their digest.")
    good: dict[str, dict[str, Value]] = {
        "everything by default": {},
        "everything by default, with a roster file": {"nonce": bytes(32)},
        "the smallest values": {"peers": 2, "allow_two": True},
        "the largest values": {
            "peers": 1000,
            "field": "m61",
            "length": 2**27,
            "fraction_bits": 52,
            "bound": 2**60 - 1,
            "weight_bound": 2**31 - 2,
            "share_mode": "dense",
            "strict": True,
            "allow_two": True,
            "allow_revealing_weights": True,
        },
        "a list of allowed IDs": {"allowed": list[Value](sorted(IDS))},
        "private weights": {"bound": 1000, "weight_bound": 1},
        "the digest of a study": {"study": fixed("study")},
    }
    for name, changes in good.items():
        nonce = changes.get("nonce", NONCE)
        assert isinstance(nonce, bytes)
        made = {**messages.parameters(nonce, 3), **changes}
        topic.accept(
            "decode parameters",
            name,
            {"bytes": messages.parameters_bytes(made).hex()},
            {
                "parameters": named_parameters(list(made.values())),
                "digest": messages.parameters_digest(made).hex(),
            },
        )
    _wrong_parameters(topic, messages.parameters(NONCE, 3))
    return topic


def _wrong_parameters(topic: Topic, made: dict[str, Value]) -> None:
    """Add parameters that no session can have, and bytes that are none."""
    for why, data, code in misshapen(list(made.values())):
        topic.reject("decode parameters", why, {"bytes": data.hex()}, code)
    for why, data, code in foreign(list(made.values()), 0):
        topic.reject("decode parameters", why, {"bytes": data.hex()}, code)
    for name, wrong in WRONG_PARAMETERS.items():
        for shown, value in wrong.items():
            data = messages.parameters_bytes({**made, name: value})
            topic.reject("decode parameters", f"{name} is {shown}", {"bytes": data.hex()})
    order = list(made.values())
    order[3], order[5] = order[5], order[3]
    topic.reject(
        "decode parameters", "length and fraction bits exchanged", {"bytes": pack(order).hex()}
    )


FLOAT_3 = Raw(b"\xcb\x40\x08" + bytes(6))
WRONG_PARAMETERS: Mapping[str, Mapping[str, Value]] = {
    "nonce": {"31 bytes": NONCE[:31], "33 bytes": NONCE + b"\x00", "empty": b""},
    "peers": {
        "0": 0,
        "1": 1,
        "1001": 1001,
        "-3": -3,
        "true": True,
        "3.0": FLOAT_3,
        "a str": "3",
        "3 as uint 16": Raw(b"\xcd\x00\x03"),
    },
    "field": {"m32": "m32", "M31": "M31", "empty": "", "bytes": b"m31", "31": 31},
    "length": {"0": 0, "-1": -1, "2^27 + 1": 2**27 + 1, "true": True, "2^64 - 1": 2**64 - 1},
    "rounds": {"-1": -1, "1000001": 1000001, "true": True},
    "fraction_bits": {"-1": -1, "53": 53, "false": False},
    "bound": {"-1": -1, "2^60": 2**60, "false": False, "3.0": FLOAT_3, "a str": "0"},
    "weight_bound": {"-1": -1, "2^31 - 1": 2**31 - 1, "false": False, "nil": Raw(b"\xc0")},
    "share_mode": {
        "Seeds": "Seeds",
        "shamir": "shamir",
        "0": 0,
        "seeds as str 8": Raw(b"\xd9\x05seeds"),
    },
    "sum_mode": {"tree": "tree", "empty": "", "nil": Raw(b"\xc0")},
    "strict": {"0": 0, "1": 1, "nil": Raw(b"\xc0"), "a str": "true"},
    "allow_two": {"0": 0, "1": 1, "nil": Raw(b"\xc0")},
    "allow_revealing_weights": {"0": 0, "1": 1, "nil": Raw(b"\xc0")},
    "allowed": {
        "not sorted": sorted(IDS, reverse=True),
        "with one ID twice": sorted([*IDS, IDS[0]]),
        "with an ID of 31 bytes": sorted([*IDS[:3], IDS[3][:31]]),
        "with an ID in hex": [sorted(IDS)[k].hex() for k in range(3)],
        "of two IDs for three peers": sorted(IDS[:2]),
        "nil": Raw(b"\xc0"),
        "one ID": IDS[0],
    },
    "study": {
        "31 bytes": NONCE[:31],
        "33 bytes": NONCE + b"\x00",
        "a str": "study",
        "nil": Raw(b"\xc0"),
    },
}


# -- entries ----------------------------------------------------------------------------------

Change = tuple[str, bytes, bytes, int]
"""What is wrong, the entry, its signature, and the exit code."""


def shown_entry(peer: Peer, entry: list[Value]) -> Json:
    """Return what an entry says."""
    _, nonce, key, weight, name, agreed = entry
    assert isinstance(nonce, bytes)
    assert isinstance(key, bytes)
    assert isinstance(agreed, bytes)
    return {
        "id": peer.id.hex(),
        "nonce": nonce.hex(),
        "sealing_key": key.hex(),
        "weight": weight,
        "name": name,
        "parameters_digest": agreed.hex(),
        "digest": reference.body_digest(KINDS["HELLO"], pack(entry)).hex(),
    }


def entries_topic() -> Topic:
    """Entries and what their owners sign."""
    topic = Topic("entries", "6.3", "Entries, their digests, and the signatures of their owners.")
    session = three()
    agreed = session.parameters_digest
    peer = session.peers[1]
    for name, changed in {
        "of the first peer": peer,
        "of an observer": replace(peer, weight=0),
        "with the largest weight": replace(peer, weight=2**31 - 2),
        "with the smallest weight": replace(peer, weight=-(2**31) + 2),
        "with a name of 32 characters": replace(peer, name="!~" * 16),
        "without a name": replace(peer, name=""),
    }.items():
        entry = changed.entry(agreed)
        signature = peer.sign_entry(pack(entry), agreed)
        topic.accept(
            "verify an entry",
            name,
            {"entry": pack(entry).hex(), "signature": signature.hex()},
            shown_entry(peer, entry),
        )
    for why, body, signature, code in [*_wrong_entries(session), *_wrong_entry_signatures(session)]:
        given = {"entry": body.hex(), "signature": signature.hex()}
        topic.reject("verify an entry", why, given, code)
    return topic


def _wrong_entries(session: ReferenceSession) -> Iterator[Change]:
    """Yield entries that are wrong, and rightly signed."""
    peer, agreed = session.peers[1], session.parameters_digest
    good = peer.entry(agreed)
    certificate, nonce, key = good[:3]
    assert isinstance(certificate, bytes)
    assert isinstance(nonce, bytes)
    assert isinstance(key, bytes)
    other = session.peers[2].seed
    high = (int.from_bytes(key[:3], "little") & ~0xFFF | 3329).to_bytes(3, "little")
    wrong: list[tuple[int, str, Value, int]] = [
        (0, "the certificate has one more byte", certificate + b"\x00", DISAGREEMENT),
        (0, "the certificate's signature is another key's", flipped(certificate, -1), DISAGREEMENT),
        (0, "the certificate is CA:TRUE", _authority(peer.seed), DISAGREEMENT),
        (0, "the certificate is empty", b"", VIOLATION),
        (0, "the certificate is another peer's", messages.certificate(other), VIOLATION),
        (1, "a nonce of 31 bytes", nonce[:31], VIOLATION),
        (2, "a sealing key of 1215 bytes", key[:-1], VIOLATION),
        (2, "a sealing key of 1217 bytes", key + b"\x00", VIOLATION),
        (2, "a sealing key with a coefficient of 3329", high + key[3:], VIOLATION),
        (3, "a weight of 2^31 - 1", 2**31 - 1, VIOLATION),
        (3, "a weight of -(2^31 - 1)", -(2**31) + 1, VIOLATION),
        (3, "a weight of 2^64 - 1", 2**64 - 1, VIOLATION),
        (3, "a weight that is true", True, VIOLATION),
        (3, "a weight that is a float", FLOAT_3, VIOLATION),
        (3, "a weight of 3 as uint 8", Raw(b"\xcc\x03"), VIOLATION),
        (3, "a weight of -1 as int 8", Raw(b"\xd0\xff"), VIOLATION),
        (4, "a name of 33 characters", "a" * 33, VIOLATION),
        (4, "a line feed in the name", "a\nb", VIOLATION),
        (4, "an escape character in the name", "\x1b[31m", VIOLATION),
        (4, "a NUL in the name", "a\x00", VIOLATION),
        (4, "a letter beyond ASCII in the name", "z\u00fcrich", VIOLATION),
        (4, "a name of bytes", b"north", VIOLATION),
        (4, "a name that is nil", Raw(b"\xc0"), VIOLATION),
        (5, "a parameters digest of 31 bytes", agreed[:31], VIOLATION),
    ]
    for place, why, value, code in wrong:
        body = pack([*good[:place], value, *good[place + 1 :]])
        yield why, body, peer.sign_entry(body, agreed), code
    for why, body, code in misshapen(good):
        yield why, body, peer.sign_entry(body, agreed), code


def _authority(seed: bytes) -> bytes:
    return messages.certificate(
        seed, {"300c0603551d130101ff04023000": "300c0603551d13040530030101ff"}
    )


def _wrong_entry_signatures(session: ReferenceSession) -> Iterator[Change]:
    """Yield a good entry under signatures that are not its owner's on it."""
    (body, good), peer = session.entries[1], session.peers[1]
    agreed, other = session.parameters_digest, session.peers[2]
    hello = KINDS["HELLO"]
    high = int.from_bytes(good[32:], "little") + ORDER
    plain = reference.sha256(body)
    signatures = {
        "signed by another key": other.sign_entry(body, agreed),
        "signed for other parameters": peer.sign_entry(body, fixed("other parameters")),
        "signed under 32 zero bytes in place of the parameters digest": messages.sign(
            peer.seed, hello, body
        ),
        "signed as an ACCEPT": messages.sign(peer.seed, KINDS["ACCEPT"], body, session=agreed),
        "signed for round 1": messages.sign(peer.seed, hello, body, session=agreed, number=1),
        "signed to one receiver": messages.sign(
            peer.seed, hello, body, session=agreed, receiver=other.id
        ),
        "the bytes themselves are signed": reference.ed25519_sign(peer.seed, body),
        "the digest is a plain SHA-256": reference.ed25519_sign(
            peer.seed,
            reference.signing_input(agreed, 0, hello, peer.id, bytes(32), plain),
        ),
        "one bit of the signature": flipped(good, 5),
        "S is not below the order": good[:32] + high.to_bytes(32, "little"),
        "the signature is zero": bytes(64),
        "the signature of another entry": session.entries[2][1],
    }
    for why, signature in signatures.items():
        yield why, body, signature, VIOLATION
    changed = pack([*peer.entry(agreed)[:3], 4, *peer.entry(agreed)[4:]])
    yield "the weight was changed after it was signed", changed, good, VIOLATION


# -- sessions ---------------------------------------------------------------------------------


def session_topic() -> Topic:
    """Rosters and session ids."""
    topic = Topic("session", "9", "Rosters in their order, ACCEPT bodies, and session ids.")
    entries: Json = {}
    for name, make in SESSIONS.items():
        session = make()
        roster = {f"{name}, {i}": pair for i, pair in session.entries.items()}
        assert not entries.keys() & roster.keys()
        for entry, pair in roster.items():
            entries[entry] = _pair(*pair)
        given = {
            "parameters": messages.parameters_bytes(session.parameters).hex(),
            # In an order that is not the roster's.
            "entries": list(roster)[::-1],
            "own": session.peers[1].id.hex(),
        }
        accept = pack(session.accept)
        topic.accept(
            "close a session",
            name,
            given,
            {
                "order": [peer.id.hex() for peer in session.peers.values()],
                "contributors": session.contributors,
                "accept": accept.hex(),
                "accept_digest": reference.body_digest(KINDS["ACCEPT"], accept).hex(),
                "session": session.id.hex(),
            },
        )
    topic.shared["entries"] = entries
    _wrong_sessions(topic, entries)
    return topic


def _pair(body: bytes, signature: bytes) -> Json:
    return {"entry": body.hex(), "signature": signature.hex()}


def _signed_entry(peer: Peer, agreed: bytes) -> Json:
    body = pack(peer.entry(agreed))
    return _pair(body, peer.sign_entry(body, agreed))


def _wrong_sessions(topic: Topic, entries: Json) -> None:
    """Add rosters that nobody accepts."""
    session, agreed = three(), three().parameters_digest
    first, peers = topic.must_accept[0], session.peers
    good = first["input"]["entries"]
    stranger = Peer(
        seed_of("nobody"), fixed("sealing key of nobody", 96), fixed("n"), "nobody", "x:1", 1, []
    )
    private = observed()
    entries |= {
        "first peer, with another nonce": _signed_entry(
            replace(peers[1], nonce=fixed("n")), agreed
        ),
        "third peer, with other parameters": _signed_entry(peers[3], fixed("other parameters")),
        "third peer, wrongly signed": _pair(session.entries[3][0], session.entries[2][1]),
        "a stranger": _signed_entry(stranger, agreed),
        "a stranger in dense": _signed_entry(stranger, dense().parameters_digest),
        "observed, 1, with a weight of 2": _signed_entry(
            replace(private.peers[1], weight=2), private.parameters_digest
        ),
        "observed, 1, with a weight of -1": _signed_entry(
            replace(private.peers[1], weight=-1), private.parameters_digest
        ),
        **{
            f"three peers, {i}, observing": _signed_entry(replace(peer, weight=0), agreed)
            for i, peer in peers.items()
        },
    }
    third, second, one = good
    wrong: dict[str, list[str]] = {
        "one entry is missing": [second, one],
        "one entry too many": [*good, "a stranger"],
        "one entry twice": [one, second, second],
        "one ID twice, with two nonces": [third, one, "first peer, with another nonce"],
        "no entries": [],
        "an entry agrees to other parameters": [second, one, "third peer, with other parameters"],
        "an entry with another's signature": [second, one, "third peer, wrongly signed"],
        "an entry of another session": [second, one, "dense, 3"],
        "this peer is not in it": [third, second, "a stranger"],
        "everybody observes": [f"three peers, {i}, observing" for i in peers],
    }
    for why, names in wrong.items():
        topic.reject_changed(first, why, DISAGREEMENT, entries=names)
    _wrong_members(topic)


def _wrong_members(topic: Topic) -> None:
    """Add rosters with members that their parameters do not allow."""
    listed = next(case for case in topic.must_accept if case["name"] == "dense")
    names = [name for name in listed["input"]["entries"] if not name.endswith("3")]
    changed = [*names, "a stranger in dense"]
    why = "an ID is not in the list of allowed IDs"
    topic.reject_changed(listed, why, DISAGREEMENT, entries=changed)
    hidden = next(case for case in topic.must_accept if case["name"] == "observed")
    for weight in (2, -1):
        names = [name for name in hidden["input"]["entries"] if not name.endswith("1")]
        changed = [*names, f"observed, 1, with a weight of {weight}"]
        why = f"a public weight of {weight} where weights are private"
        topic.reject_changed(hidden, why, DISAGREEMENT, entries=changed)
