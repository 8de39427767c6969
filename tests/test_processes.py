"""Real nodes as processes on loopback: what people type, what they see, and how each run ends."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from p2pmpc import __version__
from p2pmpc.cli import main as cli_main
from p2pmpc.node import main as node_main
from p2pmpc.options import NodeOptions
from p2pmpc.prg import CHUNK
from p2pmpc.swarm.command import main as swarm_main
from p2pmpc.swarm.options import SwarmOptions
from tests.processes import Ended, Processes, Running, Shell, free_port, has_ipv6, together

ID = r"[0-9a-f]{8}(-[0-9a-f]{8}){7}"


def ends(*running: Running) -> list[Ended]:
    """Return how processes end, none of them with a traceback."""
    ended = [process.end() for process in running]
    for end in ended:
        assert not end.has_traceback, end.err
    return ended


# -- three nodes by hand ----------------------------------------------------------------------


class ByHand:
    """What three nodes that somebody types into three terminals leave behind."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        (cwd / "numbers.txt").write_text("-30\n")
        with Processes(cwd) as processes:
            founder = processes.node(
                "--listen 127.0.0.1:0 --peers 3 --value 10 --weight 2 --output total.txt --log-dir one"
            )
            self.printed = founder.line(r"^    (python -m p2pmpc\.node --bootstrap \S+)$")[1]
            command = shlex.split(self.printed)[1:]
            second = processes.start(
                sys.executable, *command, "--log-dir", "two", "--json", P2PMPC_VALUE="20"
            )
            third = processes.node(
                f"{shlex.join(command[2:])} --input numbers.txt --output total.npy "
                "--log-dir three --debug"
            )
            self.ended = ends(founder, second, third)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> ByHand:
    """One session of three processes: --value, P2PMPC_VALUE and --input."""
    return ByHand(tmp_path_factory.mktemp("by-hand"))


def test_joiners_type_exactly_what_the_founder_prints(by_hand: ByHand) -> None:
    """The founder prints one complete command with its address and ID; typing it joins, and all agree."""
    assert [end.code for end in by_hand.ended] == [0, 0, 0]
    assert re.fullmatch(
        rf"python -m p2pmpc\.node --bootstrap 127\.0\.0\.1:\d+#{ID}", by_hand.printed
    )
    assert by_hand.ended[0].out.splitlines()[0].split() == ["total", str(20 + 20 - 30)]


def test_stdout_carries_the_result_alone(by_hand: ByHand) -> None:
    """Standard output is four lines: total, weighted mean, who agreed, transcript; the rest is stderr."""
    founder, _, third = by_hand.ended
    for end in (founder, third):
        lines = end.out.splitlines()
        names = [re.split(r"  +", line)[0] for line in lines]
        assert names == ["total", "weighted mean", "agreed", "transcript"]
        assert lines[1].split()[-1] == "2.5"
        assert "3 of 3" in lines[2]
        assert re.fullmatch("[0-9a-f]{64}", lines[3].split()[-1])
    assert founder.out == third.out
    for word in ("listening on 127.0.0.1:", "3 of 3 peers are here", "confirming the total"):
        assert word in founder.err


def test_json_is_one_object(by_hand: ByHand) -> None:
    """--json prints one object with the same facts, and nothing else."""
    content = by_hand.ended[1].json
    assert by_hand.ended[1].out.count("\n") == 1
    assert content["total"] == [10]
    assert content["mean"] == ["2.5"]
    assert len(content["agreed"]) == 3
    assert content["missing"] == []
    assert content["transcript"] in by_hand.ended[0].out
    assert content["log_dir"] == "two"


