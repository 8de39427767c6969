"""From what both rounds opened to the result."""

from __future__ import annotations

from collections.abc import Sequence

from p2pmpc.study.answers import answer, levels_of
from p2pmpc.study.disclosure import Opening
from p2pmpc.study.model import Study
from p2pmpc.study.plan import Plan
from p2pmpc.study.plausible import check_counts, check_sums
from p2pmpc.study.result import Participant, Result


def make_result(
    plan: Plan,
    counts: Sequence[int],
    total: Sequence[int],
    *,
    participants: tuple[Participant, ...],
    session: str,
    transcripts: tuple[str, ...],
    date: str,
    files: str,
) -> Result:
    """Return the result of a study.

    Args:
        plan: The plan.
        counts: The first round's total.
        total: The second round's.
        participants: Who took part.
        session: The session id, hex.
        transcripts: Digests of both rounds' transcripts, hex.
        date: When it was opened.
        files: Where the evidence is.

    Raises:
        VerificationFailed: No honest parties can have these totals.
    """
    check_counts(plan, counts)
    opening = plan.opening(counts)
    check_sums(plan, opening, total)
    return Result(
        answers=answer(plan, plan.totals(opening, total)),
        levels=levels_of(plan.study, opening),
        suppressed=tuple(_suppressed(plan, opening)),
        rows=opening.rows,
        participants=participants,
        study_digest=plan.study.digest.hex(),
        session=session,
        transcripts=transcripts,
        date=date,
        field=plan.field,
        files=files,
    )


def _suppressed(plan: Plan, opening: Opening) -> list[tuple[str, str]]:
    """Return what people call each group that is left out, and why it is; not how large it is."""
    study, out = plan.study, []
    for index in opening.suppressed:
        reasons = []
        if opening.counts[index] < study.minimum_group:
            reasons.append(f"fewer than {study.minimum_group} rows")
        if opening.parties and opening.parties[index] < study.minimum_parties:
            reasons.append(f"rows of fewer than {study.minimum_parties} parties")
        if opening.held_back[index]:
            reasons.append("held back by a party's own rule")
        out.append((group_label(study, plan.cells[index].categories), " and ".join(reasons)))
    return out


def group_label(study: Study, categories: Sequence[str]) -> str:
    """Return what people call a group."""
    pairs = zip(study.group_by, categories, strict=True)
    return ", ".join(f"{column} = {category}" for column, category in pairs) or "all"
