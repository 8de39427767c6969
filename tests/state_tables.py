"""Write the state tables of docs/protocol.md from the tables that drive the code.

python -m tests.state_tables           # rewrite the section
python -m tests.state_tables --check   # exit 1 if it is not what the code says
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from p2pmpc.joints import CONTRIBUTING, OBSERVING, SHARDING, Joint
from p2pmpc.script import (
    AMONG_CONTRIBUTORS,
    AMONG_OWNERS,
    OF_AN_OBSERVER,
    OF_SLICES_TO_AN_OBSERVER,
    TO_AN_OBSERVER,
    Script,
    Stage,
)

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
BEGIN, END = "<!-- tables from the code: begin -->\n", "<!-- tables from the code: end -->\n"


def script_rows(script: Script) -> Iterator[str]:
    """Yield a script as the rows of a table."""
    yield "| column | message | next column |"
    yield "|---|---|---|"
    for column, following in script.items():
        for kind, then in following.items():
            yield f"| {column.name} | {kind.name} | {then.name} |"


def stage_rows(table: Mapping[Stage, Joint]) -> Iterator[str]:
    """Yield joint transitions as the rows of a table."""
    yield "| stage | condition | sends | next stage |"
    yield "|---|---|---|---|"
    for stage, joint in table.items():
        says = ", then ".join(kind.name for kind in joint.says) or "nothing"
        yield f"| {stage.name} | {joint.needs} | {says} | {joint.then.name} |"


def rendered() -> str:
    """Return all tables as they stand in the page."""
    parts = (
        ("What a contributor's link walks, towards another contributor:", AMONG_CONTRIBUTORS),
        ("The same in sharded mode:", AMONG_OWNERS),
        ("What a contributor's link walks, towards an observer:", TO_AN_OBSERVER),
        ("The same in sharded mode:", OF_SLICES_TO_AN_OBSERVER),
        ("What an observer's link walks:", OF_AN_OBSERVER),
    )
    tables = (
        ("The stages of a contributor:", CONTRIBUTING),
        ("The stages of a contributor in sharded mode:", SHARDING),
        ("The stages of an observer, in both modes:", OBSERVING),
    )
    text = ""
    for heading, script in parts:
        text += "\n".join([heading, "", *script_rows(script)]) + "\n\n"
    for heading, table in tables:
        text += "\n".join([heading, "", *stage_rows(table)]) + "\n\n"
    return text.removesuffix("\n")


def rewritten(page: str) -> str:
    """Return the page with its tables as the code has them."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{rendered()}\n{END}{after}"


def main() -> int:
    """Rewrite the page, or with --check only compare."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        return int(page != rewritten(page))
    PAGE.write_text(rewritten(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
