"""R1 as arithmetic: dealing a secret, and opening what others dealt.

Everything a dealer draws in one round is in one :class:`Dealing`, and everything it is bound to in
its COMMITMENT. What is drawn says nothing of the secret: that enters with the masked sum, as the
correction s_jj that makes the dealer's shares add up to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.hashing import DIGEST_BYTES, Bytes, label, labelled_hash
from p2pmpc.messages import Commitment, Share, SharePlain
from p2pmpc.prg import SEED_BYTES
from p2pmpc.ratchet import Ratchet
from p2pmpc.session import Session
from p2pmpc.shamir import SECRET_BYTES, Entropy, check_share, split
from p2pmpc.sharing import (
    Source,
    mask_expansion,
    share_expansion,
    uniform_vector,
)
from p2pmpc.wire import decode_share, encode_share

NO_DIGEST = bytes(DIGEST_BYTES)


class Sealer(Protocol):
    """Seals plaintexts to members and opens those sealed to this peer."""

    def seal(self, receiver: int, plaintext: bytes, info: bytes) -> bytes:
        """Seal a plaintext to a member, bound to ``info``."""

    def open(self, dealer: int, sealed: bytes, info: bytes) -> bytes:
        """Open what a member sealed to this peer under ``info``."""

    def forget(self) -> None:
        """Open nothing more: later rounds seal under keys of their own."""


@dataclass(frozen=True, slots=True)
class RoundContext:
    """One round of one session, as its arithmetic needs it.

    Args:
        session: The closed session.
        number: The round within it.
    """

    session: Session
    number: int

    def _numbers(self, *indices: int) -> bytes:
        return b"".join(
            [self.number.to_bytes(4, "big"), *(index.to_bytes(2, "big") for index in indices)]
        )

    def mask_commitment(self, owner: int, seed: bytes) -> bytes:
        """Return com_i, the commitment to a mask seed."""
        return labelled_hash("mask commitment", self.session.id, self._numbers(owner), seed)

    def mask_share_hash(self, owner: int, holder: int, share: bytes) -> bytes:
        """Return the published hash of one b-share."""
        return labelled_hash("mask share", self.session.id, self._numbers(owner, holder), share)

    def sealed_digest(self, dealer: int, receiver: int, sealed: bytes) -> bytes:
        """Return the published digest of one sealed share."""
        numbers = self._numbers(dealer, receiver)
        return labelled_hash("sealed share", self.session.id, numbers, sealed)

    def sealing_info(self, dealer: int, receiver: int) -> bytes:
        """Return the HPKE info of one sealed share."""
        return label("seal") + self.session.id + self._numbers(dealer, receiver)

    def total_digest(self, total: Bytes) -> bytes:
        """Return the digest of a total's bytes, which CONFIRM signs."""
        return labelled_hash("total", self.session.id, self._numbers(), total)

    def share(self, plain: SharePlain, dealer: int, receiver: int) -> Source:
        """Return the share s_(dealer, receiver) that a plaintext stands for."""
        parameters = self.session.parameters
        arithmetic, length = parameters.arithmetic, parameters.extended_length
        if parameters.share_mode == "dense":
            return arithmetic.decode(plain.share, length)
        return share_expansion(
            plain.share, self.session.id, self.number, dealer, receiver, arithmetic, length
        )

    def mask(self, owner: int, seed: bytes) -> Source:
        """Return the mask of a peer's partial sum."""
        parameters = self.session.parameters
        return mask_expansion(
            seed,
            self.session.id,
            self.number,
            owner,
            parameters.arithmetic,
            parameters.extended_length,
        )


@dataclass(frozen=True, slots=True)
class Dealing:
    """All that one dealer drew in one round. Secret until the masks open.

    Args:
        mask_seed: b_i.
        plains: What goes, sealed, to each other contributor.
        shares: The SHARE messages, by receiver.
        commitment: The COMMITMENT.
    """

    mask_seed: bytes = field(repr=False)
    plains: Mapping[int, SharePlain] = field(repr=False)
    shares: Mapping[int, Share]
    commitment: Commitment


