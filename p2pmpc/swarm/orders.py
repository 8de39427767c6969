"""What each peer of a swarm is told to do."""

from __future__ import annotations

from collections.abc import Sequence

from p2pmpc.mesh import HEARTBEAT_SECONDS
from p2pmpc.options import NodeOptions
from p2pmpc.swarm.data import SwarmData
from p2pmpc.swarm.options import SwarmOptions
from p2pmpc.swarm.watch import PeerState

RECONNECT_SECONDS = 3.0
"""Between processes of one machine a connection that is down stays down."""
MOST_HEARTBEATS = 500
"""A second, of all peers together: one machine carries them all."""


def peer_options(
    options: SwarmOptions,
    peer: PeerState,
    peers: Sequence[PeerState],
    data: SwarmData,
    bootstrap: str | None,
) -> NodeOptions:
    """Return a peer's options, but for where it listens, reads and writes.

    Args:
        options: Of the swarm.
        peer: The first one founds the session.
        peers: All of them.
        data: What they bring.
        bootstrap: Where the founder is, once it has said so.
    """
    founds = peer.number == 1
    return NodeOptions(
        bootstrap=None if founds else bootstrap,
        peers=len(peers) if founds else None,
        field=options.field if founds else None,
        length=data.length if founds else None,
        fraction_bits=options.fraction_bits if founds else None,
        bound=options.bound if founds else None,
        share_mode=options.share_mode if founds else None,
        mode=options.mode if founds else None,
        strict=options.strict if founds else None,
        private_weights=options.private_weights if founds else None,
        allow_two=options.allow_two or None,
        allow_revealing_weights=options.allow_revealing_weights if founds else None,
        name=peer.name,
        yes=True,
        no_state=True,
        timeout=options.timeout,
        join_timeout=options.timeout,
        reconnect=min(RECONNECT_SECONDS, options.timeout),
        heartbeat=max(HEARTBEAT_SECONDS, len(peers) ** 2 / MOST_HEARTBEATS),
        hold=options.kills(len(peers)).get(peer.number),
        log_secrets=options.log_secrets,
        keep_partials=options.keep_partials,
    )
