"""Bugs in who is let in, how much anybody may say, and what is held for them."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

ADMISSION: Final[tuple[Bug, ...]] = (
    *bugs(
        "lobby",
        "lobby",
        [
            (
                "a crowd that says nothing pushes out those in a handshake",
                "            self._make_room(visit.shown, len(room))\n",
                "            self._make_room(max(s for s in Shown if self._rooms[s]), 1)\n",
            ),
            (
                "whoever is known is dropped as well",
                "if not visit.is_known:  # whoever",
                "if visit:  # whoever",
            ),
            (
                "who came last is dropped, not one at random",
                "visit = room.pop(self._draw(len(room)))",
                "visit = room.pop(self._draw(len(room)) * 0 - 1)",
            ),
            (
                "no room is ever full",
                "while len(room) >= self.places // len(Shown):",
                "while len(room) >= self.places << 20:",
            ),
            (
                "the budget of a stranger begins anew with every read",
                "        self._left -= len(data)\n",
                "        self._left = UNVERIFIED_BYTES\n",
            ),
            (
                "a known peer has a stranger's budget",
                "        if self._visit.is_known:\n            return await",
                "        if False:\n            return await",
            ),
            (
                "a handshake begins with the first byte",
                "        if len(said) >= _MESSAGE_HEADER and len(said) >= whole:\n",
                "        if len(said) >= 0:\n",
            ),
            (
                "a handshake begins with a piece of its first message",
                "        if len(said) >= _MESSAGE_HEADER and len(said) >= whole:\n",
                "        if len(said) >= _MESSAGE_HEADER:\n",
            ),
            (
                "what breaks off a hello is handed to TLS",
                '            if said:\n                raise LinkEndedError("it begins',
                '            if False:\n                raise LinkEndedError("it begins',
            ),
        ],
    ),
    *bugs(
        "gate",
        "lobby gate",
        [
            (
                "shaking hands counts for nothing",
                "                self._lobby.move(visit, Shown.TLS)\n",
                "                visit.dropped = False\n",
            ),
            (
                "a turn to begin a handshake is never given back",
                "            stack.callback(self._handshakes.release)\n",
                "            stack.callback(bool)\n",
            ),
        ],
    ),
    *bugs(
        "quota",
        "quota",
        [
            (
                "a frame may come any number of times",
                "        if counted[kind] > _TIMES * most:\n",
                "        if counted[kind] > _TIMES * most and kind is Kind.ABORT:\n",
            ),
            (
                "rounds may come in any order",
                "        if frame.round < self._round:\n",
                "        if frame.round < 0:\n",
            ),
            (
                "a round has what is left of the one before",
                "            self._of_this_round.clear()\n",
                "            pass\n",
            ),
            (
                "pieces of a slice are counted by the wrong owner",
                "Kind.SLICE_SUM: _pieces(session, peer),",
                "Kind.SLICE_SUM: _pieces(session, session.own_index),",
            ),
            (
                "a peer that has ended may go on",
                "        if self._of_no_round[Kind.ABORT]:\n",
                "        if self._of_no_round[Kind.ABORT] > _TIMES:\n",
            ),
        ],
    ),
    *bugs(
        "returns",
        "quota admission",
        [
            (
                "who does not wait is served for ever",
                "        if self._tokens < -MOST_AHEAD:\n",
                "        if self._tokens < -MOST_AHEAD * 1000:\n",
            ),
            (
                "a peer whose links break now and then is given up in the end",
                "            self._tokens = min(self._tokens + (now - self._last) / EVERY_SECONDS, AT_ONCE)\n",
                "            self._tokens = min(self._tokens, AT_ONCE)\n",
            ),
        ],
    ),
    *bugs(
        "mesh",
        "admission sessions_in_memory::test_a_message_said_for_ever_is_a_violation",
        [
            (
                "what a member says is not counted",
                "                quota.take(frame)\n",
                "                pass\n",
            ),
            (
                "a member that was given up is let in again",
                "        if pause is None or index in self._barred:\n",
                "        if pause is None:\n",
            ),
        ],
    ),
    *bugs(
        "discovery",
        "admission",
        [
            (
                "a joiner holds as many links as it likes",
                "        if older is not None:  # one link a joiner\n",
                "        if older is link:  # one link a joiner\n",
            ),
            (
                "everybody who ever came is remembered",
                "        if len(self._came_and_went) > _MOST_GONE:\n",
                "        if len(self._came_and_went) > _MOST_GONE << 20:\n",
            ),
        ],
    ),
    *bugs(
        "descriptors",
        "flood::test_a_session_that_just_fits_and_one_that_does_not",
        [
            (
                "one link to each peer is enough",
                "return opened + 2 * (peers - 1)",
                "return opened + 0 * (peers - 1)",
            ),
        ],
    ),
    *bugs(
        "storage",
        "disk_and_clock",
        [
            (
                "room is looked for and none is taken",
                "                os.posix_fallocate(descriptor, 0, size)\n",
                "                pass\n",
            ),
        ],
    ),
    *bugs(
        "logs",
        "logs lobby",
        [
            (
                "every refusal is a line",
                "        if self._tokens < 1:\n",
                "        if self._tokens < -1e9:\n",
            ),
        ],
    ),
)
