"""``p2pmpc demo``: a whole study with made-up data, from the tables to the report."""

from __future__ import annotations

import json as json_module
import math
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import trio
from cyclopts import Parameter

from p2pmpc.app import show_error, whole_number
from p2pmpc.errors import (
    ConfigurationError,
    Interrupted,
    P2PMPCError,
    ResourceExhausted,
    VerificationFailed,
)
from p2pmpc.keys import load_or_create
from p2pmpc.study.demo.data import (
    FEW,
    HOSPITALS,
    SUPPRESSED,
    Patient,
    as_csv,
    make_patients,
    pooled_mean,
    study_text,
)
from p2pmpc.study.demo.running import Parties
from p2pmpc.study.session.evidence import verify_study
from p2pmpc.verify import verify_directory

FEWEST_ROWS: Final = 50
MOST_ROWS: Final = 100_000


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
        check_options(directory, rows)
        patients = make_patients(seed, rows)
        prepare(directory, patients)
        tell_beginning(directory, rows, seed)
        parties = Parties(directory, HOSPITALS, lambda line: say(f"  {line}"))
        trio.run(run_until_signal, parties)
        code = next((code for code in parties.codes.values() if code), 0)
        if code:
            return code
        result = check(directory, patients)
    except P2PMPCError as error:
        return show_error(error)
    except KeyboardInterrupt:
        return show_error(Interrupted(signal.SIGINT))
    sys.stdout.write(result if json else parties.result)
    sys.stdout.flush()
    tell_end(directory)
    return 0


def say(line: str = "") -> None:
    """Tell a line of the story."""
    print(line, file=sys.stderr, flush=True)


async def run_until_signal(parties: Parties) -> None:
    """Run the parties; SIGINT and SIGTERM end those that were started here, and nothing else.

    Raises:
        Interrupted: By one of the two.
    """
    caught: list[int] = []
    async with trio.open_nursery() as nursery:

        async def catch() -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    caught.append(number)
                    nursery.cancel_scope.cancel()

        nursery.start_soon(catch)
        await parties.run()
        nursery.cancel_scope.cancel()
    if caught:
        raise Interrupted(caught[0])


# -- before ---------------------------------------------------------------------------------------


def check_options(directory: Path, rows: int) -> None:
    """Refuse a number of rows that makes no study, and a folder that holds something.

    Raises:
        ConfigurationError: Says which.
    """
    if not FEWEST_ROWS <= rows <= MOST_ROWS:
        raise ConfigurationError(
            f"--rows {rows}: a hospital has from {FEWEST_ROWS} to {MOST_ROWS} rows"
        )
    try:
        is_free = not directory.exists() or not any(directory.iterdir())
    except OSError:
        is_free = False
    if not is_free:
        raise ConfigurationError(
            f"{directory} is there already, and is no empty folder",
            hint="delete it, or name another one with --directory",
        )


def prepare(directory: Path, patients: list[list[Patient]]) -> None:
    """Make the folder, the keys, the tables and the study file.

    Raises:
        ResourceExhausted: Something cannot be written.
    """
    try:
        for name in ("data", "keys", "terminals"):
            (directory / name).mkdir(parents=True)
        for number, name in enumerate(HOSPITALS):
            path = directory / "data" / f"{name}.csv"
            path.write_text(as_csv(patients[number], number), encoding="ascii")
        keys = [directory / "keys" / f"{name}.key" for name in HOSPITALS]
        text = study_text([load_or_create(key, os.urandom).id for key in keys])
        (directory / "study.toml").write_text(text, encoding="ascii")
    except OSError as error:
        raise ResourceExhausted(
            f"cannot write to {directory}: {error.strerror}",
            hint="name a folder of your own with --directory",
        ) from None


def tell_beginning(directory: Path, rows: int, seed: int) -> None:
    """Say what this is about."""
    few = " and ".join(f"{ward} with {sum(counts)}" for ward, counts in FEW.items())
    say("Five hospitals have one question, and none may show its patients to another.")
    say(f"All of it is made up: {rows} rows at each hospital, drawn from seed {seed}.")
    say(f"Two wards are small, over all hospitals together: {few} rows.")
    say(f"The files are in {directory}. Each hospital is a process, and runs what a person types:")
    say()


# -- after ----------------------------------------------------------------------------------------


def check(directory: Path, patients: list[list[Patient]]) -> str:
    """Keep the result, verify the evidence, and hold the result against all rows in one heap.

    Args:
        directory: Of the demo.
        patients: Of every hospital.

    Returns:
        The result as JSON.

    Raises:
        VerificationFailed: Something does not hold.
    """
    evidence = directory / "evidence"
    try:
        text = (evidence / f"{HOSPITALS[0]}.result.json").read_text(encoding="ascii")
        (directory / "result.json").write_text(text, encoding="ascii")
    except OSError as error:
        raise ResourceExhausted(f"cannot keep result.json: {error.strerror}") from None
    verify_directory(evidence)
    verdict = verify_study(evidence)
    if verdict is None or len(verdict.peers) != len(HOSPITALS):
        raise VerificationFailed(f"{evidence}: it does not hold the study of every hospital")
    say("  verified   every signature, sum and answer, as all five signed them")
    mean, pooled = mean_of(text), pooled_mean(patients)
    if not math.isclose(mean, pooled, rel_tol=1e-9):
        raise VerificationFailed(f"the mean is {mean}, and {pooled} with all rows in one heap")
    say(f"  compared   mean blood pressure {mean:.4f}, with all rows in one heap {pooled:.4f}")
    say()
    return text


def mean_of(result: str) -> float:
    """Return the mean over all groups that are shown, of a result as JSON."""
    (found,) = (
        answer["figures"]["mean"]["value"]
        for answer in json_module.loads(result)["answers"]
        if answer["statistic"]["kind"] == "mean" and not answer["level"]["fixed"]
    )
    return float(found)


def tell_end(directory: Path) -> None:
    """Say what was suppressed, and which files to open next."""
    few = sum(FEW[SUPPRESSED])
    say()
    say(f"{SUPPRESSED} is suppressed: {few} rows over all hospitals, and the minimum is 5.")
    say(f"Where to look next, in {directory}:")
    say("  report.html          the result with plots: open it in a browser")
    say("  study.toml           what was asked: read it with `p2pmpc study show`")
    say("  data/                the made-up tables")
    say("  terminals/south.txt  what one of the hospitals saw")
    say("  evidence/            what each signed: check it with `p2pmpc verify`")
    say("  result.json, result.csv")
    say("With data of your own: docs/coordinator.md and docs/party.md.")
