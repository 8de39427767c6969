"""Dealing a secret, opening what others dealt, and the checks on a total."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.dealing import (
    NO_DIGEST,
    Dealing,
    RoundContext,
    check_commitment,
    check_mask_share,
    check_sealed,
    deal,
    open_share,
)
from p2pmpc.errors import RemoteProtocolError, VerificationFailed
from p2pmpc.field import M61, Words
from p2pmpc.messages import Commitment, Share, SharePlain
from p2pmpc.parameters import Parameters
from p2pmpc.session import Session
from p2pmpc.shamir import PRIME, combine
from p2pmpc.sharing import weighted_sum
from p2pmpc.summing import check_total, masked_sum, sum_of, without_mask
from p2pmpc.wire import decode_share, encode_share
from tests import reference
from tests.party import PlainSealer, make_sessions
from tests.strategies import integers, with_checksum

SEALER = PlainSealer()
VALUES = [[1, -2, 3], [-40, 50, 60], [700, 800, -900]]
WEIGHTS = [3, -1, 2]
MODES: list[dict[str, Any]] = [
    {},
    {"field": "m61"},
    {"share_mode": "dense"},
    {"strict": True},
    {"share_mode": "dense", "strict": True, "field": "m61"},
]
every_mode = pytest.mark.parametrize("mode", MODES, ids=str)


def contexts(number: int = 0, **mode: Any) -> list[RoundContext]:
    """Return one round of one session, as each of its three members sees it."""
    parameters = Parameters(os.urandom(32), 3, length=3, **mode)
    return [RoundContext(session, number) for session in make_sessions(parameters, WEIGHTS)[2]]


def secret(session: Session, row: list[int]) -> Words:
    """Return an input as it is dealt."""
    arithmetic = session.parameters.arithmetic
    return with_checksum(np.array(row), session.id, 0, arithmetic)


def dealt(round_: list[RoundContext]) -> list[Dealing]:
    """Return what every member deals."""
    return [deal(context, SEALER, os.urandom) for context in round_]


def opened(round_: list[RoundContext], dealings: list[Dealing], own: int) -> dict[int, SharePlain]:
    """Return what one member opens of the others' shares."""
    return {
        dealer: open_share(round_[own - 1], dealer, dealing.commitment, dealing.shares[own], SEALER)
        for dealer, dealing in enumerate(dealings, start=1)
        if dealer != own
    }


# -- the arithmetic of a round --------------------------------------------------------------


@every_mode
def test_partial_sums_give_the_weighted_sum(mode: dict[str, Any]) -> None:
    """In every mode the partial sums add up to the weighted sum, which holds its checks."""
    round_ = contexts(**mode)
    arithmetic = round_[0].session.parameters.arithmetic
    dealings = dealt(round_)
    sums = {}
    for own, context in enumerate(round_, start=1):
        brought, received = secret(context.session, VALUES[own - 1]), opened(round_, dealings, own)
        hidden = masked_sum(context, brought, dealings[own - 1], received)
        sums[own] = without_mask(context, own, hidden, dealings[own - 1].mask_seed)
    total = sum_of(arithmetic, sums, 4)
    expected = reference.weighted_sum(VALUES, WEIGHTS, arithmetic.modulus)
    assert integers(total[:3]) == expected
    check_total(round_[0], total)


def test_shares_and_masks_agree_with_the_reference() -> None:
    """Seeds expand under the session, the round, both indices, the field and the full length."""
    context = contexts(number=5, field="m61")[0]
    seed = os.urandom(32)

    def expected(purpose: str, i: int, j: int) -> list[int]:
        info = reference.expansion_info(purpose, 5, i, j, "m61", 4)
        return reference.expand(seed, context.session.id, info, 2**61 - 1, 8, 4)

    share = context.share(SharePlain(seed, b""), 3, 1)
    assert integers(weighted_sum(M61, 4, [(share, 1)])) == expected("share", 3, 1)
    mask = context.mask(2, seed)
    assert integers(weighted_sum(M61, 4, [(mask, 1)])) == expected("mask", 2, 0)


def test_digests_agree_with_the_reference() -> None:
    """Every digest has its own label and binds session, round and indices."""
    context = contexts(number=5)[0]
    session_id, data = context.session.id, b"data"
    number, one, two = bytes([0, 0, 0, 5]), bytes([0, 1]), bytes([0, 2])
    for name, numbers, digest in (
        ("mask commitment", number + one, context.mask_commitment(1, data)),
        ("mask share", number + one + two, context.mask_share_hash(1, 2, data)),
        ("sealed share", number + two + one, context.sealed_digest(2, 1, data)),
        ("total", number, context.total_digest(data)),
    ):
        assert digest == reference.labelled_hash(name, session_id, numbers, data)
    info = reference.label("seal") + session_id + number + one + two
    assert context.sealing_info(1, 2) == info


