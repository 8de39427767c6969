"""The runner between rounds: what comes early is kept, what is late is passed over, what is done let go.

One seat of a party is held by a real runner, whose frames go to the machines of the others. Nothing runs
beside it: a test says when it reads which frame.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc import slices
from p2pmpc.actions import Failed, Finished
from p2pmpc.discovery import Found
from p2pmpc.errors import LocalProtocolError, P2PMPCError, RemoteProtocolError
from p2pmpc.frames import HEADER, parse_frame
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.logs import NodeLog
from p2pmpc.mesh import Connected, _batch, _Outbox
from p2pmpc.messages import Kind
from p2pmpc.network import MemoryNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.progress import Silent
from p2pmpc.runner import SessionRunner
from tests.frames import halves
from tests.nodes import no_memory
from tests.party import Party
from tests.strategies import with_checksum

SEAT = 1


class Seated(Party):
    """A party in which the first peer's seat is held by a runner.

    Args:
        values: One row a peer.
        weights: One a peer.
        parameters: As for a party.
    """

    def __init__(
        self,
        values: Sequence[Sequence[int]],
        weights: Sequence[int] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(values, weights, **{"rounds": 0, **parameters})
        member = self.members.pop(SEAT)
        self.mine = member
        session = member.session
        found = Found(
            session,
            {other.id: "memory:1" for other in session.members},
            member.sealing_key,
        )

        async def checkpoint(_step: str) -> None:
            pass

        quiet = SimpleNamespace(
            secrets=False, failure=None, info=lambda *_, **__: None, warning=lambda *_, **__: None
        )
        self.runner = SessionRunner(
            found,
            member.identity,
            MemoryNetwork(),
            options=NodeOptions(timeout=30.0, join_timeout=60.0),
            log=cast(NodeLog, quiet),
            observer=Silent(),
            checkpoint=checkpoint,
            commit=lambda: None,
            dismissed=self.dismissed_by_runner,
            memory=no_memory(member.identity),
            entropy=os.urandom,
        )
        self.dismissals: list[P2PMPCError] = []
        self.inbox: dict[int, deque[bytes]] = {i: deque() for i in session.others}
        honest = self.runner.mesh.send

        def send(parts: Sequence[bytes], receiver: int | None) -> None:
            honest(parts, receiver)
            for index in session.others if receiver is None else (receiver,):
                self.send(SEAT, index, b"".join(parts))

        vars(self.runner.mesh)["send"] = send

    def dismissed_by_runner(self, error: P2PMPCError) -> None:
        """Note what an observer did."""
        self.dismissals.append(error)

    def send(self, sender: int, receiver: int, frame: bytes) -> None:
        """Put a frame at the end of a link."""
        if receiver == SEAT:
            self.inbox[sender].append(frame)
        else:
            super().send(sender, receiver, frame)

    def bring(self, values: Sequence[int], number: int = 0) -> None:
        """Give the runner what it sums in a round."""
        session = self.mine.session
        secret = with_checksum(
            np.array(values, dtype=np.int64), session.id, number, session.parameters.arithmetic
        )
        self.runner.prepare(
            secret if session.contributes else None, seed=os.urandom(32), digest=b""
        )

    async def begin(self) -> None:
        """Let everybody sign the roster."""
        self.bring(self.values[0])
        self.start()
        await self.runner._perform(self.runner._agreement.start())

    async def read(self, sender: int, data: bytes) -> None:
        """Let the runner read a frame."""
        frame = parse_frame(Kind(data[HEADER.size - 1]), *halves(data))
        await self.runner._perform(await self.runner._received(sender, frame))

    async def run_all(self, *, but: int = 0, kind: Kind = Kind.CONFIRM) -> None:
        """Deliver everything, except to the runner what one peer says of one kind and after it."""
        while True:
            self.run()
            moved = False
            for sender, frames in self.inbox.items():
                while frames and not (sender == but and frames[0][4] == kind):
                    moved = True
                    await self.read(sender, frames.popleft())
            if not moved and not self.waiting():
                return

    def others_go_on(self, values: Sequence[Sequence[int]]) -> None:
        """Let all others begin the next round."""
        self.values = values
        for index, member in self.members.items():
            assert member.finished is not None
            member.go_on(values[index - 1])
        for index, member in self.members.items():
            self.perform(index, member.round.start())

    @property
    def end(self) -> Finished | Failed | None:
        """How the runner's round ended."""
        return self.runner._end

    @property
    def error(self) -> P2PMPCError:
        """The error that it ended with."""
        assert isinstance(self.end, Failed)
        return self.end.error

    @property
    def total(self) -> list[int]:
        """The total that it ended with."""
        assert isinstance(self.end, Finished)
        return [int(v) for v in self.parameters.arithmetic.to_signed(self.end.total)]


