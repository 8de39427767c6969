"""What a party does at home: its rows are read and checked, and become the sums of the study."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from p2pmpc.errors import InputRefused
from p2pmpc.study.conclusion import group_label
from p2pmpc.study.disclosure import holds_back
from p2pmpc.study.plan import Aggregates, Plan

Watch = Callable[[int, int], None]

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Home:
    """What a party has, once its rows have been read.

    Args:
        source: What people call its data.
        rows_used: How many rows count.
        rows_read: How many there are.
        aggregates: Its sums.
        made_of: A digest of the data, for the ledger; empty where there is none.
    """

    source: str
    rows_used: int = field(repr=False)
    rows_read: int = field(repr=False)
    aggregates: Aggregates = field(repr=False)
    made_of: bytes = field(default=b"", repr=False)


def digest_of_file(path: Path) -> bytes:
    """Return the SHA-256 of a file.

    Raises:
        InputRefused: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise InputRefused(f"cannot read {path}: {error.strerror}") from None
    return digest.digest()


def check_rows(plan: Plan, home: Home) -> None:
    """Refuse to bring nothing, or more than the study takes.

    Raises:
        InputRefused: No row counts, or there are too many.
    """
    if home.rows_used == 0:
        raise InputRefused(
            f"{home.source}: no row counts for this study, of {home.rows_read} that were read",
            hint="see `p2pmpc data check`: filters and missing values leave rows out",
        )
    if home.rows_used > plan.study.maximum_rows:
        raise InputRefused(
            f"{home.source}: {home.rows_used} rows count, and a party brings at most "
            f"{plan.study.maximum_rows}",
            hint="ask the coordinator for a study with a larger maximum_rows",
        )


def show_home(plan: Plan, home: Home, own_minimum: int) -> str:
    """Return, for the party's own terminal, what it brings: this never leaves the machine.

    Args:
        plan: Of the study.
        home: What it has.
        own_minimum: Its own rule.
    """
    lines = [
        f"From {home.source}: {home.rows_used} rows count, of {home.rows_read} that were read."
    ]
    if len(plan.cells) > 1:
        for cell, count in zip(plan.cells, home.aggregates.counts, strict=True):
            note = "   held back by you" if holds_back(count, own_minimum) else ""
            lines.append(f"  {count:>9}  {group_label(plan.study, cell.categories)}{note}")
    elif holds_back(home.rows_used, own_minimum):
        lines.append("  held back by you")
    return "\n".join(lines)
