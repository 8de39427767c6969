"""A peer that lies in a whole run: everybody ends with its name, and a file that proves it to anybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from p2pmpc.archive import keep_evidence
from p2pmpc.cli import main as cli_main
from p2pmpc.endings import abort_message
from p2pmpc.errors import (
    ConfigurationError,
    PeerMissing,
    RemoteProtocolError,
    Revealed,
    VerificationFailed,
)
from p2pmpc.evidence import Claim, Dispute, Evidence, Statement
from p2pmpc.exhibit import check_exhibit, render_evidence
from p2pmpc.identity import format_id
from p2pmpc.messages import (
    Abort,
    Accept,
    Commitment,
    Confirm,
    Echo,
    Kind,
    Message,
    Open,
    Partial,
    Share,
    SharePlain,
    SignedEntry,
    Slice,
    SliceSum,
    Unmask,
)
from p2pmpc.network import Address
from p2pmpc.verify import verify_directory
from p2pmpc.wire import encode_evidence
from tests.founders import LyingFounder, offered
from tests.liars import Change, Said, corrupt, deal_otherwise, runner_of
from tests.nodes import KILLED, Peer, Peers, at_once
from tests.party import Party, identities
from tests.processes import Shell
from tests.test_canary import CANARIES, canary_forms, files_below, leaks, protocol_secrets
from tests.test_disputes import PROOFS, session_of

ZEROS, SIGNATURE = bytes(32), bytes(64)
VALUES = (*CANARIES, 1234567890123456)


def gather(directory: Path, **parameters: Any) -> tuple[Peers, Peer]:
    """Return four nodes that know something secret, the last of which is to lie."""
    peers = Peers(directory, field="m61", **parameters)
    length = 5 if parameters.get("mode") == "sharded" else 1  # so that nobody's slice is empty
    for value in VALUES[:3]:
        peers.add(*[value] * length, weight=1)
    apart = str(directory / "liar")
    return peers, peers.add(*[VALUES[3]] * length, weight=1, name="culprit", log_dir=apart)


# -- lies that prove themselves -----------------------------------------------------------------


def only(victim: str, change: Callable[[Message], Said]) -> Change:
    """Return a change that only one receiver is shown."""
    return lambda name, message: change(message) if name == victim else message


def other_mask(message: Message) -> Message:
    """Return a COMMITMENT to another mask."""
    assert isinstance(message, Commitment)
    return replace(message, mask=ZEROS)


def other_sum(message: Message) -> Message:
    """Return another PARTIAL."""
    assert isinstance(message, Partial)
    return Partial(bytes(len(message.content)))


def made_up(name: str, message: Message) -> Message:
    """Return an ECHO of what nobody signed, another one for every receiver."""
    assert isinstance(message, Echo)
    first, *others = message.entries
    return replace(message, entries=(replace(first, partial=name.encode().ljust(32)), *others))


def other_seed(_name: str, message: Message) -> Message:
    """Return an OPEN of another mask seed."""
    assert isinstance(message, Open)
    return replace(message, mask_seed=ZEROS)


def unsigned(_name: str, message: Message) -> Message:
    """Return an OPEN that not everybody's echo allows."""
    assert isinstance(message, Open)
    return replace(message, echoes=(*message.echoes[:3], SIGNATURE))


def turned(_name: str, message: Message) -> list[Message]:
    """Return the roster, and the same in another order."""
    assert isinstance(message, Accept)
    return [message, replace(message, entries=message.entries[::-1])]


def not_below_p(_name: str, message: Message) -> Message:
    """Return a PARTIAL whose elements are no elements of the field."""
    assert isinstance(message, Partial)
    return Partial(b"\xff" * len(message.content))


def other_share(message: Message) -> Message:
    """Return a SHARE that was not committed to."""
    assert isinstance(message, Share)
    return Share(message.sealed[::-1])


def wrong_mask_share(_name: str, message: Message) -> Message:
    """Return an UNMASK of a share that nobody dealt."""
    assert isinstance(message, Unmask)
    return replace(message, share=bytes(33))


def other_piece(message: Message) -> Message:
    """Return a piece of a sum with other elements."""
    assert isinstance(message, SliceSum)
    return replace(message, vector=memoryview(bytes(len(message.vector))))


def too_long(_name: str, message: Message) -> Message:
    """Return a piece of a slice under a number that its owner's slice does not have."""
    assert isinstance(message, Slice)
    return replace(message, piece=1)


