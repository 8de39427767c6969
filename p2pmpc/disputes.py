"""Who lied, decided from what two peers say they heard."""

from __future__ import annotations

from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.messages import Echo, Kind
from p2pmpc.session import Session


def who_lied(
    session: Session, notary: Notary, round_number: int, mine: Echo, theirs: Echo, witness: int
) -> RemoteProtocolError:
    """Decide who lied when two echoes differ.

    Every echo entry carries the signatures of the peer it is about, so a difference is its own
    proof: with good signatures on both sides that peer told two different things; with a bad one
    the witness made it up.

    Args:
        session: The session.
        notary: Verifies signatures.
        round_number: The round.
        mine: This peer's echo.
        theirs: The differing one.
        witness: Who sent it.

    Returns:
        The error to end with, naming the culprit.
    """
    for index, (here, there) in enumerate(zip(mine.entries, theirs.entries, strict=True), start=1):
        if here == there or index == session.own_index:
            continue
        signed = (
            (Kind.COMMITMENT, there.commitment, there.commitment_signature),
            (Kind.PARTIAL, there.partial, there.partial_signature),
        )
        if notary.is_acceptance(index, there.acceptance_signature) and all(
            notary.is_signed_by(index, kind, round_number, digest, signature)
            for kind, digest, signature in signed
        ):
            return RemoteProtocolError(
                f"{session.label(index)} told different peers different things "
                f"(shown by {session.label(witness)})",
                peers=(index,),
            )
    return RemoteProtocolError(
        f"{session.label(witness)} echoes what nobody signed", peers=(witness,)
    )
