"""Bugs in the shell's links: how silence is read, what is given up, and how peers come back."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

LINKS: Final[tuple[Bug, ...]] = (
    *bugs(
        "absence",
        "pulse",
        [
            (
                "a window that is shut is a machine that is gone",
                "is_overdue = self.unacknowledged > 0 and self.quiet >= patience",
                "is_overdue = self.quiet >= patience",
            ),
            (
                "a machine that answers nothing is there",
                "is_overdue = self.unacknowledged > 0 and self.quiet >= patience",
                "is_overdue = False",
            ),
            (
                "probes without an answer say nothing",
                "return not is_overdue and self.probes < _MOST_PROBES",
                "return not is_overdue",
            ),
        ],
    ),
    *bugs(
        "pulse",
        "pulse",
        [
            (
                "one's own lateness is taken for the silence of others",
                "!= self._seen or not self._link.is_waiting:",
                "!= self._seen:",
            ),
            (
                "a stopped peer loses its link",
                "return is_long and self.suspected is Cause.UNREACHABLE",
                "return is_long",
            ),
            (
                "a half-open link is given up at once",
                "is_long = self.silent >= GIVEN_UP_BEATS * self._beat",
                "is_long = True",
            ),
            (
                "signs of life may flood",
                "        self._alive += 1\n",
                "",
            ),
            (
                "signs of life that come in a crowd are a flood",
                "MOST_AT_ONCE + MOST_A_SECOND * (now - self._since)",
                "MOST_AT_ONCE + MOST_A_SECOND",
            ),
            (
                "a sign of life may say anything",
                "        check_alive(frame)\n",
                "",
            ),
        ],
    ),
    *bugs(
        "patience",
        "patience",
        [
            (
                "pauses do not grow",
                "min(2 * self._due, self._most)",
                "self._due",
            ),
            (
                "all peers pause alike",
                "due * (1 + self._entropy(1)[0] / 255) / 2",
                "due",
            ),
            (
                "a process that was stopped takes others for late",
                "    for _ in range(_DOZE_TURNS):\n        await trio.sleep(seconds / _DOZE_TURNS)\n",
                "    await trio.sleep(seconds)\n",
            ),
        ],
    ),
    *bugs(
        "links",
        "mesh links",
        [
            (
                "a stream that ends within a frame ends the frame",
                '                raise LinkEndedError("closed by the other side")\n',
                '                return b"".join(parts) + bytes(missing)\n',
            ),
            (
                "nobody ever waits for bytes",
                "            self.is_waiting = True\n",
                "",
            ),
        ],
    ),
    *bugs(
        "dialling",
        "silence::test_a_program_that_ended_is_called_so",
        [
            (
                "a program that ended is called a network that is down",
                "raise UnreachedError(Cause.ENDED) from None",
                "raise UnreachedError(Cause.UNREACHABLE) from None",
            ),
        ],
    ),
    *bugs(
        "mesh",
        "mesh silence",
        [
            (
                "an idle link says nothing",
                "                if waiting.cancelled_caught:\n",
                "                if waiting.cancelled_caught and outbox.first:\n",
            ),
            (
                "the loop is handed signs of life",
                "                    line.pulse.take_alive(frame, trio.current_time())\n                    continue\n",
                "                    line.pulse.take_alive(frame, trio.current_time())\n",
            ),
            (
                "a half-open link is kept",
                "                    line.scope.cancel()\n\n    def _tell",
                "                    pass\n\n    def _tell",
            ),
            (
                "silence is told to nobody",
                "                if line.pulse.suspected is not line.told:\n",
                "                if line.pulse.suspected is not line.pulse.suspected:\n",
            ),
            (
                "a new link gets only what is said from now on",
                "        position = outbox.first\n",
                "        position = outbox.end\n",
            ),
            (
                "a peer that came back is lost all the same",
                "        self._generation[index] += 1\n",
                "",
            ),
            (
                "a peer that stays away is never lost",
                "            await doze(seconds)\n",
                "            await doze(seconds + 1e6)\n",
            ),
        ],
    ),
)
