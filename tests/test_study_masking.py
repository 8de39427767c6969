"""Counts of few rows are not shown, and cannot be had from those that are."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from p2pmpc.study import masking
from p2pmpc.study.masking import Mask, masked, with_totals

MINIMUM = 5

Array = npt.NDArray[np.object_]


def counts_of(*shape: int, largest: int = 12) -> st.SearchStrategy[Array]:
    """Return tables with many small counts."""
    few = st.one_of(st.integers(0, 6), st.integers(0, largest))
    return arrays.arrays(np.int64, shape, elements=few).map(lambda a: a.astype(object))


SHAPES = [
    ((2,), 1),
    ((6,), 1),
    ((2, 2), 2),
    ((3, 3), 2),
    ((3, 3), 1),
    ((2, 2, 2), 2),
    ((2, 2, 2), 1),
]
TABLES = st.sampled_from(SHAPES).flatmap(lambda one: st.tuples(counts_of(*one[0]), st.just(one[1])))


def has_enough(counts: Array, axes: int) -> bool:
    """Return whether every group has the minimum of rows: others are suppressed."""
    groups = counts.reshape(*counts.shape[: counts.ndim - axes], -1).sum(axis=-1)
    return bool(np.all(groups >= MINIMUM))


def undetermined(counts: Array, mask: Mask) -> Mask:
    """Return which totals and entries differ between tables that show the same.

    Every table is tried that differs by at most one row in each hidden entry. A hidden entry is known
    to be above zero where others are shown and no zero is hidden.
    """
    full = with_totals(counts).astype(np.int64)
    inner = tuple(slice(-1) for _ in counts.shape)
    places = np.argwhere(mask[inner])
    steps = np.array(list(product((-1, 0, 1), repeat=len(places))), dtype=np.int64)
    moved = np.zeros((len(steps), *full.shape), dtype=np.int64)
    for k, place in enumerate(places):
        for corner in product(*((at, -1) for at in place)):
            moved[(slice(None), *corner)] += steps[:, k]
    least = 0 if np.any(mask & (full == 0)) or np.all(mask[inner]) else 1
    tables = full + moved
    axes = tuple(range(1, full.ndim + 1))
    works = np.all((moved == 0) | mask, axis=axes) & np.all(tables >= least * mask, axis=axes)
    result: Mask = np.any(moved[works] != 0, axis=0)
    return result


@settings(max_examples=80, deadline=None)
@given(TABLES)
def test_no_hidden_entry_can_be_determined(drawn: tuple[Array, int]) -> None:
    """For each there is another table with the same entries shown, totals and other groups included."""
    counts, axes = drawn
    if has_enough(counts, axes):
        mask = masked(counts, MINIMUM, axes)
        assert np.array_equal(undetermined(counts, mask), mask)


@settings(max_examples=80, deadline=None)
@given(TABLES)
def test_every_small_count_is_hidden(drawn: tuple[Array, int]) -> None:
    """Small entries and totals are, the rows of a group are not, and without small ones nothing is."""
    counts, axes = drawn
    if not has_enough(counts, axes):
        return
    mask, full = masked(counts, MINIMUM, axes), with_totals(counts)
    small = (full > 0) & (full < MINIMUM)
    assert np.all(mask[small])
    rows = mask.reshape(*mask.shape[: mask.ndim - axes], -1)[..., -1]
    assert not np.any(rows)
    assert np.any(small) or not np.any(mask)


@settings(max_examples=80, deadline=None)
@given(counts_of(6))
def test_hidden_entries_of_a_line_are_not_few_together(counts: Array) -> None:
    """What is left of the rows of a group is not below the minimum either."""
    if has_enough(counts, 1):
        mask = masked(counts, MINIMUM)[:-1]
        assert not np.any(mask) or counts[mask].sum() >= MINIMUM


def test_the_smallest_other_entry_is_hidden() -> None:
    """One small bin takes the smallest other one along, and two that are few together a third."""
    assert masked(np.array([3, 0, 20, 9], object), MINIMUM).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert masked(np.array([1, 1, 20, 9], object), MINIMUM).tolist() == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert masked(np.array([2, 4, 20, 9], object), MINIMUM).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_box_is_hidden_in_two_dimensions() -> None:
    """With row and column totals shown, one small entry takes three others along."""
    counts = np.array([[3, 20, 30], [40, 9, 50], [60, 70, 80]], object)
    mask = masked(counts, MINIMUM)
    assert mask.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False] * 4,
        [False] * 4,
    ]


def test_zeros_are_hidden_where_all_others_are_single_rows() -> None:
    """Five bins of one row each would be known from their number."""
    mask = masked(np.array([1, 1, 1, 1, 1, 0], object), MINIMUM)
    assert mask[:-1].any()
    assert mask[5]


def test_what_all_and_the_other_group_show_does_not_tell() -> None:
    """A small bin of one group is not the difference of the same bin of all and of the other group."""
    mask = masked(np.array([[3, 30], [40, 50]], object), MINIMUM, 1)
    assert mask[0].tolist() == [True, True, False]
    assert mask[1].tolist() == [True, True, False]
    assert not mask[2].any()


def test_a_box_may_end_at_the_totals() -> None:
    """One row more in a bin is one more in the bin of all, and may be: both are hidden, and no zero is."""
    counts = np.array([[1, 4], [0, 20]], object)
    mask = masked(counts, MINIMUM, 1)
    assert mask[:, :-1].tolist() == [[True, True], [False, False], [True, True]]
    assert np.array_equal(undetermined(counts, mask), mask)


def test_a_group_that_is_not_there_hides_nothing() -> None:
    """A suppressed group has no table, and none of its zeros stands in for others."""
    counts = np.array([[1, 1, 1, 1, 1, 0], [0] * 6], object)
    mask = masked(counts, MINIMUM, 1, np.array([False, True]))
    assert not mask[1].any()
    assert mask[0, :5].any()


def test_a_table_of_nothing_but_small_counts_is_hidden_at_once(monkeypatch: Any) -> None:
    """Where most is small nothing is shown but the rows of each group."""
    monkeypatch.setattr(masking, "MOST_SMALL", 3)
    mask = masked(np.full((3, 5), 2, object), MINIMUM, 1, np.array([False, True, False]))
    assert mask[[0, 2, 3], :-1].all()
    assert not mask[:, -1].any()
    assert not mask[1].any()


@pytest.mark.parametrize("shape", [(40,), (12, 12), (6, 8, 3)])
def test_masking_ends(shape: tuple[int, ...]) -> None:
    """Tables of a usual size with many small counts."""
    counts = np.random.default_rng(1).poisson(4, shape).astype(object)
    mask = masked(counts, MINIMUM, 1)
    assert mask[..., :-1].any()
    assert not mask[..., -1].any()
