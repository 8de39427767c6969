"""What the pages about studies list is what the program knows: kinds, keys, sums, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from p2pmpc import errors
from p2pmpc.study.file.parsing import Table
from p2pmpc.study.file.statistic_tables import KINDS
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.kinds import OnGrid
from p2pmpc.study.terms import size_of, terms_of
from tests.processes import ROOT
from tests.test_study_tutorials import blocks_of

EXAMPLE = (ROOT / "examples" / "study" / "study.toml").read_text()

HEAD = """
title = "t"
purpose = "p"
group_by = ["b"]
weights = "rows"
[[party]]
name = "one"
[[party]]
name = "two"
[[party]]
name = "three"
[columns.x]
type = "integer"
minimum = 0
maximum = 9
[columns.y]
type = "number"
minimum = 0
maximum = 9
[columns.z]
type = "date"
minimum = 2000-01-01
maximum = 2001-01-01
[columns.b]
type = "category"
categories = ["f", "m"]
[columns.c]
type = "category"
categories = ["i", "k", "l"]
[[filter]]
column = "b"
op = "!="
value = "f"
"""

STATISTICS = {
    "count": "",
    "sum": 'column = "x"',
    "mean": 'column = "x"',
    "variance": 'column = "x"',
    "weighted-mean": 'column = "x"\nweight = "y"',
    "proportion": 'column = "c"\ncategory = "i"',
    "histogram": 'column = "x"\nbins = 4',
    "range": 'column = "x"\nedges = [0, 2, 4, 6, 9]',
    "quantiles": 'column = "x"\nstep = 2.5',
    "crosstab": 'rows = "b"\ncolumns = "c"',
    "covariance": 'columns = ["x", "y", "z"]',
    "correlation": 'columns = ["x", "y", "z"]',
    "t-test": 'column = "x"\nbetween = "b"',
    "regression": 'outcome = "x"\npredictors = ["y", "c"]',
}
"""The keys of one of each kind: the examples of the table in docs/statistics.md."""


def page(name: str) -> str:
    """Return a page."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables of a page."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]


def study_of(kind: str) -> str:
    """Return a study with one statistic of a kind."""
    return f'{HEAD}[[statistic]]\nkind = "{kind}"\n{STATISTICS[kind]}\n'


def test_an_example_of_every_kind_is_here() -> None:
    """The examples below leave no kind out."""
    assert set(STATISTICS) == {kind.kind for kind in KINDS}


@pytest.mark.parametrize("kind", STATISTICS)
def test_the_numbers_that_the_page_says_are_opened_are(kind: str) -> None:
    """docs/statistics.md counts what a group opens as the plan lays it out."""
    (row,) = (row for row in rows_of(page("statistics")) if row[0] == f"`{kind}`")
    study = parse_study(study_of(kind).encode())
    opened = sum(size_of(term, study) for term in terms_of(study.statistics[0], study))
    assert int(row[-1].rpartition(" ")[2]) == opened


def test_a_step_that_does_not_divide_the_bounds_reaches_beyond_them() -> None:
    """As docs/coordinator.md says: 0 to 9 in steps of 2.5 are four cells, the last one up to 10."""
    (statistic,) = parse_study(study_of("quantiles").encode()).statistics
    assert isinstance(statistic, OnGrid)
    assert list(map(float, statistic.edges)) == [0, 2.5, 5, 7.5, 10]


@pytest.mark.parametrize("kind", STATISTICS)
def test_every_kind_has_a_formula_and_what_it_reveals(kind: str) -> None:
    """Both lists of docs/statistics.md name it, each in a heading of a point."""
    formulas, _, reveals = page("statistics").partition("### What it reveals")
    for part in (formulas.partition("### Formulas")[2], reveals):
        assert re.search(rf"^\* \*\*[^*]*\b{kind}\b[^*]*\*\*", part, re.M)


def test_every_key_of_a_study_file_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/coordinator.md names in its tables each key that the reader takes."""
    taken: set[str] = set()
    has = Table.has

    def listen(self: Table, key: str) -> bool:
        taken.add(key)
        return has(self, key)

    monkeypatch.setattr(Table, "has", listen)
    for kind in STATISTICS:
        parse_study(study_of(kind).encode())
    parse_study(EXAMPLE.encode())
    private = EXAMPLE.replace("group_by", 'weights = "private"\nweight_bound = 5\ngroup_by')
    parse_study(private[: private.index("[[statistic]]")].encode() + b'[[statistic]]\nkind="count"')
    text = page("coordinator")
    without = {"columns", "party", "filter", "statistic"}
    missing = {key for key in taken - without if f"`{key}`" not in text and f"`{key} =" not in text}
    assert not missing
    assert all(f"[{name}" in text for name in without)


def test_the_study_of_the_page_is_the_one_in_the_repository() -> None:
    """Whoever copies the file gets what the page explains."""
    (shown,) = (block.text for block in blocks_of("coordinator") if block.language == "toml")
    assert f"{shown}\n" == EXAMPLE


def test_every_exit_code_is_explained_to_a_party() -> None:
    """docs/party.md lists each code that an error of this program ends with."""
    listed = {row[0] for row in rows_of(page("party"))}
    raised = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.P2PMPCError)
    }
    assert {str(code) for code in raised} <= listed


@pytest.mark.parametrize("name", ["coordinator", "party", "statistics"])
def test_links_between_the_pages_lead_somewhere(name: str) -> None:
    """Files and headings that a page links to are there."""
    for target in re.findall(r"\]\(([^)h][^)]*)\)", page(name)):
        file, _, heading = target.partition("#")
        path: Path = ROOT / "docs" / file
        assert path.is_file(), target
        anchors = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
        assert not heading or heading in {
            re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in anchors
        }
