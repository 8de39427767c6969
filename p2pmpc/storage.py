"""Folders and files of a run: made new, never overwritten, but for the file of --output."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from p2pmpc.encoding import format_scaled
from p2pmpc.errors import ConfigurationError, ResourceExhausted
from p2pmpc.field import Words
from p2pmpc.npy import write_header
from p2pmpc.record import Record
from p2pmpc.totals import OpenedTotal


def new_run_directory(base: Path) -> Path:
    """Make the folder of a new run, named by the UTC time, and point ``latest`` at it.

    Args:
        base: Usually ``logs``.

    Raises:
        ResourceExhausted: It cannot be made.
    """
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        base.mkdir(parents=True, exist_ok=True)
        path = base / stamp
        for number in range(2, 1000):
            try:
                path.mkdir()
                break
            except FileExistsError:
                path = base / f"{stamp}-{number}"
        _point_latest(base, path.name)
    except OSError as error:
        raise ResourceExhausted(
            f"cannot make a folder for the logs in {base}: {error.strerror}",
            hint="name a folder that can be written with --log-dir",
        ) from None
    return path


def _point_latest(base: Path, name: str) -> None:
    """Point ``latest`` at a run, in one step, where links are to be had."""
    temporary = base / f".latest-{os.getpid()}"
    try:
        temporary.symlink_to(name)
        temporary.replace(base / "latest")
    except OSError:
        temporary.unlink(missing_ok=True)  # a convenience; the run does not depend on it


def make_folder(path: Path) -> Path:
    """Make a folder, unless it is there, and return it.

    Raises:
        ResourceExhausted: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceExhausted(f"cannot make {path}: {error.strerror}") from None
    return path


def write_text(path: Path, text: str) -> None:
    """Write a new file whole.

    Raises:
        ResourceExhausted: It cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ResourceExhausted(f"{path} exists already, and nothing is overwritten") from None
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # half a file would only mislead
        raise ResourceExhausted(f"cannot write {path}: {error.strerror}") from None


def check_room(folder: Path, size: int) -> None:
    """See that a folder has room for what a run will leave in it, before anything leaves this peer.

    The room is taken and given back, since what a system says of its free space need not hold here.

    Args:
        folder: The run's.
        size: Bytes.

    Raises:
        ResourceExhausted: There is no room, or nothing can be written.
    """
    probe = folder / f".room-{secrets.token_hex(4)}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.pwrite(descriptor, b"\0", size - 1)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        raise ResourceExhausted(
            f"the files of this run, about {size / 1e6:.1f} MB, cannot be written to {folder}: "
            f"{error.strerror}",
            hint="make room, or name another folder with --log-dir; no share was sent",
        ) from None


def check_output(path: Path | None) -> None:
    """Refuse an output file that could not be written at the end, before anything leaves.

    Raises:
        ConfigurationError: It is a folder or cannot be written, or its folder is missing or cannot.
    """
    if path is None:
        return
    # What is no regular file (/dev/null, a pipe) is written into; a file is replaced, in its folder.
    place = path if path.exists() and not path.is_file() else path.resolve().parent
    writable = os.access(place, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
    if path.is_dir() or not writable:
        raise ConfigurationError(
            f"cannot write the output {path}: it is a folder, or its folder is missing or not writable",
            hint="name a file in a folder that can be written",
        )


def write_output(path: Path, total: OpenedTotal) -> None:
    """Write a total, a block at a time: a ``.npy`` vector, or text with a number a line.

    Raises:
        ResourceExhausted: It cannot be written; what was there before is left alone.
    """
    try:
        with _replaced(path) as file:
            if path.suffix == ".npy":
                _write_vector(file, total)
            else:
                for block in total.blocks():
                    lines = (f"{format_scaled(v, total.fraction_bits)}\n" for v in block.tolist())
                    file.write("".join(lines).encode("ascii"))
    except OSError as error:
        raise ResourceExhausted(f"cannot write the output {path}: {error.strerror}") from None


def _write_vector(file: BinaryIO, total: OpenedTotal) -> None:
    """Write a ``.npy`` vector: integers where there are no fractions and 64 bits hold all, else doubles."""
    bits = total.fraction_bits
    exact = not bits and total.fits_int64
    write_header(file, np.dtype("<i8" if exact else "<f8"), total.length)
    for block in total.blocks():
        values = block.astype("<i8") if exact else np.ldexp(block.astype("<f8"), -bits)
        file.write(values.data)


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside another and put it in its place at the end: nobody ever sees half of it."""
    path = path.resolve()  # a link stays, and what it points at is replaced
    before = path.stat() if path.exists() else None
    if before is not None and not stat.S_ISREG(before.st_mode):
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            if before is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_partials(path: Path, record: Record) -> bytes:
    """Keep the opened partial sums, as one ``.npz`` with an array a roster index.

    In sharded mode nobody has them: there it holds the total as index 0, from which all else follows.

    Returns:
        SHA-256 of the file, for the receipt.

    Raises:
        ResourceExhausted: It cannot be written.
    """
    word = record.session.parameters.arithmetic.word
    vectors = record.sums or {0: record.total}
    arrays = {str(index): vector.astype(word) for index, vector in vectors.items()}
    try:
        with path.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ResourceExhausted(f"cannot write {path}: {error.strerror}") from None


def read_partials(path: Path) -> dict[int, Words]:
    """Read kept partial sums back; whether they are residues is for their reader to see.

    Raises:
        ValueError: The file is not one that :func:`write_partials` makes.
    """
    vectors: dict[int, Words] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    index = int(name.removesuffix(".npy"))
                    vectors[index] = np.lib.format.read_array(file, allow_pickle=False)
    except (
        OSError,
        KeyError,
        EOFError,
        NotImplementedError,
        MemoryError,
        OverflowError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(type(error).__name__) from None
    if any(vector.ndim != 1 for vector in vectors.values()):
        raise ValueError("not vectors")
    return vectors


def sync_folder(folder: Path) -> None:
    """Make a new name last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
