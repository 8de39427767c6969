"""A study and its answer, made up by hand: every kind of statistic, and everything that is not shown."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from p2pmpc.study.kinds import (
    Correlation,
    Count,
    CrossTab,
    Histogram,
    Mean,
    Proportion,
    Quantiles,
    Regression,
    Statistic,
    Sum,
    TTest,
)
from p2pmpc.study.model import (
    Column,
    ColumnType,
    Comparison,
    Filter,
    Missing,
    Party,
    Receives,
    Study,
    WeightPolicy,
)
from p2pmpc.study.result import Answer, Figure, Level, Participant, Result, Table

EVIL = "<script>alert('1')</script> \"quoted\" & 'so'"
FORMULA = '=HYPERLINK("http://example.org","x")'

EDGES = tuple(Decimal(edge) for edge in range(80, 201, 20))
ALL = Level((), (0, 1, 2, 3))
WOMEN = Level((("sex", "female"),), (0, 1))
MEN = Level((("sex", "male"),), (2, 3))
LEVELS = (ALL, WOMEN, MEN)
STAYING = (132.4170312, 128.25, 136.5)

COUNT = Count()
SUM = Sum("pressure")
MEAN = Mean("pressure")
SHARE = Proportion("smoker", "yes")
HISTOGRAM = Histogram("pressure", EDGES)
QUANTILES = Quantiles("pressure", EDGES, (Decimal("0.25"), Decimal("0.5"), Decimal("0.75")))
TABLE = CrossTab("sex", "smoker")
MATRIX = Correlation(("pressure", "age", "bmi"))
TEST = TTest("pressure", "sex", ("female", "male"))
LINE = Regression("pressure", ("age", "bmi", "smoker"))


def a_study(title: str = "Blood pressure in five hospitals", purpose: str = "") -> Study:
    """Return a study that asks for everything."""
    columns = (
        Column("pressure", ColumnType.NUMBER, "mmHg", Decimal(80), Decimal(200), 1),
        Column("age", ColumnType.INTEGER, "years", Decimal(18), Decimal(110)),
        Column("bmi", ColumnType.NUMBER, "kg/m²", Decimal(12), Decimal(70), 1),
        Column("sex", ColumnType.CATEGORY, categories=("female", "male")),
        Column("smoker", ColumnType.CATEGORY, categories=("no", "yes", EVIL)),
        Column("admitted", ColumnType.DATE, minimum=Decimal(18262), maximum=Decimal(20453)),
    )
    statistics: tuple[Statistic, ...] = (
        *(COUNT, SUM, MEAN, SHARE, HISTOGRAM, QUANTILES, TABLE, MATRIX, TEST, LINE),
    )
    return Study(
        title=title,
        purpose=purpose
        or "Whether blood pressure differs between the sexes once age is allowed for.",
        parties=tuple(Party(f"Hospital {name}", bytes([k]) * 32) for k, name in enumerate("ABCDE")),
        number_of_parties=5,
        receives=Receives.PARTIES,
        columns={column.name: column for column in columns},
        group_by=("sex",),
        filters=(
            Filter("age", Comparison.AT_LEAST, (Decimal(18),)),
            Filter("admitted", Comparison.BELOW, (Decimal(20000),)),
        ),
        statistics=statistics,
        weights=WeightPolicy.ROWS,
        weight_bound=1,
        minimum_group=5,
        minimum_parties=1,
        rows_per_coefficient=10,
        maximum_rows=1_000_000,
        missing=Missing.LEAVE_OUT,
        deadline=dt.datetime(2031, 5, 1, tzinfo=dt.UTC),
        text=f'title = "Blood pressure"\n# {EVIL}\n[columns.pressure]\nunit = "mmHg"\n'.encode(),
    )


def _by_level(statistic: Statistic, *each: tuple[Figure, ...]) -> list[Answer]:
    return [
        Answer(statistic, level, rows, figures)
        for level, rows, figures in zip(LEVELS, (2100, 1040, 1060), each, strict=True)
    ]


def _simple() -> list[Answer]:
    return [
        *_by_level(COUNT, *((Figure("count", rows),) for rows in (2100, 1040, 1060))),
        *_by_level(
            SUM, *((Figure("sum", value, "mmHg"),) for value in (278075.8, 133380, 144695.8))
        ),
        *_by_level(MEAN, *((Figure("mean", value, "mmHg"),) for value in STAYING)),
        *_by_level(
            SHARE,
            *(
                (Figure("proportion", p), Figure("low", p - 0.02), Figure("high", p + 0.02))
                for p in (0.213, 0.19, 0.235)
            ),
        ),
    ]


def _on_grids() -> list[Answer]:
    counts = (
        (0, 700, 800, 420, 170, None),
        (0, 370, 400, 190, 70, 10),
        (0, 330, 400, 230, 100, None),
    )
    out = []
    for level, rows, row in zip(LEVELS, (2100, 1040, 1060), counts, strict=True):
        bins = tuple((float(EDGES[k]), float(EDGES[k + 1]), n) for k, n in enumerate(row))
        table = Table("bins", ("lower", "upper", "count"), bins)
        out.append(Answer(HISTOGRAM, level, rows, tables=(table,)))
    for level, rows, shift in zip(LEVELS, (2100, 1040, 1060), (0.0, -4.0, 4.0), strict=True):
        quantiles = tuple(
            (float(p), value + shift, 10.0)
            for p, value in zip(QUANTILES.probabilities, (117.5, 130.0, 142.5), strict=True)
        )
        table = Table("quantiles", ("probability", "value", "error"), quantiles)
        out.append(Answer(QUANTILES, level, rows, tables=(table,)))
    return out


def _tables() -> list[Answer]:
    counts = Table(
        "counts",
        ("sex", "no", "yes", EVIL, "total"),
        (
            ("female", 842, 195, None, None),
            ("male", 811, 240, 9, 1060),
            ("total", 1653, 435, None, 2100),
        ),
    )
    chi = (
        Figure("chi_square", 8.41231177),
        Figure("degrees_of_freedom", 2),
        Figure("p", 1.5e-17),
    )
    names = ("pressure", "age", "bmi")
    values = ((1.0, 0.412345678912, -0.21), (0.412345678912, 1.0, 0.05), (-0.21, 0.05, 1.0))
    matrix = Table(
        "correlation",
        ("column", *names),
        tuple((n, *v) for n, v in zip(names, values, strict=True)),
    )
    coefficients = Table(
        "coefficients",
        ("name", "estimate", "standard_error", "t", "p", "low", "high"),
        (
            ("intercept", 101.25, 2.1, 48.2142857, 0.0, 97.1, 105.4),
            ("age", 0.5123, 0.03, 17.0766, 1.2e-60, 0.4535, 0.5711),
            ("bmi", -0.0211, 0.07, -0.3014, 0.763, -0.1583, 0.1161),
            ("smoker = yes", 3.2, 1.1, 2.909, 0.0037, 1.04, 5.36),
            (f"smoker = {EVIL}", None, None, None, None, None, None),
        ),
    )
    fit = (Figure("r_squared", 0.31234567891), Figure("adjusted_r_squared", float("nan")))
    return [
        Answer(TABLE, ALL, 2100, chi, (counts,)),
        Answer(MATRIX, ALL, 2100, tables=(matrix,)),
        Answer(
            TEST,
            ALL,
            2100,
            (
                Figure("difference", -8.25, "mmHg", 0.0037),
                Figure("standard_error", 0.9, "mmHg"),
                Figure("t", -9.1666666667),
                Figure("degrees_of_freedom", 2087.4),
                Figure("p", 1.1e-19),
                Figure("low", -10.0, "mmHg"),
                Figure("high", -6.5, "mmHg"),
            ),
        ),
        Answer(LINE, ALL, 2100, fit, (coefficients,), remarks=(f"left out: {EVIL}",)),
        Answer(LINE, WOMEN, 1040, withheld="too few rows: 40 where 50 are needed"),
    ]


def a_result(study: Study) -> Result:
    """Return an answer to a study of :func:`a_study`."""
    return Result(
        answers=(*_simple(), *_on_grids(), *_tables()),
        levels=LEVELS,
        suppressed=(
            ("sex = diverse", "fewer than 5 rows"),
            (f"sex = {EVIL}", "held back by 1 party"),
        ),
        rows=2100,
        participants=(
            *(
                Participant(one.name, f"{k}f3a-90bc-{k}111", True, k != 3)
                for k, one in enumerate(study.parties)
            ),
            Participant(FORMULA, "aa11-bb22-cc33", False, True),
        ),
        study_digest=study.digest.hex(),
        session="5c" * 16,
        transcripts=("a1" * 32, "b2" * 32),
        date="2031-04-01T12:00:00Z",
        field="m61",
        files="results/2031-04-01",
    )
