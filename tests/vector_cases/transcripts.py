"""Transcripts, and changes to them that nobody may miss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests import reference
from tests import reference_messages as messages
from tests.reference_messages import KINDS, Value, pack
from tests.reference_session import ReferenceSession, line, transcript
from tests.vector_cases.case import FAILED, Json, Topic, decimals, fixed, flipped
from tests.vector_cases.keys import ORDER
from tests.vector_cases.world import SESSIONS, make, sharded, three

Edit = tuple[str, list[tuple[int, list[str]]]]
"""What is wrong, and which lines are replaced by which."""


def transcripts_topic() -> Topic:
    """Transcripts of whole sessions."""
    topic = Topic("transcripts", "14.1", "Transcripts of whole sessions, and changes to them.")
    lines = {name: transcript(session()) for name, session in SESSIONS.items()}
    for name, session in SESSIONS.items():
        verified(topic, name, session(), lines[name])
    for name, dishonest in DISHONEST.items():
        lines[name] = transcript(dishonest())
        dishonest_input: Json = {"transcript": name, "edits": []}
        topic.reject("verify a transcript", WHY[name], dishonest_input, FAILED)
    topic.shared["transcripts"] = lines
    good = lines["three peers"]
    for why, edits in [*_misshapen(good), *_changed(good), *_replaced(three(), good)]:
        shown = [{"line": number, "by": by} for number, by in edits]
        given: Json = {"transcript": "three peers", "edits": shown}
        topic.reject("verify a transcript", why, given, FAILED)
    for why, ending in (("no LF at the end", ""), ("two LF at the end", "\n\n")):
        given = {"transcript": "three peers", "edits": [], "ending": ending}
        topic.reject("verify a transcript", why, given, FAILED)
    given = {"transcript": "three peers", "edits": [], "separator": "\r\n"}
    topic.reject("verify a transcript", "lines end with CR LF", given, FAILED)
    for why, edits in _in_slices(sharded(), lines["sharded"]):
        shown = [{"line": number, "by": by} for number, by in edits]
        given = {"transcript": "sharded", "edits": shown}
        topic.reject("verify a transcript", f"sharded: {why}", given, FAILED)
    _other_sessions(topic, lines)
    return topic


def verified(topic: Topic, name: str, session: ReferenceSession, lines: Sequence[str]) -> None:
    """Add a transcript that holds."""
    text = "\n".join(lines) + "\n"
    short = len(session.total) <= 64
    signed = [reference.centred(value, session.p) for value in session.total]
    topic.accept(
        "verify a transcript",
        name,
        {"transcript": name, "edits": []},
        {
            "sha256": reference.sha256(text.encode()).hex(),
            "session": session.id.hex(),
            "round": session.round,
            "total_digest": session.total_digest.hex(),
            "values": decimals(signed) if short else None,
            "recomputed": short,
        },
    )


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a line."""
    _, *fields = re.split(r" (?=[a-z-]+=)", text)
    return {name: value for name, _, value in (part.partition("=") for part in fields)}


def field_of(text: str, name: str) -> str:
    """Return a field of a line."""
    return fields_of(text)[name]


def with_field(text: str, name: str, value: str) -> str:
    """Return a line with another value in a field."""
    return text.replace(f" {name}={field_of(text, name)}", f" {name}={value}")


# -- its form ---------------------------------------------------------------------------------


