"""Shared by run folders and sweep folders: unique names, a lock, and the removal of what a refused start created."""

import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aen._files import is_blank, make_folder
from aen._locks import MOUNT_WITH_LOCKS, NoLocksError, check_locks, lock_file
from aen.errors import RunFolderError

DEFAULT_FOLDER = Path("runs")
LOCK_FILE = ".lock"
VERSION_FILE = "run.json"  # of a run
SWEEP_FILE = "sweep.yaml"  # the folder of every sweep has one
TRIALS_FOLDER = "trials"  # in a sweep's folder
_PART = re.compile(r".+\.\d+-[0-9a-f]{8}\.part")  # see `aen._files.new_file`


class OtherVersionError(RunFolderError):
    """A folder or a file has a version that this aen does not support.

    Args:
        message: the message, with the remedy.
        number: the unsupported version.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class FolderInUseError(RunFolderError):
    """Another process holds the lock of a folder."""


def new_folder(name: str) -> Path:
    """Return the path ``runs/<name>-<time>-<id>`` of a folder that does not exist yet."""
    return DEFAULT_FOLDER / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def is_leftover(path: Path) -> bool:
    """Return whether a file is one that a start leaves that is cut short: a lock, an unfinished or a blank file."""
    name = path.name
    return name == LOCK_FILE or _PART.fullmatch(name) is not None or (name == VERSION_FILE and is_blank(path))


def is_unused(path: Path) -> bool:
    """Return whether a folder holds only what a start leaves that is cut short."""
    return all(map(is_leftover, path.iterdir()))


@contextmanager
def lock_folder(path: Path, message: str) -> Iterator[None]:
    """Lock a folder against other processes inside the block; the end of the process also releases the lock.

    Args:
        path: the folder.
        message: the message of the error, with the remedy.

    Raises:
        FolderInUseError: another process holds the lock.
        RunFolderError: the file system has no locks, or the folder cannot be written.
    """
    try:
        opened = (path / LOCK_FILE).open("w")
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written: {error.strerror}; make it writable, or copy it to a folder that you can write "
            "to and use the copy."
        ) from error
    with opened as file:
        try:
            locked = lock_file(file)
        except NoLocksError as error:
            raise no_locks(error) from error
        if not locked:
            raise FolderInUseError(message)
        yield


def remove_parts(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder; it is locked, so that no other process writes.

    Those of reports stay: a report may be written without the lock.
    """
    with suppress(OSError):
        for path in folder.iterdir():
            if _PART.fullmatch(path.name) and not path.name.startswith("report"):
                with suppress(OSError):
                    path.unlink()


def no_locks(error: NoLocksError) -> RunFolderError:
    """Return the error of a run's or a sweep's folder on a file system without locks."""
    return RunFolderError(f"{error}; choose a folder on another file system (--out), or {MOUNT_WITH_LOCKS}.")


class CreatedFolder:
    """Creates a folder, and can undo that: it records which parents are new, and whether the folder was empty.

    Args:
        path: the folder; missing parents are created.

    Raises:
        RunFolderError: its file system has no locks.
        OSError: it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        try:
            check_locks(path)
        except NoLocksError as error:
            raise no_locks(error) from error
        self.path = path.absolute()
        chain = (self.path, *self.path.parents)
        self._made = [folder for folder in chain if not folder.exists()]  # the innermost first
        make_folder(path)
        self._empty = is_unused(path)

    def undo(self, known: Collection[str]) -> None:
        """Empty the folder if it was empty before, and remove it and those of its parents that were created with it.

        Args:
            known: names of files and folders that may be removed; if there are others, nothing is removed.
        """
        with suppress(OSError):  # the caller reports another error, which must not be hidden by this one
            inside = list(self.path.iterdir())
            if not self._empty or any(inner.name not in known for inner in inside):
                return
            for inner in inside:
                if inner.is_dir() and not inner.is_symlink():
                    shutil.rmtree(inner)
                else:
                    inner.unlink()
            for folder in self._made:
                folder.rmdir()
