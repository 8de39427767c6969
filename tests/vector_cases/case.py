"""What a file of vectors is made of, and how it is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

FORMAT = "p2pmpc-vectors 1"

UNUSABLE, VIOLATION, FAILED, DISAGREEMENT = 2, 4, 5, 6
ERRORS = {
    UNUSABLE: "unusable",
    VIOLATION: "violation",
    FAILED: "verification failed",
    DISAGREEMENT: "disagreement",
}
"""What an exit code stands for."""


def fixed(name: str, size: int = 32) -> bytes:
    """Return bytes that look random and are the same for ever: nobody's secret, never to be used."""
    text = f"p2pmpc test vectors: {name}"
    blocks = [hashlib.sha256(text.encode()).digest()]
    while 32 * len(blocks) < size:
        blocks.append(hashlib.sha256(f"{text}, {len(blocks)}".encode()).digest())
    return b"".join(blocks)[:size]


def flipped(data: bytes, place: int, by: int = 1) -> bytes:
    """Return bytes with some bits of one byte flipped."""
    place %= len(data)
    return data[:place] + bytes([data[place] ^ by]) + data[place + 1 :]


def decimals(values: Sequence[int]) -> list[str]:
    """Return integers as decimal texts: in JSON many readers round those beyond 2^53."""
    return [str(value) for value in values]


@dataclass
class Topic:
    """The cases of one file.

    Args:
        name: Of the file, without its ending.
        section: Where the protocol's description defines what is tested.
        about: One sentence for people.
        shared: Things that cases refer to by name.
    """

    name: str
    section: str
    about: str
    shared: Json = field(default_factory=dict)
    must_accept: list[Json] = field(default_factory=list)
    must_reject: list[Json] = field(default_factory=list)

    def accept(
        self, operation: str, name: str, given: Mapping[str, Any], yields: Mapping[str, Any]
    ) -> Json:
        """Add a case that must be accepted and yield exactly this, and return it."""
        case = {
            "name": name,
            "operation": operation,
            "input": dict(given),
            "output": dict(yields),
        }
        self.must_accept.append(case)
        return case

    def reject(
        self, operation: str, why: str, given: Mapping[str, Any], code: int = VIOLATION
    ) -> None:
        """Add a case that must be refused."""
        self.must_reject.append(
            {
                "why": why,
                "operation": operation,
                "input": dict(given),
                "error": ERRORS[code],
                "exit_code": code,
            }
        )

    def reject_changed(self, case: Json, why: str, code: int = VIOLATION, **changes: Any) -> None:
        """Add a case that must be refused: an accepted one with some of its input changed."""
        assert all(case["input"].get(name) != value for name, value in changes.items()), why
        self.reject(case["operation"], why, {**case["input"], **changes}, code)

    def render(self) -> str:
        """Return the text of the file."""
        self._check()
        content: Json = {
            "format": FORMAT,
            "topic": self.name,
            "specification": f"docs/protocol.md, {self.section}",
            "about": self.about,
            **self.shared,
            "must_accept": self.must_accept,
            "must_reject": self.must_reject,
        }
        return _render(content, "") + "\n"

    def _check(self) -> None:
        """Refuse to write a case twice, or one without its own name."""
        for cases, name in ((self.must_accept, "name"), (self.must_reject, "why")):
            names = [(case["operation"], case[name]) for case in cases]
            twice = {name for name in names if names.count(name) > 1}
            assert not twice, f"{self.name}: {twice}"
        inputs = [json.dumps([c["operation"], c["input"]]) for c in self.must_reject]
        again = [
            c["why"]
            for c, text in zip(self.must_reject, inputs, strict=True)
            if inputs.count(text) > 1
        ]
        assert not again, f"{self.name}: {again}"
        accepted = {json.dumps([c["operation"], c["input"]]) for c in self.must_accept}
        assert not accepted & set(inputs), self.name


def _render(value: Any, indent: str) -> str:
    """Return JSON with a line for every member, but lists of plain values on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {_render(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(inner + _render(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value)
