"""What is known of a run from outside, also of one that said nothing of itself."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from aen._typing import JsonDict
from aen.errors import AenError, RunFolderError
from aen.results.search_result import SearchResult
from aen_agents.errors import what_is_wrong
from aen_agents.monitoring.run_view import RunState, RunView
from aen_agents.monitoring.status import (
    STATUS_FILE,
    Best,
    Children,
    Status,
    now,
    process_start,
    this_machine,
)
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.folder_hints import sweep_of
from aen_agents.runs.folders import OtherVersionError
from aen_agents.sweep.folder import TrialFiles
from aen_agents.text import command

SILENT_SECONDS = 30.0  # a search that runs is heard of about every second
_PLAIN = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE)  # what YAML reads as it stands


def view_run(path: Path, *, thorough: bool = True) -> RunView:
    """Look at a run.

    Args:
        path: the run folder.
        thorough: read the whole history too, where nothing else says what was best.

    Raises:
        OtherVersionError: it is of a version that this aen does not know.
        RunFolderError: it is not a run folder, or its version cannot be read.
    """
    folder = RunFolder.open(path)
    try:
        status = Status.read(path)
    except RunFolderError as error:
        return _without_status(folder, thorough=thorough, problem=error)
    view = _without_status(folder, thorough=thorough) if status is None else _with_status(folder, status)
    return _with_what_its_sweep_noted(view) if view.state in {"new", "interrupted", "stopped"} else view


def _with_what_its_sweep_noted(view: RunView) -> RunView:
    """Return the view of a run that is not at work and not done, with how it ended if it is a trial and was ended."""
    trial = TrialFiles(view.path)
    if trial.stopped_file.is_file():
        why = "the sweep's rule found other trials better; there is no need to go on with this one"
        return replace(view, state="stopped by the sweep", remarks=(), message=why)
    if view.state != "interrupted" and trial.failure_file.is_file():
        return replace(view, state="failed", remarks=(_how_to_go_on(view.path),), message=trial.failure() or None)
    return view


def _with_status(folder: RunFolder, status: Status) -> RunView:
    state, age, remarks = _judge(status, folder.path)
    if (state == "stopped" or remarks) and _said_complete(folder):  # its last word did not reach the file
        state, remarks = "complete", ()
    return RunView(
        path=folder.path,
        state=state,
        name=status.name,
        agent=status.agent,
        data=status.data,
        age=age,
        remarks=remarks,
        message=status.message,
        process=f"{status.pid} on {status.host}",
        stage=status.stage,
        children=status.children,
        workers=status.workers if state == "running" else 0,
        rate=status.rate,
        best=status.best,
        winner=status.winner,
        seconds=status.seconds,
    )


def _judge(status: Status, path: Path) -> tuple[RunState, float, tuple[str, ...]]:
    """Return the state, whether or not the process could still say it, the age, and remarks."""
    age = max((now() - status.updated).total_seconds(), 0.0)
    if status.state == "interrupted":
        return "interrupted", age, (_how_to_go_on(path),)
    if status.state != "running":
        return status.state, age, ()
    here = status.machine is not None and status.machine == this_machine()
    alive = here and status.process_start is not None and process_start(status.pid) == status.process_start
    if alive and age > SILENT_SECONDS:
        return (
            "running",
            age,
            (f"process {status.pid} is there, but silent for {age:.0f} s: suspended, or a full disk",),
        )
    if alive or (age <= SILENT_SECONDS and not here):
        return "running", age, ()
    return "stopped", age, (f"stopped without saying so, {_ago(age)}; {_how_to_go_on(path)}",)


def _how_to_go_on(path: Path) -> str:
    sweep = sweep_of(path)
    if sweep is not None:
        return f"`{command()} sweep --restore {shlex.quote(str(sweep))}` goes on with it and all others that are left"
    return f"`{command()} resume {shlex.quote(str(path))}` goes on"


def _ago(seconds: float) -> str:
    return f"{seconds:,.0f} s ago"


def _said_complete(folder: RunFolder) -> bool:
    try:
        result = folder.result()
    except (RunFolderError, OSError):
        return False
    return result is not None and result.status == "complete"


def _without_status(folder: RunFolder, *, thorough: bool, problem: RunFolderError | None = None) -> RunView:
    """Look at a run by what every run leaves: config, history, summary."""
    problems = [] if problem is None else [str(problem)]
    result: SearchResult | None = None
    names: dict[str, str] = {}
    winner, children, best, seconds = None, None, None, None
    with _noted(problems, folder.summary_file):
        result = folder.result()
        if result is not None:
            trained, seconds = result.trained_in_run, result.seconds.of_run
            children = Children(done=trained, running=0, waiting=0, trained=trained, failed=0)
            winner = None if result.verdict is None else Best.of_winner(result.verdict.winner)
    with _noted(problems, folder.config_file):
        names = _config_names(folder.config_file.read_text(encoding="utf-8"))
    with _noted(problems, folder.history_file):
        best = _best(folder.history()) if thorough else None
    files = [folder.summary_file, folder.history_file, folder.store_file, folder.config_file]
    times = [file.stat().st_mtime for file in files if file.exists()]
    remarks = problems.copy()
    if problem is not None:
        remarks[0] += " What follows is from the other files"
    state: RunState
    if problems:
        state = "other version" if isinstance(problem, OtherVersionError) and len(problems) == 1 else "damaged"
    elif result is not None:
        state = result.status
    elif folder.history_file.exists() or folder.store_file.exists():
        state = "stopped"
        remarks.append(f"it left no {STATUS_FILE} and no summary; {_how_to_go_on(folder.path)}")
    else:
        state = "new"
    return RunView(
        path=folder.path,
        state=state,
        name=names.get("name", folder.path.name),
        agent=names.get("agent", "dqn"),
        data=names.get("data", "digits"),
        age=max(now().timestamp() - max(times, default=0.0), 0.0),
        remarks=tuple(remarks),
        message=problems[0] if problems else None,
        children=children,
        best=best,
        winner=winner,
        seconds=seconds,
        version=problem.number if isinstance(problem, OtherVersionError) else None,
    )


@contextmanager
def _noted(problems: list[str], file: Path) -> Iterator[None]:
    """Note what is wrong with a file that is looked at inside the block."""
    try:
        yield
    except AenError as error:
        problems.append(str(error))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        problems.append(f"{file} is damaged: {what_is_wrong(error)}. Put a copy of it back if there is one.")


def _best(visits: list[JsonDict]) -> Best | None:
    known = [visit for visit in visits if isinstance(visit.get("accuracy"), int | float)]
    if not known:
        return None
    best = max(known, key=lambda visit: float(visit["accuracy"]))
    return Best(accuracy=best["accuracy"], group=best.get("group"), factors=str(best["factors"]))


def _config_names(text: str) -> dict[str, str]:
    """Return the names of search, data set and agent in the text of a ``config.yaml``.

    Reading the whole takes milliseconds, and `aen list` may meet a thousand; the program itself wrote it, line by line.

    Raises:
        KeyError: search or data set are not there.
    """
    names: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        if line and not line.startswith((" ", "#", "-")):
            section = line.partition(":")[0]
        label = {"name": "name", "data  name": "data", "agent  name": "agent"}.get(
            section if section == "name" else f"{section}{line.partition(':')[0]}"
        )
        if label is not None:
            word = line.partition(":")[2].strip()
            names.setdefault(label, word if _PLAIN.fullmatch(word) else str(yaml.safe_load(word)))
    for wanted in ("name", "data"):
        if wanted not in names:
            raise KeyError(wanted)
    return names
