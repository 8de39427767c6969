"""What a session is about, as a text that all its members hold: a study file, byte for byte.

The parameters hold the text's SHA-256, so every HELLO signs it. The founder's offer holds the text itself,
so that whoever has another one sees where they differ before anything leaves.
"""

from __future__ import annotations

import difflib
import hashlib
from typing import Final

from p2pmpc.errors import AgreementFailed

LONGEST_STUDY: Final = (1 << 16) - 1
"""Bytes: whoever knocks is sent the text."""

_LONGEST_SHOWN: Final = 80

_MOST_COMPARED: Final = 1 << 20
"""Lines of one text times lines of the other: beyond that only the first line that differs is looked for."""


def study_digest(text: bytes) -> bytes:
    """Return the SHA-256 of a study, or nothing where the session has none."""
    return hashlib.sha256(text).digest() if text else b""


def check_same_study(here: bytes, there: bytes) -> None:
    """Refuse a founder whose study is another one.

    Args:
        here: This peer's text; empty where it brings none.
        there: The founder's.

    Raises:
        AgreementFailed: They differ; says where.
    """
    if here == there:
        return
    if not here:
        raise AgreementFailed(
            f"the founder's session is a study ({_shown_digest(there)}), and this peer brings none",
            hint="join it with `p2pmpc join INVITE --study study.toml --data FILE`",
        )
    if not there:
        raise AgreementFailed(
            f"this peer brings a study ({_shown_digest(here)}), and the founder's session has none",
            hint="ask the founder to invite with `p2pmpc invite study.toml`",
        )
    raise AgreementFailed(
        f"the study files differ ({_shown_digest(here)} here, {_shown_digest(there)} at the founder): "
        f"{first_difference(here, there)}",
        hint="use the very file that the coordinator invites with; a byte is enough to differ",
    )


def first_difference(here: bytes, there: bytes) -> str:
    """Return, for people, the first line in which two texts differ.

    Args:
        here: One text.
        there: The other, of the founder.
    """
    mine, theirs = here.split(b"\n"), there.split(b"\n")
    if len(mine) * len(theirs) > _MOST_COMPARED:  # what is sent must not keep this peer busy
        place = _first_unlike(mine, theirs)
        one, two = (lines[place] if place < len(lines) else b"" for lines in (mine, theirs))
        return f"line {place + 1} is {_shown(one)} here and {_shown(two)} there"
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    blocks = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    _, mine_at, mine_stop, theirs_at, theirs_stop = blocks[0]
    more = f", and {len(blocks) - 1} more" if len(blocks) > 1 else ""
    if mine_at == mine_stop:
        return f"line {theirs_at + 1} there, {_shown(theirs[theirs_at])}, is missing here{more}"
    if theirs_at == theirs_stop:
        return f"line {mine_at + 1} here, {_shown(mine[mine_at])}, is missing there{more}"
    return (
        f"line {mine_at + 1} is {_shown(mine[mine_at])} here and {_shown(theirs[theirs_at])} there"
        f"{more}"
    )


def _first_unlike(mine: list[bytes], theirs: list[bytes]) -> int:
    both = enumerate(zip(mine, theirs, strict=False))
    shorter = min(len(mine), len(theirs))
    return next((place for place, (one, two) in both if one != two), shorter)


def _shown_digest(text: bytes) -> str:
    return study_digest(text).hex()[:16]


def _shown(line: bytes) -> str:
    """Return a line in printable ASCII, so that blanks at its end and foreign letters are seen."""
    text = ascii(line.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...'"
