"""A total as it is shown and written: the same values everywhere, and never whole in memory when long."""

from __future__ import annotations

import json
import os
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import ConfigurationError, ResourceExhausted
from p2pmpc.field import M31, M61, Field, Words
from p2pmpc.outcome import MOST_BESIDE_A_FILE, MOST_IN_JSON, Outcome, check_shown
from p2pmpc.prg import CHUNK
from p2pmpc.storage import check_output, write_output
from p2pmpc.totals import OpenedTotal, format_quotient

LONG = CHUNK + 3


def total(values: Any, bits: int = 0, field: Field = M61) -> OpenedTotal:
    """Return an opened total of scaled values."""
    return OpenedTotal(field, field.from_signed(np.asarray(values)), bits)


def outcome(opened: OpenedTotal, weight: int = 6, output: str | None = None) -> Outcome:
    """Return how a run of three ended."""
    return Outcome(opened, weight, ("a", "b"), ("c",), "ab" * 32, "logs/x", output=output)


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
def test_residues_of_either_width_are_read(kind: type[np.uint32] | type[np.uint64]) -> None:
    """Words as they come from the wire and wide ones stand for the same values, block by block."""
    values = np.arange(LONG) - CHUNK // 2
    residues: Words = M31.from_signed(values)
    if kind == np.uint32:
        residues = residues.astype(np.uint32)
    opened = OpenedTotal(M31, residues, 0)
    assert [block.size for block in opened.blocks()] == [CHUNK, 3]
    assert np.array_equal(np.concatenate(list(opened.blocks())), values)
    assert opened.values(2) == (-(CHUNK // 2), 1 - CHUNK // 2)
    assert opened.length == LONG


def test_totals_are_not_in_their_repr() -> None:
    """A total is printed where it is asked for, and nowhere by accident."""
    assert "27182" not in repr((total([27182]), outcome(total([27182]))))


@given(st.integers(-(2**60), 2**60), st.integers(-(2**40), 2**40).filter(bool), st.integers(0, 52))
def test_quotients_have_twelve_digits_or_are_whole(value: int, weight: int, bits: int) -> None:
    """A mean is exact where it is whole, and else the nearest of 12 significant digits."""
    quotient = Fraction(value, weight << bits)
    text = format_quotient(value, weight << bits)
    if quotient.denominator == 1:
        assert text == str(quotient.numerator)
    else:
        assert float(text) == float(f"{float(quotient):.12g}")
    assert total([value % 1000], bits).means(0) is None


def test_means_divide_by_the_weights_and_the_scale() -> None:
    """The mean of a fixed-point total is in the units of the inputs."""
    assert total([3 * 256, -256], bits=8).means(2) == ["1.5", "-0.5"]
    assert total([1, 2, 3]).means(6) == ["0.166666666667", "0.333333333333", "0.5"]


# -- shown ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, 3])
def test_json_is_what_the_json_module_writes(bits: int) -> None:
    """The pieces make one object: integers, or exact decimals where there are fraction bits."""
    shown = outcome(total(np.arange(LONG) - 7, bits))
    content = json.loads(shown.as_json())
    assert content["total"] == (list(range(-7, LONG - 7)) if bits == 0 else shown.total.texts())
    assert content["mean"] == shown.total.means(shown.total_weight)
    assert (content["length"], content["output"]) == (LONG, None)
    assert shown.as_json() == json.dumps(content)


def test_json_of_weights_that_cancel_has_no_mean() -> None:
    """Where the weights sum to zero the mean is null, as before any streaming."""
    assert json.loads(outcome(total([5]), weight=0).as_json())["mean"] is None


def test_json_leaves_long_totals_to_the_file() -> None:
    """Beyond a block the total is null where --output holds it, and printed where nothing else does."""
    assert MOST_BESIDE_A_FILE < LONG <= MOST_IN_JSON
    content = json.loads(outcome(total(np.arange(LONG)), output="t.npy").as_json())
    assert (content["total"], content["mean"], content["output"]) == (None, None, "t.npy")
    assert content["total_weight"] == 6
    short = json.loads(outcome(total([1]), output="t.npy").as_json())
    assert short["total"] == [1]
    failed = outcome(total(np.arange(LONG)), output="t.npy")
    object.__setattr__(failed, "trouble", ResourceExhausted("the disk is full"))
    assert len(json.loads(failed.as_json())["total"]) == LONG


def test_a_total_that_nothing_would_show_is_refused_beforehand() -> None:
    """--json without --output ends with 2 for vectors that JSON leaves out."""
    with pytest.raises(ConfigurationError, match=f"{MOST_IN_JSON + 1} numbers") as caught:
        check_shown(MOST_IN_JSON + 1, as_json=True, output=None)
    assert "--output" in caught.value.hint
    check_shown(MOST_IN_JSON, as_json=True, output=None)
    check_shown(MOST_IN_JSON + 1, as_json=True, output="total.npy")
    check_shown(MOST_IN_JSON + 1, as_json=False, output=None)


def test_people_see_the_beginning_and_where_the_rest_is() -> None:
    """A long total is shortened to 16 values, and the file that holds all is named."""
    text = outcome(total(np.arange(40))).as_text()
    assert "13 14 15 ... (40 values; --output FILE holds all)" in text
    assert "(40 values; t.npy holds all)" in outcome(total(np.arange(40)), output="t.npy").as_text()
    assert "..." not in outcome(total(np.arange(16))).as_text()


# -- written --------------------------------------------------------------------------------


def test_long_totals_are_written_whole(tmp_path: Path) -> None:
    """Text and .npy of several blocks hold every value, doubles where there are fraction bits."""
    values = np.arange(LONG) - 5
    for name, bits in (("t.npy", 0), ("f.npy", 2), ("t.txt", 0), ("f.txt", 2)):
        write_output(tmp_path / name, total(values, bits))
    assert np.array_equal(np.load(tmp_path / "t.npy"), values)
    assert np.array_equal(np.load(tmp_path / "f.npy"), values / 4)
    assert [np.load(tmp_path / name).dtype for name in ("t.npy", "f.npy")] == [np.int64, np.float64]
    assert (tmp_path / "t.txt").read_text().split() == [str(value) for value in values]
    assert np.array_equal(np.loadtxt(tmp_path / "f.txt"), values / 4)


@pytest.mark.parametrize("name", ["t.npy", "t.txt"])
def test_an_interrupted_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A disk that fills up, or a signal, leaves the file of before, and no half of a new one."""
    path = tmp_path / name
    path.write_text("before")
    for error, raised in (
        (OSError(28, "No space left on device"), ResourceExhausted),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(_descriptor: int, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(raised):
            write_output(path, total(np.arange(LONG)))
        assert path.read_text() == "before"
        assert [found.name for found in tmp_path.iterdir()] == [name]


def test_outputs_keep_links_and_rights_and_never_replace_devices(tmp_path: Path) -> None:
    """A link still points at its file, a private file stays private, /dev/null stays a device."""
    target, link = tmp_path / "target.npy", tmp_path / "link.npy"
    target.touch(mode=0o600)
    link.symlink_to(target)
    write_output(link, total([1, 2]))
    assert link.is_symlink()
    assert np.load(target).tolist() == [1, 2]
    assert target.stat().st_mode & 0o777 == 0o600
    null = Path(os.devnull)
    check_output(null)
    write_output(null, total([1, 2]))
    assert null.is_char_device()


@pytest.mark.parametrize("bits", [0, 8])
def test_writing_takes_a_block_and_no_more(tmp_path: Path, bits: int) -> None:
    """A long total is written without another copy of it."""
    opened = OpenedTotal(M31, np.zeros(1 << 22, dtype=np.uint32), bits)
    tracemalloc.start()
    try:
        write_output(tmp_path / "t.npy", opened)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert (tmp_path / "t.npy").stat().st_size == 8 * (1 << 22) + 128
