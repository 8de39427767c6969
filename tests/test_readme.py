"""Every command in the README works as it is written, and everything else that it shows is real."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclopts import App

import p2pmpc
from p2pmpc.node import run_node
from p2pmpc.options import NodeOptions
from p2pmpc.parameters import NONCE_BYTES
from p2pmpc.roster_file import RosterFile
from tests.processes import ROOT, Ended, Processes, Running, free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGES = {"python", "sh", "text", "toml"}
PROGRAMS = (
    ".venv/bin/python examples/fedavg.py",
    ".venv/bin/python swarm.py ",
    ".venv/bin/python -m p2pmpc.node ",
    ".venv/bin/p2pmpc ",
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        line: Of the README, where its content starts.
        language: As written behind the fence.
        heading: The last heading above it.
        caption: The last line of text above it.
        lines: Its content.
    """

    line: int
    language: str
    heading: str
    caption: str
    lines: tuple[str, ...]

    @property
    def terminal(self) -> int | None:
        """The number of the terminal in which it is typed, where it is one of several."""
        match = re.fullmatch(r"Terminal (\d+):", self.caption)
        return int(match[1]) if match else None

    def __str__(self) -> str:
        return f"README.md:{self.line}: {self.lines[0] if self.lines else 'empty'}"


def read_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text."""
    blocks, heading, caption = [], "", ""
    opened: tuple[int, str] | None = None
    content: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if opened is not None and line == "```":
            blocks.append(Block(*opened, heading, caption, tuple(content)))
            opened, content = None, []
        elif opened is not None:
            content.append(line)
        elif line.startswith("```"):
            opened = number + 1, line.removeprefix("```")
        elif line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.strip():
            caption = line
    assert opened is None, f"README.md:{opened}: a block that does not end"
    return blocks


BLOCKS = read_blocks(README)
SHELL = [block for block in BLOCKS if block.language == "sh"]
COMMANDS = [block for block in SHELL if block.terminal is None and block.heading != "Quick start"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment, written before any process is started.

    A process that is forked while a program is being written holds it open for a moment, and the system
    runs no program that somebody may write to.
    """
    folder = tmp_path_factory.mktemp("programs")
    starts = {"python": '"$@"', "p2pmpc": '-c "from p2pmpc.cli import main; main()" "$@"'}
    for name, arguments in starts.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n')
        program.chmod(0o755)
    return folder


def cloned(folder: Path, programs: Path) -> Processes:
    """Make a folder look like a clone after the first command of the quick start."""
    (folder / "swarm.py").symlink_to(ROOT / "swarm.py")
    (folder / "examples").symlink_to(ROOT / "examples")
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for program in programs.iterdir():
        (binaries / program.name).symlink_to(program)
    (folder / "logs").mkdir()
    return Processes(folder)


def typed(processes: Processes, command: str) -> Running:
    """Start a command as a shell would."""
    return processes.start("bash", "-euo", "pipefail", "-c", command)


def type_all(block: Block, folder: Path, programs: Path) -> list[Ended]:
    """Type the commands of a block in a fresh clone, each once the one before has ended with 0."""
    ended: list[Ended] = []
    with cloned(folder, programs) as processes:
        for command in block.lines:
            ended.append(typed(processes, command).end())
            if ended[-1].code:
                break
    return ended


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, programs: Path
) -> Iterator[Mapping[int, Future[list[Ended]]]]:
    """How the commands of all blocks end, by line: some blocks at a time, as most only wait."""
    with ThreadPoolExecutor(3) as pool:
        yield {
            block.line: pool.submit(type_all, block, tmp_path_factory.mktemp("clone"), programs)
            for block in COMMANDS
        }


def test_every_block_is_of_a_known_form() -> None:
    """A block is shell, text or TOML, and a shell command starts a program that the tests know."""
    unknown = [str(block) for block in BLOCKS if block.language not in LANGUAGES]
    assert not unknown, f"blocks of another language, which no test reads: {unknown}"
    for block in COMMANDS:
        for command in block.lines:
            known = command.startswith((*PROGRAMS, "diff "))
            assert known, f"{block}: a command that the tests do not know: {command}"
    for block in SHELL:
        assert all(line.strip() and not line.startswith("$") for line in block.lines), str(block)


