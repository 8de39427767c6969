"""Deadlines that count the turns of a loop: as the clock does while it is free, longer while it is not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from p2pmpc.patience import LONGEST, TURN_SECONDS, Backoff, Patience, doze

SECONDS = 5.0


async def waits(patience: Patience) -> float:
    """Return how long a block may take that never ends by itself."""
    started = trio.current_time()
    with patience.limit():
        await trio.sleep_forever()
    return trio.current_time() - started


async def test_a_free_loop_counts_seconds(
    autojump_clock: MockClock,  # noqa: ARG001 - runs the test in virtual time
) -> None:
    """A block that takes too long is cancelled when its seconds are over, the second one as the first."""
    patience = Patience(SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run)
        for _ in "ab":
            assert SECONDS <= await waits(patience) <= SECONDS + 2 * TURN_SECONDS
            await trio.sleep(7)
        nursery.cancel_scope.cancel()


async def test_a_late_loop_waits_for_as_many_turns(mock_clock: MockClock) -> None:
    """A loop that is a second late at every turn waits 51 turns, in which a peer can be heard."""
    patience = Patience(SECONDS)
    turns = 0

    async def be_late() -> None:
        nonlocal turns
        while True:
            turns += 1
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run)
        nursery.start_soon(be_late)
        assert 50 <= await waits(patience) <= LONGEST
        nursery.cancel_scope.cancel()
    assert turns >= 50


async def test_nobody_is_waited_for_without_end(mock_clock: MockClock) -> None:
    """However late a loop is, the longest time holds by the clock."""
    patience = Patience(SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run)
        with patience.limit() as scope:
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(LONGEST + 1)
            await trio.sleep_forever()
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()


async def test_whoever_is_verified_may_stay(
    autojump_clock: MockClock,  # noqa: ARG001 - runs the test in virtual time
) -> None:
    """A block whose deadline is taken away is not cancelled at all."""
    patience = Patience(SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run)
        with patience.limit() as scope:
            scope.deadline = float("inf")
            await trio.sleep(10 * LONGEST)
        assert not scope.cancelled_caught
        nursery.cancel_scope.cancel()


# -- pauses -----------------------------------------------------------------------------------


def test_pauses_double_and_are_drawn() -> None:
    """Pauses grow to a longest one; each lies in the upper half of what is due, as entropy says."""
    least = Backoff(0.1, 1.0, bytes)
    most = Backoff(0.1, 1.0, lambda size: b"\xff" * size)
    due = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert [most.next() for _ in due] == pytest.approx(due)
    assert [least.next() for _ in due] == pytest.approx([pause / 2 for pause in due])
    most.reset()
    assert most.next() == pytest.approx(0.1)


async def test_a_process_that_was_stopped_still_waits(mock_clock: MockClock) -> None:
    """Time in which this process did not run is no time in which somebody else was late."""
    done = trio.Event()

    async def wait() -> None:
        await doze(10.0)
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(100.0)
        await trio.testing.wait_all_tasks_blocked()
        assert not done.is_set()
        for _ in range(9):
            assert not done.is_set()
            mock_clock.jump(1.0)
            await trio.testing.wait_all_tasks_blocked()
        assert done.is_set()
