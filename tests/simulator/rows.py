"""The page of faults, row by row: which runs show a row, and which ends it requires of them.

A run shows a row when nothing fired in it but faults of that row. Numbers are those of the page (and
of docs/reliability.md); what has none is a lie that the page does not list, and ``always`` holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from p2pmpc.actions import Failed
from p2pmpc.errors import Revealed
from p2pmpc.messages import Kind
from tests.simulator.scenario import CRASHES, HARMLESS, MALICIOUS
from tests.simulator.watch import RELAYED, ViolationError
from tests.simulator.world import World

_SHORT_SECONDS: Final = 15.0
"""A peer that is stopped, or slow, for no longer than this is still in time."""


class RowError(ViolationError):
    """A run that ended otherwise than a row of the page requires.

    Args:
        row: Its number.
        what: What happened.
    """

    def __init__(self, row: str, what: str) -> None:
        Exception.__init__(self, f"row {row}: {what}")
        self.invariant = 0


class Ended:
    """A run that ended, as the rows look at it.

    Args:
        world: Where nothing can happen any more.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.scenario = world.scenario
        self.fired = [b for b in world.behaviours if b.fired]
        self.kinds = frozenset(b.fault.kind for b in self.fired)
        codes = world.codes()
        liars = {b.fault.culprit for b in self.fired if b.fault.kind in MALICIOUS}
        self.codes = {i: codes.get(i) for i in world.scenario.indices if i not in liars}
        """Of those that did nothing dishonest; None of the killed."""

    @cached_property
    def culprits(self) -> frozenset[int]:
        """Those whose faults fired."""
        return frozenset(b.fault.culprit for b in self.fired)

    @cached_property
    def dead(self) -> frozenset[int]:
        """Those that were killed and did not come back."""
        return frozenset(index for index, code in self.codes.items() if code is None)

    @cached_property
    def alive(self) -> frozenset[int]:
        """The honest ones that ended by themselves."""
        return frozenset(self.codes) - self.dead

    @cached_property
    def lost(self) -> frozenset[int]:
        """The contributors among the dead."""
        return self.dead & frozenset(self.scenario.contributors)

    @property
    def seconds(self) -> float:
        """How long all faults last, one after another."""
        return sum(b.fault.seconds for b in self.fired)

    @property
    def majority_lives(self) -> bool:
        """Whether enough contributors live to open without the others."""
        contributors = self.scenario.contributors
        return 2 * len(self.alive.intersection(contributors)) > len(contributors)

    def lack(self, kind: Kind, of: Iterable[int]) -> bool:
        """Return whether some who live did not get a message of somebody."""
        return any(not self._got(index, kind) >= self.alive for index in of)

    def contributors_lack(self, kind: Kind, of: Iterable[int]) -> bool:
        """Return whether some contributors who live did not get a message of somebody."""
        those = self.alive.intersection(self.scenario.contributors)
        return any(not self._got(index, kind) >= those for index in of)

    def got_some(self, kind: Kind, of: Iterable[int]) -> bool:
        """Return whether some who live got a message of somebody."""
        return any(self._got(index, kind) & self.alive for index in of)

    def _got(self, sender: int, kind: Kind) -> Set[int]:
        return self.world.reached.get((sender, kind), frozenset())

    def anybody_says(self, kind: Kind, among: Iterable[int]) -> bool:
        """Return whether any of some peers said something of a kind."""
        return any(kind in self.world.peers[index].kinds_said for index in among)

    def all_end(self, *codes: int) -> str | None:
        """Say who of those who live ends with anything else than these codes."""
        others = {i: self.codes[i] for i in self.alive if self.codes[i] not in codes}
        return f"ends {others}, not {codes}" if others else None

    def contributors_end(self, code: int) -> str | None:
        """Say which contributors who live end with anything else than a code."""
        those = self.alive.intersection(self.scenario.contributors)
        others = {i: self.codes[i] for i in those if self.codes[i] != code}
        return f"ends {others}, not {code}" if others else None

    def all_name(self, culprits: Set[int]) -> str | None:
        """Say who fails without naming any of the culprits."""
        for index in self.alive:
            end = self.world.peers[index].end
            if isinstance(end, Failed) and not culprits & set(end.error.peers):
                return f"{index} names {end.error.peers}, not {set(culprits)}: {end.error.message}"
        return None

    def all_are_warned(self) -> str | None:
        """Say which peer that echoed fails without saying that a total may have been opened."""
        for index in self.alive:
            end, echoed = self.world.peers[index].end, self.anybody_says(Kind.ECHO, {index})
            if (
                echoed
                and isinstance(end, Failed)
                and end.error.revealed is not Revealed.MAYBE_TOTAL
            ):
                return f"{index} does not say that a total may have been opened"
        return None


