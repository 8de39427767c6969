"""How one peer finds its session: by founding it, by joining it, by a roster file, or by going on.

What is said on the way stands in :mod:`p2pmpc.discovery`, :mod:`p2pmpc.joining` and
:mod:`p2pmpc.roster_file`; here the options decide which of them it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from p2pmpc.discovery import Checkpoint, Found, Founder, Self
from p2pmpc.errors import InputRefused, Interrupted, LocalProtocolError
from p2pmpc.gate import Gate
from p2pmpc.identity import format_id, short_id
from p2pmpc.joining import Joiner
from p2pmpc.logs import NodeLog
from p2pmpc.membership import Candidate
from p2pmpc.memory import Memory
from p2pmpc.network import Address, Network, own_host
from p2pmpc.options import NodeOptions
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.progress import Observer
from p2pmpc.roster_file import Gathering, RosterFile
from p2pmpc.witness_links import WitnessStand


class Finder:
    """One peer's search for its session.

    Args:
        options: What the peer is told to do.
        me: What it says about itself.
        gate: Its accepting side.
        network: TCP, or memory.
        memory: What it goes on with, or what another process would go on with.
        log: Its log.
        observer: Told of progress.
        length: Of its input, where there is one.
        check: Holds the parameters against its input, before its HELLO.
        checkpoint: Awaited when a step is reached, before its message leaves.
        warn: Tells people.
    """

    def __init__(
        self,
        options: NodeOptions,
        me: Self,
        gate: Gate,
        network: Network,
        memory: Memory,
        *,
        log: NodeLog,
        observer: Observer,
        length: int | None,
        check: Callable[[Parameters], Awaitable[None]],
        checkpoint: Checkpoint,
        warn: Callable[[str], None],
    ) -> None:
        self._options = options
        self._me = me
        self._gate = gate
        self._network = network
        self._memory = memory
        self._log = log
        self._observer = observer
        self._length = length
        self._check_input = check
        self._checkpoint = checkpoint
        self._warn = warn
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._interrupted: Interrupted | None = None
        self.founder: Founder | None = None
        """Serves joiners, where this peer founds."""

    async def find(self, nursery: trio.Nursery) -> Found:
        """Find the session that the options name, or take up the one that a killed process was in.

        Args:
            nursery: Where this peer's listener is served from now on.

        Raises:
            P2PMPCError: Why there is none.
        """
        self._nursery = nursery
        found = self._memory.found()
        if found is not None:
            return await self._go_on(found)
        with self._scope:
            if self._options.roster:
                found = await self._gather(RosterFile.load(Path(self._options.roster)))
            elif self._options.bootstrap:
                found = await self._join()
            else:
                found = await self._found()
        if found is None:
            raise self._interrupted or LocalProtocolError("discovery ended without a session")
        return found

    async def interrupt(self, error: Interrupted) -> None:
        """End the search because of a signal, and tell those who wait here."""
        self._interrupted = error
        if self.founder is not None:
            await self.founder.dismiss(error)
        self._scope.cancel()

    async def _listen(self, address: Address) -> Address:
        """Listen, serve from now on, and return where the others reach this peer."""
        listener = await self._network.listen(address)
        self._memory.listens = str(listener.address)
        assert self._nursery is not None
        self._nursery.start_soon(self._gate.serve, listener)
        if self._options.advertise:
            return Address.parse(self._options.advertise)
        if listener.address.is_wildcard:
            return Address(own_host(), listener.address.port)
        return listener.address

    async def _go_on(self, found: Found) -> Found:
        """Listen where this peer listened before it was killed, and answer as it did."""
        options, session, own = self._options, found.session, self._me.identity.id
        parameters, me = session.parameters, session.member(session.own_index)
        options.stated.check(parameters, options.study)
        await self._check_input(parameters)
        if not parameters.private_weights and me.weight != self._me.weight:
            raise InputRefused(
                f"this peer took part with weight {me.weight}, and now has {self._me.weight}",
                hint="bring the input and the weight of then: nothing was sent now, and what is kept "
                "is still there for --resume",
            )
        assert options.listen_address is not None
        await self._listen(options.listen_address)
        address = Address.parse(me.signed.address)
        if options.roster:
            roster = RosterFile.load(Path(options.roster))
            self._gate.join_handler = Gathering(
                self._me, roster, parameters, address, self._network, checkpoint=self._checkpoint
            ).serve
        elif session.founder == session.own_index:
            self.founder = Founder(self._me, parameters, address, self._log, study=options.study)
            self.founder.go_on(session)
            self._gate.join_handler = self.founder.serve
        self._log.info("gone on", id=short_id(own), session=session.id.hex())
        return found

    async def _found(self) -> Found:
        """Found a session, or go on founding it, and wait until everybody has joined."""
        options, kept = self._options, self._memory.kept
        if kept is None:
            nonce = self._me.entropy(NONCE_BYTES)
            parameters = options.parameters(nonce, self._me.identity.id, length=self._length)
        else:
            parameters = kept.me.parameters
            options.stated.check(parameters, options.study)
        await self._check_input(parameters)
        address = await self._listen(options.listen_address or Address("127.0.0.1", 0))
        founder = self.founder = Founder(
            self._me, parameters, address, self._log, study=options.study
        )
        founder.on_joined = lambda count: self._observer.tell(
            "joined", count=count, peers=parameters.peers
        )
        founder.on_refused = lambda peer, reason: self._observer.tell(
            "refused", peer=peer, reason=reason
        )
        bootstrap = f"{address}#{format_id(self._me.identity.id)}"
        command = f"python -m p2pmpc.node --bootstrap {bootstrap}"
        self._log.info("founded", address=str(address), count=parameters.peers)
        self._observer.tell("founded", address=str(address), bootstrap=bootstrap, command=command)
        await self._checkpoint("join")
        self._gate.join_handler = founder.serve
        await self._checkpoint("hello")
        return await founder.found(options.join_timeout)

    async def _join(self) -> Found:
        """Join at the bootstrap peers, and be a witness where others may know this peer's address."""
        options = self._options
        unpinned = [str(where.address) for where in options.where if where.pinned is None]
        if unpinned:
            self._warn(
                f"the bootstrap peer at {', '.join(unpinned)} is not pinned: whoever answers there "
                "is taken for it (pin it with HOST:PORT#ID)"
            )
        stand: WitnessStand | None = None
        if options.listen_address is not None and options.listen_address.port:
            stand = WitnessStand(self._me.identity, self._log)
            self._gate.join_handler = stand.serve

        async def listen(local_host: str) -> Address:
            return await self._listen(options.listen_address or Address(local_host, 0))

        candidate = Candidate(self._me.identity, self._memory.nonce, options.stated)
        joiner = Joiner(
            self._me,
            candidate,
            self._network,
            options.where,
            listen=listen,
            check=self._check_input,
            checkpoint=self._checkpoint,
            stand=stand,
            tell=lambda where, reason: self._observer.tell(
                "knocking again", where=str(where), reason=reason
            ),
        )
        return await joiner.join(options.join_timeout)

    async def _gather(self, roster: RosterFile) -> Found:
        """Ask everybody on the list of a roster file."""
        options, own = self._options, self._me.identity.id
        address = roster.own_address(own)
        parameters = options.parameters(bytes(NONCE_BYTES), own, length=self._length, roster=roster)
        await self._check_input(parameters)
        await self._listen(options.listen_address or address)
        gathering = Gathering(
            self._me, roster, parameters, address, self._network, checkpoint=self._checkpoint
        )
        self._gate.join_handler = gathering.serve
        return await gathering.gather(options.join_timeout)
