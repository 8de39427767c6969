"""What a total says about its inputs: the rule about revealing weights, held against counting."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import InputRefused
from p2pmpc.weights import COUNTED_VALUES, check_exposure, exposure
from tests.processes import Processes

NAMES = [f"peer-{k:02}" for k in range(1, 8)]


def totals(weights: tuple[int, ...], bound: int) -> Counter[int]:
    """Count how many inputs lead to each total, by trying all of them."""
    values = range(-bound, bound + 1)
    return Counter(
        sum(w * v for w, v in zip(weights, inputs, strict=True))
        for inputs in product(values, repeat=len(weights))
    )


def test_known_revealing_weights_are_refused_in_plain_words() -> None:
    """Weights that write the inputs side by side, or just happen to tell them apart, are refused."""
    for weights, bound in (((1, 1000, 10**6), 500), ((997, 1301, 1709, 2003), 3)):
        with pytest.raises(InputRefused, match="can work out everybody's input") as caught:
            check_exposure(exposure(weights, bound), NAMES, allowed=False)
        assert "--allow-revealing-weights" in caught.value.hint
    assert set(totals((997, 1301, 1709, 2003), 3).values()) == {1}


def test_an_override_turns_the_refusal_into_a_warning() -> None:
    """Where the parameters allow revealing weights, the same words are a warning."""
    warnings = check_exposure(exposure((1, 1000, 10**6), 500), NAMES, allowed=True)
    assert "can work out everybody's input" in warnings[0]


@given(st.lists(st.integers(1, 40), min_size=3, max_size=4), st.integers(1, 3))
def test_counts_agree_with_trying_all_inputs(sizes: list[int], bound: int) -> None:
    """Inputs and possible totals are counted rightly, and no total is told apart unnoticed."""
    weights = tuple(sizes)
    found, counted = exposure(weights, bound), totals(weights, bound)
    assert found.vectors == sum(counted.values())
    assert found.totals == max(counted) - min(counted) + 1
    if set(counted.values()) == {1}:
        assert found.reveals


@given(st.lists(st.integers(1, 40), min_size=3, max_size=4), st.integers(1, 3))
def test_a_pair_is_unique_exactly_when_its_sums_are(sizes: list[int], bound: int) -> None:
    """The pairs that n-2 colluders could read off are those whose sums never coincide."""
    found = exposure(sizes, bound).unique_pairs
    for i in range(len(sizes)):
        for j in range(i + 1, len(sizes)):
            unique = set(totals((sizes[i], sizes[j]), bound).values()) == {1}
            assert ((i, j) in found) == unique


@given(st.lists(st.integers(-40, 40).filter(bool), min_size=3, max_size=5), st.integers(1, 50))
def test_signs_change_nothing(weights: list[int], bound: int) -> None:
    """A negative weight says as much as a positive one of its size."""
    assert exposure(weights, bound) == exposure([abs(weight) for weight in weights], bound)


def test_a_common_factor_of_all_others_is_told() -> None:
    """Where all weights but one share a factor, a warning says whose input the total speaks of."""
    warnings = check_exposure(exposure((4, 6, 3, 2), 10**6), NAMES, allowed=False)
    assert warnings == [
        "all weights but that of peer-03 are divisible by 2: the total modulo 2 speaks of its "
        "input alone"
    ]


def test_thin_and_unique_exposures_are_told_and_comfortable_ones_are_not() -> None:
    """Few inputs a total, and pairs that colluders could read off, are warned about; else nothing."""
    thin = check_exposure(exposure((10, 9, 7), 10**6), NAMES, allowed=False)
    assert [text.split(" ")[0] for text in thin] == ["only"]
    pairs = check_exposure(exposure((1, 1, 1, 1001, 1001), 10**6), NAMES, allowed=False)
    assert any(
        "can both be read off the total (" not in text and "peer-01" in text for text in pairs
    )
    assert check_exposure(exposure((1, 2, 3, 4), 10**6), NAMES, allowed=False) == []
    assert check_exposure(exposure((7, 7, 7, 7), 10**6), NAMES, allowed=False) == []


def test_fewer_than_two_inputs_a_total_are_refused() -> None:
    """Totals that stand for one input more often than not are refused, though not all do."""
    found = exposure((1, 2, 5), 1)
    assert (found.vectors, found.totals) == (27, 17)
    assert found.reveals
    assert not exposure((1, 2, 3), 1).reveals


def test_equal_weights_are_never_refused() -> None:
    """A plain sum is what people ask for: with equal weights only its size is warned about."""
    assert not exposure((1, 1, 1), 1).reveals
    assert not exposure((5, -5, 5), 1).reveals


def test_wide_bounds_count_as_a_thousand_values() -> None:
    """A wide bound is no comfort: inputs are counted to take at most 1000 values."""
    assert exposure((1, 2, 3), 10**9).counted == COUNTED_VALUES


def test_a_swarm_with_revealing_weights_ends_with_8_unless_it_is_allowed(tmp_path: Path) -> None:
    """Row 18: every peer refuses revealing weights by itself, and the founder can allow them."""
    line = "3 --in-process --weights 1,1000,1000000 --bound 400 --json"
    with Processes(tmp_path, forks=True) as processes:
        running = [
            processes.swarm(f"{line} --log-dir refused"),
            processes.swarm(f"{line} --log-dir allowed --allow-revealing-weights"),
        ]
        refused, allowed = [swarm.end() for swarm in running]
    assert refused.code == 8
    assert refused.json["exit_codes"] == [8, 8, 8]
    assert refused.json["total"] is None
    assert "these weights reveal inputs" in refused.err
    assert allowed.code == 0
    assert allowed.json["total"] == allowed.json["expected"]
