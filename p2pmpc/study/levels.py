"""What rows a study answers about: all that are shown, every category of a group column, every group.

Suppressed groups are within no level. "all" is the sum over the groups that are shown, so that nothing
of a suppressed one can be had by subtraction.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pmpc.study.disclosure import Opening
from p2pmpc.study.model import Study
from p2pmpc.study.result import Level
from p2pmpc.study.terms import Cell, cells_of


def levels_of(study: Study, opening: Opening) -> tuple[Level, ...]:
    """Return what is answered about: all rows, margins of two and more group columns, single groups."""
    shown = [cell for cell in cells_of(study) if opening.shown[cell.index]]
    levels = [Level((), tuple(cell.index for cell in shown))]
    if len(study.group_by) > 1:
        for place, name in enumerate(study.group_by):
            for category in study.columns[name].categories:
                within = tuple(c.index for c in shown if c.categories[place] == category)
                if within:
                    levels.append(Level(((name, category),), within))
    if study.group_by:
        for cell in shown:
            fixed = tuple(zip(study.group_by, cell.categories, strict=True))
            levels.append(Level(fixed, (cell.index,)))
    return tuple(levels)


def is_within(study: Study, cell: Cell, level: Level) -> bool:
    """Return whether a group has the categories of a level, shown or not."""
    fixed = dict(level.fixed)
    return all(
        fixed.get(name, category) == category
        for name, category in zip(study.group_by, cell.categories, strict=True)
    )


def label_of(study: Study, cell: Cell) -> str:
    """Return what people call a group."""
    return Level(tuple(zip(study.group_by, cell.categories, strict=True)), (cell.index,)).label


def named(labels: Sequence[str], most: int = 3) -> str:
    """Return some labels in a row, the first few where there are many."""
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return "; ".join(labels[:most]) + more
