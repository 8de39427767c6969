"""Checks a party's file against a study, on the party's machine and for its eyes alone."""

from __future__ import annotations

from p2pmpc.sources import Watch, unwatched
from p2pmpc.study.data.files import opened
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.report import Report
from p2pmpc.study.model import Study


def check(
    study: Study, options: DataOptions, watch: Watch = unwatched, computing: Watch = unwatched
) -> Report:
    """Check a party's file, and write its rejected rows beside it.

    Args:
        study: The study.
        options: Where the rows are, and how they are written.
        watch: Told how far the reading is.
        computing: Told how far the engine's queries are, in hundredths.

    Raises:
        ConfigurationError: The options or the installation do not fit.
        InputRefused: The file cannot be read as a table with the study's columns.
        ResourceExhausted: The rejected rows cannot be written, or the memory does not suffice.
    """
    with opened(study, options, watch, computing, writes=True) as (_, report):
        return report


__all__ = ["Report", "check"]
