"""Links among the members of a session [4.1, 13.3], written from docs/protocol.md alone."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Sequence

from tests.independent_parts import (
    Buffer,
    Frame,
    Keys,
    Member,
    Refused,
    certificate_of,
    close,
    dialled,
    tls,
)


class Links:
    """One peer's links: it dials the members below it, and lets in those above."""

    def __init__(self) -> None:
        self.keys = Keys()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.members: dict[int, Member] = {}
        self.addresses: dict[int, str] = {}
        self.own = 0
        self.links: dict[int, tuple[ssl.SSLSocket, Buffer, bytearray]] = {}
        self.outboxes: dict[int, list[Frame]] = {}
        self._next_dial: dict[int, float] = {}

    def hear(self, sender: int, frame: Frame) -> None:
        """Take what came over a link."""
        raise NotImplementedError

    def connect(self) -> None:
        """Prepare what dials the members below, and lets in those above."""
        anchors = b"".join(member.entry[0] for member in self.members.values())
        self._dials = tls(self.keys, server=False, alpn="p2pmpc-mesh", anchors=anchors)
        self._accepts = tls(self.keys, server=True, alpn="p2pmpc-mesh", anchors=anchors)
        self._next_dial = dict.fromkeys(range(1, self.own), 0.0)

    def _dial(self, index: int) -> None:
        self._next_dial[index] = time.monotonic() + 0.2
        try:
            connection = dialled(self._dials, self.addresses[index])
            if certificate_of(connection) != self.members[index].entry[0]:
                raise Refused("another member than the one that was dialled")
            if connection.recv(1) != b"\x01":
                return
        except OSError:
            return
        self._attach(index, connection)

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        try:
            secured = self._accepts.wrap_socket(connection, server_side=True)
            shown = certificate_of(secured)
            index = next(k for k, m in self.members.items() if m.entry[0] == shown)
            if index <= self.own:
                raise Refused("a member with a lower index is dialled, and does not dial")
            secured.sendall(b"\x01")
        except OSError:
            return
        self._attach(index, secured)

    def _attach(self, index: int, connection: ssl.SSLSocket) -> None:
        """Take a new link, and say everything that was said to this peer on it."""
        if index in self.links:
            self.links.pop(index)[0].close()
        connection.setblocking(False)
        said = b"".join(frame.bytes for frame in self.outboxes[index])
        self.links[index] = (connection, Buffer(), bytearray(said))

    def tell(self, frame: Frame, receivers: Sequence[int]) -> None:
        for index in receivers:
            self.outboxes[index].append(frame)
            if index in self.links:
                self.links[index][2].extend(frame.bytes)

    def turn(self) -> None:
        """Move bytes on all links once."""
        now = time.monotonic()
        for index in self._next_dial:
            if index not in self.links and now >= self._next_dial[index]:
                self._dial(index)
        sockets: list[socket.socket] = [link[0] for link in self.links.values()]
        writing = [link[0] for link in self.links.values() if link[2]]
        select.select([self.listener, *sockets], writing, [], 0.1)
        if select.select([self.listener], [], [], 0)[0]:
            self._accept()
        for index in list(self.links):
            self._move(index)

    def _move(self, index: int) -> None:
        connection, buffer, going = self.links[index]
        try:
            while going:
                del going[: connection.send(going)]
        except ssl.SSLWantWriteError:
            pass
        except OSError:
            self.links.pop(index)[0].close()
            return
        try:
            while data := connection.recv(1 << 16):
                buffer.data += data
            self.links.pop(index)[0].close()
        except ssl.SSLWantReadError:
            pass
        except OSError:
            self.links.pop(index)[0].close()
        for frame in buffer.frames():
            self.hear(index, frame)

    def leave(self) -> None:
        """Write out what is queued, and close the links."""
        until = time.monotonic() + 2
        while any(link[2] for link in self.links.values()) and time.monotonic() < until:
            self.turn()
        for connection, _, _ in self.links.values():
            close(connection)
