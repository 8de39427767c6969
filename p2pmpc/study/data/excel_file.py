"""Excel and OpenDocument files: numbers are numbers, dates are dates, of formulas their results."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.sources import Watch
from p2pmpc.study.data.engines import missing_extra
from p2pmpc.study.data.excel_errors import errors_of
from p2pmpc.study.data.faults import Fault, Place, refused
from p2pmpc.study.data.headers import find_columns
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.value_rows import Row, ValueFile
from p2pmpc.study.model import Study
from p2pmpc.study.report.words import plain

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

TOLD = 10_000


class ExcelFile(ValueFile):
    """A sheet of an Excel or OpenDocument file.

    Args:
        path: Where it is.
        study: The study.
        options: Which sheet, and in which row the names are.
        watch: Told how far the reading is.

    Raises:
        ConfigurationError: There are several sheets, or not the one that is named.
        InputRefused: It is no such file, or the sheet is empty or lacks a column.
    """

    has_foot = True

    def __init__(self, path: Path, study: Study, options: DataOptions, watch: Watch) -> None:
        super().__init__(study, options, watch)
        self._sheet = self._opened(path)
        self._errors = errors_of(path, self._sheet.name)
        self._mark_merged()
        head = options.header_row
        top = next(islice(self._sheet.iter_rows(), head - 1, None), [])
        self._headers = [str(cell) for cell in top]
        if not any(self._headers):
            raise refused(
                self._at(head, 0),
                "this row is empty, expected the names of the columns",
                hint="say where they are with --header-row, and the sheet with --sheet",
            )
        self._places = find_columns(
            study,
            options.renamed,
            self._headers,
            lambda cell: self._at(head, cell),
            trim=options.trim,
        )

    def rows(self) -> Iterator[Row]:
        """See :class:`ValueFile`."""
        first, of = self._options.header_row + 1, self._sheet.total_height
        blank = 0
        for number, read in enumerate(islice(self._sheet.iter_rows(), first - 1, None), first):
            cells: list[object] = list(read)
            if number % TOLD == 0:
                self._watch(number, of)
            for place, fault in self._errors.get(number, {}).items():
                cells.extend([""] * (place + 1 - len(cells)))
                cells[place] = fault
            if all(cell == "" for cell in cells):
                blank = blank or number
                continue
            if blank:
                raise refused(self._at(blank, 0), "a blank row", hint="remove it")
            yield number, cells

    def place(self, number: int, cell: int) -> Place:
        """See :class:`ValueFile`."""
        number = number or self._options.header_row
        return Place(
            self._at(number, cell), number, f"{plain(self._sheet.name)}!{letters(cell)}{number}"
        )

    def _mark_merged(self) -> None:
        """Note which cells are empty because others were merged over them."""
        last_row, last_column = self._sheet.end or (-1, -1)
        for (top, left), (bottom, right) in self._sheet.merged_cell_ranges or ():
            for row in range(top, min(bottom, last_row) + 1):  # a file may merge a billion cells
                marks = self._errors.setdefault(row + 1, {})
                for cell in range(left, min(right, last_column) + 1):
                    if (row, cell) != (top, left):
                        marks.setdefault(cell, Fault.MERGED)

    def _at(self, number: int, cell: int) -> str:
        return f"{self._name}:{plain(self._sheet.name)}!{letters(cell)}{number}"

    def _opened(self, path: Path) -> CalamineSheet:
        try:
            import python_calamine  # noqa: PLC0415 - the extra need not be installed
        except ImportError:
            raise missing_extra("data") from None
        try:
            book: Any = python_calamine.load_workbook(str(path))
            names: list[str] = book.sheet_names
            chosen = self._options.sheet
            if (chosen is None and len(names) != 1) or (chosen and chosen not in names):
                shown = ", ".join(repr(name) for name in names)
                what = f"no sheet {chosen!r}" if chosen else "which sheet is not said"
                raise ConfigurationError(
                    f"{self._name}: {what}; it has {shown}", hint="name one with --sheet"
                )
            sheet: CalamineSheet = book.get_sheet_by_name(chosen or names[0])
        except (python_calamine.CalamineError, OSError) as error:
            raise InputRefused(
                f"{self._name}: this cannot be read as a spreadsheet ({type(error).__name__})",
                hint="is it whole, without a password, and what its ending says?",
            ) from None
        return sheet


def letters(number: int) -> str:
    """Return what a spreadsheet calls a column: 0 is A, 26 is AA."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
