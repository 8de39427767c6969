"""Inputs as streams: from files that may change, from pipes, from memory; and what they cost."""

from __future__ import annotations

import io
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from p2pmpc.contents import content_of_descriptor
from p2pmpc.errors import InputRefused, exit_code_of
from p2pmpc.field import M31
from p2pmpc.inputs import VARIABLE, draw_numbers, read_numbers
from p2pmpc.prg import CHUNK
from p2pmpc.residues import fill_residues
from p2pmpc.sources import (
    READ_BYTES,
    ArrayNumbers,
    Numbers,
    numbers_of,
    numbers_of_bytes,
    numbers_of_file,
)

LONG = 2 * CHUNK + 5


def whole(numbers: Numbers, bits: int = 0) -> npt.NDArray[np.int64]:
    """Return all scaled values."""
    return np.concatenate(list(numbers.blocks(bits)))


def saved(path: Path, array: npt.NDArray[Any]) -> str:
    """Save a vector and return its path."""
    np.save(path, array)
    return str(path)


def refusal(use: Callable[[], object]) -> str:
    """Return why an input is refused, which ends a run with 8 and tells nobody anything."""
    with pytest.raises(InputRefused) as caught:
        use()
    assert exit_code_of(caught.value) == 8
    assert "nothing about your data was revealed" in caught.value.describe()
    assert caught.value.hint
    return caught.value.message


# -- what is read ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<i4", ">i4", "u1", ">f8", "<f4", "<i8"])
def test_long_vectors_are_read_in_blocks(tmp_path: Path, kind: str) -> None:
    """A .npy file of any type and byte order gives its values a chunk at a time, again and again."""
    array = (np.arange(LONG) % 250).astype(kind)
    numbers = numbers_of_file(saved(tmp_path / "v.npy", array))
    assert numbers.length == LONG
    for _ in range(2):
        assert [block.size for block in numbers.blocks(0)] == [CHUNK, CHUNK, 5]
        assert np.array_equal(whole(numbers, 3), array.astype(np.int64) * 8)
        assert np.array_equal(np.concatenate(list(numbers.float_blocks())), array.astype(float))


def test_the_order_of_a_vector_makes_no_difference(tmp_path: Path) -> None:
    """A vector of one dimension is the same in Fortran order, whatever its header says."""
    path = tmp_path / "v.npy"
    content = io.BytesIO()
    np.save(content, np.arange(5))
    path.write_bytes(
        content.getvalue().replace(b"'fortran_order': False", b"'fortran_order': True ")
    )
    assert whole(numbers_of_file(str(path))).tolist() == [0, 1, 2, 3, 4]


def test_long_texts_are_read_in_blocks(tmp_path: Path) -> None:
    """A text of many blocks gives all its values, with any ends of line, from a file or from memory."""
    values = np.arange(LONG) - CHUNK
    for end in ("\n", "\r\n"):
        text = end.join(map(str, values)).encode()
        assert len(text) > 2 * READ_BYTES
        path = tmp_path / "v.txt"
        path.write_bytes(text)
        for numbers in (numbers_of_file(str(path)), numbers_of_bytes(text, "memory")):
            assert numbers.length == LONG
            assert np.array_equal(whole(numbers), values)


def test_arrays_in_memory_are_inputs_too() -> None:
    """The library takes a vector as it is, and refuses what is none."""
    array = np.arange(LONG)
    assert np.array_equal(whole(ArrayNumbers(array)), array)
    assert np.array_equal(whole(ArrayNumbers(array[::2])), array[::2])
    for wrong in (np.zeros((2, 2)), np.array(1), np.array([]), np.array([True]), np.array(["1"])):
        assert refusal(lambda wrong=wrong: ArrayNumbers(wrong)).startswith("the array:1:1: ")  # type: ignore[misc]


