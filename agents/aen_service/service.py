"""Service: what serves requests, without HTTP: the database, tokens, searches and the scheduler."""

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aen_service.belonging import pair
from aen_service.computing.helpers import Helpers
from aen_service.database import Database
from aen_service.datasets.datasets import Datasets
from aen_service.folder import lock_root, prepare_folder
from aen_service.reading.index import RunIndex
from aen_service.reading.readers import Readers
from aen_service.rewards.rewards import Rewards
from aen_service.searches.launcher import ProcessLauncher
from aen_service.searches.ray_jobs import RayJobLauncher
from aen_service.searches.records import Searches
from aen_service.searches.removal import clean_up
from aen_service.searches.scheduler import Scheduler
from aen_service.settings import Settings
from aen_service.tokens import Token, Tokens

if TYPE_CHECKING:
    from aen_service.job_server import JobServer

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
            stack.enter_context(lock_root(settings))
            self.database = Database(settings.database_url)
            stack.callback(self.database.close)
            pair(settings, self.database)
            self.tokens = Tokens(self.database)
            self.searches = Searches(self.database)
            clean_up(settings, self.searches)
            self.jobs = None if settings.ray is None else _job_server(settings.ray)
            if self.jobs is not None:
                stack.callback(self.jobs.close)
            self.launcher = ProcessLauncher(settings) if self.jobs is None else RayJobLauncher(settings, self.jobs)
            self.scheduler = Scheduler(settings, self.searches, self.launcher)
            self.readers = Readers(settings)
            self.index = RunIndex(settings, self.searches, self.readers)
            self.datasets = Datasets(settings, self.database, self.searches)
            self.rewards = Rewards(settings, self.jobs)
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


def _job_server(address: str) -> "JobServer":
    from aen_service.job_server import JobServer  # importing Ray takes seconds

    return JobServer(address)
