"""Hypothesis profiles, and the shell that several modules run commands in.

The profiles are ``default``, and ``ci``, which draws the same examples every time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.processes import Shell

# A noisy machine must not fail a test that holds, so no example has a deadline.
settings.register_profile("default", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    """A shell in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("P2PMPC_VALUE", raising=False)
    monkeypatch.delenv("P2PMPC_WEIGHT", raising=False)
    return Shell(monkeypatch, capsys)
