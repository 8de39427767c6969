"""Sums from Python programs: arrays in, arrays out, many rounds, and errors that say what they mean."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import trio

import p2pmpc
from p2pmpc import blocking
from p2pmpc.errors import (
    ConfigurationError,
    InputRefused,
    LocalProtocolError,
    P2PMPCError,
    PeerMissing,
    VerificationFailed,
)
from p2pmpc.library import Options, Session, Sum, open_session
from p2pmpc.network import MemoryNetwork
from p2pmpc.verify import verify_directory
from tests.nodes import at_once

ROOT = Path(__file__).resolve().parent.parent


class Federation:
    """Three programs over one memory network; each runs what a test gives it."""

    def __init__(self, directory: Path, **founding: Any) -> None:
        self._directory = directory
        self._founding = founding
        self._network = MemoryNetwork()
        self._bootstrap = trio.Event()
        self._address = ""
        self._peers = 0
        self.results: dict[int, list[Sum]] = {}
        self.errors: dict[int, Exception] = {}

    async def run(self, programs: Any, weights: tuple[int, ...] = (1, 2, 3)) -> None:
        """Run one program a member, the first of which founds the session."""
        self._peers = len(weights)
        async with trio.open_nursery() as nursery:
            for number, (program, weight) in enumerate(zip(programs, weights, strict=True)):
                nursery.start_soon(self._run_one, number, program, weight)

    async def _run_one(self, number: int, program: Any, weight: int) -> None:
        options: dict[str, Any] = {"log_dir": str(self._directory), "name": f"member-{number}"}
        if number == 0:
            options |= {"peers": self._peers, **self._founding}
        else:
            await self._bootstrap.wait()
            options["bootstrap"] = self._address
        self.results[number] = []
        try:
            async with open_session(
                Options(weight=weight, **options),
                on_founded=self._founded,
                network=self._network,
            ) as session:
                await program(session, self.results[number])
        except P2PMPCError as error:
            self.errors[number] = error

    def _founded(self, bootstrap: str) -> None:
        self._address = bootstrap
        self._bootstrap.set()


async def bring(vectors: list[Any], session: Session, results: list[Sum]) -> None:
    """Sum some vectors, one after the other."""
    for vector in vectors:
        results.append(await session.sum(vector))  # noqa: PERF401 - those before an error count


@at_once
async def test_arrays_come_back_in_their_shape(tmp_path: Path) -> None:
    """Integers of any shape give integers of that shape, and their weighted mean as doubles."""
    federation = Federation(tmp_path, length=6)
    arrays = [np.arange(6).reshape(2, 3) * k for k in (1, 10, 100)]
    await federation.run([partial(bring, [array]) for array in arrays])
    expected = arrays[0] + 2 * arrays[1] + 3 * arrays[2]
    assert federation.errors == {}
    for (opened,) in federation.results.values():
        assert opened.total.tolist() == expected.tolist()
        assert opened.total.dtype == np.int64
        assert np.allclose(opened.mean, expected / 6)
        assert (opened.weight, opened.round, opened.missing) == (6, 1, ())
        assert len(opened.agreed) == 3


@at_once
async def test_a_session_stays_open_for_many_sums(tmp_path: Path) -> None:
    """Every round has its own inputs, and all members the same transcripts; `verify` takes them all."""
    federation = Federation(tmp_path, length=3, fraction_bits=8)
    rows = [[np.array([r + k / 4, -k, 0.5]) for r in range(4)] for k in range(3)]
    await federation.run([partial(bring, vectors) for vectors in rows], (1, 1, 1))
    for number in range(4):
        sums = [results[number] for results in federation.results.values()]
        expected = rows[0][number] + rows[1][number] + rows[2][number]
        assert all(np.array_equal(opened.total, expected) for opened in sums)
        assert len({opened.transcript for opened in sums}) == 1
        assert {opened.round for opened in sums} == {number + 1}
    transcripts = {opened.transcript for opened in federation.results[0]}
    assert len(transcripts) == 4
    assert verify_directory(tmp_path).rounds == 4


def lengthen_a_log(directory: Path) -> None:
    """Put a line behind the last one that a receipt speaks of."""
    with (directory / "member-1.log").open("a") as file:
        file.write('{"event": "forged"}\n')


def remove_a_round_of_one(directory: Path) -> None:
    """Take away what one member kept of a round in the middle."""
    for path in directory.glob("member-1.r0002.*"):
        path.unlink()


def remove_a_round_of_all(directory: Path) -> None:
    """Take away what all kept of a round in the middle."""
    for path in directory.glob("*.r0002.*"):
        path.unlink()


def remove_the_last_round(directory: Path) -> None:
    """Take away what all kept of the last round."""
    for path in directory.glob("*.r0003.*"):
        path.unlink()


def exchange_two_rounds(directory: Path) -> None:
    """Call the files of two rounds by each other's names."""
    for path in directory.glob("*.r0001.*"):
        path.rename(path.with_name(path.name.replace("r0001", "r0009")))
    for path in directory.glob("*.r0002.*"):
        path.rename(path.with_name(path.name.replace("r0002", "r0001")))
    for path in directory.glob("*.r0009.*"):
        path.rename(path.with_name(path.name.replace("r0009", "r0002")))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lengthen_a_log, r"member-1\.log:[0-9]+: the line"),
        (remove_a_round_of_one, "the transcript of round 2 of member-1 is missing"),
        (remove_a_round_of_all, "the transcript of round 2 of member-0 is missing"),
        (exchange_two_rounds, "it is of round"),
    ],
)
@at_once
async def test_changed_files_of_rounds_are_found(tmp_path: Path, change: Any, told: str) -> None:
    """Row 31: a line behind the last round, and rounds that are missing or exchanged."""
    federation = Federation(tmp_path, length=1)
    await federation.run([partial(bring, [[1], [2], [3]])] * 3, (1, 1, 1))
    assert verify_directory(tmp_path).rounds == 3
    change(tmp_path)
    with pytest.raises(VerificationFailed, match=told):
        verify_directory(tmp_path)


