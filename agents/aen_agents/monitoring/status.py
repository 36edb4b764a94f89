"""The status of a search, as ``status.json`` holds it."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from aen._files import write_atomically
from aen._reading import MAX_SMALL, read_json, sealed, unsealed
from aen.results.result_rows import TestedRow
from aen_agents.errors import file_error
from aen_agents.runs.folders import OtherVersionError

if TYPE_CHECKING:
    from aen.evaluators import InTraining

STATUS_FILE = "status.json"
STATUS_VERSION = 1  # raise it when a key is removed or changes its meaning, not for a new key


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Stage(_Part):
    """A stage of a search.

    Attributes:
        name: ``explore``, ``select``, ``compare`` or ``test``.
        done: how much of it is done.
        total: the most that it processes.
        unit: what `done` and `total` count.
        seconds_left: until its end, at the present rate; None: not known.
    """

    name: str
    done: int
    total: int
    unit: str
    seconds_left: float | None = None


class Best(_Part):
    """The best of the explored networks, or the winner.

    Attributes:
        accuracy: on the validation images: on one seed, for the winner the mean over the seeds.
        group: name of its group, if known.
        factors: its factors, or what else was chosen.
    """

    accuracy: float
    group: str | None
    factors: str

    @classmethod
    def of_winner(cls, winner: TestedRow) -> "Best":
        """Return the winner of a search.

        Raises:
            KeyError: a key of the summary is missing.
            ValueError: a value has the wrong type.
        """
        return cls(accuracy=winner.validation.mean, group=winner.group, factors=winner.decomposition)


class Children(_Part):
    """Counts of children.

    Attributes:
        done: results that the search received in all its stages, trained or looked up.
        running: children that are being trained, by the evaluator's count.
        waiting: children that wait for a worker.
        trained: children trained in this run, by all its processes.
        failed: those of the trained that have no result.
    """

    done: int
    running: int
    waiting: int
    trained: int
    failed: int


class Worker(_Part):
    """What a worker is training.

    Attributes:
        worker: name of the worker.
        node: name or address of its machine; None: that of the search.
        training: name of the child, or of the first one of a population; None: it waits for work.
        children: how many it trains side by side.
        since: when that began, in seconds since 1970; None: it waits.
    """

    worker: str
    node: str | None = None
    training: str | None = None
    children: int = 0
    since: float | None = None

    @classmethod
    def of(cls, known: "InTraining") -> "Worker":
        """Return what an evaluator says of a worker."""
        since = None if known.child is None else round(time.time() - known.seconds, 3)
        return cls(worker=known.worker, node=known.node, training=known.child, children=known.children, since=since)


class Rate(_Part):
    """Children trained per second; None: not known yet."""

    last_minute: float | None = None
    overall: float | None = None


class Status(_Part):
    """The status of a search.

    Attributes:
        version: version of the file.
        run: name of the run folder.
        name: name of the search.
        agent: name of the agent.
        data: name of the data set.
        state: as the process wrote it last; a process that was killed leaves ``running``.
        message: why it failed.
        pid: number of the process.
        process_start: start of the process in ticks of its machine; with `pid` it identifies the process uniquely.
        host: name of its machine.
        machine: identifies the machine and the container uniquely.
        started: when the process started.
        updated: when this was written.
        seconds: seconds of the run so far, over all its processes.
        stage: the present stage.
        stages: how much is done in each stage.
        best: the best of the explored networks.
        children: counts of children.
        workers: number of workers alive; None: not known.
        rate: children trained per second.
        winner: the winner of a complete search.
        run_id: identifies the run, see `RunFolder.run_id`; None in earlier versions.
        in_training: what each worker is training, of the first ones; empty in earlier versions.
    """

    version: int = STATUS_VERSION
    run: str
    name: str
    agent: str
    data: str
    state: Literal["running", "complete", "interrupted", "failed"]
    message: str | None = None
    pid: int
    process_start: int | None
    host: str
    machine: str | None
    started: AwareDatetime
    updated: AwareDatetime
    seconds: float
    stage: Stage | None
    stages: dict[str, int]
    best: Best | None
    children: Children
    workers: int | None
    rate: Rate
    winner: Best | None = None
    run_id: str | None = None
    in_training: tuple[Worker, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the file, complete or not at all; a status that cannot be written is skipped."""
        with suppress(OSError):
            write_atomically(folder / STATUS_FILE, self.text(), durable=False)

    def text(self) -> str:
        """Return the content of the file."""
        return json.dumps(sealed(json.loads(self.model_dump_json())), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Status | None":
        """Return the status in a run folder, or None if there is no file.

        Raises:
            OtherVersionError: the file has a later version.
            RunFolderError: the file is damaged.
        """
        file = folder / STATUS_FILE
        try:
            found = unsealed(read_json(file, MAX_SMALL, constant=lambda _: None))
            version = found.get("version") if isinstance(found, dict) else None
            if isinstance(version, int) and version > STATUS_VERSION:
                raise OtherVersionError(
                    f"{file} has version {version}, and this aen supports version {STATUS_VERSION}; update aen.",
                    version,
                )
            return cls.model_validate(found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise file_error(file, error, "It holds no results; remove it.") from error


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
