"""What the forwarder asks of Linux: a namespace, a TUN device in it, and its address."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from typing import Final

CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_SIOCSIFFLAGS: Final = 0x8914
_SIOCSIFADDR: Final = 0x8916
_SIOCSIFNETMASK: Final = 0x891C
_UP: Final = 0x0001 | 0x0040  # IFF_UP, IFF_RUNNING

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def new_namespace(address: str) -> tuple[int, int]:
    """Make a network namespace with one TUN device in it.

    Args:
        address: Of the device, in a network of 256 addresses.

    Returns:
        A descriptor that keeps the namespace, and one that carries the device's packets.

    Raises:
        OSError: That is not allowed, or there is no TUN.
    """
    made: list[tuple[int, int]] = []
    failed: list[OSError] = []

    def make() -> None:  # namespaces belong to threads, so the caller stays where it is
        try:
            _check(_LIBC.unshare(CLONE_NEWNET))
            made.append((os.open("/proc/thread-self/ns/net", os.O_RDONLY), _tun(address)))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _tun(address: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("=16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(descriptor, _TUNSETIFF, request)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, number in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(control, name, _with_address(b"tun0", number))
        for device in (b"tun0", b"lo"):
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("=16sH22x", device, _UP))
    return descriptor


def _with_address(device: bytes, address: str) -> bytes:
    return struct.pack("=16sHH4s16x", device, socket.AF_INET, 0, socket.inet_aton(address))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