def test_vectors_of_all_kinds_are_summed(tmp_path: Path) -> None:
    """A .npy file, a text with carriage returns, and a file as standard input give one total in a file."""
    length = CHUNK + 9
    rows = [np.arange(length) % 1000 + k for k in range(3)]
    np.save(tmp_path / "one.npy", rows[0].astype(">i4"))
    (tmp_path / "two.txt").write_bytes(b"".join(b"%d\r\n" % value for value in rows[1]))
    np.save(tmp_path / "three.npy", rows[2].astype(float))
    short = tmp_path / "short.txt"
    short.write_bytes(b"1\n2\n")
    with Processes(tmp_path) as processes:
        founder, where = processes.founder(3, "--input one.npy --output one.out.npy --log-dir one")
        command = f"{shlex.quote(sys.executable)} -m p2pmpc.node --bootstrap {where}"
        (early,) = ends(processes.start("sh", "-c", f"{command} --input short.txt --log-dir four"))
        given = "--input two.txt --output two.txt.out --log-dir two"
        second = processes.start("sh", "-c", f"{command} {given}")
        given = "--input - --output three.out.npy --log-dir three --json"
        third = processes.start("sh", "-c", f"{command} {given} < three.npy")
        ended = ends(founder, second, third)
    assert early.code == 8
    assert f"short.txt:3:1: 2 numbers, where the session sums vectors of {length}" in early.err
    assert [end.code for end in ended] == [0, 0, 0]
    for name in ("one.out.npy", "three.out.npy"):
        assert np.array_equal(np.load(tmp_path / name), sum(rows))
    assert np.array_equal(np.loadtxt(tmp_path / "two.txt.out", dtype=int), sum(rows))
    assert f"({length} values; one.out.npy holds all)" in ended[0].out
    assert (ended[2].json["total"], ended[2].json["output"]) == (None, "three.out.npy")


def test_a_value_in_argv_earns_a_warning(by_hand: ByHand) -> None:
    """Row 29: --value warns that others on the machine can see it; other sources do not."""
    first, second, third = by_hand.ended
    assert "others on this machine can see --value" in first.err
    assert "P2PMPC_VALUE" in first.err
    assert "can see" not in second.err + third.err


def test_everybody_sees_the_roster(by_hand: ByHand) -> None:
    """Every peer shows the session, the weights and the full IDs before it shares."""
    ids = {re.search(ID, end.err)[0] for end in by_hand.ended}  # type: ignore[index]
    assert len(ids) == 3
    for end in by_hand.ended:
        roster = end.err[end.err.index("session ") : end.err.index("... sharing")]
        assert all(identifier in roster for identifier in ids)
        assert "(you)" in roster


def test_the_total_is_written_where_it_is_wanted(by_hand: ByHand) -> None:
    """--output writes text, or a .npy vector where the name says so."""
    assert (by_hand.cwd / "total.txt").read_text() == "10\n"
    assert np.load(by_hand.cwd / "total.npy").tolist() == [10]


def test_the_transcripts_of_separate_folders_are_the_same_bytes(by_hand: ByHand) -> None:
    """Peers that share no folder write the same transcript, a log and a receipt each."""
    transcripts = set()
    for folder in ("one", "two", "three"):
        files = sorted(path.suffix for path in (by_hand.cwd / folder).iterdir())
        assert files == [".json", ".log", ".transcript"]
        (transcript,) = (by_hand.cwd / folder).glob("*.transcript")
        transcripts.add(transcript.read_bytes())
    assert len(transcripts) == 1


def test_the_runs_of_separate_folders_verify(by_hand: ByHand, tmp_path: Path) -> None:
    """`p2pmpc verify` passes on every peer's own folder, and prints what it proves."""
    with Processes(tmp_path) as processes:
        plain = processes.cli(f"verify {by_hand.cwd / 'one'}")
        as_json = processes.cli(f"verify --json {by_hand.cwd / 'three'}")
        first, second = ends(plain, as_json)
    assert (first.code, second.code) == (0, 0)
    assert "total          10" in first.out
    assert second.json["total"] == ["10"]
    assert second.json["transcript"] in by_hand.ended[0].out


