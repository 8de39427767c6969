"""Who is to blame: judged from signed statements, never from what somebody says about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pmpc.dealing import RoundContext, check_commitment, check_mask_share, check_sealed
from p2pmpc.envelope import check_signature
from p2pmpc.errors import AgreementFailed, RemoteProtocolError, VerificationFailed
from p2pmpc.evidence import TO_EVERYBODY, Claim, Dispute, Evidence, Statement
from p2pmpc.frames import body_digest
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.messages import (
    PAIRWISE,
    PIECEWISE,
    Accept,
    Commitment,
    Echo,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    SliceSum,
    Unmask,
)
from p2pmpc.session import Session
from p2pmpc.shamir import combine
from p2pmpc.summing import check_content
from p2pmpc.wire import decode_body, encode_body

_PAIRWISE: Final = frozenset({Kind.SHARE, Kind.SLICE})
"""What members say to one other member within a session."""


class _UnprovenError(Exception):
    """The evidence does not show what it claims; says why."""


def check_evidence(session: Session, evidence: Evidence) -> str:
    """Judge evidence from the roster and its statements alone.

    Args:
        session: The session in which it is claimed to have happened.
        evidence: Shown by anybody.

    Returns:
        What it proves of the culprit, as the rest of a sentence.

    Raises:
        VerificationFailed: It does not prove its claim; says why.
    """
    try:
        if bool(evidence.mask_shares) != (evidence.claim is Claim.WRONG_DEALING):
            raise _UnprovenError("mask shares prove that claim alone")
        if len(evidence.statements) != _STATEMENTS[evidence.claim]:
            raise _UnprovenError("another number of statements is due")
        _check_statements(session, evidence)
        return _JUDGES[evidence.claim](session, evidence)
    except _UnprovenError as error:
        reason = str(error)
    except (RemoteProtocolError, AgreementFailed) as error:
        reason = error.message
    raise VerificationFailed(f"the evidence does not prove {evidence.claim.value}: {reason}")


def who_lied(
    session: Session, round_number: int, mine: Echo, theirs: Statement, echo: Echo
) -> Dispute:
    """Decide who lied when two echoes differ.

    Every line of an echo carries the signatures of the peer it is about, so a difference is its own
    proof: with good signatures on both sides that peer told two different things; with a bad one
    the witness made it up.

    Args:
        session: The session.
        round_number: The round.
        mine: This peer's echo.
        theirs: The differing one, as its sender signed it.
        echo: The same, decoded.
    """
    witness = theirs.sender
    for here, there in zip(
        _echoed(session, round_number, mine),
        _echoed(session, round_number, echo),
        strict=True,
    ):
        same = (here.digest, here.signature) == (there.digest, there.signature)
        if not same and here.sender != session.own_index and _is_signed(session, there):
            return Dispute(
                f"{session.label(here.sender)} told different peers different things "
                f"(shown by {session.label(witness)})",
                Evidence(Claim.EQUIVOCATION, here.sender, (here, there)),
            )
    return Dispute(
        f"{session.label(witness)} echoes what nobody signed",
        Evidence(Claim.FALSE_ECHO, witness, (theirs,)),
    )


def _echoed(session: Session, round_number: int, echo: Echo) -> list[Statement]:
    """Return everything that an echo says somebody said."""
    body = encode_body(session.acceptance)
    accepted = body_digest(Kind.ACCEPT, body)
    said = [
        Statement(index, TO_EVERYBODY, Kind.ACCEPT, 0, accepted, signature, body)
        for index, signature in zip(session.indices, echo.acceptances, strict=True)
    ]
    for index, entry in zip(session.contributors, echo.entries, strict=True):
        for kind, digest, signature in (
            (Kind.COMMITMENT, entry.commitment, entry.commitment_signature),
            (Kind.PARTIAL, entry.partial, entry.partial_signature),
        ):
            said.append(Statement(index, TO_EVERYBODY, kind, round_number, digest, signature))
    return said


# -- statements -------------------------------------------------------------------------------


def _check_statements(session: Session, evidence: Evidence) -> None:
    """Check indices, shapes and every signature."""
    named = [evidence.culprit, *(s.sender for s in evidence.statements)]
    named += [s.receiver for s in evidence.statements if s.receiver != TO_EVERYBODY]
    if any(index not in session.indices for index in named):
        raise _UnprovenError("it speaks of nobody in the roster")
    for statement in evidence.statements:
        if (statement.receiver == TO_EVERYBODY) == (statement.kind in _PAIRWISE):
            raise _UnprovenError("a receiver that messages of this kind do not have")
        if statement.body and body_digest(statement.kind, statement.body) != statement.digest:
            raise _UnprovenError("a body that is not the one that was signed")
        _verify(session, statement)


def _verify(session: Session, statement: Statement) -> None:
    if statement.kind in PAIRWISE - _PAIRWISE - {Kind.HELLO}:
        raise _UnprovenError("a message from before the session")
    check_signature(
        session,
        statement.sender,
        statement.kind,
        statement.round,
        statement.digest,
        statement.signature,
        receiver=statement.receiver or None,
    )


def _is_signed(session: Session, statement: Statement) -> bool:
    try:
        _verify(session, statement)
    except RemoteProtocolError:
        return False
    return True


def _need(holds: bool, why_not: str) -> None:
    if not holds:
        raise _UnprovenError(why_not)


def _of_kinds(evidence: Evidence, *kinds: Kind) -> tuple[Statement, ...]:
    """Return the statements, which must be of these kinds and of one round."""
    _need(tuple(s.kind for s in evidence.statements) == kinds, "other statements are due")
    _need(len({s.round for s in evidence.statements}) == 1, "they are of different rounds")
    return evidence.statements


def _decode(session: Session, statement: Statement) -> Message:
    _need(body_digest(statement.kind, statement.body) == statement.digest, "a body is missing")
    return decode_body(statement.kind, statement.body, session.limits)


def _commitment(session: Session, statement: Statement, owner: int) -> Commitment:
    _need(statement.sender == owner and owner in session.places, "it is another's commitment")
    message = _decode(session, statement)
    assert isinstance(message, Commitment)
    check_commitment(RoundContext(session, statement.round), owner, message)
    return message


def _breaks(check: Callable[[], object]) -> bool:
    """Return whether a check of the protocol fails."""
    try:
        check()
    except (RemoteProtocolError, AgreementFailed):
        return True
    return False


# -- one judge a claim --------------------------------------------------------------------------


def _equivocation(session: Session, evidence: Evidence) -> str:
    one, two = evidence.statements
    _need(one.sender == two.sender == evidence.culprit, "they are of different peers")
    place = (one.kind, one.round, one.receiver)
    _need(place == (two.kind, two.round, two.receiver), "they are for different places")
    _need(one.kind not in (Kind.ABORT, Kind.HELLO), "such a message may be said twice")
    _need((one.digest, one.signature) != (two.digest, two.signature), "they are the same")
    if one.kind is Kind.UNMASK:
        about = {
            m.about for m in (_decode(session, s) for s in (one, two)) if isinstance(m, Unmask)
        }
        _need(len(about) == 1, "they are about different peers")
    # A body that was used is not kept, so which piece it was cannot be shown; SLICE_SUM has its list.
    _need(one.kind not in PIECEWISE, "they may be different pieces")
    if one.kind is Kind.ACCEPT:
        own = session.member(evidence.culprit).id
        _need(
            _entry_in(session, one, own) == _entry_in(session, two, own) is not None,
            "they may be of different sessions",
        )
    return f"signed two different {one.kind.name} messages for one place"


def _entry_in(session: Session, statement: Statement, owner: bytes) -> bytes | None:
    """Return the digest of the owner's entry in its ACCEPT: new for every run of a process."""
    message = _decode(session, statement)
    assert isinstance(message, Accept)
    return next((line.digest for line in message.entries if line.id == owner), None)


