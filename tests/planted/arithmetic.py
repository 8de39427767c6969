"""Bugs in hashing, fields, the PRG, sharing, encoding, and the policy about weights."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

ARITHMETIC: Final[tuple[Bug, ...]] = (
    *bugs(
        "hashing",
        "prg",
        [
            (
                "hashes join their parts without lengths",
                '        digest.update(len(part).to_bytes(8, "big"))\n',
                "",
            ),
            ("labels lose the name of the protocol", "(PREFIX + name)", "(name)"),
        ],
    ),
    *bugs(
        "field",
        "field",
        [
            (
                "p is accepted as an element",
                "int(words.max()) >= self.modulus",
                "int(words.max()) > self.modulus",
            ),
            (
                "the size of a vector is not checked",
                "if len(data) != length * word.itemsize:",
                "if len(data) % word.itemsize:",
            ),
            (
                "a reduction leaves p",
                "np.minimum(out, scratch, out=out)",
                "np.minimum(out, out, out=out)",
            ),
            (
                "a reduction folds once only",
                "for _ in range(_FOLDED[self.bits]):",
                "for _ in range(1):",
            ),
            (
                "2^62 counts as 1 in products",
                "np.left_shift(a1, _U(1), out=a1)",
                "np.left_shift(a1, _U(0), out=a1)",
            ),
            (
                "inner products join their halves a bit off",
                "(int(high.sum()) << 32)",
                "(int(high.sum()) << 31)",
            ),
            (
                "weighted sums are folded too late",
                "CAPACITY: Final = (1 << 33) - 1",
                "CAPACITY: Final = (1 << 34) - 1",
            ),
            (
                "the weight -1 counts as 1",
                "sign, size, n = (1 if weight > 0 else -1), abs(weight), words.size",
                "sign, size, n = (1 if weight > -2 else -1), abs(weight), words.size",
            ),
            (
                "a limb is weighted after it was added",
                "            if size != 1:\n                np.multiply(target, factor, out=target)\n            if used is not None:\n                np.add(limb, scratch, out=limb)",
                "            if used is not None:\n                np.add(limb, scratch, out=limb)\n            if size != 1:\n                np.multiply(target, factor, out=target)",
            ),
            (
                "what a negative sum is taken from is no multiple of p",
                "least = -(-(used[-1] << 31) // modulus) * modulus",
                "least = used[-1] << 31",
            ),
            (
                "one fold is thought to be enough for everything",
                "if field.bits != 31 or used >= field.modulus or",
                "if field.bits != 31 or",
            ),
            (
                "room for positive sums is forgotten beside negative ones",
                "if (used.get(1, 0) << 31) + least >> 64:",
                "if least >> 64:",
            ),
            (
                "the largest positive number is read as negative",
                "signed > self.largest_magnitude",
                "signed >= self.largest_magnitude",
            ),
            (
                "negative numbers beyond the field are taken",
                "int(values.max()) > limit or int(values.min()) < -limit",
                "int(values.max()) > limit",
            ),
            (
                "vectors are written in the other byte order",
                "return np.ascontiguousarray(vector, dtype=self.word).tobytes()",
                'return vector.astype(f">u{self.width}").tobytes()',
            ),
        ],
    ),
    *bugs(
        "prg",
        "prg",
        [
            (
                "words equal to p are reduced instead of skipped",
                "accepted = words[words < modulus]",
                "accepted = words % out.dtype.type(modulus)",
            ),
            (
                "every chunk has the same counter block",
                'counter = chunk.to_bytes(8, "big") + bytes(8)',
                "counter = bytes(16)",
            ),
            (
                "expansions do not bind the round",
                'numbers = round_number.to_bytes(4, "big")',
                "numbers = bytes(4)",
            ),
            ("expansions do not bind the dealer", 'i.to_bytes(2, "big")', "bytes(2)"),
            ("expansions do not bind the receiver", 'j.to_bytes(2, "big")', "bytes(2)"),
            ("expansions do not bind their length", 'n.to_bytes(8, "big")', "bytes(8)"),
            ("expansions do not bind the field", 'field.name.encode("ascii")', 'b"m31"'),
            ("shares, masks and gamma have one label", "label(purpose)", 'label("expand")'),
            ("expansions do not bind the session", "salt=salt", "salt=bytes(32)"),
        ],
    ),
    *bugs(
        "shamir",
        "shamir",
        [
            (
                "one random coefficient is used for all",
                "[uniform_below(PRIME, entropy) for _ in range(threshold - 1)]",
                "[uniform_below(PRIME, entropy)] * (threshold - 1)",
            ),
            (
                "one share too few gives the secret",
                "for _ in range(threshold - 1)]",
                "for _ in range(threshold - 2)]",
            ),
            (
                "shares are combined at 1 instead of 0",
                "numerator * k % PRIME",
                "numerator * (k - 1) % PRIME",
            ),
            ("the prime is accepted as a share", "value >= PRIME", "value > PRIME"),
            (
                "the size of a share is not checked",
                "len(share) != SHARE_BYTES or value",
                "len(share) > SHARE_BYTES or value",
            ),
            (
                "combined shares may exceed 32 bytes",
                "if secret >> (8 * SECRET_BYTES):",
                "if secret >> (8 * SHARE_BYTES):",
            ),
            ("a share may lie at 0, where the secret is", "min(points) < 1", "min(points) < 0"),
            (
                "coefficients are reduced instead of drawn again",
                "        if value < limit:\n            return value\n",
                "        return value % limit\n",
            ),
        ],
    ),
    *bugs(
        "sharing",
        "sharing",
        [
            (
                "terms of one weight are summed beyond a word",
                "len(group) >= min(",
                "len(group) >= max(",
            ),
            (
                "vectors of one weight count as one",
                "summed=len(sources)",
                "summed=1",
            ),
            (
                "a group of vectors forgets all but two",
                "        words = total\n",
                "        pass\n",
            ),
            (
                "dealer and receiver are exchanged in an expansion",
                "round_number=round_number, i=i, j=j)",
                "round_number=round_number, i=j, j=i)",
            ),
            ("masks are expanded as shares", 'expansion("mask"', 'expansion("share"'),
            (
                "p is drawn as a dense element",
                "masked[masked < field.modulus]",
                "masked[masked <= field.modulus]",
            ),
        ],
    ),
    *bugs(
        "encoding",
        "encoding",
        [
            (
                "an input may exceed its bound by one",
                "outside = np.abs(values) > bound",
                "outside = np.abs(values) > bound + 1",
            ),
            (
                "only positive inputs are held to the bound",
                "outside = np.abs(values) > bound",
                "outside = values > bound",
            ),
            (
                "a refused input is repeated in the message",
                "the value is outside the agreed bound",
                "{values[outside][0]} is outside the agreed bound",
            ),
            (
                "decimals are rounded half up",
                "(double == 10**-power and scaled % 2 == 1)",
                "double == 10**-power",
            ),
            (
                "fractions are dropped where there are no fraction bits",
                "if rest and fraction_bits == 0:",
                "if rest and fraction_bits < 0:",
            ),
            (
                "the bit budget has no room for a sign",
                "if 0 < needed <= field.largest_magnitude:",
                "if 0 < needed < field.modulus:",
            ),
            (
                "the automatic bound has no room for a sign",
                "field.largest_magnitude // total_magnitude",
                "field.modulus // total_magnitude",
            ),
            (
                "the checksum coordinate is always 0",
                "return total % field.modulus",
                "return 0",
            ),
            (
                "every session has the same gamma",
                'labelled_hash("gamma seed", session_id, ',
                'labelled_hash("gamma seed", session_id[:0], ',
            ),
            (
                "every chunk is checked with the gamma of the first",
                "gamma.write(chunk, words[: part.size])",
                "gamma.write(0, words[: part.size])",
            ),
        ],
    ),
    *bugs(
        "blocks",
        "encoding",
        [
            (
                "floats are rounded down",
                "np.rint(np.ldexp(floats, fraction_bits))",
                "np.floor(np.ldexp(floats, fraction_bits))",
            ),
            (
                "NaN is accepted in arrays",
                "self._refuse_where(~np.isfinite(self.floats()), NOT_FINITE)",
                "self._refuse_where(np.isinf(self.floats()), NOT_FINITE)",
            ),
            (
                "places in later blocks count from their start",
                "element = self.first + int(np.argmax(bad))",
                "element = int(np.argmax(bad))",
            ),
        ],
    ),
    *bugs(
        "lines",
        "lines",
        [
            (
                "many decimals at a time are rounded half up",
                "((double == divisors) & (shifted % 2 == 1))",
                "(double == divisors)",
            ),
            (
                "many decimals at a time lose their signs",
                "np.negative(shifted, out=shifted, where=mantissas < 0)",
                "np.negative(shifted, out=shifted, where=mantissas > 0)",
            ),
            (
                "many decimals at a time are cut off where there are no fraction bits",
                "if fraction_bits == 0 and rest.any():",
                "if fraction_bits < 0 and rest.any():",
            ),
            (
                "19 digits are read into 63 bits",
                "_MOST_DIGITS: Final = 18",
                "_MOST_DIGITS: Final = 19",
            ),
            (
                "a line may hold two points",
                "if (rows[1:] == rows[:-1]).any():",
                "if (rows[1:] > rows[:-1] + 1).any():",
            ),
            (
                "blank lines in the middle are left out",
                "            if blank:\n",
                "            if not rows:\n",
            ),
            (
                "a carriage return at the end of a piece ends two lines",
                'piece.rfind(b"\\r", 0, len(piece) - 1)',
                'piece.rfind(b"\\r", 0, len(piece))',
            ),
        ],
    ),
    *bugs(
        "residues",
        "residues",
        [
            (
                "a private weight does not multiply the input",
                "[(part, weight)], part)",
                "[(part, 1)], part)",
            ),
            (
                "every round has the gamma of the first",
                "checksum(out[:summed], session_id, round_number, field)",
                "checksum(out[:summed], session_id, 0, field)",
            ),
            (
                "an input that is too short is filled up with what was in memory",
                "if filled != length:",
                "if filled > length:",
            ),
            (
                "a private weight stands outside the checksum",
                "checksum(out[:summed], ",
                "checksum(out[:length], ",
            ),
        ],
    ),
    *bugs(
        "totals",
        "totals",
        [
            (
                "every block of a total is its first",
                "self.residues[start : start + CHUNK]",
                "self.residues[: CHUNK]",
            ),
            (
                "means forget the fraction bits",
                "total_weight << self.fraction_bits",
                "total_weight",
            ),
        ],
    ),
    *bugs(
        "weights",
        "weights exposure",
        [
            (
                "two contributors are enough",
                "FEWEST_CONTRIBUTORS: Final = 3",
                "FEWEST_CONTRIBUTORS: Final = 2",
            ),
            (
                "half of the contributors open a mask",
                "return contributors // 2 + 1",
                "return (contributors + 1) // 2",
            ),
            (
                "weights of both signs cancel out in the budget",
                "return sum(abs(weight) for weight in weights)",
                "return abs(sum(weights))",
            ),
            (
                "negative weights have no limit",
                "if abs(weight) > LARGEST_WEIGHT:",
                "if weight > LARGEST_WEIGHT:",
            ),
            (
                "negative private weights have no limit",
                "if abs(weight) > bound:",
                "if weight > bound:",
            ),
            (
                "revealing weights are allowed",
                "        if not allowed:\n",
                "        if not names:\n",
            ),
            (
                "weights reveal only when every total is unique",
                "self.vectors < 2 * self.totals",
                "self.vectors <= self.totals",
            ),
            (
                "a common factor of all but one is not told",
                "if factor > 1 and sizes[position] % factor:",
                "if factor > 1 and not sizes[position] % factor:",
            ),
        ],
    ),
    *bugs(
        "field",
        "product",
        [
            (
                "the largest residues of kept vectors are not looked at",
                "int(words.max(initial=0)) < self.modulus",
                "int(words.max(initial=0)) <= self.modulus",
            ),
        ],
    ),
    *bugs(
        "product",
        "product sharing slices",
        [
            (
                "both components share the name of their stream",
                'replace(part, name=f"{self.name}.{part.name}")',
                "replace(part, name=self.name)",
            ),
            (
                "components have the streams of the prime fields",
                'replace(part, name=f"{self.name}.{part.name}")',
                "part",
            ),
            ("CRT takes the other inverse", "pow(q, -1, p)", "pow(q, 1, p)"),
            (
                "the upper digit is taken without the lower one",
                "(first.astype(np.int64) - low) % p",
                "first.astype(np.int64) % p",
            ),
            (
                "values just beyond 64 bits wrap",
                "(_INT64 - modulus // 2) // modulus:",
                "(_INT64 + modulus // 2) // modulus:",
            ),
            (
                "only the upper digit is held against a limit",
                "((sign * high == due) & (sign * low > rest))",
                "np.zeros_like(beyond)",
            ),
            (
                "a piece over a product is not added, but the sum to itself",
                "field.add_into(total[key], words[key])",
                "field.add_into(total[key], total[key])",
            ),
            ("negative totals have no limit", "for sign in (1, -1):", "for sign in (1,):"),
            (
                "a component of p and above is accepted",
                "            field.check_reduced(words[key])",
                "            assert field",
            ),
            (
                "records of another type are held to be words",
                "words.dtype == self.word and all(",
                "all(",
            ),
            (
                "an input is reduced mod the first prime alone",
                "out[key] = values % field.modulus",
                "out[key] = values % self.first.modulus",
            ),
        ],
    ),
)
