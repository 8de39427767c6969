"""What coalitions learn, exhaustively: over every string of randomness of a toy field.

The machinery is in tests/views.py. `python -m tests.exhaustive_privacy` is the whole; here every two of
weights, share mode and strictness meet in p = 3, and p = 2 is among four once.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest

from p2pmpc import dealing, shamir, steps
from p2pmpc.dealing import Dealing, RoundContext, Sealer
from p2pmpc.field import Field, Vector
from p2pmpc.frames import HEADER
from p2pmpc.messages import Kind
from p2pmpc.shamir import Entropy
from p2pmpc.sharing import uniform_vector
from tests.enumeration import TOY2, TOY3, Case, Coalition, Expansion, Fact, Plan
from tests.exhaustive_privacy import FOUR, WEIGHTS, Finding, examine, run_of
from tests.party import Party
from tests.views import (
    Classes,
    Run,
    classes,
    everything,
    may_learn,
    nothing,
    part_of,
    the_sum,
    told_apart,
)

STRICT = Case(TOY3, (1, -1, 2), strict=True)
OPEN = Case(TOY3, (1, -1, 2))
LONERS = [(1,), (2,), (3,)]
CASES = [
    Case(TOY3, WEIGHTS[0], strict=True),
    OPEN,
    STRICT,
    Case(TOY3, WEIGHTS[2]),
    Case(TOY3, WEIGHTS[0], share_mode="seeds"),
    Case(TOY3, WEIGHTS[1], strict=True, share_mode="seeds"),
    Case(TOY3, WEIGHTS[2], strict=True, share_mode="seeds"),
    FOUR[0],
]
by_case = pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda c: f"{c.field.name}-{c.weights}-{c.share_mode}{'-strict' * c.strict}",
)


@pytest.fixture(scope="module", autouse=True)
def _nothing_else_is_collected() -> Iterator[None]:
    """Set aside what the rest of the suite holds, which would be looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_vectors_are_left() -> Iterator[None]:
    """Let go of a run's vectors, a fifth of a gigabyte that the cycles of its party would keep."""
    yield
    gc.collect()


def learnt(run: Run, coalition: Coalition, also: Iterable[Fact] = ()) -> Classes:
    """Return what a coalition cannot tell apart, given what it is told against the rules."""
    return told_apart(coalition, run.distributions(run.view(coalition, also)))


@cache
def findings_of(case: Case) -> list[Finding]:
    """Return what every coalition can tell apart; several tests look at the same cases."""
    return examine(case)


def known(case: Case, *peers: int) -> Classes:
    """Return the classes of somebody who knows the inputs of some peers."""
    return classes(case.inputs(), lambda inputs: part_of(inputs, peers))


def early_and_late(case: Case) -> list[tuple[bool, dict[Coalition, Classes]]]:
    """Return what coalitions cannot tell apart before any ECHO, and in the end."""
    run = run_of(Plan(case))
    early = {c: learnt(run, c) for c in case.coalitions()}
    run.finish()
    assert all(member.finished for member in run.party.members.values())
    return [(True, early), (False, {c: learnt(run, c) for c in case.coalitions()})]


# -- what is promised -----------------------------------------------------------------------


@by_case
def test_every_coalition_learns_what_is_promised(case: Case) -> None:
    """Before ECHO nothing, in the end the sum: no distribution of views says more, or less."""
    findings = findings_of(case)
    assert len(findings) == 2 * len(case.coalitions())
    assert [finding for finding in findings if not finding.holds] == []


def test_t_colluders_open_the_sum_early_unless_strict() -> None:
    """Two of three hold t b-shares: they learn the sum, and no more, before any ECHO."""
    for case, learns in ((OPEN, the_sum), (STRICT, nothing)):
        for finding in findings_of(case):
            if finding.early and len(finding.coalition) == 2:
                assert finding.found == learns(case, finding.coalition)


