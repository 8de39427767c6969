"""The joiner: it knocks at the founder, and at other members that it was told to hold it against."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from p2pmpc.discovery import Checkpoint, Found, Self
from p2pmpc.envelope import frame_bytes, open_before_session, sign_before_session
from p2pmpc.errors import AgreementFailed, P2PMPCError, PeerMissing, error_for_code
from p2pmpc.frames import TO_ALL, Limits
from p2pmpc.identity import SealingKey, short_id
from p2pmpc.knock import TOLD_TO_ALL, Bootstrap, Knock, knock_at, refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.membership import Candidate
from p2pmpc.messages import Abort, Hello, Kind, Message, Offer, RosterList, SignedEntry
from p2pmpc.network import Address, Network
from p2pmpc.parameters import Parameters
from p2pmpc.patience import Backoff
from p2pmpc.witness import describe_difference
from p2pmpc.witness_links import WitnessStand

OFFER_SECONDS: Final = 3.0
"""How long a link is held on which the offers of others are waited for, before it is given back."""
ANSWER_SECONDS: Final = 3.0
"""How long to wait for the word of the others when one has shown a roster that decides."""
_WAITED: Final = "other bootstrap peers were waited for"


@dataclass(slots=True, eq=False)
class _Call:
    """One bootstrap peer, as far as this joiner has come with it."""

    where: Bootstrap
    reason: str = "it did not close the roster"
    identifier: bytes = b""
    offer: Offer | None = None
    link: Link | None = None
    """Open, with the HELLO said."""
    roster: RosterList | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)

    @property
    def is_founder(self) -> bool:
        return self.offer is not None and self.offer.founder == self.identifier

    def end(self) -> None:
        """Close its link, in good order where it has done its part."""
        self.over.set()
        if self.roster is None:
            self.scope.cancel()


class Joiner:
    """Knocks at the bootstrap peers until they let it in, refuse it, or it is out of time.

    One of them is the founder, the others are its witnesses. All must offer the same before any of
    them is told anything; all are told the same; and all must have been given the same roster.

    Args:
        me: The joiner.
        candidate: Its side of the protocol.
        network: TCP, or memory.
        bootstraps: Where to knock.
        listen: Opens this peer's own listener, given the host that reaches the founder.
        check: Holds the parameters against this peer's input, before its HELLO.
        checkpoint: Told of steps.
        stand: Where this peer is a witness itself.
        tell: Told why a bootstrap peer has to be asked again, when that has changed.
    """

    def __init__(
        self,
        me: Self,
        candidate: Candidate,
        network: Network,
        bootstraps: Sequence[Bootstrap],
        *,
        listen: Callable[[str], Awaitable[Address]],
        check: Callable[[Parameters], Awaitable[None]],
        checkpoint: Checkpoint,
        stand: WitnessStand | None = None,
        tell: Callable[[Address, str], None] = lambda _where, _reason: None,
    ) -> None:
        self._me = me
        self._candidate = candidate
        self._network = network
        self._calls = [_Call(where) for where in bootstraps]
        self._listen = listen
        self._check = check
        self._checkpoint = checkpoint
        self._stand = stand
        self._tell = tell
        self._address: Address | None = None
        # One HELLO for one set of parameters, however often the link is cut: two would look as if
        # this peer told different peers different things.
        self._said: dict[Parameters, tuple[SignedEntry, SealingKey]] = {}
        self._checked: Parameters | None = None
        self._found: Found | None = None
        self._failure: P2PMPCError | None = None
        """Why this peer does not join."""
        self._rejected: AgreementFailed | None = None
        """What is wrong with the founder's roster itself."""
        self._all_offered = trio.Event()
        self._forgotten = trio.Event()
        """Set when a witness has shown a roster without this peer."""
        self._changed = trio.Event()

    async def join(self, join_timeout: float) -> Found:
        """Join.

        Raises:
            PeerMissing: A bootstrap peer is not there, went away, or the founder never closed the set.
            AgreementFailed: One refused, or is not whom or what this peer agreed to.
        """
        objection: P2PMPCError | None = None
        is_decided = False
        with trio.move_on_after(join_timeout):
            async with trio.open_nursery() as nursery:
                for call in self._calls:
                    nursery.start_soon(self._keep_knocking, call)
                await self._wait_for_rosters()
                objection = self._failure or self._objection()
                is_decided = True
                await self._say_last_words(objection)
                for call in self._calls:
                    call.end()
        if not is_decided:
            objection = self._missing(join_timeout)
        if self._found is not None and is_decided:
            if self._stand is not None:
                objection = objection or await self._stand.settled()
            return replace(self._found, objection=objection)
        assert objection is not None
        if self._stand is not None and isinstance(objection, AgreementFailed):
            await self._stand.dismiss(objection)
        raise objection

    def _missing(self, join_timeout: float) -> PeerMissing:
        """Return the error for bootstrap peers that did not do their part in time."""
        if len(self._calls) == 1:
            (only,) = self._calls
            return PeerMissing(
                f"the bootstrap peer at {only.where.address} let nobody in within "
                f"{join_timeout:g} s: {only.reason}",
                hint="see that the founder runs there, and that all its peers are started",
            )
        silent = [call for call in self._calls if call.offer is None]
        late = silent or [call for call in self._calls if call.roster is None]
        named = "; ".join(f"{call.where.address} ({call.reason})" for call in late)
        return PeerMissing(
            f"not every bootstrap peer let this one in within {join_timeout:g} s: {named}",
            hint="see that each of them runs and listens there; leave out one that takes no part",
        )

    # -- one bootstrap peer -------------------------------------------------------------------

    async def _keep_knocking(self, call: _Call) -> None:
        """Knock until the roster is here or something is wrong."""
        backoff = Backoff(0.1, 5.0, self._me.entropy)
        with call.scope:
            while True:
                try:
                    async with knock_at(self._network, call.where.address) as knock:
                        call.reason = "it answered, and never closed the roster"
                        await self._talk(call, knock)
                        return
                except LinkEndedError as error:
                    if error.reason not in (call.reason, _WAITED):
                        self._tell(call.where.address, error.reason)
                    call.reason = error.reason
                except P2PMPCError as error:
                    self._fail(call, error)
                    return
                finally:
                    call.link = None
                if call.offer is not None and not self._all_offered.is_set():
                    await self._all_offered.wait()  # until then there is nothing to say to it
                    continue
                await self._rest(backoff.next())

    async def _rest(self, seconds: float) -> None:
        """Wait before the next knock; not long once the founder has to be asked what became of us."""
        with trio.move_on_after(seconds):
            await self._forgotten.wait()
            await trio.sleep(min(seconds, ANSWER_SECONDS / 6))

    def _fail(self, call: _Call, error: P2PMPCError) -> None:
        address = str(call.where.address)
        if address not in error.message:
            error.restated(f"{error.message} (at {address})")
        self._failure = self._failure or error
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _talk(self, call: _Call, knock: Knock) -> None:
        """Say JOIN and, once all have offered the same, HELLO; hold the link until all is decided."""
        identity = self._me.identity
        self._candidate.check_server(knock.identifier, call.where.pinned)
        await self._checkpoint("join")
        join = sign_before_session(identity, self._candidate.join(), knock.identifier)
        await knock.link.send(frame_bytes(join))
        offer = await self._hear(knock, Kind.PARAMETERS, Limits())
        assert isinstance(offer, Offer)
        try:
            parameters = self._candidate.accept_offer(offer)
        except AgreementFailed as error:
            if offer.founder == knock.identifier:
                await refuse(knock.link, identity, error)
            raise
        await self._take_offer(call, offer, knock)
        await self._wait_for_turn(call)
        assert self._address is not None
        if parameters not in self._said:
            self._said[parameters] = self._me.hello(parameters, self._address)
        entry, key = self._said[parameters]
        await self._checkpoint("hello")
        hello = sign_before_session(identity, Hello(entry), knock.identifier)
        await knock.link.send(frame_bytes(hello))
        call.link = knock.link
        self._notify()
        roster = await self._hear(knock, Kind.ROSTER, Limits(peers=parameters.peers))
        assert isinstance(roster, RosterList)
        call.roster = roster
        if call.is_founder:
            self._close(parameters, entry, key, call)
        if self._left_out():
            self._forgotten.set()
        self._notify()
        await call.over.wait()

    async def _wait_for_turn(self, call: _Call) -> None:
        """Wait until all have offered the same and, before the founder's turn, the witnesses know.

        A witness that heard the HELLO later than the founder could have its roster before, and go on.

        Raises:
            LinkEndedError: It takes long, so the link is given back.
        """
        others = [other for other in self._calls if other is not call]
        with trio.move_on_after(OFFER_SECONDS):
            await self._all_offered.wait()
            while call.is_founder and any(other.link is None for other in others):
                await self._changed.wait()
            return
        raise LinkEndedError(_WAITED)

    async def _take_offer(self, call: _Call, offer: Offer, knock: Knock) -> None:
        """Hold an offer against the others, and the founder's against this peer's input."""
        call.offer, call.identifier = offer, knock.identifier
        for other in self._calls:
            if other is not call and other.offer is not None:
                _check_alike(other, call)
        if call.is_founder:
            if self._address is None:
                self._address = await self._listen(knock.local_host)
            if self._checked != offer.parameters:
                await self._check(offer.parameters)
                self._checked = offer.parameters
            if self._stand is not None:
                self._stand.open(offer)
        if all(other.offer is not None for other in self._calls):
            if not any(other.is_founder for other in self._calls):
                raise AgreementFailed(
                    f"none of the bootstrap addresses leads to the founder {short_id(offer.founder)}",
                    hint="give the founder's address, too: a witness lets nobody in by itself",
                )
            if self._checked == offer.parameters:
                self._all_offered.set()

    def _close(
        self, parameters: Parameters, entry: SignedEntry, key: SealingKey, founder: _Call
    ) -> None:
        """Take the founder's roster."""
        assert founder.roster is not None
        try:
            session, addresses = self._candidate.accept_roster(
                parameters, entry, founder.roster, founder.identifier
            )
        except AgreementFailed as error:
            self._rejected = error
            return
        # Whoever was reached at an address is reached there again, whatever it thinks its name is.
        reached = {call.identifier: str(call.where.address) for call in self._calls}
        known = {i: address for i, address in reached.items() if i in addresses}
        self._found = Found(session, {**addresses, **known}, key)
        if self._stand is not None:
            self._stand.close(session, founder.roster)

    async def _hear(self, knock: Knock, kind: Kind, limits: Limits) -> Message:
        """Read one message of a bootstrap peer, or its refusal."""
        frame = await knock.link.receive(limits, frozenset({kind, Kind.ABORT}))
        message = open_before_session(
            frame,
            limits,
            sender=knock.identifier,
            public_key=knock.public_key,
            receiver=TO_ALL if frame.kind in TOLD_TO_ALL else self._me.identity.id,
        )
        if isinstance(message, Abort):
            raise error_for_code(message.code)(
                f"the bootstrap peer refuses: {message.reason}",
                hint="the reason is that peer's; ask there",
            )
        return message

    # -- all of them --------------------------------------------------------------------------

    async def _wait_for_rosters(self) -> None:
        """Wait until all have shown their roster; not long, when one has come that decides."""
        with trio.CancelScope() as scope:
            while self._failure is None and not all(call.roster for call in self._calls):
                if self._found or self._rejected or self._left_out():
                    scope.deadline = min(scope.deadline, trio.current_time() + ANSWER_SECONDS)
                await self._changed.wait()

    def _left_out(self) -> _Call | None:
        """Return a witness whose roster does not hold this peer, although it has its HELLO."""
        said = {entry.body for entry, _ in self._said.values()}
        for call in self._calls:
            entries = call.roster.entries if call.roster and not call.is_founder else ()
            if entries and not any(entry.body in said for entry in entries):
                return call
        return None

    def _objection(self) -> P2PMPCError | None:
        """Return what the rosters that came say against the founder, or against a witness."""
        if self._rejected is not None:
            return self._rejected
        founder = next(call for call in self._calls if call.is_founder)
        there = f"the founder {short_id(founder.identifier)} at {founder.where.address}"
        if self._found is None:
            witness = self._left_out()
            assert witness is not None
            return AgreementFailed(
                f"{there} took this peer's HELLO and said nothing more, and the roster that it gave "
                f"to {short_id(witness.identifier)} at {witness.where.address} leaves this peer out",
                hint="the founder may be faulty or dishonest; no share was sent",
            )
        session = self._found.session
        listed = {member.id for member in session.members}
        for call in self._calls:
            here = f"{short_id(call.identifier)} at {call.where.address}"
            if call.roster is not None and not call.is_founder:
                difference = describe_difference(session, call.roster)
                if difference:
                    return _two_rosters(there, here, difference)
            if call.identifier not in listed:
                return AgreementFailed(
                    f"{there} gave out a roster without the bootstrap peer {here}",
                    hint="it takes no part, or the founder leaves it out; no share was sent",
                )
        return None

    async def _say_last_words(self, error: P2PMPCError | None) -> None:
        """Tell the witnesses why this peer does not go on: 6 objects to the roster they showed."""
        if error is None:
            return
        async with trio.open_nursery() as nursery:
            for call in self._calls:
                if call.link is not None and not call.is_founder:
                    objects = call.roster is not None and error is not self._failure
                    nursery.start_soon(self._say, call.link, error if objects else None)

    async def _say(self, link: Link, objection: P2PMPCError | None) -> None:
        identity = self._me.identity
        if objection is None:
            await refuse(link, identity, PeerMissing("it left before there was a roster for it"))
            return
        await refuse(link, identity, objection)
        with trio.move_on_after(1):  # the witness closes; before that, closing could cut it off
            with contextlib.suppress(LinkEndedError, P2PMPCError):
                await link.receive(Limits(), frozenset())


