"""What run folders and sweep folders share: a unique name, a lock, and undoing what a refused start created."""

import fcntl
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aen.errors import RunFolderError

DEFAULT_FOLDER = Path("runs")
LOCK_FILE = ".lock"
SWEEP_FILE = "sweep.yaml"  # the folder of every sweep has one
TRIALS_FOLDER = "trials"  # in a sweep's folder


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


class CreatedFolder:
    """A folder that is there; it remembers what of its path this process has made, and whether it was empty.

    Args:
        path: the folder; what is missing of its path is made.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        around = (self.path, *self.path.parents)
        self._made = [folder for folder in around if not folder.exists()]  # it first, then those around it
        path.mkdir(parents=True, exist_ok=True)
        self._empty = not any(path.iterdir())

    def undo(self, known: Collection[str]) -> None:
        """Empty the folder if it was empty, and remove what of its path was made for it, if nothing else is in it.

        Args:
            known: names of what may have come into it; if anything else has, all stays.
        """
        with suppress(OSError):  # it may stay: why it is undone is what counts
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
