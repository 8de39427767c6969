"""A peer that was killed goes on: the same bytes again, the same total, and nothing given away.

What it keeps for that is in tests/test_kept.py.

A node of these tests is killed by cancelling all that it does, with its streams cut: like a process that is
killed, it says nothing more and tidies nothing up. Real processes are in tests/test_processes.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio

from p2pmpc.actions import STEPS
from p2pmpc.errors import ResourceExhausted, Revealed
from p2pmpc.kept import Fact, Kept, KeptWord, parse_kept
from p2pmpc.state_file import StateFile
from tests.nodes import KILLED, Listed, Peer, Peers, at_once


class Interrupted:
    """Some nodes, one of which is killed and goes on.

    Args:
        folder: Of their logs, and of what they keep.
        parameters: The founder's options.
    """

    def __init__(self, folder: Path, **parameters: Any) -> None:
        self.state = folder / "state"
        self.peers = Peers(folder / "logs", **parameters)

    def add(self, *values: object, **options: Any) -> Peer:
        """Add a node that keeps state."""
        return self.peers.add(*values, state_dir=str(self.state), **options)

    async def run(self, victim: Peer, *values: object, **options: Any) -> Peer:
        """Run all; when the victim is dead, start it again; return what it came to.

        Args:
            victim: Killed at a step.
            values: What it brings the second time.
            options: Its options then.
        """
        again: Peer | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.peers.run)
            await victim.ended.wait()
            assert victim.killed
            assert self.kept()
            if victim is self.peers.members[0]:  # it founds
                options["bootstrap"] = None
            again = self.peers.add(
                *values, name=victim.name, state_dir=str(self.state), resume=True, **options
            )
            await self.peers.run_one(again)
        return again

    def kill_after(self, victim: Peer, sent: int) -> None:
        """Kill a node once it has sent so many bytes; the last of them may be half a frame."""
        victim.wires.cut_after(sent)
        cut = victim.wires.cut

        def strike() -> None:
            cut()
            self.peers._running[victim.name].cancel()

        vars(victim.wires)["cut"] = strike

    def kept(self) -> list[Path]:
        """Return the files of what is kept."""
        return sorted(self.state.glob("*"))


@pytest.mark.parametrize("victim", [0, 2])
@pytest.mark.parametrize("step", STEPS[2:])
@at_once
async def test_a_killed_peer_goes_on_at_every_step(tmp_path: Path, step: str, victim: int) -> None:
    """Row 5: killed before its message of a step left, founder or joiner, it comes back: 0 at all."""
    here = Interrupted(tmp_path)
    members = [
        here.add(10**number, weight=number + 1, kill=step if number == victim else None)
        for number in range(4)
    ]
    again = await here.run(members[victim], 10**victim)
    assert [peer.code for peer in members if not peer.killed] == [0, 0, 0]
    assert again.code == 0
    assert again.total == [4321]
    assert members[victim].code == KILLED
    assert len(here.peers.transcripts()) == 1
    assert here.kept() == []


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "sharded"},
        {"mode": "sharded", "share_mode": "dense", "field": "m31xm61"},
        {"share_mode": "dense"},
        {"strict": True},
        {"private_weights": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("step", ["partial", "open"])
@at_once
async def test_a_killed_peer_goes_on_in_every_mode(
    tmp_path: Path, options: dict[str, Any], step: str
) -> None:
    """Row 5: sealed bytes, slices, elements and private weights come again as they were."""
    here = Interrupted(tmp_path, length=5, **options)
    rows = [[10**n, 0, 1, n, -n] for n in range(4)]
    members = [
        here.add(*row, weight=n + 1, kill=step if n == 1 else None) for n, row in enumerate(rows)
    ]
    again = await here.run(members[1], *rows[1], weight=2)
    assert [peer.code for peer in members if not peer.killed] == [0, 0, 0]
    assert again.code == 0
    assert again.total == [sum((n + 1) * row[k] for n, row in enumerate(rows)) for k in range(5)]
    assert len(here.peers.transcripts()) == 1


@pytest.mark.parametrize("step", ["roster", "echo", "confirm"])
@at_once
async def test_an_observer_that_was_killed_goes_on(tmp_path: Path, step: str) -> None:
    """Row 5: an observer says nothing but CONFIRM, and hears everything again."""
    here = Interrupted(tmp_path)
    for value in (1, 2, 3):
        here.add(value, weight=1)
    victim = here.add(weight=0, kill=step)
    again = await here.run(victim, weight=0)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0, 0]
    assert again.total == [6]


@at_once
async def test_a_peer_of_a_roster_file_that_was_killed_goes_on(tmp_path: Path) -> None:
    """Row 5: with a roster file and keys, --resume finds the session by its key."""
    listed = Listed(tmp_path, ["a", "b", "c"])
    here = Interrupted(tmp_path)
    listed.peers = here.peers
    roster = listed.write("all")
    for number, name in enumerate("abc"):
        listed.add(
            name,
            number,
            roster=roster,
            state_dir=str(here.state),
            kill="echo" if name == "b" else None,
        )
    victim = here.peers.members[1]
    again = await here.run(victim, 1, key=str(tmp_path / "b.pem"), roster=roster)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0]
    assert again.total == [3]


@pytest.mark.parametrize(
    ("step", "at", "share_mode"),
    [
        ("confirm", 1, "seeds"),
        ("share", 2, "seeds"),
        ("echo", 2, "seeds"),
        ("partial", 3, "dense"),
        ("confirm", 3, "seeds"),
    ],
)
@at_once
async def test_a_peer_that_was_killed_in_a_later_round_goes_on_there(
    tmp_path: Path, step: str, at: int, share_mode: str
) -> None:
    """Row 5: the ratchet goes on from where it was, and so does the log."""
    here = Interrupted(tmp_path, rounds=3, share_mode=share_mode)
    rows = [[n, 10 + n, 100 + n] for n in range(4)]
    members = [here.add(*row, weight=1) for row in rows]
    victim, wires = members[3], members[3].wires

    def strike(peer: Peer, reached: str) -> None:
        if peer.steps.count(reached) == at and reached == step:
            wires.cut()
            here.peers._running[peer.name].cancel()

    victim.on_step = strike
    again = await here.run(victim, *rows[3])
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0, 0]
    assert again.total == [406]
    assert len(here.peers.transcripts()) == 3
    assert [line["event"] for line in here.peers.log(again)].count("resumed") == 1


@at_once
async def test_a_round_that_was_written_down_is_written_again(tmp_path: Path) -> None:
    """A peer killed between two rounds does the first again, and its files take the others' place."""
    here = Interrupted(tmp_path, rounds=2)
    for number in range(3):
        here.add(number, number, weight=1)
    victim = here.add(3, 33, weight=1)
    stem = here.peers.directory / f"{victim.name}.r0001"
    kept: dict[Path, bytes] = {}

    def strike(peer: Peer, step: str) -> None:
        if step == "confirm":
            (path,) = (p for p in here.kept() if f'"name": "{victim.name}"' in p.read_text())
            kept[path] = path.read_bytes()
        elif kept:  # the second round begins: as if it did not
            (path,) = kept
            path.write_bytes(kept[path])
            peer.wires.cut()
            here.peers._running[peer.name].cancel()

    victim.on_step = strike
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.peers.run)
        await victim.ended.wait()
        before = stem.with_suffix(".r0001.receipt.json").read_bytes()
        again = here.peers.add(3, 33, name=victim.name, state_dir=str(here.state), resume=True)
        await here.peers.run_one(again)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0, 0]
    assert len(here.peers.transcripts()) == 2
    assert stem.with_suffix(".r0001.receipt.json").read_bytes() != before


