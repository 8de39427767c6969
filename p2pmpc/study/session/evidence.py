"""What a study leaves beside the transcripts, and how all of it is verified again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from p2pmpc.errors import InputRefused, ResourceExhausted, VerificationFailed
from p2pmpc.identity import Identity, format_id
from p2pmpc.session import Session
from p2pmpc.storage import read_partials, write_text
from p2pmpc.study.conclusion import make_result
from p2pmpc.study.file.study_file import parse_study
from p2pmpc.study.model import Study
from p2pmpc.study.plan import Plan
from p2pmpc.study.report.result_json import to_json
from p2pmpc.study.result import Participant, Result
from p2pmpc.study.session.study_receipt import check_study_receipt, make_study_receipt
from p2pmpc.transcript import TranscriptFault, Verified, verify

RECEIPT: Final = ".study-receipt.json"
_STUDY: Final = ".study.toml"
_RESULT: Final = ".result.json"


def keep_study(
    folder: Path, stem: str, identity: Identity, session: Session, study: Study, result: Result
) -> None:
    """Write down the study file, the result, and what this peer signs of them.

    Args:
        folder: Of the run.
        stem: What this peer's files are called.
        identity: This peer's.
        session: Of both rounds.
        study: The study.
        result: Its result.

    Raises:
        ResourceExhausted: A file cannot be written.
    """
    text = to_json(study, result)
    receipt = make_study_receipt(
        identity,
        session,
        study=study.digest,
        transcripts=(result.transcripts[0], result.transcripts[1]),
        result=hashlib.sha256(text.encode()).digest(),
    )
    try:
        (folder / f"{stem}{_STUDY}").write_bytes(study.text)
    except OSError as error:
        raise ResourceExhausted(f"cannot write the study file: {error.strerror}") from None
    write_text(folder / f"{stem}{_RESULT}", text)
    write_text(folder / f"{stem}{RECEIPT}", receipt)


@dataclass(frozen=True)
class StudyVerdict:
    """What the files of a study prove.

    Args:
        title: Of the study.
        study: SHA-256 of the study file, hex.
        peers: Name and ID of those whose result was computed again: who signed it, whatever files are called.
        answers: How many answers the result has.
    """

    title: str
    study: str
    peers: tuple[str, ...]
    answers: int

    def as_text(self) -> str:
        """Return the lines that people read."""
        return "\n".join(
            [
                f"study          {self.title} ({self.study})",
                f"result         all {self.answers} answers computed again from the totals, as "
                f"{', '.join(self.peers)} signed",
            ]
        )

    def content(self) -> dict[str, Any]:
        """Return what a program reads."""
        return {
            "title": self.title,
            "study": self.study,
            "peers": list(self.peers),
            "answers": self.answers,
        }


def verify_study(folder: Path) -> StudyVerdict | None:
    """Verify what a study has left: every answer is computed again from the totals that were opened.

    Args:
        folder: Of the run, whose transcripts hold by themselves.

    Returns:
        What holds; None where there is no study in the folder.

    Raises:
        VerificationFailed: Names the file that does not hold.
    """
    receipts = sorted(folder.glob(f"*{RECEIPT}"))
    for ending in (_RESULT, _STUDY):
        for path in sorted(folder.glob(f"*{ending}")):
            if path.with_name(path.name.removesuffix(ending) + RECEIPT) not in receipts:
                raise VerificationFailed(
                    f"{path}: nobody signed it: the receipt beside it is missing"
                )
    if not receipts:
        return None
    checked = [_verify_peer(path, path.name.removesuffix(RECEIPT)) for path in receipts]
    study, result, _ = checked[0]
    signers: list[str] = []
    for path, (_, other, signer) in zip(receipts, checked, strict=True):
        if other["answers"] != result["answers"] or other["session"] != result["session"]:
            raise VerificationFailed(f"{path}: another result than {receipts[0].name}'s")
        if signer in signers:
            raise VerificationFailed(
                f"{path}: {signer} signed {receipts[signers.index(signer)].name}"
            )
        signers.append(signer)
    return StudyVerdict(study.title, study.digest.hex(), tuple(signers), len(result["answers"]))


def _verify_peer(path: Path, stem: str) -> tuple[Study, dict[str, Any], str]:
    """Return the study and the result that one peer's receipt speaks of, and what that peer is called."""
    counts, sums = (_transcript(path.with_name(f"{stem}.r{n:04}.transcript")) for n in (1, 2))
    session = sums.session
    try:
        receipt = check_study_receipt(_read(path), session)
    except VerificationFailed as error:
        raise VerificationFailed(f"{path}: {error.message}") from None
    if (receipt["counts"], receipt["sums"]) != (counts.digest.hex(), sums.digest.hex()):
        raise VerificationFailed(f"{path}: it speaks of other transcripts")
    study = _study(path.with_name(stem + _STUDY), receipt["study"], session)
    result = path.with_name(stem + _RESULT)
    text = _read(result)
    if hashlib.sha256(text.encode()).hexdigest() != receipt["result"]:
        raise VerificationFailed(f"{result}: it is not the result that the receipt speaks of")
    confirmed = _confirmed(path.with_name(f"{stem}.r0002.receipt.json"))
    signer = next(m.label for m in session.members if format_id(m.id) == receipt["peer"])
    return study, _recomputed(result, text, study, (counts, sums), confirmed), signer


