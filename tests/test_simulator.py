"""Whole runs drawn from seeds: the invariants hold, and the watch that holds them is awake.

The large campaign is a command: ``python -m tests.simulator --seeds 50000``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from p2pmpc.actions import Failed
from p2pmpc.errors import LocalProtocolError, RemoteProtocolError
from p2pmpc.messages import Commitment, Confirm, Kind, Share
from p2pmpc.protocol import Round
from p2pmpc.sharing import Source
from tests.simulator import campaign as campaign_module
from tests.simulator import planted, watch
from tests.simulator.__main__ import main
from tests.simulator.campaign import Drawing, Report, campaign, spread
from tests.simulator.cast import Cast
from tests.simulator.fakes import cheap_signatures
from tests.simulator.heap import HeapDriver
from tests.simulator.kept import KEPT, TO_BE_RELAYED
from tests.simulator.rows import ROWS, Ended, Row, RowError, shown
from tests.simulator.scenario import BENIGN, HARMLESS, KINDS, MALICIOUS, Scenario, draw
from tests.simulator.streams import StreamDriver
from tests.simulator.trace import Trace
from tests.simulator.watch import ViolationError

TRACED = range(1000, 1024)


# -- the invariants hold ----------------------------------------------------------------------


def test_drawn_faults_break_no_invariant() -> None:
    """Whatever order, faults and moments two hundred seeds draw, every invariant holds."""
    report = campaign(Drawing(), range(200))
    assert report.runs == 200
    assert not report.failures, "\n".join(report.failures)
    assert {0, 3, 4} <= set(report.codes)


def test_drawn_faults_break_no_invariant_with_real_cryptography() -> None:
    """The same holds where nothing is replaced by anything cheap."""
    report = campaign(Drawing(real=True), range(5000, 5040))
    assert not report.failures, "\n".join(report.failures)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_happens(kind: str) -> None:
    """No kind is claimed that never fires, and none breaks an invariant by itself."""
    report = Report()
    for seed in range(12):
        report.count(Drawing(faults=1, only=kind).run(seed))
        if report.fired[kind] and seed >= 3:
            return
    pytest.fail("it never happens")


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_faults_leave_everybody_with_the_total(kind: str) -> None:
    """Delay, repetition, short cuts and abrupt ends of others change nothing."""
    report = campaign(Drawing(faults=3, only=kind), range(100, 106))
    assert not report.failures, "\n".join(report.failures)
    assert set(report.codes) == {0}


@pytest.mark.parametrize("scenario", [kept[1] for kept in KEPT], ids=[kept[0] for kept in KEPT])
def test_what_failed_once_holds(scenario: Scenario) -> None:
    """What was found once stays found."""
    run(scenario)


@pytest.mark.parametrize(
    "scenario", [kept[1] for kept in TO_BE_RELAYED], ids=[kept[0] for kept in TO_BE_RELAYED]
)
def test_what_one_holds_all_get_once_openings_are_relayed(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lives ends with the total if anybody who lives could; until then the watch would report it."""
    if watch.RELAYED:
        run(scenario)
        return
    run(scenario)
    monkeypatch.setattr(watch, "RELAYED", True)
    with pytest.raises(ViolationError, match="invariant 13"):
        run(scenario)


def test_crashes_come_between_and_within_broadcasts() -> None:
    """A peer dies after any frame: when all got a message, and when only some did."""
    got = set()
    for seed in range(60):
        scenario = draw(seed, peers=4, faults=1, only="crash")
        lines = run(scenario).world.trace.text().splitlines()
        culprit = scenario.faults[0].culprit
        mine = [line.split() for line in lines if line.startswith(f"{culprit} ")]
        if ["dies"] in [line[1:] for line in mine]:
            last = mine[mine.index([str(culprit), "dies"]) - 1]
            got.add(sum(line[1] == "says" and line[-1] == last[-1] for line in mine))
    assert got == {1, 2, 3}


def test_crashes_within_a_broadcast_reach_some() -> None:
    """A peer dies while it says ECHO or OPEN: between one and all but one of the others have it."""
    for kind in (Kind.ECHO, Kind.OPEN):
        told = set()
        for seed in range(24):
            world = run(draw(seed, peers=4, faults=1, only=f"crash in {kind.name}")).world
            if world.deaths:
                line = f"{world.deaths[0].peer} says {kind.name} "
                told.add(sum(line in each for each in world.trace.text().splitlines()))
        assert told == {1, 2, 3}


def test_several_peers_die_below_and_above_a_majority() -> None:
    """Of four contributors one, two or three die, with and without a total for the others."""
    finished: dict[int, set[int]] = {}
    for seed in range(60):
        world = run(draw(seed, peers=4, faults=1, only="mass crash")).world
        if len(world.scenario.contributors) == 4:
            alive = list(world.codes().values())
            finished.setdefault(4 - len(alive), set()).update(alive)
    assert finished[1] == {0, 3}
    assert 3 in finished[2]
    assert 3 in finished[3]


