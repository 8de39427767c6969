"""What a peer keeps: facts come back as they were, damage is noticed, and nobody else gets at it."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from p2pmpc.actions import Send
from p2pmpc.entropy import SeededEntropy
from p2pmpc.errors import ConfigurationError, InputRefused, ResourceExhausted
from p2pmpc.identity import SEALING_SEED_BYTES, Identity
from p2pmpc.kept import _LONG, Fact, KeptRoster, KeptRound, KeptSelf, KeptWord, Lines, parse_kept
from p2pmpc.memory import Memory, pick_state, state_folder
from p2pmpc.messages import (
    Confirm,
    Echo,
    EchoEntry,
    Kind,
    Open,
    Partial,
    Share,
    Signed,
    SignedEntry,
    Slot,
    Unmask,
)
from p2pmpc.options import NodeOptions
from p2pmpc.parameters import Parameters
from p2pmpc.ratchet import PairKeys
from p2pmpc.state_file import StateFile, default_state_folder, find_state, open_folder
from p2pmpc.wire import encode_body

ENTRY = SignedEntry(b"entry", bytes(64), "127.0.0.1:9000")
ME = KeptSelf(
    id=b"\x11" * 32,
    identity=b"secret pem",
    name="anna",
    nonce=b"\x22" * 32,
    sealing=b"\x33" * SEALING_SEED_BYTES,
    parameters=Parameters(nonce=bytes(32), peers=3),
    entry=ENTRY,
    listens="127.0.0.1:9001",
    where=("127.0.0.1:9000#id",),
    log_dir="/somewhere",
    weight=7,
    begun="2026-01-02 03:04 UTC",
)
ROSTER = KeptRoster((ENTRY, ENTRY), {b"\x11" * 32: "127.0.0.1:9001"}, b"\x44" * 32)
PAIR = PairKeys(1, 2, b"\x55" * 32, b"\x66" * 32, b"\x77" * 32)
ROUND = KeptRound(3, b"\x88" * 32, b"\x99" * 32, {1: bytes(64), 2: b"\x01" * 64}, (PAIR,), (b"f",))
WORD = KeptWord(Slot(Kind.SHARE, 2, 0), b"\xaa" * 32, b"\xbb" * 64, b"sealed")
FACTS: tuple[Fact, ...] = (ME, ROSTER, ROUND, WORD)


def written(*facts: Fact) -> str:
    """Return facts as a file holds them."""
    lines = Lines()
    return lines.head() + lines.of(facts)


@pytest.mark.parametrize("count", range(1, len(FACTS) + 1))
def test_facts_come_back_as_they_were(count: int) -> None:
    """Whatever was written is read back, and writes the same file again."""
    text = written(*FACTS[:count])
    kept, check, whole = parse_kept(text)
    assert kept.facts == FACTS[:count]
    assert whole == len(text)
    assert check == text.splitlines()[-1][:16]
    assert written(*kept.facts) == text


def test_a_line_that_was_cut_short_is_no_fact() -> None:
    """Wherever the last line was cut, what came before it stands."""
    before, text = written(*FACTS[:3]), written(*FACTS)
    for end in range(len(before), len(text)):
        kept, _, whole = parse_kept(text[:end])
        assert (kept.facts, whole) == (FACTS[:3], len(before))


def test_any_other_change_is_noticed() -> None:
    """An altered character, a missing line or one that came from elsewhere: its number is named."""
    text = written(*FACTS)
    for at in range(0, len(text) - 1, 7):
        altered = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        with pytest.raises(ValueError, match=r"line \d|no session"):
            parse_kept(altered)
    lines = text.splitlines(keepends=True)
    for number in range(1, len(lines) - 1):
        with pytest.raises(ValueError, match="line"):
            parse_kept("".join(lines[:number] + lines[number + 1 :]))


def test_a_new_round_forgets_what_was_said_in_the_one_before() -> None:
    """The words of a round go with it."""
    kept, _, _ = parse_kept(written(*FACTS))
    assert kept.said == {WORD.slot: WORD.digest}
    assert kept.sealed == {2: b"sealed"}
    later = dataclasses.replace(ROUND, number=4)
    kept.add(later)
    assert kept.facts == (ME, ROSTER, later)


def test_no_secret_is_shown() -> None:
    """Neither seeds nor keys stand in a repr."""
    kept, _, _ = parse_kept(written(*FACTS))
    shown = repr(kept) + repr(FACTS)
    for secret in (ME.identity, ME.sealing, ROUND.seed, PAIR.link, PAIR.seed, PAIR.key, WORD.body):
        assert repr(secret)[2:-1] not in shown
    assert "weight=7" not in shown


def test_a_long_body_is_kept_as_its_digest() -> None:
    """What can be made again is not written twice; what is sealed must be."""
    long = b"x" * (1 << 15)
    signed = Signed(Partial(long), 0, bytes(32), bytes(64), long)
    assert KeptWord.of(signed, None).body == b""
    assert KeptWord.of(dataclasses.replace(signed, body=b"short"), None).body == b"short"
    shared = Signed(Share(long), 0, bytes(32), bytes(64), long)
    assert KeptWord.of(shared, 2).body == long, "sealed anew it would be other bytes"


def test_what_ends_a_round_is_kept_whole_however_long() -> None:
    """Among many peers an ECHO is long; in the next round it cannot be made again, and is said again."""
    many = 100
    entries = (EchoEntry(bytes(32), bytes(64), bytes(32), bytes(64)),) * many
    said = Echo((bytes(64),) * many, entries), Open(bytes(32), (bytes(64),) * many)
    for message in (*said, Unmask(1, bytes(33)), Confirm(bytes(32))):
        body = encode_body(message)
        signed = Signed(message, 0, bytes(32), bytes(64), body)
        assert KeptWord.of(signed, None).body == body
    assert len(encode_body(said[0])) > _LONG


def test_what_was_added_is_there_for_the_next_process(tmp_path: Path) -> None:
    """A file grows line by line, begins anew in one step, and is found when nobody holds it."""
    file = StateFile.create(tmp_path, ME.id, ME)
    file.add(ROSTER)
    file.add(ROUND, WORD)
    assert list(find_state(tmp_path)) == []  # its process lives
    file.release()
    (found,) = find_state(tmp_path)
    assert found.kept is not None
    assert found.kept.facts == FACTS
    found.begin(ME, ROUND)
    found.add(WORD)
    found.release()
    (again,) = find_state(tmp_path)
    assert again.kept is not None
    assert again.kept.facts == (ME, ROUND, WORD)
    assert [path.name for path in tmp_path.iterdir()] == [again.path.name]
    again.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_was_added_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State, then disk, then wire: whatever a call has written it has synchronised when it returns."""
    file = StateFile.create(tmp_path, ME.id, ME)
    path = file.path
    synchronised: list[int] = []
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        honest(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            synchronised.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    for fact in (ROSTER, ROUND, WORD):
        file.add(fact)
        assert synchronised[-1:] == [path.stat().st_size]
    file.discard()


@pytest.mark.parametrize("end", [StateFile.discard, lambda file: file.begin(ME)])
def test_what_never_stood_in_its_place_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[StateFile], None]
) -> None:
    """A process killed while it began a file anew leaves a second one, with the same secrets in it."""

    def die(*_paths: object) -> None:
        raise KeyboardInterrupt

    file = StateFile.create(tmp_path, ME.id, ME)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            file.begin(ME, ROUND)
    file.release()
    assert len(list(tmp_path.iterdir())) == 2
    (found,) = find_state(tmp_path)
    end(found)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_follows_a_cut_line_replaces_it(tmp_path: Path) -> None:
    """A process that goes on writes behind the last whole line."""
    file = StateFile.create(tmp_path, ME.id, ME)
    file.release()
    with file.path.open("a") as opened:
        opened.write("0123456789abcdef {half")
    (found,) = find_state(tmp_path)
    found.add(ROUND)
    found.release()
    assert parse_kept(file.path.read_text())[0].facts == (ME, ROUND)


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    """8: which file, which line, and what to do; the secret in the line is not shown."""
    file = StateFile.create(tmp_path, ME.id, ME, ROUND)
    file.release()
    file.path.write_text(file.path.read_text().replace(ROUND.seed.hex(), "00" * 32))
    with pytest.raises(InputRefused, match=rf"{file.path.name} is damaged: line 3") as raised:
        list(find_state(tmp_path))
    assert ROUND.seed.hex() not in raised.value.describe()
    file.path.write_bytes(b"\xff\n")
    with pytest.raises(InputRefused, match="not ASCII"):
        list(find_state(tmp_path))