def _recomputed(
    path: Path,
    text: str,
    study: Study,
    rounds: tuple[Verified, Verified],
    confirmed: frozenset[str],
) -> dict[str, Any]:
    """Return a result, once it is the one that the totals give."""
    opened = []
    for number, verified in enumerate(rounds, start=1):
        if verified.residues is None:
            raise VerificationFailed(
                f"{path}: the partial sums of round {number} are not kept, so nothing proves the result"
            )
        parameters = verified.session.parameters
        residues = verified.residues[: parameters.length]
        opened.append([int(value) for value in parameters.arithmetic.to_signed(residues)])
    session = rounds[1].session
    try:
        content = json.loads(text)
        plan = Plan(study)
        made = make_result(
            plan,
            opened[0],
            opened[1],
            participants=participants_of(session, confirmed, _invited(content)),
            session=session.id.hex(),
            transcripts=(rounds[0].digest.hex(), rounds[1].digest.hex()),
            date=str(content["date"]),
            files=str(content["files"]),
        )
    except VerificationFailed as error:
        raise VerificationFailed(f"{path}: {error.message}") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise VerificationFailed(f"{path}: it is no result of a study") from None
    if to_json(study, made) != text:
        raise VerificationFailed(f"{path}: it is not what the opened totals give")
    assert isinstance(content, dict)
    return content


def participants_of(
    session: Session, confirmed: frozenset[str], invited: frozenset[str]
) -> tuple[Participant, ...]:
    """Return who took part.

    Args:
        session: Closed.
        confirmed: IDs, as people compare them, of those that confirmed the last total.
        invited: The coordinator's, which no transcript holds.
    """
    contributors = set(session.contributors)
    return tuple(
        Participant(
            name=session.member(index).entry.name,
            id=format_id(session.member(index).id),
            brings_data=index in contributors,
            confirmed=format_id(session.member(index).id) in confirmed,
            invited=format_id(session.member(index).id) in invited,
        )
        for index in session.indices
    )


def _invited(content: dict[str, Any]) -> frozenset[str]:
    return frozenset(one["id"] for one in content["participants"] if one["invited"])


def _transcript(path: Path) -> Verified:
    partials = path.with_suffix(".partials.npz")
    try:
        kept = read_partials(partials) if partials.exists() else None
    except ValueError as error:
        raise VerificationFailed(f"{partials}: it cannot be read ({error})") from None
    try:
        return verify(_read(path), kept)
    except TranscriptFault as error:
        raise VerificationFailed(f"{path}:{error.line}: {error.message}") from None


def _study(path: Path, digest: str, session: Session) -> Study:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise VerificationFailed(f"{path}: {error.strerror}") from None
    actual = hashlib.sha256(text)
    if actual.hexdigest() != digest or actual.digest() != session.parameters.study:
        raise VerificationFailed(f"{path}: it is not the study that all agreed to")
    try:
        return parse_study(text, str(path))
    except InputRefused as error:
        raise VerificationFailed(error.message) from None


def _confirmed(path: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(_read(path))["confirmed"])
    except (LookupError, TypeError, ValueError, RecursionError):
        raise VerificationFailed(f"{path}: the receipt is not one") from None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii")
    except OSError as error:
        raise VerificationFailed(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise VerificationFailed(f"{path}: it holds bytes that no such file holds") from None
