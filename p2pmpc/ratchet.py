"""Keys of later rounds: each pair goes on from what one HPKE seal gave it, and forgets the way back.

The seed k_ij of round 0 is the first link of a chain that dealer i and receiver j alone hold. Every round
takes one step: link r+1, the seed that round r+1 expands, and the key that seals its SHARE are three
different expansions of link r, which is then forgotten. So no later round needs a public-key operation,
and whoever learns a link learns nothing of the rounds before it.

Source: the one-way chain is the symmetric-key ratchet of Perrin and Marlinspike, "The Double Ratchet
Algorithm", 2016, section 2.2, with HKDF-SHA256 (RFC 5869).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.hashing import label

_NONCE = bytes(12)
"""Each key seals one message, so one nonce serves."""


def _step(link: bytes, salt: bytes, purpose: str, round_number: int, i: int, j: int) -> bytes:
    numbers = round_number.to_bytes(4, "big") + i.to_bytes(2, "big") + j.to_bytes(2, "big")
    info = label(purpose) + numbers
    return HKDF(hashes.SHA256(), length=32, salt=salt, info=info).derive(link)


@dataclass(frozen=True, slots=True)
class PairKeys:
    """What one direction of a pair holds in a round.

    Args:
        dealer: A roster index.
        receiver: A roster index.
        link: From which the next round's are made.
        seed: What the dealer's share is expanded from.
        key: Seals its SHARE.
    """

    dealer: int
    receiver: int
    link: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    key: bytes = field(repr=False)


class Ratchet:
    """The chains that one contributor shares with each other one, in both directions.

    It seals and opens the SHAREs of the round it was advanced to, and holds that round's seeds.

    Args:
        session_id: The salt of every step.
        own: This contributor's roster index.
        given: The seeds that it dealt in round 0, by receiver.
        received: The seeds that were dealt to it in round 0, by dealer.
    """

    def __init__(
        self,
        session_id: bytes,
        own: int,
        given: Mapping[int, bytes],
        received: Mapping[int, bytes],
    ) -> None:
        self._session_id = session_id
        self._own = own
        self._links = {(own, other): seed for other, seed in given.items()}
        self._links |= {(other, own): seed for other, seed in received.items()}
        self._seeds: dict[tuple[int, int], bytes] = {}
        self._keys: dict[tuple[int, int], bytes] = {}

    @classmethod
    def restored(cls, session_id: bytes, own: int, pairs: Iterable[PairKeys]) -> Ratchet:
        """Return the ratchet of a round that this peer goes on with, as :attr:`pairs` gave it."""
        ratchet = cls(session_id, own, {}, {})
        for pair in pairs:
            at = pair.dealer, pair.receiver
            ratchet._links[at], ratchet._seeds[at], ratchet._keys[at] = (
                pair.link,
                pair.seed,
                pair.key,
            )
        return ratchet

    @property
    def pairs(self) -> tuple[PairKeys, ...]:
        """All that it holds, when the round begins and no key was used yet."""
        return tuple(
            PairKeys(i, j, link, self._seeds[i, j], self._keys[i, j])
            for (i, j), link in self._links.items()
        )

    def advance(self, number: int) -> None:
        """Step on to the next round, and forget the one before.

        Args:
            number: Of the round; every round takes one step, so that all stay together.
        """
        for (i, j), link in self._links.items():
            self._seeds[i, j], self._keys[i, j], self._links[i, j] = (
                _step(link, self._session_id, purpose, number, i, j)
                for purpose in ("ratchet seed", "ratchet key", "ratchet link")
            )

    def seed(self, dealer: int, receiver: int) -> bytes:
        """Return the seed of a pair in this round."""
        return self._seeds[dealer, receiver]

    def seal(self, receiver: int, plaintext: bytes, info: bytes) -> bytes:
        """Seal to a contributor: one message a round, since the key is given up with it."""
        return AESGCM(self._keys.pop((self._own, receiver))).encrypt(_NONCE, plaintext, info)

    def open(self, dealer: int, sealed: bytes, info: bytes) -> bytes:
        """Open what a contributor sealed in this round.

        Raises:
            RemoteProtocolError: It does not open.
        """
        try:
            return AESGCM(self._keys[dealer, self._own]).decrypt(_NONCE, sealed, info)
        except (InvalidTag, ValueError):
            raise RemoteProtocolError("a sealed share that does not open") from None
