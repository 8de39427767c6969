"""Bugs in who is blamed, in the ledger, and in what a transcript or a receipt proves."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

RECORDS: Final[tuple[Bug, ...]] = (
    *bugs(
        "disputes",
        "disputes",
        [
            (
                "evidence is judged without its signatures",
                "        _verify(session, statement)\n\n\ndef _verify",
                "\n\ndef _verify",
            ),
            (
                "evidence may show another body than was signed",
                "if statement.body and body_digest(statement.kind, statement.body) != statement.digest:",
                "if statement.body and not statement.digest:",
            ),
            (
                "a digest speaks for a body that is not shown",
                '    _need(body_digest(statement.kind, statement.body) == statement.digest, "a body is missing")\n',
                "",
            ),
            (
                "messages in different places are equivocation",
                "_need(place == (two.kind, two.round, two.receiver)",
                "_need(place[:0] == (two.kind, two.round, two.receiver)[:0]",
            ),
            (
                "shares for two receivers are equivocation",
                "_need(place == (two.kind, two.round, two.receiver)",
                "_need(place[:2] == (two.kind, two.round)",
            ),
            (
                "messages of two rounds are equivocation",
                "_need(place == (two.kind, two.round, two.receiver)",
                "_need((one.kind, one.receiver) == (two.kind, two.receiver)",
            ),
            (
                "saying one thing twice is equivocation",
                "_need((one.digest, one.signature) != (two.digest, two.signature)",
                "_need(bool(one.digest)",
            ),
            (
                "two ABORTs are equivocation",
                "one.kind not in (Kind.ABORT, Kind.HELLO)",
                "one.kind is not Kind.HELLO",
            ),
            (
                "mask shares about two peers are equivocation",
                "_need(len(about) == 1, ",
                "_need(len(about) > 0, ",
            ),
            (
                "a restarted peer equivocates",
                "_entry_in(session, one, own) == _entry_in(session, two, own) is not None,",
                "_entry_in(session, one, own) is not None is not _entry_in(session, two, own),",
            ),
            ("one entry is two", "_need(one.digest != two.digest, ", "_need(bool(one.digest), "),
            (
                "statements of two rounds are laid together",
                "_need(len({s.round for s in evidence.statements}) == 1, ",
                "_need(bool(evidence.statements), ",
            ),
            (
                "a good message is ill-formed",
                '_need(_breaks(read), "there is nothing wrong with it")',
                "_breaks(read)",
            ),
            (
                "a true echo is false",
                "_need(not all(_is_signed(session, said) for said in echoed), ",
                "_need(bool(echoed), ",
            ),
            (
                "the share committed to is another one",
                '    _need(not right, "it is the share committed to")\n',
                "    assert right in (True, False)\n",
            ),
            (
                "the share of another is held against its dealer",
                "_need(shared.sender == evidence.culprit, ",
                "_need(shared.sender > 0, ",
            ),
            (
                "the mask seed committed to is another one",
                "_need(made != commitment.mask, ",
                "_need(bool(made), ",
            ),
            (
                "an opening with all signatures is early",
                "_need(not all(_is_signed(session, echo) for echo in echoes), ",
                "_need(bool(echoes), ",
            ),
            (
                "the mask share committed to is another one",
                '    _need(not right, "it is the mask share committed to")\n',
                "    assert right in (True, False)\n",
            ),
            (
                "too few mask shares convict their dealer",
                "_need(len(shares) == len(evidence.mask_shares) == session.threshold, ",
                "_need(len(shares) == len(evidence.mask_shares), ",
            ),
            (
                "made-up mask shares convict a dealer",
                "        check_mask_share(context, evidence.culprit, holder, commitment, share)\n\n    def",
                "        assert holder and share\n\n    def",
            ),
            (
                "a witness convicts others of what nobody signed",
                "here.sender != session.own_index and _is_signed(session, there):",
                "here.sender != session.own_index:",
            ),
            (
                "a SHARE may be signed to everybody",
                "if (statement.receiver == TO_EVERYBODY) == (statement.kind in _PAIRWISE):",
                "if statement.receiver != TO_EVERYBODY and statement.kind not in _PAIRWISE:",
            ),
        ],
    ),
    *bugs(
        "exhibit",
        "disputes",
        [
            (
                "a file of evidence need not be canonical",
                "if canonical != text:",
                "if not canonical:",
            ),
            (
                "a file of evidence is believed unseen",
                "what = check_evidence(session, evidence)",
                "what = evidence.claim.value",
            ),
        ],
    ),
    *bugs(
        "ledger",
        "protocol",
        [
            (
                "the ledger does not compare weights",
                "return all(a * two[0] == b * one[0] for a, b in zip(one, two, strict=True))",
                "return len(one) == len(two)",
            ),
            (
                "the ledger does not compare contributors",
                "if self.contributors != other.contributors:",
                "if len(self.contributors) != len(other.contributors):",
            ),
            ("digests in the ledger have no key", "hmac.digest(key, ", 'hmac.digest(b"p2pmpc", '),
            (
                "the ledger forgets that differencing was accepted",
                "return replace(entry, accepted=True)",
                "return entry",
            ),
            (
                "the ledger does not compare private weights",
                "self.own_weight is not None and self.own_weight == other.own_weight",
                "self.own_weight is not None and other.own_weight is not None",
            ),
            (
                "digests of inputs have no key",
                'hmac.new(key, label("ledger input")',
                'hmac.new(b"p2pmpc", label("ledger input")',
            ),
            ("-0 and 0 make two inputs", "plain = values + 0.0", "plain = values"),
            (
                "only the last sum of the ledger is looked at",
                "sums = [known for known in earlier if",
                "sums = [known for known in earlier[-1:] if",
            ),
        ],
    ),
    *bugs(
        "transcript",
        "verify::test_a_false_signature_that_everybody_echoes_is_noticed "
        "verify::test_wrong_sums_that_cancel_out_are_noticed "
        "verify::test_an_echo_of_something_else_is_noticed "
        "verify::test_a_total_that_everybody_made_wrong_together_is_noticed "
        "verify::test_the_peer_whose_value_does_not_hold_is_named "
        "verify::test_no_altered_line_goes_unnoticed "
        "verify::test_nothing_can_be_appended "
        "verify::test_a_transcript_cannot_be_signed_anew_by_others",
        [
            *(
                (
                    f"a transcript's {kind} signatures are not verified",
                    "        try:\n            verify_signature(\n",
                    f"        try:\n            kind is Kind.{kind} or verify_signature(\n",
                )
                for kind in ("ACCEPT", "COMMITMENT", "PARTIAL", "ECHO")
            ),
            (
                "partial sums are not held against what was masked",
                "if body_digest(Kind.PARTIAL, body) != partials[index].body:",
                "if not body:",
            ),
            (
                "a transcript's masks are not held against their commitments",
                "if context.mask_commitment(index, masks[index]) != committed:",
                "if not committed:",
            ),
            (
                "a transcript's echo may be of other messages",
                "if digest != body_digest(Kind.ECHO, encode_body(Echo(accepted, entries))):",
                "if not (accepted and entries):",
            ),
            (
                "a transcript's fields for people may lie",
                "            if line != expected:\n",
                "            if not line:\n",
            ),
            (
                "a transcript's total is not checked",
                "        total = sum_of(parameters.arithmetic, vectors, parameters.extended_length)\n        check_total(context, total)\n",
                "        total = sum_of(parameters.arithmetic, vectors, parameters.extended_length)\n",
            ),
            (
                "lines behind the end of a transcript are taken",
                "if self.number != len(self._lines):",
                "if self.number > len(self._lines):",
            ),
        ],
    ),
    *bugs(
        "receipt",
        "verify::test_a_receipt_that_its_peer_signed_falsely_is_noticed "
        "verify::test_no_altered_byte_goes_unnoticed",
        [
            (
                "a receipt need not be canonical",
                "if not isinstance(content, dict) or _render(content) != text:",
                "if not isinstance(content, dict):",
            ),
            (
                "a receipt's own signature is not verified",
                "    verify_signature(peer.public_key, signature, _signed_bytes(unsigned))\n",
                "    _signed_bytes(unsigned)\n",
            ),
            (
                "the confirmations in a receipt are not verified",
                "        verify_signature(member.public_key, bytes.fromhex(confirmation), data)\n",
                "        assert data and bytes.fromhex(confirmation)\n",
            ),
            (
                "a receipt may leave a peer out",
                'if sorted([*content["confirmed"], *content["missing"]]) != sorted(by_id):',
                'if not {*content["confirmed"], *content["missing"]} <= set(by_id):',
            ),
            (
                "a receipt may be of another transcript",
                'if content["transcript"] != proven.digest.hex():',
                'if not content["transcript"]:',
            ),
            (
                "a receipt may be of another total",
                'if content["total_digest"] != proven.total.digest.hex() or content["round"]',
                'if content["round"]',
            ),
        ],
    ),
)
