"""What a peer remembers of its session so that ``--resume`` can go on with it, and when.

A peer that was killed says the same HELLO, draws the same masks and sends the same bytes; so each of
them is remembered before it leaves. Without a folder (``--no-state``) nothing is.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from p2pmpc.actions import Action, Send
from p2pmpc.discovery import Found
from p2pmpc.entropy import ROUND_SEED_BYTES
from p2pmpc.errors import ConfigurationError, InputRefused, ResourceExhausted, Revealed
from p2pmpc.frames import frame_head
from p2pmpc.identity import Identity, SealingKey, short_id
from p2pmpc.kept import AT_THE_END, Kept, KeptRoster, KeptRound, KeptSelf, KeptWord
from p2pmpc.messages import Kind, SignedEntry
from p2pmpc.options import NodeOptions
from p2pmpc.parameters import NONCE_BYTES, Parameters
from p2pmpc.session import Session
from p2pmpc.shamir import Entropy
from p2pmpc.state_file import StateFile, default_state_folder, find_state, open_folder
from p2pmpc.wire import decode_entry


class OtherInputError(InputRefused):
    """Another input than this peer took part with: the others are told nothing, and all is kept."""


class Memory:
    """What one peer remembers of one session.

    Args:
        identity: The peer's key.
        options: Of this run.
        log_dir: The folder of its log.
        entropy: The operating system's.
        folder: Where to remember; None for nowhere.
        file: What a process that was killed remembered, to go on with.
    """

    def __init__(
        self,
        identity: Identity,
        options: NodeOptions,
        log_dir: Path,
        entropy: Entropy,
        *,
        folder: Path | None = None,
        file: StateFile | None = None,
    ) -> None:
        self._identity = identity
        self._options = options
        self._log_dir = log_dir
        self._entropy = entropy
        self._folder = folder
        self._file = file
        self.kept: Kept | None = None if file is None else file.kept
        """What there is to go on with, as it grows."""
        self.is_resumed = file is not None
        self.trouble: ResourceExhausted | None = None
        """Why nothing more is remembered, where it should be."""
        self.listens = "" if self.kept is None else self.kept.me.listens
        """Where this peer listens; told by whoever opens the listener."""
        self.drawn_weight = None if self.kept is None else self.kept.me.weight
        self.kept_weight = self.drawn_weight
        """What this peer took part with, as far as it is kept: a private one is, where it was drawn."""
        me = None if self.kept is None else self.kept.me
        if me is not None and me.weight is None and not me.parameters.private_weights:
            self.kept_weight = decode_entry(me.entry.body).weight
        self.nonce = entropy(NONCE_BYTES) if self.kept is None else self.kept.me.nonce
        """Of this peer's JOINs."""

    # -- before the roster --------------------------------------------------------------------

    def hello(self, parameters: Parameters) -> tuple[SignedEntry, SealingKey] | None:
        """Return what this peer's HELLO under these parameters was, if it said one."""
        if self.kept is None or self.kept.me.parameters != parameters:
            return None
        me = self.kept.me
        return me.entry, SealingKey(io.BytesIO(me.sealing).read)

    def keep_hello(self, parameters: Parameters, entry: SignedEntry, sealing: bytes) -> None:
        """Remember what this peer is about to say in its HELLO.

        Args:
            parameters: What it agrees to.
            entry: Signed.
            sealing: What its sealing key is made of.

        Raises:
            ResourceExhausted: It cannot be written.
        """
        if self._folder is None:
            return
        options = self._options
        where = (f"roster {options.roster}",) if options.roster else options.bootstraps
        me = KeptSelf(
            id=self._identity.id,
            identity=b"" if options.key else self._identity.private_pem(),
            name=options.name,
            nonce=self.nonce,
            sealing=sealing,
            parameters=parameters,
            entry=entry,
            listens=self.listens,
            where=where,
            log_dir=str(self._log_dir.absolute()),
            weight=self.drawn_weight,
            begun=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        )
        self.kept = Kept(me)
        if self._file is None:
            self._file = StateFile.create(self._folder, me.id, me)
        else:
            self._file.begin(me)

    def keep_roster(self, found: Found) -> None:
        """Remember the closed set, before this peer signs it.

        Raises:
            ResourceExhausted: It cannot be written.
        """
        if self._file is None or self.kept is None or self.kept.roster is not None:
            return
        session = found.session
        founder = None if session.founder is None else session.member(session.founder).id
        entries = tuple(member.signed for member in session.members)
        roster = KeptRoster(entries, found.addresses, founder)
        self._file.add(roster)
        self.kept.add(roster)

    def found(self) -> Found | None:
        """Return the closed set, if a process before this one was in it."""
        if self.kept is None or self.kept.roster is None:
            return None
        me, roster = self.kept.me, self.kept.roster
        session = Session.close(me.parameters, roster.entries, me.id, founder=roster.founder)
        return Found(session, roster.addresses, SealingKey(io.BytesIO(me.sealing).read))

    # -- rounds -------------------------------------------------------------------------------

    def round(self, number: int) -> KeptRound | None:
        """Return where a round began, if this peer was in it before."""
        known = None if self.kept is None else self.kept.round
        return known if known is not None and known.number == number else None

    @property
    def first_round(self) -> int:
        """The round that this process begins with."""
        known = None if self.kept is None else self.kept.round
        return 0 if known is None else known.number

    def seed(self, number: int) -> bytes:
        """Return what this peer draws from in a round."""
        known = self.round(number)
        return self._entropy(ROUND_SEED_BYTES) if known is None else known.seed

    def check_input(self, number: int, digest: bytes) -> None:
        """Refuse another input than this peer took part with before it was killed.

        Args:
            number: The round.
            digest: Keyed, of the input and of the weight.

        Raises:
            OtherInputError: It is another one.
        """
        known = self.round(number)
        if known is not None and known.input != digest:
            raise OtherInputError(
                "this is not the input that this peer took part with before it was killed",
                hint="bring the input and the weight of then, in the same way (--input, --value, "
                "P2PMPC_VALUE): two inputs under the same masks would give their difference away; "
                "nothing was sent now, and what is kept is still there for --resume",
                revealed=self.revealed,
            )

    def begin_round(self, begun: KeptRound) -> None:
        """Remember where a round begins, before anything of it leaves.

        Raises:
            ResourceExhausted: It cannot be written.
        """
        if self._file is None or self.kept is None or self.round(begun.number) is not None:
            return
        self.kept.add(begun)
        if begun.pairs:  # from here on the sealing key opens nothing more
            self.kept.me = replace(self.kept.me, sealing=bytes(len(self.kept.me.sealing)))
        if begun.number == 0:
            self._file.add(begun)
        else:
            self._file.begin(*self.kept.facts)

    @property
    def revealed(self) -> Revealed:
        """What others may have learned by what this peer said before it was killed."""
        if self.kept is not None and any(slot.kind is Kind.ECHO for slot in self.kept.said):
            return Revealed.MAYBE_TOTAL
        return Revealed.EARLIER if self.first_round else Revealed.NOTHING

    def keep_agreement(self, signatures: Mapping[int, bytes]) -> None:
        """Remember everybody's signature on the roster, together with the first that is said then."""
        if self.kept is not None and self.kept.round is not None and not self.kept.words:
            self.kept.round = replace(self.kept.round, acceptances=dict(signatures))

    def last_frames(self) -> tuple[bytes, ...]:
        """Return the frames with which this peer ended the round so far, from its echo on."""
        if self.kept is None or self.kept.round is None:
            return ()
        number = self.kept.round.number
        return tuple(
            frame_head(word.slot.kind, number, word.signature, len(word.body)) + word.body
            for word in self.kept.words.values()
            if word.slot.kind in AT_THE_END
        )

    def say(self, actions: Sequence[Action]) -> None:
        """Remember what is about to be said in a round.

        Raises:
            ResourceExhausted: It cannot be written, and no share has left yet. Later the round goes
                on, and nothing more is remembered.
        """
        if self._file is None or self.kept is None or self.kept.round is None:
            return
        words = [
            KeptWord.of(action.message, action.receiver)
            for action in actions
            if isinstance(action, Send) and Kind.ACCEPT < action.message.message.kind < Kind.ABORT
        ]
        said = self.kept.said
        fresh = [word for word in words if word.slot not in said]
        if not fresh:
            return
        begun = () if said else (self.kept.round,)  # all have agreed since it was written
        # The write may be cut short. The COMMITMENT binds the sealed shares, which cannot be sealed
        # again as they were: so it comes behind them.
        fresh.sort(key=lambda word: word.slot.kind is Kind.COMMITMENT)
        try:
            self._file.add(*begun, *fresh)
        except ResourceExhausted as error:
            if fresh[-1].slot.kind is Kind.COMMITMENT:
                raise
            self.trouble = error
            self.forget()
            return
        for word in fresh:
            self.kept.add(word)

    # -- the end ------------------------------------------------------------------------------

    def forget(self) -> None:
        """Remove all that is remembered: there is nothing to go on with."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def leave(self) -> None:
        """Leave what is remembered for another process to go on with."""
        if self._file is not None:
            self._file.release()
            self._file = None


def pick_state(options: NodeOptions, identity: Identity | None) -> StateFile:
    """Return what ``--resume`` goes on with.

    Args:
        options: Say where state is kept, and which peer is meant.
        identity: With a key file.

    Raises:
        ConfigurationError: There is nothing, or it is not clear which of several is meant.
    """
    folder = state_folder(options)
    identifier = None if identity is None else identity.id
    found = list(find_state(folder, identifier=identifier, name=options.name))
    if not found:
        raise ConfigurationError(
            f"there is no session in {folder} to go on with",
            hint="a session can be resumed when its process was killed, not when it ended by itself "
            "or still runs; give the same --key, --name and --state-dir as then",
        )
    if len(found) > 1:
        shown = ", ".join(_described(file) for file in found)
        for file in found:
            file.release()
        raise ConfigurationError(
            f"{len(found)} sessions could be gone on with: {shown}",
            hint="say which with --name or --key, or remove the files of the others",
        )
    kept = found[0].kept
    assert kept is not None
    if identity is None and not kept.me.identity:
        found[0].release()
        raise ConfigurationError(
            f"the session of {kept.me.name or short_id(kept.me.id)} is one of a key file",
            hint="give the --key that it was begun with",
        )
    return found[0]


def _described(file: StateFile) -> str:
    assert file.kept is not None
    me = file.kept.me
    return f"{me.name or short_id(me.id)} since {me.begun} ({file.path.name})"


def state_folder(options: NodeOptions) -> Path:
    """Return the folder in which state is kept, made if need be.

    Raises:
        ConfigurationError: Others can look into it.
        ResourceExhausted: It cannot be made.
    """
    return open_folder(Path(options.state_dir) if options.state_dir else default_state_folder())