@at_once
async def test_rounds_that_were_agreed_and_are_not_there_are_told_of(tmp_path: Path) -> None:
    """That the last rounds are missing proves nothing: a session may have ended. It is said all the same."""
    federation = Federation(tmp_path, length=1, rounds=3)
    await federation.run([partial(bring, [[1], [2], [3]])] * 3, (1, 1, 1))
    remove_the_last_round(tmp_path)
    verdict = verify_directory(tmp_path)
    assert (verdict.rounds, verdict.agreed_rounds) == (2, 3)
    assert "2 rounds of 3 agreed" in verdict.as_text()


@pytest.mark.parametrize("mode", ["broadcast", "sharded"])
@pytest.mark.parametrize("share_mode", ["seeds", "dense"])
@pytest.mark.parametrize("strict", [False, True])
@at_once
async def test_rounds_work_in_every_mode(
    tmp_path: Path, mode: str, share_mode: str, strict: bool
) -> None:
    """Seeds that go on, dense shares, slices and strict masks all give right totals in later rounds."""
    federation = Federation(tmp_path, length=5, mode=mode, share_mode=share_mode, strict=strict)
    rows = [[np.arange(5) + 7 * r + k for r in range(3)] for k in range(3)]
    await federation.run([partial(bring, vectors) for vectors in rows], (1, -2, 5))
    for number in range(3):
        expected = rows[0][number] - 2 * rows[1][number] + 5 * rows[2][number]
        for results in federation.results.values():
            assert results[number].total.tolist() == expected.tolist()


@pytest.mark.parametrize("mode", ["broadcast", "sharded"])
@at_once
async def test_an_observer_sums_along(tmp_path: Path, mode: str) -> None:
    """A program of weight 0 brings nothing, round after round, and learns every total."""
    federation = Federation(tmp_path, length=2, mode=mode)
    rows: list[list[Any]] = [[[k, 2], [3, 4]] for k in range(3)]
    await federation.run([partial(bring, v) for v in [*rows, [None, None]]], (1, 1, 1, 0))
    assert federation.errors == {}
    for results in federation.results.values():
        assert [opened.total.tolist() for opened in results] == [[3, 6], [9, 12]]


