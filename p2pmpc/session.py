"""Who takes part in one session, under which parameters: what n equal signatures fix.

The roster is in the order of IDs, which nobody chooses, and indices count from 1. The session id is
the hash of the parameters and of every signed entry, and every entry holds a nonce of its owner's:
no session id ever repeats while one member draws honest nonces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pmpc.encoding import automatic_bound
from p2pmpc.errors import AgreementFailed, RemoteProtocolError
from p2pmpc.frames import TO_ALL, Limits, body_digest, signing_input
from p2pmpc.hashing import labelled_hash
from p2pmpc.identity import (
    SealingPublicKey,
    certificate_key,
    peer_id,
    short_id,
    verify_signature,
)
from p2pmpc.messages import Accept, AcceptedEntry, Entry, Kind, SignedEntry
from p2pmpc.parameters import Parameters
from p2pmpc.slices import Slices
from p2pmpc.weights import opening_threshold, total_magnitude
from p2pmpc.wire import decode_entry, encode_body, parameters_digest


def entry_signing_input(identifier: bytes, agreed: bytes, digest: bytes) -> bytes:
    """Return what the owner of an entry signs.

    Args:
        identifier: The owner's ID.
        agreed: The digest of the parameters, in the place of a session id: it holds the founder's
            nonce, so an entry from another session convicts nobody in this one.
        digest: Of the entry's bytes.
    """
    return signing_input(agreed, 0, Kind.HELLO, identifier, TO_ALL, digest)


@dataclass(frozen=True, slots=True)
class Member:
    """One verified line of a roster.

    Args:
        signed: The entry as its owner signed it.
        entry: The same, decoded.
        public_key: From its certificate.
        digest: Of the entry's bytes.
    """

    signed: SignedEntry
    entry: Entry
    public_key: bytes
    digest: bytes

    @classmethod
    def verify(cls, signed: SignedEntry) -> Member:
        """Check an entry's certificate and signature.

        Raises:
            RemoteProtocolError: The entry is ill-formed, or its signature does not verify.
            AgreementFailed: Its certificate cannot be used.
        """
        entry = decode_entry(signed.body)
        public_key = certificate_key(entry.certificate)
        SealingPublicKey(entry.sealing_key).parse()
        digest = body_digest(Kind.HELLO, signed.body)
        data = entry_signing_input(peer_id(public_key), entry.parameters_digest, digest)
        verify_signature(public_key, signed.signature, data)
        return cls(signed, entry, public_key, digest)

    @property
    def id(self) -> bytes:
        """The member's ID."""
        return peer_id(self.public_key)

    @property
    def weight(self) -> int:
        """The member's public weight; 0 for an observer."""
        return self.entry.weight

    @property
    def contributes(self) -> bool:
        """Whether the member's input is summed; otherwise it observes."""
        return self.entry.weight != 0

    @property
    def label(self) -> str:
        """How messages to people call it."""
        short = short_id(self.id)
        return f"{self.entry.name} ({short})" if self.entry.name else short


