"""Reads the state of a run from its files, also without a status file."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from aen._reading import MALFORMED, MAX_SMALL, read_text
from aen._typing import JsonDict
from aen.errors import AenError, RunFolderError
from aen.results.search_result import SearchResult
from aen_agents.config.yaml_file import parse_yaml
from aen_agents.errors import UnreadableError, file_error
from aen_agents.monitoring.liveness import Look, age_of, changing, judge
from aen_agents.monitoring.run_view import RunState, RunView
from aen_agents.monitoring.status import STATUS_FILE, Best, Children, Status, now
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.folder_hints import sweep_of
from aen_agents.runs.folders import OtherVersionError
from aen_agents.runs.trial_files import TrialFiles
from aen_agents.text import command

_PLAIN = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE)  # a plain YAML string, which needs no parser


def _look(path: Path) -> bool:
    return bool(changing([path]))


def view_run(path: Path, *, thorough: bool = True, look: Look = _look) -> RunView:
    """Return the state of a run.

    Args:
        path: the run folder.
        thorough: also read the whole history if no other file has the best accuracy.
        look: returns whether the run's status file changes, which takes seconds to find out. Called only for a run that
            may be running on another machine, but whose last update is old or yet to come by this machine's clock.

    Raises:
        OtherVersionError: it has a version that this aen does not support.
        RunFolderError: it is not a run folder, or its version cannot be read.
    """
    folder = RunFolder.open(path)
    try:
        status = Status.read(path)
        _check_owner(folder, status)
    except RunFolderError as error:
        return _without_status(folder, thorough=thorough, problem=error)
    view = _without_status(folder, thorough=thorough) if status is None else _with_status(folder, status, look)
    return _with_sweep_outcome(view) if view.state in {"new", "interrupted", "stopped"} else view


def _check_owner(folder: RunFolder, status: Status | None) -> None:
    if status is not None and not folder.owns(status.run_id):
        raise RunFolderError(f"{folder.path / STATUS_FILE} belongs to another run. It holds no results; remove it.")


def _with_sweep_outcome(view: RunView) -> RunView:
    """Return the view with what a sweep recorded of the run: that its rule stopped the trial, or that it failed."""
    trial = TrialFiles(view.path)
    if trial.stopped_file.is_file():
        why = "the sweep's rule stopped this trial, since others are better; no action is needed"
        return replace(view, state="stopped by the sweep", remarks=(), message=why)
    if view.state != "interrupted" and trial.failure_file.is_file():
        return replace(view, state="failed", remarks=(_resume_hint(view.path),), message=trial.failure() or None)
    return view


def _with_status(folder: RunFolder, status: Status, look: Look) -> RunView:
    state, age, remarks = _judge(status, folder, look)
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


def _judge(status: Status, folder: RunFolder, look: Look) -> tuple[RunState, float, tuple[str, ...]]:
    """Return the state, the age in seconds, and remarks; a process that was killed could not record its end."""
    state: RunState = status.state
    if state != "running":
        age, remark = age_of(status)
        hints = (_resume_hint(folder.path),) if state == "interrupted" else ()
        return state, age, (*hints, *([remark] if remark else ()))
    found = judge(status, folder.path, look)
    remarks = (found.remark,) if found.remark else ()
    if found.state != "running" and _summary_is_complete(folder):  # the final status could not be written
        return "complete", found.age, ()
    if found.state == "stopped":
        when = "" if remarks else f", {found.age:,.0f} s ago"
        hint = f"the process ended without a final status{when}; {_resume_hint(folder.path)}"
        return "stopped", found.age, (hint, *remarks)
    return "running", found.age, remarks


def _resume_hint(path: Path) -> str:
    sweep = sweep_of(path)
    if sweep is not None:
        return f"`{command()} sweep --restore {shlex.quote(str(sweep))}` resumes it and all other unfinished trials"
    return f"`{command()} resume {shlex.quote(str(path))}` resumes it"


def _summary_is_complete(folder: RunFolder) -> bool:
    try:
        result = folder.result()
    except (RunFolderError, OSError):
        return False
    return result is not None and result.status == "complete"


def _without_status(folder: RunFolder, *, thorough: bool, problem: RunFolderError | None = None) -> RunView:
    """Return the state of a run from the files that every run has: config, history, summary."""
    problems: list[AenError] = [] if problem is None else [problem]
    result: SearchResult | None = None
    names: dict[str, str] = {}
    winner, children, best, seconds = None, None, None, None
    with _collect_problem(problems, folder.summary_file):
        result = folder.result()
        if result is not None:
            trained, seconds = result.trained_in_run, result.seconds.of_run
            children = Children(done=trained, running=0, waiting=0, trained=trained, failed=0)
            winner = None if result.verdict is None else Best.of_winner(result.verdict.winner)
    with _collect_problem(problems, folder.config_file):
        names = _config_names(read_text(folder.config_file, MAX_SMALL))
    with _collect_problem(problems, folder.history_file):
        best = _best(folder.history()) if thorough else None
    files = [folder.summary_file, folder.history_file, folder.store_file, folder.config_file]
    times = [file.stat().st_mtime for file in files if file.exists()]
    remarks = [str(error) for error in problems]
    if problem is not None:
        remarks[0] += " The rest is from the other files"
    state: RunState
    if problems:
        state = "damaged"
        if isinstance(problem, OtherVersionError) and len(problems) == 1:
            state = "other version"
        elif all(isinstance(error, UnreadableError) for error in problems):
            state = "unreadable"
    elif result is not None:
        state = result.status
    elif folder.history_file.exists() or folder.store_file.exists():
        state = "stopped"
        remarks.append(f"there is no {STATUS_FILE} and no summary; {_resume_hint(folder.path)}")
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
        message=str(problems[0]) if problems else None,
        children=children,
        best=best,
        winner=winner,
        seconds=seconds,
        version=problem.number if isinstance(problem, OtherVersionError) else None,
    )


@contextmanager
def _collect_problem(problems: list[AenError], file: Path) -> Iterator[None]:
    """Append an error to `problems` if the file that is read inside the block is damaged or may not be read."""
    try:
        yield
    except AenError as error:
        problems.append(error)
    except (OSError, *MALFORMED, yaml.YAMLError) as error:
        problems.append(file_error(file, error, "Restore it from a copy if there is one."))


def _best(visits: list[JsonDict]) -> Best | None:
    known = [visit for visit in visits if isinstance(visit.get("accuracy"), int | float)]
    if not known:
        return None
    best = max(known, key=lambda visit: float(visit["accuracy"]))
    return Best(accuracy=best["accuracy"], group=best.get("group"), factors=str(best["factors"]))


def _config_names(text: str) -> dict[str, str]:
    """Return the names of search, data set and agent in the text of a ``config.yaml``.

    Parsing a whole file takes milliseconds, and `aen list` may read a thousand. aen wrote the file, so its lines have a
    known form.

    Raises:
        KeyError: the name of the search or of the data set is missing.
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
            names.setdefault(label, word if _PLAIN.fullmatch(word) else str(parse_yaml(word)))
    for wanted in ("name", "data"):
        if wanted not in names:
            raise KeyError(wanted)
    return names
