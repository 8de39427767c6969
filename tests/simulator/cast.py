"""Keys, sessions, notaries and sealers of the peers of one run: cheap, or real."""

from __future__ import annotations

import os
from functools import cached_property
from random import Random

import numpy as np

from p2pmpc.dealing import RoundContext
from p2pmpc.envelope import SessionSealer
from p2pmpc.field import Words
from p2pmpc.frames import Limits, body_digest
from p2pmpc.hashing import labelled_hash
from p2pmpc.identity import (
    SEALING_KEY_BYTES,
    SealingKey,
)
from p2pmpc.membership import make_entry
from p2pmpc.messages import (
    Accept,
    AcceptedEntry,
    Entry,
    Kind,
    SignedEntry,
)
from p2pmpc.parameters import Parameters
from p2pmpc.protocol import Round
from p2pmpc.session import Member, Session, entry_signing_input
from p2pmpc.wire import encode_body, encode_entry, parameters_digest
from tests.party import PlainSealer
from tests.simulator.fakes import (
    AnyIdentity,
    CheapContext,
    CheapIdentity,
    CheapNotary,
    Opened,
    SimNotary,
    SimSealer,
    cheap_identities,
    real_identities,
)
from tests.simulator.scenario import Scenario
from tests.strategies import with_checksum


class CheapSession(Session):
    """A session that knows by heart what it is asked often."""

    @cached_property
    def others(self) -> tuple[int, ...]:
        """All roster indices but this peer's."""
        return tuple(index for index in self.indices if index != self.own_index)

    @cached_property
    def contributors(self) -> tuple[int, ...]:
        """The roster indices of those whose inputs are summed."""
        return tuple(self.places)

    @cached_property
    def other_contributors(self) -> tuple[int, ...]:
        """All contributors but this peer."""
        return tuple(index for index in self.places if index != self.own_index)

    @cached_property
    def limits(self) -> Limits:
        """What members may send."""
        return super().limits


class Cast:
    """Everything that peers have before a run begins.

    Args:
        scenario: Who takes part.
        real: Whether with real signatures, seals and expansions.
    """

    def __init__(self, scenario: Scenario, *, real: bool) -> None:
        self.scenario = scenario
        self.real = real
        self.parameters = Parameters(
            nonce=Random(scenario.seed).randbytes(32),
            peers=scenario.peers,
            field=scenario.field,
            length=len(scenario.values[0]),
            share_mode=scenario.share_mode,
            sum_mode=scenario.sum_mode,
            strict=scenario.strict,
            allow_two=True,
            allow_revealing_weights=True,
        )
        self.identities: tuple[AnyIdentity, ...] = (
            real_identities() if real else cheap_identities()
        )[: scenario.peers]
        self._sealing_keys: list[SealingKey] = []
        self.sessions = self._real_sessions() if real else self._cheap_sessions()
        self._opened: Opened = {}
        self._expanded: dict[bytes, Words] = {}
        session_id, arithmetic = self.sessions[1].id, self.parameters.arithmetic
        self.secrets: dict[int, Words] = {
            index: with_checksum(
                np.array(scenario.values[index - 1], dtype=np.int64), session_id, 0, arithmetic
            )
            for index in scenario.contributors
        }
        """What each contributor shares: its residues and their checksum."""

    def _real_sessions(self) -> dict[int, Session]:
        self._sealing_keys = [SealingKey(os.urandom) for _ in self.identities]
        weighted = zip(self.identities, self._sealing_keys, self.scenario.weights, strict=True)
        entries = [
            make_entry(
                identity,
                key,
                self.parameters,
                nonce=identity.id,
                weight=weight,
                name=f"peer-{index:02}",
                address="127.0.0.1:9000",
            )
            for index, (identity, key, weight) in enumerate(weighted, start=1)
        ]
        sessions = [
            Session.close(self.parameters, entries, i.id, founder=self.identities[0].id)
            for i in self.identities
        ]
        return {session.own_index: session for session in sessions}

    def _cheap_sessions(self) -> dict[int, Session]:
        agreed = parameters_digest(self.parameters)
        members: list[Member] = []
        for identity, weight in zip(self.identities, self.scenario.weights, strict=True):
            name = f"peer-{len(members) + 1:02}"
            key = bytes(SEALING_KEY_BYTES)
            entry = Entry(b"certificate", identity.id, key, weight, name, agreed)
            digest = body_digest(Kind.HELLO, encode_entry(entry))
            signature = identity.sign(entry_signing_input(identity.id, agreed, digest))
            signed = SignedEntry(b"", signature, "127.0.0.1:9000")
            members.append(Member(signed, entry, identity.public_key, digest))
        lines = tuple(AcceptedEntry(m.id, m.weight, m.digest, m.signed.signature) for m in members)
        acceptance = Accept(self.parameters, lines)
        session_id = labelled_hash("session", encode_body(acceptance))
        places = {index: place for place, index in enumerate(self.scenario.contributors)}
        return {
            index: CheapSession(
                self.parameters, tuple(members), index, acceptance, session_id, places, 1
            )
            for index in self.scenario.indices
        }

    def notary(self, index: int, session: Session | None = None) -> SimNotary:
        """Return a notary of a peer; of another session where one is given."""
        identity, here = self.identities[index - 1], session is None
        session = session or self.sessions[index]
        if isinstance(identity, CheapIdentity):
            return CheapNotary(identity, session, self._opened if here else {})
        return SimNotary(identity, session)

    def sealer(self, index: int) -> SimSealer:
        """Return a sealer of a peer."""
        if not self.real:
            return SimSealer(PlainSealer())
        return SimSealer(SessionSealer(self.sessions[index], self._sealing_keys[index - 1]))

    def context(self, index: int) -> RoundContext:
        """Return what a peer's round computes with."""
        if self.real:
            return RoundContext(self.sessions[index], 0)
        return CheapContext(self.sessions[index], 0, self._expanded)

    def equip(self, round_: Round) -> Round:
        """Give a round the context of this cast: the one place that reaches into a machine."""
        context = self.context(round_.session.own_index)
        steps = round_._steps
        steps.context = steps.heard._context = steps.heard.opening._context = context
        return round_
