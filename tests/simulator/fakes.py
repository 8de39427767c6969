"""What stands in for signatures, seals and expansions: cheap, and no weaker within a simulation.

The cheap ones do the same work on the same bytes with cheaper primitives. A cheap signature is a
keyed hash of what a real one would cover; its key is in the hands of its owner alone, so nobody else
can make one. Its last byte is free, as a dishonest signer's nonce is. A cheap seal is its info
and then the plaintext. A cheap expansion is a hash of the seed and everything it is bound to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from hashlib import blake2b, shake_128
from random import Random
from typing import TypeVar
from unittest.mock import patch

import numpy as np

from p2pmpc.dealing import RoundContext, Sealer
from p2pmpc.encoding import gamma_expansion
from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.field import Words
from p2pmpc.frames import TO_ALL, Frame, body_digest, signing_input
from p2pmpc.identity import (
    SIGNATURE_BYTES,
    Identity,
    peer_id,
    verify_signature,
)
from p2pmpc.messages import (
    PAIRWISE,
    AcceptedEntry,
    Kind,
    Message,
    SharePlain,
    Signed,
)
from p2pmpc.product import Ring
from p2pmpc.session import Session, entry_signing_input
from p2pmpc.wire import encode_entry
from tests import reference

M = TypeVar("M", bound=Message)

MOST = 16
"""Peers that there are keys for."""


# -- signatures -----------------------------------------------------------------------------


class CheapIdentity(Identity):
    """Signs with a keyed hash.

    Args:
        number: Whose.
    """

    def __init__(self, number: int) -> None:
        self._secret = blake2b(number.to_bytes(2, "big"), digest_size=32, person=b"secret").digest()
        self.public_key = blake2b(self._secret, digest_size=32, person=b"public").digest()
        self.id = peer_id(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Sign data."""
        return self.sign_in_two_ways(data, 0)

    def sign_in_two_ways(self, data: bytes, way: int) -> bytes:
        """Sign data; every way verifies."""
        return blake2b(data, digest_size=SIGNATURE_BYTES - 1, key=self._secret).digest() + bytes(
            [way]
        )


class RealIdentity(Identity):
    """Ed25519, whose owner may choose its nonce dishonestly."""

    def sign_in_two_ways(self, data: bytes, way: int) -> bytes:
        """Sign data; every way verifies."""
        return reference.ed25519_sign(self._seed, data, nonce=way) if way else self.sign(data)


AnyIdentity = CheapIdentity | RealIdentity


@cache
def cheap_identities() -> tuple[CheapIdentity, ...]:
    """Return the cheap identities, in the order of their IDs."""
    return tuple(sorted((CheapIdentity(k) for k in range(MOST)), key=lambda i: i.id))


@cache
def _cheap_keys() -> dict[bytes, CheapIdentity]:
    return {identity.public_key: identity for identity in cheap_identities()}


@contextmanager
def cheap_signatures() -> Iterator[None]:
    """Let cheap signatures be verified, and real ones as ever, wherever the machines verify any."""

    def verify(public_key: bytes, signature: bytes, data: bytes) -> None:
        identity = _cheap_keys().get(public_key)
        if identity is None:
            verify_signature(public_key, signature, data)
        elif identity.sign(data)[:-1] != signature[:-1]:
            raise RemoteProtocolError("a signature that does not verify")

    with patch("p2pmpc.envelope.verify_signature", verify):
        yield


@contextmanager
def small_pieces() -> Iterator[None]:
    """Let slices travel in pieces of two elements, so that short vectors have several."""
    with patch("p2pmpc.slices.PIECE", 2):
        yield


@cache
def real_identities() -> tuple[RealIdentity, ...]:
    """Return real identities, the same in every process, in the order of their IDs."""
    random = Random(0)
    made = (RealIdentity(random.randbytes(32)) for _ in range(MOST))
    return tuple(sorted(made, key=lambda i: i.id))


class SimNotary(Notary):
    """The production notary, whose owner may tell lies consistently, or forge."""

    identity: AnyIdentity

    def __init__(self, identity: AnyIdentity, session: Session) -> None:
        super().__init__(identity, session)
        self.identity = identity
        self.lie: Callable[[Message], Message] | None = None
        """What its machine says without knowing; None for honest peers."""

    def sign(self, message: M, *, round_number: int = 0, receiver: int | None = None) -> Signed[M]:
        """Sign what the machine wants to say, or the lie in its place."""
        if self.lie is not None:
            message = self.lie(message)  # type: ignore[assignment]
        return super().sign(message, round_number=round_number, receiver=receiver)

    def frame(self, message: Message, receiver: int, *, round_number: int = 0) -> Frame:
        """Return any message as a signed frame for one receiver, past all lies."""
        to = receiver if message.kind in PAIRWISE else None
        return frame_of(super().sign(message, round_number=round_number, receiver=to))

    def forge(self, kind: Kind, body: bytes, receiver: int, *, way: int = 0) -> Frame:
        """Return a frame with any body at all, signed as if it were of a kind."""
        session = self._session
        to = session.member(receiver).id if kind in PAIRWISE else TO_ALL
        binding = self._session_id(kind)
        digest = body_digest(kind, body)
        data = signing_input(binding, 0, kind, self.identity.id, to, digest)
        return Frame(kind, 0, self.identity.sign_in_two_ways(data, way), body)

    def second_entry(self, weight: int) -> AcceptedEntry:
        """Return another line of the roster about its owner, signed as well as the first."""
        member = self._session.member(self._session.own_index)
        entry = replace(member.entry, weight=weight)
        digest = body_digest(Kind.HELLO, encode_entry(entry))
        data = entry_signing_input(member.id, entry.parameters_digest, digest)
        return AcceptedEntry(member.id, weight, digest, self.identity.sign(data))


