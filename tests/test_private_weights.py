"""Private weights: the same totals and means as public ones, and nobody sees a weight."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.consent import roster_text
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    Revealed,
    VerificationFailed,
)
from p2pmpc.inputs import WEIGHT_VARIABLE, read_weight
from p2pmpc.links import Link
from p2pmpc.node import main as node_main
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome
from p2pmpc.parameters import Parameters
from p2pmpc.verify import verify_directory
from tests.nodes import Listed, Peer, Peers, at_once
from tests.party import Party
from tests.processes import Processes, Shell
from tests.test_canary import artefacts_of, files_below, leaks, printed

OWN = bytes(32)


def session_of(peer: Peer) -> Any:
    """Return the session that a node closed."""
    assert peer.node is not None
    assert peer.node._runner is not None
    return peer.node._runner.session


def means(outcome: Outcome) -> list[str] | None:
    """Return the weighted means that an outcome shows."""
    return outcome.total.means(outcome.total_weight)


# -- the same sums ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "rows", "weights"),
    [
        ({}, ((10,), (-20,), (7,)), (1, 2, 3)),
        ({"fraction_bits": 8}, ((1.5, -2), (0.25, 100), (-3, 8.125)), (999, 1, 1000)),
        ({"strict": True}, ((5,), (6,), (7,), (8,)), (-4, 3, -2, 9)),
        ({"field": "m61", "share_mode": "dense"}, ((10**9,), (-3,), (12,)), (-7, -8, 900)),
    ],
    ids=["plain", "fixed point", "negative, strict", "m61, dense"],
)
@at_once
async def test_private_weights_give_what_public_ones_give(
    tmp_path: Path, mode: dict[str, Any], rows: tuple[tuple[object, ...]], weights: tuple[int]
) -> None:
    """Total, weighted mean and total weight do not depend on whether the weights are seen."""
    ends = []
    for name, private in (("public", None), ("private", True)):
        peers = Peers(
            tmp_path / name,
            private_weights=private,
            length=len(rows[0]),
            allow_revealing_weights=True,
            **mode,
        )
        for row, weight in zip(rows, weights, strict=True):
            peers.add(*row, weight=weight)
        await peers.run()
        assert peers.codes == [0] * len(rows)
        assert len(peers.transcripts()) == 1
        found = {
            (tuple(p.total), tuple(means(p.outcome) or ()), p.outcome.total_weight)
            for p in peers.members
            if p.outcome is not None
        }
        assert len(found) == 1
        ends.append(found)
    assert ends[0] == ends[1]


@at_once
async def test_private_weights_that_cancel_leave_no_mean(tmp_path: Path) -> None:
    """Private weights that sum to zero give a total, say so, and show no mean."""
    peers = Peers(tmp_path, private_weights=True)
    for weight in (1, 1, -2):
        peers.add(5, weight=weight)
    await peers.run()
    outcome = peers.members[0].outcome
    assert outcome is not None
    assert (outcome.total.values(), means(outcome)) == ((0,), None)
    assert "total weight   0 (of private weights)" in outcome.as_text()


@at_once
async def test_an_observer_of_private_weights_sees_their_sum(tmp_path: Path) -> None:
    """Whether somebody observes is public; the others' weights are not, to it as to anybody."""
    peers = Peers(tmp_path, private_weights=True)
    for weight in (11, 22, -3):
        peers.add(2, weight=weight)
    observer = peers.add(weight=0)
    await peers.run()
    assert peers.codes == [0] * 4
    assert observer.total == [60]
    assert observer.outcome is not None
    assert observer.outcome.total_weight == 30
    assert sorted(member.weight for member in session_of(observer).members) == [0, 1, 1, 1]
    assert roster_text(session_of(observer)).count("observes") == 1
    assert len(peers.transcripts()) == 1


@at_once
async def test_rosters_show_that_weights_are_private(tmp_path: Path) -> None:
    """Every HELLO shows the weight 1, whatever the weight, and people read that it is private."""
    peers = Peers(tmp_path, private_weights=True, weight_bound=50)
    for weight in (17, -23, 50):
        peers.add(1, weight=weight)
    await peers.run()
    for peer in peers.members:
        session = session_of(peer)
        assert session.weights == (1, 1, 1)
        assert roster_text(session).count("private") == 3
        (line,) = peers.log(peer, "roster")
        assert line["weights"] == [1, 1, 1]


