"""The command ``p2pmpc data check``."""

from __future__ import annotations

import json as json_text
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from p2pmpc.errors import ConfigurationError, P2PMPCError, exit_code_of
from p2pmpc.progress import Meter, TextLines
from p2pmpc.study.data.check import check
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.report import Report
from p2pmpc.study.data.tables import TableReport, check_table, is_in_database
from p2pmpc.study.file.reading import load_study

data_app = App(name="data", help="Look at this party's data; nothing leaves the machine.")
_DEFAULTS = DataOptions()


@data_app.command(name="check")
def run_check(
    file: Annotated[
        str | None, Parameter(help="The file with this party's rows, or the URL of a database.")
    ] = None,
    *,
    study: Annotated[Path, Parameter(help="The study file.")] = Path("study.toml"),
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
    options: DataOptions = _DEFAULTS,
) -> int:
    """Hold a file against a study: rows, what is rejected and why, ranges, missing values.

    Rejected rows are written beside the file. Ends with 8 if any row is rejected.
    """
    try:
        if file is not None and options.data is not None:
            raise ConfigurationError("the data are named twice", hint="leave --data out")
        options = replace(options, data=file or options.data)
        lines = TextLines(sys.stderr)
        reading, computing = (
            Meter(lines.tell, "reading"),
            Meter(lines.tell, "computing", unit="percent"),
        )
        asked = load_study(study)
        report: Report | TableReport
        if is_in_database(options):
            report = check_table(asked, options)
        else:
            report = check(asked, options, reading.at, computing.at)
    except P2PMPCError as error:
        print(error.describe(), file=sys.stderr)
        return exit_code_of(error)
    print(json_text.dumps(report.to_json(), indent=2) if json else report.to_text())
    return report.exit_code
