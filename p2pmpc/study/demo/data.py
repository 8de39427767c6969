"""What `p2pmpc demo` makes up: five hospitals, a study of theirs, and their patients, from a seed.

The generator is a plain seeded one, so that the same seed gives the same rows: nothing here is a secret,
and no person is meant.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from p2pmpc.identity import format_id

HOSPITALS: Final = ("north", "south", "east", "west", "harbour")

FEW: Final = {"eye": (2, 1, 1, 1, 1), "burns": (1, 1, 2, 0, 0)}
"""Rows of the small wards at each hospital: six of one, above the minimum of five, and four of the other."""

SUPPRESSED: Final = "burns"

HEADER: Final = ("patient", "ward", "age", "sex", "smoker", "systolic", "stay")

_HEAD: Final = """\
# Made up by `p2pmpc demo`: no such hospitals, and no such patients.
title = "Blood pressure and length of stay in five hospitals"
purpose = "How blood pressure goes with age, sex and smoking, and how long patients stay, by ward."
receives = "parties"
group_by = ["ward"]
minimum_group = 5
maximum_rows = 1000000
missing = "leave-out"
"""

_PARTY: Final = """
[[party]]
name = "{name}"
id = "{id}"
"""

_REST: Final = """
[columns.ward]
type = "category"
categories = ["internal", "surgery", "eye", "burns"]

[columns.age]
type = "integer"
unit = "years"
minimum = 18
maximum = 110

[columns.sex]
type = "category"
categories = ["f", "m"]

[columns.smoker]
type = "category"
categories = ["no", "yes"]

[columns.systolic]
type = "number"
unit = "mmHg"
minimum = 60
maximum = 260
decimals = 1
description = "systolic blood pressure on the day of admission"

[columns.stay]
type = "integer"
unit = "days"
minimum = 0
maximum = 120
description = "length of stay"

[[statistic]]
kind = "mean"
column = "systolic"

[[statistic]]
kind = "quantiles"
column = "stay"
edges = [0, 1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 60, 120]

[[statistic]]
kind = "histogram"
column = "age"
edges = [18, 30, 40, 50, 60, 70, 80, 110]

[[statistic]]
kind = "proportion"
column = "smoker"
category = "yes"

[[statistic]]
kind = "crosstab"
rows = "sex"
columns = "smoker"

[[statistic]]
kind = "regression"
outcome = "systolic"
predictors = ["age", "sex", "smoker"]
"""


@dataclass(frozen=True)
class Patient:
    """A row of a hospital's table.

    Args:
        ward: Where.
        age: In years.
        sex: f or m.
        smoker: no or yes.
        systolic: In mmHg; None where nobody wrote it down.
        stay: In days.
    """

    ward: str
    age: int
    sex: str
    smoker: str
    systolic: float | None
    stay: int


def study_text(ids: Sequence[bytes]) -> str:
    """Return the study file.

    Args:
        ids: Of the hospitals.
    """
    parties = [
        _PARTY.format(name=name, id=format_id(one))
        for name, one in zip(HOSPITALS, ids, strict=True)
    ]
    return "".join([_HEAD, *parties, _REST])


def make_patients(seed: int, rows: int) -> list[list[Patient]]:
    """Return the rows of every hospital.

    Args:
        seed: The same seed gives the same rows.
        rows: Of each hospital.
    """
    return [_hospital(seed, rows, number) for number in range(len(HOSPITALS))]


def _hospital(seed: int, rows: int, number: int) -> list[Patient]:
    draw = random.Random(f"{seed} {HOSPITALS[number]}")  # noqa: S311 - made-up rows are no secret
    wards = [ward for ward, few in FEW.items() for _ in range(few[number])]
    wards += ["internal" if draw.random() < 0.6 else "surgery" for _ in range(rows - len(wards))]
    draw.shuffle(wards)
    return [_patient(draw, ward, is_small=ward in FEW) for ward in wards]


def _patient(draw: random.Random, ward: str, *, is_small: bool) -> Patient:
    age = round(draw.triangular(18, 97, 68 if ward == "internal" else 58))
    sex = "m" if draw.random() < 0.48 else "f"
    smoker = "yes" if draw.random() < (0.29 if age < 65 else 0.12) else "no"
    typical = 101 + 0.44 * age + 4.5 * (sex == "m") + 3.5 * (smoker == "yes")
    systolic = round(min(max(draw.gauss(typical, 13), 70), 240), 1)
    stay = min(int(draw.lognormvariate(1.5 if ward == "internal" else 1.1, 0.7)), 120)
    # One in fifty was not written down; the small wards keep the sizes that they were given.
    is_missing = draw.random() < 0.02 and not is_small
    return Patient(ward, age, sex, smoker, None if is_missing else systolic, stay)


def as_csv(patients: Sequence[Patient], number: int) -> str:
    """Return a hospital's table as the text of a CSV file.

    Args:
        patients: Its rows.
        number: Which hospital, from 0: their numbers of patients differ.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for place, one in enumerate(patients, start=1):
        systolic = "" if one.systolic is None else one.systolic
        patient = (number + 1) * 1_000_000 + place
        writer.writerow([patient, one.ward, one.age, one.sex, one.smoker, systolic, one.stay])
    return text.getvalue()


def pooled_mean(hospitals: Sequence[Sequence[Patient]]) -> float:
    """Return the mean blood pressure over all rows that count: what no hospital could compute."""
    values = [
        round(one.systolic * 10)
        for patients in hospitals
        for one in patients
        if one.systolic is not None and one.ward != SUPPRESSED
    ]
    return sum(values) / len(values) / 10
