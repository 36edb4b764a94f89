"""Watch: writes down what a search does while it does it, and passes every event on."""

import os
import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Literal, Protocol

from aen.errors import AenError, RunFolderError
from aen.evaluators import Activity
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Listener, Notice
from aen_agents.monitoring.event_log import EventLog
from aen_agents.monitoring.heartbeat import Heartbeat
from aen_agents.monitoring.redact import hide_secrets
from aen_agents.monitoring.status import STATUS_FILE, Best, Status, now, process_start, this_machine
from aen_agents.monitoring.tensorboard import ScalarFile
from aen_agents.monitoring.tracker import Tally
from aen_agents.runs.folder import RunFolder

_LONGEST_MESSAGE = 1000
State = Literal["running", "complete", "interrupted", "failed"]


class Active(Protocol):
    """Who can say what it is at, as every evaluator of a search can."""

    def activity(self) -> Activity:
        """Return what it is at."""
        ...


class Watch:
    """A listener that leaves ``log.jsonl``, ``status.json`` and TensorBoard scalars in the run folder.

    Whatever it cannot do, the search goes on.

    Args:
        config: of the search.
        listener: is told every event too, after it is written down.

    Attributes:
        evaluator: who trains; the search sets it once there is one.
    """

    def __init__(self, config: SearchConfig, listener: Listener) -> None:
        self.config = config
        self.evaluator: Active | None = None
        self._listener = listener
        self._log: EventLog | None = None
        self._tally = Tally()

    def __call__(self, event: Event) -> None:
        """Write an event down and pass it on; it may come from any thread."""
        if self._log is not None:
            self._log(event)
        self._tally(event)
        self._listener(event)

    def activity(self) -> Activity | None:
        """Return what the evaluator is at, or None if that is not known."""
        with suppress(Exception):  # it may be closing in another thread
            if self.evaluator is not None:
                return self.evaluator.activity()
        return None

    def in_all(self) -> tuple[int, float]:
        """Return how many children the run has trained and the seconds that it took, all its processes together."""
        self._tally.note(self.activity())
        return self._tally.children().trained, self._tally.seconds

    @contextmanager
    def over(self, folder: RunFolder) -> Iterator[None]:
        """Watch what happens inside the block, in a run folder that nobody else writes to."""
        earlier = None
        with suppress(RunFolderError):
            earlier = Status.read(folder.path)
        self._tally = Tally(earlier)
        self._log = EventLog(folder.path / "log.jsonl", lambda text: self._listener(Notice(text)))
        self._log.started(
            agent=self.config.agent.name,
            data=self.config.data.name,
            evaluator=self.config.evaluator.kind,
            store=self.config.store,
            versions={name: version(name) for name in ("aen", "torch")} | {"python": platform.python_version()},
        )
        record = _Record(self.config, folder, self._tally, self.activity)
        record.beat()
        heartbeat = Heartbeat(record.beat)
        state: State = "failed"
        message = None
        try:
            yield
            state = "complete"
        except (KeyboardInterrupt, SystemExit):
            state = "interrupted"
            raise
        except BaseException as error:
            said = str(error) if isinstance(error, AenError) else f"{type(error).__name__}: {error}"
            message = hide_secrets(said)[:_LONGEST_MESSAGE]
            raise
        finally:
            if heartbeat.stop():
                record.end(state, message)
            self.evaluator = None
            self._log.ended(state=state, message=message)


class _Record:
    """Writes what a tally comes to."""

    def __init__(
        self, config: SearchConfig, folder: RunFolder, tally: Tally, activity: Callable[[], Activity | None]
    ) -> None:
        self.config = config
        self.folder = folder
        self.tally = tally
        self.activity = activity
        self.started = now()
        self.scalars = ScalarFile(folder.path / "tensorboard" / "search")
        self._drawn: tuple[float | None, ...] = ()
        self._process = (os.getpid(), process_start(os.getpid()), socket.gethostname(), this_machine())

    def beat(self) -> None:
        """Write the status and a point of each curve."""
        self.tally.note(self.activity())
        status = self.status("running", None)
        status.write(self.folder.path)
        self.draw(status)

    def end(self, state: State, message: str | None) -> None:
        """Write how it ended."""
        with suppress(Exception):
            self.tally.note(self.activity())
            self.draw(self.status("running", None))
            self.tally.over()
            last = self.status(state, message)
            last.write(self.folder.path)
            self._insist(last)

    def _insist(self, last: Status) -> None:
        """Write the last status over the one before it, if there was no room for another file beside it.

        A reader may then see half of it, so this is done once, when nothing else can be.
        """
        file = self.folder.path / STATUS_FILE
        text = last.model_dump_json(indent=2).encode() + b"\n"
        if file.read_bytes() == text:
            return
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, len(text))  # if there is no room even so, the file stays as it is
            stream.write(text)
            stream.truncate()

    def status(self, state: State, message: str | None) -> Status:
        """Return the status now."""
        pid, start, host, machine = self._process
        return Status(
            run=self.folder.path.absolute().name,
            name=self.config.name,
            agent=self.config.agent.name,
            data=self.config.data.name,
            state=state,
            message=message,
            pid=pid,
            process_start=start,
            host=host,
            machine=machine,
            started=self.started,
            updated=now(),
            seconds=self.tally.seconds,
            stage=self.tally.stage(),
            stages=dict(self.tally.stages),
            best=self.tally.best,
            children=self.tally.children(),
            workers=self.tally.workers,
            rate=self.tally.rate(),
            winner=self._winner() if state == "complete" else None,
        )

    def draw(self, status: Status) -> None:
        """Add a point to the curves, if there is news."""
        step, rate = status.children.done, status.rate.last_minute
        values: dict[str, float | None] = {
            "search/best_accuracy": status.best.accuracy if status.best else None,
            "search/accuracy": self.tally.accuracy,
            "children/trained": status.children.trained,
            "children/failed": status.children.failed,
            "workers/alive": status.workers,
        }
        news = (step, *values.values())
        if not step or news == self._drawn:
            return
        self._drawn = news
        known = {tag: value for tag, value in (values | {"children/per_second": rate}).items() if value is not None}
        with suppress(OSError):
            self.scalars.add(step, known)

    def _winner(self) -> Best | None:
        with suppress(OSError, ValueError, RunFolderError):
            result = self.folder.result()
            return None if result is None or result.verdict is None else Best.of_winner(result.verdict.winner)
        return None
