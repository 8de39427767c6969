"""A node whose machine is honest, and whose messages are not: what it says is changed on the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from p2pmpc.dealing import RoundContext
from p2pmpc.envelope import frame_bytes
from p2pmpc.frames import HEADER, TO_ALL, body_digest, parse_frame, signing_input
from p2pmpc.messages import (
    NO_SESSION,
    PAIRWISE,
    Commitment,
    Kind,
    Message,
    Share,
    SharePlain,
)
from p2pmpc.runner import SessionRunner
from p2pmpc.wire import decode_body, encode_share
from tests.frames import encode_frame, halves
from tests.nodes import Peer

Said = Message | bytes | None | list[Message]
"""What leaves: another message, any bytes signed as one of the kind, nothing, or several messages."""

Change = Callable[[str, Message], Said]
"""What becomes of a message, given its receiver's name."""


def runner_of(peer: Peer) -> SessionRunner:
    """Return the runner of a node whose session is closed."""
    assert peer.node is not None
    assert peer.node._runner is not None
    return peer.node._runner


def corrupt(peer: Peer, changes: Mapping[Kind, Change]) -> None:
    """Let a node's messages of some kinds be changed, and its ABORTs be lost."""

    def install(_peer: Peer, step: str) -> None:
        if step == "roster":
            runner = runner_of(peer)
            honest = runner.mesh.send

            def send(parts: Sequence[bytes], receiver: int | None) -> None:
                frame = b"".join(parts)
                others = runner.session.others if receiver is None else (receiver,)
                for index in others:
                    for made in _changed(peer, frame, index, changes):
                        honest((made,), index)

            vars(runner.mesh)["send"] = send

    peer.on_step = install


def _changed(
    peer: Peer, frame: bytes, receiver: int, changes: Mapping[Kind, Change]
) -> list[bytes]:
    kind, runner = Kind(frame[HEADER.size - 1]), runner_of(peer)
    if kind is Kind.ABORT:
        return []
    if kind not in changes:
        return [frame]
    body = parse_frame(kind, *halves(frame)).body
    message = decode_body(kind, body, runner.session.limits)
    said = changes[kind](runner.session.member(receiver).entry.name, message)
    if isinstance(said, bytes):
        return [forged(peer, kind, said, receiver)]
    several = said if isinstance(said, list) else [] if said is None else [said]
    return [signed(peer, other, receiver) for other in several]


def signed(peer: Peer, message: Message, receiver: int) -> bytes:
    """Return the frame of a message, whatever it says."""
    to = receiver if message.kind in PAIRWISE else None
    return frame_bytes(runner_of(peer)._notary.sign(message, receiver=to))


def forged(peer: Peer, kind: Kind, body: bytes, receiver: int) -> bytes:
    """Return a frame with any body at all, signed as if it were one of the kind."""
    assert peer.node is not None
    session, identity = runner_of(peer).session, peer.node._identity
    to = session.member(receiver).id if kind in PAIRWISE else TO_ALL
    bound = NO_SESSION if kind is Kind.ACCEPT else session.id
    data = signing_input(bound, 0, kind, identity.id, to, body_digest(kind, body))
    return encode_frame(kind, 0, identity.sign(data), body)


def deal_otherwise(
    peer: Peer, victim: str, make: Callable[[SharePlain], SharePlain | bytes]
) -> None:
    """Let a node deal somebody another share than it should, and commit to that before all.

    Args:
        peer: Not yet started.
        victim: The receiver's name.
        make: Returns the plaintext to seal, or the bytes to send instead of a seal.
    """
    made: list[bytes] = []

    def wrong(runner: SessionRunner, index: int) -> bytes:
        if not made:
            assert runner._round is not None
            assert runner._round.dealing is not None
            plain = make(runner._round.dealing.plains[index])
            if isinstance(plain, SharePlain):
                info = RoundContext(runner.session, 0).sealing_info(runner.session.own_index, index)
                plain = runner._sealer.seal(index, encode_share(plain), info)
            made.append(plain)
        return made[0]

    def commitment(_name: str, message: Message) -> Message:
        assert isinstance(message, Commitment)
        runner = runner_of(peer)
        session, digests = runner.session, list(message.shares)
        index = next(i for i in session.indices if session.member(i).entry.name == victim)
        sealed = wrong(runner, index)
        own = session.own_index
        digests[session.places[index]] = RoundContext(session, 0).sealed_digest(own, index, sealed)
        return replace(message, shares=tuple(digests))

    def share(name: str, message: Message) -> Message:
        return Share(made[0]) if name == victim else message

    corrupt(peer, {Kind.COMMITMENT: commitment, Kind.SHARE: share})