def test_a_peer_that_comes_back_says_the_same_again() -> None:
    """What a killed peer says after its return are the bytes of before, and all end with the total."""
    again = 0
    for seed in range(40):
        scenario = draw(seed, peers=4, faults=1, only="quick restart")
        world = run(scenario).world
        culprit = scenario.faults[0].culprit
        lines = [line for line in world.trace.text().splitlines() if line.startswith(f"{culprit} ")]
        if f"{culprit} restart" not in lines:
            continue
        back = lines.index(f"{culprit} restart")
        before, after = (
            {x for x in part if " says " in x} for part in (lines[:back], lines[back:])
        )
        again += len(before & after)
        slots = [line.rsplit(" ", 1)[0] for line in before | after]
        assert len(slots) == len(set(slots)) or world.scenario.sum_mode == "sharded"
    assert again > 100


def test_every_kind_is_of_a_row() -> None:
    """Whatever is injected is held against the page of faults."""
    assert set(KINDS) == {kind for row in ROWS for kind in row.kinds}
    assert len({row.number for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.number for row in ROWS])
def test_a_row_refuses_what_it_does_not_allow(row: Row) -> None:
    """A run that shows a row, with other ends put in their place, is reported by that row."""
    for seed in range(60 * len(row.kinds)):
        kind = sorted(row.kinds)[seed % len(row.kinds)]
        world = Drawing(peers=4, faults=1, only=kind).run(seed)
        if row.number in shown(world):
            for index in Ended(world).alive:
                world.peers[index].end = Failed(LocalProtocolError("a bug"))
            assert row.check(Ended(world)) is not None
            with pytest.raises(RowError):
                shown(world)
            return
    pytest.fail("no run shows it")


def test_a_peer_that_never_ends_after_all_faults_is_reported() -> None:
    """Progress that is none puts the end off for a while, and not for ever."""
    for seed in range(60):
        scenario = draw(seed, peers=4, faults=1, only="silent crash")
        try:
            HeapDriver(scenario, planted=dict.fromkeys(scenario.indices, planted.Dawdling)).run()
        except ViolationError as error:
            if "after all faults" in str(error):
                return
    pytest.fail("nobody is reported")


def test_two_contents_in_one_place_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what stands between it and its signature, a peer that comes back can be made to lie."""

    monkeypatch.setattr(Round, "_as_before", lambda _round, actions: actions)
    for seed in range(300):
        scenario = draw(seed, peers=4, faults=1, only="other story")
        if scenario.sum_mode == "broadcast":
            continue  # there the echoes of the others tell first, nearly always
        try:
            run(scenario)
        except ViolationError as error:
            if error.invariant == 12:
                return
    pytest.fail("nobody is reported")


def test_every_kind_is_in_one_group() -> None:
    """Dishonest or not: a kind decides what its culprit is held to."""
    assert not set(BENIGN) & set(MALICIOUS)
    assert len(set(KINDS)) == len(KINDS)


# -- the same seed gives the same trace -------------------------------------------------------


def run(scenario: Scenario, *, real: bool = False) -> HeapDriver:
    """Run a scenario in virtual time."""
    driver = HeapDriver(scenario, real=real)
    driver.run()
    return driver


def test_a_seed_gives_the_same_trace_again() -> None:
    """Scenario, schedule and trace follow from the seed, and from nothing else."""
    for seed in TRACED:
        first, second = run(draw(seed)), run(draw(seed))
        assert first.schedule == second.schedule
        assert first.world.trace.text(times=True) == second.world.trace.text(times=True)


def test_different_seeds_give_different_traces() -> None:
    """A trace tells runs apart."""
    assert len({run(draw(seed)).world.trace.text() for seed in TRACED}) == len(TRACED)


_DIGEST_OF_TRACES = """
from hashlib import sha256
from tests.simulator.heap import HeapDriver
from tests.simulator.scenario import draw
digest = sha256()
for seed in range(1000, 1012):
    digest.update(HeapDriver(draw(seed)).run().trace.text(times=True).encode())
