"""What the folders of runs and of sweeps have in common: a name that no other has, and one process at a time."""

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aen.errors import RunFolderError

DEFAULT_FOLDER = Path("runs")
LOCK_FILE = ".lock"


class OtherVersionError(RunFolderError):
    """A folder or a file of a version that this aen does not know.

    Args:
        message: what is said of it, with what to do then.
        number: its version.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def new_folder(name: str) -> Path:
    """Return ``runs/<name>-<time>-<id>``, which is not there yet."""
    return DEFAULT_FOLDER / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


@contextmanager
def lock_folder(path: Path, otherwise: str) -> Iterator[None]:
    """Keep every other process out of a folder inside the block; the lock goes with the process, however it ends.

    Args:
        path: the folder.
        otherwise: the message if another process has it, with what to do then.

    Raises:
        RunFolderError: another process has it.
    """
    with (path / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunFolderError(otherwise) from error
        yield
