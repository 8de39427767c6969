"""Where a peer's own data come from: sources, files, keys, and options that contradict each other."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from p2pmpc.errors import (
    ConfigurationError,
    InputRefused,
    P2PMPCError,
    ResourceExhausted,
    exit_code_of,
)
from p2pmpc.field import M61
from p2pmpc.identity import Identity
from p2pmpc.inputs import LARGEST_DRAWN, VARIABLE, draw_numbers, draw_weight, read_numbers
from p2pmpc.keys import load, load_or_create
from p2pmpc.options import NodeOptions
from p2pmpc.roster_file import RosterFile
from p2pmpc.sources import Numbers
from p2pmpc.storage import check_output, new_run_directory, write_output, write_text
from p2pmpc.swarm.data import Row, SwarmData, make_data
from p2pmpc.swarm.options import SwarmOptions, check_count
from p2pmpc.totals import OpenedTotal

SECRET = "8675309"


class Stdin:
    """Takes the place of standard input."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def values_of(numbers: Numbers | None, fraction_bits: int = 0) -> list[int]:
    """Return an input as scaled integers."""
    assert numbers is not None
    return [int(v) for block in numbers.blocks(fraction_bits) for v in block]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


# -- sources ----------------------------------------------------------------------------------


def test_without_a_source_there_is_no_input() -> None:
    """A peer that is given nothing draws its values later, so there is nothing to read."""
    assert read_numbers(None, None) is None


def test_a_value_on_the_command_line_is_read() -> None:
    """--value takes one number, negative ones and decimals included."""
    assert values_of(read_numbers("-42", None)) == [-42]
    assert values_of(read_numbers("0.5", None), 1) == [1]


def test_a_file_is_read(tmp_path: Path) -> None:
    """--input reads a number a line."""
    path = tmp_path / "numbers.txt"
    path.write_text("1\n-2\n3\n")
    assert values_of(read_numbers(None, str(path))) == [1, -2, 3]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """--input - reads standard input, text or .npy."""
    monkeypatch.setattr(sys, "stdin", Stdin(b"4\n5\n"))
    assert values_of(read_numbers(None, "-")) == [4, 5]
    buffer = io.BytesIO()
    np.save(buffer, np.array([6, 7]))
    monkeypatch.setattr(sys, "stdin", Stdin(buffer.getvalue()))
    assert values_of(read_numbers(None, "-")) == [6, 7]


def test_the_variable_is_read_and_taken_out_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 29: P2PMPC_VALUE is read once, and no child of this process inherits it."""
    monkeypatch.setenv(VARIABLE, SECRET)
    assert values_of(read_numbers(None, None)) == [int(SECRET)]
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("value", "file", "variable"),
    [("1", "numbers.txt", None), ("1", None, "2"), (None, "-", "2"), ("1", "-", "2")],
)
def test_more_than_one_source_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, value: str | None, file: str | None, variable: str | None
) -> None:
    """Two sources at once end with 2, and the variable is taken out of the environment even so."""
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    with pytest.raises(ConfigurationError, match="more than once"):
        read_numbers(value, file)
    assert VARIABLE not in os.environ


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """An input file that cannot be read ends with 8 and names the file."""
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputRefused, match=str(path)):
            read_numbers(None, str(path))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("1\nNaN\n", "2:1"),
        ("1\n2\n-inf\n", "3:1"),
        ("1e400\n", "1:1"),
        ("1\ntrue\n", "2:1"),
        ("False\n", "1:1"),
        (f"1\n{SECRET} 2\n3\n", "2:1"),
        ("1,2,3\n", "1:1"),
        (f"1\n2\n\n{SECRET}\n", "3:1"),
        ("0x10\n", "1:1"),
        (f"1\n'{SECRET}'\n", "2:1"),
        ("", "1:1"),
        ("\n\n\n", "1:1"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(
    tmp_path: Path, content: str, place: str
) -> None:
    """Row 20: a file that cannot be summed ends with 8, naming file, line and column, never the value."""
    path = tmp_path / "numbers.txt"
    path.write_text(content)
    with pytest.raises(InputRefused) as caught:
        read_numbers(None, str(path))
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert SECRET not in caught.value.describe()
    assert exit_code_of(caught.value) == 8


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"1\n2\xff\n", "2:2"), ("1\n2\n".encode("utf-16"), "1:1"), (b"12\n3\n\xe9", "3:1")],
)
def test_a_wrong_encoding_is_refused_with_its_place(
    tmp_path: Path, data: bytes, place: str
) -> None:
    """Row 20: bytes that are not UTF-8 end with 8, at their line and column."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(data)
    with pytest.raises(InputRefused) as caught:
        read_numbers(None, str(path))
    assert str(caught.value).startswith(f"{path}:{place}: ")


