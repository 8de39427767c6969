"""Known secrets are planted in runs of every kind, and every artefact is searched for them.

The search is shown to work by runs with --log-secrets, in which it must find what it looks for.
"""

from __future__ import annotations

import json
import re
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.field import M61
from p2pmpc.frames import HEADER
from p2pmpc.logs import SECRETS
from p2pmpc.messages import Kind
from tests.nodes import KILLED, Peer, Peers, at_once
from tests.processes import Ended, Processes, Running

CANARIES = (171828182845904523, -141421356237309504, 57721566490153286)
WEIGHTS = (1, 2, 3)
TOTAL = sum(weight * value for weight, value in zip(WEIGHTS, CANARIES, strict=True))


def forms(value: int) -> dict[str, bytes]:
    """Return a number in every form in which it could leak."""
    residue = value % M61.modulus
    found: dict[str, bytes] = {}
    for name, number in (("value", abs(value)), ("residue", residue)):
        found |= {
            f"{name} in decimal": str(number).encode(),
            f"{name} in hex": f"{number:x}".encode(),
            f"{name} in upper hex": f"{number:X}".encode(),
            f"{name} in little-endian hex": number.to_bytes(8, "little").hex().encode(),
            f"{name} in little-endian bytes": number.to_bytes(8, "little"),
            f"{name} in big-endian bytes": number.to_bytes(8, "big"),
        }
    return found


