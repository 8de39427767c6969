"""Whole sums in m31xm61: totals that fit no prime field, from inputs to verified files."""

from __future__ import annotations

import gc
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from p2pmpc.encoding import LARGEST_SCALED
from p2pmpc.errors import VerificationFailed
from p2pmpc.field import M61
from p2pmpc.outcome import Outcome
from p2pmpc.product import M31XM61
from p2pmpc.record import Record
from p2pmpc.storage import read_partials, write_output
from p2pmpc.swarm.command import run_swarm
from p2pmpc.swarm.data import Row, SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.report import _right_ones
from p2pmpc.swarm.watch import PeerState
from p2pmpc.totals import OpenedTotal
from p2pmpc.transcript import render, verify
from p2pmpc.verify import verify_directory
from p2pmpc.weights import LARGEST_WEIGHT
from tests.nodes import Peers, at_once
from tests.party import Party
from tests.processes import Processes

FIELD: Final = "m31xm61"
LARGE = 1 << 59
"""A value of which a few, weighted, are beyond 61 bits."""


# -- nodes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share_mode", "mode", "strict"),
    [*product(["seeds", "dense"], ["broadcast", "sharded"], [False, True])],
)
@at_once
async def test_every_mode_gives_a_total_beyond_61_bits(
    tmp_path: Path, share_mode: str, mode: str, strict: bool
) -> None:
    """In every mode totals are exact on both sides of 2^61, an observer sees them, and they verify."""
    peers = Peers(tmp_path, field=FIELD, share_mode=share_mode, mode=mode, strict=strict, length=3)
    rows = [(LARGE, -LARGE, 5), (LARGE - 1, -LARGE, -7), (LARGE, -3, 0)]
    weights = (1000, 999, 998)
    for row, weight in zip(rows, weights, strict=True):
        peers.add(*row, weight=weight, keep_partials=True)
    peers.add(weight=0)
    await peers.run()
    expected = [sum(w * row[k] for row, w in zip(rows, weights, strict=True)) for k in range(3)]
    assert peers.codes == [0] * 4
    assert abs(expected[0]) > 1 << 61
    assert [peer.total for peer in peers.members] == [expected] * 4
    assert len(peers.transcripts()) == 1
    verdict = verify_directory(tmp_path)
    assert verdict.recomputed
    assert list(verdict.total or ()) == list(map(str, expected))


@at_once
async def test_private_weights_near_the_largest_are_exact(tmp_path: Path) -> None:
    """The largest weights under which values of 57 bits fit: neither a weight nor a product is cut."""
    peers = Peers(tmp_path, field=FIELD, weight_bound=LARGEST_WEIGHT, length=2, mode="broadcast")
    rows = [(1 << 57, -1), (-(1 << 57), 1), (1 << 57, 1 << 57)]
    weights = (LARGEST_WEIGHT, -LARGEST_WEIGHT, LARGEST_WEIGHT - 1)
    for row, weight in zip(rows, weights, strict=True):
        peers.add(*row, weight=weight)
    await peers.run()
    expected = [sum(w * row[k] for row, w in zip(rows, weights, strict=True)) for k in range(2)]
    assert peers.codes == [0] * 3
    assert [peer.total for peer in peers.members] == [expected] * 3
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert outcome.total_weight == LARGEST_WEIGHT - 1
    assert json.loads(outcome.as_json())["total"] == expected
    assert list(verify_directory(tmp_path).total or ()) == list(map(str, expected))


@at_once
async def test_fraction_bits_beyond_a_double_are_exact(tmp_path: Path) -> None:
    """With 40 fraction bits, sums of thousands are exact texts, and .npy holds the nearest doubles."""
    peers = Peers(tmp_path, field=FIELD, fraction_bits=40, length=2, bound=1 << 19)
    out = tmp_path / "out"
    out.mkdir()
    for k, weight in enumerate((100003, 100019, -100043)):
        name = ("t.npy", "t.txt", "u.txt")[k]
        peers.add(f"{500000 + k}.000000000001", "-0.5", weight=weight, output=str(out / name))
    await peers.run()
    assert peers.codes == [0] * 3
    scaled = round((1 << 40) * 1e-12)
    total = sum(w * ((500000 + k << 40) + scaled) for k, w in enumerate((100003, 100019, -100043)))
    assert peers.members[0].total == [total, -(99979 << 39)]
    assert abs(total) > 1 << 61 - 6
    texts = (out / "t.txt").read_text().split()
    assert peers.members[0].outcome is not None
    assert texts == peers.members[0].outcome.total.texts()
    assert np.load(out / "t.npy").tolist() == [total / (1 << 40), -49989.5]


