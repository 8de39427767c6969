"""The names of a table's columns, and where the study's columns stand among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from p2pmpc.errors import ConfigurationError
from p2pmpc.study.data.faults import refused
from p2pmpc.study.model import Study

SHOWN = 40
_LIKE_DATA = re.compile(r"[+-]?[0-9][0-9.,'eE+-]*|[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}")


def find_columns(
    study: Study,
    renamed: Mapping[str, str],
    headers: Sequence[str],
    where: Callable[[int], str],
    *,
    trim: bool = False,
    hint: str = "",
) -> dict[str, int]:
    """Return where each column that the study uses stands.

    Args:
        study: Its ``used`` columns are looked for.
        renamed: What some of them are called in the data.
        headers: The names in the data.
        where: The place of a header, by its number.
        trim: Blanks around a header do not count.
        hint: What may be wrong where a column is missing.

    Raises:
        ConfigurationError: A column is renamed that the study does not have.
        InputRefused: A column is missing, or a name stands twice.
    """
    headers = [header.strip() if trim else header for header in headers]
    for name in renamed:
        if name not in study.columns:
            raise ConfigurationError(
                f"--column {name}=...: the study has no column {name}",
                hint=f"it has {', '.join(study.columns)}",
            )
    if any(_LIKE_DATA.fullmatch(header.strip()) for header in headers):
        raise refused(
            where(0),
            "this row holds numbers or dates, expected the names of the columns",
            hint="add a row of names, or say where it is with --header-row",
        )
    places: dict[str, int] = {}
    for number, header in enumerate(headers):
        if header and header in places:
            raise refused(
                where(number),
                f"the column {header!r} is there twice, first as column {places[header] + 1}",
                hint="rename one of them",
            )
        places.setdefault(header, number)
    return {name: _place(renamed.get(name, name), places, where(0), hint) for name in study.used}


def _place(header: str, places: Mapping[str, int], where: str, hint: str) -> int:
    if header in places:
        return places[header]
    there = [name for name in places if name]
    shown = ", ".join(repr(name) for name in there[:SHOWN])
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    raise refused(
        where,
        f"no column {header!r}, expected it among {shown or 'none'}{more}",
        hint=hint or "name it with --column NAME=HEADER if it is called otherwise here",
    )