def test_a_fraction_without_fraction_bits_is_refused_with_its_place(tmp_path: Path) -> None:
    """Row 20: a decimal in a sum of integers ends with 8 and says which option would allow it."""
    path = tmp_path / "numbers.txt"
    path.write_text(f"1\n{SECRET}.5\n")
    numbers = read_numbers(None, str(path))
    assert numbers is not None
    with pytest.raises(InputRefused) as caught:
        list(numbers.blocks(0))
    assert str(caught.value).startswith(f"{path}:2:1: ")
    assert "--fraction-bits" in caught.value.hint
    assert SECRET not in caught.value.describe()


# -- .npy -------------------------------------------------------------------------------------


def saved(path: Path, array: Any, **options: Any) -> str:
    """Save an array and return its path."""
    np.save(path, array, **options)
    return str(path)


@pytest.mark.parametrize(
    "kind", ["i1", "i2", "<i4", ">i4", "i8", "u1", "u8", "f2", "<f4", ">f8", "f8"]
)
def test_vectors_of_every_number_type_are_read(tmp_path: Path, kind: str) -> None:
    """A .npy vector of any integer or float type and byte order gives its values."""
    path = saved(tmp_path / "v.npy", np.array([0, 1, 100], dtype=kind))
    assert values_of(read_numbers(None, path)) == [0, 1, 100]
    assert values_of(read_numbers(None, path), 3) == [0, 8, 800]


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (np.array([True, False]), {}),
        (np.array([[1, 2], [3, 4]]), {}),
        (np.array(5), {}),
        (np.array([], dtype=np.int64), {}),
        (np.array([1 + 2j]), {}),
        (np.array(["1", "2"]), {}),
        (np.array([1, 2], dtype="m8[s]"), {}),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), {}),
        (np.array([1, "x", None], dtype=object), {"allow_pickle": True}),
    ],
    ids=["bool", "2-D", "0-D", "empty", "complex", "text", "time", "records", "objects"],
)
def test_arrays_that_are_no_vector_of_numbers_are_refused(
    tmp_path: Path, array: Any, options: dict[str, Any]
) -> None:
    """Row 20: truth values, other shapes, other types and objects end with 8."""
    path = saved(tmp_path / "v.npy", array, **options)
    with pytest.raises(InputRefused, match=f"{path}:1:1: "):
        read_numbers(None, path)


class Bomb:
    """Would run a command if it were ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    """An object array, or a bare pickle, is refused and nothing in it runs."""
    mark = tmp_path / "it-ran"
    objects = saved(tmp_path / "v.npy", np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    plain = tmp_path / "plain.npy"
    plain.write_bytes(pickle.dumps(Bomb(mark)))
    for path in (objects, str(plain)):
        with pytest.raises(InputRefused):
            read_numbers(None, path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("values", "fraction_bits", "element"),
    [
        ([1.0, float("nan")], 0, 1),
        ([1.0, 2.0, float("inf")], 8, 2),
        ([1.0, 2.5], 0, 1),
        ([1e30, 1.0], 0, 0),
        ([1, 1 << 61], 0, 1),
        ([-(1 << 60), 1], 0, 0),
        ([1, 1 << 55], 8, 1),
    ],
)
def test_a_vector_with_a_value_that_cannot_be_summed_is_refused(
    tmp_path: Path, values: Sequence[float], fraction_bits: int, element: int
) -> None:
    """Row 20: NaN, infinity, too large values and unagreed fractions end with 8 and name the element."""
    path = saved(tmp_path / "v.npy", np.array(values))
    with pytest.raises(InputRefused) as caught:
        values_of(read_numbers(None, path), fraction_bits)
    assert str(caught.value).startswith(f"{path}:{element + 1}:1: ")
    assert f"(element {element})" in str(caught.value)


def test_a_damaged_vector_file_is_refused(tmp_path: Path) -> None:
    """Row 20: a .npy file that was cut off anywhere, or whose header lies, ends with 8."""
    whole = Path(saved(tmp_path / "v.npy", np.arange(9.0))).read_bytes()
    path = tmp_path / "cut.npy"
    for length in range(6, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputRefused):
            read_numbers(None, str(path))
    path.write_bytes(whole.replace(b"'<f8'", b"'<?8'"))
    with pytest.raises(InputRefused):
        read_numbers(None, str(path))


# -- drawn data -------------------------------------------------------------------------------


def test_drawn_data_stay_within_the_bound_and_readable() -> None:
    """Drawn values are within the bound and at most a thousand units; weights are 1..10."""
    for bound, limit in ((5, 5), (10**9, LARGEST_DRAWN)):
        (values,) = draw_numbers(2000, bound, 0, os.urandom).blocks(0)
        assert -limit <= values.min() <= values.max() <= limit
    assert values_of(draw_numbers(4, 0, 0, os.urandom)) == [0] * 4
    assert {draw_weight(os.urandom) for _ in range(500)} == set(range(1, 11))


# -- keys -------------------------------------------------------------------------------------


def test_a_new_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """A key file is made with mode 0600 whatever the umask, and gives the same identity again."""
    path = tmp_path / "key.pem"
    before = os.umask(0)
    try:
        made = load_or_create(path, os.urandom)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path, os.urandom).id == made.id == load(path).id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file with any right for group or others ends with 2 and says what to type."""
    path = tmp_path / "key.pem"
    load_or_create(path, os.urandom)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="can be read by others") as caught:
        load(path)
    assert f"chmod 600 {path}" in caught.value.hint


