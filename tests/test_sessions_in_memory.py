"""Whole nodes over a memory network: what they agree on, and how every fault ends.

Time is trio's: nothing here waits, and a deadline of a minute passes at once.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
import trio

from p2pmpc.discovery import Self
from p2pmpc.errors import Interrupted, Revealed
from p2pmpc.frames import ENVELOPE_BYTES, HEADER, TO_ALL, body_digest, signing_input
from p2pmpc.identity import Identity, SealingKey, format_id, short_id
from p2pmpc.membership import make_entry
from p2pmpc.messages import Kind, SignedEntry
from p2pmpc.network import Address
from tests.founders import LyingFounder, offered
from tests.frames import encode_frame
from tests.nodes import KILLED, Listed, Peer, Peers, at_once, key_file, no_memory

STEPS = ["join", "hello", "roster", "share", "partial", "echo", "open", "confirm"]


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    """Nodes whose founder's options are the defaults."""
    return Peers(tmp_path)


# -- what works -----------------------------------------------------------------------------


@at_once
async def test_three_peers_agree(peers: Peers, tmp_path: Path) -> None:
    """Three nodes end with the same weighted sum, the same transcript and everybody's confirmation."""
    for value, weight in ((10, 1), (-20, 2), (7, -3)):
        peers.add(value, weight=weight)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert [peer.total for peer in peers.members] == [[10 - 40 - 21]] * 3
    assert all(peer.steps == STEPS for peer in peers.members)
    assert len(peers.transcripts()) == 1
    for peer in peers.members:
        assert peer.outcome is not None
        assert len(peer.outcome.agreed) == 3
        assert peer.outcome.missing == ()
        for suffix in ("log", "transcript", "receipt.json"):
            assert (tmp_path / f"{peer.name}.{suffix}").exists()


@at_once
async def test_the_bare_command_draws_its_own_data(peers: Peers) -> None:
    """Nodes without any input draw values and weights of 1..10, and agree on their sum."""
    for _ in range(3):
        peers.add()
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert len({tuple(peer.total) for peer in peers.members}) == 1
    (roster,) = peers.log(peers.members[0], "roster")
    assert all(1 <= weight <= 10 for weight in roster["weights"])


@pytest.mark.parametrize("field", ["m31", "m61", "m31xm61"])
@pytest.mark.parametrize("share_mode", ["seeds", "dense"])
@pytest.mark.parametrize("strict", [False, True])
@at_once
async def test_every_mode_gives_the_same_total(
    tmp_path: Path, field: str, share_mode: str, strict: bool
) -> None:
    """All fields, both share modes, with and without b-shares: signed fixed-point values sum exactly."""
    peers = Peers(
        tmp_path, field=field, share_mode=share_mode, strict=strict, fraction_bits=4, length=3
    )
    for row, weight in (((1.5, -2.25, 0), 3), ((-0.0625, 100, 7), -2), ((8, 8.5, -1), 1)):
        peers.add(*row, weight=weight)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    expected = [4.5 + 0.125 + 8, -6.75 - 200 + 8.5, 0 - 14 - 1]
    assert [peer.total for peer in peers.members] == [[int(v * 16) for v in expected]] * 3
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert json.loads(outcome.as_json())["total"] == ["12.625", "-198.25", "-15"]


@at_once
async def test_a_vector_too_long_for_a_transcript_sums_as_well(tmp_path: Path) -> None:
    """A thousand elements are summed, and their partial sums kept where that is asked for."""
    peers = Peers(tmp_path, length=1000)
    for weight in (1, 2, 3):
        peers.add(*range(1000), weight=weight, keep_partials=True)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert peers.members[2].total == [6 * k for k in range(1000)]
    assert (tmp_path / "peer-02.partials.npz").exists()


@at_once
async def test_weights_that_cancel_leave_no_mean(peers: Peers) -> None:
    """Weights that sum to zero give a total and no weighted mean."""
    for value, weight in ((1, 1), (2, 1), (3, -2)):
        peers.add(value, weight=weight)
    await peers.run()
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert outcome.total.means(outcome.total_weight) is None
    assert "undefined" in outcome.as_text()


@at_once
async def test_twelve_peers_agree(peers: Peers) -> None:
    """A dozen nodes, each with a link to every other one, agree as well."""
    peers.add_all(range(12), weight=1)
    await peers.run()
    assert peers.codes == [0] * 12
    assert peers.members[11].total == [66]
    assert len(peers.transcripts()) == 1


# -- finding the right peers ----------------------------------------------------------------


@at_once
async def test_a_pinned_founder_is_joined_without_a_warning(peers: Peers) -> None:
    """A joiner that pins the founder's ID is warned of nothing and asked nothing."""
    peers.add(1)
    joiners = [peers.add(2, answer=False), peers.add(3)]
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert all(joiner.warnings == [] and joiner.asked == [] for joiner in joiners)


@at_once
async def test_an_unpinned_joiner_is_warned(peers: Peers) -> None:
    """Row 26: on a bare join with real data, away from a terminal, the run goes on with a warning."""
    peers.add_all([1, 2])
    bare = peers.add(3)
    await peers.run(meanwhile=_unpin(peers, bare))
    assert peers.codes == [0, 0, 0]
    assert any("not pinned" in warning for warning in bare.warnings)
    assert any("could play all the others" in warning for warning in bare.warnings)
    assert len(peers.log(bare, "warning")) == 2


