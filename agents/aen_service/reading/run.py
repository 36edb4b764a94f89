"""RunReader: what the files of one run say, kept in memory and read on as they grow."""

import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aen._reading import MALFORMED
from aen._typing import JsonDict
from aen.errors import AenError, StoreError
from aen.groups.inclusion import Places, covers, layout
from aen.results.columns import StoreColumns
from aen_agents.monitoring.status import Status
from aen_agents.runs.folder import RunFolder
from aen_service.reading.history import RunHistory
from aen_service.reading.log import RunLog
from aen_service.reading.shown import shown_line
from aen_service.reading.table import ChildTable

_FRESH_SECONDS = 0.3  # for which an answer may be old
MOST_DRAWN = 1000  # classes of a lattice


@dataclass(frozen=True)
class Curve:
    """The learning curve, with an entry for each child that was new; NaN: not known."""

    children: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    best: NDArray[np.float64]
    epsilon: NDArray[np.float64]
    loss: NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """The classes of a space by inclusion.

    Attributes:
        keys: of the classes.
        closed_sets: of the classes.
        names: of the classes; empty: not known.
        places: where they stand in a drawing.
        edges: pairs of classes, below and above, as places in `keys`.
    """

    keys: Sequence[str]
    closed_sets: Sequence[int]
    names: Sequence[str]
    places: Places
    edges: Sequence[tuple[int, int]]


