"""Numbers as people write them: exact, in their place, and never repeated in a message."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from p2pmpc.encoding import (
    LARGEST_SCALED,
    automatic_bound,
    check_bound,
    check_budget,
    format_scaled,
    parse_scaled,
)
from p2pmpc.errors import InputRefused
from p2pmpc.field import M31, M61
from p2pmpc.product import FIELDS, M31XM61, Ring
from p2pmpc.sources import ArrayNumbers, Numbers, numbers_of_bytes
from p2pmpc.weights import LARGEST_WEIGHT
from tests import reference
from tests import reference_messages as messages
from tests.strategies import weights, with_checksum

CANARY = "27182"
"""Stands in every value that is refused, and must not stand in the refusal."""

fraction_bits = st.integers(0, 52)
every_field = st.sampled_from(list(FIELDS.values()))


def refusal(content: bytes, bits: int = 0) -> InputRefused:
    """Return the error that reading and scaling a file ends with, which does not repeat it."""
    with pytest.raises(InputRefused) as caught:
        scaled(numbers_of_bytes(content, "data.txt"), bits)
    assert CANARY not in caught.value.describe()
    assert caught.value.hint
    return caught.value


def scaled(numbers: Numbers, bits: int) -> list[int]:
    """Return an input times 2^bits."""
    return [int(value) for block in numbers.blocks(bits) for value in block]


def npy(array: npt.NDArray[Any]) -> bytes:
    """Return an array as a .npy file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


# -- one number -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bits", "scaled"),
    [
        ("0", 0, 0),
        ("-7", 0, -7),
        ("+007", 0, 7),
        ("1e3", 0, 1000),
        ("1200e-2", 0, 12),
        ("3.", 0, 3),
        (".5", 1, 1),
        ("-2.5", 3, -20),
        ("0.1", 16, 6554),
        ("0.5", 0, None),
        ("0.25", 1, 0),
        ("0.75", 1, 2),
        ("-0.25", 1, 0),
        ("-0.75", 1, -2),
        ("1152921504606846975", 0, LARGEST_SCALED),
        ("-1152921504606846975", 0, -LARGEST_SCALED),
        ("1152921504606846976", 0, None),
        ("1e400", 0, None),
        ("0e400", 0, 0),
        ("1e-400", 52, 0),
    ],
)
def test_numbers_have_known_scaled_values(text: str, bits: int, scaled: int | None) -> None:
    """A decimal is read exactly, and rounded once, ties to even; None means refused."""
    if scaled is None:
        with pytest.raises(ValueError, match=r"whole number|too large"):
            parse_scaled(text, bits)
        return
    assert parse_scaled(text, bits) == scaled
    assert reference.fixed_point(text, bits) == scaled


@given(
    st.decimals(-(10**9), 10**9, places=9).map(lambda value: f"{value:f}"),
    st.sampled_from(["", "e-3", "E0", "e+2"]),
    st.integers(1, 16),
)
def test_decimals_agree_with_exact_fractions(text: str, exponent: str, bits: int) -> None:
    """Any decimal is scaled as exact fractions scale it."""
    assert parse_scaled(text + exponent, bits) == reference.fixed_point(text + exponent, bits)


@given(st.integers(-LARGEST_SCALED, LARGEST_SCALED), fraction_bits)
def test_scaled_integers_survive_their_text(value: int, bits: int) -> None:
    """The text of a scaled integer is exact and reads back as the same integer."""
    text = format_scaled(value, bits)
    assert Fraction(text) * 2**bits == value
    assert parse_scaled(text, bits) == value


@pytest.mark.parametrize(
    ("value", "bits", "text"),
    [(-5, 1, "-2.5"), (3, 0, "3"), (0, 8, "0"), (1, 10, "0.0009765625"), (1 << 20, 20, "1")],
)
def test_scaled_integers_have_known_texts(value: int, bits: int, text: str) -> None:
    """Integers show no point, and fractions no zeros at the end."""
    assert format_scaled(value, bits) == text


@given(st.text("0123456789+-.eE_, nax\x00\u0661½", max_size=12), st.sampled_from([0, 8]))
def test_a_text_is_a_number_or_a_value_error(text: str, bits: int) -> None:
    """Whatever is accepted is the number that exact fractions read; the rest is a ValueError."""
    try:
        scaled = parse_scaled(text, bits)
    except ValueError:
        return
    assert scaled == reference.fixed_point(text, bits)


# -- files ----------------------------------------------------------------------------------


@given(st.lists(st.integers(-(2**58), 2**58), min_size=1, max_size=8), st.booleans())
def test_files_of_numbers_are_read(values: list[int], carriage_return: bool) -> None:
    """A number a line, with any ends of line, a byte order mark, and blank lines at the end."""
    end = "\r\n" if carriage_return else "\n"
    text = end.join(f"  {value}\t" for value in values) + end * 3
    for encoding in ("utf-8", "utf-8-sig"):
        numbers = numbers_of_bytes(text.encode(encoding), "data.txt")
        assert numbers.length == len(values)
        assert scaled(numbers, 0) == values


