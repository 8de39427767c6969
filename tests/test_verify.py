"""`p2pmpc verify`: what it proves of a run's files, and that no change to them goes unnoticed."""

from __future__ import annotations

import gc
import io
import itertools
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pmpc.dealing import RoundContext
from p2pmpc.errors import ConfigurationError, VerificationFailed, exit_code_of
from p2pmpc.frames import body_digest
from p2pmpc.hashing import label
from p2pmpc.identity import Identity, format_id
from p2pmpc.messages import Confirm, Echo, EchoEntry, Kind, Partial
from p2pmpc.receipt import check_receipt, make_receipt
from p2pmpc.record import Heard, Record
from p2pmpc.storage import read_partials
from p2pmpc.summing import with_mask
from p2pmpc.swarm.command import run_swarm
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.transcript import digest_of, render, verify
from p2pmpc.verify import Verdict, verify_directory
from tests.party import Party

PEERS = ["peer-01", "peer-02", "peer-03", "peer-04"]


def make_run(directory: Path, **options: Any) -> Path:
    """Run a swarm of four in this process, and return the folder of its files."""
    thresholds = gc.get_threshold()
    given = SwarmOptions(in_process=True, log_dir=str(directory), seed=5, **options)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert run_swarm(4, given) == 0
    gc.set_threshold(*thresholds)
    return directory


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run; never changed."""
    return make_run(tmp_path_factory.mktemp("run"), length=2)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of another run, on the same data."""
    return make_run(tmp_path_factory.mktemp("another"), length=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run whose vectors are too long for the transcript, with the partial sums kept."""
    return make_run(tmp_path_factory.mktemp("kept"), length=70, keep_partials=True)


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return copy(original, tmp_path / "run")


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def refusal(path: Path) -> str:
    """Return what verification says about files that must not pass."""
    with pytest.raises(VerificationFailed) as caught:
        verify_directory(path)
    assert exit_code_of(caught.value) == 5
    return str(caught.value)


# -- what passes ------------------------------------------------------------------------------


def test_an_untouched_run_passes(original: Path) -> None:
    """Every signature holds, every sum is computed again, and the verdict says what was proven."""
    verdict = verify_directory(original)
    summary = json.loads((original / "swarm.json").read_text())
    assert verdict.peers == tuple(PEERS)
    assert verdict.recomputed
    assert verdict.logs == 4
    assert len(verdict.confirmed) == 4
    assert verdict.transcript == summary["transcript"]
    assert verdict.total is not None
    assert list(map(int, verdict.total)) == summary["total"] == summary["expected"]
    assert json.loads(verdict.as_json())["total"] == list(verdict.total)
    assert summary["transcript"] in verdict.as_text()


def test_the_files_are_looked_at_one_by_one(original: Path) -> None:
    """Whoever waits is told which file is being checked."""
    told: list[str] = []
    verify_directory(original, told.append)
    assert told == [f"{name}.transcript" for name in PEERS]


def test_one_transcript_passes_alone(original: Path, tmp_path: Path) -> None:
    """A single transcript is checked with what stands beside it, or by itself where nothing does."""
    verdict = verify_directory(original / "peer-03.transcript")
    assert (verdict.peers, verdict.logs) == (("peer-03",), 1)
    shutil.copy(original / "peer-03.transcript", tmp_path / "found.transcript")
    alone = verify_directory(tmp_path / "found.transcript")
    assert (alone.transcript, alone.logs) == (verdict.transcript, 0)


def test_transcripts_of_one_run_are_the_same_bytes(original: Path) -> None:
    """Every peer writes the same transcript, and its digest is the one that was printed."""
    texts = {(original / f"{name}.transcript").read_bytes() for name in PEERS}
    (text,) = texts
    digest = json.loads((original / "swarm.json").read_text())["transcript"]
    assert digest_of(text.decode()).hex() == digest


@pytest.mark.parametrize(
    "options",
    [
        {"field": "m61", "share_mode": "dense"},
        {"fraction_bits": 7, "bound": "12.5", "length": 3},
        {"strict": True, "length": 63},
        {"weights": "-1,2,-3,4", "field": "m61", "strict": True},
    ],
    ids=["m61, dense", "fixed point", "strict, the longest written", "negative weights"],
)
def test_a_run_of_every_kind_passes(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whatever its parameters, what a run writes down verifies again and gives the plain sum."""
    make_run(tmp_path, **options)
    verdict = verify_directory(tmp_path)
    summary = json.loads((tmp_path / "swarm.json").read_text())
    assert verdict.recomputed
    assert list(verdict.total or ()) == list(map(str, summary["expected"]))


def test_a_run_that_lost_a_peer_at_the_end_passes(tmp_path: Path) -> None:
    """The transcripts of those who finished prove the total of all, and the receipts say who is missing."""
    make_run(tmp_path, kill=["2@open"])
    verdict = verify_directory(tmp_path)
    assert verdict.peers == ("peer-01", "peer-03", "peer-04")
    assert len(verdict.confirmed) == 3
    receipt = json.loads((tmp_path / "peer-01.receipt.json").read_text())
    assert len(receipt["missing"]) == 1


def test_vectors_too_long_for_a_transcript_are_recomputed_from_kept_ones(kept: Path) -> None:
    """With --keep-partials every partial sum and the total are computed again at any length."""
    verdict = verify_directory(kept)
    assert verdict.recomputed
    assert verdict.total is None
    assert "recomputed" in verdict.as_text()
    sums = read_partials(kept / "peer-01.partials.npz").values()
    summary = json.loads((kept / "swarm.json").read_text())
    totals = [sum(map(int, column)) % (2**31 - 1) for column in zip(*sums, strict=True)]
    centred = [total - (2**31 - 1) * (total >= 2**30) for total in totals]
    assert centred[:70] == summary["expected"]


def test_without_kept_vectors_the_digests_are_compared(tmp_path: Path) -> None:
    """Without --keep-partials a long run's signatures are checked, and the verdict says what was not."""
    verdict = verify_directory(make_run(tmp_path, length=70))
    assert not verdict.recomputed
    assert verdict.total is None
    assert "--keep-partials" in verdict.as_text()


@pytest.mark.parametrize("name", ["peer-01.receipt.json", "swarm.json"])
def test_a_file_that_proves_nothing_alone_is_not_taken_for_evidence(run: Path, name: str) -> None:
    """Receipts and summaries are checked with their folder, and asked about alone end with 2."""
    with pytest.raises(ConfigurationError, match="neither a transcript nor evidence"):
        verify_directory(run / name)


def test_the_sum_of_private_weights_is_shown(tmp_path: Path) -> None:
    """Where weights are private, a transcript proves their sum, and with it the mean."""
    make_run(tmp_path, private_weights=True, weights="5,-2,4,0")
    verdict = verify_directory(tmp_path)
    assert verdict.total_weight == 7
    assert json.loads((tmp_path / "swarm.json").read_text())["total_weight"] == 7
    assert "total weight   7 (of private weights)" in verdict.as_text()
    assert json.loads(verdict.as_json())["total_weight"] == 7


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_where_there_is_nothing_to_verify_the_command_says_so(tmp_path: Path, name: str) -> None:
    """A folder without a transcript is a usage error, and not a failed verification."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="no transcript") as caught:
        verify_directory(tmp_path / name)
    assert exit_code_of(caught.value) == 2


# -- altered bytes ----------------------------------------------------------------------------


def alterations(data: bytes, stride: int) -> list[tuple[int, bytes]]:
    """Return many single-byte alterations of a file: bits, letter cases, blanks and line ends."""
    found: list[tuple[int, bytes]] = []
    others = itertools.cycle([b" ", b"0", b"\r", b"\xff", b"\x1c", b"f"])
    for position in range(0, len(data), stride):
        byte = data[position]
        choices = [bytes([byte ^ 1]), bytes([byte ^ 0x20]), next(others)]
        kept = choices[: 1 if position % 2 else 3]
        found.extend((position, new) for new in kept if new != bytes([byte]))
    return found


def unnoticed(path: Path, target: Path, changes: Iterable[tuple[int, bytes]]) -> list[str]:
    """Apply each alteration in turn, and return those that pass or blame another file."""
    data, found = path.read_bytes(), []
    for position, new in changes:
        path.write_bytes(data[:position] + new + data[position + 1 :])
        try:
            verify_directory(target)
        except VerificationFailed as error:
            if not str(error).startswith(f"{path}:"):
                found.append(f"byte {position} to {new!r}: {error}")
        else:
            found.append(f"byte {position} to {new!r} passes")
    path.write_bytes(data)
    return found


@pytest.mark.parametrize(
    ("name", "stride"),
    [("peer-02.transcript", 211), ("peer-02.receipt.json", 29), ("peer-02.log", 37)],
)
def test_no_altered_byte_goes_unnoticed(run: Path, name: str, stride: int) -> None:
    """Row 31: a byte altered anywhere in a peer's files ends with 5, and the file is named."""
    path = run / name
    changes = alterations(path.read_bytes(), stride)
    assert unnoticed(path, run / "peer-02.transcript", changes) == []


def test_no_altered_byte_of_the_summary_goes_unnoticed(run: Path) -> None:
    """Row 31: a byte altered anywhere in swarm.json ends with 5, and the file is named."""
    path = run / "swarm.json"
    assert unnoticed(path, run, alterations(path.read_bytes(), 17)) == []


@pytest.mark.parametrize("name", ["peer-02.transcript", "peer-02.receipt.json", "peer-02.log"])
def test_no_altered_end_of_line_goes_unnoticed(run: Path, name: str) -> None:
    """Row 31: a line end that is replaced by another one changes the file, and ends with 5."""
    path = run / name
    data = path.read_bytes()
    ends = [position for position, byte in enumerate(data) if byte == 0x0A]
    changes = [
        (end, new) for end in ends[:: len(ends) // 6] for new in (b"\r", b" ", b"\x0b", b"\x1e")
    ]
    changes += [(ends[-1], new) for new in (b"\r", b" ", b"}")]
    assert unnoticed(path, run / "peer-02.transcript", changes) == []


def test_the_altered_line_of_a_transcript_is_named(run: Path) -> None:
    """Row 31: the line and the step of an altered digit are named."""
    path = run / "peer-04.transcript"
    lines = path.read_text().splitlines(keepends=True)
    named = 0
    for number in range(2, len(lines) + 1):
        line = lines[number - 1]
        middle = len(line) // 2
        new = "1" if line[middle] != "1" else "2"
        changed = [*lines]
        changed[number - 1] = line[:middle] + new + line[middle + 1 :]
        path.write_text("".join(changed))
        message = refusal(run)
        step = " ".join(line.split(" ")[:2])
        named += message.startswith(f"{path}:{number}: {step}: ")
        assert message.startswith(f"{path}:")
    assert named >= len(lines) - 4


def test_the_altered_line_of_a_log_is_named(run: Path) -> None:
    """Row 31: the line of a log in which anything was changed is named."""
    path = run / "peer-01.log"
    lines = path.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        changed = [*lines]
        changed[number - 1] = line.replace('"level": "info"', '"level": "warn"')
        assert changed != lines
        path.write_text("".join(changed))
        assert refusal(run).startswith(f"{path}:{number}: ")


@pytest.mark.parametrize("field", ["format", "peer", "session", "round", "transcript"])
def test_the_altered_line_of_a_receipt_is_named(run: Path, field: str) -> None:
    """Row 31: a field of a receipt that the transcript contradicts is named with its line."""
    path = run / "peer-01.receipt.json"
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines, 1) if line.startswith(f'  "{field}":'))
    line = lines[number - 1]
    lines[number - 1] = line.replace("0", "1") if field == "round" else line[:-5] + "0" + line[-4:]
    if lines[number - 1] == line:
        lines[number - 1] = line[:-5] + "1" + line[-4:]
    path.write_text("".join(lines))
    assert refusal(run).startswith(f"{path}:{number}: ")


