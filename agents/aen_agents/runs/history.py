"""The history of a run as a file of JSON lines that grows line by line and can be cut back to a mark."""

import hashlib
import io
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aen._typing import JsonDict
from aen.errors import RunFolderError


class HistoryFile:
    """Appends lines to ``history.jsonl``; it stays open, for a run may have 100,000 of them.

    Without `go_on` the first line begins the file anew.

    Args:
        path: the file.
        keep: append to what is there instead.
    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self.path = path
        self._begin = 0 if keep else os.O_TRUNC
        self._file: int | None = None
        self._closing: weakref.finalize[Any, Any] | None = None
        self._lines = 0
        self._bytes = 0
        self._digest = hashlib.sha256()

    def append(self, line: JsonDict) -> None:
        """Write one line, at once.

        Raises:
            RunFolderError: the disk is full, or the like.
        """
        data = json.dumps(line).encode() + b"\n"
        try:
            file = self._file if self._file is not None else self._open()
            # All in one call: a process that is killed leaves whole lines.
            written = os.write(file, data)
            if written < len(data):
                os.write(file, data[written:])  # says why
        except OSError as error:
            raise RunFolderError(
                f"{self.path} cannot be written: {error.strerror}; make room and go on with the run."
            ) from error
        self._lines += 1
        self._bytes += len(data)
        self._digest.update(data)

    def mark(self) -> JsonDict:
        """Return what `go_on` needs to know of the present end; all lines are on the disk then."""
        if self._file is not None:
            os.fsync(self._file)
        return {"lines": self._lines, "bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def go_on(self, mark: JsonDict) -> Iterator[JsonDict] | None:
        """Cut off what comes after a mark and return what comes before it.

        Args:
            mark: what `mark` returned.

        Returns:
            The lines, read as they are asked for; None if the file is not what it was at the mark: it is left alone.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(mark["bytes"])
        except OSError:
            return None
        digest = hashlib.sha256(data)
        if digest.hexdigest() != mark["sha256"]:
            return None
        # One system call: the file has its old length or the new one.
        os.truncate(self.path, len(data))
        self._begin, self._lines, self._bytes, self._digest = 0, mark["lines"], len(data), digest
        return (json.loads(line) for line in io.BytesIO(data))

    def close(self) -> None:
        """Close the file; another line opens it again."""
        if self._closing is not None:
            self._closing()
        self._file, self._begin = None, 0

    def _open(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | self._begin, 0o666)
        self._file, self._closing = file, weakref.finalize(self, os.close, file)
        return file
