"""Sums from Python programs: a session for trio, numpy arrays in and out.

    async with open_session(Options(bootstrap="host:9000#ID", weight=3)) as session:
        opened = await session.sum(gradient)
        print(opened.mean)

The same policies, ledger, log and transcripts apply as on the command line. A session that is founded
here stays open for as many sums as all members go on with, unless ``rounds`` says how many.
Scripts and notebooks without an event loop use :mod:`p2pmpc.blocking`.
"""

from __future__ import annotations

import operator
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pmpc.errors import ConfigurationError, InputRefused, Interrupted, P2PMPCError
from p2pmpc.identity import format_id
from p2pmpc.network import Network, TcpNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.peer import Peer
from p2pmpc.progress import Callback
from p2pmpc.sources import ArrayNumbers, Numbers
from p2pmpc.start import peer_of

Options = NodeOptions
"""What a peer is told to do: the options of the command line, by the same names."""

Numeric = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a session.

    Args:
        id: Its ID, as people compare it.
        name: What it calls itself.
        weight: Its public weight; 0 observes. 1 for all where weights are private.
    """

    id: str
    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class Sum:
    """A verified weighted sum.

    Args:
        total: In the shape of this peer's vector: integers (Python's, as objects, where 64 bits do
            not hold them), or doubles where the session has fraction bits.
        weight: The sum of the weights, signs included.
        round: Which sum of the session it is, from 1.
        agreed: Names of the members that confirmed it.
        missing: Names of those that did not.
        transcript: The transcript's digest, hex: equal at all members.
        outcome: All that is known of it: exact values, and where its files are.
    """

    total: Numeric
    weight: int
    round: int
    agreed: tuple[str, ...]
    missing: tuple[str, ...]
    transcript: str
    outcome: Outcome

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """The weighted mean, as doubles.

        Raises:
            ZeroDivisionError: The weights sum to zero.
        """
        if self.weight == 0:
            raise ZeroDivisionError("the weights sum to zero: there is no weighted mean")
        return np.asarray(self.total, dtype=np.float64) / self.weight


class Session:
    """A session that this program is a member of; made by :func:`open_session`.

    Args:
        peer: The peer, among the others.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def id(self) -> str:
        """The session id, hex."""
        return self._peer.runner.session.id.hex()

    @property
    def members(self) -> tuple[Member, ...]:
        """Who takes part, in roster order: look before you sum."""
        members = self._peer.runner.session.members
        return tuple(Member(format_id(m.id), m.entry.name, m.weight) for m in members)

    @property
    def length(self) -> int:
        """Elements of a vector."""
        return self._peer.runner.session.parameters.length

    async def sum(self, vector: npt.ArrayLike | None = None) -> Sum:
        """Take part in the next sum, together with every other member.

        It returns when the total is verified; others are waited for as ``join_timeout`` says.

        Args:
            vector: Integers or floats of any shape, as many as the session's length; not changed
                until the sum has ended. None where this peer observes.

        Returns:
            The total.

        Raises:
            InputRefused: The vector cannot be summed; the session ends with it, as with every
                other error.
            P2PMPCError: Why there is no total; says whether anything was revealed.
        """
        shape: tuple[int, ...] = (self.length,)

        def take() -> Numbers | None:
            nonlocal shape
            if vector is None:
                return None
            try:
                array = np.asarray(vector)
            except ValueError:
                raise InputRefused(
                    "the vector is ragged: its rows have different lengths",
                    hint="bring an array, or lists of one length",
                ) from None
            shape = array.shape
            return ArrayNumbers(array.reshape(-1), "the vector")

        try:
            outcome = await self._peer.sum(take)
        except P2PMPCError as error:
            for line in error.describe().splitlines()[1:]:
                error.add_note(line.strip())
            raise
        return Sum(
            total=_as_array(outcome).reshape(shape),
            weight=outcome.total_weight,
            round=outcome.round,
            agreed=outcome.agreed,
            missing=outcome.missing,
            transcript=outcome.transcript,
            outcome=outcome,
        )

    async def interrupt(self, signal_number: int) -> None:
        """End the session as a signal would: the others are told."""
        await self._peer.interrupt(Interrupted(signal_number))


def _as_array(outcome: Outcome) -> Numeric:
    total = outcome.total
    blocks = list(total.blocks())
    values = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int64)
    if total.fraction_bits == 0:
        return values
    return np.ldexp(values.astype(np.float64), -total.fraction_bits)


def _settled(options: NodeOptions) -> NodeOptions:
    """Return the options with what a program means where it says nothing.

    Raises:
        ConfigurationError: They are for the command line, or of a wrong type.
    """
    founds = options.bootstrap is None and options.roster is None
    for name in ("value", "input", "hold"):
        if getattr(options, name) is not None:
            raise ConfigurationError(
                f"{name} is an option of the command line", hint="bring the vector with sum()"
            )
    if founds and options.length is None:
        raise ConfigurationError(
            "a session is founded with the length of its vectors",
            hint="Options(length=...), as many elements as every member's vector has",
        )
    whole: dict[str, int] = {}
    for name in ("peers", "length", "rounds", "fraction_bits", "weight_bound", "weight"):
        value = getattr(options, name)
        if value is not None:
            try:
                whole[name] = operator.index(value)  # numpy's integers are good ones
            except TypeError:
                raise ConfigurationError(
                    f"{name} is a whole number, not {type(value).__name__}"
                ) from None
    whole.setdefault("weight", 1)
    if founds:
        whole.setdefault("rounds", 0)
    return replace(options, **whole)  # type: ignore[arg-type]


@asynccontextmanager
async def open_session(
    options: NodeOptions,
    *,
    on_founded: Callable[[str], None] = lambda _bootstrap: None,
    on_event: Callable[[str, dict[str, Any]], None] = lambda _event, _fields: None,
    network: Network | None = None,
) -> AsyncIterator[Session]:
    """Found or join a session, and be a member of it until the end of the block.

    Args:
        options: As for a node; ``value`` and ``input`` are of no use here.
        on_founded: Given ``HOST:PORT#ID``, which the others join with, once this peer listens.
        on_event: Given every step of progress, by name, with its fields.
        network: TCP, unless a test says otherwise.

    Yields:
        The session, once its roster is closed.

    Raises:
        P2PMPCError: Why there is no session.
    """
    options = _settled(options)

    def tell(event: str, fields: dict[str, Any]) -> None:
        if event == "founded":
            on_founded(str(fields["bootstrap"]))
        on_event(event, fields)

    with peer_of(
        options,
        None,
        network=network or TcpNetwork(),
        entropy=os.urandom,
        observer=Callback(tell),
        brings_later=True,
    ) as peer:
        async with peer.joined():
            yield Session(peer)
