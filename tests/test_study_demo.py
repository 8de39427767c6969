"""`p2pmpc demo` is a whole study: real processes, made-up tables, a result that holds, nothing left running."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.cli import main
from p2pmpc.study.demo.data import (
    FEW,
    HOSPITALS,
    as_csv,
    make_patients,
    pooled_mean,
    study_text,
)
from p2pmpc.study.file.study_file import parse_study
from tests.processes import Ended, Processes, Shell, all_processes, children_of, wait_for


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Ended]]:
    """The folder of a demo that has ended, and how."""
    folder = tmp_path_factory.mktemp("demo")
    with Processes(folder) as processes:
        yield folder / "p2pmpc-demo", processes.cli("demo --rows 60 --seed 7 --json").end()


def answers_of(result: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the answers of one kind."""
    return [answer for answer in result["answers"] if answer["statistic"]["kind"] == kind]


def test_the_demo_ends_with_a_result_that_the_pooled_rows_give(ran: tuple[Path, Ended]) -> None:
    """What five processes opened is the mean over all rows in one heap, which no process has."""
    _, ended = ran
    assert ended.code == 0, ended.err
    overall = answers_of(ended.json, "mean")[0]
    assert overall["level"]["label"] == "all"
    assert overall["figures"]["mean"]["value"] == pytest.approx(
        pooled_mean(make_patients(7, 60)), rel=1e-12
    )
    assert {one["name"] for one in ended.json["participants"]} == set(HOSPITALS)


def test_the_demo_suppresses_the_small_ward_and_shows_the_one_above_it(
    ran: tuple[Path, Ended],
) -> None:
    """Four rows are below the minimum of five, and six are not, though no hospital has three of them."""
    _, ended = ran
    assert [one["group"] for one in ended.json["suppressed"]] == ["ward = burns"]
    shown = {answer["level"]["label"]: answer["rows"] for answer in answers_of(ended.json, "mean")}
    assert shown["ward = eye"] == sum(FEW["eye"]) == 6
    assert "ward = burns" not in shown


def test_the_demo_leaves_everything_that_a_study_leaves(ran: tuple[Path, Ended]) -> None:
    """Study, tables, keys, report, results, terminals and evidence are in the folder, of all five."""
    folder, ended = ran
    assert {path.name for path in folder.iterdir()} == {
        *("data", "evidence", "keys", "report.html", "result.csv", "result.json"),
        *("study.toml", "terminals"),
    }
    assert json.loads((folder / "result.json").read_text()) == ended.json
    for name in HOSPITALS:
        assert (folder / "data" / f"{name}.csv").is_file()
        assert (folder / "keys" / f"{name}.key").stat().st_mode & 0o077 == 0
        assert "What leaves your machine" in (folder / "terminals" / f"{name}.txt").read_text()
        assert (folder / "evidence" / f"{name}.study-receipt.json").is_file()


def test_the_demo_tells_what_happens_in_order(ran: tuple[Path, Ended]) -> None:
    """The story names the command of each hospital, both rounds, the check, and where to look next."""
    _, ended = ran
    told = [
        *("made up", "p2pmpc invite", "p2pmpc join INVITATION", "5 of 5 peers are here"),
        *("first round", "second round: the sums of 3 of 4 groups", "verified", "compared"),
        *("burns is suppressed", "report.html"),
    ]
    places = [ended.err.find(part) for part in told]
    assert -1 not in places, ended.err
    assert places == sorted(places)


def test_the_demo_refuses_a_folder_that_holds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of anybody's is overwritten: the folder is left as it is, with 2."""
    (tmp_path / "own.txt").write_text("mine")
    code, out, err = Shell(monkeypatch, capsys).run(main, f"demo --directory {tmp_path}")
    assert (code, out) == (2, "")
    assert "is no empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]


def test_ctrl_c_ends_the_demo_and_every_process_that_it_started(tmp_path: Path) -> None:
    """It ends with 130, says so, and leaves nobody running."""
    with Processes(tmp_path) as processes:
        running = processes.cli("demo")
        running.line("p2pmpc invite")
        wait_for(lambda: bool(children_of(running.process.pid)))
        session = running.process.pid
        running.signal(signal.SIGINT)
        ended = running.end()
        assert ended.code == 130
        assert "stopped by signal 2" in ended.err
        assert not ended.has_traceback
        left = [pid for pid, state, _, of in all_processes() if of == session and state != "Z"]
        assert not left


def test_the_same_seed_makes_up_the_same_rows_and_another_one_others() -> None:
    """What people read in the demo can be had again."""
    first = [as_csv(rows, k) for k, rows in enumerate(make_patients(3, 50))]
    assert first == [as_csv(rows, k) for k, rows in enumerate(make_patients(3, 50))]
    assert first != [as_csv(rows, k) for k, rows in enumerate(make_patients(4, 50))]
    assert [text.count("\n") for text in first] == [51] * 5


@pytest.mark.parametrize("seed", range(5))
def test_the_small_wards_have_the_rows_that_the_story_says(seed: int) -> None:
    """Whatever the seed: at every hospital, and none of them lacks a value."""
    for number, rows in enumerate(make_patients(seed, 50)):
        for ward, few in FEW.items():
            chosen = [one for one in rows if one.ward == ward]
            assert len(chosen) == few[number]
            assert all(one.systolic is not None for one in chosen)


def test_the_made_up_rows_are_within_the_bounds_of_the_made_up_study() -> None:
    """The tables need no rejected rows: what is missing is the only thing that leaves rows out."""
    study = parse_study(study_text([bytes([k]) * 32 for k in range(5)]).encode())
    age, stay, systolic = (study.columns[name] for name in ("age", "stay", "systolic"))
    for one in (one for rows in make_patients(5, 400) for one in rows):
        assert one.ward in study.columns["ward"].categories
        assert age.low <= one.age <= age.high
        assert stay.low <= one.stay <= stay.high
        assert one.systolic is None or systolic.low <= one.systolic * 10 <= systolic.high