VALUES = [[1, 2], [30, 40], [500, 600], [7000, 8000]]
LATER = [[5, 6], [70, 80], [900, 100], [-1, -2]]


async def nearly_done(**parameters: Any) -> Seated:
    """Return a party in which the others are in round 1, and the runner lacks the CONFIRM of 3."""
    party = Seated(VALUES[:3], **parameters)
    await party.begin()
    await party.run_all(but=3)
    assert party.end is None
    party.others_go_on(LATER[:3])
    return party


async def test_what_comes_early_is_kept_for_its_round() -> None:
    """A peer that is a round ahead is heard once this one gets there, and the total is right."""
    party = await nearly_done()
    assert [Kind(frame[4]) for frame in party.inbox[2]] == [Kind.COMMITMENT, Kind.SHARE]
    while party.inbox[2]:
        await party.read(2, party.inbox[2].popleft())
    assert party.end is None
    await party.run_all()
    assert party.total == [1 + 60 + 1500, 2 + 80 + 1800]
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    await party.run_all()
    assert party.total == party.expected
    assert party.totals() == [party.expected] * 2


async def test_what_came_early_may_come_again() -> None:
    """After a reconnection everything is said from the start, and honest peers are not blamed."""
    party = await nearly_done()
    early = list(party.inbox[2])
    for frame in early * 3:
        await party.read(2, frame)
    assert party.end is None
    await party.run_all()
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    for frame in early:
        await party.read(2, frame)
    await party.run_all()
    assert party.total == party.expected


async def test_nobody_speaks_of_the_next_round_before_confirming_this_one() -> None:
    """A frame of round 1 from a peer that has not confirmed round 0 is a violation, at any stage."""
    for kind in (Kind.COMMITMENT, Kind.PARTIAL, Kind.OPEN):
        party = Seated(VALUES[:3])
        await party.begin()
        await party.run_all(but=3, kind=kind)
        frame = party.forge(3, Kind.COMMITMENT, b"\xc0", round_number=1)
        await party.read(3, frame)
        assert isinstance(party.error, RemoteProtocolError)
        assert party.error.peers == (3,)
        assert "speaks of round 1 during round 0" in party.error.message


async def test_nobody_can_fill_the_memory_with_what_is_early() -> None:
    """Two frames are what a contributor can say ahead; the third one is a violation."""
    party = await nearly_done()
    for frame in list(party.inbox[2]):
        await party.read(2, frame)
    assert party.end is None
    await party.read(2, party.forge(2, Kind.PARTIAL, bytes(12), round_number=1))
    assert party.error.peers == (2,)


async def test_nobody_is_two_rounds_ahead() -> None:
    """A peer cannot be done with a round that this one has not begun."""
    party = await nearly_done()
    await party.read(2, party.forge(2, Kind.COMMITMENT, b"\xc0", round_number=2))
    assert party.error.peers == (2,)
    assert "speaks of round 2 during round 0" in party.error.message


async def test_nobody_speaks_of_more_rounds_than_are_agreed() -> None:
    """Where one round is agreed on, a frame of a second one is a violation, whoever has confirmed."""
    party = await nearly_done(rounds=1)
    await party.read(2, party.inbox[2].popleft())
    assert party.error.peers == (2,)
    assert "speaks of round 1 during round 0" in party.error.message


