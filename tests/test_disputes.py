"""Who lied, when two echoes differ: a difference is its own proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2pmpc.disputes import who_lied
from p2pmpc.envelope import Notary
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.messages import Commitment, Echo, EchoEntry, Partial
from p2pmpc.parameters import Parameters
from tests.party import make_sessions

KEYS, _, SESSIONS = make_sessions(Parameters(b"\x07" * 32, 4), [1, 2, 3, 4])
NOTARIES = [Notary(key, session) for key, session in zip(KEYS, SESSIONS, strict=True)]
ME, WITNESS = 1, 2


def heard(index: int, commitment: int = 0, partial: int = 0, round_number: int = 0) -> EchoEntry:
    """Return what a member was heard to say: its signature on one of several versions."""
    digest = bytes([commitment]) * 32
    notary = NOTARIES[index - 1]
    accepted = notary.sign(SESSIONS[0].acceptance).signature
    said = notary.sign(Commitment(digest, (), (digest,) * 4), round_number=round_number)
    summed = notary.sign(Partial(bytes([partial]) * 8), round_number=round_number)
    return EchoEntry(accepted, said.digest, said.signature, summed.digest, summed.signature)


HONEST = tuple(heard(index) for index in range(1, 5))


def verdict(**other: EchoEntry) -> RemoteProtocolError:
    """Return what member 1 decides when member 2 echoes other entries, named ``m<index>``."""
    theirs = list(HONEST)
    for name, entry in other.items():
        theirs[int(name[1:]) - 1] = entry
    return who_lied(SESSIONS[0], NOTARIES[0], 0, Echo(HONEST), Echo(tuple(theirs)), WITNESS)


@pytest.mark.parametrize("version", [heard(3, commitment=1), heard(3, partial=1)])
def test_two_signed_versions_convict_their_signer(version: EchoEntry) -> None:
    """Who signed two commitments or two partial sums is named, and who showed it is told."""
    error = verdict(m3=version)
    assert error.peers == (3,)
    assert error.message == (
        f"{SESSIONS[0].label(3)} told different peers different things "
        f"(shown by {SESSIONS[0].label(2)})"
    )


def test_a_witness_can_convict_itself() -> None:
    """Two versions of the witness's own message, both signed by it, name it."""
    assert verdict(m2=heard(2, partial=1)).peers == (WITNESS,)


MADE_UP = [
    replace(HONEST[2], commitment=bytes(32)),
    replace(HONEST[2], partial=bytes(32)),
    replace(HONEST[2], commitment_signature=bytes(64)),
    replace(HONEST[2], acceptance_signature=bytes(64)),
    replace(heard(3, commitment=1), acceptance_signature=HONEST[3].acceptance_signature),
    replace(HONEST[2], partial_signature=HONEST[2].commitment_signature),
    heard(3, commitment=1, round_number=1),
    heard(4, commitment=1),
]


@pytest.mark.parametrize("version", MADE_UP)
def test_what_nobody_signed_convicts_the_witness(version: EchoEntry) -> None:
    """A version without good signatures of the one it is about was made up by who shows it."""
    error = verdict(m3=version)
    assert error.peers == (WITNESS,)
    assert error.message == f"{SESSIONS[0].label(2)} echoes what nobody signed"


def test_nobody_is_convicted_by_what_this_peer_said_itself() -> None:
    """A differing entry about this peer, which knows what it said, convicts the witness."""
    assert verdict(m1=replace(HONEST[0], partial=bytes(32))).peers == (WITNESS,)
    assert verdict(m1=heard(1, commitment=1)).peers == (WITNESS,)


def test_a_proof_counts_beside_something_made_up() -> None:
    """A signed difference is found behind an unsigned one."""
    assert verdict(m3=MADE_UP[0], m4=heard(4, partial=1)).peers == (4,)
