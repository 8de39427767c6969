"""The vectors of a study, laid out anew from docs/protocol.md, section 16, and held against the plan."""

from __future__ import annotations

import itertools
import math
import random
import tomllib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.plan import Plan
from tests.study_reference import aggregates_of

TEXT = """
title = "Everything"
purpose = "To be laid out."
parties = 4
group_by = ["sex", "ward"]
minimum_group = 3
minimum_parties = 2
rows_per_coefficient = 6
maximum_rows = 2_000_000
columns.sex = {type = "category", categories = ["f", "m"]}
columns.ward = {type = "category", categories = ["a", "b", "c"]}
columns.wage = {type = "number", minimum = -10, maximum = 1_000_000, decimals = 2}
columns.age = {type = "integer", minimum = 16, maximum = 99}
columns.score = {type = "number", minimum = 0, maximum = 10, decimals = 1}

[[filter]]
column = "age"
op = "<"
value = 90

[[statistic]]
kind = "count"
[[statistic]]
kind = "regression"
outcome = "wage"
predictors = ["age", "ward", "score"]
[[statistic]]
kind = "mean"
column = "wage"
[[statistic]]
kind = "variance"
column = "wage"
[[statistic]]
kind = "weighted-mean"
column = "wage"
weight = "score"
[[statistic]]
kind = "quantiles"
column = "score"
edges = [0, 2.5, 5, 10]
[[statistic]]
kind = "crosstab"
rows = "ward"
columns = "sex"
[[statistic]]
kind = "correlation"
columns = ["wage", "age"]
"""
WEIGHTED = TEXT.replace("parties = 4", 'parties = 4\nweights = "private"\nweight_bound = 9')
for _kind in ("regression", "crosstab"):
    _at = WEIGHTED.index(f'[[statistic]]\nkind = "{_kind}"')
    WEIGHTED = WEIGHTED[:_at] + WEIGHTED[WEIGHTED.index("[[statistic]]", _at + 1) :]

Row = dict[str, Any]
Term = tuple[Any, ...]


class Layout:
    """A study's vectors, from the page alone.

    Args:
        text: The study file.
    """

    def __init__(self, text: str) -> None:
        study = tomllib.loads(text, parse_float=Decimal)
        self.columns: dict[str, Any] = study["columns"]
        self.study = study
        categories = [self.columns[name]["categories"] for name in study["group_by"]]
        self.cells = list(itertools.product(*categories))
        self.weighted = "weights" in study
        self.weight_bound = study.get("weight_bound", 1)
        self.blocks = self._blocks()

    def middle(self, name: str) -> int:
        column = self.columns[name]
        scale = 10 ** column.get("decimals", 0)
        middle: int = math.floor((column["minimum"] + column["maximum"]) * scale / 2)
        return middle

    def largest(self, name: str) -> int:
        column = self.columns[name]
        scale = 10 ** column.get("decimals", 0)
        ends = (column["minimum"] * scale, column["maximum"] * scale)
        return int(max(abs(end - self.middle(name)) for end in ends))

    def factors(self, name: str) -> list[Term]:
        """Return what a column stands for in a regression."""
        if "categories" in self.columns[name]:
            return [("is", name, c) for c in self.columns[name]["categories"][1:]]
        return [("x", name)]

    def terms(self, statistic: dict[str, Any]) -> list[Term]:
        kind = statistic["kind"]
        x = ("x", statistic.get("column", ""))
        match kind:
            case "mean":
                return [("product", x)]
            case "variance":
                return [("product", x), ("product", x, x)]
            case "weighted-mean":
                w = ("x", statistic["weight"])
                return [("product", x), ("product", w), ("product", x, w)]
            case "quantiles":
                return [("bins", statistic["column"], tuple(statistic["edges"]))]
            case "crosstab":
                return [("pairs", statistic["rows"], statistic["columns"])]
            case "correlation":
                return self.moments([("x", name) for name in statistic["columns"]])
            case "regression":
                names = [statistic["outcome"], *statistic["predictors"]]
                return self.moments([f for name in names for f in self.factors(name)])
        return []

    def moments(self, factors: list[Term]) -> list[Term]:
        pairs = [
            ("product", one, two)
            for k, one in enumerate(factors)
            for two in factors[k:]
            if not (one[0] == two[0] == "is" and one[1] == two[1])
        ]
        return [("product", one) for one in factors] + pairs

    def _blocks(self) -> list[list[Term]]:
        matrices = ("regression", "correlation")
        rows: list[Term] = [("product",)] if self.weighted else []
        simple, others = list(rows), []
        for statistic in self.study["statistic"]:
            if statistic["kind"] in matrices:
                others.append([*rows, *self.terms(statistic)])
            else:
                simple += self.terms(statistic)
        return [self.once(simple), *others]

    def once(self, terms: list[Term]) -> list[Term]:
        """Return each term once; the order of its factors does not matter."""
        return list({(t[0], *sorted(t[1:])) if t[0] == "product" else t: t for t in terms}.values())

    def numbers(self, term: Term, rows: list[Row]) -> list[int]:
        if term[0] == "product":
            return [sum(math.prod(self.factor(f, row) for f in term[1:]) for row in rows)]
        if term[0] == "bins":
            scale = 10 ** self.columns[term[1]].get("decimals", 0)
            edges = [math.ceil(edge * scale) for edge in term[2]]
            steps = [round(row[term[1]] * scale) for row in rows]
            last = len(edges) - 2
            return [
                sum(
                    edges[k] <= step < edges[k + 1] or (k == last and step == edges[-1])
                    for step in steps
                )
                for k in range(last + 1)
            ]
        pairs = itertools.product(*(self.columns[name]["categories"] for name in term[1:]))
        return [sum(row[term[1]] == a and row[term[2]] == b for row in rows) for a, b in pairs]

    def factor(self, factor: Term, row: Row) -> int:
        if factor[0] == "is":
            return int(row[factor[1]] == factor[2])
        scale = 10 ** self.columns[factor[1]].get("decimals", 0)
        steps: int = math.floor(row[factor[1]] * scale + Decimal("0.5"))
        return steps - self.middle(factor[1])

    def shift(self, term: Term) -> int:
        largest = self.study["maximum_rows"] * self.weight_bound
        if term[0] == "product":
            largest *= math.prod(self.largest(f[1]) for f in term[1:] if f[0] == "x")
        shift = 0
        while (largest + (1 << shift >> 1)) >> shift > 2**60 - 1:
            shift += 1
        return shift

    def of_cell(self, cell: tuple[str, ...], rows: list[Row]) -> list[Row]:
        used = [row for row in rows if None not in row.values() and row["age"] < 90]
        return [row for row in used if (row["sex"], row["ward"]) == cell]

    def first(self, rows: list[Row], own_minimum: int) -> list[int]:
        within = [self.of_cell(cell, rows) for cell in self.cells]
        held = [0 < len(rows) < own_minimum for rows in within]
        watched = [] if self.weighted else self.columns["ward"]["categories"]
        out = [len(rows) for rows in within] + [int(one) for one in held]
        out += [int(len(rows) > 0) for rows in within]
        for category in watched:
            out += [
                0 if h else sum(row["ward"] == category for row in rows)
                for rows, h in zip(within, held, strict=True)
            ]
        return out

    def second(
        self, rows: list[Row], weight: int, opened: Callable[[int], tuple[list[int], list[int]]]
    ) -> list[int]:
        """Return the second vector.

        Args:
            rows: The party's.
            weight: Of each.
            opened: By block, the cells that are opened by themselves, and those of the rest.
        """
        within = [self.of_cell(cell, rows) for cell in self.cells]
        out = []
        for number, terms in enumerate(self.blocks):
            own, rest = opened(number)
            places = [within[k] if k in own else [] for k in range(len(self.cells))]
            if number:
                places.append([row for k in rest for row in within[k]])
            for place in places:
                for term in terms:
                    shift = self.shift(term)
                    out += [
                        (n * weight + (1 << shift >> 1)) >> shift for n in self.numbers(term, place)
                    ]
        return out


