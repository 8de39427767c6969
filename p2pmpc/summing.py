"""R2 and the total as arithmetic: masked sums, whole or in slices, and what opens from them.

E_j, the masked sum of contributor j, is the only thing that is made of a secret and leaves. In
``broadcast`` mode each contributor sends it to all; in ``sharded`` mode it sends slice k to contributor
k, who returns the sum of that slice: F_k = sum_j E_j[slice k]. Either way the total is what is left when
all masks are taken off: T = sum_j E_j - sum_j mask_j.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from p2pmpc.dealing import Dealing, RoundContext, check_commitment
from p2pmpc.encoding import checksum
from p2pmpc.errors import RemoteProtocolError, VerificationFailed
from p2pmpc.field import Words
from p2pmpc.frames import body_digest
from p2pmpc.hashing import DIGEST_BYTES
from p2pmpc.messages import Commitment, Message, Partial, SharePlain, Slice, SliceSum
from p2pmpc.prg import CHUNK
from p2pmpc.product import Ring
from p2pmpc.session import Session
from p2pmpc.sharing import Source, weighted_sum
from p2pmpc.wire import encode_body


def masked_sum(
    context: RoundContext,
    secret: Words,
    dealing: Dealing,
    received: Mapping[int, SharePlain],
) -> Words:
    """Return E_j = sum_i w_i * s_ij + mask_j, with s_jj = x_j - the shares given away.

    Args:
        context: The round.
        secret: x_j, this peer's residues, the checksum coordinate included.
        dealing: What this peer drew.
        received: What each other contributor dealt to this peer.
    """
    session = context.session
    own, parameters = session.own_index, session.parameters
    weight = session.member(own).weight
    terms: list[tuple[Source, int]] = [(secret, weight)]
    terms += [
        (context.share(plain, own, receiver), -weight) for receiver, plain in dealing.plains.items()
    ]
    terms += [
        (context.share(plain, dealer, own), session.member(dealer).weight)
        for dealer, plain in received.items()
    ]
    terms.append((context.mask(own, dealing.mask_seed), 1))
    return weighted_sum(parameters.arithmetic, parameters.extended_length, terms)


def with_mask(context: RoundContext, owner: int, total: Words, seed: bytes) -> Words:
    """Return E_j = S_j + mask, as a new vector."""
    arithmetic = context.session.parameters.arithmetic
    return weighted_sum(arithmetic, total.size, [(total, 1), (context.mask(owner, seed), 1)])


def without_mask(context: RoundContext, owner: int, hidden: Words, seed: bytes) -> Words:
    """Return S_j = E_j - mask, as a new vector."""
    arithmetic = context.session.parameters.arithmetic
    return weighted_sum(arithmetic, hidden.size, [(hidden, 1), (context.mask(owner, seed), -1)])


def sum_of(field: Ring, vectors: Mapping[int, Words], length: int) -> Words:
    """Return the sum of vectors of one length."""
    return weighted_sum(field, length, [(vector, 1) for vector in vectors.values()])


def subtract_masks_in_place(
    context: RoundContext, hidden: Words, seeds: Mapping[int, bytes]
) -> None:
    """Turn the sum of all masked sums into the total, where it lies.

    Args:
        context: The round.
        hidden: sum_j E_j; written over.
        seeds: Every b_j.
    """
    _add_masks_in_place(context, hidden, seeds, -1)


def with_masks(context: RoundContext, total: Words, seeds: Mapping[int, bytes]) -> Words:
    """Return the sum of all masked sums of which a total was opened, as a new vector."""
    hidden: Words = total.astype(context.session.parameters.arithmetic.word)
    _add_masks_in_place(context, hidden, seeds, 1)
    return hidden


def _add_masks_in_place(
    context: RoundContext, vector: Words, seeds: Mapping[int, bytes], weight: int
) -> None:
    terms: list[tuple[Source, int]] = [(vector, 1)]
    terms += [(context.mask(owner, seed), weight) for owner, seed in seeds.items()]
    weighted_sum(context.session.parameters.arithmetic, vector.size, terms, out=vector)


class SliceSums:
    """What a peer collects in sharded mode: its own slice from all, then the sums of all slices.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slices = session.slices
        self._own: Words | None = None
        self._hidden: Words | None = None

    @property
    def hidden(self) -> Words:
        """The sum of all masked sums; whole once every piece of every slice was put in."""
        if self._hidden is None:
            parameters = self._session.parameters
            self._hidden = np.empty(parameters.extended_length, dtype=parameters.arithmetic.word)
        return self._hidden

    def add(self, words: Words, piece: int) -> None:
        """Add a piece of a masked sum to this peer's own slice."""
        place = self._session.places[self._session.own_index]
        if self._own is None:
            self._own = np.zeros(
                self._slices.size(place), dtype=self._session.parameters.arithmetic.word
            )
        part = self._own[self._slices.piece(place, piece)]
        self._session.parameters.arithmetic.add_into(part, words)

    def own_sum(self) -> Words:
        """Return the sum of this peer's own slice, once all have sent theirs."""
        assert self._own is not None
        return self._own

    def put(self, owner: int, words: Words, piece: int | None = None) -> None:
        """Put an owner's sum, or a piece of it, where it belongs."""
        place = self._session.places[owner]
        part = self.hidden[self._slices.bounds(place)]
        part[slice(None) if piece is None else self._slices.piece(place, piece)] = words


