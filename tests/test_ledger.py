"""What a peer remembers of opened sums: which other sums are refused, and how it is kept on disk."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.encoding import Floats
from p2pmpc.errors import ConfigurationError, InputRefused, P2PMPCError, ResourceExhausted
from p2pmpc.ledger import (
    FORMAT,
    InputDigest,
    OpenedSum,
    check_differencing,
    ledger_json,
    ledger_table,
    parse_ledger,
    render_ledger,
)
from p2pmpc.ledger_file import LedgerFile, MemoryLedger, ledger_path, read_ledger
from p2pmpc.parameters import Parameters
from p2pmpc.sources import numbers_of_bytes
from tests.party import identities, make_sessions
from tests.strategies import weights as some_weight

KEY = b"k" * 32
ANN, BOB, EVE, JOE = IDS = tuple(bytes([k]) * 32 for k in (1, 2, 3, 4))
NAMES = {ANN: "ann", BOB: "bob", EVE: "eve", JOE: "joe"}
INPUT = b"\x11" * 32


def entry(
    who: tuple[bytes, ...] = (ANN, BOB, EVE),
    weights: tuple[int, ...] | None = None,
    own_weight: bytes | None = None,
    **more: Any,
) -> OpenedSum:
    """Return an entry, of weights 1, 2, ... unless its own weight is private."""
    public = None if own_weight else weights or tuple(range(1, len(who) + 1))
    given: dict[str, Any] = {
        "date": "2026-01-02 03:04 UTC",
        "session": bytes(32),
        "input": INPUT,
        "contributors": who,
        "weights": public,
        "own_weight": own_weight,
    }
    return OpenedSum(**given | more)


def input_digest(blocks: Iterable[Floats], key: bytes) -> bytes:
    """Return the digest of an input that is read in blocks."""
    made = InputDigest(key)
    for block in blocks:
        made.add(block)
    return made.digest()


def read(*values: float) -> list[Floats]:
    """Return numbers as they are read, in one block."""
    return [np.array(values, dtype=np.float64)]


def digest(*values: float) -> bytes:
    """Return the digest of numbers as they are read."""
    return input_digest(read(*values), KEY)


# -- one input ----------------------------------------------------------------------------------

numbers = st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5)


@given(numbers, numbers)
def test_digests_are_equal_exactly_when_the_numbers_are(one: list[float], two: list[float]) -> None:
    """Two inputs have one digest when they are the same numbers, and never otherwise."""
    assert (input_digest(read(*one), KEY) == input_digest(read(*two), KEY)) == (one == two)


@pytest.mark.parametrize("field", [{}, {"fraction_bits": 3}, {"field": "m61", "fraction_bits": 30}])
def test_an_input_is_the_same_however_it_is_carried(field: dict[str, Any]) -> None:
    """The founder's field and fraction bits, which may round, make no other input of it."""
    known = numbers_of_bytes(b"71.3\n-0\n2\n", "a file")
    again = numbers_of_bytes(b"7.13e1\n0.0\n+2.00", "another file")
    _, _, sessions = make_sessions(Parameters(bytes(32), 3, length=3, **field), [1, 1, 1])
    digests = [input_digest(given.float_blocks(), KEY) for given in (known, again)]
    entries = [OpenedSum.of(sessions[0], found, 1, KEY, date="") for found in digests]
    assert entries[0].input == entries[1].input == digest(71.3, 0, 2)


def test_a_file_of_numbers_is_the_same_input_in_either_form() -> None:
    """Text and arrays of the same numbers have one digest, whatever the array's type."""
    text = numbers_of_bytes(b"3\n-4", "text")
    for dtype in (np.int8, np.int64, np.float32, np.float64):
        buffer = io.BytesIO()
        np.save(buffer, np.array([3, -4], dtype=dtype))
        array = numbers_of_bytes(buffer.getvalue(), "array")
        assert input_digest(array.float_blocks(), KEY) == input_digest(text.float_blocks(), KEY)


def test_digests_cannot_be_made_without_the_key() -> None:
    """Another key gives another digest, so nobody can try values out; lengths and order count."""
    known = input_digest(read(0, 7), KEY)
    assert known != input_digest(read(0, 7), b"other" + bytes(27))
    assert known != input_digest(read(7, 0), KEY)
    assert input_digest(read(0), KEY) != input_digest(read(0, 0), KEY)


