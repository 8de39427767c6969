"""ROSTER: everybody signs the roster it sees to all others, before anybody shares.

The links are already authenticated by the certificates in the roster; nothing is shared before n equal
signatures. A difference is shown, and where it proves that somebody signed two things, it ends with 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from p2pmpc.actions import Action, Agreed, Failed, Reached, Send
from p2pmpc.endings import abort_message, error_of_abort, two_entries, vetted
from p2pmpc.envelope import Notary
from p2pmpc.errors import (
    AgreementFailed,
    P2PMPCError,
    PeerMissing,
    RemoteProtocolError,
)
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement
from p2pmpc.messages import (
    Abort,
    Accept,
    AcceptedEntry,
    Kind,
    Message,
    Signed,
)
from p2pmpc.session import Session, roster_differences

_NO_REASONS: Final[Mapping[int, str]] = MappingProxyType({})


def check_allowed(session: Session, allowed: tuple[bytes, ...]) -> None:
    """Hold a roster against the IDs this peer itself is ready to sum with.

    Raises:
        AgreementFailed: Somebody in the roster is not among them.
    """
    own = session.member(session.own_index).id
    strangers = [m.label for m in session.members if allowed and m.id not in (*allowed, own)]
    if strangers:
        raise AgreementFailed(
            f"in the roster, but not among the IDs this peer allows: {', '.join(strangers)}",
            hint="find out who they are; with --allow ID for each of them the sum can go on",
        )


class Agreement:
    """Everybody's side of R0c: n equal signatures on one roster.

    Args:
        session: As this peer sees it.
        notary: Signs and verifies.
    """

    def __init__(self, session: Session, notary: Notary) -> None:
        self._session = session
        self._notary = notary
        self._own = notary.sign(session.acceptance)
        self.signatures: dict[int, bytes] = {}
        self.agreed = False
        self.ended = False

    def go_on(self, signatures: Mapping[int, bytes]) -> Signed[Message]:
        """Take up an agreement that was reached before this process was killed.

        Returns:
            This peer's ACCEPT: it may not have come to everybody.
        """
        self.signatures |= signatures
        self.agreed = self.ended = True
        return self._own

    def start(self) -> list[Action]:
        """Sign the roster to everybody."""
        self.signatures[self._session.own_index] = self._own.signature
        return [Reached("roster"), Send(self._own), *self._advance()]

    def receive(self, peer: int, signed: Signed[Message]) -> list[Action]:
        """Take a member's ACCEPT, or its ABORT."""
        if self.ended:
            return []
        message = signed.message
        if isinstance(message, Abort):
            return self._aborted(peer, message)
        assert isinstance(message, Accept)
        if peer in self.signatures:
            contradiction = self.contradiction(peer, signed)
            return [] if contradiction is None else self.abort(contradiction)
        if signed.digest != self._own.digest:  # of n entries, and held against n others' here
            return self.abort(self._difference(peer, message))
        self.signatures[peer] = signed.signature
        return self._advance()

    def contradiction(self, peer: int, signed: Signed[Message]) -> P2PMPCError | None:
        """Return what another ACCEPT of a peer means, unless it is the one that came before.

        It proves itself only where both hold one entry of the peer: with another one it could be of
        another session, and whoever showed it as a proof would be taken for a false accuser.
        """
        before = Statement.of(peer, self._own, receiver=TO_EVERYBODY)
        before = replace(before, signature=self.signatures[peer])
        after = Statement.of(peer, signed)
        if (before.digest, before.signature) == (after.digest, after.signature):
            return None
        reason = f"{self._session.label(peer)} signed another roster than before"
        return vetted(
            self._session, Dispute(reason, Evidence(Claim.EQUIVOCATION, peer, (before, after)))
        )

    def fault(self, _peer: int, error: P2PMPCError) -> list[Action]:
        """Note what is wrong with what a member sent: nobody can be left out of an agreement."""
        return self.abort(error)

    def lost(self, peer: int, reason: str = "") -> list[Action]:
        """Give a member up.

        Args:
            peer: Its roster index.
            reason: What is known of why, for people.
        """
        if self.ended:
            return []
        return self.abort(
            PeerMissing(
                f"{self._session.label(peer)} was lost before everybody agreed"
                f"{self._session.because({peer: reason})}",
                peers=(peer,),
                hint="start again with everyone; no share was sent",
            )
        )

    def timed_out(self, reasons: Mapping[int, str] = _NO_REASONS) -> list[Action]:
        """End: somebody did not sign in time.

        Args:
            reasons: What is known of why, by the index of those who are waited for.
        """
        if self.ended:
            return []
        silent = self.waiting_for()
        return self.abort(
            PeerMissing(
                f"no agreement in time: {self._session.labels(silent)} did not answer"
                f"{self._session.because(reasons)}",
                peers=silent,
                hint="see that every peer reaches every other one; no share was sent",
            )
        )

    def waiting_for(self) -> tuple[int, ...]:
        """Return the members that have not signed."""
        return tuple(i for i in self._session.others if i not in self.signatures)

    def abort(self, error: P2PMPCError) -> list[Action]:
        """End with an error, and tell the others."""
        self.ended = True
        error = vetted(self._session, error)
        return [Send(self._notary.sign(abort_message(error))), Failed(error)]

    def _advance(self) -> list[Action]:
        if len(self.signatures) < len(self._session.members):
            return []
        self.agreed = self.ended = True
        return [Agreed()]

    def _aborted(self, peer: int, abort: Abort) -> list[Action]:
        # Told on: a proof to those who do not have it, and any end to those who have agreed and
        # give nothing on the word of an observer.
        return self.abort(error_of_abort(self._session, peer, abort))

    def _difference(self, peer: int, theirs: Accept) -> P2PMPCError:
        """Return the error for a roster that is not ours: equivocation where it can be proven."""
        mine = {line.id: line for line in self._session.acceptance.entries}
        for line in theirs.entries:
            if line.id not in mine or mine[line.id].digest == line.digest:
                continue
            index = [m.id for m in self._session.members].index(line.id) + 1
            if self._notary.is_signed_by(index, Kind.HELLO, 0, line.digest, line.signature):
                return self._two_entries(index, line, peer)
        shown = "; ".join(roster_differences(self._session, theirs))
        return AgreementFailed(
            f"{self._session.label(peer)} sees another roster: {shown}",
            peers=(peer,),
            hint="the founder may be faulty or dishonest; no share was sent",
        )

    def _two_entries(self, owner: int, line: AcceptedEntry, witness: int) -> RemoteProtocolError:
        """Return the error for two entries of one owner, naming those among whom the fault is.

        Both are signed by the owner for these parameters, and still it may be honest: a peer that
        started again with the same key has signed two. Then whoever gave the old one out is at fault:
        the founder; or with a roster file, where everybody asks the owner itself and the parameters
        are those of every run, the peer that shows it.
        """
        if self._session.founder is None:
            return RemoteProtocolError(
                f"{self._session.label(owner)} signed another HELLO, or "
                f"{self._session.label(witness)} shows an old one",
                peers=tuple(sorted({owner, witness})),
                hint="no share was sent; ask both, and start again",
            )
        mine = self._session.member(owner)
        statements = (
            _entry_statement(owner, mine.digest, mine.signed.signature),
            _entry_statement(owner, line.digest, line.signature),
        )
        return two_entries(self._session, Evidence(Claim.TWO_ENTRIES, owner, statements))


def _entry_statement(owner: int, digest: bytes, signature: bytes) -> Statement:
    return Statement(owner, TO_EVERYBODY, Kind.HELLO, 0, digest, signature)
