"""What has no place in a body: wrong shapes, types, sizes and values, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator

from tests.reference_messages import Raw, Value, pack
from tests.vector_cases.case import DISAGREEMENT, VIOLATION

Wrong = tuple[str, bytes, int]
"""What is wrong, the body, and the exit code."""


def at(value: Value, path: tuple[int, ...], by: Value | None) -> Value:
    """Return a structure with the value at a path replaced, or left out."""
    if not path:
        assert by is not None
        return by
    assert isinstance(value, list)
    head, rest = path[0], path[1:]
    if not rest and by is None:
        return [item for k, item in enumerate(value) if k != head]
    return [at(item, rest, by) if k == head else item for k, item in enumerate(value)]


def item(value: Value, *path: int) -> Value:
    """Return the value at a path."""
    for k in path:
        assert isinstance(value, list)
        value = value[k]
    return value


# -- what is wrong with any body --------------------------------------------------------------


def misshapen(value: list[Value]) -> Iterator[Wrong]:
    """Yield bodies that are wrong whatever their kind."""
    good = pack(value)
    yield "a byte behind it", good + b"\x00", VIOLATION
    yield "the last byte is missing", good[:-1], VIOLATION
    yield "no bytes", b"", VIOLATION
    yield "the first value is missing", pack(value[1:]), VIOLATION
    yield "one value too many", pack([*value, 0]), VIOLATION
    yield "the same, in another array", pack([value]), VIOLATION
    inner = good[1:]
    yield (
        "an array with a length of two bytes",
        b"\xdc\x00" + bytes([len(value)]) + inner,
        VIOLATION,
    )
    pairs = b"".join(pack(k) + pack(v) for k, v in enumerate(value))
    yield "a map in place of the array", bytes([0x80 | len(value)]) + pairs, VIOLATION


def foreign(value: list[Value], *path: int) -> Iterator[Wrong]:
    """Yield bodies with a value of a foreign type in one place."""
    good = item(value, *path)
    kinds: dict[str, Value] = {
        "nil": Raw(b"\xc0"),
        "a float": Raw(b"\xcb" + bytes(8)),
        "an extension type": Raw(b"\xd5\x01ab"),
        "a timestamp": Raw(b"\xd6\xff" + bytes(4)),
        "a byte that msgpack never uses": Raw(b"\xc1"),
        "an array": [],
    }
    if isinstance(good, bytes):
        text = b"a" * len(good)
        kinds["a str of the same length"] = Raw(pack(good)[:0] + pack(text.decode()))
        wide = b"\xc5" + len(good).to_bytes(2, "big")
        kinds["a bin with a longer length than it needs"] = Raw(
            (b"\xc6" + len(good).to_bytes(4, "big") if len(good) > 255 else wide) + good
        )
    for name, wrong in kinds.items():
        yield f"value {'.'.join(map(str, path))} is {name}", pack(at(value, path, wrong)), VIOLATION


def sized(value: list[Value], *path: int) -> Iterator[Wrong]:
    """Yield bodies in which a byte string is one byte short, or one too long."""
    good = item(value, *path)
    assert isinstance(good, bytes)
    place = ".".join(map(str, path))
    for size, wrong in (len(good) - 1, good[:-1]), (len(good) + 1, good + b"\x00"):
        yield f"value {place} has {size} bytes", pack(at(value, path, wrong)), VIOLATION


def listed(value: list[Value], *path: int) -> Iterator[Wrong]:
    """Yield bodies in which a list of a fixed length has another one."""
    good = item(value, *path)
    assert isinstance(good, list)
    place = ".".join(map(str, path))
    yield f"list {place} is one short", pack(at(value, path, good[:-1])), VIOLATION
    yield f"list {place} is one too long", pack(at(value, path, [*good, good[-1]])), VIOLATION


def each(value: list[Value], wrong: dict[str, tuple[tuple[int, ...], Value]]) -> Iterator[Wrong]:
    """Yield bodies with one value replaced."""
    for why, (path, by) in wrong.items():
        yield why, pack(at(value, path, by)), VIOLATION


# -- what is wrong with a kind ----------------------------------------------------------------


def wrong_join(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong JOINs."""
    yield from versions(value)
    yield from sized(value, 1)
    yield from sized(value, 2)
    yield from foreign(value, 1)