def deal(
    context: RoundContext, sealer: Sealer, entropy: Entropy, ratchet: Ratchet | None = None
) -> Dealing:
    """Draw the shares of the other contributors and seal them.

    Args:
        context: The round.
        sealer: Seals to members, where there is no ratchet.
        entropy: Where every mask, coefficient and new seed comes from.
        ratchet: In later rounds, where the seeds and the seals come from.
    """
    session = context.session
    own, parameters = session.own_index, session.parameters
    mask_seed = entropy(SECRET_BYTES)
    mask_shares: dict[int, bytes] = {}
    if not parameters.strict:
        mask_shares = split(mask_seed, session.threshold, session.contributors, entropy)
    plains: dict[int, SharePlain] = {}
    for receiver in session.other_contributors:
        if parameters.share_mode == "dense":
            drawn = uniform_vector(parameters.arithmetic, parameters.extended_length, entropy)
            share = parameters.arithmetic.encode(drawn)
        else:
            share = ratchet.seed(own, receiver) if ratchet else entropy(SEED_BYTES)
        plains[receiver] = SharePlain(share, mask_shares.get(receiver, b""))
    shares = {}
    for receiver, plain in plains.items():
        info = context.sealing_info(own, receiver)
        told = replace(plain, share=b"") if ratchet else plain
        try:
            shares[receiver] = Share((ratchet or sealer).seal(receiver, encode_share(told), info))
        except RemoteProtocolError as error:
            raise error.blaming(receiver) from None
    commitment = Commitment(
        mask=context.mask_commitment(own, mask_seed),
        mask_shares=tuple(
            context.mask_share_hash(own, holder, share) for holder, share in mask_shares.items()
        ),
        shares=tuple(
            context.sealed_digest(own, index, shares[index].sealed) if index != own else NO_DIGEST
            for index in session.contributors
        ),
    )
    return Dealing(mask_seed, plains, shares, commitment)


def check_commitment(context: RoundContext, dealer: int, commitment: Commitment) -> None:
    """Refuse a commitment that does not have the shape of the session's mode.

    Raises:
        RemoteProtocolError: The number of b-share hashes is wrong, or the dealer commits to a
            share for itself.
    """
    if bool(commitment.mask_shares) == context.session.parameters.strict:
        raise RemoteProtocolError("the commitment does not fit the mode (strict or not)")
    if commitment.shares[context.session.places[dealer]] != NO_DIGEST:
        raise RemoteProtocolError("the dealer commits to a share for itself")


def check_sealed(
    context: RoundContext, dealer: int, receiver: int, commitment: Commitment, share: Share
) -> None:
    """Hold a sealed share against the dealer's commitment: anybody can.

    Raises:
        RemoteProtocolError: It is another one.
    """
    committed = commitment.shares[context.session.places[receiver]]
    if context.sealed_digest(dealer, receiver, share.sealed) != committed:
        raise RemoteProtocolError("the sealed share is not the one committed to")


def open_share(
    context: RoundContext,
    dealer: int,
    commitment: Commitment,
    share: Share,
    sealer: Sealer,
    ratchet: Ratchet | None = None,
) -> SharePlain:
    """Open what a dealer sealed to this peer: only this peer can.

    Raises:
        RemoteProtocolError: It does not open, or is of a wrong length, or holds an element >= p, or
            its b-share is not the one committed to.
    """
    session = context.session
    own, parameters = session.own_index, session.parameters
    data = (ratchet or sealer).open(dealer, share.sealed, context.sealing_info(dealer, own))
    plain = decode_share(data, session.limits, strict=parameters.strict, ratcheted=bool(ratchet))
    if ratchet:
        plain = replace(plain, share=ratchet.seed(dealer, own))
    if parameters.share_mode == "dense":
        parameters.arithmetic.decode(plain.share, parameters.extended_length)
    if not parameters.strict:
        check_mask_share(context, dealer, own, commitment, plain.mask_share)
    return plain


def check_mask_share(
    context: RoundContext, owner: int, holder: int, commitment: Commitment, share: bytes
) -> None:
    """Hold a b-share against its published hash.

    Raises:
        RemoteProtocolError: It is another one, or no element of its field.
    """
    check_share(share)
    committed = commitment.mask_shares[context.session.places[holder]]
    if context.mask_share_hash(owner, holder, share) != committed:
        raise RemoteProtocolError("a mask share that is not the one committed to")
