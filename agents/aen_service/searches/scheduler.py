"""The scheduler: a thread that starts searches that wait, notices those that ended, and resumes those that died."""

import threading
import time
from contextlib import suppress

from aen._reading import read_bytes
from aen._secrets import hide_secrets
from aen.errors import AenError
from aen_agents.monitoring import RunView, view_run
from aen_service.errors import ServiceError
from aen_service.searches.launcher import OUTPUT_FILE, Launcher, search_folder
from aen_service.searches.records import Searches, SearchRecord, State
from aen_service.settings import Settings

POLL_SECONDS = 0.5
KILL_SECONDS = 60.0  # after which a search that was asked to stop is killed
_TAIL = 4000  # bytes of the output that are read for the reason of a failure
_STATES: dict[str, State] = {"complete": "complete", "interrupted": "stopped", "failed": "failed"}


class Scheduler:
    """Carries searches from state to state.

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
        self._wake.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            with suppress(ServiceError):  # the database is busy or the disk is full: tried again
                self.step()
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def step(self) -> None:
        """Look at all searches once."""
        for record in self._searches.in_states(("running", "stopping")):
            self._watch(record)
        running = len(self._searches.in_states(("running", "stopping")))
        for search in self._searches.queue()[: max(self._settings.parallel - running, 0)]:
            self._start(self._searches.get(search))

    def _start(self, record: SearchRecord) -> None:
        # The state comes first: a service that dies in between looks for the process.
        if not self._searches.update(record.id, only=("queued",), state="running", started=time.time(), message=None):
            return
        try:
            started = self._launcher.start(record)
        except ServiceError as error:
            self._searches.update(record.id, state="failed", ended=time.time(), message=str(error))
            return
        process = started.process
        self._searches.update(
            record.id,
            starts=record.starts + 1,
            job=started.job,
            pid=process and process.pid,
            process_start=process and process.start,
            machine=process and process.machine,
        )

    def _watch(self, record: SearchRecord) -> None:
        if self._launcher.find(record) is not None:
            if record.state == "stopping":
                since = self._stopping_since.setdefault(record.id, time.monotonic())
                self._launcher.stop(record, kill=time.monotonic() - since > KILL_SECONDS)
            return
        self._stopping_since.pop(record.id, None)
        state, message = self._outcome(record)
        if state != "lost":
            self._searches.update(record.id, state=state, ended=time.time(), message=message)
        elif record.state == "stopping":
            self._searches.update(record.id, state="stopped", ended=time.time(), message="it was killed")
        elif record.starts <= self._settings.limits.resumes:
            self._searches.update(record.id, state="queued", queued=record.created, message=message)
        else:
            self._searches.update(record.id, state="lost", ended=time.time(), message=message)

    def _outcome(self, record: SearchRecord) -> tuple[State, str | None]:
        """Return the state of a search whose process has ended, and why."""
        try:
            view: RunView = view_run(self._settings.root / record.path, thorough=False, look=lambda _: False)
        except AenError:
            said = self._last_words(record)
            return ("failed", said) if said else ("lost", "its process ended before it made its run folder")
        state = _STATES.get(view.state, "lost")
        return state, view.message or (None if state == "complete" else "; ".join(view.remarks) or None)

    def _last_words(self, record: SearchRecord) -> str:
        """Return the error that the process printed last, or nothing."""
        with suppress(OSError, ValueError):
            text = read_bytes(search_folder(self._settings, record) / OUTPUT_FILE, 2**26)[-_TAIL:]
            lines = [line for line in text.decode(errors="replace").splitlines() if line.startswith("aen: error: ")]
            return hide_secrets(lines[-1].removeprefix("aen: error: ")) if lines else ""
        return ""
