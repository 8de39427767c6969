"""A study in plain words: what is computed, what leaves a machine, and who learns what."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from p2pmpc.identity import format_id
from p2pmpc.study.kinds import (
    CrossTab,
    OnGrid,
    Proportion,
    Quantiles,
    Regression,
    Statistic,
    TTest,
    WeightedMean,
)
from p2pmpc.study.model import Missing, Receives, Study, WeightPolicy
from p2pmpc.study.plan import Plan
from p2pmpc.study.report.described import describe_column, describe_filter, describe_watched
from p2pmpc.study.terms import (
    ROWS,
    Bins,
    Is,
    Monomial,
    Pairs,
    Term,
    Value,
    is_matrix,
)

WIDTH = 92


def show_study(plan: Plan) -> str:
    """Return a study as its parties read it before they agree.

    Args:
        plan: Of the study.
    """
    study = plan.study
    sections = [
        (study.title, []),
        ("Who takes part", _who(study)),
        ("Which rows count", _rows(study)),
        ("What is computed", _statistics(study)),
        ("What leaves your machine", _leaves(plan)),
        ("What everybody who takes part learns", _learned(plan)),
        ("What nobody learns", _not_learned(study)),
        ("How the numbers are carried", _carried(plan)),
    ]
    lines: list[str] = []
    for heading, items in sections:
        lines += [heading, "-" * len(heading), *_wrapped(items), ""]
        if heading is study.title:
            lines[-1:] = [*_quoted(study.purpose), ""]
    return "\n".join(lines[:-1])


def _quoted(text: str) -> Iterable[str]:
    """Yield the lines of a text that the coordinator wrote, so that it cannot pass for this program's."""
    for line in text.split("\n"):
        yield from textwrap.wrap(
            line, WIDTH, initial_indent="| ", subsequent_indent="| ", break_on_hyphens=False
        ) or ["|"]


def _wrapped(items: Iterable[str]) -> Iterable[str]:
    for item in items:
        for part in item.split("\n"):
            bullet = len(part) - len(part.lstrip(" -")) if part.startswith((" ", "- ")) else 0
            yield from textwrap.wrap(
                part, WIDTH, subsequent_indent=" " * bullet, break_on_hyphens=False
            ) or [""]


# -- who and what -----------------------------------------------------------------------------


def _who(study: Study) -> list[str]:
    lines = []
    if study.parties:
        lines.append(f"{len(study.parties)} parties bring data:")
        for party in study.parties:
            who = f", {format_id(party.id)}" if party.id else ", whoever is invited"
            weight = (
                f", each row counts {party.weight}" if study.weights is WeightPolicy.PUBLIC else ""
            )
            lines.append(f"- {party.name}{who}{weight}")
    else:
        lines.append(
            f"{study.number_of_parties} parties bring data: whoever is invited. Each sees the IDs of the "
            "others before it agrees."
        )
    lines.append(
        "The coordinator, who invites, brings data like all others."
        if study.receives is Receives.PARTIES
        else "The coordinator, who invites, brings no data and receives the result as well."
    )
    lines.append("Nobody else receives anything.")
    if study.deadline is not None:
        lines.append(f"Nobody founds or joins it after {study.deadline.isoformat()}.")
    return lines


def _rows(study: Study) -> list[str]:
    lines = [f"Your table needs {len(study.used)} columns:"]
    lines += [f"- {describe_column(study.columns[name])}" for name in study.used]
    if study.filters:
        lines.append("Only rows count where")
        lines += [f"- {describe_filter(one, study)}" for one in study.filters]
    lines.append(
        "A row that lacks any of these values is left out of everything."
        if study.missing is Missing.LEAVE_OUT
        else "A row that lacks any of these values is an error: then nothing is sent."
    )
    lines.append(f"A party brings at most {study.maximum_rows} rows.")
    match study.weights:
        case WeightPolicy.PUBLIC:
            lines.append("Each row counts as often as its party's public weight says.")
        case WeightPolicy.PRIVATE:
            lines.append(
                f"Each row counts as often as its party's weight says, which nobody else sees: 1 to "
                f"{study.weight_bound}."
            )
        case _:
            pass
    return lines