def _misshapen(good: list[str]) -> Iterator[Edit]:
    """Yield changes that leave all facts as they are."""
    last = len(good)
    yield "the first line names version 2", [(1, ["p2pmpc-transcript 2"])]
    yield "the first line is missing", [(1, [])]
    yield "an empty line at the end", [(last, [good[-1], ""])]
    yield "an empty line in front", [(1, ["", good[0]])]
    yield "a line behind the total", [(last, [good[-1], "R6 0 note"])]
    yield "a space at the end of a line", [(2, [good[1] + " "])]
    yield "two spaces in a line", [(3, [good[2].replace(" ", "  ", 1)])]
    yield "a tab in the place of a space", [(3, [good[2].replace(" ", "\t", 1)])]
    yield (
        "hex in capitals",
        [(3, [with_field(good[2], "signature", field_of(good[2], "signature").upper())])],
    )
    yield "a field twice", [(6, [f"{good[5]} signature={field_of(good[5], 'signature')}"])]
    yield "a field that nobody knows", [(6, [f"{good[5]} note=x"])]
    parts = good[2].split(" ")
    swapped = [*parts[:3], parts[4], parts[3], *parts[5:]]
    yield "two fields of a line exchanged", [(3, [" ".join(swapped)])]
    yield "an index with a leading zero", [(3, [good[2].replace("R0b 1", "R0b 01")])]
    yield "a step in small letters", [(3, [good[2].replace("R0b", "r0b")])]
    yield "a comment behind a line", [(3, [good[2] + " # north"])]
    yield "the round as 00", [(last, [with_field(good[-1], "round", "00")])]
    yield "the round as +0", [(last, [with_field(good[-1], "round", "+0")])]
    total = field_of(good[-1], "values")
    yield "a value with a plus sign", [(last, [with_field(good[-1], "values", f"+{total}")])]
    yield "a value with a leading zero", [(last, [with_field(good[-1], "values", f"0{total}")])]
    yield "a value with a fraction", [(last, [with_field(good[-1], "values", f"{total}.0")])]


def _changed(good: list[str]) -> Iterator[Edit]:
    """Yield one change in every field of every kind of line, and lines lost, doubled or moved."""
    seen: set[str] = set()
    for number, text in enumerate(good[1:], start=2):
        step, _, kind, *_ = text.split(" ")
        if f"{step} {kind}" in seen:
            continue
        seen.add(f"{step} {kind}")
        name = f"{step} {kind}"
        yield f"{name}: the line is missing", [(number, [])]
        yield f"{name}: the line stands there twice", [(number, [text, text])]
        yield (
            f"{name}: the line of another index",
            [(number, [text.replace(" 1 ", " 4 ").replace(" 0 ", " 5 ", 1)])],
        )
        for part, value in fields_of(text).items():
            yield f"{name}: {part} is another", [(number, [_other(text, part)])]
            left_out = text.replace(f" {part}={value}", "", 1)
            yield f"{name}: {part} is missing", [(number, [left_out])]
    for number, further, what in (
        (3, 1, "entries"),
        (6, 1, "roster signatures"),
        (9, 1, "COMMITMENTs"),
        (12, 1, "partials"),
        (16, 1, "echo signatures"),
        (19, 2, "mask seeds"),
        (20, 2, "sums"),
    ):
        one, two = good[number - 1].replace(" 1 ", " 2 ", 1), good[number - 1 + further]
        edits = [(number, [two.replace(" 2 ", " 1 ", 1)]), (number + further, [one])]
        yield f"the {what} of peers 1 and 2 exchanged", edits


def _other(text: str, name: str) -> str:
    """Return a line with another value in a field, one that has the right form."""
    value = field_of(text, name)
    others = {
        "peers": "4", "field": "m61", "length": "4", "rounds": "2", "fraction-bits": "1", "bound": "100",
        "weight-bound": "1", "share-mode": "dense", "sum-mode": "sharded", "strict": "true", "weight": "7", "round": "1",
    }  # fmt: skip
    if name in others:
        return with_field(text, name, others[name])
    if name == "values":
        first, _, rest = value.partition(",")
        return with_field(text, name, f"{int(first) + 1},{rest}")
    if name == "id":
        return with_field(text, name, messages.shown_id(fixed("another ID")))
    return with_field(text, name, flipped(bytes.fromhex(value), -1).hex() if value else "61")


# -- its facts --------------------------------------------------------------------------------


