"""Reads a study file from disk."""

from __future__ import annotations

from pathlib import Path

from p2pmpc.errors import ConfigurationError
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.model import Study
from p2pmpc.study_text import LONGEST_STUDY


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        ConfigurationError: It cannot be read.
        InputRefused: It cannot be used; names line and key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_STUDY + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the study file {path}: {error.strerror}",
            hint="write one with `p2pmpc study new`",
        ) from None
    return parse_study(text, str(path))
