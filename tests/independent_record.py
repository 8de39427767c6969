"""The transcript of a session [14.1], written from docs/protocol.md alone."""

from __future__ import annotations

from tests.independent_parts import ACCEPT, COMMITMENT, ECHO, PARTIAL, in_groups, labelled
from tests.independent_peer import Peer


def transcript(peer: Peer) -> bytes:
    """Return the transcript of a session that has its total."""
    s = peer.settings
    bound = s["bound"] // (1 << s["fraction bits"]) if s["bound"] else "automatic"
    lines = [
        "p2pmpc-transcript 1",
        f"R0a 0 parameters peers={s['peers']} field={s['field']} length={s['length']} "
        f"rounds={s['rounds']} fraction-bits={s['fraction bits']} bound={bound} weight-bound=public "
        f"share-mode={s['share mode']} sum-mode={s['sum mode']} "
        f"strict={'true' if s['strict'] else 'false'} body={peer.parameters.hex()}",
    ]
    lines += [
        f"R0b {k} hello id={in_groups(m.id)} weight={m.weight} name={m.entry[4].encode().hex()} "
        f"body={m.body.hex()} signature={m.signature.hex()}"
        for k, m in peer.members.items()
    ]
    heard, voices = peer.heard, peer.contributors
    lines += [f"R0c {k} roster signature={heard[k][ACCEPT].signature.hex()}" for k in peer.members]
    for k in voices:
        said = heard[k][COMMITMENT]
        lines.append(f"R1 {k} commitment body={said.body.hex()} signature={said.signature.hex()}")
    for k in voices:
        said = heard[k][PARTIAL]
        lines.append(f"R2 {k} partial digest={said.digest.hex()} signature={said.signature.hex()}")
    lines.append(f"R3 0 echo digest={heard[peer.own][ECHO].digest.hex()}")
    lines += [f"R3 {k} echo signature={heard[k][ECHO].signature.hex()}" for k in voices]
    for k in voices:
        lines.append(f"R4 {k} mask seed={peer.seeds[k].hex()}")
        if k in peer.sums:
            opened = labelled("public vector", peer.field.to_bytes(peer.sums[k])).hex()
            lines.append(f"R4 {k} sum digest={opened}{_values(peer, peer.sums[k])}")
    digest = peer.total_digest.hex()
    lines.append(f"R5 0 total round=0 digest={digest}{_values(peer, peer.total)}")
    return "".join(line + "\n" for line in lines).encode("ascii")


def _values(peer: Peer, vector: list[int]) -> str:
    if len(vector) > 64:
        return ""
    return " values=" + ",".join(str(peer.field.signed(value)) for value in vector)