def _replaced(session: ReferenceSession, good: list[str]) -> Iterator[Edit]:
    """Yield lines that their peers signed, and that do not go with the others."""
    commitment = session.commitment(1)
    other = pack([fixed("another commitment"), *commitment[1:]])
    signed: dict[str, Value] = {"body": other, "signature": session.sign(1, "COMMITMENT", other)}
    yield (
        "peer 1 signed another COMMITMENT than was echoed",
        [(9, [line("R1", 1, "commitment", signed)])],
    )
    digest = reference.body_digest(KINDS["PARTIAL"], bytes(len(session.partials[1])))
    peer = session.peers[1]
    covered = reference.signing_input(session.id, 0, KINDS["PARTIAL"], peer.id, bytes(32), digest)
    told: dict[str, Value] = {
        "digest": digest,
        "signature": reference.ed25519_sign(peer.seed, covered),
    }
    yield "peer 1 signed another PARTIAL than was echoed", [(12, [line("R2", 1, "partial", told)])]
    echo = reference.body_digest(KINDS["ECHO"], pack([[], []]))
    lines = [line("R3", 0, "echo", {"digest": echo})]
    for i, member in session.peers.items():
        covered = reference.signing_input(session.id, 0, KINDS["ECHO"], member.id, bytes(32), echo)
        lines.append(
            line("R3", i, "echo", {"signature": reference.ed25519_sign(member.seed, covered)})
        )
    yield "all signed an echo of something else", [(15, lines), (16, []), (17, []), (18, [])]
    yield from _other_signatures(session, good)
    yield from _other_sums(session, good)


def _other_signatures(session: ReferenceSession, good: list[str]) -> Iterator[Edit]:
    """Yield signatures in a form that must not be, or of other places."""
    signature = session.acceptances[1]
    high = int.from_bytes(signature[32:], "little") + ORDER
    for why, wrong in {
        "S of a signature is not below the order": signature[:32] + high.to_bytes(32, "little"),
        "a signature of 63 bytes": signature[:-1],
        "a signature of 65 bytes": signature + b"\x00",
        "a COMMITMENT's signature stands for that of the roster": session.commitments[1][1],
    }.items():
        yield why, [(6, [with_field(good[5], "signature", wrong.hex())])]
    # Ed25519 allows many signatures of one thing: this one verifies, but it is not the one echoed.
    peer, digest = session.peers[1], reference.body_digest(KINDS["ACCEPT"], pack(session.accept))
    covered = reference.signing_input(bytes(32), 0, KINDS["ACCEPT"], peer.id, bytes(32), digest)
    again = reference.ed25519_sign(peer.seed, covered, nonce=4711)
    yield (
        "peer 1 signed the roster a second time, and the echo has the first signature",
        [(6, [with_field(good[5], "signature", again.hex())])],
    )


