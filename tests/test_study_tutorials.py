"""The tutorials work as they are written: every command is typed, and what they show is what comes out.

How the pages are read:

1. A block ``sh`` is typed in the terminal that the line above it names ("Terminal 2:"), else in the first.
   Those of further terminals that follow one with `p2pmpc invite` are typed while it runs. ``cd`` and
   ``export`` hold for what is typed later in the same terminal.
2. INVITATION stands for the line that `p2pmpc invite` printed.
3. A block ``output`` is what the blocks before it have printed in one terminal: its lines come there in this
   order, whatever stands between them. IDs, digests, dates and ports differ in every run.
4. ``<!-- ends with 6 -->`` above a block says so, and ``<!-- types y -->`` that this answers its question.
5. A block ``toml`` that is a whole study file is one. A block ``text`` is not looked at.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from p2pmpc.study.file.study_file import parse_study
from tests.forked_commands import write_client
from tests.processes import ROOT, SECONDS, Processes

PAGES = ("coordinator", "party")

_MARK = re.compile(r"<!-- (ends with|types|with) (.+) -->")
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){7}"), "ID"),
    (re.compile(r"[0-9a-f]{16,}|\b[0-9a-f]{8}\b"), "HEX"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)"), "DATE"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        place: For people.
        language: Behind the fence.
        terminal: In which it is typed.
        text: Its content.
        marks: What the comments above it say.
    """

    place: str
    language: str
    terminal: int
    text: str
    marks: dict[str, str] = field(default_factory=dict)


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page."""
    blocks: list[Block] = []
    marks: dict[str, str] = {}
    caption, opened, lines = "", None, list[str]()
    for number, line in enumerate((ROOT / "docs" / f"{page}.md").read_text().splitlines(), start=1):
        if opened is not None and line == "```":
            named = re.search(r"Terminal (\d+)", caption)
            terminal = int(named[1]) if named else 1
            blocks.append(Block(*opened, terminal, "\n".join(lines), marks))
            caption, opened, lines, marks = "", None, [], {}
        elif opened is not None:
            lines.append(line)
        elif line.startswith("```"):
            opened = (f"docs/{page}.md:{number}", line[3:])
        elif mark := _MARK.fullmatch(line):
            marks = {**marks, mark[1]: mark[2]}
        elif line.strip():
            caption = line
    assert opened is None, f"docs/{page}.md: a block does not end"
    return blocks


class Typed:
    """A block that is being typed: its error stream and its input are a terminal.

    Args:
        block: Which.
        prelude: What holds in its terminal already.
        cwd: Where a terminal begins.
        environment: Of the terminals.
    """

    def __init__(self, block: Block, prelude: str, cwd: Path, environment: dict[str, str]) -> None:
        self.block = block
        self.printed = {"out": "", "err": ""}
        mine, theirs = pty.openpty()
        self._terminal = mine
        command = ["bash", "-euo", "pipefail", "-c", prelude + block.text]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)
        assert self.process.stdout is not None
        streams = {"out": self.process.stdout.fileno(), "err": mine}
        self._threads = [
            threading.Thread(target=self._read, args=item, daemon=True) for item in streams.items()
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str, descriptor: int) -> None:
        answer = self.block.marks.get("types")
        while True:
            try:
                data = os.read(descriptor, 4096)
            except OSError:  # a terminal that nobody holds any more
                return
            if not data:
                return
            self.printed[name] += data.decode(errors="replace").replace("\r", "")
            if answer and "[y/N]" in self.printed["err"]:
                os.write(self._terminal, f"{answer}\n".encode())
                answer = None

    def end(self) -> None:
        """Wait for its end, and hold its exit code against what the page says."""
        code = self.process.wait(SECONDS)
        for thread in self._threads:
            thread.join(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self._terminal)
        expected = int(self.block.marks.get("ends with", "0"))
        assert code == expected, f"{self.block.place} ended with {code}:\n{self.printed}"

    def discard(self) -> None:
        """Kill it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)