@pytest.mark.parametrize(("answer", "codes"), [(True, [0, 0, 0]), (False, [8, 8, 8])])
@at_once
async def test_an_unpinned_joiner_at_a_terminal_is_asked(
    peers: Peers, answer: bool, codes: list[int]
) -> None:
    """Row 26: at a terminal real data leaves on a bare join only when the person agrees."""
    peers.add_all([1, 2])
    bare = peers.add(3, answer=answer)
    await peers.run(meanwhile=_unpin(peers, bare))
    assert peers.codes == codes
    assert len(bare.asked) == 1
    if not answer:
        assert "did not agree" in bare.told
        assert peers.reached("share") == []


@at_once
async def test_yes_answers_the_question(peers: Peers) -> None:
    """With --yes nobody is asked."""
    peers.add_all([1, 2])
    bare = peers.add(3, answer=False, yes=True)
    await peers.run(meanwhile=_unpin(peers, bare))
    assert peers.codes == [0, 0, 0]
    assert bare.asked == []


def _unpin(peers: Peers, *bare: Peer) -> Callable[[], Any]:
    """Let some joiners use the founder's address alone."""

    async def meanwhile() -> None:
        await trio.lowlevel.checkpoint()
        for peer in bare:
            peer.options["bootstrap"] = str(peers.address)

    return meanwhile


@at_once
async def test_a_wrong_pin_is_refused(peers: Peers) -> None:
    """Row 26: a joiner that pins another ID than the one that answers ends with 6, sending nothing."""
    founder = peers.add(1, join_timeout=20.0)
    joiner = peers.add(2)
    other = Identity.generate(os.urandom)

    async def meanwhile() -> None:
        await trio.lowlevel.checkpoint()
        joiner.options["bootstrap"] = f"{peers.address}#{format_id(other.id)}"

    await peers.run(3, meanwhile)
    assert peers.codes == [3, 6]
    assert f"not the pinned {short_id(other.id)}" in joiner.told
    assert "joined: nobody" in founder.told


@at_once
async def test_the_founders_allow_list_keeps_strangers_out(peers: Peers, tmp_path: Path) -> None:
    """Row 26: who is not among the founder's --allow IDs ends with 6, and the listed ones sum."""
    ids = [format_id(key_file(tmp_path / f"{k}.pem").id) for k in range(3)]
    founder = peers.add(1, key=str(tmp_path / "0.pem"), allow=ids[1:])
    listed = [peers.add(k, key=str(tmp_path / f"{k}.pem")) for k in (1, 2)]
    stranger = peers.add(9)
    await peers.run(3)
    assert stranger.code == 6
    assert "does not list the ID" in stranger.told
    assert [peer.code for peer in (founder, *listed)] == [0, 0, 0]


@at_once
async def test_a_joiners_allow_list_covers_the_founder(peers: Peers) -> None:
    """Row 26: a joiner whose --allow IDs lack the founder's ends with 6 before it says who it is."""
    founder = peers.add(1, join_timeout=5.0)
    joiner = peers.add(2, allow=[Identity.generate(os.urandom).id.hex()])
    await peers.run(3)
    assert peers.codes == [3, 6]
    assert "not among the IDs given with --allow" in joiner.told
    assert "joined: nobody" in founder.told


@at_once
async def test_a_joiners_allow_list_covers_the_roster(peers: Peers, tmp_path: Path) -> None:
    """Row 26: a roster with a peer that one member does not allow ends with 6 everywhere, unshared."""
    founder_id = format_id(key_file(tmp_path / "founder.pem").id)
    peers.add(1, key=str(tmp_path / "founder.pem"))
    wary = peers.add(2, allow=[founder_id])
    stranger = peers.add(3, name="stranger")
    await peers.run()
    assert peers.codes == [6, 6, 6]
    assert "stranger" in wary.told
    assert peers.reached("share") == []
    assert stranger.error is not None


@at_once
async def test_two_joiners_with_one_key_are_told_apart(peers: Peers, tmp_path: Path) -> None:
    """Row 27: the second node with one key ends with 6, and the session of the others goes on."""
    key_file(tmp_path / "one.pem")
    founder = peers.add(1)
    twins = [peers.add(2, key=str(tmp_path / "one.pem")) for _ in range(2)]
    last = peers.add(3)

    async def until_one_is_refused() -> None:
        async with trio.open_nursery() as nursery:

            async def until(twin: Peer) -> None:
                await twin.ended.wait()
                nursery.cancel_scope.cancel()

            for twin in twins:
                nursery.start_soon(until, twin)

    await _with_a_late_joiner(peers, last, until_one_is_refused)
    assert sorted(twin.code for twin in twins) == [0, 6]
    refused = next(twin for twin in twins if twin.code == 6)
    assert "two nodes with one key" in refused.told
    assert [founder.code, last.code] == [0, 0]


async def _with_a_late_joiner(peers: Peers, late: Peer, until: Callable[[], Any]) -> None:
    """Run all peers, the last of them only once something holds."""
    peers.members.remove(late)

    async def start_late() -> None:
        await until()
        late.options["bootstrap"] = peers.bootstrap
        await peers.run_one(late)

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            await trio.lowlevel.checkpoint()
            nursery.start_soon(start_late)

        await peers.run(len(peers.members), meanwhile)
    peers.members.append(late)


@at_once
async def test_a_joiner_with_the_founders_key_is_refused(peers: Peers, tmp_path: Path) -> None:
    """Row 27: a node whose bootstrap peer has its own key ends with 6."""
    key_file(tmp_path / "one.pem")
    peers.add(1, key=str(tmp_path / "one.pem"), join_timeout=5.0)
    twin = peers.add(2, key=str(tmp_path / "one.pem"))
    await peers.run(3)
    assert peers.codes == [3, 6]
    assert "this peer itself, or to one with the same key" in twin.told