def test_an_input_with_a_weight_that_is_0_mod_p_is_hidden_from_all_others() -> None:
    """A total says nothing about it, and all the rest says no more than the total."""
    case = Case(TOY3, (1, 3, 2))
    found = {f.coalition: f.found for f in findings_of(case) if not f.early}
    assert found[1, 3] == nothing(case, (1, 3)) == the_sum(case, (1, 3))
    assert found[1, 2] == everything(case)


def test_inputs_with_a_run_each_give_the_same() -> None:
    """No input changes which messages are sent, or their sizes."""
    assert all(finding.holds for finding in examine(STRICT, one_by_one=True))


def test_the_order_of_the_coordinates_plays_no_part() -> None:
    """Strings may ride in any order, since elements are dealt and summed alike."""
    plain, shuffled = (run_of(Plan(OPEN, shuffle=seed)) for seed in (None, 1))
    for run in (plain, shuffled):
        run.finish()
        run.check()
    assert not np.array_equal(
        plain.plan.vector(("mask", 1, 0)), shuffled.plan.vector(("mask", 1, 0))
    )
    for coalition in OPEN.coalitions():
        left, right = (run.plan.rows(run.view(coalition).codes()) for run in (plain, shuffled))
        assert np.array_equal(left, right)


def up_to(party: Party, kind: Kind, receivers: Iterable[int] = (1, 2, 3)) -> None:
    """Deliver to some what comes up to a kind."""
    party.run_links(
        lambda *link: link[1] in receivers and party.queues[link][0][HEADER.size - 1] <= kind
    )


def test_a_peer_lost_before_the_echo_changes_nothing() -> None:
    """A run that somebody's death ends shows no more than the masked sums."""

    def dies(party: Party) -> None:
        up_to(party, Kind.SHARE)
        party.lose(3)
        party.run()

    run = Run(plan := Plan(STRICT), Expansion(plan), halt=dies)
    kinds = {said.message.kind for _, _, said in run.heard}
    assert kinds >= {Kind.PARTIAL, Kind.ABORT}
    assert not kinds & {Kind.ECHO, Kind.OPEN}
    assert all(run.party.member(index).error for index in (1, 2))
    assert learnt(run, (2,)) == nothing(STRICT, (2,))
    assert learnt(run, (1, 2)) == nothing(STRICT, (1, 2))


def test_a_peer_lost_after_its_echo_changes_nothing() -> None:
    """Where the others open its mask from b-shares, they learn the sum and no more."""
    run = run_of(Plan(OPEN))
    with run.toys():
        up_to(run.party, Kind.ECHO, receivers=(1, 2))
        run.party.lose(3)
        run.party.settle()
    run.check()
    said = {(sender, said.message.kind) for sender, _, said in run.heard}
    assert said >= {(1, Kind.UNMASK), (2, Kind.UNMASK)}
    assert (3, Kind.OPEN) not in said
    for coalition in ((1,), (2,), (1, 2)):
        assert learnt(run, coalition) == the_sum(OPEN, coalition)


def test_every_string_rides_once() -> None:
    """The coordinates take every value of all inputs, shares and masks, each exactly once."""
    plan = Plan(OPEN, shuffle=2)
    facts: list[Fact] = [("input", i, 0) for i in OPEN.peers]
    codes = sum(plan.vector(f) * np.uint64(3**k) for k, f in enumerate([*facts, *OPEN.randomness]))
    assert np.array_equal(np.sort(codes), np.arange(3**12))


# -- what the same comparison finds ---------------------------------------------------------


def test_two_peers_learn_each_others_inputs() -> None:
    """With two contributors the sum is the other one's input, as `--allow-two` says."""
    for p in (TOY2, TOY3):
        case = Case(p, (1, -1), strict=True)
        (_, early), (_, late) = early_and_late(case)
        for coalition in ((1,), (2,)):
            assert early[coalition] == nothing(case, coalition)
            assert late[coalition] == everything(case) != nothing(case, coalition)