def _other_sums(session: ReferenceSession, good: list[str]) -> Iterator[Edit]:
    """Yield sums and seeds that are not the ones committed to."""
    seed = fixed("another seed")
    yield "a mask seed that nobody committed to", [(19, [line("R4", 1, "mask", {"seed": seed})])]
    moved = [[*session.sums[1]], [*session.sums[2]]]
    moved[0][0], moved[1][0] = (moved[0][0] + 1) % session.p, (moved[1][0] - 1) % session.p
    edits = [
        (number, [_sum_line(session, index, vector)])
        for number, index, vector in ((20, 1, moved[0]), (22, 2, moved[1]))
    ]
    yield "two sums changed so that the total stays the same", edits
    longer = [*session.sums[1], 0]
    yield "a sum of one element too many", [(20, [_sum_line(session, 1, longer)])]
    text = with_field(good[19], "values", ",".join(["x"] * 4))
    yield "values that are no numbers", [(20, [text])]
    beyond = str((session.p - 1) // 2 + 1)
    rest = field_of(good[19], "values").partition(",")[2]
    yield (
        "a value that no residue stands for",
        [(20, [with_field(good[19], "values", f"{beyond},{rest}")])],
    )
    first = reference.centred(session.sums[1][0], session.p)
    same = str(first - session.p if first > 0 else first + session.p)
    yield (
        "a value of the same residue, but beyond (p - 1) / 2",
        [(20, [with_field(good[19], "values", f"{same},{rest}")])],
    )


def _sum_line(session: ReferenceSession, index: int, vector: list[int]) -> str:
    data = reference.little_endian(vector, session.width)
    values = ",".join(str(reference.centred(value, session.p)) for value in vector)
    digest = reference.labelled_hash("public vector", data)
    return line("R4", index, "sum", {"digest": digest, "values": values})


def _in_slices(session: ReferenceSession, good: list[str]) -> Iterator[Edit]:
    """Yield changes to a transcript of sharded mode, which has no sums."""
    last, total = len(good), session.total
    p = session.p

    def told(vector: list[int]) -> str:
        data = reference.little_endian(vector, session.width)
        digest = messages.total_digest(session.id, session.round, data)
        values = ",".join(str(reference.centred(value, p)) for value in vector)
        return line("R5", 0, "total", {"round": 0, "digest": digest, "values": values})

    assert told(total) == good[-1]
    yield "another total, with its digest", [(last, [told([(total[0] + 1) % p, *total[1:]])])]
    gamma = messages.checksum_vector(session.id, session.round, session.field, len(total) - 1)
    fitting = [(total[0] + 1) % p, *total[1:-1], (total[-1] + gamma[0]) % p]
    yield "another total, with its digest and checksum", [(last, [told(fitting)])]
    yield "a total of one element too many", [(last, [told([*total, 0])])]
    yield "the digest of another total", [(last, [with_field(good[-1], "digest", "00" * 32)])]
    masks = [k for k, text in enumerate(good, start=1) if text.startswith("R4 ")]
    assert len(masks) == 3
    mine = session.contributors[0]
    data = reference.little_endian(session.sums[mine], session.width)
    digest = reference.labelled_hash("public vector", data)
    values = ",".join(str(reference.centred(value, p)) for value in session.sums[mine])
    summed = line("R4", mine, "sum", {"digest": digest, "values": values})
    yield "the sum of a peer, rightly", [(masks[0], [good[masks[0] - 1], summed])]
    yield "a mask seed is missing", [(masks[1], [])]
    lists = [k for k, text in enumerate(good, start=1) if text.startswith("R2 ")]
    one, two = good[lists[0] - 1], good[lists[1] - 1]
    yield (
        "the lists of peers 1 and 2 exchanged",
        [
            (lists[0], [two.replace(" 2 ", " 1 ", 1)]),
            (lists[1], [one.replace(" 1 ", " 2 ", 1)]),
        ],
    )
    whole = reference.little_endian(session.masked[mine], session.width)
    partial = reference.body_digest(KINDS["PARTIAL"], whole)
    peer = session.peers[mine]
    covered = reference.signing_input(session.id, 0, KINDS["PARTIAL"], peer.id, bytes(32), partial)
    signed: dict[str, Value] = {
        "digest": partial,
        "signature": reference.ed25519_sign(peer.seed, covered),
    }
    yield (
        "peer 1 signed its masked sum, as in broadcast mode",
        [(lists[0], [line("R2", mine, "partial", signed)])],
    )
    yield "the parameters show the other mode", [(2, [good[1].replace("=sharded", "=broadcast")])]


def _other_sessions(topic: Topic, lines: dict[str, list[str]]) -> None:
    """Add the lines of one session among those of another."""

    def swap(why: str, name: str, number: int, by: str) -> None:
        given: Json = {"transcript": name, "edits": [{"line": number, "by": [by]}]}
        topic.reject("verify a transcript", why, given, FAILED)

    swap("the parameters of another session", "three peers", 2, lines["dense"][1])
    swap("an entry of another session", "three peers", 3, lines["observed"][2])
    observed = lines["observed"]
    heard = next(k for k, text in enumerate(observed) if text.startswith("R1 "))
    shown = observed[heard].replace("R1 1", "R1 2")
    swap("a COMMITMENT of the observer", "observed", heard + 1, f"{observed[heard]}\n{shown}")
    total = lines["long"][-1]
    swap(
        "values where the vector is too long for them",
        "long",
        len(lines["long"]),
        total + " values=1",
    )


# -- rounds that should not have ended --------------------------------------------------------


def beyond_the_bound() -> ReferenceSession:
    """Three peers of whom one shares a value beyond the bound."""
    return make("beyond", [1, 1, 1], [[10], [10], [11]], bound=10)


def weight_beyond_the_bound() -> ReferenceSession:
    """Three peers with private weights, of whom one shares a weight beyond the bound."""
    return make("heavy", [1, 1, 1], [[0, 5], [0, 5], [0, 6]], bound=10, weight_bound=5)


class WrongChecksum(ReferenceSession):
    """A session in which the first peer's checksum coordinate does not fit."""

    def secret(self, index: int) -> list[int]:
        """Return the residues that a contributor shares."""
        good = super().secret(index)
        return good if index != 1 else [*good[:-1], (good[-1] + 1) % self.p]


def wrong_checksum() -> ReferenceSession:
    """Three peers of whom the first shares a wrong checksum."""
    base = make("wrong checksum", [1, 1, 1], [[1], [2], [3]])
    return WrongChecksum(base.parameters, list(base.peers.values()), base.draw)


class OtherMask(ReferenceSession):
    """A session in which the first peer opens another mask than it committed to."""

    def commitment(self, dealer: int) -> list[Value]:
        """Return a dealer's COMMITMENT."""
        good = super().commitment(dealer)
        return [fixed("another commitment"), *good[1:]] if dealer == 1 else good


def other_mask() -> ReferenceSession:
    """Three peers of whom the first commits to a mask seed that it does not use."""
    base = make("other mask", [1, 1, 1], [[1], [2], [3]])
    return OtherMask(base.parameters, list(base.peers.values()), base.draw)


class OneMissing(ReferenceSession):
    """A session whose COMMITMENTs list fewer shares than there are contributors."""

    def commitment(self, dealer: int) -> list[Value]:
        """Return a dealer's COMMITMENT."""
        mask, hashes, shares = super().commitment(dealer)
        assert isinstance(hashes, list)
        assert isinstance(shares, list)
        return [mask, hashes[:-1], shares[:-1]]


def one_missing() -> ReferenceSession:
    """Three peers whose COMMITMENTs are one place short."""
    base = make("one missing", [1, 1, 1], [[1], [2], [3]])
    return OneMissing(base.parameters, list(base.peers.values()), base.draw)


def beyond_in_slices() -> ReferenceSession:
    """Three peers in sharded mode of whom one shares a value beyond the bound."""
    return make("beyond in slices", [1, 1, 1], [[10], [10], [11]], bound=10, sum_mode="sharded")


def wrong_checksum_in_slices() -> ReferenceSession:
    """Three peers in sharded mode of whom the first shares a wrong checksum."""
    base = make("wrong in slices", [1, 1, 1], [[1], [2], [3]], sum_mode="sharded")
    return WrongChecksum(base.parameters, list(base.peers.values()), base.draw)


class OtherSum(ReferenceSession):
    """A session in which the first owner lists another sum of its slice, which all confirm."""

    def _cut(self, hidden: Sequence[int]) -> None:
        super()._cut([(hidden[0] + 1) % self.p, *hidden[1:]])


def other_sum_in_slices() -> ReferenceSession:
    """Three peers of whom the first lists another sum than the others know the total of."""
    base = make("other sum", [1, 1, 1], [[1], [2], [3]], sum_mode="sharded")
    return OtherSum(base.parameters, list(base.peers.values()), base.draw)


DISHONEST = {
    "beyond, in slices": beyond_in_slices,
    "wrong checksum, in slices": wrong_checksum_in_slices,
    "other sum, in slices": other_sum_in_slices,
    "beyond the bound": beyond_the_bound,
    "weight beyond the bound": weight_beyond_the_bound,
    "wrong checksum": wrong_checksum,
    "other mask": other_mask,
    "one missing": one_missing,
}
"""Sessions that all members signed to the end, though they should not have."""

WHY = {
    "beyond, in slices": "in sharded mode the total is beyond what inputs within the bound give",
    "wrong checksum, in slices": "in sharded mode the total does not fit its checksum coordinate",
    "other sum, in slices": "the masks on the total do not give what an owner listed",
    "beyond the bound": "the total is beyond what inputs within the bound can give",
    "weight beyond the bound": "the total of the weights is beyond what the weight bound allows",
    "wrong checksum": "the total does not fit its checksum coordinate, and everything else does",
    "other mask": "a COMMITMENT is to another mask seed than the one that was used",
    "one missing": "the COMMITMENTs, signed and echoed, are one place short",
}
