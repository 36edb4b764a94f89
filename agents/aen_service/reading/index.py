"""RunIndex: a thread that finds the runs below the root, and keeps the rows of searches up to date."""

import hashlib
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from aen._secrets import hide_secrets
from aen.errors import AenError
from aen_agents.monitoring import RunView
from aen_agents.monitoring.listing import run_folders, view_any
from aen_agents.monitoring.status import STATUS_FILE
from aen_service.database import SEARCHES
from aen_service.errors import ServiceError
from aen_service.reading.readers import Readers
from aen_service.reading.run import stamp_of
from aen_service.searches.records import ACTIVE, Searches, SearchRecord, State
from aen_service.settings import Settings

_LOG = logging.getLogger("aen_service")
STEP_SECONDS = 1.0
FIND_SECONDS = 5.0  # between two looks for new folders
_JUDGE_SECONDS = 5.0  # between two looks at a run whose files do not change
_RECENT_SECONDS = 10.0  # after a change, for which a run is looked at every time
_BATCH = 100
_MANY, _MOST_WARMED = 10_000, 300_000  # children
_FILES = (STATUS_FILE, "summary.json", "history.jsonl", "stopped.json", "failure.json")
_STATES: dict[str, State] = {
    "new": "stopped",
    "running": "running",
    "complete": "complete",
    "interrupted": "stopped",
    "stopped by the sweep": "stopped",
    "failed": "failed",
    "stopped": "lost",
}
_VIEWED = ("agent", "data", "accuracy", "children", "view", "stamp")


@dataclass
class _Seen:
    """What was seen of a run folder.

    Attributes:
        stamp: of its files.
        changed: when that changed last, by a clock that does not go back.
        judged: when its view was read.
        running: whether it was running then.
    """

    stamp: str
    changed: float
    judged: float
    running: bool


