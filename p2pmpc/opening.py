"""R4: the mask seeds, each from its owner or from t of the b-shares that its owner dealt.

Nothing here decides whether opening is allowed: the round asks only once n equal echoes are held.
"""

from __future__ import annotations

from collections.abc import Callable

from p2pmpc.dealing import RoundContext, check_mask_share
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.messages import Commitment
from p2pmpc.shamir import combine


class Opening:
    """Collects mask seeds and b-shares of one round.

    Args:
        context: The round.
        commitment_of: Returns what a peer committed to.
    """

    def __init__(self, context: RoundContext, commitment_of: Callable[[int], Commitment]) -> None:
        self._context = context
        self._session = context.session
        self._commitment_of = commitment_of
        self.shares: dict[int, dict[int, bytes]] = {i: {} for i in self._session.indices}
        self.released: set[int] = set()
        self.seeds: dict[int, bytes] = {}

    @property
    def complete(self) -> bool:
        """Whether every mask seed is known."""
        return len(self.seeds) == len(self._session.members)

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
            RemoteProtocolError: There are none in strict mode, or it is not the one committed to.
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
        if self._session.parameters.strict:
            return []
        own, due = self._session.own_index, []
        for owner in self._session.others:
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
        for owner in self._session.others:
            shares = self.shares[owner]
            if owner in self.seeds or len(shares) < self._session.threshold:
                continue
            chosen = dict(sorted(shares.items())[: self._session.threshold])
            try:
                self.open(owner, combine(chosen))
            except RemoteProtocolError:
                name = self._session.label(owner)
                raise RemoteProtocolError(
                    f"{name} dealt mask shares that do not give its mask", peers=(owner,)
                ) from None