def test_observers_are_dealt_nothing() -> None:
    """A dealer seals its shares to the other contributors alone, and commits to no other."""
    parameters = Parameters(os.urandom(32), 4, length=3)
    context = RoundContext(make_sessions(parameters, [3, -1, 0, 2])[2][0], 0)
    dealing = deal(context, SEALER, os.urandom)
    assert set(dealing.shares) == set(dealing.plains) == {2, 4}
    assert len(dealing.commitment.shares) == len(dealing.commitment.mask_shares) == 3


def test_any_majority_of_mask_shares_opens_a_mask() -> None:
    """The b-shares that a dealer gives away are shares of its mask seed, as it committed to them."""
    round_ = contexts()
    dealing = dealt(round_)[1]
    shares = {j: plain.mask_share for j, plain in dealing.plains.items()}
    assert combine(shares) == dealing.mask_seed
    for holder, share in shares.items():
        check_mask_share(round_[0], 2, holder, dealing.commitment, share)


def test_strict_dealings_hold_no_mask_shares() -> None:
    """In strict mode nothing of a mask leaves its owner."""
    dealing = dealt(contexts(strict=True))[0]
    assert dealing.commitment.mask_shares == ()
    assert all(plain.mask_share == b"" for plain in dealing.plains.values())


def test_every_drawn_string_has_one_use() -> None:
    """A dealing draws its mask seed first and, besides coefficients, one seed a receiver."""
    context = contexts()[0]
    drawn: list[bytes] = []

    def entropy(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    dealing = deal(context, SEALER, entropy)
    assert {len(string) for string in drawn} == {32, 33}
    seeds = [plain.share for plain in dealing.plains.values()]
    assert [string for string in drawn if len(string) == 32] == [dealing.mask_seed, *seeds]


# -- what a dealer is bound to --------------------------------------------------------------


def other_share(dealing: Dealing, context: RoundContext, plain: SharePlain) -> Dealing:
    """Return a dealing of member 1 in which member 2 is dealt something else, committed to."""
    sealed = SEALER.seal(2, encode_share(plain), context.sealing_info(1, 2))
    digests = list(dealing.commitment.shares)
    digests[1] = context.sealed_digest(1, 2, sealed)
    commitment = replace(dealing.commitment, shares=tuple(digests))
    return replace(dealing, shares={**dealing.shares, 2: Share(sealed)}, commitment=commitment)


def test_a_share_that_was_not_committed_to_is_refused() -> None:
    """A receiver opens only what the dealer told everybody it would send, as anybody can check."""
    round_ = contexts()
    first, _, _ = dealt(round_)
    again, _, _ = dealt(round_)
    for share in (first.shares[3], again.shares[2], Share(b"")):
        with pytest.raises(RemoteProtocolError, match="not the one committed to"):
            check_sealed(round_[0], 1, 2, first.commitment, share)
    check_sealed(round_[0], 1, 2, first.commitment, first.shares[2])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_seeds_of_a_wrong_length_are_refused(size: int) -> None:
    """A committed share whose seed is no seed is refused by its receiver."""
    round_ = contexts()
    dealing = dealt(round_)[0]
    plain = SharePlain(bytes(size), dealing.plains[2].mask_share)
    wrong = other_share(dealing, round_[0], plain)
    with pytest.raises(RemoteProtocolError, match="wrong length"):
        open_share(round_[1], 1, wrong.commitment, wrong.shares[2], SEALER)


@pytest.mark.parametrize("place", [0, 3])
def test_dense_elements_not_below_p_are_refused(place: int) -> None:
    """A dense share is held to the field when it is opened, its checksum coordinate included."""
    round_ = contexts(share_mode="dense")
    dealing = dealt(round_)[0]
    elements = [1, 2, 3, 4]
    elements[place] = 2**31 - 1
    plain = SharePlain(reference.little_endian(elements, 4), dealing.plains[2].mask_share)
    wrong = other_share(dealing, round_[0], plain)
    with pytest.raises(RemoteProtocolError, match=f"element {place} of a vector is not below p"):
        open_share(round_[1], 1, wrong.commitment, wrong.shares[2], SEALER)


@pytest.mark.parametrize("share", [b"\x00" * 33, b"\xff" * 33])
def test_mask_shares_that_were_not_committed_to_are_refused(share: bytes) -> None:
    """A b-share is held against its published hash as soon as it is opened."""
    round_ = contexts()
    dealing = dealt(round_)[0]
    wrong = other_share(dealing, round_[0], SharePlain(dealing.plains[2].share, share))
    with pytest.raises(RemoteProtocolError, match="mask share"):
        open_share(round_[1], 1, wrong.commitment, wrong.shares[2], SEALER)


@pytest.mark.parametrize("share", [PRIME.to_bytes(33, "big"), b"\xff" * 33, bytes(32)])
def test_mask_shares_that_are_no_elements_are_refused(share: bytes) -> None:
    """A dealer that commits to what is no share at all is refused for that alone."""
    context = contexts()[0]
    good = dealt([context])[0].commitment
    digests = (context.mask_share_hash(1, 1, share), *good.mask_shares[1:])
    with pytest.raises(RemoteProtocolError, match="not an element of its field"):
        check_mask_share(context, 1, 1, replace(good, mask_shares=digests), share)


def test_seals_of_another_round_do_not_open() -> None:
    """A seal binds the round and both indices."""
    round_ = contexts()
    session = round_[0].session
    later = RoundContext(session, 1)
    dealing = dealt([later, *round_[1:]])[0]
    digests = [NO_DIGEST, round_[0].sealed_digest(1, 2, dealing.shares[2].sealed), NO_DIGEST]
    commitment = replace(dealing.commitment, shares=tuple(digests))
    with pytest.raises(RemoteProtocolError, match="does not open"):
        open_share(round_[1], 1, commitment, dealing.shares[2], SEALER)


@pytest.mark.parametrize("strict", [False, True])
def test_commitments_fit_the_mode(strict: bool) -> None:
    """Mask shares are committed to exactly where there are some, and never a share to oneself."""
    round_ = contexts(strict=strict)
    good = dealt(round_)[0].commitment
    check_commitment(round_[1], 1, good)
    digests = (b"\x01" * 32,) * 3
    other_mode = replace(good, mask_shares=digests if strict else ())
    with pytest.raises(RemoteProtocolError, match="does not fit the mode"):
        check_commitment(round_[1], 1, other_mode)
    with pytest.raises(RemoteProtocolError, match="a share for itself"):
        check_commitment(round_[1], 1, Commitment(good.mask, good.mask_shares, digests))


GARBAGE_ROUND = contexts()
GARBAGE_COMMITMENT = dealt(GARBAGE_ROUND)[0].commitment


@given(st.binary(max_size=120))
def test_garbage_under_a_good_seal_is_refused(data: bytes) -> None:
    """Whatever a dealer seals and commits to, its receiver ends with a violation."""
    sealed = SEALER.seal(2, data, GARBAGE_ROUND[0].sealing_info(1, 2))
    digests = (NO_DIGEST, GARBAGE_ROUND[0].sealed_digest(1, 2, sealed), NO_DIGEST)
    commitment = replace(GARBAGE_COMMITMENT, shares=digests)
    with pytest.raises(RemoteProtocolError):
        open_share(GARBAGE_ROUND[1], 1, commitment, Share(sealed), SEALER)


# -- the total ------------------------------------------------------------------------------


def total_of(context: RoundContext, values: list[int]) -> Words:
    """Return a total with the checksum coordinate that belongs to it."""
    return secret(context.session, values)


@pytest.mark.parametrize("place", range(4))
def test_a_wrong_element_breaks_the_checksum(place: int) -> None:
    """One element off by one, or the checksum itself, is found."""
    context = contexts()[0]
    total = total_of(context, [10, -20, 30])
    check_total(context, total)
    total[place] += np.uint64(1)
    with pytest.raises(VerificationFailed, match="checksum"):
        check_total(context, total)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_total_beyond_its_range_is_refused(sign: int) -> None:
    """The largest total that inputs within the bound can give is accepted, and no larger one."""
    context = contexts(bound=100)[0]
    check_total(context, total_of(context, [600, -600, 0]))
    with pytest.raises(VerificationFailed, match="element 1 of the total") as caught:
        check_total(context, total_of(context, [600, sign * 601, sign * 700]))
    assert "601" not in caught.value.describe()


def test_the_checksum_coordinate_has_no_range() -> None:
    """Whatever value the checksum takes, only the elements before it are held to the bound."""
    context = contexts(bound=1)[0]
    values = [6, -6, 6]
    total = total_of(context, values)
    signed = context.session.parameters.arithmetic.to_signed(total)
    assert abs(int(signed[3])) > 6
    check_total(context, total)


def test_a_total_of_private_weights_has_its_own_range() -> None:
    """What comes behind the elements is held to the sum of the weights' bounds."""
    parameters = Parameters(os.urandom(32), 3, length=2, bound=100, weight_bound=10)
    context = RoundContext(make_sessions(parameters, [1, 1, 1])[2][0], 0)
    check_total(context, total_of(context, [3000, -3000, 30]))
    with pytest.raises(VerificationFailed, match="element 2 of the total"):
        check_total(context, total_of(context, [0, 0, -31]))


# -- secrets --------------------------------------------------------------------------------


@every_mode
def test_dealings_do_not_show_what_they_hold(mode: dict[str, Any]) -> None:
    """No seed, mask, share or element stands in the repr of a dealing or of what it sends."""
    dealing = dealt(contexts(**mode))[0]
    shown = repr((dealing, dealing.plains, dealing.shares))
    secrets = [dealing.mask_seed]
    for plain in dealing.plains.values():
        secrets += [plain.share, plain.mask_share]
    for hidden in filter(None, secrets):
        assert hidden.hex() not in shown
        assert repr(hidden)[2:-1] not in shown


def test_sealed_shares_hold_what_was_dealt() -> None:
    """Under its seal a SHARE is the plaintext of its receiver."""
    round_ = contexts()
    dealing = dealt(round_)[0]
    limits = round_[0].session.limits
    for receiver, share in dealing.shares.items():
        data = SEALER.open(1, share.sealed, round_[0].sealing_info(1, receiver))
        assert decode_share(data, limits, strict=False) == dealing.plains[receiver]
