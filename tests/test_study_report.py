"""A result as one page of HTML with plots."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.study.kinds import (
    Covariance,
    Histogram,
    Mean,
    Quantiles,
    Range,
    Statistic,
    Variance,
    WeightedMean,
)
from p2pmpc.study.model import EPOCH, Study, WeightPolicy
from p2pmpc.study.report.page import report
from p2pmpc.study.report.plots import Mark, Words, bars, boxes, dots, matrix, shares
from p2pmpc.study.report.result_csv import to_csv
from p2pmpc.study.report.result_json import to_json
from p2pmpc.study.report.sections import sections_of
from p2pmpc.study.report.showing import show
from p2pmpc.study.report.style import POLICY, STYLE
from p2pmpc.study.report.svg import WIDTH, days_between, ticks_between, width_in_units
from p2pmpc.study.report.words import day
from p2pmpc.study.result import Answer, Figure, Result, Table
from tests.made_up_study import (
    ALL,
    EDGES,
    EVIL,
    HISTOGRAM,
    LINE,
    MEAN,
    TABLE,
    a_result,
    a_study,
)
from tests.study_reference import run

STUDY = a_study()
RESULT = a_result(STUDY)
VOID = {"meta", "br", "hr", "img", "input", "link"}
WORDS = Words(EVIL, EVIL, EVIL, EVIL)


@cache
def page() -> str:
    """Return the report on the made-up result."""
    return report(STUDY, RESULT)


class Reader(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"{self.open} is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that the last element that was opened is closed."""
        assert self.open, f"{tag} is closed, and nothing is open"
        assert self.open.pop() == tag, f"{tag} is closed, and something else is open"

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def drawings(text: str) -> list[ET.Element]:
    """Return the drawings of a page, each read as XML."""
    return [ET.fromstring(one) for one in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def plain_text(text: str) -> str:
    """Return what a page says, numbers without the spaces within and beside them."""
    return re.sub(r"[\u202f\u2007]", "", " ".join(Reader(text).text))


# -- the page -------------------------------------------------------------------------------------


def test_the_page_is_well_formed() -> None:
    """Every element is closed in order, ids are unique, and links within the page lead somewhere."""
    tags = Reader(page()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes["href"] or "" for tag, attributes in tags if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_the_page_needs_nothing_else() -> None:
    """No script, no style but its own, no reference to anything outside, and a policy that says so."""
    tags = Reader(page()).tags
    assert not {tag for tag, _ in tags} & {
        *("script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"),
    }
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not {"src", "srcset", "action", "xlink:href", "data", "poster"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    policies = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [POLICY]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert POLICY.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert page().count("<style>") == 1
    assert f"<style>{STYLE}</style>" in page()
    assert page().index("Content-Security-Policy") < page().index("<style>")


def test_what_others_wrote_is_escaped_everywhere() -> None:
    """Markup in title, purpose, names, categories, reasons, units and the study file stays text."""
    study = dataclasses.replace(
        a_study(title=EVIL, purpose=EVIL),
        columns={
            name: dataclasses.replace(column, unit=EVIL, description=EVIL)
            for name, column in STUDY.columns.items()
        },
    )
    result = dataclasses.replace(
        RESULT,
        participants=tuple(
            dataclasses.replace(one, name=EVIL, id=EVIL) for one in RESULT.participants
        ),
        **dict.fromkeys(("study_digest", "session", "date", "field", "files"), EVIL),  # type: ignore[arg-type]
        transcripts=(EVIL,),
    )
    for text in (page(), report(study, result)):
        assert "<script" not in text
        reader = Reader(text)
        assert EVIL in " ".join(reader.text)
        assert {tag for tag, _ in reader.tags} <= {
            *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section"),
            *("h1", "h2", "h3", "h4", "p", "a", "ol", "ul", "li", "dl", "dt", "dd", "pre", "div"),
            *("table", "caption", "thead", "tbody", "tr", "th", "td", "figure"),
            *("svg", "desc", "rect", "line", "circle", "text"),
        }


def test_every_answer_is_on_the_page() -> None:
    """Each text of every table of every section, and each reason and remark, can be read."""
    text = plain_text(page())
    for section in sections_of(STUDY, RESULT):
        grids = [g for part in section.parts for g in part.grids]
        for grid in (*grids, *([section.figures] if section.figures else [])):
            for row in (grid.headings, *grid.rows):
                for entry in row:
                    assert entry in text
        for line in (*section.resolution, *section.remarks, *section.hidden):
            assert line in text
        for label, reason in section.withheld:
            assert f"Not answered for {label}: {reason}" in text
    assert "132.4170312" in text
    assert "278075.8" in text


def test_the_page_says_what_its_readers_ask() -> None:
    """Who took part, what was asked, what is hidden, who learned what, how exact, and how to check."""
    text = plain_text(page())
    for said in (
        STUDY.purpose,
        "5 parties computed 10 statistics over 2100 rows in 2 groups",
        "Not confirmed by: Hospital D.",
        "2 groups are suppressed.",
        "1 answer is withheld.",
        "Only rows where age is at least 18 years, and admitted is below 2024-10-04.",
        "A row in which any column of the study is missing is left out, of every statistic alike.",
        "Groups of fewer than 5 rows over all parties are suppressed",
        "A regression, covariance or correlation needs at least 10 rows",
        "sex = diverse: fewer than 5 rows",
        "the number of rows with each pair of sex and smoker",
        "every participant's program has seen them",
        "The same by each category of smoker",
        "the tables never left the parties' machines",
        "Nor did anybody check that the numbers that a party brought are true.",
        "several of one column may tell together what each hides",
        "if all parties but one put their own numbers together",
        "T-test of pressure between sex = female and male, difference: off by at most 0.0037 mmHg",
        f"Study file, SHA-256 {STUDY.digest.hex()}",
        f"Session {RESULT.session}",
        f"Transcript of round 2 {RESULT.transcripts[1]}",
        "p2pmpc verify results/2031-04-01",
        '[columns.pressure]\nunit = "mmHg"',
        *(f"{one.name} {one.id}" for one in RESULT.participants),
    ):
        assert said.lower() in text.lower(), f"{said!r} is missing"


def test_a_hidden_count_is_called_hidden_on_the_page() -> None:
    """In tables and plots, and never as a number, a none or a NaN."""
    text = page()
    assert '<td class="n hidden">hidden</td>' in text
    assert "dashed: hidden" in text
    for word in ("None", "nan", "NaN", "inf"):
        assert not re.search(rf"\b{word}\b", " ".join(Reader(text).text)), word
        assert f'"{word}' not in text


def test_weights_are_spoken_of() -> None:
    """Private weights are named among what nobody learned, and their sum among what was opened."""
    study = dataclasses.replace(STUDY, weights=WeightPolicy.PRIVATE)
    text = plain_text(report(study, RESULT))
    assert "A party's weight." in text
    assert "the sum of the weights of the rows" in text


def test_a_study_without_answers_has_a_page() -> None:
    """Where all is suppressed, the page says so and stands."""
    result = dataclasses.replace(RESULT, answers=(), levels=(), rows=0)
    study = dataclasses.replace(STUDY, group_by=(), filters=(), purpose="")
    text = plain_text(report(study, result))
    assert "0 statistics over 0 rows" in text
    assert "All rows of every party." in text


@cache
def computed() -> tuple[Study, Result]:
    """Return a study over three made-up tables, and the answers that follow from its totals."""
    draws = random.Random(5)
    rows = [
        {
            "pressure": Decimal(draws.randrange(900, 1800)) / 10,
            "age": draws.randrange(18, 100),
            "bmi": Decimal(draws.randrange(180, 400)) / 10,
            "sex": "male" if k % 2 else "female",
            "smoker": "no" if k % 3 else EVIL if k == 3 else "yes",
            "admitted": EPOCH + dt.timedelta(days=18262 + k),
        }
        for k in range(240)
    ]
    dates = tuple(Decimal(edge) for edge in (18262, 19000, 20453))
    more: tuple[Statistic, ...] = (
        *(Variance("pressure"), WeightedMean("pressure", "age"), Range("pressure", EDGES)),
        *(Mean("admitted"), Histogram("admitted", dates), Covariance(("age", "bmi"))),
        Quantiles("admitted", dates, (Decimal("0.1"), Decimal("0.5"))),
    )
    study = dataclasses.replace(
        STUDY, statistics=(*STUDY.statistics, *more), number_of_parties=3, rows_per_coefficient=5
    )
    answers = run(study, [rows[k::3] for k in range(3)]).answers
    levels = tuple(dict.fromkeys(answer.level for answer in answers))
    return study, dataclasses.replace(RESULT, answers=answers, levels=levels, rows=240)


def test_answers_from_totals_have_all_their_plots() -> None:
    """The names of figures and tables are those that plots and headings look for."""
    study, result = computed()
    text = report(study, result)
    Reader(text)
    found = Counter((one.findtext("{*}title") or "").split(" ")[0] for one in drawings(text))
    assert found == {
        "histogram": 6,
        "mean": 3,
        "proportion": 1,
        "quantiles": 2,
        "crosstab": 3,
        "correlation": 3,
        "t-test": 1,
        "regression": 2,
    }
    for one in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        check_within(one)
    said = plain_text(text)
    for heading in (
        "lower [mmHg]",
        "standard deviation, sample [mmHg]",
        "mean [date]",
        "10 % [date]",
    ):
        assert heading in said


def test_answers_from_totals_have_all_forms() -> None:
    """Terminal, JSON and CSV take whatever a study answers."""
    study, result = computed()
    assert "None" not in show(study, result)
    assert len(json.loads(to_json(study, result))["answers"]) == len(result.answers)
    assert to_csv(result).count("\r\n") > len(result.answers)


# -- plots ----------------------------------------------------------------------------------------


def test_every_kind_of_statistic_has_its_plot() -> None:
    """Histograms, means, proportions, quantiles, shares, differences, coefficients and correlations."""
    titles = [unescape(one.findtext("{*}title") or "") for one in drawings(page())]
    assert sorted(title.split(" ")[0] for title in titles) == sorted(
        [
            *("histogram", "histogram", "histogram", "mean", "proportion", "quantiles"),
            *("crosstab", "correlation", "t-test", "regression"),
        ]
    )


def test_drawings_say_what_they_show() -> None:
    """Each is one image with a title and a description, for those who cannot see it."""
    for one in drawings(page()):
        assert one.attrib["role"] == "img"
        assert [child.tag.split("}")[1] for child in one[:2]] == ["title", "desc"]
        assert all((child.text or "").strip() for child in one[:2])


def check_within(markup: str) -> None:
    """Check that a drawing is well formed and that all of it is within its frame."""
    root = ET.fromstring(markup)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert width == WIDTH
    for element in root.iter():
        name = element.tag.split("}")[1]
        at = {
            k: float(v)
            for k, v in element.attrib.items()
            if re.fullmatch(r"[xy][12]?|c[xy]|width|height", k)
        }
        if name == "svg":
            continue
        for key, value in at.items():
            limit = width if "x" in key or key == "width" else height
            assert math.isfinite(value)
            assert -0.1 <= value <= limit + 0.1, f"{name} {key} = {value}"
        if name == "text":
            wide = width_in_units(element.text or "")
            left = (
                at["x"]
                - wide * {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]]
            )
            assert left >= -1, f"{element.text!r} begins at {left}"
            assert left + wide <= width + 1, f"{element.text!r} ends at {left + wide}"
        if name == "rect":
            assert at["x"] + at["width"] <= width + 0.1
            assert at["y"] + at["height"] <= height + 0.1


def test_the_plots_of_the_page_are_within_their_frames() -> None:
    """No mark and no label stands outside of what is drawn."""
    for one in re.findall(r"<svg.*?</svg>", page(), re.DOTALL):
        check_within(one)


NUMBERS = st.floats(-1e12, 1e12, allow_nan=False).map(lambda x: round(x, 12))
"""A study carries 12 decimals at most: no cell of a grid is so narrow that rows per unit overflow."""


@given(st.data())
def test_plots_of_any_numbers_are_within_their_frames(data: st.DataObject) -> None:
    """However large, equal, negative, hidden or badly named: all is drawn, and within."""
    names = st.sampled_from(["a", EVIL, "x" * 80, "名" * 30, ""])
    edges = sorted(set(data.draw(st.lists(NUMBERS, min_size=2, max_size=6))))
    counts = st.none() | st.integers(0, 10**9)
    if len(edges) > 1:
        heights = data.draw(st.lists(counts, min_size=len(edges) - 1, max_size=len(edges) - 1))
        check_within(bars(WORDS, edges, heights, "hidden"))
    marks = []
    for name, *values in data.draw(
        st.lists(st.tuples(names, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4)
    ):
        low, value, high = sorted(values)
        marks.append(Mark(name, value, low, high, EVIL[:9]))
    check_within(dots(WORDS, marks, zero=data.draw(st.booleans())))
    check_within(dots(WORDS, marks, zero=True, own_scales=True))
    points = [(p, value) for p, value in zip((0.25, 0.5, 0.75), sorted(edges), strict=False)]
    check_within(boxes(WORDS, [(data.draw(names), points), ("b", [])]))
    row = data.draw(st.lists(counts, min_size=8, max_size=8))
    total = sum(n or 0 for n in row) + 5
    check_within(shares(WORDS, [data.draw(names)] * 8, [("r", row, total)], "hidden"))
    entries = data.draw(st.lists(st.none() | st.floats(-1, 1), min_size=9, max_size=9))
    check_within(matrix(WORDS, [data.draw(names)] * 3, [entries[:3], entries[3:6], entries[6:]]))


def heights_of(markup: str, kind: str) -> list[float]:
    """Return the heights of the rectangles of a class."""
    found = ET.fromstring(markup).findall(".//{*}rect")
    return [float(one.attrib["height"]) for one in found if one.attrib["class"] == kind]


def test_bars_are_as_high_as_their_counts() -> None:
    """Of equal cells the heights, of unequal ones the areas are in proportion to the counts."""
    low, high = heights_of(bars(WORDS, [0, 1, 2], [10, 30], "hidden"), "c0")
    assert high / low == pytest.approx(3, rel=0.01)
    low, high = heights_of(bars(WORDS, [0, 1, 4], [10, 30], "hidden"), "c0")
    assert high == pytest.approx(low, rel=0.01)


def test_nothing_is_to_be_read_from_the_size_of_a_hidden_count() -> None:
    """A hidden bar is as high as the plot, whatever the others, and not filled."""
    for others in ([5, 1000], [0, 7]):
        drawn = bars(WORDS, [0, 1, 2, 3], [*others, None], "hidden")
        assert heights_of(drawn, "masked") == [208.0]
    drawn = shares(WORDS, ["a", "b"], [("r", [30, None], 100.0)], "hidden")
    widths = {
        one.attrib["class"]: float(one.attrib["width"])
        for one in ET.fromstring(drawn).findall(".//{*}rect")
        if one.attrib["height"] in {"22.0", "20.0"}
    }
    assert widths["c0"] / (widths["c0"] + widths["masked"]) == pytest.approx(0.3, rel=0.02)


def test_coefficients_that_differ_widely_have_scales_of_their_own() -> None:
    """Else the small ones would be dots at zero; where they are alike, they share one axis."""

    def drawn(*sizes: float) -> str:
        rows = tuple((f"x{k}", v, v / 9, 9.0, 0.0, v * 0.8, v * 1.2) for k, v in enumerate(sizes))
        names = ("name", "estimate", "standard_error", "t", "p", "low", "high")
        answer = Answer(LINE, ALL, 99, tables=(Table("coefficients", names, rows),))
        return report(STUDY, dataclasses.replace(RESULT, answers=(answer,)))

    assert "each row has a scale of its own" in drawn(1000.0, 0.001)
    assert "each row has a scale of its own" not in drawn(3.0, -2.0)


def test_a_plot_is_left_out_where_there_is_nothing_to_compare() -> None:
    """One mean without an interval, a table of nothing but hidden numbers and a missing matrix."""
    answers = (
        Answer(MEAN, ALL, 5, (Figure("mean", 1.5, "mmHg"),)),
        Answer(TABLE, ALL, 5, tables=(Table("counts", ("sex", "no"), (("female", None),)),)),
        Answer(HISTOGRAM, ALL, 5, tables=(Table("bins", ("lower",), ((80,),)),)),
    )
    assert not drawings(report(STUDY, dataclasses.replace(RESULT, answers=answers)))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_ticks_are_round_and_few(low: float, span: float, at_most: int) -> None:
    """They are within the axis, evenly spaced, and not more than asked, save one at an end."""
    ticks = ticks_between(low, low + span, at_most)
    assert len(ticks) <= at_most + 1
    assert all(low <= tick <= low + span for tick in ticks)


@given(st.floats(-20000, 40000), st.floats(1, 40000))
def test_ticks_of_dates_are_first_days_of_months(low: float, span: float) -> None:
    """They are within the axis and begin months, save where it is too short for that."""
    ticks = days_between(low, low + span)
    assert len(ticks) <= 9
    assert all(low - 1 <= tick <= low + span + 1 for tick in ticks)
    if span > 100:
        assert all(day(tick).endswith("-01") for tick in ticks)


def test_numbers_of_the_page_are_those_of_the_terminal() -> None:
    """Long numbers are parted by narrow spaces, and are the same without them."""
    wide = sections_of(STUDY, RESULT, is_grouped=True)
    for one, other in zip(sections_of(STUDY, RESULT), wide, strict=True):
        for narrow, grouped in _pairs(one.figures, other.figures):
            assert narrow == grouped.replace("\u202f", "")


def _pairs(one: object, other: object) -> Iterator[tuple[str, str]]:
    rows = getattr(one, "rows", ()), getattr(other, "rows", ())
    for a, b in zip(*rows, strict=True):
        yield from zip(a, b, strict=True)
