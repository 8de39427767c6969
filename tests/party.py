"""Whole sessions of machines in memory: never one end alone.

A :class:`Party` holds n machines and the messages between them. Tests choose the order in which the
messages arrive, and may drop, change or forge them. Whatever a test does, the party itself holds
every honest peer to the one rule that must never break: no mask seed and no mask share leaves
without the n signatures on its own echo.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from p2pmpc.actions import (
    Action,
    Agreed,
    Dismissed,
    Failed,
    Finished,
    Reached,
    RecordInput,
    Send,
)
from p2pmpc.agreement import Agreement
from p2pmpc.dealing import Sealer
from p2pmpc.envelope import Notary, SessionSealer, frame_bytes
from p2pmpc.errors import P2PMPCError, RemoteProtocolError
from p2pmpc.field import Words
from p2pmpc.frames import HEADER, TO_ALL, body_digest, parse_frame, parse_header, signing_input
from p2pmpc.identity import Identity, SealingKey, verify_signature
from p2pmpc.membership import make_entry
from p2pmpc.messages import PAIRWISE, Abort, Echo, Kind, Message, Open, Signed, Unmask
from p2pmpc.parameters import Parameters
from p2pmpc.protocol import Round
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from tests.frames import encode_frame, halves
from tests.strategies import correction, with_checksum


class PlainSealer:
    """Seals nothing: what it makes is the info and then the plaintext, the same every time."""

    def seal(self, receiver: int, plaintext: bytes, info: bytes) -> bytes:  # noqa: ARG002
        """Return the plaintext behind its info."""
        return info + plaintext

    def open(self, dealer: int, sealed: bytes, info: bytes) -> bytes:  # noqa: ARG002
        """Return the plaintext, if the info is the one it was sealed under."""
        if not sealed.startswith(info):
            raise RemoteProtocolError("a sealed share that does not open")
        return sealed[len(info) :]

    def forget(self) -> None:
        """Have nothing to forget."""


@dataclass
class Member:
    """One honest peer: its keys, its machines and how it ended."""

    identity: Identity
    sealing_key: SealingKey
    session: Session
    notary: Notary
    agreement: Agreement
    round: Round
    secret: Words
    """What it brings, an observer too; the round forgets it once it is summed."""
    steps: list[str] = field(default_factory=list)
    dismissed: list[P2PMPCError] = field(default_factory=list)
    """What observers did that it goes on without."""
    finished: Finished | None = None
    error: P2PMPCError | None = None
    echo: Signed[Message] | None = None
    """The echo that it sent."""
    recorded: bool = False
    opened: bool = False
    unmasked: set[int] = field(default_factory=set)
    """Whose mask shares it has handed out."""

    @classmethod
    def create(
        cls,
        identity: Identity,
        sealing_key: SealingKey,
        session: Session,
        values: Sequence[int],
        *,
        sealer: Sealer | None = None,
        entropy: Entropy = os.urandom,
    ) -> Member:
        """Make the machines of one peer, as its node would.

        Args:
            identity: Its key.
            sealing_key: Its key in this session.
            session: As it sees it.
            values: Its input, scaled.
            sealer: Hybrid encryption by default.
            entropy: The operating system's by default.
        """
        parameters = session.parameters
        notary = Notary(identity, session)
        agreement = Agreement(session, notary)
        secret = with_checksum(
            np.array(values, dtype=np.int64), session.id, 0, parameters.arithmetic
        )
        round_ = Round(
            session,
            agreement.signatures,
            secret if session.contributes else None,
            notary=notary,
            sealer=sealer or SessionSealer(session, sealing_key),
            entropy=entropy,
        )
        return cls(identity, sealing_key, session, notary, agreement, round_, secret)

    def go_on(self, values: Sequence[int]) -> None:
        """Make the machine of the next round, as the runner would."""
        session, number = self.session, self.round.number + 1
        arithmetic = session.parameters.arithmetic
        self.secret = with_checksum(
            np.array(values, dtype=np.int64), session.id, number, arithmetic
        )
        self.round = self.round.following(
            self.secret if session.contributes else None, self.round._steps._entropy
        )
        self.finished = self.echo = None
        self.recorded = self.opened = False
        self.unmasked, self.steps = set(), []

    @property
    def kept(self) -> Words:
        """The share that it keeps: what those given away leave of its secret."""
        dealing, context = self.round.dealing, self.round._steps.context
        assert dealing is not None
        own = self.session.own_index
        given = [context.share(plain, own, other) for other, plain in dealing.plains.items()]
        return correction(self.session.parameters.arithmetic, self.secret, given)

    @property
    def machine(self) -> Agreement | Round:
        """The machine whose turn it is."""
        return self.round if self.agreement.agreed else self.agreement

    def begin(self) -> list[Action]:
        """Sign the roster."""
        return self._go_on(self.agreement.start())

    def take(self, sender: int, signed: Signed[Message]) -> list[Action]:
        """Hand a verified message to the machine that it is for."""
        kind = signed.message.kind
        if kind is Kind.ACCEPT or (kind is Kind.ABORT and not self.agreement.agreed):
            return self._go_on(self.agreement.receive(sender, signed))
        return self.round.receive(sender, signed)

    def _go_on(self, actions: list[Action]) -> list[Action]:
        """Start the round as soon as everybody has agreed."""
        if any(isinstance(action, Agreed) for action in actions):
            return [*actions, *self.round.start()]
        return actions


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
        values: One row of scaled values a peer; where weights are private, multiplied by its weight,
            with the weight behind them.
        weights: One weight a peer; 1, 2, ... by default.
        keys: The peers' identities in roster order; new ones by default.
        parameters: Fields of Parameters other than nonce, peers and length.
    """

    def __init__(
        self,
        values: Sequence[Sequence[int]],
        weights: Sequence[int] | None = None,
        *,
        keys: Sequence[Identity] | None = None,
        **parameters: object,
    ) -> None:
        self.values = values
        self.weights = weights or range(1, len(values) + 1)
        self.parameters = Parameters(
            nonce=os.urandom(32),
            peers=len(self.weights),
            length=len(values[0]) - bool(parameters.get("weight_bound")),
            **parameters,  # type: ignore[arg-type]
        )
        keys, sealing, sessions = make_sessions(self.parameters, self.weights, keys)
        self.members = {
            session.own_index: Member.create(key, seal, session, row)
            for key, seal, session, row in zip(keys, sealing, sessions, values, strict=True)
        }
        self.gone: dict[int, Member] = {}
        self.queues: dict[tuple[int, int], deque[bytes]] = {}
        self.delivered: dict[tuple[int, int], list[bytes]] = {}
        self.dishonest: set[int] = set()
        """Those whose frames a test changes; they are held to no rule."""
        self.tamper: Callable[[int, int, Signed[Message]], bytes | None] = self.honest

    # -- what peers do ----------------------------------------------------------------------

    def honest(self, _sender: int, _receiver: int, signed: Signed[Message]) -> bytes | None:
        """Return the frame as it is; tests replace this to change or drop frames."""
        return frame_bytes(signed)

    def start(self) -> None:
        """Let every peer begin."""
        for index, member in self.members.items():
            self.perform(index, member.begin())

    def perform(self, index: int, actions: Iterable[Action]) -> None:
        """Do what a machine asks for."""
        member = self.members[index]
        for action in actions:
            match action:
                case Send(signed, receiver):
                    self._hold_to_the_rule(index, member, signed)
                    receivers = member.session.others if receiver is None else (receiver,)
                    for other in receivers:
                        frame = self.tamper(index, other, signed)
                        if frame is not None:
                            self.send(index, other, frame)
                case Reached(step):
                    member.steps.append(step)
                case RecordInput():
                    assert member.echo is None
                    member.recorded = True
                    self.perform(index, member.round.recorded())
                case Dismissed(error):
                    member.dismissed.append(error)
                case Finished():
                    assert member.error is None
                    member.finished = action
                case Failed(error):
                    assert member.finished is None
                    member.error = error

    def _hold_to_the_rule(self, index: int, member: Member, signed: Signed[Message]) -> None:
        """Fail the test if an honest peer lets out a mask without n equal echoes, or twice."""
        message = signed.message
        if index in self.dishonest:
            return
        if isinstance(message, Echo):
            assert member.recorded
            member.echo = signed
        elif isinstance(message, Open):
            assert member.echo is not None
            contributors = [m for m in member.session.members if m.weight]
            for other, signature in zip(contributors, message.echoes, strict=True):
                data = signing_input(
                    member.session.id, signed.round, Kind.ECHO, other.id, TO_ALL, member.echo.digest
                )
                verify_signature(other.public_key, signature, data)
            member.opened = True
        elif isinstance(message, Unmask):
            assert member.opened
            assert message.about not in member.unmasked
            member.unmasked.add(message.about)

    def next_round(self, values: Sequence[Sequence[int]]) -> None:
        """Let every peer, all of which have finished, begin the next round.

        Args:
            values: One row of scaled values a peer.
        """
        self.values = values
        for member, row in zip(self.members.values(), values, strict=True):
            assert member.finished is not None
            member.go_on(row)
        for index, member in self.members.items():
            self.perform(index, member.round.start())

    # -- frames -----------------------------------------------------------------------------

    def send(self, sender: int, receiver: int, frame: bytes) -> None:
        """Put a frame at the end of a link."""
        if receiver in self.members:
            self.queues.setdefault((sender, receiver), deque()).append(frame)

    def frame(self, sender: int, message: Message, receiver: int | None = None) -> bytes:
        """Return a frame that a peer signed, whatever it says."""
        pairwise = receiver if message.kind in PAIRWISE else None
        member = self.member(sender)
        number = 0 if message.kind in (Kind.ACCEPT, Kind.ABORT) else member.round.number
        return frame_bytes(member.notary.sign(message, receiver=pairwise, round_number=number))

    def forge(
        self,
        sender: int,
        kind: Kind,
        body: bytes,
        *,
        receiver: int | None = None,
        round_number: int = 0,
    ) -> bytes:
        """Return a frame with any body at all, signed by a peer as if it were one of the kind."""
        member = self.member(sender)
        to = member.session.member(receiver).id if receiver else TO_ALL
        session_id = bytes(32) if kind is Kind.ACCEPT else member.session.id
        data = signing_input(
            session_id, round_number, kind, member.identity.id, to, body_digest(kind, body)
        )
        return encode_frame(kind, round_number, member.identity.sign(data), body)

    def member(self, index: int) -> Member:
        """Return a peer, lost or not."""
        return self.members.get(index) or self.gone[index]

    def waiting(self) -> list[tuple[int, int]]:
        """Return the links that hold frames, in a fixed order."""
        return sorted(link for link, queue in self.queues.items() if queue)

    def deliver(self, sender: int, receiver: int) -> None:
        """Hand over the next frame of a link."""
        data = self.queues[sender, receiver].popleft()
        self.delivered.setdefault((sender, receiver), []).append(data)
        self.hand_over(sender, receiver, data)

    def hand_over(self, sender: int, receiver: int, data: bytes) -> None:
        """Let a peer read a frame that comes over its link with another one."""
        member = self.members[receiver]
        try:
            kind, size = parse_header(data[: HEADER.size], member.notary.limits, frozenset(Kind))
            assert size == len(data) - HEADER.size
            signed = member.notary.open(sender, parse_frame(kind, *halves(data)))
        except P2PMPCError as error:
            # The boundary that knows whose bytes these are adds the name, as the mesh does.
            error.peers = error.peers or (sender,)
            self.perform(receiver, member.machine.fault(sender, error))
        else:
            self.perform(receiver, member.take(sender, signed))

    def run(
        self,
        choose: Callable[[list[tuple[int, int]]], tuple[int, int]] | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Deliver everything.

        Args:
            choose: Picks the next link of those that hold frames; the first by default.
            until: Stops before the next delivery once it holds.
        """
        while not until() and (links := self.waiting()):
            self.deliver(*(choose(links) if choose else links[0]))

    def run_links(self, wanted: Callable[[int, int], bool]) -> None:
        """Deliver everything on some links, and nothing on the others."""
        self.run(
            choose=lambda links: next(link for link in links if wanted(*link)),
            until=lambda: not any(wanted(*link) for link in self.waiting()),
        )

    def run_to_echo(self) -> None:
        """Deliver everything up to the ECHOs, and none of those."""
        self.run_links(lambda *link: self.queues[link][0][HEADER.size - 1] < Kind.ECHO)
        assert all("echo" in member.steps for member in self.members.values())

    # -- faults -----------------------------------------------------------------------------

    def corrupt(
        self, culprit: int, changes: Mapping[Kind, Callable[[int, Signed[Message]], bytes | None]]
    ) -> None:
        """Let one peer's frames of some kinds be changed, and its ABORTs be lost.

        Args:
            culprit: The peer; its machine is an honest one that does not know of it.
            changes: For each kind, the frame for a receiver; None drops it.
        """
        self.dishonest.add(culprit)

        def tamper(sender: int, receiver: int, signed: Signed[Message]) -> bytes | None:
            if sender != culprit:
                return frame_bytes(signed)
            if isinstance(signed.message, Abort):
                return None
            change = changes.get(signed.message.kind)
            return change(receiver, signed) if change else frame_bytes(signed)

        self.tamper = tamper

    def die(self, index: int) -> None:
        """Kill a peer: it takes and sends nothing more; what it had sent may still arrive."""
        self.gone[index] = self.members.pop(index)
        for link in [link for link in self.queues if link[1] == index]:
            del self.queues[link]

    def give_up(self, index: int, by: int) -> None:
        """Let one peer give a dead one up; what had not arrived never will."""
        self.queues.pop((index, by), None)
        self.perform(by, self.members[by].machine.lost(index))

    def lose(self, index: int) -> None:
        """Kill a peer and let everybody give it up at once."""
        self.die(index)
        for other in self.members:
            self.give_up(index, other)

    def time_out(self) -> None:
        """Let nothing have moved for too long at every peer that has not ended."""
        for index, member in self.members.items():
            if member.finished is None and member.error is None:
                self.perform(index, member.machine.timed_out())

    def settle(self) -> None:
        """Run to the end that time brings about."""
        for _ in range(4):
            self.run()
            self.time_out()

    # -- results ----------------------------------------------------------------------------

    @property
    def expected(self) -> list[int]:
        """The total, in plain integers."""
        return [
            sum(weight * value for weight, value in zip(self.weights, column, strict=True))
            for column in zip(*self.values, strict=True)
        ]

    def totals(self, *, but: int = 0) -> list[list[int]]:
        """Return every finished peer's total as signed integers."""
        arithmetic = self.parameters.arithmetic
        return [
            [int(v) for v in arithmetic.to_signed(member.finished.total)]
            for index, member in self.members.items()
            if member.finished is not None and index != but
        ]

    def errors(self, *, but: int = 0) -> list[P2PMPCError]:
        """Return the error of every peer that is still there, all of which must have one."""
        errors = []
        for index, member in self.members.items():
            if index != but:
                assert member.error is not None, f"peer {index} ended without an error"
                errors.append(member.error)
        return errors