# -- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "here", "shown", "founders"),
    [
        ("peers", 4, "--peers 4 here, 3", {}),
        ("field", "m61", "--field m61 here, m31", {}),
        ("length", 2, "--length 2 here, 1", {}),
        ("fraction_bits", 3, "--fraction-bits 3 here, 8", {"fraction_bits": 8}),
        ("bound", "10.5", "--bound 10.5 here, 11", {"bound": "11", "fraction_bits": 1}),
        ("bound", "7", "--bound 7 here, automatic", {}),
        ("share_mode", "dense", "--share-mode dense here, seeds", {}),
        ("strict", True, "--strict is asked for here, false", {}),
        ("allow_two", True, "--allow-two is asked for here, false", {}),
    ],
)
@at_once
async def test_a_joiner_that_states_another_parameter_is_shown_both(
    tmp_path: Path, option: str, here: object, shown: str, founders: dict[str, Any]
) -> None:
    """Row 17: an option of a joiner that contradicts the founder's ends with 6 and shows both values."""
    peers = Peers(tmp_path, **founders)
    peers.add(join_timeout=5.0)
    joiner = peers.add()
    joiner.options[option] = here
    await peers.run(3)
    assert peers.codes == [3, 6]
    assert shown in joiner.told
    assert Revealed.NOTHING.value in joiner.told


@at_once
async def test_a_joiner_may_state_what_the_founder_says(tmp_path: Path) -> None:
    """Options of a joiner that repeat the founder's are no contradiction."""
    same: dict[str, Any] = {
        "field": "m61",
        "length": 2,
        "fraction_bits": 1,
        "bound": "10.50",
        "share_mode": "dense",
        "strict": True,
    }
    peers = Peers(tmp_path, **same)
    peers.add(1, 2)
    peers.add(1, 2, peers=3, **same)
    peers.add(1, 2)
    await peers.run()
    assert peers.codes == [0, 0, 0]


@at_once
async def test_an_input_of_another_length_is_refused(tmp_path: Path) -> None:
    """A joiner whose input is not as long as the session's vectors ends with 8 and is shown both."""
    peers = Peers(tmp_path, length=3)
    peers.add(1, 2, 3, join_timeout=5.0)
    joiner = peers.add(1, 2)
    await peers.run(3)
    assert peers.codes == [3, 8]
    assert "input.txt:3:1: 2 numbers" in joiner.told
    assert "vectors of 3" in joiner.told


@at_once
async def test_a_value_outside_the_stated_bound_never_joins(tmp_path: Path) -> None:
    """A value outside the founder's bound ends with 8 before the peer says anything about itself."""
    peers = Peers(tmp_path, bound="100")
    founder = peers.add(1, join_timeout=5.0)
    joiner = peers.add(10177)
    await peers.run(3)
    assert peers.codes == [3, 8]
    assert "input.txt:1:1: the value is outside the agreed bound of 100" in joiner.told
    assert "10177" not in joiner.told
    assert "joined: nobody" in founder.told


@at_once
async def test_a_value_outside_the_automatic_bound_tells_the_others_nothing_about_it(
    peers: Peers,
) -> None:
    """A value that the roster's weights leave no room for ends with 8; the others hear no reason."""
    secret = 2**30 - 77
    others = peers.add_all([1, 2], weight=1)
    large = peers.add(secret, weight=2)
    await peers.run()
    assert large.code == 8
    assert "input.txt:1:1: the value is outside the agreed bound" in large.told
    assert [peer.code for peer in others] == [8, 8]
    for peer in others:
        assert f"{large.name} (" in peer.told
        assert "it refused to share its input" in peer.told
        assert "bound" not in peer.told
        assert Revealed.NOTHING.value in peer.told
    assert peers.reached("share") == []
    assert not any(str(secret) in text for text in peers.texts())


@at_once
async def test_weights_that_exceed_the_bit_budget_are_refused_everywhere(tmp_path: Path) -> None:
    """Row 21: a roster whose total could wrap ends with 8 at every peer, with the field that would do."""
    peers = Peers(tmp_path, bound="1000000")
    peers.add_all([1, 2, 3], weight=1000)
    await peers.run()
    assert peers.codes == [8, 8, 8]
    refused = [peer for peer in peers.members if "does not fit m31" in peer.told]
    assert refused
    for peer in refused:
        assert "--field m61 at the founder would do" in peer.told
        assert "at most 357913" in peer.told
    assert peers.reached("share") == []


@pytest.mark.parametrize(
    ("founder", "joiner", "codes"),
    [(None, None, [8, 8]), (True, None, [8, 8]), (True, True, [0, 0])],
)
@at_once
async def test_two_peers_need_the_word_of_both(
    peers: Peers, founder: bool | None, joiner: bool | None, codes: list[int]
) -> None:
    """Row 18: two contributors end with 8, unless both whose input it shows say --allow-two."""
    peers.add(1, weight=1, allow_two=founder)
    peers.add(2, weight=1, allow_two=joiner)
    await peers.run()
    assert peers.codes == codes
    if codes == [8, 8]:
        assert peers.reached("share") == []
        assert any("each learns the other's input" in peer.told for peer in peers.members)
    else:
        assert peers.members[0].total == [3]
        assert all(any("each learns" in text for text in p.warnings) for p in peers.members)


# -- somebody is missing --------------------------------------------------------------------


@at_once
async def test_a_founder_left_waiting_says_who_came(peers: Peers, tmp_path: Path) -> None:
    """When people do not come in time the founder ends with 3 and names who did; they end as well."""
    identity = key_file(tmp_path / "k.pem")
    founder = peers.add(1, join_timeout=30.0)
    joiner = peers.add(2, key=str(tmp_path / "k.pem"))
    started = trio.current_time()
    await peers.run(4)
    assert 30 <= trio.current_time() - started < 35
    assert peers.codes == [3, 3]
    assert "2 of 4 peers are here" in founder.told
    assert f"joined: {short_id(identity.id)}" in founder.told
    assert "--join-timeout" in founder.told
    assert "2 of 4 peers are here" in joiner.told