@pytest.mark.parametrize(
    ("content", "place", "why"),
    [
        ("1\nnan\n", "2:1", "NaN and infinity"),
        ("-inf", "1:1", "NaN and infinity"),
        ("1\n2\n+Infinity", "3:1", "NaN and infinity"),
        ("27182e400", "1:1", "too large for any field"),
        ("27182e9999999", "1:1", "not a number"),
        ("1\n" + "27182" * 1000, "2:1", "too large for any field"),
        ("27182e-999", "1:1", "more decimals than can be read"),
        ("1\nTrue", "2:1", "truth value"),
        ("false", "1:1", "truth value"),
        ("27182,5", "1:1", "decimals take a point"),
        ("1\n27182 27182", "2:1", "more than one number on a line"),
        ("27182;5", "1:1", "more than one number on a line"),
        ("1,27182\t3", "1:1", "more than one number on a line"),
        ("1\n2\n\n27182", "3:1", "not a number"),
        ("\n27182", "1:1", "not a number"),
        ("0x27182", "1:1", "not a number"),
        ("1_27182", "1:1", "not a number"),
        ("\u0661\u0662", "1:1", "not a number"),
        ("--27182", "1:1", "not a number"),
        ("27182e", "1:1", "not a number"),
        (".", "1:1", "not a number"),
        ("27182\x00", "1:1", "not a number"),
        ("", "1:1", "there is no number in it"),
        (" \n\t\n", "1:1", "there is no number in it"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(content: str, place: str, why: str) -> None:
    """A refusal says file, line, column and reason, and never the value."""
    message = refusal(content.encode()).message
    assert message.startswith(f"data.txt:{place}: ")
    assert why in message


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"\xff27182", "1:1"),
        (b"27182\n27\xe9182", "2:3"),
        ("27182".encode("utf-16"), "1:1"),
        ("1\n2\n€".encode()[:-1], "3:1"),
    ],
)
def test_other_encodings_are_refused_with_the_byte(content: bytes, place: str) -> None:
    """Text that is no UTF-8 is refused at the line and column of its first wrong byte."""
    message = refusal(content).message
    assert message == f"data.txt:{place}: this is not UTF-8 text"


def test_fractions_need_fraction_bits() -> None:
    """A fraction is read, and refused only when the agreed parameters hold none."""
    numbers = numbers_of_bytes(b"1\n0.5\n", "data.txt")
    assert scaled(numbers, 4) == [16, 8]
    with pytest.raises(InputRefused, match=r"^data.txt:2:1: not a whole number") as caught:
        scaled(numbers, 0)
    assert "--fraction-bits" in caught.value.hint


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.sampled_from(["<f8", ">f8", "<f4"])
)
def test_arrays_of_floats_are_scaled_exactly(values: list[float], kind: str) -> None:
    """Floats are binary fractions, scaled exactly and rounded once, ties to even."""
    array = np.array(values, dtype=kind)
    found = scaled(numbers_of_bytes(npy(array), "data.npy"), 16)
    assert found == [round(Fraction(float(value)) * 2**16) for value in array]


@pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u4", "i8", "u8"])
def test_arrays_of_integers_are_scaled(kind: str) -> None:
    """Integers of every kind are read; those beyond any field are refused."""
    array = np.array([0, 1, 100], dtype=kind)
    assert scaled(numbers_of_bytes(npy(array), "data.npy"), 7) == [0, 128, 12800]


@pytest.mark.parametrize("bits", [0, 7])
def test_integers_of_arrays_end_where_the_fields_do(bits: int) -> None:
    """The largest integers that any field holds are scaled, and the next ones are refused."""
    limit = LARGEST_SCALED >> bits
    numbers = numbers_of_bytes(npy(np.array([limit, -limit])), "data.npy")
    assert scaled(numbers, bits) == [limit << bits, -(limit << bits)]
    for beyond in (limit + 1, -limit - 1):
        with pytest.raises(InputRefused, match=r"^data.npy:2:1: the number is too large"):
            scaled(ArrayNumbers(np.array([0, beyond]), "data.npy"), bits)


@pytest.mark.parametrize("content", [b"1\nx", npy(np.array([1.0, np.nan]))], ids=["text", "npy"])
def test_the_form_of_a_file_is_checked_when_it_is_read(content: bytes) -> None:
    """What can never be summed is refused before anybody has been met."""
    with pytest.raises(InputRefused, match=r"^data:2:1: "):
        numbers_of_bytes(content, "data")


