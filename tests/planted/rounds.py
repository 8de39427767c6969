"""Bugs in slices and their sums, in the ratchet, and in what the shell keeps between rounds."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

ROUNDS: Final[tuple[Bug, ...]] = (
    *bugs(
        "slices",
        "slices sharded",
        [
            (
                "slices leave out what does not divide",
                "(place + 1) * self.length // self.owners)",
                "place * self.length // self.owners + self.length // self.owners)",
            ),
            (
                "an empty slice has no piece",
                "return max(1, (self.size(place) + PIECE - 1) // PIECE)",
                "return (self.size(place) + PIECE - 1) // PIECE",
            ),
            (
                "the rest of a slice is in no piece",
                "(self.size(place) + PIECE - 1) // PIECE)",
                "self.size(place) // PIECE)",
            ),
            (
                "a piece reaches into the next slice",
                "min((number + 1) * PIECE, self.size(place))",
                "(number + 1) * PIECE",
            ),
            (
                "the cap forgets the larger slices",
                "return min(PIECE, self.length // self.owners + 1)",
                "return min(PIECE, self.length // self.owners)",
            ),
        ],
    ),
    *bugs(
        "summing",
        "slices sharded",
        [
            (
                "masks are taken off twice",
                "_add_masks_in_place(context, hidden, seeds, -1)",
                "_add_masks_in_place(context, hidden, seeds, -2)",
            ),
            (
                "a piece is put where the first one is",
                "slice(None) if piece is None else self._slices.piece(place, piece)",
                "slice(None) if piece is None else self._slices.piece(place, 0)",
            ),
            (
                "pieces of one's own slice are not added but replaced",
                "self._session.parameters.arithmetic.add_into(part, words)",
                "part[:] = words",
            ),
            (
                "a list of another number of digests is taken",
                "if len(content) != due:",
                "if len(content) > due:",
            ),
            (
                "pieces behind the last one are taken",
                "if piece >= session.slices.pieces(place):",
                "if piece > session.slices.pieces(place):",
            ),
            (
                "elements >= p of a piece are taken",
                "    session.parameters.arithmetic.decode(content, bounds.stop - bounds.start)\n",
                "    assert len(content) >= bounds.stop - bounds.start\n",
            ),
            (
                "a slice is held against its sender's bounds",
                "_check_piece(session, receiver, piece, content)",
                "_check_piece(session, sender, piece, content)",
            ),
            (
                "observers have slices",
                "if any(party not in session.places for party in parties):",
                "if parties[0] not in session.places:",
            ),
            (
                "a piece has a place in broadcast mode",
                "    if not session.parameters.is_sharded:\n        raise",
                "    if not session.parameters:\n        raise",
            ),
        ],
    ),
    *bugs(
        "hearing",
        "sharded disputes",
        [
            (
                "the sum of a slice is not held against its list",
                "if digests[piece * DIGEST_BYTES : (piece + 1) * DIGEST_BYTES] != signed.digest:",
                "if not digests:",
            ),
            (
                "any listed digest will do for a piece",
                "if digests[piece * DIGEST_BYTES : (piece + 1) * DIGEST_BYTES] != signed.digest:",
                "if signed.digest not in digests:",
            ),
            (
                "pieces may come in any order",
                "if number and (message.kind, number - 1) not in self.links[peer].said:",
                "if number and not self.links[peer].said:",
            ),
            (
                "the first piece ends a slice",
                "return number_of(message) + 1 == self.session.slices",
                "return number_of(message) + 1 <= self.session.slices",
            ),
            (
                "a slice ends where its sender's would",
                "owner = self.session.own_index if isinstance(message, Slice) else peer",
                "owner = peer",
            ),
            (
                "a second piece that differs is passed over",
                "        if message.kind in PIECEWISE:  # what the first one said was used, and is not kept\n            raise",
                "        if message.kind in PIECEWISE:\n            return False\n            raise",
            ),
            (
                "an observer waits for slices",
                "return AMONG_OWNERS if session.contributes else OF_SLICES_TO_AN_OBSERVER",
                "return AMONG_OWNERS",
            ),
        ],
    ),
    *bugs(
        "disputes",
        "disputes sharded",
        [
            (
                "two pieces of one slice are equivocation",
                "_need(one.kind not in PIECEWISE, ",
                "_need(bool(one.kind), ",
            ),
            (
                "the piece that was listed is another one",
                "_need(due != summed.digest, ",
                "_need(bool(summed.digest), ",
            ),
            (
                "a piece behind the list is another one",
                "_need(bool(due), ",
                "_need(start >= 0, ",
            ),
            (
                "the list of another peer convicts",
                "_need(listed.sender == summed.sender == evidence.culprit, ",
                "_need(summed.sender == evidence.culprit, ",
            ),
            (
                "a list of any size convicts",
                "    check_content(context, listed.sender, TO_EVERYBODY, listing)\n",
                "    assert context\n",
            ),
        ],
    ),
    *bugs(
        "joints",
        "sharded rounds",
        [
            (
                "the sum of a slice leaves before all have sent theirs",
                "lambda s: s.heard.all_contributors(Column.SLICED),",
                "lambda s: s.heard.all_contributors(Column.SHARED),",
            ),
        ],
    ),
    *bugs(
        "steps",
        "sharded rounds",
        [
            (
                "slices are signed to everybody",
                "self._sign(Slice(piece, bytes_of(words)), owner)",
                "self._sign(Slice(piece, bytes_of(words)))",
            ),
            (
                "the own slice is left out of its sum",
                "                    self.heard.slices.add(words, piece)\n                    continue",
                "                    self.heard.slices.add(words * 0, piece)\n                    continue",
            ),
            (
                "later rounds have no ratchet",
                "if dealing is None or session.parameters.share_mode ==",
                "if True or session.parameters.share_mode ==",
            ),
            (
                "the ratchet begins anew every round",
                "        if ratchet is None:\n            given",
                "        if True:\n            given",
            ),
            (
                "the sealing key is kept for later rounds",
                "            self._sealer.forget()",
                "            self._sealer",
            ),
        ],
    ),
    *bugs(
        "protocol",
        "sharded rounds",
        [
            (
                "every round has the number of the first",
                "number=self.number + 1,",
                "number=self.number,",
            ),
        ],
    ),
    *bugs(
        "transcript",
        "sharded",
        [
            (
                "a sharded total is not held against the lists",
                "if body_digest(Kind.PARTIAL, listed) != partials[index].body:",
                "if not listed:",
            ),
            (
                "a sharded transcript's total is not checked",
                '        check_total(context, total)\n        written = _written_total(context, total)\n        if written.digest != reader.bytes_of(fields, "digest", 32):\n            raise TranscriptFault("the total is not the one that was confirmed"',
                '        written = _written_total(context, total)\n        if written.digest != reader.bytes_of(fields, "digest", 32):\n            raise TranscriptFault("the total is not the one that was confirmed"',
            ),
        ],
    ),
    *bugs(
        "ratchet",
        "ratchet rounds",
        [
            (
                "the ratchet does not step",
                "self._seeds[i, j], self._keys[i, j], self._links[i, j] = (",
                "self._seeds[i, j], self._keys[i, j], _ = (",
            ),
            (
                "links and seeds are one",
                '("ratchet seed", "ratchet key", "ratchet link")',
                '("ratchet seed", "ratchet key", "ratchet seed")',
            ),
            (
                "keys and seeds are one",
                '("ratchet seed", "ratchet key", "ratchet link")',
                '("ratchet seed", "ratchet seed", "ratchet link")',
            ),
            (
                "a step does not bind the round",
                'numbers = round_number.to_bytes(4, "big")',
                "numbers = bytes(4)",
            ),
            (
                "a step does not bind the direction",
                'i.to_bytes(2, "big") + j.to_bytes(2, "big")',
                'min(i, j).to_bytes(2, "big") + max(i, j).to_bytes(2, "big")',
            ),
            (
                "a step does not bind the session",
                "salt=salt, info=info",
                "salt=bytes(32), info=info",
            ),
            (
                "a key seals more than once",
                "self._keys.pop((self._own, receiver))",
                "self._keys[self._own, receiver]",
            ),
            (
                "a seal of the ratchet does not bind its place",
                "decrypt(_NONCE, sealed, info)",
                'decrypt(_NONCE, sealed, b"")',
            ),
            (
                "the link of round 0 is kept",
                "        self._own = own\n",
                "        self._own, self._first = own, given\n",
            ),
        ],
    ),
    *bugs(
        "dealing",
        "rounds ratchet dealing",
        [
            (
                "a share of a later round brings its seed",
                'told = replace(plain, share=b"") if ratchet else plain',
                "told = plain",
            ),
            (
                "a seed in a share of a later round is taken",
                "strict=parameters.strict, ratcheted=bool(ratchet))",
                "strict=parameters.strict, ratcheted=bool(ratchet and len(data) < 60))",
            ),
        ],
    ),
    *bugs(
        "wire",
        "wire slices",
        [
            (
                "seeds are taken in later rounds",
                "SEED_BYTES * (not ratcheted)",
                "SEED_BYTES * (not (ratcheted and not plain.share))",
            ),
            (
                "a piece needs no whole number",
                "if not limits.sharded or len(body) < PIECE_NUMBER.size:",
                "if not limits.sharded:",
            ),
            (
                "pieces are read where there are none",
                "if not limits.sharded or len(body) < PIECE_NUMBER.size:",
                "if len(body) < PIECE_NUMBER.size:",
            ),
        ],
    ),
    *bugs(
        "early",
        "runner",
        [
            (
                "what came early and comes again is held against its sender",
                "        if frame in kept:\n",
                "        if not frame:\n",
            ),
            (
                "a round may be spoken of before the last is confirmed",
                " or not has_confirmed\n",
                "\n",
            ),
            (
                "a peer may be two rounds ahead",
                "ahead = frame.round > current + 1 or",
                "ahead = frame.round > current + 9 or",
            ),
            (
                "anything early is kept",
                "if ahead or 0 < rounds <= frame.round or same_kind >= most:",
                "if ahead or 0 < rounds <= frame.round:",
            ),
            (
                "rounds beyond those agreed on are spoken of",
                "if ahead or 0 < rounds <= frame.round or same_kind >= most:",
                "if ahead or same_kind >= most:",
            ),
            (
                "an observer keeps no pieces",
                "Kind.SLICE_SUM: self._session.slices.most_pieces,",
                "Kind.SLICE_SUM: 1,",
            ),
            (
                "what came early is lost",
                "        early, self._kept = self._kept, {}\n",
                "        early, self._kept = {}, {}\n",
            ),
        ],
    ),
    *bugs(
        "runner",
        "runner",
        [
            (
                "a late frame is a violation",
                "            return []  # of a round that is done: said again after a reconnection\n",
                "            pass\n",
            ),
            (
                "what became of the others is forgotten between rounds",
                "            await self._perform(self._round.lost(peer))\n",
                "            pass\n",
            ),
        ],
    ),
    *bugs(
        "mesh",
        "runner",
        [
            (
                "nothing is ever let go",
                "while self.first < self.begun.get(round_number, 0):",
                "while self.first < 0:",
            ),
            (
                "what a peer still needs is let go",
                "while self.first < self.begun.get(round_number, 0):",
                "while self.frames and self.first <= self.begun.get(round_number, 0):",
            ),
            (
                "a frame is left out where some were let go",
                "while (position := max(position, outbox.first)) < outbox.end:",
                "while (position := max(position, outbox.first + bool(outbox.first))) < outbox.end:",
            ),
            (
                "large frames are copied",
                "        return outbox.frames[position - outbox.first], position + 1\n",
                '        return (b"".join(outbox.frames[position - outbox.first]),), position + 1\n',
            ),
        ],
    ),
)
