"""ScratchFolder: a temporary folder that is removed automatically."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class ScratchFolder:
    """A new temporary folder, removed by `remove`, with this object, or when the process that made it ends.

    Attributes:
        path: the path of the folder.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="aen-weights-"))
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())

    def read(self, name: str | None) -> bytes | None:
        """Return the content of a file; None if there is no such file."""
        return (self.path / name).read_bytes() if name is not None and (self.path / name).is_file() else None

    def write(self, name: str | None, content: bytes | None) -> None:
        """Write what `read` returned."""
        if name is not None and content is not None:
            (self.path / name).write_bytes(content)

    def remove(self) -> None:
        """Remove the folder and its content; further calls do nothing."""
        self._finalizer()


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked process has a copy of the object, but does not own the folder
        shutil.rmtree(folder, ignore_errors=True)
