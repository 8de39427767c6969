"""How a party's file is to be read: what the command line says, and nothing that is guessed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter

from p2pmpc.app import whole_number
from p2pmpc.errors import ConfigurationError

Format = Literal["csv", "parquet", "excel", "sqlite"]

FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}

_NAMED: Final = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "none": ""}
_DIRECTIVES: Final = {
    "%Y": "[0-9]{4}",
    "%m": "[0-9]{1,2}",
    "%d": "[0-9]{1,2}",
    "%H": "0{1,2}",
    "%M": "0{1,2}",
    "%S": "0{1,2}",
    "%%": "%",
}
ISO_DATE: Final = "%Y-%m-%d"

_DATA = Group("The party's data", sort_key=3)
_TEXT = Group("How its text is written (nothing is guessed)", sort_key=4)


def _option(help_text: str, group: Group, **more: object) -> Parameter:
    return Parameter(help=help_text, group=group, negative="", **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Writing:
    """How numbers, dates and missing values are written in a file of text.

    Args:
        decimal: The decimal sign.
        thousands: What stands between groups of three digits; empty for nothing.
        missing: Texts that mean a missing value, beside the empty one.
        date_format: As ``strptime`` takes it, of %Y %m %d and, for midnight alone, %H %M %S.
        trim: Blanks around a cell do not count.
    """

    decimal: str = "."
    thousands: str = ""
    missing: frozenset[str] = frozenset()
    date_format: str = ISO_DATE
    trim: bool = False

    @property
    def date_pattern(self) -> str:
        """A regular expression that every date that is written so matches whole."""
        if self.date_format == ISO_DATE:
            return "[0-9]{4}-[0-9]{2}-[0-9]{2}"
        parts = re.findall(r"%.|[^%]", self.date_format)
        return "".join(_DIRECTIVES.get(part) or re.escape(part) for part in parts)

    @property
    def whole_pattern(self) -> str:
        """A regular expression for digits, in groups where they are written so."""
        if not self.thousands:
            return "[0-9]+"
        mark = re.escape(self.thousands)
        return f"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)"

    @property
    def number_pattern(self) -> str:
        """A regular expression that every number that is written so matches whole."""
        mark = re.escape(self.decimal)
        digits = f"(?:{self.whole_pattern}(?:{mark}[0-9]*)?|{mark}[0-9]+)"
        return f"[+-]?{digits}(?:[eE][+-]?[0-9]{{1,3}})?"

    @property
    def integer_pattern(self) -> str:
        """A regular expression that every integer that is written so matches whole; 12.0 is one."""
        return f"[+-]?{self.whole_pattern}(?:{re.escape(self.decimal)}0*)?"


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Where a party's rows are, and how they are written; see the help of each."""

    data: Annotated[
        str | None,
        _option(
            "The file with this party's rows (CSV, Parquet, Excel, SQLite), or a postgresql:// URL.",
            _DATA,
        ),
    ] = None
    format: Annotated[
        Format | None,
        _option("What the file is, where its ending does not tell.", _DATA),
    ] = None
    table: Annotated[
        str | None,
        _option("The table or view of a database; in SQLite only where there are several.", _DATA),
    ] = None
    sheet: Annotated[str | None, _option("The sheet of an Excel file that has several.", _DATA)] = (
        None
    )
    header_row: Annotated[
        int,
        _option(
            "The line or row that holds the names of the columns; what is above is not read.",
            _DATA,
            converter=whole_number,
        ),
    ] = 1
    column: Annotated[
        list[str] | None,
        _option(
            "NAME=HEADER: the study's column NAME is called HEADER in the data. Repeat it.", _DATA
        ),
    ] = None
    skip_rejected: Annotated[bool, _option("Go on without the rows that are rejected.", _DATA)] = (
        False
    )
    memory: Annotated[str, _option("The most memory that the engine for files may use.", _DATA)] = (
        "512MB"
    )

    encoding: Annotated[
        str, _option("Of a text file: utf-8 (the default), latin-1, cp1252, utf-16, ...", _TEXT)
    ] = "utf-8"
    delimiter: Annotated[
        str | None,
        _option(
            "Between the fields of a CSV file: a comma by default, in .tsv a tab; ; or tab.", _TEXT
        ),
    ] = None
    quote: Annotated[str, _option('Around fields of a CSV file: " by default, or none.', _TEXT)] = (
        '"'
    )
    decimal: Annotated[Literal[".", ","], _option("The decimal sign: . by default.", _TEXT)] = "."
    thousands: Annotated[
        str,
        _option("Between groups of three digits: none by default; . , ' or space.", _TEXT),
    ] = "none"
    missing: Annotated[
        list[str] | None,
        _option(
            "A text that means a missing value, like NA or -9; repeat it. The empty cell does.",
            _TEXT,
            allow_leading_hyphen=True,
        ),
    ] = None
    date_format: Annotated[
        str, _option("How dates are written, by default %Y-%m-%d; for example %d.%m.%Y.", _TEXT)
    ] = ISO_DATE
    trim: Annotated[bool, _option("Blanks around a cell do not count.", _TEXT)] = False

    @property
    def path(self) -> Path:
        """The file.

        Raises:
            ConfigurationError: None is named, or it is not there.
        """
        if not self.data:
            raise ConfigurationError("no data is named", hint="name the file with --data FILE")
        path = Path(self.data)
        if not path.is_file():
            what = "is not a file" if path.exists() else "is not there"
            raise ConfigurationError(f"{self.data} {what}", hint="name a file with --data FILE")
        return path

    @property
    def kind(self) -> Format:
        """What the file is: by --format, or else by its ending.

        Raises:
            ConfigurationError: Neither tells.
        """
        ending = Path(self.data or "").suffix.lower()
        kind = self.format or FORMATS.get(ending)
        if kind is None:
            raise ConfigurationError(
                f"{self.data}: nothing tells what kind of file this is",
                hint="say --format csv, parquet, excel or sqlite",
            )
        return kind

    @property
    def separator(self) -> str:
        """What stands between the fields of a CSV file."""
        if self.delimiter is None:
            return "\t" if Path(self.data or "").suffix.lower() == ".tsv" else ","
        return _NAMED.get(self.delimiter, self.delimiter)

    @property
    def quote_sign(self) -> str:
        """What stands around fields of a CSV file; empty for nothing."""
        return _NAMED.get(self.quote, self.quote)

    @property
    def writing(self) -> Writing:
        """How the cells of a text file are written."""
        return Writing(
            decimal=self.decimal,
            thousands=_NAMED.get(self.thousands, self.thousands),
            missing=frozenset(self.missing or ()),
            date_format=self.date_format,
            trim=self.trim,
        )

    @property
    def renamed(self) -> dict[str, str]:
        """What the study's columns are called in the data, where it is another name.

        Raises:
            ConfigurationError: A --column is no NAME=HEADER, or names one twice.
        """
        names: dict[str, str] = {}
        for text in self.column or ():
            name, equals, header = text.partition("=")
            if not (name and equals and header):
                raise ConfigurationError(
                    f"--column {text} is not NAME=HEADER", hint="for example --column salary=Gehalt"
                )
            if name in names:
                raise ConfigurationError(f"--column names {name} twice")
            names[name] = header
        return names

    def check(self) -> None:
        """Refuse options that mean nothing, or contradict each other.

        Raises:
            ConfigurationError: Says which, and what would do.
        """
        try:
            codecs.lookup(self.encoding)
            "".encode(self.encoding)
        except (LookupError, TypeError):
            raise ConfigurationError(
                f"--encoding {self.encoding} is not an encoding",
                hint="for example utf-8, latin-1, cp1252, utf-16",
            ) from None
        if self.header_row < 1:
            raise ConfigurationError("--header-row counts from 1")
        _check_signs(self.separator, self.quote_sign)
        _check_numbers(self.decimal, self.writing.thousands)
        _check_date_format(self.date_format)
        _ = self.renamed


