"""A small study, and files that are held against it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.errors import ConfigurationError, InputRefused, P2PMPCError
from p2pmpc.study.data.check import check
from p2pmpc.study.data.files import load
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.report import Report
from p2pmpc.study.kinds import Mean, Proportion, Statistic
from p2pmpc.study.model import Column, ColumnType, Filter, Missing, Receives, Study, WeightPolicy

AGE = Column("age", ColumnType.INTEGER, "years", Decimal(0), Decimal(120))
WEIGHT = Column("weight", ColumnType.NUMBER, "kg", Decimal(0), Decimal(300), 1)
BORN = Column("born", ColumnType.DATE, "", Decimal(-25567), Decimal(20453))  # 1900 to 2025
SEX = Column("sex", ColumnType.CATEGORY, categories=("f", "m"))
EVERYTHING = (AGE, WEIGHT, BORN, SEX)


def study_of(
    *columns: Column,
    missing: Missing = Missing.LEAVE_OUT,
    filters: tuple[Filter, ...] = (),
    maximum_rows: int = 1000,
) -> Study:
    """Return a study that uses some columns, by default one of each type."""
    used = columns or EVERYTHING
    statistics: list[Statistic] = [
        Mean(c.name) if c.is_numeric else Proportion(c.name, c.categories[0]) for c in used
    ]
    return Study(
        title="A study",
        purpose="",
        parties=(),
        number_of_parties=3,
        receives=Receives.PARTIES,
        columns={column.name: column for column in used},
        group_by=(),
        filters=filters,
        statistics=tuple(statistics),
        weights=WeightPolicy.ROWS,
        weight_bound=1,
        minimum_group=5,
        minimum_parties=1,
        rows_per_coefficient=10,
        maximum_rows=maximum_rows,
        missing=missing,
        deadline=None,
        text=b"",
    )


HEADER = "age,weight,born,sex"
GOOD = "30,70.5,1990-01-31,f"
SECRET = "77777"  # a value that no message may repeat


def written(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def checked(path: Path, study: Study | None = None, **options: Any) -> Report:
    return check(study or study_of(), DataOptions(data=str(path), **options))


def refusal(path: Path, study: Study | None = None, **options: Any) -> P2PMPCError:
    with pytest.raises(P2PMPCError) as caught:
        checked(path, study, **options)
    assert caught.value.exit_code in {InputRefused.exit_code, ConfigurationError.exit_code}
    assert SECRET not in caught.value.describe()
    return caught.value


def rows_of(path: Path, study: Study | None = None, **options: Any) -> list[tuple[Any, ...]]:
    with load(study or study_of(), DataOptions(data=str(path), **options)) as (engine, _):
        return engine.execute("SELECT * FROM data").fetchall()
