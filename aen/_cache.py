"""aen's cache folder, which is used only if no other user can write to it.

What a cache holds is believed to a large part: checking all of it would cost what the cache saves. So whoever can write
to it decides what aen computes with. A folder is therefore used only if it and all folders above it belong to this user
or to root, and no one else can write to them; as in ``/tmp``, others may write to a folder above it that has the sticky
bit. Folders are made with mode 700, files with mode 600, and files are opened without following links.
"""

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from multiprocessing import parent_process
from pathlib import Path
from typing import IO, Any, BinaryIO

from aen._files import new_file

_LOG = logging.getLogger("aen")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MAX_LINKS = 40  # as in Linux
_reported: set[str] = set()
_silent: set[int] = set()  # the number of this process, if its parent reports


def cache_folder() -> Path:
    """Return the folder of aen's caches: ``$AEN_CACHE``, or ``aen`` in the user's cache folder; see `private_folder`.

    Raises:
        RuntimeError: this user has no home folder.
    """
    own = os.environ.get("AEN_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aen"


def leave_reports_to_parent() -> None:
    """Report nothing in this process, a worker: its parent has the same cache, and has reported it."""
    _silent.add(os.getpid())


def private_folder(*names: str) -> Path | None:
    """Return a folder in the cache, which is made if it does not exist; None: there is none that can be used.

    A folder that others can write to is reported once, with the remedy.

    Args:
        names: of the folder and those above it in the cache.
    """
    try:
        folder = cache_folder().absolute().joinpath(*names)
        reason = _not_private(folder, len(names))
        if reason is None and not folder.is_dir():
            _make(folder)
            reason = _not_private(folder, len(names))  # again: in /tmp another user may have been faster
    except (OSError, RuntimeError):  # RuntimeError: this user has no home folder
        return None
    if reason is None:
        return folder
    # Workers have the cache of their parent; `parent_process` is that of processes of multiprocessing.
    if reason not in _reported and parent_process() is None and os.getpid() not in _silent:
        _LOG.warning(
            "The cache %s is not used: %s. Set AEN_CACHE to a folder that only you can write to; until then everything "
            "is computed again in every process.",
            cache_folder(),
            reason,
        )
    _reported.add(reason)
    return None


def _not_private(folder: Path, levels: int) -> str | None:
    places = (folder, *folder.parents)[: levels + 1]
    return next(filter(None, map(not_private, reversed(places))), None)


def not_private(folder: Path) -> str | None:
    """Return why a folder cannot be trusted, with the remedy: another user can write to it or replace it; None: none.

    Args:
        folder: the folder; where it does not exist, those above it that do are checked.

    Raises:
        OSError: it cannot be seen.
    """
    root = Path("/")
    place, links = root, 0
    todo = list(reversed(folder.absolute().parts[1:]))
    while True:
        try:
            found = place.lstat()
        except FileNotFoundError:
            return None
        if found.st_uid not in (os.geteuid(), 0):
            return f"{place} belongs to another user (uid {found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
            target = place.readlink()
            place = root if target.is_absolute() else place.parent
            todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        elif found.st_mode & _OTHERS_WRITE and not (todo and found.st_mode & stat.S_ISVTX):
            mode = stat.S_IMODE(found.st_mode)
            return f"others can write to {place} (mode {mode:o}; chmod go-w {place})"
        if not todo:
            return None
        name = todo.pop()
        place = place.parent if name == ".." else place / name  # links are resolved, so that .. is the parent


def open_private(path: Path) -> BinaryIO:
    """Open a file of the cache for reading.

    Args:
        path: the file, in a folder of `private_folder`.

    Raises:
        OSError: it cannot be opened, is a link, no ordinary file, or can be written by others.
    """
    file = open(path, "rb", opener=_open_without_links)  # noqa: SIM115 - Path.open has no opener
    with ExitStack() as stack:
        stack.enter_context(file)
        mode = stat.S_IMODE(_check_own(path, file).st_mode)
        if mode & _OTHERS_WRITE:
            raise OSError(errno.EPERM, f"others can write to it (mode {mode:o})", str(path))
        stack.pop_all()
    return file


def append_own(path: Path, *, mode: int = 0o600) -> FileIO:
    """Open a file of this user at its end, for reading and writing, unbuffered; it is made if it does not exist.

    Args:
        path: the file; others may be allowed to write to its folder.
        mode: of a file that is made, less the umask.

    Raises:
        OSError: it cannot be opened, is a link, no ordinary file, another user's, or has a second name (a hard link).
    """

    def opener(name: str, flags: int) -> int:
        return _open_without_links(name, flags, mode)

    file = open(path, "a+b", buffering=0, opener=opener)  # noqa: SIM115 - Path.open has no opener
    with ExitStack() as stack:
        stack.enter_context(file)
        if _check_own(path, file).st_nlink > 1:
            raise OSError(errno.EMLINK, "it has a second name (a hard link)", str(path))
        stack.pop_all()
    return file


def _check_own(path: Path, file: IO[Any]) -> os.stat_result:
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    if found.st_uid not in (os.geteuid(), 0):
        raise OSError(errno.EPERM, f"it belongs to another user (uid {found.st_uid})", str(path))
    return found


@contextmanager
def new_private(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a binary file with mode 600 that gets its name when the block ends; see `aen._files.new_file`.

    Args:
        path: the file, in a folder of `private_folder`.
        durable: as in `aen._files.new_file`.

    Raises:
        OSError: it cannot be written.
    """
    with new_file(path, durable=durable) as file:
        os.fchmod(file.fileno(), 0o600)
        yield file


def _make(folder: Path) -> None:
    for place in reversed((folder, *folder.parents)):
        if not place.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)


def _open_without_links(path: str, flags: int, mode: int = 0o600) -> int:
    # Without O_NONBLOCK, opening a FIFO would wait for its other end.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
