"""Bugs in parameters, in closed rosters, and on the way to n equal signatures."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

AGREEMENT: Final[tuple[Bug, ...]] = (
    *bugs(
        "parameters",
        "parameters",
        [
            (
                "one stated parameter may differ from the founder's",
                "        if differing:\n",
                "        if len(differing) > 1:\n",
            ),
            (
                "a session of one peer is possible",
                "(2 <= self.peers <= MOST_PEERS",
                "(1 <= self.peers <= MOST_PEERS",
            ),
            (
                "an allow-list may repeat its IDs",
                "list(self.allowed) == sorted(set(self.allowed))",
                "list(self.allowed) == sorted(self.allowed)",
            ),
            ("vectors have no checksum coordinate", "self.summed_length + 1", "self.summed_length"),
        ],
    ),
    *bugs(
        "session",
        "session membership",
        [
            ("one ID may be listed twice", "if len(set(ids)) != len(ids):", "if not ids:"),
            ("a roster may leave this peer out", "if own not in ids:", "if not own:"),
            (
                "a roster may be longer than agreed",
                "if len(ids) != parameters.peers:",
                "if len(ids) < parameters.peers:",
            ),
            (
                "one stranger to the allow-list is let in",
                "        if strangers:\n",
                "        if len(strangers) > 1:\n",
            ),
            (
                "a member may agree to other parameters",
                "if member.entry.parameters_digest != due:",
                "if not member.entry.parameters_digest:",
            ),
            (
                "the roster is in the order of arrival",
                "key=lambda m: m.id)",
                "key=lambda m: len(m.id))",
            ),
            (
                "entries are not verified",
                "        verify_signature(public_key, signed.signature, data)\n",
                "        assert data\n",
            ),
            (
                "sealing keys are not looked at",
                "        SealingPublicKey(entry.sealing_key).parse()\n",
                "        SealingPublicKey(entry.sealing_key)\n",
            ),
            (
                "the session id binds no entries",
                'labelled_hash("session", encode_body(acceptance))',
                'labelled_hash("session", encode_body(Accept(parameters, ())))',
            ),
            (
                "a public weight is taken where weights are private",
                "if parameters.private_weights and member.weight not in (0, 1):",
                "if parameters.private_weights and member.weight < 0:",
            ),
            (
                "a roster may hold observers only",
                "if not any(member.contributes for member in members):",
                "if not members:",
            ),
            (
                "a roster may leave its founder out",
                "if founder is not None and founder not in ids:",
                "if founder is not None and not founder:",
            ),
            (
                "private weights do not count in the range of a total",
                "w * (self.parameters.weight_bound or 1) for w in self.weights",
                "w * 1 for w in self.weights",
            ),
        ],
    ),
    *bugs(
        "membership",
        "membership",
        [
            (
                "a HELLO may come in another's name",
                "if member.id != identifier:",
                "if not identifier:",
            ),
            (
                "a second node may join with one key",
                "if known is not None and known != join.nonce:",
                "if known is not None and not join.nonce:",
            ),
            (
                "a second node may enter with one key",
                "if self._nonces.get(identifier, join.nonce) != join.nonce:",
                "if not self._nonces.get(identifier, join.nonce):",
            ),
            (
                "the founder's allow-list is not looked at",
                "if self.parameters.allowed and identifier not in self.parameters.allowed:",
                "if self.parameters.allowed and not identifier:",
            ),
            (
                "a closed session takes another entry of a member",
                "if self._entries.get(identifier) != hello.entry:",
                "if identifier not in self._entries:",
            ),
            (
                "a joiner that agreed to other parameters is entered",
                "if member.entry.parameters_digest != parameters_digest(self.parameters):",
                "if not member.entry.parameters_digest:",
            ),
            (
                "only the first bytes of a pinned ID are compared",
                "if pinned is not None and identifier != pinned:",
                "if pinned is not None and identifier[:4] != pinned[:4]:",
            ),
            (
                "the founder need not be on the joiner's allow-list",
                "if allowed and identifier not in allowed:",
                "if allowed and not identifier:",
            ),
            (
                "an offer may answer another knock",
                "if offer.nonce != self._nonce:",
                "if not offer.nonce:",
            ),
            (
                "a peer with a roster file passes for a founder",
                "if offer.founder == NO_FOUNDER:",
                "if not offer.founder:",
            ),
            (
                "offered parameters are not compared with the stated ones",
                "        self._stated.check(offer.parameters, offer.study)\n",
                "",
            ),
            (
                "the founder may exchange this peer's entry",
                "if by_id[self._identity.id].signed.body != entry.body:",
                "if not by_id[self._identity.id].signed.body:",
            ),
        ],
    ),
    *bugs(
        "witness",
        "witness",
        [
            (
                "a witness lets the founder's key in",
                "if identifier in (self._own, self.founder):",
                "if identifier == self._own:",
            ),
            (
                "a witness calls itself the founder",
                "return Offer(join.nonce, self.founder, self.parameters, self._study)",
                "return Offer(join.nonce, self._own, self.parameters, self._study)",
            ),
            (
                "a witness does not look at the founder's allow-list",
                "if self.parameters.allowed and identifier not in self.parameters.allowed:",
                "if self.parameters.allowed and not identifier:",
            ),
            (
                "a witness takes a HELLO in another's name",
                "if member.id != identifier:",
                "if not identifier:",
            ),
            (
                "a witness takes a HELLO under other parameters",
                "if member.entry.parameters_digest != parameters_digest(self.parameters):",
                "if not member.entry.parameters_digest:",
            ),
            (
                "a witness takes a second node with one key",
                "        if nonce != join.nonce:\n",
                "        if not nonce:\n",
            ),
            (
                "whoever leaves a witness objects",
                "if self.session is None or last_word.code != AgreementFailed.exit_code:",
                "if self.session is None:",
            ),
            (
                "a last word before the roster objects",
                "if self.session is None or last_word.code != AgreementFailed.exit_code:",
                "if last_word.code != AgreementFailed.exit_code:",
            ),
            (
                "a witness does not hold HELLOs against the roster",
                "(heard.digest, heard.signed.signature) != (listed.digest, listed.signed.signature)",
                "heard.id != listed.id",
            ),
            (
                "two rosters with other addresses are one",
                "    if mine == theirs and len(other.entries)",
                "    if mine.keys() == theirs.keys() and len(other.entries)",
            ),
            (
                "two rosters of one size are one",
                "    if mine == theirs and len(other.entries)",
                "    if len(mine) == len(theirs) and len(other.entries)",
            ),
            (
                "a closed session is offered to strangers",
                "if self.session is not None and all(",
                "if self.session is None and all(",
            ),
        ],
    ),
    *bugs(
        "agreement",
        "membership disputes",
        [
            (
                "an end that another one brought is not told on",
                "        return self.abort(error_of_abort(self._session, peer, abort))\n",
                "        self.ended = True\n        return [Failed(error_of_abort(self._session, peer, abort))]\n",
            ),
            (
                "n-1 acceptances are enough",
                "if len(self.signatures) < len(self._session.members):",
                "if len(self.signatures) < len(self._session.members) - 1:",
            ),
            (
                "an acceptance of another roster counts",
                "if signed.digest != self._own.digest:",
                "if len(message.entries) != len(self._session.acceptance.entries):",
            ),
            (
                "a second signature on one roster goes unnoticed",
                "if (before.digest, before.signature) == (after.digest, after.signature):",
                "if before.digest == after.digest:",
            ),
            (
                "one stranger in the roster passes the own allow-list",
                "    if strangers:\n",
                "    if len(strangers) > 1:\n",
            ),
        ],
    ),
    *bugs(
        "endings",
        "membership disputes adversary",
        [
            (
                "others are told what is wrong with the own input",
                "            reason = told\n",
                "            reason = error.message or told\n",
            ),
            (
                "an accusation names the accused alone",
                "tuple(dict.fromkeys((peer, *peers)))",
                "peers",
            ),
            (
                "two entries convict their owner alone",
                "peers = tuple(sorted({owner, suspect}))",
                "peers = (owner,)",
            ),
        ],
    ),
    *bugs(
        "evidence",
        "disputes verify",
        [
            (
                "evidence may name a round that no frame has",
                "if not 0 <= self.round < 1 << 32:",
                "if self.round < 0:",
            ),
        ],
    ),
    *bugs(
        "endings",
        "disputes",
        [
            (
                "evidence in an ABORT is believed unseen",
                "proven = check_evidence(session, evidence)",
                "proven = evidence.claim.value",
            ),
        ],
    ),
)