def test_keys_of_ledgers_belong_to_identities() -> None:
    """Every identity has a ledger key of its own, always the same, which is not its seed."""
    one, two = identities(2)
    assert one.ledger_key() == one.ledger_key() != two.ledger_key()
    assert len(one.ledger_key()) == 32
    assert one.ledger_key() != one._seed


def test_an_entry_tells_what_is_public_of_a_session() -> None:
    """Contributors and weights stand there, observers do not, and a private weight only as a digest."""
    _, _, sessions = make_sessions(Parameters(bytes(32), 4), [5, 0, -6, 7])
    public = OpenedSum.of(sessions[0], digest(3), 5, KEY, date="today")
    members = sessions[0].members
    assert public.contributors == tuple(members[k].id for k in (0, 2, 3))
    assert (public.weights, public.own_weight) == ((5, -6, 7), None)
    assert public.session == sessions[0].id
    _, _, sessions = make_sessions(Parameters(bytes(32), 3, weight_bound=10**8), [1, 1, 1])
    private = OpenedSum.of(sessions[0], digest(3), 87178291, KEY, date="today")
    again = OpenedSum.of(sessions[1], digest(3), 87178291, KEY, date="today")
    other = OpenedSum.of(sessions[0], digest(3), -87178291, KEY, date="today")
    assert private.weights is None
    assert private.input == public.input
    assert private.own_weight == again.own_weight != other.own_weight
    assert "87178291" not in repr(private) + ledger_json([private]) + ledger_table([private])


# -- two sums -----------------------------------------------------------------------------------

factors = st.integers(-1000, 1000).filter(bool)


@given(st.lists(some_weight, min_size=3, max_size=3), factors, factors)
def test_proportional_weights_are_the_same_sum(weights: list[int], one: int, two: int) -> None:
    """A multiple of a total, a negative one too, says what the total says."""
    here = entry(weights=tuple(one * weight for weight in weights))
    there = entry(weights=tuple(two * weight for weight in weights))
    assert here.is_same_sum(there)
    assert there.is_same_sum(here)


@given(st.lists(some_weight, min_size=3, max_size=3), st.integers(0, 2), factors)
def test_other_weights_are_another_sum(weights: list[int], place: int, change: int) -> None:
    """One weight out of proportion makes two equations of two totals."""
    other = list(weights)
    other[place] += change
    assert not entry(weights=tuple(weights)).is_same_sum(entry(weights=tuple(other)))


@pytest.mark.parametrize(
    ("known", "to_come", "same"),
    [
        (entry(own_weight=b"1" * 32), entry(own_weight=b"1" * 32), True),
        (entry(own_weight=b"1" * 32), entry(own_weight=b"2" * 32), False),
        (entry(own_weight=b"1" * 32), entry(), False),
        (entry(), entry(own_weight=b"1" * 32), False),
        (entry(own_weight=b"1" * 32), entry((ANN, BOB, JOE), own_weight=b"1" * 32), False),
        (entry(), entry((ANN, BOB)), False),
        (entry(weights=(2, 4, 6)), entry(weights=(-1, -2, -3)), True),
    ],
)
def test_which_sums_are_the_same(known: OpenedSum, to_come: OpenedSum, same: bool) -> None:
    """Private weights must be the peer's own again; public ones are never taken for private ones."""
    assert known.is_same_sum(to_come) is same


REFUSALS = [
    (entry((ANN, BOB)), "eve is in only one of the two", "the input of that one peer"),
    (entry((ANN, BOB, EVE, JOE)), "joe is in only one", "the input of that one peer"),
    (entry((ANN, BOB, JOE)), "only eve, joe differ", "speaks of these 2 inputs alone"),
    (entry(weights=(1, 2, 4)), "other weights", "every input is known"),
    (entry(own_weight=b"1" * 32), "other weights", "every input is known"),
]


@pytest.mark.parametrize(("to_come", "who", "what"), REFUSALS, ids=[r[1] for r in REFUSALS])
def test_a_refusal_says_what_an_attacker_would_learn(
    to_come: OpenedSum, who: str, what: str
) -> None:
    """Row 7: in plain words, who is in only one of the two sums and what the difference tells."""
    with pytest.raises(InputRefused) as caught:
        check_differencing([entry()], to_come, NAMES, accept=False)
    text = caught.value.message
    assert "may have been opened in another sum on 2026-01-02 03:04 UTC" in text
    assert "whoever sees both totals" in text
    assert who in text
    assert what in text
    assert "--accept-differencing" in caught.value.hint
    assert INPUT.hex() not in caught.value.describe()


