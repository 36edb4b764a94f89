"""Writes the files of runs and sweeps: complete or not at all, and so that they survive a power failure."""

import os
from pathlib import Path

from aen._files import append_durably, new_file
from aen._secrets import holds_secret
from aen.errors import RunFolderError
from aen_agents.runs.lost import check_not_lost


def write_file(path: Path, text: str) -> None:
    """Write a text file; see `aen._files.write_atomically`. With a password in it, only its owner can read it.

    Raises:
        RunFolderError: it cannot be written; an existing file stays as it was. `LostRunError`: it is in a folder that
            was removed or replaced while its search ran.
    """
    check_not_lost(path)
    try:
        with new_file(path, durable=True) as file:
            if holds_secret(text):
                os.fchmod(file.fileno(), 0o600)
            file.write(text.encode())
    except OSError as error:
        raise _cannot_write(path, error) from error


def append_line(path: Path, line: str) -> None:
    """Append a line of text to a file; the line must not contain a line break.

    Raises:
        RunFolderError: it cannot be written; the file may then end with a part of the line. `LostRunError`: as above.
    """
    check_not_lost(path)
    try:
        append_durably(path, f"{line}\n")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"{path} cannot be written: {error.strerror}; make room, or make its folder writable.")