@at_once
async def test_who_goes_on_too_late_is_told_what_its_echo_may_have_opened(tmp_path: Path) -> None:
    """Rows 4 and 5: killed after its ECHO, it comes back when all others have died: 3, and the warning."""
    here = Interrupted(tmp_path, timeout=20)
    others = [here.add(number, weight=1, kill="open") for number in (1, 2, 3)]
    victim = here.add(4, weight=1, kill="open")
    await here.peers.run()
    assert all(peer.killed for peer in (*others, victim))
    again = here.peers.add(4, name=victim.name, state_dir=str(here.state), resume=True, timeout=20)
    await here.peers.run_one(again)
    assert again.code == 3
    assert Revealed.MAYBE_TOTAL.value in again.told
    assert "no share was sent" not in again.told


@at_once
async def test_a_share_that_cannot_be_remembered_does_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24: with no room for what it is about to say a peer ends with 7, and nothing is revealed."""
    honest = StateFile.add

    def add(file: StateFile, *facts: Fact) -> None:
        if any(isinstance(fact, KeptWord) for fact in facts):
            raise ResourceExhausted("cannot write the state: no space")
        honest(file, *facts)

    monkeypatch.setattr(StateFile, "add", add)
    here = Interrupted(tmp_path)
    here.add(1)
    for value in (2, 3):
        here.peers.add(value, no_state=True)
    await here.peers.run()
    assert here.peers.codes == [7, 3, 3]
    assert Revealed.NOTHING.value in here.peers.members[0].told


@at_once
async def test_the_sealing_key_is_forgotten_with_the_first_round(tmp_path: Path) -> None:
    """From the second round on the ratchet holds; with the key, the first SHAREs would give all links."""
    here = Interrupted(tmp_path, rounds=2)
    looked_at = here.add(1, 11)
    for value in (2, 3):
        here.peers.add(value, value, no_state=True)
    kept: list[Kept] = []

    def look(_peer: Peer, _step: str) -> None:
        kept.extend(parse_kept(path.read_text())[0] for path in here.kept())

    looked_at.on_step = look
    await here.peers.run()
    by_round = {k.round.number: any(k.me.sealing) for k in kept if k.round is not None}
    assert by_round == {0: True, 1: False}


@pytest.mark.parametrize("step", ["share", "confirm"])
@at_once
async def test_another_input_is_refused_and_the_right_one_goes_on(
    tmp_path: Path, step: str
) -> None:
    """Row 6: another value or weight ends with 8, before a byte leaves; what is kept stays."""
    here = Interrupted(tmp_path)
    for number in range(3):
        here.add(number, weight=2)
    victim = here.add(3, weight=2, kill=step)
    refused: list[Peer] = []

    async def again(*values: object, **options: Any) -> Peer:
        peer = here.peers.add(
            *values, name=victim.name, state_dir=str(here.state), resume=True, **options
        )
        await here.peers.run_one(peer)
        return peer

    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.peers.run)
        await victim.ended.wait()
        refused.append(await again(4))
        refused.append(await again(3, weight=3))
        assert all(peer.wires.sent == 0 for peer in refused)
        right = await again(3)
    assert [peer.code for peer in refused] == [8, 8]
    assert "not the input" in refused[0].told
    assert "weight 2" in refused[1].told
    assert right.total == [12]


@at_once
async def test_another_input_in_a_later_round_is_told_what_earlier_ones_opened(
    tmp_path: Path,
) -> None:
    """Row 6: who is refused in a second round is told that the total of the first was opened."""
    here = Interrupted(tmp_path, rounds=2)
    rows = [[n, 10 + n] for n in range(4)]
    members = [here.add(*row, weight=1) for row in rows]
    victim, wires = members[3], members[3].wires

    def strike(peer: Peer, reached: str) -> None:
        if reached == "share" and peer.steps.count(reached) == 2:
            wires.cut()
            here.peers._running[peer.name].cancel()

    victim.on_step = strike
    again = await here.run(victim, 3, 99)
    assert again.code == 8
    assert again.wires.sent == 0
    assert "totals of earlier rounds were opened" in again.told


@at_once
async def test_two_that_go_on_in_different_rounds_accuse_nobody(tmp_path: Path) -> None:
    """Row 5: who goes on in a round that another one has done needs what that one forgot: 3, not 4."""
    here = Interrupted(tmp_path, rounds=2)
    for number in range(4):
        here.add(number, 10 + number, weight=1)
    behind, ahead = here.peers.members[2:]
    kept: dict[Path, bytes] = {}

    def strike(peer: Peer, step: str) -> None:
        if step == "confirm" and peer is behind:
            (path,) = (p for p in here.kept() if f'"name": "{peer.name}"' in p.read_text())
            kept[path] = path.read_bytes()
        elif step == "share" and peer.steps.count(step) == 2:
            if peer is behind:  # the second round begins: as if it did not
                (path,) = kept
                path.write_bytes(kept[path])
            peer.wires.cut()
            here.peers._running[peer.name].cancel()

    behind.on_step = ahead.on_step = strike
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.peers.run)
        await behind.ended.wait()
        await ahead.ended.wait()
        again = [
            here.peers.add(n, 10 + n, name=peer.name, state_dir=str(here.state), resume=True)
            for n, peer in ((2, behind), (3, ahead))
        ]
        for peer in again:
            nursery.start_soon(here.peers.run_one, peer)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [3, 3, 3, 3]
    assert "gone on without what it said" in again[0].told
    assert "may have been opened" in again[0].told


@at_once
async def test_a_private_weight_counts_as_input(tmp_path: Path) -> None:
    """Row 6: the same value with another private weight is another secret under the same masks."""
    here = Interrupted(tmp_path, private_weights=True)
    for number in range(3):
        here.add(number, weight=2)
    victim = here.add(3, weight=2, kill="echo")
    other = await here.run(victim, 3, weight=5)
    assert other.code == 8
    assert other.wires.sent == 0


@pytest.mark.parametrize(
    ("step", "revealed"), [("partial", Revealed.NOTHING), ("open", Revealed.MAYBE_TOTAL)]
)
@at_once
async def test_a_peer_that_goes_on_alone_says_what_was_revealed(
    tmp_path: Path, step: str, revealed: Revealed
) -> None:
    """Row 4: killed after its ECHO, it comes back when all have left: the total may have been opened."""
    here = Interrupted(tmp_path)
    others = [here.add(value) for value in (1, 2)]
    victim = here.add(3, kill=step)
    await here.peers.run()
    assert {peer.code for peer in others} == {0 if revealed is Revealed.MAYBE_TOTAL else 3}
    again = here.peers.add(3, name=victim.name, state_dir=str(here.state), resume=True)
    await here.peers.run_one(again)
    assert again.code == 3
    assert again.error is not None
    assert again.error.revealed is revealed
    assert "no share was sent" not in again.told


@at_once
async def test_drawn_inputs_and_weights_are_drawn_again(tmp_path: Path) -> None:
    """A peer that draws its value and weight draws the same ones when it goes on."""
    here = Interrupted(tmp_path)
    victim = here.add(kill="share")
    for _ in range(3):
        here.add()
    again = await here.run(victim)
    assert again.code == 0
    assert {tuple(peer.total) for peer in here.peers.members if not peer.killed} == {
        tuple(again.total)
    }


@pytest.mark.parametrize("sent", range(4000, 16000, 2300))
@at_once
async def test_a_peer_goes_on_wherever_its_bytes_were_cut(tmp_path: Path, sent: int) -> None:
    """Row 5: killed after any number of bytes had left, in the middle of whatever it was."""
    here = Interrupted(tmp_path)
    for number in range(3):
        here.add(number, weight=1)
    victim = here.add(7, weight=1)
    here.kill_after(victim, sent)
    again = await here.run(victim, 7)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0, 0]
    assert again.total == [10]


@pytest.mark.parametrize("lines", [1, 2, 3])
@at_once
async def test_a_peer_goes_on_wherever_its_last_write_was_cut(tmp_path: Path, lines: int) -> None:
    """Row 5: of what is written at one time the end may be missing; nothing of it has left by then."""
    here = Interrupted(tmp_path)
    for number in range(3):
        here.add(number, weight=1)
    victim = here.add(7, weight=1)

    def strike(peer: Peer, step: str) -> None:
        if step == "share":
            (path,) = (p for p in here.kept() if f'"name": "{victim.name}"' in p.read_text())
            kept = path.read_text().splitlines(keepends=True)
            path.write_text("".join(kept[:-lines]))
            peer.wires.cut()
            here.peers._running[peer.name].cancel()

    victim.on_step = strike
    again = await here.run(victim, 7)
    assert [peer.code for peer in here.peers.members if not peer.killed] == [0, 0, 0, 0]
    assert again.total == [10]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@at_once
async def test_state_that_cannot_be_kept_any_more_ends_with_7_and_the_total(tmp_path: Path) -> None:
    """Row 24: the disk of the state is full after the shares left: the round goes on, and 7."""
    here = Interrupted(tmp_path)
    members = [here.add(number, weight=1) for number in range(3)]

    def fill(peer: Peer, step: str) -> None:
        assert peer.node is not None
        if step == "partial":
            file = peer.node._memory._file
            assert file is not None
            os.close(file._descriptor)
            file._descriptor = os.open("/dev/full", os.O_WRONLY)

    members[1].on_step = fill
    await here.peers.run()
    assert here.peers.codes == [0, 7, 0]
    assert {tuple(peer.total) for peer in members} == {(3,)}
    assert members[1].outcome is not None
    assert "cannot write the state" in str(members[1].outcome.trouble)
    assert here.kept() == []


@at_once
async def test_secrets_are_not_added_to_a_log_that_others_can_read(tmp_path: Path) -> None:
    """Row 29: --log-secrets that comes with --resume alone makes the log 0600 as it does otherwise."""
    here = Interrupted(tmp_path)
    for number in range(3):
        here.add(number, weight=1)
    victim = here.add(3, weight=1, kill="share")
    path = here.peers.directory / f"{victim.name}.log"
    again = await here.run(victim, 3, log_secrets=True)
    assert again.code == 0
    assert "secret mask" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@at_once
async def test_an_input_that_differs_behind_the_digits_of_a_double_is_refused(
    tmp_path: Path,
) -> None:
    """Row 6: two inputs that are one as doubles are two under the masks."""
    here = Interrupted(tmp_path, field="m61", length=1)
    for number in range(3):
        here.add(number, weight=1)
    victim = here.add(1 << 54, weight=1, kill="share")
    again = await here.run(victim, (1 << 54) + 1)
    assert again.code == 8
    assert again.wires.sent == 0
