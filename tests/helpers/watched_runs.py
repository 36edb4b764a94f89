"""What happens in a run, and what is known of it, for the tests of who watches."""

import json
import os
from datetime import timedelta
from pathlib import Path

from aen._processes import process_start, this_machine
from aen._typing import JsonDict
from aen_agents.events import (
    ChildLogged,
    Event,
    Notice,
    Retrained,
    SliceTrained,
    StageStarted,
    Trained,
    Visited,
    WorkerLogged,
)
from aen_agents.monitoring.status import Best, Children, Rate, Stage, Status, now

VISITED = Visited(1, 3, True, 3, "rot90 + hflip", "D4", "class", 0.9, 0.1, 0.5, 0.9)
EVENTS: list[Event] = [
    Notice("vshift(4) has order 7 on 28x28"),
    StageStarted("explore", 12),
    VISITED,
    Trained(3, "rot90", "class", 0, 0.8),
    Retrained("rot90", 0.7),
    SliceTrained("equinas_e", 0, 1, 0.5, "key", None, "D4", ("D4",), "class", 0.6, 0.3, 10, True, {"alphas": [0.5]}),
    ChildLogged("key", "w1", "requeued", "died", 0.5, "killed by signal 9"),
    WorkerLogged("w1", "lost", "node1", "killed by signal 9"),
]
NAMES = [
    *("notice", "stage_started", "visited", "trained", "retrained", "slice_trained", "child_logged", "worker_logged"),
]


def a_status(folder: Path, **changes: object) -> Status:
    """Return the status of a search that this process runs."""
    status = Status(
        run=folder.name,
        name="tiny",
        agent="dqn",
        data="digits",
        state="running",
        pid=os.getpid(),
        process_start=process_start(os.getpid()),
        host="here",
        machine=this_machine(),
        started=now() - timedelta(seconds=90),
        updated=now(),
        seconds=90.0,
        stage=Stage(name="explore", done=34, total=60, unit="children", seconds_left=130.0),
        stages={"explore": 34},
        best=Best(accuracy=0.972, group="D4", factors="rot90 + hflip"),
        children=Children(done=34, running=2, waiting=5, trained=33, failed=1),
        workers=4,
        rate=Rate(last_minute=1.25, overall=0.01),
    )
    return status.model_copy(update=changes)


def lines_of(path: Path) -> list[JsonDict]:
    def refuse(constant: str) -> object:
        raise AssertionError(constant)

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def unheard(text: str) -> None:
    raise AssertionError(text)
