"""RunView: the state of a run, for display."""

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
    "unreadable",
    "other version",
]


@dataclass(frozen=True)
class RunView:
    """The state of a run.

    Attributes:
        path: the run folder.
        state: ``new``: not started; ``stopped``: the process ended without a final status; ``stopped by the sweep``: a
            trial that the sweep's rule ended; ``damaged`` and ``other version``: files that cannot be used;
            ``unreadable``: files that this user may not read.
        name: name of the search.
        agent: name of the agent.
        data: name of the data set.
        age: seconds since the last update of its files.
        remarks: further notes for the user.
        message: why it failed or was stopped, or what is damaged.
        process: number and machine of the last process.
        stage: the present or last stage.
        children: counts of children.
        workers: number of workers alive.
        rate: children trained per second.
        best: the best of the explored networks.
        winner: the winner of a complete search.
        seconds: seconds of the run so far.
        version: the unsupported version, for ``other version``.
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
        """Whether the run has not ended."""
        return self.state in {"new", "running"}

    @property
    def readable(self) -> bool:
        """Whether all files could be read."""
        return self.state not in {"damaged", "unreadable", "other version"}

    def to_json(self) -> JsonDict:
        """Return all attributes as JSON values; None: not known."""
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
