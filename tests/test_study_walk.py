"""A study among peers: who sits in it, who agrees, what is opened, what ends it, and what it leaves."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from p2pmpc.archive import file_stem
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    InputRefused,
    Interrupted,
    P2PMPCError,
    Revealed,
    VerificationFailed,
    exit_code_of,
)
from p2pmpc.identity import Identity, format_id
from p2pmpc.keys import load_or_create
from p2pmpc.ledger_file import ledger_path, read_ledger
from p2pmpc.network import MemoryNetwork
from p2pmpc.options import NodeOptions
from p2pmpc.peer import Peer
from p2pmpc.progress import Callback
from p2pmpc.start import peer_of
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.plan import Aggregates, Plan
from p2pmpc.study.plausible import check_counts
from p2pmpc.study.session.command import run_invite
from p2pmpc.study.session.evidence import keep_study, verify_study
from p2pmpc.study.session.home import Home
from p2pmpc.study.session.invitation import Invitation
from p2pmpc.study.session.options import StudyOptions
from p2pmpc.study.session.running import _kept
from p2pmpc.study.session.seat import (
    check_coordinator,
    check_deadline,
    check_listed,
    name_of,
    weight_of,
    with_parameters,
)
from p2pmpc.study.session.walk import Ask, Part, Walked, walk
from p2pmpc.verify import verify_directory
from tests.nodes import at_once
from tests.study_reference import Row, aggregates_of, used_rows

TEXT = """\
title = "Wages"
purpose = "Who earns what?"
parties = 3
group_by = ["sex"]
minimum_group = 5
maximum_rows = 1000

[columns.wage]
type = "number"
unit = "EUR"
minimum = 0
maximum = 10000
decimals = 2

[columns.sex]
type = "category"
categories = ["f", "m", "x"]

[[statistic]]
kind = "mean"
column = "wage"

[[statistic]]
kind = "variance"
column = "wage"
"""


LONGER = """
[[statistic]]
kind = "histogram"
column = "wage"
bins = 5
"""

REGRESSION = """
[[statistic]]
kind = "regression"
outcome = "wage"
predictors = ["sex"]
"""


def rows_of(seed: int, f: int = 6, m: int = 7, x: int = 0) -> list[Row]:
    """Return a party's made-up rows, so many of each sex."""
    draw = random.Random(seed)
    sexes = ["f"] * f + ["m"] * m + ["x"] * x
    return [{"wage": round(draw.uniform(1000, 9000), 2), "sex": sex} for sex in sexes]


@dataclass
class Seat:
    """One who takes part: its rows (None for a coordinator without data), and how it differs."""

    rows: list[Row] | None
    text: str = TEXT
    weight: int = 1
    own_minimum: int = 0
    ask: Ask | None = None
    invited_to: bytes | None = None
    options: dict[str, Any] = field(default_factory=dict)
    made_of: bytes = b""
    vector: Callable[[Plan], None] | None = None