def rsa_key() -> bytes:
    """Return another kind of key."""
    return generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("kind", ["empty", "text", "binary", "another algorithm", "a public key"])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    """A --key file that holds something else ends with 2, and what it holds is not overwritten."""
    identity = Identity.generate(os.urandom)
    content = {
        "empty": b"",
        "text": b"my notes\n",
        "binary": os.urandom(100),
        "another algorithm": rsa_key(),
        "a public key": identity.private_pem().replace(b"PRIVATE", b"PUBLIC"),
    }[kind]
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        load_or_create(path, os.urandom)
    assert path.read_bytes() == content


def test_a_key_that_cannot_be_written_or_read_is_refused(tmp_path: Path) -> None:
    """A --key file in a folder that does not exist, or that is a folder, ends with 2."""
    with pytest.raises(ConfigurationError, match="cannot write the key file"):
        load_or_create(tmp_path / "missing" / "key.pem", os.urandom)
    with pytest.raises(ConfigurationError, match="cannot read the key file"):
        load_or_create(tmp_path, os.urandom)


# -- options ----------------------------------------------------------------------------------


def node_refuses(**options: Any) -> P2PMPCError:
    """Return the error for options of a founder."""

    def use() -> None:
        given = NodeOptions(**options)
        given.check()
        assert given.where == ()
        given.parameters(bytes(range(32)), bytes(32), length=None)

    with pytest.raises(ConfigurationError) as caught:
        use()
    return caught.value


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "nothing to do"),
        ({"listen": "127.0.0.1:0"}, "nothing to do"),
        ({"bootstrap": "a:1", "roster": "r.toml"}, "exclude each other"),
        ({"bootstrap": "nowhere"}, "not an address"),
        ({"bootstrap": ("a:1", "nowhere")}, "not an address"),
        ({"bootstrap": ("a:1", "b:1", "a:1")}, "names a:1 or its #ID twice"),
        ({"bootstrap": (f"a:1#{'ab' * 32}", f"b:1#{'ab' * 32}")}, "names b:1 or its #ID twice"),
        ({"bootstrap": "a:1#12"}, "not an ID"),
        ({"peers": 1}, "2.."),
        ({"peers": 10**6}, "2.."),
        ({"peers": 3, "length": 0}, "length"),
        ({"peers": 3, "length": 1 << 40}, "length"),
        ({"peers": 3, "fraction_bits": -1}, "fraction bits"),
        ({"peers": 3, "fraction_bits": 60}, "fraction bits"),
        ({"peers": 3, "bound": "many"}, "--bound"),
        ({"peers": 3, "bound": "-1"}, "bound"),
        ({"peers": 3, "bound": "0.5"}, "--bound"),
        ({"peers": 3, "bound": "1e30"}, "--bound"),
        ({"peers": 3, "allow": ["xyz"]}, "not an ID"),
        ({"peers": 3, "allow": ["ab" * 32]}, "cannot fill a session of 3"),
        ({"peers": 3, "timeout": 0.0}, "--timeout"),
        ({"peers": 3, "timeout": -5.0}, "--timeout"),
        ({"peers": 3, "timeout": float("nan")}, "--timeout"),
        ({"peers": 3, "join_timeout": float("inf")}, "--join-timeout"),
    ],
)
def test_options_that_make_no_session_are_usage_errors(options: dict[str, Any], says: str) -> None:
    """Options that contradict each other or make no session end with 2 and say which they are."""
    error = node_refuses(**options)
    assert says in error.describe()
    assert exit_code_of(error) == 2


