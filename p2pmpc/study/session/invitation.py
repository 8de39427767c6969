"""The one line that the coordinator sends to the parties: where, who answers there, and about what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from p2pmpc.errors import ConfigurationError
from p2pmpc.identity import parse_id
from p2pmpc.messages import is_address

_FORM = re.compile(r"(?P<address>[^#\s]+)#(?P<id>[0-9a-fA-F-]+)/(?P<study>[0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invitation says; as a line ``HOST:PORT#ID/DIGEST``, one word for any shell.

    Args:
        address: Where the coordinator listens.
        id: The coordinator's ID, 32 bytes.
        study: SHA-256 of the study file.
    """

    address: str
    id: bytes
    study: bytes

    @classmethod
    def parse(cls, text: str) -> Invitation:
        """Read an invitation.

        Raises:
            ConfigurationError: It is none, or a part of one.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or not is_address(match["address"]):
            raise ConfigurationError(
                "this is not an invitation: HOST:PORT#ID/DIGEST is expected, in one line",
                hint="copy the whole line that `p2pmpc invite` printed",
            )
        return cls(match["address"], parse_id(match["id"]), bytes.fromhex(match["study"]))

    def __str__(self) -> str:
        return f"{self.bootstrap}/{self.study.hex()}"

    @property
    def bootstrap(self) -> str:
        """What a joiner's ``--bootstrap`` takes."""
        return f"{self.address}#{self.id.hex()}"
