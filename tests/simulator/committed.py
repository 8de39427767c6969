"""The total that must come out, computed apart from the machines.

An honest peer's input counts as it is. A dishonest one has committed to whatever follows from the
shares that it dealt to honest peers and from the masked sum that everybody echoed: whatever that
is, it was fixed before any honest sum could be read, so it equals the choice of another input.

In sharded mode an honest owner's slice is the same, of the slices that it was sent. A dishonest
owner's is whatever it listed as the sum of its slice, without all masks: fixed as early, and as blind.
"""

from __future__ import annotations

from collections.abc import Mapping

from p2pmpc.dealing import RoundContext
from p2pmpc.field import Words
from p2pmpc.messages import Kind, Partial
from p2pmpc.wire import decode_share
from tests.simulator.peer import SimPeer
from tests.simulator.scenario import Scenario
from tests.strategies import expanded

Row = list[int]


class Committed:
    """Computes the total that one honest peer must confirm, in plain integers.

    Args:
        scenario: The weights, and who is dishonest.
        peers: All peers; of dishonest ones only what honest ones hold of them is used.
        context: Expands seeds, as all peers of the run do.
    """

    def __init__(
        self, scenario: Scenario, peers: Mapping[int, SimPeer], context: RoundContext
    ) -> None:
        self._weights = dict(zip(scenario.indices, scenario.weights, strict=True))
        self._dishonest = [i for i in scenario.contributors if i in scenario.dishonest]
        self._honest = [i for i in scenario.contributors if i not in scenario.dishonest]
        self._peers = peers
        self._context = context
        self._parameters = context.session.parameters
        self._modulus = self._parameters.arithmetic.modulus

    def digest(self, witness: SimPeer) -> bytes:
        """Return the digest that an honest peer must sign, given what it heard."""
        total = [0] * self._parameters.extended_length
        for index in self._honest:
            secret = self._peers[index].secret
            assert secret is not None
            self._add(total, self._weights[index], secret)
        for index in self._dishonest:
            self._add_implied(total, index, witness)
        if self._parameters.is_sharded:
            for index in self._dishonest:
                self._replace_slice(total, index, witness)
        width = self._parameters.arithmetic.width
        data = b"".join((value % self._modulus).to_bytes(width, "little") for value in total)
        return self._context.total_digest(data)

    def _add_implied(self, total: Row, liar: int, witness: SimPeer) -> None:
        """Add what a dishonest peer dealt to honest ones, and what it made of their shares."""
        for honest in self._honest:
            dealt = self._peers[honest].sealer.opened[liar]
            self._add(total, self._weights[liar], self._share(dealt, liar, honest))
            given, _ = self._peers[honest].sealer.sealed[liar]
            self._add(total, -self._weights[honest], self._share(given, honest, liar))
        self._add(total, 1, self._said(liar, witness))
        self._add(total, -1, self._mask(liar, witness))

    def _said(self, liar: int, witness: SimPeer) -> Words:
        """Return a dishonest peer's masked sum, as far as any honest peer was sent it."""
        arithmetic, length = self._parameters.arithmetic, self._parameters.extended_length
        if not self._parameters.is_sharded:
            said = witness.round.links[liar].message(Kind.PARTIAL).message
            assert isinstance(said, Partial)
            return arithmetic.decode(said.content, length)
        hidden = arithmetic.zeros(length)
        for owner in self._honest:
            self._put(hidden, owner, self._peers[owner].pieces, (liar, Kind.SLICE))
        return hidden

    def _put(
        self,
        vector: Words,
        owner: int,
        pieces: Mapping[tuple[int, Kind, int], bytes],
        of: tuple[int, Kind],
    ) -> None:
        """Put what somebody said in pieces into the slice of an owner."""
        session = self._context.session
        data = b"".join(
            pieces[(*of, k)] for k in range(session.slices.pieces(session.places[owner]))
        )
        bounds = session.slices.bounds(session.places[owner])
        vector[bounds] = self._parameters.arithmetic.decode(data, bounds.stop - bounds.start)

    def _mask(self, owner: int, witness: SimPeer) -> Words:
        mask = self._context.mask(owner, witness.round._steps.heard.opening.seeds[owner])
        return expanded(self._parameters.arithmetic, self._parameters.extended_length, mask)

    def _replace_slice(self, total: Row, liar: int, witness: SimPeer) -> None:
        """Put what a dishonest owner said that its slice sums to in the place of all else."""
        session = self._context.session
        hidden = self._parameters.arithmetic.zeros(self._parameters.extended_length)
        self._put(hidden, liar, witness.pieces, (liar, Kind.SLICE_SUM))
        bounds = session.slices.bounds(session.places[liar])
        masks = [self._mask(index, witness).tolist() for index in session.contributors]
        for place in range(bounds.start, bounds.stop):
            total[place] = int(hidden[place]) - sum(mask[place] for mask in masks)

    def _share(self, plaintext: bytes, dealer: int, receiver: int) -> Words:
        limits, strict = self._context.session.limits, self._parameters.strict
        plain = decode_share(plaintext, limits, strict=strict)
        share = self._context.share(plain, dealer, receiver)
        return expanded(self._parameters.arithmetic, self._parameters.extended_length, share)

    def _add(self, total: Row, factor: int, vector: Words) -> None:
        for place, value in enumerate(vector.tolist()):
            total[place] += factor * value
