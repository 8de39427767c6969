"""Which counts of a statistic's tables are hidden, at all levels together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p2pmpc.study.kinds import CrossTab, Histogram, Proportion, Statistic
from p2pmpc.study.masking import Mask, masked
from p2pmpc.study.model import Study
from p2pmpc.study.plan import Totals
from p2pmpc.study.result import Level
from p2pmpc.study.statistics.exact import Sums
from p2pmpc.study.terms import Is, Monomial, terms_of


@dataclass(frozen=True)
class Hidden:
    """What is hidden of a statistic.

    Args:
        study: The study.
        mask: First by the categories of the columns of ``group_by``, then by the table's own axes, each
            with its total last; empty where nothing is hidden.
    """

    study: Study
    mask: Mask

    def at(self, level: Level) -> Mask:
        """Return what is hidden of the table of a level, with its totals."""
        fixed = dict(level.fixed)
        where = tuple(
            self.study.columns[name].categories.index(fixed[name]) if name in fixed else -1
            for name in self.study.group_by
        )
        result: Mask = self.mask[where]
        return result


def asked_of(study: Study, column: str) -> tuple[str, ...]:
    """Return the categories of a column whose proportions are asked for."""
    statistics = [s for s in study.statistics if isinstance(s, Proportion) and s.column == column]
    asked = {s.category for s in statistics}
    return tuple(c for c in study.columns[column].categories if c in asked)


def threshold_of(study: Study) -> int:
    """Return the least count that is of at least the minimum of rows, whatever these weigh."""
    return study.minimum_group * study.weight_bound


def hidden_of(statistic: Statistic, block: int, totals: Totals) -> Hidden:
    """Return what is hidden of a statistic.

    Proportions of one column are looked at together: the last category is what the others leave.

    Args:
        statistic: Which.
        block: Where its terms are.
        totals: What the second round opened.
    """
    study = totals.plan.study
    shape: tuple[int, ...]
    match statistic:
        case Histogram():
            shape = (len(statistic.edges) - 1,)
        case CrossTab():
            shape = tuple(len(study.columns[name].categories) for name in statistic.columns)
        case Proportion():
            asked = asked_of(study, statistic.column)
            is_partial = len(asked) < len(study.columns[statistic.column].categories)
            shape = (len(asked) + is_partial,)
        case _:
            return Hidden(study, np.zeros(0, dtype=bool))
    shown = totals.opening.shown
    size = int(np.prod(shape))
    counts = np.zeros((len(shown), size), dtype=object)
    for group, is_shown in enumerate(shown):
        if is_shown:
            counts[group] = _counts(statistic, block, totals, group, size)
    groups = tuple(len(study.columns[name].categories) for name in study.group_by)
    absent = ~np.array(shown, dtype=bool).reshape(groups)
    mask = masked(counts.reshape(*groups, *shape), threshold_of(study), len(shape), absent)
    return Hidden(study, mask)


def _counts(
    statistic: Statistic, block: int, totals: Totals, group: int, size: int
) -> Sequence[int]:
    """Return the counts of one group, without totals."""
    summed = totals.over(block, [group])
    assert summed is not None, "simple statistics are opened for every group that is shown"
    study = totals.plan.study
    if isinstance(statistic, Proportion):
        column = statistic.column
        asked = [
            summed.number(Monomial.of(Is(column, category))) for category in asked_of(study, column)
        ]
        return [*asked, Sums(study, summed).n - sum(asked)][:size]
    (term,) = terms_of(statistic, study)
    return summed.values[term]
