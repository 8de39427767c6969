"""The accepting side of a node: who is let in, who is not, and that the node lives on either way."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgpack
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from p2pmpc.envelope import frame_bytes, sign_before_session
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, TO_ALL, Limits, body_digest, signing_input
from p2pmpc.gate import SATISFIED, Gate
from p2pmpc.identity import Identity, peer_id
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.lobby import Lobby, Shown, Visit
from p2pmpc.logs import NodeLog
from p2pmpc.messages import Join, Kind
from p2pmpc.network import Address, MemoryNetwork, Stream
from p2pmpc.parameters import Parameters
from p2pmpc.tls import JOIN_PROTOCOL, MESH_PROTOCOL, TlsStream, join_context, mesh_context
from p2pmpc.wire import decode_body
from tests.frames import encode_frame
from tests.nodes import Peers, at_once
from tests.party import make_sessions

MakeStream = Callable[[], Awaitable[Stream]]


def client_context(*protocols: str, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return the context of a client that trusts anybody and offers these protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if most is not None:
        context.maximum_version = most
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


async def rest_of(stream: Stream) -> bytes:
    """Read until the other side ends it; the test fails if it never does."""
    data = bytearray()
    with trio.fail_after(60):
        try:
            while piece := await stream.receive_some():
                data += piece
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
    return bytes(data)


async def shake_hands(stream: Stream, context: ssl.SSLContext) -> TlsStream:
    """Return the stream under TLS."""
    tls: TlsStream = trio.SSLStream(stream, context)
    await tls.do_handshake()
    return tls


# -- what comes to a founder that waits for joiners ---------------------------------------------


async def speak(connect: MakeStream, data: bytes) -> None:
    """Say something that is not TLS, and expect nothing but a TLS alert, if anything, and the end."""
    stream = await connect()
    await stream.send_all(data)
    assert (await rest_of(stream))[:1] in (b"", b"\x15")


async def hang_up(connect: MakeStream) -> None:
    """Close at once."""
    await (await connect()).aclose()


async def stay_silent(connect: MakeStream) -> None:
    """Say nothing, and expect to be closed after the five seconds that strangers get."""
    stream, started = await connect(), trio.current_time()
    assert await rest_of(stream) == b""
    assert 4.9 < trio.current_time() - started < 5.5


async def trickle(connect: MakeStream) -> None:
    """Send a byte of a handshake a second: the five seconds are for all of it, not for each byte."""
    stream, started = await connect(), trio.current_time()
    sent = 0
    with contextlib.suppress(trio.BrokenResourceError):
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03":
            await stream.send_all(bytes([byte]))
            await trio.sleep(1)
            sent += 1
    assert 5 <= sent < 7
    assert trio.current_time() - started < 7


async def old_tls(connect: MakeStream) -> None:
    """Offer nothing newer than TLS 1.2."""
    context = client_context(JOIN_PROTOCOL, most=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(trio.BrokenResourceError):
        await shake_hands(await connect(), context)


async def shake_only(connect: MakeStream, *protocols: str) -> None:
    """Shake hands offering other protocols, and expect to hear nothing at all."""
    tls = await shake_hands(await connect(), client_context(*protocols))
    assert await rest_of(tls) == b""


async def knock(connect: MakeStream, data: bytes) -> None:
    """Shake hands as a joiner, say something, and expect no parameters."""
    tls = await shake_hands(await connect(), join_context())
    await tls.send_all(data)
    said = await rest_of(tls)
    assert not said or said[HEADER.size - 1] == Kind.ABORT


async def knock_and_wait(connect: MakeStream) -> None:
    """Shake hands as a joiner and say nothing more, and expect to be closed after five seconds."""
    started = trio.current_time()
    tls = await shake_hands(await connect(), join_context())
    assert await rest_of(tls) == b""
    assert 4.9 < trio.current_time() - started < 5.5


def unsigned_join() -> bytes:
    """Return the frame of a JOIN that nobody signed."""
    body = msgpack.packb([1, Identity.generate(os.urandom).public_key, bytes(32)])
    return encode_frame(Kind.JOIN, 0, bytes(64), body)


STRANGERS: dict[str, tuple[str, Callable[[MakeStream], Awaitable[None]]]] = {
    "HTTP": ("it speaks HTTP, not TLS", lambda c: speak(c, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    "SSH": ("something other than TLS", lambda c: speak(c, b"SSH-2.0-OpenSSH_9.6\r\n")),
    "zeros": ("something other than TLS", lambda c: speak(c, bytes(4096))),
    "noise": ("TLS", lambda c: speak(c, bytes(range(250, 0, -1)) * 64)),
    "a broken ClientHello": (
        "TLS",
        lambda c: speak(c, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    ),
    "nothing": ("unexpected eof", hang_up),
    "silence": ("said nothing in time", stay_silent),
    "a trickle": ("said nothing in time", trickle),
    "TLS 1.2": ("an older TLS than 1.3", old_tls),
    "no ALPN": ("TLS without this protocol's ALPN", shake_only),
    "the web's ALPN": ("TLS without this protocol's ALPN", lambda c: shake_only(c, "h2")),
    "a mesh link too early": (
        "asks for p2pmpc-mesh, which is not served here now",
        lambda c: shake_only(c, MESH_PROTOCOL),
    ),
    "a joiner's silence": ("said nothing in time", knock_and_wait),
    "an unsigned JOIN": ("a signature that does not verify", lambda c: knock(c, unsigned_join())),
    "a JOIN over its cap": (
        "JOIN of 4000 bytes is over its cap",
        lambda c: knock(c, HEADER.pack(4000, Kind.JOIN)),
    ),
    "a HELLO before its JOIN": (
        "HELLO has no place",
        lambda c: knock(c, HEADER.pack(ENVELOPE_BYTES, Kind.HELLO)),
    ),
    "a kind of its own": ("unknown kind 77", lambda c: knock(c, HEADER.pack(100, 77))),
    "a JOIN that is no msgpack": (
        "not msgpack",
        lambda c: knock(c, encode_frame(Kind.JOIN, 0, bytes(64), b"\xc1")),
    ),
    "a JOIN of nested arrays": (
        "not msgpack",
        lambda c: knock(c, encode_frame(Kind.JOIN, 0, bytes(64), b"\x91" * 128)),
    ),
}


@at_once
async def test_strangers_leave_a_line_each_and_the_session_goes_on(tmp_path: Path) -> None:
    """Rows 15 and 16: whatever a connection sends, it is ended with one log line, and the node lives."""
    peers = Peers(tmp_path)
    founder, *_ = peers.add_all([1, 2, 3], weight=1)

    async def connect() -> Stream:
        return (await peers.network.connect(peers.address))[0]

    async def meanwhile() -> None:
        for name, (reason, attack) in STRANGERS.items():
            before = len(peers.log(founder, "connection refused"))
            await attack(connect)
            await trio.testing.wait_all_tasks_blocked()
            lines = peers.log(founder, "connection refused")[before:]
            assert len(lines) == 1, f"{name}: {lines}"
            assert reason in lines[0]["reason"], f"{name}: {lines}"
            assert lines[0]["level"] == "warning"

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]
    assert founder.total == [6]
    assert len(peers.log(founder, "connection refused")) == len(STRANGERS)


@at_once
async def test_many_silent_connections_do_not_keep_joiners_out(tmp_path: Path) -> None:
    """More silent connections than are held at once cost a joiner some seconds, and not the session."""
    peers = Peers(tmp_path)
    peers.add_all([1, 2, 3], weight=1)
    idle: list[tuple[Stream, str]] = []

    async def meanwhile() -> None:
        idle.extend([await peers.network.connect(peers.address) for _ in range(300)])

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]


@at_once
async def test_each_thing_a_stranger_shows_opens_another_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 23: whoever is through with TLS is not drawn against those that only sent bytes."""
    shown: list[Shown] = []
    honest = Lobby.move

    def move(lobby: Lobby, visit: Visit, what: Shown) -> None:
        shown.append(what)
        honest(lobby, visit, what)

    monkeypatch.setattr(Lobby, "move", move)
    peers = Peers(tmp_path)
    peers.add_all([1, 2, 3], weight=1)

    async def meanwhile() -> None:
        stream, _ = await peers.network.connect(peers.address)
        before = len(shown)
        tls = await shake_hands(stream, join_context())
        await trio.testing.wait_all_tasks_blocked()
        assert [what for what in shown[before:] if what is Shown.TLS]
        assert Shown.BYTES in shown[before:]
        await tls.aclose()

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]


