"""What is said when a disk is full in the middle of a search: room is all that a run needs to go on."""

import errno
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aen.errors import AenError, RunFolderError, StoreError
from aen_agents.text import command

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the user's quota, the process's limit of a file
_OF_SAFETENSORS = re.compile(r"\(os error (\d+)\)")  # its errors have no number of their own


class FullDiskError(RunFolderError):
    """A search that ended because there was no room left; it can go on."""


@contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """Say how a run goes on, if what is raised inside the block comes of a full disk.

    Args:
        path: the run folder.

    Raises:
        FullDiskError: it does.
    """
    try:
        yield
    except Exception as error:
        said = what_had_no_room(error)
        if said is None:
            raise
        raise FullDiskError(
            f"{said}. What was trained is kept: make room, then `{command()} resume {shlex.quote(str(path))}` goes on."
        ) from error


def what_had_no_room(error: BaseException) -> str | None:
    """Return what could not be written first, in words, or None if no full disk is behind an error.

    One full disk makes several errors: what was to be tidied up or summed up after the first cannot be written either.
    """
    from aen.results.database_errors import disk_full

    found, told = None, None
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, AenError):
            told = str(at).partition("make room")[0].rstrip(" .:;")  # the remedy is another now
        number = at.errno if isinstance(at, OSError) else next(map(int, _OF_SAFETENSORS.findall(str(at))), None)
        if number in _NO_ROOM:
            file = (at.filename or "a file") if isinstance(at, OSError) else "weights"
            found, told = told or f"{file} cannot be written: {os.strerror(number)}", None
        elif isinstance(at, StoreError) and disk_full(at) is not None:
            found = told
        at = at.__cause__ or at.__context__
    return found