def _two_entries(session: Session, evidence: Evidence) -> str:
    # Without a founder's nonce the entries of all runs of one roster file have the same parameters.
    _need(any(session.parameters.nonce), "with a roster file an entry binds no session")
    one, two = _of_kinds(evidence, Kind.HELLO, Kind.HELLO)
    _need(one.sender == two.sender == evidence.culprit, "they are of different peers")
    own = session.member(evidence.culprit).digest
    _need(own in {one.digest, two.digest}, "neither is in the roster")
    _need(one.digest != two.digest, "they are the same")
    return "signed two HELLOs for one session, or was restarted and the founder gave out both"


def _ill_formed(session: Session, evidence: Evidence) -> str:
    (statement,) = evidence.statements
    _need(statement.sender == evidence.culprit, "it is another's")
    # An ACCEPT binds no session: one of another version of the protocol is no fault in this one.
    _need(Kind.ACCEPT < statement.kind < Kind.ABORT, "no such message proves itself")

    def read() -> None:
        message = _decode(session, statement)
        context = RoundContext(session, statement.round)
        check_content(context, statement.sender, statement.receiver, message)

    _need(_breaks(read), "there is nothing wrong with it")
    return f"signed a {statement.kind.name} that nobody can read"


def _false_echo(session: Session, evidence: Evidence) -> str:
    (statement,) = evidence.statements
    _need(statement.kind is Kind.ECHO, "it is no echo")
    _need(statement.sender == evidence.culprit, "it is another's")
    echo = _decode(session, statement)
    assert isinstance(echo, Echo)
    echoed = _echoed(session, statement.round, echo)
    _need(not all(_is_signed(session, said) for said in echoed), "all it echoes was signed")
    return "echoes what nobody signed"


