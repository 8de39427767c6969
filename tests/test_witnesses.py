"""Several bootstrap peers: a founder, and members that hold what it says against what they saw."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from p2pmpc.identity import Identity, SealingKey, format_id, short_id
from p2pmpc.knock import knock_at
from p2pmpc.links import LinkEndedError
from p2pmpc.membership import make_entry
from p2pmpc.messages import RosterList, SignedEntry
from p2pmpc.network import Address
from p2pmpc.parameters import Parameters
from p2pmpc.witness_links import SETTLE_SECONDS
from tests.founders import LyingFounder, offered
from tests.knocks import ByHand, let_in
from tests.nodes import KILLED, Listed, Peer, Peers, at_once, key_file

FIXED = "memory:200"
OTHER = "memory:201"
GHOST = "memory:77"


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    """Return nodes to add to."""
    return Peers(tmp_path)


def labelled(peer: Peer) -> str:
    """Return the short ID of a node."""
    assert peer.node is not None
    return short_id(peer.node._identity.id)


def evidence_in(directory: Path) -> list[Path]:
    """Return the proofs that were kept."""
    return list(directory.glob("evidence/*.json"))


# -- honest runs ------------------------------------------------------------------------------


@at_once
async def test_a_witness_and_the_founder_are_both_heard(peers: Peers) -> None:
    """A joiner that names a member beside the founder is known to both, and all open one total."""
    peers.add(1, weight=1)
    witness = peers.add(2, weight=1, listen=FIXED)
    joiner = peers.add(3, weight=1, beside=(FIXED,))
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert {tuple(peer.total) for peer in peers.members} == {(6,)}
    assert [line["id"] for line in peers.log(witness, "witnessed")] == [labelled(joiner)]
    assert len(peers.transcripts()) == 1


@at_once
async def test_a_crowd_that_knocks_at_a_witness_does_not_fill_its_log(peers: Peers) -> None:
    """Row 23: strangers that say HELLO and leave, one after the other, are logged as those at a founder are."""
    peers.add(1, weight=1)
    witness = peers.add(2, weight=1, listen=FIXED)
    joiner = peers.add(3, weight=1, beside=(FIXED,))

    async def crowd() -> None:
        for _ in range(200):
            async with let_in(peers.network, Address.parse(FIXED)) as knock:
                await ByHand().enter(knock)
        await peers.run_one(joiner)

    peers.members.remove(joiner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peers.run, 3)
        await crowd()
    assert [peer.code for peer in (*peers.members, joiner)] == [0, 0, 0]
    assert len(peers.log(witness, "witnessed")) < 100


@at_once
async def test_members_may_be_each_others_witnesses(peers: Peers) -> None:
    """Two members that name each other wait for nobody but the founder, and nobody waits long."""
    started = trio.current_time()
    peers.add(1, weight=1)
    peers.add(2, weight=1, listen=FIXED, beside=(OTHER,))
    peers.add(3, weight=1, listen=OTHER, beside=(FIXED,))
    peers.add(4, weight=1, beside=(FIXED, OTHER))
    await peers.run()
    assert peers.codes == [0, 0, 0, 0]
    assert trio.current_time() - started < 10


@at_once
async def test_a_witness_that_is_late_is_waited_for_like_any_member(peers: Peers) -> None:
    """Row 25: nothing is said to the founder until a named witness has offered the same as it."""
    founder = peers.add(1)
    peers.add(2, beside=(FIXED,))
    late = peers.add(3, listen=FIXED)
    peers.members.remove(late)

    async def start_late() -> None:
        await trio.sleep(20)
        assert not founder.joined.is_set()
        await peers.run_one(late)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start_late)
        await peers.run(3)
    assert [*peers.codes, late.code] == [0, 0, 0]


@at_once
async def test_a_bootstrap_peer_that_never_comes_is_named(peers: Peers) -> None:
    """Row 25: a dead address beside a live founder ends its joiner with 3, which names that alone."""
    peers.add(1, join_timeout=30.0)
    joiner = peers.add(2, beside=("memory:999",), join_timeout=20.0)
    peers.add(3)
    await peers.run()
    assert peers.codes == [3, 3, 3]
    assert "memory:999 (nobody listens there)" in joiner.told
    assert str(peers.address) not in joiner.told
    assert "leave out one that takes no part" in joiner.told


@at_once
async def test_a_founder_that_never_comes_is_named_by_witness_and_joiner(peers: Peers) -> None:
    """Row 25: with the founder gone for good, a witness lets nobody in, and all end with 3."""
    gone = "memory:999"
    witness = peers.add(1, bootstrap=gone, listen=FIXED, join_timeout=20.0)
    joiner = peers.add(2, bootstrap=gone, beside=(FIXED,), join_timeout=20.0)
    await peers.run()
    assert peers.codes == [3, 3]
    assert f"{gone} (nobody listens there)" in joiner.told
    assert f"the bootstrap peer at {gone} let nobody in" in witness.told


@at_once
async def test_a_witness_that_dies_is_missing_like_any_member(peers: Peers) -> None:
    """Row 25: a witness killed before its own HELLO leaves its joiner waiting, and ending with 3."""
    peers.add(1, join_timeout=30.0)
    peers.add(2, listen=FIXED, kill="hello")
    peers.add(3, beside=(FIXED,), join_timeout=20.0)
    await peers.run()
    assert peers.codes == [3, KILLED, 3]


@pytest.mark.parametrize("victim", [0, 1])
@at_once
async def test_bootstrap_peers_are_peers_like_any_other_afterwards(
    peers: Peers, victim: int
) -> None:
    """Row 25: with the founder or the witness gone after the echoes the others end with the total."""
    peers.add(1, weight=1)
    peers.add(2, weight=1, listen=FIXED)
    peers.add_all([4, 8], weight=1, beside=(FIXED,))
    peers.members[victim].kill = "open"
    await peers.run()
    others = [peer for peer in peers.members if not peer.killed]
    assert [peer.code for peer in others] == [0, 0, 0]
    assert all(peer.total == [15] for peer in others)


@at_once
async def test_a_roster_file_waits_for_nobody_in_particular(tmp_path: Path) -> None:
    """Row 25: with a roster file no peer is the bootstrap peer: whoever comes last, all end with 0."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    roster = listed.write("roster")
    ann = listed.add("ann", 1, roster=roster)
    for name in ("bob", "eve"):
        listed.add(name, 1, roster=roster)
    listed.peers.members.remove(ann)

    async def come_late() -> None:
        await trio.sleep(30)
        await listed.peers.run_one(ann)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_late)
        await listed.peers.run()
    assert [*listed.peers.codes, ann.code] == [0, 0, 0]


