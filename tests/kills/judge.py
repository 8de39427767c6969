"""What the page of faults demands of an ending: rows 1-6, 8, 9 and 30, from what can be seen outside.

Exit codes, standard output, the lines that a peer prints at its steps, what it says at its end, and the
files that it leaves: nothing here asks the program what it thinks.

Fates: untouched; dead (killed, and stays so); returned (killed and gone on); stopped in time; late (stopped
for so long that it may be too late); SIGINT and SIGTERM. The fates that end with *somewhen* and *late* may
come to nothing; all others are held to a code.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any, Final

from p2pmpc.errors import P2PMPCError
from p2pmpc.verify import verify_directory
from tests.kills.drawn import NAMES, STEPS
from tests.kills.scene import Played
from tests.processes import Ended

MAYBE: Final = "may have been opened"
OPENED: Final = re.compile(rf"{MAYBE}|the total was opened")
EARLIER: Final = re.compile(r"of this round nothing")
NOTHING: Final = re.compile(rf"nothing about your data was revealed|{EARLIER.pattern}")
_BACK: Final = frozenset({"returned", "returned after a refusal", "stopped in time"})
_ALIVE: Final = _BACK | {"untouched"}
_SIGNALS: Final = {"SIGINT": 128 + signal.SIGINT, "SIGTERM": 128 + signal.SIGTERM}


class Judge:
    """Holds how one run ended against the page.

    Args:
        played: The run.
    """

    def __init__(self, played: Played) -> None:
        self.played = played
        self.case = played.case
        self.sum = played.case.sum
        self.last = [lives[-1] for lives in played.lives]
        self.printed = [totals_of(end) for end in self.last]

    def wrong(self) -> list[str]:
        """Return all that is not as it must be."""
        found: list[str] = []
        for peer, lives in enumerate(self.played.lives):
            for number, end in enumerate(lives):
                told = [*self._life(peer, end), *self._told(peer, number)]
                found += [f"{NAMES[peer]} {what}" for what in told]
            found += [f"{NAMES[peer]} {what}" for what in (*self._code(peer), *self._files(peer))]
        found += self._together()
        found += self._due()
        if self.played.orphans:
            found.append(f"{len(self.played.orphans)} processes were left")
        return found

    # -- each process -----------------------------------------------------------------------

    def _life(self, peer: int, end: Ended) -> Iterator[str]:
        """Rows 1-9: no wrong total ever, no traceback, and 0 for all totals alone."""
        if end.has_traceback:
            yield "showed a traceback"
        printed = totals_of(end)
        for number, total in printed.items():
            if not 0 < number <= self.sum.rounds or total != self.sum.total(number - 1):
                yield f"printed a wrong total in round {number}"
        is_done = self.sum.rounds in printed
        is_killed = end.code == -signal.SIGKILL  # it may be after all was printed
        if is_done != (end.code == 0) and not (is_done and is_killed):
            yield f"ended with {end.code}, and printed the totals of rounds {sorted(printed)}"
        if peer not in self.sum.contributors and end.code == 8:
            yield "brings no input, and was refused"

    def _told(self, peer: int, number: int) -> Iterator[str]:
        """Rows 2-4, 6, 8: who ends without a total says what is known of it: whether it may be open."""
        lives = self.played.lives[peer][: number + 1]
        end = lives[-1]
        if end.code not in (3, 8, *_SIGNALS.values()) or peer not in self.sum.contributors:
            return
        said = end.err[end.err.rfind("error: ") :]
        before = any(map(echoed, lives[:-1]))
        # In which round an earlier life ended is known where there is one alone.
        if (echoed(end) or (before and self.sum.rounds == 1)) and not OPENED.search(said):
            yield "ended after its ECHO, and does not say that a total may have been opened"
        if not echoed(end) and not before:
            had_totals = any(map(totals_of, lives))
            if not (EARLIER if had_totals else NOTHING).search(said):
                yield "ended before its ECHO, and does not say that nothing more was revealed"

    def _code(self, peer: int) -> Iterator[str]:
        """Hold all exit codes of a peer against its fate."""
        *before, code = [end.code for end in self.played.lives[peer]]
        fate = self.played.fates[peer]
        is_early = self.case.steps[0] == "start"
        allowed = {0, 3}
        if fate == "dead":
            allowed = {-signal.SIGKILL}
        elif fate in _SIGNALS:
            allowed = {0, _SIGNALS[fate]}
            if self.case.kind == "several at a time":
                allowed.add(3)
        elif fate == "late" and self.case.kind == "stopped for too long" and self._is_early(peer):
            allowed = {3}
        elif fate in _BACK and not is_early:
            allowed = {0}
        if code not in allowed:
            yield f"({fate}) ended with {code}, and not with one of {sorted(allowed)}"
        refused = [8] if fate == "returned after a refusal" else []
        killed = [end for end in before if end != 8]
        if before != killed + refused or set(killed) - {-signal.SIGKILL}:
            yield f"({fate}) ended with {before} before"
        if refused and "nothing was sent now" not in self.played.lives[peer][-2].err:
            yield "was refused, and does not say that nothing was sent"

    def _is_early(self, peer: int) -> bool:
        """Whether a victim cannot have got what it needs before the others ended without it."""
        return peer in self.sum.contributors and STEPS.index(self.case.steps[0]) < STEPS.index(
            "open"
        )

    def _files(self, peer: int) -> Iterator[str]:
        """Row 5: what is written verifies, and of one that ended with 0 no secret is kept."""
        folder = self.played.log_dir(peer)
        if self.last[peer].code < 0 or not any(folder.glob("*.transcript")):
            if self.last[peer].code == 0:
                yield "left no transcript"
            return
        try:
            verdict = verify_directory(folder)
        except P2PMPCError as error:
            yield f"left files that do not verify: {error.message}"
        else:
            if self.last[peer].code == 0 and verdict.rounds != self.sum.rounds:
                yield f"left transcripts of {verdict.rounds} rounds"
        if self.last[peer].code == 0 and any(self.played.state_dir(peer).glob("*")):
            yield "left state, and there is nothing to go on with"

    # -- all of them ------------------------------------------------------------------------

    def _together(self) -> Iterator[str]:
        """Row 4: all that live end alike, and with a total if one of them could finish."""
        alive = [k for k, fate in enumerate(self.played.fates) if fate in _ALIVE]
        ends = {NAMES[k]: (self.last[k].code, len(self._counted(k))) for k in alive}
        if len(set(ends.values())) > 1:
            yield f"the living ended differently (code, totals): {ends}"
        untouched = [k for k in alive if self.played.fates[k] == "untouched"]
        could = max((opened(self.last[k]) for k in untouched), default=0)
        contributors = [k for k in alive if k in self.sum.contributors]
        if len(contributors) >= self.sum.majority and not self.sum.is_strict:
            yield from (
                f"{NAMES[k]} did not finish round {could}, which somebody else could open"
                for k in alive
                if len(self._counted(k)) < could
            )
        texts: dict[str, set[bytes]] = {}
        for k in range(self.sum.count):
            for path in self.played.log_dir(k).glob("*.transcript"):
                texts.setdefault(path.name.removeprefix(NAMES[k]), set()).add(path.read_bytes())
        yield from (f"transcripts {name} differ" for name, found in texts.items() if len(found) > 1)

    def _counted(self, peer: int) -> set[int]:
        """Return the rounds of which a peer printed totals in any of its lives."""
        return {number for end in self.played.lives[peer] for number in totals_of(end)}

    # -- what is due at a step --------------------------------------------------------------

    def _due(self) -> Iterator[str]:
        """Rows 1-4, 9: how many totals those may print that were not struck, and whom they name."""
        due = self._due_totals()
        victims = [NAMES[k] for k in self.case.victims]
        strikes = {"dead", "late", *_SIGNALS}
        for k, fate in enumerate(self.played.fates):
            if fate != "untouched":
                continue
            if due is not None and len(self.printed[k]) not in due:
                yield f"{NAMES[k]} printed {len(self.printed[k])} totals, and not {sorted(due)}"
            said = self.last[k].err[self.last[k].err.rfind("error: ") :]
            is_named = any(name in said for name in victims)
            is_known = not self.case.is_before_the_roster and strikes & set(self.played.fates)
            if self.last[k].code == 3 and is_known and not is_named:
                yield f"{NAMES[k]} names none of {victims}: {said}"

    def _due_totals(self) -> set[int] | None:
        """Return how many totals each of the others prints; None where it is not known before."""
        kind, rounds, at = self.case.kind, self.sum.rounds, self.case.round
        fates = [self.played.fates[k] for k in self.case.victims]
        if set(fates) <= _BACK | {"returned somewhen"}:
            return None if "several" in kind else {rounds}
        if "moment" in kind or "several" in kind or kind == "interrupted":
            return None
        if not any(k in self.sum.contributors for k in self.case.victims):  # nobody needs them
            return {0} if self.case.steps[0] == "roster" else {rounds}
        step = STEPS.index(self.case.steps[0])
        alive = len(self.sum.contributors) - sum(
            k in self.sum.contributors for k in self.case.victims
        )
        can_open = alive >= self.sum.majority and not self.sum.is_strict
        has_left = kind == "killed once all had left"
        if step < STEPS.index("open"):  # no ECHO of it has left
            return {at - 1}
        if self.case.steps[0] == "open":
            # Its ECHO may have reached nobody yet; its OPEN has reached nobody.
            if not can_open:
                return {at - 1}
            return {at} if has_left else {at - 1, at}
        # Its OPEN may have reached nobody yet; its ECHO has reached all, or it would not be here.
        return {at} if can_open or has_left else {at - 1, at}


def totals_of(end: Ended) -> dict[int, list[int]]:
    """Return what a process printed as totals, by round from 1."""
    found: dict[int, list[int]] = {}
    for line in end.out.splitlines(keepends=True):
        if end.code == -signal.SIGKILL and not line.endswith("\n"):
            break  # it was killed while it printed
        content: dict[str, Any] = json.loads(line)
        if content["total"] is not None:
            number = len(found) + 1 if content.get("round") is None else content["round"]
            found[number] = content["total"]
    return found


def echoed(end: Ended) -> bool:
    """Return whether a process said its ECHO in the round in which it ended."""
    last = end.err[end.err.rfind("... sharing") :]
    return "... sharing" in end.err and "... comparing what" in last


def opened(end: Ended) -> int:
    """Return in how many rounds a process held everybody's echo."""
    return end.err.count("... opening")
