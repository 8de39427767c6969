"""Bugs in what a peer keeps for the process after it: too little, too late, for all to see, or wrongly read."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

RESUME: Final[tuple[Bug, ...]] = (
    *bugs(
        "state_file",
        "kept",
        [
            (
                "what is kept may be lost with the machine's memory",
                "            os.fsync(self._descriptor)\n",
                "            pass\n",
            ),
            (
                "others may look into the folder",
                "    if mode & 0o077 or status",
                "    if mode & 0 or status",
            ),
            (
                "others may read a file",
                "os.O_EXCL, 0o600)",
                "os.O_EXCL, 0o644)",
            ),
            (
                "the session of a living process is taken over",
                "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "",
            ),
            (
                "what follows half a line is written behind it",
                "        os.ftruncate(descriptor, whole)\n",
                "",
            ),
        ],
    ),
    *bugs(
        "kept",
        "kept resume",
        [
            (
                "a line that was altered is a fact",
                "        if stands != check:\n",
                "        if False:\n",
            ),
            (
                "long sealed shares are not kept",
                " if len(signed.body) <= _LONG or is_needed else",
                " if len(signed.body) <= _LONG else",
            ),
            (
                "a long ECHO is not kept for whoever is a round behind",
                "is_needed = kind is Kind.SHARE or kind in AT_THE_END",
                "is_needed = kind is Kind.SHARE",
            ),
            (
                "what was said in the round before is kept for this one",
                "self.round, self.words = fact, {}",
                "self.round = fact",
            ),
        ],
    ),
    *bugs(
        "memory",
        "resume kept",
        [
            (
                "another input is taken under the same masks",
                "if known is not None and known.input != digest:",
                "if known is not None and len(known.input) != len(digest):",
            ),
            (
                "a round that goes on draws anew",
                "self._entropy(ROUND_SEED_BYTES) if known is None else known.seed",
                "self._entropy(ROUND_SEED_BYTES)",
            ),
            (
                "the sealing key outlives the first round",
                "if begun.pairs:  # from",
                "if False:  # from",
            ),
            (
                "a share leaves that is not kept",
                "            if fresh[-1].slot.kind is Kind.COMMITMENT:\n                raise\n",
                "",
            ),
            (
                "an agreement that was reached is forgotten",
                "self.kept.round = replace(self.kept.round, acceptances=dict(signatures))",
                "pass",
            ),
            (
                "the frames that ended the round before are forgotten",
                "            if word.slot.kind in AT_THE_END\n",
                "            if word.slot.kind is Kind.JOIN\n",
            ),
            (
                "the first of several sessions is gone on with",
                "    if len(found) > 1:\n",
                "    if len(found) > 1000:\n",
            ),
        ],
    ),
    *bugs(
        "memory",
        "resume",
        [
            (
                "a commitment is kept before the shares that it binds",
                "        fresh.sort(key=lambda word: word.slot.kind is Kind.COMMITMENT)\n",
                "        fresh.sort(key=lambda word: word.slot.kind is not Kind.COMMITMENT)\n",
            ),
        ],
    ),
    *bugs(
        "runner",
        "resume",
        [
            (
                "a message leaves before it is kept",
                "            self._memory.say(actions)\n",
                "            pass\n",
            ),
        ],
    ),
    *bugs(
        "start",
        "resume",
        [
            (
                "who goes on listens where nobody looks for it",
                "        listen=me.listens,\n",
                "",
            ),
        ],
    ),
    *bugs(
        "entropy",
        "kept",
        [("all purposes draw the same bytes", "info=label(purpose)", 'info=label("")')],
    ),
    *bugs(
        "protocol",
        "resume",
        [
            (
                "an ECHO of the process before this one counts for nothing",
                "any(slot.kind is Kind.ECHO for slot in said)",
                "False",
            ),
        ],
    ),
    *bugs(
        "protocol",
        "simulator::test_what_failed_once_holds simulator",
        [
            (
                "who goes on may say another thing in the same place",
                "            if before != message.digest:\n",
                "            if False:\n",
            ),
            (
                "an observer gives up before those whom it told have helped",
                "self._waits_once_more = not self.session.contributes",
                "self._waits_once_more = False",
            ),
        ],
    ),
)
