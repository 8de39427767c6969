"""Identity keys on disk: a PEM file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from p2pmpc.errors import ConfigurationError
from p2pmpc.identity import Identity
from p2pmpc.shamir import Entropy


def load_or_create(path: Path, entropy: Entropy) -> Identity:
    """Return the identity kept in a file, making both when there is none.

    Args:
        path: The key file.
        entropy: Where a new key comes from.

    Raises:
        ConfigurationError: The file cannot be used, or others can read it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the key file {path}: {error.strerror}",
            hint="name a file in a folder of your own",
        ) from None
    identity = Identity.generate(entropy)
    with os.fdopen(descriptor, "wb") as file:
        file.write(identity.private_pem())
        file.flush()
        os.fsync(file.fileno())
    return identity


def load(path: Path) -> Identity:
    """Return the identity kept in a file.

    Raises:
        ConfigurationError: It cannot be read, is no key, or others can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(1 << 16)
    except OSError as error:
        raise ConfigurationError(f"cannot read the key file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigurationError(
            f"the key file {path} can be read by others (mode {mode:04o})",
            hint=f"chmod 600 {path}; if others may have read it, make a new one",
        )
    try:
        return Identity.from_private_pem(pem)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", hint=error.hint) from None
