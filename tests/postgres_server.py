"""A real PostgreSQL server of the tests' own: on loopback, in a folder of its own, stopped by its own process."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes import SECONDS, free_port

OWNER, READER, PASSWORD = "owner", "reader", "correct horse battery"

_HBA = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "10",
    "jit": "off",
}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        folder: Its data and its socket.
        port: Where it listens on loopback.
    """

    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Where :data:`READER` connects with a password."""
        return f"postgresql://{READER}@127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        """Run statements as :data:`OWNER`."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as :data:`OWNER`."""
        where = f"host={self.folder} port={self.port} user={OWNER} dbname=postgres"
        return psycopg.connect(where, autocommit=True)


def programs() -> Path | None:
    """Return the folder of Debian's newest PostgreSQL, or of the one on the path; None for none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4].zfill(3)
    )
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running() -> Iterator[Server]:
    """Run a server, or skip where none is installed; on CI that is a failure."""
    where = programs()
    if where is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="p2pmpc-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = folder / "data"
        user = _become(folder)
        pwfile = [
            "--no-sync",
            "--auth=trust",
            f"--username={OWNER}",
            "--encoding=UTF8",
            "--locale=C",
        ]
        subprocess.run(
            [where / "initdb", *pwfile, "-D", data],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,
        )
        (data / "pg_hba.conf").write_text(_HBA)
        with _started(where, data, folder, user) as server:
            server.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'")
            yield server


def _become(folder: Path) -> dict[str, Any]:
    """Return as whom the server runs: never as root, which it refuses."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def _started(where: Path, data: Path, folder: Path, user: dict[str, Any]) -> Iterator[Server]:
    for _ in range(5):  # somebody may take the port in between
        port = free_port()
        settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        # Should the tests be killed, the server goes, too.
        keeper = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        process = subprocess.Popen(
            [*keeper, where / "postgres", "-D", data, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            **user,
        )
        try:
            if _is_ready(process):
                yield Server(folder, port)
                return
        finally:
            process.send_signal(signal.SIGINT)  # it ends all connections, and then itself
            process.wait(SECONDS)
    pytest.fail("PostgreSQL did not start")


def _is_ready(process: subprocess.Popen[str]) -> bool:
    """Wait until a server takes connections, or ends; what it logs later is read away."""
    ready, lines = threading.Event(), process.stderr
    assert lines is not None
    started: list[bool] = []

    def read() -> None:
        with lines:
            for line in lines:
                if "ready to accept connections" in line:
                    started.append(True)
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    assert ready.wait(SECONDS), "PostgreSQL neither started nor ended"
    return bool(started)
