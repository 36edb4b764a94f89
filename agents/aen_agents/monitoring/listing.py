"""Finds the runs below a folder."""

import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from aen._reading import MALFORMED
from aen.errors import AenError, RunFolderError
from aen_agents.errors import UnreadableError, file_error
from aen_agents.monitoring.liveness import Look, changing
from aen_agents.monitoring.read_run import view_run
from aen_agents.monitoring.run_view import RunState, RunView
from aen_agents.monitoring.status import STATUS_FILE
from aen_agents.runs.folder_hints import did_you_mean_folder
from aen_agents.runs.folders import OtherVersionError

_DEPTH = 4
_SIGNS = ("run.json", "weights", STATUS_FILE, "summary.json", "results.sqlite")


def find_runs(folder: Path) -> list[RunView]:
    """Return the runs in a folder and in its subfolders, a few levels deep, the newest first.

    A run that is damaged or has an unsupported version is listed with that state.

    Raises:
        RunFolderError: the folder does not exist or cannot be read.
    """
    if not folder.is_dir():
        raise RunFolderError(
            f"folder {folder} does not exist{did_you_mean_folder(folder)}; give the folder of your runs."
        )
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise RunFolderError(f"folder {folder} cannot be read: {error.strerror}.") from error
    undecided: set[Path] = set()

    def note(path: Path) -> bool:
        undecided.add(path)
        return False

    views = {path: view_any(path, note) for path in run_folders(folder)}
    running = changing(undecided)  # one look at all of them together: it takes seconds
    views |= {path: view_any(path, lambda _: True) for path in running}
    return sorted(views.values(), key=lambda view: view.age)


def view_any(path: Path, look: Look) -> RunView:
    """Return the state of a run, also of one that is damaged or has an unsupported version; see `view_run`."""
    try:
        return view_run(path, thorough=False, look=look)
    except OtherVersionError as error:
        return RunView(path, "other version", path.name, age=_age(path), message=str(error), version=error.number)
    except AenError as error:
        return _unread(path, error)
    except (OSError, *MALFORMED) as error:
        return _unread(path, file_error(path, error, "Restore it from a copy if there is one."))


def _unread(path: Path, error: AenError) -> RunView:
    state: RunState = "unreadable" if isinstance(error, UnreadableError) else "damaged"
    return RunView(path, state, path.name, age=_age(path), message=str(error))


def _age(path: Path) -> float:
    try:
        return max(time.time() - path.stat().st_mtime, 0.0)
    except OSError:
        return 0.0


def run_folders(folder: Path, *, without: Collection[str] = ()) -> Iterator[Path]:
    """Yield the run folders in a folder and in its subfolders, a few levels deep.

    Args:
        folder: where to look.
        without: names of folders that are left out.
    """
    yield from _run_folders(folder, _DEPTH, without)


def _run_folders(folder: Path, depth: int, without: Collection[str]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries}
        if "config.yaml" in found and any(sign in found for sign in _SIGNS):
            yield folder
            return
        below = [Path(entry.path) for entry in found.values() if entry.name not in without and entry.is_dir()]
    except OSError:  # removed meanwhile, or no permission
        return
    if depth:
        for path in below:
            yield from _run_folders(path, depth - 1, without)