def test_draws_have_the_length_and_the_bound() -> None:
    """Drawn values of several blocks are as many as asked for, and never held together."""
    numbers = draw_numbers(LONG, 7, 0, os.urandom)
    values = whole(numbers)
    assert (values.size, values.min(), values.max()) == (LONG, -7, 7)


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_places_beyond_the_first_block_are_right(tmp_path: Path, kind: str) -> None:
    """A refusal in a later block names the line, or the element, of the whole file."""
    array = np.zeros(LONG)
    array[CHUNK + 2] = 0.5
    path = tmp_path / "v"
    if kind == "npy":
        path = Path(saved(tmp_path / "v.npy", array))
    else:
        path.write_text("".join(f"{value}\n" for value in array))
    numbers = numbers_of_file(str(path))
    assert refusal(lambda: whole(numbers)).startswith(f"{path}:{CHUNK + 3}:1: not a whole number")


def test_huge_floats_are_refused_without_warnings(tmp_path: Path) -> None:
    """Doubles near their end, scaled by many fraction bits, are too large and nothing else."""
    path = saved(tmp_path / "v.npy", np.array([1.0, 1.7e308]))
    numbers = numbers_of_file(path)
    assert refusal(lambda: whole(numbers, 52)).startswith(f"{path}:2:1: the number is too large")
    wide = saved(tmp_path / "w.npy", np.array([np.longdouble(2) ** 2000]))
    if np.finfo(np.longdouble).maxexp > 2000:
        assert "NaN and infinity" in refusal(lambda: numbers_of_file(wide))


def test_headers_that_promise_more_than_there_is_are_refused(tmp_path: Path) -> None:
    """A header of 2^60 numbers costs no memory, and the refusal says how many there are."""
    path = tmp_path / "v.npy"
    saved(path, np.arange(3))
    path.write_bytes(
        path.read_bytes().replace(b"(3,), }" + b" " * 18, b"(1152921504606846976,), }")
    )
    assert "it says 1152921504606846976 numbers and ends after 3" in refusal(
        lambda: numbers_of_file(str(path))
    )


# -- where it is read from ------------------------------------------------------------------


def test_a_pipe_is_read_once_and_held(tmp_path: Path) -> None:
    """What cannot be read twice, such as a process substitution, is held as it came."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("1\n2\n3\n",))
    writer.start()
    numbers = numbers_of_file(str(path))
    writer.join()
    assert whole(numbers).tolist() == whole(numbers).tolist() == [1, 2, 3]


def test_standard_input_that_is_a_file_is_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--input - < file` reads the file in passes, from where its reader had come to."""
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "v.txt"
    path.write_text("a first line\n4\n5\n")
    with path.open("rb", buffering=0) as file:
        file.readline()
        monkeypatch.setattr(sys, "stdin", file)
        numbers = read_numbers(None, "-")
        assert numbers is not None
        assert whole(numbers).tolist() == whole(numbers).tolist() == [4, 5]
        assert file.read() == b"4\n5\n"


def test_a_descriptor_that_is_no_file_is_not_read_in_passes() -> None:
    """A pipe, or no descriptor at all, has no passes."""
    reading, writing = os.pipe()
    assert content_of_descriptor(reading, "pipe") is None
    os.close(reading)
    os.close(writing)
    assert content_of_descriptor(reading, "closed") is None


# -- what changes meanwhile -----------------------------------------------------------------


def contents(path: Path, kind: str) -> str:
    """Write an input of several blocks and return its path."""
    if kind == "npy":
        return saved(path, np.arange(LONG, dtype=np.int32))
    path.write_text("".join(f"{value}\n" for value in range(LONG)))
    return str(path)


def shrink(path: Path) -> None:
    """Cut a file off in the middle."""
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    """Write more behind a file."""
    with path.open("ab") as file:
        file.write(b"7\n")


def rewrite(path: Path) -> None:
    """Write the same bytes at another time."""
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(1, 1))


def replace(path: Path) -> None:
    """Put a copy in the place of a file."""
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    before = path.stat()
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(path)


