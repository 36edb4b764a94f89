"""Processes that stand for searches in tests: real ones, with the process file and its lock, that only wait.

What they do is in the name of the search: ``wait`` until SIGINT, ``hang`` at SIGINT, ``exit.N``.
"""

import os
import signal
from pathlib import Path
from typing import Any

from aen_service.searches.launcher import ProcessLauncher
from aen_service.searches.records import SearchRecord
from aen_service.service import Service
from aen_service.settings import Settings

PROGRAM = """
import os, signal, sys, time
os.chdir(sys.argv.pop(1))
sys.path[:] = sys.argv.pop(1).split(os.pathsep) + sys.path
from pathlib import Path
from aen_service.searches import process
def behave(arguments):
    run = Path(arguments[-1])
    what, *number = run.name.split("-")[0].split(".")
    starts = run.with_name(run.name + ".starts")
    starts.open("a").write(f"{os.getpid()}\\n")
    if what == "exit":
        print("aen: error: it cannot work", flush=True)
        return int(number[0])
    if what == "hang":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        return 130
process._code = behave
process.run(sys.argv.pop(1), sys.argv[1:])
"""


def add(service: Service, what: str, **values: Any) -> SearchRecord:
    """Have a search wait in the queue that does what its name says."""
    number = len(service.searches.where())
    return service.searches.add(
        path=f"{what}-{number}",
        name=what,
        state="queued",
        queued=service.searches.place(),
        request={"preset": "digits"},
        **values,
    )


def starts(settings: Settings, record: SearchRecord) -> list[int]:
    """Return the processes that were started for a search."""
    file = settings.root / f"{record.path}.starts"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def end_all(service: Service) -> None:
    """Kill what still runs."""
    launcher = ProcessLauncher(service.settings)
    for record in service.searches.where():
        launcher.stop(record, kill=True)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def make_run(folder: Path) -> None:
    """Make the folder look like that of a run."""
    folder.mkdir()
    (folder / "run.json").write_text('{"version": 1, "aen": "0.1.0"}\n')