class Gathering:
    """Several peers on one memory network; the first invites."""

    def __init__(self, folder: Path, log: str = "log") -> None:
        self._folder = folder
        self._log = folder / log
        self._network = MemoryNetwork()
        self._founded = trio.Event()
        self._bootstrap = ""
        self.walked: dict[int, Walked] = {}
        self.errors: dict[int, P2PMPCError] = {}
        self.peers: dict[int, Peer] = {}
        self.told: dict[int, list[tuple[str, dict[str, Any]]]] = {}

    async def run(self, seats: Sequence[Seat]) -> None:
        """Run all of them to their end, which comes at once where nobody can join."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            for number, seat in enumerate(seats):
                nursery.start_soon(self._run_one, number, seat)

    def _hear(self, number: int, event: str, fields: dict[str, Any]) -> None:
        self.told[number].append((event, fields))
        if event == "founded":
            self._bootstrap = fields["bootstrap"]
            self._founded.set()

    async def _run_one(self, number: int, seat: Seat) -> None:
        self.told[number] = []
        if number:
            await self._founded.wait()
        observer = Callback(lambda event, fields: self._hear(number, event, fields))
        key = self._folder / f"{number}.key"
        identity = load_or_create(key, os.urandom)
        study = parse_study(seat.text.encode())
        plan = Plan(study)
        options = NodeOptions(
            bootstrap=self._bootstrap if number else None,
            key=str(key),
            name=f"member-{number}",
            weight=0 if seat.rows is None else 1,
            no_state=True,
            keep_partials=True,
            yes=True,
            timeout=30,
            log_dir=str(self._log),
            made_of=seat.made_of,
        )
        home = None
        if seat.rows is not None:
            used = len(used_rows(study, seat.rows))
            home = Home("rows", used, len(seat.rows), aggregates_of(plan, seat.rows))
        if seat.vector is not None:
            seat.vector(plan)
        part = Part(plan, home, seat.weight, seat.own_minimum, seat.ask, seat.invited_to)
        made = replace(with_parameters(plan, options), **seat.options)
        try:
            with peer_of(
                made,
                None,
                network=self._network,
                entropy=os.urandom,
                observer=observer,
                brings_later=True,
            ) as peer:
                self.peers[number] = peer
                walked = await walk(peer, part, observer)
                folder, session = Path(walked.result.files), peer.runner.session
                self.session = session
                stem = file_stem(made.name, identity)
                keep_study(folder, stem, identity, session, study, walked.result)
            self.walked[number] = walked
        except P2PMPCError as error:
            self.errors[number] = error
            if not self._founded.is_set():
                self._scope.cancel()

    def codes(self) -> list[int]:
        """Return everybody's exit code."""
        codes = dict.fromkeys(self.walked, 0)
        codes |= {number: exit_code_of(error) for number, error in self.errors.items()}
        return [codes[number] for number in sorted(codes)]


def figure(walked: Walked, name: str, label: str = "all", place: int = 0) -> Any:
    """Return a figure of a statistic at a level."""
    statistic = walked.result.answers[0].statistic
    kinds = list(dict.fromkeys(answer.statistic for answer in walked.result.answers))
    statistic = kinds[place]
    (found,) = [
        answer
        for answer in walked.result.answers
        if answer.statistic == statistic and answer.level.label == label
    ]
    return found.figure(name).value


def pooled(seats: Sequence[Seat], sexes: str = "fm") -> list[float]:
    """Return the wages of everybody of some sexes."""
    return [row["wage"] for seat in seats for row in seat.rows or [] if row["sex"] in sexes]


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


@at_once
async def test_all_hold_the_same_result_and_it_is_the_pooled_one(tmp_path: Path) -> None:
    """Three parties, two rounds: the mean of all rows and of each group, equal at all."""
    seats = [Seat(rows_of(k)) for k in range(3)]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    assert gathering.codes() == [0, 0, 0]
    results = [walked.result for walked in gathering.walked.values()]
    assert len({result.answers for result in results}) == 1
    walked = gathering.walked[0]
    assert figure(walked, "mean") == pytest.approx(mean(pooled(seats)), rel=1e-12)
    assert figure(walked, "mean", "sex = f") == pytest.approx(mean(pooled(seats, "f")), rel=1e-12)
    assert walked.result.suppressed == ()
    assert walked.result.rows == 39


@at_once
async def test_a_coordinator_without_data_receives_the_result(tmp_path: Path) -> None:
    """Where the study says so, whoever invites only observes, and is named as such."""
    text = TEXT.replace("parties = 3", 'parties = 3\nreceives = "parties-and-coordinator"')
    seats = [Seat(None, text), *(Seat(rows_of(k), text) for k in range(3))]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    assert gathering.codes() == [0, 0, 0, 0]
    result = gathering.walked[0].result
    assert result.answers == gathering.walked[3].result.answers
    assert [p.name for p in result.participants if not p.brings_data] == ["member-0"]
    assert all(p.confirmed for p in result.participants)


@at_once
async def test_a_small_group_is_left_out_of_everything(tmp_path: Path) -> None:
    """Fewer rows than the minimum over all parties: named as suppressed, and in no other figure."""
    seats = [Seat(rows_of(k, x=k)) for k in range(3)]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    result = gathering.walked[1].result
    assert result.suppressed == (("sex = x", "fewer than 5 rows"),)
    assert "sex = x" not in {level.label for level in result.levels}
    assert figure(gathering.walked[1], "mean") == pytest.approx(mean(pooled(seats, "fm")))
    assert result.rows == 39


