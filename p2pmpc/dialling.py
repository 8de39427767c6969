"""Dialling the members of a session: one attempt, and what its failure says of the peer."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

import trio

from p2pmpc.absence import Cause
from p2pmpc.errors import AgreementFailed, PeerMissing
from p2pmpc.gate import SATISFIED
from p2pmpc.identity import Identity
from p2pmpc.links import Link, LinkEndedError, plain_reason
from p2pmpc.network import Address, Network
from p2pmpc.patience import Patience
from p2pmpc.session import Session
from p2pmpc.tls import mesh_context, remote_certificate, wrap_client

_AT_ONCE: Final = 8
"""Handshakes are work for both sides: all at once, on a busy machine, each would take too long."""
_DIAL_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 2.0
_UNREACHABLE: Final = frozenset(
    {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
)


class UnreachedError(Exception):
    """No link came about.

    Args:
        cause: What that says of the peer.
        detail: For people, where the cause does not say it all.
    """

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


class Dialler:
    """Dials members.

    Args:
        session: The closed session.
        identity: This peer's.
        network: TCP, or memory.
        addresses: Where each member listens, by ID.
    """

    def __init__(
        self,
        session: Session,
        identity: Identity,
        network: Network,
        addresses: Mapping[bytes, str],
    ) -> None:
        self._session = session
        self._network = network
        self._addresses = addresses
        self._context = mesh_context(identity, [m.entry.certificate for m in session.members])
        self._limit = trio.CapacityLimiter(_AT_ONCE)
        self._patience = Patience(_DIAL_SECONDS)

    async def run(self) -> None:
        """Count the turns that dials may take, until cancelled."""
        await self._patience.run()

    def where(self, index: int) -> str:
        """Return where a member listens."""
        return self._addresses[self._session.member(index).id]

    async def dial(self, index: int) -> Link:
        """Open a link to a member.

        Raises:
            UnreachedError: There is none now.
            AgreementFailed: Another member answers there.
        """
        async with self._limit:
            cause = Cause.UNREACHABLE
            with self._patience.limit():
                stream = await self._connect(index)
                cause = Cause.STOPPED  # whoever takes a connection and says nothing
                try:
                    return await self._shake_hands(index, stream)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    await trio.aclose_forcefully(stream)
                    raise UnreachedError(Cause.AWAY, "the handshake failed") from None
                except BaseException:
                    with trio.CancelScope(shield=True):
                        await trio.aclose_forcefully(stream)
                    raise
            raise UnreachedError(cause)

    async def probe(self, index: int) -> UnreachedError | None:
        """Return what keeps this peer from reaching a member that does not dial it; None if nothing does.

        Nothing is said on the connection.
        """
        try:
            with trio.fail_after(_PROBE_SECONDS):
                stream = await self._connect(index)
        except trio.TooSlowError:
            return UnreachedError(Cause.UNREACHABLE)
        except UnreachedError as error:
            return error
        await trio.aclose_forcefully(stream)
        return None

    async def _connect(self, index: int) -> trio.abc.Stream:
        try:
            stream, _ = await self._network.connect(Address.parse(self.where(index)))
        except ConnectionRefusedError:
            # A member listens before it says HELLO: where nobody listens any more, it ended.
            raise UnreachedError(Cause.ENDED) from None
        except OSError as error:
            cause = Cause.UNREACHABLE if error.errno in _UNREACHABLE else Cause.AWAY
            raise UnreachedError(cause, plain_reason(error)) from None
        except PeerMissing as error:
            raise UnreachedError(Cause.AWAY, error.message) from None
        return stream

    async def _shake_hands(self, index: int, stream: trio.abc.Stream) -> Link:
        member = self._session.member(index)
        tls = wrap_client(stream, self._context)
        link = Link(tls)
        await tls.do_handshake()
        if remote_certificate(tls) != member.entry.certificate:
            raise AgreementFailed(
                f"at the address of {member.label} answers another member of the roster",
                peers=(index,),
                hint="check --advertise there",
            )
        # Under TLS 1.3 a refused client learns of it only when it reads: trio sends no
        # alert, so the refusal is an end where this byte was due.
        try:
            answer = await link.receive_byte()
        except LinkEndedError as error:
            raise UnreachedError(Cause.AWAY, error.reason) from None
        if answer != SATISFIED[0]:
            raise UnreachedError(Cause.AWAY, "it does not say that it is satisfied")
        return link
