"""What a peer agrees to before any share leaves: with whom it sums, and under which weights.

The policies are refusals; where they rest on trust alone, the person at the terminal is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from p2pmpc.agreement import check_allowed
from p2pmpc.encoding import check_budget
from p2pmpc.errors import InputRefused
from p2pmpc.identity import format_id
from p2pmpc.options import NodeOptions
from p2pmpc.session import Session
from p2pmpc.weights import check_contributors, check_exposure, exposure

_ASKED = (
    "compare the IDs with the others over another channel; --allow, --roster or #ID asks no more"
)

Ask = Callable[[str], Awaitable[bool]]
"""Asks the person at the terminal; None where there is nobody."""


class Consent:
    """Decides whether this peer takes part in a closed session.

    Args:
        options: What it is told to do.
        is_drawn: Its input is made up, so nothing real leaves.
        warn: Told what people should know.
        ask: Asks the person at the terminal.
    """

    def __init__(
        self,
        options: NodeOptions,
        *,
        is_drawn: bool,
        warn: Callable[[str], None],
        ask: Ask | None,
    ) -> None:
        self._options = options
        self._is_drawn = is_drawn
        self._warn = warn
        self._ask = ask

    def check(self, session: Session) -> None:
        """Refuse a closed session that this peer takes no part in.

        Raises:
            AgreementFailed: Somebody takes part whom this peer does not allow.
            InputRefused: Too few contribute, or the total could wrap.
        """
        parameters = session.parameters
        check_allowed(session, self._options.allowed)
        self._check_contributors(session)
        fraction_bits = parameters.fraction_bits
        found = exposure(session.weights, session.bound * (parameters.weight_bound or 1))
        names = [session.label(index) for index in session.contributors]
        for warning in check_exposure(found, names, allowed=parameters.allow_revealing_weights):
            self._warn(warning)
        check_budget(parameters.arithmetic, session.possible_weights, session.bound, fraction_bits)

    def _check_contributors(self, session: Session) -> None:
        """Refuse too few: that two may sum must be said by both whose input it shows."""
        agreed = session.parameters.allow_two
        stated = self._options.allow_two or self._options.roster or self._is_drawn
        if not session.contributes:
            self._warn("this peer observes: it brings nothing, and learns the total")
        check_contributors(len(session.places), allow_two=bool(agreed and stated))
        if len(session.places) == 2:
            self._warn("two peers sum: each learns the other's input from the total")

    async def confirm(self, session: Session) -> None:
        """Ask whether this peer is to sum with those it was shown, where that rests on trust alone.

        Raises:
            InputRefused: The person said no, or nothing.
        """
        options = self._options
        founder = None if session.founder is None else session.member(session.founder).id
        # Who takes part is the founder's choice: a pinned witness says that all see one roster.
        pinned = bool(
            options.roster
            or options.allowed
            or any(where.pinned == founder for where in options.where)
        )
        if pinned or self._is_drawn or options.yes:
            return
        reason = (
            "a dishonest bootstrap peer could play all the others, and the total would be yours"
            if options.bootstrap
            else "anybody could have joined, and one party could be all the others"
        )
        if self._ask is None:
            self._warn(f"{reason}: pin the founder with #ID, or use --allow or --roster")
            return
        question = (
            f"{reason}.\nShare your input with these peers, within {options.timeout:g} s? [y/N] "
        )
        with trio.move_on_after(options.timeout):
            if await self._ask(question):
                return
            raise InputRefused("you did not agree to share with this roster", hint=_ASKED)
        raise InputRefused(f"nobody answered within {options.timeout:g} s", hint=_ASKED)


def roster_text(session: Session) -> str:
    """Return the roster as a table for people."""
    rows = [f"  {'weight':>11}  {'ID':<71}  name"]
    for index in session.indices:
        member = session.member(index)
        you = " (you)" if index == session.own_index else ""
        weight = "private" if session.parameters.private_weights else str(member.weight)
        shown = weight if member.contributes else "observes"
        rows.append(f"  {shown:>11}  {format_id(member.id)}  {member.entry.name}{you}")
    return "\n".join([f"session {session.id.hex()[:16]} of {len(session.members)}:", *rows])
