"""What the package makes of the vectors about slices and the ratchet."""

from __future__ import annotations

import numpy as np

from p2pmpc.frames import Limits
from p2pmpc.messages import Kind, Slice, SliceSum
from p2pmpc.product import FIELDS
from p2pmpc.ratchet import Ratchet
from p2pmpc.slices import Slices
from p2pmpc.summing import SliceSums, bytes_of, check_content, pieces_of, slice_digests, sum_of
from p2pmpc.wire import decode_body, decode_share, encode_body
from tests.vector_operations import Json, context, operation, unhex


@operation("find a slice")
def _(given: Json) -> Json:
    cut, place = Slices(given["length"], given["contributors"]), given["place"]
    bounds = cut.bounds(place)
    numbers = list(range(cut.pieces(place)))
    if len(numbers) > 8:
        numbers = numbers[:2] + numbers[-2:]
    pieces = [cut.piece(place, number) for number in numbers]
    return {
        "slice": [bounds.start, bounds.stop],
        "pieces": [[piece.start, piece.stop] for piece in pieces],
    }


@operation("sum a slice")
def _(given: Json) -> Json:
    field, place = FIELDS[given["field"]], given["place"]
    masked = [bytes.fromhex(vector) for vector in given["masked"]]
    length, count = len(masked[0]) // field.width, len(masked)
    round_ = context(
        {"session": "00" * 32, "round": 0, "field": field.name},
        (1,) * count,
        length=length - 1,
        sum_mode="sharded",
    )
    session, owner = round_.session, place + 1
    hidden = {index: field.decode(data, length) for index, data in enumerate(masked, 1)}
    bounds = session.slices.bounds(place)
    sums, sent = SliceSums(session), []
    for index, vector in hidden.items():
        part = vector[bounds]
        for number in range(session.slices.pieces(place)):
            words = part[session.slices.piece(place, number)]
            if owner == session.own_index:
                sums.add(words, number)
            if index != owner:
                sent.append(encode_body(Slice(number, bytes_of(words))).hex())
    total = sum_of(field, hidden, length)
    part = total[bounds]
    if owner == session.own_index:
        assert np.array_equal(sums.own_sum(), part)
    said = [encode_body(message) for message in pieces_of(session, owner, part)]
    listed = slice_digests(session, owner, total)
    return {"slices": sent, "partial": listed.hex(), "sums": [body.hex() for body in said]}


@operation("check a piece")
def _(given: Json) -> Json:
    made = {"session": "00" * 32, "round": 0, "field": given["field"]}
    round_ = context(made, given["weights"], length=given["length"] - 1, sum_mode=given["sum_mode"])
    session, (body,) = round_.session, unhex(given, "body")
    limits = Limits.of(session.parameters, contributors=len(session.places))
    message = decode_body(Kind[given["kind"]], body, limits)
    check_content(round_, given["sender"], given["receiver"], message)
    if not isinstance(message, Slice | SliceSum):
        return {"piece": 0, "elements": 0}
    width = FIELDS[given["field"]].width
    return {"piece": message.piece, "elements": len(message.vector) // width}


# -- the ratchet ------------------------------------------------------------------------------


def stepped(given: Json, link: bytes) -> Ratchet:
    """Return the receiver's ratchet in the round, given the link that leads there."""
    dealer, receiver = given["dealer"], given["receiver"]
    ratchet = Ratchet(bytes.fromhex(given["session"]), receiver, {}, {dealer: link})
    ratchet.advance(given["round"])
    return ratchet


@operation("take a step")
def _(given: Json) -> Json:
    ratchet, pair = stepped(given, *unhex(given, "link")), (given["dealer"], given["receiver"])
    return {
        "seed": ratchet.seed(*pair).hex(),
        "key": ratchet._keys[pair].hex(),
        "next_link": ratchet._links[pair].hex(),
    }


@operation("go on for rounds")
def _(given: Json) -> Json:
    dealer, receiver = pair = given["dealer"], given["receiver"]
    (seed,) = unhex(given, "seed")
    ratchet, steps = Ratchet(bytes.fromhex(given["session"]), dealer, {receiver: seed}, {}), []
    for number in range(1, given["rounds"] + 1):
        ratchet.advance(number)
        steps.append({"seed": ratchet.seed(*pair).hex(), "key": ratchet._keys[pair].hex()})
    return {"steps": steps, "next_link": ratchet._links[pair].hex()}


@operation("open a later share")
def _(given: Json) -> Json:
    link, sealed = unhex(given, "link", "sealed")
    ratchet, dealer, receiver = stepped(given, link), given["dealer"], given["receiver"]
    plaintext = ratchet.open(dealer, sealed, context(given).sealing_info(dealer, receiver))
    limits = Limits(3, given["length"], FIELDS[given["field"]].width)
    plain = decode_share(plaintext, limits, strict=given["strict"], ratcheted=True)
    seed = ratchet.seed(dealer, receiver)
    return {
        "plaintext": plaintext.hex(),
        "seed": seed.hex(),
        "mask_share": plain.mask_share.hex(),
    }
