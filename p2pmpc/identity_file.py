"""A person's lasting identity: a key in the folder where programs keep their settings."""

from __future__ import annotations

import os
from pathlib import Path

from p2pmpc.errors import ConfigurationError
from p2pmpc.identity import Identity
from p2pmpc.keys import load, load_or_create
from p2pmpc.shamir import Entropy


def default_key() -> Path:
    """Return where the lasting key is kept: ``$XDG_CONFIG_HOME/p2pmpc/identity.key``."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "p2pmpc" / "identity.key"


def make_lasting(entropy: Entropy) -> tuple[Path, Identity, bool]:
    """Make the lasting identity, where there is none yet.

    Args:
        entropy: The operating system's.

    Returns:
        The key file, the identity, and whether it is new.

    Raises:
        ConfigurationError: The file cannot be made or used.
    """
    path = default_key()
    is_new = not path.exists()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot make the folder {path.parent}: {error.strerror}",
            hint="set XDG_CONFIG_HOME to a folder of your own, or name a file with --key",
        ) from None
    return path, load_or_create(path, entropy), is_new


def lasting_key(given: Path | None, entropy: Entropy) -> Path:
    """Return the key file to use: the one that is named, made if there is none; else the lasting one.

    Args:
        given: Named on the command line.
        entropy: The operating system's.

    Raises:
        ConfigurationError: None is named, and there is no lasting one.
    """
    if given is not None:
        load_or_create(given, entropy)
        return given
    path = default_key()
    if not path.exists():
        raise ConfigurationError(
            "there is no lasting identity yet",
            hint="make one with `p2pmpc init`, or name a key file with --key",
        )
    load(path)
    return path