@pytest.mark.parametrize("case", [Case(TOY3, weights, strict=True) for weights in WEIGHTS[:2]])
def test_an_early_mask_with_both_directions_of_a_pair_gives_an_input_away(case: Case) -> None:
    """With b_j, s_ij and s_ji, before any ECHO, the third knows x_j; without any of the three, nothing."""
    run = run_of(Plan(case))
    for (watcher,) in LONERS:
        for j, i in (
            (j, i) for j in case.peers for i in case.peers if {i, j, watcher} == {1, 2, 3}
        ):
            told: list[Fact] = [("mask", j, 0), ("share", i, j), ("share", j, i)]
            assert learnt(run, (watcher,), told) == known(case, watcher, j)
            assert known(case, watcher, j) != nothing(case, (watcher,))
            for fewer in (0, 1, 2):
                for some in combinations(told, fewer):
                    assert learnt(run, (watcher,), some) == nothing(case, (watcher,))


def test_in_the_end_one_direction_of_a_pair_leaks_nothing_and_both_give_everything() -> None:
    """What a seed of another pair would say to somebody who knows all masks."""
    run = run_of(Plan(OPEN))
    run.finish()
    shares: list[Fact] = [("share", 1, 2), ("share", 2, 1)]
    assert learnt(run, (3,)) == the_sum(OPEN, (3,))
    for share in shares:
        assert learnt(run, (3,), [share]) == the_sum(OPEN, (3,))
    assert learnt(run, (3,), shares) == everything(OPEN)


def first_draws(field: Field, *, sign: int) -> Callable[[Field, int, Entropy], Vector]:
    """Return a source of vectors that gives a dealer +-(its first one) each time after the first."""
    first: dict[int, Vector] = {}

    def drawn(arithmetic: Field, length: int, entropy: Entropy) -> Vector:
        vector = uniform_vector(arithmetic, length, entropy)
        if id(entropy) not in first:
            first[id(entropy)] = vector
            return vector
        return field.scale(first[id(entropy)], sign)

    return drawn


@pytest.mark.parametrize("sign", [1, -1])
def test_shares_that_depend_on_each_other_are_found(
    monkeypatch: pytest.MonkeyPatch, sign: int
) -> None:
    """One share for two receivers, or two that cancel, leave every total right and hide nothing."""
    monkeypatch.setattr(dealing, "uniform_vector", first_draws(TOY3, sign=sign))
    (_, early), (_, late) = early_and_late(STRICT)
    assert all(early[c] == may_learn(STRICT, c, early=True) for c in LONERS)
    assert all(late[c] == everything(STRICT) for c in LONERS)


def test_one_seed_for_two_receivers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in seeds: whoever holds a seed can expand it for others."""

    def reuse(context: RoundContext, sealer: Sealer, entropy: Entropy, _: None) -> Dealing:
        seeds: list[bytes] = []

        def again(size: int) -> bytes:
            seeds.append(entropy(size))
            return seeds[min(len(seeds) - 1, 1)]  # the first one is for the mask

        return dealing.deal(context, sealer, again)

    monkeypatch.setattr(steps, "deal", reuse)
    case = Case(TOY3, (1, -1, 2), strict=True, share_mode="seeds")
    (_, _), (_, late) = early_and_late(case)
    assert all(late[c] == everything(case) for c in LONERS)


def test_a_sum_without_its_mask_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums sent as they are show the total before any ECHO."""

    def no_mask(context: RoundContext, _owner: int, _seed: bytes) -> Vector:
        return TOY3.zeros(context.session.parameters.extended_length)

    monkeypatch.setattr(RoundContext, "mask", no_mask)
    (_, early), _ = early_and_late(STRICT)
    assert all(early[c] == the_sum(STRICT, c) != nothing(STRICT, c) for c in STRICT.coalitions())


