"""The join links of a witness: who knocks there, what it is shown, and its last word."""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from p2pmpc.envelope import frame_bytes, open_before_session, open_join, sign_before_session
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError
from p2pmpc.identity import Identity, peer_id, short_id
from p2pmpc.knock import refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.logs import NodeLog, Sparing
from p2pmpc.messages import Abort, Hello, Join, Kind, Offer, RosterList
from p2pmpc.session import Session
from p2pmpc.wire import TO_ALL, Limits
from p2pmpc.witness import Witness

SETTLE_SECONDS: Final = 6.0
"""How long a witness waits for the last words of those it showed the roster: twice as long as a
joiner waits for the founder's."""


class WitnessStand:
    """Serves joiners that name this member beside the founder.

    Args:
        identity: This member's.
        log: For what happens.
    """

    def __init__(self, identity: Identity, log: NodeLog) -> None:
        self._identity = identity
        self._witnessed = Sparing(log, "witnessed", trio.current_time)
        self._witness: Witness | None = None
        self._opened = trio.Event()
        self._closed = trio.Event()
        self._changed = trio.Event()
        self._roster = b""
        self._waiting: dict[bytes, tuple[Link, trio.CancelScope]] = {}
        self._objection: P2PMPCError | None = None

    def open(self, offer: Offer) -> None:
        """Offer from now on what the founder offered; other parameters begin anew."""
        witness = self._witness
        if witness and (witness.parameters, witness.founder) == (offer.parameters, offer.founder):
            return
        for _, scope in self._waiting.values():
            scope.cancel()
        self._witness = Witness(offer, self._identity.id)
        self._opened.set()

    def close(self, session: Session, roster: RosterList) -> None:
        """Show the founder's roster to everybody who waits here."""
        assert self._witness is not None
        self._roster = frame_bytes(sign_before_session(self._identity, roster, TO_ALL))
        self._witness.close(session)
        self._objection = self._witness.proof
        self._closed.set()

    async def settled(self) -> P2PMPCError | None:
        """Wait until all who were shown the roster have left or objected; return an objection.

        Whoever says nothing for so long has left without a word.
        """
        with trio.move_on_after(SETTLE_SECONDS):
            while self._waiting and self._objection is None:
                self._changed = trio.Event()
                await self._changed.wait()
        return self._objection

    async def dismiss(self, error: AgreementFailed) -> None:
        """Tell everybody who waits here what this member found to differ."""
        async with trio.open_nursery() as nursery:
            for link, _ in list(self._waiting.values()):
                nursery.start_soon(refuse, link, self._identity, error)

    async def serve(self, link: Link, unverified: trio.CancelScope) -> None:
        """Serve one join link; the scope's deadline falls away once its HELLO is verified."""
        identity = self._identity
        frame = await link.receive(Limits(), frozenset({Kind.JOIN}))
        await self._opened.wait()
        assert self._witness is not None
        witness = self._witness
        try:
            join = open_join(frame, Limits(), receiver=identity.id)
            joiner = peer_id(join.public_key)
            offer = sign_before_session(identity, witness.offer(join), joiner)
        except (AgreementFailed, RemoteProtocolError) as error:
            await refuse(link, identity, error)
            raise
        if len(self._waiting) >= witness.most and joiner not in self._waiting:
            raise LinkEndedError("too many joiners wait at this witness")  # it may come again
        if joiner in self._waiting:
            self._waiting[joiner][1].cancel()  # it came back before its older link was seen to end
        # From here on it is waited for: its HELLO may be on its way when the roster comes.
        with trio.CancelScope() as scope:
            self._waiting[joiner] = link, scope
            try:
                await link.send(frame_bytes(offer))
                await self._hear(link, join, witness)
                unverified.deadline = float("inf")
                await self._hold(link, join, witness)
            finally:
                if self._is_held(joiner, link):
                    del self._waiting[joiner]
                    witness.leave(joiner)
                    self._changed.set()

    async def _hear(self, link: Link, join: Join, witness: Witness) -> None:
        """Take a joiner's HELLO."""
        try:
            hello = open_before_session(
                await link.receive(witness.limits, frozenset({Kind.HELLO})),
                witness.limits,
                sender=peer_id(join.public_key),
                public_key=join.public_key,
                receiver=self._identity.id,
            )
            assert isinstance(hello, Hello)
            witness.enter(join, hello)
        except (AgreementFailed, RemoteProtocolError) as error:
            await refuse(link, self._identity, error)
            raise
        self._witnessed.info(id=short_id(peer_id(join.public_key)))
        self._objection = self._objection or witness.proof

    async def _hold(self, link: Link, join: Join, witness: Witness) -> None:
        """Hold a joiner's link to its end or last word, and show it the roster meanwhile."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show, link)
            last_word = await self._last_word(link, join, witness)
            nursery.cancel_scope.cancel()
        if last_word is not None:
            joiner = peer_id(join.public_key)
            self._objection = self._objection or witness.objection(joiner, last_word)

    def _is_held(self, joiner: bytes, link: Link) -> bool:
        return joiner in self._waiting and self._waiting[joiner][0] is link

    async def _show(self, link: Link) -> None:
        await self._closed.wait()
        with contextlib.suppress(LinkEndedError):
            await link.send(self._roster)

    async def _last_word(self, link: Link, join: Join, witness: Witness) -> Abort | None:
        """Return the ABORT with which a joiner ends its link, unless it just ends it."""
        try:
            frame = await link.receive(witness.limits, frozenset({Kind.ABORT}))
            word = open_before_session(
                frame,
                witness.limits,
                sender=peer_id(join.public_key),
                public_key=join.public_key,
                receiver=TO_ALL,
            )
        except (LinkEndedError, RemoteProtocolError):
            return None
        assert isinstance(word, Abort)
        return word
