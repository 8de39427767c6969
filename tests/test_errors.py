"""Every error ends the program with its own exit code and says what a person needs."""

from __future__ import annotations

import pytest

from p2pmpc import errors
from p2pmpc.errors import (
    InputRefused,
    Interrupted,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    error_for_code,
    exit_code_of,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("P2PMPCError", 1),
        ("LocalProtocolError", 1),
        ("ConfigurationError", 2),
        ("PeerMissing", 3),
        ("RemoteProtocolError", 4),
        ("VerificationFailed", 5),
        ("AgreementFailed", 6),
        ("ResourceExhausted", 7),
        ("InputRefused", 8),
    ],
)
def test_every_error_has_its_exit_code(name: str, code: int) -> None:
    """The exit code of each class is part of the program's interface."""
    error = getattr(errors, name)("why")
    assert isinstance(error, P2PMPCError)
    assert exit_code_of(error) == code


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_signals_end_with_128_and_their_number(signal: int, code: int) -> None:
    """SIGINT and SIGTERM are told apart by the exit code."""
    error = Interrupted(signal, Revealed.MAYBE_TOTAL)
    assert exit_code_of(error) == code
    assert (error.message, error.revealed) == (f"stopped by signal {signal}", Revealed.MAYBE_TOTAL)


def test_the_code_of_another_peer_gives_its_error() -> None:
    """What concerns everybody keeps its code on its way to the others; all else is a lost peer."""
    kept = {code: error_for_code(code).exit_code for code in (3, 4, 5, 6, 8)}
    assert all(code == found for code, found in kept.items())
    assert {error_for_code(code) for code in (1, 2, 7, 130, 143, 255)} == {PeerMissing}


def test_an_error_says_what_was_revealed_and_what_is_next() -> None:
    """A person reads what happened, what it revealed and what to do."""
    error = PeerMissing("it is gone", hint="start again", revealed=Revealed.MAYBE_TOTAL)
    assert error.describe().splitlines() == [
        "error: it is gone",
        f"  revealed: {Revealed.MAYBE_TOTAL.value}",
        "  next: start again",
    ]
    assert PeerMissing("it is gone").describe().splitlines()[1:] == [
        f"  revealed: {Revealed.NOTHING.value}; running again is safe"
    ]
    assert InputRefused("too large").describe().splitlines()[1:] == [
        f"  revealed: {Revealed.NOTHING.value}"
    ]


def test_blame_is_added_to_the_same_error() -> None:
    """The boundary that knows a peer's name adds it to the error that came without one."""
    error = RemoteProtocolError("garbage", peers=(1,))
    assert str(error) == error.message == "garbage"
    assert set(error.peers) == {1}
    assert error.blaming(2, 3) is error
    assert set(error.peers) == {2, 3}