class RunReader:
    """What the files of a run say; may be used from several threads.

    Args:
        folder: of the run.
        store: where its results are; None: they cannot be read here.
        whole_store: whether all results in the store belong to the run.
        root: of the runs; clients are shown no other folder.

    Attributes:
        memo: what others have computed of the run, by name, with what it depends on.
    """

    def __init__(self, folder: Path, store: StoreColumns | None, *, whole_store: bool, root: Path) -> None:
        self.folder = folder
        self._root = root
        self._store = store
        self._whole_store = whole_store
        self._history = RunHistory(folder / "history.jsonl")
        self._log = RunLog(folder / "log.jsonl")
        self._lock = threading.RLock()
        self._read_at = -math.inf
        self.memo: dict[str, tuple[Any, Any]] = {}
        self._table: tuple[object, ChildTable] | None = None
        self._curve: tuple[object, Curve] | None = None
        self._lattice: tuple[object, Lattice | None] | None = None
        self._summary_lock = threading.Lock()
        self._summary: tuple[object, JsonDict | None] = (None, None)

    @property
    def history(self) -> RunHistory:
        """The history, as it is now."""
        with self._lock:
            self._update()
            return self._history

    @property
    def log(self) -> RunLog:
        """The log, as it is now."""
        with self._lock:
            self._update()
            return self._log

    def newest_log(self) -> RunLog:
        """Return the log with what was appended this moment."""
        with self._lock:
            self._log.update()
            return self._log

    def log_lines(self, after: int, size: int) -> list[tuple[int, bytes]]:
        """Return up to `size` lines of the log after a line number, with their numbers, as clients are shown them."""
        with self._lock:
            self._update()
            found = self._log.newest(after, size)
        return [(number, shown_line(line, self._root)) for number, line in found]

    def _update(self) -> None:
        if time.monotonic() - self._read_at > _FRESH_SECONDS:
            self._history.update()
            self._log.update()
            self._read_at = time.monotonic()

    def table(self) -> ChildTable:
        """Return the children."""
        with self._lock:
            self._update()
            snapshot = None
            if self._store is not None:
                with suppress(StoreError):
                    snapshot = self._store.snapshot()
            if snapshot is not None and not snapshot.size and not self._whole_store:
                snapshot = None
            version = (self._history.version, self._log.version, snapshot and snapshot.version)
            if self._table is None or self._table[0] != version:
                table = ChildTable(snapshot, self._history, self._log, whole_store=self._whole_store)
                self._table = version, table
            return self._table[1]

    def fetch(self, column: str, keys: Sequence[str]) -> dict[str, Any]:
        """Return another column of the store, ``record`` or ``spec``, of some children by key."""
        if self._store is None:
            return {}
        try:
            return self._store.fetch(column, keys)
        except StoreError:
            return {}

    def curve(self) -> Curve:
        """Return the learning curve, one entry for each child that was new."""
        with self._lock:
            self._update()
            version = (self._history.version, len(self._log.steps))
            if self._curve is None or self._curve[0] != version:
                self._curve = version, self._read_curve()
            return self._curve[1]

    def _read_curve(self) -> Curve:
        columns = self._history.columns
        steps, losses = np.array(self._log.steps), np.array(self._log.losses)
        own = np.array(columns.steps)
        loss = np.full(len(own), np.nan)
        if len(steps):
            # A resumed search repeats some steps: what it logged later counts.
            order = np.argsort(steps, kind="stable")
            place = np.searchsorted(steps[order], own, side="right") - 1
            loss = np.where(place >= 0, losses[order][np.maximum(place, 0)], np.nan)
        return Curve(
            children=np.arange(1, len(own) + 1),
            accuracy=np.array(columns.accuracy),
            best=np.array(columns.best),
            epsilon=np.array(columns.epsilon),
            loss=loss,
        )

    def summary(self) -> JsonDict | None:
        """Return the content of ``summary.json``; None: there is none yet.

        Raises:
            RunFolderError: the file is damaged.
        """
        with self._summary_lock:  # it does not wait while the children are read, which can take seconds
            stamp = stamp_of(self.folder / "summary.json")
            if stamp != self._summary[0]:
                self._summary = stamp, None if stamp is None else RunFolder(self.folder).summary()
            return self._summary[1]

    def roles(self) -> dict[str, str]:
        """Return the role of each class that has one, by its key: ``winner``, ``untied`` or ``hidden group``."""
        found: dict[str, str] = {}
        with suppress(AenError, *MALFORMED):
            summary = self.summary() or {}
            for name, role in (("hidden_group", "hidden group"), ("baseline", "untied"), ("winner", "winner")):
                row = summary.get(name)
                if isinstance(row, dict) and row.get("class_key"):
                    found[str(row["class_key"])] = role
        return found

    def lattice(self) -> Lattice | None:
        """Return the classes of the space; None: they are not known, have no order, or are too many to be drawn."""
        with self._lock:
            self._update()
            version = (self._log.version, stamp_of(self.folder / "summary.json"))
            if self._lattice is None or self._lattice[0] != version:
                self._lattice = version, self._read_lattice()
            return self._lattice[1]

    def _read_lattice(self) -> Lattice | None:
        space = self._log.space or {}
        closed_sets: dict[str, int] = space.get("closed_sets") or {}
        if not closed_sets:
            with suppress(AenError, *MALFORMED):
                closed_sets = (self.summary() or {}).get("closed_sets") or {}
        if not 0 < len(closed_sets) <= MOST_DRAWN:
            return None
        names: dict[str, str] = space.get("names") or {}
        known = self._history.classes
        keys, sets = list(closed_sets), list(closed_sets.values())
        edges = covers(sets)
        return Lattice(
            keys=keys,
            closed_sets=sets,
            names=[names.get(key) or (known[key].factors if key in known else "") for key in keys],
            places=layout([each.bit_count() for each in sets], edges),
            edges=edges,
        )

    def status(self) -> Status | None:
        """Return the content of ``status.json``; None: there is none, or it is damaged."""
        try:
            return Status.read(self.folder)
        except AenError:
            return None


def stamp_of(file: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's content; None: there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def thinned(values: NDArray[np.float64], points: int) -> NDArray[np.int64]:
    """Return places of at most `points` values that show their extremes: the least and greatest of each part.

    Args:
        values: the values; NaN counts as 0.
        points: at least 4.
    """
    size = len(values)
    if size <= points:
        return np.arange(size)
    bounds = np.linspace(1, size - 1, (points - 2) // 2 + 1).astype(np.int64)
    filled, chosen = np.nan_to_num(values), [0, size - 1]
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = filled[start:end]
        chosen += [start + int(part.argmin()), start + int(part.argmax())]
    return np.unique(np.array(chosen, dtype=np.int64))
