"""Bugs in dealing, and in what a round hears, opens and decides."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

ROUND: Final[tuple[Bug, ...]] = (
    *bugs(
        "dealing",
        "dealing adversary",
        [
            (
                "the mask seed is used as a share's seed",
                "if ratchet else entropy(SEED_BYTES)",
                "if ratchet else mask_seed",
            ),
            (
                "two receivers get one seed",
                "if ratchet else entropy(SEED_BYTES)",
                "if ratchet else next((p.share for p in plains.values()), entropy(SEED_BYTES))",
            ),
            (
                "every mask is expanded from one seed",
                "return mask_expansion(\n            seed,",
                "return mask_expansion(\n            bytes(32),",
            ),
            (
                "the commitment does not cover the mask seed",
                "self._numbers(owner), seed)",
                "self._numbers(owner))",
            ),
            (
                "the commitment to a mask does not bind its owner",
                "self._numbers(owner), seed)",
                "self._numbers(), seed)",
            ),
            (
                "hashes of mask shares do not bind their holder",
                "self._numbers(owner, holder), share)",
                "self._numbers(owner), share)",
            ),
            (
                "seals do not bind the session",
                'label("seal") + self.session.id + self._numbers',
                'label("seal") + self._numbers',
            ),
            (
                "seals do not bind dealer and receiver",
                "self.session.id + self._numbers(dealer, receiver)\n",
                "self.session.id + self._numbers()\n",
            ),
            (
                "the digest of a total does not bind the session",
                'labelled_hash("total", self.session.id, ',
                'labelled_hash("total", ',
            ),
            (
                "every contributor gets the same mask share",
                'mask_shares.get(receiver, b"")',
                'mask_shares.get(own, b"")',
            ),
            (
                "observers are dealt shares",
                "for receiver in session.other_contributors:",
                "for receiver in session.others:",
            ),
            (
                "sealed shares are not held against their commitment",
                "share.sealed) != committed:",
                "share.sealed) == bytes(32):",
            ),
            (
                "mask shares are not held against their hashes",
                "if context.mask_share_hash(owner, holder, share) != committed:",
                "if not committed:",
            ),
            (
                "a dealt mask share is taken unseen",
                "        check_mask_share(context, dealer, own, commitment, plain.mask_share)\n",
                "        check_share(plain.mask_share)\n",
            ),
            (
                "dense elements are not looked at when they come",
                "        parameters.arithmetic.decode(plain.share, parameters.extended_length)\n",
                "        assert plain.share\n",
            ),
            (
                "a commitment of the other mode is taken",
                "if bool(commitment.mask_shares) == context.session.parameters.strict:",
                "if commitment.mask_shares and context.session.parameters.strict:",
            ),
            (
                "a dealer may commit to a share for itself",
                "if commitment.shares[context.session.places[dealer]] != NO_DIGEST:",
                "if not commitment.shares[context.session.places[dealer]]:",
            ),
        ],
    ),
    *bugs(
        "summing",
        "dealing protocol adversary",
        [
            (
                "the correction forgets a share",
                "for receiver, plain in dealing.plains.items()\n    ]",
                "for receiver, plain in list(dealing.plains.items())[1:]\n    ]",
            ),
            (
                "the partial sum leaves without its mask",
                "    terms.append((context.mask(own, dealing.mask_seed), 1))\n",
                "",
            ),
            (
                "a total forgets a partial sum",
                "for vector in vectors.values()]",
                "for vector in list(vectors.values())[1:]]",
            ),
            (
                "elements >= p of a partial sum are taken",
                "parameters.arithmetic.decode(content, parameters.extended_length)",
                "assert len(content) >= parameters.extended_length",
            ),
            (
                "the weights of others are left out",
                "(context.share(plain, dealer, own), session.member(dealer).weight)",
                "(context.share(plain, dealer, own), 1)",
            ),
            ("the own weight is left out", "= [(secret, weight)]", "= [(secret, 1)]"),
            (
                "the checksum of a total is not compared",
                "if [due] != parameters.arithmetic.integers(total[length:]):",
                "if due < 0:",
            ),
            (
                "one good element excuses the others of a total",
                "        if outside.any():\n",
                "        if outside.all():\n",
            ),
            (
                "a total of private weights has the range of values",
                "total[length : length + 1], weight_limit)",
                "total[length : length + 1], limit)",
            ),
        ],
    ),
    *bugs(
        "script",
        "adversary::test_no_step_can_be_left_out protocol adversary",
        [
            (
                "the SHARE can be left out",
                "{Kind.SHARE: Column.SHARED},\n    Column.SHARED: {Kind.PARTIAL: Column.SUMMED},",
                "{Kind.SHARE: Column.SHARED, Kind.PARTIAL: Column.SUMMED},",
            ),
            (
                "the ECHO can be left out",
                "Column.SUMMED: {Kind.ECHO: Column.ECHOED},",
                "Column.SUMMED: {Kind.ECHO: Column.ECHOED, Kind.OPEN: Column.OPENED},",
            ),
            (
                "a mask share may come before its holder opens",
                "Column.ECHOED: {Kind.OPEN: Column.OPENED},",
                "Column.ECHOED: {Kind.OPEN: Column.OPENED, Kind.UNMASK: Column.ECHOED},",
            ),
        ],
    ),
    *bugs(
        "hearing",
        "adversary protocol",
        [
            (
                "n-1 echoes are enough",
                "len(self.echoes) == len(self.session.places)",
                "len(self.echoes) >= len(self.session.places) - 1",
            ),
            (
                "one contributor need not be heard",
                "return all(self.links[i].column >= column for i in self.session.other_contributors)",
                "return all(self.links[i].column >= column for i in self.session.other_contributors[1:])",
            ),
            (
                "echoes are not compared",
                "        if mine != theirs:\n",
                "        if len(mine.entries) != len(theirs.entries):\n",
            ),
            (
                "the acceptances in echoes are not compared",
                "        if mine != theirs:\n",
                "        if mine.entries != theirs.entries:\n",
            ),
            (
                "an echo that came early is held unseen",
                "                    self._check(peer, signed)\n                except",
                "                    self._hold_echo(peer, signed.signature)\n                except",
            ),
            (
                "an OPEN needs no signatures on its echo",
                "if not self._notary.is_signed_by(index, Kind.ECHO, number, digest, signature):",
                "if not signature:",
            ),
            (
                "one echo signed in two ways goes unnoticed",
                "        if held != signature:\n",
                "        if not held:\n",
            ),
            (
                "a differing message in one place is passed over",
                "if known.digest == signed.digest and known.signature == signed.signature:",
                "if known.round == signed.round:",
            ),
            (
                "another signature in one place is passed over",
                "if known.digest == signed.digest and known.signature == signed.signature:",
                "if known.digest == signed.digest:",
            ),
            (
                "an echo may come before the own sum",
                "kind is Kind.ECHO and has_summed",
                "kind is Kind.ECHO",
            ),
            (
                "an OPEN may come before the own echo",
                "kind is Kind.ECHO and has_summed",
                "has_summed",
            ),
            (
                "an early CONFIRM is looked for behind an observer's ECHO",
                " and peer in self.session.places\n        if self._echo",
                "\n        if self._echo",
            ),
            (
                "messages of later rounds are taken",
                "if signed.round != self._context.number:",
                "if signed.round < self._context.number:",
            ),
            (
                "a mask share of an observer is looked up",
                "if message.about not in self.session.places:",
                "if message.about not in self.session.indices:",
            ),
            (
                "sealed shares are opened without a look at the commitment",
                "check_sealed(self._context, peer, own, commitment, share)",
                "assert commitment",
            ),
            (
                "an observer may hand out mask shares",
                "        return OF_AN_OBSERVER\n",
                "        return {**TO_AN_OBSERVER, **OF_AN_OBSERVER}\n",
            ),
            (
                "an observer waits for shares",
                "return AMONG_CONTRIBUTORS if session.contributes else TO_AN_OBSERVER",
                "return AMONG_CONTRIBUTORS",
            ),
        ],
    ),
    *bugs(
        "opening",
        "protocol adversary",
        [
            (
                "an opened mask seed is not held against its commitment",
                "if self._context.mask_commitment(owner, seed) != self._commitment_of(owner).mask:",
                "if not seed:",
            ),
            (
                "a mask share handed out is not held against its hash",
                "        check_mask_share(self._context, owner, holder, self._commitment_of(owner), share)\n",
                "        check_mask_share\n",
            ),
            (
                "mask shares have a place in strict mode",
                '            raise RemoteProtocolError("a mask share in strict mode")\n',
                "            return\n",
            ),
            (
                "a mask share is handed out again and again",
                "(asked or is_missed(owner)) and owner not in self.released:",
                "(asked or is_missed(owner)):",
            ),
            (
                "nobody joins in a recovery that others began",
                "if (asked or is_missed(owner)) and",
                "if is_missed(owner) and",
            ),
            (
                "a recovery takes one share more than dealt for",
                "or len(shares) < self._session.threshold:",
                "or len(shares) <= self._session.threshold:",
            ),
            (
                "a recovered mask seed is not held against its commitment",
                "self.open(owner, combine(chosen))",
                "self.seeds[owner] = combine(chosen)",
            ),
            (
                "a peer opens with one seed missing",
                "return len(self.seeds) == len(self._session.places)",
                "return len(self.seeds) >= len(self._session.places) - 1",
            ),
        ],
    ),
    *bugs(
        "joints",
        "protocol adversary schedules",
        [
            (
                "masks open before the echoes are complete",
                "lambda s: s.heard.echoes_are_complete,\n        Steps.open_mask,",
                "lambda s: bool(s.heard.echoes),\n        Steps.open_mask,",
            ),
            (
                "shares leave before the roster is signed",
                "None,\n        lambda s: s.started,\n        Steps.deal,",
                "None,\n        lambda s: True,\n        Steps.deal,",
            ),
            ("the ECHO does not wait for the ledger", "lambda s: s.recorded,", "lambda s: True,"),
        ],
    ),
    *bugs(
        "steps",
        "protocol adversary schedules",
        [
            (
                "the ledger is written after the ECHO",
                "return [RecordInput()]",
                "return [*self.echo(), RecordInput()]",
            ),
            (
                "a total is not checked",
                "        check_total(self.context, total)\n",
                "        check_total\n",
            ),
            (
                "another total that is confirmed goes unnoticed",
                "if link.confirmed is not None and link.confirmed != confirm.total_digest:",
                "if link.confirmed is not None and not confirm.total_digest:",
            ),
            (
                "nobody waits for the confirmation of others",
                "return all(link.confirmed is not None or link.gone for link in self.heard.links.values())",
                "return any(link.confirmed is not None or link.gone for link in self.heard.links.values())",
            ),
            (
                "the checksum coordinate is shown with a total",
                "Finished(total[:length], self._record(total)",
                "Finished(total, self._record(total)",
            ),
        ],
    ),
    *bugs(
        "protocol",
        "protocol adversary schedules",
        [
            (
                "mask shares leave before n echoes are held",
                "        if self.stage < Stage.OPENED:\n            return []\n        shares",
                "        if self.stage < Stage.ECHOED:\n            return []\n        shares",
            ),
            (
                "an ABORT before the ECHO is ignored",
                "            return self.stage < Stage.ECHOED\n",
                "            return self.stage < Stage.DEALT\n",
            ),
            (
                "an ABORT after the ECHO stops the finish",
                "            return self.stage < Stage.ECHOED\n",
                "            return self.stage < Stage.DONE\n",
            ),
            (
                "an ABORT with proof does not stop the finish",
                "            if culprit in self.session.places or culprit == self.session.own_index:\n                return self.abort(error)\n",
                "            if culprit == self.session.own_index:\n                return self.abort(error)\n",
            ),
            (
                "an end after the ECHO says that nothing was revealed",
                "(self.stage >= Stage.ECHOED and self.session.contributes):",
                "(self.stage >= Stage.CONFIRMED and self.session.contributes):",
            ),
            (
                "a machine ends more than once",
                "        if self.ended:\n            return []\n        self.ended = True\n",
                "        self.ended = True\n",
            ),
            (
                "mask shares of a peer that is away are kept back",
                "link.gone or link.away or self._impatient_at is Stage.OPENED",
                "link.gone or self._impatient_at is Stage.OPENED",
            ),
            (
                "mask shares are never all handed out",
                "            return True  # somebody does not confirm",
                "            pass  # somebody does not confirm",
            ),
        ],
    ),
)