@at_once
async def test_a_joiner_of_another_version_is_told_both(tmp_path: Path) -> None:
    """Row 28: a JOIN of another protocol version is refused, and both sides see both versions."""
    peers = Peers(tmp_path)
    founder, *_ = peers.add_all([1, 2, 3], weight=1)
    stranger = Identity.generate(os.urandom)

    async def meanwhile() -> None:
        stream, _ = await peers.network.connect(peers.address)
        tls = await shake_hands(stream, join_context())
        body = msgpack.packb([2, stranger.public_key, bytes(32)])
        to = founder_id(tls)
        data = signing_input(bytes(32), 0, Kind.JOIN, stranger.id, to, body_digest(Kind.JOIN, body))
        await tls.send_all(encode_frame(Kind.JOIN, 0, stranger.sign(data), body))
        frame = await Link(tls).receive(Limits(), frozenset({Kind.ABORT}))
        told = decode_body(Kind.ABORT, frame.body, Limits())
        assert "speaks protocol version 1, the other one 2" in str(told)
        assert "code=6" in str(told)

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]
    (line,) = peers.log(founder, "connection refused")
    assert "version 1, the other one 2" in line["reason"]


@at_once
async def test_a_joiner_gets_its_parameters_only_for_itself(tmp_path: Path) -> None:
    """Row 13: a JOIN that was signed to another founder is refused by this one."""
    peers = Peers(tmp_path)
    founder, *_ = peers.add_all([1, 2, 3], weight=1)
    me = Identity.generate(os.urandom)
    elsewhere = peer_id(Identity.generate(os.urandom).public_key)

    async def connect() -> Stream:
        return (await peers.network.connect(peers.address))[0]

    async def meanwhile() -> None:
        for receiver in (elsewhere, TO_ALL, me.id):
            join = sign_before_session(me, Join(me.public_key, bytes(32)), receiver)
            await knock(connect, frame_bytes(join))

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]
    reasons = [line["reason"] for line in peers.log(founder, "connection refused")]
    assert reasons == ["a signature that does not verify"] * 3