# -- other ways to find each other ------------------------------------------------------------


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")
@together
def test_ipv6_works(processes: Processes) -> None:
    """A session over [::1]: the printed command has brackets, and a joiner listens on the same family."""
    founder = processes.node("--listen [::1]:0 --peers 3 --value 1 --json")
    bootstrap = founder.line(r"--bootstrap (\[::1\]:\d+#\S+)$")[1]
    joiners = [processes.node(f"--bootstrap {bootstrap} --value 2 --json") for _ in "ab"]
    ended = ends(founder, *joiners)
    assert [end.code for end in ended] == [0, 0, 0]
    assert ended[0].json["total"] == [5]


@together
def test_a_wildcard_address_is_advertised_as_one_that_can_be_dialled(processes: Processes) -> None:
    """A founder on every address prints one that others can type, or what --advertise says."""
    port = free_port()
    wild = processes.node(f"--listen 0.0.0.0:{port} --peers 3 --join-timeout 60")
    printed = wild.line(r"--bootstrap (\S+):(\d+)#")
    assert printed[1] not in ("0.0.0.0", "*")
    assert printed[2] == str(port)
    named = processes.node("--listen 0.0.0.0:0 --peers 3 --advertise example.org:7777")
    assert named.line(r"--bootstrap (\S+)#")[1] == "example.org:7777"


@together
def test_a_roster_file_needs_no_founder(processes: Processes) -> None:
    """Rows 25 and 26: three processes with keys and one roster file agree; there is no command to pass on."""
    ports = [free_port() for _ in range(3)]
    keys = [processes.cli(f"id --key {k}.pem") for k in range(3)]
    ids = [end.out.strip() for end in ends(*keys)]
    tables = [
        f'[[peer]]\nid = "{i}"\naddress = "127.0.0.1:{p}"' for i, p in zip(ids, ports, strict=True)
    ]
    (processes.cwd / "roster.toml").write_text("\n".join(["[parameters]\nlength = 2", *tables]))
    (processes.cwd / "v.txt").write_text("1\n2\n")
    nodes = [
        processes.node(f"--roster roster.toml --key {k}.pem --input v.txt --json") for k in range(3)
    ]
    ended = ends(*nodes)
    assert [end.code for end in ended] == [0, 0, 0]
    assert all(end.json["total"] == [3, 6] for end in ended)
    assert all("not pinned" not in end.err and "dishonest" not in end.err for end in ended)


# -- signals ----------------------------------------------------------------------------------


@together
def test_an_interrupted_peer_ends_the_others_quickly(processes: Processes) -> None:
    """Row 8: SIGINT ends a peer with 130; the others end with 3 at once and name it."""
    founder, bootstrap = processes.founder(3, "--hold partial --name ann")
    others = [processes.node(f"--bootstrap {bootstrap} --name {name}") for name in ("bob", "eve")]
    for other in others:
        other.line("summing")
    struck = time.monotonic()
    victim = others[0]
    victim.signal(signal.SIGINT)
    (ended,) = ends(victim)
    assert ended.code == 130
    assert "signal 2" in ended.err
    assert ended.out == ""
    (left,) = ends(others[1])
    assert left.code == 3
    assert "bob" in left.err[left.err.index("error: ") :]
    assert "nothing about your data was revealed" in left.err
    assert time.monotonic() - struck < 10
    founder.signal(signal.SIGKILL)


@together
def test_a_terminated_founder_sends_the_waiting_home(processes: Processes) -> None:
    """Row 8: SIGTERM ends a founder with 143 while it waits; who has joined ends with 3 at once."""
    founder, bootstrap = processes.founder(3)
    joiner = processes.node(f"--bootstrap {bootstrap}")
    founder.line("2 of 3 peers are here")
    struck = time.monotonic()
    founder.signal(signal.SIGTERM)
    ended, sent_home = ends(founder, joiner)
    assert ended.code == 143
    assert sent_home.code == 3
    assert "interrupted" in sent_home.err
    assert time.monotonic() - struck < 10