@at_once
async def test_a_joiner_that_left_again_is_named(peers: Peers, tmp_path: Path) -> None:
    """A joiner that came and went before the set was closed is named as such."""
    identity = key_file(tmp_path / "k.pem")
    founder = peers.add(1, join_timeout=30.0)
    joiner = peers.add(2, key=str(tmp_path / "k.pem"), join_timeout=5.0)
    await peers.run(3)
    assert peers.codes == [3, 3]
    assert f"came and went: {short_id(identity.id)}" in founder.told
    assert "within 5 s" in joiner.told


@at_once
async def test_a_joiner_whose_founder_is_not_there_knocks_until_its_time_is_up(
    peers: Peers,
) -> None:
    """Row 25: a joiner tries again and again, and ends with 3 naming the address."""
    joiner = peers.add(1, bootstrap="memory:99", join_timeout=40.0)
    started = trio.current_time()
    await peers.run()
    assert trio.current_time() - started == pytest.approx(40, abs=1)
    assert joiner.code == 3
    assert "memory:99" in joiner.told
    assert "nobody listens there" in joiner.told


@at_once
async def test_a_founder_that_dies_before_the_set_is_closed_ends_the_joiners(
    peers: Peers,
) -> None:
    """Row 25: with the founder gone before discovery ended the joiners knock on, and end with 3."""
    peers.add(1, kill="hello")
    joiners = peers.add_all([2, 3], join_timeout=20.0)
    await peers.run()
    assert peers.codes == [KILLED, 3, 3]
    assert all("let nobody in within 20 s" in joiner.told for joiner in joiners)


@pytest.mark.parametrize("step", ["join", "hello"])
@at_once
async def test_a_joiner_that_dies_while_joining_is_only_missing(peers: Peers, step: str) -> None:
    """Row 1: a joiner killed before its HELLO leaves the others waiting, and then ending with 3."""
    founder = peers.add(1, join_timeout=20.0)
    peers.add(2, kill=step)
    peers.add(3)
    await peers.run()
    assert peers.codes == [3, KILLED, 3]
    assert "2 of 3 peers are here" in founder.told


@at_once
async def test_a_founder_killed_as_it_closes_the_set_ends_the_joiners(peers: Peers) -> None:
    """Rows 1 and 25: joiners that may or may not have heard the roster end with 3, and share nothing."""
    peers.add(1, kill="roster")
    peers.add_all([2, 3], join_timeout=20.0)
    started = trio.current_time()
    await peers.run()
    assert peers.codes == [KILLED, 3, 3]
    assert trio.current_time() - started < 60
    assert peers.reached("share") == []


@pytest.mark.parametrize(
    ("victim", "step", "revealed"),
    [
        (2, "roster", Revealed.NOTHING),
        (0, "share", Revealed.NOTHING),
        (2, "share", Revealed.NOTHING),
        (0, "partial", Revealed.NOTHING),
        (2, "partial", Revealed.NOTHING),
        (0, "echo", Revealed.MAYBE_TOTAL),
        (2, "echo", Revealed.MAYBE_TOTAL),
    ],
)
@at_once
async def test_a_peer_killed_before_its_echo_ends_the_sum(
    tmp_path: Path, victim: int, step: str, revealed: Revealed
) -> None:
    """Rows 1 and 2: a crash before the echo ends with 3 everywhere, naming the peer; nothing is opened."""
    peers = Peers(tmp_path)
    for number in range(4):
        peers.add(number, kill=step if number == victim else None)
    started = trio.current_time()
    await peers.run()
    killed, others = peers.members[victim], [p for p in peers.members if not p.killed]
    assert [peer.code for peer in others] == [3, 3, 3]
    assert killed.code == KILLED
    assert trio.current_time() - started < 60
    assert all(killed.name in peer.told for peer in others)
    assert peers.reached("open") == []
    assert peers.transcripts() == set()
    if step == "roster":
        assert peers.reached("share") == []
    assert all(
        peer.error is not None and peer.error.revealed in {revealed, Revealed.NOTHING}
        for peer in others
    )
    if revealed is Revealed.MAYBE_TOTAL:
        assert all("may have been opened" in peer.told for peer in others)


@pytest.mark.parametrize("victim", [0, 3])
@pytest.mark.parametrize("step", ["open", "confirm"])
@at_once
async def test_a_peer_killed_after_its_echo_does_not_stop_the_others(
    peers: Peers, victim: int, step: str
) -> None:
    """Row 3: after its echo a peer can be lost; the majority opens with its data, and agrees."""
    for number in range(4):
        peers.add(10**number, weight=1, kill=step if number == victim else None)
    await peers.run()
    killed, others = peers.members[victim], [p for p in peers.members if not p.killed]
    assert [peer.code for peer in others] == [0, 0, 0]
    assert killed.code == KILLED
    assert all(peer.total == [1111] for peer in others)
    assert len(peers.transcripts()) == 1
    for peer in others:
        assert peer.outcome is not None
        assert [name.split(" ")[0] for name in peer.outcome.missing] == [killed.name]


@at_once
async def test_losing_too_many_after_their_echo_stops_the_sum(peers: Peers) -> None:
    """Row 3: below a majority nothing can be opened: 3, and the total may have been opened."""
    for number in range(4):
        peers.add(number, kill="open" if number >= 2 else None)
    await peers.run()
    assert peers.codes == [3, 3, KILLED, KILLED]
    for peer in peers.members[:2]:
        assert "may have been opened" in peer.told
        assert "peer-03" in peer.told
        assert "peer-04" in peer.told