def _statistics(study: Study) -> list[str]:
    lines = [f"- {describe_statistic(statistic)}" for statistic in study.statistics]
    if study.group_by:
        count = len(Plan(study).cells)
        lines.append(
            f"Each for all rows, and for each of the {count} groups by {' and '.join(study.group_by)}."
        )
    return lines


def describe_statistic(statistic: Statistic) -> str:
    """Return what a statistic asks, in words."""
    match statistic:
        case WeightedMean(column, weight):
            return f"mean of {column}, weighted by {weight}"
        case Proportion(column, category, confidence):
            return f"share of rows with {column} = {category}, with its {confidence:.0%} interval"
        case Quantiles(column, edges, probabilities):
            asked = ", ".join(f"{(100 * p).normalize():f} %" for p in probabilities)
            return f"quantiles of {column} ({asked}), from a grid of {len(edges) - 1} cells"
        case OnGrid(column, edges):
            return f"{statistic.kind} of {column}, on a grid of {len(edges) - 1} cells"
        case CrossTab(rows, across):
            return f"table of {rows} by {across}, with the chi-square test"
        case TTest(column, between, (first, second)):
            return f"Welch's t-test of {column} between {between} = {first} and {second}"
        case Regression(outcome, predictors):
            return f"linear regression of {outcome} on {', '.join(predictors)}"
        case _:
            return statistic.title


# -- what leaves, and who learns ----------------------------------------------------------------


def _leaves(plan: Plan) -> list[str]:
    groups = len(plan.cells)
    return [
        "No row, and no number of yours that anybody could read. You compute sums at home, and each of "
        "them leaves in random pieces: a piece says nothing by itself, and only the total of all "
        "parties is put together.",
        f"First round: how many rows you have in {_each(groups)}{_watched(plan)}, and whether you hold it "
        "back.",
        f"Second round: in {_each(groups)}, and zero for every group that is left out,"
        if groups > 1
        else "Second round, unless it is left out:",
        *[f"- {line}" for line in _second_round(plan) or ["nothing"]],
    ]


def _watched(plan: Plan) -> str:
    counted = describe_watched(plan.study)
    return f", also {counted}" if counted else ""


def _each(groups: int) -> str:
    return "all" if groups == 1 else f"each of {groups} groups"


_LISTED_PRODUCTS: Final = 12


def _second_round(plan: Plan) -> list[str]:
    """Return every sum of the second round; products of two columns, where they are many, by their columns."""
    terms = dict.fromkeys(term for block in plan.blocks for term in block.terms)
    products = [t for t in terms if isinstance(t, Monomial) and len(t.factors) == 2]
    sums = [t.factors[0] for t in terms if isinstance(t, Monomial) and len(t.factors) == 1]
    summed = [_factor(factor) for factor in sums if isinstance(factor, Value)]
    counted = [_factor(factor) for factor in sums if isinstance(factor, Is)]
    out = [describe_term(ROWS)] if ROWS in terms else []
    if summed:
        out.append(f"the sum{'s' if len(summed) > 1 else ''} of {', '.join(summed)}")
    if counted:
        out.append(
            f"the number{'s' if len(counted) > 1 else ''} of rows with {', with '.join(counted)}"
        )
    out += dict.fromkeys(describe_term(t) for t in terms if not isinstance(t, Monomial))
    if len(products) <= _LISTED_PRODUCTS:
        return [*out, *map(describe_term, products)]
    factors = dict.fromkeys(factor for t in products for factor in t.factors)
    names = ", ".join(dict.fromkeys(factor.column for factor in factors))
    coded = any(isinstance(factor, Is) for factor in factors)
    ones = " (a category is 1 in its rows, and 0 in others)" if coded else ""
    return [*out, f"{len(products)} sums of squares, and of products of two, of {names}{ones}"]


def describe_term(term: Term) -> str:
    """Return what is summed, in words."""
    match term:
        case Monomial(()):
            return "the weighted number of rows"
        case Monomial(factors):
            names = [_factor(factor) for factor in factors]
            if len(names) == 2 and names[0] == names[1]:
                return f"the sum of squares of {names[0]}"
            if all(isinstance(factor, Is) for factor in factors):
                return f"the number of rows with {' and '.join(names)}"
            if any(isinstance(factor, Is) for factor in factors):
                value = next(n for n, f in zip(names, factors, strict=True) if isinstance(f, Value))
                chosen = next(n for n, f in zip(names, factors, strict=True) if isinstance(f, Is))
                return f"the sum of {value} where {chosen}"
            return f"the sum of {' times '.join(names)}"
        case Bins(column, edges):
            return f"how many values of {column} are in each of {len(edges) - 1} cells of a grid"
        case Pairs(rows, across):
            return f"how many rows have each pair of {rows} and {across}"


