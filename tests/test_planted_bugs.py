"""The table of planted bugs cannot rot: every bug can still be planted, and is still a program.

Whether the suite catches them is for ``python -m tests.planted_bugs`` to say.
"""

from __future__ import annotations

import ast
from functools import cache
from itertools import zip_longest

import pytest

from tests.planted import ROOT, Bug
from tests.planted.table import ALL


@cache
def statements(file: str) -> tuple[str, list[str]]:
    """Return the text of a file, and the tree of each of its statements as a text."""
    source = (ROOT / file).read_text(encoding="utf-8")
    return source, [ast.dump(statement) for statement in ast.parse(source).body]


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_every_bug_can_be_planted(bug: Bug) -> None:
    """The right text stands exactly once in its file, and what is planted is another program."""
    source, sound = statements(bug.file)
    planted = ast.parse(bug.planted(source))
    trees = zip_longest(planted.body, sound)
    assert any(tree is None or ast.dump(tree) != text for tree, text in trees)
    compile(planted, bug.file, "exec")


def test_the_tests_that_are_tried_first_exist() -> None:
    """A bug shown to a test that is gone would be caught by accident, or by nobody."""
    for selector in {selector for bug in ALL for selector in bug.tests}:
        path, _, test = selector.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8") or not test


def test_bugs_are_told_apart() -> None:
    """No two bugs have one name, and no two plant the same text in one place."""
    assert len({bug.name for bug in ALL}) == len(ALL)
    assert len({(bug.file, bug.old, bug.new) for bug in ALL}) == len(ALL)


def test_a_text_that_is_gone_is_noticed() -> None:
    """A bug whose place has changed, or is there twice, cannot be planted."""
    bug = Bug("a test", "somewhere.py", "old", "new", ())
    for source in ("another", "old old"):
        with pytest.raises(
            ValueError, match=r"somewhere\.py holds the text of 'a test' [02] times"
        ):
            bug.planted(source)
