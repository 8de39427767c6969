"""Reads a study file strictly: every key is known, and every value is possible.

What is refused is refused with the line and the key, as in ``study.toml:12: columns.age.maximum: ...``.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.identity import parse_id
from p2pmpc.study.file.places import Path, lines_of_keys
from p2pmpc.study.model import EPOCH

_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")
"""Where the standard library's reader stumbled."""

Choice = TypeVar("Choice", bound=StrEnum)

LONGEST_TEXT: Final = 2000
LONGEST_NAME: Final = 100
LARGEST_NUMBER: Final = Decimal(10) ** 18

_UNSET: Final = object()


class Table:
    """A table of a study file, whose keys are taken one by one.

    Args:
        source: The file, for messages.
        path: Where the table stands.
        content: The table.
        lines: Lines of all keys.
    """

    def __init__(
        self, source: str, path: Path, content: dict[str, Any], lines: dict[Path, int]
    ) -> None:
        self._source = source
        self._path = path
        self._content = content
        self._lines = lines
        self._known: set[str] = set()

    @classmethod
    def read(cls, text: bytes, source: str) -> Table:
        """Read a TOML text.

        Raises:
            InputRefused: It is none.
        """
        try:
            decoded = text.decode("utf-8")
            content = tomllib.loads(decoded, parse_float=Decimal)
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            raise InputRefused(
                f"{source}:{line}: the text is not UTF-8", hint="save the file as UTF-8"
            ) from None
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            place = _TOML_PLACE.search(str(error))
            where = f"{source}:{place[1]}:{place[2]}" if place else source
            what = _TOML_PLACE.sub("", str(error))
            raise InputRefused(
                f"{where}: this is not TOML: {what}", hint="see the example in docs/coordinator.md"
            ) from None
        return cls(source, (), content, lines_of_keys(decoded))

    # -- refusals -----------------------------------------------------------------------------

    def refuse(self, key: str | None, reason: str, hint: str = "") -> NoReturn:
        """Refuse the value of a key, or the table itself.

        Raises:
            InputRefused: Always; names file, line and key.
        """
        path = self._path if key is None else (*self._path, key)
        within = path
        if (*path, 0) in self._lines:  # an array of tables has no line of its own
            within = (*path, 0)
        while within and within not in self._lines:
            within = within[:-1]
        line = f":{self._lines[within]}" if within in self._lines else ""
        name = _shown(path)
        raise InputRefused(
            f"{self._source}{line}: {f'{name}: ' if name else ''}{reason}",
            hint=hint or "correct the study file; nothing has left this machine",
        )

    def finish(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            InputRefused: There are some; names the first, and one that is alike.
        """
        for key in self._content:
            if key not in self._known:
                alike = difflib.get_close_matches(key, self._known, 1)
                hint = (
                    f"did you mean {alike[0]}?"
                    if alike
                    else f"the keys here are {', '.join(sorted(self._known))}"
                )
                self.refuse(key, "unknown key", hint)

    # -- values -------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Return whether a key is there."""
        self._known.add(key)
        return key in self._content

    def _take(self, key: str, default: object) -> object:
        if self.has(key):
            return self._content[key]
        if default is _UNSET:
            self.refuse(None, f"the key {key} is missing")
        return default

    def text(self, key: str, default: object = _UNSET, longest: int = LONGEST_NAME) -> str:
        """Return a text of printable characters."""
        value = self._take(key, default)
        return self._text(key, value, longest)

    def _text(self, key: str, value: object, longest: int = LONGEST_NAME) -> str:
        if not isinstance(value, str):
            self.refuse(key, 'a text in quotes is expected, such as "salary"')
        if len(value) > longest:
            self.refuse(key, f"the text is longer than {longest} characters")
        if not all(c.isprintable() or (c == "\n" and longest > LONGEST_NAME) for c in value):
            self.refuse(key, "the text has characters that cannot be shown")
        return value

    def texts(self, key: str, default: object = _UNSET) -> tuple[str, ...]:
        """Return a list of texts, each once."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple):
            self.refuse(key, 'a list of texts is expected, such as ["f", "m"]')
        texts = tuple(self._text(key, item) for item in value)
        for text in texts:
            if texts.count(text) > 1:
                self.refuse(key, f"{text!r} is there twice")
            if text != text.strip() or not text:
                self.refuse(key, "a text is empty, or has blanks around it")
        return texts

    def whole(self, key: str, default: object = _UNSET, *, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        value = self._take(key, default)
        if type(value) is not int or not least <= value <= most:
            self.refuse(key, f"a whole number from {least} to {most} is expected")
        return value

    def choice(self, key: str, choices: type[Choice], default: object = _UNSET) -> Choice:
        """Return one of some texts."""
        value = self._take(key, default)
        try:
            return choices(str(value))
        except ValueError:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            self.refuse(key, f"one of {listed} is expected")

    def number(self, key: str, default: object = _UNSET) -> Decimal:
        """Return a number."""
        return self._number(key, self._take(key, default))

    def _number(self, key: str, value: object) -> Decimal:
        if type(value) is int:
            value = Decimal(value)
        if not isinstance(value, Decimal) or not value.is_finite():
            self.refuse(key, "a finite number is expected, without quotes")
        if abs(value) > LARGEST_NUMBER or (value and value.adjusted() < -18):
            self.refuse(key, "the number is too large or too small: from 1e-18 to 1e18")
        return value

    def numbers(self, key: str, *, dates: bool = False) -> tuple[Decimal, ...]:
        """Return a list of numbers, or of dates as days since 1970-01-01."""
        value = self._take(key, _UNSET)
        if not isinstance(value, list):
            self.refuse(key, "a list is expected, such as [0, 10, 20]")
        return tuple(self._value(key, item, dates=dates) for item in value)

    def value(self, key: str, *, dates: bool) -> Decimal:
        """Return a number, or a date as days since 1970-01-01."""
        return self._value(key, self._take(key, _UNSET), dates=dates)

    def _value(self, key: str, value: object, *, dates: bool) -> Decimal:
        if not dates:
            return self._number(key, value)
        if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
            self.refuse(key, "a date is expected, without quotes: 2026-12-31")
        return Decimal((value - EPOCH).days)

    def moment(self, key: str) -> dt.datetime | None:
        """Return a date and time with its offset from UTC, where there is one."""
        value = self._take(key, None)
        if value is None:
            return None
        if not isinstance(value, dt.datetime) or value.tzinfo is None:
            self.refuse(
                key, "a date and time with its offset is expected, such as 2026-12-31T18:00:00Z"
            )
        return value

    def identifier(self, key: str) -> bytes | None:
        """Return a peer's ID, where there is one."""
        if not self.has(key):
            return None
        try:
            return parse_id(self.text(key))
        except ConfigurationError as error:
            self.refuse(key, error.message, error.hint)

    # -- tables -------------------------------------------------------------------------------

    def tables(self, key: str) -> list[Table]:
        """Return the tables of an array of tables; none where there is no such key."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.refuse(key, f"tables are expected, each with [[{key}]] above it")
        return [
            Table(self._source, (*self._path, key, number), item, self._lines)
            for number, item in enumerate(value)
        ]

    def named_tables(self, key: str) -> Iterable[tuple[str, Table]]:
        """Return the tables within a table, by name."""
        value = self._take(key, {})
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            self.refuse(key, f"tables are expected, each with [{key}.NAME] above it")
        return [
            (name, Table(self._source, (*self._path, key, name), item, self._lines))
            for name, item in value.items()
        ]


def _shown(path: Path) -> str:
    """Return a path as people read it: tables of an array are counted from 1.

    Others write the keys, and TOML takes signs in them that would steer a terminal.
    """
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        else:
            out += f".{part}" if out else part
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in out)
