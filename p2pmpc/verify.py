"""Holds a run's files against themselves and each other: transcripts, receipts, logs, summary.

Nothing here trusts whoever made the files. The first thing that does not hold is named with its file,
line and step, and with the peer whose signature or value it concerns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from p2pmpc.encoding import format_scaled
from p2pmpc.errors import ConfigurationError, VerificationFailed
from p2pmpc.exhibit import Proven, check_exhibit
from p2pmpc.field import Words
from p2pmpc.identity import format_id
from p2pmpc.logs import CHAIN_START, chain
from p2pmpc.outcome import json_values
from p2pmpc.receipt import check_receipt
from p2pmpc.storage import read_partials
from p2pmpc.transcript import TranscriptFault, Verified, verify

_ROUND_SUFFIX = re.compile(r"\.r[0-9]{4,7}$")
"""What the names of a round's files end with, where there are several."""
_CHAINED = re.compile(r'(\{.*), "chain": "([0-9a-f]{16})"\}')


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the files of a run prove.

    Args:
        transcript: Digest of the transcript that all share, hex; None where there is only evidence.
        peers: Files' stems with a transcript.
        recomputed: Whether every S_j and T was computed again.
        total: As exact decimal texts; None where it is too long for a transcript.
        confirmed: IDs of everybody whose CONFIRM stands in some receipt.
        logs: How many logs were checked.
        evidence: File and what it proves, of every file of evidence.
        total_weight: The sum of private weights; None where weights are public.
        rounds: How many sums there are; transcript, total and confirmations are of the last one.
        agreed_rounds: How many were agreed on; 0 where that is open.
        is_of_a_study: Whether the totals are those of a study, whose answers are shown instead.
    """

    transcript: str | None
    peers: tuple[str, ...]
    recomputed: bool
    total: tuple[str, ...] | None
    confirmed: tuple[str, ...]
    logs: int
    evidence: tuple[tuple[str, Proven], ...] = ()
    total_weight: int | None = None
    rounds: int = 1
    agreed_rounds: int = 1
    is_of_a_study: bool = False

    def as_json(self) -> str:
        """Return one JSON object."""
        content: dict[str, Any] = {
            "transcript": self.transcript,
            "peers": list(self.peers),
            "recomputed": self.recomputed,
            "total": None if self.total is None else list(self.total),
            "total_weight": self.total_weight,
            "confirmed": list(self.confirmed),
            "logs": self.logs,
            "rounds": self.rounds,
            "agreed_rounds": self.agreed_rounds,
            "evidence": [{"file": name, **asdict(proven)} for name, proven in self.evidence],
        }
        return json.dumps(content)

    def as_text(self) -> str:
        """Return the lines that people read."""
        lines = [] if self.transcript is None else self._transcript_lines()
        lines += [
            f"evidence       {proven.name} {proven.what} ({name}; ID {proven.culprit})"
            for name, proven in self.evidence
        ]
        return "\n".join(lines)

    def _transcript_lines(self) -> list[str]:
        how = "every partial sum and the total recomputed"
        if not self.recomputed:
            how = "vectors too long for the transcript: run with --keep-partials to recompute them"
        many = len(self.peers) > 1
        shown = f"{len(self.peers)} transcripts, all equal" if many else "1 transcript"
        if self.agreed_rounds != 1:
            of = f" of {self.agreed_rounds} agreed" if self.agreed_rounds else ""
            shown = f"{self.rounds} rounds{of}, each by itself; the last one is in {shown}"
        total = "too long to show" if self.total is None else " ".join(self.total)
        return [
            f"verified       {shown}; every signature holds",
            f"arithmetic     {how}",
            *([] if self.total is None and self.is_of_a_study else [f"total          {total}"]),
            *(
                []
                if self.total_weight is None
                else [f"total weight   {self.total_weight} (of private weights)"]
            ),
            f"confirmed      by {len(self.confirmed)} peers",
            f"logs           {self.logs} unchanged",
            f"transcript     {self.transcript}",
        ]


def verify_directory(directory: Path, told: Callable[[str], None] = lambda _name: None) -> Verdict:
    """Verify the files of a run.

    Args:
        directory: The run's folder, or one transcript or file of evidence.
        told: Called with the name of each file before it is checked.

    Raises:
        ConfigurationError: There is nothing to verify.
        VerificationFailed: Names file, line and step of the first thing that does not hold.
    """
    if directory.suffix == ".json" and directory.is_file():
        if directory.name == "swarm.json" or directory.name.endswith(".receipt.json"):
            raise ConfigurationError(
                f"{directory} is neither a transcript nor evidence",
                hint="name the folder of the run: receipts and summaries are checked with it",
            )
        return Verdict(None, (), False, None, (), 0, _verify_evidence([directory], told))
    evidence = _verify_evidence(sorted((directory / "evidence").glob("*.json")), told)
    paths = [directory] if directory.is_file() else sorted(directory.glob("*.transcript"))
    if not paths and evidence:
        return Verdict(None, (), False, None, (), 0, evidence)
    if not paths:
        raise ConfigurationError(
            f"there is no transcript in {directory}",
            hint="name the folder of a run, e.g. logs/latest; a run that ended early leaves none",
        )
    verdict, session = _verify_transcripts(directory, paths, told)
    for name, proven in evidence:
        if proven.session != session:
            raise VerificationFailed(
                f"{directory / 'evidence' / name}: it is of another session than the transcripts"
            )
    return replace(verdict, evidence=evidence)


def _verify_evidence(
    paths: Sequence[Path], told: Callable[[str], None]
) -> tuple[tuple[str, Proven], ...]:
    proven = []
    for path in paths:
        told(path.name)
        try:
            proven.append((path.name, check_exhibit(_read(path))))
        except VerificationFailed as error:
            prefix = "" if error.message.startswith(str(path)) else f"{path}: "
            raise VerificationFailed(f"{prefix}{error.message}") from None
    return tuple(proven)


def _verify_transcripts(
    directory: Path, paths: Sequence[Path], told: Callable[[str], None]
) -> tuple[Verdict, str]:
    """Return what the transcripts prove, and the session id in hex."""
    rounds: dict[int, list[Path]] = {}
    for path in paths:
        rounds.setdefault(_round_of(path), []).append(path)
    verdict, session, recomputed = None, "", True
    for number in sorted(rounds):
        result, verdict = _verify_round(directory, rounds[number], told)
        recomputed &= verdict.recomputed
        if session not in ("", result.session.id.hex()):
            raise VerificationFailed(f"{rounds[number][0]}: it is of another session")
        if result.round != max(number - 1, 0):
            raise VerificationFailed(f"{rounds[number][0]}: it is of round {result.round + 1}")
        session = result.session.id.hex()
    assert verdict is not None
    if not directory.is_file():
        _check_none_missing(directory, rounds)
    agreed = result.session.parameters.rounds
    found = replace(
        verdict,
        rounds=len(rounds),
        agreed_rounds=agreed,
        recomputed=recomputed,
        is_of_a_study=bool(result.session.parameters.study),
    )
    return found, session


def _check_none_missing(directory: Path, rounds: Mapping[int, Sequence[Path]]) -> None:
    """Refuse a folder in which somebody has a round without those before it.

    That the last ones are missing cannot be known: a session may have ended early.
    """
    if 0 in rounds:
        return
    for number in range(1, max(rounds)):
        later = {_peer_of(path) for path in rounds.get(number + 1, ())}
        for name in sorted(later - {_peer_of(path) for path in rounds.get(number, ())}):
            raise VerificationFailed(
                f"{directory}: the transcript of round {number} of {name} is missing"
            )
    if set(rounds) != set(range(1, max(rounds) + 1)):
        gap = min(set(range(1, max(rounds) + 1)) - set(rounds))
        raise VerificationFailed(f"{directory}: the transcripts of round {gap} are missing")


def _peer_of(path: Path) -> str:
    return _ROUND_SUFFIX.sub("", path.stem)


def _round_of(path: Path) -> int:
    """Return which round a transcript's name speaks of, from 1; 0 where there is only one."""
    match = _ROUND_SUFFIX.search(path.stem)
    return int(match[0][2:]) if match else 0