@at_once
async def test_losing_a_minority_after_their_echo_does_not(peers: Peers) -> None:
    """Row 3: three of five finish with the data of all five."""
    for number in range(5):
        peers.add(number, weight=1, kill="open" if number >= 3 else None)
    await peers.run()
    assert peers.codes == [0, 0, 0, KILLED, KILLED]
    assert peers.members[0].total == [10]


@at_once
async def test_strict_mode_opens_nothing_without_everybody(tmp_path: Path) -> None:
    """With --strict nobody's mask can be recovered: a peer lost at the end stops the sum with 3."""
    peers = Peers(tmp_path, strict=True)
    for number in range(4):
        peers.add(number, kill="open" if number == 1 else None)
    await peers.run()
    assert peers.codes == [3, KILLED, 3, 3]
    assert all("peer-02" in p.told and "may have been" in p.told for p in peers.members if p.error)


@pytest.mark.parametrize("step", ["roster", "share", "partial", "echo"])
@at_once
async def test_a_peer_that_falls_silent_is_waited_for_and_named(peers: Peers, step: str) -> None:
    """A peer whose links stay up but that says nothing more costs the others --timeout, and then 3."""
    others = [peers.add(1), peers.add(2)]
    silent = peers.add(3, stall=step)
    started = trio.current_time()
    await peers.run()
    assert 25 < trio.current_time() - started < 60
    assert [peer.code for peer in others] == [3, 3]
    assert all(silent.name in peer.told for peer in others)


@pytest.mark.parametrize("step", ["open", "confirm"])
@at_once
async def test_a_peer_that_falls_silent_after_its_echo_is_done_without(
    peers: Peers, step: str
) -> None:
    """A peer that says nothing more once its echo is out delays the others, and they end with 0."""
    others = [peers.add(value, weight=1) for value in (1, 2, 3)]
    peers.add(4, weight=1, stall=step)
    started = trio.current_time()
    await peers.run()
    assert trio.current_time() - started < 60
    assert [peer.code for peer in others] == [0, 0, 0]
    assert all(peer.total == [10] for peer in others)


# -- cut streams ----------------------------------------------------------------------------


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize("step", STEPS[2:])
@at_once
async def test_cut_links_come_back(peers: Peers, who: int, step: str) -> None:
    """Row 14: all streams of a peer cut at any step are dialled again, and the sum ends right."""
    peers.add_all([1, 20, 300], weight=1)

    def cut(peer: Peer, reached: str) -> None:
        if reached == step:
            peer.wires.cut()

    peers.members[who].on_step = cut
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert all(peer.total == [321] for peer in peers.members)
    assert len(peers.transcripts()) == 1
    assert peers.members[who].wires.cuts == 1


@pytest.mark.parametrize("sent", [*range(0, 28_000, 2_303), 1, 7_000, 12_345])
@at_once
async def test_streams_cut_after_any_byte_come_back(peers: Peers, sent: int) -> None:
    """Row 14: streams that end in the middle of a handshake or a frame are no end of data."""
    peers.add_all([1, 20, 300], weight=1)
    peers.members[sent % 3].wires.cut_after(sent)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert all(peer.total == [321] for peer in peers.members)
    assert len(peers.transcripts()) == 1


@at_once
async def test_a_reconnection_is_logged(peers: Peers) -> None:
    """Row 14: the log says that a link was cut, and that it is back."""
    peers.add_all([1, 2, 3])

    def cut(peer: Peer, reached: str) -> None:
        if reached == "partial":
            peer.wires.cut()

    peers.members[0].on_step = cut
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert len(peers.log(peers.members[0], "disconnected")) == 2
    assert len(peers.log(peers.members[0], "reconnected")) == 2


# -- signals --------------------------------------------------------------------------------


@pytest.mark.parametrize("signal_number", [2, 15])
@pytest.mark.parametrize("step", ["share", "partial"])
@at_once
async def test_a_signal_ends_a_peer_and_tells_the_others(
    peers: Peers, step: str, signal_number: int
) -> None:
    """Row 8: an interrupted peer ends with 128 plus the signal; the others end with 3 at once, naming it."""
    interrupted, *others = peers.add_all([1, 2, 3])
    started = trio.current_time()
    async with trio.open_nursery() as nursery:

        def strike(peer: Peer, reached: str) -> None:
            if reached == step and peer.node is not None:
                nursery.start_soon(peer.node.interrupt, Interrupted(signal_number))

        interrupted.on_step = strike
        await peers.run()
    assert interrupted.code == 128 + signal_number
    assert [peer.code for peer in others] == [3, 3]
    assert all(interrupted.name in peer.told for peer in others)
    assert trio.current_time() - started < 5
    assert peers.transcripts() == set()


@at_once
async def test_an_interrupted_founder_tells_those_who_wait(peers: Peers) -> None:
    """Row 8: a founder that is interrupted while people join sends them home at once."""
    founder = peers.add(1)
    joiner = peers.add(2)
    started = trio.current_time()

    async def strike() -> None:
        assert founder.node is not None
        await founder.joined.wait()
        await founder.node.interrupt(Interrupted(2))

    async with trio.open_nursery() as nursery:

        async def meanwhile() -> None:
            await trio.lowlevel.checkpoint()
            nursery.start_soon(strike)

        await peers.run(3, meanwhile)
    assert peers.codes == [130, 3]
    assert "it was interrupted" in joiner.told
    assert trio.current_time() - started < 10


# -- a disk that fails ------------------------------------------------------------------------


