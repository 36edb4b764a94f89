"""RunView: what is known of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aen._typing import JsonDict
from aen_agents.monitoring.status import Best, Children, Rate, Stage

RunState = Literal[
    "new",
    "running",
    "complete",
    "interrupted",
    "failed",
    "stopped",
    "stopped by the sweep",
    "damaged",
    "other version",
]


@dataclass(frozen=True)
class RunView:
    """What is known of a run.

    Attributes:
        path: the run folder.
        state: of these, ``new`` has not begun, ``stopped`` ended without a word, ``stopped by the sweep`` is a trial
            that the sweep's rule ended, ``damaged`` and ``other version`` cannot be read, or not wholly.
        name: of the search.
        agent: its name.
        data: name of the data set.
        age: seconds since the last sign of life.
        remarks: what else the user should know.
        message: why it failed or was stopped, or what is damaged.
        process: number and machine of the process that runs it or did.
        stage: where it is or was.
        children: how many are at what.
        workers: how many are alive.
        rate: of training.
        best: of what was explored.
        winner: of a complete search.
        seconds: that it took so far.
        version: of what is of another version.
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
    version: int | None = None

    @property
    def going(self) -> bool:
        """Whether there is more to come, or may be."""
        return self.state in {"new", "running"}

    @property
    def readable(self) -> bool:
        """Whether all that was looked at could be read."""
        return self.state not in {"damaged", "other version"}

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
            "version": self.version,
            **{name: part and part.model_dump() for name, part in parts.items()},
        }