@at_once
async def test_a_vector_of_another_length_ends_the_session_at_all(tmp_path: Path) -> None:
    """Round 2: who brings a wrong vector ends with its own error, the others hear of it."""
    federation = Federation(tmp_path, length=3)
    good = [np.zeros(3, dtype=int), np.ones(3, dtype=int)]
    bad = [np.zeros(3, dtype=int), np.ones(4, dtype=int)]
    await federation.run([partial(bring, v) for v in (good, bad, good)])
    assert isinstance(federation.errors[1], InputRefused)
    assert "the vector:4:1: 4 numbers, where the session sums vectors of 3" in str(
        federation.errors[1]
    )
    for number in (0, 2):
        assert len(federation.results[number]) == 1
        assert "it refused to share its input" in str(federation.errors[number])


@pytest.mark.parametrize(
    ("weight", "vector", "told"),
    [
        (1, None, r"there is no vector, and this peer contributes \(with weight 1\)"),
        (0, [1], r"there is a vector, and this peer observes \(with weight 0\)"),
        (1, [[1, 2], [3]], "the vector is ragged"),
    ],
    ids=["nothing", "an observer's", "ragged"],
)
@at_once
async def test_what_is_no_vector_of_this_peer_is_refused(
    tmp_path: Path, weight: int, vector: Any, told: str
) -> None:
    """A forgotten vector is never made up, and an observer's never dropped; notes say what was revealed."""
    federation = Federation(tmp_path, length=1)
    programs = [partial(bring, [[1]])] * 3
    await federation.run([*programs, partial(bring, [vector])], (1, 1, 1, weight))
    with pytest.raises(InputRefused, match=told):
        raise federation.errors[3]
    notes = " ".join(federation.errors[3].__notes__)
    assert "revealed: nothing about your data was revealed" in notes
    assert "next: " in notes


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"peers": 3}, "founded with the length"),
        ({"peers": 3, "length": 2.5}, "length is a whole number, not float"),
        ({"peers": 3, "length": 2, "weight": "5"}, "weight is a whole number, not str"),
        ({"peers": 3, "length": 2, "value": "9"}, "value is an option of the command line"),
        ({"bootstrap": "h:1", "input": "x.npy"}, "input is an option of the command line"),
    ],
    ids=str,
)
@at_once
async def test_options_that_no_program_means_are_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    """What would be ignored, or fail somewhere else, is refused with its name before anything is begun."""
    with pytest.raises(ConfigurationError, match=told):
        async with open_session(Options(log_dir=str(tmp_path), **options)):
            pass


@at_once
async def test_numpys_integers_are_whole_numbers(tmp_path: Path) -> None:
    """A weight counted with numpy is a weight."""
    federation = Federation(tmp_path, length=np.int64(1))
    weights: Any = tuple(np.int64(k) for k in (4, 5, 6))
    await federation.run([partial(bring, [[1]])] * 3, weights)
    assert federation.results[0][0].total.tolist() == [15]


@at_once
async def test_a_member_that_leaves_is_missed_in_the_next_round(tmp_path: Path) -> None:
    """Whoever stops after one sum ends the session for those who want another."""
    federation = Federation(tmp_path, length=1)
    one, two = [np.array([1])], [np.array([1]), np.array([2])]
    await federation.run([partial(bring, v) for v in (two, two, one)])
    assert 2 not in federation.errors
    for number in (0, 1):
        assert len(federation.results[number]) == 1
        assert isinstance(federation.errors[number], PeerMissing)


@at_once
async def test_programs_may_take_their_time_between_sums(tmp_path: Path) -> None:
    """Between sums of an open session --join-timeout counts, not --timeout."""

    async def slow(session: Session, results: list[Sum]) -> None:
        for number in range(3):
            await trio.sleep(300)
            results.append(await session.sum([number]))

    federation = Federation(tmp_path, length=1)
    quick = partial(bring, [[0], [1], [2]])
    await federation.run([quick, slow, quick], (1, 1, 1))
    assert federation.errors == {}
    assert [opened.total.tolist() for opened in federation.results[0]] == [[0], [3], [6]]


