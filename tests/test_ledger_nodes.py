"""The ledger in whole runs: what is refused before a share leaves, and when an entry is written."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from p2pmpc.cli import main as cli_main
from p2pmpc.errors import Interrupted, Revealed
from p2pmpc.identity import short_id
from p2pmpc.ledger import OpenedSum
from p2pmpc.ledger_file import ledger_path, read_ledger
from p2pmpc.messages import Kind
from p2pmpc.script import Column
from p2pmpc.swarm.command import main as swarm_main
from tests.nodes import KILLED, Peer, Peers, at_once, key_file
from tests.processes import Processes, Shell


class Crowd:
    """People with keys, who sum again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ids = {name: key_file(self.key(name)).id for name in ("ann", "bob", "eve", "joe")}
        self.runs = 0

    def key(self, name: str) -> Path:
        """Return somebody's key file."""
        return self.directory / f"{name}.pem"

    def gather(self, weights: dict[str, int], *values: object, **parameters: Any) -> Peers:
        """Return the nodes of a new session; everybody always has the same input."""
        self.runs += 1
        given = values or (7,)
        options = {"allow_two": True, "length": len(given), **parameters}
        peers = Peers(self.directory / f"run-{self.runs}", **options)
        for name, weight in weights.items():
            peers.add(*given * bool(weight), weight=weight, key=str(self.key(name)), name=name)
        return peers

    async def sum(self, weights: dict[str, int], *values: object, **parameters: Any) -> Peers:
        """Run a session to its end."""
        peers = self.gather(weights, *values, **parameters)
        await peers.run()
        return peers

    def ledger(self, name: str) -> tuple[OpenedSum, ...]:
        """Return somebody's ledger."""
        return read_ledger(ledger_path(self.key(name)))[1]

    def counts(self) -> list[int]:
        """Return how many sums stand in everybody's ledger."""
        return [len(self.ledger(name)) for name in self.ids]

    @property
    def leftovers(self) -> list[str]:
        """The names of files that no ledger should leave behind."""
        return [path.name for path in self.directory.iterdir() if path.name.startswith(".")]


@pytest.fixture
def crowd(tmp_path: Path) -> Crowd:
    """Four people."""
    return Crowd(tmp_path)


ALL = {"ann": 1, "bob": 2, "eve": 3, "joe": 4}
THREE = {"ann": 1, "bob": 2, "eve": 3}


# -- which sums -------------------------------------------------------------------------------


@at_once
async def test_a_sum_without_one_of_the_earlier_peers_is_refused_everywhere(crowd: Crowd) -> None:
    """Row 7: with one peer less the difference would be its input: 8 at all, and no share leaves."""
    assert (await crowd.sum(ALL)).codes == [0] * 4
    peers = await crowd.sum(THREE)
    assert peers.codes == [8, 8, 8]
    assert peers.reached("share") == []
    assert crowd.counts() == [1] * 4
    refused = [peer for peer in peers.members if "may have been opened in another sum" in peer.told]
    assert refused
    for peer in refused:
        assert f"{short_id(crowd.ids['joe'])} is in only one of the two" in peer.told
        assert "what is left is the input of that one peer" in peer.told
        assert Revealed.NOTHING.value in peer.told
    assert crowd.leftovers == []


@at_once
async def test_a_sum_with_somebody_new_is_refused_everywhere(crowd: Crowd) -> None:
    """Row 7: with one peer more it is the new one's input that would be told, who hears of an 8 too."""
    await crowd.sum(THREE)
    peers = await crowd.sum(ALL)
    assert peers.codes == [8] * 4
    assert any("joe (" in p.told and "is in only one" in p.told for p in peers.members)
    assert "whoever sees both" not in peers.members[3].told
    assert crowd.counts() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("again", "code"),
    [
        ({"ann": 1, "bob": 2, "eve": 3}, 0),
        ({"ann": 3, "bob": 6, "eve": 9}, 0),
        ({"ann": -2, "bob": -4, "eve": -6}, 0),
        ({"ann": 1, "bob": 2, "eve": -3}, 8),
        ({"ann": 1, "bob": 3, "eve": 3}, 8),
        ({"ann": 1, "bob": 2, "eve": 3, "joe": 0}, 0),
    ],
    ids=["same", "tripled", "negated", "a sign", "a weight", "watched"],
)
@at_once
async def test_weights_may_change_in_proportion_only(
    crowd: Crowd, again: dict[str, int], code: int
) -> None:
    """Row 7: the same sum or a multiple of it says nothing new; any other weights end with 8."""
    assert (await crowd.sum(THREE)).codes == [0, 0, 0]
    peers = await crowd.sum(again)
    assert peers.codes == [code] * len(again)
    assert crowd.counts() == [2 if code == 0 else 1] * 3 + [0]
    if code:
        assert peers.reached("share") == []
        assert any("with other weights" in peer.told for peer in peers.members)


