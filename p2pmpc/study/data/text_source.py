"""A text file as UTF-8 bytes, whatever its encoding; what cannot be decoded is refused with its place."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from p2pmpc.errors import InputRefused
from p2pmpc.study.data.faults import refused

CHUNK = 1 << 20
BYTE_ORDER_MARK = "\ufeff"


class TextSource:
    """A text file.

    Args:
        path: Where it is.
        name: As people named it.
        encoding: As Python calls it.
        skipped_lines: So many at the top are no part of the table.
    """

    def __init__(self, path: Path, name: str, encoding: str, skipped_lines: int = 0) -> None:
        self._path = path
        self.name = name
        self._encoding = codecs.lookup(encoding).name
        self._skipped_lines = skipped_lines
        self.first_line = skipped_lines + 1
        self._start: int | None = None
        self._line, self._column = 1, 1

    @property
    def is_utf8(self) -> bool:
        """Whether the engine can read the file itself."""
        return self._encoding in {"utf-8", "utf-8-sig", "ascii"}

    def chunks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the table in UTF-8, from a place on.

        Args:
            offset: In bytes of what this yields from 0.

        Raises:
            InputRefused: The bytes are none of this encoding, or cannot be read.
        """
        try:
            if offset and self.is_utf8 and self._start is not None:
                yield from self._raw(self._start + offset)
                return
            for chunk in self._without_top(self._decoded()):
                kept = chunk[offset:]
                offset = max(0, offset - len(chunk))
                if kept:
                    yield kept
        except OSError as error:
            raise InputRefused(f"{self.name}: cannot be read: {error.strerror}") from None

    def lines(self, offset: int = 0) -> Iterator[str]:
        """Yield the lines with their ends, from a place on; only a line feed ends one."""
        rest = b""
        for chunk in self.chunks(offset):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8") + "\n"
        if rest:
            yield rest.decode("utf-8")

    def _raw(self, offset: int = 0) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk

    def _decoded(self) -> Iterator[bytes]:
        """Yield all of it in UTF-8, without a byte order mark."""
        decoder = codecs.getincrementaldecoder(self._encoding)()
        self._line, self._column, first = 1, 1, True
        for raw in self._with_end():
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                raise self._undecodable(error) from None
            if first and text:
                text, first = text.removeprefix(BYTE_ORDER_MARK), False
            self._advance(text)
            yield text.encode("utf-8", "surrogatepass")

    def _with_end(self) -> Iterator[bytes]:
        yield from self._raw()
        yield b""

    def _advance(self, text: str) -> None:
        ends = text.count("\n")
        self._line += ends
        self._column = len(text) - text.rfind("\n") if ends else self._column + len(text)

    def _undecodable(self, error: UnicodeDecodeError) -> InputRefused:
        before = error.object[: error.start]
        self._advance(bytes(before).decode(self._encoding, "replace"))
        utf16 = self._encoding.startswith("utf-8") and bytes(error.object[:2]) in {
            codecs.BOM_UTF16_LE,
            codecs.BOM_UTF16_BE,
        }
        likely = "utf-16" if utf16 else "latin-1, cp1252"
        return refused(
            f"{self.name}:{self._line}:{self._column}",
            f"the bytes here are not {self._encoding} text",
            hint=f"say how the file is encoded, for example --encoding {likely}",
        )

    def _without_top(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Leave the lines at the top out, and note where the rest begins in the file."""
        left, gone = self._skipped_lines, 0
        for chunk in chunks:
            at = 0
            while left and (end := chunk.find(b"\n", at)) >= 0:
                at, left = end + 1, left - 1
            if left:
                gone += len(chunk)
                continue
            if self._start is None:
                self._start = gone + at + self._mark_length()
            if at < len(chunk):
                yield chunk[at:]

    def _mark_length(self) -> int:
        with self._path.open("rb") as file:
            return len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
