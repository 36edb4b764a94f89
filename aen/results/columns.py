"""StoreColumns: the results of a store as arrays, for programs that show many of them while others are written.

Reading 100,000 rows as `Evaluation` takes seconds; here they are read once, and then only those that are new.
"""

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aen.errors import StoreError
from aen.results.read_only import ReadOnlyFile, may_write

NUMBERS = (
    "seed",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "parameters",
    "epochs",
    "seconds",
    "finished_at",
)
TEXTS = ("class_key", "status", "device")
_NAMES = ("rowid", "key", *TEXTS, *NUMBERS)
_BUSY_SECONDS = 5.0
_MOST_KEYS = 500
_BLOCK = 2000
_Number = TypeVar("_Number", np.float64, np.int32)


@dataclass(frozen=True)
class Snapshot:
    """The rows of a store at one time, in the order in which they were written.

    The arrays are not changed afterwards, except where a result has taken the place of a failure.

    Attributes:
        version: of the content.
        keys: of the specs.
        numbers: columns of floating-point numbers by name.
        texts: columns of texts by name, as places in `words`.
        words: the different texts of each column.
        rows: place of each key.
    """

    version: int
    keys: Sequence[str]
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, NDArray[np.int32]]
    words: Mapping[str, Sequence[str]]
    rows: dict[str, int]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.texts["status"])

    def places(self, keys: Iterable[str]) -> NDArray[np.int64]:
        """Return the places of those of some keys that are stored."""
        size, rows = self.size, self.rows
        found = [row for key in keys if (row := rows.get(key, size)) < size]
        return np.array(found, dtype=np.int64)


class StoreColumns:
    """Reads a store in an SQLite file as arrays; may be used from several threads.

    Args:
        path: the file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp: object = None
        self._version = 0
        self._read_only: ReadOnlyFile | None = None
        self._clear()

    def _clear(self) -> None:
        self._last = 0  # rowid
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._failed: set[str] = set()
        self._numbers = {name: np.empty(0) for name in NUMBERS}
        self._texts = {name: np.empty(0, dtype=np.int32) for name in TEXTS}
        self._words: dict[str, list[str]] = {name: [] for name in TEXTS}
        self._codes: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
        self._version += 1

    def snapshot(self) -> Snapshot:
        """Return all rows, with those that were written since the last call.

        Raises:
            StoreError: the file cannot be read, or is no store.
        """
        with self._lock:
            stamp = self._files()
            if stamp != self._stamp:
                try:
                    if stamp is None:
                        self._clear()
                    else:
                        self._read()
                except sqlite3.Error as error:
                    raise StoreError(f"result store {self.path.name} cannot be read: {error}.") from error
                self._stamp = stamp
            size = len(self._keys)
            return Snapshot(
                version=self._version,
                keys=self._keys,
                numbers={name: column[:size] for name, column in self._numbers.items()},
                texts={name: column[:size] for name, column in self._texts.items()},
                words=self._words,
                rows=self._rows,
            )

    def fetch(self, column: str, keys: Sequence[str]) -> dict[str, Any]:
        """Return another column, ``record`` or ``spec``, of some rows by key.

        Raises:
            StoreError: the file cannot be read.
        """
        if column not in ("record", "spec"):
            raise ValueError(f"column is {column!r}; choose record or spec.")
        try:
            with closing(self._connect()) as connection:
                return dict(self._where(connection, f"key, {column}", keys))
        except sqlite3.Error as error:
            raise StoreError(f"result store {self.path.name} cannot be read: {error}.") from error

    def _connect(self) -> sqlite3.Connection:
        if may_write(self.path):
            return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        if self._read_only is None:
            self._read_only = ReadOnlyFile(self.path)
        return self._read_only.connect()

    def _read(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute("BEGIN")  # of one moment
            if self._failed:
                self._read_failed(connection)
            known = len(self._keys)
            count = connection.execute("SELECT count(*) FROM evaluations").fetchone()[0]
            new = connection.execute("SELECT count(*) FROM evaluations WHERE rowid > ?", (self._last,)).fetchone()[0]
            if count != known + new:  # another program has removed some
                self._clear()
            columns = ", ".join(_NAMES)
            query = connection.execute(
                f"SELECT {columns} FROM evaluations WHERE rowid > ? ORDER BY rowid",  # noqa: S608 - fixed names
                (self._last,),
            )
            while rows := query.fetchmany(_BLOCK):
                self._append(rows)

    def _read_failed(self, connection: sqlite3.Connection) -> None:
        """Read again the rows that failed: a later result takes the place of a failure."""
        failed = list(self._failed)
        found = {row[1]: row for row in self._where(connection, ", ".join(_NAMES), failed)}
        if len(found) < len(failed):  # some were removed, whose row numbers new rows may have
            self._clear()
            return
        for key, row in found.items():
            if row[3] != "failed":
                self._put(self._rows[key], [row])
                self._failed.discard(key)
                self._version += 1

    @staticmethod
    def _where(connection: sqlite3.Connection, columns: str, keys: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(keys), _MOST_KEYS):
            some = keys[start : start + _MOST_KEYS]
            marks = ", ".join("?" * len(some))
            found += connection.execute(
                f"SELECT {columns} FROM evaluations WHERE key IN ({marks})",  # noqa: S608 - fixed names
                some,
            )
        return found

    def _append(self, rows: Sequence[Sequence[Any]]) -> None:
        size = len(self._keys)
        if size + len(rows) > len(self._numbers["seed"]):
            room = max(2 * (size + len(rows)), 1024)
            self._numbers = {name: _longer(column, size, room) for name, column in self._numbers.items()}
            self._texts = {name: _longer(column, size, room) for name, column in self._texts.items()}
        self._put(size, rows)
        for place, row in enumerate(rows, size):
            key = intern(row[1])
            self._keys.append(key)
            self._rows[key] = place
            if row[3] == "failed":
                self._failed.add(key)
        self._last = rows[-1][0]
        self._version += 1

    def _put(self, start: int, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows into the arrays."""
        columns = list(zip(*rows, strict=True))
        end = start + len(rows)
        for name, values in zip(TEXTS, columns[2:], strict=False):
            codes, words = self._codes[name], self._words[name]
            for value in set(values) - codes.keys():
                codes[value] = len(words)
                words.append(str(value))
            self._texts[name][start:end] = [codes[value] for value in values]
        for name, values in zip(NUMBERS, columns[2 + len(TEXTS) :], strict=True):
            self._numbers[name][start:end] = [np.nan if value is None else value for value in values]

    def _files(self) -> object:
        """Return what changes with the content: sizes and times of the file and of its log; None: there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        try:
            log = self.path.with_name(f"{self.path.name}-wal").stat()
        except OSError:
            return found.st_ino, found.st_size, found.st_mtime_ns
        return found.st_ino, found.st_size, found.st_mtime_ns, log.st_size, log.st_mtime_ns


def _longer(column: NDArray[_Number], size: int, room: int) -> NDArray[_Number]:
    """Return a copy of an array with room for more values."""
    found = np.empty(room, dtype=column.dtype)
    found[:size] = column[:size]
    return found
