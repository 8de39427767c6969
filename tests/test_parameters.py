"""Parameters: what no session can have, and how differences are shown."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from p2pmpc.errors import AgreementFailed, ConfigurationError, RemoteProtocolError
from p2pmpc.field import M61
from p2pmpc.parameters import Parameters, Stated

NONCE = bytes(range(32))
IDS = tuple(bytes([k]) * 32 for k in range(1, 5))


def parameters(**changes: Any) -> Parameters:
    """Return parameters for three peers, with changes."""
    return Parameters(**{"nonce": NONCE, "peers": 3, **changes})


@pytest.mark.parametrize(
    "allowed",
    [
        {},
        {"peers": 2, "allow_two": True},
        {"peers": 1000},
        {"length": 1 << 27},
        {"field": "m61", "fraction_bits": 52, "bound": (1 << 60) - 1},
        {"share_mode": "dense", "strict": True},
        {"allowed": IDS[:3]},
        {"allowed": IDS},
    ],
    ids=str,
)
def test_possible_parameters_are_accepted(allowed: dict[str, Any]) -> None:
    """The limits themselves are within the limits."""
    made = parameters(**allowed)
    assert all(getattr(made, name) == value for name, value in allowed.items())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nonce": bytes(31)}, "nonce has a wrong size"),
        ({"peers": 1}, r"2\.\.1000 peers"),
        ({"peers": 1001}, r"2\.\.1000 peers"),
        ({"field": "m127"}, "one of m31, m61"),
        ({"length": 0}, "the length is"),
        ({"length": (1 << 27) + 1}, "the length is"),
        ({"fraction_bits": -1}, "fraction bits"),
        ({"fraction_bits": 53}, "fraction bits"),
        ({"bound": -1}, "the bound"),
        ({"bound": 1 << 60}, "the bound"),
        ({"share_mode": "plain"}, "the share mode"),
        ({"sum_mode": "tree"}, "the sum mode"),
        ({"allowed": (bytes(31), *IDS[:2])}, "wrong size"),
        ({"allowed": IDS[::-1]}, "unsorted"),
        ({"allowed": (IDS[0], *IDS)}, "repeat"),
        ({"allowed": IDS[:2]}, "2 allowed IDs cannot fill a session of 3"),
    ],
)
def test_impossible_parameters_are_refused(changes: dict[str, Any], why: str) -> None:
    """What no session can have is a configuration error that says which part is wrong."""
    with pytest.raises(ConfigurationError, match=why):
        parameters(**changes)


def test_vectors_carry_one_more_element_on_the_wire() -> None:
    """The checksum coordinate stands behind the vector; the field is found by its name."""
    made = parameters(length=10, field="m61")
    assert made.extended_length == 11
    assert made.arithmetic is M61


@pytest.mark.parametrize(
    ("changes", "name", "shown"),
    [
        ({}, "nonce", "0001020304050607"),
        ({}, "bound", "automatic"),
        ({"bound": 40, "fraction_bits": 4}, "bound", "2.5"),
        ({}, "allowed", "anybody"),
        ({"allowed": IDS[:3]}, "allowed", "01010101,02020202,03030303"),
        ({"strict": True}, "strict", "true"),
        ({"length": 7}, "length", "7"),
        ({}, "field", "m31"),
    ],
)
def test_parameters_are_shown_as_people_write_them(
    changes: dict[str, Any], name: str, shown: str
) -> None:
    """Bounds are decimals, IDs short, nonces cut and truth values in small letters."""
    assert parameters(**changes).shown(name) == shown


def test_differences_show_both_values() -> None:
    """There is a line for every parameter that differs, and none for the others."""
    mine, theirs = parameters(length=7), parameters(length=9, share_mode="dense")
    assert mine.differences(theirs, here="here", there="at the founder") == [
        "length is 7 here and 9 at the founder",
        "share-mode is seeds here and dense at the founder",
    ]
    assert mine.differences(mine, here="here", there="there") == []


def test_nothing_stated_accepts_everything() -> None:
    """A joiner without options takes the founder's parameters, and says nothing of who joins."""
    offered = parameters(field="m61", length=7, bound=5, strict=True)
    Stated().check(offered)
    Stated(allowed=IDS).check(offered)
    Stated(peers=3, field="m61", length=7, fraction_bits=0, bound="5", strict=True).check(offered)


@pytest.mark.parametrize("text", ["2.5", "2.50", "+25e-1", "02.5"])
def test_a_stated_bound_is_compared_by_its_value(text: str) -> None:
    """However a bound is written, it is the same bound; a text that is none never is."""
    offered = parameters(bound=40, fraction_bits=4)
    Stated(bound=text).check(offered)
    for other in ("2.4", "2,5", "", "automatic"):
        with pytest.raises(AgreementFailed, match=f"--bound {other} here, 2.5 at the founder"):
            Stated(bound=other).check(offered)


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        (Stated(peers=4), "--peers 4 here, 3 at the founder"),
        (Stated(field="m61"), "--field m61 here, m31 at the founder"),
        (Stated(length=2), "--length 2 here, 1 at the founder"),
        (Stated(fraction_bits=8), "--fraction-bits 8 here, 0 at the founder"),
        (Stated(bound="7"), "--bound 7 here, 5 at the founder"),
        (Stated(share_mode="dense"), "--share-mode dense here, seeds at the founder"),
    ],
)
def test_stated_parameters_that_differ_are_refused(stated: Stated, shown: str) -> None:
    """A contradiction shows the option, its value here and its value at the founder."""
    with pytest.raises(AgreementFailed) as caught:
        stated.check(parameters(bound=5))
    assert caught.value.message.endswith(f": {shown}")


@pytest.mark.parametrize(
    ("stated", "option"),
    [(Stated(strict=True), "--strict"), (Stated(allow_two=True), "--allow-two")],
)
def test_stated_switches_that_differ_are_refused(stated: Stated, option: str) -> None:
    """A switch that is on here and off at the founder is a contradiction as well."""
    with pytest.raises(AgreementFailed, match=f"{option} .* at the founder$"):
        stated.check(parameters())


def test_all_contradictions_are_shown_at_once() -> None:
    """One attempt tells everything that has to change."""
    with pytest.raises(AgreementFailed, match=r"--peers 4 here.*; --length 2 here"):
        Stated(peers=4, length=2).check(parameters())


def test_a_study_is_the_text_of_its_digest() -> None:
    """A founder that shows another text than the parameters are bound to breaks the protocol."""
    offered = parameters(study=hashlib.sha256(b"one").digest())
    Stated(study=b"one").check(offered, b"one")
    with pytest.raises(RemoteProtocolError, match="another study"):
        Stated(study=b"two").check(offered, b"two")
    with pytest.raises(AgreementFailed, match="study files differ"):
        Stated(study=b"two").check(offered, b"one")
    with pytest.raises(AgreementFailed, match="brings none"):
        Stated().check(offered, b"one")
    with pytest.raises(AgreementFailed, match="has none"):
        Stated(study=b"two").check(parameters(), b"")