def founder_id(tls: TlsStream) -> bytes:
    """Return the ID of whoever shows its certificate on a link."""
    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    key = certificate.public_key()
    return peer_id(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


# -- what comes to a member once there is a roster ----------------------------------------------


class OpenGate:
    """A gate of the second of three members, with its mesh open."""

    def __init__(self, path: Path) -> None:
        parameters = Parameters(nonce=bytes(range(32)), peers=3)
        self.keys, _, self.sessions = make_sessions(parameters, [1, 1, 1])
        self.log = NodeLog(path, secrets=False)
        self.network = MemoryNetwork()
        self.gate = Gate(self.keys[1], self.log)
        self.met: list[int] = []
        self.anchors = [member.entry.certificate for member in self.sessions[0].members]

    async def serve(self, nursery: trio.Nursery) -> None:
        self.gate.mesh_handler = self.meet
        self.gate.open_mesh(self.sessions[1])
        self.listener = await self.network.listen(Address("memory", 0))
        nursery.start_soon(self.gate.serve, self.listener)

    async def meet(self, index: int, link: Link) -> None:
        self.met.append(index)
        with pytest.raises(LinkEndedError):
            await link.receive(Limits(), frozenset())

    async def dial(self, context: ssl.SSLContext) -> bytes:
        """Dial with a context, and return what the gate says."""
        stream, _ = await self.network.connect(self.listener.address)
        try:
            tls = await shake_hands(stream, context)
        except trio.BrokenResourceError:
            return b""
        with trio.move_on_after(30):
            try:
                return bytes(await tls.receive_some(1))
            except trio.BrokenResourceError:
                return b""
            finally:
                await trio.aclose_forcefully(tls)
        return b"nothing, for ever"

    def reasons(self) -> list[str]:
        """Return why connections were refused so far."""
        text = self.log.file.path.read_text()
        return [line for line in text.splitlines() if "connection refused" in line]


def minted_context(by: Identity, name: bytes, anchors: list[bytes]) -> ssl.SSLContext:
    """Return the context of somebody who shows a certificate that a member signed for another ID."""
    issuer_key = serialization.load_pem_private_key(by.private_pem(), None)
    assert isinstance(issuer_key, Ed25519PrivateKey)
    leaf_key = Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.hex())]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by.id.hex())]))
        .public_key(leaf_key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
        .sign(issuer_key, None)
    )
    context = mesh_context(by, anchors)
    pem = leaf_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    descriptor = os.memfd_create("minted")
    os.write(descriptor, pem)
    context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)
    return context