def test_the_founders_options_make_the_parameters() -> None:
    """Every parameter is what the option says, and the length follows the input where none is given."""
    options = NodeOptions(
        peers=4,
        field="m61",
        fraction_bits=8,
        bound="2.5",
        share_mode="dense",
        strict=True,
        allow_two=True,
    )
    parameters = options.parameters(bytes(range(32)), bytes(32), length=7)
    assert (parameters.peers, parameters.field, parameters.length) == (4, "m61", 7)
    assert (parameters.fraction_bits, parameters.bound) == (8, 640)
    assert (parameters.share_mode, parameters.strict, parameters.allow_two) == ("dense", True, True)
    assert parameters.allowed == ()
    assert NodeOptions(peers=3).parameters(bytes(range(32)), bytes(32), length=None).length == 1


PEER = '[[peer]]\nid = "{}"\naddress = "127.0.0.1:{}"\n'
TWO = PEER.format("ab" * 32, 1) + PEER.format("cd" * 32, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lists 0 peers"),
        (PEER.format("ab" * 32, 1), "lists 1 peers"),
        (PEER.format("ab" * 32, 1) * 2, "repeats an ID"),
        (PEER.format("ab", 1) * 2, "not an ID"),
        (TWO.replace("127.0.0.1:2", "there"), "not an address"),
        (TWO.replace("address", "adress"), "needs an id and an address"),
        (TWO + "[parameter]\n", "unknown key 'parameter'"),
        ("parameters = 3\n" + TWO, "is a table"),
        ("this is not TOML", "is not TOML"),
        ("peer = [1, 2]\n", "needs an id and an address"),
    ],
)
def test_a_roster_file_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A roster file that says something else than IDs, addresses and parameters ends with 2."""
    path = tmp_path / "roster.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        RosterFile.load(path)
    assert says in caught.value.describe()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("peers = 3", "unknown key 'peers'"),
        ('length = "long"', "wrong type"),
        ('field = "m32"', "the field is one of"),
    ],
)
def test_a_roster_file_with_impossible_parameters_is_refused(
    tmp_path: Path, table: str, says: str
) -> None:
    """Parameters in a roster file are held to the same rules as options, and end with 2."""
    path = tmp_path / "roster.toml"
    path.write_text(f"[parameters]\n{table}\n{TWO}")
    roster = RosterFile.load(path)
    with pytest.raises(ConfigurationError) as caught:
        NodeOptions(roster=str(path)).parameters(bytes(32), bytes(32), length=None, roster=roster)
    assert says in caught.value.describe()


def test_a_roster_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A roster file that is missing, a folder or not UTF-8 ends with 2."""
    bad = tmp_path / "latin.toml"
    bad.write_bytes(b"# caf\xe9\n")
    for path in (tmp_path / "missing.toml", tmp_path, bad):
        with pytest.raises(ConfigurationError, match=str(path)):
            RosterFile.load(path)


def test_options_go_before_the_roster_files_table(tmp_path: Path) -> None:
    """What an option says overrides the roster file's [parameters]; the rest of the table holds."""
    path = tmp_path / "roster.toml"
    path.write_text(f"[parameters]\nlength = 5\nfraction-bits = 2\nbound = 1.25\n{TWO}")
    options = NodeOptions(roster=str(path), length=9)
    parameters = options.parameters(bytes(32), bytes(32), length=1, roster=RosterFile.load(path))
    assert (parameters.length, parameters.fraction_bits, parameters.bound) == (9, 2, 5)
    assert parameters.peers == 2


# -- the swarm's data -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("csv", "place"),
    [
        ("1,2\n3,x\n5,6\n", "2:2"),
        ("1,2\n3,4\n5\n", "3:1"),
        ("1,2\n\n5,6\n", "2:1"),
        ("1,NaN\n3,4\n5,6\n", "1:2"),
        ("1,2\n3,4.5\n5,6\n", "2:2"),
        ("1,2\n3,true\n5,6\n", "2:2"),
    ],
)
def test_a_swarms_table_of_values_is_refused_with_its_place(
    tmp_path: Path, csv: str, place: str
) -> None:
    """Row 20: a cell that cannot be summed, or a ragged row, ends with 8 at file:line:column."""
    path = tmp_path / "values.csv"
    path.write_text(csv)
    with pytest.raises(InputRefused, match=f"{path}:{place}: "):
        make_data(3, SwarmOptions(values=str(path)), os.urandom)