def rows_of(seed: int, count: int = 40) -> list[Row]:
    """Return a party's rows."""
    draw = random.Random(seed)
    return [
        {
            "sex": draw.choice("fm"),
            "ward": draw.choice("aaabbccd"[:7]),
            "wage": Decimal(draw.randrange(-1000, 100_000_001)) / 100,
            "age": draw.randrange(16, 100) if draw.random() < 0.95 else None,
            "score": Decimal(draw.randrange(0, 101)) / 10,
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize(("text", "weight"), [(TEXT, 1), (WEIGHTED, 7)], ids=["rows", "weights"])
def test_both_rounds_are_laid_out_as_the_page_says(text: str, weight: int) -> None:
    """Another program that follows the page sums the same numbers in the same places."""
    layout, plan = Layout(text), Plan(parse_study(text.encode()))
    tables = [rows_of(seed) for seed in range(4)]
    local = [aggregates_of(plan, rows) for rows in tables]
    minima = [4, 0, 0, 0]
    firsts = [layout.first(rows, least) for rows, least in zip(tables, minima, strict=True)]
    padded = [[*first, *[0] * (plan.length - len(first))] for first in firsts]
    assert padded == [
        plan.first_round(one, least) for one, least in zip(local, minima, strict=True)
    ]
    opening = plan.opening([sum(column) for column in zip(*padded, strict=True)])
    assert any(block.rest for block in opening.blocks) is not layout.weighted
    assert opening.suppressed

    def opened(block: int) -> tuple[list[int], list[int]]:
        found = opening.blocks[block]
        return [k for k, own in enumerate(found.own) if own], list(found.rest)

    for rows, one in zip(tables, local, strict=True):
        second = layout.second(rows, weight, opened)
        assert plan.second_round(one, opening, weight) == [
            *second,
            *[0] * (plan.length - len(second)),
        ]
    assert plan.length == max(len(firsts[0]), len(second))


def test_shifts_are_those_of_the_page() -> None:
    """Products of money are rounded, plain sums never."""
    layout, plan = Layout(TEXT), Plan(parse_study(TEXT.encode()))
    shifts = [[layout.shift(term) for term in terms] for terms in layout.blocks]
    assert [list(found.values()) for found in plan.shifts] == shifts
    assert max(itertools.chain(*shifts)) > 0
