"""The answer to a study, from what its two rounds opened: every statistic of every level."""

from __future__ import annotations

from collections.abc import Sequence

from p2pmpc.study.kinds import (
    Correlation,
    Count,
    Covariance,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Range,
    Regression,
    Statistic,
    Sum,
    TTest,
    Variance,
    WeightedMean,
)
from p2pmpc.study.levels import is_within, label_of, levels_of, named
from p2pmpc.study.plan import Plan, Summed, Totals
from p2pmpc.study.result import Answer, Level
from p2pmpc.study.statistics import grids, inference, matrices, moments, regression, tables
from p2pmpc.study.statistics.exact import Findings, Sums
from p2pmpc.study.statistics.hidden import Hidden, asked_of, hidden_of
from p2pmpc.study.terms import Cell

__all__ = ["answer", "levels_of"]


def answer(plan: Plan, totals: Totals) -> tuple[Answer, ...]:
    """Return all answers of a study, by statistic in the order of the study, then by level.

    A t-test has none at levels at which all rows are of one of the groups that it compares.

    Args:
        plan: The plan of the study.
        totals: What the second round opened.
    """
    levels = levels_of(plan.study, totals.opening)
    suppressed = {level: _suppressed_within(totals, level) for level in levels}
    answers: list[Answer] = []
    for statistic in plan.study.statistics:
        block = next(k for k, b in enumerate(plan.blocks) if statistic in b.statistics)
        hidden = hidden_of(statistic, block, totals)
        for level in levels:
            without = suppressed[level]
            if not isinstance(statistic, TTest):
                answers.append(_answer(statistic, block, totals, level, hidden, without))
            elif statistic.between not in dict(level.fixed):
                answers.append(_t_test(statistic, block, totals, level, without))
    return tuple(answers)


def _answer(
    statistic: Statistic,
    block: int,
    totals: Totals,
    level: Level,
    hidden: Hidden,
    suppressed: Sequence[Cell],
) -> Answer:
    """Return what one statistic says of one level."""
    summed = totals.over(block, level.cells)
    if summed is None:
        rows = sum(totals.opening.counts[k] for k in level.cells)
        return Answer(statistic, level, rows, withheld=_why_not(block, totals, level))
    found = _find(statistic, Sums(totals.plan.study, summed), hidden, level)
    left_out = [*_without(totals, suppressed), *_left_out(block, totals, level, summed)]
    return _stated(statistic, level, summed.rows, found, left_out)


def _stated(
    statistic: Statistic, level: Level, rows: int, found: Findings, left_out: Sequence[str]
) -> Answer:
    remarks = (*left_out, *found.remarks)
    return Answer(statistic, level, rows, found.figures, found.tables, found.withheld, remarks)


def _find(statistic: Statistic, sums: Sums, hidden: Hidden, level: Level) -> Findings:
    match statistic:
        case Proportion():
            place = asked_of(sums.study, statistic.column).index(statistic.category)
            is_hidden = bool(hidden.at(level)[place])
            return tables.proportion(statistic, sums, is_hidden=is_hidden)
        case Histogram():
            return grids.histogram(statistic, sums, hidden.at(level)[:-1].tolist())
        case CrossTab():
            return tables.crosstab(statistic, sums, hidden.at(level))
        case Range():
            return grids.smallest_and_largest(statistic, sums)
        case Quantiles():
            return grids.quantiles(statistic, sums)
        case Covariance():
            return matrices.covariance(statistic, sums)
        case Correlation():
            return matrices.correlation(statistic, sums)
        case Regression():
            return regression.regression(statistic, sums)
    return _moment(statistic, sums)


def _moment(statistic: Statistic, sums: Sums) -> Findings:
    match statistic:
        case Count():
            return moments.count(sums)
        case Sum():
            return moments.sum_of(statistic, sums)
        case Mean():
            return moments.mean(statistic, sums)
        case Variance():
            return moments.variance(statistic, sums)
        case WeightedMean():
            return moments.weighted_mean(statistic, sums)
    raise NotImplementedError(statistic.kind)


def _t_test(
    statistic: TTest, block: int, totals: Totals, level: Level, suppressed: Sequence[Cell]
) -> Answer:
    """Return a comparison of two groups within a level."""
    study = totals.plan.study
    place = study.group_by.index(statistic.between)
    sides: list[Sums] = []
    for category in statistic.categories:
        within = [k for k in level.cells if totals.plan.cells[k].categories[place] == category]
        summed = totals.over(block, within)
        if summed is None:
            why = f"no group with {statistic.between} = {category} is shown"
            return Answer(statistic, level, 0, withheld=why)
        sides.append(Sums(study, summed))
    first, second = sides
    found = inference.t_test(statistic, first, second)
    rows = first.summed.rows + second.summed.rows
    inside = [cell for cell in suppressed if cell.categories[place] in statistic.categories]
    return _stated(statistic, level, rows, found, _without(totals, inside))


# -- what is left out -----------------------------------------------------------------------------


def _why_not(block: int, totals: Totals, level: Level) -> str:
    """Return why nothing of a level is opened in a block."""
    if not level.cells:
        return (
            "no group is shown: each has fewer rows than the minimum or is held back by its parties"
        )
    needed = totals.plan.blocks[block].rows_needed
    if set(level.cells) & set(totals.opening.blocks[block].few):
        return (
            f"a category, or a value of two, has fewer than {totals.plan.study.minimum_group} rows, but "
            "some: it would speak of these few"
        )
    rows = sum(totals.opening.counts[k] for k in level.cells)
    rest = totals.opening.blocks[block].rest
    if rows >= needed and set(level.cells) & set(rest):
        labels = [label_of(totals.plan.study, totals.plan.cells[k]) for k in rest]
        return (
            f"opened only together ({named(labels)}), so that those of them that are too small by themselves "
            "count in all"
        )
    if rows >= needed and len(level.cells) > 1:
        return f"each of its groups has fewer than the {needed} rows that this needs"
    return f"{rows} rows are fewer than the {needed} that this needs"


def _left_out(block: int, totals: Totals, level: Level, summed: Summed) -> list[str]:
    """Return which shown rows of a level an answer is not of."""
    within = sum(totals.opening.counts[k] for k in level.cells)
    if summed.rows == within:
        return []
    needed = totals.plan.blocks[block].rows_needed
    own = totals.opening.blocks[block].own
    cells = totals.plan.cells
    labels = [label_of(totals.plan.study, cells[k]) for k in level.cells if not own[k]]
    few = set(level.cells) & set(totals.opening.blocks[block].few)
    rare = ", or with a rare category or value," if few else ""
    return [
        f"of {summed.rows} of {within} rows: groups of fewer than {needed} rows{rare} are left out "
        f"({named(labels)})"
    ]


def _suppressed_within(totals: Totals, level: Level) -> list[Cell]:
    """Return the suppressed groups that would belong to a level."""
    study, cells = totals.plan.study, totals.plan.cells
    if len(level.fixed) == len(study.group_by):
        return []
    return [cells[k] for k in totals.opening.suppressed if is_within(study, cells[k], level)]


def _without(totals: Totals, suppressed: Sequence[Cell]) -> list[str]:
    """Return the remark that some suppressed groups are not within."""
    if not suppressed:
        return []
    labels = [label_of(totals.plan.study, cell) for cell in suppressed]
    return [f"without suppressed groups: {named(labels)}"]