def test_a_peer_of_an_earlier_sum_that_is_not_here_is_called_by_its_id() -> None:
    """Names are those of the present roster; others have none, and are shown by their IDs."""
    with pytest.raises(InputRefused, match=EVE.hex()[:8]):
        check_differencing([entry()], entry((ANN, BOB)), {ANN: "ann"}, accept=False)


def test_what_is_accepted_is_written_as_such() -> None:
    """--accept-differencing lets a sum through and marks it; where nothing differs, nothing is."""
    assert check_differencing([entry()], entry((ANN, BOB)), NAMES, accept=True).accepted
    assert not check_differencing([entry()], entry(), NAMES, accept=True).accepted
    assert not check_differencing([], entry((ANN, BOB)), NAMES, accept=True).accepted
    other_input = entry((ANN, BOB), input=b"\x22" * 32)
    assert check_differencing([entry()], other_input, NAMES, accept=False) == other_input


def test_every_earlier_sum_counts() -> None:
    """A sum is held against the whole ledger, not against its last line."""
    known = [entry(), entry(input=b"\x22" * 32), entry()]
    with pytest.raises(InputRefused):
        check_differencing(known, entry((ANN, BOB), input=b"\x22" * 32), NAMES, accept=False)


# -- as text ------------------------------------------------------------------------------------

digests = st.binary(min_size=32, max_size=32)


@st.composite
def entries(draw: st.DrawFn) -> OpenedSum:
    """Draw an entry."""
    who = tuple(draw(st.lists(digests, min_size=1, max_size=4)))
    private = draw(st.booleans())
    weights = None if private else tuple(draw(some_weight) for _ in who)
    own = draw(digests) if private else None
    return OpenedSum(
        draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=32)),
        draw(digests),
        draw(digests),
        who,
        weights,
        own,
        draw(st.booleans()),
    )


@given(st.lists(entries(), max_size=4))
def test_a_ledger_survives_its_text(drawn: list[OpenedSum]) -> None:
    """Whatever entries there are, their ASCII text reads back as the same entries."""
    text = render_ledger(drawn)
    assert text.isascii()
    assert list(parse_ledger(text)) == drawn


GOOD = render_ledger([entry(), entry(own_weight=b"1" * 32, accepted=True), entry((ANN, BOB))])