Check = Callable[[Ended], str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the page.

    Args:
        number: As the page has it; a letter tells parts apart.
        fault: What happens.
        required: What must come of it, for people.
        kinds: The faults that are of this row.
        shows: Whether a run with nothing but such faults shows the row.
        check: Says what is wrong with how a run ended that shows it.
    """

    number: str
    fault: str
    required: str
    kinds: frozenset[str]
    check: Check
    shows: Callable[[Ended], bool] = lambda _: True


def _ends(*codes: int) -> Check:
    return lambda ended: ended.all_end(*codes)


# -- crashes ------------------------------------------------------------------------------------


def _while_agreeing(ended: Ended) -> bool:
    return bool(ended.dead) and ended.lack(Kind.ACCEPT, ended.dead)


def _while_sharing(ended: Ended) -> bool:
    if _while_agreeing(ended):
        return False
    return any(not ended.anybody_says(Kind.ECHO, {index}) for index in ended.lost)


def _after_all_got_the_echo(ended: Ended) -> bool:
    if _while_agreeing(ended) or _while_sharing(ended) or not ended.dead:
        return False
    return not ended.lack(Kind.ECHO, ended.lost) and not ended.got_some(Kind.OPEN, ended.lost)


def _after_some_got_the_open(ended: Ended) -> bool:
    if _while_agreeing(ended) or _while_sharing(ended) or not ended.dead:
        return False
    return not ended.lack(Kind.ECHO, ended.lost) and ended.got_some(Kind.OPEN, ended.lost)


def _after_some_got_the_echo(ended: Ended) -> bool:
    if _while_agreeing(ended) or _while_sharing(ended):
        return False
    return ended.lack(Kind.ECHO, ended.lost)


def _nothing_is_shared(ended: Ended) -> str | None:
    if ended.dead - ended.lost or not ended.contributors_lack(Kind.ACCEPT, ended.lost):
        # Whoever got all words goes on, and waits for those who did not; for contributors alone.
        return ended.all_end(0, 3)
    if not ended.got_some(Kind.ACCEPT, ended.dead) and ended.anybody_says(Kind.SHARE, ended.alive):
        return "a share left before everybody agreed"
    if ended.anybody_says(Kind.PARTIAL, ended.alive):
        return "a partial sum left before everybody agreed"
    return ended.all_end(3) or ended.all_name(ended.dead)


def _nothing_is_opened(ended: Ended) -> str | None:
    if ended.anybody_says(Kind.OPEN, ended.scenario.indices):
        return "somebody opens without everybody's echo"
    return ended.all_end(3) or ended.all_name(ended.dead)


def _a_majority_finishes(ended: Ended) -> str | None:
    if not ended.lost:
        return ended.all_end(0)
    if ended.majority_lives and not ended.scenario.strict:
        # An observer that was not told alone cannot ask for mask shares.
        return ended.all_end(0) if RELAYED else ended.contributors_end(0) or ended.all_end(0, 3)
    return ended.all_end(0, 3) or ended.all_are_warned()


def _some_finish(ended: Ended) -> str | None:
    return ended.all_end(0, 3) or ended.all_are_warned()


# -- everything else ----------------------------------------------------------------------------


def _clean_abort(ended: Ended) -> str | None:
    codes = [ended.codes[index] for index in ended.culprits]
    if any(code != 143 for code in codes):
        return f"the interrupted end with {codes}"
    rest = {i: code for i, code in ended.codes.items() if i not in ended.culprits}
    return f"ends {rest}" if set(rest.values()) - {0, 3} else None


def _in_time_or_missing(ended: Ended) -> str | None:
    if ended.seconds <= _SHORT_SECONDS and "long cut" not in ended.kinds:
        return ended.all_end(0)
    return ended.all_end(0, 3)


def _quick_restart(ended: Ended) -> str | None:
    rest = {i: code for i, code in ended.codes.items() if i not in ended.culprits}
    if set(rest.values()) - {0}:
        return f"ends {rest}, though everybody came back in time"
    return ended.all_end(0, 3)


def _named_by_all(ended: Ended) -> str | None:
    return ended.all_end(4) or ended.all_name(ended.culprits)


def _named(*codes: int) -> Check:
    """Return the check that everybody ends with one of some codes, and names a culprit with 4."""

    def check(ended: Ended) -> str | None:
        for index in ended.alive:
            end = ended.world.peers[index].end
            is_accusation = isinstance(end, Failed) and ended.codes[index] == 4
            if is_accusation and not ended.culprits & set(end.error.peers):  # type: ignore[union-attr]
                return f"{index} ends with 4 and does not name {set(ended.culprits)}"
        return ended.all_end(*codes)

    return check


def _differs(ended: Ended) -> str | None:
    if ended.anybody_says(Kind.SHARE, ended.alive):
        return "a share left though parameters differ"
    return ended.all_end(6)


def _unrecorded(ended: Ended) -> str | None:
    """Hold that one at least ends with 7, which may end another one before its own disk does."""
    sevens = {index for index in ended.alive if ended.codes[index] == 7}
    if not sevens & ended.culprits:
        return f"nobody ends with 7 of {set(ended.culprits)}"
    return ended.all_end(3, 7)


def _of(prefix: str, *names: str) -> frozenset[str]:
    return frozenset(f"{prefix} {name}" for name in names)


_CRASHES: Final = frozenset(CRASHES)
_CUTS: Final = frozenset({"short cut", "flapping", "healing partition"})

ROWS: Final = (
    Row("1", "crash before or during agreement", "3, naming it; no share sent", _CRASHES,
        _nothing_is_shared, _while_agreeing),
    Row("2", "crash while sharing, before its ECHO", "3; nothing opened", _CRASHES,
        _nothing_is_opened, _while_sharing),
    Row("3", "crash after its ECHO reached all", "0 for a majority, else 3 and a warning", _CRASHES,
        _a_majority_finishes, _after_all_got_the_echo),
    Row("4a", "crash after its OPEN reached some", "0 for a majority, else 0, or 3 and a warning", _CRASHES,
        _a_majority_finishes, _after_some_got_the_open),
    Row("4b", "crash after its ECHO reached some", "0, or 3 and a warning", _CRASHES,
        _some_finish, _after_some_got_the_echo),
    Row("5a", "killed, and back within 2 s", "0 for all the others", frozenset({"quick restart"}),
        _quick_restart),
    Row("5b", "killed, and back later", "0 or 3", frozenset({"late restart", "quick restart"}),
        _ends(0, 3), lambda e: "late restart" in e.kinds),
    Row("5c", "killed, and told otherwise when back", "never two contents in one place",
        frozenset({"other story", "quick restart"}), _ends(0, 3, 4, 5, 6), lambda e: "other story" in e.kinds),
    Row("7", "input refused by policy", "8 for all", frozenset({"refusal"}), _ends(8)),
    Row("8", "SIGTERM", "143, and 0 or 3 for the others, who are told", frozenset({"interrupt"}), _clean_abort),
    Row("9", "stopped or slow", "0 if for at most 15 s, else 0 or 3",
        frozenset({"pause", "slow link", "stall", "late stage", "long cut"}), _in_time_or_missing,
        lambda e: bool(e.kinds & {"pause", "slow link", "long cut"})),
    Row("10a", "delays, reordering, repetition, partitions that heal in 2.5 s", "0",
        frozenset(HARMLESS), _ends(0)),
    Row("10b", "partitions that last", "0 or 3", frozenset({"partition", "lasting partition"}), _ends(0, 3)),
    Row("11a", "exact duplicates", "0", frozenset({"repeated"}), _ends(0)),
    Row("11b", "another content in one place", "4, naming it, at whoever gets both",
        frozenset({"contradiction", "contradiction in pieces", "two signatures"}), _named(0, 3, 4)),
    Row("12", "different COMMITMENTs, partial sums or ECHOs to some", "4 for all, naming it",
        _of("equivocation in", "COMMITMENT", "PARTIAL", "ECHO", "SLICE_SUM"), _named_by_all),
    Row("12b", "different ACCEPTs, OPENs or CONFIRMs to some", "4 or 6, or 0 for whom it does not concern",
        _of("equivocation in", "ACCEPT", "OPEN", "CONFIRM"), _named(0, 3, 4, 6)),
    Row("13", "another session or round, reflections, forgeries", "4 at whoever gets it",
        frozenset({"another session", "another round", "reflection", "forged name",
                   "forged signature", "forged body"}), _named(0, 3, 4)),
    Row("14", "streams cut short, with frames in them", "0", _CUTS, _ends(0),
        lambda e: e.world.happened["lost"] > 0),
    Row("15", "bodies that mean nothing, signed well", "4 at whoever gets it", frozenset({"junk"}), _named(0, 3, 4)),
    Row("17", "other parameters at one peer", "6 for all; no share sent", frozenset({"other parameters"}), _differs),
    Row("19", "wrong lengths, elements >= p, shares or pieces that are not what was committed to",
        "4 at its receiver; the others end too",
        frozenset({"wrong element", "wrong length", "wrong share", "uncommitted share", "misdirected share",
                   "misdirected slice", "missing piece", "reordered pieces"}), _named(0, 3, 4, 5)),
    Row("24", "the ledger cannot be written", "7, and 3 for the others", frozenset({"failed record"}), _unrecorded),
    Row("always: sums", "wrong sums, masks and slices", "never a wrong total: 0, 4 or 5",
        frozenset({"wrong sum", "shifted sum", "wrong slice sum", "shifted slice sum", "listed otherwise",
                   "other share", "wrong mask", "wrong mask seed", "made-up echo"}), _named(0, 4, 5)),
    Row("always: opening", "openings and mask shares too early, or needless", "nothing opens early: 0, 3 or 4",
        frozenset({"early OPEN", "early UNMASK", "wrong UNMASK", "needless UNMASK", "misplaced"}),
        _named(0, 3, 4)),
    Row("always: silence", "kinds withheld, or silence", "0, 3 or 4", frozenset({"withheld kind", "silence"}),
        _ends(0, 3, 4)),
    Row("always: accusations", "ABORTs and evidence that prove nothing", "no honest peer alone is blamed",
        frozenset({"false ABORT", "false evidence"}), _ends(0, *range(2, 9), 130)),
)  # fmt: skip
"""Every kind of fault is of one row at least."""

FRAMES: Final = ("lost", "said again", "late", "overtaken")
"""What becomes of frames in row 10: lost in cuts, said again after them, late, out of order among links."""


def shown(world: World) -> list[str]:
    """Return the numbers of the rows that a run showed.

    Raises:
        RowError: It did not end as one of them requires.
    """
    ended = Ended(world)
    if not ended.kinds:
        return []
    numbers = []
    for row in ROWS:
        if ended.kinds <= row.kinds and row.shows(ended):
            wrong = row.check(ended)
            if wrong is not None:
                raise RowError(row.number, wrong)
            numbers.append(row.number)
    return numbers
