"""Bugs in studies: in what is asked, what is opened, who takes part, and what is left of it."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

STUDIES: Final[tuple[Bug, ...]] = (
    *bugs(
        "study_text",
        "study_walk",
        [
            (
                "study files may differ",
                "    if here == there:\n        return\n",
                "    if here or there:\n        return\n",
            ),
            (
                "the first difference is shown a line too low",
                "line {mine_at + 1} is",
                "line {mine_at + 2} is",
            ),
        ],
    ),
    *bugs(
        "parameters",
        "study_walk parameters",
        [
            (
                "a joiner does not look at the founder's study",
                "        check_same_study(self.study, study)\n",
                "",
            ),
            (
                "the study's text may be another one than its digest's",
                "        if study_digest(study) != offered.study:",
                "        if offered.study and not study:",
            ),
        ],
    ),
    *bugs(
        "joining",
        "study_walk",
        [
            (
                "a founder is not told why its offer is refused",
                "            if offer.founder == knock.identifier:\n",
                "            if offer.founder == identity.id:\n",
            ),
        ],
    ),
    *bugs(
        "runner",
        "study_walk",
        [
            (
                "a study does not wait for people who read",
                "(parameters.rounds == 0 or parameters.study)",
                "parameters.rounds == 0",
            ),
        ],
    ),
    *bugs(
        "study/disclosure",
        "study_plan study_walk study_regression study_attacks",
        [
            (
                "a group of one row fewer than the minimum is shown",
                "counts[k] >= study.minimum_group\n",
                "counts[k] + 1 >= study.minimum_group\n",
            ),
            (
                "a group that two parties hold back is shown",
                "and held_back[k] == 0\n",
                "and held_back[k] != 1\n",
            ),
            (
                "a group may be of one party fewer than the study says",
                "parties[k] >= study.minimum_parties",
                "parties[k] + 1 >= study.minimum_parties",
            ),
            (
                "a party holds back nothing of which it has but one row fewer",
                "return 0 < count < own_minimum",
                "return 0 < count < own_minimum - 1",
            ),
            (
                "a group of which a party has nothing is held back",
                "return 0 < count < own_minimum",
                "return 0 <= count < own_minimum",
            ),
            (
                "a regression may have a category of one row",
                "any(0 < number < study.minimum_group for number in numbers)",
                "any(1 < number < study.minimum_group for number in numbers)",
            ),
            (
                "a matrix needs a row fewer",
                "return rows >= block.rows_needed and not few",
                "return rows >= block.rows_needed - 1 and not few",
            ),
        ],
    ),
    *bugs(
        "study/partition",
        "study_attacks study_plan study_regression",
        [
            (
                "what one block leaves may be had from another",
                "all(_agree(found, other) for other in decided)",
                "found is not None",
            ),
            (
                "a group too small is left out of all",
                "range(min(len(smallest), _MOST_GIVEN_UP) + 1)",
                "range(1)",
            ),
            (
                "a group that is opened with others is opened by itself, too",
                "frozenset(unit for unit in units if not unit & rest) |",
                "frozenset(units) |",
            ),
        ],
    ),
    *bugs(
        "study/terms",
        "study_plan study_regression study_statistics",
        [
            (
                "the first category of a predictor is not watched",
                "Is(name, category)) for category in column.categories]",
                "Is(name, category)) for category in column.categories[1:]]",
            ),
            (
                "an indicator's first category has a coefficient",
                "column.categories[1:]]",
                "column.categories]",
            ),
            (
                "a regression has no intercept",
                "return 1 + len(regressors_of",
                "return len(regressors_of",
            ),
        ],
    ),
    *bugs(
        "study/plan",
        "study_plan study_statistics study_walk",
        [
            (
                "a suppressed group is summed in the second round",
                "chosen = (group,) if opened.own[group] else ()",
                "chosen = (group,)",
            ),
            (
                "a total that was rounded is not scaled back",
                "return [int(value) << shift for value in self._total[start:stop]]",
                "return [int(value) for value in self._total[start:stop]]",
            ),
            (
                "weights are forgotten",
                "exact[place] += number * weight",
                "exact[place] += number",
            ),
            (
                "the error of rounding is that of one party",
                "(self.study.number_of_parties << shift >> 1)",
                "(1 << shift >> 1)",
            ),
            (
                "a plain sum may be rounded",
                "        if shift and not (isinstance(term, Monomial) and len(term.factors) > 1):\n",
                "        if shift and not isinstance(term, Monomial):\n",
            ),
            (
                "totals may be as large as one party's numbers",
                "needed = self.bound * self.study.number_of_parties",
                "needed = self.bound",
            ),
        ],
    ),
    *bugs(
        "study/session/seat",
        "study_walk",
        [
            (
                "fewer parties than the study says may sum",
                "if len(contributors) != study.number_of_parties:",
                "if len(contributors) > study.number_of_parties:",
            ),
            (
                "a party may have a weight of its own",
                "if any(member.weight != 1 for member in contributors):",
                "if any(member.weight < 1 for member in contributors):",
            ),
            (
                "the deadline does not count",
                "if study.deadline is not None and now > study.deadline:",
                "if study.deadline is None and now is None:",
            ),
            (
                "whoever is not listed may bring data",
                "    if listed and own not in listed:\n",
                "    if listed and not own:\n",
            ),
            (
                "anybody may found or join a study of listed parties",
                "    if founds and allowed:\n",
                "    if founds and not allowed:\n",
            ),
        ],
    ),
    *bugs(
        "study/plausible",
        "study_walk study_attacks",
        [
            (
                "counts may be negative",
                "any(not 0 <= n <= most for n in counts)",
                "any(n > most for n in counts)",
            ),
            (
                "a group that is left out may have sums",
                "if rows else _is_zero(slots)",
                "if rows else True",
            ),
            (
                "the cells of a grid may hold fewer than there are",
                "if min(numbers) < 0 or sum(numbers) != n:",
                "if min(numbers) < 0 or sum(numbers) > n:",
            ),
            (
                "squares may be less than their mean allows",
                "return first * first <= n * (value + error) and value <= most",
                "return value <= most",
            ),
        ],
    ),
    *bugs(
        "study/session/walk",
        "study_walk",
        [
            (
                "nobody is asked",
                "            if not has_agreed:\n",
                "            if has_agreed is None:\n",
            ),
            (
                "an invitation may name another study",
                "if part.invited_to not in (None, plan.study.digest):",
                "if part.invited_to is not None and not plan.study.digest:",
            ),
        ],
    ),
    *bugs(
        "peer",
        "study_walk",
        [
            (
                "the ledger does not know what an input was made of",
                "if round_number == 0 and self._options.made_of:",
                "if round_number == 1 and self._options.made_of:",
            ),
        ],
    ),
    *bugs(
        "study/session/evidence",
        "study_walk",
        [
            (
                "a result may be another one than the totals give",
                "    if to_json(study, made) != text:\n",
                "    if not to_json(study, made):\n",
            ),
            (
                "a result may be another one than was signed",
                'if hashlib.sha256(text.encode()).hexdigest() != receipt["result"]:',
                'if not receipt["result"]:',
            ),
            (
                "a study file may be another one than was agreed to",
                "if actual.hexdigest() != digest or actual.digest() != session.parameters.study:",
                "if actual.digest() == digest:",
            ),
        ],
    ),
    *bugs(
        "study/session/study_receipt",
        "study_walk",
        [
            (
                "a study's receipt needs no signature",
                'verify_signature(by_id[content["peer"]].public_key, signature, _signed_bytes(unsigned))',
                "_signed_bytes(unsigned)",
            ),
        ],
    ),
)
