"""Service: what serves requests, without HTTP: the database, tokens, searches and the scheduler."""

import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from aen._files import make_folder
from aen._locks import NoLocksError, lock_file
from aen_service.computing.helpers import Helpers
from aen_service.database import Database
from aen_service.datasets.datasets import Datasets
from aen_service.errors import ServiceStartError
from aen_service.reading.index import RunIndex
from aen_service.reading.readers import Readers
from aen_service.rewards.rewards import Rewards
from aen_service.searches.launcher import Launcher, ProcessLauncher
from aen_service.searches.records import Searches
from aen_service.searches.removal import clean_up
from aen_service.searches.scheduler import Scheduler
from aen_service.settings import Settings
from aen_service.tokens import Token, Tokens

LOCK_FILE = ".lock"
_PROBE = b"." * 4096  # a block of most file systems: there is room to begin with
FIRST_LINK_FILE = "first-link.txt"


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
            self.readers = Readers(settings)
            self.index = RunIndex(settings, self.searches, self.readers)
            self.datasets = Datasets(settings, self.database, self.searches)
            self.rewards = Rewards(settings)
            stack.callback(self.rewards.close)
            self.helpers = Helpers()
            stack.callback(self.helpers.close)
            self._opened = stack.pop_all()

    @property
    def first_link(self) -> Path:
        """The file with the link to the page, if the first start had no terminal to show it."""
        return self.settings.folder / FIRST_LINK_FILE

    def forget_first_link(self, token: Token) -> None:
        """Remove the file with the link once its token has been used in a browser."""
        with suppress(OSError):
            secret = self.first_link.read_text(encoding="utf-8").partition("#")[2].strip()
            if self.tokens.of_secret(secret) == token:
                self.first_link.unlink()

    def start(self) -> None:
        """Start the threads: searches that ran when the last service ended are found again."""
        self.datasets.clean()
        self.scheduler.start()
        self.index.start()

    def close(self) -> None:
        """End the threads and close the database; searches go on."""
        self.scheduler.close()
        self.index.close()
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
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
    except OSError as error:
        why = "it is no folder" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise ServiceStartError(
            f"root {settings.root} cannot be written: {why}; name another folder (--root)."
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
