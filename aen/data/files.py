"""Reading, locating and writing the files of data sets, with errors as `DataError`."""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from aen._files import cannot_read, new_file
from aen._reading import UnusableFileError, check_file, read_bytes
from aen.errors import DataError

MAX_BYTES = 4 * 2**30
_GZIP = b"\x1f\x8b"
_MOST_DIGESTED = 2**40
_MOST_MEMBERS = 100_000
_LEAST_PIECE, _MOST_PIECE = 2**10, 2**24  # bytes that are given to zlib at a time


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
    content = read_plain(path)
    return _gunzip(path, content) if content.startswith(_GZIP) else content


def read_plain(path: str | Path, limit: int = MAX_BYTES) -> bytes:
    """Return a file's content as it is.

    Raises:
        DataError: it cannot be read, is no plain file, or is larger than the limit.
    """
    try:
        return read_bytes(path, limit)
    except UnusableFileError as error:
        raise DataError(f"{path} is not read: {error}; give another file.") from error
    except OSError as error:
        raise unreadable(Path(path), error) from error


def check_plain(path: Path, limit: int = MAX_BYTES) -> None:
    """Check a file that a library reads by its path: that it is a plain one, not larger than the limit.

    Raises:
        DataError: it is not.
    """
    try:
        check_file(path, limit)
    except UnusableFileError as error:
        raise DataError(f"{path} is not read: {error}; give another file.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _gunzip(path: Path, content: bytes) -> bytes:
    """Unpack a gzip file. A new member is given only a piece of what follows, which zlib would copy at its end."""
    source = memoryview(content)
    pieces: list[bytes] = []
    size = members = at = 0
    while bytes(source[at : at + len(_GZIP)]) == _GZIP:
        unpack = zlib.decompressobj(wbits=31)
        members += 1
        step = _LEAST_PIECE
        while not unpack.eof:
            piece = source[at : at + step]
            if not piece:
                raise damaged(path, "the gzip file is truncated")
            try:
                pieces.append(unpack.decompress(piece, MAX_BYTES - size + 1))
            except zlib.error as error:
                raise damaged(path, f"the gzip file is corrupted ({error})") from error
            size += len(pieces[-1])
            if size > MAX_BYTES:
                raise damaged(path, "the gzip file unpacks to more than 4 GiB")
            at += len(piece) - len(unpack.unused_data)
            step = min(2 * step, _MOST_PIECE)
        if members > _MOST_MEMBERS:
            raise damaged(path, f"the gzip file has more than {_MOST_MEMBERS:,} members")
        if not pieces[-1]:
            pieces.pop()
    if bytes(source[at:]).strip(b"\0"):
        raise damaged(path, "something else follows the gzip data")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def digest(path: Path, kind: str) -> str:
    """Return the ``md5`` or ``sha256`` of a file, hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    check_plain(path, _MOST_DIGESTED)
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
