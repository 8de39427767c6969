"""An input as the residues that are summed: one array, filled block by block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from p2pmpc.encoding import Scaled, checksum
from p2pmpc.errors import LocalProtocolError
from p2pmpc.field import Words
from p2pmpc.product import Ring
from p2pmpc.sharing import weighted_sum


def fill_residues(
    blocks: Iterable[Scaled],
    weight: int | None,
    field: Ring,
    session_id: bytes,
    round_number: int,
    length: int,
) -> Words:
    """Return the residues of an input with its checksum coordinate behind them.

    A contributor with a private weight sums weighted values, and the weight behind them. Both open
    only as totals: sum w_i * x_i and sum w_i, which give the weighted mean.

    Args:
        blocks: The scaled values, within the bound; the bit budget covers their product with a weight.
        weight: A private weight; None where weights are public, and the others multiply.
        field: The field.
        session_id: 32 bytes.
        round_number: The round within the session.
        length: Elements of all blocks together.

    Returns:
        One array of the field's words: the values, the private weight if there is one, the checksum.

    Raises:
        LocalProtocolError: The blocks hold another number of elements.
    """
    summed = length + (weight is not None)
    out: Words = np.empty(summed + 1, dtype=field.word)
    filled = 0
    for block in blocks:
        if filled + block.size > length:
            raise LocalProtocolError("an input is longer than it was said to be")
        part = out[filled : filled + block.size]
        part[:] = field.from_signed(block)
        if weight is not None:  # as residues: a product may be wider than 64 bits
            weighted_sum(field, part.size, [(part, weight)], part)
        filled += block.size
    if filled != length:
        raise LocalProtocolError("an input is shorter than it was said to be")
    if weight is not None:
        out[length:summed] = field.vector([weight])
    out[summed:] = field.vector([checksum(out[:summed], session_id, round_number, field)])
    return out
