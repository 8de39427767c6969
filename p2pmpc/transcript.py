"""The canonical public record of a round: written, read back, and verified without trust.

One line a fact, sorted by (step, index), with no clock and no address in it: two honest peers write
the same bytes. A line is

    STEP INDEX KIND name=value ...

where INDEX is a roster index (0: not about one peer), bytes are hex, and vectors of at most 64
elements stand as signed integers in units of 2^-f; longer ones as the digest of their bytes.
In sharded mode nobody knows the S_j. There the digests of the partial messages are of lists of digests,
which the total gives again once all masks are put back on.

Fields that people read (weight, name, ...) repeat what the signed bytes say; verification makes every
line again from the signed bytes and compares.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from p2pmpc.dealing import RoundContext, check_commitment
from p2pmpc.encoding import check_budget
from p2pmpc.errors import AgreementFailed, P2PMPCError, RemoteProtocolError, VerificationFailed
from p2pmpc.field import Words
from p2pmpc.frames import TO_ALL, body_digest, signing_input
from p2pmpc.hashing import labelled_hash
from p2pmpc.identity import format_id, verify_signature
from p2pmpc.messages import NO_SESSION, Commitment, Echo, EchoEntry, Kind, SignedEntry
from p2pmpc.parameters import Parameters
from p2pmpc.product import Ring
from p2pmpc.record import Heard, Record
from p2pmpc.session import Member, Session
from p2pmpc.summing import check_total, slice_digests, sum_of, with_mask, with_masks
from p2pmpc.wire import (
    decode_body,
    decode_parameters,
    encode_body,
    encode_parameters,
    parameters_digest,
)

FORMAT = "p2pmpc-transcript 1"
NOWHERE = "0.0.0.0:1"
"""Transcripts hold no addresses."""

_SHOWN = (
    "peers", "field", "length", "rounds", "fraction_bits", "bound", "weight_bound", "share_mode", "sum_mode",
    "strict",
)  # fmt: skip

_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
"""A value of a transcript: so many digits hold the values of every field."""

LONGEST_WRITTEN = 64
"""Vectors of more elements stand as digests."""


@dataclass(frozen=True, slots=True)
class Written:
    """A public vector as a transcript holds it.

    Args:
        digest: Of its bytes.
        values: Signed integers, where there are few enough.
    """

    digest: bytes
    values: tuple[int, ...] | None

    @classmethod
    def of(cls, vector: Words, arithmetic: Ring) -> Written:
        """Return how a vector is written."""
        digest = labelled_hash("public vector", arithmetic.encode(vector))
        return cls(digest, _values_of(vector, arithmetic))


@dataclass(frozen=True, slots=True)
class Line:
    """One fact of a transcript.

    Args:
        step: R0a .. R5.
        index: Roster index, or 0.
        kind: What the fact is.
        fields: Names and values, in order.
    """

    step: str
    index: int
    kind: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = "".join(f" {name}={value}" for name, value in self.fields.items())
        return f"{self.step} {self.index} {self.kind}{shown}"


class TranscriptFault(VerificationFailed):
    """A transcript that does not hold.

    Args:
        message: What is wrong.
        line: Its line, from 1.
        peers: Roster indices it concerns.
    """

    def __init__(self, message: str, line: int, peers: tuple[int, ...] = ()) -> None:
        super().__init__(message, peers=peers)
        self.line = line


def digest_of(text: str) -> bytes:
    """Return the digest that names a transcript: SHA-256 of its bytes."""
    return hashlib.sha256(text.encode("ascii")).digest()


def render(record: Record) -> str:
    """Write a round down.

    Args:
        record: Its public facts.

    Returns:
        The transcript; equal records give equal bytes.
    """
    arithmetic = record.session.parameters.arithmetic
    sums = {index: Written.of(vector, arithmetic) for index, vector in record.sums.items()}
    total = Written(record.total_digest, _values_of(record.total, arithmetic))
    lines = list(_lines(record, sums, total))
    return "\n".join([FORMAT, *map(str, lines)]) + "\n"


def _values_of(vector: Words, arithmetic: Ring) -> tuple[int, ...] | None:
    """Return a vector as signed integers, unless it is too long to be written."""
    if vector.size > LONGEST_WRITTEN:
        return None
    return tuple(arithmetic.to_signed(vector).tolist())


def _written_total(context: RoundContext, total: Words) -> Written:
    """Return how the total is written: under the digest that every CONFIRM signs."""
    arithmetic = context.session.parameters.arithmetic
    return Written(context.total_digest(arithmetic.encode(total)), _values_of(total, arithmetic))


def _lines(record: Record, sums: Mapping[int, Written], total: Written) -> Iterator[Line]:
    session = record.session
    yield Line("R0a", 0, "parameters", _parameter_fields(session.parameters))
    for index in session.indices:
        member = session.member(index)
        shown = {"id": format_id(member.id), "weight": str(member.weight)}
        name = {"name": member.entry.name.encode().hex()}
        signed = {"body": member.signed.body.hex(), "signature": member.signed.signature.hex()}
        yield Line("R0b", index, "hello", {**shown, **name, **signed})
    for index in session.indices:
        yield Line("R0c", index, "roster", {"signature": record.acceptances[index].hex()})
    for index in session.contributors:
        heard = record.commitments[index]
        signed = {"body": heard.body.hex(), "signature": heard.signature.hex()}
        yield Line("R1", index, "commitment", signed)
    for index in session.contributors:
        heard = record.partials[index]
        signed = {"digest": heard.body.hex(), "signature": heard.signature.hex()}
        yield Line("R2", index, "partial", signed)
    yield Line("R3", 0, "echo", {"digest": record.echo_digest.hex()})
    for index in session.contributors:
        yield Line("R3", index, "echo", {"signature": record.echoes[index].hex()})
    for index in session.contributors:
        yield Line("R4", index, "mask", {"seed": record.masks[index].hex()})
        if not session.parameters.is_sharded:
            yield Line("R4", index, "sum", _vector_fields(sums[index]))
    yield Line("R5", 0, "total", {"round": str(record.round), **_vector_fields(total)})


def _parameter_fields(parameters: Parameters) -> dict[str, str]:
    shown = {name.replace("_", "-"): parameters.shown(name) for name in _SHOWN}
    return {**shown, "body": encode_parameters(parameters).hex()}


def _vector_fields(written: Written) -> dict[str, str]:
    if written.values is None:
        return {"digest": written.digest.hex()}
    return {"digest": written.digest.hex(), "values": ",".join(map(str, written.values))}


# -- reading ----------------------------------------------------------------------------------


class _Reader:
    """Takes the lines of a transcript in their one possible order."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self.number = 1
        if self._lines[0] != FORMAT:
            raise TranscriptFault("this is not a transcript of this version", 1)
        if self._lines.pop() != "":
            raise TranscriptFault("the last line is cut short", len(self._lines) + 1)

    def take(self, step: str, index: int, kind: str, *names: str) -> dict[str, str]:
        """Return the fields of the next line, which must be this one."""
        self.number += 1
        if self.number > len(self._lines):
            raise TranscriptFault(f"the line {step} {index} {kind} is missing", self.number)
        parts = self._lines[self.number - 1].split(" ")
        if parts[:3] != [step, str(index), kind]:
            raise TranscriptFault(f"the line {step} {index} {kind} was due here", self.number)
        fields = dict(part.partition("=")[::2] for part in parts[3:])
        missing = [name for name in names if name not in fields]
        if missing or len(fields) != len(parts) - 3:
            raise TranscriptFault(f"{step} {index} {kind} has other fields", self.number)
        return fields

    def bytes_of(self, fields: Mapping[str, str], name: str, size: int | None = None) -> bytes:
        """Return a field's bytes."""
        try:
            value = bytes.fromhex(fields[name])
        except ValueError:
            raise TranscriptFault(f"{name} is not hex", self.number) from None
        if size is not None and len(value) != size:
            raise TranscriptFault(f"{name} has a wrong size", self.number)
        return value

    def finish(self) -> None:
        """Refuse lines behind the end."""
        if self.number != len(self._lines):
            raise TranscriptFault("there is more after the total", self.number + 1)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a transcript proves.

    Args:
        session: The roster, as its first member sees it.
        round: The round's number.
        digest: Of the transcript's bytes.
        total: How the total is written, the checksum coordinate included.
        recomputed: Whether S_j and T were computed again; else they were only compared by digest.
        residues: T, where it was computed again; the checksum coordinate included.
    """

    session: Session
    round: int
    digest: bytes
    total: Written
    recomputed: bool
    residues: Words | None = field(default=None, repr=False, compare=False)


def verify(text: str, sums: Mapping[int, Words] | None = None) -> Verified:
    """Check every signature and recompute every S_j and T of a transcript.

    Args:
        text: The transcript.
        sums: The S_j by index, where they are too long for the transcript and were kept; in sharded
            mode T as index 0.

    Returns:
        What it proves.

    Raises:
        TranscriptFault: Names the first line that does not hold, and the peer it concerns.
    """
    return _Verification(text, sums).run()


class _Verification:
    """One pass over one transcript; each method takes the lines of one step."""

    def __init__(self, text: str, sums: Mapping[int, Words] | None) -> None:
        self._text = text
        self._kept = sums
        self._reader = _Reader(text)
        self._members: list[Member] = []
        self._opened: Words | None = None

    def run(self) -> Verified:
        reader = self._reader
        try:
            session = self._session(self._parameters())
            round_number = self._round_number()
            context = RoundContext(session, round_number)
            acceptances = self._acceptances(session)
            commitments = self._commitments(context)
            partials = self._partials(context)
            echo_digest, echoes = self._echoes(context, acceptances, commitments, partials)
            masks, written, vectors = self._openings(context, commitments, partials)
            if session.parameters.is_sharded:
                total, recomputed = self._sharded_total(context, partials, masks)
            else:
                total, recomputed = self._total(context, vectors), vectors is not None
        except TranscriptFault as error:
            raise TranscriptFault(self._naming(error), error.line, error.peers) from None
        except P2PMPCError as error:
            raise TranscriptFault(self._naming(error), reader.number, error.peers) from None
        reader.finish()
        record = Record(
            session,
            round_number,
            acceptances,
            commitments,
            partials,
            echo_digest,
            echoes,
            masks,
            {},
            np.zeros(0, dtype=np.uint64),
            total.digest,
        )
        self._compare([FORMAT, *map(str, _lines(record, written, total))])
        digest = digest_of(self._text)
        return Verified(session, round_number, digest, total, recomputed, self._opened)

    def _naming(self, error: P2PMPCError) -> str:
        """Return an error's message with the names of the peers it concerns."""
        known = [self._members[i - 1].label for i in error.peers if i <= len(self._members)]
        missing = [name for name in known if name not in error.message]
        return f"{error.message} (of {', '.join(missing)})" if missing else error.message

    def _compare(self, due: Sequence[str]) -> None:
        """Refuse lines that say anything but what their signed bytes say."""
        for number, (line, expected) in enumerate(
            zip(self._text.split("\n"), due, strict=False), 1
        ):
            if line != expected:
                raise TranscriptFault("the line does not say what its signed bytes say", number)

    def _parameters(self) -> Parameters:
        fields = self._reader.take("R0a", 0, "parameters", "body")
        return decode_parameters(self._reader.bytes_of(fields, "body"))

    def _session(self, parameters: Parameters) -> Session:
        reader, entries = self._reader, []
        agreed = parameters_digest(parameters)
        members = self._members
        for index in range(1, parameters.peers + 1):
            fields = reader.take("R0b", index, "hello", "body", "signature")
            signed = SignedEntry(
                reader.bytes_of(fields, "body"), reader.bytes_of(fields, "signature", 64), NOWHERE
            )
            member = Member.verify(signed)
            if member.entry.parameters_digest != agreed:
                raise AgreementFailed("the HELLO agrees to other parameters").blaming(index)
            if members and members[-1].id >= member.id:
                raise AgreementFailed("the roster is not in the order of IDs")
            members.append(member)
            entries.append(signed)
        session = Session.close(parameters, entries, members[0].id)
        weights, bound = session.possible_weights, session.bound
        check_budget(parameters.arithmetic, weights, bound, parameters.fraction_bits)
        return session

    def _round_number(self) -> int:
        last = self._text.rstrip("\n").rpartition("\n")[2].split(" ")
        values = [part.removeprefix("round=") for part in last if part.startswith("round=")]
        if len(values) != 1 or not re.fullmatch(r"[0-9]{1,9}", values[0]):
            raise TranscriptFault("the last line names no round", self._text.count("\n"))
        return int(values[0])

    def _check(
        self, context: RoundContext, index: int, kind: Kind, digest: bytes, signature: bytes
    ) -> None:
        session = context.session
        bound_to = NO_SESSION if kind is Kind.ACCEPT else session.id
        number = 0 if kind is Kind.ACCEPT else context.number
        member = session.member(index)
        try:
            verify_signature(
                member.public_key,
                signature,
                signing_input(bound_to, number, kind, member.id, TO_ALL, digest),
            )
        except RemoteProtocolError:
            raise TranscriptFault(
                f"the {kind.name} signature of {member.label} does not verify",
                self._reader.number,
                (index,),
            ) from None

    def _acceptances(self, session: Session) -> dict[int, bytes]:
        digest = body_digest(Kind.ACCEPT, encode_body(session.acceptance))
        signatures = {}
        for index in session.indices:
            fields = self._reader.take("R0c", index, "roster", "signature")
            signatures[index] = self._reader.bytes_of(fields, "signature", 64)
            self._check(RoundContext(session, 0), index, Kind.ACCEPT, digest, signatures[index])
        return signatures

    def _commitments(self, context: RoundContext) -> dict[int, Heard]:
        reader, heard = self._reader, {}
        for index in context.session.contributors:
            fields = reader.take("R1", index, "commitment", "body", "signature")
            heard[index] = Heard(
                reader.bytes_of(fields, "body"), reader.bytes_of(fields, "signature", 64)
            )
            digest = body_digest(Kind.COMMITMENT, heard[index].body)
            self._check(context, index, Kind.COMMITMENT, digest, heard[index].signature)
            check_commitment(context, index, self._commitment(context, heard[index]))
        return heard

    def _commitment(self, context: RoundContext, heard: Heard) -> Commitment:
        message = decode_body(Kind.COMMITMENT, heard.body, context.session.limits)
        assert isinstance(message, Commitment)
        return message

    def _partials(self, context: RoundContext) -> dict[int, Heard]:
        reader, heard = self._reader, {}
        for index in context.session.contributors:
            fields = reader.take("R2", index, "partial", "digest", "signature")
            heard[index] = Heard(
                reader.bytes_of(fields, "digest", 32), reader.bytes_of(fields, "signature", 64)
            )
            self._check(context, index, Kind.PARTIAL, heard[index].body, heard[index].signature)
        return heard

    def _echoes(
        self,
        context: RoundContext,
        acceptances: Mapping[int, bytes],
        commitments: Mapping[int, Heard],
        partials: Mapping[int, Heard],
    ) -> tuple[bytes, dict[int, bytes]]:
        reader = self._reader
        entries = tuple(
            EchoEntry(
                body_digest(Kind.COMMITMENT, commitments[index].body),
                commitments[index].signature,
                partials[index].body,
                partials[index].signature,
            )
            for index in context.session.contributors
        )
        accepted = tuple(acceptances[index] for index in context.session.indices)
        fields = reader.take("R3", 0, "echo", "digest")
        digest = reader.bytes_of(fields, "digest", 32)
        if digest != body_digest(Kind.ECHO, encode_body(Echo(accepted, entries))):
            raise TranscriptFault("the echo is not of the messages above", reader.number)
        signatures = {}
        for index in context.session.contributors:
            fields = reader.take("R3", index, "echo", "signature")
            signatures[index] = reader.bytes_of(fields, "signature", 64)
            self._check(context, index, Kind.ECHO, digest, signatures[index])
        return digest, signatures

    def _openings(
        self,
        context: RoundContext,
        commitments: Mapping[int, Heard],
        partials: Mapping[int, Heard],
    ) -> tuple[dict[int, bytes], dict[int, Written], dict[int, Words] | None]:
        reader, parameters = self._reader, context.session.parameters
        arithmetic = parameters.arithmetic
        masks: dict[int, bytes] = {}
        sums: dict[int, Written] = {}
        vectors: dict[int, Words] = {}
        for index in context.session.contributors:
            fields = reader.take("R4", index, "mask", "seed")
            masks[index] = reader.bytes_of(fields, "seed", 32)
            committed = self._commitment(context, commitments[index]).mask
            if context.mask_commitment(index, masks[index]) != committed:
                raise TranscriptFault(
                    "the mask seed is not the one committed to", reader.number, (index,)
                )
            if parameters.is_sharded:
                continue
            fields = reader.take("R4", index, "sum", "digest")
            vector = self._vector(fields, index, parameters)
            if vector is None:
                sums[index] = Written(reader.bytes_of(fields, "digest", 32), None)
                continue
            body = arithmetic.encode(with_mask(context, index, vector, masks[index]))
            if body_digest(Kind.PARTIAL, body) != partials[index].body:
                raise TranscriptFault(
                    "the sum is not the one that was masked and committed to",
                    reader.number,
                    (index,),
                )
            sums[index] = Written.of(vector, arithmetic)
            vectors[index] = vector
        return masks, sums, vectors if len(vectors) == len(masks) else None

    def _vector(
        self, fields: Mapping[str, str], index: int, parameters: Parameters
    ) -> Words | None:
        """Return a public vector from its line, or from those kept beside it."""
        arithmetic, length = parameters.arithmetic, parameters.extended_length
        if length > LONGEST_WRITTEN:
            kept = None if self._kept is None else self._kept.get(index)
            if kept is None:
                return None
            if kept.size != length:
                raise TranscriptFault("the vector kept has another length", self._reader.number)
            if not arithmetic.holds(kept):
                raise TranscriptFault("the vector kept is of another field", self._reader.number)
            return kept
        texts, limit = fields.get("values", "").split(","), arithmetic.largest_magnitude
        if not all(re.fullmatch(_INTEGER, text) for text in texts):
            raise TranscriptFault("the values are not integers", self._reader.number)
        values = [int(text) for text in texts]
        if len(values) != length or any(abs(value) > limit for value in values):
            raise TranscriptFault(
                "the values are not a vector of this session", self._reader.number
            )
        return arithmetic.vector(values)

    def _sharded_total(
        self,
        context: RoundContext,
        partials: Mapping[int, Heard],
        masks: Mapping[int, bytes],
    ) -> tuple[Written, bool]:
        """Return the total, and whether the sums of the slices were made of it again."""
        reader, session = self._reader, context.session
        fields = reader.take("R5", 0, "total", "round", "digest")
        total = self._vector(fields, 0, session.parameters)
        if total is None:
            return Written(reader.bytes_of(fields, "digest", 32), None), False
        hidden = with_masks(context, total, masks)
        for index in session.contributors:
            listed = slice_digests(session, index, hidden)
            if body_digest(Kind.PARTIAL, listed) != partials[index].body:
                raise TranscriptFault(
                    "the total is not the one whose masked slices were signed",
                    reader.number,
                    (index,),
                )
        check_total(context, total)
        written = _written_total(context, total)
        if written.digest != reader.bytes_of(fields, "digest", 32):
            raise TranscriptFault("the total is not the one that was confirmed", reader.number)
        self._opened = total
        return written, True

    def _total(self, context: RoundContext, vectors: Mapping[int, Words] | None) -> Written:
        reader, parameters = self._reader, context.session.parameters
        fields = reader.take("R5", 0, "total", "round", "digest")
        if vectors is None:
            return Written(reader.bytes_of(fields, "digest", 32), None)
        total = sum_of(parameters.arithmetic, vectors, parameters.extended_length)
        check_total(context, total)
        written = _written_total(context, total)
        if written.digest != reader.bytes_of(fields, "digest", 32):
            raise TranscriptFault("the total is not the sum of the partial sums", reader.number)
        self._opened = total
        return written
