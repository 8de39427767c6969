"""Bugs that only garbage finds, and those in what is said about who sent it."""

from __future__ import annotations

from typing import Final

from tests.planted import Bug, bugs

_IN_TIME = "fuzz_corpus::test_large_files_are_refused_in_time"
_REFUSED = "fuzz_corpus::test_every_file_is_refused"

GARBAGE: Final[tuple[Bug, ...]] = (
    *bugs(
        "canonical",
        _IN_TIME,
        [
            (
                "values are counted for as long as a body is",
                "min(len(body) // _FEWEST_BYTES_A_VALUE, _MOST_VALUES) + 64",
                "len(body) // _FEWEST_BYTES_A_VALUE + 64",
            ),
        ],
    ),
    *bugs(
        "canonical",
        _REFUSED,
        [
            (
                "texts that are no UTF-8 end in an error of Python",
                "(ValueError, TypeError, RecursionError, msgpack.UnpackException)",
                "(TypeError, RecursionError, msgpack.UnpackException)",
            ),
        ],
    ),
    *bugs(
        "wire",
        _REFUSED,
        [
            (
                "evidence has room for any number of statements",
                "if len(array(said)) > _MOST_STATEMENTS or len(array(shares)) > MOST_PEERS:",
                "if len(array(shares)) > MOST_PEERS:",
            ),
            (
                "a statement of a kind that does not exist ends in an error of Python",
                '    except ValueError:\n        raise RemoteProtocolError("a claim or a kind',
                '    except KeyError:\n        raise RemoteProtocolError("a claim or a kind',
            ),
        ],
    ),
    *bugs(
        "endings",
        "garbage::test_no_evidence_of_any_bytes_convicts_an_honest_peer evidence",
        [
            (
                "evidence that cannot be read ends its receiver",
                "    except (RemoteProtocolError, VerificationFailed) as error:\n"
                "        return RemoteProtocolError(",
                "    except VerificationFailed as error:\n        return RemoteProtocolError(",
            ),
        ],
    ),
    *bugs(
        "mesh",
        "sessions_in_memory::test_a_member_that_breaks_the_rules_is_named",
        [
            (
                "who sends what is no frame is not named to people",
                "error.restated(said).blaming(index)",
                "error.blaming(index)",
            ),
        ],
    ),
)