@at_once
async def test_only_members_pass_the_open_gate(tmp_path: Path) -> None:
    """Row 16: without a certificate, or with one that is not in the roster, there is no mesh link."""
    gate = OpenGate(tmp_path / "gate.log")
    first, second, third = gate.keys
    stranger = Identity.generate(os.urandom)
    refused = {
        "shows no certificate": client_context(MESH_PROTOCOL),
        "certificate is not in the roster": mesh_context(stranger, gate.anchors),
        "the roster": minted_context(first, third.id, gate.anchors),
        "a lower index does not dial": mesh_context(first, gate.anchors),
        "lower index": mesh_context(second, gate.anchors),
        "asks for p2pmpc-join, which is not served": client_context(JOIN_PROTOCOL),
        "without this protocol's ALPN": client_context(),
    }
    async with trio.open_nursery() as nursery:
        await gate.serve(nursery)
        for count, (reason, context) in enumerate(refused.items(), start=1):
            assert await gate.dial(context) == b"", reason
            await trio.testing.wait_all_tasks_blocked()
            assert len(gate.reasons()) == count
            assert reason in gate.reasons()[-1]
        assert gate.met == []
        assert await gate.dial(mesh_context(third, gate.anchors)) == SATISFIED
        nursery.cancel_scope.cancel()
    assert gate.met == [3]
    gate.log.file.close()


@at_once
async def test_a_member_that_founds_nothing_is_silent_until_it_knows_the_roster(
    tmp_path: Path,
) -> None:
    """Before a joiner has its roster it says nothing to anybody, and a caller gets five seconds."""
    gate = OpenGate(tmp_path / "gate.log")
    async with trio.open_nursery() as nursery:
        listener = await gate.network.listen(Address("memory", 0))
        nursery.start_soon(gate.gate.serve, listener)
        stream, _ = await gate.network.connect(listener.address)
        started = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            await shake_hands(stream, mesh_context(gate.keys[2], gate.anchors))
        assert 4.9 < trio.current_time() - started < 5.5
        nursery.cancel_scope.cancel()
    assert len(gate.reasons()) == 1
    gate.log.file.close()


@at_once
async def test_a_member_that_comes_before_the_roster_waits_for_it(tmp_path: Path) -> None:
    """A member that dials a little before this one knows the roster is let in when it does."""
    gate = OpenGate(tmp_path / "gate.log")
    said = []

    async def dial() -> None:
        said.append(await gate.dial(mesh_context(gate.keys[2], gate.anchors)))

    async with trio.open_nursery() as nursery:
        gate.listener = await gate.network.listen(Address("memory", 0))
        nursery.start_soon(gate.gate.serve, gate.listener)
        async with trio.open_nursery() as dialling:
            dialling.start_soon(dial)
            await trio.sleep(2)
            gate.gate.mesh_handler = gate.meet
            gate.gate.open_mesh(gate.sessions[1])
        nursery.cancel_scope.cancel()
    assert said == [SATISFIED]
    assert gate.reasons() == []
    gate.log.file.close()