def _wrong_share(session: Session, evidence: Evidence) -> str:
    committed, shared = _of_kinds(evidence, Kind.COMMITMENT, Kind.SHARE)
    commitment = _commitment(session, committed, evidence.culprit)
    share = _decode(session, shared)
    assert isinstance(share, Share)
    _need(shared.sender == evidence.culprit, "it is another's share")
    _need(shared.receiver in session.places, "its receiver observes")
    context = RoundContext(session, shared.round)
    right = not _breaks(
        lambda: check_sealed(context, shared.sender, shared.receiver, commitment, share)
    )
    _need(not right, "it is the share committed to")
    return "sent another share than it had committed to"


def _wrong_piece(session: Session, evidence: Evidence) -> str:
    listed, summed = _of_kinds(evidence, Kind.PARTIAL, Kind.SLICE_SUM)
    _need(listed.sender == summed.sender == evidence.culprit, "they are of different peers")
    listing, piece = _decode(session, listed), _decode(session, summed)
    assert isinstance(listing, Partial)
    assert isinstance(piece, SliceSum)
    context = RoundContext(session, listed.round)
    check_content(context, listed.sender, TO_EVERYBODY, listing)
    start = piece.piece * DIGEST_BYTES
    due = listing.content[start : start + DIGEST_BYTES]
    _need(bool(due), "a piece that no slice has proves itself")
    _need(due != summed.digest, "it is the piece that was listed")
    return "sent another piece of its slice's sum than it had listed"


def _wrong_opening(session: Session, evidence: Evidence) -> str:
    committed, opened = _of_kinds(evidence, Kind.COMMITMENT, Kind.OPEN)
    commitment = _commitment(session, committed, evidence.culprit)
    message = _decode(session, opened)
    assert isinstance(message, Open)
    _need(opened.sender == evidence.culprit, "it is another's opening")
    context = RoundContext(session, opened.round)
    made = context.mask_commitment(evidence.culprit, message.mask_seed)
    _need(made != commitment.mask, "it is the mask seed committed to")
    return "opened another mask seed than it had committed to"