@at_once
async def test_a_party_may_hold_a_group_back_by_a_stricter_rule(tmp_path: Path) -> None:
    """Its own minimum suppresses the group for everybody, and nobody is told whose it was."""
    seats = [Seat(rows_of(0, x=9)), Seat(rows_of(1, x=3), own_minimum=4), Seat(rows_of(2, x=9))]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    assert gathering.codes() == [0, 0, 0]
    result = gathering.walked[0].result
    assert result.suppressed == (("sex = x", "held back by a party's own rule"),)
    assert figure(gathering.walked[0], "mean") == pytest.approx(mean(pooled(seats, "fm")))


@at_once
async def test_nothing_is_shown_where_all_groups_are_small(tmp_path: Path) -> None:
    """A study of too few rows ends well, and answers nothing."""
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k, f=1, m=1)) for k in range(3)])
    assert gathering.codes() == [0, 0, 0]
    result = gathering.walked[0].result
    assert [label for label, _ in result.suppressed] == ["sex = f", "sex = m"]
    assert all(answer.withheld for answer in result.answers)


@at_once
async def test_a_file_that_differs_by_a_byte_is_seen_by_both(tmp_path: Path) -> None:
    """The joiner ends with 6 and shows the line; the coordinator is told the same, and waits on."""
    other = TEXT.replace("maximum = 10000\n", "maximum = 10001\n")
    gathering = Gathering(tmp_path)
    with trio.move_on_after(60):
        await gathering.run(
            [Seat(rows_of(0), options={"join_timeout": 5.0}), Seat(rows_of(1), other)]
        )
    assert exit_code_of(gathering.errors[1]) == 6
    shown = "line 12 is 'maximum = 10001' here and 'maximum = 10000' there"
    assert shown in gathering.errors[1].message
    told = [fields for event, fields in gathering.told[0] if event == "refused"]
    assert [shown in fields["reason"] for fields in told] == [True]
    assert told[0]["peer"] == format_id(load_or_create(tmp_path / "1.key", os.urandom).id)
    assert not [event for event, fields in gathering.told[0] if fields.get("step") == "share"]


@at_once
async def test_a_node_without_the_study_takes_no_part(tmp_path: Path) -> None:
    """Whoever joins as for a plain sum is told that there is a study."""
    gathering = Gathering(tmp_path)
    with trio.move_on_after(60):
        await gathering.run(
            [
                Seat(rows_of(0), options={"join_timeout": 5.0}),
                Seat(rows_of(1), options={"study": b""}),
            ]
        )
    assert exit_code_of(gathering.errors[1]) == 6
    assert "is a study" in gathering.errors[1].message


@at_once
async def test_whoever_declines_ends_the_study_for_all_and_is_named(tmp_path: Path) -> None:
    """8 at all peers, with the name of the one who said no; nothing was shared."""

    async def no(question: str) -> bool:
        assert "rows of rows would count" in question
        assert "member-0" in question
        return False

    seats = [Seat(rows_of(0)), Seat(rows_of(1), ask=no), Seat(rows_of(2))]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    assert gathering.codes() == [8, 8, 8]
    for error in gathering.errors.values():
        assert "member-1" in error.message
        assert "declined" in error.message
    assert "declined the study" in gathering.errors[1].message
    assert all(read_ledger(ledger_path(tmp_path / f"{k}.key"))[1] == () for k in range(3))


@at_once
async def test_a_signal_ends_the_question(tmp_path: Path) -> None:
    """Whoever is interrupted while it reads ends at once, and the others are told that it did."""
    gathering = Gathering(tmp_path)

    async def interrupted(_question: str) -> bool:
        peer = gathering.peers[1]
        await trio.sleep(5)  # by then all links are up
        await peer.interrupt(Interrupted(signal.SIGINT))
        await trio.sleep_forever()
        raise AssertionError

    await gathering.run([Seat(rows_of(0)), Seat(rows_of(1), ask=interrupted), Seat(rows_of(2))])
    assert exit_code_of(gathering.errors[1]) == 128 + signal.SIGINT
    assert {gathering.codes()[0], gathering.codes()[2]} == {3}
    told = [gathering.errors[k].message for k in (0, 2)]
    assert all("interrupted" in text for text in told), told


