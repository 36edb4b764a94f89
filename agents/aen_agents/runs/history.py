"""The history of a run: a file of JSON lines that is appended to and can be truncated to a mark."""

import hashlib
import io
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aen._files import sync_folder
from aen._reading import MAX_HISTORY, UnusableFileError, read_bytes
from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.errors import file_error


class HistoryFile:
    """Appends lines to ``history.jsonl``, which stays open, since a run may write 100,000 lines.

    Unless `resume` was called, the first line overwrites an existing file.

    Args:
        path: the file.
        keep: append to an existing file instead.
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
        """Write one line, unbuffered.

        Raises:
            RunFolderError: the file cannot be written, for example since the disk is full.
        """
        data = json.dumps(line).encode() + b"\n"
        try:
            file = self._file if self._file is not None else self._open()
            # One call for the whole line, so that a killed process leaves whole lines only.
            written = os.write(file, data)
            if written < len(data):
                os.write(file, data[written:])  # raises the error that cut the first call short
        except OSError as error:
            raise self._cannot_write(error) from error
        self._lines += 1
        self._bytes += len(data)
        self._digest.update(data)

    def mark(self) -> JsonDict:
        """Flush all lines to the disk and return a mark of the present end for `resume`.

        Raises:
            RunFolderError: the disk failed.
        """
        try:
            if self._file is not None:
                os.fsync(self._file)
        except OSError as error:
            raise self._cannot_write(error) from error
        return {"lines": self._lines, "bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def resume(self, mark: JsonDict) -> Iterator[JsonDict] | None:
        """Truncate the file to a mark and return the lines before it.

        Args:
            mark: a value that `mark` returned.

        Returns:
            An iterator over the lines; None, with the file unchanged, if its content is not that of the mark.

        Raises:
            RunFolderError: the file may not be read.
        """
        try:
            data = read_bytes(self.path, MAX_HISTORY)[: mark["bytes"]]
        except FileNotFoundError:
            return None
        except (OSError, UnusableFileError) as error:
            raise file_error(self.path, error, "Move it away and resume the run.") from error
        digest = hashlib.sha256(data)
        if digest.hexdigest() != mark["sha256"]:
            return None
        # One system call, so that the file has its old length or the new one.
        try:
            os.truncate(self.path, len(data))
        except OSError as error:
            raise self._cannot_write(error) from error
        self._begin, self._lines, self._bytes, self._digest = 0, mark["lines"], len(data), digest
        return (json.loads(line) for line in io.BytesIO(data))

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._closing is not None:
            self._closing()
        self._file, self._begin = None, 0

    def _open(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | self._begin, 0o666)
        self._file, self._closing = file, weakref.finalize(self, os.close, file)
        sync_folder(self.path.parent)
        return file

    def _cannot_write(self, error: OSError) -> RunFolderError:
        return RunFolderError(f"{self.path} cannot be written: {error.strerror}; make room and resume the run.")