def _verify_round(
    directory: Path, paths: Sequence[Path], told: Callable[[str], None]
) -> tuple[Verified, Verdict]:
    """Return what the transcripts of one round prove."""
    texts = {path: _read(path) for path in paths}
    verified: dict[str, Verified] = {}
    confirmed: set[str] = set()
    logs = 0
    for path, text in texts.items():
        told(path.name)
        partials = path.with_suffix(".partials.npz")
        known = None if partials.exists() else verified.get(text)
        result = verified[text] = known or _verify_transcript(path, text, partials)
        receipt = path.with_suffix(".receipt.json")
        if receipt.exists():
            content = _verify_receipt(receipt, result)
            confirmed |= set(content["confirmed"])
            _verify_partials(partials, content["partials"])
            log = path.with_name(_peer_of(path) + ".log")
            is_last = result.session.parameters.rounds == result.round + 1
            _verify_log(log, content["log"], is_last=is_last)
            logs += 1
        elif not directory.is_file():
            raise VerificationFailed(f"{receipt}: the receipt is missing")
        elif not result.recomputed:
            raise VerificationFailed(
                f"{path}: nothing proves this total: its vectors are too long to stand here, and "
                "neither a receipt nor kept partial sums are beside it"
            )
    result = next(iter(verified.values()))
    _compare(texts, result)
    summary = directory / "swarm.json"
    if not directory.is_file() and summary.exists():
        _verify_summary(summary, result)
    peers = tuple(_peer_of(path) for path in paths)
    return result, _verdict(result, peers, confirmed, logs)


