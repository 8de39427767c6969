"""Signing and verifying messages of one session: the boundary between bytes and the machines.

The machines see :class:`~p2pmpc.messages.Signed` messages whose signature already verified under the
key of the member they came from; they never see bytes and never verify a plain message themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.evidence import TO_EVERYBODY, Claim, Statement, proven_by
from p2pmpc.frames import TO_ALL, Frame, Limits, body_digest, frame_head, signing_input
from p2pmpc.identity import (
    Identity,
    SealingKey,
    SealingPublicKey,
    peer_id,
    verify_signature,
)
from p2pmpc.messages import NO_SESSION, PAIRWISE, Join, Kind, Message, Signed
from p2pmpc.session import Session
from p2pmpc.wire import decode_body, encode_body, parameters_digest

M = TypeVar("M", bound=Message)

_LONG: Final = 1 << 14
_OF_NO_ROUND: Final = frozenset({Kind.ACCEPT, Kind.ABORT, Kind.ALIVE})
_UNPROVABLE: Final = _OF_NO_ROUND | {Kind.RELAY}
"""What is ill-formed here proves nothing: ACCEPT binds no session, and the others carry what others signed."""
_SAID_ALIKE: Final = frozenset({Kind.ACCEPT, Kind.ECHO})


def frame_bytes(signed: Signed[Message]) -> bytes:
    """Return the frame of a signed message: always the bytes that were signed."""
    return b"".join(frame_parts(signed))


def frame_parts(signed: Signed[Message]) -> tuple[bytes, ...]:
    """Return the frame of a signed message without a copy of a long body: its head, and the body."""
    head = frame_head(signed.message.kind, signed.round, signed.signature, len(signed.body))
    return (head, signed.body) if len(signed.body) > _LONG else (head + signed.body,)


def sign_before_session(identity: Identity, message: M, receiver: bytes) -> Signed[M]:
    """Sign a message from before there is a session.

    Args:
        identity: The sender.
        message: Of kind JOIN, PARAMETERS, HELLO, ROSTER or ABORT.
        receiver: The receiver's ID.
    """
    body = encode_body(message)
    digest = body_digest(message.kind, body)
    data = signing_input(NO_SESSION, 0, message.kind, identity.id, receiver, digest)
    return Signed(message, 0, digest, identity.sign(data), body)


def open_before_session(
    frame: Frame, limits: Limits, *, sender: bytes, public_key: bytes, receiver: bytes
) -> Message:
    """Decode a frame from before there is a session, and verify its signature.

    Args:
        frame: As read.
        limits: Of the connection.
        sender: The sender's ID.
        public_key: The sender's.
        receiver: This peer's ID.

    Raises:
        RemoteProtocolError: It is ill-formed, names a round, or is not signed by the sender to this
            receiver.
    """
    digest = body_digest(frame.kind, frame.body)
    data = signing_input(NO_SESSION, frame.round, frame.kind, sender, receiver, digest)
    verify_signature(public_key, frame.signature, data)
    if frame.round:
        raise RemoteProtocolError(f"there is no round before a session, and it says {frame.round}")
    return decode_body(frame.kind, frame.body, limits)


def open_join(frame: Frame, limits: Limits, *, receiver: bytes) -> Join:
    """Decode a JOIN, and verify it under the key that it brings.

    Raises:
        RemoteProtocolError: It is ill-formed, or not signed by its own key to this receiver.
        AgreementFailed: It speaks another version of the protocol.
    """
    join = decode_body(Kind.JOIN, frame.body, limits)
    assert isinstance(join, Join)
    sender, key = peer_id(join.public_key), join.public_key
    open_before_session(frame, limits, sender=sender, public_key=key, receiver=receiver)
    return join


def bound_session(session: Session, kind: Kind) -> bytes:
    """Return what stands in the place of the session in the signature of a kind.

    An ACCEPT is what makes the session, so it binds none: one about another roster still verifies,
    and can be shown beside ours. An entry (HELLO) binds the digest of the parameters.
    """
    if kind is Kind.HELLO:
        return parameters_digest(session.parameters)
    return NO_SESSION if kind is Kind.ACCEPT else session.id


def check_signature(
    session: Session,
    sender: int,
    kind: Kind,
    round_number: int,
    digest: bytes,
    signature: bytes,
    *,
    receiver: int | None,
) -> None:
    """Verify that a member signed a message of a session.

    Args:
        session: The session.
        sender: The member's roster index.
        kind: Of the message; HELLO stands for the member's roster entry.
        round_number: The round.
        digest: Of the body.
        signature: 64 bytes.
        receiver: A roster index for what is said to one member; None for what is said to all.

    Raises:
        RemoteProtocolError: It did not.
    """
    member = session.member(sender)
    to = TO_ALL if receiver is None else session.member(receiver).id
    data = signing_input(bound_session(session, kind), round_number, kind, member.id, to, digest)
    verify_signature(member.public_key, signature, data)


class Notary:
    """Signs this peer's messages of a session and verifies those of the others.

    Args:
        identity: This peer's key.
        session: The closed session.
    """

    def __init__(self, identity: Identity, session: Session) -> None:
        self._identity = identity
        self._session = session
        self._last: dict[Kind, tuple[bytes, bytes, Message]] = {}
        """By kind: digest, body and message of what was decoded last, of what all say alike."""
        self.limits = session.limits

    def sign(self, message: M, *, round_number: int = 0, receiver: int | None = None) -> Signed[M]:
        """Encode and sign a message.

        Args:
            message: What to say.
            round_number: The round it belongs to.
            receiver: A roster index for a pairwise kind, None for the others.
        """
        body = encode_body(message)
        digest = body_digest(message.kind, body)
        to = TO_ALL if receiver is None else self._session.member(receiver).id
        session_id = self._session_id(message.kind)
        data = signing_input(session_id, round_number, message.kind, self._identity.id, to, digest)
        return Signed(message, round_number, digest, self._identity.sign(data), body)

    def digest_of(self, message: Message) -> bytes:
        """Return the digest that a message would be signed under."""
        return body_digest(message.kind, encode_body(message))

    def open(self, sender: int, frame: Frame) -> Signed[Message]:
        """Verify and decode a frame.

        Args:
            sender: The roster index that the link authenticated.
            frame: As read.

        Raises:
            RemoteProtocolError: It is ill-formed or not signed by the sender for this session,
                round and receiver; names the sender.
            Dispute: It is ill-formed and signed, which proves itself.
        """
        receiver = self._session.own_index if frame.kind in PAIRWISE else None
        digest = body_digest(frame.kind, frame.body)
        try:
            self._verify(sender, frame.kind, frame.round, digest, frame.signature, receiver)
            if frame.round and frame.kind in _OF_NO_ROUND:
                raise RemoteProtocolError(f"it belongs to no round, and says {frame.round}")
            body, message = self._read(sender, frame, digest)
        except RemoteProtocolError as error:
            name = self._session.label(sender)
            raise error.restated(f"{name} sent {frame.kind.name}: {error.message}").blaming(
                sender
            ) from None
        return Signed(message, frame.round, digest, frame.signature, body)

    def _read(self, sender: int, frame: Frame, digest: bytes) -> tuple[bytes, Message]:
        """Decode what is signed: what is ill-formed proves itself, but for a few kinds."""
        if frame.kind in _UNPROVABLE:
            return self._decode(frame, digest)

        def itself() -> tuple[Statement, ...]:
            to = self._session.own_index if frame.kind in PAIRWISE else TO_EVERYBODY
            signature, body = frame.signature, frame.body
            return (Statement(sender, to, frame.kind, frame.round, digest, signature, body),)

        with proven_by(Claim.ILL_FORMED, sender, itself):
            return self._decode(frame, digest)

    def _decode(self, frame: Frame, digest: bytes) -> tuple[bytes, Message]:
        """Return the body and what it says, unless it is the one of its kind that came last.

        All members should say an ACCEPT and an ECHO alike, so each is decoded, and held, once; and
        since only the last one is remembered, nobody can fill the memory with others.
        """
        if frame.kind not in _SAID_ALIKE:
            return frame.body, decode_body(frame.kind, frame.body, self.limits)
        known = self._last.get(frame.kind)
        if known is None or known[0] != digest:
            known = digest, frame.body, decode_body(frame.kind, frame.body, self.limits)
            self._last[frame.kind] = known
        return known[1], known[2]

    def is_signed_by(
        self, sender: int, kind: Kind, round_number: int, digest: bytes, signature: bytes
    ) -> bool:
        """Return whether a member signed a message to all with this digest.

        It returns a bool because both answers lead on: a difference with a good signature convicts
        the signer, one with a bad signature convicts whoever showed it.

        Args:
            sender: The member.
            kind: Of the message; HELLO stands for the member's roster entry.
            round_number: The round.
            digest: Of the body.
            signature: Shown by anybody.
        """
        try:
            self._verify(sender, kind, round_number, digest, signature, None)
        except RemoteProtocolError:
            return False
        return True

    def is_of(
        self, sender: int, kind: Kind, round_number: int, body: bytes, signature: bytes
    ) -> bool:
        """Return whether a member signed a body to all: as :meth:`is_signed_by`, for the body itself."""
        digest = body_digest(kind, body)
        return self.is_signed_by(sender, kind, round_number, digest, signature)

    def open_relayed(
        self, sender: int, kind: Kind, round_number: int, body: bytes, signature: bytes
    ) -> Signed[Message]:
        """Verify and decode what somebody else passed on, as :meth:`open` does with a frame."""
        return self.open(sender, Frame(kind, round_number, signature, body))

    def _verify(
        self,
        sender: int,
        kind: Kind,
        round_number: int,
        digest: bytes,
        signature: bytes,
        receiver: int | None,
    ) -> None:
        check_signature(
            self._session, sender, kind, round_number, digest, signature, receiver=receiver
        )

    def _session_id(self, kind: Kind) -> bytes:
        return bound_session(self._session, kind)


class SessionSealer:
    """Seals shares to the members of a session, and opens those sealed to this peer.

    Args:
        session: The closed session.
        key: This peer's sealing key, the one of its HELLO.
        sealed: What was sealed before this peer was killed, by receiver, for the round that goes on:
            sealing draws anew, and what was sent is sent again.
    """

    def __init__(
        self, session: Session, key: SealingKey, sealed: Mapping[int, bytes] | None = None
    ) -> None:
        self._session = session
        self._key = key
        self._sealed = dict(sealed or {})

    def seal(self, receiver: int, plaintext: bytes, info: bytes) -> bytes:
        """Seal to a member; see :meth:`p2pmpc.identity.SealingPublicKey.seal`."""
        if receiver in self._sealed:
            return self._sealed.pop(receiver)
        return SealingPublicKey(self._session.member(receiver).entry.sealing_key).seal(
            plaintext, info
        )

    def open(self, _dealer: int, sealed: bytes, info: bytes) -> bytes:
        """Open what a member sealed to this peer; see :meth:`p2pmpc.identity.SealingKey.open`."""
        return self._key.open(sealed, info)

    def forget(self) -> None:
        """Give this peer's key up; see :meth:`p2pmpc.identity.SealingKey.forget`."""
        self._key.forget()