def _early_opening(session: Session, evidence: Evidence) -> str:
    echoed, opened = _of_kinds(evidence, Kind.ECHO, Kind.OPEN)
    _need(echoed.sender == opened.sender == evidence.culprit, "they are of different peers")
    message = _decode(session, opened)
    assert isinstance(message, Open)
    echoes = [
        Statement(index, TO_EVERYBODY, Kind.ECHO, echoed.round, echoed.digest, signature)
        for index, signature in zip(session.contributors, message.echoes, strict=True)
    ]
    _need(not all(_is_signed(session, echo) for echo in echoes), "everybody signed its echo")
    return "opened its mask without everybody's signature on its echo"


def _wrong_mask_share(session: Session, evidence: Evidence) -> str:
    committed, echoed, handed_out = _of_kinds(evidence, Kind.COMMITMENT, Kind.ECHO, Kind.UNMASK)
    _need(echoed.sender == handed_out.sender == evidence.culprit, "it is another's")
    message, echo = _decode(session, handed_out), _decode(session, echoed)
    assert isinstance(message, Unmask)
    assert isinstance(echo, Echo)
    commitment = _commitment(session, committed, message.about)
    # The owner can sign other commitments at any time: what counts is the one that the holder heard.
    heard = echo.entries[session.places[message.about]]
    _need(heard.commitment == committed.digest, "the holder had heard another commitment")
    context, holder = RoundContext(session, committed.round), evidence.culprit
    right = (
        not session.parameters.strict
        and holder in session.places
        and not _breaks(
            lambda: check_mask_share(context, message.about, holder, commitment, message.share)
        )
    )
    _need(not right, "it is the mask share committed to")
    return "handed out a mask share that nobody had committed to"


def _wrong_dealing(session: Session, evidence: Evidence) -> str:
    (statement,) = evidence.statements
    _need(statement.kind is Kind.COMMITMENT, "it is no commitment")
    commitment = _commitment(session, statement, evidence.culprit)
    _need(not session.parameters.strict, "there are no mask shares in strict mode")
    context, shares = RoundContext(session, statement.round), dict(evidence.mask_shares)
    _need(len(shares) == len(evidence.mask_shares) == session.threshold, "t mask shares are due")
    _need(all(holder in session.places for holder in shares), "a mask share of nobody")
    for holder, share in shares.items():
        check_mask_share(context, evidence.culprit, holder, commitment, share)

    def recover() -> None:
        if context.mask_commitment(evidence.culprit, combine(shares)) != commitment.mask:
            raise RemoteProtocolError("another mask seed")

    _need(_breaks(recover), "they give the mask seed committed to")
    return "dealt mask shares that do not give its mask"


_JUDGES: Final[dict[Claim, Callable[[Session, Evidence], str]]] = {
    Claim.EQUIVOCATION: _equivocation,
    Claim.TWO_ENTRIES: _two_entries,
    Claim.ILL_FORMED: _ill_formed,
    Claim.FALSE_ECHO: _false_echo,
    Claim.WRONG_SHARE: _wrong_share,
    Claim.WRONG_PIECE: _wrong_piece,
    Claim.WRONG_OPENING: _wrong_opening,
    Claim.EARLY_OPENING: _early_opening,
    Claim.WRONG_MASK_SHARE: _wrong_mask_share,
    Claim.WRONG_DEALING: _wrong_dealing,
}

_STATEMENTS: Final = {
    Claim.EQUIVOCATION: 2,
    Claim.TWO_ENTRIES: 2,
    Claim.ILL_FORMED: 1,
    Claim.FALSE_ECHO: 1,
    Claim.WRONG_SHARE: 2,
    Claim.WRONG_PIECE: 2,
    Claim.WRONG_OPENING: 2,
    Claim.EARLY_OPENING: 2,
    Claim.WRONG_MASK_SHARE: 3,
    Claim.WRONG_DEALING: 1,
}
