"""Asks a search that runs outside of the service, in a terminal of the same user and machine, to stop."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from aen._processes import Process
from aen.errors import RunFolderError
from aen_agents.monitoring.status import Status
from aen_agents.runs.folder_hints import sweep_of
from aen_agents.runs.folders import LOCK_FILE
from aen_service.errors import ConflictError

_OUTSIDE = "the search runs outside of this service"


def process_of(folder: Path) -> Process:
    """Return the process that works in a run folder.

    Raises:
        ConflictError: this service may not stop it: it is another machine's or another user's, or runs a whole sweep.
    """
    sweep = sweep_of(folder)
    if sweep is not None:
        raise ConflictError(f"the search is a trial of the sweep {sweep.name}; stop that in the terminal that runs it.")
    status = None
    with suppress(RunFolderError):
        status = Status.read(folder)
    if status is None:
        raise ConflictError(f"{_OUTSIDE}, and its status cannot be read; stop it in the terminal that runs it.")
    process = Process(status.machine, status.pid, status.process_start)
    alive = process.is_alive()
    if alive is None:
        raise ConflictError(f"{_OUTSIDE}, on another machine or in another container; stop it there.")
    if not alive or not _has_lock(process, folder):  # numbers of processes are used again, and files can be edited
        raise ConflictError(f"{_OUTSIDE}, as another user, or has just ended; stop it in the terminal that runs it.")
    return process


def interrupt(process: Process) -> None:
    """Send a process the signal of Ctrl-C."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGINT)


def _has_lock(process: Process, folder: Path) -> bool:
    """Return whether a process of this user has the lock file of a run folder open."""
    here = Path("/proc", str(process.pid))
    try:
        lock = (folder / LOCK_FILE).stat()
        if here.stat().st_uid != os.geteuid():
            return False
        for entry in (here / "fd").iterdir():
            with suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == (lock.st_dev, lock.st_ino):
                    return True
    except OSError:
        pass
    return False