@at_once
async def test_a_programs_own_error_comes_out_as_it_is(tmp_path: Path) -> None:
    """What a program raises inside the block is raised outside of it, and the others go on to end."""

    async def fail(session: Session, results: list[Sum]) -> None:
        results.append(await session.sum([1]))
        raise KeyError("mine")

    federation = Federation(tmp_path, length=1)

    async def guarded(session: Session, results: list[Sum]) -> None:
        with pytest.raises(KeyError, match="mine"):
            await fail(session, results)

    await federation.run([guarded, guarded, guarded])
    assert federation.errors == {}


def test_the_librarys_names_are_loaded_when_used() -> None:
    """`import p2pmpc` costs nothing, and its names are there all the same."""
    code = "import sys, p2pmpc; assert 'numpy' not in sys.modules; print(p2pmpc.open_session)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "open_session" in done.stdout
    assert p2pmpc.Options is Options
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = p2pmpc.nothing


# -- without an event loop --------------------------------------------------------------------


def run_blocking(
    directory: Path,
    vectors: list[list[Any]],
    use: dict[int, Callable[[blocking.Session], None]] | None = None,
    **founding: Any,
) -> list[list[Sum] | Exception]:
    """Run one blocking session a thread over TCP, as scripts would, and return how each ended.

    Args:
        directory: Where logs go.
        vectors: What each member sums.
        use: What some members do instead.
        founding: The founder's options.
    """
    founded, address = threading.Event(), []

    def tell(bootstrap: str) -> None:
        address.append(bootstrap)
        founded.set()

    def member(number: int) -> list[Sum] | Exception:
        options: dict[str, Any] = {"log_dir": str(directory), "name": f"member-{number}"}
        if number == 0:
            options |= {"peers": len(vectors), "listen": "127.0.0.1:0", **founding}
        else:
            assert founded.wait(30)
            options["bootstrap"] = address[0]
        try:
            with blocking.Session(Options(**options), on_founded=tell) as session:
                assert len(session.members) == len(vectors)
                if use and number in use:
                    use[number](session)
                    return []
                return [session.sum(vector) for vector in vectors[number]]
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(vectors)) as pool:
        return list(pool.map(member, range(len(vectors))))


def test_scripts_sum_without_an_event_loop(tmp_path: Path) -> None:
    """The blocking session gives what the other one gives, over real links."""
    vectors = [[np.array([k, 1.5]), np.array([k, -2.0])] for k in range(3)]
    ended = run_blocking(tmp_path, vectors, length=2, fraction_bits=4)
    for results in ended:
        assert isinstance(results, list)
        assert [opened.total.tolist() for opened in results] == [[3.0, 4.5], [3.0, -6.0]]


def test_a_blocking_session_raises_what_went_wrong(tmp_path: Path) -> None:
    """A wrong vector raises its own error in its own program, and others theirs in theirs."""
    ended = run_blocking(tmp_path, [[[1]], [["x"]], [[1]]], length=1)
    assert isinstance(ended[1], InputRefused)
    for error in (ended[0], ended[2]):
        assert isinstance(error, P2PMPCError)
        assert "it refused to share its input" in str(error)


def test_after_an_error_a_blocking_session_sums_no_more(tmp_path: Path) -> None:
    """Whoever tries again in the same session is told that it has ended, at once."""

    def twice(session: blocking.Session) -> None:
        with pytest.raises(P2PMPCError):
            session.sum(["x"])
        with pytest.raises(LocalProtocolError, match="the session has ended"):
            session.sum([1])

    ended = run_blocking(tmp_path, [[[1]], [[1]], [[1]]], use={1: twice}, length=1)
    assert ended[1] == []


def test_a_session_that_is_not_open_says_so() -> None:
    """Outside of its block nothing hangs."""
    session = blocking.Session(Options(bootstrap="h:1"))
    for use in (lambda: session.members, lambda: session.length, lambda: session.sum([1])):
        with pytest.raises(LocalProtocolError, match="not open yet"):
            use()


