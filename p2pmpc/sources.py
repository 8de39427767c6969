"""A peer's own numbers as a stream of blocks: text, a ``.npy`` vector, an array, or a draw.

An input is read once for each purpose and never held whole, unless it came whole. Whoever reads it to
sum it checks it again in the same pass, so that what was checked is what is summed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pmpc.blocks import ArrayBlock, Block, PartOfBlock, ScaledBlock
from p2pmpc.contents import BytesContent, Content, Pass, changed, content_of_file
from p2pmpc.encoding import Floats, Scaled
from p2pmpc.errors import InputRefused
from p2pmpc.lines import text_blocks
from p2pmpc.npy import MAGIC, Header, read_header
from p2pmpc.prg import CHUNK

READ_BYTES = 1 << 18
"""So much text at a time: lines that are read one by one become as many Python objects."""

Watch = Callable[[int, int], None]
"""Told how far a reading is, and how far it goes."""


def unwatched(_done: int, _of: int) -> None:
    """Watch nothing."""


class Numbers(ABC):
    """One peer's input, before the agreed number of fraction bits is known.

    Args:
        source: Where it came from, for messages.
        length: How many numbers there are.
    """

    def __init__(self, source: str, length: int) -> None:
        self.source = source
        self.length = length
        self.unit = "numbers"

    def __repr__(self) -> str:
        return f"<{self.length} numbers of {self.source}>"

    @abstractmethod
    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """Read it once, from the start, in blocks.

        Args:
            watch: Told how far it is.

        Raises:
            InputRefused: It changed, or cannot be read.
        """

    def blocks(self, fraction_bits: int) -> Iterator[Scaled]:
        """Yield the values times 2^f, block by block.

        Args:
            fraction_bits: The agreed f.

        Raises:
            InputRefused: A value cannot be used; says where, never what.
        """
        for block in self.read():
            yield block.scaled(fraction_bits)

    def float_blocks(self) -> Iterator[Floats]:
        """Yield the values as they were read, to the nearest double: whatever carries them later."""
        for block in self.read():
            yield block.floats()

    def check_form(self, watch: Watch = unwatched) -> None:
        """Refuse what no parameters could make usable.

        Args:
            watch: Told how far it is.

        Raises:
            InputRefused: Says where, never what.
        """
        for block in self.read(watch):
            block.check_form()

    def check_length(self, length: int, rounds: int = 1) -> None:
        """Refuse an input that is not as long as agreed.

        Args:
            length: Of a vector.
            rounds: How many vectors it must hold.

        Raises:
            InputRefused: Both lengths are shown.
        """
        due = length * rounds
        if self.length != due:
            summed = f"vectors of {length}" if rounds == 1 else f"{rounds} vectors of {length} each"
            raise InputRefused(
                f"{self.source}:{min(self.length, due) + 1}:1: {self.length} number{'s' * (self.length != 1)}, where "
                f"the session sums {summed}",
                hint="every peer's vector has the length that the founder's --length says"
                if rounds == 1
                else f"bring {rounds} vectors, one behind the other: one for each of --rounds {rounds}",
            )


class TextNumbers(Numbers):
    """A number a line.

    Args:
        content: The text.
        watch: Told how far the first reading is, which counts the lines and checks their form.

    Raises:
        InputRefused: It holds no number, or something else; says where, never what.
    """

    def __init__(self, content: Content, watch: Watch = unwatched) -> None:
        self._content = content
        rows = 0
        for block in self._cut(watch):
            block.check_form()
            rows += block.size
        super().__init__(content.source, rows)
        self.unit = "bytes"

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """See :meth:`Numbers.read`."""
        rows = 0
        for block in self._cut(watch):
            rows += block.size
            yield block
        if rows != self.length:
            raise changed(self.source, f"it had {self.length} lines, and has {rows}")

    def _cut(self, watch: Watch) -> Iterator[Block]:
        with self._content.reading() as file:
            yield from text_blocks(self._reads(file, watch), self._content.source)

    def _reads(self, file: Pass, watch: Watch) -> Iterator[bytes]:
        while data := file.read(READ_BYTES):
            yield data
            watch(file.tell(), self._content.size)
        if file.tell() != self._content.size:
            how = f"it had {self._content.size} bytes, and ended after {file.tell()}"
            raise changed(self._content.source, how)


class NpyNumbers(Numbers):
    """A ``.npy`` vector.

    Args:
        content: The file.

    Raises:
        InputRefused: It is damaged, or no vector of numbers.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._header = self._read_header()
        super().__init__(content.source, self._header.length)
        self.unit = "bytes"

    def _read_header(self) -> Header:
        with self._content.reading() as file:
            return read_header(file, self._content.size, self._content.source)

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """See :meth:`Numbers.read`; the array of a block is overwritten by the next one."""
        header = self._header
        buffer = np.empty(min(self.length, CHUNK), dtype=header.dtype)
        with self._content.reading() as file:
            file.read(header.start)
            for first in range(0, self.length, CHUNK):
                array = buffer[: self.length - first]
                view = array.view(np.uint8).data
                if file.readinto(view) < len(view):
                    how = f"it had {self.length} numbers, and is shorter now"
                    raise changed(self.source, how)
                yield ArrayBlock(self.source, first, array)
                watch(file.tell(), self._content.size)

    def check_form(self, watch: Watch = unwatched) -> None:
        """See :meth:`Numbers.check_form`; integers have the right form by their type."""
        if self._header.dtype.kind == "f":
            super().check_form(watch)


