"""A peer's log: what may stand in it, the chain that holds its lines together, and full disks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pmpc.errors import ResourceExhausted
from p2pmpc.logs import ALLOWED, CHAIN_START, SECRETS, ChainedFile, NodeLog, chain

SECRET = 8675309


@pytest.fixture
def log(tmp_path: Path) -> Iterator[NodeLog]:
    """A log without --log-secrets."""
    made = NodeLog(tmp_path / "peer.log", secrets=False)
    yield made
    made.file.close()


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[NodeLog]:
    """A log with --log-secrets."""
    made = NodeLog(tmp_path / "open.log", secrets=True)
    yield made
    made.file.close()


def lines(log: NodeLog) -> list[dict[str, Any]]:
    """Return the lines of a log as JSON objects."""
    return [json.loads(line) for line in log.file.path.read_text().splitlines()]


def test_a_line_is_json_with_event_level_time_and_chain(log: NodeLog) -> None:
    """Every line is one JSON object with its event, its level, a UTC time and the chain's hash."""
    log.info("step", step="share", count=3)
    log.warning("warning", warning="mind the gap")
    first, second = lines(log)
    assert (first["event"], first["level"], first["step"], first["count"]) == (
        "step",
        "info",
        "share",
        3,
    )
    assert second["level"] == "warning"
    for line in (first, second):
        assert line["time"].endswith("Z")
        assert len(line["chain"]) == 16


def test_an_unknown_name_never_reaches_the_file(log: NodeLog) -> None:
    """A field that nobody allowed is dropped, and the line says how many were."""
    log.info("step", step="share", vector=[SECRET], input_value=SECRET)
    (line,) = lines(log)
    assert line["withheld"] == 2
    assert line["step"] == "share"
    assert str(SECRET) not in log.file.path.read_text()
    assert "vector" not in log.file.path.read_text()


@pytest.mark.parametrize(
    "value",
    [
        SECRET.to_bytes(8, "little"),
        bytearray(b"8675309"),
        {"inner": SECRET},
        [b"8675309"],
        [[1, {"deep": SECRET}]],
        {SECRET},
        ValueError(SECRET),
    ],
    ids=["bytes", "bytearray", "dict", "list of bytes", "nested dict", "set", "exception"],
)
def test_a_value_that_is_no_plain_data_never_reaches_the_file(log: NodeLog, value: object) -> None:
    """Bytes, mappings and objects are dropped even under an allowed name, and the line says so."""
    log.info("step", reason=value, count=1)
    (line,) = lines(log)
    assert "reason" not in line
    assert line["withheld"] == 1
    assert str(SECRET) not in log.file.path.read_text()


@given(
    fields=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name not in ALLOWED | {"self"}),
        st.one_of(st.integers(), st.text(), st.binary(), st.floats()),
        max_size=4,
    )
)
def test_only_allowed_names_are_ever_written(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]
) -> None:
    """Whatever a call passes, a line holds no other names than those of the allow-list and the chain."""
    log = NodeLog(tmp_path_factory.mktemp("log") / "peer.log", secrets=False)
    log.info("step", **fields)
    log.file.close()
    (line,) = lines(log)
    assert set(line) <= ALLOWED | {"chain"}
    assert line.get("withheld", 0) == len(fields)


def test_secrets_are_withheld_by_default(log: NodeLog) -> None:
    """Without --log-secrets neither a line for secrets nor a secret field of another line is written."""
    log.secret("secret share", share="ab" * 32, peer="peer-02")
    log.info("step", step="share", share="ab" * 32, seed="cd", mask="ef", secret=[SECRET])
    (line,) = lines(log)
    assert line["withheld"] == 4
    assert not SECRETS & set(line)
    assert "abab" not in log.file.path.read_text()


def test_log_secrets_adds_the_secret_names_and_nothing_else(open_log: NodeLog) -> None:
    """With --log-secrets shares, seeds and masks are written; other names are still withheld."""
    open_log.secret("secret share", share="ab" * 32, peer="peer-02")
    open_log.secret("secret input", secret=[SECRET], vector=[1])
    first, second = lines(open_log)
    assert first["share"] == "ab" * 32
    assert second["secret"] == [SECRET]
    assert second["withheld"] == 1


def test_a_log_with_secrets_is_for_its_owner_alone(log: NodeLog, open_log: NodeLog) -> None:
    """A log that holds secrets cannot be read by others on the machine."""
    assert open_log.file.path.stat().st_mode & 0o077 == 0
    assert log.file.path.stat().st_mode & 0o200


def test_the_chain_covers_every_line_and_its_place(log: NodeLog) -> None:
    """Each hash is over the line and the hash before it, and the last one is the log's."""
    for count in range(5):
        log.info("step", step="share", count=count)
    previous = CHAIN_START
    for text in log.file.path.read_text().splitlines():
        body, _, end = text.rpartition(', "chain": "')
        previous = chain(previous, body + "}")
        assert end == previous + '"}'
    assert log.file.last == previous
    assert log.file.lines == 5


def test_a_log_is_ascii_lines_whatever_is_written(log: NodeLog) -> None:
    """Text from elsewhere can neither end a line nor move a terminal's cursor."""
    log.info("failed", error="bell\x07 back\x08 new\nline \x1b[2J \u2028 \u202e café")
    data = log.file.path.read_bytes()
    assert data.count(b"\n") == 1
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in data)


class FailingFile(io.StringIO):
    """A file on a disk that is full."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_write_that_fails_is_remembered_and_not_raised(log: NodeLog) -> None:
    """Row 24: a full disk never stops a round: the failure is kept for the end."""
    log.info("started")
    assert log.failure is None
    log.file._file.close()
    log.file._file = FailingFile()
    log.info("step", step="share")
    log.warning("failed", error="x")
    assert log.failure is not None
    assert log.failure.strerror == "No space left on device"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_remembered_through_the_close(log: NodeLog) -> None:
    """Row 24: the system's own answer to a full device is remembered, and closing does not raise."""
    log.file._file.close()
    log.file._file = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 - the log closes it
    log.info("step", step="share")
    log.file.close()
    assert log.failure is not None
    assert log.failure.errno == 28


def test_a_log_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """Row 24: a log directory that cannot be written ends with 7 and names the option."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceExhausted) as caught:
        NodeLog(tmp_path / "file" / "peer.log", secrets=False)
    assert "--log-dir" in caught.value.hint


def test_a_log_is_never_overwritten(tmp_path: Path) -> None:
    """A second run with the same name in one folder ends with 7 and leaves the first log alone."""
    first = NodeLog(tmp_path / "peer.log", secrets=False)
    first.info("started")
    first.file.close()
    before = (tmp_path / "peer.log").read_bytes()
    with pytest.raises(ResourceExhausted):
        NodeLog(tmp_path / "peer.log", secrets=False)
    assert (tmp_path / "peer.log").read_bytes() == before


def test_what_comes_after_the_end_changes_nothing(tmp_path: Path) -> None:
    """Once a log is closed its receipt may be signed: a late line is neither written nor counted."""
    file = ChainedFile(tmp_path / "peer.log")
    file.msg('{"event": "finished"}')
    file.close()
    lines_then, last_then = file.lines, file.last
    file.msg('{"event": "too late"}')
    file.close()
    assert (file.lines, file.last, file.failure) == (lines_then, last_then, None)
    assert file.path.stat().st_size == len('{"event": "finished", "chain": "0123456789abcdef"}\n')