def other_list(message: Message) -> Message:
    """Return a list of other digests."""
    assert isinstance(message, Partial)
    return Partial(bytes(len(message.content)))


IN_SLICES = frozenset(
    {"a piece not listed", "a piece not listed, to one", "a piece of no slice", "two lists"}
)
LIES: dict[str, tuple[Claim, Kind, Change]] = {
    "two commitments": (Claim.EQUIVOCATION, Kind.COMMITMENT, only("peer-01", other_mask)),
    "two partial sums": (Claim.EQUIVOCATION, Kind.PARTIAL, only("peer-02", other_sum)),
    "two in one place": (Claim.EQUIVOCATION, Kind.COMMITMENT, lambda _, m: [m, other_mask(m)]),
    "two rosters": (Claim.EQUIVOCATION, Kind.ACCEPT, turned),
    "different echoes": (Claim.FALSE_ECHO, Kind.ECHO, made_up),
    "a wrong element": (Claim.ILL_FORMED, Kind.PARTIAL, not_below_p),
    "garbage": (Claim.ILL_FORMED, Kind.OPEN, lambda _name, _message: b"\xc1"),
    "another share": (Claim.WRONG_SHARE, Kind.SHARE, only("peer-03", other_share)),
    "another mask seed": (Claim.WRONG_OPENING, Kind.OPEN, other_seed),
    "an early opening": (Claim.EARLY_OPENING, Kind.OPEN, unsigned),
    "a wrong mask share": (Claim.WRONG_MASK_SHARE, Kind.UNMASK, wrong_mask_share),
    "a piece not listed": (Claim.WRONG_PIECE, Kind.SLICE_SUM, lambda _, m: other_piece(m)),
    "a piece not listed, to one": (
        Claim.WRONG_PIECE,
        Kind.SLICE_SUM,
        only("peer-02", other_piece),
    ),
    "a piece of no slice": (Claim.ILL_FORMED, Kind.SLICE, too_long),
    "two lists": (Claim.EQUIVOCATION, Kind.PARTIAL, lambda _, m: [m, other_list(m)]),
}


@dataclass
class Lied:
    """A run with a liar, after its end."""

    peers: Peers
    claim: Claim

    @property
    def honest(self) -> list[Peer]:
        """Everybody else who is still there."""
        return [p for p in self.peers.members if p.name != "culprit" and p.code != KILLED]

    def file(self, peer: Peer) -> Path:
        """Return what a peer left as proof."""
        folder = self.peers.directory / "evidence"
        (path,) = folder.glob(f"{peer.name}-{self.claim.value}-*.json")
        return path


@pytest.fixture(scope="module", params=LIES)
def lied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lied:
    """A run of every kind of lie."""
    claim, kind, change = LIES[request.param]
    mode = "sharded" if request.param in IN_SLICES else "broadcast"
    peers, culprit = gather(tmp_path_factory.mktemp("lied"), mode=mode)
    corrupt(culprit, {kind: change})
    if kind is Kind.UNMASK:
        peers.members[2].kill = "open"  # somebody has to be missed for mask shares to be shown

    @at_once
    async def run() -> None:
        await peers.run()

    run()
    return Lied(peers, claim)


def test_every_honest_peer_names_the_liar_and_proves_it(lied: Lied) -> None:
    """Rows 11, 12 and 19: all honest peers end with 4 and one name, and each holds a proof of it."""
    assert len(lied.honest) in (2, 3)
    for peer in lied.honest:
        assert peer.code == 4
        assert isinstance(peer.error, Dispute)
        session = runner_of(peer).session
        (named,) = peer.error.peers
        assert session.member(named).entry.name == "culprit"
        assert "culprit (" in peer.error.message
        assert f"p2pmpc verify {lied.file(peer)}" in peer.told
        (line,) = lied.peers.log(peer, "evidence")
        assert (line["claim"], line["file"]) == (lied.claim.value, lied.file(peer).name)
    assert lied.peers.transcripts() == set()


