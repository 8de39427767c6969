"""A second pair of eyes on the founder: what a member makes of those who join.

A member that listens at a fixed address is a *witness* to joiners that name it with --bootstrap
beside the founder. It offers them what the founder offered it, takes the same HELLO that the founder
takes, and later shows them the roster that the founder gave it. Rules:

1. A witness admits nobody: it refuses what the founder would, and forgets whoever leaves.
2. It judges no omission by itself. An honest founder may have let go of a joiner whose link was cut,
   or have been full; only the joiner knows what the founder told it. So the witness shows it the
   roster, and a joiner that was told nothing, or another roster, objects.
3. An objection, or two HELLOs of one peer, ends the witness, and so everybody, before any share.
"""

from __future__ import annotations

from p2pmpc.endings import two_entries, vetted
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError
from p2pmpc.evidence import TO_EVERYBODY, Claim, Evidence, Statement
from p2pmpc.frames import Limits
from p2pmpc.identity import peer_id, short_id
from p2pmpc.messages import Abort, Accept, AcceptedEntry, Hello, Join, Kind, Offer, RosterList
from p2pmpc.parameters import Parameters
from p2pmpc.session import Member, Session, roster_differences
from p2pmpc.wire import parameters_digest


def describe_difference(session: Session, other: RosterList) -> str:
    """Return how a roster that another peer was given differs from this one's; empty if it does not.

    Args:
        session: Closed with the founder's roster, as this peer was given it.
        other: What a witness says that it was given.
    """
    signed = (member.signed for member in session.members)
    mine = {(entry.body, entry.signature): entry.address for entry in signed}
    theirs = {(entry.body, entry.signature): entry.address for entry in other.entries}
    if mine == theirs and len(other.entries) == len(session.members):
        return ""
    try:
        members = sorted((Member.verify(entry) for entry in other.entries), key=lambda m: m.id)
    except (RemoteProtocolError, AgreementFailed) as error:
        return f"it holds a line that is wrong there: {error}"
    if mine.keys() == theirs.keys():
        moved = [m for m in members if mine[m.signed.body, m.signed.signature] != m.signed.address]
        return (
            "; ".join(f"{m.label} has another address there" for m in moved)
            or "a line is double there"
        )
    lines = tuple(AcceptedEntry(m.id, m.weight, m.digest, m.signed.signature) for m in members)
    return "; ".join(roster_differences(session, Accept(session.parameters, lines)))


class Witness:
    """A witness's side of discovery.

    Args:
        offer: The founder's, accepted by this peer.
        own: This peer's ID.
    """

    def __init__(self, offer: Offer, own: bytes) -> None:
        self.parameters: Parameters = offer.parameters
        self.founder = offer.founder
        self._study = offer.study
        self._own = own
        self._here: dict[bytes, tuple[bytes, Member]] = {}
        """By ID: the nonce of its JOIN, and its entry."""
        self.session: Session | None = None

    @property
    def limits(self) -> Limits:
        """What a joiner may send."""
        return Limits(peers=self.parameters.peers)

    @property
    def most(self) -> int:
        """How many joiners are held: the founder may have refused, or lost, as many as it takes."""
        return 2 * self.parameters.peers

    def offer(self, join: Join) -> Offer:
        """Answer a knock with what the founder offered.

        Raises:
            AgreementFailed: The ID is this one's, the founder's, somebody else's who is here, or not
                allowed; or the session is closed and it is not in it.
        """
        identifier = peer_id(join.public_key)
        if identifier in (self._own, self.founder):
            raise AgreementFailed(
                "two nodes with one key: the joiner has the ID of the founder or of a member",
                hint="give each peer a --key of its own, or none",
            )
        self._check_nonce(identifier, join)
        if self.parameters.allowed and identifier not in self.parameters.allowed:
            raise AgreementFailed(f"the founder does not list the ID {short_id(identifier)}")
        self._check_open(identifier)
        return Offer(join.nonce, self.founder, self.parameters, self._study)

    def enter(self, join: Join, hello: Hello) -> None:
        """Keep what a joiner says.

        Raises:
            AgreementFailed: The entry is under other parameters, or of a second node with this key.
            RemoteProtocolError: It is ill-formed, not signed, or another's.
        """
        identifier, member = peer_id(join.public_key), Member.verify(hello.entry)
        self._check_nonce(identifier, join)
        if member.id != identifier:
            raise RemoteProtocolError("a witness was sent a HELLO in somebody else's name")
        if member.entry.parameters_digest != parameters_digest(self.parameters):
            raise AgreementFailed("the joiner agreed to other parameters than this witness")
        self._here[identifier] = join.nonce, member

    def leave(self, identifier: bytes) -> None:
        """Forget a joiner whose link ended before there was a roster, or who said that it leaves."""
        self._here.pop(identifier, None)

    def close(self, session: Session) -> None:
        """Take the founder's roster; whoever knocks from now on must be in it."""
        self.session = session

    @property
    def proof(self) -> P2PMPCError | None:
        """What the HELLOs heard here prove against the roster, once there is one."""
        session = self.session
        for index in () if session is None else session.indices:
            assert session is not None
            listed = session.member(index)
            _, heard = self._here.get(listed.id, (b"", listed))
            if (heard.digest, heard.signed.signature) != (listed.digest, listed.signed.signature):
                statements = tuple(
                    Statement(index, TO_EVERYBODY, Kind.HELLO, 0, m.digest, m.signed.signature)
                    for m in (listed, heard)
                )
                evidence = Evidence(Claim.TWO_ENTRIES, index, statements)
                return vetted(session, two_entries(session, evidence))
        return None

    def objection(self, identifier: bytes, last_word: Abort) -> P2PMPCError | None:
        """Return what a joiner's last word means, said after it was shown the roster.

        Only 6 objects; with anything else the joiner says that it left.
        """
        if self.session is None or last_word.code != AgreementFailed.exit_code:
            return None
        session, (_, member) = self.session, self._here[identifier]
        founder = session.label(session.founder) if session.founder else short_id(self.founder)
        if any(m.id == identifier for m in session.members):
            what = f"{founder} gave {member.label} another roster than this peer"
        else:
            what = f"{founder} left {member.label}, whose HELLO this peer holds, out of the roster"
        return AgreementFailed(
            f"{what}, or {member.label} lies: {last_word.reason}",
            peers=() if session.founder is None else (session.founder,),
            hint="no share was sent; ask both, and start again without whoever is at fault",
        )

    def _check_nonce(self, identifier: bytes, join: Join) -> None:
        nonce, _ = self._here.get(identifier, (join.nonce, None))
        if nonce != join.nonce:
            raise AgreementFailed(
                f"two nodes with one key: {short_id(identifier)} said HELLO to this witness already",
                hint="give each peer a --key of its own, or none",
            )

    def _check_open(self, identifier: bytes) -> None:
        if self.session is not None and all(m.id != identifier for m in self.session.members):
            raise AgreementFailed(
                "the session is closed: all its peers have joined",
                hint="ask the founder for a new session",
            )