def pieces_of(session: Session, owner: int, hidden: Words) -> Iterator[SliceSum]:
    """Make the messages that tell the sum of a slice.

    Args:
        session: The session.
        owner: Whose slice it is.
        hidden: The slice, summed.
    """
    place = session.places[owner]
    for number in range(session.slices.pieces(place)):
        yield SliceSum(number, bytes_of(hidden[session.slices.piece(place, number)]))


def slice_digests(session: Session, owner: int, hidden: Words) -> bytes:
    """Return what an owner's PARTIAL lists, given the sum of all masked sums."""
    part = hidden[session.slices.bounds(session.places[owner])]
    return b"".join(
        body_digest(message.kind, encode_body(message))
        for message in pieces_of(session, owner, part)
    )


def bytes_of(words: Words) -> memoryview:
    """Return the canonical bytes of words as wide as on the wire, where they lie."""
    return np.ascontiguousarray(words).data.cast("B")


def check_content(context: RoundContext, sender: int, receiver: int, message: Message) -> None:
    """Refuse a message that nobody could have sent in its place, whatever the others said.

    Args:
        context: The round.
        sender: Its roster index.
        receiver: Whom it was signed to; of use for SLICE alone.
        message: Decoded.

    Raises:
        RemoteProtocolError: Says what is wrong.
    """
    session = context.session
    parameters = session.parameters
    if isinstance(message, Commitment | Partial | Slice | SliceSum):
        parties = (sender, receiver) if isinstance(message, Slice) else (sender,)
        if any(party not in session.places for party in parties):
            raise RemoteProtocolError("an observer has no part in the sum")
    match message:
        case Commitment():
            check_commitment(context, sender, message)
        case Partial(content) if parameters.is_sharded:
            due = session.slices.pieces(session.places[sender]) * DIGEST_BYTES
            if len(content) != due:
                raise RemoteProtocolError("digests of another number of pieces than its slice has")
        case Partial(content):
            parameters.arithmetic.decode(content, parameters.extended_length)
        case Slice(piece, content):
            _check_piece(session, receiver, piece, content)
        case SliceSum(piece, content):
            _check_piece(session, sender, piece, content)
        case _:
            pass


def _check_piece(session: Session, owner: int, piece: int, content: memoryview) -> None:
    if not session.parameters.is_sharded:
        raise RemoteProtocolError("a piece of a slice, where whole sums are sent to all")
    place = session.places[owner]
    if piece >= session.slices.pieces(place):
        raise RemoteProtocolError(f"piece {piece} of a slice that has fewer")
    bounds = session.slices.piece(place, piece)
    session.parameters.arithmetic.decode(content, bounds.stop - bounds.start)


def check_total(context: RoundContext, total: Words) -> None:
    """Hold a total against its checksum coordinate and its possible range.

    Args:
        context: The round.
        total: T, the checksum coordinate included.

    Raises:
        VerificationFailed: One of them does not hold; no number may be shown.
    """
    parameters = context.session.parameters
    hint = "compare the transcripts with `p2pmpc verify`; no total is shown"
    length = parameters.summed_length
    due = checksum(total[:length], context.session.id, context.number, parameters.arithmetic)
    if [due] != parameters.arithmetic.integers(total[length:]):
        raise VerificationFailed(
            "the total does not match its checksum: a partial sum is wrong", hint=hint
        )
    where = _first_outside(context.session, total)
    if where is not None:
        raise VerificationFailed(
            f"element {where} of the total is beyond what inputs within the "
            "bound can give: an input or a partial sum is wrong",
            hint=hint,
        )


def _first_outside(session: Session, total: Words) -> int | None:
    """Return the first element that no sum of inputs within the bound gives."""
    parameters = session.parameters
    arithmetic, length = parameters.arithmetic, parameters.length
    limit, weight_limit = session.total_limits
    if parameters.private_weights:
        assert weight_limit is not None
        if arithmetic.beyond(total[length : length + 1], weight_limit).any():
            return length
    for start in range(0, length, CHUNK):
        outside = arithmetic.beyond(total[start : min(start + CHUNK, length)], limit)
        if outside.any():
            return start + int(np.argmax(outside))
    return None