@pytest.mark.parametrize(
    ("array", "place", "why"),
    [
        (np.array([1.0, np.nan]), "2:1", "NaN and infinity"),
        (np.array([-np.inf]), "1:1", "NaN and infinity"),
        (np.array([0.0, 27182.5]), "2:1", "not a whole number"),
        (np.array([27182e90]), "1:1", "too large for any field"),
        (np.array([0, 27182 << 46]), "2:1", "too large for any field"),
        (np.array([-(27182 << 46)]), "1:1", "too large for any field"),
        (np.array([2**64 - 1], dtype=np.uint64), "1:1", "too large for any field"),
        (np.array([True]), "1:1", "an array of type bool"),
        (np.array([27182 + 1j]), "1:1", "an array of type complex128"),
        (np.array(["27182"]), "1:1", "an array of type <U5"),
        (np.array([[27182, 1], [2, 3]]), "1:1", "shape (2, 2)"),
        (np.array(27182), "1:1", "shape ()"),
        (np.array([], dtype=np.int64), "1:1", "shape (0,)"),
    ],
    ids=str,
)
def test_arrays_that_cannot_be_summed_are_refused(
    array: npt.NDArray[Any], place: str, why: str
) -> None:
    """Wrong types, shapes and values of a .npy vector are refused like those of a text."""
    message = refusal(npy(array)).message
    assert message.startswith(f"data.txt:{place}: ")
    assert why in message


def test_arrays_of_objects_are_never_unpickled() -> None:
    """A .npy file that holds a pickle is refused unread."""
    array = np.array([{"27182": 1}], dtype=object)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    assert "cannot be read" in refusal(content.getvalue()).message


@pytest.mark.parametrize("kept", [6, 10, 60, 135])
def test_cut_arrays_are_refused(kept: int) -> None:
    """A .npy file that ends early is refused."""
    assert "cannot be read" in refusal(npy(np.array([27182]))[:kept]).message


@pytest.mark.parametrize("lines", [1, 4])
def test_inputs_have_the_agreed_length(lines: int) -> None:
    """A vector of another length is refused with both lengths and the place of the difference."""
    numbers = numbers_of_bytes(b"27182\n" * lines, "data.txt")
    numbers.check_length(lines)
    with pytest.raises(InputRefused) as caught:
        numbers.check_length(3)
    counted = "1 number" if lines == 1 else f"{lines} numbers"
    assert caught.value.message == (
        f"data.txt:{min(lines, 3) + 1}:1: {counted}, where the session sums vectors of 3"
    )


def test_inputs_are_not_in_their_repr() -> None:
    """The numbers of an input, text or array, never stand in its repr."""
    text = numbers_of_bytes(CANARY.encode(), "data.txt")
    array = numbers_of_bytes(npy(np.array([int(CANARY)])), "data.npy")
    held = ArrayNumbers(np.array([int(CANARY)]))
    blocks = [next(given.read()) for given in (text, array, held)]
    assert CANARY not in repr((text, array, held, blocks))


# -- bounds and the bit budget --------------------------------------------------------------


@given(every_field, st.lists(weights, min_size=2, max_size=5))
def test_the_automatic_bound_is_the_largest_that_fits(field: Ring, drawn: list[int]) -> None:
    """The automatic bound keeps the budget, and one more would not, or would be no input."""
    bound = automatic_bound(field, drawn)
    assume(bound > 0)
    check_budget(field, drawn, bound, 0)
    if bound == LARGEST_SCALED:
        return
    with pytest.raises(InputRefused, match=f"does not fit {field.name}"):
        check_budget(field, drawn, bound + 1, 0)


@given(every_field, st.lists(weights, min_size=2, max_size=5), st.data())
def test_no_total_within_the_budget_wraps(
    field: Ring, drawn: list[int], data: st.DataObject
) -> None:
    """Where the budget holds, the centred residue of the weighted sum is the sum itself."""
    bound = automatic_bound(field, drawn)
    assume(bound > 0)
    value = st.sampled_from([-bound, bound]) | st.integers(-bound, bound)
    values = data.draw(st.lists(value, min_size=len(drawn), max_size=len(drawn)))
    total = sum(w * v for w, v in zip(drawn, values, strict=True))
    assert reference.centred(total % field.modulus, field.modulus) == total