def test_one_mask_seed_for_everybody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can guess the seeds of others opens everything early."""

    def guessed(context: RoundContext, sealer: Sealer, entropy: Entropy, _: None) -> Dealing:
        return dealing.deal(
            context, sealer, lambda size: bytes(32) if size == 32 else entropy(size)
        )

    monkeypatch.setattr(steps, "deal", guessed)
    (_, early), _ = early_and_late(STRICT)
    assert all(early[c] == the_sum(STRICT, c) != nothing(STRICT, c) for c in STRICT.coalitions())


def test_mask_shares_below_the_threshold_that_open_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """b-shares of a polynomial of degree 0 let every single peer open early."""

    def constant(
        secret: bytes, _threshold: int, points: Sequence[int], entropy: Entropy
    ) -> dict[int, bytes]:
        return shamir.split(secret, 1, points, entropy)

    monkeypatch.setattr(dealing, "split", constant)
    run = run_of(Plan(OPEN))
    assert all(learnt(run, c) == the_sum(OPEN, c) != nothing(OPEN, c) for c in LONERS)


def test_a_dealer_that_draws_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both by what the others learn, and by the strings that nobody drew."""
    monkeypatch.setattr(
        dealing, "uniform_vector", lambda field, length, _entropy: field.zeros(length)
    )
    run = run_of(Plan(STRICT))
    run.finish()
    assert all(learnt(run, c) == everything(STRICT) for c in LONERS)
    with pytest.raises(AssertionError):
        run.check()


def test_views_that_differ_only_in_how_often_are_told_apart() -> None:
    """The comparison is of how many strings give a view, not only of which views there are."""
    run = run_of(Plan(STRICT))
    view = run.view((1,))
    # A residue that is 0 for two thirds of the strings if x_2 is 0, and for one third otherwise.
    share, other = (run.plan.vector(("input", 2, 0)), run.plan.vector(("share", 2, 3)))
    view.learn(("biased", 0, 0), np.where(share == 0, other // np.uint64(2), np.minimum(other, 1)))
    is_zero = classes(STRICT.inputs(), lambda x: (x[0], x[1] == 0))
    assert told_apart((1,), run.distributions(view)) == is_zero


# -- b-shares -------------------------------------------------------------------------------


def one_by_one(played: list[bytes]) -> Entropy:
    """Return an entropy that plays what it is given."""
    return lambda _size: played.pop(0)


@pytest.mark.parametrize(("prime", "threshold", "count"), [(5, 2, 3), (5, 3, 4), (7, 3, 5)])
def test_fewer_than_t_mask_shares_say_nothing(
    monkeypatch: pytest.MonkeyPatch, prime: int, threshold: int, count: int
) -> None:
    """Over all coefficients, t - 1 shares take every value equally often; t give the secret."""
    monkeypatch.setattr(shamir, "PRIME", prime)
    shift = 8 - (prime - 1).bit_length()
    dealt: dict[int, list[tuple[bytes, ...]]] = {}
    for secret in range(prime):
        dealt[secret] = []
        for coefficients in product(range(prime), repeat=threshold - 1):
            played = [bytes([value << shift]) for value in coefficients]
            hidden, points = secret.to_bytes(32, "big"), range(1, count + 1)
            shares = shamir.split(hidden, threshold, points, one_by_one(played))
            assert not played
            dealt[secret].append(tuple(shares.values()))
    for holders in combinations(range(count), threshold - 1):
        views = [
            Counter(tuple(shares[k] for k in holders) for shares in dealt[secret])
            for secret in range(prime)
        ]
        assert set(views[0].values()) == {1}
        assert all(view == views[0] for view in views)
    for holders in combinations(range(count), threshold):
        opened = [{tuple(shares[k] for k in holders) for shares in dealt[s]} for s in range(prime)]
        assert all(a.isdisjoint(b) for a, b in combinations(opened, 2))
