"""Public weights: what a person may write, and what follows from their number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import InputRefused
from p2pmpc.weights import (
    LARGEST_WEIGHT,
    check_contributors,
    check_private_weight,
    check_weight,
    opening_threshold,
    parse_weight,
    total_magnitude,
)
from tests.strategies import weights


@given(weights)
def test_weights_survive_their_text(weight: int) -> None:
    """Every allowed weight is read as written, with a sign or without."""
    assert parse_weight(f"{weight}") == weight
    assert parse_weight(f"{weight:+}") == weight


@pytest.mark.parametrize("text", ["", "1.5", "1e3", "0x10", "one", "nan", "inf", "1,0", "--1", "½"])
def test_what_is_no_integer_is_no_weight(text: str) -> None:
    """A weight that is no whole number is refused; it may be private, and is not repeated."""
    with pytest.raises(InputRefused, match="is not an integer") as caught:
        parse_weight(text)
    assert not text or text not in caught.value.message.replace("a weight is not an integer", "")
    assert "scale" in caught.value.hint


@pytest.mark.parametrize("text", ["0", "-0", "+0"])
def test_a_weight_of_zero_observes(text: str) -> None:
    """A peer of weight 0 takes part without contributing."""
    assert parse_weight(text) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_end_at_their_largest_magnitude(sign: int) -> None:
    """|w| = 2^31 - 2 is the last weight; the next is refused, naming the limit."""
    assert check_weight(sign * 2147483646) == sign * 2147483646
    with pytest.raises(InputRefused, match="magnitudes end at 2147483646"):
        check_weight(sign * 2147483647)


@given(st.lists(weights, max_size=9))
def test_magnitudes_add_up_without_signs(drawn: list[int]) -> None:
    """The sum of |w_i| is what bounds and accumulators are made for."""
    assert total_magnitude(drawn) == sum(max(weight, -weight) for weight in drawn)
    assert total_magnitude([LARGEST_WEIGHT] * 1000) == 1000 * LARGEST_WEIGHT


@pytest.mark.parametrize(
    ("contributors", "threshold"), [(2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (1000, 501)]
)
def test_opening_takes_a_majority(contributors: int, threshold: int) -> None:
    """t = floor(n/2) + 1: two sets that open always share a member."""
    assert opening_threshold(contributors) == threshold


@pytest.mark.parametrize("allow_two", [False, True])
def test_three_contributors_are_enough(allow_two: bool) -> None:
    """From three on nothing has to be allowed, and below two nothing can be."""
    check_contributors(3, allow_two=allow_two)
    for few in (0, 1):
        with pytest.raises(InputRefused, match=f"at least 3 contributors, not {few}"):
            check_contributors(few, allow_two=allow_two)


def test_two_contributors_have_to_be_allowed() -> None:
    """Two are refused with the reason, unless they are meant."""
    check_contributors(2, allow_two=True)
    with pytest.raises(InputRefused, match="each learns the other's input") as caught:
        check_contributors(2, allow_two=False)
    assert "--allow-two" in caught.value.hint


@pytest.mark.parametrize("sign", [1, -1])
def test_private_weights_end_at_their_bound(sign: int) -> None:
    """A weight of either sign is held to the agreed bound, and is not in the message."""
    check_private_weight(sign * 10, 10)
    with pytest.raises(InputRefused, match="the agreed bound of 10") as caught:
        check_private_weight(sign * 11, 10)
    assert "11" not in caught.value.describe()