def test_a_swarms_table_needs_a_row_for_every_peer(tmp_path: Path) -> None:
    """A table that is missing or has another number of rows than peers ends with 2."""
    path = tmp_path / "values.csv"
    with pytest.raises(ConfigurationError, match="cannot read"):
        make_data(3, SwarmOptions(values=str(path)), os.urandom)
    path.write_text("1\n2\n")
    with pytest.raises(ConfigurationError, match="2 rows for 3 peers"):
        make_data(3, SwarmOptions(values=str(path)), os.urandom)
    with pytest.raises(ConfigurationError, match="--length 2"):
        make_data(2, SwarmOptions(values=str(path), length=2), os.urandom)


@pytest.mark.parametrize("weights", ["1,2", "1,2,3,4", "1,2,x", "1,2,0.5", "1,2,", ""])
def test_weights_that_do_not_fit_a_swarm_are_usage_errors(weights: str) -> None:
    """--weights with another number of weights, or with one that is none, ends with 2."""
    with pytest.raises(ConfigurationError, match="--weights"):
        make_data(3, SwarmOptions(weights=weights), os.urandom)


@pytest.mark.parametrize("kill", ["4@share", "0@share", "1@lunch", "share", "1", "1@", "-1@open"])
def test_a_kill_of_nobody_or_nowhere_is_a_usage_error(kill: str) -> None:
    """--kill with a peer or step that does not exist ends with 2."""
    with pytest.raises(ConfigurationError, match="no such peer or step"):
        SwarmOptions(kill=[kill]).kills(3)


@pytest.mark.parametrize("count", [-1, 0, 1, 1001])
def test_a_swarm_of_nobody_is_a_usage_error(count: int) -> None:
    """A swarm has at least two peers, and at most as many as a session."""
    with pytest.raises(ConfigurationError):
        check_count(count)


def test_a_seed_draws_the_same_data_again() -> None:
    """--seed fixes weights and values; another seed, or none, gives others."""
    first, again, other = (
        make_data(5, SwarmOptions(seed=seed, length=3), os.urandom) for seed in (7, 7, 8)
    )
    assert first.weights == again.weights
    values, same, others = (
        [next(row.blocks()).tolist() for row in d.rows] for d in (first, again, other)
    )
    assert values == same != others
    expected = [
        sum(w * row[k] for w, row in zip(first.weights, values, strict=True)) for k in range(3)
    ]
    assert list(first.expected()) == expected


def test_the_plain_sum_is_exact_beyond_machine_integers() -> None:
    """The swarm's own check does not wrap where a 64-bit sum would."""
    large, weight = (1 << 60) - 1, 2**31 - 2
    row = np.array([large, -large, 1], dtype=np.int64)
    expected = SwarmData((weight, weight), (Row.of(row), Row.of(row)), 0).expected()
    assert expected == (2 * weight * large, -2 * weight * large, 2 * weight)


def total(*values: int, bits: int = 0) -> OpenedTotal:
    """Return an opened total of scaled values."""
    return OpenedTotal(M61, M61.from_signed(np.array(values)), bits)


# -- files that a run makes -------------------------------------------------------------------


def test_runs_get_folders_of_their_own_and_latest_points_at_the_newest(tmp_path: Path) -> None:
    """Two runs in one second get two folders, and logs/latest points at the second one."""
    base = tmp_path / "logs"
    first, second = new_run_directory(base), new_run_directory(base)
    assert first != second
    assert (base / "latest").resolve() == second.resolve()
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceExhausted, match="cannot make a folder"):
        new_run_directory(tmp_path / "file")


def test_files_of_a_run_are_never_overwritten(tmp_path: Path) -> None:
    """A transcript or receipt that exists already is left alone, and that ends with 7."""
    path = tmp_path / "peer.transcript"
    write_text(path, "first\n")
    with pytest.raises(ResourceExhausted, match="exists"):
        write_text(path, "second\n")
    assert path.read_text() == "first\n"


def test_totals_are_written_as_text_or_npy(tmp_path: Path) -> None:
    """--output writes exact decimals a line, or a vector: integers without fraction bits, else floats."""
    text, vector, fractions = tmp_path / "t.txt", tmp_path / "t.npy", tmp_path / "f.npy"
    write_output(text, total(3, -5, bits=1))
    write_output(vector, total(3, -5))
    write_output(fractions, total(3, -5, bits=1))
    assert text.read_text() == "1.5\n-2.5\n"
    assert np.load(vector).tolist() == [3, -5]
    assert np.load(vector).dtype == np.int64
    assert np.load(fractions).tolist() == [1.5, -2.5]


def test_an_output_that_could_not_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    """--output into a folder that does not exist ends with 2 before anything leaves."""
    with pytest.raises(ConfigurationError, match="cannot write the output"):
        check_output(tmp_path / "missing" / "total.txt")
    check_output(tmp_path / "total.txt")
    check_output(None)
