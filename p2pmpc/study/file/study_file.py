"""From the text of a study file to a :class:`~p2pmpc.study.model.Study`, or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import prod
from typing import Final

from p2pmpc.errors import InputRefused
from p2pmpc.parameters import MOST_PEERS
from p2pmpc.study.file.parsing import LONGEST_NAME, LONGEST_TEXT, Table
from p2pmpc.study.file.statistic_tables import read_statistic
from p2pmpc.study.model import (
    DEFAULT_MAXIMUM_ROWS,
    DEFAULT_MINIMUM_GROUP,
    DEFAULT_ROWS_PER_COEFFICIENT,
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
from p2pmpc.study.plan import Plan
from p2pmpc.study_text import LONGEST_STUDY
from p2pmpc.weights import FEWEST_CONTRIBUTORS, LARGEST_WEIGHT

MOST_DECIMALS: Final = 12
MOST_CATEGORIES: Final = 1000
MOST_GROUPS: Final = 10_000
MOST_ROWS: Final = 10**12

_STEPS: Final = 1 << 31
"""So many steps to either side of the centre, and a product still fits 64 bits."""


def parse_study(text: bytes, source: str = "study.toml") -> Study:
    """Read a study.

    Args:
        text: The file, byte for byte.
        source: What messages call it.

    Raises:
        InputRefused: It cannot be used; names line and key.
    """
    if len(text) > LONGEST_STUDY:
        raise InputRefused(
            f"{source}: a study has at most {LONGEST_STUDY} bytes",
            hint="shorten its descriptions; nothing has left this machine",
        )
    study = _read(Table.read(text, source), text)
    try:
        Plan(study)
    except InputRefused as error:
        raise error.restated(f"{source}: {error.message}") from None
    return study


def _read(table: Table, text: bytes) -> Study:
    title = table.text("title")
    purpose = table.text("purpose", longest=LONGEST_TEXT)
    weights, weight_bound = _read_weights(table)
    number, parties = _read_parties(table, weights)
    columns = {
        name: _read_column(name, column, table) for name, column in table.named_tables("columns")
    }
    if not columns:
        table.refuse(None, "there are no columns", "write a table [columns.NAME] for each of them")
    group_by = _read_groups(table, columns)
    study = Study(
        title=title,
        purpose=purpose,
        parties=parties,
        number_of_parties=number,
        receives=table.choice("receives", Receives, Receives.PARTIES),
        columns=columns,
        group_by=group_by,
        filters=tuple(_read_filter(one, columns) for one in table.tables("filter")),
        statistics=tuple(
            read_statistic(one, columns, group_by, weights) for one in table.tables("statistic")
        ),
        weights=weights,
        weight_bound=max([weight_bound, *(party.weight for party in parties)]),
        minimum_group=table.whole("minimum_group", DEFAULT_MINIMUM_GROUP, least=2, most=1_000_000),
        minimum_parties=table.whole("minimum_parties", 1, least=1, most=number),
        rows_per_coefficient=table.whole(
            "rows_per_coefficient", DEFAULT_ROWS_PER_COEFFICIENT, least=2, most=1_000_000
        ),
        maximum_rows=table.whole("maximum_rows", DEFAULT_MAXIMUM_ROWS, least=1, most=MOST_ROWS),
        missing=table.choice("missing", Missing, Missing.LEAVE_OUT),
        deadline=table.moment("deadline"),
        text=text,
    )
    table.finish()
    if not study.statistics:
        table.refuse(None, "there are no statistics", "write a table [[statistic]] for each")
    for place, statistic in enumerate(study.statistics):
        if statistic in study.statistics[:place]:
            table.tables("statistic")[place].refuse(None, "this statistic is there already")
    return study


# -- who --------------------------------------------------------------------------------------


def _read_weights(table: Table) -> tuple[WeightPolicy, int]:
    policy = table.choice("weights", WeightPolicy, WeightPolicy.ROWS)
    if policy is WeightPolicy.PRIVATE:
        return policy, table.whole("weight_bound", least=1, most=LARGEST_WEIGHT)
    if table.has("weight_bound"):
        table.refuse("weight_bound", 'it is for weights = "private" only')
    return policy, 1


def _read_parties(table: Table, weights: WeightPolicy) -> tuple[int, tuple[Party, ...]]:
    listed = table.tables("party")
    most = MOST_PEERS - 1
    if table.has("parties"):
        if listed:
            table.refuse("parties", "the parties are listed, too: leave one of the two out")
        if weights is WeightPolicy.PUBLIC:
            table.refuse("weights", "public weights stand with the parties: list them, [[party]]")
        return table.whole("parties", least=FEWEST_CONTRIBUTORS, most=most), ()
    if not listed:
        table.refuse(
            None,
            "nobody takes part",
            "write parties = 5, or a table [[party]] with name and id for each",
        )
    if not FEWEST_CONTRIBUTORS <= len(listed) <= most:
        table.refuse(
            "party",
            f"{len(listed)} parties, and from {FEWEST_CONTRIBUTORS} to {most} can take part",
            "of two, each learns the other's numbers from the total",
        )
    parties: list[Party] = []
    for one in listed:
        party = _read_party(one, weights)
        if any(party.name == other.name for other in parties):
            one.refuse("name", "another party has this name")
        if party.id is not None and any(party.id == other.id for other in parties):
            one.refuse("id", "another party has this ID")
        parties.append(party)
    if len({party.id is None for party in parties}) > 1:
        table.refuse("party", "some parties have an id and others have none: give all of them one")
    return len(parties), tuple(parties)


def _read_party(table: Table, weights: WeightPolicy) -> Party:
    party = Party(table.text("name"), table.identifier("id"))
    if weights is WeightPolicy.PUBLIC:
        weight = table.whole("weight", least=1, most=LARGEST_WEIGHT)
        party = Party(party.name, party.id, weight)
        if party.id is None:
            table.refuse(None, "a public weight belongs to an ID: the key id is missing")
    elif table.has("weight"):
        table.refuse("weight", 'it is for weights = "public" only')
    table.finish()
    return party


# -- columns ----------------------------------------------------------------------------------


def _read_column(name: str, table: Table, whole: Table) -> Column:
    if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        table.refuse(None, "the name of a column is short, printable, and without blanks around it")
    alike = [n for n, _ in whole.named_tables("columns") if n.casefold() == name.casefold()]
    if len(alike) > 1:
        table.refuse(None, "another column has this name")
    kind = table.choice("type", ColumnType)
    unit, description = table.text("unit", ""), table.text("description", "", LONGEST_TEXT)
    if kind is ColumnType.CATEGORY:
        column = Column(
            name, kind, unit, description=description, categories=_read_categories(table)
        )
    else:
        column = _read_numeric(name, kind, table, unit, description)
    table.finish()
    return column


def _read_categories(table: Table) -> tuple[str, ...]:
    categories = table.texts("categories")
    if not 2 <= len(categories) <= MOST_CATEGORIES:
        table.refuse("categories", f"from 2 to {MOST_CATEGORIES} categories are expected")
    return categories


def _read_numeric(name: str, kind: ColumnType, table: Table, unit: str, description: str) -> Column:
    is_date = kind is ColumnType.DATE
    minimum = table.value("minimum", dates=is_date)
    maximum = table.value("maximum", dates=is_date)
    if minimum >= maximum:
        table.refuse("maximum", "it is not above the minimum")
    decimals = 0
    if kind is ColumnType.NUMBER:
        finest = _finest(minimum, maximum)
        decimals = table.whole("decimals", finest, least=0, most=MOST_DECIMALS)
    elif table.has("decimals"):
        table.refuse("decimals", 'it is for type = "number" only')
    for key, bound in (("minimum", minimum), ("maximum", maximum)):
        if bound != round(bound, decimals):
            table.refuse(key, f"it has more decimals than the {decimals} that are carried")
    return Column(name, kind, unit, minimum, maximum, decimals, description=description)


def _finest(minimum: Decimal, maximum: Decimal) -> int:
    """Return as many decimals as leave a product of two values in 64 bits, and hold the bounds."""
    half, decimals = (maximum - minimum) / 2, 0
    while decimals < MOST_DECIMALS and half * 10 ** (decimals + 1) < _STEPS:
        decimals += 1
    written = max(-int(bound.normalize().as_tuple().exponent) for bound in (minimum, maximum))
    return max(decimals, min(written, MOST_DECIMALS))


def _read_groups(table: Table, columns: Mapping[str, Column]) -> tuple[str, ...]:
    names = table.texts("group_by", [])
    for name in names:
        if name not in columns:
            table.refuse("group_by", f"there is no column {name!r}")
        if columns[name].is_numeric:
            table.refuse("group_by", f"{name!r} is no category column")
    groups = prod(len(columns[name].categories) for name in names)
    if groups > MOST_GROUPS:
        table.refuse("group_by", f"they make {groups} groups, and {MOST_GROUPS} are the most")
    return names


_ORDERED: Final = frozenset(
    {Comparison.BELOW, Comparison.AT_MOST, Comparison.ABOVE, Comparison.AT_LEAST}
)


def _read_filter(table: Table, columns: Mapping[str, Column]) -> Filter:
    name, comparison = table.text("column"), table.choice("op", Comparison)
    if name not in columns:
        table.refuse("column", f"there is no column {name!r}")
    column = columns[name]
    if not column.is_numeric and comparison in _ORDERED:
        table.refuse("op", f"{name!r} is a category column: =, != and in are for categories")
    is_date = column.type is ColumnType.DATE
    if comparison is Comparison.IN:
        values: tuple[object, ...] = (
            table.numbers("value", dates=is_date) if column.is_numeric else table.texts("value")
        )
    else:
        values = (
            table.value("value", dates=is_date) if column.is_numeric else table.text("value"),
        )
    if not values:
        table.refuse("value", "the list is empty")
    for value in values:
        if not column.is_numeric and value not in column.categories:
            table.refuse("value", f"{value!r} is no category of {name!r}")
        if isinstance(value, Decimal) and value != round(value, column.decimals):
            table.refuse("value", f"it has more decimals than the {column.decimals} of {name!r}")
    table.finish()
    return Filter(name, comparison, values)  # type: ignore[arg-type]
