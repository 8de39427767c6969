"""The header of a ``.npy`` vector: read with suspicion, written for a file that is written in blocks.

Source: the format is NEP 1, "A Simple File Format for NumPy Arrays".
"""

from __future__ import annotations

import tokenize
import warnings
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from p2pmpc.errors import InputRefused

MAGIC: Final = b"\x93NUMPY"
_FAULTS: Final = (
    ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises on a damaged header: it is read as a Python literal."""


class Readable(Protocol):
    """What a header is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""

    def tell(self) -> int:
        """Return how many bytes were read."""


class Writable(Protocol):
    """What a header is written to."""

    def write(self, data: bytes, /) -> object:
        """Write bytes."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a vector's header says.

    Args:
        dtype: Of integers or floats, in any byte order.
        length: Elements, at least one.
        start: Where they begin in the file.
    """

    dtype: np.dtype[Any]
    length: int
    start: int


def unreadable(source: str, why: str) -> InputRefused:
    """Return the refusal of a damaged file."""
    return InputRefused(
        f"{source}:1:1: this .npy file cannot be read ({why})",
        hint="save a one-dimensional array of integers or floats with numpy.save",
    )


def read_header(file: Readable, size: int, source: str) -> Header:
    """Read the header of a vector, and hold it against the size of its file.

    Args:
        file: At its start.
        size: Of the file, in bytes.
        source: Where it came from, for messages.

    Raises:
        InputRefused: It is damaged, is cut off, or holds something else than a vector of numbers.
    """
    try:
        shape, dtype = _shape_and_type(file)
    except _FAULTS as error:
        raise unreadable(source, type(error).__name__) from None
    if dtype.hasobject or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise unreadable(source, "it holds objects" if dtype.hasobject else "its shape is none")
    if len(shape) != 1 or dtype.kind not in "iuf" or shape[0] == 0:
        raise InputRefused(
            f"{source}:1:1: an array of type {dtype} and shape {shape}, where a "
            "vector of integers or floats is needed",
            hint="flatten it, and convert truth values with .astype(int)",
        )
    start, length = file.tell(), shape[0]
    if start + length * dtype.itemsize > size:
        held = max(0, size - start) // dtype.itemsize
        raise unreadable(source, f"it says {length} numbers and ends after {held}")
    return Header(dtype, length, start)


def _shape_and_type(file: Readable) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of headers that Python 2 wrote; they are fine
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[arg-type]
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)  # type: ignore[arg-type]
        else:  # 3.0 differs in the names of record fields alone, and records cannot be summed
            raise ValueError("version")
    return shape, dtype


def write_header(file: Writable, dtype: np.dtype[Any], length: int) -> None:
    """Write the header of a vector; its elements follow."""
    said = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (length,),
    }
    np.lib.format.write_array_header_1_0(file, said)
