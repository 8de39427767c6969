"""``p2pmpc demo``: a whole study with made-up data, five parties as processes of their own.

Each party is the command that a person would type, with a key and a file of its own; the launcher reads
no more of them than people at their terminals would.
"""

from __future__ import annotations

import json as json_module
import math
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Annotated, Final

import trio
from cyclopts import Parameter

from p2pmpc.app import whole_number
from p2pmpc.errors import (
    ConfigurationError,
    Interrupted,
    LocalProtocolError,
    P2PMPCError,
    ResourceExhausted,
    VerificationFailed,
    exit_code_of,
)
from p2pmpc.keys import load_or_create
from p2pmpc.study.demo_data import (
    FEW,
    HOSPITALS,
    SUPPRESSED,
    Patient,
    as_csv,
    make_patients,
    pooled_mean,
    study_text,
)
from p2pmpc.study.evidence import verify_study
from p2pmpc.verify import verify_directory

FEWEST_ROWS: Final = 50
MOST_ROWS: Final = 100_000

_START: Final = (sys.executable, "-P", "-c", "from p2pmpc.cli import main; main()")
_SECONDS: Final = 60
"""How long a party waits for the others."""

_GRACE_SECONDS: Final = 10
"""How long the others have to say why, once one has failed."""

_TOLD: Final = ("peers are here", "... first round", "... second round", "error:", "  next:")
"""Lines of the founder's terminal that are told as they come hold one of these."""


