"""Service: what serves requests, without HTTP: the database, tokens, searches and the scheduler."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from aen._files import make_folder
from aen._locks import NoLocksError, lock_file
from aen_service.database import Database
from aen_service.errors import ServiceStartError
from aen_service.searches.launcher import Launcher, ProcessLauncher
from aen_service.searches.records import Searches
from aen_service.searches.removal import clean_up
from aen_service.searches.scheduler import Scheduler
from aen_service.settings import Settings
from aen_service.tokens import Tokens

LOCK_FILE = ".lock"


class Service:
    """Everything that requests need; a context manager.

    Args:
        settings: the settings.

    Raises:
        ServiceStartError: the root cannot be written, another service has it, or the database cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        prepare_folder(settings)
        with ExitStack() as stack:  # what was opened is closed again if a later step fails
            stack.enter_context(_locked(settings))
            self.database = Database(settings.database_url)
            stack.callback(self.database.close)
            self.tokens = Tokens(self.database)
            self.searches = Searches(self.database)
            clean_up(settings, self.searches)
            self.launcher = _launcher(settings)
            stack.callback(self.launcher.close)
            self.scheduler = Scheduler(settings, self.searches, self.launcher)
            self._opened = stack.pop_all()

    def start(self) -> None:
        """Start the threads: searches that ran when the last service ended are found again."""
        self.scheduler.start()

    def close(self) -> None:
        """End the threads and close the database; searches go on."""
        self.scheduler.close()
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _launcher(settings: Settings) -> Launcher:
    if settings.ray is None:
        return ProcessLauncher(settings)
    from aen_service.searches.ray_jobs import RayJobLauncher  # importing Ray takes seconds

    return RayJobLauncher(settings)


def prepare_folder(settings: Settings) -> None:
    """Make the service's folder, which only this user may enter.

    Raises:
        ServiceStartError: it cannot be made or written, or belongs to another user.
    """
    folder = settings.folder
    try:
        make_folder(settings.root)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.geteuid():
            raise ServiceStartError(f"{folder} is not a folder of this user; remove it, or name another --root.")
        folder.chmod(0o700)
        for inner in ("searches", "data"):
            (folder / inner).mkdir(exist_ok=True)
        (folder / LOCK_FILE).touch()
    except OSError as error:
        raise ServiceStartError(
            f"root {settings.root} cannot be written: {error.strerror}; name another folder (--root)."
        ) from error


def _locked(settings: Settings) -> IO[str]:
    path: Path = settings.folder / LOCK_FILE
    try:
        file = path.open("w")
        if lock_file(file):
            return file
    except NoLocksError as error:
        raise ServiceStartError(f"{error}; name a folder on another file system (--root).") from error
    except OSError as error:
        raise ServiceStartError(f"{path} cannot be written: {error.strerror}.") from error
    file.close()
    raise ServiceStartError(
        f"another service has the root {settings.root}; stop it first, or name another folder (--root)."
    )