def test_a_total_weight_beyond_its_bound_is_no_total() -> None:
    """A machine that brings a larger weight than agreed gives no number at anybody, but a 5."""
    party = Party([[30, 10], [20, 10], [5, 5000]], [1, 1, 1], weight_bound=1000)
    party.start()
    party.settle()
    assert party.totals() == []
    assert all(isinstance(error, VerificationFailed) for error in party.errors())
    fine = Party([[30, 10], [20, 10], [5, -900]], [1, 1, 1], weight_bound=1000)
    fine.start()
    fine.settle()
    assert fine.totals() == [[55, -880]] * 3


# -- nobody sees one --------------------------------------------------------------------------

CANARIES = (1202056903, -1357913579, 1618033988)
BOUND = 2_000_000_000


def forms(weight: int) -> dict[str, bytes]:
    """Return a weight in every form in which it could leak and that chance does not make."""
    both = {"weight": abs(weight), "residue": weight % (2**61 - 1)}
    found: dict[str, bytes] = {}
    for name, number in both.items():
        found |= {
            f"{name} {weight} in decimal": str(number).encode(),
            f"{name} {weight} in little-endian bytes": number.to_bytes(8, "little"),
            f"{name} {weight} in big-endian bytes": number.to_bytes(8, "big"),
            f"{name} {weight} in little-endian hex": number.to_bytes(8, "little").hex().encode(),
            f"{name} {weight} in big-endian hex": number.to_bytes(8, "big").hex().encode(),
        }
    signed = (
        abs(weight).to_bytes(4, "big") if weight > 0 else weight.to_bytes(4, "big", signed=True)
    )
    return found | {f"weight {weight} in msgpack": (b"\xce" if weight > 0 else b"\xd2") + signed}


SECRETS = {what: data for weight in CANARIES for what, data in forms(weight).items()}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """Everything that anybody sends over any link, before it is encrypted."""
    everything, send = bytearray(), Link.send

    async def listened(link: Link, data: bytes) -> None:
        everything.extend(data)
        await send(link, data)

    monkeypatch.setattr(Link, "send", listened)
    return everything


@pytest.mark.parametrize("fault", ["none", "killed", "too large", "drawn"])
@at_once
async def test_no_private_weight_is_found_anywhere(
    tmp_path: Path, heard: bytearray, fault: str
) -> None:
    """No message, log, transcript, receipt, error, result or repr holds a weight, however it ends."""
    bound = BOUND if fault != "too large" else 1_500_000_000
    peers = Peers(tmp_path, field="m61", private_weights=True, weight_bound=bound)
    for weight in CANARIES:
        peers.add(3, weight=weight, keep_partials=True, join_timeout=5.0)
    if fault == "killed":
        peers.members[-1].kill = "echo"
    if fault == "drawn":
        peers.members[-1].numbers = None
    await peers.run()
    if fault == "too large":
        assert 8 in peers.codes
    else:
        assert (peers.codes[0] == 0) == (fault in ("none", "drawn"))
    artefacts = artefacts_of(peers) | {"what was sent": bytes(heard)}
    for peer in peers.members:
        shown = peer.node, peer.node._me if peer.node else None, peer.outcome, peer.error
        artefacts[f"repr of parts of {peer.name}"] = repr(shown).encode()
        options = NodeOptions(**{"peers": 3, **peer.options})
        artefacts[f"repr of the options of {peer.name}"] = repr(options).encode()
    assert len(heard) > 1000
    assert leaks(artefacts, SECRETS) == []


@at_once
async def test_the_search_finds_public_weights(tmp_path: Path, heard: bytearray) -> None:
    """The same search finds the same weights where they are public: in messages, logs, transcripts."""
    peers = Peers(tmp_path, field="m61", allow_revealing_weights=True)
    for weight in CANARIES:
        peers.add(3, weight=weight)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    found = leaks(artefacts_of(peers) | {"what was sent": bytes(heard)}, SECRETS)
    for weight in CANARIES:
        assert f"weight {weight} in msgpack in what was sent" in found
        assert f"weight {weight} in decimal in peer-01.log" in found


# -- what is refused --------------------------------------------------------------------------


@at_once
async def test_a_weight_over_the_bound_never_joins(tmp_path: Path) -> None:
    """A private weight beyond the bound ends with 8, unrepeated, before the peer says who it is."""
    peers = Peers(tmp_path, private_weights=True, weight_bound=100)
    founder = peers.add(1, weight=100, join_timeout=5.0)
    joiners = [peers.add(1, weight=weight) for weight in (4711, -4711)]
    await peers.run()
    assert peers.codes == [3, 8, 8]
    for joiner in joiners:
        assert "larger than the agreed bound of 100" in joiner.told
        assert "4711" not in joiner.told
        assert "--weight-bound" in joiner.told
    assert "joined: nobody" in founder.told
    assert not any("4711" in text for text in peers.texts())