print(digest.hexdigest())
"""


def test_the_order_of_hashes_changes_no_trace() -> None:
    """Processes that hash strings differently come to the same traces."""
    digest = sha256()
    for seed in TRACED[:12]:
        digest.update(run(draw(seed)).world.trace.text(times=True).encode())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DIGEST_OF_TRACES],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2718")
    ]
    printed = [process.communicate()[0].strip() for process in processes]
    assert printed == [digest.hexdigest()] * 2


@pytest.mark.parametrize("seed", TRACED[:12])
async def test_streams_carry_the_same_trace(seed: int) -> None:
    """Over real streams, as bytes in pieces, the machines do the same in the same order."""
    scenario = draw(seed)
    driver = run(scenario)
    world = await StreamDriver(scenario, driver.schedule).run()
    assert world.trace.text(times=True) == driver.world.trace.text(times=True)


@pytest.mark.parametrize(
    "kind",
    ["short cut", "long cut", "pause", "lossy crash", "repeated", "quick restart", "other story"],
)
async def test_streams_that_are_cut_carry_the_same_trace(kind: str) -> None:
    """What is said again after a reconnection, and what was lost, is the same over streams."""
    scenario = draw(7, peers=4, faults=2, only=kind)
    driver = run(scenario)
    world = await StreamDriver(scenario, driver.schedule).run()
    assert world.trace.text(times=True) == driver.world.trace.text(times=True)


def test_real_cryptography_gives_traces_of_the_same_shape() -> None:
    """The fakes change the bytes of messages, and nothing that anybody does."""
    for seed in TRACED[:10]:
        cheap, real = run(draw(seed)).world, run(draw(seed), real=True).world
        assert cheap.trace.shape() == real.trace.shape()


# -- the watch is awake -----------------------------------------------------------------------


CAUGHT: list[tuple[type[Round], set[int]]] = [
    (planted.Impatient, {3}),
    (planted.Forgetful, {3}),
    (planted.Unrecorded, {3}),
    (planted.Miscounting, {1, 2}),
    (planted.Boastful, {1}),
    (planted.Endless, {6}),
    (planted.Generous, {4}),
    (planted.Indiscreet, {5}),
    (planted.Careless, {5}),
    (planted.Bare, {5}),
    (planted.Suspicious, {7}),
    (planted.Credulous, {7}),
    (planted.Sceptical, {11}),
    (planted.Reassuring, {8}),
    (planted.Broken, {0}),
    (planted.Ashamed, {0}),
    (planted.Faint, {9}),
]


PROVOKED_BY: dict[type[Round], str] = {planted.Credulous: "false evidence"}
"""What has to happen before a machine shows its fault, where that is too rare to wait for."""


@pytest.mark.parametrize("everybody", [False, True], ids=["one", "all"])
@pytest.mark.parametrize(("faulty", "invariants"), CAUGHT, ids=[c[0].__name__ for c in CAUGHT])
def test_a_faulty_machine_is_reported(
    faulty: type[Round], invariants: set[int], everybody: bool
) -> None:
    """Each invariant is broken by a machine made for that, and within a few seeds reported."""
    broken = set()
    for seed in range(60):
        scenario = draw(seed, peers=4, only=PROVOKED_BY.get(faulty))
        honest = [index for index in scenario.indices if index not in scenario.dishonest]
        culprits = honest if everybody else honest[:1]
        try:
            HeapDriver(scenario, planted=dict.fromkeys(culprits, faulty)).run()
        except ViolationError as error:
            broken.add(error.invariant)
            if error.invariant in invariants:
                return
    pytest.fail(f"reported were only {broken}")


def test_machines_without_a_fault_are_not_reported() -> None:
    """The way in which faults are planted does nothing by itself."""
    for seed in range(20):
        scenario = draw(seed)
        HeapDriver(scenario, planted=dict.fromkeys(scenario.indices, planted.Planted)).run()


# -- the fakes are no weaker than what they stand for -----------------------------------------


def test_cheap_signatures_hold_only_for_what_was_signed() -> None:
    """Another sender, session, round, receiver, kind or body: the cheap notary refuses them all."""
    cast = Cast(draw(0, peers=3), real=False)
    assert cast.scenario.contributors == (1, 2, 3)
    one, two, three = (cast.notary(index) for index in (1, 2, 3))
    good = one.frame(Confirm(bytes(32)), 2)
    with cheap_signatures():
        assert two.open(1, good).message == Confirm(bytes(32))
    share = one.frame(Share(b"sealed"), 2)
    elsewhere = replace(cast.sessions[1], id=bytes(32))
    bad = [
        (2, 3, good),
        (2, 1, replace(good, body=good.body[:-1] + b"\x01")),
        (2, 1, replace(good, round=1)),
        (2, 1, replace(good, signature=bytes(64))),
        (2, 1, replace(good, kind=Kind.PARTIAL)),
        (3, 1, share),
        (2, 1, cast.notary(1, elsewhere).frame(Confirm(bytes(32)), 2)),
    ]
    for receiver, sender, frame in bad:
        with cheap_signatures(), pytest.raises(RemoteProtocolError):
            (two if receiver == 2 else three).open(sender, frame)
    with cheap_signatures():
        assert not two.is_signed_by(1, Kind.ECHO, 0, bytes(32), good.signature)
        assert not two.is_signed_by(1, Kind.HELLO, 0, bytes(32), good.signature)
        digest = two.digest_of(Confirm(bytes(32)))
        assert two.is_signed_by(1, Kind.CONFIRM, 0, digest, good.signature)
        assert not two.is_signed_by(3, Kind.CONFIRM, 0, digest, good.signature)


def test_cheap_seals_open_only_under_their_info() -> None:
    """A share that was sealed for another place does not open."""
    sealer = Cast(draw(0, peers=3), real=False).sealer(1)
    sealed = sealer.seal(2, b"secret", b"one info")
    assert sealer.open(1, sealed, b"one info") == b"secret"
    with pytest.raises(RemoteProtocolError):
        sealer.open(1, sealed, b"other info")


def vector_of(source: Source) -> list[int]:
    """Return what a cheap context expands at once, as plain integers."""
    assert isinstance(source, np.ndarray)
    return [int(value) for value in source]


def test_cheap_expansions_differ_by_all_that_they_are_bound_to() -> None:
    """Seed, purpose, owner and session each give another vector, and the same ones the same."""
    contexts = [Cast(draw(seed, peers=3), real=False).context(1) for seed in (0, 1)]
    seeds = [bytes(32), b"\x01" * 32]
    rows = [
        vector_of(context.mask(owner, seed))
        for context in contexts
        for owner in (1, 2)
        for seed in seeds
    ]
    assert len({tuple(row) for row in rows}) == len(rows)
    assert vector_of(contexts[0].mask(1, seeds[0])) == rows[0]
    assert contexts[0].mask_commitment(1, seeds[0]) != contexts[0].mask_commitment(2, seeds[0])


# -- the command --------------------------------------------------------------------------------


def test_a_campaign_says_which_faults_never_fired(capsys: pytest.CaptureFixture[str]) -> None:
    """One seed cannot show every kind of fault, and the command does not claim so."""
    assert main(["--seeds", "1"]) == 1
    out = capsys.readouterr().out
    assert "1 runs" in out
    assert "never fired: " in out
    assert "rows that no run showed: 1, 2, " in out
    assert main(["--seeds", "20", "--fault", "refusal", "--faults", "1"]) == 0


def test_workers_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes count what one counts, and the share with real cryptography is what was asked."""
    monkeypatch.setattr(campaign_module, "_RUNS_A_CHUNK", 15)
    drawing, seeds = Drawing(peers=3), range(40)
    alone = spread(drawing, seeds, workers=1, real_share=0.1)
    together = spread(drawing, seeds, workers=2, real_share=0.1)
    assert alone.real == 4
    assert not alone.failures
    for report in (alone, together):
        report.seconds = report.elapsed = 0.0
    assert alone == together


