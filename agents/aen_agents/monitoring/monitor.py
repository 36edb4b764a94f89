"""Writes a search's log, status and scalars while it runs."""

import os
import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from aen._processes import Process
from aen._reading import MAX_SMALL, UnusableFileError, read_bytes
from aen._secrets import hide_secrets, remember_address
from aen.errors import AenError, RunFolderError
from aen.evaluators import Activity, Evaluator
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Listener, Notice
from aen_agents.monitoring.event_log import EventLog
from aen_agents.monitoring.guard import FolderGuard, OpenFile, lost_message, removed_files
from aen_agents.monitoring.heartbeat import Heartbeat
from aen_agents.monitoring.interruption import stoppable
from aen_agents.monitoring.status import STATUS_FILE, Best, Status, now
from aen_agents.monitoring.tensorboard import ScalarFile
from aen_agents.monitoring.tracker import ProgressTracker
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.lost import LostRunError, mark_lost
from aen_agents.text import printable

_LONGEST_MESSAGE = 1000
State = Literal["running", "complete", "interrupted", "failed"]


class SearchMonitor:
    """A listener that writes ``log.jsonl``, ``status.json`` and TensorBoard scalars to the run folder.

    A file that cannot be written does not stop the search.

    Args:
        config: the config of the search.
        listener: called with every event after it was written.

    Attributes:
        evaluator: the evaluator of the search, which sets it; None before and after.
        guard: notices that files of the search are gone, which ends the search; likewise.
        rescue: saves the results of a store whose file is gone; returns where they are; likewise.
        gone_before: files of earlier searches of this process that were removed and are still open.
    """

    def __init__(self, config: SearchConfig, listener: Listener) -> None:
        self.config = config
        self.evaluator: Evaluator | None = None
        self.guard: FolderGuard | None = None
        self.rescue: Callable[[], Path | None] | None = None
        self.gone_before: frozenset[OpenFile] = frozenset()
        self._listener = listener
        self._log: EventLog | None = None
        self._tracker = ProgressTracker()
        self._lost: str | None = None
        self._rescued: Path | None = None

    def __call__(self, event: Event) -> None:
        """Write an event and forward it to the listener; may be called from any thread."""
        if self._log is not None:
            self._log(event)
        self._tracker(event)
        self._listener(event)

    def activity(self) -> Activity | None:
        """Return the counts of workers and children, or None if they are not known."""
        with suppress(Exception):  # the evaluator may be closing in another thread
            if self.evaluator is not None:
                return self.evaluator.activity()
        return None

    def in_all(self) -> tuple[int, float]:
        """Return the number of trained children and the seconds of the run, over all its starts."""
        self._tracker.note(self.activity())
        return self._tracker.children().trained, self._tracker.seconds

    @contextmanager
    def over(self, folder: RunFolder) -> Iterator[None]:
        """Record the events inside the block in a run folder that this process has locked.

        Raises:
            LostRunError: the folder, its store or another file of the search was removed or replaced meanwhile.
        """
        mark_lost(folder.path, lost=False)
        if self.config.store is not None:
            remember_address(self.config.store)
        earlier = None
        with suppress(RunFolderError):
            earlier = Status.read(folder.path)
            earlier = earlier if earlier is not None and folder.owns(earlier.run_id) else None
        self._tracker = ProgressTracker(earlier)
        self.gone_before = removed_files()  # before this search opens any
        self._log = EventLog(folder.path / "log.jsonl", lambda text: self._listener(Notice(text)))
        # Closed also if the first status cannot be written: a removed file that stayed open would stop a later search.
        with closing(self._log):
            self._log.started(
                agent=self.config.agent.name,
                data=self.config.data.name,
                evaluator=self.config.evaluator.kind,
                store=self.config.store,
                versions={name: version(name) for name in ("aen", "torch")} | {"python": platform.python_version()},
            )
            writer = _StatusWriter(self.config, folder, self._tracker, self.activity)
            writer.beat()
            heartbeat = Heartbeat(lambda: None if self._is_foreign() else writer.beat())
            state: State = "failed"
            message = None
            try:
                with self._guarded(folder):
                    yield
                state = "complete"
            except (KeyboardInterrupt, SystemExit):
                state = "interrupted"
                raise
            except BaseException as error:
                text = str(error) if isinstance(error, AenError) else f"{type(error).__name__}: {error}"
                message = hide_secrets(text)[:_LONGEST_MESSAGE]
                raise
            finally:
                if heartbeat.stop() and not self._is_foreign():
                    writer.end(state, message)
                self.evaluator = self.guard = self.rescue = None
                self._log.ended(state=state, message=message)

    @contextmanager
    def _guarded(self, folder: RunFolder) -> Iterator[None]:
        """End the block with an error soon after files of the search are gone."""
        self._lost = self._rescued = None
        with stoppable() as stop:
            heartbeat = Heartbeat(lambda: self._check(folder, stop))
            try:
                yield
            except BaseException as error:
                # What is gone may have caused the error before the heartbeat noticed it.
                gone = self._lost or (None if self.guard is None else self.guard.what_is_gone())
                if gone is None or self.guard is None:
                    raise
                self._lose(folder, gone)
                raise LostRunError(lost_message(gone, self.guard, self._rescued)) from error
            finally:
                heartbeat.stop()

    def _check(self, folder: RunFolder, stop: Callable[[], None]) -> None:
        gone = None if self.guard is None or self._lost is not None else self.guard.lost()
        if gone is not None:
            self._lose(folder, gone)
            stop()

    def _lose(self, folder: RunFolder, gone: str) -> None:
        """Save what the store has, and write nothing more into a folder that is another one now."""
        if self._lost is None:
            self._lost = gone
            if self._is_foreign():
                mark_lost(folder.path)
            if self.rescue is not None:
                with suppress(Exception):
                    self._rescued = self.rescue()

    def _is_foreign(self) -> bool:
        """Return whether the run folder is gone, or is not that of this search any more."""
        return self.guard is not None and self.guard.folder_is_foreign()


