"""Whole sessions of machines in memory: never one end alone.

A :class:`Party` holds n machines and the messages between them. Tests choose the order in which the
messages arrive, and may drop, change or forge them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from p2pmpc.actions import Action, Agreed, Failed, Finished, Reached, Send
from p2pmpc.encoding import checksum_vector, with_checksum
from p2pmpc.envelope import Notary, SessionSealer, frame_bytes
from p2pmpc.errors import P2PMPCError
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.membership import Agreement, make_entry
from p2pmpc.messages import Abort, Kind, Message, Signed
from p2pmpc.parameters import Parameters
from p2pmpc.protocol import Round
from p2pmpc.session import Session
from p2pmpc.wire import HEADER, parse_frame, parse_header


@dataclass
class Member:
    """One honest peer: its keys, its machines and how it ended."""

    identity: Identity
    sealing_key: SealingKey
    session: Session
    notary: Notary
    agreement: Agreement
    round: Round
    steps: list[str] = field(default_factory=list)
    finished: Finished | None = None
    error: P2PMPCError | None = None


def identities(count: int) -> list[Identity]:
    """Return identities in roster order, so that list position k is roster index k + 1."""
    return sorted((Identity.generate(os.urandom) for _ in range(count)), key=lambda i: i.id)


def make_sessions(
    parameters: Parameters, weights: Sequence[int], keys: Sequence[Identity] | None = None
) -> tuple[list[Identity], list[SealingKey], list[Session]]:
    """Return n equal sessions, one as each member sees it."""
    keys = list(keys or identities(len(weights)))
    sealing = [SealingKey(os.urandom) for _ in keys]
    entries = [
        make_entry(
            key,
            seal,
            parameters,
            nonce=os.urandom(32),
            weight=weight,
            name=f"peer-{k:02}",
            address=f"127.0.0.1:{9000 + k}",
        )
        for k, (key, seal, weight) in enumerate(zip(keys, sealing, weights, strict=True), 1)
    ]
    return keys, sealing, [Session.close(parameters, entries, key.id) for key in keys]


class Party:
    """n honest peers and the frames between them, delivered in the order a test chooses.

    Args:
        values: One row of scaled values a peer.
        weights: One weight a peer.
        parameters: Fields of Parameters other than nonce, peers and length.
    """

    def __init__(
        self, values: Sequence[Sequence[int]], weights: Sequence[int], **parameters: object
    ) -> None:
        agreed = Parameters(
            nonce=os.urandom(32),
            peers=len(weights),
            length=len(values[0]),
            **parameters,  # type: ignore[arg-type]
        )
        keys, sealing, sessions = make_sessions(agreed, weights)
        self.parameters = agreed
        self.members: dict[int, Member] = {}
        self.queues: dict[tuple[int, int], deque[bytes]] = {}
        self.tamper: Callable[[int, int, Signed[Message]], bytes | None] = self.honest
        for key, seal, session, row in zip(keys, sealing, sessions, values, strict=True):
            notary = Notary(key, session)
            agreement = Agreement(session, notary)
            gamma = checksum_vector(session.id, 0, agreed.arithmetic, agreed.length)
            secret = with_checksum(np.array(row, dtype=np.int64), gamma, agreed.arithmetic)
            round_ = Round(
                session,
                agreement.signatures,
                secret,
                notary=notary,
                sealer=SessionSealer(session, seal),
                entropy=os.urandom,
            )
            self.members[session.own_index] = Member(key, seal, session, notary, agreement, round_)

    def honest(self, _sender: int, _receiver: int, signed: Signed[Message]) -> bytes | None:
        """Return the frame as it is; tests replace this to change or drop frames."""
        return frame_bytes(signed)

    def start(self) -> None:
        """Let every peer begin."""
        for index, member in self.members.items():
            self.perform(index, member.agreement.start())

    def perform(self, index: int, actions: list[Action]) -> None:
        """Do what a machine asks for."""
        member = self.members[index]
        for action in actions:
            match action:
                case Send(signed, receiver):
                    receivers = member.session.others if receiver is None else (receiver,)
                    for other in receivers:
                        frame = self.tamper(index, other, signed)
                        if frame is not None and other in self.members:
                            self.queues.setdefault((index, other), deque()).append(frame)
                case Reached(step):
                    member.steps.append(step)
                case Agreed():
                    self.perform(index, member.round.start())
                case Finished():
                    member.finished = action
                case Failed(error):
                    member.error = error

    def waiting(self) -> list[tuple[int, int]]:
        """Return the links that hold frames, in a fixed order."""
        return sorted(link for link, queue in self.queues.items() if queue)

    def deliver(self, sender: int, receiver: int) -> None:
        """Hand over the next frame of a link."""
        data = self.queues[sender, receiver].popleft()
        member = self.members[receiver]
        limits = member.notary.limits
        kind, size = parse_header(data[: HEADER.size], limits, frozenset(Kind))
        assert size == len(data) - HEADER.size
        frame = parse_frame(kind, data[HEADER.size :])
        try:
            signed = member.notary.open(sender, frame)
        except P2PMPCError as error:
            machine = member.round if member.agreement.agreed else member.agreement
            self.perform(receiver, machine.abort(error))
            return
        if kind is Kind.ACCEPT or (isinstance(signed.message, Abort) and not member.round._started):
            self.perform(receiver, member.agreement.receive(sender, signed))
        else:
            self.perform(receiver, member.round.receive(sender, signed))

    def run(self, choose: Callable[[list[tuple[int, int]]], tuple[int, int]] | None = None) -> None:
        """Deliver everything.

        Args:
            choose: Picks the next link of those that hold frames; the first by default.
        """
        while links := self.waiting():
            self.deliver(*(choose(links) if choose else links[0]))

    def lose(self, index: int) -> None:
        """Kill a peer: nothing of it is delivered any more, and the others give it up."""
        self.members.pop(index)
        for link in list(self.queues):
            if index in link:
                del self.queues[link]
        for other, member in self.members.items():
            machine = member.round if member.agreement.agreed else member.agreement
            self.perform(other, machine.lost(index))

    def totals(self) -> list[list[int]]:
        """Return every finished peer's total as signed integers."""
        arithmetic = self.parameters.arithmetic
        return [
            [int(v) for v in arithmetic.to_signed(m.finished.total)]
            for m in self.members.values()
            if m.finished is not None
        ]