def _check_signs(separator: str, quote: str) -> None:
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
        raise ConfigurationError(
            "--delimiter is one ASCII character", hint="for example , or ; or tab"
        )
    if quote and (len(quote) != 1 or quote not in "\"'`|~^"):
        raise ConfigurationError("--quote is one of \" ' ` | ~ ^, or none")
    if quote == separator:
        raise ConfigurationError("--quote and --delimiter are the same")


def _check_numbers(decimal: str, thousands: str) -> None:
    if thousands not in ("", ".", ",", " ", "'", "\u2019", "\u00a0", "\u202f"):
        raise ConfigurationError("--thousands is none, a point, a comma, ' or space")
    if thousands == decimal:
        raise ConfigurationError(
            f"--decimal and --thousands are both {decimal}",
            hint="--decimal , --thousands . for 1.234,5; --thousands , for 1,234.5",
        )


def _check_date_format(text: str) -> None:
    parts: Sequence[str] = re.findall(r"%.|[^%]", text)
    unknown = [part for part in parts if part.startswith("%") and part not in _DIRECTIVES]
    named = [part for part in parts if part.startswith("%") and part != "%%"]
    if unknown or "".join(parts) != text:
        raise ConfigurationError(
            f"--date-format: {unknown[0] if unknown else '%'} is not known",
            hint="it is made of %Y (four digits), %m, %d and other characters, like %d.%m.%Y; "
            "%H:%M:%S stand for midnight",
        )
    if any(named.count(part) != 1 for part in ("%Y", "%m", "%d")) or len(set(named)) != len(named):
        raise ConfigurationError(
            "--date-format holds %Y, %m and %d, each once", hint="for example %d.%m.%Y"
        )


__all__ = ["FORMATS", "ISO_DATE", "DataOptions", "Format", "Writing"]
