"""Locks on files, which the end of the process releases, and checks that a file system has them.

Network and cluster file systems may have no locks: the call then fails with ENOLCK, ENOTSUP, ENOSYS, EINVAL or another
error number, and not with one of those that say that another process holds the lock.
"""

import errno
import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

# What users can do about a file system without locks, besides another folder.
MOUNT_WITH_LOCKS = "mount it with locks (NFS: lockd, or local_lock=all for a single machine; Lustre: flock)"


class NoLocksError(OSError):
    """A file system cannot lock files.

    Args:
        number: the error number of the call.
        reason: its text.
        filename: the file or folder.
    """

    def __str__(self) -> str:
        return f"the file system of {self.filename} cannot lock files ({self.strerror})"


def lock_file(file: IO[Any], *, wait: bool = False) -> bool:
    """Lock an open file against other processes until it is closed.

    Args:
        file: opened for writing.
        wait: wait for the process that holds the lock.

    Returns:
        Whether it is locked; if not, another process holds the lock.

    Raises:
        NoLocksError: the file system has no locks.
    """
    return _lock(fcntl.flock, file, Path(str(file.name)), wait=wait)


def share_lock(file: IO[Any]) -> None:
    """Lock an open file together with others that share the lock, until it is closed; `lock_file` excludes them.

    It waits for a process that holds the lock alone. A later call of `lock_file` by the same process asks for the lock
    alone in place of the shared one.

    Raises:
        NoLocksError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError as error:
        raise NoLocksError(error.errno, error.strerror, str(file.name)) from error


def check_locks(folder: Path) -> None:
    """Check that `lock_file` works in a folder, or in the first of its parents that exists. Nothing is left there.

    Raises:
        NoLocksError: the file system has no locks.
    """
    _check(fcntl.flock, folder)


def check_record_locks(folder: Path) -> None:
    """Check that parts of files in a folder can be locked, which is how SQLite locks; see `check_locks`.

    Raises:
        NoLocksError: the file system has no such locks.
    """
    _check(fcntl.lockf, folder)


def _check(function: Callable[[IO[Any], int], object], folder: Path) -> None:
    absolute = folder.absolute()
    try:
        there = next((parent for parent in (absolute, *absolute.parents) if parent.is_dir()), absolute)
        file = tempfile.TemporaryFile(dir=there)  # noqa: SIM115 - an error of the lock is another matter
    except OSError:
        return  # whoever writes there reports it
    with file:
        _lock(function, file, folder, wait=False)


def _lock(function: Callable[[IO[Any], int], object], file: IO[Any], path: Path, *, wait: bool) -> bool:
    try:
        function(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise NoLocksError(error.errno, error.strerror, str(path)) from error
    return True