@at_once
async def test_a_founder_over_its_own_bound_does_not_start(tmp_path: Path) -> None:
    """The founder's weight is held against the default bound of 1000 before it listens."""
    peers = Peers(tmp_path, private_weights=True)
    founder = peers.add(1, weight=1001)
    await peers.run(3)
    assert founder.code == 8
    assert "bound of 1000" in founder.told
    assert peers.bootstrap is None


@at_once
async def test_the_budget_counts_the_weight_bound(tmp_path: Path) -> None:
    """What fits is reckoned from the largest weights there may be, not from those there are."""
    peers = Peers(tmp_path, private_weights=True, bound="1000000")
    peers.add_all([1, 2, 3], weight=1)
    await peers.run()
    assert peers.codes == [8, 8, 8]
    refused = [peer for peer in peers.members if "does not fit m31" in peer.told]
    assert refused
    assert all("at most 357913" in peer.told for peer in refused)
    assert peers.reached("share") == []
    parameters = Parameters(OWN, 3, weight_bound=1000)
    party = Party([[1, 1]] * 3, [1, 1, 1], weight_bound=1000)
    assert party.members[1].session.bound == 357913 == (2**30 - 1) // 3000
    assert parameters.extended_length == 3


@pytest.mark.parametrize(
    ("founder", "joiner", "shown"),
    [
        (
            {},
            {"private_weights": True},
            "--private-weights is asked for here, false at the founder",
        ),
        ({}, {"weight_bound": 9}, "--weight-bound 9 here, public at the founder"),
        (
            {"private_weights": True},
            {"weight_bound": 9},
            "--weight-bound 9 here, 1000 at the founder",
        ),
    ],
    ids=["private", "bound of public", "other bound"],
)
@at_once
async def test_a_joiner_that_states_other_privacy_is_shown_both(
    tmp_path: Path, founder: dict[str, Any], joiner: dict[str, Any], shown: str
) -> None:
    """Row 17: who counts on private weights, or on another bound, ends with 6 and shows nothing."""
    peers = Peers(tmp_path, **founder)
    peers.add(join_timeout=5.0)
    stated = peers.add(1, weight=5, **joiner)
    await peers.run(3)
    assert peers.codes == [3, 6]
    assert shown in stated.told
    assert Revealed.NOTHING.value in stated.told


@at_once
async def test_a_joiner_may_state_the_privacy_that_there_is(tmp_path: Path) -> None:
    """A joiner that repeats the founder's privacy, in one word or both, is let in."""
    peers = Peers(tmp_path, private_weights=True, weight_bound=9)
    peers.add(1, weight=9)
    peers.add(1, weight=5, private_weights=True)
    peers.add(1, weight=1, weight_bound=9)
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert peers.members[0].total == [15]


