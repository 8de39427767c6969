"""The known-answer vectors: what stands in tests/vectors, held against package and reference."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.errors import P2PMPCError, exit_code_of
from p2pmpc.identity import SealingPublicKey
from tests import make_vectors, reference_sealing, vector_cases, vector_messages, vector_rounds
from tests.vector_cases.case import ERRORS, fixed
from tests.vector_operations import OPERATIONS, Json

assert vector_messages  # it registers its operations
assert vector_rounds

FILES = {
    path.stem: json.loads(path.read_text()) for path in sorted(make_vectors.FOLDER.glob("*.json"))
}
every_file = pytest.mark.parametrize("topic", FILES)


def shared(topic: str, case: Json) -> Json:
    """Return a case's input, with what the file's cases share."""
    return {**case["input"], "shared": FILES[topic]}


def parameters(kind: str) -> list[Any]:
    """Return a test's parameters: every case of a kind."""
    return [
        pytest.param(topic, case, id=f"{topic}-{k}")
        for topic, content in FILES.items()
        for k, case in enumerate(content[kind])
    ]


@pytest.mark.parametrize(("topic", "case"), parameters("must_accept"))
def test_the_package_accepts(topic: str, case: Json) -> None:
    """What must be accepted is, and yields exactly what the reference made of it."""
    assert OPERATIONS[case["operation"]](shared(topic, case)) == case["output"]


@pytest.mark.parametrize(("topic", "case"), parameters("must_reject"))
def test_the_package_refuses(topic: str, case: Json) -> None:
    """What must be refused is, with the error that the protocol gives it."""
    with pytest.raises(P2PMPCError) as caught:
        OPERATIONS[case["operation"]](shared(topic, case))
    assert exit_code_of(caught.value) == case["exit_code"], caught.value
    assert ERRORS[case["exit_code"]] == case["error"]


def test_the_files_are_what_the_script_makes() -> None:
    """No vector has been edited by hand, and the reference still yields every one."""
    assert not make_vectors.differing(make_vectors.texts())


def test_there_are_enough_cases_that_must_be_refused() -> None:
    """At least a hundred, each saying what is wrong, and every operation is used."""
    refused = [case for content in FILES.values() for case in content["must_reject"]]
    accepted = [case for content in FILES.values() for case in content["must_accept"]]
    assert len(refused) >= 100
    assert all(case["why"] for case in refused)
    assert {case["operation"] for case in accepted + refused} == OPERATIONS.keys()


def test_the_reference_shares_no_code_with_the_package() -> None:
    """Neither the reference nor what makes the vectors imports the package."""
    tests = Path(__file__).parent
    paths = [*tests.glob("reference*.py"), *Path(vector_cases.__path__[0]).glob("*.py")]
    assert len(paths) > 5
    for path in [*paths, tests / "make_vectors.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            assert not [name for name in names if name.split(".")[0] == "p2pmpc"], path.name


@every_file
def test_every_file_is_described(topic: str) -> None:
    """The README beside the files tells of each file and of each of its operations."""
    text = (make_vectors.FOLDER / "README.md").read_text()
    assert f"### `{topic}.json`" in text
    content = FILES[topic]
    for case in [*content["must_accept"], *content["must_reject"]]:
        assert f"**{case['operation']}**" in text
        for name in [*case["input"], *case.get("output", {})]:
            assert f"`{name}`" in text, f"{topic}: {name}"


def test_the_reference_opens_what_the_package_seals() -> None:
    """Seals of the package cannot be known in advance, but the reference reads each of them."""
    seed, info = fixed("sealing key of 1", 96), b"info"
    public = SealingPublicKey(reference_sealing.sealing_public_key(seed))
    for size in (0, 1, 70):
        sealed = public.seal(fixed("anything", size), info)
        assert reference_sealing.unseal(seed, sealed, info) == fixed("anything", size)
        assert reference_sealing.unseal(seed, sealed, b"another info") is None
