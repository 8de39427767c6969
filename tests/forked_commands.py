"""The `p2pmpc` command for tests of pages with many commands: ``python -m tests.forked_commands SOCKET``.

Importing what a study needs takes longer than most commands. So one process imports it once, and forks a
child for every command, which gets the streams, the folder and the environment of whoever typed it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from p2pmpc.cli import main

LATE = ("duckdb", "ibis.backends.duckdb", "p2pmpc.study.data.expression", "scipy.special")

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [told], [0, 1, 2])
    code = server.recv(1)
os._exit(code[0] if code else 1)
"""


def write_client(path: Path, server: Path) -> None:
    """Write the program that passes a command on."""
    path.write_text(CLIENT.format(python=sys.executable, path=str(server)))
    path.chmod(0o755)


def serve(listener: socket.socket) -> None:
    """Fork a child for every command, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to be reaped
    while True:
        client, _ = listener.accept()
        told, streams, _, _ = socket.recv_fds(client, 1 << 18, 3)
        if os.fork() == 0:
            listener.close()
            run(client, told, streams)
        client.close()
        for stream in streams:
            os.close(stream)


def run(client: socket.socket, told: bytes, streams: list[int]) -> None:
    """Run a command in this child, tell its exit code, and end."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        arguments, folder, environment = json.loads(told)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["p2pmpc", *arguments]
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
        client.send(bytes([code]))
    os._exit(code)


if __name__ == "__main__":
    for name in LATE:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        print("ready", flush=True)
        serve(listening)
