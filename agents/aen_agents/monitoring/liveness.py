"""Tells whether the process of a search is alive: by its number, by its last update, or by a second look.

The clocks of machines differ, so an old update alone does not say that a search on another machine has ended.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aen._processes import Process
from aen_agents.monitoring.status import STATUS_FILE, Status, now
from aen_agents.monitoring.tables import duration

SILENT_SECONDS = 30.0  # a running search writes its status about every second
LOOK_SECONDS = 3.0
_POLL_SECONDS = 0.1

Look = Callable[[Path], bool]


@dataclass(frozen=True)
class Liveness:
    """What is known of the process of a search that has not recorded its end.

    Attributes:
        state: ``silent``: the process is alive, but its status does not change.
        age: seconds since the last update.
        remark: on clocks that differ, or why it is silent.
    """

    state: Literal["running", "silent", "stopped"]
    age: float
    remark: str | None = None


def judge(status: Status, folder: Path, look: Look) -> Liveness:
    """Return whether the process of a search is alive.

    Args:
        status: of the search, whose state is ``running``.
        folder: of the run.
        look: returns whether the status file of a run changes; called only if nothing else decides.
    """
    age, apart = age_of(status)
    alive = Process(status.machine, status.pid, status.process_start).is_alive()
    if alive is False:
        return Liveness("stopped", age, apart)
    if age <= SILENT_SECONDS and apart is None:
        return Liveness("running", age)
    if look(folder):
        return Liveness("running", 0.0, apart or f"the clock of {status.host} is {duration(age)} behind this one")
    if alive:
        old = "does not change" if apart else f"is {age:.0f} s old"
        return Liveness(
            "silent", age, f"process {status.pid} is alive, but its status {old}: suspended, or a full disk"
        )
    return Liveness("stopped", age, apart)


def age_of(status: Status) -> tuple[float, str | None]:
    """Return the seconds since the last update, and a remark if by the clock of this machine it is yet to come."""
    age = (now() - status.updated).total_seconds()
    if age >= -SILENT_SECONDS:
        return max(age, 0.0), None
    return 0.0, f"the clock of {status.host} is {duration(-age)} ahead of this one"


def changing(folders: Iterable[Path], seconds: float = LOOK_SECONDS) -> set[Path]:
    """Watch the status files of some runs; return those that change. Ends as soon as all have changed."""
    stamps = {folder: _stamp(folder) for folder in folders}
    changed: set[Path] = set()
    deadline = time.monotonic() + seconds
    while len(changed) < len(stamps) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        changed |= {folder for folder in stamps.keys() - changed if _stamp(folder) != stamps[folder]}
    return changed


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        # Opened, since network file systems answer `stat` from a cache; without waiting, if it is a pipe.
        number = os.open(folder / STATUS_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(number)
        finally:
            os.close(number)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