@at_once
async def test_the_input_counts_and_not_how_it_is_written(crowd: Crowd) -> None:
    """An input that changed may be summed with anybody; the same in more fraction bits may not."""
    assert (await crowd.sum(ALL, "1.5", "2", fraction_bits=1)).codes == [0] * 4
    assert (await crowd.sum(THREE, "1.25", "2", fraction_bits=2)).codes == [0] * 3
    peers = await crowd.sum(THREE, "1.50", "2.0", fraction_bits=9, field="m61")
    assert peers.codes == [8, 8, 8]


@at_once
async def test_private_weights_are_remembered_too(crowd: Crowd) -> None:
    """Row 7: with private weights the own one must be the same again, and public ones are others."""
    private = {"private_weights": True}
    assert (await crowd.sum(THREE, **private)).codes == [0] * 3
    assert (await crowd.sum(THREE, **private)).codes == [0] * 3
    assert (await crowd.sum({**THREE, "eve": 4}, **private)).codes == [8] * 3
    assert (await crowd.sum(THREE)).codes == [8] * 3
    assert all(entry.weights is None for entry in crowd.ledger("ann"))


@at_once
async def test_differencing_can_be_accepted_by_all_whom_it_concerns(crowd: Crowd) -> None:
    """--accept-differencing sums with a warning and records it; one peer's word is not enough."""
    await crowd.sum(ALL)
    peers = crowd.gather(THREE)
    peers.members[0].options["accept_differencing"] = True
    await peers.run()
    assert peers.codes == [8, 8, 8]
    peers = crowd.gather(THREE)
    for peer in peers.members:
        peer.options["accept_differencing"] = True
    await peers.run()
    assert peers.codes == [0, 0, 0]
    for peer in peers.members:
        assert any("the difference of both may tell it" in warning for warning in peer.warnings)
        assert [entry.accepted for entry in crowd.ledger(peer.name)] == [False, True]
    assert crowd.leftovers == []


@at_once
async def test_an_observer_keeps_no_ledger(crowd: Crowd) -> None:
    """Who brings no input has nothing to remember, and may watch any sum."""
    await crowd.sum({**THREE, "joe": 0})
    assert not ledger_path(crowd.key("joe")).exists()
    assert crowd.counts() == [1, 1, 1, 0]


# -- when it is written -----------------------------------------------------------------------


def kinds_queued(peer: Peer) -> set[int]:
    """Return the kinds of all frames that a node has said so far."""
    assert peer.node is not None
    assert peer.node._runner is not None
    outboxes = peer.node._runner.mesh._outboxes
    return {frame[0][4] for outbox in outboxes.values() for frame in outbox.frames}


@at_once
async def test_the_entry_is_there_before_an_echo_leaves(crowd: Crowd) -> None:
    """A node held at step echo has written its ledger, and nobody has heard an ECHO of it."""
    peers = crowd.gather(THREE)
    held, *others = peers.members
    held.stall = "echo"
    seen: list[tuple[list[int], bool]] = []

    def look(peer: Peer, step: str) -> None:
        if step in ("partial", "echo"):
            seen.append((crowd.counts()[:1], Kind.ECHO in kinds_queued(peer)))

    held.on_step = look
    await peers.run()
    assert seen == [([0], False), ([1], False)]
    assert [peer.code for peer in others] == [3, 3]
    assert held.node is not None
    assert held.node._runner is not None
    index = held.node._runner.session.own_index
    for peer in others:
        assert peer.node is not None
        assert peer.node._runner is not None
        assert peer.node._runner._round is not None
        assert peer.node._runner._round.links[index].column is Column.SUMMED


@pytest.mark.parametrize(
    ("step", "written"), [("roster", 0), ("share", 0), ("partial", 0), ("echo", 1), ("open", 1)]
)
@at_once
async def test_a_run_that_is_killed_leaves_what_it_had_written(
    crowd: Crowd, step: str, written: int
) -> None:
    """Killed before its ECHO step a peer has written nothing; from then on it has its entry."""
    peers = crowd.gather(THREE)
    victim = peers.members[1]
    victim.kill = step
    await peers.run()
    assert victim.code == KILLED
    assert len(crowd.ledger("bob")) == written
    counts = crowd.counts()
    assert (counts[0], counts[2]) == ((1, 1) if step in ("echo", "open") else (0, 0))