@dataclass(frozen=True, slots=True)
class Session:
    """A closed roster under its parameters, as one member sees it.

    Args:
        parameters: Agreed.
        members: In roster order.
        own_index: This peer's, from 1.
        acceptance: What every member signs.
        id: The session id.
        places: Where each contributor stands among the contributors, from 0, by roster index.
            The other members are observers.
        founder: The roster index of whoever gave the entries out, where somebody did. Nobody signs
            it; it only says whom to suspect.
    """

    parameters: Parameters
    members: tuple[Member, ...]
    own_index: int
    acceptance: Accept
    id: bytes
    places: Mapping[int, int]
    founder: int | None = None

    @classmethod
    def close(
        cls,
        parameters: Parameters,
        entries: Sequence[SignedEntry],
        own: bytes,
        *,
        founder: bytes | None = None,
    ) -> Session:
        """Verify a roster and fix its order.

        Args:
            parameters: Agreed.
            entries: In any order.
            own: This peer's ID.
            founder: The ID of whoever gave the entries out; None with a roster file.

        Raises:
            AgreementFailed: Somebody is missing, twice there, not allowed or agrees to other
                parameters.
        """
        try:
            members = sorted((Member.verify(signed) for signed in entries), key=lambda m: m.id)
        except RemoteProtocolError as error:
            raise AgreementFailed(f"the roster holds a line that is wrong: {error}") from None
        ids = [member.id for member in members]
        _check_roster(parameters, members, ids, own)
        if founder is not None and founder not in ids:
            raise AgreementFailed("the founder is not in its own roster")
        lines = tuple(AcceptedEntry(m.id, m.weight, m.digest, m.signed.signature) for m in members)
        acceptance = Accept(parameters, lines)
        session_id = labelled_hash("session", encode_body(acceptance))
        contributing = (index for index, member in enumerate(members, 1) if member.contributes)
        places = {index: place for place, index in enumerate(contributing)}
        return cls(
            parameters,
            tuple(members),
            ids.index(own) + 1,
            acceptance,
            session_id,
            places,
            None if founder is None else ids.index(founder) + 1,
        )

    @property
    def indices(self) -> range:
        """All roster indices."""
        return range(1, len(self.members) + 1)

    @property
    def others(self) -> tuple[int, ...]:
        """All roster indices but this peer's."""
        return tuple(index for index in self.indices if index != self.own_index)

    @property
    def contributors(self) -> tuple[int, ...]:
        """The roster indices of those whose inputs are summed."""
        return tuple(self.places)

    @property
    def other_contributors(self) -> tuple[int, ...]:
        """All contributors but this peer."""
        return tuple(index for index in self.places if index != self.own_index)

    @property
    def contributes(self) -> bool:
        """Whether this peer's input is summed; otherwise it observes."""
        return self.own_index in self.places

    @property
    def slices(self) -> Slices:
        """How vectors are cut in sharded mode."""
        return Slices(self.parameters.extended_length, len(self.places))

    @property
    def limits(self) -> Limits:
        """What members may send."""
        return Limits.of(self.parameters, contributors=len(self.places))

    def member(self, index: int) -> Member:
        """Return the member with a roster index."""
        return self.members[index - 1]

    def index_of(self, certificate: bytes) -> int | None:
        """Return the roster index of the member with exactly this certificate."""
        for index, member in enumerate(self.members, start=1):
            if member.entry.certificate == certificate:
                return index
        return None

    def label(self, index: int) -> str:
        """Return how messages to people call a member."""
        return self.member(index).label

    def labels(self, indices: Sequence[int]) -> str:
        """Return the names of several members, for a sentence."""
        return ", ".join(self.label(index) for index in indices)

    def because(self, reasons: Mapping[int, str]) -> str:
        """Return the end of a sentence about members that are missing: what is known of why.

        Args:
            reasons: By index; several of them are told apart by names, and the first ones stand for many.
        """
        known = [(index, reason) for index, reason in reasons.items() if reason]
        if len({reason for _, reason in known}) <= 1:
            return "".join(f": {reason}" for _, reason in known[:1])
        told = "; ".join(f"{self.label(index)}: {reason}" for index, reason in known[:3])
        return f" ({told})"

    @property
    def weights(self) -> tuple[int, ...]:
        """The contributors' weights, in roster order."""
        return tuple(self.member(index).weight for index in self.places)

    @property
    def total_limits(self) -> tuple[int, int | None]:
        """The largest size of an element of a total, and of a total of private weights."""
        weights = total_magnitude(self.possible_weights)
        return weights * self.bound, weights if self.parameters.private_weights else None

    @property
    def threshold(self) -> int:
        """t, the number of contributors that open a missing one's mask."""
        return opening_threshold(len(self.places))

    @property
    def bound(self) -> int:
        """The bound of a value in scaled units: as agreed, or the largest that fits the weights."""
        parameters = self.parameters
        return parameters.bound or automatic_bound(parameters.arithmetic, self.possible_weights)

    @property
    def possible_weights(self) -> tuple[int, ...]:
        """The contributors' weights, or where they are private the largest that they can be."""
        return tuple(w * (self.parameters.weight_bound or 1) for w in self.weights)


def _check_roster(
    parameters: Parameters, members: Sequence[Member], ids: Sequence[bytes], own: bytes
) -> None:
    """Refuse a roster that is not what this peer agreed to be part of."""
    hint = "if the founder is honest, start again; otherwise give IDs with --allow or --roster"
    if len(set(ids)) != len(ids):
        raise AgreementFailed("the roster lists one ID twice", hint=hint)
    if own not in ids:
        raise AgreementFailed("the roster does not list this peer", hint=hint)
    if len(ids) != parameters.peers:
        raise AgreementFailed(
            f"the roster lists {len(ids)} peers and the parameters {parameters.peers}", hint=hint
        )
    if not any(member.contributes for member in members):
        raise AgreementFailed(
            "all peers observe, and nobody brings an input",
            hint="start again, with at least three peers of a weight other than 0",
        )
    if parameters.allowed:
        strangers = [m.label for m in members if m.id not in parameters.allowed]
        if strangers:
            raise AgreementFailed(f"not on the allow-list: {', '.join(strangers)}", hint=hint)
    due = parameters_digest(parameters)
    for member in members:
        if member.entry.parameters_digest != due:
            raise AgreementFailed(f"{member.label} agreed to other parameters", hint=hint)
        if parameters.private_weights and member.weight not in (0, 1):
            raise AgreementFailed(
                f"{member.label} shows a weight of {member.weight}, and weights are private here",
                hint="see that all run the same version of p2pmpc",
            )


def roster_differences(mine: Session, theirs: Accept) -> list[str]:
    """Return a line for every difference between two peers' rosters."""
    differences = mine.parameters.differences(theirs.parameters, here="here", there="there")
    here = {line.id: line for line in mine.acceptance.entries}
    there = {line.id: line for line in theirs.entries}
    for identifier in sorted(here.keys() | there.keys()):
        name = short_id(identifier)
        if identifier not in there:
            differences.append(f"{name} is only in the roster here")
        elif identifier not in here:
            differences.append(f"{name} is only in the roster there")
        elif here[identifier].weight != there[identifier].weight:
            differences.append(
                f"{name} has weight {here[identifier].weight} here and "
                f"{there[identifier].weight} there"
            )
        elif here[identifier] != there[identifier]:
            differences.append(f"{name} has another HELLO there (name, keys or nonce)")
    return differences or ["the order of the roster differs"]
