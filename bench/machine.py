"""What stands above a table: the machine, the versions, the date."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import ssl
from pathlib import Path
from typing import Any

import p2pmpc
from bench.processes import available_memory

_PACKAGES = ("cryptography", "gmpy2", "matplotlib", "mpyc", "numpy", "trio", "uvloop")


def describe() -> dict[str, Any]:
    """Return what a reader needs to place absolute figures."""
    return {
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "processor": _processor(),
        "cores": _cores(),
        "load_before": round(os.getloadavg()[0], 2),
        "available_memory": available_memory(),
        "system": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
        "python": platform.python_version(),
        "p2pmpc": p2pmpc.__version__,
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def as_line(machine: dict[str, Any]) -> str:
    """Return the same for the top of a table."""
    line = f"{machine['date']}, {machine['cores']} cores of {machine['processor']}"
    if machine["load_before"] > 0.5:
        line += f"; PRELIMINARY: others keep {machine['load_before']} cores busy"
    return line


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
