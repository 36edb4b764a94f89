"""A folder that is made for something, and left as it was if that is refused before it begins."""

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


class MadeFolder:
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