class ArrayNumbers(Numbers):
    """A vector in memory, which nobody should change before the sum has ended.

    Args:
        array: One-dimensional, of integers or floats.
        source: What messages call it.

    Raises:
        InputRefused: It is no vector of numbers.
    """

    def __init__(self, array: npt.NDArray[Any], source: str = "the array") -> None:
        if array.ndim != 1 or array.dtype.kind not in "iuf" or array.size == 0:
            raise InputRefused(
                f"{source}:1:1: an array of type {array.dtype} and shape {array.shape}, where a "
                "vector of integers or floats is needed",
                hint="flatten it, and convert truth values with .astype(int)",
            )
        super().__init__(source, int(array.size))
        self._array = array

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """See :meth:`Numbers.read`."""
        for first in range(0, self.length, CHUNK):
            yield ArrayBlock(self.source, first, self._array[first : first + CHUNK])
            watch(min(first + CHUNK, self.length), self.length)


class ScaledNumbers(Numbers):
    """Made-up data, in scaled units from the start, made when they are read.

    Args:
        source: What messages call it.
        length: How many numbers there are.
        fraction_bits: f.
        make: Yields them, block by block.
    """

    def __init__(
        self, source: str, length: int, fraction_bits: int, make: Callable[[], Iterator[Scaled]]
    ) -> None:
        super().__init__(source, length)
        self._fraction_bits = fraction_bits
        self._make = make

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """See :meth:`Numbers.read`."""
        first = 0
        for values in self._make():
            yield ScaledBlock(first, values, self._fraction_bits)
            first += values.size
            watch(first, self.length)


class PartOfNumbers(Numbers):
    """What one round takes of an input that holds the vectors of several, one behind the other.

    Args:
        whole: The input.
        first: How many numbers stand before the part.
        length: How many it has.
    """

    def __init__(self, whole: Numbers, first: int, length: int) -> None:
        super().__init__(whole.source, length)
        self.unit = whole.unit
        self._whole = whole
        self._first = first

    def read(self, watch: Watch = unwatched) -> Iterator[Block]:
        """See :meth:`Numbers.read`; the blocks before the part are passed over."""
        before, stop = 0, self._first + self.length
        for block in self._whole.read(watch):
            part = slice(max(0, self._first - before), min(block.size, stop - before))
            if part.start < part.stop:
                yield PartOfBlock(block, part)
            before += block.size
            if before >= stop:
                return


def numbers_of(content: Content, watch: Watch = unwatched) -> Numbers:
    """Return the numbers of a content: a ``.npy`` vector, or text with a number a line.

    Args:
        content: What to read.
        watch: Told how far the reading is.

    Raises:
        InputRefused: It cannot be used whatever the parameters; says where, never what.
    """
    with content.reading() as file:
        is_npy = file.read(len(MAGIC)) == MAGIC
    if not is_npy:
        return TextNumbers(content, watch)
    numbers = NpyNumbers(content)
    numbers.check_form(watch)
    return numbers


def numbers_of_bytes(data: bytes, source: str, watch: Watch = unwatched) -> Numbers:
    """Return the numbers of bytes in memory; see :func:`numbers_of`."""
    return numbers_of(BytesContent(data, source), watch)


def numbers_of_file(path: str, watch: Watch = unwatched) -> Numbers:
    """Return the numbers of a file; see :func:`numbers_of`."""
    return numbers_of(content_of_file(Path(path)), watch)
