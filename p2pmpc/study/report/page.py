"""A result as one page of HTML that needs nothing else: no script, no network, no other file.

Everything that others wrote is escaped where it enters the page (:func:`~p2pmpc.study.report.svg.clean`), and the
page's own policy forbids the browser whatever might slip through.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from p2pmpc.study.model import Study
from p2pmpc.study.report.asked import asked
from p2pmpc.study.report.learned import LIMIT_OF_SECRECY, Point, exactness, learned, not_learned
from p2pmpc.study.report.pictures import pictures_of_answer, pictures_of_section
from p2pmpc.study.report.remarks import shared_remarks
from p2pmpc.study.report.sections import Grid, Part, Section, aligned, sections_of
from p2pmpc.study.report.style import POLICY, STYLE
from p2pmpc.study.report.svg import clean
from p2pmpc.study.report.words import HIDDEN, NOT_SHOWN, format_number
from p2pmpc.study.result import Participant, Result

_FIGURE_SPACE = "\N{FIGURE SPACE}"

_WIDE = 105
"""Signs that a row of a table holds on a common screen."""
_FEW_ROWS = 4

_CHAPTERS = (
    ("summary", "Summary"),
    ("parties", "Who took part"),
    ("asked", "What was asked"),
    ("results", "Results"),
    ("hidden", "What is not shown, and why"),
    ("learned", "Who learned what"),
    ("exact", "How exact the numbers are"),
    ("evidence", "Evidence, and how to check it"),
    ("file", "The study file"),
)


def report(study: Study, result: Result) -> str:
    """Return a result as a page of HTML.

    Args:
        study: What was asked.
        result: What was answered.
    """
    sections = sections_of(study, result, is_grouped=True)
    contents = {
        "summary": _summary(study, result, sections),
        "parties": _parties(result.participants),
        "asked": _described(asked(study)),
        "results": _list_of_notes(shared_remarks(result))
        + "".join(_section(study, k, one) for k, one in enumerate(sections)),
        "hidden": _hidden(study, result, sections),
        "learned": _learned(study),
        "exact": _exact(study, sections),
        "evidence": _evidence(result),
        "file": f"<pre>{_verbatim(study.text)}</pre>",
    }
    chapters = "".join(
        f'<section><h2 id="{key}">{title}</h2>{contents[key]}</section>' for key, title in _CHAPTERS
    )
    title = clean(study.title)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><header><h1>{title}</h1>"
        f'<p class="purpose">{clean(study.purpose)}</p>'
        f'<p class="soft">A joint study; its tables never met. Opened {clean(_readable(result.date))}.</p></header>'
        f"{_contents(sections)}<main>{chapters}</main></body></html>\n"
    )


def _contents(sections: Sequence[Section]) -> str:
    items = []
    for key, title in _CHAPTERS:
        inner = ""
        if key == "results":
            each = (
                f'<li><a href="#s{k}">{clean(_capital(s.title))}</a></li>'
                for k, s in enumerate(sections)
            )
            inner = f"<ol>{''.join(each)}</ol>"
        items.append(f'<li><a href="#{key}">{title}</a>{inner}</li>')
    return f'<nav aria-label="Contents"><ol>{"".join(items)}</ol></nav>'


def _summary(study: Study, result: Result, sections: Sequence[Section]) -> str:
    bringing = [one for one in result.participants if one.brings_data]
    confirmed = sum(one.confirmed for one in result.participants)
    rows = format_number(result.rows, is_grouped=True)
    groups = ""
    if study.group_by:
        groups = f" in {_counted(sum(1 for one in result.levels if _is_group(study, one.fixed)), 'group')}"
    text = [
        f"{_counted(len(bringing), 'party', 'parties')} computed {_counted(len(sections), 'statistic')} over "
        f"{rows} rows{groups}, without any table leaving the machine it is on.",
        f"{confirmed} of {_counted(len(result.participants), 'participant')} confirmed the totals"
        + (" and hold the same ones." if confirmed > 1 else "."),
    ]
    silent = [one.name for one in result.participants if not one.confirmed]
    if silent:
        text.append(f"Not confirmed by: {', '.join(silent)}.")
    if result.suppressed:
        number = len(result.suppressed)
        text.append(f"{_counted(number, 'group is', 'groups are')} suppressed.")
    withheld = sum(len(one.withheld) for one in sections)
    if withheld:
        text.append(f"{_counted(withheld, 'answer is', 'answers are')} withheld.")
    return f"<p>{clean(' '.join(text))}</p>"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _readable(date: str) -> str:
    """Return a time as people write it; whatever else it is, as it is."""
    try:
        return f"{dt.datetime.fromisoformat(date).astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return date


def _is_group(study: Study, fixed: Sequence[tuple[str, str]]) -> bool:
    return len(fixed) == len(study.group_by)


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _parties(participants: Iterable[Participant]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{clean(one.name)}{' (invited the others)' if one.invited else ''}</th>"
        f"<td class=mono>{clean(one.id)}</td>"
        f"<td>{'yes' if one.brings_data else 'no'}</td>"
        f"<td>{'yes' if one.confirmed else 'no'}</td></tr>"
        for one in participants
    )
    return (
        "<div class=wide><table><thead><tr><th scope=col>name</th><th scope=col>ID</th>"
        "<th scope=col>brought data</th><th scope=col>confirmed the totals</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="soft">A name is what a participant calls itself; its ID is what it proved to be.</p>'
    )


def _described(entries: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return headings with their sentences as a list of descriptions."""
    items = (
        f"<dt>{clean(term)}</dt><dd>{''.join(f'<p>{clean(text)}</p>' for text in texts)}</dd>"
        for term, texts in entries
    )
    return f"<dl>{''.join(items)}</dl>"