@at_once
async def test_the_founder_must_be_among_the_bootstrap_peers(peers: Peers) -> None:
    """A joiner that knows witnesses alone is told whom they have for their founder, and ends with 6."""
    founder = peers.add(1, join_timeout=30.0)
    peers.add(2, listen=FIXED)
    joiner = peers.add(3, bootstrap=FIXED)
    await peers.run()
    assert peers.codes == [3, 3, 6]
    assert "none of the bootstrap addresses leads to the founder" in joiner.told
    assert labelled(founder) in joiner.told


@at_once
async def test_one_peer_at_two_addresses_is_no_second_witness(peers: Peers) -> None:
    """A founder that also answers at the address of the witness ends the joiner with 6, naming both."""
    founder = peers.add(1, join_timeout=10.0)

    async def answer_elsewhere() -> None:
        assert isinstance(peers.network._listeners, dict)
        peers.network._listeners[Address.parse(FIXED)] = peers.network._listeners[peers.address]

    joiner = peers.add(2, beside=(FIXED,))
    await peers.run(3, answer_elsewhere)
    assert peers.codes == [3, 6]
    assert labelled(founder) in joiner.told
    assert FIXED in joiner.told
    assert str(peers.address) in joiner.told


# -- those who left, and those who were left out ----------------------------------------------


class Guest:
    """Somebody by hand who says HELLO to the witness alone, and a last word to its roster.

    Args:
        last_word: The code of its ABORT; None says nothing.
        leaves: It ends its link before there is a roster.
    """

    def __init__(self, last_word: int | None, *, leaves: bool = False) -> None:
        self.by_hand = ByHand()
        self.last_word = last_word
        self.leaves = leaves
        self.entered = trio.Event()
        self.shown: RosterList | None = None

    async def visit(self, peers: Peers) -> None:
        """Knock at the witness."""
        async with let_in(peers.network, Address.parse(FIXED)) as knock:
            await self.by_hand.enter(knock)
            await trio.testing.wait_all_tasks_blocked()
            self.entered.set()
            if self.leaves:
                return
            roster = await self.by_hand.hear(knock)
            assert isinstance(roster, RosterList)
            self.shown = roster
            if self.last_word is not None:
                await self.by_hand.end(knock, self.last_word)
            await knock.link.receive_byte()


