"""Runs each search as a job of a Ray cluster, by Ray's own REST API for jobs; the children are trained there, too.

The job runs on the head of the cluster. It reads its config and writes its run folder below the root of the service,
which has to be on a file system that the head shares, under the same path.
"""

import os
import shlex
from typing import TYPE_CHECKING

from aen._files import make_folder
from aen_agents.errors import file_error
from aen_service.errors import UnavailableError
from aen_service.searches.launcher import (
    OUTPUT_FILE,
    PROCESS_FILE,
    Launcher,
    Started,
    command_of,
    search_folder,
)
from aen_service.searches.process_file import Attempt, HeldError, open_locked
from aen_service.searches.records import SearchRecord
from aen_service.settings import Settings

if TYPE_CHECKING:
    from aen_service.job_server import JobServer


class RayJobLauncher(Launcher):
    """Runs each search as a job of a Ray cluster.

    Args:
        settings: of the service.
        jobs: of the cluster.
    """

    def __init__(self, settings: Settings, jobs: "JobServer") -> None:
        self._settings, self._jobs = settings, jobs

    def start(self, record: SearchRecord) -> Started:
        """Submit the job; its output goes to the same file as that of a process."""
        folder, name = search_folder(self._settings, record.id), record.job or record.id
        self._jobs.check()  # while the cluster is away the search waits
        try:
            make_folder(folder)
            with (folder / OUTPUT_FILE).open("ab") as output:
                os.close(open_locked(folder / PROCESS_FILE, Attempt(record.starts, output.tell())))
        except HeldError:
            return Started(job=name)
        except OSError as error:
            raise UnavailableError(str(file_error(folder, error, "Make room or repair it."))) from error
        words = ["python", "-P", "-m", "aen_service.searches.process", str(folder / PROCESS_FILE)]
        words += [*command_of(self._settings, record), *(["evaluator=ray"] if record.request is not None else [])]
        self._jobs.submit(
            name,
            f"{shlex.join(words)} >> {shlex.quote(str(folder / OUTPUT_FILE))} 2>&1",
            environment={"RAY_JOB_STOP_WAIT_TIME_S": f"{self._settings.limits.stop_seconds:.0f}"},
            metadata={"aen_search": record.id, "name": record.name},
        )
        return Started(job=name)  # the cluster may have taken it though the connection was lost; `find` sees whether

    def find(self, record: SearchRecord) -> Started | None:
        """Return the job, if it waits or runs."""
        alive = record.job is not None and self._jobs.is_alive(record.job)
        return Started(job=record.job) if alive else None

    def stop(self, record: SearchRecord, *, kill: bool = False) -> bool:
        """Have Ray send SIGTERM to the job, which ends as at Ctrl-C; Ray kills it if it does not."""
        del kill
        return self.find(record) is not None and self._jobs.stop(str(record.job))

    def attempt(self, record: SearchRecord) -> Attempt | None:
        """Return what the process file says."""
        return Attempt.read(search_folder(self._settings, record.id) / PROCESS_FILE)

    def why(self, record: SearchRecord) -> str:
        """Return what Ray says of the job."""
        return "" if record.job is None else self._jobs.message(record.job)
