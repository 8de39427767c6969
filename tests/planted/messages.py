"""Bugs in identities, messages, the codec, rosters and signatures."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

_VERIFIED = "self._verify(sender, frame.kind, frame.round, digest, frame.signature, receiver)"

MESSAGES: Final[tuple[Bug, ...]] = (
    *bugs(
        "identity",
        "identity",
        [
            (
                "what follows the key in a certificate is not compared",
                "der[:-SIGNATURE_BYTES] != expected[:-SIGNATURE_BYTES]",
                "der[:place] != expected[:place]",
            ),
            (
                "a certificate's own signature is not verified",
                "verify_signature(key, der[-SIGNATURE_BYTES:], _signed_part(der))",
                "_signed_part(der)",
            ),
            (
                "the signature of another key is accepted",
                '        raise RemoteProtocolError("a signature that does not verify") from None\n',
                "        return\n",
            ),
            (
                "an ID leaves out a byte of the key",
                "hashlib.sha256(public_key).digest()",
                "hashlib.sha256(public_key[1:]).digest()",
            ),
            (
                "members can mint certificates",
                "x509.BasicConstraints(ca=False",
                "x509.BasicConstraints(ca=True",
            ),
            (
                "an identity shows its key",
                "Identity({short_id(self.id)})",
                "Identity({self._seed.hex()})",
            ),
            (
                "half of every sealing key is the same",
                "X25519PrivateKey.from_private_bytes(entropy(32))",
                "X25519PrivateKey.from_private_bytes(bytes([9]) * 32)",
            ),
            (
                "everybody's ledger has the same key",
                "return kdf.derive(self._seed)",
                "return kdf.derive(bytes(32))",
            ),
            (
                "an ID may have another length",
                'r"[0-9a-f]{64}"',
                'r"[0-9a-f]{60,64}"',
            ),
        ],
    ),
    *bugs(
        "messages",
        "wire",
        [
            (
                "names and reasons may hold control characters",
                "text.isascii() and text.isprintable()",
                "text.isascii()",
            ),
            ("an ABORT may end with 0", "0 < self.code < 256", "0 <= self.code < 256"),
            (
                "a mask share of any size is taken from an UNMASK",
                '_need(len(self.share) == SHARE_BYTES, "UNMASK',
                '_need(bool(self.share), "UNMASK',
            ),
            (
                "a plain share shows its seed",
                "    share: bytes = field(repr=False)\n    mask_share",
                "    share: bytes\n    mask_share",
            ),
            (
                "a commitment's two lists may differ in length",
                "len(self.mask_shares) in (0, len(self.shares))",
                "len(self.mask_shares) <= len(self.shares)",
            ),
            (
                "weights of any size are taken from an entry",
                "_need(abs(self.weight) <= LARGEST_WEIGHT",
                "_need(self.weight <= LARGEST_WEIGHT",
            ),
        ],
    ),
    *bugs(
        "canonical",
        "wire",
        [
            ("bodies need not be canonical", "if canonical != body:", "if not canonical:"),
            (
                "arrays may hold more than their count",
                "(size is not None and len(value) != size)",
                "(size is not None and len(value) < size)",
            ),
            (
                "a truth value is a number",
                "if type(value) is not kind:",
                "if not isinstance(value, kind):",
            ),
            (
                "values of long bodies are not counted",
                "if len(body) > _COUNTED_BYTES:",
                "if len(body) > _COUNTED_BYTES << 40:",
            ),
        ],
    ),
    *bugs(
        "frames",
        "wire",
        [
            (
                "frames may be twice as long as their cap",
                "<= ENVELOPE_BYTES + limits.body_cap(kind)",
                "<= ENVELOPE_BYTES + 2 * limits.body_cap(kind)",
            ),
            (
                "frames may be shorter than their envelope",
                "if not ENVELOPE_BYTES <= size <= ENVELOPE_BYTES + limits",
                "if not size <= ENVELOPE_BYTES + limits",
            ),
            (
                "every kind has a place on every link",
                "if kind not in accepted:",
                "if not accepted:",
            ),
            (
                "a cap forgets the dense mode",
                'share = limits.vector_bytes if limits.share_mode == "dense" else SEED_BYTES',
                "share = SEED_BYTES",
            ),
            (
                "an ABORT has no room for two messages as evidence",
                "2 * max(caps[kind] for kind in _PROVABLE)",
                "max(caps[kind] for kind in _PROVABLE)",
            ),
            (
                "digests do not bind the kind",
                'labelled_hash("body", bytes([kind]), body)',
                'labelled_hash("body", body)',
            ),
        ],
    ),
    *bugs(
        "wire",
        "wire",
        [
            (
                "bytes behind a PARTIAL are taken",
                "if not limits.sharded and len(body) != limits.vector_bytes:",
                "if not limits.sharded and len(body) < limits.vector_bytes:",
            ),
            (
                "an UNMASK may be about peer 0",
                'if not 1 <= index <= limits.peers:\n        raise RemoteProtocolError("UNMASK',
                'if not 0 <= index <= limits.peers:\n        raise RemoteProtocolError("UNMASK',
            ),
            (
                "an ABORT may blame peer 0",
                "if any(not 1 <= index <= limits.peers for index in blamed):",
                "if any(index > limits.peers for index in blamed):",
            ),
            (
                "other versions of the protocol are taken",
                "if version != PROTOCOL_VERSION:",
                "if version < PROTOCOL_VERSION:",
            ),
            (
                "seeds of any length are taken",
                "if len(plain.share) != due or bool",
                "if bool",
            ),
            (
                "a strict share may bring a mask share",
                "or bool(plain.mask_share) == strict:",
                "or not (plain.mask_share or strict):",
            ),
        ],
    ),
    *bugs(
        "frames",
        "session::test_whatever_a_frame_says_about_itself_is_signed "
        "session::test_messages_of_others_do_not_open wire adversary",
        [
            (
                "signatures do not bind the receiver",
                "+ sender + receiver + digest",
                "+ sender + digest",
            ),
            (
                "signatures do not bind the sender",
                "+ sender + receiver + digest",
                "+ receiver + digest",
            ),
            (
                "signatures do not bind the session",
                'label("message") + session_id + numbers',
                'label("message") + numbers',
            ),
            (
                "signatures do not bind the round",
                "numbers = _ROUND.pack(round_number) + bytes([kind])",
                "numbers = bytes([kind])",
            ),
            (
                "signatures do not bind the kind",
                "numbers = _ROUND.pack(round_number) + bytes([kind])",
                "numbers = _ROUND.pack(round_number)",
            ),
        ],
    ),
    *bugs(
        "envelope",
        "session adversary",
        [
            *(
                (
                    f"{kind} messages are not verified",
                    _VERIFIED,
                    f"frame.kind is Kind.{kind} or " + _VERIFIED,
                )
                for kind in ("COMMITMENT", "SHARE", "PARTIAL", "ECHO", "UNMASK", "CONFIRM", "ABORT")
            ),
            (
                "an ABORT is signed for any session",
                "return NO_SESSION if kind is Kind.ACCEPT else session.id",
                "return NO_SESSION if kind in _OF_NO_ROUND else session.id",
            ),
            (
                "an ABORT may say any round",
                "if frame.round and frame.kind in _OF_NO_ROUND:",
                "if frame.round and frame.kind is Kind.ACCEPT:",
            ),
            (
                "messages of discovery are not verified",
                "    verify_signature(public_key, frame.signature, data)\n",
                "    assert public_key\n    assert data\n",
            ),
            (
                "an echo is taken for the one decoded before it",
                "if known is None or known[0] != digest:",
                "if known is None:",
            ),
            (
                "every shown signature counts as signed",
                "        except RemoteProtocolError:\n            return False\n        return True",
                "        except RemoteProtocolError:\n            return True\n        return True",
            ),
            (
                "signed garbage does not prove itself",
                "with proven_by(Claim.ILL_FORMED, sender, itself):\n            return",
                "if itself:\n            return",
            ),
        ],
    ),
)
