"""TLS 1.3 contexts, and who is at the other end.

Two kinds of link share one port and are told apart by ALPN: *join* links, on which only the server
shows a certificate, and *mesh* links, on which both do and the roster's certificates are the only
anchors. Python's ssl reads keys from files alone, so the key goes through an anonymous file in memory
where the system has one, and through a file of mode 0600 that is gone at once where it has not.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import trio

from p2pmpc.errors import AgreementFailed, ResourceExhausted
from p2pmpc.identity import Identity
from p2pmpc.network import Stream

JOIN_PROTOCOL: Final = "p2pmpc-join"
MESH_PROTOCOL: Final = "p2pmpc-mesh"

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python's ssl does not name."""

TlsStream = trio.SSLStream[trio.abc.Stream]


def _context(side: int, anchors: Sequence[bytes]) -> ssl.SSLContext:
    # Never create_default_context: it obeys SSLKEYLOGFILE and trusts the system's authorities.
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    # A leaf may be an anchor; and since anchors are exact certificates, their dates say nothing that
    # a wall clock, which may be years off, should decide.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    if anchors:
        context.load_verify_locations(cadata=b"".join(anchors))
    return context


def server_context(identity: Identity, anchors: Sequence[bytes]) -> ssl.SSLContext:
    """Return the context of a listening node.

    Args:
        identity: The node's.
        anchors: DER certificates of the roster; empty before there is one.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, anchors)
    context.num_tickets = 0
    # Optional, since joiners show none; a mesh link without one is refused after the handshake.
    context.verify_mode = ssl.CERT_OPTIONAL if anchors else ssl.CERT_NONE
    context.set_alpn_protocols([JOIN_PROTOCOL, MESH_PROTOCOL])
    _load_key(context, identity)
    return context


def join_context() -> ssl.SSLContext:
    """Return the context of a joiner: it shows nothing, and checks the server's ID afterwards."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, ())
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([JOIN_PROTOCOL])
    return context


def mesh_context(identity: Identity, anchors: Sequence[bytes]) -> ssl.SSLContext:
    """Return the context of a member that dials another one."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, anchors)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([MESH_PROTOCOL])
    _load_key(context, identity)
    return context


def _load_key(context: ssl.SSLContext, identity: Identity) -> None:
    certificate = ssl.DER_cert_to_PEM_cert(identity.certificate()).encode("ascii")
    try:
        with _readable(identity.private_pem() + certificate) as path:
            context.load_cert_chain(path)
    except OSError as error:
        raise ResourceExhausted(f"cannot set TLS up: {error.strerror or error}") from None


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[str]:
    """Give bytes a path for as long as it takes to read them."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("p2pmpc", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp()  # mode 0600
    try:
        os.write(descriptor, data)
        os.close(descriptor)
        yield path
    finally:
        Path(path).unlink()


def wrap_server(stream: Stream, context: ssl.SSLContext) -> TlsStream:
    """Return the server's side of TLS on a connection; the handshake is still to be done."""
    return trio.SSLStream(stream, context, server_side=True)


def wrap_client(stream: Stream, context: ssl.SSLContext) -> TlsStream:
    """Return the client's side of TLS on a connection; the handshake is still to be done."""
    return trio.SSLStream(stream, context)


def alpn(stream: TlsStream) -> str | None:
    """Return the kind of link that the handshake agreed on."""
    chosen: str | None = stream.selected_alpn_protocol()
    return chosen


def remote_certificate(stream: TlsStream) -> bytes:
    """Return the certificate (DER) that the other side showed.

    Raises:
        AgreementFailed: It showed none.
    """
    certificate: bytes | None = stream.getpeercert(binary_form=True)
    if certificate is None:
        raise AgreementFailed("the other side shows no certificate")
    return certificate
