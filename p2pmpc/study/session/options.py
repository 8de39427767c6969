"""The options of whoever takes part in a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from p2pmpc.app import whole_number

_WHO = Group("Who you are, and where", sort_key=1)
_AGREE = Group("What you agree to", sort_key=2)
_OUT = Group("The result", sort_key=5)

JOIN_SECONDS = 3600.0


def _option(help_text: str, group: Group, **more: object) -> Parameter:
    return Parameter(help=help_text, group=group, negative="", **more)  # type: ignore[arg-type]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What one who takes part in a study says beside the study and the data; see the help of each."""

    key: Annotated[
        Path | None,
        _option("A key file, made if there is none; by default the one of `p2pmpc init`.", _WHO),
    ] = None
    name: Annotated[
        str,
        _option(
            "What people call you; by default as the study names your ID.", _WHO, show_default=False
        ),
    ] = ""
    listen: Annotated[
        str | None, _option("Listen at HOST:PORT; port 0 takes a free one.", _WHO)
    ] = None
    advertise: Annotated[
        str | None, _option("HOST:PORT under which the others reach you.", _WHO)
    ] = None
    timeout: Annotated[
        float, _option("Seconds without progress after which the run ends.", _WHO)
    ] = 120.0
    join_timeout: Annotated[
        float, _option("Seconds to wait for the others, and for what they agree to.", _WHO)
    ] = JOIN_SECONDS

    own_minimum: Annotated[
        int,
        _option(
            "Hold back every group of which you have some rows, but fewer than this.",
            _AGREE,
            converter=whole_number,
        ),
    ] = 0
    yes: Annotated[
        bool, _option("Answer yes, in advance, to the question asked before data leaves.", _AGREE)
    ] = False
    accept_differencing: Annotated[
        bool,
        _option(
            "Take part although the same data were in a study among others: two totals may tell.",
            _AGREE,
        ),
    ] = False

    json: Annotated[bool, _option("Print the result as one JSON object.", _OUT)] = False
    csv: Annotated[Path | None, _option("Write the result to a CSV file.", _OUT)] = None
    report: Annotated[
        Path | None, _option("Write a report: one HTML page that needs nothing else.", _OUT)
    ] = None
    log_dir: Annotated[
        Path | None, _option("Where the evidence goes; logs/UTC-TIME by default.", _OUT)
    ] = None
