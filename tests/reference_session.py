"""A slow reference of a whole session: from the entries to the transcript, without a network.

Whoever makes a session here gives every peer's secrets and everything it draws, so that all bytes can be
made again. Bodies are kept as lists of plain values; :func:`tests.reference_messages.pack` makes them
bytes. It shares no code with the package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests import reference, reference_sealing
from tests import reference_messages as messages
from tests.reference_messages import KINDS, Value, pack

Draw = Callable[[str, int], bytes]
"""Gives the bytes that are drawn for a purpose."""

FORMAT = "p2pmpc-transcript 1"
LONGEST_WRITTEN = 64
PUBLIC_WEIGHTS = "public"


@dataclass(frozen=True)
class Peer:
    """One peer's secrets and statements.

    Args:
        seed: Of its identity.
        sealing_seed: Of its sealing key.
        nonce: Of its entry.
        name: For people.
        address: Where others reach it.
        weight: Public; 0 observes.
        values: What it sums, scaled: with private weights its products, and its weight.
    """

    seed: bytes
    sealing_seed: bytes
    nonce: bytes
    name: str
    address: str
    weight: int
    values: Sequence[int]

    @functools.cached_property
    def id(self) -> bytes:
        """The peer's ID."""
        return messages.identifier(self.seed)

    def entry(self, parameters_digest: bytes) -> list[Value]:
        """Return the peer's entry."""
        return [
            messages.certificate(self.seed),
            self.nonce,
            reference_sealing.sealing_public_key(self.sealing_seed),
            self.weight,
            self.name,
            parameters_digest,
        ]

    def sign_entry(self, entry: bytes, parameters_digest: bytes) -> bytes:
        """Sign an entry."""
        return messages.sign(self.seed, KINDS["HELLO"], entry, session=parameters_digest)


