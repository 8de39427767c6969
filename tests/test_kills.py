"""Real processes that are killed, and what the judge of the campaign says of endings.

All runs of this module are played at a time. `python -m tests.kills` plays many more, drawn by seed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kills import faults
from tests.kills.drawn import AWAIT, GIVE_UP, NAMES, OBSERVED, Case, Sum, Times
from tests.kills.judge import Judge
from tests.kills.launchers import Launch
from tests.kills.runs import KINDS, TURNS
from tests.kills.scene import Played, Scene
from tests.processes import Ended, Processes

VALUES = (((1, 2), (3, 4)), ((10, 20), (30, 40)), ((100, 200), (300, 400)))
TWICE = Sum((1, 2, 3), VALUES, ("--length", "2", "--rounds", "2"), 2, 2, False, False)
ONCE = Sum((1, 2, 3), tuple(rows[:1] for rows in VALUES), ("--length", "2"), 1, 2, False, True)
CASES = {
    "resumed": Case("killed and resumed", 0, TWICE, AWAIT, (1,), ("partial",), 2, 0.0),
    "refused": Case("resumed with another input", 0, ONCE, AWAIT, (0,), ("echo",), 1, 0.0),
    "dead": Case("killed once all had left", 0, ONCE, GIVE_UP, (2,), ("open",), 1, 0.0),
}
LAUNCH = Launch("launcher killed", 0, 3, "--kill 3@share", "share", 0.1, True, signal.SIGTERM)


def play(case: Case, folder: Path) -> Played:
    """Play a run whose files stay."""
    with Processes(folder, forks=True) as processes:
        scene = Scene(case, processes)
        faults.KINDS[case.kind].play(scene)
        return scene.played()


def launch(folder: Path) -> tuple[Ended, int, list[int], bool]:
    """Play the run of a swarm."""
    with Processes(folder, forks=True) as processes:
        return LAUNCH.play(processes)


class Runs:
    """All runs of this module."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        with ThreadPoolExecutor() as pool:
            playing = {name: pool.submit(play, case, folder(name)) for name, case in CASES.items()}
            launching = pool.submit(launch, folder("launch"))
            self.played = {name: run.result() for name, run in playing.items()}
            self.launched = launching.result()

    def codes(self, name: str) -> list[list[int]]:
        """Return the exit codes of a run, by peer and life."""
        return [[end.code for end in lives] for lives in self.played[name].lives]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All runs, played at once."""
    return Runs(tmp_path_factory.mktemp)


def test_a_killed_process_goes_on(runs: Runs) -> None:
    """Row 5: kill -9 in a second round, then --resume: every process ends with 0 and all totals."""
    assert runs.codes("resumed") == [[0], [-9, 0], [0]]
    assert Judge(runs.played["resumed"]).wrong() == []


def test_another_input_is_refused(runs: Runs) -> None:
    """Row 6: a founder resumed with another input ends with 8, connects to nobody, and then goes on."""
    assert runs.codes("refused") == [[-9, 8, 0], [0], [0]]
    assert Judge(runs.played["refused"]).wrong() == []
    refused = runs.played["refused"].lives[0][1]
    assert "nothing was sent now" in refused.err


def test_a_majority_finishes(runs: Runs) -> None:
    """Row 3: kill -9 after its ECHO reached all: the others end with the total, its input included."""
    assert runs.codes("dead") == [[0], [0], [-9]]
    assert Judge(runs.played["dead"]).wrong() == []


def test_no_orphans(runs: Runs) -> None:
    """Row 30: SIGKILL of a launcher, one of its peers stopped: after five seconds nobody is left."""
    ended, count, orphans, is_struck = runs.launched
    assert is_struck
    assert count >= 2
    assert ended.code == -signal.SIGKILL
    assert orphans == []
    assert LAUNCH.wrong(ended, orphans, is_struck=is_struck) == []


def test_orphans_would_be_told(runs: Runs) -> None:
    """Row 30: a launch that leaves somebody, or ends with a code of its own, does not pass."""
    ended, _, _, is_struck = runs.launched
    assert LAUNCH.wrong(ended, [1], is_struck=is_struck) == ["1 processes were left"]
    assert LAUNCH.wrong(replace(ended, code=1), [], is_struck=is_struck)


# -- what the judge says ----------------------------------------------------------------------


def altered(played: Played, peer: int, **changes: object) -> list[str]:
    """Return what the judge says where one process had ended otherwise."""
    lives = [list(one) for one in played.lives]
    lives[peer][-1] = replace(lives[peer][-1], **changes)  # type: ignore[arg-type]
    return Judge(replace(played, lives=lives)).wrong()


def test_a_wrong_total_is_told(runs: Runs) -> None:
    """Whatever else holds, one wrong digit in one total of one process fails the run."""
    played = runs.played["dead"]
    out = played.lives[0][0].out
    assert '"total": [321, 642]' in out
    found = altered(played, 0, out=out.replace("[321, 642]", "[321, 643]"))
    assert "ann printed a wrong total in round 1" in found


def test_a_traceback_is_told(runs: Runs) -> None:
    """A traceback fails the run, whatever the exit code."""
    played = runs.played["dead"]
    shown = played.lives[0][0].err + "\nTraceback (most recent call last):\n"
    assert altered(played, 0, err=shown) == ["ann showed a traceback"]


def test_half_a_line_is_that_of_a_killed_process_alone(runs: Runs) -> None:
    """Whoever is killed while it prints may leave half a total, and nobody else may."""
    played = runs.played["dead"]
    assert altered(played, 2, out='{"total": [32') == []
    with pytest.raises(ValueError, match="Expecting"):
        altered(played, 0, out='{"total": [32')


@pytest.mark.parametrize("code", [1, 4, 5, 6, 7, 8, -9])
def test_codes_that_no_fault_allows_are_told(runs: Runs, code: int) -> None:
    """A peer that nobody touched ends with 0 or 3, and one that returned with 0."""
    found = altered(runs.played["dead"], 0, code=code, out="")
    assert f"ann (untouched) ended with {code}, and not with one of [0, 3]" in found
    found = altered(runs.played["resumed"], 1, code=3, out="")
    assert "bob (returned) ended with 3, and not with one of [0]" in found


def test_an_end_without_the_word_is_told(runs: Runs) -> None:
    """Rows 3 and 4: a 3 after an ECHO that does not say that a total may have been opened fails."""
    played = runs.played["dead"]
    steps = played.lives[0][0].err
    says = "error: eve is gone\n  revealed: the total may have been opened by others"
    silent = "error: eve is gone\n  revealed: nothing about your data was revealed"
    words = "ann ended after its ECHO, and does not say that a total may have been opened"
    assert words in altered(played, 0, code=3, out="", err=steps + silent)
    assert words not in altered(played, 0, code=3, out="", err=steps + says)
    early = re.sub(r"\.\.\. comparing.*", "", steps, flags=re.DOTALL)
    words = "ann ended before its ECHO, and does not say that nothing more was revealed"
    assert words in altered(played, 0, code=3, out="", err=early + says)


def test_a_peer_that_ends_alone_is_told(runs: Runs) -> None:
    """Row 4: where one peer ends with the total, another that lives must not end without it."""
    found = altered(runs.played["dead"], 0, code=3, out="")
    assert any(what.startswith("the living ended differently") for what in found)
    assert "ann did not finish round 1, which somebody else could open" in found
    assert "ann printed 0 totals, and not [1]" in found


def test_what_is_left_is_told(runs: Runs, tmp_path: Path) -> None:
    """Processes that are left, missing transcripts, and state of a session that is over fail a run."""
    played = runs.played["dead"]
    assert Judge(replace(played, orphans=[1])).wrong() == ["1 processes were left"]
    assert "ann left no transcript" in Judge(replace(played, directory=tmp_path)).wrong()
    left = played.state_dir(1) / "left.state"
    left.write_text("")
    assert Judge(played).wrong() == ["bob left state, and there is nothing to go on with"]
    left.unlink()


def test_files_that_do_not_verify_are_told(runs: Runs) -> None:
    """A run whose transcripts `p2pmpc verify` refuses fails."""
    played = runs.played["resumed"]
    (path, *_) = sorted(played.log_dir(0).glob("*.transcript"))
    before = path.read_bytes()
    path.write_bytes(before.replace(b"values=321", b"values=322"))
    try:
        found = Judge(played).wrong()
    finally:
        path.write_bytes(before)
    assert any(what.startswith("ann left files that do not verify") for what in found)
    assert Judge(played).wrong() == []


# -- what is drawn ----------------------------------------------------------------------------


def test_every_kind_takes_its_turn() -> None:
    """No kind of fault that the table names is left out of the draw."""
    assert set(TURNS) == set(KINDS)


@pytest.mark.parametrize("kind", faults.KINDS)
def test_draws_are_possible(kind: str) -> None:
    """What is drawn follows from the seed, and can happen: no peer stops at a step that it never reaches."""
    for seed in range(10):
        case = faults.draw(seed, kind)
        assert case == faults.draw(seed, kind)
        drawn = case.sum
        assert 3 <= len(drawn.contributors) <= drawn.count <= len(NAMES)
        assert 1 <= case.round <= drawn.rounds
        observers = [k for k in case.victims if drawn.weights[k] == 0]
        assert not observers or case.steps[0] in (*OBSERVED, "start")
        assert isinstance(case.times, Times)
        for number in range(drawn.rounds):
            assert all(abs(value) < 1 << 30 for value in drawn.total(number))