# -- results --------------------------------------------------------------------------------------


def _section(study: Study, number: int, section: Section) -> str:
    inner = [f'<h3 id="s{number}">{clean(_capital(section.title))}</h3>']
    pictures = "".join(map(_figure, pictures_of_section(study, section)))
    table = table_of(_fitting(section.figures), "") if section.figures else ""
    inner.append(f"<div class=part>{table}{pictures}</div>" if table or pictures else "")
    inner += [_part(study, part) for part in section.parts]
    inner.append(_notes(section))
    return f"<section>{''.join(inner)}</section>"


def _fitting(grid: Grid) -> Grid:
    """Return a grid with rows as columns where it is wide and has few rows."""
    columns = zip(grid.headings, *grid.rows, strict=True)
    width = sum(3 + max(map(len, column)) for column in columns)
    return grid.turned() if width > _WIDE and len(grid.rows) <= _FEW_ROWS else grid


def _part(study: Study, part: Part) -> str:
    tables = "".join(table_of(grid, grid.caption) for grid in part.grids)
    pictures = "".join(map(_figure, pictures_of_answer(study, part.answer)))
    return f"<div class=part>{tables}{pictures}</div>"


def _figure(drawing: str) -> str:
    return f"<figure>{drawing}</figure>"


def _notes(section: Section) -> str:
    lines = [f"Not answered for {label}: {reason}" for label, reason in section.withheld]
    lines += [*section.resolution, *section.remarks, *section.hidden]
    return _list_of_notes(lines)