@at_once
async def test_whoever_was_interrupted_before_is_not_asked(tmp_path: Path) -> None:
    """A signal that came before the question ends it at once: nobody waits for an answer."""
    options = NodeOptions(key=str(tmp_path / "key"), no_state=True, log_dir=str(tmp_path / "log"))
    load_or_create(tmp_path / "key", os.urandom)
    with peer_of(
        with_parameters(Plan(parse_study(TEXT.encode())), options),
        None,
        network=MemoryNetwork(),
        entropy=os.urandom,
        observer=Callback(lambda _event, _fields: None),
        brings_later=True,
    ) as peer:
        await peer.interrupt(Interrupted(signal.SIGINT))
        with pytest.raises(Interrupted), trio.fail_after(5), peer.asking():
            await trio.sleep_forever()


@at_once
async def test_whoever_is_asked_and_agrees_takes_part(tmp_path: Path) -> None:
    """A yes lets the study go on, however long people read: the others wait as for those who join."""
    asked: list[str] = []

    async def yes(question: str) -> bool:
        await trio.sleep(100 * len(asked))  # --timeout is 30 s here
        asked.append(question)
        return True

    text = TEXT.replace("parties = 3", 'parties = 3\nreceives = "parties-and-coordinator"')
    gathering = Gathering(tmp_path)
    await gathering.run(
        [Seat(None, text, ask=yes), *(Seat(rows_of(k), text, ask=yes) for k in range(3))]
    )
    assert gathering.codes() == [0, 0, 0, 0]
    assert len(asked) == 4
    assert sum("bring no data" in question for question in asked) == 1


@at_once
async def test_an_invitation_to_another_study_is_refused(tmp_path: Path) -> None:
    """A line whose digest is not the study's ends with 6 at all, although the files are equal."""
    gathering = Gathering(tmp_path)
    await gathering.run(
        [Seat(rows_of(0)), Seat(rows_of(1), invited_to=bytes(32)), Seat(rows_of(2))]
    )
    assert gathering.codes() == [6, 6, 6]
    assert "invitation" in gathering.errors[1].message


@at_once
async def test_a_party_that_brings_nothing_is_not_one(tmp_path: Path) -> None:
    """Somebody who observes in a party's place ends the study with 6 before anything is shared."""
    gathering = Gathering(tmp_path)
    await gathering.run(
        [Seat(rows_of(0)), Seat(rows_of(1)), Seat(rows_of(2), options={"weight": 0})]
    )
    assert set(gathering.codes()) <= {6, 8}
    assert "and the study says 3" in gathering.errors[0].message


@at_once
async def test_a_weight_of_ones_own_is_refused(tmp_path: Path) -> None:
    """A public weight of the session would multiply counts: a study weighs rows at home."""
    gathering = Gathering(tmp_path)
    await gathering.run(
        [Seat(rows_of(0)), Seat(rows_of(1)), Seat(rows_of(2), options={"weight": 2})]
    )
    assert gathering.codes() == [6, 6, 6]


@at_once
async def test_counts_that_nobody_can_have_are_refused(tmp_path: Path) -> None:
    """A party whose counts are beyond what the study allows makes an end with 5, and opens nothing more."""

    def overdo(plan: Plan) -> None:
        def first_round(aggregates: Aggregates, own_minimum: int = 0) -> list[int]:
            del aggregates, own_minimum
            return [-100] * plan.length

        plan.first_round = first_round  # type: ignore[method-assign]

    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(0)), Seat(rows_of(1), vector=overdo), Seat(rows_of(2))])
    assert gathering.codes() == [5, 5, 5]
    assert "counts of the first round" in gathering.errors[0].message


@at_once
async def test_the_ledger_refuses_a_study_again_without_one_party(tmp_path: Path) -> None:
    """The same rows among one party fewer: both totals together would tell that party's."""
    four = TEXT.replace("parties = 3", "parties = 4")
    first = Gathering(tmp_path)
    await first.run([Seat(rows_of(k), four) for k in range(4)])
    assert first.codes() == [0, 0, 0, 0]
    again = Gathering(tmp_path, "again")
    await again.run([Seat(rows_of(k), TEXT) for k in range(3)])
    assert again.codes() == [8, 8, 8]
    assert "is in only one of the two" in again.errors[0].message
    accepted = Gathering(tmp_path, "accepted")
    agrees = {"accept_differencing": True}
    await accepted.run([Seat(rows_of(k), TEXT, options=agrees) for k in range(3)])
    assert accepted.codes() == [0, 0, 0]


