"""Frames over one stream: how they come together, what is refused unread, and how links end."""

from __future__ import annotations

import os

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from p2pmpc.errors import ConfigurationError, RemoteProtocolError
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, Frame, Limits
from p2pmpc.identity import Identity
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.messages import Kind
from p2pmpc.network import Address, MemoryNetwork, TcpNetwork
from p2pmpc.tls import join_context, server_context, wrap_client, wrap_server
from tests.frames import encode_frame

LIMITS = Limits(peers=3, length=8)
ANY = frozenset(Kind)

small_frames = st.builds(
    Frame,
    kind=st.sampled_from([Kind.CONFIRM, Kind.ABORT, Kind.OPEN]),
    round=st.integers(0, 2**32 - 1),
    signature=st.binary(min_size=64, max_size=64),
    body=st.binary(max_size=48),
)


def encoded(frame: Frame) -> bytes:
    return encode_frame(frame.kind, frame.round, frame.signature, frame.body)


async def link_with(data: bytes) -> Link:
    """Return a link on which these bytes have come, and then its end."""
    here, there = memory_stream_pair()
    await there.send_all(data)
    await there.aclose()
    return Link(here)


async def secured_pair() -> tuple[trio.SSLStream[trio.abc.Stream], trio.SSLStream[trio.abc.Stream]]:
    """Return both ends of a join link, client first, after their handshake."""
    near, far = memory_stream_pair()
    client = wrap_client(near, join_context())
    server = wrap_server(far, server_context(Identity.generate(os.urandom), ()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    return client, server


@given(frames=st.lists(small_frames, min_size=1, max_size=5), data=st.data())
async def test_frames_come_out_whole_however_the_stream_is_chopped(
    frames: list[Frame], data: st.DataObject
) -> None:
    """The same frames are read in the same order whatever pieces the stream brings them in."""
    stream = b"".join(map(encoded, frames))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    here, there = memory_stream_pair()

    async def write() -> None:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            await there.send_all(stream[start:end])
            await trio.testing.wait_all_tasks_blocked()
        await there.aclose()

    link = Link(here)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        read = [await link.receive(LIMITS, ANY) for _ in frames]
        with pytest.raises(LinkEndedError, match="closed by the other side"):
            await link.receive(LIMITS, ANY)
    assert read == frames
    assert link.bytes_received == len(stream)


async def test_a_large_frame_is_written_in_pieces_and_arrives_whole() -> None:
    """A vector of several write sizes passes unchanged, and both ends count all its bytes."""
    body = os.urandom(4 * 700_000)
    frame = encode_frame(Kind.PARTIAL, 7, bytes(64), body)
    here, there = memory_stream_pair()
    sender, receiver = Link(here), Link(there)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.send, frame)
        read = await receiver.receive(Limits(peers=3, length=700_000), frozenset({Kind.PARTIAL}))
    assert read == Frame(Kind.PARTIAL, 7, bytes(64), body)
    assert sender.bytes_sent == receiver.bytes_received == len(frame)


@pytest.mark.parametrize("kind", sorted(Kind))
async def test_a_frame_over_its_cap_is_refused_before_its_body_comes(kind: Kind) -> None:
    """Row 15: five bytes are enough to refuse a body one byte too large; nothing waits for it."""
    here, there = memory_stream_pair()
    most = ENVELOPE_BYTES + LIMITS.body_cap(kind)
    await there.send_all(HEADER.pack(most + 1, kind))
    with pytest.raises(RemoteProtocolError, match=f"{kind.name} of {most + 1} bytes"):
        await Link(here).receive(LIMITS, ANY)


@pytest.mark.parametrize("size", [0, 1, ENVELOPE_BYTES - 1, 2**31, 2**32 - 1])
async def test_an_impossible_length_is_refused_before_its_body_comes(size: int) -> None:
    """Row 15: a length below the envelope's or absurdly above is refused at the header."""
    here, there = memory_stream_pair()
    await there.send_all(HEADER.pack(size, Kind.ABORT))
    with pytest.raises(RemoteProtocolError, match="over its cap"):
        await Link(here).receive(LIMITS, ANY)


@pytest.mark.parametrize("number", [0, 18, 255])
async def test_an_unknown_kind_is_refused_at_the_header(number: int) -> None:
    """Row 15: a kind that does not exist is refused before its body comes."""
    here, there = memory_stream_pair()
    await there.send_all(HEADER.pack(ENVELOPE_BYTES, number))
    with pytest.raises(RemoteProtocolError, match=f"unknown kind {number}"):
        await Link(here).receive(LIMITS, ANY)


async def test_a_kind_out_of_place_is_refused_at_the_header() -> None:
    """A kind that may not come on this connection now is refused before its body comes."""
    here, there = memory_stream_pair()
    await there.send_all(HEADER.pack(ENVELOPE_BYTES + 8, Kind.PARTIAL))
    with pytest.raises(RemoteProtocolError, match="PARTIAL has no place"):
        await Link(here).receive(LIMITS, frozenset({Kind.JOIN}))


async def test_a_flood_is_refused_with_little_of_it_read() -> None:
    """Row 15: of 16 MiB under a false header a link takes less than 1 MiB before it refuses."""
    here, there = memory_stream_pair()
    link = Link(here)
    await there.send_all(HEADER.pack(1 << 24, Kind.ACCEPT) + b"\x90" * (1 << 24))
    with pytest.raises(RemoteProtocolError):
        await link.receive(LIMITS, ANY)
    assert link.bytes_received < 1 << 20


async def test_a_stream_closed_between_frames_is_an_end_and_no_frame() -> None:
    """A stream that is closed in good order ends the link, and does not look like a message."""
    link = await link_with(b"")
    with pytest.raises(LinkEndedError, match="closed by the other side"):
        await link.receive(LIMITS, ANY)


@pytest.mark.parametrize("kept", [1, HEADER.size - 1, HEADER.size, HEADER.size + 1, -1])
async def test_a_stream_closed_within_a_frame_gives_no_frame(kept: int) -> None:
    """Row 14: what came of a frame before its stream ended is never taken for the frame."""
    frame = encode_frame(Kind.CONFIRM, 0, bytes(64), bytes(40))
    link = await link_with(frame[:kept])
    with pytest.raises(LinkEndedError):
        await link.receive(LIMITS, ANY)


async def test_a_cut_under_tls_is_told_from_a_close() -> None:
    """Row 14: under TLS a stream that ends without its goodbye is cut, never the end of data."""
    client, server = await secured_pair()
    await client.transport_stream.aclose()
    with pytest.raises(LinkEndedError, match="it was cut"):
        await Link(server).receive(LIMITS, ANY)


async def test_a_close_under_tls_is_an_end() -> None:
    """A TLS stream that says goodbye is reported as closed by the other side."""
    client, server = await secured_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Link(client).aclose)
        with pytest.raises(LinkEndedError, match="closed by the other side"):
            await Link(server).receive(LIMITS, ANY)