@at_once
async def test_after_an_end_without_a_total_only_the_same_sum_goes_on(crowd: Crowd) -> None:
    """Row 3: what may have been opened may be summed again with everyone, and with nobody less."""
    peers = crowd.gather(ALL)
    for peer in peers.members[2:]:
        peer.kill = "open"
    await peers.run()
    assert peers.codes == [3, 3, KILLED, KILLED]
    assert crowd.counts() == [1] * 4
    assert (await crowd.sum(THREE)).codes == [8] * 3
    assert (await crowd.sum(ALL)).codes == [0] * 4


@at_once
async def test_a_signal_leaves_no_file_behind(crowd: Crowd) -> None:
    """Row 8: a run that is interrupted while sharing writes nothing and clears what it prepared."""
    peers = crowd.gather(THREE)
    prepared: list[int] = []
    async with trio.open_nursery() as nursery:

        def strike(peer: Peer, step: str) -> None:
            if step == "share" and peer.node is not None:
                prepared.append(len(crowd.leftovers))
                nursery.start_soon(peer.node.interrupt, Interrupted(15))

        peers.members[0].on_step = strike
        await peers.run()
    assert peers.codes == [143, 3, 3]
    assert prepared[0] > 0
    assert (crowd.leftovers, crowd.counts()) == ([], [0] * 4)


# -- a ledger that fails ------------------------------------------------------------------------