@at_once
async def test_the_ledger_knows_the_data_whatever_is_asked_of_them(tmp_path: Path) -> None:
    """Another question, so another vector, about the same file among other parties is refused, too."""
    four = TEXT.replace("parties = 3", "parties = 4")
    other = TEXT + '\n[[statistic]]\nkind = "histogram"\ncolumn = "wage"\nbins = 5\n'
    other = other.replace("maximum_rows = 1000", "maximum_rows = 900")
    sources = [bytes([k]) * 32 for k in range(4)]
    first = Gathering(tmp_path)
    await first.run([Seat(rows_of(k), four, made_of=sources[k]) for k in range(4)])
    again = Gathering(tmp_path, "again")
    await again.run([Seat(rows_of(k, f=8), other, made_of=sources[k]) for k in range(3)])
    assert again.codes() == [8, 8, 8]
    assert {error.revealed for error in again.errors.values()} == {Revealed.NOTHING}
    same = Gathering(tmp_path, "same")
    text = other.replace("parties = 3", "parties = 4")
    await same.run([Seat(rows_of(k), text, made_of=sources[k]) for k in range(4)])
    assert same.codes() == [0, 0, 0, 0]


@at_once
async def test_private_weights_count_rows_several_times(tmp_path: Path) -> None:
    """Each row counts as often as its party's weight; group sizes are looked at without weights."""
    text = TEXT.replace("parties = 3", 'parties = 3\nweights = "private"\nweight_bound = 10')
    seats = [Seat(rows_of(k, x=1), text, weight=k + 2) for k in range(3)]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    result = gathering.walked[0].result
    assert [label for label, _ in result.suppressed] == ["sex = x"]
    weighted = [wage for seat in seats for wage in pooled([seat]) for _ in range(seat.weight)]
    assert figure(gathering.walked[0], "mean") == pytest.approx(mean(weighted), rel=1e-12)


@at_once
async def test_what_a_study_leaves_is_verified_again(tmp_path: Path) -> None:
    """Transcripts, the study file, the result and the receipts hold; a changed byte of any does not."""
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k)) for k in range(3)])
    folder = tmp_path / "log"
    found = verify_directory(folder)
    assert found.is_of_a_study
    assert "too long" not in replace(found, total=None).as_text()
    verdict = verify_study(folder)
    assert verdict is not None
    assert [peer.split()[0] for peer in verdict.peers] == ["member-0", "member-1", "member-2"]
    assert verdict.answers == len(gathering.walked[0].result.answers)
    signed = json.loads((folder / "member-1.study-receipt.json").read_text())
    for name, old, new, said in (
        ("member-1.study.toml", "Who earns what?", "Who earns That?", "not the study that all"),
        ("member-1.result.json", '"value": ', '"value":  ', "not the result that the receipt"),
        ("member-1.study-receipt.json", signed["result"], "0" * 64, "signature does not verify"),
        ("member-1.study-receipt.json", signed["counts"], signed["sums"], "does not verify"),
        ("member-1.study-receipt.json", "receipt 1", "receipt 2", "another version"),
        ("member-1.study-receipt.json", signed["peer"], "nobody", "nobody in the roster"),
    ):
        changed = tmp_path / "changed"
        shutil.copytree(folder, changed)
        text = (changed / name).read_text()
        assert old in text
        (changed / name).write_text(text.replace(old, new, 1))
        with pytest.raises(VerificationFailed, match=f"member-1.*{said}"):
            verify_study(changed)
        shutil.rmtree(changed)


@at_once
async def test_a_result_that_the_totals_do_not_give_is_found(tmp_path: Path) -> None:
    """Even signed anew by its own peer, a result with another figure does not hold."""
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k)) for k in range(3)])
    folder = tmp_path / "log"
    identity = load_or_create(tmp_path / "1.key", os.urandom)
    _forge(folder, identity)
    with pytest.raises(VerificationFailed, match="not what the opened totals give"):
        verify_study(folder)


def _forge(folder: Path, identity: Identity) -> None:
    """Change a figure of a result, and sign the receipt again."""
    import hashlib

    from p2pmpc.hashing import label

    path = folder / "member-1.result.json"
    content = json.loads(path.read_text())
    content["answers"][0]["figures"]["mean"]["value"] += 1
    path.write_text(json.dumps(content, indent=1) + "\n")
    receipt = folder / "member-1.study-receipt.json"
    signed = json.loads(receipt.read_text())
    del signed["signature"]
    signed["result"] = hashlib.sha256(path.read_bytes()).hexdigest()
    data = label("study receipt") + json.dumps(signed, separators=(",", ":")).encode()
    signed["signature"] = identity.sign(data).hex()
    receipt.write_text(json.dumps(signed, indent=2) + "\n")


