"""A peer written from docs/protocol.md alone: it shares no code with the package.

    python -m tests.independent_peer --bootstrap HOST:PORT#ID --values 3,-4 [--weight 2] [--name NAME]

It joins a session with public weights, in the modes `seeds` and `broadcast`, over `m31` or `m61` (for slices see
tests/independent_sharded.py), takes part in one round, and prints one JSON object: session, total, the digest of its transcript, and who confirmed.
Numbers in brackets are sections of the document.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from tests.independent_links import Links
from tests.independent_parts import (
    ABORT,
    ACCEPT,
    COMMITMENT,
    CONFIRM,
    ECHO,
    HELLO,
    JOIN,
    NOBODY,
    OPEN,
    PAIRWISE,
    PARAMETERS,
    PARTIAL,
    ROSTER,
    SECONDS,
    SHARE,
    UNMASK,
    Field,
    Founder,
    Frame,
    Member,
    Refused,
    body_digest,
    check,
    close,
    covered,
    dialled,
    in_groups,
    label,
    labelled,
    pack,
    seal,
    split,
    tls,
    unpack,
)

_SETTINGS = (
    *("nonce", "peers", "field", "length", "rounds", "fraction bits", "bound", "weight bound"),
    *("share mode", "sum mode", "strict", "allow two", "allow revealing weights", "allowed"),
    "study",
)
_NUMBER = struct.Struct(">I")


class Peer(Links):
    """One peer in one session of one round.

    Args:
        values: Whole numbers.
        weight: Public.
        name: Shown to the others.
    """

    sum_mode = "broadcast"

    def __init__(self, values: Sequence[int], weight: int, name: str) -> None:
        super().__init__()
        self._values, self._weight, self._name = values, weight, name
        self.heard: dict[int, dict[int, Frame]] = {}

    # -- the session [8.1, 9] -----------------------------------------------------------------

    def join(self, bootstrap: str) -> None:
        """Find the others, by way of a founder whose ID is pinned."""
        address, _, pinned = bootstrap.partition("#")
        context = tls(self.keys, server=False, alpn="p2pmpc-join")
        founder = Founder(self.keys, dialled(context, address))
        if founder.id.hex() != pinned.replace("-", ""):
            raise Refused("another peer than the one that is pinned")
        founder.connection.settimeout(SECONDS)
        nonce = os.urandom(32)
        founder.tell(JOIN, pack([1, self.keys.public, nonce]))
        version, returned, made_by, raw, _ = founder.hear(PARAMETERS)
        if (version, returned) != (1, nonce):
            raise Refused("an answer to another JOIN")
        if made_by != founder.id:
            raise Refused("a witness, and this peer knows no other address")
        self._take_parameters(raw)
        port = self.listener.getsockname()[1]
        founder.tell(HELLO, pack([*self._own_entry(), f"127.0.0.1:{port}"]))
        roster = [Member(*line) for line in founder.hear(ROSTER)]
        close(founder.connection)
        self._close_roster(roster, founder.id, address)

    def _take_parameters(self, raw: list[Any]) -> None:
        self.settings = dict(zip(_SETTINGS, raw, strict=True))
        self.parameters = pack(raw)
        self.parameters_digest = labelled("parameters", self.parameters)
        wanted = {
            "share mode": "seeds",
            "sum mode": self.sum_mode,
            "weight bound": 0,
            "rounds": 1,
            "study": b"",
        }
        if any(self.settings[name] != value for name, value in wanted.items()):
            raise Refused("parameters that this peer does not speak")
        if self.settings["length"] != len(self._values):
            raise Refused(f"{len(self._values)} values, and the session sums another number")
        self.field = Field(self.settings["field"])
        self.length = self.settings["length"] + 1

    def _own_entry(self) -> tuple[bytes, bytes]:
        keys = self.keys
        self.entry = pack(
            [
                *(keys.certificate, os.urandom(32), keys.sealing),
                *(self._weight, self._name, self.parameters_digest),
            ]
        )
        digest = body_digest(HELLO, self.entry)
        data = covered(self.parameters_digest, HELLO, keys.id, NOBODY, digest)
        return self.entry, keys.sign(data)

    def _close_roster(self, roster: list[Member], founder: bytes, bootstrap: str) -> None:
        for member in roster:
            member.check(self.parameters_digest)
        ids = {member.id for member in roster}
        if len(roster) != self.settings["peers"] or len(ids) != len(roster):
            raise Refused("a roster of another size")
        if founder not in ids or self.entry not in {member.body for member in roster}:
            raise Refused("a roster without the founder, or without this peer")
        self.members = dict(enumerate(sorted(roster, key=lambda member: member.id), 1))
        self.own = next(k for k, member in self.members.items() if member.id == self.keys.id)
        self.others = [k for k in self.members if k != self.own]
        self.contributors = [k for k, member in self.members.items() if member.weight]
        self.threshold = len(self.contributors) // 2 + 1
        self.outboxes = {k: [] for k in self.others}
        self.heard = {k: {} for k in self.members}
        self.addresses = {
            k: bootstrap if member.id == founder else member.address
            for k, member in self.members.items()
        }
        weights = sum(abs(member.weight) for member in self.members.values())
        largest = (self.field.modulus - 1) // 2 // weights
        self.limit = weights * (self.settings["bound"] or min(largest, (1 << 60) - 1))
        lines = []
        for member in self.members.values():
            digest = body_digest(HELLO, member.body)
            lines.append([member.id, member.weight, digest, member.signature])
        self.accepted = pack([unpack(self.parameters), lines])
        self.session = labelled("session", self.accepted)

    # -- messages [5, 12] ---------------------------------------------------------------------

    def sign(self, kind: int, body: bytes, receiver: int | None = None) -> Frame:
        bound = NOBODY if kind == ACCEPT else self.session
        to = NOBODY if receiver is None else self.members[receiver].id
        data = covered(bound, kind, self.keys.id, to, body_digest(kind, body))
        return Frame(kind, self.keys.sign(data), body)

    def say(self, kind: int, body: bytes) -> None:
        """Say something to all, and keep it as heard from this peer itself."""
        frame = self.heard[self.own][kind] = self.sign(kind, body)
        self.tell(frame, self.others)

    def hear(self, sender: int, frame: Frame) -> None:
        bound = NOBODY if frame.kind == ACCEPT else self.session
        to = self.keys.id if frame.kind in PAIRWISE else NOBODY
        member = self.members[sender]
        check(member.key, frame.signature, covered(bound, frame.kind, member.id, to, frame.digest))
        if frame.kind == ABORT:
            raise Refused(f"{member.entry[4]} ended: {unpack(frame.body)[:3]}")
        if frame.kind != UNMASK:
            known = self.heard[sender].setdefault(frame.kind, frame)
            if known != frame:
                raise Refused(f"two messages of kind {frame.kind} from {member.entry[4]}")

    def wait(self, kind: int, senders: Sequence[int]) -> dict[int, Frame]:
        """Return what everybody said of one kind."""
        until = time.monotonic() + SECONDS
        while not all(kind in self.heard[sender] for sender in senders):
            if time.monotonic() > until:
                raise Refused(f"kind {kind} is missing")
            self.turn()
        return {sender: self.heard[sender][kind] for sender in senders}

    # -- one round [11] -----------------------------------------------------------------------

    def run(self) -> list[int]:
        """Take part in the round, and return the total."""
        self.connect()
        self.say(ACCEPT, self.accepted)
        accepted = self.wait(ACCEPT, list(self.members))
        if any(frame.body != self.accepted for frame in accepted.values()):
            raise Refused("another roster")
        mask_seed, own_share = self._deal()
        commitments = self.wait(COMMITMENT, self.contributors)
        self.commitments = {k: unpack(frame.body) for k, frame in commitments.items()}
        self._sum(mask_seed, own_share)
        partials = self.wait(PARTIAL, self.contributors)
        self.heard_all()
        entries = [
            [c.digest, c.signature, p.digest, p.signature]
            for c, p in zip(commitments.values(), partials.values(), strict=True)
        ]
        self.say(ECHO, pack([[frame.signature for frame in accepted.values()], entries]))
        echoes = self.wait(ECHO, self.contributors)
        if len({frame.body for frame in echoes.values()}) != 1:
            raise Refused("echoes that differ")
        self.say(OPEN, pack([mask_seed, [frame.signature for frame in echoes.values()]]))
        return self._total(partials)

    def _deal(self) -> tuple[bytes, list[int]]:
        """Commit, send the shares, and return the mask seed and the share that is kept."""
        r = _NUMBER.pack(0)
        expand, sid = self.field.expand, self.session
        scaled = [v * (1 << self.settings["fraction bits"]) for v in self._values]
        gamma = expand(sid, labelled("gamma seed", sid, r), "gamma", 0, 0, len(scaled))
        checksum = sum(g * v for g, v in zip(gamma, scaled, strict=True))
        kept = [v % self.field.modulus for v in (*scaled, checksum)]
        mask_seed = os.urandom(32)
        mask_shares = [b""] * len(self.contributors)
        if not self.settings["strict"]:
            mask_shares = split(mask_seed, self.threshold, self.contributors)
        sealed: dict[int, bytes] = {}
        for receiver, mask_share in zip(self.contributors, mask_shares, strict=True):
            if receiver == self.own:
                continue
            seed, pair = os.urandom(32), struct.pack(">HH", self.own, receiver)
            share = expand(sid, seed, "share", self.own, receiver, self.length)
            kept = [(a - b) % self.field.modulus for a, b in zip(kept, share, strict=True)]
            info, public = label("seal") + sid + r + pair, self.members[receiver].entry[2]
            sealed[receiver] = seal(public, pack([seed, mask_share]), info)
        hashes = [
            labelled("mask share", sid, r + struct.pack(">HH", self.own, j), share)
            for j, share in zip(self.contributors, mask_shares, strict=True)
            if share
        ]
        digests = [
            labelled("sealed share", sid, r + struct.pack(">HH", self.own, j), sealed[j])
            if j in sealed
            else NOBODY
            for j in self.contributors
        ]
        own = r + struct.pack(">H", self.own)
        commitment = labelled("mask commitment", sid, own, mask_seed)
        self.say(COMMITMENT, pack([commitment, hashes, digests]))
        for receiver, body in sealed.items():
            self.tell(self.sign(SHARE, body, receiver), [receiver])
        return mask_seed, kept

    def _sum(self, mask_seed: bytes, own_share: list[int]) -> None:
        """Open every share, and say the masked sum of all."""
        dealers = [k for k in self.contributors if k != self.own]
        shares = {self.own: own_share}
        place = self.contributors.index(self.own)
        for dealer, frame in self.wait(SHARE, dealers).items():
            pair = _NUMBER.pack(0) + struct.pack(">HH", dealer, self.own)
            _, hashes, digests = self.commitments[dealer]
            if labelled("sealed share", self.session, pair, frame.body) != digests[place]:
                raise Refused("a share that was not committed to")
            info = label("seal") + self.session + pair
            seed, mask_share = unpack(self.keys.unseal(frame.body, info))
            if hashes and labelled("mask share", self.session, pair, mask_share) != hashes[place]:
                raise Refused("a b-share that was not committed to")
            shares[dealer] = self.field.expand(
                self.session, seed, "share", dealer, self.own, self.length
            )
        mask = self.field.expand(self.session, mask_seed, "mask", self.own, 0, self.length)
        for dealer, share in shares.items():
            weight = self.members[dealer].weight
            mask = [m + weight * s for m, s in zip(mask, share, strict=True)]
        self.say_sum([m % self.field.modulus for m in mask])

    def say_sum(self, masked: list[int]) -> None:
        """Say the masked sum."""
        self.say(PARTIAL, self.field.to_bytes(masked))

    def heard_all(self) -> None:
        """Wait for what else must have come before an ECHO: nothing."""

    def opened(self, partials: dict[int, Frame]) -> list[int]:
        """Return the total: the sum of all sums without their masks."""
        total = [0] * self.length
        for index, mask in self.masks.items():
            masked = self.field.from_bytes(partials[index].body, self.length)
            opened = [(e - m) % self.field.modulus for e, m in zip(masked, mask, strict=True)]
            self.sums[index] = opened
            total = [(t + s) % self.field.modulus for t, s in zip(total, opened, strict=True)]
        return total

    def _total(self, partials: dict[int, Frame]) -> list[int]:
        """Take the masks off, add up, check, and confirm."""
        self.seeds: dict[int, bytes] = {}
        self.sums: dict[int, list[int]] = {}
        self.masks: dict[int, list[int]] = {}
        for index, frame in self.wait(OPEN, self.contributors).items():
            self.seeds[index] = seed = unpack(frame.body)[0]
            own = _NUMBER.pack(0) + struct.pack(">H", index)
            if labelled("mask commitment", self.session, own, seed) != self.commitments[index][0]:
                raise Refused("a mask that was not committed to")
            self.masks[index] = self.field.expand(self.session, seed, "mask", index, 0, self.length)
        total = self.opened(partials)
        self.total = total
        gamma_seed = labelled("gamma seed", self.session, _NUMBER.pack(0))
        gamma = self.field.expand(self.session, gamma_seed, "gamma", 0, 0, self.length - 1)
        checksum = sum(g * t for g, t in zip(gamma, total[:-1], strict=True))
        signed = [self.field.signed(t) for t in total]
        if checksum % self.field.modulus != total[-1]:
            raise Refused("a total whose checksum does not fit")
        if any(abs(value) > self.limit for value in signed[:-1]):
            raise Refused("a total that is too large")
        self.total_digest = labelled(
            "total", self.session, _NUMBER.pack(0), self.field.to_bytes(total)
        )
        self.say(CONFIRM, pack([self.total_digest]))
        confirmed = self.wait(CONFIRM, list(self.members))
        if any(unpack(frame.body) != [self.total_digest] for frame in confirmed.values()):
            raise Refused("another total")
        return signed[:-1]


def main(kind: type[Peer] = Peer) -> int:
    """Run one peer from the command line.

    Args:
        kind: What it is; tests run dishonest ones.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.independent_peer")
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT#ID")
    parser.add_argument("--values", required=True, help="whole numbers, joined by commas")
    parser.add_argument("--weight", type=int, default=1)
    parser.add_argument("--name", default="")
    options = parser.parse_args()
    from tests.independent_record import transcript  # which reads a peer

    values = [int(value) for value in options.values.split(",")]
    peer = kind(values, options.weight, options.name)
    try:
        peer.join(options.bootstrap)
        total = peer.run()
    except Refused as refused:
        sys.stderr.write(f"refused: {refused}\n")
        return 4
    finally:
        peer.leave()
    written = transcript(peer)
    result = {
        "session": peer.session.hex(),
        "total": total,
        "transcript": sha256(written).hexdigest(),
        "confirmed": [in_groups(peer.members[k].id) for k in peer.members],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