async def test_an_observer_keeps_a_whole_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an observer until the end: all that contributors say by then is kept, pieces too."""
    monkeypatch.setattr(slices, "PIECE", 1)
    values = [[0] * 150, *([k] * 150 for k in (1, 2, 3))]
    party = Seated(values, [0, 1, 1, 1], sum_mode="sharded")
    await party.begin()
    await party.run_all(but=4)
    assert party.end is None
    party.others_go_on([[0] * 150, *([k] * 150 for k in (4, 5, 6))])
    party.run()
    assert sum(frame[4] == Kind.SLICE_SUM for frame in party.inbox[2]) >= 50
    while party.inbox[2]:
        await party.read(2, party.inbox[2].popleft())
    await party.run_all()
    assert party.total == [6] * 150
    party.bring([0] * 150, 1)
    await party.runner._begin_next_round()
    await party.run_all()
    assert party.total == [15] * 150


async def test_what_is_late_is_passed_over() -> None:
    """Frames of a round that is done come again after a reconnection, and change nothing."""
    party = Seated(VALUES[:3])
    said: list[tuple[int, bytes]] = []
    honest = party.read

    async def read(sender: int, data: bytes) -> None:
        said.append((sender, data))
        await honest(sender, data)

    vars(party)["read"] = read
    await party.begin()
    await party.run_all()
    assert party.total == party.expected
    party.others_go_on(LATER[:3])
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    again = list(said)
    for sender, data in again:
        if data[4] != Kind.ACCEPT:
            await honest(sender, data)
    assert party.end is None
    await party.run_all()
    assert party.total == party.expected


async def test_what_a_peer_is_done_with_is_let_go() -> None:
    """Whoever speaks in round 1 has all of round 0: it is not held for it any longer, but for others."""
    party = Seated(VALUES[:3])
    await party.begin()
    await party.run_all()
    outboxes = party.runner.mesh._outboxes
    held = {i: len(outbox.frames) for i, outbox in outboxes.items()}
    party.others_go_on(LATER[:3])
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    assert {i: len(o.frames) for i, o in outboxes.items()} == {i: n + 2 for i, n in held.items()}
    await party.read(2, party.inbox[2].popleft())
    assert len(outboxes[2].frames) == 2
    assert len(outboxes[3].frames) == held[3] + 2
    assert [Kind(frame[0][4]) for frame in outboxes[2].frames] == [Kind.COMMITMENT, Kind.SHARE]
    assert outboxes[2].first == held[2]
    await party.run_all()
    assert party.total == party.expected
    assert {Kind(frame[0][4]) for outbox in outboxes.values() for frame in outbox.frames} <= set(
        Kind
    ) - {Kind.ACCEPT}


async def test_what_has_become_of_the_others_is_told_to_the_next_round() -> None:
    """A peer that was lost or is away stays so in the next round, until it is back."""
    party = Seated(VALUES[:4])
    await party.begin()
    await party.run_all()
    party.runner._away, party.runner._lost = {2}, set()
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    assert party.runner._round is not None
    assert party.runner._round.links[2].away
    assert not party.runner._round.links[3].away
    party = Seated(VALUES[:4])
    await party.begin()
    await party.run_all()
    party.runner._lost = {3}
    party.bring(LATER[0], 1)
    await party.runner._begin_next_round()
    assert party.error.peers == (3,)


# -- the outbox -----------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.lists(st.integers(1, 40_000), min_size=1, max_size=2)), max_size=4),
    st.data(),
)
def test_whole_frames_are_written_whatever_is_let_go(
    rounds: list[list[list[int]]], data: st.DataObject
) -> None:
    """Frames are written in order and whole, and none of a round that the peer still needs is left out."""
    outbox = _Outbox()
    frames: list[tuple[int, bytes]] = []
    for number, sizes in enumerate(rounds):
        outbox.begun[number] = outbox.end
        for parts in sizes:
            tag = len(frames).to_bytes(4, "big")
            frame = (tag + bytes(parts[0]), *(bytes(size) for size in parts[1:]))
            frames.append((number, b"".join(frame)))
            outbox.say(frame)
    written, position, needed = b"", outbox.first, 0
    steps = data.draw(st.lists(st.integers(0, 4), min_size=len(frames), max_size=len(frames)))
    while position < outbox.end:
        batch, position = _batch(outbox, position)
        written += b"".join(batch)
        needed = max(needed, steps.pop()) if steps else needed
        outbox.forget(needed)
        position = max(position, outbox.first)
    place, seen = 0, []
    by_tag = {said[:4]: said for _, said in frames}
    while place < len(written):
        said = by_tag[written[place : place + 4]]
        assert written[place : place + len(said)] == said
        seen.append(int.from_bytes(said[:4], "big"))
        place += len(said)
    assert seen == sorted(set(seen))
    assert {k for k, (number, _) in enumerate(frames) if number >= needed} <= set(seen)


def test_small_frames_are_written_together_and_large_ones_are_not_copied() -> None:
    """A write of many small frames costs what one costs; a large body is sent from where it lies."""
    outbox, large = _Outbox(), bytes(1 << 20)
    for _ in range(10):
        outbox.say([b"head", b"body"])
    outbox.say([b"head", large])
    batch, position = _batch(outbox, 0)
    assert (batch, position) == ((b"headbody" * 10,), 10)
    batch, position = _batch(outbox, position)
    assert position == outbox.end == 11
    assert batch[0] == b"head"
    assert batch[1] is large


def test_letting_go_of_what_was_never_begun_does_nothing() -> None:
    """A round that has not begun here has no frames, and nothing is let go for it."""
    outbox = _Outbox()
    outbox.say([b"one"])
    outbox.forget(7)
    assert list(outbox.frames) == [(b"one",)]


async def test_a_contributor_says_two_things_early_and_no_third() -> None:
    """Of the next round a contributor's COMMITMENT and SHARE are kept, one of each, and nothing else."""
    party = await nearly_done()
    runner = party.runner
    assert [runner._early._most(kind) for kind in (Kind.COMMITMENT, Kind.SHARE)] == [1, 1]
    others = set(Kind) - {Kind.COMMITMENT, Kind.SHARE}
    assert {runner._early._most(kind) for kind in others} == {0}


