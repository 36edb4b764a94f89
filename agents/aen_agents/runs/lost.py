"""Run folders that were removed or replaced while a search ran: nothing is written there any more."""

import threading
from pathlib import Path

from aen.errors import RunFolderError

_LOCK = threading.Lock()
_LOST: set[Path] = set()


class LostRunError(RunFolderError):
    """The run folder of a running search, its store or another file of it is gone, so that the search has stopped."""


def mark_lost(folder: Path, *, lost: bool = True) -> None:
    """Record that a run folder is lost; or not any more, when a search starts in it."""
    with _LOCK:
        (_LOST.add if lost else _LOST.discard)(folder.absolute())


def check_not_lost(path: Path) -> None:
    """Check that a file may be written, as it is not in a folder that was lost.

    Raises:
        LostRunError: it is in one.
    """
    if _LOST and any(parent in _LOST for parent in path.absolute().parents):
        raise LostRunError(f"{path} is not written: its run folder was removed or replaced.")
