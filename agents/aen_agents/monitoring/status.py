"""Status: what a search is at, as it stands in ``status.json``."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from aen.errors import RunFolderError
from aen.results.result_rows import TestedRow
from aen_agents.errors import what_is_wrong
from aen_agents.runs.folders import OtherVersionError

STATUS_FILE = "status.json"
STATUS_VERSION = 1  # raise it when a key goes or changes its meaning; a new key leaves it


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Stage(_Part):
    """A stage of a search.

    Attributes:
        name: ``explore``, ``select``, ``compare`` or ``test``.
        done: how much of it is done.
        total: how much it will come to at most.
        unit: of what.
        seconds_left: until it is over, at the present rate; None: not known.
    """

    name: str
    done: int
    total: int
    unit: str
    seconds_left: float | None = None


class Best(_Part):
    """The best of what was explored, by validation accuracy on one seed, or of the winner the mean over the seeds.

    Attributes:
        accuracy: on the validation images.
        group: name of its group, where that is known.
        factors: its factors, or what else was chosen.
    """

    accuracy: float
    group: str | None
    factors: str

    @classmethod
    def of_winner(cls, winner: TestedRow) -> "Best":
        """Return the winner of a search.

        Raises:
            ValueError: a value is of another type than it should be.
        """
        return cls(accuracy=winner.validation.mean, group=winner.group, factors=winner.decomposition)


class Children(_Part):
    """How many children are at what.

    Attributes:
        done: results that the search heard of in all its stages, trained or looked up.
        running: trained at this moment, as far as the evaluator knows.
        waiting: for a worker.
        trained: in this run, by all its processes.
        failed: of these, those that came to no result.
    """

    done: int
    running: int
    waiting: int
    trained: int
    failed: int


class Rate(_Part):
    """Children trained per second; None: not known yet."""

    last_minute: float | None = None
    overall: float | None = None


class Status(_Part):
    """What a search is at.

    Attributes:
        version: of the file.
        run: name of the run folder.
        name: of the search.
        agent: its name.
        data: name of the data set.
        state: ``running`` until the process says otherwise; one that was killed does not.
        message: why it failed.
        pid: of the process.
        process_start: when it started, as its machine counts; with `pid` it names the process for good.
        host: name of its machine.
        machine: names the machine and the container for good.
        started: when the process started.
        updated: when this was written.
        seconds: that the run took so far, all its processes together.
        stage: the present one.
        stages: how much was done in each stage so far.
        best: of what was explored.
        children: how many are at what.
        workers: how many are alive; None: not known.
        rate: of training.
        winner: once the search is complete.
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

    def write(self, folder: Path) -> None:
        """Write the file so that it appears whole or not at all; what cannot be written is let be."""
        part = folder / f"{STATUS_FILE}.part"
        try:
            part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            part.replace(folder / STATUS_FILE)
        except OSError:
            with suppress(OSError):
                part.unlink()

    @classmethod
    def read(cls, folder: Path) -> "Status | None":
        """Return what stands in a run folder, or None if nothing does.

        Raises:
            OtherVersionError: the file is of a later version.
            RunFolderError: it is damaged.
        """
        file = folder / STATUS_FILE
        try:
            found = json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _: None)
            version = found.get("version") if isinstance(found, dict) else None
            if isinstance(version, int) and version > STATUS_VERSION:
                raise OtherVersionError(
                    f"{file} is of version {version}, and this aen knows version {STATUS_VERSION}; update aen.", version
                )
            return cls.model_validate(found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{file} is damaged: {what_is_wrong(error)}. It holds no result; remove it."
            ) from error


def process_start(pid: int) -> int | None:
    """Return when a process of this machine started, in ticks since the machine did; None: there is no such process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = line.rpartition(")")[2].split()
    return None if state in "ZX" else int(others[18])


def this_machine() -> str | None:
    """Return a name of this machine since it was started, and of the container on it; None where there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path
    except (OSError, UnicodeDecodeError):
        return None


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