DAMAGE: dict[str, tuple[Callable[[str], str], int]] = {
    "empty": (lambda _text: "", 1),
    "another version": (lambda text: text.replace(FORMAT, "p2pmpc-ledger 2"), 1),
    "no end": (lambda text: text[:-1], 1),
    "cut in the middle": (lambda text: text[:-50] + "\n", 4),
    "a blank line": (lambda text: text.replace("\n{", "\n\n{", 1), 2),
    "no JSON": (lambda text: text.replace("{", "(", 1), 2),
    "a list": (lambda text: re.sub(r"\{.*\}", "[]", text, count=1), 2),
    "another order": (lambda text: re.sub(r"\{(.*?), (.*?), ", r"{\2, \1, ", text, count=1), 2),
    "more spaces": (lambda text: text.replace(": ", ":  ", 1), 2),
    "a field less": (lambda text: text.replace(', "accepted": false', "", 1), 2),
    "a short digest": (lambda text: text.replace("1111", "11", 1), 2),
    "no hex": (lambda text: text.replace("1111", "zzzz", 1), 2),
    "a weight less": (lambda text: text.replace("[1, 2, 3]", "[1, 2]", 1), 2),
    "a broken weight": (lambda text: text.replace("[1, 2, 3]", "[1, 2, 3.5]", 1), 2),
    "a boolean weight": (lambda text: text.replace("[1, 2, 3]", "[true, 2, 3]", 1), 2),
    "a weight of zero": (lambda text: text.replace("[1, 2, 3]", "[0, 0, 0]", 1), 2),
    "too large a weight": (lambda text: text.replace("[1, 2, 3]", "[1, 2, 2147483647]", 1), 2),
    "a date that is none": (lambda text: text.replace("2026-01-02", "\\u001b[31m", 1), 2),
    "no weights at all": (lambda text: text.replace("[1, 2, 3]", "null", 1), 2),
    "a maybe": (lambda text: text.replace('"accepted": true', '"accepted": 1', 1), 3),
    "nobody": (lambda text: re.sub(r'"contributors": \[[^]]*\]', '"contributors": []', text), 2),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_line_is_named(tmp_path: Path, name: str) -> None:
    """Whatever is wrong with a ledger, it is refused with the line, and never read in part."""
    change, line = DAMAGE[name]
    damaged = change(GOOD)
    assert damaged != GOOD
    with pytest.raises(ValueError, match=rf"^line {line}: "):
        parse_ledger(damaged)
    path = tmp_path / "k.ledger"
    path.touch(mode=0o600)
    path.write_text(damaged)
    with pytest.raises(InputRefused, match=rf"{path} is damaged: line {line}: ") as caught:
        read_ledger(path)
    assert "restore it" in caught.value.hint


def test_a_ledger_that_is_not_ascii_is_damaged(tmp_path: Path) -> None:
    """Bytes that no ledger holds are a refusal, and no traceback."""
    path = tmp_path / "k.ledger"
    path.touch(mode=0o600)
    path.write_bytes(GOOD.encode() + b"\xff\n")
    with pytest.raises(InputRefused, match="not ASCII"):
        read_ledger(path)


def test_the_table_numbers_equal_inputs_alike() -> None:
    """People see which lines are about one input, who summed, and what was accepted."""
    lines = ledger_table(
        [entry(), entry(input=b"\x22" * 32), entry((ANN, BOB), accepted=True)]
    ).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "1"]
    assert f"{ANN.hex()[:8]} (1), {BOB.hex()[:8]} (2)" in lines[1]
    assert [("accepted" in line) for line in lines] == [False, False, False, True]
    assert "private" in ledger_table([entry(own_weight=b"1" * 32)])
    assert "nothing is remembered" in ledger_table([])


# -- on disk ------------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key file, whatever is in it."""
    path = tmp_path / "k.pem"
    path.touch(mode=0o600)
    return path


def ledger_of(key: Path) -> LedgerFile:
    """Return the ledger of a key, as one run has it."""
    return LedgerFile(ledger_path(key), key)


def held(key: Path) -> tuple[OpenedSum, ...]:
    """Return what stands in the ledger of a key."""
    return read_ledger(ledger_path(key))[1]


def files(key: Path) -> list[str]:
    """Return the names in the folder of a key."""
    return sorted(path.name for path in key.parent.iterdir())


def record(key: Path, new: OpenedSum, *, accept: bool = False) -> bool:
    """Let one run record a sum."""
    ledger = ledger_of(key)
    accepted = ledger.prepare([new], NAMES, accept=accept)
    ledger.commit()
    return accepted


def test_sums_are_kept_beside_the_key(key: Path) -> None:
    """KEY.ledger holds every sum, readable by its owner alone, and nothing else is left behind."""
    assert record(key, entry()) is False
    assert record(key, entry()) is False
    assert record(key, entry((ANN, BOB)), accept=True) is True
    assert held(key) == (entry(), entry(), entry((ANN, BOB), accepted=True))
    assert ledger_path(key).name == "k.pem.ledger"
    assert ledger_path(key).stat().st_mode & 0o777 == 0o600
    assert files(key) == ["k.pem", "k.pem.ledger"]


