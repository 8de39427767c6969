"""How much a member may say on one connection, and how often it may come back."""

from __future__ import annotations

import pytest

from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import Frame
from p2pmpc.messages import Kind
from p2pmpc.quota import Quota, most_frames
from p2pmpc.returns import AT_ONCE, EVERY_SECONDS, MOST_AHEAD, Returns
from p2pmpc.slices import PIECE
from tests.party import Party

TIMES = 2


def frame(kind: Kind, number: int = 0) -> Frame:
    return Frame(kind, number, bytes(64), b"")


@pytest.mark.parametrize("mode", ["broadcast", "sharded"])
def test_an_honest_round_is_within_its_quota(mode: str) -> None:
    """All that honest peers say in a session passes, twice over."""
    party = Party([[k] for k in range(4)] + [[0]], [1, 1, 1, 1, 0], sum_mode=mode)
    party.start()
    party.settle()
    assert len(party.totals()) == 5
    for (sender, receiver), frames in party.delivered.items():
        session = party.members[receiver].session
        kinds = [Kind(data[4]) for data in frames]
        for kind in set(kinds):
            assert kinds.count(kind) <= most_frames(session, sender, kind), kind.name
        quota = Quota(session, sender)
        for kind in kinds:
            for _ in range(TIMES):
                quota.take(frame(kind))


def test_a_round_holds_as_many_pieces_as_the_slices_have() -> None:
    """Pieces are counted by the slices of the roster: a receiver's own for SLICE, the sender's for its sums."""
    length = 4 * (2 * PIECE) - 1 + 2  # with the checksum: two own one element more, so a piece more
    party = Party([[0] * length] * 4, [1, 1, 1, 1], sum_mode="sharded")
    for index, member in party.members.items():
        session = member.session
        pieces = {k: session.slices.pieces(session.places[k]) for k in session.places}
        assert set(pieces.values()) == {2, 3}
        for other in session.others:
            assert most_frames(session, other, Kind.SLICE) == pieces[index]
            assert most_frames(session, other, Kind.SLICE_SUM) == pieces[other]


@pytest.mark.parametrize(
    "kind", [*(k for k in Kind if Kind.ACCEPT <= k <= Kind.ABORT), Kind.RELAY], ids=lambda k: k.name
)
@pytest.mark.parametrize("sender", ["contributor", "observer"])
def test_more_than_a_round_can_hold_is_a_flood(kind: Kind, sender: str) -> None:
    """Row 23: a frame may be repeated once on a connection; what comes more often is a violation."""
    party = Party([[k] for k in range(4)] + [[0]], [1, 1, 1, 1, 0])
    observer = next(i for i, m in party.members.items() if not m.session.contributes)
    session = next(m.session for m in party.members.values() if m.session.contributes)
    peer = observer if sender == "observer" else session.other_contributors[0]
    quota = Quota(session, peer)
    several = {Kind.UNMASK: 3, Kind.RELAY: 3} if peer != observer else {Kind.RELAY: 8}
    allowed = TIMES * several.get(kind, 1)
    for _ in range(allowed):
        quota.take(frame(kind))
    with pytest.raises(RemoteProtocolError, match=f"{kind.name} {allowed + 1} times on one connec"):
        quota.take(frame(kind))


def test_rounds_come_in_their_order() -> None:
    """Each round has a quota of its own, and nobody goes back to one: that would have no end."""
    session = Party([[1], [2], [3]]).members[1].session
    quota = Quota(session, 2)
    for number in (0, 1, 5):
        for kind in (Kind.COMMITMENT, Kind.SHARE):
            quota.take(frame(kind, number))
            quota.take(frame(kind, number))
    with pytest.raises(RemoteProtocolError, match="SHARE of round 4 after something of round 5"):
        quota.take(frame(Kind.SHARE, 4))


def test_nothing_comes_after_the_end() -> None:
    """Who has said ABORT may say that once more, and nothing else: nobody would look at it."""
    session = Party([[1], [2], [3]]).members[1].session
    quota = Quota(session, 2)
    quota.take(frame(Kind.ABORT))
    quota.take(frame(Kind.ABORT))
    with pytest.raises(RemoteProtocolError, match="CONFIRM after it had said that it ends"):
        quota.take(frame(Kind.CONFIRM))


# -- coming back ------------------------------------------------------------------------------


def test_a_few_returns_are_served_at_once() -> None:
    """Links that break now and then cost nobody any time."""
    returns = Returns()
    assert [returns.pause(0.0) for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert [returns.pause(5.0 * k * EVERY_SECONDS) for k in range(1, 500)] == [0.0] * 499


def test_who_comes_back_in_a_loop_is_slowed_down_to_a_pace() -> None:
    """Row 23: a member that waits as long as it is made to is served once in a while, however long."""
    returns, now = Returns(), 0.0
    for _ in range(500):
        pause = returns.pause(now)
        assert pause is not None
        now += pause
    assert now >= (500 - AT_ONCE) * EVERY_SECONDS * 0.99


def test_who_does_not_wait_is_given_up() -> None:
    """Row 23: a member that comes again before it was served is given up after so many times."""
    returns = Returns()
    pauses = [returns.pause(0.0) for _ in range(AT_ONCE + MOST_AHEAD + 1)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None
