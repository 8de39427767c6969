"""Asks for a study at a terminal, and writes the file."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from p2pmpc.errors import InputRefused
from p2pmpc.study.file.study_file import parse_study

Read = Callable[[str], str]
Say = Callable[[str], None]

_TYPES: Final = ("number", "integer", "date", "category")
_SIMPLE: Final = ("sum", "mean", "variance")
_GRIDS: Final = ("histogram", "range", "quantiles")
_KINDS: Final = (
    "count", *_SIMPLE, "weighted-mean", "proportion", *_GRIDS, "crosstab", "covariance",
    "correlation", "t-test", "regression",
)  # fmt: skip

_COUNT: Final = '[[statistic]]\nkind = "count"\n'
_LONGEST_NUMBER: Final = 30
"""Decimal places before or behind the point."""


def ask_study(read: Read, say: Say) -> str:
    """Ask for a study, and return the text of its file.

    Args:
        read: Shows a question and returns the line that was typed.
        say: Shows a line.

    Raises:
        EOFError: There is nobody to answer.
    """
    return _Questions(read, say).ask()


class _Questions:
    def __init__(self, read: Read, say: Say) -> None:
        self._read = read
        self._say = say
        self._columns: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Type and categories by name."""
        self._groups: list[str] = []

    def ask(self) -> str:
        self._say("An empty answer takes what stands in [brackets].")
        parts = [self._head(), *self._ask_columns()]
        self._groups = self._names(
            "Group by which category columns, if any", kinds=("category",), least=0
        )
        if self._groups:
            parts[0] += f"group_by = {_list(self._groups)}\n"
        parts += self._ask_filters()
        does = self._does([*parts, _COUNT])
        if not does:
            self._say("The file is written as it is: correct it there.")
        parts += self._ask_statistics(parts if does else None)
        self._say(
            "Not asked: a deadline, the parties' IDs, weights, and what columns mean. docs/coordinator.md says "
            "how the file states them."
        )
        return "\n".join(parts)

    def _does(self, parts: Sequence[str]) -> bool:
        """Return whether these parts are a study; where not, say why."""
        try:
            parse_study("\n".join(parts).encode(), "the study")
        except InputRefused as error:
            self._say(f"This does not do: {error.message}")
            if error.hint:
                self._say(f"  {error.hint}")
            return False
        return True

    # -- questions of one kind ----------------------------------------------------------------

    def _line(self, question: str, default: str | None = None) -> str:
        shown = f" [{default}]" if default else ""
        while True:
            answer = self._read(f"{question}{shown}: ").strip()
            if answer or default is not None:
                return answer or str(default)
            self._say("  an answer is needed")

    def _choice(self, question: str, choices: Sequence[str], default: str | None = None) -> str:
        while True:
            answer = self._line(f"{question} ({', '.join(choices)})", default)
            if answer in choices or answer == default:
                return answer
            self._say("  one of these is expected")

    def _whole(self, question: str, default: int, least: int = 1) -> int:
        while True:
            answer = self._line(question, str(default))
            if answer.isascii() and answer.isdigit() and int(answer) >= least:
                return int(answer)
            self._say(f"  a whole number of at least {least} is expected")

    def _list(self, question: str, default: str | None = None) -> list[str]:
        answer = self._line(f"{question}, with commas between", default)
        return [part.strip() for part in answer.split(",") if part.strip()]

    def _number(self, question: str, *, is_date: bool = False, default: str | None = None) -> str:
        while True:
            answer = self._line(question, default)
            try:
                if is_date:
                    return dt.date.fromisoformat(answer).isoformat()
                value = Decimal(answer)
            except (ValueError, InvalidOperation):
                self._say(
                    "  a date is expected: 2026-12-31" if is_date else "  a number is expected"
                )
                continue
            if not value.is_finite() or abs(value.adjusted()) > _LONGEST_NUMBER:
                self._say("  a finite number is expected, and no longer one than people write")
                continue
            return f"{value:f}"  # what TOML takes: no .5, no 007

    def _names(self, question: str, *, kinds: Sequence[str] = (), least: int = 1) -> list[str]:
        fitting = [n for n, (kind, _) in self._columns.items() if not kinds or kind in kinds]
        if not fitting and least == 0:
            return []
        while True:
            names = self._list(f"{question} (of {', '.join(fitting)})", "" if least == 0 else None)
            if len(names) >= least and all(name in fitting for name in names):
                return names
            self._say("  columns of these are expected")

    def _one(self, question: str, kinds: Sequence[str]) -> str:
        return _text(self._column(question, kinds))

    def _column(self, question: str, kinds: Sequence[str]) -> str:
        fitting = [name for name, (kind, _) in self._columns.items() if kind in kinds]
        return self._choice(question, fitting)

    # -- the parts ----------------------------------------------------------------------------

    def _head(self) -> str:
        title = self._line("Title")
        purpose = self._line("What is it for, in a sentence")
        parties = self._whole("How many parties bring data", 5, least=3)
        brings = self._choice("Does the coordinator bring data, too", ("yes", "no"), "no")
        receives = "parties" if brings == "yes" else "parties-and-coordinator"
        minimum = self._whole("Fewest rows of a group that is shown", 5, least=2)
        rows = self._whole("Most rows of one party", 1_000_000)
        missing = self._choice("Rows that lack a value", ("leave-out", "refuse"), "leave-out")
        return (
            f"title = {_text(title)}\npurpose = {_text(purpose)}\nparties = {parties}\n"
            f"receives = {_text(receives)}\nminimum_group = {minimum}\nmaximum_rows = {rows}\n"
            f"missing = {_text(missing)}\n"
        )

    def _ask_columns(self) -> list[str]:
        self._say("Columns of every party's table; an empty name ends the list.")
        out: list[str] = []
        while True:
            name = self._line("Column", "" if out else None)
            if not name:
                return out
            if name in self._columns:
                self._say("  it is there already")
                continue
            kind = self._choice("  Type", _TYPES, "number")
            lines = [f"[columns.{_text(name)}]", f"type = {_text(kind)}"]
            categories: list[str] = []
            if kind == "category":
                while len(categories) < 2:
                    categories = self._list("  Categories")
                lines.append(f"categories = {_list(categories)}")
            else:
                lines += self._bounds(kind)
            self._columns[name] = (kind, tuple(categories))
            out.append("\n".join(lines) + "\n")

    def _bounds(self, kind: str) -> list[str]:
        is_date = kind == "date"
        unit = [] if is_date else [self._line("  Unit", "")]
        lines = [f"unit = {_text(unit[0])}"] if unit and unit[0] else []
        while True:
            least = self._number("  Smallest value", is_date=is_date)
            most = self._number("  Largest value", is_date=is_date)
            if least < most if is_date else Decimal(least) < Decimal(most):
                break
            self._say("  the largest value is to be above the smallest")
        lines += [f"minimum = {least}", f"maximum = {most}"]
        if kind == "number":
            lines.append(f"decimals = {self._whole('  Decimals', 2, least=0)}")
        return lines

    def _ask_filters(self) -> list[str]:
        self._say("Which rows count; an empty column ends the list.")
        out = []
        while name := self._line("Only rows where the column", ""):
            if name not in self._columns:
                self._say("  there is no such column")
                continue
            kind, categories = self._columns[name]
            signs = ("=", "!=") if kind == "category" else ("=", "!=", "<", "<=", ">", ">=")
            sign = self._choice("  is", signs)
            value = (
                _text(self._choice("  the category", categories))
                if kind == "category"
                else self._number("  the value", is_date=kind == "date")
            )
            out.append(f"[[filter]]\ncolumn = {_text(name)}\nop = {_text(sign)}\nvalue = {value}\n")
        return out

    def _ask_statistics(self, before: Sequence[str] | None) -> list[str]:
        """Ask for statistics.

        Args:
            before: The parts that each has to fit; None where they do not even fit each other.
        """
        self._say("What is computed; an empty kind ends the list.")
        out: list[str] = []
        while True:
            kind = self._choice("Statistic", _KINDS, "" if out else "count")
            if not kind:
                return out
            if lacking := self._lacking(kind):
                self._say(f"  that takes {lacking}")
                continue
            lines = [f"[[statistic]]\nkind = {_text(kind)}", *self._ask_statistic(kind)]
            statistic = "\n".join(lines) + "\n"
            if before is None or self._does([*before, *out, statistic]):
                out.append(statistic)

    def _lacking(self, kind: str) -> str:
        """Return which columns a statistic would need that the study does not have."""
        categories = [name for name, (type_, _) in self._columns.items() if type_ == "category"]
        numbers = len(self._columns) - len(categories)
        if kind in ("covariance", "correlation") and numbers < 2:
            return "two columns of numbers or dates"
        if kind == "crosstab" and len(categories) < 2:
            return "two category columns"
        if kind == "proportion" and not categories:
            return "a category column"
        if kind == "t-test" and not self._groups:
            return "a column that is grouped by"
        if kind == "regression" and len(self._columns) < 2:
            return "two columns"
        if kind not in ("count", "proportion", "crosstab") and not numbers:
            return "a column of numbers or dates"
        return ""

    def _ask_statistic(self, kind: str) -> list[str]:
        numeric = ("number", "integer", "date")
        if kind == "count":
            return []
        if kind in _SIMPLE:
            return [f"column = {self._one('  Of which column', numeric)}"]
        if kind == "weighted-mean":
            return [
                f"column = {self._one('  Of which column', numeric)}",
                f"weight = {self._one('  Weighted by', numeric)}",
            ]
        if kind in _GRIDS:
            column = self._one("  Of which column", numeric)
            return [f"column = {column}", f"bins = {self._whole('  Cells of the grid', 20)}"]
        if kind == "proportion":
            name = self._column("  Of which column", ("category",))
            chosen = self._choice("  The share of", self._columns[name][1])
            return [f"column = {_text(name)}", f"category = {_text(chosen)}"]
        if kind == "crosstab":
            return [
                f"rows = {self._one('  Rows', ('category',))}",
                f"columns = {self._one('  Columns', ('category',))}",
            ]
        if kind in ("covariance", "correlation"):
            return [f"columns = {_list(self._names('  Of which columns', kinds=numeric, least=2))}"]
        if kind == "t-test":
            return self._ask_t_test()
        return [
            f"outcome = {self._one('  Outcome', numeric)}",
            f"predictors = {_list(self._names('  Predictors'))}",
        ]

    def _ask_t_test(self) -> list[str]:
        column = self._one("  Of which column", ("number", "integer", "date"))
        between = self._choice("  Between the groups of", self._groups)
        lines = [f"column = {column}", f"between = {_text(between)}"]
        categories = self._columns[between][1]
        if len(categories) > 2:
            first = self._choice("  One group", categories)
            second = self._choice(
                "  The other", [category for category in categories if category != first]
            )
            lines.append(f"categories = {_list([first, second])}")
        return lines


def _text(value: str) -> str:
    """Return a TOML text: JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
