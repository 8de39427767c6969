"""The total that must come out, computed apart from the machines.

An honest peer's input counts as it is. A dishonest one has committed to whatever follows from the
shares that it dealt to honest peers and from the masked sum that everybody echoed: whatever that
is, it was fixed before any honest sum could be read, so it equals the choice of another input.
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
        said = witness.round.links[liar].message(Kind.PARTIAL).message
        assert isinstance(said, Partial)
        arithmetic = self._parameters.arithmetic
        self._add(total, 1, arithmetic.decode(said.content, self._parameters.extended_length))
        seed = witness.round._opening.seeds[liar]
        mask = self._context.mask(liar, seed)
        self._add(total, -1, expanded(arithmetic, self._parameters.extended_length, mask))

    def _share(self, plaintext: bytes, dealer: int, receiver: int) -> Words:
        limits, strict = self._context.session.limits, self._parameters.strict
        plain = decode_share(plaintext, limits, strict=strict)
        share = self._context.share(plain, dealer, receiver)
        return expanded(self._parameters.arithmetic, self._parameters.extended_length, share)

    def _add(self, total: Row, factor: int, vector: Words) -> None:
        for place, value in enumerate(vector.tolist()):
            total[place] += factor * value