class ReferenceSession:
    """One session and one of its rounds.

    Args:
        parameters: In their order.
        peers: In any order.
        draw: Where everything random comes from.
        round_number: The round, whose seeds go on from those drawn for round 0.
    """

    def __init__(
        self,
        parameters: dict[str, Value],
        peers: Sequence[Peer],
        draw: Draw,
        round_number: int = 0,
    ) -> None:
        self.round = round_number
        self.parameters = parameters
        self.peers = dict(enumerate(sorted(peers, key=lambda peer: peer.id), start=1))
        self.contributors = [i for i, peer in self.peers.items() if peer.weight]
        self.draw = draw
        self.field = str(parameters["field"])
        self.p, self.width = messages.modulus(self.field), messages.width(self.field)
        self.strict, self.dense = parameters["strict"], parameters["share_mode"] == "dense"
        self.sharded = parameters["sum_mode"] == "sharded"
        self.threshold = len(self.contributors) // 2 + 1
        self._deal()
        self._sum()

    # -- the roster -------------------------------------------------------------------------

    @functools.cached_property
    def parameters_digest(self) -> bytes:
        """The digest of the parameters."""
        return messages.parameters_digest(self.parameters)

    @functools.cached_property
    def entries(self) -> dict[int, tuple[bytes, bytes]]:
        """Every peer's entry and its signature."""
        agreed = self.parameters_digest
        packed = {i: pack(peer.entry(agreed)) for i, peer in self.peers.items()}
        return {i: (body, self.peers[i].sign_entry(body, agreed)) for i, body in packed.items()}

    @functools.cached_property
    def accept(self) -> list[Value]:
        """The ACCEPT that every peer sends."""
        lines: list[Value] = [
            [peer.id, peer.weight, reference.body_digest(3, self.entries[i][0]), self.entries[i][1]]
            for i, peer in self.peers.items()
        ]
        return [list(self.parameters.values()), lines]

    @functools.cached_property
    def id(self) -> bytes:
        """The session id."""
        return messages.session_id(pack(self.accept))

    def sign(self, index: int, kind: str, body: bytes, receiver: int | None = None) -> bytes:
        """Return a peer's signature on a message."""
        peer, number = self.peers[index], KINDS[kind]
        to = messages.TO_ALL if receiver is None else self.peers[receiver].id
        session = messages.NO_SESSION if kind == "ACCEPT" else self.id
        return messages.sign(
            peer.seed, number, body, session=session, number=self.round_of(kind), receiver=to
        )

    def frame(self, index: int, kind: str, body: bytes, receiver: int | None = None) -> bytes:
        """Return a peer's frame."""
        signature = self.sign(index, kind, body, receiver)
        return messages.frame(KINDS[kind], self.round_of(kind), signature, body)

    def round_of(self, kind: str) -> int:
        """Return the round that frames of a kind name."""
        return 0 if kind in {"ACCEPT", "ABORT"} else self.round

    # -- dealing ----------------------------------------------------------------------------

    def _deal(self) -> None:
        self.masks = {i: self.draw(f"mask of {i}", 32) for i in self.contributors}
        self.mask_shares = {i: self._mask_shares(i) for i in self.contributors}
        self.sent: dict[tuple[int, int], bytes] = {}
        self.keys: dict[tuple[int, int], bytes] = {}
        self.held: dict[tuple[int, int], list[int]] = {}
        for dealer in self.contributors:
            secret = self.secret(dealer)
            for receiver in self.contributors:
                if receiver != dealer:
                    self._share(dealer, receiver, len(secret))
            given = [self.held[dealer, j] for j in self.contributors if j != dealer]
            kept = [(x - sum(others)) % self.p for x, *others in zip(secret, *given, strict=True)]
            self.held[dealer, dealer] = kept

    def secret(self, index: int) -> list[int]:
        """Return the residues that a contributor shares."""
        return messages.with_checksum(self.id, self.round, self.field, self.peers[index].values)

    def _mask_shares(self, owner: int) -> dict[int, bytes]:
        if self.strict:
            return {}
        drawn = [
            int.from_bytes(self.draw(f"coefficient {k} of {owner}", 40), "big")
            % reference.SHAMIR_PRIME
            for k in range(1, self.threshold)
        ]
        seed = self.masks[owner]
        return {j: reference.shamir_share(seed, drawn, j) for j in self.contributors}

    def _share(self, dealer: int, receiver: int, length: int) -> None:
        purpose = f"share from {dealer} to {receiver}"
        if self.dense:
            drawn = self.draw(purpose, 16 * length)
            cut = [drawn[16 * k : 16 * k + 16] for k in range(length)]
            vector = [int.from_bytes(piece, "big") % self.p for piece in cut]
            self.sent[dealer, receiver] = messages.vector_bytes(self.field, vector)
        else:
            seed = link = self.draw(purpose, 32)
            for number in range(1, self.round + 1):
                place = self.id, number, dealer, receiver
                seed, self.keys[dealer, receiver], link = messages.ratchet(*place, link)
            self.sent[dealer, receiver] = seed
            told = self.id, self.round, "share", dealer, receiver, self.field
            vector = messages.expanded(*told, seed, length)
        self.held[dealer, receiver] = vector

    def plaintext(self, dealer: int, receiver: int) -> bytes:
        """Return what a dealer seals to a receiver."""
        share = b"" if (dealer, receiver) in self.keys else self.sent[dealer, receiver]
        return pack([share, self.mask_shares[dealer].get(receiver, b"")])

    @functools.cached_property
    def sealed(self) -> dict[tuple[int, int], bytes]:
        """Every SHARE's body, by dealer and receiver."""
        return {place: self._seal(*place) for place in self.sent}

    def _seal(self, dealer: int, receiver: int) -> bytes:
        plaintext = self.plaintext(dealer, receiver)
        info = messages.sealing_info(self.id, self.round, dealer, receiver)
        if (dealer, receiver) in self.keys:
            return reference_sealing.seal_once(self.keys[dealer, receiver], plaintext, info)
        return reference_sealing.seal(
            reference_sealing.sealing_public_key(self.peers[receiver].sealing_seed),
            plaintext,
            info,
            self.draw(f"seal from {dealer} to {receiver}", 64),
        )

    def commitment(self, dealer: int) -> list[Value]:
        """Return a dealer's COMMITMENT."""
        place = self.id, self.round
        shares: list[Value] = [
            messages.sealed_digest(*place, dealer, j, self.sealed[dealer, j])
            if j != dealer
            else bytes(32)
            for j in self.contributors
        ]
        hashes: list[Value] = [
            messages.mask_share_hash(*place, dealer, j, share)
            for j, share in self.mask_shares[dealer].items()
        ]
        return [messages.mask_commitment(*place, dealer, self.masks[dealer]), hashes, shares]

    # -- summing ----------------------------------------------------------------------------

    def _sum(self) -> None:
        weights = [self.peers[i].weight for i in self.contributors]
        self.sums: dict[int, list[int]] = {}
        self.masked: dict[int, list[int]] = {}
        self.partials: dict[int, bytes] = {}
        for j in self.contributors:
            column = [self.held[i, j] for i in self.contributors]
            self.sums[j] = reference.weighted_sum(column, weights, self.p)
            place = self.id, self.round, "mask", j, 0, self.field
            mask = messages.expanded(*place, self.masks[j], len(self.sums[j]))
            masked = [(a + b) % self.p for a, b in zip(self.sums[j], mask, strict=True)]
            self.masked[j] = masked
            self.partials[j] = messages.vector_bytes(self.field, masked)
        ones = [1] * len(self.contributors)
        self.slices: dict[tuple[int, int], list[bytes]] = {}
        self.slice_sums: dict[int, list[bytes]] = {}
        if self.sharded:
            self._cut(reference.weighted_sum(list(self.masked.values()), ones, self.p))
        self.total = reference.weighted_sum(list(self.sums.values()), ones, self.p)

    def _cut(self, hidden: Sequence[int]) -> None:
        """Cut the masked sums into slices, and list the sums of these."""
        for place, owner in enumerate(self.contributors):
            for sender in self.contributors:
                if sender != owner:
                    self.slices[sender, owner] = self._pieces(self.masked[sender], place)
            self.slice_sums[owner] = self._pieces(hidden, place)
            digests = [
                reference.body_digest(KINDS["SLICE_SUM"], body) for body in self.slice_sums[owner]
            ]
            self.partials[owner] = b"".join(digests)

    def _pieces(self, vector: Sequence[int], place: int) -> list[bytes]:
        """Return the bodies in which the slice of an owner travels."""
        start, stop = messages.slice_bounds(len(vector), len(self.contributors), place)
        part = vector[start:stop]
        return [
            messages.piece_body(number, messages.vector_bytes(self.field, part[first:last]))
            for number, (first, last) in enumerate(messages.pieces(len(part)))
        ]

    @functools.cached_property
    def acceptances(self) -> dict[int, bytes]:
        """Every peer's signature on the roster."""
        return {i: self.sign(i, "ACCEPT", pack(self.accept)) for i in self.peers}

    @functools.cached_property
    def commitments(self) -> dict[int, tuple[bytes, bytes]]:
        """Every contributor's COMMITMENT and its signature."""
        bodies = {i: pack(self.commitment(i)) for i in self.contributors}
        return {i: (body, self.sign(i, "COMMITMENT", body)) for i, body in bodies.items()}

    @functools.cached_property
    def partial_signatures(self) -> dict[int, bytes]:
        """Every contributor's signature on its PARTIAL."""
        return {i: self.sign(i, "PARTIAL", self.partials[i]) for i in self.contributors}

    @functools.cached_property
    def echo(self) -> list[Value]:
        """The ECHO that every contributor sends."""
        heard: list[Value] = [
            [
                reference.body_digest(KINDS["COMMITMENT"], self.commitments[i][0]),
                self.commitments[i][1],
                reference.body_digest(KINDS["PARTIAL"], self.partials[i]),
                self.partial_signatures[i],
            ]
            for i in self.contributors
        ]
        return [list(self.acceptances.values()), heard]

    @functools.cached_property
    def echo_signatures(self) -> dict[int, bytes]:
        """Every contributor's signature on the echo."""
        return {i: self.sign(i, "ECHO", pack(self.echo)) for i in self.contributors}

    def open(self, index: int) -> list[Value]:
        """Return a contributor's OPEN."""
        return [self.masks[index], list(self.echo_signatures.values())]

    @property
    def total_digest(self) -> bytes:
        """What CONFIRM carries."""
        data = messages.vector_bytes(self.field, self.total)
        return messages.total_digest(self.id, self.round, data)


