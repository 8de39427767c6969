"""Write the known-answer vectors, or compare them with what stands there.

``python -m tests.make_vectors`` writes tests/vectors/*.json; with ``--check`` it writes nothing, names
the files that differ, and ends with 1 if there are any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.vector_cases.agreement import entries_topic, parameters_topic, session_topic
from tests.vector_cases.arithmetic import field_topic, hashes_topic, prg_topic, totals_topic
from tests.vector_cases.bodies import messages_topic
from tests.vector_cases.case import Topic
from tests.vector_cases.frames import frames_topic
from tests.vector_cases.keys import identities_topic, sealing_topic, signatures_topic
from tests.vector_cases.product import product_topic
from tests.vector_cases.rounds import ratchet_topic, slices_topic
from tests.vector_cases.sharing import bshares_topic, dense_topic, masks_topic, seeds_topic
from tests.vector_cases.signed import signed_topic
from tests.vector_cases.transcripts import transcripts_topic

FOLDER = Path(__file__).parent / "vectors"

TOPICS: tuple[Callable[[], Topic], ...] = (
    hashes_topic,
    field_topic,
    prg_topic,
    seeds_topic,
    dense_topic,
    masks_topic,
    bshares_topic,
    totals_topic,
    slices_topic,
    ratchet_topic,
    identities_topic,
    signatures_topic,
    sealing_topic,
    frames_topic,
    parameters_topic,
    entries_topic,
    session_topic,
    messages_topic,
    signed_topic,
    transcripts_topic,
    product_topic,
)


def texts() -> dict[str, str]:
    """Return the text of every file by its name."""
    topics = [make() for make in TOPICS]
    return {f"{topic.name}.json": topic.render() for topic in topics}


def differing(made: dict[str, str]) -> list[str]:
    """Return the names of the files that are not what is made, or should not be there."""
    found = {path.name: path.read_text(encoding="ascii") for path in FOLDER.glob("*.json")}
    return sorted(name for name in made.keys() | found.keys() if made.get(name) != found.get(name))


def main(arguments: list[str]) -> int:
    """Write or check, and return the exit code."""
    made = texts()
    names = differing(made)
    if arguments == ["--check"]:
        sys.stdout.write("".join(f"{name} differs\n" for name in names))
        return 1 if names else 0
    if arguments:
        sys.stderr.write("usage: python -m tests.make_vectors [--check]\n")
        return 2
    for name in names:
        if name in made:
            (FOLDER / name).write_text(made[name], encoding="ascii")
        else:
            (FOLDER / name).unlink()
        sys.stdout.write(f"{name} written\n" if name in made else f"{name} removed\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