CHANGES: dict[Callable[[Path], None], str] = {
    shrink: "bytes, and has",
    grow: "bytes, and has",
    rewrite: "written to",
    replace: "its name",
}


@pytest.mark.parametrize("kind", ["npy", "txt"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_changes_between_passes_is_refused(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    """What was checked is what is summed: another file, size or time of writing ends the run."""
    path = contents(tmp_path / f"v.{kind}", kind)
    numbers = numbers_of_file(path)
    change(Path(path))
    why = refusal(lambda: whole(numbers))
    assert why.startswith(f"{path}: it changed while it was read: ")
    assert CHANGES[change] in why


@pytest.mark.parametrize("kind", ["npy", "txt"])
@pytest.mark.parametrize("change", [shrink, grow, rewrite], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    """The same in the middle of a pass, and no signal ends the process."""
    path = contents(tmp_path / f"v.{kind}", kind)
    numbers = numbers_of_file(path)
    blocks = numbers.blocks(0)
    next(blocks)
    change(Path(path))
    assert refusal(lambda: list(blocks)).startswith(f"{path}: it changed while it was read: ")


def test_a_file_that_vanishes_is_refused(tmp_path: Path) -> None:
    """A file that is gone when it is to be summed ends the run like one that was never there."""
    path = contents(tmp_path / "v.txt", "txt")
    numbers = numbers_of_file(path)
    Path(path).unlink()
    assert refusal(lambda: whole(numbers)).startswith(f"cannot read the input {path}: ")


# -- what it costs --------------------------------------------------------------------------


def traced(use: Callable[[], object]) -> int:
    """Return the largest memory that something takes while it runs."""
    tracemalloc.start()
    try:
        use()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fill(numbers: Numbers) -> None:
    """Turn an input into residues."""
    fill_residues(numbers.blocks(0), None, M31, bytes(32), 0, numbers.length)


@pytest.mark.parametrize("kind", ["<i4", ">i4", "<f8"])
def test_reading_a_vector_takes_the_residues_and_no_more(tmp_path: Path, kind: str) -> None:
    """From a .npy file to residues of 4 bytes, the peak is these and some blocks."""
    length = 1 << 22
    path = saved(tmp_path / "v.npy", (np.arange(length) % 1000).astype(kind))
    assert traced(lambda: fill(numbers_of_file(path))) < 4 * length + (8 << 20)


def test_reading_a_text_takes_the_residues_and_no_more(tmp_path: Path) -> None:
    """The same from a text: its lines never are Python objects all at once."""
    length = 1 << 20
    path = tmp_path / "v.txt"
    path.write_bytes(b"12345\n" * length)
    assert traced(lambda: fill(numbers_of_file(str(path)))) < 4 * length + (16 << 20)


def test_readings_are_watched_to_their_end(tmp_path: Path) -> None:
    """Whoever watches hears of every block, and at last of the whole."""
    for kind in ("npy", "txt"):
        path = contents(tmp_path / f"v.{kind}", kind)
        heard: list[tuple[int, int]] = []
        numbers = numbers_of_file(path, lambda done, of, heard=heard: heard.append((done, of)))  # type: ignore[misc]
        for _ in numbers.read(lambda done, of, heard=heard: heard.append((done, of))):  # type: ignore[misc]
            pass
        size = Path(path).stat().st_size
        assert heard[-1] == (size, size)
        assert heard == sorted(heard) or kind == "txt"


def test_bytes_in_memory_are_not_copied() -> None:
    """A text that came whole, from a pipe, is held once."""
    data = b"12345\n" * (1 << 20)
    assert traced(lambda: numbers_of_bytes(data, "memory")) < 16 << 20
    assert numbers_of(_Shared(data)).length == 1 << 20


class _Shared:
    """A content of another kind: whatever can be read in passes will do."""

    source = "shared"

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def reading(self) -> io.BytesIO:
        return io.BytesIO(self._data)
