"""R4: the mask seeds, each from its owner or from t of the b-shares that its owner dealt.

Nothing here decides whether opening is allowed: the round asks only once n equal echoes are held.
"""

from __future__ import annotations

from collections.abc import Callable

from p2pmpc.dealing import RoundContext, check_mask_share
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.evidence import Claim, Dispute, Evidence, Statement
from p2pmpc.messages import Commitment, Message, Signed
from p2pmpc.shamir import combine


class Opening:
    """Collects mask seeds and b-shares of one round.

    Args:
        context: The round.
        committed: Returns a contributor's COMMITMENT.
    """

    def __init__(self, context: RoundContext, committed: Callable[[int], Signed[Message]]) -> None:
        self._context = context
        self._session = context.session
        self._committed = committed
        self.shares: dict[int, dict[int, bytes]] = {i: {} for i in self._session.contributors}
        self.released: set[int] = set()
        self.seeds: dict[int, bytes] = {}

    def _commitment_of(self, owner: int) -> Commitment:
        message = self._committed(owner).message
        assert isinstance(message, Commitment)
        return message

    @property
    def complete(self) -> bool:
        """Whether every mask seed is known."""
        return len(self.seeds) == len(self._session.places)

    def open(self, owner: int, seed: bytes) -> None:
        """Take a mask seed from its owner.

        Raises:
            RemoteProtocolError: It is not the one committed to.
        """
        if self._context.mask_commitment(owner, seed) != self._commitment_of(owner).mask:
            raise RemoteProtocolError("the mask seed is not the one committed to")
        self.seeds[owner] = seed

    def hold(self, owner: int, share: bytes) -> None:
        """Keep this peer's own b-share of an owner, checked when it was dealt."""
        self.shares[owner][self._session.own_index] = share

    def take(self, owner: int, holder: int, share: bytes) -> None:
        """Take a b-share from its holder.

        Raises:
            RemoteProtocolError: There is none of this owner, or it is not the one committed to.
        """
        if self._session.parameters.strict:
            raise RemoteProtocolError("a mask share in strict mode")
        check_mask_share(self._context, owner, holder, self._commitment_of(owner), share)
        self.shares[owner][holder] = share

    def release(self, is_missed: Callable[[int], bool]) -> list[tuple[int, bytes]]:
        """Return the b-shares to hand out now, each only once.

        Args:
            is_missed: Whether an owner's seed may be missed by somebody.

        Returns:
            Owner and share: of the missed, and of those that others have begun to recover.
        """
        if self._session.parameters.strict or not self._session.contributes:
            return []
        own, due = self._session.own_index, []
        for owner in self._session.other_contributors:
            asked = any(holder != own for holder in self.shares[owner])
            if (asked or is_missed(owner)) and owner not in self.released:
                self.released.add(owner)
                due.append((owner, self.shares[owner][own]))
        return due

    def recover(self) -> None:
        """Recover the seeds of which t shares are held.

        Raises:
            RemoteProtocolError: The owner dealt shares that do not give what it committed to.
        """
        for owner in self._session.other_contributors:
            shares = self.shares[owner]
            if owner in self.seeds or len(shares) < self._session.threshold:
                continue
            chosen = dict(sorted(shares.items())[: self._session.threshold])
            try:
                self.open(owner, combine(chosen))
            except RemoteProtocolError:
                committed = Statement.of(owner, self._committed(owner))
                raise Dispute(
                    f"{self._session.label(owner)} dealt mask shares that do not give its mask",
                    Evidence(Claim.WRONG_DEALING, owner, (committed,), tuple(chosen.items())),
                ) from None