@at_once
async def test_what_m61_cannot_hold_is_refused_with_a_field_that_does(tmp_path: Path) -> None:
    """A bound that breaks the budget of m61 ends with 8, naming m31xm61; there it is summed."""
    for field, codes in (("m61", [8] * 3), (FIELD, [0] * 3)):
        peers = Peers(tmp_path / field, field=field, bound=LARGEST_SCALED)
        for weight in (1, 2, 3):
            peers.add(LARGEST_SCALED, weight=weight, join_timeout=5.0)
        await peers.run()
        assert peers.codes == codes
        if field == "m61":
            assert "--field m31xm61 at the founder would do" in peers.members[0].told
        else:
            assert peers.members[2].total == [6 * LARGEST_SCALED]


@at_once
async def test_long_vectors_are_summed_in_slices(tmp_path: Path) -> None:
    """Long vectors travel in slices of 12 bytes an element, and are recomputed from what was kept."""
    length = 40_000
    peers = Peers(tmp_path, field=FIELD, length=length, mode="sharded")
    for weight in (30_000, 3, -5):
        peers.add(*range(1 << 50, (1 << 50) + length), weight=weight, keep_partials=True)
    await peers.run()
    assert peers.codes == [0] * 3
    together = 29_998
    assert peers.members[1].total == [together * ((1 << 50) + k) for k in range(length)]
    assert verify_directory(tmp_path).recomputed


# -- swarms ---------------------------------------------------------------------------------


def test_a_swarm_of_processes_finds_a_wide_total(tmp_path: Path) -> None:
    """Three processes sum values near the largest input, --keep-partials, and `verify` recomputes it."""
    (tmp_path / "large.csv").write_text(f"{LARGEST_SCALED}\n{LARGEST_SCALED}\n-2\n")
    line = "3 --values large.csv --weights 1000,1001,999 --field m31xm61 --keep-partials --json"
    with Processes(tmp_path, forks=True) as processes:
        ended = processes.swarm(line).end()
    assert ended.code == 0, ended.err
    expected = [2001 * LARGEST_SCALED - 2 * 999]
    assert ended.json["total"] == ended.json["expected"] == expected
    assert expected[0] > 1 << 61
    assert ended.json["verified"] == 3
    verdict = verify_directory(tmp_path / "logs" / "latest")
    assert verdict.recomputed
    assert list(verdict.total or ()) == list(map(str, expected))


