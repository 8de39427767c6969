"""What a study answers, as plain values: for the terminal, JSON, CSV and the report alike."""

from __future__ import annotations

from dataclasses import dataclass

from p2pmpc.study.kinds import Statistic

Entry = str | int | float | None
"""An entry of a table; None where it is not shown, since it speaks of fewer rows than the minimum."""


@dataclass(frozen=True)
class Level:
    """What rows an answer is about.

    Args:
        fixed: Columns of ``group_by`` with the category that the rows have; empty for all rows.
        cells: The groups that are within, by number.
    """

    fixed: tuple[tuple[str, str], ...]
    cells: tuple[int, ...]

    @property
    def label(self) -> str:
        """What people call it."""
        return ", ".join(f"{column} = {category}" for column, category in self.fixed) or "all"


@dataclass(frozen=True)
class Figure:
    """One number of an answer.

    Args:
        name: ``mean``, ``standard_error``: words of a program, joined by underscores.
        value: The number; None where it is not shown, or not defined.
        unit: Of the number; empty for pure numbers.
        error: How far rounding to the agreed resolution, or the grid, may have moved it; 0 where it is exact.
    """

    name: str
    value: float | int | None
    unit: str = ""
    error: float = 0.0


@dataclass(frozen=True)
class Table:
    """Numbers of an answer that belong together.

    Args:
        name: ``bins``, ``counts``, ``coefficients``, ``covariance``, ``correlation``, ``quantiles``.
        columns: Headings.
        rows: As many entries each as there are headings.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True)
class Answer:
    """What a statistic says of a level.

    Args:
        statistic: Which.
        level: Of which rows.
        rows: How many rows it is of, unweighted.
        figures: Its numbers.
        tables: Its tables.
        withheld: Why there is no answer; empty where there is one.
        remarks: What whoever reads it should know: rows left out, predictors that depend on each other.
    """

    statistic: Statistic
    level: Level
    rows: int
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    withheld: str = ""
    remarks: tuple[str, ...] = ()

    def figure(self, name: str) -> Figure:
        """Return a figure by its name.

        Raises:
            KeyError: There is none.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


@dataclass(frozen=True)
class Participant:
    """Who took part.

    Args:
        name: What it calls itself.
        id: Its ID, as people compare it.
        brings_data: Whether it contributed.
        confirmed: Whether it confirmed the totals.
        invited: Whether it is the coordinator, who invited the others.
    """

    name: str
    id: str
    brings_data: bool
    confirmed: bool
    invited: bool = False


@dataclass(frozen=True)
class Result:
    """The whole answer to a study.

    Args:
        answers: By statistic, then by level.
        levels: All levels, the suppressed groups not among them.
        suppressed: Labels of groups that have rows and are left out, with the reason.
        rows: Rows of all groups that are shown.
        participants: Who took part.
        study_digest: SHA-256 of the study file, hex.
        session: The session id, hex.
        transcripts: Digests of both rounds' transcripts, hex.
        date: When it was opened, in UTC, ISO 8601.
        field: What carried the numbers.
        files: Where the evidence is: transcripts, receipts, log.
    """

    answers: tuple[Answer, ...]
    levels: tuple[Level, ...]
    suppressed: tuple[tuple[str, str], ...]
    rows: int
    participants: tuple[Participant, ...]
    study_digest: str
    session: str
    transcripts: tuple[str, ...]
    date: str
    field: str
    files: str