async def test_writing_to_a_link_that_is_gone_says_so() -> None:
    """A write to a stream that the other side has left, or that is closed here, ends the link."""
    here, there = memory_stream_pair()
    link = Link(here)
    await there.aclose()
    with pytest.raises(LinkEndedError):
        await link.send(b"x")
    await link.aclose()
    with pytest.raises(LinkEndedError):
        await link.send(b"x")
    await link.aclose()


async def test_a_close_that_nobody_answers_takes_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A peer that does not read cannot hold this one up: after a second the close is forced."""
    near, far = trio.testing.lockstep_stream_pair()
    client = wrap_client(near, join_context())
    server = wrap_server(far, server_context(Identity.generate(os.urandom), ()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    started = trio.current_time()
    await Link(client).aclose()
    assert trio.current_time() - started <= 1.0
    assert autojump_clock.autojump_threshold == 0


# -- addresses, and the two networks ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("[::1]:9000", "::1", 9000),
        ("peer.example:0", "peer.example", 0),
        ("*:65535", "*", 65535),
    ],
)
def test_an_address_reads_back_as_written(text: str, host: str, port: int) -> None:
    """Names, IPv4 and bracketed IPv6 addresses are read, and written the same way."""
    assert Address.parse(text) == Address(host, port)
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "9000", ":9000", "host", "host:", "host:x", "host:65536", "host:-1", "::1:9000", "host:¹"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """What cannot be an address is a mistake in the configuration, with an example of a right one."""
    with pytest.raises(ConfigurationError) as caught:
        Address.parse(text)
    assert "127.0.0.1:9000" in caught.value.hint


async def test_the_memory_network_behaves_like_the_machines() -> None:
    """Port 0 is a free port, a taken one is refused, and nobody answers where nobody listens."""
    network = MemoryNetwork()
    listener = await network.listen(Address("memory", 0))
    other = await network.listen(Address("memory", 0))
    assert listener.address.port != other.address.port != 0
    with pytest.raises(ConfigurationError, match="taken"):
        await network.listen(listener.address)
    near, _ = await network.connect(listener.address)
    far = await listener.accept()
    await near.send_all(b"hello")
    assert await far.receive_some() == b"hello"
    await listener.aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.connect(listener.address)
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_tcp_refuses_plainly() -> None:
    """On TCP a taken port is a configuration error, and a refused connection is an OSError."""
    network = TcpNetwork()
    listener = await network.listen(Address("127.0.0.1", 0))
    with pytest.raises(ConfigurationError, match=f"cannot listen on {listener.address}"):
        await network.listen(listener.address)
    stream, host = await network.connect(listener.address)
    assert host == "127.0.0.1"
    await stream.aclose()
    await listener.aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.connect(listener.address)