class FullDisk(io.StringIO):
    """Takes the place of a log's file once the disk is full."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def fill_the_disk(step: str) -> Callable[[Peer, str], None]:
    """Let a peer's disk be full from a step on."""

    def fill(peer: Peer, reached: str) -> None:
        if reached == step:
            assert peer.node is not None
            peer.node._log.file._file.close()
            peer.node._log.file._file = FullDisk()
            peer.node._log.info("one more line")

    return fill


@at_once
async def test_a_disk_full_before_sharing_stops_the_peer(peers: Peers) -> None:
    """Row 24: a log that cannot be written ends with 7 before a share leaves; the others end with 3."""
    unlucky, *others = peers.add_all([1, 2, 3])
    unlucky.on_step = fill_the_disk("roster")
    await peers.run()
    assert peers.codes == [7, 3, 3]
    assert "No space left on device" in unlucky.told
    assert "no share was sent" in unlucky.told
    assert unlucky.name not in peers.reached("share")
    assert all(unlucky.name in peer.told for peer in others)


@at_once
async def test_a_disk_full_after_sharing_does_not_stop_the_round(peers: Peers) -> None:
    """Row 24: later the round goes on, the total is there at all, and only then comes the 7."""
    unlucky, *others = peers.add_all([1, 2, 3], weight=1)
    unlucky.on_step = fill_the_disk("partial")
    await peers.run()
    assert peers.codes == [7, 0, 0]
    assert unlucky.total == [6]
    assert unlucky.outcome is not None
    assert unlucky.outcome.trouble is not None
    assert "No space left on device" in unlucky.outcome.trouble.describe()
    assert all(peer.total == [6] for peer in others)


# -- a roster file ----------------------------------------------------------------------------


@at_once
async def test_a_roster_file_needs_no_founder(tmp_path: Path) -> None:
    """Row 26: with a roster file everybody finds everybody, in any order, without trust in anyone."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    roster = listed.write("all", 'field = "m61"\nfraction-bits = 2\nbound = 100.5')
    for name, value in (("ann", 1.25), ("bob", -2), ("eve", 100.5)):
        listed.add(name, value, roster=roster)
    await listed.peers.run()
    assert listed.peers.codes == [0, 0, 0]
    assert listed.peers.members[0].total == [int(99.75 * 4)]
    assert all(peer.warnings == [] for peer in listed.peers.members)


@pytest.mark.parametrize(
    ("line", "name", "usual", "odd"),
    [
        ('field = "m61"', "field", "m31", "m61"),
        ("bound = 7", "bound", "automatic", "7"),
        ("strict = true", "strict", "false", "true"),
        ("fraction_bits = 9", "fraction-bits", "0", "9"),
    ],
)
@at_once
async def test_roster_files_with_other_parameters_end_everywhere(
    tmp_path: Path, line: str, name: str, usual: str, odd: str
) -> None:
    """Row 17: a peer whose roster file states another parameter: 6 at all, with the difference shown."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    common, other = listed.write("common"), listed.write("other", line)
    for member in ("ann", "bob"):
        listed.add(member, 1, roster=common)
    eve = listed.add("eve", 1, roster=other)
    await listed.peers.run()
    assert listed.peers.codes == [6, 6, 6]
    for peer in listed.peers.members:
        here, there = (odd, usual) if peer is eve else (usual, odd)
        assert f"{name} is {here} here and {there} at" in peer.told
    assert listed.peers.reached("share") == []


@at_once
async def test_a_peer_of_the_roster_file_that_does_not_come_is_named(tmp_path: Path) -> None:
    """Row 26: a listed peer that is not there ends with 3 at the others, with its address."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    roster = listed.write("all")
    for name in ("ann", "bob"):
        listed.add(name, 1, roster=roster, join_timeout=15.0)
    await listed.peers.run()
    assert listed.peers.codes == [3, 3]
    for peer in listed.peers.members:
        assert f"{short_id(listed.keys['eve'].id)} at memory:102" in peer.told


@at_once
async def test_a_roster_file_that_lists_others_at_one_peer_ends_without_a_share(
    tmp_path: Path,
) -> None:
    """Row 17: roster files that list different peers end everywhere, before any share."""
    listed = Listed(tmp_path, ["ann", "bob", "eve", "joe"])
    everybody, fewer = listed.write("all"), listed.write("fewer", but="joe")
    for name in ("ann", "bob", "joe"):
        listed.add(name, 1, roster=everybody, join_timeout=15.0)
    listed.add("eve", 1, roster=fewer, join_timeout=15.0)
    await listed.peers.run()
    assert set(listed.peers.codes) <= {3, 6}
    assert 6 in listed.peers.codes
    assert listed.peers.reached("share") == []


@at_once
async def test_a_peer_that_its_own_roster_file_does_not_list_is_refused(tmp_path: Path) -> None:
    """Row 26: a node whose key is not in its roster file ends with 6 and says how to see its ID."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    peer = listed.add("eve", 1, roster=listed.write("fewer", but="eve"))
    await listed.peers.run()
    assert peer.code == 6
    assert "p2pmpc id" in peer.told