def _check_alike(one: _Call, other: _Call) -> None:
    """Refuse two bootstrap peers that are one, or that offer different sessions.

    Raises:
        AgreementFailed: Says what differs, and where.
    """
    assert one.offer is not None
    assert other.offer is not None
    here, there = f"at {one.where.address}", f"at {other.where.address}"
    if one.identifier == other.identifier:
        raise AgreementFailed(
            f"{short_id(one.identifier)} answers {here} and {there}",
            hint="give each bootstrap peer once: a second address of one is no second witness",
        )
    differing = one.offer.parameters.differences(other.offer.parameters, here=here, there=there)
    if one.offer.founder != other.offer.founder:
        founders = short_id(one.offer.founder), short_id(other.offer.founder)
        differing.append(f"the founder is {founders[0]} {here} and {founders[1]} {there}")
    if differing:
        raise AgreementFailed(
            f"the bootstrap peers offer different sessions: {'; '.join(differing)}",
            hint="one of them founded another session, or is dishonest; nothing was told to either",
        )


def _two_rosters(there: str, here: str, difference: str) -> AgreementFailed:
    return AgreementFailed(
        f"{there} gave out two rosters, or {here} lies: {difference} ('here' is what this peer was "
        f"given, 'there' what {here} was)",
        hint="no share was sent; ask both, and start again without whoever is at fault",
    )