class Typist:
    """Types the blocks of a page.

    Args:
        folder: Where the first one is typed.
        commands: The folder with the `p2pmpc` command.
    """

    def __init__(self, folder: Path, commands: Path) -> None:
        self._folder = folder
        self._environment = {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        self._preludes: dict[int, str] = {}
        self._shown: dict[int, str] = {}
        self._invitation = ""
        self._running: list[Typed] = []

    def play(self, page: str) -> None:
        """Type a whole page, and hold what it shows against what comes out."""
        scene: list[Block] = []
        for block in [*blocks_of(page), Block("the end", "sh", 1, "true")]:
            if block.language == "sh":
                if scene and not _goes_with(block, scene):
                    self._type(scene)
                    scene = []
                scene.append(block)
            elif block.language == "output":
                if scene:
                    self._type(scene)
                    scene = []
                self._compare(block)
            elif (
                block.language == "toml" and "[[statistic]]" in block.text and "title" in block.text
            ):
                parse_study(block.text.encode(), block.place)
        self._type(scene)

    def _type(self, scene: list[Block]) -> None:
        """Type the blocks of a scene at the same time, each in its terminal."""
        self._shown = {}
        try:
            for block in scene:
                text = block.text
                if "INVITATION" in text and not self._is_known(scene):
                    self._wait_for_invitation()
                text = text.replace("INVITATION", self._invitation)
                prelude = self._preludes.get(block.terminal, "")
                typed = Typed(
                    Block(block.place, "sh", block.terminal, text, block.marks),
                    prelude,
                    self._folder,
                    self._environment,
                )
                self._running.append(typed)
                kept = [one for one in text.splitlines() if one.startswith(("cd ", "export "))]
                self._preludes[block.terminal] = prelude + "".join(f"{one}\n" for one in kept)
            for typed in self._running:
                typed.end()
                shown = typed.printed["err"] + typed.printed["out"]
                self._shown[typed.block.terminal] = shown
        finally:
            for typed in self._running:
                typed.discard()
            self._running.clear()

    def _is_known(self, scene: list[Block]) -> bool:
        return bool(self._invitation) and not any("p2pmpc invite" in one.text for one in scene)

    def _wait_for_invitation(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            for typed in self._running:
                if found := re.search(
                    r"^\S+#[0-9a-f]{64}/[0-9a-f]{64}$", typed.printed["out"], re.M
                ):
                    self._invitation = found[0]
                    return
                assert typed.process.poll() is None, f"{typed.block.place} ended: {typed.printed}"
            assert time.monotonic() < deadline, "no invitation came"
            time.sleep(0.02)

    def _compare(self, block: Block) -> None:
        wanted = [masked(line) for line in block.text.splitlines() if line.strip(" …")]
        missing = []
        for shown in self._shown.values():
            lines = iter([masked(line) for line in shown.splitlines()])
            missing.append([line for line in wanted if line not in lines])
            if not missing[-1]:
                return
        shown = "\n".join(self._shown.values())
        raise AssertionError(f"{block.place} shows {missing}, and there is:\n{shown}")


def _goes_with(block: Block, scene: list[Block]) -> bool:
    """Return whether a block is typed while those before it still run: they have invited."""
    return "p2pmpc invite" in scene[0].text and block.terminal not in {b.terminal for b in scene}


def masked(line: str) -> str:
    """Return a line without what differs in every run, and without its blanks."""
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return " ".join(line.split())


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a `p2pmpc` command that need not import everything each time."""
    folder = tmp_path_factory.mktemp("bin")
    with Processes(folder) as processes:
        server = folder / "socket"
        running = processes.start(
            *(sys.executable, "-m", "tests.forked_commands", str(server)),
            OPENBLAS_NUM_THREADS="1",  # a process is forked safely while it has one thread
        )
        running.line("ready", of="out")
        write_client(folder / "p2pmpc", server)
        yield folder


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_works_as_it_is_written(page: str, tmp_path: Path, commands: Path) -> None:
    """Whoever types the page from top to bottom gets what it shows."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    Typist(tmp_path, commands).play(page)