def test_two_sums_at_once_are_refused(tmp_path: Path) -> None:
    """While one sum is under way another thread's is refused, and the first one goes on."""

    under_way, refused = threading.Event(), threading.Event()

    class Five:
        """A vector that says when a session reads it."""

        def __array__(self, *_: object, **__: object) -> npt.NDArray[np.int64]:
            under_way.set()
            return np.array([5])

    def both(session: blocking.Session) -> None:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(session.sum, Five())
            assert under_way.wait(30)
            with pytest.raises(LocalProtocolError, match="a sum is under way"):
                session.sum([6])
            refused.set()
            assert first.result().total.tolist() == [7]

    def late(session: blocking.Session) -> None:
        assert refused.wait(60)
        assert session.sum([1]).total.tolist() == [7]

    ended = run_blocking(tmp_path, [[[1]], [], []], use={1: both, 2: late}, length=1)
    assert ended[1:] == [[], []]


@at_once
async def test_a_sum_that_was_given_up_is_the_last(tmp_path: Path) -> None:
    """After a cancelled sum nothing of it goes on in another one: the session takes no more."""

    async def impatient(session: Session, _results: list[Sum]) -> None:
        with trio.move_on_after(0.5):
            await session.sum([1])
        with pytest.raises(LocalProtocolError, match="takes no other sum"):
            await session.sum([2])

    async def slow(session: Session, results: list[Sum]) -> None:
        await trio.sleep(5)
        results.append(await session.sum([1]))

    federation = Federation(tmp_path, length=1)
    await federation.run([impatient, slow, slow], (1, 1, 1))
    for number in (1, 2):
        assert isinstance(federation.errors[number], PeerMissing)


@at_once
async def test_no_more_sums_than_were_agreed(tmp_path: Path) -> None:
    """Where the founder said how many, one more is refused before anything of it leaves."""

    async def once_more(session: Session, results: list[Sum]) -> None:
        await bring([[1], [2]], session, results)
        with pytest.raises(LocalProtocolError, match="was the last"):
            await session.sum([3])

    federation = Federation(tmp_path, length=1, rounds=2)
    await federation.run([once_more] * 3, (1, 1, 1))
    assert federation.errors == {}


def test_a_session_that_was_left_sums_no_more(tmp_path: Path) -> None:
    """Beyond its block, and where nobody answers, a session says so."""
    session = blocking.Session(
        Options(bootstrap="127.0.0.1:1", join_timeout=0.2, log_dir=str(tmp_path))
    )
    with pytest.raises(PeerMissing), session:
        pass
    with pytest.raises(LocalProtocolError, match="the session has ended"):
        session.sum([1])


@at_once
async def test_a_program_that_goes_on_with_another_vector_can_still_bring_the_right_one(
    tmp_path: Path,
) -> None:
    """Row 6: 8, the others are told nothing, and what is kept is still there."""
    federation = Federation(tmp_path, length=2)
    options = Options(weight=3, name="victim", log_dir=str(tmp_path), state_dir=str(tmp_path / "s"))
    killed, done = trio.CancelScope(), trio.Event()

    async def last(session: Session, results: list[Sum]) -> None:
        results.append(await session.sum([1, 2]))
        await done.wait()

    async def go_on(vector: list[int], **more: Any) -> Sum:
        await federation._bootstrap.wait()
        told = replace(options, bootstrap=federation._address, **more)

        def strike(event: str, fields: dict[str, Any]) -> None:
            if not more and (event, fields.get("step")) == ("step", "echo"):
                killed.cancel()

        async with open_session(told, on_event=strike, network=federation._network) as session:
            return await session.sum(vector)

    async def victim() -> None:
        with killed:
            await go_on([10, 20])
        assert killed.cancelled_caught
        with pytest.raises(InputRefused, match="not the input"):
            await go_on([10, 21], resume=True)
        assert (await go_on([10, 20], resume=True)).total.tolist() == [33, 66]
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(victim)
        federation._peers = 3
        for number, weight in enumerate((1, 2)):
            nursery.start_soon(federation._run_one, number, last, weight)
    assert federation.errors == {}