def versions(value: list[Value]) -> Iterator[Wrong]:
    """Yield bodies of other versions."""
    for version in (0, 2, 255, 2**64 - 1, -1):
        why = f"the version is {version}"
        yield why, pack([version, *value[1:]]), DISAGREEMENT
    yield "another version, and nothing else is the same", pack([2, "anything"]), DISAGREEMENT
    others: dict[str, Value] = {
        "true": True,
        "a str": "1",
        "a float": Raw(b"\xcb\x3f\xf0" + bytes(6)),
        "written as uint 8": Raw(b"\xcc\x01"),
        "written as uint 64": Raw(b"\xcf" + bytes(7) + b"\x01"),
        "written as int 8": Raw(b"\xd0\x01"),
    }
    for why, other in others.items():
        yield f"the version is {why}", pack([other, *value[1:]]), VIOLATION


def wrong_offer(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong PARAMETERS."""
    yield from versions(value)
    yield from sized(value, 1)
    packed = pack(value[3])
    yield "the parameters are bytes that hold them", pack([*value[:3], packed]), VIOLATION
    shorter = at(value, (3,), [v for k, v in enumerate(list_of(value[3])) if k != 6])
    yield "the parameters have no weight bound", pack(shorter), VIOLATION
    yield "the study is a text", pack([*value[:4], "study"]), VIOLATION
    yield "the study is too long", pack([*value[:4], bytes(65536)]), VIOLATION


def list_of(value: Value) -> list[Value]:
    """Return a value that is a list."""
    assert isinstance(value, list)
    return value


def wrong_hello(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong HELLOs."""
    yield from sized(value, 1)
    entry = item(value, 0)
    assert isinstance(entry, bytes)
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "the entry is an array and not its bytes": ((0,), Raw(entry)),
        "the address has no port": ((2,), "127.0.0.1"),
        "the address is bytes": ((2,), b"127.0.0.1:9001"),
        "the address is no UTF-8": ((2,), Raw(b"\xa3\xff:1")),
    }
    yield from each(value, wrong)


def wrong_roster(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong ROSTERs."""
    signature = item(value, 1, 1)
    assert isinstance(signature, bytes)
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "a line's signature has 63 bytes": ((1, 1), signature[:-1]),
        "a line has no address": ((2,), list_of(value[2])[:2]),
        "a line's address has the port 65536": ((2, 2), "127.0.0.1:65536"),
    }
    yield from each(value, wrong)


def wrong_accept(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong ACCEPTs."""
    for place in (0, 2, 3):
        yield from sized(value, 1, 0, place)
    first = list_of(item(value, 1, 0))
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "a weight is true": ((1, 0, 1), True),
        "a weight is a str": ((1, 0, 1), "3"),
        "a weight is a float": ((1, 0, 1), Raw(b"\xca" + bytes(4))),
        "a weight of 3 is written as int 8": ((1, 0, 1), Raw(b"\xd0\x03")),
        "a weight of -1 is written as int 16": ((1, 1, 1), Raw(b"\xd1\xff\xff")),
        "a line has no signature": ((1, 0), first[:-1]),
        "a line has a fifth value": ((1, 0), [*first, ""]),
        "the lines are a map": ((1,), Raw(b"\x80")),
        "the number of peers is true": ((0, 1), True),
        "the session cannot have that many peers": ((0, 1), 1001),
    }
    yield from each(value, wrong)


