"""What one peer does in a round: the step behind each joint transition, and all that it knows.

Nothing here decides when a step is due: that stands in the tables of p2pmpc.joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from p2pmpc.actions import Action, Finished, Reached, RecordInput, Send
from p2pmpc.dealing import Dealing, RoundContext, Sealer, deal
from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.field import Words
from p2pmpc.hearing import Hearing
from p2pmpc.messages import (
    Confirm,
    Kind,
    Message,
    Open,
    Partial,
    Relay,
    Signed,
    Slice,
    Unmask,
    number_of,
)
from p2pmpc.ratchet import Ratchet
from p2pmpc.record import Heard, Record
from p2pmpc.shamir import Entropy
from p2pmpc.summing import (
    bytes_of,
    check_total,
    masked_sum,
    pieces_of,
    subtract_masks_in_place,
    sum_of,
    without_mask,
)

M = TypeVar("M", bound=Message)


class Steps:
    """The steps of one peer in one round, and what they leave for those that follow.

    Args:
        context: The round.
        acceptances: Every member's signature on the roster, for the record.
        secret: This peer's residues, the checksum coordinate included; None observes.
        notary: Signs messages.
        sealer: Seals and opens shares, where there is no ratchet.
        entropy: What this round draws from: in production one seed, expanded (p2pmpc.entropy).
        ratchet: Where the seeds of a later round come from.
        said: What kinds of messages this peer said in this round before it was killed.
    """

    def __init__(
        self,
        context: RoundContext,
        acceptances: dict[int, bytes],
        secret: Words | None,
        *,
        notary: Notary,
        sealer: Sealer,
        entropy: Entropy,
        ratchet: Ratchet | None,
        said: frozenset[Kind],
    ) -> None:
        self.context = context
        self._acceptances = acceptances
        self._secret = secret
        self._notary = notary
        self._sealer = sealer
        self._entropy = entropy
        self.ratchet = ratchet
        self.session = context.session
        self.heard = Hearing(context, acceptances, notary, sealer, ratchet, said)
        self.started = False
        """Whether every member has signed the roster."""
        self.recorded = False
        """Whether the ledger holds the input."""
        self.dealing: Dealing | None = None
        self._relayed: set[int] = set()
        self._sums: dict[int, Words] = {}
        self._total: Words | None = None

    def _sign(self, message: M, receiver: int | None = None) -> Signed[M]:
        return self._notary.sign(message, round_number=self.context.number, receiver=receiver)

    def _say(self, message: Message) -> Send:
        signed = self._sign(message)
        self.heard.own[message.kind] = signed
        return Send(signed)

    def deal(self) -> list[Action]:
        """Draw what this round takes, commit to it, and share."""
        self.dealing = deal(self.context, self._sealer, self._entropy, self.ratchet)
        actions: list[Action] = [Reached("share"), self._say(self.dealing.commitment)]
        for receiver, share in self.dealing.shares.items():
            actions.append(Send(self._sign(share, receiver), receiver))
        return actions

    def _masked_sum(self) -> Words:
        """Return E_j, and forget the secret: it is not needed again, and may be large."""
        dealing, secret = self.dealing, self._secret
        assert dealing is not None
        assert secret is not None
        self._secret = None
        plains = {i: link.plain for i, link in self.heard.links.items() if link.plain is not None}
        for index, plain in plains.items():
            self.heard.opening.hold(index, plain.mask_share)
        return masked_sum(self.context, secret, dealing, plains)

    def sum_up(self) -> list[Action]:
        """Tell all the masked sum."""
        hidden = self._masked_sum()
        arithmetic = self.session.parameters.arithmetic
        return [Reached("partial"), self._say(Partial(arithmetic.encode(hidden)))]

    def slice_up(self) -> list[Action]:
        """Send every other contributor its slice of the masked sum, and keep the own one."""
        hidden, session = self._masked_sum(), self.session
        actions: list[Action] = [Reached("partial")]
        for owner, place in session.places.items():
            part = hidden[session.slices.bounds(place)]
            for piece in range(session.slices.pieces(place)):
                words = part[session.slices.piece(place, piece)]
                if owner == session.own_index:
                    self.heard.slices.add(words, piece)
                    continue
                signed = self._sign(Slice(piece, bytes_of(words)), owner)
                actions.append(Send(signed, owner))
        return actions

    def sum_slice(self) -> list[Action]:
        """Tell all what the own slice sums to, after the digests of the pieces that say it."""
        session, own = self.session, self.session.own_index
        words = self.heard.slices.own_sum()
        self.heard.slices.put(own, words)
        pieces = [self._sign(message) for message in pieces_of(session, own, words)]
        listed = Partial(b"".join(signed.digest for signed in pieces))
        return [self._say(listed), *(Send(signed) for signed in pieces)]

    def listen(self) -> list[Action]:
        """Hold what everybody said against the echoes that came; record the input if they agree."""
        self.heard.conclude()
        return [RecordInput()]

    def echo(self) -> list[Action]:
        """Tell all what was heard."""
        echo, _ = self.heard.echo
        send = self._say(echo)
        self.heard.echoes[self.session.own_index] = send.message.signature
        return [Reached("echo"), send]

    def observe_echo(self) -> list[Action]:
        """Hold what everybody said against the echoes that came, without one of this peer."""
        self.heard.conclude()
        return [Reached("echo")]

    def open_mask(self) -> list[Action]:
        """Tell all the own mask seed, with the echoes that allow it."""
        assert self.dealing is not None
        self.heard.opening.open(self.session.own_index, self.dealing.mask_seed)
        signatures = tuple(self.heard.echoes[index] for index in self.session.contributors)
        return [Reached("open"), self._say(Open(self.dealing.mask_seed, signatures))]

    def observe_open(self) -> list[Action]:
        """Note that masks open from now on."""
        return [Reached("open")]

    def release_mask_shares(self, is_missed: Callable[[int], bool]) -> list[Action]:
        """Hand out b-shares of peers that cannot open themselves, or that others miss.

        Args:
            is_missed: Whether an owner's mask seed may be missed by somebody.
        """
        return [
            Send(self._sign(Unmask(owner, share)))
            for owner, share in self.heard.opening.release(is_missed)
        ]

    def relay_openings(self, is_due: Callable[[int], bool]) -> list[Action]:
        """Pass on OPENs of peers that may not have reached everybody, each once.

        An observer says no OPEN, which would bring the others the echoes that it holds: it passes
        these on where there is no OPEN.

        Args:
            is_due: Whether an owner's may be missed by somebody.
        """
        actions: list[Action] = []
        for owner in filter(is_due, self.session.other_contributors):
            opened = self.heard.opened_by(owner)
            if opened is not None:
                relay = Relay(owner, opened.signature, opened.body)
            elif not self.session.contributes:
                relay = Relay(owner, self.heard.echoes[owner], b"")
            else:
                continue
            if (slot := number_of(relay)) not in self._relayed:
                self._relayed.add(slot)
                actions.append(Send(self._sign(relay)))
        return actions

    def masks_complete(self) -> bool:
        """Recover what can be recovered, and return whether every mask seed is known."""
        self.heard.opening.recover()
        return self.heard.opening.complete

    def finish(self) -> list[Action]:
        """Take the masks off, check the total, and confirm it."""
        if self.session.parameters.is_sharded:
            total = self.heard.slices.hidden
            subtract_masks_in_place(self.context, total, self.heard.opening.seeds)
        else:
            total = self._open_sums()
        check_total(self.context, total)
        self._total = total
        digest = self.context.total_digest(bytes_of(total))
        return [Reached("confirm"), self._say(Confirm(digest))]

    def _open_sums(self) -> Words:
        """Open every S_j, and return their sum."""
        parameters = self.session.parameters
        arithmetic, length = parameters.arithmetic, parameters.extended_length
        for index in self.session.contributors:
            partial = self.heard.said(index, Kind.PARTIAL).message
            assert isinstance(partial, Partial)
            hidden = arithmetic.decode(partial.content, length)
            seed = self.heard.opening.seeds[index]
            self._sums[index] = without_mask(self.context, index, hidden, seed)
        return sum_of(arithmetic, self._sums, length)

    def everybody_confirmed(self) -> bool:
        """Return whether all who are left have confirmed this total.

        Raises:
            RemoteProtocolError: A contributor confirmed another one.
        """
        confirm = self.heard.own[Kind.CONFIRM].message
        assert isinstance(confirm, Confirm)
        for index, link in self.heard.links.items():
            if link.confirmed is not None and link.confirmed != confirm.total_digest:
                if index not in self.session.places:  # it counts as missing
                    link.ended, link.gone, link.confirmed = True, True, None
                    continue
                raise RemoteProtocolError(
                    f"{self.session.label(index)} signed another total", peers=(index,)
                )
        return all(link.confirmed is not None or link.gone for link in self.heard.links.values())

    def done(self) -> list[Action]:
        """Hand out the total and the public record."""
        total = self._total
        assert total is not None
        length = self.session.parameters.summed_length
        confirmed = {
            index: self.heard.said(index, Kind.CONFIRM).signature
            for index in self.session.indices
            if index == self.session.own_index or self.heard.links[index].confirmed is not None
        }
        return [Finished(total[:length], self._record(total), confirmed)]

    def _record(self, total: Words) -> Record:
        confirm = self.heard.own[Kind.CONFIRM].message
        assert isinstance(confirm, Confirm)
        contributors = self.session.contributors
        commitments = {index: self.heard.said(index, Kind.COMMITMENT) for index in contributors}
        partials = {index: self.heard.said(index, Kind.PARTIAL) for index in contributors}
        return Record(
            session=self.session,
            round=self.context.number,
            acceptances=dict(self._acceptances),
            commitments={i: Heard(said.body, said.signature) for i, said in commitments.items()},
            partials={i: Heard(said.digest, said.signature) for i, said in partials.items()},
            echo_digest=self.heard.echo[1],
            echoes=dict(self.heard.echoes),
            masks=dict(self.heard.opening.seeds),
            sums=dict(self._sums),
            total=total,
            total_digest=confirm.total_digest,
        )

    def next_ratchet(self) -> Ratchet | None:
        """Return the ratchet, one step on; dense shares, and observers, have none."""
        session, ratchet, dealing = self.session, self.ratchet, self.dealing
        if dealing is None or session.parameters.share_mode == "dense":
            return None
        if ratchet is None:
            given = {other: plain.share for other, plain in dealing.plains.items()}
            plains = {i: link.plain for i, link in self.heard.links.items()}
            received = {i: plain.share for i, plain in plains.items() if plain is not None}
            ratchet = Ratchet(session.id, session.own_index, given, received)
            self._sealer.forget()  # with it, the SHAREs of round 0 would give every later link
        ratchet.advance(self.context.number + 1)
        return ratchet