def _factor(factor: Value | Is) -> str:
    if isinstance(factor, Is):
        return f"{factor.column} = {factor.category}"
    return factor.column


def _learned(plan: Plan) -> list[str]:
    study, groups = plan.study, len(plan.cells)
    several = groups > 1
    first = (
        f"From the first round: how many rows each of {groups} groups has over all parties"
        f"{_watched(plan)}, also where they are few; and how many parties hold a group back, not which."
        if several
        else f"From the first round: how many rows there are over all parties{_watched(plan)}, and how many "
        "parties hold back."
    )
    rule = (
        f"A group of fewer than {study.minimum_group} rows, or one that a party holds back by a stricter "
        "rule of its own (--own-minimum), is left out of the second round by everybody, and named as "
        "suppressed. Its rows are in no other figure, either, so that nothing can be had by subtraction."
        if several
        else f"Fewer than {study.minimum_group} rows, or a party that holds back, and nothing more is "
        "opened."
    )
    if study.minimum_parties > 1:
        first += " And how many parties have rows of each group, not which."
        rule += (
            f" So are groups of which fewer than {study.minimum_parties} parties have rows."
            if several
            else f" Nor where fewer than {study.minimum_parties} parties have rows."
        )
    lines = [
        first,
        rule,
        "From the second round: the same sums as above, over all parties, and what follows from them.",
        f"Counts of 1 to {study.minimum_group - 1} in tables are opened to the parties' programs and not "
        "shown in results.",
    ]
    matrices = [s for s in study.statistics if is_matrix(s)]
    if matrices:
        lines.append(
            f"A regression, covariance or correlation is left out where there are fewer than "
            f"{study.rows_per_coefficient} rows for each of its coefficients or columns."
        )
        if several:
            lines.append(
                "Groups that are too small for it by themselves are put together as one for it, with the smallest other where that is needed."
            )
    if plan.watched:
        lines.append(
            f"What multiplies values with a category, or with a column of two values, is left out where one "
            f"of these has 1 to {study.minimum_group - 1} rows."
        )
    lines.append("Who takes part: IDs, names and network addresses.")
    return lines


def _not_learned(study: Study) -> list[str]:
    others = study.number_of_parties - 1
    own = "counts, sums and weight" if study.weights is WeightPolicy.PRIVATE else "counts and sums"
    return [
        f"Rows, and any party's own {own}. That holds as long as one other party keeps its sums to itself: "
        f"if all {others} others pool what they know, they can subtract their own sums from the totals, "
        "whatever the method.",
        *_of_one_party(study),
        "Nobody checks that the numbers that a party brings are true, nor how many rows it really has.",
        "The same parties may be asked again, with another filter: nothing here looks at the difference.",
        "A total may say something of a single person where it is over few, or where one value is far "
        "from all others: read what is asked with that in mind.",
    ]


def _of_one_party(study: Study) -> list[str]:
    if not study.group_by or study.minimum_parties > 2:
        return []
    if study.minimum_parties == 2:
        return [
            "It does not hold for a group whose rows are those of two parties: each of the two can subtract "
            "its own."
        ]
    return [
        "It does not hold for a group whose rows are all one party's: the totals of that group are then "
        f"that party's own. Nobody looks at how many parties share a group (minimum_parties is 1): see whether "
        f"{' and '.join(study.group_by)} may tell you apart from all others."
    ]


def _carried(plan: Plan) -> list[str]:
    study = plan.study
    rounded = [
        describe_term(term) for shifts in plan.shifts for term, shift in shifts.items() if shift
    ]
    return [
        f"Two vectors of {plan.length} whole numbers in the field {plan.field}, each number at most "
        f"{plan.bound} in size.",
        "Sums are exact to the decimals that the columns declare."
        if not rounded
        else "Plain sums are exact to the decimals that the columns declare; sums of squares and "
        "products are rounded to 60 bits at each party, and results say how fine they are.",
        f"SHA-256 of the study file: {study.digest.hex()}",
    ]
