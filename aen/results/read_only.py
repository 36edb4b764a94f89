"""Reading an SQLite file that this user may not write: on a read-only mount, or of another user.

SQLite itself needs to write beside a file to read it: the index of its write-ahead log, which holds the results that
are not in the file yet. Nothing is written there on behalf of a reader; its files would lock out the owner.
"""

import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from pathlib import Path

from aen._files import permits

BUSY_SECONDS = 30
_COPIES = 10  # tries to copy a file while another process writes it


def may_write(path: Path) -> bool:
    """Return whether this user may write an SQLite file, which includes the files that SQLite makes beside it."""
    path = path.resolve()
    files = (file for file in (path, *_beside(path)) if file.exists())
    return all(permits(file, os.W_OK) for file in (path.parent, *files))


class ReadOnlyFile:
    """An SQLite file that is read but not written, though other processes may write it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._log, self._index = _beside(self.path)
        self._lock = threading.Lock()
        self._copied: tuple[object, Path] | None = None
        self._removals: list[weakref.finalize[..., ReadOnlyFile]] = []

    def connect(self) -> sqlite3.Connection:
        """Connect for one look: the next one may need another way.

        Raises:
            sqlite3.Error: the file cannot be read, or is damaged.
        """
        if self._index.exists():  # of a process that writes, or was killed
            try:
                return _open(self.path, "mode=ro")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                    raise
        if not _size(self._log):  # nobody writes
            return _open(self.path, "immutable=1")
        return _open(self._copy(), "mode=rw")  # results are in the log, and SQLite cannot read it in place

    def close(self) -> None:
        """Remove the copies of the file, which is also done at the end of the process."""
        with self._lock:
            self._copied = None
            for remove in self._removals:
                remove()
            self._removals.clear()

    def _copy(self) -> Path:
        """Return a copy of the file and its log in a temporary folder; the last one if nothing has changed."""
        with self._lock:
            try:
                for _ in range(_COPIES):
                    stamp = self._stamp()
                    if self._copied is not None and self._copied[0] == stamp:
                        return self._copied[1]
                    folder = Path(tempfile.mkdtemp(prefix="aen-store-"))
                    self._removals.append(weakref.finalize(self, _remove, folder, os.getpid()))
                    for file in (self.path, self._log):
                        shutil.copyfile(file, folder / file.name)
                    if self._stamp() == stamp:
                        self._copied = stamp, folder / self.path.name
                        return self._copied[1]
            except OSError as error:
                raise _not_copied(f"{error.filename}: {error.strerror}") from error
        raise _not_copied("another process writes it all the time")

    def _stamp(self) -> object:
        return [(status.st_ino, status.st_size, status.st_mtime_ns) for status in map(os.stat, (self.path, self._log))]


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
    )
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_master")  # only the first query opens the log
    except BaseException:
        connection.close()
        raise
    return connection


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the write-ahead log of an SQLite file, and the index of that log."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process has a copy of the object, but does not own the folder
        shutil.rmtree(folder, ignore_errors=True)


def _not_copied(why: str) -> sqlite3.OperationalError:
    return sqlite3.OperationalError(
        f"its write-ahead log can only be read in a copy, and it cannot be copied ({why}); set TMPDIR to a folder with "
        "room, or ask its owner to open it once"
    )
