"""What is remarked on the answers of a study, each remark once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from p2pmpc.study.kinds import Statistic
from p2pmpc.study.report.words import plain
from p2pmpc.study.result import Answer, Result


def shared_remarks(result: Result) -> tuple[str, ...]:
    """Return the remarks that hold for several statistics, each once; the sections are without them.

    Args:
        result: What was answered.
    """
    return tuple(f"{remark} ({_some(labels)})" for remark, labels in shared(result))


def shared(result: Result) -> list[tuple[str, list[str]]]:
    """Return the remarks that more than two statistics make of one level, with their levels."""
    made_by: dict[tuple[str, str], set[Statistic]] = {}
    for answer in result.answers:
        for remark in answer.remarks:
            made_by.setdefault((plain(remark), plain(answer.level.label)), set()).add(
                answer.statistic
            )
    found: dict[str, list[str]] = {}
    for (remark, label), statistics in made_by.items():
        if len(statistics) > 2:
            found.setdefault(remark, []).append(label)
    return list(found.items())


def remarks_of(
    answers: Iterable[Answer], said: Set[tuple[str, str]] = frozenset()
) -> dict[str, list[str]]:
    """Return each remark with the levels that it is of.

    Args:
        answers: Of one statistic.
        said: Remarks that are said elsewhere, with their levels.
    """
    found: dict[str, list[str]] = {}
    for answer in answers:
        label = plain(answer.level.label)
        for remark in dict.fromkeys(map(plain, answer.remarks)):
            if (remark, label) not in said:
                found.setdefault(remark, []).append(label)
    return found


def said_of(found: dict[str, list[str]], levels: int) -> Iterator[str]:
    """Yield remarks as sentences: with their levels, unless they are of all.

    Args:
        found: Each remark with its levels.
        levels: How many there are.
    """
    for remark, labels in found.items():
        yield remark if len(labels) == levels else f"{remark} ({_some(labels)})"


def _some(labels: Sequence[str]) -> str:
    more = len(labels) - 3
    return "; ".join(labels[:3]) + (f"; and {more} more" if more > 0 else "")