# -- transcripts ------------------------------------------------------------------------------


def shown_bound(scaled: int, fraction_bits: int) -> str:
    """Return a bound as a transcript shows it."""
    if scaled == 0:
        return "automatic"
    digits = str(scaled * 5**fraction_bits).zfill(fraction_bits + 1)
    if not fraction_bits:
        return digits
    return f"{digits[:-fraction_bits]}.{digits[-fraction_bits:]}".rstrip("0").rstrip(".")


def transcript(session: ReferenceSession) -> list[str]:
    """Return the lines of a transcript."""
    p, lines = session.parameters, [FORMAT]
    bound, fraction_bits, weight_bound = p["bound"], p["fraction_bits"], p["weight_bound"]
    assert isinstance(bound, int)
    assert isinstance(fraction_bits, int)
    shown: dict[str, Value] = {
        "peers": p["peers"],
        "field": p["field"],
        "length": p["length"],
        "rounds": p["rounds"] or "open",
        "fraction-bits": fraction_bits,
        "bound": shown_bound(bound, fraction_bits),
        "weight-bound": weight_bound or PUBLIC_WEIGHTS,
        "share-mode": p["share_mode"],
        "sum-mode": p["sum_mode"],
        "strict": "true" if p["strict"] else "false",
        "body": messages.parameters_bytes(p),
    }
    lines.append(line("R0a", 0, "parameters", shown))
    for i, peer in session.peers.items():
        entry, signature = session.entries[i]
        told: dict[str, Value] = {"id": messages.shown_id(peer.id), "weight": peer.weight}
        told |= {"name": peer.name.encode(), "body": entry, "signature": signature}
        lines.append(line("R0b", i, "hello", told))
    for i, accepted in session.acceptances.items():
        lines.append(line("R0c", i, "roster", {"signature": accepted}))
    for i, (body, signature) in session.commitments.items():
        lines.append(line("R1", i, "commitment", {"body": body, "signature": signature}))
    for i, signature in session.partial_signatures.items():
        digest = reference.body_digest(KINDS["PARTIAL"], session.partials[i])
        lines.append(line("R2", i, "partial", {"digest": digest, "signature": signature}))
    digest = reference.body_digest(KINDS["ECHO"], pack(session.echo))
    lines.append(line("R3", 0, "echo", {"digest": digest}))
    for i, signature in session.echo_signatures.items():
        lines.append(line("R3", i, "echo", {"signature": signature}))
    return lines + _opened(session)


def _opened(session: ReferenceSession) -> list[str]:
    lines = []
    for i in session.contributors:
        data = messages.vector_bytes(session.field, session.sums[i])
        digest = reference.labelled_hash("public vector", data)
        lines.append(line("R4", i, "mask", {"seed": session.masks[i]}))
        if session.sharded:
            continue
        lines.append(line("R4", i, "sum", {"digest": digest, **_values(session, session.sums[i])}))
    total: dict[str, Value] = {"round": session.round, "digest": session.total_digest}
    return [*lines, line("R5", 0, "total", {**total, **_values(session, session.total)})]


def _values(session: ReferenceSession, vector: Sequence[int]) -> dict[str, Value]:
    if len(vector) > LONGEST_WRITTEN:
        return {}
    return {"values": ",".join(str(reference.centred(v, session.p)) for v in vector)}


def line(step: str, index: int, kind: str, fields: Mapping[str, Value]) -> str:
    """Return a line of a transcript."""
    shown = [
        f" {name}={value.hex() if isinstance(value, bytes) else value}"
        for name, value in fields.items()
    ]
    return f"{step} {index} {kind}" + "".join(shown)
