"""The file of rejected rows, beside the data: for its owner's eyes alone, and put in place at once."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from p2pmpc.errors import ResourceExhausted
from p2pmpc.study.data.faults import Finding


class RejectedRows:
    """Takes rejected rows one by one.

    Args:
        file: Where they are written.
        delimiter: As in the data.
        quote: As in the data; empty for none.
    """

    def __init__(self, file: TextIO, delimiter: str = ",", quote: str = '"') -> None:
        self._file = file
        self._delimiter = delimiter
        self._quote = quote or '"'

    def head(self, raw: str) -> None:
        """Write the names of the columns, those of the data as they stand there."""
        self._write(["line", "column", "reason"], raw)

    def add(self, findings: list[Finding], raw: str) -> None:
        """Write one row.

        Args:
            findings: What is wrong with it.
            raw: The row as it stands in the data.
        """
        first = findings[0]
        reason = "; ".join(
            f"{one.column}: {one.fault}, expected {one.expected}" for one in findings
        )
        self._write([str(first.place.row), first.place.cell, reason], raw)

    def cells(self, values: list[str]) -> str:
        """Return a row of values as it stands in such a file."""
        line = io.StringIO()
        csv.writer(
            line, delimiter=self._delimiter, quotechar=self._quote, lineterminator=""
        ).writerow(values)
        return line.getvalue()

    def _write(self, own: list[str], raw: str) -> None:
        self._file.write(f"{self.cells(own)}{self._delimiter}{raw}\n")


@contextlib.contextmanager
def rejected_file(data: Path, delimiter: str = ",", quote: str = '"') -> Iterator[RejectedRows]:
    """Write the file of rejected rows beside the data, in the place of one of an earlier check.

    Args:
        data: The data.
        delimiter: As in it.
        quote: As in it.

    Raises:
        ResourceExhausted: It cannot be written.
    """
    path = path_of(data)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield RejectedRows(file, delimiter, quote)
        temporary.replace(path)
    except OSError as error:
        raise ResourceExhausted(
            f"{path} cannot be written: {error.strerror}",
            hint="the rejected rows go beside the data: copy the data to a folder of your own",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def path_of(data: Path) -> Path:
    """Return where the rejected rows of a file go."""
    return data.with_name(f"{data.name}.rejected.csv")


def forget_rejected(data: Path) -> None:
    """Remove what an earlier check left, now that nothing is rejected."""
    with contextlib.suppress(OSError):
        path_of(data).unlink(missing_ok=True)
