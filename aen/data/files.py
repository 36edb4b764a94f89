"""Reading, locating and writing the files of data sets, with errors as `DataError`."""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from aen._files import cannot_read, new_file
from aen.errors import DataError

MAX_BYTES = 4 * 2**30
_GZIP = b"\x1f\x8b"


def damaged(path: Path, what: str) -> DataError:
    """Return the error that a file cannot be what it should be."""
    return DataError(f"{path}: {what}; repair it, or replace it by a whole copy (aen data fetch for published ones).")


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error that a file cannot be read."""
    return DataError(f"{cannot_read(path, error)}.")


def read_file(path: Path) -> bytes:
    """Return a file's content, unpacked if it is gzip.

    Raises:
        DataError: it cannot be read, is truncated or corrupted, or unpacks to more than 4 GiB.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return _gunzip(path, content) if content.startswith(_GZIP) else content


def _gunzip(path: Path, content: bytes) -> bytes:
    members: list[bytes] = []
    size = 0
    while content.startswith(_GZIP):
        unpack = zlib.decompressobj(wbits=31)
        try:
            members.append(unpack.decompress(content, MAX_BYTES - size + 1))
        except zlib.error as error:
            raise damaged(path, f"the gzip file is corrupted ({error})") from error
        size += len(members[-1])
        if size > MAX_BYTES:
            raise damaged(path, "the gzip file unpacks to more than 4 GiB")
        if not unpack.eof:
            raise damaged(path, "the gzip file is truncated")
        content = unpack.unused_data
    if content.strip(b"\0"):
        raise damaged(path, "something else follows the gzip data")
    return members[0] if len(members) == 1 else b"".join(members)


def digest(path: Path, kind: str) -> str:
    """Return the ``md5`` or ``sha256`` of a file, hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def checksum_kind(checksum: str) -> str:
    """Return which kind a hexadecimal checksum is of, by its length: ``md5`` or ``sha256``."""
    return {32: "md5", 64: "sha256"}[len(checksum)]


def is_file(path: Path) -> bool:
    """Return whether there is a file of this name.

    Raises:
        DataError: that cannot be seen, for instance because the folder may not be entered.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise unreadable(path, error) from error


def is_folder(path: Path) -> bool:
    """Return whether there is a folder of this name.

    Raises:
        DataError: as for `is_file`.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error


def is_safe(name: str) -> bool:
    """Return whether a name written by others stays below the folder it is joined to, on every system."""
    if not name or "\0" in name:
        return False
    kinds = (PurePosixPath(name), PureWindowsPath(name))
    return not any(kind.anchor or ".." in kind.parts for kind in kinds)


def inside(folder: Path, name: str) -> Path:
    """Return ``folder / name``.

    Raises:
        DataError: that lies outside the folder, by its spelling or through a link.
    """
    if not is_safe(name):
        raise DataError(f"{name!r} leads outside the data folder {folder}; give a path below it, without '..'.")
    path = folder / name
    try:
        real = path.resolve()
        outside = not real.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a circle of links
        raise DataError(f"{path} cannot be followed ({error}); give another path.") from error
    if outside:
        raise DataError(
            f"{path} is a link that leads outside the data folder, to {real}; "
            f"copy the file there, or point AEN_DATA at the folder that holds it."
        )
    return path


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DataError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"folder {path} cannot be made: {error.strerror}; choose another.") from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that gets its name when the block ends without an error; see `aen._files.new_file`.

    Raises:
        DataError: it cannot be written, for instance because the disk is full.
    """
    try:
        with new_file(path, durable=True) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}; make room or choose another folder. "
            "Nothing half-written was left there."
        ) from error