def no_room(*_arguments: object, **_more: object) -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@at_once
async def test_a_folder_that_cannot_be_written_is_noticed_before_sharing(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24: a ledger that cannot be prepared ends with 7 before a share leaves; the others with 3."""
    is_open = os.open

    def refusing(path: Any, *more: Any, **others: Any) -> int:
        if ".bob.pem.ledger." in str(path):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return is_open(path, *more, **others)

    monkeypatch.setattr("os.open", refusing)
    peers = await crowd.sum(THREE)
    assert peers.codes == [3, 7, 3]
    assert "bob.pem.ledger: Permission denied" in peers.members[1].told
    assert peers.reached("share") == []
    assert crowd.counts() == [0] * 4
    for peer in (peers.members[0], peers.members[2]):
        assert "pem" not in peer.told
    assert crowd.leftovers == []


@at_once
async def test_a_disk_full_at_the_commit_lets_no_echo_out(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24: a ledger that cannot take its name ends with 7, and without this ECHO nothing opens."""
    peers = crowd.gather(THREE)
    take_name = Path.replace

    def replacing(path: Path, target: Path) -> Path:
        if "bob" in target.name:
            no_room()
        return take_name(path, target)

    monkeypatch.setattr(Path, "replace", replacing)
    await peers.run()
    assert peers.codes == [3, 7, 3]
    assert Kind.ECHO not in kinds_queued(peers.members[1])
    assert Revealed.NOTHING.value in peers.members[1].told
    assert "No space left on device" in peers.members[1].told
    assert peers.reached("open") == []
    assert crowd.ledger("bob") == ()
    assert crowd.leftovers == []


@at_once
async def test_a_sum_recorded_meanwhile_stops_the_run_before_its_echo(crowd: Crowd) -> None:
    """Row 7: of two sums that would difference, run at the same time, the later to echo ends with 8."""
    await crowd.sum(ALL)
    path = ledger_path(crowd.key("bob"))
    recorded = path.read_bytes()
    for name in ALL:
        ledger_path(crowd.key(name)).unlink()
    peers = crowd.gather(THREE)

    def other_run_commits(_peer: Peer, step: str) -> None:
        if step == "partial":
            path.touch(mode=0o600)
            path.write_bytes(recorded)

    peers.members[1].on_step = other_run_commits
    await peers.run()
    assert peers.codes == [8, 8, 8]
    assert "is in only one of the two" in peers.members[1].told
    assert Revealed.NOTHING.value in peers.members[1].told
    assert Kind.ECHO not in kinds_queued(peers.members[1])
    assert peers.reached("open") == []
    assert path.read_bytes() == recorded
    assert crowd.leftovers == []


@pytest.mark.parametrize(
    ("spoil", "codes", "told"),
    [
        (lambda path: path.write_text("nonsense\n"), [8, 8, 8], "is damaged: line 1"),
        (lambda path: path.chmod(0o644), [3, 2, 3], "can be read by others"),
    ],
    ids=["damaged", "readable"],
)
@at_once
async def test_a_ledger_that_cannot_be_trusted_stops_the_run(
    crowd: Crowd, spoil: Callable[[Path], object], codes: list[int], told: str
) -> None:
    """A ledger that is damaged or open to others ends the run before a share leaves; others hear no more."""
    await crowd.sum(THREE)
    spoil(ledger_path(crowd.key("bob")))
    peers = await crowd.sum(THREE)
    assert peers.codes == codes
    assert told in peers.members[1].told
    assert peers.reached("share") == []
    assert "ledger" not in peers.members[0].told + peers.members[2].told
    assert crowd.leftovers == []


# -- keys for one run, and the command ----------------------------------------------------------


def ledgers_below(folder: Path) -> list[Path]:
    """Return everything in a folder and its folders that has to do with a ledger."""
    return [path for path in folder.rglob("*") if "ledger" in path.name]


@at_once
async def test_a_key_for_one_run_leaves_no_ledger(tmp_path: Path) -> None:
    """Without --key a peer remembers nothing, and the same input may be summed with others."""
    for name, count in (("one", 4), ("two", 3)):
        peers = Peers(tmp_path / name)
        peers.add_all([7] * count, weight=1)
        await peers.run()
        assert peers.codes == [0] * count
    assert ledgers_below(tmp_path) == []


def test_a_swarm_leaves_no_ledger(shell: Shell, tmp_path: Path) -> None:
    """The keys of a swarm are for one run, so a swarm may be repeated with any peers."""
    code, _, err = shell.run(swarm_main, "3 --in-process --seed 1 --log-dir run")
    assert code == 0, err
    assert ledgers_below(tmp_path) == []


@at_once
async def two_sums(crowd: Crowd) -> None:
    """Let everybody sum twice, with another input the second time."""
    await crowd.sum(ALL)
    await crowd.sum(ALL, 8)


def test_the_ledger_can_be_read_by_its_owner(crowd: Crowd, shell: Shell) -> None:
    """`p2pmpc ledger` shows a table, or JSON with the same facts, and no input in either."""
    code, out, err = shell.run(cli_main, "ledger --key ann.pem")
    assert (code, out, err) == (
        0,
        "nothing is remembered here, and so nothing would be refused\n",
        "",
    )
    assert json.loads(shell.run(cli_main, "ledger --key ann.pem --json")[1]) == []
    two_sums(crowd=crowd)
    code, out, err = shell.run(cli_main, "ledger --key ann.pem")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split()[:4] == ["input", "date", "session", "contributors"]
    assert [line.split()[0] for line in lines] == ["1", "2"]
    for name, weight in ALL.items():
        assert all(f"{short_id(crowd.ids[name])} ({weight})" in line for line in lines)
    code, out, err = shell.run(cli_main, "ledger --key ann.pem --json")
    assert (code, err) == (0, "")
    first, second = json.loads(out)
    assert first["session"] != second["session"]
    assert first["input"] != second["input"]
    assert sorted(first["weights"]) == [1, 2, 3, 4]
    assert set(first["contributors"]) == {identifier.hex() for identifier in crowd.ids.values()}
    assert first["accepted"] is False


def test_a_ledger_that_cannot_be_shown_says_why(crowd: Crowd, shell: Shell) -> None:
    """No key ends with 2 and makes none; a ledger open to others with 2; a damaged one with 8."""
    code, out, err = shell.run(cli_main, "ledger --key nobody.pem")
    assert (code, out) == (2, "")
    assert "cannot read the key file nobody.pem" in err
    assert not (crowd.directory / "nobody.pem").exists()
    path = ledger_path(crowd.key("ann"))
    path.write_text("p2pmpc-ledger 1\n{}\n")
    path.chmod(0o644)
    assert shell.run(cli_main, "ledger --key ann.pem")[0] == 2
    path.chmod(0o600)
    code, out, err = shell.run(cli_main, "ledger --key ann.pem")
    assert (code, out) == (8, "")
    assert "damaged: line 2" in err
    assert shell.run(cli_main, "ledger")[0] == 2


def test_a_process_killed_after_it_recorded_has_its_entry(tmp_path: Path) -> None:
    """SIGKILL at step echo leaves the entry on disk, for whichever process reads it next."""
    key_file(tmp_path / "k.pem")
    with Processes(tmp_path, forks=True) as processes:
        _, bootstrap = processes.founder(3, "--value 5")
        processes.node(f"--bootstrap {bootstrap} --value 6")
        held = processes.node(
            f"--bootstrap {bootstrap} --input - --key k.pem --hold echo --progress json",
            stdin=b"7\n",
        )
        held.line('"holding"')
        held.signal(signal.SIGKILL)
        assert held.end().code == -signal.SIGKILL
        shown = processes.cli("ledger --key k.pem --json").end()
    (recorded,) = json.loads(shown.out)
    assert recorded["weights"] == [1, 1, 1]
