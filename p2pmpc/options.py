"""The options of a node, as the command line, the swarm and tests give them."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as member
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from p2pmpc.app import whole_number
from p2pmpc.encoding import MOST_FRACTION_BITS, parse_scaled
from p2pmpc.errors import AgreementFailed, ConfigurationError
from p2pmpc.identity import parse_id
from p2pmpc.knock import Bootstrap
from p2pmpc.mesh import HEARTBEAT_SECONDS, RECONNECT_SECONDS
from p2pmpc.messages import LONGEST_NAME, is_address, is_display_text
from p2pmpc.network import Address
from p2pmpc.parameters import Parameters, Stated
from p2pmpc.pulse import FASTEST_HEARTBEAT, SUSPECTED_BEATS
from p2pmpc.roster_file import RosterFile
from p2pmpc.study_text import study_digest

DEFAULT_WEIGHT_BOUND = 1000
"""The largest private weight unless something else is said."""

_WHERE = Group("Finding each other", sort_key=1)
_SESSION = Group("Parameters of the session (the founder's; a joiner's must agree)", sort_key=2)
_INPUT = Group("What this peer brings", sort_key=3)
_RUN = Group("Running", sort_key=4)
_OUT = Group("Results and logs", sort_key=5)


def _option(help_text: str, group: Group, **more: object) -> Parameter:
    return Parameter(help=help_text, group=group, negative="", **more)  # type: ignore[arg-type]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What one peer is told to do; see the help of each."""

    listen: Annotated[
        str | None,
        _option(
            "Listen at HOST:PORT; port 0 takes a free one. Alone, with --peers: found a session.",
            _WHERE,
        ),
    ] = None
    bootstrap: Annotated[
        tuple[str, ...] | str | None,
        _option(
            "Join the session founded at HOST:PORT, or HOST:PORT#ID to pin who founded it. Repeat it "
            "with members that listen at a fixed address: all must tell the same.",
            _WHERE,
        ),
    ] = None
    roster: Annotated[
        str | None,
        _option("A TOML file of IDs and addresses: no founder at all.", _WHERE),
    ] = None
    advertise: Annotated[
        str | None, _option("HOST:PORT under which the others reach this peer.", _WHERE)
    ] = None
    allow: Annotated[
        list[str] | None,
        _option("An ID that may take part; repeat it. Without any: anybody.", _WHERE),
    ] = None

    peers: Annotated[
        int | None, _option("How many peers, this one included.", _SESSION, converter=whole_number)
    ] = None
    field: Annotated[
        Literal["m31", "m61", "m31xm61"] | None,
        _option(
            "What totals fit: 2^30 (m31, the default), 2^60 (m61), or 2^91 (m31xm61).", _SESSION
        ),
    ] = None
    length: Annotated[
        int | None,
        _option(
            "Elements of every vector; by default as many as the input has, else 1.",
            _SESSION,
            converter=whole_number,
        ),
    ] = None
    rounds: Annotated[
        int | None,
        _option(
            "How many sums, one after the other; the input holds as many vectors, one behind the other.",
            _SESSION,
            converter=whole_number,
        ),
    ] = None
    fraction_bits: Annotated[
        int | None,
        _option("Binary digits behind the point; 0 by default.", _SESSION, converter=whole_number),
    ] = None
    bound: Annotated[
        str | None,
        _option("The largest magnitude of a value; without it, what fits the weights.", _SESSION),
    ] = None
    private_weights: Annotated[
        bool | None,
        _option(
            "Nobody sees a weight: each peer multiplies at home, and the weights' sum opens.",
            _SESSION,
        ),
    ] = None
    weight_bound: Annotated[
        int | None,
        _option(
            f"The largest private weight; {DEFAULT_WEIGHT_BOUND} by default. Makes weights private.",
            _SESSION,
            converter=whole_number,
        ),
    ] = None
    share_mode: Annotated[
        Literal["seeds", "dense"] | None,
        _option("Send 32-byte seeds (the default), or the shares themselves.", _SESSION),
    ] = None
    mode: Annotated[
        Literal["broadcast", "sharded"] | None,
        _option(
            "Send masked sums whole to all, or a slice to each, who returns its sum; by default the "
            "latter when all of them are above 4 MB together.",
            _SESSION,
        ),
    ] = None
    strict: Annotated[
        bool | None,
        _option(
            "Nobody's mask can be opened by others: a peer lost at the end stops the sum.", _SESSION
        ),
    ] = None
    allow_two: Annotated[
        bool | None,
        _option("Two peers may sum, although each then learns the other's input.", _SESSION),
    ] = None
    allow_revealing_weights: Annotated[
        bool | None,
        _option("Sum even under weights that let a total spell inputs out.", _SESSION),
    ] = None

    value: Annotated[
        str | None,
        _option(
            "This peer's number. Others on this machine can see it: prefer --input or P2PMPC_VALUE.",
            _INPUT,
            allow_leading_hyphen=True,
        ),
    ] = member(default=None, repr=False)
    input: Annotated[
        str | None,
        _option(
            "A file with a number a line, or a .npy vector; - is standard input.",
            _INPUT,
            allow_leading_hyphen=True,
        ),
    ] = None
    weight: Annotated[
        int | None,
        _option(
            "This peer's weight; 1, or drawn when the value is. With 0 it observes. A private one belongs "
            "in P2PMPC_WEIGHT.",
            _INPUT,
            allow_leading_hyphen=True,
            converter=whole_number,
        ),
    ] = member(default=None, repr=False)
    weight_is_visible: Annotated[bool, Parameter(parse=False)] = False
    """Whether the weight stands where others on this machine can see it."""
    key: Annotated[
        str | None,
        _option(
            "A key file; made if there is none, with a ledger beside it. Without: a key for one run.",
            _INPUT,
        ),
    ] = None
    name: Annotated[str, _option("What people call this peer.", _INPUT)] = ""

    timeout: Annotated[
        float, _option("Seconds without progress after which the run ends.", _RUN)
    ] = 60.0
    join_timeout: Annotated[float, _option("Seconds to wait for people to join.", _RUN)] = 600.0
    resume: Annotated[
        bool,
        _option(
            "Go on with the session in which a process of this peer was killed: the same input again.",
            _RUN,
        ),
    ] = False
    state_dir: Annotated[
        str | None,
        _option(
            "Where secrets are kept that --resume needs, while a session lasts; by default "
            "~/.local/state/p2pmpc.",
            _RUN,
        ),
    ] = None
    no_state: Annotated[bool, _option("Keep nothing on disk for --resume.", _RUN)] = False
    reconnect: Annotated[
        float | None,
        _option(
            f"Seconds that the connection to a peer may be down before the peer is given up; "
            f"{RECONNECT_SECONDS:g} by default, and at most --timeout.",
            _RUN,
        ),
    ] = None
    heartbeat: Annotated[
        float,
        _option(
            "Seconds of silence after which this peer says that it is alive; the same at all peers. "
            f"One that says nothing for {SUSPECTED_BEATS} times as long is reported.",
            _RUN,
        ),
    ] = HEARTBEAT_SECONDS
    accept_differencing: Annotated[
        bool,
        _option(
            "Sum an input again in another sum, although the ledger warns: two totals may tell it.",
            _RUN,
        ),
    ] = False
    yes: Annotated[
        bool,
        _option("Answer yes, in advance, to the question asked before real data leaves.", _RUN),
    ] = False
    study: Annotated[bytes, Parameter(parse=False)] = member(default=b"", repr=False)
    """The text of the study file that the sums are for."""
    made_of: Annotated[bytes, Parameter(parse=False)] = member(default=b"", repr=False)
    """A digest of the data that the inputs are made of, for the ledger; empty where there is none."""
    hold: Annotated[str | None, Parameter(show=False)] = None
    """Stop for ever at a step, before its message leaves: where `swarm.py --kill` strikes."""

    output: Annotated[
        str | None,
        _option(
            "Write the total to a file, replacing it: text, or .npy (doubles where integers do not do).",
            _OUT,
        ),
    ] = None
    log_dir: Annotated[str | None, _option("Where logs go; logs/UTC-TIME by default.", _OUT)] = None
    log_secrets: Annotated[
        bool,
        _option("Write inputs, shares, seeds and masks into the log. For teaching only.", _OUT),
    ] = False
    keep_partials: Annotated[
        bool, _option("Keep the opened partial sums beside the transcript.", _OUT)
    ] = False
    json: Annotated[bool, _option("Print the result as one JSON object.", _OUT)] = False
    progress: Annotated[Literal["text", "json", "none"], Parameter(show=False)] = "text"
    debug: Annotated[bool, _option("Show a traceback, without values, with an error.", _OUT)] = (
        False
    )

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            ConfigurationError: Says which, and what would do.
        """
        if self.bootstrap and self.roster:
            raise ConfigurationError(
                "--bootstrap and --roster exclude each other",
                hint="a roster file needs no bootstrap peer: everybody asks everybody on its list, "
                "so nobody's word about the others has to be held against anything",
            )
        self._check_bootstraps()
        if self.roster and self.advertise:
            raise ConfigurationError(
                "--advertise and --roster exclude each other",
                hint="the roster file says where this peer is reached",
            )
        if self.resume and self.no_state:
            raise ConfigurationError(
                "--resume and --no-state exclude each other",
                hint="what is gone on with is kept until the session ends",
            )
        if not (self.bootstrap or self.roster or self.resume) and self.peers is None:
            raise ConfigurationError(
                "nothing to do: neither a session to join nor one to found",
                hint="found one with --listen 127.0.0.1:9000 --peers 3, or join one with "
                "--bootstrap HOST:PORT",
            )
        if self.advertise is not None and not is_address(self.advertise):
            raise ConfigurationError(
                f"--advertise {self.advertise} is not an address that others can dial",
                hint="write HOST:PORT as the others reach this peer",
            )
        if not is_display_text(self.name, LONGEST_NAME):
            raise ConfigurationError(f"--name is at most {LONGEST_NAME} printable ASCII characters")
        self._check_seconds()

    def _check_seconds(self) -> None:
        for name, seconds in (
            ("timeout", self.timeout),
            ("join-timeout", self.join_timeout),
            ("reconnect", self.reconnect_seconds),
            ("heartbeat", self.heartbeat),
        ):
            if not 0 < seconds < 1e6:
                raise ConfigurationError(f"--{name} is a positive number of seconds")
        if self.reconnect_seconds > self.timeout:
            raise ConfigurationError(
                f"--reconnect {self.reconnect_seconds:g} is longer than --timeout {self.timeout:g}",
                hint="the run ends after --timeout without progress, whoever may still come back",
            )
        if self.heartbeat < FASTEST_HEARTBEAT:
            raise ConfigurationError(
                f"--heartbeat {self.heartbeat:g} is too fast",
                hint=f"give at least {FASTEST_HEARTBEAT:g} s, or the others take it for a flood",
            )

    @property
    def reconnect_seconds(self) -> float:
        """How long a connection may be down."""
        return min(RECONNECT_SECONDS, self.timeout) if self.reconnect is None else self.reconnect

    @property
    def allowed(self) -> tuple[bytes, ...]:
        """The IDs of --allow."""
        return tuple(sorted({parse_id(text) for text in self.allow or ()}))

    @property
    def stated(self) -> Stated:
        """What a joiner's options say about the parameters."""
        return Stated(
            peers=self.peers,
            field=self.field,
            length=self.length,
            rounds=self.rounds,
            fraction_bits=self.fraction_bits,
            bound=self.bound,
            private_weights=self.private_weights,
            weight_bound=self.weight_bound,
            share_mode=self.share_mode,
            sum_mode=self.mode,
            strict=self.strict,
            allow_two=self.allow_two,
            allow_revealing_weights=self.allow_revealing_weights,
            allowed=self.allowed,
            study=self.study,
        )

    def parameters(
        self, nonce: bytes, own: bytes, *, length: int | None, roster: RosterFile | None = None
    ) -> Parameters:
        """Return the parameters that this peer founds a session with.

        Args:
            nonce: 32 bytes; zero with a roster file.
            own: This peer's ID, which is always allowed.
            length: Of its input, for when --length is not given.
            roster: The roster file, whose table holds what options do not say.

        Raises:
            ConfigurationError: They make no session.
            AgreementFailed: --peers is another number than the roster file's.
        """
        table = dict(roster.parameters) if roster else {}
        names = (
            "field", "length", "rounds", "fraction_bits", "bound", "private_weights", "weight_bound",
            "share_mode", "mode", "strict", "allow_two", "allow_revealing_weights",
        )  # fmt: skip
        unknown = {key.replace("-", "_") for key in table} - set(names)
        if roster and unknown:
            raise ConfigurationError(
                f"{roster.path}: [parameters]: unknown key {min(unknown)!r}",
                hint=f"the keys are {', '.join(name.replace('_', '-') for name in names)}",
            )
        merged: dict[str, Any] = {key.replace("-", "_"): value for key, value in table.items()}
        merged |= {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        merged.setdefault("length", _length_of_one(length or 1, merged.get("rounds", 1)))
        fraction_bits, given = merged.get("fraction_bits", 0), "bound" in merged
        if type(fraction_bits) is not int or not 0 <= fraction_bits <= MOST_FRACTION_BITS:
            raise ConfigurationError(
                f"the fraction bits are 0..{MOST_FRACTION_BITS}", hint="give a whole number"
            )
        try:
            bound = parse_scaled(str(merged.pop("bound", "0")), fraction_bits)
        except ValueError as error:
            raise ConfigurationError(f"--bound: {error}") from None
        if given and bound == 0:
            raise ConfigurationError("--bound is above zero", hint="leave it out for what fits")
        _settle_privacy(merged)
        peers = len(roster.peers) if roster else self.peers
        if roster and self.peers not in (None, peers):
            raise AgreementFailed(f"--peers {self.peers} here, {peers} peers in {roster.path}")
        allowed = tuple(sorted({*self.allowed, own})) if self.allow and not roster else ()
        sum_mode = merged.pop("mode", None)
        try:
            parameters = Parameters(
                nonce=nonce,
                peers=peers or 0,
                bound=bound,
                allowed=allowed,
                study=study_digest(self.study),
                sum_mode=sum_mode or "broadcast",
                **merged,
            )
            return parameters if sum_mode else parameters.with_fitting_mode()
        except TypeError:
            raise ConfigurationError(
                "[parameters] of the roster: a value of a wrong type"
            ) from None

    def _check_bootstraps(self) -> None:
        """Refuse one bootstrap peer named twice: it would be its own witness."""
        seen: set[object] = set()
        for where in self.where:
            for named in {where.address, where.pinned} - {None}:
                if named in seen:
                    raise ConfigurationError(
                        f"--bootstrap names {where.address} or its #ID twice",
                        hint="name the founder once, and beside it other members",
                    )
                seen.add(named)

    @property
    def bootstraps(self) -> tuple[str, ...]:
        """The bootstrap peers, as they were written."""
        return (self.bootstrap,) if isinstance(self.bootstrap, str) else tuple(self.bootstrap or ())

    @property
    def where(self) -> tuple[Bootstrap, ...]:
        """The bootstrap peers, where any are named."""
        return tuple(Bootstrap.parse(text) for text in self.bootstraps)

    @property
    def listen_address(self) -> Address | None:
        """Where to listen, where it is said."""
        return Address.parse(self.listen) if self.listen else None


def _length_of_one(length: int, rounds: object) -> int:
    """Return the length of each vector, of an input that holds one for every round.

    Raises:
        ConfigurationError: It cannot hold so many.
    """
    if type(rounds) is not int or rounds < 1 or length < rounds:
        return length  # refused elsewhere, or drawn
    if length % rounds:
        raise ConfigurationError(
            f"the input's {length} numbers are not {rounds} vectors of one length",
            hint="give every round a vector of the same length, one behind the other",
        )
    return length // rounds


def _settle_privacy(merged: dict[str, Any]) -> None:
    """Make one parameter of --private-weights and --weight-bound: either alone asks for privacy.

    Raises:
        ConfigurationError: They contradict each other; weights are never public by mistake.
    """
    private, bound = merged.pop("private_weights", None), merged.get("weight_bound")
    if private not in (None, True, False):
        raise ConfigurationError("private-weights is true or false")
    if bound is not None and (type(bound) is not int or bound < 1):
        raise ConfigurationError("--weight-bound is a whole number above zero")
    if private:
        merged.setdefault("weight_bound", DEFAULT_WEIGHT_BOUND)
    elif private is False and bound is not None:
        raise ConfigurationError(
            "a weight bound, and weights that are not private",
            hint="leave the weight bound out, or say --private-weights",
        )