async def with_a_guest(peers: Peers, guest: Guest) -> None:
    """Run a founder, a witness and a last joiner, who starts when the guest has said its HELLO."""
    last = peers.members[-1]
    peers.members.remove(last)

    async def start_last() -> None:
        await guest.entered.wait()
        if guest.leaves:
            await trio.testing.wait_all_tasks_blocked()
        await peers.run_one(last)

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            await trio.lowlevel.checkpoint()
            nursery.start_soon(start_last)
            nursery.start_soon(guest.visit, peers)

        await peers.run(3, meanwhile)
    peers.members.append(last)


@pytest.mark.parametrize("way", ["a word", "no word", "before the roster"])
@at_once
async def test_a_joiner_that_left_again_fails_no_honest_run(peers: Peers, way: str) -> None:
    """Row 26: a HELLO that only the witness holds is let go when its owner says it left, or nothing."""
    started = trio.current_time()
    peers.add(1)
    peers.add(2, listen=FIXED)
    peers.add(3, beside=(FIXED,))
    guest = Guest(3 if way == "a word" else None, leaves=way == "before the roster")
    await with_a_guest(peers, guest)
    assert peers.codes == [0, 0, 0]
    took = trio.current_time() - started
    assert took > SETTLE_SECONDS if way == "no word" else took < SETTLE_SECONDS
    assert (guest.shown is None) == guest.leaves


@at_once
async def test_an_objection_ends_everybody_before_any_share(peers: Peers) -> None:
    """Row 26: a joiner that says the founder left it out ends all with 6, naming it and the founder."""
    founder = peers.add(1)
    witness = peers.add(2, listen=FIXED)
    peers.add(3, beside=(FIXED,))
    guest = Guest(6)
    await with_a_guest(peers, guest)
    assert peers.codes == [6, 6, 6]
    assert f"left by-hand ({short_id(guest.by_hand.identity.id)})" in witness.told
    assert labelled(founder) in witness.told
    assert all("out of the roster" in peer.told for peer in peers.members)
    assert peers.reached("share") == []


@at_once
async def test_a_full_founder_is_no_liar(peers: Peers) -> None:
    """Row 26: three joiners for one place: one sums, the others are refused, or find all gone."""
    peers.add(1)
    peers.add(2, listen=FIXED, name="witness")
    crowd = [peers.add(3, beside=(FIXED,)) for _ in range(3)]
    await peers.run(3)
    assert peers.codes[:2] == [0, 0]
    assert sorted(peer.code for peer in crowd)[0] == 0
    late = [peer for peer in crowd if peer.code]
    assert len(late) == 2
    for peer in late:
        assert peer.code in (3, 6)
        words = ("closed", "full") if peer.code == 6 else ("nobody listens there",)
        assert any(word in peer.told for word in words)
        assert "leaves this peer out" not in peer.told


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while True:
        if holds():
            return
        await trio.sleep(0.01)


@at_once
async def test_a_joiner_whose_place_was_given_away_objects_to_nothing(peers: Peers) -> None:
    """Row 26: a founder that lost a joiner's link and filled its place says so, and the others sum."""
    founder = peers.add(1)
    peers.add(2, listen=FIXED)
    cut_off = peers.add(3, beside=(FIXED,))
    others = [peers.add(4), peers.add(5)]
    for other in others:
        peers.members.remove(other)

    async def take_the_place(nursery: trio.Nursery) -> None:
        assert founder.node is not None
        assert founder.node._founder is not None
        waiting = founder.node._founder._waiting
        await until(lambda: len(waiting) == 2)
        (lost,) = (i for i in waiting if short_id(i) == labelled(cut_off))
        await waiting[lost].aclose()
        for other in others:
            nursery.start_soon(peers.run_one, other)

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            await until(lambda: founder.node is not None and founder.node._founder is not None)
            nursery.start_soon(take_the_place, nursery)

        await peers.run(4, meanwhile)
    assert peers.codes == [0, 0, 6]
    assert [other.code for other in others] == [0, 0]
    assert "the bootstrap peer refuses: the session is closed" in cut_off.told


@at_once
async def test_a_crowd_at_the_witness_is_bounded(peers: Peers) -> None:
    """Row 23: a witness holds twice as many joiners as there are places, and hangs up on the next."""
    peers.add(1)
    peers.add(2, listen=FIXED)
    last = peers.add(3)
    peers.members.remove(last)
    inside: list[ByHand] = []

    async def enter() -> None:
        async with let_in(peers.network, Address.parse(FIXED)) as knock:
            guest = ByHand()
            await guest.enter(knock)
            inside.append(guest)
            await knock.link.receive_byte()

    async def crowd() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(enter)
            await until(lambda: len(inside) == 6)
            with pytest.raises(LinkEndedError):
                async with knock_at(peers.network, Address.parse(FIXED)) as knock:
                    await ByHand().knock(knock)
            nursery.cancel_scope.cancel()
        await peers.run_one(last)

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            await trio.lowlevel.checkpoint()
            nursery.start_soon(crowd)

        await peers.run(3, meanwhile)
    assert [*peers.codes, last.code] == [0, 0, 0]