@pytest.mark.parametrize(
    ("kind", "step"), [("commitment", "R1"), ("partial", "R2"), ("mask", "R4"), ("sum", "R4")]
)
def test_the_peer_whose_value_does_not_hold_is_named(run: Path, kind: str, step: str) -> None:
    """Row 31: a changed value of one peer is reported as that peer's."""
    path = run / "peer-01.transcript"
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if line.startswith(f"{step} 3 {kind} "))
    start = lines[number].index("=") + 9
    byte = int(lines[number][start : start + 2], 16) ^ 1
    lines[number] = f"{lines[number][:start]}{byte:02x}{lines[number][start + 2 :]}"
    path.write_text("".join(lines))
    with pytest.raises(VerificationFailed) as caught:
        verify_directory(run)
    assert f"{path}:{number + 1}: {step} 3: " in str(caught.value)
    if kind != "sum":
        assert caught.value.peers == (3,)


# -- altered lines ----------------------------------------------------------------------------

LineChange = Callable[[list[str], int], list[str]]

LINE_CHANGES: dict[str, LineChange] = {
    "dropped": lambda lines, k: lines[:k] + lines[k + 1 :],
    "doubled": lambda lines, k: lines[: k + 1] + lines[k:],
    "swapped": lambda lines, k: [*lines[:k], lines[k + 1], lines[k], *lines[k + 2 :]],
    "emptied": lambda lines, k: [*lines[:k], "\n", *lines[k + 1 :]],
    "made up": lambda lines, k: [*lines[:k], lines[k].replace("1", "2"), *lines[k:]],
    "cut off there": lambda lines, k: lines[:k],
}


