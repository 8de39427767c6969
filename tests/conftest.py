"""Hypothesis profiles: ``default``; ``ci``, which draws the same examples every time; ``planted``, likewise.

``planted`` is for bugs planted on purpose: the first example that fails is as good as the smallest.
"""

from __future__ import annotations

import os

from hypothesis import Phase, settings

# A noisy machine must not fail a test that holds, so no example has a deadline.
settings.register_profile("default", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.register_profile(
    "planted", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("ci" if os.environ.get("CI") else "default")
