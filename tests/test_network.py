"""Real nodes on a bad network, in namespaces of their own: rows 9 and 10.

All scenes run at a time, each on a network of its own. `python -m tests.network` plays many more.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.network.forwarder import Conditions, Wire
from tests.network.net import why_not
from tests.network.scenes import (
    GONE,
    Played,
    Scene,
    Times,
    forgotten_connection,
    partition_that_heals,
    partition_that_stays,
)

QUICK = Times(heartbeat=0.5, reconnect=15.0, timeout=60.0)
in_namespaces = pytest.mark.network


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """All scenes, played at once."""
    if reason := why_not():
        pytest.skip(reason)

    def directory(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    far = Conditions(3, seed=10, delay=0.1, loss=0.05, duplication=0.05, reordering=0.05)
    short = Times(heartbeat=0.4, reconnect=2.0, timeout=60.0)
    with ThreadPoolExecutor() as pool:
        playing = {
            "far": pool.submit(Scene(directory("far"), far, Times(), rounds=2).play),
            "heals": pool.submit(
                Scene(directory("heals"), Conditions(3), QUICK).play, partition_that_heals
            ),
            "stays": pool.submit(
                Scene(directory("stays"), Conditions(3), short, "share").play, partition_that_stays
            ),
            "forgotten": pool.submit(
                Scene(directory("forgotten"), Conditions(3), QUICK).play, forgotten_connection
            ),
        }
        played = {name: scene.result() for name, scene in playing.items()}
    for scene in played.values():
        scene.check()
    return played


def logged(scene: Played, name: str) -> list[dict[str, str]]:
    """Return the lines of a peer's log."""
    lines = (scene.directory / name / f"{name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


@in_namespaces
def test_a_long_and_lossy_way_costs_only_time(scenes: dict[str, Played]) -> None:
    """Row 10: 200 ms there and back, 5 % lost, packets twice and out of order: every sum ends with 0."""
    far = scenes["far"]
    assert far.codes == [0, 0, 0]
    assert far.totals == [{str(far.total)}] * 3
    assert all(far.counts[what] for what in ("lost", "duplicated", "reordered"))


@in_namespaces
def test_a_partition_that_heals_costs_only_time(scenes: dict[str, Played]) -> None:
    """Row 10: links that were given up in a partition are dialled anew when it is over, and all end with 0."""
    heals = scenes["heals"]
    assert heals.codes == [0, 0, 0]
    assert heals.counts["cut"]
    for name in ("ann", "bob"):
        events = [line["event"] for line in logged(heals, name)]
        assert {"silent", "disconnected", "reconnected"} <= set(events)
    for end in heals.ended[:2]:
        assert re.search(r"^\.\.\. eve \(\w+\) is connected again$", end.err, re.MULTILINE)


@in_namespaces
def test_a_partition_that_stays_is_called_one(scenes: dict[str, Played]) -> None:
    """Row 10: both sides end with 3, and say that nothing comes back: neither a stop nor an end."""
    stays = scenes["stays"]
    assert stays.codes == [3, 3, 3]
    for error in stays.errors:
        assert re.search(GONE, error), error
        assert "nothing about your data was revealed" in error
    assert all("eve" in error for error in stays.errors[:2])
    assert "check the network between here and 10.77.0." in "".join(stays.errors)


@in_namespaces
def test_a_half_open_link_is_replaced(scenes: dict[str, Played]) -> None:
    """Row 9: a connection that gets nowhere is given up for a new one, the others stay, and all end with 0."""
    forgotten = scenes["forgotten"]
    assert forgotten.codes == [0, 0, 0]
    assert forgotten.counts["forgotten"]
    assert {"silent", "reconnected"} <= {line["event"] for line in logged(forgotten, "bob")}
    ann = [line for line in logged(forgotten, "ann") if line["event"] == "disconnected"]
    assert ann == []


# -- the forwarder itself -------------------------------------------------------------------------

PACKET = bytes([0x45, *bytes(8), 6, *bytes(10), 0, 1, 0, 2, *bytes(9), 0x10, *bytes(6)])


def test_equal_seeds_disturb_alike() -> None:
    """What becomes of packets follows from the seed, so a scene can be played again."""
    one, two, other = (
        Wire(Conditions(2, seed, 0.1, loss=0.3, duplication=0.3, reordering=0.3))
        for seed in (7, 7, 8)
    )
    fates = [[wire.fate(PACKET, 1, 2) for _ in range(100)] for wire in (one, two, other)]
    assert fates[0] == fates[1] != fates[2]
    assert {len(fate) for fate in fates[0]} == {0, 1, 2}
    assert one.counts["lost"] == sum(fate == [] for fate in fates[0])


def test_a_cut_goes_both_ways_and_heals() -> None:
    """Nothing passes between groups, everything within them, and all of it again once it is healed."""
    wire = Wire(Conditions(3, delay=0.5))
    wire.cut([[1, 2], [3]])
    assert wire.fate(PACKET, 1, 3) == wire.fate(PACKET, 3, 2) == []
    assert wire.fate(PACKET, 1, 2) == [0.5]
    wire.heal()
    assert wire.fate(PACKET, 1, 3) == [0.5]


def test_only_known_connections_are_forgotten() -> None:
    """Packets of a forgotten connection pass no more, in either direction; those of a new one do."""
    wire, other = Wire(Conditions(3)), bytearray(PACKET)
    back = bytearray(PACKET)
    other[21], back[21], back[23] = 9, 2, 1
    for packet, here, there in ((PACKET, 1, 2), (back, 2, 1), (PACKET, 1, 3)):
        wire.fate(bytes(packet), here, there)
    wire.forget([[2, 1]])
    assert wire.fate(PACKET, 1, 2) == wire.fate(bytes(back), 2, 1) == []
    assert wire.fate(bytes(other), 1, 2) == wire.fate(PACKET, 1, 3) == [0.0]
