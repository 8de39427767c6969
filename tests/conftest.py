"""Hypothesis profiles: ``default``, and ``ci``, which draws the same examples every time."""

from __future__ import annotations

import os

from hypothesis import settings

# A noisy machine must not fail a test that holds, so no example has a deadline.
settings.register_profile("default", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