@at_once
async def test_a_roster_file_can_say_that_weights_are_private(tmp_path: Path) -> None:
    """The keys of a roster file are private-weights and weight-bound, and all must say the same."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    roster = listed.write("all", "private-weights = true\nweight-bound = 20")
    for name, weight in (("ann", 20), ("bob", -3), ("eve", 4)):
        listed.add(name, 2, roster=roster, weight=weight)
    await listed.peers.run()
    assert listed.peers.codes == [0, 0, 0]
    assert listed.peers.members[0].total == [42]
    assert session_of(listed.peers.members[0]).parameters.weight_bound == 20


@at_once
async def test_roster_files_of_other_privacy_end_everywhere(tmp_path: Path) -> None:
    """Row 17: a peer whose roster file does not speak of private weights ends all with 6, unshared."""
    listed = Listed(tmp_path, ["ann", "bob", "eve"])
    private, public = listed.write("private", "private-weights = true"), listed.write("public")
    for name, roster in (("ann", private), ("bob", private), ("eve", public)):
        listed.add(name, 1, roster=roster, weight=3)
    await listed.peers.run()
    assert listed.peers.codes == [6, 6, 6]
    assert all("weight-bound is" in peer.told for peer in listed.peers.members)
    assert listed.peers.reached("share") == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"private_weights": True, "weight_bound": 0}, "above zero"),
        ({"weight_bound": -1}, "above zero"),
        ({"private_weights": False, "weight_bound": 5}, "not private"),
        ({"private_weights": "no"}, "true or false"),
        ({"private_weights": True, "weight_bound": "many"}, "above zero"),
        ({"private_weights": True, "weight_bound": 2**31}, "the weight bound is 0.."),
    ],
    ids=str,
)
def test_privacy_is_never_switched_off_by_mistake(options: dict[str, Any], why: str) -> None:
    """Options that contradict each other about private weights end with 2, and found nothing."""
    with pytest.raises(ConfigurationError, match=why):
        NodeOptions(peers=3, **options).parameters(bytes(32), OWN, length=1)


def test_a_bound_alone_asks_for_privacy() -> None:
    """--weight-bound makes no sense for public weights, so it makes them private."""
    for options in ({"weight_bound": 7}, {"weight_bound": 7, "private_weights": True}):
        made = NodeOptions(peers=3, **options).parameters(bytes(32), OWN, length=1)  # type: ignore[arg-type]
        assert made.private_weights
        assert made.weight_bound == 7
    assert not NodeOptions(peers=3).parameters(bytes(32), OWN, length=1).private_weights


def test_a_roster_with_weights_where_they_are_private_is_refused() -> None:
    """A HELLO that shows a weight in a session of private ones closes no session."""
    with pytest.raises(AgreementFailed, match="shows a weight of 7, and weights are private"):
        Party([[1, 1]] * 3, [1, 7, 1], weight_bound=10)


# -- the environment ----------------------------------------------------------------------------


def test_the_weight_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """P2PMPC_WEIGHT is read once and removed; --weight is what others on the machine can see."""
    monkeypatch.setenv(WEIGHT_VARIABLE, " -12 ")
    assert read_weight(None) == (-12, False)
    assert WEIGHT_VARIABLE not in os.environ
    assert read_weight(None) == (None, False)
    assert read_weight(5) == (5, True)


@pytest.mark.parametrize("text", ["47.11", "4711471147", "4711x", "", "47114711471147114711471147"])
def test_a_weight_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What P2PMPC_WEIGHT holds is refused with 2 in words that do not hold it."""
    monkeypatch.setenv(WEIGHT_VARIABLE, text)
    with pytest.raises(ConfigurationError) as caught:
        read_weight(None)
    assert "4711" not in caught.value.describe() + repr(caught.value)
    assert WEIGHT_VARIABLE not in os.environ


def test_a_weight_given_twice_ends_with_2(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """--weight beside P2PMPC_WEIGHT cannot be meant, even where both say the same."""
    for text in ("3", "4"):
        monkeypatch.setenv(WEIGHT_VARIABLE, text)
        code, out, err = shell.run(node_main, "--peers 3 --weight 3")
        assert (code, out) == (2, "")
        assert "the weight is given more than once" in err


@at_once
async def test_a_visible_private_weight_earns_a_warning(tmp_path: Path) -> None:
    """Where weights are private, --weight warns of the command line and names P2PMPC_WEIGHT."""
    peers = Peers(tmp_path, private_weights=True)
    careless = peers.add(1, weight=2, weight_is_visible=True)
    others = [peers.add(1, weight=2) for _ in "ab"]
    await peers.run()
    assert peers.codes == [0, 0, 0]
    assert any(WEIGHT_VARIABLE in warning for warning in careless.warnings)
    assert not any(WEIGHT_VARIABLE in w for other in others for w in other.warnings)


# -- swarms -----------------------------------------------------------------------------------


def test_swarms_with_private_weights_verify(tmp_path: Path) -> None:
    """As processes and in one process: the plain sum, files that verify, no weight in any of them."""
    weights = "711,0,-822,933"
    (tmp_path / "values.csv").write_text("1\n0\n2\n3\n")
    options = f"4 --private-weights --weights {weights} --values values.csv --json"
    with Processes(tmp_path, forks=True) as processes:
        running = {
            "processes": processes.swarm(f"{options} --log-dir processes"),
            "one": processes.swarm(f"{options} --log-dir one --in-process"),
        }
        ended = {name: process.end() for name, process in running.items()}
    for name, end in ended.items():
        assert end.code == 0, end.err
        assert end.json["total"] == end.json["expected"] == [711 - 1644 + 2799]
        verdict = verify_directory(tmp_path / name)
        assert verdict.total == ("1866",)
        assert len(verdict.confirmed) == 4
        assert (tmp_path / name / "peer-02.receipt.json").exists()
        (tmp_path / name / "swarm.json").unlink()
    (tmp_path / "values.csv").unlink()
    words = {f"weight {text}": text.encode() for text in ('": 711', "-822", "[711", " 933,")}
    assert leaks(files_below(tmp_path), words) == []
    assert "can see --weight" not in "".join(map(str, printed(ended).values()))
    assert json.loads(ended["one"].out)["exit_codes"] == [0] * 4