def test_nobody_else_can_look_into_the_folder(tmp_path: Path) -> None:
    """The folder is made 0700, its files 0600, and one that others can read is refused."""
    folder = open_folder(tmp_path / "deep" / "state")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file = StateFile.create(folder, ME.id, ME)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.begin(ME, ROSTER)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.release()
    folder.chmod(0o750)
    with pytest.raises(ConfigurationError, match="others can look into") as raised:
        open_folder(folder)
    assert f"chmod 700 {folder}" in raised.value.hint


def test_where_state_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the XDG specification, which has relative paths ignored, or where --state-dir says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state_folder() == tmp_path / "p2pmpc"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_state_folder() == Path.home() / ".local" / "state" / "p2pmpc"
    options = NodeOptions(peers=3, state_dir=str(tmp_path / "here"))
    assert state_folder(options) == tmp_path / "here"


def test_a_folder_that_cannot_be_made_is_a_resource(tmp_path: Path) -> None:
    """7, with the ways out."""
    (tmp_path / "file").touch()
    with pytest.raises(ResourceExhausted, match="cannot make the folder") as raised:
        open_folder(tmp_path / "file" / "state")
    assert "--no-state" in raised.value.hint


def test_which_session_is_meant(tmp_path: Path) -> None:
    """One that fits is taken; none, or several, are refused with what there is."""
    options = NodeOptions(resume=True, state_dir=str(tmp_path))
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match="no session"):
        pick_state(options, None)
    bert = dataclasses.replace(ME, id=b"\x12" * 32, name="bert")
    for me in (ME, bert):
        StateFile.create(tmp_path, me.id, me).release()
    with pytest.raises(ConfigurationError, match=r"2 sessions .*anna since 2026.*bert"):
        pick_state(options, None)
    file = pick_state(dataclasses.replace(options, name="bert"), None)
    assert file.kept is not None
    assert file.kept.me == bert
    with pytest.raises(ConfigurationError, match="no session"):
        pick_state(dataclasses.replace(options, name="bert"), None)  # this process is in it
    file.release()
    with pytest.raises(ConfigurationError, match="no session"):
        pick_state(options, Identity(bytes(32)))


