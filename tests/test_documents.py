"""Documents that repeat what the code says are held to it."""

from __future__ import annotations

from p2pmpc.field import M31
from p2pmpc.parameters import Parameters
from p2pmpc.wire import encode_parameters, parameters_digest
from tests.state_tables import PAGE, rewritten


def test_the_state_tables_are_those_of_the_code() -> None:
    """docs/protocol.md has the tables that drive the machine (`python -m tests.state_tables`)."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page)


def test_the_worked_example_of_parameters_is_right() -> None:
    """The bytes and the digest in the page are what the code makes of the same parameters."""
    example = Parameters(b"\x11" * 32, 3)
    assert example.arithmetic is M31
    page = "".join(PAGE.read_text(encoding="utf-8").split())
    assert encode_parameters(example).hex() in page
    assert parameters_digest(example).hex() in page