@together
def test_a_killed_peer_is_named_by_the_others(processes: Processes) -> None:
    """Row 2: SIGKILL while sharing: the others end with 3, name the peer, and say a rerun is safe."""
    founder, bootstrap = processes.founder(3, "--name ann --timeout 20 --reconnect 2")
    other = processes.node(f"--bootstrap {bootstrap} --name bob --timeout 20 --reconnect 2")
    victim = processes.node(f"--bootstrap {bootstrap} --name eve --hold partial")
    founder.line("summing")
    victim.line("summing")
    victim.signal(signal.SIGKILL)
    ended = ends(founder, other)
    assert [end.code for end in ended] == [3, 3]
    for end in ended:
        assert "eve" in end.err[end.err.index("error: ") :]
        assert "running again is safe" in end.err
        assert end.seconds < 60


# -- addresses --------------------------------------------------------------------------------


@together
def test_addresses_that_lead_nowhere(processes: Processes) -> None:
    """Rows 25 and 27: a taken port ends with 2; an unknown name and a silent address with 3, named."""
    nobody_port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = [
            processes.node(f"--listen 127.0.0.1:{port} --peers 3"),
            processes.node("--bootstrap no-such-name.invalid:9000"),
            processes.node(f"--bootstrap 127.0.0.1:{nobody_port} --join-timeout 1"),
        ]
        listening, unknown, nobody = ends(*running)
    assert (listening.code, unknown.code, nobody.code) == (2, 3, 3)
    assert f"cannot listen on 127.0.0.1:{port}" in listening.err
    assert "no-such-name.invalid:9000" in unknown.err
    assert f"127.0.0.1:{nobody_port}" in nobody.err
    assert listening.out == unknown.out == nobody.out == ""


@together
def test_a_founder_that_starts_late_is_found(processes: Processes) -> None:
    """Row 25: joiners and a witness that start before the founder knock until it is there."""
    founds, witnesses = free_port(), free_port()
    where = f"--bootstrap 127.0.0.1:{founds}"
    witness = processes.node(f"{where} --listen 127.0.0.1:{witnesses} --value 1 --json")
    joiner = processes.node(f"{where} --bootstrap 127.0.0.1:{witnesses} --value 2 --json")
    for early in (witness, joiner):
        early.line("is not pinned")
    founder = processes.node(f"--listen 127.0.0.1:{founds} --peers 3 --value 4 --json")
    ended = ends(founder, witness, joiner)
    assert [end.code for end in ended] == [0, 0, 0]
    assert [end.json["total"] for end in ended] == [[7], [7], [7]]


@together
def test_a_founder_or_a_witness_that_is_gone_is_named(processes: Processes) -> None:
    """Row 25: with one of two bootstrap peers gone a joiner knocks on, and ends with 3 naming that one."""
    gone = free_port()
    founder, bootstrap = processes.founder(3)
    address = bootstrap.partition("#")[0]
    line = f"--bootstrap {bootstrap} --bootstrap 127.0.0.1:{gone} --join-timeout 2"
    without_witness, without_founder = ends(
        processes.node(line), processes.node(f"--bootstrap 127.0.0.1:{gone} --join-timeout 2")
    )
    assert (without_witness.code, without_founder.code) == (3, 3)
    assert f"127.0.0.1:{gone} (" in without_witness.err
    assert address not in without_witness.err[without_witness.err.index("error: ") :]
    assert f"127.0.0.1:{gone}" in without_founder.err
    assert founder.process.poll() is None


@together
def test_two_nodes_with_one_key(processes: Processes) -> None:
    """Row 27: of two joiners with one key the second ends with 6, and the first is not disturbed."""
    _, bootstrap = processes.founder(3)
    first = processes.node(f"--bootstrap {bootstrap} --key one.pem --progress json")
    first.line('"step": "hello"')
    (second,) = ends(processes.node(f"--bootstrap {bootstrap} --key one.pem"))
    assert second.code == 6
    assert "two nodes with one key" in second.err
    assert bootstrap.partition("#")[0] in second.err
    assert first.process.poll() is None


