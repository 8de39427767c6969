"""One peer of a study, from the session to the result: who is here, agreement, two rounds, the answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from p2pmpc.consent import roster_text
from p2pmpc.errors import AgreementFailed, Declined, LocalProtocolError, P2PMPCError
from p2pmpc.identity import format_id
from p2pmpc.outcome import Outcome
from p2pmpc.peer import Peer
from p2pmpc.progress import Observer
from p2pmpc.session import Session
from p2pmpc.sources import ArrayNumbers, Numbers
from p2pmpc.study.conclusion import make_result
from p2pmpc.study.plan import Plan
from p2pmpc.study.plausible import check_counts
from p2pmpc.study.result import Result
from p2pmpc.study.session.evidence import participants_of
from p2pmpc.study.session.home import Home
from p2pmpc.study.session.seat import check_deadline, check_members

Ask = Callable[[str], Awaitable[bool]]
"""Asks the person at the terminal; the text says what is agreed to."""


@dataclass(frozen=True)
class Part:
    """What one who takes part brings to the walk.

    Args:
        plan: Of the study.
        home: Its sums; None for a coordinator without data.
        weight: What each of its rows counts.
        own_minimum: Its own rule for groups.
        ask: Asks before anything leaves; None where it has agreed in advance.
        invited_to: SHA-256 of the study that an invitation names.
    """

    plan: Plan
    home: Home | None
    weight: int = field(default=1, repr=False)
    own_minimum: int = 0
    ask: Ask | None = None
    invited_to: bytes | None = None


@dataclass(frozen=True)
class Walked:
    """How a walk ended.

    Args:
        result: The answer.
        rounds: What each round came to: totals, transcripts, trouble with files.
        unkept: What of the study could not be written down, if anything.
    """

    result: Result
    rounds: tuple[Outcome, Outcome]
    unkept: P2PMPCError | None = None

    @property
    def trouble(self) -> P2PMPCError | None:
        """What went wrong after a total was known, if anything did."""
        troubles = [outcome.trouble for outcome in self.rounds]
        return next(filter(None, [*troubles, self.unkept]), None)


async def walk(peer: Peer, part: Part, observer: Observer) -> Walked:
    """Take part in a study, in a session that is being found.

    Args:
        peer: Made from the study's parameters; its inputs are brought later.
        part: What it brings.
        observer: Told of progress.

    Returns:
        The result.

    Raises:
        P2PMPCError: Why there is none.
    """
    async with peer.joined():
        return await _walk(peer, part, observer)


async def _walk(peer: Peer, part: Part, observer: Observer) -> Walked:
    plan, session = part.plan, peer.runner.session
    await _agree(peer, part)
    observer.tell("study", step="counts")
    counts = await peer.sum(lambda: _first(part))
    opened = list(counts.total.values())
    try:
        check_counts(plan, opened)
    except P2PMPCError as error:
        await _refuse(peer, error)
    opening = plan.opening(opened)
    left = sum(opening.shown)
    observer.tell("study", step="sums", shown=left, groups=len(plan.cells))

    def second() -> Numbers | None:
        if part.home is None:
            return None
        return _numbers(plan.second_round(part.home.aggregates, opening, part.weight))

    sums = await peer.sum(second)
    result = make_result(
        plan,
        opened,
        sums.total.values(),
        participants=participants_of(session, _confirmed(session, sums), _invited(session)),
        session=session.id.hex(),
        transcripts=(counts.transcript, sums.transcript),
        date=f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        files=sums.log_dir,
    )
    return Walked(result, (counts, sums))


async def _agree(peer: Peer, part: Part) -> None:
    """Refuse members, a date or an invitation that the study does not allow, and ask whoever is to be asked."""
    plan, session = part.plan, peer.runner.session
    try:
        check_members(plan, session)
        check_deadline(plan.study, dt.datetime.now(dt.UTC))  # joining may have taken long
        if part.invited_to not in (None, plan.study.digest):
            raise AgreementFailed(
                "the invitation names another study than the coordinator's and this peer's file",
                hint="copy the whole line that `p2pmpc invite` printed",
            )
        if part.ask is not None:
            with peer.asking():
                has_agreed = await part.ask(_question(part, session))
            if not has_agreed:
                raise Declined(
                    f"{_called(session)} declined the study",
                    hint="nothing was sent; others see that you declined",
                )
    except P2PMPCError as error:
        await _refuse(peer, error)


def _first(part: Part) -> Numbers | None:
    if part.home is None:
        return None
    return _numbers(part.plan.first_round(part.home.aggregates, part.own_minimum))


def _numbers(vector: list[int]) -> Numbers:
    return ArrayNumbers(np.array(vector, dtype=np.int64), "this party's sums")


async def _refuse(peer: Peer, error: P2PMPCError) -> NoReturn:
    """End the session with an error of this peer, and tell the others."""

    def take() -> Numbers | None:
        raise error

    await peer.sum(take)
    raise LocalProtocolError("a sum that was refused came to a total")


def _called(session: Session) -> str:
    return session.label(session.own_index)


def _question(part: Part, session: Session) -> str:
    brings = (
        f"{part.home.rows_used} rows of {part.home.source} would count, as sums that nobody can read."
        if part.home is not None
        else "You bring no data, and receive the result."
    )
    return f"{roster_text(session)}\n{brings}\nTake part in this study? [y/N] "


def _confirmed(session: Session, outcome: Outcome) -> frozenset[str]:
    return frozenset(
        format_id(session.member(index).id)
        for index in session.indices
        if session.label(index) in outcome.agreed
    )


def _invited(session: Session) -> frozenset[str]:
    if session.founder is None:
        return frozenset()
    return frozenset({format_id(session.member(session.founder).id)})
