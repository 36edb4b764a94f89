"""The file that says which process runs a search and how it ended; the process holds it locked while it lives.

The service locks the file, starts the process and hands the open file to it. A lock belongs to the open file, which
both have then, so that it is held without a gap from before the process exists until it has ended, whenever the service
is killed. The content is written over in place, in one block: it needs no room on a disk that has become full.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from aen._locks import lock_file
from aen._processes import Process
from aen._reading import MAX_SMALL, read_bytes

BYTES = 512


@dataclass(frozen=True)
class Attempt:
    """One start of a search.

    Attributes:
        number: which one, from 1.
        output: bytes that the file of its output had before.
        process: what runs it; None: it has not begun.
        code: its exit status; None: it has not ended, or was killed.
    """

    number: int
    output: int = 0
    process: Process | None = None
    code: int | None = None

    def write(self, number: int) -> None:
        """Write it to an open file."""
        text = json.dumps(asdict(self)).encode()
        os.pwrite(number, text.ljust(BYTES - 1) + b"\n", 0)

    @classmethod
    def read(cls, path: Path) -> "Attempt | None":
        """Return the attempt that a file describes; None: there is no such file, or it was not written to its end."""
        with suppress(OSError, ValueError):
            return cls.parse(read_bytes(path, MAX_SMALL))
        return None

    @classmethod
    def parse(cls, content: bytes) -> "Attempt | None":
        """Return the attempt that the content of a file describes, if it does."""
        with suppress(ValueError, TypeError, KeyError):
            found = json.loads(content)
            process = found["process"]
            return cls(found["number"], found["output"], process and Process(**process), found["code"])
        return None


class HeldError(Exception):
    """Another process holds the file locked."""


def open_locked(path: Path, attempt: Attempt) -> int:
    """Lock a process file, write an attempt to it, and return its descriptor.

    Raises:
        HeldError: the process of an earlier attempt lives.
        OSError: it cannot be written.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(number, path)
        attempt.write(number)
    except BaseException:
        os.close(number)
        raise
    return number


def _lock(number: int, path: Path) -> None:
    with open(number, "r+b", closefd=False) as file:
        if not lock_file(file):
            raise HeldError(str(path))


def is_held(path: Path) -> bool:
    """Return whether a process holds the file locked."""
    try:
        with path.open("r+b") as file:
            return not lock_file(file)
    except FileNotFoundError:
        return False
