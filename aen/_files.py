"""Atomic file writes: a file appears under its name complete, or not at all.

The content goes to a temporary file in the same folder, ``NAME.PID-RANDOM.part``, which is renamed when it is complete.
Whatever ends the writing early (a full disk, an interrupt, a failing rename), the temporary file is removed and an
existing file of that name stays as it was. Only a process that is killed leaves its temporary file.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# File systems on which a folder cannot be synced say so with one of these.
_FOLDERS_NOT_SYNCED = {errno.EINVAL, errno.ENOTSUP}


def write_atomically(path: Path, content: str | bytes | memoryview, *, durable: bool) -> None:
    """Write a file that appears complete or not at all.

    Args:
        path: the file; its folder exists.
        content: text is written as UTF-8, with its line ends as they are.
        durable: whether the file must also survive a power failure once this returns: it is synced to the disk before
            it is renamed, and its folder after.

    Raises:
        OSError: it cannot be written; `filename` is the path.
    """
    try:
        with new_file(path, durable=durable) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        if error.errno is None:
            raise
        # The error of a write has no file name, that of a rename the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def new_file(path: Path, *, durable: bool) -> Iterator[BinaryIO]:
    """Open a binary file that gets its name when the block ends without an error; see `write_atomically`.

    Args:
        path: the file; its folder exists.
        durable: as in `write_atomically`.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _FOLDERS_NOT_SYNCED:
            raise
    finally:
        os.close(folder)
