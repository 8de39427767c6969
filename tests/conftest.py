"""Hypothesis profiles, and the shell that several modules run commands in.

The profiles are ``default``; ``ci``, which draws the same examples every time; and ``planted``, likewise, for
bugs planted on purpose: there the first example that fails is as good as the smallest.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.processes import Shell

# A noisy machine must not fail a test that holds, so no example has a deadline.
settings.register_profile("default", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.register_profile(
    "planted", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# What a shell starts in the background ignores Ctrl-C, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Peers of tests keep what --resume needs in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Processes that tests start compile the package once, even where the tests may write no bytecode.

    Otherwise each of some hundred would compile all of it again, for a third of its CPU time.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="module")
def scenes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[None]]]:
    """The tests of a module that wait together, by name, as they are played; see :func:`together`."""
    chosen = [item for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(3) as pool:
        yield {
            item.name: pool.submit(item.obj.play, tmp_path_factory.mktemp("scene"))
            for item in chosen
            if isinstance(item, pytest.Function) and hasattr(item.obj, "play")
        }


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    """A shell in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("P2PMPC_VALUE", raising=False)
    monkeypatch.delenv("P2PMPC_WEIGHT", raising=False)
    return Shell(monkeypatch, capsys)
