"""Seeds that failed once: what went wrong, and how each was drawn. They run with the normal tests."""

from __future__ import annotations

from typing import Final

from tests.simulator.campaign import Drawing

KEPT: Final[tuple[tuple[int, Drawing, str], ...]] = (
    (12847, Drawing(), "an ABORT that names one honest peer twice passed for a pair"),
    (14470, Drawing(), "likewise, among six"),
)
"""Seed, drawing, and what failed."""
