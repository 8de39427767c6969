"""Bugs to plant: the table that tests/planted_bugs.py applies to the core, one at a time.

A bug is one exact text and what is planted in its place. The rooms of the table follow those of the
package: arithmetic, messages, agreement, one round, records, links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake that somebody could make.

    Args:
        name: What goes wrong, in words.
        file: Where, from the root of the project.
        old: The text that is right; it stands in the file exactly once.
        new: The text that is planted.
        tests: What pytest tries first: those that most likely catch it.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, source: str) -> str:
        """Return a source with the bug in it.

        Raises:
            ValueError: The right text is not there, or there more than once.
        """
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds the text of {self.name!r} {count} times")
        return source.replace(self.old, self.new)


def bugs(room: str, tests: str, table: Iterable[tuple[str, str, str]]) -> tuple[Bug, ...]:
    """Return the bugs of one module.

    Args:
        room: The module's name.
        tests: Test modules, or ``module::test``, without folder and ending; tried in this order.
        table: Name, right text, and planted text.
    """
    selectors = []
    for selector in tests.split():
        module, found, test = selector.partition("::")
        selectors.append(f"tests/test_{module}.py{found}{test}")
    return tuple(
        Bug(name, f"p2pmpc/{room}.py", old, new, tuple(selectors)) for name, old, new in table
    )