@at_once
async def test_no_number_of_a_party_is_in_what_is_left_or_told(tmp_path: Path) -> None:
    """Neither logs, transcripts, receipts and results nor progress hold a party's own counts and sums."""
    text = TEXT.replace("parties = 3", 'parties = 3\nweights = "private"\nweight_bound = 100000')
    sizes = [(101, 102), (203, 104), (305, 106)]
    seats = [Seat(rows_of(k, *size), text, weight=70_001 + k) for k, size in enumerate(sizes)]
    gathering = Gathering(tmp_path)
    await gathering.run(seats)
    assert gathering.codes() == [0, 0, 0]
    plan = Plan(parse_study(text.encode()))
    opening = plan.opening([609, 312, 0, 0, 0, 0])
    left = b"".join(path.read_bytes() for path in (tmp_path / "log").rglob("*") if path.is_file())
    left += repr(gathering.told).encode()
    left += repr(list(gathering.walked.values())).encode()
    for seat in seats:
        aggregates = aggregates_of(plan, seat.rows or [])
        every = {*plan.second_round(aggregates, opening, seat.weight), seat.weight}
        numbers = [number for number in every if abs(number) > 10_000]  # others are there by chance
        assert len(numbers) > 6
        for number in numbers:
            shown = re.findall(rb"(?<![0-9a-f.])%d(?![0-9a-f.])" % number, left)
            assert not shown, f"{number} of a party is somewhere"


@at_once
async def test_a_result_stands_whatever_cannot_be_written_down(tmp_path: Path) -> None:
    """Where the disk refuses the files of a study the answer is still there, with what went wrong."""
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k)) for k in range(3)])
    identity = load_or_create(tmp_path / "0.key", os.urandom)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "me.result.json").mkdir(parents=True)
    walked = gathering.walked[0]
    assert walked.trouble is None
    walked = replace(walked, result=replace(walked.result, files=str(elsewhere)))
    part = Part(Plan(parse_study(TEXT.encode())), None)
    peer: Any = SimpleNamespace(runner=SimpleNamespace(session=gathering.session))
    kept = _kept(walked, NodeOptions(name="me"), identity, part, peer)
    assert kept.result is walked.result
    assert kept.trouble is not None
    assert exit_code_of(kept.trouble) == 7
    assert kept.trouble.revealed is Revealed.TOTAL


@at_once
async def test_the_deadline_counts_until_all_have_joined(tmp_path: Path) -> None:
    """A study that is over by the time the last one joins ends with 8, before anything is shared."""
    over = TEXT.replace("parties = 3", "parties = 3\ndeadline = 2020-01-01T00:00:00Z")
    gathering = Gathering(tmp_path)
    await gathering.run([Seat(rows_of(k), over) for k in range(3)])
    assert gathering.codes() == [8, 8, 8]
    assert {error.revealed for error in gathering.errors.values()} == {Revealed.NOTHING}


