"""Removes searches and their files."""

import logging
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

from aen._files import write_atomically
from aen._reading import MAX_SMALL, read_text
from aen.errors import RunFolderError
from aen_agents.runs.folders import VERSION_FILE, is_unused, lock_folder
from aen_service.errors import ConflictError, UnavailableError
from aen_service.searches.launcher import CONFIG_FILE, PROCESS_FILE, search_folder
from aen_service.searches.records import Searches
from aen_service.searches.states import ENDED
from aen_service.settings import Settings

_DELETED_FILE = "deleted"  # in the service's own folder of a search that is being deleted; names its run folder
_LOG = logging.getLogger("aen_service")


def delete(settings: Settings, searches: Searches, search: str) -> None:
    """Delete a search that has ended, and its files; its children stay in the store that all searches share.

    Raises:
        ConflictError: it waits or runs, or its run folder is not that of a search.
        UnavailableError: its files cannot be removed now.
    """
    record = searches.get(search)
    if record.state not in ENDED:
        raise ConflictError(f"the search is {record.state}; stop it before you delete it.")
    own, run = search_folder(settings, search), checked_folder(settings, record.path)
    with ExitStack() as stack:
        if run.is_dir():
            said = f"a process works in the run folder {record.path}; stop it before you delete the search."
            try:
                stack.enter_context(lock_folder(run, said))
            except RunFolderError as error:
                raise ConflictError(str(error)) from error
        # A service that is killed in between finds the note when it starts, and goes on.
        try:
            own.mkdir(parents=True, exist_ok=True)
            write_atomically(own / _DELETED_FILE, record.path, durable=True)
        except OSError as error:
            raise UnavailableError(f"the search cannot be deleted: {own.name}: {error.strerror}.") from error
        searches.removing.add(record.path)  # before its row is gone: the folder is not taken for that of a new run
        if not searches.remove(search, only=ENDED):
            searches.removing.discard(record.path)
            (own / _DELETED_FILE).unlink(missing_ok=True)
            raise ConflictError("the search was resumed meanwhile; stop it before you delete it.")
        _remove(run, own)
        searches.removing.discard(record.path)


def checked_folder(settings: Settings, path: str) -> Path:
    """Return the run folder of a search, after a check that it may be removed.

    Args:
        settings: of the service.
        path: of the folder, relative to the root.

    Raises:
        ConflictError: it is not below the root, is a link, or holds something else than a run.
    """
    parts, said = PurePosixPath(path).parts, f"the run folder {path!r}"
    if not parts or PurePosixPath(path).is_absolute() or {"..", settings.folder.name} & set(parts):
        raise ConflictError(f"{said} is not below the root; remove it by hand.")
    folder = settings.root
    for part in parts:
        folder /= part
        if folder.is_symlink():
            raise ConflictError(f"{said} is a link, or in one; remove it by hand.")
    if folder.exists() and not (folder.is_dir() and ((folder / VERSION_FILE).is_file() or is_unused(folder))):
        raise ConflictError(f"{said} holds something else than a run; remove it by hand.")
    return folder


def clean_up(settings: Settings, searches: Searches) -> None:
    """Remove what services that were killed have left: of searches half deleted, or never quite submitted."""
    for own in (settings.folder / "searches").iterdir():
        with suppress(ConflictError, UnavailableError, OSError):
            if searches.known(own.name):
                (own / _DELETED_FILE).unlink(missing_ok=True)
            elif (own / _DELETED_FILE).exists():
                _remove(checked_folder(settings, read_text(own / _DELETED_FILE, MAX_SMALL)), own)
                _LOG.info("removed the rest of the search %s, which was deleted", own.name)
            # Without its config the request was never answered. With it, it waits in another database.
            elif not (own / PROCESS_FILE).exists() and not (own / CONFIG_FILE).exists():
                shutil.rmtree(own)


def _remove(run: Path, own: Path) -> None:
    """Remove the run folder and then the service's own folder of a search; links in them are not followed."""
    for folder in (run, own):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnavailableError(
                f"the search is deleted, but its file {error.filename or folder} cannot be removed: {error.strerror}; "
                "that is tried again when the service starts next."
            ) from error
