"""The options of a swarm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from p2pmpc.actions import STEPS
from p2pmpc.app import whole_number
from p2pmpc.errors import ConfigurationError, InputRefused
from p2pmpc.parameters import MOST_PEERS
from p2pmpc.weights import parse_weight

_SESSION = Group("The sum", sort_key=1)
_DATA = Group("Test data", sort_key=2)
_RUN = Group("Running", sort_key=3)
_OUT = Group("Results and logs", sort_key=4)


def _option(help_text: str, group: Group, **more: object) -> Parameter:
    return Parameter(help=help_text, group=group, negative="", **more)  # type: ignore[arg-type]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmOptions:
    """What a swarm is told to do; see the help of each."""

    length: Annotated[
        int | None,
        _option("Elements of every vector; 1 by default.", _SESSION, converter=whole_number),
    ] = None
    field: Annotated[
        Literal["m31", "m61", "m31xm61"],
        _option("What totals fit: 2^30 (m31), 2^60 (m61), or 2^91 (m31xm61).", _SESSION),
    ] = "m31"
    bound: Annotated[str | None, _option("The largest magnitude of a value.", _SESSION)] = None
    fraction_bits: Annotated[
        int, _option("Binary digits behind the point.", _SESSION, converter=whole_number)
    ] = 0
    share_mode: Annotated[
        Literal["seeds", "dense"], _option("Send seeds, or the shares themselves.", _SESSION)
    ] = "seeds"
    private_weights: Annotated[
        bool, _option("Nobody sees a weight; only the weights' sum opens.", _SESSION)
    ] = False
    mode: Annotated[
        Literal["broadcast", "sharded"] | None,
        _option(
            "Send masked sums whole to all, or a slice to each; by what costs less if not said.",
            _SESSION,
        ),
    ] = None
    strict: Annotated[bool, _option("No mask can be opened by others.", _SESSION)] = False
    allow_two: Annotated[bool, _option("Two peers may sum.", _SESSION)] = False
    allow_revealing_weights: Annotated[
        bool, _option("Sum even under weights that let a total spell inputs out.", _SESSION)
    ] = False

    weights: Annotated[
        str | None,
        _option(
            "Weights, e.g. 1,2,0; drawn by default. 0 observes.", _DATA, allow_leading_hyphen=True
        ),
    ] = None
    values: Annotated[
        str | None, _option("A CSV file of the inputs, a row a peer; drawn by default.", _DATA)
    ] = None
    seed: Annotated[
        int | None,
        _option(
            "Draw the same test data again. Never randomness of the protocol.",
            _DATA,
            converter=whole_number,
        ),
    ] = None

    in_process: Annotated[bool, _option("All peers in one process, over memory streams.", _RUN)] = (
        False
    )
    kill: Annotated[
        list[str] | None,
        _option(
            f"Kill a peer when it reaches a step, e.g. 3@share; repeat it. Steps: {', '.join(STEPS)}.",
            _RUN,
        ),
    ] = None
    timeout: Annotated[
        float, _option("Seconds without progress, and for joining, after which peers end.", _RUN)
    ] = 60.0

    log_dir: Annotated[str | None, _option("Where logs go; logs/UTC-TIME by default.", _OUT)] = None
    log_secrets: Annotated[
        bool,
        _option("Write inputs, shares, seeds and masks into the logs. For teaching only.", _OUT),
    ] = False
    keep_partials: Annotated[
        bool, _option("Keep the opened partial sums beside the transcripts.", _OUT)
    ] = False
    json: Annotated[bool, _option("Print the result as one JSON object.", _OUT)] = False

    def kills(self, count: int) -> dict[int, str]:
        """Return the step at which each peer to be killed is struck.

        Raises:
            ConfigurationError: There is no such peer or step.
        """
        struck = {}
        for text in self.kill or ():
            match = re.fullmatch(r"(\d{1,4})@([a-z]+)", text)
            if match is None or not 1 <= int(match[1]) <= count or match[2] not in STEPS:
                raise ConfigurationError(
                    f"--kill {text}: there is no such peer or step",
                    hint=f"write PEER@STEP with a peer 1..{count} and one of {', '.join(STEPS)}",
                )
            struck[int(match[1])] = match[2]
        return struck

    def weight_list(self, count: int) -> list[int] | None:
        """Return the weights given, or None.

        Raises:
            ConfigurationError: Their number is not that of the peers, or one is no weight.
        """
        if self.weights is None:
            return None
        try:
            weights = [parse_weight(text) for text in self.weights.split(",")]
        except InputRefused as error:
            raise ConfigurationError(f"--weights: {error.message}", hint=error.hint) from None
        if len(weights) != count:
            raise ConfigurationError(f"--weights gives {len(weights)} weights for {count} peers")
        return weights


def check_count(count: int) -> None:
    """Refuse an impossible number of peers.

    Raises:
        ConfigurationError: It is.
    """
    if not 2 <= count <= MOST_PEERS:
        raise ConfigurationError(f"a swarm has 2..{MOST_PEERS} peers, not {count}")
