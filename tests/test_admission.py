"""One peer that comes again and again, as a joiner or as a member, and what it is given for it."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from p2pmpc.envelope import frame_bytes, open_before_session, sign_before_session
from p2pmpc.frames import Limits
from p2pmpc.gate import SATISFIED
from p2pmpc.identity import Identity, SealingKey
from p2pmpc.knock import knock_at
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.membership import make_entry
from p2pmpc.messages import Hello, Join, Kind, Offer
from p2pmpc.network import Address
from p2pmpc.peer import Peer as RunningPeer
from p2pmpc.returns import AT_ONCE, MOST_AHEAD
from p2pmpc.tls import mesh_context, wrap_client
from tests.nodes import Peer, Peers, at_once, key_file


class Stranger:
    """Somebody who joins by hand, as often as it likes."""

    def __init__(self, peers: Peers, identity: Identity) -> None:
        self._peers = peers
        self._identity = identity
        self._nonce = bytes(32)
        self._hello: Hello | None = None

    async def join(self, nursery: trio.Nursery) -> trio.CancelScope:
        """Join, and return what ends the link; the same HELLO each time."""
        scope = trio.CancelScope()
        joined = trio.Event()
        nursery.start_soon(self._join, scope, joined)
        await joined.wait()
        return scope

    async def _join(self, scope: trio.CancelScope, joined: trio.Event) -> None:
        me = self._identity
        with scope:
            async with knock_at(self._peers.network, self._peers.address) as knock:
                join = sign_before_session(me, Join(me.public_key, self._nonce), knock.identifier)
                await knock.link.send(frame_bytes(join))
                limits = Limits()
                offer = open_before_session(
                    await knock.link.receive(limits, frozenset({Kind.PARAMETERS})),
                    limits,
                    sender=knock.identifier,
                    public_key=knock.public_key,
                    receiver=me.id,
                )
                assert isinstance(offer, Offer)
                if self._hello is None:
                    entry = make_entry(
                        me,
                        SealingKey(os.urandom),
                        offer.parameters,
                        nonce=bytes(32),
                        weight=1,
                        name="again",
                        address="memory:99",
                    )
                    self._hello = Hello(entry)
                hello = sign_before_session(me, self._hello, knock.identifier)
                await knock.link.send(frame_bytes(hello))
                joined.set()
                try:
                    await knock.link.receive(limits, frozenset())
                except LinkEndedError:
                    self.ended += 1

    ended = 0
    """Links that the founder closed."""


@at_once
async def test_a_joiner_holds_one_link(tmp_path: Path) -> None:
    """Row 23: whoever joins again in its own name gets its new link, and the old one is closed."""
    peers = Peers(tmp_path)
    founder, *_ = peers.add_all([1, 2, 3], weight=1)

    async def meanwhile() -> None:
        stranger = Stranger(peers, Identity.generate(os.urandom))
        async with trio.open_nursery() as nursery:
            scopes = [await stranger.join(nursery) for _ in range(40)]
            await trio.testing.wait_all_tasks_blocked()
            assert stranger.ended == 39
            assert founder.node is not None
            assert founder.node._finder.founder is not None
            assert len(founder.node._finder.founder._waiting) == 1
            scopes[-1].cancel()
        await trio.testing.wait_all_tasks_blocked()

    await peers.run(meanwhile=meanwhile)
    assert peers.codes == [0, 0, 0]


@at_once
async def test_who_came_and_went_is_told_of_without_end(tmp_path: Path) -> None:
    """A crowd that joins and leaves fills neither the memory of a founder nor its message."""
    peers = Peers(tmp_path)
    (founder,) = peers.add_all([1], weight=1, peers=3, join_timeout=5.0)

    async def meanwhile() -> None:
        for _ in range(100):
            stranger = Stranger(peers, Identity.generate(os.urandom))
            async with trio.open_nursery() as nursery:
                (await stranger.join(nursery)).cancel()
            await trio.testing.wait_all_tasks_blocked()

    await peers.run(meanwhile=meanwhile)
    assert founder.code == 3
    assert "came and went" in founder.told
    assert len(founder.told) < 1000
    assert len(peers.log(founder, "joined")) < 100


async def dial(peers: Peers, culprit: RunningPeer, index: int) -> bool:
    """Open another link to a member, and leave it at that; return whether it is let in."""
    session = culprit.runner.session
    stream, _ = await peers.network.connect(Address.parse(session.member(index).signed.address))
    anchors = [member.entry.certificate for member in session.members]
    tls = wrap_client(stream, mesh_context(culprit._identity, anchors))
    await tls.do_handshake()
    try:
        return await Link(tls).receive_byte() == SATISFIED[0]
    except LinkEndedError:
        return False


@at_once
async def test_a_member_that_comes_back_in_a_loop_is_given_up(tmp_path: Path) -> None:
    """Row 23: a member that opens link after link is served a few times, then given up: 3, and named."""
    keys = {path: key_file(path).id for path in (tmp_path / f"{k}.pem" for k in range(3))}
    first, second, third = (str(path) for path in sorted(keys, key=lambda path: keys[path]))
    peers = Peers(tmp_path / "logs")
    victim = peers.add(1, key=first, timeout=600.0)
    other = peers.add(2, key=second, timeout=600.0)
    culprit = peers.add(3, key=third, timeout=600.0, name="culprit", stall="partial")
    let_in: list[bool] = []

    async with trio.open_nursery() as nursery:

        async def come_back(node: RunningPeer) -> None:
            for _ in range(2 * (AT_ONCE + MOST_AHEAD)):
                let_in.append(await dial(peers, node, 1))  # noqa: PERF401 - some of it may be all

        def misbehave(peer: Peer, step: str) -> None:
            assert peer.node is not None
            if step == "partial":
                nursery.start_soon(come_back, peer.node)

        culprit.on_step = misbehave
        await peers.run()
    assert len(let_in) == 2 * (AT_ONCE + MOST_AHEAD)
    assert [victim.code, other.code] == [3, 3]
    assert "culprit" in victim.told
    assert "came back too often" in peers.log(victim, "disconnected")[-1]["reason"]
    assert len(peers.log(victim, "reconnected")) <= AT_ONCE
