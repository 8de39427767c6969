"""What a swarm found: totals against the plain sum, transcripts against each other, times."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pmpc.actions import STEPS
from p2pmpc.outcome import json_values, shortened
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.watch import PeerState

_NOTHING_OPENED = 3
_VERIFICATION_FAILED = 5


@dataclass(frozen=True, slots=True)
class SwarmReport:
    """The outcome of a swarm.

    Args:
        content: What --json prints.
        faults: What is wrong, a line each.
        exit_code: 0, or the highest code among the peers that were not killed; at least 3 when
            nobody finished, and at least 5 when something is wrong.
    """

    content: dict[str, Any]
    faults: tuple[str, ...]
    exit_code: int

    def as_text(self) -> str:
        """Return the last lines of standard output."""
        content = self.content
        total = content["total"]
        shown = "nothing was opened" if total is None else shortened([str(v) for v in total])
        rows = [
            ("total", shown),
            ("expected", shortened([str(v) for v in content["expected"]])),
            ("verified", f"{content['verified']} of {content['peers']}"),
            ("transcript", content["transcript"] or "none"),
            ("logs", content["log_dir"]),
        ]
        if content["private_weights"] and total is not None:
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
    expected = json_values(data.expected(), data.fraction_bits)
    finished = [peer for peer in peers if peer.result.get("total") is not None]
    totals = [peer.result["total"] for peer in finished]
    transcripts = {peer.name: _transcript(directory, peer) for peer in finished}
    right = [peer for peer, total in zip(finished, totals, strict=True) if total == expected]
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
    digests = sorted(set(transcripts.values()))
    content: dict[str, Any] = {
        "peers": len(peers),
        "length": data.length,
        "field": options.field,
        "fraction_bits": data.fraction_bits,
        "weights": list(data.weights),
        "private_weights": options.private_weights,
        "total": totals[0] if totals and not faults else None,
        "total_weight": sum(data.weights) if totals and not faults else None,
        "expected": expected,
        "verified": len(right) if not faults else 0,
        "transcript": digests[0] if len(digests) == 1 else None,
        "log_dir": str(directory),
        "seconds": _seconds(peers, wall),
        "bytes_sent": [peer.bytes_sent for peer in peers],
        "exit_codes": codes,
    }
    return SwarmReport(content, tuple(faults), exit_code)


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
