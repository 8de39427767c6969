"""What a coalition sees of a round, over every string of randomness there is.

Rules:

1. Production code deals, masks, sums, echoes and opens. Swapped in are a toy field, a sealer that
   seals nothing, an entropy that plays an enumeration, and an expansion that is the ideal function:
   each seed stands for a vector of its own, the enumerated one.
2. One coordinate of the vector that is summed is one string of randomness: a share for every
   dealer and receiver, and a mask for every peer. All strings ride in one run, each exactly once;
   where they are few, those for all inputs do. :meth:`Run.check` holds a run to that. Coordinates
   are dealt one by one alike; the same run in another order shows that the order plays no part.
3. A view holds all that the coalition's members brought, drew, kept, were sent and can work out:
   the expansions of all seeds they hold, of mask seeds also from t b-shares. What is on its way
   counts as seen. Hashes and signatures are taken as saying nothing.
4. Two inputs are alike to a coalition if the views, as multisets over all strings, are equal. The
   multisets are compared by the SHA-256 of their sorted lists.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from p2pmpc import dealing
from p2pmpc.envelope import frame_bytes
from p2pmpc.field import Words
from p2pmpc.messages import (
    Abort,
    Accept,
    Commitment,
    Confirm,
    Echo,
    Message,
    Open,
    Partial,
    Share,
    SharePlain,
    Signed,
    Unmask,
)
from p2pmpc.product import FIELDS
from p2pmpc.shamir import combine
from p2pmpc.weights import opening_threshold
from tests.enumeration import Case, Coalition, Expansion, Fact, Inputs, Plan, Tape
from tests.party import Member, Party, PlainSealer

Classes = frozenset[frozenset[Inputs]]
"""Inputs of all peers, in sets of those that a coalition cannot tell apart."""

TOTAL: Fact = ("total", 0, 0)


class View:
    """All that a coalition knows at some moment.

    Args:
        case: What is summed.
    """

    def __init__(self, case: Case) -> None:
        self.facts: dict[Fact, Words] = {}
        self.seeds: set[bytes] = set()
        self.mask_shares: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        self._case = case

    def learn(self, fact: Fact, vector: Words) -> None:
        """Add what is known; two peers cannot know different things."""
        known = self.facts.setdefault(fact, vector)
        assert known is vector or np.array_equal(known, vector)

    def learn_elements(self, fact: Fact, data: bytes) -> None:
        """Add a vector as it was sent, without its checksum coordinate."""
        arithmetic = self._case.field
        self.learn(fact, arithmetic.decode(data, len(data) // arithmetic.width)[:-1])

    def open(self, dealer: int, receiver: int, plain: SharePlain) -> None:
        """Add what was in a sealed share."""
        if self._case.share_mode == "seeds":
            self.seeds.add(plain.share)
        else:
            self.learn_elements(("share", dealer, receiver), plain.share)
        if plain.mask_share:
            self.mask_shares[dealer][receiver] = plain.mask_share

    def hear(self, sender: int, message: Message) -> None:
        """Add what a message says; a kind that is not listed here needs thought first."""
        match message:
            case Partial(vector):
                self.learn_elements(("masked", sender, 0), vector)
            case Open():
                self.seeds.add(message.mask_seed)
            case Unmask(owner, share):
                self.mask_shares[owner][sender] = share
            case Share() | Commitment() | Accept() | Echo() | Confirm() | Abort():
                pass  # opened by its receiver; hashes and signatures; who was lost
            case _:
                raise AssertionError(f"what does {message.kind.name} say?")

    def work_out(self, expansion: Expansion) -> None:
        """Add what all seeds and mask shares give.

        Shares are combined whatever their number: where it is below the threshold of production,
        what comes out must be no seed.
        """
        for shares in self.mask_shares.values():
            ordered = sorted(shares.items())
            for number in range(1, len(ordered) + 1):
                self.seeds.add(combine(dict(ordered[:number])))
        for fact, (seed, vector) in expansion.known.items():
            if seed in self.seeds:
                self.learn(fact, vector)

    def codes(self) -> Words:
        """Return one number for all facts together, coordinate by coordinate."""
        p = self._case.field.modulus
        assert p ** len(self.facts) <= 1 << 64
        codes = np.zeros(next(iter(self.facts.values())).size, dtype=np.uint64)
        for fact in sorted(self.facts):
            codes = codes * np.uint64(p) + self.facts[fact]
        return codes


@dataclass
class Run:
    """A round of honest peers, halted where every ECHO is on its way, and then finished.

    Args:
        plan: What they bring and draw.
        expansion: What seeds stand for.
    """

    plan: Plan
    expansion: Expansion
    heard: list[tuple[int, int, Signed[Message]]] = field(default_factory=list)
    """Sender, receiver and message, of everything that was sent."""
    halt: Callable[[Party], None] = Party.run_to_echo
    """Delivers what comes before the moment to look."""
    tapes: dict[int, Tape] = field(default_factory=dict)
    finished: bool = False

    def __post_init__(self) -> None:
        """Run up to the ECHOs."""
        case, plan = self.plan.case, self.plan
        with self.toys():
            # Rows of numpy serve as well as lists, and take a tenth of the time.
            values: Any = [case.field.to_signed(plan.vector(("input", i, 0))) for i in case.peers]
            self.party = Party(
                values,
                case.weights,
                field=case.field.name,
                bound=case.field.largest_magnitude,
                share_mode=case.share_mode,
                strict=case.strict,
                allow_two=len(values) == 2,
            )
            for (i, known), row in zip(self.party.members.items(), values, strict=True):
                self.tapes[i] = Tape(plan, i)
                self.party.members[i] = Member.create(
                    known.identity,
                    known.sealing_key,
                    known.session,
                    row,
                    sealer=PlainSealer(),
                    entropy=self.tapes[i],
                )
            self.party.tamper = self._hear
            self.party.start()
            self.halt(self.party)

    def toys(self) -> ExitStack:
        """Put the toys in the place of what production has, until the stack is left."""
        stack, case = ExitStack(), self.plan.case
        stack.enter_context(mock.patch.dict(FIELDS, {case.field.name: case.field}))
        stack.enter_context(mock.patch.object(dealing, "share_expansion", self.expansion.share))
        stack.enter_context(mock.patch.object(dealing, "mask_expansion", self.expansion.mask))
        return stack

    def _hear(self, sender: int, receiver: int, signed: Signed[Message]) -> bytes:
        self.heard.append((sender, receiver, signed))
        return frame_bytes(signed)

    def finish(self) -> None:
        """Deliver the rest."""
        self.finished = True
        with self.toys():
            self.party.run()

    def check(self) -> None:
        """Fail unless every string was used, and the total is right at each of them."""
        case, plan = self.plan.case, self.plan
        assert all(member.finished is not None for member in self.party.members.values())
        expanded = {fact for fact in case.randomness if fact[0] in self._expanded}
        assert set(self.expansion.known) == expanded
        assert case.share_mode == "seeds" or not any(tape.left for tape in self.tapes.values())
        p = case.field.modulus
        inputs = [plan.vector(("input", i, 0)) for i in case.peers]
        total = sum(np.uint64(w % p) * x for w, x in zip(case.weights, inputs, strict=True)) % p
        for member in self.party.members.values():
            assert member.finished is not None
            assert np.array_equal(member.finished.total, total)

    @property
    def _expanded(self) -> set[str]:
        return {"mask", "share"} if self.plan.case.share_mode == "seeds" else {"mask"}

    def view(self, coalition: Coalition, also: Iterable[Fact] = ()) -> View:
        """Return what a coalition knows now.

        Args:
            coalition: Roster indices.
            also: What it is told against the rules.
        """
        view = View(self.plan.case)
        with self.toys():
            for i in coalition:
                self._look_inside(i, view)
        for sender, receiver, signed in self.heard:
            if receiver in coalition:
                view.hear(sender, signed.message)
        view.work_out(self.expansion)
        for fact in also:
            view.learn(fact, self.plan.vector(fact))
        return view

    @property
    def traffic(self) -> list[tuple[int, int, str, int]]:
        """Who sent whom what, and its size: all that is seen of a message from outside."""
        return [(i, j, said.message.kind.name, len(said.body)) for i, j, said in self.heard]

    def _look_inside(self, i: int, view: View) -> None:
        """Learn what a member brought, drew, kept, opened and ended with."""
        member = self.party.members[i]
        dealt = member.round.dealing
        assert dealt is not None
        view.learn(("input", i, 0), member.secret[:-1])
        view.learn(("kept", i, 0), member.kept[:-1])
        view.seeds.add(dealt.mask_seed)
        for receiver, plain in dealt.plains.items():
            view.open(i, receiver, plain)
        for dealer, link in member.round.links.items():
            assert link.plain is not None
            view.open(dealer, i, link.plain)
        if member.finished is not None:
            view.learn(TOTAL, member.finished.total)

    def distributions(self, view: View) -> dict[Inputs, bytes]:
        """Return, for each input that rides, a digest of the views over all strings."""
        rows = np.sort(self.plan.rows(view.codes()), axis=1)
        digests = (hashlib.sha256(row.tobytes()).digest() for row in rows)
        return dict(zip(self.plan.inputs, digests, strict=True))


# -- what is alike --------------------------------------------------------------------------


def part_of(inputs: Inputs, coalition: Coalition) -> Inputs:
    """Return the inputs of a coalition."""
    return tuple(inputs[i - 1] for i in coalition)


def classes(inputs: Iterable[Inputs], key: Callable[[Inputs], object]) -> Classes:
    """Return inputs in sets of those with an equal key."""
    sets: defaultdict[object, set[Inputs]] = defaultdict(set)
    for row in inputs:
        sets[key(row)].add(row)
    return frozenset(map(frozenset, sets.values()))


def told_apart(coalition: Coalition, distributions: Mapping[Inputs, bytes]) -> Classes:
    """Return which inputs a coalition cannot tell apart, from its views."""
    return classes(distributions, lambda row: (part_of(row, coalition), distributions[row]))


def nothing(case: Case, coalition: Coalition) -> Classes:
    """Return the classes of a coalition that knows its own inputs."""
    return classes(case.inputs(), lambda row: part_of(row, coalition))


def the_sum(case: Case, coalition: Coalition) -> Classes:
    """Return the classes of a coalition that knows its own inputs and the weighted sum mod p."""

    def key(row: Inputs) -> object:
        total = sum(w * x for w, x in zip(case.weights, row, strict=True))
        return part_of(row, coalition), total % case.field.modulus

    return classes(case.inputs(), key)


def everything(case: Case) -> Classes:
    """Return the classes of a coalition that knows all inputs."""
    return classes(case.inputs(), lambda row: row)


def may_learn(case: Case, coalition: Coalition, *, early: bool) -> Classes:
    """Return the classes that are promised: before any ECHO all but the own inputs is hidden.

    A coalition of t or more can open masks on its own, if there are b-shares: it is not kept from
    the sum.
    """
    opens_alone = not case.strict and len(coalition) >= opening_threshold(len(case.weights))
    if early and not opens_alone:
        return nothing(case, coalition)
    return the_sum(case, coalition)
