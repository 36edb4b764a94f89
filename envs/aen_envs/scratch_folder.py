"""ScratchFolder: a temporary folder that nobody has to remember."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class ScratchFolder:
    """A new temporary folder, which goes when it is removed, forgotten, or the process that made it ends.

    Attributes:
        path: where it is.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="aen-weights-"))
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Remove it with all that is in it; a second time does nothing."""
        self._finalizer()


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked process has a copy of the object, but not its own folder
        shutil.rmtree(folder, ignore_errors=True)