@together
def test_a_joiner_whose_port_is_taken(processes: Processes) -> None:
    """Row 27: a --listen that is taken ends a joiner with 2, naming it, before its HELLO."""
    founder, bootstrap = processes.founder(3)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        (ended,) = ends(processes.node(f"--bootstrap {bootstrap} --listen {where}"))
    assert ended.code == 2
    assert f"cannot listen on {where}" in ended.err
    assert "joined" not in founder.err


@together
def test_what_answers_but_is_no_peer(processes: Processes) -> None:
    """Row 25: a bootstrap address with something else behind it ends with 3 after --join-timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        joiner = processes.node(f"--bootstrap 127.0.0.1:{port} --join-timeout 1.5")
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            (ended,) = ends(joiner)
    assert ended.code == 3
    assert f"127.0.0.1:{port}" in ended.err
    assert "not a peer" in ended.err


@together
def test_a_node_that_dials_itself(processes: Processes) -> None:
    """Row 27: a joiner whose bootstrap peer has its own key ends with 6, and the founder waits on."""
    founder, bootstrap = processes.founder(3, "--key one.pem")
    address = bootstrap.partition("#")[0]
    (ended,) = ends(processes.node(f"--bootstrap {address} --key one.pem"))
    assert ended.code == 6
    assert "this peer itself, or to one with the same key" in ended.err
    assert address in ended.err
    assert founder.process.poll() is None


# -- a disk that fails ------------------------------------------------------------------------


@together
def test_a_log_directory_that_cannot_be_written(processes: Processes) -> None:
    """Row 24: without a log there is no run: 7, before anything leaves."""
    (processes.cwd / "logs").write_text("")
    ended = ends(processes.node("--peers 3 --log-dir logs/here"), processes.node("--peers 3"))
    for end in ended:
        assert end.code == 7
        assert "--log-dir" in end.err
        assert "listening" not in end.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@together
def test_an_output_on_a_full_disk(processes: Processes) -> None:
    """Row 24: when --output cannot be written at the end the total is on stdout all the same: 7."""
    founder, bootstrap = processes.founder(3, "--output /dev/full --value 1")
    others = [processes.node(f"--bootstrap {bootstrap} --value 2 --json") for _ in "ab"]
    ended = ends(founder, *others)
    assert [end.code for end in ended] == [7, 0, 0]
    assert ended[0].out.splitlines()[0].split() == ["total", "5"]
    assert "No space left on device" in ended[0].err
    assert "the total was opened" in ended[0].err


# -- the command line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", 2),
        ("--listen 127.0.0.1:0", 2),
        ("--peers 1", 2),
        ("--peers three", 2),
        ("--peers 3 --no-such-option", 2),
        ("--peers 3 spare words", 2),
        ("--peers 3 --field m127", 2),
        ("--peers 3 --allow someone", 2),
        ("--peers 3 --name " + 40 * "x", 2),
        ("--peers 3 --timeout 0", 2),
        ("--peers 3 --output missing/total.txt", 2),
        ("--peers 3 --key missing/key.pem", 2),
        ("--bootstrap nowhere", 2),
        ("--bootstrap 127.0.0.1:9000 --roster roster.toml", 2),
        ("--bootstrap 127.0.0.1:9000 --bootstrap 127.0.0.1:9000", 2),
        (f"--bootstrap a:1#{'ab' * 32} --bootstrap b:1#{'ab' * 32}", 2),
        ("--roster missing.toml", 2),
        ("--peers 3 --value 1 --input -", 2),
        ("--peers 3 --weight 0 --value 1", 2),
        ("--peers 3 --weight 0.5", 2),
        ("--peers 3 --weight 1_000", 2),
        ("--peers 2.6", 2),
        ("--peers 3 --fraction-bits 8.4", 2),
        ("--peers 3 --weight 2147483647", 8),
        ("--peers 3 --value nan", 8),
        ("--peers 3 --value 1.5", 8),
        ("--peers 3 --bound 10 --value 11", 8),
        ("--peers 3 --input missing.txt", 8),
    ],
)
def test_command_lines_of_a_node_that_cannot_run(shell: Shell, line: str, code: int) -> None:
    """What cannot be meant ends with 2 and what may not be summed with 8; only stderr says why."""
    ended, out, err = shell.run(node_main, line)
    assert ended == code, err
    assert out == ""
    assert err


def test_a_failed_run_is_an_object_too_with_json(shell: Shell) -> None:
    """--json prints one object for a failure as well: no total, the error, the code, what was revealed."""
    where = f"127.0.0.1:{free_port()}"
    code, out, err = shell.run(node_main, f"--bootstrap {where} --join-timeout 0.01 --json")
    assert code == 3
    content = json.loads(out)
    assert content["total"] is None
    assert content["code"] == 3
    assert where in content["error"]
    assert content["error"] in err
    assert "nothing" in content["revealed"]


@pytest.mark.parametrize("main", [node_main, swarm_main, cli_main])
def test_every_command_has_help_and_a_version(shell: Shell, main: Callable[[], None]) -> None:
    """--help and --version print to stdout and end with 0."""
    code, out, err = shell.run(main, "--version")
    assert (code, out.strip(), err) == (0, __version__, "")
    code, out, err = shell.run(main, "--help")
    assert (code, err) == (0, "")
    assert "Usage" in out


def test_the_help_names_every_command_and_option(shell: Shell) -> None:
    """`p2pmpc --help` lists the commands, and each one's help its options."""
    _, out, _ = shell.run(cli_main, "--help")
    for command in ("node", "swarm", "verify", "ledger", "id"):
        assert re.search(rf"\b{command}\b", out)
    _, out, _ = shell.run(cli_main, "node --help")
    for field in dataclasses.fields(NodeOptions):
        if field.name not in ("hold", "made_of", "progress", "study", "weight_is_visible"):
            assert f"--{field.name.replace('_', '-')}" in out
    _, out, _ = shell.run(cli_main, "swarm --help")
    for field in dataclasses.fields(SwarmOptions):
        assert f"--{field.name.replace('_', '-')}" in out