def test_a_session_of_a_key_file_needs_the_key(tmp_path: Path) -> None:
    """The key is in a file of its own, so what is kept has none."""
    tmp_path.chmod(0o700)
    StateFile.create(tmp_path, ME.id, dataclasses.replace(ME, identity=b"")).release()
    with pytest.raises(ConfigurationError, match="one of a key file"):
        pick_state(NodeOptions(resume=True, state_dir=str(tmp_path)), None)


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    """--no-state writes nothing at all."""
    memory = Memory(Identity(bytes(32)), NodeOptions(peers=3), tmp_path, os.urandom)
    memory.keep_hello(ME.parameters, ENTRY, ME.sealing)
    memory.begin_round(ROUND)
    memory.say([])
    memory.forget()
    assert list(tmp_path.iterdir()) == []
    assert memory.hello(ME.parameters) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_disk_that_fails_after_the_shares_stops_nobody(tmp_path: Path) -> None:
    """Row 24: an observer, whose first word is its CONFIRM, goes on without a memory."""
    memory = Memory(Identity(bytes(32)), NodeOptions(), tmp_path, os.urandom, folder=tmp_path)
    memory.keep_hello(ME.parameters, ENTRY, ME.sealing)
    memory.begin_round(dataclasses.replace(ROUND, number=0))
    assert memory._file is not None
    confirm = Send(Signed(Confirm(bytes(32)), 0, bytes(32), bytes(64), b"body"))
    os.close(memory._file._descriptor)
    memory._file._descriptor = os.open("/dev/full", os.O_WRONLY)
    memory.say([confirm])
    assert memory.trouble is not None
    assert list(tmp_path.iterdir()) == []


def test_a_seed_gives_the_same_bytes_again() -> None:
    """However they are asked for, and others for another purpose or seed."""
    first, second = SeededEntropy(bytes(32), "one"), SeededEntropy(bytes(32), "one")
    whole = first(100)
    assert whole == second(1) + second(0) + second(63) + second(36)
    assert SeededEntropy(bytes(32), "two")(100) != whole
    assert SeededEntropy(b"\x01" * 32, "one")(100) != whole
    assert first(100) != whole
