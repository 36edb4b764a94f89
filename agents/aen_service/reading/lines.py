"""Reads files to which lines are appended, each line once."""

import os
import stat
from pathlib import Path

from aen._reading import MAX_HISTORY

_TAIL = 64  # bytes before the end of what was read, to notice that the file is another one
_BLOCK = 2**22


class GrowingLines:
    """The complete lines of a file that grows. A file that was replaced or cut is read again from its beginning.

    Args:
        path: the file; it may not exist yet. A link is not followed.

    Attributes:
        offset: byte after the last line that was read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._inode: int | None = None
        self._tail = b""
        self._stamp: tuple[int, int] | None = None

    def read(self) -> tuple[bool, list[bytes]]:
        """Return whether the file begins anew, and lines that were not read before, without their ends.

        They are a part of the file, so that a long one needs little memory: to be called until there are none.
        """
        try:
            number = open_plain(self.path)
        except OSError:
            return self._begin_anew(None), []
        try:
            status = os.fstat(number)
            stamp = (status.st_size, status.st_mtime_ns)
            if stamp == self._stamp and status.st_ino == self._inode:
                return False, []
            anew = False
            if status.st_ino != self._inode or status.st_size < self.offset or not self._continues(number):
                anew = self._begin_anew(status.st_ino)
            data = _read_lines(number, self.offset)
        finally:
            os.close(number)
        end = data.rfind(b"\n") + 1
        if end:
            self.offset += end
            self._tail = (self._tail + data[max(0, end - _TAIL) : end])[-_TAIL:]
        if self.offset + len(data) - end >= status.st_size:
            self._stamp = stamp
        return anew, data[:end].split(b"\n")[:-1]

    def _continues(self, number: int) -> bool:
        return os.pread(number, len(self._tail), self.offset - len(self._tail)) == self._tail

    def _begin_anew(self, inode: int | None) -> bool:
        had = self.offset > 0
        self.offset, self._inode, self._tail, self._stamp = 0, inode, b"", None
        return had


def open_plain(path: Path) -> int:
    """Open a plain file for reading, not through a link; return its number.

    Raises:
        OSError: it cannot be opened, or is a link, a pipe, a device or a folder.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(f"{path.name} is not a plain file")
    return number


def _read_lines(number: int, offset: int) -> bytes:
    """Return some bytes from a byte on: a block, or as many as it takes to the end of a line."""
    data = os.pread(number, _BLOCK, offset)
    while b"\n" not in data and len(data) < MAX_HISTORY:
        part = os.pread(number, _BLOCK, offset + len(data))
        if not part:
            break
        data += part
    return data
