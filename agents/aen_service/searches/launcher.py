"""Starts and stops the processes of searches, which live on without the service."""

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aen._files import make_folder
from aen._processes import Process, process_start, this_machine
from aen_agents.errors import file_error
from aen_service.errors import UnavailableError
from aen_service.searches.records import SearchRecord
from aen_service.settings import Settings

OUTPUT_FILE = "output.txt"
PROCESS_FILE = "process"
CONFIG_FILE = "config.yaml"

# The process writes who it is before anything else: a service that dies right after it started the process finds it.
_PROGRAM = """
import os, sys
sys.path[:] = sys.argv.pop(1).split(os.pathsep) + sys.path
from aen._processes import Process
from aen._files import write_atomically
from pathlib import Path
me = Process.this()
write_atomically(Path(sys.argv.pop(1)), f"{me.pid} {me.start or ''}\\n{me.machine or ''}\\n", durable=False)
from aen_agents.cli.main import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Started:
    """What runs a search: a process of this machine, or a job of Ray."""

    process: Process | None = None
    job: str | None = None


class Launcher(ABC):
    """Starts searches, and tells whether they run."""

    @abstractmethod
    def start(self, record: SearchRecord) -> Started:
        """Start a search, or resume it if its run folder exists.

        Raises:
            UnavailableError: it cannot be started now.
        """

    @abstractmethod
    def find(self, record: SearchRecord) -> Started | None:
        """Return what runs a search that this service or one before it has started; None: nothing does."""

    @abstractmethod
    def stop(self, record: SearchRecord, *, kill: bool = False) -> None:
        """Ask a search to end, as Ctrl-C does, or end it at once."""


class ProcessLauncher(Launcher):
    """Runs each search as a process of this machine.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, record: SearchRecord) -> Started:
        """Start the process; its output goes to a file."""
        folder, run = search_folder(self._settings, record), self._settings.root / record.path
        words = ["search", str(folder / CONFIG_FILE), "--out", str(run.absolute())]
        if record.request is None:  # `aen search` made it
            words = ["resume", str(run.absolute())]
        program = [sys.executable, "-P", "-c", _PROGRAM, _import_path(), str(folder / PROCESS_FILE), *words]
        try:
            make_folder(folder)
            (folder / PROCESS_FILE).unlink(missing_ok=True)
            with (folder / OUTPUT_FILE).open("ab") as output:
                child = subprocess.Popen(  # noqa: S603 - Python itself
                    program,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            raise UnavailableError(str(file_error(folder, error, "Make room or repair it."))) from error
        self._children[child.pid] = child
        return Started(Process(this_machine(), child.pid, process_start(child.pid)))

    def find(self, record: SearchRecord) -> Started | None:
        """Return the process, if it is alive."""
        for child in list(self._children.values()):  # no zombies
            if child.poll() is not None:
                self._children.pop(child.pid, None)
        for process in (record.process, self._written(record)):
            if process is not None and process.is_alive():
                return Started(process)
        return None

    def stop(self, record: SearchRecord, *, kill: bool = False) -> None:
        """Send a signal to the process; its workers end with it."""
        found = self.find(record)
        if found is not None and found.process is not None:
            with suppress(ProcessLookupError):
                os.kill(found.process.pid, signal.SIGKILL if kill else signal.SIGINT)

    def _written(self, record: SearchRecord) -> Process | None:
        with suppress(OSError, ValueError):
            text = (search_folder(self._settings, record) / PROCESS_FILE).read_text(encoding="utf-8")
            head, machine, *_ = text.split("\n")
            pid, _, start = head.partition(" ")
            return Process(machine or None, int(pid), int(start) if start else None)
        return None


def search_folder(settings: Settings, record: SearchRecord) -> Path:
    """Return the folder of the service's own files of a search: its config and its output."""
    return (settings.folder / "searches" / record.id).absolute()


def _import_path() -> str:
    from aen._subprocesses import import_path

    return os.pathsep.join(import_path())
