"""Atomic and durable file writes: a file appears under its name complete, or not at all. Why a file cannot be read.

The content goes to a temporary file in the same folder, ``NAME.PID-RANDOM.part``, which is renamed when it is complete.
Whatever ends the writing early (a full disk, an interrupt, a failing rename), the temporary file is removed and an
existing file of that name stays as it was. Only a process that is killed leaves its temporary file.

What a later command needs is written with `durable=True`: the content is synced before the rename and the folder after
it, so that the file survives a power failure. Folders that hold such files are made by `make_folder`. Caches and
progress that is written again every second are not durable; their readers treat a torn file as missing.
"""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# File systems on which a folder cannot be synced say so with one of these.
_FOLDERS_NOT_SYNCED = {errno.EINVAL, errno.ENOTSUP}
_SYNCS = 16  # at the same time
_HEAD = 4096  # bytes that tell whether a file has content


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
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents so that they survive a power failure; it may exist.

    Raises:
        OSError: it cannot be created.
    """
    missing = []
    for folder in (path, *path.parents):
        if folder.exists():
            break
        missing.append(folder)
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def append_durably(path: Path, text: str) -> None:
    """Append text to a file, which is created if it is missing; once this returns it survives a power failure.

    Raises:
        OSError: it cannot be written; the file may then end with a part of the text.
    """
    new = not path.exists()
    with path.open("ab", buffering=0) as file:
        data = memoryview(text.encode())
        while data:
            data = data[file.write(data) :]
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Sync the entries of a folder: what was created, renamed or removed in it. Does nothing where that is impossible.

    Raises:
        OSError: the disk failed.
    """
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not read
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _FOLDERS_NOT_SYNCED:
            raise
    finally:
        os.close(folder)


def sync_tree(path: Path) -> None:
    """Sync a folder and everything below it, also what another process wrote there; the caller syncs its parent.

    Raises:
        OSError: a file cannot be opened, or the disk failed.
    """
    found = [(Path(folder), [Path(folder, name) for name in names]) for folder, _, names in os.walk(path)]
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    files = [file for _, names in found for file in names]
    with ThreadPoolExecutor(_SYNCS) as pool:  # a file system syncs many files at once almost as fast as one
        list(pool.map(_sync_file, files))
        list(pool.map(sync_folder, [folder for folder, _ in found]))


def _sync_file(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def is_blank(path: Path) -> bool:
    """Return whether a file has no content: no byte, or only zeros, which a power failure may leave of a lost write.

    One that cannot be read counts as having content: whoever reads it reports why.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return not file.read(_HEAD).strip(b"\0")
    except OSError:
        return False


def cannot_read(path: Path, error: OSError) -> str:
    """Return why a file cannot be read, with the remedy, as a sentence without its full stop.

    Args:
        path: the file.
        error: the exception of opening or reading it.
    """
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path} may not be read by this user ({reason}); ask for permission to read it and to enter its folder"
    if error.errno == errno.EISDIR:
        return f"{path} is a folder; a file is expected"
    if error.errno == errno.ENOENT:
        return f"{path} is a link to a file that does not exist" if path.is_symlink() else f"{path} does not exist"
    return f"{path} cannot be read ({reason})"


def permits(path: Path, mode: int) -> bool:
    """Return what `os.access` does, for the effective user where the system can say so, not the real one."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