def test_a_failing_seed_prints_the_command_that_replays_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed, typed again, fails again in the same way and shows the trace."""

    def faulty(scenario: Scenario, *, real: bool) -> HeapDriver:
        return HeapDriver(scenario, real=real, planted={1: planted.Impatient})

    monkeypatch.setattr(campaign_module, "HeapDriver", faulty)
    monkeypatch.setattr("tests.simulator.__main__.HeapDriver", faulty)
    assert main(["--seeds", "3", "--start", "40", "--peers", "4", "--fault", "short cut"]) == 1
    printed = capsys.readouterr().out
    found = re.search(r"FAILED seed (\d+): (.*)\n +replay: (.*)\n", printed)
    assert found is not None
    seed, what, command = found.groups()
    python, module, name, *arguments = shlex.split(command)
    assert (python, module, name) == ("python", "-m", "tests.simulator")
    assert arguments == ["--seed", seed, "--peers", "4", "--fault", "short cut", "--trace"]
    assert main(arguments) == 1
    again = capsys.readouterr().out
    assert f"FAILED {what}" in again
    assert "for tests/simulator/kept.py" in again
    assert "1 says ECHO" in again


def test_a_seed_that_holds_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """The replay of a run without a failure shows how it ended."""
    assert main(["--seed", "3", "--peers", "3", "--faults", "0", "--trace"]) == 0
    out = capsys.readouterr().out
    assert "exit codes: {" in out
    assert "ends with 0" in out


def test_messages_of_a_trace_are_told_apart() -> None:
    """A changed byte changes the trace: digests cover kind, round, signature and body."""
    notary = Cast(draw(0, peers=3), real=False).notary(1)
    frames = [
        notary.frame(Confirm(bytes(32)), 2),
        notary.frame(Confirm(b"\x01" * 32), 2),
        notary.frame(Confirm(bytes(32)), 2, round_number=1),
        notary.frame(Commitment(bytes(32), (), ()), 2),
    ]
    lines = set()
    for frame in frames:
        trace = Trace()
        trace.lines.append((0.0, 1, "says", 2, frame))
        lines.add(trace.text())
    assert len(lines) == len(frames)