def _verdict(result: Verified, peers: tuple[str, ...], confirmed: set[str], logs: int) -> Verdict:
    parameters = result.session.parameters
    total, weight = None, None
    if result.total.values is not None:
        shown = result.total.values[: parameters.length]
        total = tuple(format_scaled(value, parameters.fraction_bits) for value in shown)
        if parameters.private_weights:
            weight = result.total.values[parameters.length]
    return Verdict(
        result.digest.hex(),
        peers,
        result.recomputed,
        total,
        tuple(sorted(confirmed)),
        logs,
        total_weight=weight,
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise VerificationFailed(f"{path}:{line}: a byte that no such file holds") from None


def _verify_partials(path: Path, stated: str | None) -> None:
    """Hold the file of partial sums against the hash in the signed receipt."""
    if stated is None and not path.exists():
        return
    if stated is None or not path.exists():
        what = "is missing" if stated else "is one that the receipt does not speak of"
        raise VerificationFailed(f"{path}: the file of partial sums {what}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != stated:
            raise VerificationFailed(f"{path}: it is not the file that the receipt speaks of")


def _verify_transcript(path: Path, text: str, partials: Path) -> Verified:
    kept: dict[int, Words] | None = None
    if partials.exists():
        try:
            kept = read_partials(partials)
        except ValueError as error:
            raise VerificationFailed(f"{partials}: it cannot be read ({error})") from None
    try:
        return verify(text, kept)
    except TranscriptFault as error:
        raise VerificationFailed(
            f"{path}:{error.line}: {_with_step(text, error)}", peers=error.peers
        ) from None


def _step_of(text: str, line: int) -> str:
    lines = text.split("\n")
    words = lines[line - 1].split(" ") if line <= len(lines) else []
    return f"{words[0]} {words[1]}: " if len(words) > 2 and words[0].startswith("R") else ""


def _with_step(text: str, error: TranscriptFault) -> str:
    """Return a fault's message with the step of its line, unless it says so itself."""
    step = _step_of(text, error.line)
    return error.message if step.rstrip(": ") in error.message else step + error.message


def _verify_receipt(path: Path, result: Verified) -> dict[str, Any]:
    text = _read(path)
    try:
        return check_receipt(text, result)
    except VerificationFailed as error:
        line = _odd_line(text, result)
        raise VerificationFailed(f"{path}:{line}: {error.message}") from None


def _odd_line(text: str, result: Verified) -> int:
    """Return the line of a receipt that most likely was changed; 1 when only the signature knows."""
    known = {member.id: format_id(member.id) for member in result.session.members}
    due = {
        "format": '"p2pmpc-receipt 1"',
        "session": f'"{result.session.id.hex()}"',
        "transcript": f'"{result.digest.hex()}"',
        "round": str(result.round),
        "total_digest": f'"{result.total.digest.hex()}"',
    }
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r'  "(\w+)": (.*?),?', line)
        if match and match[1] in due and match[2] != due[match[1]]:
            return number
        if match and match[1] == "peer" and match[2].strip('"') not in known.values():
            return number
    return 1


def _verify_log(path: Path, stated: dict[str, Any], *, is_last: bool) -> None:
    """Follow the chain of a log to the hash that the signed receipt holds.

    Args:
        path: The log.
        stated: What the receipt says of it.
        is_last: Whether nothing may stand behind that.
    """
    if not path.exists():
        raise VerificationFailed(f"{path}: the log that the receipt speaks of is missing")
    previous = signed = CHAIN_START
    *lines, rest = _read(path).split("\n")
    if rest:
        raise VerificationFailed(f"{path}:{len(lines) + 1}: the last line is cut short")
    for number, line in enumerate(lines, start=1):
        match = _CHAINED.fullmatch(line)
        if match is None or chain(previous, match[1] + "}") != match[2]:
            raise VerificationFailed(
                f"{path}:{number}: the line, or the one before it, was changed"
            )
        previous = match[2]
        if number == stated["lines"]:
            signed = previous
    if signed != stated["chain"] or (is_last and len(lines) != stated["lines"]):
        raise VerificationFailed(
            f"{path}:{len(lines)}: the log ends here, and the receipt speaks of "
            f"{stated['lines']} lines that end otherwise"
        )


def _compare(texts: dict[Path, str], result: Verified) -> None:
    """Refuse transcripts that differ, at the first line that does."""
    first, *others = texts
    lines = texts[first].splitlines()
    for other in others:
        for number, (here, there) in enumerate(
            zip(lines, texts[other].splitlines(), strict=False), start=1
        ):
            if here != there:
                step = _step_of(texts[other], number)
                index = int(step.split()[1].rstrip(":")) if step else 0
                whose = (
                    result.session.label(index) if 0 < index <= len(result.session.members) else ""
                )
                raise VerificationFailed(
                    f"{other}:{number}: {step}differs from {first.name}, although each holds by "
                    "itself: they are of different runs, or "
                    f"{whose or 'somebody'} signed two things"
                )


def _verify_summary(path: Path, result: Verified) -> None:
    text = _read(path)
    try:
        content = json.loads(text)
        digest = content.pop("sha256")
        body = json.dumps(content, indent=2)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise VerificationFailed(f"{path}:1: it is not a summary") from None
    canonical = json.dumps({**content, "sha256": digest}, indent=2) + "\n"
    if hashlib.sha256(body.encode()).hexdigest() != digest or text != canonical:
        raise VerificationFailed(f"{path}:1: it was changed")
    if content.get("transcript") not in (None, result.digest.hex()):
        raise VerificationFailed(f"{path}:1: it speaks of another transcript")
    if content.get("total") is not None and result.total.values is not None:
        parameters = result.session.parameters
        shown = result.total.values[: parameters.length]
        if content["total"] != json_values(shown, parameters.fraction_bits):
            raise VerificationFailed(f"{path}:1: it speaks of another total than the transcripts")
    codes = content.get("exit_codes")
    for number, code in enumerate(codes if isinstance(codes, list) else (), start=1):
        expected = path.with_name(f"peer-{number:02}.transcript")
        if code == 0 and not expected.exists():
            raise VerificationFailed(f"{expected}: it is missing, although this peer finished")