@pytest.mark.parametrize(
    "options",
    [
        {"length": 100, "keep_partials": True},
        {"length": 100, "keep_partials": True, "mode": "sharded", "share_mode": "dense"},
        {"length": 3, "private_weights": True, "fraction_bits": 44, "strict": True},
        {"length": 2, "weights": "-100000,2,-3,4", "fraction_bits": 50},
    ],
    ids=["kept", "sharded, dense", "private weights", "many fraction bits"],
)
def test_a_run_of_every_kind_verifies(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whatever its parameters, a drawn run gives the plain sum and verifies, recomputed."""
    thresholds = gc.get_threshold()
    given = SwarmOptions(in_process=True, log_dir=str(tmp_path), seed=5, field=FIELD, **options)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert run_swarm(4, given) == 0
    gc.set_threshold(*thresholds)
    summary = json.loads((tmp_path / "swarm.json").read_text())
    assert summary["verified"] == 4
    verdict = verify_directory(tmp_path)
    assert verdict.recomputed
    if options["length"] < 64:
        assert list(verdict.total or ()) == list(map(str, summary["expected"]))
    if options.get("mode") != "sharded" and options.get("keep_partials"):
        sums = read_partials(tmp_path / "peer-01.partials.npz")
        assert {vector.dtype for vector in sums.values()} == {M31XM61.word}


def test_wide_totals_in_files_are_told_from_wrong_ones(tmp_path: Path) -> None:
    """A swarm holds wide totals in memory, in JSON and in .npy against the plain sum."""
    row = np.array([LARGEST_SCALED, -LARGEST_SCALED, 7])
    data = SwarmData((1000, 2000), (Row.of(row), Row.of(row)), 0)
    values = [3000 * int(value) for value in row]
    states = []
    for number, wrong in enumerate((0, 0, 0, 1 << 30, 1 << 30, 1 << 30), start=1):
        opened = OpenedTotal(M31XM61, M31XM61.vector([values[0] + wrong, *values[1:]]), 0)
        path = tmp_path / f"{number}.npy"
        write_output(path, opened)
        known: list[dict[str, Any]] = [
            {"opened": opened},
            {"result": {"total": list(opened.values())}},
            {"result": {"total": None, "output": str(path)}},
        ]
        states.append(PeerState(number, 1, **known[number % 3]))
    assert [peer.number for peer in _right_ones(states, data)] == [1, 2, 3]


# -- totals and transcripts -----------------------------------------------------------------


def test_npy_totals_are_integers_while_64_bits_hold_all(tmp_path: Path) -> None:
    """A .npy total is int64 where that is exact, else the nearest doubles; text and JSON are exact."""
    edges = [(1 << 63) - 1, -(1 << 63), 0]
    for values, kind in (
        ([5, -7], np.int64),
        (edges, np.int64),
        ([*edges, 1 << 63], np.float64),
        ([-(1 << 63) - 1], np.float64),
        ([M31XM61.largest_magnitude, -M31XM61.largest_magnitude], np.float64),
    ):
        opened = OpenedTotal(M31XM61, M31XM61.vector(values), 0)
        for name in ("t.npy", "t.txt"):
            write_output(tmp_path / name, opened)
        written = np.load(tmp_path / "t.npy")
        assert written.dtype == kind
        assert written.tolist() == [int(v) if kind is np.int64 else float(v) for v in values]
        assert (tmp_path / "t.txt").read_text().split() == list(map(str, values))
        outcome = Outcome(opened, 3, ("a",), (), "ab" * 32, "logs/x")
        assert json.loads(outcome.as_json())["total"] == values
    assert OpenedTotal(M61, M61.vector([1]), 0).fits_int64


def finished(length: int) -> Record:
    """Return the record of an honest round of three, whose total is wide."""
    party = Party(
        [[LARGE] * length, [LARGE - 1] * length, [-3] * length],
        [LARGEST_WEIGHT, LARGEST_WEIGHT, 7],
        field=FIELD,
        allow_revealing_weights=True,
    )
    party.start()
    party.run()
    finished = party.members[1].finished
    assert finished is not None
    return finished.record


def test_a_transcript_holds_wide_values_and_no_others() -> None:
    """Values are decimal integers of any size that the field has; others are refused by their line."""
    text = render(finished(1))
    total = verify(text).total.values
    assert total is not None
    assert total[0] == LARGEST_WEIGHT * (2 * LARGE - 1) - 21
    beyond = (total[0] + 1, total[0] - M31XM61.modulus, M31XM61.largest_magnitude + 1)
    for wrong in (*map(str, beyond), "9" * 10_000):
        with pytest.raises(VerificationFailed, match="what its signed bytes say"):
            verify(text.replace(f"values={total[0]},", f"values={wrong},"))


@pytest.mark.parametrize("wrong", ["9" * 41, "9" * 10_000, "+5", "1_0", "", "0x1", "٣"])
def test_partial_sums_of_other_characters_or_sizes_are_refused(wrong: str) -> None:
    """Before a number is read its length is bounded, and nothing but digits and a sign is one."""
    lines = render(finished(1)).split("\n")
    (number,) = [k for k, line in enumerate(lines) if line.startswith("R4 1 sum")]
    before, _, values = lines[number].rpartition("values=")
    lines[number] = f"{before}values={wrong},{values.split(',')[1]}"
    with pytest.raises(VerificationFailed, match="the values are not integers"):
        verify("\n".join(lines))


def test_kept_vectors_of_another_field_are_refused() -> None:
    """What is kept beside a transcript must be reduced words of its field, before it is summed."""
    record = finished(70)
    text, sums = render(record), dict(record.sums)
    assert verify(text, sums).recomputed
    unreduced = sums[1].copy()
    unreduced["m61"][3] = M61.modulus
    for wrong in (sums[1]["m61"], np.zeros(len(sums[1])), unreduced):
        with pytest.raises(VerificationFailed, match="the vector kept is of another field"):
            verify(text, {**sums, 1: wrong})
    with pytest.raises(VerificationFailed, match="another length"):
        verify(text, {**sums, 1: sums[1][:-1]})