def run_demo(
    *,
    directory: Annotated[
        Path, Parameter(help="A folder that is not there yet, or is empty.")
    ] = Path("p2pmpc-demo"),
    rows: Annotated[
        int,
        Parameter(
            help=f"Rows of each hospital, from {FEWEST_ROWS} to {MOST_ROWS}.",
            converter=whole_number,
        ),
    ] = 200,
    seed: Annotated[
        int, Parameter(help="The same seed makes up the same rows.", converter=whole_number)
    ] = 1,
    json: Annotated[
        bool, Parameter(help="Print the result as one JSON object.", negative="")
    ] = False,
) -> int:
    """Run a whole study with made-up data: five hospitals as five processes on this machine.

    Each has a key and a file of its own. The folder keeps everything: the study file, the five
    tables, the report, the result, what each saw in its terminal, and the evidence.
    """
    try:
        demo = _Demo(directory, rows, seed)
        demo.prepare()
        trio.run(_until_signal, demo)
        demo.check()
    except P2PMPCError as error:
        print(error.describe(), file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return exit_code_of(Interrupted(signal.SIGINT))
    if demo.exit_code:
        return demo.exit_code
    sys.stdout.write(demo.result_json() if json else demo.result_text)
    sys.stdout.flush()
    demo.tell_where_to_look()
    return 0


def _say(line: str = "") -> None:
    print(line, file=sys.stderr, flush=True)


async def _until_signal(demo: _Demo) -> None:
    """Run the parties; SIGINT and SIGTERM end those that were started here, and nothing else."""
    caught: list[int] = []
    async with trio.open_nursery() as nursery:

        async def catch() -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    caught.append(number)
                    nursery.cancel_scope.cancel()

        nursery.start_soon(catch)
        await demo.run()
        nursery.cancel_scope.cancel()
    if caught:
        raise Interrupted(caught[0])


class _Demo:
    """A folder, and the five parties that work in it.

    Args:
        directory: The folder.
        rows: Of each hospital.
        seed: Of the made-up rows.
    """

    def __init__(self, directory: Path, rows: int, seed: int) -> None:
        if not FEWEST_ROWS <= rows <= MOST_ROWS:
            raise ConfigurationError(
                f"--rows {rows}: a hospital has from {FEWEST_ROWS} to {MOST_ROWS} rows"
            )
        self.directory = directory
        self.result_text = ""
        self._rows = rows
        self._seed = seed
        self._patients: list[list[Patient]] = []
        self._codes: dict[str, int] = {}

    # -- before -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folder, the keys, the tables and the study file.

        Raises:
            ConfigurationError: The folder holds something.
            ResourceExhausted: A file cannot be written.
        """
        try:
            if self.directory.exists() and (
                not self.directory.is_dir() or any(self.directory.iterdir())
            ):
                raise ConfigurationError(
                    f"{self.directory} is there already, and is no empty folder",
                    hint="delete it, or name another one with --directory",
                )
            for name in ("data", "keys", "terminals"):
                (self.directory / name).mkdir(parents=True)
            self._patients = make_patients(self._seed, self._rows)
            for number, name in enumerate(HOSPITALS):
                text = as_csv(self._patients[number], number)
                (self.directory / "data" / f"{name}.csv").write_text(text, encoding="ascii")
            ids = [
                load_or_create(self.directory / "keys" / f"{name}.key", os.urandom).id
                for name in HOSPITALS
            ]
            (self.directory / "study.toml").write_text(study_text(ids), encoding="ascii")
        except OSError as error:
            raise ResourceExhausted(
                f"cannot write to {self.directory}: {error.strerror}",
                hint="name a folder of your own with --directory",
            ) from None
        self._tell_the_story()

    def _tell_the_story(self) -> None:
        few = ", ".join(f"{ward} {sum(counts)}" for ward, counts in FEW.items())
        _say("Five hospitals ask one question, and none may show its patients to another.")
        _say(f"All is made up, from seed {self._seed}: {self._rows} rows at each hospital.")
        _say(f"Two wards are small; over all hospitals they have so many rows: {few}.")
        _say(f"Files are in {self.directory}. Each hospital runs the command that it would type:")
        _say()

    # -- the parties --------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    def _command(self, name: str, *beginning: str) -> list[str]:
        return [
            *beginning, "--data", self._path(f"data/{name}.csv"), "--key",
            self._path(f"keys/{name}.key"), "--name", name, "--yes", "--log-dir",
            self._path("evidence"), "--timeout", str(_SECONDS), "--join-timeout", str(_SECONDS),
        ]  # fmt: skip

    async def run(self) -> None:
        """Run all parties to their ends."""
        founder, *others = HOSPITALS
        study = self._path("study.toml")
        command = self._command(founder, "invite", study)
        command += ["--report", self._path("report.html"), "--csv", self._path("result.csv")]
        _say(f"  {founder:8} p2pmpc invite {study} --data {self._path(f'data/{founder}.csv')} ...")
        async with trio.open_nursery() as nursery:
            send, receive = trio.open_memory_channel[str](1)
            nursery.start_soon(self._found, nursery, founder, command, send)
            async for invitation in receive:
                for name in others:
                    data = self._path(f"data/{name}.csv")
                    _say(f"  {name:8} p2pmpc join INVITATION --study {study} --data {data} ...")
                    joining = self._command(name, "join", invitation, "--study", study)
                    nursery.start_soon(self._join, nursery, name, joining)

    async def _found(
        self,
        parties: trio.Nursery,
        name: str,
        command: Sequence[str],
        invitations: trio.MemorySendChannel[str],
    ) -> None:
        """Run the party that invites, and pass its invitation on; what follows it is the result."""
        async with invitations, trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    [*_START, *command],
                    env=_environment(),
                    stdout=PIPE,
                    stderr=PIPE,
                    check=False,
                )
            )
            assert process.stderr is not None
            assert process.stdout is not None
            nursery.start_soon(self._follow, name, process.stderr)
            text = b""
            has_invited = False
            async for data in process.stdout:
                text += data
                if not has_invited and b"\n" in text:
                    has_invited = True
                    line, _, text = text.partition(b"\n")
                    await invitations.send(line.decode())
                    await invitations.aclose()
            self.result_text = text.decode()
            await process.wait()
        self._ended(parties, name, process.returncode)

    async def _follow(self, name: str, stream: trio.abc.ReceiveStream) -> None:
        """Write down what the founder's terminal shows, and tell the lines that tell the story."""
        pending = b""
        with (self.directory / "terminals" / f"{name}.txt").open("wb") as file:
            async for data in stream:
                file.write(data)
                *lines, pending = (pending + data).split(b"\n")
                for line in map(bytes.decode, lines):
                    if any(told in line for told in _TOLD):
                        _say(f"  {line.removeprefix('... ')}")

    async def _join(self, parties: trio.Nursery, name: str, command: Sequence[str]) -> None:
        path = self.directory / "terminals" / f"{name}.txt"
        with path.open("wb") as file:
            ended = await trio.run_process(
                [*_START, *command],
                env=_environment(),
                stdout=file,
                stderr=file,
                check=False,
            )
        self._ended(parties, name, ended.returncode)

    def _ended(self, parties: trio.Nursery, name: str, code: int | None) -> None:
        self._codes[name] = 1 if code is None or code < 0 else code
        if self._codes[name]:
            _say(f"  {name} ended with {code}; see {self.directory}/terminals/{name}.txt")
            soon = trio.current_time() + _GRACE_SECONDS
            scope = parties.cancel_scope
            scope.deadline = min(scope.deadline, soon)

    @property
    def exit_code(self) -> int:
        """The code of the first party that failed; 0 where none did."""
        return next((code for code in self._codes.values() if code), 0)

    # -- after --------------------------------------------------------------------------------

    def result_json(self) -> str:
        """Return the result as JSON."""
        return (self.directory / "result.json").read_text(encoding="ascii")

    def check(self) -> None:
        """Keep the result, verify the evidence, and hold the result against all rows in one heap.

        Raises:
            VerificationFailed: Something does not hold.
        """
        if self.exit_code:
            return
        evidence = self.directory / "evidence"
        kept = evidence / f"{HOSPITALS[0]}.result.json"
        (self.directory / "result.json").write_bytes(kept.read_bytes())
        verify_directory(evidence)
        if verify_study(evidence) is None:
            raise LocalProtocolError(f"{evidence} holds no study")
        _say("  verified: every signature, every sum and every answer, at all five")
        mean, pooled = self._mean(), pooled_mean(self._patients)
        if not math.isclose(mean, pooled, rel_tol=1e-9):
            raise VerificationFailed(f"the mean is {mean}, and {pooled} with all rows in one heap")
        _say(f"  mean blood pressure {mean:.4f}; with all rows in one heap {pooled:.4f}")
        _say()

    def _mean(self) -> float:
        answers = json_module.loads(self.result_json())["answers"]
        (found,) = (
            answer["figures"]["mean"]["value"]
            for answer in answers
            if answer["statistic"]["kind"] == "mean" and answer["level"]["fixed"] == {}
        )
        return float(found)

    def tell_where_to_look(self) -> None:
        """Say which files to open next."""
        own = self.directory
        _say()
        _say(f"{SUPPRESSED} is suppressed: four rows over all hospitals, and five are the minimum.")
        _say("Where to look next:")
        _say(f"  {own}/report.html        the result with plots; open it in a browser")
        _say(f"  {own}/study.toml         what was asked: p2pmpc study show {own}/study.toml")
        _say(f"  {own}/terminals/south.txt  what one of the hospitals saw")
        _say(f"  {own}/evidence           what each signed: p2pmpc verify {own}/evidence")
        _say(f"  {own}/data, result.json, result.csv")
        _say("How to do it with data of your own: docs/coordinator.md and docs/party.md")


def _environment() -> dict[str, str]:
    """Return the environment of a party: it finds this very package, wherever it starts."""
    own = str(Path(__file__).resolve().parents[2])
    paths = [own, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
