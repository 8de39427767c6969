"""One peer: it finds the others, takes part in their sums, and writes down what happened.

It checks the options and the input, finds the session (:mod:`p2pmpc.finding`), shows the roster and
asks where that is due, and hands over to :class:`p2pmpc.runner.SessionRunner`,
which holds the loop of the session itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from p2pmpc.archive import file_stem, keep_evidence, room_needed, write_down
from p2pmpc.consent import Ask, Consent, roster_text
from p2pmpc.discovery import Found, Self
from p2pmpc.entropy import SeededEntropy
from p2pmpc.errors import (
    ConfigurationError,
    InputRefused,
    Interrupted,
    LocalProtocolError,
    P2PMPCError,
    ResourceExhausted,
    Revealed,
    exit_code_of,
)
from p2pmpc.evidence import Dispute
from p2pmpc.field import Words
from p2pmpc.finding import Finder
from p2pmpc.gate import Gate
from p2pmpc.identity import Identity, format_id
from p2pmpc.inputs import (
    WEIGHT_VARIABLE,
    draw_numbers,
    draw_weight,
)
from p2pmpc.ledger import OpenedSum, keyed_digest
from p2pmpc.ledger_file import Ledger, LedgerFile, MemoryLedger, ledger_path
from p2pmpc.logs import NodeLog
from p2pmpc.memory import Memory, OtherInputError
from p2pmpc.network import Network
from p2pmpc.options import NodeOptions
from p2pmpc.outcome import Outcome, check_shown
from p2pmpc.parameters import Parameters
from p2pmpc.progress import Observer
from p2pmpc.reading import check_values, digest_of_residues, read_residues
from p2pmpc.runner import SessionRunner
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.sources import Numbers, PartOfNumbers
from p2pmpc.storage import check_output, check_room
from p2pmpc.weights import check_private_weight, check_weight

_DRAIN_SECONDS = 2.0


class Peer:
    """One peer.

    Args:
        options: What it is told to do.
        numbers: Its input; None draws one, or where it is brought later waits for it.
        identity: Its key.
        directory: Where its log and transcript go.
        log: Its log, open.
        network: TCP, or memory.
        entropy: The operating system's.
        observer: Told of progress.
        memory: What it goes on with, or what another process would go on with.
        ask: Asks the person at the terminal.
        brings_later: Every round is given its input when it begins; see :meth:`sum`.
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
        memory: Memory,
        ask: Ask | None = None,
        brings_later: bool = False,
    ) -> None:
        options.check()
        self._options = options
        self._numbers = numbers
        self._is_drawn = numbers is None and not brings_later
        self._brings_later = brings_later
        self._identity = identity
        self._directory = directory
        self._log = log
        self._network = network
        self._entropy = entropy
        self._observer = observer
        self._memory = memory
        self._ledger: Ledger = MemoryLedger()
        if options.key:
            key = Path(options.key)
            self._ledger = LedgerFile(ledger_path(key), key)
        weight = self._weight()
        if weight == 0 and numbers is not None:
            raise ConfigurationError(
                "a peer of weight 0 only observes, and this one is given an input",
                hint="leave the input out, or give it a weight",
            )
        self._me = Self(identity, check_weight(weight), options.name, entropy, memory)
        self._gate = Gate(identity, log)
        self._consent = Consent(options, is_drawn=self._is_drawn, warn=self.warn, ask=ask)
        self._begun = memory.first_round
        """Rounds so far."""
        self._brought: _Brought | None = None
        """What the next round sums, where it is known before."""
        self._is_over = False
        self._runner: SessionRunner | None = None
        self._interrupted: Interrupted | None = None
        self._asking = trio.CancelScope()
        self._finder = Finder(
            options,
            self._me,
            self._gate,
            network,
            memory,
            log=log,
            observer=observer,
            length=None if numbers is None else numbers.length,
            check=self._check_input,
            checkpoint=self._checkpoint,
            warn=self.warn,
        )
        check_output(Path(options.output) if options.output else None)

    def _weight(self) -> int:
        """Return the weight that was given, else the one kept, else one that is drawn with the input."""
        if self._options.weight is not None:
            return self._options.weight
        if self._memory.kept_weight is not None:
            return self._memory.kept_weight
        if not self._is_drawn:
            return 1
        self._memory.drawn_weight = draw_weight(self._entropy)
        return self._memory.drawn_weight

    # -- the whole run ------------------------------------------------------------------------

    async def run(self, told: Callable[[Outcome], None] = lambda _outcome: None) -> Outcome:
        """Take part in as many sums as the parameters say, or as the input is for.

        Args:
            told: Called with every total as it is verified.

        Returns:
            The last total.

        Raises:
            P2PMPCError: Why there is none.
        """
        outcome: Outcome | None = None
        async with self.joined():
            parameters = self.runner.session.parameters
            length, numbers = parameters.length, self._numbers
            for number in range(self._begun, _rounds_of(parameters, numbers)):
                outcome = await self.sum(partial(_part_of, numbers, number, length))
                told(outcome)
        assert outcome is not None
        return outcome

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Find the others, and stay among them until the end of the block.

        Raises:
            P2PMPCError: Why there is no session, or no sum.
        """
        failure: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    self._observer.tell("identity", id=format_id(self._identity.id))
                    found = await self._finder.find(nursery)
                    await self._bring_again(found.session)
                    self._memory.keep_roster(found)
                    self._meet(found, nursery)
                    if found.objection is not None:
                        self.runner.refuse(found.objection)
                        await self.runner.run()
                    yield
                    await self.runner.close()
                    self._memory.forget()
                except Exception as error:
                    failure = error
                    self._count_what_was_said_before(error)
                nursery.cancel_scope.cancel()
        finally:
            self._ledger.discard()
        is_told = self._runner is not None and not isinstance(failure, OtherInputError)
        if isinstance(failure, P2PMPCError) and (is_told or not self._memory.is_resumed):
            self._memory.forget()  # the others are told of the end; else it can be gone on with
        if isinstance(failure, P2PMPCError):
            self._note(failure)
        if failure is not None:
            raise failure

    def _count_what_was_said_before(self, failure: Exception) -> None:
        """Say of a failure what the process that was killed had revealed, where this one did not come so far."""
        if not self._memory.is_resumed or not isinstance(failure, P2PMPCError):
            return
        if failure.revealed is Revealed.NOTHING:
            failure.revealed = self._memory.revealed

    @property
    def runner(self) -> SessionRunner:
        """The session, once it is found."""
        assert self._runner is not None
        return self._runner

    def _note(self, failure: P2PMPCError) -> None:
        if isinstance(failure, Dispute):
            self._keep_evidence(failure)
        self._log.warning(
            "failed",
            error=failure.message,
            code=exit_code_of(failure),
            revealed=failure.revealed.value,
        )

    def _meet(self, found: Found, nursery: trio.Nursery) -> None:
        """Connect to the members of a closed session, and show who they are."""
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
            memory=self._memory,
            entropy=self._entropy,
        )
        session = found.session
        self._gate.mesh_handler = runner.mesh.attach
        self._gate.open_mesh(session)
        nursery.start_soon(runner.mesh.run)
        self._observer.tell("roster", text=roster_text(session), peers=len(session.members))
        self._log.info(
            "roster",
            session=session.id.hex(),
            peers=[member.label for member in session.members],
            weights=[member.weight for member in session.members],
        )

    def _go_on_without(self, error: P2PMPCError) -> None:
        """Tell of an observer that broke the protocol."""
        self.warn(f"an observer is left out: {error.message}")
        if isinstance(error, Dispute):
            self._keep_evidence(error)

    def _keep_evidence(self, dispute: Dispute) -> None:
        assert self._runner is not None
        stem = file_stem(self._options.name, self._identity)
        try:
            path = keep_evidence(self._runner.session, dispute, self._directory, stem)
        except ResourceExhausted as error:
            self.warn(f"the evidence could not be kept: {error.message}")
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
        await self._finder.interrupt(error)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask a person within the block, which a signal ends, also one that came before.

        Raises:
            Interrupted: A signal came.
        """
        with trio.CancelScope() as self._asking:
            if self._interrupted is not None:
                self._asking.cancel()
            yield
        if self._interrupted is not None:
            raise self._interrupted

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

    def warn(self, text: str) -> None:
        """Tell what people should know."""
        self._log.warning("warning", warning=text)
        self._observer.tell("warning", warning=text)

    # -- before any share leaves --------------------------------------------------------------

    async def _check_input(self, parameters: Parameters) -> None:
        """Hold this peer's input against parameters, as far as they are known by now."""
        options = self._options
        check_shown(parameters.length, as_json=options.json, output=options.output)
        self._gate.make_room(self._network.places_beside(parameters.peers))
        if parameters.private_weights:
            check_private_weight(self._me.weight, parameters.weight_bound)
            if options.weight_is_visible and self._me.weight:
                self.warn(f"others on this machine can see --weight; use {WEIGHT_VARIABLE}")
        if self._numbers is None:
            return
        rounds = _rounds_of(parameters, self._numbers)
        await check_values(self._numbers, parameters, self._observer, rounds=rounds)

    async def _bring_again(self, session: Session) -> None:
        """Hold the input against the one of a process that was killed, before anything leaves."""
        number = self._memory.first_round
        if self._memory.round(number) is None or self._brings_later:
            return
        numbers = _part_of(self._numbers, number, session.parameters.length)
        self._brought = await self._bring(session, numbers, number)

    async def _bring(
        self, session: Session, numbers: Numbers | None, round_number: int
    ) -> _Brought:
        """Return what is summed of this peer, once its ledger has nothing against it."""
        seed = self._memory.seed(round_number)
        if round_number == 0:
            self._consent.check(session)
        if not session.contributes:
            if numbers is not None:
                raise InputRefused(
                    "there is a vector, and this peer observes (with weight 0)",
                    hint="leave it out, or take part with another weight",
                )
            return _Brought(None, seed, b"")
        parameters, weight = session.parameters, self._me.weight
        if numbers is None and not self._is_drawn:
            raise InputRefused(
                f"there is no vector, and this peer contributes (with weight {weight})",
                hint="bring one, or take part with weight 0 to observe",
            )
        if numbers is None:
            numbers = draw_numbers(
                parameters.length,
                session.bound,
                parameters.fraction_bits,
                SeededEntropy(seed, "drawn input"),
            )
        numbers.check_length(parameters.length)
        key = self._identity.ledger_key()
        residues, digest = await read_residues(
            numbers, session, weight, self._observer, ledger_key=key, round_number=round_number
        )
        date = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
        inputs = [digest]
        if round_number == 0 and self._options.made_of:
            inputs.append(keyed_digest(key, "ledger source", self._options.made_of))
        entries = [OpenedSum.of(session, one, weight, key, date=date) for one in inputs]
        digest += await digest_of_residues(residues, key)
        self._memory.check_input(round_number, digest)
        names = {member.id: member.label for member in session.members}
        accept = self._options.accept_differencing
        if self._ledger.prepare(entries, names, accept=accept):
            self.warn("this input was in another sum before: the difference of both may tell it")
        return _Brought(residues, seed, digest)

    async def sum(self, take: Callable[[], Numbers | None]) -> Outcome:
        """Take part in the next sum of the session.

        Args:
            take: Returns this peer's input; None draws one, or observes. What it refuses, the others
                are told of.

        Raises:
            P2PMPCError: Why there is no total; the session ends with it.
            LocalProtocolError: Another one is under way, has failed, or was the last.
        """
        runner, number = self.runner, self._begun
        rounds = runner.session.parameters.rounds
        if self._is_over or 0 < rounds <= number:
            raise LocalProtocolError(
                "the session takes no other sum: one is under way, has failed, or was the last"
            )
        self._begun += 1
        self._is_over = True  # until there is a total
        outcome = await self._sum(runner, number, take)
        self._is_over = False
        return outcome

    async def _sum(
        self, runner: SessionRunner, number: int, take: Callable[[], Numbers | None]
    ) -> Outcome:
        try:
            brought, self._brought = self._brought, None
            if number == 0 and self._memory.round(0) is None:
                with self.asking():
                    await self._consent.confirm(runner.session)
            if self._interrupted is not None:
                raise self._interrupted
            if brought is None:  # otherwise shares have left before
                room = room_needed(runner.session, keep_partials=self._options.keep_partials)
                check_room(self._directory, room)
                brought = await self._bring(runner.session, take(), number)
            runner.prepare(brought.residues, seed=brought.seed, digest=brought.digest)
        except OtherInputError:
            raise
        except P2PMPCError as error:
            runner.refuse(error)
        finished = await runner.run()
        is_last = runner.session.parameters.rounds == number + 1
        if is_last:
            await runner.close()
        self._observer.tell("finished", bytes_sent=runner.mesh.bytes_sent)
        return write_down(
            runner.session,
            finished,
            identity=self._identity,
            options=self._options,
            directory=self._directory,
            log=self._log,
            traffic=(runner.mesh.bytes_sent, runner.mesh.bytes_received),
            trouble=self._memory.trouble,
            is_last=is_last,
        )


@dataclass(frozen=True, slots=True)
class _Brought:
    """What a round sums of this peer.

    Args:
        residues: Their checksum included; None where it observes.
        seed: What it draws from in the round.
        digest: Of the input, keyed.
    """

    residues: Words | None = field(repr=False)
    seed: bytes = field(repr=False)
    digest: bytes


def _part_of(numbers: Numbers | None, number: int, length: int) -> Numbers | None:
    """Return what a round takes of an input that may hold the vectors of several."""
    if numbers is None or numbers.length <= length:
        return numbers
    return PartOfNumbers(numbers, number * length, length)


def _rounds_of(parameters: Parameters, numbers: Numbers | None) -> int:
    """Return how many sums there are: where it is open, as many as an input holds vectors for."""
    if parameters.rounds or numbers is None:
        return parameters.rounds or 1
    return max(1, numbers.length // parameters.length)
