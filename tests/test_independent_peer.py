"""A peer written from docs/protocol.md alone sums with those of the package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.independent_liar import LIES
from tests.processes import Processes, Running

PARTS = ("liar", "links", "parts", "peer", "record", "sharded")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    with Processes(tmp_path, forks=True) as started:
        yield started


def independent(processes: Processes, bootstrap: str, line: str, kind: str = "peer") -> Running:
    """Start a peer that shares no code with the others."""
    command = ["-m", f"tests.independent_{kind}", "--bootstrap", bootstrap, *line.split()]
    return processes.start(sys.executable, *command)


def agreed(running: list[Running], total: list[object]) -> None:
    """Hold that all peers end with 0, the same total and the same transcript."""
    ended = [process.end() for process in running]
    assert [end.code for end in ended] == [0] * len(running), "\n".join(end.err for end in ended)
    assert [end.json["total"] for end in ended] == [total] * len(running)
    assert len({end.json["transcript"] for end in ended}) == 1


def test_peers_of_two_origins_sum(processes: Processes) -> None:
    """Two peers of each kind, with weights of both signs: one total, and the same transcript to the byte."""
    (processes.cwd / "v.txt").write_text("3\n-7\n")
    founder, where = processes.founder(4, "--input v.txt --weight 2 --json")
    running = [
        founder,
        processes.node(f"--bootstrap {where} --input v.txt --json"),
        independent(processes, where, "--values 11,0 --weight -3 --name other"),
        independent(processes, where, "--values 1000000,5"),
    ]
    agreed(running, [6 + 3 - 33 + 1000000, -14 - 7 + 5])


def test_peers_of_two_origins_sum_with_other_parameters(processes: Processes) -> None:
    """The same in the wider field, with fractions and a bound, strict, and with an observer."""
    parameters = "--field m61 --fraction-bits 8 --bound 500 --strict"
    founder, where = processes.founder(4, f"{parameters} --value 2 --json")
    running = [
        founder,
        processes.node(f"--bootstrap {where} --value 3 --json"),
        processes.node(f"--bootstrap {where} --weight 0 --json"),
    ]
    other = independent(processes, where, "--values 499")
    ended = other.end()
    assert ended.code == 0, ended.err
    assert ended.json["total"] == [504 << 8]
    for node in running:
        end = node.end()
        assert end.code == 0, end.err
        assert float(end.json["total"][0]) == 504
        assert end.json["transcript"] == ended.json["transcript"]


def test_peers_of_two_origins_sum_slice_by_slice(processes: Processes) -> None:
    """The same in sharded mode: each owns a slice, and those of the others are as listed."""
    (processes.cwd / "v.txt").write_text("3\n-7\n9\n0\n1\n2\n")
    founder, where = processes.founder(3, "--mode sharded --input v.txt --weight 2 --json")
    running = [
        founder,
        independent(processes, where, "--values 11,0,0,0,5,6 --weight -3", "sharded"),
        independent(processes, where, "--values 1000000,5,7,8,9,-1", "sharded"),
    ]
    agreed(running, [999973, -9, 25, 8, -4, -15])


@pytest.mark.parametrize(
    "lies", [("two-sums", "elsewhere", "endless"), ("not-below", "other-roster", "other-mask")]
)
def test_a_liar_of_another_origin_is_named(processes: Processes, lies: tuple[str, ...]) -> None:
    """Rows 12, 13, 15, 17 and 19: lies of a peer written from the document end its sessions as the page says."""
    sessions = []
    for lie in lies:
        founder, where = processes.founder(3, "--value 1 --json --timeout 20")
        other = processes.node(f"--bootstrap {where} --value 2 --json --timeout 20")
        line = f"-m tests.independent_liar {lie} --values 3 --name liar --bootstrap {where}"
        processes.start(sys.executable, *line.split())
        sessions.append((lie, founder, other))
    for lie, *honest in sessions:
        for node in honest:
            end = node.end()
            assert end.code == LIES[lie][1], f"{lie}: {end.err}"
            assert "liar (" in end.err[end.err.index("error: ") :], lie
            assert end.json["total"] is None


def test_the_independent_peer_shares_no_code() -> None:
    """It imports its own parts, the standard library, msgpack and cryptography, and nothing else."""
    folder = Path(__file__).parent
    allowed = {*sys.stdlib_module_names, "msgpack", "cryptography"}
    own = {f"tests.independent_{name}" for name in PARTS}
    for name in PARTS:
        for node in ast.walk(
            ast.parse((folder / f"independent_{name}.py").read_text(encoding="utf-8"))
        ):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            foreign = [n for n in names if n not in own and n.split(".")[0] not in allowed]
            assert not foreign, f"{name} imports {foreign}"
