"""The files that must be refused, one by one, and everything that fuzzing ever found."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from fuzz import codec, engine, hexfiles, make_corpus, session
from p2pmpc.errors import P2PMPCError, exit_code_of
from p2pmpc.frames import Limits
from tests.make_vectors import FOLDER

FILES = list(codec.refused_files())
LARGE = [given for given in FILES if given[0].parent.name.endswith("@thousand")]


def refusal(path: Path, name: str, limits: Limits) -> P2PMPCError:
    """Return what a file is refused with."""
    error = codec.answer(name, hexfiles.read(path), limits)
    assert error is not None, f"{path.parent.name}/{path.name} was accepted"
    return error


def test_every_file_is_refused() -> None:
    """Row 15: each ends with 4, and what is of another version with 6, in words that can be shown."""
    for path, name, limits in FILES:
        due = 6 if path.name.startswith("version-") else 4
        assert exit_code_of(refusal(path, name, limits)) == due, path.name


def test_large_files_are_refused_in_time() -> None:
    """Row 15: what is as large as it may be, and made to cost, takes 10 ms of this thread at most."""
    for path, name, limits in LARGE:
        data, seconds = hexfiles.read(path), []
        for _ in range(5):
            started = time.thread_time()
            codec.answer(name, data, limits)
            seconds.append(time.thread_time() - started)
            if seconds[-1] < codec.MOST_SECONDS / 3:
                break
        assert min(seconds) < codec.MOST_SECONDS, f"{path.parent.name}/{path.name}"


def test_large_files_are_refused_in_little_memory() -> None:
    """Row 15: a refusal takes 1 MiB at most beyond what was read; what may be evidence a few times its size."""
    for path, name, limits in LARGE:
        if name not in ("ROSTER", "ABORT"):  # the largest of those before a session, and in one
            continue
        data = hexfiles.read(path)
        is_evidence = name == "ABORT" and "one-byte-string" in path.name
        allowed = (1 << 20) + (4 * len(data) if is_evidence else 0)
        tracemalloc.start()
        try:
            codec.answer(name, data, limits)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < allowed, f"{path.parent.name}/{path.name}: {peak}"


def test_the_files_are_what_the_script_makes() -> None:
    """No file has been edited by hand, none is missing, and none is there twice."""
    made = make_corpus.texts()
    assert make_corpus.differing(made) == []
    assert len(made) == len(FILES) >= 200
    assert len({(path.parent, hexfiles.read(path)) for path, _, _ in FILES}) == len(FILES)


def test_the_files_repeat_no_vector() -> None:
    """What stands in tests/vectors as a case that must be refused does not stand here again."""
    vectors = json.loads((FOLDER / "messages.json").read_text())["must_reject"]
    bodies = {(c["input"]["kind"], c["input"]["body"]) for c in vectors if "body" in c["input"]}
    assert len(bodies) > 200
    for path, name, _ in FILES:
        assert (name, hexfiles.read(path).hex()) not in bodies, path.name


@pytest.mark.parametrize(
    "target", [codec.TARGET, session.TARGET], ids=lambda target: str(target.name)
)
def test_what_was_found_stays_mended(target: engine.Target) -> None:
    """Inputs that once failed, and those that every run begins with, hold what they are shown to hold."""
    for data in target.seeds():
        target.run(data)


def test_files_of_hex_can_be_read_and_written(tmp_path: Path) -> None:
    """Comments, digits over several lines and repetitions stand for the bytes they say."""
    parts: list[hexfiles.Part] = [bytes(range(100)), (3, b"ab"), b"c"]
    (tmp_path / "case.hex").write_text(hexfiles.render("what it tries", parts))
    data = hexfiles.read(tmp_path / "case.hex")
    assert data == hexfiles.whole(parts) == bytes(range(100)) + b"abababc"
