"""One MPyC party: the same sum with its secure arrays over the same prime, the fastest way found.

Each party weights its vector at home, in numpy, and shares it with ``mpc.input``; the shares are stacked and
summed at once, with ``np_sum``, and the total is opened to all. The threshold is MPyC's own, (m-1)//2. The clock
starts behind a barrier, after the same sum of eight elements has warmed everything up.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.child import Stopwatch, introduce, is_expected, read_line, report
from p2pmpc.field import M31


def free_port() -> int:
    """Return a port that nobody listens on now: MPyC cannot be given a listening socket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def weighted_sum(mpc: Any, values: npt.NDArray[np.int32], weight: int) -> Any:
    """Return the opened sum as an array of Python integers."""
    secure = mpc.SecFld(M31.modulus)
    residues = values.astype(np.int64) * weight % M31.modulus
    own = secure.array(secure.field.array(residues.astype(object), check=False))
    stacked = mpc.np_stack(mpc.input(own))
    return (await mpc.output(mpc.np_sum(stacked, axis=0), raw=True)).value


async def _run(mpc: Any, order: dict[str, Any], stopwatch: Stopwatch) -> None:
    values = np.load(order["input"])
    await mpc.start()
    await weighted_sum(mpc, values[:8], order["weight"])
    await mpc.transfer(mpc.pid)  # the barrier: something from everybody
    before = _bytes_sent(mpc)
    stopwatch.start()
    total = await weighted_sum(mpc, values, order["weight"])
    stopwatch.stop()
    sent = _bytes_sent(mpc) - before
    report(stopwatch, sent=sent, right=is_expected(total, order["expected"], M31.modulus))
    await mpc.shutdown()


def _bytes_sent(mpc: Any) -> int:
    return sum(peer.protocol.nbytes_sent for peer in mpc.parties if peer.pid != mpc.pid)


def main() -> None:
    """Take part in one sum."""
    order = read_line()
    introduce(port=free_port())
    parties = [f"-P127.0.0.1:{member['port']}" for member in read_line()]
    # MPyC reads the command line when it is imported.
    sys.argv = [sys.argv[0], "--no-log", f"-I{order['own']}", *parties]
    from mpyc.runtime import mpc  # noqa: PLC0415 - see above

    mpc.run(_run(mpc, order, Stopwatch()))


if __name__ == "__main__":
    main()