def test_anybody_can_verify_the_proof(
    lied: Lied, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`p2pmpc verify` on the folder or on one file ends with 0 and names the liar with its full ID."""
    shell = Shell(monkeypatch, capsys)
    culprit = lied.peers.members[3].node
    assert culprit is not None
    identifier = format_id(culprit._identity.id)
    code, out, err = shell.run(cli_main, f"verify {lied.peers.directory}")
    assert (code, err) == (0, "")
    assert out.count("evidence ") == len(lied.honest)
    assert out.count(identifier) == len(lied.honest)
    code, out, err = shell.run(cli_main, f"verify --json {lied.file(lied.honest[0])}")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert (content["total"], content["peers"]) == (None, [])
    (proven,) = content["evidence"]
    assert proven["culprit"] == identifier
    assert proven["name"].startswith("culprit (")
    assert proven["session"] == runner_of(lied.honest[0]).session.id.hex()


def altered(line: str) -> str:
    """Return a line with its last letter or digit changed, or with a space more."""
    for place in range(len(line) - 1, -1, -1):
        if line[place].isalnum():
            return line[:place] + ("1" if line[place] == "0" else "0") + line[place + 1 :]
    return f" {line}"


def refused(path: Path, text: str) -> None:
    """Hold that a text proves nothing in the place of a proof."""
    path.write_text(text)
    with pytest.raises(VerificationFailed) as caught:
        pytest.fail(f"{verify_directory(path).as_text()}\n{text}")
    assert caught.value.exit_code == 5
    assert str(path) in caught.value.message


def test_no_line_of_a_proof_can_be_changed(lied: Lied, tmp_path: Path) -> None:
    """Row 31: evidence with any line altered, doubled or left out ends verification with 5."""
    text = lied.file(lied.honest[0]).read_text()
    path, lines = tmp_path / "evidence.json", text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        before, after = lines[:number], lines[number + 1 :]
        refused(path, "".join([*before, altered(line), *after]))
        if number % 4 == 0:
            refused(path, "".join([*before, *after]))
            refused(path, "".join([*before, line, line, *after]))
    path.write_text(text)
    assert verify_directory(path).evidence


def test_no_secret_of_an_honest_peer_stands_in_a_proof(lied: Lied) -> None:
    """Row 29: no input, key, seed, mask or mask share of an honest peer is in any file of the run."""
    secrets = {k: v for k, v in protocol_secrets(lied.peers).items() if "culprit" not in k}
    for peer in lied.peers.members[:3]:
        runner = runner_of(peer)
        dealing = runner._round.dealing if runner._round is not None else None
        if dealing is not None:
            seed = dealing.mask_seed.hex()
            secrets[f"mask seed of {peer.name}"] = seed.encode()
    found = files_below(lied.peers.directory)
    artefacts = {name: data for name, data in found.items() if not name.startswith("liar")}
    assert sum(name.startswith("evidence") for name in artefacts) == len(lied.honest)
    assert leaks(artefacts, secrets | canary_forms()) == []


@pytest.mark.parametrize("name", PROOFS)
def test_every_kind_of_proof_stands_in_a_file(name: str) -> None:
    """Whatever can be proven can be written down, and is judged from the file alone."""
    session = session_of(name)
    text = render_evidence(session, PROOFS[name])
    proven = check_exhibit(text)
    assert proven.culprit == format_id(session.member(PROOFS[name].culprit).id)
    honest = format_id(session.member(1).id)
    with pytest.raises(VerificationFailed):
        check_exhibit(text.replace(proven.culprit, honest))
    with pytest.raises(VerificationFailed, match="names nobody"):
        check_exhibit(text.replace(proven.culprit, format_id(identities(1)[0].id)))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '"x"', "{" * 5000, '{"format": "p2pmpc-evidence 1"}']
)
def test_what_is_no_evidence_is_refused(tmp_path: Path, text: str) -> None:
    """Any other JSON, or none, ends verification with 5 and names the file."""
    refused(tmp_path / "x.json", text)


def test_evidence_beside_transcripts_is_judged_as_well(lied: Lied, tmp_path: Path) -> None:
    """A folder with both shows both, one false proof is enough to fail, and an empty one is nothing."""
    folder = tmp_path / "run" / "evidence"
    shutil.copytree(lied.peers.directory / "evidence", folder)
    assert len(verify_directory(folder.parent).evidence) == len(lied.honest)
    path = sorted(folder.iterdir())[-1]
    path.write_text(path.read_text()[:-1])
    with pytest.raises(VerificationFailed, match=path.name):
        verify_directory(folder.parent)
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(ConfigurationError, match="no transcript"):
        verify_directory(folder.parent)


@at_once
async def test_evidence_that_cannot_be_kept_is_a_warning(tmp_path: Path) -> None:
    """Row 24: a disk that takes no evidence changes neither the end nor the name."""
    peers, culprit = gather(tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evidence").write_text("")
    corrupt(culprit, {Kind.PARTIAL: not_below_p})
    await peers.run()
    for peer in peers.members[:3]:
        assert peer.code == 4
        assert "culprit (" in peer.told
        assert any("could not be kept" in warning for warning in peer.warnings)


# -- lies that only one peer sees ---------------------------------------------------------------

BAD_SHARES: dict[str, Callable[[SharePlain], SharePlain | bytes]] = {
    "no seal": lambda _plain: b"garbage",
    "a wrong length": lambda plain: replace(plain, share=plain.share[:-1]),
    "another mask share": lambda plain: replace(plain, mask_share=bytes(33)),
}


def names(peer: Peer) -> set[str]:
    """Return whom a peer's error names."""
    assert peer.error is not None
    session = runner_of(peer).session
    return {session.member(index).entry.name for index in peer.error.peers}


@pytest.mark.parametrize("name", BAD_SHARES)
@at_once
async def test_a_share_that_only_its_receiver_can_read_names_a_pair(
    tmp_path: Path, name: str
) -> None:
    """Row 19: the receiver ends with 4; the others with 4 and the pair; no file claims to prove it."""
    peers, culprit = gather(tmp_path)
    deal_otherwise(culprit, "peer-02", BAD_SHARES[name])
    await peers.run()
    assert peers.codes[:3] == [4, 4, 4]
    one, victim, other = peers.members[:3]
    assert names(victim) == {"culprit"}
    assert names(one) == names(other) == {"culprit", "peer-02"}
    for peer in (one, victim, other):
        assert not isinstance(peer.error, Dispute)
        assert Revealed.NOTHING.value in peer.told
    assert not (tmp_path / "evidence").exists()


@at_once
async def test_a_false_total_of_one_peer_is_named_and_never_shown(tmp_path: Path) -> None:
    """A CONFIRM of another total ends all with 4 and its signer's name; it alone proves nothing."""
    peers, culprit = gather(tmp_path)
    corrupt(culprit, {Kind.CONFIRM: lambda _name, _message: Confirm(ZEROS)})
    await peers.run()
    for peer in peers.members[:3]:
        assert peer.code == 4
        assert "culprit" in names(peer)
    assert peers.transcripts() == set()
    assert not (tmp_path / "evidence").exists()


def false_evidence(peers: Peers) -> Iterator[Evidence | bytes]:
    """Yield what shall convict an honest peer and does not."""
    runner = runner_of(peers.members[3])
    own = runner.session.own_index
    victim = next(
        i for i in runner.session.indices if runner.session.member(i).entry.name == "peer-01"
    )
    signed = runner._notary.sign(Confirm(ZEROS))
    said = Statement.of(own, signed)
    yield Evidence(Claim.EQUIVOCATION, victim, (replace(said, sender=victim), said))
    yield Evidence(Claim.EQUIVOCATION, victim, (said, said))
    yield Evidence(Claim.FALSE_ECHO, victim, ())
    yield b"\xc1"


@pytest.mark.parametrize("place", range(4))
@at_once
async def test_false_evidence_speaks_against_who_shows_it(tmp_path: Path, place: int) -> None:
    """Who accuses with evidence that proves nothing is named, not whom it accuses; nothing is kept."""
    peers, culprit = gather(tmp_path)

    def accuse(_name: str, _message: Message) -> Message:
        shown = list(false_evidence(peers))[place]
        data = shown if isinstance(shown, bytes) else encode_evidence(shown)
        return Abort(4, (1,), "look", data)

    corrupt(culprit, {Kind.PARTIAL: accuse})
    await peers.run()
    assert peers.codes[:3] == [4, 4, 4]
    assert any("accuses without proof" in peer.told for peer in peers.members[:3])
    assert all("culprit" in names(peer) for peer in peers.members[:3])
    assert not (tmp_path / "evidence").exists()


# -- evidence at the last moment ------------------------------------------------------------------


def equivocation(party: Party, culprit: int) -> Dispute:
    """Return the proof that a peer signed two totals."""
    notary = party.members[culprit].notary
    both = tuple(
        Statement.of(culprit, notary.sign(Confirm(digest))) for digest in (ZEROS, b"1" * 32)
    )
    return Dispute("it did", Evidence(Claim.EQUIVOCATION, culprit, both))


@pytest.mark.parametrize("step", ["share", "partial", "echo", "open", "confirm"])
def test_evidence_ends_a_peer_until_it_has_finished(step: str) -> None:
    """An ABORT with a proof ends a peer at any stage; the same without one only until its ECHO."""
    for proof in (True, False):
        party = Party([[1], [2], [3], [4]])
        party.start()
        member = party.members[2]
        party.run(until=partial(member.steps.__contains__, step))
        assert member.finished is None
        error: RemoteProtocolError = equivocation(party, 3)
        if not proof:
            error = RemoteProtocolError("it did", peers=(3,))
        party.hand_over(1, 2, party.frame(1, abort_message(error)))
        late = step in ("echo", "open", "confirm")
        assert (member.error is None) == (late and not proof)
        if proof:
            assert isinstance(member.error, Dispute)
            assert member.error.peers == (3,)
            assert member.error.revealed is (Revealed.MAYBE_TOTAL if late else Revealed.NOTHING)


def test_evidence_changes_nothing_for_who_has_finished() -> None:
    """A total that is confirmed stands, whatever is proven later."""
    party = Party([[1], [2], [3]])
    party.start()
    party.run()
    party.hand_over(1, 2, party.frame(1, abort_message(equivocation(party, 3))))
    assert party.members[2].error is None
    assert party.totals() == [[14]] * 3


def test_two_confirmations_are_proven_to_all_who_still_wait(tmp_path: Path) -> None:
    """Row 12: a peer that signs two totals is named by everybody that has not finished, with proof."""
    party = Party([[1], [2], [3], [4]])
    party.start()
    party.run_links(lambda *link: party.queues[link][0][4] != Kind.CONFIRM)
    for receiver in (1, 2, 4):
        party.deliver(3, receiver)
    party.hand_over(3, 1, party.frame(3, Confirm(ZEROS)))
    party.dishonest.add(3)
    party.run_links(lambda sender, _receiver: sender == 1)
    for index in (1, 2, 4):
        member = party.members[index]
        assert isinstance(member.error, Dispute)
        assert member.error.peers == (3,)
        path = keep_evidence(member.session, member.error, tmp_path, f"peer-{index:02}")
        assert path.parent == tmp_path / "evidence"
    verdict = verify_directory(tmp_path)
    assert [proven.name.split(" ")[0] for _, proven in verdict.evidence] == ["peer-03"] * 3
    assert all("two different CONFIRM" in proven.what for _, proven in verdict.evidence)


def test_an_error_without_proof_is_not_mistaken_for_one() -> None:
    """An ABORT that says 4 and shows nothing never becomes a Dispute, whatever it says."""
    for error in (RemoteProtocolError("x", peers=(3,)), PeerMissing("x", peers=(3,))):
        assert abort_message(error).evidence == b""


# -- two HELLOs ---------------------------------------------------------------------------------


@at_once
async def test_two_entries_name_their_owner_and_who_gave_them_out(tmp_path: Path) -> None:
    """Rows 12 and 26: an owner of two HELLOs and the founder that showed both are named alike by all."""
    peers = Peers(tmp_path)
    (ghost,) = identities(1)

    def rosters(name: str, entries: Mapping[str, SignedEntry]) -> Sequence[SignedEntry]:
        shown = {**entries, "ghost": first if name == "peer-01" else second}
        return [own, *shown.values()]

    founder = LyingFounder(tmp_path, offered(4), rosters)
    founder.address = Address("memory", 1)
    own, kept = founder.entry(1), founder.identity
    founder.identity, founder.address = ghost, Address("memory", 7777)  # where nobody answers
    first, second = founder.entry(1), founder.entry(1)
    founder.identity, founder.entries = kept, {"ghost": first}
    peers.add_all([1, 2])
    await founder.lie_to(peers)
    assert peers.codes == [4, 4]
    assert peers.reached("share") == []
    for peer in peers.members:
        session = runner_of(peer).session
        assert peer.error is not None
        assert {session.member(i).id for i in peer.error.peers} == {ghost.id, kept.id}
        assert "signed two different HELLOs for this session, or" in peer.error.message
        assert "gave an old one out" in peer.error.message
        assert "ask both" in peer.told
    verdict = verify_directory(tmp_path)
    assert len(verdict.evidence) == 2
    assert {proven.culprit for _, proven in verdict.evidence} == {format_id(ghost.id)}
    assert all("or was restarted" in proven.what for _, proven in verdict.evidence)