Opened = dict[tuple[int, int, int, bytes, bytes], Signed[Message]]
"""By sender, receiver (0 for everybody), and all that a frame holds."""


class CheapNotary(SimNotary):
    """Verifies cheap signatures, and each message once for all peers of a run.

    What a peer signed itself needs no verifying at the others: the same object is handed on. All
    other frames, forged or changed in any way, are verified and decoded as in production.

    Args:
        identity: Cheap.
        session: The closed session.
        opened: What was verified before, of all peers of the run.
    """

    def __init__(
        self,
        identity: CheapIdentity,
        session: Session,
        opened: Opened,
    ) -> None:
        super().__init__(identity, session)
        self._opened = opened

    def sign(self, message: M, *, round_number: int = 0, receiver: int | None = None) -> Signed[M]:
        """Sign a message, and remember it as verified."""
        signed = super().sign(message, round_number=round_number, receiver=receiver)
        if self.lie is None:
            key = _key(self._session.own_index, receiver or 0, frame_of(signed))
            self._opened[key] = signed
        return signed

    def open(self, sender: int, frame: Frame) -> Signed[Message]:
        """Verify and decode a frame, or remember that it was."""
        receiver = self._session.own_index if frame.kind in PAIRWISE else 0
        key = _key(sender, receiver, frame)
        known = self._opened.get(key)
        if known is None:
            known = self._opened[key] = super().open(sender, frame)
        return known


def _key(sender: int, receiver: int, frame: Frame) -> tuple[int, int, int, bytes, bytes]:
    return sender, receiver, frame.round << 8 | frame.kind, frame.signature, frame.body


def frame_of(signed: Signed[Message]) -> Frame:
    """Return a signed message as the frame that carries it."""
    return Frame(signed.message.kind, signed.round, signed.signature, signed.body)


# -- seals ----------------------------------------------------------------------------------


@dataclass
class SimSealer:
    """Seals as production does or cheaply, and remembers what it sealed and opened.

    Args:
        sealer: Does the work.
        sealed: What was sealed, by receiver: the plaintext and the seal.
        opened: The plaintexts that were opened, by dealer.
        lie: What a dishonest dealer seals instead, given the receiver; None for honest peers.
    """

    sealer: Sealer
    sealed: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    opened: dict[int, bytes] = field(default_factory=dict)
    lie: Callable[[int, bytes, Callable[[bytes], bytes]], bytes] | None = None
    comes_back: bool = False
    """Whether its owner was killed, and has what it sealed from its disk."""
    is_fixed: bool = False
    """Whether what its owner said rests on what was opened before it was killed."""

    def seal(self, receiver: int, plaintext: bytes, info: bytes) -> bytes:
        """Seal a plaintext to a member."""

        def really(data: bytes) -> bytes:
            return self.sealer.seal(receiver, data, info)

        before = self.sealed.get(receiver)
        if self.comes_back and before is not None and before[0] == plaintext:
            return before[1]
        sealed = self.lie(receiver, plaintext, really) if self.lie else really(plaintext)
        self.sealed[receiver] = plaintext, sealed
        return sealed

    def open(self, dealer: int, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to this peer."""
        plaintext = self.sealer.open(dealer, sealed, info)
        if not self.is_fixed:
            self.opened[dealer] = plaintext
        return plaintext

    def forget(self) -> None:
        """Give the key up."""
        self.sealer.forget()


# -- expansion ------------------------------------------------------------------------------


class _Known:
    """An expansion that was made before.

    Args:
        words: What it expands to.
    """

    def __init__(self, words: Words) -> None:
        self._words = words

    def write(self, _chunk: int, out: Words) -> None:
        """Write it: there is one chunk."""
        out[:] = self._words


@lru_cache(maxsize=4)
def _known_gamma(session_id: bytes, round_number: int, field: Ring, length: int) -> _Known:
    words: Words = np.empty(length, dtype=field.word)
    gamma_expansion(session_id, round_number, field, length).write(0, words)
    return _Known(words)


@contextmanager
def known_gammas() -> Iterator[None]:
    """Let the coefficients of checksums, the same for all peers of a run, be expanded once."""
    with patch("p2pmpc.encoding.gamma_expansion", _known_gamma):
        yield


@cache
def _numbers_of(number: int, *indices: int) -> bytes:
    return number.to_bytes(4, "big") + b"".join(index.to_bytes(2, "big") for index in indices)


@dataclass(frozen=True, slots=True)
class CheapContext(RoundContext):
    """A round whose seeds are expanded by one hash.

    Args:
        known: What was expanded before, of all peers of the run.
    """

    known: dict[bytes, Words]

    def _numbers(self, *indices: int) -> bytes:
        return _numbers_of(self.number, *indices)

    def share(self, plain: SharePlain, dealer: int, receiver: int) -> Words:
        """Return the share that a plaintext stands for."""
        parameters = self.session.parameters
        if parameters.share_mode == "dense":
            return parameters.arithmetic.decode(plain.share, parameters.extended_length)
        return self._expand(b"s" + self._numbers(dealer, receiver) + plain.share)

    def mask(self, owner: int, seed: bytes) -> Words:
        """Return the mask of a peer's partial sum."""
        return self._expand(b"m" + self._numbers(owner) + seed)

    def _expand(self, what: bytes) -> Words:
        vector = self.known.get(what)
        if vector is None:
            parameters = self.session.parameters
            arithmetic, length = parameters.arithmetic, parameters.extended_length
            stream = shake_128(self.session.id + what).digest(8 * length)
            vector = np.frombuffer(stream, "<u8") % np.uint64(arithmetic.modulus)
            vector.flags.writeable = False
            self.known[what] = vector
        return vector