def leaks(artefacts: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> list[str]:
    """Return where a secret stands in an artefact."""
    return [
        f"{what} in {name}"
        for name, data in artefacts.items()
        for what, secret in secrets.items()
        if secret in data
    ]


def canary_forms() -> dict[str, bytes]:
    """Return all forms of all canaries."""
    return {
        f"canary {number}, {name}": data
        for number, value in enumerate(CANARIES, start=1)
        for name, data in forms(value).items()
    }


def files_below(directory: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder and its folders."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def printed(ended: Mapping[str, Ended]) -> dict[str, bytes]:
    """Return what processes wrote to their standard streams."""
    return {f"stdout of {name}": end.out.encode() for name, end in ended.items()} | {
        f"stderr of {name}": end.err.encode() for name, end in ended.items()
    }


def test_the_search_finds_what_it_looks_for() -> None:
    """Every form of every canary is found in a text that holds it, and none in the total."""
    secrets = canary_forms()
    for what, data in secrets.items():
        assert f"{what} in here" in leaks({"here": b"xx" + data + b"yy"}, secrets)
    result = f"{TOTAL} {TOTAL / sum(WEIGHTS)} {TOTAL:x}".encode()
    assert leaks({"the total": result + TOTAL.to_bytes(9, "little", signed=True)}, secrets) == []


# -- processes --------------------------------------------------------------------------------


@dataclass
class Watched:
    """A run of three processes and everything that could be seen of it from outside."""

    cwd: Path
    ended: dict[str, Ended] = field(default_factory=dict)
    proc: dict[str, bytes] = field(default_factory=dict)

    def look_at(self, name: str, running: Running, *files: str) -> None:
        """Keep what /proc shows of a running node to others."""
        for file in files:
            self.proc[f"/proc/PID/{file} of {name}"] = running.proc(file)

    def artefacts(self) -> dict[str, bytes]:
        """Return everything that was written, printed or shown, but for the input file."""
        files = {k: v for k, v in files_below(self.cwd).items() if k != "input.txt"}
        return files | printed(self.ended) | self.proc


def watch(cwd: Path, options: str) -> Watched:
    """Run three nodes whose inputs come from the environment, standard input and a file."""
    (cwd / "input.txt").write_text(f"{CANARIES[2]}\n")
    watched = Watched(cwd)
    with Processes(cwd) as processes:
        common = f"--json --log-dir logs {options}"
        founder, bootstrap = processes.founder(
            3, f"--field m61 --weight 1 --name ann {common}", P2PMPC_VALUE=str(CANARIES[0])
        )
        second = processes.node(
            f"--bootstrap {bootstrap} --input - --weight 2 --name bob {common}",
            stdin=f"{CANARIES[1]}\n".encode(),
        )
        founder.line("2 of 3 peers are here")
        watched.look_at("ann", founder, "cmdline", "limits")
        watched.look_at("bob", second, "cmdline", "environ", "limits")
        third = processes.node(
            f"--bootstrap {bootstrap} --input input.txt --weight 3 --name eve {common}"
        )
        watched.look_at("eve", third, "cmdline", "environ")
        running = {"ann": founder, "bob": second, "eve": third}
        watched.ended = {name: process.end() for name, process in running.items()}
    return watched


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A run as anybody would start it, with --debug and kept partial sums."""
    return watch(tmp_path_factory.mktemp("ordinary"), "--debug --keep-partials")


@pytest.fixture(scope="module")
def teaching(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The same run with --log-secrets."""
    return watch(tmp_path_factory.mktemp("teaching"), "--log-secrets")


def test_no_input_is_found_anywhere(ordinary: Watched) -> None:
    """Row 29: no file, stream, command line or inherited environment holds an input in any form."""
    assert [end.code for end in ordinary.ended.values()] == [0, 0, 0]
    assert ordinary.ended["ann"].json["total"] == [TOTAL]
    artefacts = ordinary.artefacts()
    assert len(artefacts) == 3 * 4 + 2 * 3 + 7
    assert leaks(artefacts, canary_forms()) == []


def test_no_secret_field_is_logged(ordinary: Watched) -> None:
    """Without --log-secrets no log has a field for secrets, shares, seeds or masks."""
    for path in (ordinary.cwd / "logs").glob("*.log"):
        for line in path.read_text().splitlines():
            assert not SECRETS & set(json.loads(line))


def test_log_secrets_shows_them_in_the_log_and_nowhere_else(teaching: Watched) -> None:
    """With --log-secrets the search finds every input, and only in its own peer's log."""
    assert [end.code for end in teaching.ended.values()] == [0, 0, 0]
    for number, (name, value) in enumerate(zip(("ann", "bob", "eve"), CANARIES, strict=True), 1):
        found = leaks(teaching.artefacts(), {f"canary {number}": str(value).encode()})
        assert found == [f"canary {number} in logs/{name}.log"]
    lines = [
        json.loads(line) for line in (teaching.cwd / "logs" / "ann.log").read_text().splitlines()
    ]
    fields = set().union(*map(set, lines))
    assert fields & SECRETS == {"secret", "share", "mask"}


def test_a_node_leaves_no_core(ordinary: Watched) -> None:
    """Row 29: a node cannot dump core, which would hold every secret."""
    for name in ("ann", "bob"):
        limits = ordinary.proc[f"/proc/PID/limits of {name}"].decode()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def test_failing_processes_say_nothing_of_their_input(tmp_path: Path) -> None:
    """Row 29: refusals, interruptions and --debug's traceback hold no input in any form."""
    (tmp_path / "input.txt").write_text(f"1\n{CANARIES[0]}\n{CANARIES[1]}x\n")
    (tmp_path / "vector.txt").write_text(f"{CANARIES[2]}\n")
    with Processes(tmp_path, forks=True) as processes:
        secret = {"P2PMPC_VALUE": str(CANARIES[0])}
        founder, bootstrap = processes.founder(
            3, "--bound 100 --debug --log-dir a --join-timeout 30"
        )
        running = {
            "unreadable": processes.node("--peers 3 --debug --log-dir b --input input.txt"),
            "out of bound": processes.node(
                f"--bootstrap {bootstrap} --debug --log-dir c --json", **secret
            ),
            "too long": processes.node(
                f"--bootstrap {bootstrap} --debug --log-dir d --length 2 --input vector.txt"
            ),
            "twice": processes.node("--peers 3 --debug --input vector.txt", **secret),
            "unstarted": processes.node(
                "--bootstrap 127.0.0.1:1 --debug --log-dir e --join-timeout 0.5", **secret
            ),
        }
        interrupted, _ = processes.founder(3, "--field m61 --debug --log-dir f", **secret)
        interrupted.signal(signal.SIGINT)
        running["interrupted"] = interrupted
        ended = {name: process.end() for name, process in running.items()}
        founder.signal(signal.SIGTERM)
        ended["founder"] = founder.end()
    assert {name: end.code for name, end in ended.items()} == {
        "unreadable": 8,
        "out of bound": 8,
        "too long": 6,
        "twice": 2,
        "unstarted": 3,
        "interrupted": 130,
        "founder": 143,
    }
    assert all(end.has_traceback for end in ended.values())
    for name in ("input.txt", "vector.txt"):
        (tmp_path / name).unlink()
    assert leaks(files_below(tmp_path) | printed(ended), canary_forms()) == []


def test_a_swarm_writes_down_no_input(tmp_path: Path) -> None:
    """A swarm that reads its inputs from a table writes only their sum, whether it ends well or not."""
    table = tmp_path / "values.csv"
    table.write_text("".join(f"{value}\n" for value in CANARIES))
    with Processes(tmp_path, forks=True) as processes:
        options = f"3 --values {table} --weights 1,2,3 --field m61 --json"
        running = {
            "good": processes.swarm(f"{options} --log-dir good --keep-partials --in-process"),
            "bad": processes.swarm(f"{options} --log-dir bad --kill 2@echo --in-process"),
        }
        ended = {name: process.end() for name, process in running.items()}
    table.unlink()
    assert ended["good"].json["total"] == [TOTAL]
    assert ended["bad"].code == 3
    artefacts = files_below(tmp_path) | printed(ended)
    assert len(artefacts) == (3 * 4 + 1) + (3 + 1) + 4
    assert leaks(artefacts, canary_forms()) == []


# -- inside one process, where the secrets of the protocol are known as well --------------------


def protocol_secrets(peers: Peers) -> dict[str, bytes]:
    """Return what no peer may ever tell: identity keys, share seeds, corrections, mask shares."""
    found: dict[str, bytes] = {}
    for peer in peers.members:
        assert peer.node is not None
        seed = peer.node._identity._seed
        found |= {f"key of {peer.name}": seed, f"key of {peer.name} in hex": seed.hex().encode()}
        runner = peer.node._runner
        dealing = None if runner is None or runner._round is None else runner._round.dealing
        if dealing is None:
            continue
        for receiver, plain in dealing.plains.items():
            for name, data in (("seed", plain.share), ("mask share", plain.mask_share)):
                what = f"{name} of {peer.name} for {receiver}"
                found |= {what: data, f"{what} in hex": data.hex().encode()}
    return found


def artefacts_of(peers: Peers) -> dict[str, bytes]:
    """Return every file of a run in memory, and what its peers would have printed."""
    found = files_below(peers.directory)
    for peer in peers.members:
        if peer.outcome is not None:
            found[f"stdout of {peer.name}"] = peer.outcome.as_text().encode()
            found[f"repr of the outcome of {peer.name}"] = repr(peer.outcome).encode()
        if peer.error is not None:
            shown = [*traceback.format_exception(peer.error), peer.told, repr(peer.error)]
            found[f"stderr of {peer.name}"] = "\n".join(shown).encode()
        found[f"repr of {peer.name}"] = repr((peer.node, peer.numbers)).encode()
    return found


def plant(peers: Peers, **options: Any) -> Peer:
    """Add three peers with the canaries, and return the last one."""
    for value, weight in zip(CANARIES, WEIGHTS, strict=True):
        peers.add(value, weight=weight, keep_partials=True, **options)
    return peers.members[-1]


def misbehave_at(step: str, frame: bytes) -> Callable[[Peer, str], None]:
    """Let a peer send bytes to all when it reaches a step."""

    def misbehave(peer: Peer, reached: str) -> None:
        if reached == step:
            assert peer.node is not None
            assert peer.node._runner is not None
            peer.node._runner.mesh.send((frame,), None)

    return misbehave


def leave_at(step: str) -> Callable[[Peer, str], None]:
    """Let a peer's streams be cut when it reaches a step."""

    def leave(peer: Peer, reached: str) -> None:
        if reached == step:
            peer.wires.cut()

    return leave


FAULTS: dict[str, tuple[list[int], Callable[[Peer], object]]] = {
    "none": ([0, 0, 0], lambda _peer: None),
    "a frame over its cap": (
        [4, 4],
        lambda peer: setattr(
            peer, "on_step", misbehave_at("partial", HEADER.pack(1 << 30, Kind.PARTIAL))
        ),
    ),
    "a frame of noise": (
        [4, 4],
        lambda peer: setattr(peer, "on_step", misbehave_at("partial", bytes(range(256)))),
    ),
    "killed while sharing": ([3, 3, KILLED], lambda peer: setattr(peer, "kill", "partial")),
    "killed before its echo": ([3, 3, KILLED], lambda peer: setattr(peer, "kill", "echo")),
    "killed at the end": ([0, 0, KILLED], lambda peer: setattr(peer, "kill", "open")),
    "silent": ([3, 3, KILLED], lambda peer: setattr(peer, "stall", "partial")),
    "cut": ([0, 0, 0], lambda peer: setattr(peer, "on_step", leave_at("partial"))),
    "another length": ([3, 3, 6], lambda peer: peer.options.update(length=2)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("share_mode", ["seeds", "dense"])
@at_once
async def test_no_fault_brings_a_secret_to_light(
    tmp_path: Path, fault: str, share_mode: str
) -> None:
    """Row 29: however a run goes, no input, share, seed, mask share or key stands in any artefact."""
    peers = Peers(tmp_path, field="m61", share_mode=share_mode, join_timeout=10.0)
    codes, bring_about = FAULTS[fault]
    bring_about(plant(peers))
    await peers.run()
    assert peers.codes[: len(codes)] == codes
    artefacts = artefacts_of(peers)
    assert len(artefacts) >= 6
    secrets = protocol_secrets(peers)
    assert len(secrets) >= 6
    assert leaks(artefacts, canary_forms() | secrets) == []


@at_once
async def test_the_protocols_secrets_are_found_when_they_are_logged(tmp_path: Path) -> None:
    """With --log-secrets the same search finds seeds and inputs, and still no identity key."""
    peers = Peers(tmp_path, field="m61")
    plant(peers, log_secrets=True)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    found = leaks(artefacts_of(peers), protocol_secrets(peers))
    seeds = [what for what in found if what.startswith("seed of ")]
    assert len(seeds) == 6
    assert all(what.endswith(".log") for what in seeds)
    assert not any(what.startswith("key of ") for what in found)
