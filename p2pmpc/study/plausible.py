"""What totals honest parties can have: whoever brings others is not asked, but found out as far as that goes.

A party can always bring numbers that are false and possible. What is impossible is refused, so that
nobody computes on it: a histogram with negative counts, squares that sum to less than their mean allows,
anything at all in the place of a group that is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pmpc.errors import Revealed, VerificationFailed
from p2pmpc.study.disclosure import BlockOpening, Opening
from p2pmpc.study.model import Study, WeightPolicy
from p2pmpc.study.plan import Plan
from p2pmpc.study.terms import ROWS, Block, Is, Monomial, Term, Value, largest_of, size_of


def check_counts(plan: Plan, total: Sequence[int]) -> None:
    """Refuse counts that no honest parties can have.

    Raises:
        VerificationFailed: They are negative, or larger than all parties together may bring.
    """
    parties = plan.study.number_of_parties
    counts, held_back, present, *watched = plan.first_parts(total)
    most = plan.study.maximum_rows * parties
    if (
        any(not 0 <= n <= most for n in counts)
        or sum(counts) > most
        or any(not 0 <= n <= parties for n in held_back)
        or any(not 0 <= n <= min(rows, parties) for n, rows in zip(present, counts, strict=False))
        or any(not 0 <= n <= rows for part in watched for n, rows in zip(part, counts, strict=True))
        or any(total[plan.first_length :])
    ):
        raise VerificationFailed(
            "the counts of the first round are none that honest parties can have: somebody brought "
            "something else",
            hint="nothing but these counts was opened; look at who takes part before another try",
        )


def check_sums(plan: Plan, opening: Opening, total: Sequence[int]) -> None:
    """Refuse sums that no honest parties can have.

    Args:
        plan: Of the study.
        opening: What the first round left.
        total: What the second round opened.

    Raises:
        VerificationFailed: They are impossible.
    """
    used = 0
    for number, block in enumerate(plan.blocks):
        for place, rows in _places(opening.blocks[number], opening.counts, block):
            slots = {}
            for term in block.terms:
                start = plan.slot(number, place, term)
                used = start + size_of(term, plan.study)
                slots[term] = total[start:used]
            if not (_is_possible(plan, number, slots, rows) if rows else _is_zero(slots)):
                raise _impossible()
    if any(total[used:]):
        raise _impossible()


def _impossible() -> VerificationFailed:
    return VerificationFailed(
        "the sums of the second round are none that honest parties can have: somebody brought something "
        "else",
        revealed=Revealed.TOTAL,
        hint="do not use them; look at who takes part before another try",
    )


def _places(opened: BlockOpening, counts: Sequence[int], block: Block) -> Iterator[tuple[int, int]]:
    """Yield every place of a block, and of how many rows it is opened; 0 where it is not."""
    for group, is_own in enumerate(opened.own):
        yield group, counts[group] if is_own else 0
    if block.has_rest:
        yield len(opened.own), sum(counts[k] for k in opened.rest)


def _is_zero(slots: dict[Term, Sequence[int]]) -> bool:
    return not any(any(numbers) for numbers in slots.values())


def _is_possible(plan: Plan, block: int, slots: dict[Term, Sequence[int]], rows: int) -> bool:
    study, n = plan.study, rows
    if study.weights is not WeightPolicy.ROWS:
        (n,) = slots[ROWS]
        if not rows <= n <= rows * study.weight_bound:
            return False
    single = {
        term: numbers[0] << plan.shifts[block][term]
        for term, numbers in slots.items()
        if isinstance(term, Monomial)
    }
    for term, numbers in slots.items():
        if not isinstance(term, Monomial):
            if min(numbers) < 0 or sum(numbers) != n:
                return False
        elif not _is_within(study, term, single, n, plan.error_of(block, term)):
            return False
    return True


def _is_within(
    study: Study, term: Monomial, single: dict[Monomial, int], n: int, error: int
) -> bool:
    """Return whether the sum of a product over n rows can be what it is."""
    value, most = single[term], n * largest_of(term, study) + error
    values = [factor for factor in term.factors if isinstance(factor, Value)]
    if not values:
        return 0 <= value <= n
    for factor in term.factors:
        if isinstance(factor, Is):  # so many rows at most have a value
            count = single.get(Monomial.of(factor), n)
            most = min(most, count * largest_of(term, study) + error)
    if len(values) == 2 and values[0] == values[1]:
        first = single.get(Monomial.of(values[0]), 0)
        return first * first <= n * (value + error) and value <= most
    if len(term.factors) == 1:
        column = study.columns[values[0].column]
        return (column.low - column.centre) * n <= value <= (column.high - column.centre) * n
    return abs(value) <= most