class RunIndex:
    """Keeps the rows of searches up to date with the files of their runs, and adds runs that `aen search` made.

    The state of a search that the service runs is the scheduler's; of it only what its run shows is written here.

    Args:
        settings: of the service.
        searches: of the service.
        readers: of runs; they are told of those that are gone.
    """

    def __init__(self, settings: Settings, searches: Searches, readers: Readers) -> None:
        self._settings = settings
        self._searches = searches
        self._readers = readers
        self._seen: dict[str, _Seen] = {}
        self._warmed: set[str] = set()
        self._left = _MOST_WARMED
        self._found_at = float("-inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aen-index", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._readers.warm()
        while True:
            try:
                self.step()
            except ServiceError:  # the database is busy or the disk is full: tried again
                pass
            except (AenError, OSError, sa.exc.SQLAlchemyError) as error:
                _LOG.warning("the runs below the root could not be read: %s", hide_secrets(str(error)))
            if self._ended.wait(STEP_SECONDS):
                return

    def step(self, *, find: bool = False) -> None:
        """Look at all runs once.

        Args:
            find: look for new folders now.
        """
        now, root = time.monotonic(), self._settings.root
        if find or now - self._found_at >= FIND_SECONDS:
            self._found_at = now
            records = {record.path: record for record in self._searches.heads()}
            found = run_folders(root, without={self._settings.folder.name})
            folders = {folder.relative_to(root).as_posix(): folder for folder in found if folder != root}
        else:  # those that change
            recent = [path for path, seen in self._seen.items() if seen.running or now - seen.changed < _RECENT_SECONDS]
            active = sa.or_(SEARCHES.c.path.in_(recent[:_BATCH]), SEARCHES.c.state.in_(ACTIVE))
            records = {record.path: record for record in self._searches.heads(active)}
            folders = {}
        folders |= {path: root / path for path in records if path not in folders}
        changes: list[tuple[str, SearchRecord | None, dict[str, Any]]] = []
        for path, folder in folders.items():
            record = records.get(path)
            if record is not None and record.request is not None and path not in self._seen and not folder.is_dir():
                continue  # it waits, and has no folder yet
            values = self._look(path, folder, record, now)
            if values is not None:
                changes.append((path, record, values))
            if len(changes) >= _BATCH:
                self._write(changes)
                changes = []
            if self._ended.is_set():
                return
        self._write(changes)
        for record in sorted(records.values(), key=lambda record: -record.updated):
            self._warm(record)

    def _warm(self, record: SearchRecord) -> None:
        """Read a run with many children, which takes a second, before anybody asks for it."""
        if record.children >= _MANY and record.id not in self._warmed and self._left >= record.children:
            self._warmed.add(record.id)
            self._left -= record.children
            self._readers.of(record).table()

    def _look(self, path: str, folder: Path, record: SearchRecord | None, now: float) -> dict[str, Any] | None:
        """Return what has changed in the row of a run, or None."""
        if not (folder / "config.yaml").is_file():
            return self._gone(path, folder, record)
        stamp = hashlib.sha256(repr([stamp_of(folder / name) for name in _FILES]).encode()).hexdigest()
        seen = self._seen.get(path)
        changed = seen is None or seen.stamp != stamp
        if (
            seen is None
            and record is not None
            and record.stamp == stamp
            and record.state not in ("running", "stopping")
        ):
            self._seen[path] = _Seen(stamp, float("-inf"), now, running=False)
            return None
        if not changed and seen is not None and (not seen.running or now - seen.judged < _JUDGE_SECONDS):
            return None
        since = now if changed or seen is None else seen.changed
        # Of another machine's run whose clock differs it counts whether its status has changed lately.
        view = view_any(folder, lambda _: seen is not None and now - since < 2 * _JUDGE_SECONDS)
        self._seen[path] = _Seen(stamp, since, now, running=view.state == "running")
        values = self._values(folder, view, stamp)
        if record is not None and _is_managed(record):
            values = {name: value for name, value in values.items() if name in _VIEWED}
            if not view.agent:
                del values["agent"], values["data"]
        if record is not None and not changed and values.get("state", record.state) == record.state:
            return None
        return values

    def _values(self, folder: Path, view: RunView, stamp: str) -> dict[str, Any]:
        best = view.winner or view.best
        state = _STATES.get(view.state, "failed")
        status = stamp_of(folder / STATUS_FILE) or stamp_of(folder / "config.yaml")
        ended = None if status is None else status[2] / 1e9
        shown = view.to_json()
        shown["path"] = folder.relative_to(self._settings.root).as_posix()
        return {
            "agent": view.agent[:100],
            "data": view.data[:200],
            "accuracy": None if best is None else best.accuracy,
            "children": 0 if view.children is None else view.children.done,
            "view": shown,
            "stamp": stamp,
            "name": (view.name or folder.name)[:200],
            "state": state,
            "message": None if view.message is None else hide_secrets(view.message),
            "started": None if ended is None or view.seconds is None else ended - view.seconds,
            "ended": None if state == "running" else ended,
        }

    def _gone(self, path: str, folder: Path, record: SearchRecord | None) -> dict[str, Any] | None:
        """Note that a run folder has vanished: a found run's row goes, a submitted search that had ended is lost."""
        seen = self._seen.pop(path, None)
        if record is None or folder.is_dir():
            return None
        if record.request is None:
            if not _is_managed(record):
                self._searches.remove(record.id)
                self._readers.forget(record.id)
            return None
        if seen is None or record.state not in ("complete", "stopped", "failed"):
            return None
        return {"state": "lost", "message": f"its run folder {path} is gone"}

    def _write(self, changes: list[tuple[str, SearchRecord | None, dict[str, Any]]]) -> None:
        if not changes:
            return
        now = time.time()
        with self._searches.database.begin() as connection:
            for path, record, values in changes:
                if record is None:
                    created = stamp_of(self._settings.root / path / "config.yaml")
                    if created is None or path in self._searches.removing:  # it was deleted since it was found
                        self._seen.pop(path, None)
                        continue
                    row = {
                        "id": secrets.token_hex(12),
                        "path": path,
                        "created": created[2] / 1e9,
                    }
                    connection.execute(SEARCHES.insert().values(**row, **values, updated=now))
                else:
                    # The scheduler may have changed the state since it was read.
                    same = (SEARCHES.c.id == record.id, SEARCHES.c.state == record.state)
                    which = same if "state" in values else same[:1]
                    connection.execute(SEARCHES.update().where(*which).values(**values, updated=now))


def _is_managed(record: SearchRecord) -> bool:
    """Return whether the service itself runs a search, or ran it last."""
    return record.request is not None or record.starts > 0 or record.state in ("queued", "stopping")
