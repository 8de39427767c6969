"""The parameters of a session: what the founder decides and every HELLO signs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

from p2pmpc.encoding import (
    LARGEST_SCALED,
    MOST_FRACTION_BITS,
    format_scaled,
    parse_scaled,
)
from p2pmpc.errors import AgreementFailed, ConfigurationError, RemoteProtocolError
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.identity import ID_BYTES, short_id
from p2pmpc.product import FIELDS, Ring
from p2pmpc.study_text import check_same_study, study_digest
from p2pmpc.weights import LARGEST_WEIGHT

PROTOCOL_VERSION: Final = 1
NONCE_BYTES: Final = 32
MOST_PEERS: Final = 1000
MOST_ROUNDS: Final = 1_000_000
LARGEST_LENGTH: Final = 1 << 27
SHARE_MODES: Final = ("seeds", "dense")
SUM_MODES: Final = ("broadcast", "sharded")
MOST_BROADCAST: Final = 4_000_000
"""Bytes of all masked sums together up to which each is sent whole to all."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that must be equal at every peer before a share may leave.

    Args:
        nonce: 32 bytes of the founder, new for every session; zero where a roster file founds it.
        peers: n.
        field: ``m31``, ``m61`` or ``m31xm61``.
        length: L, elements of every vector.
        rounds: How many sums; 0 means as many as all members go on with.
        fraction_bits: f of the fixed point.
        bound: The public limit on |v| in scaled units; 0 means the largest that fits the roster.
        weight_bound: Weights are private: the public limit on their size, and every contributor's
            public weight is 1. 0: weights are public.
        share_mode: ``seeds`` or ``dense``.
        sum_mode: ``broadcast`` or ``sharded``.
        strict: No b-shares: nobody's mask can be opened by others.
        allow_two: Two contributors are allowed.
        allow_revealing_weights: Weights under which a total could spell out inputs are allowed.
        allowed: IDs that may take part, sorted; empty means anybody.
        study: SHA-256 of the study file that the sums are for; empty where there is none.
    """

    nonce: bytes
    peers: int
    field: str = "m31"
    length: int = 1
    rounds: int = 1
    fraction_bits: int = 0
    bound: int = 0
    weight_bound: int = 0
    share_mode: str = "seeds"
    sum_mode: str = "broadcast"
    strict: bool = False
    allow_two: bool = False
    allow_revealing_weights: bool = False
    allowed: tuple[bytes, ...] = ()
    study: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what no session can have, at the founder and at every joiner."""
        for reason in self._faults():
            raise ConfigurationError(reason, hint="see `python -m p2pmpc.node --help`")

    def _faults(self) -> list[str]:
        checks = [
            (len(self.nonce) == NONCE_BYTES, "the session nonce has a wrong size"),
            (2 <= self.peers <= MOST_PEERS, f"a session has 2..{MOST_PEERS} peers"),
            (self.field in FIELDS, f"the field is one of {', '.join(FIELDS)}"),
            (1 <= self.length <= LARGEST_LENGTH, f"the length is 1..{LARGEST_LENGTH}"),
            (0 <= self.rounds <= MOST_ROUNDS, f"the rounds are 1..{MOST_ROUNDS}"),
            (
                0 <= self.fraction_bits <= MOST_FRACTION_BITS,
                f"the fraction bits are 0..{MOST_FRACTION_BITS}",
            ),
            (0 <= self.bound <= LARGEST_SCALED, "the bound is negative or fits no field"),
            (
                0 <= self.weight_bound <= LARGEST_WEIGHT,
                f"the weight bound is 0..{LARGEST_WEIGHT}",
            ),
            (self.share_mode in SHARE_MODES, f"the share mode is one of {SHARE_MODES}"),
            (self.sum_mode in SUM_MODES, f"the sum mode is one of {SUM_MODES}"),
            (len(self.study) in (0, DIGEST_BYTES), "the study's digest has a wrong size"),
            (all(len(i) == ID_BYTES for i in self.allowed), "an allowed ID has a wrong size"),
            (list(self.allowed) == sorted(set(self.allowed)), "allowed IDs repeat or are unsorted"),
            (
                not self.allowed or len(self.allowed) >= self.peers,
                f"{len(self.allowed)} allowed IDs cannot fill a session of {self.peers}",
            ),
        ]
        return [reason for holds, reason in checks if not holds]

    @property
    def arithmetic(self) -> Ring:
        """The field itself."""
        return FIELDS[self.field]

    @property
    def private_weights(self) -> bool:
        """Whether each contributor multiplies at home, and only the sum of the weights opens."""
        return self.weight_bound > 0

    def with_fitting_mode(self) -> Parameters:
        """Return these parameters with the sum mode that costs less at their size."""
        together = self.peers * self.extended_length * self.arithmetic.width
        return replace(self, sum_mode="sharded" if together > MOST_BROADCAST else "broadcast")

    @property
    def is_sharded(self) -> bool:
        """Whether masked sums are added up slice by slice."""
        return self.sum_mode == "sharded"

    @property
    def summed_length(self) -> int:
        """Elements that are summed: the vector, and behind it a private weight."""
        return self.length + self.private_weights

    @property
    def extended_length(self) -> int:
        """Elements on the wire: those that are summed, and their checksum coordinate."""
        return self.summed_length + 1

    def shown(self, name: str) -> str:
        """Return one parameter as people read it."""
        value = getattr(self, name)
        if name == "bound":
            return format_scaled(value, self.fraction_bits) if value else "automatic"
        if name == "rounds":
            return str(value) if value else "open"
        if name == "weight_bound":
            return str(value) if value else "public"
        if name == "allowed":
            return ",".join(short_id(i) for i in value) or "anybody"
        if isinstance(value, bytes):
            return value.hex()[:16] or "none"
        return str(value).lower() if isinstance(value, bool) else str(value)

    def differences(self, other: Parameters, *, here: str, there: str) -> list[str]:
        """Return a line for every parameter in which two sets differ."""
        return [
            f"{_OPTIONS.get(f.name, f.name.replace('_', '-'))} is {self.shown(f.name)} {here} and "
            f"{other.shown(f.name)} {there}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]


@dataclass(frozen=True, slots=True)
class Stated:
    """The parameters that a joiner's own options state; None where it states nothing.

    Args:
        bound: As written, a decimal: its scaled value depends on the fraction bits.
        allowed: IDs that this peer is ready to sum with; checked against the roster.
        study: The text of the study file that this peer holds; empty where it holds none.
    """

    peers: int | None = None
    field: str | None = None
    length: int | None = None
    rounds: int | None = None
    fraction_bits: int | None = None
    bound: str | None = None
    private_weights: bool | None = None
    weight_bound: int | None = None
    share_mode: str | None = None
    sum_mode: str | None = None
    strict: bool | None = None
    allow_two: bool | None = None
    allow_revealing_weights: bool | None = None
    allowed: tuple[bytes, ...] = ()
    study: bytes = b""

    def check(self, offered: Parameters, study: bytes = b"") -> None:
        """Refuse parameters that contradict what this peer's options state.

        Args:
            offered: The founder's.
            study: The text that the founder says the sums are for.

        Raises:
            AgreementFailed: Every difference is shown.
            RemoteProtocolError: The text is not the one of the parameters.
        """
        if study_digest(study) != offered.study:
            raise RemoteProtocolError("PARAMETERS with another study than their digest's")
        check_same_study(self.study, study)
        differing = []
        hint = "leave the option out, or ask the founder to start again with it"
        for f in fields(self):
            mine = getattr(self, f.name)
            if mine is None or f.name in ("allowed", "study"):
                continue
            same = mine == getattr(offered, f.name)
            if f.name == "bound":
                same = _is_bound(mine, offered)
            if not same:
                option = "--" + _OPTIONS.get(f.name, f.name.replace("_", "-"))
                mine = "is asked for" if mine is True else mine
                differing.append(f"{option} {mine} here, {offered.shown(f.name)} at the founder")
                if f.name in ("private_weights", "weight_bound"):
                    hint = (
                        "ask the founder to start again with --private-weights; without it your "
                        "weight is sent to everybody"
                    )
        if differing:
            raise AgreementFailed(
                "the founder's parameters are not the ones stated here: " + "; ".join(differing),
                hint=hint,
            )


_OPTIONS: Final = {"sum_mode": "mode"}
"""Options that are called otherwise than the parameter."""


def _is_bound(text: str, offered: Parameters) -> bool:
    try:
        return parse_scaled(text, offered.fraction_bits) == offered.bound
    except ValueError:
        return False
