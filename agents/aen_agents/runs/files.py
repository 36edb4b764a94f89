"""Writes the files of runs and sweeps: complete or not at all, and so that they survive a power failure."""

from pathlib import Path

from aen._files import append_durably, write_atomically
from aen.errors import RunFolderError


def write_file(path: Path, text: str) -> None:
    """Write a text file; see `aen._files.write_atomically`.

    Raises:
        RunFolderError: it cannot be written; an existing file stays as it was.
    """
    try:
        write_atomically(path, text, durable=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def append_line(path: Path, line: str) -> None:
    """Append a line of text to a file; the line must not contain a line break.

    Raises:
        RunFolderError: it cannot be written; the file may then end with a part of the line.
    """
    try:
        append_durably(path, f"{line}\n")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"{path} cannot be written: {error.strerror}; make room, or make its folder writable.")