# -- seats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["csv", "report"])
def test_a_result_that_could_not_be_written_is_said_before_anybody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """A file in a folder that is not there ends with 2, and not after all others have come."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    study = tmp_path / "study.toml"
    study.write_text(
        TEXT.replace("parties = 3", 'parties = 3\nreceives = "parties-and-coordinator"')
    )
    file = tmp_path / "nowhere" / "file"
    options = StudyOptions(csv=file) if option == "csv" else StudyOptions(report=file)
    assert run_invite(study, options=options) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_coordinator_is_what_the_study_says() -> None:
    """With data where the study says so, without where it says that."""
    with_data = parse_study(TEXT.encode())
    without = parse_study(
        TEXT.replace("parties = 3", 'parties = 3\nreceives = "parties-and-coordinator"').encode()
    )
    check_coordinator(with_data, brings_data=True)
    check_coordinator(without, brings_data=False)
    with pytest.raises(ConfigurationError, match="brings data, and none is named"):
        check_coordinator(with_data, brings_data=False)
    with pytest.raises(ConfigurationError, match="brings no data"):
        check_coordinator(without, brings_data=True)


@pytest.mark.parametrize(
    ("place", "number"),
    [(0, -1), (1, 3001), (3, -1), (4, 4), (9, 1), (6, 4), (7, -1), (8, 1), (-1, 1)],
)
def test_totals_that_honest_parties_cannot_have(place: int, number: int) -> None:
    """Negative or too many rows, more parties that hold back than there are, and anything behind."""
    text = TEXT.replace("minimum_group", "minimum_parties = 2\nminimum_group")
    plan = Plan(parse_study((text + LONGER).encode()))
    good = [10, 20, 0, 0, 1, 3, 3, 1, 0] + [0] * (plan.length - 9)
    check_counts(plan, good)
    with pytest.raises(VerificationFailed, match="counts of the first round"):
        check_counts(plan, [*good[:place], number, *good[place:][1:]])
    with pytest.raises(VerificationFailed, match="counts of the first round"):
        check_counts(plan, [2000, 2000, 0, *good[3:]])
    with pytest.raises(VerificationFailed, match="counts of the first round"):
        check_counts(plan, [2, *good[1:]])


def test_categories_have_no_more_rows_than_their_group() -> None:
    """What is counted beside the rows of a group is a part of them."""
    plan = Plan(parse_study((TEXT + REGRESSION).encode()))
    good = [10, 20, 30, 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30] + [0] * (plan.length - 15)
    check_counts(plan, good)
    for place, number in ((6, 11), (10, 21), (7, -1)):
        with pytest.raises(VerificationFailed, match="counts of the first round"):
            check_counts(plan, [*good[:place], number, *good[place + 1 :]])


def test_a_study_ends_at_its_deadline() -> None:
    """Before it all is well, after it nobody founds or joins."""
    study = parse_study(
        TEXT.replace("parties", "deadline = 2026-11-01T12:00:00Z\nparties").encode()
    )
    check_deadline(study, dt.datetime(2026, 11, 1, 11, 59, tzinfo=dt.UTC))
    with pytest.raises(InputRefused, match="deadline"):
        check_deadline(study, dt.datetime(2026, 11, 1, 12, 1, tzinfo=dt.UTC))


def listed(weight: str = "") -> str:
    """Return the study with its parties listed."""
    parties = "".join(
        f'[[party]]\nname = "Clinic {k}"\nid = "{bytes([k]).hex() * 32}"\n{weight}\n'
        for k in range(3)
    )
    return TEXT.replace("parties = 3\n", "").replace("[columns.wage]", f"{parties}\n[columns.wage]")


def test_only_listed_parties_bring_data() -> None:
    """A study that lists IDs is for these, and calls them as it does."""
    study = parse_study(listed().encode())
    check_listed(study, bytes([2]) * 32)
    with pytest.raises(AgreementFailed, match="does not list this party's ID"):
        check_listed(study, bytes([9]) * 32)
    assert name_of(study, bytes([1]) * 32, "") == "Clinic 1"
    assert name_of(study, bytes([1]) * 32, "me") == "me"
    options = with_parameters(Plan(study), NodeOptions())
    assert options.allow == [format_id(bytes([k]) * 32) for k in range(3)]


def test_weights_are_the_studys() -> None:
    """A private weight must be given and fit, a public one stands in the file, else there is none."""
    private = parse_study(
        TEXT.replace("parties = 3", 'parties = 3\nweights = "private"\nweight_bound = 10').encode()
    )
    assert weight_of(private, bytes(32), 7) == 7
    with pytest.raises(ConfigurationError, match="gives no weight"):
        weight_of(private, bytes(32), None)
    with pytest.raises(InputRefused):
        weight_of(private, bytes(32), 11)
    public = listed("weight = 4").replace("group_by", 'weights = "public"\ngroup_by')
    assert weight_of(parse_study(public.encode()), bytes([1]) * 32, None) == 4
    with pytest.raises(ConfigurationError, match="knows none"):
        weight_of(parse_study(TEXT.encode()), bytes(32), 3)


def test_an_invitation_is_one_word() -> None:
    """It reads back as it was written, and nothing else is one."""
    made = Invitation("192.0.2.7:9000", bytes(range(32)), bytes(32))
    assert Invitation.parse(f" {made}\n") == made
    assert " " not in str(made)
    for text in ("", "192.0.2.7:9000", str(made)[:-1], "x" + str(made).replace(":9000", "")):
        with pytest.raises(ConfigurationError, match="not an invitation"):
            Invitation.parse(text)
