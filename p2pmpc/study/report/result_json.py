"""A result as JSON, for programs: its keys are described in docs/report.md, and stay."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any, Final

from p2pmpc.study.kinds import Statistic
from p2pmpc.study.model import Study
from p2pmpc.study.report.words import is_defined
from p2pmpc.study.result import Answer, Entry, Figure, Level, Result, Table

FORMAT: Final = "p2pmpc study result 1"


def to_json(study: Study, result: Result) -> str:
    """Return a result as JSON in ASCII that ends with a line feed.

    Integers stay integers, other numbers have as many digits as tell them from their neighbours, and
    what is not shown is null.

    Args:
        study: What was asked.
        result: What was answered.
    """
    value = {
        "format": FORMAT,
        "study": {
            "title": study.title,
            "purpose": study.purpose,
            "digest": result.study_digest,
            "group_by": list(study.group_by),
            "minimum_group": study.minimum_group,
            "minimum_parties": study.minimum_parties,
        },
        "session": result.session,
        "date": result.date,
        "field": result.field,
        "transcripts": list(result.transcripts),
        "files": result.files,
        "participants": [dataclasses.asdict(one) for one in result.participants],
        "rows": result.rows,
        "levels": [_level(level) for level in result.levels],
        "suppressed": [{"group": group, "reason": reason} for group, reason in result.suppressed],
        "answers": [_answer(answer) for answer in result.answers],
    }
    return json.dumps(value, allow_nan=False, indent=1) + "\n"


def _level(level: Level) -> dict[str, Any]:
    return {"label": level.label, "fixed": dict(level.fixed)}


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "statistic": _statistic(answer.statistic),
        "level": _level(answer.level),
        "rows": answer.rows,
        "withheld": answer.withheld or None,
        "remarks": list(answer.remarks),
        "figures": {figure.name: _figure(figure) for figure in answer.figures},
        "tables": {table.name: _table(table) for table in answer.tables},
    }


def _statistic(statistic: Statistic) -> dict[str, Any]:
    asked = {
        one.name: _parameter(getattr(statistic, one.name)) for one in dataclasses.fields(statistic)
    }
    return {"kind": statistic.kind, "title": statistic.title, **asked}


def _parameter(value: object) -> object:
    """Return what was asked as JSON has it: decimals become numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, tuple):
        return [_parameter(one) for one in value]
    return value


def _figure(figure: Figure) -> dict[str, Any]:
    is_shown = is_defined(figure.value)
    return {
        "value": figure.value if is_shown else None,
        "unit": figure.unit,
        "error": figure.error if is_defined(figure.error) else None,
        "shown": is_shown,
    }


def _table(table: Table) -> dict[str, Any]:
    rows = [[_entry(entry) for entry in row] for row in table.rows]
    is_shown = all(entry is not None for row in rows for entry in row)
    return {"columns": list(table.columns), "rows": rows, "shown": is_shown}


def _entry(entry: Entry) -> Entry:
    return entry if isinstance(entry, str) or is_defined(entry) else None
