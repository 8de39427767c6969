"""Writes fuzz/corpus/reject: files that every peer must refuse, each named for what it tries.

    python -m fuzz.make_corpus [--check]

A folder's name is what reads its files, and behind ``@`` under which limits, where those are not of three
peers with five elements of m31; see fuzz/codec.py. All must be refused as a violation (4), but for those whose
name begins with ``version-``, which are of another version (6).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Final

from fuzz import hexfiles
from fuzz.attacks import Attack, at_the_cap, on_any, on_headers, on_vectors, within
from fuzz.codec import REFUSED
from tests.make_vectors import FOLDER
from tests.reference_messages import Value, caps, pack, parameters
from tests.vector_cases.case import fixed

HASH, SIGNATURE, B_SHARE = fixed("hash"), fixed("signature", 64), fixed("b-share", 33)
ADDRESS: Final = "127.0.0.1:9001"
PARAMETERS: Final[list[Value]] = list(parameters(fixed("nonce"), 3, length=4).values())
SIGNED: Final[list[Value]] = [b"an entry", SIGNATURE, ADDRESS]
LINE: Final[list[Value]] = [HASH, 3, HASH, SIGNATURE]
STATEMENT: Final[list[Value]] = [1, 2, 7, 0, HASH, SIGNATURE, b"a body"]

BODIES: Final[dict[str, tuple[list[Value], dict[str, tuple[int, ...]]]]] = {
    "JOIN": ([1, HASH, HASH], {"key": (1,), "nonce": (2,)}),
    "PARAMETERS": (
        [1, HASH, HASH, PARAMETERS, b""],
        {"nonce": (1,), "founder": (2,), "parameters": (3,)},
    ),
    "HELLO": (SIGNED, {"signature": (1,), "address": (2,)}),
    "ROSTER": ([SIGNED] * 3, {"signature-of-2": (1, 1), "line-1": (0,)}),
    "ACCEPT": ([PARAMETERS, [LINE] * 3], {"id-of-2": (1, 1, 0), "signature-of-3": (1, 2, 3)}),
    "COMMITMENT": (
        [HASH, [HASH] * 3, [HASH] * 3],
        {"mask": (0,), "hash-3": (1, 2), "sealed": (2,)},
    ),
    "ECHO": (
        [[SIGNATURE] * 3, [[HASH, SIGNATURE, HASH, SIGNATURE]] * 3],
        {"acceptance-1": (0, 0), "partial-of-2": (1, 1, 2), "entry-3": (1, 2)},
    ),
    "OPEN": ([HASH, [SIGNATURE] * 3], {"seed": (0,), "echo-3": (1, 2), "echoes": (1,)}),
    "UNMASK": ([2, B_SHARE], {"index": (0,), "share": (1,)}),
    "CONFIRM": ([HASH], {"digest": (0,)}),
    "ABORT": ([4, [1, 3], "because", b""], {"code": (0,), "index": (1, 1), "reason": (2,)}),
    "parameters": (
        PARAMETERS,
        {"peers": (1,), "field": (2,), "fraction-bits": (5,), "strict": (10,)},
    ),
    "entry": (
        [b"certificate", HASH, fixed("key", 1216), 3, "peer", HASH],
        {"key": (2,), "weight": (3,), "name": (4,), "digest": (5,)},
    ),
    "evidence": (
        ["equivocation", 1, [STATEMENT] * 2, [[1, B_SHARE]]],
        {"culprit": (1,), "round": (2, 0, 3), "b-share": (3, 0), "statements": (2,)},
    ),
    "share": ([HASH, B_SHARE], {"seed": (0,), "b-share": (1,)}),
}
"""A rightful body for each reader of msgpack, and which of its values are attacked."""

WHOLE: Final = ("COMMITMENT", "ABORT", "entry", "share")
LARGE: Final = ("ROSTER", "ACCEPT", "COMMITMENT", "ECHO", "OPEN", "ABORT", "PARAMETERS")
THREE: Final = caps(3, 3, 5, 4, "seeds")
THOUSAND: Final = caps(1000, 1000, 1001, 8, "seeds")

_RIGHTFUL: Final = frozenset(
    {
        ("COMMITMENT", "0-hashes-and-3-digests"),  # as in a strict session
        ("CONFIRM", "values-in-reverse"),
        ("ROSTER", "values-in-reverse"),
    }
)


def attacks() -> Iterator[tuple[str, Attack]]:
    """Yield every folder with what stands in it."""
    yield from _bodies()
    for attack in on_headers(THREE):
        yield "header", attack
    for attack in on_headers(THOUSAND):
        if "over-its-cap" in attack[0] or "sixteen" in attack[0]:
            yield "header@thousand", attack
    first, second = (2**31 - 1, 4), (2**61 - 1, 8)
    fields = {"vector": [first], "vector@wide": [second], "vector@product": [first, second]}
    for reader, words in fields.items():
        for attack in on_vectors(words, 5):
            yield reader, attack
    for kind in LARGE:
        for attack in at_the_cap(THOUSAND[kind]):
            yield f"{kind}@thousand", attack
    yield from _counts()
    yield from _shares()


def _bodies() -> Iterator[tuple[str, Attack]]:
    """Yield attacks on msgpack."""
    for number, (reader, (value, places)) in enumerate(BODIES.items()):
        whole = list(on_any(value))
        # One function reads all of them, so most get a third of what is tried on a body as a whole.
        for attack in whole if reader in WHOLE else whole[number % 3 :: 3]:
            yield reader, attack
        for attack in within(value, places):
            yield reader, attack
    for version in (3, 127, 128, 2**16, 2**32):
        yield "JOIN", (f"version-{version}", [pack([version, HASH, HASH])])
        yield "PARAMETERS", (f"version-{version}", [pack([version, HASH, PARAMETERS])])


def _counts() -> Iterator[tuple[str, Attack]]:
    """Yield lists of as many values as another session would have."""
    for count in (0, 1, 2, 4, 6, 15, 16):
        roster: list[Value] = [SIGNED] * count
        yield "ROSTER", (f"lines-for-{count}-peers", [pack(roster)])
        digests, signatures = [HASH] * count, [SIGNATURE] * count
        heard: list[Value] = [[HASH, SIGNATURE, HASH, SIGNATURE]] * count
        bodies: dict[str, list[Value]] = {
            "COMMITMENT": [HASH, digests, digests],
            "ECHO": [signatures, heard],
            "OPEN": [HASH, signatures],
        }
        for kind, body in bodies.items():
            yield kind, (f"lists-for-{count}-peers", [pack(body)])
        yield "COMMITMENT", (f"{count}-hashes-and-3-digests", [pack([HASH, digests, [HASH] * 3])])
        yield "ECHO", (f"3-acceptances-and-{count}-entries", [pack([[SIGNATURE] * 3, heard])])
    for size in (0, 1, 31, 63, 65, 128):
        short = fixed("signature", 128)[:size]
        yield "OPEN", (f"signature-of-{size}-bytes", [pack([HASH, [SIGNATURE, short, SIGNATURE]])])
        yield "HELLO", (f"signature-of-{size}-bytes", [pack([b"an entry", short, ADDRESS])])
        lines: list[Value] = [LINE, [HASH, 3, HASH, short], LINE]
        yield "ACCEPT", (f"signature-of-{size}-bytes", [pack([PARAMETERS, lines])])
        statement: list[Value] = [*STATEMENT[:5], short, b"a body"]
        yield "evidence", (f"signature-of-{size}-bytes", [pack(["ill-formed", 1, [statement], []])])
    claims = ("", "equivocation ", "Equivocation", "wrong", "__class__", "equivocation\x00")
    for place, claim in enumerate(claims):
        yield "evidence", (f"claim-that-is-none-{place}", [pack([claim, 1, [], []])])
    for number in (0, 16, -1, 255, 2**64 - 1):
        statement = [*STATEMENT[:2], number, *STATEMENT[3:]]
        yield (
            "evidence",
            (f"statement-of-kind-{number}", [pack(["ill-formed", 1, [statement], []])]),
        )
    many: list[Value] = [STATEMENT] * 4
    yield "evidence", ("four-statements", [pack(["equivocation", 1, many, []])])
    shares: list[Value] = [[1, B_SHARE]] * 1001
    yield "evidence", ("a-thousand-and-one-b-shares", [pack(["wrong-dealing", 1, [], shares])])


def _shares() -> Iterator[tuple[str, Attack]]:
    """Yield plaintexts of shares of another size, in all three forms."""
    for size in (0, 1, 31, 34, 64, 4096):
        yield "share", (f"seed-of-{size}-bytes", [pack([bytes(size), B_SHARE])])
        if size:
            yield "ratcheted", (f"seed-of-{size}-bytes", [pack([bytes(size), B_SHARE])])
        yield "share", (f"b-share-of-{size}-bytes", [pack([HASH, bytes(size)])])
        if size:
            yield "strict", (f"b-share-of-{size}-bytes", [pack([HASH, bytes(size)])])
        if size != 40:
            yield "share@wide", (f"vector-of-{size}-bytes", [pack([bytes(size), B_SHARE])])
    yield "ratcheted", ("seed-again", [pack([HASH, B_SHARE])])
    yield "ratcheted", ("no-b-share", [pack([b"", b""])])
    yield "strict", ("no-seed", [pack([b"", b""])])


def texts() -> dict[str, str]:
    """Return every file by its path, below the folder of the corpus."""
    made: dict[str, str] = {}
    vectors = json.loads((FOLDER / "messages.json").read_text(encoding="ascii"))["must_reject"]
    inputs = [case["input"] for case in vectors if "body" in case["input"]]
    seen = {(given["kind"], bytes.fromhex(given["body"])) for given in inputs}
    for folder, (name, parts) in attacks():
        place = (folder, hexfiles.whole(parts))
        if (folder, name) in _RIGHTFUL or place in seen:
            continue
        seen.add(place)
        path = f"{folder}/{name}.hex"
        assert path not in made, path
        made[path] = hexfiles.render(f"{folder}: {name.replace('-', ' ')}", parts)
    return made


def differing(made: dict[str, str]) -> list[str]:
    """Return the files that are not as they should be, missing and surplus ones included."""
    there = {
        str(path.relative_to(REFUSED)): path.read_text(encoding="ascii")
        for path in REFUSED.rglob("*.hex")
    }
    return sorted(path for path in made.keys() | there.keys() if made.get(path) != there.get(path))


def main() -> int:
    """Write the files, or say which are not as they should be."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.make_corpus")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    made = texts()
    wrong = differing(made)
    for path in [] if options.check else wrong:
        if path not in made:
            (REFUSED / path).unlink()
            continue
        (REFUSED / path).parent.mkdir(parents=True, exist_ok=True)
        (REFUSED / path).write_text(made[path], encoding="ascii")
    sys.stdout.write(
        f"{len(made)} files, {len(wrong)} of them {'wrong' if options.check else 'written'}\n"
    )
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
