"""What a swarm found: totals against the plain sum, transcripts against each other, times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pmpc.actions import STEPS
from p2pmpc.encoding import LARGEST_SCALED
from p2pmpc.errors import InputRefused
from p2pmpc.outcome import MOST_BESIDE_A_FILE, MOST_IN_JSON, SHOWN_VALUES, json_values, shortened
from p2pmpc.sources import numbers_of_file
from p2pmpc.storage import write_output
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.processes import total_file
from p2pmpc.swarm.watch import PeerState

_NOTHING_OPENED = 3
_VERIFICATION_FAILED = 5

_Expected = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SwarmReport:
    """The outcome of a swarm.

    Args:
        content: What --json prints.
        expected: The plain sum as text, shortened.
        opened: Whether the peers found it, all that finished.
        faults: What is wrong, a line each.
        exit_code: 0, or the highest code among the peers that were not killed; at least 3 when
            nobody finished, and at least 5 when something is wrong.
    """

    content: dict[str, Any]
    expected: str
    opened: bool
    faults: tuple[str, ...]
    exit_code: int

    def as_text(self) -> str:
        """Return the last lines of standard output."""
        content = self.content
        rows = [
            ("total", self.expected if self.opened else "nothing was opened"),
            ("expected", self.expected),
            ("verified", f"{content['verified']} of {content['peers']}"),
            ("transcript", content["transcript"] or "none"),
            ("logs", content["log_dir"]),
        ]
        if content["private_weights"] and self.opened:
            rows.insert(2, ("weights", f"{content['total_weight']} in all, as the peers found"))
        return "\n".join(f"{name:<12}{value}" for name, value in rows)


def make_report(
    options: SwarmOptions, data: SwarmData, peers: list[PeerState], directory: Path, wall: float
) -> SwarmReport:
    """Compare what the peers found with each other and with the plain sum.

    Args:
        options: Of the swarm.
        data: What every peer brought.
        peers: What is known of each, ended.
        directory: Where their files are.
        wall: Seconds from start to end.
    """
    finished = [peer for peer in peers if peer.has_total]
    transcripts = {peer.name: _transcript(directory, peer) for peer in finished}
    right = _right_ones(finished, data)
    faults = [
        f"{peer.name} holds another total than the plain sum of the inputs"
        for peer in finished
        if peer not in right
    ]
    weights = {peer.result.get("total_weight") for peer in finished}
    if weights - {sum(data.weights)}:
        faults.append("a peer holds another sum of the weights than there is")
    if len(set(transcripts.values())) > 1:
        faults.append("the transcripts differ")
    codes = [peer.exit_code if peer.exit_code is not None else 1 for peer in peers]
    survivors = [code for code in codes if code >= 0]
    exit_code = max(survivors, default=0)
    if not finished:
        exit_code = max(exit_code, _NOTHING_OPENED)
    if faults:
        exit_code = max(exit_code, _VERIFICATION_FAILED)
    opened = bool(finished) and not faults
    if opened and data.length > MOST_BESIDE_A_FILE:
        _keep_one(finished, directory)
    first = json_values(data.expected(SHOWN_VALUES), data.fraction_bits)
    shown = shortened([str(value) for value in first], data.length, _where(data, directory))
    expected = None
    if data.length <= MOST_IN_JSON:
        expected = json_values(data.expected(), data.fraction_bits)
    digests = sorted(set(transcripts.values()))
    content: dict[str, Any] = {
        "peers": len(peers),
        "length": data.length,
        "field": options.field,
        "fraction_bits": data.fraction_bits,
        "weights": list(data.weights),
        "private_weights": options.private_weights,
        "total": expected if opened else None,  # each of the peers' totals equals it
        "total_weight": sum(data.weights) if opened else None,
        "expected": expected,
        "verified": len(right) if not faults else 0,
        "transcript": digests[0] if len(digests) == 1 else None,
        "log_dir": str(directory),
        "seconds": _seconds(peers, wall),
        "bytes_sent": [peer.bytes_sent for peer in peers],
        "exit_codes": codes,
    }
    return SwarmReport(content, shown, opened, tuple(faults), exit_code)


def _right_ones(finished: list[PeerState], data: SwarmData) -> list[PeerState]:
    """Return the peers whose total is the plain sum, comparing all of them a block at a time."""
    compare = {peer.number: _comparison(peer, data) for peer in finished}
    wrong: set[int] = set()
    start = 0
    for block in data.expected_blocks() if finished else ():
        wrong |= {number for number, is_right in compare.items() if not is_right(start, block)}
        start += block.size
    return [peer for peer in finished if peer.number not in wrong]


def _comparison(peer: PeerState, data: SwarmData) -> Callable[[int, _Expected], bool]:
    """Return what holds a peer's total against blocks of the plain sum, in order from the first."""
    bits, printed = data.fraction_bits, peer.result.get("total")
    if peer.opened is not None:
        held, length = peer.opened.blocks(), peer.opened.length
        return lambda _, block: length == data.length and np.array_equal(next(held), block)
    if isinstance(printed, list):
        return lambda start, block: (
            len(printed) == data.length
            and printed[start : start + block.size] == json_values(block.tolist(), bits)
        )
    try:
        numbers = numbers_of_file(str(peer.result.get("output")))
    except InputRefused:
        return lambda _start, _block: False
    # The file may hold doubles where there are fraction bits, or where a total may be larger than any
    # input: then it is compared as far as they go.
    doubles = bits > 0 or data.largest_total > LARGEST_SCALED
    written = numbers.float_blocks() if doubles else numbers.blocks(0)
    return lambda _, block: (
        numbers.length == data.length
        and np.array_equal(
            next(written), np.ldexp(block.astype(np.float64), -bits) if doubles else block
        )
    )


def _keep_one(finished: list[PeerState], directory: Path) -> None:
    """Keep one of the long totals that are all the same."""
    kept = directory / "total.npy"
    if finished[0].opened is not None:
        write_output(kept, finished[0].opened)
        return
    total_file(directory, finished[0]).replace(kept)
    for peer in finished[1:]:
        total_file(directory, peer).unlink(missing_ok=True)


def _where(data: SwarmData, directory: Path) -> str:
    """Return what holds all of a total that is shown shortened."""
    return "--json" if data.length <= MOST_BESIDE_A_FILE else str(directory / "total.npy")


def _transcript(directory: Path, peer: PeerState) -> str:
    """Return the digest of the transcript that a peer really left behind."""
    path = directory / f"{peer.name}.transcript"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


def _seconds(peers: list[PeerState], wall: float) -> dict[str, float | None]:
    """Return times as the slowest peer sees them: of each step, of the round, and of everything."""
    last: dict[str, float] = {}
    for step in STEPS:
        reached = [peer.reached[step] for peer in peers if step in peer.reached]
        if reached:
            last[step] = max(reached)
    completed = [peer.complete for peer in peers if peer.complete is not None]
    ends = [*list(last.values())[1:], *([max(completed)] if completed else [])]
    seconds: dict[str, float | None] = dict.fromkeys(STEPS)
    for step, end in zip(last, ends, strict=False):
        seconds[step] = round(max(0.0, end - last[step]), 4)
    shared = [peer.reached["share"] for peer in peers if "share" in peer.reached]
    round_time = max(completed) - min(shared) if completed and shared else None
    seconds["round"] = None if round_time is None else round(round_time, 4)
    seconds["wall"] = round(wall, 4)
    return seconds


def render_summary(content: dict[str, Any]) -> str:
    """Return swarm.json: the report, closed by the hash of what stands before it."""
    text = json.dumps(content, indent=2)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**content, "sha256": digest}, indent=2) + "\n"
