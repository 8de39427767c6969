"""What a study asks of the session below it: its parameters, and who may sit in it."""

from __future__ import annotations

import datetime as dt

from p2pmpc.errors import AgreementFailed, ConfigurationError, InputRefused
from p2pmpc.identity import format_id, short_id
from p2pmpc.options import NodeOptions
from p2pmpc.session import Session
from p2pmpc.study.model import Receives, Study, WeightPolicy
from p2pmpc.study.plan import ROUNDS, Plan
from p2pmpc.weights import check_private_weight


def peers_of(study: Study) -> int:
    """Return how many peers the session of a study has: its parties, and a coordinator without data."""
    return study.number_of_parties + (study.receives is Receives.PARTIES_AND_COORDINATOR)


def check_deadline(study: Study, now: dt.datetime) -> None:
    """Refuse a study that is over.

    Raises:
        InputRefused: Its deadline has passed.
    """
    if study.deadline is not None and now > study.deadline:
        raise InputRefused(
            f"the study's deadline, {study.deadline.isoformat()}, has passed",
            hint="ask the coordinator for a new study file",
        )


def check_coordinator(study: Study, *, brings_data: bool) -> None:
    """Refuse a coordinator that the study file does not describe: the parties rely on it.

    Raises:
        ConfigurationError: It brings data although it should not, or the other way round.
    """
    if study.receives is Receives.PARTIES and not brings_data:
        raise ConfigurationError(
            "the study says that the coordinator brings data, and none is named",
            hint='name it with --data FILE; or write receives = "parties-and-coordinator" into the '
            "study file",
        )
    if study.receives is Receives.PARTIES_AND_COORDINATOR and brings_data:
        raise ConfigurationError(
            "the study says that the coordinator brings no data",
            hint='leave --data out, or write receives = "parties" into the study file',
        )


def weight_of(study: Study, own: bytes, given: int | None) -> int:
    """Return what each row of this party counts.

    Args:
        study: The study.
        own: This party's ID.
        given: The weight that the party gave, where it did.

    Raises:
        ConfigurationError: One is missing, or given where there is none.
        InputRefused: It is larger than the study allows.
    """
    if study.weights is WeightPolicy.PRIVATE:
        if given is None or given < 1:
            raise ConfigurationError(
                "the study's weights are private, and this party gives no weight above zero",
                hint=f"put it into P2PMPC_WEIGHT: 1 to {study.weight_bound}",
            )
        check_private_weight(given, study.weight_bound)
        return given
    if given is not None:
        raise ConfigurationError(
            "a weight is given, and the study knows none of this party's choice",
            hint="leave P2PMPC_WEIGHT out",
        )
    return next((party.weight for party in study.parties if party.id == own), 1)


def check_listed(study: Study, own: bytes) -> None:
    """Refuse to bring data to a study that lists its parties, and not this one.

    Raises:
        AgreementFailed: It does not.
    """
    listed = {party.id for party in study.parties} - {None}
    if listed and own not in listed:
        raise AgreementFailed(
            f"the study does not list this party's ID {format_id(own)}",
            hint="send your `p2pmpc id` to the coordinator, who writes it into the study file",
        )


def with_parameters(plan: Plan, options: NodeOptions) -> NodeOptions:
    """Return options that found a study's session, or state what a founder has to offer.

    Args:
        plan: Of the study.
        options: What else the peer is told.
    """
    study = plan.study
    allowed = [format_id(party.id) for party in study.parties if party.id is not None]
    founds = options.bootstrap is None
    stated: dict[str, object] = {
        "peers": peers_of(study),
        "field": plan.field,
        "length": plan.length,
        "rounds": ROUNDS,
        "fraction_bits": 0,
        "bound": str(plan.bound),
        "study": study.text,
    }
    made = {name: getattr(options, name) for name in options.__dataclass_fields__}
    if founds and allowed:
        stated["allow"] = allowed  # the founder is always allowed
    return NodeOptions(**{**made, **stated})


def check_members(plan: Plan, session: Session) -> None:
    """Refuse a closed roster that is not the study's.

    Raises:
        AgreementFailed: Others contribute than the study says, or others observe.
    """
    study, contributors = plan.study, [session.member(i) for i in session.contributors]
    observers = [session.member(i) for i in session.indices if i not in session.contributors]
    if len(contributors) != study.number_of_parties:
        raise AgreementFailed(
            f"{len(contributors)} peers bring data, and the study says {study.number_of_parties}",
            hint="every party joins with --data; only a coordinator without data observes",
        )
    listed = {party.id for party in study.parties} - {None}
    unknown = [m for m in contributors if listed and m.id not in listed]
    if unknown:
        raise AgreementFailed(f"the study does not list {', '.join(m.label for m in unknown)}")
    if any(member.weight != 1 for member in contributors):
        raise AgreementFailed("a peer has a weight of its own: a study weighs rows at home")
    founder = session.founder
    if any(founder is None or m.id != session.member(founder).id for m in observers):
        raise AgreementFailed("somebody observes who is not the coordinator")


def name_of(study: Study, own: bytes, given: str) -> str:
    """Return what this peer calls itself: what it was told, or what the study calls it."""
    if given:
        return given
    named = next((party.name for party in study.parties if party.id == own), "")
    return named if named.isascii() and len(named) <= 32 else short_id(own) if named else ""
