"""The scheduler: a thread that starts searches that wait, notices those that ended, and resumes those that died."""

import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from aen._reading import MAX_SMALL
from aen._secrets import hide_secrets
from aen.errors import AenError
from aen_agents.monitoring import RunView, view_run
from aen_agents.monitoring.status import STATUS_FILE
from aen_agents.runs.folders import VERSION_FILE
from aen_service.database import SEARCHES
from aen_service.errors import ServiceError
from aen_service.searches.launcher import OUTPUT_FILE, Launcher, search_folder
from aen_service.searches.records import Searches, SearchRecord
from aen_service.searches.states import (
    ADOPT,
    BEGUN,
    COMPLETE,
    END,
    ENDED,
    FAIL,
    FIND,
    LOSE,
    POSTPONE,
    RETRY,
    START,
    VANISH,
)
from aen_service.settings import Settings

POLL_SECONDS = 0.5
FOLDERS_SECONDS = 5.0  # between two looks at the run folders of searches that have ended
POSTPONED_SECONDS = 10.0  # after which a search that could not be started is tried again
_TAIL = 4000  # bytes of the output that are read for the reason of a failure
_INTERRUPTED = 130
_LOG = logging.getLogger("aen_service")


class Scheduler:
    """Carries searches from state to state; see `aen_service.searches.states`. All waiting is by monotonic clocks.

    Args:
        settings: of the service.
        searches: the searches.
        launcher: starts them.
    """

    def __init__(self, settings: Settings, searches: Searches, launcher: Launcher) -> None:
        self._settings = settings
        self._searches = searches
        self._launcher = launcher
        self._stopping_since: dict[str, float] = {}
        self._asked: set[str] = set()
        self._killed: set[str] = set()
        self._postponed_until = 0.0
        self._folders_at = 0.0
        self._stamps: dict[str, int | None] = {}
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aen-scheduler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; the searches go on."""
        self._ended.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look at the searches now."""
        self._postponed_until = 0.0
        self._wake.set()

    def _run(self) -> None:
        said = ""
        while not self._ended.is_set():
            self._wake.clear()
            try:
                self.step()
                said = ""
            except ServiceError as error:  # the database is busy or the disk is full: tried again
                if str(error) != said:
                    said = str(error)
                    _LOG.warning("%s", hide_secrets(said))
            except Exception as error:  # noqa: BLE001 - an error in one step must not end the service's work
                _LOG.error("%s", hide_secrets("".join(traceback.format_exception(error))))
            self._wake.wait(POLL_SECONDS)

    def step(self) -> None:
        """Look at all searches once."""
        if not self._settings.folder.is_dir():  # the root is not mounted now
            return
        for record in self._searches.in_states(BEGUN):
            self._one(record, self._watch)
        if time.monotonic() >= self._folders_at:
            self._folders_at = time.monotonic() + FOLDERS_SECONDS
            self._watch_folders()
        queue = self._searches.queue() if time.monotonic() >= self._postponed_until else []
        if queue:
            room = self._settings.parallel - sum(not each.is_foreign for each in self._searches.in_states(BEGUN))
            for search in queue[: max(room, 0)]:
                self._start(search)

    def _one(self, record: SearchRecord, look: Callable[[SearchRecord], None]) -> None:
        """Look at a search; that one cannot be looked at is no reason to leave the others."""
        try:
            look(record)
        except ServiceError as error:
            if record.message != str(error):
                self._searches.update(record.id, only=(record.state,), message=str(error))

    def _start(self, search: str) -> None:
        # The state comes first: a service that dies in between looks for the process.
        record = self._searches.get(search)
        number, job = record.starts + 1, f"aen-{search}-{secrets.token_hex(4)}"
        if not self._searches.carry(
            search, START, started=time.time(), message=None, starts=number, outside=False, pid=None, job=job
        ):
            return
        try:
            started = self._launcher.start(self._searches.get(search))
        except ServiceError as error:
            self._postponed_until = time.monotonic() + POSTPONED_SECONDS
            self._searches.carry(search, POSTPONE, starts=number - 1, message=f"it waits: {error}")
            self._searches.carry(search, END, ended=time.time(), message=str(error))  # it was stopped meanwhile
            return
        process = started.process
        self._searches.update(
            search,
            only=BEGUN,
            pid=process and process.pid,
            process_start=process and process.start,
            machine=process and process.machine,
        )

    def _watch(self, record: SearchRecord) -> None:
        if record.is_foreign:
            self._watch_foreign(record)
            return
        run = self._settings.root / record.path
        found = self._launcher.find(record)
        if not record.made and (run / VERSION_FILE).exists():
            self._searches.update(record.id, made=True)
        if found is None:
            self._forget(record.id)
            self._end(self._searches.get(record.id))
            return
        if record.pid is None and found.process is not None:  # this service did not start it
            process = found.process
            self._searches.update(
                record.id, only=BEGUN, pid=process.pid, process_start=process.start, machine=process.machine
            )
        if record.message is not None:  # it could not be looked at for a while
            self._searches.update(record.id, only=BEGUN, message=None)
        if record.state == "stopping":
            self._stop(record)

    def _stop(self, record: SearchRecord) -> None:
        """Ask a search once to end, and kill it if it does not."""
        since = self._stopping_since.setdefault(record.id, time.monotonic())
        if time.monotonic() - since > self._settings.limits.stop_seconds:
            self._killed.add(record.id)
            self._launcher.stop(record, kill=True)
        elif record.id not in self._asked and self._launcher.stop(record):
            self._asked.add(record.id)  # a second signal would cut its report short

    def _forget(self, search: str) -> None:
        self._stopping_since.pop(search, None)
        self._asked.discard(search)
        self._stamps.pop(search, None)

    def _end(self, record: SearchRecord) -> None:
        """Carry a search on whose process has ended."""
        search, now, run = record.id, time.time(), self._settings.root / record.path
        killed = search in self._killed
        self._killed.discard(search)
        attempt = self._launcher.attempt(record)
        if attempt is None or attempt.number < record.starts:  # the service ended before it had started the process
            if not self._searches.carry(search, RETRY, queued=self._place(), starts=record.starts - 1):
                self._searches.carry(search, END, ended=now, message=None)
            return
        if attempt.code == 0:
            self._searches.carry(search, COMPLETE, ended=now, message=None)
            return
        if record.state == "stopping":
            slow = f"it did not stop within {self._settings.limits.stop_seconds:g} s and was killed"
            self._searches.carry(search, END, ended=now, message=slow if killed else None)
            return
        if self._view(record, "running") is not None:  # a terminal works on the folder
            self._searches.carry(search, ADOPT, outside=True, ended=None, message=_OUTSIDE)
        elif record.made and not run.exists():
            self._searches.carry(search, LOSE, ended=now, message=_removed(run))
        elif attempt.code == _INTERRUPTED:
            self._searches.carry(search, END, ended=now, message="it was interrupted by a signal")
        elif attempt.code is not None:
            words = self._last_words(record, attempt.output) or f"its process ended with status {attempt.code}"
            self._searches.carry(search, FAIL, ended=now, message=words)
        else:
            self._died(record)

    def _died(self, record: SearchRecord) -> None:
        """Have a search whose process was killed wait again, as often as it may."""
        why = self._launcher.why(record)
        why = f" ({why})" if why else ""
        if record.starts <= self._settings.limits.resumes:
            message = f"its process was killed{why}; it is resumed"
            self._searches.carry(record.id, RETRY, queued=self._place(), message=message)
        else:
            often = f"its process was killed {record.starts} times, more often than it is resumed{why}"
            self._searches.carry(record.id, LOSE, ended=time.time(), message=often)

    def _place(self) -> float:
        return self._searches.place(first=True)

    def _watch_foreign(self, record: SearchRecord) -> None:
        """Look at a search that the service has not started: what its files say is all that is known."""
        if record.request is None and not record.outside and record.state != "stopping":
            return  # the index of the runs below the root has it
        if self._view(record, "running", "new") is None:
            self._stamps.pop(record.id, None)
            self._settle(record)

    def _settle(self, record: SearchRecord) -> None:
        """Give a search whose run was worked on in a terminal the state that its files say."""
        now, view, folder = time.time(), self._view(record), self._settings.root / record.path
        if record.state == "stopping" and (view is None or view.state != "complete"):
            self._searches.carry(record.id, END, ended=now, message=None if view is None else view.message)
            return
        if view is None:
            message = f"its run folder {folder} cannot be read" if folder.exists() else _removed(folder)
            self._searches.carry(record.id, LOSE, ended=now, message=message)
        elif view.state == "complete":
            self._searches.carry(record.id, COMPLETE, ended=now, message=None)
        elif view.state == "failed":
            self._searches.carry(record.id, FAIL, ended=now, message=view.message)
        elif view.state == "interrupted":
            self._searches.carry(record.id, END, ended=now, message="it was interrupted in the terminal that ran it")
        else:
            message = view.message or "the process that resumed it in a terminal was killed; resume it"
            self._searches.carry(record.id, LOSE, ended=now, message=message)

    def _watch_folders(self) -> None:
        """Notice run folders of searches that ended which were removed, or which somebody resumes in a terminal."""
        columns = (SEARCHES.c.id, SEARCHES.c.path, SEARCHES.c.state)
        query = sa.select(*columns).where(SEARCHES.c.state.in_(ENDED), SEARCHES.c.made)
        for row in self._searches.database.rows(query):
            search, state, folder = row.id, row.state, self._settings.root / row.path
            stamp = _stamp(folder)
            if search in self._stamps and self._stamps[search] == stamp:
                continue
            self._stamps[search] = stamp
            if not folder.exists():
                if state != "lost":
                    self._searches.carry(search, VANISH, message=_removed(folder))
                continue
            record = self._searches.get(search)
            if self._view(record, "running") is not None:
                self._searches.carry(search, ADOPT, outside=True, ended=None, message=_OUTSIDE)
            elif state == "lost" and self._view(record, "complete") is not None:
                self._searches.carry(search, FIND, message=None)

    def _view(self, record: SearchRecord, *states: str) -> RunView | None:
        """Return the state of a run as its files say; None: there is no run, or it is in none of some states."""
        try:
            view = view_run(self._settings.root / record.path, thorough=False, look=lambda _: False)
        except AenError:
            return None
        return view if not states or view.state in states else None

    def _last_words(self, record: SearchRecord, begin: int) -> str:
        """Return the error that the process printed last, or nothing.

        Args:
            record: the search.
            begin: bytes of the output that are of earlier processes.
        """
        try:
            with (search_folder(self._settings, record.id) / OUTPUT_FILE).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(begin, size - _TAIL))
                lines = file.read(min(_TAIL, MAX_SMALL)).decode(errors="replace").splitlines()
        except OSError:
            return ""
        errors = [line for line in lines if line.startswith("aen: error: ")]
        last = errors[-1].removeprefix("aen: error: ") if errors else lines[-1] if lines else ""
        return hide_secrets(last)


_OUTSIDE = "it runs outside of this service, resumed in a terminal"


def _removed(folder: Path) -> str:
    return f"its run folder {folder} was removed"


def _stamp(folder: Path) -> int | None:
    """Return what changes when a process works in a run folder; None: nothing is there."""
    for path in (folder / STATUS_FILE, folder):
        try:
            return path.stat().st_mtime_ns
        except OSError:
            continue
    return None
