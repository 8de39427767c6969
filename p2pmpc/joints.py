"""When a round goes on, and with which step: the tables of joint transitions.

Together with the scripts of p2pmpc.script they decide all that happens in a round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from p2pmpc.actions import Action
from p2pmpc.messages import Kind
from p2pmpc.script import Column, Stage
from p2pmpc.session import Session
from p2pmpc.steps import Steps


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint transition.

    Args:
        needs: When it fires, in words, for the documentation.
        due: The column that the others' links must have passed: the contributors', and for
            CONFIRMED everybody's. None where it is not a matter of columns.
        ready: The same as a condition.
        act: What it does.
        says: The kinds of messages that it lets out, in this order; nothing else can leave.
        then: The stage it leads to.
    """

    needs: str
    due: Column | None
    ready: Callable[[Steps], bool]
    act: Callable[[Steps], list[Action]]
    says: tuple[Kind, ...]
    then: Stage


_FROM_OPENED: Final = {
    Stage.OPENED: Joint(
        "every mask seed known",
        None,
        Steps.masks_complete,
        Steps.finish,
        (Kind.CONFIRM,),
        Stage.CONFIRMED,
    ),
    Stage.CONFIRMED: Joint(
        "every link CONFIRMED or gone",
        Column.CONFIRMED,
        Steps.everybody_confirmed,
        Steps.done,
        (),
        Stage.DONE,
    ),
}

CONTRIBUTING: Final[dict[Stage, Joint]] = {
    Stage.WAITING: Joint(
        "everybody signed the same roster",
        None,
        lambda s: s.started,
        Steps.deal,
        (Kind.COMMITMENT, Kind.SHARE),
        Stage.DEALT,
    ),
    Stage.DEALT: Joint(
        "every contributor's link SHARED",
        Column.SHARED,
        lambda s: s.heard.all_contributors(Column.SHARED),
        Steps.sum_up,
        (Kind.PARTIAL,),
        Stage.SUMMED,
    ),
    Stage.SUMMED: Joint(
        "every contributor's link SUMMED",
        Column.SUMMED,
        lambda s: s.heard.all_contributors(Column.SUMMED),
        Steps.listen,
        (),
        Stage.RECORDING,
    ),
    Stage.RECORDING: Joint(
        "the ledger is written",
        None,
        lambda s: s.recorded,
        Steps.echo,
        (Kind.ECHO,),
        Stage.ECHOED,
    ),
    Stage.ECHOED: Joint(
        "every contributor's equal echo held",
        Column.ECHOED,
        lambda s: s.heard.echoes_are_complete,
        Steps.open_mask,
        (Kind.OPEN,),
        Stage.OPENED,
    ),
    **_FROM_OPENED,
}
"""Stage -> what leads a contributor on from it, in broadcast mode."""

SHARDING: Final[dict[Stage, Joint]] = {
    **CONTRIBUTING,
    Stage.DEALT: Joint(
        "every contributor's link SHARED",
        Column.SHARED,
        lambda s: s.heard.all_contributors(Column.SHARED),
        Steps.slice_up,
        (Kind.SLICE,),
        Stage.SLICED,
    ),
    Stage.SLICED: Joint(
        "every contributor's link SLICED",
        Column.SLICED,
        lambda s: s.heard.all_contributors(Column.SLICED),
        Steps.sum_slice,
        (Kind.PARTIAL, Kind.SLICE_SUM),
        Stage.SUMMED,
    ),
}
"""Stage -> what leads a contributor on from it, in sharded mode."""

OBSERVING: Final[dict[Stage, Joint]] = {
    Stage.WAITING: Joint(
        "everybody signed the same roster",
        None,
        lambda s: s.started,
        lambda _: [],
        (),
        Stage.DEALT,
    ),
    Stage.DEALT: Joint(
        "every contributor's link SUMMED",
        Column.SUMMED,
        lambda s: s.heard.all_contributors(Column.SUMMED),
        Steps.observe_echo,
        (),
        Stage.ECHOED,
    ),
    Stage.ECHOED: Joint(
        "every contributor's equal echo held",
        Column.ECHOED,
        lambda s: s.heard.echoes_are_complete,
        Steps.observe_open,
        (),
        Stage.OPENED,
    ),
    **_FROM_OPENED,
}
"""Stage -> what leads an observer on from it."""


def table_of(session: Session) -> dict[Stage, Joint]:
    """Return the table that this peer follows."""
    if not session.contributes:
        return OBSERVING
    return SHARDING if session.parameters.is_sharded else CONTRIBUTING
