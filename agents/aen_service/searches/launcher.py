"""Starts and stops the processes of searches, which live on without the service."""

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aen._files import make_folder
from aen._processes import Process, process_start, this_machine
from aen._subprocesses import import_path
from aen_agents.errors import file_error
from aen_service.errors import UnavailableError
from aen_service.searches.process_file import Attempt, HeldError, is_held, open_locked
from aen_service.searches.records import SearchRecord
from aen_service.settings import Settings

OUTPUT_FILE = "output.txt"
PROCESS_FILE = "process"
CONFIG_FILE = "config.yaml"

_PROGRAM = """
import os, sys
os.chdir(sys.argv.pop(1))
sys.path[:] = sys.argv.pop(1).split(os.pathsep) + sys.path
from aen_service.searches.process import run
run(sys.argv.pop(1), sys.argv[1:])
"""


@dataclass(frozen=True)
class Started:
    """What runs a search: a process of this machine, or a job of Ray.

    Attributes:
        process: the process; None: it has not yet said which one it is.
        job: of Ray.
    """

    process: Process | None = None
    job: str | None = None


class Launcher(ABC):
    """Starts searches, and tells whether they run."""

    @abstractmethod
    def start(self, record: SearchRecord) -> Started:
        """Start a search, or resume it if its run folder exists. If it runs already, nothing is started.

        Raises:
            UnavailableError: it cannot be started now.
        """

    @abstractmethod
    def find(self, record: SearchRecord) -> Started | None:
        """Return what runs a search that this service or one before it has started; None: nothing does.

        Raises:
            UnavailableError: that cannot be known now.
        """

    @abstractmethod
    def stop(self, record: SearchRecord, *, kill: bool = False) -> bool:
        """Ask a search to end, as Ctrl-C does, or end it at once; return whether it could be asked.

        Raises:
            UnavailableError: that cannot be known now.
        """

    @abstractmethod
    def attempt(self, record: SearchRecord) -> Attempt | None:
        """Return what the last process of a search has said of itself."""

    def why(self, record: SearchRecord) -> str:  # noqa: ARG002 - for those that know it
        """Return why the last process of a search ended without words, or nothing."""
        return ""


class ProcessLauncher(Launcher):
    """Runs each search as a process of this machine.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: set[int] = set()
        self._lock = threading.Lock()  # to look at a process file takes its lock for a moment

    def start(self, record: SearchRecord) -> Started:
        """Start the process; its output goes to a file."""
        folder = search_folder(self._settings, record.id)
        words = command_of(self._settings, record)
        with self._lock:
            try:
                make_folder(folder)
                with (folder / OUTPUT_FILE).open("ab") as output:
                    number = open_locked(folder / PROCESS_FILE, Attempt(record.starts, output.tell()))
                    try:
                        pid = _spawn([str(folder), os.pathsep.join(import_path()), str(number), *words], number, output)
                    finally:
                        os.close(number)
            except HeldError:
                return Started(self._said(record))
            except OSError as error:
                raise UnavailableError(str(file_error(folder, error, "Make room or repair it."))) from error
            self._children.add(pid)
        return Started(Process(this_machine(), pid, process_start(pid)))

    def find(self, record: SearchRecord) -> Started | None:
        """Return the process, if it is alive."""
        self._reap()
        file = search_folder(self._settings, record.id) / PROCESS_FILE
        try:
            with self._lock:
                held = is_held(file)
        except OSError as error:
            raise UnavailableError(str(file_error(file, error, "Make it readable."))) from error
        if held:
            return Started(self._said(record) or record.process)
        if not file.exists() and record.process is not None and record.process.is_alive():  # somebody removed the file
            return Started(record.process)
        return None

    def stop(self, record: SearchRecord, *, kill: bool = False) -> bool:
        """Send a signal to the process; its workers end with it."""
        found = self.find(record)
        if found is None or found.process is None or not found.process.is_alive():
            return False
        with suppress(ProcessLookupError):
            os.kill(found.process.pid, signal.SIGKILL if kill else signal.SIGINT)
        return True

    def attempt(self, record: SearchRecord) -> Attempt | None:
        """Return what the process file says."""
        return Attempt.read(search_folder(self._settings, record.id) / PROCESS_FILE)

    def _reap(self) -> None:
        """Leave no zombies of the processes that this service has started."""
        for pid in list(self._children):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.discard(pid)

    def _said(self, record: SearchRecord) -> Process | None:
        attempt = self.attempt(record)
        return None if attempt is None else attempt.process


def command_of(settings: Settings, record: SearchRecord) -> list[str]:
    """Return the arguments of the `aen` command that runs a search."""
    run = str((settings.root / record.path).absolute())
    if record.request is None:  # `aen search` made it
        return ["resume", run]
    return ["search", str(search_folder(settings, record.id) / CONFIG_FILE), "--out", run]


def search_folder(settings: Settings, search: str) -> Path:
    """Return the folder of the service's own files of a search: its config and its output."""
    return settings.folder / "searches" / search


def _spawn(words: list[str], inherited: int, output: IO[bytes]) -> int:
    """Start a process that outlives this one, in a session of its own; return its number.

    SIGINT waits until the process is ready for it, also where this process ignores it, as in the background of a shell.

    Args:
        words: the arguments of its program.
        inherited: a descriptor that it has, too.
        output: where it writes.
    """
    os.set_inheritable(inherited, True)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-c", _PROGRAM, *words],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
        ],
        setsid=True,
        setsigmask=[signal.SIGINT],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    )
