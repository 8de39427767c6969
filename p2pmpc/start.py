"""What a peer is made of, from its options: its key, its folder, its log, what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from p2pmpc import __version__
from p2pmpc.archive import file_stem
from p2pmpc.consent import Ask
from p2pmpc.errors import ConfigurationError
from p2pmpc.identity import Identity, format_id
from p2pmpc.kept import KeptSelf
from p2pmpc.keys import load_or_create
from p2pmpc.logs import NodeLog
from p2pmpc.memory import Memory, pick_state, state_folder
from p2pmpc.network import Network
from p2pmpc.options import NodeOptions
from p2pmpc.peer import Peer
from p2pmpc.progress import Observer
from p2pmpc.shamir import Entropy
from p2pmpc.sources import Numbers
from p2pmpc.state_file import find_state
from p2pmpc.storage import new_run_directory


@contextmanager
def peer_of(
    options: NodeOptions,
    numbers: Numbers | None,
    *,
    network: Network,
    entropy: Entropy,
    observer: Observer,
    ask: Ask | None = None,
    brings_later: bool = False,
) -> Iterator[Peer]:
    """Make a peer from its options, or of what is left of one that was killed.

    Args:
        options: What it is told to do.
        numbers: Its input; None draws one, or where it is brought later waits for it.
        network: TCP, or memory.
        entropy: The operating system's.
        observer: Told of progress.
        ask: Asks the person at the terminal.
        brings_later: Every round is given its input when it begins.

    Yields:
        The peer; its log is open until the end of the block.

    Raises:
        P2PMPCError: It cannot be made.
    """
    options.check()
    identity = load_or_create(Path(options.key), entropy) if options.key else None
    folder = None if options.no_state else state_folder(options)
    file = pick_state(options, identity) if options.resume else None
    try:
        if file is not None:
            assert file.kept is not None
            me = file.kept.me
            identity = identity or Identity.from_private_pem(me.identity)
            options = as_begun(options, me)
        identity = identity or Identity.generate(entropy)
        directory = Path(options.log_dir) if options.log_dir else new_run_directory(Path("logs"))
        path = directory / f"{file_stem(options.name, identity)}.log"
        log = NodeLog(path, secrets=options.log_secrets, goes_on=file is not None)
    except BaseException:
        if file is not None:
            file.release()
        raise
    memory = Memory(identity, options, directory, entropy, folder=folder, file=file)
    try:
        log.info(
            "started" if file is None else "resumed",
            id=format_id(identity.id),
            version=__version__,
            name=options.name,
        )
        peer = Peer(
            options,
            numbers,
            identity,
            directory=directory,
            log=log,
            network=network,
            entropy=entropy,
            observer=observer,
            memory=memory,
            ask=ask,
            brings_later=brings_later,
        )
        if file is None and options.key and folder is not None:
            _tell_of_others(folder, identity, peer.warn)
        yield peer
    finally:
        memory.leave()
        log.close()


def as_begun(options: NodeOptions, me: KeptSelf) -> NodeOptions:
    """Return options that say of the session what was said when it was begun.

    Args:
        options: Of the process that goes on.
        me: What the one before it was told.

    Raises:
        ConfigurationError: They name another way into a session.
    """
    given = (f"roster {options.roster}",) if options.roster else options.bootstraps
    if given and given != me.where:
        raise ConfigurationError(
            f"the session to go on with was found by {', '.join(me.where) or 'founding it'}, and not "
            f"by {', '.join(given)}",
            hint="give --resume the same options as before, or leave them out",
        )
    roster = next((w.removeprefix("roster ") for w in me.where if w.startswith("roster ")), None)
    return replace(
        options,
        name=me.name,
        listen=me.listens,
        roster=roster,
        bootstrap=None if roster or not me.where else me.where,
        peers=options.peers or me.parameters.peers,
        log_dir=options.log_dir or me.log_dir,
    )


def _tell_of_others(folder: Path, identity: Identity, warn: Callable[[str], None]) -> None:
    """Tell of a session that a killed process of this key has left."""
    for file in find_state(folder, identifier=identity.id):
        file.release()
        warn(
            "a process with this key was killed in a session, and --resume would go on with it; "
            "another sum of the same input may give more away than a sum"
        )
