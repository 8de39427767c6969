"""Every string of randomness of a round, as coordinates of one vector.

The toy fields, what is summed in them, and what stands in the places of entropy and expansion. What
it is for stands in tests/views.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from p2pmpc.field import Field, Words

Fact = tuple[str, int, int]
"""One residue a string: its name and up to two roster indices, 0 where there is none."""
Inputs = tuple[int, ...]
Coalition = tuple[int, ...]


class Bits(Field):
    """F_2. It has no residue on either side of zero, so its residues stand for themselves."""

    @property
    def largest_magnitude(self) -> int:
        """The largest residue."""
        return 1


TOY2, TOY3, TOY5 = Bits("toy2", 2, 4), Field("toy3", 3, 4), Field("toy5", 5, 4)


@dataclass(frozen=True)
class Case:
    """What is summed, and how.

    Args:
        field: A toy field.
        weights: One a peer.
        strict: Whether there are no b-shares.
        share_mode: ``dense``: the enumeration is drawn; ``seeds``: it is expanded from seeds.
    """

    field: Field
    weights: tuple[int, ...]
    strict: bool = False
    share_mode: str = "dense"

    @property
    def peers(self) -> range:
        """All roster indices."""
        return range(1, len(self.weights) + 1)

    @property
    def randomness(self) -> list[Fact]:
        """What honest peers draw, a residue each."""
        shares: list[Fact] = [("share", i, j) for i, j in product(self.peers, repeat=2) if i != j]
        return [*shares, *(("mask", j, 0) for j in self.peers)]

    @property
    def strings(self) -> int:
        """How many strings of randomness there are."""
        return int(self.field.modulus ** len(self.randomness))

    def inputs(self) -> list[Inputs]:
        """Return every input of all peers, in the order in which they ride."""
        return list(product(range(self.field.modulus), repeat=len(self.weights)))

    def coalitions(self) -> list[Coalition]:
        """Return every coalition that leaves somebody out."""
        sizes = range(1, len(self.weights))
        return [c for size in sizes for c in combinations(self.peers, size)]


class Plan:
    """Which coordinate holds which string, and for which inputs.

    Args:
        case: What is summed.
        inputs: The inputs of this run; None lets all of them ride, one after the other.
        shuffle: Seeds another order of the coordinates.
    """

    def __init__(self, case: Case, inputs: Inputs | None = None, shuffle: int | None = None):
        self.case = case
        self.inputs = [inputs] if inputs else case.inputs()
        size = case.strings * len(self.inputs)
        self._order = np.arange(size, dtype=np.uint64)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(self._order)
        free = [*(self._inputs() if inputs is None else []), *case.randomness]
        self._place = {fact: place for place, fact in enumerate(reversed(free))}
        self._digits: dict[Fact, Words] = {}
        self._fixed = dict(zip(self._inputs(), inputs or (), strict=False))

    def _inputs(self) -> list[Fact]:
        return [("input", i, 0) for i in self.case.peers]

    @property
    def size(self) -> int:
        """Coordinates."""
        return self._order.size

    def vector(self, fact: Fact) -> Words:
        """Return what an input, a share or a mask is at each coordinate."""
        p = self.case.field.modulus
        if fact in self._fixed:
            return np.full(self.size, self._fixed[fact], dtype=np.uint64)
        if fact not in self._digits:
            places = np.uint64(p ** self._place[fact])
            self._digits[fact] = self._order // places % np.uint64(p)
        return self._digits[fact]

    def rows(self, codes: Words) -> Words:
        """Return a number a coordinate as one row an input and one column a string."""
        ordered = np.empty_like(codes)
        ordered[self._order] = codes
        return ordered.reshape(len(self.inputs), self.case.strings)


def _extended(vector: Words) -> Words:
    """Return a vector with 0 for the checksum coordinate, which is one more input and no string."""
    extended: Words = np.append(vector, np.zeros_like(vector[:1]))
    return extended


class Tape:
    """The entropy of one peer: vectors are those of the plan, all else is random.

    Args:
        plan: What is drawn.
        own: The peer's roster index.
    """

    def __init__(self, plan: Plan, own: int) -> None:
        peers = plan.case.peers
        self._plan = plan
        self._bytes = (plan.size + 1) * plan.case.field.width
        self.left: list[Fact] = [("share", own, j) for j in peers if j != own]
        assert self._bytes > 64  # so that no seed is taken for a vector

    def __call__(self, size: int) -> bytes:
        """Return as many bytes."""
        if size != self._bytes:
            return os.urandom(size)
        return self._plan.case.field.encode(_extended(self._plan.vector(self.left.pop(0))))


class Expansion:
    """Expansion as the ideal function: nobody without a seed knows anything of its vector.

    Args:
        plan: What seeds stand for.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.known: dict[Fact, tuple[bytes, Words]] = {}

    def share(
        self, seed: bytes, session_id: bytes, number: int, i: int, j: int, _field: Field, _size: int
    ) -> Words:
        """Stand in for :func:`p2pmpc.sharing.share_expansion`."""
        return self._expand(("share", i, j), seed, session_id, number)

    def mask(
        self, seed: bytes, session_id: bytes, number: int, j: int, _field: Field, _size: int
    ) -> Words:
        """Stand in for :func:`p2pmpc.sharing.mask_expansion`."""
        return self._expand(("mask", j, 0), seed, session_id, number)

    def _expand(self, fact: Fact, seed: bytes, _session_id: bytes, number: int) -> Words:
        assert number == 0, "another round needs randomness of its own"
        known, vector = self.known.setdefault(fact, (seed, self.plan.vector(fact)))
        assert known == seed, f"two seeds for one {fact}"
        return _extended(vector)