def _list_of_notes(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<ul class=notes>{''.join(f'<li>{clean(line)}</li>' for line in lines)}</ul>"


def table_of(grid: Grid, caption: str) -> str:
    """Return a grid as a table; it scrolls by itself where it is too wide.

    Args:
        grid: The grid.
        caption: Above it; may be empty.
    """
    heads = "".join(
        f"<th scope=col{' class=n' if is_numeric else ''}>{clean(text)}</th>"
        for text, is_numeric in zip(grid.headings, grid.numeric, strict=True)
    )
    columns = [
        aligned([row[place] for row in grid.rows], _FIGURE_SPACE)
        if is_numeric and grid.is_one_kind
        else [row[place] for row in grid.rows]
        for place, is_numeric in enumerate(grid.numeric)
    ]
    rows = "".join(
        f"<tr>{''.join(_cells(row, grid.numeric))}</tr>" for row in zip(*columns, strict=True)
    )
    return (
        f"<div class=wide tabindex=0><table>{f'<caption>{clean(caption)}</caption>' if caption else ''}"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(row: Sequence[str], numeric: Sequence[bool]) -> Iterator[str]:
    for place, (text, is_numeric) in enumerate(zip(row, numeric, strict=True)):
        if is_numeric:
            kind = "n hidden" if text in {NOT_SHOWN, HIDDEN} else "n"
            yield f'<td class="{kind}">{escape(text)}</td>'
        else:
            yield f"<th scope=row>{clean(text)}</th>" if not place else f"<td>{clean(text)}</td>"


# -- what is beside the results -------------------------------------------------------------------


def _hidden(study: Study, result: Result, sections: Sequence[Section]) -> str:
    lines = [f"{label}: {reason}" for label, reason in result.suppressed]
    withheld = [f"{s.title}, {label}: {reason}" for s in sections for label, reason in s.withheld]
    return (
        _listing("Suppressed groups", lines, "No group was suppressed.")
        + _listing("Answers withheld", withheld, "No answer was withheld.")
        + f"<p>In tables of counts, &ldquo;{HIDDEN}&rdquo; stands for fewer than {study.minimum_group} rows, "
        "or for a number from which such a one could be found by subtraction. Every statistic is looked at by "
        "itself: several of one column may tell together what each hides. The rows of suppressed groups "
        "are in no other number: not in &ldquo;all&rdquo; either.</p>"
    )


def _listing(title: str, lines: Sequence[str], otherwise: str) -> str:
    if not lines:
        return f"<p>{otherwise}</p>"
    return f"<h4>{title}</h4><ul>{''.join(f'<li>{clean(line)}</li>' for line in lines)}</ul>"


def _learned(study: Study) -> str:
    nobody = ((text, ()) for text in not_learned(study))
    return (
        f"<h4>Every participant learned</h4>{_points(learned(study))}"
        f"<h4>Nobody learned</h4>{_points(nobody)}<h4>The limit of this</h4>"
        f"<p>{clean(LIMIT_OF_SECRECY)}</p>"
    )


def _points(points: Iterable[Point]) -> str:
    items = []
    for text, inner in points:
        below = "".join(f"<li>{clean(one)}</li>" for one in inner)
        items.append(f"<li>{clean(text)}{f'<ul>{below}</ul>' if below else ''}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _exact(study: Study, sections: Sequence[Section]) -> str:
    lines = [f"{one.title}, {line}" for one in sections for line in one.resolution]
    points = (
        "".join(f"<li>{clean(line)}</li>" for line in lines)
        or "<li>None: no figure was rounded.</li>"
    )
    paragraphs = "".join(f"<p>{clean(text)}</p>" for text in exactness(study))
    return f"{paragraphs}<h4>Figures that are not exact</h4><ul>{points}</ul>"


def _evidence(result: Result) -> str:
    folder = result.files or "FOLDER"
    entries = [
        ("Study file, SHA-256", result.study_digest),
        ("Session", result.session),
        *(
            (f"Transcript of round {number}", digest)
            for number, digest in enumerate(result.transcripts, start=1)
        ),
        ("Field that carried the numbers", result.field),
    ]
    items = "".join(
        f"<dt>{clean(term)}</dt><dd class=mono>{clean(text)}</dd>" for term, text in entries
    )
    return (
        f"<dl>{items}</dl><p>Every participant signed the same study digest before anything left it, and a "
        "transcript of what was said, from which the totals follow. Whoever has the files checks "
        "signatures, transcripts and totals again, without trusting the machine that wrote them:</p>"
        f"<pre>p2pmpc verify {clean(folder)}</pre>"
        "<p>Compare the digests above with another participant's report: they are the same in all.</p>"
    )


def _verbatim(text: bytes) -> str:
    """Return the study file with its lines, and without signs that steer."""
    decoded = text.decode("utf-8", errors="replace")
    return "\n".join(
        escape("".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in line))
        for line in decoded.splitlines()
    )