def test_a_budget_that_breaks_names_a_field_that_fits() -> None:
    """The refusal shows the bits and leads to a larger field, or to a smaller bound."""
    with pytest.raises(InputRefused) as caught:
        check_budget(M31, [10**6, -(10**6), 10**6], 1000, 0)
    assert caught.value.message == (
        "the total does not fit m31: weights of 3000000 together and values up to 1000 need 33 "
        "bits, and there are 31"
    )
    assert caught.value.hint == (
        "--field m61 at the founder would do; with m31 the bound can be at most 357 with 0 "
        "fraction bits"
    )
    check_budget(M61, [10**6, -(10**6), 10**6], 1000, 0)
    check_budget(M31, [10**6, -(10**6), 10**6], 357, 0)
    with pytest.raises(InputRefused) as caught:
        check_budget(M31, [1, 1, 1], LARGEST_SCALED // 3, 0)
    assert caught.value.hint.startswith("--field m61 at the founder would do")
    check_budget(M61, [1, 1, 1], LARGEST_SCALED // 3, 0)


def test_weights_that_leave_no_bound_are_refused() -> None:
    """Where the automatic bound is 0 nothing can be summed, not even zeros."""
    weights_alone = [10**9] * 3
    assert automatic_bound(M31, weights_alone) == 0
    with pytest.raises(InputRefused, match="leave no room for values in m31"):
        check_budget(M31, weights_alone, 0, 0)


def test_a_budget_that_m61_does_not_hold_names_the_product() -> None:
    """Where 61 bits are too few the refusal names m31xm61, and the bound that would do without it."""
    with pytest.raises(InputRefused) as caught:
        check_budget(M61, [LARGEST_WEIGHT] * 3, 1 << 40, 8)
    assert caught.value.hint == (
        "--field m31xm61 at the founder would do; with m61 the bound can be at most 699050.6640625 "
        "with 8 fraction bits"
    )
    check_budget(M61, [LARGEST_WEIGHT] * 3, parse_scaled("699050.6640625", 8), 8)
    check_budget(M31XM61, [LARGEST_WEIGHT] * 3, 1 << 40, 8)
    with pytest.raises(InputRefused) as caught:
        check_budget(M31, [LARGEST_WEIGHT] * 3, 1 << 40, 8)
    assert caught.value.hint.startswith("--field m31xm61 at the founder would do")


def test_a_budget_that_no_field_holds_asks_for_a_smaller_bound() -> None:
    """Where no field fits, none is named; the bound that would do is shown as people write it."""
    with pytest.raises(InputRefused, match="need 102 bits, and there are 92") as caught:
        check_budget(M31XM61, [LARGEST_WEIGHT] * 1000, LARGEST_SCALED, 0)
    bound = M31XM61.largest_magnitude // (1000 * LARGEST_WEIGHT)
    assert caught.value.hint == (
        f"a smaller bound would do; with m31xm61 the bound can be at most {bound} with 0 "
        "fraction bits"
    )
    check_budget(M31XM61, [LARGEST_WEIGHT] * 1000, bound, 0)


def test_only_totals_are_wider_than_an_input() -> None:
    """Also where a total has 92 bits, no bound is beyond what an input can hold."""
    assert automatic_bound(M31XM61, [1, -1, 1]) == LARGEST_SCALED
    check_budget(M31XM61, [LARGEST_WEIGHT], LARGEST_SCALED, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_values_outside_the_bound_are_refused_by_place(sign: int) -> None:
    """The bound itself is allowed; the first value beyond it is named by its line alone."""
    check_bound(np.array([sign * 320, 0]), 320, 4, "data.txt")
    with pytest.raises(InputRefused) as caught:
        check_bound(np.array([0, sign * 321, sign * 27182]), 320, 4, "data.txt")
    assert caught.value.message == "data.txt:2:1: the value is outside the agreed bound of 20"
    assert CANARY not in caught.value.describe()


# -- the checksum coordinate ----------------------------------------------------------------


@given(
    every_field,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 3),
    st.lists(st.integers(-(2**30) + 1, 2**30 - 1), min_size=1, max_size=6),
)
def test_the_checksum_coordinate_is_the_inner_product_with_gamma(
    field: Ring, session: bytes, number: int, values: list[int]
) -> None:
    """The last element is <gamma, x>, with gamma from the session id and the round alone."""
    gamma = messages.checksum_vector(session, number, field.name, len(values))
    expected = sum(g * v for g, v in zip(gamma, values, strict=True)) % field.modulus
    extended = with_checksum(np.array(values, dtype=np.int64), session, number, field)
    assert field.integers(extended) == [*(value % field.modulus for value in values), expected]


def with_header(shape: str, descr: str = "'<i8'") -> bytes:
    """Return a .npy file whose header says something."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(24)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY\x01\x00\x01\x00" + with_header("(3,)")[10:],
        with_header("(3,)", descr="',i8'"),
        with_header("(True,)"),
        with_header("(99999999999999999999999,)"),
        with_header("(1000000000000000,)"),
    ],
    ids=["cut", "descr", "truth", "overflow", "memory"],
)
def test_damaged_headers_are_refused(data: bytes) -> None:
    """Row 20: whatever a .npy header says, the file is refused with its place."""
    assert numbers_of_bytes(with_header("(3,)"), "input.npy").length == 3
    with pytest.raises(InputRefused, match=r"^input\.npy:1:1: this \.npy file cannot be read"):
        numbers_of_bytes(data, "input.npy")
