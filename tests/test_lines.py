"""Text with a number a line: many at a time gives what one by one gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pmpc.encoding import parse_scaled
from p2pmpc.errors import InputRefused
from p2pmpc.lines import LONGEST_LINE, TextBlock, text_blocks

SECRET = "4815162342"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Yield a text in pieces of one size."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, bits: int = 0, size: int = 1 << 18) -> list[int]:
    """Return the scaled numbers of a text."""
    blocks = text_blocks(pieces(data, size), "data.txt")
    return [int(value) for block in blocks for value in block.scaled(bits)]


def refusal(data: bytes, bits: int = 0, size: int = 1 << 18) -> str:
    """Return why a text is refused; it never repeats a number."""
    with pytest.raises(InputRefused) as caught:
        read(data, bits, size)
    assert SECRET not in caught.value.describe()
    assert caught.value.hint
    return caught.value.message


signs = st.sampled_from(["", "-", "+"])
digits = st.text("0123456789", max_size=20)
plain = st.builds("{}{}{}{}".format, signs, digits, st.sampled_from(["", "."]), digits)
odd = st.sampled_from(["1e3", "-2.5e-1", " 7 ", "1.2.3", "-", "..", "1-2", "nan", "\xa05", "٣", ""])


@given(st.lists(plain | odd | plain, min_size=1, max_size=8), st.sampled_from([0, 1, 8, 20, 52]))
@example(["0.5", "1.5", "-0.5", "2.5"], 0)
@example(["0.25", "0.75", "-0.25", "-0.75", ".125", "3."], 1)
@example(["999999999999999999", "-999999999999999999"], 0)
@example(["9999999999999999999"], 0)
@example(["1.2.3"], 8)
def test_many_lines_at_a_time_are_what_each_line_alone_is(lines: list[str], bits: int) -> None:
    """A block gives exactly the integers, or the refusal and its line, that line by line gives."""
    data = "".join(f"{line}\n" for line in lines).encode()
    expected: list[int] | str = []
    try:
        for line in lines:
            expected = [*expected, parse_scaled(line.strip(), bits)]
    except ValueError as error:
        expected = f"data.txt:{len(expected) + 1}:1: {error}"
    found: list[int] | str
    try:
        found = TextBlock("data.txt", 0, data).scaled(bits).tolist()
    except InputRefused as error:
        found = error.message
    assert found == expected


@given(st.lists(plain, min_size=1, max_size=6))
@example(["9007199254740993", "0.1", "123456789012345.678"])
@example(["0.9007199254740993"])
def test_values_as_read_are_the_nearest_doubles(lines: list[str]) -> None:
    """What the ledger digests of a line is the double that Python reads, however many digits it has."""
    block = TextBlock("data.txt", 0, "".join(f"{line}\n" for line in lines).encode())
    try:
        block.check_form()
    except InputRefused:
        return
    assert block.floats().tolist() == [float(line) for line in lines]


def test_plain_lines_take_the_fast_way() -> None:
    """Signs, digits and points are read many at a time; spaces and exponents are not."""
    assert TextBlock("data.txt", 0, b"1\n-22\n+3.25\n.5\n")._plain is not None
    for odd_line in (b"1e3", b" 5", b"", b"-", b"1" * 19, b"5-", b"1.2.3"):
        assert TextBlock("data.txt", 0, b"1\n" + odd_line + b"\n")._plain is None


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\ufeff"]),
    st.integers(3, 40),
    st.integers(0, 3),
)
def test_lines_are_whole_wherever_the_text_is_cut(
    values: list[int], end: str, mark: str, size: int, blank: int
) -> None:
    """Any ends of line, a byte order mark, blank lines at the end, and pieces of any size."""
    text = mark + end.join(map(str, values)) + end * blank
    assert read(text.encode(), size=size) == values


def test_a_carriage_return_cut_from_its_line_feed_ends_one_line() -> None:
    """A piece may end between the halves of an end of line; that makes no blank line."""
    assert read(b"11\r\n22\r\n33", size=3) == [11, 22, 33]


@pytest.mark.parametrize("size", [3, 7, 1 << 18])
def test_places_do_not_depend_on_the_pieces(size: int) -> None:
    """A line has one number, whichever block it is read in."""
    good = "".join(f"{value}\n" for value in range(50))
    assert refusal(f"{good}x{SECRET}\n1\n".encode(), size=size) == "data.txt:51:1: not a number"
    assert refusal(f"{good}\n\n{SECRET}".encode(), size=size) == "data.txt:51:1: not a number"
    why = "not a whole number, and this sum has no fraction bits"
    assert refusal(f"{good}{SECRET}.5\n".encode(), size=size) == f"data.txt:51:1: {why}"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xef\xbb\xbf1\xff\n", "1:2"),
        (b"\xef\xbb\xbf1\n2\xff\n", "2:2"),
        ("1\n€€".encode() + b"\xff\n", "2:3"),
        (b"\xef\xbb\xbf\xff", "1:1"),
    ],
)
def test_columns_count_characters_and_no_byte_order_mark(data: bytes, place: str) -> None:
    """The column of a wrong byte is where an editor shows it."""
    assert refusal(data) == f"data.txt:{place}: this is not UTF-8 text"


@pytest.mark.parametrize("data", [b"", b"\n\n", b" \t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_text_without_numbers_is_refused(data: bytes) -> None:
    """Nothing but ends of line and spaces is no input."""
    assert refusal(data, size=4) == "data.txt:1:1: there is no number in it"


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    """A file without ends of line, such as a disk image, is not collected until it ends."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b"1\n2\n"
        while True:
            taken += 1
            yield b"0" * (1 << 16)

    with pytest.raises(InputRefused, match=r"^data\.txt:3:1: an endless line"):
        list(text_blocks(endless(), "data.txt"))
    assert taken == LONGEST_LINE // (1 << 16) + 1


def test_the_largest_integer_of_any_field_has_the_right_form() -> None:
    """An integer that only a sum without fraction bits can hold is not refused before these are known."""
    block = TextBlock("data.txt", 0, b"1152921504606846975\n")
    block.check_form()
    assert block.scaled(0).tolist() == [(1 << 60) - 1]
    assert np.array_equal(block.floats(), [float((1 << 60) - 1)])
