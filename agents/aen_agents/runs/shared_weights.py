"""The folder of weights beside a result store that several searches share."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aen._locks import NoLocksError, lock_file, share_lock
from aen.errors import RunFolderError
from aen_agents.runs.folders import LOCK_FILE

if TYPE_CHECKING:
    from aen.results.store import ResultStore

_FILES = "*.safetensors"


def weights_beside(store: str | None) -> Path | None:
    """Return the folder for the weights of all searches that share a store.

    That of ``s.sqlite`` is ``s.sqlite-weights``. Links to the file lead to the folder beside the file itself.

    Args:
        store: as in the config.

    Returns:
        The folder; None if the store is a server, which is beside no folder, or that of the run.
    """
    file = sqlite_file(store)
    return None if file is None else file.with_name(f"{file.name}-weights")


def sqlite_file(store: str | None, *, resolve: bool = True) -> Path | None:
    """Return the SQLite file of a store; None: it is that of the run, or a server.

    Args:
        store: as in the config.
        resolve: follow links.
    """
    if store is None:
        return None
    if "://" in store:
        import sqlalchemy as sa  # imported here for start-up time

        try:
            url = sa.make_url(store)
        except (sa.exc.ArgumentError, ValueError):
            return None  # whoever opens the store says so
        if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":", "file:")):
            return None
        store = url.database
    return Path(os.path.realpath(store)) if resolve else Path(store)


@contextmanager
def sharing(folder: Path, own: Path | None, store: "ResultStore") -> Iterator[None]:
    """Use the shared folder of weights inside the block, then remove weights that no result names.

    They are removed only if no other search uses the folder, and not if the block ends with an error.

    Args:
        folder: as returned by `weights_beside`; created if it does not exist.
        own: the folder of weights in the run folder; what earlier versions kept there is taken over. None: no run's.
        store: whose results name the weights.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    with _opened(folder) as lock:
        locks = True
        try:
            share_lock(lock)
        except NoLocksError:
            locks = False  # nobody can know whether others use it: nothing is removed
        if own is not None:
            _take_over(own, folder)
        yield
        with suppress(OSError):
            if locks and lock_file(lock):
                _collect(folder, store.kept_weights())


def _opened(folder: Path) -> TextIO:
    try:
        folder.mkdir(exist_ok=True)
        return (folder / LOCK_FILE).open("w")
    except OSError as error:
        raise RunFolderError(
            f"the folder of weights {folder}, beside the store, cannot be written: {error.strerror}; make it writable, "
            "or name a store elsewhere."
        ) from error


def _take_over(own: Path, folder: Path) -> None:
    """Link or copy weights that an earlier version kept in the run folder."""
    for file in own.glob(_FILES):
        if not (folder / file.name).exists():
            try:
                os.link(file, folder / file.name)
            except OSError:
                part = folder / f"{file.name}.{os.getpid()}-old.part"
                shutil.copy(file, part)
                part.replace(folder / file.name)


def _collect(folder: Path, named: set[str]) -> None:
    for file in (*folder.glob(_FILES), *folder.glob("*.part")):
        if file.name not in named:
            file.unlink(missing_ok=True)