def test_a_crash_before_the_commit_leaves_the_old_ledger(key: Path) -> None:
    """What was prepared is complete on disk, under another name, until it counts."""
    record(key, entry())
    before = ledger_path(key).read_bytes()
    crashed = ledger_of(key)
    crashed.prepare([entry(date="later")], NAMES, accept=False)
    (temporary,) = set(files(key)) - {"k.pem", "k.pem.ledger"}
    assert temporary.startswith(".k.pem.ledger.")
    assert (key.parent / temporary).stat().st_mode & 0o777 == 0o600
    assert len(parse_ledger((key.parent / temporary).read_text())) == 2
    assert ledger_path(key).read_bytes() == before
    crashed.discard()
    crashed.discard()
    assert files(key) == ["k.pem", "k.pem.ledger"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_ledger_that_others_can_read_is_refused(key: Path, mode: int) -> None:
    """A ledger says with whom its owner summed: one that others can read or write ends with 2."""
    record(key, entry())
    ledger_path(key).chmod(mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}") as caught:
        ledger_of(key).prepare([entry()], NAMES, accept=False)
    assert caught.value.hint == f"chmod 600 {ledger_path(key)}"


def test_a_ledger_that_is_no_file_is_refused(key: Path) -> None:
    """A folder in the place of the ledger ends with 2, not with a traceback."""
    ledger_path(key).mkdir()
    with pytest.raises(ConfigurationError, match="cannot read the ledger"):
        ledger_of(key).prepare([entry()], NAMES, accept=False)


def test_what_another_run_wrote_meanwhile_counts(key: Path) -> None:
    """Between check and commit another run may have recorded a sum: it is checked against as well."""
    late = ledger_of(key)
    late.prepare([entry((ANN, BOB))], NAMES, accept=False)
    record(key, entry())
    with pytest.raises(InputRefused, match="eve is in only one of the two"):
        late.commit()
    late.discard()
    assert held(key) == (entry(),)
    assert files(key) == ["k.pem", "k.pem.ledger"]


def test_runs_at_the_same_time_lose_no_entry(key: Path) -> None:
    """Of two runs that prepared together, the second to commit keeps the first one's entry."""
    one, two = ledger_of(key), ledger_of(key)
    first, second = entry(date="first"), entry(date="second", input=b"\x22" * 32)
    one.prepare([first], NAMES, accept=False)
    two.prepare([second], NAMES, accept=False)
    two.commit()
    one.commit()
    assert held(key) == (second, first)
    assert files(key) == ["k.pem", "k.pem.ledger"]


def test_a_difference_that_arises_meanwhile_can_be_accepted_too(key: Path) -> None:
    """What was let through by --accept-differencing is marked, also where it arose at the last."""
    late = ledger_of(key)
    late.prepare([entry((ANN, BOB))], NAMES, accept=True)
    record(key, entry())
    late.commit()
    assert held(key) == (entry(), replace(entry((ANN, BOB)), accepted=True))


def test_a_folder_that_is_gone_ends_with_7(key: Path) -> None:
    """Where the ledger cannot be written, that is noticed before anything is shared."""
    ledger = LedgerFile(key.parent / "gone" / "k.ledger", key)
    with pytest.raises(ResourceExhausted, match="cannot write the ledger") as caught:
        ledger.prepare([entry()], NAMES, accept=False)
    assert "without a ledger nothing is opened" in caught.value.hint


@pytest.mark.parametrize("call", ["fsync", "replace", "flock"])
def test_a_disk_that_fails_at_the_commit_leaves_the_old_ledger(
    key: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Row 24: a full or broken disk at the commit ends with 7, and no half a ledger is left."""
    record(key, entry())
    ledger = ledger_of(key)
    ledger.prepare([entry(date="later")], NAMES, accept=False)
    record(key, entry(input=b"\x22" * 32))  # so that the commit has to write again
    before = ledger_path(key).read_bytes()

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target: dict[str, Any] = {"fsync": "os.fsync", "replace": "pathlib.Path.replace"}
    monkeypatch.setattr(target.get(call, "fcntl.flock"), full)
    with pytest.raises(ResourceExhausted, match="No space left on device"):
        ledger.commit()
    monkeypatch.undo()
    assert ledger_path(key).read_bytes() == before
    assert files(key) == ["k.pem", "k.pem.ledger"]


def test_a_disk_that_is_full_already_is_noticed_at_once(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24: the whole new ledger is on disk before a share leaves, or the run ends with 7."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceExhausted):
        ledger_of(key).prepare([entry()], NAMES, accept=False)
    assert files(key) == ["k.pem"]


def test_a_key_for_one_run_has_a_ledger_for_one_run() -> None:
    """In memory the rules are the same, and what was discarded does not count."""
    ledger = MemoryLedger()
    ledger.prepare([entry()], NAMES, accept=False)
    ledger.discard()
    assert list(ledger.entries) == []
    ledger.prepare([entry()], NAMES, accept=False)
    ledger.commit()
    with pytest.raises(P2PMPCError):
        ledger.prepare([entry((ANN, BOB))], NAMES, accept=False)
    assert ledger.entries == (entry(),)
