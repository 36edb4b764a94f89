"""RunView: what is known of a run from outside, also of one that said nothing of itself."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.run_folder import RunFolder
from aen_agents.watching.status import (
    STATUS_FILE,
    Best,
    Children,
    Rate,
    Stage,
    Status,
    now,
    process_start,
    this_machine,
)

SILENT_SECONDS = 30.0  # a search that runs is heard of about every second
_PLAIN = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE)  # what YAML reads as it stands
RunState = Literal["new", "running", "complete", "interrupted", "failed", "stopped", "damaged"]


@dataclass(frozen=True)
class RunView:
    """What is known of a run.

    Attributes:
        path: the run folder.
        state: of these, ``new`` has not begun, ``stopped`` ended without a word, ``damaged`` cannot be read.
        name: of the search.
        agent: its name.
        data: name of the data set.
        age: seconds since the last sign of life.
        remarks: what else the user should know.
        message: why it failed, or what is damaged.
        process: number and machine of the process that runs it or did.
        stage: where it is or was.
        children: how many are at what.
        workers: how many are alive.
        rate: of training.
        best: of what was explored.
        winner: of a complete search.
        seconds: that it took so far.
    """

    path: Path
    state: RunState
    name: str = ""
    agent: str = ""
    data: str = ""
    age: float = 0.0
    remarks: tuple[str, ...] = ()
    message: str | None = None
    process: str | None = None
    stage: Stage | None = None
    children: Children | None = None
    workers: int | None = None
    rate: Rate | None = None
    best: Best | None = None
    winner: Best | None = None
    seconds: float | None = None

    @property
    def going(self) -> bool:
        """Whether there is more to come, or may be."""
        return self.state in {"new", "running"}

    def to_json(self) -> JsonDict:
        """Return all of it as JSON's kinds; None: not known."""
        parts = {name: getattr(self, name) for name in ("stage", "children", "rate", "best", "winner")}
        return {
            "path": str(self.path),
            "state": self.state,
            "name": self.name,
            "agent": self.agent,
            "data": self.data,
            "age_seconds": round(self.age, 3),
            "remarks": list(self.remarks),
            "message": self.message,
            "process": self.process,
            "workers": self.workers,
            "seconds": self.seconds,
            **{name: part and part.model_dump() for name, part in parts.items()},
        }


def view_run(path: Path, *, thorough: bool = True) -> RunView:
    """Look at a run.

    Args:
        path: the run folder.
        thorough: read the whole history too, where nothing else says what was best.

    Raises:
        RunFolderError: it is not a run folder.
    """
    folder = RunFolder.open(path)
    try:
        status = Status.read(path)
    except RunFolderError as error:
        return _without_status(folder, thorough=thorough, damage=str(error))
    if status is None:
        return _without_status(folder, thorough=thorough)
    state, age, remarks = _judge(status, path)
    if (state == "stopped" or remarks) and _said_complete(folder):  # its last word did not reach the file
        state, remarks = "complete", ()
    return RunView(
        path=path,
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
        return "interrupted", age, (f"`{_resume(path)}` goes on",)
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
    return "stopped", age, (f"stopped without saying so, {_ago(age)}; `{_resume(path)}` goes on",)


def _resume(path: Path) -> str:
    return f"aen resume {shlex.quote(str(path))}"


def _ago(seconds: float) -> str:
    return f"{seconds:,.0f} s ago"


def _said_complete(folder: RunFolder) -> bool:
    try:
        summary = folder.summary()
    except (RunFolderError, OSError):
        return False
    return summary is not None and summary["status"] == "complete"


def _without_status(folder: RunFolder, *, thorough: bool, damage: str | None = None) -> RunView:
    """Look at a run by what every run leaves: config, history, summary."""
    summary, remarks, message = None, [], damage
    if damage is not None:
        remarks.append(f"{damage} What follows is from the other files; the next `{_resume(folder.path)}` mends it")
    try:
        summary = folder.summary()
    except (RunFolderError, OSError) as error:
        message = str(error)
        remarks.append(message)
    try:
        known = _config_names(folder.config_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        known = {}
        message = f"{folder.config_file} is damaged: {str(error).splitlines()[0]}"
        remarks.append(message)
    files = [folder.summary_file, folder.history_file, folder.store_file, folder.config_file]
    times = [file.stat().st_mtime for file in files if file.exists()]
    state: RunState
    if summary is not None:
        state = "complete" if summary["status"] == "complete" else "interrupted"
    elif folder.history_file.exists() or folder.store_file.exists():
        state = "stopped"
        remarks.append(f"it left no {STATUS_FILE} and no summary; `{_resume(folder.path)}` goes on")
    else:
        state = "new"
    if message is not None:
        state = "damaged"
    winner, trained, seconds = None, 0, None
    if summary is not None:
        trained = summary.get("children_trained", 0)
        seconds = summary["seconds"].get("total")
        if state == "complete":
            winner = Best.of_winner(summary["winner"])
    visits = folder.history() if thorough else []
    return RunView(
        path=folder.path,
        state=state,
        name=known.get("name", folder.path.name),
        agent=known.get("agent", "dqn"),
        data=known.get("data", "digits"),
        age=max(now().timestamp() - max(times, default=0.0), 0.0),
        remarks=tuple(remarks),
        message=message,
        children=Children(done=trained, running=0, waiting=0, trained=trained, failed=0) if summary else None,
        best=_best(visits),
        winner=winner,
        seconds=seconds,
    )


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
        ValueError: they are not there.
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
    if "data" not in names or "name" not in names:
        raise ValueError("it names no search and no data set")
    return names
