"""What silence on a link means: how it is counted, whom it makes suspect, and what the kernel knows."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass, replace

import pytest

from p2pmpc.absence import TCP_INFO_BYTES, Absence, Cause, TcpState
from p2pmpc.errors import RemoteProtocolError
from p2pmpc.frames import ALIVE, ENVELOPE_BYTES, HEADER, Frame, parse_frame
from p2pmpc.messages import LONGEST_REASON, Kind, is_display_text
from p2pmpc.pulse import (
    FASTEST_HEARTBEAT,
    GIVEN_UP_BEATS,
    MOST_A_SECOND,
    MOST_AT_ONCE,
    SUSPECTED_BEATS,
    TURNS_A_BEAT,
    Pulse,
)

BEAT = 2.0
ANSWERED = TcpState(unacknowledged=0, probes=0, quiet=0.5)
UNANSWERED = TcpState(unacknowledged=1, probes=0, quiet=10.0)
FRAME = Frame(Kind.ALIVE, 0, bytes(64), b"")


@dataclass
class Fake:
    """A link as far as it is watched."""

    bytes_received: int = 0
    is_waiting: bool = True
    state: TcpState | None = ANSWERED

    def tcp_state(self) -> TcpState | None:
        """Return what the test says."""
        return self.state


def turns(pulse: Pulse, beats: float) -> None:
    """Let this many beats pass."""
    for _ in range(round(beats * TURNS_A_BEAT)):
        pulse.turn()


def watched(**given: object) -> tuple[Fake, Pulse]:
    """Return a link that has just come up, and its pulse."""
    link = replace(Fake(), **given)  # type: ignore[arg-type]
    pulse = Pulse(link, BEAT, "192.0.2.1:9000", now=100.0)
    pulse.turn()
    return link, pulse


# -- suspicion ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "cause"),
    [(ANSWERED, Cause.STOPPED), (UNANSWERED, Cause.UNREACHABLE), (None, Cause.SILENT)],
)
def test_three_beats_of_silence_are_suspect(state: TcpState | None, cause: Cause) -> None:
    """Row 9: a link is suspected after three silent beats and not before, and the kernel says of what."""
    _, pulse = watched(state=state)
    turns(pulse, SUSPECTED_BEATS - 1 / TURNS_A_BEAT)
    assert pulse.suspected is None
    turns(pulse, 1 / TURNS_A_BEAT)
    assert pulse.suspected is cause
    assert pulse.silent == SUSPECTED_BEATS * BEAT


def test_a_byte_ends_suspicion() -> None:
    """Row 9: whatever comes, a part of a frame as well, makes a peer heard again."""
    link, pulse = watched()
    turns(pulse, 5)
    assert pulse.suspected is Cause.STOPPED
    link.bytes_received += 1
    pulse.turn()
    assert pulse.suspected is None
    assert pulse.silent == 0.0


def test_whoever_does_not_listen_suspects_nobody() -> None:
    """While this side does not wait for bytes, because it is busy with some, no silence is counted."""
    link, pulse = watched(is_waiting=False)
    turns(pulse, 100)
    assert pulse.suspected is None
    link.is_waiting = True
    turns(pulse, SUSPECTED_BEATS - 1)
    assert pulse.suspected is None


@pytest.mark.parametrize("state", [ANSWERED, None])
def test_a_stopped_peer_keeps_its_link(state: TcpState | None) -> None:
    """Row 9: however long a program is silent, its link stays while its machine may be there."""
    _, pulse = watched(state=state)
    turns(pulse, 1000)
    assert not pulse.is_half_open


def test_a_half_open_link_is_given_up_after_four_beats() -> None:
    """Row 9: where no machine answers, the link is given up, and not before the fourth beat."""
    _, pulse = watched(state=UNANSWERED)
    turns(pulse, GIVEN_UP_BEATS - 1 / TURNS_A_BEAT)
    assert pulse.suspected is Cause.UNREACHABLE
    assert not pulse.is_half_open
    turns(pulse, 1 / TURNS_A_BEAT)
    assert pulse.is_half_open


def test_what_is_known_of_a_peer_follows_its_machine() -> None:
    """A stopped program whose machine then goes away as well is another case, and told as one."""
    link, pulse = watched()
    told = []
    for state in (ANSWERED, UNANSWERED):
        link.state = state
        turns(pulse, 3)
        told.append(pulse.suspected)
    assert told == [Cause.STOPPED, Cause.UNREACHABLE]


def test_a_peer_that_was_heard_just_now_is_only_behind() -> None:
    """Asked why a peer is missing whose signs of life come, the answer is that it answers."""
    _, pulse = watched(state=UNANSWERED)
    assert pulse.absence().cause is Cause.BEHIND
    turns(pulse, 2)
    assert pulse.absence().cause is Cause.UNREACHABLE  # asked before it is suspected


# -- signs of life --------------------------------------------------------------------------------


def test_signs_of_life_may_come_in_a_crowd() -> None:
    """After a standstill all that were said meanwhile come at once, from the fastest honest peer too."""
    _, pulse = watched()
    for _ in range(int(60 / FASTEST_HEARTBEAT)):
        pulse.take_alive(FRAME, now=160.0)


def test_a_flood_of_signs_of_life_is_a_violation() -> None:
    """Row 23: whoever says far more often than any honest peer that it is alive breaks the protocol."""
    _, pulse = watched()
    for _ in range(MOST_AT_ONCE + MOST_A_SECOND):
        pulse.take_alive(FRAME, now=101.0)
    with pytest.raises(RemoteProtocolError, match="flood"):
        pulse.take_alive(FRAME, now=101.0)


@pytest.mark.parametrize(
    "frame",
    [
        replace(FRAME, round=1),
        replace(FRAME, signature=bytes(63) + b"\x01"),
        replace(FRAME, body=b"\x00"),
    ],
)
def test_a_sign_of_life_says_nothing_else(frame: Frame) -> None:
    """An ALIVE has one form; bits that mean nothing are refused, or they would mean something one day."""
    _, pulse = watched()
    with pytest.raises(RemoteProtocolError, match="zeros alone"):
        pulse.take_alive(frame, now=100.0)


def test_the_frame_of_a_sign_of_life() -> None:
    """The frame is 73 bytes: length 68, kind 16, and zeros."""
    assert bytes([0, 0, 0, 68, 16, *bytes(68)]) == ALIVE
    envelope = ALIVE[HEADER.size :]
    assert len(envelope) == ENVELOPE_BYTES
    assert parse_frame(Kind.ALIVE, envelope, b"") == FRAME


# -- what the kernel knows ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "answered"),
    [
        (TcpState(0, 0, 0.0), True),
        (TcpState(5, 0, 3.9), True),  # an acknowledgement may take its time
        (TcpState(1, 0, 4.0), False),
        (TcpState(0, 1, 300.0), True),  # a shut window, whose probes are answered ever more rarely
        (TcpState(0, 3, 9.0), False),  # probes without an answer
    ],
)
def test_whether_a_machine_answers(state: TcpState, *, answered: bool) -> None:
    """Row 9: a machine is gone when what was sent, or asked, is without an answer for two beats."""
    assert state.is_answered(2 * BEAT) == answered


def test_the_layout_of_what_linux_says() -> None:
    """Fields stand where linux/tcp.h puts them, and a shorter answer says nothing."""
    data = bytearray(TCP_INFO_BYTES)
    data[3] = 2
    struct.pack_into("=I", data, 24, 7)
    struct.pack_into("=I", data, 56, 1500)
    assert TcpState.parse(bytes(data)) == TcpState(unacknowledged=7, probes=2, quiet=1.5)
    assert TcpState.parse(bytes(data[:-1])) is None


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO has this form on Linux only")
def test_linux_says_it_so() -> None:
    """Of a connection on loopback the kernel says that all is acknowledged, and when."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            near.sendall(b"hello")
            assert far.recv(5) == b"hello"
            far.sendall(b"there")
            assert near.recv(5) == b"there"
            state = TcpState.parse(near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))
    assert state is not None
    assert (state.unacknowledged, state.probes) == (0, 0)
    assert 0 <= state.quiet < 60


# -- in words -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_words(cause: Cause) -> None:
    """What is said of an absence can be said to others as well, and fits into an ABORT with a name."""
    absence = Absence(cause, 12.3, "[2001:db8::1]:65535", "connection reset by peer")
    for text in (absence.reason, absence.advice):
        assert is_display_text(text, LONGEST_REASON - 100)
        assert "{" not in text
