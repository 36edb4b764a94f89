"""The folders of uploaded data sets. A mark beside one says that it may be removed; no other folder ever is.

The mark is an empty file. A folder has it while it is uploaded, until just before the row of the data set is written,
and again from just before its row is deleted. That a database does not know a folder is no reason to remove it: the
database may be new, or an earlier copy.
"""

import logging
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from aen._files import sync_folder, sync_tree
from aen._text import shortened

_SUFFIX = ".unfinished"
_SHOWN = 200  # characters of names in a line of the log
_LOG = logging.getLogger("aen_service")


def begin(folder: Path) -> None:
    """Make the folder of an upload, marked as unfinished.

    Raises:
        OSError: it cannot be made.
    """
    _mark(folder).touch()
    folder.mkdir()


def finish(folder: Path) -> None:
    """Sync a folder and all its files, and remove the mark; then the row of the data set may be written.

    Raises:
        OSError: something cannot be synced.
    """
    sync_tree(folder)
    _mark(folder).unlink()
    sync_folder(folder.parent)


def mark_deleted(folder: Path) -> None:
    """Mark the folder of a data set whose row is deleted next.

    On a full disk that fails, and is left out: the data set is deleted all the same, and makes room.
    """
    with suppress(OSError):
        _mark(folder).touch()
        sync_folder(folder.parent)


def unmark(folder: Path) -> None:
    """Remove the mark."""
    with suppress(OSError):
        _mark(folder).unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove a folder, and then its mark. What cannot be removed now is removed by `clean`."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        unmark(folder)


def clean(data: Path, known: Collection[str], database: str) -> None:
    """Remove what a killed service left unfinished, and log which folders the database does not know.

    Args:
        data: the folder of the folders.
        known: the data sets of the database.
        database: for messages.
    """
    with suppress(OSError):
        for mark in data.glob(f"*{_SUFFIX}"):
            if mark.stem in known:  # it was not deleted after all
                unmark(mark.with_suffix(""))
            else:
                discard(mark.with_suffix(""))
        unknown = sorted({path.name for path in data.iterdir() if path.suffix != _SUFFIX} - set(known))
        if unknown:
            _LOG.warning(
                "%d folders of data sets in %s are kept that the database %s does not know, since it is new or an "
                "earlier copy; start with the database that knows them, or remove by hand what nobody needs: %s",
                len(unknown),
                data,
                database,
                shortened(", ".join(unknown), _SHOWN),
            )


def _mark(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_SUFFIX}")
