"""Why a path is no run folder, and which folder was meant."""

import difflib
import os
import shlex
from contextlib import suppress
from pathlib import Path

from aen_agents.runs.folders import DEFAULT_FOLDER, SWEEP_FILE, TRIALS_FOLDER
from aen_agents.text import command


def why_not_a_run(path: Path) -> str:
    """Return the message for a path that is to be a run folder and has no ``config.yaml``."""
    name = shlex.quote(str(path))
    if is_sweep(path):
        return (
            f"{path} is a sweep's folder, not a run's: `{command()} list {name}` lists its trials, each of them a run, "
            f"and `{command()} sweep --restore {name}` resumes it."
        )
    if path.is_dir():
        return f"{path} is not a run folder: it has no config.yaml; `{command()} list {name}` lists the runs in it."
    if path.exists():
        return f"{path} is not a run folder: it is a file; give the folder."
    return f"{path} is not a run folder: there is no such folder{did_you_mean_folder(path)}."


def did_you_mean_folder(path: Path) -> str:
    """Return ``' (did you mean X?)'`` for a folder that is not there, or nothing if none is like it.

    Looked for are folders of a like name beside it, and the same path below ``runs``.
    """
    meant = _beside(path)
    if meant is None and not path.is_absolute() and (DEFAULT_FOLDER / path).is_dir():
        meant = DEFAULT_FOLDER / path
    return "" if meant is None else f" (did you mean {shlex.quote(str(meant))}?)"


def is_sweep(path: Path) -> bool:
    """Say whether a folder is a sweep's."""
    return (path / SWEEP_FILE).is_file()


def sweep_of(path: Path) -> Path | None:
    """Return the folder of the sweep that a run is a trial of, or None if it is of none."""
    trials = path.resolve().parent
    if trials.name != TRIALS_FOLDER or not is_sweep(trials.parent):
        return None
    as_written = path.parent.parent
    return as_written if as_written.resolve() == trials.parent else trials.parent


def _beside(path: Path) -> Path | None:
    """Return the path with its first part that is not there replaced by one that is there and much like it."""
    missing = next(part for part in (*reversed(path.parents), path) if not part.is_dir())
    names: list[str] = []
    with suppress(OSError), os.scandir(missing.parent) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    # The names that aen makes consist of the search's name and the time: the newest is the last.
    begun = [name for name in names if name.startswith(f"{missing.name}-")]
    close = begun[-1:] or difflib.get_close_matches(missing.name, names, n=1)
    if not close:
        return None
    meant = missing.parent / close[0]
    inner = meant / path.relative_to(missing)
    return inner if inner.is_dir() else meant
