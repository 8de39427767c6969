"""Row 26 with the real program: nodes as processes, and a founder in the test that lies to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgpack
import trio

from p2pmpc.discovery import Self
from p2pmpc.envelope import open_join
from p2pmpc.errors import AgreementFailed
from p2pmpc.frames import Limits, body_digest, signing_input
from p2pmpc.identity import Identity, SealingKey, format_id, peer_id, short_id
from p2pmpc.knock import refuse
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.messages import NO_SESSION, Kind, SignedEntry
from p2pmpc.network import Address, TcpNetwork
from tests.founders import LyingFounder, offered
from tests.frames import encode_frame
from tests.nodes import no_memory
from tests.processes import Ended, Processes, free_port, together

Shown = Callable[[str, Mapping[str, SignedEntry]], Sequence[SignedEntry]]


class Lie:
    """A founder on loopback, and how the nodes that join it end.

    Args:
        processes: Starts the nodes.
        peers: How many the session is for, the founder included.
        founder: Another one than the founder that shows whatever ``shown`` returns.
    """

    def __init__(
        self, processes: Processes, peers: int, founder: LyingFounder | None = None
    ) -> None:
        self.processes = processes
        self.founder = founder or LyingFounder(processes.cwd, offered(peers), self._shown)
        self.shown: Shown = lambda _name, _entries: []
        self.ghosts: dict[str, SignedEntry] = {}

    def ghost(self, name: str) -> SignedEntry:
        """Return the entry of somebody made up, the same each time."""
        if name not in self.ghosts:
            identity = Identity.generate(os.urandom)
            me = Self(identity, 1, name, os.urandom, no_memory(identity))
            nowhere = Address("127.0.0.1", free_port())
            key = SealingKey(os.urandom)
            self.ghosts[name] = me.entry(self.founder.parameters, key, nowhere)
        return self.ghosts[name]

    def _shown(self, name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        return self.shown(name, entries)

    def tell(self, lines: Mapping[str, str]) -> dict[str, Ended]:
        """Start nodes by name, each with the options of a line, and return how they ended."""
        return trio.run(self._tell, lines)

    async def _tell(self, lines: Mapping[str, str]) -> dict[str, Ended]:
        async with trio.open_nursery() as nursery:
            await self.founder.listen(TcpNetwork(), "127.0.0.1", nursery)
            self.own = self.founder.entry(1)
            running = {
                name: self.processes.node(
                    line.format(founder=self.founder.bootstrap, address=self.founder.address)
                    + f" --name {name} --log-dir {name}",
                    P2PMPC_VALUE="12345",
                )
                for name, line in lines.items()
            }
            ended = {
                name: await trio.to_thread.run_sync(partial(process.end))
                for name, process in running.items()
            }
            nursery.cancel_scope.cancel()
        self.founder.log.file.close()
        for end in ended.values():
            assert not end.has_traceback, end.err
            assert end.out == ""
            assert "nothing about your data was revealed" in end.err
        return ended


@together
def test_split_rosters_are_found_by_witness_and_joiner(processes: Processes) -> None:
    """Two views, each with a made-up peer in it: 6 at the witness and the joiner that names it."""
    port = free_port()
    lie = Lie(processes, 4)

    def split(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        other = {"joiner": "third", "witness": "joiner", "third": "joiner"}[name]
        return [lie.own, lie.ghost("ghost"), *(e for n, e in entries.items() if n != other)]

    lie.shown = split
    ended = lie.tell(
        {
            "witness": f"--bootstrap {{founder}} --listen 127.0.0.1:{port} --timeout 3",
            "joiner": f"--bootstrap {{founder}} --bootstrap 127.0.0.1:{port} --timeout 3",
            "third": "--bootstrap {founder} --timeout 3",
        }
    )
    assert (ended["witness"].code, ended["joiner"].code) == (6, 6)
    assert ended["third"].code in (3, 6)
    assert "gave out two rosters" in ended["joiner"].err
    assert f"127.0.0.1:{port}" in ended["joiner"].err
    assert str(lie.founder.address) in ended["joiner"].err
    assert short_id(lie.founder.identity.id) in ended["witness"].err
    assert "left joiner" in ended["witness"].err


@together
def test_who_is_left_out_in_silence_is_told_by_the_witness(processes: Processes) -> None:
    """A founder that closes without a joiner it keeps waiting: 6 there and at the witness, named."""
    port = free_port()
    lie = Lie(processes, 3)

    def left_out(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        return [] if name == "joiner" else [lie.own, entries["witness"], lie.ghost("ghost")]

    lie.shown = left_out
    ended = lie.tell(
        {
            "witness": f"--bootstrap {{founder}} --listen 127.0.0.1:{port} --timeout 3",
            "joiner": f"--bootstrap {{founder}} --bootstrap 127.0.0.1:{port} --timeout 3",
        }
    )
    assert [end.code for end in ended.values()] == [6, 6]
    assert "leaves this peer out" in ended["joiner"].err
    assert "left joiner" in ended["witness"].err
    for end in ended.values():
        assert short_id(lie.founder.identity.id) in end.err


@together
def test_strangers_in_the_roster_are_refused_by_who_knows_the_ids(processes: Processes) -> None:
    """Extra peers: 6 with --allow and the strangers named; on a bare join the roster, and a warning."""
    lie = Lie(processes, 4)
    friend = format_id(Identity.generate(os.urandom).id)

    def sybils(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        return [lie.own, entries[name], lie.ghost("ghost-1"), lie.ghost("ghost-2")]

    lie.shown = sybils
    founder = format_id(lie.founder.identity.id)
    bare = "--bootstrap {address} --timeout 2"
    ended = lie.tell(
        {
            "wary": f"--bootstrap {{founder}} --allow {founder} --allow {friend} --timeout 3",
            "bare": bare,
            "too": bare,
        }
    )
    assert (ended["wary"].code, ended["bare"].code) == (6, 3)
    assert "not among the IDs this peer allows" in ended["wary"].err
    assert "ghost-1" in ended["wary"].err
    told = ended["bare"].err
    assert "is not pinned: whoever answers there is taken for it" in told
    assert "a dishonest bootstrap peer could play all the others" in told
    for name in ("ghost-1", "ghost-2"):
        assert any(line.endswith(f"  {name}") for line in told.splitlines()), told


@together
def test_wrong_addresses_and_no_roster_at_all_end_in_time(processes: Processes) -> None:
    """Wrong addresses end with 3 within --timeout, a roster that never comes within --join-timeout."""
    lie = Lie(processes, 4)
    nowhere = f"127.0.0.1:{free_port()}"

    def wrong(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        if name == "kept":
            return []
        moved = {n: SignedEntry(e.body, e.signature, nowhere) for n, e in entries.items()}
        return [lie.own, *moved.values()]

    lie.shown = wrong
    line = "--bootstrap {founder} --timeout 3 --join-timeout 3"
    ended = lie.tell({"ann": line, "bob": line, "kept": line})
    assert [end.code for end in ended.values()] == [3, 3, 3]
    assert "never closed the roster" in ended["kept"].err
    assert any(name in ended["ann"].err for name in ("bob", "kept", "founder"))


class OfTheFuture(LyingFounder):
    """A founder of protocol version 2.

    Args:
        directory: For its log.
        offers: It answers a JOIN with PARAMETERS; otherwise it refuses the other version.
    """

    def __init__(self, directory: Path, *, offers: bool) -> None:
        super().__init__(directory, offered(3), lambda _name, _entries: [])
        self.offers = offers

    async def serve(self, link: Link, _unverified: trio.CancelScope) -> None:
        """Answer one JOIN."""
        own, limits = self.identity, Limits()
        frame = await link.receive(limits, frozenset({Kind.JOIN}))
        joiner = peer_id(open_join(frame, limits, receiver=own.id).public_key)
        if self.offers:
            body = msgpack.packb([2, "of the future"])
            kind, digest = Kind.PARAMETERS, body_digest(Kind.PARAMETERS, body)
            data = signing_input(NO_SESSION, 0, kind, own.id, joiner, digest)
            await link.send(encode_frame(kind, 0, own.sign(data), body))
        else:
            why = "this peer speaks protocol version 2, the other one 1"
            await refuse(link, own, AgreementFailed(why))
        with contextlib.suppress(LinkEndedError):
            await link.receive(limits, frozenset())


@together
def test_another_version_ends_a_joiner_with_both_shown(processes: Processes) -> None:
    """Row 28: a founder of another version, offering or refusing, ends a joiner with 6 and both numbers."""
    told = {True: "version 1, the other one 2", False: "version 2, the other one 1"}
    for offers, says in told.items():
        lie = Lie(processes, 3, OfTheFuture(processes.cwd / f"{offers}", offers=offers))
        (end,) = lie.tell({f"ann-{offers}": "--bootstrap {founder}"}).values()
        assert end.code == 6
        assert says in end.err
        assert str(lie.founder.address) in end.err