def wrong_commitment(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong COMMITMENTs."""
    yield from sized(value, 0)
    yield from sized(value, 1, 0)
    yield from sized(value, 2, 1)
    yield from foreign(value, 0)
    yield from listed(value, 1)
    yield from listed(value, 2)
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "the list of b-share hashes is nil": ((1,), Raw(b"\xc0")),
        "the list of sealed digests is empty": ((2,), []),
        "the dealer's own place is empty bytes": ((2, 0), b""),
    }
    yield from each(value, wrong)


def wrong_echo(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong ECHOs."""
    yield from listed(value, 0)
    yield from listed(value, 1)
    yield from listed(value, 1, 0)
    yield from sized(value, 0, 2)
    for place in range(4):
        yield from sized(value, 1, 1, place)
    acceptances, heard = list_of(value[0]), list_of(value[1])
    joined: list[Value] = [
        [signature, *list_of(said)] for signature, said in zip(acceptances, heard, strict=True)
    ]
    yield "the ACCEPT signatures stand beside the rest", pack(joined), VIOLATION
    yield "the two lists are exchanged", pack([heard, acceptances]), VIOLATION


def wrong_open(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong OPENs."""
    yield from sized(value, 0)
    yield from sized(value, 1, 0)
    yield from listed(value, 1)
    yield from foreign(value, 0)
    yield "no signatures", pack([value[0], []]), VIOLATION


def wrong_unmask(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong UNMASKs."""
    yield from sized(value, 1)
    for index in (0, 4, -1, 256, 2**64 - 1):
        yield f"about the index {index} of three", pack([index, value[1]]), VIOLATION
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "the index is true": ((0,), True),
        "the index 3 is written as uint 8": ((0,), Raw(b"\xcc\x03")),
        "the index 3 is written as uint 16": ((0,), Raw(b"\xcd\x00\x03")),
        "the index 3 is written as uint 32": ((0,), Raw(b"\xce\x00\x00\x00\x03")),
        "the index 3 is written as int 64": ((0,), Raw(b"\xd3" + bytes(7) + b"\x03")),
    }
    yield from each(value, wrong)
    yield from foreign(value, 1)


def wrong_relay(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong RELAYs; what they carry is for the round to see."""
    yield from sized(value, 1)
    for index in (0, 4, -1, 256, 2**64 - 1):
        yield f"of the index {index} of three", pack([index, *value[1:]]), VIOLATION
    yield from each(value, {"the index is true": ((0,), True)})
    for place in (0, 1, 2):
        yield from foreign(value, place)


def wrong_confirm(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong CONFIRMs."""
    yield from sized(value, 0)
    yield from foreign(value, 0)
    yield "the digest alone, in no array", pack(value[0]), VIOLATION
    yield "arrays in arrays in arrays", b"\x91" * 40 + pack(value[0]), VIOLATION


def wrong_abort(value: list[Value]) -> Iterator[Wrong]:
    """Yield wrong ABORTs."""
    for code in (0, 256, -4):
        yield f"the code is {code}", pack([code, *value[1:]]), VIOLATION
    wrong: dict[str, tuple[tuple[int, ...], Value]] = {
        "the code is true": ((0,), True),
        "the code 4 is written as uint 8": ((0,), Raw(b"\xcc\x04")),
        "the code 4 is written as int 8": ((0,), Raw(b"\xd0\x04")),
        "a peer has the index 0": ((1, 0), 0),
        "a peer of three has the index 4": ((1, 1), 4),
        "a peer's index is true": ((1, 0), True),
        "a peer's index is -1": ((1, 0), -1),
        "the list of peers is nil": ((1,), Raw(b"\xc0")),
        "the list of peers has a length of two bytes": ((1,), Raw(b"\xdc\x00\x02\x01\x03")),
        "the list of peers is a bin": ((1,), b"\x01\x03"),
        "a reason of 301 characters": ((2,), "a" * 301),
        "a line feed in the reason": ((2,), "one\ntwo"),
        "an escape character in the reason": ((2,), "\x1b[2J"),
        "a DEL in the reason": ((2,), "\x7f"),
        "a tab in the reason": ((2,), "a\tb"),
        "a letter beyond ASCII in the reason": ((2,), "caf\u00e9"),
        "a text that turns its direction in the reason": ((2,), "\u202eabc"),
        "the reason is bytes": ((2,), b"why"),
        "the reason is no UTF-8": ((2,), Raw(b"\xa3a\xc3b")),
        "the reason holds an overlong encoding": ((2,), Raw(b"\xa2\xc0\x80")),
        "the reason holds half of a surrogate pair": ((2,), Raw(b"\xa3\xed\xa0\x80")),
        "the reason has a length of one byte that it does not need": ((2,), Raw(b"\xd9\x03why")),
        "the evidence is nil": ((3,), Raw(b"\xc0")),
        "the evidence is a str": ((3,), ""),
        "the evidence is an array": ((3,), []),
    }
    yield from each(value, wrong)
    # Each of these indices is a rightful one; only their number is not.
    many = pack(at(value, (1,), [1] * 5000))
    yield "more values than 64 and one for every 16 bytes, in 5042 bytes", many, VIOLATION


WRONG = {
    "JOIN": wrong_join,
    "PARAMETERS": wrong_offer,
    "HELLO": wrong_hello,
    "ROSTER": wrong_roster,
    "ACCEPT": wrong_accept,
    "COMMITMENT": wrong_commitment,
    "ECHO": wrong_echo,
    "OPEN": wrong_open,
    "UNMASK": wrong_unmask,
    "CONFIRM": wrong_confirm,
    "RELAY": wrong_relay,
    "ABORT": wrong_abort,
}