@pytest.mark.parametrize("change", LINE_CHANGES)
@pytest.mark.parametrize("name", ["peer-03.transcript", "peer-03.log", "peer-03.receipt.json"])
def test_no_altered_line_goes_unnoticed(run: Path, name: str, change: str) -> None:
    """Row 31: a line dropped, doubled, swapped, added or cut off anywhere ends with 5 and is near."""
    path = run / name
    lines = path.read_text().splitlines(keepends=True)
    for position in range(0, len(lines) - 1, max(1, len(lines) // 12)):
        changed = LINE_CHANGES[change](lines, position)
        if changed == lines:
            continue
        path.write_text("".join(changed))
        message = refusal(run / "peer-03.transcript")
        assert message.startswith(f"{path}"), message


@pytest.mark.parametrize("name", ["peer-03.transcript", "peer-03.log", "peer-03.receipt.json"])
@pytest.mark.parametrize("addition", ["\n", " ", "{}\n", "R5 0 total\n", "\x00"])
def test_nothing_can_be_appended(run: Path, name: str, addition: str) -> None:
    """Row 31: anything appended to a file, blank lines included, ends with 5 and names it."""
    path = run / name
    with path.open("a") as file:
        file.write(addition)
    assert refusal(run).startswith(f"{path}")


@pytest.mark.parametrize("name", ["peer-03.transcript", "peer-03.log", "peer-03.receipt.json"])
@pytest.mark.parametrize("kept_share", [0.0, 0.3, 0.999])
def test_nothing_can_be_cut_off(run: Path, name: str, kept_share: float) -> None:
    """Row 31: a file cut off anywhere, or emptied, ends with 5 and is named."""
    path = run / name
    data = path.read_bytes()
    path.write_bytes(data[: min(int(len(data) * kept_share), len(data) - 2)])
    assert refusal(run).startswith(f"{path}")


@pytest.mark.parametrize("name", ["peer-03.transcript", "peer-03.log"])
def test_the_last_end_of_line_cannot_be_cut_off(run: Path, name: str) -> None:
    """Row 31: even the very last byte of a file belongs to it."""
    path = run / name
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(run).startswith(f"{path}")


# -- files from elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["transcript", "log", "receipt.json"])
@pytest.mark.parametrize("name", PEERS[:2])
def test_a_file_of_another_run_is_noticed(run: Path, another: Path, name: str, suffix: str) -> None:
    """Row 31: a file taken from another run on the same data ends with 5, and a file is named."""
    shutil.copy(another / f"{name}.{suffix}", run / f"{name}.{suffix}")
    assert refusal(run).startswith(str(run / name))


def test_a_peer_of_another_run_is_noticed(run: Path, another: Path) -> None:
    """Row 31: all files of a peer taken from another run hold by themselves, and differ from the rest."""
    for suffix in ("transcript", "log", "receipt.json"):
        shutil.copy(another / f"peer-02.{suffix}", run / f"peer-02.{suffix}")
    message = refusal(run)
    assert message.startswith(f"{run / 'peer-02.transcript'}:2: ")
    assert "differs from peer-01.transcript" in message


def test_a_summary_of_another_run_is_noticed(run: Path, another: Path) -> None:
    """Row 31: a swarm.json taken from another run ends with 5."""
    shutil.copy(another / "swarm.json", run / "swarm.json")
    assert "another transcript" in refusal(run)


@pytest.mark.parametrize("suffix", ["log", "receipt.json"])
def test_files_of_two_peers_cannot_be_exchanged(run: Path, suffix: str) -> None:
    """Row 31: the log or receipt of one peer does not pass for another's."""
    first, second = run / f"peer-01.{suffix}", run / f"peer-02.{suffix}"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert str(run) in refusal(run)


@pytest.mark.parametrize("suffix", ["log", "receipt.json"])
def test_a_missing_file_is_noticed(run: Path, suffix: str) -> None:
    """A receipt that is missing, or a log that a receipt speaks of, ends with 5 and is named."""
    (run / f"peer-02.{suffix}").unlink()
    assert f"peer-02.{suffix}" in refusal(run)


def test_a_transcript_cannot_be_signed_anew_by_others(run: Path, another: Path) -> None:
    """A transcript put together from two runs does not hold at its first line from elsewhere."""
    path = run / "peer-01.transcript"
    here = path.read_text().splitlines(keepends=True)
    there = (another / "peer-01.transcript").read_text().splitlines(keepends=True)
    assert len(here) == len(there)
    for number in range(2, len(here), 5):
        path.write_text("".join(here[:number] + there[number:]))
        assert refusal(path).startswith(f"{path}:")


# -- kept partial sums ------------------------------------------------------------------------


def test_no_altered_byte_of_kept_sums_goes_unnoticed(kept: Path, tmp_path: Path) -> None:
    """Row 31: a byte altered anywhere in a file of partial sums ends with 5 and names the file."""
    run = copy(kept, tmp_path / "run")
    path = run / "peer-01.partials.npz"
    data = path.read_bytes()
    changes = ((k, bytes([data[k] ^ (1 << k % 8)])) for k in range(0, len(data), 23))
    found = []
    for position, new in changes:
        path.write_bytes(data[:position] + new + data[position + 1 :])
        try:
            verify_directory(run / "peer-01.transcript")
        except VerificationFailed as error:
            if str(run / "peer-01.") not in str(error):
                found.append(f"byte {position}: {error}")
        else:
            found.append(f"byte {position} passes")
    assert found == []


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a file of partial sums again with other arrays."""
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    change(content)
    with path.open("wb") as file:
        np.savez(file, **content)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays["2"].__setitem__(0, arrays["2"][0] ^ 1),
        lambda arrays: arrays.pop("2"),
        lambda arrays: arrays.update({"2": arrays["3"], "3": arrays["2"]}),
        lambda arrays: arrays.update({"2": arrays["2"][:-1]}),
        lambda arrays: arrays.update({"2": arrays["2"].astype("<i8")}),
        lambda arrays: arrays.update({"2": arrays["2"].astype(float)}),
        lambda arrays: arrays.update({"9": arrays["2"]}),
        lambda arrays: arrays.update({"two": arrays.pop("2")}),
    ],
    ids=["a value", "one missing", "two exchanged", "shorter", "signed", "floats", "extra", "name"],
)
def test_kept_sums_that_say_something_else_are_noticed(
    kept: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """Row 31: a well-formed file of other partial sums ends with 5."""
    run = copy(kept, tmp_path / "run")
    rewritten(run / "peer-01.partials.npz", change)
    assert str(run / "peer-01") in refusal(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all", b"\x93NUMPY"])
def test_kept_sums_that_are_no_archive_are_noticed(
    kept: Path, tmp_path: Path, content: bytes
) -> None:
    """Row 31: a file of partial sums that cannot be read ends with 5."""
    run = copy(kept, tmp_path / "run")
    (run / "peer-02.partials.npz").write_bytes(content)
    assert "peer-02" in refusal(run)


def test_kept_sums_are_never_unpickled(kept: Path, tmp_path: Path) -> None:
    """An archive with an object array is refused before anything in it could run."""
    run = copy(kept, tmp_path / "run")
    path = run / "peer-01.partials.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.npy", buffer.getvalue())
    assert "peer-01" in refusal(run)


def test_a_missing_file_of_kept_sums_is_noticed(kept: Path, tmp_path: Path) -> None:
    """Row 31: a file of partial sums that the receipt speaks of and that is gone ends with 5."""
    run = copy(kept, tmp_path / "run")
    (run / "peer-04.partials.npz").unlink()
    assert "peer-04.partials.npz" in refusal(run)


def test_a_long_transcript_proves_no_total_by_itself(kept: Path, tmp_path: Path) -> None:
    """A transcript of digests alone, with nothing beside it, is not taken for a proof of its total."""
    alone = tmp_path / "alone.transcript"
    shutil.copy(kept / "peer-01.transcript", alone)
    assert str(alone) in refusal(alone)


# -- the verifier itself ----------------------------------------------------------------------


def test_a_transcript_verifies_in_memory_as_well(original: Path) -> None:
    """The verifier needs the text alone, and says which round of which session it proves."""
    text = (original / "peer-01.transcript").read_text()
    proven = verify(text)
    assert proven.recomputed
    assert proven.round == 0
    assert len(proven.session.members) == 4
    assert proven.digest == digest_of(text)


def test_the_verdict_of_equal_runs_differs_in_the_session_only(
    original: Path, another: Path
) -> None:
    """Two runs on the same data prove the same total under different transcripts."""
    first, second = verify_directory(original), verify_directory(another)
    assert first.total == second.total
    assert first.transcript != second.transcript
    assert not set(first.confirmed) & set(second.confirmed)
    assert isinstance(first, Verdict)


# -- records that were made falsely, and signed ------------------------------------------------


def finished_party() -> Party:
    """Return three contributors and an observer after an honest round."""
    party = Party([[1], [2], [0], [4]], [1, 2, 0, 4])
    party.start()
    party.run()
    return party


def record_of(party: Party) -> Record:
    """Return what the first peer wrote down."""
    finished = party.members[1].finished
    assert finished is not None
    assert verify(render(finished.record)).recomputed
    return finished.record


def echoed_anew(party: Party, record: Record) -> Record:
    """Return a record with every contributor's signature on what it now holds."""
    heard = tuple(
        EchoEntry(
            body_digest(Kind.COMMITMENT, said.body),
            said.signature,
            record.partials[index].body,
            record.partials[index].signature,
        )
        for index, said in record.commitments.items()
    )
    accepted = tuple(record.acceptances[index] for index in record.session.indices)
    signed = {i: party.members[i].notary.sign(Echo(accepted, heard)) for i in record.echoes}
    echoes = {index: echo.signature for index, echo in signed.items()}
    return replace(record, echo_digest=signed[1].digest, echoes=echoes)


@pytest.mark.parametrize("kind", ["ACCEPT", "COMMITMENT", "PARTIAL", "ECHO"])
def test_a_false_signature_that_everybody_echoes_is_noticed(kind: str) -> None:
    """A peer that all others accuse falsely together is not convicted by their echoes."""
    party = finished_party()
    record = record_of(party)
    one, two = record.commitments[1], record.partials[1]
    false = {
        "ACCEPT": replace(record, acceptances={**record.acceptances, 1: bytes(64)}),
        "COMMITMENT": replace(
            record, commitments={**record.commitments, 1: Heard(one.body, bytes(64))}
        ),
        "PARTIAL": replace(record, partials={**record.partials, 1: Heard(two.body, bytes(64))}),
        "ECHO": record,
    }[kind]
    made = echoed_anew(party, false)
    if kind == "ECHO":
        made = replace(made, echoes={**made.echoes, 1: bytes(64)})
    with pytest.raises(VerificationFailed, match=f"the {kind} signature of peer-01") as caught:
        verify(render(made))
    assert caught.value.peers == (1,)


def test_an_echo_of_something_else_is_noticed() -> None:
    """Everybody's signature on another echo says nothing about what stands above it."""
    party = finished_party()
    record = record_of(party)
    turned = dict(zip(record.acceptances, list(record.acceptances.values())[::-1], strict=True))
    other = echoed_anew(party, replace(record, acceptances=turned))
    with pytest.raises(VerificationFailed, match="the echo is not of the messages above"):
        verify(render(replace(record, echo_digest=other.echo_digest, echoes=other.echoes)))


def test_a_total_that_everybody_made_wrong_together_is_noticed() -> None:
    """A total that breaks its checksum proves nothing, whoever signed what leads to it."""
    party = finished_party()
    record = record_of(party)
    arithmetic, one = record.session.parameters.arithmetic, np.array([1, 0], dtype=np.uint64)
    wrong = arithmetic.add(record.sums[1], one)
    hidden = with_mask(RoundContext(record.session, 0), 1, wrong, record.masks[1])
    said = party.members[1].notary.sign(Partial(arithmetic.encode(hidden)))
    false = replace(
        record,
        partials={**record.partials, 1: Heard(said.digest, said.signature)},
        sums={**record.sums, 1: wrong},
        total=arithmetic.add(record.total, one),
    )
    with pytest.raises(VerificationFailed, match="does not match its checksum"):
        verify(render(echoed_anew(party, false)))


def test_wrong_sums_that_cancel_out_are_noticed() -> None:
    """Each partial sum is held against what was masked, even where the total is right."""
    record = record_of(finished_party())
    arithmetic, one = record.session.parameters.arithmetic, np.array([1, 0], dtype=np.uint64)
    first, second = record.sums[1], record.sums[2]
    sums = {1: arithmetic.add(first, one), 2: arithmetic.subtract(second, one)}
    with pytest.raises(VerificationFailed, match="not the one that was masked") as caught:
        verify(render(replace(record, sums={**record.sums, **sums})))
    assert caught.value.peers == (1,)


def signed_anew(identity: Identity, text: str, **changes: object) -> str:
    """Return a receipt with other content, under a good signature of its peer."""
    content = {**json.loads(text), **changes}
    del content["signature"]
    data = label("receipt") + json.dumps(content, separators=(",", ":")).encode()
    content["signature"] = identity.sign(data).hex()
    return json.dumps(content, indent=2) + "\n"


def test_a_receipt_that_its_peer_signed_falsely_is_noticed() -> None:
    """A peer cannot state what others did not sign, nor leave anybody out."""
    party = finished_party()
    record, member = record_of(party), party.members[1]
    assert member.finished is not None
    proven = verify(render(record))
    text = make_receipt(
        member.identity,
        record,
        member.finished.confirmed,
        transcript_digest=proven.digest,
        log_lines=0,
        log_chain="",
    )
    content = check_receipt(signed_anew(member.identity, text), proven)
    (first, signature), *others = content["confirmed"].items()
    agreed = {
        format_id(m.identity.id): m.notary.sign(Confirm(bytes(32))) for m in party.members.values()
    }
    another = {shown: signed.signature.hex() for shown, signed in agreed.items()}
    for changes, why in (
        ({"confirmed": {**content["confirmed"], others[0][0]: signature}}, "does not verify"),
        ({"confirmed": dict(others)}, "does not account for every peer"),
        ({"missing": [first]}, "does not account for every peer"),
        ({"transcript": "00" * 32}, "of another transcript"),
        ({"total_digest": "00" * 32, "confirmed": another}, "of another total"),
        ({"round": 1}, "of another total"),
        ({"session": "00" * 32}, "of another session"),
        ({"more": 1}, "has other fields"),
    ):
        with pytest.raises(VerificationFailed, match=why):
            check_receipt(signed_anew(member.identity, text, **changes), proven)