# -- founders that lie ------------------------------------------------------------------------


def stranger(parameters: Parameters, name: str) -> SignedEntry:
    """Return an entry of somebody whom only the founder knows."""
    return make_entry(
        Identity.generate(os.urandom),
        SealingKey(os.urandom),
        parameters,
        nonce=os.urandom(32),
        weight=1,
        name=name,
        address=GHOST,
    )


class Liar(LyingFounder):
    """A founder with one witness, one joiner that names it, and another that does not.

    Args:
        peers: Gets the three nodes.
        directory: For its log.
        replaced: By joiner: who is replaced by a stranger in the roster that it is shown.
        silent_to: The joiners that are shown none.
    """

    def __init__(
        self,
        peers: Peers,
        directory: Path,
        replaced: Mapping[str, str],
        silent_to: Sequence[str] = (),
    ) -> None:
        super().__init__(directory, offered(4), self._shown)
        self.address = Address("memory", 1)
        self.own, self.ghost = self.entry(1), stranger(self.parameters, "ghost")
        self.replaced, self.silent_to = replaced, silent_to
        self.witness = peers.add(1, name="witness", listen=FIXED)
        self.joiner = peers.add(2, name="joiner", beside=(FIXED,))
        self.bystander = peers.add(3, name="bystander")

    async def lie_to(self, peers: Peers) -> None:
        """Run the peers as its joiners; the stranger listens, and says nothing."""
        await peers.network.listen(Address.parse(GHOST))
        await super().lie_to(peers)

    def _shown(self, name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        if name in self.silent_to:
            return []
        shown = dict(entries)
        if name in self.replaced:
            shown[self.replaced[name]] = self.ghost
        return [self.own, *shown.values()]


@at_once
async def test_two_rosters_are_shown_side_by_side(peers: Peers, tmp_path: Path) -> None:
    """Row 26: a joiner that is shown another roster than the witness ends 6 with the difference."""
    liar = Liar(peers, tmp_path, {"joiner": "bystander"})
    await liar.lie_to(peers)
    assert peers.codes == [6, 6, 6]
    assert "gave out two rosters" in liar.joiner.told
    assert "is only in the roster here" in liar.joiner.told
    assert str(liar.address) in liar.joiner.told
    assert FIXED in liar.joiner.told
    assert "gave joiner" in liar.witness.told
    assert peers.reached("share") == []


@at_once
async def test_who_is_left_out_in_silence_is_told_by_the_witness(
    peers: Peers, tmp_path: Path
) -> None:
    """Row 26: a founder that keeps one waiting and closes without it ends everybody with 6."""
    started = trio.current_time()
    liar = Liar(
        peers, tmp_path, {"witness": "joiner", "bystander": "joiner"}, silent_to=("joiner",)
    )
    await liar.lie_to(peers)
    assert peers.codes == [6, 6, 6]
    assert trio.current_time() - started < 15
    assert "leaves this peer out" in liar.joiner.told
    assert short_id(liar.identity.id) in liar.joiner.told
    assert "left joiner" in liar.witness.told
    assert "left joiner" in liar.bystander.told
    assert peers.reached("share") == []


@at_once
async def test_a_joiner_is_not_drawn_aside_from_its_witness(peers: Peers, tmp_path: Path) -> None:
    """Row 26: a roster of strangers, without the witness that the joiner named, ends it with 6."""
    liar = Liar(peers, tmp_path, {"joiner": "witness"})
    await liar.lie_to(peers)
    assert set(peers.codes) <= {3, 6}
    assert liar.joiner.code == 6
    assert peers.reached("share") == []


@at_once
async def test_a_witness_that_is_silent_must_be_in_the_roster(peers: Peers, tmp_path: Path) -> None:
    """Row 26: a bootstrap peer that is not in the founder's roster ends the joiner with 6, named."""
    liar = Liar(peers, tmp_path, {"joiner": "witness"}, silent_to=("witness",))
    await liar.lie_to(peers)
    assert liar.joiner.code == 6
    assert f"without the bootstrap peer {labelled(liar.witness)} at {FIXED}" in liar.joiner.told
    assert set(peers.codes) <= {3, 6}


@at_once
async def test_another_offer_is_found_before_anything_is_said(peers: Peers, tmp_path: Path) -> None:
    """Row 26: parameters that are not the witness's end a joiner with 6 before its HELLO leaves."""
    liar = Liar(peers, tmp_path, {})
    other = replace(liar.parameters, bound=7)
    for peer in peers.members:
        peer.options |= {"join_timeout": 20.0, "key": str(tmp_path / f"{peer.name}.pem")}
    joiner = key_file(tmp_path / "joiner.pem")
    liar.offered = lambda identifier: other if identifier == joiner.id else liar.parameters
    await liar.lie_to(peers)
    assert peers.codes == [3, 6, 3]
    assert "bound is 7 at" in liar.joiner.told
    assert f"at {FIXED}" in liar.joiner.told
    assert f"at {liar.address}" in liar.joiner.told
    assert "joiner" not in liar.entries
    assert liar.joiner.steps == ["join", "join"]


@at_once
async def test_a_founder_that_lists_nobody_right_is_caught(peers: Peers, tmp_path: Path) -> None:
    """Row 26: two disjoint views, in each of which the founder plays the rest, end with 3 or 6."""
    liar = Liar(peers, tmp_path, {})

    def alone(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        ghosts = [stranger(liar.parameters, f"ghost-{k}") for k in range(2)]
        return [liar.own, entries[name], *ghosts]

    liar.rosters = alone
    await liar.lie_to(peers)
    assert liar.joiner.code == 6
    assert set(peers.codes) <= {3, 6}
    assert peers.reached("share") == []


@at_once
async def test_two_hellos_of_one_peer_convict_it_or_the_founder(
    peers: Peers, tmp_path: Path
) -> None:
    """Row 12: a HELLO that the founder's roster has otherwise is a proof: 4, naming owner and founder."""
    twin = key_file(tmp_path / "twin.pem")
    founder = peers.add(1)
    witness = peers.add(2, listen=FIXED)
    peers.add(3, key=str(tmp_path / "twin.pem"))
    guest = Guest(None)
    guest.by_hand = ByHand(twin)
    await with_a_guest(peers, guest)
    assert peers.codes == [4, 4, 4]
    assert "two different HELLOs" in witness.told
    assert short_id(twin.id) in witness.told
    assert labelled(founder) in witness.told
    assert any("two-entries" in path.name for path in evidence_in(tmp_path))


# -- who is pinned ----------------------------------------------------------------------------


@pytest.mark.parametrize("pinned", ["founder", "witness"])
@at_once
async def test_only_a_pinned_founder_answers_for_who_takes_part(
    peers: Peers, tmp_path: Path, pinned: str
) -> None:
    """A pinned witness vouches for one roster, not for who is in it: the person is asked all the same."""
    key = key_file(tmp_path / "witness.pem")
    founder = peers.add(1, yes=True)
    peers.add(2, listen=FIXED, key=str(tmp_path / "witness.pem"), yes=True)
    joiner = peers.add(3, answer=True)

    async def name_them() -> None:
        await trio.lowlevel.checkpoint()
        assert founder.node is not None
        if pinned == "founder":
            joiner.options |= {"bootstrap": peers.bootstrap, "beside": (FIXED,)}
        else:
            named = f"{FIXED}#{format_id(key.id)}"
            joiner.options |= {"bootstrap": str(peers.address), "beside": (named,)}

    await peers.run(3, name_them)
    assert peers.codes == [0, 0, 0]
    assert len(joiner.asked) == (pinned == "witness")
    (warning,) = [text for text in joiner.warnings if "is not pinned" in text]
    assert (FIXED in warning) == (pinned == "founder")
    assert (str(peers.address) in warning) == (pinned == "witness")


@at_once
async def test_an_impostor_at_the_witness_is_refused(peers: Peers) -> None:
    """A pinned witness whose address leads to somebody else ends the joiner with 6, naming the address."""
    peers.add(1, join_timeout=10.0)
    peers.add(2, listen=FIXED)
    stranger = Identity.generate(os.urandom)
    joiner = peers.add(3, beside=(f"{FIXED}#{format_id(stranger.id)}",))
    await peers.run()
    assert peers.codes == [3, 3, 6]
    assert f"not the pinned {short_id(stranger.id)}" in joiner.told
    assert FIXED in joiner.told


@at_once
async def test_a_witness_that_is_this_peer_itself_is_refused(peers: Peers) -> None:
    """Row 27: a joiner that names its own address beside the founder ends with 6, naming it."""
    peers.add(1, join_timeout=10.0)
    joiner = peers.add(2, listen=FIXED, beside=(FIXED,))
    await peers.run(3)
    assert peers.codes == [3, 6]
    assert "leads to this peer itself" in joiner.told
    assert FIXED in joiner.told
