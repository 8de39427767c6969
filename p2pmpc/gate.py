"""The accepting side of a node: one port, every connection held at arm's length.

Rules:

1. An exception from one connection ends that connection and nothing else, and leaves one log line,
   or where there are very many is counted in one.
2. Before a HELLO is verified a connection may live 5 s, as :mod:`p2pmpc.patience` counts them, and
   send what :mod:`p2pmpc.lobby` allows; there it waits, and may be dropped for another one.
3. Nothing is said to a connection before TLS 1.3 is done.
4. Running out of descriptors costs strangers their connections, and nobody else.
"""

from __future__ import annotations

import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from p2pmpc.descriptors import FEWEST_PENDING
from p2pmpc.errors import P2PMPCError
from p2pmpc.identity import Identity
from p2pmpc.links import Link, LinkEndedError
from p2pmpc.lobby import Lobby, MeteredStream, Shown, Visit, is_hello
from p2pmpc.logs import NodeLog, Sparing
from p2pmpc.network import Listener, NoDescriptorsError, Stream
from p2pmpc.patience import Patience
from p2pmpc.session import Session
from p2pmpc.tls import (
    JOIN_PROTOCOL,
    MESH_PROTOCOL,
    TlsStream,
    alpn,
    remote_certificate,
    server_context,
    wrap_server,
)

UNVERIFIED_SECONDS: Final = 5.0
HANDSHAKES_A_TURN: Final = 4
SATISFIED: Final = b"\x01"

JoinHandler = Callable[[Link, trio.CancelScope], Awaitable[None]]
MeshHandler = Callable[[int, Link], Awaitable[None]]


class Gate:
    """Accepts connections and hands them, authenticated, to whoever serves them.

    Args:
        identity: The node's.
        log: For one line a refusal.
        draw: Returns a number below the one it is given: who is dropped where there is no room.
    """

    def __init__(
        self,
        identity: Identity,
        log: NodeLog,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._identity = identity
        self._refusals = Sparing(log, "connection refused", trio.current_time)
        self._context = server_context(identity, ())
        self._session: Session | None = None
        self._has_session = trio.Event()
        self._lobby = Lobby(FEWEST_PENDING, draw)
        self._handshakes = trio.Semaphore(HANDSHAKES_A_TURN)
        self._patience = Patience(UNVERIFIED_SECONDS)
        self.join_handler: JoinHandler | None = None
        self.mesh_handler: MeshHandler | None = None

    def make_room(self, places: int) -> None:
        """Say how many connections may wait at a time until it is known who they are."""
        self._lobby.places = places

    def open_mesh(self, session: Session) -> None:
        """From now on let the members of a session in, by the certificates of its roster."""
        anchors = [member.entry.certificate for member in session.members]
        self._context = server_context(self._identity, anchors)
        self._session = session
        self._has_session.set()

    async def serve(self, listener: Listener) -> None:
        """Accept connections until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._patience.run)
                while True:
                    try:
                        stream = await listener.accept()
                    except NoDescriptorsError as error:
                        self._lobby.drop_one()
                        self._refusals.warning(reason=str(error))
                        continue
                    nursery.start_soon(self._handle, stream)
        finally:
            with trio.CancelScope(shield=True):
                await listener.aclose()

    async def _handle(self, stream: Stream) -> None:
        try:
            with self._patience.limit() as scope, self._lobby.visit(scope) as visit:
                tls = await self._handshake(MeteredStream(stream, self._lobby, visit))
                self._lobby.move(visit, Shown.TLS)
                await self._dispatch(tls, scope)
            if scope.cancelled_caught:
                self._refused(_why_ended(visit))
        except (LinkEndedError, P2PMPCError) as error:
            self._refused(str(error))
        except trio.BrokenResourceError as error:
            self._refused(_tls_reason(error))
        except (OSError, trio.ClosedResourceError) as error:
            self._refused(str(error) or "closed")
        except Exception as error:  # rule 1, whatever a peer's bytes may bring about
            self._refused(f"a fault in this program: {type(error).__name__}")
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    def _refused(self, reason: str) -> None:
        self._refusals.warning(reason=reason)

    async def _handshake(self, stream: MeteredStream) -> TlsStream:
        if not is_hello(await stream.first_message()):
            # There is no work in telling what it is, and whoever waits for more of it waits alone.
            await wrap_server(stream, self._context).do_handshake()
            raise LinkEndedError("it speaks something other than TLS")
        if self.join_handler is None:
            # This node founds nothing, so only members can have business here: wait for the roster
            # that says who they are.
            await self._has_session.wait()
        async with self._begin(stream):
            tls = wrap_server(stream, self._context)
            await tls.do_handshake()
        return tls

    @asynccontextmanager
    async def _begin(self, stream: MeteredStream) -> AsyncIterator[None]:
        """Wait for this connection's turn to begin a handshake; it is over with our first answer.

        The first answer is most of the work, and anybody can ask for it at no cost. A few at a time
        leave the loop free to take in, and to drop, those that come meanwhile. What is asked is there
        by now, whole, so that nobody has a turn and keeps the others waiting for it.
        """
        await self._handshakes.acquire()
        with contextlib.ExitStack() as stack:
            stack.callback(self._handshakes.release)
            stream.on_answer = stack.close
            yield

    async def _dispatch(self, tls: TlsStream, scope: trio.CancelScope) -> None:
        chosen = alpn(tls)
        if chosen == JOIN_PROTOCOL and self.join_handler is not None:
            await self.join_handler(Link(tls), scope)
            return
        if chosen != MESH_PROTOCOL or self._session is None or self.mesh_handler is None:
            if chosen is None:
                raise LinkEndedError("it is no peer: TLS without this protocol's ALPN")
            raise LinkEndedError(f"it asks for {chosen}, which is not served here now")
        index = self._session.index_of(remote_certificate(tls))
        if index is None:
            raise LinkEndedError("its certificate is not in the roster")
        if index <= self._session.own_index:
            raise LinkEndedError("a member with a lower index does not dial")
        link = Link(tls)
        await link.send(SATISFIED)
        scope.deadline = float("inf")
        await self.mesh_handler(index, link)


def _why_ended(visit: Visit) -> str:
    """Return why a connection was ended that had not done anything wrong."""
    if visit.dropped:
        return "there was no room for all who wait, and it was drawn to go"
    return "it said nothing in time"


def _tls_reason(error: trio.BrokenResourceError) -> str:
    """Return what was wrong with a handshake, in plain words."""
    cause = error.__cause__
    reason = getattr(cause, "reason", "") or ""
    if isinstance(cause, ssl.SSLError):
        plain = {
            "HTTP_REQUEST": "it speaks HTTP, not TLS",
            "HTTPS_PROXY_REQUEST": "it speaks HTTP, not TLS",
            "WRONG_VERSION_NUMBER": "it speaks something other than TLS",
            "UNSUPPORTED_PROTOCOL": "it speaks an older TLS than 1.3",
            "CERTIFICATE_VERIFY_FAILED": "its certificate is not in the roster",
        }
        return plain.get(reason, f"TLS: {reason.lower().replace('_', ' ')}")
    return "it was cut"
