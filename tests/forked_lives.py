"""What forked children do in tests: ``python -m tests.forked_lives [used] FD`` is a zygote of such children.

It has imported what the zygote of a swarm has imported. With ``used`` it has also drawn from every
generator before the first fork, which the real one never does.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import socket
import ssl
import sys
import tempfile
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from p2pmpc.identity import Identity, SealingKey, SealingPublicKey
from p2pmpc.swarm.zygote import Zygote
from p2pmpc.tls import join_context

FIXED_KEY = SealingPublicKey(SealingKey(bytes).public_bytes)


def client_hello() -> bytes:
    """Return the random of the first message of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        join_context().wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()[11:43]
    raise AssertionError("a handshake with nobody has ended")


def draws() -> dict[str, str]:
    """Return the next draw of every generator that a peer could reach."""
    return {
        "os.urandom": os.urandom(16).hex(),
        "secrets": secrets.token_hex(16),
        "random": f"{random.getrandbits(128):x}",
        "uuid": uuid.uuid4().hex,
        "tempfile": next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]
        "identity": Identity.generate(os.urandom).id.hex(),
        "sealing key": SealingKey(os.urandom).public_bytes.hex(),
        "HPKE": FIXED_KEY.seal(b"", b"").hex(),
        "Ed25519": Ed25519PrivateKey.generate().private_bytes_raw().hex(),
        "X25519": X25519PrivateKey.generate().private_bytes_raw().hex(),
        "ML-KEM": MLKEM768PrivateKey.generate().public_key().public_bytes_raw().hex(),
        "AES-GCM": AESGCM.generate_key(256).hex(),
        "ssl": ssl.RAND_bytes(16).hex(),
        "TLS client random": client_hello().hex(),
    }


def finds_a_canary() -> bool:
    """Return whether this process's memory holds what a sibling, or it itself, was told."""
    pattern = re.compile(b"the-canary-of-[a]-sibling")  # which does not match itself
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            start, _, end = line.split()[0].partition("-")
            if "rw" in line and not line.endswith("[vvar]"):
                memory.seek(int(start, 16))
                if pattern.search(memory.read(int(end, 16) - int(start, 16))):
                    return True
    return False


def live(task: bytes) -> int:
    """Do what the first word of a task says."""
    word, *rest = task.decode().split()
    if word == "draw":
        print(json.dumps(draws()))
    elif word == "scan":
        print(finds_a_canary())
    elif word == "echo":
        print(sys.stdin.read(), os.environ.get("PATH"), file=sys.stderr)
    elif word == "modules":
        print(json.dumps(sorted(sys.modules)))
    elif word == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    elif word == "fail":
        raise ValueError("on purpose")
    return int(rest[0]) if rest else 0


if __name__ == "__main__":
    if "used" in sys.argv:
        draws()
    Zygote(socket.socket(fileno=int(sys.argv[-1])), live).serve()