async def test_what_nobody_fetches_is_let_go_two_rounds_later() -> None:
    """A member that is gone keeps nothing in memory: its frames go when the round after theirs begins."""
    party = Seated(VALUES[:3])
    mesh = party.runner.mesh
    for number in range(1, 9):
        mesh.begin_round(number)
        mesh.send((bytes(1000),), None)
        assert all(len(outbox.frames) <= 2 for outbox in mesh._outboxes.values())


async def test_repetitions_do_not_put_the_end_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that had come when the deadline passed are handled; then it has passed, whatever comes."""
    party = Seated(VALUES[:3])
    runner = party.runner
    monkeypatch.setattr(trio, "current_time", lambda: 10.0)
    for _ in range(3):
        runner._inbox.events.send_nowait(Connected(2))
    handled = 0
    while await runner._inbox.next(deadline=9.0) is not None:
        handled += 1
        runner._inbox.events.send_nowait(Connected(2))
    assert handled == 3
    assert await runner._inbox.next(deadline=11.0) is not None


async def test_a_round_follows_only_one_that_is_done() -> None:
    """A machine whose round has not given a total has no next one."""
    party = Seated(VALUES[:3])
    await party.begin()
    with pytest.raises(LocalProtocolError, match="before the one before it had ended"):
        party.runner.prepare(None, seed=os.urandom(32), digest=b"")


async def test_a_writer_goes_on_where_everything_was_let_go() -> None:
    """What was not written yet and is needed no more is passed over, and what follows is written."""
    session = Seated(VALUES[:3]).mine.session
    party = Seated(VALUES[:3])
    mesh, outbox = party.runner.mesh, party.runner.mesh._outboxes[2]
    written: list[bytes] = []

    class Slow:
        async def send(self, data: bytes) -> None:
            written.append(data)
            if (
                len(written) == 1
            ):  # while this is written, a round begins that needs none of the rest
                mesh.begin_round(1)
                mesh.is_in_round(2, 1)
            if data == b"end":
                raise LinkEndedError("the test is over")
            await trio.lowlevel.checkpoint()

    assert session.others
    honest = _Outbox.say
    honest(outbox, (b"a" * (1 << 17),))
    honest(outbox, (b"b" * (1 << 17),))

    async def later() -> None:
        await trio.testing.wait_all_tasks_blocked()
        honest(outbox, (b"end",))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        with trio.CancelScope() as scope:
            await mesh._write(2, cast(Link, Slow()), [], scope)
    assert [data[:1] for data in written] == [b"a", b"e"]