def test_the_quick_start_is_two_commands() -> None:
    """The first block holds two complete commands, the ones that .ci/run and newcomers rely on."""
    first, *others = [block for block in BLOCKS if block.heading == "Quick start"]
    assert BLOCKS[0] is first, "the quick start is not the first block"
    assert not [block for block in others if block.language == "sh"]
    install = "python3 -m venv .venv && .venv/bin/pip install --quiet "
    assert list(first.lines) == [
        f"{install}. && .venv/bin/python swarm.py 10",
        f"{install}'.[test]' && .venv/bin/python -m pytest -n 2 --dist loadfile",
    ]
    assert (ROOT / "swarm.py").exists()
    assert "Quick start" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python"], ids=str
)
def test_every_example_in_python_names_what_exists(block: Block) -> None:
    """An example compiles, and whatever it takes from the package is there."""
    code = "\n".join(block.lines)
    tree = compile(code, str(block), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "p2pmpc" or hasattr(p2pmpc, node.attr)


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_every_command_ends_well(block: Block, ended: Mapping[int, Future[list[Ended]]]) -> None:
    """The commands of a block end with 0, one after the other, in a fresh clone."""
    ends = ended[block.line].result()
    for command, end in zip(block.lines, ends, strict=False):
        assert end.code == 0, f"{block}: {command}\n{end.out}{end.err}"
        assert not end.has_traceback
        if command.startswith("diff "):
            assert end.out == ""
    assert len(ends) == len(block.lines)


def test_every_example_is_among_the_commands() -> None:
    """So each ends with 0, which `examples/fedavg.py` does where three processes and one machine agree."""
    typed_ones = {command.split()[1] for block in COMMANDS for command in block.lines}
    examples = {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    assert examples
    assert examples <= typed_ones


def test_the_terminals_agree(tmp_path: Path, programs: Path) -> None:
    """The walk through the terminals prints the same four lines in each, with the total it shows."""
    terminals = [block for block in SHELL if block.terminal is not None]
    assert [block.terminal for block in terminals] == [1, 2, 3]
    address = f"127.0.0.1:{free_port()}"
    running = []
    with cloned(tmp_path, programs) as clone:
        for block in terminals:
            (command,) = block.lines
            assert "127.0.0.1:9000" in command, f"{block}: not the address of the others"
            running.append(typed(clone, command.replace("127.0.0.1:9000", address)))
        ended = [process.end() for process in running]
    assert [end.code for end in ended] == [0, 0, 0], [end.err for end in ended]
    assert len({end.out for end in ended}) == 1
    after = [b for b in BLOCKS if b.line > terminals[-1].line and b.language == "text"]
    shown, real = after[0].lines, ended[0].out.splitlines()
    assert [line.split("  ")[0] for line in shown] == [line.split("  ")[0] for line in real]
    assert shown[:3] == tuple(real[:3])


def test_the_roster_file_that_is_shown_can_be_used(tmp_path: Path) -> None:
    """Every TOML block is a roster file with possible parameters."""
    shown = [block for block in BLOCKS if block.language == "toml"]
    assert shown
    for block in shown:
        path = tmp_path / "roster.toml"
        path.write_text("\n".join(block.lines), encoding="utf-8")
        roster = RosterFile.load(path)
        own, *_ = roster.peers
        options = NodeOptions(roster=str(path))
        parameters = options.parameters(bytes(NONCE_BYTES), own, length=None, roster=roster)
        assert parameters.peers == len(roster.peers)


def test_the_commands_that_are_shown_but_not_run_are_possible() -> None:
    """A command line in a text block has options that exist and do not contradict each other."""
    lines = [
        line
        for block in BLOCKS
        for line in block.lines
        if block.language == "text" and line.startswith("python -m p2pmpc.node ")
    ]
    assert lines
    for line in lines:
        ids = re.sub(r"ID-OF-[A-Z]+", lambda match: f"{len(match[0]):02x}" * 32, line)
        _, bound, _ = App(default_command=run_node).parse_args(
            shlex.split(ids)[3:], exit_on_error=False
        )
        options = bound.arguments["options"]
        assert isinstance(options, NodeOptions), line
        options.check()
        assert options.where or options.roster or options.peers, line
        assert len(options.allowed) == line.count("--allow ")


def test_files_that_the_readme_points_at_are_there() -> None:
    """Every relative link leads to a file of the repository, and every anchor to a heading."""
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    links = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [link for link in links if not (ROOT / link).exists()] == []
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    anchors = {target[1:] for target in targets if target.startswith("#")}
    assert anchors <= headings