class _StatusWriter:
    """Writes the state of a tracker to ``status.json`` and to the TensorBoard scalars."""

    def __init__(
        self, config: SearchConfig, folder: RunFolder, tracker: ProgressTracker, activity: Callable[[], Activity | None]
    ) -> None:
        self.config = config
        self.folder = folder
        self.tracker = tracker
        self.activity = activity
        self.started = now()
        self.scalars = ScalarFile(folder.path / "tensorboard" / "search")
        self._drawn: tuple[float | None, ...] = ()
        self._run_id = folder.run_id
        self._process, self._host = Process.this(), socket.gethostname()

    def beat(self) -> None:
        """Write the status and a point of each scalar."""
        self.tracker.note(self.activity())
        status = self.status("running", None)
        status.write(self.folder.path)
        self.draw(status)

    def end(self, state: State, message: str | None) -> None:
        """Write the final status: how the search ended."""
        with suppress(Exception):
            self.tracker.note(self.activity())
            self.draw(self.status("running", None))
            self.tracker.over()
            last = self.status(state, message)
            last.write(self.folder.path)
            self._write_in_place(last)

    def _write_in_place(self, last: Status) -> None:
        """Overwrite the status file in place if the disk had no room for a second file.

        A reader may then see an incomplete file, so this is done only once, at the end.
        """
        file = self.folder.path / STATUS_FILE
        text = last.text().encode()
        try:
            if read_bytes(file, MAX_SMALL) == text:
                return
        except UnusableFileError:  # it was replaced by something that is no file
            return
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, len(text))  # raises if there is no room; the file is then unchanged
            stream.write(text)
            stream.truncate()

    def status(self, state: State, message: str | None) -> Status:
        """Return the present status."""
        return Status(
            run=printable(self.folder.path.absolute().name),
            name=self.config.name,
            agent=self.config.agent.name,
            data=self.config.data.name,
            state=state,
            message=None if message is None else printable(message),
            pid=self._process.pid,
            process_start=self._process.start,
            host=self._host,
            machine=self._process.machine,
            started=self.started,
            updated=now(),
            seconds=self.tracker.seconds,
            stage=self.tracker.stage(),
            stages=dict(self.tracker.stages),
            best=self.tracker.best,
            children=self.tracker.children(),
            workers=self.tracker.workers,
            rate=self.tracker.rate(),
            winner=self._winner() if state == "complete" else None,
            run_id=self._run_id,
            in_training=self.tracker.in_training(),
        )

    def draw(self, status: Status) -> None:
        """Add a point to the scalars if anything has changed."""
        step, rate = status.children.done, status.rate.last_minute
        values: dict[str, float | None] = {
            "search/best_accuracy": status.best.accuracy if status.best else None,
            "search/accuracy": self.tracker.accuracy,
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