@pytest.mark.parametrize(
    "line", ["dance", "verify here", "verify", "verify --loudly", "id", "id --key missing/key.pem"]
)
def test_usage_errors_of_the_program(shell: Shell, line: str) -> None:
    """An unknown command or option, nothing to verify, and a key that cannot be made end with 2."""
    code, out, err = shell.run(cli_main, line)
    assert (code, out) == (2, "")
    assert err


def test_id_makes_a_key_once(shell: Shell, tmp_path: Path) -> None:
    """`p2pmpc id` prints the ID of a key, makes the key when there is none, and keeps it then."""
    code, out, err = shell.run(cli_main, "id --key key.pem")
    assert (code, err) == (0, "")
    assert re.fullmatch(ID, out.strip())
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    assert shell.run(cli_main, "id --key key.pem") == (0, out, "")


def test_verify_refuses_what_was_altered(by_hand: ByHand, shell: Shell, tmp_path: Path) -> None:
    """Row 31: `p2pmpc verify` on an altered transcript ends with 5, names file and line, prints no number."""
    (transcript,) = (by_hand.cwd / "one").glob("*.transcript")
    lines = transcript.read_text().splitlines(keepends=True)
    number = next(k for k, line in enumerate(lines, start=1) if line.startswith("R5 "))
    lines[number - 1] = lines[number - 1].replace("values=10", "values=11")
    path = tmp_path / "altered.transcript"
    path.write_text("".join(lines))
    for line in (f"verify {path}", f"verify --json {path}"):
        code, out, err = shell.run(cli_main, line)
        assert code == 5
        assert f"{path}:{number}: " in err
        assert out == "" or json.loads(out)["total"] is None
