"""One peer: it finds the others, takes part in one sum, and writes down what happened.

It checks the options and the input, finds the session (as founder, as joiner, or by a roster file),
shows the roster and asks where that is due, and hands over to :class:`p2pmpc.runner.SessionRunner`,
which holds the loop of the session itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from p2pmpc.agreement import check_allowed
from p2pmpc.archive import file_stem, keep_evidence, write_down
from p2pmpc.discovery import Found, Founder, Joiner, Self
from p2pmpc.encoding import check_budget
from p2pmpc.errors import (
    ConfigurationError,
    InputRefused,
    Interrupted,
    LocalProtocolError,
    P2PMPCError,
    ResourceExhausted,
    exit_code_of,
)
from p2pmpc.evidence import Dispute
from p2pmpc.field import Words
from p2pmpc.gate import Gate
from p2pmpc.identity import Identity, format_id
from p2pmpc.inputs import (
    WEIGHT_VARIABLE,
    draw_numbers,
    draw_weight,
)
from p2pmpc.ledger import OpenedSum
from p2pmpc.ledger_file import Ledger, LedgerFile, MemoryLedger, ledger_path
from p2pmpc.logs import NodeLog
from p2pmpc.membership import Candidate
from p2pmpc.network import Address, Network, own_host
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome, check_shown
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.progress import Observer
from p2pmpc.reading import check_values, read_residues
from p2pmpc.roster_file import Gathering, RosterFile
from p2pmpc.runner import SessionRunner
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.sources import Numbers
from p2pmpc.storage import check_output
from p2pmpc.weights import (
    check_contributors,
    check_exposure,
    check_private_weight,
    check_weight,
    exposure,
)

_DRAIN_SECONDS = 2.0
_ASKED = (
    "compare the IDs with the others over another channel; --allow, --roster or #ID asks no more"
)

Ask = Callable[[str], Awaitable[bool]]
"""Asks the person at the terminal; None where there is nobody."""


class Peer:
    """One peer.

    Args:
        options: What it is told to do.
        numbers: Its input; None draws one.
        identity: Its key.
        directory: Where its log and transcript go.
        log: Its log, open.
        network: TCP, or memory.
        entropy: The operating system's.
        observer: Told of progress.
        ask: Asks the person at the terminal.
    """

    def __init__(
        self,
        options: NodeOptions,
        numbers: Numbers | None,
        identity: Identity,
        *,
        directory: Path,
        log: NodeLog,
        network: Network,
        entropy: Entropy,
        observer: Observer,
        ask: Ask | None = None,
    ) -> None:
        options.check()
        self._options = options
        self._numbers = numbers
        self._identity = identity
        self._directory = directory
        self._log = log
        self._network = network
        self._entropy = entropy
        self._observer = observer
        self._ask = ask
        self._ledger: Ledger = MemoryLedger()
        if options.key:
            key = Path(options.key)
            self._ledger = LedgerFile(ledger_path(key), key)
        weight = options.weight
        if weight is None:
            weight = draw_weight(entropy) if numbers is None else 1
        if weight == 0 and numbers is not None:
            raise ConfigurationError(
                "a peer of weight 0 only observes, and this one is given an input",
                hint="leave the input out, or give it a weight",
            )
        self._me = Self(identity, check_weight(weight), options.name, entropy)
        self._gate = Gate(identity, log)
        self._nursery: trio.Nursery | None = None
        self._runner: SessionRunner | None = None
        self._founder: Founder | None = None
        self._interrupted: Interrupted | None = None
        self._discovering = trio.CancelScope()
        self._asking = trio.CancelScope()
        check_output(Path(options.output) if options.output else None)

    # -- the whole run ------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Take part in one sum.

        Returns:
            The verified total.

        Raises:
            P2PMPCError: Why there is none.
        """
        outcome: Outcome | None = None
        failure: P2PMPCError | None = None
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    self._observer.tell("identity", id=format_id(self._identity.id))
                    found = await self._discover()
                    outcome = await self._sum(found)
                except P2PMPCError as error:
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self._ledger.discard()
        if failure is None and outcome is not None:
            return outcome
        failure = failure or LocalProtocolError("the run ended without an outcome")
        if isinstance(failure, Dispute):
            self._keep_evidence(failure)
        self._log.warning(
            "failed",
            error=failure.message,
            code=exit_code_of(failure),
            revealed=failure.revealed.value,
        )
        raise failure

    def _go_on_without(self, error: P2PMPCError) -> None:
        """Tell of an observer that broke the protocol."""
        self._warn(f"an observer is left out: {error.message}")
        if isinstance(error, Dispute):
            self._keep_evidence(error)

    def _keep_evidence(self, dispute: Dispute) -> None:
        assert self._runner is not None
        stem = file_stem(self._options.name, self._identity)
        try:
            path = keep_evidence(self._runner.session, dispute, self._directory, stem)
        except ResourceExhausted as error:
            self._warn(f"the evidence could not be kept: {error.message}")
            return
        self._log.info("evidence", claim=dispute.evidence.claim.value, file=path.name)
        shown = f"show others the proof: p2pmpc verify {path}"
        dispute.hint = "; ".join(filter(None, (dispute.hint, shown)))

    async def interrupt(self, error: Interrupted) -> None:
        """End the run because of a signal: tell the others, then stop."""
        self._interrupted = error
        if self._runner is not None:
            self._asking.cancel()
            await self._runner.interrupt(error)
            return
        if self._founder is not None:
            await self._founder.dismiss(error)
        self._discovering.cancel()

    async def _checkpoint(self, step: str) -> None:
        """Tell that a step is reached; its messages have not left yet."""
        self._log.info("step", step=step)
        sent = 0 if self._runner is None else self._runner.mesh.bytes_sent
        self._observer.tell("step", step=step, bytes_sent=sent)
        if self._options.hold == step:
            if self._runner is not None:  # what was said before this step has left
                await self._runner.mesh.drain(_DRAIN_SECONDS)
            self._observer.tell("holding", step=step)
            await trio.sleep_forever()

    def _warn(self, text: str) -> None:
        self._log.warning("warning", warning=text)
        self._observer.tell("warning", warning=text)

    # -- discovery ----------------------------------------------------------------------------

    async def _discover(self) -> Found:
        found: Found | None = None
        with self._discovering:
            if self._options.roster:
                found = await self._gather(RosterFile.load(Path(self._options.roster)))
            elif self._options.bootstrap:
                found = await self._join()
            else:
                found = await self._found()
        if found is None:
            raise self._interrupted or LocalProtocolError("discovery ended without a session")
        return found

    async def _listen(self, address: Address) -> Address:
        """Listen, serve from now on, and return where the others reach this peer."""
        listener = await self._network.listen(address)
        assert self._nursery is not None
        self._nursery.start_soon(self._gate.serve, listener)
        if self._options.advertise:
            return Address.parse(self._options.advertise)
        if listener.address.is_wildcard:
            return Address(own_host(), listener.address.port)
        return listener.address

    async def _found(self) -> Found:
        options = self._options
        length = None if self._numbers is None else self._numbers.length
        nonce = self._entropy(NONCE_BYTES)
        parameters = options.parameters(nonce, self._identity.id, length=length)
        await self._check_input(parameters)
        address = await self._listen(options.listen_address or Address("127.0.0.1", 0))
        founder = self._founder = Founder(self._me, parameters, address, self._log)
        founder.on_joined = lambda count: self._observer.tell(
            "joined", count=count, peers=parameters.peers
        )
        bootstrap = f"{address}#{format_id(self._identity.id)}"
        command = f"python -m p2pmpc.node --bootstrap {bootstrap}"
        self._log.info("founded", address=str(address), count=parameters.peers)
        self._observer.tell("founded", address=str(address), bootstrap=bootstrap, command=command)
        await self._checkpoint("join")
        self._gate.join_handler = founder.serve
        await self._checkpoint("hello")
        return await founder.found(options.join_timeout)

    async def _join(self) -> Found:
        options, where = self._options, self._options.where
        assert where is not None
        if where.pinned is None:
            self._warn(
                "the bootstrap peer is not pinned: whoever answers there is taken for it "
                "(pin it with HOST:PORT#ID)"
            )

        async def listen(local_host: str) -> Address:
            return await self._listen(options.listen_address or Address(local_host, 0))

        candidate = Candidate(self._identity, self._entropy(NONCE_BYTES), options.stated)
        joiner = Joiner(
            self._me,
            candidate,
            self._network,
            where,
            listen=listen,
            check=self._check_input,
            checkpoint=self._checkpoint,
        )
        return await joiner.join(options.join_timeout)

    async def _gather(self, roster: RosterFile) -> Found:
        options, own = self._options, self._identity.id
        address = roster.own_address(own)
        length = None if self._numbers is None else self._numbers.length
        parameters = options.parameters(bytes(NONCE_BYTES), own, length=length, roster=roster)
        await self._check_input(parameters)
        await self._listen(options.listen_address or address)
        gathering = Gathering(
            self._me, roster, parameters, address, self._network, checkpoint=self._checkpoint
        )
        self._gate.join_handler = gathering.serve
        return await gathering.gather(options.join_timeout)

    # -- before any share leaves --------------------------------------------------------------

    async def _check_input(self, parameters: Parameters) -> None:
        """Hold this peer's input against parameters, as far as they are known by now."""
        options = self._options
        check_shown(parameters.length, as_json=options.json, output=options.output)
        if parameters.private_weights:
            check_private_weight(self._me.weight, parameters.weight_bound)
            if options.weight_is_visible and self._me.weight:
                self._warn(f"others on this machine can see --weight; use {WEIGHT_VARIABLE}")
        if self._numbers is None:
            return
        await check_values(self._numbers, parameters, self._observer)

    def _check_policies(self, session: Session) -> None:
        """Refuse a closed session that this peer takes no part in.

        Raises:
            AgreementFailed: Somebody takes part whom this peer does not allow.
            InputRefused: Too few contribute, or the total could wrap.
        """
        parameters = session.parameters
        check_allowed(session, self._options.allowed)
        self._check_contributors(session)
        fraction_bits = parameters.fraction_bits
        found = exposure(session.weights, session.bound * (parameters.weight_bound or 1))
        names = [session.label(index) for index in session.contributors]
        for warning in check_exposure(found, names, allowed=parameters.allow_revealing_weights):
            self._warn(warning)
        check_budget(parameters.arithmetic, session.possible_weights, session.bound, fraction_bits)

    def _check_contributors(self, session: Session) -> None:
        """Refuse too few: that two may sum must be said by both whose input it shows."""
        agreed = session.parameters.allow_two
        stated = self._options.allow_two or self._options.roster or self._numbers is None
        if not session.contributes:
            self._warn("this peer observes: it brings nothing, and learns the total")
        check_contributors(len(session.places), allow_two=bool(agreed and stated))
        if len(session.places) == 2:
            self._warn("two peers sum: each learns the other's input from the total")

    async def _confirm_roster(self, session: Session) -> None:
        """Show with whom this peer is about to sum, and ask where that rests on trust alone.

        Raises:
            InputRefused: The person said no, or nothing.
        """
        self._observer.tell("roster", text=roster_text(session), peers=len(session.members))
        self._log.info(
            "roster",
            session=session.id.hex(),
            peers=[member.label for member in session.members],
            weights=[member.weight for member in session.members],
        )
        options = self._options
        where = options.where
        pinned = bool(options.roster or options.allowed or (where and where.pinned))
        if pinned or self._numbers is None or options.yes:
            return
        reason = (
            "a dishonest bootstrap peer could play all the others, and the total would be yours"
            if options.bootstrap
            else "anybody could have joined, and one party could be all the others"
        )
        if self._ask is None:
            self._warn(f"{reason}: pin the founder with #ID, or use --allow or --roster")
            return
        question = (
            f"{reason}.\nShare your input with these peers, within {options.timeout:g} s? [y/N] "
        )
        with trio.move_on_after(options.timeout):
            if await self._ask(question):
                return
            raise InputRefused("you did not agree to share with this roster", hint=_ASKED)
        raise InputRefused(f"nobody answered within {options.timeout:g} s", hint=_ASKED)

    async def _bring(self, session: Session) -> Words | None:
        """Return what is summed of this peer, once its ledger has nothing against it."""
        self._check_policies(session)
        if not session.contributes:
            return None
        parameters, weight = session.parameters, self._me.weight
        numbers = self._numbers or draw_numbers(
            parameters.length, session.bound, parameters.fraction_bits, self._entropy
        )
        key = self._identity.ledger_key()
        residues, digest = await read_residues(
            numbers, session, weight, self._observer, ledger_key=key
        )
        date = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
        entry = OpenedSum.of(session, digest, weight, key, date=date)
        names = {member.id: member.label for member in session.members}
        accept = self._options.accept_differencing
        if self._ledger.prepare(entry, names, accept=accept):
            self._warn("this input was in another sum before: the difference of both may tell it")
        return residues

    async def _sum(self, found: Found) -> Outcome:
        runner = self._runner = SessionRunner(
            found,
            self._identity,
            self._network,
            options=self._options,
            log=self._log,
            observer=self._observer,
            checkpoint=self._checkpoint,
            commit=self._ledger.commit,
            dismissed=self._go_on_without,
        )
        assert self._nursery is not None
        self._gate.mesh_handler = runner.mesh.attach
        self._gate.open_mesh(found.session)
        self._nursery.start_soon(runner.mesh.run)
        try:
            with self._asking:
                await self._confirm_roster(found.session)
            if self._interrupted is not None:
                raise self._interrupted
            runner.prepare(await self._bring(found.session), self._entropy)
        except P2PMPCError as error:
            runner.refuse(error)
        finished = await runner.run()
        self._observer.tell("finished", bytes_sent=runner.mesh.bytes_sent)
        return write_down(
            runner.session,
            finished,
            identity=self._identity,
            options=self._options,
            directory=self._directory,
            log=self._log,
            traffic=(runner.mesh.bytes_sent, runner.mesh.bytes_received),
        )


def roster_text(session: Session) -> str:
    """Return the roster as a table for people."""
    rows = [f"  {'weight':>11}  {'ID':<71}  name"]
    for index in session.indices:
        member = session.member(index)
        you = " (you)" if index == session.own_index else ""
        weight = "private" if session.parameters.private_weights else str(member.weight)
        shown = weight if member.contributes else "observes"
        rows.append(f"  {shown:>11}  {format_id(member.id)}  {member.entry.name}{you}")
    return "\n".join([f"session {session.id.hex()[:16]} of {len(session.members)}:", *rows])
