"""Becomes another program in a network namespace: `python tests/network/enter.py NAMESPACE COMMAND...`.

It imports nothing but what it needs: every node of a test goes through here.
"""

from __future__ import annotations

import ctypes
import os
import sys

if __name__ == "__main__":
    descriptor = os.open(sys.argv[1], os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.execvp(sys.argv[2], sys.argv[2:])