@at_once
async def test_an_impostor_at_a_listed_address_is_not_taken_for_the_peer(tmp_path: Path) -> None:
    """Row 26: whoever answers at a listed address with another key is refused."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    roster = listed.write("all")
    listed.keys["eve"] = key_file(tmp_path / "eve.pem")
    wrong = listed.write("wrong")
    for name in ("ann", "bob"):
        listed.add(name, 1, roster=roster, join_timeout=15.0)
    listed.add("eve", 1, roster=wrong, join_timeout=15.0)
    await listed.peers.run()
    assert set(listed.peers.codes) <= {3, 6}
    assert listed.peers.reached("share") == []


# -- a founder that lies ----------------------------------------------------------------------


@at_once
async def test_a_founder_that_shows_different_rosters_shares_nothing(
    peers: Peers, tmp_path: Path
) -> None:
    """Rows 17 and 26: joiners that are shown different sets end with 6, and no share leaves."""
    ghost = Identity.generate(os.urandom)

    def rosters(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        extra = make_entry(
            ghost,
            SealingKey(os.urandom),
            founder.parameters,
            nonce=os.urandom(32),
            weight=1,
            name="ghost",
            address="memory:77",
        )
        shown = dict(entries)
        if name == "peer-02":
            shown["peer-03"] = extra
        return [own, *shown.values()]

    founder = LyingFounder(tmp_path, offered(4), rosters)
    peers.add_all([1, 2, 3])
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    await founder.lie_to(peers)
    assert peers.codes[:2] == [6, 6]
    assert peers.codes[2] in {3, 6}
    assert any("is only in the roster" in peer.told for peer in peers.members)
    assert peers.reached("share") == []


@at_once
async def test_a_founder_that_shows_two_weights_of_its_own_is_convicted(
    peers: Peers, tmp_path: Path
) -> None:
    """Row 12: two entries that the founder signed for one session are its own proof: 4, naming it."""

    def rosters(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        return [first if name == "peer-01" else second, *entries.values()]

    founder = LyingFounder(tmp_path, offered(3), rosters)
    founder.address = Address("memory", 1)
    first, second = founder.entry(1), founder.entry(1000)
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [4, 4]
    assert all(
        "founder" in peer.told and "two different HELLOs" in peer.told for peer in peers.members
    )
    assert peers.reached("share") == []


@at_once
async def test_a_founder_that_changes_a_joiners_weight_is_caught(
    peers: Peers, tmp_path: Path
) -> None:
    """Row 17: an entry that its owner did not sign like that ends with 6 at whoever is shown it."""

    def rosters(_name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        changed = dict(entries)
        body = msgpack.unpackb(entries["peer-02"].body)
        body[3] = 500
        told = entries["peer-02"]
        changed["peer-02"] = SignedEntry(msgpack.packb(body), told.signature, told.address)
        return [own, *changed.values()]

    founder = LyingFounder(tmp_path, offered(3), rosters)
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [6, 6]
    assert peers.reached("roster") == []


@at_once
async def test_a_founder_that_changes_a_joiners_key_is_caught(peers: Peers, tmp_path: Path) -> None:
    """Row 26: a sealing key that is not its owner's ends with 6 at whoever is shown it."""

    def rosters(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        changed = dict(entries)
        other = "peer-02" if name == "peer-01" else "peer-01"
        body = msgpack.unpackb(entries[other].body)
        body[2] = SealingKey(os.urandom).public_bytes
        told = entries[other]
        changed[other] = SignedEntry(msgpack.packb(body), told.signature, told.address)
        return [own, *changed.values()]

    founder = LyingFounder(tmp_path, offered(3), rosters)
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [6, 6]
    assert all("holds a line that is wrong" in peer.told for peer in peers.members)
    assert peers.reached("roster") == []


@at_once
async def test_a_founder_that_exchanges_addresses_is_caught(peers: Peers, tmp_path: Path) -> None:
    """Row 26: addresses that lead to other members than the roster says end with 6, or with 3."""

    def rosters(_name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        one, other = entries["peer-02"], entries["peer-03"]
        exchanged = {
            "peer-02": replace(one, address=other.address),
            "peer-03": replace(other, address=one.address),
        }
        return [own, *{**entries, **exchanged}.values()]

    founder = LyingFounder(tmp_path, offered(4), rosters)
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    peers.add_all([1, 2, 3])
    await founder.lie_to(peers)
    assert set(peers.codes) <= {3, 6}
    assert any("answers another member of the roster" in peer.told for peer in peers.members)
    assert peers.reached("share") == []


@pytest.mark.parametrize("lie", ["leaves one out", "lists one twice", "leaves itself out"])
@at_once
async def test_a_founder_that_shows_an_impossible_roster_is_refused(
    peers: Peers, tmp_path: Path, lie: str
) -> None:
    """Row 26: a roster without the joiner, without the founder or with somebody twice ends with 6."""

    def rosters(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        others = [entry for other, entry in entries.items() if other != name]
        if lie == "leaves one out":
            return [own, *others, founder.entry(2)]
        if lie == "lists one twice":
            return [own, entries[name], entries[name]]
        identity = Identity.generate(os.urandom)
        stranger = Self(identity, 1, "stranger", os.urandom, no_memory(identity))
        key = SealingKey(os.urandom)
        return [*entries.values(), stranger.entry(founder.parameters, key, founder.address)]

    founder = LyingFounder(tmp_path, offered(3), rosters)
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [6, 6]
    assert peers.reached("roster") == []


@at_once
async def test_a_founder_that_offers_different_parameters_is_caught(
    peers: Peers, tmp_path: Path
) -> None:
    """Row 17: joiners that were offered different bounds notice it in the roster, and end with 6."""
    one, other = offered(3, bound=10), offered(3, bound=1000)
    choices = itertools.cycle([one, other])

    def rosters(_name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        return [own, *entries.values()]

    founder = LyingFounder(tmp_path, one, rosters)
    founder.offered = lambda _joiner: next(choices)
    founder.address = Address("memory", 1)
    own = founder.entry(1)
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [6, 6]
    assert all("agreed to other parameters" in peer.told for peer in peers.members)


# -- a member that breaks the rules -----------------------------------------------------------


def forged(
    peer: Peer, kind: Kind, body: bytes, *, session: bytes | None = None, round_number: int = 0
) -> bytes:
    """Return a frame that a member signs, whatever it says."""
    assert peer.node is not None
    assert peer.node._runner is not None
    identity, own = peer.node._identity, peer.node._runner.session.id
    data = signing_input(
        own if session is None else session,
        round_number,
        kind,
        identity.id,
        TO_ALL,
        body_digest(kind, body),
    )
    return encode_frame(kind, round_number, identity.sign(data), body)


def commitment(count: int) -> bytes:
    """Return the body of a COMMITMENT that is well-formed and says nothing."""
    body: bytes = msgpack.packb([bytes(32), [bytes(32)] * count, [bytes(32)] * count])
    return body


VIOLATIONS: dict[str, Callable[[Peer], bytes]] = {
    "a frame over its cap": lambda _: HEADER.pack(1 << 20, Kind.COMMITMENT),
    "16 MiB of empty arrays": lambda _: HEADER.pack(1 << 24, Kind.ECHO) + b"\x90" * (1 << 24),
    "a kind that does not exist": lambda _: HEADER.pack(ENVELOPE_BYTES, 99),
    "a kind from before the session": lambda _: HEADER.pack(ENVELOPE_BYTES, Kind.HELLO),
    "no signature": lambda _: encode_frame(Kind.COMMITMENT, 0, bytes(64), commitment(3)),
    "no msgpack": lambda p: forged(p, Kind.COMMITMENT, b"\xc1"),
    "trailing bytes": lambda p: forged(p, Kind.COMMITMENT, commitment(3) + b"\x00"),
    "an extension type": lambda p: forged(p, Kind.COMMITMENT, b"\xd4\x01\x00"),
    "nesting": lambda p: forged(p, Kind.COMMITMENT, b"\x91" * 200),
    "a map": lambda p: forged(p, Kind.COMMITMENT, b"\x80"),
    "another count of digests": lambda p: forged(p, Kind.COMMITMENT, commitment(2)),
    "another session": lambda p: forged(p, Kind.COMMITMENT, commitment(3), session=bytes(32)),
    "another round": lambda p: forged(p, Kind.COMMITMENT, commitment(3), round_number=1),
    "a sum before its share": lambda p: forged(p, Kind.PARTIAL, bytes(8)),
    "a confirmation of nothing": lambda p: forged(p, Kind.CONFIRM, b"\x91\xc4\x20" + bytes(32)),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
@at_once
async def test_a_member_that_breaks_the_rules_is_named(peers: Peers, violation: str) -> None:
    """Rows 13 and 15: what no honest member sends ends with 4 at every honest one, naming the culprit."""
    honest = peers.add_all([1, 2])
    culprit = peers.add(3, name="culprit")

    def misbehave(peer: Peer, reached: str) -> None:
        if reached == "share":
            assert peer.node is not None
            assert peer.node._runner is not None
            peer.node._runner.mesh.send((VIOLATIONS[violation](peer),), None)

    culprit.on_step = misbehave
    started = trio.current_time()
    await peers.run()
    assert [peer.code for peer in honest] == [4, 4]
    assert trio.current_time() - started < 30
    assert peers.transcripts() == set()
    for peer in honest:
        assert peer.error is not None
        assert peer.node is not None
        assert peer.node._runner is not None
        names = [peer.node._runner.session.member(i).entry.name for i in peer.error.peers]
        assert "culprit" in names
        assert "culprit (" in peer.told
        assert Revealed.NOTHING.value in peer.told


@at_once
async def test_a_message_said_twice_changes_nothing(peers: Peers) -> None:
    """Row 11: an exact duplicate of what a member said is ignored."""
    peers.add_all([1, 2], weight=1)
    repeating = peers.add(3, weight=1)
    once = dict.fromkeys((1, 2, 3), 0)

    def repeat(peer: Peer, reached: str) -> None:
        assert peer.node is not None
        runner = peer.node._runner
        if runner is None or reached == "roster":
            return
        for index in runner.session.others:
            frames = runner.mesh._outboxes[index].frames
            for frame in list(frames)[once[index] :]:
                runner.mesh.send(frame, index)
            once[index] = len(frames)

    repeating.on_step = repeat
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert all(peer.total == [6] for peer in peers.members)


@at_once
async def test_a_message_said_for_ever_is_a_violation(peers: Peers) -> None:
    """Row 23: a member that repeats itself on one connection is a flood: 4, and it is named."""
    honest = peers.add_all([1, 2])
    culprit = peers.add(3, name="culprit")

    def misbehave(peer: Peer, reached: str) -> None:
        if reached == "partial":
            assert peer.node is not None
            runner = peer.node._runner
            assert runner is not None
            for index in runner.session.others:
                frames = runner.mesh._outboxes[index].frames
                share = next(f for f in frames if f[0][HEADER.size - 1] == Kind.SHARE)
                for _ in range(2):
                    runner.mesh.send(share, index)

    culprit.on_step = misbehave
    await peers.run()
    assert [peer.code for peer in honest] == [4, 4]
    assert all("culprit" in peer.told for peer in honest), [p.told for p in honest]
    assert any("SHARE 3 times on one connection" in peer.told for peer in honest)


@at_once
async def test_one_slot_with_two_contents_is_a_violation(peers: Peers) -> None:
    """Row 11: a second message in one slot that differs from the first ends with 4, naming its sender."""
    honest = peers.add_all([1, 2])
    culprit = peers.add(3, name="culprit")

    def misbehave(peer: Peer, reached: str) -> None:
        if reached == "partial":
            assert peer.node is not None
            assert peer.node._runner is not None
            peer.node._runner.mesh.send((forged(peer, Kind.COMMITMENT, commitment(3)),), None)

    culprit.on_step = misbehave
    await peers.run()
    assert [peer.code for peer in honest] == [4, 4]
    assert all("culprit" in peer.told for peer in honest)
