"""All bugs, in the order of the package's rooms."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug
from tests.planted.admission import ADMISSION
from tests.planted.agreement import AGREEMENT
from tests.planted.arithmetic import ARITHMETIC
from tests.planted.garbage import GARBAGE
from tests.planted.links import LINKS
from tests.planted.messages import MESSAGES
from tests.planted.records import RECORDS
from tests.planted.resume import RESUME
from tests.planted.round import ROUND
from tests.planted.rounds import ROUNDS
from tests.planted.studies import STUDIES

ALL: Final[tuple[Bug, ...]] = (
    *ARITHMETIC,
    *MESSAGES,
    *AGREEMENT,
    *ROUND,
    *ROUNDS,
    *RECORDS,
    *LINKS,
    *GARBAGE,
    *ADMISSION,
    *RESUME,
    *STUDIES,
)
